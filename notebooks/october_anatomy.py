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
# # Anatomy of 10 October 2025
#
# What is a cascade made of? The evening in the middle of which it happened, at true scale: every venue, every coin and
# every account of the scenario. `cascade october` runs all of it; so that this page takes a minute or two,
#
# - it begins at 20:45, five minutes before the news, with the prices of 20:00, and ends at 21:12;
# - a step is two seconds: marks, made once a second otherwise, are made half as often;
# - what venues stopped after 21:12 is left out.
#
# So the numbers are not those of the score card (README); the parts are the same.

# %%
# %matplotlib inline
import numpy as np

from experiments import Run, causes, figures, load, run_many

SHORT = [
    ("clock.start", "2025-10-10T20:45:00Z"), ("clock.duration", "1620"), ("clock.burn_in", "120"),
    ("clock.step", "2.0"), ("network.events", "[]"),
    ("record.fills", "true"), ("record.quotes", '["makers"]'), ("record.accounts_at", '["start", 1200, "end"]'),
]  # fmt: skip
run_many({"october": load("october_2025", SHORT)}, seeds=[1], jobs=1)
run = Run.open("runs/october")
news = 1 - np.exp(run.config["news"][0]["size"])
before = run.time <= 300.0  # 20:50

# %% [markdown]
# ## One piece of news, many falls
#
# The news is worth 4 % of BTC, and of every other coin what its beta says. It is the only thing that is imposed: no
# price is driven. All of them fall further than that, most of them further than BTC.

# %%
falls = {}
for coin, contract in run.config["contracts"].items():
    book = f"binance:{coin}-PERP"
    if book in run.books:
        price = run.column("last", book=book)[before][-1]
        falls[coin] = 1 - np.nanmin(run.column("low", book=book)) / price
        told = 1 - (1 - news) ** contract["beta"]
        print(f"{coin:8} the news alone {told:5.1%}   fell {falls[coin]:5.1%}")
assert falls["BTC"] > news, "the fall is larger than the news"
assert sorted(falls.values())[len(falls) // 2] > falls["BTC"], "most coins fall further than BTC"
figures.overview(run)

# %% [markdown]
# ## Whose orders did it
#
# An account fails because its mark has moved against it, and the mark moves by trades. `causes` shares each move
# among the fills of the window over which the mark averages, by what they were sent for, and follows liquidation
# orders back to what caused them. It is a rule of book-keeping, not a counterfactual; `cascade causes --delete` asks
# the model itself.

# %%
found = causes.attribute(run)
share = {
    kind: (found.value @ found.direct[:, k], found.value @ found.root[:, k])
    for k, kind in enumerate(found.kinds)
}
for kind, (direct, first) in sorted(share.items(), key=lambda item: -item[1][0]):
    if direct > 0:
        print(
            f"{kind:12} directly {direct / found.total():6.1%}   led back to the first {first / found.total():6.1%}"
        )
longs = run.column("liquidated_long").sum() / (
    run.column("liquidated_long").sum() + run.column("liquidated_short").sum()
)
print(f"{len(found.value):,} failures, {found.total() / 1e9:.1f} B$ closed, {longs:.0%} of it longs")
assert longs > 0.9
assert found.endogenous() > 0.05, "liquidations move the marks of others"
assert share["news"][0] + share["stop"][0] > share["arbitrage"][0], "people who leave, not arbitrage"
figures.GALLERY["forced"](run)

# %% [markdown]
# ## Where the bids went
#
# Makers hold what they have bought, lose on it, and step back: what they have resting is gone when most of it is
# needed.

# %%
quotes = run.quotes()
mine = quotes["book"] == "binance:BTC-PERP"
calm = quotes["bid_value"][mine & (quotes["time"] <= 300.0)].mean()
least = quotes["bid_value"][mine & (quotes["time"] > 300.0)].min()
print(f"makers' bids in binance:BTC-PERP: {calm / 1e6:,.0f} M$ in calm, {least / 1e6:,.0f} M$ at the least")
assert least < 0.5 * calm
figures.GALLERY["makers"](run)

# %% [markdown]
# ## Who was closed for others
#
# Where the fund cannot take what fails, winners are closed against it. It happens first where there is no fund to
# speak of.

# %%
adl = {venue: run.column("adl", venue=venue).sum() / 1e6 for venue in run.venues}
print({venue: f"{value:,.0f} M$" for venue, value in adl.items() if value > 0})
assert max(adl, key=adl.get) == "hyperliquid"

# %% [markdown]
# ## Who paid
#
# Quantiles over the owners of each species. Nothing is lost in sum: every dollar that a long has lost is somebody's,
# and `--check` holds every asset to its last unit in every step.

# %%
figures.GALLERY["equity"](run)

# %% [markdown]
# `cascade replay runs/october --out october.html` plays all of this, with every account's story; `cascade october
# --nulls` takes one cause out at a time, over seeds. That is the measurement to which this page is the story.
