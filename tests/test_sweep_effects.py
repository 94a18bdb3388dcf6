"""Statistics of a sweep, on tables whose truth is known."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.sweep import Study, checked, effects, indices
from experiments.sweep.designs import cells

FACTORS: dict[str, Any] = {
    "a": {"path": "news.0.size", "low": 0.0, "high": 1.0},
    "b": {"path": "venues.*.fees.taker", "low": 0.0, "high": 1.0},
    "c": {"path": "venues.*.fees.maker", "low": 0.0, "high": 1.0},
}


def study(kind: str, **design: Any) -> Study:
    return checked(
        {
            "scenario": "two_venues",
            "factors": FACTORS,
            "outcomes": {"y": {"quantity": "longs"}},
            "design": {"kind": kind, **design},
        }
    )


def runs_of(sampled: Study, law: Any, count: int = 1) -> pd.DataFrame:
    """A table as if every cell had been run: y = law(values) and a little luck that a seed brings to all cells."""
    lines = []
    for cell, seed in itertools.product(cells(sampled), range(1, count + 1)):
        y = law(**cell.values) + 1e-3 * np.random.default_rng(seed).normal()
        lines.append({"cell": cell.number, **cell.values, "seed": seed, "status": "done", "y": y})
    return pd.DataFrame(lines)


def grid(law: Any, count: int, *values: list[Any]) -> pd.DataFrame:
    lines = []
    for number, chosen in enumerate(itertools.product(*values)):
        for seed in range(1, count + 1):
            luck = np.random.default_rng(seed)
            line = dict(zip("abc", chosen, strict=False))
            lines.append({"cell": number, **line, "seed": seed, "status": "done", "y": law(luck, **line)})
    return pd.DataFrame(lines)


def ishigami(a: float, b: float, c: float) -> float:
    """The usual test function of Sobol's indices (Ishigami and Homma 1990), on the unit cube."""
    x, y, z = (np.pi * (2 * value - 1) for value in (a, b, c))
    return float(np.sin(x) + 7.0 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x))


def test_sobol_indices_of_a_function_that_is_known() -> None:
    sampled = study("saltelli", samples=1024)
    found = indices.sobol(sampled, runs_of(sampled, ishigami), "y").set_index("factor")
    # exact: first 0.314, 0.442, 0; total 0.558, 0.442, 0.244
    for factor, first, total in (("a", 0.314, 0.558), ("b", 0.442, 0.442), ("c", 0.0, 0.244)):
        line = found.loc[factor]
        assert line["first"] == pytest.approx(first, abs=0.05)
        assert line["total"] == pytest.approx(total, abs=0.05)
        assert line["first_low"] < first < line["first_high"]


def test_morris_tells_what_matters_from_what_does_not_and_curves_from_lines() -> None:
    sampled = study("morris", trajectories=20)
    found = indices.morris(sampled, runs_of(sampled, lambda a, b, c: 3 * a + 8 * (b - 0.5) ** 2), "y")
    found = found.set_index("factor")
    assert found.loc["a", "mu_star"] == pytest.approx(3.0, abs=0.01)
    assert found.loc["c", "mu_star"] == pytest.approx(0.0, abs=0.01)
    assert found.loc["b", "sigma"] > 1.0 > found.loc["a", "sigma"]


def test_a_block_without_a_result_is_left_out_whole() -> None:
    sampled = study("morris", trajectories=10)
    table = runs_of(sampled, lambda a, b, c: 3 * a)
    table.loc[table["cell"] == 5, "status"] = "failed"
    found = indices.morris(sampled, table, "y").set_index("factor")
    assert found.loc["a", "mu_star"] == pytest.approx(3.0, abs=0.01) and found.loc["a", "left_out"] == 1


def test_shapley_shares_add_up_and_divide_what_is_joint() -> None:
    cube = np.zeros((2, 2, 2))
    for a, b, c in itertools.product(range(2), repeat=3):
        cube[a, b, c] = 2 * a + 4 * a * b
    change = indices.shares_of_change(cube)
    assert change.tolist() == pytest.approx([2 + 2, 2, 0])  # the joint 4 in equal parts
    carried = indices.shares_of_variance(cube)
    assert carried.sum() == pytest.approx(cube.var()) and carried[2] == pytest.approx(0.0)


def test_shapley_intervals_hold_the_truth() -> None:
    table = grid(lambda luck, a, b: 2 * a + b + 0.2 * luck.normal(), 40, [0, 1], [0, 1])
    found = indices.attributed(table, ["a", "b"], "y", common=True).set_index("factor")
    assert found.loc["a", "change"] == pytest.approx(2.0, abs=1e-9)  # common luck cancels in differences
    assert found.loc["a", "share_low"] <= 0.8 + 1e-9 <= found.loc["a", "share_high"] + 2e-9


