"""Recursive least squares in matrices, a coin at a time: the twin of `agents.surprise`."""

from __future__ import annotations

from typing import Any

import numpy as np


def surprised(
    dt: float, remembers: float, keep: Any, volume: Any, taker_buy: Any, convert: Any, coin: Any, calm: Any,
    target: Any, left: Any, unit_of: Any, echo: Any, weight: Any, doubt: Any, rarity: Any,
) -> Any:  # fmt: skip
    """float64[2, coins]: the surprise of a step in every coin, what is expected of the next; all are moved on."""
    flow = unit_of * (2.0 * taker_buy - volume) * convert / left
    told = np.zeros((2, len(echo)))
    for c in range(len(echo)):
        mine = coin == c
        usual = float((target * 3.0 * calm * np.sqrt(dt))[mine].sum())
        if not usual > 0:
            continue
        size = float(flow[mine].sum())
        y, x = size / (usual + abs(size)), echo[c].copy()
        error = y - weight[c] @ x
        gain = doubt[c] @ x / (remembers + x @ doubt[c] @ x)
        weight[c] += gain * error
        doubt[c] = (doubt[c] - np.outer(gain, x @ doubt[c])) / remembers
        echo[c] = keep * x + (1.0 - keep) * y
        rarity[c] = remembers * rarity[c] + np.array([dt, dt * error**2])
        told[:, c] = np.array([error, weight[c, :3] @ echo[c, :3]]) / np.sqrt(rarity[c, 1] / rarity[c, 0])
    return told
