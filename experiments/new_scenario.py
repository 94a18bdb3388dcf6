"""A scenario for another event: the market before it and what came from outside; behaviour and rules are shared.

`text` writes the file that one begins with: every number of the initial state of a base, to be replaced one by one,
with its source or the word assumption. `changed_behaviour` says what a scenario on a base changes beyond that.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from experiments import config
from experiments.config import Scenario, ScenarioError
from experiments.faults import meant, show
from experiments.paths import inline
from experiments.without import leave_out

BASE = "october_predicted"
# what another event may say of itself; all else is how people behave and how the market works
STATE = (
    "base", "without*", "title", "clock.*", "assets.*", "contracts.*", "record.*", "targets.*", "news*",
    "venues.*.quote", "venues.*.perps", "venues.*.spots", "venues.*.share", "venues.*.spot_share", "venues.*.preset",
    "venues.*.fund.cash", "venues.*.fund.pools*", "venues.*.collateral.assets*",
    "network.preset", "network.events*", "network.edges*", "network.nodes*", "network.resources*",
    "population.*.opening*",
)  # fmt: skip
UNLEVERED = [[1.0, 1.0, 1.0]]  # the default, which says nothing where there are distances
OPENINGS = (
    "share",
    "venue_share",
    "distance",
    "leverage",
    "cash",
    "inventory",
)  # of an opening: who holds what, how levered


def text(name: str, base: str = BASE, coins: Collection[str] = (), start: datetime | None = None) -> str:
    """The TOML of a scenario on a base, with the base's own initial state.

    Args:
        name: its title until it has one.
        base: a scenario of experiments/scenarios.
        coins: those that stay, all if none are named.
        start: of its clock (UTC); the base's if not given.

    Raises ScenarioError with everything that is wrong.
    """
    below = config.load(base)
    known = list(below.contracts)
    faults = [f"--coins: given {show(coin)}, {meant(coin, known)}" for coin in coins if coin not in known]
    if faults:
        raise ScenarioError(faults)
    gone = [coin for coin in known if coins and coin not in coins]
    lines = [
        f"# {name}: begun from {base}, whose people, rules and mechanisms it shares. What stands here is all",
        "# that is its own: the market before the event, and what came from outside. The numbers are still those of",
        f'# {base}: replace each, and write its source or the word "assumption" behind it.',
        "",
        f"base = {inline(base)}",
        *(
            [f"without = {{ coins = {inline(gone)} }}     # {base} has them, this market has not"]
            if gone
            else []
        ),
        f"title = {inline(name)}",
        "",
        *_clock(below, start),
        *_coins(below, gone),
        *_venues(below),
        *_openings(below, gone),
        *_outside(below, start),
    ]
    return "\n".join(lines) + "\n"


def _head(what: str) -> list[str]:
    return [f"# {'-' * 20} {what}", ""]


def _clock(below: Scenario, start: datetime | None) -> list[str]:
    clock = below.clock
    return [
        "[clock]",
        f"start = {inline(start or clock.start)}",
        f"duration = {clock.duration:g}    # seconds",
        "",
    ]


def _coins(below: Scenario, gone: Collection[str]) -> list[str]:
    lines = _head(
        "prices, open interest in USD on all venues, volatility a year, beta to BTC: before the event"
    )
    for coin, terms in below.contracts.items():
        if coin in gone or coin not in below.assets:
            continue
        lines += [f"[assets.{coin}]", f"value = {below.assets[coin].value:.8g}", f"[contracts.{coin}]"]
        lines += [
            f"{word} = {getattr(terms, word):.8g}"
            for word in ("price", "open_interest", "volatility", "beta")
        ]
    return [*lines, ""]


def _venues(below: Scenario) -> list[str]:
    lines = _head(
        "venues: shares of open interest and of spot volume, funds. Depth follows from open interest"
    )
    for name, venue in below.venues.items():
        lines.append(f"[venues.{name}]")
        lines.append(f"share = {venue.share:g}" if venue.perps else f"spot_share = {venue.spot_share:g}")
        lines += [f"spot_share = {venue.spot_share:g}"] if venue.perps and venue.spots else []
        lines += [f"fund.cash = {venue.fund.cash:g}"] if venue.perps else []
    return [*lines, ""]


def _openings(below: Scenario, gone: Collection[str]) -> list[str]:
    lines = _head("who holds what share of each side, and how far their liquidation prices are (leverage)")
    raw = copy.deepcopy(config.plain(below))
    leave_out(raw, {"coins": list(gone)}, "")  # who is there only for a coin that goes is not written
    for name, entry in raw["population"].items():
        opening = entry.get("opening", {})
        said = {
            word: opening[word]
            for word in OPENINGS
            if isinstance(opening.get(word), (dict, list)) and opening[word]
        }
        if said.get("leverage") == UNLEVERED:
            del said["leverage"]
        if said:
            lines += [
                f"[population.{name}.opening]",
                *(f"{word} = {inline(value)}" for word, value in said.items()),
            ]
    return [*lines, ""]


def _outside(below: Scenario, start: datetime | None) -> list[str]:
    lines = _head("from outside: news, and stops of infrastructure as they were recorded")
    shift = start - below.clock.start if start is not None else timedelta()
    for news in config.plain(below)["news"]:
        lines += [
            "[[news]]",
            f"time = {inline(news['time'] + shift)}",
            f"size = {news['size']:g}     # log change of value; choose it without looking at later prices",
            f"delay = {inline(news['delay'])}     # how it spreads: shared, as behaviour",
            "",
        ]
    stops = "# [[network.events]]: time, edge = { source = ..., kind = ... }, open = false; see the base's network"
    return [*lines, "[network]", f"events = []     {stops}"]


def changed_behaviour(own: str) -> list[str]:
    """Paths that a scenario's own text sets beyond the initial state and the exogenous table; [] if it has no base."""
    try:
        raw = tomllib.loads(own)
    except tomllib.TOMLDecodeError:
        return []
    if "base" not in raw:
        return []
    return sorted({path for path in _paths(raw) if not any(fnmatchcase(path, pattern) for pattern in STATE)})


def _paths(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{path}.")
        else:
            yield path
