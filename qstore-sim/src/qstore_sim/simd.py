# SPDX-License-Identifier: Apache-2.0
"""A fixed-width vector type for numba, so that kernels never depend on the auto-vectoriser.

A ``Vector`` is as wide as the machine's registers (`width`): 16 float32 or 8 float64 with AVX-512, else 8 or 4, the
*lanes*. Its arithmetic lowers to LLVM vector instructions, one machine instruction each. Indices count
elements of a flat array, not vectors; nothing is bounds-checked. ``fma`` is always fused, so the result of a lane
depends neither on the other lanes nor on how LLVM arranged the loop.
Not here: any loop; arrays at addresses and what threads share (`addresses`). Importing this module imports numba.
"""

import contextlib
import logging
import operator
import pickle
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from qstore_sim.width import VECTOR_BYTES, has_feature

log = logging.getLogger("qstore.sim")


class Vector(types.Type):
    """The numba type of ``lanes`` numbers of type ``element``."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.lanes = VECTOR_BYTES * 8 // element.bitwidth
        super().__init__(name=f"Vector({self.lanes} x {element})")

    @property
    def key(self) -> Any:
        return self.element

    @property
    def llvm_type(self) -> ir.VectorType:
        return ir.VectorType(ir.FloatType() if self.element == types.float32 else ir.DoubleType(), self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm_type)


_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,  # nothing here allocates; counting references would cost two locked operations an array
}


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A piece of a kernel that LLVM must put where it is called: its constant arguments select one of several loops."""
    compiled: Callable[..., Any] = njit(forceinline=True, **_OPTIONS)(function)
    return compiled


def spliced(function: Callable[..., Any]) -> Callable[..., Any]:
    """A piece of a kernel that becomes part of whoever calls it before anything is compiled.

    LLVM goes through a kernel once more for every kernel above it, so each level less makes the cold compile shorter.
    """
    compiled: Callable[..., Any] = njit(inline="always", **_OPTIONS)(function)
    return compiled


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first use, release the GIL, keep machine code on disk where a cache directory is writable."""
    compiled: Any = njit(**_OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # numba: "no locator available": nowhere to keep the cache
        compiled._cache = _MendingCache(compiled.py_func)
    return cast("Callable[..., Any]", compiled)


class _MendingCache(FunctionCache):
    """Numba's cache on disk; a damaged file in it (a full disk, a killed process) is replaced instead of raised about."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (
            pickle.UnpicklingError,
            EOFError,
            ValueError,
            LookupError,
            AttributeError,
            ImportError,
        ) as damage:
            log.info("Replacing the damaged cache of %s: %s", self._name, damage)
            self.flush()
            return None


# ---- arithmetic -----------------------------------------------------------------------------------------------------


def _register_operator(op: Any, instruction: str) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    infer_global(op)(Template)

    @lower_builtin(op, Vector, Vector)  # type: ignore[untyped-decorator]  # numba ships no type information
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _op, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _register_operator(_op, _instruction)


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c with one rounding."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = sig.return_type.llvm_type
        name = f"llvm.fma.v{vector.count}f{sig.return_type.element.bitwidth}"
        declared = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(vector, [vector] * 3), name
        )
        return builder.call(declared, args)

    return signature(a, a, a, a), codegen


@intrinsic
def neg(typingctx: Any, a: Any) -> Any:
    """-a."""
    return signature(a, a), lambda context, builder, sig, args: builder.fneg(args[0])


