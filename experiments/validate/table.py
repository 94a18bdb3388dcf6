"""The one table of a validation: rows in the form of a score card's, what passes, what misses, as JSON and Markdown.

A row has id, name, unit, value (median over seeds or the one estimate), p05, p95, low, central, high, role, pass, why.
Roles: `fact` (a stylized fact of the calm market), `benchmark` (a published result, from the same engine). What was not
or cannot be measured has value null, pass false, and `why` says so. A fact or benchmark passes when all of its rows do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments import scorecard

Row = dict[str, Any]


def number(value: float | None) -> str:
    """As in a score card, but what is nearly nothing keeps its size: an error of 3e-13 is not 0."""
    if value is not None and 0 < abs(value) < 1e-3:
        return f"{value:.0e}".replace("e-0", "e-")
    return scorecard.number(value)


def row(
    id: str,
    name: str,
    values: Sequence[float],
    low: float,
    high: float,
    *,
    unit: str = "1",
    central: float | None = None,
    role: str = "fact",
    why: str = "",
    holds: bool = True,
) -> Row:
    """One row of the table.

    Args:
        values: one a seed or replication; those that are not finite were not measured, and one such is enough to miss.
        low, high: what is accepted. central: what is published, if it is a number.
        why: what else is to be said. holds: False = a condition beside the range is not met.
    """
    finite = [float(value) for value in values if math.isfinite(value)]
    value = float(np.median(finite)) if finite else None
    inside = value is not None and low <= value <= high
    notes = []
    if value is not None and not inside:
        notes.append("below the range" if value < low else "above the range")
    if finite and len(finite) < len(values):
        notes.append(f"not measured in {len(values) - len(finite)} of {len(values)}")
    if value is None and not why:
        why = "not measured: the market does not show it at all"
    return {
        "id": id,
        "name": name,
        "unit": unit,
        "value": value,
        "p05": float(np.quantile(finite, 0.05)) if finite else None,
        "p95": float(np.quantile(finite, 0.95)) if finite else None,
        "low": low,
        "central": central,
        "high": high,
        "role": role,
        "pass": bool(inside and holds and len(finite) == len(values)),
        "why": "; ".join([*notes, *([why] if why else [])]),
    }


def unmeasured(id: str, name: str, low: float, high: float, why: str, **more: Any) -> Row:
    """A row without a value, and the reason."""
    return row(id, name, [], low, high, why=why, **more)


def group(id: str) -> str:
    """The fact or benchmark that a row belongs to: F4a -> F4, B1.3 -> B1."""
    found = re.match(r"[A-Z]\d+", id)
    return found.group() if found else id


def tally(rows: Sequence[Row], role: str) -> tuple[list[str], list[str]]:
    """(passed, missed) facts or benchmarks, each once."""
    names = list(dict.fromkeys(group(row["id"]) for row in rows if row["role"] == role))
    good = {name: all(row["pass"] for row in rows if group(row["id"]) == name) for name in names}
    return [name for name in names if good[name]], [name for name in names if not good[name]]


def markdown(card: dict[str, Any]) -> str:
    """The table as Markdown: counts, facts, benchmarks, and every miss with its reason."""
    rows, lines = card["rows"], [f"# Validation: {card['scenario']}", "", card["about"], ""]
    for role, title in (("fact", "Stylized facts"), ("benchmark", "Published benchmarks")):
        mine = [row for row in rows if row["role"] == role or (role == "benchmark" and row["role"] == "cell")]
        if not mine:
            continue
        passed, missed = tally(rows, role)
        lines += [f"## {title}: {len(passed)} of {len(passed) + len(missed)}", ""]
        lines += [
            "| | row | what | value | range | published | unit | |",
            "|---|---|---|---:|---:|---:|---|---|",
        ]
        lines += [_line(row) for row in mine]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    mark = "**MISS**" if _mark(row) == "MISS" else _mark(row)
    value = "-" if row["value"] is None else f"**{number(row['value'])}**"
    cells = [
        mark,
        row["id"],
        row["name"],
        value + _spread(row),
        _range(row),
        number(row["central"]),
        row["unit"],
        row["why"],
    ]
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def lines(rows: Sequence[Row]) -> list[list[str]]:
    """The table's cells for a terminal."""
    return [
        [_mark(row), row["id"], row["name"], number(row["value"]) + _spread(row), f"{_range(row)} {row['unit']}",
         number(row["central"]), row["why"]]
        for row in rows
    ]  # fmt: skip


def _mark(row: Row) -> str:
    if row["role"] == "cell":
        return "" if row["value"] is not None else "not measured"
    return "pass" if row["pass"] else "not measured" if row["value"] is None else "MISS"


def _spread(row: Row) -> str:
    if row["value"] is None or row["p05"] == row["p95"]:
        return ""
    return f" ({number(row['p05'])} to {number(row['p95'])})"


def _range(row: Row) -> str:
    low, high = row["low"], row["high"]
    if low <= -1e9 and high >= 1e9:
        return "-"
    return (
        f"above {number(low)}"
        if high >= 1e9
        else f"below {number(high)}"
        if low <= -1e9
        else f"{number(low)} to {number(high)}"
    )
