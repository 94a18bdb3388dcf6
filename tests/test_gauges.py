"""What is kept of a network's stations and edges, compiled: the same as in plain numpy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from abm import gauges
from abm.stations import EDGE, RESOURCE

WATCHED = ("joined", "served", "busy", "waiting", "hot", "room", "open", "failed", "admits")


def jumbled(draw: Any, kind: np.dtype[Any], n: int) -> np.ndarray[Any, Any]:
    """Records with something in every field."""
    table = np.zeros(n, kind)
    for name in kind.names or ():
        field = kind[name].kind
        values = draw.random(n) < 0.5 if field == "b" else draw.integers(0, 3, n)
        table[name] = np.where(draw.random(n) < 0.1, np.nan, values) if field == "f" else values
    return table


def test_a_line_is_due_where_a_watched_number_has_changed_and_nowhere_else() -> None:
    draw = np.random.default_rng(1)
    last = np.zeros((len(WATCHED), 9))
    before, lines = np.full((len(WATCHED), 9), np.inf), 0
    table = jumbled(draw, RESOURCE, 9)
    for turn in range(300):
        name = draw.choice(RESOURCE.names)
        table[name][draw.integers(9)] = draw.integers(0, 3)
        now = np.stack([table[field].astype(np.float64) for field in WATCHED])
        expected = np.flatnonzero((now != before).any(axis=0)) if turn else np.arange(9)
        found = np.empty(9, np.int64)
        count = gauges._note(table, last, turn == 0, found)
        assert found[:count].tolist() == expected.tolist()
        assert np.array_equal(last, now, equal_nan=True)
        before, lines = now, lines + count
    assert 9 < lines < 2000


def test_lines_of_edges_are_whole_assets() -> None:
    draw = np.random.default_rng(2)
    edges, scale = jumbled(draw, EDGE, 40), np.array([1e6, 1e8, 1e18])
    kept = gauges.edges_of(SimpleNamespace(edges=edges), scale)  # type: ignore[arg-type]
    unit = scale[edges["asset"]]
    assert kept["queue"].tolist() == edges["waiting"].tolist()
    assert kept["open"].tolist() == edges["open"].tolist()
    assert kept["moved"].tolist() == (edges["moved"] / unit).tolist()
    assert kept["in_transit"].tolist() == (edges["in_transit"] / unit).tolist()
