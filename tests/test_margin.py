"""Claims about margin: what must be kept for a position, when it is no longer there, and who is looked at.

Numbers marked (V..) are test vectors computed from the venues' own documents: Binance USD-M brackets of 2025-09-29
and its liquidation formula, freqtrade's oracle tests, Hyperliquid's margin tiers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.liquidation_price import Tiers, binance, maintenance_margin
from abm.model import CascadeModel
from abm.resting import cancel_all
from abm.statements import statements
from abm.waterfall import anchor
from experiments.checks import bracket_tables
from tests.twins.market import BTC_PRICE, ETH, OTHER, PERP, Desk, small_model
from tests.twins.naive_book import twin_of

USD = 10**6
TICKS = 1024  # of a mark
FIRST = 6  # rows of the venues come first


def real_desk() -> Desk:
    """BTC and ETH with Binance's BTCUSDT brackets, no fees."""
    free = {"fees": {"maker": 0.0, "taker": 0.0}, "orders": {"band": 0.0}}
    return Desk(small_model(free, free, tables=bracket_tables(), brackets="BTCUSDT"))


# ---------------------------------------------------------------- how much


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [
        (300_000, 1_200),
        (1_000_000, 5_000),
        (10_000_000, 88_000),
        (200_000_000, 7_018_000),
    ],  # V03; 300k x 0.4 %
)
def test_maintenance_margin_is_that_of_the_bracket_less_its_amount(notional: int, maintenance: int) -> None:
    d = real_desk()
    rows = [d.open(name, cash=10**15) for name in ("long", "short")]
    lots = notional * 10  # one lot is ten cents at the opening price
    d.hold(PERP, 100.0, {rows[0]: lots, rows[1]: -lots})
    for row in rows:
        assert d.margin(row)[:2] == (10**15, maintenance * USD)


def test_maintenance_margin_has_no_step_at_the_bounds_of_brackets() -> None:
    d = real_desk()
    row = d.open("whale", cash=10**15)
    d.hold(PERP, 100.0, {row: 3_000_000})  # 300,000 dollars: the end of the first bracket
    below, at, above = [], [], []
    for mark, seen in (
        (BTC_PRICE * TICKS - 1, below),
        (BTC_PRICE * TICKS, at),
        (BTC_PRICE * TICKS + 1, above),
    ):
        d.set_mark(PERP, mark)
        seen.append(d.margin(row)[1])
    one = 3_000_000 * 100 / 1024  # value of one unit of the mark
    assert at[0] - below[0] == pytest.approx(one * 0.004, abs=1)
    assert above[0] - at[0] == pytest.approx(one * 0.005, abs=1)


def test_open_orders_count_by_the_worse_side_and_at_the_accounts_leverage() -> None:
    d = Desk(small_model({"orders": {"band": 0.0}, "fees": {"maker": 0.0, "taker": 0.0}}))
    ann, bob = d.open("ann", cash=100 * USD, leverage=10), d.open("bob", cash=10**12)
    free = [d.margin(ann)[2]]
    for side, price, qty in ((1, 990, 2000), (-1, 1010, 1500), (-1, 1011, 1000)):
        assert d.place(ann, PERP, side, price, qty) == "accepted"
        free.append(d.margin(ann)[2])
    # a tenth of the larger side, at the mark: bids of 2,000 lots, then offers of 2,500 (ten cents a lot)
    assert free == [100 * USD, 80 * USD, 80 * USD, 75 * USD]
    d.place(bob, PERP, -1, 990, 2000)  # ann is long 2,000 for 198 dollars, worth 200
    assert d.margin(ann) == (102 * USD, pytest.approx(d.margin(ann)[1]), 82 * USD)
    assert d.place(ann, PERP, 1, 990, 9000) == "not enough margin"  # 11,000 lots would take 110
    assert d.place(ann, PERP, 1, 990, 8200) == "accepted"
    assert d.margin(ann)[2] == 0


