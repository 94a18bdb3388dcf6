"""The call auction that ends a trading pause, or is held at stated intervals: one price for all that was collected.

The price is the one at which most is traded; of those the one that leaves the smallest imbalance; of those the nearest
to the reference, the last price before the pause; of two as near the lower. Orders are filled by price, then by time;
what is left rests on. Every fill settles like any other, self-trade prevention and reduce-only included; the side that
has more lots at the price pays the taker's fee (on spot the seller, because a buyer has locked the maker's).
"""

from __future__ import annotations

from abm.accounts import PERP, settle_perp, settle_spot
from abm.book import best_level, best_price, change_level, depth_of, side_base
from abm.fills import note_fill
from abm.halts import BEGUN, lengthen, restart
from abm.jit import inlined, kernel
from abm.messages import REDUCE_ONLY, STP_OFF, STP_RESTING, STP_TAKING
from abm.resting import end_reduced, release, remove
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, views
from abm.units import wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("i8(i8,i8,i8,i8)")
def willing(address, b, side, price):
    """Lots of a side that would trade at a price."""
    s = views(address)
    base = side_base(s, b, side)
    total = 0
    i = depth_of(s, b, side) - 1
    while i >= 0:
        key = s.keys[base + i]
        if side * (side * (key >> LEVEL_BITS)) < side * price:
            break
        total += s.levels[key & LEVEL_MASK].qty
        i -= 1
    return total


@inlined
def better(address, b, price, best, reference):
    """Whether a price is a better clearing price than the best so far (0 = none)."""
    if best == 0:
        return True
    bids, offers = willing(address, b, 1, price), willing(address, b, -1, price)
    bids_there, offers_there = willing(address, b, 1, best), willing(address, b, -1, best)
    volume = min(bids, offers)
    there = min(bids_there, offers_there)
    if volume != there:
        return volume > there
    if abs(bids - offers) != abs(bids_there - offers_there):
        return abs(bids - offers) < abs(bids_there - offers_there)
    if abs(price - reference) != abs(best - reference):
        return abs(price - reference) < abs(best - reference)
    return price < best


@inlined
def balanced(address, b, low, high):
    """The highest price from `low` at which bids are willing to trade no less than offers; low - 1 if none is."""
    below, above = low - 1, high + 1
    while above - below > 1:
        price = (below + above) // 2
        if willing(address, b, 1, price) >= willing(address, b, -1, price):
            below = price
        else:
            above = price
    return below


@inlined
def nearest_alike(s, b, price, low, high, reference):
    """The price nearest to the reference at which both sides are as willing as at `price`: what is willing changes just
    above a bid and at an offer."""
    for k in range(2):
        side = 1 - 2 * k
        base = side_base(s, b, side)
        for i in range(depth_of(s, b, side)):
            level = side * (s.keys[base + i] >> LEVEL_BITS)
            first, last = (level + 1, level) if side > 0 else (level, level - 1)
            if low < first <= price:
                low = first
            if price <= last < high:
                high = last
    return min(max(reference, low), high)


@kernel("i8(i8,i8,i8)")
def clearing_price(address, b, reference):
    """Price of the auction in ticks, 0 if nobody would trade.

    Bids get fewer and offers more as the price rises, so most is traded where they meet: at the last price at which
    bids are no fewer, or at the next.
    """
    s = views(address)
    low, high = best_price(s, b, -1), best_price(s, b, 1)
    if low == 0 or high < low:
        return 0
    meet = balanced(address, b, low, high)
    best = 0
    for price in range(meet, meet + 2):
        if low <= price <= high:
            alike = nearest_alike(s, b, price, low, high, reference)
            if better(address, b, alike, best, reference):
                best = alike
    return best


@inlined
def usable(s, slot):
    """Lots of an order that may trade now; an order that may not is ended."""
    o = s.orders[slot]
    lots = wide(o.qty)
    if o.expiry != 0 and o.expiry <= s.meta[0].now:
        lots = 0
    elif (o.flags & REDUCE_ONLY) != 0:
        held = -o.side * s.positions[o.position].qty
        if held < lots:
            lots = held
    if lots <= 0:
        remove(s, slot)
        return 0
    return lots


