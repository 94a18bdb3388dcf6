"""The exam that every species sits: `check_agent(MySpecies)` in a small market of two venues, one line for a user.

It asks what the engine takes for granted of whoever decides: the same seed gives the same orders, only the own rows
send, the view is only read, empty books are survived, what is remembered is in `memory`, and nothing is decided by
what a participant does not see: the scenario, the events, other accounts, dice that nobody seeded.
A species that passes may still be nonsense; one that fails would break saving, comparing or reading runs.
"""

from __future__ import annotations

import pickle
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from abm.agent import Participant
from abm.calendar import NewsDelay
from abm.channels import EdgeParameters, NetworkParameters
from abm.insurance import FundRule
from abm.market import BookInfo, Market
from abm.me import Me
from abm.model import CascadeModel
from abm.orders import OrderRules
from abm.venue import Asset, Clock, Contract, News, VenueRules

NAME = "candidate"
STEPS = 240
SILENCE = range(120, 140)  # steps without anybody else's orders in the books
PRICES = {"BTC": 100.0, "ETH": 10.0}
START = datetime(2025, 1, 1, tzinfo=UTC)
SEEN = (
    "bid ask mid last mark index low high bid_size ask_size depth_bid depth_ask volume taker_buy open_interest"
    " funding volatility calm_volatility halted perps spots gateway_delay withdrawals_open"
).split()
CLOCK = ("step", "time", "dt")
OWN = ("rows", "owner", "venue", "isolated", "key")


class ExamError(AssertionError):
    """A species has failed; the message says at what."""


@dataclass(frozen=True)
class Exam:
    """What a species sent while it passed: an exam without orders has shown little."""

    orders: int
    transfers: int


def check_agent(species: type[Participant], parameters: Any = None, seed: int = 1) -> Exam:
    """Examine a species. Raises `ExamError` with one line for each question it fails.

    Args:
        species: a subclass of `Participant`, built as `species(model, name, parameters)`.
        parameters: an instance of `species.Parameters`; the defaults if not given.
        seed: of the small market's draws.
    """

    def sit(**market: Any) -> _Invigilator:
        return _sit(species, parameters, seed, **market)

    faults: list[str] = []
    first: _Invigilator | None = None
    for question, answer in QUESTIONS:
        try:
            first = answer(sit, first) or first
        except _FaultError as fault:
            if f": {fault}" not in "".join(faults):
                faults.append(f"{question}: {fault}")
        if first is None:
            break  # it did not come through the market once: there is nothing to compare with
    if faults or first is None:
        raise ExamError(f"{species.__name__} fails the exam\n  " + "\n  ".join(faults))
    return Exam(first.orders, first.transfers)


# ---------------------------------------------------------------------- the questions


def _comes_through(sit: Any, _: Any) -> Any:
    return sit()


def _repeats(sit: Any, first: Any) -> None:
    _same(first, sit(), "two runs with one seed differ")


def _survives_nothing(sit: Any, _: Any) -> None:
    sit(steps=STEPS // 2, empty=True)


def _resumes(sit: Any, first: Any) -> None:
    _same(first, sit(resumed=range(25, STEPS, 40)), "a run goes on differently from a saved memory")


def _ignores_strangers(sit: Any, first: Any) -> None:
    _same(first, sit(strangers=40), "forty idle accounts of others change its orders")


QUESTIONS: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
    ("only its own side of the market", _comes_through),
    ("same seed, same orders", _repeats),
    ("empty books", _survives_nothing),
    ("saves and resumes", _resumes),
    ("draws of its own", _ignores_strangers),
)


class _FaultError(Exception):
    """One question failed."""


def _same(first: _Invigilator, other: _Invigilator, what: str) -> None:
    for step, (one, two) in enumerate(zip(first.sheet, other.sheet, strict=True)):
        if one != two:
            raise _FaultError(f"{what}, first in step {step}")


# ---------------------------------------------------------------------- who watches


