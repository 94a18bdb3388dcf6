"""Events that happen outside of kernels, noted in the table of events for the record."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.causes import EVENT_KINDS
from abm.loans import Loans
from abm.network import Network
from abm.state import EVENT, State

Ints = NDArray[np.int64]


def note(
    state: State,
    kind: str,
    row: int = -1,
    venue: int = -1,
    book: int = -1,
    asset: int = -1,
    value: int = 0,
    amount: int = 0,
) -> None:
    """Add an event of now: where a row is given its venue counts; `value` and `amount` in units."""
    m = state.meta
    i = int(m["events"][0])
    state.grow("events", i + 2)
    e = state.events[i : i + 1]
    e["id"], e["parent"], e["time"] = m["next_event"][0], -1, m["now"][0]
    e["kind"], e["cause"], e["row"], e["other"] = EVENT_KINDS.index(kind), 0, row, -1
    e["book"], e["asset"], e["side"], e["price"], e["qty"] = book, asset, 0, 0, 0
    e["venue"] = state.rows["venue"][row] if row >= 0 else venue
    e["mark"] = state.books["mark"][book] if book >= 0 else 0
    e["value"], e["amount"], e["stage"] = value, amount, 0
    m["events"] += 1
    m["next_event"] += 1


def note_transfers(state: State, kind: str, rows: Any, assets: Any, values: Any, parents: Any) -> Ints:
    """Add an event for each transfer; returns their ids."""
    m, n = state.meta, len(rows)
    first = state.count("events")
    state.grow("events", first + n + 1)
    e = np.zeros(n, EVENT)
    e["id"] = int(m["next_event"][0]) + np.arange(n)
    e["parent"], e["time"], e["kind"] = parents, m["now"][0], EVENT_KINDS.index(kind)
    e["row"], e["venue"], e["other"], e["book"] = rows, state.rows["venue"][rows], -1, -1
    e["asset"], e["value"] = assets, values
    state.events[first : first + n] = e
    m["events"] += n
    m["next_event"] += n
    ids: Ints = e["id"]
    return ids


def note_loans(state: State, loans: Loans) -> None:
    """Note what has happened to loans, in coins; of a forfeited one what the lender gains or loses by it."""
    for kind, loan, coins, money in loans.changes:
        worth = loans.worth(int(state.rows["venue"][loan.borrower]), loan.asset)
        kept = kind == "loan_forfeited" and worth > 0
        gain = round(money / worth) - coins if kept else 0
        note(state, kind, row=loan.borrower, asset=loan.asset, value=coins, amount=gain)
    loans.changes.clear()


def note_gates(state: State, network: Network) -> None:
    """Note which venues' withdrawals have stopped or opened."""
    for gate in network.gates:
        if gate.node < network.venues:
            note(state, "withdrawals_opened" if gate.open else "withdrawals_stopped", venue=gate.node)
    network.gates.clear()
