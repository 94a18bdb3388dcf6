"""Parameter recovery: the same fit, to simulated moments of parameters that are known.

A fit that does not find again what made the moments cannot be believed about data. The known points are drawn from the
inner part of the ranges; their moments come from seeds that no trial uses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.calibrate import distance as distances
from experiments.calibrate.calibration import Calibration, load
from experiments.calibrate.fitting import FOLDER, TRUTH, Search, pilot, start_of
from experiments.calibrate.market import Market
from experiments.calibrate.result import Result
from experiments.scorecard import number
from experiments.store import write_text
from experiments.sweep.study import StudyError

INNER = 0.15  # known points keep this share of a range from its ends
CLOSE = 0.15  # a parameter is recovered when it is found within this share of its range
NAME = "recovery"


@dataclass(frozen=True)
class Recovered:
    """One known point and what the fit found."""

    known: dict[str, Any]
    result: Result

    def error(self, name: str) -> float:
        """Found minus known, in shares of the range (of its logarithm where the scale is one)."""
        one = self.result.calibration.parameters[name]
        return one.place(self.result.best[name]) - one.place(self.known[name])

    def inside(self, name: str) -> bool:
        """Whether the interval holds what is known."""
        low, high = self.result.interval(name)
        return low <= self.known[name] <= high


def recover(
    calibration: str | Path | Calibration,
    points: int = 2,
    *,
    out: str | Path | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> list[Recovered]:
    """Fit to the moments of so many known points and write `recovery.json` and `recovery.md`.

    Args:
        points: known points; each is a search of its own in `recovery-N`, with the whole budget.
        Others as in `fitting.fit`.
    """
    if points < 1:
        raise StudyError([f"--recover: given {points}, expected a whole number from 1"])
    found = load(calibration)
    budget = {"trials": trials or found.fit.trials, "minutes": minutes or found.fit.minutes}
    found = found.model_copy(update={"fit": found.fit.model_copy(update=budget)})
    folder = Path(out) if out is not None else FOLDER / found.name
    market = Market(found, folder, jobs, progress)
    noise = pilot(market, start_of(found))
    done = []
    for number_, known in enumerate(known_points(found, points), 1):
        done.append(_one(market, folder / f"{NAME}-{number_}", known, noise))
        write_text(folder / f"{NAME}.md", told(done))
        write_text(folder / f"{NAME}.json", json.dumps([_said(one) for one in done], indent=1))
    return done


def known_points(calibration: Calibration, points: int) -> list[dict[str, Any]]:
    """Points drawn from the inner part of the ranges."""
    draw = np.random.default_rng([calibration.fit.draw, points])
    return [
        {
            name: one.at(float(draw.uniform(INNER, 1.0 - INNER)))
            for name, one in calibration.parameters.items()
        }
        for _ in range(points)
    ]


def _one(market: Market, folder: Path, known: dict[str, Any], noise: dict[str, float]) -> Recovered:
    calibration, fit = market.calibration, market.calibration.fit
    answer = market.ask([known], TRUTH, fit.seeds)[0]
    if answer.reason:
        raise StudyError([f"the known point {known} cannot be run: {answer.reason}"])
    aims = {}
    for name, aim in distances.aims(calibration, noise).items():
        value = distances.across(answer.seeds[name], fit.across)
        measured = math.isfinite(value)  # a moment that the known market does not have is no target
        at = value if measured else aim.target
        aims[name] = aim._replace(
            target=at,
            low=at,
            high=at,
            width=math.hypot(aim.width, noise.get(name, 0.0)),  # the target is simulated, too
            weight=aim.weight if measured else 0.0,
        )
    if not any(aim.weight for aim in aims.values()):
        raise StudyError([f"the known point {known} has none of the moments"])
    return Recovered(known, Search(market, aims, folder, [start_of(calibration)]).run())


def told(done: Sequence[Recovered]) -> str:
    """Known and recovered side by side, as Markdown."""
    calibration = done[0].result.calibration
    lines = [
        f"# Parameter recovery: {calibration.title or calibration.name}",
        "",
        f"{len(done)} known points, {calibration.fit.trials} trials of {calibration.fit.seeds} seeds each. Recovered ="
        f" within {100 * CLOSE:.0f} % of the range (of its logarithm where the scale is one).",
        "",
        "| point | parameter | known | recovered | error, % of range | 95 % interval | holds the known | |",
        "|---:|---|---:|---:|---:|---:|---|---|",
    ]
    for number_, one in enumerate(done, 1):
        found = one.result.profiles()
        for name in one.result.names:
            low, high = one.result.interval(name)
            close = "recovered" if abs(one.error(name)) <= CLOSE else "**not recovered**"
            lines.append(
                f"| {number_} | {name} | {number(float(one.known[name]))} | {number(float(one.result.best[name]))} |"
                f" {100 * one.error(name):+.0f} | {number(low)} to {number(high)} |"
                f" {'yes' if one.inside(name) else 'no'} |"
                f" {close if found[name].identified else close + ', not identified'} |"
            )
    return "\n".join(lines)


def _said(one: Recovered) -> dict[str, Any]:
    return {
        "known": one.known,
        "recovered": one.result.best,
        "error": {name: one.error(name) for name in one.result.names},
        "interval": {name: list(one.result.interval(name)) for name in one.result.names},
        "inside": {name: one.inside(name) for name in one.result.names},
        "identified": {name: profile.identified for name, profile in one.result.profiles().items()},
        "distance": one.result.best_trial.distance,
    }
