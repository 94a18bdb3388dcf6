"""Stations in tandem: each discipline by itself, all of them against their slow twin, and money that is never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from abm.hours import state_at
from abm.network import ACCEPTED, SHUT, Network, NetworkParameters
from abm.queueing import base_fee, md1_wait, mg1_wait, mm1_time, mmc_wait
from tests.twins.stations import Twin

START = datetime(2025, 10, 10, 20, tzinfo=UTC)
VENUES = ["alpha", "beta", "gamma"]
ASSETS = ["USDT", "BTC", "USD"]
WORTH = [1.0, 100_000.0, 1.0]
DOLLAR = 1_000_000
USDT, BTC, USD = range(3)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def edge(path: Any, source: str = "alpha", target: str = "beta", **more: Any) -> dict[str, Any]:
    return {
        "source": source,
        "target": target,
        "asset": "USDT",
        "path": path,
        "queue_limit": 1_000_000,
        **more,
    }


def network(
    resources: dict[str, Any],
    *edges: dict[str, Any],
    events: Any = (),
    seed: int = 1,
    start: datetime = START,
    **more: Any,
) -> Network:
    raw = {"resources": resources, "edges": edges, "events": events, "nodes": ["outside", "issuer"], **more}
    parameters = NetworkParameters.model_validate(raw)
    return Network(parameters, VENUES, ASSETS, [6, 6, 6], start, seed, WORTH)


def send(net: Network, amounts: Any, owner: Any = 0, source: int = 0, target: int = 1, **more: Any) -> Any:
    units = np.round(np.atleast_1d(amounts) * DOLLAR).astype(np.int64)
    owners = np.broadcast_to(owner, units.shape)
    asset = more.pop("asset", USDT)
    return net.request(10 * owners, 10 * owners + 1, source, target, owners, asset, units, **more)


def arrivals(net: Network, seconds: float, step_ms: int = 1000) -> dict[int, int]:
    """When each transfer arrives, ms, by id."""
    seen = {}
    for now in range(net.now_ms + step_ms, round(seconds * 1000) + 1, step_ms):
        seen.update({int(r["id"]): int(r["due_ms"]) for r in net.step(now)})
        assert net.check() == []
    return seen


def x(net: Network, name: str) -> Any:
    return net.resources[net.resource(name)]


# ---------------------------------------------------------------------- against the twin

EVERYTHING: dict[str, Any] = {
    "alpha.review": {
        "kind": "servers", "servers": 3, "law": "lognormal", "time": 20.0, "per_million": 5.0, "bounce": 0.1,
        "stops": {"queue": 6, "reopen_queue": 2, "rest": 30.0}, "hazard": 10.0, "hazard_growth": 0.5, "repair": 40.0,
    },
    "alpha.hot": {
        "kind": "wallet", "venue": "alpha", "asset": "USDT", "hot": 1500.0, "cold": 9000.0, "refill": 60.0,
        "stops": {"hot": 100.0, "reopen_hot": 700.0, "rest": 45.0, "works_off": False},
    },
    "beta.hot": {"kind": "wallet", "venue": "beta", "asset": "USDT", "hot": 800.0, "cold": 100.0, "refill": 45.0},
    "chain": {
        "kind": "chain", "block": 12.0, "slots": 2, "share": 0.3, "load": 0.55, "elasticity": 0.1, "rebid": 40.0,
        "headroom": 1.3, "hazard": 5.0, "hazard_growth": 1.0, "repair": 60.0,
    },
    "work": {"kind": "chain", "block": 40.0, "law": "exponential", "slots": 2, "hazard": 3.0, "repair": 90.0},
    "fast": {"kind": "allowance", "cap": 900.0, "rate": 36_000.0},
    "cap": {"kind": "allowance", "cap": 600.0, "rate": 72_000.0},
    "desk": {"kind": "servers", "servers": 1, "law": "exponential", "time": 8.0, "bounce": 0.15},
    "quick": {"kind": "delay", "time": 8.0, "spread": 0.3},
    "slow": {"kind": "delay", "law": "inverse_gaussian", "time": 90.0, "spread": 0.6},
    "prime": {"kind": "credit", "limit": 900.0},
    "gate": {"kind": "hours", "calendar": "always"},
}  # fmt: skip
EDGES = [
    edge(["alpha.review", "alpha.hot", "chain", "desk"], confirmations=2),
    edge(["beta.hot", "cap", "work"], "beta", "alpha", confirmations=3),
    edge(["alpha.review", "alpha.hot", "fast", "quick"], "alpha", "gamma", fallback=["slow", "desk"]),
    edge(["gate", "desk"], "gamma", "outside", capacity=50.0),
    edge(["prime", "beta.hot", "slow"], "beta", "gamma", kind="credit"),
    {
        "source": "outside",
        "target": "alpha",
        "asset": "USDT",
        "capacity": 40.0,
        "latency": 9.0,
        "jitter": 0.7,
    },
    edge(["desk", "slow"], "outside", "issuer", asset="USD", asset_to="USDT", kind="mint"),
]


def everything(seed: int = 1, stops: str = "both") -> Network:
    return network(EVERYTHING, *EDGES, seed=seed, stops=stops)


def ways(net: Network) -> list[tuple[int, int, int, int]]:
    """(source, target, asset, asset to) between which there are edges, and some detours."""
    direct = [tuple(int(e[f]) for f in ("source", "target", "asset", "asset_to")) for e in net.edges]
    return [*direct, (2, 0, 0, 0), (1, 3, 0, 0), (3, 2, 0, 0)]  # type: ignore[list-item]


class Side:
    """A network and its twin, driven together."""

    def __init__(self, net: Network) -> None:
        self.net, self.twin = net, Twin(net)
        self.ended: list[tuple[int, str, int]] = []

    def send(self, way: tuple[int, int, int, int], amounts: Any, owner: int) -> None:
        source, target, asset, asset_to = way
        before = self.net._next_id
        send(self.net, amounts, owner, source, target, asset=asset, assets_to=asset_to)
        table = self.net.under_way()
        new = {int(r["id"]): r for r in table if r["id"] >= before}
        ended = self.net.transfers[self.net.tables["out"][: self.net.tables["meta"]["out"][0]] >> 2]
        new.update({int(r["id"]): r for r in ended if r["id"] >= before})
        self.twin.send([new[k] for k in sorted(new)])

    def step(self, now: int) -> None:
        for record in self.net.step(now):
            how = "returned" if record["back"] else "arrived"
            self.ended.append((int(record["id"]), how, int(record["due_ms"])))
        self.twin.step(now)

    def compare(self) -> None:
        told = self.net.tables["out"][: self.net.tables["meta"]["out"][0]].tolist()
        table, names = self.net.transfers, ("arrived", "returned")
        waiting = [  # what has ended since the last step is handed over by the next
            (int(table["id"][k >> 2]), names[k & 3], int(table["due_ms"][k >> 2])) for k in told if k & 3 < 2
        ]
        assert sorted(self.ended + waiting) == sorted(self.twin.ended)
        for name, slow in self.twin.resources.items():
            fast = x(self.net, name)
            assert (fast["waiting"], fast["busy"]) == (len(slow.queue), slow.busy), name
            assert (fast["failed"], fast["admits"]) == (slow.failed, slow.admits), name
            if fast["kind"] == 4:
                assert (fast["hot"], fast["cold"]) == (slow.hot, slow.cold), name


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step_ms", [1000, 7300])
def test_all_disciplines_agree_with_their_twin(seed: int, step_ms: int) -> None:
    both = Side(everything(seed))
    rng = np.random.default_rng(seed)
    choice = ways(both.net)
    for now in range(step_ms, 1_500_000, step_ms):
        if now < 900_000 and rng.random() < 0.15 * step_ms / 1000:
            way = choice[rng.integers(len(choice))]
            both.send(way, rng.uniform(1, 700, rng.integers(1, 4)), int(rng.integers(5)))
        both.step(now)
    both.compare()
    how = {kind for _, kind, _ in both.ended}
    assert how == {"arrived", "returned"} and len(both.ended) > 60
    failures = both.net.resources["failures"].sum()
    assert failures > 2, "nothing failed"
    assert x(both.net, "chain")["blocks"] == both.twin.resources["chain"].blocks
    assert x(both.net, "chain")["base"] == both.twin.resources["chain"].base


# ---------------------------------------------------------------------- queue theory


def desk_under(arrival: float, service: dict[str, Any], count: int, seed: int = 1) -> tuple[Any, Network]:
    """A desk whose customers come as a Poisson process: what leaves one exponential clerk who is never idle."""
    source = {"kind": "servers", "law": "exponential", "time": 1.0 / arrival}
    net = network(
        {"source": source, "desk": {"kind": "servers", **service}}, edge(["source", "desk"]), seed=seed
    )
    send(net, np.ones(count), np.arange(count))
    net.step(round(1000 * 0.97 * count / arrival))
    assert x(net, "source")["waiting"] > 0
    return x(net, "desk"), net


def mean_wait(desk: Any) -> float:
    return float(desk["waited"]) / float(desk["served"]) / 1000.0


COUNT = 200_000
LAWS: list[tuple[str, float, dict[str, Any], float]] = [
    ("M/M/1", 0.5, {"law": "exponential", "time": 1.0}, mm1_time(0.5, 1.0) - 1.0),
    ("M/M/2", 1.5, {"law": "exponential", "time": 1.0, "servers": 2}, mmc_wait(1.5, 1.0, 2)),
    ("M/D/1", 0.8, {"law": "deterministic", "time": 1.0}, md1_wait(0.8, 1.0)),
    (
        "M/G/1",
        0.6,
        {"law": "lognormal", "time": 1.0, "spread": 0.5},
        mg1_wait(0.6, 1.0, float(np.exp(0.25))),
    ),
]


@pytest.mark.slow  # 200,000 customers each: 2 % needs them
@pytest.mark.parametrize(("name", "arrival", "service", "wait"), LAWS, ids=[law[0] for law in LAWS])
def test_waits_are_those_of_queue_theory(
    name: str, arrival: float, service: dict[str, Any], wait: float
) -> None:
    desk, net = desk_under(arrival, service, COUNT)
    seconds = net.now_ms / 1000.0
    assert mean_wait(desk) == pytest.approx(wait, rel=0.02), name
    # Little's law: the mean queue is the rate of those served times their wait
    queue = float(desk["queue_area"]) / 1000.0 / seconds
    assert queue == pytest.approx(float(desk["served"]) / seconds * mean_wait(desk), rel=0.001)
    assert queue == pytest.approx(arrival * wait, rel=0.02)
    busy = float(desk["busy_area"]) / 1000.0 / seconds
    assert busy == pytest.approx(arrival, rel=0.01)


# ---------------------------------------------------------------------- one discipline at a time


def test_time_at_a_desk_grows_with_the_value() -> None:
    net = network({"desk": {"kind": "servers", "time": 10.0, "per_million": 30.0}}, edge(["desk"]))
    send(net, [1e6, 2e6])
    assert arrivals(net, 200) == {0: 40_000, 1: 110_000}


def test_a_shared_desk_slows_all_its_assets_and_venues() -> None:
    desk = {"desk": {"kind": "servers", "time": 10.0}}
    edges = [edge(["desk"]), edge(["desk"], "gamma", "beta"), edge(["desk"], asset="BTC")]
    alone, shared = network(desk, *edges), network(desk, *edges)
    send(shared, np.ones(20), source=2)
    for net in (alone, shared):
        send(net, 1.0, owner=7)
        send(net, 1.0, owner=8, asset=BTC)
    assert list(arrivals(alone, 600).values()) == [10_000, 20_000]
    assert list(arrivals(shared, 600).values())[-2:] == [210_000, 220_000]


def test_a_delay_is_lognormal_or_inverse_gaussian() -> None:
    for law, spread in (("lognormal", 0.5), ("inverse_gaussian", 0.8)):
        net = network({"way": {"kind": "delay", "law": law, "time": 100.0, "spread": spread}}, edge(["way"]))
        send(net, np.ones(40_000), np.arange(40_000))
        times = np.array(list(arrivals(net, 4000, 1_000_000).values())) / 1000.0
        assert len(times) == 40_000
        if law == "lognormal":
            assert np.median(times) == pytest.approx(100.0, rel=0.01)
            assert np.log(times / 100.0).std() == pytest.approx(0.5, rel=0.02)
        else:
            assert times.mean() == pytest.approx(100.0, rel=0.01)
            assert times.std() == pytest.approx(80.0, rel=0.03)
            assert ((times / times.mean()) ** 3).mean() == pytest.approx(1 + 3 * 0.64 + 3 * 0.64**2, rel=0.06)


def hot(amount: float, cold: float, every: float = 60.0, **more: Any) -> dict[str, Any]:
    return {
        "kind": "wallet",
        "venue": "alpha",
        "asset": "USDT",
        "hot": amount,
        "cold": cold,
        "refill": every,
        **more,
    }


def test_a_wallet_pays_until_it_is_dry_and_is_refilled_from_cold() -> None:
    net = network({"hot": hot(100.0, 1000.0)}, edge(["hot"]))
    send(net, [60.0, 60.0, 10.0])
    assert arrivals(net, 30) == {0: 0}  # the third waits behind the second
    assert (x(net, "hot")["hot"], x(net, "hot")["cold"]) == (40 * DOLLAR, 1000 * DOLLAR)
    assert arrivals(net, 90) == {1: 60_000, 2: 60_000}
    assert (x(net, "hot")["hot"], x(net, "hot")["cold"]) == (30 * DOLLAR, 940 * DOLLAR)
    net.step(10_000_000)
    send(net, 1.0)  # looked at again: it was filled up meanwhile
    assert x(net, "hot")["hot"] == 99 * DOLLAR


def test_a_wallet_brings_more_from_cold_for_one_who_asks_for_more() -> None:
    net = network({"hot": hot(100.0, 1000.0)}, edge(["hot"]))
    send(net, 350.0)
    assert arrivals(net, 90) == {0: 60_000}
    assert (x(net, "hot")["hot"], x(net, "hot")["cold"]) == (0, 750 * DOLLAR)


def test_a_deposit_lets_those_go_who_wait_for_it() -> None:
    net = network(
        {"hot": hot(100.0, 0.0)}, edge(["hot"]), edge([], "beta", "alpha", capacity=10.0, latency=0.0)
    )
    send(net, [100.0, 50.0])
    send(net, 70.0, source=1, target=0)
    assert arrivals(net, 60) == {0: 0, 2: 7000, 1: 7000}
    assert x(net, "hot")["hot"] == 20 * DOLLAR


def chain(**more: Any) -> dict[str, Any]:
    return {"kind": "chain", "block": 12.0, "slots": 3, "share": 0.0, "headroom_spread": 0.0, **more}


def test_a_chain_serves_at_its_blocks_and_counts_confirmations() -> None:
    net = network({"chain": chain()}, edge(["chain"], confirmations=20))
    net.step(5_000)
    send(net, np.ones(4))
    assert list(arrivals(net, 400).values()) == [252_000, 252_000, 252_000, 264_000]


def test_blocks_of_proof_of_work_come_at_exponential_times() -> None:
    net = network({"chain": chain(law="exponential", block=600.0, slots=1)}, edge(["chain"], confirmations=2))
    send(net, np.ones(3000))
    times = np.sort(list(arrivals(net, 3000 * 700, 600_000).values())) / 1000.0
    gaps = np.diff(times)
    assert len(times) == 3000
    assert gaps.mean() == pytest.approx(600.0, rel=0.05) and gaps.std() == pytest.approx(600.0, rel=0.06)


def test_the_best_bids_are_in_the_block_and_equals_draw_lots() -> None:
    def order(seed: int, spread: float) -> list[int]:
        net = network(
            {"chain": chain(slots=1, headroom_spread=spread)}, edge(["chain"], confirmations=1), seed=seed
        )
        send(net, np.ones(30), np.arange(30))
        bids = dict(zip(net.under_way()["id"].tolist(), net.under_way()["bid"].tolist(), strict=True))
        came = sorted(arrivals(net, 500).items(), key=lambda item: item[1])
        if spread > 0:
            assert [bids[i] for i, _ in came] == sorted(bids.values(), reverse=True)
        return [i for i, _ in came]

    assert len(order(1, 0.5)) == 30
    assert order(1, 0.0) != order(2, 0.0)  # a lottery, keyed
    assert order(1, 0.0) == order(1, 0.0)


def test_the_base_fee_is_that_of_eip_1559() -> None:
    """V49: full blocks from 1.5 gwei: 92.56 after 35, 104.13 after 36 (7.2 minutes)."""
    net = network({"chain": chain(load=2.0)}, edge(["chain"]))
    fees = []
    for block in range(1, 37):
        net.step(12_000 * block)
        net.set_resource("chain", load=2.0)  # looks at it: blocks nobody waits for are made up for
        fees.append(float(x(net, "chain")["base"]))
    assert fees == pytest.approx([base_fee(1.5, 1.0, blocks=n) for n in range(1, 37)], rel=1e-12)
    assert (round(fees[34], 2), round(fees[35], 2)) == (92.56, 104.13)
    net.set_resource("chain", load=0.0)
    net.step(13 * 36_000)
    net.set_resource("chain", load=0.0)
    assert float(x(net, "chain")["base"]) == pytest.approx(fees[-1] * (7 / 8) ** 3, rel=1e-12)


def test_simulated_transfers_fill_blocks_too() -> None:
    net = network({"chain": chain(slots=2, share=0.5, load=0.25)}, edge(["chain"]))
    send(net, np.ones(2))
    net.step(12_000)
    assert float(x(net, "chain")["base"]) == pytest.approx(1.5 * (1 + 0.25 / 0.5 / 8))


def test_whom_the_base_fee_has_passed_waits_until_it_is_bid_for_anew() -> None:
    net = network({"chain": chain(load=2.0, headroom=1.2, rebid=100.0, slots=1)}, edge(["chain"]))
    send(net, np.ones(3))
    # the first is in the first block; two more blocks pass what the others bid (1.2); bids anew at 108 s
    assert sorted(arrivals(net, 150).values()) == [12_000, 24_000, 108_000]


def test_background_load_may_fall_as_the_fee_rises() -> None:
    net = network({"chain": chain(load=1.0, elasticity=0.2)}, edge(["chain"]))
    net.step(12_000 * 2000)
    net.set_resource("chain", load=1.0)
    assert float(x(net, "chain")["base"]) == pytest.approx(
        1.5 * 2.0**5, rel=0.01
    )  # where 1 falls to the target


def test_load_follows_volatility_only_where_that_is_switched_on() -> None:
    fees = []
    for follows in (0.0, 0.5):
        net = network({"chain": chain(load=0.5, follows=follows)}, edge(["chain"]))
        assert net.listens == (follows > 0)
        net.hear(1.0)
        net.step(24_000)
        net.set_resource("chain", open=True)
        fees.append(float(x(net, "chain")["base"]))
    assert fees == pytest.approx([1.5, 1.5 * 1.125**2])


def test_a_rate_cap_lets_through_a_bucket_and_then_its_rate() -> None:
    net = network({"cap": {"kind": "allowance", "cap": 100.0, "rate": 36_000.0}}, edge(["cap"]))
    send(net, [100.0, 50.0, 30.0])
    assert arrivals(net, 60) == {0: 0, 1: 5000, 2: 8000}
    send(net, 1000.0)  # more than the bucket: when it is full, and the next wait for the debt
    send(net, 10.0)
    assert arrivals(net, 300) == {3: 60_000, 4: 151_000}


def test_a_used_up_allowance_falls_back_to_the_slow_class() -> None:
    resources = {
        "fast": {"kind": "allowance", "cap": 100.0, "rate": 36_000.0},
        "quick": {"kind": "delay", "time": 20.0, "spread": 0.0},
        "slow": {"kind": "delay", "time": 900.0, "spread": 0.0},
    }
    net = network(resources, edge(["fast", "quick"], fallback=["slow"]))
    send(net, [80.0, 50.0, 20.0])
    assert arrivals(net, 1000) == {0: 20_000, 1: 900_000, 2: 20_000}
    net.set_resource("fast", open=False)
    send(net, 1.0)
    assert arrivals(net, 2000) == {3: 1_900_000}


def test_wires_stop_on_friday_and_open_on_the_evening_of_the_holiday() -> None:
    """Friday 10 October 2025 19:00 ET; Monday the 13th is Columbus Day, so Tuesday's day opens Monday 21:00 ET."""
    opens, shuts = datetime(2025, 10, 14, 1, tzinfo=UTC), datetime(2025, 10, 10, 23, tzinfo=UTC)
    assert state_at("fedwire", START) == (True, shuts)
    assert state_at("fedwire", shuts - timedelta(seconds=1)) == (True, shuts)
    assert state_at("fedwire", shuts) == (False, opens)
    assert opens - shuts == timedelta(hours=74)
    assert state_at("fedwire", START, cutoff=900.0)[1] == shuts - timedelta(minutes=15)
    net = network(
        {"fedwire": {"kind": "hours"}, "bank": {"kind": "servers", "time": 60.0}}, edge(["fedwire", "bank"])
    )
    send(net, 1.0)
    assert arrivals(net, 3 * 3600 - 1) == {0: 60_000}
    net.step(3 * 3600 * 1000)
    assert not net.edges["open"][0] and net.gates[0].time_ms == 3 * 3600 * 1000
    assert net.published_delay("alpha", "beta", USDT) == pytest.approx(74 * 3600 + 60)
    assert send(net, 1.0).codes.tolist() == [ACCEPTED]  # it waits
    assert arrivals(net, 77 * 3600 + 100, 60_000) == {1: (77 * 3600 + 60) * 1000}


