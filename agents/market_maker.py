"""Market maker: firms that quote both sides of every book at the venues where they have accounts.

Theory. Avellaneda and Stoikov (2008), with the stationary inventory rule of Gueant, Lehalle and Fernandez-Tapia
(2013): a firm quotes around a reservation price, the fair price shifted against its inventory in proportion to
volatility, at a width that follows volatility, and never beyond an inventory limit Q. The fair price is learned as
in Kyle (1985): net taker flow over the depth it met moves it, by the share of impact that is permanent; a coin's
books teach each other; public information moves all of them in calm times as well. What is eaten comes back
gradually (resilience), and size is withdrawn as volatility rises: depth = calm depth x (sigma / sigma0)^-a.

A firm has one balance sheet for all coins. When it loses more than its limit it pulls all quotes, dumps what it
holds beyond what it opened with, stays away for a while, and comes back. What it held at the opening counts as hedged
elsewhere. It also steps back where a venue is late (its prices are stale).

Its money and coins lie apart at every venue, and what one has too much of travels to where it is missing (`treasury`).
Where it cannot, the firm does not know why: inventory stays and leans its quotes, up to its limit, and a spot book is
quoted with what lies there. Only with `notice` does it pull its quotes where a venue says that nothing is let out.

Depth of a book: calm depth within 1 % over open interest falls as the square root of volatility, which gives the
classes of the calibration at once (BTC 0.58 % at 40 % a year, ETH and small coins 0.38 % at 95 %).
"""

from __future__ import annotations

from math import exp, sqrt
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks, loss_limit, surprise, treasury
from agents.learning import learn, withdraw
from agents.quoting import DUMPING, look, requote, used
from agents.sending import Sender

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

TAPE = "fit to Binance BTC depth of 10 October 2025, 20:00-21:20 UTC"


