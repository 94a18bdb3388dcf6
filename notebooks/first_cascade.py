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
# # A first cascade, in five minutes
#
# One coin, two venues, one piece of news that is worth 4 %. Nothing below looks inside the model: a finished run is a
# folder, and that is all there is. What is said here is checked as it runs: every `assert` is a sentence of the text.

# %%
# %matplotlib inline
import numpy as np

from experiments import Run, figures, load, run_many

run_many({"two_venues": load("two_venues")}, seeds=[1])
run = Run.open("runs/two_venues/seed-0001")
figures.overview(run)

# %% [markdown]
# ## The fall is larger than the news
#
# The perpetuals fall further than the fundamental, and further than spot: those who must sell meet makers who have
# stepped back. `run.describe` has the unit and meaning of every column.

# %%
before = run.time <= 180.0  # the news is out at 20:03
news = 1 - np.exp(run.config["news"][0]["size"])
falls = {}
for book in run.books:
    price = run.column("last", book=book)
    falls[book] = 1.0 - np.nanmin(run.column("low", book=book)) / price[before][-1]
    print(f"{book:15} falls {falls[book]:.1%}   (news {news:.1%})")
assert falls["alpha:BTC-PERP"] > news and falls["beta:BTC-PERP"] > falls["alpha:BTC-SPOT"]
bids = run.column("depth_bid_100", book="alpha:BTC-PERP")
print(
    f"bids within 1 %: {bids[before].mean() / 1e6:.2f} M$ before, {bids[~before].min() / 1e6:.2f} M$ at the worst"
)
print(run.describe("depth_bid_100"))
assert bids[~before].min() < 0.5 * bids[before].mean(), "the bids go when they are needed"

# %% [markdown]
# ## From a liquidation to the one who pays for it
#
# Every event names the event that caused it. Take the largest auto-deleveraging fill and walk back: a long that could
# not be sold in time, and a short that had won and is closed in its place.

# %%
events = run.events()
position = {int(number): place for place, number in enumerate(events["id"])}
adl = np.flatnonzero(events["kind"] == "adl")
at = int(adl[np.argmax(events["value"][adl])])
names = dict(zip(run.accounts("start")["owner"], run.accounts("start")["owner_name"], strict=True))
chain = [at]
while int(events["parent"][chain[-1]]) in position:
    chain.append(position[int(events["parent"][chain[-1]])])
for one in reversed(chain):
    who, other = (names.get(events[column][one], "-") for column in ("owner", "other_owner"))
    print(
        f"{events['time'][one]:6.1f} s  {events['kind'][one]:12} {events['venue'][one]:6} {who:14} {other:14}"
        f" {events['quantity'][one]:8.3f} BTC at {events['price'][one]:,.1f}, mark {events['mark'][one]:,.1f}"
    )
assert len(chain) > 1 and events["kind"][chain[-1]] in ("liquidation", "bankruptcy"), "somebody failed first"

# %% [markdown]
# ## The same news without leverage
#
# Nobody is liquidated, nobody is auto-deleveraged, and the fall is smaller. `cascade run two_venues --nulls` does
# this for every cause, over seeds; one seed, as here, is a story and no measurement.

# %%
sober = load("two_venues", [("population.@leveraged_long.opening.max_leverage", "1.0"),
                            ("population.@leveraged_short.opening.max_leverage", "1.0")])  # fmt: skip
run_many({"sober": sober}, seeds=[1])
without = Run.open("runs/sober/seed-0001")
for name, one in (("levered", run), ("without leverage", without)):
    closed, adl_value = one.column("liquidated_long").sum(), one.column("adl").sum()
    low = np.nanmin(one.column("low", book="alpha:BTC-PERP"))
    print(
        f"{name:17} lowest {low:,.0f}   liquidated {closed / 1e6:.1f} M$   auto-deleveraged {adl_value / 1e6:.1f} M$"
    )
assert without.column("liquidated_long").sum() == 0 < run.column("liquidated_long").sum()
assert np.nanmin(without.column("low", book="alpha:BTC-PERP")) > np.nanmin(
    run.column("low", book="alpha:BTC-PERP")
)

# %% [markdown]
# From here: `cascade figures runs/two_venues` draws everything, `cascade replay runs/two_venues --out first.html`
# plays it, and the other notebooks ask what October was made of, what a species or a rule of one's own does, where
# the border of a cascade lies, and what happens when money cannot move.
