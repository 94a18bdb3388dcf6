"""The picture of the year: how often each regime was, what a day of it costs, and what the year adds up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments import drawing
from experiments.year.account import Table
from experiments.year.days import Day
from experiments.year.regimes import BOUNDS, daily_volatility


def figure(table: Table, sample: Mapping[str, Sequence[Day]]) -> Figure:
    """Three panels: measured days, simulated days, the year by regime."""
    page = Figure(figsize=(drawing.WIDTH, 9.0), dpi=drawing.DPI, layout="constrained")
    top, middle, bottom = page.subplots(3, 1, height_ratios=[1.0, 1.2, 1.0])
    names = [one["name"] for one in table["regimes"]]
    colours = {name: _shade(i, len(names)) for i, name in enumerate(names)}

    _, volatility = daily_volatility()
    edges = np.linspace(0.0, float(volatility.max()) * 1.02, 70)
    for name, low, high in BOUNDS:
        there = 100 * volatility[(volatility >= low) & (volatility < high)]
        top.hist(there, 100 * edges, color=colours[name], label=f"{name}")
    top.axvline(100 * float(volatility.max()), color=drawing.ink(), linewidth=0.8, linestyle=":")
    top.annotate(
        "10 October",
        (100 * float(volatility.max()), 0.0),
        (-4, 30),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    drawing.label(top, "BTC's volatility on the days of 2025, by their range (measured)", "days")
    top.set_xlabel("% a day")
    drawing.legend(top, columns=5)

    for place, name in enumerate(names):
        for what, side, colour in (("longs", -0.12, drawing.BID), ("shorts", 0.12, drawing.ASK)):
            values = 100 * np.array([getattr(day, what) for day in sample[name]])
            x = np.full(len(values), place + side)
            middle.scatter(x, np.maximum(values, 1e-3), s=18, color=colour, alpha=0.8,
                           label=f"{what} liquidated" if place == 0 else None)  # fmt: skip
    middle.set_yscale("log")
    middle.set_xticks(range(len(names)), names)
    drawing.label(middle, "Liquidated on each simulated day (0.001 % stands for none)", "% of open interest")
    drawing.legend(middle, columns=2)

    whole = sum(one["days"] * one["liquidated"] for one in table["regimes"])
    shares = [100 * one["days"] * one["liquidated"] / whole if whole else 0.0 for one in table["regimes"]]
    bottom.bar(range(len(names)), shares, color=[colours[name] for name in names])
    for place, one in enumerate(table["regimes"]):
        days = f"{one['days']} days" if one["days"] != 1 else "1 day"
        bottom.annotate(
            days, (place, shares[place]), (0, 3), textcoords="offset points", ha="center", fontsize=8
        )
    bottom.set_xticks(range(len(names)), names)
    bottom.margins(y=0.15)
    drawing.label(bottom, "Where the year's liquidations fall", "% of the year")
    ratio = next(row for row in table["rows"] if row["id"] == "ratio")
    known = ratio["low"] is not None and ratio["high"] is not None
    interval = f", {ratio['low']:.2g} to {ratio['high']:.2g}" if known else ", too few days for an interval"
    page.suptitle(
        f"A year of the model: liquidations {ratio['value']:.3g} % of volume{interval} "
        f"(article: {ratio['article']:.3g} %)",
        x=0.01, ha="left", fontsize=12, fontweight="bold",
    )  # fmt: skip
    return page


def _shade(place: int, of: int) -> tuple[float, float, float]:
    """From light to dark orange."""
    light, dark = np.array([0.98, 0.85, 0.60]), np.array([0.70, 0.20, 0.05])
    red, green, blue = light + (dark - light) * place / max(of - 1, 1)
    return float(red), float(green), float(blue)