@pytest.mark.parametrize(
    ("calendar", "moment", "expected"),
    [
        ("fedwire", datetime(2025, 10, 15, 23, 30, tzinfo=UTC), False),  # between two days
        ("fedwire", datetime(2025, 10, 16, 1, 30, tzinfo=UTC), True),
        ("fedwire", datetime(2025, 7, 4, 15, tzinfo=UTC), False),
        ("fedwire", datetime(2027, 7, 5, 15, tzinfo=UTC), False),  # the 4th is a Sunday
        ("fedwire", datetime(2026, 7, 3, 15, tzinfo=UTC), True),  # the 4th is a Saturday: not moved
        ("fedwire", datetime(2025, 1, 6, 1, 30, tzinfo=UTC), False),  # winter: 20:30 ET of a Sunday
        ("fedwire", datetime(2025, 1, 6, 2, 30, tzinfo=UTC), True),
        ("korea", datetime(2025, 10, 13, 1, tzinfo=UTC), True),  # Monday 10:00 in Seoul
        ("korea", datetime(2025, 10, 8, 1, tzinfo=UTC), False),  # Chuseok
        ("always", datetime(2025, 10, 11, tzinfo=UTC), True),
    ],
)  # fmt: skip
def test_calendars(calendar: str, moment: datetime, expected: bool) -> None:
    assert state_at(calendar, moment)[0] is expected


