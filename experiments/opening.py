"""What a population entry has at the start: ``[population.NAME.opening]``, and the path it came by.

An opening is a statement about the market before the event ("a quarter of the long open interest is levered
and directional, its liquidation prices lie flat between 1.2 and 32 % below"); ``experiments.population``
turns it into accounts.  Positions were opened along the real path of BTC's mark before the start: accounts
that this path would already have liquidated are not there any more.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from abm.parameters import Frozen, parameter

PATH_FILE = Path(__file__).parent / "reference" / "btcusdt_markprice_binance_5m_2025-10-09_12.csv"
FLAT = 0.002  # no account's liquidation price is nearer to the opening price than this (assumption)

SIZE_INDEX = "Hill 0.75-0.88 on 19,337 public ADL records of Hyperliquid, 10 October 2025"
NOT_OF_KIND = {
    "directional": ("apart", "cash", "inventory", "unequal", "file", "sha256", "which"),
    "hedged": ("side", "against", "against_share", "cash", "inventory", "unequal", "file", "sha256", "which"),
    "desk": (
        "side",
        "distance",
        "isolated",
        "rest",
        "apart",
        "room_at",
        "reserve",
        "reserve_accounts",
        "pledged",
        "against",
        "against_share",
        "file",
        "sha256",
        "which",
    ),
}
OF_DATA = (
    "accounts",
    "kind",
    "file",
    "sha256",
    "which",
    "max_leverage",
    "reserve",
    "reserve_accounts",
    "reserve_at",
)


class Opening(Frozen):
    """Which accounts a population entry has at the start.

    ``directional``: accounts with one position each on one side; with ``against``, pairs: a second position on the
    other side in that coin, closed together with the first.  ``hedged``: short perpetual, long the coin.
    ``desk``: owners with one row at every venue, cash and coins on all of them, and optionally an initial
    inventory, long with one half of them and short with the other (makers, arbitrageurs, value, noise).
    ``file``: the positions of a table (`experiments.position_table` has its columns).
    Where a table is "by class", the name of a coin in it goes before the coin's class.
    """

    kind: Literal["directional", "hedged", "desk", "file"] = parameter(..., "What sort of accounts these are")
    accounts: int = parameter(..., "Number of owners", unit="owners", ge=0, le=5_000_000)
    venues: tuple[str, ...] = parameter((), "Venues they are at; empty = all")
    coins: tuple[str, ...] = parameter((), "Coins they hold or trade; empty = all")
    side: Literal["long", "short"] = parameter("long", "Side of the positions (directional)")
    share: dict[str, float] = parameter(
        {},
        "Share of a contract's open interest that is theirs, by class, on their side (desk: on each)",
        unit="share of one side of the open interest",
    )
    venue_share: dict[str, float] = parameter(
        {}, "The same at one venue, for all classes, in place of share", unit="share of one side"
    )
    rest: bool = parameter(False, "They hold what all other entries leave of their side: the book is matched")
    distance: dict[str, tuple[float, float]] = parameter(
        {},
        "Distance from the opening price to the liquidation price by class, least and largest; flat in price",
        unit="share of the opening price",
    )
    leverage: tuple[tuple[float, float, float], ...] = parameter(
        ((1.0, 1.0, 1.0),),
        "Leverage at opening where no distance is given: (low, high, weight), log-uniform inside each",
        unit="notional / collateral",
    )
    max_leverage: float = parameter(200.0, "No account has more than this", unit="1", ge=0.05, le=200)
    isolated: float = parameter(0.0, "Share of accounts with isolated margin", unit="share", ge=0, le=1)
    hours: float = parameter(
        44.0, "Positions were opened evenly over this time before the start", unit="hours", gt=0, le=44
    )
    size_index: float = parameter(
        0.85, "Pareto index of position size", unit="1", source=SIZE_INDEX, gt=0.1, le=5
    )
    largest: float = parameter(5e7, "Largest position", unit="USD", gt=0)
    room_at: float = parameter(
        1.0, "No position is larger than the real brackets allow at this leverage", unit="1", ge=1, le=200
    )
    fixed: int = parameter(
        0, "The largest so many accounts are the same for all seeds", unit="accounts", ge=0
    )
    reserve: float = parameter(
        0.0, "Cash outside the venue, for top-ups", unit="share of the collateral", ge=0, le=100
    )
    reserve_accounts: float = parameter(
        0.0, "Share of accounts that have such cash", unit="share of accounts", ge=0, le=1
    )
    reserve_at: str = parameter(
        "",
        "Venue or node where it lies; empty = a second account at the same venue (desk: an empty account there; empty ="
        " none)",
    )
    pledged: dict[str, float] = parameter(
        {},
        "Share of the collateral that lies in another asset, by asset, as far as the venue accepts it; cross"
        " accounts only (directional, hedged)",
        unit="share of the collateral",
    )
    against: str = parameter(
        "",
        "Coin in which every account has a second position, on the other side (directional, cross accounts only)",
    )
    against_share: float = parameter(
        1.0, "Value of that position", unit="share of the first one's value", gt=0, le=10
    )
    apart: float = parameter(
        0.0, "Share of hedged accounts whose coins are at another venue", unit="share", ge=0, le=1
    )
    cash: dict[str, float] = parameter(
        {},
        "Cash by class, over the open interest of the coin times the venue's share (the larger of share and"
        " spot_share; desk)",
        unit="share of the open interest",
    )
    inventory: dict[str, float] = parameter(
        {},
        "Coins by class at spot venues, over the open interest times spot_share (desk)",
        unit="share of the open interest",
    )
    unequal: float = parameter(
        1.0, "Largest owner over smallest, geometric between (desk)", unit="1", ge=1, le=1000
    )

    file: str = parameter("", "Table of positions, CSV or Parquet; from here, or beside the scenario (file)")
    sha256: str = parameter(
        "", "Its SHA-256, filled in when the scenario is read: a run is made of one table"
    )
    which: Literal["all", "long", "short"] = parameter(
        "all", "Accounts of the table: all, or those whose positions are worth more long, or short (file)"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_table_counts_its_accounts(cls, data: Any) -> Any:
        return {"accounts": 0, **data} if isinstance(data, dict) and data.get("kind") == "file" else data

    @model_validator(mode="after")
    def _belongs_to_its_kind(self) -> Self:
        fields = type(self).model_fields
        wrong = [
            name
            for name in NOT_OF_KIND.get(self.kind, set(fields) - set(OF_DATA))
            if getattr(self, name) != fields[name].get_default(call_default_factory=True)
        ]
        if wrong:
            raise ValueError(f"{', '.join(sorted(wrong))}: not a setting of kind {self.kind}")
        if self.kind == "file" and not self.file:
            raise ValueError("file: nothing given, expected a table of positions, CSV or Parquet")
        if self.rest and (self.share or self.venue_share):
            raise ValueError("rest: expected without share, it takes what is left")
        if self.against and self.isolated:
            raise ValueError("against: expected with isolated = 0, only a cross account has two positions")
        for name, (low, high) in self.distance.items():
            if not 0 < low < high:
                raise ValueError(f"distance.{name}: expected 0 < least < largest, got {low}, {high}")
        if any(share < 0 for share in self.pledged.values()) or sum(self.pledged.values()) > 1:
            raise ValueError(f"pledged: expected shares of at most 1 in all, got {self.pledged}")
        for low, high, weight in self.leverage:
            if not (0 < low <= high and weight >= 0):
                raise ValueError(
                    f"leverage: expected 0 < low <= high, weight >= 0; got {low}, {high}, {weight}"
                )
        return self


@dataclass(frozen=True, eq=False)
class Past:
    """BTC's mark before the start in bars, float64 arrays of shape (bars,), oldest first.

    ``low_after[i]`` and ``high_after[i]`` are the extremes of all bars later than i up to the start.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    low_after: NDArray[np.float64]
    high_after: NDArray[np.float64]
    last: float
    minutes: float


