"""Claims about makers, arbitrageurs, noise and value traders in markets made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import desks
from agents.arbitrageur import Arbitrageur
from agents.fundamentalist import Fundamentalist
from agents.market_maker import MarketMaker
from agents.noise import Noise
from agents.quoting import AWAY, DUMPING, QUOTING
from agents.value import Value
from tests.hand_made_market import Pen, Record, run

ONE = [("alpha", "BTC", "perp", "USDT")]
TWO = [*ONE, ("beta", "BTC", "perp", "USDT")]
THREE = [*TWO, ("beta", "BTC", "spot", "USDT")]
SPOT = [("alpha", "BTC", "spot", "USDT")]


def species(kind: Any, pen: Pen, record: Record, **parameters: Any) -> Any:
    """A participant without a model around it: all that its rules need is in `memory`."""
    one = kind.__new__(kind)
    one.name, one.parameters, one.memory = "one", kind.Parameters(**parameters), {}
    one.setup(pen, record)
    return one


def wild(one: Any, times: float) -> None:
    """What a species believes from now on: volatility is so many times the calm one."""
    one.memory["stress"][:] = times
    one.memory["stress_time"] = np.array(1e12)


def test_volatility_is_that_of_the_coin_and_not_of_one_book_with_an_empty_touch() -> None:
    believed = {}
    for books, name in ((slice(0, 1), "one book"), (slice(0, 3), "all")):
        _, record = market(THREE)
        memory: dict[str, Any] = {}
        for t in range(300):
            record.time = float(t)
            move = np.zeros(3)
            move[books] = 0.001 * (-1) ** (t // 5)
            record.set(100_000.0 * np.exp(move))
            believed[name] = desks.stress(memory, record, np.ones(3), np.ones(3)).max()
    assert believed["all"] == pytest.approx(3.0 * believed["one book"], rel=0.02)
    assert believed["all"] == pytest.approx(0.002 / np.sqrt(5.0) / desks.calm(record)[0], rel=0.1)


def market(books: list[tuple[str, str, str, str]], owners: int = 4, depth: float = 1e8) -> tuple[Pen, Record]:
    """Every owner has a row at every venue."""
    record = Record(books, [100_000.0] * len(books), depth)
    venues = len(record.books.venue_names)
    pen = Pen(record, [o for o in range(owners) for _ in range(venues)], list(range(venues)) * owners)
    return pen, record


# ------------------------------------------------------------------ makers


def maker(books: Any = ONE, **parameters: Any) -> tuple[Any, Pen, Record]:
    pen, record = market(books)
    return species(MarketMaker, pen, record, information=0.0, **parameters), pen, record


def test_makers_quote_the_calm_depth_on_both_sides_with_a_tight_spread() -> None:
    one, pen, record = maker()
    run(one, pen, record, 4)
    calm = 0.0037 * 1e10 / 0.5**0.5
    for side in (1, -1):
        assert pen.within(0, side, 0.01) == pytest.approx(calm, rel=0.2)
        assert pen.within(0, side, 0.03) == pytest.approx(3.1 * calm, rel=0.2)
    bid, ask = pen.resting(0, 1)[0][0], pen.resting(0, -1)[0][0]
    assert bid < ask < bid * 1.0005


def test_a_maker_that_is_long_quotes_lower_and_smaller_bids() -> None:
    one, pen, record = maker()
    run(one, pen, record, 4)
    flat, flat_bids = pen.resting(0, -1)[0][0], pen.within(0, 1, 0.05)
    limit = 5.0 * one.memory["depth"] / 100_000.0
    pen.held[:, 0] += 0.5 * limit
    run(one, pen, record, 4)
    assert pen.within(0, 1, 0.05) == pytest.approx(flat_bids, rel=0.15)  # moved by price first
    pen.held[:, 0] += 0.25 * limit
    run(one, pen, record, 4)
    assert pen.resting(0, -1)[0][0] <= flat
    assert pen.within(0, 1, 0.05) == pytest.approx(0.5 * flat_bids, rel=0.15)
    assert pen.resting(0, 1)[0][-1] < 100_000 * 0.97


def test_size_is_withdrawn_as_volatility_rises_but_not_by_makers_that_never_withdraw() -> None:
    for withdraws, left in ((True, 16.0**-0.55), (False, 1.0)):
        one, pen, record = maker(withdraws=withdraws)
        run(one, pen, record, 4)
        before = pen.within(0, 1, 0.05)
        wild(one, 16.0)
        run(one, pen, record, 4)
        assert pen.within(0, 1, 0.05) / before == pytest.approx(left, rel=0.15)
        wild(one, 300.0)
        run(one, pen, record, 4)
        assert pen.within(0, 1, 0.2) > 0.05 * before  # the floor


def test_eaten_quotes_come_back_over_the_refill_time() -> None:
    one, pen, record = maker(refill=60.0)
    run(one, pen, record, 4)
    whole = pen.within(0, 1, 0.02)
    pen.slot_lots[pen.slot_side == 1] = 0
    record.low = np.full(1, 90_000.0)
    run(one, pen, record, 3)
    record.low = np.full(1, np.nan)
    soon = pen.within(0, 1, 0.02)
    run(one, pen, record, 60)
    later = pen.within(0, 1, 0.02)
    run(one, pen, record, 240)
    assert soon < 0.1 * whole < 0.5 * whole < later < 0.8 * whole < pen.within(0, 1, 0.02)


def test_net_flow_moves_the_fair_price_by_the_permanent_share_of_its_impact() -> None:
    one, pen, record = maker(anchor=1e9)
    run(one, pen, record, 4)
    depth = one.memory["target"][0]
    before = one.memory["fair"][0]
    record.volume, record.taker_buy = np.full(1, depth), np.zeros(1)  # sellers take what is bid within 1 %
    record.last = np.full(1, 98_000.0)
    run(one, pen, record, 1)
    assert one.memory["fair"][0] - before == pytest.approx(-0.25 * 0.01, rel=0.01)


def test_a_surprising_purchase_moves_the_fair_price_of_all_books_of_the_coin_at_once() -> None:
    one, pen, record = maker(TWO, anchor=1e9, permanent=0.0, surprise=1.0)
    run(one, pen, record, 4)
    before = one.memory["fair"].copy()
    record.volume = record.taker_buy = np.array([1e6, 0.0])  # buyers, at one of the two
    run(one, pen, record, 1)
    moves = one.memory["fair"] - before
    assert moves[0] > 0 and moves[0] == pytest.approx(moves[1], rel=1e-6)


@pytest.mark.parametrize("way", (1, -1))
def test_the_best_prices_tell_what_makers_expect_of_flow(way: int) -> None:
    """Buyers come in runs: once makers have learned that, a purchase makes the nearest bid larger than the offer."""
    one, pen, record = maker(
        anchor=1e9, permanent=0.0, surprise=1.0, leans=4.0, touch=0.2, patience=0.0, rough=0.0
    )
    run(one, pen, record, 4)
    draw, flow = np.random.default_rng(1), 0.0
    for _ in range(600):
        flow = 0.9 * flow + draw.normal()
        record.volume, record.taker_buy = np.full(1, 1e6 * abs(flow)), np.full(1, 1e6 * max(flow, 0.0))
        run(one, pen, record, 1)
    for _ in range(4):
        record.volume, record.taker_buy = np.full(1, 4e6), np.full(1, 4e6 if way > 0 else 0.0)
        run(one, pen, record, 1)
    near, far = (pen.resting(0, side)[1] for side in (way, -way))
    assert near[0] > 1.5 * far[0]
    assert near[1:].sum() == pytest.approx(far[1:].sum(), rel=0.2)  # nothing else leans


def test_only_quotes_that_slide_go_beyond_what_others_have_not_taken_back_yet() -> None:
    """The fair price has risen beyond the offer that was seen: the bid follows it, or keeps a tick behind the offer."""
    best = {}
    for slides in (False, True):
        one, pen, record = maker(slides=slides, width=0.0, near=1e-5, anchor=1e9)
        run(one, pen, record, 4)
        one.memory["fair"][:] += 0.002
        run(one, pen, record, 4)
        best[slides] = float(pen.resting(0, 1)[0][0])
    assert best[False] < 100_005.0 < 100_150.0 < best[True] < 100_200.0


def test_a_maker_beyond_its_loss_limit_pulls_dumps_stays_away_and_returns() -> None:
    one, pen, record = maker()
    run(one, pen, record, 6)
    pen.held[0, 0] += 3.0
    pen.loss[0] = 2.0 * one.memory["limit"].max()
    sent = run(one, pen, record, 100, fill=True)
    assert pen.events == ["limit_hit"]
    assert one.memory["state"][0] == AWAY and (one.memory["state"][1:] == QUOTING).all()
    assert {t["row"] for t in sent} == {0} and {t["side"] for t in sent} == {-1}
    assert abs(pen.held[0, 0]) < 0.01
    assert one.memory["limit"].max() / one.memory["limit"].min() > 1.1
    run(one, pen, record, 1900)
    assert one.memory["state"][0] == QUOTING
    assert DUMPING not in one.memory["state"]


def test_at_spot_a_maker_quotes_only_what_it_holds() -> None:
    pen, record = market(SPOT)
    pen.money[:, record.books.base[0]] = 1.0
    pen.money[:, record.books.quote[0]] = 50_000.0
    one = species(MarketMaker, pen, record, information=0.0, holding_depth=1.0)
    run(one, pen, record, 4)
    assert 0 < pen.resting(0, -1)[1].sum() <= 4.0
    price, coins = pen.resting(0, 1)
    assert 0 < (price * coins).sum() <= 4 * 50_000.0


def test_a_late_or_halted_venue_gets_no_quotes() -> None:
    one, pen, record = maker(TWO)
    run(one, pen, record, 4)
    record.gateway_delay[1] = 60.0
    record.halted[0] = True
    run(one, pen, record, 4)
    assert pen.within(0, 1, 0.05) == pen.within(1, 1, 0.05) == 0.0


def test_quotes_are_pulled_on_the_venues_notice_only_by_makers_that_take_notice() -> None:
    for notice, left in ((False, 1.0), (True, 0.0)):
        one, pen, record = maker(TWO, notice=notice)
        run(one, pen, record, 4)
        before = pen.within(0, 1, 0.05)
        record.withdrawals_open[0] = False
        run(one, pen, record, 4)
        assert pen.within(0, 1, 0.05) == pytest.approx(left * before, rel=0.01)
        assert pen.within(1, 1, 0.05) == pytest.approx(before, rel=0.5), "the other venue is quoted as ever"
        record.withdrawals_open[0] = True
        run(one, pen, record, 4)
        assert pen.within(0, 1, 0.05) == pytest.approx(before, rel=0.01)


def test_a_makers_profit_at_one_venue_travels_to_the_one_that_loses() -> None:
    for moves, open_, goes in ((True, True, True), (True, False, False), (False, True, False)):
        pen, record = market(TWO, owners=1)
        one = species(MarketMaker, pen, record, information=0.0, moves=moves, loss_limit=1.0)
        run(one, pen, record, 2)
        pen.loss[:] = [-2e8, 4e8]  # won at alpha, lost at beta
        record.withdrawals_open[0] = open_
        run(one, pen, record, 61)
        dollars = record.books.quote[0]
        assert [sent[:3] for sent in pen.sent[:1]] == ([(0, 1, dollars)] if goes else [])
        if goes:  # its part of 1.8 B is 0.9 B at each: half of 0.6 B is on the way
            assert pen.sent[0][3] == pytest.approx(3e8, rel=0.01)


def test_money_on_the_way_is_no_loss_and_coins_on_the_way_no_sale() -> None:
    one, pen, record = maker(TWO)
    run(one, pen, record, 6)
    pen.loss[0] = 3.0 * one.memory["limit"].max()
    pen.on_the_way = [(1, record.books.quote[0], float(pen.loss[0]))]
    run(one, pen, record, 100)
    assert "limit_hit" not in pen.events
    pen.on_the_way = []
    run(one, pen, record, 10)
    assert "limit_hit" in pen.events, "what is lost on the way is lost"


def test_inventory_that_is_stuck_leans_the_quotes_whatever_the_network_says() -> None:
    leans = []
    for open_ in (True, False):
        one, pen, record = maker(TWO, inventory=1.0)
        run(one, pen, record, 4)
        record.withdrawals_open[:] = open_
        pen.held[::2, 0] += one.memory["depth"][one.memory["book"] == 0] / 100_000.0  # the whole limit
        run(one, pen, record, 10)
        leans.append((pen.within(0, 1, 0.05), pen.resting(0, -1)[0][0]))
    assert leans[0] == leans[1]
    assert leans[0][0] == 0.0, "at its limit it bids no more"


def test_public_information_moves_all_books_of_a_coin_at_calm_volatility() -> None:
    pen, record = market(TWO)
    one = species(MarketMaker, pen, record, anchor=1e9)
    path = []
    for _ in range(2000):
        run(one, pen, record, 1)
        path.append(one.memory["fair"].copy())
    steps = np.diff(np.array(path), axis=0)
    assert steps.std(0) == pytest.approx(0.9 * record.calm_volatility, rel=0.1)
    assert np.corrcoef(steps.T)[0, 1] > 0.99


# ------------------------------------------------------------------ arbitrageurs


def arbitrageur(books: Any = TWO, **parameters: Any) -> tuple[Any, Pen, Record]:
    pen, record = market(books, owners=2)
    one = species(Arbitrageur, pen, record, watch=0.0, **parameters)
    return one, pen, record


def test_arbitrage_buys_the_cheap_book_and_sells_the_dear_one() -> None:
    one, pen, record = arbitrageur()
    assert run(one, pen, record, 20) == []
    record.set([100_000.0, 101_000.0])
    sent = run(one, pen, record, 3)
    assert sent and {(t["book"], t["side"]) for t in sent} == {(0, 1), (1, -1)}
    assert {t["cause"] for t in sent} == {"arbitrage"} and {t["kind"] for t in sent} == {"ioc"}


def test_a_gap_below_fees_and_risk_is_left_alone() -> None:
    one, pen, record = arbitrageur(fees=1.0)
    run(one, pen, record, 2)
    record.set([100_000.0, 100_080.0])
    assert run(one, pen, record, 20) == []


def test_inventory_is_limited_and_unwound_when_the_gap_has_closed() -> None:
    one, pen, record = arbitrageur()
    run(one, pen, record, 2)
    record.set([100_000.0, 103_000.0])
    run(one, pen, record, 400, fill=True)
    m = one.memory
    assert (np.abs(pen.held[m["row"], m["book"]]) <= 1.02 * m["limit"]).all()
    assert np.abs(pen.held.sum()) < 0.02 * np.abs(pen.held).max()
    largest = np.abs(pen.held).max()
    record.set([100_000.0, 100_000.0])
    run(one, pen, record, 3000, fill=True)
    assert np.abs(pen.held).max() < 0.8 * largest


def test_what_it_cannot_trade_is_remarked_with_what_stood_in_the_way() -> None:
    one, pen, record = arbitrageur()
    record.set([100_000.0, 103_000.0])
    run(one, pen, record, 1000, fill=True)
    assert {word for word, *_ in pen.remarks} == {"margin"}
    assert all(ends == (0, 1) and value > 1e5 for _, *ends, value in pen.remarks for ends in [tuple(ends)])
    pen.remarks.clear()
    record.set([100_000.0, 100_000.0])
    run(one, pen, record, 20)
    assert pen.remarks == [], "no gap, nothing forgone"


def test_coins_that_cannot_leave_the_cheap_venue_are_the_dear_ones_forgone_sales() -> None:
    spot = [*SPOT, ("beta", "BTC", "spot", "USDT")]
    for stopped, word in ((True, "pause"), (False, "inventory")):
        pen, record = market(spot, owners=1)
        one = species(Arbitrageur, pen, record, watch=0.0, rebalance=1e6)
        run(one, pen, record, 2)
        base = record.books.base[0]
        pen.money[0, base], pen.money[1, base] = 0.0, 2 * pen.money[1, base]
        record.withdrawals_open[1] = not stopped
        record.set([100_000.0 if b else 103_000.0 for b in range(len(spot))])
        run(one, pen, record, 11)
        assert word in {what for what, buys, sells, _ in pen.remarks if sells == 0}, pen.remarks


def test_a_leg_that_is_left_alone_is_evened_out() -> None:
    one, pen, record = arbitrageur()
    run(one, pen, record, 2)
    pen.held[0, 0] += 50.0
    run(one, pen, record, 60, fill=True)
    assert abs(pen.held[0].sum()) <= 0.011 * one.memory["limit"].max()


def test_a_venue_that_runs_dry_is_refilled_unless_withdrawals_are_stopped() -> None:
    for open_ in (True, False):
        pen, record = market([*SPOT, ("beta", "BTC", "spot", "USDT")], owners=1)
        one = species(Arbitrageur, pen, record, watch=0.0)
        run(one, pen, record, 2)
        base = record.books.base[0]
        pen.money[0, base] *= 0.1
        pen.money[1, base] *= 1.9
        record.withdrawals_open[1] = open_
        run(one, pen, record, 31)
        coins = [t for t in pen.sent if t[2] == base]
        assert bool(coins) == open_
        assert all(t[:2] == (1, 0) for t in coins)


# ------------------------------------------------------------------ fundamentalists


def fundamentalist(**parameters: Any) -> tuple[Any, Pen, Record]:
    pen, record = market(ONE, owners=4)
    record.open_interest = np.full(record.n, 10_000.0)
    return species(Fundamentalist, pen, record, **{"pace": 60.0, "lag": 120.0, **parameters}), pen, record


def test_a_drift_that_lasts_is_met_and_a_fall_of_a_minute_is_not() -> None:
    one, pen, record = fundamentalist()
    assert run(one, pen, record, 300, fill=True) == []
    record.set(97_000.0)
    early = run(one, pen, record, 30, fill=True)
    soon = float(pen.held.sum())
    late = run(one, pen, record, 900, fill=True)
    assert {t["side"] for t in early + late} == {1} and {t["kind"] for t in late} == {"ioc"}
    assert 0 <= soon < 0.25 * pen.held.sum()


def test_its_capital_is_finite_and_what_it_bought_is_sold_when_the_price_has_come_back() -> None:
    one, pen, record = fundamentalist(memory=1e4)
    run(one, pen, record, 60, fill=True)
    record.set(70_000.0)
    run(one, pen, record, 2000, fill=True)
    largest = float(pen.held.sum())
    assert 0.9 * 0.02 * 10_000 < largest <= 0.02 * 10_000
    record.set(100_000.0)
    run(one, pen, record, 4000, fill=True)
    assert abs(pen.held.sum()) < 0.3 * largest


def test_a_fall_that_news_explains_is_no_bargain_and_one_beyond_it_is() -> None:
    held = []
    for size in (-0.03, -0.01):
        one, pen, record = fundamentalist()
        run(one, pen, record, 60, fill=True)
        pen.learned[:] = size
        record.set(100_000.0 * np.exp(-0.03))
        run(one, pen, record, 1200, fill=True)
        held.append(float(pen.held.sum()))
    assert abs(held[0]) < 0.1 * held[1]


# ------------------------------------------------------------------ noise


def test_noise_is_two_sided_and_sized_by_the_depth_it_sees() -> None:
    volume = {}
    for depth in (1e8, 1e7):
        pen, record = market(ONE, depth=depth)
        one = species(Noise, pen, record)
        sent = run(one, pen, record, 1830)
        sizes, sides = np.array([t["size"] for t in sent]), np.array([t["side"] for t in sent])
        assert abs(sides.mean()) < 0.15
        volume[depth] = sizes.sum() * 100_000.0 / 30.0
        assert volume[depth] == pytest.approx(0.05 * depth, rel=0.3)


def test_noise_is_more_active_in_volatile_times_but_less_than_in_proportion() -> None:
    pen, record = market(ONE)
    one = species(Noise, pen, record, rate=12.0)
    run(one, pen, record, 31)
    calm = len(run(one, pen, record, 1000))
    wild(one, 10.0)
    many = len(run(one, pen, record, 1000))
    assert 2.0 * calm < many < 10.0 * calm


def test_inventory_of_noise_comes_back() -> None:
    pen, record = market(ONE)
    one = species(Noise, pen, record)
    run(one, pen, record, 31)
    pen.held[:, 0] = 500.0
    run(one, pen, record, 1500, fill=True)
    assert pen.held[one.memory["row"], 0].mean() < 400.0


# ------------------------------------------------------------------ value


def value(books: Any = ONE, **parameters: Any) -> tuple[Any, Pen, Record]:
    pen, record = market(books, owners=40)
    one = species(Value, pen, record, watch=0.0, **parameters)
    return one, pen, record


def test_nobody_sells_before_having_heard_and_nobody_sells_more_than_the_capital() -> None:
    one, pen, record = value(dippers=0, far=0)
    assert run(one, pen, record, 300) == []
    pen.learned[:20] = -0.04
    sent = run(one, pen, record, 3000, fill=True)
    assert {t["side"] for t in sent} == {-1} and {t["row"] for t in sent} <= set(range(20))
    capital = one.memory["sell_capital"].sum()
    assert capital == pytest.approx(0.06 * 1e10 / 100_000.0, rel=0.01)
    sold = sum(t["size"] for t in sent)
    assert 0.2 * capital < sold <= capital


def test_what_was_sold_in_fear_is_taken_back_far_below_and_sooner_when_fear_has_faded() -> None:
    for learned_at, price, buys in ((0.0, 95_500.0, False), (0.0, 92_000.0, True), (-1e5, 95_500.0, True)):
        one, pen, record = value(dippers=0, far=0, pace=30.0)
        run(one, pen, record, 2)
        pen.learned[:] = -0.04
        sold = sum(t["size"] for t in run(one, pen, record, 300, fill=True))
        assert sold > 0
        pen.learned_at = learned_at
        record.set(price)
        after = run(one, pen, record, 600, fill=True)
        assert any(t["side"] > 0 for t in after) == buys
        assert sum(t["size"] for t in after if t["side"] > 0) <= sold * 1.0001


def test_dip_buyers_start_late_far_below_value_and_spend_once() -> None:
    one, pen, record = value(sellers=0, far=0)
    run(one, pen, record, 10)
    record.set(98_500.0)
    assert run(one, pen, record, 600) == []
    record.set(91_000.0)
    first = run(one, pen, record, 3600, fill=True)
    assert {t["side"] for t in first} == {1}
    assert first[0]["time"] > 611.0
    bought = sum(t["size"] for t in first)
    assert bought == pytest.approx(0.018 * 1e10 / 100_000.0, rel=0.05)
    assert run(one, pen, record, 3600) == []


def test_who_has_learned_bad_news_buys_the_dip_later() -> None:
    one, pen, record = value(sellers=0, far=0)
    run(one, pen, record, 2)
    pen.learned[:] = -0.10
    record.set(92_000.0)
    assert run(one, pen, record, 1200) == []


def test_far_orders_get_denser_with_distance_and_follow_the_news() -> None:
    one, pen, record = value(sellers=0, dippers=0)
    run(one, pen, record, 2)
    assert pen.within(0, 1, 0.02) < 0.2 * pen.within(0, 1, 0.08)
    assert pen.within(0, 1, 0.035) > 0
    before = pen.resting(0, 1)[0].max()
    pen.learned[:] = -0.05
    run(one, pen, record, 1)
    assert pen.resting(0, 1)[0].max() < before * 0.96
    assert pen.resting(0, -1)[0].min() > record.bid[0]


# ------------------------------------------------------------------ all


@pytest.mark.parametrize("kind", [MarketMaker, Arbitrageur, Noise, Value])
def test_a_species_survives_empty_books_and_a_market_without_its_rows(kind: Any) -> None:
    pen, record = market(THREE)
    one = species(kind, pen, record)
    record.empty()
    run(one, pen, record, 100)
    nobody = Pen(record, [], [])
    other = species(kind, nobody, record)
    assert run(other, nobody, record, 100) == []


@pytest.mark.parametrize("kind", [MarketMaker, Arbitrageur, Noise, Value])
def test_every_parameter_says_what_it_is_and_where_it_comes_from(kind: Any) -> None:
    for name, field in kind.Parameters.model_fields.items():
        assert field.description, name
        extra = field.json_schema_extra
        assert isinstance(extra, dict) and extra["source"], name
