"""What a liquidation engine decides: how much to close, and the amount at which an account ends at zero.

Rules only; `waterfall` sends the orders. Sources: Binance liquidation protocols (one IOC order that reduces, the rest
at the bankruptcy price), Hyperliquid docs trading/liquidations (20 % slices of positions above 100,000 USDC, 30 s in
which further orders are for the full size, backstop below 2/3 of maintenance).
"""

from __future__ import annotations

from typing import Literal

from abm.jit import inlined, kernel
from abm.margin import bracket_of, equity_and_maintenance, maintenance_of
from abm.parameters import Frozen, parameter
from abm.state import NONE, views
from abm.units import at_price, at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_LIQUIDATION = "Binance liquidation protocols, binance.com/en/support/faq/360033525271"
HYPERLIQUID_LIQUIDATION = "Hyperliquid docs, trading/liquidations"


class LiquidationRule(Frozen):
    """What a venue does with an account under maintenance margin."""

    style: Literal["bankruptcy", "market"] = parameter(
        "bankruptcy",
        "bankruptcy = one IOC order at the bankruptcy price, the rest is taken over; market = orders into"
        " the book, then a backstop vault",
        source=f"{BINANCE_LIQUIDATION}; {HYPERLIQUID_LIQUIDATION}",
    )
    partial: bool = parameter(
        True, "Reduce by brackets where the position is above the lowest one", source=BINANCE_LIQUIDATION
    )
    fee: float = parameter(
        0.005,
        "Liquidation fee to the fund, never more than what is left",
        unit="share of liquidated notional",
        source=f"0.3-0.75 % in {BINANCE_LIQUIDATION}",
        ge=0,
        le=0.05,
    )
    slice: float = parameter(
        0.2,
        "Share of a large position in the first order (style market)",
        unit="share of the position",
        source=HYPERLIQUID_LIQUIDATION,
        gt=0,
        le=1,
    )
    slice_above: float = parameter(
        100_000.0,
        "Position value above which it is sliced (style market)",
        unit="USD",
        source=HYPERLIQUID_LIQUIDATION,
        ge=0,
    )
    cooldown: float = parameter(
        30.0,
        "Time after a slice in which orders are for the full size (style market)",
        unit="seconds",
        source=HYPERLIQUID_LIQUIDATION,
        ge=0,
        le=3600,
    )
    backstop: float = parameter(
        0.6667,
        "Equity below this share of maintenance margin goes to the backstop vault (style market)",
        unit="share of maintenance margin",
        source=HYPERLIQUID_LIQUIDATION,
        ge=0,
        le=1,
    )


STYLES = ("bankruptcy", "market")  # by code
BANKRUPTCY, INTO_BOOK = range(len(STYLES))


@inlined
def gross_notional(s, row):
    """Sum of the absolute position values of a row at mark."""
    total = 0
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            value = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
            total += value if value > 0 else -value
        p = x.next
    return total


@kernel("i8(i8,i8)")
def largest_position_at(address, row):
    """The row's position with the largest value at mark, or -1 if it is flat."""
    s = views(address)
    best = NONE
    most = -1
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            value = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
            size = value if value > 0 else -value
            if size > most:
                most = size
                best = p
        p = x.next
    return best


@inlined
def largest_position(s, row):
    """`largest_position_at` from inside a kernel."""
    return largest_position_at(s.meta[0].address, row)


@kernel("i8(i8,i8,i8)")
def bankruptcy_amount_at(address, row, p):
    """Quote units (signed like the position) at which closing position `p` costs its share of the row's equity.

    The row's equity is shared among its positions by their value at mark, so that closing all of them at these
    amounts leaves exactly zero (for one position: minus the balance).
    """
    s = views(address)
    x = s.positions[p]
    value = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
    size = value if value > 0 else -value
    gross = gross_notional(s, row)
    equity, _ = equity_and_maintenance(s, row)
    if gross == 0:
        return value
    return value - mul_div(equity, size, gross)


@inlined
def bankruptcy_amount(s, row, p):
    """`bankruptcy_amount_at` from inside a kernel."""
    return bankruptcy_amount_at(s.meta[0].address, row, p)


@inlined
def bankruptcy_ticks(s, row, p):
    """The bankruptcy price as a limit price: rounded so that the account is not left below zero, at least 1."""
    x = s.positions[p]
    amount = bankruptcy_amount(s, row, p)
    per_tick = x.qty * s.books[x.book].unit
    ticks = -(-amount // per_tick)  # up for a long that sells
    if x.qty < 0:
        ticks = amount // per_tick
    return ticks if ticks > 1 else 1


@kernel("i8(i8,i8,i8)")
def partial_lots_at(address, row, p):
    """Lots to close so that the position fits the largest lower bracket that its equity can carry, all if none.

    The equity that counts for the position is the row's less the maintenance of its other positions.
    """
    s = views(address)
    x = s.positions[p]
    bk = s.books[x.book]
    held = x.qty if x.qty > 0 else -x.qty
    value = at_price(held * bk.unit, bk.mark)
    k = bracket_of(s, x.book, value)
    equity, maintenance = equity_and_maintenance(s, row)
    own = equity - (maintenance - maintenance_of(s, x.book, value))
    k -= 1
    while k >= bk.bracket:
        cap = s.brackets[k + 1].floor
        if own >= maintenance_of(s, x.book, cap):
            keep = mul_div(held, cap, value)
            return held - keep if keep > 0 else held
        k -= 1
    return held


@inlined
def partial_lots(s, row, p):
    """`partial_lots_at` from inside a kernel."""
    return partial_lots_at(s.meta[0].address, row, p)


@inlined
def slice_lots(s, venue, row, p):
    """Lots of the next order into the book for style "market"."""
    v = s.venues[venue]
    x = s.positions[p]
    bk = s.books[x.book]
    held = x.qty if x.qty > 0 else -x.qty
    value = at_price(held * bk.unit, bk.mark)
    if value <= v.slice_above or s.meta[0].now < s.rows[row].cooldown:
        return held
    part = at_rate(held, v.slice)
    return part if part > 0 else held


@inlined
def below_backstop(s, venue, equity, maintenance):
    """Whether a row belongs to the backstop: equity below the venue's share of maintenance margin."""
    return equity < at_rate(maintenance, s.venues[venue].backstop)
