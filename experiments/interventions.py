"""From the table ``[[interventions]]`` to what the engine is told: which rules hold from when on.

What may be changed in a running market: the venues' rules, the parameters of the species, news and network events
that are still to come. What counts only when a run begins (`OPENING` of a parameter model) may not, nor what a market
is made of: its clock, assets, contracts, accounts.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import BaseModel

from abm.interventions import Intervention
from experiments import config, paths
from experiments.config import Scenario
from experiments.faults import ScenarioError, show

LIVE = ("venues", "population", "news", "network")


def plan(scenario: Scenario) -> list[Intervention]:
    """The interventions of a scenario in the order of their times. Raises ScenarioError with all faults."""
    plain = config.plain(scenario)
    plain.pop("interventions", None)
    before, _ = config.resolve(plain)
    assert before is not None  # a scenario is resolved without faults
    found, faults = [], []
    for number, change in sorted(enumerate(scenario.interventions), key=lambda item: item[1].at):
        where = f"interventions.{number}"
        if change.at >= scenario.clock.duration:
            faults.append(
                f"{where}.at: given {change.at:g}, expected seconds within the run,"
                f" below {scenario.clock.duration:g}"
            )
        wrong: list[str] = []
        for path, value in change.set.items():
            wrong += paths.put(plain, path, copy.deepcopy(value))
        after, more = config.resolve(plain)
        wrong += more
        if after is not None and not wrong:
            wrong += list(_forbidden(before, after, change.at))
        faults += [f"{where}.set: {fault.removeprefix(paths.SET)}" for fault in wrong]
        if after is None or wrong:
            break
        found.append(
            Intervention(
                time_ms=round(change.at * 1000),
                rules=after.venues,
                parameters={name: entry.parameters for name, entry in after.population.items()},
                news=after.news,
                network=after.network,
                remove=change.remove,
                absorb=tuple((one.row, round(one.time * 1000)) for one in change.absorb),
            )
        )
        before = after
    if faults:
        raise ScenarioError(faults)
    return found


def faults(scenario: Scenario) -> list[str]:
    """What is wrong with the interventions of a scenario, one line each."""
    try:
        plan(scenario)
    except ScenarioError as error:
        return error.faults
    return []


def standing(scenario: Scenario, at: float) -> Scenario:
    """The scenario with the numbers that hold at a time: what its interventions until then have made of them."""
    plain = config.plain(scenario)
    plain.pop("interventions", None)
    for change in sorted(scenario.interventions, key=lambda one: one.at):
        if change.at <= at:
            for path, value in change.set.items():
                paths.put(plain, path, copy.deepcopy(value))
    found, _ = config.resolve(plain)
    assert found is not None  # what a scenario is changed to has been checked with it
    return found.model_copy(update={"interventions": scenario.interventions})


def without(plain: dict[str, Any], given: Collection[str]) -> None:
    """Take the paths that are given out of what the interventions of raw tables set."""
    for change in plain.get("interventions", ()):
        named = {path: {place for place, _ in paths.held(plain, path)} for path in change.get("set", {})}
        for path in [path for path, places in named.items() if places & set(given)]:
            value = change["set"].pop(path)
            change["set"] |= dict.fromkeys(named[path] - set(given), value)


def _forbidden(before: Scenario, after: Scenario, at: float) -> Iterator[str]:
    """What differs between two scenarios and may not be changed at a time, one line each."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if name in LIVE or old == new:
            continue
        yield f"{name}: cannot be changed in a running market, expected one of {', '.join(LIVE)}"
    for name, rules in after.venues.items():
        yield from _opening(before.venues[name], rules, f"venues.{name}")
    for name, entry in after.population.items():
        where = f"population.{name}"
        if (
            entry.species != before.population[name].species
            or entry.opening != before.population[name].opening
        ):
            yield f"{where}: species and opening count only when a run begins"
        else:
            yield from _opening(before.population[name].parameters, entry.parameters, where)
    if before.network.model_copy(update={"events": ()}) != after.network.model_copy(update={"events": ()}):
        yield "network: only its events can be changed in a running market (network.events)"
    for where, old, new in (
        ("news", before.news, after.news),
        ("network.events", before.network.events, after.network.events),
    ):
        past = [[one for one in some if before.clock.seconds(one.time) <= at] for some in (old, new)]
        if past[0] != past[1]:
            yield f"{where}: what was before {at:g} s has happened and cannot be changed"


def _opening(before: BaseModel, after: BaseModel, where: str) -> Iterator[str]:
    """Changed fields of a parameter model that count only when a run begins."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        opening: tuple[Any, ...] = getattr(type(before), "OPENING", ())
        if name in opening:
            yield f"{where}.{name}: given {show(new)}, but it counts only when a run begins"
        elif isinstance(old, BaseModel) and isinstance(new, BaseModel):
            yield from _opening(old, new, f"{where}.{name}")
