"""The network's stations once more, slowly: objects, lists and heapq instead of tables, links and an indexed heap."""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np

from abm import random
from abm.channels import NetworkParameters
from abm.random import inverse_normal
from abm.servers import inverse_gaussian

INF = math.inf
BACK = 1 << 40


def lognormal(median: float, spread: float, p: float) -> float:
    return float(median * math.exp(spread * float(inverse_normal(p))))


def whole(time: float) -> float:
    return float(math.ceil(time - 1e-6))


class Job:
    """A transfer, from the record that the network made of the request."""

    def __init__(self, record: Any) -> None:
        self.id, self.key, self.value = int(record["id"]), int(record["key"]), float(record["value"])
        self.amount, self.asset = int(record["amount"]), int(record["asset"])
        self.route = [int(e) for e in record["path"][: record["hops"]]]
        self.hop, self.at, self.stations = 0, -1, []
        self.back = self.paid = False
        self.joined = 0.0
        self.branch: int | None = None


class Station:
    """A resource: its queue, what is in service, its failures and its owner's rule."""

    def __init__(self, net: Twin, number: int, name: str, given: Any) -> None:
        self.net, self.number, self.name, self.given = net, number, name, given
        self.key = random.key_of(f"resource/{name}") >> 2
        self.queue: list[Job] = []
        self.busy = 0
        self.open, self.failed, self.admits = given.open, False, True
        self.rule = given.stops if net.given.stops in ("endogenous", "both") else None
        self.risk, self.noted, self.failures = 0.0, net.now, 0
        self.threshold = float(-np.log(self.own(0)))
        self.fail = self.repair = self.look = INF

    def own(self, nth: int) -> float:
        return float(random.uniform(self.net.stream, np.array([self.key]), nth)[0])

    def chance(self, job: Job, purpose: int) -> float:
        key = np.array([job.key + job.hop])
        return float(random.uniform(self.net.stream, key, self.key + purpose + BACK * job.back)[0])

    def serves(self) -> bool:
        works_off = self.rule is not None and self.rule.works_off
        return self.open and not self.failed and (self.admits or works_off)

    def note(self, t: float) -> None:
        if t > self.noted:
            hazard = self.given.hazard / 3_600_000.0
            if hazard > 0 and not self.failed:
                load = len(self.queue) + self.busy
                self.risk += (t - self.noted) * hazard * (1.0 + self.given.hazard_growth * load)
            self.noted = t

    def join(self, job: Job, t: float) -> None:
        self.note(t)
        job.joined = t
        self.queue.append(job)

    def first(self, t: float) -> Job:
        self.note(t)
        return self.queue.pop(0)

    def passes(self, job: Job, t: float) -> bool:
        return job.back

    def tend(self, t: float) -> None:
        """Do what can be done now."""

    def levels(self) -> tuple[bool, bool]:
        """Whether the rule says stop, and whether it may reopen."""
        rule = self.rule
        stop = rule.queue is not None and len(self.queue) > rule.queue
        return stop, len(self.queue) <= rule.reopen_queue

    def plan(self, t: float) -> None:
        if self.rule is not None and self.admits and self.levels()[0]:
            self.admits, self.look = False, t + 1000.0 * self.rule.rest
        hazard = self.given.hazard / 3_600_000.0
        if hazard > 0 and not self.failed:
            rate = hazard * (1.0 + self.given.hazard_growth * (len(self.queue) + self.busy))
            self.fail = max(t, t + (self.threshold - self.risk) / rate)
        self.net.ring(self, 1, min(self.fail, self.repair, self.look))

    def turn(self, t: float) -> None:
        if self.fail <= t:
            self.note(t)
            self.failed, self.fail = True, INF
            self.failures += 1
            self.repair = t + lognormal(
                1000.0 * self.given.repair, self.given.repair_spread, self.own(2 * self.failures - 1)
            )
        if self.repair <= t:
            self.note(t)
            self.failed, self.repair, self.risk = False, INF, 0.0
            self.threshold = -math.log(self.own(2 * self.failures))
        if self.look <= t:
            if self.levels()[1]:
                self.admits, self.look = True, INF
            else:
                self.look = t + 1000.0 * self.rule.rest


