"""What wakes an account: a time that has come, or a price that has been reached.

A crowd of tens of thousands must not be asked every second whether it wants something. It leaves two kinds
of notes instead: appointments (a time for each kind of act and entry) and price levels (a level for each
kind and entry). Looking at the notes costs a few comparisons as long as nothing is due; what is due comes
back as entry numbers in ascending order, each once. The notes are arrays in the participant's memory, so a
saved run keeps them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.parts import note, ripe

Memory = dict[str, Any]
Entries = NDArray[np.int64]

NEVER = np.inf
AHEAD = (
    60.0  # s; appointments nearer than this are kept on a short list (a matter of speed, not of behaviour)
)
_NONE: Entries = np.empty(0, np.int64)


def open_diary(memory: Memory, kinds: int, entries: int) -> None:
    """An empty diary: `when[kind, entry]` seconds, never by default."""
    memory["when"] = np.full((kinds, entries), NEVER)
    memory["soon"], memory["soon_at"] = _NONE, np.empty(0)  # the short list: who and when
    memory["near"] = np.zeros(1, np.int64)  # how many are on it; behind them is room
    memory["next"] = np.array([-NEVER, -NEVER])  # the next time worth a look, the end of the short list


def appoint(memory: Memory, kind: int, entries: Entries, at: Any) -> None:
    """Note a time (s) for each entry; an earlier note of the same kind is replaced."""
    if len(entries) == 0:
        return
    near, room = memory["near"], len(memory["soon"])
    if near[0] + len(entries) > room:
        for name in ("soon", "soon_at"):
            memory[name] = np.resize(memory[name], 2 * (room + len(entries)))
    at = np.asarray(at, np.float64).reshape(-1)
    note(memory["when"], memory["next"], kind, entries, at, memory["soon"], memory["soon_at"], near)


def due(memory: Memory, now: float) -> list[tuple[int, Entries]]:
    """Appointments that have come, struck out: (kind, entries) of each kind that has any, ascending."""
    look = memory["next"]
    if now < look[0]:
        return []
    when = memory["when"]
    if now >= look[1]:
        look[1] = now + AHEAD
        memory["soon"] = np.flatnonzero(when.reshape(-1) < look[1])
        memory["soon_at"] = when.reshape(-1)[memory["soon"]]
        memory["near"][0] = len(memory["soon"])
    found, ends = np.empty(memory["near"][0], np.int64), np.empty(len(when), np.int64)
    ripe(when, look, memory["soon"], memory["soon_at"], memory["near"], now, found, ends)
    first, pages = 0, []
    for kind, last in enumerate(ends.tolist()):
        if last > first:
            pages.append((kind, found[first:last]))
        first = last
    return pages


def open_levels(memory: Memory, kinds: int, group: NDArray[np.int64], groups: int) -> None:
    """No levels yet. `group[entry]` ascends: entries that watch the same price stand together.

    Who sets a level keeps `nearest` at least as high as the levels of its kind and group (`agents.parts.planning`).
    """
    memory["level"] = np.full((kinds, len(group)), -np.inf)
    memory["nearest"] = np.full((kinds, groups), -np.inf)
    memory["first"] = np.searchsorted(group, np.arange(groups + 1))
    memory["group"] = group


def reached(memory: Memory, value: NDArray[np.float64]) -> list[tuple[int, Entries]]:
    """Levels that `value[kind, group]` has come down to, struck out: (kind, entries). NaN reaches nothing."""
    nearest = memory["nearest"]
    hit = value <= nearest
    if not hit.any():
        return []
    found: dict[int, list[Entries]] = {}
    first, levels = memory["first"], memory["level"]
    for kind, group in zip(*np.nonzero(hit), strict=True):
        levels_here = levels[kind, first[group] : first[group + 1]]
        fired = np.flatnonzero(levels_here >= value[kind, group])
        levels_here[fired] = -np.inf
        nearest[kind, group] = levels_here.max(initial=-np.inf)
        if len(fired):
            found.setdefault(int(kind), []).append(fired + first[group])
    return [(kind, np.concatenate(parts)) for kind, parts in sorted(found.items())]
