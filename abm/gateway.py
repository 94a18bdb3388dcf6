"""A venue's gateway: one queue with a service rate, in which orders and cancels wait alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.admission import reject
from abm.jit import kernel
from abm.messages import DONE, GATEWAY_FULL
from abm.state import State, views

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


Ints = NDArray[np.int64]

TIE_BITS = 20
PLACE_BITS = 16  # of a message's place in the inbox, beside arrival and tie in one sort key of 63 bits


def accept(state: State, now_us: int) -> None:
    """Let the gateways work for the step from `now_us` on: afterwards `sorted` lists the inbox's messages by the time
    at which they are accepted, and before that by arrival, then by their keyed tie, then by their place."""
    n = state.count("inbox")
    if n == 0:
        return
    by_arrival(state, n, now_us)
    serve(state.address, now_us)
    keys = state.sorted[:n]
    if n > 1 << TIE_BITS:
        keys[:] = np.argsort(state.inbox["arrive"][:n], kind="stable")
        return
    by_acceptance(state.address, now_us, keys)
    keys.sort()
    keys &= (1 << TIE_BITS) - 1


def by_arrival(state: State, n: int, start_us: int) -> None:
    """Sort the inbox by arrival and tie. The place of a message is packed into its key where the bits suffice, because
    plain integers are sorted eight times faster than places."""
    keys = state.sorted[:n]
    if pack(state.address, start_us, keys):
        keys.sort()
        keys &= (1 << PLACE_BITS) - 1
    else:
        keys[:] = np.argsort(arrival_keys(state, n, start_us), kind="stable")


def arrival_keys(state: State, n: int, start_us: int) -> Ints:
    """int64[n]: arrival since the start of the step, then tie."""
    inbox = state.inbox[:n]
    keys: Ints = ((inbox["arrive"] - start_us) << TIE_BITS) | np.maximum(inbox["tie"], 0)
    return keys


@kernel("b1(i8,i8,i8[::1])")
def pack(address, start_us, keys):
    """Sort keys of arrival, tie and place; false if they do not fit into 63 bits."""
    s = views(address)
    if len(keys) > 1 << PLACE_BITS:
        return False
    for i in range(len(keys)):
        m = s.inbox[i]
        since = m.arrive - start_us
        if since < 0 or since >= 1 << (63 - TIE_BITS - PLACE_BITS):
            return False
        tie = m.tie if m.tie > 0 else 0
        keys[i] = (((since << TIE_BITS) | tie) << PLACE_BITS) | i
    return True


@kernel("void(i8,i8,i8[::1])")
def by_acceptance(address, start_us, keys):
    """Sort keys of the accepted time and the place."""
    s = views(address)
    for i in range(len(keys)):
        keys[i] = ((s.inbox[i].arrive - start_us) << TIE_BITS) | i


@kernel("i8(i8,i8)")
def serve(address, now_us):
    """Give the inbox's messages, in the order of `sorted`, the time at which their venue's gateway accepts them: one
    server a venue with a fixed service time and first come, first served. A full queue refuses.

    Messages that have their time carry `tie = -1` and the accepted time in `arrive` (microseconds).
    """
    s = views(address)
    end = now_us + s.meta[0].step_ms * 1000
    for i in range(s.meta[0].inbox):
        m = s.inbox[s.sorted[i]]
        if m.tie < 0 or m.arrive > end:
            continue
        v = s.venues[s.rows[m.row].venue]
        start = m.arrive if m.arrive > v.busy_until else v.busy_until
        waiting = (start - m.arrive) // v.service if v.service > 0 else 0
        m.tie = -1
        v.messages += 1
        if waiting > v.queue_cap:
            reject(s, s.rows[m.row].venue, GATEWAY_FULL)
            m.op = DONE
            s.rows[m.row].waiting -= 1
            continue
        m.arrive = start + v.service
        v.busy_until = m.arrive
        if waiting * v.service > v.delay:
            v.delay = waiting * v.service
    return 0
