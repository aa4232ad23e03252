# SPDX-License-Identifier: Apache-2.0
"""What `qstore jobs prune` does: delete runs that ended long ago, with their results."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qstore.batch.runs import is_random_name
from qstore.cli.table import table
from qstore.cli.words import dollars, size
from qstore.errors import OptionError
from qstore.execution.runs_folder import RunFolder, run_names

__all__ = ["prune"]

_DAY_S = 86400.0


def prune(runs: Sequence[str], *, named: bool, older_than_days: float, sure: bool) -> int:
    """Delete runs whose jobs all ended some days ago; without `sure` only say which that would be.

    A run that the user named is found again when its script is started again, which then pays for nothing twice. So
    such a run is only deleted where it is asked for.

    Args:
        runs: only these; all where there are none.
        named: whether runs go too that the user named.
        older_than_days: how long ago the last of a run's jobs ended.
        sure: whether to delete.
    """
    if older_than_days < 0:
        raise OptionError(f"--older-than takes a number of days from 0 up, got {older_than_days:g}.")
    before_s = time.time() - older_than_days * _DAY_S
    known = run_names()
    for run in runs:
        if run not in known:
            raise OptionError(f"There is no run {run!r}; 'qstore jobs list' shows them.")
    rows, kept = [], 0
    for run in runs or known:
        if not runs and not named and not is_random_name(run):
            kept += 1
            continue
        folder = RunFolder(run)
        jobs = folder.overview()
        held = sum(path.stat().st_size for path in folder.path.iterdir() if path.is_file())
        paid = sum(job.billed_usd or 0 for job in jobs)
        reason = folder.remove_if_over(before_s) if sure else folder.reason_to_keep(before_s)
        rows.append([run, str(len(jobs)), dollars(paid) if paid else "free", size(held), reason or ("deleted" if sure else "would go")])  # fmt: skip
    if rows:
        print(
            table(["run", "jobs", "paid", "size", "what becomes of it"], rows, right={"jobs", "paid", "size"})
        )
    else:
        print("There are no such runs.")
    if kept:
        print(
            f"\n{kept} runs have names that somebody gave them and stay: --named or --run NAME takes them too."
        )
    if rows and not sure:
        print(
            "\nNothing was deleted. With --yes these results are gone, and a script started again pays for them again."
        )
    return 0
