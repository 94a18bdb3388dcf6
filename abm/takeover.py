"""Events of liquidation, and what a venue's own rows do with a failed account: take it over, absorb it, cover it."""

from __future__ import annotations

from abm.accounts import (
    change_position,
    ensure_holding,
    ensure_position,
    holding,
    touch,
)
from abm.causes import (
    C_LIQUIDATION,
    E_ABSORPTION,
    E_DEFICIT,
    E_TAKEOVER,
)
from abm.collateral import hand_over_collateral
from abm.insurance import UNLIMITED, accepts_position
from abm.jit import inlined, kernel
from abm.liquidation import (
    bankruptcy_amount,
    largest_position,
)
from abm.margin import equity_and_maintenance, settlement
from abm.resting import cancel_all
from abm.state import NONE, views
from abm.units import at_price, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("i8(i8,i8,i8,i8,i8)")
def new_event(address, kind, parent, row, b):
    """Append an event and return its place in the table; `next_event` numbers events through the run."""
    s = views(address)
    m = s.meta[0]
    i = m.events
    m.events = i + 1
    e = s.events[i]
    e.id = m.next_event
    m.next_event += 1
    e.parent = parent
    e.time = m.now
    e.kind = kind
    e.cause = 0
    e.stage = m.stage
    e.row = row
    e.other = NONE
    e.book = b
    e.venue = s.rows[row].venue if row >= 0 else NONE
    e.asset = NONE
    e.side = 0
    e.price = 0
    e.mark = s.books[b].mark if b >= 0 else 0
    e.qty = 0
    e.value = 0
    e.amount = 0
    return i


@inlined
def room(s):
    """Whether events and accounts have room for whatever one account's liquidation can bring."""
    m = s.meta[0]
    return (
        m.events + 128 < len(s.events)
        and m.positions + 64 < len(s.positions)
        and m.holdings + 8 < len(s.holdings)
        and m.requests + 64 < len(s.requests)
        and (m.keep_fills == 0 or m.fills + 2 * m.live_orders + 64 < len(s.fills))
    )


@inlined
def count_closed(s, venue, was_long, value):
    """Count liquidated value once per contract closed."""
    if was_long:
        s.venues[venue].liquidated_long += value
    else:
        s.venues[venue].liquidated_short += value


@kernel("i8(i8,i8,i8,i8,i8,i8,i8)")
def hand_over(address, row, p, taker, amount, kind, parent):
    """Pass a whole position on to one of the venue's own rows for `amount` (signed like the position). Returns the
    place of the event."""
    s = views(address)
    x = s.positions[p]
    b, lots = x.book, x.qty
    settle = s.venues[s.rows[row].venue].settle
    worth = amount if amount > 0 else -amount
    i = new_event(address, kind, parent, row, b)
    e = s.events[i]
    e.other = taker
    e.side = 1 if lots > 0 else -1
    e.qty = lots if lots > 0 else -lots
    e.value = worth
    e.price = mul_div(worth, 1024, e.qty * s.books[b].unit)
    s.holdings[ensure_holding(s, row, settle)].amount += amount
    s.holdings[ensure_holding(s, taker, settle)].amount -= amount
    change_position(s, ensure_position(s, taker, b), lots, worth)
    change_position(s, p, -lots, worth)
    return i


@kernel("void(i8,i8,i8,i8)")
def ask_position(address, row, p, parent):
    """Request ADL of one position in this step."""
    s = views(address)
    m = s.meta[0]
    x = s.positions[p]
    r = s.requests[m.requests]
    r.parent = parent
    r.row = row
    r.book = x.book
    r.position = p
    r.qty = x.qty if x.qty > 0 else -x.qty
    r.amount = 0
    r.fixed = 0
    m.requests += 1


