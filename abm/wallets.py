"""A hot wallet: withdrawals of one asset of one venue leave as long as it holds them, and it is refilled from cold."""

from __future__ import annotations

from typing import Literal

import numpy as np

from abm.jit import inlined
from abm.outages import Outages
from abm.parameters import parameter
from abm.stations import INF, NONE, leaves_wallet, release, schedule, serves, take_head

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


class WalletParameters(Outages):
    """What a venue keeps online of an asset; the rest is in cold storage."""

    kind: Literal["wallet"] = parameter("wallet", "Discipline")
    venue: str = parameter(..., "Whose wallet it is")
    asset: str = parameter(..., "What it holds")
    hot: float = parameter(
        5.0e7, "Most that is hot at the start and after a refill", unit="asset units", ge=0, le=1e15
    )
    cold: float | None = parameter(
        None,
        "What is cold at the start; none = all that the venue owes its customers and itself beyond what is hot",
        unit="asset units",
        ge=0,
        le=1e15,
    )
    refill: float = parameter(
        1800.0, "Time between two batches from cold to hot", unit="seconds", gt=0, le=30 * 86400
    )


@inlined
def refill(n, r, t):
    """Make up for the batches since the last look: between two looks nothing was taken, so one batch is as good as
    many. A batch brings what the head of the queue asks for if that is more than the target."""
    x = n.resources[r]
    if x.clock_ms > t:
        return
    wanted = x.target
    if x.head != NONE and n.transfers[x.head].amount > wanted:
        wanted = n.transfers[x.head].amount
    batch = min(x.cold, wanted - x.hot)
    if batch > 0:
        x.hot += batch
        x.cold -= batch
    x.clock_ms += x.period * (np.floor((t - x.clock_ms) / x.period) + 1.0)


@inlined
def tend_wallet(n, r, t):
    """Whoever is first and can be paid leaves."""
    x = n.resources[r]
    refill(n, r, t)
    while x.head != NONE and serves(x) and n.transfers[x.head].amount <= x.hot:
        slot = take_head(n, r, t)
        x.hot -= n.transfers[slot].amount
        leaves_wallet(n, slot)
        release(n, slot)
    idle = x.head == NONE or x.cold == 0 or not serves(x)
    schedule(n, 2 * r, INF if idle else x.clock_ms)
