"""Evidence that the market is one: stylized facts of a calm day, and published models run by the same engine.

`cascade validate` writes one table; `facts` are the estimators, `stylized` what they are given and what is accepted,
a module each the benchmarks, `lab` what these run in.
"""
