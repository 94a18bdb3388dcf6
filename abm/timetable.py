"""What happens to a network at given times: recorded events, and calendars that open and shut its gates."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from abm.calendar import milliseconds
from abm.channels import NetworkEvent, NetworkParameters, matching
from abm.hours import HoursParameters, state_at
from abm.layout import MILLISECOND
from abm.rails import Rails
from abm.switches import set_edges, set_resources


class Timetable:
    """The events and calendars of one network.

    Args:
        rails: what they change.
        start: UTC start of the run.
    """

    def __init__(self, rails: Rails, start: datetime) -> None:
        self._rails = rails
        self.next_event = 0
        self.expect(rails.parameters, start)
        self._calendars = {
            rails.resource(name): resource
            for name, resource in rails.parameters.resources.items()
            if isinstance(resource, HoursParameters)
        }
        for number in self._calendars:
            self._turn(number)

    def expect(self, parameters: NetworkParameters, start: datetime) -> None:
        """Take over the events of a description; those whose time is past must be the ones that there were."""
        self._start, self._rails.parameters = start, parameters
        self._events = sorted(
            (milliseconds(start, event.time), n) for n, event in enumerate(parameters.events)
        )

    def run(self, now_ms: int) -> None:
        """Let the network work until `now_ms`, events and calendars at their own times."""
        rails = self._rails
        while True:
            event_ms = self._events[self.next_event][0] if self.next_event < len(self._events) else math.inf
            turn_ms, number = min(
                ((float(rails.resources["clock_ms"][r]), r) for r in self._calendars), default=(math.inf, -1)
            )
            if min(event_ms, turn_ms) > now_ms:
                break
            time_ms = int(min(event_ms, turn_ms))
            rails.work(rails.now_ms, time_ms)
            rails.now_ms = max(rails.now_ms, time_ms)
            if turn_ms < event_ms:
                self._turn(number)
                rails.work(time_ms, -math.inf, np.array([-1 - number]))
                rails.publish(time_ms)
            else:
                self._happen(time_ms, rails.parameters.events[self._events[self.next_event][1]])
                self.next_event += 1
        rails.work(rails.now_ms, now_ms)
        rails.now_ms = now_ms

    def resume(self, next_event: int) -> None:
        """Go on after so many events, with the gates as the tables have them."""
        self.next_event = next_event
        for number in self._calendars:
            is_open = self._rails.resources["open"][number]
            self._turn(number)
            self._rails.resources["open"][number] = is_open

    def _turn(self, number: int) -> None:
        """Open or shut a gate as its calendar has it now, and note when that changes next."""
        rails, hours = self._rails, self._calendars[number]
        is_open, until = state_at(hours.calendar, self._start + MILLISECOND * rails.now_ms, hours.cutoff)
        rails.resources["open"][number] = is_open and hours.open
        turn = math.inf if until is None else float(milliseconds(self._start, until))
        rails.resources["clock_ms"][number] = turn

    def _happen(self, time_ms: int, event: NetworkEvent) -> None:
        rails = self._rails
        recorded = rails.parameters.stops in ("as_recorded", "both")
        is_open = event.open if recorded else None
        if event.resource is None:
            set_edges(rails, rails.select(event.edge), time_ms, is_open, event.capacity, event.latency)
            return
        numbers = [rails.resource(name) for name in matching(event.resource, rails.parameters.resources)]
        set_resources(rails, numbers, time_ms, is_open, event.duration, event.load, event.limit)
