"""Memory as kernels see it: an address and a width, indexed like an array.

``reals(address, width)[i, j]`` is ``((double *) address)[i * width + j]``. Compared with an array a view has no
bounds, no negative indices and no reference count. Kernels made of views compile in half the time, never raise,
and need nothing of numba once they are machine code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import lower_builtin, lower_getattr, models, register_model


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba's decorator; its result takes one argument less than a type checker thinks."""
    return numba_intrinsic(function)


class View(types.Type):
    """Where the elements of one type lie."""

    def __init__(self, dtype: types.Type):
        self.dtype = dtype
        super().__init__(f"View({dtype})")


@register_model(View)
class _ViewModel(models.StructModel):
    def __init__(self, manager: Any, view: View):
        super().__init__(manager, view, [("data", types.CPointer(view.dtype)), ("width", types.intp)])


@infer_getattr
class _Attributes(AttributeTemplate):
    key = View

    def resolve_width(self, view: View) -> types.Type:
        return types.intp

    def resolve_address(self, view: View) -> types.Type:
        return types.intp


@lower_getattr(View, "width")
def _width(context: Any, builder: Any, view: View, value: Any) -> Any:
    return cgutils.create_struct_proxy(view)(context, builder, value).width


@lower_getattr(View, "address")
def _address(context: Any, builder: Any, view: View, value: Any) -> Any:
    return builder.ptrtoint(cgutils.create_struct_proxy(view)(context, builder, value).data, ir.IntType(64))


def _index_type(index: types.Type) -> types.Type | None:
    if isinstance(index, types.BaseTuple) and len(index) == 2:
        return types.UniTuple(types.intp, 2)
    return types.intp if isinstance(index, types.Integer) else None


@infer_global(operator.getitem)
class _Get(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        view, index = args
        if isinstance(view, View) and (kind := _index_type(index)) is not None:
            return signature(view.dtype, view, kind)
        return None


@infer_global(operator.setitem)
class _Set(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        view, index, _ = args
        if isinstance(view, View) and (kind := _index_type(index)) is not None:
            return signature(types.none, view, kind, view.dtype)
        return None


def _element(context: Any, builder: Any, kinds: Any, view: Any, index: Any) -> Any:
    proxy = cgutils.create_struct_proxy(kinds[0])(context, builder, view)
    if isinstance(kinds[1], types.BaseTuple):
        row, column = (builder.extract_value(index, axis) for axis in range(2))
        index = builder.add(builder.mul(row, proxy.width), column)
    return builder.gep(proxy.data, [index])


@lower_builtin(operator.getitem, View, types.Any)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.load(_element(context, builder, sig.args, *args))


@lower_builtin(operator.setitem, View, types.Any, types.Any)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    builder.store(args[2], _element(context, builder, sig.args, *args[:2]))
    return context.get_dummy_value()


def _view_of(dtype: types.Type) -> Any:
    kind = View(dtype)

    @intrinsic
    def view(typingctx: Any, address: Any, width: Any) -> Any:
        """Elements at ``address``, ``width`` of them a row."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            proxy = cgutils.create_struct_proxy(kind)(context, builder)
            proxy.data = builder.inttoptr(args[0], context.get_value_type(types.CPointer(dtype)))
            proxy.width = args[1]
            return proxy._getvalue()

        return kind(types.intp, types.intp), codegen

    return view


reals = _view_of(types.float64)
singles = _view_of(types.float32)
integers = _view_of(types.int64)
words = _view_of(types.int32)
shorts = _view_of(types.int16)
bytes_ = _view_of(types.int8)
