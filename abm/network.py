"""Bridges and fiat channels: transfers are asked for, wait at stations, travel, and arrive.

What they travel on is in `rails`, what opens and shuts it in `switches` and `timetable`, which way they go in `ways`,
and what is made of their requests in `requests`.

An edge is its own line and then a path of resources that it shares with others. Without a path the line is a single
server in continuous time: it works off its queue at `capacity` units a second, and what it has served travels for a
lognormal time. Times inside a step are kept, so that waits do not depend on the step length. Amounts are integers: a
part of one is on exactly one edge, queued or travelling, from the request to its arrival. What a review turns back
goes the way that it came.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm import layout, random, requests
from abm.channels import EdgeParameters, EdgeSelector, NetworkEvent, NetworkParameters, matching
from abm.jit import zeros
from abm.layout import Records
from abm.rails import Change, Gate, Rails
from abm.requests import ACCEPTED, NO_CAPACITY, NO_ROUTE, QUEUE_FULL, REASONS, REQUEST, SHUT, TOO_SMALL
from abm.routes import By
from abm.stations import ADVANCED, MAX_HOPS, NONE, QUEUED, RETURNED, TRANSFER, TRAVELLING, Tables
from abm.switches import set_edges, set_resources
from abm.timetable import Timetable
from abm.ways import Ways

__all__ = [
    "ACCEPTED",
    "NO_CAPACITY",
    "NO_ROUTE",
    "QUEUED",
    "QUEUE_FULL",
    "REASONS",
    "SHUT",
    "TOO_SMALL",
    "TRANSFER",
    "TRAVELLING",
    "Change",
    "EdgeParameters",
    "EdgeSelector",
    "Gate",
    "Network",
    "NetworkEvent",
    "NetworkParameters",
]

FIRST_OWNERS = 64
_GIVEN = (
    "row_from", "row_to", "node_from", "node_to", "owner", "asset", "amount", "key", "event", "asset_to",
)  # fmt: skip
_NO_CHARGES = np.zeros((0, 3), np.int64)
_ENDS = ("node_from", "node_to", "asset", "asset_to")


class Sent(NamedTuple):
    """Answer to a batch of requests, one entry a request."""

    ids: NDArray[np.int64]  # the transfer's number (of its first part), -1 if refused
    codes: NDArray[np.int64]  # ACCEPTED or why it was refused (`REASONS`)
    fees: NDArray[np.int64]  # taken from the amount, to be credited by the caller; 0 if refused
    charges: NDArray[np.int64]  # [n, (request, node that charges, fee)] of every edge that takes one


class Refusal(NamedTuple):
    """A request that was not taken."""

    node_from: int
    node_to: int
    asset: int
    code: int  # `REASONS`
    amount: int  # in the asset's unit


class Conversion(NamedTuple):
    """What an issuer's edge has changed from one asset into another in a step; negative = turned back."""

    edge: int
    asset: int
    asset_to: int
    amount: int


