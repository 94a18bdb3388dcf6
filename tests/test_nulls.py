"""Null runs: each takes one cause out and nothing else, and a row moves where it leaves the seed band."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import cli, config, nulls, reference
from experiments.run import Run
from tests import made_up_event as event


def differences(one: Any, two: Any, path: str = "") -> set[str]:
    """Paths at which two resolved scenarios differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        return set().union(
            *(differences(one.get(key), two.get(key), f"{path}.{key}") for key in {*one, *two}), set()
        )
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return set().union(
            *(differences(a, b, f"{path}.{i}") for i, (a, b) in enumerate(zip(one, two, strict=True))), set()
        )
    return set() if one == two else {path.lstrip(".")}


@pytest.fixture(scope="module")
def october() -> config.Scenario:
    return config.load("october_2025")


def test_each_variant_of_october_takes_out_one_cause_and_nothing_else(october: config.Scenario) -> None:
    found, absent = nulls.variants(october)
    assert list(found) == list(nulls.VARIANTS) and not absent
    changed = {name: differences(config.plain(october), config.plain(one)) for name, one in found.items()}
    assert changed["no_news"] == {"news.0.size"}
    assert changed["steady_makers"] == {"population.makers.withdraws"}
    assert changed["notice"] == {"population.makers.notice"}
    assert changed["no_stops"] == {"network.events"}
    assert {path.split(".")[2:] == ["fund", "rule"] for path in changed["no_adl"]} == {True}
    assert {path.partition(".opening.")[2] for path in changed["unlevered"]} == {"max_leverage"}
    assert changed["calm"] == {"news.0.size", "network.events", "clock.duration", "record.every"}
    public = {name for name, entry in october.population.items() if entry.species in nulls.PUBLIC}
    assert {path.split(".")[1] for path in changed["unlevered"]} == public  # nobody but desks keeps leverage


def test_a_scenario_says_which_variants_it_does_not_have() -> None:
    found, absent = nulls.variants(config.load("two_venues"))
    assert list(found) == ["no_news", "unlevered", "steady_makers", "notice", "no_adl"]
    assert absent["no_stops"] == "changes nothing in this scenario"
    assert "no targets" in absent["calm"]


def test_the_groups_of_the_card_are_variants() -> None:
    from experiments.estimators import OTHER_VARIANT, PAIRED

    wanted = {variant for variant, *_ in PAIRED.values()} | set(OTHER_VARIANT.values())
    assert wanted <= set(nulls.VARIANTS)


# what is compared -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two seeds that lose 2.2 and 4.4 billion longs, one variant that loses none and one that loses 3.3."""
    folder = tmp_path_factory.mktemp("nulls")

    def made(name: str, seed: int, factor: float) -> Run:
        record = event.recording(seed)
        record.venues["liquidated_long"] *= factor
        return event.write(record, folder / name / str(seed), seed=seed)

    groups = {
        "base": [made("base", 1, 1.0), made("base", 2, 2.0)],
        "no_news": [made("no_news", 1, 0.0)],
        "no_adl": [made("no_adl", 1, 1.5)],
    }
    return nulls.compare(groups, reference.targets(), "made up", {"no_stops": "changes nothing"})


def row(table: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in table["rows"] if row["id"] == name)


def test_a_row_moves_where_it_leaves_the_band_of_the_seeds(table: dict[str, Any]) -> None:
    lost = 1e10 * sum(event.SHARES.values()) / 1e6  # M$ of the first seed
    longs = row(table, "longs")
    assert longs["base"]["value"] == pytest.approx(1.5 * lost)
    assert (longs["base"]["low"], longs["base"]["high"]) == (
        pytest.approx(1.05 * lost),
        pytest.approx(1.95 * lost),
    )
    assert longs["variants"]["no_news"] == {"value": 0.0, "moves": True}
    assert longs["variants"]["no_adl"] == {"value": pytest.approx(1.5 * lost), "moves": False}
    assert not row(table, "1")["variants"]["no_news"]["moves"]  # the same prices in all of them


def test_rates_are_told_before_and_after_the_news(table: dict[str, Any]) -> None:
    assert row(table, "calm rate")["base"]["value"] == 0.0
    after = 1.1e10 * sum(event.SHARES.values()) / 1e6 / ((event.STEPS - event.NEWS) / 3600)
    assert row(table, "rate")["variants"]["no_news"]["value"] < row(table, "rate")["base"]["low"]
    assert row(table, "rate")["base"]["low"] > after


def test_rows_of_the_card_are_compared_too_but_not_what_no_run_covers(table: dict[str, Any]) -> None:
    ids = {row["id"] for row in table["rows"]}
    assert {"1", "24", "41", "P8"} <= ids
    assert not ids & {"23", "P5a", "P5b", "P7"}  # of a day, and of pairs
    json.dumps(table, allow_nan=False)


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    run = event.write(event.recording(), tmp_path / "run")
    alone = nulls.compare({"base": [run], "no_adl": [run]}, [], "x", {})
    assert {row["variants"]["no_adl"]["moves"] for row in alone["rows"]} == {None}
    assert "one seed has no band" in nulls.markdown(alone)


def test_markdown_marks_what_moves(table: dict[str, Any]) -> None:
    text = nulls.markdown(table)
    line = next(line for line in text.splitlines() if line.startswith("| longs |"))
    assert line.split(" | ")[4:] == ["**0**", "15,000 |"]
    assert "- `no_stops`: transfers are always open: no recorded stop; not run: changes nothing." in text
    moves = next(line for line in text.splitlines() if line.startswith("- `no_news`"))
    assert "moves rate, longs" in moves
    kept = next(line for line in text.splitlines() if line.startswith("- `no_adl`"))
    assert "auto-deleveraged; moves" in kept and "longs" not in kept


# on the real engine -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_cause_of_the_cascade_of_two_venues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without news nothing happens; without leverage the same news is a smaller fall and nobody is
    liquidated; makers that stay halve it; with bottomless funds nobody is auto-deleveraged."""
    monkeypatch.chdir(tmp_path)
    assert cli.answer(["run", "two_venues", "--seeds", "3", "--nulls"]) == 0
    table = json.loads(Path("runs/two_venues/nulls.json").read_text())
    assert table["seeds"] == [1, 2, 3]

    def values(name: str) -> dict[str, float]:
        return {which: told["value"] for which, told in row(table, name)["variants"].items()}

    longs, adl, fall = values("longs"), values("adl"), values("fall")
    assert row(table, "longs")["base"]["low"] > 1 and row(table, "adl")["base"]["low"] > 0.1  # M$
    assert longs["no_news"] == row(table, "calm rate")["base"]["value"] == 0
    assert longs["unlevered"] == adl["unlevered"] == adl["no_news"] == adl["no_adl"] == 0
    assert fall["no_news"] < fall["unlevered"] < row(table, "fall")["base"]["low"]
    assert fall["steady_makers"] < row(table, "fall")["base"]["low"]
    assert np.isfinite(list(values("gap").values())).all()
