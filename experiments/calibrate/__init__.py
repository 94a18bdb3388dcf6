"""Calibration: parameters of a scenario fitted to moments by simulation. docs/calibration.md describes the file.

    from experiments import calibrate

    found = calibrate.fit("calm_small")       # a ready file; goes on where it was broken off
    found.best["noise"], found.interval("noise"), found.told()
    calibrate.recover("calm_small", points=2) # the same fit to simulated moments of known parameters

In a script with more than one run at a time, the usual `if __name__ == "__main__":` stands around what it does.
"""

from __future__ import annotations

from experiments.calibrate.calibration import Calibration, load, loads
from experiments.calibrate.fitting import fit
from experiments.calibrate.recovery import recover
from experiments.calibrate.result import Result, read

__all__ = ["Calibration", "Result", "fit", "load", "loads", "read", "recover"]
