"""A maker's requotes in plain numpy, one array operation a line: the twin of `agents.quoting.requote`."""

from __future__ import annotations

from typing import Any

import numpy as np


def requote(
    due: Any, fair: Any, tick: Any, lot: Any, patience: float, edge: Any, traded: Any, size: Any, most: Any,
    back: Any, shape: Any, offset: Any, level: Any, live: Any, lots: Any, sent: Any, asked: Any, full: Any,
    want: Any, send: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    lot3 = lot[:, None, None]
    level[:, 0] = np.minimum(level[:, 0], edge[:, :1])
    level[:, 1] = np.maximum(level[:, 1], edge[:, 1:])
    stands, before, at = lots * lot3, sent[due], asked[due]
    reached = np.stack([traded[:, :1] <= at[:, 0] * (1 + 1e-9), traded[:, 1:] >= at[:, 1] * (1 - 1e-9)], 1)
    eaten = (before > 0) & (stands < before - 0.5 * lot3) & reached
    there = np.where(eaten, full[due] * stands / np.maximum(before, 1e-300), full[due])
    there = there + (1.0 - there) * back[:, None, :]
    coins = size[:, :, None] * shape[due][:, None, :] * there
    part = np.minimum(1.0, np.maximum(most, 0.0) / np.maximum(coins.sum(2), 1e-300))
    coins = np.floor(coins * part[:, :, None] / lot3 * (1 + 1e-12)) * lot3
    let_be = np.maximum(patience * offset * fair[:, None], 1.5 * tick[:, None])[:, None, :]
    with np.errstate(invalid="ignore"):
        moved = np.abs(live - level) > let_be
    differs = (coins < 0.9 * stands) | (stands < 0.85 * coins)
    send[:] = np.where(stands > 0, moved | differs, coins > 0)
    want[:] = coins
    sent[due] = np.where(send, coins, stands)
    asked[due] = np.where(send, level, asked[due])
    full[due] = there
