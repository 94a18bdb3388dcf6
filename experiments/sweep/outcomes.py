"""Outcomes: what a sweep measures of each run, by name.

An outcome is one of six: a quantity that every scenario with news has (`experiments.nulls.QUANTITIES`), a row of the
score card, a stylized fact (`experiments.validate.stylized`), a step column reduced to a number, a count or sum of
events, or a function of one's own, `"file:function"`
of a file named `--with`, that takes a `Run` and returns a number. What a run cannot tell is NaN, never a guess.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from abm.columns import COLUMNS
from abm.parameters import Frozen, parameter
from experiments import estimators, extensions, nulls, readings, reference
from experiments.faults import meant, show
from experiments.run import STEP_TABLES, Run, RunError
from experiments.validate import facts, stylized

SOURCES = ("quantity", "row", "fact", "column", "events", "function")
Reduction = Literal["sum", "mean", "min", "max", "first", "last", "median"]
OVER: dict[str, Callable[[Any], Any]] = {
    "sum": np.nansum,
    "mean": np.nanmean,
    "min": np.nanmin,
    "max": np.nanmax,
    "median": np.nanmedian,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}


class Outcome(Frozen):
    """One number a run."""

    about: str = parameter("", "A few words for tables and figures")
    unit: str = parameter("", "Unit, after the division")
    quantity: str = parameter("", "A quantity: " + ", ".join(line[0] for line in nulls.QUANTITIES))
    row: str = parameter("", "Id of a row of the score card")
    fact: str = parameter("", "Id of a stylized fact, such as F9: read from the run itself, its fills too")
    column: str = parameter("", "A recorded step column (cascade columns)")
    events: str = parameter("", "Events of this kind are counted, or their `sum` is taken")
    function: str = parameter("", '"file:function" of a file named with --with: Run -> float')
    member: str = parameter("", "column: of this book, venue or edge; empty = of all, `members` reduces them")
    members: Reduction = parameter(
        "sum", "column: how the books, venues or edges of a step become one number"
    )
    reduce: Reduction = parameter("sum", "column: how steps become one number")
    sum: str = parameter("", "events: this column of them is summed instead of counting them")
    start: float | None = parameter(
        None, "column, events: only later than this; none = from 0", unit="seconds"
    )
    end: float | None = parameter(
        None, "column, events: only up to this; none = the run's end", unit="seconds"
    )
    divide: float = parameter(1.0, "The number is divided by this", gt=0)
    targets: str = parameter("october", "row: the group of target rows")
    better: Literal["", "low", "high"] = parameter("", "Which way is better, for the words of the report")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name)]
        if len(given) != 1:
            said = " and ".join(given) if given else "none"
            raise ValueError(f"expected exactly one of {', '.join(SOURCES)}; {said} given")
        return self


def faults(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Names that do not exist, one line each. The user's own files have been loaded."""
    lines = []
    columns = {column.name for column in COLUMNS if column.table in STEP_TABLES}
    of_events = {column.name for column in COLUMNS if column.table == "events"}
    for name, outcome in outcomes.items():
        where = f"outcomes.{name}"
        if outcome.quantity and outcome.quantity not in quantities():
            lines.append(
                f"{where}.quantity: given {show(outcome.quantity)}, {meant(outcome.quantity, quantities())}"
            )
        if outcome.column and outcome.column not in columns:
            lines.append(f"{where}.column: given {show(outcome.column)}, {meant(outcome.column, columns)}")
        if outcome.sum and outcome.sum not in of_events:
            lines.append(f"{where}.sum: given {show(outcome.sum)}, {meant(outcome.sum, of_events)}")
        if outcome.row and outcome.row not in rows(outcome.targets):
            lines.append(
                f"{where}.row: given {show(outcome.row)}, {meant(outcome.row, rows(outcome.targets))}"
            )
        if outcome.fact and outcome.fact not in parts():
            lines.append(f"{where}.fact: given {show(outcome.fact)}, {meant(outcome.fact, parts())}")
        if outcome.function:
            try:
                extensions.function(outcome.function)
            except LookupError as error:
                lines.append(f"{where}.function: given {show(outcome.function)}, {error.args[0]}")
    return lines


def quantities() -> dict[str, tuple[str, str, Callable[[Run], float]]]:
    """Quantities by id: (name, unit, estimator)."""
    return {line[0]: line[1:] for line in nulls.QUANTITIES}


def rows(group: str) -> dict[str, Mapping[str, Any]]:
    """Rows of a group of targets that one run tells by itself."""
    try:
        return {row["id"]: row for row in reference.targets(group) if row["id"] in estimators.ESTIMATORS}
    except (KeyError, ValueError):
        return {}


