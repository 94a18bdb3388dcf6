"""Estimators of stylized facts: each finds the fact where it was put in, and rejects the process that has it not."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.validate import facts
from experiments.validate.stylized import FALLS, PARTS

ACCEPTED = {part.id: (part.low, part.high) for part in PARTS} | {"F2": FALLS}


def accepted(id: str, value: float) -> bool:
    low, high = ACCEPTED[id]
    return bool(low <= value <= high)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20251010)


def walk(moves: np.ndarray) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(moves))


def long_memory(rng: np.random.Generator, n: int, exponent: float) -> np.ndarray:
    """A Gaussian series whose autocorrelation falls as lag^-exponent, by its spectrum."""
    frequency = np.fft.rfftfreq(2 * n)[1:]
    weight = frequency ** (-(1.0 - exponent) / 2.0)
    noise = rng.normal(size=len(weight)) + 1j * rng.normal(size=len(weight))
    series = np.fft.irfft(np.concatenate([[0.0], weight * noise]))[:n]
    return (series - series.mean()) / series.std()


def test_gaussian_returns_have_no_fat_tail_and_student_returns_have(rng: np.random.Generator) -> None:
    assert not accepted("F1", facts.tail(rng.normal(size=8640)).index)
    student = facts.tail(rng.standard_t(3, size=8640))
    assert accepted("F1", student.index) and student.low <= student.index <= student.high
    assert student.p_value > 0.1, "the largest part of Student's law is a power law"


def test_sizes_without_a_power_tail_are_told_apart(rng: np.random.Generator) -> None:
    assert not accepted("F8b", facts.tail(rng.exponential(size=20_000)).index)
    assert facts.tail(rng.exponential(size=20_000)).p_value < 0.1
    assert facts.tail(rng.pareto(1.5, 20_000) + 1.0).index == pytest.approx(1.5, rel=0.1)


def test_only_fat_tails_become_gaussian_with_the_horizon(rng: np.random.Generator) -> None:
    assert facts.octile_kurtosis(rng.normal(size=200_000)) == pytest.approx(facts.GAUSSIAN_KURTOSIS, abs=0.02)
    assert not accepted("F2", facts.aggregation([walk(1e-3 * rng.normal(size=8640))], [1, 5, 15, 30]).z)
    days = [walk(1e-5 * rng.standard_t(2, size=1440)) for _ in range(60)]
    fat = facts.aggregation(days, [1, 5, 15, 30])
    assert fat.monotone and accepted("F2", fat.z)
    alone = facts.aggregation(
        days[:1], [1, 5, 15, 30]
    )  # a day has 48 half hours: it cannot tell, so days are pooled
    assert not accepted("F2", alone.z)


def test_a_drift_that_persists_is_seen_in_returns_and_white_noise_is_not(rng: np.random.Generator) -> None:
    noise = rng.normal(size=1440)
    assert accepted("F3a", facts.outside_band(noise, 5, 60))
    slow = np.convolve(noise, np.ones(30), "same")
    assert not accepted("F3a", facts.outside_band(slow, 5, 60))


def test_bursts_of_volatility_do_not_count_as_memory_of_returns(rng: np.random.Generator) -> None:
    bursts = rng.normal(size=2880) * np.exp(1.5 * np.sin(np.arange(2880) / 200.0))
    assert accepted("F3a", facts.outside_band(bursts, 5, 60))


def test_trades_that_bounce_between_bid_and_offer_have_a_negative_first_correlation(
    rng: np.random.Generator,
) -> None:
    sides = rng.choice([-1.0, 1.0], 5000)
    price = 100.0 + 0.01 * np.cumsum(rng.normal(size=5000)) + 0.05 * sides
    assert accepted("F3b", float(facts.autocorrelation(np.diff(np.log(price)), 1)[0]))
    assert not accepted("F3b", float(facts.autocorrelation(np.diff(np.log(walk(1e-4 * sides))), 1)[0]) + 0.03)


@pytest.mark.parametrize("id, first, last", [("F4a", 1, 10), ("F4b", 10, 120)])
def test_independent_returns_do_not_cluster(rng: np.random.Generator, id: str, first: int, last: int) -> None:
    assert not accepted(id, facts.decay(np.abs(rng.standard_t(3, size=20_000)), first, last).exponent)
    clustered = np.abs(rng.normal(size=60_000) * np.exp(long_memory(rng, 60_000, 0.25)))
    assert accepted(id, facts.decay(clustered, first, last).exponent)


def test_coin_tosses_have_no_memory_and_signs_with_long_memory_have(rng: np.random.Generator) -> None:
    assert not accepted("F5", facts.decay(rng.choice([-1.0, 1.0], 50_000), 1, 1000).exponent)
    signs = np.sign(long_memory(rng, 200_000, 0.5))
    assert facts.decay(signs, 1, 1000).exponent == pytest.approx(0.5, abs=0.15)


def test_signs_that_persist_for_a_while_only_are_no_long_memory(rng: np.random.Generator) -> None:
    """An autoregression of signs: correlated over tens of trades, but exponentially so."""
    mood = np.zeros(100_000)
    for t in range(1, len(mood)):
        mood[t] = 0.97 * mood[t - 1] + rng.normal()
    assert not accepted("F5", facts.decay(np.sign(mood), 1, 1000).exponent)


def test_a_square_root_is_told_from_a_straight_line(rng: np.random.Generator) -> None:
    size = np.repeat([0.1, 0.3, 1.0, 3.0], 60)
    for power in (0.5, 1.0):
        moved = size**power + 0.2 * rng.normal(size=len(size))
        found = facts.impact(size, moved, 0.6 * moved)
        assert found.exponent == pytest.approx(power, abs=0.1) and found.left == pytest.approx(0.6)
    assert np.isnan(facts.impact(size, rng.normal(size=len(size)), size).exponent), "no impact, no exponent"


def test_a_book_that_is_densest_at_the_touch_has_no_hump() -> None:
    widths = np.ones(5)
    assert not facts.profile([9, 5, 3, 2, 1], [9, 5, 3, 2, 1], widths).concave
    humped = facts.profile([2, 5, 9, 4, 1], [2, 5, 8, 4, 1], widths)
    assert humped.concave and humped.peak == 2 and accepted("F7b", humped.asymmetry)
    assert not accepted("F7b", facts.profile([2, 5, 9, 4, 1], [0, 1, 2, 1, 0], widths).asymmetry)


def test_imbalance_that_is_gone_at_once_or_never_is_refused(rng: np.random.Generator) -> None:
    noise = rng.normal(size=20_000)
    assert not accepted("F10a", float(facts.autocorrelation(noise, 1)[0]))
    assert not accepted("F10b", facts.first_inside(noise, 300))
    assert not accepted("F10b", facts.first_inside(np.cumsum(noise), 300))
    assert not accepted("F10c", facts.rank_correlation(noise, rng.normal(size=20_000)))


def test_volume_that_knows_nothing_of_the_price_is_refused(rng: np.random.Generator) -> None:
    moves = np.abs(rng.normal(size=288))
    assert not accepted("F11", facts.correlation(rng.exponential(size=288), moves))
    assert accepted("F11", facts.correlation(moves + 0.5 * rng.exponential(size=288), moves))


def test_trends_and_walks_are_told_by_their_exponent(rng: np.random.Generator) -> None:
    noise = rng.normal(size=86_400)
    assert facts.hurst(walk(1e-5 * noise), 5, 300) == pytest.approx(0.5, abs=0.02)
    trending = np.convolve(noise, np.ones(120), "same")
    assert not accepted("F12", facts.hurst(walk(1e-6 * trending), 5, 300))
    assert not accepted("F12", facts.hurst(100.0 + 1e-3 * noise, 5, 300)), "a price that always comes back"


def test_two_venues_that_share_nothing_do_not_come_together(rng: np.random.Generator) -> None:
    common, horizons = np.cumsum(rng.normal(size=40_000)), [1, 5, 15, 60, 300]
    alone = [walk(1e-5 * rng.normal(size=40_000)) for _ in range(2)]
    assert not accepted("F13b", float(facts.epps(*alone, horizons)[-1]))
    noisy = [np.exp(1e-5 * (common + 3.0 * rng.normal(size=40_000))) for _ in range(2)]
    together = facts.epps(*noisy, horizons)
    assert accepted("F13b", float(together[-1])) and accepted("F13a", float(np.diff(together).min()))


def test_flow_that_moves_no_price_explains_none(rng: np.random.Generator) -> None:
    flows = rng.normal(size=(288, 6)) + 2.0 * rng.normal(size=(288, 1))
    assert not accepted("F14", facts.common_factor(flows, rng.normal(size=(288, 6))))
    moves = flows.mean(axis=1, keepdims=True) + 1.0 * rng.normal(size=(288, 1)) + np.zeros((1, 6))
    assert accepted("F14", facts.common_factor(flows, moves))


def test_what_is_not_there_is_not_a_number() -> None:
    assert np.isnan(facts.hill(np.zeros(1000), 0.02)) and np.isnan(facts.tail([1.0] * 5).index)
    assert np.isnan(facts.correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert np.isnan(facts.common_factor(np.ones((50, 2)), np.ones((50, 2))))
    assert np.isnan(facts.decay(np.ones(100), 1, 10).exponent)
