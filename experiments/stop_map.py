"""Where the network matters: a map of pre-funded inventory over net forced flow by how long transfers stop.

Arbitrage that lies on both sides of a gap already needs no transfer; what must be carried from venue to venue beyond it
does. So a stop should matter where forced flow that is uneven between venues is larger than what arbitrageurs hold
there, and where it lasts as long as that flow. Every cell is the scenario with the arbitrageurs' money, coins and
positions times a factor and all transfers between places stopped from the news on for some minutes; beside each is
the same without a stop, seed by seed. Runs go through the one runner, so a map goes on where it was broken off.

The gap is what could be traded at once: the dearest bid above the cheapest offer of another venue. Last trades would
count a book that is empty on one side, at whose offers nobody can sell, as a gap that arbitrage left.

The null is the same map with nobody levered: no forced flow, so nothing to carry, and a stop should not matter.

A run of another scenario, such as October's, is placed on the map by the same two numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from agents.forgone import CALENDAR
from agents.forgone import CONSTRAINTS as IN_FORGONE
from experiments import arbitrage, config, drawing, nulls, paths, readings, stops
from experiments.config import Scenario, ScenarioError
from experiments.readings import Unmeasured
from experiments.run import Run

Floats = NDArray[np.float64]
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
MINUTES = (2.0, 5.0, 10.0)
CONSTRAINTS = (*IN_FORGONE, CALENDAR)  # what may stand in the way of a gap
MATTERS = 1.1  # from this ratio of gaps on the network is said to matter
FUNDED = ("cash", "inventory", "share")  # of an opening: what is pre-funded


class Cell(NamedTuple):
    """One field of the map: how much is pre-funded, how long transfers stop, whether the public is levered."""

    factor: float
    minutes: float
    levered: bool = True

    @property
    def name(self) -> str:
        return f"funded-{self.factor:g}-stop-{self.minutes:g}{'' if self.levered else '-unlevered'}"


def cells(factors: Sequence[float], minutes: Sequence[float], null: bool = False) -> list[Cell]:
    """The map's fields, each factor's run without a stop first; then those of the null, with the longest stop."""
    lengths = (0.0, *sorted(set(minutes) - {0.0}))
    levered = [Cell(factor, length) for factor in factors for length in lengths]
    unlevered = [Cell(factor, length, False) for factor in factors for length in (0.0, lengths[-1])]
    return levered + (unlevered if null else [])


def scenario_of(scenario: Scenario, cell: Cell) -> Scenario:
    """The scenario of a field. Raises ScenarioError where it has no news, no arbitrageurs or no such market."""
    raw = copy.deepcopy(config.plain(scenario))
    entries = [one for one in raw["population"].values() if one["species"] == "arbitrageur"]
    faults = []
    if not scenario.news:
        faults.append("news: none given, expected one from which transfers can stop")
    if not entries:
        faults.append("population: no arbitrageur, expected one whose inventory can be changed")
    if faults:
        raise ScenarioError(faults)
    for entry in entries:
        opening = entry["opening"]
        for name in FUNDED:
            opening[name] = {key: value * cell.factor for key, value in opening.get(name, {}).items()}
    for path, value in () if cell.levered else nulls.VARIANTS["unlevered"].settings:
        faults += [
            fault for fault in paths.override(raw, path, value) if not fault.endswith(paths.MATCHES_NOTHING)
        ]
    begin = min(one.time for one in scenario.news)
    between = sorted(
        {(edge.source, edge.target) for edge in scenario.network.edges if edge.source != edge.target}
    )
    raw["network"]["stops"] = "as_recorded"
    raw["network"]["events"] = [
        {"time": begin + timedelta(minutes=after), "edge": {"source": a, "target": b}, "open": after > 0}
        for after in ((0.0, cell.minutes) if cell.minutes > 0 else ())
        for a, b in between
    ]
    changed, more = config.resolve(raw)
    if changed is None or faults or more:
        raise ScenarioError([f"{cell.name}: {fault}" for fault in (*faults, *more)])
    return changed


# what is measured -------------------------------------------------------------------------------------------


def inventory(run: Run) -> float:
    """Dollars that arbitrageurs have at venues at the start: equity of their accounts, and coins."""
    accounts = run.accounts("start")
    species = {name: one["species"] for name, one in run.config["population"].items()}
    mine = np.array([species.get(name) == "arbitrageur" for name in accounts["participant"]])
    mine &= np.isin(accounts["venue"], run.venues)
    quote = {venue: one["quote"] for venue, one in run.config["venues"].items()}
    worth = {name: float(one["value"]) for name, one in run.config["assets"].items()}
    money = np.array([worth[quote[venue]] for venue in accounts["venue"][mine]])
    return float((accounts["equity"][mine] * money).sum() + np.nansum(accounts["coins"][mine]))


def forced(run: Run) -> tuple[float, float]:
    """Net forced flow, dollars, and the seconds in which the middle 80 % of forced flow fell.

    Net: the most, over time, of what was liquidated at venues beyond their share of the perpetuals' calm depth: so much
    has to be carried to other venues, or their prices part. (0, NaN) where nothing was liquidated.
    """
    venues = [venue for venue in run.venues if readings.books(run, "PERP", venue=venue)]
    news, end = readings.news_time(run), float(run.time[-1])
    after, calm = readings.inside(run, news, end), readings.inside(run, 0.0, news)
    flow = np.array(
        [
            np.nan_to_num(
                run.column("liquidated_long", venue=venue) - run.column("liquidated_short", venue=venue)
            )[after]
            for venue in venues
        ]
    )
    depth = np.array(
        [
            sum(
                float(np.nanmean(run.column(f"depth_{side}_100", book=book)[calm]))
                for book in readings.books(run, "PERP", venue=venue)
                for side in ("bid", "ask")
            )
            for venue in venues
        ]
    )
    total, sums = flow.sum(axis=0), flow.cumsum(axis=1)
    if len(venues) < 2:
        raise Unmeasured("no perpetuals at two venues")
    if not np.abs(total).sum() > 0:
        return 0.0, np.nan
    beyond = np.maximum(sums - (depth / depth.sum())[:, None] * sums.sum(axis=0), 0.0).sum(axis=0)
    done = np.cumsum(np.abs(total)) / np.abs(total).sum()
    time = run.time[after]
    first, last = (float(time[int(np.searchsorted(done, q))]) for q in (0.1, 0.9))
    return float(beyond.max()), max(last - first, 1.0)


class Field(NamedTuple):
    """One field in one seed."""

    cell: Cell
    seed: int
    inventory: float  # dollars
    net: float  # net forced flow, dollars, of the run without a stop
    lasting: float  # seconds of forced flow, the same
    gap: float  # mean after the news of what could be traded at once between perpetuals, %
    ratio: float  # to that without a stop
    moving: float  # share of the arbitrage not done that the network kept from being traded
    kept: Mapping[str, float]  # arbitrage not done by what stood in its way, dollars times minutes


def fields(runs: Mapping[Cell, Sequence[Run]], coin: str) -> list[Field]:
    """Every field that has a run without a stop beside it, seed by seed."""
    found = []
    for cell, some in runs.items():
        free = {run.seed: run for run in runs.get(cell._replace(minutes=0.0), ())}
        for run in some:
            if run.seed not in free:
                continue
            net, lasting = forced(free[run.seed])
            gap, base = _mean_gap(run, coin), _mean_gap(free[run.seed], coin)
            left = arbitrage.forgone(run, window=(readings.news_time(run), float(run.time[-1])))
            total = sum(one.value for one in left)
            kept = {why: sum(one.value for one in left if one.constraint == why) for why in CONSTRAINTS}
            moving = sum(kept[why] for why in stops.MOVING)
            found.append(
                Field(
                    cell,
                    run.seed,
                    inventory(run),
                    net,
                    lasting,
                    gap,
                    gap / base,
                    moving / total if total else 0.0,
                    kept,
                )
            )
    return found


def open_gap(run: Run, coin: str) -> Floats:
    """float64[steps]: dearest bid above the cheapest offer of a coin's perpetuals at single exchanges, %; 0 = none."""
    names = [name for venue in readings.exchanges(run) for name in readings.books(run, "PERP", coin, venue)]
    if len(names) < 2:
        raise Unmeasured(f"fewer than two perpetuals of {coin}")
    return arbitrage.open_gap(run, names)


