"""The network of transfers as a live graph: width is what is under way, colour is who waits, red and broken is shut."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure
from numpy.typing import NDArray

from experiments.dashboard import style
from experiments.dashboard.tape import Tape
from experiments.drawing import PAPER

CROWDED = 10  # transfers that wait: from here on "many"


class Graph:
    """One line a pair of places and direction; its edges of all assets together."""

    def __init__(self, tape: Tape, dark: bool) -> None:
        self.idle = style.IDLE[dark]
        self.pairs: dict[tuple[str, str], list[int]] = {}
        for k, edge in enumerate(tape.edges):
            source, _, rest = edge.partition(">")
            self.pairs.setdefault((source.rstrip("-"), rest.partition(":")[0]), []).append(k)
        place = _places(list(self.pairs), tape.venues)
        self.figure: figure = style.chart(
            dark,
            "Transfers between venues",
            330,
            x_range=None,
            x_axis_type=None,
            y_axis_type=None,
            tools="save",
        )
        self.figure.ygrid.grid_line_color = None
        self.figure.x_range.range_padding = self.figure.y_range.range_padding = 0.25
        bent = [_arc(place[a], place[b]) for a, b in self.pairs]
        self.edges = ColumnDataSource(
            {
                "xs": [x for x, _ in bent], "ys": [y for _, y in bent],
                "way": [f"{a} → {b}" for a, b in self.pairs], "queue": [0] * len(bent), "moving": [""] * len(bent),
                "state": ["open"] * len(bent), "colour": [self.idle] * len(bent), "width": [1.0] * len(bent),
                "dash": [[]] * len(bent),
            }
        )  # fmt: skip
        drawn = self.figure.multi_line(
            "xs",
            "ys",
            line_color="colour",
            line_width="width",
            line_dash="dash",
            source=self.edges,
            line_cap="round",
        )
        self.figure.add_tools(
            HoverTool(
                renderers=[drawn], line_policy="interp",
                tooltips=[("", "@way"), ("waiting", "@queue"), ("under way", "@moving"), ("", "@state")],
            )
        )  # fmt: skip
        colours = style.venue_colours(tape.venues)
        names = list(place)
        self.figure.scatter(
            [place[n][0] for n in names], [place[n][1] for n in names], size=13, line_color=PAPER[dark][1],
            color=[colours.get(n, PAPER[dark][2]) for n in names],
            marker=["circle" if n in colours else "square" for n in names],
        )  # fmt: skip
        self.figure.text(
            [place[n][0] for n in names], [place[n][1] for n in names], names, y_offset=-9, text_align="center",
            text_baseline="bottom", text_font_size="11px", text_color=PAPER[dark][1], text_font=value("system-ui"),
        )  # fmt: skip
        self._legend(dark)
        self.last: list[tuple[object, ...]] = []

    def _legend(self, dark: bool) -> None:
        """What colours and dashes of the lines say."""
        said = (
            ("nothing moves", self.idle, "solid"), ("under way", style.WAITING[0], "solid"),
            ("some wait", style.WAITING[1], "solid"), (f"{CROWDED} or more wait", style.WAITING[2], "solid"),
            ("shut", style.SHUT, "dashed"),
        )  # fmt: skip
        for label, colour, dash in said:
            self.figure.line(
                [np.nan], [np.nan], color=colour, line_width=2.5, line_dash=dash, legend_label=label
            )
        style.legend(self.figure, dark, wide=3, many=0)
        self.figure.legend.click_policy = "none"

    def follow(self, tape: Tape) -> None:
        """The state of every pair at the latest step; only those that have changed are sent."""
        if not tape.now or not self.pairs:
            return
        queue, moving, is_open = (
            tape.steps.column(f"network.{name}")[-1] for name in ("queue", "in_transit", "open")
        )
        told = [self._told(tape, edges, queue, moving, is_open) for edges in self.pairs.values()]
        names = ("queue", "state", "colour", "width", "dash", "moving")
        changed = [k for k in range(len(told)) if k >= len(self.last) or told[k] != self.last[k]]
        if changed:
            self.edges.patch({name: [(k, told[k][i]) for k in changed] for i, name in enumerate(names)})
        self.last = told

    def _told(
        self,
        tape: Tape,
        edges: Sequence[int],
        queue: NDArray[np.float64],
        moving: NDArray[np.float64],
        is_open: NDArray[np.float64],
    ) -> tuple[object, ...]:
        waiting = int(queue[list(edges)].sum())
        shut = sum(not is_open[k] for k in edges)
        busy = bool((moving[list(edges)] > 0).any())
        colour = style.SHUT if shut == len(edges) else style.WAITING[0] if busy else self.idle
        if waiting:
            colour = style.WAITING[1 if waiting < CROWDED else 2]
        width = 1.0 + min(6.0, 1.6 * np.log10(1.0 + waiting)) + (1.0 if busy else 0.0)
        under_way = ", ".join(
            f"{moving[k]:,.4g} {tape.edges[k].rpartition(':')[2]}" for k in edges if moving[k] > 0
        )
        state = (
            "open" if not shut else "shut" if shut == len(edges) else f"{shut} of {len(edges)} assets shut"
        )
        return (
            waiting,
            state,
            colour,
            round(width, 1),
            [5, 5] if shut == len(edges) else [],
            under_way or "nothing",
        )


def _places(pairs: Sequence[tuple[str, str]], venues: Sequence[str]) -> dict[str, tuple[float, float]]:
    graph = nx.Graph()
    linked = {name for pair in pairs for name in pair}
    graph.add_nodes_from(venue for venue in venues if venue in linked or not pairs)
    graph.add_edges_from(pair for pair in pairs if pair[0] != pair[1])
    if len(graph) < 2:
        return dict.fromkeys(graph, (0.0, 0.0))
    return {name: (float(x), float(y)) for name, (x, y) in nx.circular_layout(graph).items()}


def _arc(a: tuple[float, float], b: tuple[float, float]) -> tuple[list[float], list[float]]:
    """A slightly bent line, so that the two directions of a pair lie beside each other."""
    t = np.linspace(0.0, 1.0, 12)
    off = 0.10 * 4.0 * t * (1.0 - t)
    x = a[0] + (b[0] - a[0]) * t - (b[1] - a[1]) * off
    y = a[1] + (b[1] - a[1]) * t + (b[0] - a[0]) * off
    return x.tolist(), y.tolist()
