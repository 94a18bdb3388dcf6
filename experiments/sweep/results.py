"""What a sweep has found: a tidy table with one line a run, and SQL over it and over all run folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import run as runs
from experiments.sweep.place import RUNS, Folder, Place, is_address, place
from experiments.sweep.planning import Plan, read
from experiments.sweep.study import STUDIES, Study, StudyError

if TYPE_CHECKING:
    import pandas as pd

SWEEPS = Path("runs") / "sweeps"
VIEWS = {
    "books": "steps/books",
    "venues": "steps/venues",
    "network": "steps/network",
    "events": "events/events",
}


@dataclass(frozen=True)
class Results:
    """A place with a sweep's results, its study and its plan."""

    study: Study
    planned: Plan
    where: Place

    def table(self) -> pd.DataFrame:
        """One line a run: cell, factors, seed, status (done, failed, stale, missing), outcomes, digest, provenance.

        A run is stale where the study's outcomes have changed since; sweeping again measures it anew.
        """
        import pandas as pd

        records = self.where.records(self.planned.names())
        factors, outcomes = list(self.study.factors), list(self.study.outcomes)
        lines = []
        for cell in self.planned.cells:
            for seed, name in zip(cell.seeds, cell.names(), strict=True):
                record = records.get(name, {})
                status = record.get("status", "missing")
                if status == "done" and record["measured"] != self.planned.measured:
                    status = "stale"
                measured = record.get("outcomes", {}) if status == "done" else {}
                lines.append(
                    (
                        cell.number,
                        *(cell.values[factor] for factor in factors),
                        seed,
                        status,
                        *(measured.get(outcome, float("nan")) for outcome in outcomes),
                        record.get("digest", ""),
                        record.get("seconds", float("nan")),
                        record.get("reason", ""),
                        record.get("host", ""),
                        record.get("ended", ""),
                        record.get("commit", ""),
                        cell.content,
                        name,
                    )
                )
        last = ["digest", "seconds", "reason", "host", "ended", "commit", "content", "run"]
        return pd.DataFrame(lines, columns=["cell", *factors, "seed", "status", *outcomes, *last])

    def write_table(self, path: Path) -> None:
        """The table as Parquet, with the study and the hash of the sources in its metadata, or as CSV."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path.parent.mkdir(parents=True, exist_ok=True)
        table = self.table()
        if path.suffix == ".csv":
            table.to_csv(path, index=False)
            return
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        about = {
            b"study": (self.where.read("study.json") or "").encode(),
            b"program": self.planned.program.encode(),
        }
        pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **about}), path)

    def query(self, sql: str) -> pd.DataFrame:
        """SQL (DuckDB) over `results`, the table, and over the tables of all kept runs: `books`, `venues`, `network`,
        `events`, each with the column `run` that joins it to the table.

        Raises StudyError with what DuckDB says of the SQL.
        """
        import duckdb

        with duckdb.connect() as database:
            database.register("results", self.table())
            for view, path in VIEWS.items():
                source = self._glob(database, path)
                if source:
                    database.execute(
                        f"CREATE VIEW {view} AS SELECT * EXCLUDE (filename),"
                        f" regexp_extract(filename, '/([^/]+)/{path}.parquet$', 1) AS run"
                        f" FROM read_parquet('{source}', filename = true, union_by_name = true)"
                    )
            try:
                return database.execute(sql).df()
            except duckdb.Error as error:
                raise StudyError([f"SQL: {' '.join(str(error).split())}"]) from error

    def _glob(self, database: Any, path: str) -> str:
        """Where the runs' tables of one kind are; "" if there are none."""
        pattern = f"*/{path}.parquet"
        if isinstance(self.where, Folder):
            folder = self.where.folder.resolve() / RUNS
            found = next(folder.glob(pattern), None) if folder.is_dir() else None
            return str(folder / pattern).replace("'", "''") if found is not None else ""
        from experiments.sweep.place import Remote

        assert isinstance(self.where, Remote)
        there = self.where.files.glob(f"{self.where.root}/{RUNS}/{pattern}")
        if not there:
            return ""
        scheme = self.where.address.partition("://")[0]
        if not database.filesystem_is_registered(scheme):
            database.register_filesystem(self.where.files)
        return f"{scheme}://{self.where.root.lstrip('/')}/{RUNS}/{pattern}".replace("'", "''")

    def run(self, name: str) -> runs.Run:
        """A kept run by its name in the table's column `run`."""
        if not isinstance(self.where, Folder):
            raise runs.RunError(
                f"{self.where.address}: runs are opened from a folder; copy it to this machine"
            )
        return runs.Run.open(self.where.folder / RUNS / name)


def opened(sweep: str | Path | Study | None = None, out: str | Path | None = None) -> Results:
    """The results of a sweep.

    Args:
        sweep: a study, its name, the path of its file, or the folder or address of the results; none = the sweep under
            `runs/sweeps` that was run last.
        out: folder or address of the results, where they are not at their usual place.

    Raises:
        StudyError: nothing was swept there.
    """
    where = place(out if out is not None else _address(sweep))
    text, planned = where.read("study.json"), where.read("plan.json")
    if text is None or planned is None:
        raise StudyError([f"{where.address}: no sweep there yet; cascade sweep STUDY makes one"])
    study = Study.model_validate(json.loads(text))  # reading needs none of the user's own files
    return Results(study, read(study, planned), where)


def _address(sweep: str | Path | Study | None) -> str:
    if sweep is None:
        there = sorted(SWEEPS.glob("*/plan.json"), key=lambda path: path.stat().st_mtime)
        if not there:
            raise StudyError([f"{SWEEPS}: no sweep there yet; cascade sweep STUDY makes one"])
        return str(there[-1].parent)
    if isinstance(sweep, Study):
        return str(SWEEPS / sweep.name)
    if is_address(sweep) or (Path(sweep) / "plan.json").is_file():
        return str(sweep)
    if Path(sweep).suffix == ".toml" or (STUDIES / f"{sweep}.toml").is_file():
        return str(SWEEPS / Path(sweep).stem)
    return str(SWEEPS / str(sweep)) if (SWEEPS / str(sweep)).is_dir() else str(sweep)
