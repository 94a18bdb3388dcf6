"""The pass that checks, matches and settles messages one by one.

Every fill settles before the next is looked at, every refusal has a code, and nothing is dropped: an order that finds
no room is refused with `NO_ROOM`. Prices are ticks, sizes lots, times milliseconds.
"""

from __future__ import annotations

from abm.accounts import PERP, SPOT, ensure_holding, ensure_position, position, settle_perp, settle_spot
from abm.admission import affordable, check_money, check_terms, limit_of_market, reject, too_many
from abm.book import (
    available,
    best_level,
    best_price,
    change_level,
    depth_of,
    dequeue,
    enqueue,
    handle_of,
    has_room,
    move_level,
    side_base,
    slot_of,
)
from abm.halts import COLLECT, trip
from abm.jit import inlined, kernel
from abm.margin import spendable
from abm.messages import (
    ACCEPTED,
    AMEND,
    BAD_PRICE,
    CANCEL,
    CANCEL_ALL,
    ENDS,
    ENGINE,
    FOK,
    IOC,
    LIMIT,
    MARKET,
    NO_BALANCE,
    NO_ROOM,
    NOT_WHOLE,
    NOTHING_TO_REDUCE,
    POST_ONLY,
    QUOTE,
    REDUCE_ONLY,
    REMOVED,
    SELF_TRADE,
    SLIDE,
    STP_OFF,
    STP_RESTING,
    STP_TAKING,
    TOO_MANY_MESSAGES,
    TOO_MANY_ORDERS,
    UNKNOWN_ORDER,
    UNPRICED,
    WOULD_TRADE,
)
from abm.resting import cancel, cancel_all, end_reduced, release, remove, reserve, rest
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, SLOT_MASK, views
from abm.tables import prefetch
from abm.units import at_rate_up, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def note_fill(s, b, side, price, qty, value, kind, taker, maker_slot, cause):
    """Count a fill in the book's record of this step and, if asked for, on the tape."""
    bk = s.books[b]
    bk.last = price
    bk.volume += qty
    bk.value += value
    bk.trades += 1
    bk.trade_sum += price
    bk.trade_count += 1
    bk.traded_at = s.meta[0].now
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


@inlined
def look_behind(s, b, side, slot):
    """Have come nearer what a fill with an order needs, and what may be met after it: the next order and level."""
    o = s.orders[slot]
    prefetch(s.positions, o.position)
    prefetch(s.orders, o.next)
    behind = side_base(s, b, side) + depth_of(s, b, side) - 2
    prefetch(s.levels, s.keys[max(behind, 0)] & LEVEL_MASK)


@kernel("i8(i8,i8,i8,i8,i8,i8,i8,i8,i8,i8)")
def take(address, row, b, p, side, price, qty, stp, kind, cause):
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
        if bk.ceiling != 0 and (touch_price > bk.ceiling or touch_price < bk.floor):
            trip(s.meta[0].address, b, touch_price)
            break
        slot = s.levels[best_level(s, b, -side)].head
        look_behind(s, b, -side, slot)
        o = s.orders[slot]
        maker = o.row
        if (o.flags & ENDS) != 0 and o.expiry <= s.meta[0].now:
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
        change_level(s, slot, -lots)
        left -= lots
        reduced = o.position if bk.kind == PERP else NONE
        if o.qty == 0:
            remove(s, slot)
        end_reduced(s, maker, reduced)
    return left


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


@inlined
def slid(s, b, side, price, flags):
    """The price at which an order with `SLIDE` comes: a tick behind the other side's best where it would trade."""
    if (flags & SLIDE) == 0:
        return price
    opposite = best_price(s, b, -side)
    return opposite - side if opposite != 0 and side * opposite <= side * price else price


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
        flags |= IOC | UNPRICED
    price = slid(s, b, side, price, flags)
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
    if s.rows[row].exempt == 0 and (flags & ENGINE) == 0:
        code = check_money(address, row, b, p, side, price, qty, flags)
        if code != ACCEPTED:
            return reject(s, vn, code)
    stp = s.venues[vn].stp
    if (flags & ENGINE) != 0 and stp != STP_OFF:
        stp = STP_RESTING  # a liquidation does not end at a bid of the same owner
    opposite = best_price(s, b, -side)
    crosses = opposite != 0 and side * opposite <= side * price
    if crosses and (flags & POST_ONLY) != 0:
        return reject(s, vn, WOULD_TRADE)
    if bk.halted != 0:
        crosses = False  # collected for the auction
    if (flags & FOK) != 0 and not fillable(address, row, b, side, price, qty, stp):
        return reject(s, vn, NOT_WHOLE)
    waits = (flags & (IOC | FOK)) == 0
    if waits and (flags & ENGINE) == 0:
        if s.rows[row].open >= s.venues[vn].max_orders:
            return reject(s, vn, TOO_MANY_ORDERS)
        if s.venues[vn].resting >= s.venues[vn].capacity or not has_room(s, b, side, price):
            return reject(s, vn, NO_ROOM)
    if bk.kind == PERP:
        if p == NONE:
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
        left = take(address, row, b, p, side, price, qty, stp, kind, cause)
        if bk.kind == PERP:
            end_reduced(s, row, p)
        if left < 0:
            return reject(s, vn, SELF_TRADE)
        if bk.ceiling != 0 and bk.halted != COLLECT and waits:
            opposite = best_price(s, b, -side)
            if opposite != 0 and side * opposite <= side * price:
                waits = False  # what may not trade at the other side's price may not rest beyond it
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


