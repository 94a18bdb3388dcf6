"""Who is not there changes nobody's luck: an account, an owner or a venue is taken out, and every draw of the others,
when they hear the news and who of them is first in a tie stay what they were, bit for bit. What is taken out without
ever having done anything is missed by nobody: the record of all others is the same.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import tomli_w

from abm.agent import Participant
from abm.causes import EVENT_KINDS
from abm.me import Me
from abm.model import CascadeModel
from abm.venue import Contract, VenueRules
from experiments import config, population
from experiments.build import build
from experiments.config import Scenario
from experiments.population import Plan

SMALL = (
    ("clock.duration", "400"),
    ("clock.burn_in", "70"),  # makers, noise and arbitrageurs have seen enough of the market to trade
    ("news.0.time", "2025-10-10T20:00:05Z"),
    ("news.0.size", "-0.1"),
    ("venues.alpha.fund.cash", "1e6"),
    ("population.longs.opening.distance.major", "[0.008, 0.1]"),
    ("population.longs.opening.accounts", "120"),
    ("population.holders.opening.accounts", "60"),
    ("population.shorts.opening.accounts", "150"),
)
Change = Callable[[Plan], Plan]


def scenario(*more: tuple[str, str]) -> Scenario:
    """A cascade of some 400 accounts at two venues, with take-overs and ADL, in a second of computing."""
    return config.load("two_venues", [*SMALL, *more])


# ---------------------------------------------------------------- taking out


def by_row(plan: Plan) -> tuple[list[str], list[str], list[str]]:
    """The columns of a plan that hold one entry a row, a position, a deposit."""
    positions, deposits = ["position_row", "coin", "lots", "price"], ["deposit_row", "asset", "units"]
    rows = {f.name for f in fields(plan)} - {"terms", "quotes", "unit", "worth", *positions, *deposits}
    return sorted(rows), positions, deposits


def owned(plan: Plan, owner: str, venue: int | None = None) -> Any:
    """Which rows of a plan are the owner's, at one venue or at all."""
    return (plan.owner == owner) & (venue is None or plan.venue == venue)


def emptied(plan: Plan, owner: str, venue: int | None = None) -> Plan:
    """The owner's accounts are open with nothing in them; his positions are another one's of the same entry."""
    mine = owned(plan, owner, venue)
    heirs = plan.position_row.copy()
    for p in np.flatnonzero(mine[plan.position_row]):
        row = plan.position_row[p]
        theirs = (plan.entry == plan.entry[row]) & (plan.venue == plan.venue[row]) & ~mine
        other = (
            theirs[plan.position_row]
            & (plan.coin == plan.coin[p])
            & (np.sign(plan.lots) == np.sign(plan.lots[p]))
        )
        heirs[p] = plan.position_row[np.flatnonzero(other)[0]]
    stay = ~mine[plan.deposit_row]
    _, _, deposits = by_row(plan)
    return replace(plan, position_row=heirs, **{name: getattr(plan, name)[stay] for name in deposits})


def without(plan: Plan, owner: str, venue: int | None = None) -> Plan:
    """There is no such owner, or he is not at that venue; his positions are another one's of the same entry."""
    plan = emptied(plan, owner, venue)
    rows, _, _ = by_row(plan)
    stays = ~owned(plan, owner, venue)
    number = np.cumsum(stays) - 1
    return replace(
        plan,
        position_row=number[plan.position_row],
        deposit_row=number[plan.deposit_row],
        **{name: getattr(plan, name)[stays] for name in rows},
    )


@contextmanager
def opened(change: Change | None) -> Iterator[None]:
    """While it lasts, accounts are opened by a changed plan."""
    planned = population.planned
    with pytest.MonkeyPatch.context() as patch:
        if change is not None:
            patch.setattr(population, "planned", lambda *given: change(planned(*given)))
        yield


# ---------------------------------------------------------------- listening


