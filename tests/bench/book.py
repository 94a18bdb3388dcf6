"""The book: the engine in batch and order by order, beside bourse, a C reference and orderly-chaos' C core.

One stream of a million messages over 5,000 resting orders: half limits near the touch, 40 % cancels, 10 % market
orders; 1,000 exempt accounts, self-trade check on, the tape kept.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.engine import Engine
from tests.bench.line import Line, interleaved
from tests.bench.reference import Core, NoCompiler, Reference, library
from tests.bench.streams import near_touch

COUNT, PREFILL, ACCOUNTS = 1_000_000, 5_000, 1_000
TAPE = ("price", "qty", "cause", "maker", "taker", "side")


def tape_hash(fills: NDArray[Any]) -> str:
    """Hash of price, lots, taker's order, accounts and side of all fills."""
    digest = hashlib.sha256()
    for field in TAPE:
        digest.update(np.ascontiguousarray(fills[field]).tobytes())
    return digest.hexdigest()


class Contest:
    """The engines over one stream; each job returns the seconds after the prefill."""

    def __init__(self, count: int = COUNT, prefill: int = PREFILL) -> None:
        self.stream, self.prefill = near_touch(count, prefill), prefill
        self.engine = Engine(self.stream, ACCOUNTS, "cancel_resting")
        self.tapes: dict[str, str] = {}

    def batch(self) -> float:
        self.engine.reset()
        self.engine.batch(0, self.prefill)
        spent = self.engine.batch(self.prefill, len(self.stream))
        self.tapes["engine in batch"] = self._own_tape()
        return spent

    def one_by_one(self) -> float:
        self.engine.reset()
        self.engine.batch(0, self.prefill)
        spent = self.engine.one_by_one(self.prefill, len(self.stream))
        self.tapes["engine one by one"] = self._own_tape()
        return spent

    def _own_tape(self) -> str:
        s = self.engine.model.state
        return tape_hash(s.fills[: s.count("fills")])

    def reference(self) -> float:
        s = self.engine.model.state
        book = Reference(self.engine.messages, s.count("rows"), len(s.refs), s.books[0], stp=True)
        book.process(0, self.prefill)
        spent = book.process(self.prefill, len(self.stream))
        self.tapes["C reference"] = tape_hash(book.tape())
        book.close()
        return spent

    def bourse(self) -> float:
        from tests.twins.oracles import Bourse

        book = Bourse()
        book.replay(self.stream[: self.prefill])
        return book.replay(self.stream[self.prefill :])

    def core(self) -> float:
        book = Core(self.engine.messages)
        book.process(0, self.prefill)
        spent = book.process(self.prefill, len(self.stream))
        book.close()
        return spent

    def check(self) -> None:
        """Every engine with accounts has made the same tape."""
        if len(set(self.tapes.values())) > 1:
            raise AssertionError(f"the tapes differ: {self.tapes}")


def measure(repeats: int = 5) -> list[Line]:
    """Ratios of least times, taken in turns."""
    contest = Contest()
    jobs: dict[str, Any] = {"batch": contest.batch, "single": contest.one_by_one}
    absent = {}
    try:
        library()
        jobs["C"] = contest.reference
    except NoCompiler as error:
        absent["C"] = str(error)
    for name, module, job in (("bourse", "bourse", contest.bourse), ("core", "orderly_chaos", contest.core)):
        if importlib.util.find_spec(module) is None:
            absent[name] = f"{module} is not installed"
        elif name == "core" and "C" in absent:
            absent[name] = absent["C"]  # its loop is in C
        else:
            jobs[name] = job
    seconds = dict(zip(jobs, interleaved(list(jobs.values()), repeats), strict=True))
    contest.check()

    def ratio(what: str, above: str, below: str, **floor: Any) -> Line:
        missing = [absent[n] for n in (above, below) if n in absent]
        if missing:
            return Line(what, None, beside="; ".join(missing), **floor)
        each = f"{seconds[above] / COUNT * 1e9:.0f} ns and {seconds[below] / COUNT * 1e9:.0f} ns a message"
        return Line(what, seconds[above] / seconds[below], beside=each, **floor)

    batch = ratio("book: bourse, one message a call / engine in batch", "bourse", "batch", least=10.0)
    if batch.value is not None and "C" in seconds:
        reach = f"; the C reference, with the same accounts, is {seconds['bourse'] / seconds['C']:.1f} times as fast"
        batch = replace(batch, beside=batch.beside + reach)
    return [
        batch,
        ratio(
            "book: engine in batch / C reference, same records and features, same tape",
            "batch",
            "C",
            most=1.3,
        ),
        ratio("book: C reference / orderly-chaos' C core (which has no accounts)", "C", "core", most=1.0),
        ratio("book: engine, one order a call from Python / bourse", "single", "bourse", most=1.0),
    ]
