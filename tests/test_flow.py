"""Noise flow and what makers learn: the compiled passes agree with their twins in numpy, also where a market is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import flow, learning
from tests.twins import flows
from tests.twins import learning as plain

BOOKS, STATIONS = 9, 60
HOSTILE = ["ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning"]


@pytest.mark.filterwarnings(*HOSTILE)
@pytest.mark.parametrize("seed", range(20))
def test_who_wakes_and_what_they_send(seed: int) -> None:
    draw = np.random.default_rng(seed)
    drawn = draw.random(STATIONS).view(np.int64)
    book, rate = draw.integers(0, BOOKS, STATIONS), draw.uniform(0.1, 4, STATIONS)
    stress, halted = draw.lognormal(0.5, 1, BOOKS), draw.random(BOOKS) < 0.2
    served = draw.integers(1, 4, STATIONS).astype(float)
    rate = rate[book]  # the stations of a book have the same
    keep, weight = np.array([0.6, 0.9, 0.999]), np.array([0.5, 0.3, 0.2])
    branching, across = draw.choice([0.0, 0.8]), draw.choice([0.0, 0.6])
    coin = draw.integers(0, 3, BOOKS)
    first = (
        1.0, 0.7, 5.0, branching, across, keep, weight, drawn, book, coin, rate, stress, halted, served,
    )  # fmt: skip
    echo = draw.exponential(1.0, (3, BOOKS)) / (1.0 - keep)[:, None]
    other = echo.copy()
    awake, trades = np.empty(STATIONS, np.int64), np.empty(STATIONS, np.int64)
    n = flow.arrivals(*first, echo, awake, trades)
    expected = flows.arrivals(*first, other)
    assert awake[:n].tolist() == expected[0].tolist() and 0 < n < STATIONS
    assert trades[:n].tolist() == expected[1].tolist()
    np.testing.assert_allclose(echo, other, rtol=1e-13)

    awake, trades = awake[:n].copy(), trades[:n] * draw.choice([1, 9])
    price = draw.lognormal(3, 2, BOOKS)
    bid, ask = price * 0.999, price * 1.001
    bid[draw.random(BOOKS) < 0.2] = np.nan
    ask[draw.random(BOOKS) < 0.2] = np.nan
    depth_bid, depth_ask = draw.lognormal(3, 2, (2, 4, BOOKS))
    depth_bid[:, draw.random(BOOKS) < 0.2] = 0.0
    calm = np.where(draw.random(BOOKS) < 0.2, 0.0, draw.lognormal(3, 1, BOOKS))
    left, way = draw.uniform(-1, 9, STATIONS), draw.choice([1.0, -1.0], STATIONS)
    rest = (
        awake, trades, draw.integers(0, 9, STATIONS), book, draw.integers(0, 20, STATIONS), drawn, rate,
        draw.normal(0, 20, n), draw.lognormal(5, 3, n),
        draw.normal(0, 5, STATIONS), calm, draw.random(BOOKS) < 0.4, np.full(BOOKS, 0.01), bid, ask, depth_bid,
        depth_ask, 0.5, 0.7, 1.6, 50.0, 0.05, 1.0, 0.2, 0.25, 0.0003, 5, draw.uniform(1, 5, STATIONS),
    )  # fmt: skip
    then, side = left.copy(), way.copy()
    takes, taken = np.empty((3, 5 * n), np.int64), np.empty(5 * n)
    rests, rested, price = np.empty((3, n), np.int64), np.empty(n), np.empty(n)
    now, later = flow.orders(*rest, left, way, takes, taken, rests, rested, price)
    for found, twin in zip(
        ((*takes[:, :now], taken[:now]), (*rests[:, :later], rested[:later], price[:later])),
        flows.orders(*rest, then, side),
        strict=True,
    ):
        for column, expected in zip(found, twin, strict=True):
            np.testing.assert_allclose(column, expected, rtol=1e-11)
    np.testing.assert_allclose(left, then, rtol=1e-11)
    assert (way == side).all()


def arrivals_of(branching: float, rate: float, seconds: int, keep: Any, seed: int) -> Any:
    """int64[seconds]: orders a second in one calm book that three rows serve."""
    draw = np.random.default_rng(seed)
    weight = np.full(len(keep), 1.0 / len(keep))
    echo = rate / (1.0 - keep)[:, None]
    awake, trades, book = np.empty(3, np.int64), np.empty(3, np.int64), np.zeros(3, np.int64)
    count = np.zeros(seconds, np.int64)
    rates, served = np.full(3, rate), np.full(3, 3.0)
    fixed = (book, np.zeros(1, np.int64), rates, np.ones(1), np.zeros(1, bool), served, echo, awake, trades)
    for t in range(seconds):
        drawn = draw.random(3).view(np.int64)
        n = flow.arrivals(1.0, 0.7, 50.0, branching, 0.5, keep, weight, drawn, *fixed)
        count[t] = trades[:n].sum()
    return count


@pytest.mark.parametrize("branching", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("rate", [0.2, 5.0])
def test_feedback_makes_activity_uneven_and_leaves_its_mean(branching: float, rate: float) -> None:
    """Windows far longer than the kernel: variance / mean of counts is 1 / (1 - branching)^2 (Hawkes 1971)."""
    keep, window = np.exp(-1.0 / np.array([2.0, 10.0])), 500
    count = arrivals_of(branching, rate, 100_000, keep, 1)
    error = np.sqrt(rate / len(count)) / (1.0 - branching)
    assert count.mean() == pytest.approx(rate, abs=4.0 * error)
    windows = count.reshape(-1, window).sum(1)
    estimate = 1.0 - np.sqrt(windows.mean() / windows.var())
    assert estimate == pytest.approx(branching, abs=0.08 if branching else 0.12)


def test_a_burst_dies_out_and_brings_as_many_orders_as_the_branching_ratio_says() -> None:
    keep = np.exp(-1.0 / np.array([2.0, 20.0]))
    echo, total = np.full((2, 1), 1000.0), 0.0  # a thousand orders in one second, and no others from outside
    awake, trades = np.empty(1, np.int64), np.empty(1, np.int64)
    one, none, draw = np.ones(1), np.zeros(1, np.int64), np.random.default_rng(3)
    for _ in range(2000):
        drawn = draw.random(1).view(np.int64)
        fixed = (none, none, 0.0 * one, one, np.zeros(1, bool), one, echo, awake, trades)
        n = flow.arrivals(1.0, 0.7, 50.0, 0.8, 0.5, keep, 0.5 * np.ones(2), drawn, *fixed)
        total += trades[:n].sum()
    assert total == pytest.approx(1000.0 * 0.8 / 0.2, rel=0.1)
    assert n == 0 and echo.max() < 1.0


def signs(metaorders: float, steps: int, inventory: float = 1e12, rows: int = 3) -> Any:
    """(signs of the orders that take, in their order; what rows hold in the end), in one book served by a few rows."""
    draw = np.random.default_rng(5)
    row, one = np.arange(rows), np.ones(1)
    depth, held = np.full((4, 1), 1e6), np.zeros(rows)
    left, way, found = np.zeros(rows), np.ones(rows), []
    takes, taken = np.empty((3, rows), np.int64), np.empty(rows)
    rests, rested, price = np.empty((3, rows), np.int64), np.empty(rows), np.empty(rows)
    for _ in range(steps):
        drawn = draw.random(rows).view(np.int64)
        awake = np.flatnonzero(draw.random(rows) < 0.3)
        n, _ = flow.orders(
            awake, np.ones(len(awake), np.int64), row, 0 * row, row, drawn, np.ones(rows), held[awake],
            np.zeros(len(awake)), np.zeros(rows), one, np.zeros(1, bool), 1e-9 * one, 99.0 * one, 101.0 * one, depth,
            depth, inventory, metaorders, 1.6, 1000.0, 0.05, 1.0, 0.2, 0.0, 0.0003, 1, np.ones(rows), left, way, takes,
            taken, rests, rested, price,
        )  # fmt: skip
        np.add.at(held, takes[0, :n], takes[2, :n])
        found.append(takes[2, :n].copy())
    return np.concatenate(found).astype(float), held


def autocorrelation(x: Any, lags: Any) -> Any:
    x = x - x.mean()
    return np.array([np.mean(x[lag:] * x[:-lag]) for lag in lags]) / x.var()


@pytest.mark.slow
def test_signs_of_metaorders_remember_as_a_power_of_the_lag() -> None:
    lags = np.unique(np.geomspace(2, 60, 12).astype(int))
    found, _ = signs(1.0, 100_000)
    memory = autocorrelation(found, lags)
    slope = np.polyfit(np.log(lags), np.log(memory), 1)[0]
    assert -0.8 < slope < -0.45, slope  # tail - 1 = 0.6
    assert (memory > 0).all() and memory[0] > 0.2
    assert abs(found.mean()) < 0.1
    alone, _ = signs(0.0, 40_000)
    assert np.abs(autocorrelation(alone, lags)).max() < 0.02


def test_a_metaorder_is_given_up_when_its_owner_holds_what_he_may() -> None:
    _, held = signs(1.0, 20_000)
    _, bounded = signs(1.0, 20_000, inventory=30.0)
    assert np.abs(held).max() > 100 and np.abs(bounded).max() <= 31


@pytest.mark.filterwarnings(*HOSTILE)
@pytest.mark.parametrize("seed", range(20))
def test_what_makers_learn_and_what_they_leave(seed: int) -> None:
    draw = np.random.default_rng(seed)
    fair = draw.normal(3, 1, BOOKS)
    last, mid = np.exp(fair + draw.normal(0, 0.01, (2, BOOKS)))
    last[draw.random(BOOKS) < 0.2] = np.nan
    mid[draw.random(BOOKS) < 0.2] = np.nan
    volume = np.where(draw.random(BOOKS) < 0.2, 0.0, draw.lognormal(10, 3, BOOKS))
    beta = np.where(draw.random(BOOKS) < 0.2, np.nan, draw.uniform(0, 3, BOOKS))
    stress, left = draw.lognormal(0.5, 1, BOOKS), np.empty(BOOKS)
    learning.withdraw(stress, 0.55, 0.06, left)
    np.testing.assert_allclose(left, plain.withdraw(stress, 0.55, 0.06), rtol=1e-14)
    luck, coin = draw.random(1), draw.integers(0, 4, BOOKS)
    arguments = (
        1.0, luck[0], last, mid, volume, volume * draw.random(BOOKS), np.where(draw.random(BOOKS) < 0.3, 0.998, 1.0),
        coin, coin * 0x9E3779B97F4A7 + 5, beta, draw.uniform(7e-5, 5e-4, BOOKS), draw.lognormal(15, 2, BOOKS), left,
        np.full(BOOKS, 0.01), 0.25, 0.8, 600.0, 10.0, 0.9, luck.view(np.int64)[0], draw.choice([0.0, 0.8]),
        draw.normal(0, 2, 4),
    )  # fmt: skip
    other = fair.copy()
    learning.learn(*arguments, fair)
    plain.learn(*arguments, other)
    np.testing.assert_allclose(fair, other, rtol=1e-12, atol=1e-14)


def activity(across: float, seed: int) -> Any:
    """int64[minutes, 2]: orders a minute in two books of one coin, each served by a row."""
    draw = np.random.default_rng(seed)
    times = np.array([10.0, 600.0])
    keep, weight, rate, minutes = np.exp(-1.0 / times), np.array([0.5, 0.5]), np.full(2, 5.0), 600
    echo = np.full((2, 2), 5.0) / (1.0 - keep)[:, None]
    awake, trades, count = np.empty(2, np.int64), np.empty(2, np.int64), np.zeros((60 * minutes, 2), np.int64)
    fixed = (
        np.arange(2),
        np.zeros(2, np.int64),
        rate,
        np.ones(2),
        np.zeros(2, bool),
        np.ones(2),
        echo,
        awake,
        trades,
    )
    for t in range(len(count)):
        n = flow.arrivals(1.0, 0.7, 50.0, 0.9, across, keep, weight, draw.random(2).view(np.int64), *fixed)
        count[t, awake[:n]] = trades[:n]
    return count.reshape(minutes, 60, 2).sum(1)


def test_venues_of_a_coin_are_busy_together_only_if_orders_bring_others_elsewhere() -> None:
    together = [np.corrcoef(activity(across, 1).T)[0, 1] for across in (0.0, 1.0)]
    assert together[1] > 0.3 > 3.0 * abs(together[0]), together
