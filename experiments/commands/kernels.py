"""Compiled kernels, before workers need them."""

from __future__ import annotations


def compiled() -> None:
    """Compile the kernels in this process before workers need them."""
    from abm import jit

    if jit.cold():
        from experiments import progress

        progress.remark("compiling the kernels, once for this version (about a minute) ...")
        jit.warm()
