"""Bracket tables: continuous, exact, and what venues print in their documentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm import brackets
from abm.brackets import Brackets, from_rows, generic, table
from abm.margin import MarginRule
from abm.venue import Contract, VenueRules
from experiments.checks import bracket_tables
from experiments.terms import terms
from tests.twins.market import OTHER, PERP, Desk, small_model

DOLLAR = 10**6  # units


def rows(*steps: tuple[float, float, float]) -> list[dict[str, Any]]:
    """(cap in dollars, mmr, max leverage) of each bracket, from the lowest."""
    floors = [0.0, *(cap for cap, _, _ in steps)]
    return [
        {"notional_floor": floor, "notional_cap": cap, "mmr": mmr, "max_leverage": leverage}
        for floor, (cap, mmr, leverage) in zip(floors, steps, strict=False)
    ]


def all_tables() -> list[Brackets]:
    real = [from_rows(lines, DOLLAR, symbol) for symbol, lines in bracket_tables().items()]
    return real + [generic(size_class, DOLLAR) for size_class in brackets.GENERIC]


def test_real_tables_obey_the_recursion_of_their_own_maintenance_amounts() -> None:
    for symbol, lines in bracket_tables().items():
        made = from_rows(lines, DOLLAR, symbol)  # raises where a published amount disagrees
        assert made.cum.tolist() == [round(float(line["cum"]) * DOLLAR) for line in lines]
    assert len(bracket_tables()) == 24


def test_maintenance_is_continuous_at_every_border() -> None:
    for made in all_tables():
        for floor in made.floor[1:].tolist():
            below, at, above = (made.maintenance(floor + d) for d in (-1, 0, 1))
            assert 0 <= at - below <= 1 and 0 <= above - at <= 1  # a unit more: at most a unit of margin more


@given(st.integers(0, 10**17), st.integers(0, 10**17), st.integers(0, 26))
def test_maintenance_grows_with_size_and_never_takes_more_than_the_highest_rate(
    a: int, b: int, i: int
) -> None:
    made = all_tables()[i]
    low, high = sorted((a, b))
    assert made.maintenance(low) <= made.maintenance(high)
    assert made.maintenance(high) <= high * int(made.mmr[-1]) // brackets.RATE + 1
    assert made.maintenance(high) >= high * int(made.mmr[0]) // brackets.RATE


@given(st.integers(0, 10**16))
def test_one_bracket_formula_is_the_sum_over_the_slices_of_the_notional(notional: int) -> None:
    made = from_rows(bracket_tables()["BTCUSDT"], DOLLAR)
    slices = sum(
        max(0, min(notional, cap) - floor) * rate
        for floor, cap, rate in zip(made.floor.tolist(), made.cap.tolist(), made.mmr.tolist(), strict=True)
    )
    assert made.maintenance(notional) == -(-slices // brackets.RATE)


def test_binance_documents_141300_for_level_five_of_its_older_table() -> None:
    older = rows((5e4, 0.004, 125), (25e4, 0.005, 100), (1e6, 0.01, 50), (5e6, 0.025, 20), (2e7, 0.05, 10))
    assert from_rows(older, DOLLAR).cum.tolist() == [d * DOLLAR for d in (0, 50, 1_300, 16_300, 141_300)]


@pytest.mark.parametrize(
    ("notional", "margin"), [(1_000_000, 5_000), (10_000_000, 88_000), (200_000_000, 7_018_000)]
)
def test_maintenance_on_the_btc_table_before_the_event(notional: int, margin: int) -> None:
    assert from_rows(bracket_tables()["BTCUSDT"], DOLLAR).maintenance(notional * DOLLAR) == margin * DOLLAR


def test_hyperliquid_deduction_is_the_same_recursion() -> None:
    made = from_rows(rows((150e6, 0.0125, 40), (1e12, 0.025, 20)), DOLLAR)
    assert made.cum[1] == 1_875_000 * DOLLAR
    assert made.maintenance(200_000_000 * DOLLAR) == 3_125_000 * DOLLAR


def test_bybit_deduction_is_the_same_recursion() -> None:
    caps = (2e6, 2.6e6, 3.2e6, 3.8e6, 4.4e6, 5e6, 5.6e6, 8.5e6)
    rates = (0.005, 0.0056, 0.0063, 0.0067, 0.0071, 0.0077, 0.0091, 0.01)
    made = from_rows(rows(*((cap, rate, 50) for cap, rate in zip(caps, rates, strict=True))), DOLLAR)
    assert made.cum[6] == 15_460 * DOLLAR and made.cum[7] == 20_500 * DOLLAR
    assert made.maintenance(7_000_000 * DOLLAR) == 49_500 * DOLLAR


def test_a_position_past_the_table_keeps_the_last_rate() -> None:
    made = generic("small", DOLLAR)
    assert made.limit == 12_500_000 * DOLLAR
    assert made.bracket(made.limit * 8) == len(made) - 1
    assert made.max_leverage(0) == 50 and made.max_leverage(made.limit) == 1


def test_a_contract_that_stands_for_ten_has_brackets_ten_times_as_wide() -> None:
    one = table("generic", "large", DOLLAR)
    ten = table("generic", "large", DOLLAR, stands_for=10)
    for notional in (10**4, 10**6, 10**8, 10**9):
        assert abs(ten.maintenance(10 * notional * DOLLAR) - 10 * one.maintenance(notional * DOLLAR)) <= 100
    assert np.all(np.diff(ten.floor) > 0)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ([], "no brackets"),
        ([{"notional_floor": 5, "notional_cap": 9, "mmr": 0.1, "max_leverage": 1}], "bracket 1 starts at 5"),
        (rows((10, 0.1, 5), (20, 0.05, 4)), "must rise"),
        (rows((10, 1.5, 5)), "between 0 and 1"),
        ([{**row, "cum": 7} for row in rows((10, 0.1, 5))], "the recursion gives 0"),
    ],
)
def test_a_broken_table_is_refused_with_its_name_and_bracket(broken: list[Any], word: str) -> None:
    with pytest.raises(ValueError, match=f"mine: .*{word}"):
        from_rows(broken, DOLLAR, "mine")


def test_a_size_without_sign_is_expected() -> None:
    with pytest.raises(ValueError, match="without its sign"):
        generic("major", DOLLAR).maintenance(-1)


# ---------------------------------------------------------------- tables of venues


@pytest.mark.parametrize("venue", ["bybit", "hyperliquid"])
def test_the_tables_of_venues_obey_the_recursion(venue: str) -> None:
    for symbol, lines in brackets.of_venue(venue).items():
        made = from_rows(lines, DOLLAR, symbol)  # raises where an amount of the file disagrees
        for floor in made.floor[1:].tolist():
            assert 0 <= made.maintenance(floor) - made.maintenance(floor - 1) <= 1


@pytest.mark.parametrize(
    ("venue", "coin", "size_class", "notional", "margin"),
    [
        ("bybit", "BTC", "major", 7_000_000, 49_500),  # V10
        ("hyperliquid", "BTC", "major", 200_000_000, 3_125_000),  # V13
        ("binance", "BTC", "major", 200_000_000, 7_018_000),  # V03
        ("bybit", "VOXEL", "small", 9_000, 5_000 * 0.025 + 4_000 * 0.0263),  # slices
        ("hyperliquid", "SOL", "large", 100_000_000, 70e6 * 0.025 + 30e6 * 0.05),
    ],
)
def test_each_venue_asks_by_its_own_table(
    venue: str, coin: str, size_class: str, notional: int, margin: float
) -> None:
    made = table("generic", size_class, DOLLAR, bracket_tables(), venue=venue, coin=coin)
    assert made.maintenance(notional * DOLLAR) == pytest.approx(margin * DOLLAR, rel=1e-6)


def test_a_contract_is_known_by_its_symbol_wherever_it_is_traded() -> None:
    own = table("BTCUSDT", "major", DOLLAR, bracket_tables(), venue="hyperliquid", coin="MYBTC")
    assert own.max_leverage(0) == 40 and len(own) == 2
    assert table("BTCUSDT", "major", DOLLAR, bracket_tables(), coin="MYBTC").max_leverage(0) == 150


def test_a_coin_that_a_venues_table_lacks_has_what_its_contract_names() -> None:
    for venue in ("bybit", "hyperliquid", "binance"):
        got = table("generic", "large", DOLLAR, bracket_tables(), venue=venue, coin="UNKNOWN")
        assert got.floor.tolist() == generic("large", DOLLAR).floor.tolist()
    assert brackets.choose("generic", "BTCUSDT", "BTC", bracket_tables()) == ("generic", None)


@pytest.mark.parametrize(
    ("symbol", "size"),
    [("BTCUSDT", "major"), ("ETHUSDT", "major"), ("SOLUSDT", "large"), ("ENAUSDT", "mid"), ("WIFUSDT", "mid"),
     ("IOTXUSDT", "small")],
)  # fmt: skip
def test_the_generic_table_is_that_of_the_coins_size(symbol: str, size: str) -> None:
    assert brackets.size_of(bracket_tables()[symbol]) == size
    got = table(symbol, "small", DOLLAR, bracket_tables(), venue="generic", coin="X")
    assert got.floor.tolist() == generic(size, DOLLAR).floor.tolist()


def test_two_venues_with_the_same_coin_have_their_own_tables_in_engine_and_opening() -> None:
    sides: list[dict[str, Any]] = [{"margin": {"brackets": name}} for name in ("bybit", "hyperliquid")]
    d = Desk(small_model(*sides, tables=bracket_tables(), brackets="BTCUSDT"))
    lots = 10_000_000 * 10
    rows = [d.open("whale", venue, cash=10**15) for venue in (0, 1)]
    for row, book in zip(rows, (PERP, OTHER), strict=True):
        d.hold(book, 100.0, {row: lots})
    assert [d.margin(row)[1] for row in rows] == [
        84_000 * DOLLAR,
        125_000 * DOLLAR,
    ]  # 10M x 1.3 % - 46,000; 1.25 %
    contract = Contract(price=100.0, tick=0.1, lot=0.001, brackets="BTCUSDT", open_interest=1e8)
    rules = {
        name: VenueRules(quote="USDT", perps=("BTC",), share=0.5, margin=MarginRule(brackets=name))
        for name in ("bybit", "hyperliquid", "contract")
    }
    t = terms({"BTC": contract}, rules)
    asked = t.maintenance(np.full(3, 1e7), np.zeros(3, np.int64), np.arange(3))
    assert asked == pytest.approx([84_000, 125_000, 88_000])
    assert t.max_leverage(np.full(3, 2e8), np.zeros(3, np.int64), np.arange(3)).tolist() == [14, 20, 10]
    assert t.room(50).tolist() == [[8.5e6], [0.0], [12e6]]
