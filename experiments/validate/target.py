"""B7: leverage targets and the cycle of risk: Aymanns, Caccioli, Farmer and Tan (2016), in books that are called.

A bank under value at risk and a fund that knows value trade one coin (`agents.leverage_target`); each book is a market
of its own. Only the order of three regions is tested: as the target rises prices rest near value, then swing in cycles
that the bank survives, then nothing holds; and a bank that goes more slowly to the same target swings less.
"""

from __future__ import annotations

import numpy as np

from abm.parameters import Frozen, parameter
from agents.leverage_target import FAILED
from experiments.run import Run
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

PRICE, COINS = 100.0, 1000.0
BROKEN = 1.0  # log distance from value at which a market is over though the bank lives


class Parameters(Frozen):
    """Three targets, one in each region, the bank's pace, and a faster one."""

    alphas: tuple[float, float, float] = parameter(
        (0.02, 0.07, 0.25), "alpha: three targets, rising", unit="1"
    )
    pace: float = parameter(0.1, "theta", unit="per call", gt=0, le=1)
    fast: float = parameter(
        0.3, "theta of a bank that goes faster to the middle target", unit="per call", gt=0, le=1
    )
    exponent: float = parameter(-0.5, "b: -1/2 = value at risk", unit="1")
    swing: float = parameter(2.0, "Swings of the middle over those of the lowest, at least", unit="1", gt=1)
    markets: int = parameter(20, "Markets of each", ge=4)
    calls: int = parameter(2000, "Calls; the second half is measured", ge=100)


def rows(p: Parameters, work: Lab) -> list[Row]:
    """Swings and failures of the four cells, then the order of the regions."""
    markets, calls = (6, 600) if work.quick else (p.markets, p.calls)
    cells = [(alpha, p.pace) for alpha in p.alphas] + [(p.alphas[1], p.fast)]
    run = work.run("B7", {"banks": _scenario(p, cells, markets, calls)}, [1])["banks"][0]
    swings, over, found = [], [], []
    for number, (alpha, pace) in enumerate(cells):
        books = run.books[number * markets : (number + 1) * markets]
        measured = [_swing(run, book) for book in books]
        gone = np.array(
            [book in _failed(run) or far > BROKEN for book, (_, far) in zip(books, measured, strict=True)]
        )
        alive = np.array([swing for swing, _ in measured])[~gone]
        swings.append(float(np.median(alive)) if len(alive) else float("inf"))
        over.append(float(gone.mean()))
        found.append(
            row(f"B7.{number + 1}", f"swings of the log price, alpha {alpha:g}, pace {pace:g}", [swings[-1]], -lab.ANY,
                lab.ANY, role="cell", why=f"{over[-1]:.0%} of {markets} markets do not hold")
        )  # fmt: skip
    low, middle, high, fast = range(4)
    wilder = swings[fast] / swings[middle] - 1.0 if over[fast] < 1 else 0.0
    return [
        *found,
        row("B7.a", "lowest target: markets that do not hold", [over[low]], 0.0, 0.05, unit="share", role="benchmark"),
        row("B7.b", "middle target: swings over those of the lowest", [swings[middle] / swings[low]], p.swing, lab.ANY,
            role="benchmark", holds=over[middle] <= 0.5, why=f"{over[middle]:.0%} do not hold, at most half may"),
        row("B7.c", "highest target: markets that do not hold", [over[high]], 0.9, 1.0, unit="share",
            role="benchmark"),
        row("B7.d", "a faster bank at the middle target: more swings, or more markets that do not hold",
            [max(over[fast] - over[middle], wilder)], 0.05, lab.ANY, role="benchmark",
            why=f"{over[fast]:.0%} against {over[middle]:.0%} do not hold"),
    ]  # fmt: skip


def _scenario(p: Parameters, cells: list[tuple[float, float]], markets: int, calls: int) -> lab.Scenario:
    count = markets * len(cells)
    raw = lab.called(lab.plain_books(count, PRICE, 0.001, 0.001, 2 * calls, 1.0), COINS, PRICE)
    names = lab.venue_names(count)
    for number, (alpha, pace) in enumerate(cells):
        raw["population"][f"banks{number}"] = lab.desk(
            "leverage_target", names[number * markets : (number + 1) * markets], 2, 1.0, 100.0,
            alpha=alpha, pace=pace, exponent=p.exponent,
        )  # fmt: skip
    raw["record"]["every"] = 2
    return lab.scenario(raw)


def _swing(run: Run, book: str) -> tuple[float, float]:
    """Deviation of the log price, and its largest distance from value, in the second half."""
    last = np.log(run.column("last", book=book) / PRICE)
    last = last[np.isfinite(last)]
    half = last[len(last) // 2 :]
    return float(half.std()), float(np.abs(last).max())


def _failed(run: Run) -> set[str]:
    """Books whose bank has failed."""
    seen = run.observations()
    return set() if not seen else set(np.asarray(seen["book"])[np.asarray(seen["what"]) == FAILED].tolist())
