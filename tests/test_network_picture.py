"""The picture of a network shows what is shared, and who reaches what by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from abm.channels import NetworkParameters
from experiments import config
from experiments.network_picture import GAP, boxes, draw, links, shared

RAW: dict[str, Any] = {
    "nodes": ["outside"],
    "resources": {
        "alpha/desk": {"kind": "servers"},
        "chain": {"kind": "chain"},
        "fast": {"kind": "allowance"},
        "slow": {"kind": "delay"},
    },
    "edges": [
        {"source": "alpha", "target": "beta", "asset": "USDT", "path": ["alpha/desk", "chain"]},
        {"source": "alpha", "target": "beta", "asset": "BTC", "path": ["alpha/desk", "chain"]},
        {"source": "beta", "target": "beta", "asset": "USDT"},
        {"source": "beta", "target": "outside", "asset": "USDT", "path": ["fast"], "fallback": ["slow"]},
        {"source": "outside", "target": "alpha", "asset": "USDT"},
    ],
}


def test_lines_go_through_what_is_shared_and_straight_where_nothing_is() -> None:
    parameters = NetworkParameters.model_validate(RAW)
    assert shared(parameters) == ["chain", "fast", "slow"]
    assert links(parameters) == {
        ("alpha", "/chain"): {"USDT", "BTC"},
        ("/chain", "beta"): {"USDT", "BTC"},
        ("beta", "/fast"): {"USDT"},
        ("/fast", "outside"): {"USDT"},
        ("beta", "/slow"): {"USDT"},
        ("/slow", "outside"): {"USDT"},
        ("outside", "alpha"): {"USDT"},
    }


def test_no_two_boxes_of_october_share_a_place_and_all_its_venues_reach_a_chain() -> None:
    october = config.load("october_2025")
    going = links(october.network)
    columns = [
        list(october.venues),
        [f"/{name}" for name in shared(october.network)],
        list(october.network.nodes),
    ]
    places = boxes(columns, going)
    assert len(set(places.values())) == len(places) == sum(map(len, columns))
    for column in range(3):
        heights = sorted(box.y for box in places.values() if box.column == column)
        assert all(b - a >= GAP - 1e-9 for a, b in zip(heights, heights[1:], strict=False))
    chains = {f"/{name}" for name, one in october.network.resources.items() if one.kind == "chain"}
    assert all(any((venue, chain) in going for chain in chains) for venue in columns[0])


def test_a_network_without_edges_can_be_drawn(tmp_path: Path) -> None:
    draw(NetworkParameters(), ["alpha", "beta"], tmp_path / "none.png", "nothing")
    assert (tmp_path / "none.png").stat().st_size > 1000
