"""At which prices positions were opened, and with how much collateral: along the path that came before the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.opening import FLAT, Opening, along
from experiments.terms import Floats, Ints, Terms

if TYPE_CHECKING:
    from experiments.population import Builder

ATTEMPTS = 40  # redraws of a candidate that the path has liquidated; after that it opens at the last price


@dataclass(frozen=True, eq=False)
class Leg:
    """One position of each of n accounts: ``sign`` +1 long, -1 short; ``coin`` (index) int64[n], ``amount`` in coins
    float64[n], 0 = an account without it."""

    sign: int
    coin: Ints
    amount: Floats

    def of(self, some: Ints) -> Leg:
        """The leg of some of the accounts."""
        return Leg(self.sign, self.coin[some], self.amount[some])


def entries(
    build: Builder, name: str, opening: Opening, venue: Ints, legs: Sequence[Leg]
) -> tuple[list[Floats], Floats]:
    """Entry prices of every leg, and collateral, in dollars; the legs of an account were opened at one moment.

    A candidate whom the path between its opening and the start has liquidated is drawn anew.  Collateral is what puts
    liquidation where the coin of the first leg alone has moved by the drawn distance, as venues show a liquidation
    price, or what the drawn leverage asks; in both cases at least what the brackets of one real contract ask.
    """
    t, past, n = build.terms, build.past, len(venue)
    first = max(0, len(past.low) - int(opening.hours * 60 / past.minutes))
    reach = t.by_class({k: v[1] for k, v in opening.distance.items()})[legs[0].coin]
    near = t.by_class({k: v[0] for k, v in opening.distance.items()})[legs[0].coin]
    entry, collateral = [t.price[leg.coin] for leg in legs], np.zeros(n)
    left = np.arange(n)
    for attempt in range(ATTEMPTS + 1):
        u = [
            build.draw(name, f"{p}/{attempt}", n, opening.fixed)[left] for p in ("time", "price", "distance")
        ]
        bar = np.minimum(first + (u[0] * (len(past.low) - first)).astype(np.int64), len(past.low) - 1)
        if attempt == ATTEMPTS:
            bar, u[1] = np.full(len(left), len(past.low) - 1), np.full(len(left), 0.5)
        v, some = venue[left], [leg.of(left) for leg in legs]
        level = past.low[bar] + u[1] * (past.high[bar] - past.low[bar])
        paid = [along(t.price[leg.coin], t.beta[leg.coin], past, level) for leg in some]
        if opening.distance:
            gain, need = _balance(
                t, v, some, paid, _at(build, some, near[left] + u[2] * (reach - near)[left])
            )
            held = need - gain
        else:
            held = sum(leg.amount * then for leg, then in zip(some, paid, strict=True)) / _leverages(
                opening, u[2]
            )
        held = np.maximum(held, _least(t, opening, v, some, paid))
        worst = _worst(build, some, bar)
        gain, need = _balance(t, v, some, paid, worst)
        if attempt == ATTEMPTS:  # who cannot have lived through the path has just opened, with room to live
            held = np.maximum(held, 1.05 * need - gain)
        alive = held + gain > need
        for prices, then in zip(entry, paid, strict=True):
            prices[left] = then
        collateral[left] = held
        left = left[~alive]
        if not len(left):
            break
    return entry, collateral


def _balance(
    t: Terms, venue: Ints, legs: Sequence[Leg], paid: Sequence[Floats], now: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Gain of all legs since they were opened, and the maintenance margin that they ask for."""
    gain, need = np.zeros(len(venue)), np.zeros(len(venue))
    for leg, then, at in zip(legs, paid, now, strict=True):
        gain += leg.sign * leg.amount * (at - then)
        need += t.maintenance(leg.amount * np.abs(at), leg.coin, venue)
    return gain, need


def _least(t: Terms, opening: Opening, venue: Ints, legs: Sequence[Leg], paid: Sequence[Floats]) -> Floats:
    """Initial margin that the brackets of one real contract ask of every leg."""
    least = np.zeros(len(venue))
    for leg, then in zip(legs, paid, strict=True):
        value = leg.amount * np.maximum(then, t.price[leg.coin])
        least += value / np.minimum(t.max_leverage(value, leg.coin, venue), opening.max_leverage)
    return least


def _at(build: Builder, legs: Sequence[Leg], distance: Floats) -> list[Floats]:
    """Prices of the legs where the first one's coin alone has moved against it by a distance."""
    price, lead = build.terms.price, legs[0]
    return [price[lead.coin] * (1.0 - lead.sign * distance), *(price[leg.coin] for leg in legs[1:])]


def _worst(build: Builder, legs: Sequence[Leg], bar: Ints) -> list[Floats]:
    """Prices of the legs where BTC's later path was worst for the first one."""
    t, past, lead = build.terms, build.past, legs[0]
    level = (past.low_after if lead.sign > 0 else past.high_after)[bar]
    worst = [along(t.price[leg.coin], t.beta[leg.coin], past, level) for leg in legs]
    edge = t.price[lead.coin] * (1 - lead.sign * FLAT)
    worst[0] = np.minimum(worst[0], edge) if lead.sign > 0 else np.maximum(worst[0], edge)
    return worst


def _leverages(opening: Opening, u: Floats) -> Floats:
    """Leverage by inverting the mixture: a part by its weight, log-uniform inside it."""
    low, high, weight = (np.array(column, float) for column in zip(*opening.leverage, strict=True))
    edges = np.append(0.0, np.cumsum(weight) / weight.sum())
    part = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(low) - 1)
    inside = (u - edges[part]) / np.maximum(edges[part + 1] - edges[part], 1e-12)
    result: Floats = low[part] * (high[part] / low[part]) ** inside
    return result
