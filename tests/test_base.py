"""A scenario file that begins with another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import config
from experiments.config import ScenarioError


def test_a_scenario_may_begin_with_another_one(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(
        'base = "two_venues"\nnews = []\n[clock]\nduration = 60.0\n[venues.alpha.fees]\ntaker = 0.001\n'
    )
    mine, below = config.load(own), config.load("two_venues")
    assert mine.news == () and mine.clock.duration == 60.0 and mine.clock.step == below.clock.step
    assert (
        mine.venues["alpha"].fees.taker == 0.001
        and mine.venues["alpha"].fees.maker == below.venues["alpha"].fees.maker
    )
    assert mine.population == below.population


def test_a_base_that_does_not_exist_is_told(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('base = "two_venue"\n')
    with pytest.raises(ScenarioError, match="base: given .*did you mean two_venues"):
        config.load(own)


def test_a_calm_day_is_october_without_news_and_without_its_card() -> None:
    calm, october = config.load("calm"), config.load("october_2025")
    assert not calm.news and not calm.network.events and calm.targets is None
    assert calm.population == october.population and calm.clock.duration == 86400.0
