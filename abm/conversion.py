"""Conversion: collateral is sold because the settlement balance has become a debt.

The channel by which losses in futures sell USDe, wBETH and BNSOL. Three occasions (`collateral.ConversionRule`):

- a realised debt above the threshold is repaid in full (Binance multi-assets mode: 10,000 USD);
- at every check (Binance unified account: 10 minutes) a debt above the limit is repaid down to a share of the limit,
  after the account's open orders have been cancelled;
- at liquidation, before positions are touched, for all that is owed, unrealised losses included (Bybit UTA).

Assets are sold in the order of what they count for, best first, by market orders of the venue into its own spot book,
each within the venue's bound around the last price, or internalised: the venue's capital buys at the collateral price.
"""

from __future__ import annotations

from abm.accounts import ensure_holding, holding, touch
from abm.admission import limit_of_market
from abm.book import best_price
from abm.causes import C_CONVERSION, E_CONVERSION
from abm.collateral import collateral_at, note_debt, wallet
from abm.jit import inlined, kernel
from abm.margin import equity_and_maintenance
from abm.matching import place
from abm.messages import ENGINE, IOC
from abm.resting import cancel_all
from abm.state import NONE, views
from abm.takeover import new_event, room
from abm.units import FP, at_rate_up, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

ORDERS = 4  # an asset, account and occasion: each is as large as the best bid of its moment asks


@inlined
def note_sale(s, i, b, asset, qty, value):
    """Fill the event of a sale: lots of the asset's spot book at this venue, or units where it has none."""
    e = s.events[i]
    e.cause = C_CONVERSION
    e.side = 1
    e.qty = qty
    e.value = value
    if b == NONE:
        e.asset = asset
    elif qty > 0:
        e.price = mul_div(value, 1024, qty * s.books[b].unit)


@kernel("i8(i8,i8,i8,i8,i8)")
def sell_internally(address, row, c, need, parent):
    """The venue's capital buys at the collateral price. Returns the event's id, or `parent` if nothing was sold."""
    s = views(address)
    k = s.collateral[c]
    h = holding(s, row, k.asset)
    if h == NONE or k.price == 0:
        return parent
    some = mul_div(need, k.whole << FP, k.price) + 1
    free = s.holdings[h].amount - s.holdings[h].locked
    if some > free:
        some = free
    value = mul_div(some, k.price, k.whole << FP) if some > 0 else 0
    if value <= 0:
        return parent
    v = s.venues[k.venue]
    s.holdings[h].amount -= some
    s.holdings[ensure_holding(s, v.capital, k.asset)].amount += some
    s.holdings[ensure_holding(s, row, v.settle)].amount += value
    s.holdings[ensure_holding(s, v.capital, v.settle)].amount -= value
    i = new_event(address, E_CONVERSION, parent, row, k.book)
    if k.book != NONE:
        note_sale(s, i, k.book, k.asset, some // s.books[k.book].lot_base, value)
    else:
        note_sale(s, i, NONE, k.asset, 0, some)
    s.events[i].other = v.capital
    touch(s, row)
    return s.events[i].id


@kernel("i8(i8,i8,i8,i8,i8)")
def sell_into_book(address, row, c, need, parent):
    """Market orders into the asset's spot book until `need` is there or nobody bids within the venue's bound.

    Returns the last event's id, or `parent` if nothing was sold.
    """
    s = views(address)
    b = s.collateral[c].book
    h = holding(s, row, s.collateral[c].asset)
    if b == NONE or h == NONE:
        return parent
    bk = s.books[b]
    cash = ensure_holding(s, row, bk.quote)
    goal = s.holdings[cash].amount + need
    for _ in range(ORDERS):
        short = goal - s.holdings[cash].amount
        bid = best_price(s, b, 1)
        if short <= 0 or bid == 0 or bid < limit_of_market(s, b, -1):
            break
        each = bid * bk.unit
        each -= at_rate_up(each, bk.taker_fee)
        most = (s.holdings[h].amount - s.holdings[h].locked) // bk.lot_base
        lots = -(-short // each) if each > 0 else most
        if lots > most:
            lots = most
        if lots <= 0:
            break
        i = new_event(address, E_CONVERSION, parent, row, b)
        place(address, row, b, -1, 0, lots, ENGINE | IOC, 0, 0, -1, C_CONVERSION, s.events[i].id)
        if s.meta[0].filled == 0:  # the bids were the account's own, or over: nothing happened
            s.meta[0].events -= 1
            s.meta[0].next_event -= 1
            break
        note_sale(s, i, b, bk.base, s.meta[0].filled, s.meta[0].traded)
        parent = s.events[i].id
    return parent


@kernel("i8(i8,i8,i8,i8)")
def repay(address, row, need, parent):
    """Sell collateral of a row, what counts for most first, until `need` settlement units have come in.

    Returns the id of the last event, or `parent` if nothing was sold.
    """
    s = views(address)
    v = s.venues[s.rows[row].venue]
    cash = ensure_holding(s, row, v.settle)
    goal = s.holdings[cash].amount + need
    for c in range(v.collateral, v.collateral + v.collaterals):
        short = goal - s.holdings[cash].amount
        if short <= 0:
            break
        if v.internal != 0:
            parent = sell_internally(address, row, c, short, parent)
        else:
            parent = sell_into_book(address, row, c, short, parent)
    return parent


@kernel("i8(i8,i8,i8)")
def convert_row(address, row, parent):
    """Stage of a liquidation before positions are touched: sell collateral for all that the row owes, unrealised
    losses included. Its open orders have been cancelled. Returns the id of the last event, or `parent`."""
    s = views(address)
    v = s.venues[s.rows[row].venue]
    if v.collaterals == 0 or s.rows[row].only != NONE or s.rows[row].exempt != 0:
        return parent
    equity, maintenance = equity_and_maintenance(s, row)
    backed = collateral_at(address, row, 0)
    if equity >= maintenance or backed == 0 or equity >= backed:
        return parent
    return repay(address, row, backed - equity, parent)


@inlined
def due(s, venue):
    """Whether a venue's check of debts falls into this step."""
    every = s.venues[venue].convert_every
    now = s.meta[0].now
    return every > 0 and now // every != (now - s.meta[0].step_ms) // every


@kernel("i8(i8,i8)")
def convert(address, first):
    """Repay realised debts above the venues' thresholds, and those that are due, from debtor number `first` on.

    Returns the number of the debtor at which room ran out (make room, call again with it), or -1 when done.
    """
    s = views(address)
    if s.meta[0].collaterals == 0:
        return -1
    if first == 0:
        for i in range(s.meta[0].touched):
            if s.venues[s.rows[s.touched[i]].venue].collaterals != 0:
                note_debt(s, s.touched[i])
    for i in range(first, s.meta[0].debtors):
        if not room(s):
            return i
        row = s.debtors[i]
        v = s.venues[s.rows[row].venue]
        debt = -wallet(s, row)
        if debt <= 0 or collateral_at(address, row, 0) == 0:
            s.rows[row].owes = 0
        elif v.convert_above > 0 and debt > v.convert_above:
            repay(address, row, debt, NONE)
        elif debt > v.debt_limit and due(s, s.rows[row].venue):
            cancel_all(address, row, NONE)
            repay(address, row, debt - v.debt_left, NONE)
    kept = 0
    for i in range(s.meta[0].debtors):
        if s.rows[s.debtors[i]].owes != 0:
            s.debtors[kept] = s.debtors[i]
            kept += 1
    s.meta[0].debtors = kept
    return -1
