"""Orders that rest: in their queue and their account's list, with what they reserve, until their end."""

from __future__ import annotations

from abm.accounts import PERP, holding, spot_lock
from abm.book import dequeue, enqueue, free_slot, handle_of, link_expiry, new_slot, slot_of, unlink_expiry
from abm.jit import inlined, kernel
from abm.messages import ACCEPTED, ENDS, REDUCE_ONLY, UNKNOWN_ORDER
from abm.state import NONE, WHEEL, views

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def release(s, slot, lots):
    """Free what `lots` of a resting order kept reserved (position sums of a perpetual, locked balance of spot)."""
    o = s.orders[slot]
    if s.books[o.book].kind == PERP:
        x = s.positions[o.position]
        x.buys -= lots if o.side > 0 else 0
        x.sells -= lots if o.side < 0 else 0
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
        x.buys += o.qty if o.side > 0 else 0
        x.sells += o.qty if o.side < 0 else 0
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


@kernel("i8(i8,i8)", short=True)
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
def rest(s, row, b, p, side, price, qty, flags, expiry, tag, ref, kind, cause):
    """Put what is left of an order into the book. Returns its handle."""
    slot = new_slot(s)
    o = s.orders[slot]
    o.price = price
    o.qty = qty
    o.cause = cause
    o.tag = tag
    o.row = row
    o.book = b
    o.position = p
    o.ref = ref
    o.side = side
    o.flags = flags & (255 ^ ENDS)  # what the venue notes itself is in nobody's hand
    o.kind = kind
    enqueue(s, slot)
    reserve(s, slot)
    link_expiry(s, slot, expiry)
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
