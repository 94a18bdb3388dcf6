"""Estimators of stylized facts: pure functions of arrays, the same for a simulated and for a real tape.

Nothing here knows a run. Every estimator has its null, the process that has the fact not, and `tests/test_facts.py`
shows that it rejects it: Gaussian returns are not fat-tailed, Poisson trades not clustered, coin tosses have no memory.
Where a fact is not there at all (an exponent of a correlation that does not exist) the answer is NaN, never a number
inside a range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

BAND = 1.96  # standard errors of a two-sided 95 % band
GAUSSIAN_KURTOSIS = 1.233  # Moors' octile kurtosis of a normal law


def known(values: ArrayLike) -> Floats:
    """The finite ones."""
    x = np.asarray(values, float).ravel()
    return x[np.isfinite(x)]


def returns(price: ArrayLike, every: int = 1) -> Floats:
    """Log returns over `every` samples that do not overlap; NaN where a price is missing."""
    x = np.asarray(price, float)[::every]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.diff(np.log(x))
    return found


# tails ------------------------------------------------------------------------------------------------------


class Tail(NamedTuple):
    """A power law's index, the range that it has over the cuts tried, and how well the largest part fits one."""

    index: float
    low: float
    high: float
    p_value: float


def hill(values: ArrayLike, share: float) -> float:
    """Hill's estimator of the tail index of |values| from the largest `share` of them."""
    x = np.sort(np.abs(known(values)))[::-1]
    k = int(share * len(x))
    if k < 10 or x[k] <= 0:
        return float("nan")
    return float(1.0 / np.mean(np.log(x[:k] / x[k])))


def tail(values: ArrayLike, shares: ArrayLike = (0.005, 0.0075, 0.01, 0.015, 0.02), draws: int = 200) -> Tail:
    """The Hill plateau: median over the cuts, and the test of Clauset, Shalizi and Newman (2009) at the last of them.

    Args:
        values: returns or sizes.
        shares: cuts, shares of the sample; at least ten values lie beyond each.
        draws: samples of the fitted power law that the distance is compared with.

    A p-value below 0.1 says that the part beyond the cut is no power law.
    """
    found = known([hill(values, share) for share in np.atleast_1d(shares)])
    if not len(found):
        return Tail(*[float("nan")] * 4)
    x = np.sort(np.abs(known(values)))[::-1]
    k = int(float(np.atleast_1d(shares)[-1]) * len(x))
    beyond = x[:k] / x[k]

    def distance(sample: Floats) -> float:
        index = 1.0 / np.mean(np.log(sample))
        return float(stats.kstest(sample, stats.pareto(index).cdf).statistic)

    rng = np.random.default_rng(0)  # of the test, not of any market
    own = distance(beyond)
    index = 1.0 / np.mean(np.log(beyond))
    drawn = [distance(rng.pareto(index, k) + 1.0) for _ in range(draws)]
    return Tail(
        float(np.median(found)),
        float(found.min()),
        float(found.max()),
        float(np.mean(np.array(drawn) >= own)),
    )


def octile_kurtosis(values: ArrayLike) -> float:
    """Moors' kurtosis: ((E7 - E5) + (E3 - E1)) / (E6 - E2) of the octiles; it exists whatever the tail."""
    x = known(values)
    if len(x) < 16:
        return float("nan")
    e = np.quantile(x, np.arange(1, 8) / 8)
    return float(((e[6] - e[4]) + (e[2] - e[0])) / (e[5] - e[1])) if e[5] > e[1] else float("nan")


class Fall(NamedTuple):
    """Kurtosis at each horizon, and how many standard errors it falls from the first to the last."""

    at: Floats
    z: float
    monotone: bool


def aggregation(prices: Sequence[ArrayLike], horizons: ArrayLike, blocks: int = 200) -> Fall:
    """Moors' kurtosis by horizon (samples), with a block bootstrap of the fall from the first to the last.

    Args:
        prices: of one or more days, whose returns are pooled.

    A rise from one horizon to the next counts against `monotone` only beyond its 95 % interval.
    """
    steps = np.asarray(horizons, int)
    series = [np.concatenate([returns(price, int(h)) for price in prices]) for h in steps]
    at = np.array([octile_kurtosis(x) for x in series])
    if not np.isfinite(at).all():
        return Fall(at, float("nan"), False)
    rng = np.random.default_rng(0)
    drawn = np.array([[octile_kurtosis(_blocks(x, rng)) for x in series] for _ in range(blocks)])
    error = np.nanstd(drawn[:, 0] - drawn[:, -1])
    rises = np.diff(at)
    slack = BAND * np.nanstd(np.diff(drawn, axis=1), axis=0)
    return Fall(
        at, float((at[0] - at[-1]) / error) if error > 0 else float("nan"), bool((rises < slack).all())
    )


