"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

LARGEST_SEED = 2**31 - 1


def bare(help: str = "", **more: Any) -> Parameter:
    """What is given or left out: no `--no-...` or `--empty-...` beside it, and help does not show its default."""
    told = {"help": help} if help else {}  # else by the verb's docstring
    return Parameter(negative="", show_default=False, **told, **more)


def whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number; the library by itself would read 2.5 as 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"given {tokens[0].value}, expected a whole number") from None


Switch = Annotated[bool, bare()]
Several = Annotated[tuple[str, ...], bare()]
Number = Annotated[int, Parameter(converter=whole)]

ScenarioName = Annotated[
    str, Parameter(help="A name (see `cascade scenario list`) or the path of a TOML file.")
]
Settings = Annotated[
    tuple[str, ...],
    bare(
        "a.b.c=value on top of the scenario; repeats; * is every entry, @noise those of a species",
        name="--set",
    ),
]
Files = Annotated[tuple[Path, ...], bare("Python file with species of your own; repeats", name="--with")]
Seeds = Annotated[int, Parameter(converter=whole, help="Run seeds 1 to this number.")]
Nulls = Annotated[bool, bare("the null runs too: one cause taken out in each")]
Check = Annotated[bool, bare("check conservation of every asset at every step (slow)")]
Moments = Annotated[
    tuple[str, ...],
    bare("keep a snapshot at this time (seconds from the start, or UTC), for resume and branch; repeats"),
]
Jobs = Annotated[int | None, Parameter(help="runs at a time; default one a core", converter=whole)]
