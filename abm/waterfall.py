"""What happens to accounts under maintenance margin: who is looked at, in which order, and the venue's own orders.

In a step: `find` looks at rows whose index distance has been passed, `line_up` puts the most under water first,
`liquidate` sends the venue's orders through the ordinary book and hands what fails to the fund or to the requests for
ADL. Kernels that may run out of room return where they stopped; the caller makes room and goes on.
"""

from __future__ import annotations

from abm.accounts import (
    PERP,
    ensure_holding,
    holding,
    touch,
)
from abm.causes import (
    C_LIQUIDATION,
    E_BANKRUPTCY,
    E_LIQUIDATION,
)
from abm.deleveraging import ask_adl
from abm.insurance import UNLIMITED, accepts
from abm.jit import inlined, kernel
from abm.liquidation import (
    BANKRUPTCY,
    bankruptcy_ticks,
    below_backstop,
    largest_position,
    partial_lots,
    slice_lots,
)
from abm.margin import bucket_place, equity_and_maintenance, watch
from abm.matching import place
from abm.messages import ENGINE, IOC, MAX_PRICE, REDUCE_ONLY
from abm.ranking import drop_first, heapify
from abm.resting import cancel_all
from abm.state import BUCKETS, NONE, views
from abm.takeover import absorb, count_closed, cover, new_event, room, take_over
from abm.units import at_rate, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("i8(i8,i8)")
def anchor(address, b):
    """Anchor the margin index of a contract at its mark of now and enter all its holders anew."""
    s = views(address)
    bk = s.books[b]
    bk.anchor0 = bk.mark
    bk.anchor1 = bk.mark
    bk.high0 = -1
    bk.low1 = BUCKETS
    for p in range(s.meta[0].positions):
        if s.positions[p].book == b and s.positions[p].qty != 0:
            watch(s, s.positions[p].row)
    return 0


@inlined
def collect(s, b, direction, k):
    """Copy the rows of one bucket to `ranking`, so that looking at them may move them. Returns how many."""
    n = 0
    p = s.buckets[(2 * b + direction) * BUCKETS + k]
    while p != NONE:
        s.ranking[n] = s.positions[p].row
        n += 1
        p = s.positions[p].b_next
    return n


@kernel("i8(i8)")
def find(address):
    """Queue every row that is under maintenance at the marks of now. Returns how many wait in the queue."""
    s = views(address)
    for i in range(s.meta[0].touched):
        row = s.touched[i]
        s.rows[row].touched = 0
        watch(s, row)
    s.meta[0].touched = 0
    for b in range(s.meta[0].books):
        bk = s.books[b]
        if bk.kind != PERP:
            continue
        if 2 * bk.mark > 3 * bk.anchor0 or 8 * bk.mark < bk.anchor0:
            anchor(address, b)
        place_now = bucket_place(bk.anchor0, bk.mark)
        k = bk.high0
        while k >= place_now:
            for i in range(collect(s, b, 0, k)):
                watch(s, s.ranking[i])
            k -= 1
        if bk.high0 > place_now:
            bk.high0 = place_now
        place_now = bucket_place(bk.anchor1, bk.mark)
        k = bk.low1
        while k <= place_now:
            for i in range(collect(s, b, 1, k)):
                watch(s, s.ranking[i])
            k += 1
        if bk.low1 < place_now:
            bk.low1 = place_now
    return s.meta[0].queued


@kernel("i8(i8)")
def find_by_full_pass(address):
    """The same queue by looking at every row: the slow twin of `find`."""
    s = views(address)
    for i in range(s.meta[0].touched):
        s.rows[s.touched[i]].touched = 0
    s.meta[0].touched = 0
    for row in range(s.meta[0].rows):
        watch(s, row)
    return s.meta[0].queued


@kernel("i8(i8)")
def line_up(address):
    """Move the queue into a heap, most under water (smallest equity over maintenance) first, then by the row's key.

    Returns how many rows there are; the queue is empty afterwards.
    """
    s = views(address)
    n = s.meta[0].queued
    for i in range(n):
        row = s.queue[i]
        equity, maintenance = equity_and_maintenance(s, row)
        s.ranking[i] = row
        s.scores[i] = -float(equity) / float(maintenance if maintenance > 1 else 1)
        s.sorted[i] = s.rows[row].key
    s.meta[0].queued = 0
    heapify(s, n)
    return n


