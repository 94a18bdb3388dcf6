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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from abm.causes import CAUSES
from experiments import config
from experiments.run import Run, RunError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Begun = Callable[[str], object]

FORCED = ("liquidation", "takeover", "adl")  # events in which a position is closed by its venue
FILLS = ("time", "book", "side", "value", "quantity", "cause", "event")  # what the rule looks at
PARTS = (
    "the fills",
    "who sold for whom",
    "what pushed each mark",
    "chains of failures",
)  # of the work, in order
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
        shares: [failures, failures], the shares of earlier failures' orders in each (its line), sparse.
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
    shares: csr_array
    caused: Floats

    @property
    def parents(self) -> tuple[Ints, Ints, Floats]:
        """(child, parent, share) of every pair of failures with a share, in order of the children."""
        pairs = self.shares
        child = np.repeat(np.arange(len(self.value)), np.diff(pairs.indptr))
        return child, pairs.indices.astype(np.int64), pairs.data

    def total(self) -> float:
        """USD closed in all."""
        return float(self.value.sum())

    def endogenous(self) -> float:
        """Share of the closed value whose mark was moved by other liquidations' orders."""
        return float(self.value @ self.direct[:, self.kinds.index("liquidation")]) / max(self.total(), 1e-9)


_KNOWN: WeakKeyDictionary[Run, Attribution] = WeakKeyDictionary()


def attribution(run: Run, begun: Begun = lambda what: None) -> Attribution:
    """`attribute`, once a run: of October it takes half a minute."""
    if run not in _KNOWN:
        _KNOWN[run] = attribute(run, begun=begun)
    return _KNOWN[run]


def attribute(run: Run, window: float | None = None, begun: Begun = lambda what: None) -> Attribution:
    """Lead every failure of a run back to its causes.

    Args:
        window: seconds of fills that a mark's move is shared among; None = what the venue's mark averages.
        begun: told each of `PARTS` when it begins.

    Raises RunError where the run kept no fills.
    """
    begun(PARTS[0])
    fills, events = run.fills(*FILLS), run.events()
    begun(PARTS[1])
    kinds = [*CAUSES, "unknown"]
    books = run.vocabularies["book"]
    coins = [name.partition(":")[2].rpartition("-")[0] for name in books]
    forced = np.isin(events["kind"].astype(str), BEGINS) & (events["row"] >= 0)
    failures = _failures(events, np.flatnonzero(forced))
    n = len(failures)
    first = np.array([lines[0] for lines in failures], np.int64)
    main = np.array([_largest(events, lines) for lines in failures], np.int64)
    time, side = events["time"][first].astype(np.float64), events["side"][main].astype(np.int64)
    value = np.array([events["value"][lines][_closes(events, lines)].sum() for lines in failures])
    book = _codes(events["book"][main], books)
    windows = {name: window or float(rules["mark"]["window"]) for name, rules in run.config["venues"].items()}
    since = time - np.array([windows.get(str(name).partition(":")[0], 0.0) for name in events["book"][main]])

    of_event = np.full(len(events["id"]), -1, np.int64)
    for k, lines in enumerate(failures):
        of_event[lines] = k
    source = _at(events["id"], of_event, fills["event"])
    fill_book = _codes(fills["book"], books)
    why = _codes(fills["cause"], kinds)
    _sold_by_funds(fills, fill_book, why == kinds.index("disposal"), events, of_event, source, books)
    begun(PARTS[2])
    # the coin whose fills push each way, and the failures that they can push
    coin_of = np.array([*(sorted(set(coins)).index(name) for name in coins), -1], np.int64)
    flow = 2 * coin_of[fill_book] + (fills["side"] > 0)
    pushed = np.where(book >= 0, 2 * coin_of[book] + (side < 0), -1)
    order = np.lexsort((fills["time"], flow))  # within a step the fills stay in their order
    bounds = np.searchsorted(flow[order], np.arange(2 * len(set(coins)) + 1))
    by_kind, by_failure = np.zeros((n, len(kinds))), csr_array((n, n))
    for way in np.unique(pushed[pushed >= 0]).tolist():
        mine, who = order[bounds[way] : bounds[way + 1]], np.flatnonzero(pushed == way)
        one = _Flow(fills["time"][mine], fills["value"][mine], why[mine], source[mine])
        by_kind[who] = one.of_participants(time[who], since[who], len(kinds))
        by_failure = by_failure + one.of_failures(who, time[who], since[who], n)
    begun(PARTS[3])
    liquidation = kinds.index("liquidation")
    by_kind[:, liquidation] += by_failure.sum(axis=1)
    total = by_kind.sum(axis=1)
    by_kind[total <= 0, kinds.index("unknown")] = 1.0
    total = np.where(total > 0, total, 1.0)
    direct = by_kind / total[:, None]
    by_failure.data /= np.repeat(total, np.diff(by_failure.indptr))
    root, caused = _chains(direct, by_failure, time, value, liquidation)
    return Attribution(
        event=events["id"][first].astype(np.int64),
        row=events["row"][first].astype(np.int64),
        book=[str(name) for name in events["book"][main]],
        time=time,
        side=side,
        value=value,
        kinds=kinds,
        direct=direct,
        root=root,
        shares=by_failure,
        caused=caused,
    )


