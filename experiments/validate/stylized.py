"""The stylized facts F1 to F19 of runs of a calm market: which series each estimator is given, and what is accepted.

Ranges were fixed before any run; their sources stand beside them. A calm market is measured on two kinds of runs of the
same seeds: `day`, recorded by the second, and `tape`, shorter, with every fill and the whole book at some moments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from experiments import readings, snapshots
from experiments.readings import Floats, Unmeasured
from experiments.run import Run, RunError
from experiments.store import source_hash
from experiments.validate import facts
from experiments.validate.lab import ANY
from experiments.validate.table import Row, group, row, unmeasured

DAY = 86400.0
FALLS = (1.64, ANY)  # standard errors: beyond chance, one-sided
YEAR_MINUTES = 365 * 1440


class Calm(NamedTuple):
    """What one seed has: a day, a tape and its snapshots; `coin` is the one that is looked at."""

    day: Run
    tape: Run | None
    coin: str = "BTC"

    @property
    def book(self) -> str:
        """The coin's perpetual with the most volume on a single exchange."""
        names = list(readings.books(self.day, "PERP", self.coin))
        alone = [name for name in names if name.partition(":")[0] not in readings.AGGREGATES]
        if not names:
            raise Unmeasured(f"the run recorded no perpetual of {self.coin}")
        return max(alone or names, key=lambda name: float(np.nansum(self.day.column("volume", book=name))))

    def minutes(self, book: str) -> Floats:
        """Last price at the end of every minute."""
        last = readings.filled(self.day.column("last", book=book))
        return readings.closes(self.day, last, 0.0, float(self.day.time[-1]))

    def seconds(self, book: str) -> Floats:
        """Middle of every recorded step, the last known one."""
        return readings.filled(self.day.column("mid", book=book))

    @property
    def every(self) -> float:
        """Seconds between two records."""
        return float(np.median(np.diff(self.day.time)))


class Part(NamedTuple):
    """One row of the table: an estimate a seed, and what is accepted."""

    id: str
    name: str
    unit: str
    low: float
    high: float
    estimate: Callable[[Calm], float]
    note: str = ""  # basis of the range, and what the estimate is of where that is not plain


def lags(calm: Calm, seconds: float) -> int:
    """Records in so many seconds. Raises Unmeasured where the run is recorded more coarsely."""
    steps = seconds / calm.every
    if steps < 1:
        raise Unmeasured(f"recorded every {calm.every:g} s, this needs {seconds:g} s")
    return round(steps)


# returns ----------------------------------------------------------------------------------------------------


def tail_index(calm: Calm) -> float:
    """One-minute returns of all recorded perpetuals of single exchanges, one a coin, each over its own deviation."""
    pooled = []
    for coin in dict.fromkeys(name.partition(":")[2] for name in readings.books(calm.day, "PERP")):
        one = calm._replace(coin=coin.rpartition("-")[0])
        moves = facts.known(facts.returns(one.minutes(one.book)))
        if len(moves) and moves.std() > 0:
            pooled.append(moves / moves.std())
    return facts.tail(np.concatenate(pooled)).index


def gaussian_with_horizon(seeds: Sequence[Calm]) -> Row:
    """F2, pooled over seeds: the 48 half hours of one day cannot tell a kurtosis from another."""
    prices = []
    for calm in seeds:
        try:
            prices.append(calm.minutes(calm.book))
        except (Unmeasured, RunError, KeyError):
            continue
    name, note = "octile kurtosis falls from 1 to 30 minutes, monotone within intervals, pooled", "Cont 2001"
    if not prices:
        return unmeasured("F2", name, *FALLS, "no run", unit="standard errors")
    fall = facts.aggregation(prices, [1, 5, 15, 30])
    at = ", ".join(f"{value:.3f}" for value in fall.at)
    why = f"{note}; {at} at 1, 5, 15 and 30 minutes, {len(prices)} runs"
    return row("F2", name, [fall.z], *FALLS, unit="standard errors", why=why, holds=fall.monotone)


