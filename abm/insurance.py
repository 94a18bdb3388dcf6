"""When an insurance fund or a vault takes over a failed position, and when it no longer does.

A venue has one fund, and as many more pools as it names: each insures its own coins, the fund all others. A pool's
equity is its cash and what it has taken over, at mark. Whether it takes over one more position:

- notional_cap: its net notional, with the new position, stays within `cap` times its equity (Binance: 100 %);
- drawdown: its equity with the loss of the new position is not down by `start` or more of its highest of `window`;
  once it was, not before it has come back to less than `stop` (OKX: 30 % of the peak of 8 h);
- symbol_drawdown: the same for each contract by what the pool has lost in it: its profit there less the highest profit
  of `window`, over the pool's highest equity of `window`, and only while the pool has more than `threshold` (Bybit).
  What it holds of the contract beyond `start` of loss is auto-deleveraged at the price at which it was taken over;
- exhausted: until it is used up (Bitget: the coin's own fund);
- vault: as long as its own equity at mark is positive (Hyperliquid's liquidator vault);
- none: never;
- unlimited: always, also what is below zero (a null rule: nobody is ever auto-deleveraged, the fund may owe).

Under all of them, unlimited apart, nothing is taken over that leaves a pool without equity, and a pool that has fallen
below zero is itself auto-deleveraged; what is then missing the venue pays.

The highest of a window is that of 96 bins of it (5 minutes of 8 hours): exact but for the oldest bin, of which what is
left of it has already gone.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from abm.accounts import position
from abm.jit import inlined, kernel
from abm.liquidation import bankruptcy_amount
from abm.margin import equity_and_maintenance
from abm.parameters import Frozen, parameter
from abm.state import NONE, views
from abm.units import at_price, at_rate

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_LIQUIDATION = "Binance liquidation protocols, binance.com/en/support/faq/360033525271"
BYBIT_ALERT = "Bybit docs v5/market/adl-alert, rules of 2025-09-23"


class Pool(Frozen):
    """A fund of its own for some coins, apart from the venue's."""

    OPENING: ClassVar[tuple[str, ...]] = ("coins", "cash")

    coins: tuple[str, ...] = parameter(..., "Coins whose perpetuals it insures, names of `perps`")
    cash: float = parameter(0.0, "Cash at the start", unit="settlement asset", ge=0, le=1e12)


class FundRule(Frozen):
    """Insurance fund or vault: what it has, what it may hold, how fast it sells."""

    OPENING: ClassVar[tuple[str, ...]] = ("cash", "pools")

    cash: float = parameter(1e8, "Cash at the start", unit="settlement asset", ge=0, le=1e12)
    pools: dict[str, Pool] = parameter(
        {}, "Pools apart from the fund, by name; the fund insures the coins that are in none of them"
    )
    cap: float = parameter(
        1.0,
        "notional_cap: net notional of the inventory at most this times the fund's equity",
        unit="share of fund equity",
        source=BINANCE_LIQUIDATION,
        ge=0,
        le=100,
    )
    rule: Literal[
        "notional_cap", "drawdown", "vault", "none", "unlimited", "symbol_drawdown", "exhausted"
    ] = parameter(
        "notional_cap",
        "When the fund stops taking over and ADL begins; vault = the vault takes all it can margin; unlimited ="
        " never, the fund may owe (null run)",
        source=BINANCE_LIQUIDATION,
    )
    start: float = parameter(
        0.30,
        "drawdown, symbol_drawdown: no more take-over from this loss of the highest of the window on",
        unit="share of fund equity",
        source=f"{BYBIT_ALERT}; OKX, the same 30 % of the peak of 8 h",
        gt=0,
        le=1,
    )
    stop: float = parameter(
        0.25,
        "drawdown, symbol_drawdown: take-over again when the loss is back to less than this",
        unit="share of fund equity",
        source=BYBIT_ALERT,
        ge=0,
        le=1,
    )
    window: float = parameter(
        8.0,
        "drawdown, symbol_drawdown: time over which the highest is taken",
        unit="hours",
        source=BYBIT_ALERT,
        gt=0,
        le=8784,
    )
    threshold: float = parameter(
        10_000.0,
        "symbol_drawdown: only while the pool has more than this",
        unit="settlement asset",
        source=f"{BYBIT_ALERT}, adlTriggerThreshold of its examples",
        ge=0,
        le=1e12,
    )
    disposal: float = parameter(
        0.002, "Share of the inventory that the exchange sells", unit="per second", ge=0, le=1
    )

    @model_validator(mode="after")
    def _stops_below_its_start(self) -> FundRule:
        if self.stop > self.start:
            raise ValueError(f"stop is {self.stop:g}, expected at most start, {self.start:g}")
        return self


FUND_RULES = (
    "notional_cap", "drawdown", "vault", "none", "unlimited", "symbol_drawdown", "exhausted",
)  # by code  # fmt: skip
NOTIONAL_CAP, DRAWDOWN, VAULT, NO_FUND, UNLIMITED, SYMBOL_DRAWDOWN, EXHAUSTED = range(len(FUND_RULES))
BINS = 96
STRIDE = BINS + 2  # of `peaks`: the number of the last bin, the highest of all, the bins
NEVER = -(1 << 62)


