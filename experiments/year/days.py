"""What a simulated day says: volume, liquidations, ADL and funds, as shares of its open interest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from experiments import readings
from experiments.readings import Unmeasured
from experiments.run import Run
from experiments.year.regimes import parkinson

HOURS = 24.0


class Day(NamedTuple):
    """Flows of a day over the open interest at its start; those of a shorter routine day are brought to 24 hours."""

    volume: float
    longs: float  # liquidated
    shorts: float
    adl: float
    takeover: float  # by funds and vaults
    funds: float  # change of all funds and vaults, over what they had
    volatility: float  # of BTC by its range, brought to a day
    interest: float  # change of open interest over itself, not brought to a day

    @property
    def liquidated(self) -> float:
        return self.longs + self.shorts


def measure(run: Run) -> Day:
    """A day's numbers. Raises Unmeasured where the run has no perpetual of BTC.

    A day with news happens once: what follows the news is in a run of some hours, and is not multiplied.
    """
    counted = run.time > 0.0
    perps = readings.books(run, "PERP")
    interest = np.nansum([run.column("open_interest_usd", book=name)[counted] for name in perps], axis=0)
    hours = float(run.time[-1]) / 3600.0
    longer = 1.0 if run.config.get("news") else HOURS / hours

    def flow(column: str) -> float:
        return longer * float(run.column(column)[counted].sum() / interest[0])

    volume = sum(float(np.nansum(run.column("volume", book=name)[counted])) for name in perps)
    funds = run.column("fund_equity").sum(axis=1)
    before = int(np.searchsorted(run.time, 0.0, side="right")) - 1
    first, last = float(funds[max(before, 0)]), float(funds[-1])
    high, low = (run.column(side, book=_busiest(run))[counted] for side in ("high", "low"))
    spread = float(parkinson(np.nanmax(high), np.nanmin(low)))
    return Day(
        volume=longer * volume / float(interest[0]),
        longs=flow("liquidated_long"),
        shorts=flow("liquidated_short"),
        adl=flow("adl"),
        takeover=flow("takeover"),
        funds=longer * (last / first - 1.0) if first > 0 else 0.0,
        volatility=spread * float(np.sqrt(longer)),
        interest=float(interest[-1] / interest[0] - 1.0),
    )


def _busiest(run: Run) -> str:
    """BTC's perpetual with most volume."""
    books = readings.books(run, "PERP", "BTC")
    if not books:
        raise Unmeasured("no perpetual of BTC")
    return max(books, key=lambda name: float(np.nansum(run.column("volume", book=name))))
