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
_SINGLES = ir.VectorType(ir.FloatType(), 2)
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
for minus in (operator.sub, operator.isub):
    _operator(minus, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fsub)
for times in (operator.mul, operator.imul):
    _operator(times, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fmul)
_operator(operator.truediv, LANES_TYPE, LANES_TYPE, ir.IRBuilder.fdiv)
_operator(operator.lt, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
_operator(operator.le, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
_operator(operator.gt, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_operator(operator.ge, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_operator(operator.eq, LANES_TYPE, MASK_TYPE, lambda builder, a, b: builder.fcmp_ordered("==", a, b))
for both in (operator.and_, operator.iand):
    _operator(both, MASK_TYPE, MASK_TYPE, ir.IRBuilder.and_)
for either in (operator.or_, operator.ior):
    _operator(either, MASK_TYPE, MASK_TYPE, ir.IRBuilder.or_)


@infer_global(operator.invert)
class _Invert(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(MASK_TYPE, MASK_TYPE) if tuple(args) == (MASK_TYPE,) else None


@lower_builtin(operator.invert, MASK_TYPE)
def _lower_invert(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.not_(args[0])


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
def lanes_of(typingctx: Any, first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Four numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = ir.Constant(_VECTOR, ir.Undefined)
        for lane, number in enumerate(args):
            result = builder.insert_element(result, number, ir.Constant(_INT, lane))
        return result

    return LANES_TYPE(*[types.float64] * LANES), codegen


@intrinsic
def lane(typingctx: Any, lanes: Any, index: Any) -> Any:
    """One of the numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(*args)

    return types.float64(LANES_TYPE, types.intp), codegen


@intrinsic
def join(typingctx: Any, first: Any, second: Any) -> Any:
    """The pairs at two addresses, one behind the other."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = (_load(builder, address, 2) for address in args)
        return _shuffle(builder, first, second, [0, 1, 2, 3])

    return LANES_TYPE(types.intp, types.intp), codegen


@intrinsic
def join_singles(typingctx: Any, first: Any, second: Any) -> Any:
    """The same of float32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.PointerType(_SINGLES)
        first, second = (builder.load(builder.inttoptr(address, kind), align=4) for address in args)
        return builder.fpext(_shuffle(builder, first, second, [0, 1, 2, 3]), _VECTOR)

    return LANES_TYPE(types.intp, types.intp), codegen


@intrinsic
def store_pair(typingctx: Any, address: Any, lanes: Any) -> Any:
    """Write the first two numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = _shuffle(builder, args[1], args[1], [0, 1])
        builder.store(pair, builder.inttoptr(args[0], ir.PointerType(pair.type)), align=8)
        return context.get_dummy_value()

    return types.void(types.intp, LANES_TYPE), codegen


@intrinsic
def store_pair_of_singles(typingctx: Any, address: Any, lanes: Any) -> Any:
    """The same as float32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = builder.fptrunc(_shuffle(builder, args[1], args[1], [0, 1]), _SINGLES)
        builder.store(pair, builder.inttoptr(args[0], ir.PointerType(_SINGLES)), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, LANES_TYPE), codegen


@intrinsic
def load_at(typingctx: Any, first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Numbers at four addresses."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = ir.Constant(_VECTOR, ir.Undefined)
        for lane, address in enumerate(args):
            number = builder.load(_address(builder, address))
            result = builder.insert_element(result, number, ir.Constant(_INT, lane))
        return result

    return LANES_TYPE(*[types.intp] * LANES), codegen


@intrinsic
def load_pairs_at(typingctx: Any, first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Pairs at four addresses: the first number of each, and the second."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = [_load(builder, address, 2) for address in args]
        outer, inner = (_shuffle(builder, pairs[i], pairs[i + 2], [0, 1, 2, 3]) for i in range(2))
        parts = [_shuffle(builder, outer, inner, order) for order in ([0, 4, 2, 6], [1, 5, 3, 7])]
        return context.make_tuple(builder, sig.return_type, parts)

    return types.UniTuple(LANES_TYPE, 2)(*[types.intp] * LANES), codegen


@intrinsic
def load_crossed_pairs(typingctx: Any, address: Any) -> Any:
    """The first numbers of neighbouring pairs, and the second ones; with the two pairs in the middle exchanged, which
    takes half as long as the right order."""

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
def some(typingctx: Any, mask: Any) -> Any:
    """Whether any lane is true."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.icmp_unsigned("!=", _bits(builder, args[0]), ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(MASK_TYPE), codegen


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
