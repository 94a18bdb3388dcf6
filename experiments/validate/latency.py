"""B15: what prices of two venues may differ by, and what makes it more: Hautsch, Scheuch and Voigt (2024).

The bound rises with the latency of transfers, its variance, volatility and risk aversion; most differences lie inside.

The market is that of `kimchi` with another way between its two spot venues: buyers who hear good news at one of them,
and arbitrageurs who sell there what they buy in the world, until they must wait for coins and money that travel. Both
travel for a time with a given mean and coefficient of variation (inverse Gaussian), whose mean is published. The signs
are what is tested, seed by seed; the middle level of each is the base. A difference is the paper's: what could be
traded at once, the dearer bid above the cheaper offer. Last trades part much further, by a few hundred dollars that
lift the last offers of a book whose makers have no coins left: they say when that happened, not how wide the bound is.

The paper's arbitrageur dislikes variance by himself (constant risk aversion). Ours has a limit in standard deviations:
a price that moves for a random time tau has the variance sigma^2 E[tau], whatever that of tau, so its rule, z sigma
sqrt(E[tau]), has no term for it. To first order a quantile of such a move grows with the variance of tau only where z
is above sqrt(3) = 1.73, and the z of the paper, 1.75, lies there. What is left is what variance does to a firm: some
transfers come late, and while one is late it sends no other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from abm.parameters import Frozen, parameter
from experiments import arbitrage, config, readings
from experiments.config import Scenario
from experiments.run import Run
from experiments.validate import facts, lab
from experiments.validate.lab import Lab
from experiments.validate.seller import least
from experiments.validate.table import Row, row, unmeasured

COIN = "BTC"
BOUND = (0.80, 0.97)  # share of differences inside: 88-91 % in the paper's two drafts


class Parameters(Frozen):
    """Levels of the four things that the bound is made of; the middle one of each is the base."""

    scenario: str = parameter("kimchi", "Two spot venues, with one-sided news at one of them")
    latency: tuple[float, ...] = parameter((300.0, 1200.0, 4800.0), "Mean time of a transfer", unit="seconds")
    variation: tuple[float, ...] = parameter(
        (0.0, 1.0, 3.0), "Its standard deviation over its mean", unit="1"
    )
    volatility: tuple[float, ...] = parameter((0.2, 0.4, 0.8), "Of the coin, in calm times", unit="a year")
    bar: tuple[float, ...] = parameter((0.5, 1.75, 4.0), "Arbitrageurs' z", unit="standard deviations")
    hours: float = parameter(2.0, "Length of a run", unit="hours", gt=0.5)
    seeds: int = parameter(8, "Seeds, the same for all", ge=2)


NAMES = {
    "latency": "price differences rise with the mean latency of transfers",
    "variation": "... with its variance, at the same mean",
    "volatility": "... with volatility",
    "bar": "... with the arbitrageurs' risk aversion",
}


def rows(p: Parameters, work: Lab) -> list[Row]:
    """Four signs, each Spearman's correlation of difference with level over all seeds; the share inside the bound."""
    if work.quick:
        why = "dozens of runs of two hours: not in a quick validation"
        return [
            *(
                unmeasured(
                    f"B15.{number + 1}", name, 0.0, 1.0, why, unit="rank correlation", role="benchmark"
                )
                for number, name in enumerate(NAMES.values())
            ),
            unmeasured("B15.5", "differences inside the bound", *BOUND, why, unit="share", role="benchmark"),
        ]
    base = {name: getattr(p, name)[len(getattr(p, name)) // 2] for name in NAMES}
    cells = {"base": base} | {
        f"{name}-{level:g}": {**base, name: level}
        for name in NAMES
        for level in getattr(p, name)
        if level != base[name]
    }
    seeds = range(1, p.seeds + 1)
    runs = work.run("B15", {label: scenario(p, cell) for label, cell in cells.items()}, seeds)
    apart = {label: np.array([difference(run) for run in of]) for label, of in runs.items()}
    found = []
    for number, name in enumerate(NAMES):
        of = {
            cells[label][name]: apart[label] for label in cells if label == "base" or label.startswith(name)
        }
        levels = np.array(sorted(of))
        # a seed's level of its own is taken off: the same luck in every cell
        values = np.array([of[level] for level in levels])
        values = np.log(values) - np.log(values).mean(axis=0)
        value = facts.rank_correlation(np.repeat(levels, len(seeds)), values.ravel())
        told = ", ".join(f"{level:g}: {np.median(of[level]):.2f} %" for level in levels)
        found.append(
            row(f"B15.{number + 1}", NAMES[name], [value], least(values.size), 1.0,
                unit="rank correlation", role="benchmark", why=f"median difference {told}; {len(seeds)} seeds")
        )  # fmt: skip
    inside = [covered(run) for run in runs["base"]]
    found.append(
        row("B15.5", "differences inside the bound", inside, *BOUND, central=0.9, unit="share", role="benchmark",
            why="minutes in which |difference| <= taker fees + z sigma sqrt(E[tau])")
    )  # fmt: skip
    return found


def scenario(p: Parameters, cell: Mapping[str, float]) -> Scenario:
    """Two venues and one way for coins and money both ways, with this time, spread, volatility and risk aversion."""
    raw = config.plain(config.load(p.scenario, [("clock.duration", str(3600.0 * p.hours))]))
    ends = [name for name, venue in raw["venues"].items() if COIN in venue["spots"]]
    raw["network"] = {
        "nodes": [],
        "resources": {
            "way": {
                "kind": "delay",
                "law": "inverse_gaussian",
                "time": cell["latency"],
                "spread": cell["variation"],
            }
        },
        "edges": [
            {"source": a, "target": b, "asset": asset, "path": ["way"], "fee": 0.0}
            for a in ends
            for b in ends
            for asset in (raw["venues"][ends[0]]["quote"], COIN)
            if a != b
        ],
    }
    raw["contracts"][COIN]["volatility"] = cell["volatility"]
    for entry in raw["population"].values():
        if entry["species"] == "arbitrageur":
            entry |= {"bar": cell["bar"], "settlement": 0.0}
    raw["record"] = {"every": 5, "books": "all", "accounts_at": []}
    return lab.scenario(raw)


def _window(run: Run) -> tuple[float, float]:
    return readings.news_time(run), float(run.time[-1])


def difference(run: Run) -> float:
    """Mean after the news of the dearer bid of the two spot books above the cheaper offer, %; none counts as zero."""
    apart = arbitrage.open_gap(run, readings.books(run, "SPOT", COIN))
    return float(apart[readings.inside(run, *_window(run))].mean())


def covered(run: Run) -> float:
    """Share of minutes after the news at whose end the difference was inside the bound; NaN if nothing travelled."""
    names = readings.books(run, "SPOT", COIN)
    apart = readings.closes(run, arbitrage.open_gap(run, names), *_window(run))
    bid, ask = (np.array([run.column(side, book=name) for name in names]) for side in ("bid", "ask"))
    between = 0.5 * (np.fmax.reduce(bid, axis=0) + np.fmin.reduce(ask, axis=0))
    (gap,) = arbitrage.gaps(run, COIN, "SPOT", _window(run))
    z = next(one["bar"] for one in run.config["population"].values() if one["species"] == "arbitrageur")
    limit = arbitrage.bound(run, names[0], names[1], readings.closes(run, between, *_window(run)), gap.tau, z)
    known = np.isfinite(limit)
    return float((apart <= limit)[known].mean()) if known.any() else float("nan")
