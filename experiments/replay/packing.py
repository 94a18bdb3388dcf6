"""Arrays packed small for a browser: a header of JSON, then the bytes of every array, each deflated.

An array may be stored as differences along its last axis; rows that hardly differ from those of the package beside it
(the same seed, the same past) as differences to these; both with the sign folded into the lowest bit. Bytes of one
weight lie together: slow series shrink several times more. `data.js` unpacks it; `unpacked` is the same in Python, for
the tests.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Arrays = dict[str, Values]
PER_DECADE = 20  # steps of a coarse amount: 12 %
PER_E = 1000  # steps of a fine amount: 0.1 %
SIZE = struct.Struct("<I")  # of the header, before it


class Kept(NamedTuple):
    """An array of a package: as differences or as it is; whether some of its steps may be left out."""

    values: Values
    delta: bool
    steps: bool

    def coded(self, every: int) -> Values:
        """One of so many steps, as differences if it is stored so."""
        values = self.values[..., ::every] if self.steps else self.values
        return differences(values) if self.delta else np.ascontiguousarray(values)


class Package:
    """Named arrays and one header, to be packed, alone or `beside` another package that is unpacked first.

    `cells`: numbers that a table by step has at most, when `stride` says every how many steps it is kept.
    """

    def __init__(self, beside: Package | None = None, cells: int = 1_000_000) -> None:
        self.header: dict[str, Any] = {}
        self.beside, self.cells = beside, cells
        self.arrays: dict[str, Kept] = {}
        self._deflated: dict[tuple[str, int], tuple[dict[str, Any], bytes]] = {}

    def add(self, name: str, values: Values, dtype: str, *, delta: bool = False, steps: bool = False) -> None:
        """Add an array as u1, i1, u2, i2, u4, i4 or f4.

        `delta`: differences along the last axis, modulo the type; `steps`: that axis is the run's steps, of which
        `packed` may keep every so many.
        """
        self.arrays[name] = Kept(np.ascontiguousarray(values, dtype=f"<{dtype}"), delta, steps)

    def stride(self, steps: int, members: int) -> int:
        """Every how many steps a table of so many members a step is kept."""
        return max(1, -(-steps * members // self.cells))

    def packed(self, every: int = 1) -> bytes:
        """Everything, deflated; of arrays by step one of so many steps."""
        made = [self._stream(name, every if kept.steps else 1) for name, kept in self.arrays.items()]
        told = {**self.header, "every": every, "arrays": [entry for entry, _ in made]}
        header = zlib.compress(json.dumps(told, allow_nan=False).encode(), 9)
        return SIZE.pack(len(header)) + header + b"".join(stream for _, stream in made)

    def _stream(self, name: str, every: int) -> tuple[dict[str, Any], bytes]:
        """An array's entry in the header, and its bytes."""
        if (name, every) not in self._deflated:
            kept = self.arrays[name]
            values, rows = self._against(name, kept.coded(every), every)
            stream = zlib.compress(values.view(np.uint8).reshape(-1, values.itemsize).T.tobytes(), 9)
            entry = {
                "name": name, "type": values.dtype.str[1:], "shape": list(values.shape), "delta": kept.delta,
                "rows": rows, "size": len(stream),
            }  # fmt: skip
            self._deflated[name, every] = entry, stream
        return self._deflated[name, every]

    def _against(self, name: str, mine: Values, every: int) -> tuple[Values, list[int]]:
        """An array as it is written, and which of its rows are differences to the package beside this."""
        kept, rows = self.arrays[name], []
        there = self.beside.arrays.get(name) if self.beside else None
        if there and there.values.shape == kept.values.shape and mine.size and mine.dtype.kind != "f":
            other = (mine - there.coded(every)).astype(mine.dtype)
            less = _sums(weight(other)) < 0.95 * _sums(weight(mine))
            mine = np.where(less.reshape(*mine.shape[:-1], 1), other, mine)
            rows = np.flatnonzero(less).tolist()
        return folded(mine) if kept.delta or rows else mine, rows


