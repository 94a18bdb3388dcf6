"""Funding: rate and payment of a perpetual.

F = P + clamp(I - P, -c, +c), P the mean premium of the mid over the index, scaled to the interval and capped
(binance.com/en/support/faq/360033525031). A row pays lots x unit x mark x F; payments of a contract net to zero to
the unit, the remainder of rounding being spread one unit a holder in the order of the position table.
"""

from __future__ import annotations

from abm.accounts import holding, touch
from abm.jit import kernel
from abm.parameters import Frozen, parameter
from abm.state import views
from abm.units import RATE, at_price, at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_FUNDING = "Binance funding rates, binance.com/en/support/faq/360033525031"


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


EIGHT_HOURS_MS = 8 * 3600 * 1000


@kernel("i8(i8,i8)")
def set_rate(address, b):
    """The rate of the interval that ends now, in 1e-8; the premium starts anew."""
    s = views(address)
    bk = s.books[b]
    premium = 0
    if bk.premium_n > 0 and bk.index > 0:
        mean = bk.premium_sum // bk.premium_n
        premium = mul_div(mean, RATE, bk.index)
    bk.premium_sum = 0
    bk.premium_n = 0
    pull = bk.interest - premium
    if pull > bk.clamp:
        pull = bk.clamp
    if pull < -bk.clamp:
        pull = -bk.clamp
    rate = mul_div(premium + pull, bk.interval_ms, EIGHT_HOURS_MS)
    if rate > bk.funding_cap:
        rate = bk.funding_cap
    if rate < -bk.funding_cap:
        rate = -bk.funding_cap
    bk.funding = rate
    return rate


@kernel("i8(i8,i8)")
def pay(address, b):
    """Move one interval's funding between the holders of a contract. Returns what the payers paid, in quote units."""
    s = views(address)
    bk = s.books[b]
    missing = 0
    paid = 0
    for p in range(s.meta[0].positions):
        x = s.positions[p]
        if x.book != b or x.qty == 0:
            continue
        flow = -at_rate(at_price(x.qty * bk.unit, bk.mark), bk.funding)
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
    return paid
