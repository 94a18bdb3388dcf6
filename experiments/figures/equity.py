"""What people are worth: equity of owners by participant and quantile over the kept moments."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing
from experiments.drawing import Runs
from experiments.figures.liquidation_map import KEPT, moments
from experiments.figures.page import page, remark
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

LEAST = 0.5  # %, of a panel's height
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def worth(run: Run) -> tuple[list[str], Floats, dict[str, Floats]]:
    """Species, seconds of the kept moments, and by species the worth of its owners [owners, moments], USD.

    Worth is equity of all accounts of an owner and coins beside them. The exchange's own accounts are left out, and
    what is on its way in the network is in nobody's.
    """
    kept = moments(run)
    if not kept:
        raise Unmeasured("the run keeps no accounts; record.accounts_at says when to keep them")
    species = {name: entry["species"] for name, entry in run.config.get("population", {}).items()}
    tables = [run.accounts(label) for label, _ in kept]
    owners = max(int(table["owner"].max(initial=-1)) for table in tables) + 1
    value = np.zeros((owners, len(kept)))
    what = np.full(owners, "", dtype=object)
    for k, table in enumerate(tables):
        mine = np.nan_to_num(table["equity"]) + np.nan_to_num(table.get("coins", np.zeros(len(table["row"]))))
        value[:, k] = np.bincount(table["owner"], mine, owners)
        what[table["owner"]] = [species.get(name, name) for name in table["participant"]]
    names = [name for name in dict.fromkeys(what.tolist()) if name and name != "exchange"]
    return names, np.array([time for _, time in kept]), {name: value[what == name] for name in names}


def equity(run: Run) -> Figure:
    """Worth of owners against the first kept moment, %, quantiles over the owners of each species."""
    names, time, value = worth(run)
    if not names:
        raise Unmeasured("nobody but the venues has an account")
    rows = -(-len(names) // 3)
    figure, axes = page(run, "What people are worth, against the start", [2.2] * rows, columns=3)
    for number, ax in enumerate(axes):
        if number >= len(names):
            ax.set_visible(False)
            continue
        name = names[number]

        def draw(ax: Axes, runs: Runs, mine: Floats = value[name], name: str = name) -> None:
            _fan(ax, run, time, mine, name)

        drawing.plain(ax, draw, [run])
        drawing.clock_axis(ax, run, max(float(time[-1] - time[0]), 1.0), most=4)
    for ax in axes[::3]:
        ax.set_ylabel("%", fontsize=8)
    handles, words = axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower right", ncols=3, fontsize=7, frameon=False)
    if len(time) < 3:
        remark(figure, KEPT)
    return figure


def _fan(ax: Axes, run: Run, time: Floats, value: Floats, name: str) -> None:
    begin, end = value[:, 0].sum(), value[:, -1].sum()
    scale, unit = drawing.money([begin])
    change = f"{round(100 * (end / begin - 1), 1) + 0.0:+.1f} %" if begin > 0 else "-"
    ax.set_title(
        f"{name.replace('_', ' ')}: {len(value):,} owners\n{begin / scale:.3g} {unit}, in all {change}",
        loc="left", fontsize=8, parse_math=False,
    )  # fmt: skip
    some = value[:, 0] > 0
    if not some.any():
        raise Unmeasured("nobody had anything at the start")
    against = 100.0 * (value[some] / value[some, :1] - 1.0)
    low, lower, middle, upper, high = np.quantile(against, QUANTILES, axis=0)
    x = drawing.place(run, time)
    faint, plain = (0.35, 0.55) if drawing.is_dark() else (0.2, 0.35)
    ax.fill_between(
        x, low, high, color=drawing.PALETTE[1], alpha=faint, linewidth=0, label="5 to 95 % of owners"
    )
    ax.fill_between(x, lower, upper, color=drawing.PALETTE[1], alpha=plain, linewidth=0, label="25 to 75 %")
    ax.plot(x, middle, color=drawing.ink(), linewidth=1.3, marker="o", markersize=2.5, label="median")
    ax.axhline(0.0, color=drawing.muted(), linewidth=0.6)
    least, most = ax.get_ylim()
    if most - least < LEAST:  # nothing happened to them: do not blow up the rounding
        ax.set_ylim(-LEAST, LEAST)
