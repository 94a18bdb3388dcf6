"""Leveraged long: holds a perpetual on margin and hopes that it rises.

The side that a fall liquidates. On 10-11 October 2025 85-90 % of what was liquidated was long. The rule is
in `agents.leveraged`; this card holds what differs: longs seldom set a profit target and buy again after a
fall less readily than shorts do after a rise.
"""

from __future__ import annotations

from typing import ClassVar

from abm.parameters import parameter
from agents.leveraged import Leveraged


class LeveragedLong(Leveraged):
    """Buys with borrowed money; bad news is a fall."""

    SIDE: ClassVar[int] = 1

    class Parameters(Leveraged.Parameters):
        """The common parameters; the defaults are the longs'."""

        profit_share: float = parameter(
            0.10, "Accounts that take profit at a level", unit="share of accounts", ge=0, le=1
        )
