"""The run under control: it plays, pauses, steps, branches and is kept. No page in it; pages are views of it.

One thread owns the model. Everything that touches the model is a job in its queue and is done between two steps; what
pages draw is read from the tape, which only grows. So pages come and go, and two can look at once.
"""

from __future__ import annotations

import copy
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tomli_w

from abm.model import CascadeModel
from abm.statements import statements
from experiments import account, causes, config, interventions, paths
from experiments.branch import altered
from experiments.build import build
from experiments.config import Scenario
from experiments.dashboard import people
from experiments.dashboard.so_far import SoFar
from experiments.dashboard.standing import wealth
from experiments.dashboard.tape import STEPS, Tape
from experiments.run import Run, RunError
from experiments.runner import Job, config_of, finish, in_words
from experiments.snapshots import label
from experiments.store import Store, content_hash, write_text

T = TypeVar("T")
Settings = Sequence[tuple[str, str]]

# phases: a market is made; it stands; it runs; its clock is at the end; it is a folder; it broke down
MAKING, PAUSED, PLAYING, ENDED, RECORDED, FAILED = (
    "making",
    "paused",
    "playing",
    "ended",
    "recorded",
    "failed",
)
RATE_OVER = 0.5  # seconds over which the rate is taken
BATCH = 0.03  # seconds of simulating before jobs and pages are looked at
MARKS = 6  # moments kept on the way to the end, to go back to
WEALTH = 150  # times in a run at which everybody's worth is taken
FILLS = ("record.fills", "true")  # without them nobody knows what moved a mark


class Mark(NamedTuple):
    """A moment to go back to: all that the model was, of which scenario, and what had been changed until then."""

    saved: dict[str, Any]
    scenario: Scenario
    changes: tuple[str, ...]


class Told(NamedTuple):
    """The story of an owner, and what it opened with."""

    owner: int
    parts: list[account.Part]
    openings: list[people.Opening]


