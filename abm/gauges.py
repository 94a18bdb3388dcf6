"""What a run keeps of the stations of a network: a line whenever one has changed, so the cost follows what happens.

A station's line holds its queue now and its counts so far; between two lines it stood still. How long transfers waited
in a queue is counted in classes by the kernel (`stations.wait_class`), a quarter of a doubling wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from abm.jit import inlined, kernel
from abm.network import Network
from abm.requests import REASONS
from abm.stations import ALLOWANCE, CREDIT, EDGE, RESOURCE, WAITS, WALLET

Values = NDArray[Any]

_WATCHED = 9  # numbers of a station: a line is written when any of them has changed
LINE = np.dtype(
    [("queue", "i4"), ("in_transit", "f8"), ("open", "?"), ("moved", "f8")]
)  # of an edge and step
STATION = np.dtype(
    [
        ("time", "i8"), ("resource", "i4"), ("queue", "i8"), ("queue_value", "f8"), ("busy", "i8"), ("serving", "?"),
        ("level", "f8"), ("joined", "i8"), ("served", "i8"), ("waited", "f8"), ("busy_time", "f8"),
    ]
)  # fmt: skip
REFUSAL = np.dtype(
    [("time", "i8"), ("source", "i4"), ("target", "i4"), ("sent", "i4"), ("reason", "i4"), ("value", "f8")]
)


@inlined
def _take(last, k, i, value):  # type: ignore[no-untyped-def]
    """Whether a number is another one than it was; it is remembered."""
    now = 1.0 * value
    other = now != last[k, i]
    last[k, i] = now
    return other


_NOTE: Any = types.int64(from_dtype(RESOURCE)[::1], types.float64[:, ::1], types.boolean, types.int64[::1])


@kernel(_NOTE)
def _note(named, last, every, changed):  # type: ignore[no-untyped-def]
    """Take over what is watched of stations; `changed`: out, where it is new, or `every` one. Returns how many."""
    n = 0
    for i in range(len(named)):
        x, new = named[i], every
        new |= _take(last, 0, i, x["joined"]) | _take(last, 1, i, x["served"]) | _take(last, 2, i, x["busy"])
        new |= _take(last, 3, i, x["waiting"]) | _take(last, 4, i, x["hot"]) | _take(last, 5, i, x["room"])
        new |= _take(last, 6, i, x["open"]) | _take(last, 7, i, x["failed"]) | _take(last, 8, i, x["admits"])
        if new:
            changed[n] = i
            n += 1
    return n


_EDGES: Any = types.void(
    from_dtype(EDGE)[::1], types.Array(types.float64, 1, "C", readonly=True), from_dtype(LINE)[::1]
)


@kernel(_EDGES)
def _edges(edges, scale, out):  # type: ignore[no-untyped-def]
    """Queue, amount under way, state and flow of every edge."""
    for i in range(len(edges)):
        x, line = edges[i], out[i]
        units = scale[x["asset"]]
        line["queue"], line["open"] = x["waiting"], x["open"]
        line["in_transit"], line["moved"] = x["in_transit"] / units, x["moved"] / units


def edges_of(network: Network, scale: NDArray[np.float64]) -> NDArray[Any]:
    """What the record keeps of a network's edges at the end of a step; scale: units in one, by asset."""
    out = np.zeros(len(network.edges), LINE)
    if len(out):
        _edges(network.edges, scale, out)
    return out


