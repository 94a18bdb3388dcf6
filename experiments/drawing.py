"""The look of every figure: colours, panels on a clock axis, median lines with a band, legends, units.

Nothing here holds state: each function draws on the axes that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from experiments import readings
from experiments.readings import Floats, Unmeasured
from experiments.run import Run, RunError

Runs = Sequence[Run]
Draw = Callable[[Axes, Runs], None]

# Okabe and Ito's colours, told apart by the colour-blind (Color Universal Design, 2008); real data is in ink
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442")
LONG, SHORT = "#E69F00", "#56B4E9"  # sides of positions ...
BID, ASK = "#009E73", "#CC79A7"  # ... and of books: not the colours of the first venues
LIGHT = "#999999"  # who stands for many: no venue of its own
AXIS_UNIT = 60.0  # seconds: the time axis counts minutes of the run's first day
WIDTH = 9.0  # inches
DPI = 130
POINTS = 900  # of one line: more than that only makes it thick


# page, ink, muted ink and grid of the two looks
PAPER = {
    False: ("#FFFFFF", "#000000", "#666666", "#DDDDDD"),
    True: ("#14171A", "#F2F2F2", "#A3A9AF", "#30363C"),
}


@contextmanager
def look(dark: bool = False) -> Iterator[None]:
    """Inside, figures are drawn and saved on a light or a dark page.

    The look lies in matplotlib's own settings, so that every text, frame and axis follows it; they are as they were
    afterwards.
    """
    page, pen, faint, grid = PAPER[dark]
    settings = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), page)
    settings |= dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), pen)
    settings |= dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), pen)
    settings |= {"hatch.color": faint, "grid.color": grid}
    with rc_context(settings):
        yield


def is_dark() -> bool:
    """Whether figures are drawn on a dark page."""
    return str(rcParams["figure.facecolor"]) == PAPER[True][0]


def page_colour() -> str:
    """The page itself."""
    return PAPER[is_dark()][0]


def ink() -> str:
    """The strongest colour of the page: real data."""
    return PAPER[is_dark()][1]


def muted() -> str:
    """For lines and words that only explain."""
    return PAPER[is_dark()][2]


def panel(ax: Axes, draw: Draw, runs: Runs, news: bool = True) -> None:
    """Draw one panel in the common style; what a run lacks is said in the empty panel.

    The time of the news is a dotted line in every panel, with its name where `news` says so.
    """
    run = runs[0]
    drawn = plain(ax, draw, runs)
    first, last = extent(run)
    ax.set_xlim(*place(run, np.array([first, last])))
    clock_axis(ax, run, last - first)
    if not drawn:
        return
    with suppress(Unmeasured):
        x = float(place(run, np.array([readings.news_time(run)]))[0])
        ax.axvline(x, color=muted(), linewidth=0.8, linestyle=":")
        if news:
            top = ax.get_xaxis_transform()
            word = ax.text(x, 1.0, "news ", transform=top, ha="right", va="top", fontsize=8, color=muted())
            word.set_path_effects([withStroke(linewidth=2.0, foreground=page_colour())])  # on a heat map too


def plain(ax: Axes, draw: Draw, runs: Runs) -> bool:
    """Draw one panel in the common style, without an axis of time; False: what the run lacks is said in it instead."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=PAPER[is_dark()][3], linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    try:
        draw(ax, runs)
    except (Unmeasured, RunError) as reason:
        _say_why_empty(ax, str(reason))
        return False
    ax.yaxis.label.set_fontsize(8)
    ax.xaxis.label.set_fontsize(8)
    return True


def _say_why_empty(ax: Axes, reason: str) -> None:
    """Words in the place of a picture: no scale of nothing, no line through them."""
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])
    assert ax.figure is not None
    wide = ax.get_position().width * ax.figure.get_figwidth()  # inches
    said = "\n".join(wrap(f"not drawn: {reason}", max(20, int(16 * wide))))
    ax.text(
        0.5, 0.5, said, transform=ax.transAxes, ha="center", va="center", color=muted(), fontsize=8,
        parse_math=False,
    )  # fmt: skip


def label(ax: Axes, title: str, unit: str) -> None:
    """What one sees, above the panel, and the unit of its axis."""
    ax.set_title(title, loc="left", fontsize=9, pad=5)
    ax.set_ylabel(unit)


