"""Engine and twin liquidate alike: who fails and in which order, what the book takes, who takes over, who is closed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.causes import EVENT_KINDS
from tests.test_book import compare
from tests.twins.market import BTC_PRICE, PERP, TICK, USDT, Desk, small_model
from tests.twins.naive_book import twin_of
from tests.twins.naive_waterfall import Waterfall

FUND_CASH = 40.0  # dollars
Holder = tuple[int, int, int]  # lots (short < 0), wallet in dollars, entry in ticks
Quote = tuple[int, int, int, int]  # holder, side, price, lots
holders = st.lists(
    st.tuples(
        st.integers(-900, 900).filter(bool),
        st.one_of(st.integers(1, 4), st.integers(1, 40)),
        st.integers(850, 1150),
    ),
    min_size=2,
    max_size=9,
)
quotes = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from([1, -1]), st.integers(600, 1400), st.integers(1, 400)),
    max_size=15,
)
moves = st.lists(st.one_of(st.integers(-25, 25), st.integers(-300, 300)), min_size=1, max_size=10)
rules = st.fixed_dictionaries(
    {
        "takes_over": st.booleans(),
        "at_mark": st.booleans(),
        "fee": st.sampled_from([0.0, 0.005]),
        "taker": st.sampled_from([0.0, 0.0005, 0.01]),
        "flat": st.booleans(),
    }
)


def market(rule: dict[str, Any], people: list[Holder], orders: list[Quote]) -> tuple[Desk, Waterfall]:
    """Holders, the other side of all of them, their orders and those of somebody rich: in both."""
    fund = {"cash": FUND_CASH, "rule": "unlimited"} if rule["takes_over"] else {"rule": "none"}
    alpha = {
        "orders": {"band": 0.0},
        "fees": {"maker": 0.0002, "taker": rule["taker"]},
        "fund": fund,
        "adl": {"score": "profit", "price": "mark" if rule["at_mark"] else "bankruptcy"},
        "liquidation": {
            "stages": ("cancel_orders", "bankruptcy_order", "take_over", "adl"), "fee": rule["fee"],
        },
    }  # fmt: skip
    d = Desk(small_model(alpha))
    if rule["flat"]:
        d.set_brackets(PERP, (0, 0.05, 0, 0.05))
    rows = [d.open(f"holder {i}", cash=cash * 10**6, leverage=20.0) for i, (_, cash, _) in enumerate(people)]
    far = d.open("far", cash=10**13)
    lots, entries = [one[0] for one in people], [one[2] * TICK for one in people]
    d.model.accounts.place([*rows, far], PERP, [*lots, -sum(lots)], [*entries, BTC_PRICE * TICK])
    rich, other = (d.open(name, cash=10**13) for name in ("rich", "other"))
    s, x = d.state, twin_of(d)
    for row in range(s.count("rows")):
        if d.place_of(row, PERP) >= 0:
            x.lots[row, PERP], x.entry[row, PERP] = d.lots(row), d.entry(row)
    twin = Waterfall(
        x, PERP, USDT, fund=int(s.venues["fund"][0]), fees=int(s.venues["fees"][0]),
        capital=int(s.venues["capital"][0]), takes_over=rule["takes_over"],
        closes_at_mark=rule["at_mark"], fee=round(rule["fee"] * 1e8),
        key=s.rows["key"][: s.count("rows")].tolist(),
    )  # fmt: skip

    def send(row: int, side: int, price: int, lots: int) -> None:
        assert x.place(d.sent, row, PERP, side, price, lots) == d.place(row, PERP, side, price, lots)

    send(rich, 1, 1000, 500)
    send(other, -1, 1000, 500)  # the venue has earned something
    for who, side, price, lots in orders:
        send(rows[who] if who < len(rows) else rich, side, price, lots)
    d.model.setup()
    return d, twin


def falls_apart(
    rule: dict[str, Any], people: list[Holder], orders: list[Quote], path: list[int]
) -> Counter[str]:
    """Both after every move of the mark; what happened."""
    d, twin = market(rule, people, orders)
    mark, seen = 1000, Counter[str]()
    for move in (0, *path):  # who fails at the opening mark is seen to at that mark
        mark = min(max(mark + move, 100), 2000)
        d.set_mark(PERP, mark << 10)
        twin.x.books[PERP].mark = mark << 10
        d.pass_time()
        twin.x.pass_time(d.model.clock.step_ms)
        d.state.meta["events"] = 0
        twin.told = []
        d.model.liquidate()
        d.model.deleverage()
        twin.step()
        told = [
            (EVENT_KINDS[e["kind"]], int(e["row"]), int(e["other"]), int(e["qty"]))
            for e in d.state.events[: d.state.count("events")]
        ]
        assert [one for one in told if one[0] in ("liquidation", "takeover", "adl")] == twin.told
        compare(d, twin.x)
        seen.update(kind for kind, *_ in told)
    return seen


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rules, holders, quotes, moves)
def test_engine_and_twin_liquidate_alike(
    rule: dict[str, Any], people: list[Holder], orders: list[Quote], path: list[int]
) -> None:
    falls_apart(rule, people, orders, path)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules, holders, quotes, moves)
def test_engine_and_twin_liquidate_alike_for_long(
    rule: dict[str, Any], people: list[Holder], orders: list[Quote], path: list[int]
) -> None:
    falls_apart(rule, people, orders, path)


def test_the_comparison_reaches_all_that_a_waterfall_does() -> None:
    wallets = [(800, 9), (-500, 30), (300, 12), (-900, 60), (-100, 6), (600, 32)]
    people = [(lots, cash, BTC_PRICE) for lots, cash in wallets]
    orders = [(9, 1, 905, 300), (9, -1, 1100, 200), (9, 1, 880, 400), (0, 1, 900, 40)]
    seen = Counter[str]()
    for takes_over in (True, False):
        for path in ([-12] * 20 + [30] * 22, [-90, -30, -150, 40, 260, 200], [400, -700]):
            rule = {"takes_over": takes_over, "at_mark": True, "fee": 0.005, "taker": 0.0005, "flat": True}
            seen += falls_apart(rule, people, orders, path)
    gap = {"takes_over": False, "at_mark": False, "fee": 0.0, "taker": 0.0, "flat": False}
    seen += falls_apart(
        gap, [(900, 1, 1150), (-900, 3, 1000)], [], [0]
    )  # the short pays what he can, others the rest
    assert all(seen[kind] for kind in ("liquidation", "takeover", "adl", "bankruptcy", "deficit")), seen
