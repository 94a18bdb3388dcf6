"""The C reference of the book: compiled at bench time, fed the engine's own message records."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.state import FILL

SOURCE = Path(__file__).with_name("book_reference.c")
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC", "-std=gnu11")


class NoCompiler(RuntimeError):
    """There is no C compiler."""


@cache
def library() -> ctypes.CDLL:
    """Compile `book_reference.c` and load it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NoCompiler("no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "book_reference.so"
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(target)], check=True)
        lib = ctypes.CDLL(str(target))
    address, number = ctypes.c_void_p, ctypes.c_int64
    lib.book_new.restype, lib.book_new.argtypes = address, [number] * 9
    lib.book_free.argtypes = [address]
    lib.book_process.argtypes = [address, address, number, number]
    lib.book_fills.restype, lib.book_fills.argtypes = number, [address]
    lib.book_tape.restype, lib.book_tape.argtypes = address, [address]
    for name in ("book_cash", "book_lots"):
        getattr(lib, name).restype, getattr(lib, name).argtypes = number, [address, number]
    lib.drive.argtypes = [address, address, address, address, address, number, number]
    return lib


class Reference:
    """One book of the C reference, with the terms of the engine's first book."""

    def __init__(self, messages: NDArray[Any], rows: int, names: int, terms: Any, stp: bool) -> None:
        self.lib, self.messages = library(), messages
        n = len(messages)
        self.book = self.lib.book_new(
            n + 8, int(terms["cap"]), names + 1, rows, 3 * n + 8,
            int(terms["unit"]), int(terms["maker_fee"]), int(terms["taker_fee"]), int(stp),
        )  # fmt: skip

    def process(self, first: int, last: int) -> float:
        """Feed messages first..last-1; the seconds that took."""
        began = time.perf_counter()
        self.lib.book_process(self.book, self.messages.ctypes.data, first, last)
        return time.perf_counter() - began

    def tape(self) -> NDArray[Any]:
        """Fills as the engine's records."""
        count = self.lib.book_fills(self.book)
        raw = ctypes.string_at(self.lib.book_tape(self.book), count * FILL.itemsize)
        return np.frombuffer(raw, FILL)

    def close(self) -> None:
        self.lib.book_free(self.book)


class Core:
    """orderly-chaos' C core behind a loop in C: no Python between messages."""

    def __init__(self, messages: NDArray[Any]) -> None:
        from orderly_chaos import _library

        self.lib, self.other, self.messages = library(), _library.library(), messages
        self.book = self.other.oc_book_new()
        self.sums = np.zeros(2, np.int64)  # trades, lots
        note = ctypes.cast(self.lib.note_trade, _library.TradeCallback)
        self.other.oc_book_set_trade_callback(self.book, note, self.sums.ctypes.data)

    def process(self, first: int, last: int) -> float:
        """Feed messages first..last-1; the seconds that took."""
        functions = [
            ctypes.cast(getattr(self.other, f"oc_book_{name}"), ctypes.c_void_p)
            for name in ("limit", "market", "cancel")
        ]
        began = time.perf_counter()
        self.lib.drive(self.book, *functions, self.messages.ctypes.data, first, last)
        return time.perf_counter() - began

    def close(self) -> None:
        self.other.oc_book_free(self.book)
