"""Bankruptcy prices: where an account is worth nothing. Formulas on numbers or arrays, as venues write them.

The engine closes accounts by amounts (`abm.liquidation.bankruptcy_amount`), because a bankruptcy price is rarely a
tick; these are the prices and amounts that venues print.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np


def linear(size: Any, entry: Any, side: int, margin: Any, taker: Any = 0.0) -> Any:
    """Linear contract: long (EP x Q - margin) / (Q (1 - t)), short (EP x Q + margin) / (Q (1 + t)).

    Args:
        size: > 0. side: +1 long, -1 short. taker: fee on the closing trade, which the margin must also pay.
        margin: what may be lost: the initial margin (isolated), with the wallet balance if it is a cross account.
    """
    return (entry * size - side * margin) / (size * (1.0 - side * taker))


def bybit_cross(size: Any, entry: Any, side: int, position_margin: Any, wallet: Any, taker: Any = 0.0) -> Any:
    """Bybit, cross (2025): long (EP x Q - position margin - wallet balance) / Q, short with the signs turned.

    Args:
        wallet: balance that is not position margin already.
    """
    return linear(size, entry, side, position_margin + wallet, taker)


def inverse(size: Any, entry: Any, side: int, balance: Any, taker: Any = 0.0) -> Any:
    """Inverse contract: long (1 + t) Q / (Q/EP + balance), short (1 - t) Q / (Q/EP - balance), inf if it never fails.

    Args:
        size: contracts of one dollar. balance: coins that may be lost (initial margin; all of it in cross).
    """
    worth = size / entry + side * balance
    return np.where(worth > 0, (1.0 + side * taker) * size / np.where(worth > 0, worth, 1.0), np.inf)[()]


def inverse_isolated(entry: Any, side: int, leverage: Any) -> Any:
    """Inverse contract, isolated, no fee: long EP x lev / (lev + 1), short EP x lev / (lev - 1)."""
    return inverse(1.0, entry, side, 1.0 / entry / leverage)


def dydx_quote(value: int, equity: int, maintenance: int, maintenance_all: int) -> int:
    """dYdX: quote units to be received (negative: paid) for closing a part, so that the account ends at zero.

    -DNNV - TNC x |DMMR| / TMMR, rounded towards plus infinity: the account's equity, also below zero, is shared among
    its positions by their maintenance margin (v4-chain, clob/keeper/liquidations.go).

    Args:
        value: signed value at the oracle price of what is closed: > 0 a long that sells (so DNNV = -value).
        equity: total net collateral TNC. maintenance: of what is closed, |DMMR|. maintenance_all: TMMR > 0.
    """
    return value - (equity * maintenance) // maintenance_all


def dydx_fillable_price(
    price: float,
    side: int,
    equity: float,
    maintenance_all: float,
    maintenance_fraction: float,
    spread_ratio: float = 1.5,
    adjustment: float = 1.0,
) -> float:
    """dYdX: the limit of a liquidation order, P x (1 -/+ ABR x SMMR x MMF), ABR = clamp(BA x (1 - TNC/TMMR), 0, 1).

    Args:
        price: oracle price. side: +1 the position is long. equity, maintenance_all: TNC and TMMR of the account.
        maintenance_fraction: MMF of the market. spread_ratio: SMMR. adjustment: BA (both as at genesis).
    """
    exact = [
        Fraction(repr(float(x)))
        for x in (equity, maintenance_all, adjustment, spread_ratio, maintenance_fraction)
    ]
    rating = min(max(exact[2] * (1 - exact[0] / exact[1]), Fraction(0)), Fraction(1))
    return float(Fraction(repr(float(price))) * (1 - side * rating * exact[3] * exact[4]))


def dydx_fund_delta(fill_value: int, bankruptcy_value: int, max_fee_ppm: int = 15_000) -> int:
    """dYdX: what the insurance fund gets (> 0, a fee) or pays (< 0) for a liquidation fill, in quote units.

    Args:
        fill_value: signed quote units received for the fill (negative: paid, a short that buys back).
        bankruptcy_value: `dydx_quote` of the same part. max_fee_ppm: largest fee, millionths of the fill's value.
    """
    left = fill_value - bankruptcy_value
    return left if left <= 0 else min(abs(fill_value) * max_fee_ppm // 1_000_000, left)


def dydx_max_spread(maintenance_fraction: Any, spread_ratio: Any = 1.5) -> Any:
    """Largest distance of a fillable price from the oracle price, SMMR x MMF."""
    return spread_ratio * maintenance_fraction
