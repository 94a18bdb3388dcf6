"""Claims about order books and the accounts behind them: tables that a trader can read, then the naive twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import messages as asked
from abm import resting
from abm.messages import CODES, ENGINE, FOK, IOC, POST_ONLY, REDUCE_ONLY, SLIDE
from tests.twins.market import BTC, ETH, OTHER, PERP, SPOT, USDT, Desk, messages, small_model
from tests.twins.naive_book import Exchange, twin_of

RICH = 10**15


def desk(names: str = "ann bob cid", **alpha: Any) -> Desk:
    """An alpha without a band, and some rich traders."""
    d = Desk(small_model({"orders": {"band": 0.0}} | alpha))
    for name in names.split():
        setattr(d, name, d.open(name, cash=RICH, coins=RICH))
    return d


def table(text: str) -> str:
    """A drawing without its margin."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def drawn(d: Desk, book: int = PERP) -> str:
    return table(d.draw(book))


# ---------------------------------------------------------------- scenarios as tables


def test_price_first_then_time() -> None:
    d = desk()
    for who, side, price, qty in (
        (d.ann, 1, 999, 5), (d.bob, 1, 1000, 3), (d.cid, 1, 1000, 4), (d.ann, -1, 1002, 7), (d.bob, -1, 1001, 2),
    ):  # fmt: skip
        assert d.place(who, PERP, side, price, qty) == "accepted"
    assert drawn(d) == table("""
        offer 1002 | ann:7
        offer 1001 | bob:2
        bid 1000 | bob:3 cid:4
        bid 999 | ann:5
    """)
    assert d.place(d.ann, PERP, -1, 1000, 5) == "accepted"
    assert d.tape() == [(PERP, d.bob, d.ann, -1, 1000, 3), (PERP, d.cid, d.ann, -1, 1000, 2)]
    assert drawn(d) == table("""
        offer 1002 | ann:7
        offer 1001 | bob:2
        bid 1000 | cid:2
        bid 999 | ann:5
    """)


def test_a_reduce_only_order_goes_with_its_position() -> None:
    d = desk()
    d.place(d.ann, PERP, -1, 1000, 5)
    d.place(d.bob, PERP, 1, 1000, 5)  # bob is long, ann short
    assert d.place(d.bob, PERP, -1, 1005, 5, REDUCE_ONLY) == "accepted"
    assert d.place(d.ann, PERP, 1, 990, 5, REDUCE_ONLY) == "accepted"
    d.place(d.cid, PERP, 1, 1001, 5)
    d.place(d.bob, PERP, -1, 1001, 5)
    assert drawn(d) == "bid 990 | ann:5"  # bob is flat: his offer is gone, and a bid above it rests
    assert d.place(d.cid, PERP, 1, 1006, 1, POST_ONLY) == "accepted"


def test_an_order_that_slides_rests_a_tick_behind_what_it_would_have_traded_with() -> None:
    d = desk()
    d.place(d.ann, PERP, -1, 1005, 5)
    assert d.place(d.bob, PERP, 1, 1007, 5, POST_ONLY) == "post-only would trade"
    assert d.place(d.bob, PERP, 1, 1007, 5, POST_ONLY | SLIDE) == "accepted"
    assert d.place(d.cid, PERP, 1, 1003, 5, POST_ONLY | SLIDE) == "accepted"  # would not trade: as asked
    assert drawn(d) == table("""
        offer 1005 | ann:5
        bid 1004 | bob:5
        bid 1003 | cid:5
    """)
    assert d.tape() == []


@pytest.mark.parametrize("mode", ["cancel_resting", "cancel_taking", "cancel_both"])
def test_a_liquidation_does_not_end_at_a_bid_of_the_same_owner(mode: str) -> None:
    d = desk(orders={"band": 0.0, "self_trade": mode})
    isolated = d.open("ann", cash=RICH, isolated=True)
    d.place(d.cid, PERP, -1, 1000, 10)
    d.place(isolated, PERP, 1, 1000, 10)
    d.place(d.ann, PERP, 1, 999, 1)
    d.place(d.bob, PERP, 1, 998, 10)
    assert d.place(isolated, PERP, -1, 900, 10, flags=IOC | ENGINE) == "accepted"
    assert drawn(d) == ""
    assert d.tape()[-1] == (PERP, d.bob, isolated, -1, 998, 10)


