"""Engines written by others, driven by the streams of `tests.bench.streams`: bourse and orderly-chaos.

Each replay returns the tape as rows (maker's name, taker's name, price, lots), both sides' depth, and the seconds of
the loop alone. A cancel or reduction of an order that is gone is skipped by what the engine itself says.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.streams import CANCEL, LIMIT, MARKET

Depth = list[tuple[int, int]]


def _columns(stream: NDArray[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*(stream[f].tolist() for f in ("op", "name", "side", "price", "qty")), strict=True))


class Bourse:
    """bourse 0.4: prices and sizes are 32-bit, names dense from 0, and two orders at one price and one time overwrite
    each other: the clock must be moved before every order. A change of an order to the size it has loses its place;
    the stream must leave such reductions out."""

    def __init__(self) -> None:
        from bourse import core

        self.book = core.OrderBook(0, 1, True)
        self.now = 0

    def replay(self, stream: NDArray[Any]) -> float:
        """Feed the stream, a call a message; the seconds that took."""
        book = self.book
        place, cancel, set_time = book.place_order, book.cancel_order, book.set_time
        modify = book.modify_order
        todo, now = _columns(stream), self.now
        began = time.perf_counter()
        for op, name, side, price, qty in todo:
            now += 1
            if op == LIMIT:
                set_time(now)
                place(side > 0, qty, 0, price)
            elif op == CANCEL:
                cancel(name)
            elif op == MARKET:
                set_time(now)
                place(side > 0, qty, 0)
            else:
                set_time(now)
                modify(name, None, qty)
        self.now = now
        return time.perf_counter() - began

    def tape(self) -> NDArray[np.int64]:
        trades = self.book.get_trades()
        return np.array([(t[5], t[4], t[2], t[3]) for t in trades], np.int64).reshape(-1, 4)

    def depth(self, side: int) -> Depth:
        levels: dict[int, int] = {}
        for bid, status, _, _, lots, _, price, *_ in self.book.get_orders():
            if status == 1 and bid == (side > 0):
                levels[price] = levels.get(price, 0) + lots
        return sorted(levels.items(), reverse=side > 0)


class OrderlyChaos:
    """orderly-chaos 0.2: the caller's names, sizes of 32 bits; a market order never rests."""

    def __init__(self) -> None:
        import orderly_chaos as oc

        self.oc = oc
        self.trades: list[tuple[int, int, int, int]] = []
        note = self.trades.append
        self.book = oc.LimitOrderBook(on_trade=lambda t: note((t.maker_id, t.taker_id, t.price, t.quantity)))

    def replay(self, stream: NDArray[Any]) -> float:
        """Feed the stream, a call a message; the seconds that took."""
        book = self.book
        buy, sell = self.oc.Side.BUY, self.oc.Side.SELL
        todo = _columns(stream)
        began = time.perf_counter()
        for op, name, side, price, qty in todo:
            if op == LIMIT:
                book.limit(buy if side > 0 else sell, name, qty, price)
            elif op == MARKET:
                book.market(buy if side > 0 else sell, name, qty)
            elif name in book:
                if op == CANCEL:
                    book.cancel(name)
                else:
                    more = book.get(name).quantity - qty
                    if more:
                        book.reduce(name, more)
        return time.perf_counter() - began

    def tape(self) -> NDArray[np.int64]:
        return np.array(self.trades, np.int64).reshape(-1, 4)

    def depth(self, side: int) -> Depth:
        book_side = self.oc.Side.BUY if side > 0 else self.oc.Side.SELL
        return [(level.price, level.volume) for level in self.book.depth(book_side, 1 << 20)]
