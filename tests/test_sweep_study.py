"""Studies: a file that is checked as a whole, factors that become settings, designs that cover what they promise."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import config
from experiments.sweep import Study, StudyError, checked, load, loads, plan, planning
from experiments.sweep.designs import block, cells, places
from experiments.sweep.factors import Factor, shares_of
from experiments.sweep.outcomes import Outcome
from experiments.sweep.place import place
from experiments.sweep.planning import costs, settings_of, summary
from experiments.sweep.study import STUDIES, Boundary, Design, Replicates, Wanted, dump

SHORT = {"clock.duration": 20.0, "clock.burn_in": 5.0, "news.0.time": "2025-10-10T20:00:05Z"}
TWO: dict[str, Any] = {
    "fee": {"path": "venues.*.fees.taker", "values": [0.0002, 0.0005]},
    "news": {"path": "news.0.size", "values": [-0.02, -0.04, -0.06]},
}


def study(**changes: Any) -> Study:
    raw: dict[str, Any] = {
        "scenario": "two_venues",
        "settings": SHORT,
        "factors": TWO,
        "outcomes": {"longs": {"quantity": "longs"}},
    }
    return checked({**raw, **changes})


def faults(**changes: Any) -> list[str]:
    with pytest.raises(StudyError) as error:
        study(**changes)
    return error.value.faults


# the file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.toml")))
def test_every_ready_study_is_in_order(name: str) -> None:
    planned = plan(load(name))
    assert not [cell for cell in planned.cells if cell.faults]
    assert planned.study.title and planned.study.question
    assert planned.runs == len(planned.cells) * planned.study.replicates.count


def test_all_faults_at_once() -> None:
    said = faults(
        factors={
            "fee": {"path": "venues.*.fees.taker"},
            "news": {"levels": {"a": {}, "b": {}}, "values": [1]},
        },
        outcomes={"longs": {"quantity": "longs", "events": "adl"}},
        design={"kind": "girds"},
        replicates={"count": 0},
        wrong=1,
    )
    for part in (
        "factors.fee: expected values, or low and high",
        "factors.news: levels are its values",
        "outcomes.longs: expected exactly one of quantity, row, fact, column, events, function; quantity and",
        "design.kind: given",
        "replicates.count: given 0, expected a whole number between 1",
        "wrong: no such parameter",
    ):
        assert any(line.startswith(part) for line in said), (part, said)


def test_a_relative_factor_multiplies_what_each_place_has() -> None:
    planned = plan(
        study(
            scenario="calm_small",  # on a base of its own: what is not written in its file counts, too
            settings={"clock.duration": 60.0},
            factors={"fund": {"path": "venues.*.fund.cash", "relative": True, "values": [0.5, 2.0]}},
            outcomes={"spread": {"fact": "F9"}},
        )
    )
    assert planned.resolve is not None
    cash = [{name: venue["fund"]["cash"] for name, venue in planned.resolve(cell.values)["venues"].items()}
            for cell in planned.cells]  # fmt: skip
    assert cash == [{"alpha": 2e6, "beta": 0.0}, {"alpha": 8e6, "beta": 0.0}]
    words = {"fund": {"path": "venues.*.fund.rule", "relative": True, "values": [0.5, 2.0]}}
    with pytest.raises(StudyError, match="factors.fund: relative, and the scenario has no number"):
        plan(study(factors=words))


def test_names_that_do_not_exist_are_all_told() -> None:
    said = faults(
        outcomes={
            "a": {"quantity": "longz"},
            "b": {"column": "liquidated_lung"},
            "c": {"row": "99"},
            "d": {"events": "adl", "sum": "valu"},
            "e": {"function": "nobodys:loss"},
        }
    )
    assert len(said) == 5
    assert 'outcomes.a.quantity: given "longz", did you mean longs?' in said
    assert 'outcomes.e.function: given "nobodys:loss", no file nobodys.py was named with --with' in said


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"report": {"boundary": {"outcome": "short", "along": "news", "level": 1.0}}}, "report.boundary.outcome"),
        ({"report": {"maps": [["longs", "fee", "moon"]]}}, "report.maps.0: moon: no such factor"),
        ({"report": {"policies": ["fee"]}, "replicates": {"seeds": "independent"}}, "report.policies: pairs"),
        ({"design": {"kind": "sobol", "samples": 48}}, "design.samples: given 48, expected a power of 2"),
        ({"design": {"kind": "list"}}, "cells: nothing given"),
        ({"design": {"kind": "list"}, "cells": [{"fee": 1.0, "new": 2}]}, "cells.0.new: no such factor, did you mean"),
        ({"outcomes": {"fee": {"quantity": "longs"}}}, "outcomes.fee: a factor has this name"),
        ({"outcomes": {"seed": {"quantity": "longs"}}}, "seed: the table of results has such a column"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(changes: dict[str, Any], fault: str) -> None:
    assert any(line.startswith(fault) for line in faults(**changes))


def test_a_path_that_is_not_there_ends_the_study() -> None:
    with pytest.raises(StudyError, match="venues has no gamma"):
        plan(study(factors={"fee": {"path": "venues.gamma.fees.taker", "values": [0.0, 0.1]}}))


def test_a_cell_out_of_order_is_a_cell_and_all_of_them_are_the_study() -> None:
    planned = plan(study(factors={"fee": {"path": "venues.*.fees.taker", "values": [0.0002, 3.0]}}))
    assert [bool(cell.faults) for cell in planned.cells] == [False, True]
    assert planned.cells[1].faults[0].startswith("venues.alpha.fees.taker: given 3")
    with pytest.raises(StudyError, match="expected a number between"):
        plan(study(factors={"fee": {"path": "venues.*.fees.taker", "values": [2.0, 3.0]}}))


def test_a_study_written_out_is_the_same_study() -> None:
    ready = load("network_map")
    again = checked(dump(ready))
    assert dump(again) == dump(ready)
    assert [cell.content for cell in plan(again).cells] == [cell.content for cell in plan(ready).cells]


def test_a_scenario_beside_its_study_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(config.dump(config.load("two_venues")))
    (tmp_path / "study.toml").write_text(
        'scenario = "mine.toml"\n[factors.news]\npath = "news.0.size"\nvalues = [-0.01, -0.02]\n'
        '[outcomes.longs]\nquantity = "longs"\n'
    )
    assert len(plan(load(tmp_path / "study.toml")).cells) == 2


def test_text_that_is_no_toml() -> None:
    with pytest.raises(StudyError, match="expected valid TOML"):
        loads("scenario = ")


def test_every_key_is_in_the_manual() -> None:
    manual = (Path(__file__).resolve().parents[1] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    for model in (Study, Design, Replicates, Boundary, Wanted, Factor, Outcome):
        for name, declared in model.model_fields.items():
            if model is Study and name in ("name", "origin"):
                continue  # set when the file is read
            assert re.search(rf"\b{declared.alias or name}\b", manual), f"{model.__name__}.{name}"


# factors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0.25, 0.3, 0.5, 0.9, 0.99])
def test_shares_have_the_concentration_asked_for(index: float) -> None:
    shares = np.array(shares_of(index, 4))
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)
    assert (shares**2).sum() == pytest.approx(index, abs=1e-6)
    assert (np.diff(shares) <= 1e-9).all()


def test_concentration_leaves_open_interest_depth_and_capital_as_they_are() -> None:
    from experiments.population import planned

    totals = []
    for index in (0.25, 0.8):
        factor = load("leverage_transfers_concentration").factors["concentration"]
        settings = [(path, repr(value)) for path, value in factor.settings(index)]
        scenario = config.load("four_venues", settings)
        assert sum(venue.fund.cash for venue in scenario.venues.values()) == pytest.approx(4e6)
        opening = planned(scenario, 1)
        desks = np.isin(opening.entry, ["arbitrageurs", "makers", "dip_buyers"])
        money = (opening.asset == "USDT") & desks[opening.deposit_row]
        totals.append(
            (opening.terms.lots.sum(), opening.units[money].sum(), opening.lots[opening.lots > 0].sum())
        )
    (interest, money, longs), (interest_too, money_too, longs_too) = totals
    assert interest_too == pytest.approx(interest, abs=4)  # lots: shares are cut to whole ones
    assert money_too == pytest.approx(money, rel=1e-6)
    assert longs_too == pytest.approx(longs, abs=4)


def test_levels_named_by_numbers_are_numbers() -> None:
    stop = load("network_map").factors["stop"]
    assert stop.all == (0, 2, 4, 8) and stop.ordered
    assert stop.settings(0) == [("network.events", [])]
    assert not load("adl_fund").factors["rule"].ordered


def test_a_log_scale_is_even_in_logarithms() -> None:
    factor = Factor(path="x.y", low=1.0, high=100.0, scale="log")
    assert factor.at(0.5) == pytest.approx(10.0)
    assert Factor(path="x.y", low=1, high=5, whole=True).at(0.49) == 3
    assert Factor(path="x.y", values=(1.0, 2.0), times=1e6).settings(2.0) == [("x.y", 2e6)]


# designs ----------------------------------------------------------------------------------------------------


def test_a_grid_has_every_combination_once() -> None:
    found = {tuple(cell.values.values()) for cell in cells(study())}
    assert found == set(itertools.product([0.0002, 0.0005], [-0.02, -0.04, -0.06]))


def test_a_factorial_has_the_corners_and_a_star_its_arms() -> None:
    corners = cells(study(design={"kind": "factorial"}))
    assert {tuple(cell.values.values()) for cell in corners} == set(
        itertools.product([0.0002, 0.0005], [-0.02, -0.06])
    )
    factors = {**TWO, "news": {**TWO["news"], "base": -0.04}}
    star = cells(study(design={"kind": "one_at_a_time"}, factors=factors))
    assert star[0].values == {"fee": 0.0002, "news": -0.04}
    assert len(star) == 1 + 1 + 2
    for cell in star[1:]:
        assert sum(cell.values[name] != star[0].values[name] for name in TWO) == 1


@pytest.mark.parametrize("kind", ["latin", "sobol"])
def test_a_sampled_design_fills_every_slice_of_every_factor(kind: str) -> None:
    factors = {
        "fee": {"path": "venues.*.fees.taker", "low": 0.0, "high": 0.001},
        "news": {"path": "news.0.size", "low": -0.08, "high": 0.0},
    }
    sampled = study(design={"kind": kind, "samples": 16}, factors=factors)
    unit = places(sampled)
    assert unit.shape == (16, 2)
    for column in unit.T:
        assert sorted(np.floor(column * 16).astype(int)) == list(range(16))
    assert (places(sampled) == unit).all()  # the same draws each time


def test_morris_moves_one_factor_a_step_and_saltelli_has_its_blocks() -> None:
    factors = {
        "fee": {"path": "venues.*.fees.taker", "low": 0.0, "high": 0.001},
        "news": {"path": "news.0.size", "low": -0.08, "high": 0.0},
    }
    walk = study(design={"kind": "morris", "trajectories": 5}, factors=factors)
    unit = places(walk).reshape(5, block(walk), 2)
    assert ((np.diff(unit, axis=1) != 0).sum(axis=2) == 1).all()
    saltelli = study(design={"kind": "saltelli", "samples": 8}, factors=factors)
    assert len(cells(saltelli)) == 8 * block(saltelli) == 32


# the plan ---------------------------------------------------------------------------------------------------


def test_common_seeds_are_the_same_in_all_cells_and_independent_ones_in_none() -> None:
    common = plan(study(replicates={"count": 3, "first": 5}))
    assert {cell.seeds for cell in common.cells} == {(5, 6, 7)}
    apart = plan(study(replicates={"count": 3, "seeds": "independent"}))
    drawn = [seed for cell in apart.cells for seed in cell.seeds]
    assert len(set(drawn)) == len(drawn) == 18


def test_a_sweep_goes_seed_by_seed_through_all_cells() -> None:
    planned = plan(study(replicates={"count": 2}))
    order = [(seed, cell.number) for _, cell, seed in planned.turns()]
    assert order == [(seed, cell) for seed in (1, 2) for cell in range(6)]


def test_a_plan_that_was_made_before_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = plan(study())
    worked_out = []
    content = planning._content
    monkeypatch.setattr(planning, "_content", lambda *given: worked_out.append(given) or content(*given))
    again = plan(study(outcomes={"adl": {"quantity": "adl"}}), first.dump())
    assert [cell.content for cell in again.cells] == [cell.content for cell in first.cells]
    assert again.task(again.cells[3], 1, "").config["news"][0]["size"] == -0.02 and not worked_out
    plan(study(settings={**SHORT, "clock.duration": 30.0}), first.dump())
    assert len(worked_out) == 6  # made of something else


def test_the_plan_says_what_it_will_cost(tmp_path: Path) -> None:
    planned = plan(study(replicates={"count": 2}))
    cost = costs(planned, place(tmp_path))
    assert cost.left == 12 and cost.seconds > 0 and cost.bytes > 10_000
    said = "\n".join(summary(planned, cost, 2))
    assert "6 cells x 2 common seeds = 12 runs, 0 there, 12 left" in said and "5-95 % need 200" in said
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_does_not_hide_other_faults(tmp_path: Path) -> None:
    """A factor without values, a scenario that is none and an outcome that nobody knows: three lines at once."""
    path = tmp_path / "bad.toml"
    path.write_text(
        'title = "x"\nscenario = "four_venuez"\n[factors.a]\npath = "news.0.size"\nvalues = []\n'
        '[outcomes.z]\nquantity = "nope"\n'
    )
    with pytest.raises(StudyError) as told:
        load(path)
    assert [line.partition(":")[0].split(".")[0] for line in told.value.faults] == [
        "factors",
        "outcomes",
        "scenario",
    ]


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.toml")))
def test_the_settings_of_a_cell_make_its_market(name: str) -> None:
    planned = plan(load(name, seeds=1))
    settings = settings_of(planned.study)
    assert planned.resolve is not None
    for cell in (planned.cells[0], planned.cells[len(planned.cells) // 2], planned.cells[-1]):
        again = config.load(planned.study.scenario, settings(cell.values))
        assert config.plain(again) == planned.resolve(cell.values)
