"""A run that goes on from the middle is the run that never stopped; a branch differs by its change only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm.recording import Recording
from abm.saving import VERSION
from experiments import Run, cli, config, load, paths
from experiments.branch import branch, moment, resume
from experiments.build import build
from experiments.config import ScenarioError
from experiments.run import RunError
from experiments.runner import Job, run_jobs
from experiments.snapshots import SnapshotError, sound
from experiments.store import Store

# the news at 60 s; at 250 s accounts are being liquidated, taken over and deleveraged
SHORT = (("clock.duration", "400"), ("news.0.time", "2025-10-10T20:01:00Z"), ("news.0.size", "-0.08"))
MIDDLE = 250.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run of two venues and its snapshots in calm and in mid-cascade."""
    folder = tmp_path_factory.mktemp("branch")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        job = Job("short", load("two_venues", SHORT), 1, Path("runs/short"), save_at=(30.0, MIDDLE))
        outcome = run_jobs([job], jobs=2, progress=False)[0]
        assert outcome.reason == ""
        yield folder


@pytest.fixture
def trunk(home: Path) -> Run:
    return Run.open("runs/short")


def with_changes(*changes: dict[str, Any]) -> config.Scenario:
    raw = config.plain(load("two_venues", SHORT))
    raw["interventions"] = list(changes)
    scenario, faults = config.resolve(raw)
    if faults or scenario is None:
        raise ScenarioError(faults)
    return scenario


def record(*changes: dict[str, Any], check: bool = False) -> Recording:
    model = build(with_changes(*changes), 1, check=check)
    model.run()
    assert model.recorder is not None
    return model.recorder.finish()


def failing(run: Run) -> np.ndarray:
    """Places in the event table of liquidation orders after the middle, which did trade."""
    events = run.events()
    return np.flatnonzero(
        (events["kind"] == "liquidation") & (events["time"] > MIDDLE) & (events["value"] > 0)
    )


def test_accounts_fail_on_both_sides_of_the_snapshot(trunk: Run) -> None:
    events = trunk.events()
    for kind in ("liquidation", "takeover", "adl"):
        times = events["time"][events["kind"] == kind]
        assert (times <= MIDDLE).any() and (times > MIDDLE).any(), kind


@pytest.mark.parametrize("time", ["30", "250", "2025-10-10T20:04:10Z"])
def test_a_resumed_run_has_the_digest_of_the_run_that_never_stopped(trunk: Run, time: str) -> None:
    done = resume(f"runs/short/seed-0001@{time}", progress=False)
    assert done.same and done.digest == trunk.digest


def test_a_run_that_was_broken_off_goes_on_from_its_latest_snapshot(trunk: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / ".store")
    for entry in Store().folder.glob("*@250"):
        shutil.copytree(entry, store.folder / entry.name)
    seen: list[int] = []
    job = Job("short", load("two_venues", SHORT), 1, tmp_path / "runs", content=trunk.provenance["content"])
    from experiments.runner import simulate

    recording = simulate(job, store, lambda done, total: seen.append(done))
    assert recording.digest() == trunk.digest
    assert seen[0] > 370, "steps: it did not begin at the beginning"


def test_a_damaged_snapshot_of_ones_own_is_no_loss(trunk: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / ".store")
    for entry in Store().folder.glob("*@250"):
        place = store.folder / entry.name
        shutil.copytree(entry, place)
        (place / "arrays.npz").write_bytes(b"nothing")
    job = Job("short", load("two_venues", SHORT), 1, tmp_path / "runs", content=trunk.provenance["content"])
    from experiments.runner import simulate

    assert simulate(job, store, lambda done, total: None).digest() == trunk.digest


def test_a_branch_that_changes_nothing_is_its_trunk(trunk: Run) -> None:
    done = branch(
        "runs/short/seed-0001@250",
        [("venues.alpha.adl.price", "bankruptcy"), ("population.makers.notice", "false")],
        out="runs/same",
        progress=False,
    )
    assert done.outcome.status == "done", "another config, so it was really simulated"
    assert done.outcome.open().digest == trunk.digest


def test_a_branch_has_the_past_of_its_trunk_and_another_future(trunk: Run) -> None:
    done = branch(
        "runs/short/seed-0001@250", [("venues.*.fees.taker", "0.002")], out="runs/fees", progress=False
    )
    other = done.outcome.open()
    then = trunk.time <= MIDDLE
    for name in ("mid", "mark", "volume", "open_interest"):
        assert np.array_equal(trunk.column(name)[then], other.column(name)[then], equal_nan=True)
    assert not np.array_equal(trunk.column("mid"), other.column("mid"), equal_nan=True)


