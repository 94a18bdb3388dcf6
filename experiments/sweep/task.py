"""One run of a sweep, from what it is made of to its record: the same function wherever it runs.

A task carries everything, the bytes of the user's own files too, so that a worker on another machine needs nothing but
the same program.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import config, extensions
from experiments import run as runs
from experiments.provenance import commit, utc
from experiments.runner import Job, finish
from experiments.store import Store, source_hash
from experiments.sweep.outcomes import Outcome, measure
from experiments.sweep.place import Place, Record, place

Report = Callable[[int, int], None]
_ONE_AT_A_TIME = threading.Lock()  # a worker with several threads still runs one market at a time


@dataclass(frozen=True)
class Task:
    """One run to be had."""

    study: str
    cell: int
    seed: int
    content: str  # hash of scenario, sources and the user's files
    config: Mapping[str, Any]  # the resolved scenario as plain tables
    files: tuple[tuple[str, bytes], ...]  # name and bytes of the user's own files
    outcomes: Mapping[str, Outcome]
    measured: str  # fingerprint of the outcomes
    program: str  # source hash
    keep: str  # "runs" or "records"
    address: str  # of the results

    @property
    def name(self) -> str:
        """The run's name: its content and seed."""
        return f"{self.content}-{self.seed:04d}"

    @property
    def label(self) -> str:
        return f"{self.study} cell {self.cell} seed {self.seed}"


class OtherProgram(Exception):
    """A worker has other sources than the sweep that sent it a task."""


def work(task: Task, report: Report) -> Record:
    """Do a task: simulate, keep the run, measure, write the record. What is already there is not simulated again."""
    if source_hash() != task.program:
        raise OtherProgram(
            f"the worker's sources ({source_hash()[:12]}) are not those of the sweep ({task.program[:12]}):"
            " install the same version on all machines"
        )
    here = place(task.address)
    with _ONE_AT_A_TIME, _laid_out(task.files) as files:
        faults = extensions.take(files)
        if faults:
            raise RuntimeError("; ".join(faults))
        with _scratch(task, here) as store:
            record = _done(task, store, tuple(files), here, report)
    here.record(task.name, record)
    return record


def _done(task: Task, store: Store, files: tuple[Path, ...], here: Place, report: Report) -> Record:
    began = time.time()
    entry = store.entry(task.content, task.seed)
    if not runs.is_run(entry):
        scenario, wrong = config.resolve(task.config)
        if scenario is None or wrong:
            raise config.ScenarioError(wrong)
        job = Job(task.study, scenario, task.seed, store.folder, task.content, files=files)
        finish(job, report, store)
    run = runs.Run.open(entry)
    simulated = time.time()
    values = measure(run, task.outcomes)
    record: Record = {
        "status": "done",
        "digest": run.digest,
        "outcomes": values,
        "measured": task.measured,
        "seconds": run.provenance["seconds"],
        "overhead": round(time.time() - began - run.provenance["seconds"], 3) if simulated > began else 0.0,
        "bytes": sum(path.stat().st_size for path in entry.rglob("*") if path.is_file()),
        "host": platform.node(),
        "ended": utc(time.time()),
        "program": task.program,
        "kept": task.keep == "runs",
        **commit(),
    }
    if task.keep == "runs":
        here.keep(entry, task.name)
    return record


@contextlib.contextmanager
def _scratch(task: Task, here: Place) -> Any:
    """Where the run is written: the place itself, or a folder that goes when only the record is kept."""
    if task.keep == "runs":
        with here.scratch() as store:
            yield store
    else:
        with tempfile.TemporaryDirectory(prefix="cascade-sweep-") as folder:
            yield Store(folder)


@contextlib.contextmanager
def _laid_out(files: tuple[tuple[str, bytes], ...]) -> Any:
    """The user's files on this machine, in a folder named by their content, so that each is run once."""
    if not files:
        yield []
        return
    total = hashlib.sha256(b"".join(name.encode() + content for name, content in files)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"cascade-with-{total}"
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name, _ in files]
    for path, (_, content) in zip(paths, files, strict=True):
        if not path.is_file() or path.read_bytes() != content:
            handle, scratch = tempfile.mkstemp(dir=folder)  # workers forked alike have the same thread ident
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(scratch, path)
    yield paths


def failure(task: Task, reason: str, trace: str = "") -> Record:
    """The record of a run that failed."""
    return {
        "status": "failed",
        "reason": reason,
        "trace": trace,
        "measured": task.measured,
        "host": platform.node(),
        "ended": utc(time.time()),
        "program": task.program,
    }
