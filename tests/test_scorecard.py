"""The score card: every estimator against a number made by hand; the unmeasured is null, never a pass."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import estimators, readings, reference, scorecard
from experiments.run import Run
from tests import made_up_event as event

TARGETS = {row["id"]: row for row in reference.targets()}
DAY_ROWS = ["23", "25", "27", "P3a", "P3b", "P4a"]
Changed = Callable[..., Run]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return event.write(event.recording(), tmp_path_factory.mktemp("event") / "run")


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """A run of the event with parts of its record or config replaced."""

    def make(seed: int = 1, config: dict[str, Any] | None = None, **tables: Any) -> Run:
        whole = dataclasses.replace(event.recording(), **tables)
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        return event.write(whole, folder, seed=seed, **(config or {}))

    return make


def value(run: Run, row: str) -> float:
    return estimators.measure(run, TARGETS[row]).value


def reason(run: Run, row: str) -> str:
    found = estimators.measure(run, TARGETS[row])
    assert np.isnan(found.value)
    return found.note


# targets ----------------------------------------------------------------------------------------------------

SHEET = """
1 12 13.4 15 %|2 8 8.6 10.5 %|3 22 30 40 min|4 2.5 3.5 4.5 %|6 8 11.2 13 %|9 13 25 42 ratio|13 15 17.6 20 %
15 58 67 74 %|21 1.5 3.2 5 %|23 6 8.5 16 %|24 80 86 91 %|25 55 70 80 %|27 -35 -27.5 -22 %|32 -55 -40 -28 %
33 -80 -68 -50 %|34 -96 -89 -80 %|37 50 93 150 ratio|39a 33 38.5 44 %|39b 17 22 27 %|39c 15 20 25 %
39d 12 17 22 %|41 10 15 20 %|49 10 15.3 20 %|51a .60 .65 .75 USD|51b 25 40 60 min|P2 210 218 236 B$
P3a 15 19.2 25 B$|P3b 85 87 90 %|P4a 10 13 15 %|P4b 50 - 100 %|P5a 0 0 0 count|P5b -100 - 0 %
P6 60 62.3 65 %|P7 1.3 - 100 ratio|P8 0 0 0 count
"""


def test_targets_are_those_of_the_sheet() -> None:
    lines = [line.split() for line in SHEET.replace("\n", "|").split("|") if line]
    assert [line[0] for line in lines] == list(TARGETS)
    for name, low, central, high, unit in lines:
        row = TARGETS[name]
        assert (row["low"], row["high"], row["unit"]) == (float(low), float(high), unit)
        assert row["central"] == (None if central == "-" else float(central))


@pytest.mark.parametrize("row", TARGETS.values(), ids=list(TARGETS))
def test_targets_are_whole(row: dict[str, Any]) -> None:
    assert row["low"] <= (row["low"] if row["central"] is None else row["central"]) <= row["high"]
    assert row["role"] == ("input" if row["id"] in ("39a", "39b", "39c", "39d", "P2", "P6") else "reference")
    assert row["grade"] in "ABCDP"
    for text in ("name", "window", "estimator", "source"):
        assert row[text].strip()
    assert (row["id"] in estimators.ESTIMATORS) != (row["id"] in estimators.PAIRED)


def test_reference_files_load() -> None:
    assert len(reference.names()) == 9
    assert reference.bars().low.min() == pytest.approx(101_516.5, rel=0.001)
    for name in reference.names():
        columns = reference.table(name)
        assert len({len(values) for values in columns.values()}) == 1
        assert reference.path(name) == reference.path(f"{name}.csv")
    with pytest.raises(FileNotFoundError, match="known: binance_tiers"):
        reference.path("nothing")
    with pytest.raises(KeyError, match="known: october"):
        reference.targets("november")


# numbers ----------------------------------------------------------------------------------------------------


def test_the_real_path_gives_the_sheets_numbers(run: Run) -> None:
    assert value(run, "1") == pytest.approx(13.11, abs=0.01)
    assert estimators.measure(run, TARGETS["1"]).note == "binance:BTC-PERP; +0.0 % before the news"
    assert value(run, "3") == pytest.approx(30, abs=1)
    assert value(run, "4") == pytest.approx(3.5, abs=0.05)
    assert value(run, "6") == pytest.approx(11.2, abs=0.7)
    assert value(run, "13") == pytest.approx(18.0, abs=0.01)
    assert value(run, "15") == pytest.approx(55.0, abs=0.01)  # of 70 and 40
    assert value(run, "P4b") == 50.0  # one coin of two


def test_falls_and_gap_of_two_books(run: Run) -> None:
    last, low = event.btc_path()
    p0 = last[2999]
    spot = low * (1 + 0.4 * (event.COINS["BTC"][1] / last - 1))
    assert value(run, "2") == pytest.approx(100 * (1 - spot[3000:].min() / p0), abs=1e-6)
    closes = last[3059::60]
    assert value(run, "21") == pytest.approx(100 * (0.4 * (p0 / closes - 1)).max(), abs=1e-6)
    assert "perp below spot at 21:20" in estimators.measure(run, TARGETS["21"]).note


def test_volatility_is_the_ratio_of_minute_returns(run: Run) -> None:
    close = event.btc_path()[0][59::60]
    returns = np.diff(np.log(close))  # return k ends with minute k + 1
    wanted = returns[69:89].std(ddof=1) / returns[:49].std(ddof=1)
    assert value(run, "9") == pytest.approx(wanted, rel=1e-9)


def test_depth_rows(run: Run) -> None:
    assert value(run, "32") == pytest.approx(-40.0)
    assert value(run, "33") == pytest.approx(-70.0)
    assert value(run, "34") == pytest.approx(-70.0)


def test_volume_rows(run: Run) -> None:
    assert value(run, "37") == pytest.approx(10.0)
    assert "21:17" in estimators.measure(run, TARGETS["37"]).note
    four = 0.25 + 0.14 + 0.13 + 0.11
    for row, share in zip(("39a", "39b", "39c", "39d"), (0.25, 0.14, 0.13, 0.11), strict=True):
        assert value(run, row) == pytest.approx(100 * share / four)
    assert value(run, "P6") == pytest.approx(100 * four)
    assert readings.largest_venue(run) == "binance"  # "rest" has more, but is no exchange


def test_open_interest_fund_and_adl(run: Run) -> None:
    assert value(run, "P2") == pytest.approx(200.0)
    assert value(run, "41") == pytest.approx(15.0, rel=0.001)
    assert value(run, "49") == pytest.approx(15.0, rel=0.001)
    assert value(run, "P8") == 0.0


def test_published_liquidations(run: Run) -> None:
    # binance: 3 of 5 + 3 in one second and book, 2 in the other book, 1 short in the next second
    assert readings.published(run, 0.0, 9000.0) == (3 + 2 + 10 + 4, 1.0)
    assert readings.published(run, 3100.5, 3100.85) == (3.0, 0.0)
    found = estimators.measure(run, TARGETS["24"])
    assert found.value == pytest.approx(100 * 19 / 20)
    assert found.true == pytest.approx(100 * 10 / 11)  # 1e10 of longs and 1e9 of shorts a unit of share
    row = scorecard.card({"base": [run]}, [TARGETS["24"]], "x")["rows"][0]
    assert row["why"] == "above the range; true 90.9 %"


def test_a_day_that_is_covered_is_measured(changed: Changed) -> None:
    """Steps of five minutes from 12:00 to 21:00 the next day: the day rows have numbers."""
    record = event.recording()
    start = datetime(2025, 10, 10, 12, tzinfo=UTC)
    time = np.arange(300.0, 33 * 3600 + 1, 300.0)
    old = np.clip(np.searchsorted(record.time, time - 8 * 3600.0, side="right") - 1, 0, event.STEPS - 1)
    moved = {**record.events, "time": record.events["time"] + 8 * 3600.0}
    run = changed(
        start=start,
        step=np.arange(len(time), dtype=np.int32),
        time=time,
        books={name: values[old] for name, values in record.books.items()},
        venues={name: values[old] for name, values in record.venues.items()},
        events=moved,
    )
    assert value(run, "P3a") == pytest.approx(20 / 1e9)
    assert value(run, "P3b") == pytest.approx(95.0)
    assert value(run, "25") == pytest.approx(100.0)
    assert value(run, "23") == pytest.approx(100 * 20 / 200e9)
    assert value(run, "27") == pytest.approx(-25.0)
    assert value(run, "P4a") > 10


# what cannot be measured ------------------------------------------------------------------------------------


def test_day_rows_of_an_evening_are_null(run: Run) -> None:
    rows = {row["id"]: row for row in scorecard.card({"base": [run]}, reference.targets(), "x")["rows"]}
    for name in [*DAY_ROWS, "51a", "51b", "P5a", "P5b", "P7"]:
        row = rows[name]
        assert (row["value"], row["p05"], row["p95"], row["pass"]) == (None, None, None, False)
        assert row["why"]
    assert "the run covers 20:00-22:30, the row needs 20:30-20:30+1" in rows["23"]["why"]


@pytest.mark.parametrize("broken", ["nan", "zero"])
def test_empty_columns_are_never_a_pass(broken: str, changed: Changed) -> None:
    record = event.recording()
    fill = np.nan if broken == "nan" else 0.0
    run = changed(
        books={name: np.full_like(values, fill) for name, values in record.books.items()},
        venues={name: np.full_like(values, fill) for name, values in record.venues.items()},
        events={name: values[:0] for name, values in record.events.items()},
    )
    card = scorecard.card({"base": [run]}, reference.targets(), "x")
    measured = {row["id"] for row in card["rows"] if row["value"] is not None}
    assert measured == ({"P8"} if broken == "zero" else set())  # capital of exactly zero is not below zero
    assert not any(row["pass"] for row in card["rows"] if row["value"] is None)
    json.dumps(card, allow_nan=False)


def test_no_liquidation_has_no_long_share(changed: Changed) -> None:
    record = event.recording()
    run = changed(events={name: values[:0] for name, values in record.events.items()})
    assert reason(run, "24") == "no liquidation in the window"
    assert np.isfinite(value(run, "1"))


def test_missing_parts_are_said(changed: Changed) -> None:
    assert reason(changed(config={"news": []}), "1") == "the scenario has no news"
    plain = {name: {**rules, "quote": "USDT"} for name, rules in event.config()["venues"].items()}
    assert "quoted in USD" in reason(changed(config={"venues": plain}), "2")
    record = event.recording()
    books = {name: values for name, values in record.books.items() if name != "depth_bid_100"}
    assert "no column 'depth_bid_100'" in reason(changed(books=books), "32")
    assert estimators.measure(changed(), {"id": "999"}).note == "no estimator for this row"


# seeds and pairs --------------------------------------------------------------------------------------------


def test_one_seed_and_three(changed: Changed) -> None:
    depths = [1.0, 2.0, 4.0]
    seeds = []
    for seed, factor in enumerate(depths, start=1):
        record = event.recording()
        deep = record.books["depth_bid_100"].copy()
        deep[3300:4200] *= factor  # 20:55-21:10: bids at 60, 120, 240 % of calm
        seeds.append(changed(books={**record.books, "depth_bid_100": deep}, seed=seed))
    row = scorecard.card({"base": seeds}, [TARGETS["32"]], "x")["rows"][0]
    assert row["value"] == pytest.approx(20.0) and not row["pass"]
    assert row["p05"] == pytest.approx(-40 + 0.1 * 60) and row["p95"] == pytest.approx(140 - 0.1 * 120)
    assert row["why"] == "above the range"
    card = scorecard.card({"base": seeds[:1]}, [TARGETS["32"]], "x")
    assert card["seeds"] == [1] and card["rows"][0]["p05"] == card["rows"][0]["p95"] == pytest.approx(-40)
    assert card["rows"][0]["pass"]


def test_a_seed_that_cannot_be_measured_is_no_pass(run: Run, changed: Changed) -> None:
    record = event.recording()
    blind = changed(
        books={**record.books, "depth_bid_100": np.full_like(record.books["last"], np.nan)}, seed=2
    )
    row = scorecard.card({"base": [run, blind]}, [TARGETS["32"]], "x")["rows"][0]
    assert row["value"] == pytest.approx(-40) and not row["pass"]
    assert "not measured in 1 of 2 seeds" in row["why"]


def gapped(changed: Changed, seed: int, share: float) -> Run:
    """A run whose USD spot falls `1 - share` of the perp's way: the gap is in proportion to `share`."""
    record = event.recording()
    last = record.books["last"].copy()
    perp, spot = (last[:, event.BOOKS.index(name)] for name in ("binance:BTC-PERP", "coinbase:BTC-SPOT"))
    spot[:] = perp * (1 + share * (event.COINS["BTC"][1] / perp - 1))
    return changed(books={**record.books, "last": last}, seed=seed)


