"""Who comes first: a heap over scores, so that ranking costs what is taken from it and not a full sort.

Candidates live in the tables `scores` (largest first), `sorted` (tie-break, smallest first: the rows' own keys, never
their numbers) and `ranking` (what is ranked).
"""

from __future__ import annotations

from abm.jit import inlined, kernel
from abm.state import views

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def before(s, i, j):
    """Whether candidate `i` comes before candidate `j`."""
    if s.scores[i] != s.scores[j]:
        return s.scores[i] > s.scores[j]
    return s.sorted[i] < s.sorted[j]


@inlined
def swap(s, i, j):
    """Exchange two candidates."""
    score, tie, item = s.scores[i], s.sorted[i], s.ranking[i]
    s.scores[i], s.sorted[i], s.ranking[i] = s.scores[j], s.sorted[j], s.ranking[j]
    s.scores[j], s.sorted[j], s.ranking[j] = score, tie, item


@kernel("void(i8,i8,i8)")
def sift_down_at(address, i, n):
    """Restore the heap of `n` candidates below place `i`."""
    s = views(address)
    while True:
        child = 2 * i + 1
        if child >= n:
            return
        if child + 1 < n and before(s, child + 1, child):
            child += 1
        if not before(s, child, i):
            return
        swap(s, i, child)
        i = child


@inlined
def sift_down(s, i, n):
    """`sift_down_at` from inside a kernel."""
    sift_down_at(s.meta[0].address, i, n)


@inlined
def heapify(s, n):
    """Make the first `n` candidates a heap."""
    i = n // 2 - 1
    while i >= 0:
        sift_down(s, i, n)
        i -= 1


@inlined
def drop_first(s, n):
    """Take the first candidate off a heap of `n`; it is left at place n - 1. Returns n - 1."""
    swap(s, 0, n - 1)
    sift_down(s, 0, n - 1)
    return n - 1
