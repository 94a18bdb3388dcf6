"""Participants: Mesa agents that decide for all their accounts in one call.

A species is one file in `agents/` with a subclass of `Participant`: its parameters, `setup` and `decide`. All that it
remembers lives in `self.memory`, a dict of arrays and numbers, so that a run can be saved and resumed anywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import mesa
import numpy as np

from abm.market import Market
from abm.me import Me
from abm.parameters import Frozen, parameter

if TYPE_CHECKING:
    from abm.model import CascadeModel


class _Counters(WeakKeyDictionary):  # type: ignore[type-arg]
    """Numbers of the agents of each model. Mesa's own table holds on to every model that ever was, and with it to all
    of its arrays; this one lets go.
    """

    def __getitem__(self, model: Any) -> Iterator[int]:
        counter: Iterator[int] = self.setdefault(model, itertools.count(1))
        return counter


class Participant(mesa.Agent):  # type: ignore[misc]
    """Base of all species.

    Example::

        class Contrarian(Participant):
            class Parameters(Participant.Parameters):
                size: float = parameter(0.01, "Size of an order", unit="coins", gt=0)

            def decide(self, me, market):
                book = market.perps[0]
                if market.last[book] < market.index[book]:
                    me.market_order(0, book, +1, self.parameters.size)
    """

    class Parameters(Frozen):
        """What every species has."""

        feed_delay: float = parameter(0.0, "Age of the public record it sees", unit="seconds", ge=0, le=60)
        latency_ms: float = parameter(
            50.0, "Time from deciding to the venue's door", unit="milliseconds", ge=0, le=60_000
        )

    _ids = _Counters()
    runs_venues: ClassVar[bool] = False  # the exchange: its rows are the venues' funds

    def __init__(self, model: CascadeModel, name: str, parameters: Any = None) -> None:
        super().__init__(model)
        self.name = name
        self.parameters = parameters if parameters is not None else self.Parameters()
        self.memory: dict[str, Any] = {}

    @property
    def venue_names(self) -> list[str]:
        """Names of the venues, by id."""
        return list(self.model.venue_names)

    @property
    def asset_names(self) -> list[str]:
        """Names of the assets, by id."""
        return list(self.model.asset_names)

    def setup(self, me: Me, market: Market) -> None:
        """Look at the own accounts once, after they have been opened."""

    def decide(self, me: Me, market: Market) -> None:
        """Look, and send orders, cancels and transfers through `me`."""

    def state(self) -> dict[str, Any]:
        """A copy of the memory."""
        return {
            name: np.array(value) if isinstance(value, np.ndarray) else value
            for name, value in self.memory.items()
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over a memory from `state`."""
        self.memory = {
            name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in saved.items()
        }
