"""Arbitrageur: buys a coin where it is cheap and sells it where it is dear, perpetual or spot, dollar or token.

Theory. A pre-funded trade is instant but uses up inventory: coins and margin run out on one side, dollars on the
other. What brings them back is a transfer, during which the price can move by z sigma sqrt(tau) (Hautsch, Scheuch and
Voigt 2024: the bound on price differences grows with volatility and settlement latency). So an arbitrageur values a
coin at a venue where it is already long at less, and where it is short at more, by z sigma sqrt(tau) times the share
of its limit that is used; tau is the delay that the channel publishes. A trade is made if, at these values, the
dearest bid is above the cheapest ask by more than fees and the risk of execution. The same rule opens, turns round
and unwinds: with inventory, a gap that has closed is reason enough to trade back.

Size: as far as the displayed depth lets the gap close half way, from both sides, within limits, margin and coins.
Legs that fill unevenly are evened out in the book where it costs least. Now and then coins and dollars are sent
from venues that have too much to venues that run dry; while an own transfer is overdue or a channel is shut nothing
more is sent, and the inventory stays where it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Arbitrageur(Participant):
    """Trades gaps between all books of a coin; one owner has a row at each venue."""

    class Parameters(Participant.Parameters):
        """Limits, bar and rebalancing."""

        limit_major: float = parameter(
            10.0, "Position limit of all firms in a book, major coins", unit="multiple of its calm depth within 1 %",
            source="8-15 in a reduced model", gt=0,
        )  # fmt: skip
        limit_minor: float = parameter(
            2.0,
            "The same for other coins",
            unit="multiple of its calm depth within 1 %",
            source="1.5-3",
            gt=0,
        )
        limit_spot: float = parameter(
            0.25, "Limit at a spot book over that at perpetuals", unit="share", source="0.1-0.3", ge=0, le=10
        )
        bar: float = parameter(
            1.75,
            "z: risk bar in standard deviations",
            unit="1",
            source="Hautsch, Scheuch and Voigt 2024",
            ge=0,
        )
        execution: float = parameter(0.25, "Time at risk until both legs are filled", unit="seconds", ge=0)
        settlement: float = parameter(
            600.0, "Time to undo a position without a transfer", unit="seconds", ge=0
        )
        longest: float = parameter(
            3600.0, "Settlement time reckoned with where a channel is shut", unit="seconds", gt=0
        )
        fees: float = parameter(
            0.4, "Part of the public taker fee that it pays in its own reckoning (volume rebates)", unit="share",
            ge=0, le=1,
        )  # fmt: skip
        take: float = parameter(0.5, "Part of the way that a trade closes the gap", unit="share", gt=0, le=1)
        depth_part: float = parameter(
            0.5, "Largest order over the displayed depth within 0.5 %", unit="share", gt=0, le=1
        )
        even: float = parameter(
            0.01, "Open risk that is let be", unit="share of the limit in the largest book", ge=0
        )
        watch: float = parameter(60.0, "Time it watches a market before it trades", unit="seconds", ge=0)
        rebalance: float = parameter(30.0, "Time between looks at balances", unit="seconds", gt=0)
        dry: float = parameter(
            0.95, "A venue below this share of its opening money is refilled", unit="share", ge=0, le=1
        )
        full: float = parameter(
            0.3, "Coins beyond the opening that are sent on, or lacking that are sent for", unit="share of the limit",
            gt=0, le=1,
        )  # fmt: skip

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Stations; the public record of depth is watched before anything is traded."""
        row, book = desks.stations(me, market.books)
        owners, firm = np.unique(np.asarray(me.owner)[row], return_inverse=True)
        via, power = desks.conversion(market.books)
        books = market.books
        coins = int(np.max(books.coin)) + 1 if len(books.name) else 0
        # a cell is a firm in a coin; its stations stand side by side in a table padded with -1
        cell = firm * coins + np.asarray(books.coin, np.int64)[book]
        order = np.lexsort((book, cell))
        row, book, firm, cell = row[order], book[order], firm[order], cell[order]
        names, inverse, count = np.unique(cell, return_inverse=True, return_counts=True)
        table = np.full((len(names), int(count.max()) if len(count) else 0), -1, np.int64)
        place = np.arange(len(cell)) - np.searchsorted(cell, cell)
        table[inverse, place] = np.arange(len(cell))
        self.memory.update(
            row=row, book=book, firm=firm.astype(np.int64), via=via, power=power, table=table, cell=inverse,
            firms=np.array(len(owners)), calm=np.zeros(len(books.name)), looks=np.array(0), since=np.array(np.nan),
            ready=np.array(False), home=np.zeros(len(row)), held=np.zeros(len(row)), limit=np.zeros(len(row)),
            cash=np.zeros(len(me.rows)), coming=np.zeros(len(row)), sends=np.array(False), looked=np.array(-np.inf),
            delay=np.full(len(row), self.parameters.settlement), read=np.array(-np.inf), largest=np.zeros(len(names)),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Find gaps that pay at the values of the own inventory, trade them, keep the legs even."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0:
            return
        if not m["ready"] and not self._watched(me, market):
            return
        convert = desks.rates(market, m["via"], m["power"])
        if market.time - m["looked"] >= p.rebalance - 1e-9:
            m["looked"][...] = market.time
            self._rebalance(me, market)
        with np.errstate(invalid="ignore", divide="ignore"):
            bid, ask = np.log(market.bid * convert), np.log(market.ask * convert)
        fresh = market.time - m["read"] >= 5.0 - 1e-9
        if not fresh and not self._gap(market, bid, ask):
            return
        m["read"][...] = market.time
        self._read(me, market)
        self._trade(me, market, convert, bid, ask)

    def _watched(self, me: Me, market: Market) -> bool:
        """Averages visible depth; once it has seen enough, sets limits and takes stock."""
        p, m = self.parameters, self.memory
        depth = (np.asarray(market.depth_bid)[1] + np.asarray(market.depth_ask)[1]) / 2
        m["looks"] += 1
        m["calm"] += (depth - m["calm"]) / float(m["looks"])
        if np.isnan(m["since"]):
            m["since"][...] = market.time
        if market.time - m["since"] < p.watch:
            return False
        row, book = m["row"], m["book"]
        big = desks.majors(market.books)
        spot = np.asarray(market.books.kind) == 1
        limit = m["calm"] * np.where(big, p.limit_major, p.limit_minor) * np.where(spot, p.limit_spot, 1.0)
        wealth = np.bincount(m["firm"], np.maximum(me.equity(row), 0.0), int(m["firms"]))
        part = wealth / max(float(wealth.sum()), 1e-9)
        m["limit"][:] = np.maximum(limit[book] * part[m["firm"]], 1e-12)
        np.maximum.at(m["largest"], m["cell"], m["limit"])
        self._read(me, market)
        m["home"][:] = m["held"]
        everyone = np.arange(len(me.rows))
        m["cash"][:] = self._cash(me, market, everyone)
        m["ready"][...] = True
        return True

    def _read(self, me: Me, market: Market) -> None:
        """Positions, and at spot books coins, there and on the way; no resting orders, so nothing is locked."""
        m, books = self.memory, market.books
        perp = np.asarray(books.kind)[m["book"]] == 0
        at, there = np.flatnonzero(perp), np.flatnonzero(~perp)
        m["held"][at] = me.position(m["row"][at], m["book"][at])
        base = np.asarray(books.base)[m["book"]]
        m["held"][there] = me.balance(m["row"][there], base[there])
        if m["sends"]:
            under_way = me.transfers()
            m["sends"][...] = len(under_way) > 0
            m["coming"][:] = 0.0
            for t in under_way:
                m["coming"][there] += t["amount"] * ((m["row"] == t["to"]) & (base == t["asset"]))[there]

    @staticmethod
    def _cash(me: Me, market: Market, rows: Ints) -> Floats:
        """Free settlement money of each row (that of its venue's books)."""
        free: Floats = np.maximum(np.asarray(me.available(rows), np.float64), 0.0)
        return free

    def _gap(self, market: Market, bid: Floats, ask: Floats) -> bool:
        """Whether in any coin the dearest bid is above the cheapest ask (logs in common dollars), after own fees."""
        coin = np.asarray(market.books.coin, np.int64)
        fee = self.parameters.fees * np.asarray(market.books.taker_fee)
        coins = int(coin.max()) + 1
        best, least = np.full(coins, -np.inf), np.full(coins, np.inf)
        np.maximum.at(best, coin, np.fmax(bid - fee, -np.inf))
        np.minimum.at(least, coin, np.fmin(ask + fee, np.inf))
        return bool((best > least).any())

    def _trade(self, me: Me, market: Market, convert: Floats, bid_log: Floats, ask_log: Floats) -> None:
        """One pair of orders for each firm and coin whose values leave a profit; or one order that evens legs."""
        p, m, books = self.parameters, self.memory, market.books
        row, book, table = m["row"], m["book"], m["table"]
        price_of = desks.fair(market) * convert
        used = np.minimum(np.maximum((m["held"] - m["home"]) / m["limit"], -2.0), 2.0)
        calm = desks.or_zero(market.calm_volatility)
        sigma = calm * desks.stress(m, market, convert, m["calm"] * price_of)
        # value of a coin at this station: lower where the firm is long, higher where it is short
        value = -p.bar * calm[book] * np.sqrt(m["delay"]) * used
        fee = p.fees * np.asarray(books.taker_fee)[book] + 0.5 * p.bar * sigma[book] * np.sqrt(p.execution)
        shut = np.asarray(market.halted)[book] | (me.waiting(row) > 0)
        bid, ask = bid_log[book], ask_log[book]
        spot = np.asarray(books.kind)[book] == 1
        net = np.bincount(m["cell"], m["held"] + m["coming"] - m["home"], len(table))
        sellable = np.isfinite(bid) & ~shut & ~(spot & (m["held"] <= 0)) & (used > -1.0)
        sell = np.where(sellable, bid - fee - value, -np.inf)
        cash = self._cash(me, market, np.arange(len(me.rows)))[row]
        buy = np.where(np.isfinite(ask) & ~shut & (used < 1.0) & (cash > 0), ask + fee - value, np.inf)
        there = table >= 0
        dear = np.argmax(np.where(there, sell[table], -np.inf), 1)
        cheap = np.argmin(np.where(there, buy[table], np.inf), 1)
        every = np.arange(len(table))
        a, b = table[every, cheap], table[every, dear]  # stations to buy at, to sell at
        profit = sell[b] - buy[a]
        naked = np.abs(net) > p.even * m["largest"]
        go = (profit > 0) & (a != b)
        if not (go | naked).any():
            return
        seen_ask, seen_bid = np.asarray(market.depth_ask)[0], np.asarray(market.depth_bid)[0]
        price = np.exp(np.where(np.isfinite(ask), ask, bid)) / convert[book]
        most_buy = np.minimum((1.0 - used) * m["limit"], p.depth_part * seen_ask[book])
        most_buy = np.minimum(most_buy, np.where(spot, 0.95 * cash / np.maximum(price, 1e-300), np.inf)).clip(
            0.0
        )
        most_sell = np.minimum((1.0 + used) * m["limit"], p.depth_part * seen_bid[book])
        most_sell = np.minimum(most_sell, np.where(spot, m["held"], np.inf)).clip(0.0)
        # the displayed depth within 0.5 % as a slope: the gap closes by `take` when both sides are eaten so far
        way = np.where(go, profit, 0.0).clip(0.0, 0.05) * p.take / 2
        size = np.minimum(seen_ask[book[a]], seen_bid[book[b]]) * np.minimum(way / 0.005, 1.0)
        touch = np.minimum(np.asarray(market.ask_size)[book[a]], np.asarray(market.bid_size)[book[b]])
        size = np.maximum(size, touch * p.take)
        size = np.where(go, np.minimum(size, np.minimum(most_buy[a], most_sell[b])), 0.0)
        even = np.where(naked, net, 0.0)
        bought = np.where(np.isfinite(buy[a]), np.minimum(size + np.maximum(-even, 0.0), most_buy[a]), 0.0)
        sold = np.where(np.isfinite(sell[b]), np.minimum(size + np.maximum(even, 0.0), most_sell[b]), 0.0)
        reach = way + np.where(naked, 0.002, 0.0)
        for at, side, quantity in ((a, 1, bought), (b, -1, sold)):
            # where only one leg is to be evened the other one is zero
            some = quantity >= np.asarray(books.lot)[book[at]]
            if not some.any():
                continue
            here = at[some]
            best = np.asarray(market.ask if side > 0 else market.bid)[book[here]]
            me.limit(
                row[here], book[here], side, best * np.exp(side * reach[some]), quantity[some], tif="ioc",
                cause="arbitrage", round="out",
            )  # fmt: skip

    # ------------------------------------------------------------------ coins and dollars between venues

    def _rebalance(self, me: Me, market: Market) -> None:
        """Even out money and coins between venues, asset by asset; learn published delays."""
        p, m, books = self.parameters, self.memory, market.books
        if not m["ready"]:
            return
        m["sends"][...] = True  # look once more at what is under way
        self._read(me, market)
        self._delays(me, market)
        overdue = np.asarray(me.overdue(np.arange(len(me.rows)))) > 0
        venue_asset: dict[int, int] = {}
        for kind in (0, 1):
            for b in np.flatnonzero(np.asarray(books.kind) == kind).tolist():
                venue_asset.setdefault(int(books.venue[b]), int(books.quote[b]))
        settle = np.array([venue_asset.get(int(v), -1) for v in np.asarray(me.venue)])
        cash = self._cash(me, market, np.arange(len(me.rows)))
        for t in me.transfers():
            cash[t["to"]] += t["amount"] * (settle[t["to"]] == t["asset"])
        for asset in np.unique(settle[settle >= 0]).tolist():
            rows = np.flatnonzero(settle == asset)
            home = m["cash"][rows]
            self._send(me, market, rows, asset, cash[rows] - home, (1.0 - p.dry) * home, overdue[rows])
        spot = np.flatnonzero(np.asarray(books.kind)[m["book"]] == 1)
        base = np.asarray(books.base)[m["book"][spot]]
        surplus = m["held"] + m["coming"] - m["home"]
        for asset in np.unique(base).tolist():
            mine = spot[base == asset]
            rows = m["row"][mine]
            self._send(me, market, rows, asset, surplus[mine], p.full * m["limit"][mine], overdue[rows])

    def _send(
        self, me: Me, market: Market, rows: Ints, asset: int, surplus: Floats, bound: Floats, overdue: Mask
    ) -> None:
        """Within each owner, from where most is too much to where most is missing, once either is beyond its bound."""
        owner, venue, names = np.asarray(me.owner)[rows], np.asarray(me.venue)[rows], market.books.venue_names
        strain = surplus / np.maximum(bound, 1e-12)
        for name in np.unique(owner[np.abs(strain) > 1.0]):
            mine = np.flatnonzero(owner == name)
            i, j = mine[np.argmax(strain[mine])], mine[np.argmin(strain[mine])]
            # half of the difference, but no venue gives what it needs itself
            amount = min(float(surplus[i]), 0.5 * float(surplus[i] - surplus[j]))
            if i == j or overdue[i] or overdue[j] or amount <= 0.25 * min(bound[i], bound[j]):
                continue
            if not np.asarray(market.withdrawals_open)[venue[i]]:
                continue
            if np.isfinite(me.network.delay(names[int(venue[i])], names[int(venue[j])], asset)):
                me.transfer(int(rows[i]), int(rows[j]), asset, amount)
                self.memory["sends"][...] = True

    def _delays(self, me: Me, market: Market) -> None:
        """How long it takes to bring dollars to each station's venue: the fastest published channel from any other."""
        p, m, books = self.parameters, self.memory, market.books
        venues, names = np.unique(np.asarray(me.venue)[m["row"]]), books.venue_names
        best: dict[int, float] = {}
        for there in venues.tolist():
            asset = int(books.quote[np.flatnonzero(np.asarray(books.venue) == there)[0]])
            shut = not bool(np.asarray(market.withdrawals_open)[there])
            others = [names[here] for here in venues.tolist() if here != there]
            waits = [float(me.network.delay(here, names[there], asset)) for here in others]
            best[there] = p.longest if shut else min([p.longest, *waits])
        wait = np.array([best[int(v)] for v in np.asarray(me.venue)[m["row"]]])
        m["delay"][:] = np.clip(wait, p.settlement, p.longest)