def _mean_gap(run: Run, coin: str) -> float:
    after = readings.inside(run, readings.news_time(run), float(run.time[-1]))
    return float(open_gap(run, coin)[after].mean())


class Place(NamedTuple):
    """Where other runs lie on the map: a range over their seeds."""

    name: str
    covered: tuple[float, float]  # inventory over net forced flow
    lasting: tuple[float, float]  # length of the stop over that of forced flow


def place(runs: Sequence[Run]) -> Place:
    """Place the runs of a scenario with stops on the map."""
    covered, lasting = [], []
    for run in runs:
        net, seconds = forced(run)
        if not net > 0:
            raise Unmeasured("nothing was liquidated: a run without forced flow has no place on the map")
        covered.append(inventory(run) / net)
        lasting.append(sum(b - a for a, b in stops.stopped(run)) / seconds)
    return Place(
        str(runs[0].config.get("title") or runs[0].name),
        (min(covered), max(covered)),
        (min(lasting), max(lasting)),
    )


# what is told -----------------------------------------------------------------------------------------------


class Mean(NamedTuple):
    """A field over its seeds."""

    cell: Cell
    covered: float  # inventory over net forced flow
    lasting: float  # stop over the time of forced flow
    gap: float
    ratio: float  # geometric mean
    low: float  # ... and its 95 % interval, by the spread of seeds
    high: float
    moving: float
    kept: Mapping[str, float]  # mean over seeds

    @property
    def matters(self) -> bool:
        return self.ratio >= MATTERS and not self.low <= 1.0


