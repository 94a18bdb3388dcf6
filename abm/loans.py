"""Loans of coins at a venue: lent against collateral in the venue's money, with interest, and recalled.

A lender's account offers what coins it has. Who borrows pays in collateral, the value of the coins at the spot book's
mark and a haircut on top; it lies locked in the lender's account and is given back with the coins, less interest. When
the coins have become worth so much that half of the haircut is gone, the borrower's free money there is called for; if
that does not restore it, or if the lender wants its coins, the loan is recalled. Coins that are not back when the
notice is over stay with the borrower, and the collateral with the lender.

All is moved between two accounts of one venue, so every asset is conserved; a `Loan` says what is owed. Amounts are
integers of their asset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm import ledger
from abm.accounts import holding
from abm.jit import kernel
from abm.margin import spendable
from abm.market import BookInfo
from abm.state import NONE, State, views

YEAR_MS = 365 * 86_400_000


@kernel("void(i8,i4,i4,i8)")
def lock(address, row, asset, amount):  # type: ignore[no-untyped-def]
    """Lock (or free, if negative) so much of a balance that exists."""
    s = views(address)
    s.holdings[holding(s, row, asset)].locked += amount


@kernel("i8(i8,i4,i4)")
def free(address, row, asset):  # type: ignore[no-untyped-def]
    """What a row could give away of an asset."""
    s = views(address)
    return max(spendable(s, row, asset), 0) if holding(s, row, asset) != NONE else 0


class Terms(NamedTuple):
    """What a lender's account asks."""

    haircut: float  # collateral beyond the value of the coins, share
    rate: float  # interest a year, of the value at the time of lending
    notice: float  # seconds from recall to forfeit


@dataclass
class Loan:
    """One loan. Times are ms since the start; `recalled` is when it was recalled, -1 = it was not."""

    number: int
    lender: int  # rows
    borrower: int
    asset: int
    principal: int
    pledged: int
    value: int  # of the coins when they were lent, on which interest is paid
    since: int
    recalled: int = -1


class Change(NamedTuple):
    """What has happened to a loan, for the record: `amount` coins, `money` of collateral or interest."""

    kind: str  # loan, loan_repaid, loan_recalled, loan_forfeited
    loan: Loan
    amount: int
    money: int


