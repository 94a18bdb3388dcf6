"""What happens to accounts under maintenance margin: the venue's own orders, take-over, and auto-deleveraging.

In a step: `find` looks at rows whose index distance has been passed, `line_up` puts the most under water first,
`liquidate` sends the venue's orders through the ordinary book and hands what fails to the fund or to the requests for
ADL, `check_vaults` adds what a vault can no longer carry, `deleverage` closes requests against ranked winners.
Kernels that may run out of room return where they stopped; the caller makes room and goes on.
"""

from __future__ import annotations

from abm.accounts import (
    PERP,
    change_position,
    ensure_holding,
    ensure_position,
    holding,
    touch,
)
from abm.adl import AT_BANKRUPTCY, AT_MARK, PRO_RATA, rank
from abm.causes import (
    C_ADL,
    C_LIQUIDATION,
    E_ABSORPTION,
    E_ADL,
    E_BANKRUPTCY,
    E_DEFICIT,
    E_LIQUIDATION,
    E_TAKEOVER,
)
from abm.insurance import UNLIMITED, VAULT, accepts
from abm.jit import inlined, kernel
from abm.liquidation import (
    BANKRUPTCY,
    bankruptcy_amount,
    bankruptcy_ticks,
    below_backstop,
    largest_position,
    partial_lots,
    slice_lots,
)
from abm.margin import bucket_place, equity_and_maintenance, settlement, watch
from abm.matching import place
from abm.messages import ENGINE, IOC, MAX_PRICE, REDUCE_ONLY
from abm.ranking import drop_first, heapify
from abm.resting import cancel_all
from abm.state import BUCKETS, NONE, views
from abm.units import at_price, at_rate, mul_div, wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@kernel("i8(i8,i8,i8,i8,i8)")
def new_event(address, kind, parent, row, b):
    """Append an event and return its place in the table; `next_event` numbers events through the run."""
    s = views(address)
    m = s.meta[0]
    i = m.events
    m.events = i + 1
    e = s.events[i]
    e.id = m.next_event
    m.next_event += 1
    e.parent = parent
    e.time = m.now
    e.kind = kind
    e.cause = 0
    e.row = row
    e.other = NONE
    e.book = b
    e.venue = s.rows[row].venue if row >= 0 else NONE
    e.asset = NONE
    e.side = 0
    e.price = 0
    e.mark = s.books[b].mark if b >= 0 else 0
    e.qty = 0
    e.value = 0
    e.amount = 0
    return i


@inlined
def room(s):
    """Whether events and accounts have room for whatever one account's liquidation can bring."""
    m = s.meta[0]
    return (
        m.events + 128 < len(s.events)
        and m.positions + 64 < len(s.positions)
        and m.holdings + 8 < len(s.holdings)
        and m.requests + 64 < len(s.requests)
        and (m.keep_fills == 0 or m.fills + 2 * m.live_orders + 64 < len(s.fills))
    )


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
    for i in range(s.meta[0].touched):
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


@inlined
def count_closed(s, venue, was_long, value):
    """Count liquidated value once per contract closed."""
    if was_long:
        s.venues[venue].liquidated_long += value
    else:
        s.venues[venue].liquidated_short += value


@kernel("UniTuple(i8,2)(i8,i8,i8,i8,i8,i8)")
def send(address, row, p, limit, lots, parent):
    """One liquidation order of the venue into the book. Returns (event place, lots filled)."""
    s = views(address)
    x = s.positions[p]
    b = x.book
    was_long = x.qty > 0
    side = -1 if was_long else 1
    venue = s.rows[row].venue
    i = new_event(address, E_LIQUIDATION, parent, row, b)
    flags = ENGINE | IOC | REDUCE_ONLY
    place(address, row, b, side, limit, lots, flags, 0, 0, -1, C_LIQUIDATION, s.events[i].id)
    filled = s.meta[0].filled
    value = s.meta[0].traded
    e = s.events[i]
    e.cause = C_LIQUIDATION
    e.side = 1 if was_long else -1
    e.qty = filled
    e.value = value
    e.price = mul_div(value, 1024, filled * s.books[b].unit) if filled > 0 else 0
    count_closed(s, venue, was_long, value)
    if filled > 0 and s.venues[venue].liquidation_fee > 0:
        equity, _ = equity_and_maintenance(s, row)
        fee = at_rate(value, s.venues[venue].liquidation_fee)
        if fee > equity:
            fee = equity
        if fee > 0:
            settle = s.venues[venue].settle
            s.holdings[holding(s, row, settle)].amount -= fee
            s.holdings[ensure_holding(s, s.venues[venue].fund, settle)].amount += fee
            e.amount = fee
    return i, filled


