"""The README is true: its Python runs as printed, its commands run, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import Run, cli, readme
from experiments.run import RunError

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SHORT = ["clock.duration=60", "clock.burn_in=10", "news.0.time=2025-10-10T20:00:20Z"]


def close(address: str) -> None:
    """A browser whose user presses Ctrl-C as soon as the page is there: what `--show` opens in these tests."""
    assert address.startswith("http://127.0.0.1:")
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(webbrowser, "open", close)
    yield tmp_path


def commands() -> list[list[str]]:
    lines = [line for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
    assert all(line.startswith("$ cascade ") for line in lines)
    return [shlex.split(line, comments=True)[2:] for line in lines]


def files(folder: Path) -> None:
    """Save the blocks that begin with a file's name."""
    for kind, text in BLOCKS:
        if kind == "python" and (name := re.match(r"# (\w+\.py)\n", text)):
            (folder / name[1]).write_text(text)


def shortened(command: list[str]) -> list[str]:
    """A run of the README on a market that lives for a minute; every other command as it is."""
    return [*command, *(word for one in SHORT for word in ("--set", one))] if command[0] == "run" else command


@pytest.mark.slow
def test_every_command_on_a_short_clock(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files(here)
    for command in commands():
        assert cli.answer(shortened(command)) == 0, command
        assert capsys.readouterr().out.strip(), command
    assert (here / "runs" / "two_venues" / "nulls.md").is_file()
    assert cli.answer(shortened(["run", "two_venues"])) == 0  # the same runs: the comparison stays ...
    assert (here / "runs" / "two_venues" / "nulls.md").is_file()
    assert cli.answer([*shortened(["run", "two_venues"]), "--set", "news.0.size=-0.01"]) == 0
    assert not list((here / "runs" / "two_venues").glob("nulls.*"))  # ... and goes with them
    assert len(list((here / "runs" / "sweep").glob("seed-*"))) == 3
    assert Run.open("runs/with").config["population"]["mine"]["species"] == "contrarian:Contrarian"


@pytest.mark.slow
def test_every_command_as_it_is_printed(here: Path) -> None:
    files(here)
    for command in commands():
        assert cli.answer(command) == 0, command


def test_the_python_as_it_is_printed(here: Path) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    ran = 0
    for kind, text in BLOCKS:
        if kind == "python" and not re.match(r"# \w+\.py\n", text):
            exec(compile(text, "README.md", "exec"), names)
            ran += 1
    assert ran == 1
    assert 50_000 < names["low"] < 116_000  # a price below the opening, not nan
    assert (here / "worse_news.png").read_bytes().startswith(b"\x89PNG")
    assert Run.open("runs/worse_news").config["news"][0]["size"] == -0.05


@pytest.mark.parametrize("target", re.findall(r"^    make (\w+)", TEXT, re.MULTILINE))
def test_make_knows_the_targets(target: str) -> None:
    plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"october": "cascade october", "test": "pytest"}[target] in plan.stdout


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert link.startswith("https://") or (ROOT / link).is_file()


def test_sections_are_rewritten_and_nothing_else(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.answer(shortened(["run", "two_venues"])) == 0
    page = here / "README.md"
    page.write_text(TEXT)
    monkeypatch.setattr(readme, "README", page)
    monkeypatch.setattr(readme, "PICTURES", here / "img")
    assert readme.main([]) == 0  # no October run here: that section stays
    new = page.read_text()
    assert (here / "img" / "two_venues.png").is_file()
    digest = Run.open("runs/two_venues").digest[:16]
    assert f"(digest `{digest}`)" in new
    parts = re.compile(r"(<!-- two_venues:[^>]*-->).*?(<!-- end two_venues -->)", re.DOTALL)
    assert parts.sub("", new) == parts.sub("", TEXT)
    with pytest.raises(ValueError, match="no section"):
        readme.rewrite("nothing", "october", "x")
    with pytest.raises(RunError, match="cascade october"):
        readme.october(here / "runs" / "october", here)
