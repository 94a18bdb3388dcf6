"""The search: optuna asks for points, the market answers, every trial is on disk before the next is asked for.

Each trial draws from a seed of its own (the search's and its number) and batches end at fixed numbers, so a search that
was killed goes on to the very trials that it would have had, and the number of workers changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import progress
from experiments.calibrate import distance as distances
from experiments.calibrate import result as results
from experiments.calibrate.calibration import RESERVED, Calibration, load
from experiments.calibrate.distance import Aims
from experiments.calibrate.market import Answer, Market, Point
from experiments.calibrate.result import Result, Trial
from experiments.faults import meant, show
from experiments.store import source_hash
from experiments.sweep.planning import duration
from experiments.sweep.study import StudyError

if TYPE_CHECKING:
    import optuna

JOURNAL = "trials.journal"
Unit = Mapping[str, float]  # places in the parameters' ranges, 0 to 1
FOLDER = Path("runs") / "calibrations"
EARLIER = 3  # trials that are taken over from an earlier result
PILOT, CONFIRM, TRUTH = RESERVED, RESERVED + 10_000, RESERVED + 20_000  # first seeds


def fit(
    calibration: str | Path | Calibration,
    *,
    out: str | Path | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    jobs: int | None = None,
    start_from: str | Path | None = None,
    leave_out: Iterable[str] = (),
    progress: bool = True,
) -> Result:
    """Fit a calibration, or go on with it, and write `result.json` and `result.md`.

    Args:
        calibration: a name, a path or a calibration.
        out: folder of runs, trials and result; default `runs/calibrations/NAME`.
        trials, minutes: instead of the file's budget.
        jobs: runs at a time, default one a core; 1 runs them in this process.
        start_from: result.json of an earlier calibration, instead of the file's.
        leave_out: groups of moments that do not count; the result is in `without-GROUP` and says what they come to.
            Where the folder has the full fit, the search goes on from its trials.
        progress: show it on stderr.

    Raises:
        StudyError: with every fault.
    """
    found = load(calibration)
    without = sorted(set(leave_out))
    lines = [
        f"--leave-out: given {show(name)}, {meant(name, found.groups)}"
        for name in without
        if name not in found.groups
    ]
    if set(found.groups) <= set(without):
        lines.append("--leave-out: all groups, expected one that counts")
    budget = found.fit.model_copy(
        update={"trials": trials or found.fit.trials, "minutes": minutes or found.fit.minutes}
    )
    found = found.model_copy(update={"fit": budget})
    earlier, more = _earlier(found, start_from)
    if lines or more:
        raise StudyError([*lines, *more])
    folder = Path(out) if out is not None else FOLDER / found.name
    market = Market(found, folder, jobs, progress)
    starts = [start_of(found), *earlier]
    noise = pilot(market, starts[0])
    aims = distances.aims(found, noise, without)
    if not without:
        return Search(market, aims, folder, spread(found, starts)).run()
    place = folder / "-".join(["without", *without])
    tried = _tried(found, folder)
    if not tried:
        return Search(market, aims, place, spread(found, starts), without).run()
    market.calibration = found.model_copy(
        update={"fit": found.fit.model_copy(update={"trials": len(tried) + found.fit.further})}
    )
    return Search(market, aims, place, tried, without).run()  # their runs are only read


def spread(calibration: Calibration, starts: Sequence[Point]) -> list[Unit]:
    """The trials before the search has learnt: the given ones, then an even spread (Sobol)."""
    from scipy.stats import qmc

    parameters, fit = calibration.parameters, calibration.fit
    given = [{name: one.place(point[name]) for name, one in parameters.items()} for point in starts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a Sobol sequence of any length
        even = qmc.Sobol(len(parameters), rng=fit.draw).random(fit.startup)
    return [*given, *(dict(zip(parameters, map(float, row), strict=True)) for row in even)]


def _tried(calibration: Calibration, folder: Path) -> list[Unit]:
    """The trials of the full fit in this folder, the nearest first, if it is of this calibration."""
    try:
        full = results.read(folder)
    except (OSError, ValueError, KeyError):
        return []
    same = {"scenario", "settings", "parameters", "moments"}
    if full.calibration.model_dump(include=same) != calibration.model_dump(include=same):
        return []
    return [trial.unit for trial in full.trials]


def start_of(calibration: Calibration) -> Point:
    """The first trial: the given starts, else the middles of the ranges."""
    return {
        name: one.at(0.5) if one.start is None else one.start for name, one in calibration.parameters.items()
    }


def _earlier(calibration: Calibration, given: str | Path | None) -> tuple[list[Point], list[str]]:
    """The best points of an earlier result, as far as it has these parameters and they are in range."""
    path = given if given is not None else calibration.start_from
    if not path:
        return [], []
    place = Path(path) if given is not None else Path(calibration.origin) / path
    try:
        known = results.read(place)
    except (OSError, ValueError, KeyError) as error:
        return [], [f"start from: {place}: expected the result.json of a calibration: {error}"]
    middle, points = start_of(calibration), []
    for trial in sorted(known.trials, key=lambda trial: trial.distance)[:EARLIER]:
        point = dict(middle)
        for name, one in calibration.parameters.items():
            if name in trial.values and one.low is not None and one.high is not None:
                point[name] = min(max(trial.values[name], one.low), one.high)
        points.append(point)
    return points, []


def pilot(market: Market, start: Point) -> dict[str, float]:
    """The moments' own noise at the start."""
    seeds = market.calibration.fit.pilot
    if not seeds:
        return {}
    answer = market.ask([start], PILOT, seeds)[0]
    return distances.noise(market.calibration, answer.seeds)


