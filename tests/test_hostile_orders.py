"""Claims about orders that try to break a book: a name used twice, the dead cancelled again, the largest sizes."""

from __future__ import annotations

import pytest

from abm import matching
from abm.messages import ACCEPTED, LEAST_TICKS, MAX_LOTS, MAX_POSITION, MAX_PRICE, MAX_VALUE
from tests.twins.market import PERP, Desk, small_model

RICH = 10**17
UNIT = 100  # micro-dollars a tick and lot of BTC
COIN_UNITS = 100_000  # of a lot


def desk() -> Desk:
    return Desk(small_model({"orders": {"band": 0.0}, "fees": {"maker": 0.0002, "taker": 0.0005}}))


def test_a_name_used_twice_leaves_two_orders_and_means_the_second() -> None:
    d = desk()
    ann = d.open("ann", cash=RICH)
    name = d.name()
    for price in (990, 980):
        assert matching.place(d.address, ann, PERP, 1, price, 5, 0, 0, 0, name, 0, 0) == ACCEPTED
    assert d.queue(PERP, 1) == [(990, [(ann, 5)]), (980, [(ann, 5)])]
    assert d.cancel(name) == "accepted"
    assert d.queue(PERP, 1) == [(990, [(ann, 5)])], "the first lives on, nameless"
    assert d.cancel(name) == "unknown order"
    assert d.faults() == []


def test_the_name_of_the_dead_reaches_nobody_who_took_its_place() -> None:
    d = desk()
    ann, bob = d.open("ann", cash=RICH), d.open("bob", cash=RICH)
    d.place(ann, PERP, 1, 990, 5)
    assert d.cancel(0) == "accepted"
    d.place(bob, PERP, 1, 990, 7)  # in the same slot of memory
    for _ in range(3):
        assert d.cancel(0) == "unknown order"
        assert d.amend(0, 990, 1) == "unknown order"
    assert d.queue(PERP, 1) == [(990, [(bob, 7)])]


def test_the_largest_order_trades_to_the_last_unit_and_one_lot_more_is_refused() -> None:
    d = desk()
    rows = d.model.accounts.open(["ann", "bob"], [0, 0], "tests", exempt=True)
    ann, bob = int(rows[0]), int(rows[1])
    largest = MAX_VALUE // ((1000 + 1) * UNIT)  # priced at the mark's tick, rounded up
    assert d.place(ann, PERP, 1, 1000, largest + 1) == "bad size"
    assert d.place(ann, PERP, 1, 1000, largest) == "accepted"
    assert d.place(bob, PERP, -1, 1000, largest) == "accepted"
    value = 1000 * largest * UNIT
    assert (d.lots(ann), d.lots(bob)) == (largest, -largest)
    assert d.cash(ann) == -value - -(-value * 20_000 // 10**8)
    assert d.cash(bob) == value - -(-value * 50_000 // 10**8)
    assert d.faults() == []


def test_integers_beyond_all_limits_are_refused_with_a_word() -> None:
    d = desk()
    ann = d.open("ann", cash=RICH)
    for qty in (0, -1, MAX_LOTS + 1, 2**62, 2**63 - 1, -(2**63)):
        assert d.place(ann, PERP, 1, 1000, qty) == "bad size"
    for price in (-1, MAX_PRICE, 2**62, 2**63 - 1, -(2**63)):
        assert d.place(ann, PERP, 1, price, 1) == "bad price"
    assert d.queue(PERP, 1) == [] and d.faults() == []


@pytest.mark.parametrize("mark", [1536, 999 * 1024 + 1023, 2**20 * 1024])
def test_an_account_ends_growing_before_its_integers_do(mark: int) -> None:
    """The largest purses at a leverage of a hundred, from a mark of one and a half ticks to one of a million: their
    equity is what Python's own integers say, also when the mark has gone to its eight-fold."""
    d = Desk(small_model({"orders": {"band": 0.0}, "fees": {"maker": 0.0, "taker": 0.0}}))
    d.set_brackets(PERP, (0, 0.004, 0, 0.01))
    d.set_mark(PERP, mark)
    purse, price = 2**60, (mark >> 10) + 1
    ann, bob = (d.open(name, cash=purse, leverage=100.0) for name in ("ann", "bob"))
    largest = min(2**62 // COIN_UNITS, MAX_VALUE // (price * UNIT))
    while d.place(bob, PERP, -1, price, largest) == "accepted":
        assert d.place(ann, PERP, 1, price, largest) == "accepted"
    assert d.place(ann, PERP, 1, price, largest) == "bad size"
    held, each = d.lots(ann), max(price, LEAST_TICKS) * UNIT
    assert held == -d.lots(bob) and held * each <= MAX_POSITION < (held + largest) * each
    for now in (mark, mark // 2, 8 * mark):
        d.set_mark(PERP, now)
        for row, lots in ((ann, held), (bob, -held)):
            value, paid = lots * UNIT * now // 1024, lots * UNIT * price
            maintenance = -(-abs(value) * 400_000 // 10**8)
            assert d.margin(row)[:2] == (purse - paid + value, maintenance)
    assert d.faults() == []


def test_an_offer_at_the_last_price_and_a_bid_at_the_first_wait_and_trade() -> None:
    d = desk()
    rows = d.model.accounts.open(["ann", "bob"], [0, 0], "tests", exempt=True)
    ann, bob = int(rows[0]), int(rows[1])
    assert d.place(ann, PERP, -1, MAX_PRICE - 1, 3) == "accepted"
    assert d.place(ann, PERP, 1, 1, 3) == "accepted"
    assert d.place(bob, PERP, 1, 0, 3) == "accepted"
    assert d.place(bob, PERP, -1, 0, 3) == "accepted"
    assert [(t[4], t[5]) for t in d.tape()] == [(MAX_PRICE - 1, 3), (1, 3)]
    assert d.lots(ann) == d.lots(bob) == 0 and d.faults() == []
