"""Null runs: the same scenario with one cause taken out, and what that does to every quantity.

A variant is a few settings, as a user would give them with ``--set``. `variants` applies them, the one runner
runs them beside the scenario itself, `compare` holds every quantity against the scenario's own seed band, and
`markdown` prints which ones moved. The score card reads some of the same runs: rows about ADL and about the
recorded stops compare seed by seed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import config, paths, readings, scorecard
from experiments.config import Scenario, ScenarioError
from experiments.estimators import Target, measure
from experiments.readings import Unmeasured
from experiments.run import Run, RunError

Table = dict[str, Any]
Groups = Mapping[str, Sequence[Run]]
BASE = "base"


class Variant(NamedTuple):
    """One cause taken out. `seeds`: run at most so many of the base's; `held`: compared with the base by row."""

    what: str
    settings: tuple[tuple[str, str], ...]
    seeds: int | None = None
    held: bool = True


# whose positions can be forced to close; desks trade on margin but keep far from it, and with a leverage of one
# they would have no margin left to quote with: that is another cause than this one
PUBLIC = ("leveraged_long", "leveraged_short", "hedger")

VARIANTS: dict[str, Variant] = {
    "no_news": Variant("the news has size zero", (("news.*.size", "0.0"),)),
    "unlevered": Variant(
        "nobody but desks opens with a leverage above 1",
        tuple((f"population.@{species}.opening.max_leverage", "1.0") for species in PUBLIC),
    ),
    "steady_makers": Variant(
        "makers never withdraw, for volatility or losses", (("population.@market_maker.withdraws", "false"),)
    ),
    "notice": Variant(
        "makers pull their quotes where a venue has announced a stop of withdrawals",
        (("population.@market_maker.notice", "true"),),
    ),
    "no_stops": Variant("transfers are always open: no recorded stop", (("network.events", "[]"),)),
    "no_adl": Variant(
        "the funds take over everything: nobody is auto-deleveraged",
        (("venues.*.fund.rule", '"unlimited"'),),
    ),
    "calm": Variant(
        "a whole day without news and stops, recorded every minute",
        (("news.*.size", "0.0"), ("network.events", "[]"), ("clock.duration", "86400.0"), ("record.every", "60")),
        seeds=1,  # as long as forty of the others
        held=False,
    ),
}  # fmt: skip


def variants(scenario: Scenario) -> tuple[dict[str, Scenario], dict[str, str]]:
    """The variants of a scenario by name, and for those that it does not have the reason.

    A setting that matches nothing (a species that takes no part) is left out; a variant that changes nothing
    is no variant. Raises ScenarioError where a changed scenario is not in order.
    """
    found, absent = {}, {}
    for name, variant in VARIANTS.items():
        raw = copy.deepcopy(config.plain(scenario))
        faults = []
        for path, value in variant.settings:
            faults += [
                fault
                for fault in paths.override(raw, path, value)
                if not fault.endswith(paths.MATCHES_NOTHING)
            ]
        if not variant.held and scenario.targets is None:
            absent[name] = "only a score card reads it, and this scenario has no targets"
            continue
        changed, more = config.resolve(raw)
        if changed is None or faults or more:
            raise ScenarioError([f"null run {name}: {fault}" for fault in dict.fromkeys([*faults, *more])])
        if changed == scenario:
            absent[name] = "changes nothing in this scenario"
        else:
            found[name] = changed
    return found, absent


# what is compared -------------------------------------------------------------------------------------------


def _after(run: Run) -> tuple[float, float]:
    """From the first news to the end of the run."""
    news, end = readings.news_time(run), float(run.time[-1])
    if not 0.0 < news < end:
        raise Unmeasured("the run has nothing before or nothing after the news")
    return news, end


def _main(run: Run) -> str:
    """The perpetual of one exchange with the most open interest at the start."""
    names = _perps(run)
    if not names:
        raise Unmeasured("the run recorded no perpetual")
    first = int(np.searchsorted(run.time, 0.0, side="right"))
    return max(
        names, key=lambda name: float(np.nan_to_num(run.column("open_interest_usd", book=name)[first]))
    )


