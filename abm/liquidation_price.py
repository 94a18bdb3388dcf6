"""Maintenance margin and liquidation prices as the venues' documents write them: formulas on numbers or arrays.

No engine: plain floats, numpy arrays of one shape or single numbers. The engine itself never asks for a liquidation
price (it compares equity with maintenance margin in integers); these are the numbers that venues print, and the tests
hold the engine to them.

Maintenance margin of a notional N in tier k is `N x mmr_k - amount_k`; `Tiers` makes the amounts by the recursion that
Binance (maintenance amount), Bybit (mmDeduction) and Hyperliquid (maintenance_deduction) share. It is convex in the
notional, so an account's equity less its maintenance margin is concave in the price: to compute the price in the tiers
of now, take the tiers at that price and compute again is Newton's method, which ends at the exact price in a few
rounds. A price that does not exist (a long that has paid for all of it) is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDS = 64  # of tier selection; a table of n tiers needs at most n + 2


class Tiers(NamedTuple):
    """A table of maintenance margin: float64 arrays of shape (tiers,).

    Attributes:
        floor: notional at which a tier begins. rate: its maintenance margin rate. amount: what is subtracted.
    """

    floor: Floats
    rate: Floats
    amount: Floats

    @classmethod
    def of(cls, steps: Iterable[Sequence[float]]) -> Tiers:
        """From (floor, rate) of each tier, in the asset in which notionals count (dollars; coins if inverse)."""
        floor, rate = (np.array(column, np.float64) for column in zip(*steps, strict=True))
        return cls(floor, rate, np.append(0.0, np.cumsum(floor[1:] * np.diff(rate))))

    @classmethod
    def single(cls, rate: float, amount: float = 0.0) -> Tiers:
        """One tier for all notionals, as in a worked example that gives only the tier in which it ends."""
        return cls(np.zeros(1), np.array([rate]), np.array([amount]))

    @classmethod
    def leverages(cls, steps: Iterable[Sequence[float]]) -> Tiers:
        """From (floor, largest leverage) of each tier with the rate 1 / (2 x leverage): Hyperliquid."""
        return cls.of((floor, 0.5 / leverage) for floor, leverage in steps)

    def at(self, notional: Any) -> Any:
        """Number of the tier that holds a notional (a bound belongs to the tier above it)."""
        return np.maximum(np.searchsorted(self.floor, notional, side="right") - 1, 0)


def next_amount(amount: float, floor: float, rate: float, rate_below: float) -> float:
    """Maintenance amount of a tier from that of the tier below: amount + floor x (rate - rate below)."""
    return amount + floor * (rate - rate_below)


def maintenance_margin(notional: Any, tiers: Tiers) -> Any:
    """Maintenance margin of one position with this notional (>= 0), in the notional's asset."""
    k = tiers.at(notional)
    return np.maximum(notional * tiers.rate[k] - tiers.amount[k], 0.0)


def dydx_initial_fraction(fraction: Any, open_notional: Any, lower: Any, upper: Any) -> Any:
    """dYdX's initial margin fraction, which rises to 1 as a market's open notional goes from `lower` to `upper`."""
    share = np.maximum((open_notional - lower) / (upper - lower), 0.0)
    return np.minimum(fraction + share * (1.0 - fraction), 1.0)


