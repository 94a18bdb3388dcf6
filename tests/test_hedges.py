"""The compiled arithmetic of hedgers and its twin in numpy agree, whatever has happened to the two legs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import hedges
from tests.twins import hedges as twin

HEDGES, ROWS, BOOKS = 300, 900, 8


def both(name: str, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> Any:
    """Outputs of the kernel after those of its twin have been found to be the same."""
    results = []
    for module in (hedges, twin):
        copies = [np.array(one) for one in outputs]
        returned = getattr(module, name)(
            *[np.array(x) if isinstance(x, np.ndarray) else x for x in inputs], *copies
        )
        results.append((returned, copies))
    assert results[0][0] == results[1][0]
    for compiled, plain in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-14)
    return results[0]


@pytest.mark.parametrize("seed", range(30))
def test_what_hedgers_want_is_what_the_twin_wants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = np.append(0, np.cumsum(rng.integers(1, 4, HEDGES)))
    legs = int(first[-1])
    row, book = rng.integers(0, ROWS, legs), rng.integers(0, BOOKS, legs)
    place, spot = rng.integers(-1, ROWS, HEDGES), rng.integers(-1, BOOKS, HEDGES)
    n, _ = both("touched", (rng.random(ROWS) < 0.1, row, place, first), (np.zeros(HEDGES, np.int64),))
    assert 0 < n < HEDGES
    size = np.exp(rng.normal(0, 3, HEDGES))
    naked = np.where(rng.random(HEDGES) < 0.3, 0.0, size * rng.normal(0, 0.5, HEDGES))
    short = np.where(rng.random(HEDGES) < 0.2, 0.0, -size * rng.random(HEDGES))
    when = np.where(rng.random((2, HEDGES)) < 0.3, 5.0, np.inf)
    basis = np.where(rng.random(BOOKS) < 0.2, np.nan, rng.normal(-0.02, 0.02, BOOKS))
    heard = rng.normal(0, 0.01, HEDGES) * (rng.random(HEDGES) < 0.5)
    kept, found, count = np.zeros(HEDGES), np.zeros((3, HEDGES), np.int64), np.zeros(3, np.int64)
    looked = (naked, size, when, spot, short, basis, rng.integers(0, BOOKS, HEDGES), np.full(HEDGES, 0.004))
    results = []
    for module in (hedges, twin):
        out = [heard.copy(), found.copy(), count.copy()]
        module.reasons(*looked, out[0], kept, 0.02, *out[1:])
        results.append(out)
    for compiled, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(compiled, plain)
    assert (results[0][2] > 0).all()

    due = np.flatnonzero(rng.random(HEDGES) < 0.5)
    many = int((first[due + 1] - first[due]).sum())
    mine = both("legs_of", (due, first), (np.zeros(many, np.int64),))[1][0]
    held = np.where(
        rng.random(many) < 0.2, 0.0, size[np.repeat(due, np.diff(first)[due])] * rng.normal(-1, 1, many)
    )
    mid = np.exp(rng.normal(0, 1, BOOKS))
    public = np.stack([mid, mid, *rng.exponential(1.0, (2, BOOKS)), mid])
    public[rng.random(public.shape) < 0.1] = np.nan
    public[2:4][rng.random((2, BOOKS)) < 0.2] = 0.0  # no depth
    coins = np.where(rng.random(HEDGES) < 0.2, 0.0, size * rng.random(HEDGES))
    mixed = rng.random((3, HEDGES)) < 0.6
    main, bounds = book[first[:-1]], (0.1, 0.05, 20)
    flags, amounts = np.zeros(len(due), bool), np.zeros(len(due))
    own = tuple(one[due] for one in (naked, short, coins, size, main, spot))
    equity = rng.normal(0.3, 0.3, len(due)) * size[due]
    inputs = (*own, mixed[0, due], equity, mixed[1, due], public, 0.02, 0.2, *bounds)
    _, (still, sale, again, short_of) = both("mend", inputs, (flags, amounts, amounts, flags))
    assert still.any() and (sale > 0).any() and (again > 0).any() and not (sale * again > 0).any()
    back = both(
        "buy_back",
        (due, first, mine, book, held, size, -own[0], short_of, public, *bounds),
        (np.zeros(many),),
    )
    assert (back[1][0] > 0).any() or not short_of.any()
    there = np.maximum(spot, 0)
    both(
        "leave",
        (-own[1], *own[2:5], there[due], mixed[0, due], mixed[2, due], public, *bounds),
        (flags, amounts),
    )
