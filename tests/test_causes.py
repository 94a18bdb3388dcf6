"""Every fill says why it came about, and every failure is led back to what moved its mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments import Run, causes, cli, fate, load
from experiments.causes import attribute
from experiments.run import RunError
from experiments.runner import Job, run_jobs
from tests.twins import causes as twin

SETTINGS = (("record.fills", "true"),)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("causes"))
        job = Job("two_venues", load("two_venues", SETTINGS), 1, Path("runs/two_venues"))
        yield run_jobs([job], jobs=2, progress=False)[0].open()


# ------------------------------------------------------------------ what is recorded


def test_fills_are_all_the_trades_of_the_record(run: Run) -> None:
    fills = run.fills()
    for book in run.books:
        mine = fills["book"] == book
        assert mine.sum() == run.column("trades", book=book).sum()
        assert fills["value"][mine].sum() == pytest.approx(run.column("volume", book=book).sum(), rel=1e-12)


def test_every_liquidation_fill_names_its_event_and_every_other_one_none(run: Run) -> None:
    fills, events = run.fills(), run.events("liquidation")
    forced = fills["cause"] == "liquidation"
    assert forced.any() and np.array_equal(forced, fills["event"] >= 0)
    number = {int(event): k for k, event in enumerate(events["id"])}
    place = np.array([number[int(event)] for event in fills["event"][forced]])
    value = np.bincount(place, fills["value"][forced], len(events["id"]))
    assert np.allclose(value, events["value"], rtol=1e-12, atol=1e-6)
    assert np.array_equal(fills["taker"][forced], events["row"][place])
    assert np.array_equal(fills["time"][forced], events["time"][place])


def test_every_forced_close_leads_to_the_failure_that_it_is_part_of(run: Run) -> None:
    events = run.events()
    by_id = {int(number): i for i, number in enumerate(events["id"])}
    for i in np.flatnonzero(np.isin(events["kind"].astype(str), ("takeover", "adl"))):
        parent = by_id[int(events["parent"][i])]
        assert events["kind"][parent] in ("liquidation", "bankruptcy")
        assert events["row"][parent] == events["row"][i] and events["time"][parent] <= events["time"][i]


def test_recording_fills_changes_nothing_else(run: Run) -> None:
    other = run_jobs([Job("plain", load("two_venues"), 1, Path("runs/plain"))], jobs=1, progress=False)[
        0
    ].open()
    for name in ("mid", "mark", "volume"):
        assert np.array_equal(run.column(name), other.column(name), equal_nan=True)
    with pytest.raises(RunError, match="kept no fills; --set record.fills=true"):
        attribute(other)


# ------------------------------------------------------------------ the rule, by hand


def made_up(fills: list[tuple[Any, ...]], events: list[tuple[Any, ...]]) -> Any:
    """A run of one coin at two venues whose marks average 30 s and 300 s."""
    columns = ("time", "book", "side", "value", "cause", "event")
    heads = ("id", "time", "kind", "row", "book", "side", "value", "quantity")
    table = {
        k: np.array([f[i] for f in fills], object if k in ("book", "cause") else None)
        for i, k in enumerate(columns)
    }
    told = {
        k: np.array([e[i] for e in events], object if k in ("kind", "book") else None)
        for i, k in enumerate(heads)
    }
    table["quantity"] = table["value"] / 10.0
    return SimpleNamespace(
        fills=lambda *columns: table,
        events=lambda: told,
        vocabularies={"book": ["a:X-PERP", "b:X-PERP", "a:Y-PERP"]},
        config={"venues": {"a": {"mark": {"window": 30.0}}, "b": {"mark": {"window": 300.0}}}},
        folder=Path("made-up"),
    )


def shares(found: causes.Attribution, k: int, part: str = "direct") -> dict[str, float]:
    return {kind: float(x) for kind, x in zip(found.kinds, getattr(found, part)[k], strict=True) if x > 0}


A, B, Y = "a:X-PERP", "b:X-PERP", "a:Y-PERP"


def test_a_mark_move_is_shared_among_the_sells_of_its_window_by_value() -> None:
    found = attribute(
        made_up(
            [
                (9.0, A, -1, 500.0, "news", -1),  # before the window
                (20.0, A, -1, 30.0, "news", -1),
                (30.0, B, -1, 10.0, "stop", -1),  # another venue's book of the coin counts as well
                (31.0, A, 1, 99.0, "arbitrage", -1),  # a buy has not pushed the mark down
                (32.0, Y, -1, 99.0, "decision", -1),  # another coin
                (40.0, A, -1, 20.0, "news", -1),  # of the step itself: matched before the mark was made
                (40.0, A, -1, 70.0, "liquidation", 0),  # the failure's own order: after it
            ],
            [(0, 40.0, "liquidation", 5, A, 1, 70.0, 7.0)],
        )
    )
    assert shares(found, 0) == pytest.approx({"news": 50 / 60, "stop": 10 / 60})
    assert found.total() == 70.0 and found.caused.tolist() == [70.0]


def test_a_slower_mark_looks_further_back() -> None:
    fills = [(9.0, A, -1, 60.0, "news", -1), (100.0, A, -1, 20.0, "stop", -1)]
    events = [(0, 101.0, "liquidation", 5, A, 1, 1.0, 1.0), (1, 101.0, "liquidation", 6, B, 1, 1.0, 1.0)]
    found = attribute(made_up(fills, events))
    assert shares(found, 0) == {"stop": 1.0}
    assert shares(found, 1) == pytest.approx({"news": 0.75, "stop": 0.25})
    assert shares(attribute(made_up(fills, events), window=200.0), 0) == pytest.approx(
        {"news": 0.75, "stop": 0.25}
    )


def chain(second: float) -> causes.Attribution:
    """News fails the first; its order and a stop push on; the second fails at a time, the third after its order."""
    return attribute(
        made_up(
            [
                (10.0, A, -1, 10.0, "news", -1),
                (11.0, A, -1, 30.0, "liquidation", 0),
                (12.0, A, -1, 10.0, "stop", -1),
                (second, A, -1, 40.0, "liquidation", 1),
            ],
            [
                (0, 11.0, "liquidation", 1, A, 1, 30.0, 3.0),
                (1, second, "liquidation", 2, A, 1, 40.0, 4.0),
                (2, 60.0, "liquidation", 3, A, 1, 100.0, 10.0),
            ],
        )
    )


def test_shares_go_down_the_chain_and_value_comes_back_up_it() -> None:
    late = chain(41.0)  # its window, (11, 41], no longer holds the order of the step 11
    assert shares(late, 1) == {"stop": 1.0}
    found = chain(40.0)
    assert shares(found, 1) == pytest.approx({"liquidation": 0.75, "stop": 0.25})
    assert shares(found, 1, "root") == pytest.approx({"news": 0.75, "stop": 0.25})
    assert shares(found, 2, "root") == pytest.approx({"news": 0.75, "stop": 0.25})
    assert found.caused == pytest.approx([30 + 0.75 * 140, 140.0, 100.0])
    assert found.endogenous() == pytest.approx((0.75 * 40 + 100) / 170)


def test_what_a_fund_sells_belongs_to_whom_it_took_it_from_first_in_first_out() -> None:
    found = attribute(
        made_up(
            [
                (10.0, A, -1, 5.0, "news", -1),
                (12.0, A, -1, 10.0, "disposal", -1),  # one coin: of the first take-over, which was one coin
                (13.0, A, -1, 20.0, "disposal", -1),  # two coins: of the second
                (14.0, A, -1, 40.0, "disposal", -1),  # more than was taken over: it had them before
            ],
            [
                (0, 10.0, "takeover", 1, A, 1, 10.0, 1.0),
                (1, 10.0, "takeover", 2, A, 1, 20.0, 2.0),
                (2, 15.0, "liquidation", 3, A, 1, 75.0, 7.5),
            ],
        )
    )
    assert shares(found, 2) == pytest.approx({"news": 5 / 75, "liquidation": 30 / 75, "disposal": 40 / 75})
    assert found.caused == pytest.approx([10 + 10, 20 + 20, 75.0])


def test_a_short_fails_by_buys_and_a_failure_without_a_push_is_unknown() -> None:
    found = attribute(
        made_up(
            [(10.0, A, 1, 5.0, "stop", -1), (10.0, A, -1, 9.0, "news", -1)],
            [(0, 11.0, "liquidation", 1, A, -1, 1.0, 1.0), (1, 11.0, "adl", 2, Y, 1, 1.0, 1.0)],
        )
    )
    assert shares(found, 0) == {"stop": 1.0}
    assert shares(found, 1) == {"unknown": 1.0}


# ------------------------------------------------------------------ a real run


def test_the_fast_way_says_what_the_rule_says_word_by_word(run: Run) -> None:
    found = attribute(run)
    direct, root, caused = twin.attribute(run)
    assert len(direct) == len(found.value) and found.caused == pytest.approx(caused, rel=1e-9)
    pairs = found.shares.tocoo()
    mine: list[dict[Any, float]] = [{} for _ in direct]
    for child, parent, share in zip(*pairs.coords, pairs.data, strict=True):
        mine[child]["failure", int(parent)] = share
    for k, shares_of_k in enumerate(direct):
        led = {what: share for what, share in shares_of_k.items() if isinstance(what, tuple)}
        assert mine[k] == pytest.approx(led)
        for place, kind in enumerate(found.kinds):
            of_kind = sum(led.values()) if kind == "liquidation" else 0.0
            of_kind += shares_of_k.get(place, 0.0) + shares_of_k.get(kind, 0.0)
            assert found.direct[k, place] == pytest.approx(of_kind, abs=1e-12)
            assert found.root[k, place] == pytest.approx(root[k].get(kind, 0.0), abs=1e-12)


def test_shares_add_up_and_causes_come_before_effects(run: Run) -> None:
    found = attribute(run)
    assert len(found.value) > 30
    assert np.allclose(found.direct.sum(axis=1), 1.0) and np.allclose(found.root.sum(axis=1), 1.0)
    child, parent, share = found.parents
    assert (found.time[parent] <= found.time[child]).all() and (share > 0).all()
    assert (found.caused >= found.value - 1e-6).all()
    assert found.total() == pytest.approx(causes.attributable(run))
    assert found.root[:, found.kinds.index("liquidation")].max() < 1e-9, "a chain has a beginning"


def test_the_command_prints_causes_and_says_what_it_needs(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["causes", str(run.folder)]) == 0
    told = capsys.readouterr().out
    assert "what moved their marks" in told and "marks moved by other liquidations" in told
    assert cli.answer(["causes", str(run.folder), "--delete", "-1"]) == 2
    assert "--delete: given -1" in capsys.readouterr().err


@pytest.mark.slow
def test_the_rule_is_held_against_deletion(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule finds who mattered, and how far it is off is printed."""
    found = attribute(run)
    tried = causes.delete(run, found, causes.chosen(found, 8), progress=False)
    large = found.value[tried.failure] > 1e5
    assert tried.measured[large].min() > 3 * np.abs(tried.measured[~large]).mean()
    assert 0.3 < tried.bias() < 3.0 and tried.error() < 1.0
    assert cli.answer(["causes", str(run.folder), "--delete", "2"]) == 0
    assert "error of the rule" in capsys.readouterr().out


