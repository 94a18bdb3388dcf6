"""Whether an order is let in: its terms (price, size, band, halt), its account's money, and whether it can be filled
whole where it asks for that. Refusals have a code.
"""

from __future__ import annotations

from abm.accounts import SPOT, holding, spot_lock
from abm.book import available, best_price, depth_of, has_room, side_base
from abm.halts import REFUSE
from abm.jit import inlined, kernel
from abm.margin import free_margin, initial_of, spendable, worst_exposure
from abm.messages import (
    ACCEPTED,
    BAD_PRICE,
    BAD_SIZE,
    ENGINE,
    EXPIRED,
    FOK,
    HALTED,
    IOC,
    LEAST_TICKS,
    MAX_LOTS,
    MAX_POSITION,
    MAX_PRICE,
    MAX_VALUE,
    NO_BALANCE,
    NO_MARGIN,
    NO_ROOM,
    OUTSIDE_BAND,
    REDUCE_ONLY,
    STP_OFF,
    STP_RESTING,
    TOO_LARGE,
    TOO_MANY_ORDERS,
    UNPRICED,
    WRONG_CONTRACT,
    WRONG_VENUE,
)
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, views
from abm.units import at_price, at_rate, at_rate_up, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def reject(s, venue, code):
    """Count a refusal by venue and reason, and pass its code on."""
    s.rejects[venue * 32 + code] += 1
    s.venues[venue].rejected += 1
    return code


@inlined
def too_many(s, row, cancels):
    """Whether an owner has sent a venue as many messages in this window as it takes; if not the message is counted.

    Cancels are let in beyond the limit of orders. The venue's own accounts have none.
    """
    venue = s.rows[row].venue
    v = s.venues[venue]
    if v.rate_limit == 0 or s.rows[row].exempt != 0:
        return False
    tally = s.tallies[s.rows[row].owner * s.meta[0].venues + venue]
    window = s.meta[0].now // v.rate_window
    if tally.window != window:
        tally.window = window
        tally.sent = 0
    if tally.sent >= (v.cancel_limit if cancels else v.rate_limit):
        return True
    tally.sent += 1
    return False


@inlined
def limit_of_market(s, b, side):
    """How far a market order may go: to the venue's bound around the mark, or anywhere."""
    bk = s.books[b]
    if bk.reach == 0 or bk.mark == 0:
        return MAX_PRICE - 1 if side > 0 else 1
    if side > 0:
        return (bk.mark + at_rate(bk.mark, bk.reach)) >> 10
    edge = bk.mark - at_rate(bk.mark, bk.reach)
    return max(1, -(-edge >> 10))  # up to a whole tick: down would be outside the band


@inlined
def check_terms(s, row, b, side, price, qty, flags, expiry):
    """Everything about an order that does not depend on the account's money."""
    bk = s.books[b]
    rw = s.rows[row]
    if rw.venue != bk.venue:
        return WRONG_VENUE
    if rw.only >= 0 and rw.only != b and (flags & ENGINE) == 0:
        return WRONG_CONTRACT
    if bk.halted != 0 and (bk.halted == REFUSE or (flags & (IOC | FOK)) != 0):
        return HALTED  # also the venue's own: they are sent again when the pause is over
    if price < 1 or price >= MAX_PRICE:
        return BAD_PRICE
    if qty < 1 or qty > MAX_LOTS:
        return BAD_SIZE
    if (flags & ENGINE) == 0:
        ticks = (bk.mark >> 10) + 1
        if price > ticks and (flags & (IOC | FOK)) == 0:
            ticks = price
        # a division decides near the bounds only: floats say surely that most orders are far below
        if float(qty) * float(ticks * bk.unit) > 0.99 * MAX_VALUE and qty > MAX_VALUE // (ticks * bk.unit):
            return BAD_SIZE
        if float(qty) * float(bk.lot_base) > 4.0e18 and qty > (1 << 62) // bk.lot_base:
            return BAD_SIZE
    if expiry != 0 and expiry <= s.meta[0].now:
        return EXPIRED
    if bk.largest_market > 0 and (flags & ENGINE) == 0:
        most = bk.largest_market if (flags & UNPRICED) != 0 else bk.largest_limit
        if at_price(qty * bk.unit, bk.mark) > most:
            return TOO_LARGE
    if bk.band > 0 and bk.mark > 0 and (flags & (ENGINE | UNPRICED)) == 0:
        edge = bk.mark + side * at_rate(bk.mark, bk.band)
        if side * (price << 10) > side * edge:
            return OUTSIDE_BAND
    return ACCEPTED


