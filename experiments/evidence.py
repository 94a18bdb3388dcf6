"""What many seeds say of each row of the card, and whether a market without the mechanism would say the same.

Runs are those of a sweep (resumable, by content hash): the scenario, its null market (the same news, nobody of the
public with leverage above one, makers that never withdraw, an open network), and for the rows that compare paired runs
the same seeds without ADL and without stops. A row is no evidence for the model where the null market passes it too, or
where its own band is wider than twice the range it is held against.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments import config, paths, recorded, reference
from experiments.estimators import ESTIMATORS, Target, interval
from experiments.nulls import VARIANTS
from experiments.readings import Unmeasured
from experiments.scorecard import number
from experiments.sweep import Study, checked
from experiments.sweep.study import STUDIES

if TYPE_CHECKING:
    import pandas as pd

BASE, NULL = "base", "null"
NULL_MARKET = ("unlevered", "steady_makers", "no_stops")  # the variants that together are the null market
PAIRS = {
    "P5b": ("no_adl", "hedged", "high"),
    "P7": ("no_stops", "row_21", "low"),
}  # row: variant, of what, bound
MORE = {"legs": "two_legs", "leg_start": "second_leg_start", "hedged": "hedged_result"}
TOO_WIDE = 2.0  # times the range


class Row(NamedTuple):
    """A row over seeds; None = unknown. `rank`: share of seeds below what was realised; `why` it is no evidence."""

    id: str
    name: str
    unit: str
    role: str
    seeds: int
    median: float | None
    p05: float | None
    p95: float | None
    low: float
    central: float | None
    high: float
    rank: float | None
    null: float | None
    why: str

    @property
    def passes(self) -> bool:
        return self.median is not None and self.low <= self.median <= self.high


def study(scenario: str, cells: Sequence[str], seeds: int) -> Study:
    """The sweep of two cells or more (`base`, `null`, names of null runs) of a scenario that has targets.

    Raises StudyError where the scenario has faults, ValueError where it has no targets.
    """
    targets = targets_of(scenario)
    loaded = config.load(scenario)
    raw, group = config.plain(loaded), loaded.targets.file if loaded.targets is not None else ""
    levels = {cell: _settings(cell, raw) for cell in cells}
    told = [row["id"] for row in targets if row["id"] in ESTIMATORS]
    outcomes: dict[str, Any] = {_column(row): {"row": row, "targets": group} for row in told}
    outcomes |= {name: {"function": f"october_outcomes:{function}"} for name, function in MORE.items()}
    return checked(
        {
            "title": f"{scenario}: rows of the card over seeds",
            "scenario": scenario,
            "with": ["october_outcomes.py"],
            "keep": "records",
            "replicates": {"count": seeds},
            "factors": {"cell_of": {"levels": levels}},
            "outcomes": outcomes,
            "name": "evidence",
            "origin": str(STUDIES),
        }
    )


def _settings(cell: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is set in a cell; settings that match nothing in the scenario are left out, as in null runs."""
    names = {BASE: (), NULL: NULL_MARKET}.get(cell, (cell,))
    found = {}
    for name in names:
        for path, text in VARIANTS[name].settings:
            value = paths.value_of(text)
            if not any(fault.endswith(paths.MATCHES_NOTHING) for fault in paths.put(_copy(raw), path, value)):
                found[path] = value
    return found