@kernel("i8(i8,i8,i8,i8,i8,i8,i8)")
def hand_over(address, row, p, taker, amount, kind, parent):
    """Pass a whole position on to one of the venue's own rows for `amount` (signed like the position). Returns the
    place of the event."""
    s = views(address)
    x = s.positions[p]
    b, lots = x.book, x.qty
    settle = s.venues[s.rows[row].venue].settle
    worth = amount if amount > 0 else -amount
    i = new_event(address, kind, parent, row, b)
    e = s.events[i]
    e.other = taker
    e.side = 1 if lots > 0 else -1
    e.qty = lots if lots > 0 else -lots
    e.value = worth
    e.price = mul_div(worth, 1024, e.qty * s.books[b].unit)
    s.holdings[ensure_holding(s, row, settle)].amount += amount
    s.holdings[ensure_holding(s, taker, settle)].amount -= amount
    change_position(s, ensure_position(s, taker, b), lots, worth)
    change_position(s, p, -lots, worth)
    return i


@kernel("void(i8,i8,i8)")
def take_over(address, row, parent):
    """The fund takes all positions and the whole settlement balance: the account ends at exactly zero."""
    s = views(address)
    venue = s.rows[row].venue
    v = s.venues[venue]
    p = s.rows[row].positions
    while p != NONE:
        lots = s.positions[p].qty
        if lots != 0:
            bk = s.books[s.positions[p].book]
            amount = bankruptcy_amount(s, row, p)
            e = s.events[hand_over(address, row, p, v.fund, amount, E_TAKEOVER, parent)]
            e.cause = C_LIQUIDATION
            e.amount = at_price(lots * bk.unit, bk.mark) - amount
            count_closed(s, venue, lots > 0, e.value)
            v.takeover += e.value
        p = s.positions[p].next
    h = holding(s, row, v.settle)
    rest = s.holdings[h].amount
    s.holdings[h].amount = 0
    s.holdings[ensure_holding(s, v.fund, v.settle)].amount += rest
    touch(s, row)


@kernel("void(i8,i8,i8)")
def absorb(address, row, parent):
    """The venue takes a row's positions on its own capital, at their marks: the account keeps its equity, no order of
    it is left and none reaches a book. (An intervention, never a rule: what would have been without a liquidation?)"""
    s = views(address)
    cancel_all(address, row, NONE)
    p = s.rows[row].positions
    while p != NONE:
        lots = s.positions[p].qty
        if lots != 0:
            bk = s.books[s.positions[p].book]
            capital = s.venues[s.rows[row].venue].capital
            i = hand_over(address, row, p, capital, at_price(lots * bk.unit, bk.mark), E_ABSORPTION, parent)
            s.events[i].price = bk.mark  # the amount is the mark's, rounded
        p = s.positions[p].next
    touch(s, row)


@kernel("void(i8,i8,i8)")
def ask_adl(address, row, parent):
    """Request ADL of all positions of a row in this step."""
    s = views(address)
    p = s.rows[row].positions
    while p != NONE:
        x = s.positions[p]
        if x.qty != 0:
            m = s.meta[0]
            r = s.requests[m.requests]
            r.parent = parent
            r.row = row
            r.book = x.book
            r.position = p
            r.qty = x.qty if x.qty > 0 else -x.qty
            m.requests += 1
        p = x.next


