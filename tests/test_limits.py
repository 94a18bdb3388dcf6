"""The market at its edges: nobody to ask for a price, nobody to trade with, nothing in the purse, no way through, too
much at once. For each a stated behaviour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm.channels import EdgeParameters
from abm.mark import price_all
from abm.messages import CODES, LIMIT
from tests.twins.market import BTC_PRICE, OTHER, PERP, SPOT, USDT, Desk, messages, small_model

FREE: dict[str, Any] = {"orders": {"band": 0.0}, "fees": {"maker": 0.0, "taker": 0.0}}
SLOW: dict[str, Any] = {"orders": {"band": 0.0, "max_orders_per_row": 1000}}
USD = 10**6
TICKS = 1024


def refusals(d: Desk, venue: int = 0) -> dict[str, int]:
    """Refused messages by reason."""
    counts = d.state.rejects[32 * venue : 32 * venue + len(CODES)]
    return {CODES[i]: int(counts[i]) for i in np.flatnonzero(counts)}


# ---------------------------------------------------------------- no index source


def test_without_an_index_source_the_index_stands_still_and_the_mark_follows_the_book() -> None:
    """No spot book anywhere: the index is what it was at the start, the mark, once there are trades, the mean of the
    book's own middle."""
    d = Desk(small_model(FREE | {"spots": (), "mark": {"window": 5.0}}, {"orders": {"band": 0.0}}))
    a, b = d.open("ann", cash=10**12), d.open("bob", cash=10**12)
    d.place(a, PERP, 1, 899, 10)
    d.place(b, PERP, -1, 901, 10)
    d.place(b, PERP, -1, 899, 1)
    for _ in range(20):
        price_all(d.address)
    assert d.state.books["index"][PERP] == BTC_PRICE * TICKS
    assert d.state.books["mark"][PERP] == 900 * TICKS


# ---------------------------------------------------------------- one trader


def test_one_trader_alone_quotes_and_never_trades() -> None:
    d = Desk(small_model(FREE | {"orders": {"band": 0.0, "self_trade": "cancel_resting"}}))
    alone = d.open("ann", cash=10**12)
    assert d.place(alone, PERP, 1, 990, 5) == "accepted"
    assert d.place(alone, PERP, -1, 1010, 5) == "accepted"
    assert d.place(alone, PERP, -1, 0, 5) == "accepted"  # a market order meets only the own bid, which goes
    assert d.place(alone, PERP, 1, 0, 5, 0) == "accepted"
    assert d.tape() == [] and d.lots(alone) == 0 and d.faults() == []
    d.model.setup()
    d.model.run(3)
    assert d.state.books["open_interest"][PERP] == 0 and d.faults() == []


# ---------------------------------------------------------------- nothing in the account


def test_an_account_with_nothing_can_do_nothing_and_owes_nothing() -> None:
    edge = EdgeParameters(source="alpha", target="beta", asset="USDT", capacity=100.0, latency=1.0)
    d = Desk(small_model(FREE, check=True, edges=[edge]))
    poor, there = d.open("poor"), d.open("poor", 1)
    rich = d.open("rich", cash=10**12, coins=10**9)
    d.place(rich, PERP, -1, 1001, 5)
    d.place(rich, SPOT, -1, 1001, 5)
    assert d.place(poor, PERP, 1, 1000, 1) == "not enough margin"
    assert d.place(poor, PERP, 1, 0, 1) == "not enough margin"
    assert d.place(poor, SPOT, 1, 0, 1) == d.place(poor, SPOT, -1, 1000, 1) == "not enough balance"
    d.model.cashier.send(np.array([poor]), np.array([there]), USDT, np.array([10.0]))
    assert len(d.model.network.under_way()) == 0, "nothing was sent"
    d.model.setup()
    d.model.step()
    assert (d.lots(poor), d.cash(poor), d.cash(there)) == (0, 0, 0)
    assert refusals(d) == {"not enough margin": 2, "not enough balance": 2}


# ---------------------------------------------------------------- no way through


@pytest.mark.parametrize("channel", [{"capacity": 0.0}, {"open": False, "when_shut": "refuse"}])
def test_money_that_no_channel_takes_stays_where_it_is(channel: dict[str, Any]) -> None:
    fields = {"source": "alpha", "target": "beta", "asset": "USDT", "capacity": 9.0, "latency": 1.0} | channel
    edge = EdgeParameters(**fields)
    d = Desk(small_model(FREE, check=True, edges=[edge]))
    here, there = d.open("ann", cash=100 * USD), d.open("ann", 1)
    d.model.setup()
    d.model.cashier.send(np.array([here]), np.array([there]), USDT, np.array([10.0]))
    for _ in range(5):
        d.model.step()
    assert (d.cash(here), d.cash(there)) == (100 * USD, 0)


# ---------------------------------------------------------------- too much at once


def orders(d: Desk, row: int, count: int, book: int = PERP) -> np.ndarray:
    box = messages(count)
    box["op"], box["row"], box["book"], box["side"] = LIMIT, row, book, 1
    box["price"], box["qty"] = BTC_PRICE - 50, 1
    return box


def test_a_gateway_serves_at_its_rate_and_what_waits_comes_in_later_steps() -> None:
    d = Desk(small_model(SLOW | {"gateway": {"rate": 100.0, "capacity": 1000}}))
    row = d.open("ann", cash=10**12)
    d.batch(orders(d, row, 250))
    served = [int(d.state.books["resting"][PERP])]
    for _ in range(3):
        d.model.queue_messages()
        d.model.match()
        served.append(int(d.state.books["resting"][PERP]))
    assert served == [100, 200, 250, 250]
    assert d.state.rows["waiting"][row] == 0 and refusals(d) == {}


def test_a_full_gateway_refuses_with_a_reason_and_the_other_venue_is_not_late() -> None:
    d = Desk(small_model(SLOW | {"gateway": {"rate": 100.0, "capacity": 120}}, {"orders": {"band": 0.0}}))
    row, other = d.open("ann", cash=10**12), d.open("bob", 1, cash=10**12)
    d.batch(np.concatenate([orders(d, row, 250), orders(d, other, 5, OTHER)]))
    assert d.state.books["resting"][OTHER] == 5
    for _ in range(3):
        d.model.queue_messages()
        d.model.match()
    kept, refused = int(d.state.books["resting"][PERP]), refusals(d)["gateway full"]
    assert kept + refused == 250 and kept == 122  # served one, 121 may wait: what is not above the capacity
    assert d.state.rows["waiting"][row] == 0 and refusals(d, 1) == {}
    assert int(d.state.venues["rejected"][0]) == refused
