"""`cascade validate`: stylized facts of a calm market and published benchmarks in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.commands import kernels, output
from experiments.commands.app import DONE, FAILED, BadInput, app
from experiments.commands.given import below, load, writable
from experiments.commands.options import Jobs, Number, Settings, Several, Switch
from experiments.commands.table import print_table

CALM, SMALL = "calm_flow", "calm_small"  # the calm market, and the one of a minute


@app.command
def validate(
    scenario: str = CALM,
    /,
    *,
    seeds: Number | None = None,
    quick: Switch = False,
    only: Several = (),
    settings: Settings = (),
    parameters: Switch = False,
    out: Path = Path("runs/validate"),
    jobs: Jobs = None,
) -> int:
    """Measure stylized facts of a calm market and published benchmarks, each beside what is accepted.

    A miss is shown with its reason; the command ends with 0 whatever the table says.

    Parameters
    ----------
    scenario
        The calm market: a name or the path of a TOML file without news.
    seeds
        Seeds 1 to this number of the calm market; default 4, with --quick 1.
    quick
        A minute: an hour of the small market calm_small, few replications.
    only
        Only these: facts, benchmarks, F1 to F19, B1 ...; repeats.
    settings
        Number of the scenario (clock.duration=7200) or of a benchmark (B4.gammas=[0.2]); repeats.
    parameters
        Print what benchmarks can be given instead.
    out
        Folder of runs, table and figures.
    """
    from experiments.validate import study
    from experiments.validate.lab import Lab, LabError

    if parameters:
        print(_parameter_table(), end="")
        return DONE
    faults = below(1, seeds=seeds, jobs=jobs)
    try:
        facts, benchmarks = study.chosen(only)
    except ValueError as error:
        raise BadInput([*faults, *str(error).splitlines()]) from error
    given, own = _split(settings, faults)
    if quick:
        scenario = SMALL if scenario == CALM else scenario
        own = ["clock.duration=3600", *own]
    loaded = load(scenario, own, (), faults) if facts or faults else None
    if loaded is not None and loaded.news:
        raise BadInput([f"{scenario}: has news, expected a calm market (--set news=[] leaves it out)"])
    writable(out)
    kernels.compiled()
    count = seeds if seeds is not None else 1 if quick else 4
    work = Lab(out, quick, jobs)
    try:
        card = study.measure(loaded, Path(scenario).stem, work, range(1, count + 1), facts, benchmarks, given)
    except LabError as error:
        output.fault(str(error))
        return FAILED
    _tell(card, out)
    return DONE


def _tell(card: dict[str, Any], folder: Path) -> None:
    """Print the table, how many rows passed and where all of it is written."""
    from experiments.validate import table

    output.put(**card, folder=folder)
    print_table(["", "row", "what", "value", "range", "published", ""], table.lines(card["rows"]))
    for role, what in (("fact", "facts"), ("benchmark", "benchmarks")):
        passed, missed = table.tally(card["rows"], role)
        if passed or missed:
            print(
                f"{len(passed)} of {len(passed) + len(missed)} {what}; missed: {', '.join(missed) or 'none'}"
            )
    print(f"{folder / 'validate.json'}, {folder / 'validate.md'}, figures in {folder / 'figures'}")


def _split(settings: Sequence[str], faults: list[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Settings of benchmarks, checked, and those of the scenario."""
    from pydantic import ValidationError

    from experiments import paths
    from experiments.faults import in_words
    from experiments.validate.benchmarks import BENCHMARKS

    given: dict[str, dict[str, Any]] = {}
    own = []
    for setting in settings:
        path, equals, value = setting.partition("=")
        name, _, key = path.strip().partition(".")
        if equals and key and name in BENCHMARKS:
            given.setdefault(name, {})[key] = paths.value_of(value.strip())
        else:
            own.append(setting)
    for name, values in given.items():
        model = BENCHMARKS[name].parameters
        try:
            model.model_validate(values)
        except ValidationError as error:
            faults += in_words(error, model, (name,))
    return given, own


def _parameter_table() -> str:
    """What each benchmark can be given, as Markdown."""
    from experiments import config
    from experiments.faults import rows
    from experiments.validate.benchmarks import BENCHMARKS

    return config.markdown(row for name, one in BENCHMARKS.items() for row in rows(one.parameters, name))
