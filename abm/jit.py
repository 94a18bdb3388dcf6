"""Compiled kernels and their cache.

A kernel takes one integer, the address of the state's tables, and opens with `s = views(address)` (`tables`, `state`):
arrays as arguments cost a numba kernel 5-20 times more, in reference counts.

The cache folder of a module's kernels is named by a hash of that module and of all that it imports from this project,
because numba stamps a cached kernel by its own file only and would go on using it when a kernel that it calls has
changed in another module.
"""

from __future__ import annotations

import hashlib
import importlib
import mmap
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from functools import cache
from graphlib import TopologicalSorter
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.caching import UserProvidedCacheLocator as Locator
from numba.core.typeinfer import register_dispatcher

INTERPRETED = bool(numba.config.DISABLE_JIT)
CHECKED = bool(os.environ.get("CASCADE_CHECKED"))  # whether every call of a kernel has its arguments checked

_ROOT = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(r"^\s*(?:from|import)\s+((?:abm|agents)\.\w+)", re.MULTILINE)


@cache
def _imported(module: str) -> frozenset[str]:
    """A module of this project and all that it imports from the project, by name."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = _ROOT / (name.replace(".", "/") + ".py")
        if name not in found and path.exists():
            found.add(name)
            todo += _IMPORT.findall(path.read_text(encoding="utf-8"))
    return frozenset(found)


@cache
def source_hash(module: str) -> str:
    """Hash of the sources that the kernels of a module are compiled from, and of the compiler's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for name in sorted(_imported(module)):
        digest.update(name.encode() + b"\0" + (_ROOT / (name.replace(".", "/") + ".py")).read_bytes())
    return digest.hexdigest()[:16]


def _cache_base() -> Path:
    chosen = os.environ.get("CASCADE_CACHE")
    if chosen:
        return Path(chosen)
    if os.access(_ROOT, os.W_OK) and (_ROOT / "pyproject.toml").exists():
        return _ROOT / ".kernels"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cascadelab"


def cache_folder(module: str) -> Path:
    """Where the compiled kernels of a module of this version are kept."""
    return _cache_base() / f"{module}-{source_hash(module)}"


KERNELS: list[Any] = []
_PENDING: dict[Any, Callable[[], None]] = {}  # kernels that nobody has called yet
# in a signature: an array that may be read-only
CONSTANT, INTS, BOOLS = (f"Array({kind}, 1, 'C', readonly=True)" for kind in ("f8", "i8", "b1"))


