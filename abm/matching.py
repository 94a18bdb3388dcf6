"""The pass that checks, matches and settles messages one by one.

Every fill settles before the next is looked at, every refusal has a code, and nothing is dropped: an order that finds
no room is refused with `NO_ROOM`. Prices are ticks, sizes lots, times milliseconds.
"""

from __future__ import annotations

from abm.accounts import (
    PERP,
    SPOT,
    ensure_holding,
    ensure_position,
    holding,
    position,
    settle_perp,
    settle_spot,
    spot_lock,
)
from abm.book import (
    available,
    best_level,
    best_price,
    depth_of,
    dequeue,
    enqueue,
    free_slot,
    handle_of,
    has_room,
    link_expiry,
    new_slot,
    side_base,
    slot_of,
    unlink_expiry,
)
from abm.jit import inlined, kernel
from abm.margin import free_margin, initial_of, spendable, worst_exposure
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, WHEEL, views
from abm.units import at_price, at_rate, at_rate_up, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

# what a message asks for
LIMIT, MARKET, CANCEL, CANCEL_ALL, AMEND, QUOTE = range(6)

# order flags
IOC, FOK, POST_ONLY, REDUCE_ONLY, ENGINE = 1, 2, 4, 8, 16

# self-trade prevention
STP_RESTING, STP_TAKING, STP_BOTH, STP_OFF = range(4)

# what a message's sender is told
CODES = (
    "accepted",
    "bad price",
    "bad size",
    "outside the band",
    "post-only would trade",
    "nothing to reduce",
    "not enough margin",
    "not enough balance",
    "cannot be filled whole",
    "unknown order",
    "too many orders of the account",
    "no room",
    "halted",
    "gateway full",
    "self-trade",
    "wrong venue",
    "wrong contract for an isolated account",
    "expired",
)
(
    ACCEPTED,
    BAD_PRICE,
    BAD_SIZE,
    OUTSIDE_BAND,
    WOULD_TRADE,
    NOTHING_TO_REDUCE,
    NO_MARGIN,
    NO_BALANCE,
    NOT_WHOLE,
    UNKNOWN_ORDER,
    TOO_MANY_ORDERS,
    NO_ROOM,
    HALTED,
    GATEWAY_FULL,
    SELF_TRADE,
    WRONG_VENUE,
    WRONG_CONTRACT,
    EXPIRED,
) = range(len(CODES))

MAX_PRICE = 1 << 31
MAX_LOTS = 1 << 46
# of one order in quote units ($36 billion): what is computed from it stays far inside 63 bits
MAX_VALUE = 1 << 55


@inlined
def release(s, slot, lots):
    """Free what `lots` of a resting order kept reserved (position sums of a perpetual, locked balance of spot)."""
    o = s.orders[slot]
    if s.books[o.book].kind == PERP:
        x = s.positions[o.position]
        if o.side > 0:
            x.buys -= lots
        else:
            x.sells -= lots
    else:
        bk = s.books[o.book]
        h = holding(s, o.row, bk.quote if o.side > 0 else bk.base)
        before = spot_lock(s, o.book, o.side, o.price, o.qty)
        after = spot_lock(s, o.book, o.side, o.price, o.qty - lots)
        s.holdings[h].locked -= before - after


@inlined
def reserve(s, slot):
    """Reserve for all lots of an order that is about to rest."""
    o = s.orders[slot]
    if s.books[o.book].kind == PERP:
        x = s.positions[o.position]
        if o.side > 0:
            x.buys += o.qty
        else:
            x.sells += o.qty
    else:
        bk = s.books[o.book]
        h = holding(s, o.row, bk.quote if o.side > 0 else bk.base)
        s.holdings[h].locked += spot_lock(s, o.book, o.side, o.price, o.qty)


@kernel("void(i8,i8)")
def remove_at(address, slot):
    """End a resting order: out of its queue, its reserve freed, its handle stale."""
    s = views(address)
    o = s.orders[slot]
    release(s, slot, o.qty)
    dequeue(s, slot)
    unlink_expiry(s, slot)
    if o.row_prev != NONE:
        s.orders[o.row_prev].row_next = o.row_next
    else:
        s.rows[o.row].orders = o.row_next
    if o.row_next != NONE:
        s.orders[o.row_next].row_prev = o.row_prev
    s.rows[o.row].open -= 1
    if (o.flags & REDUCE_ONLY) != 0:
        s.positions[o.position].reducing -= 1
    bk = s.books[o.book]
    bk.resting -= 1
    s.venues[bk.venue].resting -= 1
    free_slot(s, slot)


