"""Series that score card and figures both read from a run: windows, minutes, books, falls, published flows.

Everything here takes a `Run` and returns numbers or arrays; what a run cannot tell raises `Unmeasured` with
the reason in words. Times are seconds since the run's start; a step's time is its end, so the window (a, b]
of times holds the steps between the clock times a and b. Money is dollars.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.run import Run

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Venues that stand for many exchanges at once: they have volume, but are no exchange of their own.
AGGREGATES = frozenset({"rest", "others"})
MINUTE = 60.0


class Unmeasured(Exception):
    """A run cannot tell this number; the message says why."""


# time -------------------------------------------------------------------------------------------------------


def news_time(run: Run) -> float:
    """Seconds from the start to the first news. Raises Unmeasured where the scenario has none."""
    times = [entry["time"] for entry in run.config.get("news", [])]
    if not times:
        raise Unmeasured("the scenario has no news")
    return min((_utc(time) - run.start).total_seconds() for time in times)


def span(run: Run, window: str) -> tuple[float, float]:
    """Seconds of a window "HH:MM-HH:MM" (UTC, day of the news; "+1" = the day after). Checks nothing."""
    try:
        day = run.start + timedelta(seconds=news_time(run))
    except Unmeasured:
        day = run.start
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)

    def at(text: str) -> float:
        clock, _, days = text.partition("+")
        hour, minute = clock.split(":")
        moment = midnight + timedelta(days=int(days or 0), hours=int(hour), minutes=int(minute))
        return (moment - run.start).total_seconds()

    first, last = window.split("-")
    return at(first), at(last)


def covered(run: Run, window: str) -> tuple[float, float]:
    """As `span`; raises Unmeasured unless the run was recorded over the whole window."""
    a, b = span(run, window)
    if not len(run.time):
        raise Unmeasured("the run has no recorded step")
    every = float(np.median(np.diff(run.time))) if len(run.time) > 1 else float(run.time[0])
    # nothing counts in the burn-in; one recording interval of slack at both ends
    first, last = max(0.0, float(run.time[0]) - every), float(run.time[-1])
    if first > a + 1e-6 or last < b - every - 1e-6:
        has = f"{clock(run, first)}-{clock(run, last)}"
        raise Unmeasured(f"the run covers {has}, the row needs {window}")
    return a, b


def inside(run: Run, a: float, b: float) -> Mask:
    """Steps of the run between a and b seconds."""
    return (run.time > a + 1e-9) & (run.time <= b + 1e-9)


def clock(run: Run, seconds: float) -> str:
    """UTC "HH:MM" of seconds since the start, "+1" on a later day."""
    moment = run.start + timedelta(seconds=seconds)
    days = (moment.date() - run.start.date()).days
    return f"{moment:%H:%M}" + (f"+{days}" if days else "")


def before(run: Run, seconds: float) -> int:
    """Index of the last step that ended at or before `seconds`. Raises Unmeasured where there is none."""
    index = int(np.searchsorted(run.time, seconds + 1e-9, side="right")) - 1
    if index < 0:
        raise Unmeasured("the run has no step before that time")
    return index


def minutes(run: Run, a: float, b: float) -> Floats:
    """Ends of the minutes from a to b, seconds."""
    return np.arange(a + MINUTE, b + 1e-6, MINUTE)


def closes(run: Run, values: Floats, a: float, b: float) -> Floats:
    """Value at the end of every minute from a to b, the last known one; NaN before the first."""
    known = filled(values)
    index = np.searchsorted(run.time, minutes(run, a, b) + 1e-9, side="right") - 1
    return np.where(index >= 0, known[np.maximum(index, 0)], np.nan)


def sums(run: Run, values: Floats, a: float, b: float, width: float = MINUTE) -> Floats:
    """Sum of a column over every `width` seconds from a to b."""
    return gather(run.time, values, a, b, width)


def means(run: Run, values: Floats, a: float, b: float, width: float) -> Floats:
    """Mean of a column's known values over every `width` seconds from a to b; NaN where none is known."""
    known = np.isfinite(values)
    counts = gather(run.time, known.astype(float), a, b, width)
    return np.divide(
        gather(run.time, np.where(known, values, 0.0), a, b, width),
        counts,
        out=np.full(len(counts), np.nan),
        where=counts > 0,
    )


def filled(values: Floats) -> Floats:
    """The series with every NaN replaced by the last known value; NaN before the first."""
    index = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(index) if len(index) else index
    return np.where(last >= 0, values[np.maximum(last, 0)], np.nan)


def gather(times: Floats, values: Floats, a: float, b: float, width: float) -> Floats:
    """Sum of what happened at these times over every `width` seconds from a to b; a bin ends with its last second."""
    bins = round((b - a) / width)
    keep = (times > a + 1e-9) & (times <= b + 1e-9) & np.isfinite(values)
    slot = np.minimum(np.ceil((times[keep] - a) / width - 1e-9).astype(int) - 1, bins - 1)
    return np.bincount(np.maximum(slot, 0), weights=values[keep], minlength=bins).astype(float)


