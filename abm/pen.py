"""The compiled part of a participant's own side: what it reads of its accounts and the messages that it writes.

A column holds one entry for each case or one for all. Own rows are named by their number among the participant's rows
and are counted from the end if negative, as numpy does. A kernel that finds a number out of range or columns that do
not fit together says so by what it returns (`complain`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from abm import random
from abm.accounts import PERP, holding, position
from abm.book import slot_of
from abm.jit import CONSTANT, INTS, inlined, kernel
from abm.margin import equity_and_maintenance, free_margin
from abm.messages import AMEND, CANCEL, CANCEL_ALL, LIMIT, MARKET, QUOTE
from abm.network import TRANSFER
from abm.state import MESSAGE, NONE, SLOT_MASK, views
from abm.tables import prefetch

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

_ROWS = "Array(i4, 1, 'C', readonly=True)"
FULL, NO_ROW, NO_BOOK, NO_ASSET, NO_SHAPE = range(-1, -6, -1)


def complain(code: int) -> None:
    """Raise what a kernel has found wrong."""
    if code == NO_SHAPE:
        raise ValueError("shape mismatch: columns of one length (or single numbers) expected")
    what = {NO_ROW: "own row", NO_BOOK: "book", NO_ASSET: "asset"}[code]
    raise IndexError(f"{what} out of range")


@inlined
def _row(i, n):
    """An own row's number, counted from the end if negative; -1 if there is no such row."""
    if i < 0:
        i += n
    return i if 0 <= i < n else -1


@inlined
def _wider(n, m):
    """Common length of columns of length n and m; -1 if there is none."""
    if n == m or m == 1:
        return n
    return m if n == 1 else -1


@inlined
def _position(s, own, found, r, b):
    """An own row's position in a contract, or -1. `found`: where positions and coins were at earlier looks, by own row
    and book, or empty: whoever has few rows does not search anew among a row's contracts in every step."""
    books = len(found) // len(own)
    if not 0 <= b < books:
        return position(s, own[r], b)
    p = np.int64(found[r * books + b])
    if not (0 <= p < s.meta[0].positions and s.positions[p].row == own[r] and s.positions[p].book == b):
        p = position(s, own[r], b)
        found[r * books + b] = p
    return p


@inlined
def _coins(s, own, found, r, b):
    """In the same way an own row's holding of the coin of a spot book, or -1."""
    a, books = s.books[b].base, len(found) // len(own)
    if not 0 <= b < books:
        return holding(s, own[r], a)
    h = np.int64(found[r * books + b])
    if not (0 <= h < s.meta[0].holdings and s.holdings[h].row == own[r] and s.holdings[h].asset == a):
        h = holding(s, own[r], a)
        found[r * books + b] = h
    return h


@inlined
def _look_ahead(s, own, found, index, book, later):
    """Have come nearer what was found at an earlier look of a case that comes later."""
    books = len(found) // len(own)
    k = index[later if len(index) > 1 else 0] * books + book[later if len(book) > 1 else 0]
    if 0 <= k < len(found):
        place = np.int64(found[k])
        prefetch(s.positions, place)
        prefetch(s.holdings, place)


@kernel(f"i8(i8,{_ROWS},i4[::1],{INTS},{INTS},i8[::1],i8[::1])")
def entries(address, own, found, index, book, lots, value):
    """Signed lots and signed entry values of positions. Returns 0 or a complaint."""
    s = views(address)
    for i in range(len(lots)):
        r = _row(index[i if len(index) > 1 else 0], len(own))
        if r < 0:
            return NO_ROW
        p = _position(s, own, found, r, book[i if len(book) > 1 else 0])
        lots[i] = s.positions[p].qty if p != NONE else 0
        value[i] = s.positions[p].entry if p != NONE else 0
    return 0


@kernel(f"i8(i8,{_ROWS},i4[::1],{INTS},{INTS},{CONSTANT},f8[::1],i8[::1])")
def standing(address, own, found, index, book, lot, coins, waiting):
    """Signed positions in coins, and the rows' messages that no gateway has accepted. Returns 0 or a complaint."""
    s = views(address)
    for i in range(len(coins)):
        r = _row(index[i if len(index) > 1 else 0], len(own))
        b = _row(book[i if len(book) > 1 else 0], len(lot))
        if r < 0 or b < 0:
            return NO_ROW if r < 0 else NO_BOOK
        p = _position(s, own, found, r, b)
        coins[i] = s.positions[p].qty * lot[b] if p != NONE else 0.0
        waiting[i] = s.rows[own[r]].waiting
    return 0


