"""Sweeps on the real engine: killed and gone on, failed and tried again, shared, on a cluster, on an address."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

from experiments import Run, cli, recorded, sweep, verification
from experiments.store import Store
from experiments.sweep import Study, running, task
from experiments.sweep.place import FolderClaims, place

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "experiments.cli"]
STUDY = """
title = "A study of a minute"
scenario = "two_venues"

[settings]
"clock.duration" = {duration}
"clock.burn_in" = 5.0
"news.0.time" = 2025-10-10T20:00:05Z
"news.0.size" = -0.08

[replicates]
count = 2

[factors.leverage]
path = "population.@leveraged_long.opening.max_leverage"
values = [5.0, 50.0]

[factors.rule.levels.queue]
"venues.*.adl.allocate" = "queue"
[factors.rule.levels.shared]
"venues.*.adl.allocate" = "pro_rata"

[outcomes.longs]
quantity = "longs"

[outcomes.volume]
column = "volume"
start = 5.0

[outcomes.news]
events = "news"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "minute.toml"
    path.write_text(STUDY.format(duration=20.0))
    return path


def digests(table: pd.DataFrame) -> dict[tuple[int, int], str]:
    return {(int(line.cell), int(line.seed)): str(line.digest) for line in table.itertuples()}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runs that were simulated in this process."""
    done: list[str] = []
    finish = task.finish

    def counting(job: Any, report: Any, store: Store) -> float:
        done.append(f"{job.content}-{job.seed:04d}")
        return finish(job, report, store)

    monkeypatch.setattr(task, "finish", counting)
    return done


# one machine ------------------------------------------------------------------------------------------------


def test_five_lines_from_study_to_table(file: Path, counted: list[str]) -> None:
    counts = sweep.run(file, jobs=1, progress=False)
    table = sweep.table(file)
    assert counts == sweep.Counts(there=0, done=8, failed=0) and len(counted) == 8
    assert (table["status"] == "done").all() and len(table) == 8
    line = table[(table["leverage"] == 50.0) & (table["rule"] == "shared")].iloc[0]
    run = sweep.opened(file).run(line["run"])
    assert run.digest == line["digest"] and run.verify() and run.seed == line["seed"]
    assert run.config["population"]["longs"]["opening"]["max_leverage"] == 50.0
    after = run.time > 5.0
    assert line["volume"] == pytest.approx(run.column("volume")[after].sum())
    assert line["news"] == 1.0
    assert line["longs"] == pytest.approx(
        np.nansum(run.column("liquidated_long")[run.time > 0]) / 1e6, abs=1e-9
    )


def test_the_same_bits_as_the_run_alone(file: Path) -> None:
    sweep.run(file, seeds=1, jobs=1, progress=False)
    line = sweep.table(file).iloc[0]
    settings = [
        "clock.duration=20.0", "clock.burn_in=5.0", "news.0.time=2025-10-10T20:00:05Z", "news.0.size=-0.08",
        "population.@leveraged_long.opening.max_leverage=5.0", "venues.*.adl.allocate=queue",
    ]  # fmt: skip
    assert cli.answer(["run", "two_venues", *(w for one in settings for w in ("--set", one))]) == 0
    assert Run.open("runs/two_venues").digest == line["digest"]


def test_a_recorded_sweep_is_run_again_from_its_settings_alone(file: Path, tmp_path: Path) -> None:
    sweep.run(file, seeds=1, jobs=1, progress=False)
    assert cli.answer(["sweep", "report", str(file), "--to", "told", "--record"]) == 0
    records = recorded.records(tmp_path)
    places = verification.sample(records, 2)
    assert [verdict.faults for verdict in verification.verify(records, places, jobs=1)] == [(), ()]
    one = records["told"]
    wrong = {
        name: cell._replace(seeds={1: recorded.seed("f" * 64, {})}, settings=cell.settings[:-2])
        for name, cell in one.cells.items()
    }
    (verdict,) = verification.verify({"told": one._replace(cells=wrong)}, places[:1], jobs=1)
    assert "digest" in verdict.faults[0] and "have changed since" in verdict.note


@pytest.mark.slow
def test_nothing_is_computed_twice_and_more_seeds_are_only_more(file: Path, counted: list[str]) -> None:
    sweep.run(file, seeds=1, jobs=1, progress=False)
    first = digests(sweep.table(file))
    assert len(counted) == 4
    assert sweep.run(file, seeds=1, jobs=1, progress=False) == sweep.Counts(4, 0, 0)
    assert sweep.run(file, jobs=1, progress=False) == sweep.Counts(4, 4, 0)
    assert len(counted) == len(set(counted)) == 8
    assert first.items() <= digests(sweep.table(file)).items()


@pytest.mark.slow
def test_a_new_outcome_is_measured_without_simulating(file: Path, counted: list[str]) -> None:
    sweep.run(file, jobs=1, progress=False)
    file.write_text(file.read_text() + '\n[outcomes.shorts]\nquantity = "shorts"\n')
    before = list(counted)
    sweep.run(file, jobs=1, progress=False)
    assert counted == before
    assert sweep.table(file)["shorts"].notna().all()


def test_records_without_run_folders(file: Path, counted: list[str]) -> None:
    file.write_text('keep = "records"\n' + file.read_text())
    sweep.run(file, jobs=1, progress=False)
    table = sweep.table(file)
    assert (table["status"] == "done").all() and table["longs"].notna().all()
    assert not list(Path("runs/sweeps/minute").glob("runs/*"))
    assert sweep.run(file, jobs=1, progress=False) == sweep.Counts(8, 0, 0) and len(counted) == 8


def test_a_bad_cell_is_recorded_and_stops_nobody(file: Path) -> None:
    file.write_text(file.read_text().replace("[5.0, 50.0]", "[5.0, 5000.0]"))
    assert sweep.run(file, jobs=1, progress=False) == sweep.Counts(0, 4, 4)
    table = sweep.table(file)
    bad = table[table["leverage"] == 5000.0]
    assert (bad["status"] == "failed").all() and (table["status"] == "failed").sum() == 4
    assert "max_leverage: given 5000.0, expected" in bad["reason"].iloc[0]
    assert bad["longs"].isna().all()


CRASH = """
import os, signal
from pathlib import Path