@inlined
def remove(s, slot):
    """`remove_at` from inside a kernel."""
    return remove_at(s.meta[0].address, slot)


@kernel("void(i8,i8,i8)")
def end_reduced_at(address, row, p):
    """End the reduce-only orders of a position that have nothing left to reduce."""
    s = views(address)
    slot = s.rows[row].orders
    while slot != NONE:
        o = s.orders[slot]
        following = o.row_next
        if (o.flags & REDUCE_ONLY) != 0 and o.position == p and -o.side * s.positions[p].qty <= 0:
            remove(s, slot)
        slot = following


@inlined
def end_reduced(s, row, p):
    """`end_reduced_at`, where there can be any."""
    if p != NONE and s.positions[p].reducing > 0:
        end_reduced_at(s.meta[0].address, row, p)


@kernel("i8(i8,i8)")
def cancel(address, handle):
    """Cancel one order by its handle; `UNKNOWN_ORDER` if it is gone."""
    s = views(address)
    slot = slot_of(s, handle)
    if slot == NONE:
        return UNKNOWN_ORDER
    remove(s, slot)
    return ACCEPTED


@kernel("i8(i8,i8,i8)")
def cancel_all(address, row, b):
    """Cancel all orders of a row, in one book or in all of them (b = -1). Returns how many there were."""
    s = views(address)
    count = 0
    slot = s.rows[row].orders
    while slot != NONE:
        following = s.orders[slot].row_next
        if b == NONE or s.orders[slot].book == b:
            remove(s, slot)
            count += 1
        slot = following
    return count


@kernel("i8(i8)")
def expire(address):
    """End every order whose life is over; called once a step. Returns how many there were."""
    s = views(address)
    now = s.meta[0].now
    first = (now - s.meta[0].step_ms) // 1000
    spokes = now // 1000 - first + 1
    if spokes > WHEEL:
        spokes = WHEEL
    count = 0
    for i in range(spokes):
        slot = s.wheel[(first + i) % WHEEL]
        while slot != NONE:
            following = s.orders[slot].wheel_next
            if s.orders[slot].expiry <= now:
                remove(s, slot)
                count += 1
            slot = following
    return count


@inlined
def reject(s, venue, code):
    """Count a refusal by venue and reason, and pass its code on."""
    s.rejects[venue * 32 + code] += 1
    s.venues[venue].rejected += 1
    return code


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
    if bk.halted != 0 and (flags & ENGINE) == 0:
        return HALTED
    if price < 1 or price >= MAX_PRICE:
        return BAD_PRICE
    if qty < 1 or qty > MAX_LOTS or (bk.largest > 0 and qty > bk.largest and (flags & ENGINE) == 0):
        return BAD_SIZE
    if (flags & ENGINE) == 0:
        ticks = (bk.mark >> 10) + 1
        if price > ticks and (flags & (IOC | FOK)) == 0:
            ticks = price
        if qty > MAX_VALUE // (ticks * bk.unit) or qty > (1 << 62) // bk.lot_base:
            return BAD_SIZE
    if expiry != 0 and expiry <= s.meta[0].now:
        return EXPIRED
    if bk.band > 0 and bk.mark > 0 and (flags & ENGINE) == 0:
        edge = bk.mark + side * at_rate(bk.mark, bk.band)
        if side * (price << 10) > side * edge:
            return OUTSIDE_BAND
    return ACCEPTED


@kernel("i8(i8,i8,i8,i8,i8,i8,i8)")
def check_money_at(address, row, b, side, price, qty, flags):
    """Free margin (with open orders counted) or free balance for an order."""
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
    p = position(s, row, b)
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
def check_money(s, row, b, side, price, qty, flags):
    """`check_money_at` from inside a kernel."""
    return check_money_at(s.meta[0].address, row, b, side, price, qty, flags)


@inlined
def affordable(s, row, b, price, fee_rate):
    """Lots that a row's free quote balance pays for at a price, fee included."""
    bk = s.books[b]
    free = spendable(s, row, bk.quote)
    each = price * bk.unit
    each += at_rate_up(each, fee_rate) + 1
    return free // each if free > 0 else 0


