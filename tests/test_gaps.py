"""The compiled arithmetic of arbitrage and its twin in plain numpy, on markets that nobody would call orderly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import gaps
from tests.twins import gaps as twin

BOOKS = 7


def market(seed: int, hostile: bool) -> tuple[list[Any], list[Any], list[Any]]:
    """(columns of stations, columns of books, parameters) drawn at random: crossed, empty, halted, out of money."""
    draw = np.random.default_rng(seed)
    cells = int(draw.integers(1, 6))
    sizes = draw.integers(1, BOOKS + 1, cells)
    first = np.concatenate([[0], np.cumsum(sizes)])
    n = int(first[-1])
    book = np.concatenate([np.sort(draw.choice(BOOKS, k, replace=False)) for k in sizes]).astype(np.int64)
    mid = 100.0 * np.exp(draw.normal(0, 0.02, BOOKS))
    bid, ask = mid * (1 - draw.uniform(0, 0.002, BOOKS)), mid * (1 + draw.uniform(0, 0.002, BOOKS))
    depth = draw.lognormal(3, 1, (4, BOOKS))
    limit = draw.lognormal(2, 1, n)
    held, home, coming = draw.normal(0, 5, n), draw.normal(0, 2, n), np.zeros(n)
    rows = int(draw.integers(1, 9))
    row, waiting, free = draw.integers(0, rows, n), np.zeros(rows, np.int64), draw.lognormal(6, 2, rows)
    calm, halted = np.full(BOOKS, 7e-5), np.zeros(BOOKS, bool)
    if hostile:
        bid[draw.random(BOOKS) < 0.3] = np.nan
        ask[draw.random(BOOKS) < 0.3] = np.nan
        depth[:, draw.random(BOOKS) < 0.3] = 0.0
        coming = draw.normal(0, 3, n)
        free[draw.random(rows) < 0.3] = -1.0
        waiting = draw.choice([0, 0, 0, 3], rows)
        halted = draw.random(BOOKS) < 0.2
        calm[draw.random(BOOKS) < 0.2] = np.nan
        held[draw.random(n) < 0.3] *= 50.0
    largest = np.array([limit[a:b].max() for a, b in zip(first, first[1:], strict=False)])
    stations = [
        first,
        row,
        book,
        held,
        coming,
        home,
        limit,
        largest,
        draw.uniform(600, 3600, n),
        waiting,
        free,
    ]
    books = [
        bid, ask, *depth, np.where(draw.random(BOOKS) < 0.2, 1.001, 1.0), np.full(BOOKS, 5e-4), np.full(BOOKS, 0.01),
        calm, draw.lognormal(0.5, 1, BOOKS), draw.random(BOOKS) < 0.4, halted,
    ]  # fmt: skip
    return stations, books, [1.75, 0.4, 0.25, 0.5, 0.5, 0.01]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")
def test_kernel_and_twin_send_the_same_orders(seed: int, hostile: bool) -> None:
    stations, books, numbers = market(seed, hostile)
    most = 2 * len(stations[0])
    to, price, quantity = np.zeros((3, most), np.int64), np.zeros(most), np.zeros(most)
    n = gaps.trade(*stations, *books, *numbers, to, price, quantity)
    expected = twin.trade(*stations, *books, *numbers)
    assert to[:, :n].T.tolist() == [list(order[:3]) for order in expected]
    assert price[:n] == pytest.approx([order[3] for order in expected], rel=1e-12)
    assert quantity[:n] == pytest.approx([order[4] for order in expected], rel=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_kernel_and_twin_see_the_same_gaps(seed: int, hostile: bool) -> None:
    _, books, _ = market(seed, hostile)
    coin = np.arange(BOOKS) % 3
    arguments = (coin, books[0], books[1], books[6], 0.4, books[7])
    assert gaps.any_gap(*arguments) == twin.any_gap(*arguments)