def _blocks(x: Floats, rng: np.random.Generator) -> Floats:
    """A sample of the series in blocks of about the cube root of its length."""
    size = max(int(len(x) ** (1 / 3)), 1)
    first = rng.integers(0, max(len(x) - size, 1), int(np.ceil(len(x) / size)))
    return x[(first[:, None] + np.arange(size)).ravel()[: len(x)]]


# memory -----------------------------------------------------------------------------------------------------


def autocorrelation(values: ArrayLike, lags: int) -> Floats:
    """float64[lags]: autocorrelations at lags 1 to `lags`, by the fast Fourier transform; NaNs count as the mean."""
    x = np.asarray(values, float)
    x = np.where(np.isfinite(x), x, np.nanmean(x) if np.isfinite(x).any() else 0.0)
    x = x - x.mean()
    n = len(x)
    if n < 3 or not x.any():
        return np.full(lags, np.nan)
    spectrum = np.fft.rfft(x, 1 << (2 * n - 1).bit_length())
    acf = np.fft.irfft(spectrum * np.conj(spectrum))[: lags + 1]
    result = np.full(lags, np.nan)
    result[: len(acf) - 1] = (acf[1:] / acf[0])[:lags]
    return result


def outside_band(values: ArrayLike, first: int, last: int) -> float:
    """Share of autocorrelations at lags first to last beyond the 95 % band of white noise (0.05 if there is none).

    The band allows for volatility that clusters: its width at a lag is that of the sign-randomised series, the root of
    sum x_t^2 x_(t+lag)^2 over sum x^2 (Lo and MacKinnon 1988).
    """
    x = np.asarray(values, float)
    x = np.where(np.isfinite(x), x, 0.0)
    x = x - x.mean()
    acf = autocorrelation(x, last)
    if not np.isfinite(acf).all():
        return float("nan")
    total = float((x**2).sum())
    error = np.array(
        [np.sqrt((x[lag:] ** 2 * x[:-lag] ** 2).sum()) / total for lag in range(first, last + 1)]
    )
    return float(np.mean(np.abs(acf[first - 1 :]) > BAND * error))


class Decay(NamedTuple):
    """A power law acf(lag) ~ lag^-exponent; NaN where the correlation does not stand out from noise."""

    exponent: float
    level: float  # mean autocorrelation over the fitted lags
    lags: int  # fitted lags


def decay(values: ArrayLike, first: int, last: int) -> Decay:
    """Exponent of the autocorrelation between two lags, a line through log-spaced means in logs.

    Bins whose mean is not beyond the band of white noise end the fit; with fewer than four of them, or where an
    exponential describes them better than a power law, there is no exponent.
    """
    x = known(values)
    acf = autocorrelation(x, last)
    edges = np.unique(np.round(np.geomspace(first, last + 1, 13)).astype(int))
    middle, mean = [], []
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        value = float(acf[a - 1 : b - 1].mean())
        if not value > BAND / np.sqrt(len(x) * (b - a)):
            break
        middle.append(np.sqrt(a * (b - 1)))
        mean.append(value)
    if len(mean) < 4:
        return Decay(float("nan"), float(np.mean(mean)) if mean else 0.0, len(mean))
    at, level = np.log(np.array(middle)), np.log(np.array(mean))
    power = stats.linregress(at, level)
    straight = stats.linregress(np.array(middle), level)
    if straight.rvalue**2 > power.rvalue**2 + 0.02:  # an exponential decay: short memory
        return Decay(float("nan"), float(np.mean(mean)), len(mean))
    return Decay(float(-power.slope), float(np.mean(mean)), len(mean))


def first_inside(values: ArrayLike, most: int) -> float:
    """The first lag at which the autocorrelation is not above the band of white noise; `most` + 1 if none is."""
    x = known(values)
    acf = autocorrelation(x, most)
    low = np.flatnonzero(~(acf > BAND / np.sqrt(len(x))))
    return float(low[0] + 1) if len(low) else float(most + 1)


