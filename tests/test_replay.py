"""The replay: one file that plays, says who and why, asks no network for anything, and takes no text for markup."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from experiments import cli, replay
from experiments.replay import packing
from experiments.replay.content import gathered, package
from experiments.run import Run
from tests import browser
from tests import made_up_event as event
from tests.browser import needs_browser

READY = "document.documentElement.dataset.ready"
EVIL = '</script><script>document.title = "taken"</script><img src=x onerror=boom>{{SCRIPT}}'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The made-up event, with a title and an owner that would be markup if text were."""
    record = event.with_owners(event.recording(), (EVIL, "crowd/1", "crowd/2"))
    return event.write(record, tmp_path_factory.mktemp("replay") / "run", title=EVIL)


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "one.html"
    replay.write([run], path)
    return path


def test_what_is_packed_comes_out_again() -> None:
    draw = np.random.default_rng(1)
    pack = packing.Package()
    pack.header["name"] = "ä"
    given = {
        "u1": draw.integers(0, 256, (3, 7)), "i2": draw.integers(-32768, 32767, 11),
        "i4": draw.integers(-(2**31), 2**31, (2, 5)),
        "f4": draw.normal(size=6).astype(np.float32), "u2": np.zeros((0, 4)),
    }  # fmt: skip
    for name, values in given.items():
        pack.add(name, values, name, delta=name != "f4")
    header, arrays = packing.unpacked(pack.packed())
    assert header["name"] == "ä"
    for name, values in given.items():
        np.testing.assert_array_equal(arrays[name], values)


def test_a_package_beside_another_is_small_where_they_are_alike_and_comes_out_again() -> None:
    draw = np.random.default_rng(2)
    one, sizes = packing.Package(), []
    series, codes = draw.integers(-(2**31), 2**31, (3, 4000)), draw.integers(0, 60000, 5000)
    one.add("series", series, "i4", delta=True, steps=True)
    one.add("codes", codes, "u2")
    later = series.copy()
    later[1, 2000:] += draw.integers(-3, 4, 2000)
    later[2] = draw.integers(-(2**31), 2**31, 4000)
    for every in (1, 3):
        _, first = packing.unpacked(one.packed(every))
        two = packing.Package(one)
        two.add("series", later, "i4", delta=True, steps=True)
        two.add("codes", np.append(codes[:-1], 0), "u2")
        header, arrays = packing.unpacked(two.packed(every), first)
        np.testing.assert_array_equal(arrays["series"], later[:, ::every])
        np.testing.assert_array_equal(arrays["codes"], [*codes[:-1], 0])
        assert [entry["rows"] for entry in header["arrays"]] == [[0, 1], [0]] and header["every"] == every
        sizes.append((len(one.packed(every)), len(two.packed(every))))
    assert all(0.2 * alone < beside < 0.4 * alone for alone, beside in sizes), sizes


def test_names_are_written_by_their_stems() -> None:
    given = [
        "whale",
        "crowd/9",
        "crowd/10",
        "crowd/11",
        "crowd/013",
        "7",
        "8",
        "crowd/12",
        "a\n1",
        "a\n2",
        "",
    ]
    listed = packing.listed(given)
    assert ["crowd/", 9, 3] in listed and ["7", -1, 1] not in listed and len(listed) < len(given)
    back = [stem if number < 0 else f"{stem}{number + k}" for stem, number, n in listed for k in range(n)]
    assert back == given


def test_amounts_are_kept_to_a_thousandth_and_nothing_is_nothing() -> None:
    amount = np.array([0.0, np.nan, 1e-3, -5.0, 3e11, -2e4])
    back = np.sign(packing.fine(amount)) * np.expm1(np.abs(packing.fine(amount)) / packing.PER_E)
    np.testing.assert_allclose(back[2:], amount[2:], rtol=2e-3, atol=1e-3)
    assert back[0] == back[1] == 0
    assert packing.coarse(np.array([0.0, 0.5, 1e6])).tolist() == [0, 1, 121]
    assert packing.ratio(np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.0, 1.0])).tolist() == [1, 0, 6931]