def test_buying_spot_without_money_is_refused() -> None:
    d = desk()
    poor = d.open("poor", cash=0)
    d.place(d.ann, SPOT, -1, 1000, 5)
    assert d.place(poor, SPOT, 1, 1000, 5, IOC) == "not enough balance"
    assert d.tape() == []


def test_no_larger_keeps_its_place_and_larger_goes_to_the_end() -> None:
    d = desk()
    for who in (d.ann, d.bob, d.cid):
        d.place(who, PERP, 1, 1000, 5)
    for lots in (2, 2):  # smaller, then the size that it has
        assert d.amend(0, 1000, lots) == "accepted"
        assert drawn(d) == "bid 1000 | ann:2 bob:5 cid:5"
    assert d.amend(1, 1000, 6) == "accepted"
    assert drawn(d) == "bid 1000 | ann:2 cid:5 bob:6"
    assert d.amend(0, 1001, 2) == "accepted"
    assert drawn(d) == table("bid 1001 | ann:2\nbid 1000 | cid:5 bob:6")


def test_a_refused_change_leaves_the_order_where_it_was() -> None:
    d = desk()
    poor = d.open("poor", cash=6_000_000)  # 1,000 lots at 1,000 ticks are 100 dollars, 5 dollars of margin
    assert d.place(poor, PERP, 1, 1000, 1000) == "accepted"
    assert d.place(d.ann, PERP, 1, 1000, 1) == "accepted"
    assert d.amend(0, 1000, 2000) == "not enough margin"
    assert d.amend(0, 0, 10) == "bad price"
    assert drawn(d) == "bid 1000 | poor:1000 ann:1"
    assert d.faults() == []


@pytest.mark.parametrize(
    ("mode", "answer", "book"),
    [
        ("cancel_resting", "accepted", "bid 998 | bob:2"),
        ("cancel_taking", "self-trade", "bid 999 | ann:1\nbid 998 | bob:2"),
        ("cancel_both", "self-trade", "bid 998 | bob:2"),
        ("off", "accepted", "bid 998 | bob:2"),
    ],
)
def test_nobody_trades_with_himself_unless_the_venue_lets_him(mode: str, answer: str, book: str) -> None:
    d = desk(orders={"band": 0.0, "self_trade": mode})
    second = d.open("ann", cash=RICH)  # another account of the same owner
    d.place(d.bob, PERP, 1, 1000, 2)
    d.place(d.ann, PERP, 1, 999, 1)
    d.place(d.bob, PERP, 1, 998, 3)
    assert d.place(second, PERP, -1, 1, 4, IOC) == answer
    trades = [(maker, qty) for _, maker, _, _, _, qty in d.tape()]
    assert trades[0] == (d.bob, 2), "what came before the own order is filled in every mode"
    rest = {"cancel_resting": [(d.bob, 2)], "off": [(d.ann, 1), (d.bob, 1)]}.get(mode, [])
    assert trades[1:] == rest
    expected = {"cancel_resting": "bid 998 | bob:1", "off": "bid 998 | bob:2"}.get(mode)
    assert drawn(d) == (expected or table(book.replace("bob:2", "bob:3")))


def test_immediate_whole_passive_and_reducing_orders() -> None:
    d = desk()
    d.place(d.ann, PERP, -1, 1000, 5)
    assert d.place(d.bob, PERP, 1, 1000, 8, FOK) == "cannot be filled whole"
    assert d.place(d.bob, PERP, 1, 1000, 8, POST_ONLY) == "post-only would trade"
    assert d.place(d.bob, PERP, 1, 1000, 8, REDUCE_ONLY) == "nothing to reduce"
    assert d.place(d.bob, SPOT, -1, 1000, 8, REDUCE_ONLY) == "nothing to reduce", "coins are no position"
    assert d.tape() == []
    assert d.place(d.bob, PERP, 1, 1000, 4, FOK) == "accepted"
    assert d.place(d.bob, PERP, 1, 1000, 8, IOC) == "accepted"
    assert d.lots(d.bob) == 5 and drawn(d) == ""
    assert d.place(d.bob, PERP, -1, 1001, 9, REDUCE_ONLY) == "accepted"
    assert drawn(d) == "offer 1001 | bob:5"


