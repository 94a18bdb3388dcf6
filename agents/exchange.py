"""Exchange: the venues as participants. They sell what their funds took over, and may stop withdrawals.

A fund or vault that takes over bankrupt positions holds a directional book that nobody wants. The venue
unloads it "slowly, by a preset algorithm" (Binance's help page on liquidation protocols): here a share of
the inventory a second, never more than a part of what the book shows nearby, as immediate-or-cancel orders.
Collateral that came with an account goes the same way into the venue's own spot book of it.
How fast is a venue's choice: fast disposal feeds the fall that it fears, slow disposal leaves it exposed
and the fund full.

Withdrawals can be suspended by an own rule, off unless a scenario turns it on: when the queue for outgoing
transfers grows beyond a number of minutes; they reopen after a time. Stops that are on record (like those
of October 2025) are the network's events and do not come from here.

One participant stands for all venues; the order of its rows is theirs. The rows of fees do not trade.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents.disposal import dispose


class Exchange(Participant):
    """All venues' own trading and their switch of withdrawals."""

    class Parameters(Participant.Parameters):
        """Speed and size of disposal; the rule for withdrawals."""

        participation: float = parameter(
            0.05, "Largest sale in one order over the visible depth within 1 %", unit="share of depth", gt=0
        )
        slip: float = parameter(0.01, "Farthest limit from the best price", unit="share of price", ge=0, lt=1)
        suspends: Literal["off", "queue"] = parameter(
            "off", "Own rule for withdrawals: never, or by the length of the outgoing queue"
        )
        queue: float = parameter(3600.0, "Expected wait that suspends withdrawals", unit="seconds", gt=0)
        reopen: float = parameter(1800.0, "Time until they reopen", unit="seconds", gt=0)
        look: float = parameter(10.0, "Time between looks at the queue", unit="seconds", gt=0)

    parameters: Parameters
    runs_venues: ClassVar[bool] = True

    def setup(self, me: Me, market: Market) -> None:
        """Every pair of a pool's row and a perpetual that it insures, or a spot book of accepted collateral."""
        perps = np.asarray(market.perps, np.int64)
        row, which = np.nonzero(me.insures(perps))
        book = perps[which]
        coins = [b for b in np.asarray(market.spots, np.int64) if self._accepted(market, int(b))]
        holder, which = np.nonzero(
            me.venue[:, None] == market.books.venue[np.array(coins, np.int64)][None, :]
        )
        row = np.concatenate([row, holder])
        book = np.concatenate([book, np.array(coins, np.int64)[which]])
        spot = np.flatnonzero(market.books.kind[book] == 1)
        self.memory.update(
            row=row.astype(np.int64), book=book, owed=np.zeros(len(row)), spot=spot, spot_row=row[spot],
            coin=market.books.base[book[spot]], coin_lot=market.books.lot[book[spot]],
            suspended=np.full(len(me.rows), np.inf), looked=np.array([-np.inf]),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Sell a little of every inventory; look at the queues if the scenario says so."""
        self._dispose(me, market)
        if self.parameters.suspends != "off":
            self._watch_queues(me, market)

    def _accepted(self, market: Market, book: int) -> bool:
        """Whether the coin of a spot book is collateral at its venue."""
        books = market.books
        rules = self.model.rules[books.venue_names[books.venue[book]]]
        return books.asset_names[books.base[book]] in rules.collateral.assets

    def _dispose(self, me: Me, market: Market) -> None:
        memory, p = self.memory, self.parameters
        lots = me.lots(memory["row"], memory["book"])
        if len(memory["spot"]):
            owned = me.balance(memory["spot_row"], memory["coin"])
            if owned.any():
                lots[memory["spot"]] = np.floor(owned / memory["coin_lot"] + 1e-6)
        if not lots.any():
            return
        # its own rule book: how fast this venue says that it sells
        rates = [self.model.rules[name].fund.disposal for name in self.venue_names]
        share = -np.expm1(-np.array(rates, np.float64)[me.venue[memory["row"]]] * me.dt)
        n, row, book = len(lots), memory["row"], memory["book"]
        to, price, coins = np.empty((3, n), np.int64), np.empty(n), np.empty(n)
        orders = dispose(
            row, book, lots, me.waiting(row), share, market.bid, market.ask, market.depth_bid[1],
            market.depth_ask[1], market.books.lot, p.participation, p.slip, memory["owed"], to, price, coins,
        )  # fmt: skip
        perpetuals = int((market.books.kind[to[1, :orders]] == 0).sum())  # they come first
        for perpetual, first, last in ((True, 0, perpetuals), (False, perpetuals, orders)):
            if last > first:
                row, book, side = to[:, first:last]
                me.limit(
                    row, book, side, price[first:last], coins[first:last],
                    tif="ioc", reduce_only=perpetual, cause="disposal",
                )  # fmt: skip

    def _watch_queues(self, me: Me, market: Market) -> None:
        """Suspend where a withdrawal would take too long, reopen after a time."""
        memory, p = self.memory, self.parameters
        if me.time < memory["looked"][0] + p.look:
            return
        memory["looked"][0] = me.time
        for i, venue in enumerate(me.venue[: len(self.venue_names)].tolist()):
            since = memory["suspended"][i]
            if np.isfinite(since):
                if me.time >= since + p.reopen:
                    me.suspend(venue, False)
                    memory["suspended"][i] = np.inf
            elif market.withdrawals_open[venue] and self._wait(me, market, venue) > p.queue:
                me.suspend(venue, True)
                memory["suspended"][i] = me.time

    @staticmethod
    def _wait(me: Me, market: Market, venue: int) -> float:
        """Longest published wait of an open way out of the venue, s; 0 if there is none."""
        names = market.books.venue_names
        waits = [
            me.network.delay(names[venue], to, int(asset))
            for to in names
            if to != names[venue]
            for asset in np.unique(market.books.quote)
        ]
        return max((wait for wait in waits if np.isfinite(wait)), default=0.0)
