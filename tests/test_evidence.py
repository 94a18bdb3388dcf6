"""Rows over seeds: what passes, what is no evidence, and what a sweep's report says of lines and of causes together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments import cli, config, evidence, nulls, recorded
from experiments.sweep import effects, indices

TARGET = {
    "id": "1", "name": "fall", "unit": "%", "low": 12.0, "central": 13.0, "high": 15.0, "role": "reference",
}  # fmt: skip


def table(**cells: dict[str, list[float]]) -> pd.DataFrame:
    parts = []
    for cell, columns in cells.items():
        part = pd.DataFrame(columns)
        part["seed"], part["cell_of"], part["status"] = np.arange(1, len(part) + 1), cell, "done"
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def row(**cells: dict[str, list[float]]) -> evidence.Row:
    return evidence.rows(table(**cells), [TARGET])[0]


def test_a_row_is_the_median_of_its_seeds_and_has_the_rank_of_what_was_realised() -> None:
    found = row(base={"row_1": [12.5, 12.8, 13.5, 14.0]}, null={"row_1": [5.0, 6.0, 7.0, 8.0]})
    assert found.passes and found.median == pytest.approx(13.15) and found.rank == 0.5
    assert found.null == pytest.approx(6.5) and found.why == ""


def test_what_the_null_market_passes_is_no_evidence() -> None:
    found = row(base={"row_1": [13.0, 13.0]}, null={"row_1": [14.0, 14.0]})
    assert found.passes and found.why == "the null passes too"


def test_a_band_wider_than_twice_the_range_is_no_evidence() -> None:
    found = row(base={"row_1": [5.0, 13.0, 13.0, 21.0]}, null={"row_1": [1.0] * 4})
    assert found.passes and found.why == "its band is wider than twice the range"


def test_a_row_that_one_seed_cannot_tell_is_not_measured() -> None:
    found = row(base={"row_1": [13.0, float("nan")]}, null={"row_1": [1.0, 1.0]})
    assert found.median is None and not found.passes


def test_rows_of_pairs_are_taken_seed_by_seed_and_are_the_end_of_their_interval() -> None:
    gaps = {
        "id": "P7",
        "name": "gap",
        "unit": "ratio",
        "low": 1.3,
        "central": None,
        "high": 100.0,
        "role": "reference",
    }
    cells = table(base={"row_21": [3.0, 4.0, 9.0]}, no_stops={"row_21": [2.0, 2.0]})
    found = evidence.rows(cells, [gaps])[0]
    assert found.seeds == 2  # the third seed has no partner
    half = 12.706 * np.std([1.5, 2.0], ddof=1) / np.sqrt(2)
    assert found.median == pytest.approx(1.75 - half, abs=1e-3) and not found.passes


def test_the_null_market_of_october_is_unlevered_steady_and_open() -> None:
    raw = config.plain(config.load("october_2025"))
    settings = evidence._settings(evidence.NULL, raw)
    assert settings["network.events"] == [] and settings["population.@market_maker.withdraws"] is False
    assert {value for path, value in settings.items() if path.endswith("max_leverage")} == {1.0}
    assert "news.*.size" not in settings


def test_a_record_of_evidence_names_outcomes_as_a_verification_measures_them(tmp_path: Any) -> None:
    study = evidence.study("october_2025", (evidence.BASE, evidence.NULL), 1)
    columns = {name: [1.0] for name in study.outcomes}
    cells = table(base=columns, null=columns)
    cells["digest"] = "0123456789abcdef"
    evidence.record("some", "cascade evidence", "october_2025", [(study, cells)], tmp_path)
    found = recorded.read(tmp_path / "some.json")
    measured = {name for name, *_ in nulls.QUANTITIES} | {
        target["id"] for target in evidence.targets_of("october_2025")
    }
    assert set(found.cells) == {"base", "null"} and set(found.cells["null"].seeds[1].outcomes) <= measured
    assert "No evidence" in found.text and found.tables["rows"][0]["id"] == "1"
    config.load(found.cells["null"].scenario, found.cells["null"].settings)


def test_a_scenario_without_targets_has_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["evidence", "two_venues", "--pairs", "300"]) == 2
    assert "--pairs: given 300" in capsys.readouterr().err
    assert cli.answer(["evidence", "two_venues"]) == 2
    assert "has no targets" in capsys.readouterr().err


# what reports say besides -----------------------------------------------------------------------------------


def test_a_line_through_runs_has_the_slope_that_they_were_made_with() -> None:
    luck = np.random.default_rng(1).normal(size=20)
    lines = [
        {"status": "done", "seed": seed, "stop": stop, "start": 7.0 + 0.5 * stop + luck[seed]}
        for seed in range(20)
        for stop in (2.0, 12.0, 22.0, 32.0)
    ]
    value, low, high, runs = effects.slope(pd.DataFrame(lines), "stop", "start")
    assert value == pytest.approx(0.5) and runs == 80 and low == pytest.approx(0.5) == high  # luck is common
    one = pd.DataFrame([line for line in lines if line["stop"] == 2.0])
    assert np.isnan(effects.slope(one, "stop", "start")[0])


def test_what_two_causes_add_together_is_told_apart_from_what_each_adds() -> None:
    """2 by the first, 3 by the second, 10 only where the first and the third are both there."""
    cube = np.zeros((2, 2, 2))
    for a, b, c in np.ndindex(2, 2, 2):
        cube[a, b, c] = 1.0 + 2.0 * a + 3.0 * b + 10.0 * a * c
    found = indices.joint(cube)
    assert found[(0, 2)] == pytest.approx(10.0)
    assert all(value == pytest.approx(0.0) for group, value in found.items() if group != (0, 2))
    lines = [
        {
            "status": "done",
            "cell": 4 * a + 2 * b + c,
            "seed": seed,
            "a": a,
            "b": b,
            "c": c,
            "y": cube[a, b, c] + seed,
        }
        for a, b, c in np.ndindex(2, 2, 2)
        for seed in range(3)
    ]
    largest = indices.largest_joint(pd.DataFrame(lines), ["a", "b", "c"], "y")
    assert (
        largest is not None and largest[0] == ("a", "c") and largest[1:] == pytest.approx((10.0, 10.0, 10.0))
    )
