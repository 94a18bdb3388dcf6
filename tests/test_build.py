"""From a scenario and a seed to a model: the same inputs give the same state, bit for bit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from abm.model import CascadeModel
from abm.recording import Recording
from experiments import config
from experiments.build import build
from experiments.config import ScenarioError

# as small as the scenario gets: enough to build, not to wait for
SMALL = [
    ("population.longs.opening.accounts", "40"),
    ("population.holders.opening.accounts", "30"),
    ("population.shorts.opening.accounts", "50"),
    ("contracts.BTC.open_interest", "1e7"),
    ("clock.burn_in", "5"),
    ("clock.duration", "15"),
    ("news", "[]"),
]


def state_of(model: CascadeModel) -> dict[str, np.ndarray]:
    """Every array of the model's snapshot, by its path."""

    def arrays(value: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from arrays(item, f"{path}/{name}")
        elif isinstance(value, np.ndarray):
            yield path, value

    return dict(arrays(model.snapshot(), ""))


def same(one: np.ndarray, two: np.ndarray) -> bool:
    """Equal in every field of a record, but for where it lies in memory; padding is nobody's."""
    if one.dtype.names:
        return all(same(one[name], two[name]) for name in one.dtype.names if name != "address")
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def test_the_two_venues_scenario_is_in_order_and_reads_its_own_resolved_file() -> None:
    scenario = config.load("two_venues")
    assert config.loads(config.dump(scenario)) == scenario


def test_one_seed_builds_one_state() -> None:
    scenario = config.load("two_venues", SMALL)
    one, two, other = (state_of(build(scenario, seed)) for seed in (1, 1, 2))
    assert one.keys() == two.keys()
    assert "/tables/rows" in one
    for name in one:
        assert same(one[name], two[name]), name
    assert any(not same(one[name], other[name]) for name in one.keys() & other.keys())


def test_one_seed_steps_to_one_state() -> None:
    scenario = config.load("two_venues", SMALL)
    models = [build(scenario, 1, check=True) for _ in range(2)]
    for model in models:
        model.run(20)
    one, two = map(state_of, models)
    assert one.keys() == two.keys()
    for name in one:
        assert same(one[name], two[name]), name


def test_participants_decide_in_the_order_of_the_file() -> None:
    scenario = config.load("two_venues", SMALL)
    model = build(scenario, 1, record=False)
    assert [participant.name for participant in model.participants] == list(scenario.population)


def test_a_book_that_does_not_match_is_told_as_a_fault_of_the_scenario() -> None:
    scenario = config.load("two_venues", [*SMALL, ("population.holders.opening.share", "{major = 0.1}"),
                                          ("population.holders.opening.rest", "false")])  # fmt: skip
    with pytest.raises(ScenarioError, match=r"the long side of alpha:BTC-PERP holds"):
        build(scenario, 1)


def recorded(*overrides: tuple[str, str], seed: int = 1) -> Recording:
    """The whole two_venues run."""
    model = build(config.load("two_venues", overrides), seed)
    model.run()
    return model.recorder.finish()


def test_more_money_than_an_integer_holds_is_refused_before_anything_runs() -> None:
    scenario = config.load("two_venues", [("population.makers.opening.cash", "{major = 1e9}")])
    with pytest.raises(
        ScenarioError, match=r"opening: accounts with 2e\+17 USDT in all, expected at most 2.31e\+12"
    ):
        build(scenario, seed=1)


def test_news_of_four_per_cent_makes_a_cascade_that_is_larger_than_the_news() -> None:
    run = recorded()
    low = np.nanmin(run.books["low"], axis=0) / 116605.1 - 1.0
    assert (low[[0, 2]] < -0.05).all()  # both perpetuals
    assert (run.venues["liquidated_long"].sum(axis=0) > 1e6).all()  # USD, on both venues
    assert run.venues["adl"][:, 1].sum() > 0  # the venue without a fund


def test_arbitrageurs_bring_back_the_money_that_the_fall_has_moved() -> None:
    """Here from the venue of the coins, where they sold, to the other one; what an edge moved is what arrived."""
    for seed in range(1, 9):  # until anyone is short of money: with most seeds nobody is
        run = recorded(seed=seed)
        events, kinds, owners = run.events, run.vocabularies["kind"], run.vocabularies["owner_name"]
        sent = events["kind"] == kinds.index("transfer_sent")
        if sent.any():
            break
    assert sent.any() and all(owners[o].startswith("arbitrageurs/") for o in events["owner"][sent])
    arrived = events["value"][events["kind"] == kinds.index("transfer_arrived")].sum()
    assert run.network["moved"].sum() == pytest.approx(arrived, rel=1e-9)
    assert 0 < arrived < events["value"][sent].sum()  # less the fee


@pytest.mark.slow
def test_arbitrageurs_of_october_move_coins_and_money_when_the_fall_has_run_sides_dry() -> None:
    """In the calm hour their own capital carries most gaps and little has to travel."""
    model = build(config.load("october_2025"), seed=1, record=False)
    names, venues, sent = model.accounts.owner_names, len(model.venue_names), {}
    news = 300 + 3000
    for step in range(news + 1200):
        model.step()
        for t in model.network.under_way():
            sent.setdefault(
                int(t["id"]),
                (step, names[t["owner"]], int(t["node_from"]), int(t["node_to"]), int(t["asset"])),
            )
    theirs = [one for one in sent.values() if one[1].startswith("arbitrageurs/")]
    across = {(source, target) for _, _, source, target, _ in theirs if source != target < venues}
    calm = sum(step <= news for step, *_ in theirs)
    fallen = len(theirs) - calm
    assert fallen >= 10 and len(across) >= 3
    assert fallen / 1200 > 5 * calm / news, (fallen, calm)  # a second
    assert len({asset for *_, asset in theirs}) >= 2


def test_a_thinned_record_adds_up_what_flows_and_keeps_the_longest_wait() -> None:
    fine, coarse = recorded(), recorded(("record.every", "60"))
    assert coarse.network["moved"].sum() == pytest.approx(fine.network["moved"].sum(), rel=1e-9)
    longest = fine.venues["gateway_delay"].reshape(-1, 60, 2).max(axis=1)
    assert (coarse.venues["gateway_delay"] == longest).all() and longest.any()


def test_a_model_that_is_over_is_let_go() -> None:
    model = build(config.load("two_venues", SMALL), seed=1)
    model.run(2)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None  # a thousand runs in one process need the memory of one


def test_without_news_nobody_is_liquidated() -> None:
    run = recorded(("news.0.size", "0"))
    assert run.venues["liquidated_long"].sum() + run.venues["liquidated_short"].sum() < 1e5  # USD
    assert np.nanmin(run.books["low"]) > 0.98 * 116605.1
    assert (run.books["spread_bp"].mean(axis=0) < 5).all()


def test_the_same_news_without_leverage_liquidates_nobody_and_falls_less() -> None:
    one = "[[1.0, 1.0, 1.0]]"
    run = recorded(
        ("population.longs.opening.distance", "{}"),
        ("population.shorts.opening.distance", "{}"),
        *((f"population.{name}.opening.leverage", one) for name in ("longs", "holders", "shorts")),
    )
    assert run.venues["liquidated_long"].sum() == 0
    assert run.venues["adl"].sum() == 0
    with_leverage = np.nanmin(recorded().books["low"], axis=0)
    lowest = np.nanmin(run.books["low"], axis=0)
    assert (lowest > with_leverage).all()
    assert (lowest > with_leverage * 1.01)[[0, 2]].all()  # the perpetuals, where positions are closed


def test_every_parameter_of_the_built_in_parts_says_what_it_is_and_where_its_default_comes_from() -> None:
    table = config.parameter_table()
    assert len(table) > 200
    assert [row.path for row in table if not (row.description and row.source)] == []
