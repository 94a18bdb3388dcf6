"""A venue behind a bank rail: coins dear there for as long as the bank is shut, and hardly when it opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import Run, arbitrage, load, readings
from experiments.runner import Job, run_jobs

OPENING = 2 * 3600.0  # the bank opens two hours after the start


def premium(run: Run) -> np.ndarray:
    """What Seoul pays more, %, at every step."""
    seoul, world = (
        readings.filled(run.column("last", book=f"{where}:BTC-SPOT")) for where in ("seoul", "global")
    )
    return np.asarray(100.0 * (seoul / world - 1.0))


@pytest.mark.slow  # four hours of a small market
def test_coins_are_dear_while_the_bank_is_shut_and_hardly_after_it_has_opened(tmp_path: Path) -> None:
    (outcome,) = run_jobs([Job("kimchi", load("kimchi"), 1, tmp_path / "kimchi")], jobs=1, progress=False)
    shut = outcome.open()
    before = readings.inside(shut, OPENING - 1800, OPENING)
    late = readings.inside(shut, OPENING + 5400, OPENING + 7200)
    calm = readings.inside(shut, 0.0, 600.0)
    dear = premium(shut)
    assert abs(dear[calm].mean()) < 0.1
    assert dear[before].mean() > 2.0
    assert dear[late].mean() < 0.5 * dear[before].mean()
    reasons = {one.constraint: one.share for one in arbitrage.forgone(shut, window=(0.0, OPENING))}
    assert reasons["calendar"] > 0.3, reasons
    after = {one.constraint for one in arbitrage.forgone(shut, window=(OPENING, shut.time[-1]))}
    assert "calendar" not in after
