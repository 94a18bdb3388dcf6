"""Scenarios: `cascade scenario list`, `check` and `new`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from experiments.commands import output
from experiments.commands.app import DONE, BadInput, scenario_app
from experiments.commands.given import load, no_name
from experiments.commands.options import Files, Number, Settings, Switch


@scenario_app.command(name="list")
def scenario_list() -> int:
    """The scenarios that come with CascadeLab."""
    import tomllib

    from experiments import config

    folder = config.SCENARIOS
    found = sorted(folder.glob("*.toml"))
    wide = max((len(path.stem) for path in found), default=0)
    for path in found:
        with path.open("rb") as file:
            title = tomllib.load(file).get("title", "")
        print(f"{path.stem:<{wide}}  {title}")
        output.add("scenarios", name=path.stem, title=title, file=path)
    return DONE


@scenario_app.command(name="check")
def scenario_check(
    scenario: str | None = None,
    /,
    *,
    settings: Settings = (),
    files: Files = (),
    seed: Number = 1,
    parameters: Switch = False,
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
    loaded = None if scenario is None else load(scenario, settings, files)
    if parameters:
        from experiments import config

        rows = list(config.parameter_table(loaded))
        print(config.markdown(rows), end="")
        output.put(parameters=[row._asdict() for row in rows])
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
    output.put(scenario=scenario, seed=seed, accounts=len(opening.venue))
    if Path(str(scenario)).is_file():
        _tell_behaviour(Path(str(scenario)))
    if len(opening.venue):
        console = Console()
        console.width = max(console.width, 150)  # tables of numbers do not wrap well
        tables = report(opening)
        console.print(tables)
        output.put_tables("opening", tables)
    return DONE


def _tell_behaviour(path: Path) -> None:
    """Whether a scenario on a base is another event in the same world, or another world."""
    import tomllib

    from experiments.new_scenario import changed_behaviour

    text = path.read_text(encoding="utf-8")
    base = tomllib.loads(text).get("base")
    if base is None:
        return
    changed = changed_behaviour(text)
    output.put(base=base, changed_behaviour=changed)
    if changed:
        print(f"beyond its initial state and exogenous table it changes {base} in {', '.join(changed)}")
    else:
        print(
            f"people, rules and mechanisms are those of {base}: only initial state and exogenous table are its own"
        )


@scenario_app.command(name="new")
def scenario_new(
    name: str,
    /,
    *,
    base: Annotated[str | None, Parameter(name="--from")] = None,
    coins: str = "",
    start: str | None = None,
    out: Path = Path(),
) -> int:
    """Begin a scenario for another event: a file with the initial state and the exogenous table, to be filled in.

    Behaviour and mechanisms stay those of the scenario that it is begun from.

    Parameters
    ----------
    name
        Of the file, without .toml.
    base
        Begin from this scenario; default october_predicted.
    coins
        Coins that stay, such as BTC,ETH; default all.
    start
        Start of its clock, such as 2024-08-05T00:00:00Z; default that of the scenario it is begun from.
    out
        Folder of the file.
    """
    from experiments.config import ScenarioError
    from experiments.new_scenario import BASE, text
    from experiments.store import write_text

    path = out / f"{name}.toml"
    faults = no_name("NAME", name)
    if not faults and path.exists():
        faults.append(f"NAME: {path} is there already")
    when = None
    if start is not None:
        try:
            when = datetime.fromisoformat(start).astimezone(UTC)
        except ValueError:
            faults.append(f"--start: given {start!r}, expected a time such as 2024-08-05T00:00:00Z")
    wanted = [coin.strip() for coin in coins.split(",") if coin.strip()]
    try:
        written = text(name, base or BASE, wanted, when)
    except ScenarioError as error:
        raise BadInput([*faults, *error.faults]) from error
    if faults:
        raise BadInput(faults)
    write_text(path, written.rstrip("\n"))
    print(f"{path}: replace its numbers, then cascade scenario check {path}")
    output.put(file=path)
    return DONE
