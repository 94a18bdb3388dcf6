"""Accounts from data: what a table says is what the market opens with, and what it leaves open others hold."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import cli, config
from experiments.build import build
from experiments.config import ScenarioError
from experiments.population import Plan, planned

EXAMPLE = config.SCENARIOS / "positions_example.csv"
FROM_DATA = ("population.accounts", "positions_example.csv")
LINES = list(csv.DictReader(EXAMPLE.open()))


def opened(*settings: tuple[str, str]) -> Plan:
    return planned(config.load("two_venues", settings), 1)


def of_table(p: Plan) -> list[tuple[Any, ...]]:
    """(venue, lots, entry price, margin account's owner) of the positions of the table."""
    mine = np.char.startswith(p.entry[p.position_row], "accounts")
    row = p.position_row[mine]
    return sorted(
        zip(
            np.array(p.terms.venues)[p.venue[row]].tolist(), p.lots[mine].tolist(), p.price[mine].tolist(),
            [owner.partition("/")[2] for owner in p.owner[row]], p.isolated[row].tolist(), strict=True,
        )
    )  # fmt: skip


def test_the_market_opens_with_the_positions_of_the_table() -> None:
    found = of_table(opened(FROM_DATA))
    wanted = sorted(
        (
            one["venue"], round(float(one["size"]) * 1000) * (1 if one["side"] == "long" else -1),
            float(one["entry_price"]), one["owner"] or "line-13", one["mode"] == "isolated",
        )
        for one in LINES
    )  # fmt: skip
    assert found == wanted


def test_what_the_table_leaves_is_held_by_who_takes_the_rest() -> None:
    p, without = opened(FROM_DATA), opened()
    for side in (1, -1):
        for plan in (p, without):
            held = np.zeros_like(plan.terms.lots)
            np.add.at(held, (plan.venue[plan.position_row], plan.coin), np.maximum(side * plan.lots, 0))
            assert (held == plan.terms.lots).all(), "open interest is what it was, to the lot"
    rest = [np.abs(x.lots[x.entry[x.position_row] == "holders"]).sum() for x in (p, without)]
    longs = sum(round(1000 * float(one["size"])) for one in LINES if one["side"] == "long")
    assert rest[0] == rest[1] - longs


def test_margin_is_what_the_table_says_and_cross_positions_share_it() -> None:
    model = build(config.load("two_venues", [FROM_DATA]), 1)
    owners = model.accounts.owner_names
    rows = model.state.rows[: model.state.count("rows")]
    fund = [i for i, row in enumerate(rows) if owners[row["owner"]] == "accounts_long/fund-a"]
    assert len(fund) == 1  # its short at the other venue is another account: money does not travel by itself
    me = model.desks["accounts_long"]
    index = int(np.searchsorted(me.rows, fund[0]))
    equity = 210_000 + 12.5 * (116_605.1 - 118_900)
    assert me.equity([index])[0] == pytest.approx(equity, rel=1e-3)  # the mark is near the opening price
    assert set(model.desks["accounts_short"].rows) & set(me.rows) == set()


def test_a_run_from_a_table_is_conserved_and_people_of_the_table_are_liquidated() -> None:
    settings = [
        FROM_DATA,
        ("clock.duration", "400"),
        ("news.0.size", "-0.08"),
        ("population.longs.add_share", "0.0"),
    ]
    model = build(config.load("two_venues", settings), 1, check=True)
    model.run()
    record = model.recorder.finish()
    gone = record.events["kind"] == record.vocabularies["kind"].index("liquidation")
    owners = {model.accounts.owner_names[i] for i in record.events["owner"][gone]}
    assert "accounts_long/trader-5" in owners


def test_parquet_and_dollars_and_leverage_say_the_same(tmp_path: Path) -> None:
    price = 116605.1
    columns: dict[str, Any] = {
        name: [one[name] for one in LINES] for name in ("venue", "coin", "side", "mode", "owner")
    }
    size, entry = (np.array([float(one[name]) for one in LINES]) for name in ("size", "entry_price"))
    columns |= {"notional": size * price, "entry_price": entry}
    columns["leverage"] = size * entry / np.array([float(one["margin"]) for one in LINES])
    columns["owner"] = [text or None for text in columns["owner"]]
    pq.write_table(pa.table(columns), tmp_path / "positions.parquet")
    a, b = opened(FROM_DATA), opened(("population.accounts", str(tmp_path / "positions.parquet")))
    rename = {"line-12": "line-13"}  # a first row of names is no row of Parquet
    assert [(*x[:3], rename.get(x[3], x[3]), x[4]) for x in of_table(b)] == of_table(a)
    money = [
        np.sort(x.units[np.isin(x.deposit_row, np.flatnonzero(np.char.startswith(x.entry, "acc")))])
        for x in (a, b)
    ]
    assert np.abs(money[0] - money[1]).max() <= 1


def test_an_owner_draws_the_same_whoever_else_is_in_the_table(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    (tmp_path / "less.csv").write_text("\n".join([lines[0], *lines[:3:-1]]))
    keys = []
    for file in ("positions_example.csv", str(tmp_path / "less.csv")):
        p = opened(("population.accounts", file))
        keys.append(
            dict(zip(zip(p.owner.tolist(), p.venue.tolist(), strict=True), p.key.tolist(), strict=True))
        )
    shared = [one for one in keys[1] if one[0].startswith("accounts") and "line-" not in one[0]]
    assert len(shared) > 5 and all(keys[0][one] == keys[1][one] for one in shared)
    assert len(set(keys[0].values())) == len(keys[0])


def test_every_fault_is_told_with_its_line_and_nothing_runs(tmp_path: Path, capsys: Any) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(
        "venue,coin,side,size,entry_price,margin,mode,owner\n"
        "alpha,BTC,long,1.0,116000,9000,cross,a\n"
        "alfa,BTC,long,1.0,116000,9000,cross,b\n"
        "alpha,BTC,up,-3,nan,x,crossed,c\n"
        "\n"
        "alpha,ETH,short,1.0,116000,9000,cross,d\n"
    )
    arguments = ["run", "two_venues", "--set", f"population.accounts={bad}", "--out", str(tmp_path / "run")]
    assert cli.answer(arguments) == 2
    told = " ".join(capsys.readouterr().err.split())
    for words in (
        'line 3, venue: given "alfa", did you mean alpha?',
        'line 4, side: given "up", expected one of long, short',
        'line 4, size: given "-3", expected a number above 0',
        'line 4, entry_price: given "nan", expected a number above 0',
        'line 4, margin: given "x", expected a number above 0',
        'line 4, mode: given "crossed", did you mean cross?',
        'line 5, venue: given ""',
        'line 6, coin: given "ETH", expected one of BTC',
    ):
        assert words in told, words
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "column \"venue\": missing"),
        ("venue,coin,side,entry_price,size,notional,margin\n", "size, notional: given 2, expected one of the two"),
        ("venue,coin,side,entry_price,size,margin,laverage\n", "\"laverage\": no such column, did you mean leverage?"),
        ("venue,coin,side,entry_price,size\n", "columns margin, leverage: given 0"),
        ("venue,coin,side,size,entry_price,margin\nalpha,BTC,long,1\n", "line 2: expected 6 values"),
        ("venue,coin,side,size,entry_price,margin\nalpha,BTC,long,0.0001,116000,9\n", "line 2, size: given 0.0001"),
        (
            "venue,coin,side,size,entry_price,margin\nalpha,BTC,long,1,120000,3500\n",
            "line 2, margin: equity 105.1 of \"line-2\" at the opening price, expected above the maintenance margin",
        ),
        (
            "venue,coin,side,size,entry_price,margin,owner\nalpha,BTC,long,1,116000,9000,a\nalpha,BTC,short,1,116000,9000,a\n",
            "line 3, owner: \"a\" holds this contract on line 2 too",
        ),
        (
            "venue,coin,side,size,entry_price,leverage\nbeta,BTC,short,1000,120000,1\n",
            "beta:BTC-PERP has 1000 coins short, expected at most its open interest, 686.076",
        ),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_is_refused_in_words(table: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(table)
    with pytest.raises(ScenarioError) as caught:
        opened(("population.accounts", str(file)))
    assert words in str(caught.value)


def test_a_table_that_has_changed_is_not_the_one_a_scenario_was_made_with(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(EXAMPLE.read_text())
    scenario = config.load("two_venues", [("population.accounts", str(file))])
    again = config.loads(config.dump(scenario))
    assert again == scenario
    file.write_text("\n".join(EXAMPLE.read_text().splitlines()[:-1]))
    with pytest.raises(ScenarioError, match="SHA-256 is no longer"):
        config.loads(config.dump(scenario))


def test_a_file_that_is_not_there_and_settings_of_other_kinds_are_faults() -> None:
    with pytest.raises(ScenarioError, match=r'accounts_long.opening.file: given "none.csv", no such file'):
        opened(("population.accounts", "none.csv"))
    with pytest.raises(ScenarioError, match="isolated: not a setting of kind file"):
        opened(
            (
                "population.longs.opening",
                '{kind="file", file="positions_example.csv", isolated=0.5}',
            )
        )


def test_without_leverage_the_same_positions_are_fully_paid() -> None:
    p = opened(FROM_DATA, ("population.@leveraged_long.opening.max_leverage", "1.0"))
    assert set(p.leverage[p.entry == "accounts_long"]) == {1.0}
    assert p.leverage[p.entry == "accounts_short"].max() > 5.0
