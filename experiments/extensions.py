"""Species and rules of a user's own: Python files named with ``--with FILE``, and no others.

A scenario names such a species by file and class: with ``--with panic.py``, ``species = "panic:Panic"`` is the
class Panic of panic.py. The scenario alone never runs code: where nobody named the file, the name is a fault.
The file's bytes are part of the run's content hash.

Rules are named in the same way: ``adl.allocate = "mine:fair"`` is the function fair(lots, candidates) of mine.py, which
says how many lots of each candidate are closed (`abm.allocation`), ``adl.score = "mine:rank"`` the function
rank(candidates) that gives them a number, higher first.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import agents
from abm.agent import Participant
from abm.venue import VenueRules
from experiments.faults import meant, show

SEPARATOR = ":"
_PREFIX = "cascade_with_"  # in sys.modules, so that a user's random.py hides nobody else's


def take(files: Iterable[str | Path]) -> list[str]:
    """Run these files, each once for its content; the faults, one line each."""
    faults = []
    named: dict[str, Path] = {}
    for path in map(Path, files):
        where = f"--with {path}"
        if path.suffix != ".py" or not path.stem.isidentifier():
            faults.append(f"{where}: expected a Python file with a plain name, such as panic.py")
        elif not path.is_file():
            faults.append(f"{where}: no such file")
        elif named.setdefault(path.stem, path) != path:
            faults.append(f"{where}: given beside {named[path.stem]}, expected two different names")
        else:
            try:
                _load(path)
            except Exception as error:
                faults.append(f"{where}: {type(error).__name__}: {' '.join(str(error).split())}")
    return faults


def _load(path: Path) -> None:
    name = _PREFIX + path.stem
    known = sys.modules.get(name)
    content = fingerprint(path)
    if known is not None and getattr(known, "__fingerprint__", "") == content:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # it ends with .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: its own classes look for their module there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    module.__fingerprint__ = content  # type: ignore[attr-defined]


def fingerprint(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def species(name: str) -> type[Participant]:
    """The class of a species by its name in a scenario. Raises LookupError with what is wrong."""
    if name in agents.SPECIES:
        return agents.SPECIES[name]
    file, colon, kind = name.partition(SEPARATOR)
    if not colon:
        raise LookupError(meant(name, agents.SPECIES))
    module = sys.modules.get(_PREFIX + file)
    if module is None:
        raise LookupError(f"no file {file}.py was named with --with")
    found = getattr(module, kind, None)
    if not (isinstance(found, type) and issubclass(found, Participant)):
        raise LookupError(f"{file}.py has no class {show(kind)} that is an abm.agent.Participant")
    return found


def function(name: str) -> Callable[..., Any]:
    """A rule by its name "file:function" in a scenario. Raises LookupError with what is wrong."""
    file, _, kind = name.partition(SEPARATOR)
    module = sys.modules.get(_PREFIX + file)
    if module is None:
        raise LookupError(f"no file {file}.py was named with --with")
    found = getattr(module, kind, None)
    if isinstance(found, type) or not callable(found):
        raise LookupError(f"{file}.py has no function {show(kind)}")
    called: Callable[..., Any] = found
    return called


def rules(venues: Iterable[VenueRules]) -> dict[str, Callable[..., Any]]:
    """All rules of the user's own that these venues name, by name."""
    return {name: function(name) for venue in venues for name in venue.adl.own}
