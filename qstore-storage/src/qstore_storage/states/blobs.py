# SPDX-License-Identifier: Apache-2.0
"""A state as bytes: a fixed header with a digest, then the amplitudes, as they are or compressed with zstd.

    4s  "QSS1"      the format
    B   codec       0 none, 1 zstd (only where it saves a tenth)
    B   dtype       0 complex64, 1 complex128, little-endian
    B   mixed       0 amplitudes, 1 density matrix
    B   n_qubits
    Q   length      of what follows the header
    32s digest      BLAKE2b of the header before it, the state's id, its metadata as JSON, and what follows

Reading trusts nothing: the size follows from n_qubits and is compared with what the zstd frame declares before a byte
is decompressed, and the digest is checked before that. The digest finds damage and swapped rows; it is no signature.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np
from numcodecs.zstd import Zstd

from qstore.errors import OptionError, StateCorrupt
from qstore_storage.states.arrays import MAX_QUBITS, State

__all__ = ["Codec", "decode_state", "encode_state"]

_HEADER = struct.Struct("<4sBBBBQ32s")
_MAGIC = b"QSS1"
_DTYPES = (np.dtype("<c8"), np.dtype("<c16"))
_FRAME = 0xFD2FB528
_ZSTD = Zstd()
_LEVELS = range(1, 23)
_WORTH = 0.9
"""Amplitudes that look random shrink by 3 %, and would take ten times as long to read: those are kept as they are."""
_HARD_LIMIT = MAX_QUBITS + 4
"""A header that says more qubits is damaged or hostile, whatever this database was opened with: 2^20 amplitudes are 16 MiB."""


class Codec:
    """How blobs are written.

    Args:
        compression: "zstd" or "none".
        level: of zstd, 1 (fast) to 22 (small).

    Raises:
        OptionError: another compression or level.
    """

    def __init__(self, compression: str | None = "zstd", level: int = 3) -> None:
        if compression not in ("zstd", "none", None):
            raise OptionError(f"States are compressed with 'zstd' or 'none', got {compression!r}.")
        if isinstance(level, bool) or level not in _LEVELS:
            raise OptionError(f"The compression level of zstd is 1 to 22, got {level!r}.")
        self._zstd = Zstd(level=level) if compression == "zstd" else None

    def encode(self, state: State) -> tuple[int, bytes]:
        """The codec's number and the bytes after the header."""
        raw = np.ascontiguousarray(state.array, dtype=_DTYPES[state.array.dtype == np.complex128])
        if self._zstd is not None:
            packed = bytes(self._zstd.encode(raw.reshape(-1)))
            if len(packed) <= _WORTH * raw.nbytes:
                return 1, packed
        return 0, raw.tobytes()


def encode_state(codec: Codec, state_id: str, metadata: str, state: State) -> bytes:
    """A state's bytes, bound to its id and its metadata (as JSON)."""
    number, body = codec.encode(state)
    wide = state.array.dtype == np.complex128
    start = _HEADER.pack(_MAGIC, number, wide, state.mixed, state.n_qubits, len(body), bytes(32))[:-32]
    return start + _digest(start, state_id, metadata, body) + body


def decode_state(blob: bytes, state_id: str, metadata: str) -> State:
    """What `encode_state` made bytes of.

    Raises:
        StateCorrupt: the bytes, the id or the metadata are not those that were stored together.
    """
    if (
        not isinstance(metadata, str)
        or not isinstance(blob, bytes)
        or len(blob) < _HEADER.size
        or blob[:4] != _MAGIC
    ):
        raise _corrupt(state_id, "its bytes do not begin as a state's do")
    _, codec, wide, mixed, n_qubits, length, digest = _HEADER.unpack_from(blob)
    body = blob[_HEADER.size :]
    if len(body) != length:
        raise _corrupt(state_id, f"{length} bytes were stored and {len(body)} are there")
    if digest != _digest(blob[: _HEADER.size - 32], state_id, metadata, body):
        raise _corrupt(state_id, "the checksum of its bytes, id and metadata is another")
    if codec > 1 or wide > 1 or mixed > 1 or not 1 <= n_qubits << mixed <= _HARD_LIMIT:
        raise _corrupt(state_id, "its header describes no state")
    size, dtype = 1 << n_qubits * (1 + mixed), _DTYPES[wide]
    if codec:
        body = _decompressed(body, size * dtype.itemsize, state_id)
    if len(body) != size * dtype.itemsize:
        raise _corrupt(
            state_id, f"it has {len(body)} bytes of amplitudes, {size * dtype.itemsize} are needed"
        )
    array = np.frombuffer(body, dtype).reshape((1 << n_qubits,) * (1 + mixed))
    return State(array, n_qubits, bool(mixed))


def _decompressed(body: bytes, size: int, state_id: str) -> bytes:
    declared = _declared_size(body)
    if declared != size:
        raise _corrupt(state_id, f"its zstd frame declares {declared} bytes, {size} are needed")
    try:
        # Into a buffer of exactly that size: a frame that lies about itself fails, and takes no memory.
        return bytes(_ZSTD.decode(body, out=bytearray(size)))
    except (RuntimeError, ValueError) as exc:
        raise _corrupt(state_id, str(exc)) from exc


def _declared_size(frame: bytes) -> int | None:
    """The content size in the header of a zstd frame; None if there is none. Source: RFC 8878, section 3.1.1.1."""
    if len(frame) < 5 or int.from_bytes(frame[:4], "little") != _FRAME:
        return None
    descriptor = frame[4]
    single_segment = bool(descriptor & 0x20)
    width = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    start = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    field = frame[start : start + width]
    if width == 0 or len(field) < width:
        return None
    return int.from_bytes(field, "little") + (256 if width == 2 else 0)


def _digest(start: bytes, state_id: str, metadata: str, body: bytes) -> bytes:
    digest = hashlib.blake2b(start, digest_size=32)
    for part in (state_id.encode(), metadata.encode()):
        digest.update(len(part).to_bytes(8, "little") + part)
    digest.update(body)
    return digest.digest()


def _corrupt(state_id: str, reason: str) -> StateCorrupt:
    return StateCorrupt(f"The state {state_id!r} is damaged: {reason}. Delete it and store it again.")
