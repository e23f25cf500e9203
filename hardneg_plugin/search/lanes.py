"""Instructions that numba has no name for; import this module inside a function.

They are written in LLVM's language, which every processor's compiler turns into its own: nothing here depends on one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 64
"""Numbers that are compared at once."""
_BYTE, _NUMBER = ir.IntType(8), ir.IntType(32)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
# Of prefetch: to be read, soon needed again, data.
_READ, _KEPT, _DATA = _NUMBER(0), _NUMBER(3), _NUMBER(1)

Typed = tuple[Any, Callable[..., Any]]


def _at_least(context: Any, values: Any, start: Any, floor: Any) -> Typed:
    """Return 64 bits, which say of each of 64 numbers from ``start`` on whether it is at least ``floor``.

    :param values: Numbers in single precision; nothing checks that there are so many.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), _FLOATS.as_pointer())
        numbers = builder.load(place, align=np.dtype(np.float32).itemsize)
        empty = ir.Constant(_FLOATS, ir.Undefined)
        first = builder.insert_element(empty, arguments[2], _NUMBER(0))
        floors = builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_NUMBER, LANES), None))
        return builder.bitcast(builder.fcmp_ordered(">=", numbers, floors), ir.IntType(LANES))

    return types.uint64(values, types.uint64, types.float32), generate


at_least: Any = intrinsic(_at_least)


def _lowest_bit(context: Any, bits: Any) -> Typed:
    """Return the place of the lowest bit that is set; there must be one."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), generate


lowest_bit: Any = intrinsic(_lowest_bit)


def _prefetch(context: Any, values: Any, place: Any) -> Typed:
    """Ask for the cache line of an array's element; an element that does not exist does no harm."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), _BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _NUMBER, _NUMBER, _NUMBER])
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [address, _READ, _KEPT, _DATA])
        return target.get_dummy_value()

    return types.void(values, types.int64), generate


prefetch: Any = intrinsic(_prefetch)
