"""The notebooks run from the first cell to the last and tell what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.py"))


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first_cascade"]


@pytest.mark.slow
def test_first_cascade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (path,) = NOTEBOOKS
    exec(compile(path.read_text(), path.name, "exec"), {"__name__": "__main__"})
    told = capsys.readouterr().out
    falls = [float(fall) for fall in re.findall(r"falls (\d+\.\d)%", told)]
    assert len(falls) == 3 and max(falls) > 4  # the news
    chain = re.findall(r" s  (\w+) ", told)
    assert chain[-1] == "adl" and len(chain) > 1  # something caused it
    levered, without = re.findall(r"liquidated (\d+\.\d) M\$   auto-deleveraged (\d+\.\d)", told)
    assert min(map(float, levered)) > 0 and set(without) == {"0.0"}
