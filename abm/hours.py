"""Opening hours: a gate that a calendar opens and shuts, such as Fedwire's business day.

Fedwire opens at 21:00 Eastern time of the calendar day before a business day and shuts at 19:00 of that day; it knows
no Saturday, Sunday or federal holiday (a holiday on a Sunday is kept on the Monday, one on a Saturday is not moved).
Source: Federal Reserve Financial Services, Fedwire Funds Service operating hours. The won's calendar is an assumption:
Korean bank days, 09:00 to 16:00 in Seoul.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from abm.outages import Outages
from abm.parameters import parameter

NEW_YORK, SEOUL = ZoneInfo("America/New_York"), ZoneInfo("Asia/Seoul")
_DAY = timedelta(days=1)
LONGEST_PAUSE = 12  # days


class HoursParameters(Outages):
    """A gate with opening hours; what comes while it is shut waits for it."""

    kind: Literal["hours"] = parameter("hours", "Discipline")
    calendar: Literal["always", "fedwire", "korea"] = parameter("fedwire", "When it is open")
    cutoff: float = parameter(
        0.0,
        "How long before the end of the day customers' orders are no longer taken",
        unit="seconds",
        source="Fedwire's cut-off for third parties is 18:45, a quarter of an hour before its end",
        ge=0,
        le=12 * 3600,
    )


@lru_cache(maxsize=64)
def _free_days(country: str, year: int) -> frozenset[date]:
    import holidays  # a scenario without a bank does not wait for this library

    return frozenset(holidays.country_holidays(country, years=year, observed=False))


def bank_day(calendar: str, day: date) -> bool:
    """Whether banks work that day."""
    if day.weekday() >= 5:
        return False
    if calendar == "korea":
        import holidays

        return day not in holidays.country_holidays("KR", years=day.year)
    before = day - _DAY
    kept = day.weekday() == 0 and before in _free_days("US", before.year)
    return not kept and day not in _free_days("US", day.year)


def windows(
    calendar: str, since: date, days: int, cutoff: float = 0.0
) -> Iterator[tuple[datetime, datetime]]:
    """(opens, shuts) in UTC of all business days from a day on."""
    for k in range(days):
        day = since + k * _DAY
        if not bank_day(calendar, day):
            continue
        if calendar == "korea":
            opens, shuts, zone = datetime.combine(day, time(9)), datetime.combine(day, time(16)), SEOUL
        else:
            opens, shuts = datetime.combine(day - _DAY, time(21)), datetime.combine(day, time(19))
            zone = NEW_YORK
        yield (
            opens.replace(tzinfo=zone).astimezone(UTC),
            shuts.replace(tzinfo=zone).astimezone(UTC) - timedelta(seconds=cutoff),
        )


def state_at(calendar: str, moment: datetime, cutoff: float = 0.0) -> tuple[bool, datetime | None]:
    """Whether a calendar is open after a moment, and when that changes next (None = never)."""
    if calendar == "always":
        return True, None
    for opens, shuts in windows(calendar, moment.astimezone(UTC).date() - 2 * _DAY, LONGEST_PAUSE, cutoff):
        if moment < opens:
            return False, opens
        if moment < shuts:
            return True, shuts
    raise ValueError(f"{calendar}: no opening in the {LONGEST_PAUSE} days from {moment}")
