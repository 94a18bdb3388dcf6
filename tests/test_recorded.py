"""Recorded results: small, exact, and found out when they are no longer what the program says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from abm.recording import Recording
from experiments import cli, nulls, recorded, reference, verification
from experiments.commands import kernels
from experiments.estimators import ESTIMATORS
from experiments.recorded import Cell, Record, Seed
from experiments.run import RunError
from experiments.runner import Job
from experiments.store import Store
from tests import made_up_event as event
from tests.conftest import make_recording

CALM = (("news.0.size", "0.0"),)


def engine(job: Job, store: Store, report: Callable[[int, int], None]) -> Recording:
    if job.seed == 4:
        raise RuntimeError("books do not balance")
    return make_recording(job.seed)


def of_seeds(*seeds: int) -> dict[int, Seed]:
    """What the made-up engine says of these seeds, put on record."""
    found = {}
    for number in seeds:
        digest = make_recording(number).digest()
        found[number] = recorded.seed(digest, dict.fromkeys(names(), float("nan")))
    return found


def names() -> list[str]:
    rows = [row["id"] for row in reference.targets("october") if row["id"] in ESTIMATORS]
    return [line[0] for line in nulls.QUANTITIES] + rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cells = {
        "base": recorded.cell("two_venues", (), of_seeds(1, 2, 3)),
        "calm": recorded.cell("two_venues", CALM, of_seeds(1)),
    }
    recorded.write("card", "cascade october --record card", cells, "# A card", {"rows": [1]}, tmp_path)
    return tmp_path


def check(folder: Path, tmp_path: Path) -> dict[str, tuple[str, ...]]:
    records = recorded.records(folder)
    places = verification.sample(records, 9)
    verdicts = verification.verify(records, places, jobs=1, engine=engine, folder=tmp_path / "runs")
    return {str(verdict.place): verdict.faults for verdict in verdicts}


def test_a_record_comes_back_as_it_was_written(folder: Path) -> None:
    record = recorded.records(folder)["card"]
    assert record.command == "cascade october --record card" and record.tables == {"rows": [1]}
    assert record.text.startswith("# A card") and "cascade october" in record.text
    assert record.cells["calm"].settings == CALM and record.cells["base"].seeds == of_seeds(1, 2, 3)
    assert record.cells["base"].config != record.cells["calm"].config
    assert len(json.loads((folder / "card.json").read_text())["cells"]["base"]["seeds"]) == 3


def test_outcomes_keep_six_figures_and_what_was_not_measured_stays_so(tmp_path: Path) -> None:
    run = event.write(event.recording(), tmp_path / "run")
    found = recorded.measured(run, reference.targets("october"))
    assert found.digest == run.digest[:16] and found.outcomes["1"] == pytest.approx(13.11, abs=0.01)
    assert found.outcomes["P3a"] is None
    cell = Cell("two_venues", (), "x", {1: found})
    recorded.write("event", "made up", {"base": cell}, "", folder=tmp_path)
    assert recorded.read(tmp_path / "event.json").cells["base"].seeds[1] == found


def test_the_same_program_gives_the_same_results(folder: Path, tmp_path: Path) -> None:
    verdicts = check(folder, tmp_path)
    assert len(verdicts) == 4 and not any(verdicts.values())
    assert not list((tmp_path / "runs").iterdir())  # nothing of the check stays


def test_a_changed_outcome_and_a_changed_path_are_found(folder: Path, tmp_path: Path) -> None:
    record = recorded.records(folder)["card"]
    base = record.cells["base"]
    moved = {**base.seeds[2].outcomes, "fall": 13.0}
    seeds = {
        1: base.seeds[1],
        2: Seed(base.seeds[2].digest, moved),
        3: Seed("0" * 16, base.seeds[3].outcomes),
    }
    cells = {"base": base._replace(seeds=seeds), "calm": record.cells["calm"]}
    recorded.write("card", record.command, cells, "", folder=folder)
    verdicts = check(folder, tmp_path)
    assert verdicts["card base seed 1"] == () == verdicts["card calm seed 1"]
    assert verdicts["card base seed 2"] == ("fall nothing, recorded 13",)
    assert "all outcomes are the same" in verdicts["card base seed 3"][0]


def test_a_run_that_fails_now_is_a_difference(folder: Path, tmp_path: Path) -> None:
    cell = recorded.cell("two_venues", (), {4: Seed("0" * 16, {"fall": 1.0})})
    recorded.write("late", "made up", {"base": cell}, "", folder=folder)
    assert "books do not balance" in check(folder, tmp_path)["late base seed 4"][0]


def test_numbers_of_the_scenario_that_changed_are_told_though_nothing_differs(folder: Path) -> None:
    record = recorded.records(folder)["card"]
    old = record.cells["base"]._replace(config="another", seeds={1: of_seeds(1)[1]})
    place = verification.Place("card", "base", 1)
    records = {"card": record._replace(cells={"base": old})}
    (verdict,) = verification.verify(records, [place], jobs=1, engine=engine, folder=folder / "runs")
    assert verdict.faults == () and "have changed since" in verdict.note


def test_a_sample_is_the_same_every_time_and_another_one_for_another_draw() -> None:
    cell = Cell("two_venues", (), "x", {seed: Seed("0", {}) for seed in range(1, 101)})
    records = {name: Record(name, "", {}, {"base": cell}, {}) for name in ("predicted", "fitted")}
    first = verification.sample(records, 3)
    assert len(first) == 6 and first == verification.sample(records, 3)
    assert first != verification.sample(records, 3, draw=2)


def test_results_are_told_with_their_pictures_and_without_files_beside_them(folder: Path) -> None:
    (folder / "README.md").write_text("not a result")
    study = folder / "factorial"
    study.mkdir()
    (study / "map.png").write_bytes(b"dots")
    (study / "report.md").write_text("# A study\n\n![a map](map.png) ![gone](gone.png) [link](cells.csv)\n")
    told = recorded.told(folder)
    assert set(told) == {"card", "factorial"} and told["card"].startswith("# A card")
    assert told["factorial"] == "# A study\n\n![a map](data:image/png;base64,ZG90cw==)  [link](cells.csv)\n"


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(RunError, match=r"x\.json: not a recorded result"):
        recorded.records(tmp_path)
    with pytest.raises(ValueError, match="plain file name"):
        recorded.write("../x", "", {}, "", folder=tmp_path)
    with pytest.raises(ValueError, match="no finished run"):
        recorded.write("x", "", {"base": Cell("two_venues", (), "", {})}, "", folder=tmp_path)


def test_the_command_says_what_differs_and_ends_with_1(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kernels, "compiled", lambda: None)
    monkeypatch.setattr(recorded.records, "__defaults__", (folder,))
    monkeypatch.setattr(verification.verify, "__kwdefaults__", {
        **verification.verify.__kwdefaults__, "engine": engine,
    })  # fmt: skip
    assert cli.answer(["october", "--verify", "--sample", "4", "--jobs", "1"]) == 0
    assert "4 of 4 recorded seeds run again: 0 differ" in capsys.readouterr().out
    record = recorded.records(folder)["card"]
    base = record.cells["base"]
    wrong = {number: seed._replace(digest="f" * 16) for number, seed in base.seeds.items()}
    recorded.write("card", "", {"base": base._replace(seeds=wrong)}, "", folder=folder)
    assert cli.answer(["october", "--verify", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "2 of 3 recorded seeds run again: 2 differ" in out and out.count("digest") == 2


def test_wrong_options_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["october", "--verify", "--record", "a/b", "--sample", "0"]) == 2
    errors = capsys.readouterr().err
    assert "--verify, --record" in errors and "--sample" in errors and "letters, digits" in errors
