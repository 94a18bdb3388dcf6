"""Funding: rate and payment of a perpetual.

With P the mean premium over an interval of N hours and I the interest for 8 hours:

- mid: F = [P + clamp(I - P, -c, +c)] x N/8, P of the middle over the index;
- binance: the same with P of impact prices, [max(0, impact bid - index) - max(0, index - impact ask)] / index
  (binance.com/en/support/faq/360033525031);
- hyperliquid: the same, paid on size x index instead of mark (Hyperliquid docs, trading/funding);
- bybit, bitmex: F = P + clamp(I x N/8 - P, -c, +c), within 75 % of initial less maintenance margin of the lowest
  bracket;
- okx: F = clamp(P - I, -cap, +cap), P of the middle (okx.com/help/360053909272);
- dydx: F = (P + I) x N/8, P of impact prices, paid on index (dYdX v4 documentation, funding);
- drift: (mean mark - mean index) within mean index / 33, times N/24, paid on index (Drift protocol v2, funding math).

All of them within +-cap, the bound of one interval. Payments of a contract net to zero to the unit, the remainder of
rounding being spread one unit a holder in the order of the position table. A contract whose rate has hit its bound may
be moved to hourly funding.
"""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from abm.accounts import PERP, holding, touch
from abm.book import depth_of, side_base
from abm.index import mid_of
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, views
from abm.units import RATE, at_price, at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

EIGHT_HOURS_MS = 8 * 3600 * 1000
HOUR_MS = 3600 * 1000
BINANCE_FUNDING = "Binance funding rates, binance.com/en/support/faq/360033525031"


