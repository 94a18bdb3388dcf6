"""The figures of one run that look at one thing each, by the name of their file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from matplotlib.figure import Figure

from experiments import drawing
from experiments.figures.book import depth
from experiments.figures.channels import network
from experiments.figures.descent import cascade_tree
from experiments.figures.equity import equity
from experiments.figures.forced import forced
from experiments.figures.liquidation_map import liquidation_map
from experiments.figures.makers import makers
from experiments.figures.overview import overview
from experiments.figures.page import page
from experiments.figures.prices import prices
from experiments.readings import Unmeasured
from experiments.run import Run, RunError

GALLERY: dict[str, Callable[[Run], Figure]] = {
    "overview": overview,
    "prices": prices,
    "book": depth,
    "forced": forced,
    "liquidation_map": liquidation_map,
    "equity": equity,
    "makers": makers,
    "network": network,
    "cascade_tree": cascade_tree,
}


def gallery(run: Run, begun: Callable[[str], object] = lambda what: None) -> Iterator[tuple[str, Figure]]:
    """Name and figure, one after the other; what a run cannot show at all is a page that says why.

    `begun` is told the name of a figure before it is drawn.
    """
    for name, draw in GALLERY.items():
        begun(name)
        try:
            figure = draw(run)
        except (Unmeasured, RunError) as reason:
            if name == "overview":
                raise
            figure, (ax,) = page(run, name.replace("_", " ").capitalize(), [1.6])
            words = str(reason)

            def refuse(ax: object, runs: object, words: str = words) -> None:
                raise Unmeasured(words)

            drawing.plain(ax, refuse, [run])
            ax.set_axis_off()
        yield name, figure