def test_a_branch_is_a_scenario_that_gives_the_same_bits_from_its_beginning(trunk: Run) -> None:
    done = branch(
        "runs/short/seed-0001@250", [("venues.*.mark.window", "120.0")], out="runs/slow", progress=False
    )
    scenario = config.load(done.outcome.folder / "config.toml")
    model = build(scenario, 1)
    model.run()
    assert model.recorder.finish().digest() == done.outcome.open().digest != trunk.digest


def test_a_branch_of_a_branch_keeps_the_first_change(trunk: Run) -> None:
    first = branch(
        "runs/short/seed-0001@30", [("population.makers.withdraws", "false")], out="runs/first",
        save_at=[100.0], progress=False,
    )  # fmt: skip
    again = branch(
        "runs/first/seed-0001@100", [("venues.beta.fees.taker", "0.0005")], out="runs/second", progress=False
    )
    assert again.outcome.status == "done"
    assert again.outcome.open().digest == first.outcome.open().digest != trunk.digest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("venues.*.adl.score", "profit"),
        ("venues.*.liquidation.stages", ["cancel_orders", "market_slices", "backstop", "adl"]),
        ("venues.*.fund.rule", "unlimited"),
        ("venues.*.fund.disposal", 0.05),
        ("venues.*.mark.rule", "index_basis"),
        ("venues.*.orders.band", 0.01),
        ("venues.*.gateway.rate", 20.0),
        ("venues.*.funding.interval", 1 / 60),
        ("population.*.latency_ms", 2500.0),
        ("population.*.feed_delay", 5.0),
        ("news.0.size", 0.0),
        ("population.makers.withdraws", False),
    ],
)
def test_each_rule_that_is_changed_on_the_way_has_its_effect_and_conserves(path: str, value: Any) -> None:
    at = 30.0 if path.startswith("news") else 70.0
    changed = record({"at": at, "set": {path: value}}, check=True)
    assert changed.digest() != record().digest()


def test_a_rule_changed_at_the_start_of_time_is_that_rule(trunk: Run) -> None:
    """Where the burn-in does not ask for it, from T = 0 on is the same as always."""
    for path, value in (("venues.*.adl.score", "profit"), ("venues.*.liquidation.fee", 0.002)):
        raw = config.plain(load("two_venues", SHORT))
        paths.put(raw, path, value)
        always, _ = config.resolve(raw)
        assert always is not None
        model = build(always, 1)
        model.run()
        assert record({"at": 0.0, "set": {path: value}}).digest() == model.recorder.finish().digest()


def test_an_absorbed_liquidation_sends_no_order_and_leaves_its_equity_to_the_account(trunk: Run) -> None:
    events = trunk.events()
    orders = failing(trunk)
    alone = [np.sum(events["time"][orders] == events["time"][one]) == 1 for one in orders]
    first = orders[alone][0]  # of several in a step the others would take what this one leaves
    number, row, time = (events[name][first] for name in ("id", "row", "time"))
    done = branch("runs/short/seed-0001@250", absorb=[int(number)], out="runs/absorbed", progress=False)
    other = done.outcome.open()
    told = other.events()
    mine = (told["row"] == row) & (told["time"] == time)
    assert told["kind"][mine].tolist() == ["absorption"]
    at = np.flatnonzero(mine)[0]
    assert told["price"][at] == told["mark"][at], "taken over at mark"
    before = other.time < time
    assert np.array_equal(trunk.column("mid")[before], other.column("mid")[before], equal_nan=True)
    now = np.flatnonzero(other.time == time)[0]
    book = events["book"][first]
    assert other.column("volume", book=book)[now] < trunk.column("volume", book=book)[now]


def test_an_owner_who_is_removed_does_nothing_any_more_and_nothing_is_lost(trunk: Run) -> None:
    start = trunk.accounts("start")
    maker = next(name for name in start["owner_name"] if name.startswith("makers"))
    model = build(with_changes({"at": 100.0, "remove": [maker]}), 1, check=True)
    steps = model.clock.burn_in_steps + 101
    model.run(steps)
    number = model.accounts.owner_names.index(maker)
    rows = np.flatnonzero(model.state.rows["owner"][: model.state.count("rows")] == number)
    s = model.state

    def held() -> tuple[int, int]:
        mine = np.isin(s.positions["row"][: s.count("positions")], rows)
        return int(np.abs(s.positions["qty"][: s.count("positions")][mine]).sum()), int(
            s.rows["open"][rows].sum()
        )

    assert held() == (0, 0)
    model.run()
    assert held() == (0, 0)


