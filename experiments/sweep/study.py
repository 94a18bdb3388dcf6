"""A study file: which scenario is varied how, how often, and what is measured. TOML, checked as a whole.

    title = "Fund size"
    scenario = "four_venues"

    [design]
    kind = "grid"

    [factors.fund]
    path = "venues.*.fund.cash"
    values = [0.0, 1e6, 4e6]

    [outcomes.longs]
    quantity = "longs"

Every table is described in docs/sweeps.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from abm.parameters import Frozen, parameter
from experiments import config
from experiments.faults import ScenarioError, in_words, meant, show
from experiments.sweep.factors import Factor
from experiments.sweep.outcomes import Outcome
from experiments.sweep.outcomes import faults as faults_of_outcomes

STUDIES = Path(__file__).parents[1] / "studies"
Kind = Literal["grid", "list", "one_at_a_time", "factorial", "latin", "sobol", "morris", "saltelli"]
SAMPLED = ("latin", "sobol", "morris", "saltelli")
LARGEST_SEED = 2**31 - 1


class StudyError(ScenarioError):
    """A study that cannot be run; `faults` holds every fault found, one line each."""


class Design(Frozen):
    """Which cells there are: combinations of the factors' values."""

    kind: Kind = parameter("grid", "How cells are chosen")
    samples: int = parameter(
        64, "latin, sobol: cells; saltelli: N, cells are N (factors + 2)", unit="cells", ge=2, le=1_000_000
    )
    trajectories: int = parameter(20, "morris: paths through the unit cube", unit="paths", ge=2, le=100_000)
    levels: int = parameter(4, "morris: values a factor takes", unit="values", ge=2, le=64)
    seed: int = parameter(1, "Of the design's own draws", ge=0, le=LARGEST_SEED)


class Replicates(Frozen):
    """How often each cell is run."""

    count: int = parameter(1, "Seeds a cell", unit="runs", ge=1, le=1_000_000)
    first: int = parameter(1, "The first seed", ge=0, le=LARGEST_SEED)
    seeds: Literal["common", "independent"] = parameter(
        "common", "common = the same seeds in every cell, so that cells differ by nothing but their factors"
    )


class Boundary(Frozen):
    """Where along one factor an outcome crosses a level: a line of the phase diagram."""

    outcome: str = parameter(..., "Name of an outcome")
    along: str = parameter(..., "Factor with numbers along which the crossing is looked for")
    level: float = parameter(..., "Level that is crossed", unit="the outcome's")
    quantile: float = parameter(0.5, "Quantile over replicates that crosses it", ge=0, le=1)


class Wanted(Frozen):
    """What the report shows beyond what it always does."""

    maps: tuple[tuple[str, str, str], ...] = parameter(
        (),
        "Heat maps: [outcome, factor across, factor up]; empty = of the first outcome over the first two factors",
    )
    boundary: Boundary | None = parameter(None, "A phase boundary")
    policies: tuple[str, ...] = parameter((), "Factors whose values are compared in pairs, seed by seed")
    slopes: tuple[tuple[str, str], ...] = parameter(
        (), "Straight lines: [outcome, factor with numbers], least squares over all runs"
    )


