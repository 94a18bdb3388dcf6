"""Claims about books that are called: demand schedules as ladders, and the published models that trade in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import ladder
from experiments.validate import leverage, overlap, target
from experiments.validate.lab import Lab


def test_a_ladder_says_at_every_price_what_is_wanted_beyond_what_is_held() -> None:
    draw = np.random.default_rng(1)
    wanted = np.sort(draw.random((50, 20)) * 10.0, axis=1)[:, ::-1]  # falls as the price rises
    held = draw.random(50) * 10.0
    bids, offers = ladder.rungs(wanted, held)
    bought = np.cumsum(bids[:, ::-1], axis=1)[:, ::-1]  # all bids at and above a price
    sold = np.cumsum(offers, axis=1)
    np.testing.assert_allclose(held[:, None] + bought - sold, wanted, atol=1e-12)
    assert (bids >= 0).all() and (offers >= 0).all() and (bids * offers == 0).all()


def test_who_wants_more_when_it_is_dearer_is_read_as_wanting_the_same() -> None:
    bids, offers = ladder.rungs(np.array([[3.0, 1.0, 2.0, 5.0]]), np.array([2.0]))
    assert bids.tolist() == [[1.0, 0.0, 0.0, 0.0]] and offers.tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_a_grid_is_fine_near_its_centre_and_reaches_its_ends() -> None:
    grid = ladder.offsets(0.001, 1.25, 0.5)
    assert grid[len(grid) // 2] == 0.0 and grid[-1] >= 0.5 and (np.diff(grid) > 0).all()
    np.testing.assert_allclose(grid, -grid[::-1])
    assert np.diff(grid).min() < 0.001 <= grid[len(grid) // 2 + 1]


def test_hills_index_of_a_pareto_tail_is_its_exponent() -> None:
    moves = np.random.default_rng(2).pareto(3.0, 200_000) + 1.0
    index, error = leverage.hill(moves)
    assert abs(index - 3.0) < 3.0 * error and error < 0.15


def rows(module: Any, folder: Path, **parameters: Any) -> dict[str, dict[str, Any]]:
    found = module.rows(module.Parameters(**parameters), Lab(folder, jobs=1, progress=False))
    return {row["id"]: row for row in found}


@pytest.mark.slow
def test_failures_spread_above_a_threshold_of_leverage_and_most_at_a_middling_diversification(
    tmp_path: Path,
) -> None:
    table = rows(overlap, tmp_path, markets=12, funds=20, coins=20)
    assert all(table[name]["pass"] for name in ("B22.a", "B22.b", "B22.c")), table


@pytest.mark.slow
def test_a_leverage_target_rests_then_swings_then_breaks_and_a_slow_bank_is_safer(tmp_path: Path) -> None:
    table = rows(target, tmp_path, markets=4, calls=600)
    assert all(table[name]["pass"] for name in ("B7.a", "B7.b", "B7.c", "B7.d")), table


@pytest.mark.slow
@pytest.mark.parametrize("species", ["funds", "banks", "portfolios"])
def test_called_markets_conserve_every_coin_and_every_dollar(tmp_path: Path, species: str) -> None:
    """Conservation is checked after every phase of every step; a fault would end the run."""
    scenario = {
        "funds": lambda: leverage._scenario(leverage.Parameters(leverages=(10.0,)), 1, 10),
        "banks": lambda: target._scenario(target.Parameters(), [(0.25, 0.3)], 2, 100),
        "portfolios": lambda: overlap._scenario(overlap.Parameters(funds=10, coins=5), 2, 20.0, 3.0),
    }[species]()
    work = Lab(tmp_path, jobs=1, progress=False)
    run = work.run("checked", {species: scenario}, [1], check=True)[species][0]
    assert sum(float(np.nansum(run.column("volume", book=book))) for book in run.books) > 0
