"""One exchange as data: assets, contracts, clock and the rules of a venue.

These are the frozen models behind the scenario tables ``[clock]``, ``[assets.NAME]``, ``[contracts.COIN]``,
``[venues.NAME]`` and ``[[news]]``.  A new venue is a table, not code.  The rules themselves are functions in
``margin``, ``liquidation``, ``insurance``, ``adl``, ``funding`` and ``oracle``; here they are only named.

All numbers are as a trader would write them (dollars, coins, seconds, shares); the model turns them into
integer units, ticks, lots and milliseconds when it is built.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime, field_validator

from abm.calendar import NewsDelay
from abm.parameters import Frozen, parameter

# where the rule defaults come from: short names of public pages
BINANCE_LIQUIDATION = "Binance liquidation protocols, binance.com/en/support/faq/360033525271"
BINANCE_ADL = "Binance, What is auto-deleveraging, binance.com/en/support/faq/360033525471"
BINANCE_MARK = "Binance mark price, basis over 30 s since 2025-09-18, binance.com/en/support/faq/360033525071"
BINANCE_FUNDING = "Binance funding rates, binance.com/en/support/faq/360033525031"
HYPERLIQUID_LIQUIDATION = "Hyperliquid docs, trading/liquidations"
BINANCE_FEES = "Binance USD-M fee schedule, regular user"


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


class Clock(Frozen):
    """The run's time: an integer of milliseconds since ``start``; the burn-in runs at negative times."""

    start: AwareDatetime = parameter(..., "UTC time at which the run counts from zero", unit="UTC time")
    duration: float = parameter(
        600.0, "Length of the run after the burn-in", unit="seconds", gt=0, le=366 * 86400
    )
    step: float = parameter(
        1.0, "Length of one step; a cascade must not depend on it", unit="seconds", ge=0.001, le=60
    )
    burn_in: float = parameter(
        120.0,
        "Time before the start in which books and marks come to rest; nothing is counted, no news",
        unit="seconds",
        ge=0,
        le=86400,
    )

    _start_is_utc = field_validator("start")(_utc)

    @property
    def step_ms(self) -> int:
        """Step length in milliseconds."""
        return round(self.step * 1000)

    @property
    def burn_in_steps(self) -> int:
        """Steps before time zero."""
        return round(self.burn_in * 1000) // self.step_ms

    @property
    def steps(self) -> int:
        """Steps of the whole run, burn-in included."""
        return self.burn_in_steps + round(self.duration * 1000) // self.step_ms

    def seconds(self, time: datetime) -> float:
        """Seconds from ``start`` to ``time`` (negative in the burn-in)."""
        return (time - self.start).total_seconds()


class Asset(Frozen):
    """What is owned: every asset is a ledger of its own with its own integer unit."""

    decimals: int = parameter(
        6,
        "Decimal places of the ledger's unit: 6 for dollar-like assets, 8 for coins",
        unit="decimal places",
        ge=0,
        le=12,
    )
    value: float = parameter(
        1.0, "Dollar value at the start, for display and the initial state", unit="USD", gt=0
    )


class Contract(Frozen):
    """One coin: the terms that all its books share (the perpetuals are linear, one contract is one coin)."""

    price: float = parameter(..., "Opening price in a dollar-like quote", unit="quote per coin", gt=0)
    tick: float = parameter(..., "Smallest price step", unit="quote per coin", gt=0)
    lot: float = parameter(..., "Smallest size step", unit="coins", gt=0)
    beta: float = parameter(
        1.0,
        "Beta to BTC before the event: the fundamental moves by beta times the news",
        unit="1",
        ge=0,
        le=5,
    )
    volatility: float = parameter(
        0.5, "Volatility of the fundamental in calm times", unit="per square root of a year", ge=0, le=10
    )
    brackets: str = parameter(
        "generic", 'Table of maintenance margin by position size: a Binance symbol, or "generic" by class'
    )
    open_interest: float = parameter(
        0.0,
        "Open interest of all venues at the start, one side; each venue has its share of it",
        unit="USD",
        ge=0,
        le=1e13,
    )
    stands_for: float = parameter(
        1.0,
        "Number of real contracts this one stands for: its open interest is theirs together, so the bounds of"
        " its brackets are this many times those of the one it is named after",
        unit="contracts",
        ge=1,
        le=1000,
    )
    class_: Literal["major", "large", "small"] = parameter(
        "major", "Size class of the coin: display, weights and the generic bracket table", alias="class"
    )


class Fees(Frozen):
    """Trading fees; they go to the venue's own fee account."""

    maker: float = parameter(
        0.0002,
        "Fee of the resting side; negative is a rebate",
        unit="share of value",
        source=BINANCE_FEES,
        ge=-0.01,
        le=0.05,
    )
    taker: float = parameter(
        0.0005, "Fee of the side that takes", unit="share of value", source=BINANCE_FEES, ge=0, le=0.05
    )


class OrderRules(Frozen):
    """What a venue accepts as an order."""

    OPENING: ClassVar[tuple[str, ...]] = ("levels",)

    band: float = parameter(
        0.05,
        "A limit order may be at most this far through the mark; 0 = no band",
        unit="share of the mark",
        source="Binance exchangeInfo, PERCENT_PRICE of BTCUSDT",
        ge=0,
        le=1,
    )
    self_trade: Literal["cancel_resting", "cancel_taking", "cancel_both", "off"] = parameter(
        "cancel_resting", "What happens when an owner's order meets another order of the same owner"
    )
    max_orders_per_row: int = parameter(
        200,
        "Resting orders of one account; a further one is refused",
        unit="orders",
        ge=1,
        le=100_000,
    )
    capacity: int = parameter(
        200_000,
        "Resting orders of all the venue's books; at capacity a new order is refused",
        unit="orders",
        ge=100,
        le=50_000_000,
    )
    levels: int = parameter(
        4096,
        "Live price levels a side of a book may have; an order that would open a further one is refused",
        unit="price levels",
        ge=1,
        le=1_000_000,
    )