@inlined
def _spendable(s, row, h, a):
    """Wallet balance (with entry values, in the settlement asset) less what orders lock, in units, of a holding."""
    amount = s.holdings[h].amount - s.holdings[h].locked if h != NONE else 0
    if s.venues[s.rows[row].venue].settle == a:
        p = s.rows[row].positions
        while p != NONE:
            amount += s.positions[p].entry
            p = s.positions[p].next
    return amount


@kernel(f"i8(i8,{_ROWS},{INTS},{INTS},{CONSTANT},f8[::1])")
def spendable(address, own, index, asset, scale, out):
    """Wallet balances (with entry values, in the settlement asset) less what orders lock, over the asset's scale."""
    s = views(address)
    row, coin, known = -1, -1, 0.0
    for i in range(len(out)):
        r = _row(index[i if len(index) > 1 else 0], len(own))
        a = asset[i if len(asset) > 1 else 0]
        if r < 0 or a >= len(scale):
            return NO_ROW if r < 0 else NO_ASSET
        if a < 0:  # as of a perpetual's base: there is none
            out[i] = 0.0
            continue
        if r != row or a != coin:  # a row's books are often paid in one asset
            row, coin, known = r, a, _spendable(s, own[r], holding(s, own[r], a), a) / scale[a]
        out[i] = known
    return 0


@kernel(f"i8(i8,{_ROWS},i4[::1],{INTS},{INTS},{CONSTANT},{CONSTANT},f8[::1])")
def stock(address, own, found, index, book, lot, scale, out):
    """Coins at stations: the position in a perpetual, what could be sold at a spot book. Returns 0 or a complaint."""
    s = views(address)
    for i in range(len(out)):
        r = _row(index[i if len(index) > 1 else 0], len(own))
        b = _row(book[i if len(book) > 1 else 0], len(lot))
        if r < 0 or b < 0:
            return NO_ROW if r < 0 else NO_BOOK
        _look_ahead(s, own, found, index, book, min(i + 8, len(out) - 1))
        bk = s.books[b]
        if bk.kind == PERP:
            p = _position(s, own, found, r, b)
            out[i] = s.positions[p].qty * lot[b] if p != NONE else 0.0
        else:
            out[i] = _spendable(s, own[r], _coins(s, own, found, r, b), bk.base) / scale[bk.base]
    return 0


@kernel(f"void(i8,i8,{INTS},{CONSTANT},f8[:,::1],i8[:,::1])")
def named(address, first, which, tick, price, lots):
    """Price and remaining lots of the live orders behind names, NaN and 0 where there is none.

    `which`: int64[n], whose names begin at first + which x width; price, lots: [n, width], out.
    """
    s = views(address)
    width = lots.shape[1]
    for i in range(len(which)):
        own = first + which[i] * width
        later = first + which[min(i + 1, len(which) - 1)] * width
        for j in range(width):
            prefetch(s.orders, s.refs[later + j] & SLOT_MASK)
            slot = slot_of(s, s.refs[own + j])
            price[i, j] = np.nan
            lots[i, j] = 0
            if slot != NONE and s.orders[slot].ref == own + j:
                price[i, j] = s.orders[slot].price * tick[s.orders[slot].book]
                lots[i, j] = s.orders[slot].qty


_COMING: Any = types.int64(
    from_dtype(TRANSFER)[::1], types.boolean[::1], types.Array(types.int32, 1, "C", readonly=True), types.int64[::1],
    types.int64[::1], types.Array(types.float64, 1, "C", readonly=True), types.int64[::1], types.float64[::1],
)  # fmt: skip


@inlined
def _by_number(transfers, mine, slots):
    """Places of the transfers from rows that are `mine`, by their numbers. Returns how many."""
    n = 0
    for k in range(len(transfers)):
        if transfers[k]["id"] >= 0 and mine[transfers[k]["row_from"]]:
            j = n
            while j > 0 and transfers[slots[j - 1]]["id"] > transfers[k]["id"]:
                slots[j] = slots[j - 1]
                j -= 1
            slots[j] = k
            n += 1
    return n


