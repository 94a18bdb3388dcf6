"""Auto-deleveraging in dollars: haircuts of winners' profits, and the two ledgers that a run's events hold.

The theory's form (Chitra, arXiv 2512.01112): winners have endowments w_i = (profit_i)+, together U; a deficit D is met
to the severity theta by haircuts h_i in [0, 1] with sum h_i w_i = theta D. Afterwards equity is cash + profit - h w.
Feasible only while theta D <= U. A run shares contracts (`allocation`); these are for comparison and for tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abm.allocation import filled

Floats = NDArray[np.float64]


def deficit(equity: ArrayLike) -> float:
    """What all accounts below zero lack together."""
    return float(np.maximum(-np.asarray(equity, float), 0.0).sum())


def endowments(profit: ArrayLike) -> Floats:
    """What may be taken from each: unrealised profit, never the cash that was paid in."""
    w: Floats = np.maximum(np.asarray(profit, float), 0.0)
    return w


def _per_endowment(taken: Floats, w: Floats) -> Floats:
    return np.divide(taken, w, out=np.zeros(len(w)), where=w > 0)


def by_queue(budget: float, w: ArrayLike, order: Sequence[int]) -> Floats:
    """Haircuts when those first in `order` lose all of their profit, the last one a part."""
    weights = np.asarray(w, float)
    taken, left = np.zeros(len(weights)), budget
    for i in order:
        taken[i] = min(weights[i], left)
        left -= taken[i]
    return _per_endowment(taken, weights)


def pro_rata(budget: float, w: ArrayLike) -> Floats:
    """The same haircut theta D / U for every winner, at most all of it."""
    return capped(budget, w, np.ones(len(np.atleast_1d(np.asarray(w)))))


def bounds(w: ArrayLike, equity: ArrayLike, least: ArrayLike, most: float = 1.0) -> Floats:
    """beta_i: the largest haircut that leaves an account of this equity at least `least`."""
    weights, room = np.asarray(w, float), np.asarray(equity, float) - np.asarray(least, float)
    return np.clip(_per_endowment(room, weights), 0.0, most)


def capped(budget: float, w: ArrayLike, beta: ArrayLike) -> Floats:
    """h_i = min(eta, beta_i) with the one eta that meets the budget, or all bounds if they do not reach."""
    weights, cap = np.asarray(w, float), np.asarray(beta, float)
    return _per_endowment(filled(budget, weights, weights * cap), weights)


def risk_aware(
    budget: float, w: ArrayLike, beta: ArrayLike, leverage: ArrayLike, power: float = 1.0
) -> Floats:
    """h_i = min(beta_i, tau x leverage_i^power)."""
    weights, cap = np.asarray(w, float), np.asarray(beta, float)
    pull = weights * np.asarray(leverage, float) ** power
    shares = filled(budget, np.where(pull > 0, pull, 0.0), np.where(pull > 0, weights * cap, 0.0))
    return _per_endowment(shares, weights)


def markout(
    side: int, quantity: float, price: float, mark: float, later: float
) -> tuple[float, float, float]:
    """(immediate, opportunity, total) of a trade: against the mark when it was done, of the mark's move since, both.

    Args: side: +1 bought, -1 sold.
    """
    immediate, opportunity = side * quantity * (mark - price), side * quantity * (later - mark)
    return immediate, opportunity, immediate + opportunity


def volume_weighted_price(levels: Sequence[tuple[float, float]], quantity: float) -> tuple[float, float]:
    """(mean price, notional) of taking `quantity` from (price, size) levels, best first; NaN if there is too little."""
    left, notional = quantity, 0.0
    for price, size in levels:
        part = min(left, size)
        notional += part * price
        left -= part
    return (notional / quantity, notional) if left <= 1e-12 * quantity else (float("nan"), notional)


@dataclass(frozen=True)
class Ledger:
    """One venue's auto-deleveraging twice: contracts and dollars, before and after the fact.

    Attributes:
        contracts: coins closed (and asked for: requests end closed). value: their worth at the marks of that moment.
        deficit: what the failed accounts lacked at mark when ADL began, below zero if they had something left: what was
            needed before. needed: sum of |mark - price| x coins over the fills: what was needed after the fact.
        haircut: what the deleveraged lost against the marks of the moment, summed over those who lost.
        uncovered: the part of the deficit that fund and venue paid.
    """

    contracts: float
    value: float
    deficit: float
    needed: float
    haircut: float
    uncovered: float


def ledger(events: Mapping[str, Any], kinds: Sequence[str]) -> Ledger:
    """The ledger of a run's table of events (columns as in `abm.columns`), or of a part of it, such as one venue's.

    A fill's `amount` is what the winners lost against the mark. What a failed account lacked when ADL began is what
    winners paid for it and what it still lacked afterwards, its event of a deficit under the same parent.

    Args: kinds: the names that the column `kind` is coded by.
    """
    kind = np.asarray(events["kind"])
    fills = kind == kinds.index("adl")
    owed = kind == kinds.index("deficit")
    column = {
        name: np.asarray(events[name]) for name in ("row", "parent", "quantity", "mark", "amount", "value")
    }
    amount, quantity = column["amount"][fills], column["quantity"][fills]
    closed = set(zip(column["row"][fills].tolist(), column["parent"][fills].tolist(), strict=True))
    left = [
        value
        for row, parent, value in zip(
            *(column[n][owed].tolist() for n in ("row", "parent", "value")), strict=True
        )
        if (row, parent) in closed
    ]
    return Ledger(
        contracts=float(quantity.sum()),
        value=float((quantity * column["mark"][fills]).sum()),
        deficit=float(amount.sum() + sum(left)),
        needed=float(np.abs(amount).sum()),
        haircut=float(np.maximum(amount, 0.0).sum()),
        uncovered=float(sum(left)),
    )


def haircut_later(events: Mapping[str, Any], kinds: Sequence[str], later: Mapping[int, float]) -> float:
    """Production haircut on the price path as it was: sum over owners of (equity if not deleveraged - equity)+ at
    the marks `later`, by book."""
    kind = np.asarray(events["kind"])
    fills = np.flatnonzero(kind == kinds.index("adl"))
    lost: dict[int, float] = {}
    for i in fills.tolist():
        owner, book = int(events["other_owner"][i]), int(events["book"][i])
        # the failed side's sign: a winner opposite a long is short and would have gained by a fall
        gain = (
            float(events["side"][i])
            * float(events["quantity"][i])
            * (float(events["price"][i]) - later[book])
        )
        lost[owner] = lost.get(owner, 0.0) + gain
    return sum(max(0.0, gain) for gain in lost.values())
