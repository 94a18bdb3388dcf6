"""One digest, whoever drives: the same small cascade in one piece, step by step, in pieces of seven, phase by phase,
by the runner here and in workers.

`test_end_to_end` says the same of the command line, `test_jit` of kernels that check their bounds.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from abm.model import CascadeModel
from experiments import config
from experiments.build import build
from experiments.config import Scenario
from experiments.runner import run_many
from experiments.store import Store
from tests import golden
from tests.test_jit import ROOT, elsewhere

SEED = 3


def cascade() -> Scenario:
    return config.load(golden.FOLDER / "cascade.toml")


def in_one_piece(model: CascadeModel) -> None:
    model.run()


def step_by_step(model: CascadeModel) -> None:
    for _ in range(model.steps_total):
        model.step()


def in_pieces_of_seven(model: CascadeModel) -> None:
    assert model.steps_total % 7 == 0
    while model.step_number < model.steps_total - 7:
        model.run(7)
    model.run(700)  # more than is left


def phase_by_phase(model: CascadeModel) -> None:
    for _ in range(model.steps_total):
        for _, phase in model.phases:
            phase()


def by_turns(model: CascadeModel) -> None:
    """All ways one after the other, another model running in between."""
    other = build(cascade(), SEED + 1)
    while model.step_number < model.steps_total:
        model.run(5)
        other.run(3)
        model.step()
        for _, phase in model.phases:
            phase()


def digest(drive: Callable[[CascadeModel], None], seed: int = SEED) -> str:
    model = build(cascade(), seed)
    drive(model)
    assert model.recorder is not None
    return model.recorder.finish().digest()


@pytest.fixture(scope="module")
def expected() -> str:
    return digest(in_one_piece)


@pytest.mark.parametrize("drive", [step_by_step, in_pieces_of_seven, phase_by_phase, by_turns])
def test_how_a_model_is_stepped_does_not_matter(drive: Callable[[CascadeModel], None], expected: str) -> None:
    assert digest(drive) == expected


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_how_many_processes_run_does_not_matter(jobs: int, expected: str, tmp_path: Path) -> None:
    """Three seeds by one process or by two, in an order that leaves the seed in question to wait for one of them."""
    seeds = [SEED + 2, SEED + 1, SEED]
    store = Store(tmp_path / "store")
    outcomes = run_many({"cascade": cascade()}, seeds, out=tmp_path, jobs=jobs, progress=False, store=store)
    digests = {outcome.job.seed: outcome.open().digest for outcome in outcomes}
    assert digests[SEED] == expected
    assert digests[SEED + 1] == digest(in_one_piece, SEED + 1)
    assert len(set(digests.values())) == 3


@pytest.mark.slow
def test_a_fresh_copy_in_another_place_is_the_same_market(tmp_path: Path, expected: str) -> None:
    """Its kernels compiled anew, another order of sets and dicts of texts, another time and place."""
    copy = tmp_path / "a copy"
    for folder in ("abm", "agents", "experiments", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "results"))
    code = """
import abm
from tests.test_drivers import digest, in_one_piece

print(abm.__file__, digest(in_one_piece), sep="|")
"""
    told = elsewhere(
        code,
        copy,
        PYTHONHASHSEED="7",
        PYTHONPATH="",
        CASCADE_CACHE=str(tmp_path / "kernels"),
        TZ="Asia/Tokyo",
    )
    assert told.split("|") == [str(copy / "abm" / "__init__.py"), expected]


@pytest.mark.slow
def test_a_market_without_the_compiler_is_the_same_market() -> None:
    code = "from abm import jit; from tests import golden; print(jit.INTERPRETED, golden.run('cascade')['digest'])"
    expected = golden.run("cascade")["digest"]
    assert elsewhere(code, NUMBA_DISABLE_JIT="1").split() == ["True", expected]
