"""Withdrawer: keeps spare money at venues, and takes it home when it is worried.

Theory. A run on an exchange is a run on a bank: who is worried takes out what is not needed, and a withdrawal that
does not arrive is what worries (Diamond and Dybvig 1983). Two causes, nothing else:

- news: who has heard bad news is worried with a chance that grows with its size, after a lag of its own;
- lateness: an own transfer that is overdue worries its owner about every venue where money is left.

A worried owner asks at each venue for a part of what may be withdrawn, waits, and asks for the rest. What it sees is
its own balances and transfers; it does not know why a transfer is late. It sends home the money in which the venue's
books are paid, to its account at a place without books (`opening.reserve_at`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents.sending import Sender

Floats = NDArray[np.float64]


class Withdrawer(Participant):
    """Moves spare money off venues after bad news or after an own transfer is late."""

    class Parameters(Sender):
        """Who is worried, how soon, and how much is asked for at a time."""

        worried: float = parameter(
            0.05, "Chance to be worried by bad news of 1 %", unit="share of owners",
            source="assumption: a day's outflow of 1-5 % of a large venue's assets", ge=0, le=1,
        )  # fmt: skip
        after: float = parameter(
            900.0,
            "Median lag between hearing and asking",
            unit="seconds",
            source="assumption",
            ge=0,
            le=86400,
        )
        spread: float = parameter(
            1.0, "Standard deviation of the log lag", unit="log seconds", source="assumption", ge=0, le=3
        )
        late: bool = parameter(True, "Whether an own transfer that is overdue worries")
        part: float = parameter(
            0.5, "What is asked for at a time", unit="share of what may be withdrawn", source="assumption",
            gt=0, le=1,
        )  # fmt: skip
        pause: float = parameter(
            300.0, "Time between two requests", unit="seconds", source="assumption", gt=0
        )
        least: float = parameter(
            100.0, "No smaller request is made", unit="settlement asset", source="assumption", gt=0
        )
        look: float = parameter(10.0, "Time between looks at balances and transfers", unit="seconds", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Each account's way home, and the money of its venue."""
        quote = {int(v): int(q) for v, q in zip(market.books.venue, market.books.quote, strict=True)}
        asset = np.array([quote.get(int(v), -1) for v in me.venue], np.int64)
        home = np.full(len(me.rows), -1)
        for i in np.flatnonzero(asset < 0):
            home[(me.owner == me.owner[i]) & (asset >= 0)] = i
        self.memory.update(
            asset=asset, home=home, heard=np.zeros(len(me.rows)), due=np.full(len(me.rows), np.inf),
            looked=np.array(-np.inf),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Get worried, and ask for money where the time has come."""
        p, m = self.parameters, self.memory
        if market.time < 0 or market.time < m["looked"] + p.look - 1e-9:
            return
        m["looked"][...] = market.time
        rows = np.flatnonzero(m["home"] >= 0)
        if len(rows) == 0:
            return
        self._hear(me, rows)
        if p.late:
            late = np.zeros(int(me.owner.max()) + 1, np.bool_)
            late[me.owner[me.overdue(np.arange(len(me.rows))) > 0]] = True
            calm = rows[late[me.owner[rows]] & np.isinf(m["due"][rows])]
            m["due"][calm] = me.time + self._lag(me, "late", calm)
        asking = rows[m["due"][rows] <= me.time]
        if len(asking) == 0:
            return
        spare = np.maximum(me.available(asking), 0.0)
        amount = np.where(p.part * spare >= p.least, p.part * spare, spare)
        m["due"][asking] = np.where(spare >= p.least, me.time + p.pause, np.inf)
        for asset in np.unique(m["asset"][asking]).tolist():
            some = np.flatnonzero((m["asset"][asking] == asset) & (amount >= p.least))
            if len(some):
                me.transfer(asking[some], m["home"][asking[some]], asset, amount[some], by=p.route_by)

    def _hear(self, me: Me, rows: NDArray[np.int64]) -> None:
        """Bad news worries some of those whom it has reached since the last look."""
        p, m = self.parameters, self.memory
        heard = np.asarray(me.heard(rows), np.float64)
        worse = np.maximum(m["heard"][rows] - heard, 0.0)
        m["heard"][rows] = heard
        new = rows[worse > 0]
        if len(new) == 0:
            return
        scared = me.uniform("worry", new) < p.worried * 100.0 * worse[worse > 0]
        new = new[scared]
        m["due"][new] = np.minimum(m["due"][new], me.time + self._lag(me, "lag", new))

    def _lag(self, me: Me, what: str, rows: NDArray[np.int64]) -> Floats:
        p = self.parameters
        return np.asarray(p.after * np.exp(p.spread * me.normal(what, rows)), np.float64)
