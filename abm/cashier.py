"""Between accounts and the network: what is sent is debited, what arrives is credited, and both are noted.

Money never rests here: what an account gives is on its way, given back, or somebody's fee. `send` is asked in assets;
all that is booked is integers of an asset's unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import ledger
from abm.institutions import Stations
from abm.layout import Records
from abm.names import Names
from abm.network import ACCEPTED, Network
from abm.notes import note_transfers
from abm.routes import By
from abm.state import State

Ints = NDArray[np.int64]

SPARE = 4  # holdings for which there is room beyond those that a batch may open


class Cashier:
    """Pays between rows and the network.

    Args:
        owners: all owners' names, whose keys are their identities for draws.
        scales: float64[assets], units in one of each asset.
        stations: rows of issuers and lenders.
    """

    def __init__(
        self, state: State, network: Network, owners: Names, scales: NDArray[np.float64], stations: Stations
    ) -> None:
        self._state, self._network = state, network
        self._owners, self._scales = owners, scales
        self.issuers, self.lenders = stations

    def send(
        self,
        source: Any,
        target: Any,
        asset: Any,
        amounts: Any,
        asset_to: Any = None,
        by: By = "listed",
    ) -> None:
        """Debit what may be withdrawn, hand it to the network, give back what it refuses.

        Args:
            source, target: int[n], rows of one owner each. asset, asset_to: what leaves, what is to arrive, ids.
            amounts: float[n], in assets. by: how the route is chosen, as of `Network.request`.
        """
        s = self._state
        owners = s.rows["owner"]
        same = (owners[source] == owners[target]) & (amounts > 0)
        same &= s.rows["gone"][source] == 0
        source, target = source[same], target[same]
        ids = np.broadcast_to(np.asarray(asset, np.int32), same.shape)[same]
        units = _whole_units(amounts[same] * self._scales[ids])
        source, ids = np.array(source, np.int32), np.array(ids, np.int32)
        ledger.debit(s.address, source, ids, units)
        some = np.flatnonzero(units > 0)
        if len(some) == 0:
            return
        source, target, ids, units = source[some], target[some], ids[some], units[some]
        sent_by, home = owners[source], s.rows["venue"][source]
        sent = self._network.request(
            source, target, home, s.rows["venue"][target], sent_by, ids, units, assets_to=asset_to, by=by,
            keys=self._owners.key[sent_by],
            events=note_transfers(s, "transfer_sent", source, ids, units, -1),
        )  # fmt: skip
        refused = sent.codes != ACCEPTED
        if refused.any():
            self._credit(source[refused], ids[refused], units[refused])
        if len(sent.charges):
            self._take_fees(home, ids, sent.charges)

    def _take_fees(self, home: Any, assets: Any, charges: Ints) -> None:
        """Credit fees on the way to the venues that charge them; the venue of whoever sends owes them.

        Args:
            home, assets: each request's node and asset. charges: as of `Sent`.
        """
        venues = self._network.venues
        request, node, fee = charges.T
        keeper = np.where(node < venues, node, 0)  # between free nodes: the first venue
        self._make_room(len(fee))
        self._credit(self._state.venues["fees"][keeper], assets[request], fee)
        self._network.claim(home[request], keeper, assets[request], fee)

    def settle_issuers(self) -> None:
        """An issuer takes in one asset and owes the other: its own row shows its reserve, and its supply below zero."""
        for edge, old, new, amount in self._network.conversions:
            row = self.issuers[edge]
            self._make_room()
            self._credit([row, row], [old, new], [amount, -amount])

    def pay_ahead(self) -> None:
        """A lender pays out what is still on its way, and will be repaid by it."""
        table = self._network.transfers
        for slot in self._network.advances:
            way = table[slot]
            if way["id"] < 0:
                continue
            lender = self.lenders[int(way["advanced"]), int(way["node_to"])]
            row, asset, amount = int(way["row_to"]), int(way["asset"]), int(way["amount"])
            self._make_room()
            self._credit([row, lender], [asset, asset], [amount, -amount])
            note_transfers(self._state, "transfer_arrived", [row], [asset], [amount], [int(way["event"])])
            table["row_to"][slot], table["event"][slot] = lender, -1  # what arrives is no more the sender's

    def receive(self, arrived: Records) -> None:
        """Credit what has arrived to whom it is for, and what was turned back to who sent it (`TRANSFER` records)."""
        if len(arrived) == 0:
            return
        self._make_room(len(arrived))
        for kind, row, which in (
            ("transfer_arrived", "row_to", ~arrived["back"]),
            ("transfer_returned", "row_from", arrived["back"]),
        ):
            those = arrived[which]
            if len(those):
                self._credit(those[row], those["asset"], those["amount"])
                note_transfers(self._state, kind, those[row], those["asset"], those["amount"], those["event"])

    def _make_room(self, batch: int = 0) -> None:
        self._state.grow("holdings", self._state.count("holdings") + batch + SPARE)

    def _credit(self, rows: Any, assets: Any, amounts: Any) -> None:
        ledger.credit(
            self._state.address,
            np.array(rows, np.int32),
            np.array(assets, np.int32),
            np.array(amounts, np.int64),
        )


def _whole_units(exact: NDArray[np.float64]) -> Ints:
    """Units of amounts, rounded down, but 2.01 dollars are 2,010,000 units though the product ends on ...999.9999."""
    near = np.rint(exact)
    off = np.abs(exact - near) > 1e-6 + 1e-12 * np.abs(exact)
    whole: Ints = np.where(off, np.floor(exact), near).astype(np.int64)
    return whole
