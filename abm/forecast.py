"""What stations publish: how long a new transfer is to expect at each, and over an edge of such stations.

A venue shows its queue, a chain its base fee and blocks, a bank its hours. What nobody shows, the true times of
services to come, is not used. Worked out when first asked for, once a step; only the queue of an edge without a path is
always as it is now.
"""

from __future__ import annotations

import math

import numpy as np

from abm.allowances import line_free
from abm.chains import EXPONENTIAL
from abm.jit import inlined, kernel
from abm.stations import ALLOWANCE, CHAIN, CREDIT, DELAY, HOURS, INF, NONE, SERVERS, WALLET, Tables, views

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

PAID_AHEAD = -1.0


@inlined
def _next(x, now):
    """Time to the next refill or block, ms."""
    return x.period - np.mod(now - x.clock_ms, x.period)


@inlined
def _room(x, now):
    """What is in an allowance's bucket, dollars."""
    return min(x.cap, x.room + x.rate * max(0.0, now - x.room_ms))


@inlined
def _shut(x):
    """Whether a station serves nobody, and it is not for its hours."""
    return x.failed or not x.admits or (not x.open and x.kind != HOURS)


@inlined
def _station(n, r, blocks, now):
    """ms at a station; inf if it is shut, before a bank opens the time until then, or PAID_AHEAD."""
    x = n.resources[r]
    kind = x.kind
    if _shut(x):
        return INF
    if kind == HOURS:
        return 0.0 if x.open else x.clock_ms - now
    if kind == SERVERS:
        ahead = max(0, x.waiting + x.busy - x.servers + 1)
        return x.fixed * (1.0 + ahead / x.servers) + x.per_value * x.waiting_value / x.servers
    if kind == DELAY:
        return x.fixed
    if kind == WALLET:
        return _next(x, now) if x.waiting > 0 or x.hot <= 0 else 0.0
    if kind == CHAIN:
        first = x.period if x.law == EXPONENTIAL else _next(x, now)
        return first + x.period * (x.waiting // x.slots + blocks)
    if kind == ALLOWANCE:
        short = x.waiting_value - _room(x, now)
        if short <= 0.0:
            return 0.0
        return short / x.rate if x.rate > 0.0 else INF
    if kind == CREDIT and line_free(n, r) > 0.0:
        return PAID_AHEAD
    return 0.0


@inlined
def _line(n, e, now):
    """Seconds over an edge without a path: its queue, without what of its head is done, and its latency."""
    edge = n.edges[e]
    delay = INF
    if edge.open and edge.capacity > 0.0:
        delay = edge.waiting_amount / edge.capacity + edge.latency
    if edge.head_ms < INF:
        amount = n.transfers[n.resources[e].head].amount
        delay += min(0.0, max(0.0, edge.head_ms - now) / 1000.0 - amount / edge.capacity)
    return delay


@inlined
def expected(n, known, waits, places, e, now):
    """Seconds for a new transfer on an edge; inf where it is shut. For the arrays see `Forecast`."""
    edge = n.edges[e]
    if edge.last - edge.first == 1:
        return _line(n, e, now)
    if np.isnan(known[e]):
        total = 0.0 if edge.on else INF
        for leg in range(edge.first + 1, edge.last):
            place = places[leg]
            if np.isnan(waits[place]):
                waits[place] = _station(n, np.int64(n.paths[leg]), edge.blocks, now)
            if waits[place] == PAID_AHEAD:
                break
            total += waits[place] / 1000.0
        known[e] = total
    return known[e]


@kernel("f8(i8,f8[::1],f8[::1],i8[::1],i8,f8)")
def _expected(address, known, waits, places, e, now):
    """`expected`, asked from outside."""
    return expected(views(address), known, waits, places, e, now)


class Forecast:
    """Published waits, kept until there is something new to publish.

    Args:
        tables: the network's.

    Attributes:
        known: float64[edges], seconds over an edge with a path; NaN = not asked for yet.
        waits: float64[places], ms at a station for so many confirmations: edges share stations.
        places: int64[stations of all edges], where in `waits`.
    """

    def __init__(self, tables: Tables) -> None:
        self._address = tables.address
        edges, paths = tables["edges"], tables["paths"]
        self.known = np.full(len(edges), math.nan)
        self.places = np.full(len(paths), NONE, np.int64)
        pairs: dict[tuple[int, int], int] = {}
        for edge in edges:
            for leg in range(edge["first"] + 1, edge["last"]):
                pair = int(paths[leg]), int(edge["blocks"])
                self.places[leg] = pairs.setdefault(pair, len(pairs))
        self.waits = np.full(len(pairs), math.nan)

    def forget(self) -> None:
        """There is something new to publish."""
        self.known.fill(math.nan)
        self.waits.fill(math.nan)

    def of(self, edge: int, now_ms: int) -> float:
        """Seconds for a new transfer on an edge, by number, as published at a moment; inf where it is shut."""
        seconds: float = _expected(self._address, self.known, self.waits, self.places, edge, now_ms)
        return seconds
