"""The network alone under a load: 50 nodes, 400 edges, 10,000 transfers under way at any time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from abm.channels import NetworkParameters
from abm.network import Network
from tests.bench.line import Line

NODES, EDGES, UNDER_WAY = 50, 400, 10_000
STEPS = 9000  # of a second, as many as an October run
STAY = 600.0  # s that a transfer is about to take


def busy_network() -> Network:
    """Every node has a desk, every edge goes over its node's desk and one of two chains, and is then credited."""
    names = [f"n{i:02d}" for i in range(NODES)]
    resources: dict[str, Any] = {
        f"{name}/desk": {"kind": "servers", "servers": 40, "law": "lognormal", "time": 20.0, "spread": 0.5}
        for name in names
    }
    resources["chain_a"] = {"kind": "chain", "block": 12.0, "slots": 400, "share": 1.0, "elasticity": 0.0}
    resources["chain_b"] = {"kind": "chain", "block": 3.0, "slots": 100, "share": 1.0, "elasticity": 0.0}
    resources["credit"] = {"kind": "delay", "time": STAY - 40.0, "spread": 0.3}
    ends = [(a, (a + k) % NODES) for k in range(1, EDGES // NODES + 1) for a in range(NODES)]
    edges = [
        {
            "source": names[a], "target": names[b], "asset": "USDT",
            "path": [f"{names[a]}/desk", ("chain_a", "chain_b")[n % 2], "credit"], "confirmations": 1,
        }
        for n, (a, b) in enumerate(ends)
    ]  # fmt: skip
    described = NetworkParameters.model_validate({"nodes": [], "resources": resources, "edges": edges})
    return Network(described, names, ["USDT"], [6], datetime(2025, 10, 10, 20, tzinfo=UTC), 1)


def run(steps: int = STEPS) -> tuple[float, float, int]:
    """(CPU seconds of requests and steps, mean number under way, arrived) once the load has built up."""
    network, luck = busy_network(), np.random.default_rng(1)
    ends = np.array([[int(edge["source"]), int(edge["target"])] for edge in network.edges])
    inside, arrived, warm, spent = 0.0, 0, round(2 * STAY), 0.0
    for k in range(warm + steps):
        count = int(luck.poisson(UNDER_WAY / STAY))
        some = ends[luck.integers(len(ends), size=count)]
        amounts = luck.integers(10**6, 10**10, count)
        began = time.process_time()
        network.request(some[:, 0], some[:, 1], some[:, 0], some[:, 1], np.arange(count), 0, amounts)
        done = network.step(1000 * (k + 1))
        if k >= warm:
            spent += time.process_time() - began
            inside += int(np.count_nonzero(network.transfers["id"] >= 0)) / steps
            arrived += len(done)
    return spent, inside, arrived


def measure(october: float | None = None) -> list[Line]:
    """CPU time of as many steps as October has; over that of an October run (seconds), where it was measured too."""
    spent, inside, arrived = run()
    what = f"network: {NODES} nodes, {EDGES} edges, {STEPS} steps"
    load = f"{inside:,.0f} under way on average, {arrived:,} arrived"
    if october is None:
        return [Line(what, spent, "s", beside=load)]
    beside = f"{spent:.2f} s and {october:.0f} s; {load}"
    return [Line(f"{what} / October", spent / october, most=0.10, beside=beside)]
