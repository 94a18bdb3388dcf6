"""How makers learn the fair price of every book: one compiled pass; its twin in numpy is `tests.twins.learning`."""

from __future__ import annotations

import numpy as np

from abm.jit import CONSTANT, INTS, inlined, kernel
from abm.random import inverse_normal
from agents.desks import purpose, station

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

INFORMATION = purpose("information")


@inlined
def _meet(values, weight, coin, total, mean):
    """Weighted mean of `values` over the books of each coin; `total` are the coins' weights."""
    mean[:] = 0.0
    for b in range(len(coin)):
        if np.isfinite(values[b]):
            mean[coin[b]] += weight[b] * values[b] / total[coin[b]]


@kernel("void(f8[::1],f8,f8,f8[::1])")
def withdraw(stress, power, floor, left):
    """What is left of calm depth, by book, at today's stress."""
    for b in range(len(left)):
        left[b] = max(stress[b] ** -power, floor)


@kernel(
    f"void(f8,f8,{CONSTANT},{CONSTANT},{CONSTANT},{CONSTANT},f8[::1],i8[::1],{INTS},f8[::1],f8[::1],f8[::1],"
    "f8[::1],f8[::1],f8,f8,f8,f8,f8,i8,f8,f8[::1],f8[::1])"
)
def learn(
    dt, luck, last, mid, volume, taker_buy, convert, coin, coin_key, beta, calm, target, left, unit_of,
    permanent, blend, anchor, pull, information, bits, surprise, told, fair,
):  # fmt: skip
    """Move the fair log prices of all books by one step.

    Args:
        dt: seconds. luck, bits: the step's draw of public information in (0, 1), and its bits.
        last, mid, volume, taker_buy: the public record, [books]. convert: common dollars of one in the quote asset.
        coin, coin_key, beta, calm: of the books. target: calm depth in dollars within `unit_of` (a log distance);
        left: share.
        permanent, blend, information, surprise: shares. anchor, pull: seconds.
        told: float64[coins], what flow tells that nobody saw coming, standard deviations. The largest coin's is
        the market's and moves all coins by their beta, as with public information.
        fair: float64[books], log prices, moved in place.
    """
    books, coins = len(fair), coin.max() + 1
    step, common, total, mean = np.empty(books), np.empty(books), np.empty(coins), np.empty(coins)
    total[:] = 0.0
    for b in range(books):
        total[coin[b]] += target[b]
    largest = 0
    for b in range(books):
        if target[b] > target[largest]:
            largest = b
        flow = (2.0 * taker_buy[b] - volume[b]) * convert[b]
        # flow that others absorbed teaches less
        reached = abs(np.log(last[b]) - fair[b]) if last[b] > 0 else 0.0
        way = 1.0 if flow > 0 else -1.0
        size = unit_of[b] * abs(flow) / (target[b] * left[b])
        step[b] = permanent * way * min(size, reached)
    _meet(step, target, coin, total, mean)
    follows = 1.0 - np.exp(-dt / anchor)
    for b in range(books):
        gap = np.log(mid[b]) - fair[b] if mid[b] > 0 else 0.0  # seen before the flow was learned from
        fair[b] += blend * mean[coin[b]] + (1.0 - blend) * step[b] + follows * gap
        common[b] = fair[b] + np.log(convert[b])
    _meet(common, target, coin, total, mean)
    meets = (1.0 - np.exp(-dt / pull)) * blend
    shared = inverse_normal(luck)
    for b in range(books):
        with_all = min((beta[b] if beta[b] == beta[b] else 0.0) * calm[largest], calm[b])
        own = inverse_normal(station(INFORMATION, bits ^ coin_key[b]))
        alone = np.sqrt(max(calm[b] ** 2 - with_all**2, 0.0))
        public = with_all * shared + alone * own
        flow = with_all * told[coin[largest]] + alone * told[coin[b]]
        fair[b] += meets * (mean[coin[b]] - common[b]) + information * np.sqrt(dt) * public
        fair[b] += surprise * np.sqrt(dt) * flow