WAY = np.dtype(
    [
        ("id", "i8"),
        ("from", "i4"),
        ("to", "i4"),
        ("asset", "i4"),
        ("amount", "f8"),
        ("sent", "f8"),
        ("due", "f8"),
    ]
)  # an own transfer under way; seconds
_TABLE, _FLAGS, _PLACES = from_dtype(TRANSFER)[::1], types.boolean[::1], types.int64[::1]
_UNDER_WAY: Any = types.int64(_TABLE, _FLAGS, _PLACES)


@kernel(_UNDER_WAY)
def under_way(transfers, mine, slots):
    """Places of own transfers by number, without those that were paid out ahead: they are here already."""
    n = _by_number(transfers, mine, slots)
    kept = 0
    for j in range(n):
        if transfers[slots[j]]["advanced"] < 0:
            slots[kept] = slots[j]
            kept += 1
    return kept


_WAYS: Any = types.void(
    _TABLE, _PLACES, types.Array(types.int32, 1, "C", readonly=True), types.Array(types.float64, 1, "C", readonly=True),
    from_dtype(WAY)[::1],
)  # fmt: skip


@kernel(_WAYS)
def ways(transfers, slots, own, scale, out):
    """Own transfers as their owner reads them; `own`: its rows, ascending, which `from` and `to` count."""
    for j in range(len(out)):
        t, way = transfers[slots[j]], out[j]
        way["id"], way["asset"], way["amount"] = t["id"], t["asset"], t["amount"] / scale[t["asset"]]
        way["from"], way["to"] = np.searchsorted(own, t["row_from"]), np.searchsorted(own, t["row_to"])
        way["sent"], way["due"] = t["sent_ms"] / 1000.0, t["expected_ms"] / 1000.0


@kernel(_COMING)
def coming(transfers, mine, own, index, asset, scale, slots, out):
    """What is under way to own rows in an asset, over the asset's scale; `mine` says whose transfers count (by row)."""
    n = _by_number(transfers, mine, slots)
    for i in range(len(out)):
        r = _row(index[i if len(index) > 1 else 0], len(own))
        a = asset[i if len(asset) > 1 else 0]
        if r < 0 or a >= len(scale):
            return NO_ROW if r < 0 else NO_ASSET
        out[i] = 0.0
        for j in range(n):
            t = transfers[slots[j]]
            if t["row_to"] == own[r] and t["asset"] == a:
                out[i] += t["amount"] / scale[a]
    return 0


@kernel(f"void(i8,{_ROWS},{CONSTANT},f8,f8,b1[::1])")
def changed(address, own, heard_at, since, news_since, out):
    """Whether the balance or a position of each own row has changed, or its owner has heard news, after times (s)."""
    s = views(address)
    for i in range(len(own)):
        out[i] = s.changed[own[i]] > since * 1000.0 or heard_at[i] > news_since


@kernel(f"i8(i8,{_ROWS},{INTS},{CONSTANT},f8[::1],f8[::1])")
def margins(address, own, index, scale, equity, maintenance):
    """Equity and maintenance margin, over the scale of each own row's settlement asset."""
    s = views(address)
    for i in range(len(index)):
        r = _row(index[i], len(own))
        if r < 0:
            return NO_ROW
        worth, needed = equity_and_maintenance(s, own[r])
        equity[i], maintenance[i] = worth / scale[r], needed / scale[r]
    return 0


@kernel(f"i8(i8,{_ROWS},{INTS},{CONSTANT},f8[::1])")
def free(address, own, index, scale, out):
    """Free margin, over the scale of each own row's settlement asset."""
    s = views(address)
    for i in range(len(index)):
        r = _row(index[i], len(own))
        if r < 0:
            return NO_ROW
        out[i] = free_margin(s, own[r]) / scale[r]
    return 0


@kernel(f"i8(i8,{_ROWS},{INTS},i8[::1])")
def waiting(address, own, index, out):
    """Messages of own rows that no gateway has accepted yet."""
    s = views(address)
    for i in range(len(index)):
        r = _row(index[i], len(own))
        if r < 0:
            return NO_ROW
        out[i] = s.rows[own[r]].waiting
    return 0


@kernel(f"i8(i8,{INTS},{INTS},i8,f8[::1])")
def uniforms(stream, keys, index, step, out):
    """Draws in (0, 1) of own rows for a stream and a step."""
    for i in range(len(index)):
        r = _row(index[i], len(keys))
        if r < 0:
            return NO_ROW
        out[i] = random.unit(random.draw(stream, keys[r], step))
    return 0


