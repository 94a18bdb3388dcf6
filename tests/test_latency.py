"""B15: a bound on price differences, what it is made of, and what the variance of latency has to do with it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from experiments import arbitrage
from experiments.runner import Job, run_jobs
from experiments.validate import latency
from experiments.validate.lab import Lab

BASE = {"latency": 1200.0, "variation": 1.0, "volatility": 0.4, "bar": 1.75}


def exceeded(z: float, variation: float) -> float:
    """Chance that a price which moves for a random time is beyond z sigma sqrt(E[tau]) when it ends."""
    if variation == 0:
        return float(2 * stats.norm.sf(z))
    # inverse Gaussian of mean 1 and variance `variation` squared
    law = stats.invgauss(mu=variation**2, scale=variation**-2)
    tau = law.ppf((np.arange(200_000) + 0.5) / 200_000)
    return float(2 * stats.norm.sf(z / np.sqrt(tau)).mean())


@pytest.mark.parametrize(("z", "sign"), [(1.5, -1), (1.65, -1), (1.82, 1), (2.5, 1)])
def test_a_limit_in_standard_deviations_fears_variance_only_beyond_the_root_of_three(
    z: float, sign: int
) -> None:
    assert np.sign(exceeded(z, 0.1) - exceeded(z, 0.0)) == sign


def test_the_market_is_one_way_for_coins_and_money_with_the_asked_mean_and_variance() -> None:
    found = latency.scenario(latency.Parameters(), BASE)
    way = found.network.resources["way"]
    assert (way.law, way.time, way.spread) == ("inverse_gaussian", 1200.0, 1.0)
    ends = {(edge.source, edge.target, edge.asset) for edge in found.network.edges}
    assert ends == {
        (a, b, asset) for a, b in (("global", "seoul"), ("seoul", "global")) for asset in ("USD", "BTC")
    }
    assert found.contracts["BTC"].volatility == 0.4
    (arbitrageurs,) = (one for one in found.population.values() if one.species == "arbitrageur")
    assert (arbitrageurs.parameters.bar, arbitrageurs.parameters.settlement) == (1.75, 0.0)


def test_a_quick_validation_says_that_it_does_not_measure_it(tmp_path: Path) -> None:
    rows = latency.rows(latency.Parameters(), Lab(tmp_path, quick=True))
    assert [row["id"] for row in rows] == [f"B15.{n}" for n in range(1, 6)]
    assert all(row["value"] is None and not row["pass"] for row in rows)


def test_a_difference_is_what_could_be_traded_at_once_whatever_the_last_trades_were() -> None:
    nothing = np.nan
    columns = {
        ("bid", "here"): [100.0, 100.0, 104.0, nothing],
        ("ask", "here"): [101.0, 101.0, 105.0, 101.0],
        ("bid", "there"): [100.0, 102.01, 100.0, 100.0],
        ("ask", "there"): [101.0, 103.0, 100.0, nothing],
        ("last", "here"): [100.0, 100.0, 104.0, 50.0],
        ("last", "there"): [150.0, 150.0, 150.0, 150.0],
    }
    run = SimpleNamespace(column=lambda what, book: np.array(columns[what, book]))
    found = arbitrage.open_gap(run, ["here", "there"])  # type: ignore[arg-type]
    assert found == pytest.approx([0.0, 1.0, 4.0, 0.0])


@pytest.mark.slow  # an hour of a small market, twice
def test_prices_part_more_where_transfers_take_longer(tmp_path: Path) -> None:
    p = latency.Parameters(hours=1.0)
    jobs = [
        Job(f"{time:g}", latency.scenario(p, {**BASE, "latency": time}), 1, tmp_path / f"{time:g}")
        for time in (300.0, 4800.0)
    ]
    fast, slow = (outcome.open() for outcome in run_jobs(jobs, jobs=1, progress=False))
    assert latency.difference(slow) > 1.1 * latency.difference(fast)
    assert 0.0 <= latency.covered(fast) <= 1.0
