"""A scenario says what is wrong with it: everything, at once, in one line each."""

from __future__ import annotations

import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agents
from abm.parameters import Frozen, parameter
from experiments import config, paths
from experiments.config import ScenarioError, dump, load, loads, parameter_table

GOOD = """
title = "small"
[clock]
start = 2025-10-10T20:00:00Z
duration = 60
burn_in = 10
[assets.USDT]
decimals = 6
[assets.BTC]
decimals = 8
value = 117016.1
[contracts.BTC]
price = 117016.1
tick = 0.1
lot = 0.001
class = "major"
brackets = "BTCUSDT"
[venues.alpha]
quote = "USDT"
perps = ["BTC"]
spots = ["BTC"]
share = 0.6
spot_share = 1.0
[venues.beta]
quote = "USDT"
perps = ["BTC"]
share = 0.4
[[network.edges]]
source = "alpha"
target = "beta"
asset = "USDT"
[[news]]
time = 2025-10-10T20:00:30Z
size = -0.04
[population.crowd]
species = "sheep"
pace = 0.5
[population.crowd.opening]
kind = "directional"
accounts = 10
"""


class Sheep:
    class Parameters(Frozen):
        pace: float = parameter(1.0, "How often they act", unit="per second", ge=0, le=10)
        venues: tuple[str, ...] = parameter((), "Where they act")


@pytest.fixture(autouse=True)
def _one_species(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "SPECIES", {"sheep": Sheep}, raising=False)


def faults(text: str = GOOD, *overrides: tuple[str, str]) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(text, overrides)
    return caught.value.faults


def without(line: str) -> str:
    assert line in GOOD
    return GOOD.replace(line, "", 1)


def test_a_good_scenario_has_its_values_and_defaults() -> None:
    scenario = loads(GOOD)
    assert scenario.clock.steps == 70
    assert scenario.venues["beta"].fees.taker == 0.0005
    assert scenario.contracts["BTC"].class_ == "major"
    assert scenario.population["crowd"].parameters.pace == 0.5
    assert scenario.population["crowd"].opening.accounts == 10


def test_the_resolved_scenario_is_a_scenario_file_of_the_same_scenario() -> None:
    scenario = loads(GOOD, [("venues.*.fund.cash", "1e16"), ("clock.step", "0.25")][1:])
    text = dump(scenario)
    assert loads(text) == scenario
    assert dump(loads(text)) == text
    assert "max_orders_per_row" in text  # defaults are written out


def test_order_of_the_population_is_the_order_of_the_file() -> None:
    text = GOOD + '[population.b]\nspecies = "sheep"\n[population.a]\nspecies = "sheep"\n'
    assert list(loads(text).population) == ["crowd", "b", "a"]
    assert list(loads(dump(loads(text))).population) == ["crowd", "b", "a"]


def test_set_a_number_a_text_a_list_and_an_entry() -> None:
    scenario = loads(
        GOOD,
        [
            ("venues.alpha.fees.maker", "0.0001"),
            ("venues.alpha.adl.score", "okx"),  # not TOML: a text
            ("venues.beta.mark.rule", '"index_basis"'),
            ("news.0.size", "-0.1"),
            ("record.accounts_at", '["start", 30, "end"]'),
            ("population.more", '{species = "sheep", pace = 2}'),
            ("clock.start", "2025-10-10T19:59:00Z"),
            ("clock.duration", "120"),
        ],
    )
    assert scenario.venues["alpha"].fees.maker == 0.0001
    assert scenario.venues["alpha"].adl.score == "okx"
    assert scenario.venues["beta"].mark.rule == "index_basis"
    assert scenario.news[0].size == -0.1
    assert scenario.record.accounts_at == ("start", 30.0, "end")
    assert scenario.population["more"].parameters.pace == 2


