"""How a failed position is shared among those opposite: pure functions `rule(lots, candidates) -> lots of each`.

All but the queue are one picture: account i gives nothing until a level has risen to `start_i`, then `slope_i` lots for
every unit that it rises further, until it has given all that it may. The level is where the gifts sum to what is asked
for ("water-filling"); lots are whole, remainders go to the largest. Shares are of lots: at one price for all, a lot
costs every account the same, so shares of lots are shares of the loss.

- queue: highest score first, each to the end;
- pro_rata_profit, pro_rata_equity, pro_rata_contracts: in proportion to profit, to equity, to lots held;
- capped_pro_rata: in proportion to profit, nobody below his maintenance margin, h_i = min(eta, beta_i);
- risk_aware: the same with h_i = min(beta_i, tau x leverage_i^c) (Chitra, arXiv 2512.01112, RAP);
- leverage_draining: the most levered down to one common leverage (Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963).

A rule of one's own is a function of the same two arguments, named as "file:function".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Accounts opposite a failed position, one place each; money in units of the settlement asset, at mark.

    Attributes:
        size: int64, lots held (> 0). most: int64, lots that may be closed: what the account can pay for at the price.
        profit: int64, unrealised, of the position. equity, maintenance: int64, of the account.
        notional: int64, value of the position. leverage: float64, value of all positions of the account over its
        equity, inf if that is not positive. score: float64, the venue's ranking, higher first, above zero in profit.
        key: int64, the account's own number, for ties. cost: float64, units that closing a lot costs the account
        against the mark (below zero: it gains). power: the exponent c of `risk_aware`.
    """

    size: Ints
    most: Ints
    profit: Ints
    equity: Ints
    maintenance: Ints
    notional: Ints
    leverage: Floats
    score: Floats
    key: Ints
    cost: float = 0.0
    power: float = 1.0

    def __len__(self) -> int:
        return len(self.size)

    def pick(self, which: Ints, most: Ints | None = None) -> Candidates:
        """Some of them, if need be with other bounds."""
        columns = {name: getattr(self, name)[which] for name in COLUMNS}
        return replace(self, **columns | ({} if most is None else {"most": most}))


COLUMNS = ("size", "most", "profit", "equity", "maintenance", "notional", "leverage", "score", "key")
Rule = Callable[[int, Candidates], Ints]


# ---------------------------------------------------------------- levels and whole lots


def level(total: float, start: Floats, stop: Floats, slope: Floats) -> float:
    """The t at which sum of slope x (min(t, stop) - start)+ is `total`; the last stop if it never gets there.

    Args: float64[n] with start <= stop and slope > 0; `stop` may be inf.
    """
    if len(start) == 0:
        return 0.0
    at = np.concatenate([start, stop])
    change = np.concatenate([slope, -slope])
    order = np.argsort(at, kind="stable")
    at, change = at[order], change[order]
    finite = np.isfinite(at)
    at, change = at[finite], change[finite]
    rate = np.cumsum(change)
    given = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(at))])
    k = int(np.searchsorted(given, total, side="left")) - 1
    if k < 0:
        return float(at[0])
    if k >= len(at) - 1 and not rate[-1] > 1e-9 * float(slope.max()):
        return float(at[-1])
    return float(at[k] + (total - given[k]) / rate[k])


def filled(total: float, weights: Floats, caps: Floats) -> Floats:
    """Shares min(cap_i, eta x weight_i) that sum to `total`, or to all caps if they are less.

    Who has no weight gives, by cap, what those with weight cannot.
    """
    shares = np.zeros(len(weights))
    left = total
    for mine, weight in ((weights > 0, weights), (weights <= 0, caps)):
        some = np.flatnonzero(mine & (caps > 0))
        if left <= 0 or len(some) == 0:
            continue
        relative = weight[some] / weight[some].max()
        room = caps[some]
        stop = room / np.maximum(relative, 1e-300)
        eta = np.inf if left >= room.sum() else level(left, np.zeros(len(some)), stop, relative)
        shares[some] = np.minimum(room, np.minimum(eta, stop) * relative)
        left -= float(shares[some].sum())
    return shares


def whole(shares: Floats, lots: int, most: Ints, key: Ints) -> Ints:
    """Whole lots near `shares` that sum to min(lots, sum of most): rounded down, then one each to the largest
    remainders, ties by key; nobody beyond `most`."""
    target = min(int(lots), int(most.sum()))
    out: Ints = np.clip(np.floor(shares + 1e-9 * np.minimum(1.0, shares)), 0, most).astype(np.int64)
    order = np.lexsort((key, -(shares - out)))
    while (short := target - int(out.sum())) != 0:  # one round, or two where floats were off by a unit
        if short > 0:
            some = order[out[order] < most[order]][:short]
            out[some] += 1
        else:
            some = order[::-1][out[order[::-1]] > 0][:-short]
            out[some] -= 1
    return out


# ---------------------------------------------------------------- the rules


def queue(lots: int, c: Candidates) -> Ints:
    """Highest score first, each as far as he may be closed, the last one in part."""
    order = np.lexsort((c.key, -c.score))
    before = np.concatenate([[0], np.cumsum(c.most[order])[:-1]]).astype(np.int64)
    out = np.zeros(len(c), np.int64)
    out[order] = np.clip(lots - before, 0, c.most[order])
    return out


