"""What transfers travel on: edges and resources, whether they serve, and what they publish.

The network is described in the scenario (`channels`), drawn and searched for routes as a networkx multigraph
(`routes`), laid out in tables (`layout`) and run by one kernel (`transit`) over stations of several disciplines.
Owners' rules and failures happen inside the kernel, recorded events and calendars at their own times (`timetable`);
whatever changes is published at once. A shut station serves nobody; what waits keeps its place, what travels still
arrives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm import layout, transit
from abm.channels import EdgeSelector, NetworkParameters, selects
from abm.forecast import Forecast
from abm.lenders import Lenders
from abm.routes import Routes
from abm.stations import CREDIT, FIELDS, HOURS, Tables

_NOBODY = np.zeros(0, np.int64)


class Change(NamedTuple):
    """One edge that changed."""

    time_ms: int
    edge: int
    what: Literal["open", "capacity", "latency"]
    value: float


class Gate(NamedTuple):
    """A node whose last outgoing edge shut, or whose first reopened."""

    time_ms: int
    node: int
    open: bool


class Rails:
    """The edges and resources of one run, and their tables.

    Args:
        parameters: nodes, edges, resources, events.
        venue_names: the venues, nodes 0 .. n-1; the free nodes follow.
        asset_names: the assets, in the order of their ids.
        decimals: of each asset.
        start: UTC start of the run.
        seed: of the draws.
        values: dollars of one of each asset, for what is counted in dollars; 1 if not given.
        begin_ms: when the run begins, ms since the start (negative: a burn-in).

    Attributes:
        edges: record array (`EDGE`), live numbers of every edge.
        resources: record array (`RESOURCE`): the lines of the edges, then the named resources.
        transfers: record array (`TRANSFER`); id -1 = free.
        routes: the graph (`routes.graph`, a networkx multigraph) and the way from node to node.
        listens: whether anything follows volatility.
        changes, gates: what opened, shut or changed since the last step began.
        generation: of what is published: another number, another state of edges and resources.

    Raises:
        ValueError: all faults of the parameters, one line each.
    """

    def __init__(
        self,
        parameters: NetworkParameters,
        venue_names: Sequence[str],
        asset_names: Sequence[str],
        decimals: Sequence[int],
        start: datetime,
        seed: int,
        values: Sequence[float] | None = None,
        begin_ms: int = 0,
    ) -> None:
        faults = parameters.faults(venue_names, asset_names)
        decimal = dict(zip(asset_names, decimals, strict=True))
        faults += [
            f"network.edges[{n}].asset_to: {edge.asset_to!r} given, an asset with the decimals of {edge.asset} expected"
            for n, edge in enumerate(parameters.edges)
            if edge.asset_to is not None
            and decimal.get(edge.asset_to) != decimal.get(edge.asset)
            and edge.asset_to in decimal
        ]
        if faults:
            raise ValueError("\n".join(faults))
        self.venues = len(venue_names)
        self.node_names = [*venue_names, *parameters.nodes]
        self.asset_names = list(asset_names)
        self.scale = np.array([10**d for d in decimals], np.int64)
        self.worth = (np.ones(len(decimals)) if values is None else np.asarray(values, float)) / self.scale
        self.seed, self.start = seed, start
        self.now_ms = begin_ms
        self.parameters = parameters
        self.changes: list[Change] = []
        self.gates: list[Gate] = []
        self.generation = 0
        self._build()

    # ------------------------------------------------------------------ description

    def _build(self) -> None:
        described = self.parameters.edges
        self.resource_names = list(self.parameters.resources)
        self.routes = Routes(described, self.node_names, self.asset_names)
        self._ends: dict[tuple[str, str, int], list[int]] = {}
        for n, edge in enumerate(described):
            ends = (edge.source, edge.target, self.asset_names.index(edge.asset))
            self._ends.setdefault(ends, []).append(n)
        made = layout.tables(
            self.parameters,
            self.node_names,
            self.asset_names,
            self.scale,
            self.venues,
            self.now_ms,
            self.seed,
        )
        self._take(made)

    def _take(self, tables: Tables) -> None:
        self.tables = tables
        self.edges, self.resources, self.transfers = (
            tables[name] for name in ("edges", "resources", "transfers")
        )
        x = self.resources
        lines = (x["kind"] == CREDIT) & (x["reference"] >= 0)
        self.listens = bool((x["follows"] > 0).any() or lines.any())
        self.forecast, self.lenders = Forecast(tables), Lenders(tables)
        self._open_nodes: NDArray[np.bool_] | None = None

    def begin(self) -> None:
        """Let what fails or stops by itself make its plans, and publish how all stand; nothing of it is a change."""
        busy = np.flatnonzero((self.resources["hazard"] > 0) | (self.resources["stop_hot"] >= 0))
        self.work(self.now_ms, -math.inf, -1 - busy)
        self.changes, self.gates = [], []
        self.publish(self.now_ms)
        self.changes, self.gates = [], []

    @property
    def edge_names(self) -> list[str]:
        """Names of the edges, in their order."""
        return self.routes.edge_names

    @property
    def graph(self) -> Any:
        """The networkx.MultiDiGraph, up to date; an edge's key is its number."""
        return self.routes.graph

    def node(self, name: str) -> int:
        """Number of a node by name. Raises ValueError if there is none."""
        return self.node_names.index(name)

    def resource(self, name: str) -> int:
        """Number of a named resource in `resources`. Raises ValueError if there is none."""
        return len(self.edges) + self.resource_names.index(name)

    def select(self, selector: EdgeSelector) -> NDArray[np.int64]:
        """Numbers of the edges that a selector means."""
        found = [n for n, edge in enumerate(self.parameters.edges) if selects(selector, edge)]
        return np.array(found, np.int64)

    # ------------------------------------------------------------------ running

    def work(self, time: float, until: float, jobs: NDArray[np.int64] = _NOBODY) -> None:
        """Run the kernel (`transit.work`); publish what has shut or reopened by itself."""
        while transit.work(self.tables.address, jobs, time, until) == transit.LOG_FULL:
            self._drain_log()
            jobs = _NOBODY
        self._drain_log()

    def _drain_log(self) -> None:
        meta = self.tables["meta"]
        count = int(meta["log"][0])
        if count:
            meta["log"] = 0
            self.publish(math.ceil(self.tables["log"]["time"][count - 1]))

    def hear(self, volatility: float) -> None:
        """What is public of prices, % a minute: background loads and lenders may follow it (the model tells it)."""
        chains = np.flatnonzero(self.resources["follows"] > 0)
        if len(chains):  # blocks so far are made under what was known so far
            self.work(self.now_ms, -math.inf, -1 - chains)
        self.tables["meta"]["stress"] = volatility

    # ------------------------------------------------------------------ what is published

    def publish(self, time_ms: int) -> None:
        """Work out which edges are open, and say what has changed."""
        if not len(self.edges):
            return
        self.generation += 1
        before = self.withdrawals_open
        works = self._works()
        now = np.logical_and.reduceat(works[: self.edges["last"].max()], self.edges["first"])
        for number in np.flatnonzero(now != self.edges["open"]).tolist():
            self.edges["open"][number] = now[number]
            self.routes.note(number, "open", bool(now[number]))
            self.changes.append(Change(time_ms, number, "open", float(now[number])))
        if self.lenders.any:
            self.edges["ahead"] = self.lenders.ahead(works)
            self.routes.forget()
        self.forecast.forget()
        self._open_nodes = None
        after = self.withdrawals_open
        for node in np.flatnonzero(after != before).tolist():
            self.gates.append(Gate(time_ms, node, bool(after[node])))

    def publish_lines(self, time_ms: int) -> None:
        """Publish where a lender's line has been used up, repaid or cut since."""
        if self.lenders.any and (self.lenders.ahead(self._works()) != self.edges["ahead"]).any():
            self.publish(time_ms)

    def _works(self) -> NDArray[np.bool_]:
        """bool[places of paths]: whether the station there takes and serves transfers."""
        x = self.resources
        ok = x["open"] & ~x["failed"] & x["admits"]
        ok[: len(self.edges)] = self.edges["on"]
        return np.asarray(ok[self.tables["paths"]])

    @property
    def paid_ahead(self) -> NDArray[np.bool_]:
        """bool[nodes]: whether a lender pays out now what leaves a node for another."""
        found = np.zeros(len(self.node_names), np.bool_)
        edges = self.edges
        found[edges["source"][edges["ahead"] & (edges["source"] != edges["target"])]] = True
        return found

    @property
    def withdrawals_open(self) -> NDArray[np.bool_]:
        """bool[nodes]: whether any edge to another node is open and has capacity, as a venue publishes it."""
        if self._open_nodes is None:
            edges = self.edges
            serving = edges["open"] & (edges["capacity"] > 0) & (edges["source"] != edges["target"])
            self._open_nodes = np.zeros(len(self.node_names), np.bool_)
            self._open_nodes[edges["source"][serving]] = True
        return self._open_nodes

    def delay(self, number: int) -> float:
        """Seconds for a new transfer on an edge, by number, as published; inf where shut.

        Of an edge without a path: queue / capacity + median latency, now. Of others: what their stations publish once a
        step (`forecast`).
        """
        return self.forecast.of(number, self.now_ms)

    def published_delay(self, source: str, target: str, asset: int) -> float:
        """Expected seconds of a direct transfer as published; inf if there is no edge or it is shut."""
        edges = self._ends.get((source, target, int(asset)), [])
        return min((self.delay(number) for number in edges), default=math.inf)

    def bank_shut(self, source: str, target: str, asset: int) -> bool:
        """Whether a direct transfer waits for a bank to open: each edge there has a gate that its hours shut."""
        edges = self._ends.get((source, target, int(asset)), [])
        return bool(edges) and all(self._before_a_bank(number) for number in edges)

    def _before_a_bank(self, number: int) -> bool:
        edge = self.edges[number]
        stations = self.resources[self.tables["paths"][edge["first"] + 1 : edge["last"]]]
        return bool(((stations["kind"] == HOURS) & ~stations["open"]).any())

    def check(self) -> list[str]:
        """What does not add up, one line each: empty unless the program is wrong."""
        return layout.faults(self.tables)

    def _resume(self, saved: dict[str, Any]) -> None:
        """Go on with the tables of a snapshot."""
        self.now_ms = int(saved["now_ms"])
        self._take(Tables({name: layout.copied(saved[f"table_{name}"]) for name in FIELDS}))
        self.generation += 1
        for number, edge in enumerate(self.edges):
            self.routes.note(number, "open", bool(edge["open"]))
            if edge["last"] - edge["first"] == 1:
                self.routes.note(number, "latency", float(edge["latency"]))
                self.routes.note(number, "capacity", float(edge["capacity"] / self.scale[edge["asset"]]))
        self.changes, self.gates = [], []
