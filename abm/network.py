"""Bridges and fiat channels: transfers wait at stations, travel, and arrive; resources shut and reopen.

The network is described in the scenario (`channels`), drawn and searched for routes as a networkx multigraph
(`routes`), laid out in tables (`layout`) and run by one kernel (`transit`) over stations of several disciplines.

An edge is its own line and then a path of resources that it shares with others. Without a path the line is a single
server in continuous time: it works off its queue at `capacity` units a second, and what it has served travels for a
lognormal time. Times inside a step are kept, so that waits do not depend on the step length. Amounts are integers: a
part of one is on exactly one edge, queued or travelling, from the request to its arrival. A shut station serves nobody;
what waits keeps its place, what travels still arrives. What a review turns back goes the way that it came.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm import layout, random
from abm.calendar import NEVER_MS, milliseconds
from abm.channels import (
    EdgeParameters,
    EdgeSelector,
    NetworkEvent,
    NetworkParameters,
    matching,
    selects,
)
from abm.forecast import Forecast
from abm.hours import HoursParameters, state_at
from abm.layout import Records
from abm.routes import By, Routes
from abm.stations import ADVANCED, CREDIT, MAX_HOPS, QUEUED, RETURNED, TRANSFER, TRAVELLING
from abm.transit import LOG_FULL, work
from abm.units import RATE

__all__ = [
    "QUEUED",
    "TRANSFER",
    "TRAVELLING",
    "EdgeParameters",
    "EdgeSelector",
    "Network",
    "NetworkEvent",
    "NetworkParameters",
]

# why a request was refused; 0 = accepted
ACCEPTED, NO_ROUTE, NO_CAPACITY, SHUT, QUEUE_FULL, TOO_SMALL = range(6)
REASONS = ("accepted", "no route", "no capacity", "withdrawals shut", "queue full", "not above the fee")
_NOBODY = np.zeros(0, np.int64)


class Sent(NamedTuple):
    """Answer to a batch of requests, one entry a request."""

    ids: NDArray[np.int64]  # the transfer's number (of its first part), -1 if refused
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


class Conversion(NamedTuple):
    """What an issuer's edge has changed from one asset into another in a step; negative = turned back."""

    edge: int
    asset: int
    asset_to: int
    amount: int


class Way(NamedTuple):
    """How a request would travel: its edges and what they take."""

    path: tuple[int, ...]
    fee: int  # fixed, of each part
    rate: int  # of the amount, 1e-8
    largest: int  # of one part
    room: int  # transfers that its first edge takes more
    code: int  # why nothing at all can be sent, or ACCEPTED


