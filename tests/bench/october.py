"""October as `cascade october` runs it: its speed, whose time it is, and whether its calm hour is a real one."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from abm.construction import RING
from abm.model import CascadeModel
from experiments import reference
from experiments.build import build
from experiments.config import load
from tests.bench.line import Line
from tests.bench.margin import measure as margin
from tests.bench.network import measure as network

LARGEST = "binance:BTC-PERP"
REFERENCE = Path(str(reference.__file__)).parent


class Spent:
    """Wall seconds of a model's phases and of its participants' deciding."""

    def __init__(self, model: CascadeModel) -> None:
        self.phases: dict[str, float] = defaultdict(float)
        self.species: dict[str, float] = defaultdict(float)
        model.phases = [(name, self._timed(self.phases, name, phase)) for name, phase in model.phases]
        for participant in model.participants:
            participant.decide = self._timed(self.species, participant.name, participant.decide)  # type: ignore[method-assign]

    def _timed(self, total: dict[str, float], name: str, job: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            began = time.perf_counter()
            job(*arguments)
            total[name] += time.perf_counter() - began

        return run

    @staticmethod
    def shares(total: dict[str, float], wall: float) -> str:
        """Shares of the wall time, largest first."""
        return ", ".join(f"{k} {v / wall:.0%}" for k, v in sorted(total.items(), key=lambda x: -x[1]))


def real_calm() -> tuple[float, float]:
    """(M$ of BTC bids within 1 %, trades a minute) on Binance before 20:50 UTC, from the reference files."""
    with (REFERENCE / "btcusdt_perp_binance_depth_5min_2025-10-10.csv").open() as file:
        depth = [
            float(r["bid_within_1pct_musd"])
            for r in csv.DictReader(file)
            if "T19:50" <= r["bin_utc"][10:16] < "T20:50"
        ]
    with (REFERENCE / "btcusdt_perp_binance_1m_2025-10-10.csv").open() as file:
        trades = [float(r["trades"]) for r in csv.DictReader(file) if r["minute_utc"][10:16] < "T20:50"]
    return float(np.mean(depth)), float(np.mean(trades))


class Evening:
    """One run from its opening to its end, with what is needed beside the speed."""

    def __init__(self) -> None:
        scenario = load("october_2025")
        self.model = model = build(scenario, 1)
        self.spent = Spent(model)
        self.book = model.book_id(LARGEST)
        self.dollars = float(model.books.tick[self.book] * model.books.lot[self.book])
        news = round((scenario.news[0].time - scenario.clock.start).total_seconds() / model.clock.step)
        self.calm_end = news + model.clock.burn_in_steps
        self.marks: list[Any] = []
        self.depth: list[float] = []
        self.trades: list[int] = []
        self.walls = [self._run(until) for until in (self.calm_end, model.clock.steps)]

    def _run(self, until: int) -> float:
        """Wall seconds of the model's own steps up to a step."""
        wall, model = 0.0, self.model
        while model.step_number < until:
            began = time.perf_counter()
            model.step()
            wall += time.perf_counter() - began
            self._note()
        return wall

    def _note(self) -> None:
        s, n = self.model.state, len(self.model.books)
        self.marks.append(s.books["mark"][:n].copy())
        public = s.public[(int(s.meta["step"][0]) % RING) * n + self.book]
        self.depth.append(float(public["bid1"]) * float(public["mark"]) / 1024 * self.dollars / 1e6)
        self.trades.append(int(public["trades"]))

    def calm(self) -> tuple[float, float]:
        """(M$ of bids within 1 %, trades a minute) of the largest BTC book after the burn-in, before the news."""
        part = slice(self.model.clock.burn_in_steps, self.calm_end)
        return float(np.mean(self.depth[part])), float(
            np.mean(self.trades[part])
        ) * 60 / self.model.clock.step


def measure() -> tuple[list[Line], list[str]]:
    """Speed, likeness, and the margin check on the run's marks; and the shares of time in words."""
    evening = Evening()
    model, step = evening.model, evening.model.clock.step
    calm_steps, wall = evening.calm_end, sum(evening.walls)
    depth, trades = evening.calm()
    real_depth, real_trades = real_calm()
    beside = f"{model.state.count('rows'):,} rows, {len(model.books)} books"
    rate = "October, one core, recording on: simulated seconds a second"
    lines = [
        Line(f"{rate}, whole run", model.step_number * step / wall, "s/s", least=1500.0,
             beside=f"{wall:.0f} s; {beside}"),
        Line(f"{rate}, before the news", calm_steps * step / evening.walls[0], "s/s"),
        Line(f"{rate}, from the news on", (model.step_number - calm_steps) * step / evening.walls[1], "s/s"),
        Line("October's calm hour: BTC bids within 1 % / the real ones", depth / real_depth, least=0.5, most=2.0,
             beside=f"{depth:.0f} and {real_depth:.0f} M$, {LARGEST}"),
        Line("October's calm hour: BTC trades a minute / the real ones", trades / real_trades, least=0.2, most=5.0,
             beside=f"{trades:.0f} and {real_trades:.0f}, {LARGEST}"),
        *margin(np.array(evening.marks)),
        *network(wall),
    ]  # fmt: skip
    notes = [
        f"October's wall time by phase: {Spent.shares(evening.spent.phases, wall)}.",
        f"Of that, deciding by participant: {Spent.shares(evening.spent.species, wall)}.",
    ]
    return lines, notes
