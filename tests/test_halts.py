"""Claims about trading halts and the call auction that ends them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import auction, halts
from abm.halts import COLLECT, HaltRule, bounds
from abm.messages import FOK, IOC, LIMIT, POST_ONLY, REDUCE_ONLY
from experiments.config import ScenarioError, load
from tests.twins.market import OTHER, PERP, SPOT, Desk, messages, small_model, state_hash

RICH = 10**14
BREAKER: dict[str, Any] = {"triggers": ((3600.0, 0.035, 120.0),)}  # CME's dynamic circuit breaker
LULD: dict[str, Any] = {"triggers": ((300.0, 0.05, 300.0),), "reference": "mean", "limit_state": 15.0}
VEGA: dict[str, Any] = {"triggers": ((10.0, 0.01, 30.0), (600.0, 0.10, 60.0)), "reference": "past"}


def halting(rule: dict[str, Any], during: str = "collect", **alpha: Any) -> Desk:
    """A desk whose first venue halts by a rule and has no other bound."""
    fields: dict[str, Any] = {"orders": {"band": 0.0}, "halt": rule | {"during": during}} | alpha
    return Desk(small_model(fields, {"orders": {"band": 0.0}}, check=True))


def traders(d: Desk, *names: str) -> list[int]:
    return [d.open(name, cash=RICH, coins=RICH) for name in names]


def trade(d: Desk, buyer: int, seller: int, price: int, book: int = PERP) -> None:
    d.place(seller, book, -1, price, 1)
    d.place(buyer, book, 1, price, 1, IOC)


def end_step(d: Desk) -> None:
    """What a step does after its messages: pauses that are over end, references move along."""
    d.state.meta["now"] += d.model.clock.step_ms
    d.model.match()
    d.model.price()
    d.model.record()


# ---------------------------------------------------------------- the clearing price

Orders = list[tuple[int, int, int, int]]  # owner, side, price, lots
books = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([1, -1]), st.integers(990, 1010), st.integers(1, 9)),
    min_size=1,
    max_size=30,
)


def obvious_price(orders: Orders, reference: int) -> int:
    """The clearing price by trying every price there is; 0 if nobody would trade."""

    def result(price: int) -> tuple[int, int, int, int]:
        bids = sum(q for _, side, p, q in orders if side > 0 and p >= price)
        offers = sum(q for _, side, p, q in orders if side < 0 and p <= price)
        return -min(bids, offers), abs(bids - offers), abs(price - reference), price

    best = min(result(price) for price in range(900, 1101))
    return best[3] if best[0] < 0 else 0


def obvious_auction(orders: Orders, price: int) -> list[tuple[int, int, int]]:
    """(buyer, seller, lots) of each fill: best price first, then first come."""
    bids = [[o, p, q] for o, side, p, q in orders if side > 0 and p >= price]
    offers = [[o, p, q] for o, side, p, q in orders if side < 0 and p <= price]
    bids.sort(key=lambda x: -x[1])
    offers.sort(key=lambda x: x[1])
    fills = []
    while bids and offers:
        lots = min(bids[0][2], offers[0][2])
        fills.append((bids[0][0], offers[0][0], lots))
        for side in (bids, offers):
            side[0][2] -= lots
            if side[0][2] == 0:
                side.pop(0)
    return fills


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(books, st.integers(980, 1020), st.sampled_from([PERP, SPOT]))
def test_the_auction_is_the_obvious_one(orders: Orders, reference: int, book: int) -> None:
    d = halting({}, orders={"band": 0.0, "self_trade": "off"})
    rows = traders(d, *(f"owner {i}" for i in range(6)))
    d.state.books["halted"][book] = COLLECT
    for who, side, price, lots in orders:
        assert d.place(rows[who], book, side, price, lots) == "accepted"
    assert d.tape() == [] and d.faults() == [], "collected orders rest, crossed or not"
    price = obvious_price(orders, reference)
    assert auction.clearing_price(d.address, book, reference) == price
    d.state.books["last"][book], d.state.books["halted_until"][book] = reference, 0
    d.model.make_room()
    assert auction.reopen(d.address) == 1
    fills = obvious_auction(orders, price) if price else []
    seen = [(maker, taker) if side < 0 else (taker, maker) for _, maker, taker, side, _, _ in d.tape()]
    assert [(rows.index(b), rows.index(s)) for b, s in seen] == [(b, s) for b, s, _ in fills]
    assert [q for *_, q in d.tape()] == [q for *_, q in fills]
    assert {p for *_, p, _ in d.tape()} <= {price}
    assert d.faults() == [] and not d.state.books["halted"][book]
    left = sum(q for *_, q in orders) - 2 * sum(q for *_, q in fills)
    assert left == sum(q for side in (1, -1) for _, queue in d.queue(book, side) for _, q in queue)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(books, st.sampled_from(["cancel_resting", "cancel_taking", "cancel_both"]), st.booleans())
def test_an_auction_conserves_and_leaves_no_crossed_book_whatever_is_in_it(
    orders: Orders, self_trade: str, reduce_only: bool
) -> None:
    d = halting({}, orders={"band": 0.0, "self_trade": self_trade})
    rows = traders(d, *(f"owner {i}" for i in range(6)))
    d.hold(PERP, 100.0, {row: 4 - 2 * i for i, row in enumerate(rows)})
    d.state.books["halted"][PERP] = COLLECT
    for k, (who, side, price, lots) in enumerate(orders):
        d.place(rows[who], PERP, side, price, lots, REDUCE_ONLY if reduce_only and k % 3 == 0 else 0)
    d.model.make_room()
    auction.reopen(d.address)
    assert d.faults() == []
    assert len({p for *_, p, _ in d.tape()}) <= 1
    owners = d.state.rows["owner"]
    assert all(owners[maker] != owners[taker] for _, maker, taker, *_ in d.tape())


def test_of_prices_that_trade_as_much_the_nearest_to_the_last_is_taken() -> None:
    d = halting({})
    a, b = traders(d, "ann", "bob")
    d.state.books["halted"][PERP] = COLLECT
    d.place(a, PERP, 1, 1010, 5)
    d.place(b, PERP, -1, 990, 5)
    prices = [auction.clearing_price(d.address, PERP, last) for last in (1003, 900, 2000)]
    assert prices == [1003, 990, 1010]


# ---------------------------------------------------------------- when a book halts


def crash(d: Desk, limit: int = 900) -> tuple[int, int]:
    """Trades at 1,000, then somebody sells all the way down. Returns the two rows."""
    a, b = traders(d, "ann", "bob")
    trade(d, a, b, 1000)
    end_step(d)
    for price in (990, 980, 970, 960, 950):
        d.place(a, PERP, 1, price, 10)
    d.place(b, PERP, -1, limit, 50)
    return a, b


@pytest.mark.parametrize("during", ["collect", "refuse"])
def test_a_dynamic_breaker_stops_a_crash_for_two_minutes_and_opens_at_one_price(during: str) -> None:
    d = halting(BREAKER, during)
    crash(d)
    assert [p for *_, p, _ in d.tape()] == [990, 980, 970], "not 3.5 % below the highest price of the hour"
    halted_at = d.model.now
    assert d.state.books["halted_until"][PERP] == halted_at + 120_000
    other = d.open("cid", cash=RICH)
    answers = [
        d.place(other, PERP, 1, 0, 5), d.place(other, PERP, 1, 965, 5, IOC), d.place(other, PERP, 1, 965, 5, FOK),
        d.place(other, PERP, 1, 955, 5), d.place(other, PERP, 1, 930, 2, POST_ONLY),
    ]  # fmt: skip
    collected = ["accepted", "post-only would trade"]
    assert answers == ["halted"] * 3 + (collected if during == "collect" else ["halted"] * 2)
    traded = int(d.state.books["trade_count"][PERP])
    while d.model.now - halted_at < 119_000:
        end_step(d)
        assert d.state.books["trade_count"][PERP] == traded and d.faults() == []
    d.state.meta["now"] += 1000
    d.model.match()
    if during == "collect":  # the 20 lots at 900 that the breaker kept, bids of 25 from 950 to 960
        assert {p for *_, p, _ in d.tape()} == {950} and sum(q for *_, q in d.tape()) == 20
    else:
        assert d.tape() == [], "what was left of the seller's order did not rest"
    assert d.state.books["halted"][PERP] == 0 and d.faults() == []
    d.model.record()
    assert d.place(other, PERP, -1, 940, 1) == "accepted" and len(d.tape()) == 1, "it trades again"


def test_a_pause_is_told_and_published() -> None:
    d = halting(BREAKER)
    crash(d)
    d.state.meta["now"] += 1000
    halts.watch_all(d.address)
    assert halts.news(d.state) == [(PERP, True)] and halts.news(d.state) == []
    d.state.books["halted_until"][PERP] = 0
    d.model.make_room()
    auction.reopen(d.address)
    assert halts.news(d.state) == [(PERP, False)]


def test_limit_up_limit_down_waits_fifteen_seconds_and_then_pauses_for_five_minutes() -> None:
    d = halting(LULD)
    a, b = traders(d, "ann", "bob")
    for price in (990, 1000, 1010):
        trade(d, a, b, price)
    end_step(d)
    low, high = (int(d.state.books[name][PERP]) for name in ("floor", "ceiling"))
    assert (low, high) == (950, 1050)
    d.place(a, PERP, 1, 940, 5)
    assert d.place(b, PERP, -1, 940, 5) == "accepted" and len(d.tape()) == 0 and d.faults() == []
    assert d.queue(PERP, -1) == [], "it may not rest at a price that is not allowed"
    for _ in range(14):
        end_step(d)
        assert d.state.books["halted"][PERP] == 0
    d.place(a, PERP, 1, 960, 1)  # a bid inside the band ends the limit state
    end_step(d)
    assert d.state.books["limited"][PERP] == 0
    d.place(b, PERP, -1, 960, 1)
    d.place(b, PERP, -1, 940, 5)
    began = d.model.now
    while d.state.books["halted"][PERP] == 0:
        end_step(d)
    assert d.model.now - began == 15_000
    assert d.state.books["halted_until"][PERP] - d.model.now == 300_000


def test_an_auctions_price_that_breaks_a_wider_trigger_lengthens_the_pause() -> None:
    d = halting(VEGA)
    a, b = traders(d, "ann", "bob")
    for _ in range(15):
        trade(d, a, b, 1000)
        end_step(d)
    d.place(a, PERP, 1, 980, 5)
    d.place(b, PERP, -1, 880, 5)
    assert d.state.books["halted_until"][PERP] - d.model.now == 30_000, "2 % break the narrow trigger only"
    d.place(a, PERP, 1, 885, 50)
    d.place(b, PERP, -1, 880, 60)
    for _ in range(30):
        end_step(d)
    assert d.state.books["halted"][PERP] != 0, "an opening near 880 breaks the wide one"
    assert d.state.books["halted_until"][PERP] - d.model.now == 60_000
    for _ in range(60):
        end_step(d)
    assert d.state.books["halted"][PERP] == 0 and 880 <= d.state.books["last"][PERP] <= 885


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(990, 1009)), min_size=3, max_size=25),
    st.sampled_from(["mean", "range", "past"]),
)
def test_bounds_are_those_of_the_trades_of_the_horizon(trades: list[tuple[int, int]], reference: str) -> None:
    d = halting({"triggers": ((60.0, 0.04, 10.0),), "reference": reference})
    a, b = traders(d, "ann", "bob")
    told = []
    for wait, price in trades:
        for _ in range(wait * 10):
            end_step(d)
        trade(d, a, b, price)
        told.append((d.model.now / 1000 + 1, float(price)))
        end_step(d)
    low, high = bounds(told, d.model.now / 1000, 60.0, 0.04, reference)
    record = d.state.books[PERP : PERP + 1]
    assert abs(int(record["floor"][0]) - low) <= 1 and abs(int(record["ceiling"][0]) - high) <= 1


def test_liquidations_wait_for_the_end_of_a_pause() -> None:
    d = halting(BREAKER)
    poor = d.open("poor", cash=4_000_000)
    d.hold(PERP, 100.0, {poor: 1000})
    trade(d, *traders(d, "ann", "bob"), 1000)
    d.state.books["halted"][PERP], d.state.books["halted_until"][PERP] = COLLECT, 10**9
    d.set_mark(PERP, 940 << 10)
    for _ in range(3):
        d.model.liquidate()
        assert d.lots(poor) == 1000 and d.events("liquidation") == d.events("takeover") == []
    d.state.books["halted"][PERP] = 0
    d.model.liquidate()
    assert d.lots(poor) == 0


def test_a_rule_that_never_acts_changes_nothing() -> None:
    def run(halt: dict[str, Any]) -> tuple[str, int]:
        d = halting(halt)
        draw = np.random.default_rng(3)
        rows = traders(d, "ann", "bob", "cid")
        for _ in range(60):
            box = messages(5)
            box["op"], box["row"], box["book"] = LIMIT, draw.choice(rows, 5), PERP
            box["side"], box["price"] = draw.choice([1, -1], 5), draw.integers(990, 1011, 5)
            box["qty"] = draw.integers(1, 9, 5)
            d.batch(box)
            d.model.record()
        for name in (
            "floor ceiling triggers bar bars bar_at bars_n slot_ms halt_reference trade_sum_seen trade_count_seen"
        ).split():
            d.state.books[name] = 0  # the rule and what it remembers
        d.state.triggers, d.state.bars = d.state.triggers[:0], d.state.bars[:0]
        return state_hash(d.state), int(d.state.books["trade_count"][PERP])

    plain, other = run({}), run({"triggers": ((3600.0, 0.5, 120.0),)})
    assert plain == other and plain[1] > 20


def test_a_halt_of_one_venue_leaves_the_other_alone() -> None:
    d = halting(BREAKER)
    crash(d)
    there = [d.open(name, 1, cash=RICH) for name in ("ann", "bob")]
    trade(d, *there, 900, OTHER)
    assert d.tape()[-1][0] == OTHER


@pytest.mark.parametrize(
    ("triggers", "complaint"),
    [
        (((3600.0, 0.035, 120.0),) * 5, "5 triggers"),
        (((3600.0, 0.0, 120.0),), "bound"),
        (((0.0, 0.1, 120.0),), "horizon"),
    ],
)
def test_impossible_triggers_are_refused(triggers: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        HaltRule(triggers=triggers)


# ---------------------------------------------------------------- a venue of call auctions

CALL = 0  # the only book of a venue without perpetuals


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(books, min_size=1, max_size=4), st.sampled_from([1.0, 3.0]))
def test_a_venue_of_calls_is_the_obvious_auction_again_and_again(rounds: list[Orders], calls: float) -> None:
    """What is left of one call waits for the next; between calls nothing trades, whatever crosses."""
    d = halting({"calls": calls}, perps=(), orders={"band": 0.0, "self_trade": "off"})
    rows = traders(d, *(f"owner {i}" for i in range(6)))
    end_step(d)  # the first call: nobody is there
    resting: list[tuple[int, int, int, int]] = []
    last = 1000
    d.state.books["last"][CALL] = last
    for orders in rounds:
        for who, side, price, lots in orders:
            assert d.place(rows[who], CALL, side, price, lots) == "accepted"
        resting += orders
        for _ in range(round(calls)):
            before = int(d.state.books["trade_count"][CALL])
            due = d.state.meta["now"][0] + d.model.clock.step_ms >= d.state.books["halted_until"][CALL]
            end_step(d)
            traded = int(d.state.books["trade_count"][CALL]) - before
            assert d.faults() == [] and d.state.books["halted"][CALL] == COLLECT
            if not due:
                assert traded == 0
                continue
            price = obvious_price(resting, last)
            fills = obvious_auction(resting, price) if price else []
            assert traded == len(fills)
            resting, last = without(resting, price), price or last
            assert int(d.state.books["last"][CALL]) == last
    left = sorted((side, lots) for side in (1, -1) for _, queue in d.queue(CALL, side) for _, lots in queue)
    assert left == sorted((side, lots) for _, side, _, lots in resting)


def without(orders: Orders, price: int) -> Orders:
    """What rests after an auction at a price, in the order of time."""
    left = {1: 0, -1: 0}
    if price:
        volume = sum(lots for _, _, lots in obvious_auction(orders, price))
        left = {1: volume, -1: volume}
    kept = dict(enumerate(orders))
    for side in (1, -1):
        mine = [(k, o) for k, o in kept.items() if o[1] == side and side * (o[2] - price) >= 0]
        for k, (who, _, at, lots) in sorted(mine, key=lambda x: -side * x[1][2]):
            done = min(lots, left[side])
            left[side] -= done
            kept[k] = (who, side, at, lots - done)
    return [order for order in kept.values() if order[3] > 0]


def test_a_venue_of_calls_refuses_what_cannot_wait_and_is_never_told_as_a_pause() -> None:
    d = halting({"calls": 2.0}, perps=())
    a, b = traders(d, "ann", "bob")
    end_step(d)
    assert d.place(a, CALL, 1, 1000, 5, IOC) == "halted"
    assert d.place(a, CALL, 1, 1000, 5) == d.place(b, CALL, -1, 990, 5) == "accepted"
    for _ in range(4):
        end_step(d)
    assert d.state.books["trades"][CALL] >= 0 and d.state.books["trade_count"][CALL] == 1
    assert halts.news(d.state) == [] and not d.events("halted")


def test_an_order_whose_life_is_over_has_no_say_in_the_price() -> None:
    d = halting({"calls": 2.0}, perps=())
    a, b = traders(d, "ann", "bob")
    end_step(d)
    now = int(d.state.meta["now"][0])
    d.place(a, CALL, 1, 1000, 5)
    d.place(b, CALL, -1, 990, 5)
    d.place(a, CALL, 1, 1010, 50, expiry=now + 500)
    end_step(d)
    assert d.state.books["last"][CALL] in (990, 1000) and d.faults() == []


def test_a_call_that_would_break_a_trigger_is_put_off() -> None:
    d = halting({"calls": 1.0, "triggers": ((3600.0, 0.05, 10.0),)}, perps=())
    a, b = traders(d, "ann", "bob")
    for price in (1000, 800):
        d.place(a, CALL, 1, price, 5)
        d.place(b, CALL, -1, price, 5)
        end_step(d)
    assert d.state.books["last"][CALL] == 1000
    for _ in range(9):
        end_step(d)
    assert d.state.books["last"][CALL] == 1000
    for _ in range(2):
        end_step(d)
    assert d.state.books["last"][CALL] == 800 and d.state.books["halted"][CALL] == COLLECT


def test_calls_without_collecting_and_with_perpetuals_are_refused() -> None:
    with pytest.raises(ValueError, match="collect"):
        HaltRule(calls=1.0, during="refuse")
    with pytest.raises(ScenarioError, match=r"venues.alpha.halt.calls: given 1 with perps"):
        load("two_venues", [("venues.alpha.halt.calls", "1.0")])
