"""Requests for ADL that are shared by a rule in numpy, or paid by all holders: everything but the kernel's queue.

A kernel collects those opposite, a pure function of `allocation` says how much of each, a kernel closes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from abm.accounts import ensure_holding, holding, position, touch
from abm.adl import OWN, SHARED, SOCIAL, AdlRule, opposite
from abm.allocation import RULES, Candidates, share
from abm.causes import C_ADL, E_ADL, E_TAKEOVER
from abm.deleveraging import close_against, cost_of, payable_lots, price_of, relieve
from abm.jit import kernel
from abm.liquidation import gross_notional
from abm.margin import equity_and_maintenance, equity_and_maintenance_at
from abm.social_loss import charges
from abm.state import NONE, State, views
from abm.takeover import count_closed, cover_from, hand_over, new_event
from abm.units import at_price, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

Functions = Mapping[str, Callable[..., Any]]
FIELDS = ("size", "most", "profit", "equity", "maintenance", "notional")


@kernel("f8(i8,i8,i8,i8,i8[:,::1],f8[::1])")
def describe(address, n, amount, lots, out, leverage):
    """Of the `n` collected positions: int64[6, n] as in `FIELDS`, and the leverage of their accounts.

    Args: amount: at which `lots` are closed. Returns what a lot costs them against the mark, units.
    """
    s = views(address)
    cost = 0.0
    for i in range(n):
        w = wide(s.ranking[i])
        x = s.positions[w]
        value = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
        equity, maintenance = equity_and_maintenance(s, x.row)
        held = x.qty if x.qty > 0 else -x.qty
        out[0, i] = held
        out[1, i] = min(held, payable_lots(s, w, amount, lots))
        out[2, i] = value - x.entry
        out[3, i], out[4, i] = equity, maintenance
        out[5, i] = value if value > 0 else -value
        leverage[i] = float(gross_notional(s, x.row)) / float(equity) if equity > 0 else np.inf
        cost = float(cost_of(s, w, amount, lots)) / float(lots)
    return cost


@kernel("i8(i8,i8,i8,i8,i8[::1],i8[::1],i8)")
def close_shares(address, k, lots, amount, places, shares, first):
    """Close request `k` of `lots` for `amount` against positions by their shares, from place `first` on. Returns where
    room ran out, their number when done."""
    s = views(address)
    r = s.requests[k]
    done = 0
    for i in range(first):
        done += shares[i]
    paid = mul_div(amount, done, lots)
    for i in range(first, len(places)):
        if shares[i] == 0:
            continue
        if s.meta[0].events + 4 >= len(s.events):
            return i
        done += shares[i]
        part = mul_div(amount, done, lots) - paid
        paid += part
        close_against(address, wide(r.row), wide(r.position), places[i], shares[i], part, r.parent)
    return len(places)


@kernel("i8(i8,i8)")
def give_to_pool(address, k):
    """The pool that insures the contract takes the position of request `k` over at the ADL price; its own inventory it
    keeps. Returns the loss that holders bear, units: of what it took over so much as its equity cannot, of its own
    inventory that of the lots requested."""
    s = views(address)
    r = s.requests[k]
    row, p = wide(r.row), wide(r.position)
    bk = s.books[r.book]
    fund = wide(bk.fund)
    lots = s.positions[p].qty
    if lots == 0:
        return 0
    held = lots if lots > 0 else -lots
    if row == fund:
        asked = min(wide(r.qty), held)
        worth = at_price((asked if lots > 0 else -asked) * bk.unit, bk.mark)
        return max(0, price_of(address, k, asked) - worth)
    value = at_price(lots * bk.unit, bk.mark)
    amount = price_of(address, k, held)
    e = s.events[hand_over(address, row, p, fund, amount, E_TAKEOVER, r.parent)]
    e.cause = C_ADL
    e.amount = value - amount
    count_closed(s, bk.venue, lots > 0, e.value)
    s.venues[bk.venue].takeover += e.value
    touch(s, row)
    equity, _ = equity_and_maintenance(s, fund)
    return max(0, min(amount - value, -equity))


@kernel("i8(i8,i8)")
def holders(address, b):
    """Collect all positions in a contract but the venue's own. Returns how many."""
    s = views(address)
    n = 0
    for p in range(s.meta[0].positions):
        x = s.positions[p]
        if x.book == b and x.qty != 0 and s.rows[x.row].exempt == 0:
            s.ranking[n] = p
            s.sorted[n] = s.rows[x.row].key
            n += 1
    return n


