"""All measurements, or those that are named: `make bench`, `python -m tests.bench [NAME ...]`.

The whole table is recorded in BENCHMARKS.md; a part is only printed.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench import adl, book, margin, memory, mesa_driver, network, october, startup, sweeping
from tests.bench.line import Line

ROOT = Path(__file__).resolve().parents[2]
HEAD = ["| what | value | unit | floor | | beside |", "|---|---:|---|---|---|---|"]
PACKAGES = ("numpy", "numba", "mesa", "bourse", "orderly-chaos")
ALONE: dict[str, Callable[[], list[Line]]] = {
    "book": book.measure,
    "adl": adl.measure,
    "mesa": mesa_driver.measure,
    "network": network.measure,  # by itself; october measures it against its own time
    "startup": startup.measure,
    "memory": memory.measure,
    "sweep": sweeping.measure,
    "compile": startup.compile_cold,
    "margin": margin.measure,  # on a made-up fall; october measures it on its own marks
}


def machine() -> str:
    """Processor, cores, load and versions."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} absent")
    return (
        f"Machine: {cpu}, {os.cpu_count()} cores, {sys.platform}, load {os.getloadavg()[0]:.1f} at the end;"
        f" Python {platform.python_version()}, {', '.join(versions)}."
    )


def main(names: list[str]) -> int:
    """Measure, print as it goes, and record if everything was measured."""
    known = [*ALONE, "october"]
    unknown = [n for n in names if n not in known]
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    lines: list[Line] = []
    notes: list[str] = []
    print("\n".join(HEAD), flush=True)
    for name in names or [n for n in known if n not in ("margin", "network")]:
        found: list[Line]
        found, said = october.measure() if name == "october" else (ALONE[name](), [])
        print("\n".join(line.row() for line in found), flush=True)
        lines += found
        notes += said
    notes.append(machine())
    print("", *notes, sep="\n\n")
    if not names:
        text = [
            "# Benchmarks", "",
            "Written by `make bench`. Ratios compare least times, taken in turns in one process; rates belong to the"
            " machine. A floor is what must hold, not an aim.", "",
            *HEAD, *(line.row() for line in lines), "", "\n\n".join(notes), "",
        ]  # fmt: skip
        (ROOT / "BENCHMARKS.md").write_text("\n".join(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
