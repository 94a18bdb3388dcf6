"""`cascade year`: what forced liquidations cost over a year of routine days and one October."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.commands import kernels, output
from experiments.commands.app import DONE, BadInput, app
from experiments.commands.given import below, outside, sound, writable
from experiments.commands.options import Jobs, Number, Switch
from experiments.commands.run import status

if TYPE_CHECKING:
    from experiments.year.regimes import Regime

MARKET = "calm_small"
WITH_NEWS = "october_2025"  # whose news the day of 10 October has
QUICK_HOURS = 3.0
APART = 1000  # between the seeds of two regimes: no day of one is a day of another with larger moves


@app.command
def year(
    *,
    days: Number = 4,
    market: str = MARKET,
    hours: float = 24.0,
    step: float = 5.0,
    quick: Switch = False,
    out: Path | None = None,
    jobs: Jobs = None,
) -> int:
    """A year of liquidations: days of every regime of 2025, weighted by how many there were, beside the article.

    Broken off, it goes on where it was: finished days are kept.

    Parameters
    ----------
    days
        Simulated days of each regime, each with a seed of its own; the interval is over them.
    market
        A calm scenario: a name or a TOML file.
    hours
        Hours of each day that are simulated; flows of routine days are brought to 24.
    step
        Seconds a step.
    quick
        One day a regime, its first 3 hours: to see that it works.
    out
        Folder of runs, table and figure; default runs/year.
    """
    faults = [*outside(1, APART - 1, days=days), *below(1, jobs=jobs)]
    if not 1.0 <= hours <= 24.0:
        faults.append(f"--hours: given {hours:g}, expected a number between 1 and 24")
    if not 0.1 <= step <= 60.0:
        faults.append(f"--step: given {step:g}, expected a number between 0.1 and 60")
    if faults:
        raise BadInput(faults)
    days, hours = (1, QUICK_HOURS) if quick else (days, hours)
    from experiments.year import regimes as kinds

    regimes = kinds.regimes()
    with sound():
        scenarios = {one.name: kinds.scenario(market, one, hours, step, WITH_NEWS) for one in regimes}
    folder = out or Path("runs/year")
    writable(folder)
    kernels.compiled()
    from experiments.runner import Job, run_jobs

    wanted = [
        Job(f"{name} day", scenario, APART * place + day, folder / name)
        for day in range(1, days + 1)  # all regimes once before any twice
        for place, (name, scenario) in enumerate(scenarios.items())
    ]
    outcomes = run_jobs(wanted, jobs=jobs)
    code = status(outcomes)
    if code == DONE:
        _tell(regimes, market, hours, step, folder, {
            name: [outcome.folder for outcome in outcomes if outcome.job.folder.name == name and outcome.folder]
            for name in scenarios
        })  # fmt: skip
    return code


def _tell(
    regimes: list[Regime], market: str, hours: float, step: float, folder: Path, places: dict[str, list[Path]]
) -> None:
    from experiments import readings
    from experiments.run import Run
    from experiments.store import write_text
    from experiments.year import account, days, figure

    runs = {name: [Run.open(place) for place in found] for name, found in places.items()}
    sample = {name: [days.measure(run) for run in found] for name, found in runs.items()}
    table = account.account(regimes, sample)
    interest = readings.open_interest(runs[regimes[0].name][0], 0)
    table["notes"] = notes(market, hours, step, interest)
    table["days"] = {name: [day._asdict() for day in found] for name, found in sample.items()}
    write_text(folder / "year.json", json.dumps(table, indent=1, allow_nan=False))
    write_text(folder / "year.md", account.markdown(table).rstrip())
    figure.figure(table, sample).savefig(folder / "year.png")
    print(account.markdown(table))
    output.put(**table, folder=folder)
    print(f"{folder / 'year.md'}, year.json, year.png")


def notes(market: str, hours: float, step: float, interest: float) -> list[str]:
    """What was done, and what the numbers cannot say."""
    shortened = (
        "whole days"
        if hours == 24
        else f"the first {hours:g} hours of each day; flows of routine days times {24 / hours:.3g}, their range times"
        " its square root. Who stands near the price is closed once and counted as if it came again, who stands far is"
        " not reached: whole days say more. Flows of 10 October are those of its hours"
    )
    return [
        f"Market: {market}, {interest / 1e9:.3g} B$ of open interest, 1 : {218e9 / interest:,.0f} of that of October"
        " (218 B$). Ratios are the model's, dollars are ratios times 218 B$.",
        f"Days: {shortened}; steps of {step:g} s.",
        "A regime's days differ from the calm market in two things: the volatility of the fundamental, and the rate and"
        " turnover of uninformed flow, by its own law of activity. The day of 10 October adds October's news to a"
        " routine day. Neither is fitted.",
        "Every day opens with the same crowd, leverage and funds. In a year not all who were closed are back the next"
        " day, and funds carry over: several rough days in a row are too costly here.",
        "The article's volume is that of 324 days, its liquidations are those of the year; it counts published"
        " liquidations of many coins, this is true liquidations of BTC alone.",
    ]
