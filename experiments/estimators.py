"""One small function a row of the score card: what a run says of it.

Each takes a `Run` and the row's target (its `window` and, for ratios to calm, `against`) and returns a
`Measure`, or raises `Unmeasured` with the reason. `ESTIMATORS` names them by row id; rows that compare
paired runs stand in `PAIRED`. What each one computes is written out in ``reference/targets.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from experiments import readings
from experiments.readings import Unmeasured
from experiments.ruin import ruin
from experiments.run import Run, RunError

Target = Mapping[str, Any]
FIVE_MINUTES = 300.0
TEN_MINUTES = 600.0
LULL_AT_LEAST = 720.0  # the second leg is looked for from 12 minutes after the news
BLN = 1e9


class Measure(NamedTuple):
    """A number; `true` is the same number before a publishing rule; `note` says what else is worth
    knowing."""

    value: float
    note: str = ""
    true: float = float("nan")


Estimator = Callable[[Run, Target], Measure]


def measure(run: Run, target: Target) -> Measure:
    """The row's number in this run, or NaN with the reason in `note`; never raises for what a run lacks."""
    if target["id"] not in ESTIMATORS:
        return Measure(float("nan"), "no estimator for this row")
    try:
        found = ESTIMATORS[target["id"]](run, target)
    except (Unmeasured, RunError) as reason:
        return Measure(float("nan"), str(reason))
    except KeyError as missing:
        return Measure(float("nan"), f"the run has no {missing.args[0]!r}")
    if not np.isfinite(found.value):
        return Measure(float("nan"), "not a finite number: its series are empty or unknown")
    return found


# prices -----------------------------------------------------------------------------------------------------


def fall_largest_perp(run: Run, target: Target) -> Measure:
    book = readings.largest_perp(run)
    fall = readings.fall(run, book, readings.covered(run, target["window"])[1])
    return Measure(fall, f"{book}; {_drift(run, book):+.1f} % before the news")


def _drift(run: Run, book: str) -> float:
    """Move of a book's last price from the run's start to the news, %: a fall that came before is no answer."""
    first = readings.filled(run.column("last", book=book))[run.time > 0][0]
    return 100.0 * (readings.opening_price(run, book) / float(first) - 1.0)


def fall_usd_spot(run: Run, target: Target) -> Measure:
    book = readings.usd_spot(run)
    return Measure(readings.fall(run, book, readings.covered(run, target["window"])[1]), book)


def minutes_to_low(run: Run, target: Target) -> Measure:
    _, end = readings.covered(run, target["window"])
    news = readings.news_time(run)
    _, when = readings.lowest(run, readings.largest_perp(run), news, end)
    return Measure((when - news) / readings.MINUTE, f"low at {readings.clock(run, when)}")


def first_leg(run: Run, target: Target) -> Measure:
    readings.covered(run, target["window"])
    return Measure(readings.fall(run, readings.largest_perp(run), readings.news_time(run) + TEN_MINUTES))


def second_leg(run: Run, target: Target) -> Measure:
    fall, start = largest_fall(run, target["window"])
    return Measure(fall, f"from {readings.clock(run, start)}")


def largest_fall(run: Run, window: str) -> tuple[float, float]:
    """The second leg: largest fall within ten minutes of row 1's book from 12 minutes after the news on, %, and the
    minute close (seconds since the start) from which it is measured."""
    _, end = readings.covered(run, window)
    book = readings.largest_perp(run)
    start = readings.news_time(run) + LULL_AT_LEAST
    ends = readings.minutes(run, start - readings.MINUTE, end)
    close = readings.closes(run, run.column("last", book=book), start - readings.MINUTE, end)
    low = run.column("low", book=book)
    falls = []
    for moment, price in zip(ends, close, strict=True):
        ahead = low[readings.inside(run, moment, min(moment + TEN_MINUTES, end))]
        if np.isfinite(ahead).any() and np.isfinite(price):
            falls.append((100.0 * (1.0 - float(np.nanmin(ahead)) / float(price)), float(moment)))
    if not falls:
        raise Unmeasured(f"{book} had no trade from 12 minutes after the news on")
    return max(falls, key=lambda one: one[0])


