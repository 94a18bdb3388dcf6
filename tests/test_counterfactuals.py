"""What another rule would have done: the run is the same, bit by bit, until the rule first acts, and not after.

Each rule is replaced in the small cascade by what `--set` would write. A rule of liquidation, fund or auto-deleveraging
acts in the first step in which an event of its kind happens under the one rule or the other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from experiments import config
from experiments.build import build
from tests import golden

WATERFALL = ("liquidation", "takeover", "bankruptcy", "adl")
FUND = ("takeover", "adl", "deficit")

# what is set, and the kinds of events by which it acts
RULES: list[tuple[str, str, tuple[str, ...]]] = [
    ("venues.*.adl.score", "profit", ("adl",)),
    ("venues.alpha.adl.price", "mark", ("adl",)),
    ("venues.alpha.adl.price", "oracle", ("adl",)),
    ("venues.beta.adl.allocate", "pro_rata_profit", ("adl",)),
    ("venues.beta.adl.allocate", "leverage_draining", ("adl",)),
    ("venues.beta.adl.allocate", "social_loss", WATERFALL),
    ("venues.alpha.liquidation.stages", '["cancel_orders", "market_slices", "take_over", "adl"]', WATERFALL),
    ("venues.beta.liquidation.stages", '["cancel_orders", "market_rounds", "backstop", "adl"]', WATERFALL),
    ("venues.gamma.liquidation.stages", '["cancel_orders", "fillable_order", "adl"]', WATERFALL),
    ("venues.alpha.liquidation.order", "fok", WATERFALL),
    ("venues.alpha.liquidation.surplus", "fund", WATERFALL),
    ("venues.alpha.liquidation.fee", "0.0", WATERFALL),
    ("venues.beta.liquidation.slice", "0.5", WATERFALL),
    ("venues.beta.liquidation.backstop", "0.3", WATERFALL),
    ("venues.alpha.fund.rule", "unlimited", FUND),
    ("venues.alpha.fund.cap", "0.2", FUND),
    ("venues.alpha.fund.rule", "exhausted", FUND),
    ("venues.alpha.halt.triggers", "[[60.0, 0.02, 30.0]]", ("halted",)),
]


# what is set, and the column in which it acts
PRICES = [
    ("venues.alpha.mark.rule", "oracle", "mark"),
    ("venues.beta.mark.window", "30.0", "mark"),
    ("venues.alpha.index.rule", "weighted_median", "index"),
    ("venues.alpha.index.stale", "1.0", "index"),
]


@cache
def record(*change: tuple[str, str]) -> Any:
    model = build(config.load(golden.FOLDER / "cascade.toml", change), 1)
    model.run()
    assert model.recorder is not None
    return model.recorder.finish()


def first_difference(one: Any, other: Any) -> float:
    """End of the first step, s, in which any recorded number differs; infinite if none does."""
    differs = np.zeros(len(one.time), bool)
    for table in ("books", "venues", "network"):
        for name, values in getattr(one, table).items():
            same = np.isclose(values, getattr(other, table)[name], rtol=0, atol=0, equal_nan=True)
            differs |= ~same.reshape(len(differs), -1).all(axis=1)
    return float(one.time[differs][0]) if differs.any() else np.inf


def first_event(record: Any, kinds: tuple[str, ...]) -> float:
    """When the first event of these kinds happened, s."""
    codes = [record.vocabularies["kind"].index(kind) for kind in kinds]
    return float(record.events["time"][np.isin(record.events["kind"], codes)].min(initial=np.inf))


@pytest.mark.parametrize(
    ("path", "value", "kinds"), RULES, ids=[f"{path}={value}" for path, value, _ in RULES]
)
def test_nothing_moves_before_the_rule_acts(path: str, value: str, kinds: tuple[str, ...]) -> None:
    trunk, other = record(), record((path, value))
    acts = min(first_event(trunk, kinds), first_event(other, kinds))
    differs = first_difference(trunk, other)
    assert acts <= differs < np.inf, "it acts, and not before"


@pytest.mark.parametrize(
    ("path", "value", "column"), PRICES, ids=[f"{path}={value}" for path, value, _ in PRICES]
)
def test_a_price_rule_moves_its_price_first(path: str, value: str, column: str) -> None:
    """What else differs, does so in the step of the price's first difference or later."""
    trunk, other = record(), record((path, value))
    differs = (trunk.books[column] != other.books[column]).any(axis=1)
    if column == "index" and not differs.any():  # one spot venue: every rule of an index says the same
        assert first_difference(trunk, other) == np.inf
    else:
        assert float(trunk.time[differs][0]) <= first_difference(trunk, other) < np.inf


def test_a_rule_set_to_what_it_is_changes_nothing() -> None:
    assert record(("venues.alpha.fund.cap", "1.0")).digest() == record().digest()
    assert first_difference(record(), record(("venues.alpha.fund.cap", "1.0"))) == np.inf
