"""B3: the spread of a zero-intelligence book: Daniels et al. (2003), Smith et al. (2003), from the order book.

With market orders at a rate mu in all, limit orders at alpha a price and side, and deaths at delta, the mean spread
over mu / alpha depends on u = delta sigma / mu and on the tick dp alpha / mu alone. Published is the exponent 3/4 of
u; the values in units of mu / alpha are those of two independent simulations of the same equations, written for
comparison.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import curve_fit

from abm.parameters import Frozen, parameter
from experiments import readings
from experiments.run import Run
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

KNOWN: dict[tuple[float, float], tuple[float, float]] = {  # (u, tick): lowest and highest of the simulations
    (0.01, 0.01): (0.25, 0.25), (0.02, 0.01): (0.27, 0.27), (0.05, 0.01): (0.32, 0.32), (0.10, 0.01): (0.38, 0.38),
    (0.20, 0.01): (0.50, 0.50), (0.02, 0.10): (0.32, 0.32), (0.02, 0.50): (0.56, 0.62),
}  # fmt: skip
MU = 60.0  # market orders a minute, both sides: one a second, so that mu is the unit of time
SPAN = 3.0  # limit orders reach so many mu / alpha beyond the opposite best quote
LIVES = 6.0  # a book settles for so many lives of an order before it is measured


class Parameters(Frozen):
    """Cells (u, tick) of the law, replications, and the step."""

    cells: tuple[tuple[float, float], ...] = parameter(
        tuple(KNOWN), "Death delta sigma / mu, and tick dp alpha / mu", unit="1"
    )
    books: int = parameter(12, "Books of each cell", ge=1)
    time: float = parameter(1200.0, "Time that is measured", unit="1 / mu", gt=10)
    step: float = parameter(0.1, "Step", unit="1 / mu", gt=0, le=1)
    tolerance: float = parameter(0.05, "Largest difference accepted", unit="share", ge=0)


def rows(parameters: Parameters, work: Lab) -> list[Row]:
    """The spread of each cell, and the exponent of u."""
    p = parameters
    cells = [cell for cell in p.cells if cell[1] >= 0.01]
    if work.quick:
        cells = [cell for cell in cells if cell[0] >= 0.05 or cell[1] >= 0.5] or cells[:1]
    spreads: dict[tuple[float, float], np.ndarray] = {}
    for cell in cells:
        run = work.run("B3", {f"u{cell[0]:g}-tick{cell[1]:g}": _scenario(p, cell, work.quick)}, [1])
        spreads[cell] = _spreads(next(iter(run.values()))[0], cell)
    found = []
    for number, cell in enumerate(cells):
        value, error = spreads[cell].mean(), spreads[cell].std(ddof=1) / np.sqrt(len(spreads[cell]))
        why = f"{len(spreads[cell])} books, standard error {error:.3f}"
        name = f"mean spread over mu / alpha: u {cell[0]:g}, tick {cell[1]:g}"
        if cell in KNOWN:
            low, high = KNOWN[cell]
            low, high = (
                low * (1 - p.tolerance) - 0.005,
                high * (1 + p.tolerance) + 0.005,
            )  # printed to two decimals
            found.append(
                row(
                    f"B3.{number + 1}",
                    name,
                    [value],
                    low,
                    high,
                    central=np.mean(KNOWN[cell]),
                    role="benchmark",
                    why=why,
                )
            )
        else:
            found.append(row(f"B3.{number + 1}", name, [value], -lab.ANY, lab.ANY, role="cell", why=why))
    fine = sorted(cell for cell in cells if cell[1] == min(c[1] for c in cells))
    if len(fine) >= 4:
        u, s = np.array([cell[0] for cell in fine]), np.array([spreads[cell].mean() for cell in fine])
        error = np.array([spreads[cell].std(ddof=1) / np.sqrt(p.books) for cell in fine])
        fitted, _ = curve_fit(lambda x, a, b, c: a + b * x**c, u, s, (0.2, 1.0, 0.75), error, maxfev=20_000)
        found.append(
            row("B3.e", "exponent of u in the spread", [fitted[2]], 0.65, 0.85, central=0.75, role="benchmark",
                why=f"{fitted[0]:.3f} + {fitted[1]:.2f} u^c")
        )  # fmt: skip
    same = [cell for cell in cells if cell[0] == 0.02]
    if len(same) > 1:
        at = [spreads[cell].mean() for cell in sorted(same, key=lambda cell: cell[1])]
        found.append(
            row("B3.t", "spread rises with the tick, smallest rise", [float(np.diff(at).min())], 0.0, lab.ANY,
                role="benchmark")
        )  # fmt: skip
    return found


def _scenario(p: Parameters, cell: tuple[float, float], quick: bool) -> lab.Scenario:
    u, tick = cell
    time = 200.0 if quick else p.time
    settle = LIVES / u
    steps, before = round(time / p.step), round(settle / p.step)
    levels = max(round(SPAN / tick), 6)
    raw = lab.plain_books(4 if quick else p.books, 1000.0, 0.01, 1.0, steps, p.step, before)
    raw["population"]["crowd"] = lab.desk(
        "zero_intelligence", [], 2, 0.5, 0.5,
        # a tick is `tick` of mu / alpha: so many limit orders a second at each price
        limit_rates=[MU * tick], reach=levels, cancel_rates=[MU * u], market_rate=MU / 2,
        room=int(1.5 * SPAN / u + 6 * np.sqrt(SPAN / u) + 30),
    )  # fmt: skip
    raw["record"]["every"] = max(round(1.0 / p.step), 1)
    return lab.scenario(raw)


def _spreads(run: Run, cell: tuple[float, float]) -> np.ndarray:
    """Mean spread of every book, in mu / alpha."""
    ticks = []
    for name in readings.books(run, "SPOT"):
        wide = run.column("ask", book=name) - run.column("bid", book=name)
        ticks.append(float(np.nanmean(wide)) / 0.01)
    return np.array(ticks) * cell[1]
