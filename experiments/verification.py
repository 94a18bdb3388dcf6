"""Recorded results checked: some of their seeds are run again, from nothing, and held against what was written down.

A seed differs where its digest or one of its outcomes does. The digest is over every recorded value, so it also differs
where only the last bit of a logarithm does, on another processor or mathematical library: what is told says whether the
outcomes moved too, and by how much.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import config, reference
from experiments.recorded import Cell, Record, Seed, measured, of_scenario
from experiments.runner import Engine, Job, Outcome, run_jobs, simulate
from experiments.store import Store

EVENT = "october"  # the group of targets of scenarios that have none of their own, such as null runs
SHOWN = 3  # outcomes told of a seed that differs


class Place(NamedTuple):
    """One recorded seed."""

    record: str
    cell: str
    seed: int

    def __str__(self) -> str:
        return f"{self.record} {self.cell} seed {self.seed}"


class Verdict(NamedTuple):
    """What running it again has shown; `faults` is empty where nothing differs. `note` is worth knowing, no fault."""

    place: Place
    faults: tuple[str, ...]
    note: str = ""


def sample(records: Mapping[str, Record], size: int, draw: int = 1) -> list[Place]:
    """`size` seeds of every record (all where it has fewer), drawn at random; another `draw`, another sample."""
    chosen = []
    for name, record in records.items():
        places = [
            Place(name, which, seed) for which, one in record.cells.items() for seed in sorted(one.seeds)
        ]
        chosen += sorted(random.Random(f"{draw} {name}").sample(places, min(size, len(places))))
    return chosen


def verify(
    records: Mapping[str, Record],
    places: Sequence[Place],
    *,
    jobs: int | None = None,
    engine: Engine = simulate,
    folder: Path = Path("runs"),
) -> Iterator[Verdict]:
    """Run the places again and compare. Nothing of an earlier run is used; the new ones are not kept.

    Raises ScenarioError where a recorded scenario or setting does not exist any more.
    """
    cells = {place: records[place.record].cells[place.cell] for place in places}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=folder) as scratch:
        wanted = [
            Job(
                f"{place.record} {place.cell}",
                config.load(one.scenario, one.settings),
                place.seed,
                Path(scratch) / place.record / place.cell,
            )
            for place, one in cells.items()
        ]
        outcomes = run_jobs(wanted, jobs=jobs, store=Store(Path(scratch) / "store"), engine=engine)
        for (place, one), outcome in zip(cells.items(), outcomes, strict=True):
            yield _verdict(place, one, outcome)


def _verdict(place: Place, one: Cell, outcome: Outcome) -> Verdict:
    if outcome.folder is None:
        return Verdict(place, (f"failed: {outcome.reason}",))
    told = outcome.job.scenario.targets
    found = measured(outcome.open(), reference.targets(told.file if told is not None else EVENT))
    changed = of_scenario(one.scenario, one.settings) != one.config
    return Verdict(
        place,
        tuple(differences(one.seeds[place.seed], found)),
        "the scenario's numbers have changed since" if changed else "",
    )


def differences(recorded: Seed, found: Seed) -> list[str]:
    """What is not as it was written down: the outcomes that moved (the first few), then the digest."""
    moved = [
        f"{name} {_number(value)}, recorded {_number(recorded.outcomes[name])}"
        for name, value in found.outcomes.items()
        if name in recorded.outcomes and value != recorded.outcomes[name]
    ]
    gone = [name for name in recorded.outcomes if name not in found.outcomes]
    lines = moved[:SHOWN] + ([f"{len(moved) - SHOWN} more outcomes"] if len(moved) > SHOWN else [])
    lines += [f"no longer measured: {', '.join(gone)}"] if gone else []
    if recorded.digest != found.digest:
        every = "" if moved else "; all outcomes are the same"
        lines.append(f"digest {found.digest}, recorded {recorded.digest}{every}")
    return lines


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"
