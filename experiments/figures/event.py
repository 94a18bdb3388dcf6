"""The figures of 10 October 2025, beside the real data.

Several runs (seeds) are drawn as lines of their median, or bars of their mean, with a band from the 5 % to the 95 %
quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing, readings, reference
from experiments.drawing import Draw, Runs
from experiments.figures.subject import fund_lines, funded, venue_sums
from experiments.readings import Floats, Unmeasured


def october(runs: Runs, folder: str | Path) -> list[Path]:
    """Write the figures of the event to a folder and return their paths.

    `btc_path`, `liquidations_adl`, `open_interest`, `depth`, `gap`, `funds` (a few panels each) and
    `october` (most of them on one page). Raises ValueError without a run.
    """
    if not runs:
        raise ValueError("no run to draw")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {name: one(runs, panels) for name, panels in PANELS.items()}
    figures["october"] = october_page(runs)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1])
    return paths


def one(runs: Runs, panels: Sequence[Draw]) -> Figure:
    """A figure of a few panels below each other."""
    figure = Figure(figsize=(drawing.WIDTH, 2.0 + 2.4 * len(panels)), dpi=drawing.DPI, layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    for ax, draw in zip(axes, panels, strict=True):
        drawing.panel(ax, draw, runs, news=ax is axes[0])
    axes[-1].set_xlabel(drawing.time_label(runs[0]))
    figure.suptitle(_seeds(runs), x=0.99, ha="right", fontsize=8, color=drawing.muted())
    return figure


def _seeds(runs: Runs) -> str:
    if len(runs) == 1:
        return f"seed {runs[0].seed}"
    return f"{len(runs)} seeds: lines are medians, bars means, bands and thin lines 5-95 %"


def october_page(runs: Runs) -> Figure:
    """The panels that tell the event on one page: the path on top, the rest in two columns."""
    figure = Figure(figsize=(12.0, 13.0), dpi=drawing.DPI, layout="constrained")
    grid = figure.add_gridspec(4, 2, height_ratios=[1.5, 1.0, 1.0, 1.0])
    drawing.panel(figure.add_subplot(grid[0, :]), btc_path, runs)
    rest: list[Draw] = [liquidations, deleveraging, bids, asks, open_interest, gap]
    for place, draw in enumerate(rest):
        ax = figure.add_subplot(grid[1 + place // 2, place % 2])
        drawing.panel(ax, draw, runs, news=False)
        if place >= 4:
            ax.set_xlabel(drawing.time_label(runs[0]))
    title = f"{runs[0].config.get('title', '')}  ({_seeds(runs)})"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def btc_path(ax: Axes, runs: Runs) -> None:
    """BTC on every venue by minute, median over seeds, with the real minute path in black."""
    run = runs[0]
    first, last = drawing.extent(run)
    for kind, line in (("PERP", "-"), ("SPOT", "--")):
        for name in readings.books(run, kind, "BTC"):
            if kind == "SPOT" and run.config["venues"][name.partition(":")[0]]["quote"] != "USD":
                continue  # spot and perp of one venue lie on each other; the USD venue is the one that parts
            paths = [readings.closes(each, each.column("last", book=name), first, last) for each in runs]
            label = name.removesuffix("-PERP").replace(":BTC", "").replace("-SPOT", " spot, USD")
            drawing.band(
                ax,
                run,
                readings.minutes(run, first, last),
                paths,
                drawing.book_colour(run, name),
                label,
                line,
            )
    bars = reference.bars()
    x = drawing.place(run, drawing.seconds(run, bars.time) + readings.MINUTE)
    ax.fill_between(x, bars.low, bars.high, color=drawing.ink(), alpha=0.13, linewidth=0)
    ax.plot(x, bars.close, color=drawing.ink(), linewidth=1.8, label="real: Binance, closes and range")
    drawing.label(ax, "BTC by minute on every venue of the model, and as it was (black)", "BTC, USD(T)")
    drawing.thousands(ax)
    drawing.legend(ax, columns=3)


def liquidations(ax: Axes, runs: Runs) -> None:
    """True liquidations by minute and venue: longs upwards, shorts downwards."""
    scale, unit = _largest_minute(runs, ("liquidated_long", "liquidated_short"))
    _stacks(ax, runs, "liquidated_long", scale)
    _stacks(ax, runs, "liquidated_short", -scale)
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    drawing.label(ax, "Liquidations by venue: longs upwards, shorts downwards", f"{unit} a minute")
    drawing.magnitudes(ax)
    drawing.legend(ax, columns=2)


def deleveraging(ax: Axes, runs: Runs) -> None:
    """Auto-deleveraged notional by minute and venue."""
    scale, unit = _largest_minute(runs, ("adl",))
    _stacks(ax, runs, "adl", scale)
    if not ax.patches:
        raise Unmeasured("no position was auto-deleveraged")
    ax.set_ylim(bottom=0.0)
    drawing.label(ax, "Winners' positions closed by auto-deleveraging, by venue", f"{unit} a minute")
    drawing.legend(ax, columns=2)


def open_interest(ax: Axes, runs: Runs) -> None:
    """Open interest of all perps against the step before the news, in dollars and at that step's prices."""
    run = runs[0]
    dollars, contracts = [], []
    for each in runs:
        start = readings.before(each, readings.news_time(each))
        usd = np.array([each.column("open_interest_usd", book=name) for name in readings.books(each, "PERP")])
        coins = np.array([each.column("open_interest", book=name) for name in readings.books(each, "PERP")])
        value = usd[:, start : start + 1] / np.maximum(coins[:, start : start + 1], 1e-12)
        dollars.append(100.0 * (_total(usd) / readings.open_interest(each, start) - 1.0))
        contracts.append(100.0 * (_total(coins * value) / readings.open_interest(each, start) - 1.0))
    drawing.band(ax, run, run.time, dollars, drawing.muted(), "in dollars")
    drawing.band(ax, run, run.time, contracts, drawing.BID, "in contracts, at the prices of that moment")
    drawing.level(ax, run, -27.5, "real, dollars, a day later: -27.5 %")
    drawing.label(ax, "Open interest of all perpetuals against the moment of the news", "%")
    drawing.legend(ax)


