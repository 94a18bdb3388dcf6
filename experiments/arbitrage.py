"""What a run tells of arbitrage: how far apart venues were, how far they could be, what kept gaps from being traded.

Gaps are between the last prices of two venues' books of a coin at the ends of minutes. Forgone arbitrage is what the
arbitrageurs themselves remarked (`agents.forgone`): at every look, gaps that paid after fees and the risk of execution,
the dollars of coins that they did not trade, and the constraint that left least room. A gap that stands is remarked at
every look, so sums over time are dollars times minutes.

The bound of a pair is what a risk-averse arbitrageur lets be who must move what it trades (Hautsch, Scheuch and Voigt
2024): taker fees of both books + z sigma sqrt(E[tau]); tau the measured time of transfers between the two venues, sigma
the volatility of the last half hour, z the arbitrageurs' own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments import congestion, readings
from experiments.run import Run

Floats = NDArray[np.float64]
ABOVE = (1.0, 2.0, 5.0)  # %, in whose minutes a pair's gaps are counted


class Gap(NamedTuple):
    """Two venues' books of a coin over a window."""

    book: str
    other: str
    median: float  # % of the dearer price, of all minutes in which both had a price
    largest: float
    time: float  # end of the minute of the largest, s
    minutes: tuple[int, ...]  # minutes above 1, 2, 5 %
    tau: float  # mean time of a transfer between the two venues, s; NaN = none arrived
    bound: float  # median over minutes, %; NaN = without tau
    inside: float  # share of minutes in which the gap was within the bound of that minute


def gaps(run: Run, coin: str, kind: str = "PERP", window: tuple[float, float] | None = None) -> list[Gap]:
    """The gaps of a coin between every two venues, widest first; of the whole run, or between two times in seconds.

    Args:
        kind: "PERP", "SPOT", or "BASIS": each venue's perpetual against every other venue's spot book.
    """
    a, b = window if window is not None else (0.0, float(run.time[-1]) if len(run.time) else 0.0)
    names = {what: readings.books(run, what, coin) for what in ("PERP", "SPOT")}
    price = {
        name: readings.closes(run, run.column("last", book=name), a, b)
        for some in names.values()
        for name in some
    }
    pairs = list(combinations(names[kind], 2)) if kind != "BASIS" else [
        (perp, spot)
        for perp in names["PERP"]
        for spot in names["SPOT"]
        if perp.partition(":")[0] != spot.partition(":")[0]
    ]  # fmt: skip
    found, took = [], transfers(run)
    z = _risk_bar(run)
    for one, other in pairs:
        apart = 100.0 * np.abs(price[one] - price[other]) / np.fmax(price[one], price[other])
        if np.isfinite(apart).any():
            at = int(np.nanargmax(apart))
            above = tuple(int(np.nansum(apart > bound)) for bound in ABOVE)
            when = float(readings.minutes(run, a, b)[at])
            tau = _between(took, one.partition(":")[0], other.partition(":")[0])
            limit = bound(run, one, other, 0.5 * (price[one] + price[other]), tau, z)
            known = np.isfinite(apart) & np.isfinite(limit)
            found.append(
                Gap(
                    one,
                    other,
                    float(np.nanmedian(apart)),
                    float(apart[at]),
                    when,
                    above,
                    tau,
                    float(np.median(limit[known])) if known.any() else np.nan,
                    float((apart <= limit)[known].mean()) if known.any() else np.nan,
                )
            )
    return sorted(found, key=lambda gap: (-gap.largest, gap.book, gap.other))


def open_gap(run: Run, names: Sequence[str]) -> Floats:
    """float64[steps]: what could be traded at once, the dearest bid above the cheapest offer of books, %; 0 = none."""
    bid, ask = (np.array([run.column(side, book=name) for name in names]) for side in ("bid", "ask"))
    dear = np.fmax.reduce(bid, axis=0) / np.fmin.reduce(ask, axis=0)
    return np.asarray(100.0 * np.maximum(np.nan_to_num(dear, nan=1.0) - 1.0, 0.0), np.float64)


