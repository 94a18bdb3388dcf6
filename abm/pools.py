"""What becomes of pools between take-overs: their highest values, when they stop, what they can no longer carry.

Whether a pool takes over is `insurance`; this is what is asked once a step, after liquidations and before ADL.
"""

from __future__ import annotations

from abm.accounts import PERP, position
from abm.adl import AT_BANKRUPTCY, AT_CAPPED
from abm.causes import E_BANKRUPTCY
from abm.deleveraging import ask_adl
from abm.insurance import SYMBOL_DRAWDOWN, UNLIMITED, highest, peak_of, profit_in
from abm.jit import kernel
from abm.liquidation import largest_position
from abm.margin import equity_and_maintenance
from abm.state import NONE, views
from abm.takeover import ask_position, cover_from, new_event, room
from abm.units import at_price, at_rate, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("void(i8,i8)")
def ask_excess(address, b):
    """Request ADL of so much of a pool's inventory in a contract as carries its loss beyond `start`, at the price at
    which it was taken over; say whether take-over of the contract has stopped.

    ADL at the mark leaves the loss where it is: what was asked for (`served`) is asked for once.
    """
    s = views(address)
    bk = s.books[b]
    v = s.venues[bk.venue]
    width = v.fund_bin
    profit = profit_in(address, b)
    lost = highest(address, b, width, profit) - profit
    equity, _ = equity_and_maintenance(s, bk.fund)
    k = 0
    while s.pools[k].row != bk.fund:
        k += 1
    most = max(peak_of(s, s.meta[0].books + k), equity)
    if bk.closed != 0 and lost < at_rate(most, v.fund_stop):
        bk.closed = 0
        bk.served = 0
    elif bk.closed == 0 and equity > v.fund_threshold and lost >= at_rate(most, v.fund_start):
        bk.closed = 1
    excess = lost - at_rate(most, v.fund_start) - bk.served
    p = position(s, bk.fund, b)
    if bk.closed == 0 or excess <= 0 or equity <= 0 or p == NONE or s.positions[p].qty == 0 or not room(s):
        return
    x = s.positions[p]
    held = x.qty if x.qty > 0 else -x.qty
    open_loss = x.entry - at_price(x.qty * bk.unit, bk.mark)
    if open_loss <= 0:
        return
    i = new_event(address, E_BANKRUPTCY, NONE, bk.fund, b)
    ask_position(address, bk.fund, p, s.events[i].id)
    r = s.requests[s.meta[0].requests - 1]
    bk.served += min(excess, open_loss)
    if excess < open_loss:
        r.qty = min(held, mul_div(held, excess, open_loss) + 1)
    if v.adl_price == AT_BANKRUPTCY or v.adl_price == AT_CAPPED:
        r.fixed = 1
        r.amount = mul_div(x.entry, r.qty, held)


@kernel("i8(i8)")
def check_funds(address):
    """Keep the pools' highest values and what they take over; request ADL of what a pool below zero holds, and of what
    one has lost too much in; what a pool without inventory owes the venue pays."""
    s = views(address)
    for k in range(s.meta[0].pools):
        fund = wide(s.pools[k].row)
        v = s.venues[s.pools[k].venue]
        equity, _ = equity_and_maintenance(s, fund)
        peak = highest(address, s.meta[0].books + k, v.fund_bin, equity)
        lost = peak - equity
        if s.pools[k].closed != 0 and lost < at_rate(peak, v.fund_stop):
            s.pools[k].closed = 0
        elif s.pools[k].closed == 0 and lost > 0 and lost >= at_rate(peak, v.fund_start):
            s.pools[k].closed = 1
        if equity < 0 and v.fund_rule != UNLIMITED and room(s):
            if largest_position(s, fund) == NONE:
                cover_from(address, fund, fund, NONE)
            else:
                i = new_event(address, E_BANKRUPTCY, NONE, fund, NONE)
                ask_adl(address, fund, s.events[i].id)
    for venue in range(s.meta[0].venues):
        if s.venues[venue].fund_rule == SYMBOL_DRAWDOWN:
            for b in range(s.meta[0].books):
                if s.books[b].venue == venue and s.books[b].kind == PERP:
                    ask_excess(address, b)
    return 0
