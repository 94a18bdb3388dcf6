"""The transfer network: `cascade network show`, `report`, `import`, `stops`, `map`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from experiments.commands import kernels, output
from experiments.commands.app import DONE, FAILED, BadInput, network_app
from experiments.commands.given import below, load, opened, reading, sound, writable
from experiments.commands.options import Jobs, ScenarioName, Seeds, Settings, bare

if TYPE_CHECKING:
    from experiments.config import Scenario
    from experiments.run import Run
    from experiments.stop_map import Field, Place


@network_app.command(name="show")
def network_show(
    scenario: ScenarioName = "october_2025",
    /,
    *,
    settings: Settings = (),
    out: Path | None = None,
    graphml: Path | None = None,
    node_link: Path | None = None,
) -> int:
    """Draw and print a scenario's network: nodes, resources with their numbers and sources, edges by kind.

    Parameters
    ----------
    out
        The picture; runs/network/NAME.png if not given.
    graphml, node_link
        Write the graph there as well, as GraphML or as node-link JSON; a scenario's `network.preset` reads it.
    """
    from rich.console import Console

    from experiments import network_map, network_picture

    chosen = load(scenario, settings)
    name = Path(scenario).stem
    path = out or Path("runs") / "network" / f"{name}.png"
    for option, file in (("--out", path), ("--graphml", graphml), ("--node-link", node_link)):
        if file is not None:
            writable(file.parent, option)
    network_picture.draw(chosen.network, chosen.venues, path, chosen.title or name)
    graph = network_map.graph_of(chosen.network, chosen.venues)
    for file, ending in ((graphml, ".graphml"), (node_link, ".json")):
        if file is not None:
            network_map.write(graph, file.with_suffix(ending))
    console = Console(width=max(Console().width, 160))
    told = network_map.described(chosen.network, chosen.venues, chosen.title or name)
    console.print(told)
    console.print(f"drawn: {path}")
    output.put(scenario=name, drawn=path)
    output.put_tables("nodes", told)
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
    from experiments import arbitrage, progress

    with reading(), progress.Count(len(arbitrage.PARTS), "parts") as count:
        found = opened(run)
        told = arbitrage.measured(found, coin, count.next)
    print(arbitrage.markdown(found, coin, told), end="")
    output.put(**arbitrage.facts(found, told))
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
    writable(out.parent)
    out.write_text(tomli_w.dumps(tables), encoding="utf-8")
    print(f"written: {out}")
    output.put(file=out)
    return DONE


@network_app.command(name="stops")
def network_stops(
    scenario: ScenarioName = "october_2025",
    /,
    *,
    seeds: Seeds = 1,
    coin: str = "BTC",
    settings: Settings = (),
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Run a scenario with nobody's stops of transfers, the recorded ones and the venues' own, and compare the gaps.

    Parameters
    ----------
    coin
        The coin whose gaps are compared.
    out
        Folder of the runs, the table and the figure; default runs/stops/NAME.
    """
    import shlex

    from experiments import stops

    chosen = load(scenario, settings, (), below(1, seeds=seeds, jobs=jobs))
    name = Path(scenario).stem
    folder = out or Path("runs") / "stops" / name
    with sound():
        variants = stops.variants(chosen)
    runs, failed = _runs(variants, seeds, folder, jobs)
    if not any(runs.values()):
        return FAILED
    with reading():
        words = ["cascade", "network", "stops", name, "--seeds", str(seeds)]
        words += [word for setting in settings for word in ("--set", setting)]
        lines = stops.lines(runs, coin)
        told = stops.markdown(lines, chosen.title or name, shlex.join(words))
        (folder / "stops.md").write_text(told, encoding="utf-8")
        stops.figure(runs, coin).savefig(folder / "stops.png")
    print(told, end="")
    print(f"{folder / 'stops.md'}\n{folder / 'stops.png'}")
    output.put(folder=folder, runs=[line._asdict() for line in lines])
    return FAILED if failed else DONE


