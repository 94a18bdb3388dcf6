"""Collateral beside the settlement asset: what it counts for, what of it may leave, and who owes.

Equity for margin = settlement balance + positions at mark + the sum over accepted assets of weight(amount) x price. The
weight is a haircut, or tiers (1 BTC at 90 %, the second at 80 %: 1.7 BTC of margin); what lies above the last tier
counts for nothing. Only cross accounts have it. The price is a switch, the cleanest counterfactual of 10 October 2025,
when Binance valued USDe, wBETH and BNSOL by its own spot book (0.65 dollar for a USDe):

- own_book: last trade of the venue's own spot book, between its best quotes;
- index: the venue's index of the asset, from the spot books of all venues;
- redemption: what the issuer pays for it, in the settlement asset or in another asset at its index;
- index_with_floor: the index, but never less than a floor.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from abm.accounts import ensure_holding, holding, touch
from abm.jit import inlined, kernel
from abm.parameters import Frozen, parameter
from abm.state import NONE, State, views
from abm.units import FP, ONE, RATE, at_rate, mul_div

# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg"

BINANCE_COLLATERAL = (
    "Binance's statement of 12 October 2025: own spot index until then, redemption price and floor after"
)
BINANCE_MULTI_ASSETS = "Binance, trading rules, perpetual, multi-asset info"
BINANCE_UNIFIED = "Binance unified account rules since 22 Jan 2025 (secondary: aicoin.com/en/trending/71130)"


class CollateralAsset(Frozen):
    """What a venue accepts of one asset, and for how much."""

    haircut: float = parameter(0.0, "Share of the value that does not count", unit="share", ge=0, le=1)
    tiers: tuple[tuple[float, float], ...] = parameter(
        (),
        "In place of the haircut: (amount up to which, share that counts) from the lowest; more counts for nothing",
        unit="(asset, share)",
    )
    redemption: float = parameter(
        0.0, "What the issuer pays for one; 0 = not known, the index is taken", unit="settlement asset", ge=0
    )
    redemption_in: str = parameter("", "Asset that the issuer pays in; empty = the settlement asset")
    floor: float = parameter(0.0, "Lowest price under index_with_floor", unit="settlement asset", ge=0)


class ConversionRule(Frozen):
    """When collateral is sold because the settlement balance has become a debt."""

    threshold: float = parameter(
        10_000.0,
        "A debt above this is repaid in full at once; 0 = never",
        unit="settlement asset",
        source=BINANCE_MULTI_ASSETS,
        ge=0,
    )
    every: float = parameter(
        0.0,
        "Time between two checks at which a debt above the limit is repaid in part; 0 = none (Binance 600)",
        unit="seconds",
        source=BINANCE_UNIFIED,
        ge=0,
        le=86400,
    )
    limit: float = parameter(10_000.0, "Debt that these checks allow", unit="settlement asset", ge=0)
    down_to: float = parameter(
        0.8, "What they leave of the limit", unit="share of the limit", source=BINANCE_UNIFIED, ge=0, le=1
    )
    through: Literal["book", "internal"] = parameter(
        "book", "book = into the venue's own spot book; internal = the venue buys at the collateral price"
    )


class CollateralRule(Frozen):
    """Assets that count as margin beside the settlement asset."""

    assets: dict[str, CollateralAsset] = parameter(
        {}, "Accepted assets by name; none = settlement asset only"
    )
    price: Literal["own_book", "index", "redemption", "index_with_floor"] = parameter(
        "own_book", "Where the collateral price comes from", source=BINANCE_COLLATERAL
    )
    conversion: ConversionRule = parameter(
        ConversionRule(), "Conversion of collateral into the settlement asset"
    )

    MOST: ClassVar[int] = 16  # assets of a venue


def first_share(terms: CollateralAsset) -> float:
    """Share of the first unit of an asset that counts."""
    return terms.tiers[0][1] if terms.tiers else 1.0 - terms.haircut


def weight_of(amount: float, tiers: tuple[tuple[float, float], ...]) -> float:
    """Amount of an asset that counts: the slow form of `weighted`. Tiers are (amount up to which, share)."""
    below, total = 0.0, 0.0
    for bound, share in tiers:
        total += max(min(amount, bound) - below, 0.0) * share
        below = bound
    return total


def collateral_value(amount: float, price: float, haircut: float) -> float:
    """Value of collateral: amount x price x (1 - haircut)."""
    return amount * price * (1.0 - haircut)


@inlined
def weighted(s, c, amount):
    """Units of collateral `c` that count of an amount, rounded down in every tier."""
    total = 0
    below = 0
    first = s.collateral[c].tier
    for k in range(first, first + s.collateral[c].tiers):
        bound = s.haircuts[k].amount
        top = amount if amount < bound else bound
        if top > below:
            total += at_rate(top - below, s.haircuts[k].share)
        below = bound
    return total


@inlined
def accepted(s, venue, asset):
    """The collateral record of an asset at a venue, -1 if it is not accepted."""
    first = s.venues[venue].collateral
    for c in range(first, first + s.venues[venue].collaterals):
        if s.collateral[c].asset == asset:
            return c
    return NONE


@kernel("i8(i8,i8,i8)")
def collateral_at(address, row, anchored):
    """Settlement units that a row's collateral counts for, at the prices of now or at the anchored ones."""
    s = views(address)
    if s.rows[row].only != NONE:
        return 0
    total = 0
    h = s.rows[row].holdings
    while h != NONE:
        x = s.holdings[h]
        if x.amount > 0:
            c = accepted(s, s.rows[row].venue, x.asset)
            if c != NONE:
                k = s.collateral[c]
                price = k.anchor if anchored != 0 else k.price
                total += mul_div(weighted(s, c, x.amount), price, k.whole << FP)
        h = x.next
    return total


