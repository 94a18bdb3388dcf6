"""A bank with a leverage target and a fund that knows value, in books that are called.

Theory. Aymanns, Caccioli, Farmer and Tan (2016): a bank sees a moving average of squared returns and wants leverage of
alpha (sigma^2 + sigma_0^2)^b; b = -1/2 is value at risk: it buys in quiet times and sells when prices move. It goes
part of the way to its target in each period, and pays out or raises what its equity is off its own target. The fund
puts a share of its wealth into the coin, and more when the price is below value. With little leverage prices rest; with
more, buying calms prices and calm allows buying until they break, again and again; with still more nothing holds.

Of the owners with an account at a venue the first is the bank, the last the fund; what of the accounts' money is
their own is in memory. In the first call both come to what they open with. Then the bank's order is for any price of
the fund's ladder. A bank without equity has failed: its market is over. Calls must be two steps apart.
"""

from __future__ import annotations

import numpy as np

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import ladder

ACFT = "Aymanns, Caccioli, Farmer and Tan 2016, structure; the number is an assumption"
FAILED = "failed"  # remark when a bank fails: its equity (value) and the price (rate)


class LeverageTarget(Participant):
    """A bank and a fund in every spot book of their venues."""

    class Parameters(Participant.Parameters):
        """The paper's constants; time in calls."""

        alpha: float = parameter(0.02, "Scale of the leverage target", unit="1", source=ACFT, gt=0, le=10)
        exponent: float = parameter(
            -0.5, "b: -1/2 = value at risk, above 0 countercyclical", unit="1", source=ACFT, ge=-2, le=2
        )
        quiet: float = parameter(
            0.01, "sigma_0: risk that is seen when nothing moves", unit="per call", source=ACFT, gt=0
        )
        memory: float = parameter(
            0.1, "delta: weight of the last squared return", unit="1", source=ACFT, gt=0, le=1
        )
        pace: float = parameter(
            0.1, "theta: part of the way to the target", unit="per call", source=ACFT, gt=0, le=1
        )
        payout: float = parameter(
            0.2, "eta: part of the way to the target of equity", unit="per call", source=ACFT, ge=0, le=1
        )
        equity: float = parameter(
            0.05, "The bank's target of equity", unit="share of all coins at value", source=ACFT, gt=0, le=1
        )
        weight: float = parameter(
            0.5, "The fund's share in coins at value", unit="share", source=ACFT, gt=0, lt=1
        )
        reversion: float = parameter(
            0.02, "rho: how fast it grows with mispricing", unit="per call", source=ACFT, ge=0, le=1
        )
        noise: float = parameter(0.002, "Noise of that share", unit="log per call", source=ACFT, ge=0)
        finest: float = parameter(0.0005, "Finest step of the schedule", unit="log price", gt=0, le=0.1)
        ratio: float = parameter(1.15, "Growth of its steps", unit="1", gt=1, le=4)
        reach: float = parameter(1.5, "Its ends", unit="log price", gt=0, le=3)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """The bank's and the fund's row of each book."""
        p, info = self.parameters, market.books
        row, book = ladder.parties(me, info, 2)
        value = np.array(info.opening_price[book], float)
        coins = me.stock(row, book[:, None]).sum(axis=1)
        self.memory.update(
            row=row, book=book, value=value, target=p.equity * coins * value, call=np.array(0), price=value.copy(),
            risk=np.full(len(book), p.quiet**2), weight=np.full(len(book), p.weight), debt=np.zeros(len(book)),
            others=np.zeros(len(book)), failed=np.zeros(len(book), bool),
            grid=ladder.offsets(p.finest, p.ratio, p.reach),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """In the step of a call: both look at the last one; the bank sends one order, the fund its schedule."""
        p, m = self.parameters, self.memory
        if round(me.time / me.dt) % 2 != 1 or len(m["book"]) == 0:
            return
        book, row = m["book"], m["row"]
        last = np.where(market.last[book] > 0, market.last[book], m["value"])
        coins = me.stock(row, book[:, None])
        money = me.balance(row, market.books.quote[book][:, None])
        bank, fund = money[:, 0] + coins[:, 0] * last, money[:, 1]
        m["call"] += 1
        if m["call"] == 1:
            self._open(me, coins)
            return
        if m["call"] == 2:
            m["debt"] = bank - m["target"]
            m["others"] = fund - coins[:, 1] * last * (1.0 - p.weight) / p.weight
        m["risk"] = (1.0 - p.memory) * m["risk"] + p.memory * np.log(last / m["price"]) ** 2
        m["price"] = last
        m["debt"] += p.payout * (bank - m["debt"] - m["target"])
        equity = bank - m["debt"]
        fails = np.flatnonzero((equity <= 0.0) & ~m["failed"])
        if len(fails):
            me.observe(FAILED, book[fails], book[fails], equity[fails], last[fails])
        m["failed"][fails] = True
        leverage = p.alpha * (m["risk"] + p.quiet**2) ** p.exponent
        missing = np.where(m["failed"], 0.0, p.pace * (leverage * equity / last - coins[:, 0]))
        self._send(me, last, np.maximum(missing, -coins[:, 0]))
        dear = p.reversion * (m["value"] - last) / m["value"] + p.noise * me.normal("noise", row[:, 1])
        m["weight"] = np.clip(m["weight"] * (1.0 + dear), 0.01, 0.99)
        price = last[:, None] * np.exp(m["grid"])
        own = np.maximum(fund - m["others"], 0.0)[:, None]
        wanted = m["weight"][:, None] * (coins[:, 1:] + own / price)
        ladder.write(me, row[:, 1], book, price, wanted, coins[:, 1])

    def _open(self, me: Me, coins: np.ndarray) -> None:
        """At value the bank comes to its target of quiet times, but to no more than half of the coins."""
        p, m = self.parameters, self.memory
        leverage = p.alpha * p.quiet ** (2.0 * p.exponent)
        missing = np.minimum(leverage * p.equity, 0.5) * coins.sum(axis=1) - coins[:, 0]
        side = np.where(missing > 0, 1, -1)
        for which, way in ((0, side), (1, -side)):
            me.limit(
                m["row"][:, which],
                m["book"],
                way,
                m["value"],
                np.abs(missing),
                expire=1.5 * me.dt,
                round="out",
            )

    def _send(self, me: Me, last: np.ndarray, missing: np.ndarray) -> None:
        """The bank's order: at the end of the fund's schedule."""
        m = self.memory
        side = np.where(missing > 0, 1, -1)
        limit = last * np.exp(side * m["grid"][-1])
        me.limit(m["row"][:, 0], m["book"], side, limit, np.abs(missing), expire=1.5 * me.dt, round="out")
