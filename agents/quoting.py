"""What a maker sends for its levels: the arithmetic that runs over every station, side and level of every look.

Two compiled passes instead of some hundred operations on small tables; their twins in plain numpy are
`tests.twins.quotes`. Side 0 bids, side 1 offers. A look is one of the stations that are `due`.
"""

from __future__ import annotations

import numpy as np

from abm.jit import BOOLS, CONSTANT, inlined, kernel

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


QUOTING, DUMPING, AWAY = range(3)  # what a firm is doing
SIXTH = 1.0 / 6.0


@kernel("i8(i8,i8,f8[::1],f8[::1],f8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8[::1])")
def look(step, turn, fair, quoted, reach, row, book, firm, state, waiting, due):
    """Find the stations to be looked at: by turns, and at once where the fair price has left the quotes.

    Args:
        step, turn: steps; a station is due once in `turn`.
        fair: float64[books], log prices. quoted, reach: float64[n], of the last look; how far it may have moved.
        row, book, firm: int64[n]. state: int64[firms], those that are not `QUOTING` have stopped. waiting: int64[rows],
        messages under way.
        due: int64[n], out: stations.

    Returns how many are due.
    """
    count = 0
    for i in range(len(book)):
        turns = (i + step) % turn == 0
        if (
            (turns or abs(fair[book[i]] - quoted[i]) > reach[i])
            and state[firm[i]] == QUOTING
            and waiting[row[i]] == 0
        ):
            due[count] = i
            count += 1
    return count


@kernel(
    "void(i8[::1],f8[::1],i8[:,::1],b1[::1],f8[::1],f8[::1],f8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8,"
    "f8[::1],f8[::1],f8[::1])"
)
def used(
    due, stock, lots, spot, lot, fair, convert, book, desk, depth, home, coming, limit, held, of_book, of_coin
):  # fmt: skip
    """Inventory of every station, and what it is of its limit: in the book, and of the firm in the coin.

    Coins on the way between own accounts are the firm's, but in no book until they arrive.

    Args:
        due: int64[n]. stock: float64[n], coins: the position, or what may be sold at spot. lots: int64[n, 2 k],
        standing quotes, bids first. spot, lot, fair, convert: [books], fair as log price.
        book, desk: int64[stations], desk names firm and coin. depth, home, coming: float64[stations], calm dollars,
        coins at the opening, coins on the way there. limit: multiple of depth.
        held, of_book, of_coin: float64[stations], out: coins (of the stations due), shares of the limits.
    """
    levels = lots.shape[1] // 2
    for n in range(len(due)):
        b = book[due[n]]
        held[due[n]] = stock[n]
        if spot[b]:  # coins in own resting offers count
            held[due[n]] += lots[n, levels:].sum() * lot[b]
    value = np.exp(fair) * convert
    net, bound = np.zeros(desk.max() + 1), np.zeros(desk.max() + 1)
    for i in range(len(book)):
        most = max(limit * depth[i] / value[book[i]], 1e-300)
        of_book[i] = (held[i] - home[i]) / most
        net[desk[i]] += held[i] + coming[i] - home[i]
        bound[desk[i]] += most
    for i in range(len(book)):
        of_coin[i] = net[desk[i]] / bound[desk[i]]


@inlined
def _edge(side, bid, ask, tick, mark, band):
    """The price a quote must not pass: it is to rest behind the other side as it was seen, and within the band."""
    if side == 0:
        edge, last = ask - tick if ask > 0 else np.inf, mark * (1.0 + 0.99 * band)
        return last if last < edge else edge
    edge, last = bid + tick if bid > 0 else 0.0, mark * (1.0 - 0.99 * band)
    return last if last > edge else edge


@inlined
def _traded(side, extreme, b):
    """Lowest (met by bids) or highest trade of a book since the last looks, NaN = none."""
    found = np.nan
    for t in range(len(extreme)):
        price = extreme[t, side, b]
        if not np.isnan(price) and not ((side == 0 and price >= found) or (side == 1 and price <= found)):
            found = price
    return found


@inlined
def _level(side, reserve, away, edge):
    """Price of a quote at a log distance from the reservation price, not past its edge."""
    return min(np.exp(reserve - away), edge) if side == 0 else max(np.exp(reserve + away), edge)


@inlined
def _moved(side, price, shift, reserve, away, edge, stood, let_be):
    """Whether a level has left a quote by more than is let be.

    Three terms of the series of exp around the fair price say so as a rule; where they leave a doubt it is worked out,
    so that the answer is always that of `_level`.
    """
    x = shift - away if side == 0 else shift + away
    near = price * (1.0 + x * (1.0 + x * (0.5 + x * SIXTH)))
    near = min(near, edge) if side == 0 else max(near, edge)
    beyond = abs(stood - near) - let_be
    if abs(x) < 1.0 and abs(beyond) > x * x * x * x * price + 1e-12 * (price + stood):
        return beyond > 0
    return abs(stood - _level(side, reserve, away, edge)) > let_be


