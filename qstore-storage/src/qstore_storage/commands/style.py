# SPDX-License-Identifier: Apache-2.0
"""The style sheet of a report: light and dark by what the reader's system asks for, one column on narrow screens, ink on paper."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1a1f29; --soft: #5b6472; --edge: #e1e5eb; --grid: #eceff3;
  --c0: #2563eb; --c1: #c2570c; --c2: #0f8a5f; --c3: #8b3fd1; --warn: #fff6e0; --warn-edge: #e3b341;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1319; --card: #181d26; --ink: #e7eaf0; --soft: #98a2b3; --edge: #2a313d; --grid: #252c37;
    --c0: #6ea8fe; --c1: #fda65c; --c2: #4fd1a1; --c3: #c79bff; --warn: #2c2512; --warn-edge: #8a6d1d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 36px 0 12px; }
h3 { font-size: .95rem; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
p { margin: 0; }
.soft, footer { color: var(--soft); }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(156px, 1fr)); margin-top: 24px; }
.tile { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 12px 14px; }
.tile b { display: block; font-size: 1.3rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .82rem; line-height: 1.3; display: block; }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 14px 14px 6px; min-width: 0; }
.key { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 2px 0 8px; font-size: .82rem; color: var(--soft); padding: 0; list-style: none; }
.key i, .mark { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; background: currentColor; }
.key li { overflow-wrap: anywhere; }
.key b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--grid); stroke-width: 1; fill: none; }
.tick { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.band { fill: currentColor; opacity: .16; }
.dot { fill: currentColor; }
.spot { fill: currentColor; opacity: 0; }
.spot:hover { opacity: .9; }
.s0 { color: var(--c0); } .s1 { color: var(--c1); } .s2 { color: var(--c2); } .s3 { color: var(--c3); }
.small { width: 120px; height: 26px; }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--edge); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { padding: 7px 14px; text-align: left; border-top: 1px solid var(--edge); white-space: nowrap; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .8rem; }
tbody th { font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.what { white-space: normal; min-width: 14em; color: var(--soft); }
.bar { display: flex; height: 14px; border-radius: 4px; overflow: hidden; gap: 2px; margin: 0 0 12px; }
.bar span { background: currentColor; min-width: 2px; }
.problems { background: var(--warn); border: 1px solid var(--warn-edge); border-radius: 10px; padding: 12px 16px; margin-top: 24px; }
.problems ul { margin: 4px 0 0; padding-left: 20px; }
.problems li { overflow-wrap: anywhere; }
footer { margin-top: 40px; font-size: .82rem; }
@media print { body { background: #fff; } .card, .tile { break-inside: avoid; } }
"""
"""CSS; it loads nothing."""
