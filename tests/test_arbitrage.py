"""What a run tells of gaps and of the arbitrage that was not done: sums, shares, and the record of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import Run, arbitrage, cli, load
from experiments.runner import Job, run_jobs

SAVERS = (
    '{species="withdrawer", worried=0.2, after=20.0, opening={kind="desk", accounts=100, cash={major=0.2}, '
)
SHORT = (
    ("clock.duration", "420"),
    ("news.0.time", "2025-10-10T20:01:00Z"),
    ("news.0.size", "-0.08"),
    (
        "network.edges",
        '[{source="alpha", target="outside", asset="USDT", capacity=2e4}, {source="beta", target="outside",'
        ' asset="USDT", capacity=2e2}]',
    ),
    ("population.savers", SAVERS + 'reserve_at="outside"}}'),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("arbitrage") / "run"
    (outcome,) = run_jobs([Job("arbitrage", load("two_venues", SHORT), 1, folder)], jobs=1, progress=False)
    assert outcome.reason == ""
    return Run.open(folder)


def test_gaps_are_those_of_the_books_at_the_ends_of_minutes(run: Run) -> None:
    found = arbitrage.gaps(run, "BTC")
    assert found and found == sorted(found, key=lambda gap: -gap.largest)
    widest = found[0]
    at = int(np.searchsorted(run.time, widest.time + 1e-9, side="right")) - 1
    one, other = (run.column("last", book=name)[at] for name in (widest.book, widest.other))
    assert widest.largest == pytest.approx(100 * abs(one - other) / max(one, other))
    assert list(widest.minutes) == sorted(widest.minutes, reverse=True)
    assert all(0 <= gap.median <= gap.largest for gap in found)


def test_waits_are_those_between_a_transfers_two_events(run: Run) -> None:
    events, found = run.events(), arbitrage.waits(run)
    sent = events["kind"] == "transfer_sent"
    assert sum(wait.sent for wait in found) == sent.sum() > 0
    arrived = sum(wait.sent for wait in found if wait.target != "-")
    assert arrived == (events["kind"] == "transfer_arrived").sum() > 0
    assert all(wait.mean > 5 and wait.p95 >= wait.mean * 0.5 for wait in found if wait.target != "-")
    assert all(np.isnan(wait.mean) for wait in found if wait.target == "-")


def test_the_report_is_printed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["network", "report", str(run.folder)]) == 0
    told = capsys.readouterr().out
    assert "## Transfers" in told and "| alpha | outside |" in told and "Forgone arbitrage, all coins" in told
    assert cli.answer(["network", "report", "nowhere"]) == 2


def test_the_report_says_which_part_it_is_at(run: Run) -> None:
    begun: list[str] = []
    arbitrage.measured(run, "BTC", begun.append)
    assert tuple(begun) == arbitrage.PARTS


def test_forgone_arbitrage_adds_up_over_constraints_coins_and_time(run: Run) -> None:
    everything = arbitrage.forgone(run)
    assert everything, "a cascade leaves gaps that somebody could not trade"
    assert sum(one.share for one in everything) == pytest.approx(1.0)
    total = sum(one.value for one in everything)
    assert sum(one.value for coin in ("BTC", "SUI") for one in arbitrage.forgone(run, coin)) <= total * (
        1 + 1e-9
    )
    halves = [arbitrage.forgone(run, window=window) for window in ((0.0, 200.0), (200.0, 1e9))]
    assert sum(one.value for half in halves for one in half) == pytest.approx(total)
    assert "Forgone arbitrage" in arbitrage.markdown(run, "BTC")


def test_the_record_keeps_what_was_remarked(run: Run, tmp_path: Path) -> None:
    seen = run.observations()
    assert set(seen) == {"time", "participant", "what", "book", "other_book", "value", "rate"}
    assert (seen["value"] > 0).all() and (seen["rate"] > 0).all()
    assert (np.diff(seen["time"]) >= 0).all()
    assert run.verify()
