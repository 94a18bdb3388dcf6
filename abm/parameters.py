"""Parameters: frozen pydantic models whose every field states what it is, unit, range and source.

A part of the model declares its parameters beside its code, as a subclass of :class:`Frozen` with fields
made by :func:`parameter`.  The scenario file, its checks, the parameter table and the help are generated
from them: a number that is not declared cannot be set, a number that is set cannot be undocumented.

Example::

    class Fees(Frozen):
        maker: float = parameter(0.0002, "Fee of the resting side", unit="share of value", le=0.05)

    Fees(maker=0.0001).maker            # 0.0001
    Fees(maker=3)                       # pydantic.ValidationError
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

ASSUMPTION = "assumption"


class Frozen(BaseModel):
    """Base of all parameter models: immutable, no unknown keys, no NaN or infinity, no silent conversion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, validate_default=True
    )

    # fields that count only when a run begins: an intervention may not change them later
    OPENING: ClassVar[tuple[str, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic would read true as 1.0 and "3" as 3: in a scenario file both are slips of the pen
        annotation = cls.model_fields[info.field_name].annotation if info.field_name else None
        if annotation in (int, float) and isinstance(value, (bool, str)):
            raise PydanticCustomError("number_type", "expected a number")
        if annotation is AwareDatetime and isinstance(value, (bool, int, float)):
            raise PydanticCustomError("time_type", "expected a time")
        return value


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    source: str = ASSUMPTION,
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    alias: str | None = None,
) -> Any:
    """Declare one field of a parameter model.

    Args:
        default: value when the scenario gives none; ``...`` makes the field required; a list, dict or
            set is copied for each instance.
        description: one sentence, what the number does.
        unit: unit in words ("seconds", "share of notional"); empty for names and switches.
        source: where the default comes from (a page, a paper, a data file), or "assumption".
        ge, le, gt, lt: the range (>=, <=, >, <).
        alias: the key in the scenario file where it is a reserved word in Python (``class``).
    """
    extra: dict[str, Any] = {"unit": unit, "source": source}
    bounds: dict[str, Any] = {
        name: bound for name, bound in (("ge", ge), ("le", le), ("gt", gt), ("lt", lt)) if bound is not None
    }
    if isinstance(default, (list, dict, set)):
        return Field(
            default_factory=default.copy,
            description=description,
            json_schema_extra=extra,
            alias=alias,
            **bounds,
        )
    return Field(default, description=description, json_schema_extra=extra, alias=alias, **bounds)
