"""How large the positions of an entry are, and in which books: a law of sizes that fills every book to the lot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.opening import Opening, pareto_sizes, smallest_size
from experiments.terms import Floats, Ints

if TYPE_CHECKING:
    from experiments.population import Builder


def cells_and_lots(build: Builder, name: str, opening: Opening, goal: Ints) -> tuple[Ints, Ints, Ints]:
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
    if not each_held(cell, size, len(cells)):
        raise ValueError(
            f"population.{name}.opening.accounts: given {n}, expected at least {len(cells)}, one for each book"
        )
    per_lot = (t.price * t.lot)[coins[cell]]
    stretch = np.arange(n) >= (fixed if fixed < n else 0)
    limit = np.minimum(room[cell], bound) if fixed < n else room[cell]
    size = _stretched(np.minimum(size, room[cell]), cell, value[cells], stretch, limit)
    lots = whole_lots(size / per_lot, cell, goal.ravel()[cells], stretch)
    if (lots < 1).any():
        c = cells[cell[np.argmin(lots)]]
        raise ValueError(
            f"population.{name}.opening: its largest accounts do not fit into its {value[c]:.3g} USD of"
            f" {t.venues[c // len(t.coins)]}:{t.coins[c % len(t.coins)]}-PERP;"
            " expected a smaller largest, or fewer fixed"
        )
    return cells[cell] // len(t.coins), coins[cell], lots


def each_held(cell: Ints, size: Floats, cells: int) -> bool:
    """Give cells that nobody drew the smallest accounts of cells that keep one, in place; whether all have one now."""
    holders = np.bincount(cell, minlength=cells)
    missing = list(np.flatnonzero(holders == 0))
    for i in np.argsort(size, kind="stable"):
        if not missing:
            break
        if holders[cell[i]] > 1:
            holders[cell[i]] -= 1
            cell[i] = missing.pop(0)
    return not missing


def _stretched(size: Floats, cell: Ints, goal: Floats, free: NDArray[np.bool_], limit: Floats) -> Floats:
    """Scale the free sizes of each cell towards its goal, none above its limit."""
    for _ in range(12):
        total = np.bincount(cell, size, len(goal))
        loose = free & (size < limit)
        movable = np.bincount(cell[loose], size[loose], len(goal))
        factor = np.divide(goal - total + movable, movable, out=np.ones_like(goal), where=movable > 0)
        size = np.where(loose, np.minimum(size * np.maximum(factor, 1e-6)[cell], limit), size)
    return size


def whole_lots(wanted: Floats, cell: Ints, goal: Ints, free: NDArray[np.bool_]) -> Ints:
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