def test_a_star_sets_every_entry() -> None:
    scenario = loads(
        GOOD, [("venues.*.liquidation.fee", "0.01"), ("news.*.size", "0"), ("population.*.pace", "0")]
    )
    assert {venue.liquidation.fee for venue in scenario.venues.values()} == {0.01}
    assert scenario.news[0].size == 0
    assert scenario.population["crowd"].parameters.pace == 0


def test_a_species_sets_all_its_entries_and_no_other() -> None:
    more = '[population.b]\nspecies = "sheep"\npace = 3\n'
    scenario = loads(GOOD + more, [("population.@sheep.pace", "1")])
    assert {entry.parameters.pace for entry in scenario.population.values()} == {1}
    with pytest.raises(ScenarioError, match="--set population.@wolf.pace: matches nothing in this scenario"):
        loads(GOOD, [("population.@wolf.pace", "1")])


# what is set, and the beginning of the line that it must give
FAULTS = """
venues.alpha.fees.maker = -3
    venues.alpha.fees.maker: given -3, expected a number between -0.01 and 0.05
venues.alpha.fees.maker = cheap
    venues.alpha.fees.maker: given "cheap", expected a number between
venues.alpha.fees.maker = true
    venues.alpha.fees.maker: given true, expected a number between
venues.alpha.fees.maker = nan
    venues.alpha.fees.maker: given nan, expected a number between
venues.alpha.fees.makr = 0
    venues.alpha.fees.makr: no such parameter, did you mean maker?
venues.alpha.fees = 3
    venues.alpha.fees: given 3, expected a table
venues.alpha.adl.score = binnance
    venues.alpha.adl.score: given "binnance", expected one of binance, bit
record.fills = 7
    record.fills: given 7, expected true or false
venues.alpha.liquidation.stages = ["adl", "take_over"]
    venues.alpha.liquidation.stages: given ["adl", "take_over"], expected nothing but adl after
venues.alpha.liquidation.stages = ["adl", "adl"]
    venues.alpha.liquidation.stages: given ["adl", "adl"], expected at least one stage, each once
venues.alpha.liquidation.stages = ["cancel_orders"]
    venues.alpha.liquidation.stages: given ["cancel_orders"], expected take_over or adl at its end
venues.alpha.mark.peers = {alpha = 1.0}
    venues.alpha.mark.peers: given "alpha", expected one of beta
venues.alpha.funding.caps = {BTC = -0.01}
    venues.alpha.funding.caps.BTC: given -0.01, expected a number of at least 0
venues.alpha.liquidation.stages = ["sell"]
    venues.alpha.liquidation.stages.0: given "sell", expected one of
venues.alpha.perps = 7
    venues.alpha.perps: given 7, expected a list, each a text
venues.alpha.perps = ["BTK"]
    venues.alpha.perps: given "BTK", no such entry in [contracts], did you mean BTC
venues.alpha.quote = USD
    venues.alpha.quote: given "USD", no such entry in [assets], did you mean USDT?
venues.alpha.index.weights = {gamma = 1.0}
    venues.alpha.index.weights: given "gamma", no such entry
venues.alpha.spots = []
    venues.alpha.index.weights: no spot venue with a spot_share lists BTC, expected
venues.alpha.share = 0.7
    venues.*.share: given alpha 0.7, beta 0.4, expected a sum of 1, it is 1.1
venues.beta.spot_share = 0.1
    venues.beta.spot_share: given 0.1, expected 0: it has no spots
venues.alpha.fund.cash = 1e13
    venues.alpha.fund.cash: given 10000000000000.0, expected a number between 0 and 1e+12
venues.gamma.share = 0.1
    --set venues.gamma.share: venues has no gamma, expected one of alpha, beta
venues.alhpa.share = 0.1
    --set venues.alhpa.share: venues has no alhpa, did you mean alpha?
news.3.size = 0.1
    --set news.3.size: matches nothing in this scenario
assets.BTC.decimals = 1.5
    assets.BTC.decimals: given 1.5, expected a whole number between 0 and 12
assets.USDT.decimals = 9
    assets.USDT.decimals: given 9, expected at most 7: 1e+11 dollars of USDT must
assets.USDT.decimals = 3
    contracts.BTC.tick: given 0.1 with lot 0.001, expected tick x lot to be a whole
assets.BTC.decimals = 2
    contracts.BTC.lot: given 0.001, expected a whole number of units of BTC (10^-2)
contracts.BTC.tick = 1e-15
    contracts.BTC.tick: given 1e-15 with lot 0.001, expected a tick of at least
contracts.BTC.price = 1e12
    contracts.BTC.tick: given 0.1 with lot 0.001, expected a tick of at least 3.73e+03: 8 x
contracts.BTC.tick = 200000
    contracts.BTC.tick: given 200000 with lot 0.001, expected a tick not above
contracts.BTC.lot = 1e9
    contracts.BTC.tick: given 0.1 with lot 1e+09, expected a smaller lot
contracts.BTC.brackets = BTCUSD
    contracts.BTC.brackets: given "BTCUSD", did you mean BTCUSDT?
contracts.BTC.class = big
    contracts.BTC.class: given "big", expected one of major, large, small
clock.start = yesterday
    clock.start: given "yesterday", expected a UTC time such as
clock.start = 2025-10-10T20:00:00
    clock.start: given 2025-10-10T20:00:00, expected a UTC time such as
clock.step = 0.7
    clock.duration: given 60, expected a whole number of steps of 0.7 s
clock.step = 0.0015
    clock.step: given 0.0015, expected a whole number of milliseconds
news.0.time = 2025-10-10T20:01:00Z
    news.0.time: given 2025-10-10T20:01:00Z, expected a time within the run
record.books = ["alpha:BTC-PRP"]
    record.books: given "alpha:BTC-PRP", did you mean alpha:BTC-PERP?
record.accounts_at = ["stat"]
    record.accounts_at: given "stat", expected "start", "end" or seconds
record.accounts_at = [99]
    record.accounts_at: given 99, expected seconds within the run, up to 60
population.crowd.species = sheeep
    population.crowd.species: given "sheeep", did you mean sheep?
population.crowd.pace = 11
    population.crowd.pace: given 11, expected a number between 0 and 10
population.crowd.pase = 1
    population.crowd.pase: no such parameter, did you mean pace?
population.crowd.venues = ["alfa"]
    population.crowd.venues: given "alfa", no such entry in [venues], did
population.crowd.opening.acounts = 1
    population.crowd.opening.acounts: no such parameter, did you mean
population.crowd.opening.coins = ["ETH"]
    population.crowd.opening.coins: given "ETH", no such entry in
targets.file = octobre
    targets.file: given "octobre", did you mean october?
venue.alpha.share = 1
    venue: no such parameter, did you mean venues?
venues..share = 1
    --set venues..share: expected a path
"""


