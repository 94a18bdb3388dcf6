"""Rows of a score card over many seeds, beside a market without the mechanism: `cascade evidence`."""

from __future__ import annotations

from pathlib import Path

from experiments.commands import kernels
from experiments.commands.app import DONE, FAILED, BadInput, app
from experiments.commands.given import below, no_name, writable
from experiments.commands.options import Jobs, Number


@app.command
def evidence(
    scenario: str,
    /,
    *,
    seeds: Number = 200,
    pairs: Number = 20,
    record: str | None = None,
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Say of every row of a card what many seeds say, and whether a market without the mechanism says the same.

    What has been run already is not run again; a row is told as far as its seeds are there.

    Parameters
    ----------
    scenario
        The name of a scenario with targets.
    seeds
        Seeds 1 to this number of the scenario and of its null market.
    pairs
        Of these seeds so many also without ADL and without stops, for the rows that compare pairs; 0 = none.
    record
        Write the result to experiments/results/october/NAME.json, for the repository.
    out
        Folder of the runs and the table; default runs/evidence/SCENARIO.
    """
    from experiments import evidence as rows
    from experiments.store import write_text
    from experiments.sweep import Results, StudyError, planning, running
    from experiments.sweep.place import place

    faults = below(1, seeds=seeds, jobs=jobs)
    faults += (
        [] if 0 <= pairs <= seeds else [f"--pairs: given {pairs}, expected between 0 and --seeds, {seeds}"]
    )
    faults += no_name("--record", record)
    folder = out or Path("runs") / "evidence" / Path(scenario).stem
    parts = {"rows": ((rows.BASE, rows.NULL), seeds), "pairs": (("no_adl", "no_stops"), pairs)}
    studies = {}
    for name, (cells, count) in parts.items():
        try:
            studies |= {name: rows.study(scenario, cells, count)} if count and not faults else {}
        except (StudyError, ValueError) as error:
            faults += list(getattr(error, "faults", [str(error)]))
    if faults:
        raise BadInput(dict.fromkeys(faults))
    writable(folder)
    kernels.compiled()
    told, failed = [], 0
    for name, study in studies.items():
        where = place(str(folder / name))
        planned = planning.plan(study, where.read("plan.json"))
        failed += running.start(planned, where, jobs=jobs).failed
        told.append((study, Results(study, planned, where).table()))
    path = folder / "evidence.md"
    write_text(path, rows.text(scenario, told))
    print(path)
    if record is not None:
        command = f"cascade evidence {scenario} --seeds {seeds} --pairs {pairs} --record {record}"
        for path in rows.record(record, command, scenario, told):
            print(f"recorded in {path}")
    return FAILED if failed else DONE
