"""Liquidation, take-over, ADL and deficits as obvious as they can be, on the exchange of `tests.twins.naive_book`: the
slow twin of `abm.waterfall`, `abm.takeover` and `abm.deleveraging`.

For one contract and the waterfall cancel_orders, bankruptcy_order, take_over, adl; a fund that takes over everything or
nothing; ADL by a queue of profits. It shares no code with the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.twins.naive_book import ENGINE, IOC, RATE, REDUCE_ONLY, Exchange, at_mark, up


@dataclass
class Waterfall:
    """The acts of one venue at the end of a step, in one book."""

    x: Exchange
    book: int
    money: int  # asset
    fund: int  # rows
    fees: int
    capital: int
    takes_over: bool
    closes_at_mark: bool  # ADL; else at bankruptcy prices
    fee: int  # of a liquidation, 1e-8
    key: list[int]  # of every row, for ties
    told: list[tuple[str, int, int, int]] = field(default_factory=list)  # (what, row, other, lots)

    # ---- looking

    def value(self, lots: int) -> int:
        b = self.x.books[self.book]
        return at_mark(lots * b.unit, b.mark)

    def held(self, row: int) -> int:
        return self.x.lots[row, self.book]

    def need(self, row: int) -> int:
        held = self.held(row)
        return self.x.maintenance(self.book, abs(self.value(held))) if held else 0

    def worth(self, row: int) -> int:
        """For how much a position must go, signed like it, so that nothing is left of the account."""
        return self.value(self.held(row)) - self.x.equity(row)

    def limit(self, row: int) -> int:
        """The last price at which an order leaves the account no debt, its fee included."""
        b, held, worth = self.x.books[self.book], self.held(row), self.worth(row)
        each = abs(held) * b.unit
        if held > 0:
            price = max(1, worth // each)
            while price * each - up(price * each, b.taker_fee) < worth:
                price += 1
            return price
        price = -worth // each + 1
        while price > 1 and price * each + up(price * each, b.taker_fee) > -worth:
            price -= 1
        return max(1, price)

    def pay(self, source: int, target: int, amount: int) -> None:
        self.x.cash[source, self.money] -= amount
        self.x.cash[target, self.money] += amount

    # ---- doing

    def step(self) -> None:
        """Everybody under maintenance, the smallest equity over maintenance first; then ADL."""
        rows = [r for r in range(len(self.x.rows)) if not self.x.rows[r].exempt]
        failing = [r for r in rows if self.x.equity(r) < self.need(r)]
        failing.sort(key=lambda r: (self.x.equity(r) / max(self.need(r), 1), self.key[r]))
        asked = [row for row in failing if self.walk(row)]
        self.deleverage(asked)

    def walk(self, row: int) -> bool:
        """One account; whether its position is to be deleveraged."""
        self.x.cancel_all(row)
        self.sell(row)
        refused = False
        if self.held(row) and self.x.equity(row) < self.need(row):
            if self.takes_over:
                self.take_over(row)
            else:
                refused = True
        self.cover(row)
        return refused

    def sell(self, row: int) -> None:
        if not self.held(row) or not 0 < self.x.equity(row) < self.need(row):
            return
        held, before = self.held(row), len(self.x.tape)
        side = -1 if held > 0 else 1
        self.x.place(-1, row, self.book, side, self.limit(row), abs(held), ENGINE | IOC | REDUCE_ONLY)
        value = sum(price * n * self.x.books[self.book].unit for *_, price, n in self.x.tape[before:])
        fee = min(value * self.fee // RATE, self.x.equity(row))
        if fee > 0:
            self.pay(row, self.fund, fee)
        self.told.append(("liquidation", row, -1, abs(held) - abs(self.held(row))))

    def take_over(self, row: int) -> None:
        lots, worth = self.held(row), self.worth(row)
        self.close(row, self.fund, abs(lots), worth)
        self.pay(row, self.fund, self.x.cash[row, self.money])
        self.told.append(("takeover", row, self.fund, abs(lots)))

    def close(self, row: int, other: int, lots: int, amount: int) -> None:
        """Lots of a position go to another account for an amount of money, signed like the position."""
        sign = 1 if self.held(row) > 0 else -1
        self.pay(other, row, amount)
        self.x.move(row, self.book, -sign * lots, abs(amount))
        self.x.move(other, self.book, sign * lots, abs(amount))

    def cover(self, row: int) -> None:
        """A flat account below zero: the fund pays as far as its equity goes, then fees, then the venue's capital."""
        debt = -self.x.cash[row, self.money]
        if self.held(row) or debt <= 0 or row in (self.capital, self.fund):
            return
        for payer in (self.fund, self.fees):
            paid = min(debt, max(0, self.x.equity(payer)))
            self.pay(payer, row, paid)
            debt -= paid
        self.pay(self.capital, row, debt)

    # ---- auto-deleveraging

    def opposite(self, sign: int) -> list[int]:
        """Accounts whose positions are of the other sign, the largest profit first."""
        rows = [r for r in range(len(self.x.rows)) if self.held(r) * sign < 0 and r != self.capital]
        profit = {r: self.value(self.held(r)) - self.x.entry[r, self.book] for r in rows}
        return sorted(rows, key=lambda r: (-profit[r], self.key[r]))

    def deleverage(self, asked: list[int]) -> None:
        left = {row: abs(self.held(row)) for row in asked}
        for first in asked:
            if left[first] == 0:
                continue
            sign = 1 if self.held(first) > 0 else -1
            queue = self.opposite(sign)
            for row in asked[asked.index(first) :]:
                if left[row] and (self.held(row) > 0) == (sign > 0):
                    lots = min(left[row], abs(self.held(row)))
                    if lots:
                        self.serve(row, lots, queue)
                        left[row] = 0
                    self.cover(row)

    def serve(self, row: int, lots: int, queue: list[int]) -> None:
        """Close lots against the queue: first with those who can pay for it, then with anybody."""
        whole = self.value(self.held(row)) if self.closes_at_mark else self.worth(row)
        amount = whole * lots // abs(self.held(row))
        sign = 1 if self.held(row) > 0 else -1
        done = paid = 0
        bounded = True
        while done < lots and (queue or bounded):
            if not queue:
                queue[:] = self.opposite(sign)
                bounded = False
                continue
            winner = queue[0]
            part = most = min(abs(self.held(winner)), lots - done)
            if bounded:
                part = min(part, self.payable(winner, amount, lots))
            if part:
                done += part
                share = amount * done // lots - paid
                paid += share
                self.x.cancel_all(winner, self.book)
                self.close(row, winner, part, share)
                self.told.append(("adl", row, winner, part))
                self.cover(winner)
            if part < most or self.held(winner) == 0:
                queue.pop(0)

    def payable(self, winner: int, amount: int, lots: int) -> int:
        """Lots that he can lose at the price of `amount` for `lots` before he is below zero."""
        worth = self.value(lots)
        loss = amount - worth if self.held(winner) < 0 else amount + worth
        can = self.x.equity(winner) - 2
        if loss <= 0 or can >= loss:
            return abs(self.held(winner))
        return lots * can // loss if can > 0 else 0
