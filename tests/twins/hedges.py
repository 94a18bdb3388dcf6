"""A hedger's arithmetic in plain numpy, one array operation a line: the twin of `agents.hedges`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.hedges import BID, LAST, MARK, MID, OFFERED


def _legs(hedges: Any, first: Any) -> tuple[Any, Any]:
    parts = [np.arange(first[h], first[h + 1]) for h in hedges]
    which = np.repeat(np.arange(len(hedges)), [len(part) for part in parts])
    return np.concatenate([np.empty(0, np.int64), *parts]), which


def touched(changed: Any, row: Any, place: Any, first: Any, out: Any) -> int:
    """The same arguments, the same results."""
    hedge = np.repeat(np.arange(len(place)), np.diff(first))
    found = np.union1d(np.flatnonzero(changed[np.maximum(place, 0)]), hedge[changed[row]])
    out[: len(found)] = found
    return len(found)


def legs_of(hedges: Any, first: Any, out: Any) -> int:
    """The same arguments, the same results."""
    legs = _legs(hedges, first)[0]
    out[: len(legs)] = legs
    return len(legs)


def reasons(
    naked: Any, size: Any, when: Any, spot: Any, short: Any, basis: Any, pair: Any, bound: Any, heard: Any,
    now_heard: Any, tolerance: float, found: Any, count: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    loose = (np.abs(naked) > tolerance * size) & ~np.isfinite(when).any(axis=0)
    able = (spot >= 0) & (short < 0) & ~np.isfinite(when[1])
    for i, here in enumerate((loose, able & (basis[pair] < -bound), able & (heard - now_heard > 0))):
        count[i] = here.sum()
        found[i, : count[i]] = np.flatnonzero(here)
    heard[:] = now_heard


def _bearable(
    public: Any, book: Any, side: int, quantity: Any, part: float, careless: float, least: Any
) -> Any:
    mid = public[MID, book]
    with np.errstate(divide="ignore"):
        coins = np.fmax(careless / np.where(mid > 0, mid, public[LAST, book]), 0.0)
    depth = public[OFFERED if side > 0 else BID, book]
    return np.minimum(quantity, np.fmax(part * depth, np.maximum(coins, least)))


def buy_back(
    hedges: Any, first: Any, legs: Any, book: Any, held: Any, size: Any, quantity: Any, goes: Any, public: Any,
    participation: float, careless: float, parts: int, back: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    which = _legs(hedges, first)[1]
    short = np.maximum(-held, 0.0)
    whole = np.bincount(which, short, len(hedges))[which]
    part = np.divide(short, whole, out=np.zeros_like(short), where=whole > 0)
    least = (size[hedges] / parts)[which]
    wish = _bearable(public, book[legs], 1, quantity[which] * part, participation, careless, least)
    back[:] = np.where((goes & (quantity > 0))[which] & (whole > 0), np.minimum(wish, short), 0.0)


def mend(
    naked: Any, short: Any, coins: Any, size: Any, book: Any, spot: Any, free: Any, equity: Any, seller: Any,
    public: Any, tolerance: float, cover: float, participation: float, careless: float, parts: int, still: Any,
    sale: Any, again: Any, short_of: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    still[:] = np.abs(naked) > tolerance * size
    covered = equity >= cover * (np.abs(short) + np.abs(naked)) * public[MARK, book]
    sells = (seller | ~covered) & (spot >= 0) & (coins > 0)
    long_ = still & free & (naked > 0)
    short_of[:] = still & free & (naked < 0)
    bounds = (participation, careless, size / parts)
    sale[:] = np.where(long_ & sells, np.minimum(_bearable(public, spot, -1, naked, *bounds), coins), 0.0)
    again[:] = np.where(long_ & ~sells & covered, _bearable(public, book, -1, naked, *bounds), 0.0)


def leave(
    short: Any, coins: Any, size: Any, book: Any, spot: Any, free: Any, pays: Any, public: Any, participation: float,
    careless: float, parts: int, on: Any, quantity: Any,
) -> None:  # fmt: skip
    """The same arguments, the same results."""
    both, bounds = np.minimum(short, coins), (participation, careless, size / parts)
    on[:] = pays & (both > 1e-6 * size)
    wish = _bearable(public, spot, -1, _bearable(public, book, 1, both, *bounds), *bounds)
    quantity[:] = np.where(on & free, wish, 0.0)
