"""A venue's gateway: one queue with a service rate, in which orders and cancels wait alike."""

from __future__ import annotations

from abm.admission import reject
from abm.jit import kernel
from abm.messages import GATEWAY_FULL
from abm.state import views

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("i8(i8,i8,i8)")
def gateway(address, first, now_us):
    """Give the inbox's messages, sorted by arrival from `first` on, the time at which their venue's gateway accepts
    them: one server a venue with a fixed service time and first come, first served. A full queue refuses.

    Messages that have their time carry `tie = -1` and the accepted time in `arrive` (microseconds).
    """
    s = views(address)
    end = now_us + s.meta[0].step_ms * 1000
    for i in range(first, s.meta[0].inbox):
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
            m.op = 255
            s.rows[m.row].waiting -= 1
            continue
        m.arrive = start + v.service
        v.busy_until = m.arrive
        if waiting * v.service > v.delay:
            v.delay = waiting * v.service
    return 0
