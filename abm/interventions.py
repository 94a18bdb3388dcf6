"""Interventions: what is done to a running market from a time on, as data.

Another rule or number, owners taken out, liquidations absorbed at mark. An intervention at T acts after the step that
ends at T and before anything of the next one; everything that it does not name stays as it is, and no draw moves,
because draws are keyed. One that changes nothing leaves the run as it was, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.enactment import rewrite_rules
from abm.state import NONE
from abm.takeover import absorb
from abm.venue import News, VenueRules

if TYPE_CHECKING:
    from abm.channels import NetworkParameters
    from abm.model import CascadeModel


@dataclass(frozen=True)
class Intervention:
    """One change of a running market.

    Args:
        time_ms: when, in milliseconds since the start.
        rules: the venues' rules from then on. parameters: of every participant, by name.
        news: all pieces of news, those that are out unchanged. network: with the events from then on.
        remove: names of owners whose orders end, whose positions the venue takes at mark, and from whom nothing is
            accepted any more; what they have stays theirs.
        absorb: (row, ms) of liquidations: the venue takes the row's positions at their marks in the step that ends
            then, if it would be liquidated in it. No order of it reaches the book, and its equity stays its own.
    """

    time_ms: int
    rules: Mapping[str, VenueRules]
    parameters: Mapping[str, Any]
    news: Sequence[News]
    network: NetworkParameters
    remove: Sequence[str] = ()
    absorb: Sequence[tuple[int, int]] = ()


class Programme:
    """The interventions of a run, in the order of their times."""

    def __init__(self, interventions: Sequence[Intervention]) -> None:
        self.all = sorted(interventions, key=lambda one: one.time_ms)
        self._spared: dict[int, list[int]] = {}
        for one in self.all:
            for row, time in one.absorb:
                self._spared.setdefault(time, []).append(row)

    def begin(self, model: CascadeModel) -> None:
        """At the start of a step: whatever has come due since the last one."""
        now, step = model.now, model.step_ms
        for one in self.all:
            if now - step < one.time_ms <= now:
                change_rules(model, one)
                for owner in one.remove:
                    remove(model, owner)

    def restore(self, model: CascadeModel, now: int) -> None:
        """Bring a model that was built anew to the rules that hold after the step that ended at `now`."""
        for one in self.all:
            if one.time_ms <= now - model.clock.step_ms:
                change_rules(model, one)

    def spare(self, model: CascadeModel, on: bool) -> None:
        """Mark the rows whose liquidation is absorbed in the step of now, or take the marks off again."""
        for row in self._spared.get(model.now, ()):
            model.state.rows["spared"][row] = on


def change_rules(model: CascadeModel, one: Intervention) -> None:
    """Put rules, parameters, news and network events in the place of those that were."""
    if dict(one.rules) != model.rules:
        rewrite_rules(model.state, model.clock, one.rules, model.books, model.asset_scales, model.rules)
        model.rules = dict(one.rules)
    for participant in model.participants:
        participant.parameters = one.parameters[participant.name]
        model.desks[participant.name].set_latency(participant.parameters.latency_ms)
    news = sorted(one.news, key=lambda n: n.time)
    if news != model.news:
        model.news = news
        model.schedule_news()
    model.network.expect(one.network, model.clock.start)


def remove(model: CascadeModel, owner: str) -> None:
    """Take an owner out of the market. Raises ValueError if there is none of that name."""
    number = model.accounts.owner_names.index(owner)
    s = model.state
    rows = s.rows[: s.count("rows")]
    for row in np.flatnonzero((rows["owner"] == number) & (rows["exempt"] == 0)).tolist():
        s.rows["gone"][row] = 1
        if rows["venue"][row] < len(model.venue_names):
            model.make_room()
            absorb(s.address, row, NONE)
