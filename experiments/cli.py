"""The command line. Each verb is a thin layer over the function that a Python user would call.

Imports are inside the verbs, so that help answers at once. Exit codes: 0 done, 1 failed, 2 bad input (every
fault one line on stderr), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

if TYPE_CHECKING:
    from experiments.config import Scenario
    from experiments.run import Run
    from experiments.runner import Outcome

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class BadInput(Exception):
    """What the user gave cannot be used; one line a fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


def _version() -> str:
    from importlib.metadata import version

    return version("CascadeLab")


app = App(
    name="cascade",
    help="Simulate crypto derivatives markets: cascades of liquidations and auto-deleveraging that emerge.",
    help_epilogue="Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.",
    version=_version,
    suppress_keyboard_interrupt=False,
)
scenario_app = App(name="scenario", help="List and check scenarios.")
app.command(scenario_app)

Settings = Annotated[
    tuple[str, ...], Parameter(name="--set", negative="", help="a.b.c=value on top of the scenario; repeats")
]
Jobs = Annotated[int | None, Parameter(help="runs at a time; default one a core")]
Check = Annotated[bool, Parameter(negative="", help="check conservation of every asset at every step (slow)")]


@app.command
def run(
    scenario: str,
    /,
    *,
    seed: int | None = None,
    seeds: int | None = None,
    settings: Settings = (),
    check: Check = False,
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Run a scenario; a score card too where the scenario has targets.

    Parameters
    ----------
    scenario
        A name (see `cascade scenario list`) or the path of a TOML file.
    seed
        The one seed to run; default 1.
    seeds
        Run seeds 1 to this number.
    out
        Folder of the runs; default runs/NAME.
    """
    faults = []
    if seed is not None and seeds is not None:
        faults.append("--seed, --seeds: given both, expected one of them")
    if seed is not None and seed < 0:
        faults.append(f"--seed: given {seed}, expected a whole number from 0")
    if seeds is not None and seeds < 1:
        faults.append(f"--seeds: given {seeds}, expected a whole number from 1")
    wanted = range(1, seeds + 1) if seeds is not None else [1 if seed is None else seed]
    outcomes, loaded = _run(scenario, wanted, settings, check, out, jobs, faults)
    done = [outcome for outcome in outcomes if outcome.folder is not None]
    for outcome in done:
        print(f"{outcome.folder}  digest {outcome.open().digest[:16]}")
    if done and loaded.targets is not None:
        _card([outcome.open() for outcome in done], loaded, done[0].job.name, done[0].job.folder)
    return _status(outcomes)


@app.command
def october(*, seeds: int = 4, check: Check = False, out: Path | None = None, jobs: Jobs = None) -> int:
    """Run 10 October 2025, compare it with what was measured, and draw the figures.

    Parameters
    ----------
    seeds
        Run seeds 1 to this number.
    out
        Folder of runs, score card and figures; default runs/october.
    """
    faults = [] if seeds >= 1 else [f"--seeds: given {seeds}, expected a whole number from 1"]
    folder = Path("runs/october") if out is None else out
    outcomes, loaded = _run("october_2025", range(1, seeds + 1), (), check, folder, jobs, faults)
    done = [outcome.open() for outcome in outcomes if outcome.folder is not None]
    if done:
        _card(done, loaded, "october_2025", folder)
        from experiments import figures

        figures.october(done, folder / "figures")
        print(f"figures in {folder / 'figures'}")
    return _status(outcomes)


@scenario_app.command(name="list")
def scenario_list() -> int:
    """The scenarios that come with CascadeLab."""
    import tomllib

    folder = Path(__file__).parent / "scenarios"
    found = sorted(folder.glob("*.toml"))
    wide = max((len(path.stem) for path in found), default=0)
    for path in found:
        with path.open("rb") as file:
            print(f"{path.stem:<{wide}}  {tomllib.load(file).get('title', '')}")
    return DONE


@scenario_app.command(name="check")
def scenario_check(scenario: str, /, *, settings: Settings = (), seed: int = 1) -> int:
    """Check a scenario and print the market that it opens with: open interest, types, the liquidation map.

    Parameters
    ----------
    scenario
        A name or the path of a TOML file.
    seed
        Seed of the accounts that are drawn.
    """
    loaded = _load(scenario, settings)
    from rich.console import Console

    from experiments.census import report
    from experiments.population import planned

    try:
        opening = planned(loaded, seed)
    except ValueError as error:
        raise BadInput(str(error).splitlines()) from error
    print(f"{scenario}: no fault found")
    if len(opening.venue):
        console = Console()
        console.width = max(console.width, 150)  # tables of numbers do not wrap well
        console.print(report(opening))
    return DONE


@app.command
def columns(*, table: str | None = None) -> int:
    """Name, unit and meaning of every column that a run records.

    Parameters
    ----------
    table
        One table: books, venues, network, events, accounts or positions.
    """
    from abm.columns import COLUMNS

    tables = list(dict.fromkeys(column.table for column in COLUMNS))
    if table is not None and table not in tables:
        raise BadInput([f"--table: given {table}, expected one of {', '.join(tables)}"])
    _print_table(
        ["table", "name", "unit", "meaning"],
        [list(column) for column in COLUMNS if table in (None, column.table)],
    )
    return DONE


@app.command
def account(run: Path, owner: str, /, *, events: int = 20) -> int:
    """What an owner had, held and suffered in a run.

    Parameters
    ----------
    run
        A run folder.
    owner
        Name or number of the owner.
    events
        At most this many of the owner's events, the latest.
    """
    from experiments.account import story

    opened = _open(run)
    try:
        parts = story(opened, owner, events)
    except KeyError as error:
        raise BadInput([str(error.args[0])]) from error
    for number, (title, head, lines) in enumerate(parts):
        print(("\n" if number else "") + title)
        if lines:
            _print_table(head, lines)
    return DONE


@app.command(name="figures")
def draw_figures(run: Path, /, *, out: Path | None = None) -> int:
    """Draw the overview of a run: prices, depth, liquidations, funds.

    Parameters
    ----------
    run
        A run folder, or a folder of seeds.
    out
        Folder for the pictures; default: figures/ beside the run.
    """
    from experiments import figures
    from experiments import run as runs

    seeds = sorted(run.glob("seed-*")) if run.is_dir() and not runs.is_run(run) else []
    folder = out or (run if seeds else run.parent) / "figures"
    opened = [_open(path) for path in seeds or [run]]
    folder.mkdir(parents=True, exist_ok=True)
    for one, path in zip(opened, seeds or [run], strict=True):
        picture = folder / f"{path.name}.png"
        figures.overview(one).savefig(picture)
        print(picture)
    return DONE


def _run(
    name: str,
    seeds: Sequence[int],
    settings: Sequence[str],
    check: bool,
    out: Path | None,
    jobs: int | None,
    faults: list[str],
) -> tuple[list[Outcome], Scenario]:
    """Load, report every fault at once, run."""
    if jobs is not None and jobs < 1:
        faults.append(f"--jobs: given {jobs}, expected a whole number from 1")
    loaded = _load(name, settings, faults)
    _compile()
    from experiments.runner import Job, run_jobs

    title = Path(name).stem
    folder = out if out is not None else Path("runs") / title
    return run_jobs([Job(title, loaded, seed, folder, check=check) for seed in seeds], jobs=jobs), loaded


def _load(name: str, settings: Sequence[str], faults: Sequence[str] = ()) -> Scenario:
    """The scenario with its settings; BadInput with every fault, the given ones first."""
    from experiments import config

    found = list(faults)
    overrides = []
    for setting in settings:
        path, equals, value = setting.partition("=")
        if equals and path:
            overrides.append((path.strip(), value.strip()))
        else:
            found.append(f"--set: given {setting!r}, expected a.b.c=value")
    loaded = None
    try:
        loaded = config.load(name, overrides)
    except config.ScenarioError as error:
        found += error.faults
    if found or loaded is None:
        raise BadInput(found)
    return loaded


def _compile() -> None:
    """Compile the kernels in this process before workers need them."""
    from abm import jit

    if jit.cold():
        print("compiling the kernels, once for this version (some 30 s) ...", file=sys.stderr, flush=True)
        jit.warm()


def _open(path: Path) -> Run:
    from experiments.run import Run, RunError

    try:
        return Run.open(path)
    except RunError as error:
        raise BadInput([str(error)]) from error


def _card(opened: Sequence[Run], scenario: Scenario, name: str, folder: Path) -> None:
    """Write scorecard.json and scorecard.md; say how many rows pass."""
    import json

    from experiments import reference, scorecard
    from experiments.store import write_text

    assert scenario.targets is not None
    card = scorecard.card({"base": opened}, reference.targets(scenario.targets.file), name)
    write_text(folder / "scorecard.json", json.dumps(card, indent=1, allow_nan=False))
    write_text(folder / "scorecard.md", scorecard.markdown(card))
    rows: list[dict[str, Any]] = card["rows"]
    missing = sum(row["value"] is None for row in rows)
    passed = sum(bool(row["pass"]) for row in rows)
    print(f"{folder / 'scorecard.md'}: {passed} of {len(rows)} rows pass, {missing} not measured")


def _status(outcomes: Sequence[Outcome]) -> int:
    """The exit code; the runner has already said on stderr which runs failed and why.

    A scenario may turn out impossible only when its accounts are drawn: that is bad input too.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed and all(outcome.reason.startswith("ScenarioError:") for outcome in failed):
        return BAD_INPUT
    return FAILED if failed else DONE


def _print_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Columns of text, aligned, as wide as they are: made for pipes as well as for eyes."""
    wide = [max(len(line[at]) for line in [head, *lines]) for at in range(len(head))]
    for line in [head, *lines]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, wide, strict=True)).rstrip())


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command `cascade`."""
    sys.exit(answer(sys.argv[1:] if arguments is None else arguments))


def answer(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    try:
        code = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except KeyboardInterrupt:
        print("cascade: interrupted; what was finished is kept and is not run again", file=sys.stderr)
        return INTERRUPTED
    except CycloptsError as error:
        text = " ".join(str(error).split())
        print(f"cascade: {text} (see cascade --help)", file=sys.stderr)
        return BAD_INPUT
    except BadInput as error:
        for fault in error.faults:
            print(f"cascade: {fault}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        print(f"cascade: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    main()
