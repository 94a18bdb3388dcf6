"""A chain: in every block the best bids that cover the base fee, which follows the blocks' fullness (EIP-1559)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from abm.jit import inlined
from abm.outages import Outages
from abm.parameters import parameter
from abm.stations import (
    INF,
    NONE,
    append,
    chance,
    left_queue,
    lognormal,
    own_chance,
    schedule,
    serves,
    travel,
)

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

EXPONENTIAL = 1  # as in servers.LAWS

BID, TIE = 4, 5  # purposes of draws
BLOCKS = 1 << 32  # the own draw of block b is number BLOCKS + b
FULL_BLOCK = 1.0
TARGET = 0.5  # share of a block at which the base fee stays (EIP-1559)


class ChainParameters(Outages):
    """A block every so many seconds with room for so many of the transfers that are simulated."""

    kind: Literal["chain"] = parameter("chain", "Discipline")
    block: float = parameter(
        12.0, "Time between two blocks", unit="seconds", source="Ethereum's slot", gt=0, le=86400
    )
    law: Literal["deterministic", "exponential"] = parameter(
        "deterministic", "Law of that time: slots of a clock, or proof of work"
    )
    slots: int = parameter(100, "Most simulated transfers in a block", unit="transfers", ge=1, le=1_000_000)
    share: float = parameter(
        0.05, "Part of a block that so many fill", unit="share of a block", source="assumption: 2-5 %",
        ge=0, le=1,
    )  # fmt: skip
    load: float = parameter(
        0.5,
        "What everybody else asks for at the base fee of the start",
        unit="share of a block",
        source="assumption: at the target in calm",
        ge=0,
        le=100,
    )
    follows: float = parameter(
        0.0,
        "What is added to the load for each 1 % a minute of volatility of the first book",
        unit="share of a block",
        source="assumption, off",
        ge=0,
        le=100,
    )
    elasticity: float = parameter(
        0.0, "How the load falls as the base fee rises: to the power of minus this", ge=0, le=10
    )
    base_fee: float = parameter(1.5, "Base fee at the start", unit="gwei", gt=0, le=1e9)
    floor: float = parameter(1e-3, "Lowest base fee", unit="gwei", gt=0, le=1e9)
    headroom: float = parameter(
        2.0,
        "Median of the highest base fee that a transfer pays, over the present one",
        source="assumption: as wallets set it",
        ge=1,
        le=1e6,
    )
    headroom_spread: float = parameter(
        0.3, "Standard deviation of its log", unit="log", source="assumption", ge=0, le=3
    )
    rebid: float = parameter(
        120.0,
        "After how long a transfer that the base fee has passed is bid for anew",
        unit="seconds",
        gt=0,
        le=30 * 86400,
    )


@inlined
def _better(n, a, b):
    one, two = n.transfers[a], n.transfers[b]
    if one.bid != two.bid:
        return one.bid > two.bid
    if one.tie != two.tie:
        return one.tie < two.tie
    return one.id < two.id


@inlined
def _merge(n, a, b):
    """Two skew heaps (Sleator, Tarjan 1986) of bids as one; returns its best."""
    if a == NONE:
        return b
    if b == NONE:
        return a
    if _better(n, b, a):
        a, b = b, a
    root = a
    while True:
        right = np.int64(n.transfers[a].other)
        n.transfers[a].other = n.transfers[a].next
        if right == NONE:
            n.transfers[a].next = b
            return root
        if _better(n, b, right):
            right, b = b, right
        n.transfers[a].next = right
        a = right


@inlined
def _bid(n, r, slot, nth):
    """What a transfer offers: the present base fee and its own headroom."""
    x, job = n.resources[r], n.transfers[slot]
    job.bid = x.base * lognormal(x.headroom, x.spread, chance(n, r, slot, BID + 8 * nth))


@inlined
def join_chain(n, r, slot, t):
    """A transfer waits for a block."""
    x, job = n.resources[r], n.transfers[slot]
    root, tail = np.int64(x.head), np.int64(x.tail)
    x.head = NONE
    append(n, r, slot, t)
    x.tail = tail
    job.other = NONE
    job.tie = chance(n, r, slot, TIE)
    _bid(n, r, slot, 0)
    x.head = _merge(n, root, slot)


@inlined
def load_now(n, r):
    """What everybody else takes of the next block."""
    x = n.resources[r]
    load = x.load + x.follows * n.meta[0].stress
    if x.elasticity > 0.0:
        load *= (x.base / x.reference) ** -x.elasticity
    return load


@inlined
def interval(n, r, block):
    """Time from one block to the next, which has this number, ms."""
    x = n.resources[r]
    return x.period * -np.log(own_chance(n, r, BLOCKS + block)) if x.law == EXPONENTIAL else x.period


@inlined
def confirmed(n, r, slot, t):
    """When a transfer in the block of now has its confirmations; blocks to come have their times already."""
    x = n.resources[r]
    blocks = n.edges[n.transfers[slot].edge].blocks
    if x.law != EXPONENTIAL:
        return t + blocks * x.period
    for k in range(blocks):
        t += interval(n, r, x.blocks + 1 + k)
    return t


@inlined
def _block(n, r, t):
    """One block: who is in it, and the base fee after it."""
    x = n.resources[r]
    served = 0
    while x.head != NONE and served < x.slots:
        slot = np.int64(x.head)
        job = n.transfers[slot]
        if job.bid < x.base:
            if t - job.joined_ms < x.rebid:
                break
            x.head = _merge(n, np.int64(job.next), np.int64(job.other))
            job.next, job.other = NONE, NONE
            x.waited += t - job.joined_ms  # the wait goes on under a new bid
            job.joined_ms = t
            _bid(n, r, slot, x.blocks)
            job.bid = max(job.bid, x.base)
            x.head = _merge(n, np.int64(x.head), slot)
            continue
        x.head = _merge(n, np.int64(job.next), np.int64(job.other))
        left_queue(n, r, slot, t)
        x.busy += 1
        served += 1
        travel(n, slot, confirmed(n, r, slot, t))
    used = min(FULL_BLOCK, load_now(n, r) + x.share * served / x.slots)
    x.base = max(x.floor, x.base * (1.0 + (used - TARGET) / TARGET / 8.0))
    x.blocks += 1


@inlined
def tend_chain(n, r, t):
    """Make the blocks that are due; without anybody waiting they are made up for later."""
    x = n.resources[r]
    if not serves(x):
        x.halted = True
        schedule(n, 2 * r, INF)
        return
    if x.halted:
        x.halted = False
        x.clock_ms = t + interval(n, r, x.blocks)
    while x.clock_ms <= t:
        _block(n, r, x.clock_ms)
        x.clock_ms += interval(n, r, x.blocks)
    schedule(n, 2 * r, INF if x.head == NONE else x.clock_ms)
