"""Rule books: real, complete, each line with its source, and nothing but a beginning for a scenario's venue."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.venue import VenueRules
from experiments import cli, rulebook
from experiments.config import ScenarioError, dump, load, loads

OCTOBER = ("binance", "bybit", "okx", "bitget", "hyperliquid", "coinbase")
WITH_ENGINE = [name for name in rulebook.names() if name != "coinbase"]


def test_the_venues_of_october_and_three_more_have_rule_books() -> None:
    assert set(rulebook.names()) >= {*OCTOBER, "bitmex", "dydx", "deribit"}


@pytest.mark.parametrize("name", rulebook.names())
def test_a_rule_book_is_a_venue_and_every_line_has_its_source(name: str) -> None:
    book = rulebook.read(name)
    rules = VenueRules.model_validate({"quote": "USD", **book.tables()})
    assert book.title and str(book.date) >= "2025-10-10"
    for rule in book.rules:
        found = rules
        for part in rule.path.split("."):
            found = getattr(found, part)
        assert rule.source
    known = sum(rule.source != rulebook.ASSUMPTION for rule in book.rules)
    assert name == "coinbase" or known >= len(book.rules) / 4


@pytest.mark.parametrize("name", WITH_ENGINE)
def test_a_rule_book_says_all_that_decides_who_bears_a_gap(name: str) -> None:
    told = {rule.path for rule in rulebook.read(name).rules}
    assert told >= {
        "mark.rule", "liquidation.stages", "liquidation.fee", "liquidation.publishes", "fund.rule", "fund.cash",
        "adl.score", "adl.allocate", "adl.price", "funding.interval", "funding.cap", "fees.maker", "fees.taker",
        "orders.self_trade",
    }  # fmt: skip


def with_preset(*more: tuple[str, str]) -> VenueRules:
    return load("two_venues", [("venues.beta.preset", "hyperliquid"), *more]).venues["beta"]


def test_a_scenario_begins_with_a_preset_and_says_what_is_different() -> None:
    rules = with_preset(("venues.beta.adl.price", "mark"), ("venues.beta.fees.taker", "0.001"))
    assert rules.liquidation.stages == ("cancel_orders", "market_slices", "backstop", "adl")
    assert (rules.adl.score, rules.adl.price) == ("hyperliquid", "mark")
    assert rules.fees.taker == 0.001
    assert rules.share == load("two_venues").venues["beta"].share, "its size is the scenario's"


def test_the_resolved_scenario_has_every_number_and_needs_no_preset() -> None:
    scenario = load("two_venues", [("venues.*.preset", "bybit")])
    assert "preset" not in dump(scenario)
    assert loads(dump(scenario)) == scenario


def test_a_rule_that_is_a_table_counts_whole(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("date = 2026-01-01\n[index]\nweights = { is = { alpha = 1.0, beta = 2.0 } }\n")
    table = {"preset": str(mine), "index": {"weights": {"alpha": 3.0}}}
    assert rulebook.apply({"gamma": table}) == []
    assert table == {"index": {"weights": {"alpha": 3.0}}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("date = 2026-01-01\n[fees]\nmaker = 0.1", "mine.toml: fees.maker: expected { is = ..., source"),
        (
            'date = 2026-01-01\n[fees]\nmaker = { is = 0.1, source = "x" }',
            'fees.maker.source: given "x", expected one of assumption',
        ),
        ("[fees]\nmaker = { is = 0.1 }", "mine.toml: date: expected a day such as"),
        ("fees = [", "expected readable TOML"),
        ("date = 2026-01-01\nsources = 3", "mine.toml: sources: given 3, expected a table of texts"),
        (
            "date = 2026-01-01\n[fees]\nmaker = { is = 0.1, since = 2026-02-01 }",
            "fees.maker.since: given 2026-02-01, expected a day up to 2026-01-01",
        ),
    ],
)
def test_a_bad_rule_book_is_refused_in_a_line(tmp_path: Path, text: str, fault: str) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    with pytest.raises(ScenarioError) as refused:
        load("two_venues", [("venues.alpha.preset", str(mine))])
    assert any(fault in line for line in refused.value.faults), refused.value.faults


def test_a_wrong_name_says_which_was_meant() -> None:
    with pytest.raises(
        ScenarioError, match='venues.alpha.preset: given "binnance", no such rule book, did you mean'
    ):
        load("two_venues", [("venues.alpha.preset", "binnance")])
    with pytest.raises(ScenarioError, match="venues.alpha.preset: given 7, expected the name of a rule book"):
        load("two_venues", [("venues.alpha.preset", "7")])


def test_what_a_rule_book_calls_a_rule_the_venue_must_know(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("date = 2026-01-01\n[fees]\nmakr = { is = 0.1 }")
    with pytest.raises(ScenarioError, match="venues.alpha.fees.makr: no such parameter, did you mean maker?"):
        load("two_venues", [("venues.alpha.preset", str(mine))])


def test_the_command_lists_and_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.answer(["venues"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in rulebook.names())
    assert cli.answer(["venues", "show", "binance"]) == 0
    shown = capsys.readouterr().out
    assert "since 2025-09-18" in shown and "360033525271" in shown and "notional_cap" in shown
    assert cli.answer(["venues", "show", "coinbase"]) == 0
    assert "adl" not in capsys.readouterr().out, "a spot venue has none"
    assert cli.answer(["venues", "show", "binnance"]) == 2
    assert "did you mean binance?" in capsys.readouterr().err
