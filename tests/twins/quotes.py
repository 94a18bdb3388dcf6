"""Makers in plain numpy, one array operation a line: the twin of `agents.quoting`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.quoting import QUOTING


def look(
    step: int, turn: int, fair: Any, quoted: Any, reach: Any, row: Any, book: Any, firm: Any, state: Any, waiting: Any
) -> Any:  # fmt: skip
    """Stations that are due."""
    due = np.abs(fair[book] - quoted) > reach
    due |= (np.arange(len(book)) + step) % turn == 0
    return np.flatnonzero(due & (state == QUOTING)[firm] & (waiting[row] == 0))


def used(
    due: Any, stock: Any, lots: Any, spot: Any, lot: Any, fair: Any, convert: Any, book: Any,
    desk: Any, depth: Any, home: Any, coming: Any, limit: float, held: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Shares of the limits, in the book and of the firm in the coin; `held` of the stations due is written."""
    offers = lots[:, lots.shape[1] // 2 :].sum(1) * lot[book[due]]
    held[due] = np.where(spot[book[due]], stock + offers, stock)
    bound = np.maximum(limit * depth / (np.exp(fair) * convert)[book], 1e-300)
    net, most = np.bincount(desk, held + coming - home), np.bincount(desk, bound)
    return (held - home) / bound, (net / np.maximum(most, 1e-300))[desk]


def requote(
    now: float, due: Any, first: int, cash: Any, live: Any, lots: Any,
    fair: Any, convert: Any, calm: Any, volatile: Any, left: Any, lean: Any, tick_of: Any, lot_of: Any, band: Any,
    spot: Any, venue: Any, halted: Any, bid: Any, ask: Any, mark: Any, delay: Any,
    extreme: Any, row: Any, book: Any, depth: Any, held: Any, places: Any, of_book: Any, of_coin: Any, shape: Any,
    offset: Any, takes: Any,
    own_book: float, skew: float, skew_most: float, width: float, width_most: float, patience: float, slack: float,
    rough: float, stale: float, seen: Any, quoted: Any, sent: Any, asked: Any, full: Any,
) -> list[tuple[int, int, int, int, float, float]]:  # fmt: skip
    """(row, book, slot, side, price, coins) of every quote to send; writes what is remembered."""
    n, k, b = len(due), offset.shape[1], book[due]
    stress, closed = np.maximum(volatile, 1.0), halted | (delay > stale)[venue]
    price, lot, tick = np.exp(fair[b]), lot_of[b][:, None, None], tick_of[b]
    carried = np.clip(own_book * of_book[due] + (1.0 - own_book) * of_coin[due], -1.0, 1.0)
    reserve = fair[b] - skew * carried * calm[b] * np.minimum(stress[b], skew_most)
    away = offset[due] + (width * calm[b] * np.minimum(stress[b], width_most))[:, None]
    size = np.where(closed[b], 0.0, depth[due] * left[b] / (price * convert[b]))
    room = np.stack([np.maximum(of_book[due], of_coin[due]), -np.minimum(of_book[due], of_coin[due])], 1)
    room = np.clip(2.0 - 2.0 * room, 0.0, 1.0)
    edge = np.empty((n, 2, 1))
    edge[:, 0, 0] = np.fmin(np.where(ask[b] > 0, ask[b] - tick, np.inf), mark[b] * (1.0 + 0.99 * band[b]))
    edge[:, 1, 0] = np.fmax(np.where(bid[b] > 0, bid[b] + tick, 0.0), mark[b] * (1.0 - 0.99 * band[b]))
    level = np.stack([np.exp(reserve[:, None] - away), np.exp(reserve[:, None] + away)], 1)
    level = np.stack([np.minimum(level[:, 0], edge[:, 0]), np.maximum(level[:, 1], edge[:, 1])], 1)
    traded = np.stack([np.fmin.reduce(extreme[:, 0])[b], np.fmax.reduce(extreme[:, 1])[b]], 1)
    lots, live = lots.reshape(n, 2, k), live.reshape(n, 2, k)
    stands, before, at = lots * lot, sent[due], asked[due]
    reached = np.stack([traded[:, :1] <= at[:, 0] * (1 + 1e-9), traded[:, 1:] >= at[:, 1] * (1 - 1e-9)], 1)
    eaten = (before > 0) & (stands < before - 0.5 * lot) & reached
    there = np.where(eaten, full[due] * stands / np.maximum(before, 1e-300), full[due])
    back = 1.0 - np.exp(-np.minimum(now - seen[due], 1e9)[:, None] / takes[due])
    there = there + (1.0 - there) * back[:, None, :]
    coins = (size[:, None] * room)[:, :, None] * shape[due][:, None, :] * there
    coins[:, :, 0] *= 1.0 + np.stack([lean[b], -lean[b]], 1)
    money = cash / places[due] + np.where(lots[:, 0] > 0, stands[:, 0] * live[:, 0], 0.0).sum(1)
    most = np.where(spot[b][:, None], 0.85 * np.stack([money / price, held[due]], 1), np.inf)
    part = np.minimum(1.0, np.maximum(most, 0.0) / np.maximum(coins.sum(2), 1e-300))
    coins = np.floor(coins * part[:, :, None] / lot * (1 + 1e-12)) * lot
    still = np.maximum(patience * away, (slack * calm[b] * np.minimum(stress[b], width_most))[:, None])
    let_be = np.maximum(still * price[:, None], 1.5 * tick[:, None])[:, None, :]
    moved = np.abs(live - level) > let_be
    differs = np.minimum(stands, coins) < (1.0 - rough) * np.maximum(stands, coins)
    send = np.where(stands > 0, moved | differs, coins > 0)
    sent[due] = np.where(send, coins, stands)
    asked[due] = np.where(send, level, asked[due])
    full[due], seen[due], quoted[due] = there, now, fair[b]
    return [
        (row[due[i]], b[i], first + 2 * k * due[i] + s * k + j, 1 - 2 * s, level[i, s, j], coins[i, s, j])
        for i, s, j in zip(*np.nonzero(send), strict=True)
    ]
