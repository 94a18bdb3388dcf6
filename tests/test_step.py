"""A cascade does not hang on the length of the step: smaller steps give more detail, not another size."""

from __future__ import annotations

import numpy as np
import pytest

from experiments import config
from experiments.build import build


def liquidated(step: float, seed: int) -> float:
    """Million dollars of positions liquidated in two venues."""
    model = build(config.load("two_venues", [("clock.step", str(step))]), seed, record=False)
    total = 0.0
    while model.step_number < model.clock.steps:
        model.step()
        total += model.liquidated
    return total / 1e6


@pytest.mark.slow
def test_the_size_of_a_cascade_is_the_same_in_short_and_long_steps() -> None:
    seeds = range(1, 9)
    band = np.quantile([liquidated(1.0, seed) for seed in seeds], (0.05, 0.95))
    for step in (0.25, 0.5, 2.0):
        median = np.median([liquidated(step, seed) for seed in seeds])
        assert band[0] <= median <= band[1], f"{step} s: {median:.2f} M$, seeds of 1 s {band.round(2)}"