@inlined
def end_own(s, bid, offer):
    """Self-trade prevention between two resting orders of one owner: the one that `remove` names as resting is the
    offer's, as if the bid had come last."""
    stp = s.venues[s.books[s.orders[bid].book].venue].stp
    if stp != STP_TAKING:
        remove(s, offer)
    if stp != STP_RESTING:
        remove(s, bid)


@inlined
def fill(s, b, taker, maker, side, price, lots):
    """One fill between two resting orders at the auction's price; `side` is the taker's."""
    release(s, taker, lots)
    release(s, maker, lots)
    t = s.orders[taker]
    m = s.orders[maker]
    taker_row, maker_row = wide(t.row), wide(m.row)
    taker_place, maker_place = wide(t.position), wide(m.position)
    if s.books[b].kind == PERP:
        value = settle_perp(s, b, taker_row, maker_row, taker_place, maker_place, side, price, lots)
    else:
        value = settle_spot(s, b, taker_row, maker_row, side, price, lots)
        taker_place = NONE
        maker_place = NONE
    note_fill(s, b, side, price, lots, value, wide(t.kind), taker_row, maker, t.cause)
    for k in range(2):
        slot = taker if k == 0 else maker
        o = s.orders[slot]
        o.qty -= lots
        change_level(s, slot, -lots)
        if o.qty == 0:
            remove(s, slot)
    end_reduced(s, taker_row, taker_place)
    end_reduced(s, maker_row, maker_place)


@kernel("i8(i8,i8,i8)")
def cross(address, b, price):
    """Match all that is willing at one price. Returns the lots traded.

    Self-trade prevention and reduce-only may leave orders that still cross although the other side has none for the
    price any more: those of the thinner best level are ended, so that there is one price.
    """
    s = views(address)
    bk = s.books[b]
    stp = s.venues[bk.venue].stp
    side = 1 if willing(address, b, 1, price) >= willing(address, b, -1, price) else -1
    if bk.kind != PERP:
        side = -1
    traded = 0
    while best_price(s, b, 1) >= price and 0 < best_price(s, b, -1) <= price:
        bid = wide(s.levels[best_level(s, b, 1)].head)
        offer = wide(s.levels[best_level(s, b, -1)].head)
        if stp != STP_OFF and s.rows[s.orders[bid].row].owner == s.rows[s.orders[offer].row].owner:
            end_own(s, bid, offer)
            continue
        lots = usable(s, bid)
        if lots == 0:
            continue
        other = usable(s, offer)
        if other == 0:
            continue
        if other < lots:
            lots = other
        fill(s, b, bid if side > 0 else offer, offer if side > 0 else bid, side, price, lots)
        traded += lots
    while depth_of(s, b, 1) > 0 and depth_of(s, b, -1) > 0 and best_price(s, b, 1) >= best_price(s, b, -1):
        bids, offers = best_level(s, b, 1), best_level(s, b, -1)
        thin = bids if s.levels[bids].qty <= s.levels[offers].qty else offers
        remove(s, wide(s.levels[thin].head))
    return traded


@kernel("i8(i8)")
def reopen(address):
    """End the pauses that are over and hold the calls that are due, each by its auction. Returns how many."""
    s = views(address)
    count = 0
    for b in range(s.meta[0].books):
        bk = s.books[b]
        if bk.halted == 0 or s.meta[0].now < bk.halted_until:
            continue
        price = clearing_price(address, b, bk.last if bk.last > 0 else bk.mark >> 10)
        if price > 0 and lengthen(address, b, price) > 0:
            if bk.call_every > 0:
                bk.halt_news = BEGUN  # a call that is put off
            continue
        if price > 0 and cross(address, b, price) == 0:
            price = 0
        restart(address, b, price)
        count += 1
    return count
