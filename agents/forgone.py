"""What arbitrage left undone, and what stood in its way.

A gap pays if the dearest bid is above the cheapest ask by more than own fees and the risk of execution; so much of it
would be traded as the displayed depth lets the gap close (`gaps.trade`), by each firm its share. What a firm cannot
trade of that, because of what it holds, owes or waits for, is forgone, in dollars of coins, and belongs to the
constraint that left least room at one of the two books. Constraints in the order in which they are asked, the first
that is as tight as any other counts:

- pause: the book is halted; or coins or money cannot be brought because withdrawals stopped where they are; or the gap
  would pay but for the time that a venue which lets nothing out is reckoned with;
- gateway: an own order to that venue is still on its way;
- queue: coins or money are on the way, or the gap would pay but for a channel that serves slowly;
- margin: the firm's own money at the venue carries no more, or none is free at the venue that buys;
- borrow: no coins to sell, and the lenders of the venue have too few left or want more collateral than there is;
- inventory: no coins to sell, or no money to pay for coins, and nothing has been sent for;
- risk_limit: what one coin may lose is reached;
- risk_bar: there is room, but the gap is below what z sigma sqrt(tau) takes for what is held already.

This only looks: nothing that is found here changes what is sent. A queue before a bank whose hours are over is told
apart by whoever knows of it (`CALENDAR`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CONSTRAINTS = ("pause", "gateway", "queue", "margin", "borrow", "inventory", "risk_limit", "risk_bar")
PAUSE, GATEWAY, QUEUE, MARGIN, BORROW, INVENTORY, RISK_LIMIT, RISK_BAR = range(len(CONSTRAINTS))


class Stations(NamedTuple):
    """Where firms trade, one entry a station (a firm at a book); stations of a cell (a firm in a coin) side by side.

    first: int64[cells], where the stations of a cell begin. share: float64, of the firm in the wealth of all firms.
    bid, ask: float64, log prices in common dollars after own costs, NaN = none. worth: dollars of a coin. depth_bid,
    depth_ask: coins displayed within 0.5 %. top_bid, top_ask: coins at the touch. spot, halted, waiting: bool. used:
    position over its limit, -1 .. 1 and beyond. limit, held, cash: coins, coins, quote. price: quote, of a coin.
    value_buy, value_sell: log, what a coin is worth more there to a firm that buys or sells, for what it holds; ease:
    what of that were left at the settlement time of calm times, share. coins_coming, money_coming: bool, an own
    transfer is on the way there. coins_stuck, money_stuck: bool, another venue where the firm has more than at its
    opening lets nothing out; shut: bool, that venue itself lets nothing out. by_capital: bool, the limit is that of
    capital rather than of risk. lent_out: bool, coins would have been borrowed there, and were not to be had.
    """

    first: Ints
    share: Floats
    bid: Floats
    ask: Floats
    worth: Floats
    depth_bid: Floats
    depth_ask: Floats
    top_bid: Floats
    top_ask: Floats
    spot: Mask
    halted: Mask
    waiting: Mask
    used: Floats
    limit: Floats
    held: Floats
    cash: Floats
    price: Floats
    value_buy: Floats
    value_sell: Floats
    ease: Floats
    coins_coming: Mask
    money_coming: Mask
    coins_stuck: Mask
    money_stuck: Mask
    shut: Mask
    by_capital: Mask
    lent_out: Mask


CALENDAR = "calendar"  # what a queue is called that waits for a bank's hours


class Forgone(NamedTuple):
    """Per gap that paid and was not traded in full: arrays of one length."""

    buy: Ints  # station that would have bought
    sell: Ints  # station that would have sold
    constraint: Ints  # `CONSTRAINTS`
    notional: Floats  # dollars of coins that were not traded
    gap: Floats  # log price difference after costs


def _first_where(values: Floats, best: Floats, first: Ints, cell: Ints) -> Ints:
    """First station of each cell that has the cell's best value, -1 = none."""
    n = len(values)
    hit = np.where(values == best[cell], np.arange(n), n)
    found = np.minimum.reduceat(hit, first)
    return np.where(found < n, found, -1)


