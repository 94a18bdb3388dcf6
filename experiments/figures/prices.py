"""Prices by venue: one panel a coin, every book that trades it."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing, readings
from experiments.drawing import Runs
from experiments.figures.overview import price_lines
from experiments.figures.page import below, page
from experiments.figures.subject import quoted
from experiments.readings import Unmeasured
from experiments.run import Run


def coins(run: Run) -> list[str]:
    """Coins with a book, most traded first; Unmeasured without one."""
    found = dict.fromkeys(name.partition(":")[2].rpartition("-")[0] for name in run.books)
    if not found:
        raise Unmeasured("the run recorded no books; record.books names them")
    return list(found)


def prices(run: Run) -> Figure:
    """The latest trade of every book, a panel a coin; perpetuals are lines, spot is dashed."""
    shown = coins(run)
    rows = -(-len(shown) // 2) if len(shown) > 1 else 1
    figure, axes = page(run, "Prices by venue", [2.4] * rows, columns=2 if len(shown) > 1 else 1)
    first, last = drawing.extent(run)
    lines: dict[str, Any] = {}
    for number, ax in enumerate(axes):
        if number >= len(shown):
            ax.set_visible(False)
            continue

        def draw(ax: Axes, runs: Runs, coin: str = shown[number]) -> None:
            price_lines(ax, runs[0], coin)
            if (told := ax.get_legend()) is not None:
                told.remove()
            drawing.label(ax, coin, quoted(run, (name for name in run.books if f":{coin}-" in name)))

        drawing.panel(ax, draw, [run], news=number == 0)
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            lines.setdefault(f"{name.partition(':')[0]} {name.rpartition('-')[2].lower()}", handle)
        if len(shown) > 1:
            drawing.clock_axis(ax, run, last - first, most=6)
        if number + axes[0].get_gridspec().ncols >= len(shown):
            below(ax, run)
    # one legend for all panels, beside none of them: the lines of a fall leave no free corner
    figure.legend(lines.values(), lines, loc="outside lower left", ncols=6, fontsize=7, frameon=False)
    return figure


def traded_range(run: Run, book: str) -> tuple[float, float]:
    """Lowest and highest trade of a book after the burn-in; Unmeasured without a trade."""
    last = readings.filled(run.column("last", book=book))[drawing.first_step(run) :]
    known = last[last > 0]
    if not len(known):
        raise Unmeasured(f"{book} had no trade")
    low, high = float(known.min()), float(known.max())
    for name in ("low", "high"):
        values = run.column(name, book=book)[drawing.first_step(run) :]
        values = values[values > 0]
        if len(values):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high