class Whole(Frozen):
    """What is checked as a whole when it is made; every fault is told."""

    def faults(self) -> list[str]:
        """What does not fit together, one line each."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        lines = self.faults()
        if lines:
            raise ValueError("\n".join(lines))
        return self


class Study(Whole):
    """A whole study, checked; `name` and `origin` say where it came from."""

    title: str = parameter("", "One line for people")
    question: str = parameter("", "What the study asks, for its report")
    scenario: str = parameter(..., "Name of a scenario, or path of its file from the study's")
    files: tuple[str, ...] = parameter(
        (), "Python files with species, rules, outcomes of one's own, as with --with", alias="with"
    )
    settings: dict[str, Any] = parameter({}, "Settings of all cells, path = value")
    design: Design = parameter(Design(), "Cells")
    replicates: Replicates = parameter(Replicates(), "Seeds")
    factors: dict[str, Factor] = parameter(..., "What is varied")
    cells: tuple[dict[str, Any], ...] = parameter((), "design list: the cells, each factor = value")
    outcomes: dict[str, Outcome] = parameter(..., "What is measured")
    report: Wanted = parameter(Wanted(), "The report")
    keep: Literal["runs", "records"] = parameter(
        "runs", "runs = keep every run's folder; records = only what was measured and the digest"
    )
    name: str = parameter("study", "Name of the file; set when it is read")
    origin: str = parameter("", "Folder of the file; set when it is read")

    def faults(self) -> list[str]:
        return _faults(self)

    @property
    def paths(self) -> list[Path]:
        """The user's own files."""
        return [self._beside(name) for name in self.files]

    @property
    def scenario_path(self) -> str:
        """The scenario's name, or the path of its file."""
        return str(self._beside(self.scenario)) if self.scenario.endswith(".toml") else self.scenario

    def _beside(self, name: str) -> Path:
        path = Path(name)
        return path if path.is_absolute() else Path(self.origin) / path


def _faults(study: Study) -> list[str]:
    """What does not fit together, one line each."""
    lines = []
    design, factors = study.design, study.factors
    if not factors:
        lines.append("factors: nothing given, expected one table [factors.NAME] or more")
    if not study.outcomes:
        lines.append("outcomes: nothing given, expected one table [outcomes.NAME] or more")
    for table, names in (("factors", factors), ("outcomes", study.outcomes)):
        lines += [
            f"{table}.{name}: expected a plain name, small letters, digits and _"
            for name in names
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name)
        ]
    both = sorted(set(factors) & set(study.outcomes))
    lines += [f"outcomes.{name}: a factor has this name, too" for name in both]
    taken = {"cell", "seed", "status", "reason", "content", "digest", "seconds", "host", "run"}
    lines += [
        f"{name}: the table of results has such a column already"
        for name in sorted(taken & {*factors, *study.outcomes})
    ]
    for name, factor in factors.items():
        if design.kind in ("grid", "one_at_a_time") and not factor.all:
            lines.append(f"factors.{name}: design {design.kind} needs values or levels, given low and high")
    if design.kind == "list" and not study.cells:
        lines.append("cells: nothing given, design list needs them")
    if design.kind != "list" and study.cells:
        lines.append(f"cells: belong to design list, given {design.kind}")
    for i, cell in enumerate(study.cells):
        lines += [
            f"cells.{i}.{name}: no such factor, {meant(name, factors)}"
            for name in cell
            if name not in factors
        ]
        lines += [f"cells.{i}: no value of factor {name}" for name in factors if name not in cell]
        for name, value in cell.items():
            if name in factors and factors[name].levels and value not in factors[name].all:
                lines.append(
                    f"cells.{i}.{name}: given {show(value)}, {meant(str(value), map(str, factors[name].all))}"
                )
    if design.kind == "sobol" and design.samples & (design.samples - 1):
        lines.append(
            f"design.samples: given {design.samples}, expected a power of 2: a Sobol sequence is balanced only then"
        )
    if design.kind == "saltelli" and design.samples & (design.samples - 1):
        lines.append(f"design.samples: given {design.samples}, expected a power of 2")
    if design.kind == "morris" and design.levels % 2:
        lines.append(f"design.levels: given {design.levels}, expected an even number")
    return lines + _report_faults(study)


