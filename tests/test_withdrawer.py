"""Spare money leaves a venue after bad news, and after a transfer of one's own is late; not otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments import config
from experiments.build import build
from experiments.config import ScenarioError

OUTSIDE = (
    (
        "network.edges",
        '[{source="alpha", target="outside", asset="USDT", capacity=2e4}, {source="beta", target="outside",'
        ' asset="USDT", capacity=2e4}]',
    ),
    (
        "population.savers",
        '{species="withdrawer", opening={kind="desk", accounts=400, cash={major=0.2}, reserve_at="outside"}}',
    ),
    ("clock.duration", "420"),
    ("news.0.time", "2025-10-10T20:00:30Z"),
    ("news.0.delay.fast_median", "5.0"),
    ("news.0.delay.slow_median", "5.0"),
    ("population.savers.after", "20.0"),
)


def left(*changes: tuple[str, str]) -> tuple[Any, Any, float]:
    """(model, record, dollars that arrived outside) of two venues with savers."""
    model = build(config.load("two_venues", [*OUTSIDE, *changes]), 1, check=True)
    model.run()
    record = model.recorder.finish()
    out = [n for n, name in enumerate(record.edge_names) if ">outside" in name]
    return model, record, float(record.network["moved"][:, out].sum())


def sends(record: Any) -> int:
    return int((record.events["kind"] == record.vocabularies["kind"].index("transfer_sent")).sum())


@pytest.fixture(scope="module")
def worried() -> tuple[Any, Any, float]:
    return left(("population.savers.worried", "0.2"))


def test_bad_news_sends_some_of_them_home_and_the_worse_the_more(worried: tuple[Any, Any, float]) -> None:
    _, record, moved = worried
    _, calmer, less = left(("population.savers.worried", "0.02"))
    assert moved > 2 * less > 0
    assert sends(record) > sends(calmer)


@pytest.mark.slow
def test_without_bad_news_everybody_stays() -> None:
    for news in ("0.0", "0.04"):
        _, record, moved = left(("population.savers.worried", "1.0"), ("news.0.size", news))
        own = record.vocabularies["participant"].index("savers")
        assert own >= 0 and moved == 0


@pytest.mark.slow
def test_a_transfer_that_does_not_arrive_brings_its_owner_to_ask_everywhere() -> None:
    """Withdrawals from alpha stop: what was asked there is late, and the same owners ask at beta too."""
    stop = (
        "network.events", '[{time=2025-10-10T20:00:40Z, edge={source="alpha"}, open=false}]',
    )  # fmt: skip
    wait = ("population.savers.worried", "0.05")
    asked = {}
    for late in ("true", "false"):
        _, record, _ = left(stop, wait, ("population.savers.late", late))
        sent = record.events["kind"] == record.vocabularies["kind"].index("transfer_sent")
        owners = record.events["owner"][sent]
        asked[late] = len(np.unique(owners)), int(sent.sum())
    assert asked["true"][1] > asked["false"][1]


def test_who_is_worried_takes_half_at_a_time_and_all_others_stay(worried: tuple[Any, Any, float]) -> None:
    model, record, _ = worried
    me = model.desks["savers"]
    spare, venue = me.available(np.arange(len(me.rows))), np.asarray(me.venue)
    sent = record.events["kind"] == record.vocabularies["kind"].index("transfer_sent")
    asked = np.isin(me.rows, record.events["row"][sent])
    assert asked.sum() > 20
    for v in (0, 1):
        stays = spare[(venue == v) & ~asked]
        assert np.ptp(stays) == 0 and spare[(venue == v) & asked].max() <= 0.5 * stays[0]


def test_a_home_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(
        ScenarioError, match=r"population.savers.opening.reserve_at: given .*nowhere.*outside"
    ):
        config.load("two_venues", [*OUTSIDE, ("population.savers.opening.reserve_at", '"nowhere"')])
