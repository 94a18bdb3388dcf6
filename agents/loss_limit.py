"""A maker's loss limit: a firm that has lost too much pulls its quotes, dumps, stays away for a while, and returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.market import Market, Me
from agents import desks
from agents.quoting import AWAY, DUMPING, QUOTING

Floats = NDArray[np.float64]
Memory = dict[str, NDArray[Any]]


def stop_or_return(me: Me, market: Market, p: Any, m: Memory, wealth: Floats) -> None:
    """Firms beyond their loss limit stop and dump; those whose time is over return.

    Args:
        p: the species' parameters `dump`, `return_least` and `return_most`, seconds.
        m: its memory; by firm `state`, `until` (s), `start`, `limit` (dollars), `firm_row`; by station `firm`, `row`,
            `sent`.
        wealth: float64[firms], dollars.
    """
    state, until, now = m["state"], m["until"], market.time
    hit = (state == QUOTING) & (wealth - m["start"] < -m["limit"])
    done = (state == DUMPING) & (now >= until)
    back = (state == AWAY) & (now >= until)
    if hit.any():
        state[hit], until[hit] = DUMPING, now + p.dump
        mine = np.unique(m["row"][hit[m["firm"]]])
        me.cancel_all(mine)
        m["sent"][hit[m["firm"]]] = 0.0
        for f in np.flatnonzero(hit).tolist():
            me.emit("limit_hit", int(m["firm_row"][f]), float(wealth[f] - m["start"][f]))
    if done.any():
        drawn = me.uniform("return", m["firm_row"])
        rest = p.return_least + drawn * max(p.return_most - p.return_least, 0.0)
        state[done], until[done] = AWAY, now + rest[done]
    if back.any():
        state[back] = QUOTING
        m["start"][back] = wealth[back]


def dump(me: Me, market: Market, m: Memory) -> None:
    """Market orders against what firms that dump hold beyond their opening, so that it is gone in the time for it."""
    here = np.flatnonzero(m["state"][m["firm"]] == DUMPING)
    row, book = m["row"][here], m["book"][here]
    perp = np.asarray(market.books.kind)[book] == 0
    m["held"][here[perp]] = me.position(row[perp], book[perp])
    excess = (m["held"] - m["home"])[here]
    left = np.maximum(m["until"][m["firm"][here]] - market.time, market.dt)
    quantity = np.abs(excess) * np.minimum(3.0 * market.dt / left, 1.0)
    side = -np.sign(excess).astype(np.int64)
    seen = np.where(side > 0, np.asarray(market.depth_ask)[1, book], np.asarray(market.depth_bid)[1, book])
    quantity = np.minimum(quantity, 0.3 * desks.or_zero(seen))
    go = (quantity >= np.asarray(market.books.lot)[book]) & ~np.asarray(market.halted)[book]
    if go.any():
        me.market_order(row[go], book[go], side[go], quantity[go])
        coins = go & ~perp  # positions are read again in the next step, coins here
        m["held"][here[coins]] += side[coins] * quantity[coins]
