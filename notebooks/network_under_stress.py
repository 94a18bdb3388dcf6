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
# # When money cannot move
#
# A price in one place may stand apart from that in another as long as nobody can carry money from the one to the
# other. In Seoul coins are bought with won, and won leave the country through a bank in its hours. On a Monday morning,
# two hours before the bank opens, good news is heard there and nowhere else. Is it the hours that make the premium?
# (A sketch: its numbers are assumptions, said in the scenario `kimchi`. Here a step is four seconds instead of one.)

# %%
# %matplotlib inline
import numpy as np
from matplotlib.figure import Figure

from experiments import Run, arbitrage, drawing, figures, load, readings, run_many

VARIANTS = {
    "bank_hours": [],
    "bank_never_shut": [("network.resources.seoul_bank.calendar", "always")],
}
run_many(
    {name: load("kimchi", [("clock.step", "4.0"), *more]) for name, more in VARIANTS.items()},
    seeds=[1],
    jobs=1,
)
runs = {name: Run.open(f"runs/{name}") for name in VARIANTS}

# %% [markdown]
# ## The premium
#
# Arbitrageurs buy in the world and sell in Seoul. Coins reach them over a chain day and night; what they are paid
# stays in Seoul until the bank has wired it, and with it their capital. While they have some the gap is small; when it
# is spent the price in Seoul is that of the buyers there.


# %%
def premium(run):
    """Price in Seoul over that in the world, %, by step."""
    here, there = (
        readings.filled(run.column("last", book=f"{venue}:BTC-SPOT")) for venue in ("seoul", "global")
    )
    return 100.0 * (here / there - 1.0)


figure = Figure(figsize=(8.0, 3.4), dpi=drawing.DPI, layout="constrained")
ax = figure.subplots()
for (name, run), colour in zip(runs.items(), drawing.PALETTE, strict=False):
    drawing.series(ax, run, premium(run), colour, name.replace("_", " "))
drawing.clock_axis(ax, run, run.time[-1])
ax.axvline(drawing.place(run, np.array([7200.0]))[0], color=drawing.muted(), linestyle=":")
drawing.label(ax, "Price in Seoul over the world's; dotted: the bank opens", "%")
ax.set_xlabel(drawing.time_label(run))
drawing.legend(ax)
figure

# %%
most = {name: float(np.nanmax(premium(run))) for name, run in runs.items()}
wide = {name: float((premium(run) > 2.0).mean() * run.time[-1] / 60.0) for name, run in runs.items()}
late = {name: float(np.nanmean(premium(run)[run.time > 12600.0])) for name, run in runs.items()}
for name in runs:
    print(
        f"{name:16} at most {most[name]:.1f} %, above 2 % for {wide[name]:.0f} minutes, at the end {late[name]:.2f} %"
    )
assert most["bank_hours"] > 2.0 and late["bank_hours"] < 0.25 * most["bank_hours"], "it comes and goes"
assert most["bank_never_shut"] > 0.5 * most["bank_hours"], "and it does so without the bank's hours"

# %% [markdown]
# ## What stood in the way
#
# At every look an arbitrageur remarks the gaps that would pay and that it does not trade, and which constraint left
# least room. With the bank's hours half of it is laid on them. Yet with a bank that never shuts money is on the way
# for a fraction of the time, and the premium comes a quarter of an hour later, as high and as long: what was laid on
# the hours is then laid on the queue at the clerks. A constraint that binds is not yet a cause; the counterfactual is
# what tells.

# %%
for name, run in runs.items():
    print(name)
    for one in arbitrage.forgone(run):
        print(f"   {one.constraint:10} {one.share:6.1%} of {one.value / 1e6:.3f} M$ x minutes")
    for one in arbitrage.waits(run):
        print(
            f"   {one.source} > {one.target}: {one.sent} sent, {one.value / 1e6:.2f} M$, mean {one.mean:,.0f} s"
        )
blamed = {name: {one.constraint: one.share for one in arbitrage.forgone(run)} for name, run in runs.items()}
assert "calendar" in blamed["bank_hours"] and "calendar" not in blamed["bank_never_shut"]
assert blamed["bank_never_shut"]["queue"] > blamed["bank_hours"]["queue"], (
    "the next constraint takes its place"
)
took = {
    name: next(one.mean for one in arbitrage.waits(run) if one.target == "global")
    for name, run in runs.items()
}
assert took["bank_never_shut"] < 0.5 * took["bank_hours"]
figures.GALLERY["network"](runs["bank_hours"])

# %% [markdown]
# One seed of one sketch. What stops of transfers do in a cascade of an hour is in the README ("When money cannot
# move"): there, too, with inventories of the usual size they moved gaps between perpetuals little. `cascade network
# map` shows from which inventory on they do, `cascade network stops october_2025` what the recorded stops did.
