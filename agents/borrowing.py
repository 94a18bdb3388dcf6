"""Coins borrowed for the short leg of an arbitrage: how much is worth borrowing where, and when it goes back.

A firm that is out of coins at a spot book, and sees a bid there that is above the cheapest ask anywhere by more than
fees, z sigma sqrt(tau) and the interest of tau, borrows what the bids within 0.5 % would take, as far as its free money
carries the collateral. It gives back what it holds there once the gap has closed, and buys back what is recalled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.market import Market, Me

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
YEAR = 365.0 * 86400.0


class Spots(NamedTuple):
    """A firm's spot stations, one entry each.

    row, book, base: own row, book, its coin's asset. held, debt, home: coins there, of those borrowed, at the opening.
    gap: log distance of the bid there from the cheapest ask of the firm's books, after fees, NaN = none. wait: seconds
    until coins could be brought. sigma: volatility per square root of a second. part: of the depth that is the firm's.
    """

    row: Ints
    book: Ints
    base: Ints
    held: Floats
    debt: Floats
    home: Floats
    gap: Floats
    wait: Floats
    sigma: Floats
    part: Floats


def pays(s: Spots, rate: Floats, bar: float) -> Mask:
    """Where a borrowed coin sold now would pay at an interest a year."""
    found: Mask = s.gap > bar * s.sigma * np.sqrt(s.wait) + rate * s.wait / YEAR
    return found


def borrow_and_repay(me: Me, market: Market, s: Spots, bar: float) -> Mask:
    """Borrow where it pays, give back where it does not any more, buy back what is recalled.

    Returns bool[stations]: where it would pay, but the lenders of that venue have too little left or want more
    collateral than there is.
    """
    short = np.zeros(len(s.row), np.bool_)
    out = s.held <= 0.01 * s.home
    asked = np.flatnonzero((out & (s.gap > 0)) | (s.debt > 0))
    if len(asked) == 0:
        return short
    coins, haircut, rate = np.full((3, len(s.row)), np.nan)
    for k in asked.tolist():
        coins[k], haircut[k], rate[k] = me.lendable(int(s.row[k]), int(s.base[k]))
    recalled = me.debt(s.row, s.base, recalled=True)
    worth_it = pays(s, rate, bar) & (recalled == 0)  # NaN: nobody lends there
    for k in np.flatnonzero((worth_it & out) | (s.debt > 0)).tolist():
        row, book, base = int(s.row[k]), int(s.book[k]), int(s.base[k])
        if recalled[k] > 0:
            me.repay(row, base, float(min(recalled[k], s.held[k])))
            missing = recalled[k] - s.held[k]
            if missing > 0 and me.waiting(np.array([row]))[0] == 0:
                me.market_order(row, book, 1, missing, cause="arbitrage")
        elif not worth_it[k]:
            if s.debt[k] > 0 and s.gap[k] <= 0:
                me.repay(row, base, float(min(s.debt[k], s.held[k])))
        elif out[k]:
            wanted = s.part[k] * float(market.depth_bid[0][book])
            money = float(me.available(np.array([row]))[0])
            price = float(market.bid[book])
            carried = 0.5 * money / (price * (1.0 + haircut[k]))
            amount = min(wanted, float(coins[k]), carried)
            if amount > 0:
                me.borrow(row, base, amount)
            short[k] = amount < wanted
    return short