def test_pairs_of_one_seed_see_what_luck_hides() -> None:
    # luck of size 10, a policy worth 0.5: two heaps of runs overlap, pairs do not
    table = grid(lambda luck, a, b: 10 * luck.normal() + 0.5 * (a == "new"), 30, ["old", "new"], [1, 2])
    (line,) = effects.pairs(table, ["a", "b"], "a", "y").to_dict("records")
    assert (line["a"], line["b"]) == ("old", "new")
    assert line["median"] == pytest.approx(0.5) and line["low"] > 0.49 and line["larger"] == 1.0
    assert line["p"] < 1e-4
    spread = effects.cells(table, ["a"], "y", (0.5,))
    assert spread["q50_low"].max() < spread["q50_high"].min()  # the intervals of the heaps overlap


def test_a_policy_with_a_base_is_compared_with_that_alone() -> None:
    table = grid(lambda luck, a: luck.normal() + (a == "new"), 5, ["old", "new", "other"])
    found = effects.pairs(table, ["a"], "a", "y", "new")[["a", "b", "median"]].to_numpy().tolist()
    assert found == [["new", "old", pytest.approx(-1.0)], ["new", "other", pytest.approx(-1.0)]]
    assert effects.pairs(table, ["a"], "a", "y", "gone").empty  # its runs could tell nothing


def test_two_peaks_are_found_and_one_is_not() -> None:
    def law(luck: Any, a: str) -> float:
        return float(luck.normal() + (6.0 if a == "two" and luck.random() < 0.5 else 0.0))

    found = effects.two_peaks(grid(law, 200, ["one", "two"]), ["a"], "y").set_index("a")
    assert found.loc["two", "corrected"] < 0.01 and found.loc["one", "corrected"] > 0.2
    assert effects.two_peaks(grid(law, 5, ["one"]), ["a"], "y").empty  # five runs say nothing
    calm = grid(lambda luck, a: max(float(luck.normal()), 0.0), 200, ["half are zero"])
    assert effects.two_peaks(calm, ["a"], "y").empty  # a heap of equal values is no peak of a continuous law


def test_holm_corrects_for_the_number_of_tests() -> None:
    assert effects.holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_the_border_is_where_the_median_crosses() -> None:
    table = grid(lambda luck, a, b: a - b + 0.1 * luck.normal(), 30, [1.0, 2.0, 3.0, 4.0], [0.0, 1.0])
    found = effects.boundary(table, ["a", "b"], "y", "a", 1.5).set_index("b")
    for b in (0.0, 1.0):
        assert found.loc[b, "low"] <= found.loc[b, "at"] <= found.loc[b, "high"]
        assert found.loc[b, "at"] == pytest.approx(1.5 + b, abs=0.1) and found.loc[b, "found"] == 1.0
    assert np.isnan(effects.boundary(table, ["a", "b"], "y", "a", 99.0)["at"]).all()


def test_quantiles_have_intervals_that_shrink_with_runs() -> None:
    few, many = (
        effects.cells(grid(lambda luck, a: luck.normal(), count, ["x"]), ["a"], "y", (0.5,)).iloc[0]
        for count in (10, 400)
    )
    assert few["q50_high"] - few["q50_low"] > 3 * (many["q50_high"] - many["q50_low"])


def test_a_heavy_tail_does_not_move_the_numbers() -> None:
    calm = grid(lambda luck, a: float(luck.normal()), 99, ["x"])
    wild = calm.copy()
    wild.loc[0, "y"] = 1e9
    (one,), (two,) = (effects.main_effects(table, ["a"], "y").to_dict("records") for table in (calm, wild))
    assert two["median"] == pytest.approx(one["median"], abs=0.1) and two["high"] < 1.0


def test_too_few_replicates_are_said() -> None:
    few = grid(lambda luck, a: float(luck.normal()), 12, ["x"])
    few.loc[3, "status"] = "failed"
    said = " ".join(effects.warnings(few, ["a"], ["y"]))
    assert "1 of 12 runs failed" in said and "need 200" in said
    enough = grid(lambda luck, a: float(luck.normal()), 200, ["x"])
    assert effects.warnings(enough, ["a"], ["y"]) == []


def test_ranks_have_the_sign_of_the_effect() -> None:
    sampled = study("latin", samples=64)
    found = effects.ranks(runs_of(sampled, lambda a, b, c: a**3 - b), ["a", "b", "c"], "y").set_index(
        "factor"
    )
    assert found.loc["a", "low"] > 0 > found.loc["b", "high"]
    assert found.loc["c", "low"] < 0 < found.loc["c", "high"]