def _codes(names: NDArray[Any], known: Sequence[str]) -> Ints:
    """Places of names in a list, -1 for one that is not there."""
    found = pc.index_in(pa.array(names, pa.string()), value_set=pa.array(list(known), pa.string()))
    return np.asarray(found.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def _at(numbers: Ints, values: Ints, wanted: Ints) -> Ints:
    """The values that stand beside these numbers, -1 beside one that is not there."""
    if not len(numbers):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(numbers, kind="stable")
    place = np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(numbers) - 1)
    return np.where(numbers[order[place]] == wanted, values[order[place]], -1)


def _failures(events: dict[str, NDArray[Any]], lines: Ints) -> list[list[int]]:
    """Event lines of each failure: one account in one step; an ADL fill belongs to the account that failed."""
    found: dict[tuple[int, float], list[int]] = {}
    for i in lines.tolist():
        found.setdefault((int(events["row"][i]), float(events["time"][i])), []).append(i)
    return sorted(found.values(), key=lambda some: (float(events["time"][some[0]]), some[0]))


def _sold_by_funds(
    fills: dict[str, NDArray[Any]], fill_book: Ints, of_funds: NDArray[np.bool_], events: dict[str, NDArray[Any]],
    of_event: Ints, source: Ints, books: Sequence[str],
) -> None:  # fmt: skip
    """Lead what funds sell back to the failures whose positions it was: first taken over, first sold."""
    taken = np.flatnonzero(events["kind"] == "takeover")
    sold = np.flatnonzero(of_funds)
    taken_book = _codes(events["book"][taken], books)
    for book in np.unique(fill_book[sold]).tolist():
        for way in (1, -1):
            came = taken[(taken_book == book) & (events["side"][taken] == way)]
            went = sold[(fill_book[sold] == book) & (fills["side"][sold] == -way)]
            if len(came) == 0 or len(went) == 0:
                continue
            until = events["quantity"][came].cumsum()
            middle = fills["quantity"][went].cumsum() - fills["quantity"][went] / 2
            place = np.searchsorted(until, middle)
            # what a fund has been given in ADL or had before is not from a failure here
            known = place < len(came)
            source[went[known]] = of_event[came[place[known]]]


def _closes(events: dict[str, NDArray[Any]], lines: Sequence[int]) -> NDArray[np.bool_]:
    return np.array([events["kind"][i] in FORCED for i in lines])


def _largest(events: dict[str, NDArray[Any]], lines: Sequence[int]) -> int:
    """The line of the largest position that is closed; one with a book before one without."""
    return max(lines, key=lambda i: (bool(events["book"][i]), float(events["value"][i])))


