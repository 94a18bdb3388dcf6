"""The network's tables, its agenda of due times, and what every station does whatever its discipline.

A transfer is on one edge, and there at one station: in its queue, in its service, or on its way behind it. Resource
number e is the own line of edge e; the named resources follow. The agenda is a heap of the next due time of every
resource's two clocks (its work, and its shutting or reopening) and of every transfer in service or travelling; each has
one place in it, so nothing stale is ever kept. Times are float64 milliseconds since the start.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from abm.jit import INTERPRETED, called, inlined
from abm.random import draw, inverse_normal, unit
from abm.tables import viewer

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

MAX_HOPS = 6  # edges of the longest route
NONE = -1
ENDED = -2  # leg of a transfer that has come to its end and has not been handed over yet
INF = np.inf
QUEUED, TRAVELLING = 0, 1
KINDS = ("line", "hours", "servers", "delay", "wallet", "chain", "allowance", "credit")
LINE, HOURS, SERVERS, DELAY, WALLET, CHAIN, ALLOWANCE, CREDIT = range(len(KINDS))
ARRIVED, RETURNED, ADVANCED = range(3)  # what `out` says of a transfer: 4 * slot + code
BACKWARDS = 1 << 40  # added to the purpose of a draw on the way back
WAITS = 72  # classes of waits a resource: under a second, then four to a doubling, up to two days

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
        ("joined_ms", "f8"),  # when it joined its station
        ("due_ms", "i8"),  # arrival at the end of the edge; NEVER_MS while that is not known
        ("place", "i8"),  # order of joining edges
        ("value", "f8"),  # dollars
        ("bid", "f8"),  # highest base fee that it pays, gwei
        ("tie", "f8"),
        ("leg", "i4"),  # place in the network's list of stations
        ("branch", "i4"),  # where it left its edge's path for the fallback; NONE = it did not
        ("station", "i4"),  # resource
        ("next", "i4"),  # behind it in a queue, or below it in a chain's heap
        ("other", "i4"),
        ("advanced", "i4"),  # the credit line that has paid it out already
        ("holder", "i2"),  # venue in whose wallets the coins still are, or are again
        ("back", "?"),  # failed and on its way back to the sender
        ("busy", "?"),  # in service or travelling behind its station
    ],
    align=True,
)
EDGE = np.dtype(
    [
        ("source", "i4"),
        ("target", "i4"),
        ("asset", "i4"),
        ("asset_to", "i4"),
        ("open", "?"),  # as published: its own line and all its stations take and serve transfers
        ("on", "?"),  # its own line serves
        ("ahead", "?"),  # as published: a lender pays out now, whatever is shut behind its line
        ("capacity", "f8"),  # asset's units a second
        ("latency", "f8"),  # seconds, median; of a path the sum of its stations' times without a queue
        ("jitter", "f8"),
        ("fee", "i8"),  # asset's units
        ("rate", "i8"),  # share of the amount, 1e-8
        ("largest", "i8"),  # asset's units in one transfer
        ("limit", "i8"),
        ("refuses", "?"),  # refuses new transfers while shut
        ("free_ms", "f8"),  # the line has nothing older than this to do
        ("done", "f8"),  # units of the head served before free_ms
        ("head_ms", "f8"),  # when the head will have been served; inf = nobody or not serving
        ("waiting", "i8"),  # transfers in queues
        ("waiting_amount", "i8"),
        ("in_transit", "i8"),  # queued and travelling
        ("moved", "i8"),  # arrived in the last step
        ("converted", "i8"),  # amount that changed from `asset` to `asset_to` in the last step
        ("first", "i4"),  # its stations are paths[first:last], its own line first
        ("last", "i4"),
        ("fallback", "i4"),  # paths[fallback:fallback_end] when an allowance has no room
        ("fallback_end", "i4"),
        ("blocks", "i4"),  # confirmations after a chain's block
        ("wallet", "i4"),  # hot wallet that it pays into
        ("home", "i4"),  # hot wallet of its source
    ],
    align=True,
)
RESOURCE = np.dtype(
    [
        ("kind", "i8"),
        ("key", "i8"),  # identity of its draws
        ("open", "?"),  # as recorded events and its calendar have it
        ("failed", "?"),
        ("admits", "?"),  # its own rule lets new transfers in
        ("works_off", "?"),  # and serves what waits while it does not
        ("halted", "?"),  # a chain that made no block when last looked at
        ("head", "i4"),
        ("tail", "i4"),
        ("waiting", "i8"),
        ("waiting_value", "f8"),  # dollars
        ("busy", "i8"),
        # servers, delay
        ("servers", "i8"),
        ("law", "i8"),
        ("fixed", "f8"),  # ms: mean (servers, inverse Gaussian) or median (lognormal delay)
        ("per_value", "f8"),  # ms a dollar
        ("spread", "f8"),
        ("bounce", "f8"),
        # wallet
        ("hot", "i8"),
        ("cold", "i8"),
        ("target", "i8"),
        ("clock_ms", "f8"),  # the next refill, block or turn of a calendar
        ("period", "f8"),  # ms between them
        # chain
        ("base", "f8"),
        ("reference", "f8"),
        ("floor", "f8"),
        ("slots", "i8"),
        ("share", "f8"),
        ("load", "f8"),
        ("follows", "f8"),
        ("elasticity", "f8"),
        ("headroom", "f8"),
        ("rebid", "f8"),  # ms
        ("blocks", "i8"),  # made so far
        # allowance (dollars), credit
        ("room", "f8"),
        ("cap", "f8"),
        ("rate", "f8"),  # dollars a ms
        ("room_ms", "f8"),
        # failures
        ("hazard", "f8"),  # a ms
        ("growth", "f8"),
        ("repair", "f8"),  # ms
        ("repair_spread", "f8"),
        ("risk", "f8"),
        ("threshold", "f8"),
        ("failures", "i8"),
        ("fail_ms", "f8"),
        ("repair_ms", "f8"),
        # its own rule
        ("stop_queue", "i8"),
        ("stop_hot", "i8"),
        ("reopen_queue", "i8"),
        ("reopen_hot", "i8"),
        ("rest", "f8"),  # ms
        ("look_ms", "f8"),
        # measures
        ("noted_ms", "f8"),
        ("joined", "i8"),
        ("served", "i8"),
        ("waited", "f8"),  # ms in the queue, of those served
        ("queue_area", "f8"),  # transfers x ms
        ("busy_area", "f8"),
    ],
    align=True,
)
META = np.dtype(
    [
        ("agenda", "i8"),  # entries
        ("ready", "i4"),  # transfers that go on to their next station now: first, last
        ("ready_end", "i4"),
        ("out", "i8"),
        ("log", "i8"),
        ("places", "i8"),
        ("stress", "f8"),  # published volatility, % a minute
        ("stream", "i8"),
        ("latency_stream", "i8"),
        ("venues", "i8"),  # nodes below this are venues
    ],
    align=True,
)
TURN = np.dtype([("time", "f8"), ("resource", "i8")])  # of `log`: what has shut or reopened by itself

FIELDS = {
    "transfers": TRANSFER, "edges": EDGE, "resources": RESOURCE, "meta": META, "paths": np.dtype("i4"),
    "totals": np.dtype("i8"), "due": np.dtype("f8"), "heap": np.dtype("i4"), "place": np.dtype("i4"),
    "out": np.dtype("i8"), "log": TURN, "waits": np.dtype("i8"),
}  # fmt: skip
Net = namedtuple("Net", list(FIELDS))  # type: ignore[misc]

_LIVE: WeakValueDictionary[int, Tables] = (
    WeakValueDictionary()
)  # by address, for kernels that run as plain Python


class Tables(dict[str, NDArray[Any]]):
    """The tables of one network by name (`FIELDS`), and the address through which kernels see them.

    Args:
        made: all of them. One that has grown is put in the place of the old one.
    """

    def __init__(self, made: Mapping[str, NDArray[Any]]) -> None:
        super().__init__({name: made[name] for name in FIELDS})
        self._entries = np.zeros(2 * len(FIELDS), np.int64)
        self.address = int(self._entries.ctypes.data)
        _LIVE[self.address] = self
        for name, array in made.items():
            self[name] = array

    def __setitem__(self, name: str, array: NDArray[Any]) -> None:
        super().__setitem__(name, array)
        i = list(FIELDS).index(name)
        self._entries[2 * i : 2 * i + 2] = array.ctypes.data, len(array)


def views(address: int) -> Any:
    """The tables behind an address; here, for kernels that run as plain Python, as the arrays themselves."""
    return Net(*_LIVE[address].values())


if not INTERPRETED:
    views = viewer(FIELDS.items(), "network")


# ---------------------------------------------------------------------- the agenda


@inlined
def _rank(n, item):
    """Place among what is due at the same moment: resources by number, then transfers by age."""
    clocks = 2 * len(n.resources)
    return item if item < clocks else clocks + n.transfers[item - clocks].id


@inlined
def _before(n, a, b):
    return n.due[a] < n.due[b] or (n.due[a] == n.due[b] and _rank(n, a) < _rank(n, b))


@called
def schedule(n, item, time):
    """Set an item's due time; inf takes it off the agenda."""
    i = np.int64(n.place[item])
    count = n.meta[0].agenda
    n.due[item] = time
    if time == INF:
        if i == NONE:
            return
        count -= 1
        n.meta[0].agenda = count
        n.place[item] = NONE
        if i == count:
            return
        item = np.int64(n.heap[count])
    elif i == NONE:
        i = count
        count += 1
        n.meta[0].agenda = count
    while i > 0 and _before(n, item, np.int64(n.heap[(i - 1) // 2])):  # up
        n.heap[i] = n.heap[(i - 1) // 2]
        n.place[n.heap[i]] = i
        i = (i - 1) // 2
    while True:  # down
        child = 2 * i + 1
        if child >= count:
            break
        if child + 1 < count and _before(n, np.int64(n.heap[child + 1]), np.int64(n.heap[child])):
            child += 1
        if not _before(n, np.int64(n.heap[child]), item):
            break
        n.heap[i] = n.heap[child]
        n.place[n.heap[i]] = i
        i = child
    n.heap[i] = item
    n.place[item] = i


# ---------------------------------------------------------------------- draws


@inlined
def chance(n, r, slot, purpose):
    """A transfer's draw in (0, 1) at a resource: nobody else's presence changes it."""
    job = n.transfers[slot]
    if job.back:
        purpose += BACKWARDS
    return unit(draw(n.meta[0].stream, job.key + job.hop, n.resources[r].key + purpose))


@inlined
def own_chance(n, r, nth):
    """A resource's own nth draw."""
    return unit(draw(n.meta[0].stream, n.resources[r].key, nth))


@inlined
def whole_ms(time):
    """The whole millisecond by which it is done; the last bits of a sum are not a millisecond."""
    return np.ceil(time - 1e-6)


# ---------------------------------------------------------------------- queues


@inlined
def serves(x):
    """Whether a resource works: no event, calendar or failure has shut it, nor its own rule."""
    return x.open and not x.failed and (x.admits or x.works_off)


@inlined
def note(n, r, t):
    """Bring the time integrals of a resource up to now, before its queue changes."""
    x = n.resources[r]
    past = t - x.noted_ms
    if past > 0.0:
        x.queue_area += past * x.waiting
        x.busy_area += past * x.busy
        if x.hazard > 0.0 and not x.failed:
            x.risk += past * x.hazard * (1.0 + x.growth * (x.waiting + x.busy))
        x.noted_ms = t


@inlined
def set_stage(n, slot, stage):
    """Count a transfer as queued or travelling on its edge."""
    job = n.transfers[slot]
    if job.stage != stage:
        edge = n.edges[job.edge]
        sign = 1 if stage == QUEUED else -1
        edge.waiting += sign
        edge.waiting_amount += sign * job.amount
        job.stage = stage


@inlined
def append(n, r, slot, t):
    """A transfer joins the end of a queue."""
    note(n, r, t)
    x, job = n.resources[r], n.transfers[slot]
    job.joined_ms, job.station, job.next, job.busy = t, r, NONE, False
    set_stage(n, slot, QUEUED)
    if x.head == NONE:
        x.head = slot
    else:
        n.transfers[x.tail].next = slot
    x.tail = slot
    x.waiting += 1
    x.waiting_value += job.value
    x.joined += 1


@inlined
def wait_class(wait):
    """The class of a wait in ms."""
    if wait < 1000.0:
        return np.int64(0)
    return np.int64(min(WAITS - 1.0, 1.0 + np.floor(4.0 * np.log2(wait / 1000.0))))


@inlined
def left_queue(n, r, slot, t):
    """Book that a transfer waits no longer."""
    note(n, r, t)
    x, job = n.resources[r], n.transfers[slot]
    x.waiting -= 1
    x.waiting_value = x.waiting_value - job.value if x.waiting > 0 else 0.0
    x.served += 1
    wait = t - job.joined_ms
    x.waited += wait
    n.waits[WAITS * r + wait_class(wait)] += 1


@inlined
def take_head(n, r, t):
    """The head of a queue leaves it."""
    x = n.resources[r]
    slot = np.int64(x.head)
    x.head = n.transfers[slot].next
    left_queue(n, r, slot, t)
    return slot


@inlined
def release(n, slot):
    """A transfer is done with its station: it goes on in this moment."""
    m = n.meta[0]
    n.transfers[slot].next = NONE
    n.transfers[slot].busy = False
    if m.ready == NONE:
        m.ready = slot
    else:
        n.transfers[m.ready_end].next = slot
    m.ready_end = slot


@inlined
def travel(n, slot, time):
    """A transfer is under way behind its station until a time."""
    set_stage(n, slot, TRAVELLING)
    n.transfers[slot].busy = True
    schedule(n, 2 * len(n.resources) + slot, time)


@inlined
def lognormal(median, spread, p):
    """The quantile of a lognormal law."""
    return median * np.exp(spread * inverse_normal(p))


@inlined
def leaves_wallet(n, slot):
    """The coins are with no venue from now on."""
    n.transfers[slot].holder = NONE
