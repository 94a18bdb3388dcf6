"""Bridges and fiat channels: transfers queue at an edge, travel, and arrive; edges shut and reopen.

The network is described in the scenario (`channels`), drawn and searched for routes as a networkx multigraph
(`routes`) and run here by arrays: a record table of transfers, one of edges, and a queue an edge.

An edge is a single server in continuous time. It works off its queue at `capacity` units a second, head of
line first, and a transfer that it has served travels for a lognormal time. Times inside a step are kept, so
that waits do not depend on the step length. Amounts are integers and never split: an amount is on exactly one
edge, queued or travelling, from the request to its arrival. A shut edge serves nobody; what waits keeps its
place, what travels still arrives.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm import random
from abm.calendar import NEVER_MS, milliseconds
from abm.channels import EdgeParameters, EdgeSelector, NetworkEvent, NetworkParameters, selects
from abm.routes import MAX_HOPS, Routes

__all__ = [
    "EdgeParameters",
    "EdgeSelector",
    "Network",
    "NetworkEvent",
    "NetworkParameters",
]

# why a request was refused; 0 = accepted
ACCEPTED, NO_ROUTE, NO_CAPACITY, SHUT, QUEUE_FULL, TOO_SMALL = range(6)
REASONS = ("accepted", "no route", "no capacity", "withdrawals shut", "queue full", "not above the fee")

QUEUED, TRAVELLING = 0, 1

TRANSFER = np.dtype(
    [
        ("id", "i8"),
        ("owner", "i8"),
        ("key", "i8"),  # identity of its draws
        ("event", "i8"),  # the request's event id, -1 = none
        ("row_from", "i8"),
        ("row_to", "i8"),
        ("node_from", "i2"),
        ("node_to", "i2"),
        ("asset", "i2"),
        ("stage", "i2"),  # QUEUED or TRAVELLING
        ("hop", "i2"),  # which edge of the path it is on
        ("hops", "i2"),
        ("path", "i2", (MAX_HOPS,)),
        ("edge", "i4"),
        ("amount", "i8"),  # what will be credited, in the asset's unit
        ("fee", "i8"),
        ("sent_ms", "i8"),
        ("expected_ms", "i8"),  # arrival as published at sending; the true time is nobody's knowledge
        ("joined_ms", "f8"),  # when it joined its edge's queue
        ("due_ms", "i8"),  # arrival at the end of the edge; NEVER_MS while it waits
        ("place", "i8"),  # order of joining queues
    ],
    align=True,
)
EDGE = np.dtype(
    [
        ("source", "i4"),
        ("target", "i4"),
        ("asset", "i4"),
        ("open", "?"),
        ("capacity", "f8"),  # asset's units a second
        ("latency", "f8"),  # seconds, median
        ("jitter", "f8"),
        ("fee", "i8"),  # asset's units
        ("limit", "i8"),
        ("refuses", "?"),  # refuses new transfers while shut
        ("free_ms", "f8"),  # the server has nothing older than this to do
        ("done", "f8"),  # units of the head served before free_ms
        ("head_ms", "f8"),  # when the head will have been served; inf = nobody or not serving
        ("waiting", "i8"),  # transfers in the queue
        ("waiting_amount", "i8"),
        ("in_transit", "i8"),  # queued and travelling
        ("moved", "i8"),  # arrived in the last step
    ],
    align=True,
)

Records = NDArray[Any]


class Sent(NamedTuple):
    """Answer to a batch of requests, one entry a request."""

    ids: NDArray[np.int64]  # the transfer's number, -1 if refused
    codes: NDArray[np.int8]  # ACCEPTED or why it was refused (`REASONS`)
    fees: NDArray[np.int64]  # taken from the amount, to be credited by the caller; 0 if refused
    charges: list[tuple[int, int, int]]  # (request, node that charges, fee) of every edge that takes one


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


class Network:
    """The transfers of one run.

    Args:
        parameters: nodes, edges, events.
        venue_names: the venues, nodes 0 .. n-1; the free nodes follow.
        asset_names: the assets, in the order of their ids.
        decimals: of each asset.
        start: UTC start of the run.
        seed: of the latency draws.

    Attributes:
        edges: record array (`EDGE`), live numbers of every edge.
        routes: the graph (`routes.graph`, a networkx multigraph) and the way from node to node.
        in_transit: int64[assets], sum of the amounts of all transfers.
        changes, gates: what opened, shut or changed since the last step began.

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
    ) -> None:
        faults = parameters.faults(venue_names, asset_names)
        if faults:
            raise ValueError("\n".join(faults))
        self.venues = len(venue_names)
        self.node_names = [*venue_names, *parameters.nodes]
        self.asset_names = list(asset_names)
        self.scale = np.array([10**d for d in decimals], np.int64)
        self.seed = seed
        self.now_ms = 0
        self.in_transit: NDArray[np.int64] = np.zeros(len(self.asset_names), np.int64)
        self.changes: list[Change] = []
        self.gates: list[Gate] = []
        self._key_stream = random.stream_of(seed, "network", "transfer")
        self._latency_stream = random.stream_of(seed, "network", "latency")
        self._requests: dict[int, int] = {}  # by owner's key: how many requests it has made
        self.expect(parameters, start)
        self._next_event = 0
        self._next_id = 0
        self._next_place = 0
        self._build()
        self._empty_table()

    def expect(self, parameters: NetworkParameters, start: datetime) -> None:
        """Take over the events of a description; those whose time is past must be the ones that there were."""
        self.parameters = parameters
        self._events = sorted(
            ((milliseconds(start, event.time), n) for n, event in enumerate(parameters.events)),
        )

    # ------------------------------------------------------------------ description

    def _build(self) -> None:
        described = self.parameters.edges
        self.edges: Records = np.zeros(len(described), EDGE)
        self.routes = Routes(described, self.node_names)
        for n, edge in enumerate(described):
            asset = self.asset_names.index(edge.asset)
            scale = int(self.scale[asset])
            record = self.edges[n]
            record["source"], record["target"] = self.node(edge.source), self.node(edge.target)
            record["asset"], record["open"], record["refuses"] = asset, edge.open, edge.when_shut == "refuse"
            record["capacity"], record["fee"] = edge.capacity * scale, round(edge.fee * scale)
            record["latency"], record["jitter"] = edge.latency, edge.jitter
            record["limit"], record["head_ms"], record["free_ms"] = edge.queue_limit, np.inf, -np.inf
        self._between: dict[tuple[str, str, int], list[int]] = {}
        for n, edge in enumerate(described):
            ends = (edge.source, edge.target, self.asset_names.index(edge.asset))
            self._between.setdefault(ends, []).append(n)
        self._queues: list[deque[int]] = [deque() for _ in described]
        self._next_head = math.inf
        self._open_nodes: NDArray[np.bool_] | None = None

    def _empty_table(self) -> None:
        self.transfers: Records = np.zeros(64, TRANSFER)
        self.transfers["id"], self.transfers["due_ms"] = -1, NEVER_MS
        self._free = list(range(63, -1, -1))
        self._next_due = NEVER_MS

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

    def select(self, selector: EdgeSelector) -> NDArray[np.int64]:
        """Numbers of the edges that a selector means."""
        found = [n for n, edge in enumerate(self.parameters.edges) if selects(selector, edge)]
        return np.array(found, np.int64)

    # ------------------------------------------------------------------ requests

    def request(
        self,
        rows_from: Any,
        rows_to: Any,
        venues_from: Any,
        venues_to: Any,
        owners: Any,
        asset: Any,
        amounts: Any,
        keys: Any = None,
        events: Any = None,
    ) -> Sent:
        """Take over amounts that the caller has already debited from the sending rows.

        A refused request leaves the money with the sender: the caller gives it back. Of an accepted one the
        fees are the caller's to credit and the rest is under way: amount = fee + in transit.

        Args:
            rows_from, rows_to: rows of the sender.
            venues_from, venues_to: their nodes.
            owners: the owner of both rows.
            asset: asset id or ids.
            amounts: int64, in the asset's unit, positive.
            keys: int64, the owner's identity for random draws; the owner's number if not given.
            events: int64, id of the event of sending, kept with the transfer.

        All are arrays of one length or single numbers.
        """
        given = (rows_from, rows_to, venues_from, venues_to, owners, asset, amounts)
        columns = [np.asarray(value, np.int64) for value in given]
        columns.append(columns[4] if keys is None else np.asarray(keys, np.int64))
        columns.append(np.asarray(-1 if events is None else events, np.int64))
        shape = columns[6].shape
        if not shape or any(column.shape != shape for column in columns):
            columns = [np.atleast_1d(column) for column in np.broadcast_arrays(*columns)]
        row_from, row_to, node_from, node_to, owner, asset_id, amount, key, event = columns
        count = len(amount)
        ids, fees = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        codes, nth = np.zeros(count, np.int8), np.zeros(count, np.int64)
        paths: list[tuple[int, ...]] = []
        joining: dict[int, int] = {}
        ways: dict[tuple[int, ...], tuple[tuple[int, ...], int, int]] = {}
        for i, (who, *ends) in enumerate(
            zip(*(x.tolist() for x in (key, node_from, node_to, asset_id)), strict=True)
        ):
            # refused ones count too: another owner's jam must not shift this owner's draws
            nth[i] = self._requests[who] = self._requests.get(who, 0) + 1
            if tuple(ends) not in ways:
                ways[tuple(ends)] = self._way(*ends)
            path, fee, code = ways[tuple(ends)]
            paths.append(path)
            fees[i], codes[i] = fee, code
            if code == ACCEPTED:
                joined = joining.get(path[0], 0)
                if self.edges["waiting"][path[0]] + joined >= self.edges["limit"][path[0]]:
                    codes[i] = QUEUE_FULL
                elif amount[i] <= fee:
                    codes[i] = TOO_SMALL
                else:
                    joining[path[0]] = joined + 1
        taken = np.flatnonzero(codes == ACCEPTED)
        fees[codes != ACCEPTED] = 0
        if len(taken) == 0:
            return Sent(ids, codes, fees, [])
        slots = self._slots(len(taken))
        ids[taken] = np.arange(self._next_id, self._next_id + len(taken))
        self._next_id += len(taken)
        new = np.zeros(len(taken), TRANSFER)
        new["id"], new["owner"], new["event"] = ids[taken], owner[taken], event[taken]
        drawn = random.bits(self._key_stream, key[taken], random.FOREVER).view(np.int64)
        new["key"] = drawn + nth[taken] * (MAX_HOPS + 2)
        new["row_from"], new["row_to"] = row_from[taken], row_to[taken]
        new["node_from"], new["node_to"], new["asset"] = node_from[taken], node_to[taken], asset_id[taken]
        new["fee"], new["amount"] = fees[taken], amount[taken] - fees[taken]
        new["sent_ms"], new["joined_ms"], new["due_ms"] = self.now_ms, self.now_ms, NEVER_MS
        delays: dict[tuple[int, ...], float] = {}
        for i, n in enumerate(taken.tolist()):
            path = paths[n]
            if path not in delays:
                delays[path] = sum(self._delay(edge) for edge in path)
            new["hops"][i], new["edge"][i] = len(path), path[0]
            new["path"][i, : len(path)] = path
            expected = 1000.0 * delays[path]
            new["expected_ms"][i] = self.now_ms + math.ceil(expected) if expected < NEVER_MS else NEVER_MS
        self.transfers[slots] = new
        np.add.at(self.in_transit, new["asset"], new["amount"])
        self._join(slots)
        charges = [charge for n in taken.tolist() for charge in self._charges(n, paths[n])]
        return Sent(ids, codes, fees, charges)

    def _charges(self, request: int, path: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
        """Who takes what: an edge's fee belongs to the node that it leaves, or enters where that is a free node."""
        for number in path:
            edge = self.edges[number]
            if edge["fee"] > 0:
                source, target = int(edge["source"]), int(edge["target"])
                yield (
                    request,
                    source if source < self.venues or target >= self.venues else target,
                    int(edge["fee"]),
                )

    def _way(self, source: int, target: int, asset: int) -> tuple[tuple[int, ...], int, int]:
        """(path, its fees, why it takes nothing at all or `ACCEPTED`) between two nodes as the edges are now."""
        path = self.routes.find(self.edges, source, target, asset)
        if not path:
            return path, 0, NO_ROUTE
        edges = [self.edges[number] for number in path]
        fee = sum(int(edge["fee"]) for edge in edges)
        if any(edge["capacity"] <= 0 for edge in edges):
            return path, fee, NO_CAPACITY
        return path, fee, SHUT if any(edge["refuses"] and not edge["open"] for edge in edges) else ACCEPTED

    def _slots(self, count: int) -> NDArray[np.int64]:
        while len(self._free) < count:
            size = len(self.transfers)
            self.transfers = np.concatenate([self.transfers, np.zeros(size, TRANSFER)])
            self.transfers["id"][size:], self.transfers["due_ms"][size:] = -1, NEVER_MS
            self._free.extend(range(2 * size - 1, size - 1, -1))
        return np.array([self._free.pop() for _ in range(count)], np.int64)

    # ------------------------------------------------------------------ the queues

    def _join(self, slots: NDArray[np.int64]) -> None:
        table = self.transfers
        table["stage"][slots] = QUEUED
        table["place"][slots] = np.arange(self._next_place, self._next_place + len(slots))
        self._next_place += len(slots)
        edges, amounts = table["edge"][slots].tolist(), table["amount"][slots].tolist()
        for slot, number, amount in zip(slots.tolist(), edges, amounts, strict=True):
            edge = self.edges[number]
            edge["waiting"] += 1
            edge["waiting_amount"] += amount
            edge["in_transit"] += amount
            self._queues[number].append(slot)
            if len(self._queues[number]) == 1:
                self._start(number)

    def _start(self, number: int) -> None:
        """Work out when the head of a queue will have been served."""
        edge, queue = self.edges[number], self._queues[number]
        edge["head_ms"] = np.inf
        if queue and edge["open"] and edge["capacity"] > 0:
            head = self.transfers[queue[0]]
            begin = max(float(edge["free_ms"]), float(head["joined_ms"]))
            edge["head_ms"] = begin + (float(head["amount"]) - edge["done"]) * (1000.0 / edge["capacity"])
        self._next_head = float(self.edges["head_ms"].min())

    def _pause(self, number: int, now_ms: float) -> None:
        """Keep what the server has done on the head so far, before the edge changes."""
        edge, queue = self.edges[number], self._queues[number]
        if queue and edge["open"] and edge["capacity"] > 0:
            head = self.transfers[queue[0]]
            begin = max(float(edge["free_ms"]), float(head["joined_ms"]))
            done = edge["done"] + edge["capacity"] * max(0.0, now_ms - begin) / 1000.0
            edge["done"] = min(done, float(head["amount"]))
        edge["free_ms"] = max(float(edge["free_ms"]), float(now_ms))

    def _serve(self, now_ms: int) -> None:
        """Let every edge work until `now_ms`; what it has served starts to travel."""
        if self._next_head > now_ms:
            return
        edges, joined, amount = self.edges, self.transfers["joined_ms"], self.transfers["amount"]
        served: list[int] = []
        times: list[float] = []
        for number in np.flatnonzero(edges["head_ms"] <= now_ms).tolist():
            queue, pace = self._queues[number], 1000.0 / float(edges["capacity"][number])
            time = float(edges["head_ms"][number])
            while time <= now_ms:
                served.append(queue.popleft())
                times.append(time)
                free = time
                if not queue:
                    time = math.inf
                    break
                time = max(free, float(joined[queue[0]])) + float(amount[queue[0]]) * pace
            edges["free_ms"][number], edges["done"][number], edges["head_ms"][number] = free, 0.0, time
        self._next_head = float(edges["head_ms"].min())
        self._travel(np.array(served, np.int64), np.array(times))

    def _travel(self, slots: NDArray[np.int64], times: NDArray[np.float64]) -> None:
        table, edges = self.transfers, self.edges
        edge, amount = table["edge"][slots], table["amount"][slots]
        np.subtract.at(edges["waiting"], edge, 1)
        np.subtract.at(edges["waiting_amount"], edge, amount)
        normal = random.normal(self._latency_stream, table["key"][slots] + table["hop"][slots])
        latency = 1000.0 * edges["latency"][edge] * np.exp(edges["jitter"][edge] * normal)
        due = np.ceil(times + latency - 1e-6).astype(np.int64)  # the last bits of a sum are not a millisecond
        table["due_ms"][slots], table["stage"][slots] = due, TRAVELLING
        self._next_due = min(self._next_due, int(due.min()))

    def _arrive(self, now_ms: int) -> Records:
        if self._next_due > now_ms:
            return np.zeros(0, TRANSFER)
        table = self.transfers
        slots = np.flatnonzero(table["due_ms"] <= now_ms)
        slots = slots[np.lexsort((table["id"][slots], table["due_ms"][slots]))]
        np.subtract.at(self.edges["in_transit"], table["edge"][slots], table["amount"][slots])
        np.add.at(self.edges["moved"], table["edge"][slots], table["amount"][slots])
        last = table["hop"][slots] + 1 == table["hops"][slots]
        arrived: Records = table[slots[last]]
        np.subtract.at(self.in_transit, arrived["asset"], arrived["amount"])
        table["id"][slots[last]] = -1
        self._free.extend(slots[last].tolist())
        onward = slots[~last]
        table["joined_ms"][onward] = table["due_ms"][onward]
        table["hop"][onward] += 1
        table["edge"][onward] = table["path"][onward, table["hop"][onward]]
        table["due_ms"][slots] = NEVER_MS
        self._next_due = int(table["due_ms"].min())
        if len(onward):
            self._join(onward)
        return arrived

    def step(self, now_ms: int) -> Records:
        """Let the network work until `now_ms`, recorded events at their own times.

        Returns:
            The transfers that have arrived (`TRANSFER` records, by time of arrival, then id): credit `amount`
            of `asset` to `row_to`.
        """
        self.changes, self.gates = [], []
        self.edges["moved"] = 0
        while self._next_event < len(self._events) and self._events[self._next_event][0] <= now_ms:
            time_ms, n = self._events[self._next_event]
            self._next_event += 1
            event = self.parameters.events[n]
            self._serve(time_ms)
            self._set(self.select(event.edge), time_ms, event.open, event.capacity, event.latency)
        self._serve(now_ms)
        self.now_ms = now_ms
        return self._arrive(now_ms)

    # ------------------------------------------------------------------ opening and shutting

    def set(
        self,
        edges: Any,
        *,
        open: bool | None = None,
        capacity: float | None = None,
        latency: float | None = None,
    ) -> None:
        """Open, shut, widen or slow edges from now on (a venue that suspends withdrawals, a jam).

        Args:
            edges: numbers of edges, as from `select`.
            open: serve or stop.
            capacity: asset units a second.
            latency: median seconds; what already travels keeps its time.

        A value that is already so changes nothing, to the last bit.
        """
        self._set(np.atleast_1d(np.asarray(edges, np.int64)), self.now_ms, open, capacity, latency)

    def _set(
        self,
        numbers: NDArray[np.int64],
        time_ms: int,
        open: bool | None,
        capacity: float | None,
        latency: float | None,
    ) -> None:
        before = self.withdrawals_open.copy()
        for number in numbers.tolist():
            edge = self.edges[number]
            scale = float(self.scale[edge["asset"]])
            wanted: tuple[tuple[Literal["open", "capacity", "latency"], float | None, float], ...] = (
                ("open", open, 1.0),
                ("capacity", capacity, scale),
                ("latency", latency, 1.0),
            )
            fresh = [(what, value, unit) for what, value, unit in wanted if value is not None]
            fresh = [(what, value, unit) for what, value, unit in fresh if edge[what] != value * unit]
            if not fresh:
                continue
            self._pause(number, time_ms)
            for what, value, unit in fresh:
                edge[what] = value * unit
                self.routes.note(number, what, value)
                self.changes.append(Change(time_ms, number, what, float(value)))
            self._start(number)
            self._open_nodes = None
        now_open = self.withdrawals_open
        for node in np.flatnonzero(now_open != before).tolist():
            self.gates.append(Gate(time_ms, node, bool(now_open[node])))

    @property
    def withdrawals_open(self) -> NDArray[np.bool_]:
        """bool[nodes]: whether any edge to another node is open and has capacity, as a venue publishes it."""
        if self._open_nodes is None:
            edges = self.edges
            serving = edges["open"] & (edges["capacity"] > 0) & (edges["source"] != edges["target"])
            self._open_nodes = np.zeros(len(self.node_names), np.bool_)
            self._open_nodes[edges["source"][serving]] = True
        return self._open_nodes

    # ------------------------------------------------------------------ measures

    def expected_delay(self) -> NDArray[np.float64]:
        """float64[edges], seconds for a new transfer: queue / capacity + median latency; inf where shut."""
        return np.array([self._delay(number) for number in range(len(self.edges))], np.float64)

    def _delay(self, number: int) -> float:
        """The same of one edge."""
        edge = self.edges[number]
        capacity, head = float(edge["capacity"]), float(edge["head_ms"])
        delay = math.inf
        if edge["open"] and capacity > 0:
            delay = float(edge["waiting_amount"]) / capacity + float(edge["latency"])
        if math.isfinite(head):  # the head is partly served already
            amount = float(self.transfers[self._queues[number][0]]["amount"])
            delay += min(0.0, max(0.0, head - self.now_ms) / 1000.0 - amount / capacity)
        return delay

    def published_delay(self, source: str, target: str, asset: int) -> float:
        """Expected seconds of a direct transfer as published; inf if there is no edge or it is shut."""
        edges = self._between.get((source, target, int(asset)), [])
        return min((self._delay(number) for number in edges), default=math.inf)

    def under_way(self, owners: Any = None, sent_by: NDArray[np.bool_] | None = None) -> Records:
        """Copies of the transfers under way (`TRANSFER` records by id), of all, of some owners or from some rows.

        Args:
            owners: ids. sent_by: bool[rows].
        """
        if len(self._free) == len(self.transfers):
            return np.zeros(0, TRANSFER)
        table = self.transfers
        found = np.flatnonzero(table["id"] >= 0)
        if owners is not None:
            found = found[np.isin(table["owner"][found], owners)]
        if sent_by is not None:
            found = found[sent_by[table["row_from"][found]]]
        result: Records = table[found[np.argsort(table["id"][found])]]
        return result

    def check(self) -> list[str]:
        """What does not add up, one line each: empty unless the program is wrong."""
        live = self.transfers[self.transfers["id"] >= 0]
        assets, edges, queued = self.in_transit * 0, self.edges["in_transit"] * 0, self.edges["waiting"] * 0
        np.add.at(assets, live["asset"], live["amount"])
        np.add.at(edges, live["edge"], live["amount"])
        np.add.at(queued, live["edge"][live["stage"] == QUEUED], 1)
        sums = {
            "in transit by asset": (assets, self.in_transit),
            "in transit by edge": (edges, self.edges["in_transit"]),
            "queue by edge": (queued, self.edges["waiting"]),
        }
        lines = [
            f"network: {what}: {a} in the table, {b} booked"
            for what, (a, b) in sums.items()
            if (a != b).any()
        ]
        if (live["amount"] <= 0).any():
            lines.append("network: an amount under way is not positive")
        return lines

    # ------------------------------------------------------------------ saving

    def snapshot(self) -> dict[str, Any]:
        """Everything that later steps depend on: arrays and plain numbers."""
        return {
            "now_ms": self.now_ms,
            "next_event": self._next_event,
            "next_id": self._next_id,
            "next_place": self._next_place,
            "edges": self.edges.copy(),
            "transfers": self.under_way(),
            "requests": np.array(sorted(self._requests.items()), np.int64).reshape(-1, 2),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a snapshot of a network with the same nodes, edges and seed."""
        self._build()
        self._empty_table()
        self.now_ms, self._next_event = int(saved["now_ms"]), int(saved["next_event"])
        self._next_id, self._next_place = int(saved["next_id"]), int(saved["next_place"])
        self._requests = {int(key): int(count) for key, count in saved["requests"]}
        self.changes, self.gates = [], []
        self.edges = saved["edges"].copy()
        for number, edge in enumerate(self.edges):
            self.routes.note(number, "open", bool(edge["open"]))
            self.routes.note(number, "latency", float(edge["latency"]))
            self.routes.note(number, "capacity", float(edge["capacity"] / self.scale[edge["asset"]]))
        live: Records = saved["transfers"]
        slots = self._slots(len(live))
        self.transfers[slots] = live
        self.in_transit = np.zeros(len(self.asset_names), np.int64)
        np.add.at(self.in_transit, live["asset"], live["amount"])
        for i in np.argsort(live["place"]).tolist():
            if live["stage"][i] == QUEUED:
                self._queues[live["edge"][i]].append(int(slots[i]))
        self._next_head = float(self.edges["head_ms"].min(initial=np.inf))
        self._next_due = int(self.transfers["due_ms"].min())
