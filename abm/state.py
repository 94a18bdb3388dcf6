"""The whole state of a market: a few tables of records, and the address table that kernels read them through.

`SCHEMA` is the one list of what exists; arrays, kernel views, growth and snapshots are all made from it. Every kernel
takes the address of the table as its only pointer and opens with `s = views(address)`.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from abm.jit import INTERPRETED, zeros
from abm.tables import viewer

LINE = 64  # bytes of a cache line


def _record(**fields: str) -> np.dtype[Any]:
    return np.dtype(list(fields.items()), align=True)


def _in_lines(plain: np.dtype[Any]) -> np.dtype[Any]:
    """A record that begins with a cache line in every place of its table."""
    fields = dict(plain.fields or {})
    layout: Any = {"names": list(fields), "itemsize": -(-plain.itemsize // LINE) * LINE}
    layout["formats"] = [field[0] for field in fields.values()]
    layout["offsets"] = [field[1] for field in fields.values()]
    padded: np.dtype[Any] = np.dtype(layout, align=True)
    return padded


META = _record(
    address="i8",  # of the table itself, so that a piece of a kernel can call another kernel
    seed="i8", step="i8", now="i8", step_ms="i8",
    rows="i4", positions="i4", holdings="i4", books="i4", venues="i4", assets="i4",
    orders="i4", free_order="i4", levels="i4", free_level="i4", live_orders="i4", ring="i4",
    touched="i4", queued="i4", requests="i4", inbox="i4", fills="i4", keep_fills="i4", named="i4",
    events="i8", next_event="i8", stage="i8", checked="i8", messages="i8", filled="i8", traded="i8",
    collaterals="i4", leaning="i4", debtors="i4",
    pools="i4",
)  # fmt: skip

BOOK = _record(
    key="i8",  # of its name, for draws
    venue="i4", coin="i4", kind="i4", base="i4", quote="i4",
    first_key="i4", cap="i4",  # where its keys begin; price levels that a side may have
    unit="i8", lot_base="i8", maker_fee="i8", taker_fee="i8", band="i8", reach="i8",
    n0="i4", n1="i4",  # live levels, bids and asks
    bracket="i4", brackets="i4", source="i4", sources="i4", peer="i4", peers="i4", par="i8",
    mark_rule="i4", window="i4", mark_every="i8",
    basis_at="i4", basis_n="i4", basis_sum="i8", ema="i8", ema_rate="i8", volatility="f8", last_mid="i8",
    last="i8", mark="i8", previous_mark="i8", index="i8", anchor0="i8", anchor1="i8", high0="i4", low1="i4",
    open_interest="i8", volume="i8", value="i8", taker_buy="i8", trades="i8", low="i8", high="i8",
    premium_sum="i8", premium_n="i8", funding="i8", funding_cap="i8", interest="i8", clamp="i8", interval_ms="i8",
    phase_ms="i8",
    halted="i4", resting="i4",
    fund="i4", closed="i4",  # the row that insures it; whether it takes nothing over of this contract
    served="i8",  # excess loss of the pool for which ADL was asked and that is still there
    index_rule="i4", outlier="i8", stale="i8", moved_at="i8", traded_at="i8", seen_bid="i8", seen_ask="i8",
    ema_weight="i8", ema_at="i8", own_ema="i8", own_weight="i8", own_rate="i8",
    funding_rule="i4", premium_linear="i4", premium_every="i8", premium_k="i8", impact="i8", impact_margin="i4",
    margin_cap="i8", switches="i4", hourly="i4",
    largest_market="i8", largest_limit="i8",
    triggers="i4", halt_reference="i4", halt_during="i4", halt_mask="i4", halt_news="i4", limited="i4",
    halted_until="i8", limit_state="i8", limit_since="i8", limit_price="i8", floor="i8", ceiling="i8",
    call_every="i8",  # ms from one call auction to the next, 0 = continuous trading
    slot_ms="i8", bar="i4", bars="i4", bar_at="i4", bars_n="i4",
    trade_sum="i8", trade_count="i8", trade_sum_seen="i8", trade_count_seen="i8",
)  # fmt: skip

NEAR = _record(  # of a side of a book: lots at its bounds (ranks) and better, what is published as its depth
    bound0="i8", bound1="i8", bound2="i8", bound3="i8", lots0="i8", lots1="i8", lots2="i8", lots3="i8",
)  # fmt: skip

LEVEL = _record(qty="i8", head="i4", tail="i4", count="i4", next="i4")

ORDER = _in_lines(_record(
    # what matching and cancelling look at: one cache line
    price="i8", qty="i8", gen="i8",
    row="i4", book="i4", level="i4", next="i4", prev="i4", row_next="i4", row_prev="i4", position="i4", ref="i4",
    side="i1", flags="u1", kind="u1", live="u1",
    # what is looked at now and then
    expiry="i8", cause="i8", tag="i8", wheel="i4", wheel_next="i4", wheel_prev="i4",
))  # fmt: skip

ROW = _record(
    key="i8", cooldown="i8", imr="i4",
    owner="i4", venue="i4", participant="i4", only="i4",
    positions="i4", holdings="i4", orders="i4", open="i4",
    waiting="i4", exempt="u1", touched="u1", queued="u1", spared="u1", gone="u1",
    leaning="u1", owes="u1",
)  # fmt: skip

POSITION = _record(
    qty="i8", entry="i8", buys="i8", sells="i8",
    paid="i8",  # for all that was ever bought, less what was sold for: profit = value - paid
    row="i4", book="i4", next="i4", reducing="i4", bucket="i4", b_next="i4", b_prev="i4",
)  # fmt: skip

HOLDING = _record(amount="i8", locked="i8", row="i4", asset="i4", next="i4")

VENUE = _record(
    settle="i4", fees="i4", fund="i4", capital="i4", order="i4", surplus="i4", score="i4", allocate="i4",
    adl_price="i4",
    stp="i4", max_orders="i4", capacity="i4", resting="i4", fund_rule="i4", suspended="i4",
    stages="i8", tiers="i8", whole_up_to="i8", round_value="i8", rounds="i8", portion="i8", portion_least="i8",
    portion_most="i8", spread="i8", by_maintenance="i8",
    liquidation_fee="i8", slice="i8", slice_above="i8", cooldown="i8", backstop="i8", fund_limit="i8",
    latency="i8", service="i8", queue_cap="i8", busy_until="i8", queued="i8", delay="i8",
    liquidated_long="i8", liquidated_short="i8", adl="i8", takeover="i8", messages="i8", rejected="i8",
    collateral="i4", collaterals="i4",  # the first of its records, and how many assets it accepts
    convert_above="i8", convert_every="i8", debt_limit="i8", debt_left="i8", internal="i4",
    least_wallet="i8", adl_gap="i8", adl_cancels="i4",
    fund_start="i8", fund_stop="i8", fund_bin="i8", fund_threshold="i8", parted="i4",
    rate_limit="i8", rate_window="i8", cancel_limit="i8",
)  # fmt: skip

BRACKET = _record(floor="i8", mmr="i8", cum="i8", imr="i8")
COLLATERAL = _record(
    price="i8", anchor="i8", floor="i8", redemption="i8",  # settlement units of one whole, fixed point
    whole="i8", paid_whole="i8",  # units in one of the asset, and of the asset that its issuer pays in
    venue="i4", asset="i4", book="i4", source="i4", paid_in="i4", rule="i4", tier="i4", tiers="i4",
)  # fmt: skip
HAIRCUT = _record(amount="i8", share="i8")
SOURCE = _record(book="i4", convert="i4", weight="i8")

MESSAGE = _record(
    arrive="i8", tie="i8", price="i8", qty="i8", expiry="i8", cause="i8", handle="i8", tag="i8",
    row="i4", book="i4", ref="i4", op="u1", side="i1", flags="u1", kind="u1",
)  # fmt: skip

EVENT = _record(
    id="i8", parent="i8", time="i8", price="i8", mark="i8", qty="i8", value="i8", amount="i8",
    row="i4", other="i4", book="i4", venue="i4", asset="i4", kind="u1", side="i1", cause="u1", stage="u1",
)  # fmt: skip

FILL = _record(
    time="i8", price="i8", qty="i8", cause="i8", maker="i4", taker="i4", book="i4", side="i1", kind="u1",
)  # fmt: skip

REQUEST = _record(
    parent="i8", qty="i8", amount="i8", row="i4", book="i4", position="i4",
    fixed="i4",  # whether `amount` says what the lots are closed at
)  # fmt: skip

POOL = _record(row="i4", venue="i4", closed="i4")
TRIGGER = _record(horizon="i8", bound="i8", pause="i8", floor="i8", ceiling="i8")
BAR = _record(slot="i8", total="i8", count="i8", low="i8", high="i8", last="i8")
TALLY = _record(window="i8", sent="i8")

PUBLIC = _record(
    bid="i8", ask="i8", bid_size="i8", ask_size="i8", last="i8", mark="i8", index="i8",
    bid0="i8", bid1="i8", bid2="i8", bid3="i8", ask0="i8", ask1="i8", ask2="i8", ask3="i8",
    volume="i8", value="i8", taker_buy="i8", trades="i8", low="i8", high="i8",
    open_interest="i8", funding="i8", volatility="f8", halted="i8",
)  # fmt: skip

I4, I8, F8 = np.dtype("i4"), np.dtype("i8"), np.dtype("f8")

SCHEMA: list[tuple[str, np.dtype[Any]]] = [
    ("meta", META),
    ("books", BOOK),
    (
        "keys",
        I8,
    ),  # sorted live price levels, `cap` a side, bids first: rank << 24 | level, the best at the end
    ("levels", LEVEL),
    ("near", NEAR),  # depth within 0.5, 1, 2 and 5 % of the last reference: [book, bids and asks]
    ("orders", ORDER),
    ("rows", ROW),
    ("positions", POSITION),
    ("holdings", HOLDING),
    ("venues", VENUE),
    ("brackets", BRACKET),
    ("sources", SOURCE),
    ("basis", I8),  # ring of basis samples a book
    ("buckets", I4),  # heads of the margin index: [book, direction, bucket]
    ("wheel", I4),  # heads of orders by expiry second, modulo its length
    ("touched", I4),  # rows whose balance or position changed since the margin check
    ("changed", I8),  # when a row's balance or position last changed, ms
    ("queue", I4),  # rows found under maintenance
    ("requests", REQUEST),  # contracts to be auto-deleveraged in this step
    ("scores", F8),
    ("ranking", I4),
    ("inbox", MESSAGE),
    ("sorted", I8),
    ("refs", I8),  # handles of orders that their senders named
    ("rejects", I8),  # counts by venue and code
    ("events", EVENT),
    ("fills", FILL),
    ("public", PUBLIC),  # ring of public records [step, book]
    ("collateral", COLLATERAL),  # accepted assets by venue, those that count for most first
    ("haircuts", HAIRCUT),  # tiers of an accepted asset: amount up to which, share that counts
    ("leaning", I4),  # rows that stand only while their collateral is above its anchored price
    ("debtors", I4),  # rows with collateral and a realised debt
    ("pools", POOL),  # funds, those of the venues first
    ("peaks", I8),  # sliding maxima of `insurance.highest`: of each book, then of each pool
    ("triggers", TRIGGER),  # of trading halts, `MOST_TRIGGERS` a book
    ("bars", BAR),  # ring of a book's trades by slot of time, what the references of halts are made from
    ("tallies", TALLY),  # messages of an owner at a venue in the window of now: [owner, venue]
]

NAMES = [name for name, _ in SCHEMA]
Views = namedtuple("Views", NAMES)  # type: ignore[misc]
_DTYPES = dict(SCHEMA)

LEVEL_BITS = 24
LEVEL_MASK = (1 << LEVEL_BITS) - 1
SLOT_BITS = 24
SLOT_MASK = (1 << SLOT_BITS) - 1
BUCKETS = 4096
PAGES = 1 << 16  # bytes
WHEEL = 1024
NONE = -1

_LIVE: WeakValueDictionary[int, State] = (
    WeakValueDictionary()
)  # by address, for kernels that run as plain Python


def views(address: int) -> Any:
    """The tables behind an address; here, for kernels that run as plain Python, as the arrays themselves."""
    return _LIVE[address].views


if not INTERPRETED:
    views = viewer(SCHEMA, "market")


class State:
    """Tables by name, growing by doubling. The owner never rebinds an array except through `grow`.

    Attributes named as in `SCHEMA` are numpy arrays; `meta` is a one-record array whose fields hold the counts of the
    used part of each table.
    """

    meta: np.ndarray[Any, Any]
    books: np.ndarray[Any, Any]
    keys: np.ndarray[Any, Any]
    levels: np.ndarray[Any, Any]
    near: np.ndarray[Any, Any]
    orders: np.ndarray[Any, Any]
    rows: np.ndarray[Any, Any]
    positions: np.ndarray[Any, Any]
    holdings: np.ndarray[Any, Any]
    venues: np.ndarray[Any, Any]
    brackets: np.ndarray[Any, Any]
    sources: np.ndarray[Any, Any]
    basis: np.ndarray[Any, Any]
    buckets: np.ndarray[Any, Any]
    wheel: np.ndarray[Any, Any]
    touched: np.ndarray[Any, Any]
    changed: np.ndarray[Any, Any]
    queue: np.ndarray[Any, Any]
    requests: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]
    ranking: np.ndarray[Any, Any]
    inbox: np.ndarray[Any, Any]
    sorted: np.ndarray[Any, Any]
    refs: np.ndarray[Any, Any]
    rejects: np.ndarray[Any, Any]
    events: np.ndarray[Any, Any]
    fills: np.ndarray[Any, Any]
    public: np.ndarray[Any, Any]
    collateral: np.ndarray[Any, Any]
    haircuts: np.ndarray[Any, Any]
    leaning: np.ndarray[Any, Any]
    debtors: np.ndarray[Any, Any]
    pools: np.ndarray[Any, Any]
    peaks: np.ndarray[Any, Any]
    triggers: np.ndarray[Any, Any]
    bars: np.ndarray[Any, Any]
    tallies: np.ndarray[Any, Any]

    def __init__(self, **sizes: int) -> None:
        self._table = np.zeros(2 * len(NAMES), np.int64)
        for name, dtype in SCHEMA:
            setattr(self, name, zeros(sizes.get(name, 1), dtype))
        self.meta = zeros(1, META)
        self.address = int(self._table.ctypes.data)
        _LIVE[self.address] = self
        self._rebuild()

    def _rebuild(self) -> None:
        for i, name in enumerate(NAMES):
            array = getattr(self, name)
            self._table[2 * i] = array.ctypes.data
            self._table[2 * i + 1] = len(array)
        self.meta["address"] = self.address
        self.views = Views(*(getattr(self, name) for name in NAMES))

    def grow(self, name: str, needed: int) -> None:
        """Make room for `needed` records in a table; what is there stays."""
        old = getattr(self, name)
        if needed <= len(old):
            return
        new = zeros(max(needed, 2 * len(old)), _DTYPES[name])
        given, taken = old.view(np.uint8), new.view(np.uint8)
        for i in range(0, len(given), PAGES):  # what was never written costs no memory here either
            part = given[i : i + PAGES]
            if part.any():
                taken[i : i + PAGES][: len(part)] = part
        setattr(self, name, new)
        self._rebuild()

    def count(self, name: str) -> int:
        """Used records of a table that counts them."""
        return int(self.meta[name][0])

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of all tables, for a snapshot: values only, no place in memory."""
        copies = {name: np.zeros(len(getattr(self, name)), _DTYPES[name]) for name in NAMES}
        for name, copy in copies.items():
            copy[:] = getattr(self, name)  # field by field: what lies between fields stays zero
        copies["meta"]["address"] = 0
        return copies

    def load(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Replace all tables by a snapshot's."""
        for name in NAMES:
            new = zeros(len(arrays[name]), _DTYPES[name])
            new[:] = arrays[name]
            setattr(self, name, new)
        self._rebuild()
