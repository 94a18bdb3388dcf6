"""Keyed randomness: a draw is a hash of who draws, when and what for, never of how many others drew.

Take out a row, an owner or a venue, and every other draw stays the same bit for bit. A key is a 64-bit identity
(`key_of("longs/41")`); a draw mixes (seed, stream, key, step, purpose) with the splitmix64 finaliser
(Steele, Lea, Flood 2014), which passes the usual batteries for one output a counter.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, pdtrik

from abm.jit import inlined, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 2.0**-53
_WORD = 0xFFFFFFFFFFFFFFFF

FOREVER = -(1 << 40)  # the "step" of draws that stay the same for the whole run


@lru_cache(maxsize=4096)  # a step asks for the same few purposes
def key_of(name: str) -> int:
    """A stable signed 64-bit identity of a name (an owner, a purpose, a stream)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


@inlined
def mix(x):  # type: ignore[no-untyped-def]
    """splitmix64's finaliser on an unsigned 64-bit integer."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@inlined
def draw(stream, key, step):  # type: ignore[no-untyped-def]
    """Unsigned 64 random bits for (stream, key, step); `stream` comes from `stream_of`."""
    x = mix(np.uint64(stream) + _GOLDEN * np.uint64(key))
    return mix(x + _GOLDEN * np.uint64(step))


@inlined
def unit(bits):  # type: ignore[no-untyped-def]
    """Those bits as a float64 in (0, 1)."""
    return (np.float64(bits >> _S11) + 0.5) * _TO_UNIT


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


def stream_of(seed: int, *names: str) -> int:
    """The stream (signed 64-bit) that a participant uses for one purpose in a run with this seed."""
    return key_of(f"{seed}/" + "/".join(names))


def bits(stream: int, keys: NDArray[np.int64], step: int) -> NDArray[np.uint64]:
    """`draw` for an array of keys; same bits as the kernel's."""
    with np.errstate(over="ignore"):
        start = np.uint64(stream & _WORD)
        x = _mixed(start + _GOLDEN * np.asarray(keys, np.int64).view(np.uint64))
        return _mixed(x + _GOLDEN * np.uint64(step & _WORD))


@kernel("void(u8,u8[::1],u8,f8[::1])")
def _uniforms(stream, keys, step, out):  # type: ignore[no-untyped-def]
    """`unit(draw(...))` for an array of keys."""
    for i in range(len(keys)):
        out[i] = unit(draw(stream, keys[i], step))


def uniform(stream: int, keys: NDArray[np.int64], step: int = FOREVER) -> NDArray[np.float64]:
    """Float64 draws in (0, 1), one a key."""
    keys = np.ascontiguousarray(keys, np.int64)
    out = np.empty(len(keys))
    _uniforms(stream & _WORD, keys.view(np.uint64), step & _WORD, out)
    return out


def normal(stream: int, keys: NDArray[np.int64], step: int = FOREVER) -> NDArray[np.float64]:
    """Standard normal draws by the inverse distribution function."""
    result: NDArray[np.float64] = ndtri(uniform(stream, keys, step))
    return result


def exponential(stream: int, keys: NDArray[np.int64], step: int = FOREVER) -> NDArray[np.float64]:
    """Exponential draws with mean one."""
    result: NDArray[np.float64] = -np.log(uniform(stream, keys, step))
    return result


def poisson(stream: int, keys: NDArray[np.int64], mean: Any, step: int = FOREVER) -> NDArray[np.int64]:
    """Poisson counts with the given means, by inversion."""
    counts: NDArray[np.int64] = np.ceil(np.maximum(pdtrik(uniform(stream, keys, step), mean), 0.0)).astype(
        np.int64
    )
    return counts
