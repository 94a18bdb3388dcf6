"""Index price of a perpetual: what its coin is worth on spot books, in fixed-point ticks.

The price of a spot book is its last trade, or the best quote that has moved beyond it: the middle of a book with an
empty side says nothing. Sources are converted to the contract's quote asset and put together by one of three rules:

- weighted: the weighted mean. A source too far from the median of all gets weight zero; if that happens to more than
  one the index is the median of all (Binance, binance.com/en/support/faq/360033525071);
- drop_abnormal: the weighted mean of those that are near the median (Bybit, dual price mechanism);
- weighted_median: the weighted median (Hyperliquid, hypercore/oracle).

A source that has neither traded nor moved its best quotes for some time has weight zero. One that cannot be reached
(its book is halted) counts at its last trade until then. Without any source the last index stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from abm.accounts import SPOT
from abm.book import best_price
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import NONE, views
from abm.units import at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_INDEX = "Binance price index, binance.com/en/support/faq/360033525071"


class IndexRule(Frozen):
    """Index price: spot prices put together."""

    OPENING: ClassVar[tuple[str, ...]] = ("weights",)

    rule: Literal["weighted", "drop_abnormal", "weighted_median"] = parameter(
        "weighted",
        "weighted = mean without an outlier, median of all if there are more (Binance); drop_abnormal = mean of"
        " those near the median (Bybit); weighted_median (Hyperliquid)",
        source=BINANCE_INDEX,
    )
    weights: dict[str, float] = parameter(
        {},
        "Weight of each spot venue; empty = every venue with the coin's spot book by its spot_share",
        unit="1",
    )
    outlier: float = parameter(
        0.05,
        "A source further than this from the median of all is an outlier",
        unit="share of the median",
        source=BINANCE_INDEX,
        gt=0,
        le=1,
    )
    stale: float = parameter(
        0.0,
        "A source without a trade or a change of its best quotes for so long has weight zero; 0 = never (Binance 10 s)",
        unit="seconds",
        ge=0,
        le=3600,
    )


INDEX_RULES = ("weighted", "drop_abnormal", "weighted_median")  # by code
WEIGHTED, DROP_ABNORMAL, WEIGHTED_MEDIAN = range(len(INDEX_RULES))
MOST_SOURCES = 32


def weighted_median(prices: Sequence[float], weights: Sequence[float]) -> float:
    """Price at which half of the weight lies on either side; the middle of two where it falls between them.

    Args:
        prices: any unit. weights: of the same length, >= 0; a price of weight zero does not count.

    Raises:
        ValueError: no price has a weight.
    """
    pairs = sorted((p, w) for p, w in zip(prices, weights, strict=True) if w > 0)
    if not pairs:
        raise ValueError("no price with a weight")
    half, below = sum(w for _, w in pairs) / 2, 0.0
    for k, (price, weight) in enumerate(pairs):
        below += weight
        if below > half:
            return price
        if below == half:
            return (price + pairs[k + 1][0]) / 2
    return pairs[-1][0]


def index_price(
    prices: Sequence[float],
    weights: Sequence[float],
    rule: str = "weighted",
    outlier: float = 0.05,
    before: float = 0.0,
    ages: Sequence[float] | None = None,
    stale: float = 0.0,
) -> float:
    """Index from a list of sources, as a formula.

    Args:
        prices: of the sources in one quote asset, for one that cannot be reached its last value; 0 = none.
        weights: of the sources. rule: one of `INDEX_RULES`. outlier: share of the median.
        before: the last index, which stands when no source is left.
        ages: seconds since each source last moved; None = all have just moved. stale: the most; 0 = no bound.
    """
    old = [0.0] * len(prices) if ages is None else list(ages)
    kept = [
        (p, w)
        for p, w, age in zip(prices, weights, old, strict=True)
        if p > 0 and (stale == 0 or age < stale)
    ]
    if not kept:
        return before
    if rule == "weighted_median":
        return weighted_median([p for p, _ in kept], [w for _, w in kept])
    centre = weighted_median([p for p, _ in kept], [1.0] * len(kept))
    near = [(p, w) for p, w in kept if abs(p - centre) <= outlier * centre]
    weight = sum(w for _, w in near)
    if rule == "drop_abnormal":
        return sum(p * w for p, w in near) / weight if weight > 0 else before
    if len(kept) - len(near) > 1 or weight == 0:
        return centre
    return sum(p * w for p, w in near) / weight


@inlined
def mid_of(s, b):
    """Mid of a book's best quotes in fixed point, 0 if a side is empty or the book is crossed (in a call auction)."""
    bid = best_price(s, b, 1)
    ask = best_price(s, b, -1)
    if bid == 0 or ask == 0 or bid >= ask:
        return 0
    return (bid + ask) << 9