@dataclass
class Search:
    """One search over a market: against these aims, kept in this folder."""

    market: Market
    aims: Aims
    folder: Path
    first: Sequence[Unit]
    without: Sequence[str] = ()

    def run(self) -> Result:
        """Search until the budget is spent, confirm the best and write the result."""
        study = self._study()
        console = progress.console(self.market.progress)
        spent = float(study.user_attrs.get("minutes", 0.0))
        sitting, before = time.monotonic(), spent
        while True:
            batch = self._batch(study, spent)
            if not batch:
                break
            points = [self._point(trial.params) for trial in batch]
            fit = self.market.calibration.fit
            for trial, answer in zip(batch, self.market.ask(points, fit.first, fit.seeds), strict=True):
                self._tell(study, trial, answer)
            spent = before + (time.monotonic() - sitting) / 60.0
            study.set_user_attr("minutes", spent)
            console.print(self._words(study, spent), highlight=False, markup=False, soft_wrap=True)
        found = self._result(study, spent)
        results.write(found, self.folder)
        return found

    def _study(self) -> optuna.Study:
        optuna = _optuna()
        from optuna.storages.journal import JournalFileBackend

        self.folder.mkdir(parents=True, exist_ok=True)
        study: optuna.Study = optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(self.folder / JOURNAL))),
            study_name=self._definition(),
            load_if_exists=True,
        )
        there = len(study.get_trials(deepcopy=False))
        for unit in self.first[there:]:
            study.enqueue_trial(dict(unit))
        return study

    def _definition(self) -> str:
        """Hash of all that a trial's distance depends on: a changed file begins a search of its own."""
        calibration, fit = self.market.calibration, self.market.calibration.fit
        said = [
            source_hash(),
            calibration.model_dump(mode="json", include={"scenario", "settings", "parameters", "moments"}),
            fit.model_dump(include={"seeds", "first", "across", "batch", "startup", "draw", "unmeasured"}),
            {name: tuple(aim) for name, aim in self.aims.items()},
            [dict(unit) for unit in self.first],
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def _batch(self, study: optuna.Study, spent: float) -> list[optuna.Trial]:
        """The trials of the next batch; those of a batch that was broken off first. Empty = the budget is spent."""
        optuna = _optuna()
        states = optuna.trial.TrialState
        fit, parameters = self.market.calibration.fit, self.market.calibration.parameters
        trials = study.get_trials(deepcopy=False)
        broken = [trial for trial in trials if trial.state == states.RUNNING]
        asked = sum(trial.state != states.WAITING for trial in trials)
        if not broken and (asked >= fit.trials or (fit.minutes is not None and spent >= fit.minutes)):
            return []
        batch = [optuna.trial.Trial(study, trial._trial_id) for trial in broken]
        wanted = (-asked) % fit.batch if broken else fit.batch - asked % fit.batch
        spaces = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in parameters}
        for number in range(asked, min(asked + wanted, max(fit.trials, asked))):
            study.sampler = _sampler(fit.draw * 1_000_003 + number, fit.startup)
            batch.append(study.ask(spaces))
        return batch

    def _point(self, unit: Mapping[str, float]) -> Point:
        return {name: one.at(unit[name]) for name, one in self.market.calibration.parameters.items()}

    def _tell(self, study: optuna.Study, trial: optuna.Trial, answer: Answer) -> None:
        if answer.reason:
            trial.set_user_attr("reason", answer.reason)
            study.tell(trial, state=_optuna().trial.TrialState.FAIL)
            return
        trial.set_user_attr("seeds", answer.seeds)
        study.tell(trial, distances.distance(self.market.calibration, self.aims, answer.seeds))

    def _words(self, study: optuna.Study, spent: float) -> str:
        fit = self.market.calibration.fit
        ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        known = [trial.value for trial in ended if trial.value is not None]
        best = f"distance {min(known):.4g}" if known else "none measured"
        limit = "" if fit.minutes is None else f" of {fit.minutes:g} min"
        return f"trial {len(ended)} of {fit.trials}, {duration(60 * spent)}{limit}; best {best}"

    def _result(self, study: optuna.Study, spent: float) -> Result:
        """What the trials say, and what the best of them says on fresh seeds."""
        calibration = self.market.calibration
        trials, failed = [], 0
        for trial in study.get_trials(deepcopy=False):
            if trial.value is not None:
                seeds = trial.user_attrs["seeds"]
                trials.append(
                    Trial(
                        trial.number, dict(trial.params), dict(self._point(trial.params)), trial.value, seeds
                    )
                )
            failed += "reason" in trial.user_attrs
        if not trials:
            reasons = {trial.user_attrs.get("reason", "") for trial in study.get_trials(deepcopy=False)}
            raise StudyError(
                [f"no trial could be measured: {reason}" for reason in sorted(reasons) if reason]
            )
        best = min(trials, key=lambda trial: trial.distance)
        fresh = {}
        if calibration.fit.confirm:
            fresh = self.market.ask([best.values], CONFIRM, calibration.fit.confirm)[0].seeds
        return Result(calibration, self.aims, trials, failed, spent, fresh, list(self.without))


def _sampler(seed: int, startup: int) -> Any:
    return _optuna().samplers.TPESampler(
        seed=seed % 2**32, n_startup_trials=startup, multivariate=True, constant_liar=True
    )


def _optuna() -> Any:
    """The library of the search, quiet; StudyError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise StudyError(
            ["calibration needs optuna, expected an installation with it: pip install CascadeLab[calibrate]"]
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna
