# SPDX-License-Identifier: Apache-2.0
"""Inner backends for tests of `dask`: one whose process dies in the middle of a batch, and ones that fail."""

import os
import signal
from pathlib import Path

import qstore as qs


class _Inner:
    """The embedded simulator under another name."""

    name = "inner"

    def __init__(self):
        self.backend = qs.get_backend("statevector", threads=1)
        self.capabilities = self.backend.capabilities

    def estimate(self, batch):
        return self.backend.estimate(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def run_sync(self, batch):
        return self.backend.run_sync(batch)


class Mortal(_Inner):
    """Kills the process it runs in, as often as there are lives left in a folder."""

    def __init__(self, folder, deaths):
        super().__init__()
        self.folder = str(folder)
        for number in range(deaths):
            (Path(folder) / f"death-{number}").touch()

    def run_sync(self, batch):
        for death in Path(self.folder).glob("death-*"):
            try:
                death.unlink()
            except FileNotFoundError:  # another worker took it
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run_sync(batch)


class Failing(_Inner):
    """Raises what no backend should."""

    def run_sync(self, batch):
        raise ZeroDivisionError("a bug of the inner backend")


class Refusing(_Inner):
    """Refuses, and writes down how often it was asked."""

    def __init__(self, folder):
        super().__init__()
        self.folder = str(folder)

    def run_sync(self, batch):
        with (Path(self.folder) / "asked").open("a") as log:
            log.write("x")
        raise qs.errors.CapabilityError("not today")
