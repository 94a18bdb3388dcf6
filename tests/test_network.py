"""Bridges and fiat channels: nothing is lost on the way, queues keep their order, shut means shut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from abm.causes import EVENT_KINDS
from abm.channels import selects
from abm.network import (
    ACCEPTED,
    FIRST_OWNERS,
    NO_CAPACITY,
    NO_ROUTE,
    QUEUE_FULL,
    QUEUED,
    SHUT,
    TOO_SMALL,
    TRAVELLING,
    EdgeParameters,
    EdgeSelector,
    Network,
    NetworkParameters,
)
from agents import SPECIES
from tests.twins.market import Desk, small_model

START = datetime(2025, 10, 10, 20, tzinfo=UTC)
VENUES = ["alpha", "beta", "gamma"]
DOLLAR = 1_000_000
USDT, BTC = 0, 1


def edge(source: str = "alpha", target: str = "beta", asset: str = "USDT", **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "asset": asset, "jitter": 0.0, **more}


def network(*edges: dict[str, Any], events: tuple[dict[str, Any], ...] = (), seed: int = 1) -> Network:
    parameters = NetworkParameters.model_validate({"edges": edges, "events": events})
    return Network(parameters, VENUES, ["USDT", "BTC"], [6, 8], START, seed)


def send(
    net: Network, dollars: Any, owners: Any = 0, source: int = 0, target: int = 1, asset: int = USDT
) -> Any:
    amounts = np.round(np.atleast_1d(dollars) * DOLLAR).astype(np.int64)
    owners = np.broadcast_to(owners, amounts.shape)
    return net.request(10 * owners, 10 * owners + 1, source, target, owners, asset, amounts)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def arrivals(net: Network, seconds: int, step_ms: int = 1000) -> list[tuple[int, int]]:
    """(id, due time in ms) of all that arrives from now to `seconds`, in order."""
    seen = []
    for now in range(net.now_ms + step_ms, seconds * 1000 + 1, step_ms):
        seen += [(int(r["id"]), int(r["due_ms"])) for r in net.step(now)]
    return seen


# ---------------------------------------------------------------------- money


def test_money_on_the_way_is_on_the_ledger() -> None:
    net = network(edge(capacity=100.0, latency=5.0, fee=2.0))
    sent = send(net, [300.0, 50.0])
    assert sent.codes.tolist() == [ACCEPTED, ACCEPTED]
    assert sent.fees.tolist() == [2 * DOLLAR, 2 * DOLLAR]
    assert net.in_transit.tolist() == [346 * DOLLAR, 0]
    assert net.edges["in_transit"].tolist() == [346 * DOLLAR]
    arrived = [record for second in range(1, 20) for record in net.step(1000 * second)]
    assert [int(record["amount"]) for record in arrived] == [298 * DOLLAR, 48 * DOLLAR]
    assert [int(record["row_to"]) for record in arrived] == [1, 1]
    assert net.in_transit.tolist() == [0, 0]
    assert len(net.under_way()) == 0
    assert net.check() == []


def test_a_transfer_takes_its_size_over_capacity_and_then_the_latency() -> None:
    net = network(edge(capacity=100.0, latency=5.0))
    send(net, [300.0, 50.0])
    assert arrivals(net, 20) == [(0, 8000), (1, 8500)]


@pytest.mark.parametrize("step_ms", [100, 250, 500, 2000])
def test_waits_do_not_depend_on_the_step(step_ms: int) -> None:
    def run(step: int) -> list[tuple[int, int]]:
        net = network(
            edge(capacity=70.0, latency=3.0, jitter=0.7),
            events=({"time": at(7.35), "open": False}, {"time": at(11.9), "open": True, "capacity": 33.0}),
        )
        send(net, [300.0, 50.0, 123.456, 1000.0, 0.5])
        return arrivals(net, 100, step)

    assert len(run(1000)) == 5
    assert run(step_ms) == run(1000)


def test_refused_money_stays_with_the_sender_and_says_why() -> None:
    net = network(
        edge(capacity=10.0, fee=1.0, queue_limit=2),
        edge("alpha", "gamma", capacity=0.0),
        edge("beta", "gamma", open=False, when_shut="refuse"),
    )
    assert send(net, [5.0]).codes.tolist() == [ACCEPTED]
    before = net.in_transit.copy()
    assert send(net, 1.0).codes.tolist() == [TOO_SMALL]
    assert send(net, 5.0, target=2).codes.tolist() == [NO_CAPACITY]
    assert send(net, 5.0, source=1, target=2).codes.tolist() == [SHUT]
    assert send(net, 5.0, source=1, target=0).codes.tolist() == [NO_ROUTE]
    assert send(net, 5.0, asset=BTC).codes.tolist() == [NO_ROUTE]
    assert np.array_equal(net.in_transit, before)
    full = send(net, [5.0, 6.0, 7.0])
    assert full.codes.tolist() == [ACCEPTED, QUEUE_FULL, QUEUE_FULL]
    assert full.fees.tolist() == [DOLLAR, 0, 0]
    assert full.ids.tolist() == [1, -1, -1]


# ---------------------------------------------------------------------- queues


def test_deterministic_service_is_first_in_first_out() -> None:
    net = network(edge(capacity=1000.0, latency=2.0))
    rng = np.random.default_rng(5)
    for second in range(60):
        send(net, rng.uniform(1.0, 500.0, rng.integers(0, 6)))
        net.step(1000 * (second + 1))
    moved = [n for n, _ in arrivals(net, 400)]
    assert moved == sorted(moved)
    assert net.in_transit[USDT] == 0


def test_capacity_is_never_exceeded() -> None:
    net = network(edge(capacity=1000.0, latency=0.0))
    rng = np.random.default_rng(6)
    total, first = 0, None
    for second in range(1, 400):
        send(net, rng.exponential(700.0, rng.integers(0, 5)) + 0.01)
        first = second - 1 if first is None and net.edges["waiting"][0] else first
        net.step(1000 * second)
        total += int(net.edges["moved"][0])
        if first is not None:
            assert total <= 1000 * DOLLAR * (second - first)
    assert net.edges["waiting"][0] > 0  # it was busy
    assert total > 0.97 * 1000 * DOLLAR * 399


def test_a_large_transfer_holds_up_those_behind_it() -> None:
    net = network(edge(capacity=100.0, latency=0.0))
    send(net, [1000.0, 1.0])
    assert arrivals(net, 30) == [(0, 10_000), (1, 10_010)]


def test_little_law_and_the_wait_of_deterministic_service() -> None:
    """Poisson arrivals of equal transfers: L = lambda W, and W = rho / (2 mu (1 - rho)) + 1 / mu (M/D/1)."""
    rate, service = 0.7, 1.0  # a second
    net = network(edge(capacity=100.0, latency=0.0))
    rng = np.random.default_rng(7)
    step = 50
    sent: dict[int, int] = {}
    waits, present = [], 0.0
    horizon = 1_000_000
    draws = rng.poisson(rate * step / 1000, horizon // step)
    for n, now in enumerate(range(step, horizon + 1, step)):
        if draws[n]:
            ids = send(net, np.full(draws[n], 100.0 / service)).ids
            sent.update(dict.fromkeys(ids.tolist(), net.now_ms))
        present += float(net.edges["waiting"][0])
        for record in net.step(now):
            waits.append((int(record["due_ms"]) - sent[int(record["id"])]) / 1000)
    mean_wait = float(np.mean(waits))
    mean_queue = present / len(draws)
    arrivals_per_second = len(sent) / (horizon / 1000)
    assert mean_queue == pytest.approx(arrivals_per_second * mean_wait, rel=0.05)
    rho = arrivals_per_second * service
    assert mean_wait == pytest.approx(rho * service / (2 * (1 - rho)) + service, rel=0.12)


def test_published_delay_is_queue_over_capacity_plus_latency() -> None:
    net = network(edge(capacity=100.0, latency=5.0), edge("beta", "alpha", capacity=0.0))
    assert [net.delay(edge) for edge in range(2)] == [5.0, np.inf]
    send(net, [300.0, 100.0])
    assert net.delay(0) == pytest.approx(9.0)
    assert net.under_way()["expected_ms"].tolist() == [5000, 5000]  # known when they were sent
    net.step(1500)
    assert net.delay(0) == pytest.approx(7.5)
    net.set(0, open=False)
    assert net.delay(0) == np.inf


def test_latency_is_lognormal_around_its_median() -> None:
    net = network(edge(capacity=1e12, latency=60.0, jitter=0.5))
    send(net, np.ones(20_000), owners=np.arange(20_000))
    net.step(1)
    delay = net.under_way()["due_ms"] / 1000.0
    assert np.median(delay) == pytest.approx(60.0, rel=0.02)
    assert np.log(delay / 60.0).std() == pytest.approx(0.5, rel=0.02)


# ---------------------------------------------------------------------- opening and shutting


def test_a_shut_edge_keeps_its_queue_and_what_travels_still_arrives() -> None:
    net = network(
        edge(capacity=100.0, latency=30.0),
        events=({"time": at(15), "open": False}, {"time": at(100), "open": True}),
    )
    send(net, [1000.0, 1000.0, 1000.0])
    assert arrivals(net, 95) == [(0, 40_000)]
    assert net.edges["waiting"][0] == 2
    assert net.under_way()["stage"].tolist() == [QUEUED, QUEUED]
    send(net, 1.0)  # joins the queue behind them
    # half of the second had been served when the edge shut; it is not served twice
    assert arrivals(net, 200) == [(1, 135_000), (2, 145_000), (3, 145_010)]


def test_a_stop_of_withdrawals_is_published() -> None:
    net = network(
        edge("alpha", "beta"),
        edge("alpha", "outside", asset="BTC"),
        edge("alpha", "alpha", kind="wallet"),
        edge("beta", "alpha"),
        events=({"time": at(10), "edge": {"source": "alpha"}, "open": False},),
    )
    assert net.withdrawals_open.tolist() == [True, True, False, False]
    net.step(9_000)
    assert net.gates == []
    net.step(10_000)
    assert [tuple(gate) for gate in net.gates] == [(10_000, 0, False)]
    assert [change.edge for change in net.changes] == [0, 1, 2]
    assert net.withdrawals_open.tolist() == [False, True, False, False]
    assert net.graph.edges["alpha", "beta", 0]["open"] is False
    net.step(11_000)
    assert net.changes == [] and net.gates == []
    net.set(net.select(EdgeSelector(source="alpha", asset="BTC")), open=True)
    assert [tuple(gate) for gate in net.gates] == [(11_000, 0, True)]


def test_setting_what_is_already_so_changes_nothing() -> None:
    def run(idle: bool) -> list[tuple[int, int]]:
        net = network(edge(capacity=37.0, latency=7.0, jitter=0.5))
        send(net, [100.0, 77.7, 31.3])
        net.step(1700)
        if idle:
            net.set(0, open=True, capacity=37.0, latency=7.0)
        assert net.changes == []
        return arrivals(net, 100)

    assert run(True) == run(False)


def test_a_slower_edge_finishes_the_head_at_its_new_pace() -> None:
    net = network(edge(capacity=100.0, latency=0.0), events=({"time": at(4), "capacity": 50.0},))
    send(net, 1000.0)
    assert arrivals(net, 60) == [(0, 16_000)]


# ---------------------------------------------------------------------- routes


def test_direct_before_detour_and_open_before_shut() -> None:
    net = network(
        edge("alpha", "beta", latency=900.0),
        edge("alpha", "outside", latency=10.0),
        edge("outside", "beta", latency=10.0, kind="slow"),
        edge("outside", "beta", latency=5.0, kind="fast"),
    )

    def find() -> tuple[int, ...]:
        return net.routes.find(net.edges, 0, 1, USDT)

    assert find() == (0,)
    net.set(0, open=False)
    assert find() == (1, 3)
    net.set(3, capacity=0.0)
    assert find() == (1, 2)
    net.set([1, 2], open=False)
    assert find() == (0,)  # nothing is open: the direct one has the queue to wait in
    net.set(0, capacity=0.0)
    assert find() == (0,)  # and can say that it has no capacity
    net.set([1, 2], open=True)
    assert find() == (1, 2)


def test_a_transfer_moves_along_its_path_edge_by_edge() -> None:
    net = network(
        edge("alpha", "outside", capacity=100.0, latency=10.0, fee=1.0),
        edge("outside", "beta", capacity=50.0, latency=5.0, fee=2.0),
    )
    assert send(net, 103.0).fees.tolist() == [3 * DOLLAR]
    net.step(1000)
    assert net.edges["in_transit"].tolist() == [100 * DOLLAR, 0]
    net.step(11_000)
    assert net.edges["in_transit"].tolist() == [0, 100 * DOLLAR]
    assert net.in_transit[USDT] == 100 * DOLLAR
    assert arrivals(net, 30) == [(0, 18_000)]
    assert net.check() == []


def test_edge_names_tell_parallel_channels_apart() -> None:
    net = network(edge(), edge(kind="bridge"), edge(kind="bridge"), edge("beta", "alpha"))
    assert net.edge_names == [
        "alpha>beta:USDT/transfer",
        "alpha>beta:USDT/bridge",
        "alpha>beta:USDT/bridge/2",
        "beta>alpha:USDT",
    ]


# ---------------------------------------------------------------------- randomness, saving


def latencies(requests: list[tuple[int, float]], limit: int = 1000, owner: int = 4) -> dict[int, int]:
    """Travel time in ms of what `owner` sent, by time of sending; a step a request."""
    net = network(edge(capacity=1e12, latency=6000.0, jitter=0.8, queue_limit=limit))
    for who, dollars in requests:
        send(net, np.full(2, dollars), owners=who)
        if who == owner:
            net.step(net.now_ms + 1000)
    own = net.under_way(owner)
    return {int(r["sent_ms"]): int(r["due_ms"]) - int(r["sent_ms"]) for r in own[::-1]}


def test_taking_out_an_owner_leaves_the_others_draws() -> None:
    together = latencies([(3, 1.0), (4, 2.0)] * 5)
    alone = latencies([(4, 2.0)] * 5)
    assert together == alone
    assert len(set(alone.values())) == 5


def test_being_refused_does_not_shift_later_draws() -> None:
    free = latencies([(4, 1.0)] * 3)
    jammed = latencies([(4, 1.0), (3, 1.0), (4, 1.0), (4, 1.0)], limit=2)
    assert sorted(free) == [0, 1000, 2000]
    assert jammed == {0: free[0], 2000: free[2000]}


def test_same_seed_same_arrivals_other_seed_others() -> None:
    def run(seed: int) -> list[tuple[int, int]]:
        net = network(edge(capacity=100.0, jitter=0.5), seed=seed)
        send(net, [100.0, 200.0, 300.0], owners=[1, 2, 1])
        return arrivals(net, 600)

    assert run(1) == run(1)
    assert run(1) != run(2)


def busy(net: Network, first: int, last: int) -> list[tuple[int, int]]:
    seen = []
    for second in range(first, last):
        rng = np.random.default_rng(second)
        send(
            net,
            rng.uniform(1, 400, 2),
            owners=rng.integers(0, 5, 2),
            source=0,
            target=int(rng.integers(1, 3)),
        )
        if second == 35:
            net.set(0, open=True)
        seen += [(int(r["id"]), int(r["due_ms"])) for r in net.step(1000 * (second + 1))]
    return seen


def test_a_snapshot_knows_more_owners_than_a_new_network_has_room_for() -> None:
    start, later = network(edge(capacity=100.0)), network(edge(capacity=100.0))
    many = np.arange(3 * FIRST_OWNERS)
    send(start, np.ones(len(many)), owners=many)
    send(start, np.ones(5), owners=many[-5:])
    requests = start.snapshot()["requests"]
    assert requests[:, 1].tolist() == [1] * (len(many) - 5) + [2] * 5
    later.restore(start.snapshot())
    assert np.array_equal(later.snapshot()["requests"], requests)


@pytest.mark.parametrize("pause", [5, 15, 25, 45])
def test_a_resumed_run_equals_one_that_never_stopped(pause: int) -> None:
    def fresh() -> Network:
        return network(
            edge(capacity=150.0, latency=20.0, jitter=0.6),
            edge("beta", "gamma", capacity=80.0, latency=3.0, jitter=0.6),
            events=(
                {"time": at(10.5), "open": False},
                {"time": at(20.25), "edge": {"target": "gamma"}, "open": True, "latency": 9.0},
            ),
        )

    whole, start, later = fresh(), fresh(), fresh()
    expected = busy(whole, 0, 80)
    seen = busy(start, 0, pause)
    later.restore(start.snapshot())
    assert later.check() == []
    assert seen + busy(later, pause, 80) == expected
    assert np.array_equal(later.under_way(), whole.under_way())
    assert np.array_equal(later.edges, whole.edges)
    assert dict(later.graph.edges) == dict(whole.graph.edges)


# ---------------------------------------------------------------------- description


def test_all_faults_of_a_description_come_at_once() -> None:
    parameters = NetworkParameters.model_validate(
        {
            "nodes": ["outside", "alpha"],
            "edges": [edge("alhpa", "beta"), edge(asset="USDC")],
            "events": [{"time": at(0), "edge": {"source": "gamma"}, "open": False}],
        }
    )
    faults = parameters.faults(VENUES, ["USDT", "BTC"])
    assert [line.split(":")[0] for line in faults] == [
        "network.nodes",
        "network.edges[0].source",
        "network.edges[1].asset",
        "network.events[0].edge",
    ]
    with pytest.raises(ValueError, match="alhpa") as caught:
        Network(parameters, VENUES, ["USDT", "BTC"], [6, 8], START, 1)
    assert str(caught.value).splitlines() == faults


def test_an_event_without_effect_is_a_fault() -> None:
    with pytest.raises(ValueError, match="without effect"):
        NetworkParameters.model_validate({"events": [{"time": at(0)}]})


def test_a_selector_means_all_edges_that_agree() -> None:
    one = EdgeParameters.model_validate(edge(kind="bridge"))
    assert selects(EdgeSelector(), one)
    assert selects(EdgeSelector(source="alpha", kind="bridge"), one)
    assert not selects(EdgeSelector(source="alpha", kind="wire"), one)


def test_a_market_without_channels_works() -> None:
    net = network()
    assert send(net, 1.0).codes.tolist() == [NO_ROUTE]
    assert len(net.step(1000)) == 0
    assert not net.withdrawals_open.any()
    assert len(net.edges) == 0


# ---------------------------------------------------------------------- conservation


class Conservation(RuleBasedStateMachine):
    """Random requests, stops, reopenings and steps: in transit + delivered + fees = sent, to the unit."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network(
            edge("alpha", "beta", capacity=100.0, latency=3.0, jitter=0.5, fee=0.25),
            edge("beta", "alpha", capacity=1.0, latency=0.0, queue_limit=3),
            edge("alpha", "outside", capacity=50.0, latency=1.0, jitter=1.0, fee=0.000001),
            edge("outside", "gamma", capacity=500.0, latency=2.0, jitter=0.1),
            edge("gamma", "alpha", asset="BTC", capacity=2.0, latency=10.0, when_shut="refuse"),
            edge("alpha", "alpha", capacity=1e9, latency=0.1),
            events=({"time": at(20), "open": False}, {"time": at(40.123), "open": True}),
        )
        self.sent = np.zeros(2, np.int64)
        self.delivered = np.zeros(2, np.int64)
        self.fees = np.zeros(2, np.int64)
        self.seen: set[int] = set()

    @rule(
        ends=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        asset=st.integers(0, 1),
        owner=st.integers(0, 4),
        amounts=st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    )
    def request(self, ends: tuple[int, int], asset: int, owner: int, amounts: list[int]) -> None:
        sent = self.net.request(0, 1, *ends, owner, asset, np.array(amounts, np.int64))
        accepted = sent.codes == ACCEPTED
        assert np.array_equal(accepted, sent.ids >= 0)
        self.sent[asset] += int(np.array(amounts)[accepted].sum())
        self.fees[asset] += int(sent.fees.sum())

    @rule(seconds=st.floats(0.001, 30.0))
    def step(self, seconds: float) -> None:
        before = self.net.now_ms
        for record in self.net.step(before + max(1, round(seconds * 1000))):
            assert record["due_ms"] <= self.net.now_ms
            assert record["due_ms"] >= record["sent_ms"]
            assert int(record["id"]) not in self.seen
            self.seen.add(int(record["id"]))
            self.delivered[record["asset"]] += int(record["amount"])

    @rule(number=st.integers(0, 5), open=st.booleans())
    def turn(self, number: int, open: bool) -> None:
        self.net.set(number, open=open)

    @rule(number=st.integers(0, 5), capacity=st.sampled_from([0.0, 0.1, 10.0, 1e6]))
    def widen(self, number: int, capacity: float) -> None:
        self.net.set(number, capacity=capacity)

    @precondition(lambda self: self.net.under_way().size > 0)
    @rule()
    def save_and_resume(self) -> None:
        saved = self.net.snapshot()
        self.net = Conservation().net
        self.net.restore(saved)

    @invariant()
    def every_unit_is_somewhere(self) -> None:
        assert np.array_equal(self.net.in_transit + self.delivered + self.fees, self.sent)
        assert self.net.check() == []

    @invariant()
    def nobody_is_served_behind_a_shut_gate(self) -> None:
        shut = ~self.net.edges["open"] | (self.net.edges["capacity"] <= 0)
        assert np.isinf(self.net.edges["head_ms"][shut]).all()
        live = self.net.under_way()
        assert set(live["stage"].tolist()) <= {QUEUED, TRAVELLING}

    def teardown(self) -> None:
        self.net.set(np.arange(6), open=True, capacity=1e9)
        self.step(100_000.0)
        self.step(100_000.0)
        self.step(100_000.0)
        assert self.net.in_transit.tolist() == [0, 0]


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


