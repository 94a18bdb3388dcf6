"""Noise flow and what makers learn: the compiled passes agree with their twins in numpy, also where a market is not."""

from __future__ import annotations

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
    mood, woke = draw.normal(0, 1, STATIONS), draw.uniform(0, 90, STATIONS)
    first = (
        100.0,
        1.0,
        0.7,
        5.0,
        drawn,
        book,
        rate,
        stress,
        halted,
        draw.integers(1, 4, STATIONS).astype(float),
        60.0,
    )
    other, then = mood.copy(), woke.copy()
    awake, mean = np.empty(STATIONS, np.int64), np.empty(STATIONS)
    n = flow.arrivals(*first, mood, woke, awake, mean)
    expected = flows.arrivals(*first, other, then)
    assert awake[:n].tolist() == expected[0].tolist() and 0 < n < STATIONS
    np.testing.assert_allclose(mean[:n], expected[1], rtol=1e-14)
    np.testing.assert_allclose(mood, other, rtol=1e-11, atol=1e-13)
    assert (woke == then).all()

    awake, mean = awake[:n].copy(), mean[:n].copy()
    price = draw.lognormal(3, 2, BOOKS)
    bid, ask = price * 0.999, price * 1.001
    bid[draw.random(BOOKS) < 0.2] = np.nan
    ask[draw.random(BOOKS) < 0.2] = np.nan
    depth_bid, depth_ask = draw.lognormal(3, 2, (2, 4, BOOKS))
    depth_bid[:, draw.random(BOOKS) < 0.2] = 0.0
    calm = np.where(draw.random(BOOKS) < 0.2, 0.0, draw.lognormal(3, 1, BOOKS))
    rest = (
        awake, mean * draw.choice([1.0, 9.0]), draw.random(n).view(np.int64), draw.integers(0, 9, STATIONS), book,
        draw.integers(-(2**60), 2**60, STATIONS), drawn, mood, rate, draw.normal(0, 20, n), draw.lognormal(5, 3, n),
        draw.normal(0, 5, STATIONS), calm, draw.random(BOOKS) < 0.4, np.full(BOOKS, 0.01), bid, ask, depth_bid,
        depth_ask, 0.5, 0.3, 0.05, 1.0, 0.2, 0.25, 0.0003, 5,
    )  # fmt: skip
    takes, taken = np.empty((3, 5 * n), np.int64), np.empty(5 * n)
    rests, rested, price = np.empty((3, n), np.int64), np.empty(n), np.empty(n)
    now, later = flow.orders(*rest, takes, taken, rests, rested, price)
    for found, twin in zip(
        ((*takes[:, :now], taken[:now]), (*rests[:, :later], rested[:later], price[:later])),
        flows.orders(*rest),
        strict=True,
    ):
        for column, expected in zip(found, twin, strict=True):
            np.testing.assert_allclose(column, expected, rtol=1e-11)


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
    stress, venue = draw.lognormal(0.5, 1, BOOKS), draw.integers(0, 3, BOOKS)
    left, open_ = np.empty(BOOKS), np.array([True, False, True])
    learning.withdraw(stress, 0.55, 0.06, 0.6, open_, venue, left)
    np.testing.assert_allclose(left, plain.withdraw(stress, 0.55, 0.06, 0.6, open_, venue), rtol=1e-14)
    luck, coin = draw.random(1), draw.integers(0, 4, BOOKS)
    arguments = (
        1.0, luck[0], last, mid, volume, volume * draw.random(BOOKS), np.where(draw.random(BOOKS) < 0.3, 0.998, 1.0),
        coin, coin * 0x9E3779B97F4A7 + 5, beta, draw.uniform(7e-5, 5e-4, BOOKS), draw.lognormal(15, 2, BOOKS), left,
        np.full(BOOKS, 0.01), 0.25, 0.8, 600.0, 10.0, 0.9, luck.view(np.int64)[0],
    )  # fmt: skip
    other = fair.copy()
    learning.learn(*arguments, fair)
    plain.learn(*arguments, other)
    np.testing.assert_allclose(fair, other, rtol=1e-12, atol=1e-14)
