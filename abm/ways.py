"""How a request would travel: over which edges, what they take, and whether they take it at all.

What is found is kept until something published changes. An owner that asks for certainty goes by what it knows: how
many of its own transfers over an edge came in time.
"""

from __future__ import annotations

import math
from typing import Any

from abm.jit import zeros
from abm.punctuality import Punctuality
from abm.rails import Rails
from abm.requests import ACCEPTED, NO_CAPACITY, NO_ROUTE, SHUT, WAY
from abm.routes import By
from abm.units import RATE

Ends = tuple[int, int, int, int]  # source, target, asset that is sent, asset that arrives
FIRST_WAYS = 64


class Ways:
    """The ways over the rails as they are now.

    Args:
        rails: what they lead over.

    Attributes:
        table: `WAY` records; which of them are in use `numbers` says.
        punctuality: what owners have learned of edges.
    """

    def __init__(self, rails: Rails) -> None:
        self._rails = rails
        self.table = zeros(FIRST_WAYS, WAY)
        self._listed: dict[Ends, int] = {}
        self._generation = -1  # of what is published, for which these were found
        self.punctuality = Punctuality()

    def numbers(self, ends: list[Ends], owners: list[int], by: By) -> list[int]:
        """Where in `table` the ways of requests are; those not by list, which follow waits, for this call only."""
        if self._generation != self._rails.generation:
            self._generation = self._rails.generation
            self._listed.clear()
        if by == "listed":
            known, found = self._listed, []
            for one in ends:
                number = known.get(one)
                if number is None:
                    number = known[one] = self._note(len(known), one, by, -1)
                found.append(number)
            return found
        found, passing = [], dict[tuple[Any, ...], int]()
        for one, owner in zip(ends, owners, strict=True):
            which = (one, owner) if by == "certainty" else one
            if which not in passing:
                passing[which] = self._note(len(self._listed) + len(passing), one, by, owner)
            found.append(passing[which])
        return found

    def _note(self, number: int, ends: Ends, by: By, owner: int) -> int:
        if number == len(self.table):
            grown = zeros(2 * number, WAY)
            grown[:number] = self.table
            self.table = grown
        path = self.path(*ends, by, owner)
        edges = [self._rails.edges[edge] for edge in path]
        way = self.table[number]
        way["path"][:] = 0
        way["path"][: len(path)] = path
        way["hops"], way["fee"] = len(path), sum(int(edge["fee"]) for edge in edges)
        way["largest"] = min((int(edge["largest"]) for edge in edges), default=1)
        way["code"] = self._code(edges)
        return number

    def path(
        self, source: int, target: int, asset: int, asset_to: int, by: By = "listed", owner: int = -1
    ) -> tuple[int, ...]:
        """Edges between two nodes as they are now; empty if there are none."""
        rails, ends = self._rails, (source, target, asset, asset_to)
        if by == "listed":
            return rails.routes.find(rails.edges, *ends)
        memory = () if by == "certainty" else (by,)
        return rails.routes.best(rails.edges, *ends, self._weight(by, owner), memory)

    def _code(self, edges: list[Any]) -> int:
        """Why nothing can be sent over edges, or ACCEPTED."""
        if not edges:
            return NO_ROUTE
        if any(edge["capacity"] <= 0 for edge in edges):
            return NO_CAPACITY
        if any(
            not edge["open"] and not edge["ahead"] and (edge["refuses"] or self._unwanted(edge))
            for edge in edges
        ):
            return SHUT
        return ACCEPTED

    def _unwanted(self, edge: Any) -> bool:
        """Whether the owner of one of an edge's stations lets nothing in by its own rule."""
        stations = self._rails.tables["paths"][edge["first"] : edge["last"]]
        return not self._rails.resources["admits"][stations].all()

    def _weight(self, by: By, owner: int) -> Any:
        """What one edge weighs for a way of choosing; ties go to the faster."""
        if by == "time":
            return self._rails.delay
        if by == "cost":
            return lambda n: (
                float(self._rails.edges["fee"][n] * self._rails.worth[self._rails.edges["asset"][n]])
                + float(self._rails.edges["rate"][n]) / RATE * 1e5
                + 1e-9 * min(self._rails.delay(n), 1e6)
            )
        return lambda n: -math.log(self.kept(owner, n)) + 1e-9 * min(self._rails.delay(n), 1e6)

    def kept(self, owner: int, edge: int) -> float:
        """How likely an owner thinks that an edge is in time, by its own transfers over it (rule of succession)."""
        count, good = self.punctuality.known(owner, edge)
        return (1 + good) / (2 + count)
