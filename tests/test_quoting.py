"""The compiled requotes of makers and their twin in numpy agree to the bit, whatever stands and was eaten."""

from __future__ import annotations

import numpy as np
import pytest

from agents import quoting
from tests.twins import quotes

STATIONS, LEVELS = 40, 7


@pytest.mark.parametrize("seed", range(20))
def test_requotes_are_those_of_the_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    due = np.flatnonzero(rng.random(STATIONS) < 0.6)
    n, table, look = len(due), (STATIONS, 2, LEVELS), (len(due), 2, LEVELS)
    fair = np.exp(rng.normal(4, 3, n))
    tick, lot = fair * 10.0 ** rng.integers(-6, -3, n), 10.0 ** rng.integers(-3, 2, n)
    offset = np.sort(np.exp(rng.uniform(-10, -3, (n, LEVELS))), 1)
    level = fair[:, None, None] * np.stack([np.exp(-offset), np.exp(offset)], 1)
    lots = np.where(rng.random(look) < 0.2, 0, rng.integers(1, 400, look))
    live = np.where(lots > 0, level * np.exp(rng.normal(0, 0.3, look) * offset[:, None, :]), np.nan)
    sent, asked = np.zeros(table), np.ones(table)
    sent[due] = lots * lot[:, None, None] * np.where(rng.random(look) < 0.5, 1.0, rng.uniform(1, 3, look))
    asked[due] = np.where(lots > 0, live, level)
    quiet = rng.random(n) < 0.3
    traded = fair[:, None] * np.exp(np.stack([-rng.exponential(0.005, n), rng.exponential(0.005, n)], 1))
    traded[quiet] = np.nan
    most = np.where(rng.random((n, 2)) < 0.5, np.inf, rng.normal(300, 300, (n, 2)) * lot[:, None])
    edge = fair[:, None] * np.array([1.0, 1.0]) + np.stack([-tick, tick], 1) * rng.integers(-9, 9, (n, 2))
    size = rng.uniform(0, 300, (n, 2)) * lot[:, None] * (rng.random((n, 2)) < 0.9)
    fixed = (due, fair, tick, lot, 0.3, edge, traded, size, most, rng.random((n, LEVELS)))
    shape, full = rng.random((STATIONS, LEVELS)), rng.random(table)
    results = []
    for one in (quoting.requote, quotes.requote):
        written = [
            level.copy(),
            live,
            lots,
            sent.copy(),
            asked.copy(),
            full.copy(),
            np.zeros(look),
            np.zeros(look, bool),
        ]
        one(*fixed, shape, offset, *written)
        results.append(written)
    for name, compiled, plain in zip(
        ("level", "live", "lots", "sent", "asked", "full", "want", "send"), *results, strict=True
    ):
        np.testing.assert_array_equal(compiled, plain, err_msg=name)
    send, want = results[0][-1], results[0][-2]
    assert send.any() and not send.all() and (want == 0).any() and (want > 0).any()
