"""What auto-deleveraging costs hedged owners, in three parts that add up: row P5 of the card taken apart.

A hedged owner is short the perpetual and owns the coin. When its short is closed by force at price a, while the mark is
m, and what it then trades for the coins left naked happens at prices p, all held against the prices e of the run's end:

    gap            q (a - m)       closed away from the mark (positive: dearer than it)
    hedge lost     q (m - e)       what the short would have earned, or lost, from there to the end
    re-hedging    -s q (e - p)     what its own trades afterwards earned less (s = 1 bought, -1 sold), and their fees

The sum is what the owner has less than if its short had been left alone and nothing else had changed, prices included.
Runs against their pairs without ADL (P5b) contain the change of prices, too. Needs a run that kept fills
(`record.fills = true`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from experiments import readings
from experiments.readings import Unmeasured
from experiments.run import Run

MLN = 1e6
REASONS = ("hedge",)  # causes of the orders by which a hedger mends


class Split(NamedTuple):
    """M$, positive = a cost to hedged owners; `closed` is what was closed of their shorts, M$ at the mark."""

    closed: float
    gap: float
    hedge_lost: float
    rehedging: float

    @property
    def total(self) -> float:
        return self.gap + self.hedge_lost + self.rehedging


def split(run: Run) -> Split:
    """The three parts over all hedgers of a run. Raises Unmeasured without hedgers, or without kept fills."""
    if not (run.folder / "events" / "fills.parquet").exists():
        raise Unmeasured("the run kept no fills (record.fills = true keeps them)")
    hedgers = _owners(run)
    end = {name: _last(run, name) for name in run.books}
    first: dict[int, float] = {}
    closed = gap = lost = 0.0
    if "adl" in run.vocabularies.get("kind", ()):
        events = run.events("adl")
        # the winner is the other side; the side told is that of the position that could not be liquidated
        mine = np.isin(events["other_owner"], hedgers) & (events["side"] > 0)
        for k in np.flatnonzero(mine):
            quantity, price, mark = (float(events[name][k]) for name in ("quantity", "price", "mark"))
            closed += quantity * mark
            gap += quantity * (price - mark)
            lost += quantity * (mark - end[str(events["book"][k])])
            first.setdefault(int(events["other_owner"][k]), float(events["time"][k]))
    return Split(closed / MLN, gap / MLN, lost / MLN, _rehedging(run, first, end) / MLN)


def _owners(run: Run) -> npt.NDArray[np.int64]:
    entries = [name for name, entry in run.config["population"].items() if entry["species"] == "hedger"]
    if not entries:
        raise Unmeasured("no hedged owners in the population")
    table = run.accounts("start")
    found: npt.NDArray[np.int64] = np.unique(table["owner"][np.isin(table["participant"], entries)])
    return found


def _last(run: Run, book: str) -> float:
    """The price to which a book's contract is valued at the end: the mark, at spot the last trade."""
    name = "mark" if book.endswith("-PERP") else "last"
    return float(readings.filled(run.column(name, book=book))[-1])


def _rehedging(run: Run, first: dict[int, float], end: dict[str, float]) -> float:
    """Cost of what owners traded to mend after they were closed for the first time, at the prices of the end."""
    if not first:
        return 0.0
    fills = run.fills()
    owner = np.asarray(fills["taker_owner"])
    mine = np.isin(owner, list(first)) & np.isin(np.asarray(fills["cause"]).astype(str), REASONS)
    since = np.array([first[int(who)] for who in owner[mine]])
    kept = np.flatnonzero(mine)[np.asarray(fills["time"])[mine] >= since]
    books = np.asarray(fills["book"])[kept].astype(str)
    final = np.array([end[book] for book in books])
    price, quantity = (np.asarray(fills[name], dtype=float)[kept] for name in ("price", "quantity"))
    lost = np.asarray(fills["side"])[kept] * quantity * (price - final)
    return float(lost.sum() + (_fees(run, books) * quantity * price).sum())


def _fees(run: Run, books: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """The taker's fee at the venue of each book, a share."""
    rules = run.config["venues"]
    known = {book: float(rules[book.partition(":")[0]]["fees"]["taker"]) for book in set(books.tolist())}
    return np.array([known[book] for book in books.tolist()], dtype=float)
