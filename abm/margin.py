"""Margin of a row: equity, initial and maintenance margin from brackets, and the index that says whom to look at.

maintenance(N) = N x MMR_k - cum_k for the bracket k of the notional N, continuous in N (Binance's maintenance amount,
Bybit's deduction, Hyperliquid's maintenance deduction are this recursion).

The index: while every mark stays within the relative distance d of where it was, with
d = (equity - maintenance) / (sum of long notionals + sum of short notionals x (1 + MMR reachable)),
a row cannot be under maintenance, because a long's maintenance falls with its price and a short's grows at most at the
rate of the bracket of twice its notional; two units of excess and one of notional a position make room for rounding.
So each position waits in a bucket of the mark at which its row must be
looked at again, and a step looks at the buckets that marks have passed and at rows whose balances changed.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from abm.accounts import holding
from abm.collateral import accepted, collateral_at, lean, note_debt, releasable_at
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import BUCKETS, NONE, views
from abm.units import RATE, at_price, at_rate, at_rate_up, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


class MarginRule(Frozen):
    """Initial margin, and the table of maintenance margin by position size."""

    OPENING: ClassVar[tuple[str, ...]] = ("leverage", "brackets", "closing_fee")

    leverage: float = parameter(
        20.0,
        "Leverage of an account that states none; initial margin = notional / leverage",
        unit="1",
        ge=1,
        le=200,
    )
    brackets: Literal["contract", "binance", "bybit", "hyperliquid", "generic"] = parameter(
        "contract",
        "Table of maintenance margin by position size: what each contract names, a venue's own (abm/data), or"
        " generic by the coin's size; a coin that a venue's table lacks has what the contract names",
    )
    closing_fee: bool = parameter(
        False,
        "Maintenance margin includes the taker's fee of closing",
        source="OKX, Gate: MMR + taker fee; Bybit: an estimate of the closing fee (texts of 2025)",
    )


@inlined
def bracket_of(s, b, notional):
    """Number of the bracket (in the table of all) that holds a notional of this contract."""
    first = s.books[b].bracket
    k = first
    last = first + s.books[b].brackets - 1
    while k < last and s.brackets[k + 1].floor <= notional:
        k += 1
    return k


@inlined
def maintenance_of(s, b, notional):
    """Maintenance margin of a position with this notional, rounded up."""
    k = bracket_of(s, b, notional)
    margin = at_rate_up(notional, s.brackets[k].mmr) - s.brackets[k].cum
    return margin if margin > 0 else 0


@inlined
def initial_of(s, b, notional, imr):
    """Initial margin: the row's chosen rate, or the bracket's if that is stricter."""
    k = bracket_of(s, b, notional)
    rate = s.brackets[k].imr
    return at_rate_up(notional, imr if imr > rate else rate)


@inlined
def settlement(s, row):
    """The row's balance in its venue's settlement asset."""
    h = holding(s, row, s.venues[s.rows[row].venue].settle)
    return s.holdings[h].amount if h != NONE else 0


@kernel("UniTuple(i8,2)(i8,i8)")
def equity_and_maintenance_at(address, row):
    """(equity with collateral, maintenance margin) at the marks of now, in settlement units."""
    s = views(address)
    equity = settlement(s, row)
    maintenance = 0
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            bk = s.books[x.book]
            value = at_price(x.qty * bk.unit, bk.mark)
            equity += value
            maintenance += maintenance_of(s, x.book, value if value > 0 else -value)
        p = x.next
    if s.venues[s.rows[row].venue].collaterals != 0:
        equity += collateral_at(address, row, 0)
    return equity, maintenance


@inlined
def equity_and_maintenance(s, row):
    """`equity_and_maintenance_at` from inside a kernel."""
    return equity_and_maintenance_at(s.meta[0].address, row)


@inlined
def worst_exposure(x):
    """Lots at risk if all open orders of the worse side are filled."""
    up = x.qty + x.buys
    down = x.sells - x.qty
    return up if up > down else down


def value_at_liquidation(
    floor: NDArray[np.int64],
    mmr: NDArray[np.int64],
    cum: NDArray[np.int64],
    side: int,
    budget: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Notionals v at which positions of one side meet maintenance margin, all else equal; below zero if never.

    Args:
        floor, mmr, cum: the contract's brackets. side: +1 long, -1 short.
        budget: value that a long must keep beyond its maintenance margin, v - maintenance(v), or that a short can
            bear with it, v + maintenance(v). Both grow with v, so one bracket holds the answer.
    """
    rate, amount = mmr / RATE, cum.astype(np.float64)
    at_floor = floor - side * (floor * rate - amount)
    k = np.maximum(np.searchsorted(at_floor, budget, side="right") - 1, 0)
    value: NDArray[np.float64] = (budget - side * amount[k]) / (1.0 - side * rate[k])
    return value


@kernel("i8(i8,i8)")
def free_margin_at(address, row):
    """Equity less the initial margin of positions with their open orders, less what spot orders lock."""
    s = views(address)
    imr = s.rows[row].imr
    h = holding(s, row, s.venues[s.rows[row].venue].settle)
    free = 0
    if h != NONE:
        free = s.holdings[h].amount - s.holdings[h].locked
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        bk = s.books[x.book]
        if x.qty != 0:
            free += at_price(x.qty * bk.unit, bk.mark)
        exposure = worst_exposure(x)
        if exposure > 0:
            free -= initial_of(s, x.book, at_price(exposure * bk.unit, bk.mark), imr)
        p = x.next
    if s.venues[s.rows[row].venue].collaterals != 0:
        free += collateral_at(address, row, 0)
    return free


