"""Running a sweep: what is missing is handed to workers, what fails is written down, the rest goes on.

Killed at any moment and started again, a sweep goes on where it was: a run is done if its record is there, and a record
is written last. Several sweeps on one folder divide its runs among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from abm import jit
from experiments import writing
from experiments.runner import Ended, apart, here
from experiments.sweep import planning as plans
from experiments.sweep.board import SweepBoard
from experiments.sweep.place import RECORDS, RUNS, Claims, Folder, Place, Record, place
from experiments.sweep.planning import Plan, PlannedCell, plan
from experiments.sweep.study import Study, StudyError, dump, load
from experiments.sweep.task import Task, failure, work

Left = dict[str, tuple[PlannedCell, int]]  # runs to be done by name: their cell and seed
READY = ("experiments.sweep.task", "experiments.build", "experiments.preloaded")


@dataclass(frozen=True)
class Counts:
    """What became of the runs of a sweep: there before, done now, failed (now or before)."""

    there: int
    done: int
    failed: int


def folder_of(study: Study, out: str | Path | None) -> str:
    """Where a study's results go."""
    return str(out) if out is not None else str(Path("runs") / "sweeps" / study.name)


def run(
    study: str | Path | Study,
    *,
    out: str | Path | None = None,
    on: str = "local",
    jobs: int | None = None,
    files: Sequence[str | Path] = (),
    seeds: int | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> Counts:
    """Run what is missing of a study.

    Args:
        study: name, path or study.
        out: folder or fsspec address of the results; default `runs/sweeps/NAME`.
        on: "local"; "dask", which starts a cluster on this machine; "dask://HOST:PORT", one that runs.
        jobs: local, dask: runs at a time, default one a core; 1 on "local" runs them in this process.
        files: Python files of one's own besides the study's.
        seeds: so many replicates a cell instead of the study's.
        retry_failed: runs that failed are tried again.
        progress: show it on stderr.

    Returns:
        Counts; which runs failed and why is in the table of results.

    Raises:
        StudyError: with every fault of the study.
    """
    checked_on(on)
    loaded = load(study, files, seeds)
    where = place(folder_of(loaded, out))
    planned = plan(loaded, where.read("plan.json"))
    return start(planned, where, on=on, jobs=jobs, retry_failed=retry_failed, progress=progress)


def checked_on(on: str) -> None:
    """StudyError unless this names a place where runs can be done."""
    if on not in ("local", "dask") and not on.startswith("dask://"):
        raise StudyError([f"--on: given {on}, expected local, dask or dask://HOST:PORT"])


def start(
    planned: Plan,
    where: Place,
    *,
    on: str = "local",
    jobs: int | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> Counts:
    """Run what a plan still lacks at a place; see `run`."""
    if where.address.startswith("memory://") and (on != "local" or jobs != 1):
        raise StudyError(
            [f"--out: {where.address} is the memory of one process: --jobs 1, or another address"]
        )
    where.write("study.json", json.dumps(dump(planned.study), indent=1))
    where.write("plan.json", planned.dump())
    records = where.records(planned.names())
    if isinstance(where, Folder):
        for folder in (RUNS, RECORDS):  # what killed writers left
            writing.sweep_unfinished(where.folder / folder)
    left: Left = {}
    bad = 0
    for name, cell, seed in planned.turns():
        record = records.get(name)
        if plans.ready(record, planned.measured):
            continue
        if cell.faults:
            bad += 1
            if record is None:
                reason = "ScenarioError: " + "; ".join(cell.faults)
                where.record(name, failure(planned.task(cell, seed, where.address), reason))
        elif plans.failed(record) and not retry_failed:
            bad += 1
        else:
            left[name] = cell, seed
    there = planned.runs - len(left) - bad
    if not left:
        return Counts(there, 0, bad)
    done = 0
    with ExitStack() as stack:
        claims = stack.enter_context(where.claims())
        board = stack.enter_context(SweepBoard(planned.runs - bad, there, progress))
        ends = _ends(_turns(planned, left, where, claims, board), on, jobs, len(left), board, where)
        for end in ends:
            if end.failed:
                where.record(end.job.name, failure(end.job, end.reason, end.trace))
            claims.drop(end.job.name)
            done, bad = done + (not end.failed), bad + end.failed
    return Counts(planned.runs - done - bad, done, bad)


def _ends(
    tasks: Iterable[Task | None], on: str, jobs: int | None, most: int, board: SweepBoard, where: Place
) -> Iterator[Ended]:
    if jit.cold():
        jit.warm()  # once, before several workers need them
    if on.startswith("dask"):
        from experiments.sweep.cluster import on_cluster

        return on_cluster(tasks, on, jobs, board, where)
    workers = min(jobs or len(os.sched_getaffinity(0)), most)
    if workers == 1:
        return here(tasks, work, board)
    return apart(tasks, work, board, workers, READY)


def _turns(
    planned: Plan, left: Left, where: Place, claims: Claims, board: SweepBoard
) -> Iterator[Task | None]:
    """The tasks, each claimed when its turn comes; those of another sweep at last, if it has not done them.

    None: all that is left is with another sweep just now.
    """
    waiting = left
    while waiting:
        others: Left = {}
        for name, (cell, seed) in waiting.items():
            if not claims.take(name):
                others[name] = cell, seed
            elif plans.ready(where.one(name), planned.measured):
                claims.drop(name)
                board.other(1)
            else:
                yield planned.task(cell, seed, where.address)
        ended: dict[str, Record] = where.records(others) if others else {}
        over = {name for name, record in ended.items() if plans.ready(record, planned.measured)}
        board.other(len(over))
        waiting = {name: run for name, run in others.items() if name not in over}
        if waiting:
            yield None
