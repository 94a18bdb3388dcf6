"""What a market must not depend on: what a venue or the currency is called, who else is there; and what becomes of it
without leverage and with one venue. Which side is called long: `test_mirror`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.agent import Participant
from abm.causes import EVENT_KINDS
from abm.channels import EdgeParameters, NetworkParameters
from abm.messages import FOK, IOC, POST_ONLY
from abm.model import CascadeModel
from abm.recorder import Recorder
from abm.statements import statements
from abm.venue import Asset, Clock, Contract, VenueRules
from agents import SPECIES
from experiments import config
from experiments.build import build
from tests import golden
from tests.twins.market import LOT, PERP, START, TICK, Desk, small_model, state_hash
from tests.waterfalls import STAGES

RICH = 10**14
FREE = {"orders": {"band": 0.0, "self_trade": "cancel_resting"}}

Order = tuple[int, int, int, int, int]  # who, side, price, lots, flags; price 0 = market
orders = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([1, -1]),
        st.one_of(st.just(0), st.integers(980, 1020)),
        st.integers(1, 50),
        st.sampled_from([0, 0, 0, IOC, FOK, POST_ONLY]),
    ),
    min_size=20,
    max_size=120,
)


def traded(tape: list[Order], **market: Any) -> tuple[Desk, list[str]]:
    """The orders through a market of four rich traders: the desk and the answers."""
    desk = Desk(small_model(FREE, **market))
    rows = [desk.open(name, cash=RICH) for name in ("ann", "bob", "cid", "dan")]
    answers = [
        desk.place(rows[who], PERP, side, price, lots, flags) for who, side, price, lots, flags in tape
    ]
    return desk, answers


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders, st.sampled_from([2, 5, 8]))
def test_a_currency_worth_ten_to_the_k_less_changes_no_integer(tape: list[Order], places: int) -> None:
    """Prices and ticks times 10**k in a currency with k decimals less: balances, positions and books count the same."""
    desk, answers = traded(tape)
    scaled = Desk(small_model(FREE, decimals=6 + 4 - places, price_scale=10.0 ** (places - 4)))
    rows = [scaled.open(name, cash=RICH) for name in ("ann", "bob", "cid", "dan")]
    again = [
        scaled.place(rows[who], PERP, side, price, lots, flags) for who, side, price, lots, flags in tape
    ]
    assert answers == again
    assert desk.tape() == scaled.tape()
    assert [desk.cash(r) for r in rows] == [scaled.cash(r) for r in rows]
    assert [desk.entry(r) for r in rows] == [scaled.entry(r) for r in rows]
    for side in (1, -1):
        assert desk.queue(PERP, side) == scaled.queue(PERP, side)


def test_a_venue_that_nobody_connects_changes_nothing_elsewhere() -> None:
    """The same orders at alpha, with and without a busy beta: alpha's books and accounts are the same to the bit."""
    draw = np.random.default_rng(7)
    tape = [
        (
            int(draw.integers(4)),
            int(draw.choice([1, -1])),
            int(draw.integers(985, 1016)),
            int(draw.integers(1, 40)),
            0,
        )
        for _ in range(400)
    ]
    alone, answers = traded(tape)
    desk = Desk(small_model(FREE, {"orders": {"band": 0.0}}))
    rows = [desk.open(name, cash=RICH) for name in ("ann", "bob", "cid", "dan")]
    strangers = [desk.open(f"stranger {i}", 1, cash=RICH) for i in range(3)]
    again = []
    for who, side, price, lots, flags in tape:
        again.append(desk.place(rows[who], PERP, side, price, lots, flags))
        desk.place(strangers[lots % 3], 3, -side, price, lots)
    assert answers == again and any(fill[0] == 3 for fill in desk.tape())
    assert alone.tape() == [fill for fill in desk.tape() if fill[0] == PERP]
    assert [alone.cash(r) for r in rows] == [desk.cash(r) for r in rows]
    assert alone.queue(PERP, 1) == desk.queue(PERP, 1) and alone.queue(PERP, -1) == desk.queue(PERP, -1)


# ---------------------------------------------------------------- a whole market under other names


