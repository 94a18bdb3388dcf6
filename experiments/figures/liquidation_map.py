"""The liquidation map: how many dollars of positions would be liquidated if the mark stood where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing, readings
from experiments.drawing import Runs
from experiments.figures.page import page, remark
from experiments.figures.subject import main_coin, quoted
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

STEP = 0.005  # of the opening mark: one bar
FAR = 0.2  # how far from the opening mark the map reaches
KEPT = '--set \'record.accounts_at=["start", 3000, 3900, "end"]\' keeps more moments'


def moments(run: Run) -> list[tuple[str, float]]:
    """Label and seconds of every moment at which accounts were kept, in order of time."""
    end = float(run.time[-1]) if len(run.time) else 0.0
    known = {"start": float(run.time[0]) if len(run.time) else 0.0, "end": end}
    found = [(label, known[label] if label in known else float(label)) for label in run.labels()]
    return sorted(found, key=lambda one: one[1])


def chosen(run: Run, most: int = 4) -> list[tuple[str, float]]:
    """At most so many of the moments, evenly spread, with the first; the end only where there is nothing else."""
    every = moments(run)
    if not every:
        raise Unmeasured(
            'the run keeps no accounts; --set \'record.accounts_at=["start", "end"]\' keeps them'
        )
    within = [one for one in every if one[0] != "end"] or every
    if len(within) == 1 and len(every) > 1:
        within = every
    places = np.unique(np.linspace(0, len(within) - 1, min(most, len(within))).astype(int))
    return [within[k] for k in places]


def liquidation_map(run: Run, coin: str | None = None) -> Figure:
    """Dollars of positions by the mark at which they are liquidated, before and during; what failed there in between.

    One panel a kept moment; the coin with the most volume if none is given.
    """
    which = coin or main_coin(run)
    shown = chosen(run)
    figure, axes = page(
        run, f"Liquidation map of {which}", [5.0], columns=len(shown), sharey=True, sharex=True,
        wide=max(drawing.WIDTH, 2.9 * len(shown)),
    )  # fmt: skip
    until = [time for _, time in shown[1:]] + [float("inf")]
    for number, (ax, (label, time), end) in enumerate(zip(axes, shown, until, strict=True)):

        def draw(ax: Axes, runs: Runs, at: str = label, a: float = time, b: float = end) -> None:
            _map(ax, run, which, at, a, b)

        drawing.plain(ax, draw, [run])
        when = readings.clock(run, time)
        drawing.label(ax, f"{label}, {when}" if label in ("start", "end") else when, "")
        if number == 0:
            unit = quoted(run, readings.books(run, "PERP", which))
            ax.set_ylabel(f"mark of {which}, {unit}", fontsize=8)
    _legend(axes)
    if len(moments(run)) < 3:
        remark(figure, KEPT)
    return figure


def _legend(axes: Sequence[Axes]) -> None:
    """In the first panel, of what is seen in any: often nobody fails before the second."""
    told = {word: handle for ax in axes for handle, word in zip(*ax.get_legend_handles_labels(), strict=True)}
    if told:
        drawing.legend(axes[0], told=told)


def waiting(run: Run, coin: str, label: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Liquidation price, dollars at the mark, sign of the size and mark of every open position in a coin."""
    held = run.positions(label)
    books = set(readings.books(run, "PERP", coin))
    mine = np.array([book in books for book in held["book"]], dtype=bool)
    mine &= np.isfinite(held["liquidation_price"]) & (held["liquidation_price"] > 0)
    return (
        held["liquidation_price"][mine],
        np.abs(held["notional"][mine]),
        np.sign(held["quantity"][mine]),
        held["mark"][mine],
    )


def _map(ax: Axes, run: Run, coin: str, label: str, begin: float, end: float) -> None:
    price, value, side, mark = waiting(run, coin, label)
    if not len(price):
        raise Unmeasured("no position has a liquidation price")
    base = _opening(run, coin)
    edges = base * np.arange(1.0 - FAR, 1.0 + FAR + STEP, STEP)
    centre = (edges[:-1] + edges[1:]) / 2
    longs, shorts = (np.histogram(price[side == s], edges, weights=value[side == s])[0] for s in (1, -1))
    scale, unit = drawing.money(np.concatenate([longs, shorts]))
    high = STEP * base * 0.9
    ax.barh(centre, longs / scale, high, color=drawing.LONG, label="longs that fail there")
    ax.barh(centre, shorts / scale, high, color=drawing.SHORT, label="shorts that fail there")
    events = run.events()
    books = set(readings.books(run, "PERP", coin))
    closed = np.isin(events["kind"].astype(str), ("liquidation", "takeover")) & np.isfinite(events["mark"])
    closed &= np.array([book in books for book in events["book"]], dtype=bool)
    closed &= (events["time"] > begin) & (events["time"] <= end)
    failed = np.histogram(events["mark"][closed], edges, weights=events["value"][closed])[0]
    if failed.any():
        ax.step(
            failed / scale,
            centre,
            where="mid",
            color=drawing.ink(),
            linewidth=1.0,
            label="failed from here on",
        )
    now = float(np.median(mark))
    ax.axhline(now, color=drawing.muted(), linewidth=0.9, linestyle=":", label="mark")
    ax.set_xlabel(f"{unit} per {100 * STEP:g} %", fontsize=8)
    drawing.thousands(ax)


def _opening(run: Run, coin: str) -> float:
    for book in readings.books(run, "PERP", coin):
        marks = run.column("mark", book=book)[drawing.first_step(run) :]
        known = marks[np.isfinite(marks)]
        if len(known):
            return float(known[0])
    raise Unmeasured(f"{coin} has no mark")
