"""What a venue makes public at the end of a step: quotes, depth, trades, open interest, prices; one record a book.

Records live in a ring `public[step % ring, book]`, so that a reader with a feed delay sees an older one.
"""

from __future__ import annotations

import numpy as np

from abm.book import best_level, best_price, depth_of, side_base
from abm.jit import CONSTANT, inlined, kernel
from abm.state import LEVEL_BITS, LEVEL_MASK, views
from abm.units import ONE, RATE

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def depth_within(s, b, side, reference, r):
    """Add up the lots of a side within 0.5, 1, 2 and 5 % of a reference price (in half ticks) into record `r`."""
    base = side_base(s, b, side)
    half, one, two, five = reference // 200, reference // 100, reference // 50, reference // 20
    d0 = d1 = d2 = d3 = 0
    i = depth_of(s, b, side) - 1
    while i >= 0:
        key = s.keys[base + i]
        away = side * reference - 2 * (key >> LEVEL_BITS)  # half ticks below (bids) or above (asks)
        if away > five:
            break
        lots = s.levels[key & LEVEL_MASK].qty
        d3 += lots
        if away <= two:
            d2 += lots
            if away <= one:
                d1 += lots
                if away <= half:
                    d0 += lots
        i -= 1
    if side > 0:
        r.bid0, r.bid1, r.bid2, r.bid3 = d0, d1, d2, d3
    else:
        r.ask0, r.ask1, r.ask2, r.ask3 = d0, d1, d2, d3


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
        depth_within(s, b, 1, reference, r)
        depth_within(s, b, -1, reference, r)
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