@kernel("void(i8,i8,i8)")
def cover(address, row, parent):
    """Bring a flat account below zero back to exactly zero: the fund pays as far as its equity goes, then the venue,
    first from the fees that it has earned, then from its capital, which may go below zero."""
    s = views(address)
    if largest_position(s, row) != NONE:
        return
    v = s.venues[s.rows[row].venue]
    deficit = -settlement(s, row)
    if deficit <= 0 or row == v.fund:
        return
    equity, _ = equity_and_maintenance(s, v.fund)
    paid = deficit if deficit < equity else (equity if equity > 0 else 0)
    s.holdings[holding(s, row, v.settle)].amount += deficit
    s.holdings[ensure_holding(s, v.fund, v.settle)].amount -= paid
    earned = s.holdings[ensure_holding(s, v.fees, v.settle)].amount
    fees = min(max(earned, 0), deficit - paid)
    s.holdings[holding(s, v.fees, v.settle)].amount -= fees
    s.holdings[ensure_holding(s, v.capital, v.settle)].amount -= deficit - paid - fees
    e = s.events[new_event(address, E_DEFICIT, parent, row, NONE)]
    e.cause = C_LIQUIDATION
    e.value = deficit
    e.amount = deficit - paid
    e.other = v.fund
    touch(s, row)


@inlined
def at_bankruptcy(s, address, row, venue):
    """Reduce by IOC orders at the bankruptcy price until healthy. Returns the last event's id, or -1."""
    parent = NONE
    for _ in range(64):
        p = largest_position(s, row)
        if p == NONE:
            break
        equity, maintenance = equity_and_maintenance(s, row)
        if equity >= maintenance or equity <= 0:
            break
        x = s.positions[p]
        lots = x.qty if x.qty > 0 else -x.qty
        if s.venues[venue].partial != 0:
            lots = partial_lots(s, row, p)
        i, filled = send(address, row, p, bankruptcy_ticks(s, row, p), lots, parent)
        parent = s.events[i].id
        if filled < lots:
            break
    return parent


@inlined
def into_book(s, address, row, venue):
    """Market orders into the book, sliced if large, one a position, largest first. Returns the last event's id."""
    parent = NONE
    sliced = False
    tried = 0
    p = s.rows[row].positions
    while p != NONE:
        if s.positions[p].qty != 0:
            tried += 1
        p = s.positions[p].next
    for _ in range(tried):
        p = largest_position(s, row)
        equity, maintenance = equity_and_maintenance(s, row)
        if p == NONE or equity >= maintenance:
            break
        held = s.positions[p].qty if s.positions[p].qty > 0 else -s.positions[p].qty
        lots = slice_lots(s, venue, row, p)
        limit = 1 if s.positions[p].qty > 0 else MAX_PRICE - 1
        i, filled = send(address, row, p, limit, lots, parent)
        parent = s.events[i].id
        if lots < held:
            sliced = True
            break
    if sliced:
        s.rows[row].cooldown = s.meta[0].now + s.venues[venue].cooldown
    return parent


@kernel("void(i8,i8)")
def liquidate_row(address, row):
    """Walk one account down its venue's waterfall."""
    s = views(address)
    s.rows[row].queued = 0
    venue = wide(s.rows[row].venue)
    v = s.venues[venue]
    cancel_all(address, row, NONE)
    equity, maintenance = equity_and_maintenance(s, row)
    if largest_position(s, row) == NONE:
        cover(address, row, NONE)
        return
    if equity >= maintenance:
        watch(s, row)
        return
    if s.rows[row].spared != 0:
        absorb(address, row, NONE)
        cover(address, row, NONE)
        return
    parent = NONE
    if v.style == BANKRUPTCY:
        parent = at_bankruptcy(s, address, row, venue)
        equity, maintenance = equity_and_maintenance(s, row)
        if largest_position(s, row) == NONE:
            cover(address, row, parent)
        elif equity < maintenance:
            if parent == NONE:
                parent = s.events[new_event(address, E_BANKRUPTCY, NONE, row, NONE)].id
            if accepts(s, venue, row):
                take_over(address, row, parent)
            else:
                ask_adl(address, row, parent)
    else:
        if equity >= 0 and not below_backstop(s, venue, equity, maintenance):
            parent = into_book(s, address, row, venue)
            equity, maintenance = equity_and_maintenance(s, row)
        if largest_position(s, row) == NONE:
            cover(address, row, parent)
        elif equity < 0 or below_backstop(s, venue, equity, maintenance):
            if parent == NONE:
                parent = s.events[new_event(address, E_BANKRUPTCY, NONE, row, NONE)].id
            if (equity >= 0 or v.fund_rule == UNLIMITED) and accepts(s, venue, row):
                take_over(address, row, parent)
            else:
                ask_adl(address, row, parent)
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


