# SPDX-License-Identifier: Apache-2.0
"""The quantum layers by name. Each is a `CircuitLayer` of one stage; `Sequential` joins the stages of neighbours.

`encoding=None` means the state of the quantum layer in front inside a `Sequential`, and angle encoding where there is
none. All take `backend`, `shots`, `seed` and `gradient_method` as `qstore.layers.Execution` describes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qstore.errors import OptionError
from qstore.layers.circuit_layer import CircuitLayer, Execution
from qstore.layers.dropout import QuantumDropout
from qstore.layers.encodings import encoding_named
from qstore.layers.feature_extractor import FeatureExtractorStage
from qstore.layers.measurements import basis_letters
from qstore.layers.nonlinearity import NonlinearityStage
from qstore.layers.pooling import PoolingStage
from qstore.layers.readout import ReadoutStage
from qstore.layers.stage import Stage

__all__ = [
    "EncodingLayer",
    "QuantumFeatureExtractor",
    "QuantumNonlinearity",
    "QuantumPooling",
    "QuantumReadout",
]

ALONE = "angle"


class QuantumStageLayer(CircuitLayer):
    """A layer of one stage.

    Attributes:
        takes_state: whether it continues with the state of a quantum layer in front of it.
    """

    def __init__(
        self, stage: Stage, config: dict[str, Any], n_features: int | None, weights_seed: int | None,
        feeds_forward: bool | None = None, **execution: Any,
    ) -> None:  # fmt: skip
        self.takes_state = stage.encoding is None
        self.stage = stage
        self.wanted_features = n_features
        self.weights_seed = weights_seed
        self.feeds_forward = feeds_forward
        self._config = config
        if stage.encoding is None:
            stage.encoding = encoding_named(ALONE)
        super().__init__((stage,), n_features, execution=Execution.of(type(self).__name__, execution), weights_seed=weights_seed,
                         feeds_forward=feeds_forward)  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        extra = {"n_features": self.wanted_features, "weights_seed": self.weights_seed}
        return {
            **self._config,
            **{name: value for name, value in extra.items() if value is not None},
            **self.execution.get_config(),
        }


class QuantumFeatureExtractor(QuantumStageLayer):
    """Encoded data, a hardware-efficient ansatz, Paulis measured on every qubit.

    Args:
        n_qubits: number of qubits.
        depth: layers of RY and RZ on every qubit, and CNOTs; every second layer entangles in reverse order, so that small
            fresh weights make pairs of layers nearly the identity.
        entanglement: "full", "linear", "circular" or "none".
        measurement_bases: which Paulis are measured on every qubit, letters out of "XYZ".
        encoding: "angle", "amplitude", "iqp" or "reupload"; None continues with the state of the layer in front.
        dropout: a `QuantumDropout` for training.
        n_features: numbers per sample; fewer than 2**n_qubits are padded with zeros under amplitude encoding.
        weights_seed: repeats the same fresh weights.
        execution: `backend`, `shots`, `seed` and `gradient_method`.

    Shape:
        (batch, n_features) to (batch, n_qubits * len(measurement_bases)), the first basis on all qubits first.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> import numpy as np
        >>> layer = QuantumFeatureExtractor(4, depth=2, weights_seed=0)
        >>> layer.call_sync(np.zeros((3, 4))).shape, layer.n_parameters
        ((3, 12), 16)
    """

    def __init__(
        self,
        n_qubits: int,
        depth: int,
        entanglement: str = "full",
        measurement_bases: Iterable[str] = ("Z", "X", "Y"),
        encoding: str | None = "angle",
        *,
        dropout: QuantumDropout | None = None,
        n_features: int | None = None,
        weights_seed: int | None = None,
        **execution: Any,
    ) -> None:
        bases = basis_letters(measurement_bases)
        stage = FeatureExtractorStage(n_qubits, depth, entanglement, bases, encoding, dropout)
        config: dict[str, Any] = {"n_qubits": n_qubits, "depth": depth, "entanglement": entanglement,
                                  "measurement_bases": bases, "encoding": encoding}  # fmt: skip
        if dropout is not None:
            config["dropout"] = dropout
        super().__init__(stage, config, n_features, weights_seed, **execution)


class EncodingLayer(QuantumStageLayer):
    """Data as a state, and nothing else: the first layer of a `Sequential` whose next layers take the state.

    Args:
        n_qubits: number of qubits.
        encoding: "angle", "amplitude", "iqp" or "reupload".
        n_features: numbers per sample; fewer than 2**n_qubits are padded with zeros under amplitude encoding.
        execution: `backend`, `shots`, `seed` and `gradient_method`.

    Shape:
        (batch, n_features) to (batch, n_qubits), Z on every qubit where nothing follows.

    Example:
        >>> EncodingLayer(2, "angle").call_sync([[0.0, 3.141592653589793]]).round(6).tolist()
        [[1.0, -1.0]]
    """

    def __init__(
        self, n_qubits: int, encoding: str = "angle", *, n_features: int | None = None, **execution: Any
    ) -> None:
        config = {"n_qubits": n_qubits, "encoding": encoding}
        super().__init__(_Encoded(n_qubits, encoding), config, n_features, None, **execution)


class _Encoded(Stage):
    kind = "encoding"

    def __init__(self, n_qubits: int, encoding: str) -> None:
        self.n_qubits, self.encoding = n_qubits, encoding_named(encoding)

    def build(self, site: Any) -> tuple[int, ...]:
        qubits: tuple[int, ...] = site.qubits
        return qubits


class QuantumNonlinearity(QuantumStageLayer):
    """A damping channel of trainable strength on every qubit, or the features uploaded once more.

    A channel is affine in the state; what is nonlinear in a model comes from encoding and measuring. "parametric" uploads
    feature q again as RY(strength_q x_q).

    Args:
        n_qubits: number of qubits.
        nonlinearity_type: "amplitude_damping", "phase_damping" or "parametric".
        strength: the strength at the start: a probability for channels (the weight is the angle t with strength
            sin(t/2)**2), a factor for "parametric". A channel of strength 0 or 1 stays there: its gradient is exactly 0.
        encoding: as for the feature extractor; None continues with the state of the layer in front.
        n_features: numbers per sample.
        execution: `backend`, `shots`, `seed` and `gradient_method`. A backend without channels gets a circuit with one
            ancilla per qubit instead, which gives the same.

    Shape:
        (batch, n_features) to (batch, n_qubits), Z on every qubit.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> damped = QuantumNonlinearity(1, "amplitude_damping", strength=0.25)
        >>> damped.call_sync([[3.141592653589793]]).round(6).tolist()  # <Z> = g + (1 - g) * -1
        [[-0.5]]
    """

    def __init__(
        self,
        n_qubits: int,
        nonlinearity_type: str = "amplitude_damping",
        strength: float = 0.1,
        *,
        encoding: str | None = None,
        n_features: int | None = None,
        **execution: Any,
    ) -> None:
        stage = NonlinearityStage(n_qubits, nonlinearity_type, strength, encoding)
        config = {"n_qubits": n_qubits, "nonlinearity_type": nonlinearity_type, "strength": strength,
                  "encoding": encoding}  # fmt: skip
        super().__init__(stage, config, n_features, None, **execution)


class QuantumPooling(QuantumStageLayer):
    """Of every `pool_size` neighbouring qubits one goes on, turned by the others before they leave.

    Args:
        n_qubits: number of qubits.
        pool_size: size of a group; qubits left over when it does not divide n_qubits stay.
        pooling_type: "partial_trace" (the others are not read), or "measurement" (they are measured, and the outcome
            decides about the rotations). Both leave the same state of the qubits that stay.
        trainable: whether the others turn their neighbour by trained RZ, RY, RZ. Without that, what leaves changes
            nothing that is read later.
        feeds_forward: for "measurement", whether outcomes are fed forward; by default on remote backends with feedback.
        encoding: as for the feature extractor; None continues with the state of the layer in front.
        n_features: numbers per sample.
        weights_seed: repeats the same fresh weights.
        execution: `backend`, `shots`, `seed` and `gradient_method`.

    Shape:
        (batch, n_features) to (batch, qubits that stay), Z on every one.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> QuantumPooling(5, 2).output_dim
        3
    """

    def __init__(
        self,
        n_qubits: int,
        pool_size: int = 2,
        pooling_type: str = "partial_trace",
        *,
        trainable: bool = True,
        feeds_forward: bool | None = None,
        encoding: str | None = None,
        n_features: int | None = None,
        weights_seed: int | None = None,
        **execution: Any,
    ) -> None:
        if feeds_forward and pooling_type != "measurement":
            raise OptionError(
                f"feeds_forward=True needs outcomes to feed forward: take pooling_type='measurement', not {pooling_type!r}."
            )
        stage = PoolingStage(n_qubits, pool_size, pooling_type, trainable=trainable, encoding=encoding)
        config = {"n_qubits": n_qubits, "pool_size": pool_size, "pooling_type": pooling_type, "trainable": trainable,
                  "feeds_forward": feeds_forward, "encoding": encoding}  # fmt: skip
        super().__init__(stage, config, n_features, weights_seed, feeds_forward, **execution)


class QuantumReadout(QuantumStageLayer):
    """Trained rotations, then one number per class.

    Args:
        n_qubits: number of qubits.
        n_classes: number of classes.
        readout_type: "computational" (probabilities of the classes, which add up to 1) or "expectation" (one Pauli
            expectation per class, scores in [-1, 1]).
        encoding: as for the feature extractor; None continues with the state of the layer in front.
        n_features: numbers per sample.
        weights_seed: repeats the same fresh weights.
        execution: `backend`, `shots`, `seed` and `gradient_method`.

    Shape:
        (batch, n_features) to (batch, n_classes).

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> readout = QuantumReadout(2, n_classes=3, weights_seed=0)
        >>> float(readout.call_sync([[0.3, 0.4]]).sum().round(9))
        1.0
    """

    def __init__(
        self,
        n_qubits: int,
        n_classes: int,
        readout_type: str = "computational",
        *,
        encoding: str | None = None,
        n_features: int | None = None,
        weights_seed: int | None = None,
        **execution: Any,
    ) -> None:
        stage = ReadoutStage(n_qubits, n_classes, readout_type, encoding)
        config = {
            "n_qubits": n_qubits,
            "n_classes": n_classes,
            "readout_type": readout_type,
            "encoding": encoding,
        }
        super().__init__(stage, config, n_features, weights_seed, **execution)
