"""The page: what is on it, in which order, and the one file that it becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from experiments import arbitrage, figures, readings, recorded, scorecard
from experiments.figures.channels import network
from experiments.figures.event import fund_cash, fund_inventory
from experiments.october_report import people, standstill
from experiments.october_report.pictures import Picture, picture
from experiments.october_report.tables import Table, money
from experiments.readings import Unmeasured
from experiments.run import Run, RunError
from experiments.store import write_text

HERE = Path(__file__).parent
NOT_YET = "Not recorded yet."
# recorded results that the page has a place for, by file: heading, what it is
RECORDS = {
    "predicted": ("Predicted card", "Every parameter from sources, calm data, or the hours before the news."),
    "fitted": ("Fitted card", "A few named parameters chosen with the event in view, the rest as predicted."),
    "factorial": (
        "Factorial",
        "Leverage, makers' withdrawal, stops, ADL and own-book collateral price, on and off.",
    ),
    "placebos": (
        "Placebos",
        "The same evening with the stops moved, the news scaled, the reactions slower or faster.",
    ),
}
SHOWN_GAPS = 8


class Section(NamedTuple):
    """One part of the page; `why` says why there is nothing, where there is nothing."""

    id: str
    title: str
    intro: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    texts: Sequence[tuple[str, str, Markup]] = ()  # heading, what it is, HTML
    why: str = ""


def write(
    runs: Sequence[Run], folder: Path, path: Path, command: str, records: Mapping[str, str] | None = None
) -> int:
    """Write the page of finished runs and return its size in bytes.

    Args:
        runs: seeds of one scenario.
        folder: where their card and null runs were told (scorecard.json, nulls.md), and the rows of a whole day.
        path: of the HTML file.
        command: what made them, as typed.
        records: Markdown of recorded results by name; default those of the repository (`recorded.told`).

    Raises ValueError without a run.
    """
    if not runs:
        raise ValueError("no run to report")
    known = recorded.told() if records is None else records
    text = document(runs, folder, command, known)
    write_text(path, text)
    return path.stat().st_size


def document(runs: Sequence[Run], folder: Path, command: str, records: Mapping[str, str]) -> str:
    """The HTML. Texts of runs and records are escaped, or Markdown without HTML."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2")
    return page.render(
        title=runs[0].config.get("title") or runs[0].name,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        command=command,
        seeds=[run.seed for run in runs],
        facts=facts(runs, folder),
        sections=sections(runs, folder, records),
        configuration=tomli_w.dumps(runs[0].config),
        made=[(run.seed, run.digest, run.provenance) for run in runs],
    )


def sections(runs: Sequence[Run], folder: Path, records: Mapping[str, str]) -> list[Section]:
    """All sections in their order; what cannot be told of these runs says why."""
    run = runs[0]
    panels = figures.PANELS
    event = partial(_pictures, runs)
    return [
        Section(
            "prices", "Prices", "BTC by minute on every venue of the model, over the real path in black.",
            event({"BTC on every venue, and as it was": panels["btc_path"]}),
        ),
        _tried("people", "Who was liquidated, who was auto-deleveraged",
               "Means over the seeds, in dollars of that day.", lambda: people.tables(runs),
               event({"Liquidations and ADL by minute and venue": panels["liquidations_adl"],
                      "Open interest": panels["open_interest"]})),
        Section("depth", "Depth", "Resting orders on the largest venue, against the public depth file.",
                event({"Bids within 1 %, asks within 5 %": panels["depth"]})),
        _tried("stuck", "Inventories and stuck transfers",
               f"Seed {run.seed}. What desks held where, and what could not be moved.",
               lambda: [*standstill.tables(runs), *_forgone(run)],
               [*event({"Dollars that wait": (standstill.waiting,)}), *_network(run)]),
        _tried("gaps", "Gaps", f"How far venues were apart; tables of seed {run.seed}.", lambda: _gaps(run),
               event({"Dollar spot above the largest perpetual": panels["gap"]})),
        Section("funds", "Funds", "Insurance funds and vaults: equity, cash, and what they took over.",
                event({"Equity of the funds": panels["funds"][:1], "Cash and positions": (fund_cash, fund_inventory)})),
        _cards(folder, records),
        _recorded("taken-apart", "Taken apart", "What each cause carries.", ("factorial", "placebos"), records),
        _others(folder, records),
        Section("limits", "What this cannot say", texts=[("", "", _html((HERE / "limits.md").read_text("utf-8")))]),
    ]  # fmt: skip


