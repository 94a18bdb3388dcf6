"""What a figure of a run is about: its main coin and book, venues with a fund, sums over venues."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from experiments import drawing, readings
from experiments.drawing import Runs
from experiments.readings import Floats, Unmeasured
from experiments.run import Run


def main_coin(run: Run) -> str:
    """The coin with the most perpetual volume (of any volume where there are no perpetuals)."""
    names = readings.books(run, "PERP") or list(run.books)
    traded: dict[str, float] = {}
    for name in names:
        coin = name.partition(":")[2].rpartition("-")[0]
        traded[coin] = traded.get(coin, 0.0) + float(np.nansum(run.column("volume", book=name)))
    if not traded:
        raise Unmeasured("the run recorded no books")
    return max(traded, key=lambda coin: traded[coin])


def main_perp(run: Run, coin: str) -> str:
    """The coin's perpetual with the most open interest; its spot book with the most volume if there is none."""
    perps = readings.books(run, "PERP", coin)
    perps = [name for name in perps if name.partition(":")[0] not in readings.AGGREGATES] or perps
    column = "open_interest" if perps else "volume"
    names = perps or readings.books(run, "SPOT", coin)
    return max(names, key=lambda name: float(np.nansum(run.column(column, book=name))))


def quoted(run: Run, books: Iterable[str]) -> str:
    """The assets in which the venues of these books name their prices."""
    venues = run.config.get("venues", {})
    found = (str(venues.get(name.partition(":")[0], {}).get("quote", "")) for name in books)
    return " or ".join(dict.fromkeys(filter(None, found)))


def fund_lines(ax: Axes, runs: Runs) -> None:
    """Funds against their start: as a share of it, or in dollars where one of them began with nothing."""
    run, at = runs[0], drawing.first_step(runs[0])
    paths = {
        venue: [readings.filled(each.column("fund_equity", venue=venue)) for each in runs]
        for venue in funded(run)
    }
    if all(path[at] > 0 for every in paths.values() for path in every):
        change = {
            venue: [100.0 * (path / path[at] - 1.0) for path in every] for venue, every in paths.items()
        }
        unit, calm, against = "%", 1.0, "against their start"
    else:
        change = {venue: [path - path[at] for path in every] for venue, every in paths.items()}
        scale, unit = drawing.money(np.concatenate([path for every in change.values() for path in every]))
        change = {venue: [path / scale for path in every] for venue, every in change.items()}
        calm, against = 1e-3, "since the start"
    for venue, every in change.items():
        drawing.band(ax, run, run.time, every, drawing.venue_colour(run, venue), venue)
    low, high = ax.get_ylim()
    if high - low < calm:  # nothing moved: do not blow up the rounding
        ax.set_ylim(-calm, calm)
    drawing.label(ax, f"Equity of insurance funds and vaults {against}", unit)
    drawing.legend(ax, columns=2)


def funded(run: Run) -> list[str]:
    """Venues with perpetuals whose fund ever had or owed anything, also one that began with nothing."""
    found = [
        venue
        for venue in run.venues
        if readings.books(run, "PERP", venue=venue)
        and np.nan_to_num(run.column("fund_equity", venue=venue)[drawing.first_step(run) :]).any()
    ]
    if not found:
        raise Unmeasured("no venue has a fund")
    return found


def venue_sums(run: Run, column: str, first: float, last: float, width: float) -> Floats:
    every = [readings.sums(run, run.column(column, venue=venue), first, last, width) for venue in run.venues]
    return np.sum(every, axis=0)
