"""B20: one large seller in a calm order book: what makes its crash deep.

Gao et al. (2024, JASSS 27(2)8) and Vuorenmaa and Wang (2014): the fall grows with the seller's share of volume, and
shrinks with the makers' inventory limit and with how often fundamental traders trade. The signs are what is tested: the
same market, makers, noise and fundamentalists as anywhere, nobody levered, one metaorder (`agents.metaorders`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm.parameters import Frozen, parameter
from experiments import config
from experiments.config import Scenario
from experiments.run import Run
from experiments.validate import facts, lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row, unmeasured


class Parameters(Frozen):
    """The seller, and three levels of each of three things; the middle one of each is the base."""

    scenario: str = parameter("calm_small", "The calm market: two venues")
    book: str = parameter("alpha:BTC-PERP", "Where it sells")
    size: float = parameter(0.03, "What it sells", unit="share of the book's open interest", gt=0)
    participation: tuple[float, ...] = parameter((0.2, 0.5, 0.8), "Its share of volume", unit="share")
    inventory: tuple[float, ...] = parameter((2.0, 6.0, 20.0), "Makers' limit", unit="calm depth within 1 %")
    pause: tuple[float, ...] = parameter(
        (10.0, 120.0, 1200.0), "Time between two trades of a fundamentalist", unit="seconds"
    )
    minutes: float = parameter(60.0, "Time from the seller's begin in which the low is looked for", gt=1)
    seeds: int = parameter(8, "Seeds, the same for all", ge=2)


NAMES = {
    "participation": "fall rises with the seller's share of volume",
    "inventory": "fall shrinks with the makers' inventory limit",
    "pause": "fall rises with the time between fundamentalists' trades",
}
SIGNS = {"participation": 1, "inventory": -1, "pause": 1}


def rows(p: Parameters, work: Lab) -> list[Row]:
    """For each of the three: Spearman's correlation of the fall with the level, over all seeds."""
    if work.quick:
        why = "dozens of runs of an hour: not in a quick validation"
        return [
            unmeasured(f"B20.{number + 1}", name, 0.0, 1.0, why, unit="rank correlation", role="benchmark")
            for number, name in enumerate(NAMES.values())
        ]
    base = {name: getattr(p, name)[len(getattr(p, name)) // 2] for name in NAMES}
    cells = {"base": base}
    for name in NAMES:
        levels = getattr(p, name)
        for level in levels:
            if level != base[name]:
                cells[f"{name}-{level:g}"] = {**base, name: level}
    seeds = range(1, p.seeds + 1)
    runs = work.run("B20", {label: scenario(p, cell) for label, cell in cells.items()}, seeds)
    falls = {label: np.array([fall(run, p) for run in of]) for label, of in runs.items()}
    found = []
    for number, name in enumerate(NAMES):
        of = {
            cells[label][name]: falls[label] for label in cells if label == "base" or label.startswith(name)
        }
        levels = np.array(sorted(of))
        value = SIGNS[name] * facts.rank_correlation(
            np.repeat(levels, len(seeds)), np.concatenate([of[level] for level in levels])
        )
        told = ", ".join(f"{level:g}: {np.median(of[level]):.2f} %" for level in levels)
        found.append(
            row(f"B20.{number + 1}", NAMES[name], [value], least(len(levels) * len(seeds)), 1.0,
                unit="rank correlation", role="benchmark", why=f"median fall {told}; {len(seeds)} seeds")
        )  # fmt: skip
    return found


def least(n: int) -> float:
    """The rank correlation that a coin toss exceeds once in twenty (one-sided)."""
    return 1.645 / float(np.sqrt(n - 1))


def scenario(p: Parameters, cell: Mapping[str, float]) -> Scenario:
    """The calm market without leverage, with fundamentalists and the seller."""
    first = 600.0
    raw = config.plain(config.load(p.scenario, [("clock.duration", str(first + 60.0 * p.minutes))]))
    people: dict[str, Any] = raw["population"]
    kept = {
        name: copy.deepcopy(entry)
        for name, entry in people.items()
        if entry["species"] in ("exchange", "noise")
    }
    kept["makers"] = copy.deepcopy(
        next(entry for entry in people.values() if entry["species"] == "market_maker")
    )
    kept["makers"] |= {"inventory": cell["inventory"], "loss_limit": 1.0}
    kept["arbitrageurs"] = copy.deepcopy(next(e for e in people.values() if e["species"] == "arbitrageur"))
    kept["fundamentalists"] = {
        "species": "fundamentalist", "lag": 5.0, "pace": 1.0, "look": cell["pause"], "scale": 0.01, "memory": 8.0,
        "capital": 0.02,
        "opening": {"kind": "desk", "accounts": 6, "cash": {"major": 0.1}},
    }  # fmt: skip
    venue, _, what = p.book.partition(":")
    kept["seller"] = {
        "species": "metaorders", "sizes": [p.size], "first": first, "most": 1, "duration": 60.0 * p.minutes,
        "participation": cell["participation"], "side": -1,
        "opening": {
            "kind": "desk", "accounts": 1, "venues": [venue], "coins": [what.rpartition("-")[0]], "cash": {"major": 1.0}
        },
    }  # fmt: skip
    for side in ("long", "short"):  # the rest of the open interest: unlevered, and does nothing
        kept[f"holders_{side}"] = {
            "species": f"leveraged_{side}", "stop_share": 0.0, "add_share": 0.0, "profit_share": 0.0, "fear": 0.0,
            "hold": 1.0e6,
            "opening": {"kind": "directional", "side": side, "accounts": 50, "rest": True},
        }  # fmt: skip
    raw["population"] = kept
    raw["record"] = {"every": 1, "books": [p.book], "accounts_at": []}
    return lab.scenario(raw)


def fall(run: Run, p: Parameters) -> float:
    """From the price when the seller begins to the lowest trade, %."""
    last, low = run.column("last", book=p.book), run.column("low", book=p.book)
    begin = np.searchsorted(run.time, 600.0)
    return 100.0 * (1.0 - float(np.nanmin(low[begin:])) / float(last[begin]))
