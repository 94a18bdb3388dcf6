"""What a maker sends for its levels: the arithmetic that runs over every station, side and level of every look.

One compiled pass instead of some forty operations on small tables; its twin in plain numpy is `tests.twins.quotes`.
Side 0 bids, side 1 offers. Tables of all stations are indexed by `due`, those of a look by its place in `due`.
"""

from __future__ import annotations

import numpy as np

from abm.jit import kernel

# mypy: disable-error-code="no-untyped-def"


@kernel(
    "void(i8[::1],f8[::1],f8[::1],f8[::1],f8,f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1],"
    "f8[:,:,::1],f8[:,:,::1],i8[:,:,::1],f8[:,:,::1],f8[:,:,::1],f8[:,:,::1],f8[:,:,::1],b1[:,:,::1])"
)
def requote(
    due, fair, tick, lot, patience, edge, traded, size, most, back, shape, offset,
    level, live, lots, sent, asked, full, want, send,
):  # fmt: skip
    """Decide which levels of the stations `due` to send anew, at which size; remember what was sent.

    Args:
        due: int64[n], stations. fair, tick, lot: float64[n], price and steps (coins) of their books.
        patience: change of a level's price that is let be, share of its offset.
        edge: float64[n, 2], the price that a quote must not pass, so that it rests.
        traded: float64[n, 2], lowest and highest trade since the last looks, NaN = none.
        size, most: float64[n, 2], coins a side when nothing is eaten; what can be afforded (inf: no bound).
        back, offset: float64[n, levels], share of what was eaten that has come back; distance from the price.
        shape: float64[stations, levels], share of the size.
        level: float64[n, 2, levels], wanted prices; `edge` bounds them in place.
        live, lots: [n, 2, levels], prices (NaN: none) and lots of what stands.
        sent, asked, full: float64[stations, 2, levels], coins and prices last sent, share of the size that is there.
        want, send: [n, 2, levels], out: coins wanted, and whether to send.
    """
    levels = level.shape[2]
    for n in range(len(due)):
        at = due[n]
        for side in range(2):
            total = 0.0
            for j in range(levels):
                if side == 0:
                    level[n, side, j] = min(level[n, side, j], edge[n, side])
                    reached = traded[n, side] <= asked[at, side, j] * (1 + 1e-9)
                else:
                    level[n, side, j] = max(level[n, side, j], edge[n, side])
                    reached = traded[n, side] >= asked[at, side, j] * (1 - 1e-9)
                stands, was, there = lots[n, side, j] * lot[n], sent[at, side, j], full[at, side, j]
                # smaller than sent because trades reached it: eaten (a refused quote was not)
                if was > 0 and stands < was - 0.5 * lot[n] and reached:
                    there = there * stands / max(was, 1e-300)
                # resilience: the part of a level that was eaten comes back over the refill time
                full[at, side, j] = there + (1.0 - there) * back[n, j]
                want[n, side, j] = size[n, side] * shape[at, j] * full[at, side, j]
                total += want[n, side, j]
            part = min(1.0, max(most[n, side], 0.0) / max(total, 1e-300))
            for j in range(levels):
                stands = lots[n, side, j] * lot[n]
                coins = np.floor(want[n, side, j] * part / lot[n] * (1 + 1e-12)) * lot[n]
                let_be = max(patience * offset[n, j] * fair[n], 1.5 * tick[n])
                moved = abs(live[n, side, j] - level[n, side, j]) > let_be
                differs = coins < 0.9 * stands or stands < 0.85 * coins
                goes = (moved or differs) if stands > 0 else coins > 0
                want[n, side, j], send[n, side, j] = coins, goes
                sent[at, side, j] = coins if goes else stands
                if goes:
                    asked[at, side, j] = level[n, side, j]
