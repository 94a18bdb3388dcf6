"""One owner in a run: accounts at the kept times, positions, trades, events, and why it was liquidated."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from experiments import fate
from experiments.run import Run, RunError

Part = tuple[str, list[str], list[list[str]]]  # title, heads, lines


def story(run: Run, owner: str, latest: int = 20) -> list[Part]:
    """The tables of one owner: accounts and positions at every kept time, trades, the `latest` events, and its fate.

    Raises RunError, with what is near, where no such owner is in the run.
    """
    labels = sorted(run.labels(), key=_when)
    if not labels:
        raise RunError(f"{run.folder}: keeps no accounts; record.accounts_at says when to keep them")
    number, name = _find(run, labels, owner)
    parts = []
    for label in labels:
        parts += _at(run, label, number, name)
    traded = fate.trades(run, number)
    if traded:
        heads = ["book", "sent for", "fills", "bought, USD", "sold, USD", "first", "last"]
        parts.append(("trades, by why the taker's order was sent", heads, traded))
    parts.append(_events(run, number, latest))
    first = run.accounts(labels[0])
    names = dict(zip(first["owner"].tolist(), first["owner_name"].tolist(), strict=True))
    parts.append((f"what became of {name}", [], [[line] for line in fate.told(run, number, names)]))
    return parts


def _when(label: str) -> float:
    fixed = {"start": -np.inf, "end": np.inf}
    return float(fixed[label]) if label in fixed else float(label)


def _moment(run: Run, label: str) -> str:
    """A kept time as the clock shows it; the first and the last by name, too."""
    ends = {"start": 0.0, "end": float(run.time[-1])}
    clock = fate.when(run, ends[label] if label in ends else float(label))
    return f"the {label}, {clock}" if label in ends else clock


def _find(run: Run, labels: list[str], owner: str) -> tuple[int, str]:
    """Number and name of the owner in the first label that has it."""
    near: list[str] = []
    for label in labels:
        accounts = run.accounts(label)
        names = accounts["owner_name"].astype(str)
        hit = np.flatnonzero(names == owner)
        if not len(hit) and owner.isdigit():
            hit = np.flatnonzero(accounts["owner"] == int(owner))
        if len(hit):
            return int(accounts["owner"][hit[0]]), str(names[hit[0]])
        near = near or difflib.get_close_matches(owner, names[:20_000].tolist(), n=3, cutoff=0.5)
    hint = f"; near: {', '.join(near)}" if near else ""
    raise RunError(f"{run.folder}: no owner {owner!r}{hint}")


def _at(run: Run, label: str, number: int, name: str) -> list[Part]:
    accounts = run.accounts(label)
    mine = np.flatnonzero(accounts["owner"] == number)
    heads = ["row", "venue", "margin", "balance", "equity", "maintenance", "notional", "leverage"]
    lines = [
        [
            str(accounts["row"][at]),
            str(accounts["venue"][at]),
            "isolated" if accounts["isolated"][at] else "cross",
            *(_number(accounts[column][at]) for column in heads[3:]),
        ]
        for at in mine
    ]
    who = f"{name} (owner {number}, {accounts['participant'][mine[0]]})" if len(mine) else f"{name}: none"
    parts: list[Part] = [(f"accounts at {_moment(run, label)}: {who}", heads, lines)]
    positions = run.positions(label)
    held = np.flatnonzero(np.isin(positions["row"], accounts["row"][mine]))
    heads = ["row", "book", "quantity", "entry_price", "mark", "notional", "liquidation_price"]
    lines = [
        [
            str(positions["row"][at]),
            str(positions["book"][at]),
            *(_number(positions[column][at]) for column in heads[2:]),
        ]
        for at in held
    ]
    if lines:
        parts.append((f"positions at {_moment(run, label)}", heads, lines))
    return parts


def _events(run: Run, number: int, latest: int) -> Part:
    events = run.events()
    touched = np.flatnonzero((events["owner"] == number) | (events["other_owner"] == number))
    heads = ["id", "time", "kind", "venue", "book", "side", "quantity", "price", "value", "amount", "cause"]
    shown = touched[max(len(touched) - latest, 0) :]
    lines = [[_cell(run, head, events[head][at]) for head in heads] for at in shown]
    what = f"events: {len(touched)}" + (f", the latest {len(shown)}" if len(shown) < len(touched) else "")
    return what, heads, lines


def _cell(run: Run, head: str, value: Any) -> str:
    match head:
        case "time":
            return fate.when(run, value)
        case "side":
            return {1: "long", -1: "short"}.get(int(value), "-")
        case "quantity" | "price" | "value" | "amount":
            return _number(value)
    return str(value)


def _number(value: Any) -> str:
    """A number for reading: thousands apart, six digits, - where there is none."""
    number = float(value)
    if not np.isfinite(number):
        return "-"
    if number != 0 and abs(number) < 1:
        return f"{number:.4g}"
    return f"{number:,.2f}"
