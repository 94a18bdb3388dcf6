"""The margin index beside a full compiled pass over all rows, with the same brackets and the same marks."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import collateral_price, waterfall
from abm.jit import kernel
from abm.margin import equity_and_maintenance
from abm.model import CascadeModel
from abm.state import views
from experiments.build import build
from experiments.config import load
from tests.bench.line import Line


@kernel("i8(i8)")
def full_pass(address):  # type: ignore[no-untyped-def]
    """Look at every row and queue who is under maintenance, and nothing else.

    The index's twin `waterfall.find_by_full_pass` also enters every row into the index anew, which costs far more
    than the look: a ratio to it would flatter the index.
    """
    s = views(address)
    for row in range(s.meta[0].rows):
        equity, maintenance = equity_and_maintenance(s, row)
        if equity < maintenance and s.rows[row].queued == 0:
            s.rows[row].queued = 1
            s.queue[s.meta[0].queued] = row
            s.meta[0].queued += 1
    return s.meta[0].queued


def calm_model() -> CascadeModel:
    """October a minute after its opening."""
    model = build(load("october_2025"), 1)
    model.run(60)
    return model


def replay(
    model: CascadeModel, books: NDArray[np.int64], marks: NDArray[np.int64], check: Any
) -> tuple[float, list[int], int]:
    """(seconds of the checks alone, rows found at each, looks of the index) over marks of shape (steps, books)."""
    s = model.state
    opening = s.books["mark"][books].copy()
    for b in books:
        waterfall.anchor(s.address, int(b))
    s.rows["queued"][:] = 0
    s.meta["queued"] = 0
    found, spent = [], 0.0
    before = int(s.meta["checked"][0])
    for mark in marks:
        s.books["mark"][books] = mark
        began = time.perf_counter()
        # as in every step: has those looked at who stand on the price of their collateral
        collateral_price.price_collateral(s.address)
        found.append(int(check(s.address)))
        spent += time.perf_counter() - began
    s.books["mark"][books] = opening
    return spent, found, int(s.meta["checked"][0]) - before


def a_fall(opening: NDArray[np.int64], steps: int = 600) -> NDArray[np.int64]:
    """A walk of all marks that falls by 5 % in its second half."""
    noise = np.cumsum(np.random.default_rng(1).normal(0, 2e-4, steps))
    common = noise - 0.05 * np.clip(np.linspace(-1, 1, steps), 0, None)
    return (opening * (1 + common[:, None])).astype(np.int64)


def against_full_pass(
    model: CascadeModel, books: NDArray[np.int64], marks: NDArray[np.int64], what: str
) -> Line:
    index, found, looks = replay(model, books, marks, waterfall.find)
    full, all_found, _ = replay(model, books, marks, full_pass)
    if found != all_found:
        raise AssertionError("the margin index and the full pass found different accounts")
    each = full / len(marks) / model.state.count("rows") * 1e9
    beside = f"{max(found):,} found, {looks:,} looks in {len(marks):,} steps, {what}; a full pass {each:.0f} ns a row"
    return Line(
        "margin: full compiled pass / index, same accounts found", full / index, least=15.0, beside=beside
    )


def one_coin_alone(model: CascadeModel) -> Line:
    """Rows looked at while one small coin falls 80 % in a minute on one venue, over the rows that hold it."""
    s = model.state
    perps = np.flatnonzero(model.books.kind == 0)
    classes = np.array(model.books.coin_class)[model.books.coin[perps]]
    small = perps[classes != "major"]
    b = int(small[-1]) if len(small) else int(perps[-1])
    held = s.positions[: s.count("positions")]
    holders = np.unique(held["row"][(held["book"] == b) & (held["qty"] != 0)])
    opening = int(s.books["mark"][b])
    marks = np.array([[round(opening * (1 - 0.8 * (k + 1) / 60))] for k in range(60)])
    *_, looked = replay(model, np.array([b]), marks, waterfall.find)
    rows = s.count("rows")
    beside = f"{looked:,} looks, {len(holders):,} holders of {rows:,} rows, {model.books.name[b]}"
    return Line(
        "margin: looks while one small coin falls 80 % alone / its holders",
        looked / max(1, len(holders)),
        most=4.0,
        beside=beside,
    )


def measure(marks: NDArray[np.int64] | None = None) -> list[Line]:
    """With `marks` (steps, all books) of a run, or those of a made-up fall."""
    model = calm_model()
    perps = np.flatnonzero(model.books.kind == 0)
    opening = model.state.books["mark"][perps].copy()
    what, path = (
        ("a fall of 5 %", a_fall(opening)) if marks is None else ("the marks of the run", marks[:, perps])
    )
    return [one_coin_alone(calm_model()), against_full_pass(model, perps, path, what)]
