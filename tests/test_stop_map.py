"""Stops of transfers beside each other, and the map of where they matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import Run, cli, config, load, stop_map, stops
from experiments.config import ScenarioError
from experiments.stop_map import Cell, Field

KEPT = dict.fromkeys(stop_map.CONSTRAINTS, 0.0)
SMALL = ("--set", "clock.duration=300", "--set", "news.0.time=2025-10-10T20:01:00Z")


def test_a_field_changes_what_is_pre_funded_and_stops_every_channel_between_places() -> None:
    scenario = load("four_venues")
    changed = stop_map.scenario_of(scenario, Cell(0.5, 3.0))
    (before,), (after,) = (
        [one.opening for one in s.population.values() if one.species == "arbitrageur"]
        for s in (scenario, changed)
    )
    assert after.cash["major"] == pytest.approx(0.5 * before.cash["major"])
    assert after.share["major"] == pytest.approx(0.5 * before.share["major"])
    pairs = {(edge.source, edge.target) for edge in scenario.network.edges if edge.source != edge.target}
    begin = scenario.news[0].time
    shut = {
        (e.edge.source, e.edge.target) for e in changed.network.events if e.open is False and e.time == begin
    }
    reopened = {e.time for e in changed.network.events if e.open}
    assert shut == pairs and len(reopened) == 1
    assert (reopened.pop() - begin).total_seconds() == 180
    assert stop_map.scenario_of(scenario, Cell(1.0, 0.0)).network.events == ()
    others = [(name, one) for name, one in scenario.population.items() if one.species != "arbitrageur"]
    assert all(changed.population[name] == one for name, one in others)


def test_the_null_has_nobody_levered_but_desks_and_no_place_on_the_axis_of_forced_flow() -> None:
    cells = stop_map.cells((0.5, 1.0), (2.0, 8.0), null=True)
    assert [one.name for one in cells if not one.levered] == [
        f"funded-{factor}-stop-{length}-unlevered" for factor in ("0.5", "1") for length in (0, 8)
    ]
    scenario = load("uneven_venues")
    changed = stop_map.scenario_of(scenario, Cell(1.0, 8.0, levered=False))
    for name, one in changed.population.items():
        if one.opening is None:
            continue
        public = one.species in ("leveraged_long", "leveraged_short")
        assert one.opening.max_leverage == (1.0 if public else scenario.population[name].opening.max_leverage)
    nothing = [Field(cells[-1], seed, 10.0, 0.0, np.nan, 1.0, 1.0, 0.0, KEPT) for seed in (1, 2)]
    (one,) = stop_map.means(nothing)
    assert one.covered == np.inf and not one.matters
    told = stop_map.markdown(nothing, [], "cascade network map")
    assert "| 1 | - | 8 | - |" in told and "null" in told
    assert stop_map.figure(nothing, [], "nobody").axes


def test_a_map_needs_news_and_arbitrageurs() -> None:
    raw = config.plain(load("four_venues"))
    raw["news"] = []
    raw["population"] = {k: v for k, v in raw["population"].items() if v["species"] != "arbitrageur"}
    scenario, faults = config.resolve(raw)
    assert scenario is not None, faults
    with pytest.raises(ScenarioError) as caught:
        stop_map.scenario_of(scenario, Cell(1.0, 1.0))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["news", "population"]


def test_a_field_over_seeds_has_an_interval() -> None:
    cell = Cell(1.0, 5.0)
    found = [
        Field(cell, seed, 10.0, 5.0, 100.0, 1.0, ratio, 0.5, KEPT)
        for seed, ratio in enumerate((1.2, 1.3, 1.25))
    ]
    (one,) = stop_map.means(found)
    assert one.covered == 2.0 and one.lasting == 3.0
    assert one.ratio == pytest.approx(float(np.prod([1.2, 1.3, 1.25])) ** (1 / 3))
    assert one.low < one.ratio < one.high
    assert "yes" in stop_map.markdown(found, [], "cascade network map")


@pytest.mark.slow
def test_the_commands_run_compare_and_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "map"
    words = [
        "network",
        "map",
        "four_venues",
        "--factor",
        "1",
        "--stop",
        "2",
        "--seeds",
        "1",
        "--jobs",
        "1",
        *SMALL,
    ]
    assert cli.answer([*words, "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "| 1 |" in told.out and (out / "map.png").stat().st_size > 10_000
    digests = {path.parent.parent.name: (path / "digest.txt").read_text() for path in out.glob("*/seed-*")}
    again = tmp_path / "map"
    assert cli.answer([*words, "--out", str(again), "--place", str(out / "funded-1-stop-2")]) == 0
    assert "done" not in capsys.readouterr().err  # nothing is run twice
    assert digests
    free, shut = (Run.open(out / f"funded-1-stop-{length}") for length in (0, 2))
    assert stops.stopped(free) == [] and sum(b - a for a, b in stops.stopped(shut)) == pytest.approx(
        120, abs=1
    )
    assert (
        stop_map.inventory(free) == pytest.approx(stop_map.inventory(shut)) and stop_map.inventory(free) > 0
    )
    assert cli.answer(["network", "map", "four_venues", "--factor", "-1", "--stop", "0"]) == 2
    err = capsys.readouterr().err
    assert "--factor: given -1" in err and "--stop: given 0" in err
    assert (
        cli.answer(["network", "stops", "four_venues", "--jobs", "1", *SMALL, "--out", str(tmp_path / "s")])
        == 0
    )
    told = capsys.readouterr()
    assert "| as_recorded |" in told.out and (tmp_path / "s" / "stops.png").exists()
