"""The tables of the state as compiled kernels see them: bare pointers to records.

`views(address)` costs nothing, and `s.orders[slot].qty` is one pointer, one offset and one load, as in C. Three things
are told to the compiler that it cannot know from numpy arrays: an index counts from the beginning and is never
negative, tables do not move while a kernel runs, and a field of one table is never the same memory as another field or
another table (so that what was read stays known while something else is written).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin, lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import intrinsic, register_model
from numba.np.arrayobj import record_getattr
from numba.np.numpy_support import from_dtype

from abm.jit import INTERPRETED, inlined

# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator"

WORD = ir.IntType(64)


class Row(types.Record):
    """One record of a table."""

    def __init__(self, table: str, dtype: np.dtype[Any]) -> None:
        plain = from_dtype(dtype)
        super().__init__([(name, f._asdict()) for name, f in plain.fields.items()], plain.size, plain.aligned)
        self.name = f"row of {table}"  # the full name has every field in it


class Table(types.Type):
    """A table; its value is the address of its entry (where it begins, how many records it has room for)."""

    def __init__(self, name: str, number: int, item: types.Type) -> None:
        self.table, self.number, self.item = name, number, item
        super().__init__(f"table {name}")


class Views(types.Type):
    """All tables; its value is the address of their entries."""

    def __init__(self, tables: dict[str, Table], of: str) -> None:
        self.tables = tables
        super().__init__(f"views of {of}")


register_model(Row)(models.RecordModel)


@register_model(Table)
@register_model(Views)
class _AddressModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: types.Type) -> None:
        super().__init__(manager, kind, WORD)


def viewer(schema: Iterable[tuple[str, np.dtype[Any]]], of: str) -> Any:
    """The function, for kernels only, that makes views of an address: of pairs (where it begins, its room) of int64,
    one for each table of the schema. `of` is whose tables they are: no two schemas may have the same."""
    tables = {}
    for number, (name, dtype) in enumerate(schema):
        full = f"{of}, {name}"
        tables[name] = Table(full, number, Row(full, dtype) if dtype.names else from_dtype(dtype))
    kind = Views(tables, of)

    @intrinsic
    def look(_context, _address):
        return kind(types.int64), lambda _context, _builder, _signature, arguments: arguments[0]

    return inlined(lambda address: look(address))


def prefetch(table, index, line=0):
    """Have a cache line of a record (as a rule its first) come nearer that will be needed soon, while something else is
    done. Any index will do."""


if not INTERPRETED:

    @intrinsic
    def _prefetch(_context, table, index, line):
        def generate(context, builder, signature_, args):
            kind = signature_.args[0]
            item = context.get_data_type(kind.item)
            start = builder.gep(builder.inttoptr(_entry(builder, args[0], 0), item.as_pointer()), [args[1]])
            start = builder.bitcast(start, ir.IntType(8).as_pointer())
            start = builder.gep(start, [builder.mul(args[2], ir.Constant(WORD, 64))])
            number = ir.IntType(32)
            shape = ir.FunctionType(ir.VoidType(), [start.type, number, number, number])
            ask = builder.module.declare_intrinsic("llvm.prefetch", [start.type], shape)
            builder.call(ask, [start, number(1), number(3), number(1)])  # to write, near, data
            return context.get_dummy_value()

        return types.none(table, types.intp, types.intp), generate

    prefetch = inlined(lambda table, index, line=0: _prefetch(table, index, line))


# ---------------------------------------------------------------- types of expressions


@infer_getattr
class _ViewsAttribute(AttributeTemplate):
    key = Views

    def generic_resolve(self, views, name):
        return views.tables.get(name)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        if isinstance(args[0], Table) and isinstance(args[1], types.Integer):
            return signature(args[0].item, args[0], types.intp)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args, kws):
        table, index, value = args
        if not isinstance(table, Table) or not isinstance(index, types.Integer):
            return None
        if not isinstance(value, types.Record):
            return signature(types.none, table, types.intp, table.item)
        if not isinstance(table.item, Row) or value.members != table.item.members:
            return None
        return signature(types.none, table, types.intp, value)  # also from an array of such records


@infer_global(len)
class _Len(AbstractTemplate):
    def generic(self, args, kws):
        return signature(types.intp, *args) if isinstance(args[0], Table) else None


# ---------------------------------------------------------------- code


def _entry(builder, table, word):
    """A word of a table's entry; it stays what it is as long as a kernel runs."""
    place = builder.inttoptr(builder.add(table, ir.Constant(WORD, 8 * word)), WORD.as_pointer())
    found = builder.load(place)
    found.set_metadata("invariant.load", builder.module.add_metadata([]))
    return found


def _only(builder, access, what):
    """Note that a load or store touches no other memory than what has this name."""
    module, zero = builder.module, ir.Constant(WORD, 0)
    kind = module.add_metadata([what, module.add_metadata(["tables"]), zero])
    access.set_metadata("tbaa", module.add_metadata([kind, kind, zero]))
    return access


def _at(context, builder, kind, table, index):
    """Pointer to an item."""
    if context.enable_boundscheck:
        cgutils.do_boundscheck(context, builder, index, _entry(builder, table, 1))
    item = context.get_data_type(kind.item)
    return builder.gep(builder.inttoptr(_entry(builder, table, 0), item.as_pointer()), [index], inbounds=True)


@lower_getattr_generic(Views)
def _table(_context, builder, kind, value, name):
    return builder.add(value, ir.Constant(WORD, 16 * kind.tables[name].number))


@lower_builtin(len, Table)
def _room(_context, builder, _signature, args):
    return _entry(builder, args[0], 1)


@lower_builtin(operator.getitem, Table, types.Integer)
def _item(context, builder, signature_, args):
    kind = signature_.args[0]
    place = _at(context, builder, kind, *args)
    return place if isinstance(kind.item, Row) else _only(builder, builder.load(place), kind.table)


@lower_builtin(operator.setitem, Table, types.Integer, types.Any)
def _set_item(context, builder, signature_, args):
    kind = signature_.args[0]
    place = _at(context, builder, kind, *args[:2])
    if isinstance(kind.item, Row):
        cgutils.raw_memcpy(builder, place, args[2], ir.Constant(WORD, kind.item.size), 1)
    else:
        _only(builder, builder.store(args[2], place), kind.table)
    return context.get_dummy_value()


@lower_getattr_generic(Row)
def _field(context, builder, kind, value, name):
    field = kind.typeof(name)
    if isinstance(field, types.NestedArray):
        return record_getattr(context, builder, kind, value, name)
    place = cgutils.get_record_member(builder, value, kind.offset(name), context.get_data_type(field))
    found = _only(builder, builder.load(place), f"{kind.name}, {name}")
    return context.data_model_manager[field].from_data(builder, found)


@lower_setattr_generic(Row)
def _set_field(context, builder, signature_, args, name):
    kind, given = signature_.args
    field = kind.typeof(name)
    place = cgutils.get_record_member(builder, args[0], kind.offset(name), context.get_data_type(field))
    value = context.data_model_manager[field].as_data(builder, context.cast(builder, args[1], given, field))
    _only(builder, builder.store(value, place), f"{kind.name}, {name}")
