"""What a participant writes, in plain numpy: whole ticks and lots, one record an order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.messages import CANCEL, CANCEL_ALL, LIMIT, MARKET, QUOTE
from abm.state import MESSAGE, NONE


def whole(
    price: Any, quantity: Any, side: Any, outwards: bool, tick: Any, lot: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(ticks, lots): prices never worse than asked (or outwards), -1 = none; sizes rounded down, 0 = none."""
    with np.errstate(invalid="ignore", over="ignore"):
        exact, size = np.asarray(price) / tick, np.asarray(quantity) / lot
        down = (np.asarray(side) > 0) != outwards
        near = np.where(down, np.floor(exact + 1e-9), np.ceil(exact - 1e-9))
        ticks = np.where(np.isfinite(exact), np.clip(near, 0, 2.0**31), -1.0).astype(np.int64)
        lots = np.floor(np.minimum(np.where((size > 0) & (size < np.inf), size, 0.0), 1e15) + 1e-6)
    return ticks, lots.astype(np.int64)


def messages(op: int, rows: Any, book: Any, side: Any, price: Any, quantity: Any, name: Any, expiry: Any,
             outwards: bool, flags: int, kind: Any, tick: Any, lot: Any) -> NDArray[Any]:  # fmt: skip
    """The records that `abm.pen.write` writes for these columns."""
    columns = np.broadcast_arrays(rows, book, side, price, quantity, name, expiry, kind)
    rows, book, side, price, quantity, name, expiry, kind = columns
    out = np.zeros(len(rows), MESSAGE)
    out["cause"] = NONE
    out["row"], out["book"], out["side"], out["expiry"] = rows, book, side, expiry
    out["op"], out["flags"], out["kind"], out["ref"] = op, flags, kind, NONE
    if op in (CANCEL, CANCEL_ALL):
        out["handle"] = name if op == CANCEL else 0
        return out
    ticks, lots = whole(price, quantity, side, outwards, tick[book], lot[book])
    if op == MARKET:
        out["qty"] = lots
        return out[lots > 0]
    if op == QUOTE:
        out["ref"], out["price"], out["qty"] = name, np.maximum(ticks, 1), np.where(ticks < 0, 0, lots)
        return out
    out["price"], out["qty"] = ticks, lots
    if op == LIMIT:
        out["tag"] = name
        return out[(lots > 0) & (ticks > 0)]
    out["handle"], out["side"] = name, 0
    return out[ticks >= 0]
