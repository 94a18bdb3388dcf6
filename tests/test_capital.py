"""How much a firm may hold: claims about capital and risk, one account at two books."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from agents import capital
from tests.twins import capital as twin


def stations(**changed: Any) -> tuple[capital.Stations, capital.Books]:
    """A firm with a perpetual and a spot book of a coin on one account, a perpetual of another coin, one elsewhere."""
    columns: dict[str, Any] = {
        "row": np.array([0, 0, 0, 1]), "firm": np.zeros(4, np.int64), "book": np.arange(4),
        "held": np.array([0.0, 10.0, 0.0, 0.0]), "home": np.array([0.0, 10.0, 0.0, 0.0]), "wait": np.full(4, 600.0),
        "spot": np.array([False, True, False, False]), "price": np.array([100.0, 100.0, 10.0, 100.0]),
        "convert": np.ones(4), "sigma": np.full(4, 1e-4),
    }  # fmt: skip
    columns |= changed
    own, public = ([columns[name] for name in kind._fields] for kind in (capital.Stations, capital.Books))
    return capital.Stations(*own), capital.Books(*public)


EQUITY = np.array([10_000.0, 5_000.0])


class Limits(NamedTuple):
    coins: Any
    by_capital: Any


def compiled(own: capital.Stations, public: capital.Books, equity: Any, *rules: float) -> Limits:
    out = Limits(np.empty(len(own.row)), np.empty(len(own.row), np.bool_))
    capital.limits(*own, *public, equity, int(own.firm.max()) + 1, *rules, *out)
    return out


def found(risk: float = 1.0, equity: Any = EQUITY, **changed: Any) -> Limits:
    return compiled(*stations(**changed), equity, 3.0, risk, 1.75)


def test_in_calm_times_a_perpetual_is_limited_by_the_money_at_its_own_venue() -> None:
    limits = found()
    assert limits.coins == pytest.approx([300.0, 100.0, 3000.0, 150.0])
    assert limits.by_capital.all()


def test_what_one_coin_uses_at_a_venue_another_cannot_and_a_loss_there_takes_room_there_alone() -> None:
    used = found(held=np.array([200.0, 10.0, 0.0, 0.0]))
    assert used.coins == pytest.approx([300.0, 100.0, 1000.0, 150.0])
    poor = found(equity=np.array([2_000.0, 5_000.0]))
    assert poor.coins == pytest.approx([60.0, 20.0, 600.0, 150.0])
    ruined = found(equity=np.array([-1.0, 5_000.0]), held=np.array([50.0, 10.0, 0.0, 0.0]))
    assert ruined.coins[0] == 50.0, "what is there may be closed, nothing may be added"
    assert ruined.coins[2] < 1e-9


def test_who_has_sold_coins_is_limited_by_those_that_it_had() -> None:
    assert found(held=np.array([0.0, 4.0, 0.0, 0.0])).coins[1] == 10.0


def test_the_risk_limit_is_a_share_of_all_capital_and_shrinks_with_volatility_and_with_waiting() -> None:
    calm = found(risk=0.01)
    bearable = 0.01 * (15_000.0 + 1_000.0) / (1.75 * 1e-4 * np.sqrt(600.0)) / 100.0
    assert calm.coins[[0, 3]] == pytest.approx([300.0, 150.0])
    wild = found(risk=0.01, sigma=np.full(4, 1e-3))
    assert wild.coins[[0, 3]] == pytest.approx(bearable / 10.0)
    assert not wild.by_capital[[0, 3]].any()
    slow = found(risk=0.01, sigma=np.full(4, 1e-3), wait=np.array([600.0, 600.0, 600.0, 2400.0]))
    assert slow.coins[3] == pytest.approx(wild.coins[3] / 2.0)


@pytest.mark.parametrize("hostile", [False, True])
def test_the_compiled_limits_are_those_of_plain_numpy(hostile: bool) -> None:
    draw = np.random.default_rng(7)
    for _ in range(200):
        rows, firms, n = int(draw.integers(1, 9)), int(draw.integers(1, 4)), int(draw.integers(1, 30))
        held, home = draw.normal(0, 50, n), draw.normal(0, 50, n)
        equity = draw.lognormal(8, 2, rows)
        books = int(draw.integers(1, 9))
        sigma, wait = draw.lognormal(-9, 1, books), draw.uniform(0, 4000, n)
        if hostile:
            held[draw.random(n) < 0.4] *= 1e9
            home = np.where(draw.random(n) < 0.3, held, home)
            equity[draw.random(rows) < 0.4] *= -1.0
            sigma[draw.random(books) < 0.3] = 0.0
            wait[draw.random(n) < 0.3] = 0.0
        firm_of = draw.integers(0, firms, rows)
        row = draw.integers(0, rows, n)
        own = capital.Stations(row, firm_of[row], draw.integers(0, books, n), held, home, wait)
        public = capital.Books(
            draw.random(books) < 0.5, draw.lognormal(3, 3, books), draw.uniform(0.9, 1.1, books), sigma
        )
        rules = float(draw.uniform(0.5, 20)), float(draw.uniform(0, 1)), float(draw.uniform(0, 3))
        fast, (coins, by_capital) = (what(own, public, equity, *rules) for what in (compiled, twin.limits))
        assert fast.coins.tobytes() == coins.tobytes()
        assert fast.by_capital.tolist() == by_capital.tolist()
