"""What Mesa's step costs over a plain loop over the same phases, and that both make the same market."""

from __future__ import annotations

import time

from experiments.build import build
from experiments.config import load
from tests.bench.line import Line, interleaved
from tests.twins.market import state_hash

STEPS = 300


def measure(repeats: int = 3) -> list[Line]:
    """Least seconds of each driver over the same steps of two_venues."""
    hashes: set[str] = set()

    def drive(plain: bool) -> float:
        model = build(load("two_venues"), 1)
        model.run(20)
        began = time.perf_counter()
        for _ in range(STEPS):
            if plain:
                for _name, phase in model.phases:
                    phase()
            else:
                model.step()
        spent = time.perf_counter() - began
        hashes.add(state_hash(model.state))
        return spent

    mesa, plain = interleaved([lambda: drive(False), lambda: drive(True)], repeats)
    if len(hashes) != 1:
        raise AssertionError("Mesa's step and the plain loop made different markets")
    return [
        Line(
            "driven by Mesa / plain loop over the phases, same state",
            mesa / plain,
            most=1.1,
            beside="two_venues",
        )
    ]
