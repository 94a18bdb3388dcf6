"""The one runner: scenarios x seeds into a store of run folders, in parallel, resumable.

Every run is a process of its own that simulates and writes its folder; this process hands out the work, shows
progress and makes the links. A run that fails, or whose process is killed, is recorded with the reason, and
the others go on. Ctrl-C ends the workers, and as a folder appears whole or not at all, nothing half-written
stays. A worker whose parent is gone ends itself.

    outcomes = run_many({"two_venues": config.load("two_venues")}, seeds=range(1, 9), jobs=2)
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from abm.recording import Recording
from experiments import extensions, snapshots, writing
from experiments import run as runs
from experiments.progress import Board
from experiments.provenance import provenance
from experiments.store import Store, content_hash, drop_others, source_hash, write_text

if TYPE_CHECKING:
    from abm.model import CascadeModel

Report = Callable[[int, int], None]  # steps done, steps in all
Work = Callable[[Any, Report], Any]  # what is done with a job; in a process of its own if `apart`
Status = Literal["done", "reused", "failed"]
_ASK_AGAIN = 1.0  # seconds after which jobs that had nothing to give are asked once more
_REPORT_EVERY = 0.2  # seconds of wall time between two reports, and the longest that Ctrl-C waits for


@dataclass(frozen=True)
class Job:
    """One run to be had: its link will be `folder/seed-NNNN`."""

    name: str
    scenario: Any  # experiments.config.Scenario
    seed: int
    folder: Path
    content: str = ""  # content hash, filled in by the runner
    check: bool = False
    files: tuple[Path, ...] = ()  # the user's own Python files that the scenario was loaded with
    save_at: tuple[float, ...] = ()  # seconds at which a snapshot is kept, as `folder/seed-NNNN@T`
    start: Path | None = (
        None  # a snapshot to go on from; else the latest one of this very run, if there is one
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker first runs the user's files: the parameters in the scenario are of their classes."""
        values = [getattr(self, field.name) for field in fields(self)]
        return _job, (self.files, pickle.dumps(values))

    @property
    def label(self) -> str:
        return f"{self.name} seed {self.seed}"


def _job(files: tuple[Path, ...], values: bytes) -> Job:
    faults = extensions.take(files)
    if faults:
        raise RuntimeError("; ".join(faults))
    return Job(*pickle.loads(values))


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    status: Status
    folder: Path | None  # None where it failed
    reason: str = ""
    seconds: float = 0.0

    def open(self) -> runs.Run:
        if self.folder is None:
            raise runs.RunError(f"{self.job.label} failed: {self.reason}")
        return runs.Run.open(self.folder)


def simulate(job: Job, store: Store, report: Report) -> Recording:
    """Build the scenario's model and run it to its end, in pieces short enough for Ctrl-C and progress.

    Snapshots are kept on the way. A run that was broken off goes on from the latest that it left.
    """
    from experiments.build import build

    model = build(job.scenario, job.seed, check=job.check)
    saves = sorted(time for time in job.save_at if not _kept(job, store, time))
    saved = _start(job, store, min(saves, default=math.inf))
    if saved is not None:
        model.restore(saved)
    total = model.steps_total
    done, piece = model.step_number, 1
    while done < total or saves:
        while saves and saves[0] * 1000.0 <= model.now:
            _keep(job, store, model, saves.pop(0))
        if done == total:
            break
        began = time.perf_counter()
        ahead = total - done
        if saves:
            ahead = min(ahead, math.ceil((saves[0] * 1000.0 - model.now) / model.clock.step_ms))
        steps = max(1, min(piece, ahead))
        model.run(steps)
        done += steps
        report(done, total)
        spent = time.perf_counter() - began
        piece = max(1, min(2 * steps, int(steps * _REPORT_EVERY / max(spent, 1e-6))))
    assert model.recorder is not None  # build makes one unless told otherwise
    return model.recorder.finish()


def _start(job: Job, store: Store, before: float) -> dict[str, Any] | None:
    """What the run goes on from; a snapshot of its own that cannot be read is no loss, it begins anew."""
    if job.start is not None:
        return snapshots.read(job.start, source_hash()).saved
    latest = store.latest(job.content, job.seed, before)
    if latest is not None:
        with contextlib.suppress(snapshots.SnapshotError):
            return snapshots.read(latest, source_hash()).saved
    return None


def _kept(job: Job, store: Store, time: float) -> bool:
    return snapshots.sound(store.snapshot(job.content, job.seed, time))