def loss(run):
    if run.seed == 2 and Path({marker!r}).exists():
        if run.config["population"]["longs"]["opening"]["max_leverage"] == 5.0:
            raise ValueError("no loss here")
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when there is no memory left
    return 42.0
"""


@pytest.mark.slow
def test_a_crash_is_recorded_with_its_reason_and_tried_again_when_asked(file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "trouble"
    marker.touch()
    (tmp_path / "crash.py").write_text(CRASH.format(marker=str(marker)))
    file.write_text(file.read_text() + '\n[outcomes.loss]\nfunction = "crash:loss"\n')
    mine = [tmp_path / "crash.py"]
    counts = sweep.run(file, files=mine, jobs=2, progress=False)
    table = sweep.table(file)
    assert counts == sweep.Counts(0, 4, 4), list(table["reason"])
    said = set(table[table["status"] == "failed"]["reason"])
    assert said == {"ValueError: no loss here", "its process was ended by SIGKILL (out of memory?)"}
    assert set(table[table["status"] == "done"]["loss"]) == {42.0}
    assert sweep.run(file, files=mine, jobs=1, progress=False) == sweep.Counts(4, 0, 4)  # not by itself
    marker.unlink()
    assert sweep.run(file, files=mine, jobs=1, retry_failed=True, progress=False) == sweep.Counts(4, 4, 0)
    assert (sweep.table(file)["loss"] == 42.0).all()


def _lay_out(files: tuple[tuple[str, bytes], ...], go: Any) -> None:
    go.wait()
    with task._laid_out(files):
        pass


def test_workers_that_lay_out_the_same_files_at_once_do_not_fail_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = multiprocessing.get_context("fork")
    for turn in range(10):
        go = context.Event()
        files = (("own.py", f"{tmp_path} {turn}".encode() + bytes(2_000_000)),)
        workers = [context.Process(target=_lay_out, args=(files, go)) for _ in range(4)]
        for worker in workers:
            worker.start()
        go.set()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]


OWN = """
from abm import allocation
from abm.agent import Participant
from abm.parameters import parameter

