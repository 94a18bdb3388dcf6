"""Auto-deleveraging = score x allocate x price: who is closed against a failed position, how much, at which price.

Scores, higher = first. P = unrealised profit of the position, E = its entry value, N = its value at mark, MM and equity
those of the account (all of a row: the cross pool, or the one contract of an isolated account):

- binance: max(0, U) / max(1, wallet balance) x maintenance / equity, 0 without equity; U, the wallet balance = equity
  - U and the maintenance are the account's (Binance FAQ 360033525471);
- bitmex (also Bybit): P/E x leverage in profit, P/E / leverage at a loss, leverage = N / (N - value at bankruptcy): the
  account's gross value over its equity, because bankruptcy shares equity by value;
- okx: P/E / margin ratio in profit, P/E x margin ratio at a loss, margin ratio = equity / MM;
- bitget: P/E x maintenance margin rate in profit, P/E / rate at a loss, rate = MM / equity;
- grvt: P/E / (margin balance / MM) in profit, times it at a loss: okx's and bitget's in other words;
- hyperliquid: (mark / entry, for a short entry / mark) x N / account value, those in profit;
- profit: P in money;
- random: a draw for each account, contract and moment, no test of profit (dYdX v4 begins anywhere in its list);
- none: all alike, in the order of their own numbers.

Where a rule has no formula for losers they come after all winners, by smallest loss.
"""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from abm.allocation import RULES
from abm.jit import inlined, kernel
from abm.liquidation import gross_notional
from abm.margin import equity_and_maintenance
from abm.parameters import Frozen, parameter
from abm.random import draw, key_of, unit
from abm.ranking import heapify
from abm.state import NONE, views
from abm.units import at_price

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_ADL = "Binance, What is auto-deleveraging, binance.com/en/support/faq/360033525471"
BYBIT_ADL = "Bybit help page of 2025 in a third-party copy, wuyelx.com/6291.html"
OWN = ":"  # in the name of a rule of one's own: "file:function"

SCORES = (
    "binance", "bitmex", "okx", "hyperliquid", "profit", "bitget", "grvt", "random", "none",
)  # by code  # fmt: skip
SOCIAL_LOSS = "social_loss"
ALLOCATIONS = (*RULES, SOCIAL_LOSS)
PRICES = ("bankruptcy", "mark", "previous_mark", "oracle", "bankruptcy_capped")
BINANCE, BITMEX, OKX, HYPERLIQUID, PROFIT, BITGET, GRVT, RANDOM, NO_SCORE = range(len(SCORES))
IN_KERNEL, SHARED, SOCIAL = range(3)  # how a venue's requests are served
AT_BANKRUPTCY, AT_MARK, AT_PREVIOUS_MARK, AT_INDEX, AT_CAPPED = range(len(PRICES))
_DRAWS = key_of("adl")


def _named(value: str, names: tuple[str, ...]) -> str:
    file, colon, function = value.partition(OWN)
    if value not in names and not (colon and file.isidentifier() and function.isidentifier()):
        raise ValueError(f'expected one of {", ".join(names)}, or "file:function" of a file named --with')
    return value


class AdlRule(Frozen):
    """Auto-deleveraging = score x allocate x price."""

    score: str = parameter(
        "binance",
        f'Who comes first: {", ".join(SCORES)}, or "file:function" of a file named --with',
        source=BINANCE_ADL,
    )
    allocate: str = parameter(
        "queue",
        f"How the quantity is shared: {', '.join(ALLOCATIONS)} (pro_rata = pro_rata_contracts),"
        ' or "file:function" of a file named --with',
        source=BINANCE_ADL,
    )
    price: str = parameter(
        "bankruptcy",
        f"At which price, this decides who bears the gap: {', '.join(PRICES)}",
        source=BINANCE_ADL,
    )
    gap: float = parameter(
        0.05,
        "bankruptcy_capped: the mark instead of a bankruptcy price that is farther than this from it",
        unit="share of the mark",
        source=BYBIT_ADL,
        ge=0,
        le=1,
    )
    power: float = parameter(
        1.0, "risk_aware: the exponent c of leverage^c", unit="1", source="arXiv 2512.01112", ge=0, le=10
    )
    least_wallet: float = parameter(
        1.0,
        "binance: the profit is divided by the wallet balance, but by no less than this",
        unit="settlement asset",
        source=BINANCE_ADL,
        gt=0,
        le=1e9,
    )
    cancels_orders: bool = parameter(
        True, "The open orders in that contract of whoever is deleveraged are cancelled", source=BINANCE_ADL
    )

    @field_validator("score")
    @classmethod
    def _score(cls, value: str) -> str:
        return _named(value, SCORES)

    @field_validator("allocate")
    @classmethod
    def _allocate(cls, value: str) -> str:
        return _named(value, ALLOCATIONS)

    @field_validator("price")
    @classmethod
    def _price(cls, value: Any) -> Any:
        if value not in PRICES:
            raise ValueError(f"expected one of {', '.join(PRICES)}")
        return value

    @property
    def served(self) -> int:
        """Code of how requests are served: by the kernel's queue, by shares in numpy, or by everybody's loss."""
        if self.allocate == SOCIAL_LOSS:
            return SOCIAL
        return IN_KERNEL if self.allocate == "queue" and OWN not in self.score else SHARED

    @property
    def score_code(self) -> int:
        """Code of the built-in score; a score of one's own is computed after its accounts are collected."""
        return SCORES.index(self.score) if self.score in SCORES else NO_SCORE

    @property
    def own(self) -> tuple[str, ...]:
        """The names among these rules that stand for functions of the user's files."""
        return tuple(name for name in (self.score, self.allocate) if OWN in name)


