"""Claims about what happens to an account under maintenance: the book, the fund, the vault, auto-deleveraging.

One BTC perpetual at 100 dollars (1,000 ticks); 1,000 lots are one coin, so a tick is ten cents of it. Maintenance
margin is 1 % unless a test says otherwise, trading is free, so that every number can be computed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from abm import insurance
from abm.insurance import highest
from abm.messages import POST_ONLY
from agents.exchange import Exchange
from experiments.checks import bracket_tables
from tests.twins.market import PERP, SPOT, Desk, small_model

USD = 10**6
TICKS = 1024  # of a mark
FEES, FUND, CAPITAL = 0, 1, 2  # alpha's own rows


def desk(
    liquidation: Mapping[str, Any] | None = None, fund: Mapping[str, Any] | None = None, **more: Any
) -> Desk:
    """Alpha with these rules of liquidation and fund; bob buys and sells whatever is asked."""
    rules = {
        "fees": {"maker": 0.0, "taker": 0.0},
        "orders": {"band": 0.0},
        "liquidation": dict(liquidation or {}),
        "fund": {"cash": 1000.0} | dict(fund or {}),
    }
    d = Desk(small_model(rules, check=True, **more))
    d.set_brackets(PERP, (0, 0.01, 0, 0.02))
    d.bob = d.open("bob", cash=10**15)
    return d


def long(d: Desk, name: str, cash: float, lots: int = 1000) -> int:
    """An account that bought at 100 dollars."""
    row = d.open(name, cash=round(cash * USD))
    d.hold(PERP, 100.0, {row: lots, d.bob: -lots})
    return row


def fall(d: Desk, ticks: float) -> None:
    """The mark is there, and the venue acts."""
    d.set_mark(PERP, round(ticks * TICKS))
    d.model.liquidate()
    d.model.deleverage()
    assert d.faults() == []


def fund_equity(d: Desk) -> int:
    return d.margin(FUND)[0]


# ---------------------------------------------------------------- into the book, down to the bankruptcy price


def test_a_failing_long_is_sold_into_the_book_and_keeps_what_is_left_after_the_fee() -> None:
    d = desk()
    row = long(d, "ann", 5)  # 20 times leverage: bankrupt at 95, maintenance reached near 95.96
    d.place(d.bob, PERP, 1, 955, 1000, POST_ONLY)
    fall(d, 960)
    assert d.lots(row) == 1000, "at 96 dollars a dollar is left and 96 cents are asked for"
    fall(d, 958)
    assert d.lots(row) == 0
    assert d.tape() == [(PERP, d.bob, row, -1, 955, 1000)]
    fee = 95_500_000 * 5 // 1000  # half a per cent of what was sold
    assert d.cash(row) == 500_000 - fee == 22_500
    assert fund_equity(d) == 1000 * USD + fee
    (event,) = d.events("liquidation")
    assert (event["row"], event["side"], event["qty"], event["price"]) == (row, 1, 1000, 955 * TICKS)
    assert (event["mark"], event["value"], event["amount"]) == (958 * TICKS, 95_500_000, fee)
    assert int(d.state.venues["liquidated_long"][0]) == 95_500_000


def test_a_failing_short_is_bought_back() -> None:
    d = desk({"fee": 0.0})
    row = d.open("ann", cash=5 * USD)
    d.hold(PERP, 100.0, {row: -1000, d.bob: 1000})
    d.place(d.bob, PERP, -1, 1045, 1000)
    fall(d, 1042)
    assert (d.lots(row), d.cash(row)) == (0, 500_000)
    assert int(d.state.venues["liquidated_short"][0]) == 104_500_000
    assert int(d.state.venues["liquidated_long"][0]) == 0


def test_nothing_is_sold_below_the_bankruptcy_price_and_the_fund_takes_the_rest() -> None:
    d = desk()
    row = long(d, "ann", 5)
    d.place(d.bob, PERP, 1, 955, 400)
    d.place(d.bob, PERP, 1, 949, 1000)
    fall(d, 958)
    assert [(t[4], t[5]) for t in d.tape()] == [(955, 400)]
    assert d.queue(PERP, 1)[0][0] == 949
    assert (d.lots(row), d.cash(row), d.entry(row)) == (0, 0, 0), "the account ends at exactly zero"
    assert d.lots(FUND) == 600
    # what the account had at the mark, 5 - 0.4 x 4.5 - 0.6 x 4.2 dollars, is the fund's now, fee and all
    assert fund_equity(d) == 1000 * USD + 680_000
    assert int(d.state.venues["liquidated_long"][0]) == 38_200_000 + d.events("takeover")[0]["value"], (
        "each once"
    )


def test_a_gap_through_the_bankruptcy_price_is_the_funds_loss() -> None:
    d = desk()
    row = long(d, "ann", 5)
    d.place(d.bob, PERP, 1, 935, 1000)
    fall(d, 940)
    assert d.tape() == [], "there is nobody to sell to at 95 dollars"
    assert (d.lots(row), d.cash(row), d.lots(FUND)) == (0, 0, 1000)
    assert fund_equity(d) == 999 * USD
    assert d.events("takeover")[0]["price"] == 950 * TICKS


def test_a_large_position_is_reduced_to_the_bracket_that_its_margin_carries() -> None:
    d = desk({"fee": 0.0}, tables=bracket_tables(), brackets="BTCUSDT")
    d.state.books["bracket"][PERP], d.state.books["brackets"][PERP] = d.state.books[["bracket", "brackets"]][
        1
    ]
    row = long(d, "ann", 2000, 5_000_000)  # half a million dollars: 2,200 needed, 1,200 at 300,000
    d.place(d.bob, PERP, 1, 1000, 5_000_000)
    fall(d, 1000)
    assert d.lots(row) == 3_000_000
    assert d.margin(row)[:2] == (2000 * USD, 1200 * USD)
    whole = desk({"fee": 0.0, "partial": False}, tables=bracket_tables(), brackets="BTCUSDT")
    whole.state.books["bracket"][PERP] = whole.state.books["bracket"][1]
    whole.state.books["brackets"][PERP] = whole.state.books["brackets"][1]
    row = long(whole, "ann", 2000, 5_000_000)
    whole.place(whole.bob, PERP, 1, 1000, 5_000_000)
    fall(whole, 1000)
    assert whole.lots(row) == 0, "a venue that does not reduce closes all"


def test_the_fee_is_never_more_than_what_is_left() -> None:
    d = desk()
    row = long(d, "ann", 5)
    d.place(d.bob, PERP, 1, 951, 1000)  # ten cents above bankruptcy; the fee would be 47
    fall(d, 958)
    assert d.cash(row) == 0
    assert fund_equity(d) == 1000 * USD + 100_000


def test_the_accounts_own_orders_go_first() -> None:
    d = desk()
    row = d.open("ann", cash=5 * USD)
    d.hold(PERP, 100.0, {row: 1000, d.bob: -1000})
    d.place(row, PERP, -1, 1100, 900)
    d.place(d.bob, PERP, 1, 955, 1000)
    fall(d, 958)
    assert d.queue(PERP, -1) == [] and int(d.state.rows["open"][row]) == 0


def test_whoever_is_most_under_water_meets_the_book_first() -> None:
    d = desk({"fee": 0.0})
    better, worse = long(d, "better", 5.1), long(d, "worse", 4.4)
    d.place(d.bob, PERP, 1, 956, 1000)
    fall(d, 957)
    assert [t[2] for t in d.tape()] == [worse]
    assert d.lots(better) == d.lots(worse) == 0 and d.lots(FUND) == 1000
    assert d.cash(worse) == 0 and d.cash(better) == 0


# ---------------------------------------------------------------- into the book at any price, then the vault

MARKET = {"style": "market", "fee": 0.0}


@pytest.mark.parametrize(("cash", "fund_pays", "venue_pays"), [(1000, 15, 0), (10, 10, 5), (0, 0, 15)])
def test_what_the_book_gives_too_little_the_fund_pays_and_then_the_venue(
    cash: float, fund_pays: int, venue_pays: int
) -> None:
    """V22 (dYdX): deposit 100, long 500 at 1, sold at 0.77: 15 dollars are missing."""
    d = desk(MARKET, {"cash": cash}, price=1.0, tick=0.01, lot=1.0)
    d.set_brackets(PERP, (0, 0.03, 0, 0.06))
    row = d.open("ann", cash=100 * USD)
    d.hold(PERP, 1.0, {row: 500, d.bob: -500})
    d.place(d.bob, PERP, 1, 77, 500)
    fall(d, 82)  # equity 10, maintenance 12.3
    assert (d.lots(row), d.cash(row)) == (0, 0)
    assert fund_equity(d) == (cash - fund_pays) * USD
    assert d.cash(CAPITAL) == -venue_pays * USD
    (event,) = d.events("deficit")
    assert (event["value"], event["amount"]) == (15 * USD, venue_pays * USD)


@pytest.mark.parametrize(("wait", "left"), [(29, 0), (30, 1_280_000)])
def test_a_large_position_is_sliced_and_in_the_cooldown_sold_whole(wait: int, left: int) -> None:
    """Hyperliquid: a fifth of a position above 100,000 dollars, then for 30 seconds orders of the full size."""
    d = desk(MARKET)
    row = long(d, "ann", 1500, 2_000_000)
    d.place(d.bob, PERP, 1, 1000, 2_000_000)
    fall(d, 1000)
    assert d.lots(row) == 1_600_000, (
        "1,500 dollars are still less than one per cent of 160,000: no second slice now"
    )
    d.pass_time(wait)
    fall(d, 1000)
    assert d.lots(row) == left
    assert d.margin(row)[0] == 1500 * USD, "sold at the mark, it costs nothing"


def test_below_two_thirds_of_maintenance_the_vault_takes_it_without_touching_the_book() -> None:
    d = desk(MARKET, {"rule": "vault"})
    row = long(d, "ann", 5)
    d.place(d.bob, PERP, 1, 990, 1000)
    fall(d, 956)  # 60 cents of 95.6: below two thirds
    assert d.tape() == []
    assert (d.lots(row), d.cash(row), d.lots(FUND)) == (0, 0, 1000)
    assert fund_equity(d) == 1000 * USD + 600_000


def test_a_vault_under_water_is_deleveraged_itself() -> None:
    d = desk(MARKET, {"rule": "vault", "cash": 5.0})
    row = long(d, "ann", 5)
    fall(d, 956)
    assert d.lots(FUND) == 1000
    fall(d, 943)  # 5.60 dollars less 1.30 a coin: it still lives
    assert d.lots(FUND) == 1000
    fall(d, 890)
    assert d.lots(FUND) == 0 and d.lots(d.bob) == 0
    assert fund_equity(d) == 0, "closed at the price that leaves it nothing"
    assert d.cash(row) == 0


# ---------------------------------------------------------------- how far a fund goes


@pytest.mark.parametrize(
    ("rule", "cap", "cash", "mark", "takes"),
    [
        ("none", 1.0, 0, 958, False),
        ("notional_cap", 1.0, 96, 958, True),  # 95.80 dollars of inventory
        ("notional_cap", 1.0, 95, 958, False),
        ("notional_cap", 1.0, 94, 940, False),  # 94 dollars, but one of the fund's own is lost with it
        ("notional_cap", 1.0, 96, 940, True),
        ("notional_cap", 2.0, 48, 958, True),
        ("drawdown", 0.3, 10, 940, True),  # a loss of one in ten
        ("drawdown", 0.3, 10, 920, False),  # of three in ten
        ("vault", 1.0, 2, 940, True),
        ("vault", 1.0, 1, 940, False),  # nothing would be left of it
    ],
)
def test_a_fund_takes_over_as_far_as_its_rule_goes(
    rule: str, cap: float, cash: float, mark: int, takes: bool
) -> None:
    d = desk({}, {"rule": rule, "cap": cap, "cash": float(cash)})
    row = long(d, "ann", 5)
    highest(d.address, len(d.state.books), 300_000, cash * USD)
    d.set_mark(PERP, mark * TICKS)
    assert bool(insurance.accepts_at(d.address, 0, row)) == takes
    fall(d, mark)
    assert d.lots(FUND) == (1000 if takes else 0)
    assert (d.lots(row), d.cash(row)) == (0, 0), "either way the account is closed and ends at zero"
    assert len(d.events("adl")) == (0 if takes else 1)


def test_a_fund_nets_what_it_takes_against_what_it_has() -> None:
    d = desk({}, {"cash": 60.0})
    d.hold(PERP, 100.0, {FUND: -600, d.bob: 600})
    long(d, "ann", 5)
    fall(d, 958)
    assert d.lots(FUND) == 400, "600 short and 1,000 long are 400, 38 dollars, within the fund's means"


def test_inventory_is_sold_slowly_by_the_exchange_and_never_beyond_zero() -> None:
    d = desk({}, {"disposal": 0.1, "cash": 10_000.0})
    model = d.model
    model.add(Exchange(model, "exchange"))
    row = long(d, "ann", 500, 100_000)
    model.setup()
    fall(d, 958)
    assert d.lots(FUND) == 100_000 and d.lots(row) == 0
    coins = d.open("spot maker", cash=10**12, coins=10**12)
    for k in range(40):
        d.place(d.bob, PERP, 1, 957 - k, 1_000_000)
    d.place(d.bob, PERP, -1, 959, 1_000_000)
    d.place(coins, SPOT, 1, 957, 1)
    d.place(coins, SPOT, -1, 959, 1)
    seen = [100_000]
    for _ in range(160):
        model.step()
        seen.append(d.lots(FUND))
    sold = -np.diff(seen)
    assert (sold >= 0).all() and seen[-1] == 0
    begun = int(np.argmax(sold > 0)) + 1
    expected = seen[begun] * np.exp(-0.1 * np.arange(30))
    assert seen[begun : begun + 30] == pytest.approx(expected, rel=0.001, abs=3), (
        "a tenth of what is left a second"
    )
    assert d.faults() == []
