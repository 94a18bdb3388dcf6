"""What several tests share: a small made-up recording, without an engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

os.environ.setdefault("CASCADE_CHECKED", "1")  # every call of a kernel has its arguments checked

from abm.recording import Column, Recording

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background: programs under test would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

BOOKS = ["alpha:BTC-PERP", "beta:BTC-PERP", "alpha:BTC-SPOT"]
VENUES = ["alpha", "beta"]
EDGES = ["alpha->beta:USDT"]
KINDS = ["liquidation", "adl"]


def make_recording(seed: int = 1, steps: int = 20) -> Recording:
    """A recording with every table, NaN, missing names and text in it."""
    draw = np.random.default_rng(seed)
    last = 100.0 + draw.normal(size=(steps, 3)).cumsum(axis=0)
    low = last.copy()
    low[0] = np.nan
    return Recording(
        start=datetime(2025, 10, 10, 20, tzinfo=UTC),
        step=np.arange(steps, dtype=np.int32),
        time=np.arange(1, steps + 1, dtype=np.float64),
        book_names=BOOKS,
        venue_names=VENUES,
        edge_names=EDGES,
        books={"last": last, "low": low, "trades": draw.integers(0, 9, size=(steps, 3))},
        venues={"fund_cash": draw.normal(size=(steps, 2)).astype(np.float32)},
        network={"open": draw.random(size=(steps, 1)) < 0.5},
        events={
            "id": np.arange(4, dtype=np.int64),
            "time": np.array([1.0, 2.0, 2.0, 3.0]),
            "kind": np.array([0, 0, 1, 0], dtype=np.int8),
            "venue": np.array([0, 1, -1, 0], dtype=np.int16),
            "book": np.array([0, 1, -1, 2], dtype=np.int32),
            "value": draw.normal(size=4),
        },
        accounts={
            "end": {
                "row": np.arange(3, dtype=np.int32),
                "owner_name": np.array(["whale", "maker", ""], dtype=object),
                "venue": np.array([0, 0, 1], dtype=np.int16),
                "equity": np.array([1.5, -0.0, np.nan]),
            }
        },
        positions={"end": {"row": np.array([0]), "book": np.array([1]), "quantity": np.array([-2.5])}},
        columns=[
            Column("books", "last", "quote", "price of the last trade"),
            Column("books", "low", "quote", "lowest trade of the step"),
            Column("venues", "fund_cash", "USD", "cash of the fund"),
        ],
        vocabularies={"kind": KINDS},
    )


@pytest.fixture
def recording() -> Recording:
    return make_recording()


@pytest.fixture
def record() -> Callable[..., Recording]:
    return make_recording
