"""The network's graph: what it looks like, and which edges lead from one node to another.

Described and searched with networkx; nothing here is called while transfers wait or travel. What was found is
remembered until something that is published has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from abm.channels import EdgeParameters
from abm.stations import MAX_HOPS

By = Literal["listed", "time", "cost", "certainty"]
Weight = Callable[[int], float]


class Routes:
    """Routes over the live edges, remembered until something changes.

    Args:
        described: the edges; number n is `edges[n]` of the network.
        node_names: all nodes, in the order of their numbers.
        asset_names: all assets.

    Attributes:
        graph: networkx.MultiDiGraph; an edge's key and attribute `index` are its number, `open`, `capacity`
            (asset units a second) and `latency` (seconds) follow the run.
        edge_names: "source>target:asset", with the kind added where that is not unique.
    """

    def __init__(
        self, described: Sequence[EdgeParameters], node_names: Sequence[str], asset_names: Sequence[str]
    ) -> None:
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
        nodes = {name: k for k, name in enumerate(self.node_names)}
        assets = {name: k for k, name in enumerate(asset_names)}
        # what is searched: (node, asset) to (node, asset), as an issuer's edge changes the asset
        self._states = nx.MultiDiGraph()
        for n, edge in enumerate(described):
            self._states.add_edge(
                (nodes[edge.source], assets[edge.asset]),
                (nodes[edge.target], assets[edge.asset_to or edge.asset]),
                key=n,
            )
        self._known: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self._chosen: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def note(self, number: int, what: str, value: float) -> None:
        """Show a change of an edge in the graph and forget the routes."""
        self.graph.edges[self._ends[number]][what] = value
        self.forget()

    def forget(self) -> None:
        """An edge has opened, shut or changed."""
        self._known.clear()
        self._chosen.clear()

    def published(self) -> None:
        """New waits are published: what was chosen by them is not known any more."""
        self._chosen.clear()

    def find(
        self, edges: NDArray[Any], source: int, target: int, asset: int, asset_to: int | None = None
    ) -> tuple[int, ...]:
        """Edges from node to node for an asset: open before shut, direct before detour, fast before slow.

        A direct edge over which a lender pays out ahead counts as open.

        Empty if there is none. Edges without capacity come last, so that the refusal can say why.

        Args:
            edges: the network's live edge records.
            source, target: nodes; the same node for a move inside a venue.
            asset: asset id. asset_to: what is to arrive, if that is another.
        """
        key = (source, target, asset, asset if asset_to is None else asset_to)
        if key not in self._known:
            self._known[key] = self._search(edges, *key)
        return self._known[key]

    def best(
        self,
        edges: NDArray[Any],
        source: int,
        target: int,
        asset: int,
        asset_to: int | None,
        weight: Weight,
        memory: tuple[Any, ...] = (),
    ) -> tuple[int, ...]:
        """The open route with the least sum of weights; where none is open, as `find` has it.

        Args:
            weight: of an edge by number, not negative; inf = not to be used.
            memory: under which the answer is remembered until new waits are published; () = not at all.
        """
        ends = (source, target, asset, asset if asset_to is None else asset_to)
        key = (*memory, *ends)
        if memory and key in self._chosen:
            return self._chosen[key]
        usable = edges["open"] | edges["ahead"] & (edges["source"] == source) & (edges["target"] == target)
        path = self._shortest(weight, usable & (edges["capacity"] > 0), *ends)
        path = path or self.find(edges, source, target, asset, asset_to)
        if memory:
            self._chosen[key] = path
        return path

    def _search(
        self, edges: NDArray[Any], source: int, target: int, asset: int, asset_to: int
    ) -> tuple[int, ...]:
        fits = (edges["asset"] == asset) & (edges["asset_to"] == asset_to)
        direct = np.flatnonzero((edges["source"] == source) & (edges["target"] == target) & fits)
        direct = direct[np.argsort(edges["latency"][direct], kind="stable")]
        wide = edges["capacity"] > 0
        serving = wide & edges["open"]
        latency = edges["latency"]

        def straight(usable: NDArray[np.bool_]) -> tuple[int, ...]:
            return tuple(int(n) for n in direct[usable[direct]][:1])

        def around(usable: NDArray[np.bool_]) -> tuple[int, ...]:
            if source == target and asset == asset_to:
                return ()
            return self._shortest(lambda n: float(latency[n]), usable, source, target, asset, asset_to)

        everything = np.ones(len(edges), np.bool_)
        return (
            straight(serving | wide & edges["ahead"])
            or around(serving)
            # a queue at home is better than one half-way: shut detours come last
            or straight(wide)
            or straight(everything)
            or around(wide)
            or around(everything)
        )

    def _shortest(
        self, weight: Weight, usable: NDArray[np.bool_], source: int, target: int, asset: int, asset_to: int
    ) -> tuple[int, ...]:
        def lightest(parallel: dict[int, Any]) -> int:
            fit = [(weight(n), n) for n in parallel if usable[n]]
            least, n = min(fit, default=(np.inf, -1))
            return n if least < np.inf else -1

        def of(_from: Any, _to: Any, parallel: dict[int, Any]) -> float | None:
            n = lightest(parallel)
            return None if n < 0 else weight(n)

        start, end = (source, asset), (target, asset_to)
        if start not in self._states or end not in self._states:
            return ()
        if start == end:
            loops = self._states.get_edge_data(start, end) or {}
            n = lightest(loops)
            return () if n < 0 else (n,)
        try:
            states = nx.shortest_path(self._states, start, end, weight=of)
        except nx.NetworkXNoPath:
            return ()
        path = tuple(lightest(self._states[a][b]) for a, b in pairwise(states))
        return path if len(path) <= MAX_HOPS else ()
