"""Requests of transfers once more, slowly: plain numbers instead of records, one request after the other."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from abm import random
from abm.calendar import NEVER_MS, milliseconds
from abm.channels import NetworkParameters
from abm.hours import HoursParameters, state_at
from abm.layout import MILLISECOND
from abm.network import Network
from abm.requests import ACCEPTED, NO_CAPACITY, NO_ROUTE, QUEUE_FULL, SHUT, TOO_SMALL
from abm.stations import MAX_HOPS

RATE = 10**8


class Answer(NamedTuple):
    """What becomes of one request."""

    code: int
    fee: int
    charges: list[tuple[int, int]]  # (node, fee)
    parts: list[dict[str, Any]]  # what their records must say


class Requests:
    """Foretells what a network answers, from its tables as they are.

    Args:
        net: the network. described: what it was made of.
    """

    def __init__(self, net: Network, described: NetworkParameters) -> None:
        self.net, self.described = net, described
        self.made: dict[int, int] = {}
        self.kept: dict[tuple[int, int], tuple[int, int]] = {}
        self.next_id = 0
        self.published: tuple[int, int] | None = None

    # ------------------------------------------------------------------ what is published

    def delay(self, number: int) -> float:
        """Seconds over an edge, kept until something new is published."""
        if self.published != (self.net.generation, self.net.now_ms):
            self.published = self.net.generation, self.net.now_ms
            self.edges: dict[int, float] = {}
            self.stations: dict[tuple[int, int], float] = {}
        edge = self.net.edges[number]
        if edge["last"] - edge["first"] == 1:
            return self.line(number)
        if number not in self.edges:
            total = 0.0 if edge["on"] else math.inf
            for r in self.net.tables["paths"][edge["first"] + 1 : edge["last"]].tolist():
                which = r, int(edge["blocks"])
                if which not in self.stations:
                    self.stations[which] = self.station(*which)
                if self.stations[which] < 0:  # paid ahead
                    break
                total += self.stations[which]
            self.edges[number] = total
        return self.edges[number]

    def line(self, number: int) -> float:
        edge, head = self.net.edges[number], self.net.resources[number]["head"]
        if not edge["open"] or edge["capacity"] <= 0:
            return math.inf
        capacity, ends = float(edge["capacity"]), float(edge["head_ms"])
        delay = float(edge["waiting_amount"]) / capacity + float(edge["latency"])
        if math.isfinite(ends):
            amount = float(self.net.transfers["amount"][head])
            delay += min(0.0, max(0.0, ends - self.net.now_ms) / 1000.0 - amount / capacity)
        return delay

    def station(self, r: int, blocks: int) -> float:
        x, now = self.net.resources[r], self.net.now_ms
        given = list(self.described.resources.values())[r - len(self.net.edges)]
        if x["failed"] or not x["admits"]:
            return math.inf
        if isinstance(given, HoursParameters) and not x["open"]:
            start = self.net.start
            _, turns = state_at(given.calendar, start + MILLISECOND * now, given.cutoff)
            return math.inf if turns is None else (milliseconds(start, turns) - now) / 1000.0
        if not x["open"]:
            return math.inf
        next_tick = float(x["period"]) and float(x["period"]) - (now - float(x["clock_ms"])) % float(
            x["period"]
        )
        waiting, value = int(x["waiting"]), float(x["waiting_value"])
        if given.kind == "servers":
            ahead = max(0, waiting + int(x["busy"]) - given.servers + 1)
            ms = float(x["fixed"]) * (1.0 + ahead / given.servers)
            return (ms + float(x["per_value"]) * value / given.servers) / 1000.0
        if given.kind == "delay":
            return float(x["fixed"]) / 1000.0
        if given.kind == "wallet":
            return next_tick / 1000.0 if waiting or x["hot"] <= 0 else 0.0
        if given.kind == "chain":
            first = float(x["period"]) if given.law == "exponential" else next_tick
            return (first + float(x["period"]) * (waiting // given.slots + blocks)) / 1000.0
        if given.kind == "allowance":
            past = max(0.0, now - float(x["room_ms"]))
            short = value - min(float(x["cap"]), float(x["room"]) + float(x["rate"]) * past)
            return 0.0 if short <= 0 else short / float(x["rate"]) / 1000.0 if x["rate"] > 0 else math.inf
        if given.kind == "credit":
            cut = given.cut_at is not None and self.net.tables["meta"]["stress"][0] >= given.cut_at
            return -1.0 if x["room"] < x["cap"] * (given.cut_to if cut else 1.0) else 0.0
        return 0.0

    # ------------------------------------------------------------------ requests

    def code(self, path: tuple[int, ...]) -> int:
        """Why nothing can be sent over edges."""
        edges = [self.net.edges[number] for number in path]
        if not edges:
            return NO_ROUTE
        if any(edge["capacity"] <= 0 for edge in edges):
            return NO_CAPACITY
        for edge in edges:
            stations = self.net.tables["paths"][edge["first"] : edge["last"]]
            stopped = not self.net.resources["admits"][stations].all()
            if not edge["open"] and not edge["ahead"] and (edge["refuses"] or stopped):
                return SHUT
        return ACCEPTED

    def answer(
        self, ends: list[tuple[int, int, int, int]], owners: list[int], amounts: list[int], by: Any
    ) -> list[Answer]:
        """What a batch of requests will be answered."""
        paths = [self.net.ways.path(*one, by, owner) for one, owner in zip(ends, owners, strict=True)]
        joining: dict[int, int] = {}
        answers = []
        for path, (_, _, asset, _), owner, amount in zip(paths, ends, owners, amounts, strict=True):
            nth = self.made[owner] = self.made.get(owner, 0) + 1
            code, taken, split, charges = self.code(path), 0, 1, []
            if code == ACCEPTED:
                edges = [self.net.edges[number] for number in path]
                split = max(1, -(-amount // min(int(edge["largest"]) for edge in edges)))
                for edge in edges:
                    fee = int(edge["fee"]) * split + amount * int(edge["rate"]) // RATE
                    keeper = int(edge["source"])
                    if keeper >= self.net.venues > int(edge["target"]):
                        keeper = int(edge["target"])
                    charges += [(keeper, fee)] if fee else []
                    taken += fee
                room = int(edges[0]["limit"]) - int(edges[0]["waiting"]) - joining.get(path[0], 0)
                if split > room:
                    code = QUEUE_FULL
                elif amount - taken < split:
                    code = TOO_SMALL
            if code != ACCEPTED:
                answers.append(Answer(code, 0, [], []))
                continue
            joining[path[0]] = joining.get(path[0], 0) + split
            self.made[owner] += split - 1
            seconds = sum(self.delay(number) for number in path)
            arrival = 1000.0 * seconds
            drawn = int(
                random.bits(self.net._key_stream, np.array([owner]), random.FOREVER).view(np.int64)[0]
            )
            net, parts = amount - taken, []
            for part in range(split):
                units = net // split + (part < net % split)
                key = (drawn + (nth + part) * (MAX_HOPS + 2) + 2**63) % 2**64 - 2**63
                parts.append(
                    {
                        "id": self.next_id, "key": key, "owner": owner, "amount": units,
                        "fee": taken if part == 0 else 0,
                        "hops": len(path), "sent_ms": self.net.now_ms, "value": units * self.net.worth[asset],
                        "expected_ms": self.net.now_ms + math.ceil(arrival) if arrival < NEVER_MS else NEVER_MS,
                        "path": [*path, *[0] * (MAX_HOPS - len(path))],
                    }
                )  # fmt: skip
                self.next_id += 1
            answers.append(Answer(ACCEPTED, taken, charges, parts))
        return answers

    # ------------------------------------------------------------------ what owners know

    def remember(self, ended: Any) -> None:
        """Transfers (`TRANSFER` records) have ended."""
        for one in ended:
            good = not one["back"] and one["due_ms"] <= one["expected_ms"]
            for edge in one["path"][: one["hops"]].tolist():
                count, before = self.kept.get((int(one["owner"]), edge), (0, 0))
                self.kept[int(one["owner"]), edge] = count + 1, before + int(good)
