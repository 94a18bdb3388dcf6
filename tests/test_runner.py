"""The runner: nothing twice, nothing half-written, one failure stops no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abm.recording import Recording
from experiments import run as runs
from experiments import store as stores
from experiments import writing
from experiments.run import Run
from experiments.runner import Job, Outcome, run_jobs
from experiments.store import Store, content_hash
from tests.conftest import make_recording

ROOT = Path(__file__).resolve().parents[1]
Report = Callable[[int, int], None]


# Engines stand in for the simulation; workers find them by name, so they live at the top of the module.
def counting(job: Job, store: Store, report: Report) -> Recording:
    """Leaves a mark for every run it does, and reports steps."""
    with Path(job.scenario["marks"]).open("a") as marks:
        marks.write(f"{job.seed}\n")
    for done in range(1, 6):
        report(done, 5)
    return make_recording(job.seed)


def fragile(job: Job, store: Store, report: Report) -> Recording:
    """Seed 2 raises, seed 3 is killed from outside, as by a kernel that is out of memory."""
    if job.seed == 2:
        raise ValueError("first line\nsecond line")
    if job.seed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return counting(job, store, report)


def endless(job: Job, store: Store, report: Report) -> Recording:
    """Seed 1 ends, every other one goes on for ever."""
    done = 0
    while job.seed != 1:
        done += 1
        report(done, 1_000_000)
        Path(job.scenario["marks"]).with_name(f"alive-{os.getpid()}").touch()
        time.sleep(0.01)
    return counting(job, store, report)


@pytest.fixture
def scenario(tmp_path: Path) -> dict[str, Any]:
    return {"title": "made up", "marks": str(tmp_path / "marks")}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs" / ".store")


def jobs_of(scenario: dict[str, Any], seeds: range, tmp_path: Path) -> list[Job]:
    return [Job("made_up", scenario, seed, tmp_path / "runs" / "made_up") for seed in seeds]


def marks(tmp_path: Path) -> list[int]:
    path = tmp_path / "marks"
    return sorted(int(line) for line in path.read_text().split()) if path.exists() else []


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{writing.WRITING}*"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_runs_land_in_the_store_and_are_not_done_twice(
    workers: int, scenario: dict[str, Any], store: Store, tmp_path: Path
) -> None:
    outcomes = run_jobs(
        jobs_of(scenario, range(1, 4), tmp_path), jobs=workers, progress=False, store=store, engine=counting
    )
    assert statuses(outcomes) == ["done"] * 3
    assert [outcome.job.seed for outcome in outcomes] == [1, 2, 3]
    folder = tmp_path / "runs" / "made_up"
    assert (folder / "seed-0002").is_symlink()
    run = Run.open(folder / "seed-0002")
    assert run.seed == 2 and run.digest == make_recording(2).digest() and run.verify()
    assert run.config == scenario
    assert run.provenance["versions"]["numpy"]

    more = run_jobs(
        jobs_of(scenario, range(1, 6), tmp_path), jobs=workers, progress=False, store=store, engine=counting
    )
    assert statuses(more) == ["reused"] * 3 + ["done"] * 2
    assert marks(tmp_path) == [1, 2, 3, 4, 5]
    assert unfinished(tmp_path) == []


def test_the_driver_does_not_change_the_digest(
    scenario: dict[str, Any], store: Store, tmp_path: Path
) -> None:
    jobs = jobs_of(scenario, range(1, 3), tmp_path)
    apart = run_jobs(jobs, jobs=2, progress=False, store=store, engine=counting)
    here = run_jobs(jobs, jobs=1, progress=False, store=Store(tmp_path / "other"), engine=counting)
    assert [one.open().digest for one in apart] == [one.open().digest for one in here]


def test_a_failure_is_recorded_and_the_others_go_on(
    scenario: dict[str, Any], store: Store, tmp_path: Path
) -> None:
    jobs = jobs_of(scenario, range(1, 6), tmp_path)
    outcomes = run_jobs(jobs, jobs=2, progress=False, store=store, engine=fragile)
    assert statuses(outcomes) == ["done", "failed", "failed", "done", "done"]
    assert outcomes[1].reason == "ValueError: first line; second line"
    assert outcomes[2].reason == "its process was ended by SIGKILL (out of memory?)"
    content = outcomes[0].job.content
    assert store.failure(content, 2) == outcomes[1].reason and store.failure(content, 1) is None
    with pytest.raises(runs.RunError, match="seed 2 failed: ValueError"):
        outcomes[1].open()
    manifest = json.loads((tmp_path / "runs" / "made_up" / "runs.json").read_text())
    assert [line["status"] for line in manifest] == ["done", "failed", "failed", "done", "done"]
    assert not (tmp_path / "runs" / "made_up" / "seed-0002").exists()

    again = run_jobs(jobs, jobs=2, progress=False, store=store, engine=counting)
    assert statuses(again) == ["reused", "done", "done", "reused", "reused"]
    assert store.failure(content, 2) is None


def test_a_failure_in_this_process_is_recorded_too(
    scenario: dict[str, Any], store: Store, tmp_path: Path
) -> None:
    outcomes = run_jobs(
        jobs_of(scenario, range(1, 3), tmp_path), jobs=1, progress=False, store=store, engine=fragile
    )
    assert statuses(outcomes) == ["done", "failed"]


def test_one_folder_never_mixes_two_scenarios(scenario: dict[str, Any], store: Store, tmp_path: Path) -> None:
    run_jobs(jobs_of(scenario, range(1, 4), tmp_path), jobs=1, progress=False, store=store, engine=counting)
    changed = {**scenario, "title": "another"}
    run_jobs(jobs_of(changed, range(1, 2), tmp_path), jobs=1, progress=False, store=store, engine=counting)
    folder = tmp_path / "runs" / "made_up"
    assert [path.name for path in folder.glob("seed-*")] == ["seed-0001"]
    assert Run.open(folder).config["title"] == "another"
    again = run_jobs(
        jobs_of(scenario, range(1, 4), tmp_path), jobs=1, progress=False, store=store, engine=counting
    )
    assert statuses(again) == ["reused"] * 3  # the links went, the runs stayed


def test_a_folder_of_the_user_stays(scenario: dict[str, Any], store: Store, tmp_path: Path) -> None:
    mine = tmp_path / "runs" / "made_up" / "seed-0001" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError):
        run_jobs(
            jobs_of(scenario, range(1, 2), tmp_path), jobs=1, progress=False, store=store, engine=counting
        )
    assert mine.read_text() == "mine"


def test_copies_where_links_cannot_be_made(
    scenario: dict[str, Any], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    jobs = jobs_of(scenario, range(1, 2), tmp_path)
    for _ in range(2):
        outcome = run_jobs(jobs, jobs=1, progress=False, store=store, engine=counting)[0]
        assert outcome.folder is not None and not outcome.folder.is_symlink()
        assert outcome.open().verify()
    changed = [Job("made_up", {**scenario, "title": "another"}, 2, jobs[0].folder)]
    run_jobs(changed, jobs=1, progress=False, store=store, engine=counting)
    assert [path.name for path in jobs[0].folder.glob("seed-*")] == ["seed-0002"]


def test_content_hash_names_config_files_and_check(tmp_path: Path) -> None:
    config = {"clock": {"step": 1.0}, "news": ()}
    rule = tmp_path / "rule.py"
    rule.write_text("one")
    names = {
        content_hash(config),
        content_hash({"clock": {"step": 2.0}, "news": ()}),
        content_hash(config, check=True),
        content_hash(config, [rule]),
    }
    rule.write_text("two")
    names.add(content_hash(config, [rule]))
    assert len(names) == 5
    assert content_hash({"news": [], "clock": {"step": 1.0}}) == content_hash(config)


def test_source_hash_covers_what_makes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("abm/book.py", "agents/noise.py", "experiments/build.py", "experiments/figures.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(stores, "ROOT", tmp_path)

    def fresh() -> str:
        stores.source_hash.cache_clear()
        return stores.source_hash()

    first = fresh()
    (tmp_path / "experiments/figures.py").write_text("two")
    assert fresh() == first
    for name in ("abm/book.py", "agents/noise.py", "experiments/build.py"):
        before = fresh()
        (tmp_path / name).write_text("two")
        assert fresh() != before
    monkeypatch.undo()
    stores.source_hash.cache_clear()


DRIVER = """
import sys
from pathlib import Path
from experiments.runner import Job, run_jobs
from experiments.store import Store
from tests import test_runner
if __name__ == "__main__":
    here = Path(sys.argv[1])
    scenario = {"title": "made up", "marks": str(here / "marks")}
    jobs = [Job("made_up", scenario, seed, here / "runs" / "made_up") for seed in (1, 2, 3)]
    run_jobs(jobs, jobs=int(sys.argv[2]), progress=False, store=Store(here / "runs" / ".store"),
             engine=test_runner.endless)
