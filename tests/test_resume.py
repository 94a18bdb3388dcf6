"""Whoever takes part and whatever the rules: a run that is saved in its worst minute and goes on in another model, from
nothing but arrays and JSON, ends in the same bits as the run that never stopped.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

import agents
from abm import adl, exam
from abm.causes import EVENT_KINDS
from abm.model import CascadeModel
from abm.venue import VenueRules
from experiments import config
from experiments.build import build
from tests.test_conservation import crowded
from tests.test_participants import SETTINGS
from tests.test_snapshot import from_bytes, to_bytes, values
from tests.twins.market import state_hash
from tests.waterfalls import STAGES


def resumed(make: Callable[[], CascadeModel], middle: int, end: int) -> tuple[CascadeModel, Counter[str]]:
    """Check it: the model that never stopped, and how many events of each kind came after the middle."""
    whole, other = make(), make()
    seen: Counter[str] = Counter()

    def look() -> None:
        s = whole.state
        seen.update(EVENT_KINDS[e["kind"]] for e in s.events[: s.count("events")])

    whole.run(middle)
    saved = to_bytes(whole.snapshot())
    whole.phases.insert([name for name, _ in whole.phases].index("record"), ("look", look))
    whole.run(end - middle)
    other.restore(from_bytes(*saved))
    other.run(end - middle)
    assert state_hash(other.state) == state_hash(whole.state)
    (archive, text), (again, told) = to_bytes(whole.snapshot()), to_bytes(other.snapshot())
    assert text == told
    if whole.recorder is not None and other.recorder is not None:
        assert whole.recorder.finish().digest() == other.recorder.finish().digest()
    for what in ("memory", "heard", "network", "loans", "delay", "withdrawals", "minted", "reported"):
        assert values(archive, what) == values(again, what), what
    return whole, seen


# ---------------------------------------------------------------- every rule


def named(
    rules: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Path and names of every choice among named rules that a venue's rule book has."""
    for name, field in rules.model_fields.items():
        kind = field.annotation
        if typing.get_origin(kind) is typing.Literal:
            yield (*path, name), typing.get_args(kind)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from named(kind, (*path, name))


CHOICES = dict(named(VenueRules)) | {
    ("adl", "score"): adl.SCORES,
    ("adl", "allocate"): adl.ALLOCATIONS,
    ("adl", "price"): adl.PRICES,
    ("liquidation", "stages"): tuple(
        (stages[0], "convert_collateral", *stages[1:]) for stages in STAGES.values()
    ),
}  # fmt: skip
MARKETS = max(map(len, CHOICES.values()))


def rule_book(number: int) -> dict[str, Any]:
    """Of each choice the name of that number, counted round: as many rule books as the longest choice has names hold
    every name of every choice."""
    book: dict[str, Any] = {
        "fees": {"maker": -0.0001, "taker": 0.0005},
        "orders": {"rate_limit": 50 if number % 2 else 0, "band": 0.0},
        "gateway": {"rate": 200.0, "capacity": 500} if number % 3 == 0 else {},
        "fund": {"cash": 900.0, "cap": 0.6, "threshold": 5.0},
        "liquidation": {"slice_above": 60.0, "round_value": 30.0},
        "halt": {"triggers": ((20.0, 0.15, 4.0),)} if number % 4 in (1, 2) else {},
        "collateral": {
            "assets": {"BTC": {"haircut": 0.2, "redemption": 90.0, "floor": 60.0}},
            "conversion": {"threshold": 40.0, "every": 5.0, "limit": 10.0},
        },
    }
    for path, names in CHOICES.items():
        *tables, last = path
        table = book
        for key in tables:
            table = table.setdefault(key, {})
        table[last] = names[number % len(names)]
    return book


@pytest.mark.parametrize("number", range(MARKETS))
def test_a_run_goes_on_whatever_the_rules(number: int) -> None:
    """Prices fall by 60 % shortly before the middle and come back after it; beta's rules are those five further on."""
    rules = [rule_book(number), rule_book(number + 5)]
    gaps = {40: float(np.log(0.4)), 58: float(np.log(2.5))}

    def make() -> CascadeModel:
        model = crowded(rules, 11, gaps)
        model.setup()
        return model

    _, seen = resumed(make, 44, 75)
    assert seen["liquidation"] + seen["bankruptcy"] > 5 and seen["adl"] + seen["takeover"] > 3, seen


# ---------------------------------------------------------------- everybody


@pytest.mark.parametrize("name", sorted(agents.SPECIES))
def test_a_run_goes_on_whoever_takes_part(name: str) -> None:
    """In the market of the exam, after the news and before the minute in which nobody quotes."""
    species = agents.SPECIES[name]

    def make() -> CascadeModel:
        model = exam._market(1)
        exam._open_accounts(model, species.runs_venues)
        model.add(exam._Desk(model))
        model.add(species(model, exam.NAME, species.Parameters(**SETTINGS.get(name, {}))))
        model.setup()
        return model

    whole, _ = resumed(make, 110, 160)
    assert int(whole.state.meta["messages"][0]) > 500


@pytest.mark.slow
def test_october_goes_on_from_the_minute_of_its_largest_liquidations() -> None:
    """All its species, venues, collateral and networks, 100,000 accounts; stopped venues and queues included."""
    scenario = config.load("october_2025")
    middle = scenario.clock.burn_in_steps + 75 * 60

    def make() -> CascadeModel:
        return build(scenario, 1)

    whole, seen = resumed(make, middle, middle + 120)
    assert seen["liquidation"] > 100 and seen["adl"] > 10 and seen["takeover"] > 10, seen
    assert len(whole.network.under_way()) > 10 and not whole.withdrawals_open.all()