def _sums(values: Values) -> Values:
    """Of every row."""
    return np.asarray(values.reshape(-1, values.shape[-1]).sum(axis=1))


def unpacked(packed: bytes, beside: Arrays | None = None) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a package; `beside`: the arrays of the one that it was packed beside."""
    at = SIZE.size + SIZE.unpack_from(packed)[0]
    header = json.loads(zlib.decompress(packed[SIZE.size : at]))
    arrays: Arrays = {}
    for entry in header["arrays"]:
        dtype = np.dtype(f"<{entry['type']}")
        raw = zlib.decompress(packed[at : at + entry["size"]])
        at += entry["size"]
        planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
        values = np.ascontiguousarray(planes.T).view(dtype).reshape(entry["shape"])
        if entry["delta"] or entry["rows"]:
            values = unfolded(values)
        if entry["delta"]:
            values = np.cumsum(values, axis=-1, dtype=dtype)
        if entry["rows"] and beside is not None:
            wide = values.reshape(-1, values.shape[-1])  # a view
            wide[entry["rows"]] += beside[entry["name"]].reshape(wide.shape)[entry["rows"]]
        arrays[entry["name"]] = values
    return header, arrays


def differences(values: Values) -> Values:
    """The first, then each less the one before, along the last axis, modulo the type."""
    step = values.copy()
    step[..., 1:] = values[..., 1:] - values[..., :-1]
    return step


def folded(values: Values) -> Values:
    """Integers with their sign in the lowest bit: 0, -1, 1, -2 are 0, 1, 2, 3; small ones have zeros above."""
    signed = values.view(f"<i{values.itemsize}")
    return ((signed << 1) ^ (signed >> (8 * values.itemsize - 1))).astype(signed.dtype).view(values.dtype)


def unfolded(values: Values) -> Values:
    plain = values.view(f"<u{values.itemsize}")
    return ((plain >> 1) ^ (0 - (plain & 1))).astype(plain.dtype).view(values.dtype)


def weight(steps: Values) -> Values:
    """About how many bits each of these differences takes."""
    return np.log2(1.0 + folded(steps).view(f"<u{steps.itemsize}").astype(float))


def listed(names: Sequence[str]) -> list[list[Any]]:
    """Names as [stem, first number, how many]: crowd/7, crowd/8, crowd/9 are one line; a number of -1 is none."""
    found: list[list[Any]] = []
    for name in names:
        numbered = re.fullmatch(r"(.*?)(0|[1-9][0-9]{0,8})", name, re.DOTALL)
        stem, number = (numbered[1], int(numbered[2])) if numbered else (name, -1)
        if found and number > 0 and found[-1][0] == stem and sum(found[-1][1:]) == number:
            found[-1][2] += 1
        else:
            found.append([stem, number, 1])
    return found


def coarse(dollars: Values) -> Values:
    """Dollars as one byte: 0 for none, else 12 % steps from a dollar up."""
    value = np.nan_to_num(np.asarray(dollars, dtype=float))
    step = 1.0 + np.rint(PER_DECADE * np.log10(np.maximum(value, 1.0)))
    return np.where(value > 0, np.clip(step, 1, 255), 0).astype(np.uint8)


def fine(amount: Values) -> Values:
    """Signed amounts as two bytes in steps of 0.1 %; NaN is none."""
    value = np.nan_to_num(np.asarray(amount, dtype=float))
    return (np.sign(value) * np.rint(np.minimum(PER_E * np.log1p(np.abs(value)), 32000))).astype(np.int16)


def ratio(value: Values, base: Values) -> Values:
    """Positive numbers against a base as two bytes, 0.01 % steps; 0 where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.rint(1e4 * np.log(np.asarray(value, dtype=float) / base))
    step = np.where(step == 0, 1, step)  # 0 means none
    return np.where(np.isfinite(step), np.clip(step, -32000, 32000), 0).astype(np.int16)