def volatility_ratio(run: Run, target: Target) -> Measure:
    calm = _volatility(run, target["against"])
    if calm <= 0:
        raise Unmeasured("the price did not move in the calm window")
    return Measure(_volatility(run, target["window"]) / calm)


def _volatility(run: Run, window: str) -> float:
    a, b = readings.covered(run, window)
    last = run.column("last", book=readings.largest_perp(run))
    close = readings.closes(run, last, max(a - readings.MINUTE, 0.0), b)
    returns = np.diff(np.log(close))
    returns = returns[np.isfinite(returns)]
    if len(returns) < 2:
        raise Unmeasured(f"fewer than two one-minute returns in {window}")
    return float(np.std(returns, ddof=1))


def fall_eth(run: Run, target: Target) -> Measure:
    _, end = readings.covered(run, target["window"])
    return Measure(readings.median_fall(run, "ETH", end))


def fall_small(run: Run, target: Target) -> Measure:
    falls = _small_falls(run, target)
    return Measure(float(np.median(list(falls.values()))), _listed(falls))


def small_halved(run: Run, target: Target) -> Measure:
    falls = _small_falls(run, target)
    return Measure(100.0 * float(np.mean(np.array(list(falls.values())) >= 50.0)), _listed(falls))


def _small_falls(run: Run, target: Target) -> dict[str, float]:
    _, end = readings.covered(run, target["window"])
    coins = readings.class_coins(run, "small")
    if not coins:
        raise Unmeasured("no perpetual of a coin of class small")
    return {coin: readings.median_fall(run, coin, end) for coin in coins}


def _listed(falls: Mapping[str, float]) -> str:
    return ", ".join(f"{coin} {value:.0f} %" for coin, value in falls.items())


def gap(run: Run, target: Target) -> Measure:
    a, b = readings.covered(run, target["window"])
    perp, spot = (
        readings.closes(run, run.column("last", book=name), a, b)
        for name in (readings.largest_perp(run), readings.usd_spot(run))
    )
    apart = 100.0 * (spot / perp - 1.0)
    if not np.isfinite(apart).any():
        raise Unmeasured("no minute in which both books had a price")
    at = int(np.nanargmax(np.abs(apart)))
    side = "below" if apart[at] > 0 else "above"
    return Measure(abs(float(apart[at])), f"perp {side} spot at {readings.clock(run, a + 60.0 * (at + 1))}")


# liquidations and open interest -----------------------------------------------------------------------------


def liquidations_over_interest(run: Run, target: Target) -> Measure:
    a, b = readings.covered(run, target["window"])
    interest = readings.open_interest(run, readings.before(run, readings.news_time(run)))
    share, true = (100.0 * sum(pair) / interest for pair in _flows(run, a, b))
    return Measure(share, true=true)


def long_share(run: Run, target: Target) -> Measure:
    shown, true = _flows(run, *readings.covered(run, target["window"]))
    if sum(shown) <= 0:
        raise Unmeasured("no liquidation in the window")
    return Measure(100.0 * shown[0] / sum(shown), true=100.0 * true[0] / sum(true) if sum(true) else np.nan)


