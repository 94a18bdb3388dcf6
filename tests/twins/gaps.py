"""Arbitrage in plain numpy, one array operation a line: the twin of `agents.gaps`."""

from __future__ import annotations

from typing import Any

import numpy as np


def any_gap(coin: Any, bid: Any, ask: Any, convert: Any, fees: float, taker_fee: Any) -> bool:
    best, least = np.full(coin.max() + 1, -np.inf), np.full(coin.max() + 1, np.inf)
    np.maximum.at(best, coin, np.fmax(np.log(bid * convert) - fees * taker_fee, -np.inf))
    np.minimum.at(least, coin, np.fmin(np.log(ask * convert) + fees * taker_fee, np.inf))
    return bool((best > least).any())


def trade(
    first: Any, row: Any, book: Any, held: Any, coming: Any, home: Any, limit: Any, largest: Any, delay: Any,
    waiting: Any, free: Any, bid: Any, ask: Any, seen_bid: Any, seen_ask: Any, bid_size: Any, ask_size: Any,
    convert: Any, taker_fee: Any, lot: Any, calm: Any, stress: Any, spot: Any, halted: Any, bar: float, fees: float,
    execution: float, take: float, depth_part: float, even: float,
) -> list[tuple[int, int, int, float, float]]:  # fmt: skip
    """(row, book, side, price, quantity) of all orders, cell by cell, what is bought first."""
    calm, cash, shut = np.nan_to_num(calm), np.maximum(free, 0.0)[row], halted[book] | (waiting[row] > 0)
    sigma = calm * stress
    used = np.clip((held - home) / limit, -2.0, 2.0)
    value = -bar * calm[book] * np.sqrt(delay) * used
    to_add = value * stress[book]
    cost = fees * taker_fee[book] + 0.5 * bar * sigma[book] * np.sqrt(execution)
    there = spot[book]
    offers = (ask[book] > 0) & ~shut & (used < 1.0) & (cash > 0)
    bids = (bid[book] > 0) & ~shut & (used > -1.0) & ~(there & (held <= 0))
    sell = np.where(bids, np.log(bid * convert)[book] - cost - np.where(used < 0, to_add, value), -np.inf)
    buy = np.where(offers, np.log(ask * convert)[book] + cost - np.where(used > 0, to_add, value), np.inf)
    to_buy = np.minimum((1.0 - used) * limit, depth_part * seen_ask[book])
    to_buy = np.where(there, np.minimum(to_buy, 0.95 * cash / ask[book]), to_buy)
    to_sell = np.minimum((1.0 + used) * limit, depth_part * seen_bid[book])
    to_sell = np.where(there, np.minimum(to_sell, held), to_sell)
    orders: list[tuple[int, int, int, float, float]] = []
    for c in range(len(first) - 1):
        mine = np.arange(first[c], first[c + 1])
        a, b = int(mine[np.argmin(buy[mine])]), int(mine[np.argmax(sell[mine])])
        net = float((held + coming - home)[mine].sum())
        naked = abs(net) > even * largest[c]
        profit = sell[b] - buy[a]
        go = bool(profit > 0 and a != b)
        way = min(profit, 0.05) * take / 2 if go else 0.0
        size = 0.0
        if go:
            size = min(seen_ask[book[a]], seen_bid[book[b]]) * min(way / 0.005, 1.0)
            size = max(size, take * min(ask_size[book[a]], bid_size[book[b]]))
            size = max(min(size, to_buy[a], to_sell[b]), 0.0)
            if np.log((bid * convert)[book[b]] / (ask * convert)[book[a]]) <= cost[a] + cost[b]:
                size = min(size, max(home[a] - held[a], held[b] - home[b], 0.0))
        uneven = net if naked else 0.0
        reach = way + (0.002 if naked else 0.0)
        bought, sold = min(size + max(-uneven, 0.0), to_buy[a]), min(size + max(uneven, 0.0), to_sell[b])
        if offers[a] and (go or naked) and bought >= lot[book[a]]:
            orders.append((row[a], book[a], 1, ask[book[a]] * np.exp(reach), bought))
        if bids[b] and (go or naked) and sold >= lot[book[b]]:
            orders.append((row[b], book[b], -1, bid[book[b]] * np.exp(-reach), sold))
    return orders
