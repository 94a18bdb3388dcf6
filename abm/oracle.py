"""Index and mark prices, in fixed-point ticks.

The index of a perpetual is the weighted mean of its coin's spot prices, converted to its quote asset. The price of a
spot book is its last trade, or the best quote that has moved beyond it: the middle of a book with an empty side says
nothing. A source more than 5 % from the median gets weight zero, and if that happens to more than one the index is the
median of all (Binance's outlier rule, binance.com/en/support/faq/360033525071). The mark is one of three rules:

- median: the middle of index x (1 + funding still to pay), index + mean basis, and the last trade (Binance 30 s of
  basis, Bybit 5 min);
- index + mean basis (OKX);
- median of index + slowly averaged basis, the own book's middle of (bid, ask, last), and the median of the other
  venues' perpetual mids (Hyperliquid, trading/robust-price-indices).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from abm.accounts import PERP
from abm.book import best_price
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import NONE, views
from abm.units import RATE, at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_MARK = "Binance mark price, basis over 30 s since 2025-09-18, binance.com/en/support/faq/360033525071"


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


MARK_RULES = ("median", "index_basis", "median_oracle")  # by code
MEDIAN, INDEX_BASIS, MEDIAN_ORACLE = range(len(MARK_RULES))
OUTLIER = RATE // 20
MOST_SOURCES = 32


@inlined
def middle(a, b, c):
    """Median of three."""
    if a > b:
        a, b = b, a
    if b > c:
        b = c
    return a if a > b else b


@inlined
def mid_of(s, b):
    """Mid of a book's best quotes in fixed point, 0 if a side is empty."""
    bid = best_price(s, b, 1)
    ask = best_price(s, b, -1)
    if bid == 0 or ask == 0:
        return 0
    return (bid + ask) << 9


@inlined
def spot_price(s, b):
    """Last trade of a book, held between its best quotes, in fixed point; 0 before anything was traded or quoted."""
    bid = best_price(s, b, 1)
    ask = best_price(s, b, -1)
    last = s.books[b].last
    if last == 0:
        return mid_of(s, b)
    if last < bid:
        last = bid
    elif ask > 0 and last > ask:
        last = ask
    return last << 10


@inlined
def source_price(s, i):
    """Price of an index source in the quote asset of the contract it serves, 0 if there is none yet."""
    src = s.sources[i]
    price = spot_price(s, src.book)
    if price == 0 or src.convert == NONE:
        return price
    rate = spot_price(s, src.convert)
    if rate == 0:
        return 0
    return mul_div(price, s.books[src.convert].par << 10, rate)


@inlined
def median_from(s, first, count, scratch):
    """Median of the prices that `scratch` holds for sources `first` on, ignoring zeros; 0 if all are zero."""
    n = 0
    for i in range(count):
        if s.sorted[scratch + i] != 0:
            value = s.sorted[scratch + i]
            j = n
            while j > 0 and s.sorted[scratch + MOST_SOURCES + j - 1] > value:
                s.sorted[scratch + MOST_SOURCES + j] = s.sorted[scratch + MOST_SOURCES + j - 1]
                j -= 1
            s.sorted[scratch + MOST_SOURCES + j] = value
            n += 1
    if n == 0:
        return 0
    base = scratch + MOST_SOURCES
    return (s.sorted[base + (n - 1) // 2] + s.sorted[base + n // 2]) // 2


@inlined
def index_of(s, b):
    """Index of a book's coin in its quote asset; what it was if no source has a price."""
    bk = s.books[b]
    present = 0
    for i in range(bk.sources):
        s.sorted[i] = source_price(s, bk.source + i)
        if s.sorted[i] != 0:
            present += 1
    if present == 0:
        return bk.index
    centre = median_from(s, bk.source, bk.sources, 0)
    outliers = 0
    weight = 0
    total = 0
    for i in range(bk.sources):
        price = s.sorted[i]
        if price == 0:
            continue
        gap = price - centre
        if (gap if gap > 0 else -gap) > at_rate(centre, OUTLIER):
            outliers += 1
            continue
        w = s.sources[bk.source + i].weight
        weight += w
        total += w * (price - centre)
    if outliers > 1 or weight == 0:
        return centre
    return centre + total // weight


@inlined
def funding_to_come(s, b):
    """The last funding rate times the share of its interval that is still to run, in 1e-8."""
    bk = s.books[b]
    if bk.interval_ms == 0:
        return 0
    left = bk.interval_ms - (s.meta[0].now + bk.phase_ms) % bk.interval_ms
    return mul_div(bk.funding, left, bk.interval_ms)


@inlined
def mark_of(s, b, mid):
    """Mark price by the venue's rule from the index, the averaged basis and the book."""
    bk = s.books[b]
    basis = bk.basis_sum // bk.basis_n if bk.basis_n > 0 else 0
    last = bk.last << 10
    if bk.mark_rule == INDEX_BASIS:
        return bk.index + basis
    if bk.mark_rule == MEDIAN:
        first = bk.index + at_rate(bk.index, funding_to_come(s, b))
        return middle(first, bk.index + basis, last if last > 0 else bk.index + basis)
    for i in range(bk.peers):
        s.sorted[i] = mid_of(s, s.sources[bk.peer + i].book)
    others = median_from(s, bk.peer, bk.peers, 0)
    slow = bk.index + bk.ema // 4096
    own = slow
    if mid != 0:
        own = middle(best_price(s, b, 1) << 10, best_price(s, b, -1) << 10, last if last > 0 else mid)
    return middle(slow, own, others if others != 0 else own)


@inlined
def due(s, b):
    """Whether a book gets a new mark in this step: the first that ends at or after a multiple of its interval."""
    now, every = s.meta[0].now, s.books[b].mark_every
    return now // every != (now - s.meta[0].step_ms) // every


@kernel("i8(i8)")
def price_all(address):
    """New index, basis and mark of every book that is due, from one snapshot of all books."""
    s = views(address)
    for b in range(s.meta[0].books):
        if due(s, b):
            s.books[b].index = index_of(s, b)
    for b in range(s.meta[0].books):
        if not due(s, b):
            continue
        bk = s.books[b]
        mid = mid_of(s, b)
        bk.previous_mark = bk.mark
        if bk.kind != PERP:
            price = spot_price(s, b)
            if price != 0:
                bk.mark = price
            continue
        if mid != 0:
            basis = mid - bk.index
            place = b * (len(s.basis) // s.meta[0].books) + bk.basis_at
            if bk.basis_n == bk.window:
                bk.basis_sum -= s.basis[place]
            else:
                bk.basis_n += 1
            s.basis[place] = basis
            bk.basis_sum += basis
            bk.basis_at = (bk.basis_at + 1) % bk.window
            bk.ema += at_rate(basis * 4096 - bk.ema, bk.ema_rate)
            bk.premium_sum += basis
            bk.premium_n += 1
        mark = mark_of(s, b, mid)
        bk.mark = mark if mark > 1 else 1
    return 0
