"""What happens to accounts under maintenance margin: who is looked at, in which order, and the venue's own orders.

In a step: `find` looks at rows whose index distance has been passed, `line_up` puts the most under water first,
`liquidate` sends the venue's orders through the ordinary book and hands what fails to the fund or to the requests for
ADL. Kernels that may run out of room return where they stopped; the caller makes room and goes on.
"""

from __future__ import annotations

from abm.accounts import (
    PERP,
    ensure_holding,
    holding,
    touch,
)
from abm.causes import (
    C_LIQUIDATION,
    E_BANKRUPTCY,
    E_LIQUIDATION,
)
from abm.conversion import convert_row
from abm.deleveraging import ask_adl
from abm.halts import waits
from abm.insurance import UNLIMITED, accepts
from abm.jit import inlined, kernel
from abm.liquidation import (
    ADL,
    BACKSTOP,
    BANKRUPTCY_ORDER,
    CANCEL_ORDERS,
    CONVERT_COLLATERAL,
    FILLABLE_ORDER,
    MARKET_ROUNDS,
    MARKET_SLICES,
    REDUCE_TIERS,
    STAGE_BITS,
    TAKE_OVER,
    bankruptcy_amount,
    bankruptcy_ticks,
    below_backstop,
    fillable_ticks,
    largest_position,
    portion_lots,
    slice_lots,
    tier_lots,
    worth_lots,
)
from abm.margin import bucket_place, equity_and_maintenance, watch
from abm.matching import place
from abm.messages import ENGINE, IOC, MAX_PRICE, REDUCE_ONLY
from abm.ranking import drop_first, heapify
from abm.resting import cancel_all
from abm.state import BUCKETS, NONE, views
from abm.tables import prefetch
from abm.takeover import absorb, count_closed, cover, new_event, room, take_over
from abm.units import at_price, at_rate, at_rate_up, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

LAST_BIT = 1 << 62


@kernel("i8(i8,i8)")
def anchor(address, b):
    """Anchor the margin index of a contract at its mark of now and enter all its holders anew."""
    s = views(address)
    bk = s.books[b]
    bk.anchor0 = bk.mark
    bk.anchor1 = bk.mark
    bk.high0 = -1
    bk.low1 = BUCKETS
    for p in range(s.meta[0].positions):
        if s.positions[p].book == b and s.positions[p].qty != 0:
            watch(s, s.positions[p].row)
    return 0


@inlined
def collect(s, b, direction, k):
    """Copy the rows of one bucket to `ranking`, so that looking at them may move them. Returns how many."""
    n = 0
    p = s.buckets[(2 * b + direction) * BUCKETS + k]
    while p != NONE:
        s.ranking[n] = s.positions[p].row
        n += 1
        p = s.positions[p].b_next
    return n


@kernel("i8(i8)")
def find(address):
    """Queue every row that is under maintenance at the marks of now. Returns how many wait in the queue."""
    s = views(address)
    n = s.meta[0].touched
    for i in range(n):
        prefetch(s.rows, s.touched[min(i + 16, n - 1)])
        later = s.rows[s.touched[min(i + 8, n - 1)]]
        prefetch(s.positions, later.positions)
        prefetch(s.holdings, later.holdings)
        row = s.touched[i]
        s.rows[row].touched = 0
        watch(s, row)
    s.meta[0].touched = 0
    for b in range(s.meta[0].books):
        bk = s.books[b]
        if bk.kind != PERP:
            continue
        if 2 * bk.mark > 3 * bk.anchor0 or 8 * bk.mark < bk.anchor0:
            anchor(address, b)
        place_now = bucket_place(bk.anchor0, bk.mark)
        k = bk.high0
        while k >= place_now:
            for i in range(collect(s, b, 0, k)):
                watch(s, s.ranking[i])
            k -= 1
        if bk.high0 > place_now:
            bk.high0 = place_now
        place_now = bucket_place(bk.anchor1, bk.mark)
        k = bk.low1
        while k <= place_now:
            for i in range(collect(s, b, 1, k)):
                watch(s, s.ranking[i])
            k += 1
        if bk.low1 < place_now:
            bk.low1 = place_now
    return s.meta[0].queued


@kernel("i8(i8)")
def find_by_full_pass(address):
    """The same queue by looking at every row: the slow twin of `find`."""
    s = views(address)
    for i in range(s.meta[0].touched):
        s.rows[s.touched[i]].touched = 0
    s.meta[0].touched = 0
    for row in range(s.meta[0].rows):
        watch(s, row)
    return s.meta[0].queued


@kernel("i8(i8)")
def line_up(address):
    """Move the queue into a heap, most under water (smallest equity over maintenance) first, then by the row's key.

    Returns how many rows there are; the queue is empty afterwards.
    """
    s = views(address)
    n = s.meta[0].queued
    for i in range(n):
        row = s.queue[i]
        equity, maintenance = equity_and_maintenance(s, row)
        s.ranking[i] = row
        s.scores[i] = -float(equity) / float(maintenance if maintenance > 1 else 1)
        s.sorted[i] = s.rows[row].key
    s.meta[0].queued = 0
    heapify(s, n)
    return n