def test_a_fill_or_kill_order_does_not_count_on_what_will_not_trade() -> None:
    d = desk()
    d.place(d.ann, PERP, 1, 1000, 5)
    d.place(d.bob, PERP, -1, 1000, 5)  # ann is long 5
    d.place(d.ann, PERP, -1, 1005, 5, REDUCE_ONLY)
    d.place(d.cid, PERP, 1, 1004, 3)
    d.place(d.ann, PERP, -1, 1004, 3)  # and now long 2: her offer of 5 can close only 2
    assert d.place(d.bob, PERP, 1, 1005, 3, FOK) == "cannot be filled whole"
    assert d.place(d.bob, PERP, 1, 1005, 2, FOK) == "accepted"
    poor = d.open("poor", cash=1_000_000)  # one dollar buys ten lots at 1,000 ticks less fees
    d.place(d.ann, SPOT, -1, 1000, 50)
    assert d.place(poor, SPOT, 1, 1000, 10, FOK) == "cannot be filled whole"
    assert d.place(poor, SPOT, 1, 1000, 9, FOK) == "accepted"


@pytest.mark.parametrize("mark", [1000 * 1024, 1000 * 1024 + 1, 1000 * 1024 + 1023, 777_777])
def test_a_market_order_is_inside_the_band_on_both_sides(mark: int) -> None:
    d = desk(orders={"band": 0.05})
    d.set_mark(PERP, mark)
    near = mark // 1024
    for side in (1, -1):
        d.place(d.ann, PERP, -side, near + side * 2, 5)
        assert d.place(d.bob, PERP, side, 0, 5) == "accepted"
    assert len(d.tape()) == 2
    assert d.place(d.bob, PERP, 1, int(mark * 1.0501 / 1024) + 1, 5) == "outside the band"
    assert d.place(d.bob, PERP, 1, 1, 5) == "accepted", "far from the touch is no offence"


def test_a_name_that_is_used_for_another_side_or_book_means_a_quote_there() -> None:
    d = desk()
    box = messages(3)
    box["op"], box["row"], box["flags"], box["qty"], box["ref"] = asked.QUOTE, d.ann, POST_ONLY, 2, d.name()
    box["book"], box["side"], box["price"] = [PERP, PERP, ETH], [1, -1, 1], [990, 1010, 480]
    for one, (bids, offers, ether) in zip(range(3), [(1, 0, 0), (0, 1, 0), (0, 0, 1)], strict=True):
        d.batch(box[one : one + 1].copy())
        assert (len(d.queue(PERP, 1)), len(d.queue(PERP, -1)), len(d.queue(ETH, 1))) == (bids, offers, ether)


def test_a_quote_alone_on_its_level_moves_where_no_level_is_left() -> None:
    d = desk(orders={"band": 0.0, "levels": 16})
    for i in range(16):
        d.place(d.ann, PERP, 1, 900 + i, 1)
    assert d.amend(d.sent - 1, 950, 1) == "accepted"
    assert len(d.queue(PERP, 1)) == 16 and d.queue(PERP, 1)[0][0] == 950
    d.place(d.bob, PERP, 1, 950, 1)
    assert d.amend(d.sent - 1, 951, 1) == "no room", "its level stays with the other order on it"


