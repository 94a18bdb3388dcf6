"""Where a venue's coins are, and whose: hot + cold + receivable = customers + pools + fees + capital + leaving.

A hot wallet can run dry while the venue is solvent. Nothing here decides anything: it reads the ledger and the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.network import Network
from abm.state import State
from abm.stations import WALLET

Ints = NDArray[np.int64]


class Custody(NamedTuple):
    """Both sides of one venue's books in one asset, in units."""

    venue: str
    asset: str
    hot: int
    cold: int
    receivable: int  # what other venues and lenders owe it (negative: what it owes them)
    customers: int
    pools: int
    fees: int
    capital: int
    leaving: int  # accepted withdrawals whose coins are still here, deposits of those who pass through

    @property
    def held(self) -> int:
        """What it has."""
        return self.hot + self.cold + self.receivable

    @property
    def owed(self) -> int:
        """Whose it is."""
        return self.customers + self.pools + self.fees + self.capital + self.leaving


def balances(state: State, venues: int, assets: int) -> Ints:
    """int64[venues, assets]: what all rows of each venue hold, in units."""
    used = state.holdings[: state.count("holdings")]
    home = state.rows["venue"][used["row"]]
    total = np.zeros((venues, assets), np.int64)
    ours = home < venues
    np.add.at(total, (home[ours], used["asset"][ours]), used["amount"][ours])
    return total


def fund(network: Network, state: State) -> None:
    """Fill the wallets before the run: cold is what the venue owes beyond what is hot, unless the scenario says it."""
    wallets = _wallets(network)
    if not wallets:
        return
    total = balances(state, network.venues, len(network.asset_names))
    for venue, asset, record, cold in wallets:
        owed = int(total[venue, asset])
        if cold is None:
            record["hot"] = min(int(record["hot"]), max(0, owed))
            record["cold"] = max(0, owed - int(record["hot"]))
        network.claims[venue, asset] += owed - int(record["hot"]) - int(record["cold"])


def _wallets(network: Network) -> list[tuple[int, int, Any, float | None]]:
    found = []
    for k, resource in enumerate(network.parameters.resources.values()):
        record = network.resources[len(network.edges) + k]
        if record["kind"] == WALLET:
            venue, asset = network.node(resource.venue), network.asset_names.index(resource.asset)  # type: ignore[union-attr]
            found.append((venue, asset, record, resource.cold))  # type: ignore[union-attr]
    return found


def custody(network: Network, state: State, lenders: Mapping[Any, int]) -> list[Custody]:
    """Both sides of every venue and asset that has a wallet.

    Args:
        lenders: rows of lenders (`Cashier.lenders`): what they have paid out ahead is owed to the venue.
    """
    venues, assets = network.venues, len(network.asset_names)
    total = balances(state, venues, assets)
    live = network.transfers[network.transfers["id"] >= 0]
    there = live[(live["holder"] >= 0) & (live["holder"] < venues)]
    leaving = np.zeros((venues, assets), np.int64)
    np.add.at(leaving, (there["holder"], there["asset"]), there["amount"])
    used, own = state.holdings[: state.count("holdings")], state.venues[:venues]
    pools = state.pools[: state.count("pools")]

    def of(rows: Any, asset: int) -> int:
        mine = (used["asset"] == asset) & np.isin(used["row"], rows)
        return int(used["amount"][mine].sum())

    out = []
    for v, a, record, _ in _wallets(network):
        fees, capital = of([own["fees"][v]], a), of([own["capital"][v]], a)
        insured = of(pools["row"][pools["venue"] == v], a)
        ahead = of([row for (_, node), row in lenders.items() if node == v], a)
        out.append(
            Custody(
                venue=network.node_names[v],
                asset=network.asset_names[a],
                hot=int(record["hot"]),
                cold=int(record["cold"]),
                receivable=int(network.claims[v, a]) - ahead,
                customers=int(total[v, a]) - fees - capital - insured - ahead,
                pools=insured,
                fees=fees,
                capital=capital,
                leaving=int(leaving[v, a]),
            )
        )
    return out


def faults(network: Network, state: State, lenders: Mapping[Any, int]) -> list[str]:
    """Where the two sides differ, one line each."""
    return [
        f"custody: {c.venue} holds {c.held} units of {c.asset}, {c.owed} are owed"
        for c in custody(network, state, lenders)
        if c.held != c.owed
    ]
