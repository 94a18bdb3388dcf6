"""B21: a network edge with one server is the M/M/1 queue: mean time 1 / (mu - lambda), and Little's law.

Payments come to a desk of one server with exponential times (`abm.servers`) as a Poisson stream (`agents.payments`);
many desks in one network, none knows of another.
"""

from __future__ import annotations

import numpy as np

from abm import queueing
from abm.parameters import Frozen, parameter
from experiments.run import Run
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

SERVICE = 600.0  # s, mean


class Parameters(Frozen):
    """Load of the desk, and how much is measured."""

    loads: tuple[float, ...] = parameter((0.3, 0.5), "Arrivals over what the desk can serve", unit="1")
    desks: int = parameter(800, "Desks of each load", ge=1)
    services: float = parameter(150.0, "Time that is measured", unit="mean services", gt=1)
    settle: float = parameter(20.0, "Time before and after that", unit="mean services", ge=0)
    step: float = parameter(0.02, "Step", unit="mean services", gt=0, le=0.1)
    tolerance: float = parameter(0.02, "Largest relative error", ge=0)


def rows(p: Parameters, work: Lab) -> list[Row]:
    """Mean time in the station and Little's law, for each load."""
    found = []
    for number, load in enumerate(p.loads):
        run = work.run("B21", {f"load{load:g}": _scenario(p, load, work.quick)}, [1])[f"load{load:g}"][0]
        waits, inside, rate, error = _station(run, p)
        exact = queueing.mm1_time(load / SERVICE, 1.0 / SERVICE)
        noted = waits + SERVICE * p.step / 2  # a transfer is inside until its arrival is noted
        low, high = lab.around(1.0, p.tolerance)
        why = f"{exact / SERVICE:.3g} services; standard error {error / exact:.4f}"
        found += [
            row(f"B21.{number + 1}a", f"mean time over 1 / (mu - lambda), load {load:g}", [waits / exact],
                low, high, central=1.0, role="benchmark", why=why),
            row(f"B21.{number + 1}b", f"Little: transfers inside over rate times time, load {load:g}",
                [inside / (rate * noted)], low, high, central=1.0, role="benchmark"),
        ]  # fmt: skip
    return found


def _scenario(p: Parameters, load: float, quick: bool) -> lab.Scenario:
    desks, services = (100, 40.0) if quick else (p.desks, p.services)
    steps, before = round(services / p.step), round(p.settle / p.step)
    step = SERVICE * p.step
    raw = lab.plain_books(desks, 100.0, 0.01, 1.0, steps + 2 * before, step)
    names = lab.venue_names(desks)
    raw["network"] = {
        "nodes": ["home"],
        "resources": {
            f"desk_{name}": {"kind": "servers", "servers": 1, "law": "exponential", "time": SERVICE}
            for name in names
        },
        "edges": [
            {"source": name, "target": "home", "asset": lab.MONEY, "path": [f"desk_{name}"], "fee": 0.0}
            for name in names
        ],
    }
    raw["population"]["customers"] = lab.desk("payments", [], 1, 0.5, 0.5, rate=load / SERVICE)
    raw["population"]["customers"]["opening"]["reserve_at"] = "home"
    raw["record"]["every"] = 50
    return lab.scenario(raw)


def _station(run: Run, p: Parameters) -> tuple[float, float, float, float]:
    """Mean time, mean number inside, arrivals a second (of one desk), and the standard error of the time.

    Counted are the transfers sent in a window that ends well before the run, or the longest waits would be missing.
    """
    begin, end = p.settle * SERVICE, float(run.time[-1]) - p.settle * SERVICE
    sent, arrived = run.events("transfer_sent"), run.events("transfer_arrived")
    place = np.searchsorted(sent["id"], arrived["parent"])
    times = arrived["time"] - sent["time"][place]
    # a transfer is sent when a step begins and noted when one ends: half a step too long on average
    step = SERVICE * p.step
    counted = (sent["time"][place] >= begin) & (sent["time"][place] < end)
    desks = len(run.venues)
    number = {name: n for n, name in enumerate(run.venues)}
    venue = np.array([number[name] for name in sent["venue"][place][counted]], np.int64)
    by_desk = np.bincount(venue, times[counted], desks) / np.maximum(np.bincount(venue, minlength=desks), 1)
    late = (run.time >= begin) & (run.time < end)
    waiting = sum(run.column("in_transit", edge=edge)[late] for edge in run.edges) / desks
    rate = float(((sent["time"] >= begin) & (sent["time"] < end)).sum()) / (end - begin) / desks
    mean = float(times[counted].mean()) - step / 2
    return mean, float(np.mean(waiting)), rate, float(by_desk.std(ddof=1) / np.sqrt(desks))