def meeting_price(
    balance: Any, legs: Sequence[tuple[int, Any, Any]], tiers: Tiers, start: Any, fee: Any = 0.0
) -> Any:
    """The price at which a balance and the profit of positions in one contract equal their maintenance margin.

    Args:
        balance: wallet balance plus what other contracts bring: their unrealised profit less their maintenance margin.
        legs: (side +1 or -1, size >= 0, entry price) of each position in the contract.
        tiers: the contract's; each position has the tier of its own notional.
        start: a price at which the account stands (its mark, its entry): says from which side to search.
        fee: taker fee added to the maintenance margin rate.

    Returns: the price, NaN if there is none above zero.
    """
    balance, start = np.asarray(balance, np.float64), np.asarray(start, np.float64)
    worth = balance - sum(side * np.asarray(size) * np.asarray(entry) for side, size, entry in legs)
    price = start + 0.0 * worth
    chosen: list[Any] = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(ROUNDS):
            seen = np.where(np.isfinite(price), np.maximum(price, 0.0), 0.0)
            tier = [tiers.at(np.asarray(size) * seen) for _, size, _ in legs]
            if chosen and all(np.array_equal(new, old) for new, old in zip(tier, chosen, strict=True)):
                break
            chosen = tier
            above = worth + 0.0
            slope: Any = 0.0 * worth
            for k, (side, size, _) in zip(tier, legs, strict=True):
                above = above + tiers.amount[k] * (np.asarray(size) > 0)
                slope = slope + np.asarray(size) * (tiers.rate[k] + fee - side)
            price = np.where(slope != 0, above / np.where(slope != 0, slope, 1.0), np.nan)
    result = np.where(price > 0, price, np.nan)
    return result if result.ndim else float(result)


def binance(
    wallet: Any,
    tiers: Tiers,
    both: tuple[Any, Any] = (0.0, 0.0),
    long: tuple[Any, Any] = (0.0, 0.0),
    short: tuple[Any, Any] = (0.0, 0.0),
    maintenance_others: Any = 0.0,
    unrealised_others: Any = 0.0,
    mark: Any = None,
) -> Any:
    """Binance USD-M's liquidation price (support/faq/b3c689c1f50a44cabb3a84e663b81d93), the tier chosen at that price.

        LP = (WB - TMM1 + UPNL1 + cumB + cumL + cumS - Side*Q*EP - QL*EPL + QS*EPS)
             / (Q*MMRB + QL*MMRL + QS*MMRS - Side*Q - QL + QS)

    Args:
        wallet: cross wallet balance, or the isolated wallet of an isolated position (then no others count).
        both: (signed size, entry price) in one-way mode. long, short: (size >= 0, entry price) in hedge mode.
        maintenance_others, unrealised_others: of all other contracts of a cross account (TMM1, UPNL1).
        mark: mark price of now; without it the search begins at the entry price.
    """
    size = np.asarray(both[0], np.float64)
    held = [
        (1, np.maximum(size, 0.0), both[1]),
        (-1, np.maximum(-size, 0.0), both[1]),
        (1, *long),
        (-1, *short),
    ]
    legs = [
        (side, np.asarray(q, np.float64), np.asarray(e, np.float64))
        for side, q, e in held
        if np.any(np.asarray(q) > 0)
    ]
    if not legs:
        return float("nan")
    gross = sum(size for _, size, _ in legs)
    start = sum(size * entry for _, size, entry in legs) / gross if mark is None else mark
    return meeting_price(wallet - maintenance_others + unrealised_others, legs, tiers, start)


def with_taker_fee(wallet: Any, size: Any, entry: Any, side: int, tiers: Tiers, taker: Any) -> Any:
    """OKX's and Gate's isolated position: LP = (EP -/+ WB/Q) / (1 -/+ (MMR + taker)), long minus, short plus.

    Args:
        wallet: margin of the position. side: +1 long, -1 short. taker: taker fee rate.
    """
    return meeting_price(wallet, [(side, size, entry)], tiers, entry, taker)


def bybit_isolated(
    size: Any, entry: Any, side: int, leverage: Any, tiers: Tiers, extra: Any = 0.0, close_fee: Any = 0.0
) -> Any:
    """Bybit's linear contract, isolated: LP = EP -/+ ((IM - MM) + extra) / Q, both margins taken at the entry value.

    Args:
        side: +1 long, -1 short. extra: margin added by hand.
        close_fee: estimated fee to close, part of the maintenance margin in texts of 2025 on.
    """
    value = size * entry
    cushion = value / leverage - maintenance_margin(value, tiers) - close_fee + extra
    return entry - side * cushion / size