# ---------------------------------------------------------------- in a market


def test_a_venue_that_stops_withdrawals_by_its_own_rule_is_on_record() -> None:
    edge = EdgeParameters(source="alpha", target="beta", asset="USDT", capacity=1.0, latency=1.0)
    d = Desk(small_model(edges=[edge]))
    here, there = d.open("ann", cash=10**9), d.open("ann", 1)
    parameters = SPECIES["exchange"].Parameters(suspends="queue", queue=60.0, reopen=20.0, look=1.0)
    d.model.add(SPECIES["exchange"](d.model, "exchange", parameters))
    d.model.setup()
    d.model.cashier.send(np.array([here]), np.array([there]), 0, np.array([500.0]))
    seen: list[str] = []
    names = [name for name, _ in d.model.phases]

    def look() -> None:
        seen.extend(EVENT_KINDS[k] for k in d.state.events["kind"][: d.state.count("events")])

    d.model.phases.insert(names.index("record"), ("look", look))
    d.model.run(60)
    assert {"withdrawals_stopped", "withdrawals_opened"} <= set(seen)


def test_a_transfer_of_whole_cents_sends_them() -> None:
    d = Desk(small_model(edges=[EdgeParameters(source="alpha", target="beta", asset="USDT")]))
    here, there = d.open("ann", cash=10**9), d.open("ann", 1)
    d.model.setup()
    d.model.cashier.send(np.array([here]), np.array([there]), 0, np.array([2.01]))
    assert 10**9 - d.cash(here) == 2_010_000


def test_a_fee_on_the_way_goes_to_the_venue_that_takes_it() -> None:
    edges = [
        EdgeParameters(source="outside", target="beta", asset="USDT"),
        EdgeParameters(source="beta", target="alpha", asset="USDT", fee=3.0),
    ]
    d = Desk(small_model(edges=edges))
    here = int(d.model.accounts.open("ann", "outside", "tests")[0])
    d.model.accounts.deposit([here], "USDT", 100.0)
    there = d.open("ann")
    d.model.setup()
    d.model.cashier.send(np.array([here]), np.array([there]), 0, np.array([50.0]))
    assert [d.cash(int(row)) for row in d.state.venues["fees"][:2]] == [0, 3_000_000]