def band(
    ax: Axes, run: Run, times: Floats, paths: Sequence[Floats], colour: str, label: str, line: str = "-"
) -> None:
    """Median of several series over seeds and the band from 5 to 95 %; a single series as it is.

    Long series are drawn as means of equal blocks: a second's noise on a line of hours is only thickness.
    """
    stack = np.array(paths, dtype=float)
    block = -(-len(times) // POINTS)
    whole = len(times) // block * block
    times = times[:whole].reshape(-1, block)[:, -1]
    stack = stack[:, :whole].reshape(len(stack), -1, block).mean(axis=2)
    x = place(run, times)
    known = np.isfinite(stack).all(axis=0)
    middle = np.where(known, np.median(np.where(known, stack, 0.0), axis=0), np.nan)
    ax.plot(x, middle, color=colour, linewidth=1.2, linestyle=line, label=label)
    if len(stack) > 1:
        low, high = np.quantile(np.where(known, stack, 0.0), (0.05, 0.95), axis=0)
        ax.fill_between(x, low, high, where=known, color=colour, alpha=0.2, linewidth=0)


def series(ax: Axes, run: Run, values: Floats, colour: str, label: str, line: str = "-") -> None:
    """One value a step; of a long run every so many steps, so that a line stays a line.

    Who stands for many lies behind the venues, whose books it follows.
    """
    thin = slice(None, None, -(-len(run.time) // POINTS))
    ax.plot(
        place(run, run.time)[thin], values[thin], color=colour, linewidth=1.0, linestyle=line, label=label,
        zorder=1.9 if colour == LIGHT else 2.0,
    )  # fmt: skip


def level(ax: Axes, run: Run, value: float, label: str) -> None:
    """One real number as a dotted line; in many points, so that a legend finds a place beside it."""
    x = place(run, np.linspace(*extent(run), 60))
    ax.plot(x, np.full(len(x), value), color=ink(), linewidth=1.0, linestyle=":", label=label)


def legend(ax: Axes, columns: int = 1, told: Mapping[str, Artist] | None = None) -> None:
    """Names of what is drawn, where there is room; `told`: of other panels, too."""
    if told is None:
        handles, labels = ax.get_legend_handles_labels()
        told = dict(zip(labels, handles, strict=True))
    if told:
        ax.legend(
            told.values(),
            told.keys(),
            fontsize=7,
            ncols=columns,
            loc="best",
            facecolor=page_colour(),
            framealpha=0.8,
            edgecolor="none",
        )


def legend_below(ax: Axes, columns: int) -> None:
    """Between this panel and the next, where its lines are too many to leave a free corner."""
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.03),
        borderaxespad=0.0,
        fontsize=7,
        ncols=columns,
        frameon=False,
    )


def magnitudes(ax: Axes) -> None:
    """Label the axis without signs: below zero is the other side, not less than nothing."""
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))


def book_colour(run: Run, book: str) -> str:
    return venue_colour(run, book.partition(":")[0])


def venue_colour(run: Run, venue: str) -> str:
    """The same in every figure of a scenario, by the order of its venues."""
    if venue in readings.AGGREGATES:
        return LIGHT
    return dict(zip(readings.exchanges(run), cycle(PALETTE), strict=False))[venue]


def thousands(ax: Axes) -> None:
    """Prices as people write them: 116,605; small ones as they are."""
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def money(values: Any) -> tuple[float, str]:
    """Scale and name of the unit that shows these dollars in few figures."""
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    for scale, unit in ((1e9, "B$"), (1e6, "M$"), (1e3, "k$")):
        if largest >= scale:
            return scale, unit
    return 1.0, "$"


# time axis --------------------------------------------------------------------------------------------------


def extent(run: Run) -> tuple[float, float]:
    """Seconds from and to which a run is drawn: without its burn-in."""
    if not len(run.time):
        raise Unmeasured("the run has no recorded step")
    return 0.0, max(float(run.time[-1]), 1.0)


def first_step(run: Run) -> int:
    """The first step after the burn-in."""
    first, _ = extent(run)
    return min(int(np.searchsorted(run.time, first + 1e-9, side="left")), len(run.time) - 1)


def bin_width(run: Run, length: float) -> float:
    """A round width that gives about 100 bins and is no shorter than a recorded step."""
    step = float(np.median(np.diff(run.time))) if len(run.time) > 1 else 1.0
    for width in (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0):
        if width >= step and length / width <= 160:
            return width
    return max(step, length / 160)


def place(run: Run, seconds: Floats) -> Floats:
    """Place on the time axis: minutes after midnight UTC of the first day."""
    midnight = run.start.replace(hour=0, minute=0, second=0, microsecond=0)
    return ((run.start - midnight).total_seconds() + np.asarray(seconds, dtype=float)) / AXIS_UNIT


def seconds(run: Run, times: Any) -> Floats:
    """Seconds since the start of datetime64 times (UTC)."""
    start = np.datetime64(run.start.replace(tzinfo=None))
    return (times - start) / np.timedelta64(1, "s")


def clock_axis(ax: Axes, run: Run, length: float, most: int = 11) -> None:
    """Round clock times, at most so many (fewer on a narrow panel)."""
    minutes = length / 60.0
    for step in (0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440):
        if minutes / step <= most:
            ax.xaxis.set_major_locator(MultipleLocator(step))
            break
    else:
        ax.xaxis.set_major_locator(MaxNLocator(10))

    def show(value: float, _: Any) -> str:
        seconds = round(value * 60)
        text = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}"
        return text if step >= 1 else f"{text}:{seconds % 60:02d}"

    ax.xaxis.set_major_formatter(FuncFormatter(show))


def time_label(run: Run) -> str:
    return f"UTC, {run.start:%d %B %Y}"