class Session:
    """One run of one scenario at a time.

    Attributes for readers: `name`, `scenario`, `seed`, `changes` (what was set, in words), `phase`, `message` (the last
    thing that went wrong), `tape`, `previous` (the tape of the run before), `generation` (counts runs), `steps` and
    `total` of the clock, `rate` (simulated seconds a second), `marks` (seconds one can go back to), `pace`, `asked_for`
    (the account that was asked for last: a page that is opened begins with it).

    Args:
        name: what the run is called.
        scenario: what is simulated.
        seed: of all draws.
        files: the user's own Python files.
        out: folder into which scenarios and runs are exported; the store is beside it.
        run: a finished run that is shown until something is simulated.
    """

    def __init__(
        self,
        name: str,
        scenario: Scenario,
        seed: int = 1,
        files: Sequence[Path] = (),
        out: Path = Path("runs/view"),
        run: Run | None = None,
    ) -> None:
        self.name, self.scenario, self.seed, self.files, self.out = name, scenario, seed, tuple(files), out
        self.changes: tuple[str, ...] = ()
        self.phase, self.message, self.generation = MAKING, "", 0
        self.tape = _tape_of(run, scenario) if run else Tape(scenario.clock.start, (), (), (), (), ())
        self.previous: Tape | None = None
        self.pace: float | None = None
        self.asked_for = ""
        self.rate = 0.0
        self.steps, self.total = 0, scenario.clock.steps
        self.marks: list[float] = []
        self._run = run
        self._saved: dict[float, Mark] = {}
        self._model: CascadeModel | None = None
        self._place = (0, 0)
        self._piece, self._origin = 1, (0.0, 0.0)
        self._told: SoFar | None = None
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(1, "stories")
        self._thread = threading.Thread(target=self._work, name="market", daemon=True)
        self._thread.start()
        if run is None:
            self._do(lambda: self._make(scenario, None, ()))
        else:
            self.phase, self.steps = RECORDED, self.total
            self._readers.submit(_get_ready, run)

    # ------------------------------------------------------------------ what a page may ask for

    def play(self, pace: float | None = None) -> Future[None]:
        """Go on, at `pace` simulated seconds a second; None = as fast as it goes."""
        self.pace = pace
        return self._do(self._play)

    def pause(self) -> Future[None]:
        """Stop after the step under way; when the answer is there, time stands."""
        return self._do(self._pause)

    def step(self, count: int = 1) -> Future[None]:
        """So many steps, then stand."""
        return self._do(lambda: self._steps(count))

    def restart(self, settings: Settings = (), seed: int | None = None) -> Future[None]:
        """The same scenario from its beginning, with these settings on top.

        Raises ScenarioError at once where they are refused; then everything stays as it was.
        """
        scenario = self.check(settings)
        given = {path for path, _ in settings}
        still = (word for word in self.changes if word.partition(" = ")[0].rpartition(" ")[2] not in given)
        words = (*still, *(f"{path} = {value}" for path, value in settings))
        return self._do(lambda: self._make(scenario, None, words, seed=seed))

    def choose(self, name: str, settings: Settings = (), seed: int = 1) -> Future[None]:
        """Another scenario, by name or path. Raises ScenarioError at once where it is refused."""
        scenario = config.load(name, [FILLS, *settings], self.files)
        words = tuple(f"{path} = {value}" for path, value in settings)
        return self._do(lambda: self._make(scenario, None, words, seed=seed, name=Path(name).stem))

    def branch(
        self, settings: Settings = (), remove: Sequence[str] = (), at: float | None = None
    ) -> Future[None]:
        """Go on from now, or from a mark, with something changed from then on; the run so far is kept for comparison.

        The answer raises ScenarioError where the change is refused; then everything stays as it was.
        """
        return self._do(lambda: self._branch(settings, remove, at))

    def check(self, settings: Settings) -> Scenario:
        """The scenario with these settings from beginning to end, whatever a branch had made of the same parameters.

        Raises ScenarioError with all faults.
        """
        plain = config.plain(self.scenario)
        interventions.without(plain, {path for path, _ in settings})
        return config.loads(tomli_w.dumps(plain), settings)

    def standing(self, at: float | None = None) -> Scenario:
        """The scenario with the numbers that hold now, or held at a mark."""
        mark = None if at is None else self._saved.get(at)
        if at is None or mark is None:
            return interventions.standing(self.scenario, self.tape.now)
        return interventions.standing(mark.scenario, at)

    def ask(self, question: Callable[[CascadeModel], T]) -> Future[T]:
        """What a function reads from the model between two steps; it raises RunError where there is no model."""
        return self._do(lambda: question(self._there()))

    def tell(self, owner: int) -> Future[Told]:
        """An owner's story so far, as `cascade account` tells it, worked out beside the run."""
        return self._readers.submit(lambda: self._tell(self._do(self._so_far).result(), owner))

    @staticmethod
    def _tell(run: Run, owner: int) -> Told:
        return Told(owner, account.story(run, str(owner)), people.openings(run, owner))

    def export_scenario(self) -> Path:
        """Write the scenario as it stands, every number and every change: run with the same seed it is this run."""
        path = self.out / f"{self.name}-{self._mark_of_content()}.toml"
        write_text(path, config.dump(self.scenario).rstrip("\n"))
        return path

    def export_run(self) -> Future[Path]:
        """Keep the finished run as a run folder. The answer raises RunError before the end."""
        return self._do(self._export)

    def close(self) -> None:
        """End the thread; the session is over."""
        self._jobs.put(None)
        self._thread.join()
        self._readers.shutdown(cancel_futures=True)

    # ------------------------------------------------------------------ the thread that owns the model

    def _do(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put((future, work))
        return future

    def _work(self) -> None:
        while True:
            try:
                playing = self.phase == PLAYING
                job = self._jobs.get(
                    block=not playing or self._wait() > 0, timeout=self._wait() if playing else None
                )
            except queue.Empty:
                try:
                    self._advance()
                except (
                    Exception
                ) as error:  # a fault of the engine or of a user's own species: shown, not swallowed
                    self.phase, self.message = FAILED, in_words(error)
                continue
            if job is None:
                return
            future, work = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except Exception as error:
                    self.message = str(error)
                    future.set_exception(error)
            del future, work, job

    def _there(self) -> CascadeModel:
        if self._model is None:
            raise RunError(f"{self.name}: nothing is being simulated")
        return self._model

    def _make(
        self,
        scenario: Scenario,
        mark: Mark | None,
        changes: tuple[str, ...],
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        """Put another run in the place of this one; where it cannot be made, this one stays as it was."""
        before, self.phase = self.phase if self._model or self._run else FAILED, MAKING
        seed = self.seed if seed is None else seed
        try:
            model = build(scenario, seed)
            if mark is not None:
                model.restore(copy.deepcopy(_apart(mark.saved)) | _together(mark.saved))
            else:
                model.run(scenario.clock.burn_in_steps)
        except BaseException:
            self.phase = PAUSED if before == PLAYING else before
            raise
        assert model.recorder is not None
        if self.tape.now > 0:
            self.previous = self.tape
        self.tape = Tape(
            scenario.clock.start,
            [model.books.name[k] for k in model.recorder.kept],
            model.venue_names,
            model.network.edge_names,
            list(model.accounts.owner_names),
            list(model.accounts.participants),
            {"book": model.books.name},
            _quotes(scenario),
        )
        now = model.now / 1000.0
        self._saved = {} if mark is None else {time: one for time, one in self._saved.items() if time <= now}
        self._model, self.scenario, self.seed, self.changes = model, scenario, seed, changes
        self.name, self.total, self._run, self._told = name or self.name, model.steps_total, None, None
        self._place, self._piece, self.message, self.rate = (0, 0), 1, "", 0.0
        self.generation += 1
        self._publish()
        if mark is None:
            self._keep(now)
        self.marks = sorted(self._saved)
        while not self.tape.steps.count and model.step_number < self.total:
            model.run(1)  # what is shown begins with the first recorded step
            self._publish()
        self.phase = PAUSED if model.step_number < self.total else ENDED

    def _branch(self, settings: Settings, remove: Sequence[str], at: float | None) -> None:
        now = self._there().now / 1000.0
        if at is None:
            at = now
            if self.steps >= self.total:
                raise RunError(f"{self.name}: the run is at its end; branch from an earlier moment")
            if at not in self._saved:
                self._keep(at)
            # a branch that has not moved yet stands at the mark of its trunk
            mark = self._saved[at]._replace(scenario=self.scenario, changes=self.changes)
        elif at in self._saved:
            mark = self._saved[at]
        else:
            raise RunError(f"{self.name}: nothing was kept at {self.tape.clock(at)}")
        scenario = altered(mark.scenario, _change(at, settings, remove))
        clock = self.tape.clock(at)
        words = [f"from {clock}: {path} = {value}" for path, value in settings]
        words += [f"from {clock}: {owner} has left" for owner in remove]
        self._make(scenario, mark, (*mark.changes, *words))

    def _play(self) -> None:
        self._there()
        if self.steps < self.total:
            self._since = self._began = time.perf_counter()
            self._origin, self._piece = (self._since, self.tape.now), 1
            self.phase = PLAYING

    def _pause(self) -> None:
        if self.phase == PLAYING:
            self.phase, self.rate = PAUSED, 0.0

    def _steps(self, count: int) -> None:
        self._there()
        self._pause()
        if self.phase == PAUSED:
            self._run_on(count)

    def _wait(self) -> float:
        """Seconds until the next step is due at the chosen pace."""
        if self.pace is None:
            return 0.0
        began, at = self._origin
        return max(0.0, began + (self.tape.now - at) / self.pace - time.perf_counter())

    def _advance(self) -> None:
        """A short piece of the run."""
        began = time.perf_counter()
        count = self._piece
        if self.pace is not None:
            start, at = self._origin
            due = at + self.pace * (began - start) - self.tape.now
            if due > self.pace:  # it cannot keep up: no debt is carried along
                self._origin = began, self.tape.now
            count = max(1, min(count, round(due / self.scenario.clock.step)))
        first = self.tape.now
        self._run_on(count)
        spent = max(time.perf_counter() - began, 1e-6)
        self._piece = (
            max(1, min(2 * count, int(count * BATCH / spent), 256)) if count >= self._piece else self._piece
        )
        self._measure(self.tape.now - first)

    def _measure(self, simulated: float) -> None:
        """The rate, over the last part of a second: a piece counts by how long it took, its wait too."""
        now = time.perf_counter()
        passed = max(now - self._since, 1e-6)
        share = passed / max(passed, min(now - self._began, RATE_OVER))
        self.rate += share * (simulated / passed - self.rate)
        self._since = now

    _since = _began = 0.0

    def _run_on(self, count: int) -> None:
        model, clock = self._there(), self.scenario.clock
        every = max(1, (self.total - clock.burn_in_steps) // MARKS)
        while count > 0 and model.step_number < self.total:
            done = model.step_number - clock.burn_in_steps
            steps = min(count, every - done % every)
            model.run(steps)
            count -= steps
            if (done + steps) % every == 0 and model.step_number < self.total:
                self._keep(model.now / 1000.0)
        self._publish()
        if model.step_number >= self.total:
            self.phase, self.rate = ENDED, 0.0

    def _keep(self, now: float) -> None:
        """A mark of this moment. What is not copied by the model's own snapshot is copied here."""
        saved = self._there().snapshot()
        saved = copy.deepcopy(_apart(saved)) | _together(saved)
        self._saved[now] = Mark(saved, self.scenario, self.changes)
        self.marks = sorted(self._saved)

    def _publish(self) -> None:
        """Append to the tape what was recorded, and now and then what everybody is worth."""
        model = self._there()
        recorder = model.recorder
        assert recorder is not None
        self.tape.extend(recorder.since(self._place))
        self._place, self.steps = recorder.place(), model.step_number
        at = self.tape.wealth.column("time")
        if not len(at) or model.now / 1000.0 - at[-1] >= self.scenario.clock.duration / WEALTH:
            self.tape.wealth.append({"time": np.array([model.now / 1000.0]), "usd": wealth(model)[None]})

    # ------------------------------------------------------------------ the run as others read it

    def _so_far(self) -> Run:
        if self._run is not None:
            return self._run
        model = self._there()
        now = model.now / 1000.0
        if self._told is None or self._told.step_number != model.step_number:
            assert model.recorder is not None
            record = model.recorder.finish()
            if model.step_number < self.total:
                accounts, positions = statements(model)
                at = label(now)
                record = replace(
                    record,
                    accounts={**record.accounts, at: accounts},
                    positions={**record.positions, at: positions},
                )
            self._told = SoFar(record, config.plain(self.scenario), self.name, self.seed, model.step_number)
        return self._told

    def _export(self) -> Path:
        if self._run is not None:
            return self._run.folder
        model = self._there()
        if model.step_number < self.total:
            raise RunError(
                f"{self.name}: the run stands at {self.tape.clock(self.tape.now)}; a run folder is kept at its end,"
                f" {self.tape.clock(self.scenario.clock.duration)}"
            )
        assert model.recorder is not None
        record = model.recorder.finish()
        store = Store(self.out.parent / ".store")
        content = content_hash(config_of(self.scenario), self.files)
        folder = self.out / f"{self.name}-{self._mark_of_content()}"
        job = Job(self.name, self.scenario, self.seed, folder, files=self.files, content=content)
        finish(job, lambda done, total: None, store, lambda *_: record)
        return store.link(content, self.seed, folder)

    def _mark_of_content(self) -> str:
        return content_hash(config_of(self.scenario), self.files)[:6]


# what a snapshot of a model copies by itself, or what never changes once it is written
_COPIED = ("tables", "record")


def _apart(saved: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in saved.items() if name not in _COPIED}


def _together(saved: dict[str, Any]) -> dict[str, Any]:
    return {name: saved[name] for name in _COPIED}


def _change(at: float, settings: Settings, remove: Sequence[str]) -> dict[str, Any]:
    """An entry of `[[interventions]]`."""
    change: dict[str, Any] = {"at": at}
    if settings:
        change["set"] = {path: paths.value_of(value) for path, value in settings}
    if remove:
        change["remove"] = list(remove)
    return change


def _get_ready(run: Run) -> None:
    """Work out what everybody's story needs before somebody asks for the first."""
    if run.has("events/fills"):
        causes.attribution(run)


def _quotes(scenario: Scenario) -> dict[str, str]:
    """The asset in which each venue names its prices."""
    return {name: rules.quote for name, rules in scenario.venues.items()}


def _tape_of(run: Run, scenario: Scenario) -> Tape:
    """The tape of a finished run; worth at the moments at which it kept accounts."""
    names = list(run.vocabularies.get("owner_name", ()))
    people = list(run.vocabularies.get("participant", ()))
    tape = Tape(
        run.start, run.books, run.venues, run.edges, names, people, run.vocabularies, _quotes(scenario)
    )  # fmt: skip
    tape.extend(run.watched(STEPS))
    moments = {"start": 0.0, "end": tape.now}
    for at, table in sorted((moments.get(at) if at in moments else float(at), at) for at in run.labels()):  # type: ignore[type-var]
        accounts = run.accounts(table)
        if "participant" in accounts and len(people):
            worth = np.nan_to_num(accounts["equity"] + accounts["coins"])
            place = {name: k for k, name in enumerate(people)}
            whose = [place[name] for name in accounts["participant"].tolist()]
            usd = np.bincount(whose, worth, len(people))
            tape.wealth.append({"time": np.array([at]), "usd": usd[None]})
    return tape
