"""The live dashboard: `cascade view SCENARIO|RUN`.

`session` runs a market and knows nothing of a page; `tape`, `standing`, `so_far` and `people` are what can be seen of
it, `controls` what can be changed. `charts`, `network`, `words`, `form`, `account_panel` and `page` show
them with Panel and Bokeh, `server` serves pages to this machine alone.
"""
