"""Faults of a scenario in plain words: one line each, "where: what was given, what was expected".

Everything here is read off the parameter models, so a new field gets its messages, its help and its row in
the parameter table without a further word.
"""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple, Union

import annotated_types as at
from pydantic import AwareDatetime, BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo


class ScenarioError(Exception):
    """A scenario that cannot be run; `faults` holds every fault found, one line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class ParameterRow(NamedTuple):
    """One line of the parameter table."""

    path: str
    value: str
    unit: str
    range: str
    source: str
    description: str


def show(value: Any, longest: int = 60) -> str:
    """A value as a scenario file would have it, cut where it is long."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, datetime):
        text = value.isoformat().replace("+00:00", "Z")
    elif isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, BaseModel):
        text = "{...}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(item) for item in value) + "]"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key} = {show(item)}" for key, item in value.items()) + "}"
    else:
        text = str(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def meant(given: str, known: Iterable[str]) -> str:
    """ "did you mean x?" where a known name is near, else the known names."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return "expected " + ("one of " + ", ".join(sorted(names)) if names else "none here")


def _plain(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without Optional and Annotated, and the metadata that Annotated carried."""
    metadata: list[Any] = []
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation, *more = typing.get_args(annotation)
            metadata += more
        elif origin in (Union, types.UnionType):
            rest = [a for a in typing.get_args(annotation) if a is not type(None)]
            if len(rest) != 1:
                return annotation, metadata
            annotation = rest[0]
        else:
            return annotation, metadata


def interval(metadata: Iterable[Any]) -> tuple[float, float, bool, bool]:
    """(low, high, low excluded, high excluded) of a field's bounds; infinite where there is none."""
    low, high, open_low, open_high = -math.inf, math.inf, False, False
    for bound in metadata:
        if isinstance(bound, at.Ge):
            low, open_low = float(bound.ge), False  # type: ignore[arg-type]
        elif isinstance(bound, at.Gt):
            low, open_low = float(bound.gt), True  # type: ignore[arg-type]
        elif isinstance(bound, at.Le):
            high, open_high = float(bound.le), False  # type: ignore[arg-type]
        elif isinstance(bound, at.Lt):
            high, open_high = float(bound.lt), True  # type: ignore[arg-type]
    return low, high, open_low, open_high


def expected(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a field accepts, in words."""
    annotation, more = _plain(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (int, float):
        noun = "a whole number" if annotation is int else "a number"
        low, high, open_low, open_high = interval([*metadata, *more])
        if low > -math.inf and high < math.inf and not (open_low or open_high):
            return f"{noun} between {low:g} and {high:g}"
        parts = [f"{'above' if open_low else 'of at least'} {low:g}"] if low > -math.inf else []
        parts += [f"{'below' if open_high else 'at most'} {high:g}"] if high < math.inf else []
        return f"{noun} {' and '.join(parts)}".strip()
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "a text"
    if annotation in (datetime, AwareDatetime):
        return "a UTC time such as 2025-10-10T20:00:00Z"
    if origin is Literal:
        return "one of " + ", ".join(str(argument) for argument in arguments)
    if origin in (tuple, list, frozenset, set):
        inner = expected(arguments[0]) if arguments else "values"
        return f"a list, each {inner}"
    if origin in (Union, types.UnionType):
        return " or ".join(expected(argument) for argument in arguments if argument is not type(None))
    return "a table"


def _inside(annotation: Any) -> Any:
    """The annotation of the values of a dict or list, else the annotation itself."""
    annotation, _ = _plain(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list):
        return arguments[0]
    return annotation


def _members(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a union by their tags; empty if it is none."""
    plain, _ = _plain(annotation)
    if typing.get_origin(plain) not in (Union, types.UnionType):
        return {}
    pairs = [_plain(argument) for argument in typing.get_args(plain)]
    return {m.tag: kind for kind, metadata in pairs for m in metadata if isinstance(m, Tag)}


def untagged(model: type[BaseModel], where: tuple[Any, ...]) -> tuple[Any, ...]:
    """A place without the tags by which pydantic names the members of a union: keys of the file only."""
    out: list[Any] = []
    annotation: Any = model
    for key in where:
        members = _members(annotation)
        if key in members:
            annotation = members[key]
            continue
        out.append(key)
        plain, _ = _plain(annotation)
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            found = [f for name, f in plain.model_fields.items() if key in (name, f.alias)]
            annotation = found[0].annotation if found else None
        else:
            annotation = _inside(plain)
    return tuple(out)


def field_at(model: type[BaseModel], where: tuple[Any, ...]) -> tuple[FieldInfo | None, Any, type[BaseModel]]:
    """Follow a place into a model: (the last named field, annotation at the place, the innermost model)."""
    field: FieldInfo | None = None
    annotation: Any = model
    for key in where:
        plain, _ = _plain(annotation)
        members = _members(annotation)
        if key in members:
            annotation = model = members[key]
        elif isinstance(plain, type) and issubclass(plain, BaseModel):
            model = plain
            found = [f for name, f in plain.model_fields.items() if key in (name, f.alias)]
            if not found:
                return None, None, model
            field = found[0]
            annotation = field.annotation
        elif typing.get_origin(plain) in (dict, tuple, list):
            annotation = _inside(plain)
        # else: pydantic named the member of a union; the annotation stays what it is
    return field, annotation, model


def place(where: Iterable[Any]) -> str:
    """A place as a dotted path: venues.alpha.fees.maker, news.0.size."""
    return ".".join(str(part) for part in where if part != "[key]")


def in_words(
    error: ValidationError,
    model: type[BaseModel],
    prefix: tuple[Any, ...] = (),
    skip: Container[tuple[Any, ...]] = (),
) -> list[str]:
    """One line for every fault that pydantic found in `model`, but not for what is missing at `skip`."""
    lines = []
    for fault in error.errors():
        where = tuple(fault["loc"])
        if fault["type"] == "missing" and where in skip:
            continue
        field, annotation, inner = field_at(model, where)
        path = place((*prefix, *untagged(model, where))) or "scenario"
        kind = fault["type"]
        if kind.startswith("union_tag"):
            given = fault["input"].get("kind") if isinstance(fault["input"], dict) else fault["input"]
            said = "nothing given, expected one of " + ", ".join(_members(annotation))
            if given is not None:
                said = f"given {show(given)}, {meant(str(given), _members(annotation))}"
            lines.append(f"{path}.kind: {said}")
        elif kind == "extra_forbidden":
            known = [f.alias or name for name, f in inner.model_fields.items()]
            lines.append(f"{path}: no such parameter, {meant(str(where[-1]), known)}")
        elif kind == "missing":
            wanted = expected(annotation, field.metadata if field else ())
            about = f" ({field.description})" if field and field.description else ""
            lines.append(f"{path}: nothing given, expected {wanted}{about}")
        elif kind == "value_error" or annotation is None or not where:
            message = fault["msg"].removeprefix("Value error, ")
            given = (
                f"given {show(fault['input'])}, " if not isinstance(fault["input"], (dict, BaseModel)) else ""
            )
            lines.append(f"{path}: {given}{message}")
        else:
            metadata = field.metadata if field and annotation == field.annotation else ()
            lines.append(f"{path}: given {show(fault['input'])}, expected {expected(annotation, metadata)}")
    return list(dict.fromkeys(lines))  # a union reports each of its members


def _range(annotation: Any, metadata: Iterable[Any]) -> str:
    """The range column: [0, 1], (0, inf), choices, or nothing."""
    annotation, more = _plain(annotation)
    if annotation in (int, float):
        low, high, open_low, open_high = interval([*metadata, *more])
        left = "(" if open_low or low == -math.inf else "["
        right = ")" if open_high or high == math.inf else "]"
        return "" if low == -math.inf and high == math.inf else f"{left}{low:g}, {high:g}{right}"
    if annotation is bool:
        return "true, false"
    if typing.get_origin(annotation) is Literal:
        return ", ".join(str(argument) for argument in typing.get_args(annotation))
    return ""


class Leaf(NamedTuple):
    """One parameter that is no table of others: its path, its value and its declaration."""

    path: str
    value: Any
    field: FieldInfo


def leaves(model: type[BaseModel] | BaseModel, path: str) -> Iterator[Leaf]:
    """The parameters of a model (its defaults) or of an instance (its values), nested models included."""
    instance = model if isinstance(model, BaseModel) else None
    kind = type(model) if isinstance(model, BaseModel) else model
    for name, field in kind.model_fields.items():
        here = f"{path}.{field.alias or name}".lstrip(".")
        value = (
            getattr(instance, name) if instance is not None else field.get_default(call_default_factory=True)
        )
        plain, _ = _plain(field.annotation)
        inner = _inside(plain)
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            if instance is None or isinstance(value, BaseModel):
                yield from leaves(value if instance is not None else plain, here)
            continue
        if isinstance(inner, type) and issubclass(inner, BaseModel) or _members(inner):
            if instance is None and _members(inner):
                for tag, member in _members(inner).items():
                    yield from leaves(member, f"{here}.NAME({tag})")
            elif instance is None:
                yield from leaves(inner, f"{here}.N")
            else:
                items = value.items() if isinstance(value, dict) else enumerate(value or ())
                for key, item in items:
                    yield from leaves(item, f"{here}.{key}")
            continue
        yield Leaf(here, value, field)


def rows(model: type[BaseModel] | BaseModel, path: str) -> Iterator[ParameterRow]:
    """The same as lines of the parameter table."""
    for leaf in leaves(model, path):
        yield row(leaf, required=not isinstance(model, BaseModel) and leaf.field.is_required())


def row(leaf: Leaf, required: bool = False) -> ParameterRow:
    """One line of the parameter table; `required`: there is no value yet, and no default."""
    field, value = leaf.field, leaf.value
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = field.get_default(call_default_factory=True)
    return ParameterRow(
        path=leaf.path,
        value="(required)" if required else "" if value is None else show(value),
        unit=str(extra.get("unit", "")),
        range=_range(field.annotation, field.metadata),
        source=str(extra.get("source", "")) if value == default else "set in the scenario, see its comments",
        description=field.description or "",
    )


def choices(field: FieldInfo) -> list[str]:
    """The values that a field takes, where they are a list: names, or true and false; else nothing."""
    annotation, _ = _plain(field.annotation)
    if annotation is bool:
        return ["true", "false"]
    return (
        [str(one) for one in typing.get_args(annotation)] if typing.get_origin(annotation) is Literal else []
    )