class Network(Rails):
    """The transfers of one run, on its rails: arguments and what is raised are those of `Rails`.

    Attributes:
        in_transit: int64[assets], sum of the amounts of all transfers.
        conversions, advances, refusals: what was minted or redeemed, was paid out ahead (slots of transfers), was not
            taken, since the last step began.
        claims: int64[venues, assets], what other venues owe a venue (negative: what it owes).
    """

    def _build(self) -> None:
        self.ways = Ways(self)
        self.claims = np.zeros((self.venues, len(self.asset_names)), np.int64)
        self.conversions: list[Conversion] = []
        self.advances: list[int] = []
        self.refusals: list[Refusal] = []
        self._key_stream = random.stream_of(self.seed, "network", "transfer")
        self._who: dict[int, int] = {}  # by owner's key: where its requests are counted
        self._made = np.zeros(FIRST_OWNERS, np.int64)  # how many
        self._next_id = 0
        super()._build()
        self._joining = np.zeros(len(self.edges), np.int64)
        self.timetable = Timetable(self, self.start)
        self.begin()

    def _take(self, tables: Tables) -> None:
        super()._take(tables)
        self.in_transit: NDArray[np.int64] = tables["totals"]
        self._free = np.flatnonzero(self.transfers["id"] < 0)[::-1].tolist()
        self._busy = len(self.transfers) - len(self._free)

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
        keys = owners if keys is None else keys
        events = NONE if events is None else events
        assets_to = asset if assets_to is None else assets_to
        columns = (*given, keys, events, assets_to)
        sizes = set(map(np.size, columns))
        count = 0 if 0 in sizes else max(sizes)
        asked = zeros(count, REQUEST)[:count]
        for name, values in zip(_GIVEN, columns, strict=True):
            asked[name] = values
        sent = self._send(asked, by)
        for i in np.flatnonzero(sent.codes != ACCEPTED).tolist():
            one = asked[i]
            self.refusals.append(
                Refusal(*(int(one[what]) for what in ("node_from", "node_to", "asset", "code", "amount")))
            )
        return sent

    def _send(self, asked: Records, by: By) -> Sent:
        """Answer requests (`REQUEST` records), and let what is accepted come onto its first edge."""
        ends = list(zip(*(asked[name].tolist() for name in _ENDS), strict=True))
        asked["way"] = self.ways.numbers(ends, asked["owner"].tolist(), by)
        asked["who"] = [self._place(key) for key in asked["key"].tolist()]
        charges = np.zeros((len(asked), MAX_HOPS, 2), np.int64)
        address, ways = self.tables.address, self.ways.table
        count = requests.admit(address, asked, ways, self._made, self._joining, charges)
        if count:
            slots, told = self._slots(count), self.forecast
            requests.record(
                address, asked, ways, slots, told.known, told.waits, told.places,
                self.worth, self.now_ms, self._key_stream, self._next_id,
            )  # fmt: skip
            self._next_id += count
            self.work(self.now_ms, -math.inf, slots)
        charged = _NO_CHARGES
        if asked["fee"].any():
            which, hop = np.nonzero(charges[:, :, 1])
            charged = np.column_stack([which, charges[which, hop]])
        return Sent(asked["id"], asked["code"], asked["fee"], charged)

    def _place(self, key: int) -> int:
        """Where the requests of an owner are counted."""
        place = self._who.get(key)
        if place is None:
            place = self._who[key] = len(self._who)
            if place == len(self._made):
                self._made = np.concatenate([self._made, np.zeros(place, np.int64)])
        return place

    def _slots(self, count: int) -> NDArray[np.int64]:
        while len(self._free) < count:
            size = len(self.transfers)
            self._free = [*range(2 * size - 1, size - 1, -1), *self._free]
            layout.grow(self.tables)
            self.transfers = self.tables["transfers"]
        self._busy += count
        taken = self._free[: -count - 1 : -1]  # the last first
        del self._free[-count:]
        return np.array(taken, np.int64)

    # ------------------------------------------------------------------ opening and shutting

    def expect(self, parameters: NetworkParameters, start: datetime) -> None:
        """Take over the events of a description; those whose time is past must be the ones that there were."""
        self.timetable.expect(parameters, start)

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
        set_edges(self, np.atleast_1d(np.asarray(edges, np.int64)), self.now_ms, open, capacity, latency)

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
        set_resources(self, numbers, self.now_ms, open, duration, load, limit)

    # ------------------------------------------------------------------ running

    def step(self, now_ms: int) -> Records:
        """Let the network work until `now_ms`, recorded events and calendars at their own times.

        Returns:
            The transfers that have arrived (`TRANSFER` records, by time of arrival, then id): credit `amount`
            of `asset` to `row_to`, or to `row_from` where `back` says that it was turned back.
        """
        self.conversions, self.advances, self.refusals = [], [], []
        if len(self.edges):
            self.edges["moved"] = self.edges["converted"] = 0
        self.changes, self.gates = [], []
        self.forecast.forget()
        self.routes.published()
        self.timetable.run(now_ms)
        self.publish_lines(now_ms)
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
        self.ways.punctuality.learn(self.tables.address, ended)
        np.subtract.at(self.in_transit, arrived["asset"], arrived["amount"])
        table["id"][ended] = -1
        self._free.extend(ended.tolist())
        self._busy -= len(ended)
        return arrived

    def claim(self, debtors: Any, creditors: Any, assets: Any, amounts: Any) -> None:
        """Book fees that one venue's customers pay to another venue; a free node owes nothing that is counted."""
        ours = np.asarray(debtors) < self.venues
        np.subtract.at(
            self.claims, (np.asarray(debtors)[ours], np.asarray(assets)[ours]), np.asarray(amounts)[ours]
        )
        np.add.at(self.claims, (creditors, assets), amounts)

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

    # ------------------------------------------------------------------ saving

    def snapshot(self) -> dict[str, Any]:
        """Everything that later steps depend on: arrays and plain numbers."""
        return {
            "now_ms": self.now_ms,
            "next_event": self.timetable.next_event,
            "next_id": self._next_id,
            **{f"table_{name}": layout.copied(table) for name, table in self.tables.items()},
            "free": np.array(self._free, np.int64),
            "claims": self.claims.copy(),
            "requests": np.array(
                sorted((key, self._made[place]) for key, place in self._who.items()), np.int64
            ).reshape(-1, 2),
            "kept": self.ways.punctuality.snapshot(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a snapshot of a network with the same nodes, edges, resources and seed."""
        self._build()
        self._next_id = int(saved["next_id"])
        for key, count in saved["requests"].tolist():
            place = self._place(key)  # which may make room
            self._made[place] = count
        self.ways.punctuality.restore(saved["kept"])
        self.claims = np.array(saved["claims"])
        self._resume(saved)
        self.timetable.resume(int(saved["next_event"]))
        self._free = saved["free"].tolist()