class Scripted(Participant):
    """A trader whose orders are written in advance, in ticks, lots and roles of venues: no draw of the engine in it."""

    def __init__(self, model: CascadeModel, number: int, venues: Mapping[str, str], unit: float) -> None:
        # one message a row and step, and nobody's arrive together: ties are drawn by the keys of rows, which are names
        super().__init__(model, f"trader {number}", Participant.Parameters(latency_ms=5.0 + 7.0 * number))
        self.number, self.unit = number, unit
        self.place = dict(venues)

    def decide(self, me: Any, market: Any) -> None:
        step, names = self.model.step_number, [*self.model.venue_names, "outside"]
        everybody = np.random.default_rng(step // 5)
        away = 8.0 * np.sin(step / 9.0) - (0.9 * step if 40 < step < 90 else 45.0 if step >= 90 else 0.0)
        middle = 1000.0 + 3.0 * away + everybody.normal(0.0, 3.0)
        for role in ("big", "small"):
            mine = np.flatnonzero(me.venue == names.index(self.place[role]))[0]
            draw = np.random.default_rng([self.number, step, len(role)])
            kind = "PERP" if draw.random() < 0.8 else "SPOT"
            book = market.books.name.index(f"{self.place[role]}:BTC-{kind}")
            side = 1 if draw.random() < (0.7 if self.number % 2 else 0.3) else -1
            ticks = round(middle - side * draw.normal(2.0, 6.0))
            size = int(draw.integers(1, 600)) * LOT if kind == "PERP" else 0.01
            if draw.random() < 0.25:
                me.market_order(mine, book, side, size)
            else:
                me.limit(mine, book, side, ticks * TICK * self.unit, size, expire=float(draw.integers(2, 15)))
        draw = np.random.default_rng([self.number, step])
        if draw.random() < 0.05:
            there = {name: np.flatnonzero(me.venue == names.index(name))[0] for name in self.place.values()}
            source, target = WAYS[draw.integers(len(WAYS))]
            amount = (
                float(draw.integers(1, 50)) + 5e-7
            ) * self.unit  # half of the ledger's unit more: sent is the whole
            me.transfer(there[self.place[source]], there[self.place[target]], "USDT", amount)


WAYS = [("big", "small"), ("small", "big"), ("outside", "big"), ("small", "outside")]
RATES = [(50, 0, 2000, 0.01), (20, 2000, 8000, 0.02), (10, 8000, 10**6, 0.05)]  # leverage, floor, cap, MMR


def scripted(
    names: Mapping[str, str], order: Sequence[str] = ("big", "small"), places: int = 6, steps: int = 150
) -> CascadeModel:
    """Two venues with opposite rule books under any names and in any order, in a currency with so many decimals."""
    unit = 10.0 ** (6 - places)  # of prices and all that is money
    money = {"round_value": 2000.0 * unit, "portion_least": 1000.0 * unit, "portion_most": 1e5 * unit}
    debts = {"conversion": {"threshold": 1e4 * unit, "limit": 1e4 * unit}}
    place = {**names, "outside": "outside"}
    rules: dict[str, dict[str, Any]] = {
        "big": {
            "share": 0.6, "spot_share": 0.7, "fees": {"maker": -0.0001, "taker": 0.0005}, "orders": {"band": 0.0},
            "collateral": debts, "fund": {"cash": 60.0 * unit, "threshold": unit},
            "liquidation": {**money, "slice_above": unit}, "funding": {"interval": 1.0}, "adl": {"least_wallet": unit},
        },
        "small": {
            "share": 0.4, "spot_share": 0.3, "orders": {"band": 0.1, "self_trade": "cancel_both"}, "collateral": debts,
            "liquidation": {**money, "stages": STAGES["market"], "fee": 0.0, "slice_above": 50.0 * unit},
            "fund": {"cash": 20.0 * unit, "rule": "vault", "threshold": unit}, "mark": {"rule": "median_oracle"},
            "adl": {"score": "hyperliquid", "price": "previous_mark", "allocate": "pro_rata", "least_wallet": unit},
            "funding": {"interval": 1.0, "cap": 0.04},
        },
    }  # fmt: skip
    same = {"quote": "USDT", "perps": ("BTC",), "spots": ("BTC",)}
    edges = tuple(  # a free node charges nothing: its fee would go to the first venue
        EdgeParameters(
            source=place[a],
            target=place[b],
            asset="USDT",
            latency=3.0,
            jitter=0.0,
            fee=0.0 if a == "outside" else unit,
            capacity=20.0 * unit,
        )
        for a, b in WAYS
    )
    brackets = [
        {"max_leverage": most, "notional_floor": low * unit, "notional_cap": high * unit, "mmr": mmr}
        for most, low, high, mmr in RATES
    ]
    model = CascadeModel(
        Clock(start=START, duration=3600.0, step=1.0, burn_in=0.0),
        {"USDT": Asset(decimals=places, value=1.0 / unit), "BTC": Asset(decimals=8, value=100.0)},
        {"BTC": Contract(price=100.0, tick=TICK * unit, lot=LOT, brackets="rates")},
        {place[role]: VenueRules.model_validate(same | rules[role]) for role in order},
        NetworkParameters(edges=edges),
        [],
        seed=1,
        recorder=Recorder(accounts_at=()),
        check=True,
        brackets={"rates": brackets},
    )
    model.state.meta["now"] = 3_590_000  # ten seconds before the first funding
    model.add(SPECIES["exchange"](model, "exchange"))
    for number in range(16):
        trader = Scripted(model, number, place, unit)
        for role in place:
            row = model.accounts.open(trader.name, place[role], trader.name, leverage=3.0 + 2.0 * number)
            model.accounts.deposit(row, "USDT", np.array([(30 + 4 * number) * 10**6]))
            if role != "outside":
                model.accounts.deposit(row, "BTC", 2.0)
        model.add(trader)
    model.setup()
    model.run(steps)
    return model


def seen(model: CascadeModel, names: Mapping[str, str]) -> dict[str, Any]:
    """All that a market did, told by roles in place of names: steps, each venue's events, all accounts at the end."""
    assert model.recorder is not None
    recording, s = model.recorder.finish(), model.state
    role = {name: role for role, name in names.items()}
    node = [role.get(name, name) for name in model.network.node_names]
    owner = [
        "/".join(role.get(part, part) for part in name.split("/")) for name in model.accounts.owner_names
    ]
    book = [f"{role[name.split(':')[0]]}:{name.split(':')[1]}" for name in recording.book_names]
    edge = [f"edge {i}" for i in range(len(recording.edge_names))]  # in their own order in both
    out: dict[str, Any] = {}
    for table, columns in (("books", book), ("venues", node), ("network", edge)):
        for name, values in getattr(recording, table).items():
            out |= {f"{columns[i]} {name}": values[:, i].tobytes() for i in range(values.shape[1])}
    e = recording.events
    who = [
        f"{owner[s.rows['owner'][r]]}@{node[s.rows['venue'][r]]}" if r >= 0 else "" for r in e["row"].tolist()
    ]
    story: dict[int, str] = {-1: ""}
    told: dict[str, list[str]] = {}
    for i, number in enumerate(e["id"].tolist()):
        what = [
            EVENT_KINDS[e["kind"][i]],
            who[i],
            owner[e["other_owner"][i]] if e["other_owner"][i] >= 0 else "",
        ]
        what += [book[e["book"][i]] if e["book"][i] >= 0 else ""]
        what += [
            repr(e[name][i].item())
            for name in ("time", "side", "quantity", "price", "mark", "value", "amount", "cause")
        ]
        story[number] = " ".join(what)
        told.setdefault(node[e["venue"][i]], []).append(f"{story[number]} < {story[e['parent'][i]]}")
    out["events"] = told
    accounts, positions = statements(model)
    rows = [f"{owner[o]}@{node[v]}" for o, v in zip(accounts["owner"], s.rows["venue"], strict=False)]
    for name in ("balance", "equity", "maintenance", "notional", "coins"):
        out[f"accounts {name}"] = dict(zip(rows, accounts[name].tolist(), strict=True))
    held = [f"{rows[r]} {book[b]}" for r, b in zip(positions["row"], positions["book"], strict=True)]
    for name in ("quantity", "entry_price", "liquidation_price"):
        out[f"positions {name}"] = dict(zip(held, map(repr, positions[name].tolist()), strict=True))
    return out


PLAIN = {"big": "alpha", "small": "beta"}


@pytest.fixture(scope="module")
def plain() -> CascadeModel:
    model = scripted(PLAIN)
    kinds = Counter(line.split()[0] for lines in seen(model, PLAIN)["events"].values() for line in lines)
    least = {
        "liquidation": 5,
        "takeover": 3,
        "adl": 10,
        "funding": 2,
        "transfer_sent": 10,
        "transfer_arrived": 10,
    }
    assert all(kinds[kind] >= count for kind, count in least.items()), f"too little happens: {kinds}"
    return model


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ({"big": "zeta", "small": "eta"}, ("big", "small")),
        ({"big": "beta", "small": "alpha"}, ("big", "small")),
        (PLAIN, ("small", "big")),
        ({"big": "x", "small": "a_much_longer_name"}, ("small", "big")),
    ],
)
def test_a_venue_is_its_rules_and_not_its_name_or_its_place_in_the_file(
    names: dict[str, str], order: tuple[str, str], plain: CascadeModel
) -> None:
    one, other = seen(plain, PLAIN), seen(scripted(names, order), names)
    assert one.keys() == other.keys()
    assert [what for what in one if one[what] != other[what]] == []


