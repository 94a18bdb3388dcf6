"""The compiled quotes of makers and their twin in numpy agree, whatever stands, was eaten, or has stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import quoting
from tests.twins import quotes

STATIONS, BOOKS, LEVELS = 40, 9, 7


def market(draw: np.random.Generator) -> dict[str, Any]:
    """Columns of books: some without a side, halted, without trades, spot or far from the makers' idea."""
    fair = draw.normal(4, 3, BOOKS)
    price = np.exp(fair)
    bid, ask = price * (1 - draw.uniform(-0.01, 0.01, BOOKS)), price * (1 + draw.uniform(-0.01, 0.01, BOOKS))
    bid[draw.random(BOOKS) < 0.2] = np.nan
    ask[draw.random(BOOKS) < 0.2] = np.nan
    extreme = np.empty((4, 2, BOOKS))
    extreme[:, 0], extreme[:, 1] = price * np.exp(-draw.exponential(0.01, (2, 4, BOOKS)) * [[[1]], [[-1]]])
    extreme[draw.random(extreme.shape) < 0.6] = np.nan
    return {
        "fair": fair, "convert": np.where(draw.random(BOOKS) < 0.3, 0.998, 1.0),
        "calm": draw.uniform(7e-5, 5e-4, BOOKS), "volatile": draw.lognormal(0.5, 1, BOOKS),
        "left": draw.uniform(0.06, 1, BOOKS), "lean": draw.uniform(-0.9, 0.9, BOOKS),
        "tick_of": price * 10.0 ** draw.integers(-6, -3, BOOKS),
        "lot_of": 10.0 ** draw.integers(-3, 2, BOOKS), "band": np.where(draw.random(BOOKS) < 0.5, 0.05, np.inf),
        "spot": draw.random(BOOKS) < 0.4, "venue": np.arange(BOOKS) % 3,
        "halted": draw.random(BOOKS) < 0.1, "bid": bid, "ask": ask,
        "mark": price * np.exp(draw.normal(0, 0.02, BOOKS)), "delay": np.array([0.1, 9.0, 0.0]), "extreme": extreme,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_requotes_are_those_of_the_twin(seed: int) -> None:
    draw = np.random.default_rng(seed)
    public = market(draw)
    book = draw.integers(0, BOOKS, STATIONS)
    price, lot = np.exp(public["fair"])[book], public["lot_of"][book]
    offset = np.sort(np.exp(draw.uniform(-10, -3, (STATIONS, LEVELS))), 1)
    due = np.flatnonzero(draw.random(STATIONS) < 0.6)
    n, wide, table = len(due), 2 * LEVELS, (STATIONS, 2, LEVELS)
    lots = np.where(draw.random((n, wide)) < 0.2, 0, draw.integers(1, 400, (n, wide)))
    near = price[due][:, None, None] * np.stack([np.exp(-offset[due]), np.exp(offset[due])], 1)
    live = np.where(lots > 0, near.reshape(n, wide) * np.exp(draw.normal(0, 0.002, (n, wide))), np.nan)
    sent, asked = np.zeros(table), np.ones(table)
    factor = np.where(draw.random((n, wide)) < 0.5, 1.0, draw.uniform(1, 3, (n, wide)))
    sent[due] = (lots * lot[due][:, None] * factor).reshape(n, 2, LEVELS)
    asked[due] = np.where(lots > 0, live, near.reshape(n, wide)).reshape(n, 2, LEVELS)
    asked[due[:5], :, 0] *= 1.5
    of_book, of_coin = draw.normal(0, 0.8, (2, STATIONS))
    stations = (
        public.pop("extreme"), draw.integers(0, 12, STATIONS), book, draw.lognormal(10, 2, STATIONS),
        draw.normal(50, 50, STATIONS) * lot, draw.integers(1, 4, STATIONS).astype(float), of_book, of_coin,
        draw.random((STATIONS, LEVELS)), offset, draw.uniform(5, 60, (STATIONS, LEVELS)),
    )  # fmt: skip
    rules = (0.4, 60.0, 5.0, 0.4, 50.0, 0.3, 0.5, 0.15, 5.0)
    first = (100.0, due, int(draw.integers(0, 9999)), draw.lognormal(8, 3, n), live, lots)
    memory = [draw.uniform(0, 100, STATIONS), np.zeros(STATIONS), sent, asked, draw.random(table)]
    other = [x.copy() for x in memory]
    to, terms = np.empty((4, n * wide), np.int64), np.empty((2, n * wide))
    count = quoting.requote(*first, *public.values(), *stations, *rules, *memory, to, terms)
    expected = quotes.requote(*first, *public.values(), *stations, *rules, *other)
    compiled = list(zip(*(column[:count].tolist() for column in (*to, *terms)), strict=True))
    assert [quote[:4] for quote in compiled] == [tuple(map(int, quote[:4])) for quote in expected]
    for place in (4, 5):
        assert [q[place] for q in compiled] == pytest.approx([q[place] for q in expected], rel=1e-12)
    for one, two in zip(memory, other, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)
    assert 0 < count < n * wide and (terms[1, :count] == 0).any() and (terms[1, :count] > 0).any()


@pytest.mark.parametrize("seed", range(20))
def test_who_is_looked_at_and_what_is_used_of_limits(seed: int) -> None:
    draw = np.random.default_rng(seed)
    public = market(draw)
    book, row = draw.integers(0, BOOKS, STATIONS), draw.integers(0, 12, STATIONS)
    fair, quoted = public["fair"], public["fair"][book] + draw.normal(0, 0.001, STATIONS)
    firm, state = draw.integers(0, 5, STATIONS), np.array([0, 1, 0, 2, 0])
    waiting, reach = draw.integers(0, 2, 12), np.full(STATIONS, 0.001)
    due = np.empty(STATIONS, np.int64)
    n = quoting.look(seed, 3, fair, quoted, reach, row, book, firm, state, waiting, due)
    assert (
        due[:n].tolist()
        == quotes.look(seed, 3, fair, quoted, reach, row, book, firm, state, waiting).tolist()
    )

    due = due[:n].copy()
    lots = draw.integers(0, 50, (n, 2 * LEVELS))
    desk = draw.integers(0, 6, STATIONS)
    held = draw.normal(0, 10, STATIONS)
    first = (
        due,
        draw.normal(0, 10, n),
        lots,
        public["spot"],
        public["lot_of"],
        fair,
    )
    rest = (
        public["convert"], book, desk, draw.lognormal(8, 1, STATIONS), draw.normal(0, 3, STATIONS),
        draw.lognormal(0, 1, STATIONS), 5.0,
    )  # fmt: skip
    of_book, of_coin, other = np.empty(STATIONS), np.empty(STATIONS), held.copy()
    quoting.used(*first, *rest, held, of_book, of_coin)
    expected = quotes.used(*first, *rest, other)
    np.testing.assert_allclose(of_book, expected[0], rtol=1e-12)
    np.testing.assert_allclose(of_coin, expected[1], rtol=1e-9, atol=1e-12)
    assert (held == other).all()


def test_a_rough_look_at_a_quote_moves_it_when_the_exact_price_does_and_only_then() -> None:
    draw = np.random.default_rng(5)
    for _ in range(20_000):
        side, price = int(draw.integers(2)), float(10.0 ** draw.uniform(-6, 6))
        shift, away = draw.normal(0, 10.0 ** draw.uniform(-5, 0.5)), 10.0 ** draw.uniform(-6, 0.5)
        reserve, edge = np.log(price) + shift, price * np.exp(draw.normal(0, 0.02))
        level = quoting._level(side, reserve, away, edge)
        let_be = level * 10.0 ** draw.uniform(-7, -1)
        # many stand as near to the bound as the bits of a price allow
        bound = level + (1 if draw.random() < 0.5 else -1) * let_be
        stood = bound * (1 + draw.choice([0.0, 1e-16, -3e-16, 1e-13, -1e-9, 1e-3]))
        moved = quoting._moved(side, price, shift, reserve, away, edge, stood, let_be)
        assert moved == (abs(stood - level) > let_be)
