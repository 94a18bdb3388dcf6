"""Claims about index and mark prices: Binance's rule for outliers, conversions, and the three kinds of mark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.channels import NetworkParameters
from abm.index import INDEX_RULES, IndexRule, index_price
from abm.mark import average, price_all
from abm.model import CascadeModel
from abm.resting import cancel_all
from abm.venue import Asset, Clock, Contract, OrderRules, VenueRules
from tests.twins.market import OTHER, PERP, SPOT, START, Desk, small_model

TICKS = 1024
RICH = 10**15
HOUR = 3_600_000  # ms


def spot_desk(weights: list[float], quotes: dict[int, str] | None = None, **rule: Any) -> Desk:
    """A perpetual (book 0) on its own venue and one BTC spot book a venue, books 1, 2, ...; the last may be in USD."""
    quotes = quotes or {}
    venues: dict[str, Any] = {
        "perps": VenueRules(quote="USDT", perps=("BTC",), share=1.0, index=IndexRule(**rule))
    }
    for i, weight in enumerate(weights):
        quote = quotes.get(i, "USDT")
        listed = ("BTC",) if quote == "USDT" else ("BTC", "USDT")
        venues[f"spot {i}"] = VenueRules(
            quote=quote, spots=listed, spot_share=weight, orders=OrderRules(band=0.0)
        )
    return Desk(
        CascadeModel(
            Clock(start=START, duration=3600.0, step=1.0, burn_in=0.0),
            {"USDT": Asset(decimals=6), "USD": Asset(decimals=6), "BTC": Asset(decimals=8, value=100.0)},
            {
                "BTC": Contract(price=100.0, tick=0.1, lot=0.001),
                "USDT": Contract(price=1.0, tick=0.0001, lot=1.0),
            },
            venues, NetworkParameters(), [], 1,
        )
    )  # fmt: skip


def quote(d: Desk, book: int, middle: int, asset: int = 0) -> None:
    """Somebody new bids a tick below and offers a tick above; the last trade was between them."""
    d.state.books["last"][book] = middle
    venue = int(d.state.books["venue"][book])
    row = d.open(f"maker {d.sent}", venue)
    for a in range(len(d.model.asset_names)):
        d.model.accounts.deposit([row], a, RICH)
    for side in (1, -1):
        assert d.place(row, book, side, middle - side, 1) == "accepted"


def index(d: Desk) -> float:
    price_all(d.address)
    return float(d.state.books["index"][PERP]) / TICKS


@pytest.mark.parametrize(
    ("weights", "prices", "expected"),
    [
        ([0.5, 0.3, 0.2], [1000, 1010, 1020], 1007.0),
        ([1, 1, 1], [1000, 1000, 1049], 1016 + 1 / 3),
        ([1, 1, 1], [1000, 1000, 1051], 1000.0),  # one more than 5 % from the median: without it
        ([0.1, 0.1, 0.8], [1000, 1002, 900], 1001.0),  # however heavy it is
        ([0.1, 0.1, 0.1, 0.6, 0.1], [1000, 1001, 1003, 900, 1100], 1001.0),  # two of them: the median of all
        (
            [0.5, 0.3, 0.2],
            [1010, 1010, None],
            1008.0,
        ),  # an empty book says its last trade, here the opening price
        ([1, 1], [None, None], 1000.0),
    ],
)
def test_the_index_is_the_weighted_mean_of_spot_without_outliers(
    weights: list[float], prices: list[int | None], expected: float
) -> None:
    d = spot_desk(weights)
    for i, price in enumerate(prices):
        if price is not None:
            quote(d, 1 + i, price)
    assert index(d) == pytest.approx(expected, abs=1.5 / TICKS)


@pytest.mark.parametrize(("last", "says"), [(1000, 1000), (980, 990), (1020, 1010)])
def test_a_quote_beyond_the_last_trade_is_the_price(last: int, says: int) -> None:
    d = spot_desk([1.0])
    row = d.open("maker", 1, cash=RICH)
    d.model.accounts.deposit([row], 2, RICH)
    d.place(row, 1, 1, 990, 1)
    d.place(row, 1, -1, 1010, 1)
    d.state.books["last"][1] = last
    assert index(d) == says


def test_a_dollar_book_counts_at_the_dollar_price_of_the_stablecoin() -> None:
    d = spot_desk([0.0, 1.0], {1: "USD"})
    quote(d, 2, 1000)  # BTC at 100 USD
    quote(d, 3, 9800)  # a USDT at 98 cents
    assert index(d) == pytest.approx(1000 / 0.98, abs=2 / TICKS)


def prepared(rule: str, index: int, **fields: float) -> Desk:
    """A desk whose spot book traded at this index (fixed point), its perpetual with this basis, funding and last."""
    d = Desk(small_model({"mark": {"rule": rule}}, price=10_000.0))
    d.state.books["last"][SPOT] = index // TICKS
    for name, value in fields.items():
        d.state.books[name][PERP] = value
    return d


@pytest.mark.parametrize(
    ("index_price", "funding", "left", "basis", "last", "mark"),
    [
        (10_000.0, 0.0003, 4.0, 5.0, 9_990.0, 10_001.5),  # V17: index x (1 + funding still to pay)
        (110_000.0, 0.0001, 2.733, -800.0, 104_000.0, 109_200.0),  # V18: index + mean basis
        (110_000.0, 0.0001, 2.733, 800.0, 110_100.0, 110_100.0),  # the last trade
    ],
)
def test_the_mark_is_the_middle_of_three(
    index_price: float, funding: float, left: float, basis: float, last: float, mark: float
) -> None:
    d = prepared(
        "median", index=round(index_price * 10 * TICKS), funding=round(funding * 1e8), basis_n=1,
        basis_sum=round(basis * 10 * TICKS), last=round(last * 10),
    )  # fmt: skip
    d.state.meta["now"] = round((8.0 - left) * HOUR)
    price_all(d.address)
    assert d.state.books["mark"][PERP] / TICKS / 10 == pytest.approx(mark, abs=1.5e-4)


def test_the_basis_is_the_mean_of_the_window() -> None:
    d = Desk(small_model({"mark": {"rule": "index_basis", "window": 3.0}, "orders": {"band": 0.0}}))
    maker = d.open("maker", cash=RICH)
    seen = []
    for middle in (1004, 1000, 1010, 990, 1030):
        cancel_all(d.address, maker, PERP)
        for side in (1, -1):
            d.place(maker, PERP, side, middle - side, 1)
        price_all(d.address)
        seen.append(float(d.state.books["mark"][PERP]) / TICKS)
    assert seen == pytest.approx([1004, 1002, 3014 / 3, 1000, 1010], abs=1.5 / TICKS)
    cancel_all(d.address, maker, PERP)
    price_all(d.address)
    assert d.state.books["mark"][PERP] / TICKS == pytest.approx(1010), (
        "without two sides there is no new sample"
    )


@pytest.mark.parametrize(
    ("own", "last", "others", "mark"),
    [
        (None, None, None, 1000),  # nothing but the index
        (None, None, 980, 990),  # two of three, and the own book has never had a price: their middle
        ((970, 975), 972, 980, 972.5),  # the oracle with the basis, which was never anything else
        ((970, 975), 972, 960, 972),  # the own book
        ((970, 975), 999, 974, 974),  # the other venues' perpetuals
        ((970, 975), 999, None, 975),  # last trade outside the quotes: the offer, twice for want of others
    ],
)
def test_hyperliquids_mark_is_the_middle_of_oracle_book_and_others(
    own: tuple[int, int] | None, last: int | None, others: int | None, mark: float
) -> None:
    d = Desk(small_model({"orders": {"band": 0.0}}, {"mark": {"rule": "median_oracle", "window": 3600.0},
                                                      "orders": {"band": 0.0}}))  # fmt: skip
    here, there = d.open("here", venue=1, cash=RICH), d.open("there", cash=RICH)
    d.state.books["last"][OTHER] = last or 0
    if own:
        d.place(here, OTHER, 1, own[0], 1)
        d.place(here, OTHER, -1, own[1], 1)
    if others:
        d.place(there, PERP, 1, others - 1, 1)
        d.place(there, PERP, -1, others + 1, 1)
    price_all(d.address)
    assert d.state.books["mark"][OTHER] / TICKS == pytest.approx(mark, abs=0.02)


def test_all_marks_are_made_from_one_snapshot_and_the_old_one_is_kept() -> None:
    d = Desk(small_model({"orders": {"band": 0.0}}))
    before = d.state.books["mark"].copy()
    d.state.books["last"][SPOT] = 990
    price_all(d.address)
    assert (d.state.books["previous_mark"] == before).all()
    assert d.state.books["index"][[PERP, OTHER]].tolist() == [990 * TICKS] * 2, (
        "both venues see the same spot book"
    )
    assert d.state.books["mark"][SPOT] == 990 * TICKS


@pytest.mark.parametrize(
    ("every", "step", "steps"), [(1.0, 0.25, 4), (1.0, 1.0, 1), (3.0, 1.0, 3), (1.0, 2.0, 1)]
)
def test_a_mark_is_made_once_in_its_interval_whatever_the_step(every: float, step: float, steps: int) -> None:
    model = small_model({"mark": {"every": every, "window": 30.0}}, step=step)
    d = Desk(model)
    book = d.state.books
    marks = []
    for k in range(12):
        model.state.meta["now"] += model.clock.step_ms
        book["last"][PERP] = book["last"][SPOT] = 1000 + 10 * k
        price_all(d.state.address)
        marks.append(int(book["index"][PERP]))
    changed = [k for k in range(1, 12) if marks[k] != marks[k - 1]]
    assert changed and {(k + 1) % steps for k in changed} == {0}
    assert int(book["window"][PERP]) == round(30.0 / max(every, step)), "samples: the window is the same time"


# ---------------------------------------------------------------- rules of the index against their formula


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.lists(st.tuples(st.integers(900, 1100), st.sampled_from([0.25, 0.5, 0.75])), min_size=1, max_size=5),
    st.sampled_from(INDEX_RULES),
    st.integers(0, 31),
)
def test_the_engines_index_is_the_formulas(sources: list[tuple[int, float]], rule: str, stale: int) -> None:
    d = spot_desk([w for _, w in sources], {}, rule=rule, stale=10.0)
    ages = [20.0 if stale >> i & 1 else 0.0 for i in range(len(sources))]
    d.state.meta["now"] = 20_000
    for i, (price, _) in enumerate(sources):
        d.state.books["last"][1 + i] = price
        d.state.books["moved_at"][1 + i] = 20_000 - round(ages[i] * 1000)
    expected = index_price(
        [p for p, _ in sources], [w for _, w in sources], rule, before=1000.0, ages=ages, stale=10.0
    )
    assert index(d) == pytest.approx(expected, abs=2 / TICKS)


def test_a_source_is_fresh_while_it_trades_or_moves_its_quotes() -> None:
    d = spot_desk([1.0, 1.0], stale=10.0)
    quote(d, 1, 1000)
    quote(d, 2, 1040)
    taker = d.open("taker", 2, cash=RICH)
    seen = []
    for _ in range(30):
        d.state.meta["now"] += 1000
        if d.model.now == 20_000:
            d.place(taker, 2, 1, 1041, 1, 1)  # one trade, which takes the only offer as well
        seen.append(index(d))
    assert seen[0] == seen[9] == 1020 and seen[10] == seen[18] == 1020, (
        "without sources the last index stands"
    )
    assert seen[19] == seen[28] == 1041 and seen[29] == 1041


def test_a_halted_source_counts_at_its_last_trade_until_it_is_stale() -> None:
    d = spot_desk([1.0], stale=10.0)
    quote(d, 1, 1000)
    d.state.meta["now"] += 1000
    assert index(d) == 1000
    d.state.books["halted"][1], d.state.books["last"][1] = 2, 990
    assert index(d) == 990, "not what its quotes say"


# ---------------------------------------------------------------- rules of the mark


@pytest.mark.parametrize(("rule", "expected"), [("fair", 10_001.5), ("oracle", 10_000.0)])
def test_marks_that_see_no_book(rule: str, expected: float) -> None:
    d = prepared(
        rule, index=round(10_000.0 * 10 * TICKS), funding=30_000, basis_n=1, basis_sum=10**9, last=99_000
    )
    d.state.meta["now"] = 4 * HOUR
    price_all(d.address)
    assert d.state.books["mark"][PERP] / TICKS / 10 == pytest.approx(expected, abs=1.5e-4)


def test_the_slow_average_is_the_published_one_whatever_is_missing_in_between() -> None:
    model = small_model(
        {"orders": {"band": 0.0}, "mark": {"rule": "median_oracle", "window": 150.0, "every": 3.0}}
    )
    d = Desk(model)
    maker = d.open("maker", cash=RICH)
    draw = np.random.default_rng(5)
    num = den = own_num = own_den = 0.0
    last_time = None
    for k in range(1, 120):
        d.state.meta["now"] = 3000 * k - 1000
        d.state.meta["now"] += 1000
        cancel_all(d.address, maker, PERP)
        middle = int(draw.integers(950, 1050))
        there = draw.random() < 0.7
        if there:
            for side in (1, -1):
                d.place(maker, PERP, side, middle - side, 1)
        price_all(d.address)
        if there:
            t = 3.0 if last_time is None else 3.0 * (k - last_time)
            last_time = k
            num, den = average(num, den, middle - 1000.0, t, 150.0)
            own = sorted((middle - 1, middle + 1, 1000))[1]
            own_num, own_den = average(own_num, own_den, own, t, 30.0)
    assert d.state.books["ema"][PERP] / 4096 / TICKS == pytest.approx(num / den, abs=0.002)
    assert d.state.books["own_ema"][PERP] / 4096 / TICKS == pytest.approx(own_num / own_den, abs=0.002)


def test_peers_have_weights() -> None:
    rules: dict[str, Any] = {"orders": {"band": 0.0}, "quote": "USDT", "perps": ("BTC",)}
    prices = {"binance": 1030, "okx": 1010, "bybit": 1000, "gate": 990}
    venues = {name: VenueRules.model_validate(rules) for name in prices}
    peers = {"binance": 3.0, "okx": 2.0, "bybit": 2.0}
    venues["hl"] = VenueRules.model_validate(rules | {"mark": {"rule": "median_oracle", "peers": peers}})
    d = Desk(
        CascadeModel(
            Clock(start=START, duration=60.0, step=1.0, burn_in=0.0),
            {"USDT": Asset(decimals=6), "BTC": Asset(decimals=8, value=100.0)},
            {"BTC": Contract(price=100.0, tick=0.1, lot=0.001)}, venues, NetworkParameters(), [], 1,
        )
    )  # fmt: skip
    for b, price in enumerate(prices.values()):
        quote(d, b, price)
    d.state.books["last"][4] = 0
    quote(d, 4, 1020)  # B: the own book; A: the index of 1,000 and a basis of 20
    price_all(d.address)
    assert d.state.books["mark"][4] / TICKS == pytest.approx(1020)
    assert int(d.state.books["peers"][4]) == 3
    cancel_all(d.address, int(d.state.count("rows")) - 1, 4)
    d.state.books["own_weight"][4] = 0
    d.state.books["ema"][4] = 0
    price_all(d.address)
    assert d.state.books["mark"][4] / TICKS == pytest.approx((1000 + 1010) / 2), (
        "C: half of the weight is above 1,010"
    )
