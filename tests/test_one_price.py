"""Limits of arbitrage: nobody who is at two venues, and arbitrageurs whom nothing keeps from trading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import Run, config, load, readings
from experiments.runner import Job, run_jobs

QUIET = [("news", "[]"), ("clock.duration", "1800"), ("network.edges", "[]")]


def simulated(raw: dict[str, Any], folder: Path, seed: int = 1) -> Run:
    scenario, faults = config.resolve(raw)
    assert scenario is not None, faults
    (outcome,) = run_jobs([Job(folder.name, scenario, seed, folder)], jobs=1, progress=False)
    return outcome.open()


def apart(raw: dict[str, Any]) -> None:
    """Give each venue its own people: nobody has rows on two, and no arbitrageur is left."""
    people: dict[str, Any] = {}
    for name, entry in raw["population"].items():
        if entry["species"] == "arbitrageur":
            continue
        if entry["species"] == "exchange":
            people[name] = entry
            continue
        for venue in raw["venues"]:
            people[f"{name}_{venue}"] = {**entry, "opening": {**entry["opening"], "venues": [venue]}}
    raw["population"] = people
    for name, venue in raw["venues"].items():
        venue["spots"], venue["spot_share"] = ["BTC"], venue["share"]
        venue["index"] = {**venue.get("index", {}), "weights": {name: 1.0}}


def correlation(run: Run, every: float) -> tuple[float, float, float]:
    """Correlation of the returns of two perpetuals, and its 95 % interval (Fisher)."""
    ends = np.arange(every, run.time[-1], every)
    at = np.searchsorted(run.time, ends + 1e-9, side="right") - 1
    one, other = (
        np.diff(np.log(readings.filled(run.column("last", book=f"{name}:BTC-PERP"))[at]))
        for name in ("alpha", "beta")
    )
    known = np.isfinite(one) & np.isfinite(other)
    rho = float(np.corrcoef(one[known], other[known])[0, 1])
    half = 1.96 / np.sqrt(known.sum() - 3)
    return rho, float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))


@pytest.mark.slow
def test_markets_with_nothing_in_common_do_not_move_together(tmp_path: Path) -> None:
    raw = config.plain(load("two_venues", QUIET))
    apart(raw)
    rho, low, high = correlation(simulated(raw, tmp_path / "apart"), 10.0)
    assert low < 0.0 < high, rho
    together, low, _ = correlation(simulated(config.plain(load("two_venues", QUIET)), tmp_path / "one"), 10.0)
    assert low > 0.0 and together > 0.3  # arbitrageurs and one index make one market of the two


def spot_against_spot(step: float, fees: bool) -> dict[str, Any]:
    """Two spot books in the same money, channels without time, fee or cap, arbitrageurs with money for everything.

    Makers know their own book only: else they quote both about one price, and there is nothing left to arbitrage.
    """
    free = "capacity=1e12, latency=0.0, jitter=0.0, fee=0.0"
    edges = ", ".join(
        f'{{source="{a}", target="{b}", asset="{asset}", {free}}}'
        for a, b in (("alpha", "beta"), ("beta", "alpha"))
        for asset in ("USDT", "BTC")
    )
    settings = [
        ("news", "[]"), ("clock.duration", "600"), ("clock.step", str(step)), ("network.edges", f"[{edges}]"),
        ("venues.beta.spots", '["BTC"]'), ("venues.alpha.spot_share", "0.6"), ("venues.beta.spot_share", "0.4"),
        ("population.arbitrageurs.opening.cash", "{major=20.0}"),
        ("population.arbitrageurs.opening.inventory", "{major=20.0}"),
        ("population.arbitrageurs.settlement", "0.0"), ("population.arbitrageurs.execution", "0.0"),
        ("population.makers.blend", "0.0"), ("population.makers.pull", "1e9"), ("population.makers.own_book", "1.0"),
    ]  # fmt: skip
    if not fees:
        settings += [("venues.*.fees.taker", "0.0"), ("venues.*.fees.maker", "0.0")]
    return config.plain(load("two_venues", settings))


def spot_gap(raw: dict[str, Any], folder: Path) -> float:
    """Median distance of the two spot middles as a share of the price, mean of two seeds."""
    found = []
    for seed in (1, 2):
        run = simulated(raw, folder / str(seed), seed)
        one, other = (run.column("mid", book=f"{name}:BTC-SPOT") for name in ("alpha", "beta"))
        keep = np.isfinite(one) & np.isfinite(other) & (run.time > 120.0)
        found.append(float(np.median(np.abs(one - other)[keep] / one[keep])))
    return float(np.mean(found))


@pytest.mark.slow
def test_with_nothing_in_the_way_prices_differ_by_no_more_than_fees_and_a_tick(tmp_path: Path) -> None:
    raw = spot_against_spot(2.0, fees=True)
    fees = sum(float(raw["venues"][name]["fees"]["taker"]) for name in ("alpha", "beta"))
    assert spot_gap(raw, tmp_path) <= fees + 0.1 / 116605.1


@pytest.mark.slow
def test_where_a_trade_costs_nothing_what_arbitrage_leaves_shrinks_with_the_step(tmp_path: Path) -> None:
    # with fees nobody trades so small a gap: what is left then is how two books are quoted, which no step changes
    gaps = {
        step: spot_gap(spot_against_spot(step, fees=False), tmp_path / f"step-{step:g}")
        for step in (2.0, 0.5)
    }
    assert gaps[0.5] < 0.9 * gaps[2.0], gaps
    alone = spot_against_spot(0.5, fees=False)
    del alone["population"]["arbitrageurs"]
    assert gaps[0.5] < 0.9 * spot_gap(alone, tmp_path / "alone"), "they are who holds the two together"
