"""What stops of transfers do: the same scenario with nobody's stops, the recorded ones, and the venues' own.

`variants` are the scenarios, the one runner runs them; `table` and `figure` hold them beside each other: how far apart
the perpetuals are, what arbitrageurs could not do and why, how long money took from venue to venue. Seeds are paired.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import arbitrage, config, drawing, paths, readings
from experiments.config import Scenario
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

STOPS = ("none", "as_recorded", "endogenous")
COLOURS = dict(zip(STOPS, drawing.PALETTE, strict=False))
MOVING = ("pause", "calendar", "queue")  # constraints that are the network's
Groups = Mapping[str, Sequence[Run]]


def variants(scenario: Scenario) -> dict[str, Scenario]:
    """The scenario under each answer to who stops transfers. Raises ScenarioError where it has no network."""
    found = {}
    for stops in STOPS:
        raw = copy.deepcopy(config.plain(scenario))
        faults = paths.override(raw, "network.stops", f'"{stops}"')
        changed, more = config.resolve(raw)
        if changed is None or faults or more:
            raise config.ScenarioError([*faults, *more])
        found[stops] = changed
    return found


def widest_gap(run: Run, coin: str) -> Floats:
    """float64[steps]: distance between the dearest and the cheapest perpetual of a coin at single exchanges, %."""
    names = [name for venue in readings.exchanges(run) for name in readings.books(run, "PERP", coin, venue)]
    if len(names) < 2:
        raise Unmeasured(f"fewer than two perpetuals of {coin}")
    prices = np.array([readings.filled(run.column("last", book=name)) for name in names])
    return np.asarray(100.0 * (prices.max(axis=0) / prices.min(axis=0) - 1.0), np.float64)


class Line(NamedTuple):
    """One variant in one seed."""

    stops: str
    seed: int
    gap: float  # mean after the news, %
    largest: float  # of minute closes after the news, %
    spot: (
        float  # largest perpetual venue against dollar spot, largest of minute closes, %; NaN = there is none
    )
    forgone: float  # M dollars x minutes
    moving: float  # share of it that the network's constraints kept from being traded
    wait: float  # mean time of transfers between venues, s
    late: float  # their 95 % quantile
    stopped: float  # minutes in which some venue let nothing out
    lowest: float  # lowest hot wallet over its target; NaN = there are none
    longest: int  # longest queue at a desk


def line(run: Run, stops: str, coin: str) -> Line:
    """Measure a run from its first news on."""
    news, end = readings.news_time(run), float(run.time[-1])
    after = readings.inside(run, news, end)
    wide = widest_gap(run, coin)
    at_ends = readings.closes(run, wide, news, end)
    left = arbitrage.forgone(run, window=(news, end))
    total = sum(one.value for one in left)
    sent = arbitrage.transfers(run)
    between = (sent.source != sent.target) & (sent.source != "outside") & np.isfinite(sent.took)
    between &= sent.target != "outside"
    took = sent.took[between]
    level, queue = _strain(run, news)
    return Line(
        stops,
        run.seed,
        float(np.nanmean(wide[after])),
        float(np.nanmax(at_ends)),
        _against_dollars(run, coin, news, end),
        total / 1e6,
        sum(one.value for one in left if one.constraint in MOVING) / total if total else np.nan,
        float(took.mean()) if len(took) else np.nan,
        float(np.quantile(took, 0.95)) if len(took) else np.nan,
        sum(b - a for a, b in stopped(run)) / 60.0,
        level,
        queue,
    )


def _against_dollars(run: Run, coin: str, a: float, b: float) -> float:
    try:
        names = readings.largest_perp(run, coin), readings.usd_spot(run, coin)
    except Unmeasured:
        return np.nan
    one, other = (readings.closes(run, run.column("last", book=name), a, b) for name in names)
    return float(100.0 * np.nanmax(np.abs(one / other - 1.0)))


def _strain(run: Run, since: float) -> tuple[float, int]:
    """The lowest hot wallet over its target, and the longest queue at a desk, since a time."""
    lines = run.stations()
    if not lines:
        return np.nan, 0
    kinds = {name: one["kind"] for name, one in run.config["network"]["resources"].items()}
    kind = np.array([kinds[name] for name in lines["resource"]])
    late = lines["time"] > since
    wallet, desk = late & (kind == "wallet") & np.isfinite(lines["level"]), late & (kind == "servers")
    lowest = float(lines["level"][wallet].min()) if wallet.any() else np.nan
    return lowest, int(lines["queue"][desk].max(initial=0))


def stopped(run: Run) -> list[tuple[float, float]]:
    """Seconds from and to which some venue let nothing out."""
    events, last = run.events(), float(run.time[-1])
    kinds = events["kind"]
    turns = sorted(
        [(float(t), str(v), False) for t, v in _at(events, kinds == "withdrawals_stopped")]
        + [(float(t), str(v), True) for t, v in _at(events, kinds == "withdrawals_opened")]
    )
    shut: set[str] = set()
    spans: list[tuple[float, float]] = []
    since = 0.0
    for time, venue, opened in turns:
        before = bool(shut)
        (shut.discard if opened else shut.add)(venue)
        if shut and not before:
            since = time
        elif before and not shut:
            spans.append((since, time))
    return [*spans, (since, last)] if shut else spans


def _at(events: Mapping[str, Any], which: Any) -> list[tuple[Any, Any]]:
    return list(zip(events["time"][which], events["venue"][which], strict=True))


def lines(groups: Groups, coin: str) -> list[Line]:
    """Every variant in every seed."""
    return [line(run, stops, coin) for stops, runs in groups.items() for run in runs]


def markdown(found: Sequence[Line], title: str, command: str) -> str:
    """As Markdown: medians over seeds, in brackets the range; ratios to the runs without stops, seed by seed."""
    kinds = [stops for stops in STOPS if any(one.stops == stops for one in found)]
    free = {one.seed: one for one in found if one.stops == "none"}
    out = [f"# Stops of transfers: {title}", "", f"    {command}", ""]
    seeds = len({one.seed for one in found})
    out += [f"{seeds} seed{'s' if seeds > 1 else ''}; medians, in brackets the range over seeds.", ""]
    out += [f"| quantity | unit | {' | '.join(kinds)} |", f"|---|---|{'---:|' * len(kinds)}"]
    for name, unit, what, form in (
        ("gap", "%", "widest gap between perpetuals, mean after the news", ".3f"),
        ("largest", "%", "the same, largest of minute closes", ".2f"),
        ("spot", "%", "largest perpetual venue against dollar spot, largest of minute closes", ".2f"),
        ("forgone", "M$ x min", "arbitrage not done", ",.1f"),
        ("moving", "share", "of it because money could not move (pause, calendar, queue)", ".1%"),
        ("wait", "s", "transfers between venues, mean", ".0f"),
        ("late", "s", "the same, 95 %", ".0f"),
        ("stopped", "min", "some venue lets nothing out", ".0f"),
        ("lowest", "of target", "lowest hot wallet", ".0%"),
        ("longest", "transfers", "longest queue at a desk", ".0f"),
    ):
        cells = [_cell([getattr(one, name) for one in found if one.stops == kind], form) for kind in kinds]
        out.append(f"| {what} | {unit} | {' | '.join(cells)} |")
    for name, what in (
        ("gap", "mean gap"),
        ("largest", "largest gap"),
        ("spot", "largest gap to dollar spot"),
    ):
        cells = []
        for kind in kinds:
            pairs = [(one, free[one.seed]) for one in found if one.stops == kind and one.seed in free]
            cells.append(_cell([getattr(one, name) / getattr(other, name) for one, other in pairs], ".2f"))
        out.append(f"| {what} over that without stops, same seed | ratio | {' | '.join(cells)} |")
    return "\n".join(out) + "\n"


def _cell(values: Sequence[float], form: str) -> str:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return "-"
    middle = format(float(np.median(known)), form)
    return (
        middle if len(known) == 1 else f"{middle} ({format(min(known), form)} to {format(max(known), form)})"
    )


def figure(groups: Groups, coin: str) -> Figure:
    """The gap of each variant over time, what kept it from being traded, how long transfers took."""
    kinds = [stops for stops in STOPS if groups.get(stops)]
    first = groups[kinds[0]]
    page = Figure(figsize=(drawing.WIDTH, 6.2), dpi=drawing.DPI, layout="constrained")
    top, low = page.subfigures(2, 1, height_ratios=[1.3, 1.0])
    ax = top.subplots()
    drawing.panel(ax, lambda axes, _: _draw_gaps(axes, groups, kinds, coin), first)
    ax.set_xlabel(drawing.time_label(first[0]))
    left, right = low.subplots(1, 2, width_ratios=[1.6, 1.0])
    _draw_forgone(left, groups, kinds)
    _draw_waits(right, groups, kinds)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return page


def _draw_gaps(ax: Axes, groups: Groups, kinds: Sequence[str], coin: str) -> None:
    for stops in kinds:
        runs = groups[stops]
        end = float(runs[0].time[-1])
        gaps = [readings.closes(run, widest_gap(run, coin), 0.0, end) for run in runs]
        ends = readings.minutes(runs[0], 0.0, end)
        drawing.band(ax, runs[0], ends, gaps, COLOURS[stops], stops)
        for a, b in stopped(runs[0]):
            x = drawing.place(runs[0], np.array([a, b]))
            ax.axvspan(float(x[0]), float(x[1]), ymax=0.03, color=COLOURS[stops], alpha=0.5, linewidth=0)
    drawing.label(
        ax, f"Widest gap between {coin} perpetuals, minute closes; bars: some venue lets nothing out", "%"
    )
    drawing.legend(ax)


def _draw_forgone(ax: Axes, groups: Groups, kinds: Sequence[str]) -> None:
    totals: dict[str, dict[str, float]] = {}
    for stops in kinds:
        for run in groups[stops]:
            for one in arbitrage.forgone(run, window=(readings.news_time(run), float(run.time[-1]))):
                mine = totals.setdefault(one.constraint, {})
                mine[stops] = mine.get(stops, 0.0) + one.value / 1e6 / len(groups[stops])
    words = sorted(totals, key=lambda word: -sum(totals[word].values()))
    for k, stops in enumerate(kinds):
        at = np.arange(len(words)) + (k - 1) * 0.27
        ax.bar(at, [totals[word].get(stops, 0.0) for word in words], 0.25, color=COLOURS[stops], label=stops)
    ax.set_xticks(np.arange(len(words)), [word.replace("_", " ") for word in words])
    ax.set_title("Arbitrage not done, by what stood in its way", loc="left", fontsize=9)
    ax.set_ylabel("M$ x minutes", fontsize=8)


def _draw_waits(ax: Axes, groups: Groups, kinds: Sequence[str]) -> None:
    for stops in kinds:
        took = []
        for run in groups[stops]:
            sent = arbitrage.transfers(run)
            between = (sent.source != sent.target) & (sent.source != "outside") & (sent.target != "outside")
            took.append(sent.took[between & np.isfinite(sent.took)])
        times = np.sort(np.concatenate(took)) / 60.0
        if len(times):
            ax.plot(times, np.arange(1, len(times) + 1) / len(times), color=COLOURS[stops], label=stops)
    ax.set_xscale("log")
    ax.set_title("Transfers between venues that took less", loc="left", fontsize=9)
    ax.set_xlabel("minutes", fontsize=8)
    ax.set_ylabel("share", fontsize=8)