def means(found: Sequence[Field]) -> list[Mean]:
    """The fields with a stop, over seeds, in the order of the map."""
    return [one for one in over_seeds(found) if one.cell.minutes > 0]


def over_seeds(found: Sequence[Field]) -> list[Mean]:
    """All fields over seeds, in the order of the map."""
    out = []
    for cell in dict.fromkeys(one.cell for one in found):
        mine = [one for one in found if one.cell == cell]
        logs = np.log([one.ratio for one in mine])
        error = 1.96 * float(logs.std(ddof=1)) / np.sqrt(len(mine)) if len(mine) > 1 else np.nan
        middle = float(logs.mean())
        out.append(
            Mean(
                cell,
                float(np.median([one.inventory / one.net if one.net > 0 else np.inf for one in mine])),
                float(np.median([60.0 * cell.minutes / one.lasting for one in mine])),
                float(np.mean([one.gap for one in mine])),
                float(np.exp(middle)),
                float(np.exp(middle - error)),
                float(np.exp(middle + error)),
                float(np.mean([one.moving for one in mine])),
                {why: float(np.mean([one.kept[why] for one in mine])) for why in CONSTRAINTS},
            )
        )
    return out


def markdown(found: Sequence[Field], places: Sequence[Place], command: str) -> str:
    """As Markdown: a line a field, then the null, what kept gaps from being traded, and where other runs lie."""
    seeds = len({one.seed for one in found})
    shown = means(found)
    lines = [
        "# Where the network matters", "", f"    {command}", "",
        f"{seeds} seed{'s' if seeds > 1 else ''}. Gap: mean after the news of the dearest bid above the cheapest offer."
        f" Ratio: that over the same seed without a stop; it matters from {MATTERS:g} on, and where the 95 % interval"
        " lies above 1.", "",
        *_fields([one for one in shown if one.cell.levered]),
    ]  # fmt: skip
    null = [one for one in shown if not one.cell.levered]
    if null:
        lines += ["", "The null, nobody but desks levered:", "", *_fields(null)]
    lines += ["", "Arbitrage not done by what stood in its way, thousand dollars times minutes:", ""]
    lines += _by_constraint([one for one in over_seeds(found) if one.cell.levered])
    for there in places:
        (a, b), (c, d) = there.covered, there.lasting
        where = (
            f"inventory / net forced flow {a:.2f} to {b:.2f}, stop / time of forced flow {c:.2f} to {d:.2f}"
        )
        lines += ["", f"{there.name}: {where}."]
    return "\n".join(lines) + "\n"


