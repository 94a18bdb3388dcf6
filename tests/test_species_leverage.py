"""Claims about accounts with leverage, hedges and the venues' own trading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from abm.agent import Participant
from abm.causes import CAUSES
from abm.channels import EdgeParameters, NetworkParameters
from abm.insurance import FundRule
from abm.model import CascadeModel
from abm.venue import Asset, Clock, Contract, News, OrderRules, VenueRules
from agents import alarms
from agents.exchange import Exchange
from agents.hedger import Hedger
from agents.leveraged_long import LeveragedLong
from agents.leveraged_short import LeveragedShort

# ---------------------------------------------------------------- what wakes an account


def test_an_appointment_is_kept_once_at_its_time() -> None:
    memory: dict[str, Any] = {}
    alarms.open_diary(memory, 2, 5)
    alarms.appoint(memory, 0, np.array([1, 3]), np.array([10.0, 500.0]))
    alarms.appoint(memory, 1, np.array([3]), 10.5)
    assert alarms.due(memory, 9.0) == []
    kept = alarms.due(memory, 11.0)
    assert [(kind, entries.tolist()) for kind, entries in kept] == [(0, [1]), (1, [3])]
    assert alarms.due(memory, 499.0) == []
    assert [(k, e.tolist()) for k, e in alarms.due(memory, 500.0)] == [(0, [3])]
    assert alarms.due(memory, 1e9) == []


def test_a_moved_appointment_comes_at_its_new_time_only() -> None:
    memory: dict[str, Any] = {}
    alarms.open_diary(memory, 1, 2)
    assert alarms.due(memory, 0.0) == []
    alarms.appoint(memory, 0, np.array([0, 1]), 5.0)
    alarms.appoint(memory, 0, np.array([0]), 7.0)
    alarms.appoint(memory, 0, np.array([0]), 6.0)
    memory["when"][0, 1] = np.inf  # struck out
    assert alarms.due(memory, 5.0) == []
    assert [(k, e.tolist()) for k, e in alarms.due(memory, 6.0)] == [(0, [0])]
    assert alarms.due(memory, 7.0) == []


def test_appointments_do_not_depend_on_how_often_one_looks() -> None:
    rng = np.random.default_rng(1)
    at = rng.uniform(0, 1000, 300)
    seen: list[dict[int, float]] = []
    for step in (0.5, 4.0):
        memory: dict[str, Any] = {}
        alarms.open_diary(memory, 3, 100)
        for kind in range(3):
            alarms.appoint(memory, kind, np.arange(100), at[100 * kind : 100 * kind + 100])
        kept: dict[int, float] = {}
        for now in np.arange(0, 1001, step):
            for kind, entries in alarms.due(memory, float(now)):
                kept.update({100 * kind + int(e): float(now) for e in entries})
        seen.append(kept)
        assert all(0 <= kept[i] - at[i] < step for i in range(300))
    assert seen[0].keys() == seen[1].keys()


def test_levels_wake_exactly_those_that_a_scan_would_wake() -> None:
    rng = np.random.default_rng(2)
    group = np.sort(rng.integers(0, 4, 200))
    level = rng.uniform(80, 99, 200)
    memory: dict[str, Any] = {}
    alarms.open_levels(memory, 1, group, 4)
    memory["level"][0] = level
    np.maximum.at(memory["nearest"][0], group, level)
    awake = np.ones(200, bool)
    price = np.full(4, 100.0)
    for _ in range(100):
        price += rng.normal(-0.1, 1.0, 4)
        expected = np.flatnonzero(awake & (price[group] <= level))
        found = alarms.reached(memory, price[None, :])
        got = found[0][1] if found else np.empty(0, np.int64)
        assert got.tolist() == expected.tolist()
        awake[expected] = False
    assert alarms.reached(memory, np.full((1, 4), np.nan)) == []


def test_an_account_has_one_plan() -> None:
    with pytest.raises(ValidationError, match="one plan"):
        LeveragedLong.Parameters(stop_share=0.7, add_share=0.5)


# ---------------------------------------------------------------- a tiny market that tests draw by hand

START = datetime(2025, 1, 1, tzinfo=UTC)
PRICE, LOT = 100.0, 0.01


class Desk(Participant):
    """Offers and bids `depth` coins 0.1 % from a price that the test gives, on all books; and a crumb of trade."""

    def __init__(
        self,
        model: CascadeModel,
        price: Any = lambda time: PRICE,
        depth: float = 1e4,
        bids: Any = lambda book, time: True,
    ) -> None:
        super().__init__(model, "desk", Participant.Parameters())
        self.price, self.depth, self.bids = price, depth, bids
        for owner in ("desk", "taker"):
            rows = model.accounts.open(owner, ["alpha", "beta"], "desk")
            model.accounts.deposit(rows, "USDT", np.full(2, 1e9))
            model.accounts.deposit(rows[:1], "BTC", np.array([1e6]))

    def setup(self, me: Any, market: Any) -> None:
        self.memory["first"] = me.slots(2 * len(market.books))

    def decide(self, me: Any, market: Any) -> None:
        book = np.arange(len(market.books))
        row = market.books.venue[book]
        wanted = self.depth * np.array([self.bids(b, me.time) for b in book])
        fair, slot = self.price(me.time), self.memory["first"] + 2 * book
        me.quote(row, book, slot, 1, fair * 0.999, wanted)
        me.quote(row, book, slot + 1, -1, fair * 1.001, self.depth)
        for side in (1, -1):  # so that there is a last price
            me.market_order(2 + row, book, side, LOT)


class Hearsay:
    """Everything that one participant sends, as the market gets it."""

    def __init__(self, model: CascadeModel, name: str) -> None:
        self.orders: list[tuple[float, str, int, int, int, int, str]] = []
        self.transfers: list[tuple[float, int, int, float]] = []
        collect, names = model.collect, model.books.name

        def listen(me: Any) -> None:
            if me.name == name:
                for m in (m for batch in me.outbox for m in batch):
                    own = int(np.searchsorted(me.rows, m["row"]))
                    cause = CAUSES[int(m["kind"])]
                    book = names[int(m["book"])]
                    self.orders.append(
                        (me.time, book, own, int(m["side"]), int(m["qty"]), int(m["flags"]), cause)
                    )
                for source, target, _, amounts, *_how in me.requests:
                    for a, b, x in zip(source, target, amounts, strict=True):
                        self.transfers.append((me.time, int(a), int(b), float(x)))
            collect(me)

        model.collect = listen  # type: ignore[method-assign]

    def of(self, cause: str) -> list[tuple[str, int, int, int]]:
        """(book, own row, side, lots) of the orders with a cause, in order."""
        return [(book, row, side, lots) for _, book, row, side, lots, _, why in self.orders if why == cause]


def market(
    seed: int = 1,
    news: float = 0.0,
    fund: float = 0.0,
    check: bool = True,
    latency: float = 20.0,
    **venue: Any,
) -> CascadeModel:
    """Two venues in USDT, one coin; alpha has perpetual and spot, beta a perpetual; a way in from outside."""
    common: dict[str, Any] = {"quote": "USDT", "perps": ("BTC",), "share": 0.5, **venue}
    common["orders"] = OrderRules(band=0.0)
    edges = tuple(
        EdgeParameters(source=a, target=b, asset="USDT", capacity=1e6, latency=latency, jitter=0.0)
        for a, b in (("outside", "alpha"), ("outside", "beta"), ("alpha", "beta"), ("beta", "alpha"))
    )
    return CascadeModel(
        Clock(start=START, duration=3600.0, step=1.0, burn_in=0.0),
        {"USDT": Asset(decimals=6), "BTC": Asset(decimals=8, value=PRICE)},
        {"BTC": Contract(price=PRICE, tick=0.01, lot=LOT)},
        {
            "alpha": VenueRules(
                **common, spots=("BTC",), spot_share=1.0,
                fund=FundRule(cash=fund, rule="notional_cap" if fund else "none", disposal=0.05),
            ),
            "beta": VenueRules(**common, fund=FundRule(cash=0.0, rule="none")),
        },
        NetworkParameters(nodes=("outside",), edges=edges),
        [News(time=START + timedelta(seconds=30), size=news)] if news else [],
        seed,
        check=check,
    )  # fmt: skip


def crowd(
    model: CascadeModel, species: Any, n: int, leverage: Any, purse: float = 0.0, **settings: Any
) -> Any:
    """`n` accounts of 10 coins each at alpha against the maker, with a purse outside if asked for."""
    side = species.SIDE
    names = [f"trader {i}" for i in range(n)]
    rows = model.accounts.open(names, np.zeros(n, int), "crowd")
    model.accounts.deposit(rows, "USDT", 10 * PRICE / np.broadcast_to(leverage, n).astype(float))
    if purse:
        outside = model.accounts.open(names, ["outside"] * n, "crowd")
        model.accounts.deposit(outside, "USDT", np.full(n, purse))
    other = model.accounts.open("other side", 0, "other side")
    model.accounts.deposit(other, "USDT", np.array([1e9]))
    lots = round(10 / LOT)
    model.accounts.place(
        np.append(rows, other), model.book_id("alpha:BTC-PERP"), np.append(np.full(n, side * lots), -side * lots * n),
        np.full(n + 1, PRICE),
    )  # fmt: skip
    return species(model, "crowd", species.Parameters(**settings))


QUIET = {"hold": 1e6, "fear": 0.0, "profit_share": 0.0, "stop_share": 0.0, "add_share": 0.0}


def go(model: CascadeModel, *participants: Any, steps: int) -> None:
    for participant in participants:
        model.add(participant)
    model.setup()
    model.run(steps)


def falling(by: float, seconds: float = 200.0, after: float = 10.0) -> Any:
    """A price that falls evenly by a share."""
    return lambda time: PRICE * (1.0 - by * min(1.0, max(0.0, (time - after) / seconds)))


# ---------------------------------------------------------------- leveraged accounts


def test_without_stops_nobody_sells_before_the_venue_does() -> None:
    model = market(fund=1e9)
    heard = Hearsay(model, "crowd")
    longs = crowd(model, LeveragedLong, 20, 5.0, **QUIET)
    go(model, Desk(model, falling(0.1)), longs, steps=250)
    assert heard.orders == []


def test_stops_fire_between_their_nearest_and_farthest_distance() -> None:
    model = market(fund=1e9)
    heard = Hearsay(model, "crowd")
    longs = crowd(
        model,
        LeveragedLong,
        200,
        5.0,
        **{**QUIET, "stop_share": 1.0, "return_share": 0.0, "rotation_share": 0.0},
    )
    go(model, Desk(model, falling(0.19, 380.0)), longs, steps=420)
    stops = [order for order in heard.orders if order[-1] == "stop"]
    first = {row: time for time, _, row, *_ in reversed(stops)}
    assert set(first) == set(range(200)), "each has its stop"
    fallen = 0.19 * (np.array(list(first.values())) - 10) / 380
    assert 0.05 < fallen.min() < 0.07 and 0.17 < fallen.max() < 0.19 + 0.01
    assert (model.state.venues["liquidated_long"] == 0).all()
    lots = model.desks["crowd"].lots(None, model.book_id("alpha:BTC-PERP"))
    assert (lots == 0).all(), "a stop before liquidation closes the whole position"


def test_an_order_to_close_never_opens() -> None:
    model = market(fund=1e9)
    longs = crowd(model, LeveragedLong, 50, 5.0, **{**QUIET, "stop_share": 1.0, "retry": 1.0})
    go(model, Desk(model, falling(0.19, 60.0), depth=30.0), longs, steps=150)
    lots = model.desks["crowd"].lots(None, model.book_id("alpha:BTC-PERP"))
    assert (lots >= 0).all()


def test_money_from_outside_saves_whom_it_reaches_in_time() -> None:
    left = []
    for latency in (20.0, 3000.0):
        model = market(fund=1e9)
        for edge in range(4):
            model.network.set(edge, latency=latency)
        heard = Hearsay(model, "crowd")
        settings = {**QUIET, "add_share": 1.0, "add_after": 5.0, "add_spread": 0.0, "return_share": 0.0}
        longs = crowd(model, LeveragedLong, 50, 5.0, purse=1e4, **settings)
        go(model, Desk(model, falling(0.22, 600.0)), longs, steps=650)
        assert len(heard.transfers) == 50, "a margin call is answered once"
        assert all(abs(amount - 0.6 * 200.0) < 1e-6 for *_, amount in heard.transfers)
        left.append(int((model.desks["crowd"].lots(np.arange(50), 0) > 0).sum()))
    assert left[0] == 50 and left[1] == 0


@pytest.mark.slow
def test_the_same_account_dies_with_a_slow_channel_and_lives_with_a_fast_one() -> None:
    """A slide of 12 % in ten minutes at ten times leverage; the purse holds as much as the margin."""
    left, asked = {}, {}
    for latency in (20.0, 900.0):
        model = market(latency=latency, fund=1e6)
        desk = Desk(model, price=lambda t: PRICE * (1.0 - 0.12 * min(t / 600.0, 1.0)))
        longs = crowd(
            model, LeveragedLong, 1, 10.0, purse=200.0,
            **{**QUIET, "add_share": 1.0, "add": 1.0, "add_after": 5.0, "add_spread": 0.0},
        )  # fmt: skip
        heard = Hearsay(model, "crowd")
        go(model, desk, longs, steps=800)
        me = model.desks["crowd"]
        left[latency], asked[latency] = int(me.lots(0, 0)[0]), heard.transfers
    assert asked[20.0] == asked[900.0] and len(asked[20.0]) == 1, (
        "it asks for the same money at the same time"
    )
    assert left[20.0] == round(10 / LOT), "what arrives in time saves it"
    assert left[900.0] == 0, "what arrives late does not"


def test_bad_news_scares_longs_and_good_news_shorts() -> None:
    scared = {}
    for species in (LeveragedLong, LeveragedShort):
        for size in (-0.04, 0.04):
            model = market(news=size, check=False)
            heard = Hearsay(model, "crowd")
            settings = {**QUIET, "fear": 0.1, "fast_after": 5.0, "slow_after": 20.0, "return_share": 0.0}
            people = crowd(model, species, 200, 1.5, **settings)
            go(model, Desk(model), people, steps=900)
            knew = np.mean(model.desks["crowd"].heard() != 0)
            scared[species.SIDE, size] = len({row for _, row, _, _ in heard.of("news")}) / (200 * knew)
    assert scared[1, 0.04] == scared[-1, -0.04] == 0
    assert 0.25 < scared[1, -0.04] < 0.5 and 0.25 < scared[-1, 0.04] < 0.5  # 40 %, less those who still think


def test_open_interest_is_steady_in_calm() -> None:
    model = market(fund=1e9, check=False)
    longs = crowd(model, LeveragedLong, 400, 5.0, hold=0.25, idle=0.05)
    go(model, Desk(model), longs, steps=3000)
    lots = model.desks["crowd"].lots(None, 0)
    held = lots.sum() * LOT / 4000
    assert 0.75 < held < 0.92  # hold / (hold + idle) = 0.83


def test_shorts_take_profit_in_a_fall_and_longs_of_the_same_plan_do_not() -> None:
    closed = {}
    for species in (LeveragedLong, LeveragedShort):
        model = market(fund=1e9)
        people = crowd(
            model, species, 200, 5.0, **{**QUIET, "profit_share": 1.0, "profit_far": 1.0, "return_share": 0.0}
        )
        go(model, Desk(model, falling(0.15)), people, steps=260)
        closed[species.SIDE] = int((model.desks["crowd"].lots(None, 0) == 0).sum())
    assert closed[1] == 0 and 40 < closed[-1] < 160


def test_large_positions_leave_in_parts_that_the_book_bears() -> None:
    model = market(fund=1e9)
    heard = Hearsay(model, "crowd")
    settings = {
        **QUIET,
        "stop_share": 1.0,
        "stop_far": 0.31,
        "careless": 10.0,
        "haste": 0.25,
        "parts": 10_000,
    }
    longs = crowd(model, LeveragedLong, 3, 5.0, **settings)
    go(model, Desk(model, falling(0.10), depth=8.0), longs, steps=400)
    assert max(lots for *_, lots in heard.of("stop")) <= 0.25 * 8.0 / LOT + 1
    assert (model.desks["crowd"].lots(None, 0) == 0).all()


# ---------------------------------------------------------------- hedgers


def thin(model: CascadeModel) -> Desk:
    """Prices fall by 15 % at second 20, and for a minute nobody bids at beta."""
    beta = model.book_id("beta:BTC-PERP")
    return Desk(
        model,
        lambda time: PRICE * (0.85 if time >= 20 else 1.0),
        bids=lambda book, time: not (book == beta and 15 <= time <= 80),
    )


def run_hedge(resell: float, stake: float, by_hand_at: int = -1, coins: float = 10.0) -> tuple[Hearsay, int]:
    """One hedge: coins at alpha, short at beta against a gambler with this stake.

    Its short leg is closed by ADL when the gambler is bankrupt, or by a hand that is not the rule's. Returns what the
    hedger sent of its own, and the step at which the leg was gone (-1 = never).
    """
    model = market()
    heard = Hearsay(model, "hedgers")
    place = model.accounts.open("hedger", 0, "hedgers")
    leg = model.accounts.open("hedger", 1, "hedgers")
    model.accounts.deposit(place, "BTC", np.array([coins]))
    model.accounts.deposit(leg, "USDT", np.array([2000.0]))
    gambler = model.accounts.open("gambler", 1, "gambler")
    model.accounts.deposit(gambler, "USDT", np.array([stake]))
    beta, lots = model.book_id("beta:BTC-PERP"), round(10 / LOT)
    model.accounts.place(np.append(leg, gambler), beta, np.array([-lots, lots]), np.full(2, PRICE))
    hedger = Hedger(model, "hedgers", Hedger.Parameters(fear=0.0, basis=0.9, resell=resell))
    go(model, thin(model), hedger, steps=0)
    me, gone = model.desks["hedgers"], -1
    for step in range(300):
        if step == by_hand_at:
            me.market_order(1, beta, 1, 10.0, reduce_only=True)
            mine = len(heard.orders)
            model.collect(me)
            del heard.orders[mine:]
        model.step()
        if gone < 0 and me.lots(1, beta)[0] == 0:
            gone = step
    return heard, gone


@pytest.mark.parametrize("resell", [0.0, 1.0])
def test_a_hedger_cannot_tell_adl_from_a_slip_of_its_hand(resell: float) -> None:
    adl, gone = run_hedge(resell, stake=100.0)
    assert gone >= 20, "the leg was auto-deleveraged"
    hand, by_hand = run_hedge(resell, stake=1e6, by_hand_at=gone)
    assert by_hand == gone
    assert adl.of("hedge") == hand.of("hedge") != []
    assert [order[0] for order in adl.orders] == [order[0] for order in hand.orders]
    book = "alpha:BTC-SPOT" if resell else "beta:BTC-PERP"
    assert {order[1] for order in adl.orders} == {book}
    assert sum(lots for *_, lots in adl.of("hedge")) == round(10 / LOT)


def test_a_hedge_that_is_whole_sends_nothing() -> None:
    heard, gone = run_hedge(1.0, stake=1e6)
    assert gone == -1 and heard.orders == []


def test_what_was_naked_before_is_left_naked() -> None:
    heard, gone = run_hedge(1.0, stake=100.0, coins=25.0)
    assert gone >= 20
    assert sum(lots for *_, lots in heard.of("hedge")) == round(10 / LOT)


def test_fear_closes_both_legs_alike() -> None:
    model = market(news=-0.04)
    heard = Hearsay(model, "hedgers")
    names = [f"hedger {i}" for i in range(50)]
    place = model.accounts.open(names, np.zeros(50, int), "hedgers")
    leg = model.accounts.open(names, np.ones(50, int), "hedgers")
    model.accounts.deposit(place, "BTC", np.full(50, 10.0))
    model.accounts.deposit(leg, "USDT", np.full(50, 2000.0))
    other = model.accounts.open("other side", 1, "other side")
    model.accounts.deposit(other, "USDT", np.array([1e6]))
    beta, lots = model.book_id("beta:BTC-PERP"), round(10 / LOT)
    model.accounts.place(
        np.append(leg, other), beta, np.append(np.full(50, -lots), 50 * lots), np.full(51, PRICE)
    )
    hedger = Hedger(model, "hedgers", Hedger.Parameters(fear=0.1, fear_after=60.0, basis=0.9))
    go(model, Desk(model), hedger, steps=1800)
    bought, sold = (sum(n for *_, side, n in heard.of("news") if side == way) for way in (1, -1))
    assert bought == sold and 8 * lots <= bought <= 32 * lots
    me = model.desks["hedgers"]
    left = me.position(np.arange(50, 100), beta) + me.balance(np.arange(50), "BTC")
    assert np.abs(left).max() < 1e-9


# ---------------------------------------------------------------- the venues' own trading


def with_inventory(disposal: bool) -> tuple[CascadeModel, Hearsay]:
    """An alpha whose fund takes over bankrupt longs, since nobody bids there for a while."""
    model = market(fund=1e6)
    heard = Hearsay(model, "exchange")
    longs = crowd(model, LeveragedLong, 5, 20.0, **QUIET)

    desk = Desk(
        model,
        lambda time: PRICE * (0.9 if time >= 10 else 1.0),
        depth=100.0,
        bids=lambda book, time: book != 0 or not 8 <= time <= 120,
    )
    exchange = [Exchange(model, "exchange", Exchange.Parameters(participation=0.5))] if disposal else []
    go(model, desk, longs, *exchange, steps=400)
    return model, heard


def fund_lots(model: CascadeModel) -> int:
    s = model.state
    held = s.positions[: s.count("positions")]
    return int(held["qty"][held["row"] == s.venues["fund"][0]].sum())


def test_a_fund_sells_what_it_took_over_and_only_that() -> None:
    kept, _ = with_inventory(disposal=False)
    taken = fund_lots(kept)
    assert taken > 0
    sold, heard = with_inventory(disposal=True)
    orders = heard.of("disposal")
    assert 0 <= fund_lots(sold) < 0.05 * taken
    assert {(book, side) for book, _, side, _ in orders} == {("alpha:BTC-PERP", -1)}
    assert max(lots for *_, lots in orders) <= max(0.05 * taken, 0.5 * 100 / LOT) + 1
