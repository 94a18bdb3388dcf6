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
# # A sweep and its phase diagram
#
# When is bad news only bad news? Two things are varied, how bad it is and how far the public may borrow, with the
# same seeds in every cell. A study is a text: scenario, factors, what is measured. Two seeds a cell make a page that
# runs in a minute and no result; the studies that come with CascadeLab take twelve.

# %%
# %matplotlib inline
from experiments import sweep
from experiments.sweep import pictures

STUDY = """
title = "Bad news by leverage"
scenario = "two_venues"
keep = "records"

[replicates]
count = 2

[settings]
"clock.duration" = 420
"clock.burn_in" = 60
"news.0.time" = 2025-10-10T20:01:00Z

[factors.leverage]
about = "largest leverage of the public"
unit = "x"
path = ["population.@leveraged_long.opening.max_leverage", "population.@leveraged_short.opening.max_leverage"]
values = [2.0, 12.0, 25.0]

[factors.news]
about = "news"
unit = "log change"
path = "news.0.size"
values = [-0.02, -0.04, -0.06]

[outcomes.longs]
column = "liquidated_long"
divide = 2e6            # of the open interest of 200 M$
about = "longs liquidated"
unit = "% of open interest"
better = "low"

[outcomes.fall]
quantity = "fall"
about = "fall of the largest perpetual"
unit = "%"
better = "low"
"""

# %% [markdown]
# ## Five lines
#
# What is there already is not run again: killed, it goes on where it was; with more seeds it adds them.

# %%
study = sweep.loads(STUDY, "bad_news")
counts = sweep.run(study, jobs=1)
results = sweep.opened("runs/sweeps/bad_news")
table = results.table()
print(counts)
assert counts.failed == 0 and len(table) == 3 * 3 * 2

# %% [markdown]
# ## The map
#
# Medians of each cell with their range. At a leverage of two nobody can be liquidated by such news; where people
# borrow more, the same news is answered by a cascade.

# %%
middle = table.groupby(["leverage", "news"])["longs"].median().unstack()
print(middle.round(2))
assert (middle.loc[2.0] == 0).all(), "without leverage no liquidation"
assert middle.loc[25.0, -0.06] > middle.loc[25.0, -0.02], "worse news, more of it"
assert (middle.loc[25.0] > 0).all() and (middle.loc[25.0] >= middle.loc[12.0]).all(), (
    "more leverage, more of it"
)
figure, _ = pictures.heat_map(study, table, "longs", "news", "leverage")
figure

# %% [markdown]
# ## Is the fall the news or the answer to it?
#
# The fall beyond the news is what the market added. SQL over the table works as well, and over every table of kept
# runs.

# %%
told = results.query(
    "SELECT leverage, news, median(fall) AS fall, median(fall - 100 * (1 - exp(news))) AS beyond "
    "FROM results GROUP BY ALL ORDER BY ALL"
)
print(told.round(2).to_string(index=False))
by = told.set_index(["leverage", "news"])["fall"]
assert by[25.0, -0.06] > by[25.0, -0.02], "worse news, a larger fall"

# %% [markdown]
# `sweep.report(study)` writes all of it as Markdown with intervals, effects and Shapley shares; `cascade sweep` does
# the same from the command line, on all cores or a cluster. How to write a study: `docs/sweeps.md`.
