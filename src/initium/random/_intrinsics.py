# pyright: basic
# Numba has no types to offer.
"""What Numba has no name for: the bits of a float, the float of bits, and a place in memory."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def bits_of(_context, value):
    """The bits of a float32."""
    return types.uint32(types.float32), lambda _, build, __, given: build.bitcast(given[0], ir.IntType(32))


@intrinsic
def float_of(_context, bits):
    """The float32 of so many bits."""
    return types.float32(types.uint32), lambda _, build, __, given: build.bitcast(given[0], ir.FloatType())


@intrinsic
def pointer_to(_context, address):
    """A place in memory."""
    return types.voidptr(types.uint64), lambda _, build, __, given: build.inttoptr(given[0], ir.IntType(8).as_pointer())


@intrinsic
def widest(_context):
    """Have the function that this stands in use vectors as wide as the CPU has; LLVM by itself stops at 256 bits on many."""

    def marked(_, build, __, ___):
        # llvmlite knows the attributes of LLVM that have no value, and lets no other pass its own `add`.
        set.add(build.function.attributes, '"prefer-vector-width"="512"')

    return types.void(), marked
