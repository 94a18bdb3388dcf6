"""What must hold whatever the score, the allocation and the price of auto-deleveraging, and what each plug-in is for.

Alpha has no book to sell into and a fund that takes nothing over: whoever fails is deleveraged. BTC trades at 100
dollars, a thousand lots are a coin.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from abm import adl
from abm.causes import EVENT_KINDS
from abm.haircuts import haircut_later, ledger
from tests.twins.market import ETH, PERP, Desk, small_model

USD = 10**6
TICKS = 1024
FEES, FUND, CAPITAL = 0, 1, 2
COMBINATIONS = list(product(adl.SCORES, adl.ALLOCATIONS, adl.PRICES))


def desk(rule: dict[str, Any], fund: float = 0.0, **own: Any) -> Desk:
    """`fund`: its cash; with a notional cap of zero it pays, but takes no position over."""
    alpha = {
        "fees": {"maker": 0.0, "taker": 0.0},
        "orders": {"band": 0.0},
        "fund": {"cash": fund, "cap": 0.0},
        "liquidation": {"fee": 0.0},
        "adl": rule,
    }
    d = Desk(small_model(alpha))
    d.model.functions = own
    for book in (PERP, ETH):
        d.set_brackets(book, (0, 0.01, 0, 0.02))
    return d


def enter(d: Desk, *accounts: tuple[str, float, int, float]) -> list[int]:
    """(name, cash in dollars, signed lots, entry price) of positions that match."""
    rows = [d.open(name, cash=round(cash * USD)) for name, cash, _, _ in accounts]
    d.model.accounts.place(rows, PERP, np.array([a[2] for a in accounts]), np.array([a[3] for a in accounts]))
    return rows


def move(d: Desk, mark: float) -> None:
    """The mark in dollars, and what the venue then does."""
    d.set_mark(PERP, round(mark * 10 * TICKS))
    d.state.books["index"][PERP] = round((mark + 0.5) * 10 * TICKS)
    d.model.liquidate()
    d.model.deleverage()
    assert d.faults() == []


Winner = st.tuples(
    st.integers(1, 3000), st.integers(800, 1300), st.integers(0, 400)
)  # lots, entry in ticks, dollars


def check(
    rule: tuple[str, str, str],
    winners: list[tuple[int, int, int]],
    failing: list[int],
    mark: float,
    sign: int,
    fund: float,
) -> None:
    """Failing longs (sign +1) or shorts with 5 dollars a coin, winners opposite, bystanders without a position."""
    score, allocate, price = rule
    d = desk({"score": score, "allocate": allocate, "price": price}, fund)
    failing = [lots for i, lots in enumerate(failing) if sum(failing[: i + 1]) <= sum(w[0] for w in winners)]
    rest = sum(w[0] for w in winners) - sum(failing)
    rows = enter(
        d,
        *[
            (f"winner {i}", 1.5 * lots / 1000 + cash, -sign * lots, 100 + sign * (entry / 10 - 100))
            for i, (lots, entry, cash) in enumerate(winners)
        ],
        *[(f"failed {i}", lots * 0.005, sign * lots, 100.0) for i, lots in enumerate(failing)],
        ("calm", 10**6, sign * rest, 100.0),
    )
    flat = d.open("flat", cash=1000 * USD)
    other = d.open("other", cash=1000 * USD)
    d.hold(ETH, 50.0, {other: 100})
    everybody = range(d.state.count("rows"))
    lots = {row: d.lots(row) for row in everybody}
    total = sum(d.cash(row) for row in everybody)
    spared = (d.cash(flat), d.cash(other), d.lots(other, ETH))
    move(d, 100 - sign * (100 - mark))
    assert sum(d.cash(row) for row in everybody) == total, "cash is only moved"
    assert (d.cash(flat), d.cash(other), d.lots(other, ETH)) == spared, "who has no position is not charged"
    closed = {row: lots[row] - d.lots(row) for row in everybody}
    assert sum(closed.values()) == 0
    if allocate == "social_loss":
        failed = {e["row"] for e in d.events("takeover")}  # a winner who cannot pay may be among them
        assert all(closed[row] == 0 for row in everybody if row not in failed and row != FUND)
    else:
        assert closed[FUND] == 0
        assert all(closed[row] * sign <= 0 or row in rows[len(winners) :] for row in everybody)
    for row in rows[len(winners) : -1]:
        if lots[row]:
            assert d.lots(row) == 0
            if price in ("bankruptcy", "mark", "bankruptcy_capped"):
                assert d.cash(row) == 0, "who failed ends at exactly zero"
    for row in everybody:
        if d.lots(row) == 0 and row != CAPITAL:
            assert d.cash(row) >= 0
    if allocate != "social_loss" and price == "bankruptcy" and all(cash > 60 for _, _, cash in winners):
        assert d.cash(FUND) == fund * USD and d.cash(CAPITAL) == 0, (
            "at the bankruptcy price the winners bear it all"
        )


CASE = (
    st.lists(Winner, min_size=1, max_size=6),
    st.lists(st.integers(1, 2000), min_size=1, max_size=3),
    st.floats(75, 94),
    st.sampled_from([1, -1]),
    st.sampled_from([0.0, 3.0, 1e6]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.sampled_from(COMBINATIONS), *CASE)
def test_no_combination_creates_loses_or_charges_bystanders(
    rule: Any, winners: Any, failing: Any, mark: float, sign: int, fund: float
) -> None:
    check(rule, winners, failing, mark, sign, fund)


@pytest.mark.slow
@pytest.mark.parametrize("rule", COMBINATIONS, ids="-".join)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(*CASE)
def test_every_combination_keeps_the_invariants(
    rule: Any, winners: Any, failing: Any, mark: float, sign: int, fund: float
) -> None:
    check(rule, winners, failing, mark, sign, fund)


@pytest.mark.parametrize("allocate", [a for a in adl.ALLOCATIONS if a != "social_loss"])
def test_at_mark_what_an_account_lacks_is_the_funds_then_the_fees_then_the_capitals(allocate: str) -> None:
    d = desk({"price": "mark", "allocate": allocate}, fund=2.0)
    failed, bob, eve = enter(
        d, ("failed", 5, 1000, 100.0), ("bob", 100, -600, 100.0), ("eve", 100, -400, 100.0)
    )
    d.model.accounts.deposit([FEES], "USDT", np.array([USD]))
    before = [d.margin(row)[0] for row in (bob, eve)]
    move(d, 90.0)
    assert (d.lots(failed), d.cash(failed)) == (0, 0)
    assert (d.cash(FUND), d.cash(FEES), d.cash(CAPITAL)) == (0, 0, -2 * USD)
    assert [d.margin(row)[0] - was for row, was in zip((bob, eve), before, strict=True)] == [6 * USD, 4 * USD]
    (event,) = d.events("deficit")
    assert (event["row"], event["value"], event["amount"]) == (failed, 5 * USD, 3 * USD)


# ---------------------------------------------------------------- shares in the engine


def shorts(d: Desk, mark: float, *people: tuple[str, float, int, float]) -> list[int]:
    """Closed lots of these shorts when a long of 1,000 lots, bankrupt at 95, fails at a mark."""
    rest = -sum(p[2] for p in people) - 1000
    rows = enter(d, *people, ("failed", 5, 1000, 100.0), ("calm", 1e6, rest, 100.0))[: len(people)]
    held = [d.lots(row) for row in rows]
    move(d, mark)
    return [d.lots(row) - was for row, was in zip(rows, held, strict=True)]


PEOPLE = [
    ("a", 100.0, -1000, 110.0),
    ("b", 300.0, -1000, 130.0),
    ("c", 50.0, -2000, 100.0),
]  # profits 20, 40, 20 at 90


@pytest.mark.parametrize(
    ("allocate", "closed"),
    [
        ("pro_rata_profit", [250, 500, 250]),
        ("pro_rata_equity", [235, 667, 98]),  # 120, 340, 70 dollars at 90, before what the last fills up
        ("pro_rata_contracts", [250, 250, 500]),
        ("pro_rata", [250, 250, 500]),
        ("leverage_draining", [0, 0, 1000]),  # leverages 0.75, 0.26, 2.57
    ],
)
def test_shares_are_those_of_the_rule(allocate: str, closed: list[int]) -> None:
    got = shorts(desk({"allocate": allocate}), 90.0, *PEOPLE)
    if allocate == "pro_rata_equity":
        equity = np.array([120.0, 340.0, 70.0])
        closed = np.rint(1000 * equity / equity.sum()).astype(int).tolist()
    assert sum(got) == 1000 and np.abs(np.array(got) - closed).max() <= 1


def test_pro_rata_takes_no_more_than_a_winner_can_pay() -> None:
    """Bankrupt at 95 while the mark is 85: `thin` has two dollars, and a coin costs ten."""
    thin, deep = shorts(
        desk({"allocate": "pro_rata"}), 85.0, ("thin", 1.0, -1000, 86.0), ("deep", 1000.0, -1000, 120.0)
    )
    assert thin == 199 and deep == 801


def test_risk_aware_shares_grow_with_the_power() -> None:
    part = [shorts(desk({"allocate": "risk_aware", "power": c}), 90.0, *PEOPLE)[2] for c in (0.0, 0.5, 1.0)]
    assert part[0] == 250 < part[1] < part[2]


def test_a_rule_of_ones_own_sees_the_candidates_and_says_how_much() -> None:
    seen = []

    def fair(lots: int, c: Any) -> Any:
        seen.append(c)
        out = np.zeros(len(c), np.int64)
        out[np.argmax(c.equity)] = lots
        return out

    closed = shorts(desk({"allocate": "mine:fair"}, **{"mine:fair": fair}), 90.0, *PEOPLE)
    assert closed == [0, 1000, 0]
    assert seen[0].profit.tolist() == [20 * USD, 40 * USD, 20 * USD] and seen[0].cost == pytest.approx(5000.0)


def test_a_score_of_ones_own_ranks_the_queue() -> None:
    d = desk({"score": "mine:small"}, **{"mine:small": lambda c: 1.0 / c.size})
    assert shorts(d, 90.0, ("a", 100.0, -700, 110.0), ("b", 300.0, -600, 130.0)) == [400, 600]


def test_random_order_knows_no_profit_and_changes_with_the_step() -> None:
    first = set()
    for now in range(0, 40_000, 1000):
        d = desk({"score": "random"})
        d.state.meta["now"] = now
        closed = shorts(d, 90.0, ("a", 500.0, -1000, 110.0), ("b", 500.0, -1000, 80.0))
        first.add(tuple(closed))
    assert first == {(1000, 0), (0, 1000)}


def test_binances_score_is_the_accounts() -> None:
    """Two shorts alike in BTC; one has lost as much in ETH: his account has no profit, so he comes last."""
    d = desk({})
    a, b, failed = enter(d, ("a", 100, -1000, 110.0), ("b", 100, -1000, 110.0), ("failed", 10, 2000, 110.0))
    d.hold(ETH, 50.0, {a: 100})
    d.set_mark(ETH, 290 * TICKS)
    d.set_mark(PERP, 900 * TICKS)
    scores = [float(adl.score_of_at(d.address, 0, d.place_of(row, PERP))) for row in (a, b)]
    assert scores[0] == pytest.approx(-1 * USD) and scores[1] > 0
    assert failed


# ---------------------------------------------------------------- prices


@pytest.mark.parametrize(
    ("price", "mark", "paid"),
    [
        ("bankruptcy", 94.0, 95.0),
        ("mark", 94.0, 94.0),
        ("previous_mark", 94.0, 97.0),
        ("oracle", 94.0, 94.5),
        ("bankruptcy_capped", 94.0, 95.0),
        ("bankruptcy_capped", 90.48, 95.0),
        ("bankruptcy_capped", 90.47, 90.47),  # 5.007 % away
    ],
)
def test_the_price_is_that_of_the_rule(price: str, mark: float, paid: float) -> None:
    d = desk({"price": price})
    enter(d, ("failed", 5, 1000, 100.0), ("bob", 100, -1000, 100.0))
    d.set_mark(PERP, 970 * TICKS)
    move(d, mark)
    assert d.events("adl")[0]["price"] / TICKS / 10 == pytest.approx(paid, rel=1e-6)


@pytest.mark.parametrize("cancels", [True, False])
def test_open_orders_of_the_deleveraged_stay_where_the_venue_leaves_them(cancels: bool) -> None:
    d = desk({"cancels_orders": cancels})
    _, bob = enter(d, ("failed", 5, 1000, 100.0), ("bob", 1000, -1000, 100.0))
    d.place(bob, PERP, -1, 1500, 7)
    move(d, 94.0)
    assert d.lots(bob) == 0
    assert d.queue(PERP, -1) == ([] if cancels else [(1500, [(bob, 7)])])


# ---------------------------------------------------------------- social loss


def test_a_loss_is_shared_by_the_lot_over_longs_and_shorts_and_nobody_is_closed() -> None:
    d = desk({"allocate": "social_loss"})
    failed, bob, eve = enter(
        d, ("failed", 5, 1000, 100.0), ("bob", 100, -4000, 100.0), ("eve", 100, 3000, 100.0)
    )
    before = [d.cash(row) for row in (bob, eve)]
    move(d, 88.0)
    assert (d.lots(failed), d.cash(failed)) == (0, 0)
    assert (d.lots(FUND), d.lots(bob), d.lots(eve)) == (1000, -4000, 3000)
    paid = [was - d.cash(row) for row, was in zip((bob, eve), before, strict=True)]
    assert paid == [4 * USD, 3 * USD], "seven dollars over seven coins"
    assert d.margin(FUND)[0] == 0
    (event,) = d.events("adl")
    assert (event["other"], event["qty"], event["amount"]) == (-1, 1000, 7 * USD)


def test_the_pool_pays_before_the_holders_and_nobody_more_than_he_has() -> None:
    d = desk({"allocate": "social_loss"}, fund=3.0)
    failed, bob, eve = enter(
        d, ("failed", 5, 1000, 100.0), ("bob", 1000, -2000, 100.0), ("eve", 13, 1000, 100.0)
    )
    before = d.cash(bob)
    move(d, 88.0)  # seven lost, three are the fund's; eve has a dollar left of her 13
    assert before - d.cash(bob) == 3 * USD and d.margin(eve)[0] >= 0
    assert d.cash(failed) == 0 and d.margin(FUND)[0] == 0


def test_a_pool_that_what_it_takes_over_leaves_flat_and_below_zero_is_made_whole_at_once() -> None:
    """The only other holder cannot pay and fails as well: the pool's long meets its short, the venue bears the rest."""
    check(("okx", "social_loss", "bankruptcy"), [(1, 800, 0)], [1], 81.0, 1, 0.0)


