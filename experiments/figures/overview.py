"""The overview of any run: price, gap, depth, forced closings and funds, one below the other."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing, readings
from experiments.drawing import Draw
from experiments.figures.subject import fund_lines, main_coin, main_perp, venue_sums
from experiments.readings import Unmeasured
from experiments.run import Run


def overview(run: Run) -> Figure:
    """Price, gap, depth, liquidations with ADL, and funds of any run, one below the other.

    The coin is the one with the most perpetual volume. What the run did not record leaves an empty panel that
    says so.
    """
    coin = main_coin(run)
    panels: list[tuple[Draw, float]] = [
        (lambda ax, runs: price_lines(ax, runs[0], coin), 2.2),
        (lambda ax, runs: _gaps(ax, runs[0], coin), 1.3),
        (lambda ax, runs: _depths(ax, runs[0], coin), 1.3),
        (lambda ax, runs: _flows(ax, runs[0]), 1.5),
        (lambda ax, runs: fund_lines(ax, runs), 1.3),
    ]
    figure = Figure(figsize=(drawing.WIDTH, 10.5), dpi=drawing.DPI, layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[height for _, height in panels])
    for ax, (draw, _) in zip(axes, panels, strict=True):
        drawing.panel(ax, draw, [run], news=ax is axes[0])
    axes[-1].set_xlabel(drawing.time_label(run))
    title = f"{run.config.get('title', '') or run.name}  (seed {run.seed})"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def price_lines(ax: Axes, run: Run, coin: str) -> None:
    for kind, line in (("SPOT", "--"), ("PERP", "-")):
        for name in readings.books(run, kind, coin):
            drawing.series(
                ax,
                run,
                readings.filled(run.column("last", book=name)),
                drawing.book_colour(run, name),
                name,
                line,
            )
    drawing.label(ax, f"{coin} on every venue, latest trade", f"{coin}, USD(T)")
    drawing.thousands(ax)
    if len(ax.lines) <= MANY:
        drawing.legend(ax, columns=2)
    else:
        drawing.legend_below(ax, columns=4)


def _gaps(ax: Axes, run: Run, coin: str) -> None:
    base = main_perp(run, coin)
    price = readings.filled(run.column("mid", book=base))
    for kind, line in (("PERP", "-"), ("SPOT", "--")):
        for name in readings.books(run, kind, coin):
            if name != base:
                other = readings.filled(run.column("mid", book=name))
                drawing.series(
                    ax, run, 100.0 * (other / price - 1.0), drawing.book_colour(run, name), name, line
                )
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    drawing.label(ax, f"How far the other books' middle is above {base}", "%")
    if len(ax.lines) <= MANY:  # else the prices above have the same colours
        drawing.legend(ax, columns=2)


def _depths(ax: Axes, run: Run, coin: str) -> None:
    book = main_perp(run, coin)
    scale, unit = drawing.money(
        np.concatenate([run.column(f"depth_{side}_100", book=book) for side in ("bid", "ask")])
    )
    for side, colour in (("bid", drawing.BID), ("ask", drawing.ASK)):
        values = run.column(f"depth_{side}_100", book=book) / scale
        drawing.series(ax, run, values, colour, f"{side}s")
    ax.set_ylim(bottom=0.0)
    drawing.label(ax, f"Orders resting within 1 % of the middle of {book}", unit)
    drawing.legend(ax)


def _flows(ax: Axes, run: Run) -> None:
    """Liquidations of longs upwards, of shorts downwards, ADL as a line, summed over bins of the run."""
    first, last = drawing.extent(run)
    width = drawing.bin_width(run, last - first)
    series = {name: venue_sums(run, name, first, last, width) for name in _FLOWS}
    if not any(values.any() for values in series.values()):
        raise Unmeasured("nothing was liquidated or auto-deleveraged")
    scale, unit = drawing.money(np.concatenate(list(series.values())))
    at = first + width * (np.arange(len(series["adl"])) + 0.5)
    x, wide = drawing.place(run, at), width / drawing.AXIS_UNIT
    ax.bar(x, series["liquidated_long"] / scale, wide, color=drawing.LONG, label="longs liquidated")
    if series["liquidated_short"].any():
        ax.bar(x, -series["liquidated_short"] / scale, wide, color=drawing.SHORT, label="shorts liquidated")
    ax.step(
        x,
        series["adl"] / scale,
        where="mid",
        color=drawing.ink(),
        linewidth=1.0,
        label="winners auto-deleveraged",
    )
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    every = {1.0: "a second", 60.0: "a minute"}.get(width, f"in {_duration(width)}")
    drawing.label(
        ax, "Positions closed by force, all venues: longs upwards, shorts downwards", f"{unit} {every}"
    )
    drawing.magnitudes(ax)
    drawing.legend(ax)


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min"


MANY = 6  # lines of a panel beyond which a legend is in the way of them
_FLOWS = ("liquidated_long", "liquidated_short", "adl")
