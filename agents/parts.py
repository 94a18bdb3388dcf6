"""How much of what it wants a crowd's account sends at once: no more than the book bears, no less than a part.

Compiled passes over the accounts that are due; their twins in plain numpy are `tests.twins.parts`.
"""

from __future__ import annotations

import numpy as np

from abm.jit import BOOLS, CONSTANT, inlined, kernel

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

LOST, ROUTINE, STOPPED, NEWS, WON = range(5)  # why a position ended; LOST = not by own doing
DECISION, STOP, SCARE = range(3)  # causes of the orders that end it
AGAIN, BACK, PLANNED = range(3)  # lists of entries that a pass hands out
POOR = PLANNED


@inlined
def in_coins(mid, last, amount):
    """An amount of the quote asset in coins at the mid, or the last price where a side is empty; 0 if unknown."""
    price = mid if mid > 0 else last
    return amount / price if price > 0 else 0.0


@inlined
def bearable(side, depth_bid, depth_ask, quantity, share, least):
    """At most `share` of what stands within 1 % on the side that an order takes from, but `least` in any case."""
    depth = depth_ask if side > 0 else depth_bid
    most = share * depth
    if not most > least:
        most = least
    return min(quantity, most)


@kernel(
    f"void(i8[::1],i8[::1],f8[::1],i8[::1],f8[::1],i8[::1],f8[::1],i1[::1],b1[::1],f8[:,::1],f8[:,::1],"
    f"{CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,"
    "i8[:,::1],f8[::1],i8[:,::1],f8[::1],i8[::1])"
)
def closing(
    entries, row, position, waiting, luck, book, usual, why, held, level, when,
    mid, last, depth_bid, depth_ask, careless, parts, patient_parts, haste, patience,
    rotation_share, return_share, idle, rotation_after, return_after,
    lists, hours, to, coins, count,
):  # fmt: skip
    """What to send of positions that are to be closed, and what becomes of those that are gone.

    Args:
        entries: int64[n]. row, waiting: int64[n], accounts, own messages under way. position: float64[n], coins,
            signed. luck: float64[n], draws.
        book, usual, why, held, level, when: [all entries], the memory: contract, coins of a whole position, why it
            ends, whether it is there; float64[3, all] price levels, float64[4, all] appointments in s (the first two
            kinds of four are to close and to open). Who is flat is no longer held and waits for nothing.
        mid, last, depth_bid, depth_ask: float64[books], prices, coins within 1 %, NaN = none.
        careless: quote units; parts, patient_parts: orders of a whole position; haste, patience: shares of depth.
        rotation_share, return_share: of accounts that come back after a stop or a target, after a loss or a scare;
        idle, rotation_after, return_after: mean hours until then, the first after a routine close.
        lists, hours: out, int64[2, n] and float64[n]: `AGAIN`, who has to look again; `BACK`, who comes back, and the
            mean hours until then. to: int64[4, n], coins: float64[n], out: row, book, side, cause (`DECISION`, `STOP`,
            `SCARE`) and size of orders, cause by cause. count: int64[3], out: how many again, how many back, how many
            orders.
    """
    for k in range(len(count)):
        count[k] = 0
    for i in range(len(entries)):
        e = entries[i]
        if position[i] != 0:
            lists[AGAIN, count[0]] = e
            count[0] += 1
            continue
        held[e] = False
        for kind in range(3):
            level[kind, e] = -np.inf
        when[0, e] = when[3, e] = np.inf
        wait = np.nan
        if why[e] == ROUTINE:
            wait = idle
        elif why[e] == STOPPED or why[e] == WON:
            if luck[i] < rotation_share:
                wait = rotation_after
        elif luck[i] < return_share:
            wait = return_after
        if wait == wait:
            lists[BACK, count[1]], hours[count[1]] = e, wait
            count[1] += 1
    n = 0
    for cause in range(3):
        for i in range(len(entries)):
            e = entries[i]
            because = STOP if why[e] == STOPPED else SCARE if why[e] == NEWS else DECISION
            if because != cause or position[i] == 0 or waiting[i] > 0:
                continue
            b = book[e]
            hasty = cause != DECISION
            least = max(in_coins(mid[b], last[b], careless), usual[e] / (parts if hasty else patient_parts))
            share = haste if hasty else patience
            coins[n] = bearable(-position[i], depth_bid[b], depth_ask[b], abs(position[i]), share, least)
            to[0, n], to[1, n], to[2, n], to[3, n] = row[i], b, -1 if position[i] > 0 else 1, cause
            n += 1
            if why[e] == LOST:
                why[e] = ROUTINE
    count[2] = n


