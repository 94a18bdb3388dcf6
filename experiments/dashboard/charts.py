"""The charts of a tab: each is told to catch up with the tape and sends the browser what is new, and no more.

Lines have a point every few steps, so that a run of hours has about `POINTS` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CustomJSTickFormatter,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
    TapTool,
)  # fmt: skip
from bokeh.plotting import figure
from numpy.typing import NDArray

from experiments.dashboard import closings, style
from experiments.dashboard.tape import Tape
from experiments.drawing import LIGHT, LONG, PAPER, SHORT

POINTS = 1500
BINS = 120
DOTS = 3000
CALM = 0.02  # of a fund: the height of its chart while nothing has happened
MONEY = """
const a = Math.abs(tick), s = tick < 0 ? "-" : "";
const apart = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : a;  // neighbours are told apart
const figures = Math.min(12, Math.max(3, a ? 2 + Math.floor(Math.log10(a)) - Math.floor(Math.log10(apart)) : 3));
for (const [k, u] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) if (a >= k) return s + +(a / k).toPrecision(figures) + u;
return s + +a.toPrecision(figures);
"""
Values = NDArray[Any]


def clock(tape: Tape, seconds: Any) -> Any:
    """Milliseconds of UTC for Bokeh's time axis."""
    return tape.start.timestamp() * 1000.0 + np.asarray(seconds, dtype=float) * 1000.0


def time_axis(made: figure) -> None:
    form = "%H:%M:%S"
    made.xaxis.formatter = DatetimeTickFormatter(
        milliseconds=form,
        seconds=form,
        minsec=form,
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
    )