def test_a_large_position_may_not_have_the_leverage_of_a_small_one() -> None:
    d = real_desk()
    small, large = (d.open(name, cash=10**15, leverage=125.0) for name in ("small", "large"))
    d.hold(PERP, 100.0, {small: 1_000_000, large: 2_000_000_000})  # 100 thousand and 200 million dollars
    assert 10**15 - d.margin(small)[2] == 800 * USD  # 125 x
    assert 10**15 - d.margin(large)[2] == 20_000_000 * USD  # its bracket, 100 to 230 million, allows 10 x


# ---------------------------------------------------------------- when


def liquidation_prices(model: CascadeModel) -> dict[tuple[int, int], float]:
    _, table = statements(model)
    return {(int(r), int(b)): float(x) for r, b, x in zip(*(table[k] for k in ("row", "book", "liquidation_price")),
                                                          strict=True)}  # fmt: skip


def lowest_and_highest(d: Desk, row: int, book: int, price: float, side: int) -> None:
    """One unit of the mark on the safe side of the price the account stands, one unit beyond it is found."""
    exact = price / d.model.books.tick[book] * TICKS
    away = max(2.0, 2e-6 * exact)
    d.set_mark(book, round(exact + side * away))
    assert row not in d.under_water()
    d.set_mark(book, round(exact - side * away))
    assert row in d.under_water()


@pytest.mark.parametrize(
    ("entry", "wallet", "mmr", "cum", "side", "price"),
    [
        (10.0, 2.0, 0.01, 0.01, 1, 8.070707070707071),  # V06 Binance, isolated long
        (10.0, 2.0, 0.01, 0.01, -1, 11.89108910891089),  # V07 the same, short
        (100_000.0, 5_000.0, 0.0125, 0.0, 1, 96_202.5316),  # V14 Hyperliquid
        (100_000.0, 5_000.0, 0.0125, 0.0, -1, 103_703.7037),
        (20_000.0, 400.0, 0.005, 0.0, 1, 19_698.4925),  # V09 without Bybit's simplification: 19,600 / 0.995
    ],
)
def test_an_isolated_position_fails_at_the_price_that_venues_print(
    entry: float, wallet: float, mmr: float, cum: float, side: int, price: float
) -> None:
    d = Desk(small_model(price=entry, tick=entry / 1e4, lot=0.1))
    d.set_brackets(PERP, (0, mmr, cum * USD, 0.01))
    row = d.open("trader", cash=round(wallet * USD), isolated=True)
    d.hold(PERP, entry, {row: side * 10})
    assert liquidation_prices(d.model)[row, PERP] == pytest.approx(price, rel=1e-8)
    lowest_and_highest(d, row, PERP, price, side)


def test_a_cross_account_fails_where_the_exchange_says_with_its_other_position_counted() -> None:
    """V05: 109.488 BTC @ 32,481.98 (mark 31,967.27) and 3,683.979 ETH @ 1,456.84, Binance's own example."""
    d = Desk(small_model(price=31_967.27, tick=0.01, lot=0.001))
    d.set_brackets(PERP, (0, 0.025, 16_300 * USD, 0.05))
    d.set_brackets(ETH, (0, 0.10, 135_365 * USD, 0.2))
    row = d.open("trader", cash=1_535_443_010_000)
    d.hold(PERP, 32_481.98, {row: 109_488})
    d.hold(ETH, 1_456.84, {row: 3_683_979})
    d.set_mark(PERP, 3_196_727 * TICKS)
    d.set_mark(ETH, 133_518 * TICKS)
    assert liquidation_prices(d.model)[row, ETH] == pytest.approx(1_153.26, abs=0.005)
    lowest_and_highest(d, row, ETH, liquidation_prices(d.model)[row, ETH], 1)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(1, 10**8), st.sampled_from([1, -1]), st.floats(0.01, 1.2))
