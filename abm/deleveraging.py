"""Auto-deleveraging: what neither book nor fund takes is closed against ranked winners.

`ask_adl` writes requests, `pools.check_funds` adds what pools can no longer carry, `deleverage` closes requests of
venues with a queue against winners in the order of the score; other ways to share are in `sharing`. A kernel that may
run out of room returns where it stopped; the caller makes room and goes on.
"""

from __future__ import annotations

from abm.accounts import (
    change_position,
    ensure_holding,
    holding,
    touch,
)
from abm.adl import AT_BANKRUPTCY, AT_CAPPED, AT_INDEX, AT_MARK, IN_KERNEL, rank
from abm.causes import (
    C_ADL,
    E_ADL,
)
from abm.jit import inlined, kernel
from abm.liquidation import bankruptcy_amount
from abm.margin import equity_and_maintenance
from abm.ranking import drop_first
from abm.resting import cancel_all, end_reduced
from abm.state import NONE, views
from abm.takeover import ask_position, count_closed, cover_from, new_event
from abm.units import at_price, at_rate, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("void(i8,i8,i8)")
def ask_adl(address, row, parent):
    """Request ADL of all positions of a row in this step."""
    s = views(address)
    p = s.rows[row].positions
    while p != NONE:
        if s.positions[p].qty != 0:
            ask_position(address, row, p, parent)
        p = s.positions[p].next


# ---------------------------------------------------------------- one request


@kernel("i8(i8,i8,i8)")
def price_of(address, k, lots):
    """Quote units, signed like the position, at which `lots` of request `k` are closed."""
    s = views(address)
    r = s.requests[k]
    p = wide(r.position)
    x = s.positions[p]
    bk = s.books[x.book]
    held = x.qty if x.qty > 0 else -x.qty
    v = s.venues[bk.venue]
    if r.fixed != 0:
        amount, held = wide(r.amount), wide(r.qty)
        worth = at_price((lots if x.qty > 0 else -lots) * bk.unit, bk.mark)
        if lots != held:
            amount = mul_div(amount, lots, held)
        if v.adl_price == AT_CAPPED and abs(amount - worth) > at_rate(abs(worth), v.adl_gap):
            amount = worth
        return amount
    value = at_price(x.qty * bk.unit, bk.mark)
    if v.adl_price == AT_BANKRUPTCY:
        amount = bankruptcy_amount(s, wide(r.row), p)
    elif v.adl_price == AT_CAPPED:
        amount = bankruptcy_amount(s, wide(r.row), p)
        if abs(amount - value) > at_rate(abs(value), v.adl_gap):
            amount = value
    elif v.adl_price == AT_MARK:
        amount = value
    elif v.adl_price == AT_INDEX:
        amount = at_price(x.qty * bk.unit, bk.index)
    else:
        amount = at_price(x.qty * bk.unit, bk.previous_mark)
    if lots == held:
        return amount
    return mul_div(amount, lots, held)


@inlined
def relieve(s, b, amount):
    """Note that so much of a pool's loss in a contract has gone to others."""
    s.books[b].served = max(0, s.books[b].served - amount)


@kernel("void(i8,i8,i8,i8,i8,i8,i8)")
def close_against(address, row, p, w, lots, amount, parent):
    """Close `lots` of a failed position against one winner for `amount`; his orders there are cancelled where the
    venue does so.

    A bankruptcy price far beyond the mark can cost the winner more than he has: what he then owes is covered at once.
    """
    s = views(address)
    x = s.positions[p]
    b = x.book
    sign = 1 if x.qty > 0 else -1
    winner = wide(s.positions[w].row)
    venue = wide(s.books[b].venue)
    settle = s.venues[venue].settle
    worth = amount if amount > 0 else -amount
    if s.venues[venue].adl_cancels != 0:
        cancel_all(address, winner, b)
    s.holdings[holding(s, row, settle)].amount += amount
    s.holdings[ensure_holding(s, winner, settle)].amount -= amount
    change_position(s, p, -sign * lots, worth)
    change_position(s, w, sign * lots, worth)
    e = s.events[new_event(address, E_ADL, parent, row, b)]
    e.cause = C_ADL
    e.other = winner
    e.side = sign
    e.qty = lots
    e.value = worth
    e.price = mul_div(worth, 1024, lots * s.books[b].unit)
    e.amount = sign * (amount * sign - at_price(lots * s.books[b].unit, s.books[b].mark))
    s.venues[venue].adl += worth
    if s.rows[row].exempt == 0:
        count_closed(s, venue, sign > 0, worth)
    else:
        relieve(s, b, e.amount)
    if s.venues[venue].adl_cancels == 0:
        end_reduced(s, winner, w)
    touch(s, row)
    touch(s, winner)
    cover_from(address, winner, s.books[b].fund, parent)


