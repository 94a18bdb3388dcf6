"""Noise flow in plain numpy, one array operation a line: the twin of `agents.flow`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.desks import normal, spread

OWN = np.int64(0)  # the bits are the stations' own already


def arrivals(
    now: float, dt: float, activity: float, most: float, drawn: Any, book: Any, rate: Any, stress: Any, halted: Any,
    served: Any, persistence: float, mood: Any, woke: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """(stations that are awake, their expected trades); moves mood and woke on."""
    bits = drawn.view(np.float64)
    expected = rate * dt * (stress.clip(1.0, most) ** activity)[book] / served
    awake = np.flatnonzero((spread(bits, OWN, "arrival") < 1.0 - np.exp(-expected)) & ~halted[book])
    keep = np.exp(-(now - woke[awake]) / persistence)
    mood[awake] = keep * mood[awake] + np.sqrt(1.0 - keep**2) * normal(bits[awake], OWN, "mood")
    woke[awake] = now
    return awake, expected[awake]


def orders(
    awake: Any, mean: Any, split: Any, row: Any, book: Any, name: Any, drawn: Any, mood: Any, rate: Any, held: Any,
    cash: Any, home: Any, calm: Any, spot: Any, lot: Any, bid: Any, ask: Any, depth_bid: Any, depth_ask: Any,
    inventory: float, imbalance: float, turnover: float, dispersion: float, largest: float, patient: float,
    behind: float, most: int,
) -> tuple[Any, Any]:  # fmt: skip
    """(row, book, side, coins) of the orders that take, (row, book, side, coins, price) of those that rest."""
    b, bits = book[awake], drawn.view(np.float64)[awake]
    lean = 2.0 * imbalance * np.tanh(mood[awake]) - (held - home[awake]) / (
        inventory * np.maximum(calm[b], 1e-300)
    )
    side = np.where(spread(bits, OWN, "side") < 0.5 + 0.5 * lean, 1, -1)
    average = turnover * 0.5 * (depth_bid[1, b] + depth_ask[1, b]) / (60.0 * rate[awake])
    luck = np.exp(dispersion * normal(bits, OWN, "size") - dispersion**2 / 2)
    size = average * (1.0 + np.maximum(mean - 0.5, 0.0)) * luck
    size = np.minimum(size, largest * np.where(side > 0, depth_ask[0, b], depth_bid[0, b]))
    means = np.where(side < 0, 0.5 * held, np.where(ask[b] > 0, 0.2 * cash / ask[b], 0.0))
    size = np.where(spot[b], np.minimum(size, means), size)
    good = (size >= lot[b]) & (bid[b] > 0) & (ask[b] > 0)
    rests = spread(bits, OWN, "patience") < patient
    away = -behind * np.log(spread(bits, OWN, "behind"))
    price = np.where(side > 0, bid[b] * (1.0 - away), ask[b] * (1.0 + away))
    takes, rests = np.flatnonzero(good & ~rests), np.flatnonzero(good & rests)
    trades = 1.0 + np.maximum(mean - 0.5, 0.0)
    pieces = np.floor(trades + spread(split.view(np.float64), name[awake], "pieces"))[takes].clip(1, most)
    pieces = np.minimum(pieces, np.maximum(np.floor(size / lot[b])[takes], 1.0)).astype(np.int64)
    now = np.repeat(takes, pieces)
    return (row[awake[now]], b[now], side[now], size[now] / np.repeat(pieces, pieces)), (
        row[awake[rests]], b[rests], side[rests], size[rests], price[rests],
    )  # fmt: skip
