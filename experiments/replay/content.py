"""What a replay holds of a run: its prices, books, venues and network over time, and what happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from abm.causes import CAUSES
from abm.columns import BANDS
from abm.ladders import LEVELS
from experiments import causes, readings
from experiments.fate import WHY, how
from experiments.figures.channels import ends, places
from experiments.figures.subject import main_coin
from experiments.readings import Unmeasured
from experiments.replay import people
from experiments.replay.packing import Package, Values, coarse, fine
from experiments.run import Run, RunError

SCALE = 1e-5  # of a book's first price: one step of its series
CELLS = 900_000  # of a table by step other than prices; two runs in one file share them
CELLS_PER_EVENT = 3  # an event is about as heavy as so many numbers of a table
FAILED = ("time", "owner", "row", "book", "side")  # what ADL events against one failure have in common
PARENTS = 3  # earlier failures named as causes of one


PACKING = "packing"
PARTS = (
    "prices and books",
    "levels",
    "venues",
    "network",
    "makers",
    "events",
    "why accounts failed",
    "people",
    PACKING,
)


def package(
    run: Run,
    begun: Callable[[str], object] = lambda what: None,
    beside: Package | None = None,
    cells: int = CELLS,
) -> Package:
    """Everything that the player shows of a run; `begun` is told each of `PARTS` before it is made.

    `beside`: the package of the run that it is shown beside; `cells`: numbers that a table by step may have, of longer
    ones every so many steps are kept.
    """
    if not len(run.time) or not run.books:
        raise Unmeasured(
            f"{run.folder}: recorded no step of no book; record.every and record.books say what is kept"
        )
    pack = Package(beside, cells)
    start = run.start if run.start.tzinfo else run.start.replace(tzinfo=UTC)
    pack.header = {
        "title": str(run.config.get("title", "") or run.name),
        "name": run.name,
        "seed": run.seed,
        "digest": run.digest[:16],
        "start": start.timestamp(),
        "books": list(run.books),
        "venues": list(run.venues),
        "quotes": [str(run.config["venues"].get(name, {}).get("quote", "")) for name in run.venues],
        "edges": list(run.edges),
        "coin": main_coin(run),
        "bands": [int(band) / 100 for band in BANDS],
        "missing": {},
    }
    pack.add("time", run.time, "f4")
    pack.header["seconds"] = float(np.median(np.diff(run.time))) if len(run.time) > 1 else 1.0
    told = iter(PARTS)
    for add in (_books, _levels, _venues, _network, _makers):
        begun(next(told))
        add(run, pack)
    begun(next(told))
    events, place = _events(run, pack)
    begun(next(told))
    _failures(run, pack, events, place)
    begun(next(told))
    people.add(run, pack)
    pack.header["marked"] = marked(run, events)
    return pack


def _books(run: Run, pack: Package) -> None:
    last, mark = (_series(run, name) for name in ("last", "mark"))
    base = np.array([_first(a, b) for a, b in zip(last, mark, strict=True)])
    unit = base * SCALE
    pack.header["unit"] = unit.tolist()
    last, mark = (np.rint(np.nan_to_num(values) / unit[:, None]).astype(np.int64) for values in (last, mark))
    pack.add("last", last, "i4", delta=True, steps=True)
    pack.add("mark", mark - last, "i4", delta=True, steps=True)
    every = pack.stride(len(run.time), 2 * len(BANDS) * len(run.books))
    places = np.arange(0, len(run.time), every)
    pack.header["stride"] = every
    for side in ("bid", "ask"):
        for band in BANDS:
            values = run.column(f"depth_{side}_{band}")[places].T
            pack.add(f"{side}_{band}", coarse(values), "u1", delta=True)
    ends_ = np.add.reduceat(np.nan_to_num(run.column("volume")), places, axis=0).T
    pack.add("volume", coarse(ends_), "u1", delta=True)


def _levels(run: Run, pack: Package) -> None:
    """The best price levels of the books that kept them: prices in ticks, dollars that rest there."""
    pack.header["ladder"] = {"books": []}
    try:
        rungs = run.levels()
    except RunError as reason:
        pack.header["missing"]["levels"] = str(reason).partition("; ")[2]
        return
    known = {name: k for k, name in enumerate(run.books)}
    names = [name for name in dict.fromkeys(rungs["book"]) if name in known]
    if not names:
        return
    every = pack.stride(len(run.time), 16 * LEVELS * len(names))  # no number repeats: they weigh most
    book = codes_of(rungs["book"], names)
    step, ask = np.searchsorted(run.time, rungs["time"] - 1e-9), (rungs["side"] < 0).astype(int)
    # lines of one step, book and side stand together, the best price first
    side = (step * len(names) + book) * 2 + ask
    begin = np.flatnonzero(np.diff(side, prepend=-1))
    rank = np.arange(len(side)) - np.repeat(begin, np.diff([*begin, len(side)]))
    kept = (step % every == 0) & (book >= 0)
    shape = (len(names), 2, LEVELS, -(-len(run.time) // every))
    price, dollars = np.zeros(shape), np.zeros(shape)
    at = book[kept], ask[kept], rank[kept], step[kept] // every
    price[at], dollars[at] = rungs["price"][kept], (rungs["price"] * rungs["quantity"])[kept]
    coins = [name.partition(":")[2].rpartition("-")[0] for name in names]
    ticks = [float(run.config["contracts"][coin]["tick"]) for coin in coins]
    ladder = {"books": [known[name] for name in names], "ticks": ticks, "stride": every, "levels": LEVELS}
    pack.header["ladder"] = ladder
    pack.add("l_price", np.rint(price / np.array(ticks)[:, None, None, None]), "i4", delta=True)
    pack.add("l_value", coarse(dollars), "u1", delta=True)


def _venues(run: Run, pack: Package) -> None:
    every = pack.stride(len(run.time), 40 * len(run.venues))
    pack.header["venue_stride"] = every
    pack.add("fund_inventory", fine(run.column("fund_inventory")[::every].T), "i2", delta=True)


def _network(run: Run, pack: Package) -> None:
    pack.header["pairs"] = []
    pack.header["places"] = {}
    if not run.edges:
        return
    value = {name: float(entry["value"]) for name, entry in run.config.get("assets", {}).items()}
    pairs = list(dict.fromkeys(ends(name)[:2] for name in run.edges))
    of = np.array([pairs.index(ends(name)[:2]) for name in run.edges])
    every = pack.stride(len(run.time), 8 * len(pairs))
    places_ = np.arange(0, len(run.time), every)
    worth = np.array([value.get(ends(name)[2], 1.0) for name in run.edges])
    moved, queue = np.nan_to_num(run.column("moved")) * worth, run.column("queue")
    shut = ~run.column("open").astype(bool)
    flow, wait, stop = (np.zeros((len(pairs), len(places_))) for _ in range(3))
    for k in range(len(pairs)):
        mine = of == k
        flow[k] = np.add.reduceat(moved[:, mine].sum(axis=1), places_)
        wait[k] = np.maximum.reduceat(queue[:, mine].sum(axis=1), places_)
        stop[k] = np.maximum.reduceat(shut[:, mine].sum(axis=1), places_)
    pack.header["pairs"] = [list(pair) for pair in pairs]
    pack.header["pair_edges"] = np.bincount(of, minlength=len(pairs)).tolist()
    pack.header["places"] = {node: [round(x, 4), round(y, 4)] for node, (x, y) in places(run).items()}
    pack.header["network_stride"] = every
    pack.add("moved", coarse(flow), "u1", delta=True)
    pack.add("queue", np.minimum(wait, 65000), "u2", delta=True)
    pack.add("shut", np.minimum(stop, 255), "u1", delta=True)


def _makers(run: Run, pack: Package) -> None:
    try:
        quotes = run.quotes()
    except RunError as reason:
        pack.header["missing"]["makers"] = str(reason).partition("; ")[2]
        return
    names = list(dict.fromkeys(quotes["participant"]))
    step = np.minimum(np.searchsorted(run.time, quotes["time"] - 1e-9), len(run.time) - 1)
    every = pack.stride(len(run.time), 8 * len(names) * len(run.books))
    held = np.zeros((len(names), len(run.books), len(run.time)))
    who = np.array([names.index(name) for name in quotes["participant"]], int)
    known = {name: k for k, name in enumerate(run.books)}
    book = np.array([known.get(name, -1) for name in quotes["book"]], int)
    here = book >= 0
    held[who[here], book[here], step[here]] = quotes["inventory"][here]
    worth = np.nan_to_num(_series(run, "mark")) * held
    pack.header["makers"], pack.header["maker_stride"] = names, every
    pack.add("maker_inventory", fine(worth[:, :, ::every]), "i2", delta=True)


def _events(run: Run, pack: Package) -> tuple[dict[str, Values], dict[int, int]]:
    """The events in order of time, names as codes, in the order of the package; by number the place of each."""
    table = run.table("events/events")
    order = np.argsort(table["time"].to_numpy(), kind="stable")
    vocabularies = {
        "kind": list(run.vocabularies.get("kind", [])),
        "cause": list(run.vocabularies.get("cause", [])),
        "stage": list(run.vocabularies.get("stage", [])),
        "venue": list(run.venues),
        "book": list(run.books),
    }
    events: dict[str, Values] = {}
    for name in (
        "id",
        "time",
        "parent",
        "owner",
        "row",
        "other_owner",
        "side",
        "quantity",
        "price",
        "mark",
        "value",
    ):
        events[name] = _column(table, name)[order]
    for name, known in vocabularies.items():
        events[name] = codes(table, name, known)[order]
    adl = vocabularies["kind"].index("adl") if "adl" in vocabularies["kind"] else -1
    events, at = gathered(events, adl, pack.cells // CELLS_PER_EVENT)
    pack.header["gathered"] = len(at) - len(events["id"])
    place = dict(zip(table["id"].to_numpy()[order].tolist(), at.tolist(), strict=True))
    events["parent_place"] = np.array([place.get(int(p), -1) for p in events["parent"].tolist()], np.int64)
    pack.header.update(
        {
            "kinds": vocabularies["kind"],
            "causes": vocabularies["cause"],
            "stages": [how(stage) for stage in vocabularies["stage"]],
        }
    )
    n = np.arange(len(events["id"]))
    back = np.where(events["parent_place"] >= 0, n - events["parent_place"], 0)
    pack.add("e_time", np.rint(1000 * events["time"]), "i4", delta=True)
    pack.add("e_parent", back, "i4")
    for name, dtype in (
        ("kind", "u1"),
        ("venue", "i1"),
        ("book", "i2"),
        ("side", "i1"),
        ("cause", "i1"),
        ("stage", "i1"),
    ):
        pack.add(f"e_{name}", events[name], dtype)
    for name in ("owner", "other_owner"):
        pack.add(f"e_{name}", events[name], "i4")
    for name in ("quantity", "price", "mark"):
        pack.add(f"e_{name}", np.nan_to_num(events[name]), "f4")
    worth = np.nan_to_num(events["quantity"] * events["price"])
    value = np.nan_to_num(events["value"])
    pack.add(
        "e_value", np.where(np.isclose(value, worth, rtol=1e-4), np.nan, value), "f4"
    )  # nan: their product
    return events, place


def gathered(events: dict[str, Values], adl: int, most: int) -> tuple[dict[str, Values], Values]:
    """Events of which there are about `most`, and the place there of each that was given.

    Where there are more, the smallest positions of winners that were closed against one failure at one time are told
    as one event against nobody by name: dollars and coins stay what they were, the price is their mean.
    """
    n = len(events["id"])
    mine = np.flatnonzero(events["kind"] == adl)
    if n <= most:
        return events, np.arange(n)
    apart = max(0, most - (n - len(mine))) // 2
    small = np.sort(mine[np.argsort(-np.nan_to_num(events["value"][mine]), kind="stable")[apart:]])
    new = np.ones(len(small), bool)
    new[1:] = np.any([np.diff(events[name][small]) != 0 for name in FAILED], axis=0)
    group, first = np.cumsum(new) - 1, small[new]
    told = {name: values.copy() for name, values in events.items()}
    for name in ("quantity", "value"):
        told[name][first] = np.bincount(group, np.nan_to_num(events[name][small]))
    many = first[np.bincount(group) > 1]
    told["price"][many] = told["value"][many] / told["quantity"][many]
    told["other_owner"][many] = -1
    kept = np.ones(n, bool)
    kept[small[~new]] = False
    place = np.cumsum(kept) - 1
    place[small] = place[first[group]]
    return {name: values[kept] for name, values in told.items()}, place


def _failures(run: Run, pack: Package, events: dict[str, Values], place: dict[int, int]) -> None:
    """Why each account failed: shares of what moved its mark, and the earlier failures among it."""
    of_event = np.full(len(events["id"]), -1, np.int64)
    pack.header["failure_kinds"] = [WHY[kind] for kind in (*CAUSES, "unknown")]
    try:
        found = causes.attribution(run)
    except RunError as reason:
        pack.header["missing"]["causes"] = str(reason).rpartition(": ")[2]
        pack.add("e_failure", of_event, "i4")
        return
    n = len(found.value)
    key = {
        (int(row), float(time)): k for k, (row, time) in enumerate(zip(found.row, found.time, strict=True))
    }
    begins = np.isin(events["kind"], [pack.header["kinds"].index(kind) for kind in causes.BEGINS])
    for i in np.flatnonzero(begins).tolist():
        of_event[i] = key.get((int(events["row"][i]), float(events["time"][i])), -1)
    child, parent, share = found.parents
    order = np.lexsort((-share, child))
    rank = np.arange(len(order)) - np.searchsorted(child[order], child[order])
    kept = order[rank < PARENTS]
    who, much = np.full((n, PARENTS), -1), np.zeros((n, PARENTS))
    who[child[kept], rank[rank < PARENTS]] = parent[kept]
    much[child[kept], rank[rank < PARENTS]] = share[kept]
    pack.add("e_failure", of_event, "i4")
    pack.add("f_event", np.array([place[int(number)] for number in found.event], np.int64), "i4")
    pack.add("f_value", fine(found.value), "i2")
    pack.add("f_caused", fine(found.caused), "i2")
    pack.add("f_direct", np.rint(250 * found.direct).T, "u1")
    pack.add("f_root", np.rint(250 * found.root).T, "u1")
    pack.add("f_parent", who.T, "i4")
    pack.add("f_share", np.rint(250 * much).T, "u1")


# what is worth a jump -----------------------------------------------------------------------------------------


def marked(run: Run, events: dict[str, Values]) -> list[dict[str, Any]]:
    """Moments to jump to, in order of time: news, firsts, stops, the low, the largest minute."""
    kinds = list(run.vocabularies.get("kind", []))
    found: list[tuple[float, str]] = []

    def happened(kind: str) -> NDArray[np.float64]:
        return events["time"][events["kind"] == kinds.index(kind)] if kind in kinds else np.zeros(0)

    found += [(float(time), "news") for time in happened("news")[:5]]
    for kind, words in (
        ("liquidation", "first liquidation"), ("takeover", "first take-over"), ("adl", "first ADL"),
        ("bankruptcy", "first bankruptcy"), ("conversion", "first collateral sold"),
    ):  # fmt: skip
        if len(times := happened(kind)):
            found.append((float(times[0]), words))
    for kind, words in (
        ("withdrawals_stopped", "withdrawals stopped"), ("withdrawals_opened", "withdrawals open again"),
        ("halted", "trading halted"), ("resumed", "trading resumed"),
    ):  # fmt: skip
        for k in np.flatnonzero(events["kind"] == kinds.index(kind))[:6] if kind in kinds else []:
            venue = int(events["venue"][k])
            found.append(
                (float(events["time"][k]), f"{words}{f': {run.venues[venue]}' if venue >= 0 else ''}")
            )
    forced = [kinds.index(kind) for kind in ("liquidation", "takeover", "adl") if kind in kinds]
    closing = np.isin(events["kind"], forced)
    if closing.any():
        minute = np.floor(events["time"][closing] / 60.0).astype(int)
        value = np.bincount(minute - minute.min(), np.nan_to_num(events["value"][closing]))
        end = min(60.0 * (int(value.argmax()) + int(minute.min()) + 1), float(run.time[-1]))
        found.append((end, "end of the largest minute of forced closings"))
    coin = main_coin(run)
    for book in (readings.books(run, "PERP", coin) or run.books)[:1]:
        low = run.column("low", book=book)
        if np.isfinite(low).any():
            found.append((float(run.time[int(np.nanargmin(low))]), f"low of {book}"))
    return [{"time": time, "word": word} for time, word in sorted(found)]


def codes_of(names: Values, known: list[str]) -> Values:
    """Names as places in a list, -1 for one that is not there."""
    place = {name: k for k, name in enumerate(known)}
    return np.array([place.get(name, -1) for name in names.tolist()], np.int64)


def codes(table: pa.Table, name: str, known: list[str]) -> Values:
    """A column of names as places in a list, -1 for none."""
    if name not in table.column_names:
        return np.full(table.num_rows, -1)
    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    found = pc.index_in(column, value_set=pa.array(known, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy()).astype(np.int64)


def _column(table: pa.Table, name: str) -> Values:
    if name in table.column_names:
        return np.asarray(table[name].to_numpy())
    return np.full(table.num_rows, -1 if name in ("parent", "owner", "row", "other_owner") else 0)


def _series(run: Run, name: str) -> Values:
    """A price of every book, [books, steps], the last known one; NaN before the first."""
    values = run.column(name)
    return np.array([readings.filled(values[:, k]) for k in range(values.shape[1])])


def _first(*series: Values) -> float:
    for values in series:
        known = values[np.isfinite(values) & (values > 0)]
        if len(known):
            return float(known[0])
    return 1.0
