"""Rewrites the generated sections of docs/odd.md: what the code itself knows of the model's description.

    python -m experiments.odd

The description follows ODD (Grimm et al. 2020) and ODD+D, its extension for human decisions (Mueller et al. 2013).
Prose is written by hand; phases, participants and parameters are printed from the code, and a test holds the file to
it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import agents
from abm.agent import Participant
from abm.state import SCHEMA
from experiments import config
from experiments.build import build
from experiments.faults import ParameterRow, rows, show
from experiments.readme import rewrite
from experiments.store import ROOT, write_text

PAGE = ROOT / "docs" / "odd.md"
EXAMPLE = "october_2025"  # the scenario whose values stand beside the defaults
COMMON = "every species"


def _first(text: str | None) -> str:
    """The first sentence or paragraph of a docstring, on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _table(names: list[str], lines: list[list[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in [names, ["---"] * len(names), *cells])


def phases() -> str:
    """The phases of a step, in the order in which the model runs them."""
    model = build(config.load("two_venues"), 1, record=False)
    lines = []
    for name, phase in model.phases:
        number, _, words = _first(phase.__doc__).partition(". ")
        lines.append([number, f"`{name}`", words])
    return _table(["", "phase", "what happens"], lines)


def entities() -> str:
    """The tables of records that are the state of a market."""
    return _table(
        ["table", "fields of a record"],
        [[f"`{name}`", ", ".join(kind.names)] for name, kind in SCHEMA if kind.names],
    )


def participants() -> str:
    """Every species: what its card says first, and who it is in October."""
    scenario = config.load(EXAMPLE)
    lines = []
    for name, species in agents.SPECIES.items():
        card = sys.modules[species.__module__].__doc__
        entries = [entry for entry, one in scenario.population.items() if one.species == name]
        lines.append(
            [
                f"`{name}`",
                _first(card),
                ", ".join(entries) or "-",
                f"`{species.__module__.replace('.', '/')}.py`",
            ]
        )
    return _table(["species", "what it is", "October's entries", "card"], lines)


def parameters() -> str:
    """Every behavioural parameter: default, what October sets, unit, range, source."""
    lines = [
        [species, f"`{row.path}`", row.value, set_, row.unit, row.range, row.source, row.description]
        for species, row, set_ in behaviour()
    ]
    return _table(
        ["species", "parameter", "default", "October", "unit", "range", "source", "what it is"], lines
    )


def behaviour() -> Iterator[tuple[str, ParameterRow, str]]:
    """(species, parameter, values in October that differ from the default), what all species share first."""
    scenario = config.load(EXAMPLE)
    shared = {row.path: row for row in rows(Participant.Parameters, "")}
    for row in shared.values():
        yield COMMON, row, ""
    seen: dict[type, set[tuple[Any, ...]]] = {}
    for name, species in agents.SPECIES.items():
        entries = {key: one.parameters for key, one in scenario.population.items() if one.species == name}
        base = species.__mro__[1]  # species of one rule say only what differs from the first of them
        known = seen.setdefault(base, set()) if base is not Participant else set()
        for row in rows(species.Parameters, ""):
            in_october: dict[str, list[str]] = {}
            for key, given in entries.items():
                value = getattr(given, row.path)
                if show(value) != row.value:
                    in_october.setdefault(show(value), []).append(key)
            if row == shared.get(row.path) and not in_october or row in known and not in_october:
                continue
            known.add(row)
            yield name, row, "; ".join(f"{value} ({', '.join(who)})" for value, who in in_october.items())


SECTIONS: dict[str, Callable[[], str]] = {
    "entities": entities, "phases": phases, "participants": participants, "parameters": parameters,
}  # fmt: skip


def rendered(text: str) -> str:
    """The page with all generated sections as the code would print them now."""
    for name, section in SECTIONS.items():
        text = rewrite(text, name, section())
    return text


def main() -> int:
    """Rewrite the page."""
    write_text(PAGE, rendered(PAGE.read_text(encoding="utf-8")).rstrip("\n"))
    print(f"{PAGE.relative_to(ROOT)}: {', '.join(SECTIONS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
