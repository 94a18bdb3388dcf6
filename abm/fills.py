"""One fill: value and fees move, the book and the tape note it, the resting order shrinks or ends."""

from __future__ import annotations

from abm.accounts import PERP, settle_perp, settle_spot
from abm.book import change_level
from abm.jit import inlined
from abm.resting import end_reduced, release, remove
from abm.state import NONE
from abm.units import wide

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"


@inlined
def note_fill(s, b, side, price, qty, value, kind, taker, maker_slot, cause):
    """Count a fill in the book's record of this step and, if asked for, on the tape."""
    bk = s.books[b]
    bk.last = price
    bk.volume += qty
    bk.value += value
    bk.trades += 1
    bk.trade_sum += price
    bk.trade_count += 1
    bk.traded_at = s.meta[0].now
    if side > 0:
        bk.taker_buy += value
    if bk.low == 0 or price < bk.low:
        bk.low = price
    if price > bk.high:
        bk.high = price
    m = s.meta[0]
    m.filled += qty
    m.traded += value
    if m.keep_fills != 0:
        f = s.fills[m.fills]
        f.time = m.now
        f.price = price
        f.qty = qty
        f.cause = cause
        f.maker = s.orders[maker_slot].row
        f.taker = taker
        f.book = b
        f.side = side
        f.kind = kind
        m.fills += 1


@inlined
def fill(s, b, row, p, side, price, lots, kind, slot, cause):
    """A taker (`row`, with position `p`) trades with a resting order; `side` is the taker's."""
    o = s.orders[slot]
    maker = o.row
    release(s, slot, lots)
    if s.books[b].kind == PERP:
        reduced = wide(o.position)
        value = settle_perp(s, b, row, maker, p, o.position, side, price, lots)
    else:
        reduced = NONE
        value = settle_spot(s, b, row, maker, side, price, lots)
    note_fill(s, b, side, price, lots, value, kind, row, slot, cause)
    o.qty -= lots
    change_level(s, slot, -lots)
    if o.qty == 0:
        remove(s, slot)
    end_reduced(s, maker, reduced)
