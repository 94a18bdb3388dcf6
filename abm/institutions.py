"""Accounts of institutions: a venue's fees, funds and last capital, issuers of assets, lenders that pay out ahead.

They are rows like everybody's, exempt from margin, and opened before anybody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from abm.ledger import Accounts
from abm.market import BookInfo
from abm.network import Network
from abm.state import State
from abm.venue import VenueRules

OWNER = "exchange"  # the participant in whose name they are


class Stations(NamedTuple):
    """Rows of those who work at the network's stations."""

    issuers: dict[int, int]  # by number of the edge that mints or redeems
    lenders: dict[tuple[int, int], int]  # by (credit line, node at which it pays out)


def open_venues_rows(
    accounts: Accounts, state: State, books: BookInfo, venues: Mapping[str, VenueRules]
) -> None:
    """Each venue's rows for fees, fund and last capital, then those of the pools of its fund."""
    for v, (name, rules) in enumerate(venues.items()):
        rows = {what: _open(accounts, f"{name}/{what}", v) for what in ("fees", "fund", "capital")}
        for what, row in rows.items():
            for asset in (rules.quote, *rules.collateral.assets):
                accounts.deposit([row], asset, np.array([0], np.int64))
            state.venues[what][v] = row
        fund = rows["fund"]
        if rules.fund.rule != "none":
            accounts.deposit([fund], rules.quote, float(rules.fund.cash))
        state.books["fund"][: len(books)][books.venue == v] = fund
        _list_as_pool(state, fund, v)
    for v, (name, rules) in enumerate(venues.items()):
        for pool, terms in rules.fund.pools.items():
            row = _open(accounts, f"{name}/fund/{pool}", v)
            cash = 0.0 if rules.fund.rule == "none" else float(terms.cash)
            accounts.deposit([row], rules.quote, cash)
            for coin in terms.coins:
                state.books["fund"][books.name.index(f"{name}:{coin}-PERP")] = row
            _list_as_pool(state, row, v)


def open_stations_rows(accounts: Accounts, network: Network) -> Stations:
    """Rows of issuers, at their nodes, and of lenders, at every node to which they pay out ahead."""
    issuers: dict[int, int] = {}
    lenders: dict[tuple[int, int], int] = {}
    described = network.parameters
    at: dict[str, int] = {}  # issuers' rows by node
    for n, edge in enumerate(described.edges):
        if edge.asset_to is not None and edge.asset_to != edge.asset:
            ends = (edge.source, edge.target) if edge.kind == "redeem" else (edge.target, edge.source)
            node = next((end for end in ends if end in described.nodes), ends[0])
            if node not in at:
                at[node] = _open(accounts, f"{node}/issuer", node)
            issuers[n] = at[node]
        for name in edge.path:
            if described.resources[name].kind == "credit":
                line = network.resource(name), network.node(edge.target)
                if line not in lenders:
                    lenders[line] = _open(accounts, f"{name}/lender", edge.target)
    return Stations(issuers, lenders)


def _open(accounts: Accounts, owner: str, node: str | int) -> int:
    return int(accounts.open(owner, node, OWNER, exempt=True)[0])


def _list_as_pool(state: State, row: int, venue: int) -> None:
    """Note that a row is a fund of a venue."""
    k = state.count("pools")
    state.pools["row"][k], state.pools["venue"][k] = row, venue
    state.meta["pools"] = k + 1
