# SPDX-License-Identifier: Apache-2.0
"""QuantumStateDB: states by id and by likeness, in a file of this machine's or at a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from qstore.errors import NotStored, OptionError, StateCorrupt
from qstore_storage.states.arrays import MAX_QUBITS, State, checked_state
from qstore_storage.states.blobs import Codec, encode_state
from qstore_storage.states.filters import parse_filter
from qstore_storage.states.metadata import checked_metadata, metadata_text
from qstore_storage.states.names import checked_name
from qstore_storage.states.provider import StateProvider, make_provider
from qstore_storage.states.records import EncodedState, SimilarState, StoredState
from qstore_storage.states.showing import shown

__all__ = ["QuantumStateDB"]

MAX_TOP_K = 10_000
LARGEST_MAX_QUBITS = 20


class QuantumStateDB:
    """Keeps quantum states with what is known about them, and finds those nearest to a state.

    "Nearest" is the fidelity |<a|b>|^2, exact and blind to the global phase; mixed states are compared by the
    Hilbert-Schmidt similarity, see `similarity`. Only states of as many qubits are compared.

    Args:
        provider: "embedded" (a SQLite file and NumPy; needs nothing), "lancedb" (a folder, for more than a million
            states; `pip install 'qstore-storage[lancedb]'`) or "pinecone" (the service, with the key in the environment
            variable PINECONE_API_KEY; `pip install 'qstore-storage[pinecone]'`).
        index_name: of the file, the folder or the service's index.
        namespace: in which this object stores and searches; `in_namespace` gives another.
        compression: of the amplitudes, "zstd" or "none".
        compression_level: of zstd, 1 to 22.
        max_qubits: larger states are refused, and density matrices of more than half as many qubits.
        options: the provider's own. Embedded: `directory`, `path`, `cache_bytes`, `durable`. LanceDB: `directory`, `mixed`.
            Pinecone: `host`, `mixed`.

    Raises:
        OptionError: one of these is outside its range, or not the provider's.
        BackendUnavailable: the provider's library is not installed.
        StorageError: the database cannot be opened.

    Example:
        >>> db = QuantumStateDB(index_name="demo", directory=getfixture("tmp_path"))
        >>> db.store_state("zero", [1, 0], {"accuracy": 0.9})
        >>> db.store_state("plus", [0.5**0.5, 0.5**0.5], {"accuracy": 0.8})
        >>> [(found.id, round(found.fidelity, 3)) for found in db.find_similar([0.6, 0.8j], top_k=2)]
        [('plus', 0.5), ('zero', 0.36)]
        >>> [found.id for found in db.find_similar([0.6, 0.8j], filter={"accuracy": {"$gte": 0.85}})]
        ['zero']
        >>> db.close()
    """

    def __init__(
        self,
        provider: str = "embedded",
        index_name: str = "states",
        *,
        namespace: str = "default",
        compression: str | None = "zstd",
        compression_level: int = 3,
        max_qubits: int = MAX_QUBITS,
        **options: Any,
    ) -> None:
        checked_name(index_name, "An index's name")
        self._namespace = checked_name(namespace, "A namespace")
        self._codec = Codec(compression, compression_level)
        if isinstance(max_qubits, bool) or max_qubits not in range(1, LARGEST_MAX_QUBITS + 1):
            raise OptionError(f"max_qubits is an integer from 1 to {LARGEST_MAX_QUBITS}, got {max_qubits!r}.")
        self._max_qubits = max_qubits
        self._description = f"QuantumStateDB({shown(provider)}, {index_name!r}, "
        self._provider: StateProvider = make_provider(provider, {"index_name": index_name, **options})

    def __repr__(self) -> str:
        return f"{self._description}namespace={self._namespace!r})"

    @property
    def namespace(self) -> str:
        """Where this object stores and searches."""
        return self._namespace

    def in_namespace(self, namespace: str) -> Self:
        """The same database, seen from another namespace; closing either closes both."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._namespace = checked_name(namespace, "A namespace")  # our own twin
        return other

    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that hold a state."""
        return tuple(self._provider.namespaces())

    def store_state(
        self,
        state_id: str,
        state_vector: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        overwrite: bool = False,
        normalize: bool = False,
    ) -> None:
        """Keep a state; when this returns, it is stored.

        Args:
            state_id: its name: letters, digits, `.`, `_`, `-`.
            state_vector: amplitudes (2^n,) or a density matrix (2^n, 2^n).
            metadata: strings, finite numbers, booleans, None or lists of strings by key.
            overwrite: replace a state of that id.
            normalize: divide by the norm or the trace, instead of refusing a state that is not normalised.

        Raises:
            OptionError: the id, the state or the metadata is not as described.
            AlreadyStored: the id is taken; nothing was overwritten.
        """
        self.store_states([(state_id, state_vector, metadata)], overwrite=overwrite, normalize=normalize)

    def store_states(
        self, batch: Iterable[Sequence[Any]], *, overwrite: bool = False, normalize: bool = False
    ) -> int:
        """Keep many states at once: several times as fast, and embedded all of them or none.

        Args:
            batch: (id, state) or (id, state, metadata) each, for instance `zip(ids, result.values)`.
            overwrite: as in `store_state`.
            normalize: as in `store_state`.

        Returns:
            How many.

        Raises:
            OptionError, AlreadyStored: as in `store_state`; nothing was stored.
            StorageError, TransportError: while storing. A service may then have a part of the batch.
        """
        encoded: dict[str, EncodedState] = {}
        for row in batch:
            if not isinstance(row, Sequence) or isinstance(row, str) or len(row) not in (2, 3):
                raise OptionError(f"A batch has rows (id, state) or (id, state, metadata), got {shown(row)}.")
            state = self._encoded(*row, normalize=normalize)
            if state.id in encoded:
                raise OptionError(f"The id {state.id!r} is twice in the batch.")
            encoded[state.id] = state
        if encoded:
            self._provider.put(self._namespace, list(encoded.values()), overwrite=overwrite)
        return len(encoded)

    def get(self, state_id: str) -> StoredState:
        """The state of that id, to the last bit.

        Raises:
            NotStored: there is none in this namespace.
            StateCorrupt: what is there is not what was stored.
        """
        found = self._provider.read(self._namespace, [checked_name(state_id, "A state's id")])
        if state_id not in found:
            raise NotStored(f"No state {state_id!r} in the namespace {self._namespace!r}.")
        return found[state_id]

    def delete(self, state_id: str) -> bool:
        """Forget the state of that id; returns whether there was one."""
        return self._provider.remove(self._namespace, checked_name(state_id, "A state's id"))

    def find_similar(
        self,
        query_state: Any,
        top_k: int = 10,
        filter: Mapping[str, Any] | None = None,  # the word of the contract and of every vector database
        *,
        normalize: bool = False,
    ) -> tuple[SimilarState, ...]:
        """The stored states of the highest fidelity with a state, best first, equal ones by id.

        Args:
            query_state: amplitudes (2^n,) or a density matrix (2^n, 2^n).
            top_k: how many at most, 1 to 10,000.
            filter: which metadata a state must have, with MongoDB's operators: {"accuracy": {"$gte": 0.85}}; see
                `qstore_storage.states.filters`.
            normalize: as in `store_state`.

        Returns:
            Fewer than `top_k` if there are no more.

        Raises:
            OptionError: an argument is not as described, or all states here are of another number of qubits.
            CapabilityError: the provider cannot compare such a state.
            StateCorrupt: a state that would have to be compared is damaged.
        """
        return self.find_similar_many([query_state], top_k, filter, normalize=normalize)[0]

    def find_similar_many(
        self,
        query_states: Iterable[Any],
        top_k: int = 10,
        filter: Mapping[str, Any] | None = None,
        *,
        normalize: bool = False,
    ) -> tuple[tuple[SimilarState, ...], ...]:
        """`find_similar` for many states of as many qubits at once, which takes one pass over the database.

        Args:
            query_states: (batch, 2^n), or a list of amplitudes and density matrices.
            top_k: as in `find_similar`.
            filter: as in `find_similar`.
            normalize: as in `store_state`.
        """
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= MAX_TOP_K:
            raise OptionError(f"top_k is an integer from 1 to {MAX_TOP_K}, got {shown(top_k)}.")
        condition = parse_filter(filter)
        queries = [
            self._checked(query, normalize, f"Query {number}") for number, query in enumerate(query_states)
        ]
        if len({query.n_qubits for query in queries}) > 1:
            raise OptionError("The queries of one call are of as many qubits; these are not.")
        if not queries:
            return ()
        return tuple(self._provider.nearest(self._namespace, queries, top_k, condition))

    def count(self, filter: Mapping[str, Any] | None = None) -> int:
        """How many states of this namespace a filter lets through."""
        return self._provider.count(self._namespace, parse_filter(filter))

    def ids(self, filter: Mapping[str, Any] | None = None) -> list[str]:
        """The ids of the states that a filter lets through, sorted."""
        return list(self._provider.ids(self._namespace, parse_filter(filter)))

    def verify(self) -> tuple[str, ...]:
        """Read every state of this namespace; the ids of those that are damaged."""
        damaged = []
        for state_id in self.ids():
            try:
                self._provider.read(self._namespace, [state_id])
            except StateCorrupt:
                damaged.append(state_id)
        return tuple(damaged)

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # an empty database is still one

    def __contains__(self, state_id: object) -> bool:
        if not isinstance(state_id, str):
            return False
        return bool(self._provider.read(self._namespace, [checked_name(state_id, "A state's id")]))

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids())

    def close(self) -> None:
        """Let go of the file or the connection."""
        self._provider.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, given: Any, normalize: bool, what: str) -> State:
        return checked_state(given, max_qubits=self._max_qubits, normalize=normalize, what=what)

    def _encoded(
        self, state_id: str, given: Any, metadata: Mapping[str, Any] | None = None, *, normalize: bool
    ) -> EncodedState:
        checked_name(state_id, "A state's id")
        state = self._checked(given, normalize, f"The state {state_id!r}")
        checked = checked_metadata(metadata)
        text = metadata_text(checked)
        blob = encode_state(self._codec, state_id, text, state)
        return EncodedState(id=state_id, state=state, metadata=checked, text=text, blob=blob)
