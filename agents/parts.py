"""How much of what it wants a crowd's account sends at once: no more than the book bears, no less than a part.

Compiled passes over the few accounts that are due; their twins in plain numpy are `tests.twins.parts`.
"""

from __future__ import annotations

import numpy as np

from abm.jit import CONSTANT, INTS, inlined, kernel

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

FLAT, BUSY, SENDS = range(3)


@inlined
def in_coins(mid, last, amount):
    """An amount of the quote asset in coins at the mid, or the last price where a side is empty; 0 if unknown."""
    price = mid if mid > 0 else last
    return amount / price if price > 0 else 0.0


@inlined
def bearable(side, depth_bid, depth_ask, quantity, share, least):
    """At most `share` of what stands within 1 % on the side that an order takes from, but `least` in any case."""
    depth = depth_ask if side > 0 else depth_bid
    most = share * depth
    if not most > least:
        most = least
    return min(quantity, most)


@kernel(
    f"void(f8[::1],i8[::1],b1[::1],f8[::1],{INTS},{CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},f8,f8,f8,f8,f8,"
    "i8[::1],f8[::1])"
)
def closing(
    position, waiting, hasty, usual, book, mid, last, depth_bid, depth_ask, careless, parts, patient_parts, haste,
    patience, state, quantity,
):  # fmt: skip
    """What to send of positions that are to be closed.

    Args:
        position: float64[n], coins, signed. waiting: int64[n], own messages under way. hasty: bool[n], must out.
        usual: float64[n], coins of a whole position. book: int64[n].
        mid, last, depth_bid, depth_ask: float64[books], prices, coins within 1 %, NaN = none.
        careless: quote units; parts, patient_parts: orders of a whole position; haste, patience: shares of depth.
        state, quantity: out, [n]: `FLAT`, `BUSY` or `SENDS`, and coins.
    """
    for i in range(len(position)):
        quantity[i] = 0.0
        if position[i] == 0:
            state[i] = FLAT
        elif waiting[i] > 0:
            state[i] = BUSY
        else:
            state[i] = SENDS
            b = book[i]
            least = max(
                in_coins(mid[b], last[b], careless), usual[i] / (parts if hasty[i] else patient_parts)
            )
            share = haste if hasty[i] else patience
            quantity[i] = bearable(-position[i], depth_bid[b], depth_ask[b], abs(position[i]), share, least)


@kernel(
    f"void(f8[::1],f8[::1],f8[::1],i8[::1],{INTS},{CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},f8,f8,f8,f8[::1])"
)
def building(
    side, goal, has, waiting, book, mid, last, depth_bid, depth_ask, careless, parts, patience, quantity
):
    """What to send of positions that are to be opened: arguments as in `closing`; goal, has: coins of the side."""
    for i in range(len(goal)):
        b = book[i]
        least = max(in_coins(mid[b], last[b], careless), goal[i] / parts)
        wanted = goal[i] - has[i] if waiting[i] == 0 else 0.0
        quantity[i] = bearable(side[i], depth_bid[b], depth_ask[b], wanted, patience, least)


@kernel("i8(f8[::1],i8[::1],f8,i8[::1],f8[::1])")
def ripe(when, soon, now, found, nearest):
    """Take the appointments that have come off the short list: `found` gets their numbers, ascending and once each.

    Args:
        when: float64[kinds x entries], seconds; what has come is struck out (inf).
        soon: int64[m], the short list, some of it perhaps twice; what stays is moved to its front.
        now: seconds. found: int64[m], out.
        nearest: float64[2], out: earliest time that stays, and how many stay.

    Returns how many have come.
    """
    count, kept, first = 0, 0, np.inf
    for i in range(len(soon)):
        at = when[soon[i]]
        if at <= now:
            found[count] = soon[i]
            when[soon[i]] = np.inf
            count += 1
        elif at < np.inf:
            soon[kept] = soon[i]
            kept += 1
            first = min(first, at)
    found[:count].sort()
    nearest[0], nearest[1] = first, kept
    return count


@kernel(f"UniTuple(b1,2)(i8[::1],f8[::1],{CONSTANT},{CONSTANT},f8,f8[::1],f8[:,::1],f8[:,::1])")
def follow(book, side, last, mark, weight, slow, nearest, value):
    """What groups of accounts (one book, one side) watch in every step: the price, and its slow average.

    Args:
        book: int64[groups]. side: float64[groups], +1 long. last, mark: float64[books], NaN = none.
        weight: of the new price in the average. slow: float64[groups], the average, moved on; NaN before.
        nearest: float64[3, groups], the level to be reached next of stops, margin calls and profit targets.
        value: float64[3, groups], out: what the levels are compared with; it falls towards them.

    Returns: whether every price is known, whether any level has been reached.
    """
    known, hit = True, False
    for g in range(len(book)):
        price = last[book[g]] if np.isfinite(last[book[g]]) else mark[book[g]]
        if not np.isfinite(price):
            known = False
        elif np.isnan(slow[g]):
            slow[g] = price
        else:
            slow[g] += weight * (price - slow[g])
        for k in range(3):  # a stop and a call wait for the price to go against the position
            value[k, g] = side[g] * price if k < 2 else -side[g] * price
            if value[k, g] <= nearest[k, g]:
                hit = True
    return known, hit
