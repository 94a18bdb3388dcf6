"""The calendar: nothing early, nothing twice; news by a keyed law; funding by the UTC clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.calendar import (
    Deliveries,
    NewsDelay,
    learning_delays,
    milliseconds,
)

START = datetime(2025, 10, 10, 20, tzinfo=UTC)
KEYS = np.arange(50_000, dtype=np.int64)


def test_utc_times_become_milliseconds_whatever_the_zone() -> None:
    east = timezone(timedelta(hours=9))
    assert milliseconds(START, datetime(2025, 10, 10, 20, 50, tzinfo=UTC)) == 3_000_000
    assert milliseconds(START, datetime(2025, 10, 11, 5, 50, tzinfo=east)) == 3_000_000
    assert milliseconds(START, datetime(2025, 10, 10, 19, 58, tzinfo=UTC)) == -120_000


@given(st.lists(st.integers(0, 10_000), max_size=50), st.sampled_from([250, 500, 1000, 2000]))
def test_deliveries_reach_each_receiver_once_in_order(times: list[int], step: int) -> None:
    deliveries = Deliveries(np.array(times, np.int64))
    seen: list[int] = []
    for now in range(0, 12_000, step):
        due = deliveries.due(now, step)
        assert all(now - step < times[i] <= now for i in due)
        seen.extend(int(i) for i in due)
        assert deliveries.arrived(now) == len(seen)
    assert seen == sorted(range(len(times)), key=lambda i: (times[i], i))


@given(st.lists(st.integers(0, 10_000), max_size=30), st.lists(st.integers(0, 12), max_size=20))
def test_what_is_due_does_not_depend_on_what_was_asked_before(times: list[int], asked: list[int]) -> None:
    deliveries = Deliveries(np.array(times, np.int64))
    for second in asked:  # a run that was resumed asks out of turn
        due = deliveries.due(1000 * second, 1000)
        assert sorted(due.tolist()) == [
            i for i, time in enumerate(times) if 1000 * (second - 1) < time <= 1000 * second
        ]


def test_delays_follow_the_stated_medians_and_shares() -> None:
    broad = learning_delays(NewsDelay(fast_share=0.0), KEYS, seed=1)
    assert np.median(broad) == pytest.approx(900_000, rel=0.02)
    assert np.log(broad / 900_000).std() == pytest.approx(1.0, rel=0.02)
    fast = learning_delays(NewsDelay(fast_share=1.0, fast_median=120.0, fast_spread=0.5), KEYS, seed=1)
    assert np.median(fast) == pytest.approx(120_000, rel=0.02)
    assert np.log(fast / 120_000).std() == pytest.approx(0.5, rel=0.02)
    mixed = learning_delays(
        NewsDelay(fast_share=0.4, fast_median=10.0, fast_spread=0.0, slow_spread=0.0), KEYS, seed=1
    )
    assert (mixed == 10_000).mean() == pytest.approx(0.4, abs=0.01)
    assert set(np.unique(mixed)) == {10_000, 900_000}


def test_an_owners_delay_does_not_depend_on_who_else_is_there() -> None:
    everyone = learning_delays(NewsDelay(), KEYS, seed=3)
    some = learning_delays(NewsDelay(), KEYS[7::13], seed=3)
    assert np.array_equal(everyone[7::13], some)
    assert not np.array_equal(everyone, learning_delays(NewsDelay(), KEYS, seed=4))
    assert not np.array_equal(everyone, learning_delays(NewsDelay(), KEYS, seed=3, news=1))
