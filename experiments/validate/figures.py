"""Figures of a validation: the calm market's laws, and benchmarks against what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments import drawing
from experiments.readings import Unmeasured
from experiments.run import RunError
from experiments.snapshots import SnapshotError
from experiments.validate import facts as estimators
from experiments.validate import stylized
from experiments.validate.stylized import Calm
from experiments.validate.table import Row, group


def facts(seeds: Sequence[Calm], folder: Path) -> Path:
    """Tail of returns, their memory, that of signs, and the mean book, a line a seed; writes facts.png."""
    figure = Figure(figsize=(drawing.WIDTH, 6.5), dpi=drawing.DPI, layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    titles = (
        "one-minute returns over their deviation: share beyond",
        "autocorrelation of absolute returns, minutes",
        "autocorrelation of trade signs, trades",
        "mean resting coins per bp, from the best price",
    )
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=8, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7)
        ax.set_xscale("log")
        ax.set_yscale("log")
    for number, calm in enumerate(seeds):
        colour = drawing.PALETTE[number % len(drawing.PALETTE)]
        for ax, draw in zip(axes, (_tail, _memory, _signs, _book), strict=True):
            try:
                x, y = draw(calm)
            except (Unmeasured, RunError, SnapshotError, KeyError) as reason:
                ax.text(0.5, 0.5, f"not drawn: {reason}", transform=ax.transAxes, ha="center", fontsize=7)
                continue
            ax.plot(x, np.where(y > 0, y, np.nan), color=colour, linewidth=1.0)
    x = np.geomspace(1, 8, 50)
    axes[0].plot(x, 0.5 * x**-2.0, ":", x, 0.5 * x**-5.0, ":", color=drawing.muted(), linewidth=0.8)
    return _save(figure, folder / "facts.png")


def _tail(calm: Calm) -> tuple[np.ndarray, np.ndarray]:
    moves = np.sort(np.abs(estimators.known(estimators.returns(calm.minutes(calm.book)))))[::-1]
    return moves / moves.std() if len(moves) else moves, (np.arange(len(moves)) + 1.0) / max(len(moves), 1)


def _memory(calm: Calm) -> tuple[np.ndarray, np.ndarray]:
    acf = estimators.autocorrelation(np.abs(estimators.returns(calm.minutes(calm.book))), 120)
    return np.arange(1.0, 121.0), acf


def _signs(calm: Calm) -> tuple[np.ndarray, np.ndarray]:
    acf = estimators.autocorrelation(stylized.fills(calm)["side"], 1000)
    return np.arange(1.0, 1001.0), acf


def _book(calm: Calm) -> tuple[np.ndarray, np.ndarray]:
    bids, offers = stylized.resting(calm)
    return np.sqrt(np.maximum(stylized.EDGES[:-1], 0.25) * stylized.EDGES[1:]), (bids + offers) / np.diff(
        stylized.EDGES
    )


def benchmarks(rows: Sequence[Row], folder: Path) -> Path | None:
    """Each published number against the engine's, in tolerances from it; writes benchmarks.png."""
    some = [
        row
        for row in rows
        if row["role"] == "benchmark" and row["value"] is not None and row["central"] is not None
    ]
    some = [row for row in some if row["high"] > row["low"] and row["high"] < 1e9]
    if not some:
        return None
    names = list(dict.fromkeys(group(row["id"]) for row in some))
    figure = Figure(figsize=(drawing.WIDTH, 1.0 + 0.45 * len(names)), dpi=drawing.DPI, layout="constrained")
    ax = figure.subplots()
    ax.axvspan(-1, 1, color="#EEEEEE")
    for row in some:
        half = (row["high"] - row["low"]) / 2
        off = (row["value"] - (row["high"] + row["low"]) / 2) / half
        colour = drawing.PALETTE[2] if row["pass"] else drawing.PALETTE[0]
        ax.plot(
            np.clip(off, -3, 3), names.index(group(row["id"])), "o", color=colour, markersize=4, alpha=0.6
        )
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_xlabel(
        "distance from the middle of what is accepted, in half widths (beyond 3 at the edge)", fontsize=8
    )
    ax.spines[["top", "right"]].set_visible(False)
    return _save(figure, folder / "benchmarks.png")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
