"""Scenarios, runs and what is read from them: config, runner, run folders, card, figures, command line.

from experiments import Run, load, run_many
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.config import load as load
    from experiments.run import Run as Run
    from experiments.runner import run_many as run_many

__all__ = ["Run", "load", "run_many"]


def __getattr__(name: str) -> Any:
    # read on first use: the command line's help must not wait for the Parquet library
    if name == "Run":
        from experiments.run import Run

        return Run
    if name == "load":
        from experiments.config import load

        return load
    if name == "run_many":
        from experiments.runner import run_many

        return run_many
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
