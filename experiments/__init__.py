"""Scenarios, runs and what is read from them: config, runner, run folders, card, figures, command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.run import Run as Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    # read on first use: the command line's help must not wait for the Parquet library
    if name == "Run":
        from experiments.run import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
