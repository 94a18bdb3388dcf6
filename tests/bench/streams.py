"""Streams of orders for one book, the same for every engine.

Orders are named 0, 1, 2 ... without a gap; a market order has a name too. A cancel or reduction names an order that
may have died: every engine must shrug at it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.plain_book import PlainBook

LIMIT, MARKET, CANCEL, REDUCE = range(4)
REQUEST = np.dtype([("op", "u1"), ("side", "i1"), ("name", "i4"), ("price", "i8"), ("qty", "i8")])
BLOCK = 256  # reductions come at the beginning of a block: a batch engine then knows their handles
MIDDLE = 1_000_000


def near_touch(count: int, resting: int = 5_000, seed: int = 20251010) -> NDArray[Any]:
    """`resting` limits, then half limits near the touch, 40 % cancels of living orders and 10 % market orders.

    Market orders are large while more than `resting` orders live and small otherwise, so that about so many stay. A
    plain book runs along, so that it is known who lives.
    """
    rng = np.random.default_rng(seed)
    n = resting + count
    out = np.zeros(n, REQUEST)
    u = rng.random(n)
    u[:resting] = 0.0
    out["op"] = np.where(u < 0.5, LIMIT, np.where(u < 0.9, CANCEL, MARKET))
    out["side"] = np.where(rng.random(n) < 0.5, 1, -1)
    through = np.where((rng.random(n) < 0.05) & (np.arange(n) >= resting), 3, 0)
    out["price"] = MIDDLE - out["side"] * (rng.geometric(0.05, n) - through)
    out["qty"] = rng.integers(1, 20, n)
    book, live, name = PlainBook(), [], 0
    names, lots = [0] * n, out["qty"].tolist()
    columns = (out["op"].tolist(), out["side"].tolist(), out["price"].tolist(), rng.random(n).tolist())
    for i, (op, side, price, draw) in enumerate(zip(*columns, strict=True)):
        if op == CANCEL:
            target = -1
            while target not in book.orders:
                k = int(draw * len(live))
                target, live[k] = live[k], live[-1]
                live.pop()
            names[i] = target
            book.cancel(target)
            continue
        names[i] = name
        if op == LIMIT:
            book.add(name, side, price, lots[i])
            live.append(name)
        else:
            lots[i] = 1 + int(draw * (58 if len(book.orders) > resting else 2))
            book.add(name, side, 1 << 40 if side > 0 else 1, lots[i], rests=False)
        name += 1
    out["name"], out["qty"] = names, lots
    return out


def walk(count: int, resting: int, width: int, seed: int) -> NDArray[Any]:
    """A book that wanders: about `resting` orders within `width` ticks; 6 % reductions to one lot.

    Thin: few orders over few ticks, a side is often empty. Deep: thousands over hundreds of ticks.
    """
    rng = np.random.default_rng(seed)
    n = resting + count
    out = np.zeros(n, REQUEST)
    u = rng.random(n)
    u[:resting] = 0.0
    out["op"] = np.where(u < 0.5, LIMIT, np.where(u < 0.85, CANCEL, MARKET))
    out["op"][(np.arange(n) % BLOCK < 16) & (np.arange(n) >= resting)] = REDUCE
    out["side"] = np.where(rng.random(n) < 0.5, 1, -1)
    middle = MIDDLE + np.cumsum(rng.integers(-1, 2, n)) // 8
    out["price"] = middle - out["side"] * rng.integers(-1, width, n)
    out["qty"] = rng.integers(1, 30, n)
    _name_cancels(out, rng.random(n))
    return out


def _name_cancels(out: NDArray[Any], u: NDArray[np.float64]) -> None:
    """Name orders without a gap; a cancel takes a limit order that nobody has cancelled, at random, out of the list."""
    live: list[int] = []
    name = 0
    names, ops = [0] * len(out), out["op"].tolist()
    for i, (op, draw) in enumerate(zip(ops, u.tolist(), strict=True)):
        if op in (LIMIT, MARKET):
            names[i] = name
            if op == LIMIT:
                live.append(name)
            name += 1
        elif live:
            k = int(draw * len(live))
            names[i] = live[k]
            if op == CANCEL:
                live[k] = live[-1]
                live.pop()
        else:
            raise ValueError("the stream cancels before anything rests: give it a prefill")
    out["name"] = names
    price_of = out["price"][np.isin(out["op"], (LIMIT, MARKET))]  # by name
    reduced = out["op"] == REDUCE
    out["price"][reduced] = price_of[out["name"][reduced]]  # a reduction keeps its order's price
    out["qty"][reduced] = 1
