"""Networks as data: short lines written out, presets, graphs out and in, and faults in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import tomli_w

from abm.network import Network, NetworkParameters
from experiments import cli, config, network_file, network_map
from tests.test_stations import EDGES, EVERYTHING, START

VENUES = ["alpha", "beta", "gamma"]
SHORT: dict[str, Any] = {
    "resources": {
        "{venue}/desk": {
            "venues": ["alpha", "beta"], "kind": "servers", "servers": {"alpha": 9, "else": 3}, "time": 20.0,
        },
        "{venue}/{asset}": {
            "venues": ["alpha"], "assets": ["USDT", "BTC"], "kind": "wallet", "venue": "{venue}",
            "asset": "{asset}", "hot": {"BTC": 5.0, "USDT": 7.0},
        },
        "chain": {"kind": "chain"},
    },
    "edges": [
        {
            "sources": ["alpha"], "targets": ["alpha", "beta", "gamma"], "assets": ["USDT", "BTC"],
            "path": ["{source}/desk", "{source}/{asset}", "chain"], "confirmations": {"beta": 2, "else": 4},
        },
        {"sources": ["alpha", "beta"], "assets": ["USDT"], "kind": "internal", "latency": 0.1},
        {"source": "beta", "target": "gamma", "asset": "USDT", "latency": 3.0},
    ],
}  # fmt: skip


def test_one_line_stands_for_many() -> None:
    raw = {"resources": dict(SHORT["resources"]), "edges": list(SHORT["edges"])}
    assert network_file.expand(raw, "network") == []
    parameters = NetworkParameters.model_validate(raw)
    assert parameters.faults(VENUES, ["USDT", "BTC"]) == []
    assert list(parameters.resources) == ["alpha/desk", "beta/desk", "alpha/USDT", "alpha/BTC", "chain"]
    assert [parameters.resources[f"{v}/desk"].servers for v in ("alpha", "beta")] == [9, 3]  # type: ignore[union-attr]
    assert parameters.resources["alpha/BTC"].hot == 5.0  # type: ignore[union-attr]
    ends = [(e.source, e.target, e.asset) for e in parameters.edges]
    assert ends == [
        ("alpha", "beta", "USDT"), ("alpha", "beta", "BTC"), ("alpha", "gamma", "USDT"), ("alpha", "gamma", "BTC"),
        ("alpha", "alpha", "USDT"), ("beta", "beta", "USDT"), ("beta", "gamma", "USDT"),
    ]  # fmt: skip
    assert parameters.edges[1].path == ("alpha/desk", "alpha/BTC", "chain")
    assert [e.confirmations for e in parameters.edges[:4]] == [2, 2, 4, 4]
    again = {"resources": dict(raw["resources"]), "edges": list(raw["edges"])}
    assert network_file.expand(again, "network") == [] and again == raw  # what is written out stays


def test_what_stands_beside_a_preset_counts(tmp_path: Path) -> None:
    file = tmp_path / "made.toml"
    file.write_text(tomli_w.dumps(SHORT))
    network: dict[str, Any] = {
        "preset": str(file),
        "resources": {"alpha/desk": {"servers": 50}, "new": {"kind": "delay"}},
        "events": [],
    }
    assert network_file.apply(network) == []
    assert network["resources"]["alpha/desk"] == {"kind": "servers", "servers": 50, "time": 20.0}
    assert network["resources"]["new"] == {"kind": "delay"}
    assert len(network["edges"]) == 7 and "preset" not in network


def test_more_edges_come_beside_those_of_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "made.toml"
    file.write_text(tomli_w.dumps(SHORT))
    stop = {"time": "2025-10-10T21:12:00Z", "resource": "chain", "open": False}
    more = {"sources": ["beta", "gamma"], "target": "alpha", "assets": ["USDT"], "path": ["chain"]}
    network: dict[str, Any] = {"preset": str(file), "more_edges": [more], "more_events": [stop]}
    assert network_file.apply(network) == []
    assert [edge["source"] for edge in network["edges"][7:]] == ["beta", "gamma"]
    assert network["events"] == [stop] and not {"more_edges", "more_events"} & set(network)
    assert network_file.apply({"more_edges": 3}) == ["network.more_edges: given 3, expected a list of tables"]


def test_faults_of_short_lines_come_in_words(tmp_path: Path) -> None:
    raw = {
        "edges": [
            {"sources": ["alpha"], "targets": ["beta"], "assets": ["BTC"], "path": ["{sorce}/desk"]},
            {"sources": "alpha", "targets": ["beta"], "asset": "BTC"},
            {"sources": ["alpha"], "targets": ["beta"], "assets": ["BTC"], "fee": {"alpha": 1.0, "BTC": 0.1}},
            {"sources": ["alpha"], "targets": ["beta"], "asset": "BTC", "fee": {"alpha": 1.0}},
        ]
    }
    lines = network_file.expand(raw, "network")
    assert [line.split(":")[0] for line in lines] == [
        "network.edges.0",
        "network.edges.1.sources",
        "network.edges.3",
    ]
    assert "{sorce}" in lines[0] and "did you mean source?" in lines[0]
    assert network_file.apply({"preset": "october"}) == [
        'network.preset: given "october", no such network, did you mean october_2025?'
    ]
    for name, text in (("a.toml", "= 3"), ("b.json", "[1]"), ("c.graphml", "<x>")):
        (tmp_path / name).write_text(text)
        (line,) = network_file.apply({"preset": str(tmp_path / name)})
        assert "expected a readable network" in line


def test_a_resource_with_faults_is_told_by_its_place() -> None:
    text = (config.SCENARIOS / "two_venues.toml").read_text()
    with pytest.raises(config.ScenarioError) as caught:
        config.loads(
            text
            + """
