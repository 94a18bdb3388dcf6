"""Small looks at the public record that every desk takes, compiled: the same as in plain numpy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from agents import desks, rebalancing


def test_a_fair_price_is_the_first_that_there_is() -> None:
    draw = np.random.default_rng(1)
    for _ in range(100):
        columns = draw.lognormal(3, 2, (4, 20))
        columns[draw.random((4, 20)) < 0.4] = np.nan
        columns[draw.random((4, 20)) < 0.1] = 0.0
        mid, mark, last, opening = columns
        expected = opening
        for better in (last, mark, mid):
            expected = np.where(better > 0, better, expected)
        books = SimpleNamespace(opening_price=opening)
        market = SimpleNamespace(mid=mid, mark=mark, last=last, books=books)
        assert np.array_equal(desks.fair(market), expected, equal_nan=True)


def test_nothing_is_calmer_than_the_bounce_of_a_tick() -> None:
    known = np.array([np.nan, 0.0, 1e-6, desks.QUIET, 7e-5, np.inf])
    expected = np.maximum(desks.or_zero(known), desks.QUIET)
    assert desks.calm(SimpleNamespace(calm_volatility=known)).tolist() == expected.tolist()


def test_a_look_comes_round_once_in_its_time_whatever_the_step() -> None:
    draw = np.random.default_rng(2)
    phase = np.floor(rebalancing.SHIFTS * draw.random(50)) * (30.0 / rebalancing.SHIFTS)
    for dt in (0.25, 1.0, 2.5):
        turns = np.zeros(50, np.int64)
        for step in range(-int(60 / dt), int(240 / dt)):
            market = SimpleNamespace(time=step * dt, dt=dt)
            now = rebalancing.in_turn(market, phase, 30.0)  # type: ignore[arg-type]
            expected = np.flatnonzero(np.mod(market.time - phase, 30.0) < dt - 1e-9)
            assert now.tolist() == expected.tolist()
            turns[now] += 1
        assert (turns == 10).all()
