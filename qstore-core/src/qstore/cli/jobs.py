# SPDX-License-Identifier: Apache-2.0
"""`qstore jobs`: what was sent to services, and what became of it; to look at, resume, cancel and prune."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.errors import OptionError

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore jobs list --open
  qstore jobs show 151d4a33
  qstore jobs resume
  qstore jobs prune --older-than 90

exit codes: 0 done, 1 a job did not get to its end, or cannot be found
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the jobs of all runs", description="List jobs.")
    listing.add_argument("--run", help="only this run")
    listing.add_argument("--open", action="store_true", help="only jobs that are not over")
    listing.add_argument("--json", action="store_true", help="machine-readable")
    listing.set_defaults(action=_list)
    show = actions.add_parser(
        "show", help="show a job with its history", description="Show a job with its history."
    )
    show.set_defaults(action=_show)
    resume = actions.add_parser(
        "resume", help="wait for jobs and store their results", description="Wait for jobs and store their results, for the script to find when it is started again.",
    )  # fmt: skip
    resume.add_argument("--resubmit", action="store_true",
                        help="send jobs again that are held, failed or were cancelled, even if that pays twice; no budget limits it")  # fmt: skip
    resume.add_argument("--deadline", type=float, metavar="S", help="wait at most so many seconds")
    resume.add_argument("--settle", type=float, metavar="S", default=60.0,
                        help="look so many seconds for a job that the service does not list (60)")  # fmt: skip
    resume.set_defaults(action=_resume)
    cancel = actions.add_parser("cancel", help="cancel jobs", description="Cancel jobs that are not over.")
    cancel.set_defaults(action=_cancel)
    prune = actions.add_parser(
        "prune", help="delete runs that ended long ago, with their results",
        description="Delete runs whose jobs all ended long ago, with their results. Without --yes it only says which.",
    )  # fmt: skip
    prune.add_argument(
        "--run", action="append", default=[], metavar="NAME", help="only this run; may be given several times"
    )
    prune.add_argument("--named", action="store_true",
                       help="also runs that somebody named: started again, their scripts pay again")  # fmt: skip
    prune.add_argument(
        "--older-than", type=float, default=30.0, metavar="DAYS", help="how long ago they ended (30)"
    )
    prune.add_argument("--yes", action="store_true", help="delete them")
    prune.set_defaults(action=_prune)
    parser.epilog = _EPILOG
    for each in (show, resume, cancel):
        each.add_argument("--run", help="only this run")
        each.add_argument("jobs", metavar="JOB", nargs="*" if each is resume else "+",
                          help="the beginning of a tag, or the service's id" + (" (all that are open)" if each is resume else ""))  # fmt: skip
    return _run


def _run(args: argparse.Namespace) -> int:
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    from qstore.execution.job_rows import OVER

    jobs = [(run, row) for run, row in _jobs(args.run) if not (args.open and row.state in OVER)]
    if args.json:
        records = [{"run": run, **asdict(row), "state": row.state.value} for run, row in jobs]
        print(json_text(records))
        return 0
    if not jobs:
        from qstore.batch import state_home

        print(f"No jobs in {state_home() / 'runs'}.")
        return 0
    rows = [
        [run, row.tag[:12], row.state.value + (" *" if row.elsewhere else ""), row.backend, row.job_id or "-", str(row.circuits),
         "exact" if row.shots is None else str(row.shots), _dollars(row), _when(row.created_s)]
        for run, row in jobs
    ]  # fmt: skip
    print(table(["run", "tag", "state", "backend", "job", "circuits", "shots", "cost", "made"], rows))
    if any(row.elsewhere for _, row in jobs):
        print("\n* in the hands of a process that is running")
    return 0


def _show(args: argparse.Namespace) -> int:
    from qstore.execution.runs_folder import RunFolder

    for run, row in _chosen(args):
        folder = RunFolder(run)
        with folder.guard():
            rows = folder.find([row.tag])[row.tag].rows
        facts = {"run": run, **asdict(row), "state": row.state.value}
        width = max(map(len, facts))
        for name, value in facts.items():
            shown = (
                _when(value) if name.endswith("_s") and isinstance(value, float) and value > 1e6 else value
            )
            print(f"{name:<{width}}  {'' if shown is None else shown}")
        print("\nHistory")
        history = sorted(
            rows["events"], key=lambda event: (_number(event["revision"]), _number(event["at_s"]))
        )
        for event in history:
            print(f"  {_when(_number(event['at_s']))}  {event['state']:<10} {event['note']}".rstrip())
        for other in rows["others"]:
            print(
                f"  further job {other['job_id']}: {other['role']}, billed {other['billed_usd'] or 'unknown'}"
            )
        content = str(rows["jobs"][0]["content"])
        print(f"\nContent  {content[:400]}{' ...' if len(content) > 400 else ''}\n")
    return 0


def _resume(args: argparse.Namespace) -> int:
    from qstore.cli.job_actions import resume

    chosen = _chosen(args) if args.jobs else list(_jobs(args.run))
    return resume(
        chosen, resubmit=args.resubmit, deadline_s=args.deadline, settle_s=args.settle, named=bool(args.jobs)
    )


def _cancel(args: argparse.Namespace) -> int:
    from qstore.cli.job_actions import cancel

    return cancel(_chosen(args))


def _prune(args: argparse.Namespace) -> int:
    from qstore.cli.job_pruning import prune

    return prune(args.run, named=args.named, older_than_days=args.older_than, sure=args.yes)


def _jobs(run: str | None) -> Iterable[tuple[str, Any]]:
    from qstore.execution.runs_folder import RunFolder, run_names

    for name in [run] if run is not None else run_names():
        for row in RunFolder(name).overview():
            yield name, row


def _chosen(args: argparse.Namespace) -> list[tuple[str, Any]]:
    known = list(_jobs(args.run))
    chosen = []
    for wanted in args.jobs:
        found = [(run, row) for run, row in known if row.tag.startswith(wanted) or row.job_id == wanted]
        if len(found) != 1:
            what = (
                "is no job here" if not found else f"could be any of {len(found)} jobs: give more of the tag"
            )
            raise OptionError(f"{wanted!r} {what}; 'qstore jobs list' shows them.")
        chosen += found
    return chosen


def _dollars(row: Any) -> str:
    if row.billed_usd is not None:
        return f"${row.billed_usd}"
    return f"~${row.estimated_usd}" if row.paid else "free"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
