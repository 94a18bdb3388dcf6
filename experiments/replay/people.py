"""Who is in a replay: every owner, what they opened with, what they were worth, and the queues of winners."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import readings
from experiments.figures.liquidation_map import moments
from experiments.replay.packing import Package, Values, fine, listed, ratio
from experiments.run import Run

QUEUE = 10  # winners shown of a contract and side
Floats = NDArray[np.float64]


def add(run: Run, pack: Package) -> None:
    """Owners, their worth at the kept moments, their positions at the first of them, and the ADL queues."""
    kept = moments(run)
    pack.header["labels"] = [{"label": label, "time": time} for label, time in kept]
    pack.header["participants"], pack.header["queues"] = [], []
    if not kept:
        pack.header["missing"]["accounts"] = "record.accounts_at keeps accounts"
        pack.header["owners"] = []
        return
    if len(kept) < 3:
        pack.header["missing"]["moments"] = "record.accounts_at keeps more moments"
    tables = [run.accounts(label) for label, _ in kept]
    count = 1 + max(int(table["owner"].max(initial=-1)) for table in tables)
    names = np.full(count, "", dtype=object)
    who = np.full(count, -1)
    participants = list(
        dict.fromkeys(name for table in tables for name in dict.fromkeys(table["participant"]))
    )
    code = {name: k for k, name in enumerate(participants)}
    worth = np.zeros((len(kept), count))
    for k, table in enumerate(tables):
        names[table["owner"]] = table["owner_name"]
        who[table["owner"]] = [code[name] for name in table["participant"]]
        mine = np.nan_to_num(table["equity"]) + np.nan_to_num(table.get("coins", np.zeros(len(table["row"]))))
        worth[k] = np.bincount(table["owner"], mine, count)
    pack.header["participants"] = participants
    pack.header["species"] = [
        str(run.config.get("population", {}).get(name, {}).get("species", name)) for name in participants
    ]
    pack.header["owners"] = listed([str(name) for name in names])
    pack.add("o_participant", who, "i2", delta=True)
    steps = fine(worth)
    steps[1:] = steps[1:] - steps[:-1]  # what a day did to them is smaller than what they have
    pack.add("o_worth", steps, "i2")
    _positions(run, pack, kept[0][0], tables[0])
    for (label, time), table in zip(kept, tables, strict=True):
        pack.header["queues"] += _queues(run, label, time, table)


def _positions(run: Run, pack: Package, label: str, accounts: dict[str, Values]) -> None:
    held = run.positions(label)
    book = {name: k for k, name in enumerate(run.books)}
    at = np.array([book.get(name, -1) for name in held["book"]], int)
    mine = at >= 0
    row = _of_row(accounts, held["row"])
    owner = accounts["owner"][row]
    equity = accounts["equity"][row]
    order = np.lexsort((at, owner))
    order = order[mine[order]]
    mark = held["mark"][order]
    pack.add("p_owner", owner[order], "i4", delta=True)
    pack.add("p_book", at[order], "u2")
    pack.add("p_quantity", fine(1e6 * held["quantity"][order]), "i2")
    pack.add("p_entry", ratio(held["entry_price"][order], mark), "i2")
    pack.add("p_liquidation", ratio(held["liquidation_price"][order], mark), "i2")
    with np.errstate(divide="ignore", invalid="ignore"):
        leverage = np.abs(accounts["notional"][row] / equity)[order]
    pack.add("p_leverage", np.minimum(np.nan_to_num(10 * leverage, posinf=65000), 65000), "u2")
    isolated = accounts["isolated"][row] if "isolated" in accounts else np.zeros(len(row))
    pack.add("p_isolated", isolated[order], "u1")


def _of_row(accounts: dict[str, Values], row: Values) -> Values:
    place = np.zeros(int(accounts["row"].max(initial=0)) + 1, int)
    place[accounts["row"]] = np.arange(len(accounts["row"]))
    return place[row]


def _queues(run: Run, label: str, time: float, accounts: dict[str, Values]) -> list[dict[str, Any]]:
    """Of each contract and side the winners who would be closed first, by the venue's own score."""
    held = run.positions(label)
    if not len(held["row"]):
        return []
    row = _of_row(accounts, held["row"])
    profit = np.nan_to_num(held["quantity"] * (held["mark"] - held["entry_price"]))
    scores = np.full(len(row), np.nan)
    venue = np.array([name.partition(":")[0] for name in held["book"]], dtype=object)
    for name, rules in run.config["venues"].items():
        mine = venue == name
        if mine.any():
            rule = rules.get("adl", {})
            scores[mine] = _score(rule, held, accounts, row, profit)[mine]
    people = accounts["participant"][row] != "exchange"
    found = []
    for book in readings.books(run, "PERP"):
        for side in (1, -1):
            here = (held["book"] == book) & (np.sign(held["quantity"]) == side) & (profit > 0) & people
            line = np.flatnonzero(here & np.isfinite(scores) & (scores > 0))
            line = line[np.argsort(-scores[line], kind="stable")][:QUEUE]
            if len(line):
                found.append(
                    {
                        "time": time, "book": run.books.index(book), "side": side,
                        "owner": accounts["owner"][row[line]].tolist(),
                        "score": [float(f"{score:.4g}") for score in scores[line]],
                        "value": [float(f"{abs(value):.4g}") for value in held["notional"][line]],
                        "profit": [float(f"{value:.4g}") for value in profit[line]],
                    }
                )  # fmt: skip
    return found


def _score(
    rule: dict[str, Any], held: dict[str, Values], accounts: dict[str, Values], row: Values, profit: Floats
) -> Floats:
    """Plain formulas of `abm.adl` over the record; NaN where a venue ranks by something else."""
    equity, maintenance = accounts["equity"][row], accounts["maintenance"][row]
    size, entry = np.abs(held["notional"]), np.abs(held["quantity"] * held["entry_price"])
    with np.errstate(divide="ignore", invalid="ignore"):
        gain, margin, leverage = profit / entry, maintenance / equity, accounts["notional"][row] / equity
        match rule.get("score", "binance"):
            case "binance":
                balance = accounts["balance"][row]
                own = np.maximum(0.0, equity - balance) / np.maximum(
                    float(rule.get("least_wallet", 1.0)), balance
                )
                return own * np.where(equity > 0, margin, 0.0)
            case "bitmex":
                return gain * leverage
            case "okx" | "bitget" | "grvt":
                return gain * margin
            case "hyperliquid":
                moved = held["mark"] / held["entry_price"]
                return np.where(held["quantity"] > 0, moved, 1.0 / moved) * size / equity
            case "profit":
                return profit
            case _:
                return np.full(len(row), np.nan)
