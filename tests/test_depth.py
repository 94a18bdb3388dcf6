"""Claims about the depth that venues publish: kept by what happens, it is what a look at all levels finds."""

from __future__ import annotations

import numpy as np
import pytest

from abm import publication, resting
from abm.messages import IOC, POST_ONLY
from tests.twins.depth import depth, published
from tests.twins.market import ETH, OTHER, PERP, SPOT, Desk, small_model

RICH = 10**15


def market() -> Desk:
    return Desk(small_model({"orders": {"band": 0.0}}))


def check(d: Desk) -> None:
    publication.publish(d.address, 0.01)
    for book in (PERP, ETH, SPOT, OTHER):
        for side in (1, -1):
            assert published(d, book, side) == depth(d, book, side)
    assert d.faults() == []


def test_depth_counts_what_rests_within_a_distance_of_the_middle() -> None:
    d = market()
    ann = d.open("ann", cash=RICH)
    for side, price, lots in ((1, 999, 1), (1, 991, 10), (1, 951, 100), (1, 900, 1000), (-1, 1001, 7)):
        d.place(ann, PERP, side, price, lots)
    check(d)
    assert published(d, PERP, 1) == [1, 11, 11, 111]
    assert published(d, PERP, -1) == [7, 7, 7, 7]


def test_depth_goes_with_the_middle() -> None:
    d = market()
    ann = d.open("ann", cash=RICH)
    for price, lots in ((1010, 1), (1040, 10), (1100, 100)):
        d.place(ann, PERP, -1, price, lots)
    for bid, seen in ((1000, [1, 1, 1, 11]), (1008, [1, 1, 1, 11]), (500, [1, 1, 1, 1])):
        best = d.sent
        d.place(ann, PERP, 1, bid, 5)
        check(d)
        assert published(d, PERP, -1)[0] <= published(d, PERP, -1)[3]
        if bid >= 1000:
            assert published(d, PERP, -1) == seen
        d.cancel(best)


@pytest.mark.parametrize("seed", range(8))
def test_no_stream_of_orders_makes_another_depth_than_a_look_at_all_levels(seed: int) -> None:
    """Orders at every distance, large and small, changed and cancelled, marks that jump eightfold, books run empty."""
    d = market()
    draw = np.random.default_rng(seed)
    rows = [
        [d.open(f"{name}{venue}", venue, cash=RICH, coins=RICH) for name in ("ann", "bob", "cid")]
        for venue in (0, 1)
    ]
    for _ in range(60):
        for _ in range(int(draw.integers(1, 15))):
            book = int(draw.choice([PERP, ETH, SPOT, OTHER]))
            row = int(draw.choice(rows[int(book == OTHER)]))
            price = max(1, round(1000 * float(np.exp(draw.normal(0.0, draw.choice([0.002, 0.02, 0.5]))))))
            lots = int(draw.integers(1, 100))
            what = draw.integers(8)
            if what == 0:
                resting.cancel_all(d.address, row, book)
            elif what == 1 and d.sent:
                d.cancel(int(draw.integers(d.sent)))
            elif what in (2, 3) and d.sent:
                d.amend(int(draw.integers(d.sent)), price, int(draw.integers(100)))
            else:
                side = int(draw.choice([-1, 1]))
                d.place(row, book, side, price, lots, int(draw.choice([0, 0, 0, IOC, POST_ONLY])))
        if draw.random() < 0.1:
            d.set_mark(PERP, int(1000 * 1024 * draw.choice([0.125, 1, 8])))
        if draw.random() < 0.7:
            check(d)
        d.state.meta["step"] += 1
    check(d)
