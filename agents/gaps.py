"""Where a gap between books pays, and how much of it is traded: the arithmetic of arbitrageurs over all stations.

One compiled pass over cells (a firm in a coin) and their stations (a book where it may trade); its twin in plain numpy
is `tests.twins.gaps`.
"""

from __future__ import annotations

import numpy as np

from abm.jit import BOOLS, CONSTANT, INTS, kernel

# mypy: disable-error-code="no-untyped-def"

_BOOKS = ",".join([CONSTANT] * 11)


@kernel(f"b1({INTS},{CONSTANT},{CONSTANT},{CONSTANT},f8,{CONSTANT})")
def any_gap(coin, bid, ask, convert, fees, taker_fee):
    """Whether in any coin the dearest bid is above the cheapest ask after own fees, in common money.

    Args:
        coin: int64[books]. bid, ask, convert, taker_fee: float64[books], NaN = none. fees: part of the fee paid.
    """
    coins = 0
    for b in range(len(coin)):
        coins = max(coins, coin[b] + 1)
    best = np.zeros(coins)
    least = np.full(coins, np.inf)
    for b in range(len(coin)):
        fee = np.exp(fees * taker_fee[b])
        if bid[b] > 0:
            best[coin[b]] = max(best[coin[b]], bid[b] * convert[b] / fee)
        if ask[b] > 0:
            least[coin[b]] = min(least[coin[b]], ask[b] * convert[b] * fee)
    return (best > least).any()


@kernel(
    f"i8(i8[::1],i8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],i8[::1],f8[::1],"
    f"{_BOOKS},{BOOLS},{BOOLS},f8,f8,f8,f8,f8,f8,i8[:,::1],f8[::1],f8[::1])"
)
def trade(
    first, row, book, held, coming, home, limit, largest, delay, waiting, free,
    bid, ask, seen_bid, seen_ask, bid_size, ask_size, convert, taker_fee, lot, calm, stress, spot, halted,
    bar, fees, execution, take, depth_part, even, to, price, quantity,
):  # fmt: skip
    """One pair of orders for each cell whose values leave a profit, or one order that evens its legs.

    Args:
        first: int64[cells + 1], where the stations of a cell begin. row, book: int64[stations].
        held, coming, home: float64[stations], coins there, on the way, at the opening. limit: coins.
        largest: float64[cells], largest limit. delay: s to bring inventory back.
        waiting, free: of the rows, messages under way (with any the row's stations send nothing), free money.
        bid, ask: float64[books], quote asset, NaN = none. seen_bid, seen_ask: coins within 0.5 %. bid_size, ask_size:
        coins at the touch. convert: common dollars of one. taker_fee: share. lot: coins. calm: volatility per
        square root of a second in calm times, NaN = none; stress: its multiple now. spot, halted: bool[books].
        bar (standard deviations), fees (share of the public fee), execution (seconds), take, depth_part, even
        (shares): parameters of `Arbitrageur`.
        to, price, quantity: out, two entries a cell; row, book and side of orders, +1 buys.

    Returns: how many orders.
    """
    costs, dear, cheap = np.empty(len(bid)), np.empty(len(bid)), np.empty(len(bid))
    for x in range(len(bid)):  # of books: what a trade costs, log prices in common dollars
        sigma = calm[x] if calm[x] == calm[x] else 0.0
        costs[x] = fees * taker_fee[x] + 0.5 * bar * (sigma * stress[x]) * np.sqrt(execution)
        dear[x] = np.log(bid[x] * convert[x]) if bid[x] > 0 else np.nan
        cheap[x] = np.log(ask[x] * convert[x]) if ask[x] > 0 else np.nan
    n = 0
    for c in range(len(first) - 1):
        net, a, b = 0.0, -1, -1
        least, most = np.inf, -np.inf
        for k in range(first[c], first[c + 1]):
            x = book[k]
            net += held[k] + coming[k] - home[k]
            used = min(max((held[k] - home[k]) / limit[k], -2.0), 2.0)
            # a coin is worth less where the firm is long, more where it is short: who adds counts with the risk of
            # today, who closes is content with that of calm times
            sigma = calm[x] if calm[x] == calm[x] else 0.0
            risk = bar * sigma * np.sqrt(delay[k]) * used
            to_buy = -risk * (stress[x] if used > 0 else 1.0)
            to_sell = -risk * (stress[x] if used < 0 else 1.0)
            if halted[x] or waiting[row[k]] > 0:
                continue
            if bid[x] > 0 and used > -1.0 and not (spot[x] and held[k] <= 0):
                sell = dear[x] - costs[x] - to_sell
                if sell > most:
                    most, b = sell, k
            if ask[x] > 0 and used < 1.0 and free[row[k]] > 0:
                buy = cheap[x] + costs[x] - to_buy
                if buy < least:
                    least, a = buy, k
        naked = abs(net) > even * largest[c]
        profit = most - least if a >= 0 and b >= 0 else 0.0
        go = profit > 0 and a != b
        if not (go or naked):
            continue
        room_to_buy, room_to_sell = 0.0, 0.0
        if a >= 0:
            x = book[a]
            used = min(max((held[a] - home[a]) / limit[a], -2.0), 2.0)
            room_to_buy = min((1.0 - used) * limit[a], depth_part * seen_ask[x])
            if spot[x]:
                room_to_buy = min(room_to_buy, 0.95 * free[row[a]] / ask[x])
        if b >= 0:
            x = book[b]
            used = min(max((held[b] - home[b]) / limit[b], -2.0), 2.0)
            room_to_sell = min((1.0 + used) * limit[b], depth_part * seen_bid[x])
            if spot[x]:
                room_to_sell = min(room_to_sell, held[b])
        way, size = 0.0, 0.0
        if go:
            # the displayed depth within 0.5 % as a slope: the gap closes by `take` when both sides are eaten so far
            way = min(profit, 0.05) * take / 2
            size = min(seen_ask[book[a]], seen_bid[book[b]]) * min(way / 0.005, 1.0)
            size = max(size, min(ask_size[book[a]], bid_size[book[b]]) * take)
            size = max(min(size, room_to_buy, room_to_sell), 0.0)
            # a trade that pays only because it brings inventory home ends there
            gap = np.log(bid[book[b]] * convert[book[b]] / (ask[book[a]] * convert[book[a]]))
            if gap <= costs[book[a]] + costs[book[b]]:
                size = min(size, max(home[a] - held[a], held[b] - home[b], 0.0))
        short = -net if naked and net < 0 else 0.0
        long = net if naked and net > 0 else 0.0
        reach = way + (0.002 if naked else 0.0)
        bought = min(size + short, room_to_buy)
        sold = min(size + long, room_to_sell)
        if a >= 0 and bought >= lot[book[a]]:
            to[0, n], to[1, n], to[2, n], quantity[n] = row[a], book[a], 1, bought
            price[n] = ask[book[a]] * np.exp(reach)
            n += 1
        if b >= 0 and sold >= lot[book[b]]:
            to[0, n], to[1, n], to[2, n], quantity[n] = row[b], book[b], -1, sold
            price[n] = bid[book[b]] * np.exp(-reach)
            n += 1
    return n
