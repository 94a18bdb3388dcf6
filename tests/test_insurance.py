"""Claims about funds: when they stop taking over and begin again, pools that fail alone, debts that the venue pays.

One BTC perpetual at 100 dollars, one ETH perpetual at 50; 1,000 lots of BTC and 100 of ETH are a coin. Nobody quotes,
so what fails goes to a fund or to auto-deleveraging.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from abm import insurance, ledger
from abm.insurance import BINS, FundRule, highest, symbol_trigger
from agents.exchange import Exchange
from tests.twins.market import ETH, PERP, Desk, small_model

USD = 10**6
TICKS = 1024
FEES, FUND, CAPITAL = 0, 1, 2
HOUR = 3_600_000


def desk(fund: Mapping[str, Any], adl: Mapping[str, Any] | None = None) -> Desk:
    """Alpha with this fund; bob holds the other side of everything."""
    rules = {
        "fees": {"maker": 0.0, "taker": 0.0},
        "orders": {"band": 0.0},
        "liquidation": {"fee": 0.0},
        "fund": dict(fund),
        "adl": dict(adl or {}),
    }
    d = Desk(small_model(rules, check=True))
    for book in (PERP, ETH):
        d.set_brackets(book, (0, 0.01, 0, 0.02))
    d.bob = d.open("bob", cash=10**15)
    return d


def hold(d: Desk, name: str, cash: float, **lots: int) -> int:
    """An account that bought BTC at 100 dollars, ETH at 50."""
    row = d.open(name, cash=round(cash * USD))
    for coin, number in lots.items():
        book, price = (PERP, 100.0) if coin == "BTC" else (ETH, 50.0)
        d.hold(book, price, {row: number, d.bob: -number})
    return row


def mark(d: Desk, btc: float | None = None, eth: float | None = None) -> None:
    """Marks in dollars, and what the venue then does."""
    if btc is not None:
        d.set_mark(PERP, round(btc * 10 * TICKS))
    if eth is not None:
        d.set_mark(ETH, round(eth * 10 * TICKS))
    d.model.liquidate()
    d.model.deleverage()
    d.state.meta["now"] += 1000
    assert d.faults() == []


def equity(d: Desk, row: int = FUND) -> float:
    return d.margin(row)[0] / USD


# ---------------------------------------------------------------- the highest of a window


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-1000, 1000)), min_size=1, max_size=120))
def test_the_highest_of_a_window_is_exact_but_for_its_oldest_bin(moves: list[tuple[int, int]]) -> None:
    d = desk({})
    now, width, seen = -7, 10, []
    for wait, value in moves:
        now += wait
        d.state.meta["now"] = now
        seen.append((now // width, value))
        expected = max(v for k, v in seen if k > now // width - BINS)
        assert highest(d.address, PERP, width, value) == expected


# ---------------------------------------------------------------- drawdown and its end


def test_a_fund_that_lost_three_tenths_stops_and_goes_on_when_a_quarter_is_missing() -> None:
    """10 dollars, holding a coin that it took at 95: it has lost 3 at 92, and less than 2.5 above 92.5."""
    d = desk({"rule": "drawdown", "cash": 10.0})
    mark(d)
    hold(d, "first", 5, BTC=1000)
    mark(d, 95.5)
    assert d.lots(FUND) == 1000 and equity(d) == 10.5
    mark(d, 92.0)
    assert d.state.pools["closed"][0] == 1 and equity(d) == 7.0
    mark(d, 92.6)
    again = hold(d, "again", 8, BTC=1000)  # bankrupt at 92
    assert not insurance.accepts_at(d.address, 0, again), "0.276 of the highest is missing: not before 0.25"
    mark(d, 92.7)
    assert d.state.pools["closed"][0] == 1
    mark(d, 93.0)
    assert d.state.pools["closed"][0] == 0 and insurance.accepts_at(d.address, 0, again)


def test_eight_hours_later_the_peak_is_forgotten() -> None:
    d = desk({"rule": "drawdown", "cash": 10.0})
    mark(d)
    d.state.holdings["amount"][d.state.rows["holdings"][FUND]] -= 4 * USD
    d.state.holdings["amount"][d.state.rows["holdings"][CAPITAL]] += 4 * USD
    mark(d)
    assert d.state.pools["closed"][0] == 1
    for _ in range(9):
        d.state.meta["now"] += HOUR
        mark(d)
    assert d.state.pools["closed"][0] == 0


# ---------------------------------------------------------------- one symbol of a pool


def test_what_a_pool_loses_in_one_symbol_beyond_three_tenths_is_deleveraged_and_no_more() -> None:
    """V38 in the engine: a million in the pool, 10,000 coins taken over at 95, 350,000 lost at 60: 50,000 go to ADL."""
    d = desk({"rule": "symbol_drawdown", "cash": 1e6})
    mark(d)
    hold(d, "whale", 50_000, BTC=10_000_000)
    mark(d, 95.0)
    assert d.lots(FUND) == 10_000_000 and equity(d) == 1e6
    before = d.lots(FUND)
    mark(d, 60.0)
    (fill,) = d.events("adl")
    assert fill["price"] == 950 * TICKS, "at the price at which the pool took it"
    assert fill["amount"] == pytest.approx(50_000 * USD, abs=35_000), "to the loss of one lot"
    assert equity(d) == pytest.approx(700_000, abs=1)
    assert 0 < d.lots(FUND) < before
    assert d.state.books["closed"][PERP] == 1 and d.state.books["closed"][ETH] == 0
    btc = hold(d, "btc", 43, BTC=1000)  # bankrupt at 57
    eth = hold(d, "eth", 5, ETH=100)
    assert not insurance.accepts_at(d.address, 0, btc) and insurance.accepts_at(d.address, 0, eth)


@pytest.mark.parametrize("price", ["mark", "bankruptcy_capped", "previous_mark"])
def test_at_a_price_that_leaves_the_pool_its_loss_the_excess_is_asked_for_once(price: str) -> None:
    """Bybit closes at the mark where bankruptcy is more than 5 % away: a seventh of the inventory goes, and no more
    until the loss grows."""
    d = desk({"rule": "symbol_drawdown", "cash": 1e6}, {"price": price})
    mark(d)
    hold(d, "whale", 50_000, BTC=10_000_000)
    mark(d, 95.0)
    mark(d, 60.0)
    mark(d, 60.0)
    left = d.lots(FUND)
    assert left == pytest.approx(10_000_000 * 6 / 7, abs=2)
    for _ in range(3):
        mark(d, 60.0)
    assert d.lots(FUND) == left and len(d.events("adl")) <= 2
    mark(d, 59.0)
    assert left - d.lots(FUND) == pytest.approx(left / 36, rel=0.02), (
        "of a loss of 36 a coin, the one that is new"
    )


def test_holders_bear_the_excess_of_a_pool_once() -> None:
    d = desk({"rule": "symbol_drawdown", "cash": 1e6}, {"allocate": "social_loss"})
    mark(d)
    hold(d, "whale", 50_000, BTC=10_000_000)
    mark(d, 95.0)
    before = d.cash(d.bob)
    for _ in range(4):
        mark(d, 60.0)
    assert before - d.cash(d.bob) == pytest.approx(50_000 * USD, abs=35_000)
    assert equity(d) == pytest.approx(700_000, abs=1) and d.lots(FUND) == 10_000_000
    assert insurance.profit_in(d.address, PERP) == pytest.approx(-300_000 * USD, abs=35_000)


def test_an_account_in_two_symbols_is_taken_over_in_the_one_and_deleveraged_in_the_other() -> None:
    d = desk({"rule": "symbol_drawdown", "cash": 1e6})
    mark(d)
    hold(d, "whale", 50_000, BTC=10_000_000)
    mark(d, 95.0)
    mark(d, 60.0)
    d.state.meta["events"] = 0
    both = hold(d, "both", 45, BTC=1000, ETH=100)
    mark(d, 60.0, 45.0)
    assert [(e["row"], e["book"]) for e in d.events("takeover")] == [(both, ETH)]
    assert [(e["row"], e["book"]) for e in d.events("adl")] == [(both, PERP)]
    assert d.lots(both) == d.lots(both, ETH) == d.cash(both) == 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(58, 110), min_size=2, max_size=10))
def test_the_engines_trigger_is_the_rule_in_plain_numbers(path: list[float]) -> None:
    """The pool holds one coin's inventory; marks go anywhere."""
    d = desk({"rule": "symbol_drawdown", "cash": 1e6}, {"price": "mark"})
    mark(d)
    hold(d, "whale", 50_000, BTC=10_000_000)
    mark(d, 95.0)
    profits, balances, active = [0.0], [1e6], False
    for price in path:
        mark(d, price)
        after = equity(d)  # ADL at mark changes neither profit nor equity
        profits.append(after - 1e6)
        balances.append(after)
        active, _, _ = symbol_trigger(profits[-1], max(profits), max(balances), after, active)
        assert bool(d.state.books["closed"][PERP]) == active


