"""The page that a figure is drawn on: its size, its title, its panels below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing
from experiments.run import Run


def page(
    run: Run,
    what: str,
    heights: Sequence[float],
    *,
    columns: int = 1,
    wide: float = drawing.WIDTH,
    **axes: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure with panels of these heights (inches), row by row; its title says what it shows, of which run."""
    figure = Figure(figsize=(wide, 0.9 + sum(heights)), dpi=drawing.DPI, layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=list(heights), **axes)
    name = run.config.get("title", "") or run.name
    figure.suptitle(what, x=0.01, ha="left", fontsize=12, fontweight="bold")
    # a title is anybody's text: no dollar sign of it begins mathematics
    figure.text(
        0.99, 1.0 - 0.09 / figure.get_figheight(), f"{name} (seed {run.seed})", ha="right", va="top",
        fontsize=7, color=drawing.muted(), parse_math=False,
    )  # fmt: skip
    return figure, list(np.asarray(grid).ravel())


def below(ax: Axes, run: Run) -> None:
    """The name of the time axis, under the last panel."""
    ax.set_xlabel(drawing.time_label(run), fontsize=8)


def remark(figure: Figure, text: str) -> None:
    """A short line of explanation under all panels."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7, color=drawing.muted())