class Lines:
    """Lines over the time of the run, one a name, and fainter those of the run before.

    Args:
        made: the chart they are drawn in.
        names, colours, dashes: of the lines.
        read: their values at lines of the tape, [lines, names].
        every: a point every so many lines of the tape.
    """

    def __init__(
        self,
        made: figure,
        names: Sequence[str],
        colours: Sequence[str],
        read: Callable[[Tape, slice], Values],
        every: int,
        dashes: Sequence[str] = (),
        times: Callable[[Tape], Values] = lambda tape: tape.steps.column("time"),
    ) -> None:
        self.made, self.colours, self.read, self.every, self.times = made, colours, read, every, times
        self.names = [f"y{k}" for k in range(len(names))]
        self.source = ColumnDataSource({name: [] for name in ("x", *self.names)})
        self.seen = 0
        for k, name in enumerate(names):
            dash = dashes[k] if dashes else "solid"
            behind = "underlay" if colours[k] == LIGHT else "glyph"  # who stands for many follows the others
            line = made.line(
                "x",
                f"y{k}",
                source=self.source,
                color=colours[k],
                line_width=1.4,
                line_dash=dash,
                level=behind,
            )
            twin = made.line(
                np.nan, np.nan, color=colours[k], line_width=1.4, line_dash=dash, legend_label=name
            )
            style.sample(twin, line)

    def _lines(self, tape: Tape, first: int, last: int) -> dict[str, Values]:
        """Points of lines first to last of the tape, those that are shown."""
        begin = -(-first // self.every) * self.every
        part = slice(begin, last, self.every)
        values = self.read(tape, part)
        return {
            "x": clock(tape, self.times(tape)[part]),
            **{n: values[:, k] for k, n in enumerate(self.names)},
        }

    def begin(self, tape: Tape, previous: Tape | None) -> None:
        """All that is there, and under it the run before."""
        self.seen = len(self.times(tape))
        self.source.data = self._lines(tape, 0, self.seen)  # type: ignore[assignment]
        if previous is not None and self._alike(tape, previous):
            before = ColumnDataSource(self._lines(previous, 0, len(self.times(previous))))
            for name, colour in zip(self.names, self.colours, strict=True):
                self.made.line(
                    "x", name, source=before, color=colour, line_width=1.6, line_dash="dotted", alpha=0.55,
                    level="underlay",
                )  # fmt: skip

    def _alike(self, tape: Tape, previous: Tape) -> bool:
        names = ("start", "books", "venues", "participants")
        return all(getattr(tape, name) == getattr(previous, name) for name in names)

    def follow(self, tape: Tape) -> None:
        """What is new."""
        last = len(self.times(tape))
        if last > self.seen:
            new = self._lines(tape, self.seen, last)
            if len(new["x"]):
                self.source.stream({name: values.tolist() for name, values in new.items()})
            self.seen = last


class Prices:
    """Latest trades of a coin on every venue, and the positions closed by force as dots that can be clicked."""

    def __init__(self, tape: Tape, coin: str, x_range: Range1d, every: int, dark: bool) -> None:
        self.books = tape.of_coin(coin)
        colours = style.venue_colours(tape.venues)
        names = [tape.books[k] for k in self.books]
        units = " or ".join(dict.fromkeys(filter(None, map(tape.unit, names))))
        self.figure = style.chart(dark, f"{coin}, latest trade by venue, {units}", 330, x_range=x_range)
        self.figure.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
        time_axis(self.figure)
        self.lines = Lines(
            self.figure, [_short(name) for name in names],
            [colours[name.partition(":")[0]] for name in names],
            lambda tape, part: tape.steps.column("books.last")[part][:, self.books],
            every, ["dashed" if name.endswith("-SPOT") else "solid" for name in names],
        )  # fmt: skip
        self.dots = ColumnDataSource(
            {name: [] for name in ("x", "price", "size", "colour", "owner", "who", "what", "value", "book")}
        )
        shown = self.figure.scatter(
            "x", "price", size="size", color="colour", source=self.dots, alpha=0.75, line_color=PAPER[dark][1],
            line_width=0.4, nonselection_alpha=0.75, selection_line_width=2.0,
        )  # fmt: skip
        self.figure.add_tools(
            HoverTool(
                renderers=[shown],
                tooltips=[("", "@what"), ("account", "@who"), ("book", "@book"), ("at", "@price{0,0.[00]}"),
                          ("dollars", "@value{0,0}"), ("", "click: its story")],
            ),
            TapTool(renderers=[shown]),
        )  # fmt: skip
        self.seen, self.names = 0, set(names)
        self.largest = 1.0
        self.adl = style.ADL[dark]
        style.legend(self.figure, dark, "bottom_left", wide=6)

    def begin(self, tape: Tape, previous: Tape | None) -> None:
        self.lines.begin(tape, previous)
        self.seen = 0
        self.dots.data = {name: [] for name in self.dots.data}
        self.follow(tape)

    def follow(self, tape: Tape) -> None:
        self.lines.follow(tape)
        events, last = tape.events, tape.events.count
        if last == self.seen:
            return
        part = slice(self.seen, last)
        self.seen = last
        books = [tape.every_book.index(name) for name in self.names]
        kind, book, value = (events.column(name)[part] for name in ("kind", "book", "value"))
        mine = np.flatnonzero(np.isin(kind, closings.kinds(tape)) & np.isin(book, books) & (value > 0))
        if not len(mine):
            return
        mine = mine[np.sort(np.argsort(-value[mine], kind="stable")[:DOTS])]  # of a whole run the largest
        lines = {name: events.column(name)[part][mine] for name in ("time", "price", "mark", "side", "owner")}
        price = np.where(np.isfinite(lines["price"]), lines["price"], lines["mark"])
        adl = kind[mine] == (tape.kinds.index("adl") if "adl" in tape.kinds else -1)
        self.largest = max(self.largest, float(value[mine].max()))
        colour = np.where(adl, self.adl, np.where(lines["side"] > 0, LONG, SHORT))
        self.dots.stream(
            {
                "x": clock(tape, lines["time"]).tolist(), "price": price.tolist(),
                "size": (3.0 + 13.0 * np.sqrt(value[mine] / self.largest)).tolist(), "colour": colour.tolist(),
                "owner": lines["owner"].tolist(), "who": [tape.name(k) for k in lines["owner"].tolist()],
                "what": [closings.VERBS[tape.kinds[k]] for k in kind[mine].tolist()], "value": value[mine].tolist(),
                "book": [tape.every_book[k] for k in book[mine].tolist()],
            },
            rollover=DOTS,
        )  # fmt: skip


def _short(book: str) -> str:
    """A book of the chart's coin: its venue, and whether it is spot."""
    return book.partition(":")[0] + (" spot" if book.endswith("-SPOT") else "")


class Flow:
    """Dollars closed by force, all venues, in bins of time: longs, shorts, winners by ADL, one on the other."""

    def __init__(self, tape: Tape, duration: float, x_range: Range1d, dark: bool) -> None:
        self.width = max(1.0, duration / BINS)
        self.bins = int(np.ceil(duration / self.width)) + 1
        self.figure = style.chart(dark, "Closed by force, all venues, USD", 180, x_range=x_range)
        self.figure.yaxis.formatter = CustomJSTickFormatter(code=MONEY)
        self.figure.y_range.start = 0
        time_axis(self.figure)
        self.columns = ("long", "short", "adl")
        x = clock(tape, (np.arange(self.bins) + 0.5) * self.width)
        empty = np.zeros(self.bins)
        self.source = ColumnDataSource({"x": x, **{name: empty.copy() for name in self.columns}})
        colours = (LONG, SHORT, style.ADL[dark])
        bars = self.figure.vbar_stack(
            self.columns, x="x", width=self.width * 920.0, source=self.source, color=colours, line_color=None
        )
        names = ("longs liquidated", "shorts liquidated", "winners auto-deleveraged")
        for bar, colour, name in zip(bars, colours, names, strict=True):
            twin = self.figure.vbar([np.nan], 1, [0], color=colour, line_color=None, legend_label=name)
            style.sample(twin, bar)
        style.legend(self.figure, dark)
        self.sums = np.zeros((3, self.bins))
        self.seen = 0

    def begin(self, tape: Tape, previous: Tape | None) -> None:
        self.seen, self.sums = 0, np.zeros((3, self.bins))
        self.source.data = {**self.source.data, **{name: np.zeros(self.bins) for name in self.columns}}
        self.follow(tape)

    def follow(self, tape: Tape) -> None:
        times = tape.steps.column("time")
        part = slice(self.seen, len(times))
        if part.start == part.stop:
            return
        self.seen = part.stop
        at = np.clip(np.ceil(times[part] / self.width).astype(int) - 1, 0, self.bins - 1)
        for k, name in enumerate(("liquidated_long", "liquidated_short", "adl")):
            flow = tape.steps.column(f"venues.{name}")[part].sum(axis=1)
            if flow.any():
                np.add.at(self.sums[k], at, flow)
                changed = np.unique(at[flow > 0])
                self.source.patch({self.columns[k]: [(int(b), float(self.sums[k, b])) for b in changed]})


def funds(tape: Tape, x_range: Range1d, every: int, dark: bool) -> tuple[figure, Lines]:
    """What insurance funds and vaults have won or lost since the start, of all venues with perpetuals.

    A fund may begin with nothing; and beside a large one that hardly moves a small one is seen, too.
    """
    made = style.chart(dark, "Funds and vaults, against the start, USD", 180, x_range=x_range)
    made.yaxis.formatter = CustomJSTickFormatter(code=MONEY)
    time_axis(made)
    equity = tape.steps.column("venues.fund_equity")
    perps = {name.partition(":")[0] for name in tape.books if name.endswith("-PERP")}
    mine = [k for k, name in enumerate(tape.venues) if name in perps]
    colours = style.venue_colours(tape.venues)
    names = [tape.venues[k] for k in mine]
    if mine:
        begun = float(np.nan_to_num(equity[0, mine]).max()) if len(equity) else 0.0
        made.y_range.default_span = max(CALM * begun, 1.0)
    else:
        made.title.text, made.y_range = "No venue has perpetuals, so none an insurance fund", Range1d(0, 1)
    lines = Lines(
        made, names, [colours[name] for name in names],
        lambda tape, part: _since_start(tape.steps.column("venues.fund_equity")[:, mine], part),
        every,
    )  # fmt: skip
    style.legend(made, dark, "bottom_left", 2)
    return made, lines


def _since_start(values: Values, part: slice) -> Values:
    """Lines of the tape less its first."""
    change: Values = values[part] - values[:1]
    return change


def equity(tape: Tape, x_range: Range1d, dark: bool) -> tuple[figure, Lines]:
    """What the accounts of each participant are worth against the first look, %."""
    made = style.chart(dark, "Equity by participant, against the start, %", 180, x_range=x_range)
    time_axis(made)
    worth = tape.wealth.column("usd")
    mine = [
        k
        for k in range(len(tape.participants))
        if len(worth) and worth[0, k] > 0 and tape.participants[k] != "exchange"
    ]
    names = [tape.participants[k] for k in mine]

    def read(tape: Tape, part: slice) -> Values:
        usd = tape.wealth.column("usd")
        if not len(usd):
            return np.zeros((0, len(mine)))
        change: Values = 100.0 * (usd[part][:, mine] / usd[0, mine] - 1.0)
        return change

    colours = list(style.venue_colours(names).values())
    lines = Lines(
        made, names, colours, read, 1, [style.DASHES[k // len(style.PALETTE) % 3] for k in range(len(names))],
        times=lambda tape: tape.wealth.column("time"),
    )  # fmt: skip
    style.legend(made, dark, "bottom_left", 3, wide=3)
    return made, lines


def span(tape: Tape, duration: float) -> tuple[float, float]:
    """The whole run on the time axis."""
    return float(clock(tape, 0.0)), float(clock(tape, duration))


def moments(tape: Tape, made: figure, times: Sequence[float], colour: str) -> None:
    """Thin lines at moments, such as the news."""
    for at in times:
        x = float(clock(tape, at))
        made.add_layout(BoxAnnotation(left=x, right=x, line_color=colour, line_dash="dotted", line_width=1))
