"""The network as a picture: venues, what they share (chains, banks, bridges), and places that are no venue.

Three columns. An edge is drawn through the shared resources of its path, so a line is all that goes between a place and
a resource: as wide as it has assets, with a head where only one way is open. A name with a slash (`alpha/review`) is a
place's own desk or wallet and is not drawn.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from abm.channels import NetworkParameters

COLORS = (
    "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:pink", "tab:olive", "tab:cyan",
)  # fmt: skip
HALF_WIDTH, GAP, FILLED = 0.2, 1.0, 0.62  # of a box; between two; share of the gap that a box takes


class Box(NamedTuple):
    """Where something stands: its column and its height in it."""

    column: int
    y: float


def shared(parameters: NetworkParameters) -> list[str]:
    """The resources that are nobody's own."""
    return [name for name in parameters.resources if "/" not in name]


def links(parameters: NetworkParameters) -> dict[tuple[str, str], set[str]]:
    """What goes from one box to another: the assets, by (from, to). Moves inside a place are not among them."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    nobodys = set(shared(parameters))
    for edge in parameters.edges:
        for path in (edge.path, edge.fallback):
            stops = [edge.source, *(_resource(name) for name in path if name in nobodys), edge.target]
            if path is edge.path or len(stops) > 2:
                for pair in pairwise(stops):
                    if pair[0] != pair[1]:
                        found[pair].add(edge.asset)
    return dict(found)


def _resource(name: str) -> str:
    """A resource may have the name of a place."""
    return f"/{name}"


def boxes(columns: Sequence[Sequence[str]], pairs: Iterable[tuple[str, str]]) -> dict[str, Box]:
    """Where all stand: each of the later columns in the order in which its lines cross least.

    Args:
        columns: names from the left; the first keeps its order.
        pairs: of boxes with a line between them.
    """
    others: dict[str, set[str]] = defaultdict(set)
    for a, b in pairs:
        others[a].add(b)
        others[b].add(a)
    places: dict[str, Box] = {}
    orders = [list(names) for names in columns]
    for turn in range(4):
        for column, names in enumerate(orders):
            if turn and column:
                names.sort(key=lambda name: -_middle([places[o].y for o in others[name]], places[name].y))
            for k, name in enumerate(names):
                places[name] = Box(column, GAP * ((len(names) - 1) / 2 - k))
    return places


def _middle(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def draw(parameters: NetworkParameters, venues: Iterable[str], path: Path, title: str) -> None:
    """Draw a network into a file."""
    from matplotlib.figure import Figure

    resources = [_resource(name) for name in shared(parameters)]
    going = links(parameters)
    at = {box for pair in going for box in pair}
    own = Counter(edge.source for edge in parameters.edges if edge.source == edge.target)
    headed = {
        "venues": list(venues),
        "shared by edges": [r for r in resources if r in at],
        "other places": list(parameters.nodes),
    }
    headed = {word: names for word, names in headed.items() if names}
    places = boxes(list(headed.values()), going)
    tallest = max(map(len, headed.values()))
    figure = Figure(figsize=(3.7 * len(headed), 1.8 + 0.72 * tallest), layout="constrained")
    axes = figure.add_subplot()
    color = {name: COLORS[k % len(COLORS)] for k, name in enumerate(r for r in resources if r in at)}
    _lines(axes, going, places, color)
    for name, box in places.items():
        kind = parameters.resources[name[1:]].kind if name in color else ""
        note = kind or ("moves inside" if own[name] else "" if name in at else "no edges")
        corner = 0.02 if name in parameters.nodes else 0.1
        _box(axes, name.removeprefix("/"), note, box, color.get(name, "black"), corner)
    for column, word in enumerate(headed):
        axes.text(column, GAP * (tallest / 2 + 0.1), word, ha="center", fontsize=10, color="0.4")
    axes.set_xlim(-0.5, len(headed) - 0.5)
    axes.set_ylim(-GAP * (tallest / 2 + 0.1), GAP * (tallest / 2 + 0.45))
    axes.set_axis_off()
    kinds = Counter(edge.kind for edge in parameters.edges)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    figure.suptitle(title, fontsize=12)
    figure.supxlabel(
        "Lines: the more assets the wider; a head where only one way is open; dashed: nothing shared.\n"
        f"Edges: {told}.",
        fontsize=8, color="0.3",
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _lines(
    axes: Any, going: Mapping[tuple[str, str], set[str]], places: Mapping[str, Box], color: Mapping[str, str]
) -> None:
    """All lines, each with an end of its own at its boxes' sides."""
    drawn = sorted({(min(pair), max(pair)) for pair in going})
    ends: dict[tuple[str, int], list[tuple[float, tuple[str, str]]]] = defaultdict(list)
    for pair in drawn:
        for one, other in (pair, pair[::-1]):
            ends[one, _side(places[one], places[other])].append((places[other].y, pair))
    heights: dict[tuple[str, tuple[str, str]], float] = {}
    for (name, _), lines in ends.items():
        for k, (_, pair) in enumerate(sorted(lines)):
            share = (k + 1) / (len(lines) + 1) - 0.5
            heights[name, pair] = places[name].y + share * FILLED * GAP
    for pair in drawn:
        a, b = pair
        assets = going.get((a, b), set()) | going.get((b, a), set())
        points = []
        for one, other in (pair, pair[::-1]):
            side = _side(places[one], places[other])
            points.append((places[one].column + side * HALF_WIDTH, heights[one, pair]))
        shade = color.get(a) or color.get(b)
        heads = {(True, True): "-", (True, False): "-|>", (False, True): "<|-"}
        same = places[a].column == places[b].column
        bend = 0.5 if (points[1][1] > points[0][1]) == (places[a].column > 0) else -0.5
        axes.annotate(
            "", xy=points[1], xytext=points[0],
            arrowprops={
                "arrowstyle": heads[(a, b) in going, (b, a) in going],
                "connectionstyle": f"arc3,rad={bend}" if same else "arc3",
                "color": shade or "0.45", "linestyle": "-" if shade else "--", "alpha": 0.8,
                "linewidth": 1.0 + 0.8 * math.log2(len(assets)), "shrinkA": 0, "shrinkB": 0,
            },
        )  # fmt: skip


def _side(box: Box, other: Box) -> int:
    """On which side of a box a line leaves it; within a column on the outer one."""
    if box.column == other.column:
        return 1 if box.column else -1
    return 1 if other.column > box.column else -1


def _box(axes: Any, name: str, note: str, box: Box, color: str, corner: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    height = FILLED * GAP
    axes.add_patch(
        FancyBboxPatch(
            (box.column - HALF_WIDTH, box.y - height / 2), 2 * HALF_WIDTH, height,
            boxstyle=f"round,pad=0,rounding_size={corner}", facecolor="white", edgecolor=color, linewidth=1.4, zorder=4,
        )
    )  # fmt: skip
    axes.text(box.column, box.y + (0.1 if note else 0), name, ha="center", va="center", fontsize=9, zorder=5)
    if note:
        axes.text(
            box.column, box.y - 0.16, note, ha="center", va="center", fontsize=7, color="0.45", zorder=5
        )
