"""When an insurance fund or a vault takes over a failed position, and when it no longer does.

- notional_cap: its net notional, with the new position, stays within `cap` times its equity (Binance: 100 %);
- drawdown: its equity is not down by `cap` or more from its peak (Bybit and OKX: 30 %; Bybit's is
  the peak of 8 h, here it is the peak since the start);
- vault: as long as its own equity at mark is positive (Hyperliquid's liquidator vault);
- none: never;
- unlimited: always, also what is below zero (a null rule: nobody is ever auto-deleveraged, the fund may owe).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from abm.jit import inlined, kernel
from abm.margin import equity_and_maintenance
from abm.parameters import Frozen, parameter
from abm.state import NONE, views
from abm.units import at_price, at_rate

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_LIQUIDATION = "Binance liquidation protocols, binance.com/en/support/faq/360033525271"


class FundRule(Frozen):
    """Insurance fund or vault: what it has, what it may hold, how fast it sells."""

    OPENING: ClassVar[tuple[str, ...]] = ("cash",)

    cash: float = parameter(1e8, "Cash at the start", unit="settlement asset", ge=0, le=1e12)
    cap: float = parameter(
        1.0,
        "notional_cap: net notional of the inventory at most this times fund equity; drawdown: no more"
        " take-over after this loss of the peak since the start",
        unit="share of fund equity",
        source=f"1.0 in {BINANCE_LIQUIDATION}; 0.3 Bybit docs v5/market/adl-alert",
        ge=0,
        le=100,
    )
    rule: Literal["notional_cap", "drawdown", "vault", "none", "unlimited"] = parameter(
        "notional_cap",
        "When the fund stops taking over and ADL begins; vault = the vault takes all it can margin; unlimited ="
        " never, the fund may owe (null run)",
        source=BINANCE_LIQUIDATION,
    )
    disposal: float = parameter(
        0.002, "Share of the inventory that the exchange sells", unit="per second", ge=0, le=1
    )


FUND_RULES = ("notional_cap", "drawdown", "vault", "none", "unlimited")  # by code
NOTIONAL_CAP, DRAWDOWN, VAULT, NO_FUND, UNLIMITED = range(len(FUND_RULES))


@inlined
def net_notional(s, fund, row):
    """Sum over contracts of the absolute value of the fund's inventory after taking over a row's positions."""
    total = 0
    p = s.rows[fund].positions
    while p != NONE:
        x = s.positions[p]
        lots = x.qty
        q = s.rows[row].positions
        while q != NONE:
            if s.positions[q].book == x.book:
                lots += s.positions[q].qty
            q = s.positions[q].next
        value = at_price(lots * s.books[x.book].unit, s.books[x.book].mark)
        total += value if value > 0 else -value
        p = x.next
    q = s.rows[row].positions
    while q != NONE:
        y = s.positions[q]
        found = False
        p = s.rows[fund].positions
        while p != NONE:
            if s.positions[p].book == y.book:
                found = True
            p = s.positions[p].next
        if not found:
            value = at_price(y.qty * s.books[y.book].unit, s.books[y.book].mark)
            total += value if value > 0 else -value
        q = y.next
    return total


@kernel("b1(i8,i8,i8)")
def accepts_at(address, venue, row):
    """Whether the venue's fund takes over all positions of a row now."""
    s = views(address)
    v = s.venues[venue]
    if v.fund_rule == NO_FUND:
        return False
    if v.fund_rule == UNLIMITED:
        return True
    equity, _ = equity_and_maintenance(s, v.fund)
    loss, _ = equity_and_maintenance(s, row)
    after = equity + (loss if loss < 0 else 0)
    if after <= 0:
        return False
    if v.fund_rule == NOTIONAL_CAP:
        return net_notional(s, v.fund, row) <= at_rate(after, v.fund_limit)
    if v.fund_rule == DRAWDOWN:
        return v.fund_peak - after < at_rate(v.fund_peak, v.fund_limit)
    return True


@inlined
def accepts(s, venue, row):
    """`accepts_at` from inside a kernel."""
    return accepts_at(s.meta[0].address, venue, row)
