"""One tab: a view of the session. It looks at the run ten times a second and more, and sends what has changed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from html import escape
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    DataTable,
    NumberFormatter,
    Range1d,
    StringFormatter,
    TableColumn,
    TextInput,
)  # fmt: skip

from experiments import config
from experiments.dashboard import charts, style, words
from experiments.dashboard.account_panel import AccountPanel
from experiments.dashboard.closings import latest
from experiments.dashboard.form import Form
from experiments.dashboard.network import Graph
from experiments.dashboard.session import ENDED, FAILED, MAKING, PAUSED, PLAYING, RECORDED, Session
from experiments.dashboard.standing import Ladder, ladder

HERE = Path(__file__).parent
EVERY = 60  # milliseconds between two looks
LEVELS = 11
LISTED = 80
PACES = {
    "as fast as it goes": 0.0,
    "300 s a second": 300.0,
    "60 s a second": 60.0,
    "10 s a second": 10.0,
    "1 s a second": 1.0,
}
NOW = "now"
NO_LEVELS = "Single price levels are seen while a run is simulated: press Start over."
RIGHT = 400  # pixels


class Page:
    """All that a tab shows, and what its buttons do to the session."""

    def __init__(self, session: Session, dark: bool) -> None:
        self.session, self.dark = session, dark
        self.generation, self.looks = -1, 0
        self.asked: Future[Ladder] | None = None
        self.pending: list[tuple[Future[Any], Callable[[Any], None], Callable[[BaseException], None]]] = []
        self._bar()
        self.form = Form(session, self._buttons)
        self.account = AccountPanel(session, dark, self._without)
        self._market()
        self._changes()
        self.look()

    def document(self) -> pn.Template:
        """The page as the server sends it."""
        text = (HERE / "page.html").read_text(encoding="utf-8")
        css = (HERE / "page.css").read_text(encoding="utf-8")
        page = pn.Template(text)
        page.add_variable("variables", style.variables(self.dark))
        page.add_variable("style", css)
        page.add_variable("look", "dark" if self.dark else "light")
        page.add_panel("bar", self.bar)
        page.add_panel("form", self.side)
        page.add_panel("market", self.market)
        return page

    # ------------------------------------------------------------------ parts

    def _bar(self) -> None:
        names = sorted(path.stem for path in config.SCENARIOS.glob("*.toml"))
        if self.session.name not in names:
            names.insert(0, self.session.name)
        self.scenario = pn.widgets.Select(
            name="scenario", options=names, value=self.session.name, width=150, css_classes=["scenario"]
        )
        self.seed = pn.widgets.TextInput(
            name="seed", value=str(self.session.seed), width=60, css_classes=["seed"]
        )
        self.load = pn.widgets.Button(name="Load", width=60, css_classes=["load"], align="end")
        self.play = pn.widgets.Button(
            name="Play", button_type="primary", width=90, css_classes=["play"], align="end"
        )
        self.one = pn.widgets.Button(name="Step", width=60, css_classes=["step"], align="end")
        self.minute = pn.widgets.Button(name="+ 1 min", width=70, css_classes=["minute"], align="end")
        self.pace = pn.widgets.Select(name="pace", options=PACES, width=150, css_classes=["pace"])
        self.again = pn.widgets.Button(name="Start over", width=90, css_classes=["again"], align="end")
        self.state = pn.pane.HTML(
            "", sizing_mode="stretch_width", min_width=280, max_width=390, css_classes=["state-box"]
        )
        other = "light" if self.dark else "dark"
        self.title = pn.pane.HTML(
            f'<span class="brand">CascadeLab</span><br><a href="?look={other}">{other} page</a>', width=110
        )
        self.bar = pn.Row(
            self.title, self.scenario, self.seed, self.load, pn.Spacer(width=10), self.play, self.one, self.minute,
            self.pace, self.again, pn.Spacer(width=10), self.state, sizing_mode="stretch_width",
        )  # fmt: skip
        self.load.on_click(lambda _: self._load())
        self.play.on_click(lambda _: self._play())
        self.one.on_click(lambda _: self._do(self.session.step(1)))
        self.minute.on_click(
            lambda _: self._do(self.session.step(round(60 / self.session.scenario.clock.step)))
        )
        self.again.on_click(lambda _: self._restart(()))
        self.pace.param.watch(lambda _: self._paced(), "value")

    def _changes(self) -> None:
        """The side: what is to be changed, from when on, and what is kept."""
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.moment = pn.widgets.Select(
            name="branch from", options={NOW: -1.0}, css_classes=["moment"], **wide
        )
        self.anew = pn.widgets.Button(name="Run anew with these", css_classes=["anew"], **wide)
        self.branch = pn.widgets.Button(name="Branch with these", css_classes=["branch"], **wide)
        self.drop = pn.widgets.Button(name="Drop these", css_classes=["drop"], **wide)
        self.keep_toml = pn.widgets.Button(name="Export scenario", css_classes=["keep-toml"], **wide)
        self.keep_run = pn.widgets.Button(name="Export run", css_classes=["keep-run"], **wide)
        self.kept = pn.pane.HTML("", css_classes=["kept"], **wide)
        self.anew.on_click(lambda _: self._anew())
        self.branch.on_click(lambda _: self._branch())
        self.drop.on_click(lambda _: self.form.begin())
        self.moment.param.watch(lambda _: self.form.go_to(self._from()), "value")
        self.keep_toml.on_click(lambda _: self._export(self.session.export_scenario))
        self.keep_run.on_click(
            lambda _: self._do(self.session.export_run(), self._say_kept, self._say_not_kept)
        )
        self.side = pn.Column(
            pn.pane.HTML("<h3>Change something</h3>"), self.form.layout, self.anew, self.moment, self.branch, self.drop,
            pn.pane.HTML("<h3>Keep</h3>"), pn.Row(self.keep_toml, self.keep_run, **wide), self.kept, width=296,
        )  # fmt: skip
        for one in (self.bar, self.side, self.market):
            style.dress(one)

    def _market(self) -> None:
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.coin = pn.widgets.Select(name="coin", width=110, css_classes=["coin"])
        self.book = pn.widgets.Select(name="book", width=250, css_classes=["book"])
        self.prices_at = pn.pane.Bokeh(None, css_classes=["prices"], **wide)
        self.flow_at, self.funds_at, self.equity_at = (pn.pane.Bokeh(None, **wide) for _ in range(3))
        self.graph_at = pn.pane.Bokeh(None, css_classes=["network"], **wide)
        self.ladder_at = pn.pane.HTML("", width=RIGHT - 8, css_classes=["ladder-box"])
        self.beside = pn.pane.HTML("", css_classes=["beside"], **wide)
        self.picked = TextInput(visible=False)
        self.picked.on_change("value", lambda _a, _o, new: self.account.choose(int(new.partition(" ")[0])))
        self.closings = ColumnDataSource({name: [] for name in latest(self.session.tape, 0)})
        self.closings.selected.js_on_change("indices", self._picks(self.closings))
        self.list = self._closings_table()
        self.coin.param.watch(lambda _: self._build(), "value")
        left = pn.Column(
            self.prices_at, self.flow_at,
            pn.Row(pn.Column(self.funds_at, **wide), pn.Column(self.equity_at, **wide), **wide),
            pn.pane.HTML("<h3>Closed by force, the latest first: click one to see why</h3>"),
            pn.pane.Bokeh(self.list, **wide), pn.pane.Bokeh(self.picked), **wide,
        )  # fmt: skip
        right = pn.Column(
            pn.Row(self.coin, self.book), self.ladder_at, self.graph_at,
            pn.pane.HTML("<h3>Beside the run before</h3>"), self.beside, width=RIGHT,
        )  # fmt: skip
        self.market = pn.Column(
            pn.Row(left, right, **wide), pn.pane.HTML("<h3>Account</h3>"), self.account.layout, **wide
        )

    def _closings_table(self) -> DataTable:
        dollars = NumberFormatter(format="0,0", text_align="right")
        prices = StringFormatter(text_align="right")
        columns = [
            TableColumn(field="clock", title="UTC", width=70),
            TableColumn(field="what", title="what", width=165),
            TableColumn(field="who", title="account", width=150),
            TableColumn(field="book", title="book", width=155),
            TableColumn(field="value", title="USD", width=110, formatter=dollars),
            TableColumn(field="price", title="at price", width=130, formatter=prices),
        ]
        table = DataTable(
            source=self.closings, columns=columns, index_position=None, height=270, sizing_mode="stretch_width",
            sortable=False, row_height=20, css_classes=["closings"], fit_columns=True, reorderable=False,
            scroll_to_selection=False, stylesheets=[style.INSIDE],
        )  # fmt: skip
        # a table is drawn anew when it has more or fewer lines; this one is full and goes on changing
        self.closings.js_on_change("data", CustomJS(args={"view": table.view}, code="view.change.emit()"))
        return table

    def _picks(self, source: ColumnDataSource) -> CustomJS:
        """What was clicked is what the browser shows there, whatever has happened here since.

        Nothing stays selected: lines move on, and the list would scroll to wherever the number of one has gone.
        """
        code = """
        const k = cb_obj.indices.at(-1);
        if (k === undefined) return;
        picked.value = `${source.data.owner[k]} ${Date.now()}`;
        cb_obj.indices = [];
        scrollTo({top: document.body.scrollHeight, behavior: "smooth"});  // its story is the last of the page
        """
        return CustomJS(args={"source": source, "picked": self.picked}, code=code)

    # ------------------------------------------------------------------ another run: everything anew

    def _begin(self) -> None:
        session = self.session
        self.generation = session.generation
        self.scenario.value = session.name if session.name in self.scenario.options else self.scenario.value
        self.seed.value = str(session.seed)
        coins = session.tape.coins()
        keep = self.coin.value if self.coin.value in coins else (coins[0] if coins else None)
        self.coin.options = coins
        self.coin.value = keep
        self.moment.value = -1.0  # a branch stands where it began
        self.form.begin()
        self._build()
        self.account.begin()

    def _build(self) -> None:
        """The charts of the chosen coin, unless they are there."""
        session, tape, dark = self.session, self.session.tape, self.dark
        wanted = (self.generation, self.coin.value)
        if wanted == self._built or self.coin.value not in tape.coins():
            return
        self._built = wanted
        duration = session.scenario.clock.duration
        every = max(
            1, round(duration / session.scenario.clock.step / session.scenario.record.every / charts.POINTS)
        )
        self.x_range = Range1d(*charts.span(tape, duration))
        self.prices = charts.Prices(tape, str(self.coin.value), self.x_range, every, dark)
        self.prices.dots.selected.js_on_change("indices", self._picks(self.prices.dots))
        self.flow = charts.Flow(tape, duration, self.x_range, dark)
        funds, self.funds = charts.funds(tape, self.x_range, every, dark)
        equity, self.equity = charts.equity(tape, self.x_range, dark)
        self.graph = Graph(tape, dark)
        news = [session.scenario.clock.seconds(one.time) for one in session.scenario.news]
        for made in (self.prices.figure, self.flow.figure, funds, equity):
            charts.moments(tape, made, news, style.PAPER[dark][2])
        for one in (self.prices, self.flow, self.funds, self.equity):
            one.begin(tape, session.previous)
        self.graph.follow(tape)
        self.turns = self._turns()
        names = [tape.books[k] for k in tape.of_coin(str(self.coin.value))]
        self.book.options, self.book.value = names, names[0]
        self.prices_at.object, self.flow_at.object = self.prices.figure, self.flow.figure
        self.funds_at.object, self.equity_at.object, self.graph_at.object = funds, equity, self.graph.figure

    _built: tuple[int, str | None] = (-1, None)

    # ------------------------------------------------------------------ ten times a second

    def look(self) -> None:
        """See what has happened and send it."""
        self.looks += 1
        session = self.session
        with pn.io.hold():
            self._answers()
            if session.generation != self.generation and session.tape.steps.count:
                self._begin()
            self._state()
            if session.generation != self.generation or not session.tape.books:
                return  # a large market takes a while to its first step
            self.prices.follow(session.tape)
            self.turns[self.looks % len(self.turns)]()

    def _turns(self) -> list[Callable[[], object]]:
        """What is seen at every look is time and prices; the rest takes turns: a browser draws a chart in 20 ms."""
        tape = self.session.tape
        return [
            lambda: self.flow.follow(tape), self._ladder, lambda: self.graph.follow(tape), self._read_slowly,
            lambda: self.funds.follow(tape), self._ladder, lambda: self.equity.follow(tape), self._list,
        ]  # fmt: skip

    def _read_slowly(self) -> None:
        self._moments()
        self.form.follow()
        self._compare()
        self.account.follow()

    def _state(self) -> None:
        session = self.session
        phase = session.phase  # before the time: where it says that time stands, it does
        playing = phase == PLAYING
        self.play.name = "Pause" if playing else "Play"
        for button in (self.play, self.one, self.minute):
            button.disabled = phase not in (PAUSED, PLAYING)
        self.keep_run.disabled = phase != ENDED
        now = session.tape.now
        share = 100.0 * now / max(session.scenario.clock.duration, 1e-9)
        rate = f"{session.rate:,.0f} s a second" if playing else ""
        told = {
            MAKING: "the market is being made",
            FAILED: "broke down",
            RECORDED: "a finished run",
            ENDED: "at its end",
        }
        said = escape(told.get(phase, phase))
        fault = f" <b>{escape(session.message)}</b>" if phase == FAILED else ""
        text = (
            f'<span class="clock">{session.tape.clock(now)}</span> UTC'
            f' <span class="state"><b>{said}</b> {rate}{fault} · {len(session.tape.owners):,} owners</span>'
            f'<div class="state title">{escape(session.scenario.title)}</div>'
            f'<div class="track"><i style="width:{share:.1f}%"></i></div>'
        )
        if text != self.state.object:
            self.state.object = text

    def _ladder(self) -> None:
        if self.session.phase == RECORDED:
            if not self.ladder_at.object:
                self.ladder_at.object = f"<p class='note'>{NO_LEVELS}</p>"
            return
        if self.asked is not None and self.asked.done():
            asked, self.asked = self.asked, None
            if asked.exception() is None:
                text = words.ladder(asked.result(), LEVELS)
                if text != self.ladder_at.object:
                    self.ladder_at.object = text
        if self.asked is None and self.book.value:
            book = str(self.book.value)
            self.asked = self.session.ask(lambda model: ladder(model, book, LEVELS))

    def _list(self) -> None:
        count = self.session.tape.events.count
        if (count, self.generation) != self._listed:
            self._listed = (count, self.generation)
            self.closings.data = latest(self.session.tape, LISTED)  # type: ignore[assignment]

    _listed = (-1, -1)

    def _moments(self) -> None:
        options = {NOW: -1.0} | {self.session.tape.clock(at): at for at in self.session.marks}
        if options != self.moment.options:
            keep = self.moment.value if self.moment.value in options.values() else -1.0
            self.moment.options, self.moment.value = options, keep

    def _compare(self) -> None:
        text = words.beside(self.session.tape, self.session.previous, self.session.changes)
        if text != self.beside.object:
            self.beside.object = text

    # ------------------------------------------------------------------ what buttons do

    def _play(self) -> None:
        if self.session.phase == PLAYING:
            self._do(self.session.pause())
        else:
            self._do(self.session.play(self.pace.value or None))

    def _paced(self) -> None:
        if self.session.phase == PLAYING:
            self._do(self.session.play(self.pace.value or None))

    def _load(self) -> None:
        self._try(lambda: self.session.choose(str(self.scenario.value), seed=int(self.seed.value)))

    def _restart(self, settings: tuple[tuple[str, str], ...]) -> None:
        self._try(lambda: self.session.restart(settings, int(self.seed.value)))

    def _anew(self) -> None:
        if not self.form.refused:  # a click may be on its way while a value is being refused
            self._restart(tuple(self.form.settings.items()))

    def _branch(self) -> None:
        if not self.form.refused:
            at = self._from()
            self._try(lambda: self.session.branch(tuple(self.form.settings.items()), at=at))

    def _from(self) -> float | None:
        """The mark that a branch begins with; None: now."""
        return None if self.moment.value < 0 else float(self.moment.value)

    def _without(self, owner: str) -> None:
        """What would the market have done without this one?"""
        at = self._from()
        self._try(lambda: self.session.branch((), remove=(owner,), at=at))

    def _export(self, write: Callable[[], Path]) -> None:
        try:
            self._say_kept(write())
        except OSError as error:
            self._say_not_kept(error)

    def _say_kept(self, path: Path) -> None:
        again = "cascade run" if path.suffix == ".toml" else "cascade figures"
        more = f" --seed {self.session.seed}" if path.suffix == ".toml" else ""
        self.kept.object = f"<p>{escape(str(path))}</p><p class='note'>{escape(f'{again} {path}{more}')}</p>"

    def _say_not_kept(self, error: BaseException) -> None:
        self.kept.object = words.faults(str(error).splitlines())

    def _buttons(self) -> None:
        """Buttons say what they can do with what is to be changed."""
        if hasattr(self, "anew"):
            settings, refused = bool(self.form.settings), bool(self.form.refused)
            self.anew.disabled = refused or not settings
            self.branch.disabled = refused
            self.drop.disabled = not (settings or refused)

    def _try(self, ask: Callable[[], Future[None]]) -> None:
        """Ask for something that may be refused at once."""
        try:
            self._do(ask())
        except (config.ScenarioError, ValueError) as error:
            self.form.refuse(error)

    def _do(
        self,
        answer: Future[Any],
        then: Callable[[Any], None] = lambda _: None,
        refused: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Remember to take the answer when it is there."""
        self.pending.append((answer, then, refused or self.form.refuse))

    def _answers(self) -> None:
        there = [one for one in self.pending if one[0].done()]
        self.pending = [one for one in self.pending if not one[0].done()]
        for answer, then, refused in there:
            error = answer.exception()
            if error is None:
                then(answer.result())
            else:
                refused(error)
