"""How much a trading firm may hold at each of its stations: by its capital there, then by its one risk limit.

- Capital. At a venue's perpetuals the value of all positions is at most a multiple (the leverage that the firm allows
  itself) of what its account there is worth; what is left of that may be added in any book. At a spot book a firm sells
  the coins that it has and buys with the money that lies there.
- Risk. In no coin more than loses a share of the firm's whole capital in a move of z sigma sqrt(tau), with today's
  volatility and the time tau that it takes to bring money there: a slow channel makes the limit smaller.

A limit is a distance from what the firm held at its opening, which counts as hedged elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.jit import CONSTANT, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Stations(NamedTuple):
    """What limits follow from, one entry a station (an account at a book).

    row, firm, book: int64, numbers of the account, of its firm, of the book. held, home: coins, now and at the opening.
    wait: seconds in which money can be brought there.
    """

    row: Ints
    firm: Ints
    book: Ints
    held: Floats
    home: Floats
    wait: Floats


class Books(NamedTuple):
    """One entry a book.

    spot: bool. price: quote, of a coin. convert: common dollars of one. sigma: volatility per square root of a second.
    """

    spot: Mask
    price: Floats
    convert: Floats
    sigma: Floats


_STATIONS, _BOOKS = "i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1]", f"b1[::1],{CONSTANT},f8[::1],f8[::1]"


@kernel(f"void({_STATIONS},{_BOOKS},f8[::1],i8,f8,f8,f8,f8[::1],b1[::1])")
def limits(  # type: ignore[no-untyped-def]
    row, firm, book, held, home, wait, spot, price, convert, sigma,
    equity, firms, leverage, risk, bar, coins, by_capital,
):  # fmt: skip
    """Position limits; the twin in plain numpy is `tests.twins.capital`.

    Args:
        row .. wait: `Stations`. spot .. sigma: `Books`.
        equity: float64[rows], what each account is worth, in its quote asset. firms: how many there are. leverage:
        value of positions over it. risk: share of the firm's capital that one coin may lose; bar: standard deviations
        of the move in which it may.
        coins: float64[stations], out: the limit. by_capital: bool[stations], out: whether money and coins there are
        what limits, rather than risk.
    """
    accounts = np.zeros((2, len(equity)))  # value of positions, whether counted
    capital = np.zeros((2, firms))  # dollars in coins, in accounts
    for i in range(len(row)):
        b = book[i]
        if spot[b]:
            capital[0, firm[i]] += max(held[i], 0.0) * price[b] * convert[b]
        else:
            accounts[0, row[i]] += abs(held[i]) * price[b]
    # an account has stations at many books and counts once, in the order of accounts
    for r in range(len(equity)):
        accounts[1, r] = -1.0
    for i in range(len(row)):
        if accounts[1, row[i]] < 0:
            accounts[1, row[i]] = i
    for r in range(len(equity)):
        i = int(accounts[1, r])
        if i >= 0:
            capital[1, firm[i]] += max(equity[r], 0.0) * convert[book[i]]
    for i in range(len(row)):
        b, worth, away = book[i], max(equity[row[i]], 0.0), held[i] - home[i]
        if spot[b]:
            most = max(home[i], 0.0) if away < 0 else away + worth / price[b]
        else:
            most = abs(away) + max(leverage * worth - accounts[0, row[i]], 0.0) / price[b]
        move = max(bar * sigma[b] * np.sqrt(wait[i]), 1e-9)
        bearable = risk * (capital[0, firm[i]] + capital[1, firm[i]]) / (move * price[b] * convert[b])
        coins[i] = max(min(most, bearable), 1e-12)
        by_capital[i] = most <= bearable
