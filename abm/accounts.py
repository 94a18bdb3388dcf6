"""Balances and positions: the ledgers, asset by asset, and what one fill does to them.

A perpetual's fill moves its full value: the buyer's settlement balance falls by price x lots x unit and the position
rises by the lots, so that every fill conserves the sum of balances to the unit and equity is balance + position at
mark. The entry value is kept beside it for scores and display; wallet balance = balance + entry value.
"""

from __future__ import annotations

from abm.jit import inlined, kernel
from abm.state import NONE, views
from abm.units import at_rate_up, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

PERP, SPOT = 0, 1


@inlined
def holding(s, row, asset):
    """The row's holding of an asset, or -1."""
    h = s.rows[row].holdings
    while h != NONE and s.holdings[h].asset != asset:
        h = s.holdings[h].next
    return h


@inlined
def ensure_holding(s, row, asset):
    """The row's holding of an asset, opened empty if it has none (the caller has made room for one)."""
    h = s.rows[row].holdings
    last = NONE
    while h != NONE:
        if s.holdings[h].asset == asset:
            return h
        last = h
        h = s.holdings[h].next
    h = s.meta[0].holdings
    s.meta[0].holdings = h + 1
    s.holdings[h].row = row
    s.holdings[h].asset = asset
    s.holdings[h].amount = 0
    s.holdings[h].locked = 0
    s.holdings[h].next = NONE
    if last == NONE:
        s.rows[row].holdings = h
    else:
        s.holdings[last].next = h
    return h


@inlined
def position(s, row, b):
    """The row's position record in a contract, or -1."""
    p = s.rows[row].positions
    while p != NONE and s.positions[p].book != b:
        p = s.positions[p].next
    return p


@inlined
def ensure_position(s, row, b):
    """The row's position record in a contract, opened flat if it has none (room for one was made)."""
    p = position(s, row, b)
    if p != NONE:
        return p
    p = s.meta[0].positions
    s.meta[0].positions = p + 1
    x = s.positions[p]
    x.row = row
    x.book = b
    x.qty = 0
    x.entry = 0
    x.buys = 0
    x.sells = 0
    x.paid = 0
    x.bucket = NONE
    x.next = s.rows[row].positions
    s.rows[row].positions = p
    return p


@inlined
def look_again(s, row):
    """Have the next margin check look at a row, whether it has changed or not."""
    if s.rows[row].touched == 0:
        s.rows[row].touched = 1
        s.touched[s.meta[0].touched] = row
        s.meta[0].touched += 1


@inlined
def touch(s, row):
    """Note that the row has changed, and that its margin must be looked at again before the step ends."""
    s.changed[row] = s.meta[0].now
    look_again(s, row)


@inlined
def credit(s, row, asset, amount):
    """Add to (or take from) a balance that exists already."""
    s.holdings[holding(s, row, asset)].amount += amount


@kernel("void(i8,i8,i8,i8)")
def change_position_at(address, p, lots, value):
    """Add signed lots bought or sold for `value` (> 0); keeps the entry value and the book's open interest."""
    s = views(address)
    x = s.positions[p]
    q = x.qty
    size = lots if lots > 0 else -lots
    if q == 0 or (q > 0) == (lots > 0):
        x.entry += value if lots > 0 else -value
    else:
        held = q if q > 0 else -q
        if size < held:
            x.entry -= mul_div(x.entry, size, held)
        else:
            opened = value - mul_div(value, held, size)
            x.entry = opened if lots > 0 else -opened
    x.qty = q + lots
    x.paid += value if lots > 0 else -value
    s.changed[x.row] = s.meta[0].now
    before = q if q > 0 else 0
    after = x.qty if x.qty > 0 else 0
    s.books[x.book].open_interest += after - before


@inlined
def change_position(s, p, lots, value):
    """`change_position_at` from inside a kernel."""
    return change_position_at(s.meta[0].address, p, lots, value)


@inlined
def settle_perp(s, b, taker, maker, tp, mp, side, price, lots):
    """One perpetual fill: value, fees and positions of both rows. Returns the value traded."""
    bk = s.books[b]
    value = price * lots * bk.unit
    taker_fee = at_rate_up(value, bk.taker_fee)
    maker_fee = at_rate_up(value, bk.maker_fee)
    s.holdings[holding(s, taker, bk.quote)].amount -= side * value + taker_fee
    s.holdings[holding(s, maker, bk.quote)].amount += side * value - maker_fee
    s.holdings[holding(s, s.venues[bk.venue].fees, bk.quote)].amount += taker_fee + maker_fee
    change_position(s, tp, side * lots, value)
    change_position(s, mp, -side * lots, value)
    touch(s, taker)
    touch(s, maker)
    return value


@kernel("i8(i8,i8,i8,i8,i8,i8,i8)")
def settle_spot_at(address, b, taker, maker, side, price, lots):
    """One spot fill: two assets and the fees in the quote asset. Returns the value traded."""
    s = views(address)
    bk = s.books[b]
    value = price * lots * bk.unit
    coins = lots * bk.lot_base
    taker_fee = at_rate_up(value, bk.taker_fee)
    maker_fee = at_rate_up(value, bk.maker_fee)
    s.holdings[holding(s, taker, bk.quote)].amount -= side * value + taker_fee
    s.holdings[holding(s, maker, bk.quote)].amount += side * value - maker_fee
    s.holdings[holding(s, taker, bk.base)].amount += side * coins
    s.holdings[holding(s, maker, bk.base)].amount -= side * coins
    s.holdings[holding(s, s.venues[bk.venue].fees, bk.quote)].amount += taker_fee + maker_fee
    touch(s, taker)
    touch(s, maker)
    return value


@inlined
def settle_spot(s, b, taker, maker, side, price, lots):
    """`settle_spot_at` from inside a kernel."""
    return settle_spot_at(s.meta[0].address, b, taker, maker, side, price, lots)


@inlined
def spot_lock(s, b, side, price, lots):
    """What a resting spot order keeps locked: coins for an offer, quote for a bid with the fee of every lot rounded
    up, so that it pays for its fills in whatever pieces they come."""
    bk = s.books[b]
    if side < 0:
        return lots * bk.lot_base
    each = price * bk.unit
    fee = at_rate_up(each, bk.maker_fee)
    return lots * (each + (fee if fee > 0 else 0))