def test_a_lender_pays_out_ahead_up_to_its_limit() -> None:
    resources = {
        "prime": {"kind": "credit", "limit": 100.0},
        "way": {"kind": "delay", "time": 60.0, "spread": 0.0},
    }
    net = network(resources, edge(["prime", "way"], kind="credit"))
    assert net.published_delay("alpha", "beta", USDT) == 0.0
    send(net, [70.0, 50.0, 20.0])
    net.step(1000)
    assert sorted(net.transfers["id"][net.advances].tolist()) == [
        0,
        2,
    ]  # what is beyond the limit goes on without
    assert float(x(net, "prime")["room"]) == pytest.approx(90.0)
    assert sorted(arrivals(net, 70)) == [0, 1, 2]
    assert float(x(net, "prime")["room"]) == 0.0
    net.set_resource("prime", limit=10.0)
    send(net, 20.0)
    net.step(net.now_ms + 1)
    assert net.advances == []


def test_a_lender_cuts_its_line_when_prices_move() -> None:
    line = {"kind": "credit", "limit": 100.0, "cut_at": 2.0, "cut_to": 0.3}
    net = network({"prime": line, "way": {"kind": "delay", "time": 60.0}}, edge(["prime", "way"]))
    paid = []
    for volatility in (1.0, 3.0):
        net.hear(volatility)
        send(net, 40.0)
        net.step(net.now_ms + 1000)
        paid.append(len(net.advances))
        net.step(net.now_ms + 10_000_000)
    assert net.listens and paid == [1, 0]


