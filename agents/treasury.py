"""A firm's treasury: what one owner has at several venues, evened out by transfers.

Theory. Margin is segregated: what is won at one venue cannot save the position that loses at another before it has
travelled. So a firm keeps at every venue the part of its money, and of each coin, that it had there at the opening, and
sends half of the difference from where it has most too much to where it lacks most, once either is beyond its bound.
What is on the way counts where it goes.

It reads own balances, own transfers that are late, what venues announce (withdrawals stopped), whether a lender pays,
and the delays that channels publish. Nothing is sent from or to a venue out of which an own transfer is overdue, out
of a venue that has stopped withdrawals unless a lender pays ahead, or where no direct channel is open (for who does not
go by list, no way at all, `sending`): there the firm is stuck with what it has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.jit import CONSTANT, kernel
from abm.market import Market, Me
from abm.routes import By
from agents.sending import wait

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 0.25  # of the smaller bound: less is not worth a transfer


def money_of(me: Me, market: Market) -> Ints:
    """int64[rows]: the asset in which the books of each own row's venue are paid, perpetuals first; -1 = no books."""
    books = market.books
    quote: dict[int, int] = {}
    for b in np.argsort(np.asarray(books.kind), kind="stable").tolist():
        quote.setdefault(int(books.venue[b]), int(books.quote[b]))
    return np.array([quote.get(int(v), -1) for v in np.asarray(me.venue)], np.int64)


def money_coming(me: Me, money: Ints) -> Floats:
    """float64[rows]: of the asset that counts there, what own transfers bring to each own row."""
    coming, way = np.zeros(len(money)), me.transfers()
    if len(way) == 0:
        return coming
    mine = money[way["to"]] == way["asset"]
    np.add.at(coming, way["to"][mine], way["amount"][mine])
    return coming


def surplus(owner: NDArray[np.int32], have: Floats, home: Floats) -> Floats:
    """What each place has beyond its part of what its owner has now; the parts are those of the opening.

    Args:
        owner, have, home: one entry a place; the last in units of the asset, at the opening.
    """
    beyond = np.empty(len(owner))
    _surplus(np.ascontiguousarray(owner, np.int32), have, home, np.empty((3, len(owner))), beyond)
    return beyond


@kernel(f"void(i4[::1],{CONSTANT},{CONSTANT},f8[:,::1],f8[::1])")
def _surplus(owner, have, home, total, beyond):  # type: ignore[no-untyped-def]
    """`surplus`; total: float64[3, n], scratch: owners in the order in which they come, what they have and had."""
    owners = 0
    for i in range(len(owner)):
        k = 0
        while k < owners and total[0, k] != owner[i]:
            k += 1
        if k == owners:
            total[0, k], total[1, k], total[2, k] = owner[i], 0.0, 0.0
            owners += 1
        total[1, k] += have[i]
        total[2, k] += home[i]
    for i in range(len(owner)):
        k = 0
        while total[0, k] != owner[i]:
            k += 1
        now, then = total[1, k], total[2, k]
        part = (0.0 if now < 0 else now) / (1e-300 if then < 1e-300 else then)
        beyond[i] = have[i] - home[i] * part if then > 0 else 0.0


def ways_out(me: Me, market: Market, rows: Ints) -> NDArray[np.bool_]:
    """bool[len(rows)]: whether money gets out of the venues of own rows: they let it out, or a lender pays ahead."""
    lets_out = np.asarray(market.withdrawals_open, np.bool_)[np.asarray(me.venue)[rows]]
    return np.asarray(lets_out | me.network.paid_ahead(rows))


def even_out(
    me: Me,
    market: Market,
    rows: Ints,
    asset: int,
    have: Floats,
    home: Floats,
    spare: Floats,
    part: float,
    by: By = "listed",
) -> bool:
    """For each owner one transfer of an asset, from where most is too much to where most is missing.

    Args:
        rows: own rows. have: what each has, with what is on its way there. home: at the opening. spare: what each could
            give. All in the asset.
        part: bound, as share of what was there at the opening (at least of a tenth of the owner's mean place).
        by: how the way is chosen.

    Returns whether anything was sent.
    """
    owner = np.asarray(me.owner)[rows]
    too_much, sent = surplus(owner, have, home), False
    if not (np.abs(too_much) > np.maximum(part * home, 1e-12)).any():
        return False  # within their bounds, which are at least these
    late, leaves = np.asarray(me.overdue(rows)) > 0, ways_out(me, market, rows)
    for name in np.unique(owner).tolist():
        mine = np.flatnonzero(owner == name)
        bound = part * np.maximum(home[mine], 0.1 * home[mine].mean())
        strain = too_much[mine] / np.maximum(bound, 1e-12)
        if len(mine) < 2 or not np.abs(strain).max() > 1.0:
            continue
        from_, to = int(np.argmax(strain)), int(np.argmin(strain))
        i, j, enough = mine[from_], mine[to], LEAST * min(bound[from_], bound[to])
        amount = min(too_much[i], 0.5 * (too_much[i] - too_much[j]), spare[i])
        if i == j or amount <= enough or late[i] or late[j] or not leaves[i]:
            continue
        here, there = int(rows[i]), int(rows[j])
        if np.isfinite(wait(me, market, here, there, asset, by)):
            me.transfer(here, there, asset, float(amount), by=by)
            sent = True
    return sent


def even_money(me: Me, market: Market, money: Ints, home: Floats, part: float, by: By = "listed") -> bool:
    """Even out margin money, asset by asset: what each account is worth there, and what is on its way to it.

    Args:
        money: as from `money_of`. home: float64[rows], what accounts were worth at the opening. part, by: as in
            `even_out`.
    """
    have = np.asarray(me.equity(np.arange(len(money)))) + money_coming(me, money)
    spare, sent = np.maximum(me.available(np.arange(len(money))), 0.0), False
    for asset in np.unique(money[money >= 0]).tolist():
        rows = np.flatnonzero(money == asset)
        sent |= even_out(me, market, rows, asset, have[rows], home[rows], spare[rows], part, by)
    return sent


def waits(me: Me, market: Market, money: Ints, longest: float, by: By = "listed") -> Floats:
    """float64[rows]: seconds in which money can be brought to each own row from another own venue, as published.

    Args:
        money: as from `money_of`. longest: reckoned with where a channel is slower or shut, or the venue lets nothing
        out. by: how ways are chosen.
    """
    venue, rich = np.asarray(me.venue), np.flatnonzero(money >= 0)
    # what is published is the same for all; how sure a way is each owner knows for itself
    knows = np.asarray(me.owner) if by == "certainty" else np.zeros(len(venue), np.int64)
    out = set(venue[rich[ways_out(me, market, rich)]].tolist())
    best = np.full(len(venue), longest)
    for who in np.unique(knows[rich]).tolist():
        mine = rich[knows[rich] == who]
        places = mine[np.unique(venue[mine], return_index=True)[1]].tolist()  # one row at each venue
        for to in (row for row in places if int(venue[row]) in out):
            asset = int(money[to])
            took = [wait(me, market, row, to, asset, by) for row in places if row != to]
            best[(knows == who) & (venue == venue[to])] = min([longest, *took])
    return best
