"""The event's data and targets: files beside this module (origin and columns: ``SOURCES.md``).

Read by scenario builders (what was known before the news), by the score card and by the figures. The
market itself never imports it.
"""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent
PERP_MINUTES = "btcusdt_perp_binance_1m_2025-10-10"
MARK_MINUTES = "btcusd_coinm_markprice_binance_1m_2025-10-10"
MARK_FIVE_MINUTES = "btcusdt_markprice_binance_5m_2025-10-09_12"
DEPTH = "btcusdt_perp_binance_depth_5min_2025-10-10"
BRACKETS = "binance_tiers_2025-09-29"
OPENING_STATE = "opening_state_bybit_perps_2025-10-10"
VENUE_VOLUME = "venue_volume_2109_2200_2025-10-10"
ADL_QUANTILES = "hyperliquid_adl_account_quantiles"

Column = npt.NDArray[Any]


class Bars(NamedTuple):
    """Price bars; ``time`` datetime64[s] (UTC, start of the bar), prices float64[n] in the quote currency."""

    time: npt.NDArray[np.datetime64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]


def names() -> list[str]:
    """Names of the data files, without ``.csv``."""
    return sorted(file.stem for file in FOLDER.glob("*.csv"))


def path(name: str) -> Path:
    """Path of a data file, with or without its ending. Raises FileNotFoundError naming the known ones."""
    for candidate in (FOLDER / name, FOLDER / f"{name}.csv"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"no reference file {name!r}; known: {', '.join(names())}")


def table(name: str) -> dict[str, Column]:
    """Columns of a data file: float64 (blank = NaN), datetime64[s] for ``*_utc``, else strings."""
    with path(name).open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    return {head: _column(head, [line[i] for line in lines]) for i, head in enumerate(header)}


def bars(name: str = PERP_MINUTES) -> Bars:
    """Price bars of a file: the BTC perp by minute (default), ``MARK_MINUTES`` or ``MARK_FIVE_MINUTES``."""
    data = table(name)
    time = data["minute_utc"] if "minute_utc" in data else data["time_utc"]
    return Bars(time, data["open"], data["high"], data["low"], data["close"])


def targets(name: str = "october") -> list[dict[str, Any]]:
    """Rows to compare a run with, in the order of the sheet.

    A row has id, name, unit, low, high, role, window, estimator, source, grade; central is None where there
    is none; ``against`` (calm window) only in rows that are ratios to calm. Raises KeyError naming the
    known sets.
    """
    with (FOLDER / "targets.toml").open("rb") as file:
        sets = tomllib.load(file)
    if name not in sets:
        raise KeyError(f"no targets {name!r}; known: {', '.join(sorted(sets))}")
    return [{"central": None, **row} for row in sets[name]]


def _column(head: str, cells: list[str]) -> Column:
    if head.endswith("_utc"):
        return np.array([cell.rstrip("Z") for cell in cells], dtype="datetime64[s]")
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells)
