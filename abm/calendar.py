"""What is due when: news on its way to people, funding hours.

Time is an integer of milliseconds since the run's UTC start. The step that ends at `now_ms` covers the
interval (now_ms - step_ms, now_ms]: nothing comes early, nothing comes twice, and a resumed run needs no
pointer of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from abm import random
from abm.parameters import Frozen, parameter

NEVER_MS = (1 << 62) - 1

_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(start: datetime, time: datetime) -> int:
    """Whole milliseconds from the run's start to `time` (both with a time zone), rounded down."""
    return (time - start) // _MILLISECOND


class NewsDelay(Frozen):
    """How long news takes to reach people: a share hears fast, the rest by one broad law (two lognormals).

    No record says when each owner learned what; the ranges are those from which reduced models of a cascade
    were drawn. One broad law for the slow part is preferred to a narrow second wave, which would be close to
    a scripted second shock.
    """

    fast_share: float = parameter(
        0.5, "Share of owners that hear by the fast law", unit="share of owners",
        source="assumption: middle of the range 0.35-0.85 tried with a reduced model", ge=0, le=1,
    )  # fmt: skip
    fast_median: float = parameter(
        150.0, "Median delay of the fast", unit="seconds",
        source="assumption: range 90-240 tried with a reduced model", ge=0, le=86400,
    )  # fmt: skip
    fast_spread: float = parameter(
        0.6, "Standard deviation of the log delay of the fast", unit="log seconds",
        source="assumption: range 0.4-0.8 tried with a reduced model", ge=0, le=3,
    )  # fmt: skip
    slow_median: float = parameter(
        900.0, "Median delay of the rest", unit="seconds",
        source="assumption: one broad law of 15 minutes kept the fall's shape in a reduced model",
        ge=0, le=86400,
    )  # fmt: skip
    slow_spread: float = parameter(
        1.0, "Standard deviation of the log delay of the rest", unit="log seconds",
        source="assumption: one broad reaction law", ge=0, le=3,
    )  # fmt: skip


def learning_delays(
    delay: NewsDelay, keys: NDArray[np.int64], seed: int, news: int = 0, stream: str = "news"
) -> NDArray[np.int64]:
    """Delay in ms after which each owner learns piece of news number `news`.

    Args:
        delay: the law.
        keys: int64[n], the owners' own identities; an owner's delay depends on nobody else's presence.
        seed: the run's seed.
        news: number of the piece of news; a second one finds other people fast.
        stream: name of the draws, so that two populations with the same keys hear independently.
    """
    fast = random.uniform(random.stream_of(seed, stream, "fast"), keys, news) < delay.fast_share
    normal = random.normal(random.stream_of(seed, stream, "delay"), keys, news)
    median = np.where(fast, delay.fast_median, delay.slow_median)
    spread = np.where(fast, delay.fast_spread, delay.slow_spread)
    result: NDArray[np.int64] = np.ceil(median * 1000.0 * np.exp(spread * normal)).astype(np.int64)
    return result


class Deliveries:
    """Items that reach their receivers at known times; looking up a step costs what arrives in it.

    Args:
        times_ms: int64[n], when each item arrives. `NEVER_MS` = not at all.
    """

    def __init__(self, times_ms: NDArray[np.int64]) -> None:
        self.order: NDArray[np.int64] = np.argsort(times_ms, kind="stable").astype(np.int64)
        self.times_ms: NDArray[np.int64] = np.asarray(times_ms, np.int64)[self.order]
        self._asked, self._there, self._next = (
            NEVER_MS,
            0,
            NEVER_MS,
        )  # up to when it was asked, what had arrived, what comes

    def due(self, now_ms: int, step_ms: int) -> NDArray[np.int64]:
        """Indices of the items that arrive in the step ending at `now_ms`: by time, then by index."""
        first = self._there if self._asked == now_ms - step_ms else self.arrived(now_ms - step_ms)
        if self._asked == now_ms - step_ms and now_ms < self._next:
            self._asked = now_ms
            return self.order[:0]
        last = self.arrived(now_ms)
        self._asked, self._there = now_ms, last
        self._next = int(self.times_ms[last]) if last < len(self.order) else NEVER_MS
        return self.order[first:last]

    def arrived(self, now_ms: int) -> int:
        """How many items have arrived by `now_ms`."""
        return int(self.times_ms.searchsorted(now_ms, "right"))
