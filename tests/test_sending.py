"""Which way a species' money takes: a firm that has lost its money at one of two venues, on the real engine.

Three ways lead there: the direct chain, over which everybody else pays too; a courier, cheaper and slow; and a detour
over a hub, dear and quick. Only the courier goes back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from abm.agent import Participant
from abm.channels import NetworkParameters
from abm.errands import Errands
from abm.model import CascadeModel
from abm.routes import By
from abm.venue import Asset, Clock, Contract, VenueRules
from agents import SPECIES, treasury
from agents.sending import Sender
from experiments import config
from experiments.build import build
from experiments.config import ScenarioError
from tests.test_withdrawer import OUTSIDE

START = datetime(2025, 10, 10, 20, tzinfo=UTC)
CHAIN, COURIER, DETOUR = (0,), (1,), (2, 3)
NETWORK = {
    "nodes": ["hub"],
    "resources": {
        "chain": {"kind": "servers", "time": 20.0},
        "courier": {"kind": "delay", "time": 240.0, "spread": 0.0},
        "quick": {"kind": "delay", "time": 30.0, "spread": 0.0},
    },
    "edges": [
        {"source": source, "target": target, "asset": "USDT", "path": [path], "fee": fee}
        for source, target, path, fee in (
            ("alpha", "beta", "chain", 1.0),
            ("alpha", "beta", "courier", 0.1),
            ("alpha", "hub", "quick", 2.0),
            ("hub", "beta", "quick", 2.0),
            ("beta", "alpha", "courier", 0.1),
        )
    ],
}


class Payer(Participant):
    """Sends payments over the chain at the beginning; each takes 20 s."""

    payments = 0

    def decide(self, me: Any, market: Any) -> None:
        if me.step == 0:
            me.transfer(np.zeros(self.payments, int), np.ones(self.payments, int), "USDT", 10.0)


class Firm(Participant):
    """Evens out its money between its two venues every minute; after 25 minutes it wants more of it at beta."""

    class Parameters(Sender):
        """How it sends."""

    parameters: Parameters

    def decide(self, me: Any, market: Any) -> None:
        if me.step % 60 == 59:
            home = np.array([500.0, 500.0] if me.time < 1500 else [100.0, 900.0])
            treasury.even_money(me, market, np.zeros(2, np.int64), home, 0.3, self.parameters.route_by)


def market(by: By, payments: int) -> CascadeModel:
    """Two venues, so many payments on the chain, and a firm all of whose money is at alpha."""
    model = CascadeModel(
        Clock(start=START, duration=7200.0, step=1.0, burn_in=0.0),
        {"USDT": Asset(decimals=6), "BTC": Asset(decimals=8, value=100.0)},
        {"BTC": Contract(price=100.0, tick=0.01, lot=0.001, beta=1.0, volatility=0.5)},
        {name: VenueRules(quote="USDT", spots=("BTC",), spot_share=0.5) for name in ("alpha", "beta")},
        NetworkParameters.model_validate(NETWORK),
        [],
        1,
        check=True,
    )
    for name in ("payer", "firm"):
        for venue in ("alpha", "beta"):
            row = model.accounts.open(name, venue, name)
            if venue == "alpha":
                model.accounts.deposit(row, "USDT", 1000.0)
    payer = Payer(model, "payer")
    payer.payments = payments
    model.add(payer)
    model.add(Firm(model, "firm", Firm.Parameters(route_by=by)))
    model.setup()
    return model


def under_way(model: CascadeModel) -> list[tuple[int, ...]]:
    """Edges of each of the firm's transfers under way, by number."""
    jobs = model.network.under_way(owners=model.desks["firm"].owner[:1])
    return [tuple(job["path"][: job["hops"]].tolist()) for job in jobs]


def home_after(model: CascadeModel) -> float:
    """Seconds until half of the firm's money is where it was missing."""
    while float(model.desks["firm"].balance(np.array([1]), "USDT")[0]) < 400.0:
        model.run(10)
    return model.now / 1000.0


def test_who_goes_by_time_has_its_money_home_sooner_where_the_chain_is_congested() -> None:
    listed, by_time = market("listed", 40), market("time", 40)
    for model in (listed, by_time):
        model.run(60)
    assert (under_way(listed), under_way(by_time)) == ([CHAIN], [DETOUR])
    assert home_after(by_time) == pytest.approx(60 + 60, abs=10)
    assert home_after(listed) == pytest.approx(40 * 20 + 20, abs=10)


def test_who_goes_by_time_takes_the_chain_where_it_is_free() -> None:
    model = market("time", 0)
    model.run(60)
    assert under_way(model) == [CHAIN]


