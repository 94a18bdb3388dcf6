"""Requests become transfers: who is taken, at what fee, in how many parts, and the records of the parts."""

from __future__ import annotations

import numpy as np
from numba import from_dtype, types

from abm.calendar import NEVER_MS
from abm.forecast import expected
from abm.jit import kernel
from abm.random import FOREVER, draw
from abm.stations import MAX_HOPS, NONE, QUEUED, views
from abm.units import RATE

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

# why a request was refused; 0 = accepted
ACCEPTED, NO_ROUTE, NO_CAPACITY, SHUT, QUEUE_FULL, TOO_SMALL = range(6)
REASONS = ("accepted", "no route", "no capacity", "withdrawals shut", "queue full", "not above the fee")

WAY = np.dtype(
    [
        ("path", "i8", (MAX_HOPS,)),
        ("hops", "i8"),
        ("fee", "i8"),  # fixed, of each part
        ("largest", "i8"),  # of one part
        ("code", "i8"),  # why nothing at all can be sent, or ACCEPTED
    ]
)
REQUEST = np.dtype(
    [
        ("row_from", "i8"),
        ("row_to", "i8"),
        ("node_from", "i8"),
        ("node_to", "i8"),
        ("owner", "i8"),
        ("asset", "i8"),
        ("asset_to", "i8"),
        ("amount", "i8"),
        ("key", "i8"),  # identity of the owner's draws
        ("event", "i8"),
        ("way", "i8"),  # which of the ways it goes
        ("who", "i8"),  # which of those that count their requests
        # the answer
        ("code", "i8"),
        ("nth", "i8"),  # the owner's so many-th
        ("parts", "i8"),  # 0 = refused
        ("fee", "i8"),  # of all parts and edges
        ("id", "i8"),  # of the first part; NONE = refused
    ]
)
_WAYS, _REQUESTS = (types.Array(from_dtype(dtype), 1, "C") for dtype in (WAY, REQUEST))
_INTS, _FLOATS = types.int64[::1], types.float64[::1]


@kernel(types.int64(types.int64, _REQUESTS, _WAYS, _INTS, _INTS, types.int64[:, :, ::1]))
def admit(address, asked, ways, made, joining, charges):
    """Answer requests in their order.

    Args:
        asked: `REQUEST` records; the answers are filled in.
        ways: `WAY` records, as they are now.
        made: int64[who], how many requests each has made; the refused ones count too, as another owner's jam must not
            shift this owner's draws.
        joining: int64[edges], zeros; is so again at the end.
        charges: out, int64[requests, hops, (node that charges, fee)].

    Returns: parts of all that are accepted.
    """
    n = views(address)
    venues, total = n.meta[0].venues, 0
    for i in range(len(asked)):
        request = asked[i]
        way, amount = ways[request.way], request.amount
        made[request.who] += 1
        request.nth, request.parts, request.fee, request.id = made[request.who], 0, 0, NONE
        request.code = way.code
        if way.code != ACCEPTED:
            continue
        first = way.path[0]
        parts = max(1, (amount - 1) // way.largest + 1)
        if joining[first] + parts > n.edges[first].limit - n.edges[first].waiting:
            request.code = QUEUE_FULL
            continue
        taken = 0
        if way.fee <= amount // parts:  # else a sum of fees might be no 64-bit number
            for k in range(way.hops):
                edge = n.edges[way.path[k]]
                # the product of amount and rate might be none either
                share = amount // RATE * edge.rate + amount % RATE * edge.rate // RATE
                charges[i, k, 0] = (
                    edge.source if edge.source < venues or edge.target >= venues else edge.target
                )
                charges[i, k, 1] = edge.fee * parts + share
                taken += charges[i, k, 1]
        if way.fee > amount // parts or amount - taken < parts:
            request.code = TOO_SMALL
            charges[i, :, :] = 0
            continue
        joining[first] += parts
        request.parts, request.fee = parts, taken
        made[request.who] += parts - 1
        total += parts
    for i in range(len(asked)):
        if asked[i].parts > 0:
            joining[ways[asked[i].way].path[0]] = 0
    return total


@kernel(
    types.void(
        types.int64, _REQUESTS, _WAYS, _INTS, _FLOATS, _FLOATS, _INTS, _FLOATS, types.int64, types.int64, types.int64
    )
)  # fmt: skip
def record(address, asked, ways, slots, known, waits, places, worth, now, stream, next_id):
    """Write the transfers into which accepted requests are split; the first ids go into the answers.

    Args:
        slots: int64, free ones, one a part.
        known, waits, places: what is published (`Forecast`).
        worth: float64[assets], dollars of an asset's unit.
        now: ms. stream: of the keys of transfers. next_id: of the first.
    """
    n = views(address)
    venues, at = n.meta[0].venues, 0
    for i in range(len(asked)):
        request = asked[i]
        if request.parts == 0:
            continue
        way = ways[request.way]
        seconds = 0.0
        for k in range(way.hops):
            seconds += expected(n, known, waits, places, way.path[k], np.float64(now))
        arrival = 1000.0 * seconds
        net, key = request.amount - request.fee, np.int64(draw(stream, request.key, FOREVER))
        request.id = next_id + at
        for part in range(request.parts):
            job = n.transfers[slots[at]]
            job.id, job.owner, job.event = next_id + at, request.owner, request.event
            job.key = key + (request.nth + part) * (MAX_HOPS + 2)
            job.row_from, job.row_to = request.row_from, request.row_to
            job.node_from, job.node_to, job.asset = request.node_from, request.node_to, request.asset
            job.stage, job.hop, job.hops = QUEUED, 0, way.hops
            for k in range(MAX_HOPS):
                job.path[k] = way.path[k]
            job.edge = way.path[0]
            job.amount = net // request.parts + (1 if part < net % request.parts else 0)
            job.fee = request.fee if part == 0 else 0
            job.sent_ms, job.due_ms = now, NEVER_MS
            job.expected_ms = now + np.int64(np.ceil(arrival)) if arrival < NEVER_MS else NEVER_MS
            job.joined_ms, job.place, job.bid, job.tie = 0.0, 0, 0.0, 0.0
            job.value = job.amount * worth[request.asset]
            job.leg, job.branch, job.station, job.next, job.other = 0, NONE, NONE, NONE, NONE
            job.advanced = NONE
            job.holder = request.node_from if request.node_from < venues else NONE
            job.back, job.busy = False, False
            n.totals[request.asset] += job.amount
            at += 1
