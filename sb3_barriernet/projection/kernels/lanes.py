"""Four numbers at a time: a vector type with the arithmetic of numbers.

Loops over rows are written with it because a compiler left to vectorise them by itself does so for long loops only,
and barriers have a dozen rows. LLVM turns four lanes into whatever the processor has.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from sb3_barriernet.projection.kernels.layout import LANES
from sb3_barriernet.projection.kernels.views import intrinsic

_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)
_VECTOR, _BITS = ir.VectorType(_DOUBLE, LANES), ir.VectorType(ir.IntType(1), LANES)


class Lanes(types.Type):
    """Four float64."""


class Mask(types.Type):
    """Four truth values."""


LANES_TYPE, MASK_TYPE = Lanes("Lanes"), Mask("Mask")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any):
        super().__init__(manager, kind, _VECTOR)


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any):
        super().__init__(manager, kind, _BITS)


def _operator(function: Callable[..., Any], operand: types.Type, result: types.Type, emit: Callable[..., Any]) -> None:
    """Give ``function`` a meaning for two operands of one type."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(result, operand, operand) if tuple(args) == (operand, operand) else None

    infer_global(function)(Template)

    @lower_builtin(function, operand, operand)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)


for plus in (operator.add, operator.iadd):
    _operator(plus, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fadd)
_operator(operator.sub, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fsub)
_operator(operator.mul, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fmul)
_operator(operator.truediv, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fdiv)
_operator(operator.lt, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
_operator(operator.le, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
_operator(operator.gt, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_operator(operator.ge, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_operator(operator.eq, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered("==", a, b))
for both in (operator.and_, operator.iand):
    _operator(both, MASK_TYPE, MASK_TYPE, ir.IRBuilder.and_)
_operator(operator.or_, MASK_TYPE, MASK_TYPE, ir.IRBuilder.or_)


def _address(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType(_DOUBLE))


def _load(builder: Any, address: Any, count: int) -> Any:
    """``count`` numbers in a row, aligned like a single one."""
    kind = ir.PointerType(ir.VectorType(_DOUBLE, count))
    return builder.load(builder.inttoptr(address, kind), align=8)


def _shuffle(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT, len(order)), order))


def _bits(builder: Any, mask: Any) -> Any:
    return builder.bitcast(mask, ir.IntType(LANES))


def _call(builder: Any, name: str, args: Any) -> Any:
    """A function of LLVM's from lanes to lanes."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


@intrinsic
def fill(typingctx: Any, value: Any) -> Any:
    """The same number in every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], ir.Constant(_INT, 0))
        return _shuffle(builder, first, first, [0] * LANES)

    return LANES_TYPE(types.float64), codegen


@intrinsic
def count_from(typingctx: Any, start: Any) -> Any:
    """``start, start + 1, ...``"""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], ir.Constant(_INT, 0))
        steps = ir.Constant(_VECTOR, [float(lane) for lane in range(LANES)])
        return builder.fadd(_shuffle(builder, first, first, [0] * LANES), steps)

    return LANES_TYPE(types.float64), codegen


@intrinsic
def load(typingctx: Any, address: Any) -> Any:
    """Neighbouring numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, args[0], LANES)

    return LANES_TYPE(types.intp), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Ask for memory that is read later. The address may be any, also one behind the last sample."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte = ir.PointerType(ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        to_read, into_all_caches, data = (ir.Constant(_INT, number) for number in (0, 3, 1))
        builder.call(function, [builder.inttoptr(args[0], byte), to_read, into_all_caches, data])
        return context.get_dummy_value()

    return types.void(types.intp), codegen


@intrinsic
def load_strided(typingctx: Any, address: Any, stride: Any) -> Any:
    """Numbers ``stride`` elements apart."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            step = builder.mul(args[1], ir.Constant(args[1].type, lane))
            number = builder.load(builder.gep(_address(builder, args[0]), [step]))
            result = builder.insert_element(result, number, ir.Constant(_INT, lane))
        return result

    return LANES_TYPE(types.intp, types.intp), codegen


