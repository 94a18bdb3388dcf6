"""Progress on stderr: what is done, rate, time left; lines that live on a terminal, plain lines elsewhere.

`Board` shows many runs, `Count` anything else that takes long. `hidden` silences all of them, whoever starts them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SELDOM = 30.0  # seconds between two lines where there is no terminal
_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


@contextmanager
def hidden() -> Iterator[None]:
    """Inside, nothing of this kind is shown."""
    before = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(before)


def console(show: bool = True) -> Console:
    """Where progress and remarks go: stderr, or nowhere."""
    return Console(stderr=True, quiet=_hidden.get() or not show)


def remark(text: str) -> None:
    """One line for people who wait."""
    console().print(text, highlight=False, markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Steps a second over all workers."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} steps/s" if speed else "", style="dim")


class Board:
    """One line for all runs together and one for each that is under way.

    On a terminal the lines live; elsewhere (a pipe, a log) each finished run is one line.
    """

    def __init__(self, runs: int, show: bool = True) -> None:
        self.console = console(show)
        self.live = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rate(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=self.console.quiet or not self.console.is_terminal,
        )
        self.runs = runs
        self.there = 0  # runs of the store, nothing to simulate
        self.steps: dict[str, tuple[int, int]] = {}
        self.tasks: dict[str, TaskID] = {}
        self.whole: TaskID | None = None

    def __enter__(self) -> Board:
        self.live.start()
        self.whole = self.live.add_task(f"{self.runs} runs", total=None, visible=self.runs > 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def note(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, name: str) -> None:
        self.tasks[name] = self.live.add_task(name, total=None)

    def step(self, name: str, done: int, total: int) -> None:
        """`done` of `total` steps of a run are simulated."""
        self.steps[name] = (done, total)
        self.live.update(self.tasks[name], completed=done, total=total)
        if self.whole is not None:
            # runs that have not started yet are taken to be as long as the mean of those that have
            mean = sum(total for _, total in self.steps.values()) / len(self.steps)
            self.live.update(
                self.whole,
                completed=sum(done for done, _ in self.steps.values()),
                total=mean * (self.runs - self.there),
            )

    def reused(self, name: str) -> None:
        self.there += 1
        self.note(f"{name}: already there")

    def done(self, name: str, seconds: float) -> None:
        steps, _ = self.steps.get(name, (0, 0))
        self.live.remove_task(self.tasks.pop(name))
        rate = f", {steps / seconds:,.0f} steps/s" if steps and seconds > 0 else ""
        self.note(f"{name}: done in {seconds:.1f} s{rate}")

    def failed(self, name: str, reason: str) -> None:
        self.live.remove_task(self.tasks.pop(name))
        self.note(f"{name}: failed: {reason}")


class Count:
    """Things of one kind that are done one after the other: which is being done, how many are, rate, time left.

    Args:
        total: how many there are to do.
        kind: their name in the plural.
    """

    def __init__(self, total: int, kind: str) -> None:
        self.console = console()
        self.total, self.kind = total, kind
        self.finished = 0
        self.began = self.said = time.monotonic()
        self.live = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", style="dim"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=self.console.quiet or not self.console.is_terminal,
        )
        self.task = self.live.add_task(kind, total=total, rate="")

    def __enter__(self) -> Count:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def next(self, what: str) -> None:
        """`what` begins; the one before it is done."""
        now = time.monotonic()
        rate = 60.0 * self.finished / max(now - self.began, 1e-9)
        said = f"{rate:,.1f} {self.kind}/min" if self.finished else ""
        self.live.update(self.task, description=what, completed=self.finished, rate=said)
        if self.live.disable and now - self.said > SELDOM:
            self.said = now
            left = (self.total - self.finished) / rate if rate else 0.0
            self.console.print(
                f"{what}: {self.finished} of {self.total} {self.kind} done, {said}, about {left:.1f} min left",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
        self.finished += 1
