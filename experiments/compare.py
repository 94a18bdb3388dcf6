"""Two runs, or two folders of seeds, held against each other: what was set differently, and what came of it.

Rows are the card's where the scenario has targets, the quantities of the null runs, and sums by venue. Seeds that both
sides have are paired: the same draws, so that the difference is that of the settings. With two pairs or more it has a
95 % interval (Student's t over the pairs), without a pair but two seeds on each side Welch's; else it is a number.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from experiments import estimators, nulls, readings, reference, scorecard
from experiments import run as runs
from experiments.faults import show
from experiments.readings import Unmeasured
from experiments.run import Run, RunError

Table = dict[str, Any]
VENUE_SUMS = (
    ("liquidated_long", "longs liquidated"), ("liquidated_short", "shorts liquidated"), ("adl", "auto-deleveraged"),
    ("takeover", "taken over by the fund"),
)  # fmt: skip
SHOWN = 40  # settings that differ, in the printed table


def seeds_of(path: Path) -> list[Run]:
    """The run at a path, or all seeds of a folder. Raises RunError where there is none."""
    found = [] if runs.is_run(path) else runs.seeds_in(path)
    return [Run.open(folder) for folder in found] or [Run.open(path)]


def compare(a: Sequence[Run], b: Sequence[Run], begun: Callable[[str], object] = lambda what: None) -> Table:
    """The comparison as JSON-safe tables; `begun` is told the name of each run before it is measured.

    {"a", "b": names and seeds; "pairs": seeds in both; "settings": [{path, a, b}]; "parted": by pair the seconds
    after which the two are not the same any more, null where they never part; "rows": [{id, name, unit, a, b,
    difference, low, high, seeds}]}. a and b are medians over all seeds of their side, the difference is b - a: the
    mean over pairs, or of the sides' means where there is no pair. Raises RunError where a side is empty.
    """
    if not a or not b:
        raise RunError("nothing to compare: no run on one side")
    ours, theirs = {run.seed: run for run in a}, {run.seed: run for run in b}
    pairs = sorted(ours.keys() & theirs.keys())
    first, second = _measured(a, begun), _measured(b, begun)
    places = [([run.seed for run in a].index(seed), [run.seed for run in b].index(seed)) for seed in pairs]
    rows = []
    for row, (name, unit, mine) in first.items():
        if row not in second:
            continue
        other = second[row][2]
        if not any(map(math.isfinite, [*mine, *other])):
            continue
        rows.append({"id": row, "name": name, "unit": unit, **_difference(mine, other, places)})
    return {
        "a": _side(a),
        "b": _side(b),
        "pairs": pairs,
        "settings": settings(a[0].config, b[0].config),
        "parted": {str(seed): parted(ours[seed], theirs[seed]) for seed in pairs},
        "rows": rows,
    }


def settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every number that the two scenarios set differently, "-" where one does not have it."""
    one, two = dict(_flat(a)), dict(_flat(b))
    return [
        {"path": path, "a": _shown(one, path), "b": _shown(two, path)}
        for path in dict.fromkeys([*one, *two])
        if one.get(path) != two.get(path) or (path in one) != (path in two)
    ]


def parted(a: Run, b: Run) -> float | None:
    """Seconds of the last recorded step up to which two runs have the same prices to the bit; None: to the end."""
    if a.books != b.books or not len(a.time) or not len(b.time):
        return 0.0
    n = min(len(a.time), len(b.time))
    same = a.time[:n] == b.time[:n]
    for name in ("last", "mark", "mid", "volume"):
        one, two = a.column(name)[:n], b.column(name)[:n]
        same &= ((one == two) | (np.isnan(one) & np.isnan(two))).all(axis=1)
    if same.all():
        return None
    at = int(np.argmin(same))
    return float(a.time[at - 1]) if at else 0.0


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Paths and values of a config's numbers. Tables are gone into, and lists of tables by place."""
    found = []
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            found += _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
        for place, inner in enumerate(value):
            found += _flat(inner, f"{path}.{place}")
    else:
        found.append((path, value))
    return found


def _shown(values: Mapping[str, Any], path: str) -> str:
    return show(values[path]) if path in values else "-"


def _side(side: Sequence[Run]) -> Table:
    folder = side[0].folder.parent if len(side) > 1 else side[0].folder
    return {"scenario": side[0].name, "folder": str(folder), "seeds": [run.seed for run in side]}


def _measured(side: Sequence[Run], begun: Callable[[str], object]) -> dict[str, nulls.Row]:
    """Every quantity by row: name, unit, a value a run; NaN where a run cannot tell."""
    found: dict[str, nulls.Row] = {}
    for run in side:
        begun(f"{run.name} seed {run.seed}")
        for row, (name, unit, values) in _of_one(run, side[0]).items():
            found.setdefault(row, (name, unit, []))[2].extend(values)
    return found


