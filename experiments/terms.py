"""Contracts and venues of a scenario as arrays: prices, lots, open interest to be filled, margin by size.

The initial state and the liquidation map are computed on these; the numbers are dollars (one unit of any
dollar-like quote asset is one dollar here) and coins, in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm import brackets
from abm.collateral import first_share
from abm.venue import Contract, VenueRules

BRACKET_FILE = Path(__file__).parent / "reference" / "binance_tiers_2025-09-29.csv"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Terms:
    """Arrays over coins (C), venues (V) and brackets (B, padded with bounds that nothing reaches).

    Attributes:
        coins, venues, classes: names; classes are per coin.
        price, lot, beta: float64[C].
        lists_perp, lists_spot: bool[V, C].
        lots: int64[V, C], lots of open interest, one side.
        open_interest: float64[C], dollars of all venues, one side.
        share, spot_share: float64[V], normalised over the venues.
        floor, mmr, cum: float64[V, C, B], the engine's brackets in dollars, of the table that each venue chose.
        real_floor, leverage: float64[V, C, B], the bounds of one real contract and the leverage they allow.
        limit: float64[V, C], dollars, the largest position of an account in one real contract.
        counts: of each venue, the share of an asset's value that counts as margin (of the first tier), by asset.
    """

    coins: list[str]
    venues: list[str]
    places: list[str]
    classes: list[str]
    price: Floats
    lot: Floats
    beta: Floats
    lists_perp: NDArray[np.bool_]
    lists_spot: NDArray[np.bool_]
    lots: Ints
    open_interest: Floats
    share: Floats
    spot_share: Floats
    floor: Floats
    mmr: Floats
    cum: Floats
    real_floor: Floats
    leverage: Floats
    limit: Floats
    counts: list[dict[str, float]]

    def maintenance(self, notional: Floats, coin: Ints, venue: Ints) -> Floats:
        """Maintenance margin in dollars of positions of that value (>= 0), as the engine asks it."""
        k = (notional[:, None] >= self.floor[venue, coin]).sum(1) - 1
        return np.maximum(notional * self.mmr[venue, coin, k] - self.cum[venue, coin, k], 0.0)

    def max_leverage(self, notional: Floats, coin: Ints, venue: Ints) -> Floats:
        """Largest leverage that a user may choose for a position of that value in one real contract."""
        k = (notional[:, None] >= self.real_floor[venue, coin]).sum(1) - 1
        return self.leverage[venue, coin, k]

    def room(self, leverage: float) -> Floats:
        """float64[V, C]: the largest position in one real contract for which a user may still choose it."""
        within = (self.leverage >= leverage) & np.isfinite(self.real_floor)
        beyond = np.full((*self.limit.shape, 1), np.inf)
        bound = np.append(self.real_floor, beyond, 2)[:, :, 1:]
        return np.minimum(np.where(within, bound, 0.0).max(2), self.limit)

    def by_class(self, table: Mapping[str, float]) -> Floats:
        """float64[C]: a table by class, in which the name of a coin goes first; 0 where it has neither."""
        return np.array(
            [
                table.get(coin, table.get(kind, 0.0))
                for coin, kind in zip(self.coins, self.classes, strict=True)
            ]
        )


def _normal(shares: list[float]) -> Floats:
    total = sum(shares)
    return np.array(shares) / total if total > 0 else np.zeros(len(shares))


def terms(
    contracts: Mapping[str, Contract], venues: Mapping[str, VenueRules], nodes: Sequence[str] = ()
) -> Terms:
    """Arrays of a scenario's contracts, venues and free nodes of the network, in the order of the file."""
    coins, names = list(contracts), list(venues)
    rows = brackets.read(BRACKET_FILE)
    shape = (len(names), len(coins))

    def tables(wide: bool) -> list[brackets.Brackets]:
        return [
            brackets.table(
                c.brackets,
                c.class_,
                10**6,
                rows,
                c.stands_for if wide else 1.0,
                v.margin.brackets,
                coin,
                v.fees.taker if v.margin.closing_fee else 0.0,
            )
            for v in venues.values()
            for coin, c in contracts.items()
        ]

    real, wide = tables(False), tables(True)
    width = max((len(b) for b in real), default=1)

    def padded(columns: list[Any], scale: float, fill: float) -> Floats:
        out = np.full((len(columns), width), fill)
        for i, column in enumerate(columns):
            out[i, : len(column)] = column / scale
        return out.reshape(*shape, width)

    price = np.array([c.price for c in contracts.values()])
    lot = np.array([c.lot for c in contracts.values()])
    total = np.array([c.open_interest for c in contracts.values()])
    perp = np.array([[coin in v.perps for coin in coins] for v in venues.values()]).reshape(-1, len(coins))
    spot = np.array([[coin in v.spots for coin in coins] for v in venues.values()]).reshape(-1, len(coins))
    share = _normal([v.share for v in venues.values()])
    among = share[:, None] * perp
    sums = among.sum(0)
    weight = np.divide(among, sums, out=np.zeros_like(among), where=sums > 0)
    return Terms(
        coins=coins,
        venues=names,
        places=[*names, *nodes],
        classes=[c.class_ for c in contracts.values()],
        price=price,
        lot=lot,
        beta=np.array([c.beta for c in contracts.values()]),
        lists_perp=perp,
        lists_spot=spot,
        lots=np.rint(weight * (total / (price * lot))).astype(np.int64),
        open_interest=total,
        share=share,
        spot_share=_normal([v.spot_share for v in venues.values()]),
        floor=padded([b.floor for b in wide], 1e6, np.inf),
        mmr=padded([b.mmr for b in wide], brackets.RATE, 0.0),
        cum=padded([b.cum for b in wide], 1e6, 0.0),
        real_floor=padded([b.floor for b in real], 1e6, np.inf),
        leverage=padded([b.leverage for b in real], 1.0, 1.0),
        limit=np.array([b.limit / 1e6 for b in real]).reshape(shape),
        counts=[
            {asset: first_share(terms) for asset, terms in v.collateral.assets.items()}
            for v in venues.values()
        ],
    )
