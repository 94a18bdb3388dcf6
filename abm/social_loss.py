"""Social loss: what a failed position lacks is paid by all who hold the contract, longs and shorts alike, by the lot.

No contract is closed against anybody (Drift: the loss per unit of base moves the funding index of both sides). The
position itself must be somewhere: here the pool that insures the contract takes it over at the ADL price and sells it
like all that it holds; what the pool's own equity cannot bear of the difference to the mark is the loss that is shared.
Nobody pays more than his equity; what is then still missing stays with the pool, and so with the venue.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import numpy as np

from abm.allocation import Ints, filled, whole


def loss_per_unit(loss: float, longs: float, shorts: float, decimals: int = 6) -> float:
    """Quote units that each unit of base pays, rounded up to so many decimals (Drift: loss / total base)."""
    exact = Decimal(str(loss)) / (Decimal(str(longs)) + Decimal(str(shorts)))
    return float(exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_CEILING))


def charges(deficit: int, lots: Ints, equity: Ints, key: Ints) -> Ints:
    """Units that each holder pays: the same for every lot, at most his equity, together the deficit or all they have.

    Args: int64[n]: lots held without sign, equity in units, the accounts' own numbers for ties.
    """
    most = np.maximum(equity, 0)
    return whole(filled(float(deficit), lots.astype(float), most.astype(float)), deficit, most, key)
