"""Waves of activity: mean one, of all lengths between the shortest and the longest; none without swing."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents import moods


def path(swing: float, steps: int, soon: float, late: float, seed: int) -> Any:
    """float64[steps]: liveliness by the second."""
    draw = np.random.default_rng(seed).random(steps)[:, None].view(np.int64)
    state, out = moods.begin(draw[0]), np.empty(steps)
    for t, bits in enumerate(draw):
        moods.move(state, bits, 1.0, soon, late)
        out[t] = moods.liveliness(state, swing)
    return out


def test_a_market_is_as_lively_as_usual_on_average() -> None:
    means = [path(0.3, 20_000, 5.0, 500.0, seed).mean() for seed in range(4)]
    assert abs(np.mean(means) - 1.0) < 0.1, means
    assert (path(0.0, 100, 5.0, 500.0, 0) == 1.0).all()


def test_waves_are_of_all_lengths_so_that_memory_fades_slowly() -> None:
    """Autocorrelation at ten times the lag is far above what one wave of the shorter length would leave."""
    x = path(0.4, 60_000, 5.0, 2000.0, 1)
    x = x - x.mean()
    near, far = ((x[:-lag] * x[lag:]).mean() / x.var() for lag in (20, 200))
    assert near > 0.4 and far > 0.05 > 10.0 * near**10, (near, far)


def test_every_multiplier_changes_at_its_own_pace() -> None:
    draw = np.random.default_rng(2).random(20_000)[:, None].view(np.int64)
    state, changes = moods.begin(draw[0]), np.zeros(moods.COMPONENTS)
    for bits in draw:
        before = state.copy()
        moods.move(state, bits, 1.0, 10.0, 1000.0)
        changes += state != before
    expected = (
        20_000 / np.geomspace(10.0, 1000.0, moods.COMPONENTS) / 2
    )  # drawn anew: half of the time the same again
    assert (np.abs(changes - expected) < 5.0 * np.sqrt(expected)).all(), (changes, expected)