@kernel("i8(i8,i8,i8,i8)")
def to_fund(address, row, b, amount):
    """Pay so much, above zero, from a row's settlement balance to the pool that insures a contract; below zero the pool
    pays, as far as its equity goes. Returns what was paid, signed."""
    s = views(address)
    settle, fund = s.venues[s.rows[row].venue].settle, wide(s.books[b].fund)
    if amount < 0:
        amount = -min(-amount, max(equity_and_maintenance(s, fund)[0], 0))
    s.holdings[holding(s, row, settle)].amount -= amount
    s.holdings[ensure_holding(s, fund, settle)].amount += amount
    return amount


@inlined
def settle_order(address, row, b, value, above):
    """The fee of a liquidation order, and who has what it brings `above` bankruptcy or pays what it brings below.

    Of a `fillable_order` the fee is no more than what it brings above, and what it brings below is the pool's. Returns
    what the pool has of it, signed.
    """
    s = views(address)
    v = s.venues[s.rows[row].venue]
    fillable = s.meta[0].stage == FILLABLE_ORDER
    most = equity_and_maintenance(s, row)[0]
    if fillable and above < most:
        most = above
    fee = min(at_rate(value, v.liquidation_fee), most)
    paid = to_fund(address, row, b, fee) if fee > 0 else 0
    if above > 0 and v.surplus != 0:
        left = min(above - paid, equity_and_maintenance(s, row)[0])
        paid += to_fund(address, row, b, left) if left > 0 else 0
    if above < 0 and fillable:
        paid += to_fund(address, row, b, above)
    return paid


@kernel("UniTuple(i8,2)(i8,i8,i8,i8,i8,i8,i8)")
def send(address, row, p, limit, lots, kind, parent):
    """One liquidation order of the venue (`kind`: IOC or FOK) into the book, its fee, and who has what it brings above
    or below bankruptcy. Returns (event place, lots filled)."""
    s = views(address)
    x = s.positions[p]
    b = x.book
    held, was_long = x.qty, x.qty > 0
    worth = bankruptcy_amount(s, row, p)
    venue = wide(s.rows[row].venue)
    i = new_event(address, E_LIQUIDATION, parent, row, b)
    flags = ENGINE | kind | REDUCE_ONLY
    place(address, row, b, -1 if was_long else 1, limit, lots, flags, 0, 0, -1, C_LIQUIDATION, s.events[i].id)
    filled = s.meta[0].filled
    value = s.meta[0].traded
    e = s.events[i]
    e.cause = C_LIQUIDATION
    e.side = 1 if was_long else -1
    e.qty = filled
    e.value = value
    if filled > 0:
        e.price = mul_div(value, 1024, filled * s.books[b].unit)
        count_closed(s, venue, was_long, value)
        got = (value if was_long else -value) - at_rate_up(value, s.books[b].taker_fee)
        above = got - mul_div(worth, filled, held if was_long else -held)
        e.amount = settle_order(address, row, b, value, above)
    return i, filled


@kernel("UniTuple(i8,2)(i8,i8,i8)")
def largest_but(address, row, done):
    """(The row's position with the largest value at mark, its bit), without those whose bits are set; -1 if none is
    left. Bits are by the place in the row's list, the last stands for all further ones."""
    s = views(address)
    best, most, mark, bit = NONE, 0, 0, 1
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0 and (done & bit) == 0:
            size = abs(at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark))
            if best == NONE or size > most:
                best, most, mark = p, size, bit
        if bit < LAST_BIT:
            bit <<= 1
        p = x.next
    return best, mark


@kernel("UniTuple(i8,2)(i8,i8,i8,i8,i8)")
def at_bankruptcy(address, row, reducing, parent, dry):
    """Orders at the bankruptcy price, the largest position first: down by brackets (`reducing` 1), or of all that is
    left; none where the book had no more to give (bits of `dry`, see `largest_but`). Returns the last event's id (or
    `parent`) and where the book is dry now."""
    s = views(address)
    kind = wide(s.venues[s.rows[row].venue].order)
    done = dry
    for _ in range(64):
        p, bit = largest_but(address, row, done)
        equity, maintenance = equity_and_maintenance(s, row)
        if p == NONE or equity >= maintenance or equity <= 0:
            break
        held = s.positions[p].qty
        lots = tier_lots(s, row, p) if reducing != 0 else (held if held > 0 else -held)
        if lots == 0:
            done |= bit  # not to be reduced: the next one may be
            continue
        i, filled = send(address, row, p, bankruptcy_ticks(s, row, p), lots, kind, parent)
        parent = s.events[i].id
        if filled < lots:
            done |= bit
            dry |= bit
    return parent, dry


