"""What a venue makes public at the end of a step: quotes, depth, trades, open interest, prices; one record a book.

Records live in a ring `public[step % ring, book]`, so that a reader with a feed delay sees an older one.
"""

from __future__ import annotations

import numpy as np

from abm.book import best_level, best_price, depth_of, find, side_base
from abm.jit import CONSTANT, inlined, kernel
from abm.state import LEVEL_BITS, LEVEL_MASK, views
from abm.units import ONE, RATE

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def lots_between(s, base, n, low, high):
    """Lots that rest at ranks from `low` to below `high`."""
    i = find(s, base, n, low)
    edge = high << LEVEL_BITS
    total = 0
    while i < n and s.keys[base + i] < edge:
        total += s.levels[s.keys[base + i] & LEVEL_MASK].qty
        i += 1
    return total


@inlined
def lots_gained(s, base, n, before, after):
    """Lots that come within a bound (a rank) that moves."""
    if after < before:
        return lots_between(s, base, n, after, before)
    return -lots_between(s, base, n, before, after) if after > before else 0


@inlined
def look_from(s, b, side, reference):
    """Have the depth of a side count from a reference price (in half ticks): only levels that a bound passes are
    looked at. A bound is the worst rank whose price is no further than 0.5, 1, 2 or 5 % from the reference."""
    near = s.near[2 * b + (side < 0)]
    base, n = side_base(s, b, side), depth_of(s, b, side)
    from_zero = side * reference
    bound0 = -((reference // 200 - from_zero) >> 1)
    bound1 = -((reference // 100 - from_zero) >> 1)
    bound2 = -((reference // 50 - from_zero) >> 1)
    bound3 = -((reference // 20 - from_zero) >> 1)
    near.lots0 += lots_gained(s, base, n, near.bound0, bound0)
    near.lots1 += lots_gained(s, base, n, near.bound1, bound1)
    near.lots2 += lots_gained(s, base, n, near.bound2, bound2)
    near.lots3 += lots_gained(s, base, n, near.bound3, bound3)
    near.bound0, near.bound1, near.bound2, near.bound3 = bound0, bound1, bound2, bound3


@kernel("i8(i8,f8)")
def publish(address, decay):
    """Write the public record of every book for the step that ends, and start the next step's counts.

    `decay` is the weight of the new squared return in the variance estimate (1 - 2**(-step/half-life)).
    """
    s = views(address)
    m = s.meta[0]
    seconds = m.step_ms / 1000.0
    place = (m.step % m.ring) * m.books
    for b in range(m.books):
        bk = s.books[b]
        r = s.public[place + b]
        bid = best_price(s, b, 1)
        ask = best_price(s, b, -1)
        if bid != 0 and ask != 0 and bid >= ask:
            bid = 0  # crossed by what a call auction has collected: there are no quotes
            ask = 0
        r.bid = bid
        r.ask = ask
        r.bid_size = s.levels[best_level(s, b, 1)].qty if bid != 0 else 0
        r.ask_size = s.levels[best_level(s, b, -1)].qty if ask != 0 else 0
        r.last = bk.last
        r.mark = bk.mark
        r.index = bk.index
        reference = bid + ask
        if bid == 0 or ask == 0:
            reference = (bk.mark >> 9) if bk.mark > 0 else 2 * bk.last
        look_from(s, b, 1, reference)
        look_from(s, b, -1, reference)
        bids, asks = s.near[2 * b], s.near[2 * b + 1]
        r.bid0, r.bid1, r.bid2, r.bid3 = bids.lots0, bids.lots1, bids.lots2, bids.lots3
        r.ask0, r.ask1, r.ask2, r.ask3 = asks.lots0, asks.lots1, asks.lots2, asks.lots3
        if bk.last_mid > 0 and reference > 0:
            ret = (reference - bk.last_mid) / bk.last_mid
            bk.volatility += decay * (ret * ret / seconds - bk.volatility)
        bk.last_mid = reference
        r.volatility = np.sqrt(bk.volatility)
        r.volume = bk.volume
        r.value = bk.value
        r.taker_buy = bk.taker_buy
        r.trades = bk.trades
        r.low = bk.low
        r.high = bk.high
        r.open_interest = bk.open_interest
        r.funding = bk.funding
        r.halted = bk.halted
        bk.volume = 0
        bk.value = 0
        bk.taker_buy = 0
        bk.trades = 0
        bk.low = 0
        bk.high = 0
    return 0


@kernel(f"void(i8,{CONSTANT},{CONSTANT},f8[::1])")
def open_value(address, scale, dollar, out):
    """Open interest of every book at mark, dollars: `scale` units of its quote asset in one, worth `dollar` each."""
    s = views(address)
    for b in range(len(out)):
        bk = s.books[b]
        out[b] = bk.open_interest * (bk.unit * (bk.mark / 1024.0)) / scale[b] * dollar[b]


READ = (
    "bid", "ask", "last", "mark", "index", "low", "high", "bid_size", "ask_size",
    "bid0", "bid1", "bid2", "bid3", "ask0", "ask1", "ask2", "ask3",
    "volume", "taker_buy", "open_interest", "funding", "volatility",
)  # fmt: skip
PLACE = {name: i for i, name in enumerate(READ)}


@inlined
def _price(ticks, tick):
    return ticks * tick if ticks > 0 else np.nan


@kernel(f"void(i8,i8,{CONSTANT},{CONSTANT},{CONSTANT},f8[:,::1])")
def read(address, first, tick, lot, scale, out):
    """Copy the records from number `first` on as people read them: float64[READ, books], NaN = no price.

    Prices in the quote asset, sizes in coins, flows in the quote asset, funding as a share.
    """
    s = views(address)
    for b in range(out.shape[1]):
        r = s.public[first + b]
        t, fine, coins = tick[b], tick[b] * (1.0 / ONE), lot[b]
        out[0, b], out[1, b], out[2, b] = _price(r.bid, t), _price(r.ask, t), _price(r.last, t)
        out[3, b], out[4, b] = _price(r.mark, fine), _price(r.index, fine)
        out[5, b], out[6, b] = _price(r.low, t), _price(r.high, t)
        out[7, b], out[8, b] = r.bid_size * coins, r.ask_size * coins
        out[9, b], out[10, b], out[11, b], out[12, b] = (
            r.bid0 * coins,
            r.bid1 * coins,
            r.bid2 * coins,
            r.bid3 * coins,
        )
        out[13, b], out[14, b], out[15, b], out[16, b] = (
            r.ask0 * coins,
            r.ask1 * coins,
            r.ask2 * coins,
            r.ask3 * coins,
        )
        out[17, b], out[18, b] = r.value / scale[b], r.taker_buy / scale[b]
        out[19, b], out[20, b], out[21, b] = r.open_interest * coins, r.funding / RATE, r.volatility
