"""A bare price-time book in plain Python: no accounts, no checks. It tells the stream who lives."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque


class PlainBook:
    """Prices are ranks (bids: price, asks: minus price), so that the best is last on both sides."""

    def __init__(self) -> None:
        self.ranks: tuple[list[int], list[int]] = ([], [])
        self.levels: tuple[dict[int, deque[list[int]]], dict[int, deque[list[int]]]] = ({}, {})
        self.orders: dict[int, list[int]] = {}
        self.tape: list[tuple[int, int, int, int]] = []

    def add(self, name: int, side: int, price: int, qty: int, rests: bool = True) -> None:
        """A limit order, or (`rests` false) a market order with a far price."""
        other = 1 if side > 0 else 0
        ranks, levels = self.ranks[other], self.levels[other]
        while qty and ranks:
            best = ranks[-1]
            against = best if side < 0 else -best  # the resting price
            if side * against > side * price:
                break
            queue = levels[best]
            while qty and queue:
                order = queue[0]
                if not order[1]:
                    queue.popleft()
                    continue
                part = min(qty, order[1])
                order[1] -= part
                qty -= part
                self.tape.append((order[0], name, abs(best), part))
                if not order[1]:
                    queue.popleft()
                    self.orders.pop(order[0], None)
            if not queue:
                ranks.pop()
                del levels[best]
        if qty and rests:
            own = 1 - other
            rank = side * price
            if rank not in self.levels[own]:
                self.levels[own][rank] = deque()
                insort(self.ranks[own], rank)
            order = [name, qty, own, rank]
            self.levels[own][rank].append(order)
            self.orders[name] = order

    def cancel(self, name: int) -> None:
        """Forget an order; an empty level goes with it."""
        order = self.orders.pop(name, None)
        if order is None:
            return
        order[1] = 0
        _, _, own, rank = order
        queue = self.levels[own][rank]
        queue.remove(order)
        if not queue:
            del self.levels[own][rank]
            ranks = self.ranks[own]
            del ranks[bisect_left(ranks, rank)]