@kernel(
    # of the look: n entries
    "i8(f8,i8[::1],i8,f8[::1],f8[:,::1],i8[:,::1],"
    # of books
    f"f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],i8[::1],{BOOLS},{CONSTANT},"
    f"{CONSTANT},{CONSTANT},"
    # of venues
    f"{CONSTANT},"
    # of stations
    "f8[:,:,::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[:,::1],f8[:,::1],f8[:,::1],"
    # rules
    "f8,f8,f8,f8,f8,f8,f8,f8,f8,"
    # memory and results
    "f8[::1],f8[::1],f8[:,:,::1],f8[:,:,::1],f8[:,:,::1],i8[:,::1],f8[:,::1])"
)
def requote(
    now, due, first, cash, live, lots,
    fair, convert, calm, volatile, left, lean, tick_of, lot_of, band, spot, venue, halted, bid, ask, mark, delay,
    extreme, row, book, depth, held, places, of_book, of_coin, shape, offset, takes,
    own_book, skew, skew_most, width, width_most, patience, slack, rough, stale,
    seen, quoted, sent, asked, full, to, terms,
):  # fmt: skip
    """Decide which levels of the stations `due` to send anew, at which price and size; remember what was sent.

    Args:
        now: seconds. due: int64[n], stations. first: the first order name, a station has 2 levels of them. cash:
        float64[n], money that may be spent at a spot book. live, lots: [n, 2 levels], prices (NaN: none) and lots of
        what stands.
        fair, calm: float64[books], log price, volatility per square root of a second; convert: common dollars;
        volatile: volatility over calm, followed from 1 on; left: share of calm depth; lean: by this part the nearest
        level is larger on the bid side and smaller on the other; tick_of, lot_of; band: share of the mark; spot: bool;
        venue; halted: bool, no quotes; bid, ask, mark: as seen, NaN = none.
        delay: float64[venues], s at the gateways; no quotes where it is above `stale`.
        extreme: float64[steps, 2, books], lowest and highest trades of the last steps, NaN = none.
        row, book: int64[stations]. depth: calm dollars. held: coins. places: stations of the row. of_book, of_coin:
        inventory over its limit. shape, offset, takes: float64[stations, levels], share of the size, log distance,
        seconds in which eaten size comes back.
        own_book: weight of the book's inventory. skew, width, slack: multiples of calm volatility (root of seconds)
        for the shift of the price, the added offset and the least change that is acted on; skew_most, width_most:
        stress that they follow at most. patience: change of price let be, share of the offset; rough: of size.
        seen, quoted: float64[stations], time and log price of the last look, out.
        sent, asked, full: float64[stations, 2, levels], coins and prices last sent, share of the size that is there.
        to: int64[4, m], terms: float64[2, m], out: row, book, name and side (+1 buys), price and coins of quotes to
        send.

    Returns how many quotes to send.
    """
    levels = offset.shape[1]
    count = 0
    want, back = np.empty(levels), np.empty(levels)
    for n in range(len(due)):
        i = due[n]
        back[:] = -1.0  # not worked out yet
        b = book[i]
        price, lot, tick, stress = np.exp(fair[b]), lot_of[b], tick_of[b], max(volatile[b], 1.0)
        carried = own_book * of_book[i] + (1.0 - own_book) * of_coin[i]
        shift = -skew * min(max(carried, -1.0), 1.0) * calm[b] * min(stress, skew_most)
        wider, still = width * calm[b] * min(stress, width_most), slack * calm[b] * min(stress, width_most)
        closed = halted[b] or delay[venue[b]] > stale
        size = 0.0 if closed else depth[i] * left[b] / (price * convert[b])
        reserve, since = fair[b] + shift, min(now - seen[i], 1e9)
        for side in range(2):
            edge, traded = _edge(side, bid[b], ask[b], tick, mark[b], band[b]), _traded(side, extreme, b)
            # full size up to half of the limit: until then inventory is moved by price, not by size
            use = max(of_book[i], of_coin[i]) if side == 0 else -min(of_book[i], of_coin[i])
            room = min(max(2.0 - 2.0 * use, 0.0), 1.0)
            total = resting = 0.0
            for j in range(levels):
                k = side * levels + j
                stands, was, there = lots[n, k] * lot, sent[i, side, j], full[i, side, j]
                if lots[n, k] > 0 and side == 0:
                    resting += stands * live[n, k]
                # smaller than sent because trades reached it: eaten (a refused quote was not)
                if was > 0 and stands < was - 0.5 * lot:
                    past = (
                        traded <= asked[i, 0, j] * (1 + 1e-9)
                        if side == 0
                        else traded >= asked[i, 1, j] * (1 - 1e-9)
                    )
                    if past:
                        there *= stands / was
                # resilience: the part of a level that was eaten comes back over the refill time
                if there < 1.0:
                    if back[j] < 0:
                        back[j] = 1.0 - np.exp(-since / takes[i, j])
                    there += (1.0 - there) * back[j]
                full[i, side, j] = there
                want[j] = size * room * shape[i, j] * there
                if j == 0:
                    want[j] *= 1.0 + lean[b] if side == 0 else 1.0 - lean[b]
                total += want[j]
            # at a spot book a firm quotes what it owns, cash on the bid side, coins on the ask side
            part = 1.0
            if spot[b]:
                most = 0.85 * ((cash[n] / places[i] + resting) / price if side == 0 else held[i])
                part = min(1.0, max(most, 0.0) / max(total, 1e-300))
            for j in range(levels):
                k = side * levels + j
                away = offset[i, j] + wider
                stands = lots[n, k] * lot
                coins = np.floor(want[j] * part / lot * (1 + 1e-12)) * lot
                goes = coins > 0
                if stands > 0:
                    least = max(max(patience * away, still) * price, 1.5 * tick)
                    goes = min(stands, coins) < (1.0 - rough) * max(stands, coins)
                    goes = goes or _moved(side, price, shift, reserve, away, edge, live[n, k], least)
                sent[i, side, j] = coins if goes else stands
                if goes:
                    level = asked[i, side, j] = _level(side, reserve, away, edge)
                    to[0, count], to[1, count] = row[i], b
                    to[2, count], to[3, count] = first + 2 * levels * i + k, 1 - 2 * side
                    terms[0, count], terms[1, count] = level, coins
                    count += 1
        seen[i], quoted[i] = now, fair[b]
    return count
