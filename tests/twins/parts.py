"""What a crowd's accounts do, in plain numpy, one array operation a line: the twin of `agents.parts`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.parts import AGAIN, BACK, LOST, NEWS, PLANNED, POOR, ROUTINE, STOPPED, WON


def in_coins(book: Any, mid: Any, last: Any, amount: float) -> Any:
    return np.fmax(amount / np.where(mid[book] > 0, mid[book], last[book]), 0.0)


def bearable(
    side: Any, book: Any, depth_bid: Any, depth_ask: Any, quantity: Any, share: Any, least: Any
) -> Any:
    depth = np.where(side > 0, depth_ask[book], depth_bid[book])
    return np.minimum(quantity, np.fmax(share * depth, least))


def closing(
    entries: Any, row: Any, position: Any, waiting: Any, luck: Any, book: Any, usual: Any, why: Any, held: Any,
    level: Any, when: Any, mid: Any, last: Any, depth_bid: Any, depth_ask: Any, careless: float, parts: float,
    patient_parts: float, haste: float, patience: float, rotation_share: float, return_share: float, idle: float,
    rotation_after: float, return_after: float, lists: Any, hours: Any, to: Any, coins: Any, count: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    book, usual, reason = book[entries], usual[entries], why[entries]
    flat = position == 0
    gone = entries[flat]
    held[gone], level[:, gone] = False, -np.inf
    when[0, gone] = when[3, gone] = np.inf
    own = (reason == STOPPED) | (reason == WON)
    wait = np.select(
        [reason == ROUTINE, own & (luck < rotation_share), ~own & (luck < return_share)],
        [idle, rotation_after, return_after],
        np.nan,
    )
    returns = flat & ~np.isnan(wait)
    count[:2] = (~flat).sum(), returns.sum()
    lists[AGAIN, : count[0]], lists[BACK, : count[1]] = entries[~flat], entries[returns]
    hours[: count[1]] = wait[returns]
    cause = np.select([reason == STOPPED, reason == NEWS], [1, 2], 0)
    hasty, sends = cause > 0, ~flat & (waiting == 0)
    least = np.maximum(in_coins(book, mid, last, careless), usual / np.where(hasty, parts, patient_parts))
    share = np.where(hasty, haste, patience)
    size = bearable(-position, book, depth_bid, depth_ask, np.abs(position), share, least)
    order = np.flatnonzero(sends)[np.argsort(cause[sends], kind="stable")]
    to[:, : len(order)] = row[order], book[order], -np.sign(position[order]), cause[order]
    coins[: len(order)] = size[order]
    count[2] = len(order)
    why[entries[sends & (reason == LOST)]] = ROUTINE


def building(
    entries: Any, row: Any, position: Any, waiting: Any, book: Any, side: Any, goal: Any, tries: Any, got: Any,
    leverage: Any, mid: Any, last: Any, depth_bid: Any, depth_ask: Any, careless: float, parts: float,
    patience: float, most: int, lists: Any, to: Any, coins: Any, count: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    book, side, goal = book[entries], side[entries], goal[entries]
    has = position * side
    stuck = (has <= got[entries]) & (tries[entries] > 0) & (waiting == 0)
    tries[entries] += np.where(stuck, 100, 1)
    got[entries] = has
    done = (has >= 0.95 * goal) | (tries[entries] > most)
    leverage[entries[done & (has < 0.5 * goal)]] *= 0.7
    for kind, which in ((AGAIN, ~done), (BACK, done & (has <= 0)), (PLANNED, done & (has > 0))):
        count[kind] = which.sum()
        lists[kind, : count[kind]] = entries[which]
    least = np.maximum(in_coins(book, mid, last, careless), goal / parts)
    wanted = np.where(waiting == 0, goal - has, 0.0)
    coins[: count[AGAIN]] = bearable(side, book, depth_bid, depth_ask, wanted, patience, least)[~done]
    to[:, : count[AGAIN]] = row[~done], book[~done], side[~done]


def opening(
    entries: Any, luck: Any, equity: Any, mark: Any, chase: float, group_book: Any, group_side: Any, slow: Any,
    book: Any, group: Any, purse: Any, stake: Any, leverage: Any, usual: Any, asked: Any, goal: Any, tries: Any,
    got: Any, lists: Any, count: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    pull = chase * 100.0 * group_side * (mark[group_book] / slow - 1.0)
    odds = 0.25 * np.exp(np.where(np.isfinite(pull), pull, 0.0).clip(-5.0, 1.386))
    willing, poor = luck < odds[group[entries]], equity < 0.1 * stake[entries]
    waits = willing & poor & (purse[entries] >= 0)
    asks, opens = entries[waits & ~asked[entries]], willing & ~poor & (equity > 0)
    for kind, which in ((AGAIN, entries[opens]), (BACK, entries[~willing | waits]), (POOR, asks)):
        lists[kind, : len(which)], count[kind] = which, len(which)
    asked[asks] = True
    e = entries[opens]
    coins = 0.95 * equity[opens] * leverage[e] / mark[book[e]]
    coins = np.where(usual[e] > 0, np.minimum(coins, usual[e]), coins)
    goal[e], tries[e], got[e] = np.fmax(coins, 0.0), 0, 0.0


def note(when: Any, look: Any, kind: int, entries: Any, at: Any, soon: Any, soon_at: Any, near: Any) -> None:
    """The same arguments, the same results."""
    when[kind, entries] = at
    more = entries[when[kind, entries] < look[1]]
    soon[near[0] : near[0] + len(more)] = kind * when.shape[1] + more
    soon_at[near[0] : near[0] + len(more)] = when[kind, more]
    near[0] += len(more)
    look[0] = min(look[0], when[kind, more].min(initial=np.inf))


def stirred(held: Any, row: Any, changed: Any, found: Any) -> int:
    """The same arguments, the same results."""
    which = np.flatnonzero(held & changed[row])
    found[: len(which)] = which
    return len(which)


def planning(
    entries: Any, row: Any, position: Any, equity: Any, maintenance: Any, news: Any, plan: Any, place: Any, luck: Any,
    target: Any, last: Any, mark: Any, notional: Any, book: Any, side: Any, group: Any, purse: Any, usual: Any,
    leverage: Any, stake: Any, held: Any, why: Any, asked: Any, heard: Any, level: Any, nearest: Any,
    stop_share: float, stop_near: float, stop_far: float, add_share: float, call_near: float, call_far: float,
    profit_share: float, profit_near: float, profit_far: float,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    book, side = book[entries], side[entries]
    price = np.where(np.isfinite(last[book]), last[book], mark[book])
    notional[row] = 0.0
    np.add.at(notional, row, np.abs(position) * mark[book])
    whole = notional[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.nan_to_num((equity - maintenance) / (whole - side * maintenance)).clip(1e-6, 0.999)
    first = usual[entries] == 0
    fresh = entries[first]
    usual[fresh], stake[fresh] = np.abs(position[first]), equity[first]
    leverage[fresh] = (whole[first] / np.maximum(equity[first], 1e-9)).clip(0.01, 125.0)
    held[entries], why[entries], asked[entries], heard[entries] = True, LOST, False, news
    stops = plan < stop_share
    adds = ~stops & (plan < stop_share + add_share) & (purse[entries] >= 0)
    for kind, which, way in (
        (0, stops, -(stop_near + (stop_far - stop_near) * place)),
        (1, adds, -(call_near + (call_far - call_near) * place)),
        (2, luck < profit_share, profit_near + (profit_far - profit_near) * target),
    ):
        at = price * (1.0 + side * way * distance) * side * (1.0, 1.0, -1.0)[kind]
        level[kind, entries[which]] = at[which]
        np.maximum.at(nearest[kind], group[entries[which]], at[which])


def ripe(when: Any, look: Any, soon: Any, soon_at: Any, near: Any, now: float, found: Any, ends: Any) -> None:
    """The same arguments, the same results."""
    flat, entries, who, at = when.reshape(-1), when.shape[1], soon[: near[0]], soon_at[: near[0]]
    come = np.unique(who[(flat[who] == at) & (at <= now)])
    flat[come] = np.inf
    found[: len(come)] = come % entries
    ends[:] = np.searchsorted(come, entries * np.arange(1, len(ends) + 1))
    later = np.flatnonzero(at > now)
    who[: len(later)], at[: len(later)] = who[later], at[later]
    look[0], near[0] = min(look[1], at[: len(later)].min(initial=np.inf)), len(later)