def linear_memory(calm: Calm) -> float:
    return facts.outside_band(facts.returns(calm.minutes(calm.book)), 5, 60)


def bounce(calm: Calm) -> float:
    """Autocorrelation of the returns from trade to trade at lag 1."""
    tape = fills(calm)
    return float(facts.autocorrelation(np.diff(np.log(tape["price"])), 1)[0])


def clustering(first: int, last: int) -> Callable[[Calm], float]:
    def estimate(calm: Calm) -> float:
        return facts.decay(np.abs(facts.returns(calm.minutes(calm.book))), first, last).exponent

    return estimate


def roughness(calm: Calm) -> float:
    return facts.hurst(calm.seconds(calm.book), lags(calm, 5.0), lags(calm, 300.0))


def volatility(calm: Calm) -> float:
    return (
        100.0 * float(np.nanstd(facts.returns(calm.minutes(calm.book), 5))) * float(np.sqrt(YEAR_MINUTES / 5))
    )


# orders and trades ------------------------------------------------------------------------------------------


def fills(calm: Calm) -> dict[str, Floats]:
    """The tape's trades in the main book, an order's fills as one: price, quantity, side, time."""
    if calm.tape is None:
        raise Unmeasured("no run with fills")
    book = calm.book
    table = calm.tape.fills()
    mine = table["book"] == book
    if mine.sum() < 1000:
        raise Unmeasured(f"{int(mine.sum())} fills in {book}")
    time, side, taker, price, quantity = (
        np.asarray(table[name])[mine] for name in ("time", "side", "taker", "price", "quantity")
    )
    new = np.concatenate([[True], (np.diff(time) != 0) | (np.diff(side) != 0) | (np.diff(taker) != 0)])
    order = np.cumsum(new) - 1
    last = np.flatnonzero(np.append(new[1:], True))
    return {
        "time": time[last],
        "side": side[last].astype(float),
        "price": price[last].astype(float),
        "quantity": np.bincount(order, quantity),
    }


def sign_memory(calm: Calm) -> float:
    return facts.decay(fills(calm)["side"], 1, 1000).exponent


def trade_sizes(calm: Calm) -> float:
    return facts.tail(fills(calm)["quantity"]).index


def volume_volatility(calm: Calm) -> float:
    book, end = calm.book, float(calm.day.time[-1])
    volume = readings.sums(calm.day, calm.day.column("volume", book=book), 0.0, end, 300.0)
    moves = np.abs(facts.returns(readings.closes(calm.day, calm.seconds(book), 0.0, end)[4::5]))
    return facts.correlation(volume[1 : len(moves) + 1], moves)


# the book ---------------------------------------------------------------------------------------------------

EDGES = np.array([0.0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256])  # basis points from the side's own best price