def test_equity_meets_maintenance_at_the_liquidation_price_in_every_bracket(
    lots: int, side: int, share: float
) -> None:
    d = real_desk()
    row = d.open("trader", cash=max(1, int(lots * 100_000 * share)))
    d.hold(PERP, 100.0, {row: side * lots})
    price = liquidation_prices(d.model)[row, PERP]
    if np.isnan(price):
        assert side > 0 and share >= 1.0, "only who has paid for it all never fails"
        return
    mark = price / 0.1 * TICKS
    d.set_mark(PERP, max(1, round(mark)))
    equity, maintenance, _ = d.margin(row)
    assert equity - maintenance == pytest.approx(0, abs=lots * 100 / 1024 + 3), "within one unit of the mark"


Steps = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 400)), min_size=1, max_size=6)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    Steps, st.integers(1, 10**8), st.sampled_from([1, -1]), st.integers(-(10**6), 10**6), st.floats(0.02, 1.2)
)
def test_the_printed_price_is_where_the_engines_integers_meet_in_any_table(
    steps: list[tuple[int, int]], lots: int, side: int, other: int, share: float
) -> None:
    """Binance's formula with the bracket at that price, beside a position in ETH, on random brackets."""
    floors = np.cumsum([0] + [width * 1000 for width, _ in steps[1:]])  # dollars
    rates = np.cumsum([rate for _, rate in steps]) / 4000  # up to 0.6
    tiers = Tiers.of(zip(floors, rates, strict=True))
    d = Desk(small_model({"fees": {"maker": 0.0, "taker": 0.0}}))
    d.set_brackets(PERP, *((int(f) * USD, r, a * USD, r) for f, r, a in zip(*tiers, strict=True)))
    cash = int(lots * 100_000 * share) + abs(other) * 500_000
    row = d.open("trader", cash=cash)
    d.hold(PERP, 100.0, {row: side * lots})
    d.hold(ETH, 50.0, {row: other})
    needed = d.margin(row)[1] / USD - maintenance_margin(lots * 0.1, tiers)
    price = binance(
        cash / USD, tiers, both=(side * lots * 0.001, 100.0), maintenance_others=needed, mark=100.0
    )
    if np.isnan(price):
        assert side > 0
        d.set_mark(PERP, 1)
        assert d.margin(row)[0] >= d.margin(row)[1] - 3
        return
    assert liquidation_prices(d.model)[row, PERP] == pytest.approx(price, rel=1e-9)
    d.set_mark(PERP, max(1, round(price / 0.1 * TICKS)))
    equity, maintenance, _ = d.margin(row)
    assert equity - maintenance == pytest.approx(0, abs=lots * 100 / 1024 + 10), "within one unit of the mark"


def test_an_isolated_position_does_not_touch_the_owners_other_money() -> None:
    d = real_desk()
    cross, alone = d.open("ann", cash=1000 * USD), d.open("ann", cash=5 * USD, isolated=True)
    d.hold(PERP, 100.0, {cross: 1000, alone: 1000})  # 100 dollars each
    d.set_mark(PERP, 960 * TICKS)
    assert d.under_water() == set()
    d.set_mark(PERP, 940 * TICKS)
    assert d.under_water() == {alone}
    d.model.liquidate()
    d.model.deleverage()
    assert d.lots(alone) == 0 and d.cash(alone) == 0
    assert d.lots(cross) == 1000 and d.margin(cross)[0] == 994 * USD


# ---------------------------------------------------------------- the twin


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.lists(
        st.tuples(*[st.integers(-(10**9), 10**9)] * 3, st.integers(-(10**12), 10**12)), min_size=1, max_size=5
    ),
    st.tuples(*[st.integers(1, 8000 * TICKS)] * 3),
)
def test_engine_and_twin_ask_for_the_same_margin(
    accounts: list[tuple[int, ...]], marks: tuple[int, ...]
) -> None:
    d = real_desk()
    rows = [d.open(f"owner {i}", cash=a[3], leverage=3.0 * (i + 1)) for i, a in enumerate(accounts)]
    d.hold(PERP, 100.0, {row: a[0] for row, a in zip(rows, accounts, strict=True)})
    d.hold(ETH, 50.0, {row: a[1] for row, a in zip(rows, accounts, strict=True)})
    for book, mark in zip((PERP, ETH, OTHER), marks, strict=True):
        d.set_mark(book, mark)
    twin = twin_of(d)
    for row in rows:
        for book in (PERP, ETH):
            twin.lots[row, book] = d.lots(row, book)
        need = 0
        for book in (PERP, ETH):
            value = d.lots(row, book) * twin.books[book].unit * twin.books[book].mark // 1024
            need += twin.maintenance(book, abs(value))
        assert d.margin(row) == (twin.equity(row), need, twin.free_margin(row))


