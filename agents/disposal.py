"""What venues sell of what their funds took over: one compiled pass; its twin in numpy is `tests.twins.disposal`."""

from __future__ import annotations

import numpy as np

from abm.jit import CONSTANT, kernel

# mypy: disable-error-code="no-untyped-def"

_BOOKS = ",".join([CONSTANT] * 5)


@kernel(
    f"i8(i8[::1],i8[::1],i8[::1],i8[::1],f8[::1],{_BOOKS},f8,f8,f8[::1],i8[:,::1],f8[::1],f8[::1])",
)
def dispose(
    row, book, lots, waiting, share, bid, ask, depth_bid, depth_ask, lot, participation, slip, owed, to, price, coins
):  # fmt: skip
    """Orders that sell a little of every inventory (and buy back what is short).

    Args:
        row, book, lots, waiting: int64[n], funds, contracts, what is held, own messages under way. share: float64[n],
        of the inventory, a step. bid, ask: float64[books], prices, NaN = none; depth_bid, depth_ask, lot: coins.
        participation: share of the depth. slip: share of the price.
        owed: float64[n], lots still to be sold, moved on: what is less than a lot is carried over, so that small
        inventories and short steps sell at the same pace.
        to: int64[3, n], price, coins: float64[n], out: row, book and side of orders, limits and sizes.

    Returns how many orders.
    """
    n = 0
    for i in range(len(row)):
        most = np.float64(abs(lots[i]))
        owed[i] = owed[i] + share[i] * most if lots[i] != 0 else 0.0
        b, side = book[i], 1 if lots[i] < 0 else -1
        best, depth = (ask[b], depth_ask[b]) if side > 0 else (bid[b], depth_bid[b])
        if owed[i] < 1.0 or waiting[i] > 0 or not np.isfinite(best):
            continue
        size = abs(lots[i] * lot[b] / lots[i])
        seen = np.floor(participation * (depth if depth == depth else 0.0) / size)
        wanted = min(min(np.floor(owed[i]), most), max(seen, 1.0))
        # a book too thin to sell into is not made up for later: at most one step's share stays owed
        owed[i] = min(owed[i] - wanted, share[i] * most)
        to[0, n], to[1, n], to[2, n] = row[i], b, side
        price[n], coins[n] = best * (1.0 + side * slip), (wanted + 0.25) * size
        n += 1
    return n
