"""A snapshot on disk: a folder beside its run, `RUN@T`.

    arrays.npz       every table, an archive of plain arrays
    snapshot.json    version, seed, time, where each array belongs, plain values, checksums, what made it
    config.toml      the scenario that it was taken of; a scenario file

It appears whole or not at all. What cannot be used is refused with one line that says why: another version of the
format or of the program, a file that is damaged, a name that is no snapshot.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w

from abm.saving import VERSION
from experiments import writing

ARRAYS, STATE, CONFIG = "arrays.npz", "snapshot.json", "config.toml"
_LEVEL = 1  # of compression: tables are mostly zeros and small integers, more effort gains little


class SnapshotError(Exception):
    """A snapshot that cannot be used; the message says where it is and what is wrong."""


class Snapshot(NamedTuple):
    """A snapshot read back. `saved` is what `abm.saving` takes; time in seconds from the start."""

    folder: Path
    config: dict[str, Any]
    seed: int
    time: float
    about: dict[str, Any]
    saved: dict[str, Any]


def label(seconds: float) -> str:
    """A time as it stands behind the @: 600, 4203.5."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def write(
    folder: Path, saved: Mapping[str, Any], config: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """Write a snapshot; one that is there already is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=writing.prefix(), dir=folder.parent))
    try:
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        state = _plain(saved, "", arrays)
        with zipfile.ZipFile(scratch / ARRAYS, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        (scratch / CONFIG).write_text(tomli_w.dumps(writing.plain(config)))
        told = json.loads(json.dumps({"about": dict(about), "state": state}, default=str))
        sums = {name: _sum((scratch / name).read_bytes()) for name in (ARRAYS, CONFIG)}
        text = {"version": VERSION, **told, "checksums": {STATE: _told(told), **sums}}
        (scratch / STATE).write_text(json.dumps(text) + "\n")
        os.chmod(scratch, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.rename(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _told(text: Mapping[str, Any]) -> str:
    """Checksum of what the JSON says of the run and of its state."""
    return _sum(json.dumps({name: text[name] for name in ("about", "state")}, sort_keys=True).encode())


def sound(folder: Path) -> bool:
    """Whether there is a whole snapshot: its files are what was written."""
    try:
        _verified(folder)
    except SnapshotError:
        return False
    return True


def _verified(folder: Path) -> dict[str, Any]:
    """The JSON of a snapshot whose files are what was written. Raises SnapshotError."""
    if not (folder / STATE).is_file():
        raise SnapshotError(f"{folder}: not a snapshot (no {STATE})")
    try:
        text: dict[str, Any] = json.loads((folder / STATE).read_text())
        version, sums, said = text["version"], dict(text["checksums"]), _told(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{folder}: damaged, {STATE} cannot be read") from error
    if version != VERSION:
        raise SnapshotError(f"{folder}: snapshot of version {version!r}, this program reads {VERSION}")
    for name in (ARRAYS, CONFIG):
        if not (folder / name).is_file() or _sum((folder / name).read_bytes()) != sums.get(name):
            raise SnapshotError(f"{folder}: damaged, {name} is not what was written")
    if said != sums.get(STATE):
        raise SnapshotError(f"{folder}: damaged, {STATE} is not what was written")
    return text


def read(folder: Path, program: str) -> Snapshot:
    """Read a snapshot made by this version of the program (`experiments.store.source_hash`).

    Raises SnapshotError.
    """
    text = _verified(folder)
    about = text["about"]
    if about["program"] != program:
        raise SnapshotError(
            f"{folder}: made by another version of the program (commit {about.get('commit', 'unknown')[:10]});"
            " a run goes on bit by bit only in the version that began it: run it again with --save-at"
        )
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        saved = _full(text["state"], arrays)
    config = tomllib.loads((folder / CONFIG).read_text())
    return Snapshot(folder, config, int(saved["seed"]), saved["now"] / 1000.0, about, saved)


def beside(run: Path) -> list[float]:
    """Times of the snapshots of a run folder, in order."""
    found = []
    for place in run.parent.glob(f"{run.name}@*"):
        try:
            found.append(float(place.name.rpartition("@")[2]))
        except ValueError:
            continue
    return sorted(found)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _plain(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """A value in JSON's types; arrays go to `arrays` under their path."""
    if isinstance(value, Mapping):
        return {name: _plain(item, f"{path}/{name}", arrays) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"snapshot{path}: an array of Python objects cannot be saved")
        arrays[path] = value
        return {"array": path}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(
        f"snapshot{path}: {type(value).__name__} cannot be saved, expected arrays and plain values"
    )


def _full(value: Any, arrays: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[value["array"]]
        return {name: _full(item, arrays) for name, item in value.items()}
    return value