@pytest.mark.parametrize(
    "case", re.findall(r"^(\S+) = (.*)\n    (.*)$", FAULTS, re.MULTILINE), ids=lambda case: "=".join(case[:2])
)
def test_each_fault_says_where_what_was_given_and_what_was_expected(case: tuple[str, str, str]) -> None:
    path, value, line = case
    found = faults(GOOD, (path, value))
    assert any(fault.startswith(line) for fault in found), found


def test_all_faults_are_told_at_once_and_none_twice() -> None:
    found = faults(
        GOOD,
        ("venues.alpha.fees.maker", "-3"),
        ("venues.beta.fees.takr", "1"),
        ("venues.beta.quote", "EUR"),
        ("contracts.BTC.brackets", "none"),
        ("population.crowd.pace", "-1"),
        ("population.crowd.opening.accounts", "-1"),
        ("clock.step", "0.7"),
        ("nonsense.x", "1"),
        ("venues.delta.share", "1"),
    )
    for where in (
        "venues.alpha.fees.maker:", "venues.beta.fees.takr:", "venues.beta.quote:", "contracts.BTC.brackets:",
        "population.crowd.pace:", "population.crowd.opening.accounts:", "clock.duration:", "clock.burn_in:",
        "nonsense:", "--set venues.delta.share:",
    ):  # fmt: skip
        assert sum(fault.startswith(where) for fault in found) == 1, (where, found)
    assert len(found) == 10
    assert all("\n" not in fault for fault in found)


