"""B1: which of two queues is empty first: Cont, Stoikov and Talreja (2010), Table 3, from the order book.

A book opens with b orders at the bid and a at the offer, one tick apart. Orders of one size come to each at a rate,
are taken by market orders at another and die one by one (`agents.zero_intelligence`); the chance that the middle
moves up is that of the offers being gone first. Every race is a book's; when it is over the book is opened anew.
"""

from __future__ import annotations

import numpy as np

from abm.parameters import Frozen, parameter
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

PUBLISHED = np.array(  # rows: bids 1 to 5, columns: offers 1 to 5
    [
        [0.500, 0.336, 0.259, 0.216, 0.188],
        [0.664, 0.500, 0.407, 0.348, 0.307],
        [0.741, 0.593, 0.500, 0.437, 0.391],
        [0.784, 0.652, 0.563, 0.500, 0.452],
        [0.812, 0.693, 0.609, 0.548, 0.500],
    ]
)
STANDARD = (1.85, 0.71, 0.94)  # limit orders, deaths, market orders, per minute
BOOKS = 1000


class Parameters(Frozen):
    """Rates of the two queues (per minute) and the lengths tried."""

    limit_rate: float = parameter(1.85, "Limit orders at a best quote", unit="per minute")
    cancel_rate: float = parameter(0.71, "Death of a resting order", unit="per minute")
    market_rate: float = parameter(0.94, "Market orders of a side", unit="per minute")
    longest: int = parameter(5, "Queues of 1 to so many orders on each side", ge=1, le=12)
    races: int = parameter(20_000, "Races of each cell, at least", ge=100)
    step: float = parameter(0.02, "Step", unit="minutes", gt=0, le=0.2)
    tolerance: float = parameter(0.01, "Largest difference accepted", ge=0)


def rows(parameters: Parameters, work: Lab) -> list[Row]:
    """The chance for each pair of queues; the mirrored cell is another set of races, not a copy."""
    p, n = parameters, parameters.longest
    starts = [[b, a] for b in range(1, n + 1) for a in range(1, n + 1)]
    books = BOOKS // len(starts) * len(starts)
    races = 4000 if work.quick else p.races
    # a race of the longest queues takes less than two minutes on average
    minutes = races / (books / len(starts)) * _expected(p)
    steps = max(int(minutes / p.step), 50)
    runs = work.run("B1", {"races": _scenario(p, starts, books, steps)}, [1])["races"]
    won, run_races = np.zeros(len(starts)), np.zeros(len(starts))
    for run in runs:
        seen = run.observations()
        place = {name: number % len(starts) for number, name in enumerate(run.books)}
        cell = np.array([place[name] for name in seen["book"]])
        np.add.at(won, cell, seen["rate"] > 0)
        np.add.at(run_races, cell, 1.0)
    found = []
    standard = (p.limit_rate, p.cancel_rate, p.market_rate) == STANDARD
    for number, (b, a) in enumerate(starts):
        chance = won[number] / run_races[number] if run_races[number] else float("nan")
        error = np.sqrt(max(chance * (1 - chance), 0) / max(run_races[number], 1))
        why = f"{int(run_races[number])} races, standard error {error:.4f}"
        name = f"middle moves up first: {b} bids, {a} offers"
        if standard and b <= 5 and a <= 5:
            central = float(PUBLISHED[b - 1, a - 1])
            low, high = central - p.tolerance, central + p.tolerance
            found.append(
                row(f"B1.{b}{a}", name, [chance], low, high, central=central, role="benchmark", why=why)
            )
        else:
            found.append(row(f"B1.{b}{a}", name, [chance], 0.0, 1.0, role="cell", why=why))
    return found


def exact(p: Parameters, most: int = 60) -> np.ndarray:
    """P(offers are gone first | b bids, a offers), float64[most + 1, most + 1], by iterating its equation."""
    up, n = p.limit_rate, np.arange(most + 1)
    down = p.market_rate + n * p.cancel_rate
    chance = np.full((most + 1, most + 1), 0.5)
    chance[0, :], chance[:, 0] = 0.0, 1.0
    b, a = n[1:most, None], n[None, 1:most]
    for _ in range(4000):
        rate = 2 * up + down[b] + down[a]
        new = (
            up * (chance[2:, 1:-1] + chance[1:-1, 2:])
            + down[b] * chance[:-2, 1:-1]
            + down[a] * chance[1:-1, :-2]
        ) / rate
        change = np.abs(new - chance[1:most, 1:most]).max()
        chance[1:most, 1:most] = new
        if change < 1e-12:
            break
    return chance


def _expected(p: Parameters) -> float:
    """Minutes that a race of the longest queues takes, generously: each order has to be taken or to die."""
    alone = 0.0
    for k in range(1, p.longest + 1):
        alone += 1.0 / (p.market_rate + k * p.cancel_rate)
    return 1.3 * alone + 2 * p.step


def _scenario(p: Parameters, starts: list[list[int]], books: int, steps: int) -> lab.Scenario:
    raw = lab.plain_books(books, 100.0, 0.01, 1.0, steps, 60.0 * p.step)
    raw["population"]["crowd"] = lab.desk(
        "zero_intelligence", [], 2, 0.5, 0.5, start=starts, room=24,
        limit_rates=[p.limit_rate], cancel_rates=[p.cancel_rate], market_rate=p.market_rate,
    )  # fmt: skip
    raw["record"]["every"] = steps
    return lab.scenario(raw)
