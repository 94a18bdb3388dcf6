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

from abm.random import FOREVER, bits, stream_of, uniform
from abm.venue import Asset
from experiments.opening import FLAT, Opening, Past, along, pareto_sizes, read_past, smallest_size
from experiments.terms import Floats, Ints, Terms, terms

if TYPE_CHECKING:
    from experiments.config import Scenario

__all__ = ["Opening", "Plan", "open_accounts", "plan"]

FIXED_SEED = 20251010  # the key of all that is the same for every seed; any number would do
ATTEMPTS = 40  # redraws of a candidate that the path has liquidated; after that it opens at the last price


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
        self, entry: str, owner: NDArray[np.str_], venue: Ints, leverage: Any, isolated: Any, slot: str
    ) -> Ints:
        """Add rows and return their numbers; ``slot`` tells apart the rows of one owner in their keys."""
        n = len(venue)
        stream = stream_of(0, "row", entry, slot)
        self.add(
            entry=np.full(n, entry),
            owner=owner,
            venue=venue,
            key=bits(stream, _numbers(owner), FOREVER).view(np.int64),
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


class _Builder:
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


def cells_and_lots(build: _Builder, name: str, opening: Opening, goal: Ints) -> tuple[Ints, Ints, Ints]:
    """Venue, coin and lots of each account, largest first, summing exactly to ``goal`` in every book.

    Sizes follow a bounded Pareto law whose lower bound is chosen so that they fill the goal.  The first
    ``fixed`` are its expected order statistics, the others draws from below them.  Books are drawn in
    proportion to the goal, among those where the account is at most a tenth of it and within the largest
    bracket; the sizes of the drawn accounts of each book are then stretched to meet it.
    """
    t, n = build.terms, opening.accounts
    value = (goal * (t.price * t.lot)).ravel()
    cells = np.flatnonzero(value > 0)
    empty = np.zeros(0, np.int64)
    if n == 0 or len(cells) == 0:
        if len(cells):
            raise ValueError(
                f"population.{name}.opening.accounts: given 0, but {value.sum():.3g} USD to hold"
            )
        return empty, empty, empty
    coins = cells % len(t.coins)
    room = np.minimum(t.room(opening.room_at).ravel()[cells], opening.largest)
    fixed = min(opening.fixed, n)
    least = smallest_size(float(value.sum()), n, opening.size_index, opening.largest)
    at = np.empty(n)
    at[:fixed] = 1.0 - (np.arange(fixed) + 0.5) / n
    at[fixed:] = (1.0 - fixed / n) * build.draw(name, "size", n, 0)[fixed:]
    size = pareto_sizes(at, opening.size_index, least, opening.largest)
    bound = pareto_sizes(np.array([1.0 - fixed / n]), opening.size_index, least, opening.largest)[0]

    odds = value[cells] * (size[:, None] <= np.minimum(room, np.maximum(0.1 * value[cells], least)))
    odds[odds.sum(1) == 0] = value[cells] * (room == room.max())
    edges = odds.cumsum(1)
    drawn = build.draw(name, "book", n, fixed) * edges[:, -1]
    cell = (drawn[:, None] >= edges).sum(1)
    missing = np.setdiff1d(
        np.arange(len(cells)), cell
    )  # a small book that nobody drew gets the smallest accounts
    if len(missing):
        cell[np.argsort(size, kind="stable")[: len(missing)]] = missing
    per_lot = (t.price * t.lot)[coins[cell]]
    stretch = np.arange(n) >= (fixed if fixed < n else 0)
    limit = np.minimum(room[cell], bound) if fixed < n else room[cell]
    size = _stretched(np.minimum(size, room[cell]), cell, value[cells], stretch, limit)
    lots = _whole(size / per_lot, cell, goal.ravel()[cells], stretch)
    return cells[cell] // len(t.coins), coins[cell], lots


def _stretched(size: Floats, cell: Ints, goal: Floats, free: NDArray[np.bool_], limit: Floats) -> Floats:
    """Scale the free sizes of each cell towards its goal, none above its limit."""
    for _ in range(12):
        total = np.bincount(cell, size, len(goal))
        loose = free & (size < limit)
        movable = np.bincount(cell[loose], size[loose], len(goal))
        factor = np.divide(goal - total + movable, movable, out=np.ones_like(goal), where=movable > 0)
        size = np.where(loose, np.minimum(size * np.maximum(factor, 1e-6)[cell], limit), size)
    return size


def _whole(wanted: Floats, cell: Ints, goal: Ints, free: NDArray[np.bool_]) -> Ints:
    """Whole lots, at least one an account, that sum to the goal of each cell; fixed accounts stay."""
    lots = np.maximum(np.floor(wanted), 1).astype(np.int64)
    lots[~free] = np.maximum(np.rint(wanted[~free]), 1).astype(np.int64)
    for c in range(len(goal)):
        mine = np.flatnonzero(cell == c)
        open_ = mine[free[mine]] if free[mine].any() else mine
        short = int(goal[c] - lots[mine].sum())
        if short > 0:  # by largest remainder; what the limits kept out goes to all in proportion
            lots[open_] += np.floor(wanted[open_] / wanted[open_].sum() * short).astype(np.int64)
            short = int(goal[c] - lots[mine].sum())
            order = open_[np.argsort(-(wanted[open_] % 1.0), kind="stable")]
            lots[np.resize(order, short)] += 1 if short <= len(order) else 0
        elif short < 0:
            order = open_[np.argsort(-lots[open_], kind="stable")]
            for i in order:
                less = min(lots[i] - 1, -short)
                lots[i] -= less
                short += less
                if short == 0:
                    break
        if int(lots[mine].sum()) != goal[c]:
            lots[open_[0]] += goal[c] - lots[mine].sum()
    return lots


def entries(
    build: _Builder, name: str, opening: Opening, side: int, venue: Ints, coin: Ints, lots: Ints
) -> tuple[Floats, Floats]:
    """Entry price and collateral in dollars of positions opened along the past.

    A candidate whose liquidation price the path crossed between its opening and the start is drawn anew.
    Collateral is what puts the liquidation price at the drawn distance, or what the drawn leverage asks; in
    both cases at least what the brackets of one real contract ask at that size.
    """
    t, past, n = build.terms, build.past, len(coin)
    price, amount = t.price[coin], lots * t.lot[coin]
    first = max(0, len(past.low) - int(opening.hours * 60 / past.minutes))
    reach = t.by_class({k: v[1] for k, v in opening.distance.items()})[coin]
    near = t.by_class({k: v[0] for k, v in opening.distance.items()})[coin]
    entry, collateral = price.copy(), np.zeros(n)
    left = np.arange(n)
    for attempt in range(ATTEMPTS + 1):
        u = [
            build.draw(name, f"{p}/{attempt}", n, opening.fixed)[left] for p in ("time", "price", "distance")
        ]
        bar = np.minimum(first + (u[0] * (len(past.low) - first)).astype(np.int64), len(past.low) - 1)
        if attempt == ATTEMPTS:
            bar, u[1] = np.full(len(left), len(past.low) - 1), np.full(len(left), 0.5)
        c, q, p, v = coin[left], amount[left], price[left], venue[left]
        paid = along(p, t.beta[c], past, past.low[bar] + u[1] * (past.high[bar] - past.low[bar]))
        if opening.distance:
            at = p * (1.0 - side * (near[left] + u[2] * (reach - near)[left]))
            held = side * q * (paid - at) + t.maintenance(q * np.abs(at), c, v)
        else:
            held = q * paid / _leverages(opening, u[2])
        value = q * np.maximum(paid, p)
        held = np.maximum(held, value / np.minimum(t.max_leverage(value, c, v), opening.max_leverage))
        worst = along(p, t.beta[c], past, (past.low_after if side > 0 else past.high_after)[bar])
        worst = np.minimum(worst, p * (1 - FLAT)) if side > 0 else np.maximum(worst, p * (1 + FLAT))
        if (
            attempt == ATTEMPTS
        ):  # what cannot have lived through the path has just been opened, with room to live
            held = np.maximum(held, side * q * (paid - worst) + 1.05 * t.maintenance(q * worst, c, v))
        alive = held + side * q * (worst - paid) > t.maintenance(q * worst, c, v)
        entry[left], collateral[left] = paid, held
        left = left[~alive]
        if not len(left):
            break
    return entry, collateral


def _leverages(opening: Opening, u: Floats) -> Floats:
    """Leverage by inverting the mixture: a part by its weight, log-uniform inside it."""
    low, high, weight = (np.array(column, float) for column in zip(*opening.leverage, strict=True))
    edges = np.append(0.0, np.cumsum(weight) / weight.sum())
    part = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(low) - 1)
    inside = (u - edges[part]) / np.maximum(edges[part + 1] - edges[part], 1e-12)
    result: Floats = low[part] * (high[part] / low[part]) ** inside
    return result


