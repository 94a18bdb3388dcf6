"""One exchange as data: assets, contracts, clock and the rules of a venue.

These are the frozen models behind the scenario tables ``[clock]``, ``[assets.NAME]``, ``[contracts.COIN]``,
``[venues.NAME]`` and ``[[news]]``.  A new venue is a table, not code.  The rules themselves are functions in
``orders``, ``margin``, ``liquidation``, ``insurance``, ``adl``, ``funding``, ``index``, ``mark`` and ``halts``; here
they are only named.

All numbers are as a trader would write them (dollars, coins, seconds, shares); the model turns them into
integer units, ticks, lots and milliseconds when it is built.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime, field_validator

from abm.adl import AdlRule
from abm.calendar import NewsDelay
from abm.collateral import CollateralRule
from abm.funding import FundingRule
from abm.halts import HaltRule
from abm.index import IndexRule
from abm.insurance import FundRule
from abm.liquidation import LiquidationRule
from abm.margin import MarginRule
from abm.mark import MarkRule
from abm.orders import Fees, OrderRules
from abm.parameters import Frozen, parameter


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
        "Open interest of all venues at the start, one side; each venue has its share of it. Of a coin without a"
        " perpetual: what desks make its market for",
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


class Gateway(Frozen):
    """The queue before the matching engine."""

    rate: float = parameter(20_000.0, "Messages served", unit="messages per second", gt=0)
    capacity: int = parameter(
        100_000, "Queue length at which a message is refused", unit="messages", ge=1, le=50_000_000
    )
    latency_ms: int = parameter(
        5, "Shortest time from sending to acceptance", unit="milliseconds", ge=0, le=60_000
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
    collateral: CollateralRule = parameter(CollateralRule(), "Collateral beside the settlement asset")
    liquidation: LiquidationRule = parameter(LiquidationRule(), "Liquidation")
    fund: FundRule = parameter(FundRule(), "Insurance fund or vault")
    adl: AdlRule = parameter(AdlRule(), "Auto-deleveraging")
    funding: FundingRule = parameter(FundingRule(), "Funding")
    halt: HaltRule = parameter(HaltRule(), "Trading halts and call auctions")


class News(Frozen):
    """One exogenous piece of news: a permanent log change of the fundamental, times each coin's beta."""

    time: AwareDatetime = parameter(
        ..., "When it is out; people learn it after their own delay", unit="UTC time"
    )
    size: float = parameter(..., "Log change of the fundamental for beta 1", unit="log change", ge=-3, le=3)
    delay: NewsDelay = parameter(NewsDelay(), "How long it takes to reach people")

    _time_is_utc = field_validator("time")(_utc)
