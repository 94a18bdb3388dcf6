"""An arbitrageur that is out of coins where they are dear: it borrows, sells, and gives back; on the real engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import borrowing
from agents.arbitrageur import Arbitrageur
from agents.lender import Lender
from tests.test_species_leverage import PRICE, Desk, go, market

OPEN, SHUT = 120.0, 600.0  # s, while coins are dear at alpha's spot book


class Apart(Desk):
    """Quotes alpha's spot book 3 % above the perpetuals for a while."""

    def decide(self, me: Any, market: Any) -> None:
        book = np.arange(len(market.books))
        row = market.books.venue[book]
        dear = (market.books.kind == 1) & (me.time >= OPEN) & (me.time < SHUT)
        fair = PRICE * np.where(dear, 1.03, 1.0)
        slot = self.memory["first"] + 2 * book
        me.quote(row, book, slot, 1, fair * 0.9995, self.depth)
        me.quote(row, book, slot + 1, -1, fair * 1.0005, self.depth)
        for side in (1, -1):  # so that there is a last price
            me.market_order(2 + row, book, side, 0.01)


def play(steps: int, lends: bool = True, **terms: float) -> tuple[Any, list[str]]:
    """(model, words of the arbitrageur's remarks); it has money everywhere and coins nowhere."""
    model = market(check=True)
    desk = Apart(model)
    rows = model.accounts.open("arb", ["alpha", "beta"], "arb")
    model.accounts.deposit(rows, "USDT", np.full(2, 1e6))
    if lends:
        model.accounts.deposit(model.accounts.open("bank", "alpha", "bank"), "BTC", 3000.0)
    arb = Arbitrageur(model, "arb", Arbitrageur.Parameters(watch=30.0))
    lender = Lender(model, "bank", Lender.Parameters(recall_at=1e6, **terms))
    words: list[str] = []
    collect = model.collect

    def listen(me: Any) -> None:
        words.extend(what for what, *_ in me.observations)
        collect(me)

    model.collect = listen  # type: ignore[method-assign]
    go(model, desk, lender, arb, steps=steps)
    return model, words


def spot(model: Any) -> tuple[float, float]:
    """(coins, debt) of the arbitrageur at alpha."""
    me, base = model.desks["arb"], model.asset_names.index("BTC")
    return float(me.balance(0, base)[0]), float(me.debt(0, base)[0])


def test_who_has_no_coins_borrows_them_where_they_are_dear_and_sells_them() -> None:
    model, _ = play(400)
    coins, debt = spot(model)
    hedge = float(model.desks["arb"].position(np.arange(2), np.array([0, 2])).sum())
    assert debt > 100.0 and coins < 0.2 * debt
    assert hedge == pytest.approx(debt - coins, rel=0.1), "what is sold short is bought in perpetuals"


@pytest.mark.slow
def test_when_the_gap_has_closed_the_coins_are_bought_and_given_back_at_a_profit() -> None:
    model, _ = play(2400)
    coins, debt = spot(model)
    assert debt == 0.0 and coins < 1.0
    held = model.state.holdings[: model.state.count("holdings")]
    bank = model.desks["bank"].rows[0]
    btc = held["amount"][(held["row"] == bank) & (held["asset"] == model.asset_names.index("BTC"))]
    assert btc.sum() == 3000 * 10**8
    assert float(model.desks["arb"].equity().sum()) > 2e6


def test_without_lenders_coins_are_the_constraint_and_with_dear_collateral_the_loan_is() -> None:
    _, none = play(300, lends=False)
    assert "inventory" in none and "borrow" not in none
    _, dear = play(300, haircut=9.0)
    assert "borrow" in dear


def test_a_loan_pays_where_the_gap_is_above_the_risk_and_the_interest_of_the_wait() -> None:
    one = borrowing.Spots(
        *(np.zeros(1, np.int64) for _ in range(3)), *(np.zeros(1) for _ in range(3)), gap=np.array([0.004]),
        wait=np.array([600.0]), sigma=np.array([7e-5]), part=np.ones(1),
    )  # fmt: skip
    for rate, paid in ((0.08, True), (40.0, True), (80.0, False), (np.nan, False)):
        assert borrowing.pays(one, np.array([rate]), 1.75).tolist() == [paid]
