"""From a venue's rules to the integers of its and its books' records: when a market is made, and in its middle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm.acceptance import write_collateral
from abm.adl import PRICES
from abm.funding import FUNDING_RULES, IMPACT_MARGIN, IMPACT_VALUE, SAMPLES, FundingRule
from abm.halts import COLLECT, GRAIN, MOST_TRIGGERS, REFERENCES, REFUSE, HaltRule
from abm.index import INDEX_RULES
from abm.insurance import BINS, FUND_RULES
from abm.liquidation import packed
from abm.mark import MARK_RULES, OWN_BOOK_WINDOW
from abm.market import BookInfo
from abm.messages import FOK, IOC
from abm.orders import cancel_limit, largest_market
from abm.state import State
from abm.units import RATE
from abm.venue import Clock, VenueRules

_SELF_TRADE = ("cancel_resting", "cancel_taking", "cancel_both", "off")  # by code of `messages`


def rate(share: float) -> int:
    """A share as an integer of 1e-8."""
    return round(share * RATE)


def write_venue(record: Any, rules: VenueRules, scale: int) -> None:
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


def write_book(record: Any, rules: VenueRules, clock: Clock, info: BookInfo, b: int, leverage: float) -> None:
    """Write what a venue's rules say about one of its books into the book's record.

    Args:
        leverage: the contract's highest.
    """
    scale = int(info.scale[b])
    coin, class_ = info.coin_names[info.coin[b]], info.coin_class[info.coin[b]]
    record["maker_fee"], record["taker_fee"] = rate(rules.fees.maker), rate(rules.fees.taker)
    orders = rules.orders
    record["band"] = rate(orders.band)
    record["reach"] = rate(orders.band if orders.market_bound is None else orders.market_bound)
    largest = largest_market(leverage) if orders.max_by_leverage else orders.max_market
    largest *= float(info.stands_for[b])
    record["largest_market"] = round(largest * scale)
    record["largest_limit"] = min(round(largest * orders.limit_factor * scale), 1 << 62)
    every = max(rules.mark.every, clock.step)
    record["mark_rule"], record["window"] = MARK_RULES.index(rules.mark.rule), basis_samples(rules, clock)
    record["mark_every"] = round(every * 1000)
    record["ema_rate"] = rate(1.0 - math.exp(-every / rules.mark.window))
    record["interval_ms"] = round(rules.funding.interval * 3_600_000)
    record["funding_cap"] = rate(_for(rules.funding.caps, coin, class_, rules.funding.cap))
    record["interest"] = rate(rules.funding.interest)
    record["clamp"] = rate(rules.funding.clamp)
    record["own_rate"] = rate(1.0 - math.exp(-every / OWN_BOOK_WINDOW))
    record["index_rule"], record["outlier"] = INDEX_RULES.index(rules.index.rule), rate(rules.index.outlier)
    record["stale"] = round(rules.index.stale * 1000)
    impact = _for(rules.funding.impacts, coin, class_, rules.funding.impact)
    _funding_rules(record, rules.funding, every, scale, impact)
    _halt_rules(record, rules.halt)


def _for(table: Mapping[str, float], coin: str, class_: str, otherwise: float) -> float:
    """What a table by coin or class says of a contract: the coin goes first."""
    return table.get(coin, table.get(class_, otherwise))


def _funding_rules(record: Any, rule: FundingRule, every: float, scale: int, impact: float) -> None:
    """What funding rules add to the clamp; a premium of another kind begins anew."""
    code = FUNDING_RULES.index(rule.rule)
    linear = rule.average == "linear"
    if record["funding_rule"][0] != code or record["premium_linear"][0] != linear:
        record["premium_sum"] = record["premium_n"] = record["premium_k"] = 0
    record["funding_rule"], record["premium_linear"] = code, linear
    record["premium_every"] = round(max(every, rule.sample or SAMPLES.get(rule.rule, 60.0)) * 1000)
    record["impact_margin"] = impact == 0 and rule.rule in IMPACT_MARGIN
    value = impact or IMPACT_MARGIN.get(rule.rule, 0.0) or IMPACT_VALUE.get(rule.rule, 0.0)
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
    record["call_every"] = round(rule.calls * 1000)
    if rule.calls > 0 and not record["halted"][0]:
        record["halted"] = COLLECT  # the first call ends the step
    if not rule.triggers:
        record["floor"] = record["ceiling"] = record["limited"] = 0


def _bars(rule: HaltRule, clock: Clock) -> tuple[int, int]:
    """(Length of a bar in ms, bars) that a rule's references need."""
    if not rule.triggers:
        return 1, 0
    horizons = [horizon for horizon, _, _ in rule.triggers]
    slot = max(clock.step_ms, round(min(horizons) * 1000) // GRAIN)
    return slot, round(max(horizons) * 1000) // slot + 2


def write_triggers(state: State, clock: Clock, venues: Mapping[str, VenueRules], info: BookInfo) -> None:
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


def basis_samples(rules: VenueRules, clock: Clock) -> int:
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
    width = max([basis_samples(rules, clock) for rules in rules_of] + [1])
    state.grow("basis", n * width)
    width = len(state.basis) // n
    ring = np.zeros((n, width), np.int64)
    for i, rules in enumerate(rules_of):
        write_venue(state.venues[i : i + 1], rules, int(scales[state.venues["settle"][i]]))
    for b in range(n):
        record = state.books[b : b + 1]
        at, had, window = (int(record[field][0]) for field in ("basis_at", "basis_n", "window"))
        highest = 1e8 / int(state.brackets["imr"][record["bracket"][0]])
        write_book(record, rules_of[info.venue[b]], clock, info, b, highest)
        kept = [int(old[b, (at - k) % window]) for k in range(min(had, int(record["window"][0])), 0, -1)]
        ring[b, : len(kept)] = kept
        record["basis_n"], record["basis_sum"] = len(kept), sum(kept)
        record["basis_at"] = len(kept) % int(record["window"][0])
    state.basis[: n * width] = ring.ravel()
    if [rules.halt for rules in rules_of] != [rules.halt for rules in before.values()]:
        write_triggers(state, clock, venues, info)
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