@pytest.mark.parametrize("places", [4, 8])
def test_a_whole_market_counts_the_same_integers_in_another_currency(
    places: int, plain: CascadeModel
) -> None:
    """Prices, ticks, brackets, funds and fees of transfers times a hundred in a currency with two decimals less, or the
    other way round: liquidations, take-overs, ADL and funding included, every integer of the state is the same."""
    assert state_hash(scripted(PLAIN, places=places).state) == state_hash(plain.state)


# ---------------------------------------------------------------- nobody owes


@pytest.mark.parametrize("path", ["at once", "slide", "stairs"])
def test_without_leverage_nobody_is_liquidated_or_deleveraged_by_a_fall_of_95_percent(path: str) -> None:
    """All of a cascade scenario's people with a leverage of one, and marks that are forced down whatever the books say;
    with the leverage of the file the same fall liquidates hundreds."""
    fall = {
        "at once": lambda x: 0.05,
        "slide": lambda x: 0.05**x,
        "stairs": lambda x: 0.05 ** (round(6 * x) / 6),
    }[path]
    without = forced(fall, leverage=1.0)
    assert not {"liquidation", "takeover", "adl", "bankruptcy", "deficit"} & without.keys()
    with_leverage = forced(fall, leverage=None)
    assert with_leverage["liquidation"] + with_leverage["bankruptcy"] > 100 and with_leverage["adl"] > 100


