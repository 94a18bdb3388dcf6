"""Claims about ledgers: what a fill moves, what a position cost, what may be taken out, and that nothing is lost."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import ledger, pen
from tests.twins.market import BTC, PERP, SPOT, USDT, Desk, small_model

USD = 10**6
FEES = 0  # alpha's row of fees


def desk(maker: float = 0.0, taker: float = 0.0) -> Desk:
    return Desk(small_model({"orders": {"band": 0.0}, "fees": {"maker": maker, "taker": taker}}))


def trade(d: Desk, buyer: int, seller: int, price: int, lots: int, book: int = PERP) -> None:
    """The seller rests, the buyer takes."""
    assert d.place(seller, book, -1, price, lots) == "accepted"
    assert d.place(buyer, book, 1, price, lots) == "accepted"


def wallet(d: Desk, row: int) -> int:
    """Balance without what is not realised."""
    return d.cash(row) + d.entry(row)


def test_a_position_is_averaged_as_it_grows_and_realises_as_it_shrinks_and_turns() -> None:
    d = desk()
    ann, bob = d.open("ann", cash=1000 * USD), d.open("bob", cash=10**12)
    seen = []
    for price, lots in ((1000, 1000), (1100, 1000), (1200, -500), (1000, -2500), (900, 1000)):
        trade(d, *((ann, bob) if lots > 0 else (bob, ann)), price, abs(lots))
        seen.append((d.lots(ann), d.entry(ann) / USD, wallet(d, ann) / USD - 1000))
    assert seen == [
        (1000, 100.0, 0.0),
        (2000, 210.0, 0.0),  # 105 each
        (1500, 157.5, 7.5),  # half a coin sold 15 dollars above
        (-1000, -100.0, 0.0),  # one and a half coins closed five below, one opened short
        (0, 0.0, 10.0),
    ]
    assert d.faults() == [] and wallet(d, bob) == 10**12 - 10 * USD


def test_a_fill_at_the_mark_changes_nobodys_equity_but_for_the_fee() -> None:
    d = desk(maker=0.0002, taker=0.0005)
    ann, bob = d.open("ann", cash=1000 * USD), d.open("bob", cash=1000 * USD)
    trade(d, ann, bob, 1000, 1000)
    assert d.margin(ann)[0] == 1000 * USD - 50_000
    assert d.margin(bob)[0] == 1000 * USD - 20_000
    assert d.cash(FEES) == 70_000


def test_fees_are_rounded_against_the_trader_and_rebates_too() -> None:
    d = desk(maker=-0.0001, taker=0.0005)
    ann, bob = d.open("ann", cash=1000 * USD), d.open("bob", cash=1000 * USD)
    trade(d, ann, bob, 1001, 1)  # 100,100 units: a fee of 50.05, a rebate of 10.01
    assert (d.margin(ann)[0] - 1000 * USD, d.margin(bob)[0] - 1000 * USD) == (-51 - 100, 10 + 100)
    assert d.cash(FEES) == 41


def test_spot_moves_two_assets_and_the_fee_is_paid_in_the_quote() -> None:
    d = desk(maker=0.0002, taker=0.0005)
    ann, bob = d.open("ann", cash=200 * USD), d.open("bob", coins=10**8)
    assert d.place(bob, SPOT, -1, 1000, 600) == "accepted"
    assert d.locked(bob, BTC) == 60_000_000
    assert d.place(ann, SPOT, 1, 1000, 400) == "accepted"
    assert (d.cash(ann), d.cash(ann, BTC)) == (200 * USD - 40_020_000, 40_000_000)
    assert (d.cash(bob), d.cash(bob, BTC), d.locked(bob, BTC)) == (39_992_000, 60_000_000, 20_000_000)
    assert d.cash(FEES) == 28_000


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.lists(st.tuples(st.integers(1, 3000), st.integers(-500, 500).filter(bool)), min_size=1, max_size=20)
)
def test_what_is_realised_is_exact_within_a_unit_a_fill(fills: list[tuple[int, int]]) -> None:
    """Against average cost in fractions."""
    d = desk()
    ann, bob = d.open("ann", cash=10**12), d.open("bob", cash=10**12)
    held, cost, realised = 0, Fraction(0), Fraction(0)
    for price, lots in fills:
        trade(d, *((ann, bob) if lots > 0 else (bob, ann)), price, abs(lots))
        closing = min(abs(lots), abs(held)) if held * lots < 0 else 0
        if closing:
            part = cost * closing / abs(held)
            realised += (1 if held > 0 else -1) * closing * price * 100 - part
            cost -= part
        held += lots
        cost += (1 if lots > 0 else -1) * (abs(lots) - closing) * price * 100
        assert d.lots(ann) == held == -d.lots(bob)
        assert d.margin(ann)[0] + d.margin(bob)[0] == pytest.approx(2 * 10**12, abs=1), (
            "a market of two nets to zero"
        )
    assert abs(wallet(d, ann) - 10**12 - realised) <= len(fills)
    assert d.faults() == []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.integers(1, 5000),
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.sampled_from([-0.0001, 0.0, 3e-4, 0.0077]),
)
def test_a_resting_bid_pays_for_its_fills_in_whatever_pieces_they_come(
    price: int, pieces: list[int], fee: float
) -> None:
    d = desk(maker=fee)
    lots = sum(pieces)
    each = price * 100
    exact = lots * (each + max(0, -(-each * round(fee * 1e8) // 10**8)))
    ann, bob = d.open("ann", cash=exact), d.open("bob", coins=10**12)
    assert d.place(ann, SPOT, 1, price, lots + 1) == "not enough balance"
    assert d.place(ann, SPOT, 1, price, lots) == "accepted"
    for piece in pieces:
        assert 0 <= d.locked(ann) <= d.cash(ann)
        assert d.place(bob, SPOT, -1, price, piece) == "accepted"
    assert d.locked(ann) == 0 <= d.cash(ann)
    assert d.cash(ann, BTC) == lots * 100_000


def take_out(d: Desk, row: int, asset: int, amount: int) -> int:
    amounts = np.array([amount], np.int64)
    ledger.debit(d.address, np.array([row], np.int32), np.array([asset], np.int32), amounts)
    return int(amounts[0])


def test_neither_margin_nor_paper_profit_nor_what_orders_lock_can_be_taken_out() -> None:
    d = desk()
    ann, bob = d.open("ann", cash=100 * USD, coins=10**8, leverage=10), d.open("bob", cash=10**12)
    trade(d, ann, bob, 1000, 2000)  # 200 dollars, 20 of margin
    d.set_mark(PERP, 1100 * 1024)  # 20 of profit on paper, 22 of margin
    d.place(ann, SPOT, -1, 2000, 400)
    d.place(ann, SPOT, 1, 500, 200)  # ten dollars
    assert take_out(d, ann, BTC, 10**9) == 60_000_000
    assert take_out(d, ann, USDT, 10**12) == 88 * USD, (
        "120 of equity less 22 and 10, and no more than 90 are cash"
    )
    assert d.margin(ann)[2] == 0
    assert take_out(d, ann, USDT, 1) == 0
    other = d.open("other", cash=50 * USD)
    assert take_out(d, other, USDT, 7) == 7 and take_out(d, other, BTC, 7) == 0


@pytest.mark.parametrize(
    ("table", "field", "says"),
    [
        ("holdings", "amount", "units too many"),
        ("positions", "qty", "positions sum to"),
        ("books", "open_interest", "open interest"),
        ("positions", "buys", "its orders sum to"),
        ("meta", "live_orders", "live orders"),
    ],
)
def test_whatever_does_not_balance_is_told(table: str, field: str, says: str) -> None:
    d = desk()
    ann, bob = d.open("ann", cash=1000 * USD), d.open("bob", cash=1000 * USD)
    trade(d, ann, bob, 1000, 10)
    d.place(ann, PERP, 1, 900, 10)
    assert d.faults() == []
    getattr(d.state, table)[field][0] += 1
    assert any(says in line for line in d.faults())


@pytest.mark.parametrize("table", ["orders", "levels", "positions", "holdings", "events", "requests"])
def test_room_is_made_for_a_batch_as_soon_as_one_table_is_short(table: str) -> None:
    model = small_model()
    s = model.state
    model.make_room()
    assert ledger.roomy(s.address, 1)
    used = s.count(table)
    s.meta[table] = len(getattr(s, table))
    assert not ledger.roomy(s.address, 1)
    model.make_room()
    assert len(getattr(s, table)) > s.count(table)
    s.meta[table] = used
    assert ledger.roomy(s.address, 4096)


def test_what_could_be_sold_at_a_spot_book_is_what_no_offer_locks() -> None:
    d = Desk(small_model())
    row = d.open("owner", cash=10**9, coins=5 * 10**8)
    d.hold(PERP, 100.0, {row: 7})
    d.place(row, SPOT, -1, 1100, 200)
    out, own = np.empty(2), np.array([row], np.int32)
    lot, scale = np.array([0.001] * 4), np.array([1e6, 1e8])
    books = np.array([PERP, SPOT])
    for found in (np.zeros(0, np.int32), np.array([-1] * 4, np.int32), np.array([7, 10**6, 0, 0], np.int32)):
        for _ in range(2):  # who remembers where it was, rightly or wrongly, finds the same
            assert pen.stock(d.address, own, found, np.zeros(2, np.int64), books, lot, scale, out) == 0
            assert out.tolist() == pytest.approx([0.007, 5.0 - 0.2])
