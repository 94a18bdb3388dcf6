"""Going on from the middle of a run: the same run again, or another one in which something is different.

    resume("runs/two_venues/seed-0001@300")                                     # bit by bit what the run was
    branch("runs/two_venues/seed-0001@300", [("venues.*.adl.price", "mark")])   # the same past, another future

A branch is the run's scenario with an entry more in ``[[interventions]]``, started from a snapshot: it can be run from
its own ``config.toml`` as well and gives the same bits. A branch in which nothing is changed is its trunk.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import config, paths, snapshots
from experiments import run as runs
from experiments.config import Scenario, ScenarioError
from experiments.faults import meant, show
from experiments.run import Run, RunError
from experiments.runner import Job, Outcome, run_jobs
from experiments.snapshots import Snapshot, SnapshotError
from experiments.store import Store, source_hash


class Resumed(NamedTuple):
    """A run that went on: where it is, and whether the run that never stopped (if it is there) has its digest."""

    outcome: Outcome
    digest: str
    same: bool | None


class Branched(NamedTuple):
    """A branch and its trunk; the trunk is None where it has not come to its end.

    `idle` are the liquidations (row, seconds) that were to be absorbed and did not come about in the branch.
    """

    outcome: Outcome
    trunk: Run | None
    idle: list[tuple[int, float]]


def moment(text: str, start: datetime) -> float:
    """Seconds from the start of a time given as such or in UTC ("2025-10-10T21:00:00Z").

    Raises ValueError with what was expected.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() - start.timestamp()
    except ValueError:
        raise ValueError(
            f"given {text}, expected seconds from the start or a UTC time such as 2025-10-10T21:00:00Z"
        ) from None


def find(name: str) -> Snapshot:
    """The snapshot RUN@T: a run folder (or a folder that holds one run), and a time. Raises SnapshotError."""
    where, at, text = name.rpartition("@")
    if not at or not where or not text:
        raise SnapshotError(f"{name}: expected RUN@T, a run folder and a time such as runs/two_venues@300")
    run = Path(where)
    if not list(run.parent.glob(f"{run.name}@*")) and run.is_dir():
        seeds = sorted({path.name.partition("@")[0] for path in run.glob("seed-*")})
        if len(seeds) > 1:
            raise SnapshotError(f"{name}: {run} holds {len(seeds)} runs, name one: {run / seeds[0]}@{text}")
        run = run / seeds[0] if seeds else run
    times = snapshots.beside(run)
    if not times:
        raise SnapshotError(f"{name}: no snapshot beside {run}; cascade run ... --save-at {text} makes one")
    first = _folder(run, times[0])
    try:
        seconds = moment(text, _start(first))
    except ValueError as error:
        raise SnapshotError(f"{name}: {error}") from None
    if not any(abs(time - seconds) < 5e-4 for time in times):
        there = ", ".join(snapshots.label(time) for time in times)
        raise SnapshotError(f"{name}: no snapshot of that time; there are {there}")
    return snapshots.read(_folder(run, seconds), source_hash())


def _folder(run: Path, seconds: float) -> Path:
    return run.with_name(f"{run.name}@{snapshots.label(seconds)}")


def _start(folder: Path) -> datetime:
    try:
        start: datetime = tomllib.loads((folder / snapshots.CONFIG).read_text())["clock"]["start"]
    except (OSError, KeyError, ValueError) as error:
        raise SnapshotError(f"{folder}: damaged, {snapshots.CONFIG} cannot be read") from error
    return start


def _scenario(snapshot: Snapshot, files: Sequence[Path]) -> Scenario:
    """The scenario that a snapshot was taken of; its own files must be named again and be the same."""
    from experiments.extensions import fingerprint

    wanted = snapshot.about.get("files", {})
    given = {path.name: fingerprint(path) for path in files if path.is_file()}
    for path, content in wanted.items():
        if given.get(Path(path).name) != content:
            raise SnapshotError(f"{snapshot.folder}: made with --with {path}; name that file, unchanged")
    return config.loads(
        (snapshot.folder / snapshots.CONFIG).read_text(), (), str(snapshot.folder / snapshots.CONFIG)
    )


def scenario_of(name: str, files: Sequence[Path] = ()) -> Scenario:
    """The scenario of a snapshot RUN@T. Raises SnapshotError, ScenarioError."""
    from experiments import extensions

    faults = extensions.take(files)
    if faults:
        raise ScenarioError(faults)
    return _scenario(find(name), files)


def _run_of(snapshot: Snapshot) -> Path:
    return snapshot.folder.with_name(snapshot.folder.name.rpartition("@")[0])


def resume(
    name: str, files: Sequence[Path] = (), store: Store | None = None, progress: bool = True
) -> Resumed:
    """Go on with a saved run to its end; the run folder is made where it is missing.

    Raises SnapshotError, ScenarioError, RunError.
    """
    snapshot, scenario = find(name), scenario_of(name, files)
    place = _run_of(snapshot)
    store = store or Store()
    about = snapshot.about
    with tempfile.TemporaryDirectory(prefix="resumed-", dir=store.folder) as folder:
        own = Store(Path(folder) / ".store")
        job = Job(
            about["scenario"], scenario, snapshot.seed, Path(folder) / "run", check=about["check"],
            files=tuple(files), start=snapshot.folder.resolve(),
        )  # fmt: skip
        outcome = run_jobs([job], jobs=1, progress=progress, store=own)[0]
        if outcome.folder is None:
            return Resumed(outcome, "", None)
        digest = outcome.open().digest
        if runs.is_run(place):
            return Resumed(replace(outcome, folder=place), digest, Run.open(place).digest == digest)
        if not store.has(about["content"], snapshot.seed):
            shutil.move(str(outcome.folder.resolve()), store.entry(about["content"], snapshot.seed))
        linked = store.link(about["content"], snapshot.seed, place.parent)
        return Resumed(replace(outcome, folder=linked), digest, None)