@inlined
def note_fill(s, b, side, price, qty, value, kind, taker, maker_slot, cause):
    """Count a fill in the book's record of this step and, if asked for, on the tape."""
    bk = s.books[b]
    bk.last = price
    bk.volume += qty
    bk.value += value
    bk.trades += 1
    if side > 0:
        bk.taker_buy += value
    if bk.low == 0 or price < bk.low:
        bk.low = price
    if price > bk.high:
        bk.high = price
    m = s.meta[0]
    m.filled += qty
    m.traded += value
    if m.keep_fills != 0:
        f = s.fills[m.fills]
        f.time = m.now
        f.price = price
        f.qty = qty
        f.cause = cause
        f.maker = s.orders[maker_slot].row
        f.taker = taker
        f.book = b
        f.side = side
        f.kind = kind
        m.fills += 1


@kernel("i8(i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8)")
def take_at(address, row, b, p, side, price, qty, flags, stp, kind, cause):
    """Trade against the other side up to a limit price. Returns the lots left, or -1 - lots left if a self-trade
    ended the taker."""
    s = views(address)
    bk = s.books[b]
    owner = s.rows[row].owner
    exempt = s.rows[row].exempt != 0
    left = qty
    while left > 0 and depth_of(s, b, -side) > 0:
        touch_price = best_price(s, b, -side)
        if side * touch_price > side * price:
            break
        slot = s.levels[best_level(s, b, -side)].head
        o = s.orders[slot]
        maker = o.row
        if o.expiry != 0 and o.expiry <= s.meta[0].now:
            remove(s, slot)
            continue
        if stp != STP_OFF and s.rows[maker].owner == owner:
            if stp != STP_TAKING:
                remove(s, slot)
            if stp != STP_RESTING:
                return -1 - left
            continue
        lots = o.qty if o.qty < left else left
        if (o.flags & REDUCE_ONLY) != 0:
            held = -o.side * s.positions[o.position].qty
            if held <= 0:
                remove(s, slot)
                continue
            if held < lots:
                lots = held
        if bk.kind == SPOT and side > 0 and not exempt:
            can = affordable(s, row, b, touch_price, bk.taker_fee)
            if can < lots:
                lots = can
            if lots == 0:
                break
        release(s, slot, lots)
        if bk.kind == PERP:
            value = settle_perp(s, b, row, maker, p, o.position, side, touch_price, lots)
        else:
            value = settle_spot(s, b, row, maker, side, touch_price, lots)
        note_fill(s, b, side, touch_price, lots, value, kind, row, slot, cause)
        o.qty -= lots
        s.levels[o.level].qty -= lots
        left -= lots
        reduced = o.position if bk.kind == PERP else NONE
        if o.qty == 0:
            remove(s, slot)
        end_reduced(s, maker, reduced)
    return left


@inlined
def take(s, row, b, p, side, price, qty, flags, stp, kind, cause):
    """`take_at` from inside a kernel."""
    return take_at(s.meta[0].address, row, b, p, side, price, qty, flags, stp, kind, cause)


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
def fillable_at(address, row, b, side, price, qty, stp):
    """Whether a fill-or-kill order can be filled whole, order by order: what is over, what a reduce-only order no
    longer has, and the owner's own orders do not count, and a spot buyer must be able to pay."""
    s = views(address)
    bk = s.books[b]
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


@inlined
def fillable(s, row, b, side, price, qty, stp):
    """`fillable_at` from inside a kernel."""
    return fillable_at(s.meta[0].address, row, b, side, price, qty, stp)


@kernel("i8(i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8)")
def rest_at(address, row, b, p, side, price, qty, flags, expiry, tag, ref, kind, cause):
    """Put what is left of an order into the book. Returns its handle."""
    s = views(address)
    slot = new_slot(s)
    o = s.orders[slot]
    o.price = price
    o.qty = qty
    o.expiry = expiry
    o.cause = cause
    o.tag = tag
    o.row = row
    o.book = b
    o.position = p
    o.ref = ref
    o.side = side
    o.flags = flags
    o.kind = kind
    enqueue(s, slot)
    reserve(s, slot)
    link_expiry(s, slot)
    rw = s.rows[row]
    o.row_prev = NONE
    o.row_next = rw.orders
    if rw.orders != NONE:
        s.orders[rw.orders].row_prev = slot
    rw.orders = slot
    rw.open += 1
    if (flags & REDUCE_ONLY) != 0:
        s.positions[p].reducing += 1
    bk = s.books[b]
    bk.resting += 1
    s.venues[bk.venue].resting += 1
    handle = handle_of(s, slot)
    if ref >= 0:
        s.refs[ref] = handle
    return handle


@inlined
def rest(s, row, b, p, side, price, qty, flags, expiry, tag, ref, kind, cause):
    """`rest_at` from inside a kernel."""
    return rest_at(s.meta[0].address, row, b, p, side, price, qty, flags, expiry, tag, ref, kind, cause)