def test_the_prices_of_the_page_are_those_of_the_run(run: Run) -> None:
    header, arrays = packing.unpacked(package(run).packed())
    book = run.books.index("binance:BTC-PERP")
    shown = arrays["last"][book] * header["unit"][book]
    np.testing.assert_allclose(shown, run.column("last", book="binance:BTC-PERP"), rtol=1e-5)
    words = [mark["word"] for mark in header["marked"]]
    assert {"first liquidation", "first take-over", "first ADL", "low of binance:BTC-PERP"} <= set(words)
    assert header["missing"]["causes"] == "the run kept no fills; --set record.fills=true keeps them"
    assert "record.quotes" in header["missing"]["makers"]


def test_small_winners_are_told_together_where_they_are_too_many() -> None:
    """Five winners closed against failure 7, two against 8: the largest two stay by name, sums stay."""
    events = {
        "id": np.arange(9), "kind": np.array([1, 3, 3, 3, 3, 3, 3, 3, 1]),
        "time": np.array([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 4.0]), "owner": np.array([7, 7, 7, 7, 7, 7, 8, 8, 9]),
        "row": np.zeros(9, int), "book": np.zeros(9, int), "side": np.ones(9), "other_owner": np.arange(9) + 20,
        "quantity": np.array([1.0, 5.0, 1.0, 1.0, 9.0, 2.0, 1.0, 3.0, 1.0]),
        "price": np.array([10.0, 10.0, 10.0, 20.0, 10.0, 10.0, 30.0, 10.0, 10.0]),
    }  # fmt: skip
    events["value"] = events["quantity"] * events["price"]
    told, place = gathered(events, 3, most=6)
    assert told["id"].tolist() == [0, 1, 2, 4, 6, 8] and place.tolist() == [0, 1, 2, 2, 3, 2, 4, 4, 5]
    assert told["other_owner"].tolist() == [20, 21, -1, 24, -1, 28]
    assert told["quantity"].sum() == events["quantity"].sum() and told["value"].sum() == events["value"].sum()
    assert told["price"].tolist() == [10, 10, 50 / 4, 10, 60 / 4, 10]
    assert gathered(events, 3, most=9)[0] is events


def test_text_of_a_run_is_never_markup(page: Path) -> None:
    text = page.read_text()
    assert len(re.findall(r"<script", text)) == 2 and "onerror=boom>" not in text
    assert "&lt;/script&gt;" in text and "{{SCRIPT}}</title>" not in text.replace(
        "{{SCRIPT}}, seed 1</title>", ""
    )
    assert "http:" not in text and "https:" not in text and len(text) < 10e6


