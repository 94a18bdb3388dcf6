"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

LARGEST_SEED = 2**31 - 1

Settings = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        show_default=False,
        negative="",
        help="a.b.c=value on top of the scenario; repeats; * is every entry, @noise those of a species",
    ),
]
Files = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--with", negative="", show_default=False, help="Python file with species of your own; repeats"
    ),
]
Nulls = Annotated[
    bool, Parameter(negative="", show_default=False, help="the null runs too: one cause taken out in each")
]


def whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number; the library by itself would read 2.5 as 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"given {tokens[0].value}, expected a whole number") from None


Moments = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        show_default=False,
        help="keep a snapshot at this time (seconds from the start, or UTC), for resume and branch; repeats",
    ),
]
Jobs = Annotated[int | None, Parameter(help="runs at a time; default one a core", converter=whole)]
Number = Annotated[int, Parameter(converter=whole)]
Check = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="check conservation of every asset at every step (slow)"),
]
