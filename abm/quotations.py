"""What chosen participants quote and hold, book by book: kept for the record, read by nobody in the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from abm.model import CascadeModel

QUOTATION = np.dtype(
    [
        ("time", "i8"), ("participant", "i4"), ("book", "i4"), ("bid", "i8"), ("ask", "i8"),
        ("bid_lots", "i8"), ("ask_lots", "i8"), ("bid_value", "f8"), ("ask_value", "f8"), ("inventory", "i8"),
    ]
)  # fmt: skip
_FAR = np.iinfo(np.int64).max


def quotations(model: CascadeModel, participants: NDArray[np.int64]) -> NDArray[Any]:
    """One line a participant (of these numbers) and book in which it rests or holds something.

    Best prices in ticks (0: none), lots and tick x lot of all that rests on each side, signed lots of the perpetual.
    """
    s = model.state
    books = len(model.books)
    whose = np.full(s.count("rows"), -1, np.int64)
    for k, number in enumerate(participants.tolist()):
        whose[s.rows["participant"][: len(whose)] == number] = k
    cells = len(participants) * books
    out = np.zeros(cells, QUOTATION)
    out["bid"], out["ask"] = -1, _FAR
    orders = s.orders[: s.count("orders")]
    orders = orders[orders["live"] == 1]
    orders = orders[whose[orders["row"]] >= 0]
    cell = whose[orders["row"]] * books + orders["book"]
    for side, sign in (("bid", 1), ("ask", -1)):
        mine = orders["side"] == sign
        at, price, lots = cell[mine], orders["price"][mine], orders["qty"][mine]
        (np.maximum if sign > 0 else np.minimum).at(out[side], at, price)
        np.add.at(out[f"{side}_lots"], at, lots)
        out[f"{side}_value"] = np.bincount(at, price * lots.astype(np.float64), cells)
    held = s.positions[: s.count("positions")]
    held = held[whose[held["row"]] >= 0]
    np.add.at(out["inventory"], whose[held["row"]] * books + held["book"], held["qty"])
    out["bid"], out["ask"] = np.maximum(out["bid"], 0), np.where(out["ask"] == _FAR, 0, out["ask"])
    number = np.arange(cells)
    out["time"], out["participant"], out["book"] = model.now, participants[number // books], number % books
    shown: NDArray[Any] = out[(out["bid_lots"] + out["ask_lots"] > 0) | (out["inventory"] != 0)]
    return shown
