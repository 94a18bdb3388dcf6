"""Claims about trend followers, fast intermediaries and execution probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.intermediary import Intermediary
from agents.trend import Trend
from experiments import config
from experiments.build import build
from experiments.execution import Execution, executions
from experiments.run import Run, RunError
from experiments.writing import write
from tests.hand_made_market import run
from tests.test_species_liquidity import ONE, TWO, market, species

# ------------------------------------------------------------------ trend followers


def trend(**parameters: Any) -> tuple[Any, Any, Any]:
    pen, record = market(TWO)
    record.open_interest = np.full(record.n, 10_000.0)
    chosen = {"pace": 20.0, "fast": 60.0, "slow": 600.0, "dull": 0.0, **parameters}
    return species(Trend, pen, record, **chosen), pen, record


def walk(one: Any, pen: Any, record: Any, a_second: float, seconds: int) -> list[dict[str, Any]]:
    """A price that moves by so much (log) a second, and fills of all that is sent."""
    sent = []
    for _ in range(seconds):
        record.set(record.mid * np.exp(a_second))
        sent += run(one, pen, record, 1, fill=True)
    return sent


def test_a_rise_is_bought_and_a_fall_is_sold() -> None:
    held = {}
    for way in (1, -1):
        one, pen, record = trend()
        walk(one, pen, record, way * 2e-5, 900)
        held[way] = pen.held.sum()
        assert way * held[way] > 0
    assert held[1] == pytest.approx(-held[-1], rel=0.01)
    one, pen, record = trend()
    assert walk(one, pen, record, 0.0, 600) == []


def test_followers_turn_with_the_trend() -> None:
    one, pen, record = trend()
    walk(one, pen, record, 2e-5, 900)
    assert pen.held.sum() > 0
    walk(one, pen, record, -2e-5, 1800)
    assert pen.held.sum() < 0


def test_what_a_trend_attracts_is_bounded_by_capital_and_by_equity() -> None:
    for equity, most in (
        (1e9, 0.01 * 10_000.0),
        (1e5, 4 * 2.0 * 1e5 / 1e5),
    ):  # of open interest; of four accounts
        one, pen, record = trend()
        pen.loss[:] = 1e9 - equity
        walk(one, pen, record, 1e-4, 900)
        assert 0.6 * most < pen.held.sum(0).max() <= most


# ------------------------------------------------------------------ fast intermediaries


def intermediary(**parameters: Any) -> tuple[Any, Any, Any, float]:
    pen, record = market(ONE)
    one = species(Intermediary, pen, record, **parameters)
    assert run(one, pen, record, 29) == [] and pen.slot_lots.sum() == 0, (
        "nobody quotes a book he does not know"
    )
    run(one, pen, record, 3)
    limit = 0.02 * record.depth_bid[0, 0] / 2
    return one, pen, record, float(limit)


def test_it_stands_at_the_touch_on_both_sides_within_its_limit() -> None:
    _, pen, record, limit = intermediary()
    for side, touch in ((1, record.bid[0]), (-1, record.ask[0])):
        price, coins = pen.resting(0, side)
        assert (price == touch).all() and len(price) == 2
        assert coins == pytest.approx(0.25 * limit, rel=0.02)


def test_it_quotes_the_side_that_brings_it_back_and_less_of_the_other() -> None:
    one, pen, record, limit = intermediary(full=1.0)
    row = one.memory["row"][0]
    pen.held[row, 0] = 0.9 * limit
    run(one, pen, record, 1)
    mine = pen.slot_row == row
    bids, asks = (int(pen.slot_lots[mine & (pen.slot_side == side)].sum()) for side in (1, -1))
    assert bids * 0.001 == pytest.approx(0.1 * limit, rel=0.03)
    assert asks * 0.001 == pytest.approx(0.25 * limit, rel=0.02)


@pytest.mark.parametrize("side", [1, -1])
def test_what_it_cannot_carry_is_passed_on_at_once_whatever_the_price(side: int) -> None:
    one, pen, record, limit = intermediary()
    row = one.memory["row"][0]
    record.set(record.mid * 0.9)  # a crash changes nothing: it has no idea of the price
    pen.held[row, 0] = side * 0.8 * limit
    sent = run(one, pen, record, 1)
    assert [(t["row"], t["side"], t["kind"]) for t in sent] == [(row, -side, "ioc")]
    assert sent[0]["size"] == pytest.approx(0.4 * limit)
    assert not pen.slot_lots[(pen.slot_row == row) & (pen.slot_side == side)].any(), (
        "and it does not buy it back"
    )


def test_small_inventory_is_carried_for_a_minute_and_then_passed_on() -> None:
    one, pen, record, limit = intermediary()
    row = one.memory["row"][0]
    pen.held[row, 0] = 0.3 * limit
    assert run(one, pen, record, 60) == []
    run(one, pen, record, 40, fill=True)
    assert abs(pen.held[row, 0]) < 0.01 * limit


def test_nothing_is_quoted_into_a_halt_or_an_empty_book() -> None:
    one, pen, record, _ = intermediary()
    record.halted[:] = True
    run(one, pen, record, 1)
    assert pen.slot_lots.sum() == 0
    record.halted[:] = False
    record.empty()
    run(one, pen, record, 1)
    assert pen.slot_lots.sum() == 0


# ------------------------------------------------------------------ execution probes

CALM = [
    ("news", "[]"), ("clock.duration", "420"), ("clock.burn_in", "90"), ("record.accounts_at", '["end"]'),
    (
        "population.probe",
        '{species="probe", start=60.0, duration=240.0, opening={kind="desk", accounts=1, cash={major=0.1}}}',
    ),
]  # fmt: skip


def probed(folder: Path, **parameters: Any) -> tuple[Run, Execution]:
    """A run of two calm venues with a probe at the larger one, and what it cost."""
    own = [(f"population.probe.{name}", str(value)) for name, value in parameters.items()]
    scenario = config.load("two_venues", [*CALM, *own])
    model = build(scenario, 1)
    model.run()
    made = write(model.recorder.finish(), folder, config=config.plain(scenario), provenance={"seed": 1})
    (one,) = executions(made, later=60.0)
    return made, one


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Execution]:
    return probed(tmp_path_factory.mktemp("small") / "run", value=2e4)


def test_twap_spreads_its_order_evenly_over_its_time(small: tuple[Run, Execution]) -> None:
    made, one = small
    assert (one.book, one.side) == ("alpha:BTC-PERP", "buy")
    assert one.executed == pytest.approx(one.ordered, rel=0.03)
    seen = made.observations()
    mine = seen["what"] == "executed"
    half = seen["value"][mine & (seen["time"] <= 60.0 + 120.0)].sum()
    assert half == pytest.approx(0.5 * one.ordered, rel=0.1)
    assert one.ended - one.began == pytest.approx(240.0, abs=11.0)


def test_the_shortfall_is_what_its_account_has_paid(small: tuple[Run, Execution]) -> None:
    made, one = small
    accounts, positions = made.accounts("end"), made.positions("end")
    row = accounts["row"][accounts["owner_name"] == "probe/0"]
    mine = np.isin(positions["row"], row)
    assert positions["entry_price"][mine] == pytest.approx(one.average, rel=2e-5)
    assert one.shortfall == pytest.approx(1e4 * (one.average / one.decided - 1.0))


def test_more_costs_more_and_sellers_pay_too(small: tuple[Run, Execution], tmp_path: Path) -> None:
    _, large = probed(tmp_path / "large", value=3e6)
    assert large.shortfall > small[1].shortfall + 2.0 and large.impact > 0
    _, sold = probed(tmp_path / "sold", value=3e6, side='"sell"')
    assert sold.side == "sell" and sold.average < sold.decided and sold.shortfall > 2.0


def test_pov_takes_its_share_of_what_is_traded_and_leaves_the_rest(tmp_path: Path) -> None:
    _, one = probed(tmp_path / "pov", value=1e8, style='"pov"', participation=0.1)
    assert 0.05 < one.share < 0.15
    assert one.executed < 0.5 * one.ordered


def test_a_run_without_a_probe_says_so(record: Any, tmp_path: Path) -> None:
    made = write(record(), tmp_path / "run", config={}, provenance={"seed": 1})
    with pytest.raises(RunError, match="no probe has executed anything"):
        executions(made)
