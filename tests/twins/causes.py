"""The rule of `experiments.causes` word for word, one failure and one fill after the other."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from abm.causes import CAUSES
from experiments.causes import BEGINS, FORCED


def attribute(run: Any) -> tuple[list[dict[Any, float]], list[dict[str, float]], list[float]]:
    """By failure: direct shares by kind or number of an earlier failure; shares of first causes; USD caused in all."""
    fills, events = run.fills(), run.events()
    lines = {name: list(zip(*(table[c].tolist() for c in columns), strict=True)) for name, table, columns in (
        ("fills", fills, ("time", "book", "side", "value", "quantity", "cause", "event")),
        ("events", events, ("id", "time", "kind", "row", "book", "side", "value", "quantity")),
    )}  # fmt: skip
    failures: dict[tuple[float, int], list[Any]] = defaultdict(list)
    for event in lines["events"]:
        if event[2] in BEGINS and event[3] >= 0:
            failures[event[1], event[3]].append(event)
    order = sorted(failures.values(), key=lambda some: (some[0][1], lines["events"].index(some[0])))
    failure_of = {event[0]: k for k, some in enumerate(order) for event in some}
    source = [failure_of.get(fill[6]) for fill in lines["fills"]]
    _first_in_first_out(lines, failure_of, source)
    direct: list[dict[Any, float]] = []
    root: list[dict[str, float]] = []
    for k, some in enumerate(order):
        main = max(some, key=lambda event: (bool(event[4]), event[6]))
        venue, coin = main[4].split(":")[0], main[4].split(":")[-1].rpartition("-")[0]
        window = run.config["venues"][venue]["mark"]["window"] if venue else 0.0
        pushes: dict[Any, float] = defaultdict(float)
        for fill, of in zip(lines["fills"], source, strict=True):
            time, book, side, value, _, cause, _ = fill
            before = main[1] - window < time and (time <= main[1] if of is None else time < main[1])
            if before and book.split(":")[-1].rpartition("-")[0] == coin and side == -main[5] and of != k:
                pushes[CAUSES.index(cause) if of is None else ("failure", of)] += value
        total = sum(pushes.values())
        shares = {what: value / total for what, value in pushes.items()} or {"unknown": 1.0}
        direct.append(shares)
        first: dict[str, float] = defaultdict(float)
        for what, share in shares.items():
            if isinstance(what, tuple):
                for cause, part in root[what[1]].items():
                    first[cause] += share * part
            else:
                first[what if isinstance(what, str) else CAUSES[what]] += share
        root.append(first)
    caused = [float(sum(event[6] for event in some if event[2] in FORCED)) for some in order]
    for k in reversed(range(len(order))):
        for what, share in direct[k].items():
            if isinstance(what, tuple):
                caused[what[1]] += share * caused[k]
    return direct, root, caused


def _first_in_first_out(
    lines: dict[str, list[Any]], failure_of: dict[int, int], source: list[int | None]
) -> None:
    taken = [event for event in lines["events"] if event[2] == "takeover"]
    for book, way in {(event[4], event[5]) for event in taken}:
        came = [event for event in taken if (event[4], event[5]) == (book, way)]
        until = np.cumsum([event[7] for event in came])
        sold = 0.0
        for k, fill in enumerate(lines["fills"]):
            if fill[1] == book and fill[2] == -way and fill[5] == "disposal":
                place = int((until < sold + fill[4] / 2).sum())
                sold += fill[4]
                if place < len(came):
                    source[k] = failure_of[came[place][0]]
