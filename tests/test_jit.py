"""Claims about compiled kernels: plain Python gives the same state, and no index leaves its table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import UserProvidedCacheLocator as Locator

from abm import jit
from tests import golden
from tests.twins.market import PERP, SPOT, Desk, small_model, state_hash

ROOT = Path(__file__).resolve().parents[1]
USD = 10**6


def walk() -> str:
    """A walk through every kind of kernel; the hash of where it ends."""
    d = Desk(
        small_model({"orders": {"band": 0.0}, "fund": {"cash": 60.0}, "fees": {"maker": 0.0002}}, check=True)
    )
    ann, bob, cid = (
        d.open(name, cash=5 * USD * 100**i, coins=10**9) for i, name in enumerate(("ann", "bob", "cid"))
    )
    d.hold(PERP, 100.0, {ann: 1000, bob: -700, cid: -300})
    for i in range(12):
        d.place(bob, PERP, 1, 955 - i, 40, expiry=2500 if i % 3 == 0 else 0)
        d.place(cid, SPOT, (-1) ** i, 1000 - 3 * (-1) ** i, 5)
    for answer in (d.cancel(0), d.amend(2, 953, 90), d.amend(4, 950, 10), d.place(cid, PERP, -1, 954, 60)):
        assert answer == "accepted"
    d.set_mark(PERP, 957 * 1024)
    for step in range(3):
        d.pass_time()
        d.model.liquidate()
        d.model.deleverage()
        d.model.price()
        d.set_mark(PERP, (940 - 30 * step) * 1024)
        assert d.faults() == []
    assert d.lots(ann) == 0 and len(d.events("adl")) > 0
    return state_hash(d.state)


def elsewhere(code: str, root: Path = ROOT, **environment: str) -> str:
    """What a fresh interpreter prints, with the sources of a folder."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_without_the_compiler_the_market_is_the_same() -> None:
    code = "from tests.test_jit import walk; from abm.jit import INTERPRETED; print(INTERPRETED, walk())"
    assert elsewhere(code, NUMBA_DISABLE_JIT="1") == f"True {walk()}"


@pytest.mark.slow
def test_no_kernel_reads_or_writes_outside_its_tables(tmp_path: Path) -> None:
    """Nor does looking change anything: small markets have the digests that they have without."""
    code = """
from abm import resting
from experiments import config
from experiments.build import build
from tests import golden
from tests.test_conservation import RULES, play
from tests.test_jit import walk

print(walk())
for rules in RULES:
    play(rules, 1, 60)
model = build(config.load("two_venues"), 1, record=False)
model.run(560)
for name in golden.NAMES:
    print(golden.run(name)["digest"])
try:
    resting.remove_at(model.state.address, 1 << 30)
except IndexError:
    print("guarded")
"""
    told = elsewhere(code, NUMBA_BOUNDSCHECK="1", CASCADE_CACHE=str(tmp_path))
    assert told.split() == [walk(), *(golden.run(name)["digest"] for name in golden.NAMES), "guarded"]


def test_a_kernels_cache_is_named_by_all_that_it_is_compiled_from() -> None:
    before = jit.source_hash("abm.matching")
    assert len({jit.source_hash(name) for name in ("abm.matching", "abm.waterfall", "abm.units")}) == 3
    assert {"abm.units", "abm.state", "abm.accounts", "abm.margin", "abm.book"} <= jit._imported(
        "abm.matching"
    )
    assert jit.cache_folder("abm.matching").name == f"abm.matching-{before}"


LOOKS = """
import numpy as np
from agents import desks

mid, via, power = np.array([2.0]), np.zeros(1, np.int64), np.ones(1, np.int64)
for wrong in ((mid, via, power), (mid, via, power, mid.astype(np.int64))):
    try:
        desks._rates(*wrong)
    except TypeError:
        print("refused")
for _ in range(2):
    out = np.zeros(1)
    desks._rates(mid, via, power, out)
    print(out[0])
try:
    desks._rates(mid, via, power, np.zeros(1, np.int8))
except TypeError:
    print("refused")
try:
    desks._rates(mid, via, power, np.zeros(1, np.int64))
except TypeError:
    print("refused")
"""


@pytest.mark.parametrize("checked", [True, False])
def test_the_first_call_of_a_kernel_is_checked_and_in_tests_every_one(checked: bool) -> None:
    told = elsewhere(LOOKS, CASCADE_CHECKED="1" if checked else "").split()
    assert told == ["refused", "refused", "2.0", "2.0", "refused"] + ["refused"] * checked


DIRECT = """
from abm.jit import direct
from abm.units import mul_div

divide = direct(mul_div)
print(divide(7, 3, 2), mul_div(7, 3, 2), type(divide).__name__)
try:
    divide(7, None, 2)
except TypeError:
    print("refused")
"""


def test_a_kernel_can_be_had_as_a_function_of_pythons_own_kind() -> None:
    told = elsewhere(DIRECT, CASCADE_CHECKED="").split()
    assert told == ["10", "10", "builtin_function_or_method", "refused"]


def test_kernels_of_another_checkout_do_not_count_as_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CASCADE_CACHE", str(tmp_path))
    monkeypatch.setattr(jit, "INTERPRETED", False)
    assert jit.cold()
    there = jit.cache_folder("abm.waterfall")
    other = there / Locator.get_suitable_cache_subpath("/elsewhere/abm/waterfall.py")
    own = there / Locator.get_suitable_cache_subpath(str(ROOT / "abm" / "waterfall.py"))
    for folder, compiled in ((other, False), (own, True)):
        folder.mkdir(parents=True)
        (folder / "waterfall.find-89.py311.nbi").touch()
        assert jit.cold() is not compiled
    os.utime(own / "waterfall.find-89.py311.nbi", (0, 0))
    assert not jit.cold(), "a checkout that only touches files compiles nothing"