@kernel("i8(i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8)")
def place(address, row, b, side, price, qty, flags, expiry, tag, ref, kind, cause):
    """Check, match and rest one order; price 0 is a market order. Returns a code of `CODES`.

    What it traded is left in `meta.filled` (lots) and `meta.traded` (quote units). The caller has made room for one
    order, one level, one position and two holdings.
    """
    s = views(address)
    s.meta[0].filled = 0
    s.meta[0].traded = 0
    bk = s.books[b]
    vn = bk.venue
    if price == 0:
        price = limit_of_market(s, b, side)
        flags |= IOC
    code = check_terms(s, row, b, side, price, qty, flags, expiry)
    if code != ACCEPTED:
        return reject(s, vn, code)
    p = position(s, row, b)  # spot has none
    if (flags & REDUCE_ONLY) != 0:
        held = -side * s.positions[p].qty if p != NONE else 0
        if held <= 0:
            return reject(s, vn, NOTHING_TO_REDUCE)
        if qty > held:
            qty = held
    code = check_money(s, row, b, side, price, qty, flags)
    if code != ACCEPTED:
        return reject(s, vn, code)
    stp = s.venues[vn].stp
    if (flags & ENGINE) != 0 and stp != STP_OFF:
        stp = STP_RESTING  # a liquidation does not end at a bid of the same owner
    opposite = best_price(s, b, -side)
    crosses = opposite != 0 and side * opposite <= side * price
    if crosses and (flags & POST_ONLY) != 0:
        return reject(s, vn, WOULD_TRADE)
    if (flags & FOK) != 0 and not fillable(s, row, b, side, price, qty, stp):
        return reject(s, vn, NOT_WHOLE)
    waits = (flags & (IOC | FOK)) == 0
    if waits and (flags & ENGINE) == 0:
        if s.rows[row].open >= s.venues[vn].max_orders:
            return reject(s, vn, TOO_MANY_ORDERS)
        if s.venues[vn].resting >= s.venues[vn].capacity or not has_room(s, b, side, price):
            return reject(s, vn, NO_ROOM)
    if bk.kind == PERP:
        p = ensure_position(s, row, b)
        ensure_holding(s, row, bk.quote)
        if s.rows[row].only < NONE:
            s.rows[row].only = b  # an isolated account belongs to its first contract
    else:
        ensure_holding(s, row, bk.quote)
        ensure_holding(s, row, bk.base)
    left = qty
    if crosses and bk.kind == SPOT and side > 0 and s.rows[row].exempt == 0:
        if affordable(s, row, b, opposite, bk.taker_fee) == 0:
            return reject(s, vn, NO_BALANCE)
    if crosses:
        left = take(s, row, b, p, side, price, qty, flags, stp, kind, cause)
        if bk.kind == PERP:
            end_reduced(s, row, p)
        if left < 0:
            return reject(s, vn, SELF_TRADE)
    if left > 0 and waits:
        if (flags & REDUCE_ONLY) != 0:
            held = -side * s.positions[p].qty
            if held < left:
                left = held
        if left > 0:
            if not has_room(s, b, side, price):
                return reject(s, vn, NO_ROOM)
            rest(s, row, b, p, side, price, left, flags, expiry, tag, ref, kind, cause)
    return ACCEPTED


@kernel("i8(i8,i8,i8,i8)")
def amend(address, handle, price, qty):
    """Change an order: smaller at the same price keeps its place, anything else is checked like a new order and
    queues anew; if it is refused the old order stays, unless it is self-trade prevention that ends it."""
    s = views(address)
    slot = slot_of(s, handle)
    if slot == NONE:
        return UNKNOWN_ORDER
    o = s.orders[slot]
    b = o.book
    if qty <= 0:
        remove(s, slot)
        return ACCEPTED
    if price == o.price and qty <= o.qty:
        release(s, slot, o.qty - qty)
        s.levels[o.level].qty -= o.qty - qty
        o.qty = qty
        return ACCEPTED
    row = o.row
    side = wide(o.side)
    flags = wide(o.flags)
    release(s, slot, o.qty)
    code = check_terms(s, row, b, side, price, qty, flags, o.expiry)
    if code == ACCEPTED:
        code = check_money(s, row, b, side, price, qty, flags)
    opposite = best_price(s, b, -side)
    if code == ACCEPTED and (flags & POST_ONLY) != 0 and opposite != 0 and side * opposite <= side * price:
        code = WOULD_TRADE
    if code == ACCEPTED and not has_room(s, b, side, price):
        code = NO_ROOM
    if code == ACCEPTED and (flags & REDUCE_ONLY) != 0 and -side * s.positions[o.position].qty <= 0:
        code = NOTHING_TO_REDUCE
    reserve(s, slot)
    if code != ACCEPTED:
        return reject(s, s.books[b].venue, code)
    expiry, tag, ref, kind, cause = o.expiry, o.tag, o.ref, o.kind, o.cause
    remove(s, slot)
    return place(address, row, b, side, price, qty, flags, expiry, tag, ref, kind, cause)


