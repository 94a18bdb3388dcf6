"""A demand schedule as limit orders: what is wanted at each price of a grid, written as a ladder for a call auction.

At a price of the grid the orders below it do not trade and those at and above it do, so that the sum of the bids from
there on up is what is wanted beyond what is held, and the sum of the offers down from there what is held beyond what is
wanted. Between two prices of the grid the schedule is flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import desks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def parties(me: Any, info: Any, owners: int) -> tuple[Ints, Ints]:
    """Rows [books, owners] and books of the spot books at whose venue so many owners have an account, in the order of
    their keys; other books are left alone."""
    row, book = desks.stations(me, info)
    spot = np.asarray(info.kind)[book] == 1
    row, book = row[spot], book[spot]
    order = np.lexsort((me.key[row], book))
    row, book = row[order], book[order]
    books, first, count = np.unique(book, return_index=True, return_counts=True)
    first = first[count >= owners]
    return row[first[:, None] + np.arange(owners)], books[count >= owners]


def offsets(finest: float, ratio: float, reach: float) -> Floats:
    """Log distances of a grid from its centre, rising: 0, and on each side steps that grow by `ratio` up to `reach`."""
    steps = finest * ratio ** np.arange(1 + int(np.ceil(np.log(reach / finest) / np.log(ratio))))
    return np.concatenate([-steps[::-1], [0.0], steps])


def rungs(wanted: Floats, held: Floats) -> tuple[Floats, Floats]:
    """Coins bid and coins offered at each price.

    Args:
        wanted: [rows, prices], prices rising; where it rises with the price it is taken as flat from there on up: a bid
            cannot say that one wants more when it is dearer.
        held: [rows].
    """
    falling = np.minimum.accumulate(wanted, axis=1)
    missing = np.maximum(falling - held[:, None], 0.0)
    spare = np.maximum(held[:, None] - falling, 0.0)
    bids = missing - np.concatenate([missing[:, 1:], np.zeros((len(held), 1))], axis=1)
    offers = spare - np.concatenate([np.zeros((len(held), 1)), spare[:, :-1]], axis=1)
    return bids, offers


def write(me: Any, row: Ints, book: Ints, price: Floats, wanted: Floats, held: Floats) -> None:
    """Send the schedules of rows, one book each; they end before the step after the next.

    Args:
        price, wanted: [rows, prices]. held: [rows], coins.
    """
    bids, offers = rungs(wanted, held)
    life = 1.5 * me.dt
    for side, quantity in ((1, bids), (-1, offers)):
        some, at = np.nonzero(quantity > 0)
        me.limit(row[some], book[some], side, price[some, at], quantity[some, at], expire=life, round="out")