class Line(Station):
    """An edge's own gate, or its single server and the time on the way."""

    def __init__(self, net: Twin, number: int, name: str, given: Any) -> None:
        self.net, self.number, self.name, self.given = net, number, name, given
        self.queue: list[Job] = []
        self.busy, self.free, self.open = 0, -INF, given.open

    def note(self, t: float) -> None: ...

    def plan(self, t: float) -> None: ...

    def tend(self, t: float) -> None:
        when = INF
        while self.queue and self.open:
            job = self.queue[0]
            begin = max(self.free, job.joined)
            units = self.given.capacity * self.net.scale[job.asset]
            finish = begin if self.given.path else begin + float(job.amount) * (1000.0 / units)
            if finish > t:
                when = finish
                break
            self.first(t)
            self.free = finish
            if self.given.path:
                self.net.ready.append(job)
                continue
            self.busy += 1
            z = inverse_normal(
                random.uniform(self.net.latency, np.array([job.key + job.hop]), random.FOREVER)[0]
            )
            away = 1000.0 * self.given.latency * math.exp(self.given.jitter * float(z))
            self.net.under_way(job, self, whole(finish + away))
        self.net.ring(self, 0, when)


class Servers(Station):
    def tend(self, t: float) -> None:
        given = self.given
        while self.queue and self.busy < given.servers and self.serves():
            job = self.first(t)
            self.busy += 1
            time = 1000.0 * given.time + given.per_million * 1000.0 / 1e6 * job.value
            p = self.chance(job, 1)
            if given.law == "exponential":
                time = -time * math.log(p)
            elif given.law == "lognormal":
                z = float(inverse_normal(p))
                time = time * math.exp(given.spread * z - 0.5 * given.spread * given.spread)
            self.net.under_way(job, self, t + time)


class Delay(Station):
    def passes(self, job: Job, t: float) -> bool:
        return False

    def tend(self, t: float) -> None:
        while self.queue and self.serves():
            job = self.first(t)
            self.busy += 1
            if self.given.law == "lognormal":
                time = lognormal(1000.0 * self.given.time, self.given.spread, self.chance(job, 1))
            else:
                time = float(
                    inverse_gaussian(
                        1000.0 * self.given.time,
                        self.given.spread,
                        self.chance(job, 1),
                        self.chance(job, 2),
                    )
                )
            self.net.under_way(job, self, whole(t + time))


class Hours(Station):
    def passes(self, job: Job, t: float) -> bool:
        return False

    def tend(self, t: float) -> None:
        while self.queue and self.serves():
            self.net.ready.append(self.first(t))


class Wallet(Station):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        unit = int(self.net.scale[self.net.assets.index(self.given.asset)])
        self.hot = self.target = round(self.given.hot * unit)
        self.cold = round((self.given.cold or 0.0) * unit)
        self.unit, self.period = unit, 1000.0 * self.given.refill
        self.clock = self.net.now + self.period

    def refill(self, t: float) -> None:
        while self.clock <= t:  # every batch, one after the other
            wanted = max([self.target] + [job.amount for job in self.queue[:1]])
            batch = max(0, min(self.cold, wanted - self.hot))
            self.hot, self.cold = self.hot + batch, self.cold - batch
            self.clock += self.period

    def passes(self, job: Job, t: float) -> bool:
        if job.back:
            self.hot += job.amount
        return job.back

    def tend(self, t: float) -> None:
        self.refill(t)
        while self.queue and self.serves() and self.queue[0].amount <= self.hot:
            self.hot -= self.queue[0].amount
            self.net.ready.append(self.first(t))
        waits = self.queue and self.cold > 0 and self.serves()
        self.net.ring(self, 0, self.clock if waits else INF)

    def levels(self) -> tuple[bool, bool]:
        stop, reopen = super().levels()
        if self.rule.hot is not None:
            stop = stop or self.hot < round(self.rule.hot * self.unit)
            reopen = reopen and self.hot >= round(self.rule.reopen_hot * self.unit)
        return stop, reopen