def best_prices(bid: Floats, ask: Floats, first: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """What a coin brings and costs at every station (infinitely bad where nobody asks), and at best in every cell."""
    dear, cheap = np.where(np.isnan(bid), -np.inf, bid), np.where(np.isnan(ask), np.inf, ask)
    return dear, cheap, np.maximum.reduceat(dear, first), np.minimum.reduceat(cheap, first)


def any_pays(bid: Floats, ask: Floats, first: Ints) -> bool:
    """Whether a gap of any cell pays after costs: as a rule none does. Arguments as in `Stations`."""
    _, _, best, least = best_prices(bid, ask, first)
    return bool((best > least).any())


def forgone(s: Stations, take: float, depth_part: float) -> Forgone:
    """Gaps that pay after costs, and what of them was not traded.

    Args:
        take: part of the way that a trade closes a gap. depth_part: largest order over the displayed depth.
    """
    n = len(s.bid)
    cell = np.repeat(np.arange(len(s.first)), np.diff(np.append(s.first, n)))
    dear, cheap, best, least = best_prices(s.bid, s.ask, s.first)
    pays = np.flatnonzero((best > least) & np.isfinite(best) & np.isfinite(least))
    sell = _first_where(dear, best, s.first, cell)[pays]
    buy = _first_where(cheap, least, s.first, cell)[pays]
    gap = (best - least)[pays]
    part = np.minimum(np.minimum(gap, 0.05) * take / 2 / 0.005, 1.0)
    wanted = np.maximum(
        np.minimum(s.depth_ask[buy], s.depth_bid[sell]) * part,
        np.minimum(s.top_ask[buy], s.top_bid[sell]) * take,
    )
    wanted = np.minimum(wanted, depth_part * np.minimum(s.depth_ask[buy], s.depth_bid[sell])) * s.share[buy]
    room_buy, why_buy = _room(s, buy, +1)
    room_sell, why_sell = _room(s, sell, -1)
    room = np.minimum(room_buy, room_sell)
    why = np.where(room_buy < room_sell, why_buy, why_sell)
    why = np.where(room_buy == room_sell, np.minimum(why_buy, why_sell), why)
    # what the price of holding the inventory takes away: the gap pays, but not at the firm's own values
    top, bottom = best[cell[buy]], least[cell[buy]]
    dull = (top - s.value_sell[sell]) - (bottom - s.value_buy[buy]) <= 0
    easy = (top - s.ease[sell] * s.value_sell[sell]) - (bottom - s.ease[buy] * s.value_buy[buy]) > 0
    late = np.where(s.shut[buy] | s.shut[sell], PAUSE, QUEUE)
    why = np.where(dull & (room >= wanted), np.where(easy, late, RISK_BAR), why)
    left = np.where(dull, wanted, wanted - np.minimum(room, wanted))
    some = left > 0
    return Forgone(buy[some], sell[some], why[some], (left * s.worth[buy])[some], gap[some])


def _room(s: Stations, at: Ints, side: int) -> tuple[Floats, Ints]:
    """(coins that a firm may still buy or sell at stations, the constraint that says so)."""
    spot = s.spot[at]
    room = np.maximum(1.0 - side * s.used[at], 0.0) * s.limit[at]
    no_money = np.where(s.money_stuck[at], PAUSE, np.where(s.money_coming[at], QUEUE, MARGIN))
    why = np.where(s.by_capital[at] & ~spot, no_money, RISK_LIMIT)
    if side > 0:
        can_pay = np.where(spot, 0.95 * s.cash[at] / s.price[at], np.where(s.cash[at] > 0, np.inf, 0.0))
        lacking = np.where(spot & (no_money == MARGIN), INVENTORY, no_money)
    else:
        can_pay = np.where(spot, np.maximum(s.held[at], 0.0), np.inf)
        lacking = np.where(s.coins_coming[at], QUEUE, np.where(s.lent_out[at], BORROW, INVENTORY))
        lacking = np.where(s.coins_stuck[at], PAUSE, lacking)
    why = np.where((can_pay <= room) | (s.by_capital[at] & spot), lacking, why)
    room = np.minimum(room, can_pay)
    for shut, code in ((s.waiting[at], GATEWAY), (s.halted[at], PAUSE)):
        why, room = np.where(shut, code, why), np.where(shut, 0.0, room)
    return room, why
