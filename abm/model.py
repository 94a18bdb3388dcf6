"""The model: one step of all markets as a list of named phases.

The same list is the order of the model's description (ODD) and of its tests. A step covers (t - dt, t]: people decide
on what was public at t - dt, their messages reach the venues within the step, marks and liquidations follow at t.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import mesa
import numpy as np

from abm import (
    auction,
    collateral_price,
    conversion,
    custody,
    deleveraging,
    funding,
    gateway,
    halts,
    institutions,
    ledger,
    mark,
    matching,
    pools,
    publication,
    resting,
    saving,
    sharing,
    waterfall,
)
from abm.agent import Participant
from abm.calendar import Deliveries, learning_delays, milliseconds
from abm.cashier import Cashier
from abm.channels import EdgeSelector, NetworkParameters
from abm.construction import RING, books_of, new_state
from abm.interventions import Intervention, Programme
from abm.loans import Loans
from abm.market import Market
from abm.me import Me
from abm.network import Network
from abm.notes import note, note_gates, note_loans
from abm.random import stream_of
from abm.recorder import Recorder
from abm.venue import Asset, Clock, Contract, News, VenueRules

BATCH = 4096  # records for which there is room before a batch of messages
VOLATILITY_HALF_LIFE = 60.0  # seconds, of the published volatility


def seconds(model: CascadeModel) -> float:
    """Seconds since the start."""
    return model.now / 1000.0


def open_interest(model: CascadeModel) -> float:
    """Open interest of all contracts, dollars at mark."""
    value = np.empty(len(model.books))
    publication.open_value(model.state.address, model.books.scale, model.books.dollar, value)
    return float(value.sum())


def liquidated(model: CascadeModel) -> float:
    """Positions liquidated in the last step, dollars."""
    return float(model.liquidated)


REPORTERS = {"seconds": seconds, "open_interest": open_interest, "liquidated": liquidated}


class ConservationError(RuntimeError):
    """The books of the economy do not balance: a fault of the engine, never of a scenario."""


class CascadeModel(mesa.Model):  # type: ignore[misc]
    """Venues, books, accounts, network and participants of one run.

    Args:
        clock, assets, contracts, venues, network, news: the parts of a scenario.
        seed: of all draws.
        recorder: keeps the run; None = nothing is kept.
        check: verify conservation after every phase of every step.
        brackets: bracket tables by symbol, as read by `abm.brackets.read`.
        interventions: what is changed while it runs.
        functions: rules of the user's own that venues name, by name.

    Use: `accounts.open`, `deposit`, `place`, `add` participants, `setup`, then `step` or `run`.
    """

    def __init__(
        self,
        clock: Clock,
        assets: Mapping[str, Asset],
        contracts: Mapping[str, Contract],
        venues: Mapping[str, VenueRules],
        network: NetworkParameters,
        news: Iterable[News],
        seed: int,
        recorder: Recorder | None = None,
        check: bool = False,
        brackets: Mapping[str, Any] | None = None,
        interventions: Sequence[Intervention] = (),
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        super().__init__(rng=np.random.SeedSequence(seed))
        self.clock, self.seed_number, self.check, self.recorder = clock, seed, check, recorder
        self.step_ms, self.steps_total = clock.step_ms, clock.steps  # of the whole run, burn-in included
        self.step_number = 0
        self._burn_in_steps = clock.burn_in_steps
        self.rules = dict(venues)
        self.news = sorted(news, key=lambda n: n.time)
        self.programme = Programme(interventions)
        self.functions = dict(functions or {})
        self.asset_names, self.coin_names, self.venue_names = list(assets), list(contracts), list(venues)
        decimals, values = [a.decimals for a in assets.values()], [a.value for a in assets.values()]
        self.asset_scales = np.array([10**places for places in decimals], np.float64)
        self.asset_values = np.array(values, np.float64)
        self.network = Network(
            network, self.venue_names, self.asset_names, decimals, clock.start, seed, values,
            -clock.step_ms * clock.burn_in_steps,
        )  # fmt: skip
        self.books = books_of(assets, contracts, venues)
        self.state = new_state(
            clock, assets, contracts, venues, self.network.node_names, self.books, seed, brackets
        )
        settle = self.state.venues["settle"][: len(self.venue_names)]
        self._dollar = self.asset_scales[settle] / self.asset_values[settle]  # units of each venue's money
        self._open_accounts()
        self.participants: list[Participant] = []
        self.desks: dict[str, Me] = {}
        self.liquidated = 0.0
        self._decay = 1.0 - 2.0 ** (-clock.step / VOLATILITY_HALF_LIFE)
        self.gateway_delays = np.zeros((RING, len(self.venue_names)))
        self.withdrawals_open = np.ones((RING, len(self.venue_names)), bool)
        self._views: dict[float, Market] = {}
        self.phases = self._phases_in_order()
        self.datacollector = mesa.DataCollector(model_reporters=REPORTERS)
        if recorder is not None:
            recorder.attach(self)

    # ------------------------------------------------------------------ assembling

    def _open_accounts(self) -> None:
        """The ledger with the rows of institutions, and what moves money and coins between rows."""
        scales = self.asset_scales.astype(np.int64)
        self.accounts = ledger.Accounts(self.state, self.network.node_names, self.asset_names, scales)
        self.accounts.set_ticks(self.books.tick)
        self.accounts.set_leverage([venue.margin.leverage for venue in self.rules.values()])
        institutions.open_venues_rows(self.accounts, self.state, self.books, self.rules)
        stations = institutions.open_stations_rows(self.accounts, self.network)
        owners = self.accounts.owner_names
        self.cashier = Cashier(self.state, self.network, owners, self.asset_scales, stations)
        self.loans = Loans(self.state, self.books)

    def book_id(self, name: str) -> int:
        """Id of a book by name ("alpha:BTC-PERP"). Raises ValueError if there is none."""
        return self.books.name.index(name)

    def add(self, participant: Participant) -> None:
        """Let a participant take part; the order of adding is the order of deciding."""
        self.participants.append(participant)

    def setup(self) -> None:
        """After all accounts are open: marks, the margin index, the first public record, everybody's own view."""
        s = self.state
        custody.fund(self.network, s)
        publication.publish(s.address, self._decay)
        whose = np.array(s.rows["participant"][: s.count("rows")])
        funds = [int(f) for f in s.pools["row"][: s.count("pools")]]
        for participant in self.participants:
            number = self.accounts.participant_id(participant.name)
            own = np.array(funds) if participant.runs_venues else np.flatnonzero(whose == number)
            me = Me(s, self.books, participant.name, self.seed_number, own, participant.parameters.latency_ms)
            me.set_assets(self.asset_names, self.asset_scales)
            me.attach(self.network, self.loans)
            self.desks[participant.name] = me
        self._tie_streams = {name: stream_of(self.seed_number, name, "tie") for name in self.desks}
        self.schedule_news()
        for b in np.flatnonzero(self.books.kind == 0):
            waterfall.anchor(s.address, int(b))
        for participant in self.participants:
            me = self.desks[participant.name]
            me.time, me.step = self.now / 1000.0, self.step_number
            participant.setup(me, self.view(participant))
        if self.check:
            self.audit("setup")

    def schedule_news(self) -> None:
        """When each row's owner learns each piece of news: one keyed law, the same for all rows of an owner."""
        self._news: list[tuple[float, str, Deliveries]] = []
        self._news_out = [milliseconds(self.clock.start, news.time) for news in self.news]
        owner_keys = self.accounts.owner_names.key
        for k, news in enumerate(self.news):
            delays = learning_delays(news.delay, owner_keys, self.seed_number, k)
            for name, me in self.desks.items():
                times = self._news_out[k] + delays[me.owner] if len(me.owner) else np.zeros(0, np.int64)
                self._news.append((news.size, name, Deliveries(times)))

    # ------------------------------------------------------------------ time

    @property
    def now(self) -> int:
        """Milliseconds since the start at the end of the last step (negative in the burn-in)."""
        return int(self.state.meta["now"][0])

    def step(self) -> None:
        """One step: the phases in order."""
        for name, phase in self.phases:
            phase()
            if self.check:
                self.audit(name)

    def run(self, steps: int | None = None) -> None:
        """Run so many steps, or to the end of the clock."""
        left = self.steps_total - self.step_number
        for _ in range(left if steps is None else min(steps, left)):
            self.step()

    # ------------------------------------------------------------------ the phases of a step

    def _phases_in_order(self) -> list[tuple[str, Callable[[], None]]]:
        """The list that a step goes through."""
        return [
            ("calendar", self.calendar),
            ("network", self.move_money),
            ("decide", self.decide),
            ("gateway", self.queue_messages),
            ("match", self.match),
            ("prices", self.price),
            ("liquidation", self.liquidate),
            ("adl", self.deleverage),
            ("record", self.record),
        ]

    def calendar(self) -> None:
        """1. What is due: interventions, orders whose life is over, news that reaches people."""
        self.programme.begin(self)
        resting.expire(self.state.address)
        now, step = self.now, self.step_ms
        for size, name, deliveries in self._news:
            due = deliveries.due(now, step)
            if len(due):
                self.desks[name].learn(due, size, now / 1000.0)
        for out in self._news_out:
            if now - step < out <= now:
                note(self.state, "news")

    def move_money(self) -> None:
        """2. Stations of the network work; what arrives is credited, what was turned back to its sender."""
        if self.network.listens:
            self.network.hear(self._volatility())
        arrived = self.network.step(self.now)
        self.loans.tend(self.now)
        note_loans(self.state, self.loans)
        note_gates(self.state, self.network)
        self.cashier.settle_issuers()
        self.cashier.pay_ahead()
        self.cashier.receive(arrived)

    def _volatility(self) -> float:
        """Published volatility of the first perpetual, % a minute."""
        perps = self.books.perps
        if len(perps) == 0:
            return 0.0
        return 100.0 * math.sqrt(60.0 * float(self.state.books["volatility"][perps[0]]))

    def decide(self) -> None:
        """3. Every participant looks and answers."""
        self._views.clear()
        now = self.now
        for participant in self.participants:
            me = self.desks[participant.name]
            me.time, me.step = now / 1000.0, self.step_number
            participant.decide(
                me, self._views.get(participant.parameters.feed_delay) or self.view(participant)
            )
            if not me.is_quiet:
                self.collect(me)

    def queue_messages(self) -> None:
        """4. New messages reach their venues' gateways, which accept them one by one."""
        start = self.now * 1000
        self.state.meta["now"] += self.step_ms
        gateway.accept(self.state, start)

    def match(self) -> None:
        """5. Accepted messages are checked, matched and settled one by one; trading pauses that are over end."""
        s = self.state
        if ledger.any_limit(s.address):
            s.grow("tallies", len(self.accounts.owner_names) * len(self.venue_names))
        at = 0
        while True:
            at = matching.process(s.address, at, self.now * 1000)
            if at < 0:
                break
            self.make_room()
        if halts.any_halted(s.address):
            resting.expire(s.address)  # whose life ended in this step has no say in an auction's price
            self.make_room()
            auction.reopen(s.address)

    def price(self) -> None:
        """6. Index, mark and collateral prices from one snapshot; funding if it is due."""
        s = self.state
        mark.price_all(s.address)
        collateral_price.price_collateral(s.address)
        funding.sample_all(s.address)
        b = funding.next_due(s.address, 0)
        while b >= 0:
            funding.set_rate(s.address, b)
            paid = funding.pay(s.address, b)
            note(s, "funding", venue=int(self.books.venue[b]), book=b, value=int(paid))
            b = funding.next_due(s.address, b + 1)

    def liquidate(self) -> None:
        """7. Debts are repaid from collateral; whoever is under maintenance margin meets the venue's waterfall, most
        under water first."""
        s = self.state
        self.make_room()
        at = 0
        while (at := conversion.convert(s.address, at)) >= 0:
            self.make_room()
        if waterfall.find(s.address):
            self.programme.spare(self, True)
            left = waterfall.line_up(s.address)
            while left:
                left = waterfall.liquidate(s.address, left)
                if left:
                    self.make_room()
            self.programme.spare(self, False)

    def deleverage(self) -> None:
        """8. What funds and vaults cannot carry is closed against the winners."""
        s = self.state
        self.make_room()
        pools.check_funds(s.address)
        if s.count("requests"):
            while deleveraging.deleverage(s.address):
                self.make_room()
            rules = [venue.adl for venue in self.rules.values()]
            sharing.share_out(s, rules, self.functions, self.make_room)

    def record(self) -> None:
        """9. The public record of the step; what the run keeps."""
        s = self.state
        s.meta["step"] = self.step_number
        halts.watch_all(s.address)
        for book, begun in halts.news(s):
            note(s, "halted" if begun else "resumed", venue=int(self.books.venue[book]), book=book)
        publication.publish(s.address, self._decay)
        place = self.step_number % RING
        venues = np.empty(len(self.venue_names), ledger.VENUE)
        ledger.tally(s.address, self._dollar, venues.view(np.float64).reshape(len(venues), -1))
        self.liquidated = float(venues["liquidated_long"].sum() + venues["liquidated_short"].sum())
        self.datacollector.collect(self)
        self.gateway_delays[place] = venues["gateway_delay"]
        self.withdrawals_open[place] = self.network.withdrawals_open[: len(self.venue_names)]
        number = self.step_number - self._burn_in_steps
        self.step_number += 1
        if self.recorder is not None and number >= 0:
            self.recorder.keep(self, number, venues)
        s.meta["events"] = 0
        s.meta["fills"] = 0

    # ------------------------------------------------------------------ parts of phases

    def forget_views(self) -> None:
        """What participants have seen of the public record is not what it is any more."""
        self._views.clear()

    def view(self, participant: Participant) -> Market:
        """The public record as old as the participant's feed."""
        delay: float = participant.parameters.feed_delay
        if delay not in self._views:
            late = min(math.ceil(delay / self.clock.step), RING - 1, max(0, self.step_number - 1))
            step = max(0, self.step_number - 1 - late)
            now = self.now - late * self.step_ms
            place = step % RING
            self._views[delay] = Market(
                self.state, self.books, step, now, self.gateway_delays[place], self.withdrawals_open[place]
            )
        return self._views[delay]

    def collect(self, me: Me) -> None:
        """Take over what a participant sent: messages into the inbox, transfers, reports, suspensions."""
        me.post(self._tie_streams[me.name], self.now * 1000)
        if not (me.requests or me.loan_requests or me.reports or me.suspensions or me.observations):
            return
        for what, *terms in me.loan_requests:
            getattr(self.loans, what)(*terms, self.now)
        me.loan_requests.clear()
        note_loans(self.state, self.loans)
        for request in me.requests:
            self.cashier.send(*request)
        me.requests.clear()
        for kind, index, amount in me.reports:
            note(self.state, kind, row=int(me.rows[index]), amount=round(amount * 1e6))
        me.reports.clear()
        for venue, stop in me.suspensions:
            edges = self.network.select(EdgeSelector(source=self.venue_names[venue]))
            self.network.set(edges, open=not stop)
            note_gates(self.state, self.network)
        me.suspensions.clear()
        if self.recorder is not None:
            self.recorder.observations(me.name, me.observations, self.now)
        me.observations.clear()

    def make_room(self) -> None:
        """Grow whatever table may run full in the next batch."""
        s = self.state
        if ledger.roomy(s.address, BATCH):
            return
        s.grow("orders", s.count("orders") + BATCH)
        s.grow("levels", s.count("levels") + BATCH)
        s.grow("positions", s.count("positions") + BATCH)
        s.grow("holdings", s.count("holdings") + BATCH)
        s.grow("events", s.count("events") + BATCH)
        s.grow("requests", s.count("requests") + BATCH)
        if s.meta["keep_fills"][0]:
            s.grow("fills", s.count("fills") + 2 * s.count("live_orders") + BATCH)
        for table in ("ranking", "scores", "sorted"):
            s.grow(table, len(s.positions) + s.count("rows") + 64)

    def audit(self, phase: str) -> None:
        """Stop at once if anything was created or lost."""
        faults = self.accounts.faults(self.network.in_transit) + self.network.check()
        faults += custody.faults(self.network, self.state, self.cashier.lenders) + self.loans.faults()
        if faults:
            raise ConservationError(f"after {phase} of step {self.step_number}: " + "; ".join(faults))

    # ------------------------------------------------------------------ saving

    def snapshot(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit by bit, its record included: arrays and plain values."""
        return saving.snapshot(self)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over a snapshot of a model built from the same scenario and seed; see `abm.saving`."""
        saving.restore(self, saved)
