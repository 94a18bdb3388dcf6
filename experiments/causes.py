"""What a cascade came from: every liquidation led back to its causes, through the mark.

A liquidation order's fills carry the number of its event, an event the number of the one that it follows from, and a
participant's order why it was sent. What is left is the way through prices: an account fails because the mark has
moved against it. The rule for that way:

    The move of the mark is shared among the fills of its window by value: all fills in books of the coin whose taker
    pushed that way (sold, when longs failed), in the time over which the venue's mark averages, up to the failure.

So a failure (one account in one step) has shares that add up to one: in earlier failures, whose liquidation orders
were among these fills, or what a fund sold of them later (first taken over, first sold), and in the orders of
participants by what they were sent for. Its value times its shares, and
the shares of its causes' causes, give what each failure and each kind of order has caused down the whole chain.

The rule is a book-keeping one: it says nothing of what would have been. `deletion` asks that of the model itself: the
same run, the same draws, but this one liquidation absorbed at mark; the difference in what is liquidated is what the
failure really caused, and how far the rule is from it is printed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.causes import CAUSES
from experiments import config
from experiments.run import Run, RunError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORCED = ("liquidation", "takeover", "adl")  # events in which a position is closed by its venue
BEGINS = ("liquidation", "takeover", "bankruptcy", "adl")


@dataclass(frozen=True)
class Attribution:
    """What each failure came from and led to.

    A failure is an account that its venue closes, wholly or in part, in one step. Arrays have one entry a failure, in
    order of time.

    Attributes:
        event: first event of each. row, book: account, and the largest position that is closed. time: seconds.
        side: +1 a long fails, -1 a short. value: USD closed, by orders, take-over and ADL.
        kinds: names of the columns of `direct` and `root`: causes of orders ("unknown": nothing pushed that way).
        direct: [failures, kinds], shares of the fills that moved its mark by why they were sent; the share of
            liquidation orders is under "liquidation". Each line sums to one.
        root: [failures, kinds], the same with every liquidation order led back to what caused it.
        parents: (child, parent, share) of every pair of failures with a share.
        caused: USD that each has caused in all: its own value, and its share of what followed.
    """

    event: Ints
    row: Ints
    book: list[str]
    time: Floats
    side: Ints
    value: Floats
    kinds: list[str]
    direct: Floats
    root: Floats
    parents: tuple[Ints, Ints, Floats]
    caused: Floats

    def total(self) -> float:
        """USD closed in all."""
        return float(self.value.sum())

    def endogenous(self) -> float:
        """Share of the closed value whose mark was moved by other liquidations' orders."""
        return float(self.value @ self.direct[:, self.kinds.index("liquidation")]) / max(self.total(), 1e-9)


def attribute(run: Run, window: float | None = None) -> Attribution:
    """Lead every failure of a run back to its causes.

    Args:
        window: seconds of fills that a mark's move is shared among; None = what the venue's mark averages.

    Raises RunError where the run kept no fills.
    """
    fills, events = run.fills(), run.events()
    kinds = [*CAUSES, "unknown"]
    books = run.vocabularies["book"]
    coin_of = {name: name.partition(":")[2].rpartition("-")[0] for name in books}
    forced = np.isin(events["kind"].astype(str), BEGINS) & (events["row"] >= 0)
    failures = _failures(events, np.flatnonzero(forced))
    n = len(failures)
    of_event = {int(events["id"][i]): k for k, lines in enumerate(failures) for i in lines}
    first = np.array([lines[0] for lines in failures], np.int64)
    main = np.array([_largest(events, lines) for lines in failures], np.int64)
    time, side = events["time"][first].astype(np.float64), events["side"][main].astype(np.int64)
    value = np.array([events["value"][lines][_closes(events, lines)].sum() for lines in failures])
    book = [str(events["book"][i]) for i in main]
    windows = {name: window or float(rules["mark"]["window"]) for name, rules in run.config["venues"].items()}

    why = np.array([kinds.index(cause) for cause in fills["cause"]], np.int64)
    source = np.array([of_event.get(int(number), -1) for number in fills["event"]], np.int64)
    _sold_by_funds(fills, events, of_event, source)
    fill_coin = np.array([coin_of[name] for name in fills["book"].tolist()], dtype=object)
    direct = np.zeros((n, len(kinds)))
    child: list[Ints] = []
    parent: list[Ints] = []
    share: list[Floats] = []
    order = np.argsort(fills["time"], kind="stable")  # within a step the fills stay in their order
    for coin in sorted({coin_of[name] for name in book if name in coin_of}):
        for way in (1, -1):
            mine = order[(fill_coin[order] == coin) & (fills["side"][order] == -way)]
            flow = _Flow(fills["time"][mine], fills["value"][mine], why[mine], source[mine], len(kinds))
            for k in [i for i in range(n) if side[i] == way and coin_of.get(book[i]) == coin]:
                venue = book[k].partition(":")[0]
                direct[k], pushed, part = flow.before(time[k], windows[venue], k)
                child.append(np.full(len(pushed), k))
                parent.append(pushed)
                share.append(part)
    lost = direct.sum(axis=1) <= 0
    direct[lost, kinds.index("unknown")] = 1.0
    pairs = tuple(np.concatenate([np.zeros(0), *some]) for some in (child, parent, share))
    children, parents_, shares = pairs[0].astype(np.int64), pairs[1].astype(np.int64), pairs[2]
    root, caused = _chains(direct, children, parents_, shares, value, kinds.index("liquidation"))
    return Attribution(
        event=events["id"][first].astype(np.int64),
        row=events["row"][first].astype(np.int64),
        book=book,
        time=time,
        side=side,
        value=value,
        kinds=kinds,
        direct=direct,
        root=root,
        parents=(children, parents_, shares),
        caused=caused,
    )


