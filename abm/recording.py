"""The finished record of a run: every step, the events, the accounts at chosen times, as plain arrays.

`experiments.run` writes it to a folder and reads it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.columns import COLUMNS as COLUMNS
from abm.columns import Column as Column

Values = NDArray[Any]
Table = Mapping[str, Values]


@dataclass(frozen=True)
class Recording:
    """The record of one run.

    Step tables hold one array [steps, columns] a name, one column a book, venue or edge. Events, accounts and
    positions hold one array [lines] a name. A column named in `vocabularies` holds integer codes into that
    list of names, -1 for none; the columns `book`, `venue` and `edge` are coded by the lists of those names.
    """

    start: datetime  # UTC; `time` counts from here
    step: NDArray[np.int32]  # [steps] number of the recorded step
    time: NDArray[np.float64]  # [steps] seconds since start at the end of the step
    book_names: Sequence[str]
    venue_names: Sequence[str]
    edge_names: Sequence[str]
    books: Table = field(default_factory=dict)
    venues: Table = field(default_factory=dict)
    network: Table = field(default_factory=dict)
    events: Table = field(default_factory=dict)
    fills: Table = field(default_factory=dict)  # only where they are asked for
    quotes: Table = field(default_factory=dict)  # of the participants for whom they are asked
    levels: Table = field(default_factory=dict)  # of the books for which they are asked
    observations: Table = field(default_factory=dict)  # what participants remarked, if they did
    stations: Table = field(default_factory=dict)  # of the network's named resources, where it has some
    waits: Table = field(default_factory=dict)  # in their queues
    refusals: Table = field(default_factory=dict)  # transfers that were asked for and not taken
    accounts: Mapping[str, Table] = field(default_factory=dict)  # by label: "start", "end" or seconds
    positions: Mapping[str, Table] = field(default_factory=dict)  # by the same labels
    columns: Sequence[Column] = COLUMNS
    vocabularies: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def names(self, column: str) -> Sequence[str] | None:
        """The list of names that `column` is coded by, or None where it holds plain values."""
        return self.vocabularies.get(column, self.members(column))

    def members(self, key: str) -> Sequence[str] | None:
        """The recorded books, venues or edges; events and positions may name a book that is not among them."""
        return {"book": self.book_names, "venue": self.venue_names, "edge": self.edge_names}.get(key)

    def tables(self) -> dict[str, Table]:
        """Every table under its path in a run folder, in the order the digest reads them."""
        found: dict[str, Table] = {
            "steps/books": self.books,
            "steps/venues": self.venues,
            "steps/network": self.network,
            "events/events": self.events,
        }
        if self.fills:
            found["events/fills"] = self.fills
        for name in ("quotes", "levels", "observations", "stations", "waits", "refusals"):
            if getattr(self, name):
                found[f"events/{name}"] = getattr(self, name)
        for label in sorted(self.accounts):
            found[f"accounts/{label}"] = self.accounts[label]
        for label in sorted(self.positions):
            found[f"accounts/positions-{label}"] = self.positions[label]
        return found

    def digest(self) -> str:
        """SHA-256 (hex) of all values in a canonical order, whatever file or compression they are kept in."""
        total = hashlib.sha256()
        total.update(self.start.isoformat().encode())
        for names in (self.book_names, self.venue_names, self.edge_names):
            total.update("\0".join(names).encode() + b"\1")
        _feed(total, "step", self.step, None)
        _feed(total, "time", self.time, None)
        for path, table in self.tables().items():
            total.update(path.encode() + b"\1")
            for name in sorted(table):
                _feed(total, name, np.asarray(table[name]), self.names(name))
        return total.hexdigest()


def _feed(total: Any, name: str, values: Values, names: Sequence[str] | None) -> None:
    """Add one column to a hash: integers as int64, floats with one NaN and one zero, text as is."""
    total.update(f"{name}{list(values.shape)}\1".encode())
    if names is not None and values.dtype.kind in "iu":
        total.update("\0".join(names).encode() + b"\1")
    if values.dtype.kind in "iub":
        total.update(np.ascontiguousarray(values, dtype=np.int64).data)
    elif values.dtype.kind == "f":
        plain = np.array(values, dtype=np.float64) + 0.0  # + 0.0 turns -0.0 into 0.0
        plain[np.isnan(plain)] = np.nan
        total.update(np.ascontiguousarray(plain).data)
    else:
        total.update("\0".join(str(value) for value in values.ravel()).encode())
