"""ARCHITECTURE.md walks one order and one dollar through the engine: each sentence of it on the real one, and that what
it names is there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm.agent import Participant
from abm.causes import CAUSES
from abm.channels import EdgeParameters
from abm.messages import DONE, MARKET, REDUCE_ONLY
from tests.twins.market import PERP, USDT, Desk, small_model

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
USD = 10**6
TAKER, MAKER, LIQUIDATION = 0.0005, 0.0002, 0.005
RULES: dict[str, Any] = {
    "orders": {"band": 0.0},
    "fees": {"maker": MAKER, "taker": TAKER},
    "fund": {"cash": 5000.0},
    "liquidation": {
        "stages": ("cancel_orders", "bankruptcy_order", "take_over", "adl"),
        "fee": LIQUIDATION,
    },
}


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("title", ["The state", "One order", "One dollar", "Who is looked at"])
def test_what_the_walk_names_is_in_the_engine(title: str) -> None:
    source = "\n".join(path.read_text() for path in sorted((ROOT / "abm").glob("*.py")))
    source += "\n".join(path.read_text() for path in sorted((ROOT / "agents").glob("*.py")))
    modules = {path.stem for folder in ("abm", "agents") for path in (ROOT / folder).glob("*.py")}
    for span in re.findall(r"`([^`]+)`", section(title)):
        if "/" in span:
            assert (ROOT / span).exists()
            continue
        for name in re.findall(r"(?:abm\.)?([a-z_]{4,})\(?", span.split("(")[0]):
            assert name in modules or re.search(rf"\b{name}\b", source), span


def test_every_module_is_in_the_table_of_layers() -> None:
    table = set(re.findall(r"`(\w+)`", section("Module by module")))
    modules = {path.stem for path in (ROOT / "abm").glob("*.py")} - {"__init__"}
    assert modules <= table


class Leaver(Participant):
    """Sends one order: out, at once."""

    def decide(self, me: Any, market: Any) -> None:
        if self.model.step_number == 0:
            me.market_order(0, PERP, -1, 0.05, reduce_only=True, cause="stop")


def test_one_order() -> None:
    d = Desk(small_model(RULES))
    ann, bob, cid = (d.open(name, cash=1000 * USD) for name in ("ann", "bob", "cid"))
    leaver = d.model.accounts.open("leaver", "alpha", "leaver", leverage=10.0)
    d.model.accounts.deposit(leaver, USDT, 100 * USD)
    row = int(leaver[0])
    d.hold(PERP, 100.0, {row: 50, ann: 7})
    for who, price, lots in ((ann, 999, 10), (bob, 1000, 20), (cid, 1000, 5), (row, 998, 3)):
        assert d.place(who, PERP, 1, price, lots) == "accepted"
    d.model.add(Leaver(d.model, "leaver", Leaver.Parameters(latency_ms=40.0)))
    d.model.setup()
    do = dict(d.model.phases)
    s = d.state
    start = d.model.now

    for phase in ("calendar", "network", "decide"):
        do[phase]()
    m = s.inbox[0]
    assert (int(m["op"]), int(m["row"]), int(m["side"]), int(m["qty"])) == (MARKET, row, -1, 50)
    assert int(m["flags"]) & REDUCE_ONLY and CAUSES[m["kind"]] == "stop"
    assert (
        int(m["arrive"]) == start * 1000 + 40_000 + 5_000 and int(m["tie"]) >= 0
    )  # and the venue's own 5 ms
    assert s.rows["waiting"][row] == 1

    do["gateway"]()
    assert int(m["tie"]) == -1, "accepted"
    s.rows["touched"] = 0
    do["match"]()
    assert int(s.inbox[0]["op"]) == DONE and s.rows["waiting"][row] == 0
    sold = [(bob, 1000, 20), (cid, 1000, 5), (ann, 999, 10)]  # the best price first, the oldest first
    assert d.tape() == [(PERP, maker, row, -1, price, lots) for maker, price, lots in sold]
    assert {CAUSES[f["kind"]] for f in s.fills[: s.count("fills")]} == {"stop"}
    assert d.queue(PERP, 1) == [], "self-trade prevention took its own bid"
    assert d.lots(row) == 50 - 35 and d.queue(PERP, -1) == [], "the rest of a market order is cancelled"
    assert all(s.rows["touched"][[row, ann, bob, cid]] == 1)
    assert (
        int(s.books["open_interest"][PERP]) == 57 and d.faults() == []
    )  # longs have passed on what they held
    assert d.cash(0) == (1000 + 250 + 500) + (400 + 100 + 200), (
        "fees of 3.499 dollars, each fill's rounded up"
    )


def test_one_dollar() -> None:
    edge = EdgeParameters(
        source="outside", target="alpha", asset="USDT", capacity=100.0, latency=5.0, jitter=0.0, fee=1.0
    )
    d = Desk(small_model(RULES, check=True, edges=[edge]))
    fees, fund = 0, 1  # alpha's own rows come first
    purse, row = d.open("ann", "outside", cash=1000 * USD), d.open("ann", cash=1000 * USD, leverage=10.0)
    short, dip = d.open("short", cash=10**10), d.open("dip", cash=10**10)
    d.hold(PERP, 100.0, {row: 100_000, short: -100_000})  # a hundred coins
    d.model.setup()
    d.model.cashier.send(np.array([purse]), np.array([row]), USDT, np.array([1000.0]))
    assert (d.cash(purse), d.cash(fees), int(d.model.network.in_transit[USDT])) == (0, USD, 999 * USD)
    for _ in range(20):
        d.model.step()
    assert d.margin(row)[0] == 1999 * USD

    assert d.place(dip, PERP, 1, 803, 60_000) == "accepted"
    d.set_mark(PERP, 804 * 1024)
    assert d.under_water() == set()
    d.set_mark(PERP, 803 * 1024)
    assert d.under_water() == {row}
    d.model.liquidate()
    ((sale,), (rest,)) = d.events("liquidation"), d.events("takeover")
    assert (sale["qty"], rest["qty"], rest["parent"]) == (60_000, 40_000, sale["id"])
    assert (d.cash(row), d.lots(row), d.lots(dip), d.lots(fund)) == (0, 0, 60_000, 40_000)

    gone = {
        "to the short, whose position gained what hers lost": d.margin(short)[0] - 10**10,
        "to the venue: for the transfer": USD,
        "to the venue: the taker's fee": round(TAKER * 4818 * USD),
        "to the fund: the liquidation fee": round(LIQUIDATION * 4818 * USD),
        "to the fund: coins at less than their mark": 40 * 80_300_000 - rest["value"],
    }
    assert list(gone.values()) == [1_970_000_000, 1_000_000, 2_409_000, 24_090_000, 2_501_000]
    assert sum(gone.values()) == 2000 * USD, "to the last micro-dollar"
    assert d.cash(fees) == USD + round((TAKER + MAKER) * 4818 * USD)
    assert d.margin(fund)[0] == 5000 * USD + 24_090_000 + 2_501_000