class Told(Me):
    """A participant's own side that writes down every draw: (who, law, purpose, step, row's key) and what came."""

    log: dict[tuple[str, str, str, int, int], float]

    def _note(self, law: str, purpose: str, index: Any, step: int, drawn: Any) -> Any:
        for key, value in zip(self.key[self._index(index)].tolist(), drawn.tolist(), strict=True):
            self.log[self.name, law, purpose, step, key] = value
        return drawn

    def uniform(self, purpose: str, index: Any = None, forever: bool = False) -> Any:
        return self._note(
            "uniform", purpose, index, -1 if forever else self.step, super().uniform(purpose, index, forever)
        )

    def shared(self, purpose: str) -> Any:
        drawn = super().shared(purpose)
        self.log[self.name, "shared", purpose, self.step, 0] = float(drawn[0])
        return drawn

    def normal(self, purpose: str, index: Any = None, forever: bool = False) -> Any:
        return self._note(
            "normal", purpose, index, -1 if forever else self.step, super().normal(purpose, index, forever)
        )

    def exponential(self, purpose: str, index: Any = None, forever: bool = False) -> Any:
        drawn = super().exponential(purpose, index, forever)
        return self._note("exponential", purpose, index, -1 if forever else self.step, drawn)

    def poisson(self, purpose: str, mean: Any, index: Any = None) -> Any:
        return self._note("poisson", purpose, index, self.step, super().poisson(purpose, mean, index))