def _failures(events: dict[str, NDArray[Any]], lines: Ints) -> list[list[int]]:
    """Event lines of each failure: one account in one step; an ADL fill belongs to the account that failed."""
    found: dict[tuple[int, float], list[int]] = {}
    for i in lines.tolist():
        found.setdefault((int(events["row"][i]), float(events["time"][i])), []).append(i)
    return sorted(found.values(), key=lambda some: (float(events["time"][some[0]]), some[0]))


def _sold_by_funds(
    fills: dict[str, NDArray[Any]], events: dict[str, NDArray[Any]], of_event: dict[int, int], source: Ints
) -> None:
    """Lead what funds sell back to the failures whose positions it was: first taken over, first sold."""
    taken, sold = events["kind"] == "takeover", fills["cause"] == "disposal"
    for book in np.unique(fills["book"][sold]):
        for way in (1, -1):
            came = np.flatnonzero(taken & (events["book"] == book) & (events["side"] == way))
            went = np.flatnonzero(sold & (fills["book"] == book) & (fills["side"] == -way))
            if len(came) == 0 or len(went) == 0:
                continue
            until = events["quantity"][came].cumsum()
            middle = fills["quantity"][went].cumsum() - fills["quantity"][went] / 2
            place = np.searchsorted(until, middle)
            known = place < len(
                came
            )  # what a fund has been given in ADL or had before is not from a failure here
            source[went[known]] = [of_event[int(events["id"][i])] for i in came[place[known]]]


def _closes(events: dict[str, NDArray[Any]], lines: Sequence[int]) -> NDArray[np.bool_]:
    return np.isin(events["kind"][list(lines)].astype(str), FORCED)


def _largest(events: dict[str, NDArray[Any]], lines: Sequence[int]) -> int:
    """The line of the largest position that is closed; one with a book before one without."""
    return max(lines, key=lambda i: (bool(events["book"][i]), float(events["value"][i])))


class _Flow:
    """Fills of one coin that push one way, in order of time, and what of them fell into a window."""

    def __init__(self, time: Floats, value: Floats, why: Ints, source: Ints, kinds: int) -> None:
        self.time = time
        self.value, self.source = value, source
        self.engine = np.flatnonzero(source >= 0)
        self.engine_time = time[self.engine]
        others = np.zeros((len(time) + 1, kinds))
        # a liquidation order without an event of ours is an order like others
        np.add.at(others, (np.flatnonzero(source < 0) + 1, why[source < 0]), value[source < 0])
        self.others = others.cumsum(axis=0)
        self.liquidation = CAUSES.index("liquidation")

    def before(self, time: float, window: float, own: int) -> tuple[Floats, Ints, Floats]:
        """Shares by kind in the window that ends at a failure; the failures among them and their shares.

        Participants' orders of the failure's own step were filled before its mark was made, liquidation orders after.
        """
        low, high = np.searchsorted(self.time, (time - window, time), side="right")
        by_kind: Floats = self.others[high] - self.others[low]
        first = int(np.searchsorted(self.engine_time, time - window, side="right"))
        last = int(np.searchsorted(self.engine_time, time, side="left"))
        lines = self.engine[first:last]
        who, where = np.unique(self.source[lines], return_inverse=True)
        value = np.bincount(where, self.value[lines], len(who)) if len(lines) else np.zeros(0)
        keep = who != own
        who, value = who[keep], value[keep]
        by_kind[self.liquidation] += value.sum()
        total = float(by_kind.sum())
        if total <= 0:
            return np.zeros(len(by_kind)), who[:0], value[:0]
        return by_kind / total, who, value / total


def _chains(
    direct: Floats, child: Ints, parent: Ints, share: Floats, value: Floats, liquidation: int
) -> tuple[Floats, Floats]:
    """Shares of root causes forwards in time, caused value backwards: a cause is always earlier than its effect."""
    n = len(value)
    root = direct.copy()
    root[:, liquidation] = 0.0
    # what moved a mark as a liquidation order without a failure of ours stays what it is
    known = np.bincount(child, share, n) if n else np.zeros(0)
    root[:, liquidation] = np.maximum(direct[:, liquidation] - known, 0.0)
    order = np.argsort(child, kind="stable")
    starts = np.searchsorted(child[order], np.arange(n + 1))
    for k in range(n):
        these = order[starts[k] : starts[k + 1]]
        if len(these):
            root[k] += share[these] @ root[parent[these]]
    caused = value.copy()
    for k in range(n - 1, -1, -1):
        these = order[starts[k] : starts[k + 1]]
        np.add.at(caused, parent[these], share[these] * caused[k])
    return root, caused


