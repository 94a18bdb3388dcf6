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

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents.alarms import Entries, appoint, due, open_diary
from agents.hedges import ASSET, BASIS, FEAR, MAIN, PLACE, leave, mend, reasons, stock, touched

Floats = NDArray[np.float64]
Table = NDArray[np.int64]

MEND, LEAVE = range(2)  # appointments
CAUSES = ("hedge", "news")  # of orders, by why it leaves


class Hedger(Participant):
    """Keeps coins and short perpetuals in balance; a hedge is one owner in one coin."""

    class Parameters(Participant.Parameters):
        """Reaction to a leg that is gone, and the two reasons to leave."""

        OPENING: ClassVar[tuple[str, ...]] = (
            "basis",
            "basis_least",
        )

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
        row, book, lots = me.positions()
        row, book = row[lots < 0], book[lots < 0]
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
            widest=np.array(int(np.bincount(hedge).max(initial=0))),  # most legs of a hedge
            bound=np.zeros(len(names)), naked=np.zeros(len(names)), short=np.zeros(len(names)),
            pair=np.zeros(len(names), np.int64), pair_book=np.zeros(0, np.int64), pair_spot=np.zeros(0, np.int64),
            pair_same=np.zeros(0, np.bool_),  # whether both are in the same money
        )  # fmt: skip
        memory = self.memory
        open_diary(memory, 2, len(names))
        if len(names):
            held = np.arange(len(names))
            _, _, quantity, coins_held = self._legs(me, held)
            short = np.bincount(hedge, quantity, len(names)).astype(np.float64)
            memory["target"], memory["size"] = coins_held + short, np.abs(short)
            largest = np.lexsort((quantity, hedge))  # within a hedge the most negative first
            memory["main"] = largest[np.searchsorted(hedge[largest], held)]
            more = me.exponential("basis", row[memory["main"]], forever=True)
            memory["bound"] = self.parameters.basis_least + self.parameters.basis * more
            pairs, pair = np.unique(np.stack([book[memory["main"]], spot]), axis=1, return_inverse=True)
            memory["pair_book"], memory["pair_spot"], memory["pair"] = *pairs, pair.ravel()
            quote = market.books.quote[pairs]
            memory["pair_same"] = (quote[0] == quote[1]) & (pairs[1] >= 0)

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
        """Take stock of what has changed; make appointments with whoever has a new reason to act."""
        memory, p, n = self.memory, self.parameters, len(self.memory["size"])
        row, place, main, first = memory["row"], memory["place"], memory["main"], memory["first"]
        hedges = np.empty(n, np.int64)
        hedges = hedges[: touched(me.changed(since), row, place, first, hedges)]
        _, _, held, coins = self._legs(me, hedges)
        found, count, bad = np.empty((3, n), np.int64), np.empty(3, np.int64), np.empty(n)
        reasons(
            hedges, held, coins, first, main, row, memory["target"], memory["size"], memory["when"], memory["spot"],
            memory["naked"], memory["short"], self._basis(market), memory["pair"], memory["bound"], memory["heard"],
            me.heard(), p.tolerance, found, count, bad,
        )  # fmt: skip
        loose, pays, worried = (one[:many] for one, many in zip(found, count.tolist(), strict=True))
        if len(loose):
            lag = p.mend_after * np.exp(p.mend_spread * me.normal("mend", row[main[loose]]))
            appoint(memory, MEND, loose, me.time + lag)
        if len(pays):
            memory["why"][pays] = BASIS
            appoint(memory, LEAVE, pays, me.time + p.slices * me.uniform("start", row[main[pays]]))
        if len(worried):
            worried = worried[me.uniform("fear", row[main[worried]]) < 100.0 * p.fear * bad[: len(worried)]]
            memory["why"][worried] = FEAR
            own = row[main[worried]]
            lag = p.fear_after * np.exp(p.fear_spread * me.normal("wait", own))
            appoint(memory, LEAVE, worried, np.maximum(me.heard_at(own) + lag, me.time))

    def _mend(self, me: Me, market: Market, hedges: Entries) -> None:
        """Bring the net exposure back to its target, slice by slice: sell coins or the perpetual, or buy it back."""
        memory, p, n = self.memory, self.parameters, len(hedges)
        accounts, legs, held, coins = self._legs(me, hedges)
        row, count, still = accounts[MAIN], np.empty(3, np.int64), np.empty(n, np.int64)
        sells, sold, buys, bought = self._sheet(len(held))
        mend(
            hedges, accounts, legs, held, coins, me.waiting(accounts[: PLACE + 1].ravel()), me.equity(row),
            me.uniform("resell", row, forever=True), memory["first"], memory["spot"], memory["target"], memory["size"],
            market.mid, market.last, market.depth_bid[1], market.depth_ask[1], market.mark, p.tolerance, p.resell,
            p.cover, p.participation, p.careless, p.parts, np.empty(n), still, sells, sold, buys, bought, count,
        )  # fmt: skip
        left, sales, purchases = count.tolist()
        appoint(memory, MEND, still[:left], me.time + p.slices)
        self._order(me, -1, sells[:, :sales], sold[:sales], "hedge")
        self._order(me, 1, buys[:, :purchases], bought[:purchases], "hedge")

    def _leave(self, me: Me, market: Market, hedges: Entries) -> None:
        """Close both legs by the same amount, as fast as the thinner book bears, while it pays."""
        memory, p, n = self.memory, self.parameters, len(hedges)
        accounts, legs, held, coins = self._legs(me, hedges)
        on, count = np.empty(n, np.int64), np.empty(5, np.int64)
        sells, sold, buys, bought = self._sheet(len(held))
        leave(
            hedges, accounts, legs, held, coins, me.waiting(accounts[: PLACE + 1].ravel()), memory["first"],
            memory["spot"], memory["size"], memory["why"], self._basis(market), memory["pair"], memory["bound"],
            market.mid, market.last, market.depth_bid[1], market.depth_ask[1], p.participation, p.careless, p.parts,
            np.empty(n), on, sells, sold, buys, bought, count,
        )  # fmt: skip
        left, *ends = count.tolist()
        appoint(memory, LEAVE, on[:left], me.time + p.slices)
        sales = purchases = 0
        for reason, cause in enumerate(CAUSES):
            more_sales, more_purchases = ends[reason], ends[2 + reason]
            self._order(me, 1, buys[:, purchases:more_purchases], bought[purchases:more_purchases], cause)
            self._order(me, -1, sells[:, sales:more_sales], sold[sales:more_sales], cause)
            sales, purchases = more_sales, more_purchases

    @staticmethod
    def _sheet(n: int) -> tuple[Table, Floats, Table, Floats]:
        """Room for orders to sell and to buy, one a leg at most: rows and books, coins."""
        return np.empty((2, n), np.int64), np.empty(n), np.empty((2, n), np.int64), np.empty(n)

    @staticmethod
    def _order(me: Me, side: int, where: Table, quantity: Floats, cause: str) -> None:
        """Send orders; what closes a short leg may only reduce it."""
        if len(quantity):
            row, book = where
            me.market_order(row, book, side, quantity, reduce_only=side > 0, cause=cause)

    # ------------------------------------------------------------------ what it sees

    def _legs(self, me: Me, hedges: Entries) -> tuple[Table, Table, Floats, Floats]:
        """Accounts and legs of some hedges (see `agents.hedges.stock`), coins in each leg, coins that each owns."""
        memory = self.memory
        room = len(hedges) * int(memory["widest"])
        accounts, legs = np.empty((4, len(hedges)), np.int64), np.empty((2, room), np.int64)
        n = stock(
            hedges, memory["first"], memory["main"], memory["row"], memory["book"], memory["place"], memory["asset"],
            accounts, legs,
        )  # fmt: skip
        return accounts, legs, me.position(*legs[:, :n]), me.balance(accounts[PLACE], accounts[ASSET])

    def _basis(self, market: Market) -> Floats:
        """By pair of books: the perpetual's mid over what the coins would fetch, or over the index, less one."""
        memory, book = self.memory, self.memory["pair_book"]
        coin = np.where(memory["pair_same"], market.bid[memory["pair_spot"]], market.index[book])
        basis: Floats = market.mid[book] / coin - 1.0
        return basis
