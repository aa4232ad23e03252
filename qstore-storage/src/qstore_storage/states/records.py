# SPDX-License-Identifier: Apache-2.0
"""What goes into a database of states and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from qstore.errors import StateCorrupt
from qstore_storage.states.arrays import State
from qstore_storage.states.blobs import decode_state
from qstore_storage.states.metadata import Metadata, checked_metadata
from qstore_storage.strict_json import strict_value

__all__ = ["EncodedState", "SimilarState", "StoredState", "stored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """A state as it was stored.

    Attributes:
        id: its name in its namespace.
        state: amplitudes (2^n,) or a density matrix (2^n, 2^n), to the last bit; read-only, complex64 or complex128.
        metadata: what was said about it.
    """

    id: str
    state: NDArray[Any] = field(repr=False, compare=False)
    metadata: Metadata = field(default_factory=dict, hash=False)

    @property
    def n_qubits(self) -> int:
        """How many qubits it is a state of."""
        return len(self.state).bit_length() - 1

    @property
    def mixed(self) -> bool:
        """Whether it is a density matrix."""
        return self.state.ndim == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarState(StoredState):
    """A state that a search found.

    Attributes:
        fidelity: |<a|b>|^2 between pure states, in general `similarity` (Hilbert-Schmidt); computed in double precision
            from the amplitudes themselves, whatever the provider's index did.
        proven: whether no better state can have been missed. Always so in the embedded database; at a service, as far as
            the service answers its own queries exactly.
    """

    fidelity: float
    proven: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedState:
    """A checked state on its way in.

    Attributes:
        id: its name.
        state: the state itself.
        metadata: checked.
        text: the metadata as JSON.
        blob: the state as bytes, bound to id and text.
    """

    id: str
    state: State = field(repr=False)
    metadata: Metadata
    text: str
    blob: bytes = field(repr=False)


def stored(state_id: str, text: str, blob: bytes) -> StoredState:
    """What was stored, from its id, its metadata as JSON and its bytes.

    Raises:
        StateCorrupt: they are not those that were stored together.
    """
    state = decode_state(blob, state_id, text)
    # Only now: the checksum covers the metadata. And checked all the same: a checksum is no signature.
    try:
        metadata = checked_metadata(strict_value(text))
    except ValueError as exc:
        raise StateCorrupt(
            f"The state {state_id!r} is damaged: its metadata cannot be read ({exc})."
        ) from exc
    return StoredState(id=state_id, state=state.array, metadata=metadata)
