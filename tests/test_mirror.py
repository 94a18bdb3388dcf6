"""Longs for shorts: exact where the engine promises it (a book and a cascade reflected at a price), and over seeds
where only the law is the same (a scenario of all species and its mirror image in logs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.causes import EVENT_KINDS
from abm.messages import IOC
from experiments import config
from experiments.build import build
from tests.test_symmetries import FREE, RICH, Order, orders, traded
from tests.twins.market import PERP, Desk, small_model
from tests.waterfalls import STAGES

CENTRE = 2 * 1000  # prices p and CENTRE - p are mirror images


def mirrored(tape: list[Order]) -> list[Order]:
    """Buyers sell and sellers buy, as far from the centre on its other side."""
    return [
        (who, -side, CENTRE - price if price else 0, lots, flags) for who, side, price, lots, flags in tape
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders)
def test_the_book_has_no_favourite_side(tape: list[Order]) -> None:
    desk, answers = traded(tape)
    other, mirror_answers = traded(mirrored(tape))
    assert answers == mirror_answers
    reflected = [(b, m, t, -side, CENTRE - price, q) for b, m, t, side, price, q in other.tape()]
    assert desk.tape() == reflected
    for side in (1, -1):
        image = [(CENTRE - price, queue) for price, queue in other.queue(PERP, -side)]
        assert desk.queue(PERP, side) == image
    rows = range(desk.state.count("rows"))
    assert [desk.lots(r) for r in rows] == [-other.lots(r) for r in rows]


@pytest.mark.parametrize("leverage", [5.0, 20.0])
def test_a_long_below_and_a_short_above_are_liquidated_at_the_same_loss(leverage: float) -> None:
    """Linear contracts: with one bracket, the same loss on the same margin meets maintenance at mirrored marks, up to
    the maintenance of the notional itself, which is smaller below than above."""
    margin = round(1000 * 100 * 1000 / leverage)  # of 1,000 lots at 1,000 ticks of 100 micro-dollars a lot
    found = {}
    for side in (1, -1):
        desk = Desk(small_model({"orders": {"band": 0.0}, "fees": {"maker": 0.0, "taker": 0.0}}))
        desk.set_brackets(PERP, (0, 0.0, 0, 0.01))  # no maintenance margin: liquidated at bankruptcy
        row = desk.open("one", cash=margin, leverage=leverage)
        desk.hold(PERP, 100.0, {row: side * 1000})
        for ticks in range(1000):
            desk.set_mark(PERP, (1000 - side * ticks) << 10)
            if row in desk.under_water():
                found[side] = ticks
                break
    assert found[1] == found[-1] == 1000 / leverage + 1  # the first tick beyond bankruptcy, on either side


# ---------------------------------------------------------------- a cascade, to the bit


MARGIN = 1_654_321  # micro-dollars of maintenance margin, the same for every position whatever its value
Holder = tuple[int, int]  # lots (short < 0), wallet in dollars
sizes = st.one_of(st.integers(150, 900), st.integers(-900, -150))
holders = st.lists(st.tuples(sizes, st.integers(5, 40)), min_size=2, max_size=9)
near, far = st.integers(-25, 25), st.integers(-220, 220)
moves = st.lists(st.one_of(near, far), min_size=1, max_size=12)  # of the mark, in ticks
resting = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(600, 1400), st.integers(1, 400)), max_size=12
)


class Mirror:
    """A venue without fees whose margin does not depend on prices, as it is (`sign` 1) or reflected at the centre."""

    def __init__(self, sign: int, rules: Mapping[str, Any], people: list[Holder], quotes: list[Any]) -> None:
        self.sign = sign
        self.desk = d = Desk(small_model(FREE | {"fees": {"maker": 0.0, "taker": 0.0}} | dict(rules)))
        d.set_brackets(PERP, (0, 0.0, -MARGIN, 0.001))
        self.rows = [d.open(f"holder {i}", cash=cash * 10**6) for i, (_, cash) in enumerate(people)]
        d.hold(PERP, 100.0, {row: sign * lots for row, (lots, _) in zip(self.rows, people, strict=True)})
        self.quoting = d.open("quoting", cash=RICH)
        for side, price, lots in quotes:
            d.place(self.quoting, PERP, sign * side, self.at(price), lots)
        d.model.setup()

    def at(self, price: int) -> int:
        return price if self.sign > 0 else CENTRE - price

    def move(self, mark: int) -> None:
        self.desk.set_mark(PERP, self.at(mark) << 10)

    def step(self) -> list[tuple[int, ...]]:
        """The venue does what it must; what happened, as if nothing was reflected."""
        d = self.desk
        d.state.meta["events"] = 0
        d.pass_time()
        d.model.liquidate()
        d.model.deleverage()
        assert d.faults() == []
        events = d.state.events[: d.state.count("events")]
        whole = ("id", "parent", "kind", "row", "other", "qty", "cause")
        return [(*(int(e[name]) for name in whole), self.sign * int(e["side"])) for e in events]

    def without_price(self) -> bool:
        """Whether somebody fails whose bankruptcy price, here or in the mirror, is no price."""
        d = self.desk
        for row in self.rows:
            equity, lots = d.margin(row)[0], d.lots(row)
            if lots and equity < MARGIN:
                price = int(d.state.books["mark"][PERP]) / 1024 - equity / (100 * lots)
                if not 2 < price < CENTRE - 2:
                    return True
        return False

    def books(self) -> list[tuple[int, int]]:
        """Signed lots and equity of everybody, the venue's own rows included."""
        d = self.desk
        rows = range(d.state.count("rows"))
        return [(self.sign * d.lots(row), d.margin(row)[0]) for row in rows]