def facts(runs: Sequence[Run], folder: Path) -> list[tuple[str, str, str]]:
    """The few numbers at the top: what, the model's, the real or aimed one beside it."""
    card = _card(folder)
    found = []
    for row in card.get("rows", []):
        if row["id"] in ("1", "3", "15", "21", "41") and row["value"] is not None:
            found.append(
                (
                    row["name"],
                    f"{scorecard.number(row['value'])} {row['unit']}",
                    f"was {scorecard.number(row['central'])}",
                )
            )
    longs = [sum(run.column("liquidated_long").sum(axis=1)[run.time > 0]) for run in runs]
    found.append(
        (
            "longs liquidated in the window, true",
            money(float(sum(longs)) / len(runs)),
            "published: 16.7 B$ in 24 h",
        )
    )
    compared = [row for row in card.get("rows", []) if row["role"] == "reference"]
    if compared:
        passed = sum(bool(row["pass"]) for row in compared)
        missing = sum(row["value"] is None for row in compared)
        found.append(("rows of the card in range", f"{passed} of {len(compared)}", f"{missing} not measured"))
    return found


def _card(folder: Path) -> dict[str, Any]:
    path = folder / "scorecard.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _pictures(runs: Sequence[Run], wanted: Mapping[str, Sequence[Any]]) -> list[Picture]:
    return [picture(figures.one(runs, panels), about) for about, panels in wanted.items()]


def _network(run: Run) -> list[Picture]:
    try:
        return [picture(network(run), "Transfers between venues before and after the news")]
    except Unmeasured:
        return []


def _tried(id: str, title: str, intro: str, make: Any, shown: Sequence[Picture]) -> Section:
    try:
        return Section(id, title, intro, shown, make())
    except (Unmeasured, RunError, KeyError) as reason:
        return Section(id, title, intro, shown, why=f"No tables: {reason}")


def _gaps(run: Run) -> list[Table]:
    after = (readings.news_time(run), float(run.time[-1]))
    found = arbitrage.gaps(run, "BTC", "PERP", after)[:SHOWN_GAPS]
    lines = [
        [f"{_venue(one.book)} - {_venue(one.other)}", f"{one.median:.2f} %", f"{one.largest:.2f} %",
         readings.clock(run, one.time), *map(str, one.minutes)]
        for one in found
    ]  # fmt: skip
    head = ["venues", "median", "largest", "at", *(f"minutes above {level:g} %" for level in arbitrage.ABOVE)]
    return [Table("BTC perpetuals of two venues, minute closes from the news on", head, lines)]


def _venue(book: str) -> str:
    return book.partition(":")[0]


def _forgone(run: Run) -> list[Table]:
    found = arbitrage.forgone(run)
    lines = [
        [one.constraint, money(one.value), f"{100 * one.share:.0f} %", f"{one.gap:.2f} %"] for one in found
    ]
    note = "Remarked by the arbitrageurs: gaps that paid after fees and risk, and what left them least room to trade."
    head = ["constraint", "dollars x minutes", "of all", "mean gap after costs"]
    return [Table("What kept gaps from being traded", head, lines, note)] if lines else []


def _cards(folder: Path, records: Mapping[str, str]) -> Section:
    card = _card(folder)
    texts = []
    if card:
        seeds = len(card["seeds"])
        what = f"{seeds} seed{'' if seeds == 1 else 's'} of this command."
        texts.append(("The card of these runs", what, _html(scorecard.markdown(card))))
    day = folder / "day.md"
    if day.is_file():
        texts.append(
            ("Rows of a whole day", "Runs of 24 hours of this command.", _html(day.read_text("utf-8")))
        )
    section = _recorded(
        "cards",
        "Score cards",
        "What was fixed before any run, and what the model says.",
        ("predicted", "fitted"),
        records,
    )
    return section._replace(texts=[*texts, *section.texts])


def _recorded(id: str, title: str, intro: str, names: Sequence[str], records: Mapping[str, str]) -> Section:
    texts = []
    for name in names:
        heading, what = RECORDS[name]
        texts.append((heading, what, _html(records.get(name, NOT_YET))))
    return Section(id, title, intro, texts=texts)


def _others(folder: Path, records: Mapping[str, str]) -> Section:
    texts = []
    if (folder / "nulls.md").is_file():
        texts.append(("Null runs of this command", "", _html((folder / "nulls.md").read_text("utf-8"))))
    texts += [(name, "", _html(text)) for name, text in records.items() if name not in RECORDS]
    return Section("more", "Null runs and other recorded results", texts=texts, why="" if texts else "None.")


def _html(markdown: str) -> Markup:
    """Markdown as HTML, of which nothing is taken as HTML; a title of its own is left out, marks get their colours."""
    body = re.sub(r"\A# .*\n", "", markdown)
    body = re.sub(r"^(#+) ", r"##\1 ", body, flags=re.MULTILINE)
    html = MarkdownIt("js-default").render(body)
    html = html.replace("<td><strong>MISS</strong></td>", '<td class="miss">MISS</td>')
    html = html.replace("<td>pass</td>", '<td class="pass">pass</td>')
    return Markup(html.replace("<td>not measured</td>", '<td class="none">not measured</td>'))
