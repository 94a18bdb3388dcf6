"""B8 and F6: impact of metaorders injected into the full order book of a calm market with its whole population.

Donier and Bonart (2015, bitcoin) and Sato and Kanazawa (2024, Tokyo): impact grows as a power of size near one half
(0.489), and goes back in part when the order is over. Orders are tossed coins and worked off evenly in one book
(`agents.metaorders`); the mean signed move over many of them is the impact. Sizes are 7 to 70 % of what trades in
the time of an order: who trades more than the market's volume walks through the book, which is another law.
"""

from __future__ import annotations

import numpy as np

from abm.parameters import Frozen, parameter
from experiments import config
from experiments.config import Scenario
from experiments.run import Run
from experiments.validate import facts, lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row


class Parameters(Frozen):
    """The market, the orders, and how many of them."""

    scenario: str = parameter("calm_small", "The calm market")
    venue: str = parameter("alpha", "Venue whose perpetual is traded")
    coin: str = parameter("BTC", "Its coin")
    sizes: tuple[float, ...] = parameter(
        (0.0003, 0.0007, 0.0015, 0.003), "Sizes", unit="share of open interest"
    )
    duration: float = parameter(600.0, "Time of an order", unit="seconds", gt=0)
    rest: float = parameter(300.0, "Time after which what is left is read", unit="seconds", gt=0)
    hours: float = parameter(24.0, "Simulated hours of a seed", gt=0.5, le=240)
    seeds: int = parameter(6, "Seeds", ge=1)


def rows(p: Parameters, work: Lab) -> list[Row]:
    """B8: exponent. The share that is left belongs to F6, with the same exponent."""
    found = measured(p, work)
    why = f"{found.orders} orders"
    if np.isfinite(found.impact.exponent):
        why += f", standard error {found.impact.error:.2f}, {found.impact.left:.0%} left {p.rest:g} s later"
    else:
        why += ", impact of most sizes within its noise"
    return [
        row("B8", "exponent of the impact of metaorders", [found.impact.exponent], 0.4, 0.6, central=0.489,
            role="benchmark", why=f"{why}; {found.told}")
    ]  # fmt: skip


def fact_rows(work: Lab) -> list[Row]:
    """F6, from the runs of B8 with its defaults."""
    found = measured(Parameters(), work)
    why = f"{found.orders} orders in calm_small"
    return [
        row("F6a", "exponent of the impact of metaorders", [found.impact.exponent], 0.4, 0.6, why=why),
        row("F6b", "impact left some minutes after the end, over its peak", [found.impact.left], 0.0, 0.95,
            why="partial decay"),
    ]  # fmt: skip


class Measured:
    """What the orders of all runs say."""

    def __init__(self, impact: facts.Impact, orders: int, told: str) -> None:
        self.impact, self.orders, self.told = impact, orders, told


def measured(p: Parameters, work: Lab) -> Measured:
    """Run the market with metaorders and read their impact."""
    seeds = range(1, (1 if work.quick else p.seeds) + 1)
    runs = work.run("B8", {"metaorders": scenario(p, 1.0 if work.quick else p.hours)}, seeds)["metaorders"]
    size, peak, later = (
        np.concatenate(column) for column in zip(*[orders(run, p) for run in runs], strict=True)
    )
    told = ", ".join(
        f"{share:g} of open interest {1e4 * peak[size == share].mean():.1f} bp"
        for share in p.sizes
        if (size == share).any()
    )
    return Measured(facts.impact(size, peak, later), len(size), told)


def scenario(p: Parameters, hours: float) -> Scenario:
    """The calm market with one more participant."""
    raw = config.plain(config.load(p.scenario, [("clock.duration", str(3600.0 * hours))]))
    raw["population"]["metaorders"] = {
        "species": "metaorders", "coins": [p.coin], "sizes": list(p.sizes), "duration": p.duration, "rest": p.rest,
        "every": p.duration + p.rest + 60.0,
        "opening": {
            "kind": "desk", "accounts": 1, "venues": [p.venue], "coins": [p.coin], "cash": {p.coin: 1.0},
        },
    }  # fmt: skip
    raw["record"] = {"every": 60, "books": [f"{p.venue}:{p.coin}-PERP"], "accounts_at": []}
    return lab.scenario(raw)


def orders(run: Run, p: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Size asked for (share of open interest), signed move at the end and later, of every order that was finished."""
    seen = run.observations()
    if not seen:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    mine = seen["participant"] == "metaorders"
    what, value, price = (seen[name][mine] for name in ("what", "value", "rate"))
    later = np.flatnonzero(what == "later")
    # one book: begun, ended, later follow each other
    begun, ended = later - 2, later - 1
    side = np.sign(value[ended])
    size = np.abs(value[ended])
    known = (what[begun] == "begun") & (size > 0)
    interest = float(np.nanmean(run.column("open_interest_usd", book=f"{p.venue}:{p.coin}-PERP")))
    shares = np.asarray(p.sizes)
    asked = shares[np.argmin(np.abs(np.log(size[known, None] / interest / shares[None, :])), axis=1)]
    moved, left = price[ended] - price[begun], price[later] - price[begun]
    return asked, (side * moved)[known], (side * left)[known]
