"""Flow that makers did not see coming: what a coin's net taker flow is beyond what its own past lets them expect.

Theory. Surprise in order flow moves prices, not flow itself (Madhavan, Richardson and Roomans 1997): who watches orders
that come in runs learns little from the next of a run, and prices stay unpredictable although signs are not (Bouchaud
et al. 2004; Taranto et al. 2018). Expectations are a regression of flow on averages of its past from a second to three
minutes, in the manner of Hasbrouck (1991), which makers estimate as they go by recursive least squares and forget
over some hours: nobody tells them how long people's orders run. How much a surprise is worth they know by its rarity:
impact is the volatility of value over that of flow (Kyle 1985, lambda), so that a standard deviation of what surprises
in a coin moves its price by one of the coin's calm volatility, thin or deep. One compiled pass; its twin in numpy is
`tests.twins.surprise`.
"""

from __future__ import annotations

import numpy as np

from abm.jit import CONSTANT, inlined, kernel

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

TIMES = np.array([1.0, 5.0, 20.0, 60.0, 200.0])  # s, of the averages
NEAR = 3  # of these, the first: what comes within seconds
LARGE = 3.0  # standard deviations of a calm step: an impact of which no more than half is believed
DOUBT = 1.0  # variance of the weights at the start, over that of what they are to explain
BEFORE = 300.0, 0.05  # s of flow that makers have seen before the start; root mean square of its surprises


def begin(coins: int) -> dict[str, np.ndarray]:
    """What makers remember of the flow in each coin: averages, weights, how sure they are of these, and how large
    surprises have been (seconds, sum of squares)."""
    k = len(TIMES)
    seconds, size = BEFORE
    return {
        "echo": np.zeros((coins, k)),
        "weight": np.zeros((coins, k)),
        "doubt": np.tile(DOUBT * np.eye(k), (coins, 1, 1)),
        "rarity": np.tile([seconds, seconds * size**2], (coins, 1)),
    }


@inlined
def _learn(y, x, w, p, remembers, toward):
    """One step of recursive least squares: weights and doubt moved on; returns by how much y was not expected."""
    n = len(x)
    error, spread = y, remembers
    for k in range(n):
        error -= w[k] * x[k]
        toward[k] = 0.0
        for j in range(n):
            toward[k] += p[k, j] * x[j]
        spread += x[k] * toward[k]
    for k in range(n):
        w[k] += toward[k] / spread * error
        for j in range(n):
            p[k, j] = (p[k, j] - toward[k] * toward[j] / spread) / remembers
    return error


@kernel(
    f"void(f8,f8,f8[::1],{CONSTANT},{CONSTANT},f8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[:,::1],f8[:,::1],"
    "f8[:,:,::1],f8[:,::1],f8[::1],f8[::1])"
)
def surprised(
    dt,
    remembers,
    keep,
    volume,
    taker_buy,
    convert,
    coin,
    calm,
    target,
    left,
    unit_of,
    echo,
    weight,
    doubt,
    rarity,
    told,
    ahead,
):
    """Work out the surprise of a step in every coin, and learn from it what to expect.

    Args:
        dt: seconds. remembers: what a step leaves of the weight of the past in the regression; keep: float64[K], of
        each average. volume, taker_buy: the public record, [books]. convert: common dollars of one in the quote asset.
        coin: of the books. calm: volatility a root second. target: calm depth in dollars within `unit_of` (a log
        distance); left: share.
        echo, weight: float64[coins, K], doubt: float64[coins, K, K], rarity: float64[coins, 2], moved on.
        told: float64[coins], out: the surprise by the depth it met, and less the larger it is; ahead: what is expected
        of the next step by the `NEAR` averages; in standard deviations of surprise.
    """
    coins, n = len(told), len(keep)
    size, usual, toward = np.zeros(coins), np.zeros(coins), np.empty(n)
    for b in range(len(coin)):
        c = coin[b]
        size[c] += unit_of[b] * (2.0 * taker_buy[b] - volume[b]) * convert[b] / left[b]
        usual[c] += target[b] * LARGE * calm[b] * np.sqrt(dt)
    for c in range(coins):
        told[c] = ahead[c] = 0.0
        if not usual[c] > 0:
            continue
        y = size[c] / (usual[c] + abs(size[c]))
        x, w = echo[c], weight[c]
        error = _learn(y, x, w, doubt[c], remembers, toward)
        for k in range(n):
            x[k] = keep[k] * x[k] + (1.0 - keep[k]) * y
            if k < NEAR:
                ahead[c] += w[k] * x[k]
        rarity[c, 0] = remembers * rarity[c, 0] + dt
        rarity[c, 1] = remembers * rarity[c, 1] + error * error * dt
        deviation = np.sqrt(rarity[c, 1] / rarity[c, 0])
        told[c] = error / deviation
        ahead[c] /= deviation