@kernel("void(i8,i8,i8)")
def take_over(address, row, parent):
    """Each position goes to the pool that insures its contract, for the amount that leaves the account with nothing;
    of what a pool does not accept ADL is requested. If all went, the account ends at exactly zero."""
    s = views(address)
    venue = s.rows[row].venue
    v = s.venues[venue]
    fund = wide(v.fund)
    kept = False
    p = s.rows[row].positions
    while p != NONE:
        lots = s.positions[p].qty
        if lots != 0 and v.parted != 0 and not accepts_position(address, venue, row, p):
            ask_position(address, row, p, parent)
            kept = True
        elif lots != 0:
            bk = s.books[s.positions[p].book]
            fund = wide(bk.fund)
            amount = bankruptcy_amount(s, row, p)
            e = s.events[hand_over(address, row, p, fund, amount, E_TAKEOVER, parent)]
            e.cause = C_LIQUIDATION
            e.amount = at_price(lots * bk.unit, bk.mark) - amount
            count_closed(s, venue, lots > 0, e.value)
            v.takeover += e.value
        p = s.positions[p].next
    if not kept:
        h = holding(s, row, v.settle)
        rest = s.holdings[h].amount
        s.holdings[h].amount = 0
        s.holdings[ensure_holding(s, fund, v.settle)].amount += rest
        if v.collaterals != 0:
            hand_over_collateral(address, row, fund)
    touch(s, row)


@kernel("void(i8,i8,i8)")
def absorb(address, row, parent):
    """The venue takes a row's positions on its own capital, at their marks: the account keeps its equity, no order of
    it is left and none reaches a book. (An intervention, never a rule: what would have been without a liquidation?)"""
    s = views(address)
    cancel_all(address, row, NONE)
    p = s.rows[row].positions
    while p != NONE:
        lots = s.positions[p].qty
        if lots != 0:
            bk = s.books[s.positions[p].book]
            capital = s.venues[s.rows[row].venue].capital
            i = hand_over(address, row, p, capital, at_price(lots * bk.unit, bk.mark), E_ABSORPTION, parent)
            s.events[i].price = bk.mark  # the amount is the mark's, rounded
        p = s.positions[p].next
    touch(s, row)


@kernel("void(i8,i8,i8,i8)")
def cover_from(address, row, fund, parent):
    """Bring a flat account below zero back to exactly zero: a pool pays as far as its equity goes, then the venue,
    first from the fees that it has earned, then from its capital, which may go below zero. What a pool owes is the
    venue's."""
    s = views(address)
    if largest_position(s, row) != NONE:
        return
    v = s.venues[s.rows[row].venue]
    deficit = -settlement(s, row)
    own = s.rows[row].exempt != 0
    if deficit <= 0 or row == v.capital or (own and v.fund_rule == UNLIMITED):
        return
    if v.collaterals != 0:
        left, _ = equity_and_maintenance(s, row)
        if left >= 0:
            return  # its collateral carries the debt: conversion will repay it, a pool has taken it over
        if not own:
            hand_over_collateral(address, row, fund)
    paid = 0
    if not own:
        equity, _ = equity_and_maintenance(s, fund)
        paid = deficit if deficit < equity else (equity if equity > 0 else 0)
        s.holdings[ensure_holding(s, fund, v.settle)].amount -= paid
    s.holdings[holding(s, row, v.settle)].amount += deficit
    earned = s.holdings[ensure_holding(s, v.fees, v.settle)].amount
    fees = min(max(earned, 0), deficit - paid)
    s.holdings[holding(s, v.fees, v.settle)].amount -= fees
    s.holdings[ensure_holding(s, v.capital, v.settle)].amount -= deficit - paid - fees
    e = s.events[new_event(address, E_DEFICIT, parent, row, NONE)]
    e.cause = C_LIQUIDATION
    e.value = deficit
    e.amount = deficit - paid
    e.other = v.capital if own else fund
    touch(s, row)


@kernel("void(i8,i8,i8)")
def cover(address, row, parent):
    """`cover_from` the venue's own fund."""
    s = views(address)
    cover_from(address, row, s.venues[s.rows[row].venue].fund, parent)
