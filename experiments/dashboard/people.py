"""Finding accounts: by name among all, or by what was closed of them; and what one opened with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from experiments.dashboard import closings
from experiments.dashboard.tape import Tape
from experiments.run import Run


class Found(NamedTuple):
    """An owner, and the dollars that were closed of it by force."""

    owner: int
    name: str
    closed: float


class Opening(NamedTuple):
    """A position at the first kept moment: signed coins, mean entry, mark at which it would be liquidated."""

    book: str
    quantity: float
    entry: float
    liquidation: float


def find(tape: Tape, text: str, most: int = 12) -> list[Found]:
    """Owners whose names hold a text, those of whom most was closed first; with an empty text only
    such, and not the venues' own funds."""
    closed = closings.by_owner(tape)
    wanted = text.strip().lower()
    if not wanted:
        theirs = tuple(f"{venue}/" for venue in tape.venues)
        hits = np.array(
            [k for k in np.flatnonzero(closed > 0) if not tape.owners[k].startswith(theirs)], np.int64
        )
    else:
        hits = np.array([k for k, name in enumerate(tape.owners) if wanted in name.lower()], np.int64)
    exact = np.array([tape.owners[k].lower() == wanted for k in hits], bool)
    order = hits[np.lexsort((hits, -closed[hits], ~exact))][:most] if len(hits) else hits
    return [Found(int(k), tape.owners[k], float(closed[k])) for k in order]


def openings(run: Run, owner: int) -> list[Opening]:
    """The positions of an owner at the first moment at which the run kept accounts, the largest first."""
    if "start" not in run.labels():
        return []
    accounts = run.table("accounts/start")
    rows = accounts.filter(pc.equal(accounts["owner"], owner))["row"]
    held = run.table("accounts/positions-start")
    mine = held.filter(pc.is_in(held["row"], value_set=rows.combine_chunks()))
    lines = sorted(mine.to_pylist(), key=lambda line: -abs(line["notional"]))
    return [
        Opening(str(one["book"]), one["quantity"], one["entry_price"], one["liquidation_price"])
        for one in lines
    ]
