"""Progress of a sweep: one line that lives on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from experiments.progress import SELDOM, console
from experiments.sweep.planning import duration


class SweepBoard:
    """Runs done and failed, the rate, the time left. Takes the same words as `experiments.progress.Board`."""

    def __init__(self, total: int, there: int, show: bool = True) -> None:
        self.console = console(show)
        self.total, self.there = total, there
        self.finished = self.bad = 0
        self.under_way: dict[str, float] = {}  # share of each run that is done
        self.began = self.said = time.monotonic()
        self.live = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            console=self.console,
            transient=True,
            disable=self.console.quiet or not self.console.is_terminal,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> SweepBoard:
        self.live.start()
        self.task = self.live.add_task("runs", total=self.total, completed=self.there, said="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def note(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, name: str) -> None:
        self.under_way[name] = 0.0

    def step(self, name: str, done: int, total: int) -> None:
        self.under_way[name] = done / max(total, 1)
        self._show()

    def done(self, name: str, seconds: float) -> None:
        self.under_way.pop(name, None)
        self.finished += 1
        self._show()

    def failed(self, name: str, reason: str) -> None:
        self.under_way.pop(name, None)
        self.bad += 1
        self.note(f"{name}: failed: {reason}")
        self._show()

    def other(self, runs: int) -> None:
        """Runs that another sweep on this folder has done meanwhile."""
        self.there += runs
        self._show()

    def words(self) -> str:
        """What stands behind the bar."""
        ended = self.finished + self.bad
        spent = time.monotonic() - self.began
        left = self.total - self.there - ended
        parts = [f"{self.there + self.finished} done", f"{self.bad} failed"]
        work = ended + sum(self.under_way.values())
        if work > 0 and spent > 0:
            parts.append(f"{60.0 * work / spent:,.1f} runs/min")
            parts.append(f"{duration(max(left - sum(self.under_way.values()), 0) * spent / work)} left")
        return ", ".join(parts)

    def _show(self) -> None:
        if self.task is not None and not self.live.disable:
            self.live.update(self.task, completed=self.there + self.finished + self.bad, said=self.words())
        elif time.monotonic() - self.said > SELDOM:
            self.said = time.monotonic()
            self.note(f"{self.there + self.finished + self.bad} of {self.total} runs: {self.words()}")
