"""From a description to tables: the numbers of edges and resources as the kernel reads them, and their sums checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import random
from abm.allowances import AllowanceParameters, CreditParameters
from abm.calendar import NEVER_MS
from abm.chains import BLOCKS, ChainParameters
from abm.channels import EdgeParameters, NetworkParameters, Resource
from abm.jit import zeros
from abm.outages import Outages
from abm.servers import LAWS, DelayParameters, ServersParameters
from abm.stations import (
    EDGE,
    ENDED,
    FIELDS,
    KINDS,
    LINE,
    META,
    NONE,
    QUEUED,
    RESOURCE,
    TRANSFER,
    TURN,
    WAITS,
    Tables,
)
from abm.units import RATE
from abm.wallets import WalletParameters

Records = NDArray[Any]

MILLISECOND = timedelta(milliseconds=1)
SECOND, HOUR = 1000.0, 3_600_000.0  # ms
FIRST_TRANSFERS = 64
WHOLE = (1 << 62) - 1  # an amount without a limit


def tables(
    parameters: NetworkParameters,
    node_names: Sequence[str],
    asset_names: Sequence[str],
    scale: NDArray[np.int64],
    venues: int,
    begin_ms: int,
    seed: int,
) -> Tables:
    """All tables of a network that nobody has used yet, by name (`stations.FIELDS`).

    Args:
        scale: units of one of each asset. begin_ms: when its clocks begin, ms since the start.
    """
    edges, paths = _edges(parameters, node_names, asset_names, scale)
    resources = _resources(parameters, asset_names, scale, begin_ms, seed, len(edges))
    clocks = 2 * len(resources)
    made = {
        "transfers": zeros(FIRST_TRANSFERS, TRANSFER),
        "edges": edges,
        "resources": resources,
        "meta": zeros(1, META),
        "paths": paths,
        "totals": np.zeros(len(asset_names), np.int64),
        "due": np.full(clocks + FIRST_TRANSFERS, np.inf),
        "heap": np.zeros(clocks + FIRST_TRANSFERS, np.int32),
        "place": np.full(clocks + FIRST_TRANSFERS, NONE, np.int32),
        "out": np.zeros(2 * FIRST_TRANSFERS, np.int64),
        "log": zeros(4 * len(resources) + 16, TURN),
        "waits": np.zeros(WAITS * len(resources), np.int64),
    }
    made["transfers"]["id"], made["transfers"]["due_ms"] = -1, NEVER_MS
    meta = made["meta"]
    meta["ready"], meta["venues"] = NONE, venues
    meta["stream"] = random.stream_of(seed, "network", "station")
    meta["latency_stream"] = random.stream_of(seed, "network", "latency")
    return Tables(made)


def _table(count: int, dtype: np.dtype[Any]) -> Records:
    """`zeros`, but of exactly so many records: none stays none."""
    return zeros(count, dtype)[:count]


def _edges(
    parameters: NetworkParameters,
    node_names: Sequence[str],
    asset_names: Sequence[str],
    scale: NDArray[np.int64],
) -> tuple[Records, Records]:
    described = parameters.edges
    edges = _table(len(described), EDGE)
    numbers = {name: len(described) + k for k, name in enumerate(parameters.resources)}
    wallets = {
        (resource.venue, resource.asset): numbers[name]
        for name, resource in parameters.resources.items()
        if isinstance(resource, WalletParameters)
    }
    paths: list[int] = []
    for n, edge in enumerate(described):
        record, asset = edges[n], asset_names.index(edge.asset)
        units = int(scale[asset])
        arrives = edge.asset_to or edge.asset
        record["source"], record["target"] = node_names.index(edge.source), node_names.index(edge.target)
        record["asset"], record["asset_to"] = asset, asset_names.index(arrives)
        record["on"], record["refuses"] = edge.open, edge.when_shut == "refuse"
        record["open"] = edge.open
        record["capacity"] = np.inf if edge.path else edge.capacity * units
        record["latency"], record["jitter"] = edge.latency, edge.jitter
        if edge.path:  # only for choosing between edges: the stations say how long it takes
            record["latency"] = sum(
                _nominal(station, edge.confirmations) for station in _waited_for(parameters, edge)
            )
        record["fee"], record["rate"] = round(edge.fee * units), round(edge.fee_rate * RATE)
        record["largest"] = WHOLE if edge.largest is None else max(1, round(edge.largest * units))
        record["limit"], record["head_ms"], record["free_ms"] = edge.queue_limit, np.inf, -np.inf
        record["first"] = len(paths)
        paths += [n, *(numbers[name] for name in edge.path)]
        record["last"], record["blocks"] = len(paths), edge.confirmations
        moves = edge.source != edge.target
        record["wallet"] = wallets.get((edge.target, arrives), NONE) if moves else NONE
        record["home"] = wallets.get((edge.source, edge.asset), NONE) if moves else NONE
    for n, edge in enumerate(described):
        edges[n]["fallback"] = len(paths)
        paths += [numbers[name] for name in edge.fallback]
        edges[n]["fallback_end"] = len(paths)
    return edges, np.array(paths, np.int32)


def _waited_for(parameters: NetworkParameters, edge: EdgeParameters) -> Iterator[Resource]:
    """The stations of a path until a lender pays out, or all."""
    for name in edge.path:
        if isinstance(parameters.resources[name], CreditParameters):
            return
        yield parameters.resources[name]


def _nominal(resource: Resource, confirmations: int) -> float:
    """Seconds of a station that nobody else uses, as described."""
    if isinstance(resource, (ServersParameters, DelayParameters)):
        return resource.time
    return resource.block * (0.5 + confirmations) if isinstance(resource, ChainParameters) else 0.0


def _resources(
    parameters: NetworkParameters,
    asset_names: Sequence[str],
    scale: NDArray[np.int64],
    begin_ms: int,
    seed: int,
    lines: int,
) -> Records:
    table = _table(lines + len(parameters.resources), RESOURCE)
    table["head"] = table["tail"] = NONE
    table["open"] = table["admits"] = True
    table["noted_ms"] = begin_ms
    table["kind"] = LINE
    for field in ("fail_ms", "repair_ms", "look_ms"):
        table[field] = np.inf
    table["stop_queue"] = table["stop_hot"] = NONE
    table["reference"] = -1.0
    by_rule = parameters.stops in ("endogenous", "both")
    stream = random.stream_of(seed, "network", "station")
    for k, (name, resource) in enumerate(parameters.resources.items()):
        record = table[lines + k]
        record["kind"] = KINDS.index(resource.kind)
        record["key"] = random.key_of(f"resource/{name}") >> 2
        _outages(record, resource, by_rule, stream)
        _discipline(record, resource, begin_ms, stream)
        if isinstance(resource, WalletParameters):
            units = int(scale[asset_names.index(resource.asset)])
            record["hot"] = record["target"] = round(resource.hot * units)
            record["cold"] = round((resource.cold or 0.0) * units)
            if by_rule and resource.stops is not None and resource.stops.hot is not None:
                record["stop_hot"] = round(resource.stops.hot * units)
                record["reopen_hot"] = round(resource.stops.reopen_hot * units)
    return table


def _outages(record: Any, resource: Outages, by_rule: bool, stream: int) -> None:
    record["open"] = resource.open
    record["hazard"], record["growth"] = resource.hazard / HOUR, resource.hazard_growth
    record["repair"], record["repair_spread"] = resource.repair * SECOND, resource.repair_spread
    first = random.exponential(stream, np.array([record["key"]], np.int64), 0)
    record["threshold"] = first[0]
    stops = resource.stops if by_rule else None
    if stops is not None:
        record["stop_queue"] = NONE if stops.queue is None else stops.queue
        record["reopen_queue"], record["rest"] = stops.reopen_queue, stops.rest * SECOND
        record["works_off"] = stops.works_off


def _discipline(record: Any, resource: Resource, begin_ms: int, stream: int) -> None:
    """The numbers of one discipline, in ms and dollars."""
    if isinstance(resource, (ServersParameters, DelayParameters)):
        record["fixed"], record["law"] = resource.time * SECOND, LAWS.index(resource.law)
        record["spread"] = resource.spread
    if isinstance(resource, ServersParameters):
        record["servers"], record["bounce"] = resource.servers, resource.bounce
        record["per_value"] = resource.per_million * SECOND / 1e6
    elif isinstance(resource, WalletParameters):
        record["period"] = resource.refill * SECOND
        record["clock_ms"] = begin_ms + record["period"]
    elif isinstance(resource, ChainParameters):
        record["period"], record["law"] = resource.block * SECOND, LAWS.index(resource.law)
        first = random.exponential(stream, np.array([record["key"]], np.int64), BLOCKS)[0]
        record["clock_ms"] = begin_ms + record["period"] * (first if resource.law == "exponential" else 1.0)
        record["base"] = record["reference"] = resource.base_fee
        record["floor"], record["slots"], record["share"] = resource.floor, resource.slots, resource.share
        record["load"], record["follows"] = resource.load, resource.follows
        record["elasticity"], record["rebid"] = resource.elasticity, resource.rebid * SECOND
        record["headroom"], record["spread"] = resource.headroom, resource.headroom_spread
    elif isinstance(resource, AllowanceParameters):
        record["cap"] = record["room"] = resource.cap
        record["rate"], record["room_ms"] = resource.rate / HOUR, begin_ms
    elif isinstance(resource, CreditParameters):
        record["cap"], record["share"] = resource.limit, resource.cut_to
        record["reference"] = -1.0 if resource.cut_at is None else resource.cut_at


def grow(made: Tables) -> None:
    """Room for twice as many transfers."""
    size = len(made["transfers"])
    more = zeros(2 * size, TRANSFER)
    more[:size] = made["transfers"]
    more["id"][size:], more["due_ms"][size:] = -1, NEVER_MS
    made["transfers"] = more
    made["due"] = np.concatenate([made["due"], np.full(size, np.inf)])
    made["heap"] = np.concatenate([made["heap"], np.zeros(size, np.int32)])
    made["place"] = np.concatenate([made["place"], np.full(size, NONE, np.int32)])
    made["out"] = np.concatenate([made["out"], np.zeros(2 * size, np.int64)])


def copied(table: Records) -> Records:
    """A copy of a table: values only, field by field."""
    if table.dtype.names is None:
        return np.array(table)
    copy = _table(len(table), FIELDS_BY_NAMES[table.dtype.names])
    copy[:] = table
    return copy


FIELDS_BY_NAMES = {dtype.names: dtype for dtype in FIELDS.values() if dtype.names}


def faults(made: Tables) -> list[str]:
    """What does not add up, one line each: empty unless the program is wrong."""
    live = made["transfers"][made["transfers"]["id"] >= 0]
    edges = made["edges"]
    assets, on_edge, queued = made["totals"] * 0, edges["in_transit"] * 0, edges["waiting"] * 0
    np.add.at(assets, live["asset"], live["amount"])
    there = live[live["leg"] != ENDED]
    np.add.at(on_edge, there["edge"], there["amount"])
    np.add.at(queued, live["edge"][live["stage"] == QUEUED], 1)
    stations = made["resources"]["waiting"] * 0
    np.add.at(stations, live["station"][~live["busy"] & (live["station"] >= 0)], 1)
    sums = {
        "in transit by asset": (assets, made["totals"]),
        "in transit by edge": (on_edge, edges["in_transit"]),
        "queue by edge": (queued, edges["waiting"]),
        "queue by resource": (stations, made["resources"]["waiting"]),
    }
    lines = [
        f"network: {what}: {a} in the table, {b} booked" for what, (a, b) in sums.items() if (a != b).any()
    ]
    if (live["amount"] <= 0).any():
        lines.append("network: an amount under way is not positive")
    return lines
