"""Claims about collateral beside the settlement asset: what it counts for, at which price, and who fails by it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import collateral, ledger
from abm.collateral import weight_of
from abm.collateral_price import price_collateral
from abm.enactment import rewrite_rules
from abm.statements import statements
from abm.venue import VenueRules
from abm.waterfall import anchor
from experiments import config
from experiments.build import build
from experiments.census import census
from experiments.checks import bracket_tables
from experiments.config import load, loads
from experiments.population import planned
from tests.test_margin import FIRST, TICKS, USD, liquidation_prices
from tests.twins.market import BTC, BTC_PRICE, ETH, PERP, SPOT, START, USDT, Desk, small_model

COIN = 10**8
FREE: dict[str, Any] = {"fees": {"maker": 0.0, "taker": 0.0}, "orders": {"band": 0.0}}


def desk(price: str = "own_book", conversion: dict[str, Any] | None = None, **asset: Any) -> Desk:
    """Alpha takes BTC (100 dollars) as collateral and has a spot book of it; Binance's BTC brackets, no fees."""
    rule = {"assets": {"BTC": asset}, "price": price, "conversion": conversion or {}}
    return Desk(small_model(FREE | {"collateral": rule}, FREE, tables=bracket_tables(), brackets="BTCUSDT"))


def price_of(d: Desk) -> float:
    """Collateral price of BTC, dollars."""
    return float(d.state.collateral["price"][0]) / TICKS / USD


def set_spot(d: Desk, price: float, index: float | None = None) -> None:
    """Move mark and index of the spot book, and have collateral priced."""
    d.set_mark(SPOT, round(price * 10 * TICKS))
    if index is not None:
        d.state.books["index"][SPOT] = round(index * 10 * TICKS)
    price_collateral(d.address)


# ---------------------------------------------------------------- how much


def test_tiers_count_less_for_more_and_nothing_above_the_last() -> None:
    d = desk(tiers=((1.0, 0.9), (2.0, 0.8)))
    rows = [d.open(f"owner {i}", cash=10 * USD, coins=round(q * COIN)) for i, q in enumerate((0.5, 2.0, 5.0))]
    assert [d.margin(row)[0] for row in rows] == [55 * USD, 180 * USD, 180 * USD]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**15),
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**8)), min_size=1, max_size=4),
    st.integers(1, 10**6),
)
def test_the_engine_values_collateral_as_exact_arithmetic_does(
    amount: int, steps: list[tuple[int, int]], ticks: int
) -> None:
    bounds = np.cumsum([width for width, _ in steps])
    d = desk(tiers=tuple((float(b), share / 1e8) for b, (_, share) in zip(bounds, steps, strict=True)))
    row = d.open("owner", coins=amount)
    d.set_mark(SPOT, ticks * TICKS)
    price_collateral(d.address)
    below, counted = 0, 0
    for bound, (_, share) in zip(bounds.tolist(), steps, strict=True):
        top = min(amount, bound * COIN)
        counted += max(top - below, 0) * share // 10**8
        below = bound * COIN
    dollars = Fraction(counted, COIN) * Fraction(ticks, 10)
    assert d.margin(row)[0] == int(dollars * USD)
    assert collateral.values(d.state)[row] == pytest.approx(
        float(dollars * USD), rel=1e-9, abs=1 + len(steps) * ticks / 1000
    )


def test_an_isolated_account_has_its_own_money_only() -> None:
    d = desk(haircut=0.1)
    cross, alone = d.open("ann", coins=COIN), d.open("ann", coins=COIN, isolated=True)
    assert d.margin(cross)[0] == 90 * USD and d.margin(alone)[0] == 0


