"""Who is in a crowd of position holders: entries (one account in one contract) and the purses behind them."""

from __future__ import annotations

import numpy as np

from abm.market import Market, Me
from agents.alarms import Entries


def register(me: Me, market: Market, side: int) -> tuple[Entries, Entries, Entries, Entries]:
    """One entry for each position and one for each flat account, sorted by book, side and row.

    A flat account of an owner who holds a position elsewhere is no entry but a purse:
    money outside, for top-ups.
    A flat account that is its owner's only one gets a contract of its venue and the crowd's own `side`.

    Returns:
        row (position in me.rows), book, side (+1 long, -1 short) and purse (position in me.rows, -1 = none)
        of every entry, int64.
    """
    everyone = np.arange(len(me.rows))
    row, book, lots = me.positions()
    way = np.sign(lots)
    flat = np.setdiff1d(everyone, row)
    is_purse = np.isin(me.owner[flat], me.owner[row])
    watchers, contracts = _contracts(me, market, flat[~is_purse])
    row, book = np.concatenate((row, watchers)), np.concatenate((book, contracts))
    way = np.concatenate((way, np.full(len(watchers), side, np.int64)))
    order = np.lexsort((row, way, book))
    row = row[order]
    return row, book[order], way[order], _purses(me, row, flat[is_purse])


def _contracts(me: Me, market: Market, index: Entries) -> tuple[Entries, Entries]:
    """Flat accounts whose venue has perpetuals, and one of these for each, with the odds of open interest."""
    chosen = np.full(len(index), -1, np.int64)
    draw = me.uniform("contract", index, forever=True)
    perps = np.asarray(market.perps, np.int64)
    for venue in np.unique(me.venue[index]):
        here = perps[market.books.venue[perps] == venue]
        if len(here) == 0:
            continue
        weight = np.nan_to_num(market.open_interest[here] * market.mark[here])
        weight = np.cumsum(weight if weight.sum() > 0 else np.ones(len(here)))
        mine = me.venue[index] == venue
        chosen[mine] = here[np.searchsorted(weight / weight[-1], draw[mine]).clip(0, len(here) - 1)]
    return index[chosen >= 0], chosen[chosen >= 0]


def _purses(me: Me, row: Entries, purses: Entries) -> Entries:
    """For each entry a purse of its owner, -1 if there is none."""
    result = np.full(len(row), -1, np.int64)
    if len(purses) == 0:
        return result
    purses = purses[np.argsort(me.owner[purses], kind="stable")]
    owners, wanted = me.owner[purses], me.owner[row]
    place = np.searchsorted(owners, wanted).clip(0, len(owners) - 1)
    found = owners[place] == wanted
    result[found] = purses[place[found]]
    return result