def test_paired_gap(changed: Changed) -> None:
    base = [gapped(changed, 1, 0.4), gapped(changed, 2, 0.6)]
    without = [gapped(changed, 2, 0.2), gapped(changed, 1, 0.2), gapped(changed, 9, 0.2)]  # ratios 2 and 3
    row = scorecard.card({"base": base, "no_stops": without}, [TARGETS["P7"]], "x")["rows"][0]
    assert row["value"] == pytest.approx(2.5 - 12.7062 * np.sqrt(0.5) / np.sqrt(2), rel=1e-4)  # t, 1 degree
    assert row["p05"] == pytest.approx(2.05) and not row["pass"] and "mean 2.5" in row["why"]
    alone = scorecard.card({"base": base[:1], "no_stops": without}, [TARGETS["P7"]], "x")["rows"][0]
    assert alone["value"] is None and "two paired seeds" in alone["why"]


def test_paired_hedgers(changed: Changed) -> None:
    """Hedged owners start with 2,000 and gain 200; without ADL 400 or 600: -10 and -20 % of capital."""
    base = [changed(seed=1), changed(seed=2)]
    other = [
        changed(accounts={"start": event.accounts(1000.0), "end": event.accounts(end)}, seed=seed)
        for seed, end in ((1, 1200.0), (2, 1300.0))
    ]
    row = scorecard.card({"base": base, "no_adl": other}, [TARGETS["P5b"]], "x")["rows"][0]
    assert row["value"] == pytest.approx(-15 + 12.7062 * np.sqrt(50) / np.sqrt(2), rel=1e-4)
    assert not row["pass"]  # the interval of two seeds reaches above zero
    table = event.accounts(1000.0)
    del table["coins"]
    other[0] = changed(accounts={"start": table, "end": table}, seed=1)
    blind = scorecard.card({"base": base, "no_adl": other}, [TARGETS["P5b"]], "x")
    assert blind["rows"][0]["value"] is None and "coins" in blind["rows"][0]["why"]


def test_markdown_shows_every_row_and_every_miss(run: Run) -> None:
    card = scorecard.card({"base": [run]}, reference.targets(), "made up")
    text = scorecard.markdown(card)
    assert text.startswith("# Score card: made up\n")
    for row in card["rows"]:
        assert f"| {row['id']} | {row['name']}" in text
    misses = [row for row in card["rows"] if row["value"] is not None and not row["pass"]]
    assert misses and text.count("**MISS**") == len(misses)
    assert text.count("| not measured |") == sum(row["value"] is None for row in card["rows"])
    assert json.loads(json.dumps(card, allow_nan=False)) == card