def share_of_forty_minutes(run: Run, target: Target) -> Measure:
    """Where a run begins later than the window, the calm rate until the news stands for the hours that it lacks."""
    a, b = readings.span(run, target["window"])
    readings.covered(run, f"{readings.clock(run, max(a, 0.0))}-{target['window'].partition('-')[2]}")
    part, whole = _flows(run, *readings.span(run, "20:50-21:30")), _flows(run, max(a, 0.0), b)
    note = ""
    if a < 0.0:
        news = readings.news_time(run)
        added = [sum(flow) * -a / news for flow in _flows(run, 0.0, news)]
        whole = tuple((sum(flow) + more, 0.0) for flow, more in zip(whole, added, strict=True))
        before = f"{target['window'].partition('-')[0]}-{readings.clock(run, 0.0)}"
        note = f"{before} at the calm rate of {readings.clock(run, 0.0)}-{readings.clock(run, news)}"
    if sum(whole[0]) <= 0:
        raise Unmeasured("no liquidation in the window")
    true = 100.0 * sum(part[1]) / sum(whole[1]) if sum(whole[1]) else np.nan
    return Measure(100.0 * sum(part[0]) / sum(whole[0]), note, true=true)


def liquidations(run: Run, target: Target) -> Measure:
    shown, true = _flows(run, *readings.covered(run, target["window"]))
    return Measure(sum(shown) / BLN, true=sum(true) / BLN)


