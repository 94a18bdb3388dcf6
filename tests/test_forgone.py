"""Which gaps paid and were not traded, and what stood in the way: against a plain loop over gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import forgone
from tests.twins import forgone as twin


def stations(seed: int, hostile: bool) -> forgone.Stations:
    """Firms in markets with gaps; hostile: without quotes, depth, money, coins, or with ties."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, 6, draw.integers(1, 6))
    n = int(sizes.sum())
    log = np.log(100.0) + draw.normal(0, 0.01, n)
    bid, ask = log - draw.uniform(0, 0.004, n), log + draw.uniform(0, 0.004, n)
    depth, cash = draw.lognormal(2, 1, (4, n)), draw.lognormal(6, 2, n)
    chance = 0.3 if hostile else 0.05
    flags = draw.random((10, n)) < chance
    if hostile:
        bid[flags[7]], ask[draw.random(n) < chance] = np.nan, np.nan
        depth[:, draw.random(n) < chance] = 0.0
        cash[draw.random(n) < chance] = 0.0
        bid, ask = np.round(bid, 2), np.round(ask, 2)
    used = draw.uniform(-1.5, 1.5, n)
    return forgone.Stations(
        np.concatenate([[0], np.cumsum(sizes)[:-1]]), draw.random(n),
        bid, ask, np.full(n, 100.0), *depth, draw.random(n) < 0.4,
        flags[0], flags[1], used, draw.lognormal(1, 1, n), draw.normal(0, 5, n), cash, np.full(n, 100.0),
        -0.02 * used, -0.016 * used, draw.uniform(0, 1, n), flags[2], flags[3], flags[4], flags[5], flags[6], flags[8],
        flags[9],
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
def test_all_gaps_at_once_and_one_after_another(seed: int, hostile: bool) -> None:
    s = stations(seed, hostile)
    seen, expected = forgone.forgone(s, 0.5, 0.5), twin.forgone(s, 0.5, 0.5)
    assert list(zip(seen.buy, seen.sell, seen.constraint, strict=True)) == [line[:3] for line in expected]
    assert seen.notional == pytest.approx([line[3] for line in expected])
    assert seen.gap == pytest.approx([line[4] for line in expected])


def test_every_constraint_comes_up() -> None:
    drawn = [stations(seed, hostile) for seed in range(200) for hostile in (True, False)]
    seen = [forgone.forgone(s, 0.5, 0.5).constraint for s in drawn]
    assert set(np.concatenate(seen)) == set(range(len(forgone.CONSTRAINTS)))


def test_where_nothing_binds_nothing_is_forgone() -> None:
    s = stations(3, False)
    n = len(s.bid)
    no = np.zeros(n, np.bool_)
    free = s._replace(
        halted=no, waiting=no, used=np.zeros(n), value_buy=np.zeros(n), value_sell=np.zeros(n),
        limit=np.full(n, 1e9), cash=np.full(n, 1e12), held=np.full(n, 1e9),
    )  # fmt: skip
    assert len(forgone.forgone(free, 0.5, 0.5).buy) == 0
    assert len(forgone.forgone(free._replace(limit=np.zeros(n)), 0.5, 0.5).buy) > 0
