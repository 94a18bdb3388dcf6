"""The days of 2025 by their volatility, and the calm market at each of them.

Daily volatility is Parkinson's (1980) of a day's range, ln(high / low) / sqrt(4 ln 2): for a price without drift its
square is the variance of the day. Bounds between regimes are round numbers near the quartiles and the 90 and 95 %
quantiles of the year; weights are counts.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from experiments import config, reference
from experiments.config import Scenario, ScenarioError

DAYS_FILE = "btcusdt_spot_binance_1d_2025"
EVENT_DAY = "2025-10-10"
EVENT = "october"
BOUNDS = (
    ("quiet", 0.0, 0.012),
    ("ordinary", 0.012, 0.018),
    ("lively", 0.018, 0.026),
    ("rough", 0.026, 0.040),
    ("storm", 0.040, math.inf),
)  # daily volatility of BTC, log
YEAR = 365.0  # days, of volatilities a year


class Regime(NamedTuple):
    """Days of one kind: how many there were in the year, and their root mean square volatility a day (log)."""

    name: str
    days: int
    volatility: float


def daily_volatility() -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
    """Every day of 2025 and BTC's volatility in it (log), by its range."""
    table = reference.table(DAYS_FILE)
    return table["day_utc"], parkinson(table["high"], table["low"])


def parkinson(high: Any, low: Any) -> Any:
    """Volatility over a time with this highest and lowest price (log)."""
    return np.log(np.asarray(high) / np.asarray(low)) / math.sqrt(4.0 * math.log(2.0))


def regimes() -> list[Regime]:
    """The routine days of the year by regime, then 10 October by itself."""
    day, volatility = daily_volatility()
    event = day.astype("datetime64[D]") == np.datetime64(EVENT_DAY)
    found = []
    for name, low, high in BOUNDS:
        there = volatility[(volatility >= low) & (volatility < high) & ~event]
        found.append(Regime(name, len(there), float(np.sqrt(np.mean(there**2)))))
    routine = volatility[~event]
    return [*found, Regime(EVENT, int(event.sum()), float(np.sqrt(np.mean(routine**2))))]


def scenario(market: str, regime: Regime, hours: float, step: float, event: str) -> Scenario:
    """A day of a regime in a calm market: `hours` of it, in steps of `step` seconds.

    What is scaled: the volatility of every coin's fundamental, by the regime's over BTC's in the market; and the rate
    and turnover of uninformed flow, by that ratio to the power by which the species says that activity follows
    volatility. On the day of the event the news of the scenario `event` comes on top of a routine day (the volatility
    of all other days, not of that day's own range, which is the cascade's).

    Raises ScenarioError where the market is none, has news, or has no BTC.
    """
    raw = copy.deepcopy(config.plain(config.load(market)))
    faults = []
    if raw.get("news"):
        faults.append(
            f"--market: given {market!r}, which has news; expected a calm market such as calm_small"
        )
    if "BTC" not in raw["contracts"]:
        faults.append(f"--market: given {market!r}, expected a market with BTC, whose days are counted")
    if faults:
        raise ScenarioError(faults)
    ratio = regime.volatility * math.sqrt(YEAR) / raw["contracts"]["BTC"]["volatility"]
    for contract in raw["contracts"].values():
        contract["volatility"] *= ratio
    for entry in raw["population"].values():
        if entry["species"] == "noise":
            livelier = ratio ** entry["activity"]
            entry["rate"] *= livelier
            entry["turnover"] *= livelier
    raw["clock"] |= {"duration": 3600.0 * hours, "step": step}
    raw["record"] |= {"every": max(1, round(60.0 / step)), "books": "all"}
    raw["title"] = f"a {regime.name} day of {market}"
    if regime.name == EVENT:
        raw["news"] = config.plain(config.load(event))["news"]
    resolved, faults = config.resolve(raw)
    if resolved is None or faults:
        raise ScenarioError(faults)
    return resolved
