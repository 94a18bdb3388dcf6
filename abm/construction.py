"""From rules and terms to the tables of a state: books, venues, brackets, index sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm import brackets as bracket_tables
from abm.acceptance import write_collateral
from abm.adl import PRICES
from abm.calendar import milliseconds
from abm.funding import FUNDING_RULES, IMPACT_MARGIN, IMPACT_VALUE, SAMPLES, FundingRule
from abm.halts import COLLECT, GRAIN, MOST_TRIGGERS, REFERENCES, REFUSE, HaltRule
from abm.index import INDEX_RULES
from abm.insurance import BINS, FUND_RULES, NEVER, STRIDE
from abm.liquidation import packed
from abm.mark import MARK_RULES, OWN_BOOK_WINDOW
from abm.market import BookInfo, describe
from abm.messages import FOK, IOC
from abm.orders import cancel_limit, largest_market
from abm.random import key_of
from abm.state import BUCKETS, NONE, WHEEL, State
from abm.units import RATE
from abm.venue import Asset, Clock, Contract, VenueRules

RING = 64  # steps of public record kept for slow feeds

_SELF_TRADE = ("cancel_resting", "cancel_taking", "cancel_both", "off")  # by code of `messages`

YEAR = 365.25 * 86400.0


def rate(share: float) -> int:
    """A share as an integer of 1e-8."""
    return round(share * RATE)


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
            " calm_volatility opening_price dollar"
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
                "beta": terms.beta, "calm_volatility": terms.volatility / math.sqrt(YEAR),
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
    window = max([_window(v, clock) for v in venues.values()] + [1])
    caps = [list(venues.values())[v].orders.levels for v in info.venue]
    state = State(
        books=n, keys=2 * sum(caps), levels=1 << 14, orders=1 << 14, venues=len(nodes), basis=n * window,
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
        _venue(state.venues[i : i + 1], rules, 10 ** assets[rules.quote].decimals)
        if rules.quote not in assets:
            raise ValueError(f"venues.{name}.quote: {rules.quote!r} is not an asset")
    _books(state, clock, assets, contracts, venues, info, tables)
    _sources(state, venues, info)
    _triggers(state, clock, venues, info)
    write_collateral(state, venues, info, [10**a.decimals for a in assets.values()])
    pools = sum(1 + len(rules.fund.pools) for rules in venues.values())
    state.grow("pools", pools)
    state.grow("peaks", (n + pools) * STRIDE)
    state.peaks[:] = NEVER
    state.books["fund"] = NONE
    return state


def _venue(record: Any, rules: VenueRules, scale: int) -> None:
    """Write one venue's rules into its record."""
    liquidation, gateway = rules.liquidation, rules.gateway
    record["stages"], record["order"] = packed(liquidation.stages), IOC if liquidation.order == "ioc" else FOK
    record["tiers"], record["whole_up_to"] = liquidation.tiers, liquidation.whole_up_to
    record["surplus"] = liquidation.surplus == "fund"
    record["round_value"], record["rounds"] = (
        round(liquidation.round_value * scale),
        round(liquidation.rounds),
    )
    record["portion"], record["spread"] = rate(liquidation.portion), rate(liquidation.spread)
    record["portion_least"] = round(liquidation.portion_least * scale)
    record["portion_most"] = min(round(liquidation.portion_most * scale), 1 << 62)
    record["by_maintenance"] = liquidation.shared_by == "maintenance"
    record["score"], record["allocate"] = rules.adl.score_code, rules.adl.served
    record["least_wallet"] = max(1, round(rules.adl.least_wallet * scale))
    record["adl_gap"], record["adl_cancels"] = rate(rules.adl.gap), int(rules.adl.cancels_orders)
    record["adl_price"], record["stp"] = (
        PRICES.index(rules.adl.price),
        _SELF_TRADE.index(rules.orders.self_trade),
    )
    record["max_orders"], record["capacity"] = rules.orders.max_orders_per_row, rules.orders.capacity
    record["fund_rule"], record["fund_limit"] = FUND_RULES.index(rules.fund.rule), rate(rules.fund.cap)
    record["fund_start"], record["fund_stop"] = rate(rules.fund.start), rate(rules.fund.stop)
    record["fund_bin"] = max(1, round(rules.fund.window * 3_600_000 / BINS))
    record["fund_threshold"] = round(rules.fund.threshold * scale)
    record["parted"] = int(bool(rules.fund.pools) or rules.fund.rule == "symbol_drawdown")
    record["liquidation_fee"], record["slice"] = rate(liquidation.fee), rate(liquidation.slice)
    record["slice_above"] = round(liquidation.slice_above * scale)
    record["cooldown"], record["backstop"] = round(liquidation.cooldown * 1000), 0
    if "backstop" in liquidation.stages:
        record["backstop"] = rate(liquidation.backstop)
    record["latency"] = gateway.latency_ms * 1000
    record["service"] = max(1, round(1e6 / gateway.rate))
    record["queue_cap"] = gateway.capacity
    orders = rules.orders
    record["rate_limit"], record["rate_window"] = orders.rate_limit, max(1, round(orders.rate_window * 1000))
    record["cancel_limit"] = cancel_limit(orders.rate_limit, orders.cancel_factor, orders.cancel_extra)


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
    first: dict[tuple[int, int, str], tuple[int, int]] = {}
    rows: list[tuple[int, int, int, int]] = []
    keys = 0
    for b in range(len(info)):
        coin = info.coin_names[info.coin[b]]
        terms, rules = contracts[coin], rules_of[info.venue[b]]
        scale = int(info.scale[b])
        where = (int(info.coin[b]), scale, rules.margin.brackets)
        if where not in first:
            table = bracket_tables.table(
                terms.brackets, terms.class_, scale, tables, terms.stands_for, rules.margin.brackets, coin
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
        _book_rules(record, rules, clock, scale, 1e8 / rows[first[where][0]][3])
        price = info.opening_price[b] / info.tick[b]
        record["mark"] = record["index"] = record["previous_mark"] = round(price * 1024)
        record["anchor0"] = record["anchor1"] = record["mark"]
        record["high0"], record["low1"] = -1, BUCKETS
        record["last"], record["last_mid"] = round(price), round(2 * price)
        record["volatility"] = info.calm_volatility[b] ** 2
    state.grow("brackets", len(rows))
    for k, row in enumerate(rows):
        state.brackets[k] = row


def _book_rules(record: Any, rules: VenueRules, clock: Clock, scale: int, leverage: float) -> None:
    """Write what a venue's rules say about one of its books into the book's record.

    Args:
        scale: units in one of the quote asset. leverage: the contract's highest.
    """
    record["maker_fee"], record["taker_fee"] = rate(rules.fees.maker), rate(rules.fees.taker)
    orders = rules.orders
    record["band"] = rate(orders.band)
    record["reach"] = rate(orders.band if orders.market_bound is None else orders.market_bound)
    largest = largest_market(leverage) if orders.max_by_leverage else orders.max_market
    record["largest_market"] = round(largest * scale)
    record["largest_limit"] = min(round(largest * orders.limit_factor * scale), 1 << 62)
    every = max(rules.mark.every, clock.step)
    record["mark_rule"], record["window"] = MARK_RULES.index(rules.mark.rule), _window(rules, clock)
    record["mark_every"] = round(every * 1000)
    record["ema_rate"] = rate(1.0 - math.exp(-every / rules.mark.window))
    record["interval_ms"] = round(rules.funding.interval * 3_600_000)
    record["funding_cap"], record["interest"] = rate(rules.funding.cap), rate(rules.funding.interest)
    record["clamp"] = rate(rules.funding.clamp)
    record["own_rate"] = rate(1.0 - math.exp(-every / OWN_BOOK_WINDOW))
    record["index_rule"], record["outlier"] = INDEX_RULES.index(rules.index.rule), rate(rules.index.outlier)
    record["stale"] = round(rules.index.stale * 1000)
    _funding_rules(record, rules.funding, every, scale)
    _halt_rules(record, rules.halt)


def _funding_rules(record: Any, rule: FundingRule, every: float, scale: int) -> None:
    """What funding rules add to the clamp; a premium of another kind begins anew."""
    code = FUNDING_RULES.index(rule.rule)
    linear = rule.average == "linear"
    if record["funding_rule"][0] != code or record["premium_linear"][0] != linear:
        record["premium_sum"] = record["premium_n"] = record["premium_k"] = 0
    record["funding_rule"], record["premium_linear"] = code, linear
    record["premium_every"] = round(max(every, rule.sample or SAMPLES.get(rule.rule, 60.0)) * 1000)
    record["impact_margin"] = rule.impact == 0 and rule.rule in IMPACT_MARGIN
    value = rule.impact or IMPACT_MARGIN.get(rule.rule, 0.0) or IMPACT_VALUE.get(rule.rule, 0.0)
    record["impact"] = round(value * scale)
    record["margin_cap"] = rate(rule.margin_cap) if rule.rule in ("bybit", "bitmex") else 0
    record["switches"] = rule.switch
    if rule.switch and record["hourly"][0]:
        record["interval_ms"] = 3_600_000
    elif not rule.switch:
        record["hourly"] = 0


def _halt_rules(record: Any, rule: HaltRule) -> None:
    """What a halt rule says but for its triggers, which have a table of their own (`_triggers`)."""
    record["triggers"] = len(rule.triggers)
    record["halt_reference"] = REFERENCES.index(rule.reference)
    record["halt_during"] = COLLECT if rule.during == "collect" else REFUSE
    record["limit_state"] = round(rule.limit_state * 1000)
    if not rule.triggers:
        record["floor"] = record["ceiling"] = record["limited"] = 0


def _bars(rule: HaltRule, clock: Clock) -> tuple[int, int]:
    """(Length of a bar in ms, bars) that a rule's references need."""
    if not rule.triggers:
        return 1, 0
    horizons = [horizon for horizon, _, _ in rule.triggers]
    slot = max(clock.step_ms, round(min(horizons) * 1000) // GRAIN)
    return slot, round(max(horizons) * 1000) // slot + 2


def _triggers(state: State, clock: Clock, venues: Mapping[str, VenueRules], info: BookInfo) -> None:
    """Triggers and rings of bars of all books; what the bars have seen begins anew."""
    rules_of = list(venues.values())
    at = 0
    for b in range(len(info)):
        rule = rules_of[info.venue[b]].halt
        record = state.books[b : b + 1]
        record["slot_ms"], record["bars"] = _bars(rule, clock)
        record["bar"], record["bar_at"], record["bars_n"] = at, 0, 0
        record["trade_sum_seen"], record["trade_count_seen"] = record["trade_sum"], record["trade_count"]
        record["floor"] = record["ceiling"] = record["limited"] = 0
        at += int(record["bars"][0])
        for k, (horizon, bound, pause) in enumerate(rule.triggers):
            state.triggers[MOST_TRIGGERS * b + k] = (
                round(horizon * 1000), rate(bound), round(pause * 1000), 0, 1 << 31
            )  # fmt: skip
    state.grow("bars", at)


def _window(rules: VenueRules, clock: Clock) -> int:
    """Samples of the basis that a mark averages."""
    return max(1, round(rules.mark.window / max(rules.mark.every, clock.step)))


def rewrite_rules(
    state: State,
    clock: Clock,
    venues: Mapping[str, VenueRules],
    info: BookInfo,
    scales: Any,
    before: Mapping[str, VenueRules],
) -> None:
    """Other rules for the venues of a running market; positions, orders and what marks have averaged stay.

    A mark with another window goes on with the latest samples that fit into it.

    Args:
        scales: units in one of each asset. before: the rules until now.
    """
    rules_of = list(venues.values())
    n = len(info)
    old = state.basis.reshape(n, -1).copy()
    width = max([_window(rules, clock) for rules in rules_of] + [1])
    state.grow("basis", n * width)
    width = len(state.basis) // n
    ring = np.zeros((n, width), np.int64)
    for i, rules in enumerate(rules_of):
        _venue(state.venues[i : i + 1], rules, int(scales[state.venues["settle"][i]]))
    for b in range(n):
        record = state.books[b : b + 1]
        at, had, window = (int(record[field][0]) for field in ("basis_at", "basis_n", "window"))
        highest = 1e8 / int(state.brackets["imr"][record["bracket"][0]])
        _book_rules(record, rules_of[info.venue[b]], clock, int(info.scale[b]), highest)
        kept = [int(old[b, (at - k) % window]) for k in range(min(had, int(record["window"][0])), 0, -1)]
        ring[b, : len(kept)] = kept
        record["basis_n"], record["basis_sum"] = len(kept), sum(kept)
        record["basis_at"] = len(kept) % int(record["window"][0])
    state.basis[: n * width] = ring.ravel()
    if [rules.halt for rules in rules_of] != [rules.halt for rules in before.values()]:
        _triggers(state, clock, venues, info)
    write_collateral(state, venues, info, scales)
    for name, told in (
        ("maker_fee", [rules.fees.maker for rules in rules_of]),
        ("taker_fee", [rules.fees.taker for rules in rules_of]),
        ("band", [rules.orders.band or math.inf for rules in rules_of]),
    ):
        published = getattr(info, name)
        published.flags.writeable = True
        published[:] = np.array(told)[info.venue]
        published.flags.writeable = False


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