Shock = st.tuples(
    st.sampled_from(["mark", "mark", "mark", "trade", "money"]),
    st.sampled_from([PERP, ETH]),
    st.one_of(st.floats(-0.003, 0.003), st.floats(-0.05, 0.05), st.floats(-0.7, 1.5)),
    st.integers(0, 19),
    st.integers(-4000, 4000),
)


def crowd(sizes: list[int]) -> Desk:
    """Twenty accounts with two to fifty times leverage, cross and isolated, tiny and huge."""
    d = real_desk()
    for i, size in enumerate(sizes):
        cash = int(10.0**size * (1 + i) * 100_000 / (2 + 2.5 * i))
        d.open(f"owner {i}", cash=max(cash, 1), isolated=i % 5 == 4)
    for book in (PERP, ETH):
        held = {
            FIRST + i: (1 if (i + book) % 3 else -1) * 10**size * (1 + i) // (1 + book)
            for i, size in enumerate(sizes)
            if i % 5 != 4 or book == PERP
        }
        d.hold(book, float(d.model.books.opening_price[book]), held)
        anchor(d.address, book)
    return d


def shock(d: Desk, action: tuple[Any, ...]) -> None:
    what, book, move, who, amount = action
    row = FIRST + who
    if what == "mark":
        d.set_mark(book, max(1, int(d.state.books["mark"][book] * (1.0 + move))))
    elif what == "money":
        d.model.accounts.deposit([row], 0, np.array([amount], np.int64))
    else:
        price = max(1, int(d.state.books["mark"][book]) // TICKS)
        other = int(d.state.meta["rows"][0]) - 1
        d.place(other, book, -1 if amount > 0 else 1, price, abs(amount) + 1)
        d.place(row, book, 1 if amount > 0 else -1, price, abs(amount) + 1)
        for r in (other, row):
            cancel_all(d.address, r, -1)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.integers(0, 7), min_size=20, max_size=20), st.lists(Shock, min_size=1, max_size=25))
def test_the_index_finds_whom_a_look_at_everybody_finds(
    sizes: list[int], shocks: list[tuple[Any, ...]]
) -> None:
    fast, slow = crowd(sizes), crowd(sizes)
    for action in shocks:
        for d in (fast, slow):
            shock(d, action)
        assert fast.under_water() == slow.under_water_by_full_pass(), action


@pytest.mark.parametrize("way", [-1, 1])
def test_on_a_slow_slide_nobody_is_found_a_step_late(way: int) -> None:
    """Both coins move by a basis point a step, one against the other, until most accounts have failed."""
    sizes = [i % 8 for i in range(20)]
    fast, slow = crowd(sizes), crowd(sizes)
    start = fast.state.books["mark"].copy()
    found: set[int] = set()
    for step in range(1, 4000):
        for d in (fast, slow):
            for book, to in ((PERP, way), (ETH, -way)):
                d.set_mark(book, round(start[book] * (1.0 + to * 0.0001) ** step))
        now = fast.under_water()
        assert now == slow.under_water_by_full_pass(), step
        found |= now
    assert len(found) >= 8


def test_the_index_looks_at_few() -> None:
    d = crowd([5] * 20)
    d.under_water()
    before = int(d.state.meta["checked"][0])
    for k in range(50):
        d.set_mark(PERP, BTC_PRICE * TICKS + k % 2)
        d.under_water()
    assert int(d.state.meta["checked"][0]) - before <= 50 * 3
