"""The network as tables of words, and as a graph that other programs read and write.

A graph (GraphML, or the node-link JSON of networkx) holds all that `[network]` holds: an edge's attributes are its
parameters, and the graph's own attributes are the resources, the events and who shuts. What a format cannot hold
(lists, tables) is JSON text in it. Reading gives the same tables again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import networkx as nx
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table

from abm.channels import NetworkParameters
from experiments.faults import show

WHOLE = ("nodes", "resources", "events", "stops")  # attributes of the graph itself


def graph_of(parameters: NetworkParameters, venues: Iterable[str]) -> nx.MultiDiGraph:
    """The graph of a network: plain values only, every number written out."""
    raw = parameters.model_dump(mode="json", exclude_none=True)
    graph = nx.MultiDiGraph(**{name: raw[name] for name in WHOLE})
    graph.add_nodes_from(venues, what="venue")
    graph.add_nodes_from(parameters.nodes, what="free")
    for n, edge in enumerate(raw["edges"]):
        attributes = {key: value for key, value in edge.items() if key not in ("source", "target")}
        graph.add_edge(edge["source"], edge["target"], key=n, **attributes)
    return graph


def tables(graph: nx.MultiDiGraph) -> dict[str, Any]:
    """The raw tables of `[network]` of a graph. Raises KeyError if it lacks one."""
    raw: dict[str, Any] = {name: graph.graph[name] for name in WHOLE if name in graph.graph}
    if "nodes" not in raw:
        raw["nodes"] = [node for node, what in graph.nodes(data="what") if what != "venue"]
    edges = sorted(graph.edges(keys=True, data=True), key=lambda edge: _order(edge[2]))
    raw["edges"] = [{"source": a, "target": b, **data} for a, b, _, data in edges]
    return raw


def _order(key: Any) -> tuple[int, str]:
    text = str(key)
    return (int(text), "") if text.isdigit() else (1 << 60, text)


def write(graph: nx.MultiDiGraph, path: Path) -> None:
    """Write a graph by its file's ending: .graphml, or node-link JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".graphml":
        flat = graph.copy()
        for table in (flat.graph, *(data for *_, data in flat.edges(keys=True, data=True))):
            table.update({k: json.dumps(v) for k, v in table.items() if isinstance(v, (list, dict))})
        nx.write_graphml(flat, path)
    else:
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges"), indent=1), encoding="utf-8")


def read(path: Path) -> nx.MultiDiGraph:
    """Read such a file again. Raises OSError, ValueError or KeyError (no such graph)."""
    if path.suffix != ".graphml":
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("a node-link table expected")
        return nx.node_link_graph(data, directed=True, multigraph=True, edges="edges")
    try:
        graph = nx.read_graphml(path, force_multigraph=True)
    except Exception as error:  # the XML reader's own errors
        raise ValueError(str(error)) from error
    for table in (graph.graph, *(data for *_, data in graph.edges(keys=True, data=True))):
        table.pop("node_default", None)
        table.pop("edge_default", None)
        for key, value in table.items():
            if isinstance(value, str) and value[:1] in ("[", "{"):
                table[key] = json.loads(value)
    return graph


def described(parameters: NetworkParameters, venues: Iterable[str], title: str) -> Group:
    """Nodes, resources with their numbers and sources, and edges by kind, as tables for a terminal."""
    nodes = Table(box=SIMPLE, title=title)
    for column in ("node", "what", "edges out", "edges in"):
        nodes.add_column(column)
    out, into = (Counter(getattr(edge, end) for edge in parameters.edges) for end in ("source", "target"))
    for name, what in [*((v, "venue") for v in venues), *((n, "free") for n in parameters.nodes)]:
        nodes.add_row(name, what, str(out[name]), str(into[name]))
    resources = Table(box=SIMPLE, title="resources: what edges share")
    for column in ("resource", "kind", "edges", "numbers", "source"):
        resources.add_column(column, overflow="fold")
    use = Counter(name for edge in parameters.edges for name in {*edge.path, *edge.fallback})
    for name, resource in parameters.resources.items():
        resources.add_row(name, resource.kind, str(use[name]), _numbers(resource), resource.source)
    edges = Table(box=SIMPLE, title="edges")
    for column in ("kind", "assets", "count", "path", "numbers", "source"):
        edges.add_column(column, overflow="fold")
    for (kind, path, numbers, note), group in _groups(parameters).items():
        assets = ", ".join(
            dict.fromkeys(e.asset + (f" to {e.asset_to}" if e.asset_to else "") for e in group)
        )
        edges.add_row(kind, assets, str(len(group)), path, numbers, note)
    events = Table(box=SIMPLE, title=f"recorded events ({len(parameters.events)}); stops: {parameters.stops}")
    for column in ("time", "what", "change"):
        events.add_column(column)
    for event in parameters.events:
        selector = event.resource or show(event.edge.model_dump(exclude_none=True))
        change = event.model_dump(exclude_none=True, exclude={"time", "edge", "resource"})
        events.add_row(show(event.time), selector, show(change))
    return Group(nodes, resources, edges, events)


def _numbers(resource: Any) -> str:
    """What a resource has beside the defaults of its discipline, and what it must have."""
    kept = resource.model_dump(exclude_none=True, exclude={"kind", "source"}, exclude_defaults=True)
    return ", ".join(f"{key} {show(value)}" for key, value in kept.items())


def _groups(parameters: NetworkParameters) -> Mapping[tuple[str, ...], list[Any]]:
    """Edges of one kind whose paths differ only in whose desk or wallet it is."""
    groups: dict[tuple[str, ...], list[Any]] = {}
    for edge in parameters.edges:
        path = [
            name.replace(edge.source + "/", "{source}/")
            .replace(edge.target + "/", "{target}/")
            .replace("/" + edge.asset, "/{asset}")
            for name in edge.path
        ]
        hidden = {"source", "target", "asset", "asset_to", "kind", "path", "fallback", "note"}
        numbers = edge.model_dump(exclude=hidden, exclude_none=True, exclude_defaults=True)
        text = ", ".join(f"{key} {show(value)}" for key, value in numbers.items())
        end = f", else {', '.join(edge.fallback)}" if edge.fallback else ""
        groups.setdefault((edge.kind, " > ".join(path) + end, text, edge.note), []).append(edge)
    return groups
