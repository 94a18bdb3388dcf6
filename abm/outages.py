"""How a resource fails and reopens: by a hazard that grows with its load, or by its owner's own rule."""

from __future__ import annotations

import numpy as np
from pydantic import model_validator

from abm.jit import inlined
from abm.parameters import Frozen, parameter
from abm.stations import INF, LINE, NONE, WALLET, lognormal, note, own_chance, schedule

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


class StopRule(Frozen):
    """The owner's own decision to stop: above a queue, or below a hot wallet; and to reopen."""

    queue: int | None = parameter(None, "Waiting transfers above which it stops", unit="transfers", ge=0)
    hot: float | None = parameter(None, "Hot wallet below which it stops", unit="asset units", ge=0)
    reopen_queue: int = parameter(0, "It may reopen at this queue or below", unit="transfers", ge=0)
    reopen_hot: float = parameter(
        0.0, "It may reopen at this hot wallet or above", unit="asset units", ge=0, le=1e15
    )
    rest: float = parameter(
        600.0, "How long it stays shut at least, and between two looks", unit="seconds", gt=0, le=30 * 86400
    )
    works_off: bool = parameter(True, "Whether it serves what waits while it takes nothing new")


class Outages(Frozen):
    """What every resource has in common."""

    source: str = parameter("assumption", "Where its numbers come from")
    open: bool = parameter(True, "Whether it works at the start")
    hazard: float = parameter(0.0, "Failures an hour without load", unit="1/hour", ge=0, le=3600)
    hazard_growth: float = parameter(
        0.0, "How much of that is added for each transfer waiting or in service", unit="share", ge=0, le=1e6
    )
    repair: float = parameter(3600.0, "Median time to repair", unit="seconds", ge=0, le=30 * 86400)
    repair_spread: float = parameter(
        0.5, "Standard deviation of the log time to repair", unit="log seconds", ge=0, le=3
    )
    stops: StopRule | None = parameter(None, "The owner's own rule to stop; none = it has none")

    @model_validator(mode="after")
    def _stops_at_something(self) -> Outages:
        if self.stops is not None and self.stops.queue is None and self.stops.hot is None:
            raise ValueError("stops without a level given, queue or hot expected")
        return self


@inlined
def log_turn(n, r, t):
    """Tell outside that a resource has shut or reopened by itself."""
    m = n.meta[0]
    n.log[m.log].time, n.log[m.log].resource = t, r
    m.log += 1


@inlined
def plan(n, r, t):
    """After a change: apply the owner's rule, and set when the resource will next fail, be repaired, be looked at."""
    x = n.resources[r]
    if x.kind == LINE:
        return
    over = x.stop_queue != NONE and x.waiting > x.stop_queue
    under = x.stop_hot != NONE and x.hot < x.stop_hot
    if x.admits and (over or under):
        x.admits = False
        x.look_ms = t + x.rest
        log_turn(n, r, t)
    if x.hazard > 0.0 and not x.failed:
        rate = x.hazard * (1.0 + x.growth * (x.waiting + x.busy))
        x.fail_ms = max(t, t + (x.threshold - x.risk) / rate)
    schedule(n, 2 * r + 1, min(x.fail_ms, x.repair_ms, x.look_ms))


@inlined
def turn(n, r, t):
    """A resource fails, is repaired, or its owner looks whether to reopen it."""
    x = n.resources[r]
    if x.fail_ms <= t:
        note(n, r, t)
        x.failed = True
        x.failures += 1
        x.fail_ms = INF
        x.repair_ms = t + lognormal(x.repair, x.repair_spread, own_chance(n, r, 2 * x.failures - 1))
        log_turn(n, r, t)
    if x.repair_ms <= t:
        note(n, r, t)
        x.failed = False
        x.repair_ms, x.risk = INF, 0.0
        x.threshold = -np.log(own_chance(n, r, 2 * x.failures))
        log_turn(n, r, t)
    if x.look_ms <= t:
        short = x.kind == WALLET and x.stop_hot != NONE and x.hot < x.reopen_hot
        if x.waiting > x.reopen_queue or short:
            x.look_ms = t + x.rest
        else:
            x.admits = True
            x.look_ms = INF
            log_turn(n, r, t)
