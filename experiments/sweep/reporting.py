"""The report of a sweep: Markdown with small tables, and figures beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from experiments import recorded
from experiments.scorecard import number
from experiments.store import write_text
from experiments.sweep import effects, indices, pictures
from experiments.sweep.pictures import name_of, outcome_of, value_of
from experiments.sweep.place import Folder
from experiments.sweep.planning import duration, settings_of
from experiments.sweep.results import Results
from experiments.sweep.study import Study, StudyError

FULL = ("grid", "factorial")


def write(results: Results, folder: Path) -> Path:
    """Write `report.md`, `cells.csv` and the figures; returns the report's path.

    Raises StudyError where no run is done.
    """
    table = results.table()
    if not (table["status"] == "done").any():
        raise StudyError([f"{results.where.address}: no run is done yet, nothing to report"])
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_head(results, table)]
    for part in (
        _maps,
        _boundary,
        _slopes,
        _effects,
        _sampled,
        _shapley,
        _joint,
        _policies,
        _peaks,
        _failures,
    ):
        lines += part(results.study, table, folder)
    _cells_file(results.study, table, folder)
    lines += ["", "All cells: [cells.csv](cells.csv)."]
    write_text(folder / "report.md", "\n".join(lines))
    return folder / "report.md"


def record(results: Results, folder: Path) -> Path:
    """Write `record.json`: every done run's digest, with the settings that make it, as `experiments.recorded` has it.

    Raises ScenarioError where a cell is no longer one of the scenario.
    """
    study, table = results.study, results.table()
    done, settings = table[table["status"] == "done"], settings_of(study)
    cells = {}
    for cell in results.planned.cells:
        mine = done[done["cell"] == cell.number]
        runs = zip(mine["seed"], mine["digest"], strict=True)
        seeds = {int(seed): recorded.seed(digest, {}) for seed, digest in runs}
        if seeds:
            label = ", ".join(f"{name} {value_of(value)}" for name, value in cell.values.items())
            cells[label or "all"] = recorded.cell(study.scenario, settings(cell.values), seeds)
    path = folder / recorded.BESIDE_REPORT
    recorded.write_json(path, f"cascade sweep {study.name} --seeds {study.replicates.count}", cells)
    return path


def _head(results: Results, table: pd.DataFrame) -> Iterator[str]:
    study, planned = results.study, results.planned
    done = table[table["status"] == "done"]
    runs = done.drop_duplicates("run")
    yield f"# {study.title or study.name}"
    yield ""
    if study.question:
        yield from (study.question, "")
    counts = study.replicates
    yield (
        f"Scenario `{study.scenario}`, design {study.design.kind}: {len(planned.cells)} cells x {counts.count}"
        f" {counts.seeds} seeds, {len(runs)} runs done in {duration(float(runs['seconds'].sum()))} of one core."
        f" Sources `{planned.program[:12]}`. Made by `cascade sweep {study.name}`, told by `cascade sweep report"
        f" {study.name}`."
    )
    yield ""
    for line in effects.warnings(table, list(study.factors), list(study.outcomes)):
        yield f"- {line}"


def _maps(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    factors = list(study.factors)
    wanted = study.report.maps
    if not wanted and len(factors) > 1:
        wanted = ((next(iter(study.outcomes)), factors[0], factors[1]),)
    if study.design.kind == "one_at_a_time":
        wanted = ()
    for outcome, across, up in wanted:
        if effects.known(table, outcome).empty:
            continue
        figure, pooled = pictures.heat_map(study, table, outcome, across, up)
        file = f"map_{outcome}_{across}_{up}.png"
        pictures.save(figure, folder / file)
        yield from (
            "",
            f"## {outcome_of(study, outcome)}, by {name_of(study, across)} and {name_of(study, up)}",
            "",
        )
        yield f"![{outcome_of(study, outcome)}]({file})"
        if pooled:
            yield from ("", f"Each cell is {pooled}.")


def _boundary(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    wanted = study.report.boundary
    if wanted is None or study.design.kind not in FULL:
        return
    found = effects.boundary(
        table, list(study.factors), wanted.outcome, wanted.along, wanted.level, wanted.quantile
    )
    yield from ("", "## Border", "")
    yield (
        f"Where along *{name_of(study, wanted.along)}* the {wanted.quantile:.0%} quantile of"
        f" *{outcome_of(study, wanted.outcome)}* crosses {number(wanted.level)}; `found` is the share of bootstrap"
        " samples in which it crosses at all."
    )
    yield ""
    rest = [factor for factor in study.factors if factor != wanted.along]
    yield from _markdown(
        [name_of(study, factor) for factor in rest] + ["at", "95 % interval", "found"],
        (
            [value_of(line[factor]) for factor in rest]
            + [number(line["at"]), _interval(line["low"], line["high"]), f"{line['found']:.0%}"]
            for _, line in found.iterrows()
        ),
    )


def _slopes(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    if not study.report.slopes:
        return
    yield from ("", "## Slopes", "", "Least squares over all runs; intervals over seeds drawn anew.", "")
    lines = []
    for outcome, along in study.report.slopes:
        value, low, high, runs = effects.slope(table, along, outcome)
        lines.append(
            [
                outcome_of(study, outcome),
                name_of(study, along),
                str(runs),
                number(value),
                _interval(low, high),
            ]
        )
    yield from _markdown(["outcome", "along", "runs", "slope", "95 % interval"], lines)


def _effects(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    yield from ("", "## Main effects", "", "Median over all runs at each value of a factor.")
    for outcome in study.outcomes:
        if effects.known(table, outcome).empty:
            continue
        pictures.save(pictures.main_effects(study, table, outcome), folder / f"effects_{outcome}.png")
        yield from ("", f"![{outcome_of(study, outcome)}](effects_{outcome}.png)")


def _sampled(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    kind = study.design.kind
    of: dict[str, Callable[..., pd.DataFrame]] = {"morris": indices.morris, "saltelli": indices.sobol}
    if kind in of:
        title = {"morris": "Morris: elementary effects", "saltelli": "Sobol indices"}[kind]
        yield from ("", f"## {title}", "", "Of the cells' medians, with 95 % bootstrap intervals.")
        for outcome in study.outcomes:
            found = of[kind](study, table, outcome)
            yield from ("", f"**{outcome_of(study, outcome)}**", "")
            if found.empty:
                yield "Too few whole blocks of the design, or no variance at all."
                continue
            pictures.save(pictures.indices(study, found, outcome), folder / f"{kind}_{outcome}.png")
            yield from _index_table(study, kind, found)
            yield from ("", f"![{kind}]({kind}_{outcome}.png)")
            if found["left_out"].iloc[0]:
                yield from (
                    "",
                    f"{found['left_out'].iloc[0]} blocks of the design have a cell without a result.",
                )
    elif kind in ("latin", "sobol"):
        yield from (
            "",
            "## Rank correlations",
            "",
            "Spearman's, of every factor of numbers, with 95 % intervals.",
            "",
        )
        lines = []
        for outcome in study.outcomes:
            for _, line in effects.ranks(table, list(study.factors), outcome).iterrows():
                lines.append(
                    [outcome_of(study, outcome), name_of(study, line["factor"]), number(line["correlation"]),
                     _interval(line["low"], line["high"])]
                )  # fmt: skip
        yield from _markdown(["outcome", "factor", "correlation", "95 % interval"], lines)


def _index_table(study: Study, kind: str, found: pd.DataFrame) -> list[str]:
    if kind == "morris":
        return _markdown(
            ["factor", "mean size", "95 % interval", "mean", "spread"],
            (
                [name_of(study, line["factor"]), number(line["mu_star"]), _interval(line["low"], line["high"]),
                 number(line["mu"]), number(line["sigma"])]
                for _, line in found.iterrows()
            ),
        )  # fmt: skip
    return _markdown(
        ["factor", "alone", "95 % interval", "with others", "95 % interval"],
        (
            [name_of(study, line["factor"]), number(line["first"]),
             _interval(line["first_low"], line["first_high"]), number(line["total"]),
             _interval(line["total_low"], line["total_high"])]
            for _, line in found.iterrows()
        ),
    )  # fmt: skip


def _shapley(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    factors = list(study.factors)
    if study.design.kind not in FULL or len(factors) < 2:
        return
    yield from ("", "## Shapley shares", "")
    yield (
        "Of the cells' medians: `share` of their variance over the grid that a factor carries, and `change`, what it"
        " adds on the way from the first values of all factors to the last, its interactions divided evenly."
    )
    yield ""
    lines = []
    common = study.replicates.seeds == "common"
    for outcome in study.outcomes:
        for _, line in indices.attributed(table, factors, outcome, common).iterrows():
            lines.append(
                [outcome_of(study, outcome), name_of(study, line["factor"]),
                 f"{line['share']:.0%}" if line["share"] == line["share"] else "-",
                 f"{line['share_low']:.0%} to {line['share_high']:.0%}" if line["share"] == line["share"] else "-",
                 number(line["change"]), _interval(line["change_low"], line["change_high"])]
            )  # fmt: skip
    if lines:
        yield from _markdown(
            ["outcome", "factor", "share", "95 % interval", "change", "95 % interval"], lines
        )
    else:
        yield "A cell has no result."


def _joint(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    factors = list(study.factors)
    if study.design.kind != "factorial" or len(factors) < 2:
        return
    yield from ("", "## Largest interactions", "")
    yield (
        "The group of factors that adds most beyond its parts (Harsanyi's dividend), from the first values of all"
        " factors to the last."
    )
    yield ""
    lines = []
    for outcome in study.outcomes:
        found = indices.largest_joint(table, factors, outcome)
        if found is not None:
            group, value, low, high = found
            lines.append(
                [outcome_of(study, outcome), ", ".join(name_of(study, name) for name in group)]
                + [number(value), _interval(low, high)]
            )
    if lines:
        yield from _markdown(["outcome", "factors together", "adds", "95 % interval"], lines)
    else:
        yield "A cell has no result."


def _policies(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    for policy in study.report.policies:
        base = study.factors[policy].base
        yield from ("", f"## {name_of(study, policy)}: differences seed by seed", "")
        yield (
            "All else equal, the same seed: b minus a. `p` is Wilcoxon's signed-rank test over seeds, each seed"
            " counted once by its median over the other factors."
        )
        yield ""
        lines = []
        for outcome, spec in study.outcomes.items():
            for _, line in effects.pairs(table, list(study.factors), policy, outcome, base).iterrows():
                lines.append(
                    [outcome_of(study, outcome), value_of(line["a"]), value_of(line["b"]), str(int(line["pairs"])),
                     number(line["median"]), _interval(line["low"], line["high"]),
                     f"{line['larger']:.0%} / {line['smaller']:.0%}", number(line["p"]),
                     _better(spec.better, line)]
                )  # fmt: skip
        yield from _markdown(
            ["outcome", "a", "b", "pairs", "median", "95 % interval", "larger / smaller", "p", "better"],
            lines,
        )


def _better(way: str, line: Any) -> str:
    """Which of a pair is better, if the interval of the difference leaves no doubt."""
    if not way or line["low"] <= 0.0 <= line["high"]:
        return ""
    return value_of(line["b"] if (line["median"] < 0) == (way == "low") else line["a"])


def _peaks(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    lines, tried = [], 0
    for outcome in study.outcomes:
        found = effects.two_peaks(table, list(study.factors), outcome)
        tried += len(found)
        for _, line in found[found["corrected"] < 0.05].iterrows() if len(found) else ():
            cell = ", ".join(f"{name_of(study, factor)} {value_of(line[factor])}" for factor in study.factors)
            lines.append(
                [
                    outcome_of(study, outcome),
                    cell,
                    str(int(line["runs"])),
                    number(line["dip"]),
                    f"{line['corrected']:.2g}",
                ]
            )
    if not tried:
        return
    yield from ("", "## More than one peak?", "")
    yield f"Hartigan's dip test of {tried} cells with enough different values, p by Holm's correction for each outcome:"
    yield ""
    if lines:
        yield from _markdown(["outcome", "cell", "runs", "dip", "p"], lines)
    else:
        yield "no cell is told from a distribution of one peak."


def _failures(study: Study, table: pd.DataFrame, folder: Path) -> Iterator[str]:
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return
    yield from ("", "## Failed runs", "")
    yield from _markdown(
        ["runs", "cells", "reason"],
        (
            [str(len(group)), ", ".join(map(str, sorted(set(group["cell"]))[:8])), str(reason)[:200]]
            for reason, group in failed.groupby("reason")
        ),
    )


def _cells_file(study: Study, table: pd.DataFrame, folder: Path) -> None:
    """Every cell and outcome: median with interval; the band of 5-95 % where there are enough runs for one."""
    factors = list(study.factors)
    parts = []
    for outcome in study.outcomes:
        if effects.known(table, outcome).empty:
            continue
        found = effects.cells(table, factors, outcome)
        few = found["runs"] < effects.FOR_BANDS
        bands = [name for name in found if name.startswith(("q05", "q95"))]
        found.loc[few, bands] = float("nan")
        parts.append(found.assign(outcome=outcome))
    together = pd.concat(parts)[
        ["outcome", *factors, *[name for name in parts[0] if name not in (*factors, "outcome")]]
    ]
    together.to_csv(folder / "cells.csv", index=False, float_format="%.6g")


def _interval(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}" if low == low else "-"


def _markdown(head: list[str], lines: Iterable[list[str]]) -> list[str]:
    """A Markdown table."""
    found = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for line in lines:
        found.append("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |")
    return found


def folder_for(results: Results) -> Path:
    """Where a report goes by itself: beside the results if they are in a folder of this machine."""
    if isinstance(results.where, Folder):
        with contextlib.suppress(ValueError):
            return (results.where.folder / "report").relative_to(Path.cwd())
        return results.where.folder / "report"
    return Path("runs") / "sweeps" / results.study.name / "report"
