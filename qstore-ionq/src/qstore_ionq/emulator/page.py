# SPDX-License-Identifier: Apache-2.0
"""The status page at `/`: jobs, money, requests and faults at a glance. One HTML file without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

from qstore_ionq.emulator.faults import Fault
from qstore_ionq.emulator.front import Front
from qstore_ionq.emulator.jobs import Job
from qstore_ionq.emulator.wire import as_time

__all__ = ["page"]

_JOBS, _REQUESTS = 25, 15
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2330;--soft:#68707f;--line:#e3e6ec;--card:#fff;--back:#f5f6f9;--accent:#3757d6;
--good:#1c7f4b;--bad:#b3362b;--wait:#9a6b00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9f0;--soft:#98a1b3;--line:#2c3340;--card:#1a1f29;--back:#12161d;
--accent:#8aa2ff;--good:#58c48b;--bad:#f08a80;--wait:#e0b355}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}h1{font-size:22px;margin:0}h2{font-size:15px;margin:0 0 8px}
p{margin:4px 0 20px;color:var(--soft)}code{font:13px ui-monospace,monospace}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:12px;margin-bottom:24px}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.card b{display:block;font-size:24px;font-weight:600;font-variant-numeric:tabular-nums}.card span{color:var(--soft)}
section{margin-bottom:20px;overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:5px 14px 5px 0;white-space:nowrap;border-top:1px solid var(--line)}
th{border:0;color:var(--soft);font-weight:500;font-size:13px}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.completed{color:var(--good)}.failed,.canceled,.hit{color:var(--bad)}.submitted,.ready,.started{color:var(--wait)}
.none{color:var(--soft);margin:0}
"""


def page(front: Front) -> bytes:
    """The page as it is now; it asks to be loaded again every two seconds."""
    stats, service = front.stats(), front.service
    now = service.clock.now()
    running = sum(stats.jobs.get(word, 0) for word in ("submitted", "ready", "started"))
    cards = (
        ("jobs", sum(stats.jobs.values())), ("running", running), ("completed", stats.jobs.get("completed", 0)),
        ("failed, canceled", stats.jobs.get("failed", 0) + stats.jobs.get("canceled", 0)),
        ("billed", f"${float(stats.spent_usd):,.2f}"), ("requests", sum(stats.requests.values())),
        ("faults", sum(stats.faults.values())),
    )  # fmt: skip
    top = "".join(
        f"<div class=card><b>{escape(str(value))}</b><span>{name}</span></div>" for name, value in cards
    )
    jobs = islice((job for job in service.jobs() if job.parent_id is None), _JOBS)
    return "".join(
        (
            "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>",
            "<meta name=viewport content='width=device-width'><title>qstore IonQ emulator</title>",
            f"<style>{_STYLE}</style><main><h1>qstore IonQ emulator</h1><p>{_mode(front)}</p>",
            f"<div class=cards>{top}</div>",
            _section("Jobs", _job_table(jobs, now)),
            _section("Faults", _fault_table(front)),
            _section("Requests", _request_table(front)),
            "</main></html>",
        )
    ).encode()


def _mode(front: Front) -> str:
    options = front.options
    words = [
        "strict" if options.strict else "tolerant",
        f"seed {options.seed}" if options.seed is not None else "no seed",
        f"{options.speed:g} machine seconds a second",
        f"prices: {options.prices}",
        f"latency {options.latency_s:g} s" if options.latency_s else "",
        f"clock {options.clock_offset_s:+g} s" if options.clock_offset_s else "",
        "kept in a file" if options.database is not None else "kept in memory",
    ]
    return escape(", ".join(word for word in words if word) + ".")


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str], none: str) -> str:
    """Cells are HTML already."""
    listed = list(rows)
    if not listed:
        return f"<p class=none>{none}</p>"
    marks = [" class=n" if name in numbers else "" for name in heads]
    top = "".join(f"<th{mark}>{name}" for name, mark in zip(heads, marks, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{mark}>{cell}" for cell, mark in zip(row, marks, strict=True)) for row in listed
    )
    return f"<table><tr>{top}{lines}</table>"


def _job_table(jobs: Iterable[Job], now: float) -> str:
    rows = []
    for job in jobs:
        status = job.status(now)
        why = f" {escape(job.failure.code)}" if status == "failed" and job.failure else ""
        rows.append(
            (
                f"<code>{escape(job.id[:8])}</code>", escape((job.name or "")[:40]), escape(job.backend),
                f"<span class={status}>{status}</span>{why}", str(len(job.child_ids) or 1), str(job.qubits),
                "exact" if job.shots is None else str(job.shots), f"${job.price_usd:,.4f}", str(as_time(job.submitted_at))[11:19],
            )
        )  # fmt: skip
    heads = ("job", "name", "backend", "status", "circuits", "qubits", "shots", "price", "submitted")
    return _table(heads, rows, ("circuits", "qubits", "shots", "price"), "None yet. POST one to /v0.4/jobs.")


def _fault_table(front: Front) -> str:
    injector = front.injector
    rows = [
        (escape(fault.label), escape(fault.route), _when(fault), str(fired))
        for fault, fired in zip(injector.plan.faults, injector.fired, strict=True)
    ]
    lag = injector.plan.listing.lag_s
    more = f"<p class=none>Listings lag {lag:g} s.</p>" if lag else ""
    return (
        _table(("fault", "route", "attempts", "happened"), rows, ("happened",), "Nothing goes wrong.") + more
    )


def _when(fault: Fault) -> str:
    attempts = "all" if fault.attempts is None else ", ".join(map(str, fault.attempts[:8]))
    more = ", ..." if fault.attempts is not None and len(fault.attempts) > 8 else ""
    chance = f" with probability {fault.probability:g}" if fault.probability < 1 else ""
    return escape(f"{attempts}{more}{chance}")


def _request_table(front: Front) -> str:
    last = list(front.traffic.exchanges)[-_REQUESTS:]
    rows = [
        (
            escape(each.method), f"<code>{escape(each.path[:70])}</code>", str(each.attempt),
            str(each.status or "none"), f"<span class=hit>{escape(each.fault)}</span>", f"{each.took_s * 1e3:.1f}",
        )
        for each in reversed(last)
    ]  # fmt: skip
    return _table(
        ("method", "path", "attempt", "status", "fault", "ms"), rows, ("attempt", "ms"), "None yet."
    )
