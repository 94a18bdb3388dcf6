"""Worked examples of venues and papers, by id: bankruptcy, funds, triggers, scores, haircuts.

A row is (id, provenance, function, arguments, expected). `doc`: printed in documentation; `oss`: asserted in a public
unit test or specification; `paper`, `user`: printed there; `der`: computed from a formula with a source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from abm import adl, haircuts
from abm.insurance import symbol_trigger
from abm.onchain import (
    NetworkPosition,
    disposal,
    liquidated,
    settle_deleveraging,
    size_to_restore,
)
from abm.social_loss import loss_per_unit


def score(rule: str, **given: float) -> float:
    """The ranking formula in whole dollars."""
    numbers = {
        "profit": 0.0,
        "entry": 1.0,
        "value": 1.0,
        "total": 0.0,
        "equity": 1.0,
        "maintenance": 0.0,
    } | given
    return float(
        adl.formula(
            adl.SCORES.index(rule), numbers["profit"], numbers["entry"], numbers["value"], given.get("long", 1) > 0,
            numbers["total"], numbers["equity"], numbers["maintenance"], 1.0,
        )
    )  # fmt: skip


def staged(position: float, **rule: float) -> list[float]:
    """Sizes of the network's orders until nothing is left."""
    sizes = []
    while position:
        size = disposal(position, **rule)
        sizes.append(abs(size))
        position += size
    return sizes


def network() -> tuple[float, float]:
    held = NetworkPosition().take(1, 100.0).take(-2, 120.0)
    return held.realised, held.unrealised(60.0)


def after(budget: float, by: str) -> list[float]:
    """Equities of the paper's example after haircuts: profits 8, 4, 0.5, -3, -12, cash 2, 1, 0.5, 0, 0."""
    profit, cash = np.array([8, 4, 0.5, -3, -12]), np.array([2, 1, 0.5, 0, 0])
    w = haircuts.endowments(profit)
    h = haircuts.by_queue(budget, w, (1, 0, 2)) if by == "queue" else haircuts.pro_rata(budget, w)
    return [*h[:3].tolist(), *(cash + profit - h * w).tolist()]


VECTORS: list[tuple[str, str, Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = [
    ("V29", "oss", settle_deleveraging, (54_999.0, 50_000.0, -54_999.0), {}, (0.0, 104_999.0)),
    ("V30 no fee", "oss", size_to_restore, (10.0, 100.0, 0.10), {}, 1.0),
    ("V30 1 %", "oss", size_to_restore, (10.0, 100.0, 0.10, 0.01), {}, 10 / 9),
    ("V30 1 % and 1 %", "oss", size_to_restore, (10.0, 100.0, 0.10, 0.01, 0.01), {}, 1.25),
    ("V31", "oss", loss_per_unit, (100.0, 7.0, 4.0), {}, 9.090910),
    ("V32", "oss", liquidated, (-150.0, 1.0, 100.0, 0.01, 1.0), {}, (-51.0, 0.0, 99.0)),
    ("V34", "oss", staged, (280.0,), {"fraction": 0.5, "full": 50.0, "share": 0.01, "volume": 10_000.0},
     [100.0, 90.0, 45.0, 45.0]),
    ("V35", "oss", network, (), {}, (20.0, 60.0)),
    ("V38 on", "doc", symbol_trigger, (-350e3, 0.0, 1e6, 650e3), {}, (True, -0.35, 50e3)),
    ("V38 still on", "doc", symbol_trigger, (-260e3, 0.0, 1e6, 740e3, True), {}, (True, -0.26, 0.0)),
    ("V38 off", "doc", symbol_trigger, (-250e3 + 1, 0.0, 1e6, 750e3, True), {}, (False, -0.249999, 0.0)),
    ("V38 not yet", "der", symbol_trigger, (-260e3, 0.0, 1e6, 740e3), {}, (False, -0.26, 0.0)),
    ("V38 small pool", "der", symbol_trigger, (-5e3, 0.0, 14e3, 9e3), {}, (False, -5 / 14, 0.0)),
    ("V38 used up", "doc", symbol_trigger, (-6e3, 0.0, 5e3, -1e3), {}, (True, -1.2, 6e3)),
    ("V39 return", "user", lambda: 40.2 / max(1.0, 4.27), (), {}, 9.41452),
    ("V39", "user", score, ("binance",), {"total": 40.2, "equity": 44.47, "maintenance": 0.1342 * 44.47}, 1.263429),
    ("V39 small wallet", "der", score, ("binance",), {"total": 40.0, "equity": 40.5, "maintenance": 4.05}, 4.0),
    ("V39 no equity", "der", score, ("binance",), {"total": 40.0, "equity": -1.0, "maintenance": 4.0}, 0.0),
    ("V40", "der", score, ("bitmex",), {"profit": 10e3, "entry": 50e3, "value": 60e3, "equity": 15e3}, 0.8),
    ("V40 at a loss", "der", score, ("bitmex",), {"profit": -10e3, "entry": 60e3, "value": 50e3, "equity": 12.5e3},
     -1 / 24),
    ("okx", "der", score, ("okx",), {"profit": 10.0, "entry": 90.0, "equity": 40.0, "maintenance": 2.0}, 1 / 180),
    ("okx at a loss", "der", score, ("okx",),
     {"profit": -9.0, "entry": 90.0, "equity": 40.0, "maintenance": 2.0}, -2.0),
    ("bitget", "der", score, ("bitget",), {"profit": 9.0, "entry": 90.0, "equity": 40.0, "maintenance": 2.0}, 0.005),
    ("grvt at a loss", "der", score, ("grvt",),
     {"profit": -9.0, "entry": 90.0, "equity": 40.0, "maintenance": 2.0}, -2.0),
    ("hyperliquid long", "der", score, ("hyperliquid",),
     {"profit": 20.0, "entry": 180.0, "value": 200.0, "equity": 40.0}, 200 / 180 * 5),
    ("hyperliquid short", "der", score, ("hyperliquid",),
     {"profit": 20.0, "entry": 220.0, "value": 200.0, "equity": 40.0, "long": -1}, 220 / 200 * 5),
    ("V41", "paper", after, (7.5, "queue"), {}, [0.4375, 1, 0, 6.5, 1, 1, -3, -12]),
    ("V42", "paper", after, (7.5, "pro rata"), {}, [0.6, 0.6, 0.6, 5.2, 2.6, 0.7, -3, -12]),
    ("V43", "paper", haircuts.volume_weighted_price, ([(1.0, 1), (1.1, 3), (1.2, 10)], 5.0), {}, (1.1, 5.5)),
    ("V44", "paper", haircuts.markout, (-1, 10.0, 5.00, 5.20, 6.00), {}, (-2.0, -8.0, -10.0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provenance", "function", "given", "named", "expected"),
    [v[1:] for v in VECTORS],
    ids=[v[0] for v in VECTORS],
)
def test_the_worked_example_comes_out(
    provenance: str,
    function: Callable[..., Any],
    given: tuple[Any, ...],
    named: dict[str, Any],
    expected: Any,
) -> None:
    assert provenance in ("doc", "oss", "der", "user", "paper")
    assert function(*given, **named) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_papers_deficit_is_that_of_all_below_zero() -> None:
    assert haircuts.deficit([10, 5, 1, -3, -12]) == 15.0
