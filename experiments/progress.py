"""Progress of many runs on a terminal: steps done, rate, time left; plain lines where there is none."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


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
        self.console = Console(stderr=True, quiet=not show)
        self.live = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rate(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (show and self.console.is_terminal),
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
