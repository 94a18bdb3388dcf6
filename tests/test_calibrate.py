"""Calibration: what a file may say, how far moments are, what a search finds, goes on with and cannot tell."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import calibrate, cli
from experiments.calibrate import distance, fitting
from experiments.calibrate.calibration import CALIBRATIONS, Calibration, Fit, Moment, Parameter, loads
from experiments.calibrate.market import Answer, Market, Point
from experiments.calibrate.profile import profiles, slopes
from experiments.sweep import StudyError
from experiments.sweep.outcomes import Outcome
from experiments.sweep.planning import plan

pytest.importorskip("optuna")

FILE = """
title = "Two moments of three parameters"
scenario = "two_venues"

[fit]
trials = 60
seeds = 3
startup = 16
confirm = 2

[parameters.news]
path = "news.0.size"
low = -0.10
high = -0.01

[parameters.depth]
path = "population.makers.depth"
low = 0.001
high = 0.1
scale = "log"

[parameters.idle]
path = "network.edges.*.latency"
low = 0.0
high = 1000.0

[moments.fall]
quantity = "fall"
target = 3.0
width = 0.1

[moments.volume]
column = "volume"
target = 10.0
width = 0.5
group = "trade"
"""


def answer(point: Point, seed: int) -> dict[str, float | None]:
    """A made-up market: the fall follows from news and depth, the volume from depth, nothing from idle."""
    draw = np.random.default_rng(seed)
    depth = math.log10(float(point["depth"]))
    return {
        "fall": -60.0 * float(point["news"]) + depth + 2.0 + 0.02 * draw.normal(),
        "volume": 10.0 + 5.0 * (depth + 2.0) + 0.05 * draw.normal(),
    }


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Point]:
    """The made-up market instead of the engine; the points that were asked for, in order."""
    monkeypatch.chdir(tmp_path)
    asked: list[Point] = []

    def ask(self: Market, points: Sequence[Point], first: int, seeds: int) -> list[Answer]:
        asked.extend(points)
        found = []
        for point in points:
            values = [answer(point, seed) for seed in range(first, first + seeds)]
            found.append(Answer({name: [one[name] for one in values] for name in values[0]}))
        return found

    monkeypatch.setattr(Market, "ask", ask)
    return asked


def calibration(text: str = FILE) -> Calibration:
    return loads(text, "made_up", str(Path.cwd()))


# the file ---------------------------------------------------------------------------------------------------


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        """
scenario = "two_venues"
budget = 3
[fit]
trials = 0
[parameters.news]
path = "news.0.size"
low = -0.01
high = -0.1
[moments.fall]
quantity = "fal"
target = 1.0
width = 0.1
[moments.spread]
fact = "F99"
"""
    )
    assert cli.answer(["calibrate", str(path), "--budget", "-1"]) == 2
    told = capsys.readouterr().err
    for part in (
        "budget: no such parameter",
        "fit.trials: given 0",
        "low < high",
        'quantity: given "fal"',
        'moments.spread.fact: given "F99"',
        "--budget: given -1",
    ):
        assert part in told, part
    assert not (tmp_path / "runs").exists()


def test_a_target_needs_a_width_and_a_card_row_brings_its_own() -> None:
    with pytest.raises(StudyError, match=r"moments.fall: nothing says how exact the target is"):
        loads(FILE.replace("width = 0.1\n", ""))
    card = loads(FILE.replace('quantity = "fall"\ntarget = 3.0\nwidth = 0.1', 'row = "1"'))
    aim = distance.aims(card)["fall"]
    assert (aim.target, aim.width) == (13.4, pytest.approx(1.5))  # the row's aim, half of 12 to 15
    fact = loads(
        FILE.replace('quantity = "fall"\ntarget = 3.0\nwidth = 0.1', 'fact = "F18"\nshape = "range"')
    )
    aim = distance.aims(fact)["fall"]
    assert aim.deviation(45.0, 10.0) == 0.0
    assert aim.deviation(90.0, 10.0) == pytest.approx(1.0)
    assert aim.deviation(math.nan, 10.0) == 10.0


def test_a_parameter_needs_a_range_and_starts_inside_it() -> None:
    with pytest.raises(StudyError) as error:
        loads(
            FILE.replace("low = 0.0\nhigh = 1000.0", "values = [1.0, 2.0]").replace(
                "low = -0.10", "low = -0.10\nstart = 1.0"
            )
        )
    assert any("parameters.idle: expected low and high" in line for line in error.value.faults)
    assert any("parameters.news: start: given 1" in line for line in error.value.faults)


def test_every_key_is_in_the_manual() -> None:
    manual = (Path(__file__).resolve().parents[1] / "docs" / "calibration.md").read_text(encoding="utf-8")
    own = {
        Calibration: set(Calibration.model_fields) - {"name", "origin", "question", "keep"},
        Fit: set(Fit.model_fields),
        Parameter: {"start", "source", "low", "high", "scale", "relative", "path"},
        Moment: set(Moment.model_fields) - set(Outcome.model_fields),
    }
    for model, names in own.items():
        for name in names:
            assert re.search(rf"\b{model.model_fields[name].alias or name}\b", manual), (model, name)


@pytest.mark.parametrize("name", sorted(path.stem for path in CALIBRATIONS.glob("*.toml")))
def test_every_ready_calibration_is_in_order(name: str) -> None:
    ready = calibrate.load(name)
    planned = plan(ready.study([fitting.start_of(ready)], ready.fit.first, ready.fit.seeds))
    assert not planned.cells[0].faults and ready.title


def test_a_recorded_result_says_where_its_file_was_and_nothing_of_the_machine() -> None:
    here = loads(FILE, origin=str(Path.cwd() / "experiments/calibration"))
    assert json.loads(here.model_dump_json())["origin"] == "experiments/calibration"
    assert Path(here.origin).is_absolute()  # a run still finds what stands beside the file


# distance ---------------------------------------------------------------------------------------------------


def test_the_distance_is_a_sum_of_squared_widths_and_left_out_groups_do_not_count(
    made_up: list[Point],
) -> None:
    one = calibration()
    seeds = {"fall": [3.2, 3.2, 9.0], "volume": [11.0, 11.0, 11.0]}
    assert distance.distance(one, distance.aims(one), seeds) == pytest.approx(2.0**2 + 2.0**2)
    assert distance.distance(one, distance.aims(one, without=["trade"]), seeds) == pytest.approx(2.0**2)


def test_a_moment_that_most_seeds_could_not_tell_counts_as_a_miss(made_up: list[Point]) -> None:
    one = calibration()
    seeds = {"fall": [3.0, None, None], "volume": [10.0, 10.0, 10.0]}
    assert distance.distance(one, distance.aims(one), seeds) == pytest.approx(one.fit.unmeasured**2)


def test_the_pilots_noise_shrinks_with_the_seeds_of_a_trial_and_widens_the_aims(made_up: list[Point]) -> None:
    draw = np.random.default_rng(1)
    pilot = {"fall": list(draw.normal(3.0, 1.0, 400)), "volume": [10.0] * 400}
    few = calibration(FILE.replace("seeds = 3", 'seeds = 4\nacross = "mean"'))
    many = calibration(FILE.replace("seeds = 3", 'seeds = 64\nacross = "mean"'))
    assert distance.noise(few, pilot)["fall"] == pytest.approx(0.5, rel=0.15)
    assert distance.noise(many, pilot)["fall"] == pytest.approx(0.125, rel=0.15)
    noise = distance.noise(few, pilot)
    assert distance.aims(few, noise)["fall"].width == pytest.approx(math.hypot(0.1, noise["fall"]))
    assert distance.aims(few, noise)["volume"].width == 0.5


# what trials tell -------------------------------------------------------------------------------------------


def test_the_slopes_name_the_direction_that_moments_do_not_see() -> None:
    unit = np.random.default_rng(2).random((200, 3))
    seen = 20.0 * (unit[:, 0] + unit[:, 1] - 1.0)  # only the sum of the first two; nothing of the third
    away = np.stack([seen, 0.5 * seen], axis=1)
    total = (away**2).sum(axis=1)
    found = slopes(unit, total, away, np.ones(2))
    assert found is not None
    best = int(np.argmin(total))
    one, two, three = profiles(unit, total, away, np.ones(2))
    assert not one.identified and not two.identified and not three.identified
    assert three.learnt == pytest.approx(0.0, abs=0.01)
    along = np.array([1.0, 1.0, 0.0]) / math.sqrt(2.0)
    # the sum itself is known: slopes 20 and 10 along each of two, twelve = the range as prior
    assert along @ found.covariance @ along == pytest.approx(
        1.0 / (2.0 * (20.0**2 + 10.0**2) + 12.0), rel=0.01
    )
    assert abs(found.loosest @ along) < 0.05
    assert one.best == unit[best, 0]


def test_a_profile_narrows_around_what_moments_do_see() -> None:
    unit = np.random.default_rng(3).random((400, 2))
    away = np.stack([30.0 * (unit[:, 0] - 0.3), 0.1 * unit[:, 1]], axis=1)
    seen, idle = profiles(unit, (away**2).sum(axis=1), away, np.ones(2))
    assert seen.identified and 0.2 < seen.low < 0.3 < seen.high < 0.4
    assert seen.learnt is not None and seen.learnt > 0.95
    assert not idle.identified and idle.at_end
    known = [value for value in seen.bins if value is not None]
    assert min(known) == seen.bins[2] or min(known) == seen.bins[3]


# the search -------------------------------------------------------------------------------------------------


def test_a_fit_finds_what_makes_the_moments_and_says_what_it_cannot_tell(made_up: list[Point]) -> None:
    found = calibrate.fit(calibration(), progress=False)
    assert len(found.trials) == 60 and len(made_up) == 61  # and the best once more, on fresh seeds
    assert found.best["depth"] == pytest.approx(0.01, rel=0.25)  # volume 10
    assert found.best["news"] == pytest.approx(-0.05, rel=0.1)  # fall 3 at that depth
    told = found.profiles()
    assert told["news"].identified and told["depth"].identified and not told["idle"].identified
    low, high = found.interval("news")
    assert low <= -0.05 <= high
    folder = Path("runs/calibrations/made_up")
    saved = json.loads((folder / "result.json").read_text())
    assert saved["parameters"]["idle"]["identified"] is False
    assert "**not identified**" in (folder / "result.md").read_text()
    again = calibrate.read(folder)
    assert again.told() == found.told()


def test_a_broken_search_goes_on_to_the_same_trials(
    made_up: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = calibrate.fit(calibration(), out="whole", trials=32, progress=False)
    calls = 0
    tell = fitting.Search._tell

    def broken(self: Any, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in (11, 27):  # in the midst of a batch
            raise KeyboardInterrupt
        tell(self, *arguments)

    monkeypatch.setattr(fitting.Search, "_tell", broken)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            calibrate.fit(calibration(), out="broken", trials=32, progress=False)
    found = calibrate.fit(calibration(), out="broken", trials=32, progress=False)
    assert [trial.values for trial in found.trials] == [trial.values for trial in whole.trials]
    assert [trial.distance for trial in found.trials] == [trial.distance for trial in whole.trials]


def test_a_larger_budget_goes_on_and_a_changed_target_begins_anew(made_up: list[Point]) -> None:
    calibrate.fit(calibration(), trials=20, progress=False)
    asked = len(made_up)
    found = calibrate.fit(calibration(), trials=24, progress=False)
    assert len(found.trials) == 24 and len(made_up) == asked + 4 + 1
    other = calibrate.fit(
        calibration(FILE.replace("target = 3.0", "target = 2.0")), trials=20, progress=False
    )
    assert len(other.trials) == 20 and other.best["news"] > found.best["news"]


def test_a_group_left_out_does_not_count_but_is_told(made_up: list[Point]) -> None:
    text = FILE.replace("target = 10.0", "target = 3.0")  # a depth of 0.0004: out of reach
    found = calibrate.fit(calibration(text), leave_out=["trade"], progress=False)
    assert found.best_trial.distance < 1.0
    assert "(left out)" in found.told()
    assert (Path("runs/calibrations/made_up/without-trade") / "result.json").is_file()
    with pytest.raises(StudyError, match="--leave-out"):
        calibrate.fit(calibration(), leave_out=["trades"], progress=False)


def test_a_fit_without_a_group_goes_on_from_the_full_one(made_up: list[Point]) -> None:
    full = calibrate.fit(calibration(), trials=20, progress=False)
    made_up.clear()
    found = calibrate.fit(calibration(), trials=20, leave_out=["trade"], progress=False)
    nearest = sorted(full.trials, key=lambda trial: trial.distance)
    assert [trial.values for trial in found.trials[:20]] == [trial.values for trial in nearest]
    fit = found.calibration.fit
    assert len(found.trials) == 20 + fit.further
    assert len(made_up) <= fit.further * fit.seeds + fit.confirm  # the full fit's runs are only read


def test_a_search_starts_from_an_earlier_result(made_up: list[Point]) -> None:
    first = calibrate.fit(calibration(), out="first", progress=False)
    made_up.clear()
    calibrate.fit(calibration(), out="second", trials=4, start_from="first/result.json", progress=False)
    assert any(
        all(point[name] == pytest.approx(first.best[name]) for name in first.best) for point in made_up[:4]
    )
    with pytest.raises(StudyError, match="start from"):
        calibrate.fit(calibration(), out="third", start_from="none.json", progress=False)


def test_recovery_finds_known_parameters_but_not_those_without_a_trace(made_up: list[Point]) -> None:
    done = calibrate.recover(calibration(), points=2, progress=False)
    for one in done:
        for name in ("news", "depth"):
            assert abs(one.error(name)) < 0.1 and one.inside(name)
        assert not one.result.profiles()["idle"].identified
    told = Path("runs/calibrations/made_up/recovery.md").read_text()
    assert told.count("recovered |") >= 4 and "not identified" in told


# the engine -------------------------------------------------------------------------------------------------

MINUTE = """
scenario = "calm_small"