"""


def started(tmp_path: Path, workers: int) -> subprocess.Popen[str]:
    """A driver whose seed 1 is done and whose others are under way."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), str(workers)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wanted = 1 if workers == 1 else 2
    until(
        lambda: len(alive(tmp_path)) >= wanted and len(list((tmp_path / "runs/.store").glob("*-0001"))) == 1
    )
    return process


def alive(tmp_path: Path) -> list[int]:
    """Processes that have worked on an endless run and are still there."""
    found = [int(path.name.removeprefix("alive-")) for path in tmp_path.glob("alive-*")]
    return [process for process in found if Path(f"/proc/{process}").exists()]


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_workers_and_leaves_only_whole_runs(workers: int, tmp_path: Path) -> None:
    process = started(tmp_path, workers)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, errors = process.communicate(timeout=300)
    assert process.returncode in (-signal.SIGINT, 130) and "KeyboardInterrupt" in errors
    until(lambda: not alive(tmp_path))
    assert unfinished(tmp_path) == []
    whole = list((tmp_path / "runs/.store").iterdir())
    assert [path.name[-4:] for path in whole] == ["0001"] and Run.open(whole[0]).verify()


@pytest.mark.slow
def test_a_killed_runner_takes_its_workers_along_and_is_resumed(tmp_path: Path) -> None:
    process = started(tmp_path, 2)
    process.kill()
    process.communicate()
    until(lambda: not alive(tmp_path))
    store = Store(tmp_path / "runs" / ".store")
    assert unfinished(tmp_path) == []
    scenario = {"title": "made up", "marks": str(tmp_path / "marks")}
    outcomes = run_jobs(
        jobs_of(scenario, range(1, 4), tmp_path), jobs=2, progress=False, store=store, engine=counting
    )
    assert statuses(outcomes) == ["reused", "done", "done"]


def test_progress_off_a_terminal_is_one_line_a_run(
    scenario: dict[str, Any], store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = jobs_of(scenario, range(1, 4), tmp_path)
    run_jobs(jobs[:1], jobs=1, progress=True, store=store, engine=fragile)
    run_jobs(jobs[:2], jobs=1, progress=True, store=store, engine=fragile)
    output, lines = capfd.readouterr()
    assert output == ""
    first, again, failed = lines.splitlines()
    assert first.startswith("made_up seed 1: done in ") and first.endswith(" steps/s")
    assert again == "made_up seed 1: already there"
    assert failed == "made_up seed 2: failed: ValueError: first line; second line"