def _fields(shown: Sequence[Mean]) -> list[str]:
    lines = [
        "| factor | inventory / net forced flow | stop, min | stop / time of forced flow | gap, % | ratio |"
        " 95 % interval | not done for the network | matters |",
        "|---:|---:|---:|---:|---:|---:|---|---:|---|",
    ]
    for one in shown:
        cells = [
            f"{one.cell.factor:g}",
            f"{one.covered:.2f}" if np.isfinite(one.covered) else "-",
            f"{one.cell.minutes:g}",
            f"{one.lasting:.2f}" if np.isfinite(one.lasting) else "-",
            f"{one.gap:.3f}",
            f"{one.ratio:.2f}",
            f"{one.low:.2f} to {one.high:.2f}",
            f"{one.moving:.0%}",
            "yes" if one.matters else "no",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _by_constraint(shown: Sequence[Mean]) -> list[str]:
    some = [why for why in CONSTRAINTS if any(one.kept[why] > 0 for one in shown)]
    lines = [
        f"| factor | stop, min | {' | '.join(why.replace('_', ' ') for why in some)} |",
        f"|---:|---:|{'---:|' * len(some)}",
    ]
    for one in shown:
        amounts = " | ".join(f"{one.kept[why] / 1e3:.1f}" for why in some)
        lines.append(f"| {one.cell.factor:g} | {one.cell.minutes:g} | {amounts} |")
    return lines


def figure(found: Sequence[Field], places: Sequence[Place], title: str) -> Figure:
    """The map: a disc a field, coloured by the ratio of gaps; boxes are where other runs lie."""
    page = Figure(figsize=(drawing.WIDTH * 0.75, 4.6), dpi=drawing.DPI, layout="constrained")
    ax = page.subplots()
    shown = [one for one in means(found) if np.isfinite(one.covered)]
    x, y, ratio = (
        np.array([getattr(one, name) for one in shown]) for name in ("covered", "lasting", "ratio")
    )
    top = max(1.5, float(ratio.max(initial=1.5)))
    discs = ax.scatter(
        x, y, c=ratio, s=260, cmap="viridis", vmin=min(1.0, float(ratio.min(initial=1.0))), vmax=top
    )
    for one in shown:
        ax.annotate(
            f"{one.ratio:.2f}",
            (one.covered, one.lasting),
            ha="center",
            va="center",
            fontsize=7,
            color="white",
        )
        if not one.matters:
            ax.plot(
                one.covered,
                one.lasting,
                "o",
                markersize=19,
                markerfacecolor="none",
                color=drawing.LIGHT,
                mew=1.5,
            )
    for there, colour in zip(places, drawing.PALETTE, strict=False):
        (a, b), (c, d) = there.covered, there.lasting
        ax.plot([a, b, b, a, a], [c, c, d, d, c], color=colour, linewidth=2, label=there.name)
        ax.plot(np.sqrt(a * b), np.sqrt(c * d), "s", color=colour, markersize=5)
    for scale, axis in ((ax.set_xscale, ax.xaxis), (ax.set_yscale, ax.yaxis)):
        scale("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    ax.margins(0.12)
    ax.set_xlabel("arbitrageurs' pre-funded inventory over net forced flow", fontsize=8)
    ax.set_ylabel("stop of transfers over the time of forced flow", fontsize=8)
    ax.set_title(
        "Gap with a stop over that without; ringed: it cannot be said to matter", loc="left", fontsize=9
    )
    page.suptitle(title, x=0.01, ha="left", fontsize=8)
    ax.tick_params(labelsize=8)
    drawing.legend(ax)
    page.colorbar(discs, ax=ax, label="ratio of mean gaps")
    return page


def tables(found: Sequence[Field]) -> list[dict[str, Any]]:
    """Every field in every seed, as plain tables."""
    return [
        {
            "factor": one.cell.factor,
            "minutes": one.cell.minutes,
            "levered": one.cell.levered,
            **{k: v for k, v in one._asdict().items() if k != "cell"},
        }
        for one in found
    ]
