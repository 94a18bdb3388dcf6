"""Small whole scenarios, and the digests of the runs that they gave when somebody last looked.

`make golden` (`python -m tests.golden`) runs them, says what has changed since, and writes `digests.json` anew. The
last bit of a float depends on the libraries, so the file names them.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from abm.causes import EVENT_KINDS
from abm.recording import Recording, _feed
from experiments import config
from experiments.build import build
from tests.twins.market import state_hash

FOLDER = Path(__file__).parent
FILE = FOLDER / "digests.json"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
SEED = 1


def here() -> dict[str, Any]:
    """What the last bit of a number may depend on."""
    found: dict[str, Any] = {name: version(name) for name in ("numpy", "numba", "llvmlite", "scipy")}
    found["math library"] = " ".join(platform.libc_ver()).strip() or platform.system()
    found["machine"] = platform.machine()
    return found


def run(name: str, check: bool = False) -> dict[str, Any]:
    """Run a scenario: the digest of its record, of the state in which it ends, and what helps to see a change."""
    model = build(config.load(FOLDER / f"{name}.toml"), SEED, check=check)
    model.run()
    assert model.recorder is not None
    recording = model.recorder.finish()
    last = dict(zip(recording.book_names, recording.books["mark"][-1].tolist(), strict=True))
    kinds = Counter(EVENT_KINDS[kind] for kind in recording.events["kind"])
    return {
        "digest": recording.digest(),
        "state": state_hash(model.state),
        "events": dict(sorted(kinds.items())),
        "marks at the end": {book: round(price, 2) for book, price in last.items()},
        "columns": columns(recording),
    }


def columns(recording: Recording) -> dict[str, str]:
    """A short hash of every column of the record."""
    out = {}
    for path, table in recording.tables().items():
        for name in sorted(table):
            total = hashlib.sha256()
            _feed(total, name, np.asarray(table[name]), recording.names(name))
            out[f"{path}.{name}"] = total.hexdigest()[:8]
    return out


def kept() -> dict[str, Any]:
    """The file: `made with` and `scenarios` by name."""
    found: dict[str, Any] = (
        json.loads(FILE.read_text()) if FILE.exists() else {"made with": {}, "scenarios": {}}
    )
    return found


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two results of `run`, in words."""
    lines = []
    for what in ("events", "marks at the end"):
        for name in sorted(old[what].keys() | new[what].keys()):
            before, now = old[what].get(name, 0), new[what].get(name, 0)
            if before != now:
                lines.append(f"{what}: {name} {before} -> {now}")
    names = old["columns"].keys() | new["columns"].keys()
    wrong = sorted(name for name in names if old["columns"].get(name) != new["columns"].get(name))
    if wrong:
        lines.append(f"columns: {len(wrong)} of {len(names)} differ: {', '.join(wrong[:12])}")
    lines += [
        f"{what}: {old[what][:12]} -> {new[what][:12]}"
        for what in ("digest", "state")
        if old[what] != new[what]
    ]
    return lines


def renew() -> list[str]:
    """Write the file anew; returns what has changed, in words."""
    before = kept()
    after: dict[str, Any] = {"made with": here(), "scenarios": {name: run(name) for name in NAMES}}
    lines = []
    for what, now in after["made with"].items():
        if before["made with"].get(what) != now:
            lines.append(f"made with: {what} {before['made with'].get(what)} -> {now}")
    for name in sorted(before["scenarios"].keys() | after["scenarios"].keys()):
        if name not in after["scenarios"] or name not in before["scenarios"]:
            lines.append(f"{name}: {'new' if name in after['scenarios'] else 'gone'}")
        else:
            lines += [
                f"{name}: {line}" for line in changes(before["scenarios"][name], after["scenarios"][name])
            ]
    FILE.write_text(json.dumps(after, indent=1) + "\n", encoding="utf-8")
    return lines
