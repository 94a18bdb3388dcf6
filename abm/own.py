"""What a participant sees of itself: what its accounts hold and owe, what their owners have heard, and its luck.

Arguments are numpy arrays or single numbers and are broadcast; `index` counts the participant's own rows (0 .. n-1),
so that other accounts cannot even be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from abm import pen, random
from abm.jit import kernel
from abm.state import NONE, views

if TYPE_CHECKING:
    from abm.market import BookInfo
    from abm.state import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_INT64 = np.dtype(np.int64)
_ZERO: Ints = np.zeros(1, np.int64)
_FEW = 1 << 16  # rows times books up to which it is remembered where positions are


@kernel("i8(i8,i4,i8[::1])")
def _orders_of(address, row, out):  # type: ignore[no-untyped-def]
    """Order slots of a row, newest first. Returns how many."""
    s = views(address)
    n = 0
    slot = s.rows[row].orders
    while slot != NONE and n < len(out):
        out[n] = slot
        n += 1
        slot = s.orders[slot].row_next
    return n


def is_column(x: Any, dtype: np.dtype[Any] = _INT64) -> TypeGuard[NDArray[Any]]:
    """Whether something can go to a kernel as it is: as a rule it is."""
    return type(x) is np.ndarray and x.ndim == 1 and x.dtype is dtype and x.flags.c_contiguous


def column(x: Any, dtype: np.dtype[Any] = _INT64) -> NDArray[Any]:
    """As a kernel takes it; a single number becomes a column of one."""
    if type(x) is np.ndarray and x.dtype is dtype and x.flags.c_contiguous:
        return x
    return np.ascontiguousarray(x, dtype)


class Own:
    """One participant's rows, as it sees them.

    Attributes:
        rows: int32[n], own rows. owner, venue: int32[n]. isolated: bool[n]. key: int64[n], stable identities.
        time: seconds since the start; step: steps since the start of the burn-in; dt: seconds.
    """

    def __init__(self, state: State, books: BookInfo, name: str, seed: int, rows: Any) -> None:
        self._state = state
        self._books = books
        self.name = name
        self._seed = seed
        self.rows = np.ascontiguousarray(rows, np.int32)
        table = state.rows[self.rows]
        self.owner = np.array(table["owner"])
        self.venue = np.array(table["venue"])
        self.isolated = np.array(table["only"]) != NONE
        self.key = np.array(table["key"])
        self._own = np.zeros(state.count("rows"), np.bool_)
        self._own[self.rows] = True
        self._settle = np.array(state.venues["settle"])
        self._scale = books.scale
        self._streams: dict[str, int] = {}
        self._every = np.arange(len(self.rows))
        pairs = len(self.rows) * len(books.lot)
        self._found = np.full(pairs if pairs <= _FEW else 0, NONE, np.int32)
        self.remember(np.zeros(len(self.rows)), np.full(len(self.rows), np.nan))
        self.time = 0.0
        self.step = 0
        self.dt = float(state.meta["step_ms"][0]) / 1000.0

    def _rows(self, index: Any) -> NDArray[np.int32]:
        if index is None:
            return self.rows
        rows = self.rows[index]
        return rows if rows.ndim else np.atleast_1d(rows)

    def _index(self, index: Any) -> Ints:
        """Own rows by number, as a column."""
        if is_column(index):
            return index
        if type(index) is not np.ndarray or index.dtype != np.int64:
            if index is None:
                return self._every
            index = index if isinstance(index, slice) else np.asarray(index)
            if isinstance(index, slice) or index.dtype == np.bool_:
                index = self._every[index]
        return np.ascontiguousarray(index, np.int64)

    def _pairs(self, index: Any, other: Any) -> tuple[Ints, Ints, tuple[int, ...]]:
        """Columns of own rows and of what belongs to each, and the shape to which they broadcast."""
        if is_column(index) and is_column(other) and len(index) == len(other):
            return index, other, index.shape
        rows, others = self._index(index), np.ascontiguousarray(other, np.int64)
        if rows.shape == others.shape:
            shape = rows.shape
        elif rows.ndim == 1 == others.ndim and 1 in (rows.size, others.size):
            shape = others.shape if rows.size == 1 else rows.shape
        else:
            shape = np.broadcast_shapes(rows.shape, others.shape)
            rows, others = (np.ascontiguousarray(np.broadcast_to(x, shape)) for x in (rows, others))
        return (rows, others, shape) if len(shape) == 1 else (rows.ravel(), others.ravel(), shape)

    def lots(self, index: Any, book: Any) -> Ints:
        """Signed position in lots of rows in books."""
        return self._entries(index, book)[0]

    def positions(self) -> tuple[Ints, Ints, Ints]:
        """Every position that is not flat, in no particular order: own row, book, signed lots."""
        table = self._state.positions[: self._state.count("positions")]
        held = table[table["qty"] != 0]
        first, end = (np.searchsorted(self.rows, held["row"], side) for side in ("left", "right"))
        mine = first < end
        return first[mine], held["book"][mine].astype(np.int64), held["qty"][mine]

    def _entries(self, index: Any, book: Any) -> tuple[Ints, Ints]:
        """Signed lots and signed entry values of rows in books."""
        rows, books, shape = self._pairs(index, book)
        lots, value = np.empty(shape, np.int64), np.empty(shape, np.int64)
        flat = (x if x.ndim == 1 else x.reshape(-1) for x in (lots, value))
        code = pen.entries(self._state.address, self.rows, self._found, rows, books, *flat)
        if code < 0:
            pen.complain(code)
        return lots, value

    def position(self, index: Any, book: Any) -> Floats:
        """Signed position in coins of rows in books."""
        return self.standing(index, book)[0]

    def standing(self, index: Any, book: Any) -> tuple[Floats, Ints]:
        """Signed position in coins of rows in books, and own messages that the gateways have not accepted yet."""
        rows, books, shape = self._pairs(index, book)
        coins, waiting = np.empty(shape), np.empty(shape, np.int64)
        flat = (coins, waiting) if coins.ndim == 1 else (coins.reshape(-1), waiting.reshape(-1))
        code = pen.standing(self._state.address, self.rows, self._found, rows, books, self._books.lot, *flat)
        if code < 0:
            pen.complain(code)
        return coins, waiting

    def stock(self, index: Any, book: Any) -> Floats:
        """Coins of rows at books: the signed position in a perpetual, what could be sold at a spot book."""
        rows, books, shape = self._pairs(index, book)
        out = np.empty(shape)
        flat = out if out.ndim == 1 else out.reshape(-1)
        code = pen.stock(
            self._state.address, self.rows, self._found, rows, books, self._books.lot, self._scales, flat
        )
        if code < 0:
            pen.complain(code)
        return out

    def entry_price(self, index: Any, book: Any) -> Floats:
        """Average entry price of positions; NaN where flat."""
        lots, entry = self._entries(index, book)
        books = np.broadcast_to(np.asarray(book, np.int64), lots.shape)
        coins = lots * self._books.lot[books]
        with np.errstate(divide="ignore", invalid="ignore"):
            price: Floats = entry / self._books.scale[books] / coins
        return price

    def balance(self, index: Any, asset: Any) -> Floats:
        """Wallet balance less what orders lock, in the asset (name or id, -1 = none): what could be spent on spot."""
        rows, assets, shape = self._pairs(index, self._asset(asset))
        out = np.empty(shape)
        flat = out if out.ndim == 1 else out.reshape(-1)
        code = pen.spendable(self._state.address, self.rows, rows, assets, self._scales, flat)
        if code < 0:
            pen.complain(code)
        return out

    def margin(self, index: Any = None) -> tuple[Floats, Floats]:
        """(equity, maintenance margin) at the venue's marks of now, in the settlement asset."""
        rows = self._index(index)
        equity, maintenance = np.empty(len(rows)), np.empty(len(rows))
        code = pen.margins(self._state.address, self.rows, rows, self._row_scale, equity, maintenance)
        if code < 0:
            pen.complain(code)
        return equity, maintenance

    def equity(self, index: Any = None) -> Floats:
        """Balance plus positions at mark, in the settlement asset."""
        return self.margin(index)[0]

    def available(self, index: Any = None) -> Floats:
        """Free margin for new orders, in the settlement asset."""
        rows = self._index(index)
        out = np.empty(len(rows))
        code = pen.free(self._state.address, self.rows, rows, self._row_scale, out)
        if code < 0:
            pen.complain(code)
        return out

    def set_assets(self, names: list[str], scales: Floats) -> None:
        """Tell asset names and units (the model does)."""
        self._asset_names = {name: i for i, name in enumerate(names)}
        self._scales = scales
        self._row_scale = scales[self._settle[self.venue]].astype(np.float64)

    def _asset(self, asset: Any) -> Any:
        return self._asset_names[asset] if isinstance(asset, str) else asset

    def insures(self, book: Ints) -> NDArray[np.bool_]:
        """bool[n, books]: which own rows are the pools that insure these contracts; for who runs venues."""
        pools: NDArray[np.bool_] = self._state.books["fund"][book][None, :] == self.rows[:, None]
        return pools

    def waiting(self, index: Any = None) -> Ints:
        """Own messages that the gateways have not accepted yet, by row."""
        rows = self._index(index)
        out = np.empty(len(rows), np.int64)
        code = pen.waiting(self._state.address, self.rows, rows, out)
        if code < 0:
            pen.complain(code)
        return out

    def changed(self, since: float, news: bool = False) -> NDArray[np.bool_]:
        """bool[n]: whether the balance or a position of each own row has changed after a time (s since the start).

        Args:
            news: count what the row's owner has heard since then as a change.
        """
        out = np.empty(len(self.rows), np.bool_)
        pen.changed(self._state.address, self.rows, self._heard_at, since, since if news else np.inf, out)
        return out

    def open_orders(self, index: Any = None) -> NDArray[Any]:
        """Own resting orders: handle, index, book, side, price, lots, tag."""
        kind = np.dtype(
            [
                ("handle", "i8"), ("index", "i4"), ("book", "i4"), ("side", "i1"), ("price", "f8"), ("lots", "i8"),
                ("tag", "i8"),
            ]
        )  # fmt: skip
        which = (
            np.arange(len(self.rows)) if index is None else np.atleast_1d(np.arange(len(self.rows))[index])
        )
        busy = which[self._state.rows["open"][self.rows[which]] > 0]
        found: list[NDArray[Any]] = []
        for i in busy.tolist():
            buffer = np.zeros(int(self._state.rows["open"][self.rows[i]]), np.int64)
            n = _orders_of(self._state.address, self.rows[i], buffer)
            orders = self._state.orders[buffer[:n]]
            part = np.zeros(n, kind)
            part["handle"] = (orders["gen"] << 24) | buffer[:n]
            part["index"] = i
            for field in ("book", "side", "tag"):
                part[field] = orders[field]
            part["lots"] = orders["qty"]
            part["price"] = orders["price"] * self._books.tick[orders["book"]]
            found.append(part)
        return np.concatenate(found) if found else np.zeros(0, kind)

    # ---- news and draws

    def heard(self, index: Any = None) -> Floats:
        """Sum of the log changes of the fundamental (for beta one) that each row's owner has learned of; of all rows a
        table that goes on changing as they learn."""
        return self._heard_now[0] if index is None else np.array(np.atleast_1d(self._heard[index]))

    def heard_at(self, index: Any = None) -> Floats:
        """When each row's owner learned of the latest news, seconds since the start; NaN before."""
        return self._heard_now[1] if index is None else np.array(np.atleast_1d(self._heard_at[index]))

    def learn(self, index: Ints, size: float, time: float) -> None:
        """Deliver a piece of news to rows (the model does)."""
        self._heard[index] += size
        self._heard_at[index] = time

    def remember(self, heard: Floats, heard_at: Floats) -> None:
        """What rows have heard, as it was saved (the model does)."""
        self._heard, self._heard_at = np.array(heard), np.array(heard_at)
        self._heard_now = self._heard.view(), self._heard_at.view()
        for table in self._heard_now:
            table.flags.writeable = False

    def _stream(self, purpose: str) -> int:
        if purpose not in self._streams:
            self._streams[purpose] = random.stream_of(self._seed, self.name, purpose)
        return self._streams[purpose]

    def uniform(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Draws in (0, 1), one a row, of this step or (`forever`) the same at all steps."""
        rows = self._index(index)
        out = np.empty(len(rows))
        step = random.FOREVER if forever else self.step
        code = pen.uniforms(self._stream(purpose), self.key, rows, step, out)
        if code < 0:
            pen.complain(code)
        return out

    def shared(self, purpose: str) -> Floats:
        """float64[1]: a draw in (0, 1) of this step that is nobody's own: public information, say."""
        out = np.empty(1)
        pen.uniforms(self._stream(purpose), _ZERO, _ZERO, self.step, out)
        return out

    def normal(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Standard normal draws, one a row."""
        result: Floats = ndtri(self.uniform(purpose, index, forever))
        return result

    def exponential(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Exponential draws with mean one, one a row."""
        return -np.log(self.uniform(purpose, index, forever))

    def poisson(self, purpose: str, mean: Any, index: Any = None) -> Ints:
        """Poisson counts, one a row."""
        return random.poisson(self._stream(purpose), self.key[self._index(index)], mean, self.step)
