"""Running: `cascade run`, `resume`, `branch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from experiments.commands import kernels, output
from experiments.commands.app import BAD_INPUT, DONE, FAILED, BadInput, app
from experiments.commands.given import below, load, moments_of, outside, reading, settings_of, writable
from experiments.commands.options import (
    LARGEST_SEED,
    Check,
    Files,
    Jobs,
    Moments,
    Nulls,
    Number,
    ScenarioName,
    Seeds,
    Settings,
    bare,
)
from experiments.commands.table import print_table

if TYPE_CHECKING:
    from experiments.config import Scenario
    from experiments.run import Run
    from experiments.runner import Outcome

Trunk = Annotated[
    str,
    Parameter(
        help="RUN@T: a run folder and the time of a snapshot (cascade run --save-at T), seconds or UTC."
    ),
]


@app.command
def run(
    scenario: ScenarioName,
    /,
    *,
    seed: Number | None = None,
    seeds: Seeds | None = None,
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
    seed
        The one seed to run; default 1.
    out
        Folder of the runs; default runs/NAME.
    """
    faults = []
    if seed is not None and seeds is not None:
        faults.append("--seed, --seeds: given both, expected one of them")
    faults += [*outside(0, LARGEST_SEED, seed=seed), *below(1, seeds=seeds, jobs=jobs)]
    wanted = range(1, seeds + 1) if seeds is not None else [1 if seed is None else seed]
    loaded = load(scenario, settings, files, faults)
    moments = moments_of(save_at, loaded)
    name = Path(scenario).stem
    folder = out or Path("runs") / name
    groups, absent = groups_of(loaded, folder, wanted, nulls)
    outcomes, done = run_groups(name, groups, files, check, jobs, moments)
    tell(done, loaded, name, folder, absent)
    from experiments.snapshots import label

    for outcome in outcomes:
        for time in moments if outcome.status != "failed" and outcome.job.save_at else ():
            place = f"{outcome.job.folder}/seed-{outcome.job.seed:04d}@{label(time)}"
            print(f"{place}  snapshot")
            output.add("snapshots", folder=place, seed=outcome.job.seed, time=time)
    return status(outcomes)


@app.command
def resume(run: Trunk, /, *, files: Files = ()) -> int:
    """Go on from a snapshot to the end: bit by bit the run that never stopped."""
    kernels.compiled()
    from experiments import branch as branches

    with reading():
        done = branches.resume(run, files)
    if done.outcome.folder is not None:
        print(f"{done.outcome.folder}  digest {done.digest[:16]}")
        output.put(folder=done.outcome.folder, digest=done.digest, same=done.same)
    if done.same is False:
        output.fault(f"the run there has another digest: {run} is not of it")
        return FAILED
    if done.same:
        print("the same digest as the run that never stopped")
    return status([done.outcome])


@app.command
def branch(
    run: Trunk,
    /,
    *,
    settings: Settings = (),
    remove: Annotated[tuple[str, ...], bare("an owner who leaves; repeats")] = (),
    absorb: Annotated[
        tuple[int, ...], bare("id of a liquidation event of RUN that is taken over at mark; repeats")
    ] = (),
    files: Files = (),
    save_at: Moments = (),
    out: Path | None = None,
) -> int:
    """Go on from a snapshot with something changed from then on: the same past, another future.

    Parameters
    ----------
    out
        Folder of the branch; default: that of RUN with -branch- and a name of the change behind its own.
    """
    kernels.compiled()
    from experiments import branch as branches

    if not (settings or remove or absorb):
        return resume(run, files=files)  # nothing is changed: simulated again, and held against the trunk
    if out is not None:
        writable(out)
    changes, wrong = settings_of(settings)
    if wrong:
        raise BadInput(wrong)
    with reading():
        moments = moments_of(save_at, branches.scenario_of(run, files))
        done = branches.branch(
            run, changes, remove=remove, absorb=absorb, files=files, out=out, save_at=moments
        )
        if done.outcome.folder is not None:
            mine = done.outcome.open()
            print(f"{mine.folder}  digest {mine.digest[:16]}")
            output.put(folder=mine.folder, digest=mine.digest)
            if done.trunk is not None:
                from experiments.nulls import side_by_side

                print(f"{done.trunk.folder}  digest {done.trunk.digest[:16]}, the trunk\n")
                print_table(["", "unit", "trunk", "branch"], side_by_side(done.trunk, mine), "rows")
                output.put(trunk={"folder": done.trunk.folder, "digest": done.trunk.digest})
            for row, time in done.idle:
                print(f"--absorb: account {row} was not liquidated at {time:g} s here, nothing to absorb")
                output.add("idle", row=row, time=time)
    return status([done.outcome])


class Group(NamedTuple):
    """Runs of one scenario into one folder."""

    scenario: Scenario
    folder: Path
    seeds: Sequence[int]


def groups_of(
    scenario: Scenario, folder: Path, seeds: Sequence[int], nulls: bool, only: Sequence[str] = ()
) -> tuple[dict[str, Group], dict[str, str] | None]:
    """The runs of a scenario ("base"), with its null runs if they are wanted, or `only` some of them.

    Returns the groups, and for the null runs that there are none of the reason; None where none are wanted.
    """
    writable(folder)
    groups = {"base": Group(scenario, folder, seeds)}
    if not nulls:
        return groups, None
    from experiments.nulls import VARIANTS, variants

    found, absent = variants(scenario)
    for which, changed in found.items():
        if only and which not in only:
            absent[which] = "not asked for, --nulls runs it"
        else:
            groups[which] = Group(changed, folder / "nulls" / which, seeds[: VARIANTS[which].seeds])
    return groups, absent


def run_groups(
    name: str,
    groups: Mapping[str, Group],
    files: Sequence[Path],
    check: bool,
    jobs: int | None,
    save_at: Sequence[float] = (),
) -> tuple[list[Outcome], dict[str, list[Run]]]:
    """Run all groups together; all outcomes, and the finished runs by group."""
    kernels.compiled()
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
            digest = done[which][-1].digest
            print(f"{outcome.folder}  digest {digest[:16]}")
            about = {"scenario": name, "variant": which, "seed": outcome.job.seed, "status": outcome.status}
            output.add("runs", **about, folder=outcome.folder, digest=digest)
        else:
            output.add("failed", run=outcome.job.label, reason=outcome.reason)
    return outcomes, done


def tell(
    done: Mapping[str, Sequence[Run]],
    scenario: Scenario,
    name: str,
    folder: Path,
    absent: Mapping[str, str] | None,
) -> None:
    """Write the files that finished runs are told in."""
    if done["base"]:
        from experiments import report

        for line in report.write({k: v for k, v in done.items() if v}, scenario, name, folder, absent):
            print(line)
            output.add("reports", told=line)


def status(outcomes: Sequence[Outcome]) -> int:
    """The exit code; the runner has already said on stderr which runs failed and why.

    A scenario may turn out impossible only when its accounts are drawn: that is bad input too.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed and all(outcome.reason.startswith("ScenarioError:") for outcome in failed):
        return BAD_INPUT
    return FAILED if failed else DONE
