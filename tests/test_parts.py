"""What crowds send at once and what of their diary has come: compiled passes and their twins in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import parts
from tests.twins import parts as twin

BOOKS = 5
NUMBERS = (10_000.0, 20.0, 80.0, 0.25, 0.02)


def books(draw: np.random.Generator) -> tuple[np.ndarray, ...]:
    """mid, last, bids and asks within 1 %: some books without a side, without depth, never traded."""
    mid, last = draw.lognormal(3, 2, BOOKS), draw.lognormal(3, 2, BOOKS)
    depth_bid, depth_ask = draw.lognormal(2, 3, (2, BOOKS))
    mid[draw.random(BOOKS) < 0.3] = np.nan
    last[draw.random(BOOKS) < 0.3] = np.nan
    depth_bid[draw.random(BOOKS) < 0.3] = 0.0
    depth_ask[draw.random(BOOKS) < 0.2] = np.nan
    return mid, last, depth_bid, depth_ask


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_closing_and_building_send_what_their_twins_send(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 12))
    position = np.where(draw.random(n) < 0.3, 0.0, draw.normal(0, 100, n))
    waiting, hasty = draw.integers(0, 2, n), draw.random(n) < 0.5
    usual, book = draw.lognormal(3, 2, n), draw.integers(0, BOOKS, n)
    record = books(draw)
    state, quantity = np.empty(n, np.int64), np.empty(n)
    parts.closing(position, waiting, hasty, usual, book, *record, *NUMBERS, state, quantity)
    expected = twin.closing(position, waiting, hasty, usual, book, *record, *NUMBERS)
    assert state.tolist() == expected[0].tolist()
    assert quantity == pytest.approx(expected[1], rel=1e-14)
    assert (quantity <= np.abs(position)).all(), "nobody closes more than there is"

    side = draw.choice([1.0, -1.0], n)
    goal, has = draw.lognormal(3, 1, n), draw.normal(0, 10, n)
    parts.building(side, goal, has, waiting, book, *record, NUMBERS[0], NUMBERS[2], NUMBERS[4], quantity)
    expected_quantity = twin.building(
        side, goal, has, waiting, book, *record, NUMBERS[0], NUMBERS[2], NUMBERS[4]
    )
    assert quantity == pytest.approx(expected_quantity, rel=1e-14)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_each_appointment_comes_once_and_in_order(seed: int) -> None:
    draw = np.random.default_rng(seed)
    when = np.where(draw.random(30) < 0.3, np.inf, draw.integers(0, 20, 30).astype(float))
    soon = draw.integers(0, 30, int(draw.integers(0, 40)))  # some twice, some long struck out
    now, other, list_ = float(draw.integers(0, 20)), when.copy(), soon.copy()
    found, nearest = np.empty(len(soon), np.int64), np.empty(2)
    count = parts.ripe(when, list_, now, found, nearest)
    come, stays, first = twin.ripe(other, soon, now)
    assert found[:count].tolist() == come.tolist()
    assert list_[: int(nearest[1])].tolist() == stays.tolist() and nearest[0] == first
    assert (when == other).all()