class Chain(Station):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.period = 1000.0 * self.given.block
        first = float(random.exponential(self.net.stream, np.array([self.key]), 1 << 32)[0])
        self.clock = self.net.now + self.period * (first if self.given.law == "exponential" else 1.0)
        self.base, self.blocks, self.halted = self.given.base_fee, 0, False
        self.bids: dict[int, tuple[float, float, int]] = {}

    def passes(self, job: Job, t: float) -> bool:
        return False

    def join(self, job: Job, t: float) -> None:
        super().join(job, t)
        tie = self.chance(job, 5)
        self.bids[job.id] = (-self.offer(job, 0), tie, job.id)

    def interval(self, block: int) -> float:
        if self.given.law == "exponential":
            return self.period * -math.log(self.own((1 << 32) + block))
        return self.period

    def offer(self, job: Job, nth: int) -> float:
        given = self.given
        return self.base * lognormal(given.headroom, given.headroom_spread, self.chance(job, 4 + 8 * nth))

    def block(self, t: float) -> None:
        given, served = self.given, 0
        while self.queue and served < given.slots:
            job = min(self.queue, key=lambda j: self.bids[j.id])
            bid, tie, _ = self.bids[job.id]
            if -bid < self.base:
                if t - job.joined < 1000.0 * given.rebid:
                    break
                job.joined = t
                self.bids[job.id] = (-max(self.offer(job, self.blocks), self.base), tie, job.id)
                continue
            self.note(t)
            self.queue.remove(job)
            self.busy += 1
            served += 1
            edge = self.net.given.edges[job.route[job.hop]]
            confirmed = t + edge.confirmations * self.period
            if given.law == "exponential":
                confirmed = t
                for k in range(edge.confirmations):
                    confirmed += self.interval(self.blocks + 1 + k)
            self.net.under_way(job, self, confirmed)
        load = given.load + given.follows * self.net.stress
        if given.elasticity > 0:
            load *= (self.base / given.base_fee) ** -given.elasticity
        used = min(1.0, load + given.share * served / given.slots)
        self.base = max(given.floor, self.base * (1.0 + (used - 0.5) / 0.5 / 8.0))
        self.blocks += 1

    def tend(self, t: float) -> None:
        if not self.serves():
            self.halted = True
            self.net.ring(self, 0, INF)
            return
        if self.halted:
            self.halted, self.clock = False, t + self.interval(self.blocks)
        while self.clock <= t:
            self.block(self.clock)
            self.clock += self.interval(self.blocks)
        self.net.ring(self, 0, self.clock if self.queue else INF)


class Allowance(Station):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.room, self.since, self.rate = self.given.cap, self.net.now, self.given.rate / 3_600_000.0

    def fits(self, job: Job) -> bool:
        return bool(self.room + 1e-6 >= min(job.value, self.given.cap))

    def passes(self, job: Job, t: float) -> bool:
        fallback = self.net.fallbacks[job.route[job.hop]]
        if job.back or job.branch is not None or not fallback:
            return job.back
        if self.queue or not self.serves() or not self.fits(job):
            job.branch = job.at
            job.stations, job.at = fallback, -1
            return True
        return False

    def tend(self, t: float) -> None:
        if t > self.since:
            self.room, self.since = min(self.given.cap, self.room + self.rate * (t - self.since)), t
        while self.queue and self.serves() and self.fits(self.queue[0]):
            self.room -= self.queue[0].value
            self.net.ready.append(self.first(t))
        when = INF
        if self.queue and self.serves() and self.rate > 0:
            when = t + (min(self.queue[0].value, self.given.cap) - self.room) / self.rate
        self.net.ring(self, 0, when)


class Credit(Station):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.drawn = 0.0

    def passes(self, job: Job, t: float) -> bool:
        last = job.hop + 1 == len(job.route)
        if last and not job.back and not job.paid and self.serves() and self.admits:
            if job.value <= self.given.limit - self.drawn:
                self.drawn += job.value
                job.paid = True
                self.net.paid.append((self, job))
        return True


KINDS = {
    "servers": Servers, "delay": Delay, "hours": Hours, "wallet": Wallet, "chain": Chain,
    "allowance": Allowance, "credit": Credit,
}  # fmt: skip