def test_collateral_is_margin_for_orders_and_positions() -> None:
    d = desk(haircut=0.2)
    ann, bob = d.open("ann", coins=COIN, leverage=10), d.open("bob", cash=10**12)
    assert d.place(ann, PERP, 1, BTC_PRICE, 8_001) == "not enough margin"
    assert d.place(ann, PERP, 1, BTC_PRICE, 8_000) == "accepted"
    d.place(bob, PERP, -1, BTC_PRICE, 8_000)
    assert d.lots(ann) == 8_000 and d.margin(ann) == (80 * USD, pytest.approx(3.2 * USD), 0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 60 * USD),
    st.integers(0, 5 * COIN),
    st.integers(0, 4_000),
    st.sampled_from([(), ((1.0, 0.9), (3.0, 0.5))]),
)
def test_collateral_may_leave_down_to_the_initial_margin_and_no_further(
    cash: int, coins: int, lots: int, tiers: Any
) -> None:
    d = desk(haircut=0.1, tiers=tiers)
    row = d.open("ann", cash=cash, coins=coins, leverage=10)
    d.hold(PERP, 100.0, {row: lots})
    amounts = np.array([coins], np.int64)
    free = d.margin(row)[2]
    ledger.debit(d.address, np.array([row], np.int32), np.array([BTC], np.int32), amounts)
    gone = int(amounts[0])
    if gone > 0 and lots > 0:
        assert d.margin(row)[2] >= 0
    if gone < coins:
        assert lots > 0 and d.margin(row)[2] <= max(0, min(free, 3)), "all that is free has left"


# ---------------------------------------------------------------- at which price


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("own_book", 65.0), ("index", 97.0), ("redemption", 100.0), ("index_with_floor", 98.0)],
)
def test_the_price_source_is_a_switch(rule: str, expected: float) -> None:
    d = desk(rule, redemption=100.0, floor=98.0)
    row = d.open("ann", coins=COIN)
    set_spot(d, 65.0, index=97.0)
    assert price_of(d) == pytest.approx(expected) and d.margin(row)[0] == expected * USD


def test_a_claim_on_another_asset_is_worth_its_ratio_of_that_assets_index() -> None:
    d = desk("redemption", redemption=1.08, redemption_in="BTC")
    row = d.open("ann", coins=COIN)
    set_spot(d, 65.0, index=97.0)
    assert d.margin(row)[0] == pytest.approx(1.08 * 97 * USD, abs=1)


def test_another_price_rule_in_the_middle_of_a_run_counts_at_once() -> None:
    d = desk("own_book", redemption=100.0)
    row = d.open("ann", coins=COIN)
    d.hold(PERP, 100.0, {row: 5_000})
    set_spot(d, 50.0, index=97.0)
    assert d.margin(row)[0] == 50 * USD
    model = d.model
    for price, worth in (("redemption", 100), ("index", 97), ("own_book", 50)):
        told = {"collateral": {"assets": {"BTC": {"redemption": 100.0}}, "price": price}}
        rules = model.rules | {"alpha": VenueRules.model_validate(model.rules["alpha"].model_dump() | told)}
        rewrite_rules(d.state, model.clock, rules, model.books, model.asset_scales, model.rules)
        assert d.margin(row)[0] == worth * USD


@pytest.mark.parametrize(
    ("asset", "word"),
    [("USDT", "settlement asset"), ("GOLD", "not an asset")],
)
def test_what_cannot_be_collateral_is_refused_by_name(asset: str, word: str) -> None:
    with pytest.raises(ValueError, match=f"venues.alpha.collateral.assets.{asset}: .*{word}"):
        small_model({"collateral": {"assets": {asset: {}}}})


# ---------------------------------------------------------------- who is looked at


Shock = st.tuples(
    st.sampled_from(["spot", "spot", "spot", "mark", "coins", "money", "trade"]),
    st.sampled_from([PERP, ETH]),
    st.one_of(st.floats(-0.004, 0.002), st.floats(-0.015, 0.01), st.floats(-0.3, 0.4)),
    st.integers(0, 23),
    st.integers(-4000, 4000),
)


