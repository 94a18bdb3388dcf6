"""Arbitrageur: buys a coin where it is cheap and sells it where it is dear, perpetual or spot, dollar or token.

Theory. A pre-funded trade is instant but uses up inventory: coins and margin run out on one side, dollars on the
other. What brings them back is a transfer, during which the price can move by z sigma sqrt(tau) (Hautsch, Scheuch and
Voigt 2024: the bound on price differences grows with volatility and settlement latency). So an arbitrageur values a
coin at a venue where it is already long at less, and where it is short at more, by z sigma sqrt(tau) times the share
of its limit that is used; tau is the delay that the channel publishes. A trade is made if, at these values, the
dearest bid is above the cheapest ask by more than fees and the risk of execution. The same rule opens, turns round
and unwinds: with inventory, a gap that has closed is reason enough to trade back. Sigma is today's volatility for who
adds, that of calm times for who closes: rising risk stops a trader, it does not make it give up at any price.

Size: as far as the displayed depth lets the gap close half way, from both sides, within what own capital, margin and
coins allow there and one risk limit (`capital`). A side that runs dry must be refilled by a transfer (`treasury`), its
coins are borrowed where somebody lends (`borrowing`), or the firm stops there. Legs that fill unevenly are evened out
in the book where it costs least.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import borrowing, capital, desks, forgone, treasury
from agents.gaps import any_gap, trade
from agents.sending import Sender

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Arbitrageur(Participant):
    """Trades gaps between all books of a coin; one owner has a row at each venue."""

    class Parameters(Sender):
        """Limits, bar and rebalancing."""

        OPENING: ClassVar[tuple[str, ...]] = ("watch",)

        leverage: float = parameter(
            3.0, "Value of positions at a venue over what the firm's account there is worth", unit="1",
            source="assumption: far below what venues allow (20), or one bad hour would liquidate a leg", gt=0, le=100,
        )  # fmt: skip
        risk: float = parameter(
            0.02, "What one coin may lose in a move of z sigma sqrt(tau)", unit="share of the firm's capital",
            source="assumption: of the order of a day's loss limit of a desk", gt=0, le=1,
        )  # fmt: skip
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
        borrows: bool = parameter(
            True, "Borrows coins at a spot venue where it has none, if somebody lends them"
        )
        watch: float = parameter(60.0, "Time it watches a market before it trades", unit="seconds", ge=0)
        rebalance: float = parameter(30.0, "Time between looks at balances", unit="seconds", gt=0)
        dry: float = parameter(
            0.95,
            "A venue below this share of its part of the firm's money is refilled",
            unit="share",
            ge=0,
            le=1,
        )
        report: float = parameter(
            10.0, "Time between remarks on what could not be traded", unit="seconds", gt=0
        )
        full: float = parameter(
            0.3, "Coins beyond its part that are sent on, or lacking that are sent for", unit="share of the opening",
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
        spot = np.asarray(books.kind)[book] == 1
        n = len(row)
        self.memory.update(
            row=row, book=book, firm=firm.astype(np.int64), via=via, power=power,
            first=np.append(first, n).astype(np.int64), spot_at=np.flatnonzero(spot), spot_row=row[spot],
            spot_base=np.asarray(books.base, np.int64)[book[spot]], spot=np.asarray(books.kind) == 1,
            firms=np.array(len(owners)), calm=np.zeros(len(books.name)), weight=np.zeros(len(books.name)),
            looks=np.array(0), since=np.array(np.nan), ready=np.array(False), home=np.zeros(n), held=np.zeros(n),
            share=np.zeros(n), limit=np.zeros(n), cash=np.zeros(len(me.rows)), coming=np.zeros(n),
            sends=np.array(False), start=np.zeros(n), debt=np.zeros(n), lent_out=np.zeros(n, np.bool_),
            looked=np.array(-np.inf), told=np.array(-np.inf), read=np.array(-np.inf),
            delay=np.full(n, self.parameters.settlement),
            largest=np.zeros(len(names)), money=treasury.money_of(me, market),
            by_capital=np.zeros(n, np.bool_),
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
        stress = desks.stress(m, market, convert, m["weight"])
        self._limit(me, market, convert, stress)
        self._trade(me, market, convert, stress)
        if market.time - m["told"] >= p.report - 1e-9:
            m["told"][...] = market.time
            if p.borrows:
                self._borrow(me, market, convert, stress)
            self._tell(me, market, convert, stress)

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
        convert = desks.rates(market, m["via"], m["power"])
        wealth = np.bincount(m["firm"], np.maximum(me.equity(m["row"]), 0.0), int(m["firms"]))
        m["share"][:] = (wealth / max(float(wealth.sum()), 1e-9))[m["firm"]]
        m["weight"][:] = m["calm"] * desks.fair(market) * convert
        self._read(me, market)
        m["home"][:] = m["start"][:] = m["held"]
        m["cash"][:] = me.equity()
        self._limit(me, market, convert, desks.stress(m, market, convert, m["weight"]))
        m["largest"][:] = np.maximum.reduceat(m["limit"], m["first"][:-1])
        m["ready"][...] = True
        return True

    def _limit(self, me: Me, market: Market, convert: Floats, stress: Floats) -> None:
        """What may be held at each station, by own capital there and by the risk limit."""
        p, m = self.parameters, self.memory
        capital.limits(
            *capital.Stations(m["row"], m["firm"], m["book"], m["held"], m["home"], m["delay"]),
            *capital.Books(m["spot"], desks.fair(market), convert, desks.calm(market) * stress),
            me.equity(), int(m["firms"]), p.leverage, p.risk, p.bar, m["limit"], m["by_capital"],
        )  # fmt: skip

    def _read(self, me: Me, market: Market) -> None:
        """Positions, and at spot books coins, there and on the way; no resting orders, so nothing is locked."""
        m = self.memory
        m["held"] = me.stock(m["row"], m["book"])
        if m["sends"]:
            m["coming"][m["spot_at"]] = me.coming(m["spot_row"], m["spot_base"])
            m["sends"][...] = m["coming"].any()
        if self.parameters.borrows and len(m["spot_at"]):
            m["debt"][m["spot_at"]] = me.debt(m["spot_row"], m["spot_base"])
            np.add(m["start"], m["debt"], m["home"])  # what is borrowed is not one's own

    def _trade(self, me: Me, market: Market, convert: Floats, stress: Floats) -> None:
        """One pair of orders for each firm and coin whose values leave a profit; or one order that evens legs."""
        p, m, books = self.parameters, self.memory, market.books
        most = 2 * len(m["largest"])
        to, price, quantity = np.empty((3, most), np.int64), np.empty(most), np.empty(most)
        n = trade(
            m["first"], m["row"], m["book"], m["held"], m["coming"], m["home"], m["limit"], m["largest"], m["delay"],
            me.waiting(), me.available(), market.bid, market.ask, market.depth_bid[0], market.depth_ask[0],
            market.bid_size, market.ask_size, convert, books.taker_fee, books.lot, market.calm_volatility, stress,
            m["spot"], market.halted, p.bar, p.fees, p.execution, p.take, p.depth_part, p.even, to, price, quantity,
        )  # fmt: skip
        if n:
            row, book, side = to[:, :n]
            me.limit(row, book, side, price[:n], quantity[:n], tif="ioc", cause="arbitrage", round="out")

    def _borrow(self, me: Me, market: Market, convert: Floats, stress: Floats) -> None:
        """Coins for the short leg at spot books where none are left and a gap pays; coins back where none does."""
        p, m = self.parameters, self.memory
        at, book = m["spot_at"], m["book"]
        if len(at) == 0:
            return
        sigma = (desks.calm(market) * stress)[book]
        costs = p.fees * market.books.taker_fee[book] + 0.5 * p.bar * sigma * np.sqrt(p.execution)
        with np.errstate(invalid="ignore", divide="ignore"):
            bid = np.log(market.bid * convert)[book] - costs
            ask = np.log(market.ask * convert)[book] + costs
        first = m["first"][:-1]
        least = np.fmin.reduceat(ask, first)[np.repeat(np.arange(len(first)), np.diff(m["first"]))]
        m["lent_out"][at] = borrowing.borrow_and_repay(
            me, market,
            borrowing.Spots(
                m["row"][at], book[at], m["spot_base"], m["held"][at], m["debt"][at], m["start"][at],
                (bid - least)[at], m["delay"][at], sigma[at], p.depth_part * m["share"][at],
            ),
            p.bar,
        )  # fmt: skip

    def _tell(self, me: Me, market: Market, convert: Floats, stress: Floats) -> None:
        """Remark which gaps paid and were not traded, how much, and what stood in the way (`forgone`)."""
        p, m, books = self.parameters, self.memory, market.books
        row, book, firm = m["row"], m["book"], m["firm"]
        calm = desks.or_zero(market.calm_volatility)
        sigma = calm * stress
        costs = p.fees * books.taker_fee[book] + 0.5 * p.bar * sigma[book] * np.sqrt(p.execution)
        with np.errstate(invalid="ignore", divide="ignore"):
            bid = np.log(market.bid * convert)[book] - costs
            ask = np.log(market.ask * convert)[book] + costs
        first = m["first"][:-1]
        if not forgone.any_pays(bid, ask, first):
            return
        ease = np.sqrt(np.divide(p.settlement, m["delay"], out=np.ones(len(row)), where=m["delay"] > 0))
        used = np.clip((m["held"] - m["home"]) / m["limit"], -2.0, 2.0)
        closing = -p.bar * calm[book] * np.sqrt(m["delay"]) * used
        adding = -p.bar * sigma[book] * np.sqrt(m["delay"]) * used
        cash = np.maximum(me.available(), 0.0)[row]
        coming = treasury.money_coming(me, m["money"])
        # where the firm has more than its part and nothing is let out
        shut = ~treasury.ways_out(me, market, row)
        rich = treasury.surplus(np.asarray(me.owner), me.equity() + coming, m["cash"]) > 0
        money_stuck = np.zeros(int(m["firms"]), np.bool_)
        np.logical_or.at(money_stuck, firm, shut & rich[row])
        cell = np.repeat(np.arange(len(first)), np.diff(m["first"]))
        coins_stuck = np.logical_or.reduceat(
            shut & m["spot"][book] & (m["held"] > (1.0 + 0.5 * p.full) * m["home"]), first
        )
        seen = forgone.forgone(
            forgone.Stations(
                first, m["share"], bid, ask, (market.ask * convert)[book], market.depth_bid[0][book],
                market.depth_ask[0][book], market.bid_size[book], market.ask_size[book],
                m["spot"][book], market.halted[book], me.waiting(row) > 0, used, m["limit"],
                m["held"], cash, market.ask[book], np.where(used > 0, adding, closing),
                np.where(used < 0, adding, closing), ease, m["coming"] > 0,
                coming[row] > 0,
                coins_stuck[cell], money_stuck[firm],
                shut, m["by_capital"], m["lent_out"],
            ),
            p.take, p.depth_part,
        )  # fmt: skip
        late = seen.constraint == forgone.QUEUE
        if late.any():
            bank = self._banks_shut(me, market)[book]
            late &= bank[seen.buy] | bank[seen.sell]
        for code, word in enumerate((*forgone.CONSTRAINTS, forgone.CALENDAR)):
            mine = late if word == forgone.CALENDAR else (seen.constraint == code) & ~late
            if mine.any():
                ends = book[seen.buy[mine]], book[seen.sell[mine]]
                me.observe(word, *ends, seen.notional[mine], seen.gap[mine])

    def _banks_shut(self, me: Me, market: Market) -> NDArray[np.bool_]:
        """bool[books]: money for the book comes or goes only through a bank whose hours are over."""
        quote, venue, names = market.books.quote, market.books.venue, market.books.venue_names
        money = {int(v): int(q) for v, q in zip(venue, quote, strict=True)}
        shut = np.zeros(len(names), np.bool_)
        for here, asset in money.items():
            for there, other in money.items():
                if asset == other and me.network.bank_shut(names[here], names[there], asset):
                    shut[[here, there]] = True
        return shut[np.asarray(venue)]

    # ------------------------------------------------------------------ coins and dollars between venues

    def _rebalance(self, me: Me, market: Market) -> None:
        """Even out money and coins between venues, asset by asset; learn published delays."""
        p, m = self.parameters, self.memory
        if not m["ready"]:
            return
        m["sends"][...] = True  # look once more at what is under way
        self._read(me, market)
        known = treasury.waits(me, market, m["money"], p.longest, p.route_by)
        m["delay"][:] = np.maximum(known[m["row"]], p.settlement)
        treasury.even_money(me, market, m["money"], m["cash"], 1.0 - p.dry, p.route_by)
        at, base = m["spot_at"], m["spot_base"]
        have = m["held"] + m["coming"] - m["debt"]
        for asset in np.unique(base).tolist():
            mine = at[base == asset]
            treasury.even_out(
                me,
                market,
                m["row"][mine],
                asset,
                have[mine],
                m["start"][mine],
                m["held"][mine],
                p.full,
                p.route_by,
            )
