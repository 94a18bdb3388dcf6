"""The engine under a stream: one book, many accounts that may owe, messages in batch or one at a time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import matching, messages, resting
from abm.jit import direct
from abm.model import CascadeModel
from abm.state import MESSAGE, NONE, SLOT_BITS, SLOT_MASK
from experiments.config import loads
from tests.bench.streams import BLOCK, CANCEL

ONE_BOOK = """
title = "one book"
[clock]
start = 2025-01-01T00:00:00Z
duration = 10
burn_in = 0
[assets.USD]
decimals = 6
[assets.BTC]
decimals = 8
value = 100000.0
[contracts.BTC]
price = 100000.0
tick = 0.1
lot = 0.001
class = "major"
[venues.one]
quote = "USD"
perps = ["BTC"]
spots = ["BTC"]
share = 1.0
spot_share = 1.0
[venues.one.orders]
band = 0.0
self_trade = "SELF_TRADE"
capacity = 1000000
max_orders_per_row = 100000
[venues.one.gateway]
rate = 1e6
capacity = 50000000
"""


class Engine:
    """A model with one perpetual whose table has room for the whole stream; order `name` belongs to account
    name % accounts. With STP on nobody meets himself unless the stream says so."""

    def __init__(self, stream: NDArray[Any], accounts: int, self_trade: str = "off") -> None:
        scenario = loads(ONE_BOOK.replace("SELF_TRADE", self_trade))
        self.model = CascadeModel(
            scenario.clock, scenario.assets, scenario.contracts, scenario.venues, scenario.network, (), 1
        )
        names = [f"owner {i}" for i in range(accounts)]
        self.rows = self.model.accounts.open(names, ["one"] * accounts, "bench", exempt=True)
        self.model.accounts.deposit(self.rows, "USD", np.full(accounts, 1e6))
        self.model.setup()
        self.stream, self.accounts = stream, accounts
        self.messages = self._pack(stream)
        s = self.model.state
        n = len(stream)
        s.grow("refs", n + 1)
        s.refs[:] = NONE
        for table in ("orders", "levels", "inbox", "sorted"):
            s.grow(table, n + 8)
        s.grow("positions", 2 * accounts + 1000)
        s.grow("holdings", 4 * accounts + 1000)
        s.grow("fills", 3 * n + 1000)
        s.meta["keep_fills"] = 1
        self._opening = s.arrays()

    def _pack(self, stream: NDArray[Any]) -> NDArray[Any]:
        out = np.zeros(len(stream), MESSAGE)
        out["tie"], out["ref"], out["cause"] = -1, stream["name"], stream["name"]
        for field in ("side", "price", "qty"):
            out[field] = stream[field]
        out["row"] = self.rows[stream["name"] % self.accounts]
        ops = np.array([messages.LIMIT, messages.MARKET, messages.QUOTE, messages.AMEND])
        out["op"] = ops[stream["op"]]
        gone = stream["op"] == CANCEL
        out["qty"][gone], out["price"][gone] = 0, 0
        return out

    def reset(self) -> None:
        """The opening again, in the same memory."""
        s = self.model.state
        for name, values in self._opening.items():
            getattr(s, name)[...] = values
        s.meta["address"] = s.address

    def batch(self, first: int, last: int) -> float:
        """Feed messages first..last-1 in one batch. Returns seconds of the kernel."""
        s, n = self.model.state, last - first
        s.inbox[:n] = self.messages[first:last]
        s.sorted[:n] = np.arange(n)
        s.meta["inbox"] = n
        began = time.perf_counter()
        at = matching.process(s.address, 0, 1 << 60)
        spent = time.perf_counter() - began
        if at >= 0:
            raise AssertionError(f"the tables were too small at message {first + at}")
        return spent

    def in_blocks(self) -> NDArray[np.bool_]:
        """The whole stream in blocks, so that reductions find the handle of their order.

        Returns which reductions found nothing to reduce: the order was gone, or no larger than asked for.
        """
        s = self.model.state
        idle = np.zeros(len(self.messages), bool)
        for first in range(0, len(self.messages), BLOCK):
            last = min(first + BLOCK, len(self.messages))
            part = self.messages[first:last]
            reduced = part["op"] == messages.AMEND
            handle = s.refs[part["ref"][reduced]]
            part["handle"][reduced] = handle
            o = s.orders[np.where(handle == NONE, 0, handle & SLOT_MASK)]
            alive = (handle != NONE) & (o["live"] != 0) & (o["gen"] == handle >> SLOT_BITS)
            again = np.ones(len(handle), bool)
            again[np.unique(part["ref"][reduced], return_index=True)[1]] = False
            idle[first:last][reduced] = ~alive | (o["qty"] <= part["qty"][reduced]) | again
            self.batch(first, last)
        return idle

    def one_by_one(self, first: int, last: int) -> float:
        """Feed messages first..last-1 by a call each. Returns seconds of the loop."""
        s = self.model.state
        submit, cancel, address = direct(matching.submit), direct(resting.cancel), s.address
        handles = memoryview(s.refs)
        part = self.messages[first:last]
        price = np.where(part["op"] == messages.MARKET, 0, part["price"])
        columns = (part["op"] == messages.QUOTE, part["row"], price, part["side"] * part["qty"], part["ref"])
        todo = list(zip(*(column.tolist() for column in columns), strict=True))
        began = time.perf_counter()
        for gone, row, limit, lots, ref in todo:
            if gone:
                cancel(address, handles[ref])
            else:
                submit(address, row, 0, limit, lots, ref)
        return time.perf_counter() - began

    def tape(self) -> NDArray[np.int64]:
        """(maker's account, taker's name, price, lots) of every fill."""
        s = self.model.state
        f = s.fills[: s.count("fills")]
        return np.stack([f["maker"] - self.rows[0], f["cause"], f["price"], f["qty"]], axis=1).astype(
            np.int64
        )

    def depth(self, side: int) -> list[tuple[int, int]]:
        """(price, lots) of a side's live levels, best first."""
        s = self.model.state
        n = int(s.books["n0" if side > 0 else "n1"][0])
        base = int(s.books["first_key"][0]) + (0 if side > 0 else int(s.books["cap"][0]))
        return [
            (side * (key >> 24), int(s.levels["qty"][key & 0xFFFFFF]))
            for key in s.keys[base : base + n][::-1].tolist()
        ]