STYLES: list[dict[str, Any]] = [
    {"liquidation": {"stages": STAGES[style], "fee": 0.0, "slice_above": 1e9},
     "fund": fund, "adl": {"score": "profit", "price": price, "allocate": allocate}}
    for style in ("bankruptcy", "market")
    for fund in ({"rule": "none"}, {"rule": "unlimited", "cash": 100.0})
    for price, allocate in (("bankruptcy", "queue"), ("mark", "pro_rata"), ("previous_mark", "queue"))
]  # fmt: skip


def edges(people: list[Holder]) -> list[tuple[int, int, int]]:
    """Orders on both sides of the price at which each holder is bankrupt, so that its rounding decides who trades."""
    found = []
    for lots, cash in people:
        ticks = 1000 - cash * 10**6 / (100 * lots)
        side = 1 if lots > 0 else -1
        found += [(side, price, 40) for price in (int(ticks), int(ticks) + 1) if 0 < price < CENTRE]
    return found


def both_ways(
    rules: Mapping[str, Any], people: list[Holder], quotes: list[Any], path: list[int]
) -> Counter[str]:
    """The same cascade for longs and for shorts, compared after every move; what happened in it."""
    one, other = (Mirror(sign, rules, people, quotes + edges(people)) for sign in (1, -1))
    mark, seen = 1000, Counter[str]()
    for move in path:
        mark = min(max(mark + move, 500), CENTRE - 500)
        one.move(mark)
        other.move(mark)
        if one.without_price():
            break
        events = one.step()
        assert events == other.step()
        assert one.books() == other.books()
        seen.update(EVENT_KINDS[e[2]] for e in events)
    reflected = [(b, m, t, -side, CENTRE - price, q) for b, m, t, side, price, q in other.desk.tape()]
    assert one.desk.tape() == reflected
    return seen


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(STYLES), holders, resting, moves)
def test_a_cascade_of_shorts_is_the_mirror_image_of_one_of_longs(
    rules: dict[str, Any], people: list[Holder], quotes: list[Any], path: list[int]
) -> None:
    """Prices reflected at a centre, longs for shorts, with a margin that prices do not change: who is liquidated when
    and in which order, what the book takes, who takes over and who is deleveraged by how much."""
    both_ways(rules, people, quotes, path)


def test_the_mirrored_cascades_reach_all_that_a_venue_does() -> None:
    people = [(800, 9), (-500, 30), (300, 12), (-900, 60), (-100, 10), (600, 25)]
    quotes = [(1, 905, 300), (-1, 1100, 200), (1, 880, 400)]
    seen = Counter[str]()
    for rules in STYLES:
        for path in ([-12] * 20 + [30] * 22, [-90, -30, -150, 40, 260, 200]):
            seen += both_ways(rules, people, quotes, path)
    assert all(seen[kind] for kind in ("liquidation", "takeover", "adl", "bankruptcy")), seen


