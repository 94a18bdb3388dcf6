"""Figures of a sweep: heat maps with intervals and the border, main effects, indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import DPI, PALETTE, WIDTH, ink, muted
from experiments.scorecard import number
from experiments.sweep import effects
from experiments.sweep.outcomes import labelled
from experiments.sweep.study import Study

BINS = 6  # of a sampled factor on an axis of a heat map
MOST_PANELS = 4


def name_of(study: Study, factor: str) -> str:
    """A factor in words, with its unit."""
    about, unit = study.factors[factor].about or factor, study.factors[factor].unit
    return f"{about}, {unit}" if unit else about


def outcome_of(study: Study, outcome: str) -> str:
    """An outcome in words, with its unit."""
    about, unit = labelled(outcome, study.outcomes[outcome])
    return f"{about}, {unit}" if unit else about


def value_of(value: Any) -> str:
    return number(value) if isinstance(value, (int, float)) else str(value)


def binned(table: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """The table with sampled factors cut into bins of equal counts, named by their middles."""
    table = table.copy()
    for factor in factors:
        values = table[factor]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 2 * BINS:
            parts = pd.qcut(values, BINS, duplicates="drop")
            table[factor] = parts.map(lambda part: part.mid).astype(float)
    return table


def heat_map(study: Study, table: pd.DataFrame, outcome: str, across: str, up: str) -> tuple[Figure, str]:
    """Medians with their intervals over two factors, a panel for each value of a third; and what was pooled, in words.

    With other factors than these three, or a sampled third one, the runs of all their values are one cell.
    """
    rest = [factor for factor in study.factors if factor not in (across, up)]
    panels = rest if len(rest) == 1 and 1 < table[rest[0]].nunique() <= MOST_PANELS else []
    table = binned(effects.known(table, outcome), [across, up])
    cells = effects.cells(table, [*panels, up, across], outcome, (0.5,))
    choices: list[Any] = list(dict.fromkeys(cells[panels[0]])) if panels else [None]
    columns, lines = _in_order(table[across]), _in_order(table[up])
    most = float(cells["q50"].max())
    figure = Figure(
        figsize=(
            max(WIDTH * len(choices) / 3, 0.95 * len(columns) * len(choices) + 2),
            0.62 * len(lines) + 1.6,
        ),
        layout="constrained",
    )
    axes = figure.subplots(1, len(choices), squeeze=False)
    image: Any = None
    for ax, choice in zip(axes[0], choices, strict=True):
        mine = cells if choice is None else cells[cells[panels[0]] == choice]
        image = _tiles(ax, mine, across, up, columns, lines, most)
        if choice is not None:
            ax.set_title(f"{name_of(study, panels[0])}: {value_of(choice)}", fontsize=8, loc="left")
        ax.set_xlabel(name_of(study, across), fontsize=8)
        _border(ax, study, table, outcome, across, up, panels, choice, columns, lines)
    axes[0][0].set_ylabel(name_of(study, up), fontsize=8)
    title = f"{outcome_of(study, outcome)}: median and its 95 % interval"
    letters = int(14 * figure.get_figwidth())  # of a line
    figure.suptitle("\n".join(wrap(title, letters)), fontsize=9, x=0.01, ha="left")
    bar = figure.colorbar(image, ax=list(axes[0]), shrink=0.9)
    bar.ax.tick_params(labelsize=7)
    pooled = [name_of(study, factor) for factor in rest if factor not in panels]
    return figure, f"pooled over {' and '.join(pooled)}" if pooled else ""


def _in_order(values: pd.Series) -> list[Any]:
    found = list(dict.fromkeys(values))
    return sorted(found) if pd.api.types.is_numeric_dtype(values) else found


def _tiles(
    ax: Axes, cells: pd.DataFrame, across: str, up: str, columns: list[Any], lines: list[Any], most: float
) -> Any:
    middle = np.full((len(lines), len(columns)), np.nan)
    for _, cell in cells.iterrows():
        y, x = lines.index(cell[up]), columns.index(cell[across])
        middle[y, x] = cell["q50"]
        dark = most > 0 and cell["q50"] > 0.55 * most
        colour = "white" if dark else ink()
        ax.text(x, y + 0.02, number(cell["q50"]), ha="center", va="bottom", fontsize=8, color=colour)
        band = f"{number(cell['q50_low'])} to {number(cell['q50_high'])}"
        ax.text(x, y - 0.08, band, ha="center", va="top", fontsize=6, color=colour)
    low = min(0.0, float(np.nanmin(middle))) if np.isfinite(middle).any() else 0.0
    image = ax.imshow(
        middle, origin="lower", aspect="auto", cmap="Blues", vmin=low, vmax=most if most > low else low + 1.0
    )
    ax.set_xticks(range(len(columns)), [value_of(value) for value in columns], fontsize=7)
    ax.set_yticks(range(len(lines)), [value_of(value) for value in lines], fontsize=7)
    return image


def _border(
    ax: Axes, study: Study, table: pd.DataFrame, outcome: str, across: str, up: str, panels: list[str],
    choice: Any, columns: list[Any], lines: list[Any],
) -> None:  # fmt: skip
    """The phase boundary with its interval, where this map shows the outcome and the factor that it is about."""
    wanted = study.report.boundary
    if wanted is None or wanted.outcome != outcome or wanted.along not in (up, across):
        return
    other = across if wanted.along == up else up
    mine = table if choice is None else table[table[panels[0]] == choice]
    found = effects.boundary(
        mine, [other, wanted.along], outcome, wanted.along, wanted.level, wanted.quantile
    )
    if found.empty or not found["at"].notna().any():
        return
    scale, places = (lines, columns) if wanted.along == up else (columns, lines)
    at = [places.index(value) for value in found[other]]
    points = {name: np.interp(found[name], scale, np.arange(len(scale))) for name in ("at", "low", "high")}
    points["at"] = np.where(found["at"].notna(), points["at"], np.nan)
    spread = np.abs(np.array([points["at"] - points["low"], points["high"] - points["at"]]))
    order = np.argsort(at)
    xs, ys = np.array(at)[order], points["at"][order]
    style: dict[str, Any] = {
        "color": PALETTE[0],
        "marker": "o",
        "markersize": 3,
        "linewidth": 1.4,
        "capsize": 3,
    }
    beside = -0.4  # of the tile's middle, where the numbers are
    if wanted.along == up:
        ax.errorbar(xs + beside, ys, yerr=spread[:, order], **style)
    else:
        ax.errorbar(ys, xs + beside, xerr=spread[:, order], **style)


def main_effects(study: Study, table: pd.DataFrame, outcome: str) -> Figure:
    """Median over all runs at each value of each factor."""
    found = effects.main_effects(table, list(study.factors), outcome)
    number_of = len(study.factors)
    columns = min(number_of, 4)
    lines = math.ceil(number_of / columns)
    figure = Figure(figsize=(WIDTH, 2.4 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for ax in axes.ravel()[number_of:]:
        ax.set_visible(False)
    for ax, factor in zip(axes.ravel(), study.factors, strict=False):
        mine = found[found["factor"] == factor]
        numbers = all(isinstance(value, (int, float)) for value in mine["value"])
        few = len(mine) <= 6
        x = np.arange(len(mine)) if few or not numbers else mine["value"].to_numpy(dtype=float)
        spread = np.abs(np.array([mine["median"] - mine["low"], mine["high"] - mine["median"]]))
        ax.errorbar(
            x, mine["median"], yerr=spread, color=PALETTE[1], marker="o", markersize=3, capsize=3,
            linestyle="-" if numbers else "none", linewidth=1.2,
        )  # fmt: skip
        if few or not numbers:
            letters = max(int(14 * WIDTH / columns / len(mine)), 5)  # of a line
            words = [value_of(value).replace("_", " ") for value in mine["value"]]
            ax.set_xticks(x, ["\n".join(wrap(word, letters)) for word in words], fontsize=7)
        ax.set_xlabel(name_of(study, factor), fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        ax.tick_params(labelsize=7)
    for line in axes:
        line[0].set_ylabel("median", fontsize=8)
    figure.suptitle(outcome_of(study, outcome), fontsize=9, x=0.01, ha="left")
    return figure


def indices(study: Study, found: pd.DataFrame, outcome: str) -> Figure:
    """Morris: size against spread of effects. Sobol: first and total index of each factor."""
    figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    ax = figure.subplots()
    names = [name_of(study, factor) for factor in found["factor"]]
    if "mu_star" in found:
        for i, line in enumerate(found.itertuples()):
            colour = PALETTE[i % len(PALETTE)]
            ax.errorbar(
                line.mu_star, line.sigma, xerr=max(line.high - line.mu_star, 0.0), marker="o", color=colour,
                capsize=3, linestyle="none", label=names[i],
            )  # fmt: skip
        ax.set_xlabel("mean size of an elementary effect", fontsize=8)
        ax.set_ylabel("its spread: curvature, interaction", fontsize=8)
        ax.legend(fontsize=7, frameon=False)
    else:
        places = np.arange(len(found))
        for shift, which, colour in ((-0.17, "first", PALETTE[1]), (0.17, "total", PALETTE[0])):
            half = (found[f"{which}_high"] - found[which]).clip(lower=0)
            ax.bar(places + shift, found[which], 0.3, yerr=half, color=colour, capsize=3, label=which)
        ax.axhline(0, color=muted(), linewidth=0.8)
        ax.set_xticks(places, names, fontsize=7)
        ax.set_ylabel("share of the variance of medians", fontsize=8)
        ax.legend(fontsize=7, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7)
    ax.set_title(outcome_of(study, outcome), fontsize=9, loc="left")
    return figure


def save(figure: Figure, path: Any) -> None:
    figure.savefig(path, dpi=DPI)
