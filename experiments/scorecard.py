"""The score card: what runs of a scenario say of every target row, misses in plain sight.

`card` measures, `markdown` prints. A row's value is the median over seeds; a row passes where every seed
could be measured and the value lies within low..high. What was not or cannot be measured is null, never a
pass, and `why` gives the reason. The estimators are in `experiments.estimators`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.estimators import OTHER_VARIANT, PAIRED, Measure, Target, interval, measure
from experiments.readings import Unmeasured
from experiments.run import Run, RunError

Card = dict[str, Any]
Groups = Mapping[str, Sequence[Run]]


def card(groups: Groups, targets: Sequence[Target], scenario_name: str) -> Card:
    """The score card of a scenario.

    groups: runs by variant: "base" (required), and extra runs of the same seeds without ADL ("no_adl"),
    without the recorded stops ("no_stops"), of a calm day ("calm"). targets: rows as `reference.targets`
    gives them. Returns JSON-safe {"scenario", "seeds", "rows"}; a row has id, name, unit, value, p05, p95
    (over seeds), low, central, high, role, pass, why. Raises KeyError without "base".
    """
    base = list(groups["base"])
    # a run at a time, so that its columns are read once
    measured = {
        variant: [
            {target["id"]: measure(run, target) for target in rows_of(variant, targets)} for run in runs
        ]
        for variant, runs in groups.items()
        if variant == "base" or variant in OTHER_VARIANT.values()
    }
    rows = []
    for target in targets:
        if target["id"] in PAIRED:
            rows.append(_paired_row(groups, target))
        else:
            variant = OTHER_VARIANT.get(target["id"], "base")
            rows.append(_row(target, [seed[target["id"]] for seed in measured.get(variant, [])], variant))
    return {"scenario": scenario_name, "seeds": [run.seed for run in base], "rows": rows}


def rows_of(variant: str, targets: Sequence[Target]) -> list[Target]:
    """The rows that the runs of one variant tell by themselves."""
    return [
        target
        for target in targets
        if OTHER_VARIANT.get(target["id"], "base") == variant and target["id"] not in PAIRED
    ]


def _row(target: Target, seeds: Sequence[Measure], variant: str) -> Card:
    if not seeds:
        need = "no run" if variant == "base" else f'needs --nulls: extra runs "{variant}"'
        return _finish(target, [], need)
    values = [seed.value for seed in seeds if math.isfinite(seed.value)]
    missing = [seed.note for seed in seeds if not math.isfinite(seed.value)]
    if not values:
        return _finish(target, [], missing[0])
    notes = []
    true = [seed.true for seed in seeds if math.isfinite(seed.true)]
    if true:
        notes.append(f"true {number(float(np.median(true)))} {target['unit']}")
    if missing:
        notes.append(f"not measured in {len(missing)} of {len(seeds)} seeds: {missing[0]}")
    notes += [seed.note for seed in seeds[:1] if seed.note and math.isfinite(seed.value)]
    return _finish(target, values, "; ".join(notes), whole=not missing)


def _paired_row(groups: Groups, target: Target) -> Card:
    variant, compare, end = PAIRED[target["id"]]
    others = {run.seed: run for run in groups.get(variant, ())}
    pairs = [(run, others[run.seed]) for run in groups["base"] if run.seed in others]
    if not pairs:
        return _finish(target, [], f'needs --nulls: extra runs "{variant}" of the same seeds')
    try:
        found = interval([compare(run, other, target) for run, other in pairs])
    except (Unmeasured, RunError) as reason:
        return _finish(target, [], str(reason))
    row = _finish(target, [found.low if end == "low" else found.high], f"mean {number(found.mean)}")
    return row | {"p05": _quantile(found.values, 0.05), "p95": _quantile(found.values, 0.95)}


def _finish(target: Target, values: Sequence[float], why: str, whole: bool = True) -> Card:
    value = float(np.median(values)) if values else None
    inside = value is not None and target["low"] <= value <= target["high"]
    if value is not None and not inside:
        why = "; ".join(
            filter(None, ["below the range" if value < target["low"] else "above the range", why])
        )
    return {
        "id": target["id"],
        "name": target["name"],
        "unit": target["unit"],
        "value": value,
        "p05": _quantile(values, 0.05),
        "p95": _quantile(values, 0.95),
        "low": target["low"],
        "central": target.get("central"),
        "high": target["high"],
        "role": target["role"],
        "pass": bool(inside and whole),
        "why": why,
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


# printing ---------------------------------------------------------------------------------------------------


def markdown(card: Card) -> str:
    """The card as Markdown: a line of counts, the compared rows, then those given to the model."""
    rows, seeds = card["rows"], card["seeds"]
    compared = [row for row in rows if row["role"] == "reference"]
    given = [row for row in rows if row["role"] == "input"]
    measured = [row for row in compared if row["value"] is not None]
    passed = sum(row["pass"] for row in compared)
    lines = [
        f"# Score card: {card['scenario']}",
        "",
        f"{passed} of {len(compared)} compared rows are in range, {len(measured) - passed} are not, "
        f"{len(compared) - len(measured)} could not be measured. "
        f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}: {', '.join(map(str, seeds))}. "
        "Value = median over seeds, in brackets the 5 % and 95 % quantiles; P5b and P7: the end of the 95 % interval"
        " over paired seeds that their range asks for.",
        "",
        *_table(compared),
    ]
    if given:
        lines += ["", "Given to the model, not counted:", "", *_table(given)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Card]) -> list[str]:
    lines = ["| | row | quantity | value | range | aim | unit | |", "|---|---|---|---:|---:|---:|---|---|"]
    for row in rows:
        wanted = f"{number(row['low'])} to {number(row['high'])}"
        cells = [
            _mark(row),
            row["id"],
            row["name"],
            _value(row),
            wanted,
            number(row["central"]),
            row["unit"],
        ]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in [*cells, row["why"]]) + " |")
    return lines


def _mark(row: Card) -> str:
    if row["value"] is None:
        return "not measured"
    return "pass" if row["pass"] else "**MISS**"


def _value(row: Card) -> str:
    if row["value"] is None:
        return "-"
    band = "" if row["p05"] == row["p95"] else f" ({number(row['p05'])} to {number(row['p95'])})"
    return f"**{number(row['value'])}**{band}"


def number(value: float | None) -> str:
    """Three figures that matter, no exponent: 0.623, 13.1, 218; "-" for none."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
