"""Claims about auto-deleveraging: who comes first, how much of him is closed, at which price, and who bears the gap."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import adl
from tests.twins.market import PERP, Desk, small_model

USD = 10**6
TICKS = 1024
RULES = ["binance", "bitmex", "okx", "hyperliquid", "profit"]


def desk(adl_rule: dict[str, Any] | None = None, mmr: float = 0.01, **contract: Any) -> Desk:
    """A venue without a fund: what its book does not take is deleveraged at once."""
    d = Desk(
        small_model(
            {
                "fees": {"maker": 0.0, "taker": 0.0},
                "orders": {"band": 0.0},
                "fund": {"rule": "none"},
                "liquidation": {"fee": 0.0},
                "adl": adl_rule or {},
            },
            **contract,
        )
    )
    d.set_brackets(PERP, (0, mmr, 0, 0.02))
    return d


def deleverage(d: Desk, mark: float) -> None:
    d.set_mark(PERP, round(mark * TICKS))
    d.model.liquidate()
    d.model.deleverage()
    assert d.faults() == []


def enter(d: Desk, *accounts: tuple[str, float, int, float]) -> list[int]:
    """(name, cash in dollars, signed lots, entry price) of positions that match."""
    rows = [d.open(name, cash=round(cash * USD)) for name, cash, _, _ in accounts]
    d.model.accounts.place(rows, PERP, np.array([a[2] for a in accounts]), np.array([a[3] for a in accounts]))
    return rows


# ---------------------------------------------------------------- the venues' own examples


def test_a_failed_short_is_closed_at_its_bankruptcy_price() -> None:
    """V29 (dYdX): Carl short 1 BTC with 54,999 in cash, Dave long 1 with 50,000; they trade at 54,999."""
    d = desk(mmr=0.10, price=50_000.0, tick=1.0, lot=0.001)
    carl, dave = enter(d, ("carl", 4_999, -1000, 50_000.0), ("dave", 100_000, 1000, 50_000.0))
    assert (d.cash(carl), d.cash(dave)) == (54_999 * USD, 50_000 * USD)
    deleverage(d, 50_000)
    assert (d.lots(carl), d.cash(carl), d.cash(dave)) == (0, 0, 104_999 * USD)
    (event,) = d.events("adl")
    assert (event["price"], event["side"], event["other"]) == (54_999 * TICKS, -1, dave)


def test_the_winner_gains_what_the_loser_had() -> None:
    """V21 (dYdX): deposit 100, short 500 at 1: bankrupt at 1.2, the other side gains 100."""
    d = desk(mmr=0.03, price=1.0, tick=0.01, lot=1.0)
    short, winner = enter(d, ("short", 100, -500, 1.0), ("winner", 1000, 500, 1.0))
    deleverage(d, 130)
    assert (d.cash(short), d.cash(winner)) == (0, 1100 * USD)


@pytest.mark.parametrize(
    ("price", "winner", "fund_and_venue"),
    [("bankruptcy", 105, 0), ("mark", 106, -1), ("previous_mark", 103, 0)],
)
def test_the_price_decides_who_bears_the_gap(price: str, winner: int, fund_and_venue: int) -> None:
    d = desk({"price": price})
    loser, bob = enter(d, ("loser", 5, 1000, 100.0), ("bob", 100, -1000, 100.0))
    d.set_mark(PERP, 970 * TICKS)
    deleverage(d, 940)
    assert (d.lots(loser), d.lots(bob)) == (0, 0)
    assert d.cash(bob) == winner * USD
    assert d.cash(1) + d.cash(2) == fund_and_venue * USD
    assert d.cash(loser) == (105 - winner + -fund_and_venue) * USD


# ---------------------------------------------------------------- scores


def score(d: Desk, rule: str, row: int) -> float:
    return float(adl.score_of_at(d.address, RULES.index(rule), d.place_of(row, PERP)))


@pytest.mark.parametrize(
    ("rule", "long", "short"),
    [
        # two coins from 90 (short: 110) to 100 with a wallet of 20: profit 20, equity 40, maintenance 2
        ("binance", 20 / 20 * 2 / 40, 20 / 20 * 2 / 40),
        ("bitmex", 20 / 180 * 200 / 40, 20 / 220 * 200 / 40),
        ("okx", 20 / 180 * 2 / 40, 20 / 220 * 2 / 40),
        ("hyperliquid", 100 / 90 * 200 / 40, 110 / 100 * 200 / 40),
        ("profit", 20.0 * USD, 20.0 * USD),
    ],
)
def test_scores_are_those_of_the_venues(rule: str, long: float, short: float) -> None:
    d = desk()
    rows = enter(d, ("long", 20, 2000, 90.0), ("short", 20, -2000, 110.0))
    assert [score(d, rule, row) for row in rows] == pytest.approx([long, short], rel=1e-12)


def test_binances_score_of_a_real_account() -> None:
    """V39: wallet 4.27, profit 40.2, margin ratio 13.42 %."""
    d = desk(mmr=0.1342 * 44.47 / 100)
    row, _ = enter(d, ("user", 4.27, 1000, 59.8), ("other", 1000, -1000, 59.8))
    assert score(d, "binance", row) == pytest.approx(1.263429, rel=1e-5)


def test_bitmexs_score() -> None:
    """V40: from 50,000 to 60,000, bankrupt at 45,000."""
    d = desk(price=60_000.0, tick=1.0, lot=0.001)
    row, _ = enter(d, ("user", 5_000, 1000, 50_000.0), ("other", 10**6, -1000, 50_000.0))
    assert score(d, "bitmex", row) == pytest.approx(0.8, rel=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_losers_come_after_all_winners(rule: str) -> None:
    d = desk({"score": rule})
    rich, poor, loser, failed = enter(
        d, ("rich", 10_000, -10, 100.0), ("poor", 1, -10, 97.0), ("loser", 10_000, -1000, 50.0),
        ("failed", 5.1, 1020, 100.0),
    )  # fmt: skip
    deleverage(d, 940)
    assert (d.lots(failed), d.lots(rich), d.lots(poor), d.lots(loser)) == (0, 0, 0, 0)
    order = [e["other"] for e in d.events("adl")]
    assert order[-1] == loser and set(order[:2]) == {rich, poor}


# ---------------------------------------------------------------- the twin


def expected_score(rule: str, lots: int, entry: int, cash: int, mark: int) -> Fraction:
    """Of a short in profit; the worth of a position is rounded down to a unit, its maintenance margin up."""
    value = -(lots * 100 * mark // 1024)  # what it would cost to buy it back
    worth = lots * 100 * mark // 1024
    profit = worth - entry
    equity = cash + worth
    maintenance = -(-value // 100)
    if rule == "profit" or (profit <= 0 and rule in ("binance", "hyperliquid")):
        return Fraction(profit)
    if rule == "binance":
        return Fraction(profit, max(1, equity - profit)) * Fraction(maintenance, max(1, equity))
    if rule == "hyperliquid":
        return Fraction(-entry, value) * Fraction(value, max(1, equity))
    strain = Fraction(value if rule == "bitmex" else maintenance, max(1, equity))
    return Fraction(profit, -entry) * strain if profit > 0 else Fraction(profit, -entry) / strain


Short = st.tuples(
    st.integers(1, 3000), st.integers(800, 1300), st.integers(1, 400)
)  # lots, entry in ticks, dollars


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.sampled_from(RULES),
    st.lists(Short, min_size=1, max_size=9),
    st.lists(st.integers(1, 2000), min_size=1, max_size=3),
    st.integers(800 * TICKS, 930 * TICKS),
)
def test_the_queue_closes_the_highest_scores_whole_and_the_amount_to_the_unit(
    rule: str, shorts: list[tuple[int, int, int]], failing: list[int], mark: int
) -> None:
    d = desk({"score": rule})
    failing = [lots for i, lots in enumerate(failing) if sum(failing[: i + 1]) <= sum(s[0] for s in shorts)]
    rest = sum(s[0] for s in shorts) - sum(failing)
    rows = enter(
        d,
        *[(f"short {i}", 1000.0 + cash, -lots, entry / 10) for i, (lots, entry, cash) in enumerate(shorts)],
        *[(f"failed {i}", lots * 0.005, lots, 100.0) for i, lots in enumerate(failing)],  # bankrupt at 95
        ("calm", 10**6, rest, 100.0),
    )
    winners, losers = rows[: len(shorts)], rows[len(shorts) : -1]
    before = {row: (d.lots(row), d.entry(row), d.cash(row)) for row in winners}
    owed = {row: d.cash(row) for row in losers}  # below zero: what they paid for their coins and did not have
    deleverage(d, mark / TICKS)
    keys = d.state.rows["key"]
    ranked = sorted(winners, key=lambda r: (-expected_score(rule, *before[r], mark), keys[r]))
    to_close = sum(failing)
    for row in ranked:
        closed = min(-before[row][0], to_close)
        to_close -= closed
        assert d.lots(row) == before[row][0] + closed, (rule, ranked)
    assert all(d.lots(row) == 0 and d.cash(row) == 0 for row in losers)
    assert sum(d.cash(row) - before[row][2] for row in winners) == sum(owed.values())
    for e in d.events("adl"):
        lots, paid = failing[losers.index(e["row"])], owed[e["row"]]
        assert abs(e["value"] - Fraction(-paid * e["qty"], lots)) < 1, "a share is within a unit of exact"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=9), st.integers(1, 2000))
def test_pro_rata_takes_the_same_share_of_every_winner(winners: list[int], failing: int) -> None:
    failing = min(failing, sum(winners))
    d = desk({"allocate": "pro_rata"})
    rows = enter(
        d,
        *[(f"short {i}", 1000.0, -lots, 100.0 + i) for i, lots in enumerate(winners)],
        ("at a loss", 10**5, -100, 80.0),
        ("failed", failing * 0.005, failing, 100.0),
        ("calm", 10**6, sum(winners) + 100 - failing, 100.0),
    )
    deleverage(d, 930)
    left = [-d.lots(row) for row in rows[: len(winners)]]
    for lots, still in zip(winners, left, strict=True):
        assert abs(Fraction(lots * failing, sum(winners)) - (lots - still)) < 1, "within one lot of his share"
    assert sum(winners) - sum(left) == failing
    assert d.lots(rows[len(winners)]) == -100, "who is at a loss is left alone"
    assert d.cash(rows[-2]) == 0


def test_a_winners_orders_in_that_contract_are_cancelled_and_the_others_stay() -> None:
    d = desk()
    winner, failed = enter(d, ("winner", 1000, -2000, 100.0), ("failed", 10, 2000, 100.0))
    d.place(winner, PERP, -1, 1500, 7)
    d.place(winner, 1, 1, 400, 3)
    deleverage(d, 930)
    assert d.lots(winner) == d.lots(failed) == 0
    assert d.queue(PERP, -1) == [] and d.queue(1, 1) == [(400, [(winner, 3)])]


def test_whoever_owes_by_being_closed_is_covered_in_the_same_step() -> None:
    """Bankrupt at 95 while the mark is 69: the short from 50 loses 45 dollars by it and has 20."""
    d = desk()
    failed, short = enter(d, ("failed", 5, 1000, 100.0), ("short", 20, -1000, 50.0))
    deleverage(d, 690)
    assert d.lots(failed) == d.lots(short) == 0
    assert d.cash(failed) == d.cash(short) == 0
    assert d.cash(2) == -25 * USD, "the venue's own capital, for want of a fund"


def test_a_venue_pays_from_its_fees_before_its_capital() -> None:
    """The same short; the venue has earned ten dollars."""
    d = desk()
    failed, short = enter(d, ("failed", 5, 1000, 100.0), ("short", 20, -1000, 50.0))
    d.model.accounts.deposit([0], "USDT", np.array([10 * USD]))
    deleverage(d, 690)
    assert d.cash(failed) == d.cash(short) == 0
    assert (d.cash(0), d.cash(2)) == (0, -15 * USD)


def test_a_winner_is_closed_by_no_more_than_he_can_pay_for_while_others_can() -> None:
    """Bankrupt at 95 while the mark is 90: `thin` comes first, has two dollars and would lose five by all of it."""
    d = desk()
    failed, thin, deep = enter(
        d, ("failed", 5, 1000, 100.0), ("thin", 1, -1000, 91.0), ("deep", 1000, -1000, 120.0),
        ("calm", 10**6, 1000, 100.0),
    )[:3]  # fmt: skip
    deleverage(d, 900)
    assert [(e["other"], e["qty"]) for e in d.events("adl")] == [(thin, 399), (deep, 601)]
    equity, _, _ = d.margin(thin)
    assert 0 <= equity < 0.01 * USD and d.lots(failed) == d.cash(failed) == 0
    assert d.cash(1) == d.cash(2) == 0, "neither fund nor venue paid"


def test_each_side_of_a_contract_is_ranked_once_in_a_step() -> None:
    """The first winner's score falls as he is closed, but he is served to the end before the second."""
    d = desk({"score": "profit"})
    first, second, a, b = enter(
        d, ("first", 1000, -1000, 120.0), ("second", 1000, -1000, 110.0), ("a", 4, 800, 100.0), ("b", 4, 800, 100.0)
    , ("calm", 10**6, 400, 100.0))[:4]  # fmt: skip
    deleverage(d, 930)
    assert [(e["other"], e["qty"]) for e in d.events("adl")] == [(first, 800), (first, 200), (second, 600)]
    assert d.lots(a) == d.lots(b) == 0
