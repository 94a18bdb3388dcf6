"""Arbitrageur: buys a coin where it is cheap and sells it where it is dear, perpetual or spot, dollar or token.

Theory. A pre-funded trade is instant but uses up inventory: coins and margin run out on one side, dollars on the
other. What brings them back is a transfer, during which the price can move by z sigma sqrt(tau) (Hautsch, Scheuch and
Voigt 2024: the bound on price differences grows with volatility and settlement latency). So an arbitrageur values a
coin at a venue where it is already long at less, and where it is short at more, by z sigma sqrt(tau) times the share
of its limit that is used; tau is the delay that the channel publishes. A trade is made if, at these values, the
dearest bid is above the cheapest ask by more than fees and the risk of execution. The same rule opens, turns round
and unwinds: with inventory, a gap that has closed is reason enough to trade back.

Size: as far as the displayed depth lets the gap close half way, from both sides, within limits, margin and coins.
Legs that fill unevenly are evened out in the book where it costs least.

At each look at balances, for every owner and asset, where some venue has more or less than at the opening by more than
its bound (a share of the opening money, of the limit in coins), half of the difference goes from the venue with most
to that with least, measured in bounds. What is on the way counts where it goes; a venue gives only what it has beyond
its opening. Nothing is sent from or to a venue out of which an own transfer is overdue, out of a venue that stopped
withdrawals, or where no direct channel is open: there the inventory stays where it is.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks, forgone
from agents.gaps import any_gap, trade

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Arbitrageur(Participant):
    """Trades gaps between all books of a coin; one owner has a row at each venue."""

    class Parameters(Participant.Parameters):
        """Limits, bar and rebalancing."""

        OPENING: ClassVar[tuple[str, ...]] = (
            "limit_major",
            "limit_minor",
            "limit_spot",
            "watch",
        )

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
        report: float = parameter(
            10.0, "Time between remarks on what could not be traded", unit="seconds", gt=0
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
        # a cell is a firm in a coin; its stations stand side by side
        cell = firm * coins + np.asarray(books.coin, np.int64)[book]
        order = np.lexsort((book, cell))
        row, book, firm, cell = row[order], book[order], firm[order], cell[order]
        names, first = np.unique(cell, return_index=True)
        quote: dict[int, int] = {}  # what a venue's perpetuals are paid in, or else its spot books
        for b in np.argsort(np.asarray(books.kind), kind="stable").tolist():
            quote.setdefault(int(books.venue[b]), int(books.quote[b]))
        spot = np.asarray(books.kind)[book] == 1
        n = len(row)
        self.memory.update(
            row=row, book=book, firm=firm.astype(np.int64), via=via, power=power,
            first=np.append(first, n).astype(np.int64), spot_at=np.flatnonzero(spot), spot_row=row[spot],
            spot_base=np.asarray(books.base, np.int64)[book[spot]], spot=np.asarray(books.kind) == 1,
            costs=np.zeros(n),
            firms=np.array(len(owners)), calm=np.zeros(len(books.name)), weight=np.zeros(len(books.name)),
            looks=np.array(0), since=np.array(np.nan), ready=np.array(False), home=np.zeros(n), held=np.zeros(n),
            share=np.zeros(n), limit=np.zeros(n), cash=np.zeros(len(me.rows)), coming=np.zeros(n),
            sends=np.array(False),
            looked=np.array(-np.inf), told=np.array(-np.inf), read=np.array(-np.inf),
            delay=np.full(n, self.parameters.settlement),
            largest=np.zeros(len(names)), settle=np.array([quote.get(int(v), -1) for v in me.venue], np.int64),
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
        fresh = market.time - m["read"] >= 5.0 - 1e-9
        books = market.books
        if not fresh and not any_gap(books.coin, market.bid, market.ask, convert, p.fees, books.taker_fee):
            return
        m["read"][...] = market.time
        self._read(me, market)
        self._trade(me, market, convert)
        if market.time - m["told"] >= p.report - 1e-9:
            m["told"][...] = market.time
            self._tell(me, market, convert)

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
        m["share"][:] = part[m["firm"]]
        m["limit"][:] = np.maximum(limit[book] * part[m["firm"]], 1e-12)
        m["largest"][:] = np.maximum.reduceat(m["limit"], m["first"][:-1])
        m["weight"][:] = m["calm"] * desks.fair(market) * desks.rates(market, m["via"], m["power"])
        self._read(me, market)
        m["home"][:] = m["held"]
        everyone = np.arange(len(me.rows))
        m["cash"][:] = self._cash(me, market, everyone)
        m["ready"][...] = True
        return True

    def _read(self, me: Me, market: Market) -> None:
        """Positions, and at spot books coins, there and on the way; no resting orders, so nothing is locked."""
        m = self.memory
        m["held"] = me.stock(m["row"], m["book"])
        if m["sends"]:
            m["coming"][m["spot_at"]] = me.coming(m["spot_row"], m["spot_base"])
            m["sends"][...] = m["coming"].any()

    @staticmethod
    def _cash(me: Me, market: Market, rows: Ints) -> Floats:
        """Free settlement money of each row (that of its venue's books)."""
        free: Floats = np.maximum(np.asarray(me.available(rows), np.float64), 0.0)
        return free

    def _trade(self, me: Me, market: Market, convert: Floats) -> None:
        """One pair of orders for each firm and coin whose values leave a profit; or one order that evens legs."""
        p, m, books = self.parameters, self.memory, market.books
        most = 2 * len(m["largest"])
        to, price, quantity = np.empty((3, most), np.int64), np.empty(most), np.empty(most)
        n = trade(
            m["first"], m["row"], m["book"], m["held"], m["coming"], m["home"], m["limit"], m["largest"], m["delay"],
            m["costs"], me.waiting(), me.available(), market.bid, market.ask, market.depth_bid[0], market.depth_ask[0],
            market.bid_size, market.ask_size, convert, books.taker_fee, books.lot, market.calm_volatility,
            desks.stress(m, market, convert, m["weight"]), m["spot"], market.halted, p.bar, p.fees, p.execution, p.take,
            p.depth_part, p.even, to, price, quantity,
        )  # fmt: skip
        if n:
            row, book, side = to[:, :n]
            me.limit(row, book, side, price[:n], quantity[:n], tif="ioc", cause="arbitrage", round="out")

    def _tell(self, me: Me, market: Market, convert: Floats) -> None:
        """Remark which gaps paid and were not traded, how much, and what stood in the way (`forgone`)."""
        p, m, books = self.parameters, self.memory, market.books
        row, book, firm = m["row"], m["book"], m["firm"]
        calm = desks.or_zero(market.calm_volatility)
        sigma = calm * desks.stress(m, market, convert, m["weight"])
        costs = p.fees * books.taker_fee[book] + 0.5 * p.bar * sigma[book] * np.sqrt(p.execution)
        used = np.clip((m["held"] - m["home"]) / m["limit"], -2.0, 2.0)
        value = -p.bar * calm[book] * np.sqrt(m["delay"]) * used
        cash = self._cash(me, market, np.arange(len(me.rows)))[row]
        # where the firm has more than at its opening and nothing is let out
        shut = ~np.asarray(market.withdrawals_open)[np.asarray(me.venue)[row]]
        money_stuck = np.zeros(int(m["firms"]), np.bool_)
        np.logical_or.at(money_stuck, firm, shut & (cash > m["cash"][row]))
        first = m["first"][:-1]
        cell = np.repeat(np.arange(len(first)), np.diff(m["first"]))
        coins_stuck = np.logical_or.reduceat(
            shut & (m["held"] > m["home"] + 0.5 * p.full * m["limit"]), first
        )
        way = me.transfers()
        coming = np.zeros(len(me.rows), np.bool_)
        coming[way["to"][m["settle"][way["to"]] == way["asset"]]] = True
        with np.errstate(invalid="ignore", divide="ignore"):
            bid = np.log(market.bid * convert)[book] - costs
            ask = np.log(market.ask * convert)[book] + costs
        seen = forgone.forgone(
            forgone.Stations(
                first, m["share"], bid, ask, (market.ask * convert)[book], market.depth_bid[0][book],
                market.depth_ask[0][book], market.bid_size[book], market.ask_size[book],
                np.asarray(books.kind)[book] == 1, market.halted[book], me.waiting(row) > 0, used, m["limit"],
                m["held"], cash, market.ask[book], value, m["coming"] > 0, coming[row],
                coins_stuck[cell], money_stuck[firm],
                m["delay"] > p.settlement,
            ),
            p.take, p.depth_part,
        )  # fmt: skip
        for code, word in enumerate(forgone.CONSTRAINTS):
            mine = seen.constraint == code
            if mine.any():
                ends = book[seen.buy[mine]], book[seen.sell[mine]]
                me.observe(word, *ends, seen.notional[mine], seen.gap[mine])

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
        settle = m["settle"]
        cash = self._cash(me, market, np.arange(len(me.rows)))
        way = me.transfers()
        mine = settle[way["to"]] == way["asset"]
        np.add.at(cash, way["to"][mine], way["amount"][mine])
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
