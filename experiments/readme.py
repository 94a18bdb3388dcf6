"""Rewrites the sections of README.md that runs have made: figures, the score card, the null runs.

    python -m experiments.readme [RUNS]         # RUNS holds two_venues/ and october/; default: runs

A section stands between the comments ``<!-- NAME: ... -->`` and ``<!-- end NAME -->``; its pictures go to docs/img.
What is printed there is what the runs hold, misses included; a section without its run stays as it is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments import figures, nulls, readings, scorecard
from experiments import run as runs
from experiments.run import Run, RunError
from experiments.store import ROOT, write_text

README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "img"


def rewrite(text: str, name: str, content: str) -> str:
    """The text with the section `name` replaced. Raises ValueError where it has no such section."""
    section = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not section.search(text):
        raise ValueError(f"no section {name}")
    return section.sub(lambda found: f"{found[1]}\n{content.strip()}\n\n{found[2]}", text)


def two_venues(folder: Path, pictures: Path) -> str:
    """The small market: its figure and what happened in it."""
    run = Run.open(_seeds(folder)[0])
    figures.overview(run).savefig(pictures / "two_venues.png")
    end = float(run.time[-1])
    longs, _ = readings.liquidated(run, 0.0, end)
    falls = ", ".join(
        f"{readings.fall(run, book, end):.1f} % on {book.partition(':')[0]}"
        for book in readings.books(run, "PERP")
    )
    size = abs(float(run.config["news"][0]["size"]))
    return (
        "![Prices, gaps, depth, liquidations and the fund of two_venues](docs/img/two_venues.png)\n\n"
        f"*Seed {run.seed}, as `cascade run two_venues` made it (digest `{run.digest[:16]}`). The news is worth "
        f"{100 * size:.0f} %; the perpetual falls {falls}. "
        f"{longs / 1e6:.1f} M$ of longs are liquidated, and {float(run.column('adl').sum()) / 1e6:.1f} M$ of winners "
        "are auto-deleveraged on the venue without a fund.*"
    )


def october(folder: Path, pictures: Path) -> str:
    """The event: its figure, its score card, its null runs where there are some."""
    runs = [Run.open(path) for path in _seeds(folder)]
    figures.october_page(runs).savefig(pictures / "october.png")
    card = json.loads((folder / "scorecard.json").read_text())
    parts = [
        "![BTC on every venue over the real path, liquidations, ADL, depth, open interest, gap](docs/img/october.png)",
        _below(scorecard.markdown(card)),
    ]
    if (folder / "nulls.json").is_file():
        table = json.loads((folder / "nulls.json").read_text())
        parts += ["### Null runs", _below(nulls.markdown(table))]
    return "\n\n".join(parts)


def _below(text: str) -> str:
    """A Markdown text without its title."""
    return text.partition("\n")[2].strip()


def _seeds(folder: Path) -> list[Path]:
    found = runs.seeds_in(folder)
    if not found:
        raise RunError(
            f"{folder}: no run; `cascade {'october' if folder.name == 'october' else 'run two_venues'}`"
        )
    return found


SECTIONS: dict[str, Callable[[Path, Path], str]] = {"two_venues": two_venues, "october": october}


def main(arguments: Sequence[str]) -> int:
    """Rewrite what there are runs for; 0 done, 2 no run at all."""
    runs = Path(arguments[0] if arguments else "runs")
    PICTURES.mkdir(parents=True, exist_ok=True)
    text, done = README.read_text(encoding="utf-8"), 0
    for name, section in SECTIONS.items():
        try:
            text = rewrite(text, name, section(runs / name, PICTURES))
        except (RunError, FileNotFoundError) as error:
            print(f"readme: {error}", file=sys.stderr)
        else:
            done += 1
            print(f"{README.name}: {name}")
    write_text(README, text.rstrip("\n"))
    return 0 if done else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