def _keep(job: Job, store: Store, model: CascadeModel, seconds: float) -> None:
    """Put a snapshot into the store and its link beside the run's."""
    about = {
        "scenario": job.name,
        "content": job.content,
        "program": source_hash(),
        "check": job.check,
        "files": {str(path): extensions.fingerprint(path) for path in job.files},
        **provenance(time.time(), time.time()),
    }
    place = store.snapshot(job.content, job.seed, seconds)
    snapshots.write(place, model.snapshot(), config_of(job.scenario), about)
    store.link(job.content, job.seed, job.folder, seconds)


# what simulates: `simulate`, or in tests a stand-in
Engine = Callable[[Job, Store, Report], Recording]


def run_many(
    scenarios: Mapping[str, Any],
    seeds: Iterable[int],
    *,
    out: str | Path = "runs",
    jobs: int | None = None,
    check: bool = False,
    progress: bool = True,
    store: Store | None = None,
    files: Iterable[str | Path] = (),
) -> list[Outcome]:
    """Run every scenario with every seed; their links are `out/NAME/seed-NNNN`.

    Args:
        scenarios: by name.
        seeds: whole numbers from 0.
        out: folder of the named folders.
        jobs: runs at a time, one process each; default: one a core. 1 runs them in this process. With more, a
            script needs the usual `if __name__ == "__main__":` around what it does.
        check: check conservation at every step.
        progress: show progress on stderr.
        store: default `runs/.store`.
        files: the user's own Python files that the scenarios name species or rules of.

    Returns:
        One outcome a scenario and seed, in that order; failures are among them, not raised.
    """
    wanted = [
        Job(name, scenario, seed, Path(out) / name, check=check, files=tuple(map(Path, files)))
        for name, scenario in scenarios.items()
        for seed in list(seeds)
    ]
    return run_jobs(wanted, jobs=jobs, progress=progress, store=store)


def run_jobs(
    wanted: Sequence[Job],
    *,
    jobs: int | None = None,
    progress: bool = True,
    store: Store | None = None,
    engine: Engine = simulate,
) -> list[Outcome]:
    """Run jobs that the store does not have yet, link all; see `run_many`."""
    store = store or Store()
    contents: dict[tuple[int, bool], str] = {}
    named = []
    for job in wanted:
        which = (id(job.scenario), job.check)
        if which not in contents:
            contents[which] = content_hash(config_of(job.scenario), job.files, check=job.check)
        named.append(replace(job, content=contents[which]))
    for folder, content in {(job.folder, job.content) for job in named}:
        if folder.is_dir():
            drop_others(folder, content)
    missing = {
        (job.content, job.seed): job
        for job in named
        if not store.has(job.content, job.seed) or not all(_kept(job, store, time) for time in job.save_at)
    }
    ended: dict[tuple[str, int], Ended] = {}
    with Board(len(named), progress) as board:
        for job in named:
            if (job.content, job.seed) not in missing:
                board.reused(job.label)
        workers = min(jobs or len(os.sched_getaffinity(0)), max(len(missing), 1))
        work = functools.partial(finish, store=store, engine=engine)
        ready = [
            "experiments.runner",
            *(["experiments.build", "experiments.preloaded"] if engine is simulate else []),
        ]
        try:
            for end in (
                here(missing.values(), work, board)
                if workers == 1
                else apart(missing.values(), work, board, workers, ready)
            ):
                if end.failed:
                    store.record_failure(end.job.content, end.job.seed, end.reason, end.trace)
                ended[end.job.content, end.job.seed] = end
        finally:
            writing.sweep_unfinished(store.folder)
    outcomes = []
    for job in named:
        end = ended.get((job.content, job.seed))
        status: Status = "reused" if end is None else "failed" if end.failed else "done"
        place = None
        if status != "failed":
            place = store.link(job.content, job.seed, job.folder)
            for moment in job.save_at:
                store.link(job.content, job.seed, job.folder, moment)
        reason, seconds = ("", 0.0) if end is None else (end.reason, end.value or 0.0)
        outcomes.append(Outcome(job, status, place, reason, seconds))
    for folder in {job.folder for job in named}:
        _write_manifest(folder, [outcome for outcome in outcomes if outcome.job.folder == folder])
    return outcomes


def config_of(scenario: Any) -> Mapping[str, Any]:
    """The resolved tables of a scenario; tables stay as they are."""
    if isinstance(scenario, Mapping):
        return scenario
    from experiments import config

    return config.plain(scenario)


