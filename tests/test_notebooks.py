"""The notebooks run from the first cell to the last and say what they check; the pairs are of one text."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from tests import notebooks

TEXTS = notebooks.texts()
PAIRS = [text.with_suffix(".ipynb") for text in TEXTS]
LARGEST = 1_000_000  # bytes of one notebook
ALL = 3_000_000


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_a_pair_is_one_text(text: Path) -> None:
    mine, pair = jupytext.read(text), nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    assert [(cell.cell_type, cell.source) for cell in mine.cells] == [
        (cell.cell_type, cell.source) for cell in pair.cells
    ], f"python -m tests.notebooks {text.stem} writes the pair anew"
    nbformat.validate(pair)


def test_there_is_no_notebook_without_its_text() -> None:
    assert sorted(notebooks.FOLDER.glob("*.ipynb")) == PAIRS


@pytest.mark.parametrize("pair", PAIRS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_cells_did_and_is_small(pair: Path) -> None:
    book = nbformat.read(pair, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert notebooks.pictures(book) and notebooks.printed(book)
    assert pair.stat().st_size < LARGEST


def test_all_together_are_small() -> None:
    assert sum(pair.stat().st_size for pair in PAIRS) < ALL


def test_every_notebook_checks_what_it_says() -> None:
    for text in TEXTS:
        claims = re.findall(r"^ *assert ", text.read_text(), re.MULTILINE)
        assert len(claims) >= 2, f"{text.name} claims nothing"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_a_notebook_runs(text: Path, tmp_path: Path) -> None:
    """Its own asserts are the claims; it shows as many pictures as are kept beside the text, and tells as it goes."""
    book, kept = notebooks.executed(text, tmp_path), nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    assert len(notebooks.pictures(book)) == len(notebooks.pictures(kept))
    assert notebooks.printed(book)
