"""What a venue publishes as its depth, by looking at all levels of a book: the slow twin of `publication.look_from`."""

from __future__ import annotations

from tests.twins.market import Desk

WIDTHS = (200, 100, 50, 20)  # a reference price divided by these: 0.5, 1, 2 and 5 % of it


def reference(desk: Desk, book: int) -> int:
    """The price from which depth is measured, in half ticks: the middle, else the mark, else the last trade."""
    bids, offers = desk.queue(book, 1), desk.queue(book, -1)
    if bids and offers and bids[0][0] < offers[0][0]:
        return bids[0][0] + offers[0][0]
    record = desk.state.books[book]
    return int(record["mark"]) >> 9 if record["mark"] > 0 else 2 * int(record["last"])


def depth(desk: Desk, book: int, side: int) -> list[int]:
    """Lots of a side within 0.5, 1, 2 and 5 % of the reference."""
    middle = reference(desk, book)
    return [
        sum(
            lots
            for price, queue in desk.queue(book, side)
            for _, lots in queue
            if side * (middle - 2 * price) <= middle // width
        )
        for width in WIDTHS
    ]


def published(desk: Desk, book: int, side: int) -> list[int]:
    """The same as the venue has published it in the step of now."""
    s = desk.state
    record = s.public[int(s.meta["step"][0] % s.meta["ring"][0]) * s.count("books") + book]
    return [int(record[f"{'bid' if side > 0 else 'ask'}{i}"]) for i in range(len(WIDTHS))]