class _Flow:
    """Fills of one coin that push one way, in order of time, and what of them fell into a window.

    Participants' orders of a failure's own step were filled before its mark was made, liquidation orders after.
    """

    def __init__(self, time: Floats, value: Floats, why: Ints, source: Ints) -> None:
        # a liquidation order without an event of ours is an order like others
        others, engine = source < 0, source >= 0
        self.time, self.value, self.why = time[others], value[others], why[others]
        # the fills of one failure's order in one step are one
        key = np.stack([time[engine], source[engine].astype(np.float64)])
        lines, place = np.unique(key, axis=1, return_inverse=True)
        self.engine_time, self.source = lines[0], lines[1].astype(np.int64)
        self.engine_value = np.bincount(place.ravel(), value[engine], lines.shape[1])

    def of_participants(self, time: Floats, since: Floats, kinds: int) -> Floats:
        """[failures, kinds], dollars of participants' orders after `since`, up to and with `time`."""
        found = np.zeros((len(time), kinds))
        low, high = (np.searchsorted(self.time, moment, side="right") for moment in (since, time))
        for kind in np.unique(self.why).tolist():
            until = np.concatenate([[0.0], np.where(self.why == kind, self.value, 0.0).cumsum()])
            found[:, kind] = until[high] - until[low]
        return found

    def of_failures(self, who: Ints, time: Floats, since: Floats, n: int) -> csr_array:
        """[n, n], dollars of each failure's orders after `since`, before `time`, in the lines of `who`."""
        first = np.searchsorted(self.engine_time, since, side="right")
        count = np.searchsorted(self.engine_time, time, side="left") - first
        child = np.repeat(np.arange(len(who)), count)
        line = np.arange(len(child)) + (first - (count.cumsum() - count))[child]
        parent = self.source[line]
        earlier = parent != who[child]
        pairs = who[child[earlier]], parent[earlier]
        return csr_array((self.engine_value[line[earlier]], pairs), (n, n))  # what is there twice is added up


def _chains(
    direct: Floats, shares: csr_array, time: Floats, value: Floats, liquidation: int
) -> tuple[Floats, Floats]:
    """Shares of root causes forwards in time, caused value backwards, step by step: a cause is in an earlier one."""
    root = direct.copy()
    # what moved a mark as a liquidation order without a failure of ours stays what it is
    root[:, liquidation] = np.maximum(direct[:, liquidation] - shares.sum(axis=1), 0.0)
    caused = value.copy()
    for step in steps(time):
        root[step] += shares[step] @ root
    for step in reversed(steps(time)):
        caused += shares[step].T @ caused[step]
    return root, caused


def steps(time: Floats) -> list[slice]:
    """Failures of each step, in order: those of one step cannot have caused each other."""
    return [slice(*pair) for pair in pairwise([*np.unique(time, return_index=True)[1].tolist(), len(time)])]


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


def facts(found: Attribution, largest: int = 10) -> dict[str, Any]:
    """The same as numbers: USD and shares."""
    total = max(found.total(), 1e-9)
    order = np.argsort(-found.caused, kind="stable")[:largest].tolist()
    return {
        "failures": len(found.value),
        "closed": found.total(),
        "endogenous": found.endogenous(),
        "causes": [
            {"cause": kind, "direct": float(one), "first": float(first)}
            for kind, one, first in zip(
                found.kinds, found.value @ found.direct / total, found.value @ found.root / total, strict=True
            )
        ],
        "largest": [
            {
                "event": int(found.event[k]), "row": int(found.row[k]), "time": float(found.time[k]),
                "book": found.book[k], "side": "long" if found.side[k] > 0 else "short", "value": float(found.value[k]),
                "caused": float(found.caused[k]),
            }
            for k in order
        ],
    }  # fmt: skip


def deletion_facts(found: Attribution, tried: Deletion) -> dict[str, Any]:
    """What single deletions changed, as numbers: USD."""
    return {
        "deletions": [
            {
                "event": int(found.event[k]),
                "value": float(found.value[k]),
                "ruled": float(a),
                "measured": float(b),
            }
            for k, a, b in zip(tried.failure.tolist(), tried.ruled, tried.measured, strict=True)
        ],
        "error": tried.error(),
        "bias": tried.bias(),
    }


def deletion_lines(found: Attribution, tried: Deletion) -> list[list[str]]:
    """One line a deleted failure: event, own value, by the rule, by deletion, M$."""
    return [
        [str(found.event[k]), *(f"{x / 1e6:.3f}" for x in (found.value[k], ruled, measured))]
        for k, ruled, measured in zip(tried.failure.tolist(), tried.ruled, tried.measured, strict=True)
    ]


def _top(found: Attribution, k: int) -> str:
    best = int(np.argmax(found.direct[k]))
    return f"{found.kinds[best]} {found.direct[k, best]:.0%}"