@kernel("i8(i8,i8,i8,i8,i8,i8,i8,i8)")
def check_money(address, row, b, p, side, price, qty, flags):
    """Free margin (with open orders counted) or free balance for an order; `p` is the row's position, -1 = none."""
    s = views(address)
    bk = s.books[b]
    if s.rows[row].exempt != 0 or (flags & ENGINE) != 0:
        return ACCEPTED
    if bk.kind == SPOT:
        if side < 0:
            h = holding(s, row, bk.base)
            if h == NONE or s.holdings[h].amount - s.holdings[h].locked < qty * bk.lot_base:
                return NO_BALANCE
        elif (flags & (IOC | FOK)) == 0:
            need = spot_lock(s, b, side, price, qty)
            value = price * qty * bk.unit
            at_once = value + at_rate_up(value, bk.taker_fee)
            if at_once > need:
                need = at_once
            if spendable(s, row, bk.quote) < need:
                return NO_BALANCE
        return ACCEPTED
    if (flags & REDUCE_ONLY) != 0:
        return ACCEPTED
    before = 0
    after = qty
    if p != NONE:
        x = s.positions[p]
        before = worst_exposure(x)
        up = x.qty + x.buys
        down = x.sells - x.qty
        if side > 0:
            up += qty
        else:
            down += qty
        after = up if up > down else down
    if after <= before:
        return ACCEPTED
    each = max((bk.mark >> 10) + 1, LEAST_TICKS) * bk.unit
    if float(after) * float(each) > 0.99 * MAX_POSITION and after > MAX_POSITION // each:
        return BAD_SIZE
    need = initial_of(s, b, at_price(after * bk.unit, bk.mark), s.rows[row].imr)
    if before > 0:
        need -= initial_of(s, b, at_price(before * bk.unit, bk.mark), s.rows[row].imr)
    worse = side * ((price << 10) - bk.mark)
    if worse > 0:
        # an order through the mark is under water at once; a market order has its bound as price
        touched = best_price(s, b, -side)
        paid = price
        if touched != 0 and side * touched < side * price and (flags & IOC) != 0:
            paid = touched
        worse = side * ((paid << 10) - bk.mark)
        if worse > 0:
            if (after - before) * bk.unit > (1 << 62) // ((worse >> 10) + 1):
                return NO_MARGIN
            need += at_price((after - before) * bk.unit, worse)
    if free_margin(s, row) < need:
        return NO_MARGIN
    return ACCEPTED


@inlined
def affordable(s, row, b, price, fee_rate):
    """Lots that a row's free quote balance pays for at a price, fee included."""
    bk = s.books[b]
    free = spendable(s, row, bk.quote)
    each = price * bk.unit
    each += at_rate_up(each, fee_rate) + 1
    return free // each if free > 0 else 0


@inlined
def check_room(s, row, b, side, price):
    """Whether an order may rest: the account's and the venue's number of orders, the levels of the side."""
    v = s.venues[s.rows[row].venue]
    if s.rows[row].open >= v.max_orders:
        return TOO_MANY_ORDERS
    if v.resting >= v.capacity or not has_room(s, b, side, price):
        return NO_ROOM
    return ACCEPTED


@inlined
def reducible(s, slot):
    """Lots that a resting reduce-only order can still close once all that comes before it has been filled."""
    o = s.orders[slot]
    held = -o.side * s.positions[o.position].qty
    now = s.meta[0].now
    other = s.rows[o.row].orders
    while other != NONE:
        x = s.orders[other]
        if x.book == o.book and x.side == o.side and o.side * x.price > o.side * o.price:
            if x.expiry == 0 or x.expiry > now:
                held -= x.qty
        other = x.row_next
    other = o.prev
    while other != NONE:
        x = s.orders[other]
        if x.row == o.row and (x.expiry == 0 or x.expiry > now):
            held -= x.qty
        other = x.prev
    if held > o.qty:
        return o.qty
    return held if held > 0 else 0


@kernel("b1(i8,i8,i8,i8,i8,i8,i8)")
def fillable(address, row, b, side, price, qty, stp):
    """Whether a fill-or-kill order can be filled whole, order by order: what is over, what a reduce-only order no
    longer has, and the owner's own orders do not count, and a spot buyer must be able to pay."""
    s = views(address)
    bk = s.books[b]
    if bk.ceiling != 0:
        edge = bk.ceiling if side > 0 else bk.floor  # nothing trades beyond it
        if side * price > side * edge:
            price = edge
    if available(s, b, side, price, qty) < qty:
        return False
    exempt = s.rows[row].exempt != 0
    purse = spendable(s, row, bk.quote) if bk.kind == SPOT else 0
    base = side_base(s, b, -side)
    i = depth_of(s, b, -side) - 1
    left = qty
    while i >= 0 and left > 0:
        level_price = -side * (s.keys[base + i] >> LEVEL_BITS)
        if side * level_price > side * price:
            return False
        slot = s.levels[s.keys[base + i] & LEVEL_MASK].head
        while slot != NONE and left > 0:
            o = s.orders[slot]
            following = o.next
            if o.expiry == 0 or o.expiry > s.meta[0].now:
                if stp != STP_OFF and s.rows[o.row].owner == s.rows[row].owner:
                    if stp != STP_RESTING:
                        return False
                else:
                    lots = reducible(s, slot) if (o.flags & REDUCE_ONLY) != 0 else wide(o.qty)
                    if lots > left:
                        lots = left
                    left -= lots
                    if bk.kind == SPOT and side > 0 and not exempt:
                        value = level_price * lots * bk.unit
                        each = level_price * bk.unit
                        each += at_rate_up(each, bk.taker_fee) + 1
                        if lots * each > purse:
                            return False
                        purse -= value + at_rate_up(value, bk.taker_fee)
            slot = following
        i -= 1
    return left == 0