def _shared(lots: int, c: Candidates, weights: Floats, caps: Ints | None = None) -> Ints:
    """By weight up to `caps`; what these do not hold, up to `most`."""
    caps = c.most if caps is None else np.minimum(caps, c.most)
    shares = filled(float(lots), np.maximum(weights, 0.0), caps.astype(float))
    out = whole(shares, lots, caps, c.key)
    left = min(lots, int(c.most.sum())) - int(out.sum())
    if left > 0:
        rest = c.most - out
        out = out + whole(
            filled(float(left), np.maximum(weights, 0.0), rest.astype(float)), left, rest, c.key
        )
    return out


def pro_rata_profit(lots: int, c: Candidates) -> Ints:
    """In proportion to the position's profit: the same share h = D / U of everybody's profit pays for a deficit D."""
    return _shared(lots, c, c.profit.astype(float))


def pro_rata_equity(lots: int, c: Candidates) -> Ints:
    """In proportion to the account's equity."""
    return _shared(lots, c, c.equity.astype(float))


def pro_rata_contracts(lots: int, c: Candidates) -> Ints:
    """In proportion to the lots held: everybody's position shrinks by the same share."""
    return _shared(lots, c, c.size.astype(float))


def affordable(c: Candidates) -> Ints:
    """Lots that may be closed before the account is under maintenance margin (the beta of capped pro-rata); all if
    closing costs nothing."""
    if c.cost <= 0:
        return c.most
    room = np.maximum(c.equity - c.maintenance, 0) / c.cost
    lots: Ints = np.floor(np.minimum(room, c.most)).astype(np.int64)
    return lots


def capped_pro_rata(lots: int, c: Candidates) -> Ints:
    """In proportion to profit, nobody below his maintenance margin while others can pay."""
    return _shared(lots, c, c.profit.astype(float), affordable(c))


def risk_aware(lots: int, c: Candidates) -> Ints:
    """In proportion to profit x leverage^c, nobody below his maintenance margin while others can pay."""
    top = c.leverage[np.isfinite(c.leverage)].max(initial=1.0)
    weight = np.where(np.isfinite(c.leverage), c.leverage, 10.0 * top) ** c.power
    return _shared(lots, c, np.maximum(c.profit.astype(float), 0.0) * weight, affordable(c))


def leverage_draining(lots: int, c: Candidates) -> Ints:
    """From the most levered down: after it all who were touched share one leverage L, the others have no more.

    Closing at mark leaves equity as it is, so a lot lowers an account's leverage by its value over the equity. Who has
    no equity comes first of all.
    """
    out = np.zeros(len(c), np.int64)
    hopeless = np.flatnonzero(~np.isfinite(c.leverage))
    out[hopeless] = queue(lots, c.pick(hopeless))
    left = min(lots, int(c.most.sum())) - int(out.sum())
    some = np.flatnonzero(np.isfinite(c.leverage) & (c.most > 0) & (c.notional > 0))
    if left <= 0 or len(some) == 0:
        return out
    d = c.pick(some)
    step = d.notional / d.size / d.equity  # leverage that a lot takes away
    start = -d.leverage
    stop = start + d.most * step
    drained = level(float(left), start, stop, 1.0 / step)
    shares = np.clip(drained - start, 0.0, stop - start) / step
    out[some] = whole(shares, left, d.most, d.key)
    return out


RULES: dict[str, Rule] = {
    "queue": queue,
    "pro_rata_profit": pro_rata_profit,
    "pro_rata_equity": pro_rata_equity,
    "pro_rata_contracts": pro_rata_contracts,
    "pro_rata": pro_rata_contracts,
    "capped_pro_rata": capped_pro_rata,
    "risk_aware": risk_aware,
    "leverage_draining": leverage_draining,
}


BLIND = ("leverage_draining",)

# ---------------------------------------------------------------- a whole request


def checked(name: str, lots: int, c: Candidates, out: Ints) -> Ints:
    """What a rule answered, or ValueError with what is wrong with it."""
    out = np.asarray(out)
    if out.shape != (len(c),) or out.dtype.kind not in "iu":
        raise ValueError(f"adl.allocate {name}: expected {len(c)} whole numbers, one for each candidate")
    if len(c) and ((out < 0).any() or (out > c.most).any()):
        raise ValueError(f"adl.allocate {name}: expected lots between 0 and `most` of each candidate")
    if int(out.sum()) > lots:
        raise ValueError(f"adl.allocate {name}: {int(out.sum())} lots given, at most {lots} asked for")
    whole_lots: Ints = out.astype(np.int64)
    return whole_lots


def share(lots: int, c: Candidates, rule: Rule, name: str) -> Ints:
    """Share a request among all candidates: first those in profit (a score above zero) as far as each can pay, then the
    others as far as they can pay, then, because contracts must be closed on both sides, anybody.

    A rule of `BLIND` knows no winners: leverage is drained wherever it is. What a rule leaves over of a round goes to
    the highest scores.
    """
    out = np.zeros(len(c), np.int64)
    everybody = np.ones(len(c), bool)
    winners = everybody if name in BLIND else c.score > 0
    for mine, most in ((winners, c.most), (~winners, c.most), (everybody, c.size)):
        left = min(lots - int(out.sum()), int((most - out)[mine].sum()))
        if left <= 0:
            continue
        which = np.flatnonzero(mine)
        some = c.pick(which, (most - out)[which])
        given = checked(name, left, some, rule(left, some))
        if (rest := left - int(given.sum())) > 0:
            given = given + queue(rest, some.pick(np.arange(len(some)), some.most - given))
        out[which] += given
    return out
