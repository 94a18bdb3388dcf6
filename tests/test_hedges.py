"""The compiled arithmetic of hedgers and its twin in numpy agree, whatever has happened to the two legs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import hedges
from tests.twins import hedges as twin

HEDGES, ROWS, BOOKS = 300, 900, 8


def both(name: str, *inputs: Any) -> tuple[Any, list[Any]]:
    """What the kernel returns and leaves in its arguments, after its twin has been found to do the same."""
    results = []
    for module in (hedges, twin):
        copies = [np.array(x) if isinstance(x, np.ndarray) else x for x in inputs]
        results.append((getattr(module, name)(*copies), copies))
    assert results[0][0] == results[1][0]
    for compiled, plain in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-14)
    return results[0]


@pytest.mark.parametrize("seed", range(30))
def test_what_hedgers_want_is_what_the_twin_wants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = np.append(0, np.cumsum(rng.integers(1, 4, HEDGES)))
    legs = int(first[-1])
    row, book, main = rng.integers(0, ROWS, legs), rng.integers(0, BOOKS, legs), first[:-1]
    place, spot = rng.integers(-1, ROWS, HEDGES), rng.integers(-1, BOOKS, HEDGES)
    n, _ = both("touched", rng.random(ROWS) < 0.1, row, place, first, np.zeros(HEDGES, np.int64))
    assert 0 < n < HEDGES
    due = np.flatnonzero(rng.random(HEDGES) < 0.5)
    table, sheet = np.zeros((4, len(due)), np.int64), np.zeros((2, 3 * HEDGES), np.int64)
    m, left = both("stock", due, first, main, row, book, place, spot, table, sheet)
    accounts, sheet = left[-2:]
    size = np.exp(rng.normal(0, 3, HEDGES))
    naked = np.where(rng.random(HEDGES) < 0.3, 0.0, size * rng.normal(0, 0.5, HEDGES))
    short = np.where(rng.random(HEDGES) < 0.2, 0.0, -size * rng.random(HEDGES))
    which = np.repeat(due, np.diff(first)[due])
    held = np.where(rng.random(m) < 0.2, 0.0, size[which] * rng.normal(-0.5, 0.5, m))
    coins = np.where(rng.random(HEDGES) < 0.2, 0.0, size * rng.random(HEDGES))[due]
    target = np.where(rng.random(HEDGES) < 0.3, 0.0, size * rng.normal(0, 0.5, HEDGES))
    when = np.where(rng.random((2, HEDGES)) < 0.3, 5.0, np.inf)
    basis = np.where(rng.random(BOOKS) < 0.2, np.nan, rng.normal(-0.02, 0.02, BOOKS))
    pair, bound = rng.integers(0, BOOKS, HEDGES), np.full(HEDGES, 0.004)
    heard = rng.normal(0, 0.01, HEDGES) * (rng.random(HEDGES) < 0.5)
    _, left = both(
        "reasons", due, held, coins, first, main, row, target, size, when, spot, naked, short, basis, pair, bound,
        heard, np.zeros(ROWS), 0.02, np.zeros((3, HEDGES), np.int64), np.zeros(3, np.int64), np.zeros(HEDGES),
    )  # fmt: skip
    assert (left[-2] > 0).all()

    mid = np.exp(rng.normal(0, 1, BOOKS))
    public = np.stack([mid, mid, *rng.exponential(1.0, (2, BOOKS))])
    public[rng.random(public.shape) < 0.1] = np.nan
    public[2:][rng.random((2, BOOKS)) < 0.2] = 0.0  # no depth
    waiting = (rng.random(2 * len(due)) < 0.2).astype(np.int64)
    equity = rng.normal(0.3, 0.3, len(due)) * size[due]
    orders = (sheet * 0, np.zeros(len(sheet[0])), sheet * 0, np.zeros(len(sheet[0])))
    common = (due, accounts, sheet, held, coins, waiting)
    _, left = both(
        "mend", *common, equity, rng.random(len(due)), first, spot, target, size, *public, mid, 0.02, 0.6, 0.2, 0.1,
        0.05, 20, np.zeros(len(due)), np.zeros(len(due), np.int64), *orders, np.zeros(3, np.int64),
    )  # fmt: skip
    assert (left[-1] > 0).all()
    why = rng.integers(0, 2, HEDGES).astype(np.int8)
    _, left = both(
        "leave", *common, first, np.maximum(spot, 0), size, why, basis, pair, bound, *public, 0.1, 0.05, 20,
        np.zeros(len(due)), np.zeros(len(due), np.int64), *orders, np.zeros(5, np.int64),
    )  # fmt: skip
    _, sold, _, bought, count = left[-5:]
    assert 0 < count[1] < count[2] <= count[0] and (sold[: count[2]] > 0).all()
    assert (bought[: count[4]] > 0).all()
