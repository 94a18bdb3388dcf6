"""Pieces of HTML: the ladder, the state of the run, an account's story, two runs side by side.

Whatever comes from a scenario or a run is escaped here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

from experiments.account import Part
from experiments.dashboard.standing import Account, Ladder, Side
from experiments.dashboard.tape import Tape

NONE = "–"
JARGON = (
    "The mark is the price by which a venue reckons margin;"
    " maintenance margin is the least equity that it asks of an account."
    " The mark at which an account fails moves with what else it holds."
)


def money(value: float) -> str:
    """Dollars in few figures."""
    if not np.isfinite(value):
        return NONE
    for scale, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= scale:
            return f"{value / scale:,.2f}{unit}"
    return f"{value:,.0f}"


def number(value: float, places: int = 2) -> str:
    """A number as people write it; small ones by their figures."""
    if not np.isfinite(value):
        return NONE
    return f"{value:,.{places}f}" if value == 0 or abs(value) >= 1 else f"{value:.4g}"


def price(value: float) -> str:
    return f"{value:,.8g}" if np.isfinite(value) and value > 0 else NONE


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of plain texts; columns that begin with a figure stand to the right."""
    lines = [list(line) for line in lines]
    right = [all(_figure(line[k]) for line in lines if len(line) > k) for k in range(len(heads))]
    head = "".join(f"<th{_right(right[k])}>{escape(name)}</th>" for k, name in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_right(right[k])}>{escape(cell)}</td>" for k, cell in enumerate(line))
        + "</tr>"
        for line in lines
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _wide(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table whose words stay whole: where it has no room it is moved sideways."""
    return f"<div class='wide'>{table(heads, lines)}</div>"


def _figure(text: str) -> bool:
    return text[:1] in "+-0123456789–−" if text else True


def _right(yes: bool) -> str:
    return ' class="r"' if yes else ""


def ladder(shown: Ladder, levels: int) -> str:
    """The levels of a book, offers above, bids below, each with a bar of what rests up to it."""
    most = max([*shown.bids.size[:levels].cumsum(), *shown.asks.size[:levels].cumsum(), 1e-12])
    asks = _side(shown.asks, levels, most, "ask")[::-1]
    bids = _side(shown.bids, levels, most, "bid")
    best = [side.price[0] if len(side.price) else np.nan for side in (shown.bids, shown.asks)]
    spread = (best[1] - best[0]) / (best[1] + best[0]) * 2e4
    state = (
        "trading halted"
        if shown.halted
        else f"spread {number(spread)} bp"
        if np.isfinite(spread)
        else "a side is empty"
    )
    middle = f'<tr class="mid"><td>{price(shown.last)}</td><td colspan="3">mark {price(shown.mark)} · {state}</td></tr>'
    gap = ["<tr class='none'><td colspan='4'>&nbsp;</td></tr>"]
    asks, bids = gap * (levels - len(asks)) + asks, bids + gap * (levels - len(bids))
    n = f"{shown.levels[1]:,} levels offered, {shown.levels[0]:,} bid"
    return (
        f'<table class="ladder"><thead><tr><th>price</th><th>coins</th><th>orders</th><th>up to here</th></tr></thead>'
        f"<tbody>{''.join(asks)}{middle}{''.join(bids)}</tbody></table><p class='note'>{n}</p>"
    )


def _side(side: Side, levels: int, most: float, kind: str) -> list[str]:
    total = side.size.cumsum()
    return [
        f'<tr class="{kind}" style="--w:{100 * total[k] / most:.0f}%"><td>{price(side.price[k])}</td>'
        f"<td>{number(side.size[k], 3)}</td><td>{side.orders[k]}</td><td>{number(total[k], 2)}</td></tr>"
        for k in range(min(levels, len(side.price)))
    ]


def standing(accounts: Sequence[Account], name: str, when: str, unit: Callable[[str], str]) -> str:
    """What an owner has and holds at this moment; `unit`: the asset of a book's prices, a venue's accounts."""
    lines, held = [], []
    for one in accounts:
        kind = "isolated" if one.isolated else "cross"
        values = [one.balance, one.equity, one.maintenance]
        leverage = f"{number(one.leverage)} x" if np.isfinite(one.leverage) else NONE
        lines.append([one.venue, kind, unit(one.venue), *(number(value) for value in values), leverage])
        for book, size, entry, mark, fails in one.positions:
            away = 100.0 * (fails / mark - 1.0)
            held.append(
                [
                    book, "long" if size > 0 else "short", number(abs(size), 4),
                    price(entry), price(mark), f"{price(fails)} {unit(book)}",
                    f"{away:+.2f} %" if np.isfinite(away) else NONE,
                ]
            )  # fmt: skip
    heads = ["venue", "margin", "counted in", "balance", "equity", "maintenance", "leverage"]
    text = f"<h4>{escape(name)} at {escape(when)}</h4>"
    if held:
        text += _wide(["position", "side", "coins", "entry", "mark", "liquidated at", "away"], held)
    else:
        text += '<p class="note">holds no position now</p>'
    return text + _wide(heads, lines)


def story(parts: Sequence[Part]) -> str:
    """Why an account was closed: the last part of its story, which is sentences."""
    title, _, told = parts[-1]
    lines = []
    for (line,) in told:
        kind = "step" if line[:1] == " " else "when"
        text = escape(line.strip())
        if text.startswith("what had moved that mark"):
            kind = "why"
        lines.append(f'<p class="{kind}">{text}</p>')
    said = "" if len(lines) < 2 else f'<p class="note">{JARGON}</p>'
    return f'<section class="fate"><h4>{escape(title)}</h4>{"".join(lines)}{said}</section>'


def numbers(parts: Sequence[Part]) -> str:
    """The tables of an account's story, each to be opened; its events are."""
    text = ""
    for title, heads, rows in parts[:-1]:
        if rows:
            is_open = " open" if title.startswith("events") else ""
            text += f"<details{is_open}><summary>{escape(title)}</summary>"
            text += f"{_wide(heads, rows)}</details>"
    return text


def faults(lines: Iterable[str]) -> str:
    """What was refused, and why, in the config's own words."""
    return "".join(f'<p class="fault">{escape(line)}</p>' for line in lines)


def beside(tape: Tape, previous: Tape | None, changes: Sequence[str]) -> str:
    """This run and the one before at the same moment."""
    if previous is None:
        return '<p class="note">The run before this one appears here, and dotted in the charts, once there is one.</p>'
    until = min(tape.now, previous.now)
    lines = []
    for (what, now), (_, then) in zip(measures(tape, until), measures(previous, until), strict=True):
        lines.append([what, _shown(what, now), _shown(what, then), _shown(what, now - then, True)])
    said = "".join(f"<li>{escape(change)}</li>" for change in changes) or "<li>nothing was changed</li>"
    return f"<ul class='changes'>{said}</ul>" + table(
        [f"until {tape.clock(until)}", "this run", "the one before", "difference"], lines
    )


def _shown(what: str, value: float, sign: bool = False) -> str:
    if not np.isfinite(value):
        return NONE
    text = f"{value:,.2f}" if "%" in what else money(value)
    return f"+{text}" if sign and value > 0 else text


def measures(tape: Tape, until: float) -> list[tuple[str, float]]:
    """What two runs are compared by, up to a moment."""
    last = int(np.searchsorted(tape.steps.column("time"), until + 1e-9, side="right"))
    found: list[tuple[str, float]] = []
    coin = tape.coins()[0] if tape.books else ""
    for k in tape.of_coin(coin)[:2]:
        low, mark = tape.steps.column("books.low")[:last], tape.steps.column("books.mark")[:last]
        known = low[:, k][np.isfinite(low[:, k])] if last else np.zeros(0)
        start = mark[0, k] if last else np.nan
        fall = 100.0 * (known.min() / start - 1.0) if len(known) else np.nan
        found.append((f"lowest trade of {tape.books[k]}, %", fall))
    for name, words in (
        ("liquidated_long", "longs liquidated, USD"), ("liquidated_short", "shorts liquidated, USD"),
        ("adl", "winners auto-deleveraged, USD"), ("takeover", "taken over by funds, USD"),
    ):  # fmt: skip
        found.append((words, float(tape.steps.column(f"venues.{name}")[:last].sum()) if last else 0.0))
    fund = tape.steps.column("venues.fund_equity")[:last]
    found.append(("funds, against the start, USD", float(fund[-1].sum() - fund[0].sum()) if last else 0.0))
    return found