def forced(fall: Callable[[float], float], leverage: float | None) -> Counter[str]:
    """How many events of each kind there are when the perpetuals' marks are forced along a path."""
    changes = [("clock.duration", "120")]
    if leverage is not None:
        changes.append(("population.arbitrageurs.opening.cash.major", "0.12"))  # more than what they hold
        for crowd in ("longs", "holders", "shorts"):
            changes.append((f"population.{crowd}.opening.distance", "{}"))
            changes.append((f"population.{crowd}.opening.leverage", f"[[{leverage}, {leverage}, 1.0]]"))
            changes.append((f"population.{crowd}.leverage", str(leverage)))
        for name in ("makers", "arbitrageurs", "crowd", "dip_buyers", "longs", "holders", "shorts"):
            changes.append((f"population.{name}.opening.max_leverage", str(leverage)))
    model = build(config.load(golden.FOLDER / "cascade.toml", changes), 1)
    perps = np.flatnonzero(model.books.kind == 0)
    opening = model.state.books["mark"][perps].copy()

    def force() -> None:
        if model.now > 0:
            part = fall(model.now / 1000.0 / model.clock.duration)
            model.state.books["mark"][perps] = np.maximum(opening * part, 0.05 * opening)

    names = [name for name, _ in model.phases]
    model.phases.insert(names.index("liquidation"), ("force", force))
    model.run()
    assert (model.state.books["mark"][perps] == np.rint(0.05 * opening // 1)).all()
    assert model.recorder is not None
    return Counter(EVENT_KINDS[kind] for kind in model.recorder.finish().events["kind"])


# ---------------------------------------------------------------- one venue


@pytest.mark.parametrize("lists", ["perps", "spots", "both"])
def test_a_market_of_one_venue_runs_and_arbitrageurs_have_work_only_between_books(lists: str) -> None:
    scenario = config.load(golden.FOLDER / "calm.toml")
    kept = {"perps": {"spots": ()}, "spots": {"perps": ()}, "both": {}}[lists]
    venue = scenario.venues["alpha"].model_copy(update={"share": 1.0, **kept})
    people = scenario.population
    if lists == "spots":
        people = {name: entry for name, entry in people.items() if name not in ("hedgers", "longs", "shorts")}
        for name in ("makers", "arbitrageurs"):
            opening = people[name].opening.model_copy(update={"share": {}})
            people[name] = people[name].model_copy(update={"opening": opening})
    alone = scenario.model_copy(
        update={"venues": {"alpha": venue}, "network": NetworkParameters(), "population": people}
    )
    model = build(alone, 2, check=True)
    before = purses(model, "arbitrageurs")
    model.run()
    assert model.recorder is not None
    recording = model.recorder.finish()
    assert (recording.books["volume"].sum(axis=0) > 0).all() and np.isfinite(recording.books["mid"]).all()
    assert recording.events["kind"].tolist() == [EVENT_KINDS.index("news")]
    idle = purses(model, "arbitrageurs") == before
    assert idle == (lists != "both")


def purses(model: CascadeModel, participant: str) -> list[tuple[Any, ...]]:
    """All that a participant's rows hold: positions and balances."""
    s, rows = model.state, set(model.desks[participant].rows.tolist())
    held = [(int(h["row"]), int(h["asset"]), int(h["amount"])) for h in s.holdings[: s.count("holdings")]]
    lots = [(int(p["row"]), int(p["book"]), int(p["qty"])) for p in s.positions[: s.count("positions")]]
    return [one for one in held + lots if one[0] in rows]
