"""What opens, shuts, widens or slows edges and resources while a network runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.rails import Change, Rails


def set_resources(
    rails: Rails,
    numbers: list[int],
    time_ms: int,
    open: bool | None,
    duration: float | None,
    load: float | None,
    limit: float | None,
) -> None:
    """Change resources by number from a moment on; what is None stays. For units see `Network.set_resource`."""
    chosen = np.array(numbers, np.int64)
    rails.work(time_ms, -math.inf, -1 - chosen)  # what is due is done under the old numbers
    wanted = {
        "open": open,
        "fixed": None if duration is None else 1000.0 * duration,
        "load": load,
        "cap": limit,
    }
    for field, value in wanted.items():
        if value is not None:
            rails.resources[field][chosen] = value
    rails.work(time_ms, -math.inf, -1 - chosen)
    rails.publish(time_ms)


def set_edges(
    rails: Rails,
    numbers: NDArray[np.int64],
    time_ms: int,
    open: bool | None,
    capacity: float | None,
    latency: float | None,
) -> None:
    """Change edges by number from a moment on; what is None, or so already, stays. For units see `Network.set`."""
    for number in numbers.tolist():
        edge = rails.edges[number]
        scale = float(rails.scale[edge["asset"]])
        wanted: tuple[tuple[Any, float | None, float], ...] = (
            ("on", open, 1.0),
            ("capacity", capacity, scale),
            ("latency", latency, 1.0),
        )
        fresh = [(what, value, unit) for what, value, unit in wanted if value is not None]
        fresh = [(what, value, unit) for what, value, unit in fresh if edge[what] != value * unit]
        if edge["last"] - edge["first"] > 1:
            fresh = [change for change in fresh if change[0] == "on"]
        if not fresh:
            continue
        _pause(rails, number, time_ms)
        for what, value, unit in fresh:
            edge[what] = value * unit
            if what != "on":
                rails.routes.note(number, what, value)
                rails.changes.append(Change(time_ms, number, what, float(value)))
        rails.work(time_ms, -math.inf, np.array([-1 - number]))
    rails.publish(time_ms)


def _pause(rails: Rails, number: int, now_ms: float) -> None:
    """Keep what the line has done on the head so far, before the edge changes."""
    edge, line = rails.edges[number], rails.resources[number]
    if line["head"] >= 0 and edge["on"] and 0 < edge["capacity"] < np.inf:
        head = rails.transfers[line["head"]]
        begin = max(float(edge["free_ms"]), float(head["joined_ms"]))
        done = edge["done"] + edge["capacity"] * max(0.0, now_ms - begin) / 1000.0
        edge["done"] = min(done, float(head["amount"]))
    edge["free_ms"] = max(float(edge["free_ms"]), float(now_ms))
