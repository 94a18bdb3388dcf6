"""Order books: price-time priority on a sorted array of live price levels.

A side of a book is a sorted run of keys `rank << 24 | level`, the best at the end; rank is the price for bids and its
negative for asks, so that "higher rank is better" on both sides. A level is a first-in-first-out list of orders. Any
price from one tick up may be used and memory grows with live levels only, at most `cap` a side (the venue's
`orders.levels`).

Functions here move orders about; who may place them is in `admission`, what a fill does to accounts in `matching`.
"""

from __future__ import annotations

from abm.jit import inlined
from abm.messages import ENDS
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, SLOT_BITS, SLOT_MASK, WHEEL
from abm.units import wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def depth_of(s, b, side):
    """Number of live levels on a side (+1 bids, -1 asks)."""
    bids = s.books[b].n0  # both are read: a choice of two numbers is no branch
    asks = s.books[b].n1
    return bids if side > 0 else asks


@inlined
def side_base(s, b, side):
    """Where the keys of a side begin."""
    bk = s.books[b]
    return wide(bk.first_key) + (0 if side > 0 else wide(bk.cap))


@inlined
def find(s, base, n, rank):
    """First index whose rank is at least `rank`: from the best in strides, then by counting in the last one, which has
    no branch that the processor could guess wrong."""
    low = rank << LEVEL_BITS
    i = base + n
    while i >= base + 64 and s.keys[i - 64] >= low:
        i -= 64
    while i >= base + 8 and s.keys[i - 8] >= low:
        i -= 8
    if i >= base + 8:
        at = i - 8
        for k in range(8):
            at += s.keys[i - 8 + k] < low
        return at - base
    while i > base and s.keys[i - 1] >= low:
        i -= 1
    return i - base


@inlined
def best_price(s, b, side):
    """Best price of a side in ticks, 0 if it is empty."""
    n = depth_of(s, b, side)
    if n == 0:
        return 0
    return side * (s.keys[side_base(s, b, side) + n - 1] >> LEVEL_BITS)


@inlined
def best_level(s, b, side):
    """Level number at the best price of a side that is not empty."""
    return s.keys[side_base(s, b, side) + depth_of(s, b, side) - 1] & LEVEL_MASK


@inlined
def handle_of(s, slot):
    """The public name of an order: its generation and its slot; stale once the order has died."""
    return (s.orders[slot].gen << SLOT_BITS) | slot


@inlined
def slot_of(s, handle):
    """Slot of a live order, or -1 if the handle is stale or never existed."""
    slot = handle & SLOT_MASK
    if handle < 0 or slot >= s.meta[0].orders:
        return NONE
    o = s.orders[slot]
    if o.live == 0 or o.gen != (handle >> SLOT_BITS):
        return NONE
    return slot


@inlined
def has_room(s, b, side, price):
    """Whether an order at this price finds or may open a level."""
    n = depth_of(s, b, side)
    if n < s.books[b].cap:
        return True
    base = side_base(s, b, side)
    rank = side * price
    i = find(s, base, n, rank)
    return i < n and (s.keys[base + i] >> LEVEL_BITS) == rank


@inlined
def count_near(s, b, side, price, lots):
    """Note that so many lots more rest at a price (fewer below zero), in the depth that `publication` tells."""
    near = s.near[2 * b + (side < 0)]
    rank = side * price
    # the sign of a difference is all ones or all zeros: no branch that the processor could guess wrong
    near.lots0 += lots & ~((rank - near.bound0) >> 63)
    near.lots1 += lots & ~((rank - near.bound1) >> 63)
    near.lots2 += lots & ~((rank - near.bound2) >> 63)
    near.lots3 += lots & ~((rank - near.bound3) >> 63)


@inlined
def change_level(s, slot, lots):
    """Add lots to the level of an order (take them from it below zero)."""
    o = s.orders[slot]
    s.levels[o.level].qty += lots
    count_near(s, wide(o.book), wide(o.side), o.price, lots)


@inlined
def enqueue(s, slot):
    """Append an order to the queue of its price, opening the level if needed (`has_room` was asked)."""
    o = s.orders[slot]
    b = o.book
    side = o.side
    base = side_base(s, b, side)
    n = depth_of(s, b, side)
    rank = side * o.price
    i = find(s, base, n, rank)
    if i < n and (s.keys[base + i] >> LEVEL_BITS) == rank:
        number = s.keys[base + i] & LEVEL_MASK
        tail = s.levels[number].tail
        s.orders[tail].next = slot
        o.prev = tail
    else:
        number = s.meta[0].free_level
        if number != NONE:
            s.meta[0].free_level = s.levels[number].next
        else:
            number = s.meta[0].levels
            s.meta[0].levels = number + 1
        for j in range(n, i, -1):
            s.keys[base + j] = s.keys[base + j - 1]
        s.keys[base + i] = (rank << LEVEL_BITS) | number
        s.books[b].n0 += side > 0
        s.books[b].n1 += side < 0
        s.levels[number].qty = 0
        s.levels[number].count = 0
        s.levels[number].head = slot
        o.prev = NONE
    s.levels[number].tail = slot
    s.levels[number].count += 1
    o.next = NONE
    o.level = number
    change_level(s, slot, o.qty)


