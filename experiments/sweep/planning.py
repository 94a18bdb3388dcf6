"""A study worked out: every cell's scenario, what it is made of, and every run; what that will cost.

A cell whose scenario is not in order is a cell of failed runs, not the end of the study; where all cells are out of
order the study is.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from experiments import config, paths, writing
from experiments.store import content_hash, source_hash
from experiments.sweep.designs import cells
from experiments.sweep.factors import is_number
from experiments.sweep.outcomes import fingerprint
from experiments.sweep.place import Place, Record
from experiments.sweep.study import LARGEST_SEED, Study, StudyError
from experiments.sweep.task import Task

Own = Mapping[str, list[tuple[str, float]]]  # what relative factors multiply, by factor
PROBE_SHARE, PROBE_STEPS = 0.05, 20  # of a run's steps; what a first guess of time and disk is made from


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its scenario's hash and seeds; `faults` where it cannot be run."""

    number: int
    values: Mapping[str, Any]
    place: tuple[float, ...]
    content: str
    seeds: tuple[int, ...]
    faults: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Names of its runs."""
        return [f"{self.content}-{seed:04d}" for seed in self.seeds]


@dataclass(frozen=True)
class Plan:
    """All cells of a study. `resolve` gives the tables of a cell's scenario; a plan that was only read has none."""

    study: Study
    program: str
    measured: str
    cells: tuple[PlannedCell, ...]
    made_of: str = ""
    resolve: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    files: tuple[tuple[str, bytes], ...] = ()

    @property
    def runs(self) -> int:
        """Runs to be had; one that several cells name counts once."""
        return len(set(self.names()))

    def names(self) -> list[str]:
        return [name for cell in self.cells for name in cell.names()]

    def task(self, cell: PlannedCell, seed: int, address: str) -> Task:
        """One run of a cell, with all that a worker needs."""
        tables = {} if cell.faults or self.resolve is None else self.resolve(cell.values)
        return Task(
            study=self.study.name,
            cell=cell.number,
            seed=seed,
            content=cell.content,
            config=tables,
            files=self.files,
            outcomes=self.study.outcomes,
            measured=self.measured,
            program=self.program,
            keep=self.study.keep,
            address=address,
        )

    def turns(self) -> Iterator[tuple[str, PlannedCell, int]]:
        """Name, cell and seed of every run once, seed by seed through all cells: a sweep that is broken off has seen
        all of its design.
        """
        seen = set()
        for turn in range(self.study.replicates.count):
            for cell in self.cells:
                name = f"{cell.content}-{cell.seeds[turn]:04d}"
                if name not in seen:
                    seen.add(name)
                    yield name, cell, cell.seeds[turn]

    def dump(self) -> str:
        """As JSON, for `read`."""
        lines = [
            {
                "number": cell.number,
                "values": dict(cell.values),
                "place": list(cell.place),
                "content": cell.content,
                "seeds": [cell.seeds[0], len(cell.seeds)],
                "faults": list(cell.faults),
            }
            for cell in self.cells
        ]
        about = {"program": self.program, "measured": self.measured, "made_of": self.made_of}
        return json.dumps({**about, "cells": lines})


def read(study: Study, text: str) -> Plan:
    """A plan from the JSON that a sweep left with its results."""
    raw = json.loads(text)
    found = tuple(
        PlannedCell(
            line["number"],
            line["values"],
            tuple(line["place"]),
            line["content"],
            tuple(range(line["seeds"][0], line["seeds"][0] + line["seeds"][1])),
            tuple(line["faults"]),
        )
        for line in raw["cells"]
    )
    return Plan(study, raw["program"], raw["measured"], found, raw.get("made_of", ""))


def plan(study: Study, before: str | None = None) -> Plan:
    """Work out all cells.

    Args:
        study: checked.
        before: JSON of an earlier plan; cells that were made of the same are not resolved again.

    Raises:
        StudyError: the scenario, a path or every cell is out of order.
    """
    raw, own = _raw(study)
    files = tuple((path.name, path.read_bytes()) for path in study.paths)
    made_of = _made_of(study, raw, files)
    known: dict[str, tuple[str, tuple[str, ...]]] = {}
    with contextlib.suppress(ValueError, KeyError, TypeError):  # a plan that cannot be read is made anew
        earlier = None if before is None else read(study, before)
        if earlier is not None and earlier.made_of == made_of:
            known = {_key(cell.values): (cell.content, cell.faults) for cell in earlier.cells}
    planned = []
    for cell in cells(study):
        which = _key(cell.values)
        if which not in known:
            known[which] = _content(study, raw, own, cell.values)
        content, faults = known[which]
        planned.append(
            PlannedCell(cell.number, cell.values, cell.place, content, _seeds(study, cell.number), faults)
        )
    wrong = [cell for cell in planned if cell.faults]
    if wrong and len(wrong) == len(planned):
        raise StudyError(dict.fromkeys(fault for cell in wrong for fault in cell.faults))
    measured = fingerprint(study.outcomes, [content for _, content in files])
    return Plan(
        study,
        source_hash(),
        measured,
        tuple(planned),
        made_of,
        lambda values: _tables(study, raw, own, values)[0],
        files,
    )


