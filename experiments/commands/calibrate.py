"""Fitting parameters to moments: `cascade calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.commands import kernels, output
from experiments.commands.app import DONE, BadInput, app
from experiments.commands.given import below, sound, writable
from experiments.commands.options import Jobs, Number, Several, Switch

if TYPE_CHECKING:
    from experiments.calibrate.calibration import Calibration


@app.command
def calibrate(
    calibration: str,
    /,
    *,
    budget: float | None = None,
    trials: Number | None = None,
    recover: Number = 0,
    start_from: Path | None = None,
    leave_out: Several = (),
    leave_each_out: Switch = False,
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Fit parameters of a scenario to moments; a search that was broken off goes on.

    Parameters
    ----------
    calibration
        A name (a file of experiments/calibration) or the path of a TOML file.
    budget
        Minutes of all sittings together, instead of the file's.
    trials
        Points of the parameter space, at most, instead of the file's.
    recover
        Fit to simulated moments of so many known points instead: does the fit find them again?
    start_from
        result.json of an earlier calibration whose best trials are tried first.
    leave_out
        A group of moments that does not count; repeats.
    leave_each_out
        One fit more for every group of moments, without it.
    out
        Folder of runs, trials and result; default runs/calibrations/NAME.
    """
    from experiments.calibrate import fitting, recovery

    found = _checked(calibration, budget, trials, jobs)
    folder = out if out is not None else fitting.FOLDER / found.name
    writable(folder)
    kernels.compiled()
    effort: dict[str, Any] = {"trials": trials, "minutes": budget, "jobs": jobs}
    with sound():
        if recover:
            print(recovery.told(recovery.recover(found, recover, out=folder, **effort)))
            return DONE
        for lot in [leave_out, *([*leave_out, group] for group in found.groups if leave_each_out)]:
            result = fitting.fit(found, out=folder, start_from=start_from, leave_out=lot, **effort)
            print(result.told() + "\n")
            output.add(
                "fits", left_out=list(lot), best=result.best, minutes=result.minutes, failed=result.failed
            )
    print(folder)
    output.put(folder=folder)
    return DONE


def _checked(calibration: str, budget: float | None, trials: int | None, jobs: int | None) -> Calibration:
    """The calibration that was named; BadInput with its faults and those of the options, all at once."""
    from experiments.calibrate import load
    from experiments.sweep import StudyError

    faults = below(1, jobs=jobs)
    faults += [
        f"{option}: given {given:g}, expected a number above 0"
        for option, given in (("--budget", budget), ("--trials", trials))
        if given is not None and given <= 0
    ]
    try:
        found = load(calibration)
    except StudyError as error:
        raise BadInput([*faults, *error.faults]) from error
    if faults:
        raise BadInput(faults)
    return found
