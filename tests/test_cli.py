"""The command line: exit codes, faults all at once, what is printed where."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import experiments.config
import experiments.runner
from abm.columns import COLUMNS
from abm.recording import Recording
from experiments import cli
from experiments.commands import kernels
from experiments.config import ScenarioError
from experiments.run import Run
from experiments.runner import Job
from experiments.store import Store
from tests.conftest import make_recording

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).parent / "cascade"


class MadeUp(dict[str, Any]):
    """A scenario of two lines."""

    targets: SimpleNamespace | None = None


def engine(job: Job, store: Store, report: Callable[[int, int], None]) -> Recording:
    if job.seed == 3:
        raise RuntimeError("books do not balance")
    if job.seed == 13:
        raise KeyboardInterrupt
    if job.seed == 4:
        raise ScenarioError(["population: one side is missing"])
    return make_recording(job.seed)


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """`cascade run made_up` in an empty folder, without an engine."""
    scenario = MadeUp(title="made up")

    def load(name: str, overrides: Any = (), files: Any = ()) -> MadeUp:
        faults = [f"{path}: given {value}, expected a number" for path, value in overrides if value == "x"]
        if faults:
            raise ScenarioError(faults)
        return MadeUp(scenario, **dict(overrides))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments.config, "load", load)
    monkeypatch.setattr(kernels, "compiled", lambda: None)
    here = functools.partial(experiments.runner.run_jobs, engine=engine)
    monkeypatch.setattr(
        experiments.runner, "run_jobs", lambda wanted, **how: here(wanted, **{**how, "jobs": 1})
    )
    return scenario


def test_a_run_lands_in_its_folder(made_up: MadeUp, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["run", "made_up", "--set", "clock.step=2"]) == 0
    run = Run.open("runs/made_up")
    assert run.seed == 1 and run.name == "made_up" and run.config["clock.step"] == "2"
    assert capsys.readouterr().out == f"runs/made_up/seed-0001  digest {run.digest[:16]}\n"


def test_seeds_and_out(made_up: MadeUp) -> None:
    assert cli.answer(["run", "made_up", "--seeds", "2", "--out", "mine"]) == 0
    assert sorted(path.name for path in Path("mine").glob("seed-*")) == ["seed-0001", "seed-0002"]
    assert cli.answer(["run", "made_up", "--seed", "7", "--out", "mine"]) == 0
    assert sorted(path.name for path in Path("mine").glob("seed-*"))[-1] == "seed-0007"


def test_a_path_is_named_by_its_file(made_up: MadeUp) -> None:
    assert cli.answer(["run", "some/where/other.toml"]) == 0
    assert Run.open("runs/other/seed-0001").name == "other"


def test_all_faults_at_once(made_up: MadeUp, capsys: pytest.CaptureFixture[str]) -> None:
    line = "run made_up --seed -1 --seeds 0 --jobs 0 --set nothing --set a.b=x --set a.c=x".split()
    assert cli.answer(line) == 2
    output, errors = capsys.readouterr()
    assert output == "" and not Path("runs").exists()
    assert errors.splitlines() == [
        "cascade: --seed, --seeds: given both, expected one of them",
        "cascade: --seed: given -1, expected a whole number between 0 and 2147483647",
        "cascade: --seeds: given 0, expected a whole number from 1",
        "cascade: --jobs: given 0, expected a whole number from 1",
        "cascade: --set: given 'nothing', expected a.b.c=value",
        "cascade: a.b: given x, expected a number",
        "cascade: a.c: given x, expected a number",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("bogus", 'Unknown command "bogus"'),
        ("run", "SCENARIO requires an argument"),
        ("run made_up --seeds many", "--seeds: given many, expected a whole number"),
        ("run made_up --seeds 2.5", "--seeds: given 2.5, expected a whole number"),
        ("run made_up --out taken", "--out: cannot write to taken"),
        ("run made_up --out taken/inside", "--out: cannot write to taken/inside"),
        ("scenario check", "SCENARIO: nothing given"),
        ("account nowhere whale --events -1", "--events: given -1"),
        ("run made_up --sed 1", "--sed"),
        ("columns --table cups", "expected one of books, venues"),
        ("account nowhere whale", "nowhere: no such folder"),
        ("figures nowhere", "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_clear_line(
    line: str, fault: str, made_up: MadeUp, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("a file, not a folder")
    assert cli.answer(line.split()) == 2
    assert not Path("runs").exists()
    output, errors = capsys.readouterr()
    assert output == "" and fault in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("verb", "file", "text"),
    [
        ("figures", "columns.json", "{"),
        ("figures", "config.toml", "="),
        ("figures", "provenance.json", ""),
        ("figures", "steps/clock.parquet", None),
        ("figures", "steps/books.parquet", None),
        ("figures", "steps/books.parquet", "no parquet"),
        ("account", "columns.json", "{}"),
        ("account", "accounts/end.parquet", "no parquet"),
        ("account", "accounts/end.parquet", None),
    ],
)
def test_a_damaged_run_folder_is_one_clear_line(
    verb: str, file: str, text: str | None, made_up: MadeUp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["run", "made_up"]) == 0
    folder = Path("runs/made_up/seed-0001").resolve()
    (folder / file).unlink() if text is None else (folder / file).write_text(text)
    capsys.readouterr()
    assert (
        cli.answer(["account", str(folder), "whale"] if verb == "account" else ["figures", str(folder)]) == 2
    )
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and str(folder) in errors[0]
    assert not list(folder.parent.rglob("*.png"))


def test_a_failed_run_is_exit_1_and_the_others_are_kept(
    made_up: MadeUp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["run", "made_up", "--seeds", "3"]) == 1
    output, errors = capsys.readouterr()
    assert len(output.splitlines()) == 2
    assert "made_up seed 3: failed: RuntimeError: books do not balance" in errors.splitlines()


def test_a_scenario_that_cannot_be_drawn_is_bad_input(
    made_up: MadeUp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["run", "made_up", "--seed", "4"]) == 2
    assert "population: one side is missing" in capsys.readouterr().err


def test_interrupted_is_exit_130(made_up: MadeUp, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["run", "made_up", "--seed", "13"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_programs_read_what_was_run_and_what_failed(
    made_up: MadeUp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["run", "made_up", "--seeds", "3", "--json", "--quiet"]) == 1
    output, errors = capsys.readouterr()
    found = json.loads(output)
    assert [one["seed"] for one in found["runs"]] == [1, 2] and errors == ""
    assert found["runs"][0]["digest"] == Run.open(found["runs"][0]["folder"]).digest
    assert found["failed"] == [{"run": "made_up seed 3", "reason": "RuntimeError: books do not balance"}]
    assert cli.answer(["run", "made_up", "--seed", "13", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["faults"][0].startswith("interrupted")


def test_targets_make_a_card(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MadeUp, "targets", SimpleNamespace(file="october"))
    assert cli.answer(["run", "made_up", "--seeds", "2"]) == 0
    card = json.loads(Path("runs/made_up/scorecard.json").read_text())
    assert card["scenario"] == "made_up" and card["seeds"] == [1, 2]
    assert all(row["value"] is not None or (not row["pass"] and row["why"]) for row in card["rows"])
    assert Path("runs/made_up/scorecard.md").read_text().strip()


def test_columns_lists_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["columns"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(COLUMNS) + 1
    for column, line in zip(COLUMNS, lines[1:], strict=True):
        assert line.split()[:2] == [column.table, column.name] and line.endswith(column.meaning)
    assert len({(column.table, column.name) for column in COLUMNS}) == len(COLUMNS)
    assert all(column.meaning for column in COLUMNS)


def test_scenario_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["scenario", "list"]) == 0
    assert "two_venues" in capsys.readouterr().out


def test_help_is_quick() -> None:
    best = 9.0  # seconds of computing, which somebody waits for where nothing else runs
    for _ in range(3):
        began = sum(os.times()[2:4])
        answer = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=False)
        best = min(best, sum(os.times()[2:4]) - began)
    assert answer.returncode == 0 and "october" in answer.stdout
    assert best < 0.3 * (3 if os.environ.get("PYTEST_XDIST_WORKER") else 1)  # cores that share get more


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, experiments.cli; print({'numpy', 'numba', 'pyarrow', 'pydantic'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_a_closed_pipe_is_no_error() -> None:
    answer = subprocess.run(
        f"{COMMAND} columns | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert answer.stdout.startswith("table") and answer.stderr == ""
