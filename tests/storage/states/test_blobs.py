# SPDX-License-Identifier: Apache-2.0
"""A state's bytes: every flipped bit is seen, nothing is unpacked before its size is known, nothing is executed."""

import hashlib
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from numcodecs.zstd import Zstd

from qstore.errors import StateCorrupt
from qstore_storage.states.arrays import checked_state
from qstore_storage.states.blobs import Codec, decode_state, encode_state
from torture.states.samples import random_states

TEXT = '{"a":1}'
ZEROS = np.eye(1, 64, 5, dtype=complex)[0]


def forged(body, codec=1, wide=1, mixed=0, n_qubits=6):
    """Bytes with a right checksum around anything, as somebody can make who has read the source."""
    start = struct.pack("<4sBBBBQ", b"QSS1", codec, wide, mixed, n_qubits, len(body))
    digest = hashlib.blake2b(start, digest_size=32)
    for part in (b"id", TEXT.encode()):
        digest.update(len(part).to_bytes(8, "little") + part)
    digest.update(body)
    return start + digest.digest() + body


@pytest.mark.parametrize("compression", ["zstd", "none", None])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_state_comes_back(compression, dtype, mixed):
    vector = random_states(np.random.default_rng(1), 1, 16)[0]
    for array in (vector, ZEROS[:16]):
        state = checked_state((np.outer(array, array.conj()) if mixed else array).astype(dtype))
        blob = encode_state(Codec(compression), "id", TEXT, state)
        back = decode_state(blob, "id", TEXT)
        assert (back.array == state.array).all()
        assert (back.array.dtype, back.mixed, back.n_qubits) == (dtype, mixed, 4)
        assert not back.array.flags.writeable


def test_compression_is_used_where_it_pays():
    sparse, dense = checked_state(ZEROS), checked_state(random_states(np.random.default_rng(1), 1, 64)[0])
    sizes = {
        (name, level): len(encode_state(Codec(name, level), "id", TEXT, state))
        for state in (sparse,) for name, level in (("zstd", 3), ("zstd", 19), ("none", 3))
    }  # fmt: skip
    assert sizes["zstd", 3] < 120
    assert sizes["none", 3] > 1024
    assert len(encode_state(Codec(), "id", TEXT, dense)) == sizes["none", 3]


@pytest.mark.parametrize(
    "array", [ZEROS, random_states(np.random.default_rng(2), 1, 8)[0]], ids=["packed", "plain"]
)
def test_every_flipped_bit_is_seen(array):
    blob = encode_state(Codec(), "id", TEXT, checked_state(array))
    for place in range(8 * len(blob)):
        flipped = bytearray(blob)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(StateCorrupt, match="'id' is damaged"):
            decode_state(bytes(flipped), "id", TEXT)
    for length in range(len(blob)):
        with pytest.raises(StateCorrupt):
            decode_state(blob[:length], "id", TEXT)
    for wrong in ((blob + b"\0", "id", TEXT), (blob, "other", TEXT), (blob, "id", '{"a":2}'), (None, "id", TEXT), (blob, "id", None)):  # fmt: skip
        with pytest.raises(StateCorrupt):
            decode_state(*wrong)


def test_a_forged_frame_takes_no_memory():
    bomb = bytes(Zstd(level=19).encode(bytes(64 * 1024 * 1024)))
    small = bytes(Zstd().encode(bytes(1024)))
    assert len(bomb) < 10_000
    lying = bytearray(bomb)  # declares 1024 bytes and holds 64 MiB
    at = 5 + (not bomb[4] & 0x20)
    width = (1, 2, 4, 8)[bomb[4] >> 6]
    lying[at : at + width] = (1024 - 256 * (width == 2)).to_bytes(width, "little")
    streamed = b"\x28\xb5\x2f\xfd\x00\x58" + bytes(Zstd().encode(bytes(1024)))[6:]  # declares no size
    skippable = b"\x50\x2a\x4d\x18\x00\x00\x00\x00" + small
    tracemalloc.start()
    for body in (
        bomb,
        bytes(lying),
        streamed,
        skippable,
        small + small,
        small + bomb,
        small[:-3],
        b"",
        b"\x28\xb5\x2f\xfd",
    ):
        with pytest.raises(StateCorrupt):
            decode_state(forged(body), "id", TEXT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024
    assert (decode_state(forged(small), "id", TEXT).array == 0).all()


@pytest.mark.parametrize(
    "header",
    [{"n_qubits": 255}, {"n_qubits": 0}, {"n_qubits": 21}, {"n_qubits": 11, "mixed": 1}, {"mixed": 2}, {"wide": 2}, {"codec": 2},
     {"codec": 0}],
)  # fmt: skip
def test_a_forged_header_allocates_nothing(header):
    with pytest.raises(StateCorrupt):
        decode_state(forged(bytes(Zstd().encode(bytes(1024))), **header), "id", TEXT)


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_a_pickle_is_only_bytes():
    for blob in (
        pickle.dumps(Harmful()),
        forged(pickle.dumps(Harmful())),
        forged(pickle.dumps(Harmful()), codec=0),
    ):
        with pytest.raises(StateCorrupt):
            decode_state(blob, "id", TEXT)
