"""The verbs of the command line, one module a noun; `experiments.cli` puts them together.

Each verb is a thin layer over the function that a Python user would call. Imports are inside the verbs, so that help
answers at once.
"""
