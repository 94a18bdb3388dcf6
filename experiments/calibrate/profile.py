"""What trials say of each parameter: a profile of the distance, an interval, and what the moments cannot tell.

Two readings, which need not agree. The profile is the least distance over trials in every tenth of a parameter's range;
its interval holds the trials within 3.84 of the best, a chi-square of one parameter at 95 %, stretched where even the
best misses by more than its widths. The slopes are a linear fit of all deviations around the best; with the range
itself as prior they give the share of a parameter's variance that the moments take away, and the combination of
parameters that they say least of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10
LEVEL = 3.84  # 95 % of a chi-square with one degree of freedom
WIDE = 0.7  # an interval over more of the range than this tells nothing
LEARNT = 0.5  # least share of the prior variance that moments must take away
EDGE = 0.03  # of the range: nearer to an end than this is at the end
UNIFORM = 1.0 / 12.0  # variance of the prior, the range itself


class Profile(NamedTuple):
    """One parameter, in places of the unit interval."""

    best: float
    low: float
    high: float
    bins: list[float | None]  # least distance in each tenth of the range; None = no trial
    inside: int  # trials that the interval is made of
    learnt: float | None  # share of the prior variance that the moments take away; None = too few trials

    @property
    def at_end(self) -> bool:
        """Whether the interval reaches an end of the range: the range may be too narrow."""
        return self.low < EDGE or self.high > 1.0 - EDGE

    @property
    def identified(self) -> bool:
        """Whether profile and slopes both say that the moments tell this parameter."""
        return self.high - self.low <= WIDE and (self.learnt is None or self.learnt >= LEARNT)


def profiles(unit: Floats, distance: Floats, deviations: Floats, weights: Floats) -> list[Profile]:
    """A profile of every parameter.

    Args:
        unit: places of the trials, [trials, parameters].
        distance: of every trial.
        deviations: in widths, [trials, moments].
        weights: of the moments.
    """
    best = int(np.argmin(distance))
    limit = distance[best] + LEVEL * stretch(distance[best], weights, unit.shape[1])
    near = unit[distance <= limit]
    found = slopes(unit, distance, deviations, weights)
    tenth = np.minimum((unit * BINS).astype(int), BINS - 1)
    return [
        Profile(
            float(unit[best, i]),
            float(near[:, i].min()),
            float(near[:, i].max()),
            [
                float(distance[tenth[:, i] == bin].min()) if (tenth[:, i] == bin).any() else None
                for bin in range(BINS)
            ],
            len(near),
            None if found is None else max(0.0, float(1.0 - np.diag(found.covariance)[i] / UNIFORM)),
        )
        for i in range(unit.shape[1])
    ]


def stretch(least: float, weights: Floats, parameters: int) -> float:
    """How far the best is beyond what its degrees of freedom allow; 1 where it fits."""
    free = max(int((weights > 0).sum()) - parameters, 1)
    return max(1.0, least / free)


class Slopes(NamedTuple):
    """Linear response around the best."""

    covariance: Floats  # of the parameters, the ranges as prior
    loosest: Floats  # direction in the unit cube of which moments say least, of length 1
    told: float  # share of the prior variance that they take away along it


def slopes(unit: Floats, distance: Floats, deviations: Floats, weights: Floats) -> Slopes | None:
    """Regress deviations on parameters, near trials counting most; None where trials are too few."""
    trials, parameters = unit.shape
    if trials < 2 * (parameters + 1):
        return None
    best = int(np.argmin(distance))
    away = np.sqrt(((unit - unit[best]) ** 2).sum(axis=1))
    reach = max(float(np.sort(away)[min(3 * (parameters + 1), trials - 1)]), 1e-9)
    root = np.sqrt(np.exp(-0.5 * (away / reach) ** 2))[:, None]
    line = np.hstack([np.ones((trials, 1)), unit - unit[best]])
    response = np.linalg.lstsq(line * root, deviations * root, rcond=None)[0][1:]  # [parameters, moments]
    information = (response * weights) @ response.T / stretch(float(distance[best]), weights, parameters)
    values, vectors = np.linalg.eigh(information)
    prior = 1.0 / UNIFORM
    covariance = (vectors / (np.maximum(values, 0.0) + prior)) @ vectors.T
    least = max(float(values[0]), 0.0)
    loosest = vectors[:, 0] * math.copysign(1.0, vectors[np.argmax(np.abs(vectors[:, 0])), 0])
    return Slopes(covariance, loosest, 1.0 - prior / (least + prior))


def direction(names: Sequence[str], loosest: Floats) -> str:
    """The loosest direction in words: the parameters that carry it, with their signs."""
    order = np.argsort(-np.abs(loosest))
    parts = [f"{loosest[i]:+.2f} {names[i]}" for i in order if abs(loosest[i]) >= 0.2]
    return " ".join(parts)
