"""The store: finished runs by what they were made of, so that no run is ever done twice.

An entry is a run folder named `HASH-SEED`; the hash covers the resolved scenario, every source and data file
that a run is made with, and the user's own files. A link `NAME/seed-0001` points at its entry. A
snapshot of a run is an entry `HASH-SEED@T`, its link `NAME/seed-0001@T`. A run that
failed leaves `HASH-SEED.failed.json` with the reason; the next attempt that works removes it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments import run as runs
from experiments import snapshots, writing

ROOT = Path(__file__).resolve().parents[1]
# What reads runs or starts them cannot change one: editing a figure must not throw away a night of runs.
_READERS = {
    "account",
    "branch",
    "causes",
    "census",
    "cli",
    "compare",
    "drawing",
    "estimators",
    "fate",
    "figures",
    "nulls",
    "progress",
    "provenance",
    "readings",
    "readme",
    "recorded",
    "replay",
}
_READERS |= {"new_scenario", "report", "runner", "scorecard", "store", "validate", "verification"}
_FAILED = ".failed.json"
_HASH = 20  # hex digits of a content hash


@functools.cache
def source_hash() -> str:
    """Hash of the installed sources and data that a run is made with (hex)."""
    found = [*(ROOT / "abm").rglob("*"), *(ROOT / "agents").rglob("*")]
    found += [path for path in (ROOT / "experiments").glob("*.py") if path.stem not in _READERS]
    found += [path for path in (ROOT / "experiments" / "reference").glob("*") if path.name != "targets.toml"]
    total = hashlib.sha256()
    for path in sorted(found):
        if path.is_file() and path.suffix not in (".pyc", ".md"):
            total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def config_hash(config: Mapping[str, Any]) -> str:
    """Hash of the resolved tables of a scenario alone (hex)."""
    return hashlib.sha256(_as_text(config)).hexdigest()


def _as_text(config: Mapping[str, Any]) -> bytes:
    return json.dumps(writing.plain(config), sort_keys=True, default=str).encode()


def content_hash(config: Mapping[str, Any], files: Iterable[Path] = (), check: bool = False) -> str:
    """Name of what a run is made of, but for its seed: config, sources, user's files (20 hex digits).

    A run that checks conservation at every step gives the same values, but proves more: its name ends with "c".
    """
    total = hashlib.sha256(source_hash().encode())
    total.update(_as_text(config))
    for path in files:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:_HASH] + ("c" if check else "")


class Store:
    """A folder of run folders by content.

    What killed writers left behind is removed when the store is opened.
    """

    def __init__(self, folder: str | Path = "runs/.store") -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        writing.sweep_unfinished(self.folder)

    def entry(self, content: str, seed: int) -> Path:
        """Where the run of this content and seed is, or will be."""
        return self.folder / f"{content}-{seed:04d}"

    def has(self, content: str, seed: int) -> bool:
        return runs.is_run(self.entry(content, seed))

    def snapshot(self, content: str, seed: int, time: float) -> Path:
        """Where the snapshot of a run at a time is, or will be."""
        return self.folder / f"{content}-{seed:04d}@{snapshots.label(time)}"

    def latest(self, content: str, seed: int, before: float) -> Path | None:
        """The latest snapshot of a run up to a time (seconds), from which it can go on."""
        times = [time for time in snapshots.beside(self.entry(content, seed)) if time <= before]
        return self.snapshot(content, seed, max(times)) if times else None

    def record_failure(self, content: str, seed: int, reason: str, trace: str) -> None:
        path = self.entry(content, seed)
        write_text(
            path.with_name(path.name + _FAILED), json.dumps({"reason": reason, "trace": trace}, indent=1)
        )

    def forget_failure(self, content: str, seed: int) -> None:
        path = self.entry(content, seed)
        path.with_name(path.name + _FAILED).unlink(missing_ok=True)

    def failure(self, content: str, seed: int) -> str | None:
        """Why the last attempt at this run failed; None where it did not."""
        path = self.entry(content, seed)
        failed = path.with_name(path.name + _FAILED)
        return str(json.loads(failed.read_text())["reason"]) if failed.exists() else None

    def link(self, content: str, seed: int, folder: Path, time: float | None = None) -> Path:
        """Put the entry, or its snapshot at a time, at `folder/seed-NNNN[@T]`: a link, or a copy where none can be."""
        folder.mkdir(parents=True, exist_ok=True)
        place, entry = folder / f"seed-{seed:04d}", self.entry(content, seed)
        if time is not None:
            place = place.with_name(f"{place.name}@{snapshots.label(time)}")
            entry = self.snapshot(content, seed, time)
        scratch = Path(tempfile.mkdtemp(prefix=writing.prefix(), dir=folder))
        try:
            fresh = scratch / "entry"
            try:
                fresh.symlink_to(os.path.relpath(entry.resolve(), folder.resolve()), target_is_directory=True)
            except OSError:
                shutil.copytree(entry, fresh)
            unlink(place)
            os.rename(fresh, place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return place


def drop_others(folder: Path, content: str) -> None:
    """Remove the seeds of a folder that were made of something else: one folder never mixes two scenarios."""
    writing.sweep_unfinished(folder)
    for place in folder.glob("seed-*"):
        made_of = place.resolve().name if place.is_symlink() else _content_of(place)
        if made_of is not None and made_of[:_HASH] != content[:_HASH]:
            unlink(place)


def unlink(place: Path) -> None:
    """Remove a link or a copied run; anything else stays and raises FileExistsError."""
    if place.is_symlink():
        place.unlink()
    elif runs.is_run(place) or (place / snapshots.STATE).is_file():
        shutil.rmtree(place)
    elif place.exists():
        raise FileExistsError(f"{place} exists and is not a run folder")


def _content_of(place: Path) -> str | None:
    return str(runs.Run.open(place).provenance.get("content", "")) if runs.is_run(place) else None


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{writing.prefix()}{path.name}")
    scratch.write_text(text + "\n", encoding="utf-8")
    os.replace(scratch, path)