def branch(
    name: str,
    settings: Iterable[tuple[str, str]] = (),
    *,
    remove: Sequence[str] = (),
    absorb: Sequence[int] = (),
    files: Sequence[Path] = (),
    out: str | Path | None = None,
    save_at: Sequence[float] = (),
    store: Store | None = None,
    progress: bool = True,
) -> Branched:
    """Go on with a saved run, but with something changed from then on.

    Args:
        name: RUN@T.
        settings: (path, value) pairs as of `--set`.
        remove: owners who leave.
        absorb: ids of liquidation events of the finished run; each is taken over at mark.
        files: the user's own files that the run was made with.
        out: folder of the branch; default: that of the run with -branch- and a name of the change behind its own.

    Raises SnapshotError, ScenarioError, RunError.
    """
    snapshot, scenario = find(name), scenario_of(name, files)
    place = _run_of(snapshot)
    trunk = Run.open(place) if runs.is_run(place) else None
    change: dict[str, Any] = {"at": snapshot.time}
    values = {path: paths.value_of(value) for path, value in settings}
    if values:
        change["set"] = values
    if remove:
        change["remove"] = list(remove)
        _known(scenario, snapshot.seed, remove)
    if absorb:
        if trunk is None:
            raise RunError(f"{place}: not finished; what it would liquidate later is not known yet")
        change["absorb"] = liquidations(trunk, absorb, snapshot.time)
    changed = altered(scenario, change)
    mark = hashlib.sha256(json.dumps(change, sort_keys=True, default=str).encode()).hexdigest()[:6]
    folder = Path(out) if out is not None else place.parent.with_name(f"{place.parent.name}-branch-{mark}")
    early = [snapshots.label(time) for time in save_at if time <= snapshot.time]
    if early:
        begins = snapshots.label(snapshot.time)
        raise RunError(f"--save-at: given {', '.join(early)}, but the branch begins at {begins} s")
    if folder.resolve() == place.parent.resolve():
        raise RunError(f"--out: given {folder}, the folder of the trunk; expected another one")
    job = Job(
        f"{snapshot.about['scenario']} branch", changed, snapshot.seed, folder, check=snapshot.about["check"],
        files=tuple(files), save_at=tuple(save_at), start=snapshot.folder.resolve(),
    )  # fmt: skip
    outcome = run_jobs([job], jobs=1, progress=progress, store=store)[0]
    return Branched(outcome, trunk, _idle(outcome, change.get("absorb", [])))


def altered(scenario: Scenario, change: dict[str, Any]) -> Scenario:
    """The scenario with one intervention more; the same one where the change names nothing but a time.

    Raises ScenarioError with the faults of the change.
    """
    if len(change) < 2:
        return scenario
    raw = config.plain(scenario)
    raw["interventions"] = [*raw.get("interventions", ()), change]
    changed, faults = config.resolve(raw)
    if faults or changed is None:
        last = f"interventions.{len(raw['interventions']) - 1}"
        raise ScenarioError(
            [fault.replace(f"{last}.set: ", "--set ").replace(last, "branch") for fault in faults]
        )
    return changed


def _known(scenario: Scenario, seed: int, owners: Sequence[str]) -> None:
    """ScenarioError unless these owners are among the accounts of the scenario."""
    from experiments.population import planned

    there = set(planned(scenario, seed).owner.tolist())
    faults = [
        f"--remove: given {show(owner)}, no such owner,"
        f" {meant(owner, difflib.get_close_matches(owner, there, 1) or sorted(there)[:3])}"
        for owner in owners
        if owner not in there
    ]
    if faults:
        raise ScenarioError(faults)


def _idle(outcome: Outcome, wanted: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    """What was to be absorbed and did not come about."""
    if outcome.folder is None or not wanted:
        return []
    events = outcome.open().events("absorption")
    done = set(zip(events["row"].tolist(), events["time"].tolist(), strict=True))
    return [(one["row"], one["time"]) for one in wanted if (one["row"], one["time"]) not in done]


def liquidations(run: Run, ids: Sequence[int], after: float) -> list[dict[str, Any]]:
    """Row and time of liquidations by the ids of their events. Raises RunError where one is none, or too early."""
    events = run.events()
    found = []
    for number in ids:
        at = np.flatnonzero(events["id"] == number)
        kinds = ("liquidation", "takeover", "bankruptcy")
        if len(at) == 0 or events["kind"][at[0]] not in kinds:
            raise RunError(f"{run.folder}: event {number} is none of {', '.join(kinds)}")
        time = float(events["time"][at[0]])
        if time <= after:
            raise RunError(f"{run.folder}: event {number} is of {time:g} s, expected one after {after:g} s")
        one = {"row": int(events["row"][at[0]]), "time": time}
        if one not in found:  # an order and what follows from it are one liquidation
            found.append(one)
    return found
