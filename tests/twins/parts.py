"""What a crowd's account sends at once, in plain numpy: the twin of `agents.parts`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.parts import BUSY, FLAT, SENDS


def in_coins(book: Any, mid: Any, last: Any, amount: float) -> Any:
    return np.fmax(amount / np.where(mid[book] > 0, mid[book], last[book]), 0.0)


def bearable(
    side: Any, book: Any, depth_bid: Any, depth_ask: Any, quantity: Any, share: Any, least: Any
) -> Any:
    depth = np.where(side > 0, depth_ask[book], depth_bid[book])
    return np.minimum(quantity, np.fmax(share * depth, least))


def closing(
    position: Any, waiting: Any, hasty: Any, usual: Any, book: Any, mid: Any, last: Any, depth_bid: Any,
    depth_ask: Any, careless: float, parts: float, patient_parts: float, haste: float, patience: float,
) -> tuple[Any, Any]:  # fmt: skip
    """(state, quantity) of every account."""
    least = np.maximum(in_coins(book, mid, last, careless), usual / np.where(hasty, parts, patient_parts))
    share = np.where(hasty, haste, patience)
    quantity = bearable(-position, book, depth_bid, depth_ask, np.abs(position), share, least)
    state = np.where(position == 0, FLAT, np.where(waiting > 0, BUSY, SENDS))
    return state, np.where(state == SENDS, quantity, 0.0)


def building(
    side: Any, goal: Any, has: Any, waiting: Any, book: Any, mid: Any, last: Any, depth_bid: Any, depth_ask: Any,
    careless: float, parts: float, patience: float,
) -> Any:  # fmt: skip
    """Coins to send of every account."""
    least = np.maximum(in_coins(book, mid, last, careless), goal / parts)
    return bearable(
        side, book, depth_bid, depth_ask, np.where(waiting == 0, goal - has, 0.0), patience, least
    )


def ripe(when: Any, soon: Any, now: float) -> tuple[Any, Any, float]:
    """(what has come, what stays on the list, the earliest of it); strikes out what has come."""
    times = when[soon]
    found = np.unique(soon[times <= now])
    when[found] = np.inf
    stays = soon[np.isfinite(when[soon])]
    return found, stays, float(when[stays].min(initial=np.inf))