def bybit_inverse(size: Any, entry: Any, side: int, leverage: Any, tiers: Tiers, extra: Any = 0.0) -> Any:
    """Bybit's inverse contract, isolated, both margins taken at the entry value in coins.

    The position is worth `size / price` coins and may lose IM - MM + extra: LP = Q / (Q/EP +/- (IM - MM + extra)).

    Args:
        size: contracts of one dollar. extra: coins added by hand. tiers: in coins.
    """
    value = size / entry
    cushion = value / leverage - maintenance_margin(value, tiers) + extra
    worth = value + side * cushion
    return np.where(worth > 0, size / np.where(worth > 0, worth, 1.0), np.inf)[()]


def bybit_inverse_at_price(
    size: Any,
    entry: Any,
    side: int,
    leverage: Any,
    rate: Any,
    deduction: Any = 0.0,
    extra: Any = 0.0,
    taker: Any = 0.0,
) -> Any:
    """Bybit's inverse contract in its text of 2026: maintenance margin at the liquidation price, in its tier.

    Long LP = Q (1 + MMR) / (Q/EP + Q/EP/lev + extra/(1 + taker) + deduction), short with the signs turned.
    """
    added = extra / (1.0 + side * taker) + deduction
    worth = size / entry + side * (size / entry / leverage + added)
    return np.where(worth > 0, size * (1.0 + side * rate) / np.where(worth > 0, worth, 1.0), np.inf)[()]


def hyperliquid(
    price: Any, size: Any, side: int, account_value: Any, tiers: Tiers, maintenance_others: Any = 0.0
) -> Any:
    """Hyperliquid: LP = price - side x margin available / size / (1 - l x side), l the rate of the tier at LP.

    Margin available is the account value (cross) or the isolated margin with its unrealised profit, less maintenance
    margin at `price` in the tier at LP: with that of another tier the account would not meet its margin there.

    Args:
        price: mark of now. size: > 0. side: +1 long, -1 short. account_value: at `price`.
        maintenance_others: of the account's other positions (cross).
    """
    return meeting_price(account_value - maintenance_others, [(side, size, price)], tiers, price)


def dydx(equity: Any, size: Any, price: Any, maintenance_fraction: Any, maintenance_others: Any = 0.0) -> Any:
    """dYdX: p' = (e - s x p - MMR of the others) / (|s| x MMF - s), NaN where no price above zero does it.

    Args:
        equity: total net collateral at the oracle price. size: signed. price: oracle price of now.
    """
    at = (equity - size * price - maintenance_others) / (np.abs(size) * maintenance_fraction - size)
    return np.where(at > 0, at, np.nan)[()]


def vega_maintenance(
    mark: Any,
    open_volume: Any,
    buy_orders: Any = 0.0,
    sell_orders: Any = 0.0,
    risk_long: Any = 0.1,
    risk_short: Any = 0.1,
    slippage: Any = 0.0,
    exit_price: Any = None,
) -> Any:
    """Vega's maintenance margin (specs, 0019-MCAL): the larger of the riskiest long's and the riskiest short's.

    Position x (slippage per unit + risk factor x mark) and orders x risk factor x mark.

    Args:
        open_volume: signed. buy_orders, sell_orders: sizes without sign.
        slippage: share of the mark that closing may cost; a bound on it where `exit_price` is given.
        exit_price: price at which the book would take the whole position now.
    """
    held = np.asarray(open_volume, np.float64)
    orders = {1: np.abs(buy_orders), -1: np.abs(sell_orders)}
    margins = []
    for side, factor in ((1, risk_long), (-1, risk_short)):
        volume = np.maximum(side * held, 0.0)
        unit = slippage * np.asarray(mark, np.float64)
        if exit_price is not None:
            gap = np.maximum(side * (mark - np.asarray(exit_price, np.float64)), 0.0)
            unit = np.minimum(gap, unit) if np.any(np.asarray(slippage) > 0) else gap
        riskiest = np.maximum(side * held + orders[side], 0.0)
        margin = volume * (unit + factor * mark) + orders[side] * factor * mark
        margins.append(np.where(riskiest > 0, margin, 0.0))
    return np.maximum(*margins)[()]