class Buyer(Participant):
    class Parameters(Participant.Parameters):
        size: float = parameter(0.05, "Size", unit="coins", gt=0)

    def decide(self, me, market):
        if len(me.rows):
            me.market_order(0, market.perps[0], +1, self.parameters.size)

def fair(lots, candidates):
    return allocation.pro_rata_contracts(lots, candidates)
"""


def test_a_species_a_rule_and_an_outcome_of_ones_own_reach_the_workers(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        OWN + "\n\ndef trades(run):\n    return float(run.column('trades').sum())\n"
    )
    text = file.read_text() + '\n[outcomes.trades]\nfunction = "mine:trades"\n'
    buyer = '{species = "mine:Buyer", opening = {kind = "desk", accounts = 1, cash = {major = 0.05}}}'
    text = text.replace('"clock.burn_in"', f'"population.buyer" = {buyer}\n"clock.burn_in"')
    text = text.replace('= "pro_rata"', '= "mine:fair"')
    file.write_text('with = ["mine.py"]\n' + text)
    assert sweep.run(file, seeds=1, jobs=2, progress=False) == sweep.Counts(0, 4, 0)
    line = sweep.table(file).iloc[0]
    run = sweep.opened(file).run(line["run"])
    assert run.config["population"]["buyer"]["species"] == "mine:Buyer"
    shared = sweep.opened(file).run(sweep.table(file).iloc[1]["run"])
    assert shared.config["venues"]["alpha"]["adl"]["allocate"] == "mine:fair"
    assert line["trades"] == run.column("trades").sum() > 20
    (tmp_path / "mine.py").unlink()
    assert len(sweep.table(out="runs/sweeps/minute")) == 4  # whoever reads results needs none of it


# killed, shared ---------------------------------------------------------------------------------------------


def begun(file: Path, *more: str) -> subprocess.Popen[bytes]:
    """A sweep in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, "sweep", str(file), *more],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def until(there: Callable[[], bool], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def written(out: Path) -> list[Path]:
    """The whole records of a sweep: one that is being written has a hidden name."""
    return [path for path in out.glob("records/*.json") if not path.name.startswith(".")]


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_with_the_same_digests(file: Path, counted: list[str]) -> None:
    out = Path("runs/sweeps/minute")
    process = begun(file, "--jobs", "2")
    until(lambda: len(written(out)) >= 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in written(out)}
    whole = {path.name for path in out.glob("runs/*") if not path.name.startswith(".")}
    counts = sweep.run(file, jobs=1, progress=False)
    assert counts.there == len(kept) >= 2 and counts.done == 8 - len(kept) and counts.failed == 0
    assert not whole & set(counted)  # a whole run without a record is measured, not simulated again
    assert kept == {path.name: path.stat().st_mtime_ns for path in written(out) if path.name in kept}
    assert not list(out.rglob(".writing-*")) and not list(out.glob("claims/*"))
    sweep.run(file, jobs=1, out="never_stopped", progress=False)
    assert digests(sweep.table(out="never_stopped")) == digests(sweep.table(file))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2.0, 5.0])
def test_killed_at_any_moment_it_finishes(file: Path, seconds: float) -> None:
    process = begun(file, "--jobs", "2")
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    counts = sweep.run(file, jobs=2, progress=False)
    assert counts.there + counts.done == 8 and counts.failed == 0
    sweep.run(file, jobs=1, out="never_stopped", progress=False)
    assert digests(sweep.table(out="never_stopped")) == digests(sweep.table(file))


@pytest.mark.slow
def test_two_sweeps_on_one_folder_divide_the_runs(file: Path, counted: list[str]) -> None:
    file.write_text(file.read_text().replace("count = 2", "count = 4"))
    process = begun(file, "--jobs", "1")
    until(lambda: len(written(Path("runs/sweeps/minute"))) >= 1)
    counts = sweep.run(file, jobs=1, progress=False)
    assert process.wait(600) == 0
    assert counts.failed == 0 and counts.there + counts.done == 16
    assert len(counted) == counts.done < 16  # what the other one did was not done here
    assert (sweep.table(file)["status"] == "done").all()
    assert not list(Path("runs/sweeps/minute").glob("claims/*"))


