"""Claims about funding: the rate that venues print, and a payment that creates and loses nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import funding
from abm.funding import FUNDING_RULES
from abm.funding_rate import funding_rate, impact_price, premium_index
from tests.twins.market import OTHER, PERP, Desk, small_model

TICKS = 1024
HOUR = 3_600_000  # ms


@pytest.mark.parametrize(
    ("premium", "hours", "cap", "rate"),
    [
        (0.0003, 8, 0.02, 0.0001),  # V19, Binance: within the clamp the rate is the interest
        (0.01, 8, 0.02, 0.0095),
        (-0.001, 8, 0.02, -0.0005),
        (0.01, 4, 0.02, 0.00475),
        (0.01, 1, 0.04, 0.0011875),  # V15, Hyperliquid: an eighth of it every hour
        (0.01, 8, 0.003, 0.003),  # the contract's bound, both ways
        (-0.01, 8, 0.003, -0.003),
        (0.0, 8, 0.02, 0.0001),
    ],
)
def test_the_rate_is_the_premium_pulled_towards_interest(
    premium: float, hours: float, cap: float, rate: float
) -> None:
    d = Desk(small_model({"funding": {"interval": float(hours), "cap": cap}}))
    b = d.state.books
    b["premium_sum"][PERP], b["premium_n"][PERP] = 7 * round(premium * 1_024_000), 7
    b["index"][PERP] = 1_024_000  # 1,000 ticks
    funding.set_rate(d.address, PERP)
    assert b["funding"][PERP] == pytest.approx(rate * 1e8, abs=1 + 1e8 / 1_024_000)
    assert (b["premium_sum"][PERP], b["premium_n"][PERP]) == (0, 0), "the next interval starts anew"


def test_a_coin_with_a_huge_price_in_ticks_has_a_rate_too() -> None:
    d = Desk(small_model({"funding": {"cap": 0.2}}))
    b = d.state.books
    b["index"][PERP] = 2**41  # two thousand million ticks
    b["premium_sum"][PERP], b["premium_n"][PERP] = 2**41 // 10, 1
    funding.set_rate(d.address, PERP)
    assert b["funding"][PERP] == pytest.approx((0.1 - 0.0005) * 1e8, abs=2)


def test_longs_pay_shorts_when_the_rate_is_positive() -> None:
    d = Desk(small_model())
    long, short = d.open("long", cash=10**9), d.open("short", cash=10**9)
    d.hold(PERP, 100.0, {long: 3000, short: -3000})
    before = d.cash(long), d.cash(short)
    d.state.books["funding"][PERP] = 10_000  # one basis point of 300 dollars
    assert funding.pay(d.address, PERP) == 30_000
    assert (d.cash(long) - before[0], d.cash(short) - before[1]) == (-30_000, 30_000)
    d.state.books["funding"][PERP] = -10_000
    funding.pay(d.address, PERP)
    assert (d.cash(long), d.cash(short)) == before
    assert d.entry(long) == 300_000_000, "what a position has paid does not change its entry"


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12),
    st.integers(-3_000_000, 3_000_000),
    st.integers(1, 8000 * TICKS),
)
def test_payments_sum_to_zero_and_nobody_is_two_units_off(lots: list[int], rate: int, mark: int) -> None:
    d = Desk(small_model())
    rows = [d.open(f"owner {i}", cash=10**15) for i in range(len(lots))]
    d.hold(PERP, 100.0, dict(zip(rows, lots, strict=True)))
    d.state.books["funding"][PERP] = rate
    d.set_mark(PERP, mark)
    holders = d.state.positions["row"][: d.state.count("positions")].tolist()
    held = [d.lots(row) for row in holders]
    before = [d.cash(row) for row in holders]
    paid = funding.pay(d.address, PERP)
    moved = [d.cash(row) - b for row, b in zip(holders, before, strict=True)]
    assert sum(moved) == 0 and d.faults() == []
    off = [m - Fraction(-q * 100 * mark * rate, TICKS * 10**8) for q, m in zip(held, moved, strict=True)]
    assert all(abs(x) < 2 for x in off)
    assert all(m == 0 for q, m in zip(held, moved, strict=True) if q == 0)
    assert abs(paid - sum(-m for m in moved if m < 0)) <= len(rows) + 1


def test_every_venue_pays_at_its_own_hours() -> None:
    d = Desk(small_model({"funding": {"interval": 8.0}}, {"funding": {"interval": 1.0}}))
    seen = {}
    for hour in range(1, 10):
        d.state.meta["now"] = hour * HOUR
        d.state.meta["events"] = 0
        d.model.price()
        seen[hour] = sorted({e["book"] for e in d.events("funding")})
    assert seen == {hour: [OTHER] if hour != 8 else [0, 1, OTHER] for hour in range(1, 10)}


def test_the_premium_is_sampled_every_step() -> None:
    d = Desk(small_model({"orders": {"band": 0.0}, "funding": {"cap": 0.02}}))
    maker = d.open("maker", cash=10**12)
    for side in (1, -1):
        d.place(maker, PERP, side, 1010 - side, 1)
    for _ in range(5):
        d.pass_time()
        d.model.price()
    assert int(d.state.books["premium_n"][PERP]) == 5
    assert int(funding.set_rate(d.address, PERP)) == 950_000  # one per cent over the index, less the clamp
    assert np.all(d.state.books["funding"][[1, OTHER]] == 0)


# ---------------------------------------------------------------- the venues' own formulas


def with_rule(rule: str, **fields: object) -> Desk:
    return Desk(small_model({"orders": {"band": 0.0}, "funding": {"rule": rule, "cap": 0.2} | fields}))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.sampled_from(FUNDING_RULES),
    st.floats(-0.05, 0.05),
    st.sampled_from([1.0, 4.0, 8.0]),
    st.floats(0.001, 0.05),
)
def test_the_engines_rate_is_the_formulas(rule: str, premium: float, hours: float, cap: float) -> None:
    d = with_rule(rule, interval=hours, cap=cap, margin_cap=0.0)
    b = d.state.books
    b["index"][PERP] = 2**40
    wide = rule in ("mid", "drift")
    b["premium_sum"][PERP], b["premium_n"][PERP] = 3 * round(premium * (2**40 if wide else 1e8)), 3
    expected = funding_rate(premium, hours=hours, cap=cap, rule=rule)
    assert int(funding.set_rate(d.address, PERP)) == pytest.approx(expected * 1e8, abs=3)


@pytest.mark.parametrize("premium", [-0.0004, 0.0, 0.0001, 0.0006])
def test_inside_the_clamp_the_rate_is_the_interest_exactly(premium: float) -> None:
    for rule in ("mid", "binance", "hyperliquid", "bybit"):
        d = with_rule(rule)
        d.state.books["index"][PERP] = 10**8
        d.state.books["premium_sum"][PERP], d.state.books["premium_n"][PERP] = round(premium * 1e8), 1
        assert int(funding.set_rate(d.address, PERP)) == 10_000


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.dictionaries(st.integers(901, 999), st.integers(1, 400), max_size=6),
    st.dictionaries(st.integers(1001, 1100), st.integers(1, 400), max_size=6),
    st.floats(1.0, 100.0), st.integers(950, 1050),
)  # fmt: skip
def test_the_premium_is_that_of_impact_prices(
    bids: dict[int, int], asks: dict[int, int], value: float, index: int
) -> None:
    """A lot is worth about ten cents: the value may end inside a level or find too thin a book."""
    d = with_rule("hyperliquid", impact=value)
    maker = d.open("maker", cash=10**15)
    for side, levels in ((1, bids), (-1, asks)):
        for price, lots in levels.items():
            d.place(maker, PERP, side, price, lots)
    d.state.books["index"][PERP] = index * TICKS
    bid = impact_price([(p, n) for p, n in sorted(bids.items(), reverse=True)], value * 1e4)
    ask = impact_price([(p, n) for p, n in sorted(asks.items())], value * 1e4)
    expected = premium_index(bid, ask or float("inf"), index)
    assert int(funding.premium_of(d.address, PERP)) == pytest.approx(
        expected * 1e8, abs=3 + 2e8 / 900 / TICKS
    )


def test_the_impact_value_is_what_a_margin_carries_at_the_highest_leverage() -> None:
    d = with_rule("binance")
    d.set_brackets(PERP, (0, 0.004, 0, 0.008))  # 125x
    assert d.state.books["impact"][PERP] == 200 * 10**6
    maker = d.open("maker", cash=10**15)
    d.place(maker, PERP, 1, 1010, 200_000)  # 20,200 dollars, and 4,800 of the 25,000 further down
    d.place(maker, PERP, 1, 1005, 10**6)
    lots = 200_000 + 4_800e6 / (1005 * 100)
    assert int(funding.premium_of(d.address, PERP)) == pytest.approx(
        (25_000e6 / 100 / lots / 1000 - 1) * 1e8, rel=1e-4
    )


def test_bybits_bound_comes_from_the_margin_rates() -> None:
    d = with_rule("bybit")
    d.set_brackets(PERP, (0, 0.005, 0, 0.01))
    d.state.books["premium_sum"][PERP], d.state.books["premium_n"][PERP] = 10**7, 1
    assert int(funding.set_rate(d.address, PERP)) == 375_000  # 75 % of half a per cent


@pytest.mark.parametrize(("rule", "pays_on"), [("binance", 300.0), ("hyperliquid", 330.0), ("dydx", 330.0)])
def test_some_venues_pay_on_the_oracle(rule: str, pays_on: float) -> None:
    d = with_rule(rule)
    long, short = d.open("long", cash=10**9), d.open("short", cash=10**9)
    d.hold(PERP, 100.0, {long: 3000, short: -3000})
    d.state.books["index"][PERP] = 1100 * TICKS
    d.state.books["funding"][PERP] = 10_000
    assert funding.pay(d.address, PERP) == pays_on * 100


def test_a_contract_at_its_bound_pays_hourly_from_then_on() -> None:
    d = with_rule("binance", switch=True, cap=0.003)
    seen = []
    for hour in range(1, 12):
        d.state.books["premium_sum"][PERP], d.state.books["premium_n"][PERP] = 10**7, 1
        d.state.meta["now"] = hour * HOUR
        d.state.meta["events"] = 0
        d.model.price()
        if any(e["book"] == PERP for e in d.events("funding")):
            seen.append((hour, int(d.state.books["funding"][PERP])))
    assert seen == [(8, 300_000), (9, 300_000), (10, 300_000), (11, 300_000)]
    assert d.state.books["interval_ms"][1] == 8 * HOUR, "the other contract stays"


@pytest.mark.parametrize(("average", "rate"), [("mean", 0.02), ("linear", 0.14 / 6)])
def test_a_sample_is_taken_in_its_interval_and_later_ones_may_weigh_more(average: str, rate: float) -> None:
    d = with_rule("hyperliquid", average=average, clamp=0.0)
    maker = d.open("maker", cash=10**15)
    for over in (10, 20, 30):
        d.place(maker, PERP, 1, 1000 + over, 10**7)
        for _ in range(5):
            d.state.meta["now"] += 1000
            d.state.books["index"][PERP] = 1000 * TICKS
            funding.sample_all(d.address)
    assert int(funding.set_rate(d.address, PERP)) == pytest.approx(rate * 1e8, abs=3)


def test_an_interval_divides_the_day() -> None:
    with pytest.raises(ValueError, match="part of 24"):
        small_model({"funding": {"interval": 7.0}})