@pytest.mark.parametrize("payments", [0, 40])
def test_who_goes_by_cost_pays_least_however_long_it_takes(payments: int) -> None:
    model = market("cost", payments)
    model.run(60)
    assert under_way(model) == [COURIER]
    assert home_after(model) == pytest.approx(60 + 240, abs=10)
    money = model.desks["firm"].balance(np.arange(2), "USDT")
    assert float(money.sum()) == pytest.approx(1000.0 - 0.1)


@pytest.mark.parametrize(("by", "then"), [("listed", CHAIN), ("time", CHAIN), ("certainty", COURIER)])
def test_who_goes_by_certainty_leaves_the_chain_over_which_its_own_last_transfer_was_late(
    by: By, then: tuple[int, ...]
) -> None:
    model = market(by, 4)
    model.run(60)
    assert under_way(model) == [CHAIN], (
        "one payment is before it: faster than the courier, and nobody knows better"
    )
    model.network.set_resource("chain", open=False)
    model.run(600)
    assert under_way(model) == [CHAIN], "it is late, and while it is nothing else is sent"
    model.network.set_resource("chain", open=True)
    model.run(600)
    assert under_way(model) == []
    while not under_way(model):
        model.run(1)
    assert model.now / 1000.0 > 1500 and under_way(model) == [then]


def test_who_goes_by_list_is_stuck_where_the_direct_channels_are_shut_and_by_time_is_not() -> None:
    ways = {}
    for by in ("listed", "time"):
        model = market(by, 0)  # type: ignore[arg-type]
        for name in ("chain", "courier"):
            model.network.set_resource(name, open=False)
        model.run(60)
        ways[by] = under_way(model)
    assert ways == {"listed": [], "time": [DETOUR]}


@pytest.mark.parametrize("by", ["time", "certainty"])
def test_a_firm_reckons_with_the_wait_of_the_way_that_it_would_take(by: By) -> None:
    model = market(by, 40)
    model.run(30)
    (firm,) = (one for one in model.participants if isinstance(one, Firm))
    me, seen = model.desks["firm"], model.view(firm)
    expected = {"time": 60.0, "certainty": 240.0}[by]
    waits = treasury.waits(me, seen, np.zeros(2, np.int64), 3600.0, by)
    assert waits.tolist() == [240.0, expected]
    assert treasury.waits(me, seen, np.zeros(2, np.int64), 3600.0).tolist() == [240.0, 240.0]


def test_all_species_that_send_money_say_how() -> None:
    send = {name for name, species in SPECIES.items() if issubclass(species.Parameters, Sender)}
    assert send == {
        "arbitrageur", "leveraged_long", "leveraged_short", "market_maker", "payments", "redeemer", "withdrawer",
    }  # fmt: skip
    assert {SPECIES[name].Parameters.model_fields["route_by"].default for name in send} == {"listed"}


SAVERS = (
    *OUTSIDE,
    (
        "population.payers",
        '{species="payments", opening={kind="desk", accounts=20, cash={major=0.001}, reserve_at="outside"}}',
    ),
    (
        "network.edges",
        '[{sources=["alpha", "beta", "outside"], targets=["alpha", "beta", "outside"], assets=["USDT"]}]',
    ),
    ("population.longs.stop_share", "0.0"),
    ("population.longs.profit_share", "0.0"),
    ("population.longs.add_share", "1.0"),
    ("population.longs.opening.reserve", "0.6"),
    ("population.longs.opening.reserve_accounts", "1.0"),
)
KIMCHI = (("clock.duration", "5400"), ("population.makers.full", "0.05"))


@pytest.mark.parametrize(
    ("name", "changes", "how"),
    [
        ("kimchi", KIMCHI, {"makers": "time", "arbitrageurs": "certainty"}),
        ("two_venues", SAVERS, {"savers": "cost", "payers": "time", "longs": "certainty"}),
    ],
)
def test_every_species_sends_as_its_parameter_says(
    name: str, changes: tuple[tuple[str, str], ...], how: dict[str, By], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: set[tuple[str, str]] = set()
    transfer = Errands.transfer

    def watched(me: Errands, *given: Any, by: By = "listed", **more: Any) -> None:
        sent.add((me.name, by))
        transfer(me, *given, by=by, **more)

    monkeypatch.setattr(Errands, "transfer", watched)
    asked = [(f"population.{who}.route_by", f'"{by}"') for who, by in how.items()]
    build(config.load(name, [*changes, *asked]), 1).run()
    assert {one for one in sent if one[0] in how} == set(how.items())


def test_a_way_of_choosing_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(
        ScenarioError,
        match='population.arbitrageurs.route_by: given "fast", expected one of listed, time, cost, certainty',
    ):
        config.load("two_venues", [("population.arbitrageurs.route_by", '"fast"')])