def hurst(price: ArrayLike, first: int, last: int) -> float:
    """Exponent of the mean absolute move of the log price over a lag, between two lags (samples)."""
    x = np.log(np.asarray(price, float))
    lags = np.unique(np.round(np.geomspace(first, last, 12)).astype(int))
    moves = np.array([np.nanmean(np.abs(x[lag:] - x[:-lag])) for lag in lags])
    if not (moves > 0).all():
        return float("nan")
    return float(stats.linregress(np.log(lags), np.log(moves)).slope)


# volumes, books, venues -------------------------------------------------------------------------------------


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's, of the pairs in which both are known; NaN without variation."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 6 or len(np.unique(a[both])) < 2 or len(np.unique(b[both])) < 2:
        return float("nan")
    return float(stats.spearmanr(a[both], b[both]).statistic)


def correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's, of the pairs in which both are known; NaN without variation."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or not a[both].std() > 0 or not b[both].std() > 0:
        return float("nan")
    return float(np.corrcoef(a[both], b[both])[0, 1])


def epps(first: ArrayLike, second: ArrayLike, horizons: ArrayLike) -> Floats:
    """Correlation of two venues' returns at each horizon (samples)."""
    return np.array(
        [correlation(returns(first, int(h)), returns(second, int(h))) for h in np.asarray(horizons)]
    )


def common_factor(flows: ArrayLike, moves: ArrayLike) -> float:
    """R2 of the mean return on the first principal component of signed flows.

    Args: flows, moves: float64[times, venues], signed volume and returns.
    """
    f, r = np.asarray(flows, float), np.asarray(moves, float)
    keep = np.isfinite(f).all(axis=1) & np.isfinite(r).all(axis=1)
    f, r = f[keep], r[keep].mean(axis=1)
    f = f[:, f.std(axis=0) > 0]
    if len(f) < 20 or not f.shape[1] or not r.std() > 0:
        return float("nan")
    z = (f - f.mean(axis=0)) / f.std(axis=0)
    _, _, axes = np.linalg.svd(z, full_matrices=False)
    return correlation(z @ axes[0], r) ** 2


class Profile(NamedTuple):
    """Time-average density of resting orders by distance from the best price of their own side."""

    peak: int  # bin with most
    concave: bool  # the peak is not the first bin
    asymmetry: float  # |bids - offers| over their sum, mean over the bins


def profile(bids: ArrayLike, offers: ArrayLike, widths: ArrayLike) -> Profile:
    """Shape of mean resting sizes in bins away from the best price; `widths` of the bins, in any unit."""
    b, o = np.asarray(bids, float), np.asarray(offers, float)
    density = (b + o) / np.asarray(widths, float)
    peak = int(np.argmax(density))
    some = b + o > 0
    return Profile(peak, peak > 0, float(np.mean(np.abs(b - o)[some] / (b + o)[some])) if some.any() else 1.0)


class Impact(NamedTuple):
    """Mean impact ~ size^exponent, over the sizes tried, and what is left of it later."""

    exponent: float
    error: float
    left: float


def impact(size: ArrayLike, peak: ArrayLike, later: ArrayLike) -> Impact:
    """Exponent of the impact of metaorders, by a line through mean log impacts of each size.

    Args:
        size: of each metaorder; few distinct sizes, many orders of each. peak, later: signed log move in the order's
        direction at its end, and some time after it, over what happened without it.
    """
    q, i, after = (np.asarray(x, float) for x in (size, peak, later))
    sizes = np.array([one for one in np.unique(q) if (q == one).sum() > 2])
    mean = np.array([i[q == one].mean() for one in sizes])
    error = np.array([i[q == one].std(ddof=1) / np.sqrt((q == one).sum()) for one in sizes])
    seen = (
        mean > BAND * error if len(sizes) else np.zeros(0, bool)
    )  # an impact within its noise says nothing about a power
    if seen.sum() < 3:
        return Impact(float("nan"), float("nan"), float("nan"))
    weight = (mean[seen] / np.maximum(error[seen], 1e-12)) ** 2
    x, y = np.log(sizes[seen]), np.log(mean[seen])
    centre = np.average(x, weights=weight)
    spread = float((weight * (x - centre) ** 2).sum())
    slope = float((weight * (x - centre) * y).sum() / spread)
    largest = np.isin(q, sizes[seen])
    return Impact(slope, float(1.0 / np.sqrt(spread)), float(after[largest].mean() / i[largest].mean()))
