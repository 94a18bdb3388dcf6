"""Requests for transfers: what is taken, what it costs, what is published of it, and what owners learn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from abm.network import (
    ACCEPTED,
    NO_CAPACITY,
    NO_ROUTE,
    QUEUE_FULL,
    SHUT,
    TOO_SMALL,
    Network,
    NetworkParameters,
)
from abm.punctuality import Punctuality
from tests.test_stations import EDGES, EVERYTHING
from tests.twins.requests import Requests

VENUES, ASSETS = ["alpha", "beta", "gamma"], ["USDT", "USD"]
START = datetime(2025, 10, 10, 22, tzinfo=UTC)  # an hour before the wires close
FIELDS = ("id", "key", "owner", "amount", "fee", "hops", "sent_ms", "value", "expected_ms")
LINE = {"asset": "USDT", "capacity": 25.0, "latency": 12.0, "jitter": 0.4}


def described(rng: np.random.Generator) -> NetworkParameters:
    """All disciplines and more edges, with fees, splits, short queues and edges that refuse."""
    edges = [dict(one) for one in EDGES]
    edges += [LINE | {"source": "gamma", "target": "beta"}, LINE | {"source": "outside", "target": "beta"}]
    edges.append({"source": "gamma", "target": "alpha", "asset": "USDT", "path": ["wire", "quick"]})
    edges.append(LINE | {"source": "alpha", "target": "alpha", "capacity": 1e9})
    for one in edges:
        one["fee"] = float(rng.choice([0.0, 0.5, 7.0]))
        one["fee_rate"] = float(rng.choice([0.0, 0.001]))
        one["largest"] = [None, 90.0, 250.0][rng.integers(3)]
        one["queue_limit"] = int(rng.choice([3, 100]))
        one["when_shut"] = ["wait", "refuse"][rng.integers(2)]
    resources = EVERYTHING | {"wire": {"kind": "hours", "calendar": "fedwire"}}
    return NetworkParameters.model_validate(
        {"nodes": ["outside", "issuer"], "resources": resources, "edges": edges, "stops": "both"}
    )


def meddle(net: Network, rng: np.random.Generator) -> None:
    """Somebody opens, shuts, widens or slows something."""
    edge = int(rng.integers(len(net.edges)))
    what = rng.integers(4)
    if what == 0:
        net.set(edge, open=bool(rng.integers(2)))
    elif what == 1:
        lines = np.flatnonzero(net.edges["last"] - net.edges["first"] == 1)
        net.set(int(rng.choice(lines)), capacity=float(rng.choice([0.0, 10.0, 60.0])))
    elif what == 2:
        net.set_resource(str(rng.choice(net.resource_names)), open=bool(rng.integers(3)))
    else:
        net.set_resource("desk", duration=float(rng.uniform(1, 20)))


def watch(monkeypatch: pytest.MonkeyPatch, net: Network, slow: Requests) -> None:
    """Whoever asks what is published asks the twin as well: both keep what they have once said."""
    ask = net.delay

    def both(number: int) -> float:
        told = slow.delay(number)
        assert ask(number) == told
        return told

    monkeypatch.setattr(net, "delay", both)


@pytest.mark.parametrize("seed", range(4))
def test_requests_agree_with_their_twin(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    parameters = described(rng)
    net = Network(parameters, VENUES, ASSETS, [6, 6], START, seed, values=[1.0, 0.99])
    slow, seen = Requests(net, parameters), set()
    watch(monkeypatch, net, slow)
    ends = [tuple(int(e[f]) for f in ("source", "target", "asset", "asset_to")) for e in net.edges]
    ends += [(2, 0, 0, 0), (1, 3, 0, 0), (3, 2, 0, 0), (4, 1, 0, 0), (0, 1, 1, 1)]
    for now in range(4000, 1_600_000, 4000):
        if rng.random() < 0.25:
            meddle(net, rng)
        for _ in range(rng.integers(3)):
            count, by = int(rng.integers(1, 5)), rng.choice(["listed", "time", "cost", "certainty"])
            asked: Any = [ends[k] for k in rng.integers(len(ends), size=count)]
            owners = rng.integers(4, size=count)
            amounts = (
                np.round(1e6 * rng.choice([0.4, 8.0, 60.0, 700.0], count) * rng.random(count)).astype(int) + 1
            )
            foretold = slow.answer(asked, owners.tolist(), amounts.tolist(), by)
            source, target, asset, asset_to = np.array(asked).T
            sent = net.request(
                10 * owners,
                10 * owners + 1,
                source,
                target,
                owners,
                asset,
                amounts,
                assets_to=asset_to,
                by=by,
            )
            assert sent.codes.tolist() == [one.code for one in foretold]
            assert sent.fees.tolist() == [one.fee for one in foretold]
            assert sent.charges.tolist() == [
                [i, *pair] for i, one in enumerate(foretold) for pair in one.charges
            ]
            seen |= {one.code for one in foretold}
            for part in (part for one in foretold for part in one.parts):
                job = net.transfers[net.transfers["id"] == part["id"]][0]
                assert [job[name].item() for name in FIELDS] == [part[name] for name in FIELDS]
                assert job["path"].tolist() == part["path"]
        slow.remember(net.step(now))
        edge = int(rng.integers(len(net.edges)))
        net.delay(edge)
        assert net.check() == []
    assert seen == {ACCEPTED, NO_ROUTE, NO_CAPACITY, SHUT, QUEUE_FULL, TOO_SMALL}
    known = {(o, e): (n, good) for o, e, n, good in net.ways.punctuality.snapshot().tolist()}
    assert known == slow.kept and len(known) > 20


def test_what_owners_know_survives_a_snapshot_and_grows() -> None:
    rng = np.random.default_rng(1)
    owners, edges = rng.integers(900, size=3000), rng.integers(40, size=3000)
    pairs = sorted(set(zip(owners.tolist(), edges.tolist(), strict=True)))
    lines = np.array([(*pair, k + 5, k) for k, pair in enumerate(pairs)], np.int64)
    memory = Punctuality()
    memory.restore(rng.permutation(lines))
    assert (memory.snapshot() == lines).all()
    assert all(memory.known(o, e) == (n, good) for o, e, n, good in lines.tolist())
    assert memory.known(901, 3) == (0, 0)


def test_a_fee_beyond_all_amounts_refuses_and_does_not_overflow() -> None:
    edge = LINE | {"source": "alpha", "target": "beta", "fee": 9e12, "fee_rate": 0.1, "largest": 1e-4}
    parameters = NetworkParameters.model_validate({"edges": [edge]})
    net = Network(parameters, VENUES, ["USDT"], [6], START, 1)
    sent = net.request(0, 1, 0, 1, 0, 0, np.array([1, 10**6, 9 * 10**6]))
    assert sent.codes.tolist() == [TOO_SMALL] * 3 and sent.fees.tolist() == [0] * 3 and len(sent.charges) == 0


def test_a_way_is_searched_once_until_something_published_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = [LINE | {"source": "alpha", "target": "beta", "latency": t, "capacity": 1e9} for t in (5.0, 9.0)]
    net = Network(NetworkParameters.model_validate({"edges": edges}), VENUES, ["USDT"], [6], START, 1)
    searched: list[int] = []
    find = net.routes.find
    monkeypatch.setattr(net.routes, "find", lambda *a: searched.append(1) or find(*a))
    for now in range(1000, 20_000, 1000):
        net.request(0, 1, 0, 1, 0, 0, np.full(3, 10**6))
        net.step(now)
    assert len(searched) == 1
    net.set(0, open=False)
    net.request(0, 1, 0, 1, 0, 0, 10**6)
    assert len(searched) == 2 and net.under_way()["edge"][-1] == 1