# ---------------------------------------------------------------- pools


def pools(rule: str = "exhausted", **cash: float) -> Desk:
    return desk(
        {"rule": rule, "cash": 1000.0, "pools": {"alts": {"coins": ["ETH"], "cash": cash.get("alts", 10.0)}}}
    )


def test_each_pool_takes_what_it_insures() -> None:
    d = pools()
    pool = int(d.state.books["fund"][ETH])
    assert d.model.accounts.owner_names[d.state.rows["owner"][pool]] == "alpha/fund/alts"
    both = hold(d, "both", 10, BTC=1000, ETH=200)
    mark(d, 95.5, 45.5)  # 13.5 lost of 10
    assert (d.lots(FUND), d.lots(FUND, ETH)) == (1000, 0)
    assert (d.lots(pool), d.lots(pool, ETH)) == (0, 200)
    assert (d.lots(both), d.lots(both, ETH), d.cash(both)) == (0, 0, 0)
    shares = 3.5 * np.array([95.5, 91.0]) / 186.5  # of the loss, by value
    assert [equity(d), equity(d, pool)] == pytest.approx([1000 - shares[0], 10 - shares[1]], abs=2e-6)


def test_a_pool_that_is_used_up_leaves_the_other_alone() -> None:
    d = pools(alts=1.0)
    pool = int(d.state.books["fund"][ETH])
    row = hold(d, "eth", 10, ETH=200)
    btc = hold(d, "btc", 5, BTC=1000)
    mark(d, 94.0, 44.0)
    assert d.lots(pool, ETH) == 0 and [e["row"] for e in d.events("adl")] == [row]
    assert d.lots(FUND) == 1000 and d.cash(btc) == d.cash(row) == 0
    assert equity(d, pool) == 1.0, "winners paid, not the pool"


