"""Mark price: what margin is computed with, in fixed-point ticks, made from index, basis and books.

- median: the middle of index x (1 + funding still to pay), index + mean basis, and the last trade (Binance 30 s of
  basis, Bybit 5 min);
- index_basis: index + mean basis (OKX);
- median_oracle: the middle of A = index + slowly averaged basis, B = the own book's middle of (bid, ask, last) and
  C = the weighted median of other venues' perpetual mids; if exactly two of them exist, of these and D = B averaged
  over 30 s (Hyperliquid, trading/robust-price-indices);
- fair: index x (1 + funding still to pay) (BitMEX);
- oracle: the index itself (dYdX).

The slow average of a sample x that comes t after the last one is num / den with num = num e^(-t/T) + x t,
den = den e^(-t/T) + t. The kernel keeps the quotient: it moves by (x - mean) x t / den.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from abm.accounts import PERP
from abm.book import best_price
from abm.index import index_of, median_at, mid_of, spot_price, watch_sources
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import views
from abm.units import at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_MARK = "Binance mark price, basis over 30 s since 2025-09-18, binance.com/en/support/faq/360033525071"
HYPERLIQUID_MARK = "Hyperliquid docs, trading/robust-price-indices"


class MarkRule(Frozen):
    """Mark price: what margin is computed with."""

    OPENING: ClassVar[tuple[str, ...]] = ("peers",)

    rule: Literal["median", "index_basis", "median_oracle", "fair", "oracle"] = parameter(
        "median",
        "median = median of funding-adjusted index, index plus mean basis, last trade; index_basis = index"
        " plus mean basis; median_oracle = index plus slow basis, own book, perpetuals of the other venues;"
        " fair = funding-adjusted index; oracle = the index",
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
    peers: dict[str, float] = parameter(
        {},
        "Weight of each other venue's perpetual in median_oracle (Binance 3, OKX 2, Bybit 2, Gate 1, MEXC 1); empty ="
        " all of them alike",
        unit="1",
        source=HYPERLIQUID_MARK,
    )


MARK_RULES = ("median", "index_basis", "median_oracle", "fair", "oracle")  # by code
MEDIAN, INDEX_BASIS, MEDIAN_ORACLE, FAIR, ORACLE = range(len(MARK_RULES))
OWN_BOOK_WINDOW = 30.0  # seconds, Hyperliquid's average of its own book where another price is missing
FINE = 4096  # slow averages are kept so much finer than prices
WEIGHT = 1 << 20  # of one sample in the denominator of a slow average


def funding_adjusted(index: float, rate: float, left: float, interval: float) -> float:
    """Index x (1 + last funding rate x time to funding / interval): Binance's price 1, BitMEX's fair price.

    Args:
        index: any unit. rate: share of one interval. left, interval: hours.
    """
    return index * (1.0 + rate * left / interval)


def median_mark(first: float, second: float, last: float) -> float:
    """Binance's and Bybit's mark: the middle of the two prices and the last trade."""
    return sorted((first, second, last))[1]


def average(num: float, den: float, sample: float, t: float, window: float) -> tuple[float, float]:
    """One step of Hyperliquid's slow average: (numerator, denominator) after a sample that comes t seconds later."""
    keep = math.exp(-t / window)
    return num * keep + sample * t, den * keep + t


