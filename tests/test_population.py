"""The initial state: matched books, real entry prices, nobody under water, the same giants for every seed."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from abm.venue import Asset, Clock, Contract, VenueRules
from experiments import position_sizes, rulebook
from experiments.census import FALLS, census, liquidation_map, report
from experiments.entry_prices import Leg, entries
from experiments.opening import Opening, Past, along, pareto_sizes, read_past, smallest_size
from experiments.population import Builder, Plan, open_accounts, plan
from experiments.terms import terms

HERE = Path(__file__).parent.parent / "experiments"
OCTOBER = HERE / "scenarios" / "october_predicted.toml"
REFERENCE = HERE / "reference"


def scenario(**changes: Any) -> SimpleNamespace:
    """The parts of October's file that the initial state is made from, without the species."""
    raw = tomllib.loads(OCTOBER.read_text(encoding="utf-8"))
    population = {
        name: Opening(**entry["opening"]) for name, entry in raw["population"].items() if "opening" in entry
    }
    for name, opening in changes.items():
        if opening is None:
            del population[name]
        else:
            population[name] = population[name].model_copy(update=opening)
    assert rulebook.apply(raw["venues"]) == []
    return SimpleNamespace(
        raw=raw,
        clock=Clock(**raw["clock"]),
        assets={name: Asset(**asset) for name, asset in raw["assets"].items()},
        contracts={name: Contract(**contract) for name, contract in raw["contracts"].items()},
        venues={name: VenueRules(**venue) for name, venue in raw["venues"].items()},
        population={name: SimpleNamespace(opening=opening) for name, opening in population.items()},
        network=SimpleNamespace(nodes=("outside",)),
    )


def opened(seed: int = 1, **changes: Any) -> Plan:
    s = scenario(**changes)
    openings = {name: entry.opening for name, entry in s.population.items()}
    quotes = [venue.quote for venue in s.venues.values()]
    return plan(
        openings,
        terms(s.contracts, s.venues, s.network.nodes),
        quotes,
        s.assets,
        read_past(s.clock.start),
        seed,
    )


@pytest.fixture(scope="module")
def october() -> Plan:
    return opened(1)


def by_book(p: Plan, lots: np.ndarray) -> np.ndarray:
    shape = p.terms.lots.shape
    return np.bincount(p.venue[p.position_row] * shape[1] + p.coin, lots, shape[0] * shape[1]).reshape(shape)


def owned(p: Plan) -> dict[str, tuple[int, ...]]:
    """Owner to (venue, coin, lots, entry price in cents of a basis point) of public accounts."""
    public = p.kind[p.position_row] != "desk"
    row = p.position_row[public]
    return dict(
        zip(
            p.owner[row].tolist(),
            zip(
                p.venue[row].tolist(), p.coin[public].tolist(), p.lots[public].tolist(),
                np.rint(p.price[public] / p.terms.price[p.coin[public]] * 1e6).astype(int).tolist(),
                strict=True,
            ),
            strict=True,
        )
    )  # fmt: skip


def test_every_book_is_matched_to_the_lot_and_meets_its_target(october: Plan) -> None:
    p = october
    longs, shorts = by_book(p, np.maximum(p.lots, 0)), by_book(p, np.maximum(-p.lots, 0))
    assert (longs == shorts).all() and (longs == p.terms.lots).all()
    total = (longs.sum(0) * p.terms.lot * p.terms.price).sum()
    assert total == pytest.approx(218e9, rel=0.005)
    share = (longs * p.terms.lot * p.terms.price).sum(1) / total
    given = {name: venue.share for name, venue in scenario().venues.items()}
    assert share == pytest.approx([given[name] for name in p.terms.venues], abs=1e-3)


def test_there_are_a_hundred_thousand_accounts(october: Plan) -> None:
    p = october
    assert len(np.unique(p.owner[p.position_row])) >= 100_000
    assert len(np.unique(p.key)) == len(p.key)
    public = p.kind[p.position_row] != "desk"
    pairs = p.entry[p.position_row] == "pairs"
    assert (p.lots[public] != 0).all()
    assert (np.unique(p.position_row[public & ~pairs], return_counts=True)[1] == 1).all()
    assert np.unique(p.position_row[pairs], return_counts=True)[1].max() == 2


def test_entry_prices_lie_on_the_path_before_the_start(october: Plan) -> None:
    past = read_past(scenario().clock.start)
    assert len(past.low) == 528 and past.last == 116605.1  # 44 hours; the bar of 20:00 is not read
    p, t = october, october.terms
    for c in np.flatnonzero(t.lists_perp.any(0)):
        mine = p.price[p.coin == c]
        assert mine.min() >= along(t.price[c], t.beta[c], past, past.low).min() * (1 - 1e-12)
        assert mine.max() <= along(t.price[c], t.beta[c], past, past.high).max() * (1 + 1e-12)
    public = p.kind[p.position_row] == "directional"
    assert np.std(p.price[public & (p.coin == 0)]) > 500  # and not all at one price


