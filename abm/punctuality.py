"""What owners know of edges: how many of their own transfers over each have come in time.

A table with open addressing: (owner, edge) is looked for from the place that its hash gives on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.jit import inlined, kernel
from abm.random import FOREVER, draw
from abm.stations import MAX_HOPS, NONE, views

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

OWNER, EDGE, COUNT, GOOD = range(4)
FIRST_PLACES = 256  # a power of two, as all sizes


@inlined
def _place(memory, owner, edge):
    """Where an owner's line of an edge is, or is to be."""
    last = len(memory) - 1
    place = np.int64(draw(owner, edge, FOREVER)) & last
    while memory[place, OWNER] != NONE and (memory[place, OWNER] != owner or memory[place, EDGE] != edge):
        place = (place + 1) & last
    return place


@inlined
def _add(memory, owner, edge, count, good):
    """Add to a line. Returns 1 if it is new."""
    place = _place(memory, owner, edge)
    new = 1 if memory[place, OWNER] == NONE else 0
    memory[place, OWNER], memory[place, EDGE] = owner, edge
    memory[place, COUNT] += count
    memory[place, GOOD] += good
    return new


@kernel("i8(i8,i8[::1],i8[:,::1])")
def _learn(address, ended, memory):
    """Count transfers by slot that have ended, edge by edge. Returns lines that are new."""
    n, new = views(address), 0
    for i in range(len(ended)):
        job = n.transfers[ended[i]]
        good = 1 if not job.back and job.due_ms <= job.expected_ms else 0
        for hop in range(job.hops):
            new += _add(memory, job.owner, np.int64(job.path[hop]), 1, good)
    return new


@kernel("i8(i8[:,::1],i8[:,::1])")
def _take_over(lines, memory):
    """Add lines (owner, edge, count, good). Returns how many are new."""
    new = 0
    for i in range(len(lines)):
        if lines[i, OWNER] != NONE:
            new += _add(memory, lines[i, OWNER], lines[i, EDGE], lines[i, COUNT], lines[i, GOOD])
    return new


@kernel("i8(i8[:,::1],i8,i8)")
def _find(memory, owner, edge):
    """Where an owner's line of an edge is, or would be."""
    return _place(memory, owner, edge)


class Punctuality:
    """What all owners know."""

    def __init__(self) -> None:
        self._memory = _empty(FIRST_PLACES)
        self._used = 0

    def learn(self, address: int, ended: NDArray[np.int64]) -> None:
        """Transfers, by slot of the network's tables at an address, have ended.

        Args:
            ended: int64.
        """
        self._make_room(MAX_HOPS * len(ended))
        self._used += _learn(address, ended, self._memory)

    def known(self, owner: int, edge: int) -> tuple[int, int]:
        """An owner's transfers over an edge, and those of them that came in time."""
        line = self._memory[_find(self._memory, owner, edge)]
        return int(line[COUNT]), int(line[GOOD])

    def snapshot(self) -> NDArray[np.int64]:
        """int64[lines, (owner, edge, transfers, of these in time)], in order."""
        lines = self._memory[self._memory[:, OWNER] != NONE]
        ordered: NDArray[np.int64] = lines[np.lexsort((lines[:, EDGE], lines[:, OWNER]))]
        return ordered

    def restore(self, saved: NDArray[np.int64]) -> None:
        """Know what was saved, and nothing else."""
        self._memory, self._used = _empty(FIRST_PLACES), 0
        self._make_room(len(saved))
        self._used = _take_over(np.ascontiguousarray(saved, np.int64), self._memory)

    def _make_room(self, more: int) -> None:
        """Keep half of the places free."""
        size = len(self._memory)
        while 2 * (self._used + more) > size:
            size *= 2
        if size > len(self._memory):
            grown = _empty(size)
            _take_over(self._memory, grown)
            self._memory = grown


def _empty(places: int) -> NDArray[np.int64]:
    memory = np.zeros((places, 4), np.int64)
    memory[:, OWNER] = NONE
    return memory
