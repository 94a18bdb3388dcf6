"""Lenders' lines as they stand: which of them pay out ahead, and over which edges.

Whoever sends over an edge with a line that has something left need not wait for the stations behind it: the lender
does. So a venue that has stopped its own withdrawals can still be left by who has credit. It is not the venue that lets
out, and the edge is not open: nobody travels over it to somewhere else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.stations import CREDIT, NONE, Tables

Bools = NDArray[np.bool_]


class Lenders:
    """The lines of a network.

    Args:
        tables: the network's.

    Attributes:
        any: whether there are lines.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        kind, paths = tables["resources"]["kind"], tables["paths"]
        # of each place on a path: the line there, or the last one before it
        self._before = np.full(len(paths), NONE)
        for edge in tables["edges"]:
            for place in range(edge["first"] + 1, edge["last"]):
                at = paths[place]
                self._before[place] = at if kind[at] == CREDIT else self._before[place - 1]
        self.any = bool((self._before != NONE).any())

    def paying(self) -> Bools:
        """bool[resources]: lines that work and have something left to pay out."""
        x, stress = self._tables["resources"], self._tables["meta"]["stress"]
        cut = (x["reference"] >= 0) & (stress >= x["reference"])
        left = np.where(cut, x["share"] * x["cap"], x["cap"]) - x["room"]
        works = x["open"] & ~x["failed"] & x["admits"]
        return np.asarray((x["kind"] == CREDIT) & works & (left > 0.0))

    def ahead(self, works: Bools) -> Bools:
        """bool[edges]: whether a line pays out what comes onto an edge now, and nothing before it is shut.

        Args:
            works: bool[places of paths], whether the station there takes and serves transfers.
        """
        edges = self._tables["edges"]
        places, first = slice(None, edges["last"].max()), edges["first"]
        behind = (self._before != NONE) & self.paying()[self._before]
        reached = np.logical_and.reduceat((works | behind)[places], first)
        return np.asarray(reached & np.logical_or.reduceat(behind[places], first))
