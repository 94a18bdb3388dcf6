"""B4: the inventory strategy of Avellaneda and Stoikov (2008) against the symmetric one, in the order book.

Every path is a book of its own with one dealer and its customers (`agents.dealer`). Published: mean and
deviation of the profit and the deviation of the final inventory, for three risk aversions. Accepted: 2 % of a mean, 5 %
of a deviation, and half of the last printed figure.
"""

from __future__ import annotations

import numpy as np

from abm.parameters import Frozen, parameter
from experiments.run import Run
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

PUBLISHED: dict[tuple[float, str], tuple[float, float, float, float]] = {
    # gamma, strategy: spread, profit, its deviation, deviation of the final inventory
    (0.01, "inventory"): (1.35, 68.3, 8.9, 5.2),
    (0.01, "symmetric"): (1.35, 68.6, 13.5, 8.6),
    (0.1, "inventory"): (1.49, 64.9, 6.6, 2.9),
    (0.1, "symmetric"): (1.49, 67.9, 13.2, 8.3),
    (0.5, "inventory"): (2.16, 48.5, 5.9, 2.0),
    (0.5, "symmetric"): (2.16, 58.2, 11.4, 7.0),
}
STANDARD = {"sigma": 2.0, "k": 1.5, "arrivals": 140.0, "horizon": 1.0, "interval": 0.005}
BOOKS = 600  # at a time


class Parameters(Frozen):
    """The table's cells; other values than the paper's are measured, too, but nothing is held against them."""

    gammas: tuple[float, ...] = parameter((0.01, 0.1, 0.5), "Risk aversions", unit="1 / quote asset")
    sigma: float = parameter(2.0, "Deviation of the reference price", unit="quote asset per root of time")
    k: float = parameter(1.5, "Decay of the customers' willingness", unit="1 / quote asset")
    arrivals: float = parameter(140.0, "Customers at the reference price", unit="per time")
    horizon: float = parameter(1.0, "T", unit="time")
    interval: float = parameter(0.005, "Time between two quotes", unit="time")
    paths: int = parameter(2400, "Paths of each cell, at least", ge=10)


def rows(parameters: Parameters, work: Lab) -> list[Row]:
    """Four rows for each risk aversion and strategy."""
    p = parameters
    cells = [(gamma, strategy) for gamma in p.gammas for strategy in ("inventory", "symmetric")]
    each = max(BOOKS // len(cells), 1)
    paths = 300 if work.quick else p.paths
    runs = work.run("B4", {"dealers": _scenario(p, cells, each)}, range(1, -(-paths // each) + 1))["dealers"]
    standard = all(getattr(p, name) == value for name, value in STANDARD.items())
    found = []
    for number, (gamma, strategy) in enumerate(cells):
        profit, inventory, spread = _results(runs, f"cell{number}")
        published = PUBLISHED.get((gamma, strategy)) if standard else None
        label = f"{strategy}, gamma {gamma:g}"
        n = len(profit)
        for key, name, value, at, tolerance, error in (
            ("a", "spread", spread.mean(), 0, 0.02, 0.0),
            ("b", "profit", profit.mean(), 1, 0.02, profit.std() / np.sqrt(n)),
            ("c", "deviation of profit", profit.std(ddof=1), 2, 0.05, profit.std() / np.sqrt(2 * n)),
            (
                "d",
                "deviation of final inventory",
                inventory.std(ddof=1),
                3,
                0.05,
                inventory.std() / np.sqrt(2 * n),
            ),
        ):
            where = f"B4.{number + 1}{key}"
            why = f"{n} paths, standard error {error:.2g}"
            if published is None:
                found.append(row(where, f"{name}: {label}", [value], -lab.ANY, lab.ANY, role="cell", why=why))
                continue
            low, high = lab.around(published[at], tolerance, 0.005 if at == 0 else 0.05)
            found.append(
                row(
                    where,
                    f"{name}: {label}",
                    [value],
                    low,
                    high,
                    central=published[at],
                    role="benchmark",
                    why=why,
                )
            )
    return found


def _scenario(p: Parameters, cells: list[tuple[float, str]], each: int) -> lab.Scenario:
    steps = 2 * round(p.horizon / p.interval) + 3
    raw = lab.plain_books(each * len(cells), 100.0, 0.0001, 1.0, steps, 1.0)
    names = lab.venue_names(each * len(cells))
    for number, (gamma, strategy) in enumerate(cells):
        raw["population"][f"cell{number}"] = lab.desk(
            "dealer", names[number * each : (number + 1) * each], 2, 0.5, 0.5,
            gamma=gamma, strategy=strategy, sigma=p.sigma, k=p.k, arrivals=p.arrivals, horizon=p.horizon,
            interval=p.interval,
        )  # fmt: skip
    raw["record"]["every"] = steps
    return lab.scenario(raw)


def _results(runs: list[Run], participant: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Profits, final inventories and mean spreads of a cell's paths."""
    parts = []
    for run in runs:
        seen = run.observations()
        mine = seen["participant"] == participant
        end, quoted = (mine & (seen["what"] == word) for word in ("result", "quoted"))
        parts.append((seen["value"][end], seen["rate"][end], seen["value"][quoted]))
    profit, inventory, spread = (np.concatenate(column) for column in zip(*parts, strict=True))
    return profit, inventory, spread
