"""Claims about what a participant writes and reads: the same as in plain numpy, whatever it is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from abm import pen, random
from abm.agent import Participant
from abm.channels import EdgeParameters, NetworkParameters
from abm.messages import AMEND, CANCEL, CANCEL_ALL, LIMIT, MARKET, QUOTE
from abm.model import CascadeModel
from abm.state import MESSAGE
from abm.venue import Asset, Clock, Contract, OrderRules, VenueRules
from tests.twins import pen as twin

TICK, LOT = np.array([0.1, 1e-7, 50.0]), np.array([0.001, 1000.0, 0.01])
HOSTILE = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -3.0, 1e-320, 1e308, 2.0**31 * 50, 1.0])


def column(rng: Any, n: int, values: Any) -> Any:
    """A column of n entries or, now and then, one for all."""
    return rng.choice(values, 1 if rng.random() < 0.3 else n)


@pytest.mark.parametrize("op", [LIMIT, MARKET, QUOTE, AMEND, CANCEL, CANCEL_ALL])
def test_messages_are_those_of_plain_numpy(op: int) -> None:
    rng = np.random.default_rng(op)
    own = np.sort(rng.choice(1000, 30, replace=False)).astype(np.int32)
    room = np.zeros(64, MESSAGE)
    for _ in range(300):
        n = int(rng.integers(0, 9))
        price = np.concatenate([HOSTILE, TICK * rng.integers(1, 1000, 3), rng.uniform(0, 500, 6)])
        size = np.concatenate([HOSTILE, LOT * rng.integers(1, 1000, 3), rng.uniform(0, 50, 6)])
        index = rng.integers(-30, 30, n)
        columns = [column(rng, n, np.arange(3)), column(rng, n, [-1, 1]), column(rng, n, price),
                   column(rng, n, size), column(rng, n, np.arange(100)), column(rng, n, [0, 5000])]  # fmt: skip
        outwards, flags, kind = (
            bool(rng.random() < 0.5),
            int(rng.integers(0, 9)),
            column(rng, n, np.arange(5)),
        )
        room.view(np.uint8)[:] = 255  # what stood there before does not matter
        count = pen.write(room, 3, op, kind, flags, outwards, own, index, *columns, TICK, LOT)
        expected = twin.messages(op, own[index], *columns, outwards, flags, kind, TICK, LOT)
        assert room[3 : 3 + count].tolist() == expected.tolist()


def test_a_column_that_does_not_fit_and_a_stranger_are_refused() -> None:
    _, me, _ = market()
    with pytest.raises(ValueError, match="shape mismatch"):
        me.limit(np.arange(3), np.zeros(2, int), 1, 100.0, 1.0)
    with pytest.raises(IndexError, match="own row"):
        me.market_order(len(me.rows), 0, 1, 1.0)
    with pytest.raises(IndexError, match="book"):
        me.market_order(0, 99, 1, 1.0)
    for look in (me.margin, me.available, me.waiting, lambda i: me.position(i, 0), lambda i: me.lots(i, 0),
                 lambda i: me.uniform("luck", i)):  # fmt: skip
        with pytest.raises(IndexError, match="own row"):
            look(np.array([0, len(me.rows)]))
    assert me.outbox == []


def market(*edges: EdgeParameters) -> tuple[CascadeModel, Any, Any]:
    """Three owners with an account at each of two venues and money outside; (model, their desk, the rows)."""
    common: dict[str, Any] = {
        "quote": "USDT", "perps": ("BTC",), "share": 0.5, "orders": OrderRules(band=0.0),
    }  # fmt: skip
    model = CascadeModel(
        Clock(start=datetime(2025, 1, 1, tzinfo=UTC), duration=600.0, step=1.0, burn_in=0.0),
        {"USDT": Asset(decimals=6), "BTC": Asset(decimals=8, value=100.0)},
        {"BTC": Contract(price=100.0, tick=0.01, lot=0.01)},
        {"alpha": VenueRules(**common), "beta": VenueRules(**common)},
        NetworkParameters(nodes=("outside",), edges=edges),
        [],
        1,
    )
    owners = [f"owner {i // 3}" for i in range(9)]
    rows = model.accounts.open(owners, ["alpha", "beta", "outside"] * 3, "traders")
    model.accounts.deposit(rows, "USDT", np.full(9, 1e5))
    traders = np.array(rows).reshape(3, 3)
    model.accounts.place([traders[0, 0], traders[1, 0]], 0, [500, -500], [100.0, 100.0])
    model.add(Participant(model, "traders"))
    model.setup()
    return model, model.desks["traders"], traders


def test_many_more_messages_than_the_pen_had_room_for_arrive() -> None:
    model, me, _ = market()
    me.limit(np.tile([0, 1], 500), np.tile([0, 1], 500), 1, 1.0 + 0.01 * np.arange(1000), 0.01)
    batch = me.outbox[0]
    assert len(batch) == 1000
    assert batch["price"].tolist() == list(range(100, 1100))
    model.collect(me)
    assert model.state.count("inbox") == 1000
    assert me.outbox == []
    assert me.waiting([0, 1]).tolist() == [500, 500]


def test_columns_may_be_tables() -> None:
    _, me, _ = market()
    me.limit(np.arange(2)[:, None], np.arange(2)[:, None], 1, np.array([[90.0, 91.0, 92.0]]), 0.01)
    assert me.outbox[0]["price"].tolist() == [9000, 9100, 9200] * 2
    assert me.position(np.arange(3)[:, None], np.array([[0, 1]])).shape == (3, 2)


def test_an_owner_who_cancels_cancels_at_every_venue_and_nobody_else_does() -> None:
    model, me, rows = market()
    which = np.searchsorted(me.rows, rows)
    for place in (0, 1):
        me.limit(which[:, place], place, 1, [90.0, 91.0, 92.0], 1.0)
    model.collect(me)
    model.run(3)
    assert len(me.open_orders()) == 6
    me.cancel_owner(which[0, 1])  # any of its rows names the owner
    assert sorted(me.outbox[0]["row"].tolist()) == sorted(rows[0, :2].tolist())
    model.collect(me)
    model.run(3)
    left = me.open_orders()
    assert sorted(left["index"].tolist()) == sorted(which[1:, :2].ravel().tolist())


def test_what_is_read_of_accounts_is_what_the_tables_hold() -> None:
    model, me, rows = market()
    which = np.searchsorted(me.rows, rows)
    assert me.lots(which[:, 0], 0).tolist() == [500, -500, 0]
    assert me.position(which[:2, 0], np.array([0, 0])).tolist() == [5.0, -5.0]
    assert me.lots(slice(None), 1).tolist() == [0] * len(me.rows)
    me.market_order(which[:2, 0], 0, 1, 1.0, cause=np.array([0, 2]))
    assert me.outbox[0]["kind"].tolist() == [0, 2]
    model.collect(me)
    coins, waiting = me.standing(which[:, 0], np.zeros(3, np.int64))
    assert coins.tolist() == [5.0, -5.0, 0.0] and waiting.tolist() == [1, 1, 0]
    assert me.position(me.venue == 0, 0).tolist() == me.position(np.flatnonzero(me.venue == 0), 0).tolist()
    assert me.entry_price(which[:, 0], 0)[:2].tolist() == [100.0, 100.0]
    assert np.isnan(me.entry_price(which[2, 0], 0)).all()
    assert me.equity(which[:, 2]).tolist() == [1e5] * 3
    assert me.available(-1).tolist() == me.available(len(me.rows) - 1).tolist()
    drawn = random.uniform(random.stream_of(1, "traders", "luck"), me.key, me.step)
    assert me.uniform("luck").tolist() == drawn.tolist()
    assert me.uniform("luck", [2, 0]).tolist() == drawn[[2, 0]].tolist()


def test_positions_are_those_that_a_look_at_every_row_and_book_finds() -> None:
    model, me, rows = market()
    others = model.accounts.open(["stranger"], ["alpha"], "others")
    model.accounts.deposit(others, "USDT", [1e5])
    model.accounts.place(
        [others[0], rows[1, 0]], 0, [500, -500], 100.0
    )  # the second owner is short twice as much
    model.accounts.place([rows[0, 1], rows[2, 1]], 1, [70, -70], 100.0)
    model.accounts.place([rows[0, 1], rows[2, 1]], 1, [-70, 70], 100.0)  # flat again
    model.accounts.place([rows[1, 1], rows[2, 1]], 1, [-30, 30], 100.0)
    looked = [
        (row, book, lots)
        for book in range(2)
        for row, lots in enumerate(me.lots(None, book).tolist())
        if lots
    ]
    assert len(looked) == 4
    assert sorted(zip(*(column.tolist() for column in me.positions()), strict=True)) == sorted(looked)


def test_what_is_coming_is_the_sum_of_the_own_transfers_under_way() -> None:
    model, me, rows = market(
        EdgeParameters(source="outside", target="alpha", asset="USDT", capacity=100.0, latency=60.0)
    )
    which = np.searchsorted(me.rows, rows)
    assert me.coming(which[:, 0], "USDT").tolist() == [0.0] * 3
    for amount in (1.1, 2.2, 3.3):
        me.transfer(which[:2, 2], which[:2, 0], "USDT", np.array([amount, 2.0 * amount]))
        model.collect(me)
        model.run(1)
    way = me.transfers()
    there = model.network.under_way(sent_by=me._own)
    assert way["id"].tolist() == there["id"].tolist() and len(way) > 0
    for end, row in (("from", "row_from"), ("to", "row_to")):
        assert me.rows[way[end]].tolist() == there[row].tolist()
    assert (way["amount"] * me._scales[way["asset"]]).round().tolist() == there["amount"].tolist()
    assert (way["due"] * 1000.0).tolist() == pytest.approx(there["expected_ms"].tolist())
    assert (way["sent"] * 1000.0).tolist() == pytest.approx(there["sent_ms"].tolist())
    assert len(way) == 6
    expected = np.zeros((len(me.rows), 2))
    np.add.at(expected, (way["to"], way["asset"]), way["amount"])
    everyone = np.arange(len(me.rows))
    for asset in range(2):
        assert me.coming(everyone, asset).tolist() == expected[:, asset].tolist()
    with pytest.raises(IndexError, match="asset"):
        me.coming(everyone, 2)
    with pytest.raises(IndexError, match="own row"):
        me.coming(len(everyone), 0)


def test_what_stands_under_a_run_of_names_is_what_the_tables_hold() -> None:
    model, me, rows = market()
    which = np.searchsorted(me.rows, rows)
    me.slots(3)  # somebody else's names come first
    first = me.slots(12)
    draw = np.random.default_rng(3)
    for _ in range(6):  # quotes placed, moved, taken away and met by market orders
        runs = draw.integers(0, 4, 5)
        names = first + 3 * runs + draw.integers(0, 3, 5)
        side = np.where((names - first) % 2 == 0, 1, -1)
        row = which[runs % 2, 0]
        me.quote(
            row, 0, names, side, 100.0 - side * draw.integers(1, 40, 5) * 0.01, draw.integers(0, 3, 5) * 1.0
        )
        if draw.random() < 0.5:
            me.market_order(which[2, 0], 0, int(draw.choice([-1, 1])), 1.5)
        model.collect(me)
        model.run(2)
        s = model.state
        live = s.orders[: s.count("orders")]
        live = live[(live["live"] != 0) & (live["ref"] >= first)]
        stands = {int(order["ref"]): (order["price"] * 0.01, int(order["qty"])) for order in live}
        asked = np.array([3, 0, 2, 0])
        price, lots = me.ladders(first, asked, 3)
        expected = [[stands.get(first + 3 * run + j, (np.nan, 0)) for j in range(3)] for run in asked]
        np.testing.assert_array_equal(price, [[one[0] for one in run] for run in expected])
        assert lots.tolist() == [[one[1] for one in run] for run in expected]
        assert me.named(first + 3 * asked + 1)[1].tolist() == lots[:, 1].tolist()
    assert len(stands) > 2
    assert me.ladders(first, np.zeros(0, np.int64), 3)[0].shape == (0, 3)


def test_what_many_books_of_a_row_are_paid_with_is_what_one_is_paid_with() -> None:
    model, me, _ = market()
    for asset in ("USDT", "BTC"):
        model.accounts.deposit(me.rows, asset, 1.0 + np.arange(len(me.rows)))
    draw = np.random.default_rng(4)
    row, asset = draw.integers(0, len(me.rows), 60), draw.integers(-1, 2, 60)
    row = np.sort(row)
    one_by_one = [float(me.balance(r, a)[0]) for r, a in zip(row.tolist(), asset.tolist(), strict=True)]
    assert me.balance(row, asset).tolist() == one_by_one
    assert len(set(one_by_one)) > 6
