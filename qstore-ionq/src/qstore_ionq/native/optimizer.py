# SPDX-License-Identifier: Apache-2.0
"""The compiler under the names that users of other packages look for: a compiler object, and one that knows prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from qstore.accounting import PriceTable, dollars
from qstore.circuit import QuantumCircuit, Template
from qstore.errors import BudgetExceeded, OptionError
from qstore_ionq.devices import device_for
from qstore_ionq.native.compile import compile_native
from qstore_ionq.native.program import NativeProgram
from qstore_ionq.options import Settings
from qstore_ionq.prices import quote_job, table_for

MAX_LEVEL = 3


class IonQNativeCompiler:
    """Compiles circuits for one machine.

    Args:
        target: a backend's name, "aria-1" (MS) or "forte-1" (ZZ).
        level: 0 gate by gate, 1 merges what meets, 2 searches for fewer entanglers and pulses.

    Raises:
        BackendUnavailable: no such machine.
        OptionError: no such level.

    Example:
        >>> from qstore import QuantumCircuit
        >>> IonQNativeCompiler("forte-1").compile(QuantumCircuit(2).h(0).cp(0, 1, 0.3))
        <NativeProgram: 2 qubits, 1 ZZ, 1 GPi2, depth 2, checked>
    """

    def __init__(self, target: str = "aria-1", *, level: int = 2) -> None:
        if level not in range(MAX_LEVEL + 1):
            raise OptionError(f"level must be an integer from 0 to {MAX_LEVEL}, got {level!r}.")
        self._device = device_for(target)
        self._level = min(level, 2)

    @property
    def entangler(self) -> str:
        """The machine's native gate on two qubits, "ms" or "zz"."""
        return self._device.entanglers[0]

    def compile(self, circuit: QuantumCircuit | Template) -> NativeProgram:
        """Compile and check a circuit; see `compile_native` for what it raises."""
        return compile_native(circuit, self.entangler, level=self._level)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._device.name!r}, level={self._level})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What running a circuit would cost.

    Attributes:
        total_cost: dollars for all shots.
        cost_per_shot: dollars for one of them, minimum charges shared out.
        native_gate_count: pulses and entanglers.
        one_qubit_gates, two_qubit_gates: each of them.
        optimized_depth: longest path of native gates.
        seconds: on the machine, gates one by one, without the queue.
        model: where the prices come from.
    """

    total_cost: Decimal
    cost_per_shot: Decimal
    native_gate_count: int
    one_qubit_gates: int
    two_qubit_gates: int
    optimized_depth: int
    seconds: float
    model: str


class IonQOptimizer(IonQNativeCompiler):
    """A compiler that knows what a circuit will cost.

    Args:
        target_hardware: a backend's name.
        optimization_level: as `level` of the compiler; 3 is accepted as another name for 2.
        minimize_cost: choose the level whose program costs least, instead of the one given.
        max_cost_per_shot: refuse what would cost more, dollars.
        plan: a price plan, "azure" or "braket", or a price table of yours.
        debiasing: as for the backend; by default on from 500 shots, at a higher minimum charge.

    Example:
        >>> from qstore import QuantumCircuit
        >>> optimizer = IonQOptimizer("forte-1", plan="braket")
        >>> optimizer.estimate_cost(QuantumCircuit(2).h(0).cx(0, 1), shots=1000).total_cost
        Decimal('80.30')
    """

    def __init__(
        self,
        target_hardware: str = "aria-1",
        optimization_level: int = 3,
        *,
        minimize_cost: bool = False,
        max_cost_per_shot: float | Decimal | None = None,
        plan: str | PriceTable | None = None,
        debiasing: bool | None = None,
    ) -> None:
        super().__init__(target_hardware, level=optimization_level)
        self._prices = table_for(self._device, plan)
        self._minimize = minimize_cost
        self._settings = Settings(debiasing=debiasing)
        self._most = None if max_cost_per_shot is None else dollars(max_cost_per_shot, "max_cost_per_shot")

    def optimize(self, circuit: QuantumCircuit | Template) -> NativeProgram:
        """Compile and check a circuit.

        Raises:
            BudgetExceeded: a shot would cost more than `max_cost_per_shot`.
        """
        return self._optimized(circuit, 1000)

    def estimate_cost(self, circuit: QuantumCircuit | Template, shots: int = 1000) -> CostEstimate:
        """What a number of shots would cost, compiled as `optimize` does.

        Raises:
            BudgetExceeded: a shot would cost more than `max_cost_per_shot`.
        """
        return self._priced(self._optimized(circuit, shots), shots)

    def _optimized(self, circuit: QuantumCircuit | Template, shots: int) -> NativeProgram:
        program = self.compile(circuit)
        if self._minimize:
            others = [compile_native(circuit, self.entangler, level=level) for level in range(self._level)]
            program = min((program, *others), key=lambda each: self._priced(each, shots).total_cost)
        cost = self._priced(program, shots).cost_per_shot
        if self._most is not None and cost > self._most:
            raise BudgetExceeded(
                f"A shot of this circuit would cost ${cost:.6f} on {self._device.name!r}, more than ${self._most}; "
                "raise max_cost_per_shot, take more shots where a minimum charge dominates, or a smaller circuit."
            )
        return program

    def _priced(self, program: NativeProgram, shots: int) -> CostEstimate:
        if isinstance(shots, bool) or not isinstance(shots, int) or shots < 1:
            raise OptionError(f"shots must be an integer from 1 up, got {shots!r}.")
        one, two = program.gate_counts
        device = self._device
        seconds = shots * (one * device.gate_1q_s + two * device.gate_2q_s + device.readout_s)
        mitigated = self._settings.mitigated(device, shots)
        total = quote_job(self._prices, [(one, two)], shots, mitigated=mitigated, seconds=seconds)
        return CostEstimate(
            total_cost=total,
            cost_per_shot=total / shots,
            native_gate_count=one + two,
            one_qubit_gates=one,
            two_qubit_gates=two,
            optimized_depth=program.depth,
            seconds=seconds,
            model=f"{self._prices.source}, {self._prices.as_of}",
        )
