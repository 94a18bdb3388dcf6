"""October's two cards and its studies: what was known before, what was fitted, and what takes the event apart."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments import calibrate, config, estimators, hedging, reference, ruin, sweep
from experiments.faults import ScenarioError
from tests import made_up_event as event

CALIBRATION = Path(config.__file__).parent / "calibration" / "october_fit.toml"
STUDIES = ("factorial", "changes", "placebos", "stop_time", "hedges")
STATE = "opening_state_bybit_perps_2025-10-10"


def differences(a: Any, b: Any, at: str = "") -> set[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        return set().union(*(differences(a.get(k), b.get(k), f"{at}.{k}".strip(".")) for k in {*a, *b}))
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return set().union(
            *(differences(x, y, f"{at}.{i}") for i, (x, y) in enumerate(zip(a, b, strict=True)))
        )
    return set() if a == b else {at}


# the two cards ----------------------------------------------------------------------------------------------


def at(scenario: Any, path: str) -> Any:
    for key in path.split("."):
        scenario = scenario[int(key)] if isinstance(scenario, list) else scenario[key]
    return scenario


def places(parameter: Any) -> list[str]:
    return [parameter.path] if isinstance(parameter.path, str) else list(parameter.path)


def test_the_fitted_card_is_the_predicted_one_with_eight_parameters() -> None:
    predicted, fitted = (config.plain(config.load(f"october_{name}")) for name in ("predicted", "fitted"))
    fit = calibrate.load("october_fit").parameters
    assert len(fit) == 8
    paths = {path for one in fit.values() for path in places(one)}
    changed = {path for path in differences(predicted, fitted) if path != "title"}
    assert changed == paths


def test_the_fitted_card_stands_where_the_recorded_fit_ended_and_inside_its_bounds() -> None:
    predicted, fitted = (config.plain(config.load(f"october_{name}")) for name in ("predicted", "fitted"))
    recorded = calibrate.read(CALIBRATION.with_suffix(""))
    best = recorded.best
    for name, one in calibrate.load("october_fit").parameters.items():
        assert one == recorded.calibration.parameters[name] and one.source
        assert one.low <= one.start <= one.high and one.low <= best[name] <= one.high, name
        for path in places(one):
            value = best[name] * at(predicted, path) if one.relative else best[name]
            assert at(fitted, path) == pytest.approx(value, rel=2e-3), path


def test_every_group_of_the_fit_can_be_left_out() -> None:
    fit = calibrate.load("october_fit")
    groups = {moment.group for moment in fit.moments.values()}
    assert groups == {"path", "depth", "forced", "gaps", "adl", "collateral"}


def test_small_coins_are_strata_of_all_by_turnover_each_with_its_coin_of_middle_volatility() -> None:
    table = list(csv.DictReader(reference.path(STATE).open(newline="", encoding="utf-8")))
    others = [row for row in table if row["symbol"] not in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XAUTUSDT")]
    turnover = {row["symbol"][:-4]: float(row["bybit_turnover_1200_2030_musdt"]) for row in others}
    spread = {row["symbol"][:-4]: float(row["sd_30min_bp"]) for row in others}
    ranked = sorted(turnover, key=lambda coin: -turnover[coin])
    contracts = config.load("october_2025").contracts
    stand_ins = [coin for coin in contracts if coin in turnover]
    first = 0
    for coin, size in zip(stand_ins, (2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5), strict=True):
        stratum = ranked[first : first + size]
        first += size
        assert sorted(stratum, key=lambda one: spread[one])[(size - 1) // 2] == coin
        whole = sum(turnover[one] for one in stratum)
        assert contracts[coin].stands_for == pytest.approx(whole / turnover[coin], rel=3e-3)
        assert contracts[coin].open_interest == pytest.approx(71e9 * whole / sum(turnover.values()), rel=0.02)
    assert first == len(ranked) == 44
    assert [contracts[coin].class_ for coin in stand_ins] == ["large"] * 2 + ["small"] * 10


def test_makers_withdraw_in_the_predicted_card_as_they_did_in_the_hours_before_the_news() -> None:
    """The exponent of depth on volatility, 15:30-20:49, from the depth and mark files: no minute after is read."""
    depth = reference.table("btcusdt_perp_binance_depth_5min_2025-10-10")
    mark = reference.table("btcusd_coinm_markprice_binance_1m_2025-10-10")
    minute = {str(time)[:16]: i for i, time in enumerate(mark["minute_utc"])}
    swing = np.log(np.asarray(mark["high"], float) / np.asarray(mark["low"], float)) ** 2
    lines = []
    for time, bids in zip(depth["bin_utc"], depth["bid_within_1pct_musd"], strict=True):
        if not "2025-10-10T15:30" <= str(time)[:16] < "2025-10-10T20:50" or not np.isfinite(float(bids)):
            continue
        at = minute[str(time)[:16]]
        lines.append((float(bids), np.sqrt(swing[at : at + 5].mean()), len(lines) / 12))
    bids, vol, hours = np.array(lines).T
    fit = np.linalg.lstsq(np.c_[np.ones(len(vol)), np.log(vol), hours], np.log(bids), rcond=None)[0]
    predicted = config.load("october_predicted").population["makers"].parameters.withdrawal
    assert predicted == pytest.approx(-fit[1], abs=0.01)


def test_the_evening_and_the_day_are_the_fitted_card_at_other_hours() -> None:
    october, evening, day = (config.load(f"october_{name}") for name in ("2025", "evening", "day"))
    assert evening.population == day.population == october.population
    assert evening.news == day.news == october.news
    assert (evening.clock.start - october.clock.start).total_seconds() == -1800.0
    assert day.clock.duration == 24.5 * 3600.0  # rows of a day are those of 20:30-20:30


def test_a_base_may_have_a_base_but_no_circle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SCENARIOS", tmp_path)
    whole = (
        Path(config.__file__).with_name("scenarios").joinpath("two_venues.toml").read_text(encoding="utf-8")
    )
    (tmp_path / "one.toml").write_text(whole)
    (tmp_path / "two.toml").write_text('base = "one"\ntitle = "two"\n')
    (tmp_path / "three.toml").write_text('base = "two"\n[clock]\nduration = 600.0\n')
    mine = config.load("three")
    assert mine.title == "two" and mine.clock.duration == 600.0
    (tmp_path / "one.toml").write_text(f'base = "three"\n{whole}')
    with pytest.raises(ScenarioError, match="begins with itself"):
        config.load("three")


# studies ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_cell_of_a_study_is_a_market_of_its_own(name: str) -> None:
    planned = sweep.plan(sweep.load(f"october_{name}", seeds=1))
    assert not any(cell.faults for cell in planned.cells)
    assert len({cell.content for cell in planned.cells}) == len(planned.cells)


# rows that need more than a window --------------------------------------------------------------------------


def test_hours_that_a_run_does_not_cover_have_the_calm_rate(tmp_path: Path) -> None:
    """Row 25 of a run from 20:00: what 50 calm minutes liquidated stands for the seven hours before, eight times."""
    record = event.recording()
    time = np.arange(60.0, 7 * 3600.0 + 1, 60.0)  # 20:00 to 03:00
    old = np.clip(np.searchsorted(record.time, time, side="right") - 1, 0, event.STEPS - 1)
    events = {name: values.copy() for name, values in record.events.items()}
    events["time"][4] = 600.0  # one dollar of shorts in the calm
    whole = dataclasses.replace(
        record,
        step=np.arange(len(time), dtype=np.int32),
        time=time,
        books={name: values[old] for name, values in record.books.items()},
        venues={name: values[old] for name, values in record.venues.items()},
        events=events,
    )
    run = event.write(whole, tmp_path / "run")
    row = next(row for row in reference.targets() if row["id"] == "25")
    found = estimators.measure(run, row)
    calm = 1.0 * (7 * 3600.0) / 3000.0
    assert found.value == pytest.approx(100.0 * 19.0 / (20.0 + calm))
    assert found.note == "13:00-20:00 at the calm rate of 20:00-20:50"


def test_the_cost_of_a_closed_hedge_is_gap_and_lost_hedge_and_the_trades_that_followed() -> None:
    """A short of 2 coins is closed at 95 with the mark at 90; the price ends at 80; one coin is sold at 88, fee 1 %."""
    fills = {
        "time": np.array([5.0, 20.0, 30.0]),
        "book": np.array(["a:X-SPOT"] * 3),
        "side": np.array([-1, -1, -1]),
        "price": np.array([99.0, 88.0, 85.0]),
        "quantity": np.array([1.0, 1.0, 1.0]),
        "cause": np.array(["hedge", "hedge", "decision"]),
        "taker_owner": np.array([7, 7, 7]),
    }
    adl = {
        "other_owner": np.array([7, 8]), "side": np.array([1, 1]), "quantity": np.array([2.0, 5.0]),
        "price": np.array([95.0, 95.0]), "mark": np.array([90.0, 90.0]), "time": np.array([10.0, 10.0]),
        "book": np.array(["a:X-PERP"] * 2),
    }  # fmt: skip
    run: Any = SimpleNamespace(
        folder=CALIBRATION.parent, books=["a:X-PERP", "a:X-SPOT"], vocabularies={"kind": ["adl"]},
        config={"population": {"carry": {"species": "hedger"}}, "venues": {"a": {"fees": {"taker": 0.01}}}},
        events=lambda kind: adl, fills=lambda: fills,
        accounts=lambda label: {"owner": np.array([7, 8]), "participant": np.array(["carry", "crowd"])},
        column=lambda name, book: np.array([100.0, 80.0]),
    )  # fmt: skip
    with pytest.raises(hedging.Unmeasured, match="record.fills"):
        hedging.split(run)

    class Kept:
        def __truediv__(self, name: str) -> Kept:
            return self

        def exists(self) -> bool:
            return True

    run.folder = Kept()
    found = hedging.split(run)
    assert found.closed == pytest.approx(180 / 1e6) and found.gap == pytest.approx(10 / 1e6)
    assert found.hedge_lost == pytest.approx(20 / 1e6)
    assert found.rehedging == pytest.approx((-8.0 + 0.88) / 1e6)  # sold at 88 what ends at 80, less the fee
    # the identity: what a short left alone would have, less what this owner has
    assert found.total == pytest.approx((2 * (95 - 80) - (88 - 80) + 0.88) / 1e6)


def test_an_owner_is_ruined_over_all_its_accounts_and_not_in_one() -> None:
    """Owner 1 owes 50 at one venue and has 60 at another; owner 2 owes 30; the venue's own account is no owner."""
    table = {
        "row": np.array([0, 1, 2, 3]), "owner": np.array([1, 1, 2, 3]), "coins": np.zeros(4),
        "participant": np.array(["crowd", "crowd", "crowd", "-"]), "balance": np.array([50.0, 60.0, 0.0, -9.0]),
    }  # fmt: skip
    positions = {
        "row": np.array([0, 2]), "quantity": np.array([10.0, -3.0]), "mark": np.array([90.0, 110.0]),
        "entry_price": np.array([100.0, 100.0]),
    }  # fmt: skip
    events = {"amount": np.array([-4e6, 2e6])}
    run: Any = SimpleNamespace(
        accounts=lambda label: table, positions=lambda label: positions, events=lambda kind: events,
        config={"population": {"crowd": {}}}, venues=["a"], vocabularies={"kind": ["loan_forfeited"]},
        column=lambda name, venue: np.array([5e6, 3e6, 4e6]),
    )  # fmt: skip
    assert ruin.wealth(run).tolist() == [10.0, -30.0]
    found = ruin.ruin(run)
    assert found == ruin.Ruin(1, pytest.approx(30 / 1e6), pytest.approx(4.0), pytest.approx(2.0))
