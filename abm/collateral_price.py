"""Collateral prices, and a look at everybody whom they may have brought down.

A row's distance in the margin index must hold for its collateral too. It is computed at an anchored price, a little
below the present one: while the price stays above its anchor nothing has to be looked at. When it passes below, or has
risen far above, a new anchor is set and all who hold the asset are looked at. Rows that stand only between anchor and
price lean: they are looked at whenever collateral is priced.
"""

from __future__ import annotations

from abm.accounts import look_again
from abm.jit import inlined, kernel
from abm.state import NONE, views
from abm.units import RATE, at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BELOW = RATE // 50  # an anchor is this share below the price (assumption: what it costs, never who is found)
PRICES = ("own_book", "index", "redemption", "index_with_floor")  # by code
OWN_BOOK, INDEX, REDEMPTION, INDEX_WITH_FLOOR = range(len(PRICES))


@inlined
def whole_price(s, c, b, price):
    """A book's price (fixed-point ticks) as settlement units of one whole of its coin, fixed point."""
    bk = s.books[b]
    return mul_div(price, bk.unit * s.collateral[c].whole, bk.lot_base)


@kernel("i8(i8,i8)")
def price_by_rule(address, c):
    """Collateral price by the venue's rule from the marks and indices of now: settlement units of one, fixed point."""
    s = views(address)
    k = s.collateral[c]
    index = whole_price(s, c, k.source, s.books[k.source].index) if k.source != NONE else k.price
    if k.rule == REDEMPTION and k.redemption > 0:
        if k.paid_in == NONE:
            return k.redemption
        bk = s.books[k.paid_in]
        return mul_div(mul_div(bk.index, bk.unit * k.paid_whole, bk.lot_base), k.redemption, RATE)
    if k.rule == OWN_BOOK and k.book != NONE:
        return whole_price(s, c, k.book, s.books[k.book].mark)
    if k.rule == INDEX_WITH_FLOOR and index < k.floor:
        return k.floor
    return index


@kernel("void(i8)")
def price_collateral(address):
    """New collateral prices of all venues, and a look at every row whose collateral they may have brought down."""
    s = views(address)
    for c in range(s.meta[0].collaterals):
        k = s.collateral[c]
        price = price_by_rule(address, c)
        k.price = price
        if price < k.anchor or at_rate(price, RATE - 2 * BELOW) > k.anchor:
            k.anchor = at_rate(price, RATE - BELOW)
            for h in range(s.meta[0].holdings):
                x = s.holdings[h]
                if x.asset == k.asset and x.amount > 0 and s.rows[x.row].venue == k.venue:
                    look_again(s, x.row)
    n = s.meta[0].leaning
    s.meta[0].leaning = 0
    for i in range(n):
        s.rows[s.leaning[i]].leaning = 0
        look_again(s, s.leaning[i])
