"""The whole validation: runs of the calm market, benchmarks, one table, figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from experiments import progress
from experiments.config import Scenario
from experiments.readings import Unmeasured
from experiments.run import Run
from experiments.store import write_text
from experiments.validate import figures, impact, stylized, table
from experiments.validate.benchmarks import BENCHMARKS
from experiments.validate.lab import Lab
from experiments.validate.stylized import Calm
from experiments.validate.table import Row

TAPE = 7200.0  # s, of the run that keeps every fill
MOMENTS = 4  # at which the tape keeps the whole book

FACTS = tuple(f"F{number}" for number in range(1, 20))


def chosen(only: Sequence[str]) -> tuple[list[str], list[str]]:
    """(facts, benchmarks) that were asked for; all if nothing is named. Raises ValueError with one line a fault."""
    all_of_them = sorted(BENCHMARKS, key=lambda name: int(name[1:]))
    known = [*FACTS, *all_of_them]
    wrong = [name for name in only if name not in known and name not in ("facts", "benchmarks")]
    if wrong:
        raise ValueError(
            "\n".join(
                f"--only: given {name}, expected facts, benchmarks or one of {', '.join(known)}"
                for name in wrong
            )
        )
    if not only:
        return list(FACTS), all_of_them
    facts = [name for name in FACTS if name in only or "facts" in only]
    return facts, [name for name in all_of_them if name in only or "benchmarks" in only]


def parameters(name: str, settings: Mapping[str, Any]) -> Any:
    """Parameters of a benchmark with some of them set. Raises pydantic's ValidationError."""
    return BENCHMARKS[name].parameters.model_validate(dict(settings))


def calm_runs(scenario: Scenario, work: Lab, seeds: Sequence[int]) -> list[Calm]:
    """A day and a tape of every seed; the tape keeps the price levels of the book that trades most."""
    days = work.run("facts", {"day": scenario}, seeds)["day"]
    main = tuple(dict.fromkeys(name for day in days for name in _main(day)))
    clock, record = scenario.clock, scenario.record
    length = min(clock.duration, TAPE)
    step = clock.step
    moments = [round(length * (k + 1) / MOMENTS / step) * step for k in range(MOMENTS)]
    tape = scenario.model_copy(
        update={
            "clock": clock.model_copy(update={"duration": length}),
            "record": record.model_copy(
                update={"fills": True, "every": 1, "levels": main, "books": main, "accounts_at": ()}
            ),
        }
    )
    tapes = work.run("facts", {"tape": tape}, seeds, save_at=tuple(moments))["tape"]
    return [Calm(day, tape) for day, tape in zip(days, tapes, strict=True)]


def _main(day: Run) -> list[str]:
    """The book that is looked at; none where no perpetual was recorded."""
    try:
        return [Calm(day, None).book]
    except Unmeasured:
        return []


def measure(
    scenario: Scenario | None,
    name: str,
    work: Lab,
    seeds: Sequence[int],
    facts: Sequence[str],
    benchmarks: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Run what is needed and make the card, its files and figures included.

    Args:
        scenario: of the calm market; None where no fact is asked for.
        settings: parameters of benchmarks that are set, by benchmark.
    """
    rows: list[Row] = []
    about = []
    if facts and scenario is not None:
        calm = calm_runs(scenario, work, seeds)
        found = stylized.rows(calm)
        if "F6" in facts:
            found += impact.fact_rows(work)
        rows += [row for row in stylized.ordered(found) if table.group(row["id"]) in facts]
        hours = scenario.clock.duration / 3600.0
        about.append(
            f"Facts: scenario `{name}`, {hours:g} simulated hours, seeds {', '.join(map(str, seeds))}; value ="
            " median over seeds, in brackets the 5 % and 95 % quantiles."
            + ("" if hours >= 24 else " Less than a day: what needs one is not measured.")
        )
        figures.facts(calm, work.folder / "figures")
    for done, benchmark in enumerate(benchmarks):
        progress.remark(f"{benchmark}, {BENCHMARKS[benchmark].paper}: {done} of {len(benchmarks)} done")
        rows += BENCHMARKS[benchmark].rows(parameters(benchmark, settings.get(benchmark, {})), work)
    if benchmarks:
        about.append(
            "Benchmarks: the same book, accounts and queues, everything else switched off by configuration."
        )
    if work.quick:
        about.append("Quick: small samples, so that chance alone may miss a tolerance.")
    card = {"scenario": name, "seeds": list(seeds), "about": " ".join(about), "rows": rows}
    write_text(work.folder / "validate.json", json.dumps(card, indent=1, allow_nan=False))
    write_text(work.folder / "validate.md", table.markdown(card).rstrip("\n"))
    figures.benchmarks(rows, work.folder / "figures")
    return card
