"""What a market must not depend on: which side is called long, what the currency is called, who else is there.

Exact where the engine promises it (the book reflected at a price, money counted in another unit, a second venue that
nobody connects), and over seeds where only the law is the same (a scenario and its mirror image).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.messages import FOK, IOC, POST_ONLY
from tests.twins.market import PERP, Desk, small_model

CENTRE = 2 * 1000  # prices p and CENTRE - p are mirror images
RICH = 10**14
FREE = {"orders": {"band": 0.0, "self_trade": "cancel_resting"}}

Order = tuple[int, int, int, int, int]  # who, side, price, lots, flags; price 0 = market
orders = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([1, -1]),
        st.one_of(st.just(0), st.integers(980, 1020)),
        st.integers(1, 50),
        st.sampled_from([0, 0, 0, IOC, FOK, POST_ONLY]),
    ),
    min_size=20,
    max_size=120,
)


def traded(tape: list[Order], **market: Any) -> tuple[Desk, list[str]]:
    """The orders through a market of four rich traders: the desk and the answers."""
    desk = Desk(small_model(FREE, **market))
    rows = [desk.open(name, cash=RICH) for name in ("ann", "bob", "cid", "dan")]
    answers = [
        desk.place(rows[who], PERP, side, price, lots, flags) for who, side, price, lots, flags in tape
    ]
    return desk, answers


def mirrored(tape: list[Order]) -> list[Order]:
    """Buyers sell and sellers buy, as far from the centre on its other side."""
    return [
        (who, -side, CENTRE - price if price else 0, lots, flags) for who, side, price, lots, flags in tape
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders)
def test_the_book_has_no_favourite_side(tape: list[Order]) -> None:
    desk, answers = traded(tape)
    other, mirror_answers = traded(mirrored(tape))
    assert answers == mirror_answers
    reflected = [(b, m, t, -side, CENTRE - price, q) for b, m, t, side, price, q in other.tape()]
    assert desk.tape() == reflected
    for side in (1, -1):
        image = [(CENTRE - price, queue) for price, queue in other.queue(PERP, -side)]
        assert desk.queue(PERP, side) == image
    rows = range(desk.state.count("rows"))
    assert [desk.lots(r) for r in rows] == [-other.lots(r) for r in rows]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders, st.sampled_from([2, 5, 8]))
def test_a_currency_worth_ten_to_the_k_less_changes_no_integer(tape: list[Order], places: int) -> None:
    """Prices and ticks times 10**k in a currency with k decimals less: balances, positions and books count the same."""
    desk, answers = traded(tape)
    scaled = Desk(small_model(FREE, decimals=6 + 4 - places, price_scale=10.0 ** (places - 4)))
    rows = [scaled.open(name, cash=RICH) for name in ("ann", "bob", "cid", "dan")]
    again = [
        scaled.place(rows[who], PERP, side, price, lots, flags) for who, side, price, lots, flags in tape
    ]
    assert answers == again
    assert desk.tape() == scaled.tape()
    assert [desk.cash(r) for r in rows] == [scaled.cash(r) for r in rows]
    assert [desk.entry(r) for r in rows] == [scaled.entry(r) for r in rows]
    for side in (1, -1):
        assert desk.queue(PERP, side) == scaled.queue(PERP, side)


@pytest.mark.parametrize("leverage", [5.0, 20.0])
def test_a_long_below_and_a_short_above_are_liquidated_at_the_same_loss(leverage: float) -> None:
    """Linear contracts: with one bracket, the same loss on the same margin meets maintenance at mirrored marks, up to
    the maintenance of the notional itself, which is smaller below than above."""
    margin = round(1000 * 100 * 1000 / leverage)  # of 1,000 lots at 1,000 ticks of 100 micro-dollars a lot
    found = {}
    for side in (1, -1):
        desk = Desk(small_model({"orders": {"band": 0.0}, "fees": {"maker": 0.0, "taker": 0.0}}))
        desk.set_brackets(PERP, (0, 0.0, 0, 0.01))  # no maintenance margin: liquidated at bankruptcy
        row = desk.open("one", cash=margin, leverage=leverage)
        desk.hold(PERP, 100.0, {row: side * 1000})
        for ticks in range(1000):
            desk.set_mark(PERP, (1000 - side * ticks) << 10)
            if row in desk.under_water():
                found[side] = ticks
                break
    assert found[1] == found[-1] == 1000 / leverage + 1  # the first tick beyond bankruptcy, on either side


def test_a_venue_that_nobody_connects_changes_nothing_elsewhere() -> None:
    """The same orders at alpha, with and without a busy beta: alpha's books and accounts are the same to the bit."""
    draw = np.random.default_rng(7)
    tape = [
        (
            int(draw.integers(4)),
            int(draw.choice([1, -1])),
            int(draw.integers(985, 1016)),
            int(draw.integers(1, 40)),
            0,
        )
        for _ in range(400)
    ]
    alone, answers = traded(tape)
    desk = Desk(small_model(FREE, {"orders": {"band": 0.0}}))
    rows = [desk.open(name, cash=RICH) for name in ("ann", "bob", "cid", "dan")]
    strangers = [desk.open(f"stranger {i}", 1, cash=RICH) for i in range(3)]
    again = []
    for who, side, price, lots, flags in tape:
        again.append(desk.place(rows[who], PERP, side, price, lots, flags))
        desk.place(strangers[lots % 3], 3, -side, price, lots)
    assert answers == again and any(fill[0] == 3 for fill in desk.tape())
    assert alone.tape() == [fill for fill in desk.tape() if fill[0] == PERP]
    assert [alone.cash(r) for r in rows] == [desk.cash(r) for r in rows]
    assert alone.queue(PERP, 1) == desk.queue(PERP, 1) and alone.queue(PERP, -1) == desk.queue(PERP, -1)
