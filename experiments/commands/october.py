"""The main job: `cascade october`, and its recorded results written (`--record`) and checked (`--verify`)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.commands import kernels, output
from experiments.commands.app import DONE, FAILED, BadInput, app
from experiments.commands.given import below, load, no_name, reading, settings_of
from experiments.commands.options import Check, Jobs, Nulls, Number, Seeds, Settings, Switch
from experiments.commands.run import Group, groups_of, run_groups, status, tell

if TYPE_CHECKING:
    from experiments.run import Run

EVENT = "october_2025"
PAIRS = ("no_adl", "no_stops")  # null runs of the same seeds that rows of the card compare
DAY = "october_day"  # the same until 20:30 of the next day: rows of 24 hours begin at 20:30
SAMPLE = 2  # seeds of each recorded result that --verify runs again


@app.command
def october(
    *,
    seeds: Seeds = 4,
    settings: Settings = (),
    pairs: Switch = False,
    days: Number = 0,
    nulls: Nulls = False,
    check: Check = False,
    record: str | None = None,
    verify: Switch = False,
    sample: Number | None = None,
    draw: Number = 1,
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Run 10 October 2025, compare it with what was measured, and tell it: card, figures, report.html.

    Parameters
    ----------
    pairs
        The same seeds without ADL and without the stops too: rows P5b and P7 compare them pair by pair.
    days
        Seeds 1 to this number for a whole day too, to 20:30 of the next: rows of 24 hours.
    record
        Write what the runs say to experiments/results/october/NAME.json, for the repository.
    verify
        Run nothing but a sample of the seeds of all recorded results, and tell which differ (exit code 1).
    sample
        --verify: so many seeds of each recorded result; default 2.
    draw
        --verify: another number, another sample.
    out
        Folder of runs, score card, figures and report; default runs/october.
    """
    faults = [*below(1, seeds=seeds, sample=sample, jobs=jobs), *below(0, days=days)]
    if verify and record is not None:
        faults.append("--verify, --record: given both, expected one of them")
    faults += no_name("--record", record)
    if verify:
        if faults:
            raise BadInput(faults)
        return verified(SAMPLE if sample is None else sample, draw, jobs)
    loaded = load(EVENT, settings, (), faults)
    folder = out or Path("runs/october")
    groups, absent = groups_of(loaded, folder, range(1, seeds + 1), nulls or pairs, () if nulls else PAIRS)
    if days:
        groups["day"] = Group(load(DAY, settings), folder / "day", range(1, days + 1))
    outcomes, done = run_groups(EVENT, groups, (), check, jobs)
    evenings = {which: runs for which, runs in done.items() if which != "day"}
    tell(evenings, loaded, EVENT, folder, absent)
    if done["base"]:
        tell_day(done.get("day", []), folder)
        typed = [f"--seeds {seeds}", *(["--nulls"] if nulls else ["--pairs"] if pairs else [])]
        typed += [f"--days {days}"] if days else []
        command = " ".join(["cascade october", *typed, *(f"--set {shlex.quote(one)}" for one in settings)])
        draw_report(done["base"], folder, command)
        if record is not None:
            write_record(record, f"{command} --record {record}", settings_of(settings)[0], done, folder)
    return status(outcomes)


def tell_day(runs: Sequence[Run], folder: Path) -> None:
    """The rows of the card that only a whole day can tell, as day.json and day.md; without runs an older one goes."""
    from experiments import reference, scorecard
    from experiments.estimators import OTHER_VARIANT, PAIRED
    from experiments.store import write_text

    paths = [folder / "day.json", folder / "day.md"]
    if not runs:
        for path in paths:
            path.unlink(missing_ok=True)
        return
    evening = json.loads((folder / "scorecard.json").read_text(encoding="utf-8"))
    unknown = {row["id"] for row in evening["rows"] if row["value"] is None} - {*OTHER_VARIANT, *PAIRED}
    targets = [row for row in reference.targets("october") if row["id"] in unknown]
    card = scorecard.card({"base": runs}, targets, DAY)
    write_text(paths[0], json.dumps(card, indent=1, allow_nan=False))
    write_text(paths[1], scorecard.markdown(card).rstrip())
    passed = sum(bool(row["pass"]) for row in card["rows"])
    print(f"{paths[1]}: {passed} of {len(targets)} rows that need a whole day in range")


def draw_report(runs: Sequence[Run], folder: Path, command: str) -> None:
    """Figures beside the runs, and the page that tells everything."""
    from experiments import figures, october_report, progress

    progress.remark("drawing the figures ...")
    figures.october(runs, folder / "figures")
    print(f"figures in {folder / 'figures'}")
    progress.remark("writing the report ...")
    page = folder / "report.html"
    size = october_report.write(runs, folder, page, command)
    print(f"{page}  {size / 1e6:.1f} MB, opens in any browser without a network")
    output.put(figures=folder / "figures", report=page)


def write_record(
    name: str,
    command: str,
    settings: Sequence[tuple[str, str]],
    groups: Mapping[str, Sequence[Run]],
    folder: Path,
) -> None:
    """Put what finished runs say into the repository's results."""
    from experiments import nulls, recorded, reference

    targets = reference.targets("october")
    on_top = {nulls.BASE: (), "day": (), **{which: one.settings for which, one in nulls.VARIANTS.items()}}
    cells = {}
    for which, runs in groups.items():
        seeds = {run.seed: recorded.measured(run, targets) for run in runs}
        if seeds:
            scenario = DAY if which == "day" else EVENT
            cells[which] = recorded.cell(scenario, [*settings, *on_top[which]], seeds)
    told = [folder / f"{part}.md" for part in ("scorecard", "day", "nulls")]
    text = "\n\n".join(path.read_text(encoding="utf-8").strip() for path in told if path.is_file())
    for path in recorded.write(name, command, cells, text):
        print(f"recorded in {path}")
        output.add("recorded", file=path)


def verified(size: int, draw: int, jobs: int | None) -> int:
    """Run a sample of the recorded seeds again and tell what differs."""
    from experiments import progress, recorded, verification

    with reading():
        records = recorded.records()
        if not records:
            print(f"nothing recorded yet in {recorded.OCTOBER}; cascade october --record NAME records")
            return DONE
        places = verification.sample(records, size, draw)
        kernels.compiled()
        verdicts = list(verification.verify(records, places, jobs=jobs))
    for verdict in verdicts:
        output.add("verified", place=str(verdict.place), faults=list(verdict.faults))
        for fault in verdict.faults:
            print(f"{verdict.place}: {fault}")
        if verdict.note:
            progress.remark(f"{verdict.place}: {verdict.note}")
    differ = sum(bool(verdict.faults) for verdict in verdicts)
    whole = sum(len(one.seeds) for record in records.values() for one in record.cells.values())
    print(f"{len(verdicts)} of {whole} recorded seeds run again: {differ} differ")
    return FAILED if differ else DONE