def test_a_missing_number_is_told_with_its_meaning_and_hides_no_other_fault() -> None:
    found = faults(without("price = 117016.1\n"), ("venues.alpha.quote", "EUR"))
    line = r"contracts\.BTC\.price: nothing given, expected a number above 0 \(.+\)"
    assert any(re.match(line, fault) for fault in found)
    assert any(fault.startswith("venues.alpha.quote:") for fault in found)
    assert len(found) == 2  # BTC is not also reported as missing


def test_two_faults_in_one_list_are_both_told() -> None:
    text = GOOD + "[[news]]\ntime = 3\nsize = 9\n"
    found = faults(text, ("news.0.size", "9"))
    assert [fault.split(":")[0] for fault in found] == ["news.0.size", "news.1.time", "news.1.size"]


def test_a_broken_file_and_a_missing_file_are_faults_not_tracebacks(tmp_path: Path) -> None:
    assert "expected valid TOML" in faults("[clock\n")[0]
    broken = tmp_path / "bytes.toml"
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="UTF-8"):
        load(broken)
    with pytest.raises(ScenarioError, match="did you mean two_venues"):
        load("two_venue")
    with pytest.raises(ScenarioError, match="no such file or name"):
        load(tmp_path / "absent.toml")


def test_an_empty_file_says_what_is_needed() -> None:
    assert any(fault.startswith("clock: nothing given") for fault in faults(""))


def test_a_file_is_found_by_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    assert load(file, [("title", "other")]).title == "other"


def test_every_parameter_is_documented_with_source_and_a_number_with_range_or_unit() -> None:
    rows = parameter_table()
    paths = [row.path for row in rows]
    assert (
        "venues.NAME.fees.maker" in paths
        and "population.NAME(sheep).pace" in paths
        and "news.N.size" in paths
    )
    assert len(set(paths)) == len(paths)
    for row in rows:
        assert row.description and row.source, row
    maker = rows[paths.index("venues.NAME.fees.maker")]
    assert (maker.value, maker.range, maker.unit) == ("0.0002", "[-0.01, 0.05]", "share of value")


def test_the_table_as_markdown_has_one_line_a_parameter() -> None:
    table = parameter_table()
    lines = config.markdown(table).splitlines()
    assert len(lines) == len(table) + 2
    assert all(len(line.replace("\\|", "").split("|")) == 8 for line in lines)


def test_the_table_of_a_scenario_shows_its_values() -> None:
    table = {row.path: row.value for row in parameter_table(loads(GOOD))}
    assert table["venues.beta.share"] == "0.4"
    assert table["population.crowd.pace"] == "0.5"
    assert table["network.edges.0.source"] == '"alpha"'
    assert "clock.start" in table


def test_parameters_cannot_be_changed_or_misspelt() -> None:
    scenario = loads(GOOD)
    with pytest.raises(ValueError):
        scenario.venues["alpha"].share = 1.0  # type: ignore[misc]
    with pytest.raises(ValueError):
        config.Record(evry=1)  # type: ignore[call-arg]


@given(
    st.recursive(
        st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=6)
        | st.datetimes(timezones=st.just(UTC)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )
)  # fmt: skip
def test_a_value_written_in_one_line_is_read_as_it_was(value: Any) -> None:
    text = paths.inline(value)
    assert "\n" not in text and paths.value_of(text) == value
