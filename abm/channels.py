"""The transfer network as data: channels between nodes, and what happened to them at recorded times.

These are the frozen models behind the scenario table ``[network]``::

    [[network.edges]]
    source = "alpha"
    target = "beta"
    asset = "USDT"
    latency = 60.0

    [network.resources.tron]
    kind = "chain"
    block = 3.0

    [[network.edges]]
    source = "alpha"
    target = "beta"
    asset = "USDT"
    path = ["alpha.review", "alpha.hot", "tron", "beta.credit"]
    confirmations = 20

    [[network.events]]
    time = 2025-10-10T21:12:00Z
    edge = {source = "alpha"}
    open = false

A resource is shared by all edges whose paths name it: one congested chain slows all its assets and venues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Discriminator, Tag, model_validator

from abm.allowances import AllowanceParameters, CreditParameters
from abm.chains import ChainParameters
from abm.hours import HoursParameters
from abm.parameters import Frozen, parameter
from abm.servers import DelayParameters, ServersParameters
from abm.wallets import WalletParameters


def _kind(given: Any) -> Any:
    """The discipline that a table of a resource, or its parameters, names."""
    return given.get("kind") if isinstance(given, Mapping) else getattr(given, "kind", None)


Resource = Annotated[
    Annotated[ServersParameters, Tag("servers")]
    | Annotated[DelayParameters, Tag("delay")]
    | Annotated[WalletParameters, Tag("wallet")]
    | Annotated[ChainParameters, Tag("chain")]
    | Annotated[AllowanceParameters, Tag("allowance")]
    | Annotated[CreditParameters, Tag("credit")]
    | Annotated[HoursParameters, Tag("hours")],
    Discriminator(_kind),
]


class EdgeParameters(Frozen):
    """One channel for one asset between two nodes, one way.

    Without a path it is a single server of its own: `capacity`, then `latency`. With a path its transfers go through
    the resources named there, one after the other, and those three numbers are not used.
    """

    source: str = parameter(..., "Node that sends: a venue or a free node")
    target: str = parameter(..., "Node that receives; the source itself for moves inside a venue")
    asset: str = parameter(..., "Asset that moves")
    kind: str = parameter(
        "transfer",
        "Word for the kind of channel; events can select by it: transfer, internal, bridge, wire, mint, redeem, credit",
    )
    asset_to: str | None = parameter(
        None,
        "What arrives, one for one, where that is another asset (an issuer mints or redeems); none = the same",
    )
    note: str = parameter("", "Where its numbers come from")
    path: tuple[str, ...] = parameter((), "Resources that a transfer goes through, in their order")
    fallback: tuple[str, ...] = parameter(
        (), "The rest of the path from an allowance on that has no room: the slow class"
    )
    confirmations: int = parameter(
        0, "Blocks after the one that holds it, on each chain of the path", unit="blocks", ge=0, le=10_000
    )
    capacity: float = parameter(
        30_000.0,
        "What the edge can send; 0 refuses every request",
        unit="asset units a second",
        source="assumption: a hot wallet pays out $50-200M an hour",
        ge=0,
        le=1e15,
    )
    latency: float = parameter(
        60.0,
        "Median time on the way once sent",
        unit="seconds",
        source="USDT on Tron: 19-20 confirmations of 3 s (deposit pages of OKX and WhiteBIT)",
        ge=0,
        le=30 * 86400,
    )
    jitter: float = parameter(
        0.5, "Standard deviation of the log time on the way", unit="log seconds", ge=0, le=3
    )
    fee: float = parameter(
        0.0,
        "Fixed fee, taken from the amount when it is sent",
        unit="asset units",
        source="assumption; a withdrawal over Hyperliquid's bridge costs 1 USDC",
        ge=0,
    )
    fee_rate: float = parameter(
        0.0, "Fee in proportion, taken as well", unit="share of the amount", ge=0, le=0.1
    )
    largest: float | None = parameter(
        None,
        "Most in one transfer; what is larger is split, and each part pays the fixed fee",
        unit="asset units",
        gt=0,
        le=1e15,
    )
    open: bool = parameter(True, "Whether the edge serves at the start")
    queue_limit: int = parameter(
        100_000, "Waiting transfers at which a request is refused", unit="transfers", ge=1
    )
    when_shut: Literal["wait", "refuse"] = parameter(
        "wait",
        "New requests to a shut edge join its queue, or are refused and leave the money with the sender",
    )


class EdgeSelector(Frozen):
    """All edges that agree with every key given; none given = all edges."""

    source: str | None = parameter(None, "Node that sends")
    target: str | None = parameter(None, "Node that receives")
    asset: str | None = parameter(None, "Asset that moves")
    kind: str | None = parameter(None, "Kind of channel")


class NetworkEvent(Frozen):
    """Something that happened to edges, or to a resource, at a recorded time."""

    time: AwareDatetime = parameter(..., "When", unit="UTC time")
    edge: EdgeSelector = parameter(EdgeSelector(), "Which edges, where no resource is named")
    resource: str | None = parameter(None, "Which resource; * stands for any text")
    open: bool | None = parameter(None, "Serve from now on, or stop")
    capacity: float | None = parameter(
        None,
        "New capacity of edges without a path",
        unit="asset units a second",
        source="the record",
        ge=0,
        le=1e15,
    )
    latency: float | None = parameter(
        None,
        "New median time on the way of edges without a path",
        unit="seconds",
        source="the record",
        ge=0,
        le=30 * 86400,
    )
    duration: float | None = parameter(
        None, "New time of servers or of a delay", unit="seconds", source="the record", ge=0, le=30 * 86400
    )
    load: float | None = parameter(
        None, "New background load of a chain", unit="share of a block", source="the record", ge=0, le=100
    )
    limit: float | None = parameter(
        None, "New limit of a lender's line", unit="dollars", source="the record", ge=0, le=1e15
    )

    @model_validator(mode="after")
    def _changes_something(self) -> NetworkEvent:
        edges = (self.capacity, self.latency)
        resources = (self.duration, self.load, self.limit)
        if all(value is None for value in (self.open, *edges, *resources)):
            raise ValueError("an event without effect given, open, capacity or latency expected")
        wrong = edges if self.resource else resources
        if any(value is not None for value in wrong):
            raise ValueError(
                "capacity and latency belong to edges; duration, load and limit to a resource: one of both expected"
            )
        return self


class NetworkParameters(Frozen):
    """Nodes, edges, resources and recorded events. Every venue is a node."""

    nodes: tuple[str, ...] = parameter(
        ("outside",), "Nodes that are no venue: self-custody, a bank, an issuer"
    )
    resources: dict[str, Resource] = parameter({}, "What edges share: desks, wallets, chains, bridges, banks")
    edges: tuple[EdgeParameters, ...] = parameter((), "The channels")
    events: tuple[NetworkEvent, ...] = parameter((), "What happened to channels at recorded times")
    stops: Literal["as_recorded", "endogenous", "both", "none"] = parameter(
        "as_recorded",
        "Who shuts and reopens: recorded events, the resources' own rules (`stops`), both or nobody",
    )

    def faults(self, venue_names: Sequence[str], asset_names: Sequence[str]) -> list[str]:
        """Every name that does not exist and every event that meets no edge: one line each, empty if none."""
        nodes = [*venue_names, *self.nodes]
        known = {"source": nodes, "target": nodes, "asset": list(asset_names)}
        lines = [
            f"network.nodes: {name!r} given twice, distinct names expected"
            for name in sorted({name for name in nodes if nodes.count(name) > 1})
        ]
        for n, edge in enumerate(self.edges):
            for field, names in known.items():
                if getattr(edge, field) not in names:
                    given, expected = getattr(edge, field), ", ".join(names)
                    lines.append(f"network.edges[{n}].{field}: {given!r} given, one of {expected} expected")
            lines += self._path_faults(n, edge, asset_names)
        for name, resource in self.resources.items():
            lines += _resource_faults(name, resource, venue_names, asset_names)
        for n, event in enumerate(self.events):
            lines += self._event_faults(n, event)
        return lines

    def _path_faults(self, n: int, edge: EdgeParameters, asset_names: Sequence[str]) -> Iterator[str]:
        where = f"network.edges[{n}]"
        if edge.asset_to is not None and edge.asset_to not in asset_names:
            yield f"{where}.asset_to: {edge.asset_to!r} given, one of {', '.join(asset_names)} expected"
        for field in ("path", "fallback"):
            for name in getattr(edge, field):
                if name not in self.resources:
                    yield f"{where}.{field}: {name!r} given, {_among(name, self.resources)} expected"
        kinds = {name: self.resources[name].kind for name in edge.path if name in self.resources}
        if edge.fallback and "allowance" not in kinds.values():
            yield f"{where}.fallback: given without an allowance, a path with one expected"
        homes = {
            name
            for name, resource in self.resources.items()
            if isinstance(resource, WalletParameters)
            and (resource.venue, resource.asset) == (edge.source, edge.asset)
        }
        wallets = {name for name, kind in kinds.items() if kind == "wallet"}
        if edge.source != edge.target and wallets != homes:
            given = ", ".join(sorted(wallets)) or "no wallet"
            expected = ", ".join(sorted(homes)) or f"none, as {edge.source} has none for {edge.asset}"
            yield f"{where}.path: {given} given, the sender's own wallet expected: {expected}"
        if edge.source == edge.target and wallets:
            yield f"{where}.path: a wallet given, none expected: what moves inside a venue stays in its wallets"

    def _event_faults(self, n: int, event: NetworkEvent) -> Iterator[str]:
        if event.resource is not None:
            kinds = {self.resources[name].kind for name in matching(event.resource, self.resources)}
            if not kinds:
                expected = _among(event.resource, self.resources)
                yield f"network.events[{n}].resource: {event.resource!r} given, {expected} expected"
            wanted = {"duration": {"servers", "delay"}, "load": {"chain"}, "limit": {"credit"}}
            for field, fitting in wanted.items():
                if kinds - fitting and getattr(event, field) is not None:
                    which = ", ".join(sorted(kinds))
                    expected = " or ".join(sorted(fitting))
                    yield f"network.events[{n}].{field}: given for {which}, {expected} expected"
            return
        met = [edge for edge in self.edges if selects(event.edge, edge)]
        if not met:
            given = event.edge.model_dump(exclude_none=True)
            yield f"network.events[{n}].edge: {given} given, a selector of at least one edge expected"
        if (event.capacity is not None or event.latency is not None) and met and all(e.path for e in met):
            yield f"network.events[{n}]: capacity or latency given for edges with a path, a resource expected"


def _resource_faults(
    name: str, resource: Resource, venue_names: Sequence[str], asset_names: Sequence[str]
) -> Iterator[str]:
    if isinstance(resource, WalletParameters):
        for field, names in (("venue", venue_names), ("asset", asset_names)):
            if getattr(resource, field) not in names:
                given, expected = getattr(resource, field), ", ".join(names)
                yield f"network.resources.{name}.{field}: {given!r} given, one of {expected} expected"
    elif resource.stops is not None and resource.stops.hot is not None:
        yield f"network.resources.{name}.stops.hot: given for {resource.kind}, a wallet expected"


def _among(given: str, names: Iterable[str]) -> str:
    """What a resource's name might have been."""
    near = get_close_matches(given, list(names), n=3, cutoff=0.6)
    return " or ".join(near) or "a name of network.resources"


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that a pattern means; * stands for any text."""
    return [name for name in names if fnmatchcase(name, pattern)]


def selects(selector: EdgeSelector, edge: EdgeParameters) -> bool:
    """Whether `edge` agrees with every key of `selector`."""
    return all(
        getattr(edge, field) == value for field, value in selector.model_dump(exclude_none=True).items()
    )
