"""Market makers: what they quote, and what they are left with."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing, readings
from experiments.figures.page import below, page
from experiments.figures.subject import main_coin, main_perp
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

SPECIES = "market_maker"


def makers(run: Run) -> Figure:
    """How far from the middle makers quote and how much, on the coin's main book; their inventories on all of them."""
    coin = main_coin(run)
    book = main_perp(run, coin)
    quotes = run.quotes()
    figure, axes = page(run, f"Makers of {coin}: quotes and inventory", [2.3, 2.0, 2.6], sharex=True)
    draws = [
        lambda ax, runs: _distance(ax, run, quotes, book),
        lambda ax, runs: _size(ax, run, quotes, book),
        lambda ax, runs: _inventory(ax, run, quotes, coin),
    ]
    for ax, draw in zip(axes, draws, strict=True):
        drawing.panel(ax, draw, [run], news=ax is axes[0])
    below(axes[-1], run)
    return figure


def by_step(run: Run, quotes: dict[str, np.ndarray], book: str, column: str) -> dict[str, Floats]:
    """A column of the quotes in a book by participant, [steps]; NaN where it quotes nothing."""
    found = {}
    for name in dict.fromkeys(quotes["participant"]):
        mine = (quotes["book"] == book) & (quotes["participant"] == name)
        if not mine.any():
            continue
        values = np.full(len(run.time), np.nan)
        step = np.searchsorted(run.time, quotes["time"][mine] - 1e-9)
        values[step] = quotes[column][mine]
        found[name] = values
    return found


def _distance(ax: Axes, run: Run, quotes: dict[str, np.ndarray], book: str) -> None:
    middle = run.column("mid", book=book)
    bids, asks = by_step(run, quotes, book, "bid"), by_step(run, quotes, book, "ask")
    if not bids:
        raise Unmeasured(f"nobody of record.quotes quotes in {book}")
    for number, name in enumerate(bids):
        word = "" if len(bids) == 1 else f"{name}: "
        line = ("-", "--", ":", "-.")[number % 4]
        drawing.series(ax, run, 1e4 * (asks[name] / middle - 1.0), drawing.ASK, f"{word}best ask", line)
        drawing.series(ax, run, 1e4 * (bids[name] / middle - 1.0), drawing.BID, f"{word}best bid", line)
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    ax.set_yscale("symlog", linthresh=10.0)
    drawing.thousands(ax)
    drawing.label(ax, f"Their best quotes in {book} from its middle (gaps: none)", "basis points")
    drawing.legend(ax, columns=2)


def _size(ax: Axes, run: Run, quotes: dict[str, np.ndarray], book: str) -> None:
    sides = {
        side: np.nansum(list(by_step(run, quotes, book, f"{side}_value").values()), axis=0)
        for side in ("bid", "ask")
    }
    scale, unit = drawing.money(np.concatenate(list(sides.values())))
    drawing.series(ax, run, sides["bid"] / scale, drawing.BID, "bids")
    drawing.series(ax, run, sides["ask"] / scale, drawing.ASK, "asks")
    ax.set_ylim(bottom=0.0)
    drawing.label(ax, f"What they have resting in {book}", unit)
    drawing.legend(ax)


def _inventory(ax: Axes, run: Run, quotes: dict[str, np.ndarray], coin: str) -> None:
    held = {}
    for book in readings.books(run, "PERP", coin):
        mine = list(by_step(run, quotes, book, "inventory").values())
        if mine:
            held[book] = np.nansum(mine, axis=0) * readings.filled(run.column("mark", book=book))
    if not held:
        raise Unmeasured(f"nobody of record.quotes holds {coin}")
    scale, unit = drawing.money(np.concatenate(list(held.values())))
    for book, dollars in held.items():
        drawing.series(ax, run, dollars / scale, drawing.book_colour(run, book), book)
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    drawing.label(ax, "Their positions in perpetuals at the mark: long upwards, short downwards", unit)
    drawing.legend(ax, columns=2)