@kernel(
    f"void(i8[::1],i8[::1],f8[::1],i8[::1],i8[::1],i8[::1],f8[::1],i8[::1],f8[::1],f8[::1],"
    f"{CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},f8,f8,f8,i8,i8[:,::1],i8[:,::1],f8[::1],i8[::1])"
)
def building(
    entries, row, position, waiting, book, side, goal, tries, got, leverage,
    mid, last, depth_bid, depth_ask, careless, parts, patience, most, lists, to, coins, count,
):  # fmt: skip
    """What to send of positions that are to be opened; an opening that gets nowhere ends.

    Args:
        entries: int64[n]. row, waiting: int64[n]. position: float64[n], coins, signed.
        book, side, goal, tries, got, leverage: [all entries], the memory: contract, +1 long, coins wanted, orders so
            far, coins at the last look, leverage of the next opening.
        mid .. patience: as in `closing`. most: tries at most; one without effect counts as a hundred.
        lists: int64[3, n], out: `AGAIN`, who goes on; `BACK`, who got nothing; `PLANNED`, who has a position now.
        to: int64[3, n], coins: float64[n], out: row, book, side and size of the orders of who goes on.
        count: int64[3], out: how many of each.
    """
    for k in range(len(count)):
        count[k] = 0
    for i in range(len(entries)):
        e = entries[i]
        has = position[i] * side[e]
        stuck = has <= got[e] and tries[e] > 0 and waiting[i] == 0
        tries[e] += 100 if stuck else 1
        got[e] = has
        if has >= 0.95 * goal[e] or tries[e] > most:
            if has < 0.5 * goal[e]:  # the venue let it have less than it wanted: next time with less leverage
                leverage[e] *= 0.7
            kind = PLANNED if has > 0 else BACK
            lists[kind, count[kind]] = e
            count[kind] += 1
            continue
        n, b = count[AGAIN], book[e]
        least = max(in_coins(mid[b], last[b], careless), goal[e] / parts)
        wanted = goal[e] - has if waiting[i] == 0 else 0.0
        coins[n] = bearable(side[e], depth_bid[b], depth_ask[b], wanted, patience, least)
        lists[AGAIN, n], to[0, n], to[1, n], to[2, n] = e, row[i], b, side[e]
        count[AGAIN] += 1


@kernel(
    f"void(i8[::1],f8[::1],f8[::1],{CONSTANT},f8,i8[::1],f8[::1],f8[::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],"
    "f8[::1],b1[::1],f8[::1],i8[::1],f8[::1],i8[:,::1],i8[::1])"
)
def opening(
    entries, luck, equity, mark, chase, group_book, group_side, slow, book, group, purse, stake, leverage, usual, asked,
    goal, tries, got, lists, count,
):  # fmt: skip
    """Who opens a position, and how large it is to be; who is too poor asks once for a new stake.

    Args:
        entries: int64[n]. luck, equity: float64[n], draws, quote units. mark: float64[books].
        chase: log odds to open for each per cent by which the mark has left its slow average along the own side.
        group_book, group_side, slow: [groups], contract, +1 long, that average.
        book .. got: [all entries], the memory: contract, group, own row with money outside (-1 = none), equity at the
            first opening, leverage wanted, coins of a usual position, whether a new stake has been asked for; coins
            wanted, orders so far, coins at the last look: the last three begin anew.
        lists: int64[3, n], out: `AGAIN`, who opens; `BACK`, who thinks of it later; `POOR`, who asks for a stake.
        count: int64[3], out: how many of each.
    """
    for k in range(len(count)):
        count[k] = 0
    for i in range(len(entries)):
        e = entries[i]
        poor, g = equity[i] < 0.1 * stake[e], group[e]
        pull = chase * 100.0 * group_side[g] * (mark[group_book[g]] / slow[g] - 1.0)
        pull = min(max(pull, -5.0), 1.386) if np.isfinite(pull) else 0.0
        if not luck[i] < 0.25 * np.exp(pull):
            kind = BACK
        elif poor and purse[e] >= 0:
            kind = BACK
            if not asked[e]:
                asked[e] = True
                lists[POOR, count[POOR]] = e
                count[POOR] += 1
        elif poor or not equity[i] > 0:
            continue
        else:
            kind = AGAIN
            coins = 0.95 * equity[i] * leverage[e] / mark[book[e]]
            if usual[e] > 0 and coins > usual[e]:
                coins = usual[e]
            goal[e], tries[e], got[e] = coins if coins > 0 else 0.0, 0, 0.0
        lists[kind, count[kind]] = e
        count[kind] += 1


