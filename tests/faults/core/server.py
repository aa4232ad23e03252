# SPDX-License-Identifier: Apache-2.0
"""A service that bills, in a SQLite file that outlives its clients, or in memory.

What it accepted it bills, at once and for ever; how many jobs were billed for a tag is what all of this is about. Its
listing is newest first, in pages, and may lag behind. How a job goes on is one of `COURSES`.
"""

import json
import sqlite3
import threading
import time
from decimal import Decimal

PRICE = Decimal("0.50")
COURSES = {
    "": ("queued", "running", "completed"),
    "quick": ("completed",),
    "fails": ("queued", "failed"),
    "cancelled under us": ("queued", "cancelled"),
    "stuck": ("queued",),
    "odd word": ("queued", "reticulating", "completed"),
    "backwards": ("queued", "running", "queued", "running", "completed"),
    "unknown for a while": ("404", "404", "completed"),
    "unknown for ever": ("404",),
}
"""What a job's state is each time that it is asked for; the last one stays."""


class Server:
    def __init__(self, path=":memory:", *, lag_s=0.0, page=5, clock=time.time, course=""):
        self.lag_s, self.page, self.clock, self.course = lag_s, page, clock, course
        self.between_pages = lambda: None
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        if path != ":memory:":
            self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            """CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, tag TEXT, content TEXT, at_s REAL,
               course TEXT, asked INTEGER DEFAULT 0, cancelled INTEGER DEFAULT 0)"""
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS by_tag ON jobs (tag)")

    def accept(self, tag, content, course=None):
        """Accept and bill a job; its id."""
        with self._lock:
            cursor = self._db.execute(
                "INSERT INTO jobs (tag, content, at_s, course) VALUES (?, ?, ?, ?)",
                (tag, json.dumps(content), self.clock(), self.course if course is None else course),
            )
        return f"job-{cursor.lastrowid}"

    def listing(self, since_s):
        """(id, tag, time) of all visible jobs accepted after `since_s`, newest first, read page by page."""
        offset, seen = 0, {}
        while True:
            with self._lock:
                page = self._db.execute(
                    "SELECT id, tag, at_s FROM jobs WHERE at_s >= ? AND at_s <= ? ORDER BY id DESC LIMIT ? OFFSET ?",
                    (since_s, self.clock() - self.lag_s, self.page, offset),
                ).fetchall()
            if not page:
                return list(seen.values())
            seen.update((row[0], (f"job-{row[0]}", row[1], row[2])) for row in page)
            offset += len(page)
            self.between_pages()

    def state(self, job_id, *, look=False):
        """The state of a job; each time it is asked for, unless by `look`, it goes one step on."""
        with self._lock:
            row = self._db.execute(
                "SELECT course, asked, cancelled FROM jobs WHERE id = ?", (_number(job_id),)
            ).fetchone()
            if row is None:
                return "404"
            if row[2]:
                return "cancelled"
            stages = COURSES[row[0]]
            state = stages[min(row[1], len(stages) - 1)]
            if not look:
                self._db.execute("UPDATE jobs SET asked = asked + 1 WHERE id = ?", (_number(job_id),))
            return state

    def result(self, job_id):
        with self._lock:
            content = self._db.execute("SELECT content FROM jobs WHERE id = ?", (_number(job_id),)).fetchone()
        return {"echo": json.loads(content[0]), "job": job_id}

    def cancel(self, job_id):
        with self._lock:
            self._db.execute("UPDATE jobs SET cancelled = 1 WHERE id = ?", (_number(job_id),))

    def billed(self):
        """How many jobs were accepted, and thereby billed, by tag."""
        with self._lock:
            return dict(self._db.execute("SELECT tag, COUNT(*) FROM jobs WHERE tag != '' GROUP BY tag"))

    def ids(self):
        """The ids of all jobs that were accepted."""
        with self._lock:
            return {f"job-{row[0]}" for row in self._db.execute("SELECT id FROM jobs WHERE tag != ''")}

    def duplicates(self):
        """How many jobs were billed beyond one per tag."""
        return sum(number - 1 for number in self.billed().values())

    def close(self):
        self._db.close()


def _number(job_id):
    return int(job_id.removeprefix("job-"))