class _Invigilator(Participant):
    """Stands between the model and the candidate, looks at what it does with its view, notes what it sends."""

    def __init__(self, model: CascadeModel, make: Callable[[], Participant], resumed: Any) -> None:
        candidate = make()
        super().__init__(model, NAME, candidate.parameters)
        self.runs_venues = candidate.runs_venues  # type: ignore[misc]
        self.make, self.resumed, self.desk = make, resumed, _Desk(model)
        self.sheet: list[bytes] = []
        self.orders = self.transfers = 0
        self._seat(candidate)

    def _seat(self, candidate: Participant) -> None:
        self.desk.model, self.candidate = self.model, candidate
        candidate.model = _Rules(self.model)

    def setup(self, me: Me, market: Market) -> None:
        """Have the candidate set up."""
        self._watch("setup", me, market)

    def decide(self, me: Me, market: Market) -> None:
        """Have the candidate decide, now and then after its memory was saved, and read into a new one."""
        if me.step in self.resumed:
            memory = self.candidate.state()
            for name, value in memory.items():
                if np.asarray(value).dtype == object:
                    raise _FaultError(
                        f"memory[{name!r}] is of type {type(value).__name__}, expected arrays and numbers"
                    )
            candidate = self.make()
            candidate.restore(pickle.loads(pickle.dumps(memory)))
            self._seat(candidate)
        self._watch("decide", me, market)

    def _watch(self, what: str, me: Me, market: Market) -> None:
        own, seen = _contents(me, OWN), _contents(market, (*SEEN, *CLOCK)) | _contents(market.books, _BOOKS)
        dice = _dice()
        where = f"{what} in step {me.step}"
        try:
            getattr(self.candidate, what)(me, market)
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            why = f"{where} raised {type(error).__name__} ({line.filename}:{line.lineno}): {error}"
            raise _FaultError(f"writes to its view: {why}" if "read-only" in str(error) else why) from error
        if _dice() != dice:
            raise _FaultError(
                f"{where} draws from Python's or numpy's global dice, expected me.uniform and its like"
            )
        now = _contents(market, (*SEEN, *CLOCK)) | _contents(market.books, _BOOKS)
        for name in sorted(name for name in seen if seen[name] != now[name]):
            raise _FaultError(f"{where} writes to its view: {name} has changed")
        for name, value in _contents(me, OWN).items():
            if value != own[name]:
                raise _FaultError(f"{where} writes to its view: me.{name} has changed")
        self._note(where, me)

    def _note(self, where: str, me: Me) -> None:
        """Keep what was sent, by own rows: numbers of rows say who else exists."""
        rows = [batch["row"] for batch in me.outbox]
        rows += [np.asarray(side) for request in me.requests for side in request[:2]]
        foreign = np.setdiff1d(np.concatenate([np.empty(0, np.int32), *rows]), me.rows)
        if len(foreign):
            raise _FaultError(f"{where} sends for rows {foreign[:3].tolist()}, which are not its own")
        sent: list[Any] = [me.reports, me.suspensions]
        for batch in me.outbox:
            message = batch.copy()
            message["row"] = np.searchsorted(me.rows, batch["row"])
            sent.append(message.tobytes())
            self.orders += len(batch)
        for source, target, asset, amounts, *how in me.requests:
            ends = np.searchsorted(me.rows, source), np.searchsorted(me.rows, target)
            sent.append([*(x.tolist() for x in (*ends, np.asarray(asset), amounts)), *how])
            self.transfers += len(amounts)
        self.sheet.append(repr(sent).encode())


class _Rules:
    """What of the model a participant may know: names, and the venues' rules. Not its scenario, not its events."""

    def __init__(self, model: Any) -> None:
        self.venue_names, self.asset_names, self.rules = model.venue_names, model.asset_names, model.rules

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"model.{name} is not public: a participant sees `market`, `me` and the rules of venues"
        )


def _dice() -> bytes:
    """The state of the dice that everybody in this process shares."""
    return pickle.dumps((np.random.get_state(), random.getstate()))  # noqa: NPY002


_BOOKS = tuple(BookInfo.__dataclass_fields__)


def _contents(thing: Any, names: Any) -> dict[str, bytes]:
    """The values of attributes, to be compared with what they are later."""
    values = {name: np.asarray(getattr(thing, name)) for name in names}
    return {name: repr(value.dtype).encode() + value.tobytes() for name, value in values.items()}


# ---------------------------------------------------------------------- the small market


class _Desk(Participant):
    """Everybody else: two bids and offers in each book around prices that swing by a tenth, and a crumb of trade."""

    silent = False

    def __init__(self, model: CascadeModel) -> None:
        super().__init__(model, "desk")

    def setup(self, me: Me, market: Market) -> None:
        """Name the quotes."""
        self.memory["first"] = me.slots(4 * len(market.books))

    def decide(self, me: Me, market: Market) -> None:
        """Quote and trade, unless it is silent."""
        if self.silent or me.step in SILENCE:
            me.cancel_all()
            return
        book, info = np.arange(len(market.books)), market.books
        swing = 0.1 * np.sin(me.time / 25.0) + 0.01 * info.venue * np.sin(
            me.time / 9.0
        )  # the venues drift apart
        fair = info.opening_price * (1.0 + swing)
        slot, coins = self.memory["first"] + 4 * book, 1e5 / info.opening_price
        for level, away in enumerate((0.001, 0.004)):
            me.quote(info.venue, book, slot + level, 1, fair * (1.0 - away), coins)
            me.quote(info.venue, book, slot + 2 + level, -1, fair * (1.0 + away), coins)
        for side in (1, -1):  # so that there is a last price
            me.market_order(2 + info.venue, book, side, 10 * info.lot)


