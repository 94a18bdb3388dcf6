"""A run folder: the only thing that score cards, figures and every later reader see of a run.

    config.toml         the scenario as it ran, every number resolved; a scenario file again
    provenance.json     seed, host, times, versions, commit: all that may differ between equal runs is here
    columns.json        name, unit and meaning of every recorded column, and the lists of names
    digest.txt          SHA-256 of the recorded values, independent of file bytes
    steps/              books, venues, network: one line a recorded step and book, venue or edge (Parquet)
    events/             one line an event; with record.fills one line a fill, with record.quotes one a chosen
                        participant, book and recorded step; stations of the network as they change
    accounts/           LABEL and positions-LABEL: accounts at chosen times

A folder appears whole or not at all; `experiments.writing` writes it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from abm.recording import Column, Recording, Table

STEP_TABLES = {"books": "book", "venues": "venue", "network": "edge"}  # table: what one line is about


class RunError(Exception):
    """A folder is not a run, or a name is not in it; the message says what is there instead."""


class Run:
    """One finished run, read from its folder.

    Example::

        run = Run.open("runs/two_venues")
        run.column("mid", book="alpha:BTC-PERP")        # float64 [steps]
        run.events("liquidation")["value"].sum()        # USD
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "config.toml").open("rb") as file:
            self.config: dict[str, Any] = tomllib.load(file)
        self.provenance: dict[str, Any] = json.loads((folder / "provenance.json").read_text())
        self.digest: str = (folder / "digest.txt").read_text().strip()
        described = json.loads((folder / "columns.json").read_text())
        self.columns = [Column(*line) for line in described["columns"]]
        self.start: datetime = datetime.fromisoformat(described["start"])
        self.books: list[str] = described["books"]
        self.venues: list[str] = described["venues"]
        self.edges: list[str] = described["edges"]
        self.vocabularies: dict[str, list[str]] = described["vocabularies"]
        clock = pq.read_table(folder / "steps" / "clock.parquet")
        self.steps: NDArray[np.int32] = clock["step"].to_numpy()
        self.time: NDArray[np.float64] = clock["time"].to_numpy()
        self._read: dict[tuple[str, str], NDArray[Any]] = {}

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run folder, or a folder that holds exactly one run as its `seed-...`.

        Raises RunError where there is no whole run at `path`.
        """
        folder = Path(path)
        seeds = seeds_in(folder)
        if not is_run(folder) and len(seeds) == 1:
            folder = seeds[0]
        if not folder.exists():
            raise RunError(f"{path}: no such folder")
        if not is_run(folder):
            inside = f"; it holds {len(seeds)} runs: {seeds[0].name} ..." if len(seeds) > 1 else ""
            raise RunError(f"{path}: not a run folder (no digest.txt and config.toml){inside}")
        with _whole(folder):
            return cls(folder)

    @property
    def seed(self) -> int:
        return int(self.provenance["seed"])

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.provenance["scenario"])

    def column(
        self, name: str, *, book: str | None = None, venue: str | None = None, edge: str | None = None
    ) -> NDArray[Any]:
        """One recorded column: [steps] for a named book, venue or edge, else [steps, all of them].

        Without a name the table is the one that has the column, books first. Unit: see `describe(name)`.
        """
        given = {"books": book, "venues": venue, "network": edge}
        chosen = [table for table, who in given.items() if who is not None]
        if len(chosen) > 1:
            raise RunError("a column belongs to a book, a venue or an edge: name one of them")
        tables = chosen or list(STEP_TABLES)
        table = next((one for one in tables if name in self._names(one)), None)
        if table is None:
            known = sorted({column for one in tables for column in self._names(one)})
            there = f"there are {', '.join(known)}" if known else "there are none"
            raise RunError(f"{self.folder}: no column {name!r} in {' or '.join(tables)}; {there}")
        values = self._step_values(table, name)
        if not chosen:
            return values
        who, members = given[table], self._members(table)
        if who not in members:
            raise RunError(f"no {STEP_TABLES[table]} {who!r}; there are {', '.join(members)}")
        return values[:, members.index(str(who))]

    def describe(self, name: str) -> tuple[str, str]:
        """Unit and meaning of a recorded column."""
        for column in self.columns:
            if column.name == name:
                return column.unit, column.meaning
        raise RunError(f"no column {name!r}")

    def table(self, name: str, columns: Sequence[str] = ()) -> pa.Table:
        """A table by its path ("steps/books", "events/events", "accounts/end"; no .parquet): all columns or these."""
        path = self.folder / f"{name}.parquet"
        if not self.has(name):
            raise RunError(f"{self.folder}: no table {name!r}; there are {', '.join(self.tables())}")
        with _whole(path):
            return pq.read_table(path, columns=list(columns) or None)

    def tables(self) -> list[str]:
        """The names of all tables, as `table` takes them."""
        found = self.folder.glob("*/*.parquet")
        return sorted(str(path.relative_to(self.folder).with_suffix("")) for path in found)

    def has(self, name: str) -> bool:
        """Whether the run kept a table of this name."""
        return (self.folder / f"{name}.parquet").exists()

    def events(self, kind: str | None = None) -> dict[str, NDArray[Any]]:
        """The events, or those of one kind, in order of time: arrays by column, names as text."""
        table = self.table("events/events")
        if kind is not None:
            kinds = self.vocabularies.get("kind", [])
            if kinds and kind not in kinds:
                raise RunError(f"no events of kind {kind!r}; there are {', '.join(kinds)}")
            table = table.filter(pc.equal(table["kind"].cast(pa.string()), kind))
        return {name: _plain(table[name]) for name in table.column_names}

    def fills(self, *columns: str) -> dict[str, NDArray[Any]]:
        """Every fill of a run that kept them (`record.fills`), in order: arrays by column, names as text.

        columns: only these; all if none is named.
        """
        if not self.has("events/fills"):
            raise RunError(f"{self.folder}: the run kept no fills; --set record.fills=true keeps them")
        table = self.table("events/fills", columns)
        return {name: _plain(table[name]) for name in table.column_names}

    def quotes(self) -> dict[str, NDArray[Any]]:
        """Quotes and inventories of the participants named in `record.quotes`, in order of time: arrays by column."""
        if not self.has("events/quotes"):
            makers = [
                name
                for name, entry in self.config.get("population", {}).items()
                if entry.get("species") == "market_maker"
            ]
            setting = json.dumps(makers or ["NAME"])
            raise RunError(f"{self.folder}: kept no quotes; --set 'record.quotes={setting}' keeps them")
        table = self.table("events/quotes")
        return {name: _plain(table[name]) for name in table.column_names}

    def levels(self) -> dict[str, NDArray[Any]]:
        """Price levels of the books named in `record.levels`, in order of time, bids then asks, the best first."""
        if not (self.folder / "events" / "levels.parquet").exists():
            raise RunError(
                f"{self.folder}: kept no levels; --set 'record.levels=[\"VENUE:COIN-PERP\"]' keeps them"
            )
        table = self.table("events/levels")
        return {name: _plain(table[name]) for name in table.column_names}

    def observations(self) -> dict[str, NDArray[Any]]:
        """What participants remarked, in order of time: arrays by column, names as text; empty if nobody did."""
        return self._lines("observations")

    def stations(self) -> dict[str, NDArray[Any]]:
        """A line whenever a resource of the network has changed, in order of time; empty if it has none."""
        return self._lines("stations")

    def waits(self) -> dict[str, NDArray[Any]]:
        """How often transfers waited how long in the queue of a resource; empty if none did."""
        return self._lines("waits")

    def refusals(self) -> dict[str, NDArray[Any]]:
        """Transfers that were asked for and not taken, in order of time; empty if there were none."""
        return self._lines("refusals")

    def _lines(self, name: str) -> dict[str, NDArray[Any]]:
        if not self.has(f"events/{name}"):
            return {}
        table = self.table(f"events/{name}")
        return {column: _plain(table[column]) for column in table.column_names}

    def accounts(self, label: str = "end") -> dict[str, NDArray[Any]]:
        """All accounts at a label ("start", "end" or seconds): arrays by column."""
        table = self.table(f"accounts/{label}")
        return {name: _plain(table[name]) for name in table.column_names}

    def positions(self, label: str = "end") -> dict[str, NDArray[Any]]:
        """All open positions at a label: arrays by column, joined to accounts by `row`."""
        return self.accounts(f"positions-{label}")

    def labels(self) -> list[str]:
        """The times at which accounts were kept."""
        found = (name.partition("/") for name in self.tables())
        return sorted(
            name for part, _, name in found if part == "accounts" and not name.startswith("positions-")
        )

    def verify(self) -> bool:
        """Whether the values in the files are still those that the digest was made of."""
        return self.recording().digest() == self.digest

    def watched(self, columns: Mapping[str, Sequence[str]]) -> Recording:
        """These columns of the tables of steps, where the run has them, and the events: what moves, and no more."""
        return self._record(
            **{
                table: {name: self._step_values(table, name) for name in names if name in self._names(table)}
                for table, names in columns.items()
            },
        )

    def _record(self, **tables: Any) -> Recording:
        """A record of this run's steps and events with these tables besides."""
        return Recording(
            start=self.start,
            step=self.steps,
            time=self.time,
            book_names=self.books,
            venue_names=self.venues,
            edge_names=self.edges,
            events=self._coded("events/events"),
            **tables,
        )

    def recording(self) -> Recording:
        """The whole record back in memory, as it was written."""
        return self._record(
            books={name: self._step_values("books", name) for name in self._names("books")},
            venues={name: self._step_values("venues", name) for name in self._names("venues")},
            network={name: self._step_values("network", name) for name in self._names("network")},
            fills=self._coded("events/fills"),
            quotes=self._coded("events/quotes"),
            levels=self._coded("events/levels"),
            observations=self._coded("events/observations"),
            stations=self._coded("events/stations"),
            waits=self._coded("events/waits"),
            refusals=self._coded("events/refusals"),
            accounts={label: self._coded(f"accounts/{label}") for label in self.labels()},
            positions={
                path.stem.removeprefix("positions-"): self._coded(f"accounts/{path.stem}")
                for path in (self.folder / "accounts").glob("positions-*.parquet")
            },
            columns=self.columns,
            vocabularies=self.vocabularies,
        )

    def _members(self, table: str) -> list[str]:
        return {"books": self.books, "venues": self.venues, "network": self.edges}[table]

    def _names(self, table: str) -> list[str]:
        path = self.folder / "steps" / f"{table}.parquet"
        if not self.has(f"steps/{table}"):
            return []
        keys = ("step", "time", STEP_TABLES[table])
        with _whole(path):
            return [name for name in pq.read_schema(path).names if name not in keys]

    def _step_values(self, table: str, name: str) -> NDArray[Any]:
        if (table, name) not in self._read:
            path = self.folder / "steps" / f"{table}.parquet"
            with _whole(path):
                long = pq.read_table(path, columns=[name])[name].to_numpy()
                self._read[table, name] = long.reshape(len(self.time), len(self._members(table)))
        return self._read[table, name]

    def _coded(self, path: str) -> Table:
        table = self.table(path) if self.has(path) else pa.table({})
        known = {"book": self.books, "venue": self.venues, "edge": self.edges, **self.vocabularies}
        return {name: _codes(table[name], known.get(name)) for name in table.column_names}


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """What cannot be read inside is told as a RunError that names the place."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{path}: damaged, cannot be read: {reason[:200]}") from error


def seeds_in(folder: Path) -> list[Path]:
    """The runs of a folder, `seed-0001 ...`; their snapshots lie beside them as `seed-0001@600`."""
    return sorted(path for path in folder.glob("seed-*") if "@" not in path.name) if folder.is_dir() else []


def is_run(folder: Path) -> bool:
    """Whether a folder holds a whole run; cheap, reads nothing."""
    return (folder / "digest.txt").is_file() and (folder / "config.toml").is_file()


def _plain(column: Any) -> NDArray[Any]:
    """A file's column as numpy: names as text, "" for none."""
    if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
        places, names = _named(column)
        return np.array([name or "" for name in [*names, ""]], dtype=object)[places]
    return np.asarray(column.to_numpy())


def _codes(column: Any, names: Sequence[str] | None) -> NDArray[Any]:
    """A file's column as the recording had it: names as codes again."""
    if names is not None and pa.types.is_dictionary(column.type):
        code = {name: number for number, name in enumerate(names)}
        places, found = _named(column)
        return np.array([*(-1 if name is None else code[name] for name in found), -1], dtype=np.int32)[places]
    return _plain(column)


def _named(column: Any) -> tuple[NDArray[np.int64], list[str | None]]:
    """Places of a column of text in the list of its names, the last place of all for none."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    places, names = [np.zeros(0, np.int64)], []
    for chunk in column.unify_dictionaries().chunks:
        names = chunk.dictionary.to_pylist()  # the same for every chunk
        places.append(chunk.indices.cast(pa.int64()).fill_null(len(names)).to_numpy(zero_copy_only=False))
    return np.concatenate(places), names