@kernel("i8(i8,i8,i8,i8)")
def highest(address, slot, width, value):
    """Enter a value into a sliding maximum of 96 bins of `width` ms. Returns the highest of them."""
    s = views(address)
    at = slot * STRIDE
    k = s.meta[0].now // width
    last = s.peaks[at]
    fresh = k != last
    if fresh:
        first = last + 1 if last <= k < last + BINS else k - BINS + 1
        for i in range(first, k + 1):
            s.peaks[at + 2 + i % BINS] = NEVER
        s.peaks[at] = k
    place = at + 2 + k % BINS
    s.peaks[place] = max(s.peaks[place], value)
    peak = max(s.peaks[at + 1], value)
    if fresh:
        peak = value
        for i in range(BINS):
            peak = max(peak, s.peaks[at + 2 + i])
    s.peaks[at + 1] = peak
    return peak


@inlined
def peak_of(s, slot):
    """The highest value entered of late, `NEVER` if none was."""
    return s.peaks[slot * STRIDE + 1]


@kernel("i8(i8,i8)")
def profit_in(address, b):
    """What the pool that insures a contract has made of it since the beginning, at mark, fees and funding apart."""
    s = views(address)
    p = position(s, s.books[b].fund, b)
    if p == NONE:
        return 0
    return at_price(s.positions[p].qty * s.books[b].unit, s.books[b].mark) - s.positions[p].paid


@inlined
def net_notional(s, fund, row):
    """Sum over contracts of the absolute value of a pool's inventory after taking over what it insures of a row."""
    total = 0
    p = s.rows[fund].positions
    while p != NONE:
        x = s.positions[p]
        lots = x.qty
        q = s.rows[row].positions
        while q != NONE:
            if s.positions[q].book == x.book and s.books[x.book].fund == fund:
                lots += s.positions[q].qty
            q = s.positions[q].next
        value = at_price(lots * s.books[x.book].unit, s.books[x.book].mark)
        total += value if value > 0 else -value
        p = x.next
    q = s.rows[row].positions
    while q != NONE:
        y = s.positions[q]
        found = s.books[y.book].fund != fund
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


@inlined
def equity_share(s, fund, row):
    """The part of a row's equity that goes with the positions that a pool insures, by their bankruptcy amounts."""
    equity, _ = equity_and_maintenance(s, row)
    mine, others = 0, 0
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            if s.books[x.book].fund == fund:
                mine += at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark) - bankruptcy_amount(
                    s, row, p
                )
            else:
                others += 1
        p = x.next
    return mine if others > 0 else equity


@kernel("b1(i8,i8,i8,i8)")
def pool_accepts(address, venue, fund, row):
    """Whether one pool takes over what it insures of a row now."""
    s = views(address)
    v = s.venues[venue]
    if v.fund_rule == NO_FUND:
        return False
    if v.fund_rule == UNLIMITED:
        return True
    equity, _ = equity_and_maintenance(s, fund)
    loss = equity_share(s, fund, row)
    after = equity + (loss if loss < 0 else 0)
    if after <= 0:
        return False
    if v.fund_rule == NOTIONAL_CAP:
        return net_notional(s, fund, row) <= at_rate(after, v.fund_limit)
    if v.fund_rule == DRAWDOWN:
        k = 0
        while s.pools[k].row != fund:
            k += 1
        peak = max(peak_of(s, s.meta[0].books + k), equity)
        return s.pools[k].closed == 0 and peak - after < at_rate(peak, v.fund_start)
    return True


@kernel("b1(i8,i8,i8,i8)")
def accepts_position(address, venue, row, p):
    """Whether the pool that insures a position takes it over now, with all else that it insures of the row."""
    s = views(address)
    bk = s.books[s.positions[p].book]
    if s.venues[venue].fund_rule == SYMBOL_DRAWDOWN and bk.closed != 0:
        return False
    return pool_accepts(address, venue, bk.fund, row)


@kernel("b1(i8,i8,i8)")
def accepts_at(address, venue, row):
    """Whether the venue's fund, or one of its pools, takes over what it insures of a row now."""
    s = views(address)
    if s.venues[venue].parted == 0:
        return pool_accepts(address, venue, s.venues[venue].fund, row)
    p = s.rows[row].positions
    while p != NONE:
        if s.positions[p].qty != 0 and accepts_position(address, venue, row, p):
            return True
        p = s.positions[p].next
    return False


@inlined
def accepts(s, venue, row):
    """`accepts_at` from inside a kernel."""
    return accepts_at(s.meta[0].address, venue, row)


def symbol_trigger(
    profit: float,
    highest_profit: float,
    highest_balance: float,
    balance: float,
    active: bool = False,
    start: float = 0.30,
    stop: float = 0.25,
    threshold: float = 10_000.0,
) -> tuple[bool, float, float]:
    """Bybit's rule of one symbol in plain numbers: (whether ADL is on now, pnlRatio, loss that ADL covers).

    Args:
        profit: of the symbol now. highest_profit, highest_balance: of the symbol and of its pool, of the last 8 h.
        balance: of the pool now. active: whether ADL was on before.
    """
    lost = highest_profit - profit
    ratio = -lost / highest_balance if highest_balance > 0 else 0.0
    if balance <= 0:
        return True, ratio, lost
    on = ratio <= -stop if active else balance > threshold and ratio <= -start
    return on, ratio, max(0.0, lost - start * highest_balance) if on else 0.0
