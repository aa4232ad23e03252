# SPDX-License-Identifier: Apache-2.0
"""The benchmark's side of a worker process: start it, ask, read the answer, stop it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.worker import MISSING

FOLDER = Path(__file__).resolve().parent.parent  # the folder from which `-m bench.worker` is found
LOG_LINES = 15


class PeerMissingError(Exception):
    """The peer is not installed in its environment."""


class PeerFailedError(Exception):
    """The peer's process ended; the message is the end of what it wrote to stderr."""


class PeerProcess:
    """A peer that waits for requests in its own interpreter."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process; close() ends both
        self._process = subprocess.Popen(
            [python, "-m", "bench.worker", name],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.versions: dict[str, str] = self._read()["versions"]

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure() from error
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> Exception:
        code = self._process.wait()
        self._log.seek(0)
        tail = "".join(self._log.readlines()[-LOG_LINES:])
        self.close()
        if code == MISSING:
            return PeerMissingError(tail.strip().splitlines()[-1])
        return PeerFailedError(f"{self.name} ended with status {code}:\n{tail}")

    def close(self) -> None:
        """End the process; closing its stdin is the signal."""
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None and not pipe.closed:
                pipe.close()
        self._process.wait()
