"""The dashboard without a browser: a watched run is the run that nobody watched; what is refused changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from experiments import Run, cli, config, load
from experiments.build import build
from experiments.config import ScenarioError
from experiments.dashboard import closings, people, words
from experiments.dashboard.controls import sections
from experiments.dashboard.session import ENDED, FILLS, PAUSED, PLAYING, RECORDED, Session
from experiments.dashboard.standing import accounts_of, ladder, wealth
from experiments.dashboard.tape import Growing
from experiments.run import RunError
from experiments.runner import Job, run_jobs
from experiments.store import Store

# the news at 60 s; at 250 s accounts are being liquidated, taken over and deleveraged
SHORT = (("clock.duration", "400"), ("news.0.time", "2025-10-10T20:01:00Z"), ("news.0.size", "-0.08"), FILLS)
PATIENCE = 240.0  # seconds: only what never comes fails
EVIL = '<img src=x onerror=boom>"&'


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    one = Session("short", load("two_venues", SHORT), out=tmp_path / "view")
    yield one
    one.close()


@pytest.fixture(scope="module")
def unwatched() -> str:
    """Digest of the same run, simulated at one go."""
    model = build(load("two_venues", SHORT), 1)
    model.run()
    assert model.recorder is not None
    return model.recorder.finish().digest()


def at_end(session: Session) -> Session:
    session.play().result(PATIENCE)
    until = time.monotonic() + PATIENCE
    while session.phase == PLAYING:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert session.phase == ENDED, session.message
    return session


def digest(session: Session) -> str:
    return session.ask(lambda model: model.recorder.finish().digest()).result(PATIENCE)  # type: ignore[union-attr]


def test_while_it_is_paused_time_stands(session: Session) -> None:
    session.play(pace=20.0).result(PATIENCE)  # so that it does not end before somebody pauses it
    while session.tape.now < 5:
        time.sleep(0.01)
    session.pause().result(PATIENCE)
    stood = session.ask(lambda model: model.now).result(PATIENCE)
    time.sleep(0.3)
    assert session.phase == PAUSED
    assert session.ask(lambda model: model.now).result(PATIENCE) == stood == round(session.tape.now * 1000)
    session.step(3).result(PATIENCE)
    assert session.tape.now == stood / 1000 + 3 and session.phase == PAUSED


def test_a_pace_is_kept(session: Session) -> None:
    session.step(1).result(PATIENCE)
    began, first = time.monotonic(), session.tape.now
    session.play(pace=20.0).result(PATIENCE)
    time.sleep(1.5)
    session.pause().result(PATIENCE)
    assert session.tape.now - first <= 20.0 * (time.monotonic() - began) + 1.0


def test_the_rate_is_simulated_time_over_time(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece that is over at once, after one that waited, is not the half of it."""
    now = 100.0
    monkeypatch.setattr("experiments.dashboard.session.time.perf_counter", lambda: now)
    session._since, session._began, session.rate = now, now, 0.0
    for _ in range(200):
        for waited in (0.019, 0.001):
            now += waited
            session._measure(1.0)
    assert session.rate == pytest.approx(100.0, rel=0.05)  # not the mean of 53 and 1,000


def test_a_watched_run_is_the_run_that_nobody_watched(session: Session, unwatched: str) -> None:
    """Paused, stepped, asked about accounts and books, its story told in the middle: not a bit is different."""
    session.step(200).result(PATIENCE)
    session.tell(40).result(PATIENCE)
    session.ask(lambda model: (ladder(model, "beta:BTC-PERP", 5), accounts_of(model, 40))).result(PATIENCE)
    assert digest(at_end(session)) == unwatched


def test_a_branch_in_which_nothing_is_changed_is_its_trunk(session: Session, unwatched: str) -> None:
    session.step(150).result(PATIENCE)
    session.branch().result(PATIENCE)
    assert session.tape.now == 151.0 and session.phase == PAUSED
    assert digest(at_end(session)) == unwatched
    session.branch(at=session.marks[2]).result(PATIENCE)  # back again from the end
    assert session.tape.now < 200
    assert digest(at_end(session)) == unwatched


