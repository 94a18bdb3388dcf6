"""Positions closed by force, out of a tape: the latest, those of one owner, dollars by owner."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.dashboard.tape import CLOSINGS, Tape

VERBS = {"liquidation": "liquidated", "takeover": "taken over", "adl": "closed by ADL"}
Places = NDArray[np.int64]


def kinds(tape: Tape) -> list[int]:
    """Numbers of the kinds of events by which positions are closed by force."""
    return [tape.kinds.index(kind) for kind in CLOSINGS if kind in tape.kinds]


def of(tape: Tape, owner: int, either: bool = False) -> Places:
    """Places in the tape's events at which an owner's positions were closed; `either`: or others' against it."""
    events = tape.events
    if not events.count:
        return np.zeros(0, np.int64)
    mine = events.column("owner") == owner
    if either:
        mine |= events.column("other_owner")[: len(mine)] == owner
    return np.flatnonzero(mine & np.isin(events.column("kind")[: len(mine)], kinds(tape)))


def by_owner(tape: Tape) -> NDArray[np.float64]:
    """Dollars closed of each owner."""
    closed = np.zeros(len(tape.owners))
    events, count = tape.events, tape.events.count
    if count:
        owner, value, kind = (events.column(name)[:count] for name in ("owner", "value", "kind"))
        mine = np.isin(kind, kinds(tape)) & (owner >= 0) & (owner < len(closed))
        np.add.at(closed, owner[mine], np.nan_to_num(value[mine]))
    return closed


def latest(tape: Tape, most: int) -> dict[str, list[Any]]:
    """The latest closings, the newest first, as a list shows them."""
    events, count = tape.events, tape.events.count
    names = ("clock", "what", "who", "book", "value", "price", "owner")
    if not count or not most:
        return {name: [] for name in names}
    part = slice(max(0, count - 40 * most), count)
    kind, value = events.column("kind")[part], events.column("value")[part]
    at = np.flatnonzero(np.isin(kind, kinds(tape)) & (value > 0))[::-1][:most]
    column = {name: events.column(name)[part][at] for name in ("time", "side", "owner", "book", "price")}
    sides = np.where(column["side"] > 0, "long", "short").tolist()
    books = [tape.every_book[one] for one in column["book"].tolist()]
    return {
        "clock": [tape.clock(one) for one in column["time"].tolist()],
        "what": [f"{side} {VERBS[tape.kinds[k]]}" for side, k in zip(sides, kind[at].tolist(), strict=True)],
        "who": [tape.name(one) for one in column["owner"].tolist()],
        "book": books,
        "value": value[at].tolist(),
        "price": [
            f"{price:,.7g} {tape.unit(book)}" if np.isfinite(price) else ""
            for price, book in zip(column["price"].tolist(), books, strict=True)
        ],
        "owner": column["owner"].tolist(),
    }
