"""Worked examples of margin, liquidation and bankruptcy prices, by their number in the sheet of test vectors.

Provenance: doc = a number printed in the venue's documentation, oss = asserted in a public unit test or specification,
der = computed from a sourced formula and table. Tolerance: one millionth unless a row says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import bankruptcy_price as bp
from abm import liquidation_price as lp
from abm.collateral import collateral_value, weight_of
from abm.liquidation_price import Tiers, maintenance_margin
from experiments.checks import bracket_tables


class Vector(NamedTuple):
    id: str
    rule: Callable[..., Any]
    inputs: dict[str, Any]
    expected: Any
    provenance: str


def binance_table(symbol: str) -> Tiers:
    return Tiers.of((float(row["notional_floor"]), float(row["mmr"])) for row in bracket_tables()[symbol])


BTC = binance_table("BTCUSDT")
BYBIT = Tiers.of([(0, .005), (2e6, .0056), (2.6e6, .0063), (3.2e6, .0067), (3.8e6, .0071), (4.4e6, .0077),
                  (5e6, .0091), (5.6e6, .01)])  # fmt: skip
HYPERLIQUID = Tiers.leverages([(0, 40), (150e6, 20)])


def v05() -> dict[str, Any]:
    btc, eth = Tiers.single(0.025, 16_300.0), Tiers.single(0.10, 135_365.0)
    margin = maintenance_margin(109.488 * 31_967.27, btc)
    profit = 109.488 * (31_967.27 - 32_481.98)
    assert margin == pytest.approx(71_200.81144) and profit == pytest.approx(-56_354.57, abs=0.005)
    return {"wallet": 1_535_443.01, "tiers": eth, "both": (3_683.979, 1_456.84), "maintenance_others": margin,
            "unrealised_others": profit, "mark": 1_335.18}  # fmt: skip


def amount(tiers: Tiers, tier: int) -> float:
    return float(tiers.amount[tier - 1])


VECTORS = [
    Vector(
        "V01",
        lp.next_amount,
        {"amount": 16_300, "floor": 5e6, "rate": 0.05, "rate_below": 0.025},
        141_300,
        "doc",
    ),
    Vector(
        "V02", lp.next_amount, {"amount": 0.56, "floor": 50, "rate": 0.05, "rate_below": 0.025}, 1.81, "doc"
    ),
    Vector(
        "V03",
        maintenance_margin,
        {"notional": np.array([1e6, 1e7, 2e8]), "tiers": BTC},
        [5e3, 88e3, 7.018e6],
        "der",
    ),
    Vector(
        "V04",
        lp.binance,
        {
            "wallet": 10.72,
            "maintenance_others": 1.3,
            "unrealised_others": 0.47,
            "both": (-0.005, 9_451.53),
            "tiers": Tiers.single(0.004),
        },
        11_383.994,
        "doc",
    ),
    Vector("V05", lp.binance, v05(), pytest.approx(1_153.26, abs=0.005), "doc, oss"),
    Vector(
        "V06",
        lp.binance,
        {"wallet": 2, "both": (1, 10), "tiers": Tiers.single(0.01, 0.01)},
        8.070707070707071,
        "oss",
    ),
    Vector(
        "V07",
        lp.binance,
        {"wallet": 2, "both": (-1, 10), "tiers": Tiers.single(0.01, 0.01)},
        11.89108910891089,
        "oss",
    ),
    Vector(
        "V07 hedge",
        lp.binance,
        {"wallet": 2, "short": (1, 10), "tiers": Tiers.single(0.01, 0.01)},
        11.89108910891089,
        "oss",
    ),
    Vector(
        "V08 long",
        lp.with_taker_fee,
        {"wallet": 2, "size": 1, "entry": 10, "side": 1, "tiers": Tiers.single(0.01), "taker": 0.0006},
        8.085708510208207,
        "oss",
    ),
    Vector(
        "V08 short",
        lp.with_taker_fee,
        {"wallet": 2, "size": 1, "entry": 10, "side": -1, "tiers": Tiers.single(0.01), "taker": 0.0006},
        11.87413417771621,
        "oss",
    ),
    Vector(
        "V09",
        lp.bybit_isolated,
        {"size": 1, "entry": 20_000, "side": 1, "leverage": 50, "tiers": BYBIT},
        19_700,
        "doc",
    ),
    Vector("V10", amount, {"tiers": BYBIT, "tier": 8}, 20_500, "doc"),
    Vector("V10", maintenance_margin, {"notional": 7e6, "tiers": BYBIT}, 49_500, "der"),
    Vector(
        "V11",
        lp.bybit_inverse,
        {"size": 60_000, "entry": 50_000, "side": -1, "leverage": 10, "tiers": Tiers.single(0.005)},
        55_248.6188,
        "doc inputs, der",
    ),
    Vector("V12", bp.inverse_isolated, {"entry": 7_890.08, "side": 1, "leverage": 50}, 7_735.372549, "doc"),
    Vector("V13", amount, {"tiers": HYPERLIQUID, "tier": 2}, 1_875_000, "der"),
    Vector("V13", maintenance_margin, {"notional": 2e8, "tiers": HYPERLIQUID}, 3_125_000, "der"),
    Vector(
        "V14 long",
        lp.hyperliquid,
        {"price": 1e5, "size": 1, "side": 1, "account_value": 5_000, "tiers": HYPERLIQUID},
        96_202.53165,
        "der",
    ),
    Vector(
        "V14 short",
        lp.hyperliquid,
        {"price": 1e5, "size": 1, "side": -1, "account_value": 5_000, "tiers": HYPERLIQUID},
        103_703.7037,
        "der",
    ),
    Vector(
        "V20",
        lp.dydx,
        {"equity": 1_000, "size": -3, "price": 3_000, "maintenance_fraction": 0.05},
        3_174.603175,
        "doc",
    ),
    Vector("V21", bp.linear, {"size": 500, "entry": 1, "side": -1, "margin": 100}, 1.2, "doc"),
    Vector(
        "V22",
        lambda **x: 500 * (bp.linear(**x) - 0.77),
        {"size": 500, "entry": 1, "side": 1, "margin": 100},
        15,
        "doc",
    ),
    Vector("V22", maintenance_margin, {"notional": 500, "tiers": Tiers.single(0.03)}, 15, "doc"),
    Vector("V22", bp.dydx_max_spread, {"maintenance_fraction": 0.03}, 0.045, "doc"),
    Vector(
        "V23",
        bp.dydx_quote,
        {"value": 5_000, "equity": 499, "maintenance": 500, "maintenance_all": 500},
        4_501,
        "oss",
    ),
    Vector(
        "V24",
        bp.dydx_quote,
        {"value": 2_500, "equity": 0, "maintenance": 250, "maintenance_all": 500},
        2_500,
        "oss",
    ),
    Vector(
        "V25",
        bp.dydx_quote,
        {"value": 300, "equity": 10, "maintenance": 30, "maintenance_all": 50},
        294,
        "oss",
    ),
    Vector(
        "V26",
        bp.dydx_fillable_price,
        {
            "price": 50_000,
            "side": 1,
            "equity": 499,
            "maintenance_all": 500,
            "maintenance_fraction": 0.1,
            "spread_ratio": 0.1,
        },
        49_999,
        "oss",
    ),
    Vector(
        "V27",
        bp.dydx_fillable_price,
        {
            "price": 50_000,
            "side": 1,
            "equity": 0,
            "maintenance_all": 500,
            "maintenance_fraction": 0.1,
            "spread_ratio": 0.1,
        },
        49_500,
        "oss",
    ),
    *(
        Vector(
            "V28",
            bp.dydx_fund_delta,
            {"fill_value": 561_000, "bankruptcy_value": 510_000, "max_fee_ppm": ppm},
            delta,
            "oss",
        )
        for ppm, delta in ((5_000, 2_805), (25_000, 14_025), (1_000_000, 51_000))
    ),  # in cents
    Vector("V45", weight_of, {"amount": 2, "tiers": ((1, 0.9), (2, 0.8))}, 1.7, "doc"),
    Vector("V46", collateral_value, {"amount": 100, "price": 300, "haircut": 0.05}, 28_500, "doc"),
    Vector(
        "V36",
        lp.vega_maintenance,
        {"mark": 15_900, "open_volume": 1, "slippage": 0.25, "risk_long": 0.1},
        5_565,
        "oss",
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.id)
def test_the_worked_examples_of_the_venues(vector: Vector) -> None:
    given_ = vector.rule(**vector.inputs)
    wanted = vector.expected
    if not isinstance(wanted, type(pytest.approx(0.0))):
        wanted = pytest.approx(wanted, rel=1e-6)
    assert given_ == wanted


def test_vegas_documents_charge_orders_beside_the_position() -> None:
    """Example 1 of the specification: 10 long, 4 bids, 8 offers, mark 144, exit price 110."""
    margin = lp.vega_maintenance(
        144, 10, buy_orders=4, sell_orders=8, risk_long=0.1, risk_short=0.11, exit_price=110
    )
    assert margin == pytest.approx(541.6)


def test_dydx_rounds_towards_plus_infinity_for_long_and_short_and_below_zero() -> None:
    assert bp.dydx_quote(value=100, equity=1, maintenance=1, maintenance_all=3) == 100
    assert bp.dydx_quote(value=100, equity=-1, maintenance=1, maintenance_all=3) == 101
    assert bp.dydx_quote(value=-100, equity=-1, maintenance=1, maintenance_all=3) == -99


# ---------------------------------------------------------------- the tier at the liquidation price


def left_over(price: float, wallet: float, legs: list[tuple[int, float, float]], tiers: Tiers) -> float:
    """Equity less maintenance margin at a price, the slow way."""
    total = wallet
    for side, size, entry in legs:
        total += side * size * (price - entry) - maintenance_margin(size * price, tiers)
    return float(total)


Notional = st.floats(3.0, 9.0).map(lambda digits: 10.0**digits)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    Notional,
    st.floats(0.004, 1.5),
    st.sampled_from([1, -1]),
    st.sampled_from(["BTCUSDT", "SOLUSDT", "IOTXUSDT"]),
)
def test_at_the_liquidation_price_equity_is_the_maintenance_margin_of_the_tier_there(
    notional: float, share: float, side: int, symbol: str
) -> None:
    tiers, entry = binance_table(symbol), 100.0
    size, wallet = notional / entry, notional * share
    price = lp.binance(wallet, tiers, both=(side * size, entry))
    if np.isnan(price):
        assert side > 0 and left_over(0.0, wallet, [(1, size, entry)], tiers) >= -1e-6 * wallet
    else:
        assert left_over(price, wallet, [(side, size, entry)], tiers) == pytest.approx(
            0.0, abs=1e-9 * notional
        )
        other = lp.hyperliquid(entry, size, side, wallet, tiers)
        assert other == pytest.approx(price, rel=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(Notional, Notional, st.floats(90, 110), st.floats(90, 110), st.floats(0.01, 0.5))
def test_hedged_positions_of_one_contract_fail_together(
    long: float, short: float, paid: float, sold: float, share: float
) -> None:
    legs = [(1, long / 100, paid), (-1, short / 100, sold)]
    wallet = share * abs(long - short) + 0.02 * (long + short)
    stands = left_over(100.0, wallet, legs, BTC)
    price = lp.binance(wallet, BTC, long=legs[0][1:], short=legs[1][1:], mark=100.0)
    if stands > 0 and np.isfinite(price):
        assert left_over(price, wallet, legs, BTC) == pytest.approx(
            0.0, abs=1e-8 * (long + short) * max(1, price / 100)
        )


def test_arrays_and_numbers_give_the_same_prices() -> None:
    size, wallet = np.array([0.1, 30.0, 4e4]), np.array([500.0, 1e5, 2e8])
    prices = lp.binance(wallet, BTC, both=(size, 1e5))
    assert prices.shape == (3,)
    assert prices.tolist() == [lp.binance(w, BTC, both=(q, 1e5)) for w, q in zip(wallet, size, strict=True)]


def test_a_long_that_has_paid_for_all_of_it_has_no_liquidation_price() -> None:
    assert np.isnan(lp.binance(100.0, BTC, both=(1.0, 100.0)))
    assert np.isnan(lp.binance(100.0, BTC))
    assert np.isnan(lp.dydx(equity=200.0, size=1.0, price=100.0, maintenance_fraction=0.05))


# ---------------------------------------------------------------- bankruptcy


@given(st.floats(0.01, 1e4), st.floats(1.5, 100), st.sampled_from([1, -1]), st.floats(0, 0.002))
def test_at_the_bankruptcy_price_nothing_is_left_after_the_fee(
    size: float, leverage: float, side: int, taker: float
) -> None:
    entry = 250.0
    margin = size * entry / leverage
    price = bp.linear(size, entry, side, margin, taker)
    assert margin + side * size * (price - entry) - taker * size * price == pytest.approx(
        0, abs=1e-9 * size * entry
    )
    assert bp.bybit_cross(size, entry, side, 0.4 * margin, 0.6 * margin, taker) == pytest.approx(price)
    coins = size / entry / leverage
    price = bp.inverse(size, entry, side, coins, taker)
    left = coins + side * (size / entry - size / price) - taker * size / price
    assert left == pytest.approx(0, abs=1e-9 * size / entry)


@given(st.floats(1.5, 100), st.sampled_from([1, -1]), st.floats(0.0, 0.05), st.floats(0, 0.1))
def test_an_inverse_position_meets_its_margin_at_its_liquidation_price(
    leverage: float, side: int, rate: float, more: float
) -> None:
    size, entry = 60_000.0, 50_000.0
    value = size / entry
    extra = more * value
    fixed = lp.bybit_inverse(size, entry, side, leverage, Tiers.single(rate), extra)
    moving = lp.bybit_inverse_at_price(size, entry, side, leverage, rate, extra=extra)
    for price, needed in ((fixed, rate * value), (moving, rate * size / moving)):
        if np.isfinite(price):
            left = value / leverage + extra + side * (value - size / price)
            assert left == pytest.approx(needed, abs=1e-9)