@kernel("i8(i8)")
def check_vaults(address):
    """Request ADL of what a vault holds once its own equity at mark is below zero, and keep the funds' peaks."""
    s = views(address)
    for venue in range(s.meta[0].venues):
        v = s.venues[venue]
        if v.fund < 0:
            continue
        equity, _ = equity_and_maintenance(s, v.fund)
        if equity > v.fund_peak:
            v.fund_peak = equity
        if v.fund_rule == VAULT and equity < 0 and largest_position(s, v.fund) != NONE and room(s):
            i = new_event(address, E_BANKRUPTCY, NONE, v.fund, NONE)
            ask_adl(address, v.fund, s.events[i].id)
    return 0


@inlined
def adl_amount(s, venue, row, p, lots):
    """Quote units, signed like the position, at which `lots` of it are closed."""
    x = s.positions[p]
    held = x.qty if x.qty > 0 else -x.qty
    rule = s.venues[venue].adl_price
    if rule == AT_BANKRUPTCY:
        amount = bankruptcy_amount(s, row, p)
    elif rule == AT_MARK:
        amount = at_price(x.qty * s.books[x.book].unit, s.books[x.book].mark)
    else:
        amount = at_price(x.qty * s.books[x.book].unit, s.books[x.book].previous_mark)
    if lots == held:
        return amount
    return mul_div(amount, lots, held)


@kernel("void(i8,i8,i8,i8,i8,i8,i8)")
def close_against(address, row, p, w, lots, amount, parent):
    """Close `lots` of a failed position against one winner for `amount`; the winner's orders there are cancelled.

    A bankruptcy price far beyond the mark can cost the winner more than he has: what he then owes is covered at once.
    """
    s = views(address)
    x = s.positions[p]
    b = x.book
    sign = 1 if x.qty > 0 else -1
    winner = wide(s.positions[w].row)
    venue = wide(s.books[b].venue)
    settle = s.venues[venue].settle
    worth = amount if amount > 0 else -amount
    cancel_all(address, winner, b)
    s.holdings[holding(s, row, settle)].amount += amount
    s.holdings[ensure_holding(s, winner, settle)].amount -= amount
    change_position(s, p, -sign * lots, worth)
    change_position(s, w, sign * lots, worth)
    e = s.events[new_event(address, E_ADL, parent, row, b)]
    e.cause = C_ADL
    e.other = winner
    e.side = sign
    e.qty = lots
    e.value = worth
    e.price = mul_div(worth, 1024, lots * s.books[b].unit)
    e.amount = sign * (amount * sign - at_price(lots * s.books[b].unit, s.books[b].mark))
    s.venues[venue].adl += worth
    if row != s.venues[venue].fund:
        count_closed(s, venue, sign > 0, worth)
    touch(s, row)
    touch(s, winner)
    cover(address, winner, parent)


@inlined
def profitable_lots(s, n):
    """Lots held by the candidates in profit."""
    total = 0
    for i in range(n):
        if s.scores[i] > 0.0:
            q = s.positions[s.ranking[i]].qty
            total += q if q > 0 else -q
    return total


