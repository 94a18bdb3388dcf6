"""A crowd of leveraged traders on one side of the market: what long and short have in common.

Each account holds a position and a plan. It has a stop, or it answers a margin call once with money from
elsewhere, or it does nothing until the venue closes it (one of the three: an account has one plan). Beside
the plan it may take profit, close because of the news that it heard, or close because its time is up; later
it may open again. Every distance is counted in the account's own distance to liquidation, so that one
number serves a BTC account at 20x and an account in a small coin at 3x.

What the crowd does to the market follows from where its accounts stand and when each one hears, not from a
rule about cascades: nothing here looks at other accounts or knows that anything is going on.

Sources: stops, top-ups and their shares: static arithmetic that bridges equity-weighted leverage and the
share of open interest that was really liquidated on 10 October 2025 (an assumption that closes that gap).
Taking profits early and riding losses: Shefrin and Statman (1985), Odean (1998). Chasing the trend:
Chiarella and Iori (2002).
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from abm.agent import Participant
from abm.causes import CAUSES
from abm.market import Market, Me
from abm.parameters import parameter
from agents.alarms import Entries, appoint, due, open_diary, open_levels, reached
from agents.crowd import register
from agents.parts import (
    AGAIN,
    BACK,
    NEWS,
    PLANNED,
    POOR,
    STOPPED,
    WON,
    building,
    closing,
    follow,
    opening,
    planning,
    stirred,
)
from agents.sending import Sender

ARITHMETIC = "assumption: static liquidation arithmetic of October 2025"

CLOSE, OPEN, BUILD, ADD = range(4)  # appointments
PATIENT = 4  # times as many parts for who has time
TRIES = 300  # orders after which an opening is left as it is; one without effect counts as a hundred
STOP, CALL, PROFIT = range(3)  # price levels, as `agents.parts.planning` counts them
CAUSE = np.array(
    [CAUSES.index(name) for name in ("decision", "stop", "news")]
)  # as `agents.parts` counts them


class Leveraged(Participant):
    """Base of `LeveragedLong` and `LeveragedShort`; an entry is one account in one contract."""

    SIDE: ClassVar[int]

    class Parameters(Sender):
        """All shares are shares of accounts, all distances in units of the distance to liquidation."""

        OPENING: ClassVar[tuple[str, ...]] = ("leverage",)

        stop_share: float = parameter(
            0.25, "Accounts with a stop", unit="share of accounts", source=ARITHMETIC, ge=0, le=1
        )
        stop_near: float = parameter(
            0.30, "Nearest stop", unit="share of the distance to liquidation", source=ARITHMETIC, gt=0, le=1
        )
        stop_far: float = parameter(
            0.95, "Farthest stop", unit="share of the distance to liquidation", source=ARITHMETIC, gt=0, le=1
        )
        add_share: float = parameter(
            0.35, "Accounts that add margin once", unit="share of accounts", source=ARITHMETIC, ge=0, le=1
        )
        add: float = parameter(
            0.60, "What they add", unit="share of equity at opening", source=ARITHMETIC, ge=0, le=10
        )
        call_near: float = parameter(
            0.40, "Earliest margin call", unit="share of the distance to liquidation", gt=0, le=1
        )
        call_far: float = parameter(
            0.80, "Latest margin call", unit="share of the distance to liquidation", gt=0, le=1
        )
        add_after: float = parameter(90.0, "Median time from the call to the transfer", unit="seconds", ge=0)
        add_spread: float = parameter(1.0, "Standard deviation of its log", unit="log seconds", ge=0, le=3)
        profit_share: float = parameter(
            0.10, "Accounts that take profit at a level", unit="share of accounts", ge=0, le=1
        )
        profit_near: float = parameter(
            0.5,
            "Nearest profit target",
            unit="distances to liquidation",
            source="Odean (1998), the sign",
            gt=0,
        )
        profit_far: float = parameter(3.0, "Farthest profit target", unit="distances to liquidation", gt=0)
        fear: float = parameter(
            0.02,
            "Accounts that close for each per cent of bad news",
            unit="share of accounts per 1 %",
            ge=0,
            le=1,
        )
        fast_share: float = parameter(
            0.35, "Of these, who reacts at once", unit="share",
            source="searches of a reduced model: 0.35-0.85", ge=0, le=1,
        )  # fmt: skip
        fast_after: float = parameter(
            150.0, "Median reaction time of the fast", unit="seconds", source="the same: 1.5-4 min", ge=0
        )
        fast_spread: float = parameter(0.6, "Standard deviation of its log", unit="log seconds", ge=0, le=3)
        slow_after: float = parameter(
            900.0,
            "Median reaction time of the others",
            unit="seconds",
            source="the same: one broad law",
            ge=0,
        )
        slow_spread: float = parameter(1.0, "Standard deviation of its log", unit="log seconds", ge=0, le=3)
        hold: float = parameter(48.0, "Mean time a position is held in calm", unit="hours", gt=0)
        idle: float = parameter(
            0.25, "Mean time from a routine close to the next opening", unit="hours", gt=0
        )
        rotation_share: float = parameter(
            0.8, "Who is followed by another, or opens again, after a stop or a won target", unit="share of accounts",
            source="assumption: a crowd that nobody joins would only sell", ge=0, le=1,
        )  # fmt: skip
        rotation_after: float = parameter(4.0, "Mean time until then", unit="hours", gt=0)
        return_share: float = parameter(
            0.20,
            "Who opens again after a loss or a scare",
            unit="share of accounts",
            ge=0,
            le=1,
        )
        return_after: float = parameter(2.0, "Mean time until then", unit="hours", gt=0)
        chase: float = parameter(
            0.2, "Pull of the trend on openings: log odds for each per cent in the last minutes",
            unit="1 / per cent", source="Chiarella-Iori (2002), the sign", ge=-5, le=5,
        )  # fmt: skip
        trend: float = parameter(300.0, "Memory of that trend", unit="seconds", gt=0)
        leverage: float = parameter(5.0, "Leverage of an account that starts flat", unit="1", gt=0, le=125)
        haste: float = parameter(
            0.25, "Largest order of who must out, over visible depth within 1 %", unit="share of depth", gt=0
        )
        patience: float = parameter(
            0.02, "Largest order of who has time, over visible depth within 1 %", unit="share of depth", gt=0
        )
        careless: float = parameter(
            10_000.0, "Orders up to this do not look at depth", unit="quote units", ge=0
        )
        parts: int = parameter(
            20, "Parts that a position is closed in at most, when in haste", unit="orders", ge=1
        )
        retry: float = parameter(
            5.0, "Time until a close that was not filled is sent again", unit="seconds", gt=0
        )
        look: float = parameter(15.0, "Time between looks at the own accounts", unit="seconds", gt=0)

        @model_validator(mode="after")
        def _one_plan_an_account(self) -> Self:
            if self.stop_share + self.add_share > 1:
                raise ValueError(
                    "stop_share and add_share: expected a sum of at most 1, an account has one plan"
                )
            for near, far in (
                ("stop_near", "stop_far"),
                ("call_near", "call_far"),
                ("profit_near", "profit_far"),
            ):
                if getattr(self, near) > getattr(self, far):
                    raise ValueError(f"{near}: expected at most {far}")
            return self

    parameters: Parameters

    # ------------------------------------------------------------------ who is there

    def setup(self, me: Me, market: Market) -> None:
        """Entries from the positions that are there; no plans yet, they need prices."""
        row, book, side, purse = register(me, market, self.SIDE)
        kinds, group = np.unique(2 * book + (side > 0), return_inverse=True)
        n = len(row)
        self.memory.update(
            row=row, book=book, side=side,
            group_book=kinds // 2, group_side=np.where(kinds % 2, 1.0, -1.0),
            slow=np.full(len(kinds), np.nan),
            purse=purse, held=np.zeros(n, np.bool_), why=np.zeros(n, np.int8),
            usual=np.zeros(n), goal=np.zeros(n),
            tries=np.zeros(n, np.int64), got=np.zeros(n),
            leverage=np.full(n, self.parameters.leverage), stake=np.zeros(n),
            heard=np.zeros(n), asked=np.zeros(n, np.bool_),
            looked=np.array([-np.inf]), begun=np.zeros(1, np.bool_),
        )  # fmt: skip
        open_diary(self.memory, 4, n)
        open_levels(self.memory, 3, group.astype(np.int64), len(kinds))
        self.memory["value"] = np.full((3, len(kinds)), np.nan)

    # ------------------------------------------------------------------ the rule

    def decide(self, me: Me, market: Market) -> None:
        """Answer what has come due: prices reached, times come, and now and then a look at the accounts."""
        memory = self.memory
        if len(memory["row"]) == 0:
            return
        weight = me.dt / (me.dt + self.parameters.trend)
        known, hit = follow(
            memory["group_book"], memory["group_side"], market.last, market.mark, weight, memory["slow"],
            memory["nearest"], memory["value"],
        )  # fmt: skip
        if not memory["begun"][0]:
            if not known:
                return
            self._begin(me, market)
        for kind, entries in reached(memory, memory["value"]) if hit else ():
            if kind == CALL:
                lag = self._lag(me, "add", entries, self.parameters.add_after, self.parameters.add_spread)
                appoint(memory, ADD, entries, me.time + lag)
            else:
                self._want_out(me, entries, STOPPED if kind == STOP else WON, me.time)
        if me.time >= memory["looked"][0] + self.parameters.look:
            since, memory["looked"][0] = float(memory["looked"][0]), me.time
            self._look(me, market, since)
        for kind, entries in due(memory, me.time):
            (self._close, self._open, self._build, self._add)[kind](me, market, entries)

    def _begin(self, me: Me, market: Market) -> None:
        """First prices are there: plan for what is held, stagger what is not."""
        memory = self.memory
        everyone = np.arange(len(memory["row"]))
        memory["begun"][0] = True
        held = me.lots(memory["row"], memory["book"]) != 0
        self._plan(me, market, everyone[held])
        self._come_back(me, everyone[~held], self.parameters.idle)

    def _plan(self, me: Me, market: Market, entries: Entries) -> None:
        """A position is there: where to stop, when to add, where to take profit, when to leave."""
        memory, p = self.memory, self.parameters
        if len(entries) == 0:
            return
        row = memory["row"][entries]
        luck = [me.uniform(what, row, forever=True) for what in ("plan", "place", "profit", "target")]
        planning(
            entries, row, me.position(row, memory["book"][entries]), *me.margin(row), me.heard(row), *luck, market.last,
            market.mark, np.empty(len(me.rows)), memory["book"], memory["side"], memory["group"], memory["purse"],
            memory["usual"], memory["leverage"], memory["stake"], memory["held"], memory["why"], memory["asked"],
            memory["heard"], memory["level"], memory["nearest"], p.stop_share, p.stop_near, p.stop_far, p.add_share,
            p.call_near, p.call_far, p.profit_share, p.profit_near, p.profit_far,
        )  # fmt: skip
        appoint(memory, CLOSE, entries, me.time + 3600.0 * p.hold * me.exponential("hold", row))

    def _want_out(self, me: Me, entries: Entries, why: int, at: Any) -> None:
        """Close at that time unless the account leaves earlier anyway."""
        memory = self.memory
        at = np.broadcast_to(np.asarray(at, np.float64), len(entries))
        sooner = memory["held"][entries] & (at < memory["when"][CLOSE, entries])
        memory["why"][entries[sooner]] = why
        appoint(memory, CLOSE, entries[sooner], at[sooner])

    def _close(self, me: Me, market: Market, entries: Entries) -> None:
        """Send what is left to close, no more at once than the book bears; come back until it is done.

        Whose position is gone, by own doing or not: routine closers open again soon, who stopped or won later, the
        others perhaps.
        """
        memory, p, n = self.memory, self.parameters, len(entries)
        row = memory["row"][entries]
        lists, to, count = np.empty((2, n), np.int64), np.empty((4, n), np.int64), np.empty(3, np.int64)
        hours, coins = np.empty(n), np.empty(n)
        closing(
            entries, row, *me.standing(row, memory["book"][entries]), me.uniform("return", row), memory["book"],
            memory["usual"], memory["why"], memory["held"], memory["level"], memory["when"], market.mid, market.last,
            market.depth_bid[1], market.depth_ask[1], p.careless, p.parts, PATIENT * p.parts, p.haste, p.patience,
            p.rotation_share, p.return_share, p.idle, p.rotation_after, p.return_after, lists, hours, to, coins, count,
        )  # fmt: skip
        again, back, orders = count.tolist()
        appoint(memory, CLOSE, lists[AGAIN, :again], me.time + p.retry)
        self._come_back(me, lists[BACK, :back], hours[:back])
        if orders:
            row, book, side, cause = to[:, :orders]
            me.market_order(row, book, side, coins[:orders], reduce_only=True, cause=CAUSE[cause])

    def _come_back(self, me: Me, entries: Entries, hours: Any) -> None:
        """Open again after a time with that mean (one for each entry or for all)."""
        if len(entries):
            # four times as often as openings come about in a market without trend: see `_open`
            wait = 0.25 * 3600.0 * hours * me.exponential("idle", self.memory["row"][entries])
            appoint(self.memory, OPEN, entries, me.time + wait)

    def _open(self, me: Me, market: Market, entries: Entries) -> None:
        """Open at the usual leverage, more readily along the trend; with fresh money if the old is lost."""
        memory, p, n = self.memory, self.parameters, len(entries)
        row = memory["row"][entries]
        lists, count = np.empty((3, n), np.int64), np.empty(3, np.int64)
        opening(
            entries, me.uniform("open", row), me.equity(row), market.mark, p.chase, memory["group_book"],
            memory["group_side"], memory["slow"], memory["book"], memory["group"], memory["purse"], memory["stake"],
            memory["leverage"], memory["usual"], memory["asked"], memory["goal"], memory["tries"], memory["got"],
            lists, count,
        )  # fmt: skip
        opens, back, poor = count.tolist()
        asks = lists[POOR, :poor]
        self._send(me, market, asks, memory["stake"][asks])
        self._come_back(me, lists[BACK, :back], p.idle)
        self._build(me, market, lists[AGAIN, :opens])

    def _build(self, me: Me, market: Market, entries: Entries) -> None:
        """Buy (or sell) towards the wanted size, as the book bears; then plan for what has become of it."""
        memory, p, n = self.memory, self.parameters, len(entries)
        if n == 0:
            return
        row = memory["row"][entries]
        lists, to, count = np.empty((3, n), np.int64), np.empty((3, n), np.int64), np.empty(3, np.int64)
        coins = np.empty(n)
        building(
            entries, row, *me.standing(row, memory["book"][entries]), memory["book"], memory["side"],
            memory["goal"], memory["tries"], memory["got"], memory["leverage"], market.mid, market.last,
            market.depth_bid[1], market.depth_ask[1], p.careless, PATIENT * p.parts, p.patience, TRIES,
            lists, to, coins, count,
        )  # fmt: skip
        again, back, planned = count.tolist()
        if planned:
            self._plan(me, market, lists[PLANNED, :planned])
        self._come_back(me, lists[BACK, :back], p.idle)
        if again:
            appoint(memory, BUILD, lists[AGAIN, :again], me.time + p.retry)
            row, book, side = to[:, :again]
            me.market_order(row, book, side, coins[:again], cause="decision")

    def _add(self, me: Me, market: Market, entries: Entries) -> None:
        """Answer the margin call: send money from the purse. It helps if it arrives in time."""
        memory = self.memory
        entries = entries[me.lots(memory["row"][entries], memory["book"][entries]) != 0]
        self._send(me, market, entries, self.parameters.add * memory["stake"][entries])

    def _send(self, me: Me, market: Market, entries: Entries, amount: NDArray[np.float64]) -> None:
        if len(entries) == 0:
            return
        purse, row = self.memory["purse"][entries], self.memory["row"][entries]
        asset = market.books.quote[self.memory["book"][entries]]
        amount = np.minimum(amount, me.balance(purse, asset))
        for kind in sorted(set(asset.tolist())):
            some = np.flatnonzero((asset == kind) & (amount > 0))
            if len(some):
                me.transfer(purse[some], row[some], kind, amount[some], by=self.parameters.route_by)

    # ------------------------------------------------------------------ what it sees

    def _look(self, me: Me, market: Market, since: float) -> None:
        """Look at the accounts: was a position closed for me, and have I heard anything since the last look?"""
        memory, p = self.memory, self.parameters
        held = np.empty(len(memory["row"]), np.int64)
        held = held[: stirred(memory["held"], memory["row"], me.changed(since, news=True), held)]
        if len(held) == 0:
            return
        gone = me.lots(memory["row"][held], memory["book"][held]) == 0
        if gone.any():
            self._close(me, market, held[gone])
        held = held[~gone]
        row = memory["row"][held]
        heard = me.heard(row)
        news = heard - memory["heard"][held]
        memory["heard"][held] = heard
        bad = np.flatnonzero(-memory["side"][held] * news > 0)
        if len(bad) == 0:
            return
        held, row, worse = held[bad], row[bad], np.abs(news[bad])
        scared = me.uniform("fear", row) < p.fear * 100.0 * worse
        held, row = held[scared], row[scared]
        if len(held) == 0:
            return
        fast = self._lag(me, "fast", held, p.fast_after, p.fast_spread)
        slow = self._lag(me, "slow", held, p.slow_after, p.slow_spread)
        lag = np.where(me.uniform("speed", row) < p.fast_share, fast, slow)
        heard_at = np.nan_to_num(me.heard_at(row), nan=me.time)
        self._want_out(me, held, NEWS, np.maximum(heard_at + lag, me.time))

    def _lag(self, me: Me, what: str, entries: Entries, median: float, spread: float) -> NDArray[np.float64]:
        lag: NDArray[np.float64] = median * np.exp(spread * me.normal(what, self.memory["row"][entries]))
        return lag
