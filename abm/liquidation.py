"""What a liquidation engine decides: how much to close, and the amount at which an account ends at zero.

Rules only; `waterfall` walks a venue's list of stages and sends the orders. A venue's rule book is that list and a few
numbers: Binance's one IOC order that reduces and the rest at the bankruptcy price, Hyperliquid's 20 % slices of
positions above 100,000 USDC with 30 s in which further orders are for the full size and a backstop below 2/3 of
maintenance, Deribit's many small market orders, dYdX's orders at the fillable price.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import field_validator

from abm.jit import inlined, kernel
from abm.margin import bracket_of, equity_and_maintenance, maintenance_of
from abm.parameters import Frozen, parameter
from abm.state import NONE, views
from abm.units import RATE, at_price, at_rate, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE = "Binance liquidation protocols, binance.com/en/support/faq/360033525271"
BYBIT = "Bybit help, liquidation process, bybit.com/en-US/help-center/bybitHC_Article?id=000001381"
OKX = "OKX help, forced liquidation by tiers, ouchyi.rocks (a copy of its page)"
HYPERLIQUID = "Hyperliquid docs, trading/liquidations"
DERIBIT = "Deribit docs, auto-liquidation (old text): 200 contracts of 10 dollars, 20 times a second"
DYDX = "dydxprotocol/v4-chain, x/clob/keeper/liquidations.go and testing/genesis.sh"

Stage = Literal[
    "cancel_orders",
    "convert_collateral",
    "reduce_tiers",
    "bankruptcy_order",
    "market_slices",
    "market_rounds",
    "fillable_order",
    "backstop",
    "take_over",
    "adl",
]
STAGES = ("none", *get_args(Stage))  # by code; 0 ends a list
CANCEL_ORDERS, CONVERT_COLLATERAL, REDUCE_TIERS, BANKRUPTCY_ORDER, MARKET_SLICES, MARKET_ROUNDS = range(1, 7)
FILLABLE_ORDER, BACKSTOP, TAKE_OVER, ADL = range(7, 11)
STAGE_BITS = 4


def packed(stages: tuple[str, ...]) -> int:
    """A list of stages as one integer, four bits each, the first lowest."""
    return sum(STAGES.index(stage) << (STAGE_BITS * i) for i, stage in enumerate(stages))


class LiquidationRule(Frozen):
    """What a venue does with an account under maintenance margin: stages in order, and their numbers."""

    stages: tuple[Stage, ...] = parameter(
        ("cancel_orders", "convert_collateral", "reduce_tiers", "bankruptcy_order", "take_over", "adl"),
        "What is done, in this order, until the account is healthy or flat. cancel_orders; convert_collateral = sell"
        " collateral for the settlement asset; reduce_tiers = orders at the bankruptcy price down to a lower bracket;"
        " bankruptcy_order = one for each position that is left; market_slices = orders into the book, a slice of a"
        " large position; market_rounds = small market orders, so many a second; fillable_order = immediate order at a"
        " price between oracle and bankruptcy; backstop = the vault takes what is below its share of maintenance;"
        " take_over = the fund takes it; adl = what is refused or below zero is closed against winners",
        source=f"{BINANCE}; {BYBIT}; {HYPERLIQUID}; {DERIBIT}; {DYDX}",
    )
    order: Literal["ioc", "fok"] = parameter(
        "ioc",
        "Kind of the orders of reduce_tiers and bankruptcy_order: fill what there is, or all or nothing",
        source=f"{BINANCE}: one IOC order; {BYBIT}: fill or kill",
    )
    tiers: int = parameter(
        0,
        "Brackets that one order of reduce_tiers goes down; 0 = at once to the largest lower one that the margin"
        " carries",
        unit="brackets",
        source=f"2 in {OKX} and Bitget's help; 0 in {BYBIT}",
        ge=0,
        le=20,
    )
    whole_up_to: int = parameter(
        1,
        "Positions in a bracket up to this number are not reduced but closed whole",
        unit="bracket",
        source=f"2 in {OKX}",
        ge=0,
        le=20,
    )
    fee: float = parameter(
        0.005,
        "Liquidation fee to the fund, never more than what is left",
        unit="share of liquidated notional",
        source=f"0.3-0.75 % in {BINANCE}",
        ge=0,
        le=0.05,
    )
    surplus: Literal["account", "fund"] = parameter(
        "account",
        "Who gets what an order at the bankruptcy price brings above it",
        source=f"fund in {BYBIT}",
    )
    shared_by: Literal["value", "maintenance"] = parameter(
        "value",
        "What an account's equity is shared by among its positions, for their bankruptcy prices",
        source=f"maintenance in {DYDX}; value where nothing is published",
    )
    slice: float = parameter(
        0.2,
        "Share of a large position in the first order of market_slices",
        unit="share of the position",
        source=HYPERLIQUID,
        gt=0,
        le=1,
    )
    slice_above: float = parameter(
        100_000.0, "Position value above which it is sliced", unit="USD", source=HYPERLIQUID, ge=0
    )
    cooldown: float = parameter(
        30.0,
        "Time after a slice in which orders are for the full size",
        unit="seconds",
        source=HYPERLIQUID,
        ge=0,
        le=3600,
    )
    round_value: float = parameter(
        2000.0, "Size of one order of market_rounds", unit="USD", source=DERIBIT, gt=0
    )
    rounds: int = parameter(20, "Orders of market_rounds", unit="per second", source=DERIBIT, gt=0, le=1000)
    portion: float = parameter(
        0.1,
        "Largest part of a position in one fillable_order",
        unit="share of the position a second",
        source=DYDX,
        gt=0,
        le=1,
    )
    portion_least: float = parameter(
        1000.0,
        "A fillable_order may be of this value however small its portion",
        unit="USD",
        source=DYDX,
        ge=0,
    )
    portion_most: float = parameter(
        100_000.0,
        "Most that all fillable_orders of an account are worth",
        unit="USD a second",
        source=f"{DYDX}: a subaccount and block, blocks of about a second",
        gt=0,
    )
    spread: float = parameter(
        1.5,
        "Widest distance of a fillable_order from the mark, reached at zero equity",
        unit="maintenance margin rates",
        source=DYDX,
        ge=0,
        le=10,
    )
    backstop: float = parameter(
        0.6667,
        "Equity below this share of maintenance margin goes to the backstop vault",
        unit="share of maintenance margin",
        source=HYPERLIQUID,
        ge=0,
        le=1,
    )
    publishes: Literal["all", "latest_per_second", "both_sides", "none"] = parameter(
        "all",
        "What the venue tells the public of its liquidations: every one, the latest a contract and second, every one"
        " twice (both sides of the trade), nothing",
        source="Binance API, liquidation order streams: the latest of 1000 ms; Bybit: all since 2025-02",
    )

    @field_validator("stages")
    @classmethod
    def _each_once(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        if not stages or len(set(stages)) < len(stages):
            raise ValueError("expected at least one stage, each once")
        for last in ("take_over", "adl"):
            if last in stages and set(stages[stages.index(last) + 1 :]) - {"adl"}:
                raise ValueError("expected nothing but adl after take_over, nothing after adl")
        return stages


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

    The row's equity is shared among its positions by their value at mark, or by their maintenance margins where the
    venue says so, so that closing all of them at these amounts leaves exactly zero (for one position: minus the
    balance).
    """
    s = views(address)
    x = s.positions[p]
    value = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
    size = value if value > 0 else -value
    equity, maintenance = equity_and_maintenance(s, row)
    if s.venues[s.rows[row].venue].by_maintenance != 0 and maintenance > 0:
        return value - mul_div(equity, maintenance_of(s, x.book, size), maintenance)
    gross = gross_notional(s, row)
    return value - mul_div(equity, size, gross) if gross > 0 else value


