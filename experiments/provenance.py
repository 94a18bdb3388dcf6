"""Where a run comes from: everything that may differ between two runs of equal digest."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.store import ROOT

_LIBRARIES = ("numpy", "numba", "llvmlite", "mesa", "networkx", "scipy", "pydantic", "pyarrow")


def provenance(began: float, ended: float) -> dict[str, Any]:
    """Times, host, versions and commit of a run that took from `began` to `ended` (seconds of the epoch)."""
    times = {"started": utc(began), "ended": utc(ended), "seconds": round(ended - began, 3)}
    return {**times, **here()}


def here() -> dict[str, Any]:
    """Host, versions and commit of this program."""
    libc = " ".join(platform.libc_ver())
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "math_library": libc.strip() or platform.system(),
        "python": sys.version.split()[0],
        "versions": _versions(),
        **commit(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in ("CascadeLab", *_LIBRARIES):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@functools.cache
def commit() -> dict[str, Any]:
    """Commit of the checkout and whether files differ from it; nothing outside a checkout."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(ROOT)]
        ask = {"capture_output": True, "text": True, "check": True, "timeout": 10}
        commit = subprocess.run([*command, "rev-parse", "HEAD"], **ask).stdout.strip()  # type: ignore[call-overload]
        status = subprocess.run([*command, "status", "--porcelain"], **ask).stdout  # type: ignore[call-overload]
        return {"commit": commit, "changed_files": len(status.splitlines())}
    return {}


def utc(seconds: float) -> str:
    """A wall-clock time as ISO text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