class Gauges:
    """Reads the named resources of a network at the end of every recorded step.

    Args:
        network: whose stations are read.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._last: NDArray[Any] | None = None
        self._lines: list[NDArray[Any]] = []
        self._refused: list[NDArray[Any]] = []
        self._began = np.zeros(0, np.int64)  # waits counted before anything was recorded

    def refusals(self, now_ms: int) -> None:
        """Take over the requests that were refused in the step that has just ended."""
        refused = self._network.refusals
        if refused:
            lines = np.zeros(len(refused), REFUSAL)
            lines["time"] = now_ms
            for k, column in enumerate(("source", "target", "sent", "reason")):
                lines[column] = [one[k] for one in refused]
            lines["value"] = [one.amount * self._network.worth[one.asset] for one in refused]
            self._refused.append(lines)

    def read(self, now_ms: int) -> None:
        """Note every station that has changed since it was last read; all of them the first time."""
        network = self._network
        named = network.resources[len(network.edges) :]
        if len(named) == 0:
            return
        first_time = self._last is None
        if self._last is None:
            self._began = network.tables["waits"].copy()
            self._last = np.zeros((_WATCHED, len(named)))
        changed = np.empty(len(named), np.int64)
        changed = changed[: _note(named, self._last, first_time, changed)]
        if len(changed):
            self._lines.append(_lines(named, changed, now_ms))

    def tables(self) -> dict[str, dict[str, Values]]:
        """The record: tables `stations`, `waits` and `refusals` by name, columns as in `columns`; empty = nothing."""
        found: dict[str, dict[str, Values]] = {"stations": {}, "waits": {}, "refusals": {}}
        if self._lines:
            lines = np.concatenate(self._lines)
            found["stations"] = {name: lines[name] for name in STATION.names or ()}
            found["stations"]["time"] = lines["time"] / 1000.0
            edges = len(self._network.edges)
            counts = (self._network.tables["waits"] - self._began).reshape(-1, WAITS)[edges:]
            resource, which = np.nonzero(counts)
            if len(resource):
                found["waits"] = {
                    "resource": resource.astype(np.int32),
                    "below": upper_bounds()[which],
                    "count": counts[resource, which],
                }
        if self._refused:
            lines = np.concatenate(self._refused)
            found["refusals"] = {name: lines[name] for name in REFUSAL.names or ()}
            found["refusals"]["time"] = lines["time"] / 1000.0
        return found

    def vocabularies(self) -> dict[str, list[str]]:
        """The names by which the columns of `tables` are coded."""
        network = self._network
        return {
            "resource": list(network.resource_names),
            "source": list(network.node_names),
            "target": list(network.node_names),
            "sent": list(network.asset_names),
            "reason": list(REASONS),
        }

    def snapshot(self) -> dict[str, Any]:
        """What has been read so far."""
        saved: dict[str, Any] = {}
        if self._lines and self._last is not None:
            saved["stations"] = np.concatenate(self._lines)
            saved["last"], saved["began"] = self._last.copy(), self._began.copy()
        if self._refused:
            saved["refused"] = np.concatenate(self._refused)
        return saved

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        self._lines = [saved["stations"]] if "stations" in saved else []
        self._last = np.array(saved["last"]) if "last" in saved else None
        self._began = np.array(saved.get("began", np.zeros(0, np.int64)))
        self._refused = [saved["refused"]] if "refused" in saved else []


def upper_bounds() -> NDArray[np.float64]:
    """float64[WAITS], seconds below which the waits of a class are."""
    bounds: NDArray[np.float64] = 2.0 ** (np.arange(WAITS) / 4.0)
    return bounds


def _lines(named: NDArray[Any], changed: NDArray[np.int64], now_ms: int) -> NDArray[Any]:
    x = named[changed]
    lines = np.zeros(len(x), STATION)
    lines["time"], lines["resource"] = now_ms, changed
    lines["queue"], lines["queue_value"] = x["waiting"], x["waiting_value"]
    lines["busy"], lines["joined"], lines["served"] = x["busy"], x["joined"], x["served"]
    lines["serving"] = x["open"] & ~x["failed"] & (x["admits"] | x["works_off"])
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = (
            x["hot"] / x["target"],
            x["room"] / x["cap"],
            1.0 - x["room"] / x["cap"],
        )  # of a line what is left
        lines["level"] = np.select(
            [x["kind"] == kind for kind in (WALLET, ALLOWANCE, CREDIT)], levels, np.nan
        )
    lines["waited"] = x["waited"] / 1000.0
    lines["busy_time"] = (x["busy_area"] + x["busy"] * np.maximum(now_ms - x["noted_ms"], 0.0)) / 1000.0
    return lines
