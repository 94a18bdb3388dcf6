"""The dashboard as people see it: in a browser, with mouse and keys, over the server that `cascade view` starts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from experiments import load
from experiments.dashboard.closings import latest
from experiments.dashboard.session import FILLS, Session
from tests.browser import Tab, browser, needs_browser
from tests.test_dashboard import at_end

pytestmark = [needs_browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[1]
EVIL = "<img src=//evil.example/x onerror=boom()>"
SCENARIO = f"""
base = "two_venues"
title = '{EVIL}'
[clock]
duration = 400
[[news]]
time = 2025-10-10T20:01:00Z
size = -0.08
"""


class Server(NamedTuple):
    """`cascade view` as a process of its own, and where its page is."""

    process: subprocess.Popen[str]
    address: str


@contextmanager
def serving(home: Path, scenario: str) -> Iterator[Server]:
    """A dashboard; at its end it has said nothing of a fault."""
    command = [sys.executable, "-m", "experiments.cli", "view", scenario, "--port", "0"]
    with (home / "log").open("w") as log:
        served = subprocess.Popen(
            command,
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert served.stdout is not None
        line = served.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), (home / "log").read_text()
        yield Server(served, line.split()[0])
        served.send_signal(signal.SIGINT)
        assert served.wait(120) == 0
    said = (
        (home / "log").read_text().splitlines()
    )  # no fault, no warning; a tab that closes breaks its connection off
    assert [line for line in said if re.search("Error|Warning", line) and "ClosedError" not in line] == []


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard of a short run with a title that would be markup if text were."""
    home = tmp_path_factory.mktemp("view")
    (home / "evil.toml").write_text(SCENARIO)
    with serving(home, "evil.toml") as server:
        yield server.address


@pytest.fixture
def tab(address: str, tmp_path: Path) -> Iterator[Callable[[], Tab]]:
    """Opens tabs; at the end none has complained, and none has asked anybody but the server for anything."""
    tabs: list[Any] = []
    with browser(tmp_path / "profile") as new:

        def opened() -> Tab:
            one = new()
            tabs.append(one)
            one.open(address)
            ready(one)
            return one

        yield opened
        for one in tabs:
            one.run("1")
            assert one.complaints == []
            here = (address, address.replace("http", "ws", 1), "data:", f"blob:{address}", "about:")
            assert [asked for asked in one.asked if not asked.startswith(here)] == []


def ready(tab: Tab) -> None:
    tab.wait("!!window.deep && !!deep('.ladder') && !!deep('.prices >>> canvas')", 120)


def play_out(tab: Tab) -> None:
    """Play the whole run: how far a page comes before somebody pauses it is a matter of its machine's speed."""
    tab.wait("text('.play >>> button') === 'Play'")
    tab.click(".play >>> button")
    tab.wait("text('.state').includes('at its end')")


FRESH = "text('.clock') === '20:00:01' && text('.state').includes('paused')"
POINTS = """Math.max(...[...Bokeh.documents[0]._all_models.values()]
    .filter(model => model.type === "ColumnDataSource" && model.columns().includes("y0"))
    .map(model => model.get_length() ?? 0))"""


def test_play_moves_time_and_the_charts_with_it(tab: Callable[[], Tab]) -> None:
    one = tab()
    one.wait(FRESH)
    one.click(".step >>> button")
    one.wait("text('.clock') === '20:00:02'")
    one.wait(f"{POINTS} === 2")
    one.choose(".pace >>> select", "10 s a second")  # so that it does not end before somebody pauses it
    one.click(".play >>> button")
    one.wait("text('.clock') > '20:00:20'")
    one.click(".play >>> button")
    one.wait("text('.state').includes('paused')")
    still = one.text(".clock")
    time.sleep(0.5)
    assert one.text(".clock") == still
    minutes, seconds = map(int, still.split(":")[1:])
    one.wait(f"{POINTS} === {60 * minutes + seconds}")
    one.click(".again >>> button")
    one.wait(FRESH)
    assert "mark" in one.text(".ladder") and "levels offered" in one.text(".ladder-box")


