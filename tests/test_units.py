"""Fixed point and rates are exact: the same as Python's own integers, up to the limits of 63 bits."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abm import units
from abm.units import INT_MAX, ONE, RATE

Money = st.one_of(
    st.integers(-INT_MAX, INT_MAX),
    st.integers(-1000, 1000),
    st.sampled_from([INT_MAX, -INT_MAX, 2**32, -(2**32), 0]),
)
Positive = st.one_of(
    st.integers(1, INT_MAX), st.integers(1, 1000), st.sampled_from([INT_MAX, 2**32, 2**32 - 1, 2**62])
)

MANY = settings(max_examples=500, deadline=None)


@MANY
@given(Money, st.one_of(st.just(0), Positive), Positive)
def test_a_product_may_need_126_bits(a: int, b: int, c: int) -> None:
    exact = a * b // c
    assume(-INT_MAX <= exact <= INT_MAX)
    assert units.mul_div(a, b, c) == exact


@MANY
@given(Money, st.integers(0, 2**51), st.integers(1, 2**51))
def test_a_part_of_any_amount_by_lots(amount: int, part: int, whole: int) -> None:
    part %= whole + 1
    assert units.mul_div(amount, part, whole) == amount * part // whole


@MANY
@given(Positive, Positive)
def test_a_share_of_the_whole_is_the_whole(a: int, b: int) -> None:
    assert units.mul_div(a, b, b) == a
    assert units.mul_div(-a, b, b) == -a


@MANY
@given(Money, st.integers(0, 2**42))
def test_value_at_a_price_is_rounded_against_the_account(exposure: int, price: int) -> None:
    exact = exposure * price // ONE
    assume(abs(exposure) * (price // ONE + 1) <= INT_MAX and abs(exposure) <= INT_MAX // ONE)
    assert units.at_price(exposure, price) == exact


@MANY
@given(Money, st.integers(-9 * 10**10 + 1, 9 * 10**10 - 1))
def test_a_rate_takes_the_floor_and_its_twin_the_ceiling(amount: int, rate: int) -> None:
    exact = amount * rate
    assume(abs(exact) // RATE < INT_MAX - 2**33)
    assert units.at_rate(amount, rate) == exact // RATE
    assert units.at_rate_up(amount, rate) == -(-exact // RATE)


def test_ten_million_dollars_at_five_basis_points() -> None:
    assert units.at_rate(10_000_000 * 10**6, 50_000) == 5_000 * 10**6
    assert units.at_rate(-1, 1) == -1 and units.at_rate_up(-1, 1) == 0
