"""Compiled kernels, their cache, and the one address table through which they see the state.

A kernel takes one integer, the address of a table of addresses, and opens with `views(address)`: a named tuple of
record arrays that LLVM reduces to the pointers really used. Arrays made so carry no reference count, which is what
costs a numba kernel most when its state comes as array arguments (5-20 times, measured).

The cache folder is named by a hash of all kernel sources, because numba stamps a cached kernel by its own file only
and would go on using it when a kernel that it calls has changed in another module.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INTERPRETED = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]

_PACKAGES = ("abm", "agents")


def source_hash() -> str:
    """Hash of the sources that kernels are compiled from, and of the compiler's version."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256(numba.__version__.encode())
    for package in _PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            text = path.read_bytes()
            if b"@kernel" in text or b"@inlined" in text or path.name in ("jit.py", "state.py"):
                digest.update(path.name.encode() + b"\0" + text)
    return digest.hexdigest()[:16]


def _cache_folder() -> str:
    chosen = os.environ.get("CASCADE_CACHE")
    root = Path(__file__).resolve().parents[1]
    if chosen:
        base = Path(chosen)
    elif os.access(root, os.W_OK) and (root / "pyproject.toml").exists():
        base = root / ".kernels"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cascadelab"
    return str(base / source_hash())


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = _cache_folder()  # type: ignore[attr-defined]

KERNELS: list[Any] = []


def kernel(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """A compiled function with an explicit signature, cached on disk, that releases the GIL."""

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        KERNELS.append(compiled)
        return compiled

    return decorate


def inlined(function: Callable[..., Any]) -> Any:
    """A piece of a kernel, inlined by LLVM where it is called."""
    return numba.njit(forceinline=True, error_model="numpy")(function)


@intrinsic
def _pointer(_context: Any, _address: Any) -> Any:
    """The pointer with this address (numba has no such cast of its own)."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


def pointer(address: int) -> Any:
    """Only for kernels: `carray(pointer(address), shape, dtype)`."""
    return _pointer(address)


if not INTERPRETED:
    pointer = numba.njit(forceinline=True)(lambda address: _pointer(address))


def cold() -> bool:
    """Whether the next import of the kernels will have to compile them."""
    folder = Path(str(numba.config.CACHE_DIR))  # type: ignore[attr-defined]
    return not INTERPRETED and not any(folder.rglob("*.nbi"))


def warm() -> int:
    """Compile every kernel of the project, or load it from the cache. Returns how many there are."""
    import importlib

    for name in ("abm.model", "agents"):
        importlib.import_module(name)
    package = importlib.import_module("agents")
    for path in sorted(Path(str(package.__file__)).parent.glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"agents.{path.stem}")
    return len(KERNELS)


def zeros(count: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A zeroed array of records whose pages cost nothing until they are written."""
    array: np.ndarray[Any, Any] = np.zeros(max(count, 1), dtype)
    return array.view(np.recarray) if INTERPRETED and dtype.names else array