# ---------------------------------------------------------------- both ledgers


def test_the_events_tell_what_was_needed_before_and_after_the_fact() -> None:
    """A coin of a long with 5 dollars fails at 90: 5 dollars lacked; at the bankruptcy price the winners lose them."""
    told = {}
    for price in ("bankruptcy", "mark"):
        d = desk({"price": price}, fund=2.0)
        enter(d, ("failed", 5, 1000, 100.0), ("bob", 100, -600, 100.0), ("eve", 100, -400, 100.0))
        move(d, 90.0)
        e = d.state.events[: d.state.count("events")]
        columns = {
            "kind": np.array(EVENT_KINDS)[e["kind"]], "row": e["row"],
            "parent": e["parent"], "other_owner": e["other"], "book": e["book"],
            "side": e["side"], "quantity": e["qty"] / 1000, "price": e["price"] / TICKS / 10,
            "mark": e["mark"] / TICKS / 10, "value": e["value"] / USD, "amount": e["amount"] / USD,
        }  # fmt: skip
        told[price] = (ledger(columns), haircut_later(columns, {PERP: 80.0}))
    for one, _ in told.values():
        assert (one.contracts, one.value, one.deficit) == pytest.approx((1.0, 90.0, 5.0))
    at_bankruptcy, at_mark = told["bankruptcy"][0], told["mark"][0]
    assert (at_bankruptcy.needed, at_bankruptcy.haircut, at_bankruptcy.uncovered) == pytest.approx(
        (5.0, 5.0, 0.0)
    )
    assert (at_mark.needed, at_mark.haircut, at_mark.uncovered) == pytest.approx((0.0, 0.0, 5.0))
    assert [later for _, later in told.values()] == pytest.approx([15.0, 10.0]), (
        "the shorts missed the fall to 80"
    )


@pytest.mark.parametrize("field", ["score", "allocate", "price"])
def test_a_name_that_is_no_rule_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="expected one of"):
        adl.AdlRule.model_validate({field: "fairly"})
