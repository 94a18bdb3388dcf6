"""Where a desk's accounts may trade: its stations, the price of a coin in one currency, and draws for a station.

A station is a pair (row, book of the row's venue). Makers, arbitrageurs, noise and value traders are desks: a few
owners with an account at many venues that trade all or some of the books there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from abm.jit import CONSTANT, INTS, inlined, kernel
from abm.random import FOREVER, draw, key_of, uniform, unit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ALWAYS = np.uint64(FOREVER & 0xFFFFFFFFFFFFFFFF)
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
    lot = uniform(key_of(purpose), np.asarray(me.key)[row] ^ np.asarray(books.key)[book])
    order = np.lexsort((lot, book))
    first = np.searchsorted(book[order], book[order])
    keep = np.sort(order[np.arange(len(order)) - first < each])
    return row[keep], book[keep]


def traders(me: Any, books: Any, each: int, purpose: str) -> tuple[Ints, Ints, Ints]:
    """For every coin the `each` owners with the smallest hash of (owner, coin), in all books where they have a row.

    Returns (row, book, trader), int64[n]: trader numbers the pairs (owner, coin). Owners are named by the keys of their
    first rows, so that others do not change who serves a coin.
    """
    row, book = stations(me, books)
    owner, first = np.unique(np.asarray(me.owner), return_index=True)
    name = np.asarray(me.key)[first][np.searchsorted(owner, np.asarray(me.owner)[row])]
    lot = uniform(key_of(purpose), name ^ np.asarray(books.coin_key)[book])
    order = np.lexsort((row, lot, book))
    start = np.searchsorted(book[order], book[order])
    keep = np.sort(order[np.arange(len(order)) - start < each])
    row, book = row[keep], book[keep]
    pair = np.asarray(me.owner, np.int64)[row] * (int(np.max(books.coin, initial=0)) + 1) + books.coin[book]
    return row, book, np.unique(pair, return_inverse=True)[1].astype(np.int64)


def purpose(name: str) -> np.uint64:
    """The key of a purpose as kernels take it."""
    return np.uint64(key_of(name) & 0xFFFFFFFFFFFFFFFF)


@inlined
def station(purpose, bits):  # type: ignore[no-untyped-def]
    """In kernels: a uniform draw of a station for a purpose (uint64 key); `bits` are those of its row's draw combined
    (by ^) with the key of its book."""
    return unit(draw(purpose, bits, ALWAYS))


def spread(drawn: Floats, name: Ints, purpose: str) -> Floats:
    """Independent uniforms for stations, from one draw a row: hashed once more with the book's key and the purpose."""
    return uniform(key_of(purpose), drawn.view(np.int64) ^ name)


def normal(drawn: Floats, name: Ints, purpose: str) -> Floats:
    """The same with standard normal draws."""
    result: Floats = ndtri(spread(drawn, name, purpose))
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


def means(books: Any) -> Ints:
    """int64[2, books]: the asset in which a sale, and a purchase, is paid at a spot book; -1 = none, but margin."""
    result: Ints = np.where(np.asarray(books.kind) == 1, np.stack((books.base, books.quote)), -1).astype(
        np.int64
    )
    return result


def or_zero(values: Any) -> Floats:
    """The values, 0 where there is none (NaN)."""
    result: Floats = np.where(np.isnan(values), 0.0, values)
    return result


@kernel(f"void({CONSTANT},i8[::1],i8[::1],f8[::1])")
def _rates(mid, via, power, out):  # type: ignore[no-untyped-def]
    """mid[via] ** power where there is such a price, else 1."""
    for b in range(len(out)):
        rate = mid[via[b]]
        out[b] = 1.0
        if power[b] != 0 and rate > 0:
            out[b] = rate if power[b] > 0 else 1.0 / rate


def rates(market: Any, via: Ints, power: Ints) -> Floats:
    """float64[books]: what a price of the book is multiplied with to be in common dollars."""
    result = np.empty(len(via))
    _rates(market.mid, via, power, result)
    return result


def fair(market: Any) -> Floats:
    """float64[books]: the best public guess of the price: mid, else mark, last, the opening price."""
    price = np.empty(len(market.mid))
    _fair(market.mid, market.mark, market.last, market.books.opening_price, price)
    return price


@kernel(f"void({CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},f8[::1])")
def _fair(mid, mark, last, opening, out):  # type: ignore[no-untyped-def]
    """The first of four prices that there is."""
    for b in range(len(out)):
        if mid[b] > 0:
            out[b] = mid[b]
        elif mark[b] > 0:
            out[b] = mark[b]
        else:
            out[b] = last[b] if last[b] > 0 else opening[b]


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
    known = np.empty(len(market.calm_volatility))
    _calm(market.calm_volatility, known)
    return known


@kernel(f"void({CONSTANT},f8[::1])")
def _calm(known, out):  # type: ignore[no-untyped-def]
    """What is known, and at least `QUIET`, also where nothing is."""
    for b in range(len(out)):
        out[b] = known[b] if known[b] > QUIET else QUIET


@kernel(f"void({CONSTANT},f8[::1],{INTS},f8[::1],f8[::1],f8,f8[::1],f8[::1])")
def _swing(mid, convert, coin, weight, calm, since, log, known):  # type: ignore[no-untyped-def]
    """Move the volatility of every book's coin on by the weighted mean move since the last look."""
    coins = 0
    for b in range(len(coin)):
        coins = max(coins, coin[b] + 1)
    total, moved = np.zeros(coins), np.zeros(coins)
    for b in range(len(coin)):
        now = np.log(mid[b] * convert[b]) if mid[b] * convert[b] > 0 else np.nan
        if np.isfinite(now - log[b]):
            total[coin[b]] += max(weight[b], 1e-12)
            moved[coin[b]] += max(weight[b], 1e-12) * (now - log[b])
        log[b] = now
    if not np.isfinite(since):
        return
    part = 1.0 - 2.0 ** (-since / HALF_LIFE)
    for b in range(len(coin)):
        move = moved[coin[b]] / max(total[coin[b]], 1e-12)
        old = known[b] ** 2
        known[b] = np.sqrt(old + part * (move**2 / since / calm[b] ** 2 - old))


def stress(memory: dict[str, Any], market: Any, convert: Floats, weight: Floats) -> Floats:
    """float64[books], at least 1: volatility of the coin's mean mid over its calm value.

    The mean over all books of the coin, weighted and in common dollars: a single book whose touch was eaten swings
    without anything having happened to the coin. Kept in `memory` under stress_*; looks every `SAMPLE` seconds.
    """
    if "stress" not in memory:
        memory["stress"] = np.ones(len(weight))
        memory["stress_log"] = np.full(len(weight), np.nan)
        memory["stress_time"] = np.array(-np.inf)
    if stress_moves(memory, market):
        coin, since = (
            np.ascontiguousarray(market.books.coin, np.int64),
            market.time - float(memory["stress_time"]),
        )
        _swing(market.mid, convert, coin, weight, calm(market), since, memory["stress_log"], memory["stress"])
        memory["stress_time"] = np.array(market.time)
    known: Floats = np.maximum(memory["stress"], 1.0)
    return known


def stress_moves(memory: dict[str, Any], market: Any) -> bool:
    """Whether it is time for `stress` to look."""
    return "stress" not in memory or market.time - float(memory["stress_time"]) >= SAMPLE - 1e-9


def annual(market: Any) -> Floats:
    """float64[books]: calm volatility per square root of a year."""
    sigma = or_zero(market.calm_volatility) * np.sqrt(YEAR)
    return np.where(sigma > 0, sigma, 0.5)