class MarketMaker(Participant):
    """Quotes `levels` prices a side in every book of its rows; see the module for the theory."""

    class Parameters(Sender):
        """What a firm quotes, what it learns from, and when it stops."""

        OPENING: ClassVar[tuple[str, ...]] = (
            "depth",
            "depth_power",
            "depth_minor",
            "depth_power_minor",
            "spot_depth",
            "holding_depth",
            "levels",
            "near",
            "far",
            "far_daily",
            "profile",
            "touch",
            "refill",
            "refill_near",
            "pace",
            "loss_limit",
            "unequal",
        )

        depth: float = parameter(
            0.0037, "Calm quotes within 1 % of all firms, one side, at a volatility of 1",
            unit="share of open interest", source=f"{TAPE}: 175 M of about 450 M at all venues over 80 B", ge=0, le=1,
        )  # fmt: skip
        depth_power: float = parameter(
            0.5, "Depth over open interest falls as volatility to this power", unit="1",
            source="BTC 0.55-0.6 %, ETH 0.4 %, others 0.2-0.8 % of open interest", ge=0, le=2,
        )  # fmt: skip
        depth_minor: float = parameter(
            1.0, "Depth of coins that are not majors, over that law", unit="1",
            source="square-root law of turnover and volatility 12:00-20:30: below 1; 0.2-0.8 % of open interest", gt=0,
        )  # fmt: skip
        depth_power_minor: float = parameter(
            0.5, "depth_power of coins that are not majors", unit="1",
            source="as for majors; by the square-root law, at a given turnover over open interest: 2", ge=0, le=4,
        )  # fmt: skip
        spot_depth: float = parameter(
            0.3, "The same at all spot venues of the coin", unit="share of the perpetuals' depth", ge=0, le=10
        )
        holding_depth: float = parameter(
            0.2, "The same for a coin without open interest", unit="share of own balance", ge=0, le=1
        )
        levels: int = parameter(7, "Prices a side", unit="levels", ge=1, le=30)
        near: float = parameter(0.00005, "Offset of the nearest level", unit="share of price", gt=0)
        far: float = parameter(
            0.03, "Offset of the last level", unit="share of price", source=TAPE, gt=0, le=0.5
        )
        far_daily: float = parameter(
            1.4, "The last level is no farther than this, and all nearer ones in proportion (a dollar-like coin)",
            unit="daily standard deviations", gt=0,
        )  # fmt: skip
        profile: float = parameter(
            1.03, "Depth within x grows as x to this power", unit="1", source=f"{TAPE}: 3.1 x at 3 %", gt=0
        )
        touch: float = parameter(
            0.0,
            "Added to the nearest level",
            unit="share of calm depth within 1 %",
            source="assumption",
            ge=0,
            le=1,
        )
        width: float = parameter(
            0.25, "Added offset in standard deviations of one pace", unit="standard deviations", ge=0, le=10
        )
        widest: float = parameter(
            50.0, "Volatility that the width follows at most", unit="multiple of calm volatility", ge=1
        )
        skew: float = parameter(
            1.0,
            "Shift of the price at full inventory, in standard deviations of the unwinding time",
            unit="1",
            ge=0,
        )
        unwinding: float = parameter(3600.0, "Time in which inventory is meant to go", unit="seconds", gt=0)
        skew_stress: float = parameter(
            3.0, "Volatility that the shift follows at most", unit="multiple of calm volatility", ge=1
        )
        own_book: float = parameter(
            0.4, "Weight of the book's inventory in the shift, the rest is the coin's", unit="1", ge=0, le=1
        )
        inventory: float = parameter(
            5.0, "Inventory limit of a firm in a book", unit="multiple of its calm depth within 1 %",
            source="2-10 in a reduced model", gt=0,
        )  # fmt: skip
        permanent: float = parameter(
            0.25, "Share of the impact of net flow that stays", unit="share", source="0.15-0.35 in a reduced model",
            ge=0, le=1,
        )  # fmt: skip
        surprise: float = parameter(
            0.0, "Part of calm volatility that is told by flow which nobody saw coming, see `agents.surprise`",
            unit="share", ge=0, le=4,
            source="surprise moves prices: Madhavan, Richardson and Roomans (1997), Taranto et al. (2018)",
        )  # fmt: skip
        leans: float = parameter(
            0.0, "By so much is the nearest level larger on the side from which flow is expected and smaller on the"
            " other, up to all of it", unit="share a standard deviation of surprise", ge=0, le=100,
            source="Cartea, Donnelly and Jaimungal (2018), the sign; how much: assumption",
        )  # fmt: skip
        forgets: float = parameter(
            6.0, "Time over which they forget how flow went on, see `agents.surprise`", unit="hours",
            source="assumption", gt=0,
        )  # fmt: skip
        blend: float = parameter(
            0.8, "Weight of the coin's other books in what a firm learns", unit="1", ge=0, le=1
        )
        pull: float = parameter(
            10.0, "Time in which the fair prices of a coin's books meet", unit="seconds", gt=0
        )
        anchor: float = parameter(
            600.0, "Time in which the fair price follows the traded one without flow", unit="seconds", gt=0
        )
        information: float = parameter(
            0.9,
            "Part of calm volatility that is public information, without trades",
            unit="share",
            ge=0,
            le=2,
        )
        refill: float = parameter(
            60.0,
            "Time in which eaten size comes back",
            unit="seconds",
            source="30-120 in a reduced model",
            gt=0,
        )
        refill_near: float = parameter(
            0.005,
            "Levels nearer than this come back faster, as the root of their offset",
            unit="share of price",
            gt=0,
        )
        pace: float = parameter(3.0, "Time between looks at a book that has not moved", unit="seconds", gt=0)
        slides: bool = parameter(
            False, "Quotes go where the firm wants them and slide behind what stands there when they arrive (Deribit's"
            " post_only); else they keep behind the other side as it was seen"
        )  # fmt: skip
        patience: float = parameter(
            0.3, "Change of a level's price that is let be", unit="share of its offset", ge=0, le=1
        )
        slack: float = parameter(
            0.0, "The same at least, for the levels nearest to the price",
            unit="standard deviations of one pace", ge=0, le=10,
        )  # fmt: skip
        rough: float = parameter(
            0.15, "Change of a level's size that is let be", unit="share of the larger", ge=0, lt=1
        )
        withdraws: bool = parameter(True, "False: never withdraws, for volatility or losses (null run)")
        withdrawal: float = parameter(
            0.55, "Exponent a: depth = calm depth x (sigma / sigma0)^-a", unit="1", source=f"{TAPE}: 0.52-0.6",
            ge=0, le=2,
        )  # fmt: skip
        floor: float = parameter(0.06, "Least depth", unit="share of calm depth", source=TAPE, ge=0, le=1)
        notice: bool = parameter(
            False, "Pulls its quotes at a venue that has announced a stop of withdrawals"
        )
        moves: bool = parameter(True, "Evens out its money and coins between venues by transfers")
        rebalance: float = parameter(60.0, "Time between looks at balances", unit="seconds", gt=0)
        dry: float = parameter(
            0.9, "A venue below this share of its part of the firm's money is refilled", unit="share",
            source="assumption", ge=0, le=1,
        )  # fmt: skip
        full: float = parameter(
            0.3, "Coins beyond its part that are sent on, or lacking that are sent for", unit="share of the opening",
            source="assumption", gt=0, le=1,
        )  # fmt: skip
        stale: float = parameter(5.0, "Gateway delay at which quotes are pulled", unit="seconds", gt=0)
        loss_limit: float = parameter(
            0.004, "Loss at which a firm stops, all firms together", unit="share of all open interest",
            source="0.001-0.01 in a reduced model", ge=0,
        )  # fmt: skip
        unequal: float = parameter(
            5.0,
            "Largest loss limit over smallest, for firms of one size",
            unit="1",
            source="reduced model",
            ge=1,
        )
        look: float = parameter(5.0, "Time between looks at profit and loss", unit="seconds", gt=0)
        dump: float = parameter(90.0, "Time in which inventory is dumped", unit="seconds", gt=0)
        return_least: float = parameter(600.0, "Shortest time away", unit="seconds", ge=0)
        return_most: float = parameter(1800.0, "Longest time away", unit="seconds", ge=0)

    parameters: Parameters

    # ------------------------------------------------------------------ who is there

    def setup(self, me: Me, market: Market) -> None:
        """Stations (row, book) and the names of their orders: one for each side and level."""
        p = self.parameters
        row, book = desks.stations(me, market.books)
        firms, firm = np.unique(np.asarray(me.owner)[row], return_inverse=True)
        via, power = desks.conversion(market.books)
        n, books, k = len(row), len(market.books.name), p.levels
        b = market.books
        coin = np.array(b.coin, np.int64)
        self.memory.update(
            row=row, book=book, firm=firm.astype(np.int64), via=via, power=power, rows=np.arange(len(me.rows)),
            desk=firm * (int(coin.max()) + 1) + coin[book], places=np.bincount(row)[row].astype(np.float64),
            coin=coin, venue=np.array(b.venue, np.int64), spot=np.asarray(b.kind) == 1,
            means=desks.means(b),
            beta=np.array(b.beta, np.float64), tick=np.array(b.tick, np.float64), lot=np.array(b.lot, np.float64),
            band=np.array(b.band, np.float64),
            reach=np.zeros(n),
            first=np.array(me.slots(2 * n * k)), ready=np.array(False),
            sent=np.zeros((n, 2, k)), asked=np.zeros((n, 2, k)), full=np.ones((n, 2, k)),
            seen=np.full(n, -np.inf), quoted=np.zeros(n),
            home=np.zeros(n), held=np.zeros(n), depth=np.zeros(n), shape=np.zeros((n, k)), offset=np.zeros((n, k)),
            extreme=np.full((max(int(round(p.pace / me.dt)), 1) + 1, 2, books), np.nan),
            fair=np.zeros(books), calm=np.ones(books), unit=np.full(books, 0.01), left=np.ones(books),
            target=np.zeros(books), takes=np.ones((n, k)),
            state=np.zeros(len(firms), np.int64), until=np.zeros(len(firms)), limit=np.full(len(firms), np.inf),
            start=np.zeros(len(firms)), looked=np.array(-np.inf), firm_row=_first_rows(firm, row, len(firms)),
            once=np.unique(row, return_index=True)[1],  # every row, by its first station
            money=treasury.money_of(me, market), cash=np.zeros(len(me.rows)), money_coming=np.zeros(len(me.rows)),
            coming=np.zeros(n), evened=np.array(-np.inf),
            lean=np.zeros(books), told=np.zeros(int(coin.max()) + 1), ahead=np.zeros(int(coin.max()) + 1),
            **(surprise.begin(int(coin.max()) + 1) if p.surprise > 0 else {}),
        )  # fmt: skip

    def _open(self, me: Me, market: Market) -> None:
        """Calm depth, levels, home inventory and loss limits, from the public record of the first step."""
        p, m = self.parameters, self.memory
        row, book, books = m["row"], m["book"], market.books
        convert = desks.rates(market, m["via"], m["power"])
        price = desks.fair(market) * convert
        sigma = desks.annual(market)
        interest = desks.interest(market, convert)
        m["fair"][:] = np.log(desks.fair(market))
        m["calm"][:] = desks.calm(market)
        m["held"][:] = m["home"][:] = self._inventory(me, market)
        m["cash"][:] = me.equity(m["rows"])
        wealth = np.maximum(m["cash"][row], 0.0) * convert[book]
        spot = np.asarray(books.kind)[book] == 1
        owned = np.where(spot, m["held"] * price[book], 0.0)
        # a coin's depth at perpetuals, then what spot books have of it by the coins that firms hold there
        major = desks.majors(books)
        scale, power = (
            np.where(major, 1.0, p.depth_minor),
            np.where(major, p.depth_power, p.depth_power_minor),
        )
        of_book = p.depth * scale * interest / sigma**power
        of_coin = desks.by_coin(books, of_book)
        holding = np.bincount(book, owned, len(books.name)).astype(np.float64)
        share = holding / np.maximum(desks.by_coin(books, holding), 1e-9)
        spots = np.where(of_coin > 0, p.spot_depth * of_coin * share, p.holding_depth * holding)
        calm = np.where(np.asarray(books.kind) == 1, spots, of_book)
        part = np.where(spot, owned, wealth) + 1e-9
        part /= np.bincount(book, part, len(books.name))[book]
        m["depth"][:] = calm[book] * part
        m["target"][:] = np.maximum(calm, 1e-9)
        # levels: geometric, each firm's shifted by its own draw so that the sum is a smooth profile
        reach = np.minimum(p.far, p.far_daily * sigma * np.sqrt(1 / 365))
        m["unit"][:] = reach * 0.01 / p.far
        near = (p.near * reach / p.far)[book, None]
        ratio = (reach[book, None] / near) ** (1.0 / max(p.levels - 1, 1))
        name = np.asarray(books.key)[book]
        jitter = desks.spread(me.uniform("levels", row, forever=True), name, "levels")[:, None] - 0.5
        offset = near * ratio ** (np.arange(p.levels)[None, :] + jitter)
        inner = np.where(np.arange(p.levels) == 0, 0.0, offset / np.sqrt(ratio))
        m["offset"][:] = offset
        m["reach"][:] = 0.5 * (offset[:, 0] + offset[:, min(2, p.levels - 1)])
        m["takes"][:] = p.refill * np.minimum(np.sqrt(offset / p.refill_near), 1.0)
        m["shape"][:] = (offset * np.sqrt(ratio)) ** p.profile - inner**p.profile
        m["shape"][:] /= m["unit"][book, None] ** p.profile
        m["shape"][:, 0] += p.touch
        firms = len(m["limit"])
        if firms:
            size = np.bincount(m["firm"], m["depth"], firms)
            luck = me.uniform("limit", m["firm_row"], forever=True)
            limit = size * p.unequal ** (luck - 0.5)
            total = p.loss_limit * float(interest.sum())
            if total <= 0:  # a market without derivatives: by what the firms own
                total = 0.1 * float(wealth[np.unique(row, return_index=True)[1]].sum())
            m["limit"][:] = total * limit / max(float(limit.sum()), 1e-9)
            m["start"][:] = self._wealth(me, market, convert)
        m["ready"][...] = True

    # ------------------------------------------------------------------ the step

    def decide(self, me: Me, market: Market) -> None:
        """Learn the fair prices, look at the loss limits, requote what has changed."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0:
            return
        if not m["ready"]:
            self._open(me, market)
        convert = desks.rates(market, m["via"], m["power"])
        self._learn(me, market, convert)
        extreme = m["extreme"][market.step % len(m["extreme"])]
        extreme[0], extreme[1] = market.low, market.high
        if market.time - m["looked"] >= p.look - 1e-9:
            m["looked"][...] = market.time
            m["held"][:] = self._inventory(me, market)
            self._even_out(me, market)
            if p.withdraws:
                loss_limit.stop_or_return(me, market, p, m, self._wealth(me, market, convert))
        if DUMPING in m["state"].tolist():
            loss_limit.dump(me, market, m)
        self._quote(me, market, convert)

    def _learn(self, me: Me, market: Market, convert: Floats) -> None:
        """Fair log price of every book: net flow over depth, the coin's other books, public information."""
        p, m = self.parameters, self.memory
        stress = desks.stress(m, market, convert, m["target"])
        if p.withdraws:
            withdraw(stress, p.withdrawal, p.floor, m["left"])
        if p.surprise > 0:
            self._be_surprised(market, convert)
        luck = me.shared("information")
        learn(
            market.dt, luck[0], market.last, market.mid, market.volume, market.taker_buy, convert, m["coin"],
            market.books.coin_key,
            m["beta"], m["calm"], m["target"], m["left"], m["unit"], p.permanent, p.blend, p.anchor, p.pull,
            p.information, luck.view(np.int64)[0], p.surprise, m["told"], m["fair"],
        )  # fmt: skip

    def _be_surprised(self, market: Market, convert: Floats) -> None:
        """Net flow beyond what was expected, in standard deviations, by coin."""
        p, m, dt = self.parameters, self.memory, market.dt
        surprise.surprised(
            dt, exp(-dt / (3600.0 * p.forgets)), np.exp(-dt / surprise.TIMES), market.volume, market.taker_buy, convert,
            m["coin"], m["calm"], m["target"], m["left"], m["unit"], m["echo"], m["weight"], m["doubt"], m["rarity"],
            m["told"], m["ahead"],
        )  # fmt: skip
        m["lean"][:] = np.tanh(p.leans * m["ahead"])[m["coin"]]

    def _quote(self, me: Me, market: Market, convert: Floats) -> None:
        """Look at the stations that are due; send what differs from what stands."""
        p, m = self.parameters, self.memory
        stations, first = len(m["row"]), int(m["first"])
        due = np.empty(stations, np.int64)
        n = look(
            market.step, max(int(round(p.pace / market.dt)), 1), m["fair"], m["quoted"], m["reach"], m["row"],
            m["book"], m["firm"], m["state"], me.waiting(), due,
        )  # fmt: skip
        if n == 0:
            return
        due = due[:n]
        live, lots = me.ladders(first, due, 2 * p.levels)
        row, book = m["row"][due], m["book"][due]
        cash = me.balance(row, m["means"][1, book])  # 0 at perpetuals
        of_book, of_coin = np.empty((2, stations))
        used(
            due, me.stock(row, book), lots, m["spot"], m["lot"], m["fair"], convert, m["book"], m["desk"],
            m["depth"], m["home"], m["coming"], p.inventory, m["held"], of_book, of_coin,
        )  # fmt: skip
        stress = m["stress"] if p.withdraws else np.ones(len(convert))
        closed = market.halted
        if p.notice:
            closed = closed | ~market.withdrawals_open[m["venue"]]
        bid, ask = market.bid, market.ask
        if p.slides:  # what stands there is seen to when a quote arrives
            bid = ask = np.full(len(convert), np.nan)
        to, terms = np.empty((4, lots.size), np.int64), np.empty((2, lots.size))
        look_time = sqrt(p.pace)
        sends = requote(
            market.time, due, first, cash, live, lots, m["fair"], convert, m["calm"], stress, m["left"], m["lean"],
            m["tick"], m["lot"], m["band"], m["spot"], m["venue"], closed, bid, ask, market.mark,
            market.gateway_delay, m["extreme"], m["row"], m["book"], m["depth"], m["held"], m["places"], of_book,
            of_coin, m["shape"], m["offset"], m["takes"], p.own_book, p.skew * sqrt(p.unwinding), p.skew_stress,
            p.width * look_time, p.widest, p.patience, p.slack * look_time, p.rough, p.stale, m["seen"], m["quoted"],
            m["sent"], m["asked"], m["full"], to, terms,
        )  # fmt: skip
        if sends:
            (row, book, slot, side), (price, coins) = to[:, :sends], terms[:, :sends]
            me.quote(row, book, slot, side, price, coins, cause="quote", slides=p.slides)

    # ------------------------------------------------------------------ the balance sheet

    def _inventory(self, me: Me, market: Market) -> Floats:
        """float64[stations]: position, or at spot coins held, those in own resting offers counted."""
        m, books = self.memory, market.books
        row, book = m["row"], m["book"]
        held = me.stock(row, book)
        here = np.flatnonzero(m["spot"][book])
        if len(here):
            k = self.parameters.levels
            lots = me.ladders(int(m["first"]) + k, 2 * here, k)[1].sum(1)
            held[here] += lots * np.asarray(books.lot)[book[here]]
        return held

    def _even_out(self, me: Me, market: Market) -> None:
        """Look at what is on the way; every so often even out money and coins between own venues, asset by asset."""
        p, m = self.parameters, self.memory
        if not p.moves:
            return
        at = np.flatnonzero(m["spot"][m["book"]])
        row, base = m["row"][at], m["means"][0, m["book"][at]]
        if market.time - m["evened"] >= p.rebalance - 1e-9:
            m["evened"][...] = market.time
            treasury.even_money(me, market, m["money"], m["cash"], 1.0 - p.dry, p.route_by)
            have, spare = (m["held"] + m["coming"])[at], me.stock(row, m["book"][at])
            for asset in np.unique(base).tolist():
                mine = base == asset
                home = m["home"][at][mine]
                treasury.even_out(
                    me, market, row[mine], asset, have[mine], home, spare[mine], p.full, p.route_by
                )
        m["coming"][at] = me.coming(row, base)
        m["money_coming"][:] = treasury.money_coming(me, m["money"])

    def _wealth(self, me: Me, market: Market, convert: Floats) -> Floats:
        """float64[firms]: accounts and coins, less what the opening inventory made (it is hedged elsewhere)."""
        m = self.memory
        book = m["book"]
        price = (desks.fair(market) * convert)[book]
        spot = np.asarray(market.books.kind)[book] == 1
        value = np.where(spot, m["held"] + m["coming"], 0.0) * price - m["home"] * price
        once = m["once"]
        rows = m["row"][once]
        value[once] += (me.equity(rows) + m["money_coming"][rows]) * convert[book[once]]
        return np.bincount(m["firm"], desks.or_zero(value), len(m["limit"])).astype(np.float64)


def _first_rows(firm: Ints, row: Ints, firms: int) -> Ints:
    """The first row of each firm: the one that draws and reports for it."""
    first = np.full(firms, np.iinfo(np.int64).max)
    np.minimum.at(first, firm, row)
    return first
