"""Factors of a study: what is varied, and which settings of the scenario a value of it stands for.

A factor is one of three: numbers (or words) put at one or more paths of the scenario; named levels, each a table of
settings; or the concentration of venues, a Herfindahl-Hirschman index that is turned into shares. Every factor can be
asked for its value at a place u of the unit interval, which is how sampled designs draw all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator
from scipy.optimize import brentq

from abm.parameters import Frozen, parameter

Value = float | int | str | bool


class Factor(Frozen):
    """One thing that is varied."""

    about: str = parameter("", "A word or two for tables and figures; empty = the factor's name")
    unit: str = parameter("", "Unit of its values")
    path: str | tuple[str, ...] = parameter(
        (), "Where its value goes in the scenario, as with --set; a list puts it at several places"
    )
    values: tuple[Any, ...] = parameter(
        (), "Its values, in order: grid, factorial (first and last), one_at_a_time"
    )
    low: float | None = parameter(None, "Least value of a sampled factor")
    high: float | None = parameter(None, "Largest value of a sampled factor")
    scale: Literal["linear", "log"] = parameter("linear", "How values are spread between low and high")
    whole: bool = parameter(False, "Only whole numbers between low and high")
    times: float = parameter(
        1.0, "What is put in the scenario is the value times this (values in M$, a scenario in dollars)", gt=0
    )
    relative: bool = parameter(
        False,
        "Its value multiplies what the scenario has at each of its places, instead of taking their place",
    )
    levels: dict[str, dict[str, Any]] = parameter(
        {}, "Named levels, each a table of path = value; where all names are numbers, so are the values"
    )
    concentration: tuple[str, ...] = parameter(
        (),
        "Venues whose `share` follows from the value, a Herfindahl-Hirschman index between 1/number and 1: shares"
        " fall geometrically in this order; their sum, and so the total open interest, stays what it is",
    )
    in_proportion: dict[str, float] = parameter(
        {},
        "concentration: what else of these venues follows their shares, path within a venue = sum over them, such as"
        ' {"fund.cash" = 4e6}',
    )
    base: Any = parameter(
        None, "Its value in the middle of the star of one_at_a_time (none = the first), and the one that"
        " report.policies compares the others with (none = all with all)",
    )  # fmt: skip

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        kinds = [name for name in ("path", "levels", "concentration") if getattr(self, name)]
        if len(kinds) != 1:
            given = " and ".join(kinds) if kinds else "none"
            raise ValueError(f"expected exactly one of path, levels, concentration; {given} given")
        ranged = self.low is not None or self.high is not None
        if self.levels:
            if self.values or ranged:
                raise ValueError("levels are its values: expected without values, low and high")
            if len(self.levels) < 2:
                raise ValueError("expected two levels or more")
        elif ranged:
            if self.low is None or self.high is None or not self.low < self.high:
                raise ValueError(f"expected low < high, both given; low = {self.low}, high = {self.high}")
            if self.scale == "log" and self.low <= 0:
                raise ValueError(f"scale log: expected low above 0, given {self.low}")
        elif not self.values:
            raise ValueError("expected values, or low and high")
        if len(set(map(repr, self.all))) != len(self.all):
            raise ValueError("expected each value once")
        if self.concentration:
            least = 1.0 / len(self.concentration)
            numbers = [self.low, self.high] if ranged else list(self.values)
            if not all(is_number(value) and least - 1e-9 <= value < 1 for value in numbers):
                raise ValueError(
                    f"concentration of {len(self.concentration)} venues: expected numbers from {least:g} to below 1"
                )
        if self.in_proportion and not self.concentration:
            raise ValueError("in_proportion: belongs to a factor with concentration")
        if self.relative and not (self.path and self.ordered):
            raise ValueError("relative: expected a path and numbers")
        if self.base is not None and self.all and self.base not in self.all:
            raise ValueError(f"base: given {self.base!r}, expected one of its values")
        return self

    @property
    def all(self) -> tuple[Any, ...]:
        """Its values or the names of its levels; empty where it has a range instead."""
        return _numbers(list(self.levels)) if self.levels else tuple(self.values)

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers, so that effects may have a slope."""
        return all(is_number(value) for value in self.all)

    def at(self, u: float) -> Value:
        """Its value at a place of the unit interval."""
        if self.all:
            chosen: Value = self.all[min(int(u * len(self.all)), len(self.all) - 1)]
            return chosen
        assert self.low is not None and self.high is not None
        if self.scale == "log":
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        return round(value) if self.whole else value

    def ends(self) -> tuple[Value, Value]:
        """Its two values in a factorial."""
        return self.at(0.0), self.at(1.0)

    def settings(self, value: Value, own: Sequence[tuple[str, float]] = ()) -> list[tuple[str, Any]]:
        """(path, value) of every setting that a value stands for.

        own: relative: path and number of each of its places in the scenario.
        """
        if self.relative:
            share = float(value) * self.times
            return [
                (path, round(share * number) if isinstance(number, int) else share * number)
                for path, number in own
            ]
        if self.levels:
            return list(list(self.levels.values())[self.all.index(value)].items())
        if self.concentration:
            shares = shares_of(float(value), len(self.concentration))
            follow = {"share": 1.0, **self.in_proportion}
            return [
                (f"venues.{venue}.{path}", total * share)
                for venue, share in zip(self.concentration, shares, strict=True)
                for path, total in follow.items()
            ]
        paths = (self.path,) if isinstance(self.path, str) else self.path
        put = value * self.times if self.times != 1.0 and not isinstance(value, (bool, str)) else value
        return [(path, put) for path in paths]


def _numbers(names: list[str]) -> tuple[Any, ...]:
    """Names as numbers if all of them are."""
    try:
        found = [float(name) for name in names]
    except ValueError:
        return tuple(names)
    return tuple(int(value) if value.is_integer() else value for value in found)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shares_of(index: float, venues: int) -> list[float]:
    """Shares of so many venues that fall geometrically and whose squares sum to a Herfindahl-Hirschman index.

    Args:
        index: from 1/venues (all equal) to below 1 (one venue has nearly all).
        venues: their number, 2 or more.
    """
    powers = np.arange(venues)

    def excess(ratio: float) -> float:
        shares = ratio**powers / (ratio**powers).sum()
        return float((shares**2).sum()) - index

    ratio = 1.0 if abs(index - 1.0 / venues) < 1e-9 else float(brentq(excess, 1e-12, 1.0))
    shares = ratio**powers / (ratio**powers).sum()
    return [round(float(share), 9) for share in shares]
