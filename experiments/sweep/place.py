"""Where a sweep's results are: a folder, or any address that fsspec knows (s3://, gs://, memory:// ...).

    study.json      the study as it was run
    plan.json       its cells, what each was made of, and the hash of the sources
    records/        one small file a run: what was measured, its digest, where and how long it ran; or why it failed
    runs/           one run folder a run (keep = "runs")
    claims/         who is at which run just now (folders only)

A record is written last and whole, so a run is done if and only if its record says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments import writing
from experiments.store import Store, write_text

Record = dict[str, Any]
FRESH = 60.0  # seconds without a sign of life after which a claim is nobody's
BEAT = 10.0  # seconds between two signs of life
RECORDS, RUNS, CLAIMS = "records", "runs", "claims"


def is_address(out: str | Path) -> bool:
    """Whether results go to an fsspec address instead of a folder."""
    return "://" in str(out) and not str(out).startswith("file://")


def place(out: str | Path) -> Place:
    """The place of an address or a folder."""
    if is_address(out):
        return Remote(str(out))
    return Folder(Path(str(out).removeprefix("file://")))


class Place(ABC):
    """What a sweep needs of the place of its results."""

    address: str

    @abstractmethod
    def read(self, name: str) -> str | None:
        """A file's text; None where there is none."""

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""

    @abstractmethod
    def records(self, names: Iterable[str]) -> dict[str, Record]:
        """The records that there are of these runs."""

    def one(self, name: str) -> Record | None:
        """One run's record; None where there is none that can be read: such a run is done again."""
        with contextlib.suppress(ValueError):
            text = self.read(f"{RECORDS}/{name}.json")
            found: Record | None = None if text is None else json.loads(text)
            return found
        return None

    @abstractmethod
    def keep(self, folder: Path, name: str) -> None:
        """Keep a finished run folder that was written in the store of `scratch`."""

    @abstractmethod
    def scratch(self) -> contextlib.AbstractContextManager[Store]:
        """A store in which a run is written before it is kept."""

    def record(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a run's record."""
        self.write(f"{RECORDS}/{name}.json", json.dumps(record))

    def claims(self) -> contextlib.AbstractContextManager[Claims]:
        """Claims on runs, as long as they are wanted."""
        return contextlib.nullcontext(Claims())


class Claims:
    """Who is at which run. Where none can be kept, two sweeps may do a run twice, with the same bits."""

    def take(self, name: str) -> bool:
        """Claim a run; False while a living sweep has it."""
        return True

    def drop(self, name: str) -> None:
        """It is done or failed."""


class Folder(Place):
    """Results in a folder; several sweeps on one folder share its runs by claims."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = str(folder.resolve())  # workers may be elsewhere

    def read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)

    def records(self, names: Iterable[str]) -> dict[str, Record]:
        folder = self.folder / RECORDS
        there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        found = {}
        for name in dict.fromkeys(names):
            record = self.one(name) if f"{name}.json" in there else None
            if record is not None:
                found[name] = record
        return found

    def keep(self, folder: Path, name: str) -> None:
        assert folder == self.folder / RUNS / name  # the scratch store is the place itself

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Store]:
        yield Store(self.folder / RUNS)

    @contextlib.contextmanager
    def claims(self) -> Iterator[Claims]:
        claims = FolderClaims(self.folder / CLAIMS)
        try:
            yield claims
        finally:
            claims.close()


class FolderClaims(Claims):
    """A file a claimed run, which names its sweep; a file a sweep, touched as a sign of life.

    The claim of a sweep that was killed is free at once on the same machine, after a minute from another.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.me = f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self.sign = folder / f"{self.me}.alive"
        self.sign.touch()
        self._tidy()
        self.mine: set[str] = set()
        self.over = threading.Event()
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        while not self.over.wait(BEAT):
            with contextlib.suppress(OSError):
                self.sign.touch()

    def take(self, name: str) -> bool:
        path = self.folder / name
        for _ in range(3):  # a claim may be given up while we look at it
            scratch = self.folder / f"{self.me}.{name}"
            scratch.write_text(self.me)
            try:
                os.link(scratch, path)  # whole or not at all, and only one can
                self.mine.add(name)
                return True
            except FileExistsError:
                owner = self._owner(path)
                if owner == self.me:
                    return True
                if owner and self._lives(owner):
                    return False
                path.unlink(missing_ok=True)
            finally:
                scratch.unlink(missing_ok=True)
        return False

    def drop(self, name: str) -> None:
        if name in self.mine:
            self.mine.discard(name)
            (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        self.over.set()
        for name in list(self.mine):
            self.drop(name)
        self.sign.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove what sweeps that are no longer there have left."""
        for path in list(self.folder.iterdir()):
            if path.suffix == ".alive":
                if path != self.sign and not self._lives(path.stem):
                    path.unlink(missing_ok=True)
            elif not self._lives(self._owner(path)):
                path.unlink(missing_ok=True)

    def _owner(self, path: Path) -> str:
        try:
            return path.read_text()
        except FileNotFoundError:
            return ""

    def _lives(self, owner: str) -> bool:
        try:
            last = (self.folder / f"{owner}.alive").stat().st_mtime
        except FileNotFoundError:
            return False
        host, process, _ = owner.rsplit(".", 2)
        if host == socket.gethostname() and not writing.alive(int(process)):
            return False
        return time.time() - last < FRESH


class Remote(Place):
    """Results at an fsspec address. A run is written to a temporary folder and copied there; its record follows."""

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        self.address = address.rstrip("/")
        self.files, self.root = url_to_fs(self.address)

    def read(self, name: str) -> str | None:
        try:
            return bytes(self.files.cat_file(f"{self.root}/{name}")).decode()
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        path = f"{self.root}/{name}"
        with contextlib.suppress(NotImplementedError):
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.files.pipe_file(path, (text + "\n").encode())

    def records(self, names: Iterable[str]) -> dict[str, Record]:
        folder = f"{self.root}/{RECORDS}"
        try:
            self.files.invalidate_cache(folder)
            there = {path.rpartition("/")[2]: path for path in self.files.ls(folder, detail=False)}
        except FileNotFoundError:
            return {}
        wanted = {there[f"{name}.json"]: name for name in dict.fromkeys(names) if f"{name}.json" in there}
        found = {}
        contents = self.files.cat(list(wanted), on_error="omit") if wanted else {}
        for path, content in contents.items():
            with contextlib.suppress(ValueError):
                found[wanted[path]] = json.loads(content)
        return found

    def keep(self, folder: Path, name: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target = f"{self.root}/{RUNS}/{name}/{path.relative_to(folder)}"
                with contextlib.suppress(NotImplementedError):
                    self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self.files.put_file(str(path), target)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Store]:
        with tempfile.TemporaryDirectory(prefix="cascade-sweep-") as folder:
            yield Store(folder)