class Network:
    """The transfers of one run.

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
        in_transit: int64[assets], sum of the amounts of all transfers.
        changes, gates, conversions, advances: what opened, shut or changed, was minted or redeemed, was paid out ahead
            (slots of transfers), since the last step began.
        claims: int64[venues, assets], what other venues owe a venue (negative: what it owes).

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
        self.changes: list[Change] = []
        self.gates: list[Gate] = []
        self.conversions: list[Conversion] = []
        self.advances: list[int] = []
        self._key_stream = random.stream_of(seed, "network", "transfer")
        self._requests: dict[int, int] = {}  # by owner's key: how many requests it has made
        self._kept: dict[tuple[int, int], tuple[int, int]] = {}  # (owner, edge): transfers, of these in time
        self.expect(parameters, start)
        self._next_event = 0
        self._next_id = 0
        self._build()

    def expect(self, parameters: NetworkParameters, start: datetime) -> None:
        """Take over the events of a description; those whose time is past must be the ones that there were."""
        self.parameters = parameters
        self._events = sorted(
            ((milliseconds(start, event.time), n) for n, event in enumerate(parameters.events)),
        )

    # ------------------------------------------------------------------ description

    def _build(self) -> None:
        described = self.parameters.edges
        self.resource_names = list(self.parameters.resources)
        self.routes = Routes(described, self.node_names, self.asset_names)
        self._ends: dict[tuple[str, str, int], list[int]] = {}
        for n, edge in enumerate(described):
            ends = (edge.source, edge.target, self.asset_names.index(edge.asset))
            self._ends.setdefault(ends, []).append(n)
        self.tables = layout.tables(
            self.parameters,
            self.node_names,
            self.asset_names,
            self.scale,
            self.venues,
            self.now_ms,
            self.seed,
        )
        self.claims = np.zeros((self.venues, len(self.asset_names)), np.int64)
        self._take_tables()
        self._open_nodes: NDArray[np.bool_] | None = None
        self._forecast: Forecast | None = None
        self._calendars: dict[int, tuple[HoursParameters, float]] = {}
        for name, resource in self.parameters.resources.items():
            if isinstance(resource, HoursParameters):
                self._turn_calendar(self.resource(name), resource)
        busy = np.flatnonzero((self.resources["hazard"] > 0) | (self.resources["stop_hot"] >= 0))
        self._work(self.now_ms, -math.inf, -1 - busy)
        self.changes, self.gates = [], []
        self._publish(self.now_ms)
        self.changes, self.gates = [], []

    def _take_tables(self) -> None:
        t = self.tables
        self.edges, self.resources, self.transfers = t["edges"], t["resources"], t["transfers"]
        self.in_transit: NDArray[np.int64] = t["totals"]
        self._free = np.flatnonzero(self.transfers["id"] < 0)[::-1].tolist()
        self._busy = len(self.transfers) - len(self._free)

    def _turn_calendar(self, number: int, hours: HoursParameters) -> None:
        """Open or shut a gate as its calendar has it now, and note when that changes next."""
        moment = self.start + layout.MILLISECOND * self.now_ms
        is_open, until = state_at(hours.calendar, moment, hours.cutoff)
        self.resources["open"][number] = is_open and hours.open
        turn = math.inf if until is None else float(milliseconds(self.start, until))
        self._calendars[number] = hours, turn

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
        assets_to: Any = None,
        by: By = "listed",
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
            assets_to: what is to arrive; the asset itself if not given.
            by: how the route is chosen among those that are open: "listed" (direct, then least latency as described),
                "time" (published waits), "cost" (fees), "certainty" (the owner's own late transfers).

        All but `by` are arrays of one length or single numbers.
        """
        given = (rows_from, rows_to, venues_from, venues_to, owners, asset, amounts)
        columns = [np.asarray(value, np.int64) for value in given]
        columns.append(columns[4] if keys is None else np.asarray(keys, np.int64))
        columns.append(np.asarray(-1 if events is None else events, np.int64))
        columns.append(columns[5] if assets_to is None else np.asarray(assets_to, np.int64))
        shape = columns[6].shape
        if not shape or any(column.shape != shape for column in columns):
            columns = [np.atleast_1d(column) for column in np.broadcast_arrays(*columns)]
        row_from, row_to, node_from, node_to, owner, asset_id, amount, key, event, asset_to = columns
        count = len(amount)
        ids, fees = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        codes, nth = np.zeros(count, np.int8), np.zeros(count, np.int64)
        parts = np.zeros(count, np.int64)
        paths: list[tuple[int, ...]] = []
        joining: dict[int, int] = {}
        ways: dict[tuple[int, ...], Way] = {}
        charges: list[tuple[int, int, int]] = []
        for i, (who, units, number, *ends) in enumerate(
            zip(
                *(x.tolist() for x in (key, amount, owner, node_from, node_to, asset_id, asset_to)),
                strict=True,
            )
        ):
            # refused ones count too: another owner's jam must not shift this owner's draws
            nth[i] = self._requests.get(who, 0) + 1
            asked = (*ends, number) if by == "certainty" else tuple(ends)
            if asked not in ways:
                ways[asked] = self._way(ends[0], ends[1], ends[2], ends[3], by, number)
            way = ways[asked]
            paths.append(way.path)
            codes[i], split = way.code, 1
            if way.code == ACCEPTED:
                split = max(1, -(-units // way.largest))
                costs = list(self._fees(way.path, units, split)) if way.fee or way.rate else ()
                taken = sum(fee for _, fee in costs)
                first = way.path[0]
                joined = joining.get(first, 0)
                if joined + split > way.room:
                    codes[i], split = QUEUE_FULL, 1
                elif units - taken < split:
                    codes[i], split = TOO_SMALL, 1
                else:
                    joining[first] = joined + split
                    parts[i], fees[i] = split, taken
                    charges += [(i, self._keeper(edge), fee) for edge, fee in costs if fee]
            self._requests[who] = int(nth[i]) + split - 1
        if not parts.any():
            return Sent(ids, codes, fees, [])
        which = np.repeat(np.arange(count), parts)
        part = np.arange(len(which)) - (np.cumsum(parts) - parts)[which]
        net, whole = (amount - fees)[which], parts[which]
        new = np.zeros(len(which), TRANSFER)
        new["id"] = self._next_id + np.arange(len(which))
        ids[parts > 0] = new["id"][part == 0]
        self._next_id += len(which)
        new["owner"], new["event"] = owner[which], event[which]
        drawn = random.bits(self._key_stream, key[which], random.FOREVER).view(np.int64)
        new["key"] = drawn + (nth[which] + part) * (MAX_HOPS + 2)
        new["row_from"], new["row_to"] = row_from[which], row_to[which]
        new["node_from"], new["node_to"], new["asset"] = node_from[which], node_to[which], asset_id[which]
        new["amount"] = net // whole + (part < net % whole)
        new["fee"] = np.where(part == 0, fees[which], 0)
        new["sent_ms"], new["due_ms"] = self.now_ms, NEVER_MS
        new["value"] = new["amount"] * self.worth[new["asset"]]
        new["holder"] = np.where(node_from[which] < self.venues, node_from[which], -1)
        for name in ("station", "branch", "next", "other", "advanced"):
            new[name] = -1
        delays: dict[tuple[int, ...], float] = {}
        for i, n in enumerate(which.tolist()):
            path = paths[n]
            if path not in delays:
                delays[path] = sum(self._delay(edge) for edge in path)
            new["hops"][i], new["edge"][i] = len(path), path[0]
            new["path"][i, : len(path)] = path
            expected = 1000.0 * delays[path]
            new["expected_ms"][i] = self.now_ms + math.ceil(expected) if expected < NEVER_MS else NEVER_MS
        slots = self._slots(len(which))
        self.transfers[slots] = new
        np.add.at(self.in_transit, new["asset"], new["amount"])
        self._work(self.now_ms, -math.inf, slots)
        return Sent(ids, codes, fees, charges)

    def _fees(self, path: tuple[int, ...], amount: int, parts: int) -> Iterator[tuple[int, int]]:
        """(edge, what it takes) of a request that is sent in so many parts."""
        for number in path:
            edge = self.edges[number]
            yield number, int(edge["fee"]) * parts + amount * int(edge["rate"]) // RATE

    def _keeper(self, number: int) -> int:
        """Whose an edge's fee is: the node's that it leaves, or enters where that is a free node."""
        source, target = int(self.edges["source"][number]), int(self.edges["target"][number])
        return source if source < self.venues or target >= self.venues else target

    def _way(
        self, source: int, target: int, asset: int, asset_to: int, by: By = "listed", owner: int = -1
    ) -> Way:
        """The way between two nodes as the edges are now."""
        if by == "listed":
            path = self.routes.find(self.edges, source, target, asset, asset_to)
        else:
            ends = (source, target, asset, asset_to)
            path = self.routes.best(
                self.edges, *ends, self._weight(by, owner), () if by == "certainty" else (by,)
            )
        if not path:
            return Way(path, 0, 0, 1, 0, NO_ROUTE)
        edges = [self.edges[number] for number in path]
        fee, rate = (sum(int(edge[what]) for edge in edges) for what in ("fee", "rate"))
        largest = min(int(edge["largest"]) for edge in edges)
        if any(edge["capacity"] <= 0 for edge in edges):
            code = NO_CAPACITY
        elif any(not edge["open"] and (edge["refuses"] or self._unwanted(edge)) for edge in edges):
            code = SHUT
        else:
            code = ACCEPTED
        room = int(edges[0]["limit"] - edges[0]["waiting"])
        return Way(path, fee, rate, largest, room, code)

    def _unwanted(self, edge: Any) -> bool:
        """Whether the owner of one of an edge's stations lets nothing in by its own rule."""
        stations = self.tables["paths"][edge["first"] : edge["last"]]
        return not self.resources["admits"][stations].all()

    def _weight(self, by: By, owner: int) -> Any:
        """What one edge weighs for a way of choosing; ties go to the faster."""
        if by == "time":
            return self._delay
        if by == "cost":
            return lambda n: (
                float(self.edges["fee"][n] * self.worth[self.edges["asset"][n]])
                + float(self.edges["rate"][n]) / RATE * 1e5
                + 1e-9 * min(self._delay(n), 1e6)
            )
        return lambda n: -math.log(self.kept(owner, n)) + 1e-9 * min(self._delay(n), 1e6)

    def kept(self, owner: int, edge: int) -> float:
        """How likely an owner thinks that an edge is in time, by its own transfers over it (rule of succession)."""
        count, good = self._kept.get((owner, edge), (0, 0))
        return (1 + good) / (2 + count)

    def _slots(self, count: int) -> NDArray[np.int64]:
        while len(self._free) < count:
            size = len(self.transfers)
            self._free = [*range(2 * size - 1, size - 1, -1), *self._free]
            layout.grow(self.tables)
            self.transfers = self.tables["transfers"]
        self._busy += count
        return np.array([self._free.pop() for _ in range(count)], np.int64)

    # ------------------------------------------------------------------ running

    def _work(self, time: float, until: float, jobs: NDArray[np.int64] = _NOBODY) -> None:
        """Run the kernel; publish what has shut or reopened by itself."""
        tables = self.tables
        while work(*tables.values(), jobs, time, until) == LOG_FULL:
            self._drain_log()
            jobs = _NOBODY
        self._drain_log()

    def _drain_log(self) -> None:
        meta = self.tables["meta"]
        count = int(meta["log"][0])
        if count:
            meta["log"] = 0
            self._publish(math.ceil(self.tables["log"]["time"][count - 1]))

    def step(self, now_ms: int) -> Records:
        """Let the network work until `now_ms`, recorded events and calendars at their own times.

        Returns:
            The transfers that have arrived (`TRANSFER` records, by time of arrival, then id): credit `amount`
            of `asset` to `row_to`, or to `row_from` where `back` says that it was turned back.
        """
        self.changes, self.gates, self.conversions, self.advances = [], [], [], []
        if len(self.edges):
            self.edges["moved"] = self.edges["converted"] = 0
        self._forecast = None
        self.routes.published()
        while True:
            event_ms = self._events[self._next_event][0] if self._next_event < len(self._events) else math.inf
            turn_ms, number = min(
                ((turn, r) for r, (_, turn) in self._calendars.items()), default=(math.inf, -1)
            )
            if min(event_ms, turn_ms) > now_ms:
                break
            time_ms = int(min(event_ms, turn_ms))
            self._work(self.now_ms, time_ms)
            self.now_ms = max(self.now_ms, time_ms)
            if turn_ms < event_ms:
                self._turn_calendar(number, self._calendars[number][0])
                self._work(time_ms, -math.inf, np.array([-1 - number]))
                self._publish(time_ms)
            else:
                self._happen(time_ms, self.parameters.events[self._events[self._next_event][1]])
                self._next_event += 1
        self._work(self.now_ms, now_ms)
        self.now_ms = now_ms
        for number in np.flatnonzero(self.edges["converted"]).tolist():
            edge = self.edges[number]
            self.conversions.append(
                Conversion(number, int(edge["asset"]), int(edge["asset_to"]), int(edge["converted"]))
            )
        return self._arrive()

    def _arrive(self) -> Records:
        meta = self.tables["meta"]
        count = int(meta["out"][0])
        if not count:
            return np.zeros(0, TRANSFER)
        meta["out"] = 0
        told = self.tables["out"][:count].copy()
        slots, codes = told >> 2, told & 3
        self.advances = slots[codes == ADVANCED].tolist()
        ended = slots[codes != ADVANCED]
        table = self.transfers
        table["back"][slots[codes == RETURNED]] = True
        ended = ended[np.lexsort((table["id"][ended], table["due_ms"][ended]))]
        arrived: Records = table[ended]
        np.subtract.at(self.in_transit, arrived["asset"], arrived["amount"])
        table["id"][ended] = -1
        self._free.extend(ended.tolist())
        self._busy -= len(ended)
        good = ~arrived["back"] & (arrived["due_ms"] <= arrived["expected_ms"])
        columns = (arrived["owner"], good, arrived["path"], arrived["hops"])
        for owner, kept, path, hops in zip(*(column.tolist() for column in columns), strict=True):
            for edge in path[:hops]:
                count, before = self._kept.get((owner, edge), (0, 0))
                self._kept[owner, edge] = count + 1, before + kept
        return arrived

    def hear(self, volatility: float) -> None:
        """What is public of prices, % a minute: background loads and lenders may follow it (the model tells it)."""
        chains = np.flatnonzero(self.resources["follows"] > 0)
        if len(chains):  # blocks so far are made under what was known so far
            self._work(self.now_ms, -math.inf, -1 - chains)
        self.tables["meta"]["stress"] = volatility

    def claim(self, debtors: Any, creditors: Any, assets: Any, amounts: Any) -> None:
        """Book fees that one venue's customers pay to another venue; a free node owes nothing that is counted."""
        ours = np.asarray(debtors) < self.venues
        np.subtract.at(
            self.claims, (np.asarray(debtors)[ours], np.asarray(assets)[ours]), np.asarray(amounts)[ours]
        )
        np.add.at(self.claims, (creditors, assets), amounts)

    @property
    def listens(self) -> bool:
        """Whether anything follows volatility."""
        lines = self.resources["kind"] == CREDIT
        return bool(
            (self.resources["follows"] > 0).any() or (lines & (self.resources["reference"] >= 0)).any()
        )

    # ------------------------------------------------------------------ opening and shutting

    def _happen(self, time_ms: int, event: NetworkEvent) -> None:
        recorded = self.parameters.stops in ("as_recorded", "both")
        is_open = event.open if recorded else None
        if event.resource is None:
            self._set(self.select(event.edge), time_ms, is_open, event.capacity, event.latency)
            return
        numbers = [self.resource(name) for name in matching(event.resource, self.parameters.resources)]
        self._set_resources(numbers, time_ms, is_open, event.duration, event.load, event.limit)

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

    def set_resource(
        self,
        pattern: str,
        *,
        open: bool | None = None,
        duration: float | None = None,
        load: float | None = None,
        limit: float | None = None,
    ) -> None:
        """The same of resources by pattern: `duration` in s, `load` in shares of a block, `limit` in dollars."""
        numbers = [self.resource(name) for name in matching(pattern, self.parameters.resources)]
        self._set_resources(numbers, self.now_ms, open, duration, load, limit)

    def _set_resources(
        self,
        numbers: list[int],
        time_ms: int,
        open: bool | None,
        duration: float | None,
        load: float | None,
        limit: float | None,
    ) -> None:
        chosen = np.array(numbers, np.int64)
        self._work(time_ms, -math.inf, -1 - chosen)  # what is due is done under the old numbers
        wanted = {
            "open": open,
            "fixed": None if duration is None else 1000.0 * duration,
            "load": load,
            "cap": limit,
        }
        for field, value in wanted.items():
            if value is not None:
                self.resources[field][chosen] = value
        self._work(time_ms, -math.inf, -1 - chosen)
        self._publish(time_ms)

    def _set(
        self,
        numbers: NDArray[np.int64],
        time_ms: int,
        open: bool | None,
        capacity: float | None,
        latency: float | None,
    ) -> None:
        for number in numbers.tolist():
            edge = self.edges[number]
            scale = float(self.scale[edge["asset"]])
            wanted: tuple[tuple[Any, float | None, float], ...] = (
                ("on", open, 1.0),
                ("capacity", capacity, scale),
                ("latency", latency, 1.0),
            )
            fresh = [(what, value, unit) for what, value, unit in wanted if value is not None]
            fresh = [(what, value, unit) for what, value, unit in fresh if edge[what] != value * unit]
            if edge["last"] - edge["first"] > 1:
                fresh = [change for change in fresh if change[0] == "on"]
            if not fresh:
                continue
            self._pause(number, time_ms)
            for what, value, unit in fresh:
                edge[what] = value * unit
                if what != "on":
                    self.routes.note(number, what, value)
                    self.changes.append(Change(time_ms, number, what, float(value)))
            self._work(time_ms, -math.inf, np.array([-1 - number]))
        self._publish(time_ms)

    def _pause(self, number: int, now_ms: float) -> None:
        """Keep what the line has done on the head so far, before the edge changes."""
        edge, line = self.edges[number], self.resources[number]
        if line["head"] >= 0 and edge["on"] and 0 < edge["capacity"] < np.inf:
            head = self.transfers[line["head"]]
            begin = max(float(edge["free_ms"]), float(head["joined_ms"]))
            done = edge["done"] + edge["capacity"] * max(0.0, now_ms - begin) / 1000.0
            edge["done"] = min(done, float(head["amount"]))
        edge["free_ms"] = max(float(edge["free_ms"]), float(now_ms))

    def _publish(self, time_ms: int) -> None:
        """Work out which edges are open, and say what has changed."""
        if not len(self.edges):
            return
        before = self.withdrawals_open
        x = self.resources
        ok = x["open"] & ~x["failed"] & x["admits"]
        ok[: len(self.edges)] = self.edges["on"]
        paths = self.tables["paths"][: self.edges["last"].max()]
        now = np.logical_and.reduceat(ok[paths], self.edges["first"])
        for number in np.flatnonzero(now != self.edges["open"]).tolist():
            self.edges["open"][number] = now[number]
            self.routes.note(number, "open", bool(now[number]))
            self.changes.append(Change(time_ms, number, "open", float(now[number])))
        self._forecast = self._open_nodes = None
        after = self.withdrawals_open
        for node in np.flatnonzero(after != before).tolist():
            self.gates.append(Gate(time_ms, node, bool(after[node])))

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
        """float64[edges], seconds for a new transfer as published; inf where shut.

        Of an edge without a path: queue / capacity + median latency, now. Of others: what their stations publish once a
        step (`forecast`).
        """
        return np.array([self._delay(number) for number in range(len(self.edges))], np.float64)

    def _delay(self, number: int) -> float:
        """The same of one edge."""
        edge = self.edges[number]
        if edge["last"] - edge["first"] > 1:
            if self._forecast is None:
                self._forecast = Forecast(self.tables, self.now_ms, self._calendars)
            return self._forecast.of(number)
        capacity, head = float(edge["capacity"]), float(edge["head_ms"])
        delay = math.inf
        if edge["open"] and capacity > 0:
            delay = float(edge["waiting_amount"]) / capacity + float(edge["latency"])
        if math.isfinite(head):  # the head is partly served already
            amount = float(self.transfers["amount"][self.resources["head"][number]])
            delay += min(0.0, max(0.0, head - self.now_ms) / 1000.0 - amount / capacity)
        return delay

    def published_delay(self, source: str, target: str, asset: int) -> float:
        """Expected seconds of a direct transfer as published; inf if there is no edge or it is shut."""
        edges = self._ends.get((source, target, int(asset)), [])
        return min((self._delay(number) for number in edges), default=math.inf)

    def under_way(self, owners: Any = None, sent_by: NDArray[np.bool_] | None = None) -> Records:
        """Copies of the transfers under way (`TRANSFER` records by id), of all, of some owners or from some rows.

        Args:
            owners: ids. sent_by: bool[rows].
        """
        if not self._busy:
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
        return layout.faults(self.tables)

    # ------------------------------------------------------------------ saving

    def snapshot(self) -> dict[str, Any]:
        """Everything that later steps depend on: arrays and plain numbers."""
        return {
            "now_ms": self.now_ms,
            "next_event": self._next_event,
            "next_id": self._next_id,
            **{f"table_{name}": layout.copied(table) for name, table in self.tables.items()},
            "free": np.array(self._free, np.int64),
            "claims": self.claims.copy(),
            "requests": np.array(sorted(self._requests.items()), np.int64).reshape(-1, 2),
            "kept": np.array(sorted((*k, *v) for k, v in self._kept.items()), np.int64).reshape(-1, 4),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a snapshot of a network with the same nodes, edges, resources and seed."""
        self._build()
        self.now_ms, self._next_event = int(saved["now_ms"]), int(saved["next_event"])
        self._next_id = int(saved["next_id"])
        self._requests = {int(key): int(count) for key, count in saved["requests"]}
        self._kept = {(int(o), int(e)): (int(n), int(good)) for o, e, n, good in saved["kept"]}
        self.claims = np.array(saved["claims"])
        self.tables = {name: layout.copied(saved[f"table_{name}"]) for name in self.tables}
        self._take_tables()
        self._free = saved["free"].tolist()
        self._open_nodes = self._forecast = None
        for number, (hours, _) in list(self._calendars.items()):
            is_open = self.resources["open"][number]
            self._turn_calendar(number, hours)
            self.resources["open"][number] = is_open
        for number, edge in enumerate(self.edges):
            self.routes.note(number, "open", bool(edge["open"]))
            if edge["last"] - edge["first"] == 1:
                self.routes.note(number, "latency", float(edge["latency"]))
                self.routes.note(number, "capacity", float(edge["capacity"] / self.scale[edge["asset"]]))
        self.changes, self.gates, self.conversions, self.advances = [], [], [], []