def _copy(raw: Mapping[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(dict(raw))


def _column(row: str) -> str:
    """The name of a row's outcome."""
    return f"row_{row.lower()}"


# the table --------------------------------------------------------------------------------------------------


def rows(table: pd.DataFrame, targets: Sequence[Target]) -> list[Row]:
    """Every row over the seeds of a sweep's table (or of two, one below the other)."""
    done = table[table["status"] == "done"]
    by_cell = {cell: part.set_index("seed") for cell, part in done.groupby("cell_of")}
    return [_row(target, by_cell) for target in targets]


def _row(target: Target, by_cell: Mapping[str, pd.DataFrame]) -> Row:
    values = _values(target["id"], by_cell.get(BASE), by_cell)
    low, high, central = target["low"], target["high"], target.get("central")
    median = p05 = p95 = rank = None
    if len(values):
        p05, median, p95 = (float(one) for one in np.quantile(values, (0.05, 0.5, 0.95)))
        rank = float((values < central).mean()) if central is not None else None
    if target["id"] in PAIRS:
        median = _bound(values, PAIRS[target["id"]][2])
    others = np.zeros(0) if target["id"] in PAIRS else _values(target["id"], by_cell.get(NULL), by_cell)
    null = float(np.median(others)) if len(others) else None
    why = [
        *(["the null passes too"] if null is not None and low <= null <= high else []),
        *(
            ["its band is wider than twice the range"]
            if p05 is not None and p95 is not None and p95 - p05 > TOO_WIDE * (high - low) and high > low
            else []
        ),
    ]
    said = target["id"], target["name"], target["unit"], target["role"], len(values)
    return Row(*said, median, p05, p95, low, central, high, rank, null, "; ".join(why))


def _values(row: str, cell: pd.DataFrame | None, by_cell: Mapping[str, pd.DataFrame]) -> np.ndarray[Any, Any]:
    """A row's values by seed; those of a pair are differences (P5b) or ratios (P7) seed by seed."""
    import pandas as pd

    none = np.zeros(0)
    if cell is None:
        return none
    if row in PAIRS:
        variant, column, _ = PAIRS[row]
        if variant not in by_cell:
            return none
        without = by_cell[variant][column].rename("without")
        both = pd.concat([cell[column], without], axis=1, join="inner").dropna()
        first, other = both[column].to_numpy(dtype=float), both["without"].to_numpy(dtype=float)
        return first - other if row == "P5b" else first / other
    column = _column(row)
    if column not in cell:
        return none
    found = cell[column].dropna().to_numpy(dtype=float)
    return found if len(found) == len(cell) else none  # a row that some seeds cannot tell is not measured


def _bound(values: np.ndarray[Any, Any], which: str) -> float | None:
    """The end of the 95 % interval of the mean that the row asks for."""
    try:
        return float(getattr(interval(values.tolist()), which))
    except Unmeasured:
        return None


# telling ----------------------------------------------------------------------------------------------------


def markdown(scenario: str, found: Sequence[Row], table: pd.DataFrame) -> str:
    """The rows as Markdown."""
    done = table[table["status"] == "done"]
    counts = done.groupby("cell_of", sort=False)["seed"].nunique()
    compared = [row for row in found if row.role == "reference"]
    known = [row for row in compared if row.median is not None]
    passed = [row for row in known if row.passes]
    sound = [row for row in passed if not row.why]
    lines = [
        f"# {scenario}: rows over seeds",
        "",
        f"{len(passed)} of {len(compared)} compared rows are in range, {len(known) - len(passed)} are not, "
        f"{len(compared) - len(known)} could not be measured; {len(sound)} of those in range are evidence. Seeds: "
        + ", ".join(f"{cell} {count}" for cell, count in counts.items())
        + ".",
        "",
        "`rank`: share of seeds below what was realised. `null`: median of the same news with nobody of the public"
        " above a leverage of one, makers that never withdraw and an open network. **No evidence**: the null passes"
        " too, or the band of 5-95 % is wider than twice the range. P5b and P7: the value is the end of the 95 %"
        " interval over paired seeds that their range asks for, the band that of single pairs.",
        "",
        *_legs(done),
        "| | row | quantity | median | 5-95 % | range | realised | rank | null | unit | |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for row in found:
        band = f"{number(row.p05)} to {number(row.p95)}" if row.p05 is not None else "-"
        cells = [
            _mark(row), row.id, row.name, number(row.median), band,
            f"{number(row.low)} to {number(row.high)}", number(row.central),
            f"{row.rank:.0%}" if row.rank is not None else "-", number(row.null), row.unit,
            f"**no evidence**: {row.why}" if row.why and row.role == "reference" and row.median is not None else "",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _mark(row: Row) -> str:
    if row.role != "reference":
        return "given"
    if row.median is None:
        return "not measured"
    return "pass" if row.passes else "**MISS**"


def _legs(done: pd.DataFrame) -> list[str]:
    known = done[done["legs"].notna()]
    shares = known.groupby("cell_of", sort=False)["legs"].mean()
    if not len(shares):
        return []
    said = ", ".join(f"{cell} {share:.0%}" for cell, share in shares.items())
    starts = known.loc[(known["cell_of"] == BASE) & (known["legs"] > 0), "leg_start"]
    when = (
        f" They start {number(float(starts.median()))} min after the news in the median."
        if len(starts)
        else ""
    )
    return [f"Share of seeds with two legs: {said}.{when}", ""]


Told = Sequence[tuple[Study, "pd.DataFrame"]]  # studies of a scenario with their tables


def whole(told: Told) -> pd.DataFrame:
    """The tables of several studies, one below the other."""
    import pandas as pd

    return pd.concat([table for _, table in told], ignore_index=True)


def text(scenario: str, told: Told) -> str:
    """The rows of a scenario's card over all runs, as Markdown."""
    table = whole(told)
    return markdown(scenario, rows(table, targets_of(scenario)), table)


def targets_of(scenario: str) -> list[dict[str, Any]]:
    """The rows that a scenario is held against. Raises ValueError where there are none."""
    named = config.load(scenario).targets
    if named is None:
        raise ValueError(f"{scenario}: has no targets to be held against")
    return reference.targets(named.file)


def record(name: str, command: str, scenario: str, told: Told, folder: Path = recorded.OCTOBER) -> list[Path]:
    """Write the recorded result: every seed of every cell, and the table. See `experiments.recorded`."""
    targets = targets_of(scenario)
    ids = {_column(target["id"]): target["id"] for target in targets if target["id"] in ESTIMATORS}
    cells = {}
    for one, table in told:
        done = table[table["status"] == "done"]
        for which, part in done.groupby("cell_of", sort=False):
            settings = [
                (path, _text(value)) for path, value in one.factors["cell_of"].levels[str(which)].items()
            ]
            seeds = {
                int(line["seed"]): recorded.seed(
                    line["digest"], {ids[column]: line[column] for column in ids}
                )
                for _, line in part.iterrows()
            }
            cells[str(which)] = recorded.cell(scenario, settings, seeds)
    kept = {"rows": [row._asdict() for row in rows(whole(told), targets)]}
    return recorded.write(name, command, cells, text(scenario, told), kept, folder)


def _text(value: Any) -> str:
    """A value as --set takes it."""
    return json.dumps(value)
