"""The page: a template, its style, its scripts, and the packages of one or two runs, in one file."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.compare import settings
from experiments.replay.content import CELLS, PACKING, package
from experiments.replay.packing import Package
from experiments.run import Run
from experiments.store import write_text

HERE = Path(__file__).parent
SCRIPTS = ("data.js", "words.js", "charts.js", "panels.js", "people.js", "player.js")  # in this order

# base85 with two other letters for those that mean something in HTML: a sixteenth shorter than base64
LETTERS = str.maketrans("<&", ".,")
DIFFERENT = 12  # settings told of a second run
MOST = 9_900_000  # bytes of a file; what is longer keeps prices every so many steps
EVERY = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60, 120, 300)  # steps


def document(packages: Sequence[bytes], title: str) -> str:
    """The HTML of packed runs. Nothing of a run is markup in it: its title is escaped, all else `written`."""
    data = "\n".join(
        f'<script type="application/octet-stream" class="run">{written(packed)}</script>'
        for packed in packages
    )
    page = (HERE / "page.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": html.escape(title),
        "STYLE": (HERE / "page.css").read_text(encoding="utf-8"),
        "DATA": data,
        "SCRIPT": "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
    }
    # in one pass: what is put in is not looked at again
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], page)


def written(packed: bytes) -> str:
    """Bytes as text without a letter of markup; `bytesOf` of data.js reads it."""
    return base64.b85encode(packed).decode().translate(LETTERS)


class Written(NamedTuple):
    """What was written: bytes of the file, and every how many steps it has prices."""

    size: int
    every: int


def write(
    runs: Sequence[Run],
    path: str | Path,
    begun: Callable[[str], object] = lambda what: None,
    most: int = MOST,
) -> Written:
    """Write the replay of one run, or of two side by side.

    The prices are those of every step if the file then has at most so many bytes, else those of every second, third ...
    step, and nothing else is left out. `begun` is told each part of `content.PARTS` before it is packed.

    Raises Unmeasured or RunError where a run cannot be shown.
    """
    packs: list[Package] = []
    for run in runs:
        pack = package(run, begun, packs[0] if packs else None, CELLS // len(runs))
        if packs:
            pack.header["differs"] = settings(runs[0].config, run.config)[:DIFFERENT]
        begun(PACKING)
        pack.packed()
        packs.append(pack)
    title = " | ".join(f"{run.config.get('title', '') or run.name}, seed {run.seed}" for run in runs)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    for every in EVERY:
        text = document([pack.packed(every) for pack in packs], title)
        if len(text.encode()) <= most:
            break
    write_text(target, text)
    return Written(target.stat().st_size, every)