def test_a_claim_ends_with_the_sweep_that_made_it(tmp_path: Path) -> None:
    mine, other = FolderClaims(tmp_path), FolderClaims(tmp_path)
    assert mine.take("run") and mine.take("run") and not other.take("run")
    mine.drop("run")
    assert other.take("run")
    other.close()
    assert mine.take("run")
    # a sweep of this machine that is no longer there
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    dead = f"{socket.gethostname()}.{child.stdout.strip()}.abc"
    (tmp_path / f"{dead}.alive").touch()
    (tmp_path / "left").write_text(dead)
    assert mine.take("left")
    # one of another machine, first with a fresh sign of life, then with an old one
    far = "elsewhere.1.abc"
    (tmp_path / f"{far}.alive").touch()
    (tmp_path / "far").write_text(far)
    assert not mine.take("far")
    os.utime(tmp_path / f"{far}.alive", (time.time() - 3600, time.time() - 3600))
    assert mine.take("far")
    mine.close()
    FolderClaims(tmp_path).close()  # the next one tidies up
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_damaged_record_is_done_again(file: Path) -> None:
    sweep.run(file, seeds=1, jobs=1, progress=False)
    before = digests(sweep.table(file))
    path = next(Path("runs/sweeps/minute/records").glob("*.json"))
    path.write_text('{"status": "do')
    assert sweep.run(file, seeds=1, jobs=1, progress=False) == sweep.Counts(3, 1, 0)
    assert digests(sweep.table(file)) == before


