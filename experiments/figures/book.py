"""A book over time as a heat map, with what was traded and who was liquidated on it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from abm.columns import BANDS
from experiments import drawing, readings
from experiments.drawing import Runs
from experiments.figures.page import below, page
from experiments.figures.prices import traded_range
from experiments.figures.subject import main_coin, main_perp, quoted
from experiments.readings import Floats
from experiments.run import Run

COLUMNS, ROWS = 500, 240  # of the heat map
FORCED = (
    ("liquidation", "o", "liquidated"),
    ("takeover", "v", "taken over"),
    ("adl", "x", "closed against winners"),
)
MARKS = 1500  # of one kind and side, the largest: more would only cover the map


def depth(run: Run, book: str | None = None) -> Figure:
    """Dollars resting per 0.1 % of price, over time and price, trades and forced closings on them; volume below.

    `book`: the perpetual with the largest open interest if not given.
    """
    name = book or main_perp(run, main_coin(run))
    figure, (ax, under) = page(run, f"The book of {name}", [5.2, 1.2], sharex=True)

    def heat(ax: Axes, runs: Runs) -> None:
        _heat(figure, ax, run, name)

    drawing.panel(ax, heat, [run])
    drawing.panel(under, lambda ax, runs: _volume(ax, run, name), [run], news=False)
    below(under, run)
    return figure


def density(run: Run, book: str, steps: np.ndarray, price: Floats) -> Floats:
    """Dollars resting per 0.1 % of price at these steps and prices, [prices, steps]; NaN where nothing is known.

    The record holds what rests within 0.5, 1, 2 and 5 % of the middle on each side; between two of these distances
    it is spread evenly, beyond the last it is unknown. Where a side is empty the middle is the last one known.
    """
    middle = readings.filled(run.column("mid", book=book))[steps]
    middle = np.where(np.isfinite(middle), middle, readings.filled(run.column("mark", book=book))[steps])
    away = price[:, None] / middle[None, :] - 1.0
    found = np.full(away.shape, np.nan)
    edges = [0.0, *(int(band) / 1e4 for band in BANDS)]
    for side, sign in (("bid", -1.0), ("ask", 1.0)):
        within = [np.zeros(len(steps))]
        within += [np.nan_to_num(run.column(f"depth_{side}_{band}", book=book)[steps]) for band in BANDS]
        for k, (near, far) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            here = (sign * away > near) & (sign * away <= far)
            per = np.maximum(within[k + 1] - within[k], 0.0) / (1000.0 * (far - near))
            found = np.where(here, per[None, :], found)
    return found


def _heat(figure: Figure, ax: Axes, run: Run, book: str) -> None:
    low, high = traded_range(run, book)
    room = 0.25 * (high - low) + 0.002 * high
    price = np.linspace(low - room, high + room, ROWS)
    first = drawing.first_step(run)
    steps = np.unique(np.linspace(first, len(run.time) - 1, COLUMNS).astype(int))
    shown = density(run, book, steps, price)
    known = shown[np.isfinite(shown) & (shown > 0)]
    if len(known):
        scale, unit = drawing.money(known)
        bottom, top = np.quantile(known, (0.02, 0.995))
        norm = LogNorm(max(bottom, top / 1e4) / scale, max(top, bottom * 1.01) / scale, clip=True)
        mesh = ax.pcolormesh(
            drawing.place(run, run.time[steps]), price, np.maximum(shown, top / 1e4) / scale,
            norm=norm, cmap="cividis", rasterized=True, shading="nearest",
        )  # fmt: skip
        bar = figure.colorbar(mesh, ax=ax, pad=0.01, aspect=40)
        bar.set_label(f"{unit} resting per 0.1 % of price", fontsize=8)
        bar.ax.tick_params(which="both", labelsize=7)
        number = FuncFormatter(lambda value, _: f"{value:g}")
        bar.ax.yaxis.set_major_formatter(number)
        decades = np.log10(norm.vmax / norm.vmin)
        bar.ax.yaxis.set_minor_formatter(number if decades < 1.0 else NullFormatter())
    drawing.series(ax, run, readings.filled(run.column("last", book=book)), "#FFFFFF", "latest trade")
    ax.lines[-1].set_linewidth(1.6)
    drawing.series(ax, run, readings.filled(run.column("last", book=book)), "#000000", "latest trade")
    ax.lines[-2].set_label("_")
    _forced(ax, run, book)
    ax.set_ylim(low - room, high + room)
    ax.grid(visible=False)
    drawing.thousands(ax)
    drawing.label(
        ax, "Resting orders, known to 5 % from the middle; trades and positions closed by force on them",
        quoted(run, [book]),
    )  # fmt: skip
    told = ax.legend(
        fontsize=7, loc="best", framealpha=0.85, edgecolor="none", facecolor="#FFFFFF", labelcolor="#000000"
    )  # black and white lines are seen on this alone
    for handle in told.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([28.0])


def _forced(ax: Axes, run: Run, book: str) -> None:
    """Marks at the price of each closing; their area grows with its value."""
    events = run.events()
    mine = (events["book"] == book) & np.isfinite(events["price"]) & (events["value"] > 0)
    largest = float(events["value"][mine].max()) if mine.any() else 1.0
    for kind, shape, words in FORCED:
        for side, who, colour in ((1, "longs", drawing.LONG), (-1, "shorts", drawing.SHORT)):
            here = np.flatnonzero(mine & (events["kind"] == kind) & (events["side"] == side))
            if not len(here):
                continue
            here = here[np.argsort(-events["value"][here])][:MARKS]
            ax.scatter(
                drawing.place(run, events["time"][here]), events["price"][here],
                s=6.0 + 90.0 * events["value"][here] / largest, marker=shape, color=colour,
                linewidths=1.0 if shape == "x" else 0.4, alpha=0.85, zorder=4, label=f"{who} {words}",
                **({} if shape == "x" else {"edgecolors": "#000000"}),
            )  # fmt: skip


def _volume(ax: Axes, run: Run, book: str) -> None:
    first, last = drawing.extent(run)
    width = drawing.bin_width(run, last - first)
    total = readings.sums(run, run.column("volume", book=book), first, last, width)
    bought = readings.sums(run, run.column("taker_buy", book=book), first, last, width)
    scale, unit = drawing.money(total)
    x = drawing.place(run, first + width * (np.arange(len(total)) + 0.5))
    wide = width / drawing.AXIS_UNIT
    ax.bar(x, bought / scale, wide, color=drawing.BID, label="buyers took")
    ax.bar(x, -(total - bought) / scale, wide, color=drawing.ASK, label="sellers took")
    drawing.magnitudes(ax)
    drawing.label(ax, f"Traded in {width:g} s", unit)
    drawing.legend(ax, columns=2)
