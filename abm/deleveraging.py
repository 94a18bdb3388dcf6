"""Auto-deleveraging: what neither book nor fund takes is closed against ranked winners.

`ask_adl` writes requests, `check_vaults` adds what a vault can no longer carry, `deleverage` closes requests against
winners in the order of the venue's score. A kernel that may run out of room returns where it stopped; the caller
makes room and goes on.
"""

from __future__ import annotations

from abm.accounts import (
    change_position,
    ensure_holding,
    holding,
    touch,
)
from abm.adl import AT_BANKRUPTCY, AT_MARK, PRO_RATA, rank
from abm.causes import (
    C_ADL,
    E_ADL,
    E_BANKRUPTCY,
)
from abm.insurance import VAULT
from abm.jit import inlined, kernel
from abm.liquidation import (
    bankruptcy_amount,
    largest_position,
)
from abm.margin import equity_and_maintenance
from abm.ranking import drop_first
from abm.resting import cancel_all
from abm.state import NONE, views
from abm.takeover import count_closed, cover, new_event, room
from abm.units import at_price, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("void(i8,i8,i8)")
def ask_adl(address, row, parent):
    """Request ADL of all positions of a row in this step."""
    s = views(address)
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            m = s.meta[0]
            r = s.requests[m.requests]
            r.parent = parent
            r.row = row
            r.book = x.book
            r.position = p
            r.qty = x.qty if x.qty > 0 else -x.qty
            m.requests += 1
        p = x.next


@kernel("i8(i8)")
def check_vaults(address):
    """Request ADL of what a vault holds once its own equity at mark is below zero, and keep the funds' peaks."""
    s = views(address)
    for venue in range(s.meta[0].venues):
        v = s.venues[venue]
        if v.fund < 0:
            continue
        equity, _ = equity_and_maintenance(s, v.fund)
        if equity > v.fund_peak:
            v.fund_peak = equity
        if v.fund_rule == VAULT and equity < 0 and largest_position(s, v.fund) != NONE and room(s):
            i = new_event(address, E_BANKRUPTCY, NONE, v.fund, NONE)
            ask_adl(address, v.fund, s.events[i].id)
    return 0


@inlined
def adl_amount(s, venue, row, p, lots):
    """Quote units, signed like the position, at which `lots` of it are closed."""
    x = s.positions[p]
    held = x.qty if x.qty > 0 else -x.qty
    rule = s.venues[venue].adl_price
    if rule == AT_BANKRUPTCY:
        amount = bankruptcy_amount(s, row, p)
    elif rule == AT_MARK:
        amount = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
    else:
        amount = at_price(x.qty * s.books[x.book].unit, s.books[x.book].previous_mark)
    if lots == held:
        return amount
    return mul_div(amount, lots, held)


@kernel("void(i8,i8,i8,i8,i8,i8,i8)")
def close_against(address, row, p, w, lots, amount, parent):
    """Close `lots` of a failed position against one winner for `amount`; the winner's orders there are cancelled.

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
    if row != s.venues[venue].fund:
        count_closed(s, venue, sign > 0, worth)
    touch(s, row)
    touch(s, winner)
    cover(address, winner, parent)


@inlined
def profitable_lots(s, n):
    """Lots held by the candidates in profit."""
    total = 0
    for i in range(n):
        if s.scores[i] > 0.0:
            q = s.positions[s.ranking[i]].qty
            total += q if q > 0 else -q
    return total


@inlined
def payable_lots(s, w, amount, lots):
    """Lots of a winner that may be closed at the price of `amount` for `lots` before his account is below zero."""
    x = s.positions[w]
    bk = s.books[x.book]
    held = x.qty if x.qty > 0 else -x.qty
    worth = at_price(lots * bk.unit, bk.mark)
    loss = amount - worth if x.qty < 0 else amount + worth  # of the winner, for all `lots`, against the mark
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
    amount = adl_amount(s, venue, row, p, lots)
    sum_profit = profitable_lots(s, n) if s.venues[venue].allocate == PRO_RATA else 0
    if sum_profit >= lots and sum_profit > 0:
        seen = 0
        done = 0
        paid = 0
        for i in range(n):
            if s.scores[i] <= 0.0:
                continue
            w = wide(s.ranking[i])
            q = s.positions[w].qty if s.positions[w].qty > 0 else -s.positions[w].qty
            seen += q
            part = mul_div(lots, seen, sum_profit) - done
            if part == 0:
                continue
            if s.meta[0].events + 4 >= len(s.events):
                r.qty = lots - done
                return -1
            done += part
            share = mul_div(amount, done, lots) - paid
            paid += share
            close_against(address, row, p, w, part, share, r.parent)
        r.qty = 0
        return n
    done = 0
    paid = 0
    bounded = True  # first those who can pay; only when nobody is left are the others closed as well
    while done < lots and (n > 0 or bounded):
        if s.meta[0].events + 4 >= len(s.events):
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
    """Close all requests, ranking each contract and side once. Returns 1 if room ran out (call again), 0 when done."""
    s = views(address)
    count = s.meta[0].requests
    for k in range(count):
        if s.requests[k].qty == 0:
            continue
        b = wide(s.requests[k].book)
        held = s.positions[s.requests[k].position].qty
        sign = 1 if held > 0 else -1
        venue = wide(s.books[b].venue)
        once = s.venues[venue].allocate != PRO_RATA
        n = rank(address, b, -sign, s.venues[venue].score)
        for j in range(k, count):
            r = s.requests[j]
            if r.qty == 0 or r.book != b or (s.positions[r.position].qty > 0) != (sign > 0):
                continue
            if not once and j > k:
                n = rank(address, b, -sign, s.venues[venue].score)
            n = serve(s, address, j, n)
            if n < 0:
                return 1
            if s.meta[0].events + 4 >= len(s.events):
                return 1
            cover(address, wide(r.row), r.parent)
    s.meta[0].requests = 0
    return 0
