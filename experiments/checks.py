"""What no table of a scenario can see alone: names that must exist, units that must be whole, sums, times.

Each check yields plain lines "where: what was given, what was expected".  `known` holds the names as the
file gives them, so that an entry with a fault of its own is not also reported as missing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.brackets import read
from abm.messages import MAX_PRICE
from experiments.faults import meant, show

if TYPE_CHECKING:
    from experiments.config import Scenario

BRACKETS = Path(__file__).parent / "reference" / "binance_tiers_2025-09-29.csv"
TARGETS = BRACKETS.with_name("targets.toml")
REACH = 8  # a price may rise to this many times the opening price
LARGEST_QUOTE = 10**11  # dollars: no venue's books and accounts in one asset may ever sum to more ...
LARGEST_COIN = 10**10  # ... and no spot coin's
INT64 = (1 << 63) - 1
NAME = re.compile(r"[A-Za-z0-9_]+")


@cache
def bracket_tables() -> dict[str, list[dict[str, str]]]:
    """Rows of the bracket file by symbol (real brackets of Binance, see experiments/reference)."""
    return read(BRACKETS)


def check(scenario: Scenario, known: Mapping[str, set[str]]) -> list[str]:
    """All faults between the tables of a scenario whose tables are each in order."""
    found: list[str] = []
    for one in (
        _names,
        _clock,
        _units,
        _shares,
        _index,
        _peers,
        _ends,
        _brackets,
        _collateral,
        _pools,
        _rules,
        _network,
        _population,
        _homes,
        _tables_of_positions,
        _record,
        _targets,
    ):
        found += one(scenario, known)
    return found


def exact(number: float) -> Fraction:
    """The number a person wrote: 0.1 is one tenth, not its binary neighbour."""
    return Fraction(repr(float(number)))


def _unknown(where: str, given: str, names: Iterable[str], table: str) -> str:
    return f"{where}: given {show(given)}, no such entry in [{table}], {meant(given, names)}"


def _names(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    for table, names in known.items():
        for name in sorted(names):
            if not NAME.fullmatch(name):
                yield f"{table}.{name}: given {show(name)}, expected a name of letters, digits and _"
    if not known["venues"]:
        yield "venues: nothing given, expected at least one [venues.NAME]"
    for name, venue in scenario.venues.items():
        where = f"venues.{name}"
        if venue.quote not in known["assets"]:
            yield _unknown(f"{where}.quote", venue.quote, known["assets"], "assets")
        if not venue.perps and not venue.spots:
            yield f"{where}: no perps and no spots given, expected at least one book"
        for kind, coins in (("perps", venue.perps), ("spots", venue.spots)):
            for coin in sorted({coin for coin in coins if coins.count(coin) > 1}):
                yield f"{where}.{kind}: given {coin} twice, expected each coin once"
            for coin in coins:
                if coin not in known["contracts"]:
                    yield _unknown(f"{where}.{kind}", coin, known["contracts"], "contracts")
                elif kind == "spots" and coin not in known["assets"]:
                    yield _unknown(f"{where}.{kind}", coin, known["assets"], "assets")
        if venue.quote in venue.spots:
            yield f"{where}.spots: given {venue.quote}, expected a coin other than the quote asset"
    listed = {coin for venue in scenario.venues.values() for coin in (*venue.perps, *venue.spots)}
    for coin in scenario.contracts:
        if coin not in listed:
            yield f"contracts.{coin}: on no venue, expected in the perps or spots of at least one"


def _whole(where: str, seconds: float, step: float, what: str) -> Iterator[str]:
    if exact(seconds) % exact(step):
        yield f"{where}: given {seconds:g}, expected a whole number of {what}"


def _clock(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    clock = scenario.clock
    yield from _whole("clock.step", clock.step, 0.001, "milliseconds")
    yield from _whole("clock.duration", clock.duration, clock.step, f"steps of {clock.step:g} s")
    yield from _whole("clock.burn_in", clock.burn_in, clock.step, f"steps of {clock.step:g} s")
    times = [(f"news.{i}.time", news.time) for i, news in enumerate(scenario.news)]
    times += [(f"network.events.{i}.time", event.time) for i, event in enumerate(scenario.network.events)]
    for where, time in times:
        if not 0 <= clock.seconds(time) < clock.duration:
            run = f"{show(clock.start)} and {clock.duration:g} s later"
            yield f"{where}: given {show(time)}, expected a time within the run, between {run}" + (
                " (--set network.events=[] leaves them out, network.more_events=[] those beside a preset's)"
                if where.startswith("network")
                else ""
            )


def _units(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    quotes = {venue.quote for venue in scenario.venues.values()}
    for name, asset in scenario.assets.items():
        largest = LARGEST_QUOTE if name in quotes else LARGEST_COIN
        most = asset.decimals
        while most > 0 and largest / exact(asset.value) * 10**most > INT64:
            most -= 1
        if most < asset.decimals:
            yield (
                f"assets.{name}.decimals: given {asset.decimals}, expected at most {most}:"
                f" {largest:.0e} dollars of {name} must fit in a 64-bit integer"
            )
    for name, venue in scenario.venues.items():
        quote = scenario.assets.get(venue.quote)
        if quote is None:
            continue
        funds = {
            "": venue.fund.cash,
            **{f".pools.{key}": pool.cash for key, pool in venue.fund.pools.items()},
        }
        for where, cash in funds.items():
            if cash * 10**quote.decimals > INT64 // 4:
                yield f"venues.{name}.fund{where}.cash: given {cash:g}, more than 64 bits of units can hold"
        for coin in dict.fromkeys((*venue.perps, *venue.spots)):
            contract = scenario.contracts.get(coin)
            if contract is None:
                continue
            book = f"contracts.{coin}.tick: given {contract.tick:g} with lot {contract.lot:g}"
            unit = exact(contract.tick) * exact(contract.lot) * 10**quote.decimals
            if unit.denominator != 1:
                yield (
                    f"{book}, expected tick x lot to be a whole number of units of {venue.quote}"
                    f" (10^-{quote.decimals}), it is {float(unit):g}"
                )
            ticks = exact(contract.price) / exact(contract.tick)
            if ticks < 1:
                yield f"{book}, expected a tick not above the price {contract.price:g}"
            if REACH * ticks >= MAX_PRICE:
                least = REACH * contract.price / MAX_PRICE
                yield f"{book}, expected a tick of at least {least:.3g}: {REACH} x the price is beyond 2^31 ticks"
            if REACH * ticks * unit > INT64 // 1024:
                yield f"{book}, expected a smaller lot: one lot at {REACH} x the price overflows 64 bits"
            base = scenario.assets.get(coin)
            if coin in venue.spots and base and (exact(contract.lot) * 10**base.decimals).denominator != 1:
                yield (
                    f"contracts.{coin}.lot: given {contract.lot:g}, expected a whole number of units"
                    f" of {coin} (10^-{base.decimals})"
                )


def _shares(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    if set(scenario.venues) != known["venues"]:
        return  # a venue with faults of its own is missing from the sum
    for key, kind in (("share", "perps"), ("spot_share", "spots")):
        for name, venue in scenario.venues.items():
            if getattr(venue, key) > 0 and not getattr(venue, kind):
                yield f"venues.{name}.{key}: given {getattr(venue, key):g}, expected 0: it has no {kind}"
        total = sum(getattr(venue, key) for venue in scenario.venues.values())
        if any(getattr(venue, kind) for venue in scenario.venues.values()) and abs(total - 1) > 1e-3:
            each = ", ".join(f"{name} {getattr(venue, key):g}" for name, venue in scenario.venues.items())
            yield f"venues.*.{key}: given {each}, expected a sum of 1, it is {total:g}"


def _index(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    for name, venue in scenario.venues.items():
        where = f"venues.{name}.index.weights"
        weights = venue.index.weights
        for source, weight in weights.items():
            if source not in known["venues"]:
                yield _unknown(where, source, known["venues"], "venues")
            if weight < 0:
                yield f"{where}.{source}: given {weight:g}, expected a number of at least 0"
        for coin in venue.perps:
            sources = [
                source
                for source, other in scenario.venues.items()
                if coin in other.spots and (weights.get(source, 0) if weights else other.spot_share) > 0
            ]
            if not sources and coin in known["contracts"] and set(scenario.venues) == known["venues"]:
                by = "of these weights" if weights else "with a spot_share"
                yield f"{where}: no spot venue {by} lists {coin}, expected at least one for its index"


def _peers(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Venues whose perpetuals a mark looks at; what funding says by coin (a rule book may name more than there are)."""
    for name, venue in scenario.venues.items():
        for peer, weight in venue.mark.peers.items():
            where = f"venues.{name}.mark.peers"
            if peer not in known["venues"] - {name}:
                yield f"{where}: given {show(peer)}, {meant(peer, known['venues'] - {name})}"
            if weight < 0:
                yield f"{where}.{peer}: given {weight:g}, expected a number of at least 0"
        for table in ("caps", "impacts"):
            for key, value in getattr(venue.funding, table).items():
                where = f"venues.{name}.funding.{table}"
                if value < 0:
                    yield f"{where}.{key}: given {value:g}, expected a number of at least 0"