def read_past(start: datetime, file: Path = PATH_FILE, minutes: float = 5.0) -> Past:
    """BTC's mark in the bars that close before ``start``; nothing later is read.

    A start outside the file (another scenario) has a flat path: one bar at price 1.
    """
    low: list[float] = []
    high: list[float] = []
    last = 1.0
    with open(file, newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            time = datetime.fromisoformat(row["time_utc"])
            if (start - time).total_seconds() < minutes * 60:
                break
            low.append(float(row["low"]))
            high.append(float(row["high"]))
            last = float(row["close"])
        else:
            low, high, last = [], [], 1.0
    if not low:
        low, high = [last], [last]
    lows, highs = np.array(low), np.array(high)
    after_low = np.append(np.minimum.accumulate(lows[::-1])[::-1][1:], last)
    after_high = np.append(np.maximum.accumulate(highs[::-1])[::-1][1:], last)
    return Past(lows, highs, after_low, after_high, last, minutes)


def along(price: Any, beta: Any, path: Past, btc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Price of a coin when BTC's mark was ``btc``: its opening price times BTC's relative one to the beta."""
    moved: NDArray[np.float64] = price * (btc / path.last) ** beta
    return moved


def pareto_sizes(
    uniform: NDArray[np.float64], index: float, smallest: float, largest: float
) -> NDArray[np.float64]:
    """Sizes in [smallest, largest] by inverting the bounded Pareto law at ``uniform`` in (0, 1)."""
    tail = (smallest / largest) ** index
    sizes: NDArray[np.float64] = smallest * (1.0 - uniform * (1.0 - tail)) ** (-1.0 / index)
    return sizes


def smallest_size(total: float, accounts: int, index: float, largest: float) -> float:
    """Lower bound of the bounded Pareto law whose mean times ``accounts`` is ``total`` (bisection)."""
    grid = (np.arange(min(accounts, 4096)) + 0.5) / min(accounts, 4096)
    low, high = largest * 1e-12, largest
    for _ in range(80):
        middle = (low * high) ** 0.5
        if pareto_sizes(grid, index, middle, largest).mean() * accounts < total:
            low = middle
        else:
            high = middle
    return high
