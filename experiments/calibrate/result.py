"""The result of a calibration: best trial, profiles, what is not identified, as JSON and as small Markdown tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.calibrate import distance as distances
from experiments.calibrate.calibration import Calibration
from experiments.calibrate.distance import Aim, Aims
from experiments.calibrate.profile import BINS, LEVEL, Floats, Profile, direction, profiles, slopes, stretch
from experiments.provenance import commit
from experiments.scorecard import number
from experiments.store import source_hash, write_text
from experiments.sweep.outcomes import labelled

RESULT, TABLE = "result.json", "result.md"


@dataclass(frozen=True)
class Trial:
    """One point of the parameter space that was simulated."""

    number: int
    unit: Mapping[str, float]  # places in the parameters' ranges, 0 to 1
    values: Mapping[str, Any]
    distance: float
    seeds: Mapping[str, Sequence[float | None]]  # of every moment


@dataclass(frozen=True)
class Result:
    """What a search has found; `best` are the values of the best trial."""

    calibration: Calibration
    aims: Aims
    trials: Sequence[Trial]
    failed: int = 0
    minutes: float = 0.0
    fresh: Mapping[str, Sequence[float | None]] = field(
        default_factory=dict
    )  # the best on seeds of their own
    without: Sequence[str] = ()
    program: str = ""  # source hash and commit of the runs; empty = those of this program

    @property
    def best_trial(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.distance)

    @property
    def best(self) -> dict[str, Any]:
        return dict(self.best_trial.values)

    @property
    def names(self) -> list[str]:
        return list(self.calibration.parameters)

    def profiles(self) -> dict[str, Profile]:
        """Profile of every parameter."""
        return dict(zip(self.names, profiles(*self._arrays()), strict=True))

    def interval(self, name: str) -> tuple[float, float]:
        """Ends of a parameter's interval, in its own unit."""
        profile, one = self.profiles()[name], self.calibration.parameters[name]
        return float(one.at(profile.low)), float(one.at(profile.high))

    def _arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        unit = np.array([[trial.unit[name] for name in self.names] for trial in self.trials])
        away = [distances.deviations(self.calibration, self.aims, trial.seeds) for trial in self.trials]
        return (
            unit,
            np.array([trial.distance for trial in self.trials]),
            np.array([list(one.values()) for one in away]),
            np.array([aim.weight for aim in self.aims.values()]),
        )

    def told(self) -> str:
        """The result as Markdown."""
        calibration, best = self.calibration, self.best_trial
        fit = calibration.fit
        lines = [
            f"# Calibration: {calibration.title or calibration.name}",
            "",
            *([calibration.question.strip(), ""] if calibration.question.strip() else []),
            f"Scenario `{calibration.scenario}`; {len(self.trials)} trials of {fit.seeds} seeds"
            f" ({fit.first} to {fit.first + fit.seeds - 1}, the {fit.across}), {self.failed} failed,"
            f" {self.minutes:.1f} min. Best: trial {best.number}, distance **{best.distance:.4g}** with"
            f" {sum(aim.weight > 0 for aim in self.aims.values())} moments and {len(self.names)} parameters"
            + (
                f"; on {fit.confirm} fresh seeds {distances.distance(calibration, self.aims, self.fresh):.4g}."
                if self.fresh
                else "."
            ),
            *([f"Left out: {', '.join(self.without)}.", ""] if self.without else [""]),
            *self._of_parameters(),
            "",
            *self._of_moments(),
        ]
        return "\n".join(lines)

    def _of_parameters(self) -> list[str]:
        lines = [
            "| parameter | best | 95 % interval | range | told by the moments | |",
            "|---|---:|---:|---:|---:|---|",
        ]
        found = self.profiles()
        for name, one in self.calibration.parameters.items():
            profile, (low, high) = found[name], self.interval(name)
            told = "-" if profile.learnt is None else f"{100 * profile.learnt:.0f} %"
            notes = [] if profile.identified else ["**not identified**"]
            notes += ["reaches an end of its range"] if profile.at_end else []
            lines.append(
                f"| {one.about or name} | **{number(float(self.best[name]))}** | {number(low)} to {number(high)} |"
                f" {f'{number(one.low)} to {number(one.high)} {one.unit}'.strip()} | {told} | {'; '.join(notes)} |"
            )
        unit, distance, away, weights = self._arrays()
        best = float(distance.min())
        wide = stretch(best, weights, len(self.names))
        inside = int((distance <= best + LEVEL * wide).sum())
        lines += ["", f"Intervals hold the {inside} trials within {LEVEL * wide:.3g} of the best"]
        lines[-1] += f" ({LEVEL} stretched {wide:.2g} times: the best misses)." if wide > 1 else "."
        lines[-1] += " Few trials make them too narrow." if inside < 2 * len(self.names) + 1 else ""
        slope = slopes(unit, distance, away, weights)
        if slope is not None and len(self.names) > 1:
            lines[-1] += (
                f" The moments say least of the direction {direction(self.names, slope.loosest)}"
                f" ({100 * slope.told:.0f} % of its variance)."
            )
        return lines

    def _of_moments(self) -> list[str]:
        fresh = bool(self.fresh)
        lines = [
            "| moment | target | width | best | deviation |"
            + (" fresh seeds | deviation |" if fresh else ""),
            "|---|---:|---:|---:|---:|" + ("---:|---:|" if fresh else ""),
        ]
        for name, aim in self.aims.items():
            about, unit = labelled(name, self.calibration.moments[name].outcome())
            wanted = number(aim.target) if aim.low == aim.high else f"{number(aim.low)} to {number(aim.high)}"
            cells = [f"{about}, {unit}" if unit else about, wanted, number(aim.width)]
            for seeds in (self.best_trial.seeds, self.fresh) if fresh else (self.best_trial.seeds,):
                cells += self._deviation(name, aim, seeds)
            cells[0] += "" if aim.weight else " (left out)" if self.without else " (not counted)"
            lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
        return lines

    def _deviation(self, name: str, aim: Aim, seeds: Mapping[str, Sequence[float | None]]) -> list[str]:
        value = distances.across(seeds.get(name, ()), self.calibration.fit.across)
        if not math.isfinite(value):
            return ["not measured", "-"]
        return [number(value), f"{aim.deviation(value, self.calibration.fit.unmeasured):+.2f}"]


