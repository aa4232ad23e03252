# SPDX-License-Identifier: Apache-2.0
"""Results of the training-step benchmark as Markdown, and the section of a document that they replace."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.peers import OURS, PEERS
from bench.workload import Case


class Timing(NamedTuple):
    """One peer on one case: seconds of the first step, and of each round's median step and forward pass.

    `flops` are the floating-point operations that a step executes, 0 where that is not known.
    """

    first_s: float
    step_s: list[float]
    forward_s: list[float]
    flops: float = 0.0


Results = Mapping[Case, Mapping[str, Timing]]


def milliseconds(seconds: float) -> str:
    """Three significant digits."""
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def ratio(peer: Timing, ours: Timing, part: str = "step_s") -> float:
    """How many times the peer's time ours fits into it: the median over rounds, which drift together."""
    return median(a / b for a, b in zip(getattr(peer, part), getattr(ours, part), strict=True))


def rows(title: str, cells: list[list[str]], header: list[str]) -> str:
    """A Markdown table under a line of text."""
    lines = [header, ["---"] * len(header), *cells]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(results: Results, names: list[str]) -> str:
    """Milliseconds and, where our column is there, the ratios."""
    titles = [PEERS[name].title for name in names]
    times = [
        [
            case.label,
            *(
                f"{milliseconds(median(t.step_s))} ({milliseconds(median(t.forward_s))}), first {t.first_s:.2f} s"
                if (t := timings.get(name))
                else "-"
                for name in names
            ),
        ]
        for case, timings in results.items()
    ]
    parts = [rows("Median milliseconds of one step (forward alone):", times, ["case", *titles])]
    peers = [name for name in names if name != OURS]
    if OURS in names and peers:
        ratios = []
        for case, timings in results.items():
            ours = timings[OURS]
            factors = {name: ratio(timings[name], ours) for name in peers}
            forward = min(ratio(timings[name], ours, "forward_s") for name in peers)
            ratios.append(
                [
                    case.label,
                    *(f"{factors[name]:.1f}" for name in peers),
                    f"{min(factors.values()):.1f}",
                    f"{forward:.1f}",
                ]
            )
        header = ["case", *(PEERS[name].title for name in peers), "best peer", "best peer, forward"]
        parts.append(rows("The peer's step in units of ours (more is better for us):", ratios, header))
    return "\n\n".join(parts)


def bar(case: Case, peer_s: float) -> float:
    """How many times faster than a peer's step the project asks to be."""
    if peer_s >= 2e-3:  # the bars of the engine's requirements, in seconds
        return 5.0 if case.qubits == 16 else 10.0
    return 3.0 if peer_s >= 3e-4 else 1.0


def rates(results: Results, peak: float) -> str:
    """GFLOP/s of our step beside the machine's peak, and the bar against the best peer."""
    cells = []
    for case, timings in results.items():
        ours = timings[OURS]
        speed = ours.flops / median(ours.step_s)
        textbook = case.textbook_flops() / median(ours.step_s)
        peers = {name: timing for name, timing in timings.items() if name != OURS}
        line = [
            case.label,
            milliseconds(median(ours.step_s)),
            f"{speed / 1e9:.0f}",
            f"{100 * speed / peak:.0f} %",
            f"{100 * textbook / peak:.0f} %" if textbook else "",
        ]
        if peers:
            best = min(peers, key=lambda name: median(peers[name].step_s))
            peer_s, factor = median(peers[best].step_s), ratio(peers[best], ours)
            wanted = bar(case, peer_s)
            met = "met" if factor >= wanted else "not met"
            line += [PEERS[best].title, milliseconds(peer_s), f"{factor:.1f}", f"{wanted:.0f}x {met}"]
        cells.append(line)
    header = ["case", "our step, ms", "GFLOP/s", "of the peak", "the usual way"]
    if any(len(line) > len(header) for line in cells):
        header += ["best peer", "its step, ms", "ratio", "bar"]
    title = (
        f"Our rate beside the peak of {peak / 1e9:.0f} GFLOP/s that multiply-adds reach on all cores, measured in the same "
        "run: operations that the kernels execute, which tangents halve, per time of the whole call, readout and Python "
        "included; in the column 'the usual way' the operations that fused 2 x 2 gates would take instead. Then the bar of "
        "the best peer (10x from 2 ms on, 5x at 16 qubits; 3x from 0.3 ms on; never slower below):"
    )
    return rows(title, cells, header)


def machine() -> str:
    """Processor, cores, system and Python, in a line."""
    model = platform.processor() or platform.machine()
    flags: set[str] = set()
    info = Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in facts.items()}
        model, flags = facts.get("model name", model), set(facts.get("flags", "").split())
    vectors = next(
        (name for flag, name in (("avx512f", ", AVX-512"), ("avx2", ", AVX2")) if flag in flags), ""
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}{vectors}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def replace_section(document: Path, name: str, text: str) -> None:
    """Put the text between the document's markers `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    old = document.read_text("utf-8")
    if begin not in old or end not in old:
        msg = f"{document} has no markers {begin!r} and {end!r}; add them where the section belongs."
        raise ValueError(msg)
    head, _, rest = old.partition(begin)
    document.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}", "utf-8")
