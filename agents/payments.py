"""Payments: customers' ordinary transfers, a Poisson stream of equal amounts from each account that has a destination.

Theory. Independent customers make a Poisson process (Palm and Khintchine); with it a desk of one server with
exponential times is an M/M/1 queue, whose mean time 1 / (mu - lambda) and Little's law L = lambda W are exact. It is
the traffic that a network's stations see on a quiet day, and what they are tested with.

An owner pays from every account at a venue to the one that it has at a place without books; if it has none, from its
first account to its last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents.sending import Sender


class Payments(Participant):
    """Sends a fixed amount of the settlement asset from an owner's accounts at venues, at random times."""

    class Parameters(Sender):
        """How often, and how much."""

        rate: float = parameter(
            1.0 / 600.0, "Payments from an account", unit="per second", source="assumption", ge=0, le=100
        )
        amount: float = parameter(1.0, "One payment", unit="settlement asset", source="assumption", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """The two ends of every owner's payments, and the money in which the venue's books are paid."""
        quote = {int(v): int(q) for v, q in zip(market.books.venue, market.books.quote, strict=True)}
        asset = np.array([quote.get(int(v), -1) for v in me.venue], np.int64)
        ends = []
        cross = np.flatnonzero(~np.asarray(me.isolated))
        for mine in np.split(cross[np.argsort(me.owner[cross], kind="stable")], _edges(me.owner[cross])):
            paid = mine[asset[mine] >= 0]
            home = mine[asset[mine] < 0]
            if len(home):
                ends += [(here, home[0]) for here in paid]
            elif len(paid):
                ends.append((paid[0], mine[-1]))
        source, target = np.array(ends, np.int64).reshape(-1, 2).T
        other = source != target
        source, target = np.ascontiguousarray(source[other]), np.ascontiguousarray(target[other])
        self.memory.update(source=source, target=target, asset=asset[source])

    def decide(self, me: Me, market: Market) -> None:
        """Who pays in this step, and how often."""
        p, m = self.parameters, self.memory
        if len(m["source"]) == 0:
            return
        count = me.poisson("pay", p.rate * market.dt, m["source"])
        for round in range(int(count.max())):
            pays = np.flatnonzero(count > round)
            for asset in np.unique(m["asset"][pays]).tolist():
                some = pays[m["asset"][pays] == asset]
                amounts = np.full(len(some), p.amount)
                me.transfer(m["source"][some], m["target"][some], asset, amounts, by=p.route_by)


def _edges(owner: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where a new owner begins once accounts are sorted by owner."""
    ordered = np.sort(owner, kind="stable")
    return np.flatnonzero(np.diff(ordered)) + 1
