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
SIZE, PATIENCE, BEHIND = purpose("size"), purpose("patience"), purpose("behind")
TABLE = "Array(f8, 2, 'C', readonly=True)"
TAKES, RESTS = 1, 2  # what a station sends; 0 is nothing


@kernel(f"i8(f8,f8,f8,i8[::1],i8[::1],f8[::1],f8[::1],{BOOLS},f8[::1],f8,f8[::1],f8[::1],i8[::1],f8[::1])")
def arrivals(
    now, dt, activity, drawn, book, rate, stress, halted, served, persistence, mood, woke, awake, mean
):
    """Find the stations with an order in this step, and bring their mood up to date.

    The mood (sign of flow) is an autoregression in time: advanced by one draw over all the time since it was last
    needed, it has the same law as when it is advanced in every step.

    Args:
        now, dt: seconds. activity: exponent of stress. persistence: seconds.
        drawn: int64[n], bits of the stations' draws. book: int64[n]. served: float64[n], stations that
        serve the book. rate: float64[n], orders a second of all of them. stress, halted: [books].
        mood, woke: float64[n], standard normal, and the time of its last value; both are moved on.
        awake, mean: [n], out: stations with an order, and their expected number of trades.

    Returns how many are awake.
    """
    lift = np.empty(len(stress))
    for b in range(len(stress)):
        lift[b] = stress[b] ** activity
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
    f"void(i8[::1],f8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[::1],"
    f"{CONSTANT},{CONSTANT},{TABLE},{TABLE},"
    "f8,f8,f8,f8,f8,f8,f8,i8[::1],i8[::1],f8[::1],f8[::1])"
)
def orders(
    awake, mean, drawn, book, mood, rate, held, cash, home, calm, spot, lot, bid, ask, depth_bid, depth_ask,
    inventory, imbalance, turnover, dispersion, largest, patient, behind, kind, side, size, price,
):  # fmt: skip
    """Side, size and price of the order of every station that is awake.

    Args:
        awake: int64[n], stations. mean: float64[n], expected trades in the step. drawn, book, mood, rate, home:
        [stations]. held, cash: float64[n], coins and (for spot) money that may be spent.
        rate in orders a second, home in coins.
        calm: float64[books], coins within 1 % in calm times. spot, lot, bid, ask: [books].
        inventory: multiple of calm depth. imbalance: share. turnover: share of the depth within 1 % a minute.
        dispersion: of log size. largest: share of the depth within 0.5 %. patient: share of orders. behind: mean
        distance behind the touch, share of price.
        depth_bid, depth_ask: float64[4, books], coins within 0.5, 1, 2, 5 %.
        kind, side, size, price: [n], out: `TAKES`, `RESTS` or 0; +1 buys; coins; price where it rests.
    """
    for k in range(len(awake)):
        i = awake[k]
        b, bits = book[i], drawn[i]
        lean = 2.0 * imbalance * np.tanh(mood[i]) - (held[k] - home[i]) / (inventory * max(calm[b], 1e-300))
        side[k] = 1 if station(SIDE, bits) < 0.5 + 0.5 * lean else -1
        # size: a share of the depth seen on both sides (by one side alone the deeper side would be hit harder and
        # grow deeper still), bounded on the side to be hit; the trades of a step go as one order
        near = depth_ask[0, b] if side[k] > 0 else depth_bid[0, b]
        depth = 0.5 * (depth_bid[1, b] + depth_ask[1, b])
        trades = 1.0 + max(mean[k] - 0.5, 0.0)  # mean number of trades given that there is one, nearly
        luck = np.exp(dispersion * inverse_normal(station(SIZE, bits)) - dispersion**2 / 2)
        size[k] = min(turnover * depth / (60.0 * rate[i]) * trades * luck, largest * near)
        if spot[b]:
            means = 0.5 * held[k] if side[k] < 0 else (0.2 * cash[k] / ask[b] if ask[b] > 0 else 0.0)
            size[k] = min(size[k], means)
        kind[k] = 0
        if size[k] >= lot[b] and bid[b] > 0 and ask[b] > 0:
            kind[k] = RESTS if station(PATIENCE, bits) < patient else TAKES
        away = -behind * np.log(station(BEHIND, bits))
        price[k] = bid[b] * (1.0 - away) if side[k] > 0 else ask[b] * (1.0 + away)
