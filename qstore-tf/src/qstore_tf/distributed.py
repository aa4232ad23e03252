# SPDX-License-Identifier: Apache-2.0
"""Processes that train one Keras model together under TensorFlow and agree on failures.

`tf.distribute.MultiWorkerMirroredStrategy` averages gradients in collective operations, for which every process waits. A
process whose circuits fail, by a budget that is spent for instance, never gets there, and the others wait for as long as
it lives. After `agree_on_failures(model, strategy)` every quantum layer exchanges one number right after its circuits,
forwards where a gradient is wanted and backwards: then all processes raise, or none.

Importing this module imports no TensorFlow: a layer on another framework has no agreement.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from qstore.errors import OptionError
from qstore.layers.agreement import FailureAgreement, PeerFailedError, checked_timeout
from qstore_tf.callbacks.reading import quantum_layers_of

__all__ = ["Agreement", "PeerFailedError", "Peers", "agree_on_failures"]

GROUP_KEYS = itertools.count(1_000_001)
"""Of groups of collective operations, one for each agreement; the strategy counts its own from 1."""
ROUNDS = 16
"""Calls of one kind in a group are told apart by this many numbers in turn: TensorFlow keeps something for each number for
ever, the kind of its first call among it, so that each kind has numbers of its own."""


class Peers(NamedTuple):
    """The processes of an agreement.

    Attributes:
        size: how many there are.
        group_key: number of their group; the same on all.
        device: name of this process's CPU in the cluster.
    """

    size: int
    group_key: int
    device: str


class Agreement(FailureAgreement):
    """Processes that tell each other whether their circuits ran; a copy of it, or a pickled one, agrees with nobody.

    Args:
        peers: the processes; None for nobody.
        timeout_s: how long a process waits for the others.
    """

    def __init__(self, peers: Peers | None = None, timeout_s: float = 0.0) -> None:
        super().__init__(peers, timeout_s)
        self._rounds: dict[str, Iterator[int]] = {
            kind: itertools.cycle(range(start + 1, start + ROUNDS + 1))
            for kind, start in (("CollectiveReduceV2", 0), ("CollectiveGatherV2", ROUNDS))
        }

    @property
    def _no_answer(self) -> type[Exception]:
        import tensorflow as tf

        found: type[Exception] = tf.errors.OpError
        return found

    def _maximum(self, own: int) -> int:
        return int(self._together("CollectiveReduceV2", own, merge_op="Max", final_op="Id")[0])

    def _gathered(self, own: bytes) -> list[bytes]:
        every = self._together("CollectiveGatherV2", list(own))
        return [bytes(each.tolist()) for each in every]

    def _together(self, operation: str, own: int | list[int], **options: str) -> Any:
        """What a collective operation makes of the numbers of all processes."""
        import tensorflow as tf

        peers: Peers = self._group
        with tf.init_scope(), tf.device(peers.device):
            return getattr(tf.raw_ops, operation)(
                input=tf.constant([own], tf.int32), group_size=peers.size, group_key=peers.group_key,
                instance_key=next(self._rounds[operation]), ordering_token=[], timeout_seconds=self._timeout_s, **options,
            ).numpy()  # fmt: skip


def agree_on_failures(model: Any, strategy: Any, *, timeout_s: float = 60.0) -> Agreement:
    """Make the processes of a strategy agree on failures of the quantum layers of a model.

    Every process calls it, once, with the same model. Choose a timeout above the longest wait for a queue: a process waits
    for the others that long after its own circuits.

    Args:
        model: a Keras model with quantum layers.
        strategy: the `tf.distribute.MultiWorkerMirroredStrategy` that it was made under.
        timeout_s: how long a process waits for the others.

    Returns:
        The agreement, which the layers have now.

    Raises:
        OptionError: another strategy, several devices in one process, no quantum layer, or no time.
    """
    timeout_s = checked_timeout(timeout_s)
    peers = _peers(strategy)
    layers = quantum_layers_of(model)
    if not layers:
        raise OptionError("The model has no quantum layer, so there is nothing to agree on.")
    agreement = Agreement(peers, timeout_s)
    for layer in layers:
        layer.agreement = agreement
    return agreement


def _peers(strategy: Any) -> Peers:
    """The processes of a strategy."""
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise OptionError(
            f"A tf.distribute.MultiWorkerMirroredStrategy has processes that can agree, got {type(strategy).__name__}."
        )
    resolver = strategy.cluster_resolver
    size = sum(len(resolver.cluster_spec().as_dict().get(job, ())) for job in ("chief", "worker"))
    if size < 2:
        raise OptionError("There is one process in TF_CONFIG, so there is nobody to agree with.")
    if strategy.num_replicas_in_sync != size:
        raise OptionError(
            f"{size} processes have {strategy.num_replicas_in_sync} devices; give each process one device "
            "(CUDA_VISIBLE_DEVICES), since circuits run once for each."
        )
    device = f"/job:{resolver.task_type}/replica:0/task:{resolver.task_id}/device:CPU:0"
    return Peers(size, next(GROUP_KEYS), device)
