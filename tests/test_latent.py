"""Who of the value traders acts and what is sent: compiled passes and their twins in numpy, in hostile markets too."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import latent
from tests.twins import latent as twin

BOOKS, ROWS, STATIONS = 6, 9, 40


def both(name: str, inputs: tuple[Any, ...], *outputs: np.ndarray) -> tuple[Any, list[Any]]:
    """What the kernel returns and leaves in its arguments, after its twin has been found to do the same."""
    results = []
    for module in (latent, twin):
        copies = [np.array(x) if isinstance(x, np.ndarray) else x for x in (*inputs, *outputs)]
        results.append((getattr(module, name)(*copies), copies))
    assert results[0][0] == results[1][0]
    for compiled, plain in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-14)
    return results[0]


def some(draw: np.random.Generator, values: Any, other: float, share: float = 0.2) -> np.ndarray:
    """The values, now and then `other`."""
    return np.where(draw.random(np.shape(values)) < share, other, values)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_value_traders_do_what_their_twins_do(seed: int) -> None:
    draw = np.random.default_rng(seed)
    row, book = draw.integers(0, ROWS, STATIONS), draw.integers(0, BOOKS, STATIONS)
    name = book * 0x9E3779B97F4A7 + 3
    drawn, heard = (
        draw.random(ROWS).view(np.int64),
        some(draw, draw.normal(-0.05, 0.05, ROWS), 0.0, draw.random()),
    )
    beta, gap = (
        some(draw, draw.normal(1, 1, BOOKS), np.nan),
        some(draw, draw.normal(-0.1, 0.2, BOOKS), np.nan),
    )
    calm = some(draw, draw.lognormal(-9, 1, BOOKS), np.nan)
    capital = some(draw, draw.lognormal(2, 2, STATIONS), 0.0)
    done, goal = (some(draw, capital * draw.normal(0, 0.5, STATIONS), 0.0) for _ in range(2))
    out = np.zeros(STATIONS, np.int64), np.zeros(STATIONS)
    n, left = both(
        "sellers",
        (
            row,
            book,
            name,
            drawn,
            heard,
            draw.random(ROWS),
            beta,
            calm,
            gap,
            capital,
            done,
            goal,
            1.5,
            1.5,
            0.5,
        ),
        *out,
    )
    assert (np.abs(left[11]) <= np.maximum(np.abs(goal), capital)).all(), "nobody wants more than its capital"

    start, at = (
        -draw.random(STATIONS) * 0.3,
        some(draw, draw.uniform(0, 200, STATIONS), np.inf, draw.random()),
    )
    pace, spent = draw.uniform(60, 900, STATIONS), capital * draw.random(STATIONS)
    dips = (100.0, row, book, name, drawn, heard, beta, gap, capital, spent, start, at, pace, 0.5)
    begun, buys = both("dippers", dips, *out)[0]
    assert not (begun and buys)

    lot, ask = draw.lognormal(-3, 2, BOOKS), some(draw, draw.lognormal(3, 2, BOOKS), np.nan)
    depth = some(draw, draw.lognormal(2, 2, (2, BOOKS)), np.nan)
    now, rest = left[-2][:n], left[-1][:n]
    part = draw.random(STATIONS) if draw.random() < 0.5 else np.ones(1)
    sent, after = both(
        "slices",
        (
            now, rest, part, row, book, draw.lognormal(2, 3, n), draw.integers(0, 2, n), draw.integers(0, 2, BOOKS),
            lot, ask, *depth, draw.random(BOOKS) < 0.2, 0.1, done,
        ),
        np.zeros((3, n), np.int64), np.zeros(n),
    )  # fmt: skip
    assert (after[-1][:sent] > 0).all()