def test_who_has_credit_gets_out_of_a_venue_that_has_stopped_until_the_line_is_used() -> None:
    resources = {
        "prime": {"kind": "credit", "limit": 100.0},
        "way": {"kind": "delay", "time": 60.0, "spread": 0.0},
    }
    edges = [edge(["way"]), edge(["prime", "way"], kind="credit"), edge(["way"], "beta", "gamma")]
    net = network(resources, *edges)
    net.set_resource("way", open=False)
    alpha = net.node("alpha")
    assert not net.withdrawals_open[alpha] and net.paid_ahead[alpha]  # it is not the venue that lets out
    assert not net.edges["open"].any() and net.edges["ahead"].tolist() == [False, True, False]
    assert net.published_delay("alpha", "beta", USDT) == 0.0
    sent = send(net, 80.0)
    net.step(1000)
    assert net.transfers["id"][net.advances].tolist() == sent.ids.tolist()
    send(
        net, 15.0, target=net.node("gamma")
    )  # who goes on from there is paid nothing and waits like all others
    send(net, 21.0)
    net.step(2000)
    assert net.advances == [] and net.paid_ahead[alpha]
    send(net, 20.0)
    net.step(3000)
    assert len(net.advances) == 1 and not net.paid_ahead[alpha]
    assert np.isinf(net.published_delay("alpha", "beta", USDT))
    net.set_resource("way", open=True)
    net.step(net.now_ms + 200_000)
    assert net.paid_ahead[alpha] and float(x(net, "prime")["room"]) == 0.0  # the lender is repaid