def parts() -> dict[str, stylized.Part]:
    """Stylized facts that one run tells by itself: not those that need snapshots of the book."""
    return {
        part.id: part for part in stylized.PARTS if part.estimate not in (stylized.hump, stylized.symmetry)
    }


def labelled(name: str, outcome: Outcome) -> tuple[str, str]:
    """Words and unit of an outcome."""
    about, unit = outcome.about, outcome.unit
    if outcome.quantity:
        about, unit = about or quantities()[outcome.quantity][0], unit or quantities()[outcome.quantity][1]
    elif outcome.row:
        row = rows(outcome.targets)[outcome.row]
        about, unit = about or row["name"], unit or row["unit"]
    elif outcome.fact:
        about, unit = about or parts()[outcome.fact].name, unit or parts()[outcome.fact].unit
    return about or name, unit


def measure(run: Run, outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Every outcome of a run; NaN where it cannot tell."""
    return {name: _measured(run, outcome) for name, outcome in outcomes.items()}


def _measured(run: Run, outcome: Outcome) -> float:
    try:
        value = float(_raw(run, outcome)) / outcome.divide
    except (readings.Unmeasured, RunError):
        return math.nan
    except KeyError:  # a fact of what this run did not record
        if not outcome.fact:
            raise
        return math.nan
    return value if math.isfinite(value) else math.nan


def _raw(run: Run, outcome: Outcome) -> float:
    if outcome.quantity:
        return quantities()[outcome.quantity][2](run)
    if outcome.row:
        return estimators.measure(run, rows(outcome.targets)[outcome.row]).value
    if outcome.fact:
        return parts()[outcome.fact].estimate(stylized.Calm(run, run))
    if outcome.function:
        return float(extensions.function(outcome.function)(run))
    start = 0.0 if outcome.start is None else outcome.start
    end = float(run.time[-1]) if outcome.end is None else outcome.end
    if outcome.events:
        return _of_events(run, outcome, start, end)
    return _of_steps(run, outcome, start, end)


def _of_events(run: Run, outcome: Outcome, start: float, end: float) -> float:
    if outcome.events not in run.vocabularies.get("kind", ()):
        return 0.0  # a kind of which nothing happened is not in the run's vocabulary
    events = run.events(outcome.events)
    keep = (events["time"] > start) & (events["time"] <= end)
    if not outcome.sum:
        return float(keep.sum())
    return float(np.nansum(np.asarray(events[outcome.sum], dtype=float)[keep]))


def _of_steps(run: Run, outcome: Outcome, start: float, end: float) -> float:
    keep = readings.inside(run, start, end)
    if not keep.any():
        raise readings.Unmeasured("no recorded step in the window")
    if outcome.member:
        of = "book" if ":" in outcome.member and "->" not in outcome.member else "venue"
        of = "edge" if "->" in outcome.member else of
        values = np.asarray(run.column(outcome.column, **{of: outcome.member})[keep], dtype=float)
    else:
        values = np.asarray(run.column(outcome.column)[keep], dtype=float)
        values = np.atleast_2d(values)
        known = np.isfinite(values).any(axis=1)
        values = np.where(known, _along(values, outcome.members), np.nan)
    if not np.isfinite(values).any():
        raise readings.Unmeasured(f"{outcome.column} is unknown in the whole window")
    if outcome.reduce in ("first", "last"):
        values = values[np.isfinite(values)]
    return float(OVER[outcome.reduce](values))


def _along(values: Any, how: str) -> Any:
    """Each step's books, venues or edges as one number; a step where none is known gives what it gives."""
    if how in ("first", "last"):
        return values[:, 0 if how == "first" else -1]
    filled = np.where(np.isfinite(values).any(axis=1, keepdims=True), values, 0.0)
    reduced = {
        "sum": np.nansum,
        "mean": np.nanmean,
        "min": np.nanmin,
        "max": np.nanmax,
        "median": np.nanmedian,
    }
    return reduced[how](filled, axis=1)


def fingerprint(outcomes: Mapping[str, Outcome], files: Iterable[bytes]) -> str:
    """What the numbers of a record depend on besides the run: definitions, reading code, the user's own files."""
    said = {
        name: outcome.model_dump(exclude={"about", "unit", "better"}) for name, outcome in outcomes.items()
    }
    total = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    of_facts = (stylized, facts) if any(outcome.fact for outcome in outcomes.values()) else ()
    for module in (readings, estimators, nulls, *of_facts):
        total.update(inspect.getsource(module).encode())
    if any(outcome.function for outcome in outcomes.values()):
        for content in files:
            total.update(content)
    return total.hexdigest()[:12]
