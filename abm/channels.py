"""The transfer network as data: channels between nodes, and what happened to them at recorded times.

These are the frozen models behind the scenario table ``[network]``::

    [[network.edges]]
    source = "alpha"
    target = "beta"
    asset = "USDT"
    latency = 60.0

    [[network.events]]
    time = 2025-10-10T21:12:00Z
    edge = {source = "alpha"}
    open = false
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, model_validator

from abm.parameters import Frozen, parameter


class EdgeParameters(Frozen):
    """One channel for one asset between two nodes, one way."""

    source: str = parameter(..., "Node that sends: a venue or a free node")
    target: str = parameter(..., "Node that receives; the source itself for moves inside a venue")
    asset: str = parameter(..., "Asset that moves")
    kind: str = parameter("transfer", "Free word for the kind of channel; events can select by it")
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
    """Something that happened to edges at a recorded time."""

    time: AwareDatetime = parameter(..., "When", unit="UTC time")
    edge: EdgeSelector = parameter(EdgeSelector(), "Which edges")
    open: bool | None = parameter(None, "Serve from now on, or stop")
    capacity: float | None = parameter(
        None, "New capacity", unit="asset units a second", source="the record", ge=0, le=1e15
    )
    latency: float | None = parameter(
        None, "New median time on the way", unit="seconds", source="the record", ge=0, le=30 * 86400
    )

    @model_validator(mode="after")
    def _changes_something(self) -> NetworkEvent:
        if self.open is None and self.capacity is None and self.latency is None:
            raise ValueError("an event without effect given, open, capacity or latency expected")
        return self


class NetworkParameters(Frozen):
    """Nodes, edges and recorded events. Every venue is a node."""

    nodes: tuple[str, ...] = parameter(
        ("outside",), "Nodes that are no venue: self-custody, a bank, an issuer"
    )
    edges: tuple[EdgeParameters, ...] = parameter((), "The channels")
    events: tuple[NetworkEvent, ...] = parameter((), "What happened to channels at recorded times")

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
        for n, event in enumerate(self.events):
            if not any(selects(event.edge, edge) for edge in self.edges):
                given = event.edge.model_dump(exclude_none=True)
                lines.append(
                    f"network.events[{n}].edge: {given} given, a selector of at least one edge expected"
                )
        return lines


def selects(selector: EdgeSelector, edge: EdgeParameters) -> bool:
    """Whether `edge` agrees with every key of `selector`."""
    return all(
        getattr(edge, field) == value for field, value in selector.model_dump(exclude_none=True).items()
    )
