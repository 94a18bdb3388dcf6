"""What venues accept as collateral, from their rules to the records that kernels read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from abm.collateral import CollateralAsset, CollateralRule, first_share
from abm.collateral_price import PRICES, price_collateral
from abm.market import PERP, SPOT, BookInfo
from abm.state import NONE, State
from abm.units import ONE, RATE
from abm.venue import VenueRules

UNLIMITED = 1 << 62


def write_collateral(state: State, venues: Mapping[str, VenueRules], info: BookInfo, scales: Any) -> None:
    """Write the records of accepted assets and conversion rules, and price them at the marks and indices of now.

    The assets of a venue stand in the order of what their first unit counts for, best first: the order in which they
    are sold.

    Args:
        scales: units in one of each asset.

    Raises:
        ValueError: naming the entry, where an asset is unknown, is the settlement asset, or has nothing to price it by.
    """
    records: list[dict[str, Any]] = []
    tiers: list[tuple[int, int]] = []
    for v, (name, rules) in enumerate(venues.items()):
        record = state.venues[v : v + 1]
        _conversion(record, rules.collateral, int(scales[int(record["settle"][0])]))
        best_first = sorted(
            rules.collateral.assets.items(), key=lambda item: (-first_share(item[1]), item[0])
        )
        record["collateral"], record["collaterals"] = len(records), len(best_first)
        if len(best_first) > CollateralRule.MOST:
            raise ValueError(
                f"venues.{name}.collateral.assets: at most {CollateralRule.MOST} assets expected"
            )
        for asset, terms in best_first:
            where = f"venues.{name}.collateral.assets.{asset}"
            steps = _steps(terms)
            records.append(
                _record(where, asset, terms, v, rules, info, scales)
                | {"tier": len(tiers), "tiers": len(steps)}
            )
            scale = float(scales[info.asset_names.index(asset)])
            tiers += [(min(round(bound * scale), UNLIMITED), round(share * RATE)) for bound, share in steps]
    known = {(int(c["venue"]), int(c["asset"])): int(c["price"]) for c in state.collateral[: _count(state)]}
    state.grow("collateral", len(records))
    state.grow("haircuts", len(tiers))
    for i, one in enumerate(records):
        state.collateral[i] = np.zeros(1, state.collateral.dtype)[0]
        for field, value in one.items():
            state.collateral[field][i] = value
        state.collateral["price"][i] = known.get((one["venue"], one["asset"]), one["redemption"])
    for i, step in enumerate(tiers):
        state.haircuts[i] = step
    state.meta["collaterals"] = len(records)
    price_collateral(state.address)


def _count(state: State) -> int:
    return int(state.meta["collaterals"][0])


def _steps(terms: CollateralAsset) -> tuple[tuple[float, float], ...]:
    """Tiers as (amount up to which, share); a haircut is one tier without an end."""
    return terms.tiers or ((1e18, 1.0 - terms.haircut),)


def _conversion(record: Any, rule: CollateralRule, scale: int) -> None:
    """Write when and how a venue converts into its record."""
    how = rule.conversion
    record["convert_above"] = round(how.threshold * scale)
    record["convert_every"] = round(how.every * 1000)
    record["debt_limit"] = round(how.limit * scale)
    record["debt_left"] = round(how.limit * how.down_to * scale)
    record["internal"] = int(how.through == "internal")


def _record(
    where: str, asset: str, terms: CollateralAsset, venue: int, rules: VenueRules, info: BookInfo, scales: Any
) -> dict[str, Any]:
    """One accepted asset: its books, its units, and prices in settlement units of one whole, fixed point."""
    names = info.asset_names
    for given in (asset, terms.redemption_in):
        if given and given not in names:
            raise ValueError(f"{where}: {given!r} is not an asset, one of {', '.join(names)} expected")
    if asset == rules.quote:
        raise ValueError(f"{where}: the settlement asset is no collateral beside itself")
    settle = float(scales[names.index(rules.quote)])
    source = _book(asset, venue, rules, info)
    paid_in = NONE
    redemption = round(terms.redemption * settle * ONE)
    if terms.redemption_in and terms.redemption_in != rules.quote:
        paid_in = _book(terms.redemption_in, venue, rules, info)
        redemption = round(terms.redemption * RATE)
        if paid_in == NONE:
            raise ValueError(f"{where}.redemption_in: no book of {terms.redemption_in} to value it by")
    if source == NONE and (terms.redemption == 0 or rules.collateral.price != "redemption"):
        raise ValueError(f"{where}: no book of {asset} to price it by")
    own = [
        b
        for b in range(len(info))
        if (info.venue[b], info.kind[b], info.base[b]) == (venue, SPOT, names.index(asset))
    ]
    return {
        "venue": venue,
        "asset": names.index(asset),
        "whole": int(scales[names.index(asset)]),
        "paid_whole": int(scales[names.index(terms.redemption_in)]) if paid_in != NONE else 0,
        "floor": round(terms.floor * settle * ONE),
        "redemption": redemption,
        "book": own[0] if own else NONE,
        "source": source,
        "paid_in": paid_in,
        "rule": PRICES.index(rules.collateral.price),
    }


def _book(asset: str, venue: int, rules: VenueRules, info: BookInfo) -> int:
    """The book whose index values an asset at a venue: its own spot book, its own perpetual, or another's spot book
    in the same money; -1 if there is none."""
    if asset not in info.coin_names:
        return NONE
    coin, quote = info.coin_names.index(asset), info.asset_names.index(rules.quote)
    best: list[tuple[int, int]] = []
    for b in range(len(info)):
        if info.coin[b] != coin or info.base[b] == NONE or info.quote[b] != quote:
            continue
        away = info.venue[b] != venue
        if away and info.kind[b] == PERP:
            continue
        best.append((2 if away else int(info.kind[b] == PERP), b))
    return min(best)[1] if best else NONE
