"""Sweeps: two workers against one, what a run costs beside its simulation, ten thousand results as a table."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from experiments import sweep
from experiments.sweep import Results
from experiments.sweep.place import place
from experiments.sweep.study import dump
from tests.bench.line import Line

SHORTEST_OCTOBER = 60.0  # seconds
RUNS = 100
SHORT = {
    "title": "A short scenario",
    "scenario": "two_venues",
    "settings": {"clock.duration": 300.0},
    "factors": {"news": {"path": "news.0.size", "values": [-0.02, -0.03, -0.04, -0.05]}},
    "outcomes": {"longs": {"quantity": "longs"}, "fall": {"quantity": "fall"}, "adl": {"quantity": "adl"}},
}


def made_up(folder: Path, runs: int) -> Results:
    """Results of a sweep that nobody ran: so many records, half of them of each of two cells."""
    raw = {**SHORT, "name": "made_up", "factors": {"news": {"path": "news.0.size", "values": [-0.02, -0.04]}}}
    study = sweep.checked({**raw, "replicates": {"count": runs // 2}})
    planned = sweep.plan(study)
    where = place(folder)
    where.write("study.json", json.dumps(dump(study)))
    where.write("plan.json", planned.dump())
    record = {
        "status": "done", "digest": "0" * 64, "outcomes": {"longs": 1.0, "fall": 2.0, "adl": float("nan")},
        "measured": planned.measured, "seconds": 1.0, "overhead": 0.1, "bytes": 700_000, "host": "here",
        "ended": "2025-10-10T20:00:00+00:00", "program": planned.program, "kept": True, "commit": "0" * 40,
    }  # fmt: skip
    (folder / "records").mkdir()
    text = json.dumps(record)
    for name in planned.names():
        (folder / "records" / f"{name}.json").write_text(text)
    return sweep.opened(out=folder)


def measure() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        results = made_up(Path(folder), 10_000)
        began = time.perf_counter()
        assert len(results.table()) == 10_000
        table = time.perf_counter() - began
    study = sweep.checked({**SHORT, "name": "short", "replicates": {"count": RUNS // 4}})
    taken = {}
    with tempfile.TemporaryDirectory() as folder:
        sweep.run(study, out=f"{folder}/warm", seeds=1, jobs=2, progress=False)
        for workers in (2, 1):  # one is the sweep's own process, which starts no other
            began = time.perf_counter()
            sweep.run(study, out=f"{folder}/{workers}", jobs=workers, progress=False)
            taken[workers] = time.perf_counter() - began
        first = sweep.table(out=f"{folder}/2")
        simulated = float(first["seconds"].sum())
    cores = len(os.sched_getaffinity(0))
    overhead = (2 * taken[2] - simulated) / RUNS
    return [
        Line(
            f"sweep of {RUNS} short runs: two workers over one", taken[1] / taken[2] if cores > 1 else None,
            least=1.9, beside=f"{RUNS / taken[2]:.1f} runs/s with two, {RUNS / taken[1]:.1f} with one",
        ),
        Line(
            "sweep: what a run costs beside its simulation", 100 * overhead / SHORTEST_OCTOBER, "% of the shortest"
            " October run", most=5.0, beside=f"{overhead:.2f} s",
        ),
        Line("10,000 results of a sweep as a table", table, "s", most=5.0),
    ]  # fmt: skip
