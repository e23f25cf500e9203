"""SIMD intrinsics for numba, written in LLVM IR; import this module inside a function.

LLVM compiles them for the processor at hand. Bit ``n`` of a mask stands for number ``n`` in little-endian order, as on
every processor that numba compiles for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import TypingError, types
from numba.extending import intrinsic

LANES = 64
"""Numbers that are compared at once."""
_BYTE, _INT32 = ir.IntType(8), ir.IntType(32)
# Of prefetch: to be read, soon needed again, data.
_READ, _KEPT, _DATA = _INT32(0), _INT32(3), _INT32(1)

Typed = tuple[Any, Callable[..., Any]]


def _loaded(target: Any, builder: Any, kind: Any, array: Any, start: Any) -> Any:
    """Load 64 numbers of a contiguous array, counted over all its dimensions."""
    if kind.layout != "C":
        msg = f"numbers must be contiguous to be compared at once, got {kind}"
        raise TypingError(msg)
    data = target.make_array(kind)(target, builder, array).data
    lanes = ir.VectorType(target.get_value_type(kind.dtype), LANES)
    return builder.load(builder.bitcast(builder.gep(data, [start]), lanes.as_pointer()), align=kind.dtype.bitwidth // 8)


def _repeated(builder: Any, number: Any) -> Any:
    """Return a number in each of 64 lanes."""
    empty = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, number, _INT32(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_INT32, LANES), None))


def _as_bits(builder: Any, answers: Any) -> Any:
    return builder.bitcast(answers, ir.IntType(LANES))


def _at_least(context: Any, values: Any, start: Any, floor: Any) -> Typed:
    """Return 64 bits, which say of each of 64 numbers from ``start`` on whether it is at least ``floor``.

    :param values: Floating-point numbers or signed integers; nothing checks that there are so many.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = _loaded(target, builder, signature.args[0], *arguments[:2])
        compare = builder.fcmp_ordered if isinstance(values.dtype, types.Float) else builder.icmp_signed
        return _as_bits(builder, compare(">=", numbers, _repeated(builder, arguments[2])))

    return types.uint64(values, types.uint64, values.dtype), generate


at_least: Any = intrinsic(_at_least)


def _unsigned_at_most(context: Any, values: Any, start: Any, limit: Any) -> Typed:
    """Return 64 bits, which say of each of 64 integers, read as unsigned, whether it is at most ``limit``, so read.

    :param values: Integers; nothing checks that there are so many.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = _loaded(target, builder, signature.args[0], *arguments[:2])
        return _as_bits(builder, builder.icmp_unsigned("<=", numbers, _repeated(builder, arguments[2])))

    return types.uint64(values, types.uint64, values.dtype), generate


unsigned_at_most: Any = intrinsic(_unsigned_at_most)


def _scaled_at_least(context: Any, values: Any, start: Any, scales: Any, first: Any, floor: Any) -> Typed:
    """Return 64 bits, which say of each of 64 integers, times its scale, whether it is at least ``floor``.

    :param values: Signed integers; nothing checks that there are so many from ``start`` on.
    :param scales: Numbers in single precision, as many from ``first`` on.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = _loaded(target, builder, signature.args[0], *arguments[:2])
        factors = _loaded(target, builder, signature.args[2], *arguments[2:4])
        scaled = builder.fmul(builder.sitofp(numbers, factors.type), factors)
        return _as_bits(builder, builder.fcmp_ordered(">=", scaled, _repeated(builder, arguments[4])))

    return types.uint64(values, types.uint64, scales, types.uint64, types.float32), generate


scaled_at_least: Any = intrinsic(_scaled_at_least)


def _lowest_bit(context: Any, bits: Any) -> Typed:
    """Return the place of the lowest bit that is set; there must be one."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), generate


lowest_bit: Any = intrinsic(_lowest_bit)


def _prefetch(context: Any, values: Any, position: Any) -> Typed:
    """Ask for the cache line of an array's element; an element that does not exist does no harm."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), _BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT32, _INT32, _INT32])
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [address, _READ, _KEPT, _DATA])
        return target.get_dummy_value()

    return types.void(values, types.int64), generate


prefetch: Any = intrinsic(_prefetch)
