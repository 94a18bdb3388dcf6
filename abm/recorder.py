"""The recorder: takes over from a model, step by step, what `[record]` asks for, and hands it on as a `Recording`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm.bytewise import copied, joined, stacked
from abm.causes import CAUSES, E_LIQUIDATION, E_TAKEOVER, EVENT_KINDS
from abm.columns import COLUMNS
from abm.feed import published
from abm.gauges import Gauges, edges_of
from abm.ladders import RUNG, ladders
from abm.liquidation import STAGES
from abm.quotations import QUOTATION, quotations
from abm.recording import Recording, Values
from abm.statements import statements

if TYPE_CHECKING:
    from abm.model import CascadeModel


OBSERVATION = np.dtype(
    [
        ("time", "i8"), ("participant", "i4"), ("what", "i4"), ("book", "i4"), ("other_book", "i4"),
        ("value", "f8"), ("rate", "f8"),
    ]
)  # fmt: skip


class Recorder:
    """Keeps what `[record]` asks for while a model steps, and hands it over as a `Recording`.

    Args:
        every: record every this many steps.
        books: "all", a name or names of books; none is possible.
        accounts_at: "start", "end" or seconds at which all accounts are kept.
        fills: keep every fill with its cause.
        quotes: participants whose quotes and inventory are kept at every recorded step.
        levels: names of books whose best price levels are kept at every recorded step.
    """

    def __init__(
        self,
        every: int = 1,
        books: Any = "all",
        accounts_at: Sequence[Any] = ("start", "end"),
        fills: bool = False,
        quotes: Sequence[str] = (),
        levels: Sequence[str] = (),
    ) -> None:
        self.every = every
        self.wanted = (books,) if isinstance(books, str) and books != "all" else books
        self.accounts_at = tuple(accounts_at)
        self.steps: list[tuple[int, int]] = []
        self._books: list[NDArray[Any]] = []
        self._venues: list[NDArray[Any]] = []
        self._network: list[NDArray[Any]] = []
        self._events: list[NDArray[Any]] = []
        self._fills: list[NDArray[Any]] = []
        self._keeps_fills = fills
        self._quotes: list[NDArray[Any]] = []
        self._quoting = tuple(quotes)
        self._levels: list[NDArray[Any]] = []
        self._laddered = tuple(levels)
        self._observations: list[NDArray[Any]] = []
        self._words: list[str] = []
        self._counts: NDArray[Any] | None = None
        self._accounts: dict[str, dict[str, Values]] = {}
        self._positions: dict[str, dict[str, Values]] = {}

    def attach(self, model: CascadeModel) -> None:
        """Meet the model whose record this will be."""
        self.model = model
        self._gauges = Gauges(model.network)
        model.state.meta["keep_fills"] = self._keeps_fills
        names = model.books.name
        self.kept = (
            np.arange(len(names))
            if self.wanted == "all"
            else np.array([names.index(b) for b in self.wanted], np.int64)
        )
        self._part = None if self.wanted == "all" else self.kept  # all of them are copied faster

    def events(self, table: NDArray[Any]) -> None:
        """Take over the events of a step."""
        if len(table):
            self._events.append(table)

    def fills(self, table: NDArray[Any]) -> None:
        """Take over the fills of a step, if they are kept."""
        if self._keeps_fills and len(table):
            self._fills.append(copied(table))

    def observations(
        self, participant: str, seen: Sequence[tuple[str, Any, Any, Any, Any]], now: int
    ) -> None:
        """Take over what a participant remarked in this step."""
        for word, book, other, value, rate in seen:
            if word not in self._words:
                self._words.append(word)
            lines = np.zeros(len(value), OBSERVATION)
            lines["time"], lines["what"] = now, self._words.index(word)
            lines["participant"] = self.model.accounts.participants.index(participant)
            lines["book"], lines["other_book"], lines["value"], lines["rate"] = book, other, value, rate
            self._observations.append(lines)

    def due(self, step: int) -> bool:
        """Whether this step (0 is the first after the start) is recorded: the last of every `every`."""
        return (step + 1) % self.every == 0

    def keep(self, model: CascadeModel, number: int, venues: NDArray[Any]) -> None:
        """Record the step that has just ended: `number` 0 is the first after the start; `venues` as `ledger.VENUE`."""
        s = model.state
        self.events(copied(s.events[: s.count("events")]))
        self.fills(s.fills[: s.count("fills")])
        n = len(model.books)
        first = (int(s.meta["step"][0]) % int(s.meta["ring"][0])) * n
        self._gauges.refusals(model.now)
        if self.due(number):
            self._gauges.read(model.now)
        self.step(
            number,
            model.now,
            s.public[first : first + n],
            venues,
            edges_of(model.network, model.asset_scales),
        )
        if self._quoting and self.due(number):
            known = list(model.accounts.participants)
            watched = np.array([known.index(name) for name in self._quoting], np.int64)
            self._quotes.append(quotations(model, watched))
        if self._laddered and self.due(number):
            names = list(model.books.name)
            self._levels.append(ladders(model, np.array([names.index(name) for name in self._laddered])))
        label = self.label(number, model.now, model.step_number == model.steps_total)
        if label is not None:
            self.accounts(label, *statements(model))

    def step(
        self, step: int, now: int, public: NDArray[Any], venues: NDArray[Any], network: NDArray[Any]
    ) -> None:
        """Record the public record, the venues' counts and the network's edges; flows add up between records."""
        new = copied(public) if self._part is None else public[self._part]
        if self._counts is not None:
            _add_flows(new, self._counts)
        self._counts = new
        self._add_flows(venues, network)
        if not self.due(step):
            return
        self.steps.append((step, now))
        self._books.append(self._counts)
        self._venues.append(venues)
        self._network.append(network)
        self._counts = None
        self._flow = None

    _flow: tuple[NDArray[Any], NDArray[Any]] | None = None

    def _add_flows(self, venues: NDArray[Any], network: NDArray[Any]) -> None:
        if self._flow is not None:
            before, moved = self._flow
            for name in ("liquidated_long", "liquidated_short", "adl", "takeover", "messages", "rejected"):
                venues[name] += before[name]
            venues["gateway_delay"] = np.maximum(venues["gateway_delay"], before["gateway_delay"])
            network["moved"] += moved["moved"]
        self._flow = venues, network

    def label(self, step: int, now: int, last: bool) -> str | None:
        """Name under which the accounts of this moment are wanted, or None."""
        seconds = now / 1000.0
        for wanted in self.accounts_at:
            if wanted == "start" and step == 0 and not last:
                return "start"
            if wanted == "end" and last:
                return "end"
            if isinstance(wanted, (int, float)) and abs(seconds - float(wanted)) < 1e-9:
                return f"{float(wanted):g}"
        return None

    def accounts(self, label: str, accounts: dict[str, Values], positions: dict[str, Values]) -> None:
        """Keep all accounts and positions of this moment."""
        self._accounts[label] = accounts
        self._positions[label] = positions

    def snapshot(self) -> dict[str, Any]:
        """The record so far: arrays, and tables of arrays by label."""
        saved: dict[str, Any] = {"steps": np.array(self.steps, np.int64).reshape(-1, 2)}
        for name, kept in (("books", self._books), ("venues", self._venues), ("network", self._network)):
            if kept:
                saved[name] = stacked(kept)
        if self._events:
            saved["events"] = joined(self._events)
        if self._fills:
            saved["fills"] = joined(self._fills)
        if self._quotes:
            saved["quotes"] = joined(self._quotes)
        if self._levels:
            saved["levels"] = joined(self._levels)
        if self._observations:
            saved["observations"] = joined(self._observations)
            saved["words"] = " ".join(self._words)
        if self._counts is not None and self._flow is not None:  # between two records
            saved["counts"], saved["flow_venues"], saved["flow_network"] = self._counts, *self._flow
        saved["accounts"], saved["positions"] = dict(self._accounts), dict(self._positions)
        gauges = self._gauges.snapshot()
        if gauges:
            saved["gauges"] = gauges
        return saved

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on with a record from `snapshot`."""
        self.steps = [(int(step), int(now)) for step, now in saved["steps"]]
        self._books, self._venues, self._network = (
            list(saved.get(name, ())) for name in ("books", "venues", "network")
        )
        self._events = [saved["events"]] if "events" in saved else []
        self._fills = [saved["fills"]] if "fills" in saved else []
        self._quotes = [saved["quotes"]] if "quotes" in saved else []
        self._levels = [saved["levels"]] if "levels" in saved else []
        self._observations = [saved["observations"]] if "observations" in saved else []
        self._words = str(saved.get("words", "")).split()
        self._counts = np.array(saved["counts"]) if "counts" in saved else None
        self._flow = (
            (np.array(saved["flow_venues"]), np.array(saved["flow_network"])) if "counts" in saved else None
        )
        self._gauges.restore(saved.get("gauges", {}))
        self._accounts = {label: dict(table) for label, table in saved["accounts"].items()}
        self._positions = {label: dict(table) for label, table in saved["positions"].items()}

    def place(self) -> tuple[int, int]:
        """How far the record has come, for `since`."""
        return len(self.steps), len(self._events)

    def since(self, place: tuple[int, int]) -> Recording:
        """What has been recorded after a place: steps and events alone, for who looks on while the model runs.

        Without lists of names, which do not change; `published` as if the feeds had said nothing before.
        """
        steps, events = place
        return self._recording(steps, self._events[events:])

    def finish(self) -> Recording:
        """The finished record."""
        model = self.model
        gauges = self._gauges.tables()
        return replace(
            self._recording(0, self._events),
            fills=self._fill_table() if self._keeps_fills else {},
            quotes=self._quote_table() if self._quoting else {},
            levels=self._level_table() if self._laddered else {},
            observations=self._observation_table(),
            stations=gauges["stations"],
            waits=gauges["waits"],
            refusals=gauges["refusals"],
            accounts=self._accounts,
            positions=self._positions,
            vocabularies={
                "book": list(model.books.name),
                "kind": EVENT_KINDS,
                "cause": CAUSES,
                "stage": STAGES,
                "participant": list(model.accounts.participants),
                "owner_name": list(model.accounts.owner_names),
                "what": list(self._words),
                "other_book": list(model.books.name),
                **self._gauges.vocabularies(),
            },
        )

    def _recording(self, first: int, events: Sequence[NDArray[Any]]) -> Recording:
        """Step tables from a recorded step on, and a table of events."""
        model, info, kept = self.model, self.model.books, self.kept
        steps = np.array(self.steps[first:], np.int64).reshape(-1, 2)
        edges = model.network.edge_names
        network, venues = stacked(self._network[first:]), stacked(self._venues[first:])
        network_table = {name: network[name] for name in network.dtype.names or () if len(edges)}
        venue_table = {name: venues[name] for name in venues.dtype.names or ()}
        return Recording(
            start=model.clock.start,
            step=steps[:, 0].astype(np.int32),
            time=steps[:, 1] / 1000.0,
            book_names=[info.name[i] for i in kept],
            venue_names=list(model.venue_names),
            edge_names=list(edges),
            books=self._book_table(first),
            venues=venue_table,
            network=network_table,
            events=self._event_table(events),
            columns=COLUMNS,
        )

    def _book_table(self, first: int) -> dict[str, Values]:
        model, info, kept = self.model, self.model.books, self.kept
        books = stacked(self._books[first:])
        if len(books) == 0:
            books = np.zeros((0, len(kept)), model.state.public.dtype)
        tick, lot, scale, dollar = info.tick[kept], info.lot[kept], info.scale[kept], info.dollar[kept]

        def price(name: str, fp: float = 1.0) -> Values:
            ticks = books[name]
            return np.where(ticks > 0, ticks * (tick / fp), np.nan)

        bid, ask = price("bid"), price("ask")
        mid = (bid + ask) / 2.0
        mark = price("mark", 1024.0)
        worth = np.where(np.isnan(mid), mark, mid) * dollar
        table: dict[str, Values] = {
            "last": price("last"),
            "bid": bid,
            "ask": ask,
            "mid": mid,
            "mark": mark,
            "index": price("index", 1024.0),
            "spread_bp": (ask - bid) / mid * 1e4,
        }
        for side in ("bid", "ask"):
            for i, band in enumerate(("050", "100", "200", "500")):
                table[f"depth_{side}_{band}"] = books[f"{side}{i}"] * lot * worth
        table["volume"] = books["value"] / scale * dollar
        table["taker_buy"] = books["taker_buy"] / scale * dollar
        table["trades"] = books["trades"].astype(np.int32)
        table["low"], table["high"] = price("low"), price("high")
        table["open_interest"] = books["open_interest"] * lot
        table["open_interest_usd"] = books["open_interest"] * lot * mark * dollar
        table["funding_rate"] = books["funding"] / 1e8
        return table

    def _observation_table(self) -> dict[str, Values]:
        if not self._observations:
            return {}
        seen = joined(self._observations)
        table: dict[str, Values] = {name: seen[name] for name in OBSERVATION.names or ()}
        table["time"] = seen["time"] / 1000.0
        return table

    def _quote_table(self) -> dict[str, Values]:
        info = self.model.books
        q = joined(self._quotes) if self._quotes else np.zeros(0, QUOTATION)
        b = q["book"]
        worth = info.unit[b] / info.scale[b] * info.dollar[b]
        return {
            "time": q["time"] / 1000.0,
            "participant": q["participant"].astype(np.int16),
            "book": b.astype(np.int16),
            "bid": np.where(q["bid"] > 0, q["bid"] * info.tick[b], np.nan),
            "ask": np.where(q["ask"] > 0, q["ask"] * info.tick[b], np.nan),
            "bid_value": q["bid_value"] * worth,
            "ask_value": q["ask_value"] * worth,
            "inventory": q["inventory"] * info.lot[b],
        }

    def _level_table(self) -> dict[str, Values]:
        info = self.model.books
        rungs = joined(self._levels) if self._levels else np.zeros(0, RUNG)
        b = rungs["book"]
        return {
            "time": rungs["time"] / 1000.0,
            "book": b.astype(np.int16),
            "side": rungs["side"].astype(np.int8),
            "price": rungs["price"] * info.tick[b],
            "quantity": rungs["lots"] * info.lot[b],
        }

    def _event_table(self, events: Sequence[NDArray[Any]]) -> dict[str, Values]:
        model, info = self.model, self.model.books
        e = joined(events) if events else np.zeros(0, model.state.events.dtype)
        b = np.maximum(e["book"], 0)
        venue = e["venue"]
        quote = np.where(e["book"] >= 0, info.quote[b], model.state.venues["settle"][np.maximum(venue, 0)])
        quote = np.where(e["asset"] >= 0, e["asset"], quote)
        scale = model.asset_scales[quote] / model.asset_values[quote]
        tick = np.where(e["book"] >= 0, info.tick[b], np.nan)
        owners = model.state.rows["owner"]
        none = np.int32(-1)
        return {
            "id": e["id"],
            "time": e["time"] / 1000.0,
            "kind": e["kind"].astype(np.int16),
            "parent": e["parent"],
            "venue": np.where(venue < len(model.venue_names), venue, -1).astype(np.int16),
            "book": e["book"].astype(np.int16),
            "owner": np.where(e["row"] >= 0, owners[np.maximum(e["row"], 0)], none).astype(np.int32),
            "row": e["row"],
            "other_owner": np.where(e["other"] >= 0, owners[np.maximum(e["other"], 0)], none).astype(
                np.int32
            ),
            "side": e["side"],
            "quantity": e["qty"] * np.where(e["book"] >= 0, info.lot[b], np.nan),
            "price": np.where(e["price"] > 0, e["price"] / 1024.0 * tick, np.nan),
            "mark": np.where(e["mark"] > 0, e["mark"] / 1024.0 * tick, np.nan),
            "value": e["value"] / scale,
            "amount": e["amount"] / scale,
            "cause": e["cause"].astype(np.int16),
            "stage": e["stage"].astype(np.int16),
            "published": published(
                [rules.liquidation.publishes for rules in model.rules.values()],
                venue, e["book"], e["time"], e["value"], np.isin(e["kind"], (E_LIQUIDATION, E_TAKEOVER)),
            ),
        }  # fmt: skip

    def _fill_table(self) -> dict[str, Values]:
        model, info = self.model, self.model.books
        f = joined(self._fills) if self._fills else np.zeros(0, model.state.fills.dtype)
        b, owners = f["book"], model.state.rows["owner"]
        worth = info.unit[b] / info.scale[b] * info.dollar[b]
        return {
            "time": f["time"] / 1000.0,
            "book": b.astype(np.int16),
            "side": f["side"],
            "price": f["price"] * info.tick[b],
            "quantity": f["qty"] * info.lot[b],
            "value": f["price"].astype(np.float64) * f["qty"] * worth,
            "cause": f["kind"].astype(np.int16),
            "event": f["cause"],
            "taker": f["taker"],
            "maker": f["maker"],
            "taker_owner": owners[f["taker"]],
            "maker_owner": owners[f["maker"]],
        }


def _add_flows(new: NDArray[Any], before: NDArray[Any]) -> None:
    """Add to a step's public record the flows and extremes of the steps before it, since the last record."""
    for name in ("volume", "value", "taker_buy", "trades"):
        new[name] += before[name]
    low, high = before["low"], before["high"]
    new["low"] = np.where((low > 0) & ((new["low"] == 0) | (low < new["low"])), low, new["low"])
    new["high"] = np.maximum(high, new["high"])
