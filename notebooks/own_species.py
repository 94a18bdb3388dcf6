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
# # A species of one's own, in one file
#
# Who buys when a market falls, and what becomes of them? Here: savers who buy for a fixed sum at regular times, and
# for more while the price is below what they have paid on average. One class says what they do. Its parameters say
# unit, range and source, so that `--set`, `--parameters` and the faults of a scenario know them.

# %%
# %matplotlib inline
from pathlib import Path

import numpy as np

from abm.exam import check_agent
from experiments import Run, extensions, figures, load, run_many

SPECIES = '''
"""Averager: buys for a fixed sum at regular times, and for more while it is losing."""

import numpy as np

from abm.agent import Participant
from abm.parameters import parameter


class Averager(Participant):
    """One perpetual an account, the one with most open interest at its venue."""

    class Parameters(Participant.Parameters):
        """How often, how much, how far."""

        every: float = parameter(120.0, "Time between two purchases", unit="seconds", gt=0)
        sum: float = parameter(0.05, "A purchase, over the equity at the opening", unit="share", gt=0, le=1)
        more: float = parameter(3.0, "Multiple of it while the price is below the average paid", unit="1", ge=0)
        leverage: float = parameter(5.0, "Position over equity at which it stops", unit="1", gt=0)

    def setup(self, me, market):
        """Once, before the first step: a book for each account, and a phase that is its own for ever."""
        perps = market.perps
        book = np.full(len(me.rows), -1)
        for venue in np.unique(me.venue):
            here = perps[market.books.venue[perps] == venue]
            if len(here):
                book[me.venue == venue] = here[np.argmax(market.open_interest[here] * market.mark[here])]
        row = np.flatnonzero(book >= 0)  # a purse outside has no book
        self.memory.update(
            row=row, book=book[row], stake=np.maximum(me.equity(row), 0.0),
            phase=self.parameters.every * me.uniform("phase", row, forever=True),
        )

    def decide(self, me, market):
        """In every step: whose time has come buys, as long as it may."""
        p, m = self.parameters, self.memory
        awake = np.flatnonzero(np.mod(market.time - m["phase"], p.every) < market.dt)
        row, book = m["row"][awake], m["book"][awake]
        price = market.mark[book]
        losing = price < me.entry_price(row, book)  # False where nothing is held: there is no entry price
        value = p.sum * m["stake"][awake] * np.where(losing, p.more, 1.0)
        room = p.leverage * me.equity(row) - me.position(row, book) * price
        coins = np.minimum(value, room) / price
        some = np.flatnonzero((price > 0) & (coins >= market.books.lot[book]) & ~market.halted[book])
        me.market_order(row[some], book[some], 1, coins[some])
'''
Path("averager.py").write_text(SPECIES)

# %% [markdown]
# ## The exam
#
# What a participant remembers is in `memory`, draws come from `me`, and it sees no more than `market` and its own
# accounts: saving, branching and comparing runs rest on that. The exam puts the class into a small market and says in
# words what it breaks.

# %%
assert extensions.take(["averager.py"]) == []  # as `--with averager.py` does; the faults of the file
Averager = extensions.species("averager:Averager")
passed = check_agent(Averager)
print(f"passes; {passed.orders} orders in the exam")
assert passed.orders > 20

# %% [markdown]
# ## In a market
#
# An entry of the population: the species, its parameters, how its accounts open. The same on the command line is
# `cascade run two_venues --with averager.py --set 'population.savers={species="averager:Averager", ...}'`.

# %%
SAVERS = (
    "population.savers",
    '{species="averager:Averager", opening={kind="desk", accounts=200, cash={major=0.03}}}',
)
runs = {}
for name, settings in (
    ("without", []),
    ("savers", [SAVERS]),
    ("doubling", [SAVERS, ("population.savers.more", "8.0"), ("population.savers.leverage", "20.0")]),
):
    scenario = load("two_venues", settings, files=["averager.py"])
    run_many({name: scenario}, seeds=[1], files=["averager.py"])
    runs[name] = Run.open(f"runs/{name}/seed-0001")

# %% [markdown]
# ## What they do to it, and it to them
#
# Nobody told them to prop a price up: they buy what others must sell, and end with more than they would have bought
# in calm.

# %%
lows, bought = [], []
for name, run in runs.items():
    low = np.nanmin(run.column("low", book="alpha:BTC-PERP"))
    accounts, held = run.accounts("end"), run.positions("end")
    mine = accounts["row"][accounts["participant"] == "savers"]
    coins = held["quantity"][np.isin(held["row"], mine)].sum()
    events = run.events("liquidation")
    gone = len(np.unique(events["row"][np.isin(events["row"], mine)]))
    print(
        f"{name:9} lowest {low:,.0f}   savers hold {coins:7.1f} BTC at the end, {gone} of them were liquidated"
    )
    lows.append(low)
    bought.append(coins)
assert lows[0] < lows[1] < lows[2], "who buys the fall makes it smaller"
assert bought[0] == 0 < bought[1] < bought[2]

# %% [markdown]
# ## What it does to everybody
#
# The same market with the savers who buy most: who won and who lost, by species.

# %%
figures.GALLERY["equity"](runs["doubling"])