@inlined
def dequeue(s, slot):
    """Take an order out of its price queue, closing the level if it was the last."""
    o = s.orders[slot]
    number = o.level
    if o.prev != NONE:
        s.orders[o.prev].next = o.next
    else:
        s.levels[number].head = o.next
    if o.next != NONE:
        s.orders[o.next].prev = o.prev
    else:
        s.levels[number].tail = o.prev
    change_level(s, slot, -o.qty)
    s.levels[number].count -= 1
    if s.levels[number].head == NONE:
        b = o.book
        side = o.side
        base = side_base(s, b, side)
        n = depth_of(s, b, side)
        i = find(s, base, n, side * o.price)
        for j in range(i, n - 1):
            s.keys[base + j] = s.keys[base + j + 1]
        s.books[b].n0 -= side > 0
        s.books[b].n1 -= side < 0
        s.levels[number].next = s.meta[0].free_level
        s.meta[0].free_level = number


@inlined
def move_level(s, slot, price):
    """Move an order that is alone on its level, and the level with it, to a price where there is no level: nearer than
    to close one and to open another. False, and nothing done, where there is one."""
    o = s.orders[slot]
    b = o.book
    side = wide(o.side)
    base = side_base(s, b, side)
    n = depth_of(s, b, side)
    i = find(s, base, n, side * o.price)
    low = (side * price) << LEVEL_BITS
    j = i
    if s.keys[base + i] < low:
        while j + 1 < n and s.keys[base + j + 1] < low:
            j += 1
        if j + 1 < n and (s.keys[base + j + 1] >> LEVEL_BITS) == side * price:
            return False
        for k in range(i, j):
            s.keys[base + k] = s.keys[base + k + 1]
    else:
        while j > 0 and s.keys[base + j - 1] >= low:
            j -= 1
        if j < i and (s.keys[base + j] >> LEVEL_BITS) == side * price:
            return False
        for k in range(i, j, -1):
            s.keys[base + k] = s.keys[base + k - 1]
    s.keys[base + j] = low | o.level
    return True


@inlined
def new_slot(s):
    """A free order slot (the caller has made sure that there is room)."""
    slot = s.meta[0].free_order
    if slot != NONE:
        s.meta[0].free_order = s.orders[slot].next
    else:
        slot = s.meta[0].orders
        s.meta[0].orders = slot + 1
    s.orders[slot].live = 1
    s.meta[0].live_orders += 1
    return slot


@inlined
def free_slot(s, slot):
    """Give a slot back; every handle of it goes stale."""
    o = s.orders[slot]
    o.live = 0
    o.gen += 1
    o.next = s.meta[0].free_order
    s.meta[0].free_order = slot
    s.meta[0].live_orders -= 1


@inlined
def link_expiry(s, slot, expiry):
    """Put an order with an end of life on the wheel of seconds."""
    o = s.orders[slot]
    o.expiry = expiry
    if expiry == 0:
        return
    o.flags |= ENDS
    spoke = (expiry // 1000) % WHEEL
    o.wheel = spoke
    o.wheel_prev = NONE
    o.wheel_next = s.wheel[spoke]
    if o.wheel_next != NONE:
        s.orders[o.wheel_next].wheel_prev = slot
    s.wheel[spoke] = slot


@inlined
def unlink_expiry(s, slot):
    """Take an order off the wheel of seconds."""
    o = s.orders[slot]
    if (o.flags & ENDS) == 0:
        return
    if o.wheel_prev != NONE:
        s.orders[o.wheel_prev].wheel_next = o.wheel_next
    else:
        s.wheel[o.wheel] = o.wheel_next
    if o.wheel_next != NONE:
        s.orders[o.wheel_next].wheel_prev = o.wheel_prev


@inlined
def available(s, b, side, limit, enough):
    """Lots resting against a taker of `side` at its limit price or better, counted up to `enough`."""
    n = depth_of(s, b, -side)
    base = side_base(s, b, -side)
    total = 0
    i = n - 1
    while i >= 0 and total < enough:
        price = -side * (s.keys[base + i] >> LEVEL_BITS)
        if side * price > side * limit:
            break
        total += s.levels[s.keys[base + i] & LEVEL_MASK].qty
        i -= 1
    return total