def test_others_draws_do_not_notice_who_was_removed(trunk: Run) -> None:
    """An account that has no order and no neighbour at its price leaves, and nobody else does anything else."""
    last = [name for name in trunk.accounts("start")["owner_name"] if name.startswith("holders")][-1]
    other = record({"at": 30.0, "remove": [last]})
    mine = [code for code, name in enumerate(other.vocabularies["owner_name"]) if name == last]
    for name, table in other.books.items():
        if not name.startswith("depth"):
            assert np.array_equal(table, trunk.recording().books[name], equal_nan=True), name
    events = trunk.recording().events
    ours = {k: v[~np.isin(other.events["owner"], mine)] for k, v in other.events.items()}
    for name in ("time", "kind", "row", "quantity", "price"):
        theirs = events[name][~np.isin(events["owner"], mine)]
        assert np.array_equal(ours[name], theirs, equal_nan=name in ("quantity", "price")), name


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"at": 10.0, "set": {"venues.*.fund.cash": 1.0}},
            "venues.alpha.fund.cash: given 1.0, but it counts only",
        ),
        (
            {"at": 10.0, "set": {"population.makers.levels": 3}},
            "population.makers.levels: given 3, but it counts",
        ),
        ({"at": 10.0, "set": {"clock.step": 0.5}}, "clock: cannot be changed in a running market"),
        ({"at": 90.0, "set": {"news.0.size": 0.0}}, "news: what was before 90 s has happened"),
        (
            {"at": 10.0, "set": {"population.makers.opening.accounts": 3}},
            "species and opening count only when",
        ),
        ({"at": 10.0, "set": {"network.edges.0.fee": 3.0}}, "network: only its events can be changed"),
        ({"at": 10.0, "set": {"venues.gamma.share": 3.0}}, "venues has no gamma"),
        ({"at": 1e6}, "interventions.0.at: given 1e+06, expected seconds within the run"),
        ({"at": 1.0, "absorb": [{"row": 3}]}, "interventions.0.absorb.0.time: nothing given"),
    ],
)
def test_what_cannot_be_changed_in_a_running_market_is_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(ScenarioError) as error:
        with_changes(change)
    assert any(fault in line for line in error.value.faults), error.value.faults


def test_an_owner_or_row_that_is_not_there_is_refused() -> None:
    for change, fault in (
        ({"at": 1.0, "remove": ["nobody"]}, 'remove: given "nobody", no such owner'),
        ({"at": 1.0, "absorb": [{"row": 10**7, "time": 5.0}]}, "absorb: given row 10000000"),
    ):
        with pytest.raises(ScenarioError, match=fault):
            build(with_changes(change), 1)


