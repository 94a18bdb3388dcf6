"""What a user gave, checked: settings, scenarios, times, folders, runs. What is wrong raises BadInput, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.commands.app import BadInput

if TYPE_CHECKING:
    from experiments.config import Scenario
    from experiments.run import Run


def writable(folder: Path, option: str = "--out") -> None:
    """BadInput unless files can be kept in this folder; better now than after an hour."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput([f"{option}: cannot write to {folder}: {error.strerror}"]) from error


def below(least: int, **given: int | None) -> list[str]:
    """A line for each option, of those that were given, whose number is too small."""
    return [
        f"--{option}: given {number}, expected a whole number from {least}"
        for option, number in given.items()
        if number is not None and number < least
    ]


def outside(least: int, most: int, **given: int | None) -> list[str]:
    """A line for each option, of those that were given, whose number is out of range."""
    return [
        f"--{option}: given {number}, expected a whole number between {least} and {most}"
        for option, number in given.items()
        if number is not None and not least <= number <= most
    ]


def no_name(option: str, given: str | None) -> list[str]:
    """A line if a name that was given cannot be that of a file."""
    if given is None or given.replace("_", "").replace("-", "").isalnum():
        return []
    return [f"{option}: given {given!r}, expected letters, digits, - and _"]


def load(
    name: str, settings: Sequence[str], files: Sequence[Path] = (), faults: Sequence[str] = ()
) -> Scenario:
    """The scenario with its settings; BadInput with every fault, the given ones first."""
    from experiments import config

    overrides, wrong = settings_of(settings)
    found = [*faults, *wrong]
    loaded = None
    try:
        loaded = config.load(name, overrides, files)
    except config.ScenarioError as error:
        found += error.faults
    if found or loaded is None:
        raise BadInput(found)
    return loaded


def settings_of(settings: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """(path, value) of every --set, and a line for each that is none."""
    found, faults = [], []
    for setting in settings:
        path, equals, value = setting.partition("=")
        if equals and path:
            found.append((path.strip(), value.strip()))
        else:
            faults.append(f"--set: given {setting!r}, expected a.b.c=value")
    return found, faults


def moments_of(given: Sequence[str], scenario: Scenario) -> list[float]:
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


def opened(path: Path) -> Run:
    from experiments.run import Run

    with reading():
        return Run.open(path)


@contextmanager
def sound() -> Iterator[None]:
    """What is wrong with a scenario, a study or a calibration, or with what one asks of it, is bad input."""
    from experiments.faults import ScenarioError

    try:
        yield
    except ScenarioError as error:
        raise BadInput(error.faults) from error


@contextmanager
def reading() -> Iterator[None]:
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
