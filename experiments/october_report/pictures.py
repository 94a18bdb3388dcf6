"""Figures as they stand in the page: inside the file, as lines where that is not larger than dots."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

LARGEST_SVG = 400_000  # bytes; a figure with more lines than this is kept as dots
QUIET = {"Date": None, "Creator": None}  # nothing of the day or the program: same runs, same page


class Picture(NamedTuple):
    """An image as a data address, and what it shows."""

    source: str
    about: str


def picture(figure: Figure, about: str) -> Picture:
    """The figure as SVG, or as PNG where that would be larger than LARGEST_SVG."""
    lines = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": about}):
        figure.savefig(lines, format="svg", metadata=QUIET)
    if lines.tell() <= LARGEST_SVG:
        return Picture(f"data:image/svg+xml;base64,{_text(lines)}", about)
    dots = io.BytesIO()
    figure.savefig(dots, format="png", metadata={"Software": None})
    return Picture(f"data:image/png;base64,{_text(dots)}", about)


def _text(file: io.BytesIO) -> str:
    return base64.b64encode(file.getvalue()).decode()


Drawer = Callable[[], Figure]


def pictures(drawn: Sequence[tuple[Drawer, str]]) -> list[Picture]:
    return [picture(draw(), about) for draw, about in drawn]
