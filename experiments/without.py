"""A market without some of its coins or venues: what `without` in a scenario takes out of its base.

    base = "october_predicted"
    without = { coins = ["HYPE", "XPL"], venues = ["hyperliquid"] }

Everything that names them goes: assets and contracts, books, pools of funds, collateral, shares and distances of
openings, channels, wallets and recorded stops. A participant that is only there for them goes too. Nothing is shared
out anew: open interest and shares of those that stay are what they were, and the file on top may say others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from experiments import network_file
from experiments.faults import meant, show

KINDS = {"coins": "contracts", "venues": "venues"}


def leave_out(raw: dict[str, Any], without: Any, origin: str) -> list[str]:
    """Take coins and venues out of raw tables, in place; the faults."""
    if not isinstance(without, Mapping) or set(without) - set(KINDS):
        return [f"{origin}: without: given {show(without)}, expected coins = [...] and venues = [...]"]
    faults = []
    for kind, table in KINDS.items():
        names = without.get(kind, [])
        if not isinstance(names, list):
            return [f"{origin}: without.{kind}: given {show(names)}, expected a list of names"]
        faults += [
            f"{origin}: without.{kind}: given {show(name)}, {meant(str(name), raw.get(table, {}))}"
            for name in names
            if name not in raw.get(table, {})
        ]
    if faults:
        return faults
    coins, venues = set(without.get("coins", [])), set(without.get("venues", []))
    for table, gone in (("assets", coins), ("contracts", coins), ("venues", venues)):
        _pop(raw.get(table), gone)
    for venue in raw.get("venues", {}).values():
        _of_venue(venue, coins, venues)
    for name, entry in list(raw.get("population", {}).items()):
        if _only_for(entry.get("opening", {}), coins, venues):
            del raw["population"][name]
    faults += _of_network(raw.get("network"), coins, venues)
    return faults


def _pop(table: Any, names: Collection[str]) -> None:
    if isinstance(table, dict):
        for name in names:
            table.pop(name, None)


def _of_venue(venue: dict[str, Any], coins: Collection[str], venues: Collection[str]) -> None:
    for kind in ("perps", "spots"):
        if isinstance(venue.get(kind), list):
            venue[kind] = [coin for coin in venue[kind] if coin not in coins]
    pools = venue.get("fund", {}).get("pools", {})
    for name, pool in list(pools.items()):
        pool["coins"] = [coin for coin in pool.get("coins", []) if coin not in coins]
        if not pool["coins"]:
            del pools[name]
    _pop(venue.get("collateral", {}).get("assets"), coins)
    _pop(venue.get("index", {}).get("weights"), venues)
    _pop(venue.get("mark", {}).get("peers"), venues)


def _only_for(opening: dict[str, Any], coins: Collection[str], venues: Collection[str]) -> bool:
    """Take the names out of an opening; whether nothing is left that it was for."""
    for key, value in list(opening.items()):
        if isinstance(value, dict):
            _pop(value, [*coins, *venues])
            if not value:
                del opening[key]
        elif key in KINDS and isinstance(value, list):
            opening[key] = [name for name in value if name not in coins and name not in venues]
            if not opening[key]:
                return True
        elif (key == "reserve_at" and value in venues) or (key == "against" and value in coins):
            del opening[key]
    return False


def _of_network(network: Any, coins: Collection[str], venues: Collection[str]) -> list[str]:
    """Write the network out and take out what leads to a venue, or carries a coin, that is gone."""
    if not isinstance(network, dict):
        return []
    faults = network_file.apply(network)
    resources = network.get("resources", {})
    gone = {
        name
        for name, resource in resources.items()
        if resource.get("asset") in coins or resource.get("venue") in venues or name.split("/")[0] in venues
    }
    _pop(resources, gone)
    network["edges"] = [edge for edge in network.get("edges", []) if not _leads(edge, coins, venues, gone)]
    network["events"] = [
        event for event in network.get("events", []) if not _leads(event.get("edge", {}), coins, venues, gone)
    ]
    return faults


def _leads(edge: Any, coins: Collection[str], venues: Collection[str], gone: Collection[str]) -> bool:
    if not isinstance(edge, Mapping):
        return False
    ends = {edge.get("source"), edge.get("target")} & set(venues)
    assets = {edge.get("asset"), edge.get("asset_to")} & set(coins)
    return bool(ends or assets or set(edge.get("path", [])) & set(gone))
