"""Who is ruined at the end of a run: the chain of defaults that row P8 of the card asks about, beyond the venues.

Everything is read from the accounts and events that a run keeps; a dollar-like settlement asset counts as a dollar.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from experiments import readings
from experiments.readings import Unmeasured
from experiments.run import Run

MLN = 1e6
LEAST = 1.0  # dollars below zero from which an owner counts: less is rounding


class Ruin(NamedTuple):
    """Money in M$; `owners` are those whose accounts at all venues, coins included, are together below zero."""

    owners: int
    owed: float
    lenders_lost: float
    capital_used: float

    def __str__(self) -> str:
        return (
            f"owners below zero over all venues: {self.owners}, owing {self.owed:.3g} M$; lenders lost "
            f"{self.lenders_lost:.3g} M$; venue capital used {self.capital_used:.3g} M$"
        )


def ruin(run: Run) -> Ruin:
    """What was lost beyond what owners had. Raises Unmeasured where the run kept no accounts at its end."""
    worth = wealth(run)
    return Ruin(
        owners=int((worth < -LEAST).sum()),
        owed=abs(float(worth[worth < -LEAST].sum())) / MLN,
        lenders_lost=_lost_by_lenders(run) / MLN,
        capital_used=_capital_used(run) / MLN,
    )


def wealth(run: Run, label: str = "end") -> readings.Floats:
    """Dollars of each owner over all its accounts: balances, profit of open positions, other assets, claims and debts.

    Collateral counts once, at its price and without a haircut. Venues' own accounts (fees, fund, capital) are left out.
    """
    table, positions = run.accounts(label), run.positions(label)
    if "coins" not in table:
        raise Unmeasured("the run did not keep what coins the accounts own")
    profit = np.zeros(len(table["row"]))
    place = np.full(int(np.max(table["row"], initial=-1)) + 1, -1)
    place[table["row"]] = np.arange(len(place[table["row"]]))
    gain = positions["quantity"] * (positions["mark"] - positions["entry_price"])
    np.add.at(profit, place[positions["row"]], np.nan_to_num(gain))
    own = np.isin(table["participant"], list(run.config["population"]))
    worth = np.asarray(table["balance"], dtype=float) + profit + np.nan_to_num(table["coins"])
    _, owner = np.unique(np.asarray(table["owner"])[own], return_inverse=True)
    total: readings.Floats = np.bincount(owner, worth[own]).astype(np.float64)
    return total


def _lost_by_lenders(run: Run) -> float:
    """Coins that were not given back beyond what the collateral kept for them was worth then."""
    gained = run.events("loan_forfeited")["amount"] if _happened(run, "loan_forfeited") else np.zeros(0)
    return abs(float(np.minimum(np.nan_to_num(gained), 0.0).sum()))


def _happened(run: Run, kind: str) -> bool:
    return kind in run.vocabularies.get("kind", ())


def _capital_used(run: Run) -> float:
    """Of each venue's own capital, the most that was gone at once; fees that it earned are not counted against it."""
    used = 0.0
    for venue in run.venues:
        capital = readings.filled(run.column("capital", venue=venue))
        known = capital[np.isfinite(capital)]
        used += float(known[0] - known.min()) if len(known) else 0.0
    return used
