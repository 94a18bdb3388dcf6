"""Integers for what is owned: fixed point, rates, and products that cannot overflow.

Money is an integer of its asset's own unit (1e-6 of a dollar-like asset, 1e-8 of a coin), a price a number of ticks, a
size a number of lots. Mark and index prices are finer than a tick by `FP` bits. A rate (fee, margin, funding) is an
integer of 1e-8.
"""

from __future__ import annotations

import numpy as np

from abm.jit import inlined, kernel

FP = 10
ONE = 1 << FP
RATE = 100_000_000
INT_MAX = (1 << 63) - 1
SURELY = 9.0e18  # a product of floats below this is below 2^63 in integers too
SMALL = 1 << 50  # a divisor below this, times what a quotient of floats may be wrong by (2^13), is below 2^63


@inlined
def at_price(exposure, price_fp):  # type: ignore[no-untyped-def]
    """Value of `exposure` (lots x unit, signed) at a fixed-point price, rounded down (against the account)."""
    return exposure * (price_fp >> FP) + ((exposure * (price_fp & (ONE - 1))) >> FP)


@inlined
def at_rate(amount, rate):  # type: ignore[no-untyped-def]
    """`amount` times a rate of 1e-8, rounded towards minus infinity; exact for |rate| < 9e10."""
    whole = amount // RATE
    return whole * rate + ((amount - whole * RATE) * rate) // RATE


@inlined
def at_rate_up(amount, rate):  # type: ignore[no-untyped-def]
    """`amount` times a rate of 1e-8, rounded towards plus infinity."""
    return -at_rate(-amount, rate)


@inlined
def wide(x):  # type: ignore[no-untyped-def]
    """A small integer field as a plain 64-bit integer."""
    return int(x)


@kernel("i8(i8,i8,i8)")
def mul_div(a, b, c):  # type: ignore[no-untyped-def]
    """floor(a * b / c) for b >= 0, c > 0 with a 128-bit intermediate; the quotient must fit in 63 bits.

    The common case whose product fits in 63 bits is one multiplication and one division. Else floats guess the
    quotient, and what the guess leaves, exact modulo 2^64, corrects it. For large divisors the product is formed as two
    64-bit halves and divided bit by bit: slow (about 60 ns) and obvious.
    """
    if b == 0 or a == 0:
        return 0
    magnitude = -a if a < 0 else a
    # the float says surely that the product fits; near the bound a division decides
    if float(magnitude) * float(b) < SURELY or magnitude <= INT_MAX // b:
        return (a * b) // c
    guess = float(a) * float(b) / float(c)
    if c < SMALL and abs(guess) < SURELY:
        whole = int(guess)
        return whole + (a * b - whole * c) // c  # the difference is small, whatever its parts run over
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    ua, ub, uc = np.uint64(magnitude), np.uint64(b), np.uint64(c)
    a0, a1, b0, b1 = ua & mask, ua >> half, ub & mask, ub >> half
    low = a0 * b0
    middle = a1 * b0 + (low >> half)
    carry = a0 * b1 + (middle & mask)
    high = a1 * b1 + (middle >> half) + (carry >> half)
    low = (carry << half) | (low & mask)
    one = np.uint64(1)
    remainder = high % uc
    quotient = np.uint64(0)
    for i in range(64):
        top = remainder >> np.uint64(63)
        remainder = (remainder << one) | ((low >> np.uint64(63 - i)) & one)
        quotient = quotient << one
        if top != np.uint64(0) or remainder >= uc:
            remainder -= uc
            quotient |= one
    result = np.int64(quotient)
    if a < 0:
        return -result - (1 if remainder != np.uint64(0) else 0)
    return result