def settings_of(study: Study) -> Callable[[Mapping[str, Any]], list[tuple[str, str]]]:
    """What turns a cell's values into the settings that make its market of the scenario: paths and texts of `--set`."""
    _, own = _raw(study)

    def of(values: Mapping[str, Any]) -> list[tuple[str, str]]:
        pairs = [*study.settings.items()]
        for name, value in values.items():
            pairs += study.factors[name].settings(value, own.get(name, ()))
        return [(path, paths.inline(what)) for path, what in pairs]

    return of


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True)


def _made_of(study: Study, raw: Mapping[str, Any], files: Iterable[tuple[str, bytes]]) -> str:
    """Hash of all that the scenarios of the cells follow from, but for the cells' own values."""
    factors = {name: factor.model_dump() for name, factor in study.factors.items()}
    said = json.dumps([raw, factors], sort_keys=True, default=str)
    total = hashlib.sha256(source_hash().encode() + said.encode())
    for name, content in files:
        total.update(name.encode() + b"\0" + content + b"\0")
    return total.hexdigest()[:20]


def _raw(study: Study) -> tuple[dict[str, Any], Own]:
    """The scenario's tables with the study's settings, and the numbers that relative factors multiply.

    Raises StudyError unless they are in order by themselves.
    """
    try:
        config.load(study.scenario_path)
    except config.ScenarioError as error:
        needs = [fault for fault in error.faults if fault.startswith("scenario:")]
        if needs:
            raise StudyError(needs) from error
    path = Path(study.scenario_path)
    path = path if path.is_file() else config.SCENARIOS / f"{study.scenario_path}.toml"
    raw = config.raw_tables(path.read_text(encoding="utf-8"))
    faults = [
        f"settings: {fault.removeprefix(paths.SET)}"
        for where, value in study.settings.items()
        for fault in paths.put(raw, where, value)
    ]
    own = _own(study, raw) if not faults else {}
    for name, factor in study.factors.items():
        if factor.relative and not faults and not own[name]:
            faults.append(f"factors.{name}: relative, and the scenario has no number at {factor.path}")
        for where, what in factor.settings(factor.at(0.0), own.get(name, ())):
            trial = copy.deepcopy(raw)
            faults += [
                f"factors.{name}: {fault.removeprefix(paths.SET)}" for fault in paths.put(trial, where, what)
            ]
    if faults:
        raise StudyError(dict.fromkeys(faults))
    return raw, own


def _own(study: Study, raw: Mapping[str, Any]) -> Own:
    """Path and number of every place of the relative factors, in the resolved scenario: defaults count, too."""
    factors = {name: factor for name, factor in study.factors.items() if factor.relative}
    if not factors:
        return {}
    scenario, faults = config.resolve(raw)
    if scenario is None or faults:
        raise StudyError(dict.fromkeys(faults))
    whole, own = config.plain(scenario), {}
    for name, factor in factors.items():
        named = (factor.path,) if isinstance(factor.path, str) else factor.path
        own[name] = [
            (where, number)
            for path in named
            for where, number in paths.held(whole, path)
            if is_number(number)
        ]
    return own