def test_one_word_for_a_wrong_file_and_nothing_half_written(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.answer(["replay", str(run.folder), "--out", str(tmp_path / "x.txt")]) == 2
    assert cli.answer(["replay", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x.html")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and "ends in .html" in errors[0] and "no such folder" in errors[1]
    assert not list(tmp_path.iterdir())
    assert cli.answer(["replay", str(run.folder), "--out", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").exists() and "MB" in capsys.readouterr().out


@needs_browser
def test_play_moves_time_and_everything_with_it(page: Path, tmp_path: Path) -> None:
    told = browser.seen(
        page,
        """
        const press = id => document.getElementById(id).click();
        const before = player.t, first = player.frames, began = performance.now(), tick = player.tick;
        let passed = 0;  // between frames, as the page's own clock told them
        player.tick = function (now) {
            if (this.playing) passed += Math.max(0, Math.min(0.25, (now - this.before) / 1000));
            tick.call(this, now);
        };
        press("play");
        while (player.frames < first + 12) await wait(50);
        press("play");
        const after = player.t, seconds = (performance.now() - began) / 1000;
        await wait(300);
        const still = player.t === after;
        document.getElementById("scrub").value = 4500;
        document.getElementById("scrub").dispatchEvent(new Event("input"));
        const scrubbed = [player.t, document.getElementById("clock").textContent];
        const jump = document.getElementById("jump");
        jump.selectedIndex = [...jump.options].findIndex(one => one.text.includes("first ADL"));
        jump.dispatchEvent(new Event("change"));
        const text = selector => document.querySelector(selector).textContent;
        return {before, after, passed, seconds, still, scrubbed, jumped: player.t, tape: text(".w3 .rows"),
                title: document.title, heading: text("h1"), speed: player.speed};
        """,
        tmp_path,
        ready=READY,
    )
    assert told["before"] == 0 and told["still"]
    # a frame moves the clock by the time since the one before, but never by more than a quarter of a second
    moved = told["after"] / told["speed"]
    assert moved == pytest.approx(told["passed"], abs=1e-6) and 0 < moved <= told["seconds"]
    assert told["scrubbed"] == [4500, "21:15:00"] and told["jumped"] == 4401
    assert "closed" in told["tape"] and "against crowd/2, a winner" in told["tape"]
    assert EVIL in told["title"] and EVIL in told["heading"]


@needs_browser
def test_the_mouse_finds_out_who_and_why(page: Path, tmp_path: Path) -> None:
    told = browser.seen(
        page,
        """
        const find = document.getElementById("find");
        find.value = "crowd/1"; find.dispatchEvent(new Event("input"));
        document.querySelector("#found button").click();
        const story = document.querySelector(".story").textContent;
        document.querySelector(".story").style.marginTop = "3000px";  // far below what is seen
        find.value = ""; find.dispatchEvent(new Event("input"));
        const offered = document.querySelector("#found").textContent;
        find.value = "crowd/1"; find.dispatchEvent(new Event("input"));
        document.querySelector("#found button").click();
        const top = document.querySelector(".story").getBoundingClientRect().top;
        document.querySelector(".story").style.marginTop = "";
        scrollTo(0, 0);
        find.value = "script"; find.dispatchEvent(new Event("input"));
        const found = document.querySelector("#found button").textContent;
        player.seek(4405);
        const prices = player.columns[0].panels[0], dot = prices.dots[0], box = prices.canvas.getBoundingClientRect();
        const at = {clientX: box.left + dot.x, clientY: box.top + dot.y, bubbles: true};
        prices.canvas.dispatchEvent(new MouseEvent("mousemove", at));
        const tip = document.getElementById("tip").textContent;
        prices.canvas.dispatchEvent(new MouseEvent("click", at));
        const shown = document.querySelector(".story h2").textContent;
        return {story, found, tip, top, high: innerHeight, offered, shown};
        """,
        tmp_path,
        ready=READY,
    )
    assert "Opened long 2" in told["story"] and "liquidated if the mark reaches" in told["story"]
    assert "liquidated" in told["story"] and "record.fills=true" in told["story"]
    assert told["found"] == EVIL and 0 < told["top"] < told["high"] / 2, "the story comes into view"
    assert re.search(r"of whom most was closed by force:.*crowd/1  [\d.]+ ", told["offered"], re.DOTALL)
    assert "liquidated at" in told["tip"] and "the story of this account" in told["tip"]
    assert told["shown"].startswith("crowd/1")


@pytest.fixture(scope="module")
def laddered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The made-up event with two levels a side of its first book at every step: 0.1 apart, two coins and one."""
    record = event.with_owners(event.recording(), ("whale", "crowd/1", "crowd/2"))
    times = np.repeat(record.time, 4)
    mid = np.repeat(np.round(record.books["last"][:, 0], 1), 4)
    levels = {
        "time": times, "book": np.zeros(len(times), np.int16), "side": np.tile([1, 1, -1, -1], len(record.time)),
        "price": mid + np.tile([-0.1, -0.2, 0.1, 0.2], len(record.time)),
        "quantity": np.tile([2.0, 1.0, 2.0, 1.0], len(record.time)),
    }  # fmt: skip
    return event.write(dataclasses.replace(record, levels=levels), tmp_path_factory.mktemp("rungs") / "run")


def test_levels_are_those_of_the_run_to_the_tick(laddered: Run) -> None:
    header, arrays = packing.unpacked(package(laddered).packed())
    ladder = header["ladder"]
    assert ladder["books"] == [0] and len(arrays["l_price"].shape) == 4
    kept = laddered.levels()
    first = kept["time"] == laddered.time[0]
    shown = np.round(arrays["l_price"][0, :, :2, 0] * ladder["ticks"][0], 6)
    np.testing.assert_allclose(shown.ravel(), kept["price"][first], atol=1e-6)
    assert not arrays["l_price"][0, :, 2:].any(), "no level where none was kept"
    worth = 10.0 ** ((arrays["l_value"][0, :, :2, 0].astype(float).ravel() - 1) / packing.PER_DECADE)
    np.testing.assert_allclose(worth, (kept["price"] * kept["quantity"])[first], rtol=0.07)


@needs_browser
def test_a_book_that_kept_its_levels_is_shown_level_by_level(laddered: Run, tmp_path: Path) -> None:
    replay.write([laddered], tmp_path / "levels.html")
    told = browser.seen(
        tmp_path / "levels.html",
        """
        player.book = player.runs[0].books[0]; player.seek(60);
        const ladder = player.columns[0].panels[1], box = ladder.canvas.getBoundingClientRect();
        const at = {clientX: box.left + 80, clientY: box.top + ladder.rowTop + 0.5 * ladder.rowHigh, bubbles: true};
        ladder.canvas.dispatchEvent(new MouseEvent("mousemove", at));
        const tip = document.getElementById("tip").textContent, rows = ladder.rows.map(one => one && one.price);
        player.book = player.runs[0].books[1]; player.draw();
        return {title: ladder.heading.textContent, rows, tip, other: ladder.rows};
        """,
        tmp_path,
        ready=READY,
    )
    assert len(told["rows"]) == 5 and told["rows"][2] is None
    prices = [price for price in told["rows"] if price]
    assert prices == sorted(prices, reverse=True) and prices[0] - prices[-1] == pytest.approx(0.4)
    assert told["tip"].startswith("ask ") and "rest there" in told["tip"]
    assert told["title"].startswith("Depth of") and told["other"] is None, "the other book shows its bands"


@needs_browser
def test_two_runs_share_one_clock(run: Run, tmp_path: Path) -> None:
    """And a file that would be too long keeps the prices of every so many steps, exactly, and says so."""
    alone = replay.write([run], tmp_path / "one.html")
    both = replay.write([run, run], tmp_path / "two.html", most=alone.size)
    assert alone.every == 1 < both.every and both.size <= alone.size
    told = browser.seen(
        tmp_path / "two.html",
        """
        player.seek(3600); player.choose(1, player.runs[0]);
        return [...document.querySelectorAll(".run")].map((one, k) =>
            [one.querySelector(".story h2").textContent, one.querySelectorAll("canvas").length,
             one.querySelector(".note").textContent,
             player.runs[k].books.map((_, b) => player.runs[k].last(b, 4300)),
             player.runs[k].books.map((_, b) => player.runs[k].mark(b, 4300)), [...player.runs[k].a.e_value]]);
        """,
        tmp_path,
        ready=READY,
    )
    assert len(told) == 2 and told[0] == told[1] and told[0][0].startswith("crowd/1")
    step = 4300 // both.every * both.every
    assert f"every {both.every} s" in told[0][2]
    np.testing.assert_allclose(told[0][3], run.column("last")[step], rtol=1e-5)
    np.testing.assert_allclose(told[0][4], run.column("mark")[step], rtol=1e-5)
    events = run.table("events/events").sort_by("time")
    np.testing.assert_allclose(told[0][5], np.nan_to_num(events["value"].to_numpy()), rtol=1e-4)


@needs_browser
def test_what_stands_beside_each_other_has_one_scale(run: Run, tmp_path: Path) -> None:
    """Also where one run falls further than the other; and another book is drawn to its own depth."""
    replay.write([run, run], tmp_path / "two.html")
    told = browser.seen(
        tmp_path / "two.html",
        """
        const [one, other] = player.runs, last = other.last.bind(other);
        other.last = (book, step) => 0.5 * last(book, step);
        player.draw();
        const scales = player.columns.map(({panels: [prices]}) => [prices.plot.y0, prices.plot.y1]);
        const ladder = player.columns[0].panels[1];
        ladder.most = 1e15;
        const book = document.getElementById("book");
        book.selectedIndex = (book.selectedIndex + 1) % book.options.length;
        book.dispatchEvent(new Event("change"));
        return {scales, lows: [one, other].map(each => each.last(0, each.n - 1)), most: ladder.plot.x1};
        """,
        tmp_path,
        ready=READY,
    )
    assert told["scales"][0] == told["scales"][1]
    low, high = told["scales"][0]
    assert low < min(told["lows"]) < max(told["lows"]) < high
    assert told["most"] < 1e12


def test_scripts_parse() -> None:
    """Where there is a JavaScript engine without a browser, at least the grammar is checked."""
    import shutil

    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here to parse the player's scripts with")
    for path in Path(replay.__file__).parent.glob("*.js"):
        subprocess.run([node, "--check", str(path)], check=True)
