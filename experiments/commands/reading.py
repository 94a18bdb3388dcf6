"""Reading runs: `cascade columns`, `account`, `causes`."""

from __future__ import annotations

from pathlib import Path

from experiments.commands import kernels, output
from experiments.commands.app import DONE, BadInput, app
from experiments.commands.given import below, opened, reading
from experiments.commands.options import Jobs, Number
from experiments.commands.table import print_table


@app.command
def columns(*, table: str | None = None) -> int:
    """Name, unit and meaning of every column that a run records.

    Parameters
    ----------
    table
        One table: books, venues, network, events, stations, accounts or positions, ...
    """
    from abm.columns import COLUMNS

    tables = list(dict.fromkeys(column.table for column in COLUMNS))
    if table is not None and table not in tables:
        raise BadInput([f"--table: given {table}, expected one of {', '.join(tables)}"])
    print_table(
        ["table", "name", "unit", "meaning"],
        [list(column) for column in COLUMNS if table in (None, column.table)],
        "columns",
    )
    return DONE


@app.command
def account(run: Path, owner: str, /, *, events: Number = 20) -> int:
    """What an owner had, held, traded and suffered in a run, and why it was liquidated.

    Parameters
    ----------
    run
        A run folder.
    owner
        Name or number of the owner.
    events
        At most this many of the owner's events, the latest.
    """
    from experiments import causes as chains
    from experiments import progress
    from experiments.account import story

    if faults := below(0, events=events):
        raise BadInput(faults)
    with reading(), progress.Count(len(chains.PARTS) + 1, "parts") as count:
        source = opened(run)
        if source.has("events/fills"):
            chains.attribution(source, count.next)
        count.next(owner)
        parts = story(source, owner, events)
    for number, (title, head, lines) in enumerate(parts):
        print(("\n" if number else "") + title)
        if head and lines:
            print_table(head, lines)
        elif lines:  # sentences
            print("\n".join(line[0] for line in lines))
        told = output.entries(head, lines) if head else [line[0] for line in lines]
        output.add("parts", title=title, lines=told)
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
    from experiments import progress

    if faults := [*below(1, jobs=jobs), *below(0, delete=delete, largest=largest)]:
        raise BadInput(faults)
    with reading():
        source = opened(run)
        with progress.Count(len(chains.PARTS), "parts") as count:
            found = chains.attribution(source, count.next)
        for title, head, lines in chains.tables(found, largest):
            print(title)
            print_table(head, lines)
            print()
        output.put(**chains.facts(found, largest))
        print(f"marks moved by other liquidations: {found.endogenous():.1%} of what was closed")
        if delete and len(found.value):
            kernels.compiled()
            tried = chains.delete(source, found, chains.chosen(found, delete), jobs)
            print()
            print("each absorbed at mark in turn, the same draws: M$ less closed than in the run")
            print_table(
                ["event", "own value", "by the rule", "by deletion"], chains.deletion_lines(found, tried)
            )
            print(
                f"error of the rule: {tried.error():.0%} of the mean effect; its sum is {tried.bias():.2f} of theirs"
            )
            output.put(**chains.deletion_facts(found, tried))
    return DONE
