"""`agents.forgone`, one gap after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.forgone import BORROW, GATEWAY, INVENTORY, MARGIN, PAUSE, QUEUE, RISK_BAR, RISK_LIMIT, Stations


def room(s: Stations, k: int, side: int) -> tuple[float, int]:
    if s.halted[k]:
        return 0.0, PAUSE
    if s.waiting[k]:
        return 0.0, GATEWAY
    most = max(1.0 - side * s.used[k], 0.0) * s.limit[k]
    no_money = PAUSE if s.money_stuck[k] else QUEUE if s.money_coming[k] else MARGIN
    if side > 0:
        can = 0.95 * s.cash[k] / s.price[k] if s.spot[k] else (np.inf if s.cash[k] > 0 else 0.0)
        lacking = INVENTORY if s.spot[k] and no_money == MARGIN else no_money
    else:
        can = max(s.held[k], 0.0) if s.spot[k] else np.inf
        lacking = BORROW if s.lent_out[k] else INVENTORY
        lacking = PAUSE if s.coins_stuck[k] else QUEUE if s.coins_coming[k] else lacking
    if s.by_capital[k]:
        return min(can, most), no_money if can > most and not s.spot[k] else lacking
    return min(can, most), RISK_LIMIT if can > most else lacking


def forgone(s: Stations, take: float, depth_part: float) -> list[Any]:
    """[(buy, sell, constraint, notional, gap)], cell by cell."""
    found = []
    ends = [*s.first.tolist(), len(s.bid)]
    for a, b in zip(ends, ends[1:], strict=False):
        bids = [k for k in range(a, b) if not np.isnan(s.bid[k])]
        asks = [k for k in range(a, b) if not np.isnan(s.ask[k])]
        if not bids or not asks:
            continue
        sell, buy = max(bids, key=lambda k: (s.bid[k], -k)), min(asks, key=lambda k: (s.ask[k], k))
        gap = s.bid[sell] - s.ask[buy]
        if gap <= 0:
            continue
        shallow = min(s.depth_ask[buy], s.depth_bid[sell])
        wanted = shallow * min(min(gap, 0.05) * take / 2 / 0.005, 1.0)
        wanted = (
            min(max(wanted, min(s.top_ask[buy], s.top_bid[sell]) * take), depth_part * shallow) * s.share[buy]
        )
        (here, why), (there, other) = room(s, buy, +1), room(s, sell, -1)
        left, why = (
            wanted - min(here, there, wanted),
            why if here < there else other if there < here else min(why, other),
        )
        if (s.bid[sell] - s.value_sell[sell]) - (s.ask[buy] - s.value_buy[buy]) <= 0:
            left = wanted
            if min(here, there) >= wanted:
                easy = s.bid[sell] - s.ease[sell] * s.value_sell[sell]
                easy -= s.ask[buy] - s.ease[buy] * s.value_buy[buy]
                why = RISK_BAR if easy <= 0 else PAUSE if s.shut[buy] or s.shut[sell] else QUEUE
        if left > 0:
            found.append((buy, sell, why, left * s.worth[buy], gap))
    return found
