"""Claims about conversion: when collateral is sold, how much of it, where, and what that does to others.

The market of the last tests is that of USDe on 10 October 2025: collateral worth a dollar to its issuer, valued by
the venue's own spot book.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm import conversion
from abm.causes import CAUSES
from abm.channels import NetworkParameters
from abm.collateral_price import price_collateral
from abm.model import CascadeModel
from abm.resting import cancel_all
from abm.venue import Asset, Clock, Contract, VenueRules
from agents.exchange import Exchange
from tests.twins.market import BTC, SPOT, START, Desk, small_model

USD, COIN = 10**6, 10**8
FREE: dict[str, Any] = {"fees": {"maker": 0.0, "taker": 0.0}, "orders": {"band": 0.05}}


def desk(**rule: Any) -> Desk:
    """BTC at 100 dollars is collateral at alpha with a haircut of 10 %; ten coins are bid for at 100, ten at 99."""
    accepts = {"assets": {"BTC": {"haircut": 0.1}}, "conversion": {"threshold": 50.0, "limit": 50.0} | rule}
    d = Desk(small_model(FREE | {"collateral": accepts}, FREE, check=True))
    maker = d.open("maker", cash=10**12)
    for price in (1000, 990):
        assert d.place(maker, SPOT, 1, price, 10_000) == "accepted"
    return d


def convert(d: Desk) -> None:
    at = 0
    while (at := conversion.convert(d.address, at)) >= 0:
        d.model.make_room()
    d.model.audit("conversion")


@pytest.mark.parametrize(("debt", "sold"), [(50, 0.0), (51, 0.51), (250, 2.5)])
def test_a_debt_above_the_threshold_is_repaid_in_full(debt: int, sold: float) -> None:
    d = desk()
    row = d.open("ann", cash=-debt * USD, coins=5 * COIN)
    convert(d)
    assert 5 - d.cash(row, BTC) / COIN == pytest.approx(sold, abs=0.001)
    assert d.cash(row) == pytest.approx(0 if sold else -debt * USD, abs=0.1 * USD)
    events = d.events("conversion")
    assert [(e["book"], e["side"]) for e in events] == [(SPOT, 1)] * (sold > 0)
    if sold:
        assert events[0]["value"] == events[0]["qty"] * 100 * 1000 and events[0]["price"] == 1000 * 1024
        fills = d.state.fills[: d.state.count("fills")]
        assert set(fills["kind"]) == {CAUSES.index("conversion")} and set(fills["cause"]) == {events[0]["id"]}


def test_what_nobody_bids_for_within_the_venues_bound_waits() -> None:
    d = desk()
    row = d.open("ann", cash=-3000 * USD, coins=40 * COIN)
    d.set_mark(SPOT, 1030 * 1024)
    convert(d)
    assert d.cash(row, BTC) == 20 * COIN and d.cash(row) == (-3000 + 1990) * USD
    maker = d.open("late bid", cash=10**12)
    d.place(maker, SPOT, 1, 978, 1000)  # below 97.85, the bound
    convert(d)
    assert d.cash(row, BTC) == 20 * COIN
    d.set_mark(SPOT, 990 * 1024)
    convert(d)
    assert d.cash(row, BTC) == 19 * COIN


def test_by_the_timer_a_debt_is_repaid_to_a_share_of_the_limit_and_orders_are_cancelled() -> None:
    d = desk(threshold=0.0, every=600.0, down_to=0.8)
    row, small = d.open("ann", cash=-130 * USD, coins=5 * COIN), d.open("bob", cash=-49 * USD, coins=5 * COIN)
    d.place(row, SPOT, -1, 1100, 1000)
    d.state.meta["now"] = 599_000
    convert(d)
    assert d.cash(row) == -130 * USD, "between two checks nothing happens"
    d.state.meta["now"] = 600_000
    convert(d)
    assert d.cash(row) == pytest.approx(-40 * USD, abs=0.1 * USD) and d.locked(row, BTC) == 0
    assert d.cash(small) == -49 * USD


def test_internalised_the_venue_buys_at_the_collateral_price_and_no_book_hears_of_it() -> None:
    d = desk(through="internal")
    row = d.open("ann", cash=-250 * USD, coins=5 * COIN)
    d.set_mark(SPOT, 800 * 1024)
    price_collateral(d.address)
    convert(d)
    capital = int(d.state.venues["capital"][0])
    assert d.cash(row) == pytest.approx(0, abs=2) and d.cash(row) >= 0
    assert d.cash(capital, BTC) == 5 * COIN - d.cash(row, BTC) == pytest.approx(250 / 80 * COIN, abs=2)
    assert d.cash(capital) == -250 * USD - d.cash(row) and d.tape() == []
    assert len(d.events("conversion")) == 1


def test_collateral_that_counts_for_most_is_sold_first() -> None:
    accepts = {
        "assets": {"BTC": {"haircut": 0.2}, "ETH": {"haircut": 0.1}},
        "conversion": {"through": "internal", "threshold": 1.0},
    }
    model = market(accepts, assets={"ETH": Asset(decimals=8, value=50.0)})
    d = Desk(model)
    row = d.open("ann", cash=-120 * USD, coins=2 * COIN)
    model.accounts.deposit([row], "ETH", np.array([COIN], np.int64))
    convert(d)
    eth = model.asset_names.index("ETH")
    assert d.cash(row, eth) == 0 and d.cash(row, BTC) == pytest.approx(1.3 * COIN, abs=3)


def market(accepts: dict[str, Any], assets: dict[str, Asset] | None = None) -> CascadeModel:
    """One venue with perpetual and spot of BTC and ETH."""
    return CascadeModel(
        Clock(start=START, duration=60.0, burn_in=0.0),
        {"USDT": Asset(), "BTC": Asset(decimals=8, value=100.0)} | (assets or {}),
        {coin: Contract(price=p, tick=0.1, lot=0.001) for coin, p in (("BTC", 100.0), ("ETH", 50.0))},
        {"alpha": VenueRules.model_validate(
            FREE | {"quote": "USDT", "perps": ("BTC",), "spots": ("BTC", "ETH"), "share": 1.0, "spot_share": 1.0,
                    "collateral": accepts})},
        NetworkParameters(), [], 1, check=True,
    )  # fmt: skip


# ---------------------------------------------------------------- at liquidation


def test_an_account_sells_its_collateral_before_its_position_and_may_live() -> None:
    d = desk()
    row = d.open("ann", cash=0, coins=COIN, leverage=20)
    d.hold(0, 100.0, {row: 9_000})  # 900 dollars on 90 of margin
    d.set_mark(
        0, 904 * 1024
    )  # 86.40 lost, 3.60 of margin left where 3.25 are asked; collateral sold would be worth more
    assert d.under_water() == set()
    d.set_mark(0, 903 * 1024)
    price_collateral(d.address)
    d.model.liquidate()
    assert d.lots(row) == 9_000 and d.events("liquidation") == []
    assert d.cash(row, BTC) < 0.13 * COIN and len(d.events("conversion")) == 1
    assert d.margin(row)[0] > 11 * USD


def test_without_bids_collateral_goes_with_the_account_and_nothing_is_lost() -> None:
    d = desk()
    maker = d.open("quiet", cash=10**9)
    for row in range(int(d.state.meta["rows"][0])):
        cancel_all(d.address, row, -1)
    row = d.open("ann", cash=0, coins=COIN)
    d.hold(0, 100.0, {row: 9_000})
    d.set_mark(0, 900 * 1024)
    d.model.liquidate()
    d.model.deleverage()
    d.model.audit("liquidation")
    fund = int(d.state.venues["fund"][0])
    assert d.lots(row) == 0 and d.cash(row) == 0 and d.cash(row, BTC) == 0
    assert d.cash(fund, BTC) == COIN and d.lots(fund) == 9_000
    assert d.cash(maker) == 10**9


# ---------------------------------------------------------------- USDe


def usde_market(price: str, conversion_through: str = "book") -> tuple[CascadeModel, list[int]]:
    """BTC on margin; forty accounts whose only margin is USDe, worth a dollar to its issuer and at two other venues."""
    alpha = {
        "quote": "USDT", "perps": ("BTC",), "spots": ("BTC", "USDE"), "share": 1.0, "spot_share": 0.3,
        "fees": {"maker": 0.0, "taker": 0.0}, "orders": {"band": 0.6},
        "collateral": {"assets": {"USDE": {"haircut": 0.05, "redemption": 1.0, "floor": 0.97}}, "price": price,
                       "conversion": {"through": conversion_through}},
    }  # fmt: skip
    other = VenueRules(quote="USDT", spots=("BTC", "USDE"), spot_share=0.35)
    model = CascadeModel(
        Clock(start=START, duration=120.0, burn_in=0.0),
        {"USDT": Asset(), "BTC": Asset(decimals=8, value=100.0), "USDE": Asset()},
        {"BTC": Contract(price=100.0, tick=0.1, lot=0.001), "USDE": Contract(price=1.0, tick=0.0001, lot=0.1)},
        {"alpha": VenueRules.model_validate(alpha), "beta": other, "gamma": other},
        NetworkParameters(), [], 1, check=True,
    )  # fmt: skip
    d = Desk(model)
    perp, spot = model.book_id("alpha:BTC-PERP"), model.book_id("alpha:USDE-SPOT")
    maker, away = d.open("maker", cash=10**13, leverage=2.0), [d.open("away", v, cash=10**12) for v in (1, 2)]
    for row in (maker, *away):
        model.accounts.deposit([row], "USDE", np.array([10**12], np.int64))
    rows = []
    for i in range(40):
        row = d.open(f"trader {i}", cash=0, leverage=20.0)
        model.accounts.deposit([row], "USDE", np.array([1000 * USD], np.int64))
        rows.append(row)
    d.hold(perp, 109.0, {row: 60_000 + 1_000 * i for i, row in enumerate(rows)})  # 540 to 890 lost of 950
    model.setup()
    for k in range(1, 40):  # bids that thin out from a dollar down
        d.place(maker, spot, 1, 10_000 - 100 * k, 4_000)
        d.place(maker, perp, 1, 1000 - 4 * k, 400_000)
    d.place(maker, perp, -1, 1001, 100_000)
    for row, venue in zip(away, ("beta", "gamma"), strict=True):
        d.place(row, model.book_id(f"{venue}:USDE-SPOT"), 1, 9_995, 10**6)
        d.place(row, model.book_id(f"{venue}:USDE-SPOT"), -1, 10_005, 10**6)
    seller = d.open("seller", cash=0)
    model.accounts.deposit([seller], "USDE", np.array([10**11], np.int64))
    model.step()
    assert d.place(seller, spot, -1, 0, 60_000) == "accepted"  # USDe is dumped: 6,000 of them, to 0.85
    for _ in range(20):
        model.step()
    assert d.faults() == []
    return model, [row for row in rows if d.lots(row, perp) == 0]


@pytest.mark.parametrize("price", ["index", "redemption", "index_with_floor"])
def test_a_dump_in_the_own_book_liquidates_nobody_when_others_set_the_price(price: str) -> None:
    model, closed = usde_market(price)
    assert closed == []
    assert model.state.books["last"][model.book_id("alpha:USDE-SPOT")] >= 8_000


def test_a_dump_in_the_own_book_liquidates_those_whom_it_values_and_conversion_deepens_it() -> None:
    model, closed = usde_market("own_book")
    assert len(closed) >= 10
    spot = model.book_id("alpha:USDE-SPOT")
    bottom = int(model.state.books["last"][spot])
    quiet, _ = usde_market("redemption")
    inside, also = usde_market("own_book", "internal")
    assert bottom < int(quiet.state.books["last"][spot]) - 500, "what is converted is sold into the same book"
    assert int(inside.state.books["last"][spot]) > bottom and len(also) <= len(closed)


def test_a_pool_sells_the_collateral_that_it_took_over_a_little_at_a_time() -> None:
    accepts = {"assets": {"BTC": {"haircut": 0.1}}}
    rules = FREE | {"collateral": accepts, "fund": {"cash": 1e6, "disposal": 0.05}}
    d = Desk(small_model(rules, FREE, check=True))
    maker, seller = d.open("maker", cash=10**12), d.open("seller", coins=COIN)
    model = d.model
    fund = int(d.state.venues["fund"][0])
    model.accounts.deposit([fund], "BTC", np.array([4 * COIN], np.int64))
    model.add(Exchange(model, "exchange", Exchange.Parameters()))
    model.setup()
    assert d.place(maker, SPOT, 1, 1000, 100_000) == "accepted"
    d.place(seller, SPOT, -1, 1001, 1)
    held, money = [4 * COIN], d.cash(fund)
    for _ in range(30):
        model.step()
        held.append(d.cash(fund, BTC))
    assert all(0 <= before - after <= 0.4 * COIN for before, after in zip(held, held[1:], strict=False))
    assert 0.5 * COIN < held[-1] < 2 * COIN
    assert d.cash(fund) - money == pytest.approx((held[0] - held[-1]) / COIN * 100 * USD, rel=1e-9)