[network.resources.desk]
kind = "servers"
servers = 0
tiem = 3.0
[network.resources.tron]
kind = "chian"
[network.resources.none]
block = 3.0
[network.resources.wallet]
kind = "wallet"
venue = "alhpa"
asset = "USDT"
"""
        )
    assert sorted(caught.value.faults) == [
        "network.resources.desk.servers: given 0, expected a whole number between 1 and 10000",
        "network.resources.desk.tiem: no such parameter, did you mean time?",
        "network.resources.none.kind: nothing given, expected one of "
        "servers, delay, wallet, chain, allowance, credit, hours",
        'network.resources.tron.kind: given "chian", did you mean chain?',
        "network.resources.wallet.venue: 'alhpa' given, one of alpha, beta expected",
    ]


def test_an_issuer_changes_only_assets_of_as_many_decimals() -> None:
    text = (config.SCENARIOS / "two_venues.toml").read_text()
    mint = '[[network.edges]]\nsource = "alpha"\ntarget = "beta"\nasset = "USDT"\nasset_to = "BTC"\n'
    before = "# ---------------------------------------------------------------- what happens"
    with pytest.raises(config.ScenarioError, match="asset_to: given"):
        config.loads(text.replace(before, f"{mint}\n{before}", 1))


def test_every_discipline_is_in_the_table_of_parameters() -> None:
    paths = {row.path for row in config.parameter_table()}
    for place in ("NAME(chain).elasticity", "NAME(servers).stops.queue", "NAME(hours).calendar"):
        assert f"network.resources.{place}" in paths
    scenario = config.load("october_2025")
    values = {row.path: row.value for row in config.parameter_table(scenario)}
    assert values["network.resources.tron.block"] == "3.0"


@pytest.mark.parametrize("ending", [".json", ".graphml"])
def test_a_graph_that_is_written_reads_the_same(tmp_path: Path, ending: str) -> None:
    october = config.load("october_2025")
    made = NetworkParameters.model_validate(
        {"resources": EVERYTHING, "edges": EDGES, "nodes": ["outside", "issuer"]}
    )
    for parameters, venues in ((made, VENUES), (october.network, list(october.venues))):
        path = tmp_path / f"map{ending}"
        network_map.write(network_map.graph_of(parameters, venues), path)
        raw, faults = network_file.read(str(path))
        assert faults == []
        assert NetworkParameters.model_validate(raw) == parameters


def test_a_graph_that_another_program_drew_can_be_a_network(tmp_path: Path) -> None:
    graph = nx.MultiDiGraph()
    graph.add_node("alpha", what="venue")
    graph.add_node("outside")
    graph.add_edge("alpha", "outside", asset="USDT", latency=30.0)
    path = tmp_path / "drawn.graphml"
    nx.write_graphml(graph, path)
    raw, faults = network_file.read(str(path))
    assert faults == []
    parameters = NetworkParameters.model_validate(raw)
    assert parameters.nodes == ("outside",) and parameters.edges[0].latency == 30.0


def test_the_command_line_shows_and_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, graph, table = tmp_path / "map.png", tmp_path / "map.graphml", tmp_path / "back.toml"
    assert (
        cli.answer(["network", "show", "october_2025", "--out", str(picture), "--graphml", str(graph)]) == 0
    )
    shown = capsys.readouterr().out
    assert picture.stat().st_size > 10_000
    for word in ("tron", "hyperliquid/bridge", "fedwire", "issuer/desk", "assumption", "as_recorded"):
        assert word in shown
    assert cli.answer(["network", "import", str(graph), "--out", str(table)]) == 0
    capsys.readouterr()
    raw, faults = network_file.read(str(table))
    assert faults == [] and NetworkParameters.model_validate(raw) == config.load("october_2025").network
    assert cli.answer(["network", "import", str(tmp_path / "none.json"), "--out", str(table)]) == 2
    assert "no such network" in capsys.readouterr().err


def test_faults_of_files_on_the_command_line_are_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    nowhere, broken = tmp_path / "file" / "map", tmp_path / "broken.json"
    broken.write_text("{}")
    for words, told in (
        (["show", "kimchi", "--set", f"network.preset={broken}"], "expected a readable network: it has no 'nodes'"),
        (["show", "kimchi", "--set", "network.preset=octber_2025"], "did you mean october_2025?"),
        (["show", "kimchi", "--out", f"{nowhere}.png"], "--out: cannot write to"),
        (["show", "kimchi", "--out", str(tmp_path / "map.png"), "--graphml", f"{nowhere}.graphml"], "--graphml: "),
        (["import", str(broken), "--out", str(tmp_path / "made.toml")], "it has no 'nodes'"),
    ):  # fmt: skip
        assert cli.answer(["network", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line


def test_the_wallets_of_october_belong_to_whoever_sends() -> None:
    october = config.load("october_2025")
    parameters = october.network
    assert len(parameters.edges) == 241
    kinds = {resource.kind for resource in parameters.resources.values()}
    assert kinds == {"servers", "delay", "wallet", "chain", "hours", "allowance"}
    said = [resource.source for resource in parameters.resources.values()]
    assert all(said) and all(edge.note for edge in parameters.edges)


def test_won_wait_for_the_bank_while_coins_move() -> None:
    raw, faults = network_file.read("korea")
    assert faults == [] and network_file.expand(raw, "korea") == []
    assets = ["USDT", "BTC", "KRW"]
    net = Network(
        NetworkParameters.model_validate(raw),
        ["global", "seoul"],
        assets,
        [6, 8, 2],
        START,
        1,
        [1, 1e5, 7e-4],
    )
    amount = np.array([10**8])
    for source, target, asset in ((0, 1, 1), (1, 3, 2)):
        assert net.request(0, 1, source, target, 0, asset, amount).codes.tolist() == [0]
    arrived = [int(r["asset"]) for now in range(60_000, 8 * 3_600_000, 60_000) for r in net.step(now)]
    assert arrived == [1]  # Saturday in Seoul
    arrived = [int(r["asset"]) for now in range(net.now_ms, 60 * 3_600_000, 60_000) for r in net.step(now)]
    assert arrived == [2]  # Monday
    assert net.check() == []
