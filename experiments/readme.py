"""Rewrites the sections of README.md that runs have made: figures, the score card, the null runs, the network.

    python -m experiments.readme [RUNS]         # RUNS holds two_venues/, october/, network/ and look/; default: runs

A section stands between the comments ``<!-- NAME: ... -->`` and ``<!-- end NAME -->``; its pictures go to docs/img.
What is printed there is what the runs hold, misses included; a section without its run stays as it is.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copyfile

from experiments import causes, figures, nulls, readings, replay, scorecard
from experiments import run as runs
from experiments.run import Run, RunError
from experiments.store import ROOT, write_text

README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "img"
NULLS = ROOT / "experiments" / "results" / "october_nulls.md"
# rows of the null runs that README shows: size, ADL, gaps, depth, and what they do to the coins, the fund, the time
CHIEF = ("fall", "longs", "adl", "gap", "depth", "3", "15", "21", "41", "49")


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
    """The event: its figure, its score card, its null runs where there are some, the chief of their rows."""
    runs = [Run.open(path) for path in _seeds(folder)]
    figures.october_page(runs).savefig(pictures / "october.png")
    card = json.loads((folder / "scorecard.json").read_text())
    parts = [
        "![BTC on every venue over the real path, liquidations, ADL, depth, open interest, gap](docs/img/october.png)",
        _below(scorecard.markdown(card)),
    ]
    if (folder / "nulls.json").is_file():
        table = json.loads((folder / "nulls.json").read_text())
        write_text(NULLS, nulls.markdown(table))
        every = f"[All rows]({NULLS.relative_to(ROOT).as_posix()})."
        parts += ["### Null runs", _below(nulls.markdown(table, CHIEF)), every]
    return "\n\n".join(parts)


def network(folder: Path, pictures: Path) -> str:
    """What stops of transfers do in October, and where they would matter: as the two commands have written it."""
    parts = []
    for name, command, seen in (
        (
            "stops",
            "cascade network stops october_2025 --set population.@withdrawer.after=900.0 --out runs/network/stops",
            "Gaps with nobody's stops, the recorded, the venues' own",
        ),
        (
            "map",
            "cascade network map --factor 0.1 --factor 1 --factor 10 --stop 5 --stop 15 --null "
            "--place runs/network/stops/as_recorded --out runs/network/map",
            "Where the network matters, and where October lies",
        ),
    ):
        there = folder / name
        if not (there / f"{name}.md").is_file():
            raise RunError(f"{there}: no {name}.md; `{command}`")
        copyfile(there / f"{name}.png", pictures / f"network_{name}.png")
        parts += [
            f"![{seen}](docs/img/network_{name}.png)",
            (there / f"{name}.md").read_text().partition("\n")[2].strip("\n"),
        ]
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


def look(folder: Path, pictures: Path) -> str:
    """What looking at a run shows: two figures, and the replay at a moment, where there is a browser to open it."""
    run = Run.open(_seeds(folder)[0])
    found = causes.attribution(run)
    first = int(found.caused.argmax())
    accounts = run.accounts("start")
    owner = str(accounts["owner_name"][accounts["row"] == found.row[first]][0])
    for name in ("book", "forced"):
        figures.GALLERY[name](run).savefig(pictures / f"look_{name}.png")
    page = folder / "replay.html"
    replay.write([run], page)
    photograph(page, f"t={found.time[first] + 60:g}&account={owner}", pictures / "look_replay.png")
    return (
        "![The replay: prices with whom was closed by force, depth, ADL queue, and why one account was liquidated]"
        "(docs/img/look_replay.png)\n\n"
        "![Orders resting in the book over time, with trades and liquidations on them](docs/img/look_book.png)\n\n"
        "![Positions closed by force, by stage and by what moved the mark](docs/img/look_forced.png)\n\n"
        f"*Seed {run.seed} of `two_venues` with its fills and the quotes of its makers kept "
        f"(digest `{run.digest[:16]}`); the account is `{owner}`, whose failure caused most.*"
    )


def photograph(page: Path, place: str, picture: Path) -> None:
    """A picture of a page as a browser shows it; without a browser the old one stays."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print(f"readme: no chromium to photograph {page} with", file=sys.stderr)
        return
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1500,1180",
            "--virtual-time-budget=8000", f"--screenshot={picture}", f"{page.resolve().as_uri()}#{place}",
        ],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip


SECTIONS: dict[str, Callable[[Path, Path], str]] = {
    "two_venues": two_venues,
    "october": october,
    "network": network,
    "look": look,
}


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
