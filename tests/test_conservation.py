"""Whatever a crowd does, nothing is created and nothing is lost: checked after every phase of every step.

Two venues with opposite rule books and a purse outside: traders at random with leverage, prices that jump, transfers
under way, funds that run dry, and the first hour's funding. The engine's own `check` raises on the first unit that
does not balance; the tests add what holds at the end of a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.adl import ALLOCATIONS, PRICES
from abm.agent import Participant
from abm.causes import EVENT_KINDS
from abm.channels import EdgeParameters
from abm.collateral import values
from abm.model import CascadeModel, ConservationError
from tests.twins.market import BTC, USDT, small_model
from tests.waterfalls import STAGES

CASH = 500.0  # dollars of each account


class Crowd(Participant):
    """Orders of every kind round a price that jumps, at prices and sizes that nobody thought about."""

    def decide(self, me: Any, market: Any) -> None:
        draw = np.random.default_rng([self.model.seed_number, self.model.step_number])
        jump = draw.normal(0.0, 0.05) if draw.random() < 0.1 else draw.normal(0.0, 0.012)
        jump += self.memory.get(f"gap at {self.model.step_number}", 0.0)
        self.memory["drift"] = float(np.clip(self.memory.get("drift", 0.0) + jump, -1.5, 1.0))
        n = len(me.rows)
        books = np.array([0, 1, 2, 3])
        for _ in range(12):
            book = draw.choice(books, n)
            mine = market.books.venue[book] == me.venue
            rows = np.flatnonzero(mine)
            book, side = book[rows], draw.choice([1, -1], len(rows))
            price = market.books.opening_price[book] * np.exp(
                self.memory["drift"] + draw.normal(0, 0.01, len(rows))
            )
            size = draw.lognormal(6.5, 1.5, len(rows)) / price
            kind = draw.random()
            if kind < 0.6:
                me.limit(rows, book, side, price, size, post_only=kind < 0.1, reduce_only=kind > 0.5,
                         tif=["gtc", "ioc", "fok"][int(draw.choice(3, p=[0.8, 0.15, 0.05]))],
                         expire=float(draw.integers(1, 20)))  # fmt: skip
            else:
                me.market_order(rows, book, side, size)
        me.cancel_all(np.flatnonzero(draw.random(n) < 0.1))
        mine_open = me.open_orders()
        if len(mine_open):
            some = draw.random(len(mine_open)) < 0.1
            me.replace(mine_open["handle"][some], mine_open["price"][some] * 1.001, 0.05)
        source, target = draw.integers(0, n, 4), draw.integers(0, n, 4)
        same = me.owner[source] == me.owner[target]
        me.transfer(source[same], target[same], "USDT", draw.uniform(0, CASH, int(same.sum())))


MARKET: dict[str, Any] = {"stages": STAGES["market"], "fee": 0.0}
WHOLE: dict[str, Any] = {"stages": STAGES["bankruptcy"]}
RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fund and vault": (
        {"fund": {"cash": 3000.0}, "fees": {"maker": -0.0001, "taker": 0.0005}},
        {"fund": {"cash": 3000.0, "rule": "vault"}, "liquidation": MARKET | {"slice_above": 50.0},
         "adl": {"score": "hyperliquid", "price": "previous_mark"}},
    ),
    "no funds, shared": (
        {"fund": {"rule": "none"}, "adl": {"score": "okx", "price": "mark"}, "liquidation": WHOLE},
        {"fund": {"rule": "none"}, "adl": {"score": "bitmex", "allocate": "pro_rata"}},
    ),
    "drawdown": (
        {"fund": {"cash": 400.0, "rule": "drawdown", "pools": {"alts": {"coins": ("ETH",), "cash": 50.0}}},
         "adl": {"score": "profit"},
         "orders": {"band": 0.0, "self_trade": "cancel_both", "levels": 40, "capacity": 300}},
        {"fund": {"cash": 50.0, "cap": 2.0, "pools": {"coin": {"coins": ("BTC",), "cash": 40.0}}},
         "orders": {"band": 0.0, "self_trade": "off", "max_orders_per_row": 5}},
    ),
    "collateral": (
        {"fund": {"cash": 3000.0}, "collateral": {"assets": {"BTC": {"tiers": ((1.0, 0.9), (1.5, 0.6))}},
         "conversion": {"threshold": 40.0, "every": 5.0, "limit": 10.0}}},
        {"fund": {"cash": 400.0}, "liquidation": MARKET | {"slice_above": 60.0}},
    ),
    "collateral bought by the venue": (
        {"fund": {"rule": "none"}, "collateral": {"assets": {"BTC": {"haircut": 0.2, "redemption": 90.0}},
         "price": "redemption", "conversion": {"threshold": 20.0, "through": "internal"}}},
        {"fund": {"cash": 400.0, "rule": "drawdown"}},
    ),
}  # fmt: skip


def audited(model: CascadeModel, name: str, phase: Callable[[], None]) -> Callable[[], None]:
    """A phase and the auditor who comes after it: sums of his own, apart from the engine's check."""

    def both() -> None:
        phase()
        s = model.state
        h, p = s.holdings[: s.count("holdings")], s.positions[: s.count("positions")]
        for asset in range(len(model.asset_names)):
            there = sum(h["amount"][h["asset"] == asset].tolist()) + int(model.network.in_transit[asset])
            assert there == int(model.accounts.minted[asset]), f"{model.asset_names[asset]} after {name}"
        for book in range(len(model.books)):
            lots = p["qty"][p["book"] == book].tolist()
            assert sum(lots) == 0, f"{model.books.name[book]} after {name}"
            assert sum(q for q in lots if q > 0) == int(s.books["open_interest"][book])

    return both


