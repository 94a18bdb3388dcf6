"""Claims about sharing a failed position: water-filling against brute force, optimality, and the queue's identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from abm import haircuts
from abm.allocation import BLIND, RULES, Candidates, filled, level, share, whole

quick = settings(max_examples=60, deadline=None, derandomize=True)


def candidates(
    rows: list[tuple[int, int, int, int]], cost: float = 0.0, power: float = 1.0, lot: int = 10
) -> Candidates:
    """(lots, most, profit, equity) each; `lot` is the value of one, maintenance a hundredth of the value."""
    size, most, profit, equity = np.array(rows, np.int64).reshape(-1, 4).T
    notional = size * lot
    with np.errstate(divide="ignore"):
        leverage = np.where(equity > 0, notional / np.maximum(equity, 1), np.inf)
    return Candidates(
        size=size, most=np.minimum(most, size), profit=profit, equity=equity, maintenance=notional // 100,
        notional=notional, leverage=leverage, score=profit.astype(float), key=np.arange(len(size)), cost=cost,
        power=power,
    )  # fmt: skip


Row = st.tuples(st.integers(1, 500), st.integers(0, 500), st.integers(-500, 5000), st.integers(-100, 20_000))
Rows = st.lists(Row, min_size=1, max_size=9)


@pytest.mark.parametrize("name", list(RULES))
@quick
@given(rows=Rows, lots=st.integers(0, 3000), cost=st.floats(-3, 30))
def test_every_rule_closes_all_that_can_be_closed_and_nobody_beyond_his_means(
    name: str, rows: list[Any], lots: int, cost: float
) -> None:
    c = candidates(rows, cost)
    out = RULES[name](lots, c)
    assert out.dtype == np.int64 and int(out.sum()) == min(lots, int(c.most.sum()))
    assert (out >= 0).all() and (out <= c.most).all()


@pytest.mark.parametrize("name", [name for name in RULES if name not in BLIND])
@quick
@given(rows=Rows, lots=st.integers(0, 3000))
def test_losers_and_debtors_are_closed_only_when_winners_cannot_pay(
    name: str, rows: list[Any], lots: int
) -> None:
    c = candidates(rows)
    out = share(lots, c, RULES[name], name)
    assert int(out.sum()) == min(lots, int(c.size.sum()))
    winners = c.score > 0
    if out[~winners].sum() > 0:
        assert (out[winners] >= c.most[winners]).all()
    if (out > c.most).any():
        assert (out >= c.most).all()


@quick
@given(rows=Rows, lots=st.integers(0, 3000))
def test_leverage_is_drained_where_it_is_in_profit_or_not(rows: list[Any], lots: int) -> None:
    """In a whole request as by the rule itself: who was touched has the leverage L, nobody else has more."""
    c = candidates(rows)
    out = share(lots, c, RULES["leverage_draining"], "leverage_draining")
    few = min(lots, int(c.most.sum()))
    assert (out == RULES["leverage_draining"](few, c)).all() or lots > few


def by_bisection(total: float, weights: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """The obvious form of water-filling: raise eta until enough has been given."""
    low, high = 0.0, 1e12
    for _ in range(200):
        eta = (low + high) / 2
        low, high = (eta, high) if np.minimum(caps, eta * weights).sum() < total else (low, eta)
    return np.minimum(caps, high * weights)


@quick
@given(
    st.lists(st.tuples(st.floats(0.01, 1000), st.floats(0, 1000)), min_size=1, max_size=12),
    st.floats(0.0, 1.0),
)
def test_water_filling_is_what_bisection_finds(rows: list[tuple[float, float]], part: float) -> None:
    weights, caps = np.array(rows).T
    total = part * caps.sum()
    assert filled(total, weights, caps) == pytest.approx(
        by_bisection(total, weights, caps), rel=1e-6, abs=1e-6
    )


def test_a_level_is_reached_piece_by_piece() -> None:
    start, stop, slope = np.array([0.0, 1.0]), np.array([2.0, 3.0]), np.array([1.0, 2.0])
    assert [level(t, start, stop, slope) for t in (0.5, 1.0, 4.0, 6.0, 9.0)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@quick
@given(st.lists(st.floats(0, 50), min_size=1, max_size=9), st.integers(0, 400))
def test_whole_lots_are_within_one_of_their_share(shares: list[float], lots: int) -> None:
    exact = np.array(shares)
    if exact.sum() > 0:
        exact = exact * (lots / exact.sum())
        out = whole(exact, lots, np.full(len(exact), 10**6), np.arange(len(exact)))
        assert int(out.sum()) == lots and (np.abs(out - exact) < 1 + 1e-6).all()


# ---------------------------------------------------------------- leverage draining (B11)


@quick
@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 20_000)), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
)
def test_draining_minimises_the_highest_leverage(rows: list[tuple[int, int]], part: float) -> None:
    """Against the linear programme min L, (N_i - v x_i) / e_i <= L, sum x = lots; lots are whole, so within one lot."""
    c = candidates([(size, size, 1, equity) for size, equity in rows])
    lots = int(part * c.size.sum())
    out = RULES["leverage_draining"](lots, c)
    after = (c.notional - 10 * out) / c.equity
    n = len(rows)
    best = linprog(
        [0.0] * n + [1.0], A_ub=np.column_stack([np.diag(-10.0 / c.equity), -np.ones(n)]), b_ub=-c.leverage,
        A_eq=[[1.0] * n + [0.0]], b_eq=[lots], bounds=[(0, int(s)) for s in c.size] + [(0, None)],
    ).fun  # fmt: skip
    one_lot = 10.0 / c.equity
    assert after.max() <= best + one_lot.max() + 1e-6
    touched = (out > 0) & (out < c.size)
    assert (after[out == 0] <= best + one_lot[out == 0] + 1e-6).all(), (
        "who is spared has no more leverage than L"
    )
    assert (np.abs(after[touched] - best) <= one_lot[touched] + 1e-6).all(), "all who were touched share one"


def test_splitting_an_account_changes_nothing_for_draining() -> None:
    one = candidates([(400, 400, 1, 1000), (300, 300, 1, 2000)])
    two = candidates([(200, 200, 1, 500), (200, 200, 1, 500), (300, 300, 1, 2000)])
    whole_one, halves = RULES["leverage_draining"](120, one), RULES["leverage_draining"](120, two)
    assert whole_one[0] == halves[0] + halves[1] and whole_one[1] == halves[2]


@pytest.mark.parametrize(
    "name", ["pro_rata_profit", "pro_rata_equity", "pro_rata_contracts", "capped_pro_rata"]
)
def test_splitting_an_account_changes_nothing_for_shares(name: str) -> None:
    one = candidates([(400, 400, 800, 1000), (300, 300, 300, 2000)], cost=1.0)
    two = candidates([(200, 200, 400, 500), (200, 200, 400, 500), (300, 300, 300, 2000)], cost=1.0)
    a, b = RULES[name](120, one), RULES[name](120, two)
    assert abs(a[0] - b[0] - b[1]) <= 1


# ---------------------------------------------------------------- dollars: the theory's form (B9)


@quick
@given(st.lists(st.floats(0.5, 1e4), min_size=1, max_size=12), st.floats(0.0, 1.0))
def test_the_queue_cuts_the_top_winner_by_what_the_identity_says(profits: list[float], part: float) -> None:
    """upsilon_PR - upsilon_Queue = H (1 - w(1) / U) for H <= w(1), the largest profit first; equal for one winner."""
    w = np.array(profits)
    first = int(np.argmax(w))
    budget = part * w[first]
    queue = w - w * haircuts.by_queue(budget, w, np.argsort(-w, kind="stable").tolist())
    shared = w - w * haircuts.pro_rata(budget, w)
    gap = shared[first] - queue[first]
    assert gap == pytest.approx(budget * (1 - w[first] / w.sum()), rel=1e-9, abs=1e-9)


@quick
@given(st.lists(st.tuples(st.floats(0.5, 1e3), st.floats(0, 1)), min_size=1, max_size=8), st.floats(0.0, 1.0))
def test_capped_haircuts_meet_the_budget_with_one_eta(rows: list[tuple[float, float]], part: float) -> None:
    w, beta = np.array(rows).T
    budget = part * float((w * beta).sum())
    h = haircuts.capped(budget, w, beta)
    assert float((h * w).sum()) == pytest.approx(budget, rel=1e-9, abs=1e-9)
    free = h < beta - 1e-9
    assert (np.abs(h[free] - h.max()) < 1e-9).all() if free.any() else True


@quick
@given(
    st.lists(st.tuples(st.floats(0.5, 1e3), st.floats(0.1, 50)), min_size=2, max_size=8), st.floats(0.0, 0.9)
)
def test_risk_aware_haircuts_grow_with_leverage(rows: list[tuple[float, float]], part: float) -> None:
    w, leverage = np.array(rows).T
    h = haircuts.risk_aware(part * w.sum(), w, np.ones(len(w)), leverage, 2.0)
    assert float((h * w).sum()) == pytest.approx(part * w.sum(), rel=1e-9, abs=1e-9)
    assert (np.diff(h[np.argsort(leverage)]) >= -1e-9).all()


def test_the_least_largest_burden_is_the_pro_rata_of_equity() -> None:
    """The paper's min-max programme min max x_i / e_i, as an oracle: without bounds equity's shares solve it."""
    c = candidates([(500, 500, 100, 3000), (500, 500, 100, 1000), (500, 500, 100, 2000)])
    lots = 300
    out = RULES["pro_rata_equity"](lots, c)
    n = len(c)
    best = linprog(
        [0.0] * n + [1.0], A_ub=np.column_stack([np.diag(1.0 / c.equity), -np.ones(n)]), b_ub=np.zeros(n),
        A_eq=[[1.0] * n + [0.0]], b_eq=[lots], bounds=[(0, int(s)) for s in c.size] + [(0, None)],
    ).fun  # fmt: skip
    assert (out / c.equity).max() == pytest.approx(best, abs=1 / 1000)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (lambda lots, c: c.size * 1.0, "whole numbers"),
        (lambda lots, c: c.most + 1, "between 0 and `most`"),
        (lambda lots, c: -c.most, "between 0 and `most`"),
        (lambda lots, c: c.most, "at most 5 asked for"),
        (lambda lots, c: c.most[:1], "whole numbers"),
    ],
)
def test_what_a_rule_of_ones_own_answers_is_checked(answer: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        share(5, candidates([(10, 10, 1, 100), (10, 10, 2, 100)]), answer, "mine:fair")
