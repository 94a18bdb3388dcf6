"""Writing a run folder (`experiments.run` says what is in it), whole or not at all.

It is written beside its place under a name that starts with `.writing-` and renamed when everything is on disk. What a
writer that was killed has left behind is swept by the next.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from numpy.typing import NDArray

from abm.recording import Recording, Table
from experiments.run import STEP_TABLES, Run, is_run

WRITING = ".writing-"
_ROW_GROUP = 1 << 18


def write(
    recording: Recording,
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> Run:
    """Write a recording to a run folder, whole or not at all, and open it.

    Raises FileExistsError where something else than a run is at `folder`; a whole run that is already there
    stays (two workers finished the same run) and is opened.
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not is_run(target):
        raise FileExistsError(f"{target} exists and is not a run folder")
    scratch = Path(tempfile.mkdtemp(prefix=prefix(), dir=target.parent))
    try:
        _write_files(recording, scratch, config, provenance)
        os.chmod(scratch, 0o755)
        try:
            os.rename(scratch, target)
        except OSError:
            if not is_run(target):
                raise
        _flush(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Run.open(target)


def _write_files(
    recording: Recording, folder: Path, config: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    for part in ("steps", "events", "accounts"):
        (folder / part).mkdir()
    _parquet(pa.table({"step": recording.step, "time": recording.time}), folder / "steps" / "clock.parquet")
    for table, key in STEP_TABLES.items():
        columns: Table = getattr(recording, table)
        if columns:
            _parquet(_long(recording, columns, key), folder / "steps" / f"{table}.parquet")
    for path, columns in recording.tables().items():
        if not path.startswith("steps/"):
            arrays = {name: arrow(values, recording.names(name)) for name, values in columns.items()}
            _parquet(pa.table(arrays), folder / f"{path}.parquet")
    described = {
        "start": recording.start.isoformat(),
        "books": list(recording.book_names),
        "venues": list(recording.venue_names),
        "edges": list(recording.edge_names),
        "vocabularies": {name: list(names) for name, names in recording.vocabularies.items()},
        "columns": [list(column) for column in recording.columns],
    }
    (folder / "columns.json").write_text(json.dumps(described, indent=1) + "\n")
    (folder / "config.toml").write_text(tomli_w.dumps(plain(config)))
    (folder / "provenance.json").write_text(json.dumps(provenance, indent=1, default=str) + "\n")
    (folder / "digest.txt").write_text(recording.digest() + "\n")
    for written in folder.rglob("*"):
        _flush(written)


def plain(value: Any) -> Any:
    """A config value in TOML's types: tuples become lists, paths text, keys without a value go."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (str, bool, int, float, datetime, date)):
        return value
    return str(value)


def _long(recording: Recording, columns: Table, key: str) -> pa.Table:
    """Step arrays [steps, members] as one line a step and member, in that order."""
    names = list(recording.members(key) or ())
    steps, members = len(recording.step), len(names)
    arrays: dict[str, Any] = {
        "step": np.repeat(recording.step, members),
        "time": np.repeat(recording.time, members),
        key: arrow(np.tile(np.arange(members, dtype=np.int32), steps), names),
    }
    for name, values in columns.items():
        if values.shape != (steps, members):
            raise ValueError(f"column {name}: shape {values.shape}, expected {(steps, members)}")
        arrays[name] = np.ascontiguousarray(values).reshape(-1)
    return pa.table(arrays)


def arrow(values: NDArray[Any], names: Sequence[str] | None) -> Any:
    """An array for a file: codes become names (-1 none), text and numbers stay."""
    values = np.asarray(values)
    if names is not None and values.dtype.kind in "iu":
        codes = pa.array(values.astype(np.int32), mask=values < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(list(names), type=pa.string()))
    if values.dtype.kind in "OUS":
        return pa.array([str(value) for value in values.tolist()], type=pa.string())
    return pa.array(np.ascontiguousarray(values))


def _parquet(table: pa.Table, path: Path) -> None:
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    named = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=named,
        use_byte_stream_split=floats,  # bytes of one weight together: slow-moving prices shrink several times
        row_group_size=_ROW_GROUP,
        write_statistics=True,
    )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def prefix() -> str:
    """How the name of what this process is writing begins; several machines may share a folder."""
    return f"{WRITING}{os.getpid()}@{platform.node()}-"


def sweep_unfinished(folder: Path) -> list[Path]:
    """Remove what killed writers left in a folder; what a living process or another machine still writes stays."""
    gone = []
    for scratch in folder.glob(f"{WRITING}*"):
        writer, _, rest = scratch.name.removeprefix(WRITING).partition("@")
        if writer.isdigit() and rest.startswith(f"{platform.node()}-") and not alive(int(writer)):
            if scratch.is_dir():
                shutil.rmtree(scratch, ignore_errors=True)
            else:
                scratch.unlink(missing_ok=True)
            gone.append(scratch)
    return gone


def alive(process: int) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