def _flows(run: Run, a: float, b: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Published and true liquidations (longs, shorts) in dollars."""
    return readings.published(run, a, b), readings.liquidated(run, a, b)


def interest_change(run: Run, target: Target) -> Measure:
    _, b = readings.covered(run, target["window"])
    start = readings.open_interest(run, readings.before(run, readings.news_time(run)))
    return Measure(100.0 * (readings.open_interest(run, readings.before(run, b)) / start - 1.0))


def interest_at_start(run: Run, target: Target) -> Measure:
    readings.covered(run, target["window"])
    index = readings.before(run, readings.news_time(run))
    return Measure(readings.open_interest(run, index) / BLN)


# depth and volume -------------------------------------------------------------------------------------------


def bids_after_first_leg(run: Run, target: Target) -> Measure:
    return _depth_change(run, target, "depth_bid_100")


def asks_at_low(run: Run, target: Target) -> Measure:
    return _depth_change(run, target, "depth_ask_500")


def asks_lowest(run: Run, target: Target) -> Measure:
    depth = run.column("depth_ask_500", book=readings.largest_perp(run))
    bins = readings.means(run, depth, *readings.covered(run, target["window"]), FIVE_MINUTES)
    if not np.isfinite(bins).any():
        raise Unmeasured("no depth recorded in the window")
    return Measure(100.0 * (float(np.nanmin(bins)) / _calm_depth(run, depth, target) - 1.0))


def _depth_change(run: Run, target: Target, column: str) -> Measure:
    depth = run.column(column, book=readings.largest_perp(run))
    within = depth[readings.inside(run, *readings.covered(run, target["window"]))]
    if not np.isfinite(within).any():
        raise Unmeasured("no depth recorded in the window")
    return Measure(100.0 * (float(np.nanmean(within)) / _calm_depth(run, depth, target) - 1.0))


def _calm_depth(run: Run, depth: readings.Floats, target: Target) -> float:
    within = depth[readings.inside(run, *readings.covered(run, target["against"]))]
    calm = float(np.nanmean(within)) if np.isfinite(within).any() else 0.0
    if calm <= 0:
        raise Unmeasured("no depth before the news")
    return calm


def volume_peak(run: Run, target: Target) -> Measure:
    traded = run.column("volume", book=readings.largest_perp(run))
    peak = readings.sums(run, traded, *readings.covered(run, target["window"]))
    calm = readings.sums(run, traded, *readings.covered(run, target["against"])).mean()
    if calm <= 0:
        raise Unmeasured("no volume in the calm window")
    a, _ = readings.span(run, target["window"])
    return Measure(peak.max() / calm, f"peak at {readings.clock(run, a + 60.0 * int(peak.argmax()))}")


FILE_EXCHANGES = ("binance", "bitget", "bybit", "okx")


def share_of(venue: str) -> Estimator:
    """Estimator of one venue's share of the perp volume of the exchanges that the volume file names."""

    def share(run: Run, target: Target) -> Measure:
        a, b = readings.covered(run, target["window"])
        absent = [name for name in FILE_EXCHANGES if not readings.books(run, "PERP", venue=name)]
        if absent:
            raise Unmeasured(f"no perpetuals on {', '.join(absent)}")
        traded = {
            name: readings.volume(run, readings.books(run, "PERP", venue=name), a, b)
            for name in FILE_EXCHANGES
        }
        return Measure(_percent(traded[venue], sum(traded.values()), "volume in the window"))

    return share


def share_of_top_four(run: Run, target: Target) -> Measure:
    a, b = readings.covered(run, target["window"])
    traded = {
        venue: readings.volume(run, readings.books(run, "PERP", venue=venue), a, b) for venue in run.venues
    }
    listing = [venue for venue in readings.exchanges(run) if readings.books(run, "PERP", venue=venue)]
    if len(listing) < 4:
        raise Unmeasured(f"only {len(listing)} exchanges list perpetuals")
    top = sorted(listing, key=lambda venue: -traded[venue])[:4]
    part = sum(traded[venue] for venue in top)
    return Measure(_percent(part, sum(traded.values()), "volume in the window"), ", ".join(top))


def _percent(part: float, whole: float, of: str) -> float:
    if whole <= 0:
        raise Unmeasured(f"no {of}")
    return 100.0 * part / whole


# funds, ADL, capital ----------------------------------------------------------------------------------------


def adl_without_fund(run: Run, target: Target) -> Measure:
    a, b = readings.covered(run, target["window"])
    index = readings.before(run, readings.news_time(run))
    venues = [
        name for name, rules in run.config["venues"].items() if rules.get("fund", {}).get("rule") == "vault"
    ]
    venues = [name for name in venues if readings.books(run, "PERP", venue=name)]
    if not venues:
        raise Unmeasured("no venue whose fund rule is vault")
    interest = {name: readings.open_interest(run, index, name) for name in venues}
    largest = max(venues, key=lambda name: interest[name])
    closed = float(np.nansum(run.column("adl", venue=largest)[readings.inside(run, a, b)]))
    return Measure(100.0 * closed / interest[largest], largest)


def fund_draw(run: Run, target: Target) -> Measure:
    _, b = readings.covered(run, target["window"])
    venue = readings.largest_venue(run)
    fund = readings.filled(run.column("fund_equity", venue=venue))
    start = readings.before(run, readings.news_time(run))
    end = readings.before(run, b)
    if not fund[start] > 0:
        raise Unmeasured(f"the fund of {venue} is empty or unknown at the start")
    worst = 100.0 * (1.0 - np.nanmin(fund[start : end + 1]) / fund[start])
    return Measure(100.0 * (1.0 - fund[end] / fund[start]), f"{venue}; deepest {worst:.1f} %")


def capital_below_zero(run: Run, target: Target) -> Measure:
    keep = readings.inside(run, *readings.covered(run, target["window"]))
    capital = np.column_stack([run.column("capital", venue=venue)[keep] for venue in run.venues])
    if not np.isfinite(capital).any():
        raise Unmeasured("no venue capital recorded")
    below = [name for name, least in zip(run.venues, np.nanmin(capital, axis=0), strict=True) if least < 0]
    try:
        beyond = str(ruin(run))
    except (Unmeasured, RunError):
        beyond = ""
    return Measure(float(len(below)), "; ".join(filter(None, [", ".join(below), beyond])))


# rows that need other runs ----------------------------------------------------------------------------------


class Interval(NamedTuple):
    """Mean of a paired quantity over seeds and its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float
    values: Sequence[float]


def interval(values: Sequence[float]) -> Interval:
    """95 % interval of the mean of paired values. Raises Unmeasured for fewer than two or an unknown one."""
    array = np.asarray(values, dtype=float)
    if len(array) < 2:
        raise Unmeasured("an interval needs two paired seeds or more")
    if not np.isfinite(array).all():
        raise Unmeasured("a seed of the pair could not be measured")
    half = stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    mean = float(array.mean())
    return Interval(mean, mean - float(half), mean + float(half), [float(value) for value in array])


def gap_ratio(base: Run, other: Run, target: Target) -> float:
    """P7: the gap with the recorded stops over the gap without them."""
    without = gap(other, target).value
    if without <= 0:
        raise Unmeasured("no gap at all without the stops")
    return gap(base, target).value / without


def hedged_loss(base: Run, other: Run, target: Target) -> float:
    """P5b: hedged owners' net result with ADL minus without, over their capital, %."""
    readings.covered(base, target["window"])
    (first, gained), (_, gained_without) = hedged_result(base), hedged_result(other)
    if first <= 0:
        raise Unmeasured("hedged owners have no capital at the start")
    return 100.0 * (gained - gained_without) / first


def hedged_result(run: Run) -> tuple[float, float]:
    """Capital at the start and change of it to the end, dollars, of the owners whose species is hedger."""
    hedgers = [
        name for name, entry in run.config.get("population", {}).items() if entry["species"] == "hedger"
    ]
    if not hedgers:
        raise Unmeasured("no hedged owners in the population")
    worth = []
    for label in ("start", "end"):
        table = run.accounts(label)
        if "coins" not in table:  # a hedge is a short and its coins: half of it says nothing
            raise Unmeasured("the run did not keep what coins the accounts own")
        own = np.isin(table["participant"], hedgers)
        worth.append(float(np.nansum(table["equity"][own]) + np.nansum(table["coins"][own])))
    return worth[0], worth[1] - worth[0]


PAIRED: dict[str, tuple[str, Callable[[Run, Run, Target], float], str]] = {
    "P5b": ("no_adl", hedged_loss, "high"),
    "P7": ("no_stops", gap_ratio, "low"),
}


def adl_on_calm_day(run: Run, target: Target) -> Measure:
    day = 86400.0
    if run.time[-1] < day - 1.0:
        raise Unmeasured("a calm day has 24 hours")
    return Measure(float(len(readings.happened(run, ("adl",), 0.0, float(run.time[-1]))["id"])))


OTHER_VARIANT = {"P5a": "calm"}  # rows read from one extra run instead of the scenario itself


PEG = 0.97  # dollars, below which row 51b counts the minutes


def lowest_of_collateral(run: Run, target: Target) -> Measure:
    book = readings.own_priced(run, "USDe")
    price, when = readings.lowest(run, book, *readings.covered(run, target["window"]))
    return Measure(price, f"{book} at {readings.clock(run, when)}")


def minutes_below_peg(run: Run, target: Target) -> Measure:
    book = readings.own_priced(run, "USDe")
    close = readings.closes(
        run, readings.filled(run.column("last", book=book)), *readings.covered(run, target["window"])
    )
    return Measure(float((close < PEG).sum()), book)


ESTIMATORS: dict[str, Estimator] = {
    "1": fall_largest_perp,
    "2": fall_usd_spot,
    "3": minutes_to_low,
    "4": first_leg,
    "6": second_leg,
    "9": volatility_ratio,
    "13": fall_eth,
    "15": fall_small,
    "21": gap,
    "23": liquidations_over_interest,
    "24": long_share,
    "25": share_of_forty_minutes,
    "27": interest_change,
    "32": bids_after_first_leg,
    "33": asks_at_low,
    "34": asks_lowest,
    "37": volume_peak,
    "39a": share_of("binance"),
    "39b": share_of("bitget"),
    "39c": share_of("bybit"),
    "39d": share_of("okx"),
    "41": adl_without_fund,
    "49": fund_draw,
    "51a": lowest_of_collateral,
    "51b": minutes_below_peg,
    "P2": interest_at_start,
    "P3a": liquidations,
    "P3b": long_share,
    "P4a": fall_largest_perp,
    "P4b": small_halved,
    "P5a": adl_on_calm_day,
    "P6": share_of_top_four,
    "P8": capital_below_zero,
}