@kernel("i8(i8,i8)")
def spot_price_at(address, b):
    """Last trade of a book, held between its best quotes, in fixed point; 0 before anything was traded or quoted."""
    s = views(address)
    last = s.books[b].last
    if s.books[b].halted != 0:
        return last << 10
    bid = best_price(s, b, 1)
    ask = best_price(s, b, -1)
    if last == 0:
        return mid_of(s, b)
    if last < bid:
        last = bid
    elif ask > 0 and last > ask:
        last = ask
    return last << 10


@inlined
def spot_price(s, b):
    """`spot_price_at` from inside a kernel."""
    return spot_price_at(s.meta[0].address, b)


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


@kernel("i8(i8,i8,i8)")
def median_at(address, first, count):
    """Weighted median of the prices that `sorted` holds for sources `first` on, ignoring zeros; 0 if all are zero.

    Sources of equal weight give the ordinary median; where half of the weight lies between two prices, their middle.
    """
    s = views(address)
    n = 0
    total = 0
    place = MOST_SOURCES  # sorted prices, then their weights
    for i in range(count):
        value = s.sorted[i]
        weight = s.sources[first + i].weight
        if value == 0 or weight == 0:
            continue
        j = n
        while j > 0 and s.sorted[place + j - 1] > value:
            s.sorted[place + j] = s.sorted[place + j - 1]
            s.sorted[2 * place + j] = s.sorted[2 * place + j - 1]
            j -= 1
        s.sorted[place + j] = value
        s.sorted[2 * place + j] = weight
        total += weight
        n += 1
    below = 0
    for k in range(n):
        below += s.sorted[2 * place + k]
        if 2 * below > total:
            return s.sorted[place + k]
        if 2 * below == total:
            return (s.sorted[place + k] + s.sorted[place + k + 1]) // 2
    return 0


@inlined
def plain_median(s, count):
    """Median of the first `count` prices of `sorted`, every source alike, ignoring zeros; 0 if all are zero."""
    n = 0
    for i in range(count):
        if s.sorted[i] != 0:
            value = s.sorted[i]
            j = n
            while j > 0 and s.sorted[MOST_SOURCES + j - 1] > value:
                s.sorted[MOST_SOURCES + j] = s.sorted[MOST_SOURCES + j - 1]
                j -= 1
            s.sorted[MOST_SOURCES + j] = value
            n += 1
    if n == 0:
        return 0
    return (s.sorted[MOST_SOURCES + (n - 1) // 2] + s.sorted[MOST_SOURCES + n // 2]) // 2


@inlined
def watch_source(s, b):
    """Note when a spot book's best quotes have last changed (its trades are noted where they happen)."""
    bk = s.books[b]
    bid = best_price(s, b, 1)
    ask = best_price(s, b, -1)
    if bid != bk.seen_bid or ask != bk.seen_ask:
        bk.seen_bid = bid
        bk.seen_ask = ask
        bk.moved_at = s.meta[0].now


@inlined
def age_of(s, b):
    """Time since a book last traded or moved its best quotes, ms."""
    bk = s.books[b]
    latest = bk.moved_at if bk.moved_at > bk.traded_at else bk.traded_at
    return s.meta[0].now - latest


@kernel("i8(i8,i8)")
def index_of(address, b):
    """Index of a book's coin in its quote asset; what it was if no source is left."""
    s = views(address)
    bk = s.books[b]
    present = 0
    for i in range(bk.sources):
        price = source_price(s, bk.source + i)
        if bk.stale > 0 and age_of(s, s.sources[bk.source + i].book) >= bk.stale:
            price = 0
        s.sorted[i] = price
        if price != 0:
            present += 1
    if present == 0:
        return bk.index
    if bk.index_rule == WEIGHTED_MEDIAN:
        return median_at(address, bk.source, bk.sources)
    centre = plain_median(s, bk.sources)
    outliers = 0
    weight = 0
    total = 0
    for i in range(bk.sources):
        price = s.sorted[i]
        if price == 0:
            continue
        gap = price - centre
        if (gap if gap > 0 else -gap) > at_rate(centre, bk.outlier):
            outliers += 1
            continue
        w = s.sources[bk.source + i].weight
        weight += w
        total += w * (price - centre)
    if bk.index_rule == DROP_ABNORMAL:
        return centre + total // weight if weight > 0 else bk.index
    if outliers > 1 or weight == 0:
        return centre
    return centre + total // weight


@inlined
def watch_sources(s):
    """`watch_source` for every spot book."""
    for b in range(s.meta[0].books):
        if s.books[b].kind == SPOT:
            watch_source(s, b)