def test_orders_end_at_their_hour() -> None:
    d = desk()
    d.place(d.ann, PERP, 1, 1000, 1, expiry=1500)
    d.place(d.bob, PERP, 1, 1000, 1, expiry=2_000_000)
    assert d.place(d.cid, PERP, 1, 1000, 1, expiry=-5) == "expired"
    d.pass_time()
    assert drawn(d) == "bid 1000 | ann:1 bob:1"
    d.pass_time()
    assert d.place(d.cid, PERP, -1, 1000, 2, IOC) == "accepted"
    assert [t[1] for t in d.tape()] == [d.bob], (
        "an order that is over does not trade although it is still listed"
    )
    d.place(d.bob, PERP, 1, 1000, 1, expiry=2_000_000)
    d.pass_time(2000)
    assert drawn(d) == ""


def test_a_full_venue_says_so() -> None:
    d = desk(orders={"band": 0.0, "capacity": 100, "max_orders_per_row": 60})
    answers = [d.place(d.ann, PERP, 1, 100 + i, 1) for i in range(61)]
    assert answers == ["accepted"] * 60 + ["too many orders of the account"]
    answers = [d.place(d.bob, ETH, 1, 100 + i, 1) for i in range(41)]
    assert answers == ["accepted"] * 40 + ["no room"]
    assert d.place(d.cid, PERP, -1, 100, 3, IOC) == "accepted", "who takes needs no room"
    assert d.place(d.bob, ETH, 1, 100, 1) == "accepted"
    assert d.place(d.bob, OTHER, 1, 100, 1) == "wrong venue"


def test_a_side_holds_so_many_price_levels_and_no_more() -> None:
    d = Desk(small_model({"orders": {"band": 0.0, "levels": 3}}, {"orders": {"band": 0.0, "levels": 5}}))
    ann, there = d.open("ann", cash=RICH), d.open("bob", venue=1, cash=RICH)
    for book, row, most in ((PERP, ann, 3), (OTHER, there, 5), (ETH, ann, 3)):
        for side in (1, -1):
            answers = [d.place(row, book, side, 1000 - side * (100 - i), 1) for i in range(most + 2)]
            assert answers == ["accepted"] * most + ["no room"] * 2, (
                "better or worse, a new level finds no room"
            )
            assert d.place(row, book, side, 1000 - side * 100, 1) == "accepted", (
                "a level that is there is open to all"
            )
    for book, most in ((PERP, 3), (OTHER, 5), (ETH, 3)):
        assert [len(d.queue(book, side)) for side in (1, -1)] == [most, most]
    assert d.faults() == []


def test_prices_from_one_tick_to_far_above_the_opening() -> None:
    d = desk()
    assert d.place(d.ann, PERP, 1, 1, 5) == "accepted"
    assert d.place(d.ann, PERP, -1, 8000, 5) == "accepted"
    assert d.place(d.bob, PERP, -1, 1, 5) == "accepted"
    assert d.place(d.bob, PERP, 1, 0, 5) == "accepted"
    assert [(t[4], t[5]) for t in d.tape()] == [(1, 5), (8000, 5)]
    assert d.place(d.ann, PERP, 1, 2**31, 1) == "bad price"
    assert d.place(d.ann, PERP, 1, -1, 1) == "bad price"
    assert d.place(d.ann, PERP, 1, 5, 0) == "bad size"


def test_an_isolated_account_belongs_to_its_first_contract() -> None:
    d = desk()
    alone = d.open("alone", cash=RICH, isolated=True)
    assert d.place(alone, ETH, 1, 500, 1) == "accepted"
    assert d.place(alone, PERP, 1, 1000, 1) == "wrong contract for an isolated account"
    assert d.place(alone, ETH, 1, 499, 1) == "accepted"


def test_profit_on_paper_buys_no_coins() -> None:
    d = desk()
    short = d.open("short", cash=10_000_000)
    d.place(d.ann, PERP, 1, 1000, 500)
    d.place(short, PERP, -1, 1000, 500)  # its balance is 60 dollars now, its wallet 10
    d.place(d.ann, SPOT, -1, 1000, 1000)
    d.place(short, SPOT, 1, 1000, 1000, IOC)
    assert d.cash(short, BTC) // 100_000 <= 75, "7.5 dollars are free: ten less 2.5 of margin and fees"
    assert d.place(short, SPOT, 1, 1000, 10) == "not enough balance"


# ---------------------------------------------------------------- engine and twin