@kernel("void(i8,i8,i8[::1],i8[::1],i8)")
def charge(address, k, places, units, lots):
    """Holders pay the pool that insures the contract of request `k`; one event says how much all of them did.

    Args: lots: of the failed position, or of the pool's inventory that was asked for.
    """
    s = views(address)
    r = s.requests[k]
    bk = s.books[r.book]
    settle = s.venues[bk.venue].settle
    total = 0
    for i in range(len(places)):
        row = wide(s.positions[places[i]].row)
        if units[i] > 0:
            s.holdings[holding(s, row, settle)].amount -= units[i]
            total += units[i]
            touch(s, row)
    s.holdings[ensure_holding(s, bk.fund, settle)].amount += total
    p = position(s, bk.fund, r.book)
    if p != NONE:
        s.positions[p].paid -= total  # the pool has made it in this contract
    if r.row == bk.fund:
        relieve(s, wide(r.book), total)
    e = s.events[new_event(address, E_ADL, r.parent, r.row, r.book)]
    worth = at_price(lots * bk.unit, bk.mark)
    e.cause = C_ADL
    e.other = NONE
    e.side = 0
    e.qty = lots
    e.value = worth
    e.price = bk.mark
    e.amount = total
    s.venues[bk.venue].adl += worth


def share_out(
    state: State, rules: Sequence[AdlRule], functions: Functions, make_room: Callable[[], None]
) -> None:
    """Serve what `deleverage` has left, in the order of the requests, and clear them all.

    Args:
        rules: of the venues. functions: the user's own, by name.
        make_room: grows the tables of events, positions and holdings.
    """
    r = state.requests
    for k in range(state.count("requests")):
        if r["qty"][k] == 0:
            continue
        venue = int(state.books["venue"][r["book"][k]])
        served = int(state.venues["allocate"][venue])
        make_room()
        r = state.requests
        if served == SOCIAL:
            _let_all_pay(state, k)
        elif served == SHARED:
            _close(state, k, rules[venue], functions, make_room)
            r = state.requests
        r["qty"][k] = 0
        row, book = int(r["row"][k]), int(r["book"][k])
        fund, parent = int(state.books["fund"][book]), int(r["parent"][k])
        cover_from(state.address, row, fund, parent)
        cover_from(state.address, fund, fund, parent)  # what it took over may have closed all that it had
    state.meta["requests"] = 0


def candidates(state: State, k: int, lots: int, amount: int, rule: AdlRule, functions: Functions) -> Any:
    """(Candidates opposite request `k`, their positions' places in the table)."""
    r = state.requests
    book, sign = int(r["book"][k]), -1 if state.positions["qty"][r["position"][k]] > 0 else 1
    n = int(opposite(state.address, book, sign, rule.score_code))
    out, leverage = np.empty((len(FIELDS), n), np.int64), np.empty(n)
    cost = describe(state.address, n, amount, lots, out, leverage)
    found = Candidates(
        **dict(zip(FIELDS, out, strict=True)), leverage=leverage, score=np.array(state.scores[:n]),
        key=np.array(state.sorted[:n]), cost=float(cost), power=rule.power,
    )  # fmt: skip
    if OWN in rule.score:
        score = np.asarray(functions[rule.score](found), np.float64)
        if score.shape != (n,) or np.isnan(score).any():
            raise ValueError(f"adl.score {rule.score}: expected {n} numbers, one for each candidate")
        found = Candidates(**{**vars(found), "score": score})
    return found, state.ranking[:n].astype(np.int64)


def _close(state: State, k: int, rule: AdlRule, functions: Functions, make_room: Callable[[], None]) -> None:
    r = state.requests
    held = abs(int(state.positions["qty"][r["position"][k]]))
    lots = min(int(r["qty"][k]), held)
    if lots == 0:
        return
    amount = int(price_of(state.address, k, lots))
    found, places = candidates(state, k, lots, amount, rule, functions)
    own = functions[rule.allocate] if OWN in rule.allocate else RULES[rule.allocate]
    shares = share(lots, found, own, rule.allocate)
    some = np.flatnonzero(shares)
    places, shares = places[some], shares[some]
    at = 0
    while at < len(places):
        at = int(close_shares(state.address, k, lots, amount, places, shares, at))
        make_room()


def _let_all_pay(state: State, k: int) -> None:
    r = state.requests
    lots = min(int(r["qty"][k]), abs(int(state.positions["qty"][r["position"][k]])))
    deficit = int(give_to_pool(state.address, k))
    if deficit <= 0:
        return
    n = int(holders(state.address, int(r["book"][k])))
    places = state.ranking[:n].astype(np.int64)
    keys = np.array(state.sorted[:n])
    rows = state.positions["row"][places]
    equity = np.array([equity_and_maintenance_at(state.address, int(row))[0] for row in rows], np.int64)
    units = charges(deficit, np.abs(state.positions["qty"][places]), equity, keys)
    charge(state.address, k, places, units, lots)
