"""Published results come out of the same book, accounts and queues; the table says what misses, and why."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from agents.metaorders import Metaorders
from experiments import cli
from experiments.validate import channels, dealer, impact, race, seller, sharing, study, stylized, table
from experiments.validate.benchmarks import BENCHMARKS
from experiments.validate.lab import Lab, plain_books, scenario
from tests.hand_made_market import Pen, Record


def lab(folder: Path) -> Lab:
    return Lab(folder, quick=True, jobs=1, progress=False)


# ---------------------------------------------------------------- the table


def test_a_row_passes_only_where_every_seed_was_measured_and_the_median_lies_inside() -> None:
    assert table.row("F1", "x", [2.0, 3.0, 4.0], 2.5, 3.5)["pass"]
    assert not table.row("F1", "x", [3.0, math.nan], 2.5, 3.5)["pass"]
    missed = table.row("F1", "x", [9.0], 2.5, 3.5)
    assert not missed["pass"] and missed["why"].startswith("above the range")
    nothing = table.unmeasured("F1", "x", 2.5, 3.5, "no such venue")
    assert nothing["value"] is None and nothing["why"] == "no such venue" and not nothing["pass"]


def test_a_fact_passes_only_if_all_of_its_parts_do() -> None:
    rows = [
        table.row("F4a", "x", [1.0], 0, 2),
        table.row("F4b", "y", [3.0], 0, 2),
        table.row("F5", "z", [1.0], 0, 2),
    ]
    assert table.tally(rows, "fact") == (["F5"], ["F4"])


def test_every_fact_is_in_the_table_and_carries_the_range_that_was_fixed() -> None:
    named = {table.group(part.id) for part in stylized.PARTS} | {"F2", "F6", "F15", "F16"}
    assert named == set(study.FACTS)
    assert all(part.low < part.high for part in stylized.PARTS)


# ---------------------------------------------------------------- benchmarks


def test_the_published_chances_are_those_of_the_equation_of_the_race() -> None:
    chance = race.exact(race.Parameters())
    assert np.abs(chance[1:6, 1:6] - race.PUBLISHED).max() < 0.002


@pytest.mark.slow
def test_the_shorter_queue_is_emptied_first(tmp_path: Path) -> None:
    """Two lengths only: (1, 1), (1, 2), (2, 1), (2, 2), against the equation rather than the table."""
    p = race.Parameters(longest=2)
    exact = race.exact(p)
    for row in race.rows(p, lab(tmp_path)):
        b, a = int(row["id"][3]), int(row["id"][4])
        races = int(row["why"].split()[0])
        assert abs(row["value"] - exact[b, a]) < 4.0 * math.sqrt(0.25 / races), row


@pytest.mark.slow
def test_a_dealer_who_minds_his_inventory_earns_less_and_risks_less(tmp_path: Path) -> None:
    rows = {row["id"]: row for row in dealer.rows(dealer.Parameters(gammas=(0.1,)), lab(tmp_path))}
    assert rows["B4.1a"]["value"] == pytest.approx(1.49, abs=0.01), "spread"
    assert (
        rows["B4.1b"]["value"] == pytest.approx(64.9, rel=0.03)
        and rows["B4.2b"]["value"] > rows["B4.1b"]["value"]
    )
    assert rows["B4.1c"]["value"] < 0.7 * rows["B4.2c"]["value"], "deviation of the profit"
    assert rows["B4.1d"]["value"] < 0.5 * rows["B4.2d"]["value"], "deviation of the inventory"


@pytest.mark.slow
def test_other_cells_are_measured_and_held_against_nothing(tmp_path: Path) -> None:
    rows = dealer.rows(dealer.Parameters(gammas=(0.2,)), lab(tmp_path))
    assert {row["role"] for row in rows} == {"cell"} and all(row["value"] is not None for row in rows)
    assert table.tally(rows, "benchmark") == ([], [])


def test_who_pays_in_deleveraging_is_exact(tmp_path: Path) -> None:
    rows = sharing.gap_rows(sharing.GapParameters(), lab(tmp_path))
    rows += sharing.drain_rows(sharing.DrainParameters(), lab(tmp_path))
    assert all(row["pass"] for row in rows), rows


@pytest.mark.slow
def test_a_desk_of_one_server_is_the_textbook_queue(tmp_path: Path) -> None:
    for row in channels.rows(channels.Parameters(loads=(0.3,)), lab(tmp_path)):
        assert row["value"] == pytest.approx(1.0, abs=0.12), row


@pytest.mark.slow
def test_metaorders_move_the_price_their_way(tmp_path: Path) -> None:
    found = impact.measured(impact.Parameters(sizes=(0.01,), duration=120.0, rest=60.0), lab(tmp_path))
    assert found.orders >= 8
    assert float(found.told.split()[-2]) > 5.0, "basis points, a hundredth of open interest in two minutes"


def test_a_sellers_market_has_nobody_levered(tmp_path: Path) -> None:
    p = seller.Parameters()
    made = seller.scenario(p, {"participation": 0.4, "inventory": 6.0, "pause": 60.0})
    kinds = {entry.species for entry in made.population.values()}
    assert {"market_maker", "noise", "fundamentalist", "metaorders"} <= kinds and "value" not in kinds
    assert all(
        entry.opening.leverage == ((1.0, 1.0, 1.0),)
        for entry in made.population.values()
        if entry.opening is not None and entry.opening.kind == "directional"
    )


def test_books_of_one_market_are_independent_replications() -> None:
    """Taking half of the books away leaves the others as they were."""
    from experiments.build import build
    from experiments.validate.lab import desk

    seen = []
    for count in (8, 4):
        raw = plain_books(count, 100.0, 0.01, 1.0, 50, 1.2)
        raw["population"]["crowd"] = desk("zero_intelligence", [], 2, 0.5 / 8 * count, 0.5 / 8 * count)
        model = build(scenario(raw), seed=1, record=False)
        model.run()
        last = model.state.books["last"][:4]
        assert (last > 0).all()
        seen.append(last.tolist())
    assert seen[0] == seen[1]


# ---------------------------------------------------------------- the command


def test_the_command_writes_one_table_in_the_form_of_a_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "validate"
    assert (
        cli.answer(["validate", "--quick", "--only", "B9", "--only", "B11", "--out", str(out), "--jobs", "1"])
        == 0
    )
    card = json.loads((out / "validate.json").read_text())
    assert set(card["rows"][0]) == {
        "id", "name", "unit", "value", "p05", "p95", "low", "central", "high", "role", "pass", "why"
    }  # fmt: skip
    assert {table.group(row["id"]) for row in card["rows"]} == {"B9", "B11"}
    assert (out / "validate.md").read_text().startswith("# Validation") and (
        out / "figures/benchmarks.png"
    ).is_file()
    assert "2 of 2 benchmarks" in capsys.readouterr().out


@pytest.mark.slow
def test_facts_of_a_short_day_say_what_cannot_be_measured(tmp_path: Path) -> None:
    out = tmp_path / "validate"
    command = [
        "validate",
        "--quick",
        "--only",
        "facts",
        "--set",
        "clock.duration=1200",
        "--out",
        str(out),
        "--jobs",
        "1",
    ]
    assert cli.answer(command) == 0
    rows = {row["id"]: row for row in json.loads((out / "validate.json").read_text())["rows"]}
    assert {table.group(id) for id in rows} == set(study.FACTS)
    assert rows["F19"]["value"] is None and "a day is needed" in rows["F19"]["why"]
    assert rows["F9"]["value"] > 0 and rows["F18"]["value"] > 0


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--only", "B99"], "--only: given B99"),
        (["--set", "B4.gama=[0.1]", "--only", "B4"], "B4.gama: no such parameter, did you mean gammas?"),
        (["--set", "B1.races=few", "--only", "B1"], 'B1.races: given "few"'),
        (["two_venues", "--only", "F1"], "two_venues: has news, expected a calm market"),
    ],
)
def test_bad_input_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert cli.answer(["validate", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "nothing half-written"


def test_what_benchmarks_can_be_given_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["validate", "--parameters"]) == 0
    printed = capsys.readouterr().out
    assert all(f"`{name}." in printed for name in BENCHMARKS)


# ---------------------------------------------------------------- metaorders


def test_a_metaorder_is_worked_off_evenly_in_the_coin_that_was_asked_for() -> None:
    record = Record([("alpha", "BTC", "perp", "USDT"), ("alpha", "ETH", "perp", "USDT")], [100.0, 10.0])
    pen = Pen(record, [0], [0])
    parameters = Metaorders.Parameters(
        sizes=(1e-6,), first=0.0, duration=100.0, child=5.0, side=1, coins=("BTC",)
    )
    trader = Metaorders.__new__(Metaorders)
    trader.parameters, trader.memory = parameters, {}
    trader.setup(pen, record)
    asked, filled = 1e-6 * record.open_interest[0], []
    for time in np.arange(0.0, 101.0, 5.0):
        record.time = pen.time = float(time)
        trader.decide(pen, record)
        for order in pen.orders[len(filled) :]:
            filled.append(order)
            pen.held[order["row"], order["book"]] += order["side"] * order["size"]
        assert pen.held[0, 0] == pytest.approx(asked * min((time + 5.0) / 100.0, 1.0), abs=0.002)
    assert pen.held[0, 1] == 0.0, "the other coin's book is left alone"
    assert trader.memory["state"].tolist() == [2], "it rests now"
