"""Coins lent and borrowed: nothing is created, collateral is really there, and what is not given back is paid for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.causes import EVENT_KINDS
from abm.loans import YEAR_MS
from abm.statements import statements
from tests.twins.market import BTC, SPOT, USDT, Desk, small_model

DOLLAR, COIN = 1_000_000, 100_000_000
HAIRCUT, RATE, NOTICE = 0.25, 0.10, 600.0
DAY = 86_400_000


def market(cash: float = 1000.0, coins: float = 10.0) -> tuple[Desk, Any, int, int]:
    """(desk, loans, lender's row, borrower's row) at alpha; a coin is worth 100 dollars."""
    d = Desk(small_model(check=True))
    lender = d.open("lender", coins=round(coins * COIN))
    borrower = d.open("arb", cash=round(cash * DOLLAR))
    d.model.setup()
    price(d, 100.0)
    d.model.loans.offer(lender, HAIRCUT, RATE, NOTICE, 0)
    return d, d.model.loans, lender, borrower


def price(d: Desk, dollars: float) -> None:
    d.state.books["mark"][SPOT] = round(dollars / 0.1 * 1024)


def held(d: Desk, row: int, asset: int) -> int:
    used = d.state.holdings[: d.state.count("holdings")]
    return int(used["amount"][(used["row"] == row) & (used["asset"] == asset)].sum())


def sound(d: Desk) -> bool:
    d.model.audit("test")
    return True


def kinds(loans: Any) -> list[str]:
    found = [change.kind for change in loans.changes]
    loans.changes.clear()
    return found


def test_a_loan_moves_coins_one_way_and_collateral_the_other() -> None:
    d, loans, lender, borrower = market()
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    assert (held(d, borrower, BTC), held(d, lender, BTC)) == (2 * COIN, 8 * COIN)
    assert (held(d, borrower, USDT), held(d, lender, USDT)) == (750 * DOLLAR, 250 * DOLLAR)
    assert loans.owed() == {(borrower, BTC): 2 * COIN} and loans.owed(recalled=True) == {}
    assert kinds(loans) == ["loan"] and sound(d)


def test_borrowing_makes_nobody_richer_or_poorer() -> None:
    d, loans, lender, borrower = market()
    before = statements(d.model)[0]
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    after = statements(d.model)[0]
    for row in (lender, borrower):
        worth = [float(x["equity"][row] + x["coins"][row]) for x in (before, after)]
        assert worth[0] == pytest.approx(worth[1]) == pytest.approx(1000.0)


def test_collateral_cannot_be_taken_away_by_the_lender() -> None:
    from abm import ledger

    d, loans, lender, borrower = market()
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    taken = np.array([250 * DOLLAR], np.int64)
    ledger.debit(d.address, np.array([lender], np.int32), np.array([USDT], np.int32), taken)
    assert taken[0] == 0


def test_nobody_borrows_more_than_lenders_have_or_than_its_free_money_covers() -> None:
    d, loans, lender, borrower = market(cash=1e6)
    loans.borrow(borrower, BTC, 50 * COIN, 0)
    assert held(d, borrower, BTC) == 10 * COIN and loans.lendable(0, BTC)[0] == 0
    d, loans, lender, borrower = market(cash=250.0)
    loans.borrow(borrower, BTC, 50 * COIN, 0)
    assert held(d, borrower, BTC) == 2 * COIN and held(d, borrower, USDT) == 0
    loans.borrow(borrower, BTC, COIN, 0)
    assert held(d, borrower, BTC) == 2 * COIN and sound(d)
    assert np.isnan(loans.lendable(1, BTC)[1]), "nobody lends at beta"


def test_what_is_given_back_returns_its_collateral_less_interest() -> None:
    d, loans, lender, borrower = market()
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    loans.repay(borrower, BTC, COIN // 2, 30 * DAY)
    first = 50 * DOLLAR * 10_000_000 * 30 * DAY // (YEAR_MS * 10**8)
    assert held(d, borrower, USDT) == 750 * DOLLAR + 250 * DOLLAR // 4 - first
    loans.repay(borrower, BTC, 5 * COIN, 60 * DAY)
    rest = 150 * DOLLAR * 10_000_000 * 60 * DAY // (YEAR_MS * 10**8)
    assert held(d, lender, USDT) == first + rest > 2 * DOLLAR
    assert held(d, lender, BTC) == 10 * COIN and not loans.open and sound(d)
    assert kinds(loans) == ["loan", "loan_repaid", "loan_repaid"]


def test_a_coin_that_has_become_dear_is_called_for_and_then_recalled_and_then_paid_for() -> None:
    d, loans, lender, borrower = market(cash=300.0)
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    price(d, 110.0)
    loans.tend(1000)
    assert held(d, borrower, USDT) == 50 * DOLLAR, "half of the haircut is still there"
    price(d, 112.0)
    loans.tend(2000)
    assert abs(held(d, borrower, USDT) - 20 * DOLLAR) <= 1 and loans.open[0].recalled < 0
    price(d, 130.0)
    loans.tend(3000)
    assert held(d, borrower, USDT) == 0 and loans.open[0].recalled == 3000
    assert loans.owed(recalled=True) == {(borrower, BTC): 2 * COIN}
    loans.tend(3000 + 599_000)
    assert loans.open
    loans.tend(3000 + 600_000)
    assert not loans.open and held(d, borrower, BTC) == 2 * COIN and held(d, lender, USDT) == 300 * DOLLAR
    assert sound(d) and kinds(loans)[-2:] == ["loan_recalled", "loan_forfeited"]


def test_who_gives_back_in_time_what_is_recalled_gets_its_collateral() -> None:
    d, loans, lender, borrower = market()
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    loans.recall(lender, BTC, 1000)
    loans.repay(borrower, BTC, 2 * COIN, 500_000)
    loans.tend(10**9)
    assert held(d, lender, BTC) == 10 * COIN and held(d, borrower, USDT) > 999 * DOLLAR and sound(d)


def test_loans_of_a_snapshot_are_those_that_there_were() -> None:
    d, loans, lender, borrower = market()
    loans.borrow(borrower, BTC, 2 * COIN, 0)
    loans.recall(lender, BTC, 1000)
    saved = loans.snapshot()
    other, them, *_ = market()
    them.restore(saved)
    assert them.open == loans.open and them.offers == loans.offers
    assert [loan.number for loan in them.open] == [0]
    assert len(EVENT_KINDS) == len(set(EVENT_KINDS))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 20.0)), min_size=5, max_size=40))
def test_nothing_is_created_or_lost_by_any_sequence(acts: list[tuple[int, float]]) -> None:
    d, loans, lender, borrower = market(cash=800.0)
    for n, (what, much) in enumerate(acts):
        now = 60_000 * n
        if what == 0:
            loans.borrow(borrower, BTC, round(much * COIN), now)
        elif what == 1:
            loans.repay(borrower, BTC, round(much * COIN), now)
        elif what == 2:
            loans.recall(lender, BTC, now)
        else:
            price(d, 60.0 + 5.0 * much if what == 3 else 100.0)
        loans.tend(now)
        assert sound(d)
        assert sum(loan.pledged for loan in loans.open) <= held(d, lender, USDT)
    assert held(d, lender, BTC) + held(d, borrower, BTC) == 10 * COIN
    assert held(d, lender, USDT) + held(d, borrower, USDT) == 800 * DOLLAR


@pytest.mark.parametrize("amount", [0, -5])
def test_no_loan_of_nothing(amount: int) -> None:
    d, loans, _, borrower = market()
    loans.borrow(borrower, BTC, amount, 0)
    loans.repay(borrower, BTC, 5, 0)
    assert not loans.open and kinds(loans) == []
