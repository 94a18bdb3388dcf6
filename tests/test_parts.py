"""What crowds send at once and what of their diary has come: compiled passes and their twins in plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def both(name: str, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> list[np.ndarray]:
    """What the kernel leaves in its arguments, and returns, after its twin has been found to leave the same."""
    results = []
    for module in (parts, twin):
        copies = [np.array(x) if isinstance(x, np.ndarray) else x for x in (*inputs, *outputs)]
        returned = getattr(module, name)(*copies)
        results.append([np.asarray(x) for x in (*copies, returned if returned is not None else 0)])
    for compiled, plain in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-14)
    return results[0]


def crowd(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all entries, and some of them."""
    everyone = np.arange(int(draw.integers(1, 20)))
    return everyone, everyone[draw.random(len(everyone)) < 0.7]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_closing_is_what_its_twin_does(seed: int) -> None:
    draw = np.random.default_rng(seed)
    everyone, entries = crowd(draw)
    size, n = len(everyone), len(entries)
    position = np.where(draw.random(n) < 0.3, 0.0, draw.normal(0, 100, n))
    outcome = both(
        "closing",
        (
            entries, draw.integers(0, 99, n), position, draw.integers(0, 2, n), draw.random(n),
            draw.integers(0, BOOKS, size), draw.lognormal(3, 2, size), draw.integers(0, 5, size).astype(np.int8),
            draw.random(size) < 0.8, draw.normal(0, 1, (3, size)), draw.normal(0, 1, (4, size)), *books(draw), *NUMBERS,
            0.8, 0.2, 0.25, 4.0, 2.0,
        ),
        (np.zeros((2, n), np.int64), np.zeros(n), np.zeros((4, n), np.int64), np.zeros(n), np.zeros(3, np.int64)),
    )  # fmt: skip
    coins, count = outcome[-3], outcome[-2]
    assert count[0] == (position != 0).sum() and count[2] <= count[0]
    largest = np.sort(np.abs(position))[::-1][: count[2]]
    assert (np.sort(coins[: count[2]])[::-1] <= largest).all(), "nobody closes more than there is"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_building_is_what_its_twin_does(seed: int) -> None:
    draw = np.random.default_rng(seed)
    everyone, entries = crowd(draw)
    size, n = len(everyone), len(entries)
    goal, got = draw.lognormal(3, 1, size), np.where(draw.random(size) < 0.5, 0.0, draw.lognormal(3, 1, size))
    side = draw.choice([1, -1], size)
    has = np.where(draw.random(n) < 0.3, got[entries], draw.lognormal(3, 1, n)) * side[entries]
    outcome = both(
        "building",
        (
            entries, draw.integers(0, 99, n), has, draw.integers(0, 2, n), draw.integers(0, BOOKS, size), side, goal,
            draw.choice([0, 1, 150, 250], size), got, draw.lognormal(0, 1, size), *books(draw), 1e4, 80.0, 0.02, 300,
        ),
        (np.zeros((3, n), np.int64), np.zeros((3, n), np.int64), np.zeros(n), np.zeros(3, np.int64)),
    )  # fmt: skip
    assert outcome[-2].sum() == n, "everybody goes on, gives up or has it"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_opening_is_what_its_twin_does(seed: int) -> None:
    draw = np.random.default_rng(seed)
    everyone, entries = crowd(draw)
    size, n = len(everyone), len(entries)
    both(
        "opening",
        (
            entries, draw.random(n), draw.normal(20, 20, n), books(draw)[0], 0.2, draw.integers(0, BOOKS, 3),
            draw.choice([1.0, -1.0], 3), books(draw)[1][:3], draw.integers(0, BOOKS, size),
            draw.integers(0, 3, size), draw.integers(-1, 9, size), draw.lognormal(3, 2, size),
            draw.lognormal(1, 1, size), draw.choice([0.0, 5.0], size),
            draw.random(size) < 0.5, *draw.lognormal(0, 1, (1, size)), draw.integers(0, 9, size), draw.random(size),
        ),
        (np.zeros((3, n), np.int64), np.zeros(3, np.int64)),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_each_appointment_comes_once_and_in_order(seed: int) -> None:
    draw = np.random.default_rng(seed)
    when = np.where(draw.random((3, 10)) < 0.3, np.inf, draw.integers(0, 20, (3, 10)).astype(float))
    n = int(draw.integers(0, 40))
    soon, near = draw.integers(0, 30, n + 10), np.array([n])  # some twice, some struck out or put off
    soon_at = np.where(draw.random(n + 10) < 0.7, when.reshape(-1)[soon], draw.integers(0, 20, n + 10))
    look = np.array([3.0, 15.0])
    out = (np.zeros(n, np.int64), np.zeros(3, np.int64))
    both("ripe", (when, look, soon, soon_at, near, float(draw.integers(0, 20))), out)
    entries = np.flatnonzero(draw.random(10) < 0.5)
    at = draw.integers(0, 20, 1 if draw.random() < 0.5 else len(entries)).astype(float)
    if len(at):
        both("note", (when, look, 1, entries, at, soon, soon_at, near), ())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9))
def test_who_is_stirred_is_whom_a_full_look_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    row = draw.integers(0, 9, 30)
    both("stirred", (draw.random(30) < 0.7, row, draw.random(9) < 0.2), (np.zeros(30, np.int64),))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_a_plan_is_what_its_twin_plans(seed: int) -> None:
    draw = np.random.default_rng(seed)
    everyone, entries = crowd(draw)
    size, n = len(everyone), len(entries)
    mark, last = draw.lognormal(3, 2, BOOKS), books(draw)[1]
    equity = draw.normal(300, 300, n)
    outcome = both(
        "planning",
        (
            entries, draw.integers(0, 5, n), draw.normal(0, 10, n), equity,
            np.abs(equity) * draw.choice([0.0, 0.1, 1.0], n), draw.normal(0, 1, n),
            *draw.random((4, n)), last, mark, np.zeros(5), draw.integers(0, BOOKS, size),
            draw.choice([1, -1], size), draw.integers(0, 3, size), draw.integers(-1, 9, size),
            draw.choice([0.0, 5.0], size), draw.lognormal(1, 1, size), draw.lognormal(3, 1, size),
            draw.random(size) < 0.5, draw.integers(0, 5, size).astype(np.int8), draw.random(size) < 0.5,
            draw.normal(0, 1, size), np.full((3, size), -np.inf), np.full((3, 3), -np.inf),
            0.25, 0.3, 0.95, 0.35, 0.4, 0.8, 0.3, 0.5, 3.0,
        ),
        (),
    )  # fmt: skip
    level = outcome[24]
    assert not (np.isfinite(level[0]) & np.isfinite(level[1])).any(), "an account has one plan"