# elsewhere --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_results_at_an_address(file: Path) -> None:
    out = "memory://bucket/minute"
    with pytest.raises(sweep.StudyError, match="memory of one process"):
        sweep.run(file, out=out, jobs=2, progress=False)
    assert sweep.run(file, out=out, jobs=1, progress=False) == sweep.Counts(0, 8, 0)
    assert sweep.run(file, out=out, jobs=1, progress=False) == sweep.Counts(8, 0, 0)
    sweep.run(file, jobs=1, progress=False)
    far, near = sweep.opened(out=out), sweep.opened(file)
    assert digests(far.table()) == digests(near.table())
    files = fsspec.filesystem("memory")
    name = near.table()["run"].iloc[0]
    there = files.cat_file(f"/bucket/minute/runs/{name}/digest.txt").decode().strip()
    assert there == near.table()["digest"].iloc[0]
    sql = "SELECT sum(liquidated_long) AS x FROM venues"
    assert far.query(sql)["x"].iloc[0] == pytest.approx(near.query(sql)["x"].iloc[0])


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real scheduler and two workers, each a process of its own; its address and the workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    address = f"127.0.0.1:{port}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    log = (tmp_path / "dask.log").open("wb")
    head = subprocess.Popen(
        [*dask, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        env=environment,
        stdout=log,
        stderr=log,
    )
    workers = [
        subprocess.Popen(
            [
                sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://{address}", "--nthreads", "1",
                "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path / f"worker{number}"),
            ],
            env=environment, stdout=log, stderr=log,
        )
        for number in range(2)
    ]  # fmt: skip
    try:
        yield address, workers
    finally:
        for process in (*workers, head):
            process.kill()
            process.wait()
        log.close()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_digests(
    file: Path, scheduler: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = scheduler
    file.write_text(STUDY.format(duration=120.0).replace("count = 2", "count = 4"))
    sweeping = begun(file, "--on", f"dask://{address}")
    until(lambda: len(written(Path("runs/sweeps/minute"))) >= 3)
    os.kill(workers[0].pid, signal.SIGKILL)
    assert sweeping.wait(600) == 0
    table = sweep.table(file)
    assert (table["status"] == "done").all() and len(table) == 16
    sweep.run(file, jobs=1, out="here", progress=False)
    assert digests(table) == digests(sweep.table(out="here"))


@pytest.mark.slow
def test_a_cluster_of_ones_own_with_a_file_of_ones_own(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def seed(run):\n    return float(run.seed)\n")
    file.write_text('with = ["mine.py"]\n' + file.read_text() + '\n[outcomes.own]\nfunction = "mine:seed"\n')
    process = begun(file, "--on", "dask", "--jobs", "1")
    assert process.wait(600) == 0
    table = sweep.table(file)
    assert (table["own"] == table["seed"]).all() and len(table) == 8


def test_a_cluster_that_is_not_there_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from experiments.sweep import cluster

    cluster.PATIENCE = 4.0
    assert cli.answer(["sweep", str(file), "--on", "dask://127.0.0.1:9"]) == 2
    assert "no scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert cli.answer(["sweep", str(file), "--on", "moon"]) == 2
    assert capsys.readouterr().err == "cascade: --on: given moon, expected local, dask or dask://HOST:PORT\n"


def test_a_worker_with_other_sources_refuses(file: Path) -> None:
    planned = sweep.plan(sweep.load(file))
    where = place("runs/sweeps/minute")
    sent = planned.task(planned.cells[0], 1, where.address)
    other = task.Task(**{**vars(sent), "program": "0" * 64})
    with pytest.raises(task.OtherProgram, match="install the same version"):
        task.work(other, lambda done, total: None)


# the command line -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_commands(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["sweep", str(file), "--plan"]) == 0
    assert "4 cells x 2 common seeds = 8 runs, 0 there, 8 left" in capsys.readouterr().out
    assert not Path("runs").exists()
    assert cli.answer(["sweep", str(file), "--jobs", "1"]) == 0
    assert capsys.readouterr().out == "runs/sweeps/minute: 0 runs were there, 8 done, 0 failed\n"
    assert cli.answer(["sweep", "table", "--to", "mine.csv"]) == 0
    assert capsys.readouterr().out == "mine.csv: 8 runs, 8 done\n"
    assert len(pd.read_csv("mine.csv")) == 8
    assert cli.answer(["sweep", "query", "SELECT count(DISTINCT digest) AS n FROM results"]) == 0
    assert capsys.readouterr().out.split()[-1] in "45678"
    assert cli.answer(["sweep", "query", "SELECT moon FROM results", str(file)]) == 2
    assert capsys.readouterr().err.startswith('cascade: SQL: Binder Error: Referenced column "moon"')
    assert cli.answer(["sweep", "report", str(file), "--to", "told"]) == 0
    report = Path("told/report.md").read_text()
    assert "Bands of 5-95 % need 200" in report and "## Shapley shares" in report
    for picture in Path("told").glob("*.png"):
        assert f"({picture.name})" in report
    assert len(pd.read_csv("told/cells.csv")) == 3 * 4


def test_bad_input_is_one_line_a_fault(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["sweep", "table", "nowhere"]) == 2
    assert "no sweep there yet" in capsys.readouterr().err
    assert cli.answer(["sweep", "nothing", "--on", "moon", "--jobs", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    file.write_text(file.read_text().replace("longs", "longz", 1).replace('"longs"', '"longz"'))
    assert cli.answer(["sweep", str(file)]) == 2
    assert "did you mean longs?" in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize("kind", ["morris", "saltelli", "latin"])
@pytest.mark.slow
def test_sampled_studies_end_in_a_report(kind: str, file: Path) -> None:
    text = file.read_text().replace("values = [5.0, 50.0]", 'low = 2.0\nhigh = 50.0\nscale = "log"')
    design = f'[design]\nkind = "{kind}"\nsamples = 4\ntrajectories = 3\n'
    file.write_text(text.replace("count = 2", "count = 1").replace("[replicates]", design + "[replicates]"))
    sweep.run(file, jobs=1, progress=False)
    report = sweep.report(file).read_text()
    title = {"morris": "## Morris", "saltelli": "## Sobol indices", "latin": "## Rank correlations"}[kind]
    assert title in report


def test_ten_thousand_results_are_a_table_in_seconds(tmp_path: Path) -> None:
    from tests.bench.sweeping import made_up

    results = made_up(tmp_path, 2000)
    began = time.process_time()
    table = results.table()
    assert len(table) == 2000 and (table["status"] == "done").all()
    assert time.process_time() - began < 5.0  # of computing; the floor for 10,000 is in the bench
    assert (
        isinstance(results.study, Study) and running.folder_of(results.study, None) == "runs/sweeps/made_up"
    )
