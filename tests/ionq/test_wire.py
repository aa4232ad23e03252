# SPDX-License-Identifier: Apache-2.0
"""JSON is read strictly, and what is wrong is named."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore.errors import ServiceError
from qstore_ionq.wire import dump, field, load, load_by_key, mapping, optional

BAD = {
    b"": "not JSON",
    b"<html>502</html>": "not JSON (Expecting value: line 1 column 1 (char 0)); it begins b'<html>502</html>'",
    b'{"id": "job-1", "sta': "not JSON",
    b'{"p": NaN}': "NaN is not a number",
    b'{"p": -Infinity}': "-Infinity is not a number",
    b'{"p": 1e999}': "1e999 is too large for a number",
    b'{"id": 1, "id": 2}': "the key 'id' stands there twice",
    b'{"a": {"b": 1, "c": 2, "b": 1}}': "the key 'b' stands there twice",
    b'{"a": ' + b"[" * 200_000: "nested too deeply",
    b"1" * 5000: "not JSON",
    b"\xff\xfe": "not JSON",
}


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_damaged_json_is_a_service_error_that_says_what_is_wrong(body):
    with pytest.raises(ServiceError) as caught:
        load(body, "GET /jobs/1")
    assert str(caught.value).startswith("GET /jobs/1: ")
    assert BAD[body] in str(caught.value)
    assert len(str(caught.value)) < 300


def test_unknown_extra_fields_are_fine():
    assert load(b'{"id": "x", "news": {"deep": [1, 2.5, null, true]}}', "")["id"] == "x"


@pytest.mark.parametrize(
    ("document", "kind", "text"),
    [
        ({}, str, "the field 'status' is missing"),
        ({"status": None}, str, "'status' is None, expected a string"),
        ({"status": 5}, str, "'status' is 5, expected a string"),
        ({"status": True}, int, "'status' is True, expected an integer"),
        ({"status": "1"}, float, "'status' is '1', expected a number"),
        ({"status": list(range(1000))}, dict, "'status' is [0, 1, 2, 3, 4, 5, ...], expected an object"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(document, kind, text):
    with pytest.raises(ServiceError) as caught:
        field(document, "status", kind, "GET /jobs/1")
    assert str(caught.value) == f"GET /jobs/1: {text}."


def test_fields_of_the_right_kind_are_returned():
    assert field({"n": 3}, "n", int, "") == 3
    assert field({"n": 3}, "n", float, "") == 3.0
    assert optional({"n": None}, "n", str, "") is None
    assert optional({}, "n", str, "") is None
    with pytest.raises(ServiceError, match="expected an object, got \\[1\\]"):
        mapping([1], "x")


def test_keys_that_stand_twice_at_the_top_are_named_and_left_out():
    assert load_by_key(b'{"a": {"0": 1}, "b": {}, "a": {"0": 2}}', "x") == ({"b": {}}, ["a"])
    assert load_by_key(b'{"a": 1}', "x") == ({"a": 1}, [])
    for inside in (b'{"a": {"0": 1, "0": 1}}', b'{"a": {"0": 1, "0": 1}, "a": 1}'):
        with pytest.raises(ServiceError, match="stands there twice"):
            load_by_key(inside, "x")


@settings(derandomize=True, deadline=None, max_examples=300, database=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_raise_anything_else(body):
    for read in (load, load_by_key):
        with contextlib.suppress(ServiceError):
            read(body, "x")


def test_what_is_written_is_compact_and_never_nan():
    assert dump({"a": [1, 0.5], "ü": None}) == '{"a":[1,0.5],"ü":null}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"a": float("nan")})