def compare(d: Desk, twin: Exchange) -> None:
    """Everything that both know."""
    assert d.tape() == twin.tape
    for book in range(len(twin.books)):
        for side in (1, -1):
            assert d.queue(book, side) == twin.queue(book, side)
    for row in range(len(twin.rows)):
        for asset in (USDT, BTC):
            assert d.cash(row, asset) == twin.cash[row, asset], (row, asset)
            assert d.locked(row, asset) == twin.locked(row, asset), (row, asset)
        for book in range(len(twin.books)):
            assert d.lots(row, book) == twin.lots[row, book]
            assert d.entry(row, book) == twin.entry[row, book]
    venues = len(twin.venues)
    told = d.state.rejects[: 32 * venues].reshape(venues, 32)
    assert told.tolist() == [
        [twin.refused[v, CODES[c]] if c < len(CODES) else 0 for c in range(32)] for v in range(venues)
    ]
    assert d.faults() == []


def market(
    mode: str = "cancel_resting", band: float = 0.0, levels: int = 4096, limit: int = 200, capacity: int = 200_000,
    maker: float = 0.0002, purses: tuple[int, ...] = (RICH,) * 4, flat: bool = False,
) -> tuple[Desk, Exchange]:  # fmt: skip
    """Four owners with five accounts at alpha (two of one owner, one isolated), one account at beta.

    `flat`: the leverage of an account is allowed for positions of any size.
    """
    orders = {
        "self_trade": mode,
        "band": band,
        "max_orders_per_row": limit,
        "capacity": capacity,
        "levels": levels,
    }
    d = Desk(small_model({"orders": orders, "fees": {"maker": maker, "taker": 0.0005}}))
    if flat:
        d.set_brackets(PERP, (0, 0.004, 0, 0.01))
    for i, purse in enumerate(purses):
        d.open(f"owner {i}", cash=purse, coins=purse // 10 * 3, leverage=5.0 * (i + 1))
    d.open("owner 0", cash=purses[0], coins=purses[0] // 10)
    d.open("owner 1", cash=purses[-1], isolated=True)
    d.open("owner 0", venue=1, cash=purses[0])
    return d, twin_of(d)


FIRST = 6  # rows of the venues come first
Action = st.tuples(
    st.sampled_from(["limit"] * 6 + ["market"] * 2 + ["cancel", "amend", "cancel all", "mark", "time"]),
    st.integers(FIRST, FIRST + 6),  # row
    st.sampled_from([PERP, PERP, PERP, SPOT, SPOT, ETH, OTHER]),
    st.sampled_from([1, -1]),
    st.one_of(st.integers(-4, 4), st.sampled_from([-999, -51, 51, 7000, 10**6])),  # price from the middle
    st.one_of(st.integers(1, 12), st.sampled_from([0, 900, 5000, 2**46, 2**47])),
    st.sampled_from(
        [
            0,
            0,
            0,
            0,
            IOC,
            FOK,
            POST_ONLY,
            POST_ONLY | SLIDE,
            REDUCE_ONLY,
            IOC | REDUCE_ONLY,
            FOK | REDUCE_ONLY,
        ]
    ),
    st.sampled_from([0, 0, 0, 500, 1500, 4000, -1]),  # life in milliseconds
    st.integers(0, 60),  # which order, counted back
)
Market = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["cancel_resting", "cancel_taking", "cancel_both", "off"]),
        "band": st.sampled_from([0.0, 0.05, 0.0123]),
        "levels": st.sampled_from([3, 4096]),
        "limit": st.sampled_from([3, 200]),
        "capacity": st.sampled_from([100, 200_000]),
        "maker": st.sampled_from([0.0002, -0.0001, 0.0007]),
        "purses": st.sampled_from([(RICH,) * 4, (2_000_000, 50_000_000, 300_000, 5 * 10**9)]),
    }
)