def resting(calm: Calm) -> tuple[Floats, Floats]:
    """Mean coins of bids and offers in the bins of `EDGES`, over the tape's snapshots."""
    if calm.tape is None:
        raise Unmeasured("no run with snapshots of the book")
    place = calm.tape.folder
    sums, moments = np.zeros((2, len(EDGES) - 1)), snapshots.beside(place)
    if not moments:
        raise Unmeasured("no snapshots of the book")
    for moment in moments:
        saved = snapshots.read(
            place.with_name(f"{place.name}@{snapshots.label(moment)}"), source_hash()
        ).saved
        orders = saved["tables"]["orders"]
        mine = orders[(orders["live"] != 0) & (orders["book"] == calm.tape.books.index(calm.book))]
        for side in (1, -1):
            some = mine[(mine["side"] == side) & (mine["qty"] > 0)]
            best = side * int((side * some["price"]).max())
            away = 1e4 * np.abs(some["price"] / best - 1.0)
            sums[(1 - side) // 2] += np.histogram(away, EDGES, weights=some["qty"])[0]
    return sums[0] / len(moments), sums[1] / len(moments)


def hump(calm: Calm) -> float:
    """Distance of the densest part of the book from the best price, basis points: 0 = the best price itself."""
    shape = facts.profile(*resting(calm), np.diff(EDGES))
    return float(EDGES[shape.peak])


def symmetry(calm: Calm) -> float:
    return facts.profile(*resting(calm), np.diff(EDGES)).asymmetry


def shallow(calm: Calm) -> float:
    book = calm.book
    depth = np.nanmean(
        calm.day.column("depth_bid_100", book=book) + calm.day.column("depth_ask_100", book=book)
    )
    traded = np.nansum(calm.day.column("volume", book=book)) * DAY / float(calm.day.time[-1])
    return 100.0 * float(depth / 2 / traded) if traded > 0 else float("nan")


def spread(calm: Calm) -> float:
    wide = calm.day.column("ask", book=calm.book) - calm.day.column("bid", book=calm.book)
    return float(np.nanmedian(wide)) / float(calm.day.config["contracts"][calm.coin]["tick"])


class Touch(NamedTuple):
    """The tape's best prices in the main book, by step: imbalance of sizes, middle; seconds between steps."""

    imbalance: Floats
    middle: Floats
    every: float

    def lags(self, seconds: float) -> int:
        return max(round(seconds / self.every), 1)


def touch(calm: Calm) -> Touch:
    if calm.tape is None:
        raise Unmeasured("no run with price levels")
    kept = calm.tape.levels()
    mine = kept["book"] == calm.book
    time, side, price, quantity = (kept[name][mine] for name in ("time", "side", "price", "quantity"))
    best = np.concatenate(
        [[True], (time[1:] != time[:-1]) | (side[1:] != side[:-1])]
    )  # the first of each side
    steps = np.unique(time)
    sizes, prices = np.full((2, 2, len(steps)), np.nan)
    where = (side[best] < 0).astype(int), np.searchsorted(steps, time[best])
    sizes[where], prices[where] = quantity[best], price[best]
    (bids, offers), every = sizes, float(np.median(np.diff(steps))) if len(steps) > 1 else float("nan")
    if not every <= 1.0:
        raise Unmeasured(f"price levels kept every {every:g} s, this needs 1 s")
    return Touch((bids - offers) / (bids + offers), prices.mean(0), every)


def imbalance_memory(calm: Calm) -> float:
    best = touch(calm)
    return float(facts.autocorrelation(best.imbalance, best.lags(1.0))[-1])


def imbalance_gone(calm: Calm) -> float:
    best = touch(calm)
    return facts.first_inside(best.imbalance, best.lags(300.0)) * best.every


def imbalance_predicts(calm: Calm) -> float:
    best = touch(calm)
    ahead = best.lags(10.0)
    price = np.log(best.middle)
    return facts.rank_correlation(best.imbalance[:-ahead], price[ahead:] - price[:-ahead])


# venues -----------------------------------------------------------------------------------------------------

HORIZONS = (1.0, 5.0, 15.0, 60.0, 300.0)  # s


def pair(calm: Calm) -> tuple[str, str]:
    """The coin's two perpetuals with the most volume on single exchanges."""
    names = [
        n
        for n in readings.books(calm.day, "PERP", calm.coin)
        if n.partition(":")[0] not in readings.AGGREGATES
    ]
    if len(names) < 2:
        raise Unmeasured(f"fewer than two perpetuals of {calm.coin}")
    first, second = sorted(names, key=lambda n: -float(np.nansum(calm.day.column("volume", book=n))))[:2]
    return first, second


def epps(calm: Calm) -> Floats:
    first, second = pair(calm)
    return facts.epps(calm.seconds(first), calm.seconds(second), [lags(calm, h) for h in HORIZONS])


def epps_rises(calm: Calm) -> float:
    """Smallest rise of the correlation from one horizon to the next."""
    return float(np.diff(epps(calm)).min())


def epps_end(calm: Calm) -> float:
    return float(epps(calm)[-1])


def common_flow(calm: Calm) -> float:
    """R2 of five-minute returns on the first component of signed volume in all books of the coin."""
    run, end = calm.day, float(calm.day.time[-1])
    flows, moves = [], []
    for name in [*readings.books(run, "PERP", calm.coin), *readings.books(run, "SPOT", calm.coin)]:
        volume, buys = (
            readings.sums(run, run.column(c, book=name), 0.0, end, 300.0) for c in ("volume", "taker_buy")
        )
        price = readings.closes(run, readings.filled(run.column("last", book=name)), 0.0, end)[4::5]
        moves.append(np.diff(np.log(price)))
        flows.append((2 * buys - volume)[1 : len(price)])
    if len(flows) < 2:
        raise Unmeasured(f"fewer than two books of {calm.coin}")
    return facts.common_factor(np.array(flows).T, np.array(moves).T)


# a day's sums -----------------------------------------------------------------------------------------------


def whole_day(calm: Calm) -> None:
    if calm.day.time[-1] < DAY - 60:
        raise Unmeasured(f"the run lasts {calm.day.time[-1] / 3600:.1f} h, a day is needed")


def liquidated(calm: Calm) -> float:
    whole_day(calm)
    return sum(readings.liquidated(calm.day, 0.0, float(calm.day.time[-1])))


def interest(calm: Calm) -> float:
    """Open interest of the whole market at the start, dollars, by the scenario."""
    return float(sum(terms.get("open_interest", 0.0) for terms in calm.day.config["contracts"].values()))


def liquidated_interest(calm: Calm) -> float:
    return 100.0 * liquidated(calm) / interest(calm)


def turnover(calm: Calm) -> float:
    """Volume over open interest of the perpetuals that were recorded."""
    whole_day(calm)
    names = readings.books(calm.day, "PERP")
    held = sum(float(np.nanmean(calm.day.column("open_interest_usd", book=name))) for name in names)
    return readings.volume(calm.day, names, 0.0, float(calm.day.time[-1])) / held


def liquidated_volume(calm: Calm) -> float:
    """Over the volume of the whole market: open interest times the turnover of what was recorded."""
    return 100.0 * liquidated(calm) / (turnover(calm) * interest(calm))


BTC = "Schnaubelt, Rende and Krauss 2019 (BTC order books)"
PARTS: tuple[Part, ...] = (
    Part("F1", "tail index of one-minute returns, Hill plateau", "1", 2.0, 5.0, tail_index, "calm days"),
    Part("F3a", "autocorrelations of returns beyond the 95 % band, 5 to 60 min", "share", 0.0, 0.10, linear_memory,
         BTC),
    Part("F3b", "autocorrelation of returns at trade lag 1", "1", -1.0, -0.01, bounce, BTC),
    Part("F4a", "decay of the autocorrelation of absolute returns, 1 to 10 min", "exponent", 0.1, 0.5,
         clustering(1, 10), "two slopes, BTC; 0.2-0.4 in equities"),
    Part("F4b", "the same, 10 to 120 min", "exponent", 0.1, 0.5, clustering(10, 120)),
    Part("F5", "decay of the autocorrelation of trade signs", "exponent", 0.3, 0.8, sign_memory,
         "Mike and Farmer 2008: 0.59"),
    Part("F7a", "densest part of the mean book, away from the best price", "bp", 0.5, 64.0, hump,
         "Cont, Stoikov and Talreja 2010"),
    Part("F7b", "bids against offers in the mean book, mean difference over the sum", "share", 0.0, 0.2, symmetry, BTC),
    Part("F8a", "depth within 1 % over a day's volume", "%", 0.0, 5.0, shallow, BTC),
    Part("F8b", "tail index of trade sizes", "1", 1.0, 3.0, trade_sizes, BTC),
    Part("F9", "spread in calm, median", "ticks", 1.0, 2.0, spread, "large-tick regime"),
    Part("F10a", "autocorrelation of book imbalance at 1 s", "1", 0.4, 0.8, imbalance_memory,
         "0.64; of the sizes at the best prices"),
    Part("F10b", "lag at which it is gone", "s", 10.0, 60.0, imbalance_gone, "26 s"),
    Part("F10c", "rank correlation of imbalance with the next 10 s", "1", 0.1, 0.4, imbalance_predicts, "0.2"),
    Part("F11", "correlation of volume and absolute return, 5 min", "1", 0.3, 1.0, volume_volatility),
    Part("F12", "Hurst exponent of the price, 5 to 300 s", "1", 0.42, 0.50, roughness, "BTC 2019-22"),
    Part("F13a", "correlation of two venues rises from 1 s to 5 min, smallest rise", "1", 0.0, 1.0, epps_rises),
    Part("F13b", "correlation of two venues at 5 min", "1", 0.9, 1.0, epps_end),
    Part("F14", "R2 of returns on the common factor of signed flow, 5 min", "1", 0.7, 0.9, common_flow,
         "Makarov and Schoar 2020: 0.80-0.85"),
    Part("F17a", "forced liquidations of a calm day over open interest", "%", 0.15, 1.0, liquidated_interest),
    Part("F17b", "forced liquidations of a calm day over volume", "%", 0.1, 0.35, liquidated_volume),
    Part("F18", "volatility, five-minute returns, annualised", "%", 30.0, 70.0, volatility),
    Part("F19", "a day's volume over open interest", "1", 1.0, 2.0, turnover),
)  # fmt: skip


def rows(seeds: Sequence[Calm]) -> list[Row]:
    """One row for every part, the median over the seeds; what a run cannot tell is said."""
    found = []
    for part in PARTS:
        values, reasons = [], []
        for calm in seeds:
            try:
                values.append(part.estimate(calm))
            except (Unmeasured, RunError, snapshots.SnapshotError, KeyError) as reason:
                reasons.append(str(reason))
        if not values:
            why = reasons[0] if reasons else "no run"
            found.append(unmeasured(part.id, part.name, part.low, part.high, why, unit=part.unit))
            continue
        note = "; ".join(filter(None, [part.note, *reasons[:1]]))
        values += [float("nan")] * len(reasons)
        found.append(row(part.id, part.name, values, part.low, part.high, unit=part.unit, why=note))
    found += [gaussian_with_horizon(seeds), funding(seeds), blocs()]
    return found


def ordered(rows: Sequence[Row]) -> list[Row]:
    """By the number of the fact."""
    return sorted(rows, key=lambda row: (int(group(row["id"])[1:]), row["id"]))


def funding(seeds: Sequence[Calm]) -> Row:
    """F16, pooled over coins, venues and seeds: it needs seven days of funding in all."""
    name, days = "funding at the interest floor, pooled", sum(float(c.day.time[-1]) for c in seeds) / DAY
    if days < 7 - 1e-3:
        return unmeasured("F16a", name, 30.0, 60.0, f"{days:.1f} days in all, seven are needed", unit="%")
    rates, floors = [], []
    for calm in seeds:
        for book in readings.books(calm.day, "PERP"):
            terms = calm.day.config["venues"][book.partition(":")[0]]["funding"]
            hours = float(terms["interval"])
            every = max(lags(calm, 3600.0 * hours), 1)
            rate = calm.day.column("funding_rate", book=book)[every - 1 :: every]
            rates.append(rate)
            floors.append(np.full(len(rate), terms["interest"] * hours / 8.0))
    rate, floor = np.concatenate(rates), np.concatenate(floors)
    share = 100.0 * float(np.mean(np.abs(rate - floor) < 1e-6))
    skew, negative = float(_skew(rate)), 100.0 * float(np.mean(rate < 0))
    holds = skew > 0 and 8 <= negative <= 30
    why = f"skew {skew:.2f} (above 0), {negative:.0f} % negative (8-30), {days:.0f} days"
    return row("F16a", name, [share], 30.0, 60.0, unit="%", why=why, holds=holds)


def _skew(x: Floats) -> float:
    from scipy.stats import skew

    return float(skew(x[np.isfinite(x)]))


def blocs() -> Row:
    """F15 asks for venues whose money cannot leave; the calm scenario has none."""
    return unmeasured(
        "F15", "dispersion across fiat blocs over that within one", 3.0, ANY,
        "the scenario has one bloc: no venue behind capital controls", unit="ratio",
    )  # fmt: skip
