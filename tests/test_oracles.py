"""Claims about price-time priority, held against books that others wrote: the same stream makes the same tape.

The tape is (maker, taker, price, lots). Takers are compared by order; a maker by its account, and 65,536 accounts take
turns, so that two orders of one account hardly ever rest at once.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from tests.bench.engine import Engine
from tests.bench.streams import walk
from tests.twins.oracles import Bourse, OrderlyChaos

ACCOUNTS = 65_536
BOOKS = {"thin": (20, 6), "deep": (20_000, 400)}  # resting at the start, ticks


def missing(name: str) -> Any:
    """Skip where an oracle does not install: bourse has wheels up to Python 3.11, orderly-chaos needs g++."""
    gone = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(gone, reason=f"{name} is not installed (extra `oracles`)")


ORACLES = [
    pytest.param(Bourse, marks=missing("bourse")),
    pytest.param(OrderlyChaos, marks=missing("orderly_chaos")),
]


def compare(book: str, count: int, seed: int, oracle: Any) -> None:
    """Feed both and compare the tape and what rests."""
    stream = walk(count, *BOOKS[book], seed)
    engine = Engine(stream, ACCOUNTS)
    idle = engine.in_blocks()
    other = oracle()
    other.replay(stream[~idle])
    tape = other.tape()
    assert len(tape) > count // 10, "a stream that hardly trades proves little"
    tape[:, 0] %= ACCOUNTS
    assert np.array_equal(engine.tape(), tape)
    for side in (1, -1):
        assert engine.depth(side) == other.depth(side)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("book", BOOKS)
def test_a_book_that_others_wrote_trades_alike(oracle: Any, book: str) -> None:
    compare(book, 20_000, 1, oracle)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("book", BOOKS)
def test_ten_million_messages_without_a_difference(oracle: Any, book: str, seed: int) -> None:
    """2 books x 6 seeds x 850,000 messages: 10.2 million to each of the two."""
    compare(book, 850_000, 100 + seed, oracle)
