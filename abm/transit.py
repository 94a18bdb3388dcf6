"""The network's one kernel: transfers go from station to station, event by event, whatever their disciplines.

What is released at a moment goes on at once; then the resource with the earliest clock, or the transfer with the
earliest due time, is next. So the cost follows what happens, not how many edges there are.
"""

from __future__ import annotations

import numpy as np

from abm.allowances import has_room, line_free, tend_allowance, tend_gate
from abm.calendar import NEVER_MS
from abm.chains import join_chain, tend_chain
from abm.jit import inlined, kernel
from abm.outages import plan, turn
from abm.random import FOREVER, draw, inverse_normal, unit
from abm.servers import bounced, tend_delay, tend_servers
from abm.stations import (
    ADVANCED,
    ALLOWANCE,
    ARRIVED,
    CHAIN,
    CREDIT,
    DELAY,
    ENDED,
    HOURS,
    INF,
    LINE,
    NONE,
    RETURNED,
    SERVERS,
    TRAVELLING,
    WALLET,
    append,
    leaves_wallet,
    note,
    release,
    schedule,
    serves,
    set_stage,
    take_head,
    travel,
    views,
    whole_ms,
)
from abm.wallets import refill, tend_wallet

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg, attr-defined, call-arg, assignment"

DONE, LOG_FULL = 0, 1


@inlined
def _tend_line(n, r, t):
    """An edge's own line: one server of so many units a second, then a lognormal time on the way; or a mere gate."""
    e, x = n.edges[r], n.resources[r]
    e.head_ms = INF
    while x.head != NONE and e.on and e.capacity > 0.0:
        job = n.transfers[x.head]
        begin = max(e.free_ms, job.joined_ms)
        finish = begin + (np.float64(job.amount) - e.done) * (1000.0 / e.capacity)
        if finish > t:
            e.head_ms = finish
            break
        slot = take_head(n, r, t)
        e.free_ms, e.done = finish, 0.0
        if e.last - e.first > 1:
            release(n, slot)
            continue
        x.busy += 1
        leaves_wallet(n, slot)
        z = inverse_normal(unit(draw(n.meta[0].latency_stream, job.key + job.hop, FOREVER)))
        due = whole_ms(finish + 1000.0 * e.latency * np.exp(e.jitter * z))
        job.due_ms = np.int64(due)
        travel(n, slot, due)
    schedule(n, 2 * r, e.head_ms)


@inlined
def _tend(n, r, t):
    """Let a resource do what can be done now, and set its clock."""
    kind = n.resources[r].kind
    if kind == LINE:
        _tend_line(n, r, t)
    elif kind == SERVERS:
        tend_servers(n, r, t)
    elif kind == DELAY:
        tend_delay(n, r, t)
    elif kind == WALLET:
        tend_wallet(n, r, t)
    elif kind == CHAIN:
        tend_chain(n, r, t)
    elif kind == ALLOWANCE:
        tend_allowance(n, r, t)
    elif kind == HOURS:
        tend_gate(n, r, t)


@inlined
def _enter(n, slot):
    """A transfer comes onto its edge."""
    job, m = n.transfers[slot], n.meta[0]
    edge = n.edges[job.edge]
    edge.in_transit += job.amount
    job.leg = edge.last if job.back else edge.first - 1
    job.branch, job.stage, job.due_ms = NONE, TRAVELLING, NEVER_MS
    job.place = m.places
    m.places += 1
    release(n, slot)


@inlined
def _convert(n, slot, old, new, sign):
    """An issuer takes one asset and gives the other, one for one."""
    job = n.transfers[slot]
    if old != new:
        n.edges[job.edge].converted += sign * job.amount
        n.totals[old] -= job.amount
        n.totals[new] += job.amount
        job.asset = new


@inlined
def _tell(n, slot, code):
    n.out[n.meta[0].out] = 4 * slot + code
    n.meta[0].out += 1


@inlined
def _finish(n, slot, t, code):
    """A transfer has come to its end: with the receiver, or back with the sender. It counts until it is handed over."""
    job = n.transfers[slot]
    job.leg = ENDED
    if job.advanced != NONE:
        n.resources[job.advanced].room -= job.value
    job.due_ms = np.int64(whole_ms(t))
    _tell(n, slot, code)


@inlined
def _forwards(n, slot, t):
    """The resource at which a transfer arrives next, or a wallet that it has filled, or NONE."""
    job = n.transfers[slot]
    edge = n.edges[job.edge]
    job.leg += 1
    if job.leg < (edge.last if job.branch == NONE else edge.fallback_end):
        job.station = n.paths[job.leg]
        return np.int64(job.station)
    set_stage(n, slot, TRAVELLING)
    edge.in_transit -= job.amount
    edge.moved += job.amount
    wallet = np.int64(edge.wallet)
    if wallet != NONE:
        refill(n, wallet, t)
        n.resources[wallet].hot += job.amount
    job.holder = edge.target if edge.target < n.meta[0].venues else NONE
    _convert(n, slot, np.int64(edge.asset), np.int64(edge.asset_to), 1)
    job.station = NONE
    if job.hop + 1 == job.hops:
        _finish(n, slot, t, ARRIVED)
    else:
        job.hop += 1
        job.edge = job.path[job.hop]
        _enter(n, slot)
    return wallet


