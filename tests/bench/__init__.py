# SPDX-License-Identifier: Apache-2.0
"""Benchmarks against other simulators; run by `nox -s bench`, never collected by pytest.

One module is one benchmark (`train`: a training step of a quantum layer); `peers/` holds one file per competitor.
Every column runs in a process of its own, and the processes take turns, so ratios compare times of the same minute.
Run by hand from the `tests` folder: `python -m bench.train --help`.
"""