@kernel(f"void(f8[:,::1],f8[::1],i8,i8[::1],{CONSTANT},i8[::1],f8[::1],i8[::1])")
def note(when, look, kind, entries, at, soon, soon_at, near):
    """Note appointments: entries[i] at at[i] (or all at at[0]); an earlier one of the same kind is replaced.

    Args:
        when: float64[kinds, entries], s. look: float64[2], s, as in `ripe`.
        soon, soon_at: int64[m], float64[m], the short list, with room for all; near: int64[1], how many are on it. They
        are brought up to date.
    """
    for i in range(len(entries)):
        time = at[i if len(at) > 1 else 0]
        when[kind, entries[i]] = time
        if time < look[1]:
            soon[near[0]], soon_at[near[0]] = kind * when.shape[1] + entries[i], time
            near[0] += 1
            look[0] = min(look[0], time)


@kernel(f"i8(b1[::1],i8[::1],{BOOLS},i8[::1])")
def stirred(held, row, changed, found):
    """Entries that hold something and whose account has changed, ascending in `found`; returns how many."""
    n = 0
    for e in range(len(held)):
        if held[e] and changed[row[e]]:
            found[n] = e
            n += 1
    return n


@inlined
def _watch(level, nearest, group, kind, e, at):
    """Wake an entry when the watched value has come down to a level."""
    level[kind, e] = at
    if not at <= nearest[kind, group[e]]:
        nearest[kind, group[e]] = at


@kernel(
    f"void(i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],{CONSTANT},{CONSTANT},"
    "f8[::1],i8[::1],i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],b1[::1],i1[::1],b1[::1],f8[::1],f8[:,::1],"
    "f8[:,::1],f8,f8,f8,f8,f8,f8,f8,f8,f8)"
)
def planning(
    entries, row, position, equity, maintenance, news, plan, place, luck, target, last, mark,
    notional, book, side, group, purse, usual, leverage, stake, held, why, asked, heard, level, nearest,
    stop_share, stop_near, stop_far, add_share, call_near, call_far, profit_share, profit_near, profit_far,
):  # fmt: skip
    """Plans of accounts that hold a position now: where to stop, when to add, where to take profit.

    Args:
        entries: int64[n]. row: int64[n], accounts. position: float64[n], coins. equity, maintenance: float64[n], quote
            units. news: float64[n], what is known. plan, place, luck, target: float64[n], draws of the one plan, of its
            distance, of who takes profit, of where.
        last, mark: float64[books]. notional: float64[accounts], scratch.
        book .. nearest: [all entries], the memory; who opens now has made up his mind about what he knows (`heard`).
        shares of accounts; nearest and farthest distances, in distances to liquidation.
    """
    for i in range(len(entries)):
        notional[row[i]] = 0.0
    for i in range(len(entries)):
        notional[row[i]] += abs(position[i]) * mark[book[entries[i]]]
    for i in range(len(entries)):
        e = entries[i]
        b, way, whole = book[e], np.float64(side[e]), notional[row[i]]
        price = last[b] if np.isfinite(last[b]) else mark[b]
        distance = (equity[i] - maintenance[i]) / (whole - way * maintenance[i])
        distance = min(max(distance, 1e-6), 0.999) if distance == distance else 1e-6
        if usual[e] == 0:
            usual[e], stake[e] = abs(position[i]), equity[i]
            leverage[e] = min(max(whole / max(equity[i], 1e-9), 0.01), 125.0)
        held[e], why[e], asked[e], heard[e] = True, LOST, False, news[i]
        # a stop and a call wait for the price to go against the position
        if plan[i] < stop_share:
            far = -(stop_near + (stop_far - stop_near) * place[i])
            _watch(level, nearest, group, 0, e, price * (1.0 + way * far * distance) * way)
        elif plan[i] < stop_share + add_share and purse[e] >= 0:
            far = -(call_near + (call_far - call_near) * place[i])
            _watch(level, nearest, group, 1, e, price * (1.0 + way * far * distance) * way)
        if luck[i] < profit_share:
            far = profit_near + (profit_far - profit_near) * target[i]
            _watch(level, nearest, group, 2, e, price * (1.0 + way * far * distance) * way * -1.0)


