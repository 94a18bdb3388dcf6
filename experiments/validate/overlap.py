"""B22: overlapping portfolios: Caccioli, Shrestha, Moore and Farmer (2014), in books that are called.

Funds hold random coins on credit (`agents.overlapping_fund`); one fails from outside, and what it sells brings others
down. Each venue is a market of its own. Two signs are tested: failures do not spread below a threshold of leverage, and
they spread most at a middling diversification. A cascade is a venue where at least `global_share` of the funds failed.
"""

from __future__ import annotations

import numpy as np

from abm.parameters import Frozen, parameter
from agents.overlapping_fund import FAILED
from experiments.run import Run
from experiments.validate import lab
from experiments.validate.lab import Lab
from experiments.validate.table import Row, row

PRICE = 100.0


class Parameters(Frozen):
    """Leverage and diversification, each varied with the other at its base."""

    leverages: tuple[float, ...] = parameter(
        (2.0, 5.0, 10.0, 20.0, 40.0), "Assets over equity, rising", unit="1"
    )
    diversifications: tuple[float, ...] = parameter(
        (0.5, 1.5, 3.0, 6.0, 15.0), "Coins a fund, rising", unit="coins"
    )
    leverage: float = parameter(20.0, "Leverage where diversification is varied", unit="1")
    diversification: float = parameter(3.0, "Diversification where leverage is varied", unit="coins")
    funds: int = parameter(40, "Funds of a market", ge=5)
    coins: int = parameter(40, "Coins of a market", ge=2)
    markets: int = parameter(24, "Markets of each cell", ge=2)
    global_share: float = parameter(0.2, "Failed funds that make a cascade", unit="share", gt=0, le=1)


def rows(p: Parameters, work: Lab) -> list[Row]:
    """How often failures spread, for every cell, then the two signs."""
    markets = 8 if work.quick else p.markets
    cells = {(leverage, p.diversification) for leverage in p.leverages}
    cells |= {(p.leverage, spread) for spread in p.diversifications}
    ordered = sorted(cells)
    runs = work.run("B22", {_name(*cell): _scenario(p, markets, *cell) for cell in ordered}, [1])
    often = {cell: _cascades(runs[_name(*cell)][0], p) for cell in ordered}
    found = [
        row(f"B22.{number}", f"markets with a cascade, leverage {cell[0]:g}, {cell[1]:g} coins", [often[cell]],
            -lab.ANY, lab.ANY, role="cell", unit="share", why=f"{markets} markets of {p.funds} funds")
        for number, cell in enumerate(ordered, 1)
    ]  # fmt: skip
    by_leverage = np.array([often[leverage, p.diversification] for leverage in p.leverages])
    by_spread = np.array([often[p.leverage, spread] for spread in p.diversifications])
    middle = float(by_spread[1:-1].max()) if len(by_spread) > 2 else float("nan")
    least = 2.0 * float(np.sqrt(0.5 / markets))  # two standard errors of a difference of shares
    return [
        *found,
        row("B22.a", "cascades at the lowest leverage", [by_leverage[0]], 0.0, 0.05, unit="share", role="benchmark",
            why="below the threshold none"),
        row("B22.b", "more of them at the highest leverage by", [by_leverage[-1] - by_leverage[0]], least, 1.0,
            unit="share", role="benchmark", why=_told(p.leverages, by_leverage),
            holds=bool((np.diff(by_leverage) > -least).all())),
        row("B22.c", "more at a middling diversification than at either end by",
            [middle - max(by_spread[0], by_spread[-1])], least, 1.0, unit="share", role="benchmark",
            why=_told(p.diversifications, by_spread)),
    ]  # fmt: skip


def _told(levels: tuple[float, ...], shares: np.ndarray) -> str:
    return ", ".join(f"{level:g}: {share:.2f}" for level, share in zip(levels, shares, strict=True))


def _name(leverage: float, spread: float) -> str:
    return f"leverage{leverage:g}-coins{spread:g}"


def _scenario(p: Parameters, markets: int, leverage: float, spread: float) -> lab.Scenario:
    calls = 30
    raw = lab.called(lab.plain_books(markets, PRICE, 0.01, 0.0001, 2 * calls + 6, 1.0), 100.0, PRICE)
    names = [f"C{number:03d}" for number in range(p.coins)]
    asset, contract = raw["assets"].pop(lab.COIN), raw["contracts"].pop(lab.COIN)
    raw["assets"] |= dict.fromkeys(names, asset)
    raw["contracts"] |= dict.fromkeys(names, contract)
    for venue in raw["venues"].values():
        venue["spots"] = names
    raw["population"]["funds"] = lab.desk(
        "overlapping_fund", lab.venue_names(markets), p.funds + 1, 1.0, 100.0,
        leverage=leverage, diversification=spread, calls=calls,
    )  # fmt: skip
    raw["record"] |= {"every": 10, "books": [f"{lab.venue_names(1)[0]}:{names[0]}-SPOT"]}
    return lab.scenario(raw)


def _cascades(run: Run, p: Parameters) -> float:
    """Share of the markets in which failures have spread."""
    seen = run.observations()
    assert seen is not None  # every market says what became of it
    failed = np.asarray(seen["value"])[np.asarray(seen["what"]) == FAILED]
    return float((failed >= p.global_share).mean())
