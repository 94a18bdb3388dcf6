"""A draw belongs to who draws, when and what for: nothing else changes it."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from abm import random
from abm.jit import kernel

KEYS = np.array([0, 1, -1, 2**62, -(2**63), random.key_of("longs/41")], np.int64)


@kernel("void(i8,i8[::1],i8,u8[::1])")
def drawn(stream, keys, step, out):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        out[i] = random.draw(stream, keys[i], step)


@kernel("void(f8[::1],f8[::1])")
def quantiles(probability, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = random.inverse_normal(probability[i])


def test_the_normal_quantile_of_kernels_is_that_of_scipy() -> None:
    tail = 10.0 ** -np.linspace(0.31, 300, 3000)
    inner = np.linspace(0.0, 1.0, 20_001)[1:-1]
    p = np.concatenate([tail, inner, 1.0 - 2.0 ** -np.arange(1.0, 53.0), [2.0**-54, 1.0 - 2.0**-53, 0.5]])
    out = np.zeros(len(p))
    quantiles(p, out)
    np.testing.assert_allclose(out, ndtri(p), rtol=1e-12, atol=1e-14)


def test_a_kernel_and_numpy_draw_the_same_bits() -> None:
    for seed in (0, 1, 2**40):
        stream = random.stream_of(seed, "makers", "size")
        for step in (0, 1, 12345, -3, random.FOREVER):
            out = np.zeros(len(KEYS), np.uint64)
            drawn(stream, KEYS, step, out)
            assert out.tolist() == random.bits(stream, KEYS, step).tolist()


def test_taking_somebody_out_leaves_every_other_draw() -> None:
    stream = random.stream_of(7, "crowd", "side")
    keys = np.array([random.key_of(f"crowd/{i}") for i in range(500)])
    whole = random.normal(stream, keys, 11)
    stays = np.arange(500) != 137
    assert (random.normal(stream, keys[stays], 11) == whole[stays]).all()
    assert (random.normal(stream, keys[::-1].copy(), 11)[::-1] == whole).all()


def test_different_reasons_seeds_and_steps_draw_differently() -> None:
    keys = np.array([random.key_of(f"crowd/{i}") for i in range(1000)])
    base = random.uniform(random.stream_of(7, "crowd", "side"), keys, 11)
    for stream, step in (
        (random.stream_of(7, "crowd", "size"), 11),
        (random.stream_of(8, "crowd", "side"), 11),
        (random.stream_of(7, "crowd", "side"), 12),
        (random.stream_of(7, "crowd", "side"), random.FOREVER),
    ):
        other = random.uniform(stream, keys, step)
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.1 and (base != other).all()


def test_draws_have_the_laws_that_they_are_named_after() -> None:
    keys = np.arange(200_000, dtype=np.int64)
    stream = random.stream_of(3, "laws")
    u, z = random.uniform(stream, keys, 5), random.normal(stream, keys, 5)
    e, n = random.exponential(stream, keys, 5), random.poisson(stream, keys, 2.5, 5)
    assert u.min() > 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.003
    assert abs(np.histogram(u, 64, (0, 1))[0] / 3125 - 1).max() < 0.08
    assert abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01
    assert abs(e.mean() - 1) < 0.01 and abs(e.std() - 1) < 0.02
    assert abs(n.mean() - 2.5) < 0.02 and abs(n.var() - 2.5) < 0.05 and n.min() == 0
