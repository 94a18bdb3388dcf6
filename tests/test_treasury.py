"""One owner's money and coins at several venues: what is sent, and what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import treasury
from tests.hand_made_market import Pen, Record

BOOKS = [(venue, "BTC", "spot", "USDT") for venue in ("alpha", "beta", "gamma")]
ROWS, COIN, MONEY = np.arange(3), 1, np.zeros(3, np.int64)


def sent(have: Any, home: Any = (10.0, 10.0, 10.0), **changed: Any) -> list[tuple[int, int, int, float]]:
    record = Record(BOOKS, [100.0] * 3)
    pen = Pen(record, [0, 0, 0], [0, 1, 2])
    for name, value in changed.items():
        if name == "stopped":
            record.withdrawals_open[value] = False
        elif name == "late":
            pen.late[value] = 1.0
        else:
            setattr(pen, name, value)
    have = np.asarray(have, float)
    spare = changed.get("spare", have)
    told = treasury.even_out(pen, record, ROWS, COIN, have, np.asarray(home, float), spare, 0.3)
    assert told == bool(pen.sent)
    return pen.sent


def test_half_of_the_difference_goes_from_where_most_is_too_much_to_where_most_is_missing() -> None:
    assert sent([16.0, 10.0, 4.0]) == [(0, 2, COIN, 6.0)]
    assert sent([18.0, 6.0, 6.0]) == [(0, 1, COIN, 6.0)]


def test_small_differences_are_let_be_and_so_is_a_loss_that_all_have_made() -> None:
    assert sent([12.0, 10.0, 8.0]) == []
    assert sent([5.0, 5.0, 5.0]) == []


def test_what_is_left_after_a_loss_is_shared_as_the_opening_was() -> None:
    assert sent([9.0, 9.0, 0.0]) == [(0, 2, COIN, 3.0)]
    unequal = sent([12.0, 3.0, 0.0], home=[20.0, 5.0, 5.0])
    assert unequal == [(0, 2, COIN, pytest.approx(2.0))]


@pytest.mark.parametrize(
    "stuck", [{"stopped": 0}, {"late": 0}, {"late": 2}, {"shut": True}, {"spare": np.array([0.1, 0.0, 0.0])}]
)
def test_nothing_is_sent_by_an_owner_that_is_stuck(stuck: dict[str, Any]) -> None:
    assert sent([16.0, 10.0, 4.0], **stuck) == []


def test_who_has_credit_sends_out_of_a_venue_that_has_stopped() -> None:
    assert sent([16.0, 10.0, 4.0], stopped=0, credit=True) == [(0, 2, COIN, 6.0)]


def test_no_more_is_sent_than_can_be_spared() -> None:
    assert sent([16.0, 10.0, 4.0], spare=np.array([2.0, 0.0, 0.0])) == [(0, 2, COIN, 2.0)]


def test_owners_do_not_help_each_other() -> None:
    record = Record(BOOKS[:2], [100.0] * 2)
    pen = Pen(record, [0, 1], [0, 1])
    assert not treasury.even_out(
        pen, record, np.arange(2), COIN, np.array([20.0, 0.0]), np.full(2, 10.0), np.full(2, 1e9), 0.3
    )


def test_a_wait_is_that_of_the_fastest_own_channel_and_the_longest_where_nothing_is_let_out() -> None:
    record = Record(BOOKS, [100.0] * 3)
    pen = Pen(record, [0, 0, 0], [0, 1, 2])
    record.withdrawals_open[1] = False
    assert treasury.waits(pen, record, MONEY, 3600.0).tolist() == [60.0, 3600.0, 60.0]
    pen.shut = True
    assert treasury.waits(pen, record, MONEY, 3600.0).tolist() == [3600.0] * 3


def test_what_is_too_much_is_that_of_plain_numpy_whoever_owns_what() -> None:
    draw = np.random.default_rng(3)
    for _ in range(300):
        n = int(draw.integers(1, 40))
        owner = draw.choice(draw.integers(0, 1 << 31, 5), n)
        have, home = draw.normal(5, 20, n), draw.lognormal(1, 2, n) * (draw.random(n) < 0.7)
        firm = np.unique(owner, return_inverse=True)[1]
        now, then = np.bincount(firm, have), np.bincount(firm, home)
        part = np.maximum(now, 0.0) / np.maximum(then, 1e-300)
        expected = np.where(then[firm] > 0, have - home * part[firm], 0.0)
        assert treasury.surplus(owner.astype(np.int32), have, home).tolist() == expected.tolist()