@inlined
def _sort(numbers, n):
    """Sort the first n in place (Shell's way): numpy's own takes a second to compile."""
    gap = 1
    while gap < n:
        gap = 3 * gap + 1
    while gap > 1:
        gap //= 3
        for i in range(gap, n):
            number, j = numbers[i], i
            while j >= gap and numbers[j - gap] > number:
                numbers[j] = numbers[j - gap]
                j -= gap
            numbers[j] = number


@kernel("void(f8[:,::1],f8[::1],i8[::1],f8[::1],i8[::1],f8,i8[::1],i8[::1])")
def ripe(when, look, soon, soon_at, near, now, found, ends):
    """Take the appointments that have come off the short list: each once, kind by kind, entries ascending.

    Args:
        when: float64[kinds, entries], s; what has come is struck out (inf).
        look: float64[2], s: the first becomes the next time worth a look; the second is the end of the short list.
        soon, soon_at: int64[m], float64[m], the short list: kind x entries + entry, and when. An appointment that was
        replaced is still there under its old time. near: int64[1], how many are on it. They are brought up to date.
        now: seconds. found: int64[m], out: entries. ends: int64[kinds], out: where those of each kind end.
    """
    entries = when.shape[1]
    count, kept, first = 0, 0, np.inf
    for i in range(near[0]):
        if soon_at[i] > now:
            soon[kept], soon_at[kept] = soon[i], soon_at[i]
            kept += 1
            first = min(first, soon_at[i])
            continue
        kind = soon[i] // entries
        e = soon[i] - kind * entries
        if when[kind, e] == soon_at[i]:
            found[count] = soon[i]
            when[kind, e] = np.inf
            count += 1
    _sort(found, count)
    i = 0
    for kind in range(len(ends)):
        while i < count and found[i] < (kind + 1) * entries:
            found[i] -= kind * entries
            i += 1
        ends[kind] = i
    look[0] = min(look[1], first)
    near[0] = kept


@kernel(f"UniTuple(b1,2)(i8[::1],f8[::1],{CONSTANT},{CONSTANT},f8,f8[::1],f8[:,::1],f8[:,::1])")
def follow(book, side, last, mark, weight, slow, nearest, value):
    """What groups of accounts (one book, one side) watch in every step: the price, and its slow average.

    Args:
        book: int64[groups]. side: float64[groups], +1 long. last, mark: float64[books], NaN = none.
        weight: of the new price in the average. slow: float64[groups], the average, moved on; NaN before.
        nearest: float64[3, groups], the level to be reached next of stops, margin calls and profit targets.
        value: float64[3, groups], out: what the levels are compared with; it falls towards them.

    Returns: whether every price is known, whether any level has been reached.
    """
    known, hit = True, False
    for g in range(len(book)):
        price = last[book[g]] if np.isfinite(last[book[g]]) else mark[book[g]]
        if not np.isfinite(price):
            known = False
        elif np.isnan(slow[g]):
            slow[g] = price
        else:
            slow[g] += weight * (price - slow[g])
        for k in range(3):  # a stop and a call wait for the price to go against the position
            value[k, g] = side[g] * price if k < 2 else -side[g] * price
            if value[k, g] <= nearest[k, g]:
                hit = True
    return known, hit
