# SPDX-License-Identifier: Apache-2.0
"""Arrays that are handed over as addresses, and the indivisible operations that threads meet over.

A kernel takes one table of integers instead of dozens of arrays, each of which would cost numba a microsecond to unpack,
and a job can lie in a mailbox. Who passes an address keeps its array alive; nothing here owns memory or checks bounds.
Not here: vectors (`simd`). Importing this module imports numba.
"""

import os
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


def _build_array(context: Any, builder: Any, array_type: Any, address: Any, shape: list[Any]) -> Any:
    """An array that owns nothing, row after row at the address."""
    array = context.make_array(array_type)(context, builder)
    item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
    strides = [item]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    populate_array(
        array, data=builder.inttoptr(address, array.data.type), shape=shape, strides=strides, itemsize=item, meminfo=None
    )  # fmt: skip
    return array._getvalue()


def _array_at(element: Any) -> Any:
    @intrinsic
    def array_at(typingctx: Any, address: Any, length: Any) -> Any:
        """The array of this many elements at an address, an int64."""
        result = types.Array(element, 1, "C")

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _build_array(context, builder, result, args[0], [args[1]])

        return result(types.int64, types.int64), codegen

    return array_at


int32_at = _array_at(types.int32)
int64_at = _array_at(types.int64)
float64_at = _array_at(types.float64)


@intrinsic
def elements_at(typingctx: Any, like: Any, address: Any, length: Any) -> Any:
    """The array of this many elements, of the type of another array's, at an address."""
    result = types.Array(like.dtype, 1, "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _build_array(context, builder, result, args[1], [args[2]])

    return result(like, types.int64, types.int64), codegen


def _table_at(element: Any) -> Any:
    @intrinsic
    def table_at(typingctx: Any, address: Any, length: Any, columns: Any) -> Any:
        """The array of this many rows and columns at an address."""
        result = types.Array(element, 2, "C")

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _build_array(context, builder, result, args[0], [args[1], args[2]])

        return result(types.int64, types.int64, types.int64), codegen

    return table_at


int64_table_at = _table_at(types.int64)
float64_table_at = _table_at(types.float64)


# ---- between threads -------------------------------------------------------------------------------------------------


def _element(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.gep(context.make_array(sig.args[0])(context, builder, args[0]).data, [args[1]])


@intrinsic
def fetch_add(typingctx: Any, array: Any, index: Any, amount: Any) -> Any:
    """array[index] += amount as one indivisible step, for int64; returns the value before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _element(context, builder, sig, args), args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def atomic_load(typingctx: Any, array: Any, index: Any) -> Any:
    """array[index] of an int64 array as it is now, whoever wrote it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_element(context, builder, sig, args), "seq_cst", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def atomic_store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value for an int64 array; everything written before is seen by whoever sees this."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _element(context, builder, sig, args), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def compare_exchange(typingctx: Any, array: Any, index: Any, expected: Any, value: Any) -> Any:
    """Set array[index] of an int64 array from `expected` to `value`; returns whether it was `expected`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _element(context, builder, sig, args)
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "seq_cst"), 1)

    return types.boolean(array, types.int64, types.int64, types.int64), codegen


@intrinsic
def address_of(typingctx: Any, array: Any) -> Any:
    """Where an array's elements begin, an int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), codegen


@intrinsic
def yield_processor(typingctx: Any) -> Any:
    """Let another thread run, where the system has `sched_yield`; else nothing."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if os.name == "posix":
            function = ir.FunctionType(ir.IntType(32), [])
            name = "sched_yield"
            builder.call(builder.module.globals.get(name) or ir.Function(builder.module, function, name), [])
        return context.get_dummy_value()

    return types.void(), codegen
