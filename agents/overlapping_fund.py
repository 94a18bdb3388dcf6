"""Funds on credit that hold the same coins, and what one failure does to the others, in books that are called.

Theory. Caccioli, Shrestha, Moore and Farmer (2014): funds hold random coins, most of their assets in coins and the
rest in money; a fund whose losses exceed its equity fails and sells all it has; selling a share x of all that funds
hold of a coin brings its price to exp(-alpha x). One fund fails from outside. Failures spread only above a threshold of
leverage, and most at a middling diversification: with few coins there is no way from fund to fund, with many each loss
is small.

Of the owners with an account at a venue the last is the outside holder. In the first call, at the opening price, each
fund comes to its portfolio from whatever coins it has, and the outside holder takes the other side; afterwards it buys
along exp(-alpha x). A fund's account holds its lender's money, too; what is the lender's is in its memory. Calls must
be two steps apart.
"""

from __future__ import annotations

import numpy as np

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks, ladder

CSMF = "Caccioli, Shrestha, Moore and Farmer 2014"
FAILED = "failed"  # remark at the end: share of the venue's funds that failed
OPENING = 2  # calls until the shock


class OverlappingFund(Participant):
    """Funds with random portfolios and an outside holder at every venue with spot books."""

    class Parameters(Participant.Parameters):
        """Leverage, diversification, market depth."""

        leverage: float = parameter(
            10.0, "Assets over equity at the opening", unit="1", source=CSMF, ge=1, le=1000
        )
        diversification: float = parameter(
            3.0, "Coins that a fund holds, mean", unit="coins", source=CSMF, gt=0
        )
        invested: float = parameter(0.8, "Assets in coins", unit="share", source=CSMF, gt=0, le=1)
        depth: float = parameter(
            1.0536,
            "alpha: log fall when all that funds hold of a coin is sold",
            unit="1",
            source=CSMF,
            gt=0,
            le=3,
        )
        size: float = parameter(1000.0, "A fund's assets at the opening", unit="quote asset", gt=0)
        calls: int = parameter(30, "Calls after which the failures are counted", unit="calls", ge=2)
        rung: float = parameter(0.01, "Step of the outside holder's schedule", unit="log price", gt=0, le=0.2)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Rows [venues, owners] and books [venues, coins], and who will hold what."""
        p, info = self.parameters, market.books
        row, book = desks.stations(me, info)
        spot = np.asarray(info.kind)[book] == 1
        row, book = row[spot], book[spot]
        venue = np.asarray(me.venue)[row]
        circles = [(np.unique(row[venue == v]), np.unique(book[venue == v])) for v in np.unique(venue)]
        most = max([(len(mine), len(there)) for mine, there in circles], default=(0, 0))
        circles = [
            one for one in circles if (len(one[0]), len(one[1])) == most
        ]  # the others are no such market
        rows = np.array([mine[np.argsort(me.key[mine], kind="stable")] for mine, _ in circles]).reshape(
            -1, most[0]
        )
        books = np.array([there for _, there in circles], dtype=np.int64).reshape(-1, most[1])
        funds = rows[:, :-1]
        shape = (*funds.shape, books.shape[1])
        drawn = np.broadcast_to(
            me.uniform("portfolio", funds.ravel()).reshape(funds.shape)[:, :, None], shape
        )
        names = np.broadcast_to(np.asarray(info.key)[books][:, None, :], shape)
        luck = desks.spread(np.ascontiguousarray(drawn).ravel(), names.ravel(), "holds").reshape(shape)
        holds = luck < p.diversification / books.shape[1]
        self.memory.update(
            row=rows, book=books, holds=holds, price=np.array(info.opening_price[books], float), call=np.array(0),
            failed=np.zeros(funds.shape, bool), debt=np.zeros(funds.shape), sold=np.zeros(books.shape),
            floating=np.zeros(books.shape),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """In the step of a call: open, then see who has failed, sell for those, and stand ready to buy."""
        p, m = self.parameters, self.memory
        if round(me.time / me.dt) % 2 != 1 or m["call"] > p.calls or m["row"].shape[1] < 2:
            return
        call = int(m["call"])
        m["call"] += 1
        if call == 0:
            self._open(me)
            return
        book = m["book"]
        last = np.where(market.last[book] > 0, market.last[book], m["price"])
        coins = me.stock(m["row"][:, :-1, None], book[:, None, :])
        worth = me.balance(m["row"][:, :-1], market.books.quote[book][:, :1])
        worth = worth + (coins * last[:, None, :]).sum(axis=2)
        if call == 1:
            m["debt"] = worth - p.size / p.leverage
            m["floating"] = coins.sum(axis=1)
            invested = m["holds"].any(axis=2)
            luck = np.where(
                invested, me.uniform("shock", m["row"][:, :-1].ravel()).reshape(invested.shape), 2.0
            )
            m["failed"][np.arange(len(luck)), luck.argmin(axis=1)] = True  # the one that fails from outside
        m["failed"] |= worth < m["debt"]
        if call == p.calls:
            share = m["failed"].mean(axis=1)
            me.observe(FAILED, book[:, 0], book[:, 0], share, np.full(len(share), float(call)))
            return
        self._sell(me, coins)
        self._stand_ready(me, m["floating"] - coins.sum(axis=1))

    def _open(self, me: Me) -> None:
        """Everybody trades at the opening price, the outside holder against the sum of the funds."""
        p, m = self.parameters, self.memory
        each = p.invested * p.size / np.maximum(m["holds"].sum(axis=2), 1)
        missing = each[:, :, None] / m["price"][:, None, :] * m["holds"]
        missing = missing - me.stock(m["row"][:, :-1, None], m["book"][:, None, :])
        missing = np.concatenate([missing, -missing.sum(axis=1, keepdims=True)], axis=1)
        row, book, price = (
            np.broadcast_to(x, missing.shape).ravel()
            for x in (m["row"][:, :, None], m["book"][:, None, :], m["price"][:, None, :])
        )
        side = np.where(missing.ravel() > 0, 1, -1)
        me.limit(row, book, side, price, np.abs(missing).ravel(), expire=1.5 * me.dt, round="out")

    def _sell(self, me: Me, coins: np.ndarray) -> None:
        m = self.memory
        venue, fund, coin = np.nonzero((coins > 0) & m["failed"][:, :, None])
        least = 0.01 * m["price"][venue, coin]
        me.limit(
            m["row"][venue, fund],
            m["book"][venue, coin],
            -1,
            least,
            coins[venue, fund, coin],
            expire=1.5 * me.dt,
        )

    def _stand_ready(self, me: Me, bought: np.ndarray) -> None:
        """The outside holder wants, at a price of exp(-alpha x), the share x of what funds held at first."""
        p, m = self.parameters, self.memory
        down = np.arange(0.0, p.depth + p.rung, p.rung)[::-1]
        price = m["price"].reshape(-1, 1) * np.exp(-down)
        wanted = m["floating"].reshape(-1, 1) * np.minimum(down / p.depth, 1.0)
        row = np.repeat(m["row"][:, -1], m["book"].shape[1])
        held = np.maximum(bought.reshape(-1), 0.0)
        bids, _ = ladder.rungs(wanted, held)
        some, at = np.nonzero(bids > 0)
        book = m["book"].reshape(-1)
        me.limit(row[some], book[some], 1, price[some, at], bids[some, at], expire=1.5 * me.dt, round="out")
