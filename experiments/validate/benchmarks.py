"""The benchmarks by name: what each takes, and the function that measures it.

A new one is a module with a parameter model and `rows(parameters, lab)`, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from abm.parameters import Frozen
from experiments.validate import (
    channels,
    dealer,
    impact,
    latency,
    leverage,
    overlap,
    race,
    seller,
    sharing,
    spreads,
    target,
)
from experiments.validate.lab import Lab
from experiments.validate.table import Row


class Benchmark(NamedTuple):
    """A published result: its paper in a word, its parameters, and what measures it."""

    paper: str
    parameters: type[Frozen]
    rows: Callable[[Any, Lab], list[Row]]


BENCHMARKS: dict[str, Benchmark] = {
    "B1": Benchmark("Cont, Stoikov and Talreja 2010, Table 3", race.Parameters, race.rows),
    "B3": Benchmark("Daniels et al. 2003; Smith et al. 2003", spreads.Parameters, spreads.rows),
    "B4": Benchmark("Avellaneda and Stoikov 2008", dealer.Parameters, dealer.rows),
    "B5": Benchmark("Thurner, Farmer and Geanakoplos 2012, signs", leverage.Parameters, leverage.rows),
    "B7": Benchmark("Aymanns, Caccioli, Farmer and Tan 2016, signs", target.Parameters, target.rows),
    "B8": Benchmark("Donier and Bonart 2015; Sato and Kanazawa 2024", impact.Parameters, impact.rows),
    "B9": Benchmark("Chitra 2025, arXiv 2512.01112", sharing.GapParameters, sharing.gap_rows),
    "B11": Benchmark("Campbell et al. 2026, arXiv 2603.15963", sharing.DrainParameters, sharing.drain_rows),
    "B15": Benchmark("Hautsch, Scheuch and Voigt 2024, signs", latency.Parameters, latency.rows),
    "B20": Benchmark("Gao et al. 2024; Vuorenmaa and Wang 2014, signs", seller.Parameters, seller.rows),
    "B21": Benchmark("M/M/1, Little 1961", channels.Parameters, channels.rows),
    "B22": Benchmark("Caccioli, Shrestha, Moore and Farmer 2014, signs", overlap.Parameters, overlap.rows),
}