def crowd(sizes: list[int]) -> Desk:
    """Accounts with coins worth one to four times their positions and a debt that leaves them one to thirty per cent
    of it: what brings them down is the coins' price as often as a mark. Every sixth is isolated."""
    d = desk(tiers=((10.0, 0.95), (1e5, 0.8)))
    for i, size in enumerate(sizes):
        notional = 10**size * (1 + i) * 100_000
        coins = notional * (1 + i % 4)
        counted = int(weight_of(coins / COIN, ((10.0, 0.95), (1e5, 0.8))) * 100 * USD)
        alone = i % 6 == 5
        cash = notional * (1 + i) // 40 - (0 if alone else counted)
        d.open(f"owner {i}", cash=cash, coins=coins, isolated=alone)
    for book in (PERP, ETH):
        held = {
            FIRST + i: (1 if (i + book) % 3 else -1) * 10**size * (1 + i) // (1 + 20 * book)
            for i, size in enumerate(sizes)
            if i % 6 != 5 or book == PERP
        }
        d.hold(book, float(d.model.books.opening_price[book]), held)
        anchor(d.address, book)
    return d


def shock(d: Desk, action: tuple[Any, ...]) -> None:
    what, book, move, who, amount = action
    row = FIRST + who
    if what in ("mark", "spot"):
        b = SPOT if what == "spot" else book
        d.set_mark(b, max(1, int(d.state.books["mark"][b] * (1.0 + move))))
    elif what in ("money", "coins"):
        d.model.accounts.deposit([row], BTC if what == "coins" else USDT, np.array([abs(amount)], np.int64))
    else:
        d.place(
            row,
            book,
            1 if amount > 0 else -1,
            max(1, int(d.state.books["mark"][book]) // TICKS),
            abs(amount) + 1,
        )
    price_collateral(d.address)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.integers(1, 4), min_size=24, max_size=24), st.lists(Shock, min_size=1, max_size=25))
def test_the_index_finds_whom_a_look_at_everybody_finds(
    sizes: list[int], shocks: list[tuple[Any, ...]]
) -> None:
    fast, slow = crowd(sizes), crowd(sizes)
    assert fast.under_water() == slow.under_water_by_full_pass()
    for action in shocks:
        for d in (fast, slow):
            shock(d, action)
        assert fast.under_water() == slow.under_water_by_full_pass(), action


def test_whoever_a_slow_fall_of_the_collateral_price_brings_down_is_found_at_once() -> None:
    fast, slow = crowd([2] * 24), crowd([2] * 24)
    found = 0
    for k in range(40):
        for d in (fast, slow):
            set_spot(d, 100.0 * (1 - 0.003 * k))
        under = fast.under_water()
        assert under == slow.under_water_by_full_pass()
        found = max(found, len(under))
    assert found >= 8


def test_small_moves_of_the_collateral_price_look_at_nobody() -> None:
    d = crowd([3] * 24)
    d.under_water()
    set_spot(d, 100.0)
    d.under_water()
    sound = d.state.meta["leaning"][0]
    before = int(d.state.meta["checked"][0])
    for k in range(20):
        set_spot(d, 100.0 - 0.05 * k)
        d.under_water()
    looks = int(d.state.meta["checked"][0]) - before
    assert looks <= 20 * (sound + 12)


# ---------------------------------------------------------------- statements and openings


def test_the_statement_says_at_which_mark_collateral_no_longer_carries_the_position() -> None:
    d = desk(haircut=0.1)
    row = d.open("ann", cash=5 * USD, coins=COIN)
    d.hold(PERP, 100.0, {row: 9_000})
    price = liquidation_prices(d.model)[row, PERP]
    assert price == pytest.approx((900 - 95) / 9 / (1 - 0.004))
    accounts, _ = statements(d.model)
    assert accounts["equity"][row] == pytest.approx(95.0)
    for mark, found in ((price * 1.001, set()), (price * 0.999, {row})):
        d.set_mark(PERP, round(mark * 10 * TICKS))
        price_collateral(d.address)
        assert d.under_water() == found