def crowded(
    rules: str | Sequence[dict[str, Any]], seed: int, gaps: Mapping[int, float] | None = None
) -> CascadeModel:
    """A market before its first step. `rules` are those of alpha and beta, or their name; `gaps` are log changes of
    everybody's price at steps."""
    alpha, beta = (
        {"orders": {"band": 0.0}, "funding": {"interval": 1.0}} | dict(side)
        for side in (RULES[rules] if isinstance(rules, str) else rules)
    )
    edges = [
        EdgeParameters(source=a, target=b, asset="USDT", latency=2.0, fee=1.0, capacity=200.0)
        for a, b in (("alpha", "beta"), ("beta", "alpha"), ("outside", "alpha"), ("alpha", "outside"))
    ]
    model = small_model(alpha, beta, seed=seed, check=True, edges=edges)
    model.state.meta["now"] = 3_590_000  # ten seconds before the first funding
    names = [f"owner {i}" for i in range(24)]
    for node in ("alpha", "beta", "outside"):
        rows = model.accounts.open(names, node, "crowd", leverage=np.linspace(2, 40, 24),
                                   isolated=np.arange(24) % 6 == 5 if node != "outside" else False)  # fmt: skip
        model.accounts.deposit(rows, "USDT", np.full(24, CASH))
        if node == "alpha":
            model.accounts.deposit(rows, "BTC", np.full(24, 2.0))
    crowd = Crowd(model, "crowd")
    crowd.memory |= {f"gap at {step}": size for step, size in (gaps or {}).items()}
    model.add(crowd)
    return model


def play(
    rules: str | Sequence[dict[str, Any]], seed: int, steps: int, gaps: Mapping[int, float] | None = None
) -> tuple[CascadeModel, Counter[str]]:
    """A checked run of it; the model and how many events of each kind there were. With gaps comes an auditor."""
    model = crowded(rules, seed, gaps)
    seen: Counter[str] = Counter()

    def look() -> None:
        s = model.state
        for e in s.events[: s.count("events")]:
            seen[EVENT_KINDS[e["kind"]]] += 1
        venues = s.venues[:2]
        own = {int(row) for field in ("fees", "fund", "capital") for row in venues[field]}
        p, h = s.positions[: s.count("positions")], s.holdings[: s.count("holdings")]
        in_market = set(p["row"][p["qty"] != 0].tolist())
        backed = values(s)
        for one in h[h["amount"] < 0]:
            row = int(one["row"])
            carried = row in in_market or one["amount"] + backed[row] >= -2
            assert row in own or (one["asset"] == USDT and carried), f"{row} owes and has no position"
        assert (h["amount"][h["asset"] == BTC] >= 0).all()
        assert (h["locked"] <= np.maximum(h["amount"], 0))[h["asset"] == BTC].all()

    if gaps is not None:
        model.phases = [(name, audited(model, name, phase)) for name, phase in model.phases]
    names_of_phases = [name for name, _ in model.phases]
    model.phases.insert(names_of_phases.index("record"), ("look", look))
    model.setup()
    for _ in range(steps):
        model.step()
    return model, seen


