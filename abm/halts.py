"""Trading halts: prices at which nothing trades, the pause that follows, and what the venue does with orders in it.

One mechanism. A trigger is (horizon, bound, pause): no trade happens further than the bound from a reference price made
from the trades of the horizon. An order that would trade there halts the book, at once or after a limit state in which
trading goes on inside the bounds only; the pauses of all triggers that it broke add up. A call auction ends the pause
(`abm.auction`); if its price breaks a trigger that has not acted yet, that one's pause is added. Known rules are
parameters:

- limit up, limit down (US equities): mean of 5 minutes, 5, 10 or 20 % by tier, 15 s of limit state, 5 minutes;
- dynamic circuit breaker (CME): 3.5 % from the lowest or highest price of an hour, 2 minutes;
- price-monitoring auctions (Vega protocol, spec 0032): bounds round the price of some time ago, several triggers.

Orders in a pause are refused, or collected: they rest without matching, so that the book may be crossed. Cancels are
always taken. A venue's own liquidation orders wait.

A venue of call auctions (`calls`) is always in such a pause: it collects, and an auction at every so many seconds takes
the place of trading. Triggers put the call off that would break them. It has spot books only: what would be liquidated
would wait for ever.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import field_validator, model_validator

from abm.book import best_price
from abm.index import mid_of
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import NONE, State, views
from abm.units import at_rate

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

LULD = "Limit Up-Limit Down plan: 5 minutes' mean, bands by tier, 15 s limit state, 5-minute pause"
CME = "cmegroup.com, understanding price limits and circuit breakers"
VEGA = "Vega protocol specs, 0032-PRIM price monitoring"
MOST_TRIGGERS = 4
REFUSE, COLLECT = 1, 2  # what `halted` of a book says; 0 = it trades
REFERENCES = ("mean", "range", "past")  # by code
MEAN, RANGE, PAST = range(len(REFERENCES))
BEGUN, ENDED = 1, 2  # what `halt_news` of a book says
GRAIN = 60  # bars that the shortest horizon is divided into


class HaltRule(Frozen):
    """When a book is halted, for how long, and what happens to orders meanwhile; off without a trigger."""

    triggers: tuple[tuple[float, float, float], ...] = parameter(
        (),
        "Up to four of [horizon, bound, pause]: seconds of trades that make the reference, share of it that prices may"
        " be off, seconds of the pause; none = never halted",
        unit="seconds, share, seconds",
        source=f"crypto venues have none; {LULD}; CME 3.5 % in an hour, 2 minutes",
    )
    reference: Literal["mean", "range", "past"] = parameter(
        "range",
        "Reference: mean = of the horizon's trades (limit up, limit down); range = its lowest trade for the upper"
        " bound, its highest for the lower (CME); past = the price at its beginning (Vega)",
        source=f"{LULD}; {CME}; {VEGA}",
    )
    limit_state: float = parameter(
        0.0,
        "Time for which a price beyond the bound must last before the pause; 0 = at once (limit up, limit down: 15)",
        unit="seconds",
        source=CME,
        ge=0,
        le=3600,
    )
    calls: float = parameter(
        0.0,
        "Time from one call auction to the next, in between which orders are collected; 0 = trading is continuous",
        unit="seconds",
        source="rule of a venue; batch auctions: Budish, Cramton and Shim 2015",
        ge=0,
        le=86400,
    )
    during: Literal["collect", "refuse"] = parameter(
        "collect",
        "New orders in the pause: collect = limit orders rest for the auction, others are refused; refuse = all are",
        source=VEGA,
    )

    @model_validator(mode="after")
    def _calls_collect(self) -> Self:
        if self.calls > 0 and self.during == "refuse":
            raise ValueError('calls: needs during = "collect", or there is nothing to call')
        return self

    @field_validator("triggers")
    @classmethod
    def _triggers_are_possible(
        cls, value: tuple[tuple[float, float, float], ...]
    ) -> tuple[tuple[float, float, float], ...]:
        if len(value) > MOST_TRIGGERS:
            raise ValueError(f"{len(value)} triggers, at most {MOST_TRIGGERS} expected")
        for horizon, bound, pause in value:
            if not (1 <= horizon <= 86400 and 0 < bound <= 1 and 1 <= pause <= 86400):
                raise ValueError(
                    f"trigger {horizon}, {bound}, {pause}: horizon and pause from 1 to 86400 seconds and a bound"
                    " above 0 and up to 1 expected"
                )
        return value


def luld_bands(
    reference: float, tier: int = 1, after_open: float = 1e9, to_close: float = 1e9
) -> tuple[float, float]:
    """Lower and upper price band of limit up, limit down.

    Args:
        reference: dollars. tier: 1 (large stocks) or 2. after_open, to_close: minutes; the band is doubled in the first
            15 and the last 25.
    """
    if reference > 3.0:
        width = reference * (0.05 if tier == 1 else 0.10)
    elif reference >= 0.75:
        width = reference * 0.20
    else:
        width = min(0.15, reference * 0.75)
    if after_open < 15 or to_close <= 25:
        width *= 2
    return max(0.0, reference - width), reference + width


def bounds(
    trades: list[tuple[float, float]], now: float, horizon: float, bound: float, reference: str
) -> tuple[float, float]:
    """Lowest and highest price of a trigger.

    Args:
        trades: (time, price) in the order of time, at least one. now, horizon: seconds. bound: share.
        reference: one of `REFERENCES`.
    """
    recent = [p for t, p in trades if t > now - horizon] or [trades[-1][1]]
    if reference == "range":
        return max(recent) * (1 - bound), min(recent) * (1 + bound)
    centre = sum(recent) / len(recent)
    if reference == "past":
        centre = next((p for t, p in reversed(trades) if t <= now - horizon), trades[0][1])
    return centre * (1 - bound), centre * (1 + bound)


# ---------------------------------------------------------------- in the market


@inlined
def halted(s, b):
    """Whether a book is in a pause."""
    return s.books[b].halted != 0


@kernel("b1(i8,i8)")
def waits(address, row):
    """Whether a row holds a contract that is halted: its liquidation waits for the end of the pause."""
    s = views(address)
    p = s.rows[row].positions
    while p != NONE:
        if s.positions[p].qty != 0 and halted(s, s.positions[p].book):
            return True
        p = s.positions[p].next
    return False


@inlined
def bar_of(s, b, k):
    """Record of the k-th latest bar of a book (0 = the one that is written)."""
    bk = s.books[b]
    return s.bars[bk.bar + (bk.bar_at - k) % bk.bars]


@inlined
def note_bar(s, b, slot, total, count, low, high, last):
    """Add trades to the bar of a slot of time, opening it if it is new."""
    bk = s.books[b]
    if bk.bars_n == 0 or bar_of(s, b, 0).slot != slot:
        bk.bar_at = (bk.bar_at + 1) % bk.bars
        if bk.bars_n < bk.bars:
            bk.bars_n += 1
        bar = bar_of(s, b, 0)
        bar.slot = slot
        bar.total = 0
        bar.count = 0
        bar.low = low
        bar.high = high
    bar = bar_of(s, b, 0)
    bar.total += total
    bar.count += count
    bar.last = last
    if low < bar.low:
        bar.low = low
    if high > bar.high:
        bar.high = high


@kernel("void(i8,i8)")
def set_bounds(address, b):
    """The prices between which a book trades from now on: inside the bounds of all its triggers."""
    s = views(address)
    bk = s.books[b]
    bk.floor = 0
    bk.ceiling = 0
    slot = s.meta[0].now // bk.slot_ms
    for i in range(bk.triggers):
        t = s.triggers[MOST_TRIGGERS * b + i]
        first = slot - t.horizon // bk.slot_ms  # bars after this one count
        total = 0
        count = 0
        low = bk.last
        high = bk.last
        past = bk.last
        k = 0
        while k < bk.bars_n:
            bar = bar_of(s, b, k)
            past = bar.last
            if bar.slot <= first:
                break
            total += bar.total
            count += bar.count
            if k == 0 or bar.low < low:
                low = bar.low
            if k == 0 or bar.high > high:
                high = bar.high
            k += 1
        low <<= 10
        high <<= 10
        if bk.halt_reference != RANGE:
            low = past << 10
            if bk.halt_reference == MEAN:
                low = (total << 10) // count if count > 0 else bk.last << 10
            high = low
        t.ceiling = (low + at_rate(low, t.bound)) >> 10
        t.floor = -((at_rate(high, t.bound) - high) >> 10)
        if t.floor > bk.floor:
            bk.floor = t.floor
        if bk.ceiling == 0 or t.ceiling < bk.ceiling:
            bk.ceiling = t.ceiling


@kernel("i8(i8,i8,i8)")
def lengthen(address, b, price):
    """Add the pauses of the triggers that a price breaks and that have not acted in this pause. Returns the time
    added, ms."""
    s = views(address)
    bk = s.books[b]
    pause = 0
    for i in range(s.books[b].triggers):
        t = s.triggers[MOST_TRIGGERS * b + i]
        if (price > t.ceiling or price < t.floor) and (bk.halt_mask >> i) & 1 == 0:
            pause += t.pause
            bk.halt_mask |= 1 << i
    bk.halted_until += pause
    return pause


@inlined
def halt(s, b, price):
    """Begin the pause of a book whose next trade would have been at a price."""
    bk = s.books[b]
    bk.halted = bk.halt_during
    bk.halted_until = s.meta[0].now
    bk.halt_mask = 0
    lengthen(s.meta[0].address, b, price)
    bk.halt_news = BEGUN
    bk.limited = 0


@kernel("void(i8,i8,i8)")
def trip(address, b, price):
    """An order would have traded at a price beyond the bounds: the pause, or the limit state before it."""
    s = views(address)
    bk = s.books[b]
    if bk.limit_state == 0:
        halt(s, b, price)
    elif bk.limited == 0:
        bk.limited = 1
        bk.limit_since = s.meta[0].now
        bk.limit_price = price


@kernel("void(i8,i8,i8)")
def restart(address, b, price):
    """End a book's pause, or wait for its next call.

    After a pause references begin anew from the auction's price or, where there was no trade (price 0), from the middle
    of the book, the one quote that there is, or the mark.
    """
    s = views(address)
    bk = s.books[b]
    paused = bk.call_every == 0 or bk.halt_mask != 0
    if paused:
        bk.halt_news = ENDED
    bk.halt_mask = 0
    if bk.call_every == 0:
        bk.halted = 0
    else:
        bk.halted_until = (s.meta[0].now // bk.call_every + 1) * bk.call_every
    if bk.triggers == 0 or not paused:
        return
    if price == 0:
        bid, ask = best_price(s, b, 1), best_price(s, b, -1)
        price = mid_of(s, b) >> 10
        if price == 0:
            price = bid + ask if bid + ask > 0 else bk.mark >> 10
    bk.bars_n = 0
    bk.trade_sum_seen = bk.trade_sum
    bk.trade_count_seen = bk.trade_count
    note_bar(s, b, s.meta[0].now // bk.slot_ms, price, 1, price, price, price)
    set_bounds(address, b)


@inlined
def limit_holds(s, b):
    """Whether the price that has begun a limit state is still all that there is to trade at."""
    bk = s.books[b]
    if bk.limit_price > bk.ceiling:
        ask = best_price(s, b, -1)
        return ask == 0 or ask > bk.ceiling
    if bk.limit_price < bk.floor:
        bid = best_price(s, b, 1)
        return bid == 0 or bid < bk.floor
    return False


@kernel("void(i8)")
def watch_all(address):
    """At the end of a step: the trades of the step count, bounds move along, limit states end or become pauses."""
    s = views(address)
    now = s.meta[0].now
    for b in range(s.meta[0].books):
        bk = s.books[b]
        if bk.triggers == 0:
            continue
        count = bk.trade_count - bk.trade_count_seen
        if count > 0:
            note_bar(
                s, b, now // bk.slot_ms, bk.trade_sum - bk.trade_sum_seen, count, bk.low, bk.high, bk.last
            )
            bk.trade_sum_seen = bk.trade_sum
            bk.trade_count_seen = bk.trade_count
        if bk.last == 0 or (bk.halted != 0 and (bk.call_every == 0 or bk.halt_mask != 0)):
            continue
        set_bounds(address, b)
        if bk.halted != 0:
            continue
        if bk.limited != 0:
            if not limit_holds(s, b):
                bk.limited = 0
            elif now - bk.limit_since >= bk.limit_state:
                halt(s, b, bk.limit_price)


@kernel("b1(i8)")
def any_halted(address):
    """Whether any book is in a pause."""
    s = views(address)
    count = 0
    for b in range(s.meta[0].books):
        count += halted(s, b)
    return count > 0


@kernel("b1(i8)")
def any_news(address):
    """Whether a pause has begun or ended that has not been told."""
    s = views(address)
    count = 0
    for b in range(s.meta[0].books):
        count += s.books[b].halt_news != 0
    return count > 0


def news(state: State) -> list[tuple[int, bool]]:
    """(Book, whether its pause has begun or else ended) of all pauses that have not been told; they are now."""
    if not any_news(state.address):
        return []
    untold = state.books["halt_news"]
    told = [(int(b), int(untold[b]) == BEGUN) for b in np.flatnonzero(untold)]
    untold[:] = 0
    return told
