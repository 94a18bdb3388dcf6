"""What a benchmark works with: scenarios made of plain tables, run by the one runner, many books in one market.

A benchmark switches off everything that its paper does not have by configuration: venues without fees, bands, leverage
or links, one species. Where a table needs many runs a market has many venues that know nothing of each other, one book
each; draws are keyed by row and book, so they are independent replications of one market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments import config
from experiments.config import Scenario, ScenarioError
from experiments.run import Run
from experiments.runner import Job, run_jobs
from experiments.store import Store

Table = dict[str, Any]
START = datetime(2025, 1, 1, tzinfo=UTC)
COIN, MONEY = "COIN", "USD"


class LabError(RuntimeError):
    """A run of a benchmark failed; the message says which and why."""


@dataclass
class Lab:
    """Where benchmarks run: folder, workers, and whether they are to be quick."""

    folder: Path
    quick: bool = False
    jobs: int | None = None
    progress: bool = True

    def run(
        self, name: str, scenarios: Mapping[str, Scenario], seeds: Iterable[int], **more: Any
    ) -> dict[str, list[Run]]:
        """Run scenarios by name with the seeds; runs that the store has are not run again. Raises LabError."""
        seeds = list(seeds)
        wanted = [
            Job(f"{name} {which}", scenario, seed, self.folder / name / which, **more)
            for which, scenario in scenarios.items()
            for seed in seeds
        ]
        outcomes = run_jobs(
            wanted, jobs=self.jobs, progress=self.progress, store=Store(self.folder / ".store")
        )
        failed = [outcome for outcome in outcomes if outcome.folder is None]
        if failed:
            raise LabError("; ".join(f"{outcome.job.label}: {outcome.reason}" for outcome in failed))
        found: dict[str, list[Run]] = {which: [] for which in scenarios}
        for (which, _), outcome in zip(
            [(which, seed) for which in scenarios for seed in seeds], outcomes, strict=True
        ):
            found[which].append(outcome.open())
        return found


def scenario(raw: Mapping[str, Any]) -> Scenario:
    """A scenario from plain tables. Raises ScenarioError with all faults."""
    found, faults = config.resolve(raw)
    if found is None or faults:
        raise ScenarioError(list(dict.fromkeys(faults)))
    return found


def clock(steps: int, step: float, burn_in: int = 0) -> Table:
    """So many steps of `step` seconds after `burn_in` steps."""
    return {
        "start": START,
        "duration": round(steps * step, 6),  # whole milliseconds, without the dust of binary fractions
        "step": round(step, 3),
        "burn_in": round(burn_in * step, 6),
    }


def plain_books(
    count: int, price: float, tick: float, lot: float, steps: int, step: float, burn_in: int = 0
) -> Table:
    """A market of `count` spot books of one coin, each at a venue of its own; no fees, no bands, no links, no delays.

    The population is to be added: `desks` are opened by the venues' names, "v0000" and on.
    """
    orders = {"band": 0.0, "market_bound": 0.0, "max_orders_per_row": 100_000, "capacity": 50_000_000}
    venue = {
        "quote": MONEY,
        "spots": [COIN],
        "spot_share": 1.0 / count,
        "fees": {"maker": 0.0, "taker": 0.0},
        "orders": orders,
        "gateway": {"rate": 1e9, "capacity": 50_000_000, "latency_ms": 0},
    }
    return {
        "clock": clock(steps, step, burn_in),
        "assets": {MONEY: {"decimals": 6}, COIN: {"decimals": 2, "value": price}},
        "contracts": {COIN: {"price": price, "tick": tick, "lot": lot, "open_interest": 1e9}},
        # an index of all would tie the books together and take time
        "venues": {name: {**venue, "index": {"weights": {name: 1.0}}} for name in venue_names(count)},
        "population": {},
        "record": {"every": 1, "accounts_at": []},
    }


def venue_names(count: int) -> list[str]:
    """Names of the venues of `plain_books`."""
    return [f"v{i:04d}" for i in range(count)]


def called(raw: Table, coins: float, price: float) -> Table:
    """The same market with books that are called in every second step, and so many coins in each."""
    step = raw["clock"]["step"]
    for venue in raw["venues"].values():
        venue["halt"] = {"calls": 2.0 * step}
    raw["assets"][COIN]["decimals"] = 6
    raw["contracts"][COIN]["open_interest"] = coins * price * len(raw["venues"])
    return raw


def desk(
    species: str, venues: Sequence[str], owners: int, coins: float, money: float, **parameters: Any
) -> Table:
    """A population entry of owners with money and coins at each of the venues (shares of the open interest)."""
    opening = {
        "kind": "desk", "accounts": owners, "venues": list(venues),
        "cash": {"major": money}, "inventory": {"major": coins},
    }  # fmt: skip
    return {"species": species, "latency_ms": 0.0, **parameters, "opening": opening}


ANY = 1e12  # a bound that bounds nothing


def around(value: float, share: float, rounding: float = 0.0) -> tuple[float, float]:
    """A tolerance in proportion, beside the rounding of the published figure."""
    return value - abs(value) * share - rounding, value + abs(value) * share + rounding