def _of_one(run: Run, first: Run) -> dict[str, nulls.Row]:
    """The quantities of one run, in the rows of the first of its side."""
    file = first.config.get("targets", {}).get("file")
    found = nulls.values_by_row([run], reference.targets(file) if file else [])
    for venue in first.venues:
        for column, words in VENUE_SUMS:
            found[f"{venue} {column}"] = f"{venue}: {words}", "M$", _each([run], _sum(venue, column))
        found[f"{venue} fund"] = f"{venue}: equity of the fund, change", "M$", _each([run], _fund(venue))
    return found


def _each(side: Sequence[Run], estimate: Callable[[Run], float]) -> list[float]:
    values = []
    for run in side:
        try:
            values.append(estimate(run))
        except (Unmeasured, RunError):
            values.append(math.nan)
    return values


def _sum(venue: str, column: str) -> Callable[[Run], float]:
    def total(run: Run) -> float:
        keep = readings.inside(run, 0.0, float(run.time[-1]))
        return float(np.nansum(run.column(column, venue=venue)[keep])) / 1e6

    return total


def _fund(venue: str) -> Callable[[Run], float]:
    def change(run: Run) -> float:
        equity = run.column("fund_equity", venue=venue)[readings.inside(run, 0.0, float(run.time[-1]))]
        return float(equity[-1] - equity[0]) / 1e6

    return change


def _difference(mine: Sequence[float], other: Sequence[float], places: Sequence[tuple[int, int]]) -> Table:
    """Medians of the sides, the difference and its interval; what is not known is null."""
    known = [other[k] - mine[i] for i, k in places if math.isfinite(mine[i]) and math.isfinite(other[k])]
    low = high = None
    if known:
        difference = float(np.mean(known))
        if len(known) > 1:
            found = estimators.interval(known)
            low, high = found.low, found.high
        seeds = len(known)
    else:
        x, y = (np.array([v for v in side if math.isfinite(v)]) for side in (mine, other))
        difference = float(y.mean() - x.mean()) if len(x) and len(y) and not places else math.nan
        if len(x) > 1 and len(y) > 1 and not places and (x.std() or y.std()):
            with warnings.catch_warnings():  # a side whose seeds all say the same
                warnings.simplefilter("ignore", RuntimeWarning)
                bounds = stats.ttest_ind(y, x, equal_var=False).confidence_interval(0.95)
            low, high = float(bounds.low), float(bounds.high)
        seeds = 0
    return {
        "a": _none(_median(mine)),
        "b": _none(_median(other)),
        "difference": _none(difference),
        "low": low,
        "high": high,
        "seeds": seeds,
    }


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def _none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def markdown(table: Table) -> str:
    """The comparison as Markdown; bold: the interval does not hold zero."""
    number = scorecard.number
    lines = []
    for side in ("a", "b"):
        about = table[side]
        lines.append(
            f"- {side.upper()}: {about['folder']}, {about['scenario']}, seeds {_listed(about['seeds'])}"
        )
    lines += ["", *_settings_lines(table["settings"]), ""]
    for seed, time in table["parted"].items():
        lines.append(
            f"- seed {seed}: the same prices to the bit "
            + ("to the end" if time is None else f"up to {time:g} s" if time else "at no time")
        )
    pairs = len(table["pairs"])
    how = (
        f"difference = mean over {pairs} paired seeds of B - A, 95 % interval (Student's t)" if pairs > 1
        else "one pair of seeds: a difference, no interval" if pairs == 1
        else "no seed in both: difference of the means, 95 % interval (Welch) where both have two seeds"
    )  # fmt: skip
    lines += ["", f"Values are medians over seeds; {how}; **bold** = the interval does not hold zero.", ""]
    lines += [
        "| row | quantity | unit | A | B | B - A | 95 % interval |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in table["rows"]:
        sure = row["low"] is not None and not row["low"] <= 0.0 <= row["high"]
        difference = number(row["difference"])
        interval = "" if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"
        cells = [
            row["id"], row["name"], row["unit"], number(row["a"]), number(row["b"]),
            f"**{difference}**" if sure else difference, interval,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _settings_lines(found: Sequence[Mapping[str, str]]) -> list[str]:
    if not found:
        return ["No setting differs."]
    lines = ["| setting | A | B |", "|---|---|---|"]
    for one in found[:SHOWN]:
        lines.append("| " + " | ".join(_short(one[key]) for key in ("path", "a", "b")) + " |")
    if len(found) > SHOWN:
        lines += ["", f"and {len(found) - SHOWN} more settings"]
    return lines


def _short(text: str) -> str:
    flat = " ".join(text.replace("|", "/").split())
    return flat if len(flat) <= 60 else flat[:57] + "..."