def test_a_branch_has_the_same_past_and_another_future(session: Session, unwatched: str) -> None:
    trunk = at_end(session).tape
    at = max(mark for mark in session.marks if mark < 150)
    session.branch([("venues.beta.fund.rule", "unlimited"), ("news.0.size", "-0.08")], at=at).result(PATIENCE)
    assert digest(at_end(session)) != unwatched
    same = int(at)
    last, before = (tape.steps.column("books.last") for tape in (session.tape, trunk))
    np.testing.assert_array_equal(last[:same], before[:same])
    assert session.previous is trunk and any("from" in change for change in session.changes)
    raw = config.loads(session.export_scenario().read_text())
    assert [change.at for change in raw.interventions] == [at]


def test_who_is_taken_out_is_gone_and_others_stay(session: Session) -> None:
    session.step(20).result(PATIENCE)
    name = session.tape.name(int(np.argmax([n.startswith("longs/") for n in session.tape.owners])))
    owner = session.tape.owners.index(name)
    held = session.ask(lambda model: accounts_of(model, owner)).result(PATIENCE)
    assert any(one.positions for one in held)
    session.branch(remove=[name]).result(PATIENCE)
    session.step(2).result(PATIENCE)
    assert not any(
        one.positions for one in session.ask(lambda model: accounts_of(model, owner)).result(PATIENCE)
    )


def test_an_exported_scenario_run_with_the_same_seed_is_the_exported_run(
    session: Session, tmp_path: Path
) -> None:
    session.step(100).result(PATIENCE)
    session.branch([("venues.alpha.fees.taker", "0.001")]).result(PATIENCE)
    with pytest.raises(RunError, match="kept at its end"):
        session.export_run().result(PATIENCE)
    folder = at_end(session).export_run().result(PATIENCE)
    exported = Run.open(folder)
    assert exported.verify()
    again = Job("again", load(session.export_scenario()), 1, tmp_path / "again")
    outcome = run_jobs([again], jobs=1, progress=False, store=Store(tmp_path / "elsewhere"))[0]
    assert outcome.status == "done" and outcome.open().digest == exported.digest == digest(session)


@pytest.mark.parametrize(
    ("path", "value", "words_of_the_config"),
    [
        ("venues.alpha.fees.taker", "0.7", "expected a number"),
        ("news.0.size", "much", 'given "much", expected a number'),
        ("population.longs.hold", "-1", "population.longs.hold: given -1"),
        ("venues.alpha.adl.score", "fair", "venues.alpha.adl.score"),
        ("no.such.thing", "1", "no: no such parameter"),
    ],
)
def test_a_refused_value_leaves_everything_as_it_was(
    session: Session, path: str, value: str, words_of_the_config: str
) -> None:
    session.step(10).result(PATIENCE)
    tape, scenario, now = session.tape, session.scenario, session.tape.now
    for refused in (
        lambda: session.restart([(path, value)]),
        lambda: session.check([(path, value)]),
        lambda: session.branch([(path, value)]).result(PATIENCE),
    ):
        with pytest.raises(ScenarioError) as told:
            refused()
        assert any(words_of_the_config in fault for fault in told.value.faults), told.value.faults
    assert session.tape is tape and session.scenario is scenario and session.phase == PAUSED
    assert session.tape.now == now and session.previous is None and session.changes == ()
    session.step(1).result(PATIENCE)
    assert session.tape.now == now + 1


def test_what_counts_only_at_the_start_is_refused_in_a_running_market(session: Session) -> None:
    with pytest.raises(ScenarioError, match="cannot be changed in a running market"):
        session.branch([("clock.duration", "500")]).result(PATIENCE)
    session.restart([("clock.duration", "500")]).result(PATIENCE)
    assert session.scenario.clock.duration == 500 and session.changes == ("clock.duration = 500",)


def test_there_is_a_control_for_every_parameter_with_its_own_words() -> None:
    scenario = load("two_venues", SHORT)
    table = {row.path: row for row in config.parameter_table(scenario) if not row.path.startswith("targets")}
    controls = {one.path: one for some in sections(scenario).values() for one in some}
    assert controls.keys() == table.keys()
    for path, one in controls.items():
        row = table[path]
        assert (one.unit, one.range, one.source, one.description) == row[2:]
    rule = controls["venues.alpha.fund.rule"]
    assert rule.value in rule.choices and "unlimited" in rule.choices
    settings = [(path, one.value) for path, one in controls.items() if one.value != ""]
    assert (
        config.loads(config.dump(scenario), settings) == scenario
    )  # every value can be given back as it stands


