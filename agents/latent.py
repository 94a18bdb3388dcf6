"""Who of the value traders acts now, and what is sent: arithmetic over all their stations.

Compiled passes; their twins in plain numpy are in `tests.twins.latent`. Draws of a station are one hash of its row's
draw, its book and a purpose (`agents.desks.spread`). A station is a row (of the participant's) in a book.
"""

from __future__ import annotations

import numpy as np

from abm.jit import BOOLS, CONSTANT, INTS, kernel
from agents.desks import purpose, station

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

WAKE, LAG = purpose("wake"), purpose("lag")


@kernel(
    f"i8(i8[::1],i8[::1],i8[::1],i8[::1],{CONSTANT},f8[::1],{CONSTANT},{CONSTANT},f8[::1],f8[::1],f8[::1],f8[::1],f8,f8,f8,"
    "i8[::1],f8[::1])"
)
def sellers(
    row, book, name, drawn, heard, fade, beta, calm, gap, capital, done, goal, fear, full, wake, now, rest
):
    """Move the goals of sellers and find those who trade towards theirs in this step.

    Args:
        row, book, name: int64[stations], name is the book's key. drawn: int64[rows], bits of the rows'
        draws. heard, fade: float64[rows], news known (log change, for beta one); what is left of what it is thought to
        do beyond itself, share.
        beta, calm, gap: float64[books]; volatility per square root of a second, NaN = none; log price over value.
        capital, done, goal: float64[stations], coins; bought so far and wanted, negative if sold. Goals are moved.
        fear: multiple of the news. full: daily standard deviations at which all capital is used. wake: probability.
        now, rest: [stations], out: who trades, and coins to the goal.

    Returns how many.
    """
    some = False
    for i in range(len(row)):
        some = some or (heard[row[i]] != 0 and beta[book[i]] == beta[book[i]] and beta[book[i]] != 0)
    if not some:
        return 0
    n, day = 0, np.sqrt(86400.0)
    for i in range(len(row)):
        r, b = row[i], book[i]
        news = heard[r] * (beta[b] if beta[b] == beta[b] else 0.0)
        expected = (1.0 + (fear - 1.0) * fade[r]) * news
        ahead = expected - gap[b]
        daily = (calm[b] if calm[b] == calm[b] else 0.0) * day
        wish = min(max(ahead / max(full * daily, 1e-9), -1.0), 1.0) * capital[i]
        if ahead != ahead:
            continue
        if news != 0:
            way = 1.0 if news > 0 else -1.0
            if wish * way > goal[i] * way:
                goal[i] = wish
            # beyond what they expect they go back to where they were
            if wish * way < 0 and goal[i] * way > 0:
                goal[i] = 0.0
        # nobody chases: a goal is only pursued while the price is on the wrong side of what they expect
        left = goal[i] - done[i]
        if (
            (left > 0) == (ahead > 0)
            and left != 0
            and ahead != 0
            and station(WAKE, drawn[r] ^ name[i]) < wake
        ):
            now[n], rest[n] = i, left
            n += 1
    return n


@kernel(
    f"UniTuple(i8,2)(f8,i8[::1],i8[::1],i8[::1],i8[::1],{CONSTANT},{CONSTANT},f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8,"
    "i8[::1],f8[::1])"
)
def dippers(time, row, book, name, drawn, heard, beta, gap, capital, done, start, at, pace, wake, now, rest):
    """Find dip buyers whose lag begins in this step; if there is none, those who buy in it.

    Args:
        time: s. row .. gap, capital, done: as in `sellers`. start: float64[stations], log distance from value at which
        a lag begins (negative). at, pace: float64[stations], s: when it ends, inf = not begun; the time in which
        capital is spent. wake: probability.
        now, rest: [stations], out: who begins and a draw in (0, 1) for the lag, or who buys and coins that are due.

    Returns: how many begin, how many buy.
    """
    deepest, soonest, begun = np.nan, -np.inf, False
    for b in range(len(gap)):
        if not gap[b] >= deepest and gap[b] == gap[b]:
            deepest = gap[b]
    for i in range(len(row)):
        soonest = max(soonest, start[i])
        begun = begun or np.isfinite(at[i])
    if deepest > soonest and not begun:
        return 0, 0
    n = 0
    for i in range(len(row)):
        b = book[i]
        below = gap[b] - heard[row[i]] * (beta[b] if beta[b] == beta[b] else 0.0)
        if below < start[i] and not np.isfinite(at[i]):
            now[n], rest[n] = i, station(LAG, drawn[row[i]] ^ name[i])
            n += 1
    if n:
        return n, 0
    for i in range(len(row)):
        r, b = row[i], book[i]
        if time < at[i] or done[i] >= capital[i]:
            continue
        below = gap[b] - heard[r] * (beta[b] if beta[b] == beta[b] else 0.0)
        if below < 0.3 * start[i] and station(WAKE, drawn[r] ^ name[i]) < wake:
            due = capital[i] * min((time - at[i]) / pace[i], 1.0) - done[i]
            now[n], rest[n] = i, max(due, 0.0)
            n += 1
    return 0, n


@kernel(
    f"i8(i8[::1],f8[::1],f8[::1],i8[::1],i8[::1],f8[::1],i8[::1],{INTS},{CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},"
    f"{BOOLS},f8,f8[::1],i8[:,::1],f8[::1])"
)
def slices(
    now, rest, part, row, book, own, waiting, kind, lot, ask, depth_bid, depth_ask, halted, share, done, to, coins
):  # fmt: skip
    """Orders for a part of what is left, no more than a share of the depth seen; notes what is sent as done.

    Args:
        now: int64[n], stations. rest: float64[n], coins, signed. part: float64[stations or 1], share of the rest.
        row, book: int64[stations]. own: float64[n], coins or money that may be spent at spot. waiting: int64[n], own
        messages under way. kind: int64[books], 1 = spot. lot, depth_bid, depth_ask: float64[books], coins; ask: price,
        NaN = none. halted: bool[books]. share: of the depth.
        done: float64[stations], coins, moved on. to: int64[3, n], coins: float64[n], out: row, book, side and size.

    Returns how many orders.
    """
    n = 0
    for i in range(len(now)):
        k = now[i]
        b = book[k]
        buys, wanted = rest[i] > 0, abs(rest[i])
        seen = depth_ask[b] if buys else depth_bid[b]
        if seen != seen:
            continue
        size = min(wanted * part[k if len(part) > 1 else 0], share * seen)
        if size < lot[b] and wanted >= lot[b]:
            size = lot[b]
        if kind[b] == 1:
            most = own[i]
            if buys:
                most = 0.95 * own[i] / ask[b] if ask[b] == ask[b] else 0.0
            size = min(size, most)
        if size >= lot[b] and not halted[b] and waiting[i] == 0:
            side = 1 if buys else -1
            to[0, n], to[1, n], to[2, n], coins[n] = row[k], b, side, size
            done[k] += side * size
            n += 1
    return n