def _utc(time: Any) -> datetime:
    moment = time if isinstance(time, datetime) else datetime.fromisoformat(str(time).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# books and venues -------------------------------------------------------------------------------------------


def books(run: Run, kind: str, coin: str | None = None, venue: str | None = None) -> list[str]:
    """Names of the recorded books of a kind ("PERP" or "SPOT"), of one coin or venue if given."""
    found = []
    for name in run.books:
        where, _, rest = name.partition(":")
        what, _, of = rest.rpartition("-")
        if of == kind and coin in (None, what) and venue in (None, where):
            found.append(name)
    return found


def own_priced(run: Run, asset: str) -> str:
    """The spot book by which a venue prices an asset as collateral; Unmeasured if no venue does so."""
    for venue, rules in run.config["venues"].items():
        collateral = rules.get("collateral", {})
        if asset in collateral.get("assets", {}) and collateral.get("price") == "own_book":
            for book in books(run, "SPOT", asset, venue):
                return book
    raise Unmeasured(f"no venue prices {asset} as collateral by its own book")


def exchanges(run: Run, venues: Iterable[str] | None = None) -> list[str]:
    """Venues that are one exchange each."""
    return [venue for venue in (run.venues if venues is None else venues) if venue not in AGGREGATES]


def volume(run: Run, names: Iterable[str], a: float, b: float) -> float:
    """Dollars traded in the books between a and b."""
    keep = inside(run, a, b)
    return float(sum(np.nansum(run.column("volume", book=name)[keep]) for name in names))


def largest_venue(run: Run, coin: str | None = None) -> str:
    """The exchange with the most perpetual volume before the news, among those that list `coin` if given."""
    listing = [venue for venue in exchanges(run) if books(run, "PERP", coin, venue)]
    end = news_time(run)
    traded = {venue: volume(run, books(run, "PERP", venue=venue), 0.0, end) for venue in listing}
    if not traded or max(traded.values()) <= 0:
        raise Unmeasured(f"no exchange traded {coin or 'perpetuals'} before the news")
    return max(traded, key=lambda venue: traded[venue])


def largest_perp(run: Run, coin: str = "BTC") -> str:
    """Book of the coin's perpetual on the largest perp venue."""
    return books(run, "PERP", coin, largest_venue(run, coin))[0]


def usd_spot(run: Run, coin: str = "BTC") -> str:
    """Book of the coin's spot on a venue that quotes in USD."""
    for name in books(run, "SPOT", coin):
        if run.config["venues"][name.partition(":")[0]]["quote"] == "USD":
            return name
    raise Unmeasured(f"no spot book of {coin} quoted in USD")


def class_coins(run: Run, wanted: str) -> list[str]:
    """Coins of a class ("major", "large", "small") with at least one perpetual book."""
    return [
        coin
        for coin, terms in run.config.get("contracts", {}).items()
        if terms.get("class", "major") == wanted and books(run, "PERP", coin)
    ]


# numbers ----------------------------------------------------------------------------------------------------


def opening_price(run: Run, book: str) -> float:
    """P0: the book's last price at the last step before the news."""
    price = float(filled(run.column("last", book=book))[before(run, news_time(run))])
    if not np.isfinite(price) or price <= 0:
        raise Unmeasured(f"{book} had no trade before the news")
    return price


def lowest(run: Run, book: str, a: float, b: float) -> tuple[float, float]:
    """Lowest trade of a book between a and b and the time of its step. Raises Unmeasured without a trade."""
    keep = inside(run, a, b)
    lows = run.column("low", book=book)[keep]
    if not np.isfinite(lows).any():
        raise Unmeasured(f"{book} had no trade in the window")
    index = int(np.nanargmin(lows))
    return float(lows[index]), float(run.time[keep][index])


def fall(run: Run, book: str, b: float) -> float:
    """Fall of a book from P0 to its lowest trade between the news and b, %."""
    low, _ = lowest(run, book, news_time(run), b)
    return 100.0 * (1.0 - low / opening_price(run, book))


def median_fall(run: Run, coin: str, b: float) -> float:
    """Median over the perp venues that list and trade the coin of its fall, %."""
    falls = []
    for name in books(run, "PERP", coin):
        try:
            falls.append(fall(run, name, b))
        except Unmeasured:
            continue
    if not falls:
        raise Unmeasured(f"{coin} was not traded on any perp venue")
    return float(np.median(falls))


def open_interest(run: Run, index: int, venue: str | None = None) -> float:
    """Dollars of open interest in the perp books (of one venue) at a step; Unmeasured if unknown or zero."""
    values = [run.column("open_interest_usd", book=name)[index] for name in books(run, "PERP", venue=venue)]
    total = float(np.nansum(values)) if values else 0.0
    if total <= 0:
        raise Unmeasured("no open interest recorded")
    return total


def liquidated(run: Run, a: float, b: float) -> tuple[float, float]:
    """True liquidations between a and b, dollars of longs and of shorts, all venues."""
    keep = inside(run, a, b)
    longs, shorts = (
        sum(float(np.nansum(run.column(name, venue=venue)[keep])) for venue in run.venues)
        for name in ("liquidated_long", "liquidated_short")
    )
    return float(longs), float(shorts)


def published(run: Run, a: float, b: float) -> tuple[float, float]:
    """Published liquidations between a and b, dollars of longs and of shorts, all venues.

    True closings (events "liquidation" and "takeover") as often as their venue's public feed counts them.
    """
    events = happened(run, ("liquidation", "takeover"), a, b)
    counted = np.nan_to_num(np.asarray(events["value"], dtype=float)) * events["published"]
    side = np.asarray(events["side"])
    return float(counted[side > 0].sum()), float(counted[side < 0].sum())


def happened(run: Run, kinds: Iterable[str], a: float, b: float) -> dict[str, npt.NDArray[Any]]:
    """Columns of the events of some kinds between a and b, in order of their ids; names as text."""
    known = run.vocabularies.get("kind")
    tables = [run.events(kind) for kind in kinds if known is None or kind in known]
    names = ("id", "time", "kind", "venue", "book", "side", "value", "published")
    columns = {name: np.concatenate([table[name] for table in tables] or [np.zeros(0)]) for name in names}
    keep = (columns["time"] > a + 1e-9) & (columns["time"] <= b + 1e-9)
    order = np.argsort(columns["id"][keep], kind="stable")
    return {name: values[keep][order] for name, values in columns.items()}
