"""Other events are data: a scenario of another day says its market and its news, and changes nobody's behaviour."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from experiments import cli, config, readings
from experiments.config import ScenarioError
from experiments.new_scenario import changed_behaviour, text
from experiments.run import Run

README = config.SCENARIOS / "README.md"


def example() -> str:
    found = re.search(r"<!-- example:.*?```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def names(value: object) -> set[str]:
    """Every text and key in tables."""
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in names(inner)}
    if isinstance(value, list):
        return {name for inner in value for name in names(inner)}
    return {value} if isinstance(value, str) else set()


def test_a_new_scenario_opens_the_market_that_it_is_begun_from() -> None:
    fresh, base = config.loads(text("fresh", "october_predicted")), config.load("october_predicted")
    assert fresh.contracts == base.contracts and fresh.venues == base.venues and fresh.news == base.news
    assert fresh.population == base.population and fresh.network.events == () and fresh.targets is None
    assert changed_behaviour(text("fresh", "october_predicted")) == []


def test_a_coin_that_is_left_out_is_named_nowhere() -> None:
    fresh = config.plain(config.loads(text("small", "october_predicted", ["BTC", "ETH", "USDT"])))
    fresh["network"]["resources"] = {  # what a resource says of its source is prose
        name: {key: value for key, value in one.items() if key != "source"}
        for name, one in fresh["network"]["resources"].items()
    }
    assert set(fresh["contracts"]) == {"BTC", "ETH", "USDT"}
    left = {word for word in names(fresh) if re.search(r"\b(HYPE|USDe|LTC|1000PEPE)\b", word)}
    assert left == set()


def test_a_venue_that_is_left_out_takes_its_channels_and_its_savers_along() -> None:
    rest = "[venues.rest]\nshare = 0.42\n[venues.binance]\nspot_share = 0.621\n"  # shares are not shared out anew
    fresh = config.loads(f'base = "october_predicted"\nwithout = {{ venues = ["okx"] }}\n{rest}')
    assert "okx" not in fresh.venues and "savers_okx" not in fresh.population
    assert not any("okx" in (edge.source, edge.target) for edge in fresh.network.edges)
    assert not any(name.startswith("okx/") for name in fresh.network.resources)
    assert "okx" not in fresh.venues["hyperliquid"].index.weights


def test_what_cannot_be_left_out_is_told_together() -> None:
    with pytest.raises(ScenarioError) as found:
        config.loads('base = "two_venues"\nwithout = { coins = ["BTX"], venues = ["alfa"] }\n')
    assert len(found.value.faults) == 2 and "did you mean BTC" in found.value.faults[0]
    for wrong, word in (("without = { coins = 3 }", "a list of names"), ('without = "BTC"', "coins = [...]")):
        with pytest.raises(ScenarioError, match=re.escape(word)):
            config.loads(f'base = "two_venues"\n{wrong}\n')
    with pytest.raises(ScenarioError, match="expected with a base"):
        config.loads("without = { coins = [] }\n")


def test_a_start_moves_the_news_with_it() -> None:
    from datetime import UTC, datetime

    moved = config.loads(text("moved", "two_venues", start=datetime(2024, 8, 5, tzinfo=UTC)))
    base = config.load("two_venues")
    assert moved.news[0].time - moved.clock.start == base.news[0].time - base.clock.start
    assert moved.news[0].delay == base.news[0].delay


def test_behaviour_that_a_file_changes_is_named() -> None:
    own = example() + "\n[population.makers]\nloss_limit = 0.01\n[venues.okx.adl]\nprice = 'mark'\n"
    assert changed_behaviour(example()) == []
    assert changed_behaviour(own) == ["population.makers.loss_limit", "venues.okx.adl.price"]
    assert changed_behaviour("[population.makers]\nloss_limit = 0.01\n") == []  # no base, nothing shared


def test_the_command_writes_a_file_once_and_tells_all_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--out", str(tmp_path)]
    assert cli.answer(["scenario", "new", "storm", "--from", "two_venues", *here]) == 0
    assert config.load(tmp_path / "storm.toml").population == config.load("two_venues").population
    capsys.readouterr()
    wrong = ["--from", "two_venues", "--coins", "BTX", "--start", "tomorrow", *here]
    assert cli.answer(["scenario", "new", "storm", *wrong]) == 2
    errors = capsys.readouterr().err
    assert "is there already" in errors and "--start" in errors and "did you mean BTC" in errors
    assert cli.answer(["scenario", "new", "x", "--from", "octuber", *here]) == 2
    assert not (tmp_path / "x.toml").exists()


@pytest.mark.slow
def test_the_example_of_another_event_opens_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("august.toml").write_text(example())
    assert cli.answer(["scenario", "check", "august.toml"]) == 0
    said = capsys.readouterr().out
    assert "no fault found" in said and "people, rules and mechanisms are those of october_predicted" in said
    shorter = ["--set", "clock.duration=360", "--set", "news.0.time=2024-08-05T00:01:00Z"]
    assert cli.answer(["run", "august.toml", *shorter, "--jobs", "1"]) == 0
    run = Run.open("runs/august/seed-0001")
    assert readings.open_interest(run, readings.before(run, 1.0)) == pytest.approx(45e9, rel=0.02)
    price = readings.filled(run.column("last", book="binance:BTC-PERP"))
    before = price[readings.before(run, 60.0)]
    assert before == pytest.approx(58161, rel=0.005)  # calm until the news
    assert price[-1] < before  # and then it falls, by itself
    assert np.isfinite(price[-1]) and run.start.year == 2024