@inlined
def formula_of(rule, profit, entry, value, long, total, equity, maintenance, least_wallet):
    """`formula` inside a kernel."""
    if rule == BINANCE:
        if total <= 0.0:
            return total - 1e-9
        if equity <= 0.0:
            return 0.0
        return total / max(least_wallet, equity - total) * maintenance / equity
    if rule == NO_SCORE:
        return 1.0
    if rule == PROFIT:
        return profit if profit > 0.0 else profit - 1e-9
    funds = equity if equity > 1.0 else 1.0
    percent = profit / (entry if entry > 1.0 else 1.0)
    if rule == HYPERLIQUID:
        if profit <= 0.0:
            return profit - 1e-9
        return (value / entry if long else entry / max(value, 1.0)) * value / funds
    strained = value if rule == BITMEX else maintenance
    if profit > 0.0:
        return percent * strained / funds
    return percent / max(strained / funds, 1e-12) - 1e-300


@kernel("f8(i8,f8,f8,f8,b1,f8,f8,f8,f8)")
def formula(rule, profit, entry, value, long, total, equity, maintenance, least_wallet):
    """Rank score from numbers, those of the module's page.

    Args:
        profit, entry, value: of the position, entry and value at mark without sign. long: its side.
        total, equity, maintenance: of the account: unrealised profit of all positions, equity, maintenance margin.
        least_wallet: the least that binance divides by (1, in the units of the money).

    Returns above zero for who is in profit, below zero for who is at a loss.
    """
    return formula_of(rule, profit, entry, value, long, total, equity, maintenance, least_wallet)


@kernel("f8(i8,i8,i8)")
def score_of_at(address, rule, p):
    """Rank score of one position; see `formula`."""
    s = views(address)
    x = s.positions[p]
    if rule == NO_SCORE:
        return 1.0
    if rule == RANDOM:
        m = s.meta[0]
        return unit(draw(m.seed ^ _DRAWS, s.rows[x.row].key ^ s.books[x.book].key, m.now))
    bk = s.books[x.book]
    value = at_price(x.qty * bk.unit, bk.mark)
    profit = value - x.entry
    if rule == PROFIT or (profit <= 0 and rule == HYPERLIQUID):
        return float(profit) if profit > 0 else float(profit) - 1e-9
    equity, maintenance = equity_and_maintenance(s, x.row)
    total = profit
    if rule == BINANCE:
        q = s.rows[x.row].positions
        while q != NONE:
            y = s.positions[q]
            if q != p and y.qty != 0:
                total += at_price(y.qty * s.books[y.book].unit, s.books[y.book].mark) - y.entry
            q = y.next
    if rule == BITMEX:
        value = gross_notional(
            s, x.row
        )  # over equity: the effective leverage of a position closed at bankruptcy
    return formula_of(
        rule, float(profit), float(abs(x.entry)), float(abs(value)), x.qty > 0, float(total), float(equity),
        float(maintenance), float(s.venues[bk.venue].least_wallet),
    )  # fmt: skip


@inlined
def score_of(s, rule, p):
    """`score_of_at` from inside a kernel."""
    return score_of_at(s.meta[0].address, rule, p)


@kernel("i8(i8,i8,i8,i8)")
def opposite(address, b, sign, rule):
    """Collect the positions of one sign in a contract with their scores; a venue's own capital is spared. Returns how
    many."""
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
    return n


@kernel("i8(i8,i8,i8,i8)")
def rank(address, b, sign, rule):
    """Make the heap of what is `opposite`. Returns how many."""
    s = views(address)
    n = opposite(address, b, sign, rule)
    heapify(s, n)
    return n
