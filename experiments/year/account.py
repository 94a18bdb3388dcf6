"""The account of the year: totals of all days, weighted by how many of each regime there were, with intervals.

A total is the sum over regimes of (days of the regime in 2025) x (mean of the simulated days of it). Intervals are 95 %
of a bootstrap that draws days again within each regime; with one day a regime there is none. The model's market is a
small one, so everything is a share of open interest; dollars are those shares at the open interest before October (P2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.scorecard import number
from experiments.year.days import Day
from experiments.year.regimes import EVENT, Regime

DRAWS = 2000
OPEN_INTEREST = (
    218e9  # USD, row P2; assumption: all year (the article: 235.9 B on 7 October, 145.1 B at its end)
)
ARTICLE_VOLUME = 264.5e9 * 324  # USD: 85.7 T, the article's volume a day on the days that it covers
ARTICLE_LIQUIDATED = 150e9
EVENT_LIQUIDATED = 19.2e9  # row P3a

Sample = Mapping[str, Sequence[Day]]  # days by regime
Estimate = Callable[[Sample], float]
Table = dict[str, Any]


class Line(NamedTuple):
    """One quantity of the year; `article` is what the article says of it, None where it says nothing."""

    id: str
    name: str
    unit: str
    estimate: Estimate
    article: float | None = None


def account(regimes: Sequence[Regime], sample: Sample) -> Table:
    """The year's quantities and regimes, JSON-safe: {"rows": [...], "regimes": [...]}.

    A row has id, name, unit, value, low, high (95 %; None with one day a regime), article. Raises ValueError where a
    regime of the year has no simulated day.
    """
    missing = [regime.name for regime in regimes if not sample.get(regime.name)]
    if missing:
        raise ValueError(f"no finished day of {', '.join(missing)}")
    draw = np.random.default_rng(1)
    again = [_drawn(sample, draw) for _ in range(DRAWS)]
    repeated = all(len(days) > 1 for days in sample.values())
    rows = []
    for line in _lines(regimes):
        low, high = None, None
        if repeated:
            low, high = (
                float(end) for end in np.nanquantile([line.estimate(one) for one in again], (0.025, 0.975))
            )
        value = line.estimate(sample)
        rows.append(
            {"id": line.id, "name": line.name, "unit": line.unit, "value": value if np.isfinite(value) else None,
             "low": low, "high": high, "article": line.article}
        )  # fmt: skip
    return {"rows": rows, "regimes": [_regime(regime, sample[regime.name]) for regime in regimes]}


def _drawn(sample: Sample, draw: np.random.Generator) -> dict[str, list[Day]]:
    return {
        name: [days[i] for i in draw.integers(len(days), size=len(days))] for name, days in sample.items()
    }


def _lines(regimes: Sequence[Regime]) -> list[Line]:
    routine = [regime for regime in regimes if regime.name != EVENT]
    event = [regime for regime in regimes if regime.name == EVENT]

    def total(what: str, over: Sequence[Regime] = regimes) -> Estimate:
        def of(sample: Sample) -> float:
            return sum(one.days * _mean(sample[one.name], what) for one in over)

        return of

    def days_with_adl(over: Sequence[Regime]) -> Estimate:
        return lambda sample: sum(
            one.days * float(np.mean([day.adl > 0 for day in sample[one.name]])) for one in over
        )

    forced, volume = total("liquidated"), total("volume")
    share = _over(forced, volume)
    in_billions, in_trillions = OPEN_INTEREST / 1e9, OPEN_INTEREST / 1e12
    return [
        Line("ratio", "liquidations over volume", "%", _times(share, 100), 100 * ARTICLE_LIQUIDATED / ARTICLE_VOLUME),
        Line("liquidated", "liquidations, at 218 B$ of open interest", "B$", _times(forced, in_billions), 150.0),
        Line("volume", "volume, at 218 B$ of open interest", "T$", _times(volume, in_trillions), ARTICLE_VOLUME / 1e12),
        Line("at volume", "liquidations, at the article's volume", "B$", _times(share, ARTICLE_VOLUME / 1e9), 150.0),
        Line("october", "share of the year's liquidations on 10 October", "%",
             _times(_over(total("liquidated", event), forced), 100), 100 * EVENT_LIQUIDATED / ARTICLE_LIQUIDATED),
        Line("longs", "longs among the liquidated", "%", _times(_over(total("longs"), forced), 100)),
        Line("adl days", "routine days with ADL", "days", days_with_adl(routine)),
        Line("adl routine", "ADL over liquidations, routine days", "%",
             _times(_over(total("adl", routine), total("liquidated", routine)), 100)),
        Line("adl october", "ADL over liquidations, 10 October", "%",
             _times(_over(total("adl", event), total("liquidated", event)), 100)),
        Line("takeover", "taken over by funds, of routine liquidations", "%",
             _times(_over(total("takeover", routine), total("liquidated", routine)), 100)),
        Line("funds", "change of the funds over all routine days", "% of them", _times(total("funds", routine), 100)),
        Line("funds october", "change of the funds on 10 October", "% of them", _times(total("funds", event), 100)),
    ]  # fmt: skip


def _mean(days: Sequence[Day], what: str) -> float:
    return float(np.mean([getattr(day, what) for day in days]))


def _over(above: Estimate, below: Estimate) -> Estimate:
    return lambda sample: above(sample) / below(sample) if below(sample) > 0 else float("nan")


def _times(estimate: Estimate, factor: float) -> Estimate:
    return lambda sample: factor * estimate(sample)


def _regime(regime: Regime, days: Sequence[Day]) -> Table:
    return {
        "name": regime.name,
        "days": regime.days,
        "simulated": len(days),
        "measured_volatility": 100 * regime.volatility,
        "volatility": 100 * float(np.sqrt(np.mean([day.volatility**2 for day in days]))),
        **{
            what: 100 * _mean(days, what)
            for what in ("volume", "liquidated", "longs", "shorts", "takeover", "adl", "funds", "interest")
        },
        "adl_days": sum(day.adl > 0 for day in days),
    }


def markdown(table: Table) -> str:
    """The account for people: the year beside the article, then the regimes, then what was done."""
    lines = [
        "# A year of liquidations",
        "",
        "| quantity | model | 95 % | article (P1, P3) | unit |",
        "|---|---:|---:|---:|---|",
    ]
    for row in table["rows"]:
        band = "-" if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"
        lines.append(
            f"| {row['name']} | **{number(row['value'])}** | {band} | {number(row['article'])} | {row['unit']} |"
        )
    lines += [
        "",
        "Regimes: days of 2025 by BTC's measured volatility a day; all else is of the simulated days, % of open"
        " interest a day (funds: % of the funds).",
        "",
        "| regime | days of 2025 | simulated | measured volatility, % | model's, % | volume | liquidated | longs"
        " | taken over | ADL | days with ADL | funds |",
        "|---|" + "---:|" * 11,
    ]
    for one in table["regimes"]:
        shown = ("measured_volatility", "volatility", "volume", "liquidated", "longs", "takeover", "adl")
        cells = [one["name"], one["days"], one["simulated"], *(number(one[name]) for name in shown)]
        cells += [f"{one['adl_days']} of {one['simulated']}", number(one["funds"])]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in table.get("notes", ()))]) + "\n"