def _accounts(build: _Builder, name: str, opening: Opening) -> None:
    """Directional and hedged entries: one position an account."""
    t = build.terms
    goal = build.goal(name, opening)
    build.taken[_side(opening)] += goal
    venue, coin, lots = cells_and_lots(build, name, opening, goal)
    n = len(venue)
    side = -1 if _side(opening) == "short" else 1
    entry, collateral = entries(build, name, opening, side, venue, coin, lots)
    owner = np.char.add(f"{name}/", np.arange(n).astype(str)) if n else np.zeros(0, "U1")
    isolated = build.draw(name, "isolated", n, opening.fixed) < opening.isolated
    amount = lots * t.lot[coin]
    user = np.clip(
        amount * entry / collateral, 1.0, np.maximum(t.max_leverage(amount * entry, coin, venue), 1.0)
    )
    row = build.parts.open(name, owner, venue, user, isolated, "main")
    build.place(row, coin, side * lots, entry)
    quotes = np.array(build.quotes)
    build.deposit(row, quotes[venue], collateral - _pledged(build, opening, row, venue, isolated, collateral))
    if opening.kind == "hedged" and n:
        _coins(build, name, opening, row, owner, venue, coin, amount)
    some = build.draw(name, "reserve", n, opening.fixed) < opening.reserve_accounts
    if opening.reserve > 0 and some.any():
        at = venue[some]
        if opening.reserve_at:
            at = np.full(len(at), t.venues.index(opening.reserve_at), np.int64)
        second = build.parts.open(name, owner[some], at, 1.0, False, "reserve")
        build.deposit(second, quotes[at], collateral[some] * opening.reserve)


def _pledged(
    build: _Builder, opening: Opening, row: Ints, venue: Ints, isolated: NDArray[np.bool_], collateral: Floats
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
    build: _Builder, name: str, opening: Opening, row: Ints, owner: NDArray[np.str_], venue: Ints, coin: Ints,
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


def _desks(build: _Builder, name: str, opening: Opening) -> None:
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
                    lots[mine] = one * _whole(wanted, zero, goal[v, c : c + 1], np.ones(len(mine), bool))
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
    build = _Builder(ground, quotes, assets, past, seed)
    for name, opening in sorted(openings.items(), key=lambda item: item[1].rest):
        (_desks if opening.kind == "desk" else _accounts)(build, name, opening)
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
