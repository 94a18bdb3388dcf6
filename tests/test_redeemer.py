"""A dollar-like asset off par, and who takes it to its issuer: on the real engine, with conservation checked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import networkx as nx
import numpy as np
import pytest

from abm.agent import Participant
from abm.channels import NetworkParameters
from abm.errands import _closure
from abm.model import CascadeModel
from abm.venue import Asset, Clock, Contract, VenueRules
from agents.redeemer import Redeemer
from tests.test_conservation import audited
from tests.twins.market import Desk

START = datetime(2025, 10, 10, 20, tzinfo=UTC)
CAPITAL = 300_000.0
OFFERS = np.array([0.985, 0.988, 0.991, 0.994, 0.9965])  # where the crowd sells, 200,000 at each


class Crowd(Participant):
    """Rests offers (or bids, above par) far from par, and a bid and an offer farther out."""

    def __init__(self, model: CascadeModel, premium: bool) -> None:
        super().__init__(model, "crowd", Participant.Parameters())
        self.premium = premium
        row = model.accounts.open("crowd", "alpha", "crowd")
        for asset in ("USD", "USDT"):
            model.accounts.deposit(row, asset, 1e7)

    def decide(self, me: Any, market: Any) -> None:
        if me.step == 0:
            side = 1 if self.premium else -1
            prices = 2.0 - OFFERS if self.premium else OFFERS
            me.limit(0, 0, side, prices, 200_000.0)
            me.limit(0, 0, np.array([1, -1]), np.array([0.97, 1.03]), 1000.0)


def market(
    time: float, open_: bool = True, premium: bool = False, redeemer: bool = True
) -> tuple[CascadeModel, Any]:
    """One spot book of USDT against USD, an issuer, and its bank."""
    edges = [
        {"source": a, "target": b, "asset": asset, "asset_to": to, "kind": kind, "path": path}
        for a, b, asset, to, kind, path in (
            ("alpha", "issuer", "USD", "USDT", "mint", ["bank", "issuer/desk"]),
            ("issuer", "alpha", "USDT", "USD", "redeem", ["issuer/desk", "bank"]),
            ("alpha", "issuer", "USDT", None, "withdrawal", ["chain"]),
            ("issuer", "alpha", "USDT", None, "transfer", ["chain"]),
        )
    ]
    resources = {
        "bank": {"kind": "delay", "time": time, "spread": 0.0, "open": open_},
        "issuer/desk": {"kind": "delay", "time": 10.0, "spread": 0.0},
        "chain": {"kind": "chain", "block": 12.0},
    }
    model = CascadeModel(
        Clock(start=START, duration=7200.0, step=1.0, burn_in=0.0),
        {"USD": Asset(decimals=6), "USDT": Asset(decimals=6)},
        {"USDT": Contract(price=1.0, tick=0.0001, lot=1.0, beta=0.0, volatility=0.005)},
        {"alpha": VenueRules(quote="USD", spots=("USDT",), spot_share=1.0)},
        NetworkParameters.model_validate({"nodes": ["issuer"], "resources": resources, "edges": edges}),
        [],
        1,
        check=True,
    )
    model.add(Crowd(model, premium))
    if redeemer:
        row = model.accounts.open("redeemer", "alpha", "redeemer")
        model.accounts.deposit(row, "USDT" if premium else "USD", CAPITAL)
        if premium:
            model.accounts.deposit(row, "USD", CAPITAL)
        model.add(Redeemer(model, "redeemer", Redeemer.Parameters()))
    model.setup()
    return model, model.desks["redeemer"] if redeemer else None


def at_par(model: CascadeModel, premium: bool = False) -> float:
    """Seconds until nothing is for sale half a per cent below par (or bid above it); inf = an hour was not enough."""
    for _ in range(120):
        model.run(30)
        model.forget_views()
        seen = model.view(model.participants[0])
        ask, bid = float(seen.ask[0]), float(seen.bid[0])
        if (premium and 0 < bid <= 1.005) or (not premium and ask >= 0.995):
            return model.now / 1000.0
    return float("inf")


@pytest.mark.slow
def test_a_discount_closes_faster_the_faster_the_bank_is_and_not_at_all_when_it_is_shut() -> None:
    took = {time: at_par(market(time)[0]) for time in (60.0, 600.0)}
    assert took[60.0] < took[600.0] < np.inf
    assert at_par(market(60.0, open_=False)[0]) == np.inf
    assert at_par(market(60.0, redeemer=False)[0]) == np.inf


@pytest.mark.slow
def test_money_is_stuck_while_it_travels_and_comes_back_with_the_discount_on_top() -> None:
    model, me = market(600.0)
    model.run(60)
    money = float(me.balance(np.array([0]), "USD")[0])
    assert money < 0.06 * CAPITAL, "its capital is spent and under way"
    assert me.transfers()["amount"].sum() == pytest.approx(CAPITAL / 0.985, rel=0.06)
    model.run(3500)
    money = float(me.balance(np.array([0]), "USD")[0])
    assert money + float(me.stock(np.array([0]), np.array([0]))[0]) > CAPITAL * 1.01


@pytest.mark.slow
def test_above_par_it_sells_what_it_has_and_has_more_minted() -> None:
    model, me = market(60.0, premium=True)
    assert at_par(model, premium=True) < np.inf
    model.run(600)
    assert float(me.balance(np.array([0]), "USDT")[0]) == pytest.approx(CAPITAL, abs=2000.0)
    assert float(me.balance(np.array([0]), "USD")[0]) > CAPITAL * 1.01
    slow = at_par(market(60.0, open_=False, premium=True)[0], premium=True)
    assert slow == np.inf


@pytest.mark.parametrize("premium", [False, True])
def test_what_an_issuer_redeems_or_mints_is_the_same_number_of_units_of_both(premium: bool) -> None:
    """With an auditor after every phase. The issuer's own row holds what it took in, and below zero what it owes."""
    model, _ = market(60.0, premium=premium)
    model.phases = [(name, audited(model, name, phase)) for name, phase in model.phases]
    model.run(400)
    (row,) = set(model.cashier.issuers.values())
    usd, usdt = (Desk(model).cash(row, asset) for asset in (0, 1))
    assert usd == -usdt
    assert usd > 10**11 if premium else usd < -(10**11), "a hundred thousand dollars"


@pytest.mark.parametrize("seed", range(20))
def test_assets_that_issuers_turn_into_each_other_are_those_that_chains_of_them_join(seed: int) -> None:
    draw = np.random.default_rng(seed)
    pairs = draw.integers(0, 8, (int(draw.integers(0, 12)), 2)).tolist()
    graph = nx.DiGraph((a, b) for a, b in pairs if a != b)
    expected = {(a, b) for a, b in nx.transitive_closure(graph, reflexive=False).edges}
    assert _closure((a, b) for a, b in pairs) == expected


@pytest.mark.parametrize("open_", [True, False])
def test_who_may_be_turned_into_whom_does_not_change_with_what_is_open(open_: bool) -> None:
    _, me = market(60.0, open_)
    assert me.convertible() == {(0, 1), (1, 0), (0, 0), (1, 1)}
    assert np.isfinite(me.route(0, 0, 1, 0)[0]) == open_
