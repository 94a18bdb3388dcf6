"""What makers learn in plain numpy, one array operation a line: the twin of `agents.learning`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from agents.desks import normal


def withdraw(stress: Any, power: float, floor: float) -> Any:
    """Share of calm depth that is left."""
    return np.maximum(stress**-power, floor)


def learn(
    dt: float, luck: float, last: Any, mid: Any, volume: Any, taker_buy: Any, convert: Any, coin: Any, coin_key: Any,
    beta: Any,
    calm: Any, target: Any, left: Any, unit_of: Any, permanent: float, blend: float, anchor: float, pull: float,
    information: float, bits: int, surprise: float, told: Any, fair: Any,
) -> None:  # fmt: skip
    """Move the fair log prices on."""

    def by_coin(values: Any) -> Any:
        return np.bincount(coin, np.where(np.isnan(values), 0.0, values))[coin]

    flow = (2.0 * taker_buy - volume) * convert
    gone, gap = np.log(last) - fair, np.log(mid) - fair
    reached = np.where(np.isfinite(gone), np.abs(gone), 0.0)
    size = unit_of * np.abs(flow) / (target * left)
    step = permanent * np.sign(flow) * np.minimum(size, reached)
    total = by_coin(target)
    fair += blend * by_coin(target * step) / total + (1.0 - blend) * step
    fair += (1.0 - np.exp(-dt / anchor)) * np.where(np.isfinite(gap), gap, 0.0)
    common = fair + np.log(convert)
    fair += (1.0 - np.exp(-dt / pull)) * blend * (by_coin(target * common) / total - common)
    shared = np.minimum(np.where(np.isnan(beta), 0.0, beta) * calm[np.argmax(target)], calm)
    own = normal(np.full(len(fair), bits).view(np.float64), coin_key, "information")
    alone = np.sqrt(np.maximum(calm**2 - shared**2, 0.0))
    fair += np.sqrt(dt) * information * (shared * ndtri(luck) + alone * own)
    fair += np.sqrt(dt) * surprise * (shared * told[coin[np.argmax(target)]] + alone * told[coin])