@inlined
def cost_of(s, w, amount, lots):
    """What a winner loses against the mark, units, if `lots` of his position are closed for `amount`."""
    x = s.positions[w]
    bk = s.books[x.book]
    worth = at_price(lots * bk.unit, bk.mark)
    return amount - worth if x.qty < 0 else amount + worth


@inlined
def payable_lots(s, w, amount, lots):
    """Lots of a winner that may be closed at the price of `amount` for `lots` before his account is below zero."""
    x = s.positions[w]
    held = x.qty if x.qty > 0 else -x.qty
    loss = cost_of(s, w, amount, lots)
    if loss <= 0:
        return held
    equity, _ = equity_and_maintenance(s, x.row)
    equity -= 2  # what shares are rounded by
    if equity <= 0:
        return 0
    return mul_div(lots, equity, loss) if equity < loss else held


@inlined
def serve(s, address, k, n):
    """Close request `k` against the heap of `n` winners. Returns the winners left, or -1 if room ran out."""
    r = s.requests[k]
    row = wide(r.row)
    p = wide(r.position)
    venue = wide(s.rows[row].venue)
    held = s.positions[p].qty if s.positions[p].qty > 0 else -s.positions[p].qty
    lots = r.qty if r.qty < held else held
    if lots == 0:
        return n
    amount = price_of(address, k, lots)
    done = 0
    paid = 0
    bounded = True  # first those who can pay; only when nobody is left are the others closed as well
    while done < lots and (n > 0 or bounded):
        if s.meta[0].events + 4 >= len(s.events):
            if r.fixed != 0:
                r.amount = amount - paid
            r.qty = lots - done
            return -1
        if n == 0:
            n = rank(address, s.positions[p].book, -1 if s.positions[p].qty > 0 else 1, s.venues[venue].score)
            bounded = False
            continue
        w = wide(s.ranking[0])
        q = s.positions[w].qty if s.positions[w].qty > 0 else -s.positions[w].qty
        part = q if q < lots - done else lots - done
        if bounded:
            most = payable_lots(s, w, amount, lots)
            if most < part:
                part = most
                q = part  # he is left out from here on
        if part > 0:
            done += part
            share = mul_div(amount, done, lots) - paid
            paid += share
            close_against(address, row, p, w, part, share, r.parent)
        if part == q:
            n = drop_first(s, n)
    r.qty = 0
    return n


@kernel("i8(i8)")
def deleverage(address):
    """Close the requests of venues with a queue, ranking each contract and side once. Returns 1 if room ran out (call
    again), 0 when done."""
    s = views(address)
    count = s.meta[0].requests
    for k in range(count):
        b = wide(s.requests[k].book)
        venue = wide(s.books[b].venue)
        if s.requests[k].qty == 0 or s.venues[venue].allocate != IN_KERNEL:
            continue
        held = s.positions[s.requests[k].position].qty
        sign = 1 if held > 0 else -1
        n = rank(address, b, -sign, s.venues[venue].score)
        for j in range(k, count):
            r = s.requests[j]
            if r.qty == 0 or r.book != b or (s.positions[r.position].qty > 0) != (sign > 0):
                continue
            n = serve(s, address, j, n)
            if n < 0:
                return 1
            if s.meta[0].events + 4 >= len(s.events):
                return 1
            cover_from(address, wide(r.row), s.books[b].fund, r.parent)
    return 0
