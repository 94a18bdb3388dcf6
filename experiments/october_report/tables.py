"""Tables of the page: a head, lines of texts, and what one should know to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.scorecard import number


class Table(NamedTuple):
    """What the page prints as a table; the first `words` columns hold words, the others numbers."""

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""
    words: int = 1


def money(value: float) -> str:
    """Dollars for people: 6.2 B$, 410 M$, 12 k$; "-" for none at all."""
    if not np.isfinite(value) or value == 0:
        return "-"
    for scale, unit in ((1e9, "B$"), (1e6, "M$"), (1e3, "k$")):
        if abs(value) >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{number(value)} $"


def percent(part: float, whole: float) -> str:
    return f"{number(100.0 * part / whole)} %" if whole > 0 and np.isfinite(part) else "-"


def count(value: float) -> str:
    return f"{value:,.0f}" if value else "-"