def oracle_mark(prices: Sequence[float | None], own_average: float | None = None) -> float:
    """Hyperliquid's mark: the median of those of A, B, C that exist, with D where exactly two of them do.

    Raises:
        ValueError: none of them exists.
    """
    found = [p for p in prices if p is not None]
    if len(found) == 2 and own_average is not None:
        found.append(own_average)
    if not found:
        raise ValueError("no price")
    found.sort()
    return (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2


@inlined
def middle(a, b, c):
    """Median of three."""
    if a > b:
        a, b = b, a
    if b > c:
        b = c
    return a if a > b else b


@inlined
def funding_to_come(s, b):
    """The last funding rate times the share of its interval that is still to run, in 1e-8."""
    bk = s.books[b]
    if bk.interval_ms == 0:
        return 0
    left = bk.interval_ms - (s.meta[0].now + bk.phase_ms) % bk.interval_ms
    return mul_div(bk.funding, left, bk.interval_ms)


@kernel("UniTuple(i8,2)(i8,i8,i8,i8,i8)")
def averaged(mean, weight, sample, gap, loss):
    """One step of a slow average: (mean, weight of what it has seen) after a sample that comes `gap` intervals after
    the last one; `loss` is the share of weight that is lost in an interval, in 1e-8."""
    if gap > 4096:
        weight = 0
        gap = 4096
    for _ in range(gap if weight > 0 else 0):
        weight -= at_rate(weight, loss)
    weight += gap * WEIGHT
    move = sample - mean
    if move >= 0:
        return mean + mul_div(move, gap * WEIGHT, weight), weight
    return mean - mul_div(-move, gap * WEIGHT, weight), weight


@inlined
def own_price(s, b, mid):
    """Middle of best bid, best ask and last trade; 0 if a side is empty."""
    if mid == 0:
        return 0
    last = s.books[b].last << 10
    return middle(best_price(s, b, 1) << 10, best_price(s, b, -1) << 10, last if last > 0 else mid)


@kernel("i8(i8,i8,i8)")
def oracle_median(address, b, own):
    """Hyperliquid's mark: index + slow basis, own book, other venues' perpetuals, and the own book's slow average where
    exactly two of these exist."""
    s = views(address)
    bk = s.books[b]
    for i in range(bk.peers):
        s.sorted[i] = mid_of(s, s.sources[bk.peer + i].book)
    others = median_at(address, bk.peer, bk.peers)
    slow = bk.index + bk.ema // FINE
    if own != 0 and others != 0:
        return middle(slow, own, others)
    if own == 0 and others == 0:
        return slow
    one = own if own != 0 else others
    if bk.own_weight > 0:
        return middle(slow, one, bk.own_ema // FINE)
    return (slow + one) // 2


@inlined
def mark_of(s, b, own):
    """Mark price by the venue's rule from the index, the averaged basis and the book."""
    bk = s.books[b]
    basis = bk.basis_sum // bk.basis_n if bk.basis_n > 0 else 0
    last = bk.last << 10
    if bk.mark_rule == INDEX_BASIS:
        return bk.index + basis
    if bk.mark_rule == ORACLE:
        return bk.index
    if bk.mark_rule == MEDIAN_ORACLE:
        return oracle_median(s.meta[0].address, b, own)
    first = bk.index + at_rate(bk.index, funding_to_come(s, b))
    if bk.mark_rule == FAIR:
        return first
    return middle(first, bk.index + basis, last if last > 0 else bk.index + basis)


@inlined
def due(s, b):
    """Whether a book gets a new mark in this step: the first that ends at or after a multiple of its interval."""
    now, every = s.meta[0].now, s.books[b].mark_every
    return now // every != (now - s.meta[0].step_ms) // every


@kernel("void(i8,i8,i8,i8)")
def sample(address, b, mid, own):
    """Take a book's basis and own price into its averages."""
    s = views(address)
    bk = s.books[b]
    basis = mid - bk.index
    place = b * (len(s.basis) // s.meta[0].books) + bk.basis_at
    if bk.basis_n == bk.window:
        bk.basis_sum -= s.basis[place]
    else:
        bk.basis_n += 1
    s.basis[place] = basis
    bk.basis_sum += basis
    bk.basis_at = (bk.basis_at + 1) % bk.window
    gap = 1
    if bk.ema_weight > 0:
        gap = (s.meta[0].now - bk.ema_at + bk.mark_every // 2) // bk.mark_every
        if gap < 1:
            gap = 1
    bk.ema_at = s.meta[0].now
    bk.ema, bk.ema_weight = averaged(bk.ema, bk.ema_weight, basis * FINE, gap, bk.ema_rate)
    bk.own_ema, bk.own_weight = averaged(bk.own_ema, bk.own_weight, own * FINE, gap, bk.own_rate)
    if bk.funding_rule == 0:  # by the middle; the others' premiums are sampled in `abm.funding`
        bk.premium_sum += basis
        bk.premium_n += 1


@kernel("i8(i8)")
def price_all(address):
    """New index, basis and mark of every book that is due, from one snapshot of all books."""
    s = views(address)
    watch_sources(s)
    for b in range(s.meta[0].books):
        if due(s, b):
            s.books[b].index = index_of(address, b)
    for b in range(s.meta[0].books):
        if not due(s, b):
            continue
        bk = s.books[b]
        bk.previous_mark = bk.mark
        if bk.kind != PERP:
            price = spot_price(s, b)
            if price != 0:
                bk.mark = price
            continue
        mid = mid_of(s, b)
        own = own_price(s, b, mid)
        if mid != 0:
            sample(address, b, mid, own)
        mark = mark_of(s, b, own)
        bk.mark = mark if mark > 1 else 1
    return 0
