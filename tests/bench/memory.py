"""What an account costs in memory, and what a snapshot's size depends on. Peaks are of child processes."""

from __future__ import annotations

import io

import numpy as np

from tests.bench.line import Line
from tests.bench.startup import child
from tests.twins.market import PERP, Desk, small_model

FEW, MANY = 100_000, 1_000_000
ACCOUNTS = r"""
import re, sys, time
import numpy as np
from tests.twins.market import PERP, USDT, small_model
n = int(sys.argv[1])
model = small_model({"orders": {"band": 0.0}, "liquidation": {"fee": 0.0}})
began = time.perf_counter()
rows = model.accounts.open(np.arange(n).astype("U8"), np.zeros(n, int), "bench")
model.accounts.deposit(rows, USDT, np.full(n, 10**9))
model.accounts.place(rows, PERP, np.where(np.arange(n) % 2 == 0, 10, -10), 100.0)
opened = time.perf_counter() - began
model.setup()
began = time.perf_counter()
for k in range(3600):
    model.state.books["mark"][PERP] = (1000 - k % 20) * 1024
    model.step()
spent = time.perf_counter() - began
# not getrusage: its peak is inherited from whoever started this process
peak = re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())
print(spent, int(peak[1]) * 1024)
"""


def snapshot_bytes(step: int) -> int:
    """Bytes of a snapshot whose 150 levels lie `step` ticks apart."""
    d = Desk(small_model({"orders": {"band": 0.0}}))
    row = d.open("maker", cash=10**15)
    for i in range(150):
        d.place(row, PERP, 1, 1_000 * step - 1 - i * step, 1)
    out = io.BytesIO()
    np.savez(out, **d.model.snapshot()["tables"])
    return len(out.getvalue())


def measure() -> list[Line]:
    few, many = ([float(x) for x in child("-c", ACCOUNTS, str(n))[1].split()] for n in (FEW, MANY))
    row = (many[1] - few[1]) / (MANY - FEW)
    narrow, wide = snapshot_bytes(1), snapshot_bytes(1000)
    return [
        Line("1 M / 100,000 accounts, an hour of steps, a position each", many[0] / few[0], most=6.0,
             beside=f"{few[0]:.2f} s and {many[0]:.2f} s, the first look at everybody included; without deciding"),
        Line("peak memory of an extra row (owner, venue)", row, "bytes", most=250.0,
             beside=f"{few[1] / 2**20:.0f} and {many[1] / 2**20:.0f} MiB; holding and position included"),
        Line("snapshot: the same levels 1,000 times as far apart / side by side", wide / narrow, most=1.0,
             beside=f"{narrow / 2**20:.1f} MiB"),
    ]  # fmt: skip
