"""B9 and B11: who pays in auto-deleveraging, by the rules that venues of a run use (`abm.haircuts`, `abm.allocation`).

B9 (Chitra, arXiv 2512.01112): the largest winner of a queue loses all that is needed, under a proportional haircut
its share; the gap is H (1 - w1 / U) for any winners as long as H is not more than w1. B11 (Campbell, Hey, Moallemi
and Nutz, arXiv 2603.15963): draining the most levered first leaves the lowest possible highest leverage, and who
splits an account gains nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from abm import allocation, haircuts
from abm.allocation import Candidates
from abm.parameters import Frozen, parameter
from abm.random import stream_of, uniform
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row


class GapParameters(Frozen):
    """Random sets of winners."""

    sets: int = parameter(2000, "Sets of winners", ge=1)
    winners: int = parameter(200, "Winners in each", ge=2)
    index: float = parameter(
        0.85, "Pareto index of their profits", gt=0, source="public ADL records, 10 October 2025"
    )
    tolerance: float = parameter(1e-9, "Largest relative error", ge=0)


class DrainParameters(Frozen):
    """Random sets of accounts, each solved by a linear programme, too."""

    sets: int = parameter(200, "Sets of accounts", ge=1)
    accounts: int = parameter(20, "Accounts in each", ge=2, le=500)
    lots: int = parameter(1_000_000, "Lots that each holds at most", ge=1, le=10**9)


def _drawn(purpose: str, count: int, number: int) -> np.ndarray:
    return uniform(stream_of(1, purpose), np.arange(count), number)


def gap_rows(p: GapParameters, work: Lab) -> list[Row]:
    """Largest relative error of the identity in dollars; of the same in contracts, in lots."""
    worst, lots_off = 0.0, 0.0
    for number in range(100 if work.quick else p.sets):
        w = _drawn("winners", p.winners, number) ** (-1.0 / p.index)
        order = np.argsort(-w, kind="stable")
        first, total = w[order[0]], w.sum()
        budget = first * _drawn("budget", 1, number)[0]
        left = [
            w[order[0]] * (1 - h[order[0]])
            for h in (haircuts.pro_rata(budget, w), haircuts.by_queue(budget, w, order))
        ]
        expected = budget * (1 - first / total)
        worst = max(worst, abs(left[0] - left[1] - expected) / expected)
        lots_off = max(lots_off, _in_contracts(w, number))
    return [
        row("B9.1", "largest winner, proportional against queue, relative error of H (1 - w1 / U)", [worst], 0.0,
            p.tolerance, central=0.0, role="benchmark", why="in dollars"),
        row("B9.2", "the same in whole contracts at one price, largest error", [lots_off], 0.0, 1.0, unit="lots",
            central=0.0, role="benchmark", why="shares are within one lot of exact"),
    ]  # fmt: skip


def _in_contracts(w: np.ndarray, number: int) -> float:
    size = np.maximum((w * 10).astype(np.int64), 1)
    some = candidates(size, np.full(len(size), 1e9))
    some = allocation.replace(some, profit=size.copy())
    first = int(np.argmax(some.score))
    asked = max(int(size[first] * _drawn("contracts", 1, number)[0]), 1)
    queue, shared = (rule(asked, some)[first] for rule in (allocation.queue, allocation.pro_rata_profit))
    return float(abs((queue - shared) - asked * (1 - size[first] / size.sum())))


def candidates(size: np.ndarray, equity: np.ndarray) -> Candidates:
    """Accounts with so many lots of value 1000 and this equity; the largest ranks first."""
    size = np.asarray(size, np.int64)
    value = 1000 * size
    worth = np.asarray(equity, np.int64)
    return Candidates(
        size=size, most=size.copy(), profit=value // 10, equity=worth, maintenance=value // 100, notional=value,
        leverage=value / worth, score=size.astype(float) + 1.0, key=np.arange(len(size)),
    )  # fmt: skip


def highest(c: Candidates, closed: np.ndarray) -> float:
    """Highest leverage that is left: closing at mark leaves equity as it is."""
    return float((c.notional / c.size * (c.size - closed) / c.equity).max())


def drain_rows(p: DrainParameters, work: Lab) -> list[Row]:
    """How far draining is from the lowest possible highest leverage, and what a split account would save."""
    excess, gain = 0.0, 0.0
    for number in range(30 if work.quick else p.sets):
        drawn = _drawn("accounts", 2 * p.accounts + 1, number)
        size = 2 + (drawn[: p.accounts] * p.lots).astype(np.int64)
        equity = np.maximum(1000 * size / (1.0 + 19.0 * drawn[p.accounts : 2 * p.accounts]), 1.0)
        some = candidates(size, equity)
        asked = 1 + int(drawn[-1] * (size.sum() - 1))
        lot = float((1000 / some.equity).max())  # leverage that one lot takes away, at most
        best = lowest(some, asked)
        mine = highest(some, allocation.leverage_draining(asked, some))
        excess = max(excess, (mine - best) / max(lot, 1e-9 * best))
        gain = max(gain, _split_gain(size, equity, asked))
    return [
        row("B11.1", "highest leverage after draining above the optimum of a linear programme", [excess], -1.0, 1.0,
            unit="lots", central=0.0, role="benchmark", why=f"{p.accounts} accounts, lots are whole"),
        row("B11.2", "lots that splitting an account in two saves it, at most", [gain], -1e9, 1.0, unit="lots",
            central=0.0, role="benchmark", why="a lot's rounding"),
    ]  # fmt: skip


def lowest(c: Candidates, lots: int) -> float:
    """min L such that (N_i - v x_i) / e_i <= L and the x_i sum to `lots`: lots as fine as one likes."""
    n = len(c)
    value = c.notional / c.size
    found = linprog(
        [0.0] * n + [1.0], A_ub=np.column_stack([np.diag(-value / c.equity), -np.ones(n)]), b_ub=-c.leverage,
        A_eq=[[1.0] * n + [0.0]], b_eq=[lots], bounds=[(0, int(s)) for s in c.size] + [(0, None)],
    )  # fmt: skip
    return float(found.fun)


def _split_gain(size: np.ndarray, equity: np.ndarray, asked: int) -> float:
    """Lots that the first account is spared if it comes as two halves."""
    even = np.concatenate([[size[0] // 2 * 2], size[1:]])
    whole = allocation.leverage_draining(asked, candidates(even, equity))[0]
    halves = candidates(
        np.concatenate([[even[0] // 2] * 2, even[1:]]), np.concatenate([[equity[0] / 2] * 2, equity[1:]])
    )
    return float(whole - allocation.leverage_draining(asked, halves)[:2].sum())
