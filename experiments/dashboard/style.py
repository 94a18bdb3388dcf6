"""The look of the dashboard: the colours of the figures, light and dark, for the page and for Bokeh's charts."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from bokeh.models import CustomJS, GlyphRenderer, Range1d
from bokeh.plotting import figure

from experiments.drawing import ASK, BID, LIGHT, LONG, PALETTE, PAPER, SHORT
from experiments.readings import AGGREGATES

INSIDE = (Path(__file__).parent / "inside.css").read_text(encoding="utf-8")
ADL = {False: "#7F3C8D", True: "#C58BE0"}
SHUT, IDLE = "#D55E00", {False: "#B9BEC4", True: "#4A525A"}
# how many transfers wait on an edge: nobody, a few, many; told apart by the colour-blind
WAITING = ("#0072B2", "#E69F00", "#D55E00")
CARD = {False: "#F6F7F8", True: "#1C2024"}
DASHES = ("solid", "dashed", "dotdash")  # of lines whose colours are used up
MANY = 6  # lines that a legend in a corner can tell
ACCENT = {False: "#0072B2", True: "#56B4E9"}


def venue_colours(venues: list[str]) -> dict[str, str]:
    """The same as in the figures of a run: by the order of its venues."""
    real = [venue for venue in venues if venue not in AGGREGATES]
    found = dict(zip(real, cycle(PALETTE), strict=False))
    return {venue: found.get(venue, LIGHT) for venue in venues}


def variables(dark: bool) -> str:
    """The colours as variables of CSS, for the page and for what is drawn inside a shadow root."""
    page, ink, faint, grid = PAPER[dark]
    named = {
        "page": page, "ink": ink, "faint": faint, "grid": grid, "card": CARD[dark], "accent": ACCENT[dark],
        "long": LONG, "short": SHORT, "bid": BID, "ask": ASK, "adl": ADL[dark], "shut": SHUT,
    }  # fmt: skip
    return ":root{" + "".join(f"--{name}:{value};" for name, value in named.items()) + "}"


def chart(dark: bool, title: str, height: int, *, x_range: Range1d | None, **more: Any) -> figure:
    """An empty chart over UTC time in the common style; the wheel zooms, dragging moves, a double click resets."""
    page, ink, faint, grid = PAPER[dark]
    settings: dict[str, Any] = {"x_axis_type": "datetime", "tools": "xpan,xwheel_zoom,reset,save"} | more
    if x_range is not None:
        settings["x_range"] = x_range
    made = figure(
        height=height, sizing_mode="stretch_width", title=title, toolbar_location="right", **settings
    )
    made.toolbar.logo = None
    made.toolbar.autohide = True
    if x_range is not None:
        made.toolbar.active_scroll = made.tools[1] if "xwheel_zoom" in str(settings["tools"]) else None
    made.background_fill_color = made.border_fill_color = CARD[dark]
    made.outline_line_color = None
    made.title.text_color, made.title.text_font_size = ink, "12px"
    made.title.text_font = "system-ui, sans-serif"
    for axis in (*made.xaxis, *made.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = faint
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = faint
        axis.major_label_text_font = axis.axis_label_text_font = "system-ui, sans-serif"
        axis.major_label_text_font_size = "11px"
    made.xgrid.grid_line_color = None
    made.ygrid.grid_line_color = grid
    return made


def sample(shown: GlyphRenderer, of: GlyphRenderer) -> None:
    """Let the legend show a twin of what is drawn, without data, which it hides and shows.

    A legend is made anew, line by line, whenever anything changes in what it shows or in what that refers to: with the
    growing data in it this takes a browser longer than all else. So the twin knows its line by name alone.
    """
    code = f"cb_obj.document.get_model_by_id({of.id!r}).visible = cb_obj.visible;"
    shown.js_on_change("visible", CustomJS(code=code))


def legend(
    made: figure, dark: bool, place: str = "top_left", columns: int = 1, wide: int = 4, many: int = MANY
) -> None:
    """The legend in its corner, or, more than `many`, in `wide` columns below, for they would cover the lines.

    A click hides one.
    """
    for one in list(made.legend):
        if len(one.items) > many:
            made.center.remove(one)
            made.add_layout(one, "below")
            columns = wide
            made.height += 13 * -(-len(one.items) // wide) + 10
        one.stylesheets = [".bk-grid { column-gap: 14px; }"]
        one.location, one.ncols, one.click_policy = place, columns, "hide"
        one.label_text_font_size, one.label_text_color = "10px", PAPER[dark][1]
        one.label_text_font = "system-ui, sans-serif"
        one.background_fill_color, one.background_fill_alpha = CARD[dark], 0.75
        one.border_line_color, one.spacing, one.padding, one.margin = None, 0, 3, 4
        one.glyph_height = one.label_height = 12


def dress(what: Any) -> None:
    """Give a part of the page and all inside it the page's style: a shadow root sees no style from outside."""
    for one in what.select(lambda _: True):
        if INSIDE not in one.stylesheets:
            one.stylesheets = [*one.stylesheets, INSIDE]