class FundingRule(Frozen):
    """Funding rate F = P + clamp(interest - P, -clamp, +clamp) and its kin, scaled to the interval, within +-cap."""

    rule: Literal["mid", "binance", "hyperliquid", "bybit", "bitmex", "okx", "dydx", "drift"] = parameter(
        "mid",
        "Formula: mid = Binance's with the premium of the middle of the book; the others as the venue of that name",
        source="BitMEX's form, docs of the venues in abm/funding.py",
    )
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
    caps: dict[str, float] = parameter(
        {}, "Largest rate by coin or by class, in place of `cap`", unit="share of notional"
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
    impact: float = parameter(
        0.0,
        "Value of the order whose mean price is the impact price (rules with impact prices); 0 = the rule's own: what"
        " 200 of margin carry at the highest leverage (Binance, Bybit, BitMEX), 20,000 (Hyperliquid), what 500 carry"
        " (dYdX)",
        unit="quote asset",
        source=f"{BINANCE_FUNDING}; Hyperliquid docs, trading/contract-specifications; dYdX v4 documentation, funding",
        ge=0,
        le=1e8,
    )
    impacts: dict[str, float] = parameter(
        {}, "Value of that order by coin or by class, in place of `impact`", unit="quote asset"
    )
    sample: float = parameter(
        0.0,
        "Time between two samples of the premium; 0 = the rule's own: 5 s (Binance, Hyperliquid), 60 s (the others);"
        " rule mid samples with every mark",
        unit="seconds",
        source="Binance 5,760 samples in 8 hours; Hyperliquid docs, trading/funding; dYdX v4 documentation, funding",
        ge=0,
        le=3600,
    )
    average: Literal["mean", "linear"] = parameter(
        "mean",
        "Mean of the samples: mean = all alike, linear = the n-th sample of the interval with weight n (not for mid,"
        " drift)",
    )
    margin_cap: float = parameter(
        0.75,
        "Bound as a share of initial less maintenance margin rate of the lowest bracket (bybit, bitmex); 0 = none",
        unit="share",
        source="BitMEX, funding: 75 % of initial less maintenance margin",
        ge=0,
        le=10,
    )
    switch: bool = parameter(
        False,
        "Pay hourly from the payment on whose rate has hit the bound (Binance since 2025-05-02, Bybit)",
    )

    @field_validator("interval")
    @classmethod
    def _interval_divides_the_day(cls, value: float) -> float:
        if (24 * HOUR_MS) % max(1, round(value * HOUR_MS)):
            raise ValueError(f"{value:g} hours given, a positive part of 24 expected")
        return value


FUNDING_RULES = ("mid", "binance", "hyperliquid", "bybit", "bitmex", "okx", "dydx", "drift")  # by code
MID, BINANCE, HYPERLIQUID, BYBIT, BITMEX, OKX, DYDX, DRIFT = range(len(FUNDING_RULES))
SAMPLES = {"mid": 0.0, "binance": 5.0, "hyperliquid": 5.0}  # seconds; the others 60
# value of impact prices: what a margin carries at the highest leverage, or given
IMPACT_MARGIN = {"binance": 200.0, "bybit": 200.0, "bitmex": 200.0, "dydx": 500.0}
IMPACT_VALUE = {"hyperliquid": 20_000.0}


@kernel("i8(i8,i8,i8,i8)")
def impact_at(address, b, side, notional):
    """Mean price in fixed point of a market order of a value (quote units) against the orders of a side; 0 if it is
    empty. A book that holds less counts with what it holds."""
    s = views(address)
    unit = s.books[b].unit
    base = side_base(s, b, side)
    i = depth_of(s, b, side) - 1
    lots = 0  # times 2^20
    paid = 0
    while i >= 0 and paid < notional:
        key = s.keys[base + i]
        price = side * (key >> LEVEL_BITS)
        there = s.levels[key & LEVEL_MASK].qty
        if float(there) * float(price * unit) < float(notional - paid):
            lots += there << 20
            paid += there * price * unit
        else:
            lots += mul_div(notional - paid, 1 << 20, price * unit)
            paid = notional
        i -= 1
    if lots == 0:
        return 0
    return mul_div(paid, 1 << 30, lots * unit)


@inlined
def impact_value(s, b):
    """Value of the order that makes impact prices, in quote units."""
    bk = s.books[b]
    if bk.impact_margin != 0:
        rate = s.brackets[bk.bracket].imr
        return mul_div(bk.impact, RATE, rate if rate > 0 else RATE)
    return bk.impact


@kernel("i8(i8,i8)")
def premium_of(address, b):
    """Premium of a book over its index in 1e-8, of impact prices or of the middle by its rule."""
    s = views(address)
    bk = s.books[b]
    if bk.funding_rule == OKX:
        return mul_div(mid_of(s, b) - bk.index, RATE, bk.index)
    notional = impact_value(s, b)
    bid = impact_at(address, b, 1, notional)
    ask = impact_at(address, b, -1, notional)
    over = bid - bk.index if bid > bk.index else 0
    if ask > 0 and ask < bk.index:
        over -= bk.index - ask
    return mul_div(over, RATE, bk.index)


@kernel("i8(i8)")
def sample_all(address):
    """Take the premium of every perpetual whose rule samples now. Returns how many there were."""
    s = views(address)
    now = s.meta[0].now
    before = now - s.meta[0].step_ms
    count = 0
    for b in range(s.meta[0].books):
        bk = s.books[b]
        if bk.kind != PERP or bk.funding_rule == MID or bk.index <= 0:
            continue
        if now // bk.premium_every == before // bk.premium_every:
            continue
        if bk.funding_rule == DRIFT:
            bk.premium_sum += bk.mark - bk.index
            bk.premium_n += 1
        elif bk.funding_rule != OKX or mid_of(s, b) != 0:
            weight = 1
            if bk.premium_linear != 0:
                bk.premium_k += 1
                weight = bk.premium_k
            bk.premium_sum += weight * premium_of(address, b)
            bk.premium_n += weight
        count += 1
    return count


@kernel("i8(i8,i8)")
def next_due(address, first):
    """The first perpetual from number `first` on whose funding time falls in this step, or -1.

    Intervals are counted from midnight UTC."""
    s = views(address)
    for b in range(first, s.meta[0].books):
        bk = s.books[b]
        if bk.kind != PERP:
            continue
        now = s.meta[0].now + bk.phase_ms
        if now // bk.interval_ms != (now - s.meta[0].step_ms) // bk.interval_ms:
            return b
    return NONE


@inlined
def mean_of(s, b):
    """Mean premium of the interval that ends, in 1e-8."""
    bk = s.books[b]
    if bk.premium_n == 0 or bk.index <= 0:
        return 0
    mean = bk.premium_sum // bk.premium_n
    if bk.funding_rule == MID or bk.funding_rule == DRIFT:
        return mul_div(mean, RATE, bk.index)
    return mean


@inlined
def between(value, low, high):
    """`value`, or the bound that it is beyond."""
    if value < low:
        return low
    return high if value > high else value


@inlined
def bound_of(s, b):
    """Largest rate of one interval, in 1e-8: the contract's, and by its margin rates where the rule has that."""
    bk = s.books[b]
    most = bk.funding_cap
    if bk.margin_cap > 0:
        k = s.brackets[bk.bracket]
        by_margin = at_rate(k.imr - k.mmr if k.imr > k.mmr else 0, bk.margin_cap)
        if by_margin < most:
            most = by_margin
    return most


@kernel("i8(i8,i8)")
def set_rate(address, b):
    """The rate of the interval that ends now, in 1e-8; the premium starts anew."""
    s = views(address)
    bk = s.books[b]
    premium = mean_of(s, b)
    bk.premium_sum = 0
    bk.premium_n = 0
    bk.premium_k = 0
    if bk.funding_rule == OKX:
        rate = premium - bk.interest
    elif bk.funding_rule == DYDX:
        rate = mul_div(premium + bk.interest, bk.interval_ms, EIGHT_HOURS_MS)
    elif bk.funding_rule == DRIFT:
        rate = mul_div(between(premium, -(RATE // 33), RATE // 33), bk.interval_ms, 3 * EIGHT_HOURS_MS)
    elif bk.funding_rule == BYBIT or bk.funding_rule == BITMEX:
        interest = mul_div(bk.interest, bk.interval_ms, EIGHT_HOURS_MS)
        rate = premium + between(interest - premium, -bk.clamp, bk.clamp)
    else:
        pull = between(bk.interest - premium, -bk.clamp, bk.clamp)
        rate = mul_div(premium + pull, bk.interval_ms, EIGHT_HOURS_MS)
    most = bound_of(s, b)
    rate = between(rate, -most, most)
    bk.funding = rate
    if bk.switches != 0 and (rate == most or rate == -most) and bk.interval_ms > HOUR_MS:
        bk.hourly = 1  # from the next payment on: this one is still for the interval that ends
    return rate


@kernel("i8(i8,i8)")
def pay(address, b):
    """Move one interval's funding between the holders of a contract. Returns what the payers paid, in quote units."""
    s = views(address)
    bk = s.books[b]
    price = bk.mark
    if bk.funding_rule == HYPERLIQUID or bk.funding_rule == DYDX or bk.funding_rule == DRIFT:
        price = bk.index
    missing = 0
    paid = 0
    for p in range(s.meta[0].positions):
        x = s.positions[p]
        if x.book != b or x.qty == 0:
            continue
        flow = -at_rate(at_price(x.qty * bk.unit, price), bk.funding)
        s.holdings[holding(s, x.row, bk.quote)].amount += flow
        missing -= flow
        if flow < 0:
            paid -= flow
        touch(s, x.row)
    step = 1 if missing > 0 else -1
    while missing != 0:
        for p in range(s.meta[0].positions):
            x = s.positions[p]
            if missing != 0 and x.book == b and x.qty != 0:
                s.holdings[holding(s, x.row, bk.quote)].amount += step
                missing -= step
    if bk.hourly != 0:
        bk.interval_ms = HOUR_MS
    return paid