def test_a_changed_parameter_changes_the_run_and_a_wrong_one_is_refused(tab: Callable[[], Tab]) -> None:
    one = tab()
    play_out(one)
    size = ".at-news-0-size >>> input"
    one.type(size, "much")
    one.wait("(text('.said') || '').includes('news.0.size: given \"much\", expected a number')")
    one.wait("deep('.anew >>> button').disabled")
    one.type(size, "-0.02")
    one.wait("(text('.pending') || '').includes('-0.02') && !(text('.said') || '').includes('expected')")
    one.click(".anew >>> button")
    one.wait(f"{FRESH} && (text('.beside') || '').includes('news.0.size = -0.02')")
    play_out(one)
    one.wait("(text('.beside') || '').includes('lowest trade of alpha:BTC-PERP')")
    cells = "[...deep('.beside >>> tbody td').parentNode.children].map(cell => cell.textContent)"
    one.wait(f"(([what, now, before]) => now !== before)({cells})")


def list_of(scenario: str, out: Path) -> dict[str, list[Any]]:
    """The list of closings at the end of a run, of the same run without a page."""
    session = Session("unseen", load(scenario, [FILLS]), out=out)
    last = latest(at_end(session).tape, 80)
    session.close()
    return last


ROWS = "[...deep('.closings >>> .slick-viewport').querySelectorAll('.slick-row')]"


def shown(last: dict[str, list[Any]], count: int) -> str:
    """Whether the browser's list begins with these lines."""
    lines = [[last[name][k] for name in ("clock", "what", "who", "book")] for k in range(count)]
    cells = (
        f"{ROWS}.slice(0, {count}).map(row => [...row.children].slice(0, 4).map(cell => cell.textContent))"
    )
    return f"JSON.stringify({cells}) === JSON.stringify({json.dumps(lines)})"


def test_the_list_of_closings_shows_the_latest_when_it_is_full(tmp_path: Path) -> None:
    last = list_of("two_venues", tmp_path / "out")
    assert len(last["clock"]) == 80
    with serving(tmp_path, "two_venues") as server, browser(tmp_path / "profile") as new:
        one = new()
        one.open(server.address)
        ready(one)
        play_out(one)
        one.wait(shown(last, 8))


def test_the_mouse_finds_out_why_an_account_was_liquidated(tab: Callable[[], Tab], tmp_path: Path) -> None:
    (tmp_path / "same.toml").write_text(SCENARIO)
    last = list_of(str(tmp_path / "same.toml"), tmp_path / "out")
    one = tab()
    play_out(one)
    one.wait(shown(last, 8))  # all of it is there: no line moves away under the mouse
    line = 1 + next(k for k, what in enumerate(last["what"][:8]) if "liquidated" in what)
    one.click(f".closings >>> .slick-row:nth-child({line}) .slick-cell")
    one.wait("(text('.story') || '').includes('what had moved that mark')")
    story = one.text(".story")
    assert "fell under its maintenance margin" in story and "what became of" in story
    who = story.partition("what became of ")[2].split("2")[0]
    one.wait(f"text('.standing').includes({who[:6]!r})")
    one.wait("!!deep('.account-chart >>> canvas')")
    one.wait("scrollY > 0")  # the answer comes into view
    one.wait("getComputedStyle(deep('.standing >>> td')).whiteSpace === 'nowrap'")  # no word is broken
    one.wait("!!deep('.numbers >>> details[open] td')")
    assert one.run("(e => e.scrollWidth <= e.clientWidth)(deep('.numbers >>> details[open] .wide'))")


def test_a_branch_goes_back_and_changes_a_rule(tab: Callable[[], Tab]) -> None:
    one = tab()
    play_out(one)
    one.type(".filter >>> input", "venues.beta.fund.rule")
    one.wait("!!deep('.at-venues-beta-fund-rule >>> select')")
    one.choose(".at-venues-beta-fund-rule >>> select", "unlimited")
    one.wait("(text('.pending') || '').includes('unlimited')")
    one.choose(".moment >>> select", "20:02:12")  # the second of six
    one.click(".branch >>> button")
    one.wait("text('.clock') === '20:02:12' && (text('.beside') || '').includes('fund.rule = unlimited')")
    one.wait("deep('.at-venues-beta-fund-rule >>> select')?.value === 'unlimited'")
    one.wait("deep('.moment >>> select').selectedOptions[0].text === 'now'")  # a branch stands where it began