@kernel("i8(i8,i8,i8,i8,i8,i8)", short=True)
def submit(address, row, b, price, lots, name):
    """One order by itself, for who sends them one at a time from Python: `lots` > 0 buys, < 0 sells, price 0 is a
    market order, `name` is a place in `refs` (`NONE`: no name) and its cause on the tape. Returns a code of `CODES`."""
    if lots > 0:
        return place(address, row, b, 1, price, lots, 0, 0, 0, name, 0, name)
    return place(address, row, b, -1, price, -lots, 0, 0, 0, name, 0, name)


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
    price = slid(s, b, wide(o.side), price, wide(o.flags))
    if price == o.price and qty <= o.qty:
        release(s, slot, o.qty - qty)
        change_level(s, slot, qty - o.qty)
        o.qty = qty
        return ACCEPTED
    row = o.row
    side = wide(o.side)
    flags = wide(o.flags)
    release(s, slot, o.qty)
    code = check_terms(s, row, b, side, price, qty, flags, o.expiry)
    if code == ACCEPTED:
        code = check_money(address, row, b, o.position, side, price, qty, flags)
    opposite = best_price(s, b, -side)
    if code == ACCEPTED and (flags & POST_ONLY) != 0 and opposite != 0 and side * opposite <= side * price:
        code = WOULD_TRADE
    if code == ACCEPTED and s.levels[o.level].count > 1 and not has_room(s, b, side, price):
        code = NO_ROOM  # an order alone on its level gives its own room
    if code == ACCEPTED and (flags & REDUCE_ONLY) != 0 and -side * s.positions[o.position].qty <= 0:
        code = NOTHING_TO_REDUCE
    if code == ACCEPTED and (opposite == 0 or side * opposite > side * price) and (flags & REDUCE_ONLY) == 0:
        # meets nobody: the same as to cancel it and to place it anew, but in its own slot
        if s.levels[o.level].count == 1 and price != o.price and move_level(s, slot, price):
            change_level(s, slot, -o.qty)
            o.price = price
            o.qty = qty
            change_level(s, slot, qty)
        else:
            dequeue(s, slot)
            o.price = price
            o.qty = qty
            enqueue(s, slot)
        o.gen += 1
        reserve(s, slot)
        if o.ref >= 0:
            s.refs[o.ref] = handle_of(s, slot)
        return ACCEPTED
    reserve(s, slot)
    if code != ACCEPTED:
        return reject(s, s.books[b].venue, code)
    expiry, tag, ref, kind, cause = o.expiry, o.tag, o.ref, o.kind, o.cause
    remove(s, slot)
    return place(address, row, b, side, price, qty, flags, expiry, tag, ref, kind, cause)


@inlined
def messages_with_room(s):
    """How many further messages of any kind the tables can surely take: each may need an order, a level, a position,
    two holdings, and on the tape two fills more than it ends orders."""
    m = s.meta[0]
    count = min(len(s.orders) - m.orders, len(s.levels) - m.levels, len(s.positions) - m.positions) - 2
    count = min(count, (len(s.holdings) - m.holdings - 3) // 2)
    if m.keep_fills != 0:
        count = min(count, (len(s.fills) - m.fills - m.live_orders - 1) // 2)
    return count


@inlined
def look_ahead(s, i, n):
    """Have come nearer what later messages need: first their rows and what they name, then the orders that are named.
    It changes nothing but the time of a message."""
    m = s.inbox[s.sorted[min(i + 16, n - 1)]]
    prefetch(s.rows, m.row)
    prefetch(s.refs, m.ref)
    m = s.inbox[s.sorted[min(i + 8, n - 1)]]
    named = s.refs[max(m.ref, 0)]
    prefetch(s.orders, (m.handle if m.op in (CANCEL, AMEND) else named) & SLOT_MASK)
    prefetch(s.positions, s.rows[m.row].positions)
    prefetch(s.holdings, s.rows[m.row].holdings)


@kernel("i8(i8,i8,i8)")
def process(address, first, end_us):
    """Execute the inbox's accepted messages in the order of `sorted`, from number `first` on.

    Returns the number at which it stopped because a table is full (the caller grows it and goes on), or -1 when done.
    Messages that are not due by `end_us` are moved to the front of the inbox and `meta.inbox` is set to their count.
    """
    s = views(address)
    n = s.meta[0].inbox
    safe = first
    waiting = first > 0  # before a stop, or not: who knows
    for i in range(first, n):
        if i == safe:
            safe += messages_with_room(s)
            if i >= safe:
                return i
        look_ahead(s, i, n)
        m = s.inbox[s.sorted[i]]
        if m.op == 255:
            continue
        if m.tie >= 0 or m.arrive > end_us:
            waiting = True
            continue
        s.meta[0].messages += 1
        row = wide(m.row)
        s.rows[row].waiting -= 1
        op = m.op
        m.op = 255
        venue = s.rows[row].venue
        if s.rows[row].gone != 0:
            reject(s, venue, REMOVED)
            continue
        if too_many(s, row, op in (CANCEL, CANCEL_ALL) or (op == QUOTE and m.qty == 0)):
            reject(s, venue, TOO_MANY_MESSAGES)
            continue
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
            if slot != NONE and (s.orders[slot].book != m.book or s.orders[slot].side != m.side):
                remove(s, slot)  # the name now means a quote somewhere else
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
    for i in range(n if waiting else 0):
        if s.inbox[i].op != 255:
            if kept != i:
                s.inbox[kept] = s.inbox[i]
            kept += 1
    s.meta[0].inbox = kept
    return -1
