"""Sweeps: a study worked out, run anywhere, resumed, tabled and told. docs/sweeps.md describes the study file.

    from experiments import sweep

    sweep.run("adl_fund", seeds=2)                  # a ready study; goes on where it was broken off
    table = sweep.table("adl_fund")                 # pandas, one line a run
    sweep.query("adl_fund", "SELECT rule, median(adl) FROM results GROUP BY rule")
    sweep.report("adl_fund")                        # Markdown, figures beside it

In a script with more than one run at a time, the usual `if __name__ == "__main__":` stands around what it does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.sweep.planning import plan
from experiments.sweep.results import Results, opened
from experiments.sweep.running import Counts, run
from experiments.sweep.study import Study, StudyError, checked, load, loads

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Counts",
    "Results",
    "Study",
    "StudyError",
    "checked",
    "load",
    "loads",
    "opened",
    "plan",
    "query",
    "report",
    "run",
    "table",
]


def table(sweep: str | Path | Study | None = None, *, out: str | Path | None = None) -> pd.DataFrame:
    """The tidy table of a sweep, one line a run; see `Results.table` and, for the arguments, `opened`."""
    return opened(sweep, out).table()


def query(sweep: str | Path | Study | None, sql: str, *, out: str | Path | None = None) -> pd.DataFrame:
    """SQL over a sweep's table and its runs; see `Results.query`."""
    return opened(sweep, out).query(sql)


def report(
    sweep: str | Path | Study | None = None, *, out: str | Path | None = None, to: str | Path | None = None
) -> Path:
    """Write the report of a sweep; returns its path. `to`: its folder, by default `report` beside the results."""
    from experiments.sweep import reporting

    results = opened(sweep, out)
    return reporting.write(results, Path(to) if to is not None else reporting.folder_for(results))
