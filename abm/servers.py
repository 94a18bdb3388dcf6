"""Desks and delays: c servers with one queue (a review, a bank's clerks), and what merely takes time."""

from __future__ import annotations

from typing import Literal

import numpy as np

from abm.jit import inlined
from abm.outages import Outages
from abm.parameters import parameter
from abm.random import inverse_normal
from abm.stations import NONE, chance, lognormal, serves, take_head, travel, whole_ms

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

LAWS = ("deterministic", "exponential", "lognormal", "inverse_gaussian")
DETERMINISTIC, EXPONENTIAL, LOGNORMAL, INVERSE_GAUSSIAN = range(4)
TIME, SECOND, BOUNCE = 1, 2, 3  # purposes of draws


class ServersParameters(Outages):
    """A desk: `servers` work side by side on one queue, first come first served."""

    kind: Literal["servers"] = parameter("servers", "Discipline")
    servers: int = parameter(1, "Who works side by side", ge=1, le=10_000)
    law: Literal["deterministic", "exponential", "lognormal"] = parameter(
        "deterministic", "Law of the time of service"
    )
    time: float = parameter(30.0, "Mean time of service of any transfer", unit="seconds", ge=0, le=30 * 86400)
    per_million: float = parameter(
        0.0, "More mean time for every million dollars", unit="seconds", ge=0, le=30 * 86400
    )
    spread: float = parameter(
        0.5, "Standard deviation of the log time of a lognormal law", unit="log seconds", ge=0, le=3
    )
    bounce: float = parameter(0.0, "Transfers that are turned back to their sender", unit="share", ge=0, le=1)


class DelayParameters(Outages):
    """Infinitely many servers: credit processing, a dispute period, confirmations elsewhere."""

    kind: Literal["delay"] = parameter("delay", "Discipline")
    law: Literal["lognormal", "inverse_gaussian"] = parameter("lognormal", "Law of the time")
    time: float = parameter(
        60.0, "Median (lognormal) or mean (inverse Gaussian) time", unit="seconds", ge=0, le=30 * 86400
    )
    spread: float = parameter(
        0.5,
        "Standard deviation of the log (lognormal) or of the time over its mean (inverse Gaussian)",
        unit="log seconds, or share",
        ge=0,
        le=3,
    )


@inlined
def service_time(law, mean, spread, p):
    """Quantile of a time of service with this mean, ms."""
    if law == EXPONENTIAL:
        return -mean * np.log(p)
    if law == LOGNORMAL:
        return mean * np.exp(spread * inverse_normal(p) - 0.5 * spread * spread)
    return mean


@inlined
def inverse_gaussian(mean, spread, p, q):
    """A draw by two uniforms: the smaller root of Michael, Schucany, Haas (1976), or its mirror image."""
    if mean <= 0.0 or spread <= 0.0:
        return mean
    z = inverse_normal(p)
    w = spread * spread * z * z
    root = mean * (1.0 + 0.5 * w - 0.5 * np.sqrt(4.0 * w + w * w))
    return root if q * (mean + root) <= mean else mean * mean / root


@inlined
def tend_servers(n, r, t):
    """Whoever is free takes the next."""
    x = n.resources[r]
    while x.head != NONE and x.busy < x.servers and serves(x):
        slot = take_head(n, r, t)
        x.busy += 1
        mean = x.fixed + x.per_value * n.transfers[slot].value
        travel(n, slot, t + service_time(x.law, mean, x.spread, chance(n, r, slot, TIME)))


@inlined
def tend_delay(n, r, t):
    """All that wait set out."""
    x = n.resources[r]
    while x.head != NONE and serves(x):
        slot = take_head(n, r, t)
        x.busy += 1
        p = chance(n, r, slot, TIME)
        if x.law == LOGNORMAL:
            time = lognormal(x.fixed, x.spread, p)
        else:
            time = inverse_gaussian(x.fixed, x.spread, p, chance(n, r, slot, SECOND))
        travel(n, slot, whole_ms(t + time))


@inlined
def bounced(n, r, slot):
    """Whether a review turns a transfer back; what a lender has paid out already goes on."""
    x, job = n.resources[r], n.transfers[slot]
    return x.bounce > 0.0 and not job.back and job.advanced == NONE and chance(n, r, slot, BOUNCE) < x.bounce