@inlined
def bankruptcy_amount(s, row, p):
    """`bankruptcy_amount_at` from inside a kernel."""
    return bankruptcy_amount_at(s.meta[0].address, row, p)


@inlined
def bankruptcy_ticks(s, row, p):
    """The bankruptcy price as a limit price: what is left after the taker's fee is not below zero; at least 1."""
    x = s.positions[p]
    bk = s.books[x.book]
    amount = bankruptcy_amount(s, row, p)
    fee = bk.taker_fee
    per_tick = x.qty * bk.unit
    if x.qty > 0:
        ticks = -(-(mul_div(amount, RATE, RATE - fee) + (1 if fee != 0 else 0)) // per_tick)
    else:
        ticks = mul_div(-amount, RATE, RATE + fee) // -per_tick
    return ticks if ticks > 1 else 1


@kernel("i8(i8,i8,i8)")
def tier_lots_at(address, row, p):
    """Lots to close so that the position fits a lower bracket, 0 if no order of `reduce_tiers` is for it.

    With `tiers` 0 the bracket is the largest lower one that its equity can carry: the row's less the maintenance of its
    other positions. Else it is so many brackets down.
    """
    s = views(address)
    x = s.positions[p]
    bk = s.books[x.book]
    v = s.venues[s.rows[row].venue]
    held = x.qty if x.qty > 0 else -x.qty
    value = at_price(held * bk.unit, bk.mark)
    first = wide(bk.bracket)
    k = bracket_of(s, x.book, value)
    if k - first < v.whole_up_to:
        return 0
    if v.tiers > 0:
        k -= v.tiers
        if k < first:
            k = first
    else:
        equity, maintenance = equity_and_maintenance(s, row)
        own = equity - (maintenance - maintenance_of(s, x.book, value))
        k -= 1
        while k >= first and own < maintenance_of(s, x.book, s.brackets[k + 1].floor):
            k -= 1
        if k < first:
            return 0
    keep = mul_div(held, s.brackets[k + 1].floor, value)
    return held - keep if keep > 0 else held


@inlined
def tier_lots(s, row, p):
    """`tier_lots_at` from inside a kernel."""
    return tier_lots_at(s.meta[0].address, row, p)


@inlined
def slice_lots(s, venue, row, p):
    """Lots of the next order of `market_slices`."""
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
def worth_lots(s, p, money):
    """Lots of a position that are worth so much at mark, at least one, at most all."""
    x = s.positions[p]
    bk = s.books[x.book]
    held = x.qty if x.qty > 0 else -x.qty
    value = at_price(held * bk.unit, bk.mark)
    if money >= value:
        return held
    lots = mul_div(held, money, value)
    return lots if lots > 0 else 1


@inlined
def portion_lots(s, venue, p):
    """Lots of one `fillable_order`: the venue's portion of the position for this step, or its least value."""
    v = s.venues[venue]
    x = s.positions[p]
    held = x.qty if x.qty > 0 else -x.qty
    part = mul_div(at_rate(held, v.portion), s.meta[0].step_ms, 1000)
    least = worth_lots(s, p, v.portion_least)
    lots = part if part > least else least
    most = worth_lots(s, p, max(mul_div(v.portion_most, s.meta[0].step_ms, 1000), 1))
    return min(lots, most, held)


@inlined
def fillable_ticks(s, venue, row, p, equity, maintenance):
    """Limit of a `fillable_order`: the mark, moved against the account by its bankruptcy rating (0 at maintenance, 1 at
    zero equity) times the spread times the maintenance margin rate of its position."""
    x = s.positions[p]
    bk = s.books[x.book]
    rating = RATE - mul_div(equity, RATE, maintenance) if maintenance > 0 else RATE
    rating = min(max(rating, 0), RATE)
    value = at_price(x.qty * bk.unit, bk.mark)
    size = value if value > 0 else -value
    margin = maintenance_of(s, x.book, size)
    away = at_rate(at_rate(mul_div(bk.mark, margin, size if size > 0 else 1), rating), s.venues[venue].spread)
    if x.qty > 0:
        ticks = -(-(bk.mark - away) // 1024)
    else:
        ticks = (bk.mark + away) // 1024
    return ticks if ticks > 1 else 1


@inlined
def below_backstop(s, venue, equity, maintenance):
    """Whether a row belongs to the backstop: equity below the venue's share of maintenance margin."""
    return equity < at_rate(maintenance, s.venues[venue].backstop)
