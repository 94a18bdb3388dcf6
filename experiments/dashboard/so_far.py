"""A run that is still in memory, read as if it were a folder: an account's story needs no disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from abm.recording import Recording
from experiments.run import STEP_TABLES, Run, RunError
from experiments.writing import arrow


class SoFar(Run):
    """What a `Run` gives, out of a recording.

    Args:
        recording: the record up to now.
        config: the scenario's tables.
        name: what error lines call it.
        seed: of the run.
        step: number of the step after which it was read.
    """

    def __init__(
        self, recording: Recording, config: Mapping[str, Any], name: str, seed: int, step: int
    ) -> None:
        self.folder, self.step_number = Path(name), step
        self.config = dict(config)
        self.provenance = {"seed": seed, "scenario": name}
        self.digest = ""
        self.columns = list(recording.columns)
        self.start = recording.start
        self.books, self.venues = list(recording.book_names), list(recording.venue_names)
        self.edges = list(recording.edge_names)
        self.vocabularies = {name: list(names) for name, names in recording.vocabularies.items()}
        self.steps, self.time = recording.step, recording.time
        self._recording, self._tables = recording, recording.tables()
        self._read: dict[tuple[str, str], NDArray[Any]] = {}

    def tables(self) -> list[str]:
        return sorted(self._tables)

    def has(self, name: str) -> bool:
        return name in self._tables

    def table(self, name: str, columns: Sequence[str] = ()) -> pa.Table:
        if not self.has(name) or name.removeprefix("steps/") in STEP_TABLES:
            raise RunError(f"{self.folder}: no table {name!r} of a run in memory")
        kept = self._tables[name]
        return pa.table({one: arrow(kept[one], self._recording.names(one)) for one in columns or kept})

    def _names(self, table: str) -> list[str]:
        return list(getattr(self._recording, table))

    def _step_values(self, table: str, name: str) -> NDArray[Any]:
        values: NDArray[Any] = getattr(self._recording, table)[name]
        return values