def _tables(
    study: Study, raw: Mapping[str, Any], own: Own, values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Resolved tables of a cell's scenario, empty with the faults where it is out of order."""
    tables = copy.deepcopy(dict(raw))
    faults = []
    for name, value in values.items():
        for where, what in study.factors[name].settings(value, own.get(name, ())):
            faults += paths.put(tables, where, what)
    scenario, more = config.resolve(tables)
    faults += more
    if faults or scenario is None:
        return {}, list(dict.fromkeys(faults))
    return config.plain(scenario), []


def _content(
    study: Study, raw: Mapping[str, Any], own: Own, values: Mapping[str, Any]
) -> tuple[str, tuple[str, ...]]:
    """Content hash and faults of a cell."""
    tables, faults = _tables(study, raw, own, values)
    if faults:
        said = json.dumps([study.scenario, study.settings, dict(values)], sort_keys=True, default=str)
        return f"bad{hashlib.sha256(said.encode()).hexdigest()[:17]}", tuple(faults)
    return content_hash(tables, study.paths), ()


def _seeds(study: Study, cell: int) -> tuple[int, ...]:
    replicates = study.replicates
    first = replicates.first
    if replicates.seeds == "independent":
        first += cell * replicates.count
    if first + replicates.count - 1 > LARGEST_SEED:
        raise StudyError([f"replicates: seeds beyond {LARGEST_SEED}, expected fewer or a smaller first"])
    return tuple(range(first, first + replicates.count))


# what it will cost ------------------------------------------------------------------------------------------


class Costs(NamedTuple):
    """Of the runs that are still to be done; `known` says what the guess is made from."""

    seconds: float  # of one core
    bytes: float
    left: int
    known: str


def costs(planned: Plan, place: Place) -> Costs:
    """Time and disk of what is left: from the runs that are there, else from the first steps of one."""
    records = place.records(planned.names())
    done = [record for record in records.values() if record["status"] == "done"]
    left = planned.runs - len(done)
    if done:
        seconds = fmean(record["seconds"] + max(record.get("overhead", 0.0), 0.0) for record in done)
        size = fmean(record["bytes"] for record in done)
        known = f"{len(done)} runs that are there"
    else:
        seconds, size = _probe(planned)
        known = "the first steps of one run"
    if planned.study.keep == "records":
        size = 500.0
    return Costs(seconds * left, size * left, left, known)


def _probe(planned: Plan) -> tuple[float, float]:
    """Seconds and bytes of a run, from its opening and its first steps; workers find the kernels loaded."""
    from abm import jit
    from experiments.build import build

    jit.warm()
    cell = next(cell for cell in planned.cells[len(planned.cells) // 2 :] + planned.cells if not cell.faults)
    assert planned.resolve is not None  # it was made here, not read
    scenario, _ = config.resolve(planned.resolve(cell.values))
    assert scenario is not None  # it was when the plan was made
    began = time.perf_counter()
    model = build(scenario, cell.seeds[0])
    model.run(1)
    opened = time.perf_counter()
    steps = max(PROBE_STEPS, int(PROBE_SHARE * model.steps_total))
    model.run(min(steps, model.steps_total - 1))
    ran = time.perf_counter() - opened
    assert model.recorder is not None
    done = model.step_number
    with tempfile.TemporaryDirectory() as folder:
        written = writing.write(
            model.recorder.finish(), Path(folder) / "run", config={}, provenance={"seed": 0}
        )
        size = sum(path.stat().st_size for path in written.folder.rglob("*") if path.is_file())
    scale = model.steps_total / max(done - 1, 1)
    return (opened - began) + ran * scale, size * scale


def summary(planned: Plan, cost: Costs, workers: int | None = None) -> list[str]:
    """The plan in words: cells, runs, expected time and disk."""
    study, counts = planned.study, planned.study.replicates
    workers = workers or len(os.sched_getaffinity(0))
    bad = [cell for cell in planned.cells if cell.faults]
    lines = [
        f"{study.name}: {study.title}",
        f"scenario {study.scenario}; design {study.design.kind}; "
        + ", ".join(f"{name} ({_range(study, name)})" for name in study.factors),
        f"{len(planned.cells)} cells x {counts.count} {counts.seeds} seeds = {planned.runs} runs,"
        f" {planned.runs - cost.left} there, {cost.left} left",
        f"about {duration(cost.seconds / workers)} with {workers} at a time ({duration(cost.seconds)} of one core),"
        f" {cost.bytes / 1e6:,.0f} MB; from {cost.known}",
    ]
    for cell in bad[:5]:
        lines.append(f"cell {cell.number} {dict(cell.values)} cannot be run: {cell.faults[0]}")
    if len(bad) > 5:
        lines.append(f"... and {len(bad) - 5} more cells")
    if 1 < counts.count < 200:
        lines.append(
            f"{counts.count} replicates a cell: medians and their intervals; bands of 5-95 % need 200"
        )
    return lines


def _range(study: Study, name: str) -> str:
    factor = study.factors[name]
    if factor.all and study.design.kind != "factorial":
        return f"{len(factor.all)} values"
    low, high = factor.ends()
    return f"{low} or {high}" if study.design.kind == "factorial" else f"{low} to {high}"


def duration(seconds: float) -> str:
    """Seconds in words: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def failed(record: Record | None) -> bool:
    return record is not None and record["status"] == "failed"


def ready(record: Record | None, measured: str) -> bool:
    """Whether a run's record is done and of these outcomes."""
    return record is not None and record["status"] == "done" and record["measured"] == measured
