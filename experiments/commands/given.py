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


def bad_jobs(jobs: int | None) -> list[str]:
    return [f"--jobs: given {jobs}, expected a whole number from 1"] if jobs is not None and jobs < 1 else []


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