def _sit(
    species: type[Participant],
    parameters: Any,
    seed: int,
    steps: int = STEPS,
    empty: bool = False,
    strangers: int = 0,
    resumed: Any = (),
) -> _Invigilator:
    """One run of the species in the small market."""
    model = _market(seed)
    chosen = parameters if parameters is not None else species.Parameters()
    invigilator = _Invigilator(model, lambda: species(model, NAME, chosen), resumed)
    invigilator.desk.silent = empty
    if strangers:
        rows = model.accounts.open(
            [f"stranger {i}" for i in range(strangers)], np.arange(strangers) % 2, "strangers"
        )
        model.accounts.deposit(rows, "USDT", np.full(strangers, 1e6))
        model.add(Participant(model, "strangers"))
    _open_accounts(model, species.runs_venues)
    model.add(invigilator.desk)
    model.add(invigilator)
    model.setup()
    model.run(steps)
    return invigilator


def _market(seed: int) -> CascadeModel:
    """Two venues in USDT with two coins, channels between them and to and from outside, bad news after a minute."""
    common: dict[str, Any] = {
        "quote": "USDT", "perps": tuple(PRICES), "spots": tuple(PRICES), "share": 0.5, "spot_share": 0.5,
        "orders": OrderRules(band=0.0),
    }  # fmt: skip
    places = ("alpha", "beta", "outside")
    ways = [(a, b) for a in places for b in places if a != b]
    return CascadeModel(
        Clock(start=START, duration=float(STEPS), step=1.0, burn_in=0.0),
        {"USDT": Asset(decimals=6)} | {coin: Asset(decimals=8, value=price) for coin, price in PRICES.items()},
        {coin: Contract(price=price, tick=price * 1e-4, lot=0.01) for coin, price in PRICES.items()},
        {
            "alpha": VenueRules(**common, fund=FundRule(cash=1e6, disposal=0.05)),
            "beta": VenueRules(**common, fund=FundRule(cash=0.0, rule="none")),
        },
        NetworkParameters(
            nodes=("outside",),
            edges=tuple(
                EdgeParameters(source=a, target=b, asset=asset, capacity=1e6, latency=20.0)
                for a, b in ways
                for asset in ("USDT", *PRICES)
            ),
        ),
        [News(time=START + timedelta(seconds=60), size=-0.05, delay=NewsDelay(fast_share=1.0, fast_median=20.0))],
        seed,
    )  # fmt: skip


def _open_accounts(model: CascadeModel, runs_venues: bool) -> None:
    """Rich and levered accounts, long, short and flat, cross and isolated, and purses; the desk is the other side."""
    accounts = model.accounts
    desk = np.concatenate([accounts.open(owner, ["alpha", "beta"], "desk") for owner in ("desk", "taker")])
    accounts.deposit(desk, "USDT", 1e9)
    for coin in PRICES:
        accounts.deposit(desk, coin, 1e8)
    if runs_venues:
        rows = model.state.venues["fund"][:2].copy()
        positions = [(0, 30.0), (1, -30.0)]
    else:
        rich = accounts.open([f"rich {i // 2}" for i in range(12)], np.arange(12) % 2, NAME)
        accounts.deposit(rich, "USDT", 1e6)
        for coin, price in PRICES.items():
            accounts.deposit(rich, coin, 1e5 / price)
        owners = [f"levered {i}" for i in range(24)]
        levered = accounts.open(owners, np.arange(24) % 2, NAME, isolated=np.arange(24) % 3 == 0)
        accounts.deposit(levered, "USDT", np.linspace(60.0, 900.0, 24))
        purses = accounts.open(owners[::2], ["outside"] * 12, NAME)
        accounts.deposit(purses, "USDT", 500.0)
        rows = np.concatenate([rich, levered])
        positions = [(i, 900.0 * (-1) ** (i // 2)) for i in range(8)]
        positions += [(12 + i, 10.0 * (-1) ** (i // 4)) for i in range(20)]
    venue = model.state.rows["venue"]
    for i, coins in positions:
        coin = list(PRICES)[i // 2 % 2]
        book = model.book_id(f"{model.venue_names[venue[rows[i]]]}:{coin}-PERP")
        lots = round(coins / 0.01)
        accounts.place([rows[i], desk[venue[rows[i]]]], book, [lots, -lots], [PRICES[coin]] * 2)
