"""Hedger: owns coins and is short the perpetual against them, at one venue or at two.

Two trades look alike from outside and are one card here: the cash-and-carry trader, who earns funding and
basis, and the holder or market-neutral fund that insures its coins. Each owner keeps a target of net
exposure (coins plus position) that it had at the start. When the short leg shrinks, for whatever reason,
the coins stand naked: after a reaction time it sells them or sells the perpetual again. It does not know
why the leg shrank: a close by the venue's auto-deleveraging, a liquidation and a slip of its own hand look
the same. This is the way by which one market's forced closes reach another one.

It also leaves on its own: a basis so negative that closing both legs pays, or fear after bad news. Leaving
buys the perpetual and sells the coin, so open interest falls on the short side as well.

Sources: most accounts that auto-deleveraging hit on 10 October 2025 were hardly levered winners, i.e.
hedges (public ADL records of Hyperliquid); carry and its limits: Schmeling, Schrimpf and Todorov (2023),
He, Manela, Ross and von Wachter (2022). Reaction shares and times are assumptions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents.alarms import Entries, appoint, due, open_diary
from agents.crowd import bearable, in_coins

MEND, LEAVE = range(2)  # appointments
BASIS, FEAR = range(2)  # why it leaves
CAUSES = ("hedge", "news")


class Hedger(Participant):
    """Keeps coins and short perpetuals in balance; a hedge is one owner in one coin."""

    class Parameters(Participant.Parameters):
        """Reaction to a leg that is gone, and the two reasons to leave."""

        tolerance: float = parameter(
            0.02, "Naked part that is let be", unit="share of the hedge at the start", ge=0, le=1
        )
        look: float = parameter(5.0, "Time between looks at the own legs", unit="seconds", gt=0)
        mend_after: float = parameter(20.0, "Median reaction time to a naked leg", unit="seconds", ge=0)
        mend_spread: float = parameter(1.0, "Standard deviation of its log", unit="log seconds", ge=0, le=3)
        resell: float = parameter(
            0.6, "Owners that sell naked coins; the others sell the perpetual again", unit="share of owners",
            source="assumption; a reduced model varied one half to three quarters", ge=0, le=1,
        )  # fmt: skip
        cover: float = parameter(
            0.2, "Least equity over the short leg at which it is sold again", unit="1 / leverage", gt=0
        )
        basis_least: float = parameter(
            0.004,
            "Negative basis at which nobody leaves yet: fees and spreads of two legs",
            unit="share of price",
            ge=0,
        )
        basis: float = parameter(0.02, "Mean of what it must be beyond that", unit="share of price", gt=0)
        fear: float = parameter(
            0.01,
            "Owners that leave for each per cent of bad news",
            unit="share of owners per 1 %",
            ge=0,
            le=1,
        )
        fear_after: float = parameter(1200.0, "Median time from hearing to leaving", unit="seconds", ge=0)
        fear_spread: float = parameter(1.0, "Standard deviation of its log", unit="log seconds", ge=0, le=3)
        participation: float = parameter(
            0.1, "Largest order over the visible depth within 1 %", unit="share of depth", gt=0
        )
        careless: float = parameter(
            10_000.0, "Orders up to this do not look at depth", unit="quote units", ge=0
        )
        parts: int = parameter(20, "Parts that a leg is traded in at most", unit="orders", ge=1)
        slices: float = parameter(10.0, "Time between slices of what is larger", unit="seconds", gt=0)

    parameters: Parameters

    # ------------------------------------------------------------------ who is there

    def setup(self, me: Me, market: Market) -> None:
        """Legs: every short position, sorted by hedge. Coins: the owner's largest holding of that coin."""
        everyone = np.arange(len(me.rows))
        rows: list[Entries] = []
        books: list[Entries] = []
        for book in market.perps:
            here = everyone[me.venue == market.books.venue[book]]
            here = here[me.lots(here, int(book)) < 0]
            rows.append(here)
            books.append(np.full(len(here), book, np.int64))
        row, book = (np.concatenate([np.empty(0, np.int64), *parts]) for parts in (rows, books))
        coins = int(max(market.books.coin, default=0)) + 1
        name = me.owner[row].astype(np.int64) * coins + market.books.coin[book]
        order = np.lexsort((row, book, name))
        row, book, name = row[order], book[order], name[order]
        names, hedge = np.unique(name, return_inverse=True)
        place, spot, asset = self._coins(me, market, names // coins, names % coins)
        self.memory.update(
            row=row, book=book, hedge=hedge.astype(np.int64),
            place=place, spot=spot, asset=asset, target=np.zeros(len(names)), size=np.zeros(len(names)),
            heard=np.zeros(len(names)), why=np.zeros(len(names), np.int8), looked=np.array([-np.inf]),
            main=np.searchsorted(hedge, np.arange(len(names))), first=np.searchsorted(hedge, np.arange(len(names) + 1)),
            bound=np.zeros(len(names)), naked=np.zeros(len(names)), short=np.zeros(len(names)),
            pair=np.zeros(len(names), np.int64), pair_book=np.zeros(0, np.int64), pair_spot=np.zeros(0, np.int64),
        )  # fmt: skip
        memory = self.memory
        open_diary(memory, 2, len(names))
        if len(names):
            held = np.arange(len(names))
            coins_held, short = self._coins_held(me, held), self._short(me, held)
            memory["target"], memory["size"] = coins_held + short, np.abs(short)
            quantity = me.position(row, book)
            largest = np.lexsort((quantity, hedge))  # within a hedge the most negative first
            memory["main"] = largest[np.searchsorted(hedge[largest], held)]
            more = me.exponential("basis", row[memory["main"]], forever=True)
            memory["bound"] = self.parameters.basis_least + self.parameters.basis * more
            pairs, pair = np.unique(np.stack([book[memory["main"]], spot]), axis=1, return_inverse=True)
            memory["pair_book"], memory["pair_spot"], memory["pair"] = *pairs, pair.ravel()

    @staticmethod
    def _coins(me: Me, market: Market, owner: Entries, coin: Entries) -> tuple[Entries, Entries, Entries]:
        """For each hedge: own row with most of its coin, the spot book there, the coin's asset; -1 = none."""
        place, spot, asset = (np.full(len(owner), -1, np.int64) for _ in range(3))
        books = market.books
        by_owner = np.argsort(me.owner, kind="stable")
        first = np.searchsorted(me.owner[by_owner], owner, "left")
        last = np.searchsorted(me.owner[by_owner], owner, "right")
        for kind in np.unique(coin):
            sold = np.array([b for b in market.spots if books.coin[b] == kind], np.int64)
            if len(sold) == 0:
                continue
            held = me.balance(by_owner, int(books.base[sold[0]]))
            for h in np.flatnonzero(coin == kind):
                mine = by_owner[first[h] : last[h]]
                best = mine[np.argmax(held[first[h] : last[h]])]
                there = sold[books.venue[sold] == me.venue[best]]
                place[h], asset[h] = best, books.base[sold[0]]
                spot[h] = there[0] if len(there) else -1
        return place, spot, asset

    # ------------------------------------------------------------------ the rule

    def decide(self, me: Me, market: Market) -> None:
        """Every few seconds compare the legs and the basis; do what has come due."""
        memory = self.memory
        if len(memory["size"]) == 0:
            return
        if me.time >= memory["looked"][0] + self.parameters.look:
            since, memory["looked"][0] = float(memory["looked"][0]), me.time
            self._look(me, market, since)
        for kind, hedges in due(memory, me.time):
            (self._mend, self._leave)[kind](me, market, hedges)

    def _look(self, me: Me, market: Market, since: float) -> None:
        memory, p = self.memory, self.parameters
        short, naked = memory["short"], memory["naked"]
        changed = me.changed(since)
        hedges = np.union1d(
            np.flatnonzero(changed[np.maximum(memory["place"], 0)]), memory["hedge"][changed[memory["row"]]]
        )
        short[hedges] = self._short(me, hedges)
        naked[hedges] = self._coins_held(me, hedges) + short[hedges] - memory["target"][hedges]
        row = memory["row"][memory["main"]]
        loose = np.flatnonzero(np.abs(naked) > p.tolerance * memory["size"])
        loose = loose[~np.isfinite(memory["when"][:, loose]).any(axis=0)]
        lag = p.mend_after * np.exp(p.mend_spread * me.normal("mend", row[loose]))
        appoint(memory, MEND, loose, me.time + lag)

        able = (memory["spot"] >= 0) & (short < 0) & ~np.isfinite(memory["when"][LEAVE])
        basis = self._basis(market, memory["pair_book"], memory["pair_spot"])
        pays = np.flatnonzero(able & (basis[memory["pair"]] < -memory["bound"]))
        memory["why"][pays] = BASIS
        appoint(memory, LEAVE, pays, me.time + p.slices * me.uniform("start", row[pays]))
        heard = me.heard(row)
        bad = memory["heard"] - heard
        memory["heard"] = heard
        worried = np.flatnonzero(able & (bad > 0))
        worried = worried[me.uniform("fear", row[worried]) < 100.0 * p.fear * bad[worried]]
        memory["why"][worried] = FEAR
        lag = p.fear_after * np.exp(p.fear_spread * me.normal("wait", row[worried]))
        appoint(memory, LEAVE, worried, np.maximum(me.heard_at(row[worried]) + lag, me.time))

    def _mend(self, me: Me, market: Market, hedges: Entries) -> None:
        """Bring the net exposure back to its target, slice by slice."""
        memory, p = self.memory, self.parameters
        coins, short = self._coins_held(me, hedges), self._short(me, hedges)
        naked = coins + short - memory["target"][hedges]
        open_still = np.abs(naked) > p.tolerance * memory["size"][hedges]
        hedges, coins, short, naked = (x[open_still] for x in (hedges, coins, short, naked))
        if len(hedges) == 0:
            return
        appoint(memory, MEND, hedges, me.time + p.slices)
        main = memory["main"][hedges]
        row, book = memory["row"][main], memory["book"][main]
        free = (me.waiting(row) == 0) & (me.waiting(np.maximum(memory["place"][hedges], 0)) == 0)

        mark = market.mark[book]
        covered = me.equity(row) >= p.cover * (np.abs(short) + np.abs(naked)) * mark
        sells = (me.uniform("resell", row, forever=True) < p.resell) | ~covered
        sells &= (memory["spot"][hedges] >= 0) & (coins > 0)
        too_long = free & (naked > 0)
        self._sell_coins(me, market, hedges[too_long & sells], naked[too_long & sells], "hedge")
        again = too_long & ~sells & covered
        quantity = self._bearable(market, hedges[again], book[again], -1, naked[again])
        me.market_order(row[again], book[again], -1, quantity, cause="hedge")
        too_short = free & (naked < 0)
        self._buy_back(me, market, hedges[too_short], -naked[too_short], "hedge")

    def _leave(self, me: Me, market: Market, hedges: Entries) -> None:
        """Close both legs by the same amount, as fast as the thinner book bears, while it pays."""
        memory, p = self.memory, self.parameters
        short, coins = -self._short(me, hedges), self._coins_held(me, hedges)
        basis = self._basis(market, memory["book"][memory["main"][hedges]], memory["spot"][hedges])
        pays = (memory["why"][hedges] == FEAR) | (basis < -0.25 * memory["bound"][hedges])
        goes_on = pays & (np.minimum(short, coins) > 1e-6 * memory["size"][hedges])
        hedges, short, coins = hedges[goes_on], short[goes_on], coins[goes_on]
        if len(hedges) == 0:
            return
        appoint(memory, LEAVE, hedges, me.time + p.slices)
        main = memory["main"][hedges]
        free = (me.waiting(memory["row"][main]) == 0) & (me.waiting(memory["place"][hedges]) == 0)
        hedges, short, coins, main = hedges[free], short[free], coins[free], main[free]
        quantity = self._bearable(market, hedges, memory["book"][main], 1, np.minimum(short, coins))
        quantity = self._bearable(market, hedges, memory["spot"][hedges], -1, quantity)
        for number, cause in enumerate(CAUSES):
            now = memory["why"][hedges] == number
            if now.any():
                self._buy_back(me, market, hedges[now], quantity[now], cause)
                self._sell_coins(me, market, hedges[now], quantity[now], cause)

    # ------------------------------------------------------------------ the two legs

    def _sell_coins(
        self, me: Me, market: Market, hedges: Entries, quantity: NDArray[np.float64], cause: str
    ) -> None:
        if len(hedges):
            spot = self.memory["spot"][hedges]
            quantity = np.minimum(
                self._bearable(market, hedges, spot, -1, quantity), self._coins_held(me, hedges)
            )
            me.market_order(self.memory["place"][hedges], spot, -1, quantity, cause=cause)

    def _buy_back(
        self, me: Me, market: Market, hedges: Entries, quantity: NDArray[np.float64], cause: str
    ) -> None:
        """Buy so much of the short legs, each leg in proportion to its size."""
        if len(hedges) == 0:
            return
        memory = self.memory
        hedges, quantity = hedges[quantity > 0], quantity[quantity > 0]
        legs, which = self._legs(hedges)
        row, book = memory["row"][legs], memory["book"][legs]
        short = np.maximum(-me.position(row, book), 0.0)
        whole = np.bincount(which, short, len(hedges))[which]
        part = np.divide(short, whole, out=np.zeros_like(short), where=whole > 0)
        amount = self._bearable(market, hedges[which], book, 1, quantity[which] * part)
        me.market_order(row, book, 1, np.minimum(amount, short), reduce_only=True, cause=cause)

    # ------------------------------------------------------------------ what it sees

    def _legs(self, hedges: Entries) -> tuple[Entries, Entries]:
        """The legs of some hedges, and for each the place of its hedge among them."""
        first, count = self.memory["first"][hedges], np.diff(self.memory["first"])[hedges]
        which = np.repeat(np.arange(len(hedges)), count)
        before = np.cumsum(count) - count
        return np.arange(len(which)) + (first - before)[which], which

    def _short(self, me: Me, hedges: Entries) -> NDArray[np.float64]:
        """Sum of the legs of hedges, coins (negative: short)."""
        legs, which = self._legs(hedges)
        coins = me.position(self.memory["row"][legs], self.memory["book"][legs])
        return np.bincount(which, coins, len(hedges)).astype(np.float64)

    def _coins_held(self, me: Me, hedges: Entries) -> NDArray[np.float64]:
        """Coins of the hedges, 0 where there are none."""
        memory = self.memory
        asset = memory["asset"][hedges]
        held = me.balance(np.maximum(memory["place"][hedges], 0), np.maximum(asset, 0))
        return np.where(asset >= 0, held, 0.0)

    @staticmethod
    def _basis(market: Market, book: Entries, spot: Entries) -> NDArray[np.float64]:
        """Perpetual's mid over what the coins would fetch, less one; over the index where quotes differ."""
        books = market.books
        same = (books.quote[book] == books.quote[spot]) & (spot >= 0)
        basis: NDArray[np.float64] = (
            market.mid[book] / np.where(same, market.bid[spot], market.index[book]) - 1.0
        )
        return basis

    def _bearable(
        self, market: Market, hedges: Entries, book: Entries, side: int, quantity: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        p = self.parameters
        least = np.maximum(in_coins(market, book, p.careless), self.memory["size"][hedges] / p.parts)
        return bearable(market, book, side, quantity, p.participation, least)
