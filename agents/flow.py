"""The arithmetic of noise flow: how lively a book is, who has an order in a step, and what they send.

Activity feeds on activity: a self-exciting (Hawkes) process for each book, whose kernel is a sum of exponentials, so
that a book remembers a few numbers instead of its past orders. Signs have long memory because most orders are parts of
larger ones whose lengths have a heavy tail (Lillo, Mike and Farmer 2005). Compiled passes over all stations and over
the few that are awake; their twins in numpy are `tests.twins.flows`. Draws of a station are one hash of its row's
draw, its book and a purpose (`agents.desks.spread`).
"""

from __future__ import annotations

import numpy as np

from abm.jit import BOOLS, CONSTANT, INTS, inlined, kernel
from abm.random import inverse_normal
from agents.desks import purpose, station

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

ARRIVAL, SIDE, LENGTH, PART, OWN = (
    purpose(word) for word in ("arrival", "side", "length", "part", "own side")
)
SIZE, PATIENCE, BEHIND = (purpose(word) for word in ("size", "patience", "behind"))
TABLE = "Array(f8, 2, 'C', readonly=True)"


@inlined
def poisson(luck, mean):
    """The Poisson count at a uniform draw, by adding up probabilities; 0 where luck < exp(-mean)."""
    if mean > 500.0:  # exp(-mean) is near the end of floats: the normal law, which it has become
        return max(int(mean + np.sqrt(mean) * inverse_normal(luck) + 0.5), 1)
    k = 0
    probability = np.exp(-mean)
    below = probability
    while luck >= below and k < 1000:
        k += 1
        probability *= mean / k
        below += probability
    return k


@kernel(
    f"i8(f8,f8,f8,f8,f8,f8[::1],f8[::1],i8[::1],i8[::1],{INTS},f8[::1],f8[::1],{BOOLS},f8[::1],f8[:,::1],"
    "i8[::1],i8[::1])"
)
def arrivals(
    dt,
    activity,
    most,
    branching,
    across,
    keep,
    weight,
    drawn,
    book,
    coin,
    rate,
    stress,
    halted,
    served,
    echo,
    awake,
    trades,
):
    """Find the stations with orders in this step, and how many each has.

    A book's rate is (1 - branching) x its calm rate x what stress makes of it, and for each past order `branching`
    further ones, spread over time by the kernel, in part in the other books of the coin. Its mean is that without
    feedback, as long as branching is below 1.

    Args:
        dt: seconds. activity: exponent of stress, which is followed from 1 to `most`. branching: further orders that
        an order brings about; across: part of them in any book of the coin, by their rates. keep, weight: float64[K],
        of each exponential: what is left after a step, its share. drawn: int64[n], bits of the stations' draws. book:
        int64[n]. coin: of the books. rate: float64[n], orders a second of all stations of the book. served: float64[n],
        how many these are. stress, halted: [books].
        echo: float64[K, books], orders of the past, fading; moved on.
        awake, trades: int64[n], out: stations with orders, and how many.

    Returns how many are awake.
    """
    books, coins = len(stress), coin.max() + 1
    lift, fed, sent = np.empty(books), np.zeros(books), np.zeros(books)
    usual, common, total = np.zeros(books), np.zeros(coins), np.zeros(coins)
    for i in range(len(book)):
        usual[book[i]] = rate[i]
    for b in range(books):
        lift[b] = min(max(stress[b], 1.0), most) ** activity
        for k in range(len(keep)):
            fed[b] += weight[k] * (1.0 - keep[k]) * echo[k, b]
        common[coin[b]] += fed[b]
        total[coin[b]] += usual[b]
    for b in range(books):
        if total[coin[b]] > 0:
            fed[b] += across * (common[coin[b]] * usual[b] / total[coin[b]] - fed[b])
    n = 0
    for i in range(len(book)):
        b = book[i]
        expected = ((1.0 - branching) * rate[i] * dt * lift[b] + branching * fed[b]) / served[i]
        if halted[b]:
            continue
        count = poisson(station(ARRIVAL, drawn[i]), expected)
        if count > 0:
            awake[n], trades[n] = i, count
            sent[b] += count
            n += 1
    for b in range(books):
        for k in range(len(keep)):
            echo[k, b] = keep[k] * echo[k, b] + sent[b]
    return n


