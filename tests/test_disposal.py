"""What venues sell of what they took over: the compiled pass and its twin in numpy agree in markets of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from agents import disposal
from tests.twins import disposal as twin

BOOKS, PAIRS = 6, 20


@pytest.mark.parametrize("seed", range(40))
def test_what_venues_sell_is_what_the_twin_sells(seed: int) -> None:
    draw = np.random.default_rng(seed)
    lots = np.where(draw.random(PAIRS) < 0.3, 0, draw.integers(-300, 300, PAIRS))
    public = draw.lognormal(2, 2, (5, BOOKS))
    public[:4][draw.random((4, BOOKS)) < 0.2] = np.nan
    inputs = (
        draw.integers(0, 9, PAIRS), draw.integers(0, BOOKS, PAIRS), lots, draw.integers(0, 2, PAIRS),
        draw.uniform(0, 0.1, PAIRS), *public, 0.05, 0.01,
    )  # fmt: skip
    owed, results = draw.uniform(0, 3, PAIRS), []
    for module in (disposal, twin):
        left = [owed.copy(), np.zeros((3, PAIRS), np.int64), np.zeros(PAIRS), np.zeros(PAIRS)]
        results.append((module.dispose(*inputs, *left), left))
    assert results[0][0] == results[1][0]
    for compiled, plain in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-14)
    assert (results[0][1][3][: results[0][0]] > 0).all()