def bound(run: Run, one: str, other: str, closes: Floats, tau: float, z: float) -> Floats:
    """What two books' prices may differ by in each minute, %: taker fees + z sigma sqrt(tau).

    Args:
        closes: of the minutes. tau: s. z: standard deviations.
    """
    fees = sum(float(run.config["venues"][name.partition(":")[0]]["fees"]["taker"]) for name in (one, other))
    moves = np.diff(np.log(closes), prepend=np.nan) ** 2 / 60.0  # variance a second
    lately = np.array([np.nanmean(moves[max(0, k - 29) : k + 1]) if k else np.nan for k in range(len(moves))])
    return np.asarray(100.0 * (fees + z * np.sqrt(lately * tau)), np.float64)


def _risk_bar(run: Run) -> float:
    """z of the run's arbitrageurs, the first entry's; 1.75 where there are none."""
    entries = run.config.get("population", {}).values()
    return next((float(one["bar"]) for one in entries if one.get("species") == "arbitrageur"), 1.75)


class Transfers(NamedTuple):
    """Every transfer that was sent."""

    source: NDArray[Any]  # venue; "outside" = a place that is none
    target: NDArray[Any]  # the same; "-" = it did not arrive in the run
    value: Floats  # dollars
    took: Floats  # s; NaN = did not arrive


def transfers(run: Run) -> Transfers:
    """The transfers of a run by the places that they left and reached, in the order of sending."""
    events = run.events()
    sent, there = events["kind"] == "transfer_sent", events["kind"] == "transfer_arrived"
    number, left = events["id"][sent], events["time"][sent]
    took = np.full(len(number), np.nan)
    target = np.full(len(number), "-", dtype=object)
    if len(number):
        at = np.minimum(np.searchsorted(number, events["parent"][there]), len(number) - 1)
        known = number[at] == events["parent"][there]
        took[at[known]] = events["time"][there][known] - left[at[known]]
        target[at[known]] = [str(name or "outside") for name in events["venue"][there][known]]
    source = np.array([str(name or "outside") for name in events["venue"][sent]], dtype=object)
    value = np.nan_to_num(np.asarray(events["value"][sent], np.float64))
    return Transfers(source, target, value, took)


def _between(all_of_them: Transfers, one: str, other: str) -> float:
    """Mean time of the transfers between two venues, both ways."""
    source, target, _, took = all_of_them
    mine = ((source == one) & (target == other)) | ((source == other) & (target == one))
    mine &= np.isfinite(took)
    return float(np.mean(took[mine])) if mine.any() else np.nan


class Wait(NamedTuple):
    """Transfers from one place to another over the run."""

    source: str  # venue; "outside" = a place that is none
    target: str  # the same; "-" = they did not arrive in the run
    sent: int
    value: float  # dollars sent
    mean: float  # s, of those that arrived; NaN = none did
    p95: float


def waits(run: Run) -> list[Wait]:
    """How long transfers took, by the places that they left and reached, most money first."""
    source, target, value, took = transfers(run)
    if not len(value):
        return []
    ends = np.array([f"{here}>{there}" for here, there in zip(source, target, strict=True)])
    found = []
    for pair in np.unique(ends):
        mine = ends == pair
        times = took[mine & np.isfinite(took)]
        mean, late = (times.mean(), np.quantile(times, 0.95)) if len(times) else (np.nan, np.nan)
        here, to = str(pair).split(">")
        found.append(Wait(here, to, int(mine.sum()), float(value[mine].sum()), float(mean), float(late)))
    return sorted(found, key=lambda wait: (-wait.value, wait.source, wait.target))


class Forgone(NamedTuple):
    """What one constraint kept from being traded."""

    constraint: str
    value: float  # dollars of coins times minutes
    share: float  # of all constraints
    gap: float  # mean gap after costs, %, weighted by dollars


def forgone(run: Run, coin: str | None = None, window: tuple[float, float] | None = None) -> list[Forgone]:
    """Forgone arbitrage by constraint, most first; of one coin, or between two times in seconds. Empty if none."""
    seen = run.observations()
    if not seen:
        return []
    a, b = window if window is not None else (-np.inf, np.inf)
    keep = (seen["time"] > a) & (seen["time"] <= b)
    if coin is not None:
        keep &= np.array([name.partition(":")[2].rpartition("-")[0] == coin for name in seen["book"]])
    every = _between_looks(run)
    looks = np.array([every[name] for name in seen["participant"]])
    keep &= looks > 0  # others remark other things
    value = seen["value"] * looks / 60.0
    total = float(value[keep].sum())
    found = []
    for word in np.unique(seen["what"][keep]):
        mine = keep & (seen["what"] == word)
        amount = float(value[mine].sum())
        mean = 100.0 * float((value[mine] * seen["rate"][mine]).sum()) / amount
        found.append(Forgone(str(word), amount, amount / total, mean))
    return sorted(found, key=lambda one: (-one.value, one.constraint))