[settings]
"clock.duration" = 20.0
"clock.burn_in" = 5.0

[fit]
trials = 6
seeds = 2
startup = 4
batch = 2
confirm = 0

[parameters.depth]
path = "population.@market_maker.depth"
relative = true
low = 0.25
high = 4.0
scale = "log"

[moments.bids]
column = "depth_bid_100"
member = "alpha:BTC-PERP"
reduce = "mean"
divide = 1e6
target = 1.0
width = 0.1
"""


@pytest.mark.slow
def test_a_killed_search_on_the_engine_goes_on_and_more_makers_are_more_depth(tmp_path: Path) -> None:
    (tmp_path / "minute.toml").write_text(MINUTE)
    command = [sys.executable, "-m", "experiments.cli", "calibrate", "minute.toml", "--jobs", "1"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        folder = tmp_path / "runs/calibrations/minute"
        for _ in range(20000):
            if len(list((folder / "records").glob("*.json"))) >= 3:
                break
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "records").glob("*.json")}
    assert 3 <= len(before) < 12
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "records").glob("*.json")}
    assert len(after) == 12 and before.items() <= after.items()  # nothing was run twice
    found = calibrate.read(folder)
    assert len(found.trials) == 6
    pairs = sorted((trial.values["depth"], np.mean(trial.seeds["bids"])) for trial in found.trials)
    assert np.corrcoef(np.log([p[0] for p in pairs]), np.log([p[1] for p in pairs]))[0, 1] > 0.8