class Loans:
    """All loans of a model.

    Args:
        state: the market's tables. books: of which an asset's spot book in the venue's own money prices its coins.
    """

    def __init__(self, state: State, books: BookInfo) -> None:
        self._state = state
        self._spot = {
            (int(books.venue[b]), int(books.base[b])): b
            for b in books.spots.tolist()
            if books.quote[b] == state.venues["settle"][books.venue[b]]
        }
        self.offers: dict[int, Terms] = {}
        self.open: list[Loan] = []
        self.changes: list[Change] = []
        self._next = 0

    # ------------------------------------------------------------------ what is public, what is one's own

    def _venue(self, row: int) -> int:
        return int(self._state.rows["venue"][row])

    def _money(self, row: int) -> int:
        return int(self._state.venues["settle"][self._venue(row)])

    def worth(self, venue: int, asset: int) -> float:
        """Units of the venue's money that a unit of an asset is worth at its spot book; 0 = it has none."""
        book = self._spot.get((venue, asset), -1)
        if book < 0:
            return 0.0
        b = self._state.books[book]
        return float(b["mark"]) / 1024.0 * float(b["unit"]) / float(b["lot_base"])

    def _lenders(self, venue: int, asset: int) -> Iterator[tuple[int, int]]:
        """(row, units that it could lend), cheapest first."""
        here = (row for row in self.offers if self._venue(row) == venue)
        for row in sorted(here, key=lambda row: (self.offers[row].rate, row)):
            units = int(free(self._state.address, row, asset))
            if units > 0:
                yield row, units

    def lendable(self, venue: int, asset: int) -> tuple[int, float, float]:
        """(units offered at a venue, haircut and rate of the cheapest lender there); NaN where nobody lends."""
        here = [terms for row, terms in self.offers.items() if self._venue(row) == venue]
        if not here or self.worth(venue, asset) <= 0:
            return 0, float("nan"), float("nan")
        cheapest = min(here, key=lambda terms: terms.rate)
        return sum(units for _, units in self._lenders(venue, asset)), cheapest.haircut, cheapest.rate

    def owed(self, recalled: bool = False) -> dict[tuple[int, int], int]:
        """Units owed by (row, asset), or those of them that have been recalled."""
        found: dict[tuple[int, int], int] = {}
        for loan in self.open:
            if loan.recalled >= 0 or not recalled:
                key = loan.borrower, loan.asset
                found[key] = found.get(key, 0) + loan.principal
        return found

    # ------------------------------------------------------------------ what is done

    def offer(self, row: int, haircut: float, rate: float, notice: float, _now: int) -> None:
        """A lender's account asks these terms from now on, of what is lent already too."""
        self.offers[row] = Terms(haircut, rate, notice)

    def borrow(self, row: int, asset: int, units: int, now: int) -> None:
        """Lend to a row, from one lender after the other, as far as their coins and its free money go."""
        worth = self.worth(self._venue(row), asset)
        if worth <= 0 or units <= 0:
            return
        for lender, offered in list(self._lenders(self._venue(row), asset)):
            if lender == row:
                continue
            terms, money = self.offers[lender], self._money(row)
            each = worth * (1.0 + terms.haircut)
            spare = int(free(self._state.address, row, money))
            coins = min(units, offered, int(spare / each))
            pledged = int(np.ceil(coins * each))
            if coins <= 0 or pledged > spare:
                continue
            self._move(row, lender, money, pledged)
            lock(self._state.address, lender, money, pledged)
            self._move(lender, row, asset, coins)
            loan = Loan(self._next, lender, row, asset, coins, pledged, round(coins * worth), now)
            self._next += 1
            self.open.append(loan)
            self.changes.append(Change("loan", loan, coins, pledged))
            units -= coins

    def repay(self, row: int, asset: int, units: int, now: int) -> None:
        """Give back coins, recalled loans first, then the oldest; collateral comes back less interest."""
        units = min(units, int(free(self._state.address, row, asset)))
        mine = [x for x in self.open if x.borrower == row and x.asset == asset]
        for loan in sorted(mine, key=lambda x: (x.recalled < 0, x.number)):
            part = min(units, loan.principal)
            if part <= 0:
                return
            pledged = loan.pledged * part // loan.principal
            value = loan.value * part // loan.principal
            interest = min(pledged, self._interest(loan, value, now))
            self._move(row, loan.lender, asset, part)
            self._free(loan, pledged)
            self._move(loan.lender, row, self._money(row), pledged - interest)
            loan.principal, loan.pledged, loan.value = (
                loan.principal - part, loan.pledged - pledged, loan.value - value,
            )  # fmt: skip
            self.changes.append(Change("loan_repaid", loan, part, interest))
            units -= part
        self._close()

    def recall(self, lender: int, asset: int, now: int) -> None:
        """Ask for all coins of an asset that a lender's account has lent."""
        for loan in self.open:
            if loan.lender == lender and loan.asset == asset and loan.recalled < 0:
                self._recall(loan, now)

    def tend(self, now: int) -> None:
        """Call for collateral that has become too small, recall where none is given, keep what is forfeited."""
        for loan in self.open:
            terms, money = self.offers[loan.lender], self._money(loan.borrower)
            value = loan.principal * self.worth(self._venue(loan.borrower), loan.asset)
            if loan.recalled < 0 and loan.pledged < value * (1.0 + 0.5 * terms.haircut):
                wanted = int(np.ceil(value * (1.0 + terms.haircut))) - loan.pledged
                given = min(wanted, int(free(self._state.address, loan.borrower, money)))
                if given > 0:
                    self._move(loan.borrower, loan.lender, money, given)
                    lock(self._state.address, loan.lender, money, given)
                    loan.pledged += given
                if given < wanted:
                    self._recall(loan, now)
            if 0 <= loan.recalled <= now - 1000.0 * terms.notice:
                self._free(loan, loan.pledged)
                self.changes.append(Change("loan_forfeited", loan, loan.principal, loan.pledged))
                loan.principal = 0
        self._close()

    def _interest(self, loan: Loan, value: int, now: int) -> int:
        rate = round(self.offers[loan.lender].rate * 1e8)
        return value * rate * (now - loan.since) // (YEAR_MS * 10**8)

    def _recall(self, loan: Loan, now: int) -> None:
        loan.recalled = now
        self.changes.append(Change("loan_recalled", loan, loan.principal, loan.pledged))

    def _free(self, loan: Loan, pledged: int) -> None:
        if pledged:
            lock(self._state.address, loan.lender, self._money(loan.lender), -pledged)

    def _close(self) -> None:
        self.open = [loan for loan in self.open if loan.principal > 0]

    def _move(self, source: int, target: int, asset: int, units: int) -> None:
        """From one account to another of the same venue; what is moved is free."""
        if units <= 0:
            return
        s, assets = self._state, np.array([asset], np.int32)
        s.grow("holdings", s.count("holdings") + 4)
        taken = np.array([units], np.int64)
        ledger.debit(s.address, np.array([source], np.int32), assets, taken)
        if int(taken[0]) != units:
            raise RuntimeError(f"row {source}: {units} units of asset {asset} wanted, {taken[0]} free")
        ledger.credit(s.address, np.array([target], np.int32), assets, taken)

    # ------------------------------------------------------------------ checks, saving

    def faults(self) -> list[str]:
        """Where what lies locked with lenders is not what loans say, one line each."""
        s, wanted = self._state, dict.fromkeys(((row, self._money(row)) for row in self.offers), 0)
        for loan in self.open:
            wanted[loan.lender, self._money(loan.lender)] += loan.pledged
        used = s.holdings[: s.count("holdings")]
        lines = []
        for (row, asset), pledged in wanted.items():
            mine = (used["row"] == row) & (used["asset"] == asset)
            locked, amount = int(used["locked"][mine].sum()), int(used["amount"][mine].sum())
            if locked != pledged or amount < pledged:
                lines.append(f"lender's row {row}: {pledged} units pledged, {locked} locked of {amount}")
        return lines

    def snapshot(self) -> dict[str, Any]:
        """Everything that later steps depend on, as arrays."""
        return {
            "next": self._next,
            "loans": np.array([astuple(x) for x in self.open], np.int64).reshape(-1, len(fields(Loan))),
            "offers": np.array([(row, *terms) for row, terms in self.offers.items()]).reshape(-1, 4),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over a snapshot."""
        loans: NDArray[np.int64] = saved["loans"]
        self._next = int(saved["next"])
        self.open = [Loan(*line) for line in loans.tolist()]
        self.offers = {int(row): Terms(*terms) for row, *terms in saved["offers"].tolist()}
