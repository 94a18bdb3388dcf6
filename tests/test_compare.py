"""Comparing runs: the settings that differ, paired differences with an interval, and where two runs part."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from experiments import cli, compare
from experiments.run import Run
from tests import made_up_event as event


def side(folder: Path, more_adl: float, seeds: range) -> Path:
    """Seeds whose ADL is larger by a number that differs a little from seed to seed."""
    for seed in seeds:
        record = event.recording(seed)
        venues = {name: values.copy() for name, values in record.venues.items()}
        if more_adl:
            venues["adl"][8000, 0] += more_adl + 1e5 * seed
        event.write(dataclasses.replace(record, venues=venues), folder / f"seed-{seed:04d}", seed=seed)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    here = tmp_path_factory.mktemp("sides")
    return side(here / "a", 0.0, range(1, 5)), side(here / "b", 3e8, range(1, 4))


def test_a_paired_difference_has_the_interval_of_its_pairs(folders: tuple[Path, Path]) -> None:
    table = compare.compare(*(compare.seeds_of(path) for path in folders))
    rows = {row["id"]: row for row in table["rows"]}
    assert table["pairs"] == [1, 2, 3]
    assert rows["adl"]["difference"] == pytest.approx(300.2) and rows["adl"]["seeds"] == 3
    # Student's t with two degrees of freedom: 4.3027 x 0.1 / sqrt(3)
    assert rows["adl"]["high"] - rows["adl"]["low"] == pytest.approx(2 * 4.3027 * 0.1 / np.sqrt(3), rel=1e-4)
    assert rows["binance adl"]["difference"] == pytest.approx(300.2)
    assert rows["longs"]["difference"] == 0.0
    text = compare.markdown(table)
    assert "| adl | auto-deleveraged | M$ | 2,100 | 2,400 | **300** |" in text
    assert "No setting differs." in text and "seed 1: the same prices to the bit to the end" in text


def test_one_pair_has_a_difference_and_no_interval(folders: tuple[Path, Path]) -> None:
    one, two = (Run.open(path / "seed-0002") for path in folders)
    row = {row["id"]: row for row in compare.compare([one], [two])["rows"]}["adl"]
    assert row["difference"] == pytest.approx(300.2) and row["low"] is None


def test_without_common_seeds_the_sides_are_compared(folders: tuple[Path, Path]) -> None:
    a, b = compare.seeds_of(folders[0]), compare.seeds_of(folders[1])
    table = compare.compare(a[2:], b[:2])
    row = {row["id"]: row for row in table["rows"]}["adl"]
    assert table["pairs"] == [] and row["seeds"] == 0
    assert row["low"] < 300.15 < row["high"] and row["difference"] == pytest.approx(300.15)


def test_settings_and_the_moment_of_parting(tmp_path: Path) -> None:
    record = event.recording()
    books = {name: values.copy() for name, values in record.books.items()}
    books["last"][5000:, 0] *= 0.99
    one = event.write(record, tmp_path / "one")
    two = event.write(
        dataclasses.replace(record, books=books), tmp_path / "two", clock={"start": event.START, "step": 2.0}
    )
    assert compare.parted(one, two) == 5000.0
    assert compare.settings(one.config, two.config) == [{"path": "clock.step", "a": "1.0", "b": "2.0"}]


def test_the_command_prints_markdown_or_json(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["compare", *map(str, folders)]) == 0
    assert capsys.readouterr().out.startswith("- A: ")
    assert cli.answer(["compare", *map(str, folders), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == [1, 2, 3]
    assert cli.answer(["compare", str(folders[0]), "nowhere"]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err
