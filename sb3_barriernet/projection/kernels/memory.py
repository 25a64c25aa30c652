"""Reading and writing tensors by address.

Python hands over addresses and strides, not arrays: at a batch of one, wrapping five tensors as arrays would
cost more than solving the problem, and one compiled signature serves every dtype and memory layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types

DOUBLE = ir.DoubleType()
SINGLE = ir.FloatType()


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba's decorator; its result takes one argument less than the type checker thinks."""
    return extending.intrinsic(function)


def _element(builder: Any, address: Any, index: Any, kind: Any) -> Any:
    return builder.gep(builder.inttoptr(address, ir.PointerType(kind)), [index])


@intrinsic
def load64(typingctx: Any, address: Any, index: Any) -> Any:
    """``((double *) address)[index]``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_element(builder, args[0], args[1], DOUBLE))

    return types.float64(types.intp, types.intp), codegen


@intrinsic
def load32(typingctx: Any, address: Any, index: Any) -> Any:
    """``(double) ((float *) address)[index]``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fpext(builder.load(_element(builder, args[0], args[1], SINGLE)), DOUBLE)

    return types.float64(types.intp, types.intp), codegen


@intrinsic
def store64(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """``((double *) address)[index] = value``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _element(builder, args[0], args[1], DOUBLE))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float64), codegen


@intrinsic
def store32(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """``((float *) address)[index] = value``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _element(builder, args[0], args[1], SINGLE))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32), codegen
