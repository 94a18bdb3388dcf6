"""Noise flow in plain numpy, one array operation a line: the twin of `agents.flow`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import poisson

from agents.desks import normal, spread

OWN = np.int64(0)  # the bits are the stations' own already


def arrivals(
    dt: float, activity: float, most: float, branching: float, across: float, keep: Any,
    weight: Any, drawn: Any, book: Any, coin: Any, rate: Any, stress: Any, halted: Any, served: Any, echo: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """(stations that are awake, their orders); moves echo on."""
    luck = spread(drawn.view(np.float64), OWN, "arrival")
    fed = (weight[:, None] * (1.0 - keep)[:, None] * echo).sum(0)
    usual = np.zeros(len(stress))
    usual[book] = rate
    all_fed, all_usual = np.bincount(coin, fed)[coin], np.bincount(coin, usual)[coin]
    fed = (1.0 - across) * fed + across * all_fed * usual / np.where(all_usual > 0, all_usual, np.inf)
    calm = rate * dt * (stress.clip(1.0, most) ** activity)[book]
    expected = ((1.0 - branching) * calm + branching * fed[book]) / served
    trades = np.where(halted[book], 0, poisson.ppf(luck, expected)).astype(np.int64)
    echo[:] = keep[:, None] * echo + np.bincount(book, trades, len(stress))
    awake = np.flatnonzero(trades)
    return awake, trades[awake]


def orders(
    awake: Any, trades: Any, row: Any, book: Any, trader: Any, drawn: Any, rate: Any, held: Any, cash: Any,
    home: Any, calm: Any, spot: Any, lot: Any, bid: Any, ask: Any, depth_bid: Any, depth_ask: Any, inventory: float,
    metaorders: float, tail: float, longest: float, turnover: float, dispersion: float, largest: float,
    patient: float, behind: float, most: int, shortest: Any, left: Any, way: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """(row, book, side, coins) of the orders that take, (row, book, side, coins, price) of those that rest."""
    b, bits = book[awake], drawn.view(np.float64)[awake]
    used = (held - home[awake]) / (inventory * np.maximum(calm[b], 1e-300))
    luck = {
        word: spread(bits, OWN, word) for word in ("side", "length", "part", "own side", "patience", "behind")
    }
    side = np.zeros(len(awake), np.int64)
    average = turnover * 0.5 * (depth_bid[1, b] + depth_ask[1, b]) / (60.0 * rate[awake])
    drawn_size = np.exp(dispersion * normal(bits, OWN, "size") - dispersion**2 / 2)
    size = np.zeros(len(awake))
    for n, t in enumerate(
        trader[awake]
    ):  # one after the other: the stations of a trader share its larger order
        if left[t] <= 0.0 or way[t] * used[n] >= 1.0:
            way[t] = 1.0 if luck["side"][n] < 0.5 - 0.5 * used[n] else -1.0
            left[t] = shortest[t] * min(luck["length"][n] ** (-1.0 / tail), longest)
        if luck["part"][n] < metaorders:
            side[n] = int(way[t])
            left[t] -= trades[n]
        else:
            side[n] = 1 if luck["own side"][n] < 0.5 - 0.5 * used[n] else -1
        near = (depth_ask if side[n] > 0 else depth_bid)[0, b[n]]
        size[n] = min(average[n] * trades[n] * drawn_size[n], largest * near)
        if spot[b[n]]:
            money = 0.2 * cash[n] / ask[b[n]] if ask[b[n]] > 0 else 0.0
            size[n] = min(size[n], 0.5 * held[n] if side[n] < 0 else money)
        if not (size[n] >= lot[b[n]] and bid[b[n]] > 0 and ask[b[n]] > 0):
            left[t] = 0.0
    good = (size >= lot[b]) & (bid[b] > 0) & (ask[b] > 0)
    rests = luck["patience"] < patient
    away = -behind * np.log(luck["behind"])
    price = np.where(side > 0, bid[b] * (1.0 - away), ask[b] * (1.0 + away))
    takes, rests = np.flatnonzero(good & ~rests), np.flatnonzero(good & rests)
    pieces = np.minimum(trades[takes].clip(1, most), np.maximum(np.floor(size / lot[b])[takes], 1.0))
    pieces = pieces.astype(np.int64)
    now = np.repeat(takes, pieces)
    return (row[awake[now]], b[now], side[now], size[now] / np.repeat(pieces, pieces)), (
        row[awake[rests]], b[rests], side[rests], size[rests], price[rests],
    )  # fmt: skip
