"""The form: a control a parameter, made from the scenario's own declarations; what is refused says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn

from experiments.config import ScenarioError
from experiments.dashboard import style, words
from experiments.dashboard.controls import Control, sections
from experiments.dashboard.session import Session

MOST = 40  # controls shown at once


class Form:
    """Changes that are not made yet: each is checked with those before it as soon as it is typed.

    A field shows what holds at the moment that a branch would begin with: a branch's own number, not its trunk's.
    `settings` is what has been accepted, `refused` what stands in a field and is not: while there is such,
    nothing may be made with the rest. The buttons that use them belong to the page.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self.session, self.changed = session, changed
        self.at: float | None = None  # seconds of the mark that a branch would begin with; None: now
        self.settings: dict[str, str] = {}
        self.refused: dict[str, list[str]] = {}
        self.section = pn.widgets.Select(
            name="parameters of", css_classes=["section"], sizing_mode="stretch_width"
        )
        self.filter = pn.widgets.TextInput(
            name="or search them all: name or meaning holds", placeholder="fees, leverage, depth ...",
            css_classes=["filter"], sizing_mode="stretch_width",
        )  # fmt: skip
        self.controls = pn.Column(
            css_classes=["controls"], sizing_mode="stretch_width", scroll=True, height=420
        )
        self.said = pn.pane.HTML("", css_classes=["said"], sizing_mode="stretch_width")
        self.pending = pn.pane.HTML("", css_classes=["pending"], sizing_mode="stretch_width")
        self.layout = pn.Column(
            self.section, self.filter, self.controls, self.said, self.pending, sizing_mode="stretch_width"
        )
        self.section.param.watch(lambda _: self._show(), "value")
        self.filter.param.watch(lambda _: self._show(), "value")
        self.begin()

    def begin(self) -> None:
        """Start over with the scenario as it stands."""
        self.settings = {}
        self._read()

    def follow(self) -> None:
        """See whether an intervention has come meanwhile; what is being typed stays in its field."""
        if self.at is None and self._acting() != self.acting and not self.refused:
            self._read()

    def go_to(self, at: float | None) -> None:
        """Show what held at a mark, or holds now; what is to be changed stays so."""
        self.at = at
        self._read()

    def _acting(self) -> int:
        return sum(one.at <= self.session.tape.now for one in self.session.scenario.interventions)

    def _read(self) -> None:
        self.acting = self._acting()
        self._sections = sections(self.session.standing(self.at))
        names = list(self._sections)
        chosen = self.section.value if self.section.value in names else (names[0] if names else None)
        self.section.options = names
        self.section.value = chosen
        self._show()

    def _show(self) -> None:
        wanted = self.filter.value.strip().lower()
        if wanted:
            pool = [one for some in self._sections.values() for one in some]
            found = [one for one in pool if wanted in f"{one.path} {one.description}".lower()]
        else:
            found = self._sections.get(self.section.value, [])
        shown: list[Any] = [self._control(one, bool(wanted)) for one in found[:MOST]]
        if len(found) > MOST:
            shown.append(
                pn.pane.HTML(f"<p class='note'>and {len(found) - MOST} more: say what you look for</p>")
            )
        for made in shown:
            style.dress(made)
        self.controls.objects = shown
        self.refused = {}  # a field that is made anew shows what has been accepted
        self._tell([])

    def _control(self, one: Control, whole: bool) -> Any:
        unit = f", {one.unit}" if one.unit else ""
        name = f"{one.path if whole else one.name}{unit}"
        about = f"{one.description}. {f'Range {one.range}. ' if one.range else ''}Source: {one.source}. ({one.path})"
        value = self.settings.get(one.path, one.value)
        common: dict[str, Any] = {
            "name": name, "description": about, "css_classes": ["control", _class(one.path)],
            "sizing_mode": "stretch_width",
        }  # fmt: skip
        if one.choices and value in one.choices:
            made = pn.widgets.Select(options=one.choices, value=value, **common)
        else:
            made = pn.widgets.TextInput(value=value, placeholder=one.range, **common)
        made.param.watch(lambda event: self.set(one, str(event.new)), "value")
        return made

    def set(self, one: Control, value: str) -> None:
        """Take a change in, or say why not; what was accepted before stays."""
        tried = {path: text for path, text in self.settings.items() if path != one.path}
        if value != one.value:
            tried[one.path] = value
        try:
            if tried:
                self.session.check(list(tried.items()))
        except ScenarioError as error:
            self.refused[one.path] = error.faults
        else:
            self.settings = tried
            self.refused.pop(one.path, None)
        self._tell([])

    def refuse(self, error: BaseException) -> None:
        """Say why a change that had been accepted could not be made after all."""
        self._tell(error.faults if isinstance(error, ScenarioError) else str(error).splitlines())

    def _tell(self, faults: list[str]) -> None:
        self.said.object = words.faults([*(line for some in self.refused.values() for line in some), *faults])
        lines = [[path, value] for path, value in self.settings.items()]
        self.pending.object = words.table(["to be changed", "to"], lines) if lines else ""
        self.changed()


def _class(path: str) -> str:
    """A class of CSS that names the parameter."""
    return "at-" + "".join(letter if letter.isalnum() else "-" for letter in path)