def act(d: Desk, twin: Exchange, action: tuple[Any, ...]) -> None:
    """One message to both; the same answer."""
    what, row, book, side, away, qty, flags, life, back = action
    middle = 500 if book == ETH else 1000
    price = middle + away
    if what == "mark":
        mark = max(1, price) * 1024 + 37 * back
        d.set_mark(book, mark)
        twin.books[book].mark = mark
    elif what == "time":
        d.pass_time()
        twin.pass_time(d.model.clock.step_ms)
    elif what == "cancel all":
        where = book if back % 2 else None
        count = resting.cancel_all(d.address, row, -1 if where is None else where)
        assert count == twin.cancel_all(row, where)
    elif what in ("cancel", "amend"):
        if d.sent == 0:
            return
        name = d.sent - 1 - back % d.sent
        if what == "cancel":
            assert d.cancel(name) == twin.cancel(name)
        else:
            assert d.amend(name, price, qty) == twin.amend(name, price, qty)
    else:
        price = 0 if what == "market" else max(price, -1)
        if what == "limit" and price == 0:
            price = -1
        expiry = twin.now + life if life else 0
        answer = twin.place(d.sent, row, book, side, price, qty, flags, expiry)
        assert d.place(row, book, side, price, qty, flags, expiry) == answer, action


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(Market, st.lists(Action, max_size=40))
def test_engine_and_twin_answer_alike(where: dict[str, Any], actions: list[tuple[Any, ...]]) -> None:
    d, twin = market(**where)
    for action in actions:
        act(d, twin, action)
    compare(d, twin)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(Market, st.lists(Action, max_size=120))
def test_engine_and_twin_answer_alike_for_long(where: dict[str, Any], actions: list[tuple[Any, ...]]) -> None:
    d, twin = market(**where)
    for action in actions:
        act(d, twin, action)
    compare(d, twin)


# ---------------------------------------------------------------- hostile streams through the gateway


def stream(kind: str, n: int, seed: int) -> list[tuple[Any, ...]]:
    """(what, row, book, side, price, qty, flags, which order) of a stream that tries to break a book."""
    draw = np.random.default_rng(seed)
    out: list[tuple[Any, ...]] = []
    for i in range(n):
        row = FIRST + int(draw.integers(0, 5))
        book = int(draw.choice([PERP, SPOT])) if kind != "one price" else PERP
        side = int(draw.choice([1, -1]))
        qty = int(draw.integers(1, 30))
        what, price, flags = (
            "limit",
            1000 + int(draw.integers(-20, 21)),
            int(draw.choice([0, 0, 0, IOC, POST_ONLY, POST_ONLY | SLIDE, FOK])),
        )
        if kind == "crossing flood":
            price = 1000 + side * int(draw.integers(0, 300))
        elif kind == "cancels of the dead":
            what = str(draw.choice(["limit", "cancel", "amend", "cancel", "quote"]))
            price, qty = 1000 + int(draw.integers(-2, 3)), int(draw.integers(1, 4))
        elif kind == "one tick and eight-fold":
            price = int(draw.choice([1, 2, 1000, 7999, 8000, 2**31 - 1]))
            if price == 2**31 - 1 and side > 0:
                price = 3
        elif kind == "one-sided":
            side = 1 if i % 400 < 390 else -1
            qty = qty if side > 0 else 3000
            price = int(draw.integers(1, 1200)) if side > 0 else 1
        elif kind == "one price":
            price, flags, qty = 1000, int(draw.choice([0, 0, 0, REDUCE_ONLY])), int(draw.integers(1, 4))
            side = 1 if draw.random() < 0.7 else -1
            what = "limit" if draw.random() < 0.7 else "cancel"
        elif kind == "integer limits":
            price = int(draw.choice([1, 999, 1000, 1000, 1000, 1001, 2**31 - 1]))
            qty = int(draw.choice([1, LARGEST, LARGEST, LARGEST, LARGEST + 1, 2**46 + 1, 2**63 - 1]))
            side = 1 if (row % 2 == 0) == (draw.random() < 0.9) else -1
        elif kind == "full":
            price = 1000 - side * int(draw.integers(1, 40))
            what = "limit" if draw.random() < 0.9 else "cancel all"
        out.append((what, row, book, side, price, qty, flags, int(draw.integers(0, i + 1))))
    return out


