"""Claims about loops: a token held on margin of itself is sold by whoever is closed, and its price falls further."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments import config
from experiments.build import build

# alpha lists a token worth a dollar, spot and perpetual, and takes it as margin for the dollar that it pays
TOKEN = [
    ("assets.USDe", "{decimals=6, value=1.0}"),
    (
        "contracts.USDe",
        '{price=1.0, tick=0.0001, lot=1.0, beta=0.0, volatility=0.005, class="major", open_interest=2e7}',
    ),
    ("venues.alpha.perps", '["BTC", "USDe"]'),
    ("venues.alpha.spots", '["BTC", "USDe"]'),
    (
        "venues.alpha.collateral",
        '{price="own_book", assets={USDe={haircut=0.05}}, conversion={threshold=1000.0}}',
    ),
    (
        "population.loopers",
        '{species="looper", opening={kind="directional", side="long", accounts=60, coins=["USDe"], share={major=0.5},'
        " pledged={USDe=1.0}, leverage=[[1.8, 2.2, 1.0]], largest=1e6}}",
    ),
    ("news", "[]"),
    ("clock.duration", "600"),
    ("clock.burn_in", "90"),
    ("record.accounts_at", '["end"]'),
]
FLAT = (
    "population.loopers.opening",
    '{kind="desk", accounts=20, venues=["alpha"], coins=["USDe"], inventory={major=0.05}}',
)


def market(*settings: tuple[str, str]) -> Any:
    return build(config.load("two_venues", [*TOKEN, *settings]), 1, check=True)


def position(model: Any) -> Any:
    """(coins of the token's perpetual, equity, tokens) of the loopers."""
    me, one = model.desks["loopers"], next(x for x in model.participants if x.name == "loopers")
    row, perp, spot = (one.memory[name] for name in ("row", "perp", "spot"))
    return me.position(row, perp), me.equity(row), me.balance(row, model.books.base[spot])


def test_margin_is_the_token_less_its_haircut() -> None:
    held, equity, tokens = position(market())
    assert (held > 0).all() and np.allclose(equity, 0.95 * tokens, rtol=0.05)


@pytest.mark.slow
def test_a_loop_is_built_while_it_pays_and_not_below_the_hurdle() -> None:
    built = {}
    for interest in ("0.2", "0.01"):
        model = market(FLAT, ("population.loopers.interest", interest))
        assert not position(model)[0].any()
        model.run()
        built[interest], equity, _ = position(model)
    assert (built["0.2"] > 1.5 * equity).all() and (built["0.2"] <= 2.05 * equity).all()
    assert not built["0.01"].any()


@pytest.mark.slow
def test_a_loop_that_has_become_too_large_is_cut_back_to_its_target() -> None:
    model = market(("population.loopers.loop", "2.0"))
    before, equity, _ = position(model)
    assert (before > 1.7 * equity).all()
    model.run()
    after, equity, tokens = position(model)
    assert after.sum() < 1.15 * equity.sum() and after.min() > 0
    assert tokens.sum() > 0.99 * before.sum() / 2.0, "the token itself is kept"


@pytest.mark.slow
def test_who_sees_a_discount_that_he_does_not_bear_leaves_and_pushes_the_token_down() -> None:
    """The issuer pays more than the market from the start, and loopers see it, or they do not."""
    last, left, held = {}, {}, {}
    for sees, par in ((True, "1.05"), (False, "1.0")):
        model = market(
            ("population.loopers.par", par), ("population.loopers.bears", "0.0"), ("population.loopers.look", "5.0"),
        )  # fmt: skip
        before, _, owned = position(model)
        model.run()
        after, _, tokens = position(model)
        held[sees], left[sees] = after.sum() / before.sum(), tokens.sum() / owned.sum()
        last[sees] = [
            int(model.state.books["last"][model.book_id(f"alpha:USDe-{x}")]) for x in ("PERP", "SPOT")
        ]
    assert held[True] < 0.5 < held[False] and left[True] < left[False] == 1.0
    assert (np.array(last[True]) < last[False]).all(), "both books, perpetual and spot"
