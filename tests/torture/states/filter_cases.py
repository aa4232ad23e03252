# SPDX-License-Identifier: Apache-2.0
"""Filters compiled to SQL against the evaluator, and the evaluator against a second one written from the table alone."""

import json
import sqlite3

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from qstore_storage.states.filter_sql import attributes_of, filter_sql
from qstore_storage.states.filters import matches, parse_filter
from qstore_storage.states.lance import _tokens, _where
from qstore_storage.states.metadata import checked_metadata
from qstore_storage.states.pinecone_filters import native_metadata, service_filter
from torture.states.pinecone_stand_in import lets_through

KEYS = ["a", "b", "a.b", "ü", "' OR 1=1 --", 'x"y', "number", "$".join("ab"), "%", "a\nb"]
NUMBERS = [0, 1, -1, 2, 0.0, -0.0, 1.0, 0.5, 0.1 + 0.2, 1e300, -1e-300, 2**53, 2**53 + 1, float(2**53), 2**63 - 1, -(2**63), float(2**63)]  # fmt: skip
STRINGS = [
    "",
    "a",
    "A",
    "ab",
    "b",
    "ü",
    "ü",
    "1",
    "true",
    "'; DROP TABLE states; --",
    "\0",
    "\U0001f600",
    "￿",
]
numbers = st.sampled_from(NUMBERS) | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)
strings = st.sampled_from(STRINGS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
scalars = st.none() | st.booleans() | numbers | strings
keys = st.sampled_from(KEYS)
metadata = st.dictionaries(keys, scalars | st.lists(strings, max_size=3), max_size=5)
several = st.lists(scalars, max_size=4)
operators = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), scalars),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), numbers | strings),
    st.tuples(st.sampled_from(["$in", "$nin"]), several),
    st.tuples(st.just("$exists"), st.booleans()),
)
conditions = scalars | st.lists(operators, min_size=1, max_size=2).map(dict)
filters = st.recursive(
    st.dictionaries(keys, conditions, min_size=1, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1
    ),
    max_leaves=6,
)


def second_opinion(condition, found):
    """The table in the docstring of `filters`, in as few lines as it takes; knows nothing of the parser."""

    def equal(value, operand):
        kinds = [str if isinstance(x, str) else bool if isinstance(x, bool) else type(None) if x is None else float for x in (value, operand)]  # fmt: skip
        return kinds[0] is kinds[1] and value == operand

    def holds(key, operator, operand):
        value = found.get(key)
        values = value if isinstance(value, list) else [value]
        if operator == "$exists":
            return (key in found) is operand
        if operator == "$eq":
            return any(equal(each, operand) for each in values) or (operand is None and value is None)
        if operator == "$in":
            return any(holds(key, "$eq", each) for each in operand)
        if operator in ("$ne", "$nin"):
            return not holds(key, {"$ne": "$eq", "$nin": "$in"}[operator], operand)
        comparable = [x for x in values if isinstance(x, str) is isinstance(operand, str) and x is not None and not isinstance(x, bool)]  # fmt: skip
        compare = {"$gt": lambda x: x > operand, "$gte": lambda x: x >= operand, "$lt": lambda x: x < operand, "$lte": lambda x: x <= operand}  # fmt: skip
        return any(map(compare[operator], comparable))

    for key, operand in condition.items():
        if key in ("$and", "$or"):
            holding = [second_opinion(each, found) for each in operand]
            good = all(holding) if key == "$and" else any(holding)
        else:
            pairs = operand.items() if isinstance(operand, dict) else [("$eq", operand)]
            good = all(holds(key, operator, value) for operator, value in pairs)
        if not good:
            return False
    return True


class Table:
    """The tables that filters look at, in memory."""

    def __init__(self):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("CREATE TABLE states (number INTEGER PRIMARY KEY, grp INTEGER)")
        self.connection.execute(
            "CREATE TABLE attributes (grp INTEGER, key TEXT, kind INTEGER, value NOT NULL, state INTEGER, "
            "PRIMARY KEY (grp, key, kind, value, state)) WITHOUT ROWID"
        )

    def chosen(self, rows, condition):
        self.connection.execute("DELETE FROM attributes")
        self.connection.execute("DELETE FROM states")
        for number, row in enumerate(rows):
            self.connection.execute("INSERT INTO states VALUES (?, 1)", (number,))
            self.connection.executemany(
                "INSERT INTO attributes VALUES (1, ?, ?, ?, ?)",
                [(*each, number) for each in attributes_of(row)],
            )
            # The same metadata in another group must make no difference.
            self.connection.executemany(
                "INSERT INTO attributes VALUES (2, ?, ?, ?, ?)",
                [(*each, number + 1) for each in attributes_of(row)],
            )
        text, parameters = filter_sql(condition, 1)
        found = self.connection.execute(f"SELECT number FROM states WHERE grp = 1 AND {text}", parameters)
        return {number for (number,) in found}


def sql_like_lance(text, tokens):
    """Evaluate the SQL of `_where`, which has only AND, OR, NOT, false and array_has."""
    names = {}
    for place, token in enumerate(sorted({part.split("'")[1] for part in text.split("array_has")[1:]})):
        text = text.replace(f"array_has(tokens, '{token}')", f"t{place}")
        names[f"t{place}"] = token in tokens
    text = (
        text.replace(" AND ", " and ")
        .replace(" OR ", " or ")
        .replace("NOT ", "not ")
        .replace("false", "False")
    )
    return eval(text, {"__builtins__": {}}, names)  # names and operators of our own, in a test


def check(count, start=0, shrink=True):
    """Compare `count` random cases, and make the first that fails small; returns how many rows were let through and how many were not."""
    table = Table()
    tally = [0, 0]

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
    )
    @given(st.lists(metadata, min_size=1, max_size=5), filters)
    def compare(rows, given_filter):
        condition = parse_filter(given_filter)
        rows = [checked_metadata(row) for row in rows]
        expected = {number for number, row in enumerate(rows) if second_opinion(given_filter, row)}
        assert {number for number, row in enumerate(rows) if matches(condition, row)} == expected
        assert table.chosen(rows, condition) == expected
        sql, service = _where(condition), service_filter(condition, "p")
        for number in expected:  # what a provider decides by itself may let more through, never less
            assert sql_like_lance(sql, _tokens(rows[number]))
            kept = {**json.loads(json.dumps(native_metadata(rows[number]))), "_qstore_shape": "p"}
            kept = {key: float(value) if isinstance(value, int) and not isinstance(value, bool) else value for key, value in kept.items()}  # fmt: skip
            assert lets_through(service, kept)
        tally[0] += len(expected)
        tally[1] += len(rows) - len(expected)

    compare()
    return tuple(tally)