@inlined
def free_margin(s, row):
    """`free_margin_at` from inside a kernel."""
    return free_margin_at(s.meta[0].address, row)


@kernel("i8(i8,i8,i8)")
def spendable_at(address, row, asset):
    """What a row may give away of an asset: what no order locks; of the settlement asset no unrealised profit and no
    more than the free margin; of collateral what counts for no more than the free margin."""
    s = views(address)
    h = holding(s, row, asset)
    if h == NONE:
        return 0
    most = s.holdings[h].amount - s.holdings[h].locked
    if s.venues[s.rows[row].venue].settle == asset and s.rows[row].positions != NONE:
        p = s.rows[row].positions
        while p != NONE:
            most += s.positions[p].entry
            p = s.positions[p].next
        free = free_margin(s, row)
        if free < most:
            most = free
    elif s.venues[s.rows[row].venue].collaterals != 0 and s.rows[row].only == NONE:
        c = accepted(s, s.rows[row].venue, asset)
        if c != NONE and (s.rows[row].positions != NONE or settlement(s, row) < 0):
            left = releasable_at(address, c, s.holdings[h].amount, free_margin(s, row))
            if left < most:
                most = left
    return most


@inlined
def spendable(s, row, asset):
    """`spendable_at` from inside a kernel."""
    return spendable_at(s.meta[0].address, row, asset)


@inlined
def unbucket(s, p):
    """Take a position out of the margin index."""
    x = s.positions[p]
    if x.bucket == NONE:
        return
    if x.b_prev != NONE:
        s.positions[x.b_prev].b_next = x.b_next
    else:
        s.buckets[x.bucket] = x.b_next
    if x.b_next != NONE:
        s.positions[x.b_next].b_prev = x.b_prev
    x.bucket = NONE


@inlined
def bucket_place(anchor, price):
    """Bucket of a mark: 4,096 of them cover zero to twice the anchor."""
    k = mul_div(price, BUCKETS, 2 * anchor)
    return k if k < BUCKETS else BUCKETS - 1


@inlined
def put_in_bucket(s, p, k):
    """Enter a position at bucket `k` of its contract and direction."""
    x = s.positions[p]
    long = x.qty > 0
    place = (2 * x.book + (0 if long else 1)) * BUCKETS + k
    x.bucket = place
    x.b_prev = NONE
    x.b_next = s.buckets[place]
    if x.b_next != NONE:
        s.positions[x.b_next].b_prev = p
    s.buckets[place] = p
    bk = s.books[x.book]
    if long:
        if k > bk.high0:
            bk.high0 = k
    elif k < bk.low1:
        bk.low1 = k


@kernel("void(i8,i8)")
def watch_at(address, row):
    """Look at one row: queue it if it is under maintenance, else enter it into the index at its distance.

    A row that stands only while its collateral is above the anchored price leans and is not in the index."""
    s = views(address)
    if s.rows[row].exempt != 0:
        return
    equity = settlement(s, row)
    excess = equity
    slope = 0
    p = s.rows[row].positions
    held = 0
    while p != NONE:
        x = s.positions[p]
        unbucket(s, p)
        if x.qty != 0:
            held += 1
            bk = s.books[x.book]
            value = at_price(x.qty * bk.unit, bk.mark)
            excess += value
            if value > 0:
                excess -= maintenance_of(s, x.book, value)
                slope += value
            else:
                excess -= maintenance_of(s, x.book, -value)
                slope -= value
                slope += at_rate_up(-value, s.brackets[bracket_of(s, x.book, -2 * value)].mmr)
        p = x.next
    s.meta[0].checked += 1
    if s.venues[s.rows[row].venue].collaterals != 0:
        backed = collateral_at(address, row, 0)
        if backed > 0:
            note_debt(s, row)
            stands = excess + backed >= 0
            # what the anchored price makes of it holds until that price is passed
            excess += collateral_at(address, row, 1) if stands else backed
            if stands and excess < 0:
                lean(s, row)
                return
    if held == 0 and excess >= 0:
        return
    if excess < 0:
        if s.rows[row].queued == 0:
            s.rows[row].queued = 1
            s.queue[s.meta[0].queued] = row
            s.meta[0].queued += 1
        return
    excess = max(0, excess - 2 * held)
    slope += held
    distance = RATE
    if excess < slope:
        distance = mul_div(excess, RATE, slope)
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            bk = s.books[x.book]
            if x.qty > 0:
                if distance < RATE:
                    price = bk.mark - at_rate(bk.mark, distance)
                    put_in_bucket(s, p, bucket_place(bk.anchor0, price))
            else:
                price = bk.mark + at_rate(bk.mark, distance)
                put_in_bucket(s, p, bucket_place(bk.anchor1, price))
        p = x.next


@inlined
def watch(s, row):
    """`watch_at` from inside a kernel."""
    return watch_at(s.meta[0].address, row)
