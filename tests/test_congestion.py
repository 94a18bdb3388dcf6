"""What a run tells of its network: desks that are busy, wallets that run dry, banks that are shut, requests refused."""

from __future__ import annotations

import numpy as np
import pytest

from experiments import Run, arbitrage, congestion, load
from experiments.runner import Job, run_jobs

DESK = '{kind="servers", servers=1, law="deterministic", time=20.0}'
HOT = '{kind="wallet", venue="alpha", asset="USDT", hot=2e4, refill=120.0}'
SAVERS = (
    '{species="withdrawer", worried=1.0, after=20.0, opening={kind="desk", accounts=60, venues=["alpha", "beta"],'
    ' cash={major=0.2}, reserve_at="outside"}}'
)
BUSY = (
    ("clock.duration", "400"),
    ("news.0.time", "2025-10-10T20:01:00Z"),
    ("network.resources", f'{{desk={DESK}, hot={HOT}, bank={{kind="hours", calendar="fedwire"}}}}'),
    (
        "network.edges",
        '[{source="alpha", target="outside", asset="USDT", path=["desk", "hot"], queue_limit=1000},'
        ' {source="beta", target="alpha", asset="USDT", path=["bank"]},'
        ' {source="beta", target="outside", asset="USDT", latency=5.0, open=false, when_shut="refuse"}]',
    ),
    ("clock.start", "2025-10-11T20:00:00Z"),  # a Saturday
    ("news.0.time", "2025-10-11T20:01:00Z"),
    ("population.savers", SAVERS),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("congestion") / "run"
    (outcome,) = run_jobs([Job("congestion", load("two_venues", BUSY), 1, folder)], jobs=1, progress=False)
    assert outcome.reason == ""
    return Run.open(folder)


def station(run: Run, name: str, window: tuple[float, float] | None = None) -> congestion.Station:
    (found,) = [one for one in congestion.stations(run, window) if one.resource == name]
    return found


def test_a_desk_that_more_ask_than_it_serves_is_busy_all_the_time(run: Run) -> None:
    desk = station(run, "desk", (150.0, 400.0))
    assert desk.utilisation == pytest.approx(1.0, abs=0.02)
    assert desk.served == pytest.approx(250 / 20, abs=1.01)
    assert desk.queue > 5 and desk.longest >= desk.queue
    assert desk.blocked == 0.0 and desk.shut == 0.0


def test_waits_at_a_desk_are_those_of_its_queue(run: Run) -> None:
    lines, desk = run.stations(), station(run, "desk")
    mine = lines["resource"] == "desk"
    assert desk.served == lines["served"][mine][-1]
    assert desk.mean == pytest.approx(lines["waited"][mine][-1] / lines["served"][mine][-1])
    assert desk.mean < desk.p95 < 400
    waits = run.waits()
    counted = waits["count"][waits["resource"] == "desk"]
    assert counted.sum() == desk.served
    below = waits["below"][waits["resource"] == "desk"]
    assert (counted * below / 2**0.25).sum() - counted[below <= 1].sum() <= desk.mean * desk.served
    assert desk.mean * desk.served <= (counted * below).sum()


def test_a_hot_wallet_that_is_asked_for_more_runs_low(run: Run) -> None:
    assert station(run, "hot").lowest < 0.6


def test_what_waits_for_a_bank_on_a_saturday_is_blocked(run: Run) -> None:
    bank = station(run, "bank")
    assert bank.shut == pytest.approx(1.0)
    if bank.longest:
        assert bank.blocked > 0


def test_refused_requests_are_kept_with_their_reason(run: Run) -> None:
    refused = congestion.refused(run)
    assert [(one.source, one.target, one.reason) for one in refused] == [
        ("beta", "outside", "withdrawals shut")
    ]
    assert refused[0].count > 0 and refused[0].value > 0


def test_what_was_kept_is_read_again_and_printed(run: Run) -> None:
    assert run.verify()
    told = arbitrage.markdown(run, "BTC")
    assert "| desk | servers |" in told and "withdrawals shut" in told and "## Edges" in told
    edges = {one.edge: one for one in congestion.channels(run)}
    assert edges["alpha>outside:USDT"].moved > 0 and edges["alpha>outside:USDT"].mean > 20


def test_an_arbitrageur_calls_a_bank_that_is_shut_by_its_name(run: Run) -> None:
    words = {one.constraint for one in arbitrage.forgone(run)}
    assert "calendar" in words, words


def test_the_bound_of_a_gap_grows_with_latency_volatility_and_risk_aversion(run: Run) -> None:
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.001, 60)))
    books = "alpha:BTC-PERP", "beta:BTC-PERP"

    def median(closes: np.ndarray, tau: float, z: float) -> float:
        return float(np.nanmedian(arbitrage.bound(run, *books, closes, tau, z)))

    base = median(closes, 600.0, 1.75)
    fees = 100 * sum(run.config["venues"][name]["fees"]["taker"] for name in ("alpha", "beta"))
    assert median(closes, 0.0, 1.75) == pytest.approx(fees)
    assert median(closes, 2400.0, 1.75) - fees == pytest.approx(2 * (base - fees))
    assert median(closes, 600.0, 3.5) - fees == pytest.approx(2 * (base - fees))
    assert median(closes**2, 600.0, 1.75) - fees == pytest.approx(2 * (base - fees))