@inlined
def _backwards(n, slot, t):
    """The same of a transfer that was turned back: it goes the way that it came, without waiting for its turn."""
    job = n.transfers[slot]
    edge = n.edges[job.edge]
    job.leg -= 1
    if job.branch != NONE and job.leg < edge.fallback:
        job.leg = job.branch - 1
        job.branch = NONE
    if job.leg >= edge.first:
        job.station = n.paths[job.leg]
        return np.int64(job.station)
    set_stage(n, slot, TRAVELLING)
    edge.in_transit -= job.amount
    job.station = NONE
    if job.hop == 0:
        _finish(n, slot, t, RETURNED)
        return NONE
    job.hop -= 1
    job.edge = job.path[job.hop]
    edge = n.edges[job.edge]
    _convert(n, slot, np.int64(edge.asset_to), np.int64(edge.asset), -1)
    wallet = np.int64(edge.wallet)
    if wallet != NONE:
        x = n.resources[wallet]
        refill(n, wallet, t)
        hot = min(x.hot, job.amount)
        x.hot -= hot
        x.cold -= job.amount - hot
    job.holder = NONE
    _enter(n, slot)
    return wallet


@inlined
def _passes(n, r, slot, t):
    """Whether a transfer goes on from a resource without joining its queue."""
    x, job = n.resources[r], n.transfers[slot]
    if job.back:
        if x.kind == CHAIN or x.kind == DELAY or x.kind == HOURS:
            return False
        if x.kind == WALLET:
            x.hot += job.amount
            job.holder = n.edges[job.edge].source
        return True
    if x.kind == CREDIT:
        last = job.hop + 1 == job.hops  # a lender pays where its edge ends
        if last and job.advanced == NONE and serves(x) and x.admits and job.value <= line_free(n, r):
            x.room += job.value
            job.advanced = r
            _tell(n, slot, ADVANCED)
        return True
    if x.kind == ALLOWANCE and job.branch == NONE:
        edge = n.edges[job.edge]
        if edge.fallback_end > edge.fallback and (
            x.head != NONE or not serves(x) or not has_room(x, job.value)
        ):
            job.branch = job.leg
            job.leg = edge.fallback - 1
            return True
    return False


@kernel("i8(i8,Array(i8,1,'C',readonly=True),f8,f8)")
def work(address, jobs, t, until):
    """Let transfers come onto their edges at time t, then let the network work until a time.

    Args:
        address: of the network's tables.
        jobs: int64, slots of new transfers; a negative number -1 - r is a resource that is to be looked at first.

    Returns: DONE, or LOG_FULL: read the log and call again.
    """
    n = views(address)
    m = n.meta[0]
    clocks = 2 * len(n.resources)
    given = 0
    while True:
        r, joining, turning = np.int64(NONE), np.int64(NONE), False
        if m.ready != NONE:
            slot = np.int64(m.ready)
            m.ready = n.transfers[slot].next
            if n.transfers[slot].back:
                r = _backwards(n, slot, t)
            else:
                r = _forwards(n, slot, t)
            if n.transfers[slot].station != NONE:
                joining = slot
        elif given < len(jobs):
            if jobs[given] >= 0:
                _enter(n, jobs[given])
            else:
                r = -1 - jobs[given]
            given += 1
        else:
            if m.agenda == 0 or n.due[n.heap[0]] > until:
                return DONE
            if m.log + len(n.resources) + 4 > len(n.log):
                return LOG_FULL
            item = np.int64(n.heap[0])
            t = n.due[item]
            schedule(n, item, INF)
            if item < clocks:
                r, turning = item // 2, item % 2 == 1
            else:
                slot = item - clocks
                r = np.int64(n.transfers[slot].station)
                note(n, r, t)
                n.resources[r].busy -= 1
                n.transfers[slot].back = n.transfers[slot].back or bounced(n, r, slot)
                release(n, slot)
        while r != NONE:
            _tend(n, r, t)
            if turning:
                turn(n, r, t)
                turning = False
            elif joining != NONE:
                if _passes(n, r, joining, t):
                    release(n, joining)
                elif n.resources[r].kind == CHAIN:
                    join_chain(n, r, joining, t)
                else:
                    append(n, r, joining, t)
                joining = NONE
            else:
                plan(n, r, t)
                break
