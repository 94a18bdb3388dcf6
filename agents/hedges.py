"""What hedgers want of their two legs: the arithmetic that runs over hedges at a look and when something is due.

Compiled passes instead of many operations on short arrays; their twins in plain numpy are in `tests.twins.hedges`.
The legs of hedge h are first[h] .. first[h + 1] - 1; in a pass over some hedges their legs stand one after the other.
"""

from __future__ import annotations

import numpy as np

from abm.jit import CONSTANT, inlined, kernel
from agents.parts import bearable, in_coins

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

ROW, BOOK = range(2)  # of a leg
MAIN, PLACE, CONTRACT, ASSET = range(
    4
)  # of a hedge: account of its main leg, of its coins; book of the former, coin
BASIS, FEAR = range(2)  # why it leaves
_PUBLIC = ",".join([CONSTANT] * 4)


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


@kernel("i8(i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[:,::1],i8[:,::1])")
def stock(hedges, first, main, row, book, place, asset, accounts, legs):
    """Where some hedges are to be looked at.

    Args:
        hedges: int64[n]. first, main, place, asset: [all hedges]; the main leg, own row with the coins and their asset,
            -1 = none. row, book: [all legs].
        accounts: int64[4, n], out: `MAIN` and `PLACE`, rows (0 for none), `CONTRACT` and `ASSET`.
        legs: int64[2, m or more], out: row and book of their legs, one hedge's after the other's.

    Returns how many legs.
    """
    m = 0
    for i in range(len(hedges)):
        h = hedges[i]
        accounts[MAIN, i], accounts[CONTRACT, i] = row[main[h]], book[main[h]]
        accounts[PLACE, i], accounts[ASSET, i] = max(place[h], 0), asset[h]
        for leg in range(first[h], first[h + 1]):
            legs[ROW, m], legs[BOOK, m] = row[leg], book[leg]
            m += 1
    return m


@inlined
def _sum(values, first, many):
    """Of some values that stand one after the other."""
    total = 0.0
    for k in range(first, first + many):
        total += values[k]
    return total


@kernel(
    "void(i8[::1],f8[::1],f8[::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[:,::1],i8[::1],f8[::1],f8[::1],f8[::1],"
    f"i8[::1],f8[::1],f8[::1],{CONSTANT},f8,i8[:,::1],i8[::1],f8[::1])"
)
def reasons(
    hedges, held, coins, first, main, row, target, size, when, spot, naked, short, basis, pair, bound, heard,
    now_heard, tolerance, found, count, bad,
):  # fmt: skip
    """Hedges that have a new reason to act; notes what they hold and what has been heard.

    Args:
        hedges: int64[n], looked at anew; held: float64[m], coins of their legs; coins: float64[n], owned.
        first, main: int64[hedges]. row: int64[legs]. target, size, naked, short, bound: float64[hedges], coins, coins,
            coins, coins, share. when: float64[2, hedges], appointments to mend and to leave, inf = none.
        spot, pair: int64[hedges]. basis: float64[pairs]. heard: float64[hedges], news known at the last look
            (overwritten); now_heard: float64[rows].
        found: int64[3, hedges], out: naked ones, those whom the basis pays to leave, those who have heard bad news.
        count: int64[3], out: how many of each. bad: float64[hedges], out: how bad the news is, of the last.
    """
    leg = 0
    for i in range(len(hedges)):
        h = hedges[i]
        many = first[h + 1] - first[h]
        short[h] = _sum(held, leg, many)
        naked[h] = coins[i] + short[h] - target[h]
        leg += many
    for k in range(len(count)):
        count[k] = 0
    for h in range(len(size)):
        if abs(naked[h]) > tolerance * size[h] and not (np.isfinite(when[0, h]) or np.isfinite(when[1, h])):
            found[0, count[0]] = h
            count[0] += 1
        now = now_heard[row[main[h]]]
        # who has just been found naked still may leave: only an appointment to leave is in the way
        if spot[h] >= 0 and short[h] < 0 and not np.isfinite(when[1, h]):
            if basis[pair[h]] < -bound[h]:
                found[1, count[1]] = h
                count[1] += 1
            if heard[h] - now > 0:
                found[2, count[2]], bad[count[2]] = h, heard[h] - now
                count[2] += 1
        heard[h] = now