@inlined
def payable_lots(s, w, amount, lots):
    """Lots of a winner that may be closed at the price of `amount` for `lots` before his account is below zero."""
    x = s.positions[w]
    bk = s.books[x.book]
    held = x.qty if x.qty > 0 else -x.qty
    worth = at_price(lots * bk.unit, bk.mark)
    loss = amount - worth if x.qty < 0 else amount + worth  # of the winner, for all `lots`, against the mark
    if loss <= 0:
        return held
    equity, _ = equity_and_maintenance(s, x.row)
    equity -= 2  # what shares are rounded by
    if equity <= 0:
        return 0
    return mul_div(lots, equity, loss) if equity < loss else held


@inlined
def serve(s, address, k, n):
    """Close request `k` against the heap of `n` winners. Returns the winners left, or -1 if room ran out."""
    r = s.requests[k]
    row = wide(r.row)
    p = wide(r.position)
    venue = wide(s.rows[row].venue)
    held = s.positions[p].qty if s.positions[p].qty > 0 else -s.positions[p].qty
    lots = r.qty if r.qty < held else held
    if lots == 0:
        return n
    amount = adl_amount(s, venue, row, p, lots)
    sum_profit = profitable_lots(s, n) if s.venues[venue].allocate == PRO_RATA else 0
    if sum_profit >= lots and sum_profit > 0:
        seen = 0
        done = 0
        paid = 0
        for i in range(n):
            if s.scores[i] <= 0.0:
                continue
            w = wide(s.ranking[i])
            q = s.positions[w].qty if s.positions[w].qty > 0 else -s.positions[w].qty
            seen += q
            part = mul_div(lots, seen, sum_profit) - done
            if part == 0:
                continue
            if s.meta[0].events + 4 >= len(s.events):
                r.qty = lots - done
                return -1
            done += part
            share = mul_div(amount, done, lots) - paid
            paid += share
            close_against(address, row, p, w, part, share, r.parent)
        r.qty = 0
        return n
    done = 0
    paid = 0
    bounded = True  # first those who can pay; only when nobody is left are the others closed as well
    while done < lots and (n > 0 or bounded):
        if s.meta[0].events + 4 >= len(s.events):
            r.qty = lots - done
            return -1
        if n == 0:
            n = rank(address, s.positions[p].book, -1 if s.positions[p].qty > 0 else 1, s.venues[venue].score)
            bounded = False
            continue
        w = wide(s.ranking[0])
        q = s.positions[w].qty if s.positions[w].qty > 0 else -s.positions[w].qty
        part = q if q < lots - done else lots - done
        if bounded:
            most = payable_lots(s, w, amount, lots)
            if most < part:
                part = most
                q = part  # he is left out from here on
        if part > 0:
            done += part
            share = mul_div(amount, done, lots) - paid
            paid += share
            close_against(address, row, p, w, part, share, r.parent)
        if part == q:
            n = drop_first(s, n)
    r.qty = 0
    return n


@kernel("i8(i8)")
def deleverage(address):
    """Close all requests, ranking each contract and side once. Returns 1 if room ran out (call again), 0 when done."""
    s = views(address)
    count = s.meta[0].requests
    for k in range(count):
        if s.requests[k].qty == 0:
            continue
        b = wide(s.requests[k].book)
        held = s.positions[s.requests[k].position].qty
        sign = 1 if held > 0 else -1
        venue = wide(s.books[b].venue)
        once = s.venues[venue].allocate != PRO_RATA
        n = rank(address, b, -sign, s.venues[venue].score)
        for j in range(k, count):
            r = s.requests[j]
            if r.qty == 0 or r.book != b or (s.positions[r.position].qty > 0) != (sign > 0):
                continue
            if not once and j > k:
                n = rank(address, b, -sign, s.venues[venue].score)
            n = serve(s, address, j, n)
            if n < 0:
                return 1
            if s.meta[0].events + 4 >= len(s.events):
                return 1
            cover(address, wide(r.row), r.parent)
    s.meta[0].requests = 0
    return 0