LARGEST = 2**55 // (1001 * 100)  # lots of one order at the first mark
HOSTILE = [
    "crossing flood",
    "cancels of the dead",
    "one tick and eight-fold",
    "one-sided",
    "one price",
    "full",
    "integer limits",
]


def play(kind: str, n: int, seed: int, mode: str, batch: int = 250) -> None:
    """The stream in batches through gateway and `process`, and one by one through the twin."""
    deep = kind == "integer limits"
    d, twin = market(
        mode, levels=16 if kind == "full" else 4096, limit=100_000, capacity=150 if kind == "full" else 10**6,
        purses=(2**58 if deep else RICH,) * 4, flat=deep,
    )  # fmt: skip
    ops = {"limit": asked.LIMIT, "cancel": asked.CANCEL, "amend": asked.AMEND, "quote": asked.QUOTE,
           "cancel all": asked.CANCEL_ALL}  # fmt: skip
    todo = stream(kind, n, seed)
    owners: dict[int, int] = {}
    for start in range(0, n, batch):
        part = todo[start : start + batch]
        box = messages(len(part))
        meant: list[
            tuple[int, int]
        ] = []  # name of the order and which of that name, as the sender knows them
        for m, (what, row, book, side, price, qty, flags, which) in zip(box, part, strict=True):
            name, of_name = d.name(), 0
            m["op"], m["book"], m["side"], m["price"], m["qty"] = ops[what], book, side, price, qty
            if what == "limit":
                m["flags"] = flags
            elif what == "quote":
                m["flags"] = POST_ONLY
                name = which if owners.get(which) == row else name
            elif what == "cancel all":
                m["book"] = -1
            else:
                known = twin.find(which)
                name, of_name = which, known.number if known else -1
                m["handle"] = d.handle(which)
                row = owners.get(which, row)
            if what in ("limit", "quote"):
                m["ref"], owners[name] = name, row
            m["row"] = row
            meant.append((name, of_name))
        d.batch(box)
        for (what, row, book, side, price, qty, flags, _), (name, of_name) in zip(part, meant, strict=True):
            if what == "limit":
                twin.place(name, row, book, side, price, qty, flags)
            elif what == "quote":
                twin.quote(name, row, book, side, price, qty)
            elif what == "cancel all":
                twin.cancel_all(row)
            else:
                # an order that was changed since and queued anew is another order: its old handle is stale
                o = twin.find(name)
                if o is None or o.number != of_name:
                    twin.refuse(0, "unknown order")
                elif what == "cancel":
                    twin.cancel(name)
                else:
                    twin.amend(name, price, qty)
        twin.now = d.model.now
    compare(d, twin)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_streams_leave_both_with_the_same_book(kind: str) -> None:
    play(
        kind,
        1000,
        HOSTILE.index(kind),
        ["cancel_resting", "off", "cancel_taking", "cancel_both"][HOSTILE.index(kind) % 4],
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", HOSTILE)
def test_long_hostile_streams(kind: str, seed: int) -> None:
    modes = ["cancel_resting", "off", "cancel_taking", "cancel_both"]
    play(kind, 4_000, 100 + seed, modes[seed % 4])


def test_thousands_of_owners_at_one_price_are_served_in_their_order() -> None:
    d = Desk(small_model({"orders": {"band": 0.0}}))
    rows = d.model.accounts.open([f"owner {i}" for i in range(3000)], np.zeros(3000, int), "tests")
    d.model.accounts.deposit(rows, USDT, np.full(3000, 10**9))
    order = np.random.default_rng(5).permutation(rows)
    box = messages(3000)
    box["op"], box["row"], box["book"], box["side"] = asked.LIMIT, order, PERP, 1
    box["price"], box["qty"] = 1000, 1
    d.batch(box)
    taker = d.open("taker", cash=RICH)
    assert d.place(taker, PERP, -1, 1000, 2999) == "accepted"
    assert [t[1] for t in d.tape()] == order[:-1].tolist()
    assert d.queue(PERP, 1) == [(1000, [(int(order[-1]), 1)])] and d.faults() == []
