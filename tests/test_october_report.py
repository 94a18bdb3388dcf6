"""The report of October: one file with everything, safe to open anywhere, that says what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import october_report, reference, scorecard
from experiments.commands import october as command
from experiments.october_report import people, standstill
from experiments.october_report.page import RECORDS, sections
from experiments.october_report.tables import money
from experiments.run import Run
from experiments.store import write_text
from tests import browser
from tests import made_up_event as event
from tests.browser import needs_browser

EVIL = '</style><script>document.title = "taken"</script><img src=x onerror=boom>{{ 7 * 191 }}'
PLACES = [
    "prices", "people", "depth", "stuck", "gaps", "funds", "cards", "taken-apart", "more", "limits", "config",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The made-up event with three owners: crowd/1 fails, crowd/2 wins and is deleveraged."""
    record = event.recording()
    for table in record.accounts.values():
        table["owner_name"] = np.array(["carry/0", "carry/1", "crowd/2"], dtype=object)  # type: ignore[index]
    positions = {
        "row": np.array([1, 2], np.int32), "book": np.array([0, 1], np.int16), "notional": np.array([2e5, -1.2e4]),
    }  # fmt: skip
    for label in record.accounts:
        record.positions[label] = positions  # type: ignore[index]
    return event.write(record, tmp_path_factory.mktemp("report") / "run", title=EVIL)


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beside the run its card, as the command leaves it."""
    folder = tmp_path_factory.mktemp("told")
    card = scorecard.card({"base": [run]}, reference.targets("october"), "october_2025")
    write_text(folder / "scorecard.json", json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def page(run: Run, folder: Path) -> Path:
    path = folder / "report.html"
    size = october_report.write([run], folder, path, "cascade october --seeds 1", {})
    assert size == path.stat().st_size < 10e6
    return path


@pytest.mark.slow
@needs_browser
def test_a_browser_shows_every_section_and_asks_nobody(page: Path, tmp_path: Path) -> None:
    told = browser.seen(
        page,
        """
        const shown = [...document.querySelectorAll("section")].filter(one => one.getBoundingClientRect().height > 40);
        const images = [...document.images];
        await Promise.all(images.map(one => one.decode()));
        return {sections: shown.map(one => one.id), images: images.filter(one => one.naturalWidth > 300).length,
                all: images.length, links: [...document.links].map(one => one.getAttribute("href")),
                title: document.title, wide: document.documentElement.scrollWidth <= innerWidth};
        """,
        tmp_path,
    )
    assert told["sections"] == PLACES and told["links"] == [f"#{place}" for place in PLACES]
    assert told["images"] == told["all"] >= 7 and told["wide"] and told["title"] == EVIL


def test_what_a_run_says_is_text_and_what_is_missing_is_said(page: Path) -> None:
    text = page.read_text()
    assert "<script" not in text and "onerror=boom>" not in text and "1337" not in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text) and "@import" not in text
    assert text.count("Not recorded yet.") == len(RECORDS)
    assert "needs --nulls: extra runs" in text and 'class="miss"' in text and 'class="pass"' in text


def test_who_failed_and_who_won_are_told_apart(run: Run) -> None:
    by = {table.title: table for table in people.tables([run])}
    groups = {line[0]: line for line in by["By what they do"].lines}
    assert groups["carry"][1] == "1" and groups["carry"][4] == "-"  # owner 1 failed
    assert groups["crowd"][1] == "-" and groups["crowd"][4:6] == ["1", "4 $"]  # owner 2 won and was closed
    sizes = {line[0]: line for line in by["By size"].lines}
    assert sizes["100 k$ to 1 M$"][1] == "1" and sizes["10 to 100 k$"][4] == "1"
    venues = {line[0]: line for line in by["By venue"].lines}
    assert venues["hyperliquid"][5] == money(2.1e9) and venues["binance"][5] == "-"


def test_a_queue_is_worth_what_waits_in_it_at_the_time() -> None:
    lines = {
        "resource": np.array(["a", "b", "a"]), "time": np.array([2.0, 3.0, 4.0]),
        "queue_value": np.array([10.0, 5.0, 0.0]),
    }  # fmt: skip
    run = SimpleNamespace(time=np.array([1.0, 2.0, 3.0, 4.0, 5.0]), stations=lambda: lines)
    assert standstill._waiting(run).tolist() == [0.0, 10.0, 15.0, 5.0, 5.0]  # type: ignore[arg-type]


@pytest.mark.slow
def test_recorded_results_stand_in_their_places_with_their_command(run: Run, folder: Path) -> None:
    table = "# A title\n\n| | row |\n|---|---|\n| **MISS** | 2 |\n\n<b>bold</b>\n\n    cascade october --record fitted"
    records = dict.fromkeys(("fitted", "placebos", "trials"), table)
    found = {section.id: section for section in sections([run], folder, records)}
    cards = {heading: str(html) for heading, _, html in found["cards"].texts}
    assert cards["Predicted card"].strip() == "<p>Not recorded yet.</p>"
    assert (
        'class="miss"' in cards["Fitted card"] and "cascade october --record fitted" in cards["Fitted card"]
    )
    assert "&lt;b&gt;bold" in cards["Fitted card"] and "A title" not in cards["Fitted card"]
    assert [heading for heading, _, _ in found["more"].texts] == ["trials"]


def test_dollars_are_told_in_few_figures() -> None:
    assert [money(value) for value in (0.0, 12.0, -2.5e6, 6.123e9)] == ["-", "12 $", "-2.5 M$", "6.12 B$"]


@pytest.mark.slow
def test_the_same_runs_give_the_same_page(run: Run, folder: Path, page: Path) -> None:
    again = folder / "again.html"
    october_report.write([run], folder, again, "cascade october --seeds 1", {})
    assert again.read_bytes() == page.read_bytes()


def test_rows_of_a_day_are_those_that_the_evening_cannot_tell(run: Run, folder: Path) -> None:
    command.tell_day([run], folder)
    told = json.loads((folder / "day.json").read_text())
    assert {row["id"] for row in told["rows"]} >= {"23", "27", "P3a"} and "P7" not in {
        row["id"] for row in told["rows"]
    }
    command.tell_day([], folder)
    assert not (folder / "day.json").exists()
