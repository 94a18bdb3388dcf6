"""What became of an owner, in sentences: what its venue did to it, how far the mark had gone, and by whose orders."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from experiments import causes, readings
from experiments.run import Run, RunError
from experiments.scorecard import number

Names = dict[int, str]
LEAST = 0.005  # a share below it is not told
TRADED = ("taker_owner", "maker_owner", "book", "cause", "side", "value", "time")
UNITS = ((1e9, "B$"), (1e6, "M$"), (1e3, "k$"), (1.0, "$"))
TOLD = 12  # failures told one by one
# what orders are sent for, and what a stage of the waterfall does, in the words of every page and picture
WHY = {
    "decision": "people's own decisions",
    "liquidation": "other liquidations",
    "adl": "auto-deleveraging",
    "hedge": "hedging",
    "disposal": "funds selling what they took over",
    "stop": "stop orders",
    "news": "people reacting to the news",
    "arbitrage": "arbitrage",
    "quote": "makers",
    "conversion": "collateral being sold",
    "unknown": "nothing that was recorded",
}
HOW = {
    "none": "",
    "convert_collateral": "by selling collateral",
    "reduce_tiers": "down to a lower margin tier",
    "bankruptcy_order": "by an order at the bankruptcy price",
    "market_slices": "by orders into the book",
    "market_rounds": "by rounds of orders into the book",
    "fillable_order": "by an order at a price that the venue may give",
    "backstop": "taken over by the backstop",
    "take_over": "taken over by the fund",
    "adl": "against winners (ADL)",
}


def told(run: Run, owner: int, names: Names) -> list[str]:
    """Lines about what was closed of an owner by force, in order of time, each failure with its causes.

    `names`: owners' names by number. The causes are shared by the rule of `experiments.causes`; where the run kept no
    fills a line says how to keep them.
    """
    events = run.events()
    mine = (events["owner"] == owner) & np.isin(events["kind"].astype(str), causes.BEGINS)
    winner = (events["other_owner"] == owner) & (events["kind"] == "adl")
    lines = []
    if mine.any():
        lines += _failures(run, owner, names, events, mine)
    elif not winner.any():
        lines.append("its venues closed nothing of it by force")
    for k in np.flatnonzero(winner)[:TOLD]:
        side = "short" if events["side"][k] > 0 else "long"
        lines.append(
            f"{when(run, events['time'][k])}  in profit: {events['quantity'][k]:g} of its {side} in "
            f"{events['book'][k]} closed at {_price(events['price'][k])} by auto-deleveraging, for "
            f"{_name(names, events['owner'][k])} could not be liquidated"
        )
    if int(winner.sum()) > TOLD:
        lines.append(f"and {int(winner.sum()) - TOLD} more such closings")
    return lines


def trades(run: Run, owner: int) -> list[list[str]]:
    """What an owner traded, by book and by why its orders were sent: bought and sold, USD; nothing without fills."""
    if not run.has("events/fills"):
        return []
    table = run.table("events/fills", TRADED)
    found: dict[tuple[str, str, str], list[float]] = {}
    for role, way in (("taker", 1), ("maker", -1)):
        own = table.filter(pc.equal(table[f"{role}_owner"], owner))
        books, why = (own[name].cast(pa.string()).to_pylist() for name in ("book", "cause"))
        sides, values, times = (own[name].to_numpy() for name in ("side", "value", "time"))
        for book, cause, side, value, time in zip(books, why, sides, values, times, strict=True):
            key = (book, role, cause if role == "taker" else "its resting orders")
            sums = found.setdefault(key, [0.0, 0.0, float(time), float(time), 0.0])
            sums[0 if side * way > 0 else 1] += float(value)
            sums[2], sums[3] = min(sums[2], float(time)), max(sums[3], float(time))
            sums[4] += 1
    return [
        [
            book,
            cause,
            f"{sums[4]:,.0f}",
            f"{sums[0]:,.0f}",
            f"{sums[1]:,.0f}",
            when(run, sums[2]),
            when(run, sums[3]),
        ]
        for (book, _, cause), sums in sorted(found.items())
    ]


def when(run: Run, seconds: float) -> str:
    """UTC clock of seconds since the start."""
    return f"{run.start + timedelta(seconds=float(seconds)):%H:%M:%S}"


def _failures(
    run: Run, owner: int, names: Names, events: dict[str, NDArray[Any]], mine: NDArray[np.bool_]
) -> list[str]:
    """One paragraph a failure: an account of the owner in one step."""
    try:
        found = causes.attribution(run)
    except RunError as reason:
        found, missing = None, str(reason).rpartition(": ")[2]
    owner_of = dict(zip(events["row"].tolist(), events["owner"].tolist(), strict=True))
    steps = sorted({(float(events["time"][k]), int(events["row"][k])) for k in np.flatnonzero(mine)})
    lines: list[str] = []
    for time, row in steps[:TOLD]:
        these = np.flatnonzero(mine & (events["time"] == time) & (events["row"] == row))
        lines.append(f"{when(run, time)}  {_mark(run, events, these)}")
        lines += [f"          {line}" for line in _closings(events, these, names)]
        if found is not None:
            lines += [f"          {line}" for line in _because(run, found, time, row, names, owner_of)]
    if len(steps) > TOLD:
        lines.append(f"and {len(steps) - TOLD} more failures")
    if found is None:
        lines.append(f"what moved its mark is not known: {missing}")
    return lines


def _mark(run: Run, events: dict[str, NDArray[Any]], these: NDArray[np.int64]) -> str:
    """Where the mark stood when an account fell under its maintenance margin."""
    what = f"its account at {events['venue'][these[0]]} fell under its maintenance margin"
    named = [k for k in these if events["book"][k] and np.isfinite(events["mark"][k])]
    if not named:
        return what
    largest = max(named, key=lambda k: float(events["value"][k]))
    book, mark = str(events["book"][largest]), float(events["mark"][largest])
    text = f"{what}: the mark of {book} stood at {_price(mark)}"
    if book in run.books:
        marks = readings.filled(run.column("mark", book=book))[run.time >= 0]
        known = marks[np.isfinite(marks)]
        if len(known):
            moved = 100.0 * (mark / float(known[0]) - 1.0)
            text += f", {abs(moved):.1f} % {'below' if moved < 0 else 'above'} the start"
    return text


def _closings(events: dict[str, NDArray[Any]], these: NDArray[np.int64], names: Names) -> list[str]:
    lines = []
    for k in these:
        side = "long" if events["side"][k] > 0 else "short"
        book = str(events["book"][k])
        coin = book.partition(":")[2].rpartition("-")[0]
        size = f"{events['quantity'][k]:,.6g} {coin} of its {side} in {book}"
        at = _price(events["price"][k])
        stage = how(str(events["stage"][k]))
        match events["kind"][k]:
            case "liquidation" if events["value"][k] > 0:
                lines.append(
                    f"{size} sold at {at}, {stage}" if side == "long" else f"{size} bought at {at}, {stage}"
                )
            case "liquidation":
                lines.append(f"its order in {book} found nobody at its price")
            case "takeover":
                lines.append(f"{size} taken over by {_name(names, events['other_owner'][k])} at {at}")
            case "adl":
                lines.append(
                    f"{size} closed at {at} against {_name(names, events['other_owner'][k])}, a winner"
                )
            case "bankruptcy":
                lines.append("bankrupt")
    if len(lines) > TOLD:
        lines = [*lines[:TOLD], f"and {len(lines) - TOLD} more"]
    return lines


def _because(
    run: Run, found: causes.Attribution, time: float, row: int, names: Names, owner_of: dict[int, int]
) -> list[str]:
    at = np.flatnonzero((found.row == row) & (found.time == time))
    if not len(at):
        return []
    k = int(at[0])
    lines = [f"what had moved that mark: {_shares(found, found.direct[k])}"]
    child, parent, share = found.parents
    these = np.flatnonzero(child == k)
    these = these[np.argsort(-share[these], kind="stable")][:3]
    if len(these):
        before = [
            f"{_name(names, owner_of.get(int(found.row[parent[i]]), -1))} at {when(run, found.time[parent[i]])} "
            f"({100 * share[i]:.1f} %)"
            for i in these
        ]
        lines.append(f"among it failures before this one: {', '.join(before)}")
        lines.append(f"led back to the first causes: {_shares(found, found.root[k])}")
    own, caused = float(found.value[k]), float(found.caused[k])
    what = f"closed here {_dollars(own)}"
    lines.append(f"{what}; with what followed from it {_dollars(caused)}" if caused > own else what)
    return lines


def how(stage: str) -> str:
    """What a stage of a venue's waterfall does with a position, in words."""
    return HOW.get(stage, stage.replace("_", " "))


def _shares(found: causes.Attribution, line: NDArray[np.float64]) -> str:
    order = [i for i in np.argsort(-line, kind="stable") if line[i] >= LEAST]
    return ", ".join(f"{WHY[found.kinds[i]]} {100 * line[i]:.0f} %" for i in order)


def _name(names: Names, owner: int) -> str:
    return names.get(int(owner), f"owner {owner}")


def _dollars(value: float) -> str:
    scale, unit = next(one for one in UNITS if value >= one[0] or one[0] == 1.0)
    return f"{number(value / scale)} {unit}"


def _price(value: float) -> str:
    return f"{value:,.8g}" if np.isfinite(value) else "-"
