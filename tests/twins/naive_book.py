"""An exchange as obvious as it can be: dicts, lists, Python's own integers, one message after the other.

It shares no code with the engine, only the numbers of flags and the words of answers. Bids and offers are one list in
the order of arrival; who is first is found by looking at all of them. Slow on purpose.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

IOC, FOK, POST_ONLY, REDUCE_ONLY, ENGINE, SLIDE = 1, 2, 4, 8, 16, 128
RATE = 10**8
MAX_PRICE, MAX_LOTS, MAX_VALUE, MAX_POSITION = 2**31, 2**46, 2**55, 2**59


def up(amount: int, rate: int) -> int:
    """amount x rate, rounded up."""
    return -(-amount * rate // RATE)


def at_mark(lots_times_unit: int, mark: int) -> int:
    """Value at a fixed-point mark, rounded down."""
    return lots_times_unit * mark // 1024


@dataclass
class Order:
    name: int
    row: int
    book: int
    side: int
    price: int
    qty: int
    flags: int
    expiry: int
    number: int  # every order that queues has its own


@dataclass
class Book:
    """Terms of one book; `mark` is fixed point (1024 = one tick); kind 0 perpetual, 1 spot."""

    venue: int
    kind: int
    base: int
    quote: int
    unit: int
    lot_base: int
    maker_fee: int
    taker_fee: int
    band: int
    mark: int
    levels: int  # live price levels that a side may have
    brackets: list[tuple[int, int, int, int]]  # (floor, mmr, cum, imr)
    halted: bool = False


@dataclass
class Row:
    owner: int
    venue: int
    imr: int
    exempt: bool = False
    isolated: bool = False
    contract: int | None = None  # of an isolated account


@dataclass
class Venue:
    settle: int
    fees: int
    self_trade: str  # "cancel_resting" | "cancel_taking" | "cancel_both" | "off"
    max_orders: int
    capacity: int


@dataclass
class Exchange:
    """All venues, books and accounts."""

    venues: list[Venue]
    books: list[Book]
    rows: list[Row]
    now: int = 0
    cash: Counter[tuple[int, int]] = field(default_factory=Counter)  # by (row, asset)
    lots: Counter[tuple[int, int]] = field(default_factory=Counter)  # by (row, book)
    entry: Counter[tuple[int, int]] = field(default_factory=Counter)
    orders: list[Order] = field(default_factory=list)  # resting, oldest first
    tape: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    queued: int = 0

    # ---- looking

    def side(self, book: int, side: int) -> list[Order]:
        """Resting orders of a side in order of priority (sorting is stable: equal prices stay by arrival)."""
        mine = [o for o in self.orders if o.book == book and o.side == side]
        return sorted(mine, key=lambda o: -side * o.price)

    def queue(self, book: int, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        levels: dict[int, list[tuple[int, int]]] = {}
        for o in self.side(book, side):
            levels.setdefault(o.price, []).append((o.row, o.qty))
        return list(levels.items())

    def find(self, name: int) -> Order | None:
        return next((o for o in self.orders if o.name == name), None)

    def lock_of(self, o: Order, qty: int | None = None) -> int:
        """What a spot order keeps of its account."""
        b, n = self.books[o.book], o.qty if qty is None else qty
        if o.side < 0:
            return n * b.lot_base
        each = o.price * b.unit
        return n * (each + max(0, up(each, b.maker_fee)))

    def locked(self, row: int, asset: int) -> int:
        total = 0
        for o in self.orders:
            b = self.books[o.book]
            if o.row == row and b.kind == 1 and asset == (b.quote if o.side > 0 else b.base):
                total += self.lock_of(o)
        return total

    def open_lots(self, row: int, book: int, side: int, but: Order | None = None) -> int:
        return sum(
            o.qty for o in self.orders if (o.row, o.book, o.side) == (row, book, side) and o is not but
        )

    def initial(self, book: int, notional: int, imr: int) -> int:
        table = self.books[book].brackets
        rate = max(imr, next(b[3] for b in reversed(table) if b[0] <= notional))
        return up(notional, rate)

    def maintenance(self, book: int, notional: int) -> int:
        _, mmr, cum, _ = next(b for b in reversed(self.books[book].brackets) if b[0] <= notional)
        return max(0, up(notional, mmr) - cum)

    def exposure(self, row: int, book: int, but: Order | None = None) -> int:
        q = self.lots[row, book]
        return max(q + self.open_lots(row, book, 1, but), self.open_lots(row, book, -1, but) - q)

    def perps(self, venue: int) -> list[int]:
        return [i for i, b in enumerate(self.books) if b.venue == venue and b.kind == 0]

    def equity(self, row: int) -> int:
        r = self.rows[row]
        value = sum(at_mark(self.lots[row, i] * b.unit, b.mark) for i, b in enumerate(self.books))
        return self.cash[row, self.venues[r.venue].settle] + value

    def free_margin(self, row: int, but: Order | None = None) -> int:
        r = self.rows[row]
        settle = self.venues[r.venue].settle
        free = self.equity(row) - self.locked(row, settle)
        if but is not None and self.books[but.book].kind == 1 and but.side > 0:
            free += self.lock_of(but)
        for i in self.perps(r.venue):
            e = self.exposure(row, i, but)
            if e > 0:
                free -= self.initial(i, at_mark(e * self.books[i].unit, self.books[i].mark), r.imr)
        return free

    def spendable(self, row: int, asset: int, but: Order | None = None) -> int:
        r = self.rows[row]
        free = self.cash[row, asset] - self.locked(row, asset)
        if but is not None and self.books[but.book].kind == 1:
            if asset == (self.books[but.book].quote if but.side > 0 else self.books[but.book].base):
                free += self.lock_of(but)
        if asset == self.venues[r.venue].settle:
            wallet = free + sum(self.entry[row, i] for i in self.perps(r.venue))
            traded = any((row, i) in self.lots for i in self.perps(r.venue))
            return min(wallet, self.free_margin(row, but)) if traded else wallet
        return free

    # ---- rules

    def refuse(self, venue: int, why: str) -> str:
        self.refused[venue, why] += 1
        return why

    def terms(self, row: int, book: int, side: int, price: int, qty: int, flags: int, expiry: int) -> str:
        b, r = self.books[book], self.rows[row]
        engine = flags & ENGINE
        if r.venue != b.venue:
            return "wrong venue"
        if r.isolated and r.contract not in (None, book) and not engine:
            return "wrong contract for an isolated account"
        if b.halted:
            return "halted"
        if not 1 <= price < MAX_PRICE:
            return "bad price"
        if not 1 <= qty <= MAX_LOTS:
            return "bad size"
        if not engine:
            ticks = b.mark // 1024 + 1
            if not flags & (IOC | FOK):
                ticks = max(ticks, price)
            if qty * ticks * b.unit > MAX_VALUE or qty * b.lot_base > 2**62:
                return "bad size"
        if expiry and expiry <= self.now:
            return "expired"
        if b.band and b.mark and not engine:
            edge = b.mark + side * (b.mark * b.band // RATE)
            if (price * 1024 > edge) if side > 0 else (price * 1024 < edge):
                return "outside the band"
        return "accepted"

    def money(
        self, row: int, book: int, side: int, price: int, qty: int, flags: int, but: Order | None = None
    ) -> str:
        b, r = self.books[book], self.rows[row]
        if r.exempt or flags & ENGINE:
            return "accepted"
        if b.kind == 1:
            if side < 0:
                free = self.cash[row, b.base] - self.locked(row, b.base)
                if but is not None and but.side < 0:
                    free += self.lock_of(but)
                return "accepted" if free >= qty * b.lot_base else "not enough balance"
            if flags & (IOC | FOK):
                return "accepted"
            each = price * b.unit
            need = max(qty * (each + max(0, up(each, b.maker_fee))), qty * each + up(qty * each, b.taker_fee))
            return "accepted" if self.spendable(row, b.quote, but) >= need else "not enough balance"
        if flags & REDUCE_ONLY:
            return "accepted"
        q = self.lots[row, book]
        bids, offers = (self.open_lots(row, book, s, but) for s in (1, -1))
        before = max(q + bids, offers - q)
        after = max(q + bids + qty * (side > 0), offers - q + qty * (side < 0))
        if after <= before:
            return "accepted"
        if after * b.unit * max(b.mark // 1024 + 1, 64) > MAX_POSITION:
            return "bad size"
        need = self.initial(book, at_mark(after * b.unit, b.mark), r.imr)
        if before > 0:
            need -= self.initial(book, at_mark(before * b.unit, b.mark), r.imr)
        paid = price
        best = self.side(book, -side)
        if flags & IOC and best and side * best[0].price < side * price:
            paid = best[0].price
        worse = side * (paid * 1024 - b.mark)
        if worse > 0:
            need += at_mark((after - before) * b.unit, worse)
        return "accepted" if self.free_margin(row, but) >= need else "not enough margin"

    # ---- what a message does

    def place(
        self, name: int, row: int, book: int, side: int, price: int, qty: int, flags: int = 0, expiry: int = 0
    ) -> str:
        b = self.books[book]
        venue = self.venues[b.venue]
        if price == 0:
            flags |= IOC
            if b.band and b.mark:
                away = b.mark * b.band // RATE
                price = (b.mark + away) // 1024 if side > 0 else max(1, -(-(b.mark - away) // 1024))
            else:
                price = MAX_PRICE - 1 if side > 0 else 1
        price = self._slid(book, side, price, flags)
        why = self.terms(row, book, side, price, qty, flags, expiry)
        if why != "accepted":
            return self.refuse(b.venue, why)
        if flags & REDUCE_ONLY:
            held = -side * self.lots[row, book]
            if held <= 0:
                return self.refuse(b.venue, "nothing to reduce")
            qty = min(qty, held)
        why = self.money(row, book, side, price, qty, flags)
        if why != "accepted":
            return self.refuse(b.venue, why)
        others = self.side(book, -side)
        crosses = bool(others) and side * others[0].price <= side * price
        if crosses and flags & POST_ONLY:
            return self.refuse(b.venue, "post-only would trade")
        if flags & FOK and not self._whole(row, book, side, price, qty):
            return self.refuse(b.venue, "cannot be filled whole")
        waits = not flags & (IOC | FOK)
        if waits and not flags & ENGINE:
            if sum(o.row == row for o in self.orders) >= venue.max_orders:
                return self.refuse(b.venue, "too many orders of the account")
            resting = sum(self.books[o.book].venue == b.venue for o in self.orders)
            if resting >= venue.capacity or not self._room(book, side, price):
                return self.refuse(b.venue, "no room")
        if b.kind == 0:
            self.lots[row, book] += 0
            if self.rows[row].isolated and self.rows[row].contract is None:
                self.rows[row].contract = book
        if crosses and b.kind == 1 and side > 0 and not self.rows[row].exempt:
            each = others[0].price * b.unit
            if self.spendable(row, b.quote) < each + up(each, b.taker_fee) + 1:
                return self.refuse(b.venue, "not enough balance")
        left, stopped = self._take(row, book, side, price, qty, bool(flags & ENGINE))
        self._end_reduced(row, book)
        if stopped:
            return self.refuse(b.venue, "self-trade")
        if waits:
            if flags & REDUCE_ONLY:
                left = min(left, -side * self.lots[row, book])
            if left > 0:
                if not self._room(book, side, price):
                    return self.refuse(b.venue, "no room")
                self.queued += 1
                self.orders.append(Order(name, row, book, side, price, left, flags, expiry, self.queued))
        return "accepted"

    def _room(self, book: int, side: int, price: int) -> bool:
        prices = {o.price for o in self.orders if o.book == book and o.side == side}
        return price in prices or len(prices) < self.books[book].levels

    def _whole(self, row: int, book: int, side: int, price: int, qty: int) -> bool:
        """Try it on a copy of this exchange."""
        from copy import deepcopy

        left, stopped = deepcopy(self)._take(row, book, side, price, qty, False)
        return left == 0 and not stopped

    def _take(self, row: int, book: int, side: int, price: int, qty: int, engine: bool) -> tuple[int, bool]:
        """Trade up to a limit. Returns (lots left, whether self-trade prevention ended the taker)."""
        b = self.books[book]
        rule = self.venues[b.venue].self_trade
        if engine and rule != "off":
            rule = "cancel_resting"
        left = qty
        while left > 0:
            others = self.side(book, -side)
            if not others or side * others[0].price > side * price:
                break
            o = others[0]
            if o.expiry and o.expiry <= self.now:
                self.orders.remove(o)
                continue
            if rule != "off" and self.rows[o.row].owner == self.rows[row].owner:
                if rule in ("cancel_resting", "cancel_both"):
                    self.orders.remove(o)
                if rule in ("cancel_taking", "cancel_both"):
                    return left, True
                continue
            n = min(o.qty, left)
            if o.flags & REDUCE_ONLY:
                n = min(n, -o.side * self.lots[o.row, book])
                if n <= 0:
                    self.orders.remove(o)
                    continue
            if b.kind == 1 and side > 0 and not self.rows[row].exempt:
                each = o.price * b.unit
                each += up(each, b.taker_fee) + 1
                n = min(n, max(0, self.spendable(row, b.quote)) // each)
                if n == 0:
                    break
            o.qty -= n
            if o.qty == 0:
                self.orders.remove(o)
            self._settle(b, book, row, o, side, n)
            self._end_reduced(o.row, book)
            left -= n
        return left, False

    def _end_reduced(self, row: int, book: int) -> None:
        """Reduce-only orders that have nothing left to reduce are gone."""
        self.orders = [
            o
            for o in self.orders
            if not (o.flags & REDUCE_ONLY and (o.row, o.book) == (row, book))
            or -o.side * self.lots[row, book] > 0
        ]

    def _settle(self, b: Book, book: int, taker: int, o: Order, side: int, n: int) -> None:
        value = o.price * n * b.unit
        fees = up(value, b.taker_fee), up(value, b.maker_fee)
        self.cash[taker, b.quote] -= side * value + fees[0]
        self.cash[o.row, b.quote] += side * value - fees[1]
        self.cash[self.venues[b.venue].fees, b.quote] += sum(fees)
        if b.kind == 1:
            self.cash[taker, b.base] += side * n * b.lot_base
            self.cash[o.row, b.base] -= side * n * b.lot_base
        else:
            self.move(taker, book, side * n, value)
            self.move(o.row, book, -side * n, value)
        self.tape.append((book, o.row, taker, side, o.price, n))

    def move(self, row: int, book: int, n: int, value: int) -> None:
        """Change a position; its entry value is averaged when it grows and shrinks in proportion."""
        q, e = self.lots[row, book], self.entry[row, book]
        if q * n >= 0:
            e += value if n > 0 else -value
        elif abs(n) < abs(q):
            e -= e * abs(n) // abs(q)
        else:
            opened = value - value * abs(q) // abs(n)
            e = opened if n > 0 else -opened
        self.lots[row, book], self.entry[row, book] = q + n, e

    def cancel(self, name: int) -> str:
        o = self.find(name)
        if o is None:
            return "unknown order"
        self.orders.remove(o)
        return "accepted"

    def cancel_all(self, row: int, book: int | None = None) -> int:
        gone = [o for o in self.orders if o.row == row and book in (None, o.book)]
        self.orders = [o for o in self.orders if o not in gone]
        return len(gone)

    def _slid(self, book: int, side: int, price: int, flags: int) -> int:
        """A tick behind the other side's best, where an order that slides would trade."""
        others = self.side(book, -side)
        if flags & SLIDE and others and side * others[0].price <= side * price:
            return others[0].price - side
        return price

    def amend(self, name: int, price: int, qty: int) -> str:
        o = self.find(name)
        if o is None:
            return "unknown order"
        if qty <= 0:
            self.orders.remove(o)
            return "accepted"
        price = self._slid(o.book, o.side, price, o.flags)
        if price == o.price and qty <= o.qty:
            o.qty = qty
            return "accepted"
        venue = self.books[o.book].venue
        why = self.terms(o.row, o.book, o.side, price, qty, o.flags, o.expiry)
        if why == "accepted":
            why = self.money(o.row, o.book, o.side, price, qty, o.flags, but=o)
        others = self.side(o.book, -o.side)
        crosses = bool(others) and o.side * others[0].price <= o.side * price
        if why == "accepted" and o.flags & POST_ONLY and crosses:
            why = "post-only would trade"
        alone = [x.price for x in self.side(o.book, o.side)].count(o.price) == 1
        if why == "accepted" and not alone and not self._room(o.book, o.side, price):
            why = "no room"  # an order alone on its level gives its own room
        if why == "accepted" and o.flags & REDUCE_ONLY and -o.side * self.lots[o.row, o.book] <= 0:
            why = "nothing to reduce"
        if why != "accepted":
            return self.refuse(venue, why)
        self.orders.remove(o)
        return self.place(name, o.row, o.book, o.side, price, qty, o.flags, o.expiry)

    def pass_time(self, step_ms: int) -> None:
        self.orders = [o for o in self.orders if not o.expiry or o.expiry > self.now]
        self.now += step_ms

    def quote(self, name: int, row: int, book: int, side: int, price: int, qty: int) -> None:
        """A named post-only order: placed, changed, or taken away."""
        o = self.find(name)
        if o is not None and (o.book, o.side) != (book, side):
            self.cancel(name)  # the name now means a quote somewhere else
            o = None
        if o is None:
            if qty > 0:
                self.place(name, row, book, side, price, qty, POST_ONLY)
        elif self.amend(name, price, qty) != "accepted":
            self.cancel(name)


