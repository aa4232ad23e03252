# SPDX-License-Identifier: Apache-2.0
"""The native compiler: any circuit to GPi, GPi2 and partial-angle MS or ZZ gates, checked, symbols and all."""

from qstore_ionq.native.compile import compile_native
from qstore_ionq.native.optimizer import CostEstimate, IonQNativeCompiler, IonQOptimizer
from qstore_ionq.native.program import BoundProgram, NativeProgram

__all__ = [
    "BoundProgram",
    "CostEstimate",
    "IonQNativeCompiler",
    "IonQOptimizer",
    "NativeProgram",
    "compile_native",
]
