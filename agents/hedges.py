"""What hedgers want of their two legs: the arithmetic that runs over hedges at a look and when something is due.

Compiled passes instead of many operations on short arrays; their twins in plain numpy are in `tests.twins.hedges`.
The legs of hedge h are first[h] .. first[h + 1] - 1; in a pass over some hedges their legs stand one after the other.
`public` is float64[5, books]: mid, last, coins bid and offered within 1 %, mark.
"""

from __future__ import annotations

import numpy as np

from abm.jit import inlined, kernel
from agents.parts import bearable, in_coins

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

MID, LAST, BID, OFFERED, MARK = range(5)


@kernel("i8(b1[::1],i8[::1],i8[::1],i8[::1],i8[::1])")
def touched(changed, row, place, first, out):
    """Hedges of which a leg's account or that of the coins has changed, ascending in `out`; returns how many."""
    n = 0
    for h in range(len(place)):
        moved = changed[max(place[h], 0)]
        for leg in range(first[h], first[h + 1]):
            moved = moved or changed[row[leg]]
        if moved:
            out[n] = h
            n += 1
    return n


@kernel("i8(i8[::1],i8[::1],i8[::1])")
def legs_of(hedges, first, out):
    """The legs of some hedges, one after the other; returns how many."""
    n = 0
    for h in hedges:
        for leg in range(first[h], first[h + 1]):
            out[n] = leg
            n += 1
    return n


@kernel(
    "void(f8[::1],f8[::1],f8[:,::1],i8[::1],f8[::1],f8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8,"
    "i8[:,::1],i8[::1])"
)
def reasons(naked, size, when, spot, short, basis, pair, bound, heard, now_heard, tolerance, found, count):
    """Hedges that have a new reason to act; notes what has been heard.

    Args:
        naked, size, short, bound: float64[hedges], coins, coins, coins, share. when: float64[2, hedges],
            appointments to mend and to leave, inf = none. spot, pair: int64[hedges]. basis: float64[pairs].
        heard, now_heard: float64[hedges], news known at the last look (overwritten) and now.
        found: int64[3, hedges], out: naked ones, those whom the basis pays to leave, those who have heard bad news.
        count: int64[3], out: how many of each.
    """
    count[:] = 0
    for h in range(len(size)):
        if abs(naked[h]) > tolerance * size[h] and not (np.isfinite(when[0, h]) or np.isfinite(when[1, h])):
            found[0, count[0]] = h
            count[0] += 1
        # who has just been found naked still may leave: only an appointment to leave is in the way
        if spot[h] >= 0 and short[h] < 0 and not np.isfinite(when[1, h]):
            if basis[pair[h]] < -bound[h]:
                found[1, count[1]] = h
                count[1] += 1
            if heard[h] - now_heard[h] > 0:
                found[2, count[2]] = h
                count[2] += 1
        heard[h] = now_heard[h]


@inlined
def _bearable(public, book, side, quantity, participation, careless, least):
    """`agents.parts.bearable`, of which small orders and the parts of a leg are let be."""
    least = max(in_coins(public[MID, book], public[LAST, book], careless), least)
    return bearable(side, public[BID, book], public[OFFERED, book], quantity, participation, least)


@kernel("void(i8[::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[:,::1],f8,f8,i8,f8[::1])")
def buy_back(
    hedges, first, legs, book, held, size, quantity, goes, public, participation, careless, parts, back
):
    """Coins to buy in each leg so that the short legs shrink by `quantity`, each in proportion to its size.

    Args:
        hedges: int64[n]. legs: int64[legs]. first, book, size: see the memory of the species.
        held: float64[legs], position in coins. quantity: float64[n], coins; goes: bool[n], who buys at all.
        back: float64[legs], out.
    """
    j = 0
    for i in range(len(hedges)):
        h = hedges[i]
        many, whole = first[h + 1] - first[h], 0.0
        for k in range(j, j + many):
            whole += max(-held[k], 0.0)
        for k in range(j, j + many):
            back[k] = 0.0
            if goes[i] and quantity[i] > 0 and whole > 0:
                short = max(-held[k], 0.0)
                wish = quantity[i] * (short / whole)
                wish = _bearable(public, book[legs[k]], 1, wish, participation, careless, size[h] / parts)
                back[k] = np.minimum(wish, short)
        j += many


@kernel(
    "void(f8[::1],f8[::1],f8[::1],f8[::1],i8[::1],i8[::1],b1[::1],f8[::1],b1[::1],f8[:,::1],f8,f8,f8,f8,i8,"
    "b1[::1],f8[::1],f8[::1],b1[::1])"
)
def mend(
    naked, short, coins, size, book, spot, free, equity, seller, public, tolerance, cover, participation, careless,
    parts, still, sale, again, short_of,
):  # fmt: skip
    """How naked legs are mended: coins sold, the perpetual sold again, or bought back.

    Args:
        naked, short, coins, size: float64[n], coins. book, spot: int64[n], -1 = none. free: bool[n], no order waits.
        equity: float64[n], quote units, of the main leg's account. seller: bool[n], who sells coins rather than the
        perpetual. tolerance: share of `size`. cover: least equity over the short leg's value. participation: share of
        the depth within 1 %. careless: quote units. parts: orders that a leg is traded in at most.
        still: bool[n], out: naked beyond tolerance. sale, again: float64[n], out: coins to sell at spot, at the
        perpetual. short_of: bool[n], out: who has to buy back.
    """
    for i in range(len(naked)):
        sale[i] = again[i] = 0.0
        still[i] = abs(naked[i]) > tolerance * size[i]
        acts = still[i] and free[i]
        short_of[i] = acts and naked[i] < 0
        if not (acts and naked[i] > 0):
            continue
        covered = equity[i] >= cover * (abs(short[i]) + abs(naked[i])) * public[MARK, book[i]]
        if (seller[i] or not covered) and spot[i] >= 0 and coins[i] > 0:
            wish = _bearable(public, spot[i], -1, naked[i], participation, careless, size[i] / parts)
            sale[i] = np.minimum(wish, coins[i])
        elif covered:
            again[i] = _bearable(public, book[i], -1, naked[i], participation, careless, size[i] / parts)


@kernel("void(f8[::1],f8[::1],f8[::1],i8[::1],i8[::1],b1[::1],b1[::1],f8[:,::1],f8,f8,i8,b1[::1],f8[::1])")
def leave(short, coins, size, book, spot, free, pays, public, participation, careless, parts, on, quantity):
    """Coins by which both legs are closed, as the thinner book bears.

    Args:
        short (positive), coins, size: float64[n], coins. book, spot: int64[n]. free, pays: bool[n].
        on: bool[n], out: who goes on leaving. quantity: float64[n], out, 0 for who waits for an order.
    """
    for i in range(len(short)):
        both = np.minimum(short[i], coins[i])
        on[i] = pays[i] and both > 1e-6 * size[i]
        quantity[i] = 0.0
        if on[i] and free[i]:
            wish = _bearable(public, book[i], 1, both, participation, careless, size[i] / parts)
            quantity[i] = _bearable(public, spot[i], -1, wish, participation, careless, size[i] / parts)