def _perps(run: Run, coin: str | None = None) -> list[str]:
    return [name for venue in readings.exchanges(run) for name in readings.books(run, "PERP", coin, venue)]


def _fall(run: Run) -> float:
    return readings.fall(run, _main(run), float(run.time[-1]))


def _liquidated_before(run: Run) -> float:
    news, _ = _after(run)
    return sum(readings.liquidated(run, 0.0, news)) / 1e6 / (news / 3600.0)


def _liquidated_after(run: Run) -> float:
    news, end = _after(run)
    return sum(readings.liquidated(run, news, end)) / 1e6 / ((end - news) / 3600.0)


def _flow(column: str) -> Callable[[Run], float]:
    def total(run: Run) -> float:
        keep = readings.inside(run, 0.0, float(run.time[-1]))
        return float(np.nansum(run.column(column)[keep])) / 1e6

    return total


def _gap(run: Run) -> float:
    """Largest distance between two perpetual books of the main coin at minute closes, %."""
    coin = _main(run).partition(":")[2].rpartition("-")[0]
    names = _perps(run, coin)
    if len(names) < 2:
        raise Unmeasured(f"only one perpetual of {coin}")
    news, end = _after(run)
    closes = np.array([readings.closes(run, run.column("last", book=name), news, end) for name in names])
    known = closes[:, np.isfinite(closes).all(axis=0)]
    if not known.size:
        raise Unmeasured("no minute in which all of them had a price")
    return float(100.0 * (known.max(axis=0) / known.min(axis=0) - 1.0).max())


def _depth(run: Run) -> float:
    """Bids within 1 % of the main book, mean after the news over mean before it."""
    news, end = _after(run)
    depth = run.column("depth_bid_100", book=_main(run))
    calm = float(np.nanmean(depth[readings.inside(run, 0.0, news)]))
    if calm <= 0:
        raise Unmeasured("no depth before the news")
    return 100.0 * (float(np.nanmean(depth[readings.inside(run, news, end)])) / calm - 1.0)


# quantities that every scenario with news has, beside the rows of its card: (id, name, unit, estimator)
QUANTITIES: tuple[tuple[str, str, str, Callable[[Run], float]], ...] = (
    ("fall", "fall of the largest perpetual to its lowest trade", "%", _fall),
    ("calm rate", "liquidations before the news", "M$ an hour", _liquidated_before),
    ("rate", "liquidations after the news", "M$ an hour", _liquidated_after),
    ("longs", "longs liquidated", "M$", _flow("liquidated_long")),
    ("shorts", "shorts liquidated", "M$", _flow("liquidated_short")),
    ("adl", "auto-deleveraged", "M$", _flow("adl")),
    ("gap", "largest gap between its perpetuals, minute closes", "%", _gap),
    ("depth", "bids within 1 %, after the news against before", "%", _depth),
)  # fmt: skip


def compare(groups: Groups, targets: Sequence[Target], name: str, absent: Mapping[str, str]) -> Table:
    """Every quantity of the base and of every variant.

    groups: runs by variant, "base" among them. Returns JSON-safe {"scenario", "content", "seeds",
    "variants", "rows"}; content is the hash of what the base was made of.
    A row has id, name, unit, base {value, low, high} and variants {name: {value, moves}}: value is the median
    over seeds, low..high the base's 5 % to 95 % quantile, and a variant moves a row where its median is
    outside that band; moves is null where one of the two is not known or the base has a single seed.
    """
    held = {which: runs for which, runs in groups.items() if which == BASE or VARIANTS[which].held}
    measured = {which: values_by_row(runs, targets) for which, runs in held.items()}
    rows = []
    for row, (label, unit, base) in measured[BASE].items():
        low, high = _band(base)
        values = {which: _median(measured[which][row][2]) for which in held if which != BASE}
        if _median(base) is None and not any(value is not None for value in values.values()):
            continue  # nothing to compare: the run does not cover what the row asks
        known = low is not None and high is not None and len(base) > 1
        rows.append(
            {
                "id": row,
                "name": label,
                "unit": unit,
                "base": {"value": _median(base), "low": low, "high": high},
                "variants": {
                    which: {
                        "value": value,
                        "moves": not low <= value <= high if known and value is not None else None,
                    }
                    for which, value in values.items()
                },
            }
        )
    about = {
        which: {
            "what": variant.what,
            "settings": dict(variant.settings),
            "seeds": [run.seed for run in groups.get(which, ())],
            "why": "" if groups.get(which) else absent.get(which, "no finished run"),
        }
        for which, variant in VARIANTS.items()
    }
    seeds = [run.seed for run in groups[BASE]]
    content = groups[BASE][0].provenance.get("content", "")
    return {"scenario": name, "content": content, "seeds": seeds, "variants": about, "rows": rows}


