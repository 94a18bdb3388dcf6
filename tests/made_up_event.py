"""A made-up run of the event with known answers: the real BTC minute path, simple numbers around it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from abm.feed import published
from abm.recording import Recording
from experiments import reference, writing
from experiments.run import Run

START = datetime(2025, 10, 10, 20, tzinfo=UTC)
NEWS = 3000.0  # 20:50
STEPS = 9000  # to 22:30
SHARES = {"binance": 0.25, "bybit": 0.13, "okx": 0.11, "bitget": 0.14, "hyperliquid": 0.07, "rest": 0.30}
VENUES = [*SHARES, "coinbase"]
KINDS = ["liquidation", "takeover", "adl"]
COINS = {"BTC": ("major", 116830.3), "ETH": ("major", 4000.0), "AAA": ("small", 2.0), "BBB": ("small", 1.0)}
FALLS = {"ETH": 0.18, "AAA": 0.70, "BBB": 0.40}
BOOKS = [f"{venue}:{coin}-PERP" for venue in SHARES for coin in COINS] + ["coinbase:BTC-SPOT"]

Table = dict[str, npt.NDArray[Any]]


def config() -> dict[str, Any]:
    """The parts of a scenario that estimators and figures read."""
    rule = {venue: "vault" if venue == "hyperliquid" else "notional_cap" for venue in VENUES}
    return {
        "title": "made-up event",
        "clock": {"start": START, "step": 1.0},
        "contracts": {
            coin: {"class": kind, "price": price, "tick": 0.1} for coin, (kind, price) in COINS.items()
        },
        "venues": {
            venue: {"quote": "USD" if venue == "coinbase" else "USDT", "fund": {"rule": rule[venue]}}
            for venue in VENUES
        },
        "news": [{"time": datetime(2025, 10, 10, 20, 50, tzinfo=UTC), "size": -0.05}],
        "population": {"carry": {"species": "hedger"}, "crowd": {"species": "noise"}},
    }


def btc_path() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Last price and lowest trade by second, 20:00-22:30: the minute file, a small wave before, flat after.

    The low of a minute falls on its 30th second, its close on its last.
    """
    bars = reference.bars()
    last = np.full(STEPS, np.nan)
    wave = bars.open[0] * (1.0 + 2e-4 * (np.arange(40) % 2))
    close = np.concatenate([wave, bars.close[:100], np.full(10, bars.close[99])])
    last[59::60] = close
    index = np.maximum.accumulate(np.where(np.isfinite(last), np.arange(STEPS), 0))
    last = np.where(np.isfinite(last[index]), last[index], wave[0])
    low = last.copy()
    low[2400 + 30 : 8400 : 60] = bars.low[:100]
    return last, low


def recording(seed: int = 1, depth: float = 1.0) -> Recording:
    """The record of the made-up event; `seed` moves only what carries no known answer."""
    steps = STEPS
    time = np.arange(1, steps + 1, dtype=np.float64)
    after = time > NEWS
    last, low = btc_path()
    books = {name: np.full((steps, len(BOOKS)), np.nan) for name in STEP_COLUMNS}
    draw = np.random.default_rng(seed)
    for i, name in enumerate(BOOKS):
        venue, rest = name.split(":")
        coin = rest.split("-")[0]
        share = SHARES.get(venue, 0.05)
        p0 = COINS[coin][1]
        if coin == "BTC":
            factor = np.ones(steps)
            if venue == "coinbase":  # the USD venue falls 0.6 of the way
                factor = 1.0 + 0.4 * (p0 / last - 1.0)
            elif venue != "binance":
                factor = 1.0 + 1e-4 * draw.normal(size=steps)
            books["last"][:, i], books["low"][:, i] = last * factor, low * factor
        else:
            way = np.clip((time - NEWS) / 1800.0, 0.0, 1.0)
            books["last"][:, i] = books["low"][:, i] = p0 * (1.0 - FALLS[coin] * way)
        price = books["last"][:, i]
        books["mid"][:, i] = books["mark"][:, i] = books["index"][:, i] = books["high"][:, i] = price
        # calm 100 dollars a second a unit of share, ten times that from 21:17 to 21:18
        busy = (time > 4620) & (time <= 4680)
        books["volume"][:, i] = share * 1e6 * np.where(busy, 10.0, 1.0)
        books["taker_buy"][:, i] = 0.45 * books["volume"][:, i]
        for width, size in (("050", 0.5), ("100", 1.0), ("200", 2.0), ("500", 4.0)):
            for side in ("bid", "ask"):
                level = np.where(after, 0.6, 1.0) * np.where((time > 4500) & (time <= 4800), 0.5, 1.0)
                books[f"depth_{side}_{width}"][:, i] = depth * size * share * 7e8 * level
        if rest.endswith("PERP"):
            coins = (
                share
                * 200e9
                / 4
                / p0
                * np.where(after, 1.0 - 0.25 * np.clip((time - NEWS) / 3600, 0, 1), 1.0)
            )
            books["open_interest"][:, i] = coins
            books["open_interest_usd"][:, i] = share * 200e9 / 4 * coins / coins[0]
    return Recording(
        start=START,
        step=np.arange(steps, dtype=np.int32),
        time=time,
        book_names=BOOKS,
        venue_names=VENUES,
        edge_names=[],
        books=books,
        venues=venue_columns(time),
        events=events(),
        accounts={"start": accounts(1000.0), "end": accounts(1100.0)},
        vocabularies={"kind": KINDS, "participant": ["carry", "crowd"], "stage": ["market_slices"]},
    )