def twin_of(desk: Any) -> Exchange:
    """A naive exchange with the terms, rules and balances that an engine (`tests.twins.market.Desk`) starts from."""
    s = desk.state
    modes = ("cancel_resting", "cancel_taking", "cancel_both", "off")
    n = s.count("books")
    books = []
    for r in s.books[:n]:
        table = s.brackets[r["bracket"] : r["bracket"] + r["brackets"]]
        brackets = [tuple(int(k[f]) for f in ("floor", "mmr", "cum", "imr")) for k in table]
        names = "venue kind base quote unit lot_base maker_fee taker_fee band mark".split()
        books.append(Book(*(int(r[f]) for f in names), levels=int(r["cap"]), brackets=brackets))
    venues = [
        Venue(int(v["settle"]), int(v["fees"]), modes[v["stp"]], int(v["max_orders"]), int(v["capacity"]))
        for v in s.venues[: s.count("venues")]
    ]
    rows = [
        Row(int(r["owner"]), int(r["venue"]), int(r["imr"]), bool(r["exempt"]), int(r["only"]) != -1)
        for r in s.rows[: s.count("rows")]
    ]
    twin = Exchange(venues, books, rows, now=int(s.meta["now"][0]))
    for h in s.holdings[: s.count("holdings")]:
        twin.cash[int(h["row"]), int(h["asset"])] = int(h["amount"])
    return twin