def _ends(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """A waterfall must end somewhere, or accounts below zero stay open."""
    for name, venue in scenario.venues.items():
        if venue.perps and not {"take_over", "adl"} & set(venue.liquidation.stages):
            given = show(venue.liquidation.stages)
            yield f"venues.{name}.liquidation.stages: given {given}, expected take_over or adl at its end"


def _pools(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Coins of pools: perpetuals of the venue, each in one pool at most."""
    for name, venue in scenario.venues.items():
        insured: dict[str, str] = {}
        for key, pool in venue.fund.pools.items():
            where = f"venues.{name}.fund.pools.{key}.coins"
            for coin in pool.coins:
                if coin not in venue.perps:
                    yield f"{where}: given {show(coin)}, no perpetual of the venue, {meant(coin, venue.perps)}"
                elif insured.setdefault(coin, key) != key:
                    yield f"{where}: given {show(coin)}, which is in {insured[coin]} too, expected one pool"


def _rules(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """What rules need: books that they can act on, functions of files named with --with."""
    from experiments import extensions

    for name, venue in scenario.venues.items():
        if venue.halt.calls > 0 and venue.perps:
            yield (
                f"venues.{name}.halt.calls: given {venue.halt.calls:g} with perps, expected spot books only:"
                " liquidations need a book that trades"
            )
        for key in ("score", "allocate"):
            given = getattr(venue.adl, key)
            if given in venue.adl.own:
                try:
                    extensions.function(given)
                except LookupError as error:
                    yield f"venues.{name}.adl.{key}: given {show(given)}, {error.args[0]}"


def _brackets(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    for coin, contract in scenario.contracts.items():
        if contract.brackets != "generic" and contract.brackets not in bracket_tables():
            names = ["generic", *bracket_tables()]
            given = contract.brackets
            yield f"contracts.{coin}.brackets: given {show(given)}, {meant(given, names)}"


def _collateral(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    for name, venue in scenario.venues.items():
        rule = venue.collateral
        if len(rule.assets) > rule.MOST:
            yield f"venues.{name}.collateral.assets: given {len(rule.assets)}, expected at most {rule.MOST}"
        listed = {
            coin for other in scenario.venues.values() if other.quote == venue.quote for coin in other.spots
        }
        for asset, terms in rule.assets.items():
            where = f"venues.{name}.collateral.assets.{asset}"
            for field, given in (("", asset), (".redemption_in", terms.redemption_in)):
                if given and given not in known["assets"]:
                    yield _unknown(f"{where}{field}", given, known["assets"], "assets")
            if asset == venue.quote:
                yield f"{where}: given the settlement asset, expected another one"
            sold = rule.conversion.through == "book"
            if asset not in venue.spots and (sold or rule.price == "own_book"):
                yield f"{where}: {name} has no spot book of it, expected {asset} in venues.{name}.spots"
            elif asset not in listed and not (rule.price == "redemption" and terms.redemption > 0):
                yield f"{where}: no spot book of it settles in {venue.quote}, expected one to price it by"
            if terms.tiers != tuple(sorted(terms.tiers)) or any(
                share > 1 or share < 0 for _, share in terms.tiers
            ):
                yield f"{where}.tiers: given {show(terms.tiers)}, expected rising amounts and shares from 0 to 1"


def _network(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    yield from scenario.network.faults(sorted(known["venues"]), sorted(known["assets"]))
    for n, edge in enumerate(scenario.network.edges):
        old, new = scenario.assets.get(edge.asset), scenario.assets.get(edge.asset_to or edge.asset)
        if old is not None and new is not None and old.decimals != new.decimals:
            yield (
                f"network.edges.{n}.asset_to: given {show(edge.asset_to)} with {new.decimals} decimals, "
                f"expected an asset with {old.decimals}, as {edge.asset}"
            )


def _targets(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    groups = tomllib.loads(TARGETS.read_text(encoding="utf-8"))
    if scenario.targets and scenario.targets.file not in groups:
        yield f"targets.file: given {show(scenario.targets.file)}, {meant(scenario.targets.file, groups)}"


PLACES = {
    "venue": "venues", "venues": "venues", "coin": "contracts", "coins": "contracts",
    "token": "contracts", "against": "contracts", "asset": "assets", "assets": "assets", "quote": "assets",
}  # fmt: skip


def _population(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Names of venues, coins and assets in the parameters of species and in openings."""
    for name, entry in scenario.population.items():
        for where, model in (
            (f"population.{name}", entry.parameters),
            (f"population.{name}.opening", entry.opening),
        ):
            for key, table in PLACES.items():
                value: Any = getattr(model, key, None)
                given = (
                    [value] if isinstance(value, str) else list(value or ()) if not callable(value) else []
                )
                for item in given:
                    if isinstance(item, str) and item not in known[table] and item not in ("", "all", "*"):
                        yield _unknown(f"{where}.{key}", item, known[table], table)


def _homes(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Where reserves lie: at a venue or at a free node of the network."""
    places = {*known["venues"], *scenario.network.nodes}
    for name, entry in scenario.population.items():
        where = entry.opening.reserve_at if entry.opening is not None else ""
        if where and where not in places:
            yield f"population.{name}.opening.reserve_at: given {show(where)}, {meant(where, places)}"


def _tables_of_positions(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Every line of the tables of positions."""
    openings = {
        name: entry.opening
        for name, entry in scenario.population.items()
        if entry.opening is not None and entry.opening.kind == "file" and entry.opening.sha256
    }
    if (
        not openings
        or set(scenario.venues) != known["venues"]
        or set(scenario.contracts) != known["contracts"]
    ):
        return  # or a name with a fault of its own would be missing from every line
    from experiments import position_table
    from experiments.terms import terms

    t = terms(scenario.contracts, scenario.venues, scenario.network.nodes)
    for file, sha256 in dict.fromkeys((opening.file, opening.sha256) for opening in openings.values()):
        name = next(name for name, opening in openings.items() if opening.file == file)
        where = f"population.{name}.opening.file: {file}"
        table, faults = position_table.read(file, sha256, t)
        yield from (f"{where}, {fault}" for fault in faults)
        if table is not None:
            yield from (f"{where}, {fault}" for fault in position_table.beyond(table, t))


def _record(scenario: Scenario, known: Mapping[str, set[str]]) -> Iterator[str]:
    books = {
        f"{name}:{coin}-{kind}"
        for name, venue in scenario.venues.items()
        for kind, coins in (("PERP", venue.perps), ("SPOT", venue.spots))
        for coin in coins
    }
    given = scenario.record.books
    for book in () if given == "all" else [given] if isinstance(given, str) else given:
        if book not in books:
            yield f"record.books: given {show(book)}, {meant(book, books)}"
    for book in scenario.record.levels:
        if book not in books:
            yield f"record.levels: given {show(book)}, {meant(book, books)}"
    clock = scenario.clock
    for name in scenario.record.quotes:
        if name not in scenario.population:
            yield f"record.quotes: given {show(name)}, {meant(name, scenario.population)}"
    for label in scenario.record.accounts_at:
        if isinstance(label, str):
            if label not in ("start", "end"):
                yield f'record.accounts_at: given {show(label)}, expected "start", "end" or seconds'
        elif not -clock.burn_in <= label <= clock.duration:
            most = f"{clock.duration:g}"
            yield f"record.accounts_at: given {label:g}, expected seconds within the run, up to {most}"
