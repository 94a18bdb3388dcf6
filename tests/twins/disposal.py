"""What venues sell, in plain numpy, one array operation a line: the twin of `agents.disposal`."""

from __future__ import annotations

from typing import Any

import numpy as np


def dispose(
    row: Any, book: Any, lots: Any, waiting: Any, share: Any, bid: Any, ask: Any, depth_bid: Any, depth_ask: Any,
    lot: Any, participation: float, slip: float, owed: Any, to: Any, price: Any, coins: Any,
) -> int:  # fmt: skip
    """The same arguments, the same results."""
    owed[:] = np.where(lots != 0, owed + share * np.abs(lots), 0.0)
    best = np.where(lots < 0, ask[book], bid[book])
    some = np.flatnonzero((owed >= 1.0) & np.isfinite(best) & (waiting == 0))
    b, side, most = book[some], -np.sign(lots[some]), np.abs(lots[some])
    size = np.abs(lots[some] * lot[b] / lots[some])
    depth = np.nan_to_num(np.where(side > 0, depth_ask[b], depth_bid[b]))
    wanted = np.minimum(np.floor(owed[some]), most)
    wanted = np.minimum(wanted, np.maximum(np.floor(participation * depth / size), 1.0))
    owed[some] = np.minimum(owed[some] - wanted, share[some] * most)
    n = len(some)
    to[:, :n] = row[some], b, side
    price[:n], coins[:n] = best[some] * (1.0 + side * slip), (wanted + 0.25) * size
    return n
