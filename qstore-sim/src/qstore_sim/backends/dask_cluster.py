# SPDX-License-Identifier: Apache-2.0
"""A connection to a Dask cluster: made when first used, closed with its owner, its failures in qstore's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from qstore.errors import ExecutionError, TransportError
from qstore_sim.processors import processors

__all__ = ["Cluster"]

_NOT_FOR_OTHERS = "127.0.0.1:0"
"""Dask's status pages: on this machine alone, on any free port; without an address they take a port that may be in use."""


class Cluster:
    """A Dask client, of a given address, of the user's, or of a cluster of processes that is started here.

    Args:
        address: of a running scheduler, or None.
        n_workers: processes of a cluster that is started here; None for one per processor.
        client: a `distributed.Client` that stays the user's.
    """

    def __init__(self, address: str | None, n_workers: int | None, client: Any) -> None:
        self._address, self._n_workers, self._given = address, n_workers, client
        self._client: Any = client
        self._started: Any = None
        self._lock = Lock()

    def connected(self) -> Any:
        """The client.

        Raises:
            TransportError: no scheduler answers at the address.
        """
        import distributed

        with self._lock:
            if self._client is None:
                if self._address is None:
                    self._started = distributed.LocalCluster(
                        n_workers=self._n_workers or processors(), threads_per_worker=1, processes=True,
                        dashboard_address=_NOT_FOR_OTHERS,
                    )  # fmt: skip
                try:
                    # Not the default client of the process: a user's own Dask code keeps its own.
                    self._client = distributed.Client(self._started or self._address, set_as_default=False)
                except (OSError, TimeoutError) as exc:
                    raise TransportError(
                        f"No Dask scheduler answers at {self._address!r}: {exc}. Start one with 'dask scheduler', or leave "
                        "the address out for a cluster on this machine."
                    ) from exc
            return self._client

    def n_workers(self) -> int:
        """The workers there are, at least 1; those that are planned before the first run."""
        if self._client is None:
            return self._n_workers or processors()
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def submit(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], retries: int
    ) -> list[Any]:
        """A future for each tuple of arguments."""
        client = self.connected()
        # pure=False: equal shards of different runs are different work, or one's cancelling would be the other's.
        return [client.submit(function, *each, pure=False, retries=retries) for each in arguments]

    def gathered(self, futures: Sequence[Any]) -> list[Any]:
        """The results, in order.

        Raises:
            ExecutionError: a task failed on the cluster, again and again or together with its workers.
        """
        import distributed

        try:
            found: list[Any] = self._client.gather(list(futures))
        except distributed.KilledWorker as exc:
            raise ExecutionError(
                f"Several workers died while they ran the same shard: {exc}. It may take more memory than a worker has: "
                "give rows_per_shard= a smaller number."
            ) from exc
        except (distributed.CancelledError, OSError) as exc:
            raise ExecutionError(
                f"The Dask cluster lost the work: {type(exc).__name__} {exc}. Run it again."
            ) from exc
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except Exception as exc:
            # Whatever the inner backend, its library or the unpickling on a worker raised.
            msg = f"A Dask worker failed with {type(exc).__name__}: {exc}. Workers need the same qstore distributions."
            raise ExecutionError(msg) from exc
        return found

    def cancel(self, futures: Sequence[Any]) -> None:
        """Drop work that nobody waits for any more."""
        if self._client is not None:
            self._client.cancel(list(futures), force=True)

    def close(self) -> None:
        """Close what was opened here; a client of the user's stays open."""
        with self._lock:
            if self._client is not None and self._client is not self._given:
                self._client.close()
            if self._started is not None:
                self._started.close()
            self._client, self._started = self._given, None

    def __repr__(self) -> str:
        if self._given is not None:
            return repr(self._given)
        return (
            repr(self._address)
            if self._address
            else f"{self._n_workers or processors()} processes on this machine"
        )
