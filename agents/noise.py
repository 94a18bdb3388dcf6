"""Noise: two-sided order flow without information, the flow without which no market exists.

Theory. Zero-intelligence flow (Daniels, Farmer, Gillemot, Iori and Smith 2003; Cont, Stoikov and Talreja 2010):
orders arrive at random in every book, some traders post a limit order near the touch instead of taking and give up
after a while. Four things are added. Orders are sized by the depth their senders see, so an order into an empty book is
small. Activity follows volatility as (sigma / sigma0)^b with b < 1: with order size proportional to depth
~ (sigma / sigma0)^-a the impact of noise grows more slowly than volatility itself, so noise alone cannot explode.

Signs have long memory (Lillo and Farmer 2004; Bouchaud et al. 2004) since most orders are parts of metaorders, which
go on buying or selling until they are done: with Pareto lengths of index a their signs' autocorrelation falls as
lag^-(a - 1) (Lillo, Mike and Farmer 2005; 0.59 at the London Stock Exchange, Mike and Farmer 2008). Nobody buys without
end: who holds what he may gives his metaorder up, and inventories are traded back.

Activity feeds on activity: each order brings about `branching` further ones in the same book of the same venue, soon
or minutes later, by a kernel that falls nearly as a power (Filimonov and Sornette 2012; Hardiman, Bercot and Bouchaud
2013). The mean rate is that of a Poisson process, its minutes are livelier and duller. It feeds on this flow's own
orders, in one book or in all books of the coin (`across`); what liquidations and others trade reaches it through
volatility, or it would count twice. With `swing` all of it comes in waves that nothing in the market brings about
(`agents.moods`). With `everywhere` a trader works its metaorder at all venues of the coin, so that these have a common
flow.

A book is served by a few rows of its venue, each with its own inventory; perpetuals need margin, spot rows hold
both the coin and the money.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks, moods
from agents.flow import arrivals, orders

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EXPONENTIALS = 4  # whose sum the kernel is


@cache
def _feedback(soon: float, late: float, fading: float, dt: float) -> tuple[Floats, Floats]:
    """float64[EXPONENTIALS]: what a step of `dt` seconds leaves of each exponential of the kernel, and its share."""
    times = np.geomspace(soon, late, EXPONENTIALS)
    share = times**-fading
    return np.exp(-dt / times), share / share.sum()


class Noise(Participant):
    """Market and near-touch limit orders in all books of the rows' venues."""

    class Parameters(Participant.Parameters):
        """Rates, sizes, signs."""

        OPENING: ClassVar[tuple[str, ...]] = (
            "each",
            "rate",
            "least",
            "scale",
            "shortest",
            "branching",
            "everywhere",
        )

        each: int = parameter(3, "Rows that serve a book", unit="rows", ge=1, le=1000)
        rate: float = parameter(
            120.0, "Orders in the book with most depth", unit="per minute", gt=0,
        )  # fmt: skip
        most: int = parameter(
            5, "Orders that what a row trades in one step goes as, at most; beyond that they are larger",
            unit="orders", ge=1,
        )  # fmt: skip
        least: float = parameter(4.0, "Orders in any book, at least", unit="per minute", ge=0)
        scale: float = parameter(
            0.5, "Rate grows as the book's depth in dollars to this power", unit="1", ge=0, le=1
        )
        turnover: float = parameter(
            0.05, "Calm volume over the depth within 1 % of one side", unit="per minute",
            source="Binance BTC perpetual 20:40-20:49 UTC 10 October 2025: 7 M a minute over 175 M", ge=0,
        )  # fmt: skip
        dispersion: float = parameter(1.0, "Standard deviation of log size", unit="1", ge=0, le=3)
        largest: float = parameter(
            0.2, "Largest order over the depth seen within 0.5 %", unit="share", gt=0, le=1
        )
        activity: float = parameter(
            0.7,
            "Exponent b: rate follows (sigma / sigma0)^b",
            unit="1",
            source="below 1, see the module",
            ge=0,
            lt=1,
        )
        stress: float = parameter(
            50.0, "Volatility that activity follows at most", unit="multiple of calm volatility", ge=1
        )
        metaorders: float = parameter(
            0.7, "Orders that are parts of larger ones, all on one side", unit="share of orders", ge=0, le=1
        )  # fmt: skip
        tail: float = parameter(
            1.6, "Pareto index of their length; signs' autocorrelation falls with this less one", unit="1",
            source="Mike and Farmer (2008): 0.59; Lillo, Mike and Farmer (2005): less one", gt=1, le=10,
        )  # fmt: skip
        shortest: float = parameter(
            1.0, "Shortest: a row's orders in this time, one at least", unit="seconds", gt=0, le=3600
        )
        longest: float = parameter(1000.0, "Longest over shortest", unit="1", ge=1)
        branching: float = parameter(
            0.8, "Further orders that an order brings about; the mean rate stays", unit="orders",
            source="assumption, below 0.86: 1 - sqrt(mean / variance) of counts (Hardiman and Bouchaud 2014) in calm"
            " minutes of the minute file without their burst, in orders of this flow", ge=0, le=0.99,
        )  # fmt: skip
        across: float = parameter(
            0.0, "Part of these in any book of the coin, the rest in the order's own", unit="share",
            source="assumption", ge=0, le=1,
        )  # fmt: skip
        everywhere: bool = parameter(
            False, "A metaorder is worked at all venues of its coin at once, else in one book", source="signed flow of"
            " venues has one common factor: Makarov and Schoar (2020)",
        )  # fmt: skip
        soon: float = parameter(2.0, "Shortest time constant of this", unit="seconds", gt=0)
        late: float = parameter(600.0, "Longest time constant of this", unit="seconds", gt=0)
        fading: float = parameter(
            0.15, "Exponent by which the share of a time constant falls: a kernel ~ t^-(1 + this)", unit="1",
            source="Hardiman, Bercot and Bouchaud (2013), E-mini", ge=-1, le=2,
        )  # fmt: skip
        swing: float = parameter(
            0.0, "Waves of activity that nothing in the market brings about: each of eight multipliers of the rate is 1"
            " plus or minus this; 0: none", unit="1",
            source="assumption; the form: Chen, Diebold and Schorfheide (2013)", ge=0, lt=1,
        )  # fmt: skip
        wave_soon: float = parameter(60.0, "Mean time between changes of the first", unit="seconds", gt=0)
        wave_late: float = parameter(
            259_200.0, "Of the last", unit="seconds", source="assumption: days", gt=0
        )
        inventory: float = parameter(
            0.5, "Inventory at which a row only trades back", unit="multiple of calm depth within 1 %", gt=0
        )
        patient: float = parameter(0.25, "Orders that rest near the touch", unit="share", ge=0, le=1)
        behind: float = parameter(0.0003, "Mean distance behind the touch", unit="share of price", ge=0)
        expiry: float = parameter(60.0, "Life of such an order", unit="seconds", gt=0)

        @model_validator(mode="after")
        def _soon_is_not_late(self) -> Self:
            if self.soon > self.late:
                raise ValueError(f"soon: expected at most late, {self.late:g}")
            return self

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """A few rows for each book."""
        p = self.parameters
        if p.everywhere:
            row, book, trader = desks.traders(me, market.books, p.each, "noise")
        else:
            row, book = desks.chosen(me, market.books, p.each, "noise")
            trader = np.arange(len(row))
        traders = int(trader.max(initial=-1)) + 1
        books = len(market.books.name)
        via, power = desks.conversion(market.books)
        self.memory.update(
            row=row, book=book, trader=trader, coin=np.array(market.books.coin, np.int64),
            name=np.asarray(market.books.key)[book],
            served=np.maximum(np.bincount(book, minlength=books), 1)[book].astype(np.float64),
            calm=np.zeros(books), looks=np.array(0), echo=np.zeros((EXPONENTIALS, books)),
            home=np.zeros(len(row)), ready=np.array(False), awake=np.zeros(len(row), np.int64),
            trades=np.zeros(len(row), np.int64), shortest=np.ones(traders),
            left=np.zeros(traders), way=np.ones(traders), rate=np.zeros(len(row)),
            via=via, power=power, weight=np.zeros(books),
            mood=moods.begin(me.shared("mood").view(np.int64)),
            spot=np.asarray(market.books.kind) == 1, lot=np.array(market.books.lot, np.float64),
            means=desks.means(market.books),
        )  # fmt: skip

    def _watch(self, me: Me, market: Market) -> bool:
        """For the first half minute: what depth is there, and what do the rows hold?"""
        p, m = self.parameters, self.memory
        depth = (np.asarray(market.depth_bid)[1] + np.asarray(market.depth_ask)[1]) / 2
        m["looks"] += 1
        m["calm"] += (depth - m["calm"]) / float(m["looks"])
        if m["looks"] * market.dt < 30.0:
            return False
        m["home"][:] = me.stock(m["row"], m["book"])
        price = desks.fair(market)
        value = m["calm"] * price
        relative = (value / max(float(value.max()), 1e-300)) ** p.scale
        m["rate"][:] = (np.maximum(p.rate * relative, p.least) / 60.0)[m["book"]]
        m["weight"][:] = value
        rates = np.bincount(m["trader"], m["rate"] / m["served"], len(m["shortest"]))
        m["shortest"][:] = np.maximum(p.shortest * rates, 1.0)
        mean = np.zeros(len(value))
        mean[m["book"]] = m["rate"] * market.dt
        times = np.geomspace(p.soon, p.late, EXPONENTIALS)
        m["echo"][:] = mean / -np.expm1(-market.dt / times)[:, None]  # as if it had always been so
        m["ready"][...] = True
        return True

    def _rate(self, me: Me, market: Market) -> Floats:
        """Orders a second in the books of the stations, by how lively the market is."""
        p, m = self.parameters, self.memory
        rate: Floats = m["rate"]
        if p.swing == 0:
            return rate
        moods.move(m["mood"], me.shared("mood").view(np.int64), market.dt, p.wave_soon, p.wave_late)
        return rate * moods.liveliness(m["mood"], p.swing)

    def decide(self, me: Me, market: Market) -> None:
        """Who trades this step, on which side, how much, now or at the touch."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0 or not (m["ready"] or self._watch(me, market)):
            return
        # activity: Poisson, faster in volatile times
        convert = desks.rates(market, m["via"], m["power"])
        stress = desks.stress(m, market, convert, m["weight"])
        drawn = me.uniform("arrival", m["row"]).view(np.int64) ^ m["name"]
        count = arrivals(
            market.dt, p.activity, p.stress, p.branching, p.across,
            *_feedback(p.soon, p.late, p.fading, market.dt), drawn, m["book"], m["coin"], self._rate(me, market),
            stress, market.halted, m["served"], m["echo"], m["awake"], m["trades"],
        )  # fmt: skip
        if count == 0:
            return
        awake, n = m["awake"][:count], int(count)
        row, book = m["row"][awake], m["book"][awake]
        takes, taken = np.empty((3, n * p.most), np.int64), np.empty(n * p.most)
        rests, rested, price = np.empty((3, n), np.int64), np.empty(n), np.empty(n)
        now, later = orders(
            awake, m["trades"][:n], m["row"], m["book"], m["trader"], drawn, m["rate"], me.stock(row, book),
            me.balance(row, m["means"][1, book]), m["home"], m["calm"], m["spot"], m["lot"], market.bid, market.ask,
            market.depth_bid, market.depth_ask, p.inventory, p.metaorders, p.tail, p.longest, p.turnover, p.dispersion,
            p.largest, p.patient, p.behind, p.most, m["shortest"], m["left"], m["way"], takes, taken, rests, rested,
            price,
        )  # fmt: skip
        if now:
            row, book, side = takes[:, :now]
            me.market_order(row, book, side, taken[:now])
        if later:
            row, book, side = rests[:, :later]
            me.limit(row, book, side, price[:later], rested[:later], expire=p.expiry)
