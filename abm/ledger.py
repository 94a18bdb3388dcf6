"""Opening accounts, moving money in and out of them, and the books of the whole economy that must balance.

For each asset: what all rows hold + what is on the way in the network = what was ever paid in. For each contract:
signed positions sum to zero, and open interest is the sum of the longs. `faults` says where that fails.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.accounts import change_position, ensure_holding, ensure_position, holding, touch
from abm.book import best_price, depth_of, side_base
from abm.collateral import collateral_at
from abm.jit import kernel
from abm.margin import spendable
from abm.names import Names
from abm.random import keys_of
from abm.state import LEVEL_BITS, LEVEL_MASK, NONE, State, views
from abm.units import RATE

Ints = NDArray[np.int64]
SPARE = 1 << 14  # records, more than a step asks room for


@kernel("void(i8,i4[::1],i4[::1],i8[::1])")
def credit(address, rows, assets, amounts):  # type: ignore[no-untyped-def]
    """Add amounts to balances, opening them where needed (room was made)."""
    s = views(address)
    for i in range(len(rows)):
        s.holdings[ensure_holding(s, rows[i], assets[i])].amount += amounts[i]
        touch(s, rows[i])


@kernel("void(i8,i4[::1],i4[::1],i8[::1])")
def debit(address, rows, assets, amounts):  # type: ignore[no-untyped-def]
    """Take amounts out of rows, each at most what may be withdrawn; `amounts` becomes what was taken.

    Withdrawable in the settlement asset: free margin, and no more than the wallet balance (unrealised profit stays);
    in other assets: what no order locks, and of collateral what the initial margin can spare.
    """
    s = views(address)
    for i in range(len(rows)):
        row = rows[i]
        h = holding(s, row, assets[i])
        if h == NONE:
            amounts[i] = 0
            continue
        most = spendable(s, row, assets[i])
        if amounts[i] > most:
            amounts[i] = most if most > 0 else 0
        s.holdings[h].amount -= amounts[i]
        touch(s, row)


@kernel("void(i8,i8,i4[::1],i8[::1],i8[::1])")
def open_positions(address, book, rows, lots, values):  # type: ignore[no-untyped-def]
    """Give rows positions entered at total values (> 0), paid from their settlement balances."""
    s = views(address)
    for i in range(len(rows)):
        if lots[i] == 0:
            continue
        h = ensure_holding(s, rows[i], s.books[book].quote)
        s.holdings[h].amount -= values[i] if lots[i] > 0 else -values[i]
        change_position(s, ensure_position(s, rows[i], book), lots[i], values[i])
        touch(s, rows[i])


VENUE = np.dtype(
    [
        (name, "f8")
        for name in (
            "liquidated_long", "liquidated_short", "adl", "takeover", "fund_cash", "fund_inventory", "fund_equity",
            "capital", "gateway_delay", "messages", "rejected",
        )
    ]
)  # fmt: skip


@kernel("void(i8,f8[::1],f8[:,::1])")
def tally(address, unit, out):  # type: ignore[no-untyped-def]
    """What every venue has counted in the step, and what its pools and its capital own; the counts begin anew.

    Of the pools together: wallet balance (with entry values), inventory at mark, equity; of the capital the equity.
    Collateral that was taken over is inventory, for what it counts.

    Args:
        unit: float64[venues], units of a dollar. out: float64[venues, fields of `VENUE`], dollars, seconds, messages.
    """
    s = views(address)
    for v in range(len(out)):
        venue = s.venues[v]
        out[v, 0], out[v, 1] = venue.liquidated_long / unit[v], venue.liquidated_short / unit[v]
        out[v, 2], out[v, 3] = venue.adl / unit[v], venue.takeover / unit[v]
        out[v, 4], out[v, 5], out[v, 6] = 0.0, 0.0, 0.0
        out[v, 8], out[v, 9], out[v, 10] = venue.delay / 1e6, venue.messages, venue.rejected
        venue.liquidated_long, venue.liquidated_short, venue.adl, venue.takeover = 0, 0, 0, 0
        venue.delay, venue.messages, venue.rejected = 0, 0, 0
        for k in range(-1, s.meta[0].pools):
            if k >= 0 and s.pools[k].venue != v:
                continue
            row = s.pools[k].row if k >= 0 else s.venues[v].capital
            h = holding(s, row, s.venues[v].settle)
            cash = np.float64(s.holdings[h].amount) if h != NONE else 0.0
            inventory, entry = 0.0, 0.0
            p = s.rows[row].positions
            while p != NONE:
                bk = s.books[s.positions[p].book]
                inventory += (
                    np.float64(s.positions[p].qty) * np.float64(bk.unit) * np.float64(bk.mark) / 1024.0
                )
                entry += np.float64(s.positions[p].entry)
                p = s.positions[p].next
            if s.venues[v].collaterals != 0:
                inventory += np.float64(collateral_at(address, row, 0))
            if k >= 0:
                out[v, 4] += (cash + entry) / unit[v]
                out[v, 5] += inventory / unit[v]
                out[v, 6] += (cash + inventory) / unit[v]
            else:
                out[v, 7] = (cash + inventory) / unit[v]


@kernel("b1(i8,i8)")
def roomy(address, spare):  # type: ignore[no-untyped-def]
    """Whether every table that a batch of messages may fill has room for `spare` more records, and the scratch tables
    are as large as anything that may be ranked."""
    s = views(address)
    m = s.meta[0]
    return (
        m.orders + spare <= len(s.orders)
        and m.levels + spare <= len(s.levels)
        and m.positions + spare <= len(s.positions)
        and m.holdings + spare <= len(s.holdings)
        and m.events + spare <= len(s.events)
        and m.requests + spare <= len(s.requests)
        and (m.keep_fills == 0 or m.fills + 2 * m.live_orders + spare <= len(s.fills))
        and len(s.positions) + m.rows + 64 <= min(len(s.ranking), len(s.scores), len(s.sorted))
    )


@kernel("b1(i8)")
def any_limit(address):  # type: ignore[no-untyped-def]
    """Whether a venue takes only so many messages of an owner, so that they are counted."""
    s = views(address)
    count = 0
    for v in range(s.meta[0].venues):
        count += s.venues[v].rate_limit != 0
    return count > 0


@kernel("i8(i8)")
def crossed_books(address):  # type: ignore[no-untyped-def]
    """How many books that trade have a bid at or above the best offer; a call auction collects such bids."""
    s = views(address)
    count = 0
    for b in range(s.meta[0].books):
        bid, ask = best_price(s, b, 1), best_price(s, b, -1)
        if bid != 0 and ask != 0 and bid >= ask and s.books[b].halted == 0:
            count += 1
    return count


@kernel("i8(i8)")
def wrong_depths(address):  # type: ignore[no-untyped-def]
    """Of how many sides of books the depth kept for the public record is not what their levels hold."""
    s = views(address)
    count = 0
    for b in range(s.meta[0].books):
        for k in range(2):
            side = 1 - 2 * k
            base, near = side_base(s, b, side), s.near[2 * b + k]
            lots0, lots1, lots2, lots3 = near.lots0, near.lots1, near.lots2, near.lots3
            for i in range(depth_of(s, b, side)):
                rank, lots = s.keys[base + i] >> LEVEL_BITS, s.levels[s.keys[base + i] & LEVEL_MASK].qty
                lots0 -= lots if rank >= near.bound0 else 0
                lots1 -= lots if rank >= near.bound1 else 0
                lots2 -= lots if rank >= near.bound2 else 0
                lots3 -= lots if rank >= near.bound3 else 0
            count += lots0 != 0 or lots1 != 0 or lots2 != 0 or lots3 != 0
    return count


def _initial_rate(leverage: NDArray[np.float64]) -> NDArray[np.int32]:
    """Initial margin as a rate of 1e-8."""
    return np.rint(RATE / np.maximum(leverage, 1.0)).astype(np.int32)


class Accounts:
    """The rows of a model: opened by name, looked up by owner, paid into, and checked.

    Attributes:
        owner_names: names, by owner number.
    """

    def __init__(self, state: State, node_names: list[str], asset_names: list[str], scales: Any) -> None:
        self.state = state
        self.node_names = node_names
        self.asset_names = asset_names
        self.scales = np.asarray(scales, np.int64)
        self.owner_names = Names()
        self.participants: list[str] = []
        self.minted = np.zeros(len(asset_names), np.int64)
        self._leverage = np.full(len(node_names), 20.0)

    def set_leverage(self, leverage: list[float]) -> None:
        """Default leverage by node."""
        self._leverage[: len(leverage)] = leverage

    def participant_id(self, name: str) -> int:
        """Number of a participant by name, made at first use."""
        if name not in self.participants:
            self.participants.append(name)
        return self.participants.index(name)

    def open(
        self,
        owner: Any,
        venue: Any,
        participant: str,
        key: Any = None,
        leverage: Any = None,
        isolated: Any = False,
        exempt: bool = False,
    ) -> NDArray[np.int32]:
        """Open margin accounts.

        Args:
            owner: names (or numbers) of owners; rows of one owner at several venues share its name.
            venue: node ids or names. participant: who decides for them.
            key: int64 identities for random draws; by default a hash of owner and venue.
            leverage: user leverage (initial margin = 1/leverage), NaN or None = the venue's default.
            isolated: the account is the margin of the one contract it first holds.
            exempt: a venue's own row, without margin.

        Returns: int32 row numbers.
        """
        if isinstance(venue, str):
            venue = self.node_names.index(venue)
        venues = np.atleast_1d(np.asarray(venue))
        if venues.dtype.kind in "US":
            venues = np.array([self.node_names.index(str(v)) for v in venues])
        n = max(len(venues), np.atleast_1d(np.asarray(owner)).size)
        venues = np.broadcast_to(venues, n).astype(np.int32)
        owners = np.broadcast_to(self.owner_names.numbers(np.atleast_1d(np.asarray(owner))), n)
        if key is None:
            named = zip(owners, venues, strict=True)
            key = keys_of(f"{self.owner_names[o]}@{self.node_names[v]}" for o, v in named)
        s = self.state
        first = s.count("rows")
        for table in ("rows", "touched", "changed", "queue", "leaning", "debtors"):
            s.grow(table, first + n + 1)
        rows = np.arange(first, first + n, dtype=np.int32)
        record = s.rows[first : first + n]
        record["owner"], record["venue"] = owners, venues
        record["key"] = np.broadcast_to(np.asarray(key, np.int64), n)
        record["participant"] = self.participant_id(participant)
        record["imr"] = _initial_rate(self._leverage)[venues]
        if leverage is not None:
            chosen = np.broadcast_to(np.asarray(leverage, float), n)
            given = np.isfinite(chosen)
            record["imr"][given] = _initial_rate(chosen[given])
        record["positions"] = record["holdings"] = record["orders"] = NONE
        record["only"] = np.where(np.broadcast_to(isolated, n), -2, NONE)
        record["exempt"] = exempt
        s.meta["rows"] = first + n
        self._room()
        return rows

    def _room(self) -> None:
        """Scratch tables as large as anything that may be ranked."""
        s = self.state
        for table in ("ranking", "scores", "sorted"):
            s.grow(table, len(s.positions) + s.count("rows") + 64)

    def _make_room(self, rows: int) -> None:
        """Tables for so many more, and for what the first steps open: to double them there would cost as much again."""
        self.state.grow("holdings", self.state.count("holdings") + rows + SPARE)
        self.state.grow("positions", self.state.count("positions") + rows + SPARE)
        self._room()

    def deposit(self, rows: Any, asset: str | int, amounts: Any) -> None:
        """Pay new money in: floats are whole assets, integers are units. Counts as minted."""
        a = self.asset_names.index(asset) if isinstance(asset, str) else int(asset)
        rows = np.atleast_1d(np.asarray(rows, np.int32))
        amounts = np.asarray(amounts)
        if amounts.dtype.kind == "f":
            amounts = np.rint(amounts * float(self.scales[a]))
        units = np.array(np.broadcast_to(amounts, rows.shape), np.int64)
        self._make_room(len(rows))
        credit(self.state.address, np.array(rows), np.full(len(rows), a, np.int32), units)
        self.minted[a] += int(units.sum())

    def place(self, rows: Any, book: int, lots: Any, entry_price: Any) -> None:
        """Initial positions: signed lots entered at prices (in the quote asset); longs and shorts must match.

        The value is moved like a trade's, so the sum of balances changes by what longs and shorts entered apart: it is
        counted as minted (or burnt) in the past.
        """
        s = self.state
        bk = s.books[book]
        rows = np.array(np.atleast_1d(rows), np.int32)
        lots = np.array(np.broadcast_to(np.asarray(lots, np.int64), rows.shape))
        if int(lots.sum()) != 0:
            raise ValueError(
                f"book {book}: longs and shorts differ by {int(lots.sum())} lots, a matched book expected"
            )
        tick_value = float(bk["unit"])
        prices = np.broadcast_to(np.asarray(entry_price, float), rows.shape)
        exact = np.abs(lots) * (prices / self._ticks[book])
        exact *= tick_value
        values = np.rint(exact, out=exact).astype(np.int64)
        del exact  # not beside a million new positions
        self._make_room(len(rows))
        open_positions(s.address, book, rows, lots, values)
        only = s.rows["only"][rows]
        s.rows["only"][rows] = np.where(only == -2, book, only)
        self.minted[int(bk["quote"])] -= int(np.sign(lots) @ values)

    def set_ticks(self, ticks: Any) -> None:
        """Tick of every book in the quote asset (the model does)."""
        self._ticks = np.asarray(ticks, float)

    def totals(self) -> Ints:
        """What all rows hold, by asset, in units."""
        s = self.state
        used = s.holdings[: s.count("holdings")]
        total = np.zeros(len(self.asset_names), np.int64)
        np.add.at(total, used["asset"], used["amount"])
        return total

    def faults(self, in_transit: Any) -> list[str]:
        """Everything that does not balance, one line each; empty when all is well."""
        s = self.state
        lines: list[str] = []
        off = self.totals() + np.asarray(in_transit, np.int64) - self.minted
        for a in np.flatnonzero(off):
            lines.append(f"{self.asset_names[a]}: {off[a]} units too many in accounts and on the way")
        p = s.positions[: s.count("positions")]
        n = s.count("books")
        net, longs = np.zeros(n, np.int64), np.zeros(n, np.int64)
        np.add.at(net, p["book"], p["qty"])
        np.add.at(longs, p["book"], np.maximum(p["qty"], 0))
        for b in np.flatnonzero(net):
            lines.append(f"book {b}: positions sum to {net[b]} lots instead of zero")
        for b in np.flatnonzero(longs != s.books["open_interest"][:n]):
            lines.append(f"book {b}: open interest {s.books['open_interest'][b]} lots, longs hold {longs[b]}")
        live = s.orders[: s.count("orders")]
        live = live[live["live"] == 1]
        perp = live[live["position"] >= 0]
        for side, field in ((1, "buys"), (-1, "sells")):
            open_lots = np.zeros(len(p), np.int64)
            mine = perp[perp["side"] == side]
            np.add.at(open_lots, mine["position"], mine["qty"])
            for i in np.flatnonzero(open_lots != p[field])[:5]:
                lines.append(
                    f"row {p['row'][i]}: {field} {p[field][i]} lots, its orders sum to {open_lots[i]}"
                )
        if len(live) != s.count("live_orders"):
            lines.append(f"{len(live)} live orders, {s.count('live_orders')} counted")
        crossed = crossed_books(s.address)
        if crossed:
            lines.append(f"{crossed} books crossed")
        wrong = wrong_depths(s.address)
        if wrong:
            lines.append(f"{wrong} sides of books whose depth is not what rests in them")
        locked = s.holdings["locked"][: s.count("holdings")]
        if (locked < 0).any():
            lines.append("a negative locked balance")
        return lines