@kernel("i8(i8,i8,i8,i8)")
def releasable_at(address, c, amount, free):
    """Units of collateral `c` that may leave an amount without its value falling by more than `free`."""
    s = views(address)
    k = s.collateral[c]
    keep = mul_div(weighted(s, c, amount), k.price, k.whole << FP) - (free if free > 0 else 0)
    if keep <= 0:
        return amount
    if k.price == 0:
        return 0
    left = mul_div(keep, k.whole << FP, k.price) + 1  # weighted units that must stay
    kept = 0
    below = 0
    for i in range(k.tier, k.tier + k.tiers):
        tier = s.haircuts[i]
        full = at_rate(tier.amount - below, tier.share)
        if left <= full:
            kept = below + mul_div(left, RATE, tier.share) + 1
            left = 0
            break
        left -= full
        below = tier.amount
    return amount - kept if left == 0 and kept < amount else 0


@inlined
def lean(s, row):
    """Note a row that its collateral holds up only above the anchored price."""
    if s.rows[row].leaning == 0:
        s.rows[row].leaning = 1
        s.leaning[s.meta[0].leaning] = row
        s.meta[0].leaning += 1


@inlined
def wallet(s, row):
    """Settlement balance with the entry values of positions: below zero it is a debt that was realised."""
    h = holding(s, row, s.venues[s.rows[row].venue].settle)
    total = s.holdings[h].amount if h != NONE else 0
    p = s.rows[row].positions
    while p != NONE:
        total += s.positions[p].entry
        p = s.positions[p].next
    return total


@inlined
def note_debt(s, row):
    """Keep a row with a realised debt on the list that conversion looks at."""
    if s.rows[row].owes == 0 and s.rows[row].exempt == 0 and wallet(s, row) < 0:
        s.rows[row].owes = 1
        s.debtors[s.meta[0].debtors] = row
        s.meta[0].debtors += 1


@kernel("i8(i8,i8,i8)")
def hand_over_collateral(address, row, taker):
    """Pass all unlocked collateral of a row on to one of the venue's own rows. Returns what it counted for."""
    s = views(address)
    value = collateral_at(address, row, 0)
    if s.rows[row].only != NONE:
        return 0
    h = s.rows[row].holdings
    while h != NONE:
        x = s.holdings[h]
        some = x.amount - x.locked
        if some > 0 and accepted(s, s.rows[row].venue, x.asset) != NONE:
            s.holdings[ensure_holding(s, taker, x.asset)].amount += some
            x.amount -= some
        h = x.next
    touch(s, row)
    return value


def values(state: State) -> NDArray[np.float64]:
    """What the collateral of every row counts for at the prices of now, settlement units: float64[rows]. The plain
    form of `collateral_at`, without its rounding."""
    rows, held = state.rows[: state.count("rows")], state.holdings[: state.count("holdings")]
    total = np.zeros(len(rows))
    venue, cross = rows["venue"][held["row"]], rows["only"][held["row"]] == NONE
    for one in state.collateral[: state.count("collaterals")]:
        mine = np.flatnonzero(
            (held["asset"] == one["asset"]) & (venue == one["venue"]) & cross & (held["amount"] > 0)
        )
        amount, counted, below = held["amount"][mine].astype(float), np.zeros(len(mine)), 0.0
        for tier in state.haircuts[int(one["tier"]) :][: int(one["tiers"])]:
            counted += np.maximum(np.minimum(amount, float(tier["amount"])) - below, 0.0) * (
                tier["share"] / RATE
            )
            below = float(tier["amount"])
        np.add.at(total, held["row"][mine], counted * (float(one["price"]) / (float(one["whole"]) * ONE)))
    return total