# ------------------------------------------------------------------ one account's fate


def test_an_account_is_told_how_far_the_mark_had_gone_and_by_whose_orders(run: Run) -> None:
    found = attribute(run)
    accounts = run.accounts("start")
    names = dict(zip(accounts["owner"].tolist(), accounts["owner_name"].tolist(), strict=True))
    owner_of = dict(zip(accounts["row"].tolist(), accounts["owner"].tolist(), strict=True))
    child, parent, share = found.parents
    late = int(child[np.argmax(share)])  # a failure with a cause of its own kind
    lines = fate.told(run, owner_of[int(found.row[late])], names)
    mark = next(line for line in lines if fate.when(run, found.time[late]) in line)
    assert "fell under its maintenance margin: the mark of" in mark and "below the start" in mark
    moved = next(line for line in lines if "what had moved that mark" in line)
    told = sum(float(part.split()[-2]) for part in moved.split(": ", 1)[1].split(","))
    assert told == pytest.approx(100.0, abs=4.0)  # shares are rounded, those below half a percent not told
    before = names[owner_of[int(found.row[parent[np.argmax(share)]])]]
    assert any("failures before this one" in line and before in line for line in lines)
    assert any("led back to the first causes" in line for line in lines)


def test_a_winner_is_told_for_whom_it_was_closed_and_the_spared_that_nothing_happened(run: Run) -> None:
    accounts, events = run.accounts("start"), run.events()
    names = dict(zip(accounts["owner"].tolist(), accounts["owner_name"].tolist(), strict=True))
    adl = np.flatnonzero(events["kind"] == "adl")
    if len(adl):
        line = fate.told(run, int(events["other_owner"][adl[0]]), names)[0]
        assert "in profit" in line and names[int(events["owner"][adl[0]])] in line
    touched = set(events["owner"].tolist()) | set(events["other_owner"].tolist())
    spared = next(owner for owner in names if owner not in touched)
    assert fate.told(run, spared, names) == ["its venues closed nothing of it by force"]


def test_what_an_owner_traded_is_the_sum_of_its_fills(run: Run) -> None:
    fills = run.fills()
    owner = int(fills["taker_owner"][0])
    mine = (fills["taker_owner"] == owner).astype(float) * fills["value"]
    mine += (fills["maker_owner"] == owner).astype(float) * fills["value"]
    lines = fate.trades(run, owner)
    told = sum(float(cell.replace(",", "")) for line in lines for cell in line[3:5])
    assert told == pytest.approx(mine.sum(), abs=0.6 * len(lines) + 1)