def test_the_ladder_is_the_book(session: Session) -> None:
    session.step(120).result(PATIENCE)
    shown, bid, ask, resting = session.ask(
        lambda model: (
            ladder(model, "alpha:BTC-PERP", 10_000),
            *(model.recorder.since((119, 0)).books[side][-1, 0] for side in ("bid", "ask")),  # type: ignore[union-attr]
            _resting(model, "alpha:BTC-PERP"),
        )
    ).result(PATIENCE)
    assert shown.bids.price[0] == pytest.approx(bid) and shown.asks.price[0] == pytest.approx(ask)
    assert (np.diff(shown.bids.price) < 0).all() and (np.diff(shown.asks.price) > 0).all()
    assert shown.bids.size.sum() + shown.asks.size.sum() == pytest.approx(resting)
    assert len(shown.bids.price) == shown.levels[0] and shown.bids.orders.min() >= 1
    few = session.ask(lambda model: ladder(model, "alpha:BTC-PERP", 3)).result(PATIENCE)
    np.testing.assert_array_equal(few.asks.price, shown.asks.price[:3])


def _resting(model, book: str) -> float:  # type: ignore[no-untyped-def]
    """Coins of all live orders of a book."""
    b = model.book_id(book)
    orders = model.state.orders[: model.state.count("orders")]
    mine = orders[(orders["live"] == 1) & (orders["book"] == b)]
    return float(mine["qty"].sum() * model.books.lot[b])


def test_everybody_s_worth_is_that_of_the_accounts(session: Session) -> None:
    session.step(300).result(PATIENCE)
    held = session.ask(wealth).result(PATIENCE)
    from abm.statements import statements

    accounts, _ = session.ask(statements).result(PATIENCE)
    told = np.bincount(accounts["participant"], accounts["equity"] + accounts["coins"], len(held))
    np.testing.assert_allclose(held, told, rtol=1e-9)


def test_the_story_says_why_an_account_was_liquidated(session: Session) -> None:
    tape = at_end(session).tape
    first = people.find(tape, "")[0]
    assert first.closed == pytest.approx(max(closings.by_owner(tape)))
    assert people.find(tape, first.name)[0] == first
    told = session.tell(first.owner).result(PATIENCE)
    text = words.story(told.parts)
    assert "fell under its maintenance margin" in text and "what had moved that mark" in text
    assert told.openings[0].liquidation > 0
    mine = closings.of(tape, first.owner)
    assert len(mine) and (tape.events.column("owner")[mine] == first.owner).all()


def test_a_finished_folder_is_seen_as_the_run_was(session: Session) -> None:
    folder = at_end(session).export_run().result(PATIENCE)
    run = Run.open(folder)
    seen = Session("seen", session.scenario, run.seed, out=session.out, run=run)
    try:
        assert seen.phase == RECORDED and seen.tape.owners == session.tape.owners
        for name in ("time", "books.mark", "venues.liquidated_long", "network.queue"):
            np.testing.assert_array_equal(seen.tape.steps.column(name), session.tape.steps.column(name))
        assert closings.latest(seen.tape, 20) == closings.latest(session.tape, 20)
        first = people.find(seen.tape, "")[0]
        assert (
            seen.tell(first.owner).result(PATIENCE).parts == session.tell(first.owner).result(PATIENCE).parts
        )
        assert seen.export_run().result(PATIENCE) == run.folder
        with pytest.raises(RunError, match="nothing is being simulated"):
            seen.step().result(PATIENCE)
        seen.restart().result(PATIENCE)
        assert digest(at_end(seen)) == run.digest and seen.previous is not None
    finally:
        seen.close()


def test_two_runs_stand_beside_each_other_at_the_same_moment(session: Session) -> None:
    trunk = at_end(session).tape
    session.restart([("news.0.size", "-0.01")]).result(PATIENCE)
    session.step(100).result(PATIENCE)
    now, then = (dict(words.measures(tape, session.tape.now)) for tape in (session.tape, trunk))
    assert now.keys() == then.keys()
    assert then != dict(words.measures(trunk, trunk.now))
    text = words.beside(session.tape, session.previous, session.changes)
    assert "news.0.size = -0.01" in text and "the one before" in text


def test_text_is_never_markup() -> None:
    shown = [
        words.table([EVIL], [[EVIL]]), words.faults([EVIL]), words.standing([], EVIL, EVIL, str),
        *(tell([(EVIL, [EVIL], [[EVIL]]), (EVIL, [], [[EVIL]])]) for tell in (words.story, words.numbers)),
    ]  # fmt: skip
    assert not any("<img" in text for text in shown)


