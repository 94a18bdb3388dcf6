"""Runs on a Dask cluster: one that is started on this machine, or one that runs at an address.

A task carries all that it needs, and its run is the same function as on this machine, so the digests are the same. A
worker that dies loses nothing but its run, which the scheduler gives to another one; where a run has killed several
workers, it has failed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from experiments.runner import Ended, in_words
from experiments.store import source_hash
from experiments.sweep.board import SweepBoard
from experiments.sweep.place import Folder, Place
from experiments.sweep.study import StudyError
from experiments.sweep.task import Task, work

AHEAD = 2  # tasks given out for each thread of the cluster, so that no worker waits for the next
WAIT = 1.0  # seconds between two looks at what the sweep has to give
PATIENCE = 60.0  # seconds in which a first worker must be there


def remote(task: Task) -> tuple[str, str, str]:
    """A task on a worker: "" or the reason and trace of its failure, which must not end the worker."""
    try:
        work(task, _silent)
    except Exception as error:
        return "failed", in_words(error), traceback.format_exc()
    return "done", "", ""


def _silent(_done: int, _total: int) -> None:
    """Steps are not told over the net."""


def on_cluster(
    tasks: Iterable[Task | None], on: str, jobs: int | None, board: SweepBoard, where: Place
) -> Iterator[Ended]:
    """The work of all tasks on a cluster; None among them = nothing just now, ask again."""
    try:
        import distributed
    except ImportError as error:
        raise StudyError([f"--on {on}: needs Dask: pip install 'CascadeLab[sweep]'"]) from error
    waiting, over = iter(tasks), object()
    task: Any = None
    flight: dict[Any, Task] = {}
    with _client(on, jobs) as client:
        _checked(client, on, where)
        while True:
            width = AHEAD * max(1, sum(client.nthreads().values()))
            while len(flight) < width and task is not over:
                task = next(waiting, over)
                if task is None or task is over:
                    break
                board.start(task.label)
                flight[client.submit(remote, task, pure=False)] = task
            if not flight and task is over:
                return
            if flight:
                with contextlib.suppress(TimeoutError):
                    distributed.wait(list(flight), timeout=WAIT, return_when="FIRST_COMPLETED")
            for future in [future for future in flight if future.status != "pending"]:
                yield _ended(future, flight.pop(future), board, on)


def _ended(future: Any, task: Task, board: SweepBoard, on: str) -> Ended:
    if future.status in ("cancelled", "lost"):
        raise ConnectionError(f"--on {on}: the scheduler is gone; the sweep goes on when it is started again")
    word, reason, trace = "done", "", ""
    if future.status == "error":  # not the run's own error, which `remote` returns: its workers died
        word, reason = "failed", in_words(future.exception())
    else:
        word, reason, trace = future.result()
    if word == "failed":
        board.failed(task.label, reason)
        return Ended(task, None, True, reason, trace)
    board.done(task.label, 0.0)
    return Ended(task)


@contextlib.contextmanager
def _client(on: str, jobs: int | None) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if on == "dask":
        workers = jobs or len(os.sched_getaffinity(0))
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    address = on.replace("dask://", "tcp://")
    try:
        client = Client(address, timeout=PATIENCE / 4)
    except (OSError, ValueError) as error:
        raise StudyError([f"--on {on}: no scheduler answers at {address}"]) from error
    with client:
        yield client


def _checked(client: Any, on: str, where: Place) -> None:
    """StudyError unless workers are there, have these sources and see the folder of the results."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise StudyError([f"--on {on}: no worker in {PATIENCE:.0f} s"]) from error
    folder = where.address if isinstance(where, Folder) else ""
    try:
        found = client.run(standing, folder)
    except Exception as error:
        raise StudyError([f"--on {on}: a worker cannot load this program: {in_words(error)}"]) from error
    mine, lines = source_hash(), []
    for worker, (program, sees) in sorted(found.items()):
        if program != mine:
            lines.append(
                f"--on {on}: {worker} has other sources ({program[:12]}, here {mine[:12]}):"
                " install the same version"
            )
        if not sees:
            lines.append(
                f"--on {on}: {worker} does not see {folder}: give --out a folder that all machines share,"
                " or an fsspec address such as s3://bucket/sweep"
            )
    if lines:
        raise StudyError(lines)


def standing(folder: str) -> tuple[str, bool]:
    """Of this process: the hash of its sources, and whether it sees the folder of the results."""
    return source_hash(), not folder or (Path(folder) / "study.json").is_file()
