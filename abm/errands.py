"""What a participant moves besides orders: money through the network, and coins borrowed and lent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from abm import pen
from abm.own import Floats, Ints, Own
from abm.routes import By
from abm.units import RATE

if TYPE_CHECKING:
    from abm.market import BookInfo
    from abm.state import State

_NO_IDS: Ints = np.zeros(0, np.int64)


def _closure(pairs: Iterable[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """All pairs that chains of different numbers join, link by link."""
    found = {(a, b) for a, b in pairs if a != b}
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return frozenset(found)


class Errands(Own):
    """Transfers and loans of one participant; what was asked for waits in lists until the model takes it over."""

    def __init__(self, state: State, books: BookInfo, name: str, seed: int, rows: Any) -> None:
        super().__init__(state, books, name, seed, rows)
        self.requests: list[tuple[Any, ...]] = []
        self.loan_requests: list[tuple[Any, ...]] = []
        self._network: Any = None
        self._loans: Any = None
        self._convertible: frozenset[tuple[int, int]] | None = None

    def transfer(
        self,
        index_from: Any,
        index_to: Any,
        asset: Any,
        amount: Any,
        asset_to: Any = None,
        by: By = "listed",
    ) -> None:
        """Send amounts of an asset between own rows through the network; bounded by what may be withdrawn.

        Args:
            asset_to: what is to arrive where an issuer on the way mints or redeems; None = the asset itself.
            by: how the route is chosen: "listed" (direct first), "time", "cost" or "certainty".
        """
        source, target, amounts = np.broadcast_arrays(
            self._rows(index_from), self._rows(index_to), np.asarray(amount, float)
        )
        arrives = None if asset_to is None else self._asset(asset_to)
        self.requests.append(
            (source.ravel(), target.ravel(), self._asset(asset), amounts.ravel(), arrives, by)
        )

    def attach(self, network: Any, loans: Any = None) -> None:
        """Give access to what network and lenders publish, to own transfers and loans (the model does)."""
        self._network, self._loans, self._convertible = network, loans, None

    def transfers(self) -> NDArray[Any]:
        """Own transfers under way: id, from, to (own indices), asset, amount, sent, due (expected), in seconds."""
        if self._network is None or not self._network.in_transit.any():
            return np.zeros(0, pen.WAY)
        table = self._network.transfers
        slots = np.empty(len(table), np.int64)
        n = pen.under_way(table, self._own, slots)
        out = np.empty(n, pen.WAY)
        pen.ways(table, slots, self.rows, self._scales, out)
        return out

    def coming(self, index: Any, asset: Any) -> Floats:
        """What of an asset (name or id) is under way to own rows from others of them."""
        rows, assets, shape = self._pairs(index, self._asset(asset))
        out = np.zeros(shape)
        if self._network is None or not self._network.in_transit.any():
            return out
        table, flat = self._network.transfers, out if out.ndim == 1 else out.reshape(-1)
        slots = np.empty(len(table), np.int64)
        code = pen.coming(table, self._own, self.rows, rows, assets, self._scales, slots, flat)
        if code < 0:
            pen.complain(code)
        return out

    def overdue(self, index: Any = None) -> Floats:
        """Value-blind sum of own transfers past their expected time, by sending row, in asset units."""
        total, way = np.zeros(len(self.rows)), self.transfers()
        late = way[way["due"] < self.time]
        np.add.at(total, late["from"], late["amount"])
        return total if index is None else np.atleast_1d(total[index])

    def delay(self, source: str, target: str, asset: Any) -> float:
        """Published expected seconds of a direct transfer; inf if shut or not offered."""
        if self._network is None:
            return float("inf")
        return float(self._network.published_delay(source, target, self._asset(asset)))

    def paid_ahead(self, index: Any = None) -> NDArray[np.bool_]:
        """Whether a lender pays out now what leaves the places of own rows, whatever their venues let out."""
        places = np.atleast_1d(np.asarray(self.venue)[slice(None) if index is None else index])
        if self._network is None:
            return np.zeros(len(places), np.bool_)
        return np.asarray(self._network.paid_ahead[places], np.bool_)

    def bank_shut(self, source: str, target: str, asset: Any) -> bool:
        """Whether a direct transfer waits for a bank to open, as its published hours say."""
        if self._network is None:
            return False
        return bool(self._network.bank_shut(source, target, self._asset(asset)))

    def route(
        self, index_from: int, index_to: int, asset: Any, asset_to: Any = None, by: By = "listed"
    ) -> tuple[float, float, float]:
        """The way that a transfer would take now, as published: (seconds, fee, share of the amount that is taken).

        Args:
            index_from, index_to: own rows; the same one for a change of asset that comes back.
            asset_to: what is to arrive where an issuer on the way mints or redeems; None = the asset itself.
            by: how the way is chosen, as for a transfer.

        Seconds are inf where the way is shut or there is none; the fee is one of each transfer, in the asset.
        """
        net = self._network
        if net is None:
            return float("inf"), 0.0, 0.0
        sent = int(self._asset(asset))
        arrives = sent if asset_to is None else int(self._asset(asset_to))
        here, there = int(self.venue[index_from]), int(self.venue[index_to])
        path = list(net.ways.path(here, there, sent, arrives, by, int(self.owner[index_from])))
        if not path:
            return float("inf"), 0.0, 0.0
        fee, rate = (int(net.edges[what][path].sum()) for what in ("fee", "rate"))
        return sum(map(net.delay, path)), fee / float(self._scales[sent]), rate / RATE

    def convertible(self) -> frozenset[tuple[int, int]]:
        """Pairs of assets of which issuers, one after the other, turn the first into the second; for others there is no
        way, now or later."""
        if self._convertible is None:
            edges = (
                self._network.edges if self._network is not None else {"asset": _NO_IDS, "asset_to": _NO_IDS}
            )
            self._convertible = _closure(
                zip(edges["asset"].tolist(), edges["asset_to"].tolist(), strict=True)
            )
        return self._convertible

    @property
    def network(self) -> Self:
        """`me.network.delay(...)`, `me.network.route(...)`: the published state of the network."""
        return self

    # ---- coins borrowed and lent

    def offer_loans(self, index: Any, haircut: float, rate: float, notice: float) -> None:
        """Lend the coins of own rows at their venues from now on.

        Args:
            haircut: collateral beyond the coins' value, share. rate: interest a year. notice: seconds of a recall.
        """
        for row in self._rows(index).tolist():
            self.loan_requests.append(("offer", row, haircut, rate, notice))

    def recall(self, index: Any, asset: Any) -> None:
        """Ask for all coins of an asset that own rows have lent."""
        for row in self._rows(index).tolist():
            self.loan_requests.append(("recall", row, int(self._asset(asset))))

    def borrow(self, index: int, asset: Any, amount: float) -> None:
        """Borrow coins at the venue of an own row, as far as lenders there have them and its free money covers them."""
        a = int(self._asset(asset))
        units = int(amount * self._scales[a])
        self.loan_requests.append(("borrow", int(self.rows[index]), a, units))

    def repay(self, index: int, asset: Any, amount: float) -> None:
        """Give borrowed coins back, as far as they are there and owed."""
        a = int(self._asset(asset))
        self.loan_requests.append(("repay", int(self.rows[index]), a, round(amount * self._scales[a])))

    def debt(self, index: Any, asset: Any, recalled: bool = False) -> Floats:
        """Coins that own rows owe; only those that were recalled, if asked for."""
        rows, assets, shape = self._pairs(index, self._asset(asset))
        out = np.zeros(shape)
        if self._loans is None or not self._loans.open:
            return out
        flat, asked = out.reshape(-1), self.rows[rows]
        for (row, a), units in self._loans.owed(recalled).items():
            flat[(asked == row) & (assets == a)] = units / self._scales[a]
        return out

    def lendable(self, index: int, asset: Any) -> tuple[float, float, float]:
        """(coins that lenders offer at an own row's venue, haircut, interest a year); NaN where nobody lends."""
        if self._loans is None:
            return 0.0, float("nan"), float("nan")
        a = int(self._asset(asset))
        units, haircut, rate = self._loans.lendable(int(self.venue[index]), a)
        return units / float(self._scales[a]), haircut, rate
