"""What a command says: to people as lines, to programs as one document, or nothing; progress on stderr."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cyclopts import App
from rich.console import Console

from experiments import cli, figures, progress
from experiments.commands import output
from experiments.commands.app import app
from experiments.run import Run
from tests import made_up_event as event


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    record = event.with_owners(event.recording(), ("whale", "crowd/1", "crowd/2"))
    return event.write(record, tmp_path_factory.mktemp("said") / "seed-0001")


def document(line: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    """What stands on stdout, which is one JSON document or nothing that can be read."""
    assert cli.answer([*line, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("columns --table waits", "columns"),
        ("scenario list", "scenarios"),
        ("scenario check two_venues", "opening"),
        ("scenario check --parameters", "parameters"),
        ("venues", "venues"),
        ("venues show binance", "liquidation"),
        ("network show four_venues --out map.png", "edges"),
        ("sweep list", "studies"),
        ("sweep adl_fund --plan", "plan"),
    ],
)
def test_a_program_reads_the_same_facts_as_people(
    line: str, key: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = document(line.split(), capsys)
    names = [name for name in found if name == key] or list(found)
    assert found[names[-1]], f"{key} is empty"
    assert key in found or key == "opening"
    assert cli.answer([*line.split(), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_run_is_looked_at_by_programs(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = document(["figures", str(run.folder), "--out", str(tmp_path)], capsys)
    assert [one["figure"] for one in told["pictures"]] == list(figures.GALLERY)
    assert all(Path(one["file"]).is_file() for one in told["pictures"])
    page = document(["replay", str(run.folder), "--out", str(tmp_path / "x.html")], capsys)
    assert page["bytes"] == (tmp_path / "x.html").stat().st_size
    same = document(["compare", str(run.folder), str(run.folder)], capsys)
    assert same["parted"] == {"1": None} and all(row["difference"] in (0, None) for row in same["rows"])
    whale = document(["account", str(run.folder), "0"], capsys)
    assert {"title", "lines"} == set(whale["parts"][0])


def verbs(group: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb of the program, read off the program itself; a group that can be called is one too."""
    for name in group:
        if not name.startswith("-"):
            if group[name].default_command is not None:
                yield (*path, name)
            yield from verbs(group[name], (*path, name))


VERBS = sorted(verbs())


def test_all_verbs_are_found() -> None:
    assert {("run",), ("view",), ("validate",), ("sweep",), ("sweep", "query"), ("network", "map")} <= set(
        VERBS
    )


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_says_what_it_does_and_refuses_in_one_line_or_one_document(
    verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    one = app
    for name in verb:
        one = one[name]
    assert one.help or (one.default_command and one.default_command.__doc__)
    fault = document([*verb, "--no-such-option"], capsys, code=2)
    assert list(fault) == ["faults"] and len(fault["faults"]) == 1
    assert f"(see cascade {' '.join(verb)} --help)" in fault["faults"][0]
    assert cli.answer([*verb, "--no-such-option", "--quiet"]) == 2
    assert capsys.readouterr() == ("", f"cascade: {fault['faults'][0]}\n")


def test_faults_are_in_the_document_and_on_stderr_whatever_the_switches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for switches in (["--json"], ["--json", "--quiet"]):
        assert cli.answer(["figures", "nowhere", *switches]) == 2
        said = capsys.readouterr()
        assert json.loads(said.out) == {"faults": ["nowhere: no such folder"]}
        assert said.err == "cascade: nowhere: no such folder\n"
    assert cli.answer(["figures", "nowhere", "--quiet"]) == 2
    assert capsys.readouterr() == ("", "cascade: nowhere: no such folder\n")


def test_ctrl_c_while_something_is_drawn_is_exit_130(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "gallery", pressed)
    found = document(["figures", str(run.folder), "--out", str(tmp_path)], capsys, code=130)
    assert found["faults"][0].startswith("interrupted")
    monkeypatch.undo()
    monkeypatch.setattr("experiments.causes.attribute", pressed)
    assert cli.answer(["replay", str(run.folder), "--out", str(tmp_path / "y.html")]) == 130
    assert "Traceback" not in capsys.readouterr().err and not (tmp_path / "y.html").exists()


def test_a_verb_that_only_prints_has_its_lines_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    with output.spoken(as_json=True, quiet=False):
        print("one")
        print("two")
    assert json.loads(capsys.readouterr().out) == {"lines": ["one", "two"]}
    with output.spoken(as_json=False, quiet=True):
        print("one")
        progress.remark("wait")
    assert capsys.readouterr() == ("", "")
    output.put(nobody="listens")  # a verb called from Python


def test_cells_are_numbers_where_they_look_like_numbers() -> None:
    cells = ["1,234.5", "-7", "12", "1e-3", "-", "", "1,2", "5%", "20:00:01", "alpha:BTC-PERP"]
    read = [output.value_of(cell) for cell in cells]
    assert read == [1234.5, -7, 12, 0.001, None, None, "1,2", "5%", "20:00:01", "alpha:BTC-PERP"]


def test_what_json_does_not_know_becomes_what_it_knows() -> None:
    given = {
        "a": np.float64("nan"),
        "b": np.arange(2),
        "c": Path("x"),
        4: (np.int64(3), float("inf"), None, True),
    }
    assert output.plain(given) == {"a": None, "b": [0, 1], "c": "x", "4": [3, None, None, True]}


def test_the_switches_may_stand_anywhere_but_behind_two_dashes() -> None:
    assert output.switches(["--json", "run", "--quiet", "x"]) == (["run", "x"], True, True)
    assert output.switches(["account", "--", "--json"]) == (["account", "--", "--json"], False, False)


# ------------------------------------------------------------------ progress


def counted(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a count of three says on stderr."""
    wire = io.StringIO()
    there = Console(file=wire, force_terminal=terminal, width=120)
    monkeypatch.setattr(progress, "console", lambda show=True: there)
    with progress.Count(3, "pictures") as count:
        for name in ("prices", "book", "makers"):
            count.next(name)
            count.live.refresh()
    return wire.getvalue()


def test_a_terminal_shows_what_is_done_how_much_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = counted(True, monkeypatch)
    assert "book" in told and "2/3" in told and "pictures/min" in told and "0:00:00" in told


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(False, monkeypatch) == ""
    monkeypatch.setattr(progress, "SELDOM", -1.0)
    lines = counted(False, monkeypatch).splitlines()
    assert (
        len(lines) == 3
        and lines[1].startswith("book: 1 of 3 pictures done, ")
        and lines[1].endswith("min left")
    )


def test_hidden_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.hidden(), progress.Board(2) as board:
        board.reused("one")
        assert board.console.quiet and progress.console().quiet
    assert capsys.readouterr().err == "" and not progress.console().quiet
