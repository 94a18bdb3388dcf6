"""The initial state: who holds what, with how much collateral, when the clock starts.

Every perpetual book is matched: long open interest equals short open interest, lot for lot, and both equal
the contract's open interest times the venue's share.  Each population entry states its part (`Opening`); one
entry a side may take the rest.  Draws are keyed by the entry's name and the account's number: taking out one
entry leaves the others as they were (but for the one that takes the rest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm.random import FOREVER, bits, key_of, stream_of, uniform
from abm.venue import Asset
from experiments import position_table
from experiments.entry_prices import Leg, entries
from experiments.opening import Opening, Past, read_past
from experiments.position_sizes import cells_and_lots, whole_lots
from experiments.terms import Floats, Ints, Terms, terms

if TYPE_CHECKING:
    from experiments.config import Scenario

__all__ = ["Opening", "Plan", "open_accounts", "plan"]

FIXED_SEED = 20251010  # the key of all that is the same for every seed; any number would do


@dataclass(eq=False)
class Plan:
    """The initial state as arrays; ``quotes`` = settlement asset of each venue, ``unit`` = units in one of each asset,
    ``worth`` = its dollars.

    Rows (n): ``entry``, ``kind``, ``owner`` (names), ``venue`` (index), ``key``, ``leverage``, ``isolated``.
    Positions (p): ``position_row``, ``coin`` (index), ``lots`` (signed), ``price`` (entry, dollars).
    Deposits (d): ``deposit_row``, ``asset`` (name), ``units`` (int64, the asset's own unit).
    """

    terms: Terms
    quotes: list[str]
    unit: dict[str, float]
    worth: dict[str, float]
    entry: NDArray[np.str_]
    kind: NDArray[np.str_]
    owner: NDArray[np.str_]
    venue: Ints
    key: Ints
    leverage: Floats
    isolated: NDArray[np.bool_]
    position_row: Ints
    coin: Ints
    lots: Ints
    price: Floats
    deposit_row: Ints
    asset: NDArray[np.str_]
    units: Ints


@dataclass
class _Parts:
    """Columns of a plan under construction, one array a population entry and kind of row."""

    rows: int = 0
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, **columns: Any) -> None:
        for name, values in columns.items():
            self.columns.setdefault(name, []).append(np.asarray(values))

    def open(
        self, entry: str, owner: NDArray[np.str_], venue: Ints, leverage: Any, isolated: Any, slot: str,
        number: Ints | None = None,
    ) -> Ints:  # fmt: skip
        """Add rows and return their numbers; ``slot`` tells apart the rows of one owner in their keys, which are made
        of its ``number``, by default that at the end of its name."""
        n = len(venue)
        stream = stream_of(0, "row", entry, slot)
        self.add(
            entry=np.full(n, entry),
            owner=owner,
            venue=venue,
            key=bits(stream, _numbers(owner) if number is None else number, FOREVER).view(np.int64),
            leverage=np.broadcast_to(np.asarray(leverage, float), n),
            isolated=np.broadcast_to(np.asarray(isolated, bool), n),
        )
        self.rows += n
        return np.arange(self.rows - n, self.rows, dtype=np.int64)

    def joined(self, name: str, dtype: Any) -> Any:
        parts = self.columns.get(name, [])
        return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _numbers(owner: NDArray[np.str_]) -> Ints:
    """The number at the end of each owner's name (``entry/17``)."""
    return np.char.rpartition(owner, "/")[:, 2].astype(np.int64) if len(owner) else np.zeros(0, np.int64)


MOST_UNITS = 2.0**61  # of one asset in all accounts: a quarter of what a 64-bit integer holds


class Builder:
    """What every kind of opening needs: terms, path, assets, the seed, and the lots taken so far."""

    def __init__(
        self, ground: Terms, quotes: list[str], assets: Mapping[str, Asset], past: Past, seed: int
    ) -> None:
        self.terms, self.quotes, self.past, self.seed = ground, quotes, past, seed
        self.unit = {name: 10.0**asset.decimals for name, asset in assets.items()}
        self.worth = {name: asset.value for name, asset in assets.items()}
        self.parts = _Parts()
        self.paid = dict.fromkeys(assets, 0.0)
        self.taken = {"long": np.zeros_like(ground.lots), "short": np.zeros_like(ground.lots)}

    def draw(self, entry: str, purpose: str, n: int, fixed: int) -> Floats:
        """Uniform draws of n accounts; the first ``fixed`` of them do not depend on the seed."""
        numbers = np.arange(n, dtype=np.int64)
        drawn = uniform(stream_of(self.seed, "opening", entry, purpose), numbers)
        same = min(fixed, n)
        drawn[:same] = uniform(stream_of(FIXED_SEED, "opening", entry, purpose), numbers[:same])
        return drawn

    def where(self, opening: Opening) -> NDArray[np.bool_]:
        """bool[V, C]: the perpetual books the entry may be in."""
        t = self.terms
        at = np.array([not opening.venues or v in opening.venues for v in t.venues])
        of = np.array([not opening.coins or c in opening.coins for c in t.coins])
        return t.lists_perp & at[:, None] & of[None, :]

    def goal(self, name: str, opening: Opening) -> Ints:
        """int64[V, C]: lots that the entry is to hold on its side."""
        t = self.terms
        if opening.rest:
            side = _side(opening)
            left = t.lots - self.taken[side]
            if (left < 0).any():
                v, c = np.argwhere(left < 0)[0]
                raise ValueError(
                    f"population.{name}.opening: nothing left of the {side} side of"
                    f" {t.venues[v]}:{t.coins[c]}-PERP, the other entries take"
                    f" {self.taken[side][v, c] / max(t.lots[v, c], 1):.3f} of it"
                )
            return np.where(self.where(opening), left, 0)
        share = np.broadcast_to(t.by_class(opening.share), t.lots.shape).copy()
        for venue, value in opening.venue_share.items():
            if venue in t.venues:
                share[t.venues.index(venue)] = value
        return np.rint(share * np.where(self.where(opening), t.lots, 0)).astype(np.int64)

    def deposit(self, row: Ints, asset: Any, amount: Floats) -> None:
        """Amounts in dollars or coins, rounded up to the asset's unit."""
        names = np.broadcast_to(np.asarray(asset), len(row))
        scale = np.array([self.unit[name] for name in np.unique(names)])
        whole = np.ceil(amount * scale[np.unique(names, return_inverse=True)[1]])
        for name in np.unique(names):
            self.paid[name] += float(whole[names == name].sum())
            if not self.paid[name] < MOST_UNITS:
                raise ValueError(
                    f"population.*.opening: accounts with {self.paid[name] / self.unit[name]:.3g} {name} in all,"
                    f" expected at most {MOST_UNITS / self.unit[name]:.3g}: more do not fit in 64 bits"
                )
        units = whole.astype(np.int64)
        keep = units > 0
        self.parts.add(deposit_row=row[keep], asset=names[keep], units=units[keep])

    def place(self, row: Ints, coin: Ints, lots: Ints, price: Floats) -> None:
        keep = lots != 0
        self.parts.add(position_row=row[keep], coin=coin[keep], lots=lots[keep], price=price[keep])


def _side(opening: Opening) -> str:
    return "short" if opening.kind == "hedged" else opening.side


def _accounts(build: Builder, name: str, opening: Opening) -> None:
    """Directional and hedged entries: one position an account, and with ``against`` a second one on the other side."""
    t = build.terms
    goal = build.goal(name, opening)
    build.taken[_side(opening)] += goal
    venue, coin, lots = cells_and_lots(build, name, opening, goal)
    n = len(venue)
    side = -1 if _side(opening) == "short" else 1
    amount = lots * t.lot[coin]
    legs = [Leg(side, coin, amount)]
    if opening.against:
        legs.append(_other_leg(build, opening, legs[0], venue))
    paid, collateral = entries(build, name, opening, venue, legs)
    owner = np.char.add(f"{name}/", np.arange(n).astype(str)) if n else np.zeros(0, "U1")
    isolated = build.draw(name, "isolated", n, opening.fixed) < opening.isolated
    values = [leg.amount * price for leg, price in zip(legs, paid, strict=True)]
    allowed = [t.max_leverage(value, leg.coin, venue) for leg, value in zip(legs, values, strict=True)]
    user = np.clip(sum(values) / collateral, 1.0, np.maximum(np.min(allowed, axis=0), 1.0))
    row = build.parts.open(name, owner, venue, user, isolated, "main")
    for leg, price in zip(legs, paid, strict=True):
        build.place(row, leg.coin, leg.sign * np.rint(leg.amount / t.lot[leg.coin]).astype(np.int64), price)
    quotes = np.array(build.quotes)
    build.deposit(row, quotes[venue], collateral - _pledged(build, opening, row, venue, isolated, collateral))
    if opening.kind == "hedged" and n:
        _coins(build, name, opening, row, owner, venue, coin, amount)
    some = build.draw(name, "reserve", n, opening.fixed) < opening.reserve_accounts
    if opening.reserve > 0 and some.any():
        _reserves(build, name, opening, owner[some], venue[some], collateral[some])


def _other_leg(build: Builder, opening: Opening, leg: Leg, venue: Ints) -> Leg:
    """Positions on the other side in the coin ``against``, where the account's venue lists it and it holds another."""
    t = build.terms
    c = t.coins.index(opening.against)
    value = opening.against_share * leg.amount * t.price[leg.coin]
    lots = np.rint(value / (t.price[c] * t.lot[c])).astype(np.int64)
    lots[~t.lists_perp[venue, c] | (leg.coin == c)] = 0
    np.add.at(build.taken["short" if leg.sign > 0 else "long"][:, c], venue, lots)
    return Leg(-leg.sign, np.full(len(venue), c, np.int64), lots * t.lot[c])


def _reserves(
    build: Builder, name: str, opening: Opening, owner: NDArray[np.str_], venue: Ints, collateral: Floats,
    number: Ints | None = None,
) -> None:  # fmt: skip
    """Money of these owners elsewhere, in proportion to their collateral."""
    at = venue
    if opening.reserve_at:
        at = np.full(len(at), build.terms.venues.index(opening.reserve_at), np.int64)
    second = build.parts.open(name, owner, at, 1.0, False, "reserve", number)
    build.deposit(second, np.array(build.quotes)[at], collateral * opening.reserve)


def _table(build: Builder, name: str, opening: Opening) -> None:
    """The accounts of a table: an owner's cross positions at a venue in one row, isolated ones each in their own.

    Raises ValueError with the first fault of the file; `experiments.checks` has told all of them before.
    """
    t = build.terms
    table, faults = position_table.read(opening.file, opening.sha256, t)
    if table is None:
        raise ValueError(f"population.{name}.opening.file: {opening.file}, {faults[0]}")
    signed = table.lots * t.lot[table.coin] * t.price[table.coin]
    net = np.bincount(table.account, signed, len(table.owner))
    chosen = np.flatnonzero({"all": net == net, "long": net >= 0, "short": net < 0}[opening.which])
    place = np.full(len(net), -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    keep = place[table.account] >= 0
    account, venue, coin, lots, price = (
        x[keep] for x in (place[table.account], table.venue, table.coin, table.lots, table.price)
    )
    value = np.abs(lots) * t.lot[coin] * np.maximum(price, t.price[coin])
    margin = np.maximum(table.margin[keep], value / opening.max_leverage)
    n = len(chosen)
    collateral = np.bincount(account, margin, n)
    least = np.full(n, np.inf)  # what the venue allows for all of its positions
    np.minimum.at(least, account, t.max_leverage(value, coin, venue))
    user = np.clip(np.bincount(account, value, n) / collateral, 1.0, np.maximum(least, 1.0))
    names = [table.owner[i] for i in chosen]
    number = np.array([key_of(owner) for owner in names], np.int64)
    owner = np.array([f"{name}/{one}" for one in names], dtype=np.str_)
    at, alone = table.at[chosen], table.alone[chosen]
    row = np.empty(n, np.int64)
    heads = np.unique(account, return_index=True)[1]
    for c in (
        -1,
        *np.unique(coin[heads[alone]]),
    ):  # the rows of an owner at a venue are told apart by their contract
        some = np.flatnonzero(~alone if c < 0 else alone & (coin[heads] == c))
        slot = f"{t.coins[c]}" if c >= 0 else "main"
        for v in np.unique(at[some]):
            here = some[at[some] == v]
            row[here] = build.parts.open(
                name, owner[here], at[here], user[here], alone[here], f"{t.venues[v]}/{slot}", number[here]
            )
    build.place(row[account], coin, lots, price)
    build.deposit(row, np.array(build.quotes)[at], collateral)
    for side, sign in (("long", 1), ("short", -1)):
        np.add.at(build.taken[side], (venue, coin), np.maximum(sign * lots, 0))
    if opening.reserve > 0:
        luck = uniform(stream_of(build.seed, "opening", name, "reserve"), number)
        some = np.flatnonzero((luck < opening.reserve_accounts) & ~alone)
        _reserves(build, name, opening, owner[some], at[some], collateral[some], number[some])


def _pledged(
    build: Builder, opening: Opening, row: Ints, venue: Ints, isolated: NDArray[np.bool_], collateral: Floats
) -> Floats:
    """Deposit the share of the collateral that lies in other assets, as much as counts for it; returns its value."""
    value = np.zeros(len(row))
    for asset, share in opening.pledged.items():
        counts = np.array([accepted.get(asset, 0.0) for accepted in build.terms.counts])[venue]
        mine = ~isolated & (counts > 0)
        if mine.any():
            build.deposit(row[mine], asset, share * collateral[mine] / (counts[mine] * build.worth[asset]))
        value += np.where(mine, share * collateral, 0.0)
    return value


def _coins(
    build: Builder, name: str, opening: Opening, row: Ints, owner: NDArray[np.str_], venue: Ints, coin: Ints,
    amount: Floats,
) -> None:  # fmt: skip
    """The coins of hedged accounts: in the same row, or in a row at another venue with the spot book."""
    t = build.terms
    n = len(row)
    away = ~t.lists_spot[venue, coin] | (build.draw(name, "apart", n, opening.fixed) < opening.apart)
    odds = t.lists_spot[:, coin].T * t.spot_share  # [n, V]
    other = odds * (np.arange(len(t.venues)) != venue[:, None])
    odds = np.where(other.sum(1, keepdims=True) > 0, other, odds)
    edges = odds.cumsum(1)
    away &= edges[:, -1] > 0
    where = (build.draw(name, "where", n, opening.fixed)[:, None] * edges[:, -1:] >= edges).sum(1)
    where = np.minimum(where, len(t.venues) - 1)
    holder = row.copy()
    if away.any():
        holder[away] = build.parts.open(name, owner[away], where[away], 1.0, False, "coins")
    build.deposit(holder, np.array(t.coins)[coin], amount)


def _desks(build: Builder, name: str, opening: Opening) -> None:
    """Owners with a row, cash and coins at every venue; initial inventories long and short in equal parts."""
    t, n = build.terms, opening.accounts
    if n == 0:
        return
    at = [v for v in range(len(t.venues)) if not opening.venues or t.venues[v] in opening.venues]
    of = np.array([not opening.coins or coin in opening.coins for coin in t.coins])
    weight = opening.unequal ** (np.arange(n) / max(n - 1, 1))
    weight = weight / weight.sum()
    owner = np.char.add(f"{name}/", np.arange(n).astype(str))
    goal = build.goal(name, opening)
    if n == 1 and goal.any():
        raise ValueError(
            f"population.{name}.opening.share: given to one owner, who would be both sides of the book"
        )
    most = min(float(t.leverage.max()), opening.max_leverage)
    if opening.reserve_at:
        home = np.full(n, t.places.index(opening.reserve_at), np.int64)
        build.parts.open(name, owner, home, 1.0, False, opening.reserve_at)
    for v in at:
        traded = (t.lists_perp[v] | t.lists_spot[v]) & of
        if not traded.any():
            continue
        row = build.parts.open(name, owner, np.full(n, v, np.int64), most, False, t.venues[v])
        size = np.maximum(t.lists_perp[v] * t.share[v], t.lists_spot[v] * t.spot_share[v]) * of
        cash = float((t.by_class(opening.cash) * t.open_interest * size).sum())
        build.deposit(row, build.quotes[v], weight * cash)
        for c in np.flatnonzero(traded):
            coins = t.by_class(opening.inventory)[c] * t.open_interest[c] * t.spot_share[v] / t.price[c]
            if t.coins[c] in build.quotes:  # another venue's money, with a book here, is held like money
                coins = cash / t.price[c]
            if t.lists_spot[v, c]:
                build.deposit(row, t.coins[c], weight * coins)
            if goal[v, c]:
                # the pattern changes from book to book: an owner is long in one venue and short in another
                sign = np.where((np.arange(n) + _parity(t.venues[v]) + _parity(t.coins[c])) % 2 == 0, 1, -1)
                lots = np.zeros(n, np.int64)
                for one in (1, -1):
                    mine = np.flatnonzero(sign == one)
                    wanted = weight[mine] / weight[mine].sum() * goal[v, c]
                    zero = np.zeros(len(mine), np.int64)
                    lots[mine] = one * whole_lots(wanted, zero, goal[v, c : c + 1], np.ones(len(mine), bool))
                build.place(row, np.full(n, c, np.int64), lots, np.full(n, t.price[c]))
    build.taken["long"] += goal
    build.taken["short"] += goal


def _parity(name: str) -> int:
    return sum(name.encode()) % 2


def plan(
    openings: Mapping[str, Opening], ground: Terms, quotes: list[str], assets: Mapping[str, Asset],
    past: Past, seed: int,
) -> Plan:  # fmt: skip
    """The initial state of all entries.

    Args:
        openings: by entry name; entries that take the rest come last whatever their place.
        ground: contracts and venues as arrays; ``quotes`` the settlement asset of each venue.
        assets: for their units.
        past: BTC's mark before the start.
        seed: the run's; what is ``fixed`` does not depend on it.

    Raises:
        ValueError: a side of a book does not add up; the message names the entry or the book.
    """
    build = Builder(ground, quotes, assets, past, seed)
    for name, opening in sorted(openings.items(), key=lambda item: item[1].rest):
        {"desk": _desks, "file": _table}.get(opening.kind, _accounts)(build, name, opening)
    for side, taken in build.taken.items():
        gap = np.argwhere(taken != ground.lots)
        if len(gap) and ground.lots.any():
            v, c = gap[0]
            raise ValueError(
                f"population: the {side} side of {ground.venues[v]}:{ground.coins[c]}-PERP holds"
                f" {taken[v, c]} lots of {ground.lots[v, c]}; give one entry of that side rest = true"
            )
    joined = build.parts.joined
    entry = joined("entry", "U1")
    kinds = {name: opening.kind for name, opening in openings.items()}
    names, inverse = np.unique(entry, return_inverse=True)
    integer = {name: joined(name, np.int64) for name in ("venue", "key", "position_row", "coin", "lots")}
    return Plan(
        terms=ground,
        quotes=quotes,
        unit=build.unit,
        worth=build.worth,
        entry=entry,
        kind=np.array([kinds[name] for name in names])[inverse] if len(names) else entry,
        owner=joined("owner", "U1"),
        leverage=joined("leverage", float),
        isolated=joined("isolated", bool),
        price=joined("price", float),
        deposit_row=joined("deposit_row", np.int64),
        asset=joined("asset", "U1"),
        units=joined("units", np.int64),
        **integer,
    )


def planned(scenario: Scenario, seed: int) -> Plan:
    """The initial state of a scenario as plain arrays, before any model exists."""
    openings = {
        name: entry.opening for name, entry in scenario.population.items() if entry.opening is not None
    }
    ground = terms(scenario.contracts, scenario.venues, scenario.network.nodes)
    quotes = [venue.quote for venue in scenario.venues.values()]
    return plan(openings, ground, quotes, scenario.assets, read_past(scenario.clock.start), seed)


def open_accounts(scenario: Scenario, model: Any, participants: Any, seed: int) -> Plan:
    """Open all accounts of a scenario in a model, with their money and positions; returns what was opened.

    Args:
        scenario: a checked scenario.
        model: a new `abm.model.CascadeModel` with its books.
        participants: names (or a mapping by name) of the population entries that take part.
        seed: the run's seed.
    """
    state = planned(scenario, seed)
    rows = np.zeros(len(state.venue), np.int32)
    for name in dict.fromkeys(state.entry.tolist()):
        if name not in participants:
            raise ValueError(f"population.{name}: has an opening but takes no part in the model")
        mine = np.flatnonzero(state.entry == name)
        rows[mine] = model.accounts.open(
            owner=state.owner[mine],
            venue=state.venue[mine],
            participant=name,
            key=state.key[mine],
            leverage=state.leverage[mine],
            isolated=state.isolated[mine],
        )
    for asset in np.unique(state.asset):
        mine = np.flatnonzero(state.asset == asset)
        model.accounts.deposit(rows[state.deposit_row[mine]], str(asset), state.units[mine])
    t = state.terms
    book = state.venue[state.position_row] * len(t.coins) + state.coin
    for b in np.unique(book):
        mine = np.flatnonzero(book == b)
        name = f"{t.venues[b // len(t.coins)]}:{t.coins[b % len(t.coins)]}-PERP"
        model.accounts.place(
            rows[state.position_row[mine]], model.book_id(name), state.lots[mine], state.price[mine]
        )
    return state
