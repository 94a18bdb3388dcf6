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

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

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
        m.update(value=np.full(len(books.name), np.nan), since=np.array(np.nan))
        for name, (row, book) in zip(("sell", "dip", "far"), parts, strict=True):
            m[f"{name}_row"], m[f"{name}_book"], m[f"{name}_capital"] = row, book, np.zeros(len(row))
        sells, dips, far = (len(row) for row, _ in parts)
        m.update(
            sell_done=np.zeros(sells), sell_target=np.zeros(sells), sell_pace=np.ones(sells),
            dip_start=np.zeros(dips), dip_at=np.full(dips, np.inf), dip_pace=np.ones(dips), dip_done=np.zeros(dips),
            far_heard=np.zeros(far), far_first=np.array(me.slots(2 * p.levels * far)),
            far_distance=np.zeros((far, p.levels)),
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
            share = -np.log(desks.spread(me.uniform(name, row, forever=True), book, "size"))
            share /= np.maximum(np.bincount(book, share, len(books.name)), 1e-300)[book]
            m[f"{name}_capital"][:] = share * np.where(big, major, minor)[book] * coins[book]
        row, book = m["sell_row"], m["sell_book"]
        drawn = me.uniform("pace", row, forever=True)
        m["sell_pace"][:] = p.pace * np.exp(p.pace_spread * desks.normal(drawn, book, "pace"))
        row, book = m["dip_row"], m["dip_book"]
        drawn = me.uniform("dip", row, forever=True)
        least = np.where(big, p.start_major, p.start_minor)[book]
        m["dip_start"][:] = np.log1p(
            -np.minimum(least * (0.6 + 0.8 * desks.spread(drawn, book, "start")), 0.99)
        )
        m["dip_pace"][:] = p.spend_least + (p.spend_most - p.spend_least) * desks.spread(drawn, book, "spend")
        self._place_far(me, market, big)
        m["ready"][...] = True
        return True

    # ------------------------------------------------------------------ the step

    def decide(self, me: Me, market: Market) -> None:
        """Each part in turn; whoever has learned nothing and sees no dip costs nothing."""
        m = self.memory
        if not m["ready"] and not self._watched(me, market):
            return
        price = desks.fair(market)
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.log(price) - np.log(m["value"])  # before news
        self._sell(me, market, gap)
        self._buy_dips(me, market, gap)
        self._follow(me, market)

    def _news(self, me: Me, market: Market, row: Ints, book: Ints) -> Floats:
        """Log change of value in a book that the row's owner knows of."""
        heard: Floats = me.heard(row) * desks.or_zero(market.books.beta)[book]
        return heard

    def _sell(self, me: Me, market: Market, gap: Floats) -> None:
        """Move towards the target that the mispricing gives, on in the direction of the news; take it back later."""
        p, m = self.parameters, self.memory
        row, book, done, goal = m["sell_row"], m["sell_book"], m["sell_done"], m["sell_target"]
        news = self._news(me, market, row, book)
        if not news.any():
            return
        # what they think the news will do beyond itself fades
        fear = 1.0 + (p.fear - 1.0) * np.exp(-desks.or_zero(market.time - me.heard_at(row)) / p.soothed)
        expected = fear * news
        daily = (desks.or_zero(market.calm_volatility) * np.sqrt(86400.0))[book]
        way = np.sign(news)
        wish = ((expected - gap[book]) / np.maximum(p.full * daily, 1e-9)).clip(-1.0, 1.0) * m["sell_capital"]
        further = (news != 0) & (wish * way > goal * way)
        goal[further] = wish[further]
        # beyond what they expect they go back to where they were
        goal[(wish * way < 0) & (goal * way > 0)] = 0.0
        # nobody chases: a target is only pursued while the price is on the wrong side of what they expect
        open_ = (np.abs(goal - done) > 0) & (np.sign(goal - done) == np.sign(expected - gap[book]))
        drawn = me.uniform("sell", row)
        wakes = desks.spread(drawn, book, "wake") < 1.0 - np.exp(-market.dt / p.slices)
        now = np.flatnonzero(open_ & wakes)
        if len(now):
            rest = (goal - done)[now]
            part = 1.0 - np.exp(-p.slices / m["sell_pace"][now])
            done[now] += self._take(me, market, row[now], book[now], rest, part, "news")

    def _buy_dips(self, me: Me, market: Market, gap: Floats) -> None:
        """Start a lag after the price is far enough below value; spend capital evenly from then on."""
        p, m = self.parameters, self.memory
        row, book, at, done = m["dip_row"], m["dip_book"], m["dip_at"], m["dip_done"]
        deepest = float(np.nanmin(gap)) if len(gap) else 0.0
        if len(row) == 0 or (deepest > m["dip_start"].max() and not np.isfinite(at).any()):
            return
        below = gap[book] - self._news(me, market, row, book)
        drawn = me.uniform("dip", row)
        start = (below < m["dip_start"]) & ~np.isfinite(at)
        at[start] = market.time - p.lag * np.log(desks.spread(drawn, book, "lag"))[start]
        wakes = desks.spread(drawn, book, "wake") < 1.0 - np.exp(-market.dt / p.slices)
        capital = m["dip_capital"]
        now = np.flatnonzero((market.time >= at) & wakes & (below < 0.3 * m["dip_start"]) & (done < capital))
        if len(now):
            due = capital[now] * np.minimum((market.time - at[now]) / m["dip_pace"][now], 1.0) - done[now]
            done[now] += self._take(me, market, row[now], book[now], np.maximum(due, 0.0), 1.0, "decision")

    def _take(
        self, me: Me, market: Market, row: Ints, book: Ints, rest: Floats, part: Any, cause: str
    ) -> Floats:
        """Send market orders for a part of `rest` (signed coins), by the depth seen; returns what was sent, signed."""
        books, side = market.books, np.where(rest > 0, 1, -1)
        seen = np.where(
            side > 0, np.asarray(market.depth_ask)[1, book], np.asarray(market.depth_bid)[1, book]
        )
        size = np.minimum(np.abs(rest) * part, self.parameters.part * seen)
        lot = np.asarray(books.lot)[book]
        size = np.where((size < lot) & (np.abs(rest) >= lot), lot, size)
        spot = np.asarray(books.kind)[book] == 1
        here = np.flatnonzero(spot)
        if len(here):
            buys = side[here] > 0
            own = me.balance(row[here], np.where(buys, books.quote[book[here]], books.base[book[here]]))
            ask = np.nan_to_num(np.asarray(market.ask)[book[here]], nan=np.inf)
            size[here] = np.minimum(size[here], np.where(buys, 0.95 * own / ask, own))
        good = (size >= lot) & ~np.asarray(market.halted)[book] & (me.waiting(row) == 0)
        if good.any():
            me.market_order(row[good], book[good], side[good], size[good], cause=cause)
        return np.where(good, side * size, 0.0)

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
        where = desks.spread(me.uniform("far", row, forever=True), book, "far")[:, None]
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
        heard = me.heard(m["far_row"])
        which = np.flatnonzero(heard != m["far_heard"])
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