def test_an_issuer_gives_one_asset_for_the_other() -> None:
    bank = {"bank": {"kind": "delay", "time": 60.0, "spread": 0.0}}
    net = network(
        bank,
        edge(["bank"], "outside", "issuer", asset="USD", asset_to="USDT", kind="mint"),
        edge([], "issuer", "beta", capacity=1e9, latency=5.0, jitter=0.0),
    )
    assert send(net, 1.0, source=3, target=4, asset=USD).codes.tolist() == [
        1
    ]  # no way for dollars as dollars
    send(net, 100.0, source=3, target=1, asset=USD, assets_to=USDT)
    assert net.in_transit.tolist() == [0, 0, 100 * DOLLAR]
    net.step(60_000)
    assert net.in_transit.tolist() == [100 * DOLLAR, 0, 0]
    assert [tuple(c) for c in net.conversions] == [(0, USD, USDT, 100 * DOLLAR)]
    record = net.step(65_001)[0]
    assert (int(record["asset"]), int(record["amount"])) == (USDT, 100 * DOLLAR)


# ---------------------------------------------------------------------- failures, refunds, parts


def test_what_a_review_turns_back_goes_the_way_that_it_came() -> None:
    resources = {
        "hot": hot(100.0, 0.0),
        "way": {"kind": "delay", "time": 30.0, "spread": 0.0},
        "desk": {"kind": "servers", "time": 5.0, "bounce": 1.0},
    }
    net = network(resources, edge(["hot", "way", "desk"], fee=1.0))
    assert send(net, 41.0).fees.tolist() == [DOLLAR]
    assert x(net, "hot")["hot"] == 60 * DOLLAR
    came = [record for now in range(1000, 80_000, 1000) for record in net.step(now)]
    assert [(bool(r["back"]), int(r["due_ms"]), int(r["amount"])) for r in came] == [
        (True, 65_000, 40 * DOLLAR)
    ]
    assert x(net, "hot")["hot"] == 100 * DOLLAR
    assert net.in_transit[USDT] == 0 and net.edges["moved"].sum() == 0