def test_nobody_is_under_maintenance_at_the_start(october: Plan) -> None:
    people = census(october)
    assert not people.under(0.0).any() and not people.under(0.001).any()
    assert not people.under(-0.001).any()
    assert (october.units > 0).all()


def test_whom_the_path_would_have_liquidated_is_not_there() -> None:
    s = scenario()
    level = np.full(100, 100.0)
    level[:60] = 110.0
    level[60] = 80.0  # positions opened before this dip can be told by their price
    lowest, highest = np.full(100, 100.0), np.full(100, 100.0)
    lowest[:60], highest[:60] = 80.0, 110.0
    past = Past(level, level, lowest, highest, 100.0, 5.0)
    build = Builder(terms(s.contracts, s.venues), ["USDT"] * 7, s.assets, past, 1)
    opening = Opening(kind="directional", accounts=1000, distance={"BTC": (0.05, 0.40)})
    coin, lots = np.zeros(1000, int), np.full(1000, 10)
    leg = Leg(1, coin, lots * build.terms.lot[coin])
    (price,), collateral = entries(build, "a", opening, np.zeros(1000, int), [leg])
    now, amount = build.terms.price[0], 10 * build.terms.lot[0]
    level_of_ruin = (price - collateral / amount) / now  # a little below the liquidation price
    before = price > 1.05 * now
    assert before.sum() > 100 and (level_of_ruin[before] < 0.80).all()
    assert (level_of_ruin[~before] > 0.85).sum() > 100  # near ones are there, opened after the dip
    assert (level_of_ruin < 0.95).all() and (level_of_ruin > 0.59).all()


def test_the_largest_accounts_are_the_same_for_all_seeds(october: Plan) -> None:
    one, two = owned(october), owned(opened(2))
    t = october.terms

    def largest(accounts: dict[str, tuple[int, ...]]) -> list[str]:
        value = {name: abs(a[2]) * t.lot[a[1]] * t.price[a[1]] for name, a in accounts.items()}
        return sorted(value, key=lambda name: -value[name])[:100]

    assert largest(one) == largest(two)
    assert all(one[name] == two[name] for name in largest(one))
    crowd = [name for name in one if name.startswith(("longs/", "shorts/")) and int(name.split("/")[1]) >= 60]
    assert sum(one[name] == two[name] for name in crowd) < 0.01 * len(crowd)
    assert one == owned(opened(1))


def test_taking_out_an_entry_leaves_the_draws_of_the_others(october: Plan) -> None:
    less = opened(1, shorts=None, noise=None)
    before, after = owned(october), owned(less)
    others = [name for name in after if name.startswith(("longs/", "holders/", "hedgers/"))]
    assert len(others) > 60_000 and all(before[name] == after[name] for name in others)
    gone = (october.entry == "shorts") | (october.entry == "noise")
    keys = set(zip(october.owner[~gone].tolist(), october.key[~gone].tolist(), strict=True))
    assert keys == set(zip(less.owner.tolist(), less.key.tolist(), strict=True))


def test_the_map_grows_with_the_fall_and_closes_the_table(october: Plan) -> None:
    found = liquidation_map(october)
    more = liquidation_map(opened(1, longs={"venue_share": {"hyperliquid": 0.55}}))  # as in the fitted card
    maps = [found[fall] for fall in FALLS]
    assert all((b >= a - 1e-6).all() for a, b in zip(maps, maps[1:], strict=False))
    t = october.terms
    total = t.open_interest
    btc = found[0.15][:, 0].sum() / total[0]
    assert 0.04 < btc < 0.15
    fundless, rest = t.venues.index("hyperliquid"), t.venues.index("binance")
    at = more[0.20].sum(1) / (t.lots * t.lot * t.price).sum(1).clip(1)
    assert at[fundless] > 1.5 * at[rest]
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report(october))
    assert "hyperliquid" in console.export_text()


def test_leverage_stays_within_the_brackets_of_one_real_contract(october: Plan) -> None:
    people, t = census(october), october.terms
    public = october.kind[october.position_row] != "desk"
    row, coin = october.position_row[public], october.coin[public]
    venue, rows = october.venue[row], len(october.venue)
    paid = np.abs(people.quantity[public]) * october.price[public]
    collateral = people.cash + np.bincount(row, people.quantity[public] * october.price[public], rows)
    tokens = np.array(october.asset) == "USDe"
    np.add.at(collateral, october.deposit_row[tokens], 0.95 * october.units[tokens] / 1e6)
    margin = np.bincount(row, paid / t.max_leverage(paid, coin, venue), rows)
    assert (margin <= 1.000001 * collateral)[row].all()
    lots = 10 * t.lot[coin]  # books are matched to the lot by a few lots here and there
    assert ((np.abs(people.quantity[public]) - lots) * t.price[coin] <= t.limit[venue, coin] * 1.000001).all()