@inlined
def _bearable(mid, last, depth_bid, depth_ask, book, side, quantity, participation, careless, least):
    """`agents.parts.bearable`, of which small orders and the parts of a leg are let be."""
    least = max(in_coins(mid[book], last[book], careless), least)
    return bearable(side, depth_bid[book], depth_ask[book], quantity, participation, least)


@inlined
def _buy_back(
    first, many, quantity, least, held, legs, mid, last, depth_bid, depth_ask, participation, careless, to, bought, n
):  # fmt: skip
    """Orders to buy in each leg so that the short ones shrink by `quantity`, each in proportion to its size."""
    whole = 0.0
    for k in range(first, first + many):
        whole += max(-held[k], 0.0)
    if not (quantity > 0 and whole > 0):
        return n
    for k in range(first, first + many):
        short = max(-held[k], 0.0)
        wish = quantity * (short / whole)
        wish = _bearable(
            mid, last, depth_bid, depth_ask, legs[BOOK, k], 1, wish, participation, careless, least
        )
        coins = min(wish, short)
        if coins != 0:
            to[0, n], to[1, n], bought[n] = legs[ROW, k], legs[BOOK, k], coins
            n += 1
    return n


@kernel(
    "void(i8[::1],i8[:,::1],i8[:,::1],f8[::1],f8[::1],i8[::1],f8[::1],f8[::1],i8[::1],i8[::1],f8[::1],f8[::1],"
    f"{_PUBLIC},{CONSTANT},f8,f8,f8,f8,f8,i8,f8[::1],i8[::1],i8[:,::1],f8[::1],i8[:,::1],f8[::1],i8[::1])"
)
def mend(
    hedges, accounts, legs, held, coins, waiting, equity, luck, first, spot, target, size,
    mid, last, depth_bid, depth_ask, mark, tolerance, resell, cover, participation, careless, parts,
    again, still, sells, sold, buys, bought, count,
):  # fmt: skip
    """How naked legs are mended: coins sold, the perpetual sold again, or bought back.

    Args:
        hedges, accounts, legs: as from `stock`. held: float64[m], coins of the legs; coins: float64[n], owned.
        waiting: int64[2 n], messages under way of the main leg's accounts, then of those of the coins. equity:
        float64[n], quote units, of the main leg's account. luck: float64[n], who draws less than `resell` sells coins
        rather than the perpetual. first, spot: int64[hedges]; target, size: float64[hedges], coins.
        mid, last, mark: float64[books], prices, NaN = none; depth_bid, depth_ask: coins within 1 %.
        tolerance: share of `size`. cover: least equity over the short leg's value. participation: share of the depth
        within 1 %. careless: quote units. parts: orders that a leg is traded in at most.
        again: float64[n], scratch.
        still: int64[n], out: hedges naked beyond tolerance. sells: int64[2, n], buys: int64[2, m], out: row and book of
        orders, coins before perpetuals; sold, bought: their coins. count: int64[3], out: how many of each.
    """
    for k in range(len(count)):
        count[k] = 0
    n, after = len(hedges), 0
    for i in range(n):
        h, book, leg = hedges[i], accounts[CONTRACT, i], after
        many = first[h + 1] - first[h]
        after = leg + many
        short, again[i] = _sum(held, leg, many), 0.0
        naked, least = coins[i] + short - target[h], size[h] / parts
        if not abs(naked) > tolerance * size[h]:
            continue
        still[count[0]] = h
        count[0] += 1
        if waiting[i] > 0 or waiting[n + i] > 0:
            continue
        if naked < 0:
            count[2] = _buy_back(
                leg, many, -naked, least, held, legs, mid, last, depth_bid, depth_ask, participation, careless, buys,
                bought, count[2],
            )  # fmt: skip
            continue
        covered = equity[i] >= cover * (abs(short) + abs(naked)) * mark[book]
        coin = (luck[i] < resell or not covered) and spot[h] >= 0 and coins[i] > 0
        if not (coin or covered):
            continue
        where = spot[h] if coin else book
        wish = _bearable(mid, last, depth_bid, depth_ask, where, -1, naked, participation, careless, least)
        if coin:
            sells[0, count[1]], sells[1, count[1]] = accounts[PLACE, i], where
            sold[count[1]] = min(wish, coins[i])
            count[1] += 1
        else:
            again[i] = wish
    for i in range(n):
        if again[i] != 0:
            sells[0, count[1]], sells[1, count[1]] = accounts[MAIN, i], accounts[CONTRACT, i]
            sold[count[1]] = again[i]
            count[1] += 1


