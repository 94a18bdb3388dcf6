"""The network of transfers as it was used: edges as wide as their flow, coloured by congestion."""

from __future__ import annotations

import networkx as nx
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from experiments import drawing, readings
from experiments.drawing import Runs
from experiments.figures.page import page
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

WIDEST = 9.0  # points
# ends of plasma that can be seen on a light and on a dark page, from no waiting to nothing but waiting
CONGESTION = {False: (0.88, 0.0), True: (0.28, 1.0)}


def ends(edge: str) -> tuple[str, str, str]:
    """Source, target and asset of an edge's name "source>target:ASSET"."""
    way, _, asset = edge.partition(":")
    source, _, target = way.partition(">")
    return source, target, asset.split("/")[0].split("#")[0]


def flows(run: Run, keep: Floats) -> dict[tuple[str, str], tuple[float, float, float]]:
    """By pair of nodes over these steps: USD moved, share of the time in which transfers waited, and shut."""
    value = {name: float(entry["value"]) for name, entry in run.config.get("assets", {}).items()}
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for name in run.edges:
        source, target, asset = ends(name)
        moved = float(run.column("moved", edge=name)[keep].sum()) * value.get(asset, 1.0)
        waits = float((run.column("queue", edge=name)[keep] > 0).mean())
        shut = float((~run.column("open", edge=name)[keep].astype(bool)).mean())
        found.setdefault((source, target), []).append((moved, waits, shut))
    return {
        pair: (sum(m for m, _, _ in some), max(w for _, w, _ in some), max(s for _, _, s in some))
        for pair, some in found.items()
    }


def places(run: Run) -> dict[str, tuple[float, float]]:
    """Where each node is drawn, in [-1, 1]: connected ones near each other, the same in every picture of a scenario."""
    graph = nx.Graph()
    graph.add_nodes_from(run.venues)
    graph.add_edges_from(
        sorted({tuple(sorted(ends(name)[:2])) for name in run.edges})
    )  # a set has no order of its own
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    if nx.is_connected(graph) and len(graph) > 2:
        found = nx.kamada_kawai_layout(graph)
    else:
        found = nx.circular_layout(graph)
    spots = np.array([found[node] for node in graph])
    low, high = spots.min(axis=0), spots.max(axis=0)
    wide = high - low > 1e-6  # what lies on one line does so up to rounding
    spots = np.where(wide, 2.0 * (spots - low) / np.maximum(high - low, 1e-9) - 1.0, 0.0)
    return {node: (float(x), float(y)) for node, (x, y) in zip(graph, spots, strict=True)}


def network(run: Run) -> Figure:
    """The network before and after the news (the first and second half of a run without): flow and congestion."""
    if not run.edges:
        raise Unmeasured("the scenario has no network: [[network.edges]] makes one")
    try:
        middle, words = readings.news_time(run), ("before the news", "after the news")
    except Unmeasured:
        middle, words = float(run.time[-1]) / 2, ("first half", "second half")
    first, last = drawing.extent(run)
    spans = [(first, middle, words[0]), (middle, last, words[1])]
    flow = {words: flows(run, readings.inside(run, a, b)) for a, b, words in spans}
    hours = {words: max(b - a, 1.0) / 3600 for a, b, words in spans}
    rate = max((m / hours[w] for w, some in flow.items() for m, _, _ in some.values()), default=0.0)
    figure, axes = page(run, "The network: transfers and congestion", [4.8], columns=2, wide=11.0)
    where = places(run)
    for ax, (_, _, name) in zip(axes, spans, strict=True):

        def draw(ax: Axes, runs: Runs, name: str = name) -> None:
            _graph(ax, run, where, flow[name], rate * hours[name])

        drawing.plain(ax, draw, [run])
        drawing.label(ax, name, "")
        total = sum(m for m, _, _ in flow[name].values()) / hours[name]
        told = f"{_dollars(total)} an hour arrive; the widest line is {_dollars(rate)} an hour"
        ax.set_xlabel(told if total else "nothing was moved", fontsize=8, parse_math=False)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 100), congestion()), ax=axes, pad=0.01, aspect=40)
    bar.set_label("% of the time in which transfers waited (dashed: shut at times)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def congestion() -> Colormap:
    """Colours of the share of the time in which transfers waited."""
    return ListedColormap(colormaps["plasma"](np.linspace(*CONGESTION[drawing.is_dark()], 256)))


def _dollars(value: float) -> str:
    scale, unit = drawing.money([value])
    return f"{value / scale:,.3g} {unit}"


def _graph(
    ax: Axes,
    run: Run,
    where: dict[str, tuple[float, float]],
    flow: dict[tuple[str, str], tuple[float, float, float]],
    largest: float,
) -> None:
    colours = congestion()
    for (source, target), (moved, waits, shut) in flow.items():
        if source == target:
            continue  # a conversion within one venue
        wide = 0.4 + WIDEST * np.sqrt(moved / largest) if largest > 0 else 0.4
        arrow = FancyArrowPatch(
            where[source], where[target], connectionstyle="arc3,rad=0.14", shrinkA=17, shrinkB=17,
            arrowstyle="-|>", mutation_scale=6 + wide, linewidth=wide, linestyle="--" if shut > 0 else "-",
            color=colours(waits) if moved > 0 or waits > 0 else drawing.LIGHT, alpha=0.85,
        )  # fmt: skip
        ax.add_patch(arrow)
    for node, (x, y) in where.items():
        shape = "round,pad=0.6,rounding_size=1.4" if node in run.venues else "square,pad=0.6"
        ax.text(
            x, y, node, ha="center", va="center", fontsize=6.5, parse_math=False, zorder=5,
            bbox={"boxstyle": shape, "facecolor": drawing.page_colour(), "edgecolor": drawing.ink()},
        )  # fmt: skip
    ax.set_xlim(-1.15, 1.15)
    ax.set_ylim(-1.2, 1.2)
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
