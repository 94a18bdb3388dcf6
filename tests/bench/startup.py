"""What a user waits for: help, a warm start, and compiling once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from tests.bench.line import Line, interleaved

FIRST_STEP = """
from experiments.build import build
from experiments.config import load
build(load({name!r}), 1).run(1)
"""
COMPILE = (
    "from experiments.commands.kernels import compiled; compiled(); from abm.jit import warm; print(warm())"
)


def child(*arguments: str, **environment: str) -> tuple[float, str, str]:
    """(wall seconds, what it printed, what it said on stderr) of a fresh Python, which keeps its bytecode as a rule."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=inherited | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return time.perf_counter() - began, done.stdout, done.stderr


def measure(repeats: int = 3) -> list[Line]:
    """Help and warm starts; `compile_cold` is a measurement of its own, because it takes a minute."""
    names = ["two_venues", "october_2025"]
    jobs = [lambda: child("-m", "experiments.cli", "--help")[0]]
    jobs += [lambda n=n: child("-c", FIRST_STEP.format(name=n))[0] for n in names]  # type: ignore[misc]
    help_, *starts = interleaved(jobs, repeats)
    return [
        Line("`cascade --help`", help_, "s", most=0.3),
        *(
            Line(f"{name}: a new process to the end of its first step, warm", s, "s", most=3.0)
            for name, s in zip(names, starts, strict=True)
        ),
    ]


def compile_cold() -> list[Line]:
    """Every kernel from an empty cache, in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        spent, count, said = child("-c", COMPILE, CASCADE_CACHE=folder)
    beside = f"{count.strip()} kernels; told: {said.strip() or 'nothing'}"
    return [Line("all kernels compiled from an empty cache", spent, "s", most=60.0, beside=beside)]
