"""The network's graph: what it looks like, and which edges lead from one node to another.

Described and searched with networkx; nothing here is called while transfers wait or travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from abm.channels import EdgeParameters

MAX_HOPS = 6  # edges of the longest route


class Routes:
    """Routes over the live edges, remembered until something changes.

    Args:
        described: the edges; number n is `edges[n]` of the network.
        node_names: all nodes, in the order of their numbers.

    Attributes:
        graph: networkx.MultiDiGraph; an edge's key and attribute `index` are its number, `open`, `capacity`
            (asset units a second) and `latency` (seconds) follow the run.
        edge_names: "source>target:asset", with the kind added where that is not unique.
    """

    def __init__(self, described: Sequence[EdgeParameters], node_names: Sequence[str]) -> None:
        self.node_names = list(node_names)
        self.graph = nx.MultiDiGraph()
        self.graph.add_nodes_from(self.node_names)
        names = [f"{edge.source}>{edge.target}:{edge.asset}" for edge in described]
        self.edge_names: list[str] = []
        for n, edge in enumerate(described):
            name = names[n] if names.count(names[n]) == 1 else f"{names[n]}/{edge.kind}"
            self.edge_names.append(name if name not in self.edge_names else f"{name}/{n}")
            attributes = edge.model_dump(exclude={"source", "target"})
            self.graph.add_edge(edge.source, edge.target, key=n, index=n, **attributes)
        self._ends = [(edge.source, edge.target, n) for n, edge in enumerate(described)]
        self._known: dict[tuple[int, int, int], tuple[int, ...]] = {}

    def note(self, number: int, what: str, value: float) -> None:
        """Show a change of an edge in the graph and forget the routes."""
        self.graph.edges[self._ends[number]][what] = value
        self._known.clear()

    def find(self, edges: NDArray[Any], source: int, target: int, asset: int) -> tuple[int, ...]:
        """Edges from node to node for an asset: open before shut, direct before detour, fast before slow.

        Empty if there is none. Edges without capacity come last, so that the refusal can say why.

        Args:
            edges: the network's live edge records.
            source, target: nodes; the same node for a move inside a venue.
            asset: asset id.
        """
        key = (source, target, asset)
        if key not in self._known:
            self._known[key] = self._search(edges, *key)
        return self._known[key]

    def _search(self, edges: NDArray[Any], source: int, target: int, asset: int) -> tuple[int, ...]:
        of_asset = edges["asset"] == asset
        direct = np.flatnonzero((edges["source"] == source) & (edges["target"] == target) & of_asset)
        direct = direct[np.argsort(edges["latency"][direct], kind="stable")]
        wide = of_asset & (edges["capacity"] > 0)
        serving = wide & edges["open"]

        def straight(usable: NDArray[np.bool_]) -> tuple[int, ...]:
            return tuple(int(n) for n in direct[usable[direct]][:1])

        def around(usable: NDArray[np.bool_]) -> tuple[int, ...]:
            return self._shortest(edges["latency"], usable, source, target)

        return (
            straight(serving)
            or around(serving)
            # a queue at home is better than one half-way: shut detours come last
            or straight(wide)
            or straight(of_asset)
            or around(wide)
            or around(of_asset)
        )

    def _shortest(
        self, latency: NDArray[np.float64], usable: NDArray[np.bool_], source: int, target: int
    ) -> tuple[int, ...]:
        def fastest(parallel: dict[int, Any]) -> int:
            return min((n for n in parallel if usable[n]), key=lambda n: (latency[n], n), default=-1)

        def weight(_from: str, _to: str, parallel: dict[int, Any]) -> float | None:
            n = fastest(parallel)
            return None if n < 0 else float(latency[n])

        if source == target:
            return ()
        try:
            nodes = nx.shortest_path(
                self.graph, self.node_names[source], self.node_names[target], weight=weight
            )
        except nx.NetworkXNoPath:
            return ()
        path = tuple(fastest(self.graph[a][b]) for a, b in pairwise(nodes))
        return path if len(path) <= MAX_HOPS else ()
