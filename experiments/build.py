"""From a checked scenario and a seed to a model that is ready to step.

Example::

    model = build(load("two_venues"), seed=1)
    model.run()
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from abm.model import CascadeModel
from abm.recorder import Recorder
from experiments.checks import bracket_tables
from experiments.config import Scenario
from experiments.faults import ScenarioError, meant, show
from experiments.interventions import plan
from experiments.population import open_accounts

if TYPE_CHECKING:
    from abm.agent import Participant


def build(scenario: Scenario, seed: int, check: bool = False, record: bool = True) -> CascadeModel:
    """Make the market, its participants and their accounts.

    Args:
        scenario: from ``experiments.config.load``.
        seed: of all draws; the same scenario and seed give the same run.
        check: verify conservation of every asset and the books' invariants after every step (slow).
        record: keep what ``[record]`` asks for; without it the model only steps.

    Raises:
        ScenarioError: the openings of the population do not add up to a matched book.
    """
    settings = scenario.record
    recorder = (
        Recorder(
            settings.every,
            settings.books,
            settings.accounts_at,
            settings.fills,
            settings.quotes,
            settings.levels,
        )
        if record
        else None
    )
    model = CascadeModel(
        scenario.clock,
        scenario.assets,
        scenario.contracts,
        scenario.venues,
        scenario.network,
        scenario.news,
        seed,
        recorder=recorder,
        check=check,
        brackets=bracket_tables(),
        interventions=plan(scenario) if scenario.interventions else (),
    )
    from experiments import extensions

    changed = [rules for change in model.programme.all for rules in change.rules.values()]
    model.functions = extensions.rules([*scenario.venues.values(), *changed])
    participants = enlist(scenario, model)
    try:
        open_accounts(scenario, model, participants, seed)
    except ValueError as error:
        if not str(error).startswith("population"):
            raise
        raise ScenarioError([str(error)]) from error
    _known(scenario, model)
    model.setup()
    return model


def _known(scenario: Scenario, model: CascadeModel) -> None:
    """ScenarioError unless the owners and rows that interventions name are there."""
    owners, rows = model.accounts.owner_names, model.state.count("rows")
    faults = []
    for number, change in enumerate(scenario.interventions):
        for owner in change.remove:
            if owner not in owners:
                near = meant(owner, difflib.get_close_matches(owner, list(owners), 1) or owners[:3])
                faults.append(f"interventions.{number}.remove: given {show(owner)}, no such owner, {near}")
        for one in change.absorb:
            if one.row >= rows:
                faults.append(
                    f"interventions.{number}.absorb: given row {one.row}, expected one below {rows}"
                )
    if faults:
        raise ScenarioError(faults)


def enlist(scenario: Scenario, model: CascadeModel) -> Mapping[str, Participant]:
    """One participant for each population entry, in the order of the file: the order of deciding."""
    from experiments import extensions

    participants: dict[str, Participant] = {}
    for name, entry in scenario.population.items():
        participants[name] = extensions.species(entry.species)(model, name, entry.parameters)
        model.add(participants[name])
    return participants
