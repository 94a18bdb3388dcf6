"""Parameter sweeps: `cascade sweep`, `sweep table`, `query`, `report`, `list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from experiments.commands import kernels, output
from experiments.commands.app import DONE, FAILED, BadInput, sweep_app
from experiments.commands.given import below, sound, writable
from experiments.commands.options import Files, Jobs, Number, Switch

if TYPE_CHECKING:
    from experiments.sweep import Results

Sweep = Annotated[
    str | None,
    Parameter(
        show_default=False,
        help="The study, or the folder or address of its results; default: the sweep that was run last.",
    ),
]
Place = Annotated[
    str | None,
    Parameter(help="Folder or address of the results, if they are not at runs/sweeps/NAME."),
]


@sweep_app.default
def sweep_run(
    study: str,
    /,
    *,
    plan: Switch = False,
    on: str = "local",
    retry_failed: Switch = False,
    seeds: Number | None = None,
    files: Files = (),
    out: str | None = None,
    jobs: Jobs = None,
) -> int:
    """Run a study; what is there already is not run again.

    Parameters
    ----------
    study
        A name (see `cascade sweep list`) or the path of a TOML file.
    plan
        Print cells, runs, expected time and disk, and run nothing.
    on
        local; dask, which starts a cluster on this machine; dask://HOST:PORT, one that runs.
    retry_failed
        Try runs again that failed.
    seeds
        So many seeds a cell instead of the study's.
    out
        Folder of the results, or an address that fsspec knows; default runs/sweeps/NAME.
    """
    from experiments.sweep import StudyError, planning, running
    from experiments.sweep.place import is_address, place
    from experiments.sweep.study import load

    faults = below(1, jobs=jobs)
    loaded = None
    for check in (lambda: running.checked_on(on), lambda: load(study, files, seeds)):
        try:
            loaded = check() or loaded
        except StudyError as error:
            faults += error.faults
    if faults or loaded is None:
        raise BadInput(faults)
    folder = running.folder_of(loaded, out)
    where = place(folder)
    with sound():
        planned = planning.plan(loaded, where.read("plan.json"))
    kernels.compiled()
    if plan:
        lines = planning.summary(planned, planning.costs(planned, where), jobs)
        print("\n".join(lines))
        output.put(study=loaded.name, cells=len(planned.cells), runs=planned.runs, plan=lines)
        return DONE
    if not is_address(folder):
        writable(Path(where.address))
    with sound():
        counts = running.start(planned, where, on=on, jobs=jobs, retry_failed=retry_failed)
    print(f"{folder}: {counts.there} runs were there, {counts.done} done, {counts.failed} failed")
    output.put(folder=folder, there=counts.there, done=counts.done, failed=counts.failed)
    return FAILED if counts.failed else DONE


@sweep_app.command(name="table")
def sweep_table(sweep: Sweep = None, /, *, out: Place = None, to: Path | None = None) -> int:
    """Write the table of a sweep, one line a run, and print what became of its runs.

    Parameters
    ----------
    to
        The file, .parquet or .csv; default table.parquet beside the results.
    """
    with sound():
        results = _opened(sweep, out)
        path = to or _beside(results, "table.parquet")
        if path.suffix not in (".parquet", ".csv"):
            raise BadInput([f"--to: given {path}, expected a file that ends with .parquet or .csv"])
        results.write_table(path)
        table = results.table()
    statuses = table["status"].value_counts()
    counts = ", ".join(f"{count} {status}" for status, count in statuses.items())
    print(f"{path}: {len(table)} runs, {counts}")
    output.put(file=path, runs=len(table), **{str(status): count for status, count in statuses.items()})
    for reason, count in table[table["status"] == "failed"]["reason"].value_counts().items():
        print(f"failed {count}: {reason}")
        output.add("reasons", reason=reason, runs=count)
    return DONE


@sweep_app.command(name="query")
def sweep_query(sql: str, sweep: Sweep = None, /, *, out: Place = None) -> int:
    """Print what SQL (DuckDB) finds in a sweep.

    Parameters
    ----------
    sql
        Over `results`, the table with one line a run, and over books, venues, network and events of all kept runs,
        whose column `run` joins them to it.
    """
    with sound():
        found = _opened(sweep, out).query(sql)
    print(found.to_string(index=False))
    output.put(rows=found.to_dict("records"))
    return DONE


@sweep_app.command(name="report")
def sweep_report(
    sweep: Sweep = None, /, *, out: Place = None, to: Path | None = None, record: Switch = False
) -> int:
    """Write the report of a sweep: maps with intervals, effects, indices, border, pairs.

    Parameters
    ----------
    to
        Folder of the report; default report/ beside the results.
    record
        record.json beside it: the digest of every run, which cascade october --verify holds against runs made anew.
    """
    from experiments.sweep import reporting

    with sound():
        results = _opened(sweep, out)
        folder = to or reporting.folder_for(results)
        writable(folder)
        report = reporting.write(results, folder)
        if record:
            reporting.record(results, folder)
    print(report)
    output.put(report=report)
    return DONE


@sweep_app.command(name="list")
def sweep_list() -> int:
    """The studies that come with CascadeLab."""
    import tomllib

    from experiments.sweep.study import STUDIES

    found = sorted(STUDIES.glob("*.toml"))
    wide = max((len(path.stem) for path in found), default=0)
    for path in found:
        title = tomllib.loads(path.read_text(encoding="utf-8")).get("title", "")
        print(f"{path.stem:<{wide}}  {title}")
        output.add("studies", name=path.stem, title=title, file=path)
    return DONE


def _opened(sweep: str | None, out: str | None) -> Results:
    from experiments import progress
    from experiments.sweep import opened

    found = opened(sweep, out)
    if sweep is None and out is None:
        progress.remark(f"{found.study.name}, the sweep that was run last")
    return found


def _beside(results: Results, name: str) -> Path:
    from experiments.sweep import reporting

    return reporting.folder_for(results).parent / name
