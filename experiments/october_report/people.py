"""Who was liquidated and who was auto-deleveraged: by what they do, by size, by venue and by coin.

Numbers are means over the seeds. Liquidated is every position that a venue took from a customer who failed: sold, taken
over by its fund, or closed against winners at once. Of ADL the winners are counted, whose positions were closed; what a
fund took over and then closed against them is in it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments import readings
from experiments.october_report.tables import Table, count, money, percent
from experiments.readings import Unmeasured
from experiments.run import Run

SIZES = (0.0, 1e4, 1e5, 1e6, 1e7, np.inf)  # dollars of an owner's positions at the start, all venues
SIZE_NAMES = ("under 10 k$", "10 to 100 k$", "100 k$ to 1 M$", "1 to 10 M$", "10 M$ and more")
FUNDS = "exchange"  # whose accounts the venues' own are: funds, vaults, what they have taken over


class Closed(NamedTuple):
    """Positions closed by force in one run, a line each: whose they were and what they were worth."""

    owner: NDArray[np.int64]
    value: NDArray[np.float64]  # USD
    venue: NDArray[np.object_]
    coin: NDArray[np.object_]
    time: NDArray[np.float64]

    def only(self, keep: NDArray[np.bool_]) -> Closed:
        return Closed(*(column[keep] for column in self))


class Evening(NamedTuple):
    """One run: who failed, who won and was closed, and who they are."""

    run: Run
    failed: Closed
    winners: Closed
    participant: Mapping[int, str]  # by owner
    size: Mapping[int, float]  # the same, dollars


Group = Callable[[Evening, Closed], NDArray[np.object_]]  # the name of the group that every line belongs to


def evening(run: Run) -> Evening:
    """Read one run. Raises RunError where it kept no accounts."""
    accounts, positions, events = run.accounts("start"), run.positions("start"), run.events()
    participant = dict(zip(accounts["owner"].tolist(), accounts["participant"].tolist(), strict=True))
    owner_of = dict(zip(accounts["row"].tolist(), accounts["owner"].tolist(), strict=True))
    size: dict[int, float] = {}
    for row, notional in zip(positions["row"].tolist(), np.abs(positions["notional"]).tolist(), strict=True):
        size[owner_of[row]] = size.get(owner_of[row], 0.0) + float(notional)
    of_funds = {owner for owner, name in participant.items() if name == FUNDS}
    later = events["time"] > 0.0
    adl = later & (events["kind"] == "adl")
    forced = later & np.isin(events["kind"], ("liquidation", "takeover", "adl"))
    forced &= ~np.isin(events["owner"], list(of_funds))
    return Evening(
        run, _lines(events, forced, "owner"), _lines(events, adl, "other_owner"), participant, size
    )


def _lines(events: Mapping[str, NDArray[np.object_]], keep: NDArray[np.bool_], whose: str) -> Closed:
    coins = [str(book).partition(":")[2].rpartition("-")[0] for book in events["book"][keep]]
    return Closed(
        events[whose][keep].astype(np.int64), events["value"][keep].astype(np.float64),
        events["venue"][keep].astype(object), np.array(coins, dtype=object), events["time"][keep].astype(np.float64),
    )  # fmt: skip


def tables(runs: Sequence[Run]) -> list[Table]:
    """The tables of the section. Raises Unmeasured without a run."""
    if not runs:
        raise Unmeasured("no run")
    evenings = [evening(run) for run in runs]
    names = dict.fromkeys(name for one in evenings for name in one.participant.values())
    note = (
        "Names are those of the scenario: longs and shorts are the levered crowd, hedgers hold the coin and are short"
        " the perpetual, elsewhere and elsewhere_short are hedged where the model does not look."
    )
    return [
        _groups(evenings, "By what they do", "who", list(names), _participants, note),
        _groups(evenings, "By size", "positions at the start", SIZE_NAMES, _classes),
        _by_venue(evenings),
        _by_coin(evenings),
    ]


def _participants(one: Evening, closed: Closed) -> NDArray[np.object_]:
    return np.array([one.participant.get(owner, "") for owner in closed.owner.tolist()], dtype=object)


def _classes(one: Evening, closed: Closed) -> NDArray[np.object_]:
    sizes = np.array([one.size.get(owner, 0.0) for owner in closed.owner.tolist()], dtype=float)
    return np.array(SIZE_NAMES, dtype=object)[np.searchsorted(SIZES, sizes, side="right") - 1]


def _groups(
    evenings: Sequence[Evening], title: str, what: str, names: Sequence[str], group: Group, note: str = ""
) -> Table:
    """Owners and dollars by group, of those who failed and of the winners; groups without either are left out."""
    grouped = [(one, group(one, one.failed), group(one, one.winners)) for one in evenings]
    both = [(one.failed, one.winners) for one in evenings]
    whole = [_mean([float(pair[k].value.sum()) for pair in both]) for k in (0, 1)]
    lines = []
    for name in names:
        some = [
            (one.failed.only(failed == name), one.winners.only(won == name)) for one, failed, won in grouped
        ]
        owners = [_mean([float(len(np.unique(pair[k].owner))) for pair in some]) for k in (0, 1)]
        value = [_mean([float(pair[k].value.sum()) for pair in some]) for k in (0, 1)]
        if any(owners):
            cells = [[count(owners[k]), money(value[k]), percent(value[k], whole[k])] for k in (0, 1)]
            lines.append((sum(value), [name, *cells[0], *cells[1]]))
    if names is not SIZE_NAMES:
        lines.sort(key=lambda line: -line[0])
    last = ["all", "", money(whole[0]), "", "", money(whole[1]), ""]
    head = [what, "owners liquidated", "liquidated", "of it", "owners ADL'd", "ADL'd", "of it"]
    return Table(title, head, [*(line for _, line in lines), last] if lines else [], note)


def _by_venue(evenings: Sequence[Evening]) -> Table:
    run = evenings[0].run
    lines = []
    for venue in [one for one in run.venues if readings.books(run, "PERP", venue=one)]:
        flow = {
            column: _mean(
                [float(each.run.column(column, venue=venue)[each.run.time > 0].sum()) for each in evenings]
            )
            for column in ("liquidated_long", "liquidated_short", "takeover", "adl")
        }
        interest = _mean([_interest(each.run, venue) for each in evenings])
        won = [each.winners.only(each.winners.venue == venue) for each in evenings]
        first = [float(one.time.min()) for one in won if len(one.time)]
        half = [_half(one) for one in won if len(one.time)]
        longs, shorts = flow["liquidated_long"], flow["liquidated_short"]
        lines.append(
            [venue, money(longs), money(shorts), percent(longs + shorts, interest), money(flow["takeover"]),
             money(flow["adl"]), percent(flow["adl"], interest), _clock(run, first), _clock(run, half)]
        )  # fmt: skip
    head = [
        "venue", "longs", "shorts", "of open interest", "taken over by the fund", "ADL'd", "of open interest",
        "first ADL", "half of it by",
    ]  # fmt: skip
    return Table(
        "By venue", head, lines, "Open interest: the step before the news. Times: median over seeds, UTC."
    )


def _half(closed: Closed) -> float:
    """When half of it had happened."""
    order = np.argsort(closed.time, kind="stable")
    grown = closed.value[order].cumsum()
    return float(closed.time[order][np.searchsorted(grown, grown[-1] / 2)])


def _clock(run: Run, times: Sequence[float]) -> str:
    return readings.clock(run, float(np.median(times))) if times else "-"


def _interest(run: Run, venue: str) -> float:
    try:
        return readings.open_interest(run, readings.before(run, readings.news_time(run)), venue)
    except Unmeasured:
        return float("nan")


def _by_coin(evenings: Sequence[Evening]) -> Table:
    run = evenings[0].run
    lines = []
    for coin in [one for one in run.config["contracts"] if readings.books(run, "PERP", one)]:
        falls = [_fall(each.run, coin) for each in evenings]
        fall = float(np.nanmedian(falls)) if np.isfinite(falls).any() else float("nan")
        forced = _mean([float(each.failed.value[each.failed.coin == coin].sum()) for each in evenings])
        won = _mean([float(each.winners.value[each.winners.coin == coin].sum()) for each in evenings])
        lines.append([coin, percent(fall, 100.0), money(forced), money(won)])
    return Table("By coin", ["coin", "fall, median of venues", "liquidated", "ADL'd"], lines)


def _fall(run: Run, coin: str) -> float:
    try:
        return readings.median_fall(run, coin, float(run.time[-1]))
    except Unmeasured:
        return float("nan")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
