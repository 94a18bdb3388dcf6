"""What stood still: desks' inventories where they were, and transfers that waited, were shut out or refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments import congestion, drawing, readings
from experiments.drawing import Runs
from experiments.october_report.tables import Table, count, money
from experiments.readings import Floats, Unmeasured
from experiments.run import Run

DESKS = ("market_maker", "arbitrageur")
SHOWN = 14  # resources told


def tables(runs: Sequence[Run]) -> list[Table]:
    """Tables of the first run: inventories move little between seeds, queues are told as they were in one evening."""
    run = runs[0]
    return [_inventories(run), *_queues(run)]


def _inventories(run: Run) -> Table:
    """Perpetuals of makers and arbitrageurs by venue, at the start and at the end."""
    desks = [name for name, entry in run.config["population"].items() if entry["species"] in DESKS]
    venues = [venue for venue in run.venues if readings.books(run, "PERP", venue=venue)]
    lines = []
    for name in desks:
        for label in ("start", "end"):
            held = _held(run, name, label)
            cells = [money(held.get(venue, 0.0)) for venue in venues]
            lines.append([name, label, *cells, money(sum(held.values()))])
    note = "Net, at the mark; minus is short. What a desk holds at one venue it cannot sell at another."
    return Table("Inventories in perpetuals", ["desk", "when", *venues, "all"], lines, note, words=2)


def _held(run: Run, participant: str, label: str) -> dict[str, float]:
    accounts, positions = run.accounts(label), run.positions(label)
    mine = set(accounts["row"][accounts["participant"] == participant].tolist())
    held: dict[str, float] = {}
    books = [_book(run, book) for book in positions["book"].tolist()]
    for row, book, notional in zip(
        positions["row"].tolist(), books, positions["notional"].tolist(), strict=True
    ):
        if row in mine:
            venue = book.partition(":")[0]
            held[venue] = held.get(venue, 0.0) + float(notional)
    return held


def _book(run: Run, book: object) -> str:
    return book if isinstance(book, str) else run.books[int(str(book))]


def _queues(run: Run) -> list[Table]:
    try:
        window = (readings.news_time(run), float(run.time[-1]))
    except Unmeasured:
        window = (0.0, float(run.time[-1]))
    found = congestion.stations(run, window)
    lines = [
        [one.resource, one.kind, count(one.served), count(one.longest), _wait(one.mean), _wait(one.p95),
         f"{100 * one.shut:.0f} %" if one.shut else "-", money(one.blocked)]
        for one in found[:SHOWN]
    ]  # fmt: skip
    head = [
        "resource",
        "kind",
        "sent",
        "longest queue",
        "mean wait",
        "95 % wait within",
        "shut",
        "stuck, dollars x minutes",
    ]
    more = f" {len(found) - SHOWN} more had less." if len(found) > SHOWN else ""
    note = f"From the news on. Stuck: what waited while the resource did not work.{more}"
    tables = [Table("Transfers that waited", head, lines, note, words=2)]
    refused = run.refusals()
    if refused:
        lines = []
        for reason in np.unique(refused["reason"]).tolist():
            these = refused["reason"] == reason
            lines.append(
                [str(reason), count(float(these.sum())), money(float(refused["value"][these].sum()))]
            )
        tables.append(Table("Transfers that were refused", ["reason", "asked", "worth"], lines))
    return tables


def _wait(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "-"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def waiting(ax: drawing.Axes, runs: Runs) -> None:
    """Dollars that wait in the queues of the network, and how many transfers, median over seeds."""
    paths = [_waiting(run) for run in runs]
    scale, unit = drawing.money(np.concatenate(paths))
    drawing.band(
        ax, runs[0], runs[0].time, [path / scale for path in paths], drawing.SHORT, "wait to be sent"
    )
    ax.set_ylim(bottom=0.0)
    drawing.label(ax, "Transfers that wait in queues of wallets, desks and chains", unit)
    drawing.legend(ax)


def _waiting(run: Run) -> Floats:
    """float64[steps]: dollars in all queues at the end of each step."""
    lines = run.stations()
    if not lines:
        raise Unmeasured("the run has no resources in its network")
    total = np.zeros(len(run.time))
    for name in np.unique(lines["resource"]):
        mine = lines["resource"] == name
        at = np.searchsorted(lines["time"][mine], run.time + 1e-9, side="right") - 1
        total += np.where(at >= 0, lines["queue_value"][mine][np.maximum(at, 0)], 0.0)
    return total