def bids(ax: Axes, runs: Runs) -> None:
    """Dollars bid within 1 % on the largest perp venue, five-minute means, over the real ones."""
    _depth(ax, runs, "depth_bid_100", "bid_within_1pct_musd", drawing.BID)
    drawing.label(ax, "Bids within 1 % of BTC's middle, five-minute means", "M$")


def asks(ax: Axes, runs: Runs) -> None:
    """Dollars offered within 5 % on the largest perp venue, five-minute means, over the real ones."""
    _depth(ax, runs, "depth_ask_500", "ask_within_5pct_musd", drawing.ASK)
    drawing.label(ax, "Asks within 5 % of BTC's middle, five-minute means", "M$")


def gap(ax: Axes, runs: Runs) -> None:
    """USD spot over the largest perp venue's BTC, minute closes."""
    run = runs[0]
    first, last = drawing.extent(run)
    spot, perp = readings.usd_spot(run), readings.largest_perp(run)
    apart = []
    for each in runs:
        price = {
            name: readings.closes(each, each.column("last", book=name), first, last) for name in (spot, perp)
        }
        apart.append(100.0 * (price[spot] / price[perp] - 1.0))
    drawing.band(ax, run, readings.minutes(run, first, last), apart, drawing.muted(), "model, minute closes")
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    drawing.level(ax, run, 3.2, "real, the largest: 3.2 %")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.25 * (high - low))  # room for the legend above the line of the real gap
    drawing.label(ax, f"How far {spot} is above {perp}", "%")
    drawing.legend(ax)


def fund_equity(ax: Axes, runs: Runs) -> None:
    """Insurance funds against their start, %."""
    fund_lines(ax, runs)


def fund_cash(ax: Axes, runs: Runs) -> None:
    """Cash of funds and vaults since the start, dollars."""
    _fund_dollars(
        ax, runs, "fund_cash", "Cash of insurance funds and vaults since the start", since_start=True
    )


