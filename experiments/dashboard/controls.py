"""What can be changed, read off the scenario's own declarations: one control a parameter, by section. No page in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel

from experiments.config import Scenario
from experiments.faults import Leaf, choices, leaves, row
from experiments.paths import inline

SINGLE = ("clock", "network", "record")
NAMED = ("assets", "contracts", "venues")
LISTED = ("news", "interventions")


class Control(NamedTuple):
    """One parameter: where it is, its value as TOML, what it takes, and what its declaration says of it."""

    path: str
    value: str
    choices: list[str]
    unit: str
    range: str
    source: str
    description: str

    @property
    def name(self) -> str:
        """The path within its section, in words."""
        return self.path.partition(".")[2].partition(".")[2] or self.path.rpartition(".")[2]


def sections(scenario: Scenario) -> dict[str, list[Control]]:
    """The controls of a scenario by section ("venues.alpha", "population.longs", "news.0"), the most used first."""
    found: dict[str, list[Control]] = {}
    for path, model in _parts(scenario):
        controls = [_control(leaf) for leaf in leaves(model, path)]
        if controls:
            found[path] = controls
    return found


def _parts(scenario: Scenario) -> Iterator[tuple[str, BaseModel]]:
    for name in LISTED:
        for k, one in enumerate(getattr(scenario, name)):
            yield f"{name}.{k}", one
    for name, rules in scenario.venues.items():
        yield f"venues.{name}", rules
    for name, entry in scenario.population.items():
        yield f"population.{name}", entry.parameters
    for name, entry in scenario.population.items():
        if entry.opening is not None:
            yield f"population.{name}.opening", entry.opening
    for name in ("contracts", "assets"):
        for key, one in getattr(scenario, name).items():
            yield f"{name}.{key}", one
    for name in SINGLE:
        yield name, getattr(scenario, name)


def _control(leaf: Leaf) -> Control:
    line = row(leaf)
    return Control(
        leaf.path, toml(leaf.value), choices(leaf.field), line.unit, line.range, line.source, line.description
    )


def toml(value: object) -> str:
    """A value as it stands in a scenario file, on one line; nothing where it is not set, a text without its quotes."""
    return value if isinstance(value, str) else "" if value is None else inline(value)
