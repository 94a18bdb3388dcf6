"""Auto-deleveraging of one bankrupt account over 100,000 opposing ones."""

from __future__ import annotations

import time

import numpy as np

from tests.bench.line import Line, interleaved
from tests.twins.market import PERP, USDT, Desk, small_model

OPPOSING = 100_000


def deleverage() -> float:
    """Seconds of the phase that closes a long of 0.1 % of the open interest against 100,000 shorts."""
    d = Desk(
        small_model({"orders": {"band": 0.0}, "fund": {"rule": "none"}, "fees": {"maker": 0.0, "taker": 0.0}})
    )
    rng = np.random.default_rng(1)
    accounts = d.model.accounts
    shorts = accounts.open([f"short {i}" for i in range(OPPOSING)], np.zeros(OPPOSING, int), "bench")
    accounts.deposit(shorts, USDT, rng.integers(10**9, 10**10, OPPOSING))
    lots = rng.integers(50, 150, OPPOSING)
    loser, holder = d.open("loser", cash=10**7), d.open("holder", cash=10**16)
    lost = int(lots.sum()) // 1000
    accounts.place([loser, holder, *shorts], PERP, np.array([lost, int(lots.sum()) - lost, *-lots]), 100.0)
    d.set_mark(PERP, 900 * 1024)
    d.model.liquidate()
    began = time.perf_counter()
    d.model.deleverage()
    spent = time.perf_counter() - began
    if d.lots(loser) != 0 or not d.events("adl"):
        raise AssertionError("nobody was deleveraged")
    return spent


def measure(repeats: int = 3) -> list[Line]:
    (spent,) = interleaved([deleverage], repeats)
    return [
        Line("ADL over 100,000 opposing accounts", spent * 1e3, "ms", most=5.0, beside="0.1 % of their lots")
    ]