@kernel("i8(i8,i8,i8)")
def gateway(address, first, now_us):
    """Give the inbox's messages, sorted by arrival from `first` on, the time at which their venue's gateway accepts
    them: one server a venue with a fixed service time and first come, first served. A full queue refuses.

    Messages that have their time carry `tie = -1` and the accepted time in `arrive` (microseconds).
    """
    s = views(address)
    end = now_us + s.meta[0].step_ms * 1000
    for i in range(first, s.meta[0].inbox):
        m = s.inbox[s.sorted[i]]
        if m.tie < 0 or m.arrive > end:
            continue
        v = s.venues[s.rows[m.row].venue]
        start = m.arrive if m.arrive > v.busy_until else v.busy_until
        waiting = (start - m.arrive) // v.service if v.service > 0 else 0
        m.tie = -1
        v.messages += 1
        if waiting > v.queue_cap:
            reject(s, s.rows[m.row].venue, GATEWAY_FULL)
            m.op = 255
            s.rows[m.row].waiting -= 1
            continue
        m.arrive = start + v.service
        v.busy_until = m.arrive
        if waiting * v.service > v.delay:
            v.delay = waiting * v.service
    return 0


@inlined
def room_for_message(s):
    """Whether the tables can take one more message of any kind."""
    m = s.meta[0]
    return (
        m.orders + 2 < len(s.orders)
        and m.levels + 2 < len(s.levels)
        and m.positions + 2 < len(s.positions)
        and m.holdings + 4 < len(s.holdings)
        and (m.keep_fills == 0 or m.fills + m.live_orders + 2 < len(s.fills))
    )


@kernel("i8(i8,i8,i8)")
def process(address, first, end_us):
    """Execute the inbox's accepted messages in the order of `sorted`, from number `first` on.

    Returns the number at which it stopped because a table is full (the caller grows it and goes on), or -1 when done.
    Messages that are not due by `end_us` are moved to the front of the inbox and `meta.inbox` is set to their count.
    """
    s = views(address)
    n = s.meta[0].inbox
    for i in range(first, n):
        if not room_for_message(s):
            return i
        m = s.inbox[s.sorted[i]]
        if m.op == 255:
            continue
        if m.tie >= 0 or m.arrive > end_us:
            continue
        s.meta[0].messages += 1
        row = wide(m.row)
        s.rows[row].waiting -= 1
        op = m.op
        m.op = 255
        venue = s.rows[row].venue
        if op in (LIMIT, MARKET):
            price = m.price if op == LIMIT else 0
            if op == LIMIT and price < 1:
                reject(s, venue, BAD_PRICE)
                continue
            place(
                address, row, m.book, m.side, price, m.qty, m.flags, m.expiry, m.tag, m.ref, m.kind, m.cause
            )
        elif op == QUOTE:
            handle = s.refs[m.ref]
            slot = slot_of(s, handle)
            if slot != NONE and (s.orders[slot].row != row or s.orders[slot].ref != m.ref):
                slot = NONE
            if slot == NONE:
                if m.qty > 0:
                    place(
                        address,
                        row,
                        m.book,
                        m.side,
                        m.price,
                        m.qty,
                        m.flags,
                        m.expiry,
                        m.tag,
                        m.ref,
                        m.kind,
                        m.cause,
                    )
            elif amend(address, handle, m.price, m.qty) != ACCEPTED:
                cancel(address, handle)
        elif op in (CANCEL, AMEND):
            slot = slot_of(s, m.handle)
            if slot == NONE or s.orders[slot].row != row:
                reject(s, venue, UNKNOWN_ORDER)
            elif op == CANCEL:
                remove(s, slot)
            else:
                amend(address, m.handle, m.price, m.qty)
        elif op == CANCEL_ALL:
            cancel_all(address, row, m.book)
    kept = 0
    for i in range(n):
        m = s.inbox[i]
        if m.op != 255:
            if kept != i:
                s.inbox[kept] = s.inbox[i]
            kept += 1
    s.meta[0].inbox = kept
    return -1
