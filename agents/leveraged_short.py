"""Leveraged short: has sold a perpetual on margin and hopes that it falls.

The side that a fall enriches and that auto-deleveraging takes from. Open interest falls only where both
sides close: in October 2025 it fell by more than a quarter while hardly a short of the opening was
liquidated, so most shorts that went must have taken their profit (or unwound a hedge: `agents.hedger`). The
rule is in `agents.leveraged`.
"""

from __future__ import annotations

from typing import ClassVar

from abm.parameters import parameter
from agents.leveraged import Leveraged


class LeveragedShort(Leveraged):
    """Sells what it does not own; bad news is a rise."""

    SIDE: ClassVar[int] = -1

    class Parameters(Leveraged.Parameters):
        """The common parameters; the defaults are the shorts'."""

        profit_share: float = parameter(
            0.50,
            "Accounts that take profit at a level",
            unit="share of accounts",
            source="open interest of October 2025: 17-18 % of the short side closed on its own",
            ge=0,
            le=1,
        )
