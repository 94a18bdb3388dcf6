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
from experiments import rulebook
from experiments.census import FALLS, census, liquidation_map, report
from experiments.opening import Opening, Past, along, pareto_sizes, read_past, smallest_size
from experiments.population import Plan, _Builder, entries, open_accounts, plan
from experiments.terms import terms

HERE = Path(__file__).parent.parent / "experiments"
OCTOBER = HERE / "scenarios" / "october_2025.toml"
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
        network=SimpleNamespace(nodes=()),
    )


def opened(seed: int = 1, **changes: Any) -> Plan:
    s = scenario(**changes)
    openings = {name: entry.opening for name, entry in s.population.items()}
    quotes = [venue.quote for venue in s.venues.values()]
    return plan(openings, terms(s.contracts, s.venues), quotes, s.assets, read_past(s.clock.start), seed)


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
    assert (p.lots[public] != 0).all() and (
        np.unique(p.position_row[public], return_counts=True)[1] == 1
    ).all()


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
    build = _Builder(terms(s.contracts, s.venues), ["USDT"] * 7, s.assets, past, 1)
    opening = Opening(kind="directional", accounts=1000, distance={"BTC": (0.05, 0.40)})
    lots = np.full(1000, 10)
    price, collateral = entries(build, "a", opening, 1, np.zeros(1000, int), np.zeros(1000, int), lots)
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
    maps = [found[fall] for fall in FALLS]
    assert all((b >= a - 1e-6).all() for a, b in zip(maps, maps[1:], strict=False))
    t = october.terms
    total = t.open_interest
    btc = found[0.15][:, 0].sum() / total[0]
    assert 0.04 < btc < 0.15
    fundless, rest = t.venues.index("hyperliquid"), t.venues.index("binance")
    at = found[0.20].sum(1) / (t.lots * t.lot * t.price).sum(1).clip(1)
    assert at[fundless] > 1.5 * at[rest]
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report(october))
    assert "hyperliquid" in console.export_text()


def test_leverage_stays_within_the_brackets_of_one_real_contract(october: Plan) -> None:
    people, t = census(october), october.terms
    public = october.kind[october.position_row] != "desk"
    row, coin = october.position_row[public], october.coin[public]
    venue = october.venue[row]
    paid = np.abs(people.quantity[public]) * october.price[public]
    pledged = np.zeros(len(october.venue))
    tokens = np.array(october.asset) == "USDe"
    np.add.at(pledged, october.deposit_row[tokens], 0.95 * october.units[tokens] / 1e6)
    collateral = people.cash[row] + pledged[row] + people.quantity[public] * october.price[public]
    assert (paid <= 1.000001 * collateral * t.max_leverage(paid, coin, venue)).all()
    lots = 10 * t.lot[coin]  # books are matched to the lot by a few lots here and there
    assert ((np.abs(people.quantity[public]) - lots) * t.price[coin] <= t.limit[venue, coin] * 1.000001).all()


def test_without_leverage_no_fall_liquidates_anybody() -> None:
    flat = opened(1, **{name: {"max_leverage": 1.0} for name in scenario().population})
    assert liquidation_map(flat, (0.70,))[0.70].sum() == 0.0


def test_hedged_accounts_hold_their_coins(october: Plan) -> None:
    p, t = october, october.terms
    held: dict[tuple[str, str], float] = {}
    for row, asset, units in zip(p.deposit_row.tolist(), p.asset.tolist(), p.units.tolist(), strict=True):
        if p.kind[row] == "hedged" and asset in t.coins and asset not in ("USDT", "USDe"):
            key = (str(p.owner[row]), asset)
            held[key] = held.get(key, 0.0) + units / 1e8
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
    turnover = {coin: float(row["bybit_turnover_1200_2030_musdt"]) for coin, row in state.items()}
    three = sum(turnover[coin] for coin in ("SUI", "ENA", "WIF"))
    contracts = scenario().contracts
    fall = contracts["BTC"].price / float(state["BTC"]["price_2030"])
    for coin in ("ETH", "SOL", "SUI", "ENA", "WIF"):
        c = contracts[coin]
        shrunk = (beta[coin] + (small if c.class_ == "small" else large)) / 2
        assert c.beta == pytest.approx(shrunk, abs=0.006)
        assert c.price == pytest.approx(float(state[coin]["price_2030"]) * fall**c.beta, rel=2e-4)
        assert c.price / c.tick > 10_000
        if c.class_ == "small":
            assert c.open_interest == pytest.approx(71e9 * turnover[coin] / three, rel=3e-3)
            assert c.stands_for == pytest.approx(sum(turnover[o] for o in others) / three, rel=1e-3)
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
    assert set(ledger.placed.values()) == {0} and "hyperliquid:WIF-PERP" in ledger.placed
    assert ledger.money["USDT"] == october.units[october.asset == "USDT"].sum()
    with pytest.raises(ValueError, match="takes no part"):
        open_accounts(s, model, {}, 1)  # type: ignore[arg-type]
