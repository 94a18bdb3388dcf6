"""One measured line of the table, and the clock that measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """What was measured, its value and its floor: `least` is the smallest allowed, `most` the largest."""

    what: str
    value: float | None  # None: could not be measured, `beside` says why
    unit: str = "ratio"
    least: float | None = None
    most: float | None = None
    beside: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.least is None and self.most is None:
            return ""
        low = self.least is None or self.value >= self.least
        return "pass" if low and (self.most is None or self.value <= self.most) else "**MISS**"

    @property
    def floor(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        if self.least is not None:
            return f">= {self.least:,g}"
        return f"<= {self.most:,g}" if self.most is not None else ""

    def row(self) -> str:
        """The line of a Markdown table."""
        value = (
            "-" if self.value is None else f"{self.value:,.4g}" if self.value < 1000 else f"{self.value:,.0f}"
        )
        return f"| {self.what} | {value} | {self.unit} | {self.floor} | {self.verdict} | {self.beside} |"


def interleaved(jobs: Sequence[Callable[[], Any]], repeats: int = 5) -> list[float]:
    """Least seconds of each job, taken in turns in one process, so that a busy machine slows all of them.

    A job returns the seconds that count, or None for its whole wall time (what it sets up then counts too).
    """
    best = [float("inf")] * len(jobs)
    for _ in range(repeats):
        for i, job in enumerate(jobs):
            began = time.perf_counter()
            own = job()
            spent = own if isinstance(own, float) else time.perf_counter() - began
            best[i] = min(best[i], spent)
    return best
