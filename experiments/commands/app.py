"""The program `cascade`: its groups of verbs, its exit codes, what bad input is."""

from __future__ import annotations

from collections.abc import Iterable

from cyclopts import App

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class BadInput(Exception):
    """What the user gave cannot be used; one line a fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


def _version() -> str:
    from importlib.metadata import version

    return version("CascadeLab")


app = App(
    name="cascade",
    help="Simulate crypto derivatives markets: cascades of liquidations and auto-deleveraging that emerge.",
    help_epilogue="Every command takes --json, one JSON document on stdout and nothing else, and --quiet, nothing but "
    "errors. Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.",
    version=_version,
    suppress_keyboard_interrupt=False,
)
scenario_app = App(name="scenario", help="List and check scenarios.")
app.command(scenario_app)
venues_app = App(name="venues", help="The rule books of real venues.")
app.command(venues_app)
network_app = App(name="network", help="The transfer network of a scenario, as a picture, tables or a graph.")
app.command(network_app)
sweep_app = App(name="sweep", help="Parameter sweeps: a study worked out, run, resumed, tabled and told.")
app.command(sweep_app)
