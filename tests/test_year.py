"""The year: regimes are counted from data, days are scaled by what was measured, and totals are weighted sums."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from experiments import cli, config
from experiments.config import ScenarioError
from experiments.run import Run
from experiments.year import account, days, regimes
from experiments.year.days import Day
from experiments.year.regimes import EVENT, Regime

NOTHING = dict.fromkeys(Day._fields, 0.0)


def day(**flows: float) -> Day:
    return Day(**{**NOTHING, "volume": 1.0, **flows})


def rows(table: account.Table) -> dict[str, account.Table]:
    return {row["id"]: row for row in table["rows"]}


def test_every_day_of_2025_is_in_one_regime_and_the_event_in_none_of_them() -> None:
    found = regimes.regimes()
    assert sum(one.days for one in found) == 365 and found[-1].name == EVENT and found[-1].days == 1
    routine = [one.volatility for one in found[:-1]]
    assert routine == sorted(routine) and all(one.days >= 20 for one in found[:-1])
    when, volatility = regimes.daily_volatility()
    assert str(when[volatility.argmax()]).startswith("2025-10-10")  # no day of the year was wilder


def test_the_range_of_a_random_walk_has_its_volatility() -> None:
    draw = np.random.default_rng(1)
    walk = np.cumsum(draw.normal(0.0, 0.02 / math.sqrt(5000), (400, 5000)), axis=1)
    walk = np.concatenate([np.zeros((400, 1)), walk], axis=1)
    found = regimes.parkinson(np.exp(walk.max(axis=1)), np.exp(walk.min(axis=1)))
    assert math.sqrt(np.mean(found**2)) == pytest.approx(0.02, rel=0.05)


def test_a_rougher_day_has_a_wilder_value_and_more_flow_and_nothing_else() -> None:
    calm = config.plain(config.load("calm_small"))
    rough = config.plain(regimes.scenario("calm_small", Regime("rough", 60, 0.04), 24.0, 5.0, "october_2025"))
    ratio = 0.04 * math.sqrt(365) / 0.4
    assert rough["contracts"]["BTC"]["volatility"] == pytest.approx(0.4 * ratio)
    crowd = calm["population"]["crowd"]
    assert rough["population"]["crowd"]["turnover"] == pytest.approx(
        crowd["turnover"] * ratio ** crowd["activity"]
    )
    for raw in (calm, rough):
        raw["contracts"]["BTC"].pop("volatility")
        for name in ("rate", "turnover"):
            raw["population"]["crowd"].pop(name)
        for name in ("clock", "record", "title"):
            raw.pop(name)
    assert calm == rough


def test_only_the_day_of_the_event_has_news() -> None:
    found = {
        one.name: regimes.scenario("calm_small", one, 3.0, 5.0, "october_2025") for one in regimes.regimes()
    }
    assert {name for name, scenario in found.items() if scenario.news} == {EVENT}
    assert found[EVENT].news == config.load("october_2025").news
    with pytest.raises(ScenarioError, match="has news; expected a calm market"):
        regimes.scenario("two_venues", regimes.regimes()[0], 24.0, 5.0, "october_2025")


def test_a_year_is_the_weighted_sum_of_its_days() -> None:
    kinds = [Regime("quiet", 300, 0.01), Regime("storm", 64, 0.05), Regime(EVENT, 1, 0.02)]
    sample = {
        "quiet": [day(volume=1.0), day(volume=1.0, longs=0.001)],
        "storm": [day(volume=2.0, longs=0.02, adl=0.001), day(volume=2.0, shorts=0.02)],
        EVENT: [day(volume=5.0, longs=0.1, adl=0.02), day(volume=5.0, longs=0.1, adl=0.02)],
    }
    found = rows(account.account(kinds, sample))
    forced, volume = 300 * 0.0005 + 64 * 0.02 + 0.1, 300 + 128 + 5
    assert found["ratio"]["value"] == pytest.approx(100 * forced / volume)
    assert found["liquidated"]["value"] == pytest.approx(forced * 218)
    assert found["adl days"]["value"] == pytest.approx(32)  # half of the storms; October is no routine day
    assert found["adl october"]["value"] == pytest.approx(20)
    assert found["ratio"]["low"] < found["ratio"]["value"] < found["ratio"]["high"]
    assert found["ratio"]["article"] == pytest.approx(0.175, abs=5e-4)
    assert found["adl october"]["low"] == pytest.approx(
        found["adl october"]["high"]
    )  # both days are the same


def test_one_day_a_regime_has_no_interval_and_no_day_no_year() -> None:
    kinds = [Regime("quiet", 364, 0.01), Regime(EVENT, 1, 0.02)]
    found = account.account(kinds, {"quiet": [day()], EVENT: [day(longs=0.1)]})
    assert all(row["low"] is None for row in found["rows"])
    assert (
        rows(found)["adl routine"]["value"] is None
    )  # nothing was liquidated on routine days: no share of it
    assert "| - |" in account.markdown(found)
    with pytest.raises(ValueError, match="no finished day of october"):
        account.account(kinds, {"quiet": [day()]})


@pytest.mark.slow
def test_a_short_year_runs_and_is_not_run_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["year", "--days", "1", "--hours", "1", "--step", "10", "--jobs", "1"]
    assert cli.answer(command) == 0
    first = json.loads(Path("runs/year/year.json").read_text())
    assert {one["name"] for one in first["regimes"]} >= {"quiet", "storm", EVENT}
    assert (
        any("first 1 hours" in note for note in first["notes"])
        and Path("runs/year/year.png").stat().st_size > 1e4
    )
    measured = days.measure(Run.open("runs/year/october/seed-5001"))
    assert measured.volume > 0 and measured.interest > -1
    capfd.readouterr()
    assert cli.answer(command) == 0 and "already there" in capfd.readouterr().err
    assert json.loads(Path("runs/year/year.json").read_text()) == first


def test_wrong_numbers_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["year", "--days", "0", "--hours", "30", "--step", "0"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and all("expected" in line for line in errors)
