"""Worked examples of prices, funding, order rules and queues, by their ids, and others of the same rules.

Provenance: doc = printed in the venue's documentation, oss = asserted by a public test or specification, der = computed
from a sourced formula. A relative tolerance of 1e-6 holds unless stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm import queueing
from abm.funding_rate import (
    clamp,
    drift_funding,
    funding_rate,
    impact_notional,
    impact_price,
    mean_premium,
    premium_index,
    twap,
)
from abm.halts import luld_bands
from abm.index import index_price, weighted_median
from abm.mark import average, funding_adjusted, median_mark, oracle_mark
from abm.orders import cancel_limit, largest_market, valid_price


def _mark(index: float, rate: float, left: float, interval: float, basis: float, last: float) -> float:
    return median_mark(funding_adjusted(index, rate, left, interval), index + basis, last)


def _eight(premium: float) -> float:
    return funding_rate(premium, rule="hyperliquid")


VECTORS: list[tuple[str, str, Callable[..., Any], tuple[Any, ...], Any]] = [
    # id, provenance, formula, inputs, expected
    ("V15", "doc", premium_index, (10_100.0, 10_101.0, 10_000.0), 0.01),
    ("V15 rate of 8 hours", "doc", _eight, (0.01,), 0.0095),
    ("V15 paid each hour", "doc", lambda p: funding_rate(p, hours=1.0, rule="hyperliquid"), (0.01,), 0.0011875),
    ("V17", "doc", funding_adjusted, (10_000.0, 0.0003, 4.0, 8.0), 10_001.5),
    ("V18 price 1", "der", funding_adjusted, (110_000.0, 0.0001, 2.733, 8.0), 110_003.757875),
    ("V18 mark", "der", _mark, (110_000.0, 0.0001, 2.733, 8.0, -800.0, 104_000.0), 109_200.0),
    ("V19 inside the clamp", "doc", funding_rate, (0.0003,), 0.0001),
    ("V19 above", "der", funding_rate, (0.01,), 0.0095),
    ("V19 below", "der", funding_rate, (-0.001,), -0.0005),
    ("V19 4 hours", "der", funding_rate, (0.01, 0.0001, 0.0005, 4.0), 0.00475),
    ("V19 with BTC's cap", "doc", funding_rate, (0.01, 0.0001, 0.0005, 8.0, 0.003), 0.003),
    ("V33", "oss", drift_funding, (19_882.611, 17_673.432), 22.314939833),
    ("V33 inside the bound", "der", drift_funding, (17_700.0, 17_673.432), 26.568 / 24),
    ("V37", "oss", twap, ([(11, 1), (9, 2), (10, 2), (12, 1), (11, 1), (8, 2), (14, 1)],), 10.2),
    ("V47 M/M/1", "der", queueing.mm1_time, (0.5, 1.0), 2.0),
    ("V47 Erlang C", "der", queueing.erlang_c, (1.5, 1.0, 2), 9 / 14),
    ("V47 M/M/2 wait", "der", queueing.mmc_wait, (1.5, 1.0, 2), 9 / 7),
    ("V47 M/D/1 wait", "der", queueing.md1_wait, (0.8, 1.0), 2.0),
    ("V49 35 blocks", "der", lambda n: round(queueing.base_fee(1.5, 1.0, blocks=n), 2), (35,), 92.56),
    ("V49 36 blocks", "der", lambda n: round(queueing.base_fee(1.5, 1.0, blocks=n), 2), (36,), 104.13),
    ("V49 empty block", "der", queueing.base_fee, (1.0, 0.0), 0.875),
    ("bybit: interest of the interval", "der", lambda: funding_rate(0.0, hours=1.0, rule="bybit"), (), 0.0000125),
    ("bybit: the premium is not scaled", "der", lambda: funding_rate(0.01, hours=1.0, rule="bybit"), (), 0.0095),
    ("okx", "doc", lambda: funding_rate(0.002, 0.0, cap=0.00375, rule="okx"), (), 0.002),
    ("okx at its bound", "doc", lambda: funding_rate(-0.02, 0.0, cap=0.00375, rule="okx"), (), -0.00375),
    ("dydx an hour", "oss", lambda: funding_rate(0.008, 0.0, hours=1.0, rule="dydx"), (), 0.001),
    ("impact notional of 125x", "doc", impact_notional, (1 / 125,), 25_000.0),
    ("impact price", "der", impact_price, ([(1.0, 1.0), (1.1, 3.0), (1.2, 10.0)], 5.5), 1.1),
    ("impact price inside the first level", "der", impact_price, ([(100.0, 9.0), (101.0, 9.0)], 10.0), 100.0),
    ("impact price of a thin book", "der", impact_price, ([(100.0, 1.0), (101.0, 1.0)], 1e9), 100.5),
    ("impact price of no book", "der", impact_price, ([], 1e9), 0.0),
    ("later samples weigh more", "doc", mean_premium, ([0.01, 0.02, 0.03], "linear"), 0.14 / 6),
    ("largest market order", "doc", lambda: [largest_market(x) for x in (40, 25, 20, 10, 3)], (),
     [30e6, 30e6, 5e6, 2e6, 0.5e6]),
    ("cancels", "doc", lambda: [cancel_limit(n) for n in (10_000, 100_000, 300_000)], (), [20_000, 200_000, 400_000]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provenance", "formula", "inputs", "expected"), [pytest.param(*v[1:], id=v[0]) for v in VECTORS]
)
def test_vector(provenance: str, formula: Callable[..., Any], inputs: tuple[Any, ...], expected: Any) -> None:
    assert provenance in ("doc", "oss", "der")
    assert formula(*inputs) == pytest.approx(expected, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(
    ("price", "size_decimals", "valid"),
    [
        ("1234.5", 0, True), ("1234.56", 0, False), ("0.001234", 0, True), ("0.0012345", 0, False),
        ("0.01234", 1, True), ("0.012345", 1, False), ("123456", 0, True), ("12345.6", 0, False),
        # others
        (1234.5, 0, True), (123456.0, 5, True), ("10.5", 6, False), ("10", 6, True), ("1e-7", 0, False),
        ("1234.50", 0, True),
        ("0", 0, False), ("-5", 0, False), ("100000.5", 0, False),
    ],
)  # fmt: skip
def test_v16_a_price_has_five_figures_and_few_decimals(
    price: str | float, size_decimals: int, valid: bool
) -> None:
    """V16, doc: Hyperliquid, tick and lot size."""
    assert valid_price(price, size_decimals) is valid


def test_spot_prices_may_have_two_decimals_more() -> None:
    assert valid_price("0.0001234", 1, perpetual=False) and not valid_price("0.0001234", 1)


@pytest.mark.parametrize(
    ("reference", "where", "low", "high"),
    [
        (100.0, {}, 95.0, 105.0),  # V48, doc
        (100.0, {"tier": 2}, 90.0, 110.0),
        (100.0, {"after_open": 5.0}, 90.0, 110.0),
        (100.0, {"tier": 2, "to_close": 25.0}, 80.0, 120.0),
        (2.0, {}, 1.6, 2.4),
        (0.5, {}, 0.35, 0.65),
        (0.1, {}, 0.025, 0.175),
    ],
)  # fmt: skip
def test_v48_bands_of_limit_up_limit_down(
    reference: float, where: dict[str, Any], low: float, high: float
) -> None:
    assert luld_bands(reference, **where) == pytest.approx((low, high))


@given(st.floats(-0.0004, 0.0006))
def test_inside_the_clamp_the_rate_is_the_interest_to_the_bit(premium: float) -> None:
    assert funding_rate(premium) == 0.0001


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_rate_is_never_beyond_its_cap(share: float) -> None:
    for rule in ("mid", "binance", "hyperliquid", "bybit", "okx", "dydx", "drift"):
        assert abs(funding_rate(share, cap=0.003, rule=rule)) <= 0.003
        assert abs(funding_rate(-share, cap=0.003, rule=rule)) <= 0.003
    assert clamp(2.0, 0.0, 1.0) == 1.0


# ---------------------------------------------------------------- index and mark


@pytest.mark.parametrize(
    ("prices", "weights", "rule", "expected"),
    [
        ([100, 101, 106], [1, 1, 2], "weighted", 103.25),  # 4.95 % from the median
        ([100, 101, 107], [1, 1, 2], "weighted", 100.5),
        ([100, 101, 90, 110], [1, 1, 1, 1], "weighted", 100.5),  # two outliers: the median of all
        ([100, 101, 90, 110], [3, 1, 1, 1], "drop_abnormal", 100.25),
        ([90, 110], [1, 1], "drop_abnormal", 77.0),  # neither is near the middle: the last index stands
        ([100, 101, 150, 0], [3, 2, 2, 1], "weighted_median", 101),
        ([100, 101, 150], [3, 2, 1], "weighted_median", 100.5),  # half of the weight is at 100
        ([0, 0], [1, 1], "weighted", 77.0),
    ],
)
def test_an_index_from_its_sources(
    prices: list[float], weights: list[float], rule: str, expected: float
) -> None:
    assert index_price(prices, weights, rule, before=77.0) == pytest.approx(expected)


def test_a_stale_source_does_not_count_and_an_unreachable_one_counts_at_its_last_value_until_then() -> None:
    prices, weights = [100.0, 102.0, 104.0], [1.0, 1.0, 1.0]
    assert index_price(prices, weights, ages=[0, 9.9, 0], stale=10) == pytest.approx(102.0)
    assert index_price(prices, weights, ages=[0, 10.0, 0], stale=10) == pytest.approx(102.0)
    assert index_price([100.0, 103.0, 104.0], weights, ages=[0, 10.0, 0], stale=10) == pytest.approx(102.0)
    assert index_price(prices, weights, ages=[11, 12, 13], stale=10, before=99.0) == 99.0


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 5)), min_size=1, max_size=9))
def test_a_weighted_median_is_the_median_of_repeated_prices(pairs: list[tuple[int, int]]) -> None:
    repeated = [p for p, w in pairs for _ in range(w)]
    assert weighted_median([p for p, _ in pairs], [w for _, w in pairs]) == pytest.approx(np.median(repeated))


@pytest.mark.parametrize(
    ("prices", "own", "mark"),
    [
        ((100.0, 98.0, 99.0), 0.0, 99.0),
        ((100.0, None, 96.0), 97.0, 97.0),  # two of three: the slow average of the own book makes a third
        ((100.0, 98.0, None), 98.5, 98.5),
        ((100.0, None, None), 50.0, 100.0),
        ((100.0, None, 96.0), None, 98.0),
    ],
)
def test_hyperliquids_mark_as_a_formula(prices: Any, own: float | None, mark: float) -> None:
    assert oracle_mark(prices, own) == mark


def test_a_slow_average_begins_with_its_first_sample_and_forgets_by_a_factor_e_in_its_window() -> None:
    num, den = average(0.0, 0.0, 7.0, 3.0, 150.0)
    assert num / den == pytest.approx(7.0)
    for _ in range(5000):  # long at 1, then 150 s at 0
        num, den = average(num, den, 1.0, 3.0, 150.0)
    for _ in range(50):
        num, den = average(num, den, 0.0, 3.0, 150.0)
    assert num / den == pytest.approx(math.exp(-1.0), rel=1e-9)


# ---------------------------------------------------------------- queues


@given(st.floats(0.01, 0.95), st.floats(0.1, 10.0))
def test_queues_of_one_server_agree(load: float, service: float) -> None:
    arrivals = load * service
    assert queueing.erlang_c(arrivals, service, 1) == pytest.approx(load)
    exponential = queueing.mg1_wait(arrivals, 1 / service, 2 / service**2)
    assert queueing.mmc_wait(arrivals, service, 1) == pytest.approx(exponential)
    assert queueing.mm1_time(arrivals, service) == pytest.approx(exponential + 1 / service)
    assert queueing.md1_wait(arrivals, service) == pytest.approx(exponential / 2)


def test_erlangs_formula_is_its_sum() -> None:
    a, c = 3.2, 5
    tail = a**c / math.factorial(c) / (1 - a / c)
    assert queueing.erlang_c(3.2, 1.0, 5) == pytest.approx(
        tail / (sum(a**k / math.factorial(k) for k in range(c)) + tail)
    )


def test_a_queue_that_grows_without_end_has_no_wait() -> None:
    with pytest.raises(ValueError, match="fewer than they serve"):
        queueing.mm1_time(1.0, 1.0)


def test_base_fees_in_whole_wei() -> None:
    assert queueing.next_base_fee(1_000_000_000, 30_000_000, 15_000_000) == 1_125_000_000
    assert queueing.next_base_fee(1_000_000_000, 0, 15_000_000) == 875_000_000
    assert queueing.next_base_fee(1_000_000_000, 15_000_000, 15_000_000) == 1_000_000_000
    assert queueing.next_base_fee(5, 15_000_001, 15_000_000) == 6