@pytest.mark.parametrize("rules", list(RULES))
def test_nothing_is_lost_and_nobody_without_a_position_owes(rules: str) -> None:
    seen: Counter[str] = Counter()
    for seed in (1, 2):
        model, events = play(rules, seed, 100)
        seen += events
        assert int(model.state.meta["messages"][0]) > 5_000
    least = {"liquidation": 2, "adl": 5, "transfer_sent": 5, "transfer_arrived": 5, "funding": 6}
    if rules not in ("no funds, shared", "collateral bought by the venue"):
        least["takeover"] = 3
    if rules.startswith("collateral"):
        least["conversion"] = 10
    assert all(seen[kind] >= count for kind, count in least.items()), (
        f"the stream does not reach far enough: {seen}"
    )


def hostile(price: str, allocate: str, style: str, fund: str, rebate: float) -> list[dict[str, Any]]:
    """Two venues that deleverage in one way: one with a fund of a few accounts' size, one with next to nothing."""
    adl = {"price": price, "allocate": allocate}
    fees = {"maker": -rebate, "taker": 0.0005}
    liquidation = {"stages": STAGES[style], "slice_above": 60.0, "round_value": 30.0, "surplus": "fund"}
    return [
        {"adl": adl | {"score": "binance"}, "fees": fees, "fund": {"cash": 2000.0, "cap": 0.6},
         "liquidation": {"fee": 0.005}},
        {"adl": adl | {"score": "hyperliquid"}, "fees": fees, "fund": {"cash": 60.0, "rule": fund, "threshold": 5.0},
         "liquidation": liquidation},
    ]  # fmt: skip


FUNDS = ("notional_cap", "drawdown", "vault", "none", "unlimited", "symbol_drawdown", "exhausted")


CASES = [
    *((price, allocate) for price in PRICES for allocate in ("queue", "pro_rata")),
    *(("bankruptcy", allocate) for allocate in ALLOCATIONS if allocate not in ("queue", "pro_rata")),
]


@pytest.mark.parametrize(("price", "allocate"), CASES)
def test_gaps_take_overs_funding_rebates_and_adl_at_any_price_create_nothing(
    price: str, allocate: str
) -> None:
    """The price falls by 60 %, comes back by 150 % and falls again: the accounts of both sides fail at once."""
    rules = hostile(price, allocate, "market", "vault", rebate=0.0003)
    gaps = {40: np.log(0.4), 58: np.log(2.5), 72: np.log(0.7)}
    model, seen = play(rules, 11, 90, gaps)
    least = {
        "liquidation": 1,
        "bankruptcy": 20,
        "takeover": 2,
        "adl": 50 if allocate != "social_loss" else 15,
        "funding": 3,
        "transfer_arrived": 1,
    }
    assert all(seen[kind] >= count for kind, count in least.items()), f"it does not reach far enough: {seen}"
    marks = model.state.books["mark"] / 1024 * model.books.tick / model.books.opening_price
    assert marks.min() < 0.85


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(PRICES), st.sampled_from(ALLOCATIONS), st.sampled_from(list(STAGES)),
    st.sampled_from(FUNDS), st.sampled_from([0.0, 0.0003, 0.001]),
    st.dictionaries(st.integers(3, 38), st.floats(-0.6, 1.5), min_size=1, max_size=5), st.integers(1, 10**6),
)  # fmt: skip
def test_no_gap_creates_or_loses_anything(
    price: str, allocate: str, style: str, fund: str, rebate: float, gaps: dict[int, float], seed: int
) -> None:
    play(
        hostile(price, allocate, style, fund, rebate),
        seed,
        40,
        {k: float(np.log1p(v)) for k, v in gaps.items()},
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(RULES)), st.integers(3, 10**6))
def test_nothing_is_lost_in_any_stream(rules: str, seed: int) -> None:
    play(rules, seed, 120)


@pytest.mark.parametrize("field", ["amount", "qty"])
def test_a_unit_from_nowhere_stops_the_run(field: str) -> None:
    model, _ = play("drawdown", 1, 3)
    table = model.state.holdings if field == "amount" else model.state.positions
    table[field][0] += 1
    with pytest.raises(ConservationError, match="after calendar of step 3"):
        model.step()