@kernel(
    f"UniTuple(i8,2)(i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],"
    f"b1[::1],f8[::1],{CONSTANT},{CONSTANT},{TABLE},{TABLE},"
    "f8,f8,f8,f8,f8,f8,f8,f8,f8,i8,f8[::1],f8[::1],f8[::1],i8[:,::1],f8[::1],i8[:,::1],f8[::1],f8[::1])"
)
def orders(
    awake, trades, row, book, trader, drawn, rate, held, cash, home, calm, spot, lot, bid, ask, depth_bid,
    depth_ask, inventory, metaorders, tail, longest, turnover, dispersion, largest, patient, behind, most,
    shortest, left, way, takes, taken, rests, rested, price,
):  # fmt: skip
    """The orders of every station that is awake: one that rests, or what it takes in as many as the trades it makes.

    Args:
        awake, trades: int64[n], stations and their orders in the step. row, book, trader, drawn, rate, home:
        [stations]; the stations of a trader work on one larger order.
        held, cash: float64[n], coins and (for spot) money that may be spent. rate in orders a second, home in coins.
        calm: float64[books], coins within 1 % in calm times. spot, lot, bid, ask: [books].
        inventory: multiple of calm depth. metaorders: share of orders that are parts of a larger one. tail: Pareto
        index of its length; longest: multiple of the shortest. turnover: share of the depth within 1 % a minute.
        dispersion: of log size. largest: share of the depth within 0.5 %. patient: share of orders. behind: mean
        distance behind the touch, share of price. most: orders that a station takes with in a step.
        shortest, left, way: float64[traders], orders of the shortest metaorder; of the present one what is left, and
        its side; moved on. depth_bid, depth_ask: float64[4, books], coins within 0.5, 1, 2, 5 %.
        takes, rests: int64[3, n most], int64[3, n], out: row, book and side of orders (+1 buys); taken, rested: their
        coins; price: of those that rest.

    Returns: how many take, how many rest.
    """
    now, later = 0, 0
    for k in range(len(awake)):
        i = awake[k]
        b, t, bits = book[i], trader[i], drawn[i]
        used = (held[k] - home[i]) / (inventory * max(calm[b], 1e-300))
        if left[t] <= 0.0 or way[t] * used >= 1.0:  # done, or given up: its owner holds what he may
            way[t] = 1.0 if station(SIDE, bits) < 0.5 - 0.5 * used else -1.0
            left[t] = shortest[t] * min(station(LENGTH, bits) ** (-1.0 / tail), longest)
        if station(PART, bits) < metaorders:
            side = 1 if way[t] > 0 else -1
            left[t] -= trades[k]
        else:
            side = 1 if station(OWN, bits) < 0.5 - 0.5 * used else -1
        # size: a share of the depth seen on both sides (by one side alone the deeper side would be hit harder and
        # grow deeper still), bounded on the side to be hit; the trades of a step have one size
        near = depth_ask[0, b] if side > 0 else depth_bid[0, b]
        depth = 0.5 * (depth_bid[1, b] + depth_ask[1, b])
        luck = np.exp(dispersion * inverse_normal(station(SIZE, bits)) - dispersion**2 / 2)
        size = min(turnover * depth / (60.0 * rate[i]) * trades[k] * luck, largest * near)
        if spot[b]:
            means = 0.5 * held[k] if side < 0 else (0.2 * cash[k] / ask[b] if ask[b] > 0 else 0.0)
            size = min(size, means)
        if not (size >= lot[b] and bid[b] > 0 and ask[b] > 0):
            left[t] = 0.0
            continue
        if station(PATIENCE, bits) < patient:
            away = -behind * np.log(station(BEHIND, bits))
            price[later] = bid[b] * (1.0 - away) if side > 0 else ask[b] * (1.0 + away)
            rests[0, later], rests[1, later], rests[2, later], rested[later] = row[i], b, side, size
            later += 1
            continue
        pieces = max(min(trades[k], most, int(size / lot[b])), 1)
        for _ in range(pieces):
            takes[0, now], takes[1, now], takes[2, now], taken[now] = row[i], b, side, size / pieces
            now += 1
    return now, later
