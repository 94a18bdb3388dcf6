"""What has been recorded so far, for who looks on: columns that grow while a run goes on.

One thread appends, others read whatever has been appended whole. A finished run fills a tape at once, so that what is
shown of a run folder and of a run under way is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.causes import EVENT_KINDS
from abm.liquidation import STAGES
from abm.recording import Recording
from experiments.readings import AGGREGATES

Values = NDArray[Any]

BOOKS = ("last", "low", "mark", "depth_bid_100", "depth_ask_100", "open_interest_usd")
VENUES = ("liquidated_long", "liquidated_short", "adl", "takeover", "fund_equity")
NETWORK = ("queue", "in_transit", "open")
STEPS = {"books": BOOKS, "venues": VENUES, "network": NETWORK}
EVENTS = (
    "time", "kind", "venue", "book", "owner", "row", "other_owner", "side", "quantity", "price", "mark", "value",
    "stage",
)  # fmt: skip
CLOSINGS = ("liquidation", "takeover", "adl")  # positions closed by force
SHOWN = (*CLOSINGS, "bankruptcy", "news", "withdrawals_stopped", "withdrawals_opened", "halted", "resumed")


class Growing:
    """Columns of equal length to which lines are appended; reading gives a view of the lines that are whole."""

    def __init__(self) -> None:
        self._columns: dict[str, Values] = {}
        self.count = 0

    def append(self, lines: Mapping[str, Values]) -> None:
        """Add lines; every call names the same columns."""
        more = len(next(iter(lines.values())))
        if not more:
            return
        grown = {}
        for name, values in lines.items():
            old = self._columns.get(name)
            if old is None or self.count + more > len(old):
                new = np.empty((max(2 * (self.count + more), 1024), *values.shape[1:]), values.dtype)
                if old is not None:
                    new[: self.count] = old[: self.count]
                old = new
            old[self.count : self.count + more] = values
            grown[name] = old
        self._columns = grown
        self.count += more  # last: nobody sees lines that are not whole

    def column(self, name: str) -> Values:
        """One column; empty before the first line."""
        count = self.count
        found = self._columns.get(name)
        return np.zeros(0) if found is None else found[:count]


class Tape:
    """The record of one run so far.

    Attributes:
        start: UTC of second 0. books, venues, edges, owners, participants: names, in the order of their numbers.
        quotes: the asset in which each venue names its prices.
        steps: `time`, and as [line, member] "books.last", "venues.adl", "network.queue" and so on.
        events: closings by force and what marks a moment, with `kind`, `book`, `venue`, `stage` as numbers.
        wealth: `time`, and `usd` [line, participant].
    """

    def __init__(
        self,
        start: datetime,
        books: Sequence[str],
        venues: Sequence[str],
        edges: Sequence[str],
        owners: Sequence[str],
        participants: Sequence[str],
        vocabularies: Mapping[str, Sequence[str]] | None = None,
        quotes: Mapping[str, str] | None = None,
    ) -> None:
        names = vocabularies or {}
        self.start, self.books, self.venues, self.edges = start, list(books), list(venues), list(edges)
        self.owners, self.participants = list(owners), list(participants)
        self.quotes = dict(quotes or {})
        self.every_book = list(names.get("book", books))  # events name books that are not recorded, too
        self.kinds, self.stages = list(names.get("kind", EVENT_KINDS)), list(names.get("stage", STAGES))
        self.steps, self.events, self.wealth = Growing(), Growing(), Growing()
        self._shown = [self.kinds.index(kind) for kind in SHOWN if kind in self.kinds]

    def extend(self, part: Recording) -> None:
        """Append what a recorder has recorded since the last time."""
        lines: dict[str, Values] = {"time": part.time}
        for table, names, members in (
            ("books", BOOKS, self.books), ("venues", VENUES, self.venues), ("network", NETWORK, self.edges),
        ):  # fmt: skip
            given = getattr(part, table)
            for name in names:
                empty = np.zeros((len(part.time), len(members)))
                lines[f"{table}.{name}"] = np.asarray(given.get(name, empty), np.float64)
        events = part.events
        if events:
            mine = np.isin(events["kind"], self._shown)
            self.events.append({name: events[name][mine] for name in EVENTS})
        self.steps.append(lines)

    @property
    def now(self) -> float:
        """Seconds of the latest recorded step; 0 before the first."""
        times = self.steps.column("time")
        return float(times[-1]) if len(times) else 0.0

    def clock(self, seconds: float) -> str:
        """A moment of the run as a clock shows it, UTC."""
        return f"{self.start + timedelta(seconds=float(seconds)):%H:%M:%S}"

    def name(self, owner: int) -> str:
        """An owner's name by its number."""
        return self.owners[owner] if 0 <= owner < len(self.owners) else f"owner {owner}"

    def unit(self, book: str) -> str:
        """The asset in which the prices of a book, or the accounts of a venue, are counted."""
        return self.quotes.get(book.partition(":")[0], "")

    def coins(self) -> list[str]:
        """Coins with a perpetual, then those with spot alone."""
        perps = [coin_of(book) for book in self.books if book.endswith("-PERP")]
        return list(dict.fromkeys([*perps, *(coin_of(book) for book in self.books)]))

    def of_coin(self, coin: str) -> list[int]:
        """Numbers of a coin's books: perpetuals, then spot; who stands for many last."""
        mine = [k for k, book in enumerate(self.books) if coin_of(book) == coin]
        return sorted(
            mine,
            key=lambda k: (self.books[k].partition(":")[0] in AGGREGATES, self.books[k].endswith("-SPOT"), k),
        )


def coin_of(book: str) -> str:
    """BTC of alpha:BTC-PERP."""
    return book.partition(":")[2].rpartition("-")[0]
