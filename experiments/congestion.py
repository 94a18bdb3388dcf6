"""What a run tells of its network: how busy each resource and edge was, how long transfers waited, what stood still.

Resources are told by their own lines (`Run.stations`), a line whenever one changed; edges by the step table. What was
refused never entered the network and is told by the two places and the reason.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.run import Run

Floats = NDArray[np.float64]


class Station(NamedTuple):
    """A resource over a window."""

    resource: str
    kind: str
    served: int  # transfers that left its queue
    utilisation: float  # servers: share of their time in service; others: share of the time with a queue
    queue: float  # mean, transfers
    longest: int  # queue
    mean: float  # wait in its queue, s; NaN = nobody was served
    p95: float  # the same, of the whole run, to a tenth
    shut: float  # share of the time in which it did not work
    blocked: float  # dollars x minutes that waited while it did not work
    lowest: float  # hot wallet over its target, room of an allowance or line over its most; NaN = has none


def stations(run: Run, window: tuple[float, float] | None = None) -> list[Station]:
    """The resources at which transfers queued or that did not work, most waiting first.

    Args:
        window: between two times in seconds; the whole run if not given.
    """
    lines = run.stations()
    if not lines:
        return []
    a, b = window if window is not None else (0.0, float(run.time[-1]))
    resources: dict[str, Any] = run.config["network"]["resources"]
    late = _quantiles(run, 0.95)
    found = []
    for name in np.unique(lines["resource"]).tolist():
        mine = {column: values[lines["resource"] == name] for column, values in lines.items()}
        one = _station(mine, str(name), resources[name], late.get(name, np.nan), a, b)
        if one.served or one.longest or one.shut or one.lowest < 1.0:  # nobody queues for a lender's line
            found.append(one)
    return sorted(found, key=lambda one: (-one.blocked, -one.queue, -one.served, one.resource))


def _station(
    lines: dict[str, NDArray[Any]], name: str, resource: dict[str, Any], late: float, a: float, b: float
) -> Station:
    time = lines["time"]
    here = np.diff(np.clip(np.append(time, b), a, b))  # seconds of the window in which a line held
    total = max(float(here.sum()), 1e-9)
    first, last = (max(int(np.searchsorted(time, t + 1e-9, side="right")) - 1, 0) for t in (a, b))
    served, waited = (float(lines[column][last] - lines[column][first]) for column in ("served", "waited"))
    queue, shut = lines["queue"], ~lines["serving"].astype(bool)
    held = here > 0
    if resource["kind"] == "servers":
        busy = _busy(lines, b) - _busy(lines, a)
        use = busy / total / int(resource["servers"])
    else:
        use = float(here[queue > 0].sum()) / total
    level = lines["level"][held]
    return Station(
        name,
        str(resource["kind"]),
        int(served),
        use,
        float((queue * here).sum()) / total,
        int(queue[held].max(initial=0)),
        waited / served if served else np.nan,
        late,
        float(here[shut].sum()) / total,
        float((lines["queue_value"] * here)[shut].sum()) / 60.0,
        float(np.nanmin(level)) if np.isfinite(level).any() else np.nan,
    )


def _busy(lines: dict[str, NDArray[Any]], t: float) -> float:
    """Seconds in service up to a time: between two lines as many are in service."""
    k = max(int(np.searchsorted(lines["time"], t + 1e-9, side="right")) - 1, 0)
    return float(lines["busy_time"][k] + lines["busy"][k] * max(t - lines["time"][k], 0.0))


def _quantiles(run: Run, q: float) -> dict[str, float]:
    """The quantile of the waits at each resource, s, between the bounds of its class."""
    waits = run.waits()
    found: dict[str, float] = {}
    for name in np.unique(waits["resource"]).tolist() if waits else []:
        mine = waits["resource"] == name
        below, count = waits["below"][mine], waits["count"][mine].astype(float)
        order = np.argsort(below)
        below, sums = below[order], np.cumsum(count[order])
        k = int(np.searchsorted(sums, q * sums[-1]))
        inside = 1.0 - (sums[k] - q * sums[-1]) / count[order][k]
        low = 0.0 if below[k] <= 1.0 else below[k] / 2.0**0.25
        found[name] = float(low + inside * (below[k] - low))
    return found


class Channel(NamedTuple):
    """An edge over a window."""

    edge: str
    moved: float  # M dollars that arrived
    mean: float  # time on the edge, s, by Little's law: what is under way over what arrives
    queue: float  # mean, transfers
    longest: int
    shut: float  # share of the time


def channels(run: Run, window: tuple[float, float] | None = None) -> list[Channel]:
    """The edges that carried or kept something, most dollars first."""
    if not run.edges:
        return []
    a, b = window if window is not None else (-np.inf, np.inf)
    here = (run.time > a + 1e-9) & (run.time <= b + 1e-9)
    every = float(np.median(np.diff(run.time))) if len(run.time) > 1 else 1.0
    values = {name: float(asset["value"]) for name, asset in run.config["assets"].items()}
    worth = [values.get(name.rpartition(":")[2].partition("/")[0], 1.0) for name in run.edges]
    queue, way, moved, is_open = (run.column(name)[here] for name in ("queue", "in_transit", "moved", "open"))
    found = []
    for k, name in enumerate(run.edges):
        came, under = float(moved[:, k].sum()), float(way[:, k].sum()) * every
        if came > 0 or under > 0:
            found.append(
                Channel(
                    name,
                    came * worth[k] / 1e6,
                    under / came if came > 0 else np.nan,
                    float(queue[:, k].mean()),
                    int(queue[:, k].max()),
                    1.0 - float(is_open[:, k].mean()),
                )
            )
    return sorted(found, key=lambda one: (-one.moved, one.edge))


class Refused(NamedTuple):
    """Requests from one place to another that were not taken for one reason."""

    source: str
    target: str
    reason: str
    count: int
    value: float  # dollars, each request as often as it was made


def refused(run: Run) -> list[Refused]:
    """What was asked for and not taken, most money first."""
    lines = run.refusals()
    if not lines:
        return []
    keys = np.array(
        [f"{a}>{b}>{c}" for a, b, c in zip(*(lines[x] for x in ("source", "target", "reason")), strict=True)]
    )
    found = []
    for key in np.unique(keys):
        mine = keys == key
        source, target, reason = str(key).split(">")
        found.append(Refused(source, target, reason, int(mine.sum()), float(lines["value"][mine].sum())))
    return sorted(found, key=lambda one: (-one.value, one.source, one.target, one.reason))


def markdown(run: Run, most: int = 25) -> list[str]:
    """Lines of Markdown: the resources and edges that had most to do, and what was refused."""

    def number(value: float, form: str) -> str:
        return "-" if np.isnan(value) else format(value, form)

    lines = ["## Resources", ""]
    lines += [
        "| resource | kind | served | utilisation | mean queue | longest | mean wait, s | 95 % wait, s | shut |"
        " blocked, M$ x min | lowest level |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in stations(run)[:most]:
        cells = [
            one.resource, one.kind, str(one.served), f"{one.utilisation:.1%}", f"{one.queue:.2f}", str(one.longest),
            number(one.mean, ".0f"), number(one.p95, ".0f"), f"{one.shut:.0%}", f"{one.blocked / 1e6:,.1f}",
            number(one.lowest, ".0%"),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Edges", "", "| edge | M$ | mean time, s | mean queue | longest | shut |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for edge in channels(run)[:most]:
        cells = [
            edge.edge,
            f"{edge.moved:,.1f}",
            number(edge.mean, ".0f"),
            f"{edge.queue:.2f}",
            str(edge.longest),
        ]
        lines.append(f"| {' | '.join(cells)} | {edge.shut:.0%} |")
    lines += [
        "",
        "## Refused requests",
        "",
        "| from | to | reason | requests | M$ |",
        "|---|---|---|---:|---:|",
    ]
    lines += [
        f"| {no.source} | {no.target} | {no.reason} | {no.count} | {no.value / 1e6:,.1f} |"
        for no in refused(run)[:most]
    ] or ["| none | | | 0 | 0 |"]
    return [*lines, ""]
