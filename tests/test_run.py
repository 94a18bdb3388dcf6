"""Run folders: what is written is read back, whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from abm.recording import Recording
from experiments import writing
from experiments.run import Run, RunError

CONFIG = {
    "title": "two lines",
    "clock": {"start": datetime(2025, 10, 10, 20, tzinfo=UTC), "step": 1.0},
    "news": ({"size": -0.04, "why": None},),
}
PROVENANCE = {"scenario": "made_up", "seed": 7}


def written(recording: Recording, folder: Path) -> Run:
    return writing.write(recording, folder, config=CONFIG, provenance=PROVENANCE)


def test_a_run_reads_back_what_was_written(recording: Recording, tmp_path: Path) -> None:
    run = written(recording, tmp_path / "one")
    assert run.books == recording.book_names and run.venues == recording.venue_names
    assert run.seed == 7 and run.name == "made_up" and run.start == recording.start
    np.testing.assert_array_equal(run.time, recording.time)
    np.testing.assert_array_equal(run.column("last", book="beta:BTC-PERP"), recording.books["last"][:, 1])
    np.testing.assert_array_equal(run.column("low"), recording.books["low"])
    np.testing.assert_array_equal(run.column("fund_cash", venue="beta"), recording.venues["fund_cash"][:, 1])
    np.testing.assert_array_equal(run.column("open")[:, 0], recording.network["open"][:, 0])
    assert run.describe("fund_cash") == ("USD", "cash of the fund")
    assert run.labels() == ["end"]
    assert run.accounts()["owner_name"].tolist() == ["whale", "maker", ""]
    assert run.accounts()["venue"].tolist() == ["alpha", "alpha", "beta"]
    assert run.positions()["book"].tolist() == ["beta:BTC-PERP"]


def test_events_by_kind(recording: Recording, tmp_path: Path) -> None:
    run = written(recording, tmp_path / "one")
    assert run.events()["kind"].tolist() == ["liquidation", "liquidation", "adl", "liquidation"]
    assert run.events("adl")["venue"].tolist() == [""]
    assert run.events("liquidation")["book"].tolist() == ["alpha:BTC-PERP", "beta:BTC-PERP", "alpha:BTC-SPOT"]
    with pytest.raises(RunError, match="there are liquidation, adl"):
        run.events("cascade")


def test_config_is_toml_again(recording: Recording, tmp_path: Path) -> None:
    run = written(recording, tmp_path / "one")
    config = tomllib.loads((run.folder / "config.toml").read_text())
    assert config == run.config
    assert config["clock"]["start"] == CONFIG["clock"]["start"]  # type: ignore[index]
    assert config["news"] == [{"size": -0.04}]


def test_digest_is_of_values(recording: Recording, tmp_path: Path) -> None:
    run = written(recording, tmp_path / "one")
    assert run.digest == recording.digest() and run.verify()
    wider = {**recording.events, "kind": recording.events["kind"].astype(np.int64)}
    assert dataclasses.replace(recording, events=wider).digest() == run.digest
    zero = {**recording.accounts["end"], "equity": np.array([1.5, 0.0, np.nan])}
    assert dataclasses.replace(recording, accounts={"end": zero}).digest() == run.digest


def test_digest_sees_one_value_one_name_one_label(recording: Recording) -> None:
    seen = {recording.digest()}
    last = recording.books["last"].copy()
    last[3, 1] = np.nextafter(last[3, 1], 0)
    for other in (
        {"books": {**recording.books, "last": last}},
        {"books": {**recording.books, "renamed": recording.books["low"]}},
        {"book_names": [*recording.book_names[:2], "alpha:ETH-SPOT"]},
        {"vocabularies": {"kind": ["adl", "liquidation"]}},
        {"accounts": {"start": recording.accounts["end"]}},
    ):
        seen.add(dataclasses.replace(recording, **other).digest())
    assert len(seen) == 6


def test_verify_notices_a_changed_file(recording: Recording, tmp_path: Path) -> None:
    run = written(recording, tmp_path / "one")
    changed = written(dataclasses.replace(recording, step=recording.step + 1), tmp_path / "two")
    shutil.copy(changed.folder / "steps" / "clock.parquet", run.folder / "steps" / "clock.parquet")
    assert not Run.open(run.folder).verify()


def test_names_that_are_not_there(recording: Recording, tmp_path: Path) -> None:
    run = written(recording, tmp_path / "one")
    with pytest.raises(RunError, match="no column 'mid' in books; there are last, low, trades"):
        run.column("mid", book=recording.book_names[0])
    with pytest.raises(RunError, match="no venue 'gamma'; there are alpha, beta"):
        run.column("fund_cash", venue="gamma")
    with pytest.raises(RunError, match="name one of them"):
        run.column("last", book=recording.book_names[0], venue="alpha")
    with pytest.raises(RunError, match="no table 'accounts/noon'"):
        run.accounts("noon")


def test_open_takes_a_folder_of_one_seed(recording: Recording, tmp_path: Path) -> None:
    written(recording, tmp_path / "name" / "seed-0001")
    assert Run.open(tmp_path / "name").seed == 7
    written(recording, tmp_path / "name" / "seed-0002")
    with pytest.raises(RunError, match="it holds 2 runs"):
        Run.open(tmp_path / "name")
    with pytest.raises(RunError, match="no such folder"):
        Run.open(tmp_path / "nowhere")


def test_a_fault_while_writing_leaves_nothing(recording: Recording, tmp_path: Path) -> None:
    crooked = {**recording.books, "mid": np.zeros((3, 3))}
    with pytest.raises(ValueError, match=r"mid: shape \(3, 3\), expected \(20, 3\)"):
        written(dataclasses.replace(recording, books=crooked), tmp_path / "one")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        written(recording, tmp_path / "notes")
    assert [path.name for path in tmp_path.rglob("*")] == ["notes", "mine.txt"]
    first = written(recording, tmp_path / "one")
    again = written(recording, tmp_path / "one")
    assert again.digest == first.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "one"]


KILLED = """
import sys, time
from pathlib import Path
from experiments import writing
from tests.conftest import make_recording
whole = writing._parquet
def slow(table, path):
    whole(table, path)
    print("writing", flush=True)
    time.sleep(60)
writing._parquet = slow
writing.write(make_recording(), Path(sys.argv[1]), config={}, provenance={})
"""


def test_killed_in_the_middle_leaves_no_run(tmp_path: Path) -> None:
    target = tmp_path / "one"
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    assert writing.sweep_unfinished(tmp_path) == []  # its writer lives
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    assert len(writing.sweep_unfinished(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_hour_of_seventy_books_is_written_in_seconds(tmp_path: Path) -> None:
    steps, books = 3600, 70
    draw = np.random.default_rng(1)
    values = {f"column_{number}": draw.normal(size=(steps, books)) for number in range(25)}
    recording = Recording(
        start=datetime(2025, 10, 10, tzinfo=UTC),
        step=np.arange(steps, dtype=np.int32),
        time=np.arange(steps, dtype=np.float64),
        book_names=[f"v:{number}" for number in range(books)],
        venue_names=[],
        edge_names=[],
        books=values,
    )
    began = time.process_time()  # of computing, all threads: what else a machine does says nothing
    run = written(recording, tmp_path / "one")
    run.column("column_3", book="v:3")
    assert time.process_time() - began < 15
