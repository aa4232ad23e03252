# SPDX-License-Identifier: Apache-2.0
"""A place for scripts to run in: a server's file, a state folder, and the plugin installed by its metadata."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from faults.core.server import Server
from qstore.execution.job_rows import JobState
from qstore.execution.runs_folder import RunFolder

TESTS = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("script.py")


def install_plugin(folder):
    """Make a folder whose entry on the path installs the backends `fake.sim` and `fake.qpu`."""
    information = folder / "qstore_faults-1.0.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: qstore-faults\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[qstore]\nfaults = faults.core.backend\n")


class World:
    def __init__(self, folder, *, run="night", backend="fake.sim", batches=2, rows=5, **plan):
        self.folder, self.run, self.backend, self.size, self.plan = (
            Path(folder),
            run,
            backend,
            (batches, rows),
            plan,
        )
        install_plugin(self.folder / "plugin")
        self.server_path = str(self.folder / "server.sqlite")
        self.server = Server(self.server_path)

    @property
    def jobs(self):
        return self.size[0] * self.size[1]

    def environment(self, **plan):
        path = [str(self.folder / "plugin"), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        return os.environ | {
            "QSTORE_HOME": str(self.folder / "home"), "QSTORE_RUN": self.run, "FAULTS_SERVER": self.server_path,
            "FAULTS_PLAN": json.dumps(self.plan | plan), "PYTHONPATH": os.pathsep.join(path),
        }  # fmt: skip

    def start(self, script=SCRIPT, **plan):
        """Start the script; a Popen."""
        command = [sys.executable, str(script), self.backend, *map(str, self.size)]
        return subprocess.Popen(
            command, env=self.environment(**plan), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, script=SCRIPT, **plan):
        """Run the script to its end: exit status, stdout, stderr."""
        process = self.start(script, **plan)
        out, err = process.communicate(timeout=110)
        return process.returncode, out, err

    def command(self, *arguments, **plan):
        """Run `qstore jobs ...`: exit status, stdout and stderr."""
        done = subprocess.run([sys.executable, "-m", "qstore", "jobs", *arguments], env=self.environment(**plan),
                              capture_output=True, text=True, check=False)  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def known(self):
        """Every job id that the run's journals have, and the states of their rows."""
        folder = RunFolder(self.run, self.folder / "home")
        if not folder.path.is_dir():
            return set(), Counter()  # killed before it had anything to write down
        rows = folder.overview()
        with folder.guard():
            copies = folder.find([row.tag for row in rows])
        others = {other["job_id"] for copy in copies.values() for other in copy.rows["others"]}
        return {row.job_id for row in rows} | others, Counter(row.state for row in rows)

    def problems(self):
        """What does not hold of a run that has finished: every job billed once, and every one of them known."""
        billed, (known, states) = self.server.billed(), self.known()
        wrong = {tag[:12]: number for tag, number in billed.items() if number != 1}
        checks = {
            f"billed more than once: {wrong}": not wrong,
            f"{len(billed)} jobs billed instead of {self.jobs}": len(billed) == self.jobs,
            f"billed, but in no journal: {self.server.ids() - known}": self.server.ids() <= known,
            f"not all done: {states}": set(states) == {JobState.DONE},
        }
        return [problem for problem, holds in checks.items() if not holds]

    def close(self):
        self.server.close()
