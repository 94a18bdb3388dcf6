"""What the studies of October measure beyond the rows of its card: functions Run -> float."""

from __future__ import annotations

from experiments import estimators, hedging, readings, ruin
from experiments.run import Run

WINDOW = "21:02-22:30"  # of row 6
FIRST_AT_MOST, SECOND_AT_LEAST, LOW_AFTER = (
    6.0,
    8.0,
    18.0,
)  # %, %, minutes: two legs, as the calibration guide has them


def second_leg_start(run: Run) -> float:
    """Minutes from the news to the close from which row 6's fall is measured."""
    _, start = estimators.largest_fall(run, WINDOW)
    return (start - readings.news_time(run)) / readings.MINUTE


def two_legs(run: Run) -> float:
    """1 where a first leg below 6 % is followed by a fall above 8 % and the low comes after 18 minutes, else 0."""
    news, book = readings.news_time(run), readings.largest_perp(run)
    first = readings.fall(run, book, news + estimators.TEN_MINUTES)
    second, _ = estimators.largest_fall(run, WINDOW)
    _, low = readings.lowest(run, book, news, readings.span(run, WINDOW)[1])
    late = (low - news) / readings.MINUTE > LOW_AFTER
    return float(first < FIRST_AT_MOST and second > SECOND_AT_LEAST and late)


def first_limit(run: Run) -> float:
    """Minutes from the news to the first maker that reaches its loss limit; NaN where none does."""
    if "limit_hit" not in run.vocabularies.get("kind", ()):
        return float("nan")
    times = run.events("limit_hit")["time"]
    after = times[times > readings.news_time(run)]
    return float((after.min() - readings.news_time(run)) / readings.MINUTE) if len(after) else float("nan")


def hedged_result(run: Run) -> float:
    """Hedged owners' change of wealth over their wealth at the start, %; P5b is the difference of two of these."""
    first, gained = estimators.hedged_result(run)
    return 100.0 * gained / first


def forced(run: Run) -> float:
    """Longs and shorts liquidated after the news over open interest at the start, %."""
    news = readings.news_time(run)
    interest = readings.open_interest(run, readings.before(run, news))
    return 100.0 * sum(readings.liquidated(run, news, float(run.time[-1]))) / interest


def interest_lost(run: Run) -> float:
    """Change of open interest in dollars from the news to the end of the run, %."""
    start = readings.open_interest(run, readings.before(run, readings.news_time(run)))
    return 100.0 * (readings.open_interest(run, len(run.time) - 1) / start - 1.0)


def hedges_closed(run: Run) -> float:
    """Hedgers' shorts closed by ADL, M$ at the mark."""
    return hedging.split(run).closed


def hedge_gap(run: Run) -> float:
    """Cost of closing away from the mark, M$."""
    return hedging.split(run).gap


def hedge_lost(run: Run) -> float:
    """What the closed shorts would have earned to the end, M$."""
    return hedging.split(run).hedge_lost


def hedge_mended(run: Run) -> float:
    """Cost of the trades that followed, M$."""
    return hedging.split(run).rehedging


def owners_ruined(run: Run) -> float:
    """Owners whose accounts at all venues are together below zero."""
    return float(ruin.ruin(run).owners)


def owed(run: Run) -> float:
    """What they owe, M$."""
    return ruin.ruin(run).owed


def lenders_lost(run: Run) -> float:
    """Lenders' loss by forfeited loans, M$."""
    return ruin.ruin(run).lenders_lost


def capital_used(run: Run) -> float:
    """Venues' own capital used, M$."""
    return ruin.ruin(run).capital_used
