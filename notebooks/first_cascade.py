# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A first cascade
#
# One coin, two venues, one piece of news that is worth 4 %. Open this file as a notebook with jupytext, or run it as
# the script that it is. Nothing below looks inside the model: a finished run is a folder, and that is all there is.

# %%
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
for book in run.books:
    price = run.column("last", book=book)
    fall = 1.0 - np.nanmin(run.column("low", book=book)) / price[before][-1]
    print(f"{book:15} falls {fall:.1%}   (news {1 - np.exp(run.config['news'][0]['size']):.1%})")
bids = run.column("depth_bid_100", book="alpha:BTC-PERP")
print(
    f"bids within 1 %: {bids[before].mean() / 1e6:.2f} M$ before, {bids[~before].min() / 1e6:.2f} M$ at the worst"
)
print(run.describe("depth_bid_100"))

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

# %% [markdown]
# ## The same news without leverage
#
# Nobody is liquidated, nobody is auto-deleveraged, and the fall is smaller. `cascade run two_venues --nulls` does this
# for every cause, over seeds.

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
