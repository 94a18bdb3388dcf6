"""Sensitivity indices: Morris, Sobol, Shapley, with bootstrap intervals.

Each index is of a quantile of the outcome over a cell's replicates, the median unless told otherwise. A block of a
design in which a cell has no result is left out whole.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.sweep.designs import block, places, problem
from experiments.sweep.effects import draws, interval, known
from experiments.sweep.study import Study

Floats = NDArray[np.float64]


def of_cells(table: pd.DataFrame, outcome: str, cells: int, quantile: float = 0.5) -> Floats:
    """The quantile of each cell by its number; NaN where a cell has no result."""
    found = known(table, outcome).groupby("cell")[outcome].quantile(quantile)
    values = np.full(cells, np.nan)
    values[found.index.to_numpy()] = found.to_numpy()
    return values


def _whole(study: Study, values: Floats) -> tuple[Floats, Floats, int]:
    """Places and values of the blocks of which every cell is known, and how many blocks were left out."""
    size = block(study)
    unit = places(study)
    good = np.isfinite(values.reshape(-1, size)).all(axis=1)
    keep = np.repeat(good, size)
    return unit[keep], values[keep], int((~good).sum())


def morris(study: Study, table: pd.DataFrame, outcome: str, quantile: float = 0.5) -> pd.DataFrame:
    """Morris's elementary effects over the whole range of each factor.

    Returns lines with factor, mu_star (mean size), low and high of its interval, mu (signed mean), sigma (spread:
    curvature and interaction), and `left_out` trajectories.
    """
    from SALib.analyze import morris as analysis

    unit, values, left_out = _whole(study, of_cells(table, outcome, len(places(study)), quantile))
    if len(values) < 2 * block(study):
        return pd.DataFrame()
    said = _quietly(
        lambda: analysis.analyze(
            problem(study), unit, values, num_levels=study.design.levels, seed=study.design.seed
        )
    )
    return pd.DataFrame(
        {
            "factor": list(study.factors),
            "mu_star": np.asarray(said["mu_star"], dtype=float),
            "low": np.asarray(said["mu_star"], dtype=float) - np.asarray(said["mu_star_conf"], dtype=float),
            "high": np.asarray(said["mu_star"], dtype=float) + np.asarray(said["mu_star_conf"], dtype=float),
            "mu": np.asarray(said["mu"], dtype=float),
            "sigma": np.asarray(said["sigma"], dtype=float),
            "left_out": left_out,
        }
    )


def sobol(study: Study, table: pd.DataFrame, outcome: str, quantile: float = 0.5) -> pd.DataFrame:
    """Sobol's indices: the share of the variance that a factor explains alone (first) and with all others (total).

    Returns lines with factor, first, first_low, first_high, total, total_low, total_high, `left_out` blocks.
    """
    from SALib.analyze import sobol as analysis

    _, values, left_out = _whole(study, of_cells(table, outcome, len(places(study)), quantile))
    if len(values) < 2 * block(study) or np.ptp(values) == 0:
        return pd.DataFrame()
    said = _quietly(
        lambda: analysis.analyze(
            problem(study), values, calc_second_order=False, num_resamples=500, seed=study.design.seed
        )
    )
    lines: dict[str, Any] = {"factor": list(study.factors)}
    for name, key in (("first", "S1"), ("total", "ST")):
        middle, half = np.asarray(said[key], dtype=float), np.asarray(said[f"{key}_conf"], dtype=float)
        lines |= {name: middle, f"{name}_low": middle - half, f"{name}_high": middle + half}
    return pd.DataFrame({**lines, "left_out": left_out})


def _quietly(analysis: Callable[[], Any]) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return analysis()


# Shapley ----------------------------------------------------------------------------------------------------


def shapley(worth: Callable[[frozenset[int]], float], players: int) -> Floats:
    """Shapley's value of each player of a game: its mean contribution over all orders of joining."""
    found = np.zeros(players)
    for player in range(players):
        others = [one for one in range(players) if one != player]
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for chosen in itertools.combinations(others, size):
                group = frozenset(chosen)
                found[player] += weight * (worth(group | {player}) - worth(group))
    return found


def shares_of_variance(cube: Floats) -> Floats:
    """Shapley effects: how much of the variance over a full grid each factor carries; they sum to all of it.

    cube: one value a cell, one axis a factor. A group is worth the variance of the mean over all other factors.
    """
    axes = range(cube.ndim)

    def worth(group: frozenset[int]) -> float:
        rest = tuple(axis for axis in axes if axis not in group)
        return float(np.var(cube.mean(axis=rest) if rest else cube))

    return shapley(worth, cube.ndim)


