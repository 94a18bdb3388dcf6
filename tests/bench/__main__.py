"""Speed by parts, as ratios measured in one run; `make bench` records them in BENCHMARKS.md.

Absolute times move with the machine and its load; a ratio of two things measured side by side does not.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from abm import matching, waterfall
from abm.model import CascadeModel
from abm.state import MESSAGE, NONE
from experiments.build import build
from experiments.config import load, loads
from tests.bench.plain_book import PlainBook

ROOT = Path(__file__).resolve().parents[2]
STREAM = 500_000
PREFILL = 5_000

ONE_BOOK = """
title = "one book"
[clock]
start = 2025-01-01T00:00:00Z
duration = 10
burn_in = 0
[assets.USD]
decimals = 6
[assets.BTC]
decimals = 8
value = 100000.0
[contracts.BTC]
price = 100000.0
tick = 0.1
lot = 0.001
class = "major"
[venues.one]
quote = "USD"
perps = ["BTC"]
spots = ["BTC"]
share = 1.0
spot_share = 1.0
[venues.one.orders]
band = 0.0
self_trade = "off"
max_orders_per_row = 100000
[venues.one.gateway]
rate = 1e6
capacity = 50000000
"""


def clock(job: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall seconds of a job."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        job()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def stream(count: int, seed: int = 20251010) -> list[tuple[str, int, int, int, int]]:
    """Messages (what, name, side, price, lots): half limits near the touch, 40 % cancels, 10 % market orders."""
    rng = np.random.default_rng(seed)
    mid, live, out = 1_000_000, [], []
    for name in range(PREFILL + count):
        u = rng.random() if name >= PREFILL else 0.0
        side = 1 if rng.random() < 0.5 else -1
        if u < 0.5:
            away = int(rng.geometric(0.05)) - (3 if name >= PREFILL and rng.random() < 0.05 else 0)
            out.append(("limit", name, side, mid - side * away, int(rng.integers(1, 20))))
            live.append(name)
        elif u < 0.9:
            i = int(rng.integers(len(live)))
            live[i], live[-1] = live[-1], live[i]
            out.append(("cancel", live.pop(), 0, 0, 0))
        else:
            out.append(("market", name, side, 0, int(rng.integers(1, 40))))
    return out


def one_book(messages: list[tuple[str, int, int, int, int]]) -> tuple[CascadeModel, np.ndarray[Any, Any]]:
    """A model with one book and two rich rows, and the stream as engine messages (half to each row)."""
    scenario = loads(ONE_BOOK)
    model = CascadeModel(
        scenario.clock, scenario.assets, scenario.contracts, scenario.venues, scenario.network, (), 1
    )
    rows = model.accounts.open(["a", "b"], ["one", "one"], "bench", exempt=True)
    model.accounts.deposit(rows, "USD", 1e11)
    model.setup()
    out = np.zeros(len(messages), MESSAGE)
    out["ref"], out["tie"] = NONE, -1
    for i, (what, name, side, price, lots) in enumerate(messages):
        m = out[i]
        m["row"], m["side"], m["price"], m["qty"] = rows[name % 2], side, price, lots
        m["ref"] = name
        m["op"] = {"limit": messages.LIMIT, "market": messages.MARKET, "cancel": messages.QUOTE}[what]
        if what == "market":
            m["flags"], m["ref"] = messages.IOC, NONE
    s = model.state
    s.grow("refs", PREFILL + STREAM + 1)
    s.refs[:] = NONE
    for table in ("orders", "levels"):
        s.grow(table, PREFILL + STREAM)
    s.grow("inbox", len(out))
    s.grow("sorted", len(out))
    return model, out


def book_kernel() -> tuple[float, float, int]:
    """(seconds of the engine with accounts and fees, seconds of the plain book without them, fills)."""
    messages = stream(STREAM)
    model, packed = one_book(messages)
    s = model.state

    def engine(first: int, last: int) -> None:
        n = last - first
        s.inbox[:n] = packed[first:last]
        s.sorted[:n] = np.arange(n)
        s.meta["inbox"] = n
        at = 0
        while at >= 0:
            at = matching.process(s.address, at, 1 << 60)

    engine(0, PREFILL)
    began = time.perf_counter()
    engine(PREFILL, len(packed))
    fast = time.perf_counter() - began
    plain = PlainBook()

    def replay(part: list[tuple[str, int, int, int, int]]) -> None:
        for what, name, side, price, lots in part:
            if what == "cancel":
                plain.cancel(name)
            else:
                far = 1 << 40 if side > 0 else 1
                plain.add(name, side, price if what == "limit" else far, lots, what == "limit")

    replay(messages[:PREFILL])
    began = time.perf_counter()
    replay(messages[PREFILL:])
    slow = time.perf_counter() - began
    volume = sum(part for *_, part in plain.tape)
    if int(s.books["volume"][0]) != volume:
        raise AssertionError(f"the books disagree: {int(s.books['volume'][0])} lots and {volume} lots traded")
    return fast, slow, len(plain.tape)


def calm_model() -> CascadeModel:
    """October a minute after its opening."""
    model = build(load("october_2025"), 1)
    model.run(60)
    return model


def margin_check(model: CascadeModel, steps: int = 300) -> tuple[float, float]:
    """(seconds of the index, seconds of full passes) over a walk of all marks with a fall; queues must agree."""
    s = model.state
    rng = np.random.default_rng(1)
    perps = np.flatnonzero(model.books.kind == 0)
    opening = s.books["mark"][perps].copy()
    common = np.cumsum(rng.normal(0, 2e-4, steps)) - 0.05 * (np.arange(steps) > steps // 2) * np.linspace(
        0, 1, steps
    )
    spent = []
    for check in (waterfall.find, waterfall.find_by_full_pass):
        s.books["mark"][perps] = opening
        for b in perps:
            waterfall.anchor(s.address, int(b))
        s.rows["queued"][:] = 0
        s.meta["queued"] = 0
        found = []
        began = time.perf_counter()
        for k in range(steps):
            s.books["mark"][perps] = (opening * (1 + common[k])).astype(np.int64)
            found.append(check(s.address))
        spent.append((time.perf_counter() - began, found))
    if spent[0][1] != spent[1][1]:
        raise AssertionError("the margin index and the full pass found different accounts")
    return spent[0][0], spent[1][0]


class Spent:
    """Wall seconds of a model's phases and of its participants' deciding."""

    def __init__(self, model: CascadeModel) -> None:
        self.model = model
        self.phases: dict[str, float] = defaultdict(float)
        self.species: dict[str, float] = defaultdict(float)
        self.steps, self.wall = 0, 0.0
        model.phases = [(name, self._timed("phases", name, phase)) for name, phase in model.phases]
        for participant in model.participants:
            participant.decide = self._timed("species", participant.name, participant.decide)  # type: ignore[method-assign]

    def _timed(self, total: str, name: str, job: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            began = time.perf_counter()
            job(*arguments)
            getattr(self, total)[name] += time.perf_counter() - began

        return run

    def run(self, steps: int) -> float:
        """Simulated seconds a second of the next steps."""
        began = time.perf_counter()
        self.model.run(steps)
        wall = time.perf_counter() - began
        self.steps, self.wall = self.steps + steps, self.wall + wall
        return steps * self.model.clock.step / wall

    def shares(self, total: dict[str, float]) -> str:
        """Shares of the wall time, largest first."""
        return ", ".join(f"{k} {v / self.wall:.0%}" for k, v in sorted(total.items(), key=lambda x: -x[1]))


def mesa_cost(steps: int = 300) -> tuple[float, float]:
    """(seconds driven by Mesa's step, seconds of a plain loop over the same phases)."""
    spent = []
    for plain in (False, True):
        model = build(load("two_venues"), 1)
        model.run(20)
        began = time.perf_counter()
        for _ in range(steps):
            if plain:
                for _name, phase in model.phases:
                    phase()
            else:
                model.step()
        spent.append(time.perf_counter() - began)
    return spent[0], spent[1]


def main() -> None:
    """Measure, print, record."""
    lines: list[tuple[str, str, str]] = []
    fast, slow, fills = book_kernel()
    lines.append((
        "book: plain Python book without accounts / engine with accounts, margin and fees, same stream",
        f"{slow / fast:.1f}",
        f"{STREAM / fast / 1e6:.2f} M messages/s, {fills:,} fills",
    ))  # fmt: skip
    index, full = margin_check(calm_model())
    scenario, model = load("october_2025"), calm_model()
    spent = Spent(model)
    news = round((scenario.news[0].time - scenario.clock.start).total_seconds() / model.clock.step)
    calm = spent.run(news + model.clock.burn_in_steps - 60)
    cascade = spent.run(model.clock.steps - model.step_number)
    whole = spent.steps * model.clock.step / spent.wall
    rows, live = model.state.count("rows"), model.state.count("live_orders")
    for what, rate, beside in (
        ("before the news", calm, f"{rows:,} accounts, {len(model.books)} books"),
        ("from the news to the end", cascade, f"{live:,} live orders at the end"),
        ("the whole run (floor 300)", whole, f"{spent.wall:.0f} s of wall time"),
    ):
        lines.append(
            (f"October: simulated seconds a second, one core, recording on, {what}", f"{rate:.0f}", beside)
        )
    lines.append(
        ("margin: full compiled pass / index, same accounts found", f"{full / index:.1f}", "5 % fall")
    )
    mesa, plain = mesa_cost()
    lines.append(("driven by Mesa / plain loop over the phases", f"{mesa / plain:.2f}", "two_venues"))
    table = ["| what | ratio or rate | beside |", "|---|---|---|"]
    table += [f"| {what} | {value} | {beside} |" for what, value, beside in lines]
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    text = "\n".join([
        "# Benchmarks", "",
        "Written by `make bench`. Ratios compare two things measured in the same run; rates belong to the machine.", "",
        *table, "",
        f"October's wall time by phase: {spent.shares(spent.phases)}.", "",
        f"Of that, deciding by participant: {spent.shares(spent.species)}.", "",
        f"Machine: {cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {sys.platform};"
        f" load {os.getloadavg()[0]:.1f} at the end.", "",
    ])  # fmt: skip
    print(text)
    (ROOT / "BENCHMARKS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
