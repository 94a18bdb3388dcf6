"""How lively a market is: a product of multipliers that change at times of their own, from a minute to days.

Theory. The Markov-switching multifractal of Calvet and Fisher (2004), there of volatility, as an intensity of trading
(Chen, Diebold and Schorfheide 2013, who call it MSMD): people come to look at a market in waves of all lengths. Each of
`COMPONENTS` multipliers is 1 + swing or 1 - swing with equal odds and is drawn anew at random, the first every `soon`
seconds on average, the last every `late`, the others at a constant ratio between. The mean of the product is one, and
its autocorrelation falls about as a power of time between the two. All coins and venues share it: nobody is alone in
looking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.random import key_of, uniform

Floats = NDArray[np.float64]
COMPONENTS = 8
_NAMES = np.array([key_of(f"mood {k}") for k in range(COMPONENTS)])


def begin(bits: NDArray[np.int64]) -> Floats:
    """float64[COMPONENTS]: +1 or -1 each, by one draw's bits (int64[1])."""
    return np.where(uniform(key_of("mood, first"), bits ^ _NAMES) < 0.5, 1.0, -1.0)


def move(state: Floats, bits: NDArray[np.int64], dt: float, soon: float, late: float) -> None:
    """Draw anew, in place, those whose time it is in a step of `dt` seconds; `bits` (int64[1]) are the step's draw."""
    rate = 1.0 / np.geomspace(soon, late, COMPONENTS)
    due = uniform(key_of("mood, when"), bits ^ _NAMES) < -np.expm1(-dt * rate)
    fresh = begin(bits)
    state[due] = fresh[due]


def liveliness(state: Floats, swing: float) -> float:
    """The product of the multipliers, mean one."""
    return float(np.prod(1.0 + swing * state))
