# SPDX-License-Identifier: Apache-2.0
"""docs/reference/command-line.md shows what the commands really print. `python tests/docs/test_command_line.py` writes it again.

In its `console` blocks a line "$ cat FILE" makes that file; other lines are run, and what follows is what they print, with
stderr first; `...` stands for anything, STATE for the state folder. Times and sizes are not compared. The ledger and the jobs that the examples show are made here.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest

from qstore.accounting import Budget, Ledger, ledger
from qstore.cli import main
from qstore.execution import reload_settings
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import JobRequest, job_tag
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder
from qstore.execution.settings_fields import FIELDS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "command-line.md"
BLOCK = re.compile(r"^```console\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"(?:\b(?:under )?|< )[\d.]+ (?:us|ms|s|min|B|KiB|MiB)\b")
"""Times and sizes of files are of this machine."""
MOMENT = 1795219200.0
"""2026-11-21, 00:00 by UTC, when the examples' money was spent."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(text: str) -> Iterator[tuple[str, str]]:
    """Every command with what it prints."""
    for block in BLOCK.finditer(text):
        for part in re.split(r"^\$ ", block["lines"], flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def answer(command: str) -> str:
    """What a command prints, stderr first."""
    environment, words = {}, shlex.split(command)
    stdin = b""
    if words[:1] == ["cat"] and words[2:3] == ["|"]:
        stdin, words = Path(words[1]).read_bytes(), words[3:]
    while "=" in words[0]:
        name, _, environment[name] = words.pop(0).partition("=")
    assert words.pop(0) == "qstore", command
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        main(words)
    # A fresh machine compiles the simulator's kernels, and says so.
    said = [
        line
        for line in err.getvalue().splitlines(keepends=True)
        if not line.startswith("qstore.sim: Compiling")
    ]
    return "".join(said) + out.getvalue()


def furnish(home: Path) -> None:
    """A ledger, a run of long ago, a memory of the router's."""
    (home / "throughput.json").write_text(
        '{"version": 1, "entries": [["statevector", "exact", 0, 0.1]]}', "utf-8"
    )
    with mock.patch.object(ledger, "_now", return_value=int(MOMENT)), Ledger(home / "ledger.sqlite") as book:
        book.settle("a", Decimal("12.42"), Budget(100), backend="ionq.aria-1", run="digits")
        book.settle("b", Decimal("97.50"), Budget(100, name="thesis"), backend="ionq.forte-1", run="moons")
        book.reserve("c", Decimal("12.42"), Budget(100), backend="ionq.aria-1", run="digits-2")
    journal = Journal(RunFolder("run-0bea084dbf42", home))
    tag = job_tag("run-0bea084dbf42", {"example": 1}, b"", {})
    journal.claim([JobRequest(tag, "ionq.aria-1", "qpu.aria-1", {}, 1, 100, True, Decimal("12.42"))]).result()
    journal.record(tag, JobState.SENT).result()
    journal.record(tag, JobState.ACCEPTED, job_id="8db51d98").result()
    journal.record(tag, JobState.DONE, result={}, billed_usd=Decimal("12.42")).result()

    def age(transaction):
        transaction.connection.execute(
            "UPDATE jobs SET created_s = ?, finished_s = ?", (MOMENT - 1e7, MOMENT - 1e7)
        )

    journal._database.write(age)
    journal.close()


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """An empty folder, an environment without settings, Greenwich time."""
    home = folder / "state"
    home.mkdir()
    variables = {field.variable: "" for field in FIELDS}
    variables |= {
        "QSTORE_HOME": str(home),
        "QSTORE_CONFIG": os.devnull,
        "QSTORE_RUN": "",
        "QSTORE_PLUGINS": "",
    }
    no_kernels = mock.patch(
        "qstore_sim.cache_files.kernel_files", list
    )  # as many as this machine has compiled
    with contextlib.chdir(folder), mock.patch.dict(os.environ, variables), no_kernels:
        del os.environ["QSTORE_PLUGINS"]
        furnish(home)
        reload_settings()
        yield
    reload_settings()


def normal(text: str) -> str:
    return re.sub("-{3,}", "---", FIGURE.sub("FIGURE", text))


def test_every_example_prints_what_the_document_says(tmp_path: Path) -> None:
    checker = doctest.OutputChecker()
    ran = 0
    with workplace(tmp_path):
        for command, expected in examples(DOCUMENT.read_text("utf-8")):
            if re.fullmatch(r"cat [\w.]+", command):
                Path(command[4:]).write_text(expected, "utf-8")
                continue
            found = answer(command)
            wanted = expected.replace("STATE", str(tmp_path / "state"))
            assert checker.check_output(normal(wanted), normal(found), FLAGS), f"$ {command}\n{found}"
            ran += 1
    assert ran > 12


def test_every_command_has_an_example() -> None:
    from qstore.plugins import loaded_plugins

    ours = {e.spec.name for e in loaded_plugins().commands if e.distribution.startswith("qstore-core ")}
    shown = {re.search(r"\bqstore (\w+)", command)[1] for command, _ in examples(DOCUMENT.read_text("utf-8")) if "qstore" in command}  # fmt: skip
    assert ours <= shown


def rewrite(folder: Path) -> None:
    """Put what the commands print now into the document; where `...` stands and still fits, it stays."""
    text = DOCUMENT.read_text("utf-8")
    checker = doctest.OutputChecker()
    with workplace(folder):
        for command, expected in list(examples(text)):
            if re.fullmatch(r"cat [\w.]+", command):
                Path(command[4:]).write_text(expected, "utf-8")
                continue
            found = answer(command).replace(str(folder / "state"), "STATE")
            if not checker.check_output(normal(expected), normal(found), FLAGS):
                text = text.replace(f"$ {command}\n{expected}", f"$ {command}\n{found}")
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        rewrite(Path(made).resolve())
    sys.exit(pytest.main(["-q", __file__]))
