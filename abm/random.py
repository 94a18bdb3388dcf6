"""Keyed randomness: a draw is a hash of who draws, when and what for, never of how many others drew.

Take out a row, an owner or a venue, and every other draw stays the same bit for bit. A key is a 64-bit identity
(`key_of("longs/41")`); a draw mixes (seed, stream, key, step, purpose) with the splitmix64 finaliser
(Steele, Lea, Flood 2014), which passes the usual batteries for one output a counter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, pdtrik

from abm.jit import INTERPRETED, inlined, kernel

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


def keys_of(names: Iterable[str]) -> NDArray[np.int64]:
    """int64[n]: `key_of` of many names, which are asked for once."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(digests), "<i8").astype(np.int64)


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


def _draw_interpreted(stream: int, key: int, step: int) -> np.uint64:
    """The same without the compiler: a negative Python integer must be told how it looks as a word of 64 bits."""
    words = [np.uint64(int(x) & _WORD) for x in (stream, key, step)]
    with np.errstate(over="ignore"):
        result: np.uint64 = mix(mix(words[0] + _GOLDEN * words[1]) + _GOLDEN * words[2])
    return result


if INTERPRETED:
    draw = _draw_interpreted


@inlined
def unit(bits):  # type: ignore[no-untyped-def]
    """Those bits as a float64 in (0, 1)."""
    return (np.float64(bits >> _S11) + 0.5) * _TO_UNIT


@inlined
def inverse_normal(p):  # type: ignore[no-untyped-def]
    """The standard normal quantile of a probability: algorithm AS 241 (Wichura 1988), exact to about 1e-15."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        up = 2509.0809287301226727 * r + 33430.575583588128105
        up = ((up * r + 67265.770927008700853) * r + 45921.953931549871457) * r + 13731.693765509461125
        up = ((up * r + 1971.5909503065514427) * r + 133.14166789178437745) * r + 3.387132872796366608
        low = 5226.495278852545925 * r + 28729.085735721942674
        low = ((low * r + 39307.89580009271061) * r + 21213.794301586595867) * r + 5394.1960214247511077
        low = ((low * r + 687.1870074920579083) * r + 42.313330701600911252) * r + 1.0
        return q * up / low
    r = np.sqrt(-np.log(min(p, 1.0 - p)))
    if r <= 5.0:
        r -= 1.6
        up = 7.7454501427834140764e-4 * r + 0.0227238449892691845833
        up = ((up * r + 0.24178072517745061177) * r + 1.27045825245236838258) * r + 3.64784832476320460504
        up = ((up * r + 5.7694972214606914055) * r + 4.6303378461565452959) * r + 1.42343711074968357734
        low = 1.05075007164441684324e-9 * r + 5.475938084995344946e-4
        low = ((low * r + 0.0151986665636164571966) * r + 0.14810397642748007459) * r + 0.68976733498510000455
        low = ((low * r + 1.6763848301838038494) * r + 2.05319162663775882187) * r + 1.0
    else:
        r -= 5.0
        up = 2.01033439929228813265e-7 * r + 2.71155556874348757815e-5
        up = ((up * r + 0.0012426609473880784386) * r + 0.026532189526576123093) * r + 0.29656057182850489123
        up = ((up * r + 1.7848265399172913358) * r + 5.4637849111641143699) * r + 6.6579046435011037772
        low = 2.04426310338993978564e-15 * r + 1.4215117583164458887e-7
        low = (
            (low * r + 1.8463183175100546818e-5) * r + 7.868691311456132591e-4
        ) * r + 0.0148753612908506148525
        low = ((low * r + 0.13692988092273580531) * r + 0.59983220655588793769) * r + 1.0
    return up / low if q > 0 else -up / low


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


def stream_of(seed: int, *names: str) -> int:
    """The stream (signed 64-bit) that a participant uses for one purpose in a run with this seed."""
    return key_of(f"{seed}/" + "/".join(names))


def bits(stream: int, keys: NDArray[np.int64], step: int) -> NDArray[np.uint64]:
    """`draw` for an array of keys; same bits as the kernel's."""
    later = np.uint64(int(_GOLDEN) * (step & _WORD) & _WORD)
    x = _mixed(
        np.uint64(stream & _WORD) + _GOLDEN * np.atleast_1d(np.asarray(keys, np.int64)).view(np.uint64)
    )
    return _mixed(x + later).reshape(np.shape(keys))


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