class Gateway(Frozen):
    """The queue before the matching engine."""

    rate: float = parameter(20_000.0, "Messages served", unit="messages per second", gt=0)
    capacity: int = parameter(
        100_000, "Queue length at which a message is refused", unit="messages", ge=1, le=50_000_000
    )
    latency_ms: int = parameter(
        5, "Shortest time from sending to acceptance", unit="milliseconds", ge=0, le=60_000
    )


class MarkRule(Frozen):
    """Mark price: what margin is computed with."""

    rule: Literal["median", "index_basis", "median_oracle"] = parameter(
        "median",
        "median = median of funding-adjusted index, index plus mean basis, last trade; index_basis = index"
        " plus mean basis; median_oracle = index plus slow basis, own book, perpetuals of the other venues",
        source=BINANCE_MARK,
    )
    window: float = parameter(
        30.0,
        "Averaging window of the basis (30 Binance, 300 Bybit, 150 Hyperliquid)",
        unit="seconds",
        source=BINANCE_MARK,
        ge=1,
        le=3600,
    )
    every: float = parameter(
        1.0,
        "Time between two marks (and samples of the basis); accounts are looked at when there is a new one",
        unit="seconds",
        source="Bybit help, mark price: sampled every second; Hyperliquid 3 s",
        ge=0.001,
        le=60,
    )


class IndexRule(Frozen):
    """Index price: weighted spot prices."""

    OPENING: ClassVar[tuple[str, ...]] = ("weights",)

    weights: dict[str, float] = parameter(
        {},
        "Weight of each spot venue; empty = every venue with the coin's spot book by its spot_share",
        unit="1",
    )


class MarginRule(Frozen):
    """Initial margin; maintenance margin is the contract's bracket table."""

    OPENING: ClassVar[tuple[str, ...]] = ("leverage",)

    leverage: float = parameter(
        20.0,
        "Leverage of an account that states none; initial margin = notional / leverage",
        unit="1",
        ge=1,
        le=200,
    )


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


class AdlRule(Frozen):
    """Auto-deleveraging = score x allocate x price."""

    score: Literal["binance", "bitmex", "okx", "hyperliquid", "profit"] = parameter(
        "binance", "Who comes first", source=BINANCE_ADL
    )
    allocate: Literal["queue", "pro_rata"] = parameter(
        "queue",
        "How the quantity is shared: in order of score, or by size among those in profit",
        source=BINANCE_ADL,
    )
    price: Literal["bankruptcy", "mark", "previous_mark"] = parameter(
        "bankruptcy", "At which price: this decides who bears the gap", source=BINANCE_ADL
    )


class FundingRule(Frozen):
    """Funding rate F = P + clamp(interest - P, -clamp, +clamp), scaled to the interval, within +-cap."""

    interval: float = parameter(
        8.0, "Time between payments", unit="hours", source=BINANCE_FUNDING, gt=0, le=24
    )
    cap: float = parameter(
        0.003,
        "Largest rate of one interval, both ways",
        unit="share of notional",
        source=BINANCE_FUNDING,
        ge=0,
        le=0.2,
    )
    interest: float = parameter(
        0.0001,
        "Interest part for 8 hours",
        unit="share of notional",
        source=BINANCE_FUNDING,
        ge=-0.01,
        le=0.01,
    )
    clamp: float = parameter(
        0.0005,
        "Half width of the clamp round the premium",
        unit="share of notional",
        source=BINANCE_FUNDING,
        ge=0,
        le=0.01,
    )


class VenueRules(Frozen):
    """One venue: what it lists, how big it is, and its rule book."""

    OPENING: ClassVar[tuple[str, ...]] = ("quote", "perps", "spots", "share", "spot_share")

    quote: str = parameter(..., "Settlement and quote asset, a name of [assets]")
    perps: tuple[str, ...] = parameter((), "Coins with a perpetual book here, names of [contracts]")
    spots: tuple[str, ...] = parameter((), "Coins with a spot book here, names of [contracts]")
    share: float = parameter(
        0.0, "Share of derivatives volume: initial positions and flow", unit="share", ge=0, le=1
    )
    spot_share: float = parameter(
        0.0, "Share of spot volume: index weights and flow", unit="share", ge=0, le=1
    )
    fees: Fees = parameter(Fees(), "Trading fees")
    orders: OrderRules = parameter(OrderRules(), "Order rules")
    gateway: Gateway = parameter(Gateway(), "Gateway")
    mark: MarkRule = parameter(MarkRule(), "Mark price")
    index: IndexRule = parameter(IndexRule(), "Index price")
    margin: MarginRule = parameter(MarginRule(), "Margin")
    liquidation: LiquidationRule = parameter(LiquidationRule(), "Liquidation")
    fund: FundRule = parameter(FundRule(), "Insurance fund or vault")
    adl: AdlRule = parameter(AdlRule(), "Auto-deleveraging")
    funding: FundingRule = parameter(FundingRule(), "Funding")


class News(Frozen):
    """One exogenous piece of news: a permanent log change of the fundamental, times each coin's beta."""

    time: AwareDatetime = parameter(
        ..., "When it is out; people learn it after their own delay", unit="UTC time"
    )
    size: float = parameter(..., "Log change of the fundamental for beta 1", unit="log change", ge=-3, le=3)
    delay: NewsDelay = parameter(NewsDelay(), "How long it takes to reach people")

    _time_is_utc = field_validator("time")(_utc)
