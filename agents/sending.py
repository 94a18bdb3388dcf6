"""What all species that send money have in common: how the way of a transfer is chosen.

Listed means as everybody does who looks at a venue's page: the direct channel, the one described as fastest if there
are several. Who goes by time, cost or certainty compares all ways that are open, detours through other places too: the
least of published waits, the least fees, or the fewest transfers that came late, of those that the owner itself has
sent over the same channels.
"""

from __future__ import annotations

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from abm.routes import By


class Sender(Participant.Parameters):
    """Parameters of a species that sends money."""

    route_by: By = parameter(
        "listed",
        "How it chooses ways of transfers: as listed, or the least wait, fee or share of own that were late",
    )


def wait(me: Me, market: Market, index_from: int, index_to: int, asset: int, by: By) -> float:
    """Published seconds from one own row to another: of the direct channel for who goes by list, else of the way that
    it would choose now; inf where there is none open."""
    if by != "listed":
        return float(me.network.route(index_from, index_to, asset, by=by)[0])
    names, venue = market.books.venue_names, me.venue
    return float(me.network.delay(names[int(venue[index_from])], names[int(venue[index_to])], asset))
