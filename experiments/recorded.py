"""Recorded results: what a night of runs has said, small enough for the repository, and checked again at any time.

A record is one JSON file (and the same told in Markdown beside it): the command that made it, and for every cell (a
scenario with some settings) the digest and the outcomes of each seed. It holds all that is needed to run any one of
those seeds again; `experiments.verification` does that on a sample. Records of October are in
`experiments/results/october`:

    runs = [Run.open(folder) for folder in seeds_in(Path("runs/october"))]
    cells = {"base": cell("october_2025", [], {run.seed: measured(run, targets) for run in runs})}
    write("fitted", "cascade october --seeds 200 --record fitted", cells, text=scorecard.markdown(card), tables=card)

Seeds can be measured one by one as they end (`measured`), so that their folders need not be kept.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from experiments import config, nulls, provenance
from experiments.estimators import ESTIMATORS, Target, measure
from experiments.run import Run, RunError
from experiments.store import config_hash, source_hash, write_text

RESULTS = Path(__file__).parent / "results"
OCTOBER = RESULTS / "october"
DIGEST = 16  # hex digits kept of a run's digest, as the commands print it
FIGURES = 6  # significant figures kept of an outcome
BESIDE_REPORT = "record.json"  # the record of a study, in the folder of its report
NOTHING = "-"  # stands in a file for an outcome that a run could not tell


class Seed(NamedTuple):
    """What one run said: its digest (16 hex digits) and its outcomes by id, None where it could not tell."""

    digest: str
    outcomes: Mapping[str, float | None]


class Cell(NamedTuple):
    """A scenario with settings, and what its seeds said. `config`: hash of the resolved scenario, as it was then."""

    scenario: str  # a name of experiments/scenarios
    settings: tuple[tuple[str, str], ...]  # (path, value) as of --set
    config: str
    seeds: Mapping[int, Seed]


class Record(NamedTuple):
    """A recorded result. `tables`: whatever its maker wants to keep of it, JSON-safe; `text`: the same in Markdown."""

    name: str
    command: str
    made: Mapping[str, Any]  # commit, date, versions: where it was made
    cells: Mapping[str, Cell]
    tables: Mapping[str, Any]
    text: str = ""


def measured(run: Run, targets: Sequence[Target]) -> Seed:
    """What a run says: the quantities of the null runs, and every row that one run tells by itself."""
    found = {row: values[0] for row, (_, _, values) in nulls.values_by_row([run], targets).items()}
    for target in targets:
        if target["id"] in ESTIMATORS and target["id"] not in found:
            found[target["id"]] = measure(run, target).value
    return seed(run.digest, found)


def seed(digest: str, outcomes: Mapping[str, float]) -> Seed:
    """A seed's digest and outcomes as they are kept: six significant figures, None for what is not a number."""
    return Seed(digest[:DIGEST], {name: kept(value) for name, value in outcomes.items()})


def kept(value: float) -> float | None:
    return float(f"{value:.{FIGURES}g}") if math.isfinite(value) else None


def cell(scenario: str, settings: Iterable[tuple[str, str]], seeds: Mapping[int, Seed]) -> Cell:
    """A cell of a record. Raises ScenarioError where the settings are not those of a scenario."""
    settings = tuple(settings)
    return Cell(scenario, settings, of_scenario(scenario, settings), dict(seeds))


def of_scenario(scenario: str, settings: Iterable[tuple[str, str]]) -> str:
    """Hash of the resolved scenario (16 hex digits): it changes with any number in it, not with the program."""
    return config_hash(config.plain(config.load(scenario, settings)))[:DIGEST]