@kernel("UniTuple(i8,2)(i8,i8,i8,i8)")
def into_book(address, row, stage, parent):
    """Market orders of `market_slices`, `market_rounds` or `fillable_order` until the row is healthy, largest position
    first. Returns the last event's id (or `parent`), and 1 if the book did not fill one whole."""
    s = views(address)
    venue = wide(s.rows[row].venue)
    v = s.venues[venue]
    most = 0
    p = s.rows[row].positions
    while p != NONE:
        if s.positions[p].qty != 0:
            most += 1
        p = s.positions[p].next
    times = 1
    if stage == MARKET_ROUNDS:
        times = max(mul_div(v.rounds, s.meta[0].step_ms, 1000), 1)
        most = min(times, 64)
    for n in range(most):
        p = largest_position(s, row)
        equity, maintenance = equity_and_maintenance(s, row)
        if p == NONE or equity >= maintenance:
            break
        held = s.positions[p].qty if s.positions[p].qty > 0 else -s.positions[p].qty
        limit = 1 if s.positions[p].qty > 0 else MAX_PRICE - 1
        if stage == MARKET_SLICES:
            lots = slice_lots(s, venue, row, p)
        elif stage == MARKET_ROUNDS:
            lots = worth_lots(s, p, v.round_value * (times * (n + 1) // most - times * n // most))
        else:
            lots = portion_lots(s, venue, p)
            limit = fillable_ticks(s, venue, row, p, equity, maintenance)
        i, filled = send(address, row, p, limit, lots, IOC, parent)
        parent = s.events[i].id
        if filled < lots:
            return parent, 1
        if stage == MARKET_SLICES and lots < held:
            s.rows[row].cooldown = s.meta[0].now + v.cooldown
            break
        if stage == FILLABLE_ORDER:
            break
    return parent, 0


@kernel("i8(i8,i8,i8)")
def failed(address, row, parent):
    """The event that stands for a row's failure: its last liquidation order, or one of bankruptcy if none was sent."""
    if parent != NONE:
        return parent
    i = new_event(address, E_BANKRUPTCY, NONE, row, NONE)
    return views(address).events[i].id


@kernel("void(i8,i8)")
def liquidate_row(address, row):
    """Walk one account down its venue's waterfall, stage by stage, until it is healthy or flat or has to wait."""
    s = views(address)
    s.rows[row].queued = 0
    if waits(address, row):
        return touch(s, row)  # to be looked at again: nothing can be sold in a trading pause
    venue = wide(s.rows[row].venue)
    v = s.venues[venue]
    equity, maintenance = equity_and_maintenance(s, row)
    if s.rows[row].spared != 0 and equity < maintenance and largest_position(s, row) != NONE:
        absorb(address, row, NONE)
        cover(address, row, NONE)
        return
    parent = NONE
    dry = 0  # where the book has no more to give at the bankruptcy price
    refused = False  # neither vault nor fund takes it
    stages = v.stages
    while stages != 0:
        stage = stages & ((1 << STAGE_BITS) - 1)
        stages >>= STAGE_BITS
        s.meta[0].stage = stage
        if stage == CANCEL_ORDERS:
            cancel_all(address, row, NONE)
        elif stage == CONVERT_COLLATERAL and v.collaterals != 0:
            parent = convert_row(address, row, parent)
            equity, maintenance = equity_and_maintenance(s, row)
        if largest_position(s, row) == NONE or equity >= maintenance:
            break
        if stage in (REDUCE_TIERS, BANKRUPTCY_ORDER):
            parent, dry = at_bankruptcy(address, row, 1 if stage == REDUCE_TIERS else 0, parent, dry)
        elif stage in (MARKET_SLICES, MARKET_ROUNDS, FILLABLE_ORDER):
            if equity >= 0 and not below_backstop(s, venue, equity, maintenance):
                parent, short = into_book(address, row, stage, parent)
                equity, maintenance = equity_and_maintenance(s, row)
                if short == 0 and equity >= 0 and not below_backstop(s, venue, equity, maintenance):
                    break  # the book takes it: more in the next step
        elif stage == TAKE_OVER or (stage == BACKSTOP and below_backstop(s, venue, equity, maintenance)):
            parent = failed(address, row, parent)
            if (stage == TAKE_OVER or equity >= 0 or v.fund_rule == UNLIMITED) and accepts(s, venue, row):
                take_over(address, row, parent)
            else:
                refused = True
        elif stage == ADL and (refused or equity < 0):
            parent = failed(address, row, parent)
            ask_adl(address, row, parent)
        if stage < BACKSTOP and waits(address, row):
            break  # its own order has halted the book: the rest comes after the pause
        equity, maintenance = equity_and_maintenance(s, row)
    s.meta[0].stage = 0
    cover(address, row, parent)
    touch(s, row)


@kernel("i8(i8,i8)")
def liquidate(address, n):
    """Liquidate the `n` lined-up rows in order. Returns how many are left when room ran out, 0 when done."""
    s = views(address)
    while n > 0:
        if not room(s):
            return n
        n = drop_first(s, n)
        liquidate_row(address, wide(s.ranking[n]))
    return 0
