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
from abm.liquidation import bankruptcy_amount_at
from abm.messages import POST_ONLY
from agents.exchange import Exchange
from experiments.checks import bracket_tables
from tests.twins.market import ETH, PERP, SPOT, Desk, small_model
from tests.waterfalls import STAGES

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
    whole = desk({"fee": 0.0, "stages": STAGES["bankruptcy"]}, tables=bracket_tables(), brackets="BTCUSDT")
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

MARKET = {"stages": STAGES["market"], "fee": 0.0}


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


# ---------------------------------------------------------------- other rule books


TIERS = ((0, 0.01, 0, 0.02), (100_000 * USD, 0.02, 1000 * USD, 0.04), (200_000 * USD, 0.04, 5000 * USD, 0.08),
         (400_000 * USD, 0.08, 21_000 * USD, 0.16))  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "coins", "sold"),
    [
        ({"tiers": 2, "whole_up_to": 2}, 5000, 3000),  # from the fourth bracket to the top of the second
        ({"tiers": 2, "whole_up_to": 2}, 3000, 2000),  # from the third to the top of the first
        ({"tiers": 2, "whole_up_to": 2}, 1500, 1500),  # in the second: whole
        ({"tiers": 1, "whole_up_to": 1}, 5000, 1000),
        ({"tiers": 0, "whole_up_to": 1}, 5000, 3000),  # at once to the largest that the margin carries
    ],
)
def test_a_position_goes_down_by_brackets(rule: dict[str, int], coins: int, sold: int) -> None:
    """OKX and Bitget: two brackets at a time, those in the lowest two whole; Bybit: to the one that fits."""
    d = desk({"fee": 0.0, **rule})
    d.set_brackets(PERP, *TIERS)
    needed = {5000: 19_000, 3000: 7_000, 1500: 2_000}[coins]
    cash = 3_500 if coins == 5000 else needed - 1
    row = long(d, "ann", cash, coins * 1000)
    d.place(d.bob, PERP, 1, 1000, 20_000_000)
    fall(d, 1000)
    first = d.tape()[0]
    assert first[5] == sold * 1000
    assert d.lots(row) == (coins - sum(t[5] for t in d.tape()) // 1000) * 1000
    assert d.margin(row)[0] >= d.margin(row)[1], "and again as often as it takes"


def test_fill_or_kill_finds_all_or_nothing() -> None:
    """Bybit: what the book cannot take whole at the bankruptcy price goes to the fund whole."""
    for order, from_book in (("ioc", 400), ("fok", 0)):
        d = desk({"order": order, "fee": 0.0})
        row = long(d, "ann", 5)
        d.place(d.bob, PERP, 1, 955, 400)
        fall(d, 956)
        assert sum(t[5] for t in d.tape()) == from_book
        assert (d.lots(row), d.lots(FUND)) == (0, 1000 - from_book)


@pytest.mark.parametrize(("surplus", "left"), [("account", 500_000), ("fund", 0)])
def test_who_has_what_an_order_brings_above_bankruptcy(surplus: str, left: int) -> None:
    """Sold at 95.5 where 95 was bankruptcy. Bybit and BitMEX: the fund; Binance: the account, less a fee."""
    d = desk({"fee": 0.0, "surplus": surplus})
    row = long(d, "ann", 5)
    d.place(d.bob, PERP, 1, 955, 1000)
    fall(d, 958)
    assert d.cash(row) == left
    assert fund_equity(d) == 1000 * USD + 500_000 - left


def test_the_bankruptcy_price_pays_the_takers_fee() -> None:
    """At 0.5 % the sale at 95.4 costs 47.7 cents: 5 dollars carry a price of 95.5, not one of 95."""
    for side, price in ((1, 955), (-1, 1044)):
        d = desk({"fee": 0.0})
        d.state.books["taker_fee"][PERP] = 500_000
        row = d.open("ann", cash=5 * USD)
        d.hold(PERP, 100.0, {row: side * 1000, d.bob: -side * 1000})
        d.place(d.bob, PERP, side, price - side, 500)  # beyond it
        d.place(d.bob, PERP, side, price, 500)
        fall(d, price + side * 2)
        assert [(t[4], t[5]) for t in d.tape()] == [(price, 500)]


def test_many_small_market_orders_stop_as_soon_as_the_account_is_healthy() -> None:
    """Deribit: market orders of a fixed size, so many a second, futures first, until equity is above maintenance."""
    d = desk({"stages": STAGES["rounds"], "fee": 0.0, "round_value": 1000.0, "rounds": 20})
    d.set_brackets(PERP, (0, 0.05, 0, 0.1))
    row = long(d, "ann", 600, 200_000)  # 20,000 dollars; 600 carry 12,000
    d.place(d.bob, PERP, 1, 1000, 200_000)
    fall(d, 1000)
    assert [t[5] for t in d.tape()] == [10_000] * 8
    assert d.margin(row)[:2] == (600 * USD, 600 * USD)


def test_rounds_go_on_in_the_next_step() -> None:
    d = desk({"stages": STAGES["rounds"], "fee": 0.0, "round_value": 1000.0, "rounds": 3})
    d.set_brackets(PERP, (0, 0.05, 0, 0.1))
    row = long(d, "ann", 600, 200_000)
    d.place(d.bob, PERP, 1, 1000, 200_000)
    left = []
    for _ in range(4):
        fall(d, 1000)
        left.append(d.lots(row))
    assert left == [170_000, 140_000, 120_000, 120_000] and d.lots(FUND) == 0


def test_what_the_book_does_not_take_in_rounds_the_fund_takes() -> None:
    d = desk({"stages": STAGES["rounds"], "fee": 0.0, "round_value": 1000.0, "rounds": 3}, {"cash": 1e6})
    d.set_brackets(PERP, (0, 0.05, 0, 0.1))
    row = long(d, "ann", 600, 200_000)
    d.place(d.bob, PERP, 1, 1000, 15_000)
    fall(d, 1000)
    assert (d.lots(row), d.lots(FUND)) == (0, 185_000)


def test_a_fillable_order_is_between_the_mark_and_ruin() -> None:
    """V26, V27 (dYdX): long 0.1 at an oracle of 50,000. Quote -4,501: 499 of 500 dollars of maintenance are left and
    the price is 49,999 with a spread of one tenth; -5,000: nothing is left, 49,500."""
    for quote, price in ((4501, 49_999), (5000, 49_500)):
        d = desk(
            {"stages": STAGES["fillable"], "fee": 0.0, "spread": 0.1, "portion": 1.0}, {"rule": "none", "cash": 0.0},
            price=50_000.0, tick=1.0,
        )  # fmt: skip
        d.set_brackets(PERP, (0, 0.1, 0, 0.2))
        row = d.open("ann", cash=(5000 - quote) * USD)
        d.hold(PERP, 50_000.0, {row: 100, d.bob: -100})
        d.place(d.bob, PERP, 1, price - 1, 100)
        d.place(d.bob, PERP, 1, price, 50)
        fall(d, 50_000)
        assert d.tape() == [(PERP, d.bob, row, -1, price, 50)]
        # a sale at 49,500 of an account with nothing: 25 dollars are missing, and winners close the rest
        assert d.lots(row) == (50 if quote == 4501 else 0) and len(d.events("adl")) == (quote == 5000)


@pytest.mark.parametrize(("bid", "fund_has"), [(985, 14_750), (971, 1_000), (968, -2_000)])
def test_the_fee_of_a_fillable_order_is_what_it_brings_above_bankruptcy_at_most(
    bid: int, fund_has: int
) -> None:
    """dYdX: 10 of 100 coins at 97.5 with 50 dollars left, bankrupt at 97. A fee of 1.5 % of 98.5 would be 14.78: 15 are
    there. Sold at 97.1 the fund has one dollar, at 96.8 it pays two."""
    d = desk(
        {"stages": STAGES["fillable"], "fee": 0.015, "portion": 0.1, "portion_least": 0.0},
        {"rule": "exhausted", "cash": 1000.0},
    )
    d.set_brackets(PERP, (0, 0.03, 0, 0.05))
    row = long(d, "ann", 300, 100_000)
    before = fund_equity(d)
    d.place(d.bob, PERP, 1, bid, 10_000)
    fall(d, 975)
    assert d.lots(row) == 90_000
    assert (fund_equity(d) - before) // 1000 == (14_775 if bid == 985 else fund_has)


def test_fillable_orders_have_a_most() -> None:
    d = desk({"stages": STAGES["fillable"], "fee": 0.0, "portion": 0.5, "portion_most": 500.0})
    d.set_brackets(PERP, (0, 0.05, 0, 0.1))
    row = long(d, "ann", 400, 100_000)
    d.place(d.bob, PERP, 1, 1000, 100_000)
    fall(d, 1000)
    assert d.lots(row) == 95_000


ETH_TIERS = ((0, 0.02, 0, 0.04), (100 * USD, 0.05, 3 * USD, 0.1), (200 * USD, 0.1, 13 * USD, 0.2),
             (300 * USD, 0.15, 28 * USD, 0.3))  # fmt: skip


def two_coins(d: Desk, cash: float, eth: int) -> int:
    """A thousand dollars of BTC and an ETH at 50 dollars each, bought at the mark."""
    row = d.open("ann", cash=round(cash * USD))
    d.hold(PERP, 100.0, {row: 10_000, d.bob: -10_000})
    d.hold(ETH, 50.0, {row: eth, d.bob: -eth})
    d.set_mark(ETH, 500 * TICKS)
    return row


def test_the_position_that_can_be_reduced_is_not_always_the_largest() -> None:
    """BTC of 1,000 dollars in the lowest bracket, ETH of 450 in the fourth: the ETH goes down."""
    d = desk({"fee": 0.0, "tiers": 2, "whole_up_to": 2})
    d.set_brackets(ETH, *ETH_TIERS)
    row = two_coins(d, 40, 900)
    d.place(d.bob, PERP, 1, 1000, 100_000)
    d.place(d.bob, ETH, 1, 500, 100_000)
    fall(d, 1000)
    assert (d.lots(row), d.lots(row, ETH)) == (10_000, 400)


def test_a_short_that_gains_is_liquidated_with_the_long_of_its_account() -> None:
    """Long 1,800 dollars of ETH, short 1,000 of BTC: ETH falls by 2 %, BTC does not, and both legs are closed."""
    d = desk({"fee": 0.0, "stages": STAGES["bankruptcy"]}, {"cash": 1e6})
    d.set_brackets(ETH, (0, 0.01, 0, 0.02))
    row = d.open("ann", cash=40 * USD)
    d.hold(PERP, 100.0, {row: -10_000, d.bob: 10_000})
    d.hold(ETH, 50.0, {row: 3_600, d.bob: -3_600})
    d.place(d.bob, PERP, -1, 1000, 100_000)
    d.place(d.bob, ETH, 1, 490, 100_000)
    d.set_mark(ETH, 490 * TICKS)
    fall(d, 1000)
    assert d.lots(row) == d.lots(row, ETH) == 0
    alpha = d.model.state.venues[0]
    closed = [alpha[f"liquidated_{side}"] / USD for side in ("short", "long")]  # at bankruptcy prices
    assert closed == pytest.approx([1000, 1764], rel=0.04)


def test_a_dry_book_ends_the_orders_in_its_own_contract_only() -> None:
    d = desk({"fee": 0.0, "stages": STAGES["bankruptcy"]}, {"cash": 1e6})
    d.set_brackets(ETH, (0, 0.01, 0, 0.02))
    row = two_coins(d, 9, 1800)
    d.place(d.bob, PERP, 1, 1000, 100)
    d.place(d.bob, ETH, 1, 500, 100_000)
    fall(d, 1000)
    assert d.lots(row) == d.lots(row, ETH) == 0
    assert (d.lots(FUND), d.lots(FUND, ETH)) == (9_900, 0), "the ETH was sold to the last"


@pytest.mark.parametrize(
    ("by", "amounts"), [("value", (950, 950)), ("maintenance", (976.923077, 923.076923))]
)
def test_equity_is_shared_by_value_or_by_maintenance(by: str, amounts: tuple[float, float]) -> None:
    """dYdX: two longs of 1,000 dollars that ask for 30 and 100, 100 dollars of equity."""
    d = desk({"shared_by": by})
    d.set_brackets(PERP, (0, 0.03, 0, 0.05))
    d.set_brackets(ETH, (0, 0.1, 0, 0.2))
    row = two_coins(d, 100, 2000)
    got = [bankruptcy_amount_at(d.address, row, d.place_of(row, book)) / USD for book in (PERP, ETH)]
    assert got == pytest.approx(amounts, abs=1e-5)
    assert sum(got) == pytest.approx(1900, abs=1e-5)


def test_what_a_waterfall_does_is_recorded_by_stage() -> None:
    from abm.liquidation import STAGES as NAMES

    d = desk()
    long(d, "ann", 5)
    d.place(d.bob, PERP, 1, 955, 400)
    fall(d, 958)
    events = d.state.events[: d.state.count("events")]
    assert [NAMES[e["stage"]] for e in events] == ["bankruptcy_order", "take_over"]


def test_a_waterfall_without_an_end_leaves_the_account_where_it_is() -> None:
    d = desk({"stages": ("cancel_orders", "bankruptcy_order")})
    row = long(d, "ann", 5)
    fall(d, 940)
    assert d.lots(row) == 1000 and d.margin(row)[0] < 0
    d.place(d.bob, PERP, 1, 960, 1000)
    fall(d, 958)
    assert d.lots(row) == 0, "it is looked at again in every step"