class Twin:
    """A network of stations. `ended`: (id, "arrived" or "returned", ms) of all that has ended."""

    def __init__(self, net: Any) -> None:
        self.given: NetworkParameters = net.parameters
        self.scale, self.assets, self.now, self.stress = net.scale, net.asset_names, net.now_ms, 0.0
        self.stream = random.stream_of(net.seed, "network", "station")
        self.latency = random.stream_of(net.seed, "network", "latency")
        self.clocks: dict[tuple[int, int], float] = {}
        self.heap: list[tuple[float, int, Any]] = []
        self.ready: list[Job] = []
        self.paid: list[tuple[Credit, Job]] = []
        self.ended: list[tuple[int, str, int]] = []
        edges = self.given.edges
        self.lines = [Line(self, n, str(n), edge) for n, edge in enumerate(edges)]
        self.resources: dict[str, Any] = {
            name: KINDS[given.kind](self, len(edges) + k, name, given)
            for k, (name, given) in enumerate(self.given.resources.items())
        }
        self.paths = [
            [self.lines[n], *(self.resources[name] for name in edge.path)] for n, edge in enumerate(edges)
        ]
        self.fallbacks = [[self.resources[name] for name in edge.fallback] for edge in edges]
        wallets = {
            (w.given.venue, w.given.asset): w for w in self.resources.values() if isinstance(w, Wallet)
        }
        self.into = [
            wallets.get((e.target, e.asset_to or e.asset)) if e.source != e.target else None for e in edges
        ]
        self.items = 2 * (len(edges) + len(self.resources))
        for station in self.resources.values():
            rule = station.rule
            if station.given.hazard > 0 or (rule is not None and rule.hot is not None):
                station.tend(self.now)
                station.plan(self.now)

    def ring(self, station: Station, which: int, time: float) -> None:
        self.clocks[station.number, which] = time
        if time < INF:
            heapq.heappush(self.heap, (time, 2 * station.number + which, station))

    def under_way(self, job: Job, station: Station, time: float) -> None:
        heapq.heappush(self.heap, (time, self.items + job.id, (job, station)))

    def send(self, records: Any) -> None:
        """New transfers, as the network has them just after a request."""
        for record in records:
            job = Job(record)
            job.stations = self.paths[job.route[0]]
            self.ready.append(job)
            self.settle(self.now)

    def settle(self, t: float) -> None:
        """Whatever moves at this moment moves."""
        while self.ready:
            job = self.ready.pop(0)
            station = self.next_station(job, t)
            if station is not None:
                self.look(station, t, job)

    def look(self, station: Station, t: float, job: Job | None = None, turning: bool = False) -> None:
        station.tend(t)
        if job is not None:
            if station.passes(job, t):
                self.ready.append(job)
            else:
                station.join(job, t)
            station.tend(t)
        if turning:
            station.turn(t)
            station.tend(t)
        station.plan(t)

    def next_station(self, job: Job, t: float) -> Any:
        job.at += -1 if job.back else 1
        if job.back and job.at < 0 and job.branch is not None:
            job.stations, job.at, job.branch = self.paths[job.route[job.hop]], job.branch - 1, None
        if 0 <= job.at < len(job.stations):
            return job.stations[job.at]
        edge = job.route[job.hop]
        into = self.into[edge]
        if not job.back:
            if into is not None:
                into.refill(t)
                into.hot += job.amount
            if job.hop + 1 == len(job.route):
                self.end(job, t, "arrived")
            else:
                job.hop += 1
                job.stations, job.at, job.branch = self.paths[job.route[job.hop]], -1, None
                self.ready.append(job)
        elif job.hop == 0:
            self.end(job, t, "returned")
            return None
        else:
            job.hop -= 1
            edge = job.route[job.hop]
            into = self.into[edge]
            if into is not None:
                into.refill(t)
                hot = min(into.hot, job.amount)
                into.hot, into.cold = into.hot - hot, into.cold - (job.amount - hot)
            job.stations = self.paths[edge]
            job.at, job.branch = len(job.stations), None
            self.ready.append(job)
        if into is not None:
            self.look(into, t)
        return None

    def end(self, job: Job, t: float, how: str) -> None:
        for line, paid in self.paid:
            if paid is job:
                line.drawn -= job.value
        self.ended.append((job.id, how, int(whole(t))))

    def set(self, station: Station, open: bool) -> None:
        """Open or shut a resource now."""
        self.look(station, self.now)
        self.settle(self.now)
        station.open = open
        self.look(station, self.now)
        self.settle(self.now)

    def step(self, now: int) -> None:
        """Work until a time."""
        while self.heap and self.heap[0][0] <= now:
            t, rank, what = heapq.heappop(self.heap)
            if rank < self.items:
                if self.clocks[what.number, rank % 2] != t:
                    continue  # it has another time by now
                self.clocks[what.number, rank % 2] = INF
                self.look(what, t, turning=rank % 2 == 1)
            else:
                job, station = what
                station.note(t)
                station.busy -= 1
                bounce = getattr(station.given, "bounce", 0.0)
                if bounce > 0 and not job.back and not job.paid and station.chance(job, 3) < bounce:
                    job.back = True
                self.ready.append(job)
                self.look(station, t)
            self.settle(t)
        self.now = now