def test_all_pools_of_a_venue_are_its_fund_in_the_record() -> None:
    d = pools()
    out = np.zeros(2, ledger.VENUE)
    ledger.tally(d.address, np.full(2, float(USD)), out.view(np.float64).reshape(2, -1))
    assert out["fund_cash"][0] == out["fund_equity"][0] == 1010.0


def test_the_exchange_sells_what_every_pool_holds() -> None:
    d = pools()
    exchange = Exchange(d.model, "exchange")
    d.model.add(exchange)
    d.model.setup()
    pool = int(d.state.books["fund"][ETH])
    rows = d.model.desks["exchange"].rows[exchange.memory["row"]].tolist()
    pairs = set(zip(rows, exchange.memory["book"].tolist(), strict=True))
    assert {(FUND, PERP), (pool, ETH)} <= pairs and (FUND, ETH) not in pairs


# ---------------------------------------------------------------- funds below zero


@pytest.mark.parametrize("rule", ["exhausted", "drawdown", "symbol_drawdown", "vault"])
@pytest.mark.parametrize("price", ["bankruptcy", "mark"])
def test_a_fund_below_zero_is_deleveraged_and_ends_at_nothing(rule: str, price: str) -> None:
    d = desk({"rule": rule, "cash": 10.0}, {"price": price})
    mark(d)
    hold(d, "ann", 5, BTC=1000)
    mark(d, 95.5)
    assert d.lots(FUND) == 1000
    bob = equity(d, d.bob)
    mark(d, 80.0)  # 15 lost of 10
    assert (d.lots(FUND), d.cash(FUND)) == (0, 0)
    if price == "bankruptcy":
        assert equity(d, CAPITAL) == 0
        assert equity(d, d.bob) == pytest.approx(bob + 15.5 - 5), "the winner has what the fund could not pay"
    else:
        (event,) = d.events("deficit")
        assert (event["row"], event["value"], event["amount"], event["other"]) == (
            FUND,
            5 * USD,
            5 * USD,
            CAPITAL,
        )
        assert equity(d, CAPITAL) == -5


def test_an_unlimited_fund_may_owe() -> None:
    d = desk({"rule": "unlimited", "cash": 10.0})
    hold(d, "ann", 5, BTC=1000)
    mark(d, 95.5)
    mark(d, 80.0)
    assert d.lots(FUND) == 1000 and equity(d) == -5 and d.events("adl") == []


def test_a_rule_that_would_stop_above_its_start_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most start"):
        FundRule(start=0.2)
