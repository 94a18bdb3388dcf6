"""Where a desk's accounts may trade: its stations, the price of a coin in one currency, and draws for a station.

A station is a pair (row, book of the row's venue). Makers, arbitrageurs, noise and value traders are desks: a few
owners with an account at many venues that trade all or some of the books there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from abm.random import key_of, uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
YEAR = 365.0 * 86400.0  # s


def stations(me: Any, books: Any) -> tuple[Ints, Ints]:
    """All pairs (position in me.rows, book) with the book at the row's venue; isolated rows have no desk."""
    venue = np.where(np.asarray(me.isolated), -1, np.asarray(me.venue))
    row, book = np.nonzero(venue[:, None] == np.asarray(books.venue)[None, :])
    return row.astype(np.int64), book.astype(np.int64)


def chosen(me: Any, books: Any, each: int, purpose: str) -> tuple[Ints, Ints]:
    """For every book the `each` rows of its venue with the smallest hash of (row key, book).

    Which rows serve a book does not depend on other books, and a row that is taken out is replaced by one other.
    """
    row, book = stations(me, books)
    lot = uniform(key_of(purpose), np.asarray(me.key)[row] ^ (book * 0x9E3779B97F4A7))
    order = np.lexsort((lot, book))
    first = np.searchsorted(book[order], book[order])
    keep = np.sort(order[np.arange(len(order)) - first < each])
    return row[keep], book[keep]


def spread(drawn: Floats, book: Ints, purpose: str) -> Floats:
    """Independent uniforms for stations, from one draw a row: hashed once more with the book and the purpose."""
    return uniform(key_of(purpose), drawn.view(np.int64) ^ (book * 0x9E3779B97F4A7))


def normal(drawn: Floats, book: Ints, purpose: str) -> Floats:
    """The same with standard normal draws."""
    result: Floats = ndtri(spread(drawn, book, purpose))
    return result


def conversion(books: Any) -> tuple[Ints, Ints]:
    """How a book's prices become dollars of the quote asset that most perpetuals have.

    Returns (via, power), int64[books]: multiply a price by mid[via] ** power, where via is the spot book between
    the two quote assets; power 0 where none is needed, or none exists (then one is taken for the other).
    """
    quote, base = np.asarray(books.quote, np.int64), np.asarray(books.base, np.int64)
    kind = np.asarray(books.kind)
    perps = quote[kind == 0] if (kind == 0).any() else quote
    common = int(np.bincount(perps).argmax())
    via, power = np.zeros(len(quote), np.int64), np.zeros(len(quote), np.int64)
    for b in range(len(quote)):
        if quote[b] == common or base[b] == common:
            continue
        down = np.flatnonzero((kind == 1) & (base == common) & (quote == quote[b]))
        up = np.flatnonzero((kind == 1) & (base == quote[b]) & (quote == common))
        if len(down):
            via[b], power[b] = down[0], -1
        elif len(up):
            via[b], power[b] = up[0], 1
    return via, power


def or_zero(values: Any) -> Floats:
    """The values, 0 where there is none (NaN)."""
    result: Floats = np.where(np.isnan(values), 0.0, values)
    return result


def rates(market: Any, via: Ints, power: Ints) -> Floats:
    """float64[books]: what a price of the book is multiplied with to be in common dollars."""
    result = np.ones(len(via))
    foreign = np.flatnonzero(power)
    mid = np.asarray(market.mid)[via[foreign]]
    result[foreign] = np.power(np.where(mid > 0, mid, 1.0), power[foreign])
    return result


def fair(market: Any) -> Floats:
    """float64[books]: the best public guess of the price: mid, else mark, last, the opening price."""
    price = np.array(market.mid, np.float64)
    for other in (market.mark, market.last, market.books.opening_price):
        there = price > 0
        if there.all():
            break
        price = np.where(there, price, np.asarray(other))
    return price


def by_coin(books: Any, values: Floats) -> Floats:
    """float64[books]: the sum of `values` over all books of the same coin."""
    coin = np.asarray(books.coin, np.int64)
    total: Floats = np.bincount(coin, or_zero(values)).astype(np.float64)[coin]
    return total


def interest(market: Any, convert: Floats) -> Floats:
    """float64[books]: open interest in common dollars, 0 for spot."""
    value = or_zero(np.asarray(market.open_interest) * fair(market) * convert)
    return np.where(np.asarray(market.books.kind) == 0, value, 0.0)


def majors(books: Any) -> NDArray[np.bool_]:
    """bool[books]: books of coins of the largest size class."""
    major = np.array([name == "major" for name in books.coin_class], bool)
    result: NDArray[np.bool_] = major[np.asarray(books.coin, np.int64)]
    return result


SAMPLE, HALF_LIFE = (
    5.0,
    60.0,
)  # s, of the volatility of a coin: returns over the first, averaged over the second
QUIET = (
    3e-5  # least calm volatility reckoned with, per square root of a second: the bounce of one tick or order
)


def calm(market: Any) -> Floats:
    """float64[books]: calm volatility, per square root of a second."""
    result: Floats = np.maximum(or_zero(market.calm_volatility), QUIET)
    return result


def stress(memory: dict[str, Any], market: Any, convert: Floats, weight: Floats) -> Floats:
    """float64[books], at least 1: volatility of the coin's mean mid over its calm value.

    The mean over all books of the coin, weighted and in common dollars: a single book whose touch was eaten swings
    without anything having happened to the coin. Kept in `memory` under stress_*; looks every `SAMPLE` seconds.
    """
    if "stress" not in memory:
        memory["stress"] = np.ones(len(weight))
        memory["stress_log"] = np.full(len(weight), np.nan)
        memory["stress_time"] = np.array(-np.inf)
    if market.time - memory["stress_time"] < SAMPLE - 1e-9:
        known: Floats = np.maximum(memory["stress"], 1.0)
        return known
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.log(np.asarray(market.mid) * convert)
    change = log - memory["stress_log"]
    seen = np.where(np.isfinite(change), np.maximum(weight, 1e-12), 0.0)
    moved = by_coin(market.books, seen * or_zero(change)) / np.maximum(by_coin(market.books, seen), 1e-12)
    since = market.time - memory["stress_time"]
    if np.isfinite(since):
        new, old = moved**2 / since / calm(market) ** 2, memory["stress"] ** 2
        memory["stress"] = np.sqrt(old + (1.0 - 2.0 ** (-since / HALF_LIFE)) * (new - old))
    memory["stress_log"] = log
    memory["stress_time"] = np.array(market.time)
    known = np.maximum(memory["stress"], 1.0)
    return known


def annual(market: Any) -> Floats:
    """float64[books]: calm volatility per square root of a year."""
    sigma = or_zero(market.calm_volatility) * np.sqrt(YEAR)
    return np.where(sigma > 0, sigma, 0.5)