def test_a_reload_and_a_second_tab_see_the_same_run(tab: Callable[[], Tab], address: str) -> None:
    one, two = tab(), tab()
    one.click(".minute >>> button")
    one.wait("text('.clock') === '20:01:01'")
    two.wait("text('.clock') === '20:01:01'")
    two.click(".minute >>> button")
    two.wait("text('.clock') === '20:02:01'")
    one.wait("text('.clock') === '20:02:01'")
    one.type(".search >>> input", "longs/17")
    one.wait("(text('.standing') || '').includes('longs/17 at')")
    one.open(address + "?look=dark")
    ready(one)
    one.wait("text('.clock') === '20:02:01' && (text('.standing') || '').includes('longs/17 at')")
    one.wait("getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 26)'")


def test_the_dark_page_has_its_own_arrows_and_question_marks(tab: Callable[[], Tab], address: str) -> None:
    one = tab()
    one.open(address + "?look=dark")
    ready(one)
    one.choose(".section >>> select", "news.0")
    arrow = one.run("getComputedStyle(deep('.section >>> select')).backgroundImage")
    assert "rgb(242, 242, 242)" in arrow and "black" not in arrow
    one.wait("!!deep('.at-news-0-size >>> .bk-icon')")
    colour = one.run("getComputedStyle(deep('.at-news-0-size >>> .bk-icon')).backgroundColor")
    assert colour == "rgb(163, 169, 175)"


def test_ticks_of_money_are_told_apart(tab: Callable[[], Tab]) -> None:
    one = tab()
    form = (
        "[...Bokeh.documents[0]._all_models.values()].find(model => model.type === 'CustomJSTickFormatter')"
    )
    told = one.run(f"{form}.doFormat([3999500, 4000000, 4000500], {{loc: 0}})")
    assert told == ["3.9995M", "4M", "4.0005M"]
    assert one.run(f"{form}.doFormat([0, 200000, 1400000], {{loc: 0}})") == ["0", "200k", "1.4M"]


def test_text_is_shown_as_it_is_written(tab: Callable[[], Tab]) -> None:
    one = tab()
    one.wait(f"(text('.state.title') || '').includes({EVIL!r})")
    one.choose(".section >>> select", "news.0")
    one.type(".at-news-0-size >>> input", EVIL)
    one.wait("(text('.said') || '').includes('<img')")
    one.type(".search >>> input", EVIL)
    one.wait("[...deep('.found >>> select').options].length === 0")  # nobody is called that
    assert one.run("deep('img')") is None


# counts the frames in which a new time is drawn, and asks for nothing where there is none
COUNT = """(() => { window.updates = 0; let last = text(".clock");
    const drawn = () => { updates++; };
    new MutationObserver(() => {
        const now = text(".clock");
        if (now === last || now === null) return;
        last = now;
        requestAnimationFrame(drawn);
    }).observe(deep(".clock").getRootNode(), {childList: true, characterData: true, subtree: true}); })()"""
TEN_A_SECOND = 0.2  # seconds that two cores have for one of ten updates a second


def spent(process: psutil.Process, thread: int | None = None) -> float:
    """Seconds of computing of a process and all that it has started, or of one thread of it."""
    if thread is not None:
        return sum(one.user_time + one.system_time for one in process.threads() if one.id == thread)
    tree = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in tree)


@pytest.mark.timeout(3600)
def test_ten_updates_a_second_of_october_fit_two_cores(tmp_path: Path) -> None:
    """More than 100,000 owners on fifteen coins: ten updates cost page and browser less than two cores have.

    Counted in seconds of computing, which a busy machine does not stretch, per new time that the browser has drawn.
    """
    with serving(tmp_path, "october_2025") as server, browser(tmp_path / "profile") as new:
        one, page = new(), psutil.Process(server.process.pid)
        chromium = next(child for child in psutil.Process().children() if "chrom" in child.name())
        one.open(server.address)
        one.wait("!!deep('.prices >>> canvas')", 1200)
        one.run(COUNT)
        one.wait("text('.play >>> button') === 'Play'")
        one.click(".play >>> button")
        one.wait("updates > 10", 1200)
        before, mine, theirs = one.run("updates"), spent(page, page.pid), spent(chromium)
        one.wait(f"updates > {before + 60}", 1200)
        drawn = one.run("updates") - before
        mine, theirs = (
            1000 * (spent(page, page.pid) - mine) / drawn,
            1000 * (spent(chromium) - theirs) / drawn,
        )
        assert one.complaints == []
    assert mine + theirs < 1000 * TEN_A_SECOND, (
        f"page {mine:.0f} + browser {theirs:.0f} ms of computing an update"
    )
