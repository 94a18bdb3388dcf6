"""The command line. Each verb is a thin layer over the function that a Python user would call.

Imports are inside the verbs, so that help answers at once. Exit codes: 0 done, 1 failed, 2 bad input (every
fault one line on stderr), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter, Token

if TYPE_CHECKING:
    from experiments.config import Scenario
    from experiments.run import Run
    from experiments.runner import Outcome

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
LARGEST_SEED = 2**31 - 1


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
venues_app = App(name="venues", help="The rule books of real venues.")
app.command(venues_app)
network_app = App(name="network", help="The transfer network of a scenario, as a picture, tables or a graph.")
app.command(network_app)

Settings = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        show_default=False,
        negative="",
        help="a.b.c=value on top of the scenario; repeats; * is every entry, @noise those of a species",
    ),
]
Files = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--with", negative="", show_default=False, help="Python file with species of your own; repeats"
    ),
]
Nulls = Annotated[
    bool, Parameter(negative="", show_default=False, help="the null runs too: one cause taken out in each")
]


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number; the library by itself would read 2.5 as 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"given {tokens[0].value}, expected a whole number") from None


Moments = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        show_default=False,
        help="keep a snapshot at this time (seconds from the start, or UTC), for resume and branch; repeats",
    ),
]
Jobs = Annotated[int | None, Parameter(help="runs at a time; default one a core", converter=_whole)]
Number = Annotated[int, Parameter(converter=_whole)]
Check = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="check conservation of every asset at every step (slow)"),
]


@app.command
def run(
    scenario: str,
    /,
    *,
    seed: Number | None = None,
    seeds: Number | None = None,
    settings: Settings = (),
    files: Files = (),
    nulls: Nulls = False,
    check: Check = False,
    save_at: Moments = (),
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
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        faults.append(f"--seed: given {seed}, expected a whole number between 0 and {LARGEST_SEED}")
    if seeds is not None and seeds < 1:
        faults.append(f"--seeds: given {seeds}, expected a whole number from 1")
    wanted = range(1, seeds + 1) if seeds is not None else [1 if seed is None else seed]
    loaded = _load(scenario, settings, files, [*faults, *_bad_jobs(jobs)])
    moments = _moments(save_at, loaded)
    name = Path(scenario).stem
    folder = out or Path("runs") / name
    outcomes, _ = _run(name, loaded, wanted, files, check, folder, jobs, nulls, moments)
    from experiments.snapshots import label

    for outcome in outcomes:
        for time in moments if outcome.status != "failed" and outcome.job.save_at else ():
            print(f"{outcome.job.folder}/seed-{outcome.job.seed:04d}@{label(time)}  snapshot")
    return _status(outcomes)


@app.command
def resume(run: str, /, *, files: Files = ()) -> int:
    """Go on from a snapshot to the end: bit by bit the run that never stopped.

    Parameters
    ----------
    run
        RUN@T: a run folder and the time of a snapshot (cascade run --save-at T), seconds or UTC.
    """
    _compile()
    from experiments import branch as branches

    with _reading():
        done = branches.resume(run, files)
    if done.outcome.folder is not None:
        print(f"{done.outcome.folder}  digest {done.digest[:16]}")
    if done.same is False:
        print(f"cascade: the run there has another digest: {run} is not of it", file=sys.stderr)
        return FAILED
    if done.same:
        print("the same digest as the run that never stopped")
    return _status([done.outcome])


@app.command
def branch(
    run: str,
    /,
    *,
    settings: Settings = (),
    remove: Annotated[
        tuple[str, ...], Parameter(negative="", show_default=False, help="an owner who leaves; repeats")
    ] = (),
    absorb: Annotated[
        tuple[int, ...],
        Parameter(
            negative="",
            show_default=False,
            converter=None,
            help="id of a liquidation event of RUN that is taken over at mark; repeats",
        ),
    ] = (),
    files: Files = (),
    save_at: Moments = (),
    out: Path | None = None,
) -> int:
    """Go on from a snapshot with something changed from then on: the same past, another future.

    Parameters
    ----------
    run
        RUN@T: a run folder and the time of a snapshot (cascade run --save-at T), seconds or UTC.
    out
        Folder of the branch; default: that of RUN with -branch- and a name of the change behind its own.
    """
    _compile()
    from experiments import branch as branches

    if not (settings or remove or absorb):
        return resume(run, files=files)  # nothing is changed: simulated again, and held against the trunk
    if out is not None:
        _writable(out)
    changes, wrong = _settings(settings)
    if wrong:
        raise BadInput(wrong)
    with _reading():
        moments = _moments(save_at, branches.scenario_of(run, files))
        done = branches.branch(
            run, changes, remove=remove, absorb=absorb, files=files, out=out, save_at=moments
        )
        if done.outcome.folder is not None:
            mine = done.outcome.open()
            print(f"{mine.folder}  digest {mine.digest[:16]}")
            if done.trunk is not None:
                from experiments.nulls import side_by_side

                print(f"{done.trunk.folder}  digest {done.trunk.digest[:16]}, the trunk\n")
                _print_table(["", "unit", "trunk", "branch"], side_by_side(done.trunk, mine))
            for row, time in done.idle:
                print(f"--absorb: account {row} was not liquidated at {time:g} s here, nothing to absorb")
    return _status([done.outcome])


@app.command
def october(
    *,
    seeds: Number = 4,
    settings: Settings = (),
    nulls: Nulls = False,
    check: Check = False,
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Run 10 October 2025, compare it with what was measured, and draw the figures.

    Parameters
    ----------
    seeds
        Run seeds 1 to this number.
    out
        Folder of runs, score card and figures; default runs/october.
    """
    faults = [] if seeds >= 1 else [f"--seeds: given {seeds}, expected a whole number from 1"]
    loaded = _load("october_2025", settings, (), [*faults, *_bad_jobs(jobs)])
    folder = out or Path("runs/october")
    outcomes, done = _run("october_2025", loaded, range(1, seeds + 1), (), check, folder, jobs, nulls)
    if done:
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
def scenario_check(
    scenario: str | None = None,
    /,
    *,
    settings: Settings = (),
    files: Files = (),
    seed: Number = 1,
    parameters: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Check a scenario and print the market that it opens with: open interest, types, the liquidation map.

    Parameters
    ----------
    scenario
        A name or the path of a TOML file.
    seed
        Seed of the accounts that are drawn.
    parameters
        Print the table of its parameters instead (Markdown: value, unit, range, source, meaning); without a
        scenario the defaults of all that can be set.
    """
    if scenario is None and not parameters:
        raise BadInput(
            ["SCENARIO: nothing given, expected a name (see cascade scenario list) or a TOML file"]
        )
    loaded = None if scenario is None else _load(scenario, settings, files)
    if parameters:
        from experiments import config

        print(config.markdown(config.parameter_table(loaded)), end="")
        return DONE
    from rich.console import Console

    from experiments.census import report
    from experiments.population import planned

    assert loaded is not None
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


@venues_app.default
def venues_list() -> int:
    """The venues whose rule books come with CascadeLab: `preset = "NAME"` in a scenario's venue."""
    from rich.console import Console

    from experiments import rulebook

    Console(width=max(Console().width, 140)).print(rulebook.overview())
    return DONE


@venues_app.command(name="show")
def venues_show(name: str, /) -> int:
    """A venue's rule book in words and numbers, every line with its source and the day since which it holds.

    Parameters
    ----------
    name
        A name (see `cascade venues`) or the path of a rule book's TOML file.
    """
    from rich.console import Console

    from experiments import rulebook

    try:
        book = rulebook.read(name)
    except rulebook.RuleBookError as error:
        raise BadInput([f"NAME: {fault}" for fault in error.faults]) from error
    Console(width=max(Console().width, 140)).print(rulebook.described(book))
    return DONE


@network_app.command(name="show")
def network_show(
    scenario: str = "october_2025",
    /,
    *,
    settings: Settings = (),
    out: Path | None = None,
    graphml: Path | None = None,
    json: Path | None = None,
) -> int:
    """Draw and print a scenario's network: nodes, resources with their numbers and sources, edges by kind.

    Parameters
    ----------
    scenario
        A name (see `cascade scenario list`) or the path of a TOML file.
    out
        The picture; runs/network/NAME.png if not given.
    graphml, json
        Write the graph there as well, as GraphML or node-link JSON; a scenario's `network.preset` reads it.
    """
    from rich.console import Console

    from experiments import network_map

    chosen = _load(scenario, settings)
    name = Path(scenario).stem
    path = out or Path("runs") / "network" / f"{name}.png"
    network_map.draw(chosen.network, chosen.venues, path, chosen.title or name)
    graph = network_map.graph_of(chosen.network, chosen.venues)
    for file, ending in ((graphml, ".graphml"), (json, ".json")):
        if file is not None:
            network_map.write(graph, file.with_suffix(ending))
    console = Console(width=max(Console().width, 160))
    console.print(network_map.described(chosen.network, chosen.venues, chosen.title or name))
    console.print(f"drawn: {path}")
    return DONE


@network_app.command(name="report")
def network_report(run: Path, /, *, coin: str = "BTC") -> int:
    """Print what a run tells of the network: waits by pair of venues, gaps, arbitrage that was not done and why.

    Parameters
    ----------
    run
        A run folder, or a folder that holds exactly one.
    coin
        The coin whose gaps are shown.
    """
    from experiments import arbitrage

    opened = _open(run)
    with _reading():
        print(arbitrage.markdown(opened, coin), end="")
    return DONE


@network_app.command(name="import")
def network_import(file: Path, /, *, out: Path) -> int:
    """Turn a graph (GraphML or node-link JSON) into the TOML tables of a network, for `preset` or to be edited.

    Parameters
    ----------
    file
        The graph.
    out
        The TOML file to write.
    """
    import tomli_w

    from experiments import network_file

    tables, faults = network_file.read(str(file))
    if faults:
        raise BadInput(faults)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(tomli_w.dumps(tables), encoding="utf-8")
    print(f"written: {out}")
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
def account(run: Path, owner: str, /, *, events: Number = 20) -> int:
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

    if events < 0:
        raise BadInput([f"--events: given {events}, expected a whole number from 0"])
    with _reading():
        parts = story(_open(run), owner, events)
    for number, (title, head, lines) in enumerate(parts):
        print(("\n" if number else "") + title)
        if lines:
            _print_table(head, lines)
    return DONE


@app.command
def causes(run: Path, /, *, delete: Number = 0, largest: Number = 10, jobs: Jobs = None) -> int:
    """What a run's liquidations came from, and what each of them caused.

    Parameters
    ----------
    run
        A run folder with fills (--set record.fills=true).
    delete
        Check the rule: run again without so many of the failures, each absorbed at mark in turn.
    largest
        Show so many of the failures that caused most.
    """
    from experiments import causes as chains

    faults = _bad_jobs(jobs)
    for name, given in (("--delete", delete), ("--largest", largest)):
        if given < 0:
            faults.append(f"{name}: given {given}, expected a whole number from 0")
    if faults:
        raise BadInput(faults)
    with _reading():
        opened = _open(run)
        found = chains.attribute(opened)
        for title, head, lines in chains.tables(found, largest):
            print(title)
            _print_table(head, lines)
            print()
        print(f"marks moved by other liquidations: {found.endogenous():.1%} of what was closed")
        if delete and len(found.value):
            _compile()
            tried = chains.delete(opened, found, chains.chosen(found, delete), jobs)
            print()
            print("each absorbed at mark in turn, the same draws: M$ less closed than in the run")
            _print_table(
                ["event", "own value", "by the rule", "by deletion"], chains.deletion_lines(found, tried)
            )
            print(
                f"error of the rule: {tried.error():.0%} of the mean effect; its sum is {tried.bias():.2f} of theirs"
            )
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

    seeds = [] if runs.is_run(run) else runs.seeds_in(run)
    folder = out or (run if seeds else run.parent) / "figures"
    _writable(folder)
    with _reading():
        opened = [_open(path) for path in seeds or [run]]
        for one, path in zip(opened, seeds or [run], strict=True):
            picture = folder / f"{path.name}.png"
            figures.overview(one).savefig(picture)
            print(picture)
    return DONE


def _run(
    name: str,
    scenario: Scenario,
    seeds: Sequence[int],
    files: Sequence[Path],
    check: bool,
    folder: Path,
    jobs: int | None,
    nulls: bool,
    save_at: Sequence[float] = (),
) -> tuple[list[Outcome], list[Run]]:
    """Run a scenario, with its null runs if they are wanted, and write what they are told in.

    Returns all outcomes and the finished runs of the scenario itself.
    """
    _writable(folder)
    groups: dict[str, tuple[Scenario, Path, Sequence[int]]] = {"base": (scenario, folder, seeds)}
    absent = None
    if nulls:
        from experiments.nulls import VARIANTS, variants

        found, absent = variants(scenario)
        for which, changed in found.items():
            groups[which] = changed, folder / "nulls" / which, seeds[: VARIANTS[which].seeds]
    _compile()
    from experiments.runner import Job, run_jobs

    wanted = []
    for which, (one, place, some) in groups.items():
        label = name if which == "base" else f"{name} {which}"
        kept = tuple(save_at) if which == "base" else ()
        wanted += [
            (which, Job(label, one, seed, place, check=check, files=tuple(files), save_at=kept))
            for seed in some
        ]
    outcomes = run_jobs([job for _, job in wanted], jobs=jobs)
    done: dict[str, list[Run]] = {which: [] for which in groups}
    for (which, _), outcome in zip(wanted, outcomes, strict=True):
        if outcome.folder is not None:
            done[which].append(outcome.open())
            print(f"{outcome.folder}  digest {done[which][-1].digest[:16]}")
    if done["base"]:
        from experiments import report

        for line in report.write({k: v for k, v in done.items() if v}, scenario, name, folder, absent):
            print(line)
    return outcomes, done["base"]


def _writable(folder: Path) -> None:
    """BadInput unless runs can be kept in this folder; better now than after an hour."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput([f"--out: cannot write to {folder}: {error.strerror}"]) from error


def _bad_jobs(jobs: int | None) -> list[str]:
    return [f"--jobs: given {jobs}, expected a whole number from 1"] if jobs is not None and jobs < 1 else []


def _load(
    name: str, settings: Sequence[str], files: Sequence[Path] = (), faults: Sequence[str] = ()
) -> Scenario:
    """The scenario with its settings; BadInput with every fault, the given ones first."""
    from experiments import config

    overrides, wrong = _settings(settings)
    found = [*faults, *wrong]
    loaded = None
    try:
        loaded = config.load(name, overrides, files)
    except config.ScenarioError as error:
        found += error.faults
    if found or loaded is None:
        raise BadInput(found)
    return loaded


def _settings(settings: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """(path, value) of every --set, and a line for each that is none."""
    found, faults = [], []
    for setting in settings:
        path, equals, value = setting.partition("=")
        if equals and path:
            found.append((path.strip(), value.strip()))
        else:
            faults.append(f"--set: given {setting!r}, expected a.b.c=value")
    return found, faults


def _moments(given: Sequence[str], scenario: Scenario) -> list[float]:
    """Seconds of every --save-at; BadInput with all that are no time of the run."""
    from experiments.branch import moment

    found, faults = [], []
    for text in given:
        try:
            seconds = moment(text, scenario.clock.start)
        except ValueError as error:
            faults.append(f"--save-at: {error}")
            continue
        if not 0 <= seconds <= scenario.clock.duration:
            faults.append(
                f"--save-at: given {text}, expected a time within the run, up to {scenario.clock.duration:g} s"
            )
        found.append(seconds)
    if faults:
        raise BadInput(faults)
    return found


def _compile() -> None:
    """Compile the kernels in this process before workers need them."""
    from abm import jit

    if jit.cold():
        print(
            "compiling the kernels, once for this version (about a minute) ...", file=sys.stderr, flush=True
        )
        jit.warm()


def _open(path: Path) -> Run:
    from experiments.run import Run

    with _reading():
        return Run.open(path)


@contextmanager
def _reading() -> Iterator[None]:
    """What is wrong with a run that a user names is bad input."""
    from experiments.config import ScenarioError
    from experiments.readings import Unmeasured
    from experiments.run import RunError
    from experiments.snapshots import SnapshotError

    try:
        yield
    except (RunError, Unmeasured, SnapshotError) as error:
        raise BadInput([str(error)]) from error
    except ScenarioError as error:
        raise BadInput(error.faults) from error
    except KeyError as error:
        raise BadInput([f"the run's tables have no column {error}"]) from error


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
