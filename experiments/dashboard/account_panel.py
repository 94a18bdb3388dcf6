"""One account: how it stands, its book's mark against the price at which it fails, and why it was liquidated."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import panel as pn

from experiments.dashboard import closings, people, words
from experiments.dashboard.account_chart import account_chart
from experiments.dashboard.session import ENDED, PAUSED, RECORDED, Session, Told
from experiments.dashboard.standing import accounts_of

HINT = (
    "<p class='note'>Click a line of the list or a dot in the chart, or look for a name, to see an account: what it"
    " holds, at which mark it fails, and if its venue has closed it, why.</p>"
)


class AccountPanel:
    """The chosen account of a tab."""

    def __init__(self, session: Session, dark: bool, without: Callable[[str], None]) -> None:
        self.session, self.dark = session, dark
        self.owner: int | None = None
        self.name = ""
        self.search = pn.widgets.TextInput(
            name="account", placeholder="a name, such as longs/75", css_classes=["search"], width=230
        )
        self.found = pn.widgets.MultiSelect(
            name="of whom most was closed", options={}, css_classes=["found"], width=230, size=14
        )
        self.leave = pn.widgets.Button(
            name="Branch without this account", css_classes=["without"], width=230, disabled=True
        )
        self.leave.on_click(lambda _: self.owner is not None and without(session.tape.name(self.owner)))
        self.now = pn.pane.HTML(HINT, css_classes=["standing"], sizing_mode="stretch_width")
        self.why = pn.pane.HTML("", css_classes=["story"], sizing_mode="stretch_width")
        self.chart = pn.pane.Bokeh(
            None, sizing_mode="stretch_width", visible=False, css_classes=["account-chart"]
        )
        self.numbers = pn.pane.HTML("", css_classes=["numbers"], sizing_mode="stretch_width")
        row = pn.Row(
            pn.Column(self.search, self.found, self.leave, width=245),
            pn.Column(self.now, self.chart, sizing_mode="stretch_width"),
            pn.Column(self.why, sizing_mode="stretch_width", css_classes=["told"], scroll=True, height=370),
            sizing_mode="stretch_width",
        )
        self.layout = pn.Column(row, self.numbers, sizing_mode="stretch_width")
        self.search.param.watch(lambda _: self._look(), "value_input")
        self.search.param.watch(lambda event: self._enter(event.new.strip()), "value")
        self.found.param.watch(lambda event: event.new and self.choose(int(event.new[-1])), "value")
        self._standing: Future[Any] | None = None
        self._story: Future[Told] | None = None
        self._as_of = (0, 0.0)
        self._look()

    def begin(self) -> None:
        """Another run, or another look at it: the account that was asked for last, if there is one of its name."""
        self._standing = self._story = None
        wanted = self.name or self.session.asked_for
        if wanted in self.session.tape.owners:
            self.choose(self.session.tape.owners.index(wanted))
        self._look()

    def choose(self, owner: int) -> None:
        """Show this owner from now on."""
        self.owner = owner
        name = self.name = self.session.asked_for = self.session.tape.name(owner)
        self.leave.disabled = self.session.phase == RECORDED
        self.why.object = (
            f"<p class='note'>{words.escape(name)}: working out why; the first account of a run with millions of"
            " fills takes a minute, the next ones seconds ...</p>"
        )
        self.numbers.object = ""
        self._story = self.session.tell(owner)
        self._standing = None
        self._as_of = self._latest()

    def follow(self) -> None:
        """Take answers that have come, and ask again."""
        if self.session.tape.events.count != self._count:
            self._look()
        if self._story is not None and self._story.done():
            self._take_story(self._story)
            self._story = None
        elif self._story is None and self.owner is not None and self._latest() != self._as_of:
            self._as_of = self._latest()
            self._story = self.session.tell(self.owner)
        self._stand()

    _count = -1

    def _look(self) -> None:
        tape = self.session.tape
        self._count = tape.events.count
        text = self.search.value_input or self.search.value or ""
        hits = people.find(tape, text)
        options = {
            f"{one.name}   {words.money(one.closed)}$" if one.closed else one.name: one.owner for one in hits
        }
        if options != self.found.options:
            with pn.io.hold():
                keep = [one for one in self.found.value if one in options.values()]
                self.found.options, self.found.value = options, keep
        if len(hits) == 1 and text.strip() and hits[0].owner != self.owner:
            self.choose(hits[0].owner)

    def _enter(self, name: str) -> None:
        """A whole name was given: that one, though others begin with it."""
        self._look()
        if name in self.session.tape.owners:
            self.choose(self.session.tape.owners.index(name))

    def _latest(self) -> tuple[int, float]:
        """Its own closings, and the time at which the run stands, if it does: a story is older than either."""
        tape = self.session.tape
        closed = 0 if self.owner is None else len(closings.of(tape, self.owner, either=True))
        return closed, tape.now if self.session.phase in (PAUSED, ENDED) else self._as_of[1]

    def _stand(self) -> None:
        owner = self.owner
        if owner is None or self.session.phase == RECORDED:
            return
        if self._standing is None:
            self._standing = self.session.ask(lambda model: (accounts_of(model, owner), model.now / 1000.0))
        elif self._standing.done():
            asked, self._standing = self._standing, None
            if asked.exception() is None:
                accounts, now = asked.result()
                tape = self.session.tape
                text = words.standing(accounts, tape.name(owner), tape.clock(now), tape.unit)
                if text != self.now.object:
                    self.now.object = text

    def _take_story(self, asked: Future[Told]) -> None:
        error = asked.exception()
        if error is not None:
            self.why.object = words.faults(str(error).splitlines())
            return
        told = asked.result()
        if told.owner != self.owner:
            return
        self.why.object, self.numbers.object = words.story(told.parts), words.numbers(told.parts)
        if self.session.phase == RECORDED:
            self.now.object = f"<h4>{words.escape(self.session.tape.name(told.owner))}</h4>"
        self.chart.object = account_chart(
            self.session.tape, told, self.session.scenario.clock.duration, self.dark
        )
        self.chart.visible = self.chart.object is not None
