"""Positions closed by force: by the stage that closed them, and by what had moved the mark against them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing, readings
from experiments.causes import attribution
from experiments.drawing import Runs
from experiments.fate import WHY, how
from experiments.figures.page import below, page
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

CLOSING = ("liquidation", "takeover", "adl")
SEEN = 1e-4  # of the sum: what is less is rest of arithmetic, or thinner than any line
# what orders are sent for, each with its colour in every figure
CAUSE_COLOURS = {
    "news": "#0072B2",
    "stop": "#CC79A7",
    "liquidation": "#D55E00",
    "decision": "#009E73",
    "disposal": "#E69F00",
    "arbitrage": "#56B4E9",
    "hedge": "#F0E442",
    "adl": "#7F3C8D",
    "conversion": "#11A579",
    "quote": "#80BA5A",
    "unknown": drawing.LIGHT,
}


def forced(run: Run) -> Figure:
    """Liquidations, take-overs and ADL over time, three times the same sum.

    By the stage of the waterfall that closed the position; by what the orders were sent for that moved the mark
    against it (the rule of `experiments.causes`); and with every liquidation order among these led back to the first
    cause.
    """
    figure, axes = page(run, "Positions closed by force, and why", [2.3, 2.3, 2.3], sharex=True)
    draws = [
        _by_stage,
        lambda ax, runs: _by_cause(ax, run, attribution(run).direct, "by what moved the mark against them"),
        lambda ax, runs: _by_cause(ax, run, attribution(run).root, "the same, led back to the first cause"),
    ]
    for ax, draw in zip(axes, draws, strict=True):
        drawing.panel(ax, draw, [run], news=ax is axes[0])
    below(axes[-1], run)
    return figure


def _by_stage(ax: Axes, runs: Runs) -> None:
    run = runs[0]
    events = run.events()
    closing = np.isin(events["kind"].astype(str), CLOSING) & (events["value"] > 0)
    if not closing.any():
        raise Unmeasured("nothing was liquidated or auto-deleveraged")
    words = np.array(
        [
            kind if kind == "adl" else stage or kind
            for kind, stage in zip(events["kind"][closing], events["stage"][closing], strict=True)
        ],
        dtype=object,
    )
    value, time = events["value"][closing], events["time"][closing]
    found = {}
    for word in sorted(set(words), key=lambda w: -value[words == w].sum()):
        here = words == word
        found[how(str(word))] = (time[here], value[here])
    colours = dict(zip(found, (*drawing.PALETTE, *drawing.PALETTE), strict=False))
    _stack(ax, run, found, colours, "Closed, by the stage of the venue's waterfall that did it")


def _by_cause(ax: Axes, run: Run, shares: Floats, words: str) -> None:
    found = attribution(run)
    if not len(found.value):
        raise Unmeasured("nothing was liquidated or auto-deleveraged")
    weight = found.value[:, None] * shares
    by_kind = weight.sum(axis=0)
    order = [k for k in np.argsort(-by_kind) if by_kind[k] > SEEN * by_kind.sum()]
    series = {WHY[found.kinds[k]]: (found.time, weight[:, k]) for k in order}
    colours = {WHY[kind]: colour for kind, colour in CAUSE_COLOURS.items()}
    _stack(ax, run, series, colours, f"Closed, {words}")


def _stack(
    ax: Axes, run: Run, found: Mapping[str, tuple[Floats, Floats]], colours: Mapping[str, str], title: str
) -> None:
    """Bars over bins of the run, stacked; `found`: name -> times and dollars."""
    first, last = drawing.extent(run)
    width = drawing.bin_width(run, last - first)
    heights = {
        name: readings.gather(time, value, first, last, width) for name, (time, value) in found.items()
    }
    scale, unit = drawing.money(np.sum(list(heights.values()), axis=0))
    base = np.zeros(len(next(iter(heights.values()))))
    x = drawing.place(run, first + width * (np.arange(len(base)) + 0.5))
    for name, height in heights.items():
        ax.bar(x, height / scale, width / drawing.AXIS_UNIT, bottom=base, color=colours[name], label=name)
        base += height / scale
    ax.set_ylim(0.0, 1.05 * float(base.max()) or 1.0)
    drawing.label(ax, title, f"{unit} in {width:g} s")
    drawing.legend(ax, columns=2)