def write(result: Result, folder: Path) -> None:
    """Write `result.json` and `result.md`."""
    found = result.profiles()
    best = {
        name: {
            "value": result.best[name],
            "interval": list(result.interval(name)),
            "identified": profile.identified,
            "at_end": profile.at_end,
            "learnt": profile.learnt,
            "profile": profile.bins,
            "bins": [float(result.calibration.parameters[name].at((i + 0.5) / BINS)) for i in range(BINS)],
        }
        for name, profile in found.items()
    }
    said = {
        "calibration": result.calibration.model_dump(mode="json", by_alias=True, exclude_none=True),
        "aims": {name: aim._asdict() for name, aim in result.aims.items()},
        "distance": result.best_trial.distance,
        "parameters": best,
        "moments": {
            name: distances.across(seeds, result.calibration.fit.across)
            for name, seeds in result.best_trial.seeds.items()
        },
        "fresh": dict(result.fresh),
        "without": list(result.without),
        "failed": result.failed,
        "minutes": round(result.minutes, 3),
        "program": source_hash(),
        **commit(),
        "trials": [vars(trial) for trial in sorted(result.trials, key=lambda trial: trial.distance)],
    }
    write_text(folder / RESULT, json.dumps(_without_nan(said), indent=1, default=str, allow_nan=False))
    write_text(folder / TABLE, result.told())


def read(path: str | Path) -> Result:
    """A result from its file or folder. Raises OSError, ValueError or KeyError where it is none."""
    place = Path(path)
    raw = json.loads((place / RESULT if place.is_dir() else place).read_text(encoding="utf-8"))
    return Result(
        Calibration.model_validate(raw["calibration"]),
        {name: Aim(**aim) for name, aim in raw["aims"].items()},
        [Trial(**trial) for trial in raw["trials"]],
        raw["failed"],
        raw["minutes"],
        raw["fresh"],
        raw["without"],
        raw["program"],
    )


def _without_nan(value: Any) -> Any:
    """What JSON can hold: null for what is not a number."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
