"""What a firm may hold, in plain numpy: the twin of `agents.capital.limits`."""

from __future__ import annotations

import numpy as np

from agents.capital import Books, Floats, Mask, Stations


def limits(
    s: Stations, books: Books, equity: Floats, leverage: float, risk: float, bar: float
) -> tuple[Floats, Mask]:
    """As `agents.capital.limits`."""
    spot, price, convert, sigma = (column[s.book] for column in books)
    rows, firms = len(equity), int(s.firm.max(initial=-1)) + 1
    worth, away = np.maximum(equity, 0.0), s.held - s.home
    used = np.bincount(s.row, np.where(spot, 0.0, np.abs(s.held) * price), rows)
    room = np.maximum(leverage * worth - used, 0.0)[s.row] / price
    at_perpetual = np.abs(away) + room
    at_spot = np.where(away < 0, np.maximum(s.home, 0.0), away + worth[s.row] / price)
    most = np.where(spot, at_spot, at_perpetual)
    # an account has stations at many books and counts once
    once = np.unique(s.row, return_index=True)[1]
    value = np.where(spot, np.maximum(s.held, 0.0) * price * convert, 0.0)
    capital = np.bincount(s.firm, value, firms)
    capital += np.bincount(s.firm[once], worth[s.row[once]] * convert[once], firms)
    move = np.maximum(bar * sigma * np.sqrt(s.wait), 1e-9)
    bearable = risk * capital[s.firm] / (move * price * convert)
    return np.maximum(np.minimum(most, bearable), 1e-12), most <= bearable
