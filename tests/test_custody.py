"""What a venue holds is what it owes, whatever travels; and a hot wallet runs dry while its venue is solvent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm import custody
from abm.causes import EVENT_KINDS
from tests.twins.market import Desk, small_model

DOLLAR = 1_000_000
NETWORK: dict[str, Any] = {
    "nodes": ["outside", "issuer"],
    "resources": {
        "hot": {"kind": "wallet", "venue": "alpha", "asset": "USDT", "hot": 100.0, "refill": 600.0},
        "cool": {"kind": "wallet", "venue": "beta", "asset": "USDT", "hot": 50.0, "cold": 30.0, "refill": 600.0},
        "prime": {"kind": "credit", "limit": 200.0},
        "chain": {"kind": "chain", "block": 12.0},
        "desk": {"kind": "servers", "time": 20.0, "bounce": 0.5},
    },
    "edges": [
        {"source": "alpha", "target": "beta", "asset": "USDT", "path": ["hot", "chain"], "fee": 1.0},
        {"source": "beta", "target": "alpha", "asset": "USDT", "path": ["prime", "cool", "chain"], "fee": 2.0},
        {"source": "alpha", "target": "outside", "asset": "USDT", "path": ["hot", "chain", "desk"]},
        {"source": "outside", "target": "beta", "asset": "USDT", "path": ["desk"], "fee": 3.0},
    ],
}  # fmt: skip


def market(**more: Any) -> tuple[Desk, dict[str, int]]:
    d = Desk(small_model(network=NETWORK, check=True, **more))
    rows = {"alpha": d.open("ann", cash=1000 * DOLLAR), "beta": d.open("ann", 1, cash=1000 * DOLLAR)}
    rows["outside"] = int(d.model.accounts.open("ann", "outside", "tests")[0])
    d.model.accounts.deposit([rows["outside"]], "USDT", 1000.0)
    d.model.setup()
    return d, rows


def send(d: Desk, source: int, target: int, dollars: float) -> None:
    d.model.cashier.send(np.array([source]), np.array([target]), 0, np.array([dollars]))


def books(d: Desk) -> dict[str, custody.Custody]:
    return {c.venue: c for c in custody.custody(d.model.network, d.state, d.model.cashier.lenders)}


def test_cold_is_what_is_owed_beyond_what_is_hot() -> None:
    d, _ = market()
    first = books(d)
    assert (first["alpha"].hot, first["alpha"].cold) == (100 * DOLLAR, first["alpha"].owed - 100 * DOLLAR)
    assert first["alpha"].receivable == 0 and first["alpha"].cold > 0
    # what the scenario says a venue has, and what it owes beyond that, is owed to it
    assert (first["beta"].hot, first["beta"].cold) == (50 * DOLLAR, 30 * DOLLAR)
    assert first["beta"].receivable == first["beta"].owed - 80 * DOLLAR


@pytest.mark.slow
def test_a_hot_wallet_runs_dry_while_its_venue_is_solvent() -> None:
    d, rows = market()
    before = books(d)["alpha"]
    send(d, rows["alpha"], rows["beta"], 81.0)
    send(d, rows["alpha"], rows["beta"], 301.0)
    d.model.run(5)
    dry = books(d)["alpha"]
    assert dry.hot == 20 * DOLLAR and dry.leaving == 300 * DOLLAR
    assert dry.fees == 2 * DOLLAR and dry.held == dry.owed == before.owed - 80 * DOLLAR
    d.model.run(700)
    after = books(d)["alpha"]
    assert after.leaving == 0 and after.cold == dry.cold - 280 * DOLLAR
    assert d.cash(rows["beta"]) == (1000 + 80 + 300) * DOLLAR


@pytest.mark.slow
def test_what_a_lender_has_paid_out_is_owed_to_the_venue_until_it_arrives() -> None:
    d, rows = market()
    send(d, rows["beta"], rows["alpha"], 52.0)
    send(d, rows["beta"], rows["alpha"], 152.0)  # beyond the line's 200 dollars, and beyond what is hot
    d.model.run(2)
    assert d.cash(rows["alpha"]) == 1050 * DOLLAR + 150 * DOLLAR
    ahead = books(d)["alpha"]
    assert ahead.receivable == 200 * DOLLAR
    d.model.run(60)
    assert books(d)["alpha"].receivable == 150 * DOLLAR
    d.model.run(700)
    assert d.cash(rows["alpha"]) == 1200 * DOLLAR
    assert books(d)["beta"].leaving == 150 * DOLLAR  # all that was cold is hot, and it is not enough


def test_a_fee_that_another_venue_takes_is_owed_to_it() -> None:
    d, rows = market()
    send(d, rows["outside"], rows["beta"], 103.0)
    assert books(d)["beta"].fees == 3 * DOLLAR
    assert custody.faults(d.model.network, d.state, d.model.cashier.lenders) == []


@pytest.mark.slow
def test_what_is_turned_back_is_on_record_and_with_its_sender() -> None:
    d, rows = market(seed=3)
    seen: list[str] = []
    names = [name for name, _ in d.model.phases]

    def look() -> None:
        seen.extend(EVENT_KINDS[k] for k in d.state.events["kind"][: d.state.count("events")])

    d.model.phases.insert(names.index("record"), ("look", look))
    for _ in range(12):
        send(d, rows["alpha"], rows["outside"], 5.0)
    d.model.run(700)
    back = seen.count("transfer_returned")
    assert 2 <= back <= 10 and seen.count("transfer_arrived") == 12 - back
    assert d.cash(rows["alpha"]) == 1000 * DOLLAR - (12 - back) * 5 * DOLLAR


def test_an_issuer_owes_what_it_has_issued() -> None:
    mint = {"source": "bank", "target": "issuer", "asset": "BTC", "asset_to": "USDT", "path": ["wire"]}
    redeem = {"source": "issuer", "target": "bank", "asset": "USDT", "asset_to": "BTC", "path": ["wire"]}
    issuing = {
        "nodes": ["bank", "issuer"],
        "resources": {"wire": {"kind": "delay", "time": 30.0, "spread": 0.0}},
        "edges": [mint | {"kind": "mint"}, redeem | {"kind": "redeem"}],
    }
    d = Desk(small_model(network=issuing, check=True, decimals=8, price_scale=1.0))
    here, there = (int(d.model.accounts.open("ann", node, "tests")[0]) for node in ("bank", "issuer"))
    d.model.accounts.deposit([here], "BTC", 10.0)
    d.model.setup()
    d.model.cashier.send(np.array([here]), np.array([there]), 1, np.array([4.0]), 0)
    d.model.run(40)
    issuer = d.model.cashier.issuers[0]
    held = {
        (int(h["row"]), int(h["asset"])): int(h["amount"])
        for h in d.state.holdings[: d.state.count("holdings")]
    }
    assert held[there, 0] == 4 * 10**8
    assert (held[issuer, 1], held[issuer, 0]) == (4 * 10**8, -4 * 10**8)
    d.model.cashier.send(np.array([there]), np.array([here]), 0, np.array([1.0]), 1)
    d.model.run(40)
    held = {
        (int(h["row"]), int(h["asset"])): int(h["amount"])
        for h in d.state.holdings[: d.state.count("holdings")]
    }
    assert (held[issuer, 1], held[issuer, 0], held[here, 1]) == (3 * 10**8, -3 * 10**8, 7 * 10**8)


def test_books_that_differ_are_told() -> None:
    d, _ = market()
    d.model.network.resources["hot"][d.model.network.resource("hot")] -= 1
    lines = custody.faults(d.model.network, d.state, d.model.cashier.lenders)
    assert len(lines) == 1 and "alpha" in lines[0]
    with pytest.raises(RuntimeError, match="custody"):
        d.model.step()