def fund_inventory(ax: Axes, runs: Runs) -> None:
    """Positions that funds and vaults took over, dollars at the mark."""
    _fund_dollars(ax, runs, "fund_inventory", "Positions that funds and vaults have taken over, at the mark")


def _fund_dollars(ax: Axes, runs: Runs, column: str, label: str, since_start: bool = False) -> None:
    run = runs[0]
    values = {}
    for venue in funded(run):
        paths = [each.column(column, venue=venue) for each in runs]
        values[venue] = [path - path[drawing.first_step(run)] if since_start else path for path in paths]
    scale, unit = drawing.money(np.concatenate([path for paths in values.values() for path in paths]))
    for venue, paths in values.items():
        drawing.band(
            ax, run, run.time, [path / scale for path in paths], drawing.venue_colour(run, venue), venue
        )
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    drawing.label(ax, label, unit)


def _depth(ax: Axes, runs: Runs, column: str, real: str, colour: str) -> None:
    run = runs[0]
    book = readings.largest_perp(run)
    first, last = drawing.extent(run)
    last = first + 300.0 * np.floor((last - first) / 300.0)
    bins = first + 300.0 * np.arange(1, round((last - first) / 300.0) + 1)
    paths = [readings.means(each, each.column(column, book=book), first, last, 300.0) / 1e6 for each in runs]
    drawing.band(ax, run, bins, paths, colour, f"model, {book}")
    data = reference.table(reference.DEPTH)
    at = drawing.seconds(run, data["bin_utc"]) + 300.0
    keep = (at >= first) & (at <= last + 1.0)
    ax.plot(
        drawing.place(run, at[keep]),
        data[real][keep],
        color=drawing.ink(),
        linewidth=1.6,
        marker="o",
        markersize=3,
        label="real, Binance",
    )
    ax.set_ylim(bottom=0.0)
    drawing.legend(ax)


def _largest_minute(runs: Runs, columns: Sequence[str]) -> tuple[float, str]:
    """Scale and unit that show the largest minute of these venue columns."""
    first, last = drawing.extent(runs[0])
    every = [venue_sums(run, name, first, last, readings.MINUTE) for run in runs for name in columns]
    return drawing.money(np.concatenate(every))


def _stacks(ax: Axes, runs: Runs, column: str, scale: float) -> None:
    """Bars a minute stacked by venue (mean over runs) and a line for the 5-95 % band of their sum.

    `scale` is dollars a unit; below zero the bars hang down.
    """
    run = runs[0]
    first, last = drawing.extent(run)
    x = drawing.place(run, readings.minutes(run, first, last) - readings.MINUTE / 2)
    wide = readings.MINUTE / drawing.AXIS_UNIT
    base = np.zeros(len(x))
    ax.use_sticky_edges = False  # bars of no height on top of others would stick to the frame
    for venue in run.venues:
        if not readings.books(run, "PERP", venue=venue):
            continue
        every = [readings.sums(each, each.column(column, venue=venue), first, last) for each in runs]
        height = np.mean(every, axis=0) / scale  # the median of spikes in different minutes is nothing
        if not height.any():
            continue
        label = venue if venue not in ax.get_legend_handles_labels()[1] else None
        ax.bar(x, height, wide, bottom=base, color=drawing.venue_colour(run, venue), label=label)
        base += height
    if len(runs) > 1:
        total = [venue_sums(each, column, first, last, readings.MINUTE) / scale for each in runs]
        low, high = np.quantile(total, (0.05, 0.95), axis=0)
        some = high != low
        ax.vlines(x[some], low[some], high[some], color=drawing.muted(), linewidth=0.7)


PANELS: dict[str, tuple[Draw, ...]] = {
    "btc_path": (btc_path,),
    "liquidations_adl": (liquidations, deleveraging),
    "open_interest": (open_interest,),
    "depth": (bids, asks),
    "gap": (gap,),
    "funds": (fund_equity, fund_cash, fund_inventory),
}


def _total(values: Floats) -> Floats:
    return np.nansum(values, axis=0)
