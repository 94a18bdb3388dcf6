"""Claims about tables in kernels: they are the arrays themselves, to the byte, and asking ahead changes nothing; and
about what the fast path of a book rests on."""

from __future__ import annotations

import numpy as np
import pytest

from abm import jit
from abm.book import find
from abm.jit import kernel
from abm.messages import ENDS
from abm.state import LEVEL_BITS, LINE, MESSAGE, ORDER, State, views
from abm.tables import prefetch

compiled = pytest.mark.skipif(jit.INTERPRETED, reason="nothing is compiled")


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    """Kernels of a test are kept nowhere."""
    monkeypatch.setenv("CASCADE_CACHE", str(tmp_path))
    known = list(jit.KERNELS)
    yield
    jit.KERNELS[:] = known


@compiled
def test_a_kernel_reads_and_writes_the_arrays() -> None:
    @kernel("i8(i8,i8)")
    def turn(address, i):  # type: ignore[no-untyped-def]
        s = views(address)
        o = s.orders[i]
        o.side = -o.side
        o.flags |= ENDS
        o.qty -= 3
        s.keys[i] = o.price >> 24
        s.wheel[i + 1] = len(s.wheel)
        s.inbox[i + 1] = s.inbox[i]
        s.inbox[i].row = 9
        prefetch(s.orders, -(1 << 40))
        prefetch(s.keys, 1 << 40)
        return s.scores[i] > 0.4 and s.orders[i].qty == o.qty

    state = State(orders=8, keys=8, wheel=8, inbox=8, scores=8)
    draw = np.random.default_rng(1)
    for table in (state.orders, state.inbox):
        table.view(np.uint8)[:] = draw.integers(0, 120, table.nbytes)
    state.scores[:] = 0.5
    orders, message = state.orders.copy(), state.inbox[3].copy()
    assert turn(state.address, 3) == 1
    for name in ORDER.names or ():
        one = orders[name].copy()
        if name == "side":
            one[3] *= -1
        elif name == "flags":
            one[3] |= ENDS
        elif name == "qty":
            one[3] -= 3
        assert np.array_equal(state.orders[name], one), name
    assert state.keys.tolist() == [0, 0, 0, int(orders["price"][3]) >> 24, 0, 0, 0, 0]
    assert state.wheel.tolist() == [0, 0, 0, 0, 8, 0, 0, 0]
    assert state.inbox[4] == message and state.inbox["row"][3] == 9


@compiled
def test_records_from_outside_are_taken_whole() -> None:
    import numba

    @kernel(numba.void(numba.int64, numba.from_dtype(MESSAGE)[::1]))
    def hand_in(address, messages):  # type: ignore[no-untyped-def]
        s = views(address)
        s.inbox[1] = messages[0]

    state = State(inbox=2)
    one = np.zeros(1, MESSAGE)
    one.view(np.uint8)[:] = np.arange(1, 1 + one.nbytes)
    hand_in(state.address, one)
    assert state.inbox[1] == one[0] and state.inbox[0] == np.zeros(1, MESSAGE)[0]


@compiled
def test_a_price_is_found_among_any_number_of_levels() -> None:
    @kernel("i8(i8,i8,i8)")
    def place_of(address, n, rank):  # type: ignore[no-untyped-def]
        return find(views(address), 3, n, rank)

    state = State(keys=300)
    ranks = np.cumsum(np.random.default_rng(2).integers(1, 3, 297)) - 200
    state.keys[:3] = 1 << 60
    state.keys[3:] = (ranks << LEVEL_BITS) | 7
    for n in (*range(20), 63, 64, 65, 71, 72, 73, 128, 200, 297):
        for rank in range(-202, int(ranks[-1]) + 3):
            assert place_of(state.address, n, rank) == np.searchsorted(ranks[:n], rank), (n, rank)


def test_what_matching_looks_at_in_an_order_is_one_cache_line() -> None:
    fields = dict(ORDER.fields or {})
    hot = (
        "price",
        "qty",
        "gen",
        "row",
        "book",
        "level",
        "next",
        "prev",
        "row_next",
        "row_prev",
        "position",
        "ref",
    )
    for name in (*hot, "side", "flags", "kind", "live"):
        kind, offset = fields[name][:2]
        assert offset + kind.itemsize <= LINE, name
    assert ORDER.itemsize % LINE == 0