def _between_looks(run: Run) -> dict[str, float]:
    """Seconds between two remarks of a participant."""
    population: dict[str, Any] = run.config.get("population", {})
    return {name: float(entry.get("report", 0.0)) for name, entry in population.items()}


class Found(NamedTuple):
    """What a run tells of its network, as printed."""

    waits: list[Wait]
    congestion: list[str]  # lines of Markdown
    gaps: dict[str, list[Gap]]  # by kind of books
    forgone: list[Forgone]  # of the coin
    forgone_all: list[Forgone]


KINDS = ("PERP", "SPOT", "BASIS")
PARTS = (
    "transfers",
    "resources and edges",
    *(f"gaps, {kind.lower()}" for kind in KINDS),
    "forgone arbitrage",
)


def measured(run: Run, coin: str, begun: Callable[[str], None] = lambda part: None) -> Found:
    """All of it.

    Args:
        coin: whose gaps are told.
        begun: told each of `PARTS` when it begins.
    """
    parts = iter(PARTS)
    begun(next(parts))
    took = waits(run)
    begun(next(parts))
    told = congestion.markdown(run)
    apart = {}
    for kind in KINDS:
        begun(next(parts))
        apart[kind] = gaps(run, coin, kind)
    begun(next(parts))
    return Found(took, told, apart, forgone(run, coin), forgone(run))


def facts(run: Run, found: Found) -> dict[str, Any]:
    """What `markdown` tells as numbers: waits, gaps by kind of books, forgone arbitrage of the coin and of all."""
    return {
        "run": run.folder,
        "seed": run.seed,
        "waits": [one._asdict() for one in found.waits],
        "gaps": [
            {"kind": kind.lower(), **one._asdict()} for kind, some in found.gaps.items() for one in some
        ],
        "forgone": [one._asdict() for one in found.forgone],
        "forgone_all": [one._asdict() for one in found.forgone_all],
    }


def markdown(run: Run, coin: str, found: Found | None = None) -> str:
    """As Markdown: transfers, gaps of a coin's perpetuals and spot books, forgone arbitrage of it and of all coins."""
    found = found or measured(run, coin)
    lines = [f"# Transfers, gaps, forgone arbitrage: {run.name}, seed {run.seed}", "", "## Transfers", ""]
    lines += ["| from | to | sent | M$ | mean wait, s | 95 % wait, s |", "|---|---|---:|---:|---:|---:|"]
    for one in found.waits:
        times = ["-" if np.isnan(x) else f"{x:.0f}" for x in (one.mean, one.p95)]
        lines.append(
            f"| {one.source} | {one.target} | {one.sent} | {one.value / 1e6:,.1f} | {' | '.join(times)} |"
        )
    lines += ["", *found.congestion, f"## Gaps of {coin}, minute closes", "", *_gap_table(run, found.gaps)]
    for title, which in (
        (f"Forgone arbitrage, {coin}", found.forgone),
        ("Forgone arbitrage, all coins", found.forgone_all),
    ):
        lines += ["", f"## {title}", "", "| constraint | M$ x minutes | share | gap after costs, % |"]
        lines += ["|---|---:|---:|---:|"]
        lines += [
            f"| {one.constraint} | {one.value / 1e6:,.2f} | {one.share:.1%} | {one.gap:.2f} |"
            for one in which
        ] or ["| none | 0 | | |"]
    return "\n".join(lines) + "\n"


def _gap_table(run: Run, apart: dict[str, list[Gap]]) -> list[str]:
    lines = [
        f"| | between | median, % | largest, % | at | {' | '.join(f'minutes > {x:g} %' for x in ABOVE)} |"
        " mean transfer, s | bound, % | inside |",
        "|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, some in apart.items():
        for gap in some:
            when = readings.clock(run, gap.time)
            cells = [f"{gap.median:.3f}", f"{gap.largest:.2f}", when, *map(str, gap.minutes)]
            known = (f"{gap.tau:.0f}", f"{gap.bound:.2f}", f"{gap.inside:.0%}")
            cells += known if np.isfinite(gap.bound) else ("-", "-", "-")
            lines.append(f"| {kind.lower()} | {gap.book}, {gap.other} | {' | '.join(cells)} |")
    return lines