Row = tuple[str, str, list[float]]  # name, unit, a value a seed


def side_by_side(first: Run, second: Run) -> list[tuple[str, str, str, str]]:
    """What the null runs are compared by, of two runs: (name, unit, value, value) as texts."""
    number = scorecard.number
    return [
        (label, unit, number(_none(_value(estimate, first))), number(_none(_value(estimate, second))))
        for _, label, unit, estimate in QUANTITIES
    ]


def _none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def values_by_row(runs: Sequence[Run], targets: Sequence[Target]) -> dict[str, Row]:
    """Values of every quantity and card row by seed; a seed that cannot tell has NaN."""
    found: dict[str, Row] = {}
    for row, label, unit, estimate in QUANTITIES:
        found[row] = label, unit, [_value(estimate, run) for run in runs]
    for target in scorecard.rows_of(BASE, targets):
        values = [measure(run, target).value for run in runs]
        found[target["id"]] = target["name"], target["unit"], values
    return found


def _value(estimate: Callable[[Run], float], run: Run) -> float:
    try:
        return estimate(run)
    except (Unmeasured, RunError):
        return math.nan


def _median(values: Sequence[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else None


def _band(values: Sequence[float]) -> tuple[float | None, float | None]:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None, None
    low, high = np.quantile(known, (0.05, 0.95))
    return float(low), float(high)


# printing ---------------------------------------------------------------------------------------------------


def markdown(table: Table, only: Collection[str] | None = None) -> str:
    """The comparison as Markdown: one line a row (of all, or of those named), one column a variant, bold where it
    moves; below it what each variant is, and with all rows which of them it moves."""
    seeds, every = table["seeds"], table["rows"]
    rows = every if only is None else [row for row in every if row["id"] in only]
    shown = list(rows[0]["variants"]) if rows else []
    number = scorecard.number
    lines = [
        f"# Null runs: {table['scenario']}",
        "",
        f"Each variant takes one cause out. {len(seeds)} seed{'' if len(seeds) == 1 else 's'}; medians, in brackets "
        "the 5 % and 95 % quantiles of the base; **bold** = outside that band, the row moves.",
        "",
        "| row | quantity | unit | base | " + " | ".join(shown) + " |",
        "|---|---|---|---:|" + "---:|" * len(shown),
    ]
    for row in rows:
        base = row["base"]
        band = f" ({number(base['low'])} to {number(base['high'])})" if base["low"] != base["high"] else ""
        cells = [row["id"], row["name"], row["unit"], number(base["value"]) + band]
        for which in shown:
            value = row["variants"][which]
            text = number(value["value"])
            cells.append(f"**{text}**" if value["moves"] else text)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    lines.append("")
    for which, about in table["variants"].items():
        moved = [row["id"] for row in every if row["variants"].get(which, {}).get("moves")]
        if about["why"]:
            told = f"not run: {about['why']}"
        elif which not in shown:
            told = f"seeds {', '.join(map(str, about['seeds']))}, for the score card"
        elif len(seeds) < 2:
            told = "one seed has no band: nothing can be said to move"
        elif only is not None:
            told = f"moves {len(moved)} of all {len(every)} rows"
        else:
            told = "moves " + (", ".join(moved) if moved else "no row")
        lines.append(f"- `{which}`: {about['what']}; {told}.")
    return "\n".join(lines) + "\n"
