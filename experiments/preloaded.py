"""Imported by the server that workers are forked from: every kernel is loaded once, there, and not in each of them."""

from abm import jit

jit.warm()
