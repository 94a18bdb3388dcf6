"""A year of liquidations: days drawn by regime from a calm market, weighted by how often a regime was measured.

The claim looked at (P1): forced liquidations are a periodic cost of leverage, about 0.175 % of the volume of 2025.
The weights are counts of days of 2025 by their measured volatility; nothing is fitted. The day of 10 October is no
regime: it is one day of the year, with October's news.
"""
