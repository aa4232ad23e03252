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

from qstore.errors import ExecutionError, OptionError
from qstore_tf.callbacks.reading import quantum_layers_of

__all__ = ["Agreement", "PeerFailedError", "Peers", "agree_on_failures"]

MESSAGE_CHARACTERS = 400
GROUP_KEYS = itertools.count(1_000_001)
"""Of groups of collective operations, one for each agreement; the strategy counts its own from 1."""
ROUNDS = 16
"""Calls of a group are told apart by this many numbers in turn: TensorFlow keeps something for each number for ever."""


class PeerFailedError(ExecutionError):
    """Another process could not run its circuits, or did not answer in time."""


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


class Agreement:
    """Processes that tell each other whether their circuits ran; a copy of it, or a pickled one, agrees with nobody.

    Args:
        peers: the processes; None for nobody.
        timeout_s: how long a process waits for the others.
    """

    def __init__(self, peers: Peers | None = None, timeout_s: float = 0.0) -> None:
        self._peers, self._timeout_s = peers, timeout_s
        self._rounds: Iterator[int] = itertools.cycle(range(1, ROUNDS + 1))

    def __reduce__(self) -> tuple[type[Agreement], tuple[()]]:
        # A group is a connection; it does not travel.
        return Agreement, ()

    def exchange(self, error: Exception | None) -> None:
        """Tell the others, and hear of them.

        Raises:
            PeerFailedError: circuits of another process failed while those of this one ran, or it did not answer.
        """
        if self._peers is None:
            return
        import tensorflow as tf

        try:
            if not self._maximum(self._peers, 0 if error is None else 1):
                return
            words = self._words(self._peers, error)
        except tf.errors.OpError as exc:
            if error is not None:
                return  # its own trouble is what this process has to report
            raise PeerFailedError(
                f"Another process did not answer within {self._timeout_s:g} s, so the circuits of this step are lost; it has "
                "probably ended. Look at its log, then start all processes again from the last checkpoint."
            ) from exc
        if error is None:
            raise PeerFailedError(f"{words} All processes stop here, at the same step.")

    def _maximum(self, peers: Peers, own: int) -> int:
        """The largest number of all processes."""
        import tensorflow as tf

        with tf.init_scope(), tf.device(peers.device):
            found = tf.raw_ops.CollectiveReduceV2(
                input=tf.constant([own], tf.int32), group_size=peers.size, group_key=peers.group_key,
                instance_key=next(self._rounds), ordering_token=[], merge_op="Max", final_op="Id",
                timeout_seconds=self._timeout_s,
            )  # fmt: skip
            return int(found.numpy()[0])

    def _words(self, peers: Peers, error: Exception | None) -> str:
        """What the first process that failed says."""
        import tensorflow as tf

        text = "" if error is None else f"{type(error).__name__}: {error}"
        codes = [ord(character) for character in text[:MESSAGE_CHARACTERS]]
        own = codes + [0] * (MESSAGE_CHARACTERS - len(codes))
        with tf.init_scope(), tf.device(peers.device):
            every = tf.raw_ops.CollectiveGatherV2(
                input=tf.constant([own], tf.int32), group_size=peers.size, group_key=peers.group_key,
                instance_key=next(self._rounds), ordering_token=[], timeout_seconds=self._timeout_s,
            ).numpy()  # fmt: skip
        rank, found = next((rank, each) for rank, each in enumerate(every) if each.any())
        said = "".join(chr(code) for code in found if code)
        return f"The circuits of process {rank} failed: {said}"


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
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise OptionError(f"timeout_s must be seconds above 0, got {timeout_s!r}.")
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