@network_app.command(name="map")
def network_stop_map(
    scenario: str = "uneven_venues",
    /,
    *,
    factor: Annotated[tuple[float, ...], bare("of the pre-funded inventory; repeats")] = (),
    stop: Annotated[tuple[float, ...], bare("minutes from the news on; repeats")] = (),
    place: Annotated[tuple[Path, ...], bare("folder of seeds to be placed on the map; repeats")] = (),
    null: Annotated[bool, bare("beside it the map of the longest stop with nobody levered")] = False,
    seeds: Seeds = 4,
    coin: str = "BTC",
    settings: Settings = (),
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """Map where the network matters: pre-funded inventory over net forced flow, by how long transfers stop.

    What was run is not run again: a map that was broken off goes on, and one with more fields or seeds adds them.

    Parameters
    ----------
    scenario
        A name (see `cascade scenario list`) or the path of a TOML file, with news and arbitrageurs.
    coin
        The coin whose gaps are measured.
    out
        Folder of the runs, the table and the figure; default runs/map/NAME.
    """
    import shlex

    from experiments import stop_map

    factors, minutes = factor or stop_map.FACTORS, stop or stop_map.MINUTES
    faults = [*below(1, seeds=seeds, jobs=jobs), *_bad_map(factors, minutes)]
    chosen = load(scenario, settings, (), faults)
    places = _places(place)
    name = Path(scenario).stem
    folder = out or Path("runs") / "map" / name
    wanted = stop_map.cells(factors, minutes, null)
    with sound():
        fields = {cell.name: stop_map.scenario_of(chosen, cell) for cell in wanted}
    runs, failed = _runs(fields, seeds, folder, jobs)
    with reading():
        found = stop_map.fields({cell: runs[cell.name] for cell in wanted}, coin)
    if not stop_map.means(found):
        return FAILED
    words = _map_command(name, factors, minutes, settings, null, seeds)
    _tell_map(found, places, chosen.title or name, shlex.join(words), folder)
    return FAILED if failed else DONE


def _bad_map(factors: Sequence[float], minutes: Sequence[float]) -> list[str]:
    faults = [f"--factor: given {one:g}, expected a number above 0" for one in factors if not one > 0]
    return faults + [f"--stop: given {one:g}, expected minutes above 0" for one in minutes if not one > 0]


def _places(folders: Sequence[Path]) -> list[Place]:
    """Where on the map the markets lie whose runs are in these folders."""
    from experiments import run as runs_of
    from experiments import stop_map

    with reading():
        beside = [[runs_of.Run.open(seed) for seed in runs_of.seeds_in(one) or [one]] for one in folders]
        return [stop_map.place(some) for some in beside]


def _tell_map(
    found: Sequence[Field], places: Sequence[Place], title: str, command: str, folder: Path
) -> None:
    """Write the map as text, numbers and a picture, and print it."""
    import json

    from experiments import stop_map

    told, tables = stop_map.markdown(found, places, command), stop_map.tables(found)
    (folder / "map.md").write_text(told, encoding="utf-8")
    (folder / "map.json").write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    stop_map.figure(found, places, title).savefig(folder / "map.png")
    print(told, end="")
    print("\n".join(str(folder / f"map.{ending}") for ending in ("md", "json", "png")))
    output.put(folder=folder, map=tables)


def _map_command(
    name: str,
    factors: Sequence[float],
    minutes: Sequence[float],
    settings: Sequence[str],
    null: bool,
    seeds: int,
) -> list[str]:
    """The words with which the same map is made again."""
    words = ["cascade", "network", "map", name]
    for option, values in (("--factor", factors), ("--stop", minutes)):
        words += [word for value in values for word in (option, f"{value:g}")]
    words += [word for setting in settings for word in ("--set", setting)]
    return [*words, *(["--null"] if null else []), "--seeds", str(seeds)]


def _runs(
    scenarios: Mapping[str, Scenario], seeds: int, folder: Path, jobs: int | None
) -> tuple[dict[str, Sequence[Run]], int]:
    """Run scenarios by name into a folder; the finished runs of each, and how many runs failed."""
    writable(folder)
    kernels.compiled()
    from experiments.runner import run_many

    found: dict[str, list[Run]] = {name: [] for name in scenarios}
    failed = 0
    for outcome in run_many(scenarios, range(1, seeds + 1), out=folder, jobs=jobs):
        if outcome.folder is None:
            failed += 1
            output.fault(f"{outcome.job.label}: {outcome.reason}")
        else:
            found[outcome.job.name].append(outcome.open())
    return dict(found), failed