def kernel(signature: str, short: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """A compiled function with an explicit signature, cached on disk, that releases the GIL if it is not `short`: to
    release it takes as long as an order.

    It is read from the cache, or compiled, when it is first called: a command needs a part of all kernels, and a kernel
    that others call is already within them. The types of its arguments are checked at its first call from Python, later
    only numbers of dimensions and sizes of items: to find out the types of twenty arrays takes longer than most kernels
    run. The tests check them at every call (`CASCADE_CHECKED`).
    """

    def decorate(function: Callable[..., Any]) -> Any:
        numba.config.CACHE_DIR = str(cache_folder(function.__module__))
        compiled = numba.njit(cache=True, nogil=not short, error_model="numpy")(function)
        KERNELS.append(compiled)
        if not INTERPRETED:
            _prepare(compiled, signature)
        return compiled

    return decorate


def _prepare(compiled: Any, signature: str) -> None:
    """Let a kernel become what its signature says at its first call, from Python or from a kernel that is compiled."""
    resolve = compiled.get_call_template

    def ready() -> None:
        if _PENDING.pop(compiled, None) is not None:
            del compiled._compile_for_args, compiled.get_call_template
            with register_dispatcher(compiled):
                compiled.compile(signature)
            compiled.disable_compile()
            if not CHECKED:
                _shorten(compiled)

    def first_call(*args: Any, **named: Any) -> Any:
        ready()
        return _fitting(compiled, args, named)

    def first_use(args: Any, named: Any) -> Any:
        ready()
        return resolve(args, named)

    compiled._compile_for_args, compiled.get_call_template = first_call, first_use
    _PENDING[compiled] = ready


def _fitting(compiled: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The machine code of a kernel. Raises TypeError if it does not take these arguments."""
    ((expected, found),) = compiled.overloads.items()
    given = [compiled.typeof_pyval(x) for x in args]
    if named or len(given) != len(expected) or None in map(compiled.typingctx.can_convert, given, expected):
        raise TypeError(f"{compiled.__name__} takes {expected}, not {given} {named or ''}")
    return found.entry_point


def _shorten(compiled: Any) -> None:
    """Let calls from Python go straight to the machine code once the arguments of one have been seen to fit."""

    def call(self: Any, *args: Any, **named: Any) -> Any:
        entry = _fitting(self, args, named)
        type(self).__call__ = entry
        return entry(*args)

    compiled.__class__ = type("Kernel", (type(compiled),), {"__call__": call})


def direct(compiled: Any) -> Any:
    """A kernel as a function of Python's own kind, for who calls it a million times: a sixth of a call faster, and
    without the check of the first call's arguments."""
    if INTERPRETED or CHECKED:
        return compiled
    if compiled in _PENDING:
        _PENDING[compiled]()
    ((_, found),) = compiled.overloads.items()
    return found.entry_point


def inlined(function: Callable[..., Any]) -> Any:
    """A piece of a kernel, inlined by LLVM where it is called.

    It is compiled once for all integers: numba by itself would compile it anew for every constant and every width that
    it is called with, which took a third of all compilation. What is constant LLVM finds out after inlining.
    """
    compiled = numba.njit(forceinline=True, error_model="numpy")(function)
    if not INTERPRETED:
        resolve = compiled.get_call_template
        compiled.get_call_template = lambda args, kws: resolve(
            tuple(_wide(x) for x in args), {name: _wide(x) for name, x in kws.items()}
        )
    return compiled


def called(function: Callable[..., Any]) -> Any:
    """A piece of a kernel that stays a function of its own: for what is long and called from many places."""
    return numba.njit(error_model="numpy")(function)


def _wide(kind: Any) -> Any:
    """The type that an argument is compiled for: 64 bits for every integer."""
    kind = types.unliteral(kind)
    return types.int64 if isinstance(kind, types.Integer) and kind.bitwidth < 64 else kind


def cold() -> bool:
    """Whether the kernels of the waterfall, the longest to compile, are not in the cache yet.

    The cache's folder is of these very sources; in it the compiler keeps kernels apart by where their source lies.
    """
    subpath = Locator.get_suitable_cache_subpath(str(_ROOT / "abm" / "waterfall.py"))
    return not INTERPRETED and not any((cache_folder("abm.waterfall") / subpath).glob("*.nbi"))


def warm(workers: int | None = None) -> int:
    """Compile every kernel of the project, or load it from the cache. Returns how many there are.

    What is not in the cache is compiled by several processes (as a rule one a core), each module after those that it
    imports; then all is loaded here.
    """
    modules = [
        f"{folder}.{path.stem}" for folder in ("abm", "agents") for path in (_ROOT / folder).glob("[!_]*.py")
    ]
    workers = workers or os.cpu_count() or 1
    if workers > 1 and cold():
        _compile_apart(modules, workers)
    for name in sorted(modules):
        importlib.import_module(name)
    _compile_all()
    return len(KERNELS)


def _compile_all() -> None:
    """Every kernel that has been imported, compiled or read from the cache."""
    for ready in list(_PENDING.values()):
        ready()


def _compile_apart(modules: list[str], workers: int) -> None:
    """Import the modules that have kernels in several processes: none before those that it imports, and first those
    with the longest work behind them (a module's work is about as long as its text)."""
    text = {name: (_ROOT / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8") for name in modules}
    modules = [name for name in modules if "\n@kernel(" in text[name]]
    before = {name: (_imported(name) - {name}) & set(modules) for name in modules}

    @cache
    def ahead(name: str) -> int:
        return len(text[name]) + max((ahead(other) for other in modules if name in before[other]), default=0)

    order = TopologicalSorter(before)
    order.prepare()
    ready: list[str] = []
    running: dict[Future[Any], str] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        while order.is_active():
            ready = sorted([*ready, *order.get_ready()], key=ahead, reverse=True)
            free = workers - len(running)
            running |= {pool.submit(_take_in, name): name for name in ready[:free]}
            ready = ready[free:]
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                one.result()
                order.done(running.pop(one))


def _take_in(module: str) -> None:
    """Import one module without its package, which would import all the others with it."""
    package = module.partition(".")[0]
    if package not in sys.modules:
        sys.modules[package] = bare = ModuleType(package)
        bare.__path__ = [str(_ROOT / package)]
    importlib.import_module(module)
    _compile_all()


LARGE = 1 << 20  # bytes


class _Record(np.record):  # type: ignore[misc]
    """A record whose fields come before what numpy calls its own (`base`, `flags`), as in compiled kernels."""

    def __getattribute__(self, name: str) -> Any:
        fields = np.record.__getattribute__(self, "dtype").fields
        return self[name] if fields and name in fields else np.record.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def _pages(size: int) -> mmap.mmap:
    """Memory of this process alone, in huge pages where the system has them: records are looked up all over a table,
    and with small pages the processor would look up their addresses as often."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return mmap.mmap(-1, size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a system without them
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def zeros(count: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A zeroed array of records whose pages cost nothing until they are written, and nothing any more when it is gone.

    Large ones are asked of the system: the C library would serve them from memory that it kept, and write all zeros.
    """
    count = max(count, 1)
    size = count * dtype.itemsize
    array: np.ndarray[Any, Any] = (
        np.frombuffer(_pages(size), dtype) if size >= LARGE else np.zeros(count, dtype)
    )
    return array.view(np.dtype((_Record, dtype))) if INTERPRETED and dtype.names else array
