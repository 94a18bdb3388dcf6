"""What stations publish: how long a new transfer is to expect at each, and over an edge of such stations.

A venue shows its queue, a chain its base fee and blocks, a bank its hours. What nobody shows, the true times of
services to come, is not used. Worked out when asked for, once a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.chains import EXPONENTIAL
from abm.stations import ALLOWANCE, CHAIN, CREDIT, DELAY, HOURS, SERVERS, WALLET


class Forecast:
    """Published waits as of a moment.

    Args:
        tables: the network's.
        now_ms: the moment.
        calendars: by resource, (hours, when its gate turns next, ms).
    """

    def __init__(
        self,
        tables: Mapping[str, NDArray[Any]],
        now_ms: int,
        calendars: Mapping[int, tuple[Any, float]],
    ) -> None:
        self._edges, self._resources, self._paths = tables["edges"], tables["resources"], tables["paths"]
        self._now, self._calendars = now_ms, calendars
        self._known: dict[int, float] = {}

    def of(self, number: int) -> float:
        """Seconds of an edge; inf if one of its stations is shut. Before a bank opens it is the time until then."""
        if number not in self._known:
            edge = self._edges[number]
            stations = self._paths[edge["first"] + 1 : edge["last"]].tolist()
            total = 0.0 if edge["on"] else math.inf
            for r in stations:
                wait = self._station(r, int(edge["blocks"]))
                if wait < 0:  # paid out ahead
                    break
                total += wait
            self._known[number] = total
        return self._known[number]

    def _station(self, r: int, blocks: int) -> float:
        x = self._resources[r]
        kind = int(x["kind"])
        if x["failed"] or not x["admits"]:
            return math.inf
        if kind == HOURS and not x["open"]:
            return (self._calendars[r][1] - self._now) / 1000.0
        if not x["open"]:
            return math.inf
        ms = 0.0
        if kind == SERVERS:
            mean = float(x["fixed"])
            ahead = max(0, int(x["waiting"]) + int(x["busy"]) - int(x["servers"]) + 1)
            ms = mean * (1.0 + ahead / int(x["servers"])) + float(x["per_value"] * x["waiting_value"]) / int(
                x["servers"]
            )
        elif kind == DELAY:
            ms = float(x["fixed"])
        elif kind == WALLET:
            dry = x["waiting"] > 0 or x["hot"] <= 0
            ms = self._next(x) if dry else 0.0
        elif kind == CHAIN:
            first = float(x["period"]) if x["law"] == EXPONENTIAL else self._next(x)
            ms = first + float(x["period"]) * (int(x["waiting"]) // int(x["slots"]) + blocks)
        elif kind == ALLOWANCE:
            short = float(x["waiting_value"]) - self._room(x)
            ms = 0.0 if short <= 0 else short / float(x["rate"]) if x["rate"] > 0 else math.inf
        elif kind == CREDIT:
            return -1.0 if x["room"] < x["cap"] else 0.0
        return ms / 1000.0

    def _next(self, x: Any) -> float:
        """Time to the next refill or block, ms."""
        period = float(x["period"])
        return period - float(np.mod(self._now - float(x["clock_ms"]), period))

    def _room(self, x: Any) -> float:
        past = max(0.0, self._now - float(x["room_ms"]))
        return min(float(x["cap"]), float(x["room"]) + float(x["rate"]) * past)
