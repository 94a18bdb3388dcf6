"""Arrays packed small for a browser: a header of JSON, then the bytes, deflated as one.

An array may be stored as differences along its last axis. Bytes of one weight lie together: slow series shrink several
times more. `data.js` unpacks it; `unpacked` is the same in Python, for the tests.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
PER_DECADE = 20  # steps of a coarse amount: 12 %
PER_E = 1000  # steps of a fine amount: 0.1 %


class Package:
    """Named arrays and one header, to be packed."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self._arrays: list[dict[str, Any]] = []
        self._bytes: list[bytes] = []

    def add(self, name: str, values: Values, dtype: str, *, delta: bool = False) -> None:
        """Add an array as u1, i1, u2, i2, u4, i4 or f4; `delta`: differences along the last axis, modulo the type."""
        kept = np.ascontiguousarray(values, dtype=f"<{dtype}")
        shape = list(kept.shape)
        if delta and kept.shape[-1] > 1:
            step = kept.copy()
            step[..., 1:] = kept[..., 1:] - kept[..., :-1]
            kept = step
        self._arrays.append({"name": name, "type": dtype, "shape": shape, "delta": delta})
        self._bytes.append(kept.view(np.uint8).reshape(-1, kept.itemsize).T.tobytes())

    def packed(self) -> bytes:
        """Everything, deflated."""
        header = json.dumps({**self.header, "arrays": self._arrays}, allow_nan=False).encode()
        return zlib.compress(struct.pack("<I", len(header)) + header + b"".join(self._bytes), 9)


def unpacked(packed: bytes) -> tuple[dict[str, Any], dict[str, Values]]:
    """Header and arrays of a package."""
    raw = zlib.decompress(packed)
    (size,) = struct.unpack_from("<I", raw)
    header = json.loads(raw[4 : 4 + size])
    at, arrays = 4 + size, {}
    for entry in header["arrays"]:
        dtype = np.dtype(f"<{entry['type']}")
        count = int(np.prod(entry["shape"], dtype=np.int64))
        planes = np.frombuffer(raw, np.uint8, count * dtype.itemsize, at).reshape(dtype.itemsize, -1)
        values = np.ascontiguousarray(planes.T).view(dtype).reshape(entry["shape"])
        if entry["delta"] and count:
            values = np.cumsum(values, axis=-1, dtype=dtype)
        arrays[entry["name"]] = values
        at += count * dtype.itemsize
    return header, arrays


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
