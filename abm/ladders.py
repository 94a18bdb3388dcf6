"""The best price levels of chosen books, level by level: kept for the record, read by nobody in the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm.state import LEVEL_BITS

if TYPE_CHECKING:
    from abm.model import CascadeModel

LEVELS = 20  # a side: what screens of exchanges show
RUNG = np.dtype([("time", "i8"), ("book", "i4"), ("side", "i4"), ("price", "i8"), ("lots", "i8")])


def ladders(model: CascadeModel, books: NDArray[np.int64]) -> NDArray[Any]:
    """One line a level of these books, bids (+1) then asks (-1), the best first: ticks, and lots that rest there."""
    s = model.state
    found = []
    for book in books.tolist():
        info = s.books[book]
        for side, live, first in (
            (1, info["n0"], info["first_key"]),
            (-1, info["n1"], info["first_key"] + info["cap"]),
        ):
            # keys rise towards the best price: what is taken and placed most often is at the end
            keys = s.keys[first + max(0, live - LEVELS) : first + live][::-1]
            lines = np.zeros(len(keys), RUNG)
            lines["time"], lines["book"], lines["side"] = model.now, book, side
            lines["price"] = side * (keys >> LEVEL_BITS)
            lines["lots"] = s.levels["qty"][keys & ((1 << LEVEL_BITS) - 1)]
            found.append(lines)
    return np.concatenate(found) if found else np.zeros(0, RUNG)
