"""From a study's design to its cells: which combinations of factor values are run.

Sampled designs live in the unit cube and are turned into values by each factor; the places are kept, because the
indices of Morris and Saltelli are computed from them.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.sweep.factors import Factor, Value
from experiments.sweep.study import SAMPLED, Study

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One combination of values; `place` in the unit cube where the design is sampled."""

    number: int
    values: Mapping[str, Value]
    place: tuple[float, ...] = ()


def cells(study: Study) -> list[Cell]:
    """All cells of a study, in the design's order; a sampled design may name one combination twice."""
    if study.design.kind in SAMPLED:
        unit = places(study)
        return [
            Cell(
                number,
                {
                    name: factor.at(float(u))
                    for (name, factor), u in zip(study.factors.items(), row, strict=True)
                },
                tuple(float(u) for u in row),
            )
            for number, row in enumerate(unit)
        ]
    return [Cell(number, values) for number, values in enumerate(_combinations(study))]


def _combinations(study: Study) -> list[dict[str, Value]]:
    factors = study.factors
    if study.design.kind == "list":
        return [{name: cell[name] for name in factors} for cell in study.cells]
    if study.design.kind == "one_at_a_time":
        return star(factors)
    choices = [
        list(dict.fromkeys(factor.ends())) if study.design.kind == "factorial" else list(factor.all)
        for factor in factors.values()
    ]
    return [dict(zip(factors, chosen, strict=True)) for chosen in itertools.product(*choices)]


def star(factors: Mapping[str, Factor]) -> list[dict[str, Value]]:
    """The middle, and from there each factor through all its values, the others as they are in the middle."""
    middle = {name: factor.all[0] if factor.base is None else factor.base for name, factor in factors.items()}
    found = [middle]
    for name, factor in factors.items():
        found += [{**middle, name: value} for value in factor.all if value != middle[name]]
    return found


def problem(study: Study) -> dict[str, Any]:
    """The unit cube in the words of SALib."""
    names = list(study.factors)
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def places(study: Study) -> Floats:
    """Places of a sampled design in the unit cube, [cells, factors]."""
    design, number = study.design, len(study.factors)
    if design.kind == "latin":
        from scipy.stats import qmc

        return np.asarray(qmc.LatinHypercube(number, rng=design.seed).random(design.samples))
    if design.kind == "sobol":
        from scipy.stats import qmc

        return np.asarray(qmc.Sobol(number, rng=design.seed).random(design.samples))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if design.kind == "morris":
            from SALib.sample import morris

            return np.asarray(
                morris.sample(problem(study), design.trajectories, num_levels=design.levels, seed=design.seed)
            )
        from SALib.sample import sobol

        return np.asarray(
            sobol.sample(problem(study), design.samples, calc_second_order=False, seed=design.seed)
        )


def block(study: Study) -> int:
    """Cells that belong together in a design of Morris or Saltelli: with one missing, all are of no use."""
    number = len(study.factors)
    return {"morris": number + 1, "saltelli": number + 2}.get(study.design.kind, 1)