def test_prices_and_accounts_say_what_they_are_counted_in(session: Session) -> None:
    tape = at_end(session).tape
    assert tape.unit("alpha:BTC-PERP") == "USDT" and tape.unit("outside") == ""
    assert all(price.endswith(" USDT") for price in closings.latest(tape, 20)["price"])
    owner = tape.owners.index(next(name for name in tape.owners if name.startswith("longs/")))
    held = session.ask(lambda model: accounts_of(model, owner)).result(PATIENCE)
    assert "USDT" in words.standing(held, "it", tape.clock(tape.now), tape.unit)


def test_a_story_tells_times_and_sides_as_people_do(session: Session) -> None:
    """No seconds since the start, no side 1, and no number of an account beside the name of its owner."""
    session.step(1).result(PATIENCE)
    session.branch([("venues.alpha.fees.taker", "0.001")]).result(PATIENCE)
    assert session.changes == ("from 20:00:02: venues.alpha.fees.taker = 0.001",)
    first = people.find(at_end(session).tape, "")[0]
    parts = session.tell(first.owner).result(PATIENCE).parts
    assert parts[0][0].startswith(f"accounts at the start, 20:00:00: {first.name}")
    heads, lines = next((heads, lines) for title, heads, lines in parts if title.startswith("events"))
    assert "long" in {line[heads.index("side")] for line in lines} <= {"long", "-"}
    assert all(line[heads.index("time")].startswith("20:0") for line in lines)
    assert "its account at " in words.story(parts)


def test_lines_appear_whole() -> None:
    growing = Growing()
    assert len(growing.column("a")) == 0
    for k in range(3000):
        growing.append({"a": np.array([k, k]), "b": np.full((2, 3), k)})
    assert growing.count == 6000 and (growing.column("b")[:, 2] == growing.column("a")).all()


