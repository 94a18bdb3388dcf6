"""Limits on what passes: a token bucket (a rate cap, a bridge's fast allowance), a lender's line, a calendar's gate."""

from __future__ import annotations

from typing import Literal

from abm.jit import inlined
from abm.outages import Outages
from abm.parameters import parameter
from abm.stations import INF, NONE, release, schedule, serves, take_head

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

DUST = 1e-6  # dollars


class AllowanceParameters(Outages):
    """A bucket of dollars that fills at a rate and is emptied by what passes."""

    kind: Literal["allowance"] = parameter("allowance", "Discipline")
    cap: float = parameter(1.0e8, "Most that may pass at once", unit="dollars", gt=0, le=1e15)
    rate: float = parameter(1.0e8, "What may pass in the long run", unit="dollars an hour", ge=0, le=1e15)


class CreditParameters(Outages):
    """A lender's line: it pays out at once what is still on its way, up to a limit.

    What is beyond the limit travels without it. It pays at the end of its edge, so nobody who goes on from there. What
    it has paid out comes back to it when the transfer arrives; while it pays, nobody waits for stations behind it.
    """

    kind: Literal["credit"] = parameter("credit", "Discipline")
    limit: float = parameter(1.0e8, "Most that is paid out ahead", unit="dollars", ge=0, le=1e15)
    cut_at: float | None = parameter(
        None, "Volatility of the first book at which the lender cuts it", unit="% a minute", ge=0, le=1e6
    )
    cut_to: float = parameter(0.5, "What is left of the limit then", unit="share", ge=0, le=1)


@inlined
def fill_up(x, t):
    """Let a bucket fill until now."""
    if t > x.room_ms:
        x.room = min(x.cap, x.room + x.rate * (t - x.room_ms))
        x.room_ms = t


@inlined
def has_room(x, value):
    """Whether a value may pass; one above the cap may when the bucket is full, and leaves it in debt."""
    return x.room + DUST >= min(value, x.cap)


@inlined
def tend_allowance(n, r, t):
    """Who is first passes as soon as there is room for it."""
    x = n.resources[r]
    fill_up(x, t)
    while x.head != NONE and serves(x) and has_room(x, n.transfers[x.head].value):
        slot = take_head(n, r, t)
        x.room -= n.transfers[slot].value
        release(n, slot)
    when = INF
    if x.head != NONE and serves(x) and x.rate > 0.0:
        when = t + (min(n.transfers[x.head].value, x.cap) - x.room) / x.rate
    schedule(n, 2 * r, when)


@inlined
def tend_gate(n, r, t):
    """All that wait pass while it is open."""
    x = n.resources[r]
    while x.head != NONE and serves(x):
        release(n, take_head(n, r, t))


@inlined
def line_free(n, r):
    """What a lender would pay out ahead now, dollars."""
    x = n.resources[r]
    limit = x.cap
    if x.reference >= 0.0 and n.meta[0].stress >= x.reference:
        limit *= x.share
    return limit - x.room
