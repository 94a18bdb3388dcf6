# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A rule of one's own for auto-deleveraging
#
# When a position fails and no fund can take it, somebody who won is closed against it. Who? Most venues keep a queue:
# the one who ranks first gives all of it, then the second. Papers propose shares. A third thought: keep the ranking,
# but take no more than half of anybody's position before everybody has given half. One function says it.

# %%
# %matplotlib inline
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments import Run, compare, drawing, load, run_many

RULE = '''
"""Half a queue: nobody loses more than half of a position before everybody in profit has."""

import numpy as np

from abm.allocation import queue


def half_first(lots, candidates):
    """Lots of each of the candidates, int64; they sum to `lots`, or to all that may be closed."""
    everybody = np.arange(len(candidates))
    first = queue(lots, candidates.pick(everybody, (candidates.most + 1) // 2))
    rest = candidates.pick(everybody, candidates.most - first)
    return first + queue(lots - int(first.sum()), rest)
'''
Path("half_queue.py").write_text(RULE)

# %% [markdown]
# ## Beside the old ones
#
# The same bad news, the same draws. A rule's name goes where a built-in one would; the file is named with `--with` on
# the command line. What a rule answers is checked every time it is asked: whole lots, nobody beyond what he can pay.

# %%
RULES = {"queue": "queue", "pro_rata": "pro_rata_contracts", "half_queue": "half_queue:half_first"}
runs = {}
for name, rule in RULES.items():
    scenario = load(
        "two_venues",
        [("news.0.size", "-0.05"), ("venues.*.adl.price", "bankruptcy"), ("venues.*.adl.allocate", rule)],
        files=["half_queue.py"],
    )
    run_many({name: scenario}, seeds=[1], files=["half_queue.py"], jobs=1)
    runs[name] = Run.open(f"runs/{name}/seed-0001")

# %% [markdown]
# ## The same to the bit, until it acts
#
# A rule is asked only when somebody must be closed. Before that the runs are one run; afterwards they part, because
# other people hold other positions.

# %%
first = min(run.events("adl")["time"].min() for run in runs.values())
for name, run in runs.items():
    parted = compare.parted(runs["queue"], run)
    until = "to the end" if parted is None else f"up to {parted:.0f} s"
    print(
        f"{name:10} first ADL at {run.events('adl')['time'].min():.0f} s, the same as the queue's run {until}"
    )
    assert parted is None or parted >= first - 1.0

# %% [markdown]
# ## Who gives how much
#
# The queue closes few winners, shares close a little of everybody's. Half a queue lies between, nearer to the queue:
# who ranks first gives half, not all, before the next is asked.

# %%
taken = {}
for name, run in runs.items():
    events = run.events("adl")
    who, place = np.unique(events["other_owner"], return_inverse=True)
    taken[name] = np.sort(np.bincount(place, events["quantity"]))[::-1]
    print(f"{name:10} {events['value'].sum() / 1e6:5.2f} M$ closed against {len(who):4} winners")
assert len(taken["queue"]) <= len(taken["half_queue"]) < len(taken["pro_rata"])

figure = Figure(figsize=(7.0, 3.2), dpi=drawing.DPI, layout="constrained")
ax = figure.subplots()
for (name, coins), colour in zip(taken.items(), drawing.PALETTE, strict=False):
    ax.plot(np.arange(1, len(coins) + 1), coins.cumsum() / coins.sum(), color=colour, label=name)
ax.set_xscale("log")
ax.set_xlabel("winners, who gave most first")
ax.set_ylabel("share of all that was closed")
ax.legend(frameon=False)
figure

# %% [markdown]
# ## And the cascade?
#
# One seed tells who pays, not whether the market falls further: for that there are the studies. `cascade sweep
# adl_fund` holds four rules against four sizes of the funds; a rule of one's own is one more level of its factor, and
# `abm.haircuts` keeps the two ledgers of what was needed and what was taken.