def test_with_ordinary_margin_rates_shorts_fail_in_the_order_of_longs() -> None:
    """Maintenance grows with the price, so a short fails a little before the long of the same margin; but by the same
    order of margins, and nothing is lost on either side."""
    order: dict[int, list[int]] = {}
    first: dict[int, int] = {}
    for side in (1, -1):
        desk = Desk(small_model({"orders": {"band": 0.0}, "fund": {"cash": 1e6}}))
        margins = np.random.default_rng(5).permutation(np.arange(12)) * 3 + 10
        rows = [desk.open(f"holder {i}", cash=int(m) * 10**6) for i, m in enumerate(margins)]
        desk.hold(PERP, 100.0, dict.fromkeys(rows, side * 1000))
        quoting = desk.open("quoting", cash=RICH)
        for ticks in range(1, 500):
            desk.place(quoting, PERP, side, 1000 - side * (ticks - 1), 150, IOC if ticks % 2 else 0)
        desk.model.setup()
        order[side] = []
        for ticks in range(500):
            desk.set_mark(PERP, (1000 - side * ticks) << 10)
            desk.pass_time()
            desk.state.meta["events"] = 0
            desk.model.liquidate()
            desk.model.deleverage()
            assert desk.faults() == []
            for e in desk.events("liquidation"):
                first.setdefault(side, ticks)
                if rows.index(e["row"]) not in order[side]:
                    order[side].append(rows.index(e["row"]))
        assert order[side] == np.argsort(margins).tolist()
    assert first[-1] < first[1]


# ---------------------------------------------------------------- a whole market, by seeds


MIRRORED = {
    "leveraged_long": "leveraged_short",
    "leveraged_short": "leveraged_long",
    "long": "short",
    "short": "long",
}


def carried_away(sign: int, seed: int) -> tuple[float, float]:
    """How far the news carry a market of all species, as a log, and what is liquidated, M$: bad news for longs, or as
    good news (in logs) for as many shorts of the same margins. All have opened just before, or the fall of the days
    before the start would have left none of the shorts whom a rise reaches first."""
    raw = config.plain(config.load("two_venues"))
    raw["news"][0]["size"] *= sign
    for name in ("longs", "holders", "shorts"):
        crowd = raw["population"][name]
        crowd["opening"]["hours"] = 0.1
        if sign < 0:
            crowd["species"], crowd["opening"]["side"] = (
                MIRRORED[crowd["species"]],
                MIRRORED[crowd["opening"]["side"]],
            )
    for name in ("makers", "arbitrageurs", "crowd", "dip_buyers"):  # as rich in coins as in money
        raw["population"][name]["opening"] |= {"cash": {"major": 0.3}, "inventory": {"major": 0.3}}
    scenario, faults = config.resolve(raw)
    assert scenario is not None, faults
    model = build(scenario, seed)
    model.run()
    assert model.recorder is not None
    record = model.recorder.finish()
    extreme = record.books["low"] if sign > 0 else record.books["high"]
    move = np.abs(np.log(extreme[:, 0] / scenario.contracts["BTC"].price))
    lost, other = ("long", "short")[::sign]
    assert record.venues[f"liquidated_{other}"].sum() == 0
    return float(np.nanmax(move)), float(record.venues[f"liquidated_{lost}"].sum()) / 1e6


@pytest.mark.slow
def test_good_news_drive_shorts_as_bad_news_drive_longs() -> None:
    """All species, seed by seed: the log price goes as far up as it went down. Somewhat more is liquidated on the way
    up, where the same step in logs is a larger loss of a linear contract."""
    seeds = range(1, 17)
    fall, rise = (np.array([carried_away(sign, seed) for seed in seeds]).T for sign in (1, -1))
    further, more = np.median(rise[0] / fall[0]), rise[1].sum() / fall[1].sum()
    assert 0.9 < further < 1.2 and 1.0 < more < 1.5, (further, more)
    assert np.corrcoef(fall[0], rise[0])[0, 1] > 0.7 and np.corrcoef(fall[1], rise[1])[0, 1] > 0.7