def write(
    name: str,
    command: str,
    cells: Mapping[str, Cell],
    text: str,
    tables: Mapping[str, Any] | None = None,
    folder: Path = OCTOBER,
) -> list[Path]:
    """Write a record as `folder/name.json` and its text as `folder/name.md`; their paths.

    Args:
        name: of the files.
        command: what makes it again, as typed.
        cells: by name.
        text: Markdown, for people.
        tables: JSON-safe tables behind the text.
        folder: where.

    Raises ValueError for a name that is no file name, and for a record without a seed.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"name of a record: given {name!r}, expected a plain file name")
    paths = [folder / f"{name}.json", folder / f"{name}.md"]
    write_json(paths[0], command, cells, tables)
    write_text(paths[1], f"{text.rstrip()}\n\n    {command}")
    return paths


def write_json(
    path: Path, command: str, cells: Mapping[str, Cell], tables: Mapping[str, Any] | None = None
) -> None:
    """Write a record without a text: its name is the file's, or, of `record.json`, the folder's. Raises as `write`."""
    name = _name(path)
    if not any(one.seeds for one in cells.values()):
        raise ValueError(f"record {name}: no finished run to record")
    made = {
        "date": datetime.now(UTC).date().isoformat(),
        "sources": source_hash()[:DIGEST],
        **{key: value for key, value in provenance.here().items() if key != "host"},
    }
    head = {"name": name, "command": command, "made": made}
    body = {which: _plain(one) for which, one in cells.items()}
    write_text(path, json.dumps({**head, "cells": body, "tables": tables or {}}, indent=1, allow_nan=False))


def _name(path: Path) -> str:
    return path.parent.name if path.name == BESIDE_REPORT else path.stem


def _plain(one: Cell) -> dict[str, Any]:
    """A cell for the file, where a seed is one line: its digest, then its outcomes in order, "-" for None."""
    names = list(dict.fromkeys(name for each in one.seeds.values() for name in each.outcomes))
    return {
        "scenario": one.scenario,
        "settings": [list(pair) for pair in one.settings],
        "config": one.config,
        "outcomes": names,
        "seeds": {
            str(number): " ".join([each.digest, *(_word(each.outcomes.get(name)) for name in names)])
            for number, each in sorted(one.seeds.items())
        },
    }


def _word(value: float | None) -> str:
    return NOTHING if value is None else repr(value)


def read(path: Path) -> Record:
    """A record as it was written. Raises RunError where the file is none."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        cells = {which: _cell(one) for which, one in raw["cells"].items()}
        beside = path.with_suffix(".md")
        text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
        return Record(raw["name"], raw["command"], raw["made"], cells, raw["tables"], text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a recorded result: {type(error).__name__}: {error}") from error


def _cell(raw: Mapping[str, Any]) -> Cell:
    seeds = {}
    for number, line in raw["seeds"].items():
        digest, *words = line.split()
        values = [None if word == NOTHING else float(word) for word in words]
        seeds[int(number)] = Seed(digest, dict(zip(raw["outcomes"], values, strict=True)))
    return Cell(
        raw["scenario"], tuple((path, value) for path, value in raw["settings"]), raw["config"], seeds
    )


def told(folder: Path = OCTOBER) -> dict[str, str]:
    """What the results of a folder say for people, by name: NAME.md, or the report of a study, NAME/report.md.

    Pictures of a report stand in the text as data addresses, so that it needs no file beside it.
    """
    found = {path.stem: path for path in sorted(folder.glob("*.md")) if path.stem != "README"}
    found |= {path.parent.name: path for path in sorted(folder.glob("*/report.md"))}
    return {name: _whole(path) for name, path in found.items()}


def _whole(path: Path) -> str:
    def picture(link: re.Match[str]) -> str:
        file = path.parent / link[2]
        if file.suffix != ".png" or not file.is_file():
            return ""
        return f"![{link[1]}](data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()})"

    return re.sub(r"!\[([^\]]*)\]\(([^)\s]+)\)", picture, path.read_text(encoding="utf-8"))


def records(folder: Path = OCTOBER) -> dict[str, Record]:
    """All records of a folder by name, those beside reports of studies too; empty where there is none.

    Raises RunError for a file that is no record.
    """
    found = [*folder.glob("*.json"), *folder.glob(f"*/{BESIDE_REPORT}")]
    return {_name(path): read(path) for path in sorted(found)}
