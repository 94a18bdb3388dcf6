"""Value traders' arithmetic in plain numpy, one array operation a line: the twin of `agents.latent`."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.desks import or_zero, spread


def sellers(
    row: Any, book: Any, name: Any, drawn: Any, heard: Any, fade: Any, beta: Any, calm: Any, gap: Any, capital: Any,
    done: Any, goal: Any, fear: float, full: float, wake: float, now: Any, rest: Any,
) -> int:  # fmt: skip
    """The same arguments, the same results."""
    news = heard[row] * or_zero(beta)[book]
    if not news.any():
        return 0
    ahead = (1.0 + (fear - 1.0) * fade[row]) * news - gap[book]
    daily = (or_zero(calm) * np.sqrt(86400.0))[book]
    wish, way = (ahead / np.maximum(full * daily, 1e-9)).clip(-1.0, 1.0) * capital, np.sign(news)
    further = (news != 0) & (wish * way > goal * way)
    goal[further] = wish[further]
    goal[(wish * way < 0) & (goal * way > 0)] = 0.0
    open_ = (np.abs(goal - done) > 0) & (np.sign(goal - done) == np.sign(ahead))
    wakes = spread(drawn.view(np.float64)[row], name, "wake") < wake
    which = np.flatnonzero(open_ & wakes)
    now[: len(which)], rest[: len(which)] = which, (goal - done)[which]
    return len(which)


def dippers(
    time: float, row: Any, book: Any, name: Any, drawn: Any, heard: Any, beta: Any, gap: Any, capital: Any, done: Any,
    start: Any, at: Any, pace: Any, wake: float, now: Any, rest: Any,
) -> tuple[int, int]:  # fmt: skip
    """The same arguments, the same results."""
    deepest = np.nanmin(gap) if np.isfinite(gap).any() else np.nan
    if deepest > start.max() and not np.isfinite(at).any():
        return 0, 0
    below, bits = gap[book] - heard[row] * or_zero(beta)[book], drawn.view(np.float64)[row]
    begins = np.flatnonzero((below < start) & ~np.isfinite(at))
    if len(begins):
        now[: len(begins)], rest[: len(begins)] = begins, spread(bits, name, "lag")[begins]
        return len(begins), 0
    wakes = spread(bits, name, "wake") < wake
    which = np.flatnonzero((time >= at) & wakes & (below < 0.3 * start) & (done < capital))
    due = capital[which] * np.minimum((time - at[which]) / pace[which], 1.0) - done[which]
    now[: len(which)], rest[: len(which)] = which, np.maximum(due, 0.0)
    return 0, len(which)


def slices(
    now: Any, rest: Any, part: Any, row: Any, book: Any, own: Any, waiting: Any, kind: Any, lot: Any, ask: Any,
    depth_bid: Any, depth_ask: Any, halted: Any, share: float, done: Any, to: Any, coins: Any,
) -> int:  # fmt: skip
    """The same arguments, the same results."""
    b, side, least = book[now], np.where(rest > 0, 1, -1), lot[book[now]]
    part = part[now] if len(part) > 1 else part
    size = np.minimum(np.abs(rest) * part, share * np.where(side > 0, depth_ask[b], depth_bid[b]))
    size = np.where((size < least) & (np.abs(rest) >= least), least, size)
    most = np.where(side > 0, or_zero(0.95 * own / ask[b]), own)
    size = np.where(kind[b] == 1, np.minimum(size, most), size)
    good = (size >= least) & ~halted[b] & (waiting == 0)
    n = int(good.sum())
    to[:, :n], coins[:n] = np.stack((row[now], b, side))[:, good], size[good]
    done[now] += np.where(good, side * size, 0.0)
    return n