@intrinsic
def load_pairs(typingctx: Any, address: Any) -> Any:
    """Neighbouring pairs: the first number of each, and the second."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = _load(builder, args[0], 2 * LANES)
        parts = [_shuffle(builder, pairs, pairs, list(range(side, 2 * LANES, 2))) for side in range(2)]
        return context.make_tuple(builder, sig.return_type, parts)

    return types.UniTuple(LANES_TYPE, 2)(types.intp), codegen


@intrinsic
def load_crossed_pairs(typingctx: Any, address: Any) -> Any:
    """The same with the two pairs in the middle exchanged, which takes half as long."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        step = ir.Constant(args[0].type, 8 * LANES)
        first, second = _load(builder, args[0], LANES), _load(builder, builder.add(args[0], step), LANES)
        parts = [_shuffle(builder, first, second, order) for order in ([0, 4, 2, 6], [1, 5, 3, 7])]
        return context.make_tuple(builder, sig.return_type, parts)

    return types.UniTuple(LANES_TYPE, 2)(types.intp), codegen


@intrinsic
def cross(typingctx: Any, lanes: Any) -> Any:
    """The two lanes in the middle exchanged."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _shuffle(builder, args[0], args[0], [0, 2, 1, 3])

    return LANES_TYPE(LANES_TYPE), codegen


@intrinsic
def store(typingctx: Any, address: Any, lanes: Any) -> Any:
    """Write neighbouring numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], ir.PointerType(_VECTOR)), align=8)
        return context.get_dummy_value()

    return types.void(types.intp, LANES_TYPE), codegen


@intrinsic
def root(typingctx: Any, lanes: Any) -> Any:
    """Square roots."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.sqrt.v4f64", args)

    return LANES_TYPE(LANES_TYPE), codegen


@intrinsic
def magnitude(typingctx: Any, lanes: Any) -> Any:
    """Absolute values."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.fabs.v4f64", args)

    return LANES_TYPE(LANES_TYPE), codegen


@intrinsic
def choose(typingctx: Any, mask: Any, this: Any, that: Any) -> Any:
    """``this`` where the mask is true, ``that`` elsewhere."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return LANES_TYPE(MASK_TYPE, LANES_TYPE, LANES_TYPE), codegen


@intrinsic
def every(typingctx: Any, mask: Any) -> Any:
    """Whether all lanes are true."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.icmp_unsigned("==", _bits(builder, args[0]), ir.Constant(ir.IntType(LANES), 2**LANES - 1))

    return types.boolean(MASK_TYPE), codegen


@intrinsic
def place(typingctx: Any, mask: Any) -> Any:
    """The first lane that is true, ``LANES`` or more if none is."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.zext(_bits(builder, args[0]), ir.IntType(64))
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 0))

    return types.intp(MASK_TYPE), codegen


@intrinsic
def smallest(typingctx: Any, lanes: Any) -> Any:
    """The smallest of the lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        numbers = args[0]
        for order in ([2, 3, 0, 1], [1, 0, 3, 2]):
            turned = _shuffle(builder, numbers, numbers, order)
            numbers = builder.select(builder.fcmp_ordered("<", turned, numbers), turned, numbers)
        return builder.extract_element(numbers, ir.Constant(_INT, 0))

    return types.float64(LANES_TYPE), codegen


@intrinsic
def sums(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sum of the lanes of each of four vectors."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b, c, d = args
        pairs = [
            builder.fadd(_shuffle(builder, x, y, [0, 4, 2, 6]), _shuffle(builder, x, y, [1, 5, 3, 7]))
            for x, y in ((a, b), (c, d))
        ]
        left, right = pairs
        return builder.fadd(_shuffle(builder, left, right, [0, 1, 4, 5]), _shuffle(builder, left, right, [2, 3, 6, 7]))

    return LANES_TYPE(LANES_TYPE, LANES_TYPE, LANES_TYPE, LANES_TYPE), codegen
