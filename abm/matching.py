"""The pass that checks, matches and settles messages one by one.

Every fill settles before the next is looked at, every refusal has a code, and nothing is dropped: an order that finds
no room is refused with `NO_ROOM`. Prices are ticks, sizes lots, times milliseconds.
"""

from __future__ import annotations

from abm.accounts import PERP, SPOT, ensure_holding, ensure_position, position
from abm.admission import (
    affordable,
    check_money,
    check_room,
    check_terms,
    fillable,
    limit_of_market,
    reject,
    too_many,
)
from abm.book import (
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
from abm.fills import fill
from abm.halts import COLLECT, trip
from abm.jit import inlined, kernel
from abm.messages import (
    ACCEPTED,
    AMEND,
    BAD_PRICE,
    CANCEL,
    CANCEL_ALL,
    DONE,
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
    UNKNOWN_ORDER,
    UNPRICED,
    WOULD_TRADE,
)
from abm.resting import cancel, cancel_all, end_reduced, release, remove, reserve, rest
from abm.state import LEVEL_MASK, NONE, SLOT_MASK, views
from abm.tables import prefetch
from abm.units import wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


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
        if (o.flags & ENDS) != 0 and o.expiry <= s.meta[0].now:
            remove(s, slot)
            continue
        if stp != STP_OFF and s.rows[o.row].owner == owner:
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
        fill(s, b, row, p, side, touch_price, lots, kind, slot, cause)
        left -= lots
    return left


@inlined
def slid(s, b, side, price, flags):
    """The price at which an order with `SLIDE` comes: a tick behind the other side's best where it would trade."""
    if (flags & SLIDE) == 0:
        return price
    opposite = best_price(s, b, -side)
    return opposite - side if opposite != 0 and side * opposite <= side * price else price


@inlined
def ready(s, row, b, p):
    """Have the records that fills of a row in a book need. Returns its position, -1 on spot."""
    bk = s.books[b]
    ensure_holding(s, row, bk.quote)
    if bk.kind == SPOT:
        ensure_holding(s, row, bk.base)
        return p
    if s.rows[row].only < NONE:
        s.rows[row].only = b  # an isolated account belongs to its first contract
    return p if p != NONE else ensure_position(s, row, b)


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
        code = check_room(s, row, b, side, price)
        if code != ACCEPTED:
            return reject(s, vn, code)
    p = ready(s, row, b, p)
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
    if waits and (flags & REDUCE_ONLY) != 0:
        held = -side * s.positions[p].qty
        if held < left:
            left = held
    if left > 0 and waits:
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


@inlined
def check_change(s, slot, price, qty, meets):
    """Check an order whose reserve is released as if it came anew; `meets` says whether it would trade at once."""
    o = s.orders[slot]
    row, b, side, flags = o.row, o.book, wide(o.side), wide(o.flags)
    code = check_terms(s, row, b, side, price, qty, flags, o.expiry)
    if code == ACCEPTED:
        code = check_money(s.meta[0].address, row, b, o.position, side, price, qty, flags)
    if code == ACCEPTED and meets and (flags & POST_ONLY) != 0:
        code = WOULD_TRADE
    if code == ACCEPTED and s.levels[o.level].count > 1 and not has_room(s, b, side, price):
        code = NO_ROOM  # an order alone on its level gives its own room
    if code == ACCEPTED and (flags & REDUCE_ONLY) != 0 and -side * s.positions[o.position].qty <= 0:
        code = NOTHING_TO_REDUCE
    return code


@inlined
def queue_anew(s, slot, price, qty):
    """An order that meets nobody gets another price or size: the same as to cancel it and to place it anew, but in its
    own slot."""
    o = s.orders[slot]
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
    opposite = best_price(s, b, -side)
    meets = opposite != 0 and side * opposite <= side * price
    code = check_change(s, slot, price, qty, meets)
    if code == ACCEPTED and not meets and (flags & REDUCE_ONLY) == 0:
        queue_anew(s, slot, price, qty)
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


@inlined
def requote(address, s, m, row):
    """A named order is placed, changed, moved to another book or side, or taken away (no lots)."""
    handle = s.refs[m.ref]
    slot = slot_of(s, handle)
    if slot != NONE and (s.orders[slot].row != row or s.orders[slot].ref != m.ref):
        slot = NONE
    if slot != NONE and (s.orders[slot].book != m.book or s.orders[slot].side != m.side):
        remove(s, slot)  # the name now means a quote somewhere else
        slot = NONE
    if slot != NONE:
        if amend(address, handle, m.price, m.qty) != ACCEPTED:
            cancel(address, handle)
    elif m.qty > 0:
        send(address, m, row, m.price)


@inlined
def send(address, m, row, price):
    """Place the order of a message."""
    place(address, row, m.book, m.side, price, m.qty, m.flags, m.expiry, m.tag, m.ref, m.kind, m.cause)


@inlined
def keep_waiting(s, n):
    """Move the messages that are not done to the front of the inbox. Returns how many there are."""
    kept = 0
    for i in range(n):
        if s.inbox[i].op != DONE:
            if kept != i:
                s.inbox[kept] = s.inbox[i]
            kept += 1
    return kept


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
        if m.op == DONE:
            continue
        if m.tie >= 0 or m.arrive > end_us:
            waiting = True
            continue
        s.meta[0].messages += 1
        row = wide(m.row)
        s.rows[row].waiting -= 1
        op = m.op
        m.op = DONE
        venue = s.rows[row].venue
        if s.rows[row].gone != 0:
            reject(s, venue, REMOVED)
        elif too_many(s, row, op in (CANCEL, CANCEL_ALL) or (op == QUOTE and m.qty == 0)):
            reject(s, venue, TOO_MANY_MESSAGES)
        elif op in (LIMIT, MARKET):
            if op == LIMIT and m.price < 1:
                reject(s, venue, BAD_PRICE)
            else:
                send(address, m, row, m.price if op == LIMIT else 0)
        elif op == QUOTE:
            requote(address, s, m, row)
        elif op == CANCEL_ALL:
            cancel_all(address, row, m.book)
        else:
            slot = slot_of(s, m.handle)
            if slot == NONE or s.orders[slot].row != row:
                reject(s, venue, UNKNOWN_ORDER)
            elif op == CANCEL:
                remove(s, slot)
            else:
                amend(address, m.handle, m.price, m.qty)
    s.meta[0].inbox = keep_waiting(s, n) if waiting else 0
    return -1
