"""Looking at runs: `cascade figures`, `replay`, `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from experiments.commands import output
from experiments.commands.app import DONE, BadInput, app
from experiments.commands.given import opened, reading, writable
from experiments.commands.options import bare

Dark = Annotated[bool, bare("on a dark page")]


@app.command(name="figures")
def draw_figures(run: Path, /, *, out: Path | None = None, dark: Dark = False) -> int:
    """Draw a run: overview, prices, book, forced closings by cause, liquidation map, equity, makers, network, tree.

    Parameters
    ----------
    run
        A run folder, or a folder of seeds.
    out
        Folder for the pictures; default: figures/ beside the run.
    """
    from experiments import drawing, figures, progress
    from experiments import run as runs

    seeds = [] if runs.is_run(run) else runs.seeds_in(run)
    folder = out or (run if seeds else run.parent) / "figures"
    writable(folder)
    with reading(), drawing.look(dark):
        drawn = [opened(path) for path in seeds or [run]]
        with progress.Count(len(drawn) * len(figures.GALLERY), "figures") as count:
            for one, path in zip(drawn, seeds or [run], strict=True):
                for name, figure in figures.gallery(one, count.next):
                    picture = folder / f"{path.name}-{name}{'-dark' if dark else ''}.png"
                    figure.savefig(picture)
                    print(picture, flush=True)
                    output.add("pictures", file=picture, figure=name, run=path)
    return DONE


@app.command
def replay(run: Path, beside: Path | None = None, /, *, out: Path) -> int:
    """Write a run as one HTML file that plays anywhere, without a network; two runs play side by side.

    Prices, depth, forced closings with who and why, ADL queue, inventories and the network at every moment; any
    account's story.

    Parameters
    ----------
    run
        A run folder, or a folder that holds exactly one. With record.fills it tells what moved the mark of those who
        were liquidated, with record.quotes what makers hold, with more of record.accounts_at more queues.
    beside
        A second run: a branch beside its trunk, a null run beside its base.
    out
        The file.
    """
    from experiments import progress
    from experiments import replay as replays

    if out.suffix.lower() not in (".html", ".htm"):
        raise BadInput([f"--out: given {out}, expected a file that ends in .html"])
    writable(out.parent)
    with reading():
        shown = [opened(path) for path in (run, beside) if path is not None]
        with progress.Count(len(replays.PARTS) * len(shown), "parts") as count:
            size, every = replays.write(shown, out, count.next)
    print(f"{out}  {size / 1e6:.1f} MB" + (f", prices of every {every} steps" if every > 1 else ""))
    output.put(file=out, bytes=size, every=every)
    return DONE


@app.command
def compare(a: Path, b: Path, /) -> int:
    """What two runs, or two folders of seeds, were set to differently, and what came of it, with intervals.

    Parameters
    ----------
    a, b
        A run folder, or a folder of seeds. Seeds that both have are paired.
    """
    from experiments import compare as comparison
    from experiments import progress

    with reading():
        first, second = comparison.seeds_of(a), comparison.seeds_of(b)
        with progress.Count(len(first) + len(second), "runs") as count:
            table = comparison.compare(first, second, count.next)
    print(comparison.markdown(table), end="")
    output.put(**table)
    return DONE
