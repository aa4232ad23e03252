# SPDX-License-Identifier: Apache-2.0
"""Filters: what they refuse, and that SQL, LanceDB's tokens and Pinecone's words mean the same as the evaluator."""

import itertools

import pytest

from qstore.errors import OptionError
from qstore_storage.states import filter_sql
from qstore_storage.states.filters import matches, parse_filter
from torture.states import filter_cases

nan = float("nan")


def nested(depth):
    condition = {"a": 1}
    for _ in range(depth):
        condition = {"$and": [condition]}
    return condition


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("a", "is a mapping"), ([{"a": 1}], "is a mapping"), ({"$and": []}, "one or more filters"), ({"$or": {"a": 1}}, "one or more"),
        ({"$or": [{}]}, "is a mapping such as"), ({"$and": ["a"]}, "is a mapping"), ({"$not": {"a": 1}}, "'\\$and' and '\\$or'"),
        ({"$where": "sleep(1)"}, "'\\$and' and '\\$or'"), ({"$gte": 1}, "belong under a key"), ({"a": {}}, "empty mapping"),
        ({"a": {"$get": 1}}, "Did you mean"), ({"a": {"b": 1}}, "No operator 'b'"), ({"a": {1: 1}}, "No operator 1"),
        ({"a": {"$regex": ".*"}}, "No operator"), ({"a": {"$gt": None}}, "a number or a string"), ({"a": {"$gte": True}}, "a number or"),
        ({"a": {"$lt": [1]}}, "operand of '\\$lt'"), ({"a": {"$in": "ab"}}, "a list of values"), ({"a": {"$in": 1}}, "a list of values"),
        ({"a": {"$nin": {"b": 1}}}, "a list of values"), ({"a": {"$in": [[1]]}}, "operand of"), ({"a": {"$exists": 1}}, "True or False"),
        ({"a": nan}, "nan"), ({"a": {"$gt": nan}}, "nan"), ({"a": {"$in": [1, nan]}}, "nan"), ({"a": float("inf")}, "inf"),
        ({"a": 2**64}, "64 bits"), ({"a": "\ud800"}, "surrogate"), ({"a": ["b"]}, "operand"), ({1: 1}, "A key"), ({"": 1}, "A key"),
        ({"_qstore_shape": "x"}, "A key"), ({"a": b"x"}, "operand"), (nested(16), "16 deep"), (nested(5000), "deep"), ({"a": nested(5000)}, "No operator"),
        ({"$or": nested(5000)}, "one or more"), ({"a": {"$gt": nested(5000)}}, "operand of"),
        ({f"k{n}": 1 for n in range(300)}, "256 conditions"), ({"$or": [{"a": 1}] * 300}, "256 conditions"),
        ({"a": {"$in": list(range(10_001))}}, "10000 values"),
    ],
    ids=map(str, itertools.count()),
)  # fmt: skip
def test_what_is_no_filter_is_refused(embedded, given, reason):
    for use in (embedded.count, embedded.ids, lambda condition: embedded.find_similar([1, 0], 1, condition)):
        with pytest.raises(OptionError, match=reason):
            use(given)


def test_the_largest_filters_still_run(embedded):
    embedded.store_state("a", [1, 0], {"a": 9_999, "k": 1})
    values = list(range(5_000, 15_000))
    assert embedded.count({"a": {"$in": values}}) == 1
    assert embedded.count({"a": {"$nin": values}}) == 0
    assert embedded.count({"$or": [{"a": n} for n in range(9_800, 10_000)]}) == 1
    assert embedded.count(nested(14)) == 0


def test_every_judge_agrees_on_random_filters():
    through, stopped = filter_cases.check(60, start=5)
    assert through > 5
    assert stopped > 5


@pytest.mark.parametrize("mutant", ["kind", "negation", "missing"])
def test_a_wrong_translation_is_caught(monkeypatch, mutant):
    """The comparison would be worth nothing if it did not see these."""
    right = filter_sql.filter_sql
    wrong = {
        "kind": lambda text: text.replace("kind = ?", "kind + ? > 0"),
        "negation": lambda text: text.replace("NOT (", "("),
        "missing": lambda text: text.replace("number NOT IN", "0 AND number NOT IN"),
    }[mutant]

    def mutated(condition, group):
        text, parameters = right(condition, group)
        return wrong(text), parameters

    monkeypatch.setattr(filter_cases, "filter_sql", mutated)
    table, rows = filter_cases.Table(), [{"a": 1}, {"a": True}, {"a": "1"}, {"b": 2}]
    for given in ({"a": 1}, {"a": {"$ne": 1}}, {"a": None}):
        condition = parse_filter(given)
        if table.chosen(rows, condition) != {
            place for place, row in enumerate(rows) if matches(condition, row)
        }:
            return
    pytest.fail("not seen")


def test_the_text_of_the_sql_is_ours_alone():
    hostile = {"a'; DROP TABLE states; --": {"$in": ["') OR 1=1 --", 7]}, 'b"': {"$gt": "x' OR 'y"}}
    text, parameters = filter_sql.filter_sql(parse_filter(hostile), 3)
    assert not set("'\";-") & set(text)
    assert text.count("?") == len(parameters)


def test_an_empty_filter_lets_everything_through():
    assert parse_filter(None) is None
    assert parse_filter({}) is None
    assert matches(None, {})
