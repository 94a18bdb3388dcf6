"""What makers see coming: flow that goes on is expected after a while; only what was not tells anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import surprise
from tests.twins import surprise as plain

CALM, DEPTH = 7e-5, 1e8  # volatility a root second, dollars within 1 %


def told(flow: Any, hours: float = 6.0) -> Any:
    """float64[seconds]: surprise of the makers of one book at a net flow in dollars a second, standard deviations."""
    memory, one, coin = surprise.begin(1), np.ones(1), np.zeros(1, np.int64)
    keep, path, (out, ahead) = np.exp(-1.0 / surprise.TIMES), np.empty(len(flow)), np.empty((2, 1))
    for t, net in enumerate(flow):
        surprise.surprised(
            1.0, np.exp(-1.0 / (3600.0 * hours)), keep, one * abs(net), one * max(net, 0.0), one, coin, CALM * one,
            DEPTH * one, one, 0.01 * one, memory["echo"], memory["weight"], memory["doubt"],
            memory["rarity"], out, ahead,
        )  # fmt: skip
        path[t] = out[0]
    return path


def runs(n: int, seed: int) -> Any:
    """Dollars a second of a flow that goes on for some twenty seconds, and noise of the same size on top."""
    draw = np.random.default_rng(seed)
    slow = np.zeros(n)
    for t in range(1, n):
        slow[t] = 0.95 * slow[t - 1] + 0.31 * draw.normal()
    return 2e5 * (slow + draw.normal(0, 1, n))


def memory(x: Any, lag: int) -> float:
    return float(np.corrcoef(x[:-lag], x[lag:])[0, 1])


@pytest.mark.parametrize("seed", range(10))
def test_the_compiled_regression_is_that_of_matrices(seed: int) -> None:
    draw = np.random.default_rng(seed)
    coins, books, k = 3, 8, len(surprise.TIMES)
    coin = draw.integers(0, coins - 1, books)  # the last coin has no book
    target = np.where(draw.random(books) < 0.3, 1e-9, draw.lognormal(15, 2, books))
    fixed = (
        np.ones(books),
        coin,
        draw.uniform(7e-5, 5e-4, books),
        target,
        draw.uniform(0.06, 1, books),
        np.full(books, 0.01),
    )
    mine, other = surprise.begin(coins), surprise.begin(coins)
    keep, out = np.exp(-1.0 / surprise.TIMES), np.empty((2, coins))
    assert k == len(keep)
    for _ in range(300):
        volume = np.where(draw.random(books) < 0.3, 0.0, draw.lognormal(10, 3, books))
        public = (1.0, 0.999, keep, volume, volume * draw.random(books))
        surprise.surprised(*public, *fixed, mine["echo"], mine["weight"], mine["doubt"], mine["rarity"], *out)
        expected = plain.surprised(
            *public, *fixed, other["echo"], other["weight"], other["doubt"], other["rarity"]
        )
        np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(mine["weight"], other["weight"], rtol=1e-5, atol=1e-9)


def test_runs_of_orders_are_seen_coming_and_what_is_left_has_no_memory() -> None:
    flow = runs(40_000, 1)
    late = told(flow)[10_000:]
    assert memory(flow, 5) > 0.3
    assert abs(memory(late, 5)) < 0.05 and abs(memory(late, 20)) < 0.05
    blind = told(flow)[:50]  # nothing is expected before anything has been seen
    assert np.corrcoef(blind, flow[:50])[0, 1] > 0.9


def test_flow_without_memory_is_all_surprise() -> None:
    flow = 2e5 * np.random.default_rng(2).normal(0, 1, 20_000)
    late = told(flow)[5_000:]
    assert np.corrcoef(late, flow[5_000:])[0, 1] > 0.99


def test_makers_find_out_that_orders_run_longer_than_they_did() -> None:
    """The first hours have no memory, the later ones have: with a memory of an hour the change is learned."""
    flow = np.concatenate([2e5 * np.random.default_rng(3).normal(0, 1, 20_000), runs(20_000, 4)])
    late = told(flow, hours=1.0)[-10_000:]
    assert abs(memory(late, 5)) < 0.06 < 0.3 < memory(flow[-10_000:], 5)


def test_twice_the_flow_tells_less_than_twice_as_much() -> None:
    small, large = (told([flow])[0] for flow in (2e6, 2e7))
    assert small < large < 8.0 * small
    assert told([-2e6])[0] == -small


def test_a_thin_coin_s_flow_tells_as_much_as_a_deep_one_s() -> None:
    """What surprises is measured by what usually does."""
    flow = 2e5 * np.random.default_rng(5).normal(0, 1, 20_000)
    thin, deep = told(flow)[5_000:], told(flow / 5.0)[5_000:]
    assert thin.std() == pytest.approx(1.0, abs=0.1)
    assert deep.std() == pytest.approx(1.0, abs=0.1)
