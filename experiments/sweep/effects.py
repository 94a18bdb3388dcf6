"""What a table of runs says, with intervals: quantiles of cells, main effects, pairs, two peaks, a border.

Sizes of cascades have heavy tails, so everything here is a quantile and not a mean. Intervals are 95 % percentile
bootstraps over replicates. With common seeds a replicate is drawn with all its cells, because they share its luck.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 1000  # bootstrap samples
LEVEL = 0.95
FOR_BANDS = 200  # replicates from which a band of 5-95 % is worth its name
FOR_PEAKS = 8  # different values from which a test for two peaks is tried
MOST_ALIKE = (
    0.25  # share of runs with one and the same value from which it is not: the test is of continuous laws
)


def draws(count: int, times: int = DRAWS, seed: int = 1) -> NDArray[np.int64]:
    """Bootstrap samples of `count` things as indices, [times, count]."""
    found: NDArray[np.int64] = np.random.default_rng(seed).integers(0, count, size=(times, count))
    return found


def interval(samples: Floats) -> tuple[float, float]:
    """The middle 95 % of bootstrap samples; NaN where there is none."""
    known = samples[np.isfinite(samples)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def known(table: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """The runs that are done and of which the outcome is known."""
    return table[(table["status"] == "done") & table[outcome].notna()]


def cells(
    table: pd.DataFrame, factors: Sequence[str], outcome: str, quantiles: Sequence[float] = (0.05, 0.5, 0.95)
) -> pd.DataFrame:
    """Quantiles of every combination of the factors' values, each with its interval.

    Returns one line a combination: the factors, `runs`, and for each quantile `q50`, `q50_low`, `q50_high`.
    """
    lines = []
    for values, group in known(table, outcome).groupby(list(factors), sort=False, dropna=False):
        found = group[outcome].to_numpy(dtype=float)
        line = dict(zip(factors, values if isinstance(values, tuple) else (values,), strict=True))
        line["runs"] = len(found)
        again = np.quantile(found[draws(len(found))], quantiles, axis=1)
        for share, value, samples in zip(quantiles, np.quantile(found, quantiles), again, strict=True):
            name = f"q{round(100 * share):02d}"
            line[name] = value
            line[f"{name}_low"], line[f"{name}_high"] = interval(samples)
        lines.append(line)
    return pd.DataFrame(lines)


def main_effects(table: pd.DataFrame, factors: Sequence[str], outcome: str) -> pd.DataFrame:
    """Median over all runs at each value of each factor (a tenth of the range where it is sampled), with intervals.

    Runs are drawn by seed, all runs of a seed together, where seeds are common. Returns lines with factor, value,
    runs, median, low, high.
    """
    lines = []
    runs = known(table, outcome)
    for factor in factors:
        values = runs[factor]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 12:
            values = pd.qcut(values, 10, duplicates="drop").map(lambda part: part.mid).astype(float)
        for value, group in runs.groupby(values, sort=pd.api.types.is_numeric_dtype(values), observed=True):
            found = group[outcome].to_numpy(dtype=float)
            low, high = interval(_medians(found, group["seed"].to_numpy()))
            line = {"factor": factor, "value": value, "runs": len(found), "median": float(np.median(found))}
            lines.append({**line, "low": low, "high": high})
    return pd.DataFrame(lines)


def _medians(values: Floats, seeds: NDArray[Any]) -> Floats:
    """Bootstrap medians; whole seeds are drawn where several runs share one."""
    names, which = np.unique(seeds, return_inverse=True)
    if len(names) == 1 or len(names) == len(values):
        return np.asarray(np.median(values[draws(len(values))], axis=1), dtype=float)
    groups = [values[which == number] for number in range(len(names))]
    return np.array([np.median(np.concatenate([groups[i] for i in row])) for row in draws(len(names))])


def ranks(table: pd.DataFrame, factors: Sequence[str], outcome: str) -> pd.DataFrame:
    """Spearman's rank correlation of a factor of numbers with the outcome: how monotone it is. With intervals."""
    from scipy.stats import rankdata

    lines = []
    runs = known(table, outcome)
    for factor in factors:
        if not pd.api.types.is_numeric_dtype(runs[factor]) or len(runs) < 3:
            continue
        x, y = rankdata(runs[factor]), rankdata(runs[outcome])
        again = np.array([_correlation(x[row], y[row]) for row in draws(len(x), 500)])
        low, high = interval(again)
        lines.append({"factor": factor, "correlation": _correlation(x, y), "low": low, "high": high})
    return pd.DataFrame(lines)