def test_bad_input_is_told_in_a_line_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.answer(["view", "two_venus"]) == 2
    assert "did you mean two_venues?" in capsys.readouterr().err
    assert cli.answer(["view", "two_venues", "--port", "70000", "--seed", "-1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert cli.answer(["view", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
    monkeypatch.setattr("experiments.commands.view.find_spec", lambda name: None)
    assert cli.answer(["view", "two_venues"]) == 2
    assert "pip install 'CascadeLab[view]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:Widget.name")  # of Panel's next major version
def test_a_page_waits_for_the_first_step_of_a_large_market(session: Session) -> None:
    """Between the making of a market and its first step there is a record without a line."""
    pytest.importorskip("panel")
    from experiments.dashboard.page import Page
    from experiments.dashboard.tape import Tape

    session.step(1).result(PATIENCE)
    whole, now = session.tape, session.tape
    session.tape = Tape(now.start, now.books, now.venues, now.edges, now.owners, now.participants)
    page = Page(session, dark=False)
    page.look()
    assert page.generation != session.generation
    session.tape = whole
    page.look()
    assert page.generation == session.generation and page.prices.seen == 0 < page.prices.lines.seen


@pytest.mark.filterwarnings("ignore:Widget.name")
def test_the_chosen_account_is_told_to_the_end(session: Session) -> None:
    """Also one to which nothing happens any more; its chart has room for the whole run from the beginning."""
    pytest.importorskip("panel")
    from experiments.dashboard.charts import span
    from experiments.dashboard.page import Page

    session.step(1).result(PATIENCE)
    page = Page(session, dark=False)
    page.account.choose(session.tape.owners.index("longs/0"))

    def drawn(until: float) -> bool:
        page.look()
        chart = page.account.chart.object
        if chart is None:
            return False
        assert (chart.x_range.start, chart.x_range.end) == span(session.tape, 400.0)
        mark = next(line for line in chart.renderers if line.glyph.line_color == "#0072B2")
        return bool(mark.data_source.data["x"][-1] == span(session.tape, until)[1])

    _wait(lambda: drawn(2.0))
    at_end(session)
    _wait(lambda: drawn(400.0))
    assert Page(session, dark=True).account.owner == page.account.owner, "a reload shows it again"


@pytest.mark.filterwarnings("ignore:Widget.name")
def test_nothing_is_made_while_a_refused_value_stands_in_its_field(session: Session) -> None:
    pytest.importorskip("panel")
    from experiments.dashboard.page import Page

    session.step(1).result(PATIENCE)
    page, generation = Page(session, dark=False), session.generation
    controls = {one.path: one for some in sections(session.scenario).values() for one in some}
    page.form.set(controls["venues.alpha.fees.taker"], "0.001")
    page.form.set(controls["news.0.size"], "much")
    page.form.set(controls["venues.beta.fees.taker"], "0.001")  # what is accepted elsewhere does not heal it
    assert page.branch.disabled and page.anew.disabled and "news.0.size" in page.form.said.object
    page.branch.clicks += 1
    page.anew.clicks += 1
    session.ask(lambda model: model.now).result(PATIENCE)
    assert session.generation == generation
    page.form.set(controls["news.0.size"], "-0.01")
    assert not page.branch.disabled and not page.anew.disabled and page.form.said.object == ""
    page.branch.clicks += 1
    _wait(lambda: session.generation == generation + 1)


@pytest.mark.filterwarnings("ignore:Widget.name")
def test_a_fund_that_begins_with_nothing_is_charted(session: Session) -> None:
    """Beta's, which owes from its first take-over on; all are drawn against their start."""
    pytest.importorskip("panel")
    from experiments.dashboard.page import Page

    session.restart([("venues.beta.fund.rule", "unlimited")]).result(PATIENCE)
    at_end(session)
    page = Page(session, dark=False)
    beta = session.tape.venues.index("beta")
    assert people.find(session.tape, "beta/fund") and not any(
        "/fund" in one.name for one in people.find(session.tape, "", most=10_000)
    )
    equity = session.tape.steps.column("venues.fund_equity")[:, beta]
    assert equity[0] == 0 > equity[-1]
    line = page.funds.source.data["y1"]
    assert line[0] == 0 and line[-1] == pytest.approx(equity[len(line) - 1])
    assert [item.label.value for item in page.funds.made.legend[0].items] == ["alpha", "beta"]


@pytest.mark.filterwarnings("ignore:Widget.name")
def test_after_a_branch_the_form_shows_the_branch_s_value(session: Session) -> None:
    """And goes back to the trunk's from there, or from the beginning, or from a mark before the change."""
    pytest.importorskip("panel")
    from experiments.dashboard.page import Page

    session.step(100).result(PATIENCE)
    page, path = Page(session, dark=False), "venues.beta.fund.rule"
    trunk = session.scenario.venues["beta"].fund.rule
    page.form.filter.value = path

    def shown() -> str:
        page.look()
        return str(page.form.controls[0].value)

    def press(button: object) -> None:
        generation = session.generation
        button.clicks += 1  # type: ignore[attr-defined]
        _wait(lambda: page.look() is None and page.generation > generation)

    assert shown() == trunk != "unlimited"
    page.form.controls[0].value = "unlimited"
    press(page.branch)
    assert shown() == "unlimited" and page.form.settings == {}
    page.form.controls[0].value = trunk
    assert page.form.settings == {path: trunk}
    press(page.branch)
    assert shown() == trunk and [one.set[path] for one in session.scenario.interventions] == [
        "unlimited",
        trunk,
    ]
    page.moment.value = min(session.marks)
    page.form.controls[0].value = "unlimited"
    press(page.anew)
    assert session.changes == (f"{path} = unlimited",) and shown() == "unlimited"
    assert not any(path in one.set for one in session.scenario.interventions)


@pytest.mark.filterwarnings("ignore:Widget.name")
def test_the_form_follows_an_intervention_and_a_mark(tmp_path: Path) -> None:
    """Before it comes the field shows what holds until then; so it does for a branch from before it."""
    pytest.importorskip("panel")
    from experiments.dashboard.page import Page

    path = "venues.alpha.fees.taker"
    later = ("interventions", f'[{{at = 100.0, set = {{"{path}" = 0.001}}}}]')
    session = Session("later", load("two_venues", (*SHORT, later)), out=tmp_path / "view")
    session.step(50).result(PATIENCE)
    page, before = Page(session, dark=False), session.scenario.venues["alpha"].fees.taker
    page.form.filter.value = path
    assert float(page.form.controls[0].value) == before != 0.001
    session.step(100).result(PATIENCE)
    page._read_slowly()
    assert page.form.controls[0].value == "0.001"
    page.moment.value = session.marks[0]
    assert float(page.form.controls[0].value) == before
    session.close()


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