STEP_COLUMNS = (
    *("last", "low", "high", "mid", "mark", "index", "volume", "taker_buy", "open_interest"),
    "open_interest_usd",
    *(f"depth_{side}_{width}" for side in ("bid", "ask") for width in ("050", "100", "200", "500")),
)


def venue_columns(time: npt.NDArray[np.float64]) -> Table:
    """By venue: liquidations in the two legs, ADL on the venue without a fund, funds that shrink."""
    steps = len(time)
    zero = np.zeros((steps, len(VENUES)))
    columns = {
        name: zero.copy()
        for name in (
            *("liquidated_long", "liquidated_short", "adl", "takeover", "fund_cash", "fund_inventory"),
            *("fund_equity", "capital", "gateway_delay", "messages", "rejected"),
        )
    }
    first, second = (time > 3000) & (time <= 3600), (time > 4260) & (time <= 4860)
    for i, venue in enumerate(VENUES):
        share = SHARES.get(venue, 0.0)
        columns["liquidated_long"][:, i] = share * 1e10 / 600 * (0.2 * first + 0.8 * second)
        columns["liquidated_short"][:, i] = share * 1e9 / 600 * second
        if venue == "hyperliquid":
            columns["adl"][second, i] = 2.1e9 / 600  # of 14 billion open interest: 15 %
        fund = share * 4e9
        lost = 0.15 * fund * np.clip((time - 4260) / 600, 0, 1)
        bought = 0.1 * fund * np.clip((time - 4260) / 600, 0, 1)
        columns["fund_equity"][:, i] = fund - lost
        columns["fund_inventory"][:, i] = bought
        columns["fund_cash"][:, i] = fund - lost - bought
        columns["capital"][:, i] = 1e6
    return columns


def events() -> Table:
    """Five orders on binance (four in one second, three of them in one book), two elsewhere, one ADL."""
    lines = [
        # time, kind, venue, book, side, value
        (3100.2, "liquidation", "binance", "binance:BTC-PERP", 1, 5.0),
        (3100.7, "takeover", "binance", "binance:BTC-PERP", 1, 3.0),  # replaces the line above
        (3100.8, "liquidation", "binance", "binance:BTC-PERP", 1, 0.0),  # an order that found no buyer
        (3100.9, "liquidation", "binance", "binance:ETH-PERP", 1, 2.0),
        (3101.5, "liquidation", "binance", "binance:BTC-PERP", -1, 1.0),
        (4400.0, "liquidation", "bybit", "bybit:BTC-PERP", 1, 10.0),
        (4400.0, "liquidation", "hyperliquid", "hyperliquid:BTC-PERP", 1, 4.0),
        (4401.0, "adl", "hyperliquid", "hyperliquid:BTC-PERP", -1, 4.0),
    ]
    time, kind, venue, book, side, value = (list(column) for column in zip(*lines, strict=True))
    return {
        "id": np.arange(len(lines), dtype=np.int64),
        "time": np.array(time),
        "kind": np.array([KINDS.index(name) for name in kind], dtype=np.int8),
        "venue": np.array([VENUES.index(name) for name in venue], dtype=np.int16),
        "book": np.array([BOOKS.index(name) for name in book], dtype=np.int16),
        "side": np.array(side, dtype=np.int8),
        "value": np.array(value),
        **{name: np.full(len(lines), 1, np.int32) for name in ("owner", "row")},
        "other_owner": np.full(len(lines), 2, np.int32),
        "parent": np.full(len(lines), -1),
        **{name: np.full(len(lines), 1.0) for name in ("quantity", "price", "mark")},
        "stage": np.zeros(len(lines), np.int16),
        "published": published(
            ["latest_per_second" if name == "binance" else "all" for name in VENUES],
            np.array([VENUES.index(name) for name in venue]), np.array([BOOKS.index(name) for name in book]),
            np.rint(1000 * np.array(time)).astype(np.int64), np.array(value), np.array(kind) != "adl",
        ),
    }  # fmt: skip


def accounts(worth: float) -> Table:
    """Two hedged accounts, each with equity and coins of together `worth` dollars, and one other."""
    return {
        "row": np.arange(3, dtype=np.int32),
        "owner": np.arange(3, dtype=np.int32),
        "participant": np.array([0, 0, 1], dtype=np.int16),
        "equity": np.array([worth - 700.0, worth - 700.0, 5.0]),
        "coins": np.array([700.0, 700.0, 0.0]),
    }


def write(record: Recording, folder: Path, seed: int = 1, **changes: Any) -> Run:
    """Write a record to a run folder with the event's config (`changes` replace its tables) and open it."""
    return writing.write(
        record, folder, config={**config(), **changes}, provenance={"scenario": "event", "seed": seed}
    )


def with_owners(record: Recording, names: Sequence[str]) -> Recording:
    """The same with three owners at one venue, the second long, the third short."""
    for table in record.accounts.values():
        table["owner"], table["owner_name"] = np.arange(3, dtype=np.int32), np.array(names, dtype=object)  # type: ignore[index]
        table["venue"] = np.zeros(3, np.int16)  # type: ignore[index]
        table["notional"] = table["maintenance"] = table["balance"] = np.ones(3)  # type: ignore[index]
        table["leverage"], table["isolated"] = np.ones(3), np.zeros(3, bool)  # type: ignore[index]
    positions = {
        "row": np.array([1, 2], np.int32), "book": np.array([0, 1], np.int16), "quantity": np.array([2.0, -3.0]),
        "entry_price": np.array([1e5, 4100.0]), "mark": np.array([116830.3, 4000.0]),
        "notional": np.array([2e5, -1.2e4]), "liquidation_price": np.array([1.1e5, np.nan]),
    }  # fmt: skip
    for label in record.accounts:
        record.positions[label] = positions  # type: ignore[index]
    return record
