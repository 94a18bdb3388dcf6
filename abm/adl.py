"""Auto-deleveraging = score x allocate x price: who is closed against a failed position, how much, at which price.

Scores (higher = first; only profits count, losers come after all winners by smallest loss):

- binance: max(0, PnL) / max(1, wallet balance) x maintenance / equity (Binance FAQ 360033525471);
- bitmex: PnL % x effective leverage, effective leverage = value / (value - value at bankruptcy);
- okx: PnL % / margin ratio, here PnL % x maintenance / equity;
- hyperliquid: (mark / entry, for a short entry / mark) x notional / account value;
- profit: PnL in money.
"""

from __future__ import annotations

from typing import Literal

from abm.jit import inlined, kernel
from abm.margin import equity_and_maintenance
from abm.parameters import Frozen, parameter
from abm.ranking import heapify
from abm.state import views
from abm.units import at_price

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_ADL = "Binance, What is auto-deleveraging, binance.com/en/support/faq/360033525471"


class AdlRule(Frozen):
    """Auto-deleveraging = score x allocate x price."""

    score: Literal["binance", "bitmex", "okx", "hyperliquid", "profit"] = parameter(
        "binance", "Who comes first", source=BINANCE_ADL
    )
    allocate: Literal["queue", "pro_rata"] = parameter(
        "queue",
        "How the quantity is shared: in order of score, or by size among those in profit",
        source=BINANCE_ADL,
    )
    price: Literal["bankruptcy", "mark", "previous_mark"] = parameter(
        "bankruptcy", "At which price: this decides who bears the gap", source=BINANCE_ADL
    )


SCORES = ("binance", "bitmex", "okx", "hyperliquid", "profit")  # by code
ALLOCATIONS = ("queue", "pro_rata")
PRICES = ("bankruptcy", "mark", "previous_mark")
BINANCE, BITMEX, OKX, HYPERLIQUID, PROFIT = range(len(SCORES))
QUEUE, PRO_RATA = range(len(ALLOCATIONS))
AT_BANKRUPTCY, AT_MARK, AT_PREVIOUS_MARK = range(len(PRICES))


@kernel("f8(i8,i8,i8)")
def score_of_at(address, rule, p):
    """Rank score of one position; positive for a position in profit, negative for one at a loss."""
    s = views(address)
    x = s.positions[p]
    bk = s.books[x.book]
    value = at_price(x.qty * bk.unit, bk.mark)
    profit = float(value - x.entry)
    if profit <= 0.0:
        return profit - 1e-9
    if rule == PROFIT:
        return profit
    equity, maintenance = equity_and_maintenance(s, x.row)
    entry = float(x.entry if x.entry > 0 else -x.entry)
    size = float(value if value > 0 else -value)
    funds = float(equity) if equity > 1 else 1.0
    percent = profit / (entry if entry > 1.0 else 1.0)
    if rule == BINANCE:
        wallet = float(equity) - profit
        return profit / (wallet if wallet > 1.0 else 1.0) * float(maintenance) / funds
    if rule == BITMEX:
        return percent * size / funds
    if rule == OKX:
        return percent * float(maintenance) / funds
    ratio = size / entry if x.qty > 0 else entry / (size if size > 1.0 else 1.0)
    return ratio * size / funds


@inlined
def score_of(s, rule, p):
    """`score_of_at` from inside a kernel."""
    return score_of_at(s.meta[0].address, rule, p)


@kernel("i8(i8,i8,i8,i8)")
def rank(address, b, sign, rule):
    """Make the heap of positions of one sign in a contract; a venue's own capital is spared. Returns how many."""
    s = views(address)
    n = 0
    spared = s.venues[s.books[b].venue].capital
    for p in range(s.meta[0].positions):
        x = s.positions[p]
        if x.book == b and x.qty * sign > 0 and x.row != spared:
            s.ranking[n] = p
            s.scores[n] = score_of(s, rule, p)
            s.sorted[n] = s.rows[x.row].key
            n += 1
    heapify(s, n)
    return n
