"""What a venue tells the public of its liquidations: the true ones, passed through its publishing rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def published(
    rule: Sequence[str],
    venue: Ints,
    book: Ints,
    time: Ints,
    value: NDArray[np.float64],
    closing: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """How many times the venue's public feed counts each event.

    Args:
        rule: `liquidation.publishes` of every venue: "all"; "latest_per_second" = only the last that was filled of a
            contract and second (Binance's stream of liquidation orders); "both_sides" = each is there for the buyer and
            for the seller; "none".
        venue, book: int[n], of each event, in the order in which they happened. time: int[n], ms since the start.
        value: float64[n], what was closed; an order without a fill is no liquidation.
        closing: bool[n], whether the event is a liquidation: an order of the venue, or what its fund took over.

    Returns: int8[n], 0, 1 or 2.
    """
    counts = np.zeros(len(venue), np.int8)
    for v, kind in enumerate(rule):
        mine = np.flatnonzero(closing & (venue == v) & (value > 0))
        if kind == "latest_per_second":
            second = -(-time[mine] // 1000)
            keys = np.stack([book[mine], second])[:, ::-1]
            _, last = np.unique(keys, axis=1, return_index=True)
            mine = mine[len(mine) - 1 - last]
        if kind != "none":
            counts[mine] = 2 if kind == "both_sides" else 1
    return counts