# deletion ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deletion:
    """What absorbing single failures at mark has changed, beside what the rule says; USD, one entry a failure."""

    failure: Ints  # place in the attribution
    ruled: Floats  # what the rule says that it caused in all, itself included
    measured: Floats  # liquidated in the run less liquidated in the run without it

    def error(self) -> float:
        """Mean absolute difference over the mean of what was measured."""
        return float(np.abs(self.ruled - self.measured).mean() / max(np.abs(self.measured).mean(), 1e-9))

    def bias(self) -> float:
        """What the rule says in all over what was measured in all."""
        total = float(self.measured.sum())
        return float(self.ruled.sum()) / total if total else float("nan")


def chosen(found: Attribution, count: int) -> Ints:
    """Failures to be deleted: the largest half of them, and as many of the least, whose effect is noise."""
    order = np.argsort(-found.value, kind="stable")
    order = order[found.value[order] > 0]
    large = order[: (count + 1) // 2]
    small = order[len(order) - count // 2 :] if count // 2 else order[:0]
    return np.unique(np.concatenate([large, small])).astype(np.int64)


def delete(
    run: Run, found: Attribution, failures: Ints, jobs: int | None = None, progress: bool = True
) -> Deletion:
    """Run the scenario again once for each of these failures, with it absorbed at mark.

    Raises RunError where a run fails.
    """
    from experiments.runner import Job, run_jobs

    wanted = []
    for k in failures.tolist():
        raw = config.plain(config.load(run.folder / "config.toml"))
        at = max(0.0, float(found.time[k]) - run.config["clock"]["step"])
        change = {"at": at, "absorb": [{"row": int(found.row[k]), "time": float(found.time[k])}]}
        raw["interventions"] = [*raw.get("interventions", ()), change]
        raw["record"]["fills"] = False
        scenario, faults = config.resolve(raw)
        if scenario is None or faults:
            raise RunError(f"{run.folder}: {'; '.join(faults)}")
        folder = Path("runs") / ".deletions" / f"{found.event[k]}"
        wanted.append(Job(f"without event {found.event[k]}", scenario, run.seed, folder))
    outcomes = run_jobs(wanted, jobs=jobs, progress=progress)
    measured = []
    for outcome in outcomes:
        other = outcome.open()
        if not (other.events()["kind"] == "absorption").any():
            raise RunError(f"{other.folder}: the liquidation did not come about again")
        measured.append(found.total() - attributable(other))
    return Deletion(failures, found.caused[failures], np.array(measured))


def attributable(run: Run) -> float:
    """USD that venues closed in a run, as in `Attribution.value`."""
    events = run.events()
    closed = np.isin(events["kind"].astype(str), FORCED) & (events["row"] >= 0)
    return float(events["value"][closed].sum())


def tables(found: Attribution, largest: int = 10) -> list[tuple[str, list[str], list[list[str]]]]:
    """What the command prints: shares by cause, and the failures that caused most."""
    total = max(found.total(), 1e-9)
    by_cause = []
    for k, kind in enumerate(found.kinds):
        direct, root = (float(found.value @ part[:, k]) / total for part in (found.direct, found.root))
        if direct > 0 or root > 0:
            by_cause.append([kind, f"{direct:.1%}", f"{root:.1%}"])
    order = np.argsort(-found.caused, kind="stable")[:largest]
    triggers = [
        [
            str(found.event[k]), f"{found.time[k]:g}", found.book[k], "long" if found.side[k] > 0 else "short",
            f"{found.value[k] / 1e6:.3f}", f"{found.caused[k] / 1e6:.3f}", _top(found, int(k)),
        ]
        for k in order.tolist()
    ]  # fmt: skip
    return [
        (
            f"{len(found.value)} failures, {total / 1e6:.2f} M$ closed; what moved their marks",
            ["orders sent for", "directly", "led back to the first"],
            by_cause,
        ),
        (
            "failures that caused most, M$",
            ["event", "time", "book", "side", "own value", "caused in all", "mostly because of"],
            triggers,
        ),
    ]


def deletion_lines(found: Attribution, tried: Deletion) -> list[list[str]]:
    """One line a deleted failure: event, own value, by the rule, by deletion, M$."""
    return [
        [str(found.event[k]), *(f"{x / 1e6:.3f}" for x in (found.value[k], ruled, measured))]
        for k, ruled, measured in zip(tried.failure.tolist(), tried.ruled, tried.measured, strict=True)
    ]


def _top(found: Attribution, k: int) -> str:
    best = int(np.argmax(found.direct[k]))
    return f"{found.kinds[best]} {found.direct[k, best]:.0%}"
