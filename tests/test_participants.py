"""Every species passes the exam; a species that breaks a law of participants fails at that law, in plain words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import agents
from abm.agent import Participant
from abm.exam import ExamError, check_agent

BUSY = {"hold": 0.02, "idle": 0.01, "add_share": 0.75, "add_after": 1.0, "call_near": 0.1, "call_far": 0.2}
MOVES_MONEY = ("leveraged_long", "leveraged_short", "withdrawer")
SETTINGS: dict[str, Any] = {
    "leveraged_long": BUSY,
    "leveraged_short": BUSY,
    "looper": {"token": "BTC", "par": 100.0, "look": 2.0},
    "withdrawer": {"worried": 1.0, "after": 1.0, "least": 1.0, "look": 1.0},
}
QUIET = ("withdrawer", "lender", "payments", "redeemer")  # send money, coins, or nothing where no issuer is


@pytest.mark.parametrize("name", sorted(agents.SPECIES))
def test_every_species_passes(name: str) -> None:
    species = agents.SPECIES[name]
    passed = check_agent(species, species.Parameters(**SETTINGS.get(name, {})))
    assert passed.orders > 0 or name in QUIET, "an exam without orders has shown little"
    assert passed.transfers > 0 or name not in (*MOVES_MONEY, "arbitrageur")


class Contrarian(Participant):
    """What a user writes: every account draws when it wakes, and trades against the last move."""

    def setup(self, me: Any, market: Any) -> None:
        self.memory["wakes"] = np.zeros(len(me.rows), np.int64)

    def decide(self, me: Any, market: Any) -> None:
        book = market.perps[0]
        awake = np.flatnonzero((me.uniform("wake") < 0.05) & (me.venue == market.books.venue[book]))
        self.memory["wakes"][awake] += 1
        size = 0.1 * (1 + self.memory["wakes"][awake] % 3)
        self.trade(me, market, awake, book, size)

    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        me.market_order(awake, book, 1 if market.last[book] < market.index[book] else -1, size)


class Painter(Contrarian):
    def decide(self, me: Any, market: Any) -> None:
        market.last[:] = market.index
        super().decide(me, market)


class ClockWinder(Contrarian):
    def decide(self, me: Any, market: Any) -> None:
        super().decide(me, market)
        market.time += 1.0


class Thief(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        super().trade(me, market, awake, book, size)
        for batch in me.outbox:
            batch["row"] = np.setdiff1d(np.arange(100), me.rows)[0]


class Gambler(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        me.market_order(awake, book, 1, size * np.random.random())  # noqa: NPY002


class Mystic(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        me.market_order(awake, book, 1, size * np.random.default_rng().random())


class Numerologist(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        me.market_order(awake, book, 1, size * (1 + me.rows[awake] % 7))


class Forgetful(Contrarian):
    days = 0

    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        self.days += 1
        me.market_order(awake, book, 1, size * (1 + self.days % 7))


class Hoarder(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        self.memory["list"] = [*self.memory.get("list", []), market]


class Insider(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        me.market_order(awake, book, 1, size * len(self.model.news))


class Optimist(Contrarian):
    def trade(self, me: Any, market: Any, awake: Any, book: int, size: Any) -> None:
        me.market_order(awake, book, 1, size * int(market.mid[book]))


def test_a_species_of_a_user_passes_in_one_line() -> None:
    assert check_agent(Contrarian).orders > 100


@pytest.mark.parametrize(
    ("species", "words"),
    [
        (Painter, "writes to its view: decide in step 0 raised ValueError .*read-only"),
        (ClockWinder, "decide in step 0 writes to its view: time has changed"),
        (Thief, "sends for rows .*not its own"),
        (Gambler, "global dice, expected me.uniform"),
        (Mystic, "same seed, same orders: two runs with one seed differ, first in step"),
        (Numerologist, "draws of its own: forty idle accounts of others change its orders"),
        (Forgetful, "saves and resumes: a run goes on differently from a saved memory"),
        (Hoarder, r"memory\['list'\] is of type list, expected arrays and numbers"),
        (Insider, "model.news is not public: a participant sees `market`, `me` and the rules of venues"),
        (Optimist, "raised ValueError .*cannot convert float NaN to integer"),
    ],
)
def test_a_species_that_breaks_a_law_is_told_which(species: Any, words: str) -> None:
    with pytest.raises(ExamError, match=rf"{species.__name__} fails the exam\n(.|\n)*{words}"):
        check_agent(species)