@inlined
def ticks_of(price, side, outwards, tick):
    """Whole ticks, rounded so that the price is not worse than asked (or outwards); -1 = no price."""
    exact = price / tick
    if not np.isfinite(exact):
        return -1
    near = np.floor(exact + 1e-9) if (side > 0) != outwards else np.ceil(exact - 1e-9)
    return np.int64(min(max(near, 0.0), 2.0**31))


@inlined
def lots_of(quantity, lot):
    """Whole lots, rounded down; 0 for what is no size."""
    size = quantity / lot
    return np.int64(np.floor(min(size, 1e15) + 1e-6)) if 0.0 < size < np.inf else 0


_COLUMN = types.Array(types.int64, 1, "C", readonly=True)
_NUMBERS = types.Array(types.float64, 1, "C", readonly=True)
_MESSAGES = from_dtype(MESSAGE)[::1]
_WRITE: Any = types.int64(
    _MESSAGES, types.int64, types.int64, _COLUMN, types.int64, types.boolean,
    types.Array(types.int32, 1, "C", readonly=True), _COLUMN, _COLUMN, _COLUMN, _NUMBERS, _NUMBERS, _COLUMN, _COLUMN,
    _NUMBERS, _NUMBERS,
)  # fmt: skip


@kernel(_WRITE)
def write(
    out, at, op, kind, flags, outwards, own, index, book, side, price, quantity, name, expiry, tick, lot
):
    """Write messages of one kind to `out` from number `at` on. Returns how many, or a complaint (FULL: no room).

    `kind` is the cause, a number of `CAUSES`. `name` is a limit order's tag, a quote's slot, or the handle to cancel or
    amend. Left out: orders below a lot or without a price. A quote without a size or a price takes its order away.
    """
    n = len(index)
    for m in (len(kind), len(book), len(side), len(price), len(quantity), len(name), len(expiry)):
        n = _wider(n, m)
        if n < 0:
            return NO_SHAPE
    if at + n > len(out):
        return FULL
    first = at
    for i in range(n):
        r = _row(index[i if len(index) > 1 else 0], len(own))
        if r < 0:
            return NO_ROW
        b = book[i if len(book) > 1 else 0]
        way = side[i if len(side) > 1 else 0]
        label = name[i if len(name) > 1 else 0]
        ticks = 0
        size = 0
        if op != CANCEL and op != CANCEL_ALL:
            if b < 0 or b >= len(lot):
                return NO_BOOK
            size = lots_of(quantity[i if len(quantity) > 1 else 0], lot[b])
            if op != MARKET:
                ticks = ticks_of(price[i if len(price) > 1 else 0], way, outwards, tick[b])
        if (op == LIMIT and ticks <= 0) or (op == AMEND and ticks < 0):
            continue
        if op in (LIMIT, MARKET) and size <= 0:
            continue
        if op == QUOTE and ticks <= 0:
            size = size if ticks == 0 else 0
            ticks = 1
        message = out[at]
        message.arrive, message.tie, message.cause = 0, 0, NONE
        message.row, message.book, message.op, message.flags = own[r], b, op, flags
        message.kind = kind[i if len(kind) > 1 else 0]
        message.side, message.price, message.qty = way if op != AMEND else 0, ticks, size
        message.expiry = expiry[i if len(expiry) > 1 else 0]
        message.tag = label if op == LIMIT else 0
        message.ref = label if op == QUOTE else NONE
        message.handle = label if op in (CANCEL, AMEND) else 0
        at += 1
    return at - first


_POST: Any = types.void(
    _MESSAGES, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64
)


@kernel(_POST)
def post(messages, count, address, stream, step, now_us, latency_us):
    """Hand messages to the inbox: arrival at the venue's door, tie-break; count them at their rows."""
    s = views(address)
    n = s.meta[0].inbox
    for i in range(count):
        prefetch(s.rows, messages[min(i + 8, count - 1)].row)
        s.inbox[n + i] = messages[i]
        m = s.inbox[n + i]
        row = s.rows[m.row]
        # by what the message is, not by its place among others: who is absent changes nothing. Messages of one row to
        # one side of one book stay in the order in which they were sent
        own = row.key + (s.books[m.book].key if m.book >= 0 else 0) + m.side
        m.tie = np.int64(random.draw(stream, own, step) >> np.uint64(44))
        m.arrive = now_us + latency_us + s.venues[row.venue].latency
        row.waiting += 1
    s.meta[0].inbox = n + count
