# SPDX-License-Identifier: Apache-2.0
"""What the circuits of a layer took: counted where they go out, so that shifted circuits of gradients are in it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.plugins import Backend, Gradients

__all__ = ["BackendUse", "Observed", "Usage"]


@dataclass(slots=True)
class BackendUse:
    """What one backend did.

    Attributes:
        calls: batches, or groups of them, that were handed over.
        circuits: rows of all batches; a reverse sweep counts each row once.
        seconds: wall-clock time of the calls.
        queued_s: of that, what the backend says was waited for.
        billed_usd: dollars that were billed, or estimated where no bill has come yet.
    """

    calls: int = 0
    circuits: int = 0
    seconds: float = 0.0
    queued_s: float = 0.0
    billed_usd: Decimal = Decimal(0)

    def add(self, other: BackendUse) -> None:
        """Count what another one did as well."""
        self.calls += other.calls
        self.circuits += other.circuits
        self.seconds += other.seconds
        self.queued_s += other.queued_s
        self.billed_usd += other.billed_usd

    def since(self, before: BackendUse) -> BackendUse:
        """What was added; all of it where somebody has emptied the counts in between."""
        if self.calls < before.calls or self.circuits < before.circuits:
            return self
        return BackendUse(
            calls=self.calls - before.calls,
            circuits=self.circuits - before.circuits,
            seconds=self.seconds - before.seconds,
            queued_s=self.queued_s - before.queued_s,
            billed_usd=self.billed_usd - before.billed_usd,
        )


@dataclass(slots=True)
class Usage:
    """What all backends of a layer did, by the name of the backend; `take` starts again from nothing.

    Example:
        >>> from qstore.layers import QuantumFeatureExtractor
        >>> layer = QuantumFeatureExtractor(2, 1)
        >>> _ = layer.call_sync([[0.1, 0.2], [0.3, 0.4]])
        >>> layer.usage.circuits, list(layer.usage.backends)
        (2, ['statevector'])
    """

    backends: dict[str, BackendUse] = field(default_factory=dict)

    @property
    def circuits(self) -> int:
        """Circuits on all backends, those of gradients too."""
        return sum(use.circuits for use in self.backends.values())

    @property
    def seconds(self) -> float:
        """Wall-clock seconds on all backends."""
        return sum(use.seconds for use in self.backends.values())

    @property
    def queued_s(self) -> float:
        """Seconds of waiting, of these."""
        return sum(use.queued_s for use in self.backends.values())

    @property
    def billed_usd(self) -> Decimal:
        """Dollars on all backends."""
        return sum((use.billed_usd for use in self.backends.values()), Decimal(0))

    def take(self) -> Usage:
        """What there is so far; counting starts again."""
        taken, self.backends = Usage(self.backends), {}
        return taken

    def copy(self) -> Usage:
        """The counts as they are now; a thread may be adding to them."""
        return Usage({name: replace(use) for name, use in list(self.backends.items())})

    def add(self, other: Usage) -> None:
        """Count what others did as well."""
        for name, use in other.backends.items():
            self.backends.setdefault(name, BackendUse()).add(use)

    def since(self, before: Usage) -> Usage:
        """What was added, without the backends that did nothing."""
        added = {
            name: use.since(before.backends.get(name, BackendUse())) for name, use in self.backends.items()
        }
        return Usage({name: use for name, use in added.items() if use.calls})

    def record(self, results: Sequence[BatchResult], circuits: int, seconds: float) -> None:
        """Count one call; its results name the backend."""
        use = self.record_time(results[0].backend if results else "none", circuits, seconds)
        for result in results:
            use.queued_s += result.queued_s
            usd = result.estimated_usd if result.billed_usd is None else result.billed_usd
            if usd is not None:
                use.billed_usd += usd

    def record_time(self, backend: str, circuits: int, seconds: float) -> BackendUse:
        """Count one call that has no bill of its own."""
        use = self.backends.setdefault(backend, BackendUse())
        use.calls += 1
        use.circuits += circuits
        use.seconds += seconds
        return use


class Observed:
    """A backend whose calls are counted; everything else is the backend's own.

    Args:
        backend: any backend.
        usage: where its calls are counted.
    """

    def __init__(self, backend: Backend, usage: Usage) -> None:
        self.backend, self.usage = backend, usage
        for name, make in (("run_sync", self._sync), ("run_many_sync", self._sync), ("vjp_sync", self._sync),
                           ("pullback_sync", self._pulling), ("run", self._async), ("run_many", self._async), ("vjp", self._async)):  # fmt: skip
            method = getattr(backend, name, None)
            if method is not None:
                setattr(self, name, make(method))

    def __getattr__(self, name: str) -> Any:
        if name == "backend":  # a copy that has nothing yet
            raise AttributeError(name)
        return getattr(self.backend, name)

    def _sync(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(given: CircuitBatch | Sequence[CircuitBatch], *arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = method(given, *arguments, **named)
            self._record(given, found, time.perf_counter() - start)
            return found

        return call

    def _async(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(given: CircuitBatch | Sequence[CircuitBatch], *arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = await method(given, *arguments, **named)
            self._record(given, found, time.perf_counter() - start)
            return found

        return call

    def _pulling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(given: CircuitBatch, *arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = method(given, *arguments, **named)
            if found is None:
                return None
            result, pullback = found
            self._record(given, result, time.perf_counter() - start)

            def pull(cotangent: NDArray[Any]) -> Gradients:
                start = time.perf_counter()
                gradients: Gradients = pullback(cotangent)
                self.usage.record_time(result.backend, given.size, time.perf_counter() - start)
                return gradients

            return result, pull

        return call

    def _record(self, given: CircuitBatch | Sequence[CircuitBatch], found: Any, seconds: float) -> None:
        if isinstance(given, CircuitBatch):
            results = [found[0] if isinstance(found, tuple) else found]
            self.usage.record(results, given.size, seconds)
        else:
            self.usage.record(list(found), sum(batch.size for batch in given), seconds)