@intrinsic
def exchange(typingctx: Any, a: Any, mask: Any) -> Any:
    """The vector whose lane i is lane i ^ mask of a; 0 <= mask < lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = sig.return_type.llvm_type
        if has_feature("avx512f" if VECTOR_BYTES == 64 else "avx2"):
            return _permuted(builder, vector, *args)
        return _exchange_by_bits(builder, vector, *args)

    return signature(a, a, types.int64), codegen


# (bytes of a vector, bits of a number): an instruction that takes each number from any place.
_PERMUTATIONS = {
    (64, 32): "llvm.x86.avx512.permvar.sf.512",
    (64, 64): "llvm.x86.avx512.permvar.df.512",
    (32, 32): "llvm.x86.avx2.permps",
}


def _permuted(builder: Any, vector: ir.VectorType, value: Any, mask: Any) -> Any:
    """One instruction; its index vector does not change inside a loop and stays in a register."""
    bits = VECTOR_BYTES * 8 // vector.count
    if (VECTOR_BYTES, bits) not in _PERMUTATIONS:
        # AVX2 has none for float64: exchange the halves of each in pairs.
        halves = ir.VectorType(ir.FloatType(), 2 * vector.count)
        twice = builder.shl(mask, ir.Constant(mask.type, 1))
        return builder.bitcast(_permuted(builder, halves, builder.bitcast(value, halves), twice), vector)
    index = ir.VectorType(ir.IntType(bits), vector.count)
    short = builder.trunc(mask, index.element) if bits < 64 else mask
    places = builder.xor(_splat(builder, index, short), ir.Constant(index, list(range(vector.count))))
    name = _PERMUTATIONS[VECTOR_BYTES, bits]
    declared = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(vector, [vector, index]), name
    )
    return builder.call(declared, [value, places])


def _exchange_by_bits(builder: Any, vector: ir.VectorType, value: Any, mask: Any) -> Any:
    """For other processors: one fixed exchange per bit of the mask, taken or not."""
    places = ir.VectorType(ir.IntType(32), vector.count)
    for bit in range(vector.count.bit_length() - 1):
        order = ir.Constant(places, [lane ^ (1 << bit) for lane in range(vector.count)])
        moved = builder.shuffle_vector(value, ir.Constant(vector, ir.Undefined), order)
        wanted = builder.and_(mask, ir.Constant(ir.IntType(64), 1 << bit))
        taken = builder.icmp_unsigned("!=", wanted, ir.Constant(ir.IntType(64), 0))
        value = builder.select(taken, moved, value)
    return value


# ---- memory ---------------------------------------------------------------------------------------------------------


def _vector_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), Vector(array_type.dtype).llvm_type.as_pointer())


def _splat(builder: Any, vector: ir.VectorType, scalar: Any) -> Any:
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


@intrinsic
def lanes_of(typingctx: Any, array: Any) -> Any:
    """Lanes of the vectors of this array's element type, a compile-time constant."""
    lanes = Vector(array.dtype).lanes
    return types.int64(array), lambda context, builder, sig, args: context.get_constant(types.int64, lanes)


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """The vector at array[index : index + lanes]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _vector_pointer(context, builder, sig.args[0], *args)
        return builder.load(pointer, align=sig.args[0].dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.int64), codegen


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + lanes] = value."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _vector_pointer(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=sig.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


@intrinsic
def splat(typingctx: Any, array: Any, index: Any) -> Any:
    """The vector whose lanes all hold array[index]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return _splat(builder, sig.return_type.llvm_type, builder.load(builder.gep(data, [args[1]])))

    return Vector(array.dtype)(array, types.int64), codegen


@intrinsic
def splat_like(typingctx: Any, array: Any, scalar: Any) -> Any:
    """The vector, of this array's element type, whose lanes all hold the scalar."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, sig.return_type.llvm_type, args[1])

    return Vector(array.dtype)(array, array.dtype), codegen


@intrinsic
def accumulate(typingctx: Any, array64: Any, index: Any, value: Any) -> Any:
    """array64[index : index + lanes] += value, widened to float64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = sig.args[2]
        wide = ir.VectorType(ir.DoubleType(), vector.lanes)
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(data, [args[1]]), wide.as_pointer())
        value = args[2] if vector.element == types.float64 else builder.fpext(args[2], wide)
        builder.store(builder.fadd(builder.load(pointer, align=8), value), pointer, align=8)
        return context.get_dummy_value()

    return types.void(array64, types.int64, value), codegen


@intrinsic
def signed_sum(typingctx: Any, array64: Any, index: Any, signs: Any, sign: Any) -> Any:
    """The sum over all lanes of array64[index + lane] * signs[sign + lane], halves on halves, in float64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = Vector(sig.args[2].dtype)
        wide = ir.VectorType(ir.DoubleType(), vector.lanes)
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        value = builder.load(builder.bitcast(builder.gep(data, [args[1]]), wide.as_pointer()), align=8)
        factor = builder.load(_vector_pointer(context, builder, sig.args[2], *args[2:]), align=4)
        value = builder.fmul(
            value, factor if vector.element == types.float64 else builder.fpext(factor, wide)
        )
        count = vector.lanes
        while count > 1:
            count //= 2
            parts = [
                ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(start, start + count)))
                for start in (0, count)
            ]
            low, high = (
                builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), p) for p in parts
            )
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float64(array64, types.int64, signs, types.int64), codegen


# ---- bits -----------------------------------------------------------------------------------------------------------


@intrinsic
def parity(typingctx: Any, bits: Any) -> Any:
    """0 or 1: the number of set bits modulo 2."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.and_(builder.ctpop(args[0]), ir.Constant(ir.IntType(64), 1))

    return types.int64(types.int64), codegen