def pledging(share: float) -> Any:
    """A scenario of one venue whose cross longs have a share of their margin in USDe at a haircut of 5 %."""
    longs = {"kind": "directional", "accounts": 50, "leverage": [[5, 10, 1]], "isolated": 0.3, "rest": True}
    return loads(
        tomli_w.dumps(
            {
                "title": "pledge",
                "clock": {"start": START, "duration": 20},
                "assets": {"USDT": {}, "BTC": {"decimals": 8, "value": 1e5}, "USDE": {"value": 0.999}},
                "contracts": {
                    "BTC": {"price": 1e5, "tick": 0.1, "lot": 0.001, "open_interest": 1e7},
                    "USDE": {"price": 0.999, "tick": 0.0001, "lot": 1.0, "beta": 0.0},
                },
                "venues": {
                    "alpha": {
                        "quote": "USDT", "perps": ["BTC"], "spots": ["BTC", "USDE"], "share": 1.0, "spot_share": 1.0,
                        "collateral": {"assets": {"USDE": {"haircut": 0.05}}},
                    }
                },
                "population": {
                    "longs": {"species": "leveraged_long", "opening": longs | {"pledged": {"USDE": share}}},
                    "shorts": {"species": "leveraged_short", "opening": longs | {"side": "short"}},
                },
            }
        )
    )  # fmt: skip


def test_an_opening_may_pledge_a_share_of_the_margin_and_changes_no_liquidation_price() -> None:
    plain, pledged = (planned(pledging(share), 1) for share in (0.0, 0.6))
    where = pledged.asset == "USDE"
    assert where.any() and not pledged.isolated[pledged.deposit_row[where]].any()
    for fall in (0.0, 0.08):
        a, b = census(plain).margin(fall), census(pledged).margin(fall)
        assert b[0] == pytest.approx(a[0], rel=1e-6, abs=1e-3) and (b[1] == a[1]).all()
    model = build(pledging(0.6), 1)
    accounts, _ = statements(model)
    equity, _ = census(pledged).margin()
    first = int(np.flatnonzero(np.array(accounts["owner_name"]) >= 0)[3])
    assert accounts["equity"][first : first + len(equity)] == pytest.approx(equity, rel=1e-4)


# ---------------------------------------------------------------- whole runs


NEWS = (("news.0.time", "2025-10-10T20:01:00Z"), ("news.0.size", "-0.08"))


def cascade(rule: str, at: float | None = None, then: str = "") -> Any:
    """The two venues' cascade; at alpha the longs hold half of their margin in coins, with a haircut of 10 %.
    From `at` on another rule gives their price."""
    accepts = (
        ("clock.duration", "400"),
        ("venues.alpha.collateral.price", rule),
        ("venues.alpha.collateral.assets.BTC.haircut", "0.1"),
        ("venues.alpha.collateral.assets.BTC.redemption", "116605.1"),
        ("venues.alpha.collateral.conversion.threshold", "1000.0"),
        ("population.longs.opening.pledged.BTC", "0.5"),
    )
    raw = config.plain(load("two_venues", [*NEWS, *accepts]))
    if at is not None:
        raw["interventions"] = [{"at": at, "set": {"venues.alpha.collateral.price": then}}]
    scenario, faults = config.resolve(raw)
    assert scenario is not None, faults
    model = build(scenario, 1, check=True)
    model.run()
    assert model.recorder is not None
    return model.recorder.finish()


@pytest.mark.slow
def test_a_cascade_with_coins_as_margin_sells_them_into_the_book_that_prices_them() -> None:
    """Nothing is claimed of who is saved: over seeds 1 to 8 a fixed price liquidated less in three, more in five."""
    own, index, fixed = (cascade(rule) for rule in ("own_book", "index", "redemption"))
    assert own.digest() == index.digest(), "with one spot book in the world index and own book are the same"
    assert own.digest() != fixed.digest()
    kinds = own.vocabularies["kind"]
    converted = own.events["kind"] == kinds.index("conversion")
    assert converted.sum() >= 10 and (own.events["value"][converted] > 0).all()
    assert set(np.array(own.vocabularies["book"])[own.events["book"][converted]]) == {"alpha:BTC-SPOT"}


@pytest.mark.slow
def test_another_price_rule_in_the_middle_leaves_what_was_before() -> None:
    trunk, same, branch = (
        cascade("own_book"),
        cascade("own_book", 100.0, "index"),
        cascade("own_book", 100.0, "redemption"),
    )
    assert trunk.digest() == same.digest(), "a rule that says the same price changes nothing"
    before = trunk.time <= 100.0
    for name, column in trunk.books.items():
        assert np.array_equal(column[before], branch.books[name][before], equal_nan=True)
    assert trunk.digest() != branch.digest()
