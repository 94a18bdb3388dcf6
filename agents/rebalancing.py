"""Towards a target, slowly: when an account looks at its positions, and the order that it sends then."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.jit import kernel
from abm.market import Market, Me

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHIFTS = 6  # times at which some look, in the time between two looks of one


def phases(me: Me, row: Ints, look: float) -> Floats:
    """When stations look, seconds after a multiple of `look`: each in the shift that its row has drawn."""
    drawn = np.asarray(me.uniform("phase", row, forever=True))
    result: Floats = np.floor(SHIFTS * drawn) * (look / SHIFTS)
    return result


def in_turn(market: Market, phase: Floats, look: float) -> Ints:
    """Stations whose time to look has come in this step."""
    now = np.empty(len(phase), np.int64)
    return now[: _in_turn(market.time, market.dt, look, phase, now)]


@kernel("i8(f8,f8,f8,f8[::1],i8[::1])")
def _in_turn(time, dt, look, phase, now):  # type: ignore[no-untyped-def]
    """`in_turn`, ascending in `now`; returns how many."""
    n = 0
    for i in range(len(phase)):
        if (time - phase[i]) % look < dt - 1e-9:
            now[n] = i
            n += 1
    return n


def trade_towards(
    me: Me, market: Market, row: Ints, book: Ints, target: Any, look: float, pace: float, part: float, reach: float
) -> None:  # fmt: skip
    """Send what a station trades towards its target until its next look.

    Args:
        row, book: int64[n], stations. target: float64[n], coins. look, pace: s, time to the next look and to most of
        the way. part: largest order over the depth displayed within 0.5 %. reach: log price, how far through the
        middle.
    """
    step = (target - me.position(row, book)) * -np.expm1(-look / pace)
    side = np.where(step > 0, 1, -1)
    depth = np.where(side > 0, market.depth_ask[0][book], market.depth_bid[0][book])
    coins = np.minimum(np.abs(step), part * depth)
    middle = market.mid[book]
    go = (coins >= market.books.lot[book]) & (middle > 0) & ~market.halted[book] & (me.waiting(row) == 0)
    some = np.flatnonzero(go)
    if len(some):
        price = middle[some] * np.exp(side[some] * reach)
        me.limit(row[some], book[some], side[some], price, coins[some], tif="ioc")