class Heard:
    """A run that was listened to: all draws, when each row hears each piece of news, all ties at the gateways."""

    def __init__(self, scenario: Scenario, change: Change | None = None) -> None:
        self.draws: dict[Any, float] = {}
        self.ties: dict[Any, int] = {}  # of orders without a name
        self.named: dict[Any, int] = {}  # of quotes
        with opened(change), pytest.MonkeyPatch.context() as patch:
            patch.setattr("abm.model.Me", type("Heard", (Told,), {"log": self.draws}))
            self.model = build(scenario, 1, record=False)
        self.rows = set(self.model.state.rows["key"][: self.model.state.count("rows")].tolist())
        names = [name for name, _ in self.model.phases]
        self.model.phases.insert(names.index("gateway"), ("listen", self._listen))
        self.model.run()

    def _listen(self) -> None:
        s, books = self.model.state, self.model.books
        box = s.inbox[: s.count("inbox")]
        for m in box[box["tie"] >= 0]:
            book = books.name[m["book"]] if m["book"] >= 0 else ""
            what = int(s.rows["key"][m["row"]]), book, self.model.step_number, int(m["side"])
            (self.ties if m["ref"] < 0 else self.named)[what] = int(m["tie"])

    def news(self) -> dict[Any, int]:
        """Milliseconds at which each row's owner hears, by (number of the news, participant, row's key)."""
        found = {}
        for n, (_, name, deliveries) in enumerate(self.model._news):
            keys = self.model.desks[name].key[deliveries.order]
            for key, at in zip(keys.tolist(), deliveries.times_ms.tolist(), strict=True):
                found[n // len(self.model.desks), name, key] = at
        return found

    def probes(self, purposes: set[tuple[str, str]]) -> dict[Any, float]:
        """All laws for purposes of participants, at steps of the run and for ever."""
        found: dict[Any, float] = {}
        for name, purpose in sorted(purposes):
            me = self.model.desks[name]
            for step in (0, 17, 1000):
                me.step = step
                for law, drawn in (
                    ("uniform", Me.uniform(me, purpose)),
                    ("normal", Me.normal(me, purpose)),
                    ("exponential", Me.exponential(me, purpose)),
                    ("poisson", Me.poisson(me, purpose, 3.0)),
                    ("forever", Me.uniform(me, purpose, forever=True)),
                ):
                    for key, value in zip(me.key.tolist(), drawn.tolist(), strict=True):
                        found[name, law, purpose, step, key] = value
        return found


def same(one: dict[Any, Any], other: dict[Any, Any], least: int) -> None:
    """What both have heard is the same, and they have heard so much in common."""
    common = one.keys() & other.keys()
    assert len(common) >= least
    assert [what for what in common if one[what] != other[what]] == []


def undisturbed(one: Heard, other: Heard, gone: int) -> None:
    """One market has `gone` rows that the other has not; draws and news of all other rows are the same."""
    assert len(one.rows) - gone == len(one.rows & other.rows) == len(other.rows)
    purposes = {(name, purpose) for name, _, purpose, _, _ in one.draws}
    assert {purpose for _, purpose in purposes} > {
        "levels",
        "arrival",
        "information",
        "plan",
        "hold",
        "dip",
        "fear",
    }
    same(one.draws, other.draws, len(one.draws) // 3)
    whole, rest = one.probes(purposes), other.probes(purposes)
    same(whole, rest, len(rest))
    assert {what[-1] for what in whole} - {what[-1] for what in rest} <= one.rows - other.rows
    same(one.news(), other.news(), len(other.news()))


@pytest.fixture(scope="module")
def whole() -> Heard:
    return Heard(scenario())


# ---------------------------------------------------------------- draws


def test_one_account_less_in_the_scenario_leaves_the_luck_of_the_others(whole: Heard) -> None:
    fewer = Heard(scenario(("population.longs.opening.accounts", "119")))
    undisturbed(whole, fewer, gone=1)
    same(whole.ties, fewer.ties, 500)
    same(whole.named, fewer.named, 500)


@pytest.mark.parametrize(
    ("owner", "venues"),
    [
        ("longs/50", 1),
        ("shorts/149", 1),
        ("arbitrageurs/1", 2),
        ("crowd/7", 2),
        ("makers/3", 2),
        ("dip_buyers/4", 2),
    ],
)
def test_an_owner_who_is_not_there_leaves_the_luck_of_the_others(
    owner: str, venues: int, whole: Heard
) -> None:
    """At one venue or at several, from the middle of a crowd or from its end."""
    rest = Heard(scenario(), lambda plan: without(plan, owner))
    undisturbed(whole, rest, gone=venues)
    same(whole.ties, rest.ties, 500)
    same(whole.named, rest.named, 100)


@pytest.mark.parametrize(
    ("owner", "venue"), [("arbitrageurs/1", 0), ("makers/3", 1), ("dip_buyers/4", 0), ("crowd/7", 1)]
)
def test_a_row_that_is_not_there_leaves_the_luck_of_its_owners_other_row(
    owner: str, venue: int, whole: Heard
) -> None:
    rest = Heard(scenario(), lambda plan: without(plan, owner, venue))
    undisturbed(whole, rest, gone=1)
    same(whole.ties, rest.ties, 500)
    same(whole.named, rest.named, 100)


@pytest.mark.parametrize("venue", ["alpha", "beta"])
def test_a_venue_that_is_not_there_leaves_the_luck_of_the_rows_elsewhere(venue: str, whole: Heard) -> None:
    rest = Heard(one_venue({"alpha": "beta", "beta": "alpha"}[venue]))
    alone = {key for key in rest.rows if key in whole.rows}
    assert len(alone) > 300
    purposes = {(name, purpose) for name, _, purpose, _, _ in whole.draws}
    same(whole.draws, rest.draws, 2000)
    same(whole.probes(purposes), rest.probes(purposes), 15 * len(alone))
    same(whole.news(), rest.news(), len(rest.news()))
    same(whole.ties, rest.ties, 20)


def one_venue(name: str) -> Scenario:
    """The scenario with one of its venues only; where there is no spot book, it gets one for its index."""
    raw = tomllib.loads(config.dump(scenario()))
    venue = raw["venues"][name]
    raw["venues"] = {name: venue | {"share": 1.0, "spot_share": 1.0, "spots": ["BTC"]}}
    raw["network"] = {}
    return config.loads(tomli_w.dumps(raw))


# ---------------------------------------------------------------- the whole record


def told(model: CascadeModel, owner: str = "", venue: str = "") -> dict[str, Any]:
    """All that a run keeps, by names in place of numbers; without what is an owner's or a venue's."""
    assert model.recorder is not None
    recording = model.recorder.finish()
    owners, s = model.accounts.owner_names, model.state
    keys = s.rows["key"][: s.count("rows")].tolist()
    nodes = [model.network.node_names[v] for v in s.rows["venue"][: s.count("rows")].tolist()]
    names = [f"{owners[o]}@{v}/{k}" for o, v, k in zip(s.rows["owner"].tolist(), nodes, keys, strict=False)]
    skip = np.array([(owners[s.rows["owner"][i]] == owner or nodes[i] == venue) for i in range(len(names))])
    out: dict[str, Any] = {"time": recording.time}
    for path, table in recording.tables().items():
        if path.startswith("steps"):
            columns = recording.members(path.rsplit("/")[1].rstrip("s").replace("network", "edge")) or []
            keep = np.array([name.split(":")[0] != venue for name in columns], bool)
            out |= {f"{path}.{name}": np.asarray(values)[:, keep] for name, values in table.items()}
            continue
        columns = {name: np.asarray(values) for name, values in table.items()}
        if "row" not in columns:
            out |= {f"{path}.{name}": values for name, values in columns.items()}
            continue
        row = columns["row"]
        stay = np.where(row >= 0, ~skip[row], True)
        if "venue" in columns and venue:
            stay &= columns["venue"] != model.venue_names.index(venue)
        for name, values in columns.items():
            kept = values[stay]
            if name in ("id", "parent"):  # numbered anew without those of others
                kept = np.searchsorted(columns["id"][stay], kept) * (kept >= 0)
            elif name == "row":
                kept = np.array([names[i] if i >= 0 else "" for i in kept])
            elif name in ("owner", "owner_name", "other_owner"):
                kept = np.array([owners[i] if i >= 0 else "" for i in kept])
            out[f"{path}.{name}"] = kept
    return out


def agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    wrong = [
        name
        for name in one
        if one[name].shape != other[name].shape
        or not np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
    ]
    assert wrong == []
    seen = Counter(EVENT_KINDS[kind] for kind in one["events/events.kind"])
    assert seen["liquidation"] > 30 and seen["adl"] > 30 and seen["takeover"] > 1


def run(change: Change | None = None) -> CascadeModel:
    with opened(change):
        model = build(scenario(), 1)
    model.run()
    return model


@pytest.mark.parametrize("owner", ["longs/50", "holders/3", "shorts/149", "arbitrageurs/0", "crowd"])
def test_an_owner_with_nothing_is_missed_by_nobody(owner: str) -> None:
    """Open accounts without money or positions: with and without them all others live the same lives."""
    if (
        owner == "crowd"
    ):  # noise is made by a few rows of each venue, drawn by their keys: one who is not drawn
        model = build(scenario(), 1, record=False)
        noise = next(p for p in model.participants if p.name == "crowd")
        me = model.desks["crowd"]
        serving = set(me.owner[noise.memory["row"]].tolist())
        owner = next(model.accounts.owner_names[o] for o in me.owner.tolist() if o not in serving)
    poor, absent = run(lambda plan: emptied(plan, owner)), run(lambda plan: without(plan, owner))
    assert owner in poor.accounts.owner_names and owner not in absent.accounts.owner_names
    agree(told(poor, owner), told(absent, owner))


class Restless(Participant):
    """Strangers at a venue of their own, who trade with each other all the time on margin."""

    def decide(self, me: Any, market: Any) -> None:
        rows = np.arange(len(me.rows))
        book = np.flatnonzero(market.books.venue == me.venue[0])[0]
        side = np.where(me.uniform("side") < 0.5, 1, -1)
        price = market.books.opening_price[book] * np.exp(0.02 * me.normal("price"))
        me.limit(rows, book, side, price, 2.0 * me.exponential("size"), expire=20.0)


def test_a_venue_that_nobody_connects_is_missed_by_nobody() -> None:
    """Gamma lists another coin, no money goes there and nobody is at both: a cascade elsewhere is the same to the bit
    with a busy gamma and without it."""

    def settled(*given: Any) -> Any:
        plan = population.open_accounts(*given)
        model = given[1]
        rows = model.accounts.open([f"stranger {i}" for i in range(60)], "gamma", "strangers", leverage=50.0)
        model.accounts.deposit(rows, "USDT", np.full(60, 150.0))
        model.add(Restless(model, "strangers"))
        return plan

    desks = ("makers", "arbitrageurs", "crowd", "dip_buyers")
    two = scenario(*((f"population.{desk}.opening.venues", '["alpha", "beta"]') for desk in desks))
    gamma = VenueRules.model_validate({"quote": "USDT", "perps": ("ETH",), "fund": {"cash": 100.0}})
    coin = Contract(price=4000.0, tick=0.1, lot=0.01, open_interest=0.0)
    three = two.model_copy(
        update={"venues": two.venues | {"gamma": gamma}, "contracts": two.contracts | {"ETH": coin}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.build.open_accounts", settled)
        busy = build(three, 1)
    busy.run()
    record = told(busy)
    assert (record["events/events.venue"] == 2).sum() > 5
    assert record["steps/books.trades"][:, -1].sum() > 500
    agree(told(busy, venue="gamma"), told(run()))
