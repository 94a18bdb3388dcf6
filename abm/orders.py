"""What a venue accepts as an order, and what it charges: bands, sizes, self-trade kinds, rate limits, fees.

Rules and their formulas; `admission` and `matching` apply them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal

from abm.parameters import Frozen, parameter

BINANCE_FEES = "Binance USD-M fee schedule, regular user"
HYPERLIQUID_LIMITS = "Hyperliquid docs, for-developers/api/rate-limits-and-user-limits"
HYPERLIQUID_SIZES = "Hyperliquid docs, trading/contract-specifications"


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
    market_bound: float | None = parameter(
        None,
        "A market order trades at most this far through the mark; 0 = no bound; left out = as far as `band`",
        unit="share of the mark",
        source="Binance exchangeInfo, marketTakeBound of BTCUSDT: 5 %, as its band",
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
    max_market: float = parameter(
        0.0, "Largest market order, by value at the mark; 0 = no limit", unit="quote asset", ge=0, le=1e12
    )
    max_by_leverage: bool = parameter(
        False,
        "Largest market order by the contract's highest leverage instead: 30, 5, 2, 0.5 million from 25, 20, 10, 1 on",
        source=HYPERLIQUID_SIZES,
    )
    limit_factor: float = parameter(
        10.0,
        "Largest limit order, in largest market orders",
        unit="1",
        source=HYPERLIQUID_SIZES,
        ge=1,
        le=1e6,
    )
    rate_limit: int = parameter(
        0,
        "Messages of one owner in a window of the clock; a further one is refused; 0 = no limit (Binance 300 in 10 s)",
        unit="messages",
        ge=0,
        le=10_000_000,
    )
    rate_window: float = parameter(
        10.0,
        "Length of that window",
        unit="seconds",
        source="Binance exchangeInfo, ORDERS: 300 in 10 s",
        gt=0,
        le=86400,
    )
    cancel_factor: float = parameter(
        2.0,
        "Cancels are accepted up to this many rate limits, with orders counted",
        unit="1",
        source=HYPERLIQUID_LIMITS,
        ge=1,
        le=1000,
    )
    cancel_extra: int = parameter(
        100_000,
        "and to no more than this above the rate limit",
        unit="messages",
        source=HYPERLIQUID_LIMITS,
        ge=0,
        le=10_000_000,
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


def largest_market(leverage: float) -> float:
    """Largest market order of a contract by its highest leverage, in dollars (Hyperliquid)."""
    for least, value in ((25, 30e6), (20, 5e6), (10, 2e6)):
        if leverage >= least:
            return value
    return 0.5e6


def cancel_limit(rate_limit: int, factor: float = 2.0, extra: int = 100_000) -> int:
    """Messages up to which cancels are still accepted: min(limit + extra, factor x limit) (Hyperliquid)."""
    return min(rate_limit + extra, int(factor * rate_limit))


def valid_price(price: str | float | Decimal, size_decimals: int, perpetual: bool = True) -> bool:
    """Whether Hyperliquid takes a price: whole numbers always, others with at most five significant figures and at
    most 6 (perpetuals) or 8 (spot) less `size_decimals` decimal places.

    Args:
        price: a float counts as its shortest decimal form. size_decimals: decimal places of the contract's sizes.
    """
    exact = Decimal(str(price)).normalize()
    if not exact.is_finite() or exact <= 0:
        return False
    _, digits, exponent = exact.as_tuple()
    places = max(0, -int(exponent))
    if places == 0:
        return True
    return len(digits) <= 5 and places <= (6 if perpetual else 8) - size_decimals
