"""Funding as venues print it: premiums, their means and rates, plain formulas on numbers.

The engine (`funding`) never asks them; the tests hold one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence


def clamp(value: float, low: float, high: float) -> float:
    """`value`, or the bound that it is beyond."""
    return min(max(value, low), high)


def premium_index(impact_bid: float, impact_ask: float, index: float) -> float:
    """Premium of impact prices over the index, a share; 0 as long as the index lies between them."""
    return (max(0.0, impact_bid - index) - max(0.0, index - impact_ask)) / index


def impact_price(levels: Sequence[tuple[float, float]], notional: float) -> float:
    """Mean price of an order of a value against (price, size) levels, best first; 0 without any level.

    A book that holds less than the value counts with what it holds.
    """
    paid = size = 0.0
    for price, lots in levels:
        part = min(lots, (notional - paid) / price)
        paid, size = paid + part * price, size + part
        if part < lots:
            break
    return paid / size if size > 0 else 0.0


def impact_notional(initial_margin: float, margin: float = 200.0) -> float:
    """Value that `margin` carries at the initial margin rate of the highest leverage (Binance)."""
    return margin / initial_margin


def mean_premium(samples: Sequence[float], average: str = "mean") -> float:
    """Mean premium of an interval; `linear` gives the n-th sample the weight n."""
    weights = [float(k + 1) if average == "linear" else 1.0 for k in range(len(samples))]
    return sum(p * w for p, w in zip(samples, weights, strict=True)) / sum(weights)


def twap(steps: Sequence[tuple[float, float]]) -> float:
    """Time-weighted mean of (value, how long it held)."""
    return sum(value * time for value, time in steps) / sum(time for _, time in steps)


def pulled(premium: float, interest: float, width: float) -> float:
    """P + clamp(I - P, -width, +width): the interest itself as long as the premium is within `width` of it."""
    if abs(interest - premium) <= width:
        return interest
    return premium + clamp(interest - premium, -width, width)


def funding_rate(
    premium: float,
    interest: float = 0.0001,
    width: float = 0.0005,
    hours: float = 8.0,
    cap: float = float("inf"),
    rule: str = "binance",
) -> float:
    """Rate of one interval as a share of the notional.

    Args:
        premium: mean premium. interest: for 8 hours. width: half width of the clamp. hours: the interval.
        cap: bound of one interval. rule: one of `FUNDING_RULES`; of drift's, the premium is that of the mean mark.
    """
    share = hours / 8.0
    if rule == "okx":
        rate = premium - interest
    elif rule == "dydx":
        rate = (premium + interest) * share
    elif rule == "drift":
        rate = clamp(premium, -1.0 / 33.0, 1.0 / 33.0) * hours / 24.0
    elif rule in ("bybit", "bitmex"):
        rate = pulled(premium, interest * share, width)
    else:
        rate = pulled(premium, interest, width) * share
    return clamp(rate, -cap, cap)


def drift_funding(mark_twap: float, oracle_twap: float) -> float:
    """Drift's payment of an hour for one unit of the coin, in the quote asset; positive: longs pay."""
    bound = oracle_twap / 33.0
    return clamp(mark_twap - oracle_twap, -bound, bound) / 24.0
