"""From rules and terms to the tables of a state: books, venues, brackets, index sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm import brackets as bracket_tables
from abm.acceptance import write_collateral
from abm.calendar import milliseconds
from abm.enactment import basis_samples, write_book, write_triggers, write_venue
from abm.halts import MOST_TRIGGERS
from abm.insurance import NEVER, STRIDE
from abm.market import BookInfo, describe
from abm.random import key_of
from abm.state import BUCKETS, NONE, WHEEL, State
from abm.units import RATE
from abm.venue import Asset, Clock, Contract, VenueRules

RING = 64  # steps of public record kept for slow feeds


YEAR = 365.25 * 86400.0


def _whole(value: float, what: str) -> int:
    nearest = round(value)
    if nearest < 1 or abs(value - nearest) > 1e-6 * max(1.0, nearest):
        raise ValueError(
            f"{what}: {value} is not a whole number of ledger units, choose tick and lot accordingly"
        )
    return nearest


def books_of(
    assets: Mapping[str, Asset], contracts: Mapping[str, Contract], venues: Mapping[str, VenueRules]
) -> BookInfo:
    """The static description of all books: perpetuals then spot of each venue, in the order of the scenario."""
    asset_names, coin_names, venue_names = list(assets), list(contracts), list(venues)
    columns: dict[str, list[Any]] = {
        k: []
        for k in (
            "name key coin_key venue coin kind base quote tick lot unit lot_base scale maker_fee taker_fee band beta"
            " calm_volatility opening_price stands_for dollar"
        ).split()
    }
    for v, (venue, rules) in enumerate(venues.items()):
        listed = [(coin, 0) for coin in rules.perps] + [(coin, 1) for coin in rules.spots]
        for coin, kind in listed:
            terms = contracts[coin]
            quote = asset_names.index(rules.quote)
            scale = 10 ** assets[rules.quote].decimals
            name = f"{venue}:{coin}-{'SPOT' if kind else 'PERP'}"
            row = {
                "name": name, "key": key_of(name), "coin_key": key_of(coin), "venue": v,
                "coin": coin_names.index(coin), "kind": kind,
                "base": asset_names.index(coin) if coin in asset_names else NONE, "quote": quote,
                "tick": terms.tick, "lot": terms.lot,
                "unit": _whole(terms.tick * terms.lot * scale, f"{name}: tick x lot"),
                "lot_base": _whole(terms.lot * 10 ** assets[coin].decimals, f"{name}: lot") if coin in assets else 1,
                "scale": float(scale), "maker_fee": rules.fees.maker, "taker_fee": rules.fees.taker,
                "band": rules.orders.band or math.inf,
                "beta": terms.beta, "stands_for": terms.stands_for,
                "calm_volatility": terms.volatility / math.sqrt(YEAR),
                "opening_price": terms.price / assets[rules.quote].value, "dollar": assets[rules.quote].value,
            }  # fmt: skip
            for key, value in row.items():
                columns[key].append(value)
    ints = ("key", "coin_key", "venue", "coin", "kind", "base", "quote", "unit", "lot_base")
    arrays = {
        k: v if k == "name" else np.array(v, np.int64 if k in ints else np.float64)
        for k, v in columns.items()
    }
    return describe(
        **arrays, coin_names=coin_names, venue_names=venue_names, asset_names=asset_names,
        coin_class=[c.class_ for c in contracts.values()],
    )  # fmt: skip


def new_state(
    clock: Clock,
    assets: Mapping[str, Asset],
    contracts: Mapping[str, Contract],
    venues: Mapping[str, VenueRules],
    nodes: list[str],
    info: BookInfo,
    seed: int,
    tables: Mapping[str, Any] | None,
) -> State:
    """A state with all books empty and no accounts."""
    n = len(info)
    window = max([basis_samples(v, clock) for v in venues.values()] + [1])
    caps = [list(venues.values())[v].orders.levels for v in info.venue]
    state = State(
        books=n, near=2 * n, keys=2 * sum(caps), levels=1 << 14, orders=1 << 14, venues=len(nodes), basis=n * window,
        buckets=2 * n * BUCKETS, wheel=WHEEL, requests=1 << 14, inbox=1 << 12, sorted=1 << 12, ranking=1 << 12,
        scores=1 << 12, rejects=32 * len(nodes), events=1 << 17, fills=1, public=RING * n,
        positions=1 << 12, holdings=1 << 12, rows=1 << 10, touched=1 << 10, queue=1 << 10, refs=1 << 10,
        triggers=MOST_TRIGGERS * n,
    )  # fmt: skip
    m = state.meta[0:1]
    m["seed"] = key_of(f"seed/{seed}")
    m["now"], m["step_ms"] = -clock.burn_in_steps * clock.step_ms, clock.step_ms
    m["books"], m["venues"], m["assets"], m["ring"] = n, len(venues), len(assets), RING
    m["free_order"] = m["free_level"] = NONE
    state.buckets[:] = NONE
    state.wheel[:] = NONE
    asset_names = list(assets)
    for i, node in enumerate(nodes):
        record = state.venues[i : i + 1]
        record["fees"] = record["fund"] = record["capital"] = NONE
        record["settle"] = asset_names.index(venues[node].quote) if node in venues else 0
        record["service"] = 1
        record["busy_until"] = -(1 << 62)  # free since ever: the burn-in runs at negative times
        record["queue_cap"] = 1 << 40
        record["capacity"] = record["max_orders"] = 1 << 30
    for i, (name, rules) in enumerate(venues.items()):
        write_venue(state.venues[i : i + 1], rules, 10 ** assets[rules.quote].decimals)
        if rules.quote not in assets:
            raise ValueError(f"venues.{name}.quote: {rules.quote!r} is not an asset")
    _books(state, clock, assets, contracts, venues, info, tables)
    _sources(state, venues, info)
    write_triggers(state, clock, venues, info)
    write_collateral(state, venues, info, [10**a.decimals for a in assets.values()])
    pools = sum(1 + len(rules.fund.pools) for rules in venues.values())
    state.grow("pools", pools)
    state.grow("peaks", (n + pools) * STRIDE)
    state.peaks[:] = NEVER
    state.books["fund"] = NONE
    return state


def _books(
    state: State,
    clock: Clock,
    assets: Mapping[str, Asset],
    contracts: Mapping[str, Contract],
    venues: Mapping[str, VenueRules],
    info: BookInfo,
    tables: Mapping[str, Any] | None,
) -> None:
    """Write terms, brackets and opening prices into the book records."""
    midnight = clock.start.replace(hour=0, minute=0, second=0, microsecond=0)
    phase = milliseconds(midnight, clock.start)
    rules_of = list(venues.values())
    first: dict[tuple[int, int, str, float], tuple[int, int]] = {}
    rows: list[tuple[int, int, int, int]] = []
    keys = 0
    for b in range(len(info)):
        coin = info.coin_names[info.coin[b]]
        terms, rules = contracts[coin], rules_of[info.venue[b]]
        scale = int(info.scale[b])
        fee = rules.fees.taker if rules.margin.closing_fee else 0.0
        where = (int(info.coin[b]), scale, rules.margin.brackets, fee)
        if where not in first:
            table = bracket_tables.table(
                terms.brackets,
                terms.class_,
                scale,
                tables,
                terms.stands_for,
                rules.margin.brackets,
                coin,
                fee,
            )
            first[where] = (len(rows), len(table))
            rows += [
                (
                    int(table.floor[k]),
                    int(table.mmr[k]),
                    int(table.cum[k]),
                    int(RATE // max(1.0, float(table.leverage[k]))),
                )
                for k in range(len(table))
            ]
        record = state.books[b : b + 1]
        for field in ("key", "venue", "coin", "kind", "base", "quote", "unit", "lot_base"):
            record[field] = getattr(info, field)[b]
        record["first_key"], record["cap"] = keys, rules.orders.levels
        keys += 2 * rules.orders.levels
        record["bracket"], record["brackets"] = first[where]
        record["par"] = round(1.0 / terms.tick) if coin in assets and assets[coin].decimals == 6 else 0
        record["phase_ms"] = phase
        write_book(record, rules, clock, info, b, 1e8 / rows[first[where][0]][3])
        price = info.opening_price[b] / info.tick[b]
        record["mark"] = record["index"] = record["previous_mark"] = round(price * 1024)
        record["anchor0"] = record["anchor1"] = record["mark"]
        record["high0"], record["low1"] = -1, BUCKETS
        record["last"], record["last_mid"] = round(price), round(2 * price)
        record["volatility"] = info.calm_volatility[b] ** 2
    state.grow("brackets", len(rows))
    for k, row in enumerate(rows):
        state.brackets[k] = row


def _sources(state: State, venues: Mapping[str, VenueRules], info: BookInfo) -> None:
    """Index sources (spot books of the coin, with conversions) and peers (other venues' perpetuals) of each book."""
    rows: list[tuple[int, int, int]] = []
    names = list(venues)
    rules_of = list(venues.values())
    for b in range(len(info)):
        rules = rules_of[info.venue[b]]
        state.books["source"][b] = len(rows)
        for other in range(len(info)):
            if info.kind[other] != 1 or info.coin[other] != info.coin[b]:
                continue
            venue = names[info.venue[other]]
            weight = rules.index.weights.get(venue, 0.0) if rules.index.weights else venues[venue].spot_share
            convert = conversion(info, int(info.quote[other]), int(info.quote[b]))
            if weight > 0 and convert != -2:
                rows.append((other, convert, max(1, round(weight * 1_000_000))))
        state.books["sources"][b] = len(rows) - state.books["source"][b]
        state.books["peer"][b] = len(rows)
        for other in range(len(info)):
            same = info.kind[other] == 0 and info.coin[other] == info.coin[b]
            if info.kind[b] == 0 and same and info.venue[other] != info.venue[b]:
                weights = rules.mark.peers
                weight = weights.get(names[info.venue[other]], 0.0) if weights else 1.0
                if weight > 0:
                    rows.append((other, NONE, max(1, round(weight * 1_000_000))))
        state.books["peers"][b] = len(rows) - state.books["peer"][b]
    state.grow("sources", max(1, len(rows)))
    for k, row in enumerate(rows):
        state.sources[k] = row


def conversion(info: BookInfo, given: int, wanted: int) -> int:
    """Spot book whose price converts quote asset `given` into `wanted` (its base is `wanted`); -1 none needed.

    Dollar-like assets without a book between them count at par (-1).
    """
    if given == wanted:
        return NONE
    for b in range(len(info)):
        if info.kind[b] == 1 and info.base[b] == wanted and info.quote[b] == given:
            return b
    return NONE