def finish(job: Job, report: Report, store: Store, engine: Engine = simulate) -> float:
    """Simulate one job and put its folder into the store; seconds taken."""
    began = time.time()
    recording = engine(job, store, report)
    about = {
        "scenario": job.name,
        "seed": job.seed,
        "content": job.content,
        "check": job.check,
        "files": {str(path): extensions.fingerprint(path) for path in job.files},
        **provenance(began, time.time()),
    }
    entry = store.entry(job.content, job.seed)
    writing.write(recording, entry, config=config_of(job.scenario), provenance=about)
    store.forget_failure(job.content, job.seed)
    return time.time() - began


def in_words(error: BaseException) -> str:
    """An error as one line."""
    text = "; ".join(str(error).splitlines())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Ended(NamedTuple):
    """How a job ended in one of the two drivers: with what its work returned, or failed with the reason."""

    job: Any
    value: Any = None
    failed: bool = False
    reason: str = ""
    trace: str = ""


def here(jobs: Iterable[Any], work: Work, board: Any) -> Iterator[Ended]:
    """The work of all jobs, one after the other in this process; see `apart`."""
    for job in jobs:
        if job is None:
            time.sleep(_ASK_AGAIN)
            continue
        board.start(job.label)
        report = functools.partial(board.step, job.label)
        began = time.perf_counter()
        try:
            value = work(job, report)
        except Exception as error:
            board.failed(job.label, in_words(error))
            yield Ended(job, None, True, in_words(error), traceback.format_exc())
        else:
            board.done(job.label, time.perf_counter() - began)
            yield Ended(job, value)
        gc.collect()  # a model and its agents know each other: large arrays would wait for the collector


def apart(
    jobs: Iterable[Any], work: Work, board: Board, workers: int, ready: Sequence[str] = ()
) -> Iterator[Ended]:
    """The same in processes of their own, `workers` at a time; a job is asked for when a worker is free.

    Args:
        jobs: anything that can be pickled and has a `label`; None = nothing just now, ask again.
        work: function of a module: (job, report) -> what can be pickled.
        board: shows progress.
        workers: processes at a time.
        ready: modules that workers find imported.
    """
    context = _context(list(ready))
    waiting, over = iter(jobs), object()
    working: dict[Any, tuple[Any, Any, float]] = {}
    try:
        job: Any = None
        while True:
            while len(working) < workers and job is not over:
                job = next(waiting, over)
                if job is None or job is over:
                    break
                listen, speak = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(job, work, speak), daemon=True)
                process.start()
                speak.close()  # the worker's end alone is left: its death is the end of the stream
                working[listen] = (job, process, time.perf_counter())
                board.start(job.label)
            if not working and job is over:
                return
            for heard in wait(list(working), _ASK_AGAIN) if working else _pause():
                listen = cast("Connection", heard)
                mine, process, began = working[listen]
                try:
                    word, *rest = listen.recv()
                except (EOFError, OSError):
                    word, rest = "failed", [_death(process), ""]
                if word == "step":
                    board.step(mine.label, *rest)
                    continue
                del working[listen]
                process.join()
                if word == "done":
                    board.done(mine.label, time.perf_counter() - began)
                    yield Ended(mine, *rest)
                else:
                    board.failed(mine.label, rest[0])
                    yield Ended(mine, None, True, *rest)
    finally:
        for _, process, _ in working.values():
            process.kill()  # a folder under way is still under its scratch name
        for _, process, _ in working.values():
            process.join()


def _pause() -> list[Any]:
    time.sleep(_ASK_AGAIN)
    return []


def _death(process: Any) -> str:
    process.join()
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"its process ended with exit code {code}"


def _context(ready: list[str]) -> Any:
    """Workers fork from one clean server process that has everything imported and its kernels loaded."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(ready)
    # The server would die of a Ctrl-C while it still imports. A blocked signal stays blocked in it from birth, and
    # waits for us here; the tracker comes first because its start would lift the block.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _work(job: Any, work: Work, speak: Connection) -> None:
    """A worker's whole life: one job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _REPORT_EVERY or done == total:
            last = time.monotonic()
            speak.send(("step", done, total))

    try:
        speak.send(("done", work(job, report)))
    except Exception as error:
        speak.send(("failed", in_words(error), traceback.format_exc()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_manifest(folder: Path, outcomes: Sequence[Outcome]) -> None:
    lines = [
        {
            "scenario": outcome.job.name,
            "seed": outcome.job.seed,
            "content": outcome.job.content,
            "status": "failed" if outcome.status == "failed" else "done",
            "reason": outcome.reason,
        }
        for outcome in outcomes
    ]
    write_text(folder / "runs.json", json.dumps(lines, indent=1))
