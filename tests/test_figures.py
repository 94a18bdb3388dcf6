"""Figures: what they draw is what the runs hold; what a run lacks is said in its panel."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from abm.recording import Recording
from experiments import drawing, figures, readings
from experiments.run import Run
from tests import made_up_event as event


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("event")
    return [
        event.write(event.recording(seed, depth=depth), folder / f"seed-{seed}", seed=seed)
        for seed, depth in ((1, 1.0), (2, 2.0), (3, 3.0))
    ]


def drawn(draw: drawing.Draw, runs: list[Run]) -> Axes:
    ax = Figure().subplots()
    drawing.panel(ax, draw, runs)
    return ax


def labels(ax: Axes) -> list[str]:
    return ax.get_legend_handles_labels()[1]


@pytest.mark.slow
def test_october_writes_every_figure(seeds: list[Run], tmp_path: Path) -> None:
    paths = figures.october(seeds[:2], tmp_path / "figures")
    names = ["btc_path", "liquidations_adl", "open_interest", "depth", "gap", "funds", "october"]
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
    with pytest.raises(ValueError, match="no run"):
        figures.october([], tmp_path)


def test_overview_of_one_run(seeds: list[Run]) -> None:
    figure = figures.overview(seeds[0])
    assert len(figure.axes) == 5 and figure.get_suptitle() == "made-up event  (seed 1)"
    assert not any("not drawn" in text.get_text() for ax in figure.axes for text in ax.texts)
    price = figure.axes[0]
    assert set(labels(price)) == {name for name in event.BOOKS if ":BTC-" in name}


def test_every_panel_says_what_one_sees_and_in_which_unit(seeds: list[Run]) -> None:
    for panels in figures.PANELS.values():
        for ax in figures.one(seeds[:1], panels).axes:
            assert ax.get_title(loc="left") and ax.get_ylabel()


def test_a_venue_has_one_colour_and_who_stands_for_many_is_grey(seeds: list[Run]) -> None:
    colours = {venue: drawing.venue_colour(seeds[0], venue) for venue in event.VENUES}
    assert len(set(colours.values())) == len(event.VENUES)
    assert colours["rest"] == drawing.LIGHT and drawing.ink() not in colours.values()


def test_long_lines_are_drawn_as_means_of_blocks(seeds: list[Run]) -> None:
    line = drawn(figures.fund_equity, seeds[:1]).get_lines()[0]
    assert event.STEPS / drawing.POINTS == len(seeds[0].time) / len(line.get_xdata()) == 10
    assert line.get_ydata()[-1] == pytest.approx(-15.0)


def test_path_is_in_minutes_of_the_day(seeds: list[Run]) -> None:
    ax = drawn(figures.btc_path, seeds[:1])
    lines = {line.get_label(): line for line in ax.get_lines()}
    model, real = lines["binance"], lines["real: Binance, closes and range"]
    # the model's binance path is the real one from 20:41 to 22:20: the two lines are the same points
    assert ax.get_xlim() == (1200.0, 1350.0)
    x, y = model.get_xdata(), model.get_ydata()
    keep = (x >= 1241.0) & (x <= 1340.0)
    np.testing.assert_allclose(np.column_stack([x[keep], y[keep]])[:5], real.get_xydata()[:5])


def test_bars_add_up(seeds: list[Run]) -> None:
    ax = drawn(figures.liquidations, seeds[:1])
    heights = np.array([bar.get_height() for bar in ax.patches])
    assert heights[heights > 0].sum() == pytest.approx(10_000.0)  # millions: 20 % and 80 % of 1e10
    assert heights[heights < 0].sum() == pytest.approx(-1000.0)
    adl = drawn(figures.deleveraging, seeds[:1])
    assert sum(bar.get_height() for bar in adl.patches) == pytest.approx(2100.0)  # millions


def test_several_seeds_are_a_median_and_a_band(seeds: list[Run]) -> None:
    ax = drawn(figures.bids, seeds)
    first = ax.get_lines()[0].get_ydata()[0]
    assert first == pytest.approx(0.25 * 700 * 2.0)  # the middle one of depth 1, 2, 3
    assert len(ax.collections) == 1
    assert len(drawn(figures.bids, seeds[:1]).collections) == 0


def test_a_fund_that_begins_with_nothing_is_drawn_and_all_are_in_dollars(tmp_path: Path) -> None:
    """There is no share of nothing: the vault of hyperliquid begins empty and ends with a million."""
    record = event.recording()
    equity = record.venues["fund_equity"].copy()
    equity[:, event.VENUES.index("hyperliquid")] = np.linspace(0.0, 1e6, len(equity))
    run = event.write(
        dataclasses.replace(record, venues={**record.venues, "fund_equity": equity}), tmp_path / "run"
    )
    ax = drawn(figures.fund_equity, [run])
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    assert set(event.SHARES) == {name for name in lines if not name.startswith("_")}
    assert ax.get_ylabel() == "M$" and lines["hyperliquid"][-1] == pytest.approx(1.0, rel=1e-2)
    assert lines["binance"][-1] == pytest.approx(-0.15 * 0.25 * 4e9 / 1e6)


@pytest.mark.slow
def test_no_news_no_usd_no_funds_no_ticks(tmp_path: Path) -> None:
    """Without news nothing is marked; what cannot be drawn is said in its own panel, the others stay."""
    record = event.recording()
    empty: Recording = dataclasses.replace(
        record,
        books={name: np.full_like(values, np.nan) for name, values in record.books.items()},
        venues={name: np.zeros_like(values) for name, values in record.venues.items()},
        events={name: values[:0] for name, values in record.events.items()},
    )
    run = event.write(empty, tmp_path / "run", news=[])
    said = [text.get_text() for ax in figures.overview(run).axes for text in ax.texts]
    nothing = "not drawn: nothing was liquidated or auto-deleveraged"
    assert said == [nothing, "not drawn: no venue has a fund"]
    assert drawn(figures.gap, [run]).texts[0].get_text().startswith("not drawn: ")
    paths = figures.october([run, run], tmp_path / "figures")
    assert all(path.exists() for path in paths)


def test_a_short_run_without_perps(tmp_path: Path) -> None:
    """Ten steps of one spot book: enough for an overview."""
    record = event.recording()
    spot = event.BOOKS.index("coinbase:BTC-SPOT")
    short = dataclasses.replace(
        record,
        step=record.step[:10],
        time=record.time[:10],
        book_names=["coinbase:BTC-SPOT"],
        books={name: values[:10, [spot]] for name, values in record.books.items()},
        venues={name: values[:10] for name, values in record.venues.items()},
        events={},
    )
    assert len(figures.overview(event.write(short, tmp_path / "run")).axes) == 5


def test_what_happens_at_the_end_of_a_bin_is_of_that_bin(seeds: list[Run]) -> None:
    """As in the columns of steps, of which `overview` draws its bars: the two figures show the same bars."""
    run = seeds[0]
    first, last = drawing.extent(run)
    width = drawing.bin_width(run, last - first)
    time, worth = np.array([width, width + 1.0, last]), np.array([1e6, 2e6, 4e6])
    sums = readings.gather(time, worth, first, last, width)
    assert sums[0] == 1e6 and sums[1] == 2e6 and sums[-1] == 4e6 and sums.sum() == 7e6


def test_places_on_a_line_are_level() -> None:
    """A layout of two nodes is level up to rounding, which is not to fill the picture."""
    from experiments.figures.channels import places

    class Two:
        venues = ("alpha", "beta")
        edges = ("alpha>beta:USDT", "beta>alpha:USDT")

    where = places(Two())  # type: ignore[arg-type]
    assert sorted(where.values()) == [(-1.0, 0.0), (1.0, 0.0)]


def test_no_global_state(tmp_path: Path) -> None:
    """Drawing needs no pyplot, so it can neither leak figures nor open a window."""
    code = "import sys, experiments.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_figure_of_a_run_is_drawn_or_says_what_it_lacks(seeds: list[Run]) -> None:
    drawn_ones = dict(figures.gallery(seeds[0]))
    assert list(drawn_ones) == list(figures.GALLERY)
    said = {
        name: " ".join(text.get_text().replace("\n", " ") for ax in figure.axes for text in ax.texts)
        for name, figure in drawn_ones.items()
    }
    assert "record.fills=true" in said["forced"] and "record.fills=true" in said["cascade_tree"]
    assert "record.quotes" in said["makers"] and "[[network.edges]]" in said["network"]
    assert "not drawn" not in said["prices"] and "not drawn" not in said["book"]


def test_the_book_is_spread_evenly_between_the_distances_that_are_recorded(seeds: list[Run]) -> None:
    from experiments.figures.book import density

    run, book = seeds[0], "binance:BTC-PERP"
    middle = float(run.column("mid", book=book)[0])
    price = middle * np.array([0.94, 0.97, 0.999, 1.004, 1.03])
    shown = density(run, book, np.array([0]), price)[:, 0]
    within = {band: float(run.column(f"depth_bid_{band}", book=book)[0]) for band in ("050", "200", "500")}
    assert np.isnan(shown[0])
    assert shown[1] == pytest.approx((within["500"] - within["200"]) / 30) == pytest.approx(shown[4])
    assert shown[2] == pytest.approx(within["050"] / 5) == pytest.approx(shown[3])


def test_a_dark_page_is_dark_and_leaves_nothing_behind(seeds: list[Run], tmp_path: Path) -> None:
    import matplotlib
    from matplotlib.image import imread

    before = dict(matplotlib.rcParams)
    for dark in (False, True):
        with drawing.look(dark):
            figures.overview(seeds[0]).savefig(tmp_path / f"{dark}.png", dpi=40)
        corner = imread(tmp_path / f"{dark}.png")[2, 2, :3]
        assert (corner < 0.2).all() if dark else (corner > 0.9).all()
    assert dict(matplotlib.rcParams) == before
