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
from numpy.typing import NDArray

from abm import (
    auction,
    collateral_price,
    conversion,
    custody,
    deleveraging,
    funding,
    gateway,
    halts,
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
from abm.causes import CAUSES, EVENT_KINDS
from abm.channels import EdgeSelector, NetworkParameters
from abm.construction import RING, books_of, new_state
from abm.interventions import Intervention, Programme
from abm.loans import Loans
from abm.market import Market
from abm.me import Me
from abm.network import ACCEPTED, Network
from abm.random import stream_of
from abm.recorder import Recorder
from abm.routes import By
from abm.state import EVENT, MESSAGE
from abm.venue import Asset, Clock, Contract, News, VenueRules

Ints = NDArray[np.int64]

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
        self.clock = clock
        self.step_ms, self.steps_total = (
            clock.step_ms,
            clock.steps,
        )  # steps of the whole run, burn-in included
        self._burn_in_steps = clock.burn_in_steps
        self.seed_number = seed
        self.rules = dict(venues)
        self.news = sorted(news, key=lambda n: n.time)
        self.check = check
        self.recorder = recorder
        self.programme = Programme(interventions)
        self.functions = dict(functions or {})
        self.asset_names, self.coin_names, self.venue_names = list(assets), list(contracts), list(venues)
        self.asset_scales = np.array([10**a.decimals for a in assets.values()], np.float64)
        self.asset_values = np.array([a.value for a in assets.values()], np.float64)
        self.network = Network(
            network,
            self.venue_names,
            self.asset_names,
            [a.decimals for a in assets.values()],
            clock.start,
            seed,
            [a.value for a in assets.values()],
            -clock.step_ms * clock.burn_in_steps,
        )
        self.books = books_of(assets, contracts, venues)
        self.state = new_state(
            clock, assets, contracts, venues, self.network.node_names, self.books, seed, brackets
        )
        settle = self.state.venues["settle"][: len(self.venue_names)]
        self._dollar = self.asset_scales[settle] / self.asset_values[settle]  # units of each venue's money
        self.accounts = ledger.Accounts(
            self.state, self.network.node_names, self.asset_names, self.asset_scales.astype(np.int64)
        )
        self.accounts.set_ticks(self.books.tick)
        self.accounts.set_leverage([v.margin.leverage for v in venues.values()])
        self.participants: list[Participant] = []
        self.desks: dict[str, Me] = {}
        self.step_number = 0
        self.liquidated = 0.0
        self._decay = 1.0 - 2.0 ** (-clock.step / VOLATILITY_HALF_LIFE)
        self.gateway_delays = np.zeros((RING, len(self.venue_names)))
        self.withdrawals_open = np.ones((RING, len(self.venue_names)), bool)
        self._views: dict[float, Market] = {}
        self._open_own_rows()
        self._open_stations_rows()
        prices = {  # a venue's spot book of an asset in its own money
            (int(self.books.venue[b]), int(self.books.base[b])): int(b)
            for b in self.books.spots.tolist()
            if self.books.quote[b] == settle[self.books.venue[b]]
        }
        self.loans = Loans(self.state, prices)
        self.phases: list[tuple[str, Callable[[], None]]] = [
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
        self.datacollector = mesa.DataCollector(model_reporters=REPORTERS)
        if recorder is not None:
            recorder.attach(self)

    # ------------------------------------------------------------------ assembling

    def _open_own_rows(self) -> None:
        """Each venue's rows for fees, fund and last capital."""
        for v, (name, rules) in enumerate(self.rules.items()):
            rows = [
                int(self.accounts.open(f"{name}/{what}", v, "exchange", exempt=True)[0])
                for what in ("fees", "fund", "capital")
            ]
            for row in rows:
                for asset in (rules.quote, *rules.collateral.assets):
                    self.accounts.deposit([row], asset, np.array([0], np.int64))
            for field, row in zip(("fees", "fund", "capital"), rows, strict=True):
                self.state.venues[field][v] = row
            if rules.fund.rule != "none":
                self.accounts.deposit([rows[1]], rules.quote, float(rules.fund.cash))
            self.state.books["fund"][: len(self.books)][self.books.venue == v] = rows[1]
            self._open_pool(rows[1], v)
        for v, (name, rules) in enumerate(self.rules.items()):
            for pool, terms in rules.fund.pools.items():
                row = int(self.accounts.open(f"{name}/fund/{pool}", v, "exchange", exempt=True)[0])
                cash = 0.0 if rules.fund.rule == "none" else float(terms.cash)
                self.accounts.deposit([row], rules.quote, cash)
                for coin in terms.coins:
                    self.state.books["fund"][self.book_id(f"{name}:{coin}-PERP")] = row
                self._open_pool(row, v)

    def _open_stations_rows(self) -> None:
        """Rows of issuers, at their nodes, and of lenders, at every node to which they pay out ahead."""
        self.issuers: dict[int, int] = {}
        self.lenders: dict[tuple[int, int], int] = {}
        net = self.network
        rows: dict[str, int] = {}
        for n, edge in enumerate(net.parameters.edges):
            if edge.asset_to is not None and edge.asset_to != edge.asset:
                ends = (edge.source, edge.target) if edge.kind == "redeem" else (edge.target, edge.source)
                node = next((end for end in ends if end in net.parameters.nodes), ends[0])
                if node not in rows:
                    rows[node] = int(self.accounts.open(f"{node}/issuer", node, "exchange", exempt=True)[0])
                self.issuers[n] = rows[node]
            for name in edge.path:
                if net.parameters.resources[name].kind == "credit":
                    line = net.resource(name), net.node(edge.target)
                    if line not in self.lenders:
                        opened = self.accounts.open(f"{name}/lender", edge.target, "exchange", exempt=True)
                        self.lenders[line] = int(opened[0])

    def _open_pool(self, row: int, venue: int) -> None:
        """Note that a row is a fund of a venue."""
        k = self.state.count("pools")
        self.state.pools["row"][k], self.state.pools["venue"][k] = row, venue
        self.state.meta["pools"] = k + 1

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
            self._balance("setup")

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
                self._balance(name)

    def run(self, steps: int | None = None) -> None:
        """Run so many steps, or to the end of the clock."""
        left = self.steps_total - self.step_number
        for _ in range(left if steps is None else min(steps, left)):
            self.step()

    # ------------------------------------------------------------------ the phases of a step

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
                self._note("news", amount=0)

    def move_money(self) -> None:
        """2. Stations of the network work; what arrives is credited, what was turned back to its sender."""
        if self.network.listens:
            self.network.hear(self._volatility())
        arrived = self.network.step(self.now)
        self.loans.tend(self.now)
        self._note_loans()
        self._note_gates()
        self._settle_issuers()
        self._pay_ahead()
        if len(arrived):
            self.state.grow("holdings", self.state.count("holdings") + len(arrived) + 4)
            for kind, row, which in (
                ("transfer_arrived", "row_to", ~arrived["back"]),
                ("transfer_returned", "row_from", arrived["back"]),
            ):
                those = arrived[which]
                if len(those):
                    self._credit(those[row], those["asset"], those["amount"])
                    self._note_transfers(kind, those[row], those["asset"], those["amount"], those["event"])

    def _volatility(self) -> float:
        """Published volatility of the first perpetual, % a minute."""
        perps = self.books.perps
        if len(perps) == 0:
            return 0.0
        return 100.0 * math.sqrt(60.0 * float(self.state.books["volatility"][perps[0]]))

    def _settle_issuers(self) -> None:
        """An issuer takes in one asset and owes the other: its own row shows its reserve, and its supply below zero."""
        for edge, old, new, amount in self.network.conversions:
            row = self.issuers[edge]
            self.state.grow("holdings", self.state.count("holdings") + 4)
            self._credit([row, row], [old, new], [amount, -amount])

    def _pay_ahead(self) -> None:
        """A lender pays out what is still on its way, and will be repaid by it."""
        table = self.network.transfers
        for slot in self.network.advances:
            way = table[slot]
            if way["id"] < 0:
                continue
            lender = self.lenders[int(way["advanced"]), int(way["node_to"])]
            self.state.grow("holdings", self.state.count("holdings") + 4)
            asset, amount = int(way["asset"]), int(way["amount"])
            self._credit([int(way["row_to"]), lender], [asset, asset], [amount, -amount])
            self._note_transfers(
                "transfer_arrived", [int(way["row_to"])], [asset], [amount], [int(way["event"])]
            )
            table["row_to"][slot], table["event"][slot] = lender, -1  # what arrives is no more the sender's

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
                self._collect(me)

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
            self._note("funding", venue=int(self.books.venue[b]), book=b, value=int(paid))
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
            self._note("halted" if begun else "resumed", venue=int(self.books.venue[book]), book=book)
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

    def _collect(self, me: Me) -> None:
        """Take over what a participant sent: messages into the inbox, transfers, reports, suspensions."""
        me.post(self._tie_streams[me.name], self.now * 1000)
        if not (me.requests or me.loan_requests or me.reports or me.suspensions or me.observations):
            return
        for what, *terms in me.loan_requests:
            getattr(self.loans, what)(*terms, self.now)
        me.loan_requests.clear()
        self._note_loans()
        for request in me.requests:
            self._transfer(*request)
        me.requests.clear()
        for kind, index, amount in me.reports:
            self._note(kind, row=int(me.rows[index]), amount=round(amount * 1e6))
        me.reports.clear()
        for venue, stop in me.suspensions:
            edges = self.network.select(EdgeSelector(source=self.venue_names[venue]))
            self.network.set(edges, open=not stop)
            self._note_gates()
        me.suspensions.clear()
        if self.recorder is not None:
            self.recorder.observations(me.name, me.observations, self.now)
        me.observations.clear()

    def _note_loans(self) -> None:
        """Note what has happened to loans, in coins; of a forfeited one what the lender gains or loses by it."""
        for kind, loan, coins, money in self.loans.changes:
            worth = self.loans.worth(int(self.state.rows["venue"][loan.borrower]), loan.asset)
            kept = kind == "loan_forfeited" and worth > 0
            gain = round(money / worth) - coins if kept else 0
            self._note(kind, row=loan.borrower, asset=loan.asset, value=coins, amount=gain)
        self.loans.changes.clear()

    def _note_gates(self) -> None:
        """Note which venues' withdrawals have stopped or opened."""
        for gate in self.network.gates:
            if gate.node < len(self.venue_names):
                self._note("withdrawals_opened" if gate.open else "withdrawals_stopped", venue=gate.node)
        self.network.gates.clear()

    def _transfer(
        self,
        source: Any,
        target: Any,
        asset: Any,
        amounts: Any,
        asset_to: Any = None,
        by: By = "listed",
    ) -> None:
        """Debit what may be withdrawn, hand it to the network, give back what it refuses."""
        s = self.state
        owners = s.rows["owner"]
        same = (owners[source] == owners[target]) & (amounts > 0)
        same &= s.rows["gone"][source] == 0
        source, target = source[same], target[same]
        ids = np.broadcast_to(np.asarray(asset, np.int32), same.shape)[same]
        units = _whole_units(amounts[same] * self.asset_scales[ids])
        source, ids = np.array(source, np.int32), np.array(ids, np.int32)
        ledger.debit(s.address, source, ids, units)
        some = np.flatnonzero(units > 0)
        if len(some) == 0:
            return
        source, target, ids, units = source[some], target[some], ids[some], units[some]
        sent_by, home = owners[source], s.rows["venue"][source]
        sent = self.network.request(
            source, target, home, s.rows["venue"][target], sent_by, ids, units, assets_to=asset_to, by=by,
            keys=self.accounts.owner_names.key[sent_by],
            events=self._note_transfers("transfer_sent", source, ids, units, -1),
        )  # fmt: skip
        refused = sent.codes != ACCEPTED
        if refused.any():
            self._credit(source[refused], ids[refused], units[refused])
        if len(sent.charges):
            request, node, fee = sent.charges.T
            keeper = np.where(node < len(self.venue_names), node, 0)  # between free nodes: the first venue
            self.state.grow("holdings", self.state.count("holdings") + len(fee) + 4)
            self._credit(s.venues["fees"][keeper], ids[request], fee)
            self.network.claim(home[request], keeper, ids[request], fee)

    def _credit(self, rows: Any, assets: Any, amounts: Any) -> None:
        ledger.credit(
            self.state.address,
            np.array(rows, np.int32),
            np.array(assets, np.int32),
            np.array(amounts, np.int64),
        )

    def _note(
        self,
        kind: str,
        row: int = -1,
        venue: int = -1,
        book: int = -1,
        asset: int = -1,
        value: int = 0,
        amount: int = 0,
        parent: int = -1,
    ) -> int:
        """Add an event; returns its id."""
        s = self.state
        m = s.meta
        i = int(m["events"][0])
        s.grow("events", i + 2)
        e = s.events[i : i + 1]
        e["id"], e["parent"], e["time"] = m["next_event"][0], parent, self.now
        e["kind"], e["cause"], e["row"], e["other"] = EVENT_KINDS.index(kind), 0, row, -1
        e["book"], e["asset"], e["side"], e["price"], e["qty"] = book, asset, 0, 0, 0
        e["venue"] = s.rows["venue"][row] if row >= 0 else venue
        e["mark"] = s.books["mark"][book] if book >= 0 else 0
        e["value"], e["amount"], e["stage"] = value, amount, 0
        m["events"] += 1
        m["next_event"] += 1
        return int(e["id"][0])

    def _note_transfers(self, kind: str, rows: Any, assets: Any, values: Any, parents: Any) -> Ints:
        """Add an event for each transfer; returns their ids."""
        s, n = self.state, len(rows)
        first = s.count("events")
        s.grow("events", first + n + 1)
        e = np.zeros(n, EVENT)
        e["id"] = int(s.meta["next_event"][0]) + np.arange(n)
        e["parent"], e["time"], e["kind"] = parents, self.now, EVENT_KINDS.index(kind)
        e["row"], e["venue"], e["other"], e["book"] = rows, s.rows["venue"][rows], -1, -1
        e["asset"], e["value"] = assets, values
        s.events[first : first + n] = e
        s.meta["events"] += n
        s.meta["next_event"] += n
        ids: Ints = e["id"]
        return ids

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

    def _balance(self, phase: str) -> None:
        """Stop at once if anything was created or lost."""
        faults = self.accounts.faults(self.network.in_transit) + self.network.check()
        faults += custody.faults(self.network, self.state, self.lenders) + self.loans.faults()
        if faults:
            raise ConservationError(f"after {phase} of step {self.step_number}: " + "; ".join(faults))

    # ------------------------------------------------------------------ saving

    def snapshot(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit by bit, its record included: arrays and plain values."""
        return saving.snapshot(self)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over a snapshot of a model built from the same scenario and seed; see `abm.saving`."""
        saving.restore(self, saved)


def _whole_units(exact: NDArray[np.float64]) -> Ints:
    """Units of amounts, rounded down, but 2.01 dollars are 2,010,000 units though the product ends on ...999.9999."""
    near = np.rint(exact)
    off = np.abs(exact - near) > 1e-6 + 1e-12 * np.abs(exact)
    whole: Ints = np.where(off, np.floor(exact), near).astype(np.int64)
    return whole


__all__ = ["CAUSES", "MESSAGE", "CascadeModel", "ConservationError"]