def test_a_wrong_or_damaged_snapshot_is_refused_in_one_line(
    trunk: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Path("runs/short/seed-0001@250")

    def spoiled(name: str, file: str, change: Any) -> str:
        place = tmp_path / f"{name}@250"
        shutil.copytree(good, place)
        text = (place / file).read_bytes()
        (place / file).write_bytes(change(text))
        return f"{tmp_path / name}@250"

    version = b'"version": %d' % VERSION
    cases = [
        (spoiled("a", "arrays.npz", lambda b: b[:-10]), "arrays.npz is not what was written"),
        (
            spoiled("g", "snapshot.json", lambda b: b.replace(b'"about"', b'"abut"')),
            "snapshot.json cannot be read",
        ),
        (
            spoiled("h", "snapshot.json", lambda b: b.replace(b'"check": false', b'"check": true')),
            "is not what was",
        ),
        (spoiled("b", "config.toml", lambda b: b + b"\n"), "config.toml is not what was written"),
        (
            spoiled("c", "snapshot.json", lambda b: b.replace(version, b'"version": 99')),
            "version 99",
        ),
        (spoiled("d", "snapshot.json", lambda b: b[:100]), "snapshot.json cannot be read"),
        (
            spoiled("e", "snapshot.json", lambda b: b.replace(b'"step": ', b'"step": 1')),
            "is not what was written",
        ),
        ("runs/short/seed-0001@251", "no snapshot of that time; there are 30, 250"),
        ("runs/nothing@3", "no snapshot beside"),
        ("runs/short", "expected RUN@T"),
        ("runs/short@noon", "given noon, expected seconds from the start or a UTC time"),
    ]
    for name, told in cases:
        with pytest.raises(SnapshotError, match=told):
            resume(name, progress=False)
        assert cli.answer(["resume", name]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_snapshot_of_another_version_of_the_program_is_refused(
    trunk: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.branch.source_hash", lambda: "another")
    with pytest.raises(SnapshotError, match="made by another version of the program"):
        branch("runs/short/seed-0001@250", [("venues.*.fees.taker", "0.002")], out="runs/x", progress=False)


def test_a_branch_cannot_take_the_place_of_its_trunk(trunk: Run) -> None:
    with pytest.raises(RunError, match="the folder of the trunk"):
        branch(
            "runs/short/seed-0001@250", [("venues.*.fees.taker", "0.002")], out="runs/short", progress=False
        )
    assert Run.open("runs/short").digest == trunk.digest


def test_a_branch_keeps_no_snapshot_of_before_its_beginning(trunk: Run) -> None:
    with pytest.raises(RunError, match="given 30, but the branch begins at 250 s"):
        branch(
            "runs/short/seed-0001@250", [("venues.*.fees.taker", "0.002")], out="runs/late",
            save_at=[30.0, 300.0], progress=False,
        )  # fmt: skip


def test_only_liquidations_of_the_future_can_be_absorbed(trunk: Run) -> None:
    events = trunk.events()
    past = int(events["id"][(events["kind"] == "liquidation") & (events["time"] <= MIDDLE)][0])
    news = int(events["id"][events["kind"] == "news"][0])
    for number, told in (
        (past, "expected one after 250 s"),
        (news, "is none of liquidation"),
        (10**9, "is none of"),
    ):
        with pytest.raises(RunError, match=told):
            branch("runs/short/seed-0001@250", absorb=[number], out="runs/x", progress=False)


def test_times_are_seconds_or_utc(trunk: Run) -> None:
    assert moment("30", trunk.start) == 30.0
    assert moment("2025-10-10T20:04:10Z", trunk.start) == 250.0
    with pytest.raises(ValueError, match="expected seconds"):
        moment("soon", trunk.start)


@pytest.mark.slow
def test_the_command_line_saves_resumes_and_branches(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [word for path, value in SHORT for word in ("--set", f"{path}={value}")]
    assert cli.answer(["run", "two_venues", *settings, "--save-at", "100", "--out", "runs/told"]) == 0
    assert "runs/told/seed-0001@100  snapshot" in capsys.readouterr().out
    assert cli.answer(["resume", "runs/told@100"]) == 0
    assert "the same digest as the run that never stopped" in capsys.readouterr().out
    assert cli.answer(["branch", "runs/told@100", "--set", "venues.*.adl.price=mark"]) == 0
    told = capsys.readouterr().out
    assert "runs/told-branch-" in told and "auto-deleveraged" in told
    assert cli.answer(["branch", "runs/told@100"]) == 0
    assert "the same digest as the run that never stopped" in capsys.readouterr().out
    assert cli.answer(["branch", "runs/told@100", "--remove", "nobody"]) == 2
    assert '--remove: given "nobody", no such owner' in capsys.readouterr().err


def test_a_damaged_snapshot_is_made_again_when_it_is_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / ".store")
    job = Job("short", load("two_venues", SHORT), 1, tmp_path / "runs", save_at=(30.0,))
    run_jobs([job], jobs=1, progress=False, store=store)
    place = next(store.folder.glob("*@30"))
    (place / "arrays.npz").write_bytes(b"nothing")
    assert not sound(place)
    run_jobs([job], jobs=1, progress=False, store=store)
    assert sound(place)


def test_what_was_not_there_to_be_absorbed_is_told_and_nothing_is_absorbed_twice(trunk: Run) -> None:
    events, first = trunk.events(), failing(trunk)[0]
    number = int(events["id"][first])
    done = branch(
        "runs/short/seed-0001@250", [("news.0.size", "-0.08"), ("venues.*.fees.taker", "0.02")],
        absorb=[number, number], out="runs/idle", progress=False,
    )  # fmt: skip
    asked = done.outcome.open().config["interventions"][0]["absorb"]
    assert len(asked) == 1
    absorbed = len(done.outcome.open().events("absorption")["id"])
    assert len(done.idle) == (0 if absorbed else 1)
