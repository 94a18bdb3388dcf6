"""The arithmetic of noise flow: who is awake in a step, and what they send.

Two compiled passes, one over all stations and one over the few that woke up; their twins in numpy are
`tests.twins.flows`. Draws of a station are one hash of its row's draw, its book and a purpose (`agents.desks.spread`).
"""

from __future__ import annotations

import numpy as np

from abm.jit import BOOLS, CONSTANT, kernel
from abm.random import inverse_normal
from agents.desks import purpose, station

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

ARRIVAL, MOOD, SIDE = purpose("arrival"), purpose("mood"), purpose("side")
SIZE, PATIENCE, BEHIND, PIECES = purpose("size"), purpose("patience"), purpose("behind"), purpose("pieces")
TABLE = "Array(f8, 2, 'C', readonly=True)"


@kernel(f"i8(f8,f8,f8,f8,i8[::1],i8[::1],f8[::1],f8[::1],{BOOLS},f8[::1],f8,f8[::1],f8[::1],i8[::1],f8[::1])")
def arrivals(
    now, dt, activity, most, drawn, book, rate, stress, halted, served, persistence, mood, woke, awake, mean
):
    """Find the stations with an order in this step, and bring their mood up to date.

    The mood (sign of flow) is an autoregression in time: advanced by one draw over all the time since it was last
    needed, it has the same law as when it is advanced in every step.

    Args:
        now, dt: seconds. activity: exponent of stress, which is followed from 1 to `most`. persistence: seconds.
        drawn: int64[n], bits of the stations' draws. book: int64[n]. served: float64[n], stations that
        serve the book. rate: float64[n], orders a second of all of them. stress, halted: [books].
        mood, woke: float64[n], standard normal, and the time of its last value; both are moved on.
        awake, mean: [n], out: stations with an order, and their expected number of trades.

    Returns how many are awake.
    """
    lift = np.empty(len(stress))
    for b in range(len(stress)):
        lift[b] = min(max(stress[b], 1.0), most) ** activity
    n = 0
    for i in range(len(book)):
        b = book[i]
        expected = rate[i] * dt * lift[b] / served[i]
        if halted[b] or not station(ARRIVAL, drawn[i]) < 1.0 - np.exp(-expected):
            continue
        keep = np.exp(-(now - woke[i]) / persistence)
        mood[i] = keep * mood[i] + np.sqrt(1.0 - keep * keep) * inverse_normal(station(MOOD, drawn[i]))
        woke[i] = now
        awake[n], mean[n] = i, expected
        n += 1
    return n


@kernel(
    f"UniTuple(i8,2)(i8[::1],f8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],"
    f"f8[::1],b1[::1],f8[::1],{CONSTANT},{CONSTANT},{TABLE},{TABLE},"
    "f8,f8,f8,f8,f8,f8,f8,i8,i8[:,::1],f8[::1],i8[:,::1],f8[::1],f8[::1])"
)
def orders(
    awake, mean, split, row, book, name, drawn, mood, rate, held, cash, home, calm, spot, lot, bid, ask, depth_bid,
    depth_ask, inventory, imbalance, turnover, dispersion, largest, patient, behind, most,
    takes, taken, rests, rested, price,
):  # fmt: skip
    """The orders of every station that is awake: one that rests, or what it takes in as many as the trades it makes.

    Args:
        awake: int64[n], stations. mean: float64[n], expected trades in the step. split: int64[n], bits of the draws by
        which trades are put into orders. row, book, name, drawn, mood, rate, home: [stations], name is the book's key.
        held, cash: float64[n], coins and (for spot) money that may be spent. rate in orders a second, home in coins.
        calm: float64[books], coins within 1 % in calm times. spot, lot, bid, ask: [books].
        inventory: multiple of calm depth. imbalance: share. turnover: share of the depth within 1 % a minute.
        dispersion: of log size. largest: share of the depth within 0.5 %. patient: share of orders. behind: mean
        distance behind the touch, share of price. most: orders that a station takes with in a step.
        depth_bid, depth_ask: float64[4, books], coins within 0.5, 1, 2, 5 %.
        takes, rests: int64[3, n most], int64[3, n], out: row, book and side of orders (+1 buys); taken, rested: their
        coins; price: of those that rest.

    Returns: how many take, how many rest.
    """
    now, later = 0, 0
    for k in range(len(awake)):
        i = awake[k]
        b, bits = book[i], drawn[i]
        lean = 2.0 * imbalance * np.tanh(mood[i]) - (held[k] - home[i]) / (inventory * max(calm[b], 1e-300))
        side = 1 if station(SIDE, bits) < 0.5 + 0.5 * lean else -1
        # size: a share of the depth seen on both sides (by one side alone the deeper side would be hit harder and
        # grow deeper still), bounded on the side to be hit; the trades of a step go as one order
        near = depth_ask[0, b] if side > 0 else depth_bid[0, b]
        depth = 0.5 * (depth_bid[1, b] + depth_ask[1, b])
        trades = 1.0 + max(mean[k] - 0.5, 0.0)  # mean number of trades given that there is one, nearly
        luck = np.exp(dispersion * inverse_normal(station(SIZE, bits)) - dispersion**2 / 2)
        size = min(turnover * depth / (60.0 * rate[i]) * trades * luck, largest * near)
        if spot[b]:
            means = 0.5 * held[k] if side < 0 else (0.2 * cash[k] / ask[b] if ask[b] > 0 else 0.0)
            size = min(size, means)
        if not (size >= lot[b] and bid[b] > 0 and ask[b] > 0):
            continue
        if station(PATIENCE, bits) < patient:
            away = -behind * np.log(station(BEHIND, bits))
            price[later] = bid[b] * (1.0 - away) if side > 0 else ask[b] * (1.0 + away)
            rests[0, later], rests[1, later], rests[2, later], rested[later] = row[i], b, side, size
            later += 1
            continue
        # as many orders as trades, on average, but none below a lot
        pieces = max(min(int(trades + station(PIECES, split[k] ^ name[i])), most, int(size / lot[b])), 1)
        for _ in range(pieces):
            takes[0, now], takes[1, now], takes[2, now], taken[now] = row[i], b, side, size / pieces
            now += 1
    return now, later
