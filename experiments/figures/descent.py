"""The cascade as a tree: every failure under the failure that moved its mark most."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from experiments import drawing
from experiments.causes import Attribution, attribution, steps
from experiments.fate import WHY
from experiments.figures.forced import CAUSE_COLOURS
from experiments.figures.page import below, page, remark
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

SHOWN = 1500  # failures, those that caused most; more are a cloud
RULE = (
    "A failure's mark was moved by fills: each gets the share of its value (cascade causes). A line leads to the "
    "failure with the largest share."
)


def strongest(found: Attribution) -> tuple[np.ndarray, Floats]:
    """For each failure the earlier failure with the largest share in it (-1: none) and that share."""
    child, parent, share = found.parents
    best, largest = np.full(len(found.value), -1), np.zeros(len(found.value))
    order = np.lexsort((-share, child))
    first = np.unique(child[order], return_index=True)[1]
    best[child[order][first]], largest[child[order][first]] = parent[order][first], share[order][first]
    return best, largest


def generation(found: Attribution) -> Floats:
    """How many failures lie between each and people's orders, on average over its shares: 0 = only people's."""
    deep = np.zeros(len(found.value))
    for step in steps(found.time):
        deep[step] = found.shares[step] @ (1.0 + deep)
    return deep


def cascade_tree(run: Run) -> Figure:
    """Failures over time and depth in the chain, lines to their strongest cause; dollars by depth beside."""
    attribution(run)  # without fills there is no page to lay out
    figure, (ax, beside) = page(
        run, "The cascade as a tree", [5.2], columns=2, sharey=True, width_ratios=[4.0, 1.0], wide=10.5
    )
    drawing.panel(ax, lambda ax, runs: _tree(ax, run), [run])
    drawing.plain(beside, lambda ax, runs: _by_depth(ax, run), [run])
    below(ax, run)
    remark(figure, RULE)
    return figure


def _tree(ax: Axes, run: Run) -> None:
    found = attribution(run)
    if not len(found.value):
        raise Unmeasured("nothing was liquidated")
    deep, (parent, share) = generation(found), strongest(found)
    shown = np.sort(np.argsort(-found.caused, kind="stable")[:SHOWN])
    x = drawing.place(run, found.time)
    pairs = [k for k in shown.tolist() if parent[k] >= 0]
    lines = [[(x[parent[k]], deep[parent[k]]), (x[k], deep[k])] for k in pairs]
    alpha = np.clip(2.0 * share[pairs], 0.04, 0.8) if pairs else []
    ax.add_collection(LineCollection(lines, colors=drawing.muted(), linewidths=0.6, alpha=alpha))
    mostly = found.root.argmax(axis=1)
    size = 4.0 + 160.0 * found.caused / found.caused.max()
    for k, kind in enumerate(found.kinds):
        mine = shown[mostly[shown] == k]
        if len(mine):
            ax.scatter(
                x[mine], deep[mine], s=size[mine], color=CAUSE_COLOURS[kind], label=WHY[kind], linewidths=0.3,
                edgecolors=drawing.page_colour(), alpha=0.85, zorder=3,
            )  # fmt: skip
    high = max(float(deep[shown].max()), 0.1)
    ax.set_ylim(-0.05 * high, 1.1 * high)
    count = f"{len(found.value):,} failures" + (
        f", the {SHOWN:,} that caused most" if len(found.value) > SHOWN else ""
    )
    drawing.label(
        ax, f"{count}; area: dollars caused in all, colour: largest first cause",
        "failures between it and people's orders (mean of its shares)",
    )  # fmt: skip
    told = ax.legend(
        fontsize=7, loc="best", framealpha=0.8, edgecolor="none", facecolor=drawing.page_colour()
    )
    for handle in told.legend_handles:
        handle.set_sizes([28.0])


def _by_depth(ax: Axes, run: Run) -> None:
    found = attribution(run)
    deep = generation(found)
    edges = np.linspace(0.0, max(float(deep.max(initial=0.0)), 0.5) * 1.001, 25)
    value = np.histogram(deep, edges, weights=found.value)[0]
    scale, unit = drawing.money(value)
    ax.barh(
        (edges[:-1] + edges[1:]) / 2, value / scale, 0.9 * (edges[1] - edges[0]), color=drawing.PALETTE[0]
    )
    drawing.label(ax, "closed, by depth", "")
    ax.set_xlabel(unit, fontsize=8)
