"""Points of the parameter space, simulated: a sweep a batch, all on one folder, so that nothing is run twice.

What a run said of every moment is in its record; other targets, weights, a group left out or another search over the
same points cost nothing but reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.calibrate.calibration import Calibration
from experiments.sweep import running
from experiments.sweep.place import Folder
from experiments.sweep.planning import plan
from experiments.sweep.study import StudyError

Point = Mapping[str, Any]  # value of every parameter


class Answer(NamedTuple):
    """What the market said at a point: values of each moment by seed; or why it could not be run."""

    seeds: dict[str, list[float | None]]
    reason: str = ""


class Market:
    """Runs of one calibration in one folder."""

    def __init__(
        self, calibration: Calibration, folder: Path, jobs: int | None = None, progress: bool = True
    ) -> None:
        self.calibration, self.jobs, self.progress = calibration, jobs, progress
        self.where = Folder(folder)
        self.sound = False  # whether any batch could be planned: if not, it is the file that is out of order

    def ask(self, points: Sequence[Point], first: int, seeds: int) -> list[Answer]:
        """Run these points with so many seeds; those that are there are only read.

        Raises StudyError where the scenario, a path or all of the first points are out of order.
        """
        study = self.calibration.study(points, first, seeds)
        try:
            planned = plan(study)
        except StudyError as error:  # every point of the batch is out of order
            if not self.sound:
                raise
            return [Answer({}, "; ".join(error.faults))] * len(points)
        self.sound = True
        running.start(planned, self.where, jobs=self.jobs, progress=self.progress)
        records = self.where.records(planned.names())
        return [self._answer([records.get(name) for name in cell.names()]) for cell in planned.cells]

    def _answer(self, records: Sequence[Mapping[str, Any] | None]) -> Answer:
        failed = [record for record in records if record is None or record["status"] != "done"]
        if failed:
            return Answer({}, str(failed[0]["reason"]) if failed[0] is not None else "not run")
        done = [record for record in records if record is not None]
        return Answer(
            {name: [_known(record["outcomes"][name]) for record in done] for name in self.calibration.moments}
        )


def _known(value: float) -> float | None:
    return value if value == value else None
