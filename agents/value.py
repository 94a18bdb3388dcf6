"""Value traders: finite capital, an own idea of what a coin is worth, and a lag.

Theory. Fundamentalists in the sense of Chiarella and Iori (2002) and latent liquidity (Donier and Bonart 2015;
Toth et al. 2011): supply and demand around value grow with the distance from it. Value is the opening price times
exp(beta x news learned so far): a trader knows the public record and the news that has reached it, at its own time.
A row plays three parts, each in a few books:

- seller: after it has learned bad news it sells (after good news it buys) at its own pace, up to a target in
  proportion to the mispricing it sees and to its capital. What it expects beyond the news itself fades, and where the
  price has gone beyond what it expects it takes back what it has done.
  Fast and slow sellers come from the delay of learning, not from here.
- dip buyer: when the price is far enough below the value it knows, it starts after a lag and spends its capital
  over some minutes. This capital is finite: it is the strongest brake of a fall, once.
- far orders: bids and offers resting away from value, denser the farther away. What was eaten is gone. They follow
  value when news is learned.

Capital is a share of the coin's open interest; a spot book has it in proportion to its depth.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks
from agents.latent import dippers, sellers, slices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MODEL = "range of a reduced model"


class Value(Participant):
    """Sellers on news, dip buyers, and resting orders far from value."""

    class Parameters(Participant.Parameters):
        """Capital and pace of the three parts; two numbers each where coins differ by size."""

        OPENING: ClassVar[tuple[str, ...]] = (
            "sellers",
            "selling_major",
            "selling_minor",
            "pace",
            "pace_spread",
            "dippers",
            "dip_major",
            "dip_minor",
            "start_major",
            "start_minor",
            "spend_least",
            "spend_most",
            "far",
            "levels",
            "near",
            "reach_major",
            "reach_minor",
            "parity_major",
            "parity_minor",
            "watch",
        )

        sellers: int = parameter(30, "Rows that are sellers in a book", unit="rows", ge=0, le=100_000)
        selling_major: float = parameter(
            0.06,
            "Capital of sellers in major coins",
            unit="share of open interest",
            source=f"{MODEL}: 4-10 %",
            ge=0,
        )
        selling_minor: float = parameter(
            0.05,
            "Capital of sellers in other coins",
            unit="share of open interest",
            source=f"{MODEL}: 2-8 %",
            ge=0,
        )
        full: float = parameter(
            1.5,
            "Mispricing at which a seller's target is all of its capital",
            unit="daily standard deviations",
            gt=0,
        )
        fear: float = parameter(
            1.5, "News times this is what a seller thinks it will do to the price", unit="1", ge=0, le=10
        )
        soothed: float = parameter(
            2400.0, "Time in which what it thinks beyond the news itself fades", unit="seconds",
            source="overreaction that reverts: De Bondt and Thaler (1985), the sign", gt=0,
        )  # fmt: skip
        pace: float = parameter(120.0, "Median time in which a seller sells", unit="seconds", gt=0)
        pace_spread: float = parameter(0.8, "Standard deviation of its log", unit="1", ge=0, le=3)
        dippers: int = parameter(20, "Rows that are dip buyers in a book", unit="rows", ge=0, le=100_000)
        dip_major: float = parameter(
            0.018,
            "Capital of dip buyers in major coins",
            unit="share of open interest",
            source=f"{MODEL}: 1.6-2 %",
            ge=0,
        )
        dip_minor: float = parameter(
            0.055,
            "Capital of dip buyers in other coins",
            unit="share of open interest",
            source=f"{MODEL}: 4-7 %",
            ge=0,
        )
        start_major: float = parameter(
            0.05,
            "Mean distance below value at which they start, major coins",
            unit="share",
            source=MODEL,
            ge=0,
            lt=1,
        )
        start_minor: float = parameter(
            0.25,
            "Mean distance below value at which they start, other coins",
            unit="share",
            source=MODEL,
            ge=0,
            lt=1,
        )
        lag: float = parameter(
            240.0, "Mean lag from there to the first order", unit="seconds", source=MODEL, ge=0
        )
        spend_least: float = parameter(600.0, "Shortest time in which capital is spent", unit="seconds", gt=0)
        spend_most: float = parameter(960.0, "Longest time in which capital is spent", unit="seconds", gt=0)
        far: int = parameter(6, "Rows with far orders in a book", unit="rows", ge=0, le=100_000)
        levels: int = parameter(6, "Far orders a side and row", unit="orders", ge=1, le=30)
        near: float = parameter(0.005, "Nearest far order, major coins", unit="share of value", gt=0, lt=1)
        reach_major: float = parameter(0.15, "Farthest order, major coins", unit="share of value", gt=0, lt=1)
        reach_minor: float = parameter(0.60, "Farthest order, other coins", unit="share of value", gt=0, lt=1)
        parity_major: float = parameter(
            0.035, "Distance at which far orders are as dense as calm quotes within 1 %", unit="share of value",
            source=f"{MODEL}: 3-4 %", gt=0,
        )  # fmt: skip
        parity_minor: float = parameter(
            0.30, "The same for other coins", unit="share of value", source=f"{MODEL}: 13-40 %", gt=0
        )
        slices: float = parameter(15.0, "Mean time between orders of one trader", unit="seconds", gt=0)
        part: float = parameter(0.1, "Largest order over the depth seen within 1 %", unit="share", gt=0, le=1)
        watch: float = parameter(60.0, "Time it watches a market before it trades", unit="seconds", ge=0)

    parameters: Parameters

    # ------------------------------------------------------------------ who is there

    def setup(self, me: Me, market: Market) -> None:
        """Stations of the three parts; capital is known when depth has been watched for a while."""
        p, books = self.parameters, market.books
        parts = [
            desks.chosen(me, books, each, purpose)
            for each, purpose in ((p.sellers, "sellers"), (p.dippers, "dippers"), (p.far, "far"))
        ]
        via, power = desks.conversion(books)
        m = self.memory
        m.update(
            via=via, power=power, calm=np.zeros(len(books.name)), looks=np.array(0), ready=np.array(False)
        )
        m.update(value=np.full(len(books.name), np.nan), log_value=np.zeros(0), since=np.array(np.nan))
        for name, (row, book) in zip(("sell", "dip", "far"), parts, strict=True):
            m[f"{name}_row"], m[f"{name}_book"], m[f"{name}_capital"] = row, book, np.zeros(len(row))
            m[f"{name}_name"] = np.asarray(books.key)[book]
        sells, dips, far = (len(row) for row, _ in parts)
        m.update(
            sell_done=np.zeros(sells), sell_target=np.zeros(sells), sell_part=np.ones(sells), dip_part=np.ones(1),
            dip_start=np.zeros(dips), dip_at=np.full(dips, np.inf), dip_pace=np.ones(dips), dip_done=np.zeros(dips),
            far_heard=np.zeros(far), far_first=np.array(me.slots(2 * p.levels * far)),
            far_distance=np.zeros((far, p.levels)),
            means=desks.means(books),
        )  # fmt: skip

    def _watched(self, me: Me, market: Market) -> bool:
        """Averages visible depth; then hands out capital, paces and lags, and places the far orders."""
        p, m, books = self.parameters, self.memory, market.books
        fresh = np.isnan(m["value"])
        m["value"][fresh] = desks.fair(market)[fresh]
        depth = (np.asarray(market.depth_bid)[1] + np.asarray(market.depth_ask)[1]) / 2
        m["looks"] += 1
        m["calm"] += (depth - m["calm"]) / float(m["looks"])
        if np.isnan(m["since"]):
            m["since"][...] = market.time
        if market.time - m["since"] < p.watch:
            return False
        convert = desks.rates(market, m["via"], m["power"])
        big = desks.majors(books)
        # open interest of the coin, shared over its books by depth: perpetuals get all of it, spot comes on top
        value = m["calm"] * desks.fair(market) * convert
        perp = np.asarray(books.kind) == 0
        per_depth = desks.by_coin(books, desks.interest(market, convert)) / np.maximum(
            desks.by_coin(books, np.where(perp, value, 0.0)), 1e-9
        )
        coins = per_depth * m["calm"]
        for name, minor, major in (
            ("sell", p.selling_minor, p.selling_major),
            ("dip", p.dip_minor, p.dip_major),
        ):
            row, book = m[f"{name}_row"], m[f"{name}_book"]
            share = -np.log(desks.spread(me.uniform(name, row, forever=True), m[f"{name}_name"], "size"))
            share /= np.maximum(np.bincount(book, share, len(books.name)), 1e-300)[book]
            m[f"{name}_capital"][:] = share * np.where(big, major, minor)[book] * coins[book]
        row, book = m["sell_row"], m["sell_book"]
        drawn = me.uniform("pace", row, forever=True)
        pace = p.pace * np.exp(p.pace_spread * desks.normal(drawn, m["sell_name"], "pace"))
        m["sell_part"][:] = 1.0 - np.exp(-p.slices / pace)  # of what is left, in one order
        row, book = m["dip_row"], m["dip_book"]
        drawn = me.uniform("dip", row, forever=True)
        least = np.where(big, p.start_major, p.start_minor)[book]
        m["dip_start"][:] = np.log1p(
            -np.minimum(least * (0.6 + 0.8 * desks.spread(drawn, m["dip_name"], "start")), 0.99)
        )
        m["dip_pace"][:] = p.spend_least + (p.spend_most - p.spend_least) * desks.spread(
            drawn, m["dip_name"], "spend"
        )
        self._place_far(me, market, big)
        m["log_value"] = np.log(m["value"])
        m["ready"][...] = True
        return True

    # ------------------------------------------------------------------ the step

    def decide(self, me: Me, market: Market) -> None:
        """Each part in turn; whoever has learned nothing and sees no dip costs nothing."""
        m = self.memory
        if not m["ready"] and not self._watched(me, market):
            return
        price = desks.fair(market)
        gap = np.log(price) - m["log_value"]  # before news
        self._sell(me, market, gap)
        self._buy_dips(me, market, gap)
        self._follow(me, market)

    def _news(self, me: Me, market: Market, row: Ints, book: Ints) -> Floats:
        """Log change of value in a book that the row's owner knows of."""
        heard: Floats = me.heard(row) * desks.or_zero(market.books.beta)[book]
        return heard

    def _sell(self, me: Me, market: Market, gap: Floats) -> None:
        """Move towards the target that the mispricing gives, on in the direction of the news; take it back later."""
        p, m, heard = self.parameters, self.memory, me.heard()
        if not heard.any():
            return
        # what they think the news will do beyond itself fades
        fade = np.exp(-desks.or_zero(market.time - me.heard_at()) / p.soothed)
        now, rest = np.empty(len(m["sell_row"]), np.int64), np.empty(len(m["sell_row"]))
        n = sellers(
            m["sell_row"], m["sell_book"], m["sell_name"], me.uniform("sell").view(np.int64), heard, fade,
            market.books.beta, market.calm_volatility, gap, m["sell_capital"], m["sell_done"],
            m["sell_target"], p.fear, p.full, self._wakes(market), now, rest,
        )  # fmt: skip
        self._take(me, market, "sell", now[:n], rest[:n], "news")

    def _buy_dips(self, me: Me, market: Market, gap: Floats) -> None:
        """Start a lag after the price is far enough below value; spend capital evenly from then on."""
        p, m = self.parameters, self.memory
        if len(m["dip_row"]) == 0:
            return
        now, rest = np.empty(len(m["dip_row"]), np.int64), np.empty(len(m["dip_row"]))
        look = (
            market.time, m["dip_row"], m["dip_book"], m["dip_name"], me.uniform("dip").view(np.int64), me.heard(),
            market.books.beta, gap, m["dip_capital"], m["dip_done"], m["dip_start"], m["dip_at"], m["dip_pace"],
            self._wakes(market), now, rest,
        )  # fmt: skip
        start, n = dippers(*look)
        if start:
            m["dip_at"][now[:start]] = market.time - p.lag * np.log(rest[:start])
            _, n = dippers(*look)
        self._take(me, market, "dip", now[:n], rest[:n], "decision")

    def _wakes(self, market: Market) -> float:
        """Probability that a trader sends an order in a step."""
        return float(1.0 - np.exp(-market.dt / self.parameters.slices))

    def _take(self, me: Me, market: Market, who: str, now: Ints, rest: Floats, cause: str) -> None:
        """Send market orders for a part of `rest` (signed coins) of some stations, by the depth seen."""
        m, n = self.memory, len(now)
        if n == 0:
            return
        row, book = m[f"{who}_row"], m[f"{who}_book"]
        here = row[now]
        own = me.balance(here, m["means"][(rest > 0).astype(np.int64), book[now]])
        to, coins = np.empty((3, n), np.int64), np.empty(n)
        sent = slices(
            now, rest, m[f"{who}_part"], row, book, own, me.waiting(here), market.books.kind, market.books.lot,
            market.ask, market.depth_bid[1], market.depth_ask[1], market.halted, self.parameters.part,
            m[f"{who}_done"], to, coins,
        )  # fmt: skip
        if sent:
            here, book, side = to[:, :sent]
            me.market_order(here, book, side, coins[:sent], cause=cause)

    # ------------------------------------------------------------------ far orders

    def _place_far(self, me: Me, market: Market, big: NDArray[np.bool_]) -> None:
        """Resting orders with a density in proportion to the distance from value."""
        p, m = self.parameters, self.memory
        row, book = m["far_row"], m["far_book"]
        if len(row) == 0:
            return
        served = np.bincount(book, minlength=len(big))[book]
        reach = np.where(big, p.reach_major, p.reach_minor)[book][:, None]
        parity = np.where(big, p.parity_major, p.parity_minor)[book][:, None]
        near = np.where(big, p.near, p.near * 4)[book][:, None]
        edge = near * (reach / near) ** (np.arange(p.levels + 1)[None, :] / p.levels)
        where = desks.spread(me.uniform("far", row, forever=True), m["far_name"], "far")[:, None]
        m["far_distance"][:] = edge[:, :-1] + where * (edge[:, 1:] - edge[:, :-1])
        # density in calm depths within 1 % per 1 %: distance / parity
        size = (
            (edge[:, 1:] ** 2 - edge[:, :-1] ** 2) / (2 * parity * 0.01) * (m["calm"][book] / served)[:, None]
        )
        quantity = np.stack([size, size], 1)
        cash, coins = self._means(me, market, row, book)
        value = (m["value"][book][:, None] * size * (1.0 - m["far_distance"])).sum(1)
        quantity[:, 0] *= np.minimum(1.0, cash / np.maximum(value, 1e-9))[:, None]
        quantity[:, 1] *= np.minimum(1.0, coins / np.maximum(size.sum(1), 1e-9))[:, None]
        self._quote_far(me, market, np.arange(len(row)), quantity)

    def _means(self, me: Me, market: Market, row: Ints, book: Ints) -> tuple[Floats, Floats]:
        """What far orders may use at spot: cash for bids, coins for offers; no bound at perpetuals but the margin."""
        books = market.books
        cash, coins = np.full(len(row), np.inf), np.full(len(row), np.inf)
        spot = np.asarray(books.kind)[book] == 1
        places = np.maximum(np.bincount(row[spot], minlength=len(me.rows)), 1)[row]
        cash[spot] = 0.5 / places[spot] * me.balance(row[spot], books.quote[book[spot]])
        coins[spot] = 0.5 * me.balance(row[spot], books.base[book[spot]])
        return cash, coins

    def _quote_far(self, me: Me, market: Market, which: Ints, quantity: Floats) -> None:
        """Place or move the orders of some stations; quantity is [stations, side, level] in coins."""
        p, m = self.parameters, self.memory
        row, book = m["far_row"][which], m["far_book"][which]
        value = (m["value"][book] * np.exp(self._news(me, market, row, book)))[:, None]
        ask, bid = np.asarray(market.ask)[book][:, None], np.asarray(market.bid)[book][:, None]
        tick = np.asarray(market.books.tick)[book][:, None]
        price = np.stack(
            [value * (1.0 - m["far_distance"][which]), value * (1.0 + m["far_distance"][which])], 1
        )
        price[:, 0] = np.where(ask > 0, np.minimum(price[:, 0], ask - tick), price[:, 0])
        price[:, 1] = np.where(bid > 0, np.maximum(price[:, 1], bid + tick), price[:, 1])
        slot = int(m["far_first"]) + (which[:, None] * 2 * p.levels + np.arange(2 * p.levels)).reshape(
            price.shape
        )
        i, s, j = np.nonzero(quantity >= np.asarray(market.books.lot)[book][:, None, None])
        if len(i):
            me.quote(
                row[i], book[i], slot[i, s, j], 1 - 2 * s, price[i, s, j], quantity[i, s, j], cause="decision"
            )

    def _follow(self, me: Me, market: Market) -> None:
        """Stations that have learned something move what is left of their orders to the new value."""
        p, m = self.parameters, self.memory
        heard = me.heard()[m["far_row"]]
        (which,) = (heard != m["far_heard"]).nonzero()
        if len(which) == 0:
            return
        m["far_heard"][which] = heard[which]
        slot = int(m["far_first"]) + (which[:, None] * 2 * p.levels + np.arange(2 * p.levels)).reshape(
            -1, 2, p.levels
        )
        lots = me.named(slot.ravel())[1].reshape(slot.shape)
        self._quote_far(
            me, market, which, lots * np.asarray(market.books.lot)[m["far_book"][which]][:, None, None]
        )
