"""A user's own species: only from files named --with, hashed into the run, known to the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import Run, cli, config
from experiments.config import ScenarioError

BUYER = '''
from abm.agent import Participant
from abm.parameters import parameter


class Buyer(Participant):
    """Buys a little BTC at every step of the first half minute."""

    class Parameters(Participant.Parameters):
        size: float = parameter(0.01, "Size of an order", unit="coins", gt=0)

    def decide(self, me, market):
        if 0 < market.time < 30 and len(me.rows):
            me.market_order(0, market.perps[0], +1, self.parameters.size)
'''
OPENING = '{kind = "desk", accounts = 1, cash = {major = 0.01}}'
SETTINGS = [
    'population.mine={species = "buyer:Buyer", size = 0.05, opening = ' + OPENING + "}",
    "clock.duration=60",
    "clock.burn_in=10",
    "news.0.time=2025-10-10T20:00:20Z",
]
LINE = ["run", "two_venues", *(word for setting in SETTINGS for word in ("--set", setting))]


@pytest.fixture
def buyer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "buyer.py"
    path.write_text(BUYER)
    return path


def bought(run: Run) -> float:
    held = run.positions("end")
    accounts = run.accounts("end")
    mine = accounts["row"][accounts["participant"] == "mine"]
    return float(held["quantity"][[row in mine for row in held["row"]]].sum())


def test_a_species_of_a_named_file_takes_part_also_in_workers(buyer: Path) -> None:
    assert cli.answer([*LINE, "--with", "buyer.py", "--seeds", "2", "--jobs", "2"]) == 0
    one, two = (Run.open(f"runs/two_venues/seed-{seed:04d}") for seed in (1, 2))
    assert bought(one) > 0.5 and bought(two) > 0.5
    assert one.config == two.config
    assert one.config["population"]["mine"]["size"] == 0.05
    assert list(one.provenance["files"]) == ["buyer.py"]


def test_another_text_of_the_file_is_another_run(buyer: Path) -> None:
    assert cli.answer([*LINE, "--with", "buyer.py"]) == 0
    first = Run.open(Path("runs/two_venues/seed-0001").resolve())  # the entry, not the link
    buyer.write_text(BUYER.replace("+1", "-1"))
    assert cli.answer([*LINE, "--with", "buyer.py"]) == 0
    second = Run.open("runs/two_venues")
    assert bought(first) > 0 > bought(second)
    assert first.provenance["content"] != second.provenance["content"]


def test_a_scenario_alone_runs_no_code(buyer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [part.replace("buyer:", "unnamed:") for part in LINE]
    assert cli.answer(line) == 2
    fault = 'population.mine.species: given "unnamed:Buyer", no file unnamed.py was named with --with'
    assert capsys.readouterr().err == f"cascade: {fault}\n"


def test_every_fault_of_the_files_at_once(
    buyer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    files = ["broken.py", "absent.py", "notes.txt"]
    line = ["scenario", "check", "two_venues", "--set", "clock.step=-1"]
    assert cli.answer([*line, *(word for file in files for word in ("--with", file))]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "cascade: --with broken.py: ModuleNotFoundError: No module named 'nothing_of_that_name'",
        "cascade: --with absent.py: no such file",
        "cascade: --with notes.txt: expected a Python file with a plain name, such as panic.py",
        "cascade: clock.step: given -1, expected a number between 0.001 and 60",
    ]


def test_a_name_that_is_no_species(buyer: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r'buyer.py has no class "Seller" that is an abm.agent.Participant'
    ):
        config.load("two_venues", [("population.mine", '{species = "buyer:Seller"}')], files=[buyer])


RULE = """import numpy as np


def equal(lots, c):
    out = np.minimum(c.most, lots // len(c))
    return out


def old(c):
    return -c.key.astype(float)
"""


@pytest.mark.slow
def test_a_rule_of_ones_own_shares_what_is_deleveraged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RULE)
    line = ["run", "two_venues", "--set", "clock.duration=420", "--set", "venues.beta.adl.allocate=mine:equal",
            "--set", "venues.beta.adl.score=mine:old"]  # fmt: skip
    assert cli.answer(line) == 2, "the scenario alone runs no code"
    assert cli.answer([*line, "--with", "mine.py", "--check"]) == 0
    assert len(Run.open("runs/two_venues").events("adl")["time"]) > 0


@pytest.mark.parametrize(
    ("name", "fault"),
    [("mine:absent", 'mine.py has no function "absent"'), ("other:equal", "no file other.py was named"),
     ("fairly", "expected one of queue")],
)  # fmt: skip
def test_a_name_that_is_no_rule(tmp_path: Path, name: str, fault: str) -> None:
    (tmp_path / "mine.py").write_text(RULE)
    with pytest.raises(ScenarioError, match=fault):
        config.load("two_venues", [("venues.beta.adl.allocate", name)], files=[tmp_path / "mine.py"])


def test_pools_name_perpetuals_of_the_venue_once() -> None:
    pools = '{a = {coins = ["BTC", "ETH"]}, b = {coins = ["BTC"]}}'
    with pytest.raises(ScenarioError) as error:
        config.load("two_venues", [("venues.alpha.fund.pools", pools)])
    assert "no perpetual of the venue" in str(error.value) and "in a too" in str(error.value)