def test_what_arrives_at_once_counts_until_it_is_handed_over() -> None:
    net = network({"gate": {"kind": "hours", "calendar": "always"}}, edge(["gate"]))
    send(net, 5.0)
    assert net.in_transit[USDT] == 5 * DOLLAR and net.check() == [] and len(net.under_way()) == 1
    assert [int(r["due_ms"]) for r in net.step(1000)] == [0]
    assert net.in_transit[USDT] == 0 and net.check() == []


def test_a_large_transfer_goes_in_parts_and_each_pays() -> None:
    net = network({}, edge([], largest=100.0, fee=1.0, fee_rate=0.001, capacity=1e9, latency=1.0, jitter=0.0))
    sent = send(net, 250.0)
    assert sent.fees.tolist() == [3 * DOLLAR + DOLLAR // 4]
    amounts = [int(r["amount"]) for r in net.under_way()]
    assert len(amounts) == 3 and max(amounts) - min(amounts) <= 1
    assert sum(amounts) + int(sent.fees[0]) == 250 * DOLLAR


def test_a_resource_can_be_shut_by_a_recorded_event() -> None:
    events = [
        {"time": at(10), "resource": "alpha.*", "open": False},
        {"time": at(500), "resource": "alpha.*", "open": True},
    ]
    net = network({"alpha.desk": {"kind": "servers", "time": 20.0}}, edge(["alpha.desk"]), events=events)
    send(net, [1.0, 1.0])
    assert arrivals(net, 100) == {0: 20_000}  # what was on the desk is done
    assert not net.edges["open"][0] and np.isinf(net.delay(0))
    assert arrivals(net, 600) == {1: 520_000}


RULE = {
    "kind": "servers", "time": 10.0,
    "stops": {"queue": 5, "reopen_queue": 1, "rest": 30.0},
}  # fmt: skip


def test_an_owner_stops_at_its_level_works_off_and_reopens() -> None:
    net = network({"desk": RULE}, edge(["desk"]), stops="endogenous")
    assert set(send(net, np.ones(7)).codes.tolist()) == {ACCEPTED}
    assert not net.edges["open"][0]  # one is on the desk, six wait
    assert send(net, 1.0).codes.tolist() == [SHUT]
    assert len(arrivals(net, 55)) == 5
    assert not net.edges["open"][0]  # below its level; but it looks only every 30 s
    net.step(60_000)
    assert net.edges["open"][0] and [gate.open for gate in net.gates] == [True]


def test_a_wallet_below_its_level_stops_withdrawals() -> None:
    rule = {"hot": 50.0, "reopen_hot": 100.0, "rest": 10.0}
    net = network({"hot": hot(100.0, 500.0, stops=rule)}, edge(["hot"]), stops="endogenous")
    send(net, 60.0)
    assert not net.edges["open"][0]
    net.step(59_000)
    assert not net.edges["open"][0]
    net.step(60_000)
    assert net.edges["open"][0]  # the batch has come


def test_who_shuts_is_one_switch() -> None:
    events = [{"time": at(1), "resource": "desk", "open": False}]
    shut = {}
    for stops in ("as_recorded", "endogenous", "both", "none"):
        net = network({"desk": RULE}, edge(["desk"]), events=events, stops=stops)
        net.step(2000)
        recorded = not net.edges["open"][0]
        net.set_resource("desk", open=True)
        send(net, np.ones(9))
        shut[stops] = (recorded, not net.edges["open"][0])
    assert shut == {
        "as_recorded": (True, False),
        "endogenous": (False, True),
        "both": (True, True),
        "none": (False, False),
    }


def test_failures_come_as_often_as_said_and_more_often_under_load() -> None:
    def failures(growth: float, jobs: int) -> int:
        desk = {
            "kind": "servers",
            "servers": 9,
            "time": 2.5e6,
            "hazard": 3.0,
            "hazard_growth": growth,
            "repair": 1.0,
        }
        net = network({"desk": desk}, edge(["desk"]))
        send(net, np.ones(jobs))
        net.step(600 * 3_600_000)
        return int(net.resources["failures"].sum())

    assert failures(0.0, 2) == pytest.approx(1800, rel=0.07)
    assert failures(0.5, 2) == pytest.approx(3600, rel=0.05)


def test_taking_out_an_owner_leaves_the_others_draws() -> None:
    def own(crowd: int) -> list[int]:
        net = network(
            {
                "way": {"kind": "delay", "time": 60.0},
                "desk": {"kind": "servers", "servers": 10_000, "law": "exponential"},
            },
            edge(["way", "desk"]),
        )
        if crowd:
            send(net, np.ones(crowd), np.arange(100, 100 + crowd))
        ids = send(net, np.ones(5), 7).ids
        came = arrivals(net, 3000, 10_000)
        return [came[int(i)] for i in ids]

    assert own(0) == own(300)


# ---------------------------------------------------------------------- saving, routes, faults


@pytest.mark.parametrize("pause", [3, 200, 450])
def test_a_resumed_run_equals_one_that_never_stopped(pause: int) -> None:
    def go(net: Network, first: int, last: int) -> list[tuple[int, int]]:
        seen = []
        for second in range(first, last):
            rng = np.random.default_rng(second)
            if second < 500 and rng.random() < 0.2:
                choice = ways(net)
                source, target, asset, to = choice[rng.integers(len(choice))]
                send(
                    net,
                    rng.uniform(1, 700, 2),
                    int(rng.integers(5)),
                    source,
                    target,
                    asset=asset,
                    assets_to=to,
                )
            seen += [(int(r["id"]), int(r["due_ms"])) for r in net.step(1000 * (second + 1))]
        return seen

    whole, start, later = everything(), everything(), everything()
    expected = go(whole, 0, 900)
    seen = go(start, 0, pause)
    later.restore(start.snapshot())
    assert seen + go(later, pause, 900) == expected
    one, other = whole.snapshot(), later.snapshot()
    assert all(np.array_equal(one[key], other[key]) for key in one)
    assert len(expected) > 100


def test_routes_by_time_cost_and_certainty() -> None:
    resources = {
        "quick": {"kind": "servers", "time": 10.0},
        "slow": {"kind": "delay", "time": 100.0, "spread": 0.0},
        "late": {"kind": "servers", "servers": 100, "law": "exponential", "time": 50.0},
    }
    net = network(
        resources,
        edge(["quick"], fee=5.0),
        edge(["slow"], fee=0.1),
        edge(["late"], fee=1.0),
        edge(["slow"], "alpha", "gamma"),
        edge([], "gamma", "beta", latency=1.0, capacity=1e9),
    )

    def way(by: str, owner: int = 0) -> tuple[int, ...]:
        return net.ways.path(0, 1, USDT, USDT, by=by, owner=owner)  # type: ignore[arg-type]

    assert [way("time"), way("cost")] == [(0,), (3, 4)]  # the detour costs nothing
    net.set(3, open=False)
    assert way("cost") == (1,)
    send(net, np.ones(30) * 10, by="time")
    net.step(1000)
    assert way("time") == (2,)  # the quick desk publishes a queue
    assert way("certainty") == (2,)  # nobody knows better: the faster of equals
    send(net, np.ones(20) * 10, owner=5, by="time")
    net.step(400_000)
    assert net.ways.kept(5, 2) < 0.9
    send(net, np.ones(20) * 10, owner=5, by="cost")
    net.step(800_000)
    assert net.ways.kept(5, 1) > 0.9
    assert way("certainty", 5) == (1,)
    assert way("certainty", 6) != (1,)
    assert way("time") is way("time")  # remembered within the step


def test_who_sends_may_say_how_the_route_is_chosen() -> None:
    net = network({"slow": {"kind": "delay", "time": 90.0}}, edge([], latency=5.0, fee=9.0), edge(["slow"]))
    for by, expected in (("listed", 0), ("time", 0), ("cost", 1)):
        sent = send(net, 20.0, by=by)
        assert net.under_way()["edge"][-1] == expected and sent.codes.tolist() == [ACCEPTED]


def test_what_is_published_of_stations() -> None:
    resources = {
        "desk": {"kind": "servers", "servers": 2, "time": 30.0},
        "hot": hot(10.0, 1000.0, 600.0),
        "chain": chain(),
        "way": {"kind": "delay", "time": 45.0},
    }
    net = network(resources, edge(["desk", "hot", "chain", "way"], confirmations=5))
    assert net.delay(0) == pytest.approx(30 + 12 + 60 + 45)
    send(net, np.ones(4))
    net.step(1000)
    assert net.delay(0) == pytest.approx(30 * 2.5 + 11 + 60 + 45)


def test_faults_of_stations_come_in_words() -> None:
    raw = {
        "resources": {
            "hot": hot(1.0, 0.0) | {"venue": "delta"},
            "desk": {"kind": "servers", "stops": {"hot": 3.0}},
            "own": hot(1.0, 0.0),
        },
        "edges": [
            edge(["desc"]),
            edge(["own"], fallback=["desk"]),
            edge(["desk"]),
            edge(["own"], "alpha", "alpha"),
        ],
        "events": [
            {"time": at(0), "resource": "tron", "open": False},
            {"time": at(0), "resource": "desk", "load": 1.0},
            {"time": at(0), "latency": 3.0},
        ],
    }
    lines = NetworkParameters.model_validate(raw).faults(VENUES, ASSETS)
    assert [line.split(":")[0] for line in lines] == [
        "network.edges[0].path",
        "network.edges[0].path",
        "network.edges[1].fallback",
        "network.edges[2].path",
        "network.edges[3].path",
        "network.resources.hot.venue",
        "network.resources.desk.stops.hot",
        "network.events[0].resource",
        "network.events[1].load",
        "network.events[2]",
    ]
    for wrong in ({"resource": "desk", "latency": 3.0}, {"load": 1.0}, {"resource": "desk"}):
        with pytest.raises(ValueError):
            NetworkParameters.model_validate({"events": [{"time": at(0), **wrong}]})


# ---------------------------------------------------------------------- conservation


class Conservation(RuleBasedStateMachine):
    """Random requests, failures, repairs, refunds and steps: under way + ended + fees = sent, and the twin agrees."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Side(everything(3))
        self.sent = np.zeros(3, np.int64)
        self.ended = np.zeros(3, np.int64)
        self.minted = np.zeros(3, np.int64)

    @rule(
        which=st.integers(0, 9),
        owner=st.integers(0, 4),
        amounts=st.lists(st.integers(1, 10**9), min_size=1, max_size=4),
    )
    def request(self, which: int, owner: int, amounts: list[int]) -> None:
        net = self.both.net
        before = net.in_transit.copy()
        choice = ways(net)
        self.both.send(choice[which % len(choice)], np.array(amounts) / DOLLAR, owner)
        self.sent += net.in_transit - before

    @rule(seconds=st.floats(0.001, 90.0))
    def step(self, seconds: float) -> None:
        net = self.both.net
        now = net.now_ms + max(1, round(seconds * 1000))
        for record in net.step(now):
            self.ended[record["asset"]] += record["amount"]
            how = "returned" if record["back"] else "arrived"
            self.both.ended.append((int(record["id"]), how, int(record["due_ms"])))
        for change in net.conversions:
            self.minted[change.asset_to] += change.amount
            self.minted[change.asset] -= change.amount
        self.both.twin.step(now)

    @rule(name=st.sampled_from(sorted(EVERYTHING)), open=st.booleans())
    def turn(self, name: str, open: bool) -> None:
        self.both.net.set_resource(name, open=open)
        station = self.both.twin.resources[name]
        self.both.twin.set(station, open)

    @rule()
    def save_and_resume(self) -> None:
        saved = self.both.net.snapshot()
        self.both.net = everything(3)
        self.both.net.restore(saved)

    @invariant()
    def every_unit_is_somewhere(self) -> None:
        net = self.both.net
        assert np.array_equal(net.in_transit + self.ended - self.minted, self.sent)
        assert net.check() == []
        assert (net.resources["hot"] >= 0).all() and (net.resources["waiting"] >= 0).all()
        self.both.compare()


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
