"""Reading and writing tensors by address.

Python hands over addresses and strides, not arrays: at a batch of one, wrapping five tensors as arrays would
cost more than solving the problem, and one compiled signature serves every dtype and memory layout.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sb3_barriernet.projection.kernels.compiling import kernel


def _element(builder: Any, address: Any, index: Any, llvm_type: Any) -> Any:
    pointer = builder.inttoptr(address, ir.PointerType(llvm_type))
    return builder.gep(pointer, [index])


@intrinsic
def load64(typingctx: Any, address: Any, index: Any) -> Any:
    """``((double *) address)[index]``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_element(builder, *args, ir.DoubleType()))

    return types.float64(types.intp, types.intp), codegen


@intrinsic
def load32(typingctx: Any, address: Any, index: Any) -> Any:
    """``((float *) address)[index]``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_element(builder, *args, ir.FloatType()))

    return types.float32(types.intp, types.intp), codegen


@intrinsic
def store64(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """``((double *) address)[index] = value``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, index, value = args
        builder.store(value, _element(builder, address, index, ir.DoubleType()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float64), codegen


@intrinsic
def store32(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """``((float *) address)[index] = value``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, index, value = args
        builder.store(value, _element(builder, address, index, ir.FloatType()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32), codegen


class Problem(NamedTuple):
    """Where a batch of problems lies in memory. Strides count elements; everything is float64 but ``u``."""

    rows: int
    """K"""
    dim: int
    """M"""
    u: int
    """address of the nominal actions, contiguous ``(B, M)``"""
    single: int
    """1 where ``u`` (and the action to be written) is float32"""
    A: int
    A_batch: int
    A_row: int
    c: int
    c_batch: int
    low: int
    high: int
    box_batch: int
    weight: int
    weight_kind: int
    """one of the ``WEIGHT_*`` constants"""
    backup: int
    """address of the backup actions; 0 where the default, 0 clipped into the box, is wanted"""
    backup_batch: int


WEIGHT_NONE = 0
WEIGHT_DIAGONAL = 1
WEIGHT_FULL = 2
WEIGHT_FULL_BATCH = 3


@kernel
def nominal(problem, sample, j):  # type: ignore[no-untyped-def]
    """``u_nom[sample, j]``"""
    index = sample * problem.dim + j
    if problem.single:
        return np.float64(load32(problem.u, index))
    return load64(problem.u, index)


@kernel
def coefficient(problem, sample, k, j):  # type: ignore[no-untyped-def]
    """``A[sample, k, j]``"""
    return load64(problem.A, sample * problem.A_batch + k * problem.A_row + j)


@kernel
def offset(problem, sample, k):  # type: ignore[no-untyped-def]
    """``c[sample, k]``"""
    return load64(problem.c, sample * problem.c_batch + k)


@kernel
def lower(problem, sample, j):  # type: ignore[no-untyped-def]
    """``low[sample, j]``"""
    return load64(problem.low, sample * problem.box_batch + j)


@kernel
def upper(problem, sample, j):  # type: ignore[no-untyped-def]
    """``high[sample, j]``"""
    return load64(problem.high, sample * problem.box_batch + j)


@kernel
def diagonal(problem, j):  # type: ignore[no-untyped-def]
    """Shared diagonal weight of action ``j``."""
    if problem.weight_kind == WEIGHT_DIAGONAL:
        return load64(problem.weight, j)
    return 1.0


@kernel
def store_action(problem, action, sample, j, value):  # type: ignore[no-untyped-def]
    """Write an action that lies in the box, so that it still does after rounding to float32."""
    index = sample * problem.dim + j
    if not problem.single:
        store64(action, index, value)
        return
    rounded = np.float32(value)
    if rounded < lower(problem, sample, j):
        rounded = np.nextafter(rounded, np.float32(np.inf))
    elif rounded > upper(problem, sample, j):
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    store32(action, index, rounded)
