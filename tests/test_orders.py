"""Claims about what a venue accepts: bounds of market orders, largest sizes, rates of messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm.messages import CANCEL_ALL, IOC, LIMIT, MARKET, QUOTE
from abm.orders import largest_market
from tests.test_limits import refusals
from tests.twins.market import OTHER, PERP, Desk, messages, small_model

RICH = 10**15


def desk(**orders: Any) -> Desk:
    return Desk(small_model({"orders": orders}, {"orders": {"band": 0.0}}))


@pytest.mark.parametrize(
    ("band", "bound", "reached", "limit"),
    [
        (0.05, None, [1000, 1050], "outside the band"),
        (0.05, 0.02, [1000], "outside the band"),  # a market order stops before a limit order would
        (0.02, 0.08, [1000, 1050, 1080], "outside the band"),  # and here after
        (0.0, 0.05, [1000, 1050], "accepted"),
        (0.05, 0.0, [1000, 1050, 1080, 1500], "outside the band"),
    ],
)
def test_market_and_limit_orders_have_bounds_of_their_own(
    band: float, bound: float | None, reached: list[int], limit: str
) -> None:
    d = desk(band=0.0)
    a, b = d.open("ann", cash=RICH), d.open("bob", cash=RICH)
    for price in (1000, 1050, 1080, 1500):
        d.place(a, PERP, -1, price, 1)
    rules = small_model({"orders": {"band": band, "market_bound": bound}}).state.books
    for name in ("band", "reach"):
        d.state.books[name][PERP] = rules[name][PERP]
    assert d.place(b, PERP, 1, 1090, 1, IOC) == limit
    d.state.meta["fills"] = 0
    d.place(b, PERP, 1, 0, 10)
    assert [p for *_, p, _ in d.tape()] == (reached if limit != "accepted" else reached[1:])


def test_the_largest_order_counts_by_value_and_a_limit_order_may_be_ten_times_as_large() -> None:
    d = desk(band=0.0, max_market=10.0)  # dollars: 100 lots of 100 dollars a coin
    a = d.open("ann", cash=RICH)
    answers = [
        d.place(a, PERP, 1, price, lots) for price, lots in ((0, 100), (0, 101), (900, 1000), (900, 1001))
    ]
    assert answers == ["accepted", "above the largest order"] * 2
    assert refusals(d) == {"above the largest order": 2}


def test_the_largest_order_may_depend_on_the_contracts_highest_leverage() -> None:
    d = desk(band=0.0, max_by_leverage=True)
    highest = 1e8 / d.state.brackets["imr"][d.state.books["bracket"][PERP]]
    assert d.state.books["largest_market"][PERP] == largest_market(highest) * 10**6


def orders(d: Desk, row: int, count: int, op: int = LIMIT, book: int = PERP) -> np.ndarray:
    box = messages(count)
    box["op"], box["row"], box["book"], box["side"] = op, row, book, 1
    box["price"], box["qty"] = (900, 1) if op != MARKET else (0, 1)
    return box


def test_an_owner_sends_so_many_messages_in_a_window_and_may_cancel_beyond() -> None:
    rules = {"rate_limit": 10, "rate_window": 10.0, "cancel_factor": 1.5, "cancel_extra": 100}
    d = Desk(small_model({"orders": {"band": 0.0} | rules}))
    ann, isolated = d.open("ann", cash=RICH), d.open("ann", cash=RICH, isolated=True)
    bob, elsewhere = d.open("bob", cash=RICH), d.open("ann", 1, cash=RICH)
    d.batch(np.concatenate([orders(d, ann, 6), orders(d, isolated, 6), orders(d, bob, 3)]))
    assert d.state.books["resting"][PERP] == 10 + 3, "an owner's accounts count together"
    d.batch(orders(d, elsewhere, 20, book=OTHER))
    assert d.state.books["resting"][OTHER] == 20, "by venue"
    d.batch(orders(d, ann, 1, MARKET))
    assert refusals(d) == {"too many messages": 2 + 1}
    d.batch(orders(d, ann, 7, CANCEL_ALL))
    assert d.state.books["resting"][PERP] == 4 + 3, "five more cancels"
    assert refusals(d)["too many messages"] == 3 + 2
    while d.model.now % 10_000:
        d.pass_time()
    d.batch(orders(d, ann, 1))
    assert d.state.books["resting"][PERP] == 4 + 3 + 1, "the next window begins anew"
    assert d.faults() == []


def test_a_refused_quote_stays_what_it_was() -> None:
    d = Desk(small_model({"orders": {"band": 0.0, "rate_limit": 1, "rate_window": 3600.0}}))
    ann = d.open("ann", cash=RICH)
    name = d.name()
    for price in (900, 910):
        box = orders(d, ann, 1, QUOTE)
        box["ref"], box["price"] = name, price
        d.batch(box)
    assert d.queue(PERP, 1) == [(900, [(ann, 1)])]
    box = orders(d, ann, 1, QUOTE)
    box["ref"], box["qty"] = name, 0
    d.batch(box)
    assert d.queue(PERP, 1) == [], "to take it away is a cancel"


def test_no_rate_limit_keeps_no_tally() -> None:
    d = desk(band=0.0)
    d.batch(orders(d, d.open("ann", cash=RICH), 50))
    assert len(d.state.tallies) == 1 and d.state.tallies["sent"][0] == 0