def test_without_leverage_no_fall_liquidates_anybody() -> None:
    flat = opened(1, **{name: {"max_leverage": 1.0} for name in scenario().population})
    assert liquidation_map(flat, (0.70,))[0.70].sum() == 0.0


def test_hedged_accounts_hold_their_coins(october: Plan) -> None:
    p, t = october, october.terms
    scenario_assets = scenario().assets
    held: dict[tuple[str, str], float] = {}
    for row, asset, units in zip(p.deposit_row.tolist(), p.asset.tolist(), p.units.tolist(), strict=True):
        if p.kind[row] == "hedged" and asset in t.coins and asset not in ("USDT", "USDe"):
            key = (str(p.owner[row]), asset)
            held[key] = held.get(key, 0.0) + units / 10.0 ** scenario_assets[asset].decimals
    hedged = np.flatnonzero(p.kind[p.position_row] == "hedged")
    assert len(held) == len(hedged) > 10_000
    for i in hedged[:: len(hedged) // 500]:
        coins = -p.lots[i] * t.lot[p.coin[i]]
        assert held[str(p.owner[p.position_row[i]]), t.coins[p.coin[i]]] == pytest.approx(coins, rel=1e-6)


def test_desks_are_at_every_venue_and_flat_over_all(october: Plan) -> None:
    p, t = october, october.terms
    makers = p.entry == "makers"
    assert makers.sum() == 6 * len(t.venues)
    of = makers[p.position_row]
    assert p.lots[of].sum() == 0
    dollars = [v for v, c in zip(p.venue[p.deposit_row], p.asset, strict=True) if c == "USD"]
    assert {t.venues[v] for v in dollars} == {"coinbase"}


def test_sizes_follow_the_law_and_fill_their_goal() -> None:
    least = smallest_size(1e9, 5000, 0.85, 5e7)
    u = (np.arange(5000) + 0.5) / 5000
    size = pareto_sizes(u, 0.85, least, 5e7)
    assert size.sum() == pytest.approx(1e9, rel=0.01) and size.max() <= 5e7
    middle = np.sort(size)[2000:4500]
    rank = 1 - u[2000:4500]
    slope = np.polyfit(np.log(middle), np.log(rank), 1)[0]
    assert slope == pytest.approx(-0.85, abs=0.03)


def pairs(**opening: Any) -> Plan:
    """October with accounts that are long small coins and short BTC for half as much, closed where a coin lost 40 %."""
    s = scenario()
    openings = {name: entry.opening for name, entry in s.population.items()}
    openings["pairs"] = Opening(
        kind="directional", accounts=500, share={"small": 0.02}, distance={"small": (0.3999, 0.4)}, against="BTC",
        against_share=0.5, **opening,
    )  # fmt: skip
    ground = terms(s.contracts, s.venues, s.network.nodes)
    quotes = [venue.quote for venue in s.venues.values()]
    return plan(openings, ground, quotes, s.assets, read_past(s.clock.start), 1)


def test_who_is_long_small_coins_and_short_btc_has_both_in_one_account_and_fails_where_it_says() -> None:
    p = pairs()
    t, btc = p.terms, p.terms.coins.index("BTC")
    mine = np.flatnonzero((p.entry == "pairs")[p.position_row])
    row, value = p.position_row[mine], (p.lots * t.lot[p.coin] * t.price[p.coin])[mine]
    short = p.coin[mine] == btc
    assert (value[short] < 0).all() and (value[~short] > 0).all()
    assert len(np.unique(row)) == 500 and not p.isolated[row].any()
    both = np.bincount(row, short) > 0
    assert both[np.unique(row)].mean() > 0.95  # the smallest sell less than half a lot of BTC
    assert -value[short].sum() == pytest.approx(0.5 * value[~short].sum(), rel=0.01)
    longs, shorts = by_book(p, np.maximum(p.lots, 0)), by_book(p, np.maximum(-p.lots, 0))
    assert (longs == shorts).all() and (longs == t.lots).all()  # others hold less of BTC's short side
    people, failed = census(p), {0.38: [], 0.42: []}
    for fall, shares in failed.items():
        for c in np.unique(p.coin[mine][~short]):
            falls = np.zeros(len(t.coins))
            falls[c] = fall  # and BTC stands still
            shares.append(people.under(falls)[np.isin(people.row, row) & (people.coin == c)].mean())
    assert (
        max(failed[0.38]) == 0 and np.mean(failed[0.42]) > 0.8
    )  # some had to bring more, for their brackets


def test_a_pair_is_one_cross_account() -> None:
    with pytest.raises(ValueError, match="against: expected with isolated = 0"):
        pairs(isolated=0.5)


def test_faults_name_the_entry() -> None:
    with pytest.raises(ValueError, match=r"population\.elsewhere\.opening: nothing left of the long side"):
        opened(1, longs={"share": {"major": 0.9, "large": 0.9, "small": 0.9}})
    with pytest.raises(ValueError, match="give one entry of that side rest"):
        opened(1, elsewhere_short=None)
    with pytest.raises(ValidationError, match="not a setting of kind hedged"):
        Opening(kind="hedged", accounts=1, cash={"major": 1.0})
    with pytest.raises(ValidationError, match="rest"):
        Opening(kind="directional", accounts=1, rest=True, share={"major": 1.0})
    everything = Opening(kind="hedged", accounts=1).model_dump()
    assert Opening(**everything) == Opening(kind="hedged", accounts=1)


def test_the_scenario_states_what_was_known_before() -> None:
    """Prices and betas of the file come out of the opening-state and mark files by the formulas it states."""
    with open(REFERENCE / "opening_state_bybit_perps_2025-10-10.csv", newline="") as file:
        state = {row["symbol"].removesuffix("USDT"): row for row in csv.DictReader(file)}
    beta = {coin: max(0.0, float(row["beta_to_btc_30min"])) for coin, row in state.items()}
    large = np.mean([beta[coin] for coin in ("ETH", "SOL", "XRP", "BNB", "DOGE")])
    others = [coin for coin in state if coin not in ("BTC", "ETH", "SOL", "XAUT")]
    small = np.mean([beta[coin] for coin in others])
    contracts = scenario().contracts
    fall = contracts["BTC"].price / float(state["BTC"]["price_2030"])
    for coin in contracts.keys() & state.keys() - {"BTC"}:
        c = contracts[coin]
        shrunk = (beta[coin] + (large if coin in ("ETH", "SOL") else small)) / 2
        assert c.beta == pytest.approx(shrunk, abs=0.006)
        assert c.price == pytest.approx(float(state[coin]["price_2030"]) * fall**c.beta, rel=2e-4)
        assert c.price / c.tick > 10_000
    assert -0.06 <= scenario().raw["news"][0]["size"] <= -0.01


class Ledger:
    """A model's accounts, as far as the initial state needs them."""

    def __init__(self) -> None:
        self.rows = 0
        self.placed: dict[str, int] = {}
        self.money: dict[str, int] = {}

    def open(self, owner: Any, venue: Any, participant: str, key: Any, leverage: Any, isolated: Any) -> Any:
        n = len(owner)
        assert len(venue) == len(key) == len(leverage) == len(isolated) == n
        self.rows += n
        return np.arange(self.rows - n, self.rows, dtype=np.int32)

    def deposit(self, rows: Any, asset: str, units: Any) -> None:
        assert units.dtype == np.int64 and rows.max() < self.rows
        self.money[asset] = self.money.get(asset, 0) + int(units.sum())

    def place(self, rows: Any, book: str, lots: Any, price: Any) -> None:
        assert len(rows) == len(lots) == len(price)
        self.placed[book] = self.placed.get(book, 0) + int(lots.sum())


def test_opening_a_model_places_everything_once(october: Plan) -> None:
    ledger = Ledger()
    model = SimpleNamespace(accounts=ledger, book_id=lambda name: name)
    s = scenario()
    done = open_accounts(s, model, dict.fromkeys(s.population), 1)  # type: ignore[arg-type]
    assert ledger.rows == len(done.venue) == len(october.venue)
    assert set(ledger.placed.values()) == {0} and "hyperliquid:LDO-PERP" in ledger.placed
    assert ledger.money["USDT"] == october.units[october.asset == "USDT"].sum()
    with pytest.raises(ValueError, match="takes no part"):
        open_accounts(s, model, {}, 1)  # type: ignore[arg-type]


def test_a_book_that_nobody_drew_takes_an_account_from_where_another_stays() -> None:
    """The smallest account of all is alone in its book: taking it would leave that book to nobody."""
    cell, size = np.array([0, 1, 1, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    assert position_sizes.each_held(cell, size, 4)
    assert sorted(cell) == [0, 1, 2, 3] and cell[0] == 0
    assert not position_sizes.each_held(np.array([0, 0]), np.array([1.0, 2.0]), 3)