@kernel("UniTuple(i8,2)(i8,i8,i8,i8,i8,i8)")
def send(address, row, p, limit, lots, parent):
    """One liquidation order of the venue into the book. Returns (event place, lots filled)."""
    s = views(address)
    x = s.positions[p]
    b = x.book
    was_long = x.qty > 0
    side = -1 if was_long else 1
    venue = s.rows[row].venue
    i = new_event(address, E_LIQUIDATION, parent, row, b)
    flags = ENGINE | IOC | REDUCE_ONLY
    place(address, row, b, side, limit, lots, flags, 0, 0, -1, C_LIQUIDATION, s.events[i].id)
    filled = s.meta[0].filled
    value = s.meta[0].traded
    e = s.events[i]
    e.cause = C_LIQUIDATION
    e.side = 1 if was_long else -1
    e.qty = filled
    e.value = value
    e.price = mul_div(value, 1024, filled * s.books[b].unit) if filled > 0 else 0
    count_closed(s, venue, was_long, value)
    if filled > 0 and s.venues[venue].liquidation_fee > 0:
        equity, _ = equity_and_maintenance(s, row)
        fee = at_rate(value, s.venues[venue].liquidation_fee)
        if fee > equity:
            fee = equity
        if fee > 0:
            settle = s.venues[venue].settle
            s.holdings[holding(s, row, settle)].amount -= fee
            s.holdings[ensure_holding(s, s.books[b].fund, settle)].amount += fee
            e.amount = fee
    return i, filled


@inlined
def at_bankruptcy(s, address, row, venue):
    """Reduce by IOC orders at the bankruptcy price until healthy. Returns the last event's id, or -1."""
    parent = NONE
    for _ in range(64):
        p = largest_position(s, row)
        if p == NONE:
            break
        equity, maintenance = equity_and_maintenance(s, row)
        if equity >= maintenance or equity <= 0:
            break
        x = s.positions[p]
        lots = x.qty if x.qty > 0 else -x.qty
        if s.venues[venue].partial != 0:
            lots = partial_lots(s, row, p)
        i, filled = send(address, row, p, bankruptcy_ticks(s, row, p), lots, parent)
        parent = s.events[i].id
        if filled < lots:
            break
    return parent


@inlined
def into_book(s, address, row, venue):
    """Market orders into the book, sliced if large, one a position, largest first. Returns the last event's id."""
    parent = NONE
    sliced = False
    tried = 0
    p = s.rows[row].positions
    while p != NONE:
        if s.positions[p].qty != 0:
            tried += 1
        p = s.positions[p].next
    for _ in range(tried):
        p = largest_position(s, row)
        equity, maintenance = equity_and_maintenance(s, row)
        if p == NONE or equity >= maintenance:
            break
        held = s.positions[p].qty if s.positions[p].qty > 0 else -s.positions[p].qty
        lots = slice_lots(s, venue, row, p)
        limit = 1 if s.positions[p].qty > 0 else MAX_PRICE - 1
        i, filled = send(address, row, p, limit, lots, parent)
        parent = s.events[i].id
        if lots < held:
            sliced = True
            break
    if sliced:
        s.rows[row].cooldown = s.meta[0].now + s.venues[venue].cooldown
    return parent


@kernel("void(i8,i8)")
def liquidate_row(address, row):
    """Walk one account down its venue's waterfall."""
    s = views(address)
    s.rows[row].queued = 0
    venue = wide(s.rows[row].venue)
    v = s.venues[venue]
    cancel_all(address, row, NONE)
    equity, maintenance = equity_and_maintenance(s, row)
    if largest_position(s, row) == NONE:
        cover(address, row, NONE)
        return
    if equity >= maintenance:
        watch(s, row)
        return
    if s.rows[row].spared != 0:
        absorb(address, row, NONE)
        cover(address, row, NONE)
        return
    parent = NONE
    if v.style == BANKRUPTCY:
        parent = at_bankruptcy(s, address, row, venue)
        equity, maintenance = equity_and_maintenance(s, row)
        if largest_position(s, row) == NONE:
            cover(address, row, parent)
        elif equity < maintenance:
            if parent == NONE:
                parent = s.events[new_event(address, E_BANKRUPTCY, NONE, row, NONE)].id
            if accepts(s, venue, row):
                take_over(address, row, parent)
            else:
                ask_adl(address, row, parent)
    else:
        if equity >= 0 and not below_backstop(s, venue, equity, maintenance):
            parent = into_book(s, address, row, venue)
            equity, maintenance = equity_and_maintenance(s, row)
        if largest_position(s, row) == NONE:
            cover(address, row, parent)
        elif equity < 0 or below_backstop(s, venue, equity, maintenance):
            if parent == NONE:
                parent = s.events[new_event(address, E_BANKRUPTCY, NONE, row, NONE)].id
            if (equity >= 0 or v.fund_rule == UNLIMITED) and accepts(s, venue, row):
                take_over(address, row, parent)
            else:
                ask_adl(address, row, parent)
    touch(s, row)


@kernel("i8(i8,i8)")
def liquidate(address, n):
    """Liquidate the `n` lined-up rows in order. Returns how many are left when room ran out, 0 when done."""
    s = views(address)
    while n > 0:
        if not room(s):
            return n
        n = drop_first(s, n)
        liquidate_row(address, wide(s.ranking[n]))
    return 0
