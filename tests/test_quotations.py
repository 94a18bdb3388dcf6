"""Quotes of chosen participants, as they are recorded: they watch, and change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from abm.ladders import LEVELS
from experiments import build, config
from experiments.config import ScenarioError

SHORT = [("clock.duration", "20"), ("clock.burn_in", "10"), ("news", "[]")]


def recorded(*settings: tuple[str, str]):  # type: ignore[no-untyped-def]
    model = build.build(config.load("two_venues", [*SHORT, *settings]), seed=1)
    model.run()
    return model.recorder.finish()


def test_makers_bid_below_and_ask_above_and_watching_changes_nothing() -> None:
    plain, watched = recorded(), recorded(("record.quotes", '["makers"]'))
    assert not plain.quotes
    for name, values in plain.books.items():
        np.testing.assert_array_equal(values, watched.books[name])
    quotes = watched.quotes
    assert set(np.unique(quotes["time"])) == set(watched.time)
    both = np.isfinite(quotes["bid"]) & np.isfinite(quotes["ask"])
    assert both.mean() > 0.9 and (quotes["bid"][both] < quotes["ask"][both]).all()
    best = watched.books["bid"][np.searchsorted(watched.time, quotes["time"][both]), quotes["book"][both]]
    assert (quotes["bid"][both] <= best * (1 + 1e-12)).all()
    assert (quotes["bid_value"][both] > 0).all()


def test_the_record_of_inventory_is_that_of_the_accounts() -> None:
    watched = recorded(("record.quotes", '["makers"]'), ("record.accounts_at", '["end"]'))
    held, accounts, quotes = watched.positions["end"], watched.accounts["end"], watched.quotes
    makers = list(watched.vocabularies["participant"]).index("makers")
    mine = np.isin(held["row"], accounts["row"][accounts["participant"] == makers])
    last = quotes["time"] == watched.time[-1]
    for book in np.unique(held["book"][mine]):
        there = quotes["inventory"][last & (quotes["book"] == book)].sum()
        assert there == pytest.approx(held["quantity"][mine & (held["book"] == book)].sum(), abs=1e-9)


def test_a_name_that_takes_no_part_is_refused() -> None:
    with pytest.raises(ScenarioError, match='record.quotes: given "maker"'):
        config.load("two_venues", [("record.quotes", '["maker"]')])


def test_the_levels_of_a_book_are_its_best_prices_and_watching_changes_nothing() -> None:
    name = "alpha:BTC-PERP"
    plain, watched = recorded(), recorded(("record.levels", f'["{name}"]'))
    assert not plain.levels
    for column, values in plain.books.items():
        np.testing.assert_array_equal(values, watched.books[column])
    levels, book = watched.levels, watched.book_names.index(name)
    assert set(np.unique(levels["book"])) == {book} and (levels["quantity"] > 0).all()
    for k, time in enumerate(watched.time):
        for side, best, depth in ((1, "bid", "depth_bid_500"), (-1, "ask", "depth_ask_500")):
            mine = (levels["time"] == time) & (levels["side"] == side)
            price = levels["price"][mine]
            assert 0 < len(price) <= LEVELS and price[0] == watched.books[best][k, book]
            assert (side * np.diff(price) < 0).all(), "from the best price on, each level once"
            value = (price * levels["quantity"][mine])[
                np.abs(price / watched.books["mid"][k, book] - 1) <= 0.05
            ]
            assert value.sum() <= watched.books[depth][k, book] * 1.06


def test_a_book_that_is_not_there_keeps_no_levels() -> None:
    with pytest.raises(ScenarioError, match='record.levels: given "alpha:BTC-PRP"'):
        config.load("two_venues", [("record.levels", '["alpha:BTC-PRP"]')])