def _correlation(x: Floats, y: Floats) -> float:
    if x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def pairs(
    table: pd.DataFrame, factors: Sequence[str], policy: str, outcome: str, base: Any = None
) -> pd.DataFrame:
    """Differences between the values of one factor, seed by seed, all else equal: b minus a; a only `base`, if given.

    Returns lines with a, b, pairs, median, low, high (bootstrap over seeds), share of pairs in which b is larger, of
    those in which it is smaller, and p, of Wilcoxon's signed-rank test over seeds (each seed counts once).
    """
    from scipy.stats import wilcoxon

    rest = [factor for factor in factors if factor != policy]
    wide = known(table, outcome).pivot_table(
        index=["seed", *rest], columns=policy, values=outcome, sort=False
    )
    lines = []
    values = list(wide.columns)
    chosen = list(itertools.combinations(values, 2))
    if base is not None:
        chosen = [(base, b) for b in values if b != base] if base in values else []
    for a, b in chosen:
        both = (wide[b] - wide[a]).dropna()
        if both.empty:
            continue
        found, seeds = both.to_numpy(dtype=float), both.index.get_level_values("seed").to_numpy()
        low, high = interval(_medians(found, seeds))
        of_seed = both.groupby(level="seed").median().to_numpy()
        moved = len(of_seed) > 1 and bool(np.any(of_seed != 0))
        lines.append(
            {
                "a": a, "b": b, "pairs": len(found), "median": float(np.median(found)), "low": low, "high": high,
                "larger": float(np.mean(found > 0)), "smaller": float(np.mean(found < 0)),
                "p": float(wilcoxon(of_seed).pvalue) if moved else float("nan"),
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def two_peaks(table: pd.DataFrame, factors: Sequence[str], outcome: str) -> pd.DataFrame:
    """Hartigan's dip test of each cell: is its distribution one peak? Holm's correction over cells.

    Returns lines with the factors, runs, dip, p, and `corrected`; cells with too few different values, or with many
    runs of one value (no liquidation at all), are left out.
    """
    from diptest import diptest

    lines = []
    for values, group in known(table, outcome).groupby(list(factors), sort=False, dropna=False):
        found = group[outcome].to_numpy(dtype=float)
        different, counts = np.unique(found, return_counts=True)
        if len(different) < FOR_PEAKS or counts.max() > MOST_ALIKE * len(found):
            continue
        dip, p = diptest(found)
        line = dict(zip(factors, values if isinstance(values, tuple) else (values,), strict=True))
        lines.append({**line, "runs": len(found), "dip": float(dip), "p": float(p)})
    found_cells = pd.DataFrame(lines)
    if len(found_cells):
        found_cells["corrected"] = holm(found_cells["p"].to_numpy())
    return found_cells


def holm(p: Floats) -> Floats:
    """p values corrected for their number (Holm 1979)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def boundary(
    table: pd.DataFrame, factors: Sequence[str], outcome: str, along: str, level: float, quantile: float = 0.5
) -> pd.DataFrame:
    """Where along a factor of numbers a quantile of the outcome first crosses a level, for each choice of the others.

    Between two values the crossing is linear. Returns lines with the other factors, at, low, high and `found`, the
    share of bootstrap samples in which it crosses within the range; `at` is NaN where the data do not cross.
    """
    rest = [factor for factor in factors if factor != along]
    lines = []
    runs = known(table, outcome)
    groups = runs.groupby(rest, sort=False, dropna=False) if rest else [((), runs)]
    for values, group in groups:
        line = dict(zip(rest, values if isinstance(values, tuple) else (values,), strict=True))
        wide = group.pivot_table(index="seed", columns=along, values=outcome)
        x, y = wide.columns.to_numpy(dtype=float), wide.to_numpy(dtype=float)
        if len(x) < 2:
            continue
        at = crossing(x, np.nanquantile(y, quantile, axis=0), level)
        again = np.array(
            [crossing(x, np.nanquantile(y[row], quantile, axis=0), level) for row in draws(len(y))]
        )
        low, high = interval(again)
        share = float(np.isfinite(again).mean())
        lines.append({**line, "at": at, "low": low, "high": high, "found": share})
    return pd.DataFrame(lines)


def slope(table: pd.DataFrame, along: str, outcome: str) -> tuple[float, float, float, int]:
    """Least-squares slope of an outcome on a factor of numbers over all runs, its interval, and how many runs.

    The interval is a bootstrap over seeds, which cells may share. NaN where the factor or the seeds do not vary.
    """
    runs = known(table, outcome)
    seeds, which = np.unique(runs["seed"].to_numpy(), return_inverse=True)
    x, y = runs[along].to_numpy(dtype=float), runs[outcome].to_numpy(dtype=float)
    n = len(seeds)
    if n == 0 or np.ptp(x) == 0:
        return float("nan"), float("nan"), float("nan"), len(runs)
    # sums by seed: a sample of seeds is a sum of them
    sums = np.array([np.bincount(which, values, n) for values in (np.ones(len(x)), x, y, x * x, x * y)])

    def of(total: Floats) -> Floats:
        count, sx, sy, sxx, sxy = total
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (count * sxy - sx * sy) / (count * sxx - sx * sx)
        return found

    low, high = interval(of(sums[:, draws(n)].sum(axis=2))) if n > 1 else (float("nan"), float("nan"))
    return float(of(sums.sum(axis=1))), low, high, len(runs)


def crossing(x: Floats, y: Floats, level: float) -> float:
    """The first x at which the line through the points reaches the level from the side on which it starts; else NaN."""
    side = np.sign(y - level)
    if side[0] == 0:
        return float(x[0])
    for i in range(len(x) - 1):
        if np.isfinite(y[i]) and np.isfinite(y[i + 1]) and side[i + 1] != side[0]:
            share = (level - y[i]) / (y[i + 1] - y[i])
            return float(x[i] + share * (x[i + 1] - x[i]))
    return float("nan")


def warnings(table: pd.DataFrame, factors: Sequence[str], outcomes: Sequence[str]) -> list[str]:
    """What a reader must know before the numbers: runs that are missing, replicates that are too few."""
    lines = []
    counts = table["status"].value_counts()
    for status, words in (
        ("failed", "failed"),
        ("missing", "have not been run"),
        ("stale", "were measured by other outcomes"),
    ):
        if counts.get(status, 0):
            lines.append(f"{counts[status]} of {len(table)} runs {words}: what follows is without them.")
    done = table[table["status"] == "done"]
    for outcome in outcomes:
        unknown = int(done[outcome].isna().sum())
        if unknown:
            lines.append(f"{outcome} could not be measured in {unknown} of {len(done)} runs.")
    least = int(done.groupby(list(factors), dropna=False).size().min()) if len(done) else 0
    if least < FOR_BANDS:
        lines.append(
            f"The smallest cell has {least} run{'' if least == 1 else 's'}. Bands of 5-95 % need {FOR_BANDS}:"
            " here they are left out, and medians stand with their intervals."
        )
    return lines