@kernel(
    "void(i8[::1],i8[:,::1],i8[:,::1],f8[::1],f8[::1],i8[::1],i8[::1],i8[::1],f8[::1],i1[::1],f8[::1],i8[::1],f8[::1],"
    f"{_PUBLIC},f8,f8,i8,f8[::1],i8[::1],i8[:,::1],f8[::1],i8[:,::1],f8[::1],i8[::1])"
)
def leave(
    hedges, accounts, legs, held, coins, waiting, first, spot, size, why, basis, pair, bound,
    mid, last, depth_bid, depth_ask, participation, careless, parts, quantity, on, sells, sold, buys, bought,
    count,
):  # fmt: skip
    """Close both legs by the same amount, as the thinner book bears.

    Args:
        hedges .. waiting, first, spot, size, mid .. parts: as in `mend`. why: int8[hedges], `BASIS` or `FEAR`. basis:
        float64[pairs]; pair: int64[hedges]; bound: float64[hedges], negative basis at which leaving has begun.
        quantity: float64[n], scratch.
        on: int64[n], out: hedges that go on leaving. sells: int64[2, n], buys: int64[2, m], out: row and book of orders
        to sell coins and to buy the perpetual, those of `BASIS` first; sold, bought: their coins.
        count: int64[5], out: how many go on; where the sales, then where the purchases end of each reason.
    """
    for k in range(len(count)):
        count[k] = 0
    n, leg = len(hedges), 0
    for i in range(n):
        h = hedges[i]
        many = first[h + 1] - first[h]
        both, quantity[i] = min(-_sum(held, leg, many), coins[i]), 0.0
        leg += many
        pays = why[h] == FEAR or basis[pair[h]] < -0.25 * bound[h]
        if not (pays and both > 1e-6 * size[h]):
            continue
        on[count[0]] = h
        count[0] += 1
        if waiting[i] == 0 and waiting[n + i] == 0:
            book, least = accounts[CONTRACT, i], size[h] / parts
            wish = _bearable(mid, last, depth_bid, depth_ask, book, 1, both, participation, careless, least)
            quantity[i] = _bearable(
                mid, last, depth_bid, depth_ask, spot[h], -1, wish, participation, careless, least
            )
    sales = purchases = 0
    for reason in range(2):
        after = 0
        for i in range(n):
            h, leg = hedges[i], after
            many = first[h + 1] - first[h]
            after = leg + many
            if why[h] != reason or not quantity[i] > 0:
                continue
            purchases = _buy_back(
                leg, many, quantity[i], size[h] / parts, held, legs, mid, last, depth_bid, depth_ask, participation,
                careless, buys, bought, purchases,
            )  # fmt: skip
            sells[0, sales], sells[1, sales], sold[sales] = accounts[PLACE, i], spot[h], quantity[i]
            sales += 1
        count[1 + reason], count[3 + reason] = sales, purchases