def shares_of_change(cube: Floats) -> Floats:
    """Of a factorial: what each factor adds from all first to all last values; the sum is the whole change."""

    def worth(group: frozenset[int]) -> float:
        return float(cube[tuple(-1 if axis in group else 0 for axis in range(cube.ndim))])

    return shapley(worth, cube.ndim)


def joint(cube: Floats) -> dict[tuple[int, ...], float]:
    """Of a factorial: what each group of two factors or more adds beyond all its parts (Harsanyi's dividends), on the
    way from all first to all last values. With the factors' own additions they sum to the whole change."""
    gain: dict[tuple[int, ...], float] = {}
    for size in range(cube.ndim + 1):
        for group in itertools.combinations(range(cube.ndim), size):
            worth = float(cube[tuple(-1 if axis in group else 0 for axis in range(cube.ndim))])
            parts = (gain[part] for less in range(size) for part in itertools.combinations(group, less))
            gain[group] = worth - sum(parts)
    return {group: value for group, value in gain.items() if len(group) > 1}


def largest_joint(
    table: pd.DataFrame, factors: Sequence[str], outcome: str, quantile: float = 0.5
) -> tuple[tuple[str, ...], float, float, float] | None:
    """The group of factors that adds most beyond its parts, by how much, and the interval (common seeds drawn anew)."""
    stacked = _stacked(known(table, outcome), factors, outcome)
    if stacked is None or stacked.ndim < 3:
        return None
    found = joint(np.nanquantile(stacked, quantile, axis=-1))
    group = max(found, key=lambda one: abs(found[one]))
    again = [
        joint(np.nanquantile(stacked[..., row], quantile, axis=-1))[group]
        for row in draws(stacked.shape[-1], 300)
    ]
    return (tuple(factors[axis] for axis in group), found[group], *interval(np.array(again)))


def attributed(
    table: pd.DataFrame, factors: Sequence[str], outcome: str, common: bool, quantile: float = 0.5
) -> pd.DataFrame:
    """Shapley shares of a full grid with intervals; empty where a cell has no result.

    Returns lines with factor, change (from the first to the last values of all factors, in the outcome's unit), and
    share (of the variance over the grid), each with its interval.
    """
    runs = known(table, outcome)
    stacked = _stacked(runs, factors, outcome)
    if stacked is None:
        return pd.DataFrame()

    def indices(values: Floats) -> tuple[Floats, Floats]:
        cube = np.nanquantile(values, quantile, axis=-1)
        carried = shares_of_variance(cube)
        total = carried.sum()
        return shares_of_change(cube), carried / total if total > 0 else np.full(len(carried), np.nan)

    change, share = indices(stacked)
    count = stacked.shape[-1]
    luck = np.random.default_rng(1)
    again = []
    for row in draws(count, 300):
        if common:
            again.append(indices(stacked[..., row]))
        else:
            own = luck.integers(0, count, size=stacked.shape)
            again.append(indices(np.take_along_axis(stacked, own, axis=-1)))
    lines = []
    for i, factor in enumerate(factors):
        changes, shares = (interval(np.array([one[which][i] for one in again])) for which in (0, 1))
        lines.append(
            {
                "factor": factor, "change": change[i], "change_low": changes[0], "change_high": changes[1],
                "share": share[i], "share_low": shares[0], "share_high": shares[1],
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def _stacked(runs: pd.DataFrame, factors: Sequence[str], outcome: str) -> Floats | None:
    """Values by factor (in the order in which their values come) and replicate; None where a cell has none."""
    levels = [list(dict.fromkeys(runs[factor])) for factor in factors]
    turn = runs.sort_values("seed").groupby("cell").cumcount()
    most = int(turn.max()) + 1 if len(turn) else 0
    if not most:
        return None
    stacked = np.full((*(len(level) for level in levels), most), np.nan)
    at = [
        runs[factor].map({value: number for number, value in enumerate(level)}).to_numpy()
        for factor, level in zip(factors, levels, strict=True)
    ]
    stacked[(*at, turn.reindex(runs.index).to_numpy())] = runs[outcome].to_numpy(dtype=float)
    return stacked if np.isfinite(stacked).any(axis=-1).all() else None