def _report_faults(study: Study) -> list[str]:
    lines = []
    wanted = study.report
    for i, (outcome, across, up) in enumerate(wanted.maps):
        if outcome not in study.outcomes:
            lines.append(f"report.maps.{i}: {outcome}: no such outcome, {meant(outcome, study.outcomes)}")
        for name in (across, up):
            if name not in study.factors:
                lines.append(f"report.maps.{i}: {name}: no such factor, {meant(name, study.factors)}")
    numbers = [name for name, factor in study.factors.items() if factor.ordered]
    for i, (outcome, along) in enumerate(wanted.slopes):
        if outcome not in study.outcomes:
            lines.append(f"report.slopes.{i}: {outcome}: no such outcome, {meant(outcome, study.outcomes)}")
        if along not in numbers:
            lines.append(f"report.slopes.{i}: given {show(along)}, {meant(along, numbers)}")
    for name in wanted.policies:
        if name not in study.factors:
            lines.append(f"report.policies: {name}: no such factor, {meant(name, study.factors)}")
        elif study.replicates.seeds != "common":
            lines.append('report.policies: pairs of runs need replicates.seeds = "common"')
    if wanted.boundary is not None:
        if wanted.boundary.outcome not in study.outcomes:
            lines.append(
                f"report.boundary.outcome: given {show(wanted.boundary.outcome)}, "
                f"{meant(wanted.boundary.outcome, study.outcomes)}"
            )
        along = study.factors.get(wanted.boundary.along)
        if along is None or not along.ordered:
            lines.append(
                f"report.boundary.along: given {show(wanted.boundary.along)}, {meant(wanted.boundary.along, numbers)}"
            )
    return lines


def load(study: str | Path | Study, files: Sequence[str | Path] = (), seeds: int | None = None) -> Study:
    """Read a study by name (in `experiments/studies`) or path and check all of it.

    Args:
        study: a name, the path of a TOML file, or a study, of which a changed copy is returned.
        files: Python files of one's own besides those that the study names (`--with`).
        seeds: so many replicates a cell instead of the study's.

    Raises:
        StudyError: with every fault found.
    """
    if isinstance(study, Study):
        more = tuple(str(Path(path).resolve()) for path in files)
        counts = study.replicates
        if seeds is not None:
            if seeds < 1:
                raise StudyError([f"--seeds: given {seeds}, expected a whole number from 1"])
            counts = counts.model_copy(update={"count": seeds})
        return study.model_copy(update={"files": (*study.files, *more), "replicates": counts})
    path, text = found("study", study, STUDIES)
    return load(loads(text, path.stem, str(path.resolve().parent), files), seeds=seeds)


def found(what: str, given: str | Path, folder: Path) -> tuple[Path, str]:
    """A TOML file by its path, or by its name in a folder of ready ones, and its text. StudyError if there is none."""
    path = Path(given)
    if path.suffix != ".toml" and not path.is_file():
        path = folder / f"{given}.toml"
    if not path.is_file():
        names = sorted(file.stem for file in folder.glob("*.toml"))
        raise StudyError(
            [f"{what}: given {show(str(given))}, no such file or name, {meant(path.stem, names)}"]
        )
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError([f"{path}: expected a readable UTF-8 text file: {error}"]) from error


def loads(text: str, name: str = "study", origin: str = "", files: Iterable[str | Path] = ()) -> Study:
    """The same from the text of a study file."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError([f"{name}: expected valid TOML: {error}"]) from error
    return checked({**raw, "name": name, "origin": origin}, files)


def checked(raw: dict[str, Any], files: Iterable[str | Path] = ()) -> Study:
    """A study from raw tables. Raises StudyError with every fault, those of its own files and outcomes too."""
    from experiments import extensions

    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        lines = [
            line for text in in_words(error, Study) for line in text.removeprefix("scenario: ").splitlines()
        ]
        raise StudyError(dict.fromkeys([*lines, *_others(raw)])) from error
    study = load(study, list(files))
    lines = extensions.take(study.paths)
    lines += faults_of_outcomes(study.outcomes)
    if lines:
        raise StudyError(dict.fromkeys(lines))
    return study


def _others(raw: Mapping[str, Any]) -> list[str]:
    """Faults of the outcomes that can be read and of the scenario's name, where the rest of a study cannot be read."""
    sound = {}
    for name, table in (raw.get("outcomes") or {}).items():
        with suppress(ValidationError):
            sound[name] = Outcome.model_validate(table)
    lines = faults_of_outcomes(sound)
    try:
        config.load(str(raw.get("scenario")))
    except ScenarioError as error:
        lines += [fault for fault in error.faults if fault.startswith("scenario:")]
    return lines


def dump(study: Study) -> dict[str, Any]:
    """The study as plain tables, from which `checked` makes it again."""
    return study.model_dump(mode="json", by_alias=True, exclude_none=True)
