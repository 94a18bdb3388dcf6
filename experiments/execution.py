"""What an execution cost: implementation shortfall and impact of a run's probes (`agents.probe`), from their remarks.

    shortfall  = side x (average price / mid at the decision - 1), in basis points; what is left undone costs nothing
    impact     = side x log(mid / mid at the decision), at the end of the execution and some time later

The model's own price is the yardstick: the mid that was recorded last before the decision.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.run import Run, RunError

LATER = 600.0  # s after the end at which the impact is read again


class Execution(NamedTuple):
    """One order of one probe; impacts in log price, positive = against the probe, NaN = not recorded."""

    participant: str
    book: str
    side: str
    ordered: float  # quote units, at the price of the decision
    executed: float  # quote units paid or received
    began: float  # s
    ended: float  # s, of the last fill
    decided: float  # mid at the decision
    average: float  # price
    shortfall: float  # basis points
    share: float  # of what the book traded meanwhile
    impact: float
    impact_later: float


def executions(run: Run, later: float = LATER) -> list[Execution]:
    """The executions of a run, in the order of their decisions.

    Args:
        later: seconds after the last fill at which the impact is read again.

    Raises:
        RunError: no probe traded.
    """
    seen = run.observations()
    found = []
    if seen:
        decided = np.flatnonzero(seen["what"] == "decided")
        found = [_execution(run, seen, i, later) for i in decided if _parts(seen, i).any()]
    if not found:
        raise RunError(f"{run.folder}: no probe has executed anything")
    return found


def _parts(seen: dict[str, NDArray[Any]], i: int) -> NDArray[Any]:
    """The remarks of fills that belong to a decision."""
    mine: NDArray[Any] = (
        (seen["what"] == "executed")
        & (seen["participant"] == seen["participant"][i])
        & (seen["book"] == seen["book"][i])
        & (seen["time"] >= seen["time"][i])
    )
    return mine


def _execution(run: Run, seen: dict[str, NDArray[Any]], i: int, later: float) -> Execution:
    parts = _parts(seen, i)
    book, side = str(seen["book"][i]), 1 if seen["value"][i] > 0 else -1
    value, rate = np.abs(seen["value"][parts]), seen["rate"][parts]
    began, ended = float(seen["time"][i]), float(seen["time"][parts].max())
    mid = run.column("mid", book=book)
    before = _at(run, mid, began)
    coins = (value / np.exp(rate)).sum()  # in units of the price of the decision
    average = before * value.sum() / coins
    during = (run.time > began) & (run.time <= ended)
    volume = float(np.nansum(run.column("volume", book=book)[during]))
    return Execution(
        participant=str(seen["participant"][i]),
        book=book,
        side="buy" if side > 0 else "sell",
        ordered=float(abs(seen["value"][i])),
        executed=float(value.sum()),
        began=began,
        ended=ended,
        decided=before,
        average=average,
        shortfall=1e4 * side * (average / before - 1.0),
        share=float(value.sum()) / volume if volume > 0 else float("nan"),
        impact=side * float(np.log(_at(run, mid, ended) / before)),
        impact_later=side * float(np.log(_at(run, mid, ended + later) / before)),
    )


def _at(run: Run, values: NDArray[Any], time: float) -> float:
    """The value recorded last at or before a time; NaN before the first and after the last."""
    if time > run.time[-1] + 1e-6:
        return float("nan")
    i = int(np.searchsorted(run.time, time + 1e-9, side="right")) - 1
    return float(values[i]) if i >= 0 else float("nan")
