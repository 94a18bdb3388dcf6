"""A calibration file: which parameters of a scenario are fitted, to which moments, with what budget. TOML.

    title = "Noise of the small calm market"
    scenario = "calm_small"

    [fit]
    trials = 60

    [parameters.noise]
    path = "population.@noise.rate"
    low = 0.1
    high = 10.0
    scale = "log"

    [moments.spread]
    fact = "F9"
    target = 1.5
    width = 0.5

Every table is described in docs/calibration.md. A calibration is run as sweeps of the design `list`: its parameters are
factors with a range, its moments outcomes with a target.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, field_serializer, model_validator

from abm.parameters import Frozen, parameter
from experiments.faults import in_words
from experiments.sweep.factors import Factor
from experiments.sweep.outcomes import Outcome, parts, rows
from experiments.sweep.outcomes import faults as faults_of_outcomes
from experiments.sweep.study import LARGEST_SEED, Study, StudyError, Whole, found

CALIBRATIONS = Path(__file__).parents[1] / "calibration"
MOST_PARAMETERS = 16  # beyond it some hundred trials say nothing about any of them
RESERVED = 10_000  # seeds from here on are those of pilots, confirmations and known truths


class Parameter(Factor):
    """A factor with a range, and where the search starts."""

    start: float | None = parameter(None, "Its value in the first trial; none = the middle of its range")
    source: str = parameter("", "Where its range comes from")

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.low is None or self.high is None:
            raise ValueError("expected low and high")
        if self.start is not None and not self.low <= self.start <= self.high:
            raise ValueError(f"start: given {self.start:g}, expected a number from low to high")
        return self

    def place(self, value: float) -> float:
        """Where in its range a value is, 0 to 1: the inverse of `at`."""
        assert self.low is not None and self.high is not None
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def factor(self) -> Factor:
        return Factor.model_validate({name: getattr(self, name) for name in Factor.model_fields})


class Moment(Outcome):
    """An outcome with its target; a row of the score card or a fact brings its own range."""

    target: float | None = parameter(
        None, "What it should be; none = the row's aim, or the middle of its range"
    )
    low: float | None = parameter(None, "Lower end of the target's interval; none = that of row or fact")
    high: float | None = parameter(None, "Upper end")
    width: float | None = parameter(
        None, "Standard error of the target; none = half of the interval from low to high", gt=0
    )
    weight: float = parameter(1.0, "Weight of its squared deviation; 0 = only shown", ge=0)
    shape: Literal["point", "range"] = parameter(
        "point",
        "point = deviation from the target; range = none between low and high, beyond it from the nearer end",
    )
    group: str = parameter("", "Moments of one group are left out together; empty = the moment's own name")
    source: str = parameter("", "Where the target comes from")

    def outcome(self) -> Outcome:
        return Outcome.model_validate({name: getattr(self, name) for name in Outcome.model_fields})


class Fit(Frozen):
    """Budget, seeds and search."""

    trials: int = parameter(100, "Points of the parameter space, at most", ge=1, le=100_000)
    minutes: float | None = parameter(None, "Wall time of all sittings together; none = no limit", gt=0)
    seeds: int = parameter(2, "Seeds of every trial, the same in all", ge=1, le=1000)
    first: int = parameter(1, "The first of them", ge=0, lt=RESERVED)
    across: Literal["median", "mean"] = parameter("median", "How seeds become one number")
    batch: int = parameter(4, "Trials asked for at a time, whatever the workers", ge=1, le=1000)
    startup: int = parameter(16, "Trials spread evenly (Sobol) before the search learns", ge=1)
    draw: int = parameter(1, "Seed of the search's own draws", ge=0, le=LARGEST_SEED)
    pilot: int = parameter(
        0,
        "Seeds at the start from which the moments' own noise is bootstrapped and added to their widths",
        ge=0,
    )
    further: int = parameter(
        12, "New trials of a fit that leaves a group out, after those of the full fit in its folder", ge=0
    )
    confirm: int = parameter(4, "Fresh seeds on which the best trial is run at the end", ge=0)
    unmeasured: float = parameter(
        10.0, "Deviation of a moment that a run could not tell", unit="widths", gt=0
    )


class Calibration(Whole):
    """A whole calibration, checked; `name` and `origin` say where it came from."""

    title: str = parameter("", "One line for people")
    question: str = parameter("", "More lines, for the report")
    scenario: str = parameter(..., "Name of a scenario, or path of its file from this one")
    files: tuple[str, ...] = parameter((), "Python files of one's own, as with --with", alias="with")
    settings: dict[str, Any] = parameter({}, "Settings of all trials, path = value")
    fit: Fit = parameter(Fit(), "Budget, seeds, search")
    start_from: str = parameter("", "result.json of an earlier calibration whose best trials are tried first")
    parameters: dict[str, Parameter] = parameter(..., "What is fitted")
    moments: dict[str, Moment] = parameter(..., "What to")
    keep: Literal["runs", "records"] = parameter("records", "runs = keep every run's folder")
    name: str = parameter("calibration", "Name of the file; set when it is read")
    origin: str = parameter("", "Folder of the file; set when it is read")

    @field_serializer("origin", when_used="json")
    def _from_here(self, folder: str) -> str:
        """A recorded result says where its file was from where it ran, and nothing of the machine."""
        here = Path.cwd()
        return Path(folder).relative_to(here).as_posix() if Path(folder).is_relative_to(here) else folder

    def faults(self) -> list[str]:
        return _faults(self)

    def study(self, cells: Sequence[Mapping[str, Any]], first: int, seeds: int) -> Study:
        """The sweep that runs these points of the parameter space."""
        return Study.model_validate(
            {
                "title": self.title,
                "scenario": self.scenario,
                "with": self.files,
                "settings": self.settings,
                "design": {"kind": "list"},
                "replicates": {"count": seeds, "first": first},
                "factors": {name: one.factor() for name, one in self.parameters.items()},
                "cells": [dict(cell) for cell in cells],
                "outcomes": {name: moment.outcome() for name, moment in self.moments.items()},
                "keep": self.keep,
                "name": self.name,
                "origin": self.origin,
            }
        )

    def group_of(self, name: str) -> str:
        return self.moments[name].group or name

    @property
    def groups(self) -> list[str]:
        """Names by which moments are left out."""
        return list(dict.fromkeys(self.group_of(name) for name in self.moments))


def _faults(calibration: Calibration) -> list[str]:
    """What does not fit together, one line each."""
    lines = []
    for table, names in (("parameters", calibration.parameters), ("moments", calibration.moments)):
        if not names:
            lines.append(f"{table}: nothing given, expected one table [{table}.NAME] or more")
        lines += [
            f"{table}.{name}: expected a plain name, small letters, digits and _"
            for name in names
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name)
        ]
    both = sorted(set(calibration.parameters) & set(calibration.moments))
    lines += [f"moments.{name}: a parameter has this name, too" for name in both]
    if len(calibration.parameters) > MOST_PARAMETERS:
        lines.append(f"parameters: given {len(calibration.parameters)}, expected {MOST_PARAMETERS} at most")
    if calibration.fit.first + calibration.fit.seeds > RESERVED:
        lines.append(f"fit.seeds: seeds from {RESERVED} on are kept for confirmation, expected fewer")
    if calibration.moments and not any(moment.weight for moment in calibration.moments.values()):
        lines.append("moments: all have weight 0, expected one that counts")
    for name, moment in calibration.moments.items():
        lines += _of_moment(f"moments.{name}", moment)
    return lines


def _of_moment(where: str, moment: Moment) -> list[str]:
    low, high, central = own_range(moment)
    if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
        return [f"{where}: low = {low}, high = {high}, expected low < high, both given"]
    if low is None and moment.shape == "range":
        return [f"{where}.shape: range needs low and high"]
    if low is None and moment.width is None:
        return [f"{where}: nothing says how exact the target is, expected width, or low and high"]
    if low is None and central is None:
        return [f"{where}.target: nothing given, expected a number"]
    return []


def own_range(moment: Moment) -> tuple[float | None, float | None, float | None]:
    """(low, high, aim) of a moment: its own, else those of its row or fact; None where there is none."""
    low, high, aim = moment.low, moment.high, moment.target
    if moment.row and moment.row in rows(moment.targets):
        row = rows(moment.targets)[moment.row]
        given = (row["low"], row["high"], row.get("central"))
    elif moment.fact and moment.fact in parts():
        part = parts()[moment.fact]
        given = (part.low, part.high, None)
    else:
        return low, high, aim
    return tuple(
        mine if mine is not None else theirs for mine, theirs in zip((low, high, aim), given, strict=True)
    )  # type: ignore[return-value]


def load(calibration: str | Path | Calibration) -> Calibration:
    """Read a calibration by name (in `experiments/calibration`) or path and check all of it.

    Raises:
        StudyError: with every fault found.
    """
    if isinstance(calibration, Calibration):
        return calibration
    path, text = found("calibration", calibration, CALIBRATIONS)
    return loads(text, path.stem, str(path.resolve().parent))


def loads(text: str, name: str = "calibration", origin: str = "") -> Calibration:
    """The same from the text of a calibration file."""
    from experiments import extensions

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError([f"{name}: expected valid TOML: {error}"]) from error
    raw = {**raw, "name": name, "origin": origin}
    files = [str(file) for file in raw.get("with", ())] if isinstance(raw.get("with", ()), list) else []
    lines = extensions.take([Path(origin) / file for file in files])
    found = None
    try:
        found = Calibration.model_validate(raw)
        lines += faults_of_outcomes({key: moment.outcome() for key, moment in found.moments.items()})
    except ValidationError as error:
        lines += [
            line
            for said in in_words(error, Calibration)
            for line in said.removeprefix("scenario: ").splitlines()
        ]
        lines += faults_of_outcomes(_sound(raw.get("moments")))
    lines = [re.sub(r"^outcomes\.", "moments.", line) for line in lines]
    if lines or found is None:
        raise StudyError(dict.fromkeys(lines))
    return found


def _sound(tables: Any) -> dict[str, Outcome]:
    """The moments that can be read, where the rest of the file cannot."""
    sound: dict[str, Outcome] = {}
    for name, table in _items(tables):
        with suppress(ValidationError):
            sound[name] = Moment.model_validate(table).outcome()
    return sound


def _items(tables: Any) -> Iterable[tuple[str, Any]]:
    return tables.items() if isinstance(tables, dict) else ()
