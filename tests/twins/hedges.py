"""A hedger's arithmetic in plain numpy, one array operation a line: the twin of `agents.hedges`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.hedges import ASSET, BOOK, CONTRACT, FEAR, MAIN, PLACE, ROW


def _legs(hedges: Any, first: Any) -> tuple[Any, Any]:
    parts = [np.arange(first[h], first[h + 1]) for h in hedges]
    which = np.repeat(np.arange(len(hedges)), [len(part) for part in parts])
    return np.concatenate([np.empty(0, np.int64), *parts]), which


def touched(changed: Any, row: Any, place: Any, first: Any, out: Any) -> int:
    """The same arguments, the same results."""
    hedge = np.repeat(np.arange(len(place)), np.diff(first))
    found = np.union1d(np.flatnonzero(changed[np.maximum(place, 0)]), hedge[changed[row]])
    out[: len(found)] = found
    return len(found)


def stock(
    hedges: Any, first: Any, main: Any, row: Any, book: Any, place: Any, asset: Any, accounts: Any, legs: Any
) -> int:
    """The same arguments, the same results."""
    mine, leg = main[hedges], _legs(hedges, first)[0]
    accounts[MAIN], accounts[CONTRACT] = row[mine], book[mine]
    accounts[PLACE], accounts[ASSET] = np.maximum(place[hedges], 0), asset[hedges]
    legs[ROW, : len(leg)], legs[BOOK, : len(leg)] = row[leg], book[leg]
    return len(leg)


def _short(hedges: Any, first: Any, held: Any) -> tuple[Any, Any]:
    which = _legs(hedges, first)[1]
    return np.bincount(which, held, len(hedges)).astype(float), which


def reasons(
    hedges: Any, held: Any, coins: Any, first: Any, main: Any, row: Any, target: Any, size: Any, when: Any, spot: Any,
    naked: Any, short: Any, basis: Any, pair: Any, bound: Any, heard: Any, now_heard: Any, tolerance: float,
    found: Any, count: Any, bad: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    short[hedges] = _short(hedges, first, held)[0]
    naked[hedges] = coins + short[hedges] - target[hedges]
    worse = heard - now_heard[row[main]]
    loose = (np.abs(naked) > tolerance * size) & ~np.isfinite(when).any(axis=0)
    able = (spot >= 0) & (short < 0) & ~np.isfinite(when[1])
    for i, here in enumerate((loose, able & (basis[pair] < -bound), able & (worse > 0))):
        count[i] = here.sum()
        found[i, : count[i]] = np.flatnonzero(here)
    bad[: count[2]] = worse[found[2, : count[2]]]
    heard[:] = now_heard[row[main]]


def _bearable(
    record: Any, book: Any, side: int, quantity: Any, part: float, careless: float, least: Any
) -> Any:
    mid, last, bids, offers = record
    with np.errstate(divide="ignore"):
        coins = np.fmax(careless / np.where(mid[book] > 0, mid[book], last[book]), 0.0)
    depth = (offers if side > 0 else bids)[book]
    return np.minimum(quantity, np.fmax(part * depth, np.maximum(coins, least)))


def _buy_back(which: Any, legs: Any, held: Any, quantity: Any, record: Any, *bounds: Any) -> tuple[Any, Any]:
    """(rows and books, coins) of the orders to buy; `which` hedge each leg belongs to, the last bound one a hedge."""
    short = np.maximum(-held, 0.0)
    whole = np.bincount(which, short, len(quantity))[which]
    part = np.divide(short, whole, out=np.zeros_like(short), where=whole > 0)
    part_, careless, least = bounds
    wish = _bearable(
        record, legs[BOOK, : len(held)], 1, quantity[which] * part, part_, careless, least[which]
    )
    back = np.where((quantity > 0)[which] & (whole > 0), np.minimum(wish, short), 0.0)
    some = np.flatnonzero(back)
    return legs[:, some], back[some]


def mend(
    hedges: Any, accounts: Any, legs: Any, held: Any, coins: Any, waiting: Any, equity: Any, luck: Any, first: Any,
    spot: Any, target: Any, size: Any, mid: Any, last: Any, depth_bid: Any, depth_ask: Any, mark: Any,
    tolerance: float, resell: float, cover: float, participation: float, careless: float, parts: int, again: Any,
    still: Any, sells: Any, sold: Any, buys: Any, bought: Any, count: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    record, n = (mid, last, depth_bid, depth_ask), len(hedges)
    short, which = _short(hedges, first, held)
    spot, size, book = spot[hedges], size[hedges], accounts[CONTRACT]
    naked, free = coins + short - target[hedges], (waiting[:n] == 0) & (waiting[n:] == 0)
    loose, bounds = np.abs(naked) > tolerance * size, (participation, careless, size / parts)
    covered = equity >= cover * (np.abs(short) + np.abs(naked)) * mark[book]
    long_ = loose & free & (naked > 0)
    sale = long_ & ((luck < resell) | ~covered) & (spot >= 0) & (coins > 0)
    resells = long_ & ~sale & covered
    quantity = np.where(sale, np.minimum(_bearable(record, spot, -1, naked, *bounds), coins), 0.0)
    again[:] = np.where(resells, _bearable(record, book, -1, naked, *bounds), 0.0)
    quantity[resells] = again[resells]
    order = np.concatenate([np.flatnonzero(sale), np.flatnonzero(resells)])
    back, amount = _buy_back(which, legs, held, np.where(loose & free, -naked, 0.0), record, *bounds)
    count[:] = loose.sum(), len(order), len(amount)
    still[: count[0]], sold[: count[1]], bought[: count[2]] = hedges[loose], quantity[order], amount
    sells[:, : count[1]] = np.where(sale, (accounts[PLACE], spot), (accounts[MAIN], book))[:, order]
    buys[:, : count[2]] = back


def leave(
    hedges: Any, accounts: Any, legs: Any, held: Any, coins: Any, waiting: Any, first: Any, spot: Any, size: Any,
    why: Any, basis: Any, pair: Any, bound: Any, mid: Any, last: Any, depth_bid: Any, depth_ask: Any,
    participation: float, careless: float, parts: int, wished: Any, on: Any, sells: Any, sold: Any, buys: Any,
    bought: Any, count: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    record, n = (mid, last, depth_bid, depth_ask), len(hedges)
    short, which = _short(hedges, first, held)
    spot, size, why, book = spot[hedges], size[hedges], why[hedges], accounts[CONTRACT]
    both, bounds = np.minimum(-short, coins), (participation, careless, size / parts)
    stays = ((why == FEAR) | (basis[pair[hedges]] < -0.25 * bound[hedges])) & (both > 1e-6 * size)
    wish = _bearable(record, spot, -1, _bearable(record, book, 1, both, *bounds), *bounds)
    quantity = wished[:] = np.where(stays & (waiting[:n] == 0) & (waiting[n:] == 0), wish, 0.0)
    count[:] = stays.sum(), 0, 0, 0, 0
    on[: count[0]] = hedges[stays]
    sales = purchases = 0
    for reason in range(2):
        mine = np.flatnonzero((why == reason) & (quantity > 0))
        back, amount = _buy_back(which, legs, held, np.where(why == reason, quantity, 0.0), record, *bounds)
        buys[:, purchases : purchases + len(amount)] = back
        bought[purchases : purchases + len(amount)] = amount
        sells[:, sales : sales + len(mine)] = accounts[PLACE, mine], spot[mine]
        sold[sales : sales + len(mine)] = quantity[mine]
        sales, purchases = sales + len(mine), purchases + len(amount)
        count[1 + reason], count[3 + reason] = sales, purchases
