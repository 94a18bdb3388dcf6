"""How far simulated moments are from their targets: squared deviations in widths, weighted and summed.

A deviation is (value - target) / width, the width being the root of the target's own variance and, where a pilot has
been run, of the bootstrapped variance of the simulated moment over seeds: the usual weights of simulated moments. Their
sum is then of the size of a chi-square variable, which is what intervals are read from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.calibrate.calibration import Calibration, own_range

RESAMPLES = 2000
Seeds = Mapping[str, Sequence[float | None]]  # values of each moment, one a seed; None = not measured


class Aim(NamedTuple):
    """What a moment is held against."""

    target: float
    low: float  # equal to the target where its shape is a point
    high: float
    width: float
    weight: float

    def deviation(self, value: float, unmeasured: float) -> float:
        """In widths; `unmeasured` where there is no value."""
        if not math.isfinite(value):
            return unmeasured
        nearest = min(max(value, self.low), self.high)
        return (value - nearest) / self.width


Aims = dict[str, Aim]


def aims(
    calibration: Calibration, noise: Mapping[str, float] | None = None, without: Iterable[str] = ()
) -> Aims:
    """The aims of a calibration.

    Args:
        noise: standard errors of the simulated moments, added to the widths.
        without: groups that do not count.
    """
    found = {}
    for name, moment in calibration.moments.items():
        low, high, target = own_range(moment)
        if low is None or high is None:
            assert target is not None and moment.width is not None  # checked with the file
            low = high = target
            width = moment.width
        else:
            target = (low + high) / 2 if target is None else target
            width = (high - low) / 2 if moment.width is None else moment.width
        if moment.shape == "point":
            low = high = target
        width = math.hypot(width, (noise or {}).get(name, 0.0))
        weight = 0.0 if calibration.group_of(name) in without else moment.weight
        found[name] = Aim(target, low, high, width, weight)
    return found


def across(values: Sequence[float | None], how: str) -> float:
    """Seeds as one number; NaN unless more than half of them could be measured."""
    known = [value for value in values if value is not None]
    if 2 * len(known) <= len(values):
        return math.nan
    return float(np.median(known) if how == "median" else np.mean(known))


def deviations(calibration: Calibration, aims: Aims, seeds: Seeds) -> dict[str, float]:
    """Every moment's deviation in widths, the weightless ones too."""
    fit = calibration.fit
    return {
        name: aim.deviation(across(seeds[name], fit.across), fit.unmeasured) for name, aim in aims.items()
    }


def distance(calibration: Calibration, aims: Aims, seeds: Seeds) -> float:
    """The weighted sum of squared deviations."""
    found = deviations(calibration, aims, seeds)
    return float(sum(aims[name].weight * z * z for name, z in found.items()))


def noise(calibration: Calibration, seeds: Seeds) -> dict[str, float]:
    """Bootstrapped standard error of every moment when it is made of the calibration's number of seeds.

    Args:
        seeds: of a pilot. A moment that fewer than three of its seeds could tell gets no noise of its own.
    """
    fit = calibration.fit
    draw = np.random.default_rng(fit.draw)
    found = {}
    for name, values in seeds.items():
        known = np.array([value for value in values if value is not None], dtype=float)
        if len(known) < 3:
            continue
        drawn = draw.choice(known, size=(RESAMPLES, fit.seeds))
        made = np.median(drawn, axis=1) if fit.across == "median" else drawn.mean(axis=1)
        found[name] = float(made.std(ddof=1))
    return found
