# SPDX-License-Identifier: Apache-2.0
"""What is refused before anything is touched: names, arrays, metadata, options."""

import itertools
import math

import numpy as np
import pytest

from qstore.errors import OptionError
from qstore_storage import QuantumStateDB
from qstore_storage.states import checked_state

PLUS = np.array([1, 1]) / math.sqrt(2)
BAD_NAMES = [
    "", ".", "..", "../a", "a/b", "a\\b", "/etc/passwd", "C:\\a", "a\0b", "a b", "a\n", "\na", "-a", ".hidden", "a.", "con",
    "NUL", "com1.txt", "Lpt9", "ü", "a'; DROP TABLE states; --", "a%2e", "a" * 129, "\u0430dmin", "", None, 1, b"a", ["a"], 10**5000,
]  # fmt: skip


class Pickled:
    """Would do harm if it were ever unpickled or evaluated."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize("name", BAD_NAMES, ids=map(str, itertools.count()))
def test_a_name_that_breaks_the_rule_is_refused_everywhere(embedded, name):
    for use in (
        lambda: embedded.store_state(name, PLUS), lambda: embedded.get(name), lambda: embedded.delete(name),
        lambda: embedded.in_namespace(name),
        lambda: QuantumStateDB(index_name=name, directory=embedded._provider.path.parent),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=r"letters|is a string"):
            use()
    assert len(embedded) == 0


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "_", "0", "a" * 128, "con1", "console", "a..b"])
def test_names_that_keep_the_rule(embedded, name):
    embedded.store_state(name, PLUS)
    assert embedded.ids() == [name]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([1.0], "shape"), ([1.0, 0, 0], "shape"), (np.ones((2, 4)), "shape"), (np.ones((2, 2, 2)), "shape"), (1.0, "shape"), (np.array(1.0), "shape"), (np.float64(1), "shape"),
        ([], "shape"), ([[1, 0], [0]], "cannot be read"),
        ([1.0, np.nan], "NaN"), ([np.inf, 0], "NaN"), ([0.8, 0.8], "norm 1.13137085, not 1"), ([0, 0], "norm 0"),
        (np.ma.masked_array([1.0, 0.0], [False, True]), "masked array"), (["1", "0"], "numbers"), ([None, 1], "numbers"), ([True, False], "numbers"), ([Pickled(), Pickled()], "numbers"),
        (np.array([1, 0], object), "numbers"), (np.zeros(2, "V8"), "numbers"), ("ab", "shape|numbers"),
        (np.array([1, 0], np.clongdouble), "numbers up to complex128"), (np.array([1, 0], np.longdouble), "numbers up to"),
        (np.diag([1.5, -0.5]), "negative eigenvalue"), (np.array([[0.5, 0.1], [0.2, 0.5]]), "not Hermitian"),
        (np.eye(2), "trace 2, not 1"), (np.zeros((2, 2)), "trace 0"), (np.diag([1, 1j]), "not Hermitian"),
        (np.zeros(1 << 17), "at most 65536"), ([0.0] * (1 << 17), "at most 65536"), (np.eye(512) / 512, "at most 8"),
        ({"a": 1}, "shape|numbers|read"), (range(2), "norm 1|numbers"), (PLUS * (1 + 1e-5), "not 1"),
    ],
)  # fmt: skip
def test_what_is_no_state_is_refused(embedded, given, reason):
    if isinstance(given, range):
        embedded.store_state("a", given)  # [0, 1] is |1>
        return
    for use in (lambda: embedded.store_state("a", given), lambda: embedded.find_similar(given)):
        with pytest.raises(OptionError, match=reason):
            use()
    assert len(embedded) == 0


def test_an_oversized_array_is_refused_without_being_read(embedded):
    class Endless:
        shape = (1 << 40,)

        def __array__(self, *arguments, **keywords):
            pytest.fail("it was read")

    with pytest.raises(OptionError, match="1099511627776 entries"):
        embedded.store_state("a", Endless())


def test_normalize_divides_and_only_then(embedded):
    embedded.store_state("a", [3, 4j], normalize=True)
    assert np.allclose(embedded.get("a").state, [0.6, 0.8j])
    embedded.store_state("rho", np.diag([3, 1]), normalize=True)
    assert np.allclose(embedded.get("rho").state, np.diag([0.75, 0.25]))
    assert embedded.find_similar([30, 40j], 1, normalize=True)[0].fidelity == pytest.approx(1, abs=1e-12)
    for zero in ([0, 0], np.zeros((2, 2)), [1e-320, 0]):
        with pytest.raises(OptionError, match="cannot be normalised"):
            embedded.store_state("b", zero, normalize=True)


def test_rounding_of_a_deep_circuit_is_no_mistake(embedded):
    single = (PLUS * (1 + 2e-5)).astype(np.complex64)
    embedded.store_state("a", single)
    assert (embedded.get("a").state == single).all()
    assert embedded.find_similar(single)[0].fidelity == pytest.approx(1, abs=1e-12)
    assert embedded.find_similar(PLUS)[0].fidelity <= 1


def test_a_state_is_copied_when_it_is_taken(embedded):
    mine = PLUS.astype(complex)
    state = checked_state(mine)
    mine[:] = 0
    assert np.allclose(state.array, PLUS)


def test_a_tensor_that_needs_a_gradient_is_told_apart():
    class Tensor:
        shape = (2,)

        def __array__(self, *arguments, **keywords):
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )

    with pytest.raises(OptionError, match="detach"):
        checked_state(Tensor())


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"a": math.nan}, "nan, which compares"), ({"a": math.inf}, "inf, which"), ({"a": np.float32("nan")}, "nan"),
        ({"a": {"b": 1}}, "nothing nested"), ({"a": [1, 2]}, "something else than strings"), ({"a": [["b"]]}, "something else"),
        ({"a": Pickled()}, "nothing nested"), ({"a": b"b"}, "nothing nested"), ({"a": 1j}, "nothing nested"),
        ({"a": 2**63}, "more than 64 bits"), ({"a": 10**5000}, "more than 64 bits"), ({"a": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"), ({"": 1}, "A key"), ({1: 1}, "A key"), ({"$gt": 1}, "A key"), ({"_qstore_state": "x"}, "A key"),
        ({"a\0": 1}, "A key"), ({"a" * 129: 1}, "A key"), ({f"k{n}": 1 for n in range(257)}, "at most 256 keys"),
        ({"a": "x" * 70_000}, "at most 65536"), ([("a", 1)], "is a mapping"), ("a", "is a mapping"), (Pickled(), "is a mapping"),
    ],
    ids=map(str, itertools.count()),
)  # fmt: skip
def test_metadata_that_means_nothing_is_refused(embedded, metadata, reason):
    with pytest.raises(OptionError, match=reason):
        embedded.store_state("a", PLUS, metadata)
    assert len(embedded) == 0


def test_scalars_of_numpy_become_those_of_python(embedded):
    embedded.store_state(
        "a", PLUS, {"f": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True), "s": np.str_("x")}
    )
    assert embedded.get("a").metadata == {"f": 0.5, "i": 3, "b": True, "s": "x"}
    assert embedded.get("a").metadata["b"] is True
    assert embedded.count({"i": {"$in": [np.int32(3)]}}) == 1


@pytest.mark.parametrize("top_k", [0, -1, 10_001, 1.0, True, "3", None])
def test_top_k_has_a_range(embedded, top_k):
    with pytest.raises(OptionError, match="top_k is an integer from 1 to 10000"):
        embedded.find_similar(PLUS, top_k)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"provider": "pinecon"}, "'pinecone'"), ({"provider": None}, "No provider"), ({"provider": ["a"]}, "No provider"),
        ({"compression": "gzip"}, "'zstd' or 'none'"),
        ({"compression_level": 0}, "1 to 22"), ({"compression_level": 23}, "1 to 22"), ({"compression_level": True}, "1 to 22"),
        ({"max_qubits": 0}, "max_qubits"), ({"max_qubits": 21}, "max_qubits"), ({"max_qubits": "8"}, "max_qubits"),
        ({"cache_bytes": -1}, "cache_bytes"), ({"host": "a"}, "does not take these options"), ({"namespace": "a/b"}, "namespace"),
    ],
)  # fmt: skip
def test_options_outside_their_range_are_refused(tmp_path, options, reason):
    with pytest.raises(OptionError, match=reason):
        QuantumStateDB(**{"directory": tmp_path / "new", **options})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([("a", PLUS), ("a", PLUS)], "twice"), ([("a",)], "rows"), (["ab"], "rows"), ([("a", PLUS, {}, 1)], "rows"), ([None], "rows"),
        ([("a", PLUS), ("b", [1, 1])], "'b' has the norm"),
    ],
)  # fmt: skip
def test_a_bad_row_spoils_its_batch(embedded, batch, reason):
    with pytest.raises(OptionError, match=reason):
        embedded.store_states(batch)
    assert len(embedded) == 0


def test_queries_of_one_call_are_of_one_size(embedded):
    with pytest.raises(OptionError, match="as many qubits"):
        embedded.find_similar_many([[1, 0], [1, 0, 0, 0]])
    with pytest.raises(OptionError, match="Query 1 has the norm"):
        embedded.find_similar_many([[1, 0], [1, 1]])
