"""B5: leverage causes fat tails: Thurner, Farmer and Geanakoplos (2012), in books that are called.

Funds and a noise trader (`agents.value_fund`) trade coins in spot accounts; every call is a uniform-price auction of
their demand schedules. Held against the paper's model, re-run from its equations: the Hill index of absolute returns
from prices below value falls steeply as funds may borrow more, and no further beyond a limit of about ten. A
schedule is made with the wealth at the last call and a period is several calls, so the signs are what is tested.
"""

from __future__ import annotations

import numpy as np

from abm.parameters import Frozen, parameter
from experiments.run import Run
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

RERUN = {1.0: 9.4, 2.0: 7.8, 3.0: 6.6, 10.0: 2.3, 15.0: 2.3, 20.0: 2.2}  # Hill index, r_b = 0.005
PRICE, COINS = 100.0, 1000.0
TOP = 0.005  # of the returns: the cut of Hill's estimator


class Parameters(Frozen):
    """Leverage limits, rising, the other constants of the paper, and how much is measured."""

    leverages: tuple[float, ...] = parameter((1.0, 3.0, 10.0, 15.0), "lambda: limits, rising", unit="1")
    steep: tuple[float, float] = parameter((3.0, 10.0), "Between these the index falls to half", unit="1")
    plateau: tuple[float, float] = parameter((10.0, 15.0), "Between these it stays", unit="1")
    benchmark: float = parameter(0.005, "r_b: performance at which nothing flows", unit="per period")
    noise: float = parameter(0.035, "sigma of the noise trader", unit="log per period", ge=0)
    rounds: int = parameter(6, "Calls of a period", ge=1)
    books: int = parameter(4, "Books of each limit", ge=1)
    periods: int = parameter(6000, "Periods that are measured in each", ge=100)
    settle: int = parameter(2000, "Periods before that", ge=0)


def rows(p: Parameters, work: Lab) -> list[Row]:
    """The Hill index of every limit as a cell, then the three signs."""
    books, periods, settle = (2, 1500, 1000) if work.quick else (p.books, p.periods, p.settle)
    run = work.run("B5", {"funds": _scenario(p, books, periods + settle)}, [1])["funds"][0]
    index, error, found = {}, {}, []
    for number, limit in enumerate(p.leverages):
        moves = _returns(run, range(number * books, (number + 1) * books), p.rounds, settle)
        index[limit], error[limit] = hill(moves)
        found.append(
            row(f"B5.{number + 1}", f"Hill index of returns, leverage limit {limit:g}", [index[limit]], -lab.ANY,
                lab.ANY, central=RERUN.get(limit) if _standard(p) else None, role="cell",
                why=f"standard error {error[limit]:.2f}, {len(moves)} returns")
        )  # fmt: skip
    low, high = p.steep
    falls = [index[a] - index[b] for a, b in zip(p.leverages, p.leverages[1:], strict=False) if b <= high]
    found.append(
        row("B5.a", f"the index falls with the limit up to {high:g}: smallest fall", [min(falls, default=np.nan)],
            0.0, lab.ANY, role="benchmark")
    )  # fmt: skip
    if {low, high} <= set(index):
        found.append(
            row("B5.b", f"index at {high:g} over that at {low:g}", [index[high] / index[low]], 0.0, 0.6,
                central=RERUN[10.0] / RERUN[3.0], role="benchmark", why="steep")
        )  # fmt: skip
    if set(p.plateau) <= set(index):
        a, b = p.plateau
        found.append(
            row("B5.c", f"index at {b:g} over that at {a:g}", [index[b] / index[a]], 0.85, 1.15,
                central=RERUN[15.0] / RERUN[10.0], role="benchmark", why="plateau")
        )  # fmt: skip
    return found


def _standard(p: Parameters) -> bool:
    return p.benchmark == 0.005 and p.noise == 0.035


def _scenario(p: Parameters, books: int, periods: int) -> lab.Scenario:
    count = books * len(p.leverages)
    raw = lab.called(
        lab.plain_books(count, PRICE, 0.01, 0.001, 2 * p.rounds * periods + 2, 1.0), COINS, PRICE
    )
    names = lab.venue_names(count)
    for number, limit in enumerate(p.leverages):
        raw["population"][f"funds{number}"] = lab.desk(
            "value_fund", names[number * books : (number + 1) * books], 11, 1.0, 100.0,
            leverage=limit, benchmark=p.benchmark, noise=p.noise, rounds=p.rounds,
        )  # fmt: skip
    raw["record"]["every"] = 2
    return lab.scenario(raw)


def _returns(run: Run, books: range, rounds: int, settle: int) -> np.ndarray:
    """Absolute log returns from prices below value, of all these books."""
    found = []
    for number in books:
        last = run.column("last", book=run.books[number])[rounds::rounds][settle:]
        moves = np.abs(np.diff(np.log(last)))
        found.append(moves[last[:-1] < PRICE])
    return np.concatenate(found)


def hill(moves: np.ndarray, top: float = TOP) -> tuple[float, float]:
    """Hill's index of the largest share `top` of positive numbers, and its standard error."""
    moves = np.sort(moves[np.isfinite(moves) & (moves > 0)])[::-1]
    k = round(top * len(moves))
    if k < 10:
        return float("nan"), float("nan")
    index = 1.0 / float(np.mean(np.log(moves[:k] / moves[k])))
    return index, index / float(np.sqrt(k))
