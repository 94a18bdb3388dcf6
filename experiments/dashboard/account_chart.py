"""One account in a picture: the mark of its book against what it paid and the mark at which it fails."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, NumeralTickFormatter, Range1d, Span
from bokeh.plotting import figure

from experiments.dashboard import charts, closings, style
from experiments.dashboard.session import Told
from experiments.dashboard.tape import Tape
from experiments.drawing import PAPER

POINTS = 400  # of the mark's line


def account_chart(tape: Tape, told: Told, duration: float, dark: bool) -> figure | None:
    """The chart of an owner's book: of the largest closing, else of its largest opening position; None: neither.

    Its time is the whole run's, `duration` seconds, however far that has come.
    """
    mine = closings.of(tape, told.owner)
    book = _book(tape, told, mine)
    if book not in tape.books:
        return None
    shown = slice(0, tape.steps.count, max(1, tape.steps.count // POINTS))
    x = charts.clock(tape, tape.steps.column("time")[shown])
    mark = tape.steps.column("books.mark")[shown, tape.books.index(book)]
    title = f"Mark of {book}, {tape.unit(book)}"
    whole = charts.span(tape, duration)
    made = style.chart(dark, title, 220, x_range=Range1d(*whole))
    charts.time_axis(made)
    made.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
    made.line(x, mark, color=style.ACCENT[dark], line_width=1.5, legend_label="mark")
    for one in told.openings:
        if one.book == book:
            _level(made, whole, one.entry, PAPER[dark][2], "dashed", "mean entry at the start")
            _level(made, whole, one.liquidation, style.SHUT, "solid", "liquidated at, as of the start")
    own = mine[tape.events.column("book")[mine] == tape.every_book.index(book)]
    if len(own):
        at, price, at_mark = (tape.events.column(name)[own] for name in ("time", "price", "mark"))
        where = np.where(np.isfinite(at_mark), at_mark, price)
        dots = ColumnDataSource({"x": charts.clock(tape, at), "y": where})
        label = "closed by force, at this mark"
        made.scatter(
            "x", "y", source=dots, size=9, color=style.SHUT, line_color=PAPER[dark][1], legend_label=label
        )
        first = float(charts.clock(tape, at[0]))
        made.add_layout(
            Span(location=first, dimension="height", line_color=PAPER[dark][2], line_dash="dotted")
        )
    style.legend(made, dark, "bottom_left")
    return made


def _book(tape: Tape, told: Told, mine: closings.Places) -> str:
    if len(mine):
        value = np.nan_to_num(tape.events.column("value")[mine])
        return tape.every_book[int(tape.events.column("book")[mine[int(np.argmax(value))]])]
    return told.openings[0].book if told.openings else ""


def _level(
    made: figure, whole: tuple[float, float], price: float | None, colour: str, dash: str, label: str
) -> None:
    if price is not None and np.isfinite(price):
        made.line(
            list(whole), [price, price], color=colour, line_dash=dash, line_width=1.4, legend_label=label
        )
