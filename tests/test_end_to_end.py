"""The whole path on the real engine: command, run folder, account, figures; the same bits by every driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from abm.columns import COLUMNS
from abm.recording import Recording
from experiments import Run, cli, load, writing
from experiments.figures import GALLERY
from experiments.runner import Job, run_jobs, simulate
from experiments.store import Store

COMMAND = Path(sys.executable).parent / "cascade"
SHORT = ("clock.duration", "60"), ("clock.burn_in", "10"), ("news.0.time", "2025-10-10T20:00:20Z")
SETTINGS = [word for path, value in SHORT for word in ("--set", f"{path}={value}")]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which `cascade run two_venues` was called once."""
    folder, before = tmp_path_factory.mktemp("path"), Path.cwd()
    os.chdir(folder)
    try:
        assert cli.answer(["run", "two_venues", *SETTINGS]) == 0
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture
def run(here: Path) -> Run:
    return Run.open(here / "runs" / "two_venues")


def test_the_folder_holds_what_the_columns_promise(run: Run) -> None:
    assert run.verify()
    promised = defaultdict(set)
    for column in COLUMNS:
        promised[column.table].add(column.name)
    for table in ("books", "venues", "network"):
        assert set(run.table(f"steps/{table}").column_names) == promised[table]
    assert set(run.events()) == promised["events"]
    assert run.labels() == ["end", "start"]
    for label in run.labels():
        assert set(run.accounts(label)) == promised["accounts"]
        assert set(run.positions(label)) == promised["positions"]


def test_the_market_trades(run: Run) -> None:
    assert len(run.time) == 60 and run.time[-1] == 60.0
    for book in run.books:
        assert np.isfinite(run.column("mid", book=book)).mean() > 0.9
        assert run.column("volume", book=book).sum() > 0


def test_a_thinned_record_keeps_some_books_and_steps_and_every_event(run: Run, here: Path) -> None:
    few = ["--set", "record.every=10", "--set", 'record.books=["alpha:BTC-PERP"]']
    assert cli.answer(["run", "two_venues", *SETTINGS, *few, "--out", str(here / "thin")]) == 0
    thin = Run.open(here / "thin")
    assert thin.books == ["alpha:BTC-PERP"] and thin.verify()
    np.testing.assert_array_equal(thin.time, run.time[9::10])
    np.testing.assert_array_equal(thin.column("last")[:, 0], run.column("last", book="alpha:BTC-PERP")[9::10])
    traded = run.column("volume", book="alpha:BTC-PERP").reshape(6, 10).sum(axis=1)
    np.testing.assert_allclose(thin.column("volume")[:, 0], traded)  # flows add up between records
    assert set(thin.positions("end")["book"]) == set(run.positions("end")["book"])
    np.testing.assert_array_equal(thin.events()["id"], run.events()["id"])


def test_the_written_config_is_the_same_scenario(run: Run, here: Path) -> None:
    answer = cli.answer(["run", str(run.folder / "config.toml"), "--out", str(here / "again")])
    assert answer == 0
    again = Run.open(here / "again")
    assert again.config == run.config and again.digest == run.digest


@pytest.mark.slow
def test_the_same_bits_by_every_driver(run: Run, here: Path) -> None:
    """In a worker, with checks, in one piece, step by step."""
    scenario = load("two_venues", SHORT)
    jobs = [Job("two_venues", scenario, seed, here / "apart") for seed in (1, 2)]
    apart = run_jobs(jobs, jobs=2, progress=False, store=Store(here / "other"))
    assert apart[0].open().digest == run.digest
    assert apart[1].open().digest != run.digest
    job = Job("two_venues", scenario, 1, here, content="checked", check=True)
    assert simulate(job, Store(here / "checked"), lambda done, total: None).digest() == run.digest
    assert whole(scenario, 1).digest() == run.digest
    assert stepwise(scenario, 1).digest() == run.digest


def whole(scenario: object, seed: int) -> Recording:
    from experiments.build import build

    model = build(scenario, seed)  # type: ignore[arg-type]
    model.run()
    assert model.recorder is not None
    return model.recorder.finish()


def stepwise(scenario: object, seed: int) -> Recording:
    from experiments.build import build

    model = build(scenario, seed)  # type: ignore[arg-type]
    for _ in range(model.steps_total):
        model.step()
    assert model.recorder is not None
    return model.recorder.finish()


def test_account_of_a_name_and_of_a_number(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(run.accounts("start")["owner_name"][-1])
    assert cli.answer(["account", str(run.folder), name]) == 0
    told = capsys.readouterr().out
    assert f"accounts at the start, 20:00:00: {name} (owner" in told and "accounts at the end, " in told
    assert "events: " in told
    number = str(run.accounts("start")["owner"][-1])
    assert cli.answer(["account", str(run.folder), number]) == 0
    assert capsys.readouterr().out == told
    assert cli.answer(["account", str(run.folder), name + "x"]) == 2
    assert f"near: {name}" in capsys.readouterr().err


@pytest.mark.slow
def test_figures(run: Run, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["figures", str(here / "runs" / "two_venues")]) == 0
    pictures = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.stem for path in pictures] == [f"seed-0001-{name}" for name in GALLERY]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in pictures)


def test_scenario_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["scenario", "check", "two_venues"]) == 0
    assert "Liquidation map" in capsys.readouterr().out
    assert cli.answer(["scenario", "check", "two_venues", "--parameters", "--set", "clock.step=0.5"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "| parameter | value | unit | range | source | what it is |"
    assert any(line.startswith("| `clock.step` | 0.5 | seconds | [0.001, 60] |") for line in table)
    assert cli.answer(["scenario", "check", "--parameters"]) == 0
    assert "| `venues.NAME.fees.maker` | 0.0002 |" in capsys.readouterr().out
    assert cli.answer(["scenario", "check", "two_venues", "--set", "clock.step=-1", "--set", "bogus=1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(("jobs", "wait"), [(1, 2.0), (2, 2.0), (2, 0.0)])
def test_stopped_in_the_middle(number: signal.Signals, jobs: int, wait: float, tmp_path: Path) -> None:
    """Ctrl-C and kill of a long run: the exit code, no worker left, no half-written folder."""
    long = ["--set", "clock.duration=80000", "--seeds", str(jobs), "--jobs", str(jobs)]
    process = subprocess.Popen(
        [COMMAND, "run", "two_venues", *long],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "runs" / ".store").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(wait)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    output, errors = process.communicate(timeout=400)  # ends only when no worker holds the pipe any more
    assert output == ""
    if number == signal.SIGINT:  # who is killed can no longer keep its children from complaining
        assert "Traceback" not in errors
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert list((tmp_path / "runs").rglob("seed-*")) == []
    Store(tmp_path / "runs" / ".store")
    assert list((tmp_path / "runs").rglob(f"{writing.WRITING}*")) == []
    assert list((tmp_path / "runs" / ".store").iterdir()) == []


@pytest.mark.slow
def test_a_longer_run_is_checked_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.answer(["run", "two_venues", "--seeds", "2", "--check"]) == 0
    for seed in (1, 2):
        assert Run.open(f"runs/two_venues/seed-{seed:04d}").verify()
