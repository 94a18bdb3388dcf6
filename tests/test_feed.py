"""What venues tell of their liquidations."""

from __future__ import annotations

import numpy as np
import pytest

from abm.feed import published

#        ms    book  dollars  liquidation?
TRUE = [
    (100, 0, 5.0, True),
    (700, 0, 3.0, True),
    (700, 1, 2.0, True),
    (900, 0, 0.0, True),  # an order that found nobody
    (1000, 0, 7.0, True),  # the end of the first second
    (1001, 0, 4.0, True),
    (1500, 0, 9.0, False),  # auto-deleveraging
]


@pytest.mark.parametrize(
    ("rule", "counted"),
    [
        ("all", [1, 1, 1, 0, 1, 1, 0]),
        ("both_sides", [2, 2, 2, 0, 2, 2, 0]),
        ("latest_per_second", [0, 0, 1, 0, 1, 1, 0]),
        ("none", [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_a_feed_counts_by_its_venues_rule(rule: str, counted: list[int]) -> None:
    time, book, value, closing = (np.array(x) for x in zip(*TRUE, strict=True))
    at = np.zeros(len(TRUE), np.int64)
    assert published([rule], at, book, time, value, closing).tolist() == counted
    assert published(["none", rule], at + 1, book, time, value, closing).tolist() == counted


def test_venues_do_not_hide_each_others_liquidations() -> None:
    one = np.array([500, 600])
    counts = published(
        ["latest_per_second"] * 2, np.array([0, 1]), np.zeros(2), one, np.ones(2), np.ones(2, bool)
    )
    assert counts.tolist() == [1, 1]
